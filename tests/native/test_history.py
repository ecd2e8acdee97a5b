"""Recent packets of one stream by their number, and that every one of them is given back."""

from __future__ import annotations

import random

import pytest

from native import testing as native

SLOTS = native.HISTORY_SLOTS
AWKWARD = [0, 1, 0x7FFF, 0x8000, 0xFF00, 0xFFFE, 0xFFFF]


def u16(n: int) -> int:
    return n & 0xFFFF


class Kept:
    def __init__(self, capacity: int = 4 * SLOTS) -> None:
        self.pool = native.Pool(capacity)
        self.history = native.History(self.pool)

    def put(self, seq: int, now: int = 1) -> None:
        self.history.put(self.pool.take(u16(seq), now))

    def has(self, seq: int) -> bool:
        packet = self.history.get(u16(seq))
        assert packet is None or packet.seq == u16(seq)
        return packet is not None


@pytest.mark.parametrize("first", AWKWARD)
def test_the_newest_are_there(first: int):
    kept = Kept()
    for i in range(3 * SLOTS):
        kept.put(first + i)
    assert [kept.has(first + i) for i in range(3 * SLOTS)] == [False] * 2 * SLOTS + [True] * SLOTS
    assert kept.pool.in_use == SLOTS
    kept.history.clear()
    assert kept.pool.in_use == 0


@pytest.mark.parametrize("first", AWKWARD)
def test_late_ones_find_their_place(first: int):
    kept = Kept()
    for i in (0, 3, 2, 1, 5):
        kept.put(first + i)
    assert [kept.has(first + i) for i in range(-1, 7)] == [False, True, True, True, True, False, True, False]


@pytest.mark.parametrize("first", AWKWARD)
def test_too_late_is_given_back_at_once(first: int):
    kept = Kept()
    kept.put(first + SLOTS)
    kept.put(first)
    assert not kept.has(first) and kept.has(first + SLOTS)
    assert kept.pool.in_use == 1


def test_the_same_number_again_replaces():
    kept = Kept()
    kept.put(5, 1)
    kept.put(5, 2)
    assert kept.pool.in_use == 1


@pytest.mark.parametrize("first", AWKWARD)
def test_what_is_old_is_given_back(first: int):
    kept = Kept()
    for i in range(100):
        kept.put(first + i, now=i)
    kept.history.trim(60)
    assert [kept.has(first + i) for i in range(100)] == [False] * 60 + [True] * 40
    kept.history.trim(1000)
    # The newest stays, so that trimming knows where the stream is.
    assert kept.pool.in_use == 1


@pytest.mark.parametrize("first", AWKWARD)
@pytest.mark.parametrize("jump", [2, SLOTS - 1, SLOTS, SLOTS + 1, 2999])
def test_jumps_leave_nothing_behind(first: int, jump: int):
    kept = Kept()
    for i in range(50):
        kept.put(first + i, now=1)
    kept.put(first + 49 + jump, now=2)
    for i in range(SLOTS):
        kept.put(first + 50 + jump + i, now=3)
    kept.history.trim(3)
    assert kept.pool.in_use == SLOTS
    kept.history.trim(9)
    assert kept.pool.in_use == 1


@pytest.mark.parametrize("first", AWKWARD)
def test_what_comes_behind_the_trimming_is_trimmed_too(first: int):
    """A packet older than all that is left, as a repair by RTX may be."""
    kept = Kept()
    for i in (0, 1, 2, 5, 6):
        kept.put(first + i, now=1)
    kept.history.trim(2)
    kept.put(first + 3, now=3)
    kept.put(first - 9, now=3)
    kept.put(first + 7, now=4)
    assert kept.has(first + 3) and kept.has(first - 9)
    kept.history.trim(4)
    assert not kept.has(first + 3) and not kept.has(first - 9)
    assert kept.pool.in_use == 1


@pytest.mark.parametrize("seed", range(20))
def test_as_a_table_would(seed: int):
    """A random stream with losses, jumps and late packets: what is young is there, what never came is not."""
    rng = random.Random(seed)
    kept, model = Kept(), {}
    newest = rng.choice(AWKWARD) + 0x10000
    now, limit = 1000, 0
    for _ in range(500):
        now += 1
        seq = newest + rng.choice([1, 1, 1, 1, 2, 5, -1, -7, -300, rng.choice([-600, 400, 900])])
        newest = max(newest, seq)
        if seq > newest - SLOTS:
            model[seq] = now
        kept.put(seq, now)
        for asked in (newest, newest - rng.randrange(SLOTS)):
            if asked not in model:
                assert not kept.has(asked)
            elif model[asked] >= limit:
                assert kept.has(asked)
        if rng.random() < 0.05:
            limit = now - 50
            kept.history.trim(limit)
    kept.history.clear()
    assert kept.pool.in_use == 0
