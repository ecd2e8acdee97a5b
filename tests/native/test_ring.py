"""A queue between two threads: in order, nothing lost, nothing twice, and a full one says so."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from native import testing as native


def test_what_went_in_comes_out():
    ring = native.Ring(4)
    assert ring.get() is None
    assert ring.put(7) and ring.put(8)
    assert [ring.get(), ring.get(), ring.get()] == [7, 8, None]


def test_a_full_ring_refuses():
    ring = native.Ring(4)
    assert [ring.put(i) for i in range(6)] == [True] * 4 + [False] * 2
    assert ring.free == 0
    assert ring.get() == 0
    assert ring.free == 1
    assert ring.put(9)
    assert [ring.get() for _ in range(5)] == [1, 2, 3, 9, None]


@given(st.lists(st.one_of(st.none(), st.integers(0, 2**64 - 1))))
def test_as_a_list_would(steps: list[int | None]):
    """None takes, a number puts."""
    ring, model = native.Ring(8), []
    for step in steps:
        if step is None:
            assert ring.get() == (model.pop(0) if model else None)
        else:
            assert ring.put(step) == (len(model) < 8)
            model = [*model, step][:8]
        assert ring.free == 8 - len(model)


def test_two_threads():
    ring = native.Ring(64)
    writer = threading.Thread(target=ring.put_run, args=(0, 200_000))
    writer.start()
    assert ring.get_run(0, 200_000) == 200_000
    writer.join()
    assert ring.get() is None
