"""The table of checked paths: like a dict, through collisions and deletions, and never fuller than half."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from native import testing as native

PATHS = [
    (sock, ip, port)
    for sock in (0, 1)
    for ip in ("127.0.0.1", "10.0.0.1", "::1", "fe80::1", "::127.0.0.1")
    for port in (1, 2, 40000, 65535)
]


def test_every_part_of_a_path_counts():
    table = native.Addresses(128)
    for peer, path in enumerate(PATHS, 1):
        assert table.find(path) == 0
        assert table.put(path, peer)
    assert [table.find(path) for path in PATHS] == list(range(1, len(PATHS) + 1))
    assert len(table) == len(PATHS)


def test_a_path_goes_to_whom_it_was_given_last():
    """NAT gives an address to another; what the first one then takes away is not its own any more."""
    table = native.Addresses(8)
    table.put(PATHS[0], 1)
    table.put(PATHS[0], 2)
    assert table.find(PATHS[0]) == 2 and len(table) == 1
    table.remove(PATHS[0], 1)
    assert table.find(PATHS[0]) == 2
    table.remove(PATHS[0], 2)
    assert table.find(PATHS[0]) == 0 and len(table) == 0


def test_half_full_is_full():
    table = native.Addresses(16)
    taken = [table.put(path, 1) for path in PATHS]
    assert taken == [True] * 8 + [False] * (len(PATHS) - 8)
    # One that is there may change hands all the same.
    assert table.put(PATHS[0], 2)
    table.remove(PATHS[1], 1)
    assert table.put(PATHS[20], 3)
    assert table.find(PATHS[20]) == 3


@settings(max_examples=200)
@given(st.integers(0, 2**32), st.sampled_from([16, 64]))
def test_as_a_dict_would(seed: int, size: int):
    rng = random.Random(seed)
    table, model = native.Addresses(size), {}
    for _ in range(200):
        path, peer = rng.choice(PATHS), rng.randrange(1, 4)
        if rng.random() < 0.5:
            fits = path in model or len(model) * 2 <= size - 1
            assert table.put(path, peer) == fits
            if fits:
                model[path] = peer
        else:
            table.remove(path, peer)
            if model.get(path) == peer:
                del model[path]
        assert len(table) == len(model)
        assert all(table.find(each) == model.get(each, 0) for each in PATHS)
