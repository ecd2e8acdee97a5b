"""Slabs: a fixed number, handed out once each, given back by whoever is last."""

from __future__ import annotations

import random
import threading

from native import testing as native


def test_never_more_than_there_are():
    pool = native.Pool(3)
    taken = [pool.take() for _ in range(3)]
    assert len({packet.address for packet in taken}) == 3
    assert pool.take() is None
    assert pool.in_use == 3
    pool.drop(taken[1])
    assert pool.take().address == taken[1].address
    assert pool.take() is None


def test_the_last_holder_gives_back():
    pool = native.Pool(1)
    packet = pool.take()
    assert packet.refs == 1
    pool.keep(packet)
    pool.drop(packet)
    assert pool.in_use == 1 and pool.take() is None
    pool.drop(packet)
    assert pool.in_use == 0 and pool.take() is not None


def test_what_was_used_is_used_again_before_new_memory():
    pool = native.Pool(1000)
    for _ in range(500):
        pool.drop(pool.take())
    assert pool.touched == 1


def test_another_worker_may_be_the_last():
    mine, other = native.Pool(4), native.Pool(4)
    taken = [mine.take() for _ in range(4)]
    for packet in taken:
        other.drop(packet)
    assert other.in_use == 0
    assert {mine.take().address for _ in range(4)} == {packet.address for packet in taken}
    assert mine.take() is None
    assert other.take().address not in {packet.address for packet in taken}


def test_a_year_in_a_second():
    """Random takes, keeps and drops by the owner and by another: the books agree at every step."""
    rng = random.Random(5)
    mine, other = native.Pool(40), native.Pool(1)
    held: list[object] = []
    for _ in range(20_000):
        what = rng.random()
        if what < 0.4:
            packet = mine.take()
            assert (packet is None) == (len({each.address for each in held}) == 40)
            if packet is not None:
                assert packet.address not in {each.address for each in held}
                held.append(packet)
        elif what < 0.5 and held:
            packet = rng.choice(held)
            mine.keep(packet)
            held.append(packet)
        elif held:
            rng.choice((mine, other)).drop(held.pop(rng.randrange(len(held))))


def test_two_threads():
    """The other worker drops while the owner takes: every slab comes back, none twice."""
    mine, other = native.Pool(64), native.Pool(1)
    for _ in range(20):
        taken = [packet for packet in iter(mine.take, None)]
        assert len({packet.address for packet in taken}) == 64
        half = threading.Thread(
            target=lambda mine_no_more: [other.drop(each) for each in mine_no_more], args=(taken[:32],)
        )
        half.start()
        for packet in taken[32:]:
            mine.drop(packet)
        half.join()
