"""How delays are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benches.spread import EDGES_MS, spread

MS = 1_000_000


@given(st.lists(st.integers(min_value=-MS, max_value=10_000 * MS), min_size=1))
def test_the_percentiles_are_those_of_the_sorted_values(delays: list[int]) -> None:
    seen, in_order = spread(delays), sorted(delays)
    assert seen.p50 == in_order[max(0, -(-len(delays) * 50 // 100) - 1)] / MS
    assert seen.p99 == in_order[max(0, -(-len(delays) * 99 // 100) - 1)] / MS
    assert seen.max == in_order[-1] / MS


@given(st.lists(st.integers(min_value=0, max_value=10_000 * MS)))
def test_each_is_in_the_column_that_ends_above_it(delays: list[int]) -> None:
    expected = [0] * (len(EDGES_MS) + 1)
    for delay in delays:
        above = (index for index, edge in enumerate(EDGES_MS) if delay <= edge * MS)
        expected[next(above, len(EDGES_MS))] += 1
    assert tuple(expected) == spread(delays).columns


@pytest.mark.parametrize(
    ("delays_ms", "picture"),
    [
        ([], ""),
        ([0.1], "0 █ 0.5 ms"),
        ([4, 4, 4, 4, 12], "3 █  ▂ 15 ms"),
        ([1] * 10_000 + [9000], "0.5 █                    ▁ more"),
    ],
)
def test_its_picture(delays_ms: list[float], picture: str) -> None:
    assert picture == spread([round(delay * MS) for delay in delays_ms]).picture()
