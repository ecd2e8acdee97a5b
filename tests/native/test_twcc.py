"""Transport-wide feedback: what an independent reader of the draft finds in it is exactly what arrived."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native import testing as native
from sfu.wire import rtcp as wire
from tests.oracle import twcc as oracle

MS = 1_000_000
TICK = 250_000
AWKWARD = [0, 1, 2, 0x7FFE, 0x7FFF, 0x8000, 0xFFFD, 0xFFFE, 0xFFFF]
WRAP_NS = 2**32 * TICK  # where our count of ticks and the reference time wrap: 12 days


def told(log: native.TwccLog, now: int, max_size: int = 1200) -> list[oracle.Feedback]:
    """All feedback that is due, read back."""
    packets = []
    while packet := log.feedback(max_size, 1, 2, now):
        assert len(packet) <= max_size
        packets.append(oracle.read(packet))
        (theirs,) = wire.parse_compound(packet)
        assert (theirs.base_sequence, len(theirs.deltas)) == (packets[-1].base, packets[-1].count)
    return packets


def arrivals(packets: list[oracle.Feedback]) -> dict[int, int | None]:
    merged: dict[int, int | None] = {}
    for packet in packets:
        merged |= packet.arrivals
    return merged


def ticks(now: int) -> int:
    return now // TICK % 2**32


def test_nothing_arrived_nothing_to_tell():
    log = native.TwccLog()
    assert log.feedback(1200, 1, 2, 0) == b""
    assert log.deadline is None
    assert not log.due(10**18)


def test_one_packet_on_the_wire():
    """The whole packet, byte by byte."""
    log = native.TwccLog()
    log.arrived(0x1234, 64 * MS * 5 + 3 * TICK)
    assert log.feedback(1200, 0xA1A2A3A4, 0xB1B2B3B4, 0) == bytes.fromhex(
        "8fcd0005 a1a2a3a4 b1b2b3b4 1234 0001 000005 00 2001 03 00".replace(" ", "")
    )


# Arrival of each number in ticks after the start; None: it never came.
PATTERNS: dict[str, list[int | None]] = {
    "one": [0],
    "evenly": [4 * n for n in range(50)],
    "at once": [7] * 100,
    "every second": [4 * n if n % 2 == 0 else None for n in range(61)],
    "reordered": [8, 4, 12, 0, 20, 16],
    "a long gap": [0, *[None] * 500, 9],
    "slow": [300 * n for n in range(40)],  # each delta needs two bytes
    "a delta of one byte, and one more": [0, 255, 511, 766],
    "seven large ones": [1000 * n for n in range(7)],
    "fourteen and a large one": [*range(14), 5000],
    "a large one and then a run": [0, 9000, *range(9001, 9100)],
    "a run cut by losses": [*range(20), None, None, *range(22, 60), None, 61],
    "the largest delta": [0, 0x7FFF, 0x7FFF * 2],
    "the smallest": [0x8000, 0, 0x8000],
}


@pytest.mark.parametrize("now", [0, 1, 63 * MS, WRAP_NS - 8 * MS, 2**40 * MS])
@pytest.mark.parametrize("start", AWKWARD)
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS.keys())
def test_patterns(pattern: list[int | None], start: int, now: int):
    log = native.TwccLog()
    came = sorted((t, n) for n, t in enumerate(pattern) if t is not None)
    expected = {(start + n) & 0xFFFF: None if t is None else ticks(now + t * TICK) for n, t in enumerate(pattern)}
    # The first packet is numbered first, or the log could not know that there was one before it.
    for t, n in came:
        assert log.arrived((start + n) & 0xFFFF, now + t * TICK)
    assert arrivals(told(log, now)) == expected
    assert log.feedback(1200, 1, 2, now) == b""


@pytest.mark.parametrize("max_size", [40, 41, 43, 44, 64, 100, 500])
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS.keys())
def test_a_small_packet_tells_a_part_and_the_next_goes_on(pattern: list[int | None], max_size: int):
    log = native.TwccLog()
    for n, t in enumerate(pattern):
        if t is not None:
            log.arrived(n, t * TICK)
    packets = told(log, 0, max_size)
    assert arrivals(packets) == dict(enumerate(pattern))
    assert [packet.number for packet in packets] == list(range(len(packets)))
    assert sum(packet.count for packet in packets) == len(pattern)


def test_too_small_a_packet_tells_nothing_and_forgets_nothing():
    log = native.TwccLog()
    log.arrived(5, 0)
    assert log.feedback(39, 1, 2, 0) == b""
    assert arrivals(told(log, 0)) == {5: 0}


@pytest.mark.parametrize("gap", [0x7FFF + 256, 40_000, 10**6])
def test_a_delta_that_fits_no_field_begins_a_new_packet(gap: int):
    log = native.TwccLog()
    log.arrived(1, 0)
    log.arrived(3, gap * TICK)
    log.arrived(4, 0)
    packets = told(log, 0)
    assert [packet.base for packet in packets] == [1, 2, 4]
    assert arrivals(packets) == {1: 0, 2: None, 3: gap, 4: 0}


def test_feedback_goes_on_where_it_ended_and_counts_itself():
    log = native.TwccLog()
    for n in range(300):
        log.arrived(2 * n, n * MS)
        (packet,) = told(log, n * MS)
        assert packet.base == (2 * n - 1 if n else 0)
        assert packet.number == n & 0xFF


def test_a_duplicate_keeps_its_first_time():
    log = native.TwccLog()
    assert log.arrived(5, 1 * MS)
    assert not log.arrived(5, 9 * MS)
    assert arrivals(told(log, 0)) == {5: 4}
    assert not log.arrived(5, 20 * MS)
    assert told(log, 0) == []


def test_what_was_reported_lost_and_came_after_all_is_told_again():
    log = native.TwccLog()
    for n in (10, 11, 13, 14):
        log.arrived(n, n * MS)
    assert arrivals(told(log, 0)) == {10: 40, 11: 44, 12: None, 13: 52, 14: 56}
    assert log.arrived(12, 20 * MS)
    assert arrivals(told(log, 0)) == {12: 80, 13: 52, 14: 56}


@pytest.mark.parametrize("start", AWKWARD)
@pytest.mark.parametrize("jump", [1023, 1024, 1025, 5000, 0x7FFF])
def test_a_jump_forward_is_no_list_of_losses_without_end(start: int, jump: int):
    log = native.TwccLog()
    log.arrived(start, 0)
    log.arrived((start + jump) & 0xFFFF, MS)
    found = arrivals(told(log, MS))
    assert found[(start + jump) & 0xFFFF] == 4
    assert len(found) == (1024 if jump == 1023 else 1)


def test_the_newest_1024_are_told_when_nobody_asked_for_long():
    log = native.TwccLog()
    for n in range(3000):
        log.arrived(n, n * TICK)
    assert arrivals(told(log, 0)) == {n: n for n in range(3000 - 1024, 3000)}


@pytest.mark.parametrize("back", [1024, 5000, 0x7FFF])
def test_what_is_too_old_is_ignored(back: int):
    log = native.TwccLog()
    log.arrived(2, 0)
    assert not log.arrived((2 - back) & 0xFFFF, MS)
    assert arrivals(told(log, MS)) == {2: 0}


def test_due_every_100_ms_and_sooner_when_much_arrives():
    log = native.TwccLog()
    log.arrived(0, 1000 * MS)
    assert log.deadline == 1100 * MS
    assert not log.due(1100 * MS - 1)
    assert log.due(1100 * MS)
    for n in range(1, 32):
        assert not log.due(1050 * MS)
        log.arrived(n, 1001 * MS)
    assert log.deadline == 1050 * MS
    assert log.due(1050 * MS)
    told(log, 1050 * MS)
    assert log.deadline is None
    log.arrived(40, 5000 * MS)
    assert log.deadline == 5100 * MS


@settings(deadline=None)
@given(
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 20_000 * MS)), max_size=80),
    st.integers(40, 200),
)
def test_any_numbers_at_any_times(start: int, steps: list[tuple[int, int]], max_size: int):
    """What is told came, at the time it came; the newest is always told; it ends."""
    log = native.TwccLog()
    came: dict[int, set[int]] = {}
    now = 0
    for n, (jump, pause) in enumerate(steps):
        seq, now = (start + jump) & 0xFFFF, now + pause
        if log.arrived(seq, now):
            came.setdefault(seq, set()).add(ticks(now))
        if n % 7 == 6 or n == len(steps) - 1:
            packets = told(log, now, max_size)
            for found, time in arrivals(packets).items():
                assert time is None or time in came[found]
            assert all(any(t is not None for t in packet.arrivals.values()) for packet in packets)


@pytest.mark.parametrize("start", [0, 0x7F00, 0xFF00])
def test_fifty_thousand_packets_of_a_bad_network(start: int):
    """Lost, repeated and late: the sum of all feedback is what arrived."""
    rng = random.Random(start)
    log = native.TwccLog()
    now = WRAP_NS - 10_000 * MS
    came: dict[int, int] = {}
    found: dict[int, int | None] = {}
    late: list[tuple[int, int]] = []
    newest = -1

    def read() -> None:
        for packet in told(log, now, 200):
            # Which cycle the numbers belong to follows from the newest one.
            base = newest + ((packet.base - start - newest + 0x8000) & 0xFFFF) - 0x8000
            for n, time in enumerate(packet.arrivals.values(), base):
                assert found.get(n) is None or found[n] == time
                found[n] = time

    for n in range(50_000):
        now += rng.randrange(2 * MS)
        while late and late[0][0] <= n:
            m = late.pop(0)[1]
            came[m] = ticks(now)
            assert log.arrived((start + m) & 0xFFFF, now)
        if rng.random() < 0.05 and n:
            if rng.random() < 0.5:
                late = sorted([*late, (n + rng.randrange(1, 400), n)])
        else:
            came[n], newest = ticks(now), n
            assert log.arrived((start + n) & 0xFFFF, now)
            if rng.random() < 0.01:
                assert not log.arrived((start + n) & 0xFFFF, now + MS)
        if log.due(now):
            read()
    read()
    assert {n: time for n, time in found.items() if time is not None} == came
    assert set(found) == set(range(newest + 1))
