"""The estimate of a way down, on simulated links in virtual time; the twin in tests/oracle agrees all along (`Run.hear`)."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native import testing as native
from tests.native.link import MS, Link, Run, S
from tests.oracle import estimator as oracle

MBIT = 1e6
START = native.START_BPS
SEEDS = [1, 2, 3]


@pytest.fixture(params=SEEDS)
def seed(request: pytest.FixtureRequest) -> int:
    assert isinstance(request.param, int)
    return request.param


def test_before_the_first_feedback_it_is_the_start() -> None:
    estimator = native.Estimator()
    assert (START, False, 0) == (estimator.rate_bps, estimator.measured, estimator.acked_bps)
    estimator.update(1 * S, 50 * MS)
    assert (START, False) == (estimator.rate_bps, estimator.measured)


@pytest.mark.parametrize("capacity", [0.3 * MBIT, 2 * MBIT, 6 * MBIT])
@pytest.mark.parametrize("jitter_us", [0, 10 * MS])
def test_an_application_that_follows_it_finds_the_capacity(capacity: float, jitter_us: int, seed: int) -> None:
    run = Run(Link(capacity, jitter_us=jitter_us), seed)
    run.follow(25)
    found = run.follow(15)
    assert 0.75 * capacity < median(found) < 1.05 * capacity
    assert max(found) < 1.2 * capacity


def test_half_of_the_way_is_gone_and_comes_back(seed: int) -> None:
    run = Run(Link(3 * MBIT), seed)
    assert 2 * MBIT < median(run.follow(25)[-100:])
    run.link.capacity_bps = 1 * MBIT
    assert run.follow(2)[-1] < 1.05 * MBIT
    assert max(run.follow(10)) < 1.15 * MBIT
    assert run.link.free_at - run.now < 150 * MS, "the queue empties"
    run.link.capacity_bps = 3 * MBIT
    assert run.follow(25)[-1] > 2 * MBIT


def test_random_loss_of_2_percent_brings_nothing_down(seed: int) -> None:
    run = Run(Link(20 * MBIT, loss=0.02), seed)
    run.follow(10)
    assert min(run.follow(10)) > START
    assert run.estimate > 3 * MBIT


def test_random_loss_of_a_fifth_brings_it_down_to_what_passes(seed: int) -> None:
    run = Run(Link(20 * MBIT, loss=0.2), seed)
    found = run.send(15, lambda: 2 * MBIT)
    assert max(found[100:]) < 2 * MBIT
    assert min(found[100:]) > 0.8 * 1.5 * MBIT


def test_who_sends_twice_what_the_way_carries_is_told_what_it_carries(seed: int) -> None:
    """The queue is full for ever, so that delays do not grow any more: losses speak."""
    run = Run(Link(1 * MBIT), seed)
    run.send(2, lambda: 2 * MBIT)
    found = run.send(30, lambda: 2 * MBIT)
    assert 0.8 * MBIT < min(found) < max(found) < 1.15 * MBIT


def test_a_way_that_becomes_wider_under_a_stream_that_does_not_adapt(seed: int) -> None:
    run = Run(Link(1 * MBIT), seed)
    run.send(10, lambda: 4 * MBIT)
    run.link.capacity_bps = 6 * MBIT
    assert 3.8 * MBIT < run.send(4, lambda: 4 * MBIT)[-1] < 1.6 * 4 * MBIT


def test_what_was_never_asked_of_the_way_is_not_known_of_it(seed: int) -> None:
    """Application-limited: sound alone leaves the start as it is; then at most half more than what was acknowledged."""
    run = Run(Link(100 * MBIT), seed)
    assert set(run.send(20, lambda: 0.03 * MBIT)) == {START}
    assert max(run.send(20, lambda: 2 * MBIT)) < 1.5 * 2.2 * MBIT
    most = run.estimate
    assert most > 2.8 * MBIT
    assert set(run.send(20, lambda: 0.03 * MBIT)) == {most}


def test_lost_feedback_is_no_loss(seed: int) -> None:
    whole, holes = (Run(Link(3 * MBIT, feedback_loss=part), seed) for part in (0, 0.3))
    assert abs(median(whole.follow(30)[-200:]) - median(holes.follow(30)[-200:])) < 0.5 * MBIT
    assert max(rate for _, rate in holes.rates) < 1.25 * 3 * MBIT
    alone = Run(Link(20 * MBIT, feedback_loss=0.5), seed)
    assert 2 * MBIT < min(alone.send(20, lambda: 2 * MBIT)[50:])


@pytest.mark.parametrize("reorder", [0.01, 0.1])
def test_reordered_packets_are_no_loss_and_no_congestion(reorder: float, seed: int) -> None:
    run = Run(Link(20 * MBIT, reorder=reorder), seed)
    run.follow(10)
    assert min(run.follow(10)) > START


@pytest.mark.parametrize("first", [0, 0x7F00, 0xFF00])
@pytest.mark.parametrize("receiver_s", [1, 2**32 // 4000 - 5, 2**31 // 4000 - 5], ids=["early", "wraps", "half"])
def test_numbers_and_clocks_that_wrap_change_nothing(first: int, receiver_s: int) -> None:
    """16 bits of packets, and the receiver's 24 bits of 64 ms, which last for 12 days."""
    plain, wrapping = Run(Link(2 * MBIT)), Run(Link(2 * MBIT), first=first, receiver_us=receiver_s * S)
    for run in (plain, wrapping):
        run.follow(12)
    assert len(plain.rates) > 200
    for (_, expected), (_, found) in zip(plain.rates, wrapping.rates, strict=True):
        assert abs(expected - found) < 0.03 * expected


@pytest.mark.parametrize("step_s", [3600, -3600, 10, -10])
def test_a_receiver_whose_clock_is_set_loses_nothing(step_s: int) -> None:
    run = Run(Link(20 * MBIT))
    before = run.send(10, lambda: 2 * MBIT)[-1]
    run.receiver_us += step_s * S
    assert min(run.send(10, lambda: 2 * MBIT)) > 0.8 * before


def test_a_pause_leaves_it_as_it_is() -> None:
    run = Run(Link(4 * MBIT))
    run.follow(15)
    run.send(1, lambda: 0)  # what is still under way
    before = run.estimate
    run.send(20, lambda: 0)
    assert run.estimate == before
    assert min(run.follow(3)) > 0.8 * before


def test_one_spike_is_no_congestion() -> None:
    """All packets wait for 80 ms once, as on a radio link."""
    run = Run(Link(20 * MBIT))
    before = run.send(10, lambda: 2 * MBIT)[-1]
    run.link.free_at = run.now + 80 * MS
    assert min(run.send(5, lambda: 2 * MBIT)) >= before


EVENT = st.one_of(
    st.tuples(st.just("arrived"), st.integers(-(10**5), 10**6), st.integers(-(10**5), 10**6), st.integers(0, 65535)),
    st.tuples(st.just("arrived"), st.just(5_000), st.integers(4_000, 9_000), st.just(1200)),
    st.tuples(st.just("jump"), st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.just(0)),
    st.tuples(st.just("lost"), st.integers(1, 30), st.just(0), st.just(0)),
    st.tuples(st.just("found"), st.integers(1, 30), st.just(0), st.just(0)),
    st.tuples(st.just("untold"), st.just(0), st.just(0), st.integers(0, 65535)),
    st.tuples(st.just("update"), st.integers(0, 10**6), st.integers(-10, 10**7), st.just(0)),
)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(EVENT, st.integers(1, 40)), max_size=60))
def test_any_history_keeps_it_within_bounds_and_equal_to_the_twin(
    history: list[tuple[tuple[str, int, int, int], int]],
) -> None:
    ours, theirs = native.Estimator(), oracle.Estimator()
    sent = arrived = now = 10**13
    for (what, a, b, size), times in history:
        for _ in range(times):
            if what in ("arrived", "jump"):
                sent, arrived = sent + a, arrived + b
                ours.arrived(sent, arrived, size)
                theirs.arrived(sent, arrived, size)
            elif what == "update":
                now += a
                ours.update(now, b)
                theirs.update(now, b)
            elif what == "untold":
                ours.untold(arrived, size)
                theirs.untold(arrived, size)
            else:
                getattr(ours, what)()
                getattr(theirs, what)()
            assert native.MIN_BPS <= ours.rate_bps <= native.MAX_BPS
            assert ours.usage == theirs.usage
            assert ours.acked_bps == pytest.approx(theirs.acked_bps)
            assert ours.rate_bps == pytest.approx(theirs.rate_bps, rel=1e-6, abs=1)
