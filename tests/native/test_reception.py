"""The receive side of one stream: what is new, what is missing and asked for, what the sender is told."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native import testing as native
from tests.oracle import reception as oracle

NEW, LATE, DUPLICATE, JUMP, RESET = native.NEW, native.LATE, native.DUPLICATE, native.JUMP, native.RESET

MS = 1_000_000
AWKWARD = [0, 1, 2, 0x7FFE, 0x7FFF, 0x8000, 0x8001, 0xFFFD, 0xFFFE, 0xFFFF]


def u16(n: int) -> int:
    return n & 0xFFFF


def asked(pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The numbers that a NACK names (RFC 4585 6.2.1)."""
    return [u16(pid + i) for pid, blp in pairs for i in range(17) if i == 0 or blp >> (i - 1) & 1]


def stream(start: int, numbers: Iterable[int], now: int = 0) -> native.Reception:
    """One that has received these, counted from `start`, all at once."""
    r = native.Reception(90000)
    for n in numbers:
        r.packet(u16(start + n), 0, now)
    return r


TABLE = {
    "in order": ([0, 1, 2, 3], [NEW, NEW, NEW, NEW]),
    "a loss": ([0, 2, 3], [NEW, NEW, NEW]),
    "reordered": ([0, 2, 1, 3], [NEW, NEW, LATE, NEW]),
    "repeated": ([0, 0, 1, 0, 1], [NEW, DUPLICATE, NEW, DUPLICATE, DUPLICATE]),
    "late and repeated": ([0, 2, 1, 1], [NEW, NEW, LATE, DUPLICATE]),
    "older than the first": ([0, -1, -1], [NEW, LATE, DUPLICATE]),
    "as far forward as we believe": ([0, 2999, 3000], [NEW, NEW, NEW]),
    "one stray packet from afar": ([0, 3000, 1, 2], [NEW, JUMP, NEW, NEW]),
    "a stray one that comes twice": ([0, 3000, 3000, 1], [NEW, JUMP, JUMP, NEW]),
    "the source began anew": ([0, 9000, 9001, 9002], [NEW, JUMP, RESET, NEW]),
    "anew, further back": ([0, -2000, -1999, -1998], [NEW, JUMP, RESET, NEW]),
    "as far back as we remember": ([1023, 0, 0], [NEW, LATE, DUPLICATE]),
    "further": ([1024, 0, 1025], [NEW, JUMP, NEW]),
    "a stray one is forgotten when the stream goes on": ([0, 9000, 1, 9001, 2], [NEW, JUMP, NEW, JUMP, NEW]),
    "half way round": ([0, 0x8000, 0x8001], [NEW, JUMP, RESET]),
}


@pytest.mark.parametrize("start", AWKWARD)
@pytest.mark.parametrize(("numbers", "answers"), TABLE.values(), ids=TABLE.keys())
def test_sequence(numbers: list[int], answers: list[int], start: int):
    r = native.Reception(90000)
    assert [r.packet(u16(start + n), 0, 0) for n in numbers] == answers


# ---- NACK ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", AWKWARD)
def test_a_gap_is_asked_for_after_three_packets(start: int):
    r = stream(start, [0, 1])
    assert r.deadline is None
    r.packet(u16(start + 4), 0, 1 * MS)
    r.packet(u16(start + 5), 0, 2 * MS)
    assert r.deadline == 11 * MS
    assert r.nacks(2 * MS) == []
    r.packet(u16(start + 6), 0, 3 * MS)
    assert r.deadline == 3 * MS
    assert asked(r.nacks(3 * MS)) == [u16(start + 2), u16(start + 3)]
    assert r.deadline == 43 * MS


@pytest.mark.parametrize("start", AWKWARD)
def test_a_gap_is_asked_for_after_ten_milliseconds(start: int):
    r = stream(start, [0, 2], 5 * MS)
    assert r.nacks(15 * MS - 1) == []
    assert asked(r.nacks(15 * MS)) == [u16(start + 1)]


def test_then_every_40_ms_and_eight_times_in_all():
    r = stream(0, [0, 2])
    times = []
    while (now := r.deadline) is not None:
        assert r.nacks(now - 1) == []
        assert asked(r.nacks(now)) == [1]
        times.append(now // MS)
    assert times == [10, 50, 90, 130, 170, 210, 250, 290]
    assert not r.keyframe_needed


def test_not_after_a_second():
    r = stream(0, [0, 2])
    assert asked(r.nacks(999 * MS)) == [1]
    assert r.nacks(1000 * MS) == []
    assert r.deadline is None
    assert r.packet(1, 0, 1001 * MS) == LATE  # still welcome


def test_what_came_is_not_asked_for():
    r = stream(100, [0, 5])
    assert r.packet(102, 0, 1 * MS) == LATE
    assert r.recovered(103)
    assert asked(r.nacks(10 * MS)) == [101, 104]
    assert r.recovered(101)
    assert r.packet(104, 0, 12 * MS) == LATE
    assert r.deadline is None
    assert r.nacks(500 * MS) == []


def test_sixteen_that_follow_share_a_pair():
    r = stream(0xFFF0, [0, 40])
    pairs = r.nacks(10 * MS)
    assert pairs == [(0xFFF1, 0xFFFF), (0x0002, 0xFFFF), (0x0013, 0x000F)]
    assert asked(pairs) == [u16(0xFFF0 + n) for n in range(1, 40)]


def test_what_finds_no_room_is_asked_for_at_once_afterwards():
    r = stream(0, [0, 100])
    assert asked(r.nacks(10 * MS, 2)) == list(range(1, 35))
    assert r.deadline == 10 * MS
    assert asked(r.nacks(10 * MS, 64)) == list(range(35, 100))
    assert r.deadline == 50 * MS


@pytest.mark.parametrize("start", AWKWARD)
@pytest.mark.parametrize(("gap", "given_up"), [(255, False), (256, False), (257, True), (2998, True)])
def test_more_than_256_missing_is_beyond_repair(gap: int, given_up: bool, start: int):
    r = stream(start, [0, gap + 1])
    assert r.keyframe_needed is given_up
    assert len(asked(r.nacks(10 * MS, 64))) == (0 if given_up else gap)


def test_many_small_gaps_count_together():
    r = stream(0, [0, *range(2, 516, 2)])  # 257 holes
    assert r.keyframe_needed
    assert r.nacks(10 * MS) == []
    r.packet(516, 0, 11 * MS)  # the next hole is asked for again
    assert asked(r.nacks(21 * MS)) == [515]


def test_losses_that_nobody_asks_about_do_not_pile_up():
    """Sound without NACK: half of it lost for a minute is never too much at once."""
    r = native.Reception(48000)
    for n in range(0, 3000, 2):
        r.packet(n, n * 960, n * 20 * MS)
    assert not r.keyframe_needed
    assert 0 < len(asked(r.nacks(3000 * 20 * MS))) < 50


def test_a_new_beginning_asks_for_nothing_old():
    r = stream(0, [0, 5])
    assert [r.packet(20000, 0, MS), r.packet(20001, 0, MS)] == [JUMP, RESET]
    assert r.keyframe_needed
    assert r.deadline is None


@pytest.mark.parametrize(
    ("seq", "wanted"),
    [(6, True), (5, False), (9, False), (10, False), (11, False), (4, False), (0x8000, False)],
    ids=["missing", "received", "newest", "not due yet", "not due yet", "before the first", "far"],
)
def test_recovery(seq: int, wanted: bool):
    r = stream(0, [5, 8, 9])
    assert r.recovered(seq) is wanted
    assert not r.recovered(seq)
    assert r.counts == (3, int(wanted), 0)


def test_nothing_is_recovered_before_the_first_packet():
    assert not native.Reception(90000).recovered(5)


def test_the_original_behind_its_retransmission_is_a_duplicate():
    r = stream(0, [0, 2])
    assert r.recovered(1)
    assert r.packet(1, 0, MS) == DUPLICATE


# ---- reports -------------------------------------------------------------------------------------------


def test_no_report_without_a_packet_since_the_last():
    r = native.Reception(90000)
    assert r.report(0) is None
    r.packet(0, 0, 0)
    assert r.report(0) is not None
    assert r.report(0) is None


@pytest.mark.parametrize("start", AWKWARD)
def test_loss(start: int):
    """RFC 3550 A.3: fraction of this interval, sum of all."""
    r = stream(start, [n for n in range(100) if n % 4])  # the first never came, so 75 of 99
    first = u16(start + 1)
    assert r.report(0)[:3] == (24 * 256 // 99, 24, first + 98)
    for n in range(100, 200):
        r.packet(u16(start + n), 0, 0)
    assert r.report(0)[:3] == (0, 24, first + 198)
    r.packet(u16(start + 96), 0, 0)  # late ones make up for it
    assert r.report(0)[:3] == (0, 23, first + 198)


def test_what_was_recovered_is_still_lost_to_the_report():
    """RFC 4588 8: retransmission must not hide from the sender how the path is."""
    r = stream(0, [0, 2, 3])
    assert r.recovered(1)
    assert r.report(0)[:2] == (64, 1)


def test_cycles_are_counted():
    r = stream(0xFF00, range(0, 3 * 0x10000, 100))
    assert r.report(0)[2] == 0xFF00 + 196_600


@pytest.mark.parametrize("clock_hz", [8000, 48000, 90000])
def test_jitter(clock_hz: int):
    """A.8: a steady stream has none; one that comes d late and d early in turn tends to 2 d."""
    steady, shaken = native.Reception(clock_hz), native.Reception(clock_hz)
    day = 86_400_000 * MS  # so that no product may overflow
    for n in range(500):
        ts = (n * clock_hz // 50) & 0xFFFFFFFF
        steady.packet(n, ts, day + n * 20 * MS)
        shaken.packet(n, ts, day + n * 20 * MS + (5 * MS if n % 2 else 0))
    assert steady.report(day)[3] == 0
    assert shaken.report(day)[3] == pytest.approx(clock_hz * 5 / 1000, rel=0.05)


def test_a_step_of_the_senders_clock_is_no_jitter():
    r = native.Reception(90000)
    for n in range(100):
        r.packet(n, n * 1800 + (0x40000000 if n > 50 else 0), n * 20 * MS)
    assert r.report(0)[3] == 0


def test_the_senders_report_comes_back_with_its_age():
    r = stream(0, [0])
    assert r.report(5 * MS)[4:] == (0, 0)
    r.sender_report(0x1234ABCD, 0xEF015678, 1000 * MS)
    r.packet(1, 0, 0)
    assert r.report(3500 * MS)[4:] == (0xABCDEF01, 2 * 65536 + 32768)


# ---- against the oracle --------------------------------------------------------------------------------

step = st.one_of(
    st.tuples(st.just("packet"), st.just(1)),
    st.tuples(st.just("packet"), st.integers(-30, 30)),
    st.tuples(st.just("packet"), st.integers(0, 0xFFFF)),
    st.tuples(st.just("packet"), st.sampled_from([256, 257, 258, 1023, 1024, 2999, 3000, -1023, -1024])),
    st.tuples(st.just("recovered"), st.integers(-30, 5)),
    st.tuples(st.just("wait"), st.sampled_from([1, 9, 10, 40, 300, 1000])),
    st.tuples(st.just("report"), st.just(0)),
)


@settings(deadline=None)
@given(st.integers(0, 0xFFFF), st.lists(step, max_size=100))
def test_random_steps(start: int, steps: list[tuple[str, int]]):
    r, twin = native.Reception(90000), oracle.Reception(90000)
    seq, now = start, 10**12
    for action, n in steps:
        if action == "packet":
            seq = u16(seq + n)
            ts = (seq * 3000) & 0xFFFFFFFF
            assert r.packet(seq, ts, now) == twin.packet(seq, ts, now)
        elif action == "recovered":
            assert r.recovered(u16(seq + n)) == twin.recovered(u16(seq + n))
        elif action == "wait":
            now += n * MS
        else:
            told = r.report(now)
            assert (told and told[:4]) == twin.report()
        wanted = twin.wanted(now)
        if wanted:
            assert r.deadline is not None
            assert r.deadline <= now
        if r.deadline is not None and r.deadline <= now:
            assert asked(r.nacks(now)) == wanted
        assert r.keyframe_needed == twin.keyframe_needed


@pytest.mark.parametrize("start", [0, 0x7FFF, 0xFFF0])
def test_fifty_thousand_packets_of_a_bad_network(start: int):
    """Lost in runs, repeated, late, some recovered: the native side and its twin never differ."""
    rng = random.Random(start)
    r, twin = native.Reception(90000), oracle.Reception(90000)
    now = 10**9
    way: list[tuple[int, int, int]] = []  # arrival, number, whether by RTX
    lossy = False
    for n in range(50_000):
        now += rng.randrange(MS)
        lossy = rng.random() < (0.8 if lossy else 0.01)
        if not lossy:
            delay = rng.randrange(30 * MS) if rng.random() < 0.02 else 0
            way.append((now + delay, n, 0))
            if rng.random() < 0.01:
                way.append((now + rng.randrange(20 * MS), n, 0))
        way.sort()
        while way and way[0][0] <= now:
            _, m, by_rtx = way.pop(0)
            if by_rtx:
                assert r.recovered(u16(start + m)) == twin.recovered(u16(start + m))
            else:
                ts = (m // 4 * 3000) & 0xFFFFFFFF
                assert r.packet(u16(start + m), ts, now) == twin.packet(u16(start + m), ts, now)
        wanted = twin.wanted(now)
        if r.deadline is not None and r.deadline <= now:
            assert asked(r.nacks(now)) == wanted
            for lost in wanted:
                if rng.random() < 0.7:
                    m = n + ((lost - start - n + 0x8000) & 0xFFFF) - 0x8000
                    way.append((now + rng.randrange(10 * MS, 60 * MS), m, 1))
        else:
            assert wanted == []
        if n % 1000 == 0:
            told = r.report(now)
            assert (told and told[:4]) == twin.report()
    received, recovered, duplicates = r.counts
    assert (received, recovered, duplicates) == (twin.received, twin.recovered_count, twin.duplicates)
    assert received > 45_000
    assert recovered > 500
    assert duplicates > 100
