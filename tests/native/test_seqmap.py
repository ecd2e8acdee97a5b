"""One subscriber's numbering: no gap of our making, no number twice, whatever the source does."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native import testing as native
from tests.oracle import seqmap as oracle

AWKWARD = [0, 1, 2, 0x7FFE, 0x7FFF, 0x8000, 0x8001, 0xFFFD, 0xFFFE, 0xFFFF]


def u16(n: int) -> int:
    return n & 0xFFFF


def test_nothing_is_sent_before_a_source_is_known():
    m = native.SeqMap(7)
    m.skip(3)
    assert m.map(3) is None
    assert m.reverse(7) is None
    assert m.last_out == 6


# Each step: what is done with the source's packet (counted from the first), and the outgoing number expected
# (counted from the first too; None: not sent).
TABLE = {
    "in order": [("map", 0, 0), ("map", 1, 1), ("map", 2, 2)],
    "a loss stays a loss": [("map", 0, 0), ("map", 3, 3), ("map", 4, 4)],
    "what is late fills its hole": [("map", 0, 0), ("map", 2, 2), ("map", 1, 1), ("map", 3, 3)],
    "what is repeated keeps its number": [("map", 0, 0), ("map", 1, 1), ("map", 1, 1), ("map", 0, 0)],
    "what is skipped leaves no gap": [("map", 0, 0), ("skip", 1, None), ("map", 2, 1), ("map", 3, 2)],
    "a run of skips leaves no gap": [("map", 0, 0), *[("skip", n, None) for n in range(1, 40)], ("map", 40, 1)],
    "what was skipped is never sent": [("map", 0, 0), ("skip", 1, None), ("map", 1, None), ("map", 2, 1)],
    "older than a skip has its old number": [
        ("map", 0, 0),
        ("map", 2, 2),
        ("skip", 3, None),
        ("map", 4, 3),
        ("map", 1, 1),
    ],
    "lost before a skip keeps its place": [
        ("map", 0, 0),
        ("skip", 3, None),
        ("map", 4, 3),
        ("map", 1, 1),
        ("map", 2, 2),
    ],
    "a skip that comes late leaves a hole": [("map", 0, 0), ("map", 2, 2), ("skip", 1, None), ("map", 3, 3)],
    "the first may be skipped": [("skip", 0, None), ("skip", 1, None), ("map", 2, 0), ("map", 1, None)],
    "before the switch is nothing": [("map", -1, None), ("map", 0, 0), ("map", -1, None), ("map", -500, None)],
    "a gap between skips": [
        ("map", 0, 0),
        ("skip", 1, None),
        ("skip", 4, None),
        ("map", 5, 3),
        ("map", 2, 1),
        ("map", 3, 2),
    ],
}


@pytest.mark.parametrize("first_out", [0, 1, 0x7FFF, 0xFFFF])
@pytest.mark.parametrize("start", AWKWARD)
@pytest.mark.parametrize("steps", TABLE.values(), ids=TABLE.keys())
def test_table(steps: list[tuple[str, int, int | None]], start: int, first_out: int):
    m = native.SeqMap(first_out)
    m.switch(1, start)
    for action, n, expected in steps:
        if action == "skip":
            m.skip(u16(start + n))
        else:
            out = None if expected is None else u16(first_out + expected)
            assert m.map(u16(start + n)) == out, (action, n)
            if out is not None:
                assert m.reverse(out) == (u16(start + n), 1)


@pytest.mark.parametrize("start", AWKWARD)
@pytest.mark.parametrize("second", AWKWARD)
def test_a_switch_goes_on_with_the_next_number(start: int, second: int):
    m = native.SeqMap(60000)
    m.switch(1, start)
    sent = [m.map(u16(start + n)) for n in range(5)]
    m.switch(2, second)
    sent += [m.map(u16(second + n)) for n in range(5)]
    assert sent == [60000 + n for n in range(10)]
    assert m.reverse(60002) == (u16(start + 2), 1)
    assert m.reverse(60007) == (u16(second + 2), 2)
    assert m.reverse(60010) is None
    assert m.map(u16(second - 1)) is None


def test_switching_to_and_fro_without_sending_takes_no_number():
    m = native.SeqMap(10)
    for n in range(100):
        m.switch(n, u16(n * 7919))
    assert m.map(u16(99 * 7919)) == 10
    assert m.reverse(10) == (u16(99 * 7919), 99)


def test_one_segment_serves_a_whole_day_of_packets():
    m = native.SeqMap(5)
    m.switch(1, 1000)
    for n in range(200_000):
        assert m.map(u16(1000 + n)) == u16(5 + n)
    assert m.reverse(u16(5 + 199_000)) == (u16(1000 + 199_000), 1)
    assert m.map(u16(1000 + 199_990)) == u16(5 + 199_990)


def test_only_the_last_sixteen_segments_are_remembered():
    m = native.SeqMap(0)
    m.switch(1, 0)
    for n in range(0, 40, 2):  # 0 sent, 1 skipped, 2 sent ...: the twentieth skip begins the 21st segment
        assert m.map(n) == n // 2
        m.skip(n + 1)
    # The newest segment is still empty, so fifteen with one packet each are left.
    assert [m.map(n) for n in range(0, 10, 2)] == [None] * 5
    assert [m.map(n) for n in range(10, 40, 2)] == list(range(5, 20))
    assert m.reverse(4) is None
    assert m.reverse(5) == (10, 1)


step = st.one_of(
    st.tuples(st.just("map"), st.integers(-40, 40)),
    st.tuples(st.just("map"), st.just(1)),
    st.tuples(st.just("skip"), st.integers(-5, 5)),
    st.tuples(st.just("map"), st.integers(-0x8000, 0x7FFF)),
    st.tuples(st.just("switch"), st.integers(0, 0xFFFF)),
)


@settings(deadline=None)
@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.lists(step, max_size=60))
def test_against_the_oracle(first_out: int, first: int, steps: list[tuple[str, int]]):
    m, twin = native.SeqMap(first_out), oracle.SeqMap(first_out)
    m.switch(1, first)
    twin.switch(1, first)
    newest = first
    for source, (action, n) in enumerate(steps, 2):
        if action == "switch":
            m.switch(source, n)
            twin.switch(source, n)
            newest = u16(n - 1)
            continue
        seq = u16(newest + n)
        if action == "skip":
            m.skip(seq)
            twin.skip(seq)
        else:
            assert m.map(seq) == twin.map(seq)
        if n > 0:
            newest = seq
        assert m.last_out == u16(twin.next_out - 1)
        for out in range(m.last_out - 20, m.last_out + 3):
            assert m.reverse(u16(out)) == twin.reverse(u16(out))


@pytest.mark.parametrize("start", [0, 0x7FFF, 0xFFF0])
def test_fifty_thousand_packets_of_a_bad_network(start: int):
    """Lost, repeated, late, some left out, the source changing: each number is one packet's, and none is left free."""
    rng = random.Random(start)
    m, twin = native.SeqMap(start), oracle.SeqMap(start)
    m.switch(0, start)
    twin.switch(0, start)
    waiting: list[int] = []
    seq, source = start, 0
    for _n in range(50_000):
        if rng.random() < 0.0005:
            source, seq, waiting = source + 1, rng.randrange(0x10000), []
            m.switch(source, seq)
            twin.switch(source, seq)
        if rng.random() > 0.05:
            waiting.append(seq)
        seq = u16(seq + 1)
        while waiting and (len(waiting) > 8 or rng.random() < 0.8):
            packet = waiting.pop(0 if rng.random() < 0.9 else rng.randrange(len(waiting)))
            if rng.random() < 0.02:
                m.skip(packet)
                twin.skip(packet)
                continue
            out = m.map(packet)
            assert out == twin.map(packet)
            if out is not None:
                assert m.reverse(out) == (packet, source)
            if rng.random() < 0.01:
                assert m.map(packet) == out
    # The twin's table is the proof: every outgoing number was given once, without a gap, over some 25 sources.
    assert sorted(twin.origin) == list(range(start, twin.next_out))
    assert source > 10
    assert twin.next_out - start > 45_000


# ---- timestamps ----------------------------------------------------------------------------------------

MS = 1_000_000


def u32(n: int) -> int:
    return n & 0xFFFFFFFF


@pytest.mark.parametrize("start", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("source_ts", [0, 0x80000000, 0xFFFFFFF0])
def test_time_goes_on_over_a_switch_as_long_as_it_took(start: int, source_ts: int):
    m = native.TsMap(start)
    m.switch(12345, 90000, 0)
    assert m.map(12345, 0) == start
    assert m.map(12345 + 90000, 1000 * MS) == u32(start + 90000)
    m.switch(source_ts, 90000, 3000 * MS)
    assert m.map(source_ts, 3000 * MS) == u32(start + 3 * 90000)
    assert m.map(u32(source_ts + 3000), 3033 * MS) == u32(start + 3 * 90000 + 3000)


@pytest.mark.parametrize(("clock_hz", "frame"), [(90000, 3000), (48000, 960), (8000, 160)])
@pytest.mark.parametrize("later_ns", [0, 1, MS])
def test_a_quick_switch_goes_on_by_one_frame(clock_hz: int, frame: int, later_ns: int):
    m = native.TsMap(100)
    m.switch(5000, clock_hz, 7 * MS)
    m.map(5000, 7 * MS)
    m.switch(0xDEADBEEF, clock_hz, 7 * MS + later_ns)
    assert m.map(0xDEADBEEF, 7 * MS + later_ns) == 100 + frame


def test_late_packets_do_not_hold_time_back():
    m = native.TsMap(0)
    m.switch(0, 48000, 0)
    assert m.map(4800, 100 * MS) == 4800
    assert m.map(3840, 101 * MS) == 3840
    m.switch(0, 48000, 200 * MS)
    assert m.map(0, 200 * MS) == 9600


@pytest.mark.parametrize("hours", [1, 24, 24 * 365])
def test_a_long_silence_is_no_step_back(hours: int):
    m = native.TsMap(0)
    m.switch(0, 90000, 0)
    m.map(0, 0)
    now = hours * 3600 * 1000 * MS
    m.switch(77, 90000, now)
    assert m.map(77, now) == min(hours * 3600 * 90000, 0x7FFFFFFF)


def test_now_may_not_run_backwards_but_if_it_does_time_still_goes_on():
    m = native.TsMap(0)
    m.switch(0, 90000, 50 * MS)
    m.map(0, 50 * MS)
    m.switch(0, 90000, 10 * MS)
    assert m.map(0, 10 * MS) == 3000
