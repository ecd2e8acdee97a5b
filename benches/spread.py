"""How a number of delays is spread: percentiles, and a picture of one line."""

from collections.abc import Sequence
from typing import Final

import attrs

BARS: Final = " ▁▂▃▄▅▆▇█"
EDGES_MS: Final = (0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 250, 300, 500, 700, 1000, 2000, 5000)
"""Each column of the picture ends at one of these; a last one takes what is above."""


@attrs.frozen
class Spread:
    """Of `count` delays in ms; `columns` says how many are in each column of the picture."""

    count: int
    p50: float
    p99: float
    max: float
    columns: tuple[int, ...]

    def picture(self) -> str:
        """From the first column that has any to the last, with the edges of both; what has any shows."""
        if not self.count:
            return ""
        filled = [index for index, count in enumerate(self.columns) if count]
        first, last, most = filled[0], filled[-1], max(self.columns)
        bars = "".join(BARS[-(-count * (len(BARS) - 1) // most)] for count in self.columns[first : last + 1])
        lower = EDGES_MS[first - 1] if first else 0
        upper = f"{EDGES_MS[last]:g} ms" if last < len(EDGES_MS) else "more"
        return f"{lower:g} {bars} {upper}"


def spread(delays_ns: Sequence[int]) -> Spread:
    """The percentiles are values that occurred: the smallest that so many of a hundred do not exceed."""
    if not delays_ns:
        return Spread(0, 0.0, 0.0, 0.0, (0,) * (len(EDGES_MS) + 1))
    in_order = sorted(delays_ns)
    columns = [0] * (len(EDGES_MS) + 1)
    column = 0
    for delay_ns in in_order:
        while column < len(EDGES_MS) and delay_ns > EDGES_MS[column] * 1e6:
            column += 1
        columns[column] += 1

    def percentile(percent: int) -> float:
        return in_order[max(0, -(-len(in_order) * percent // 100) - 1)] / 1e6

    return Spread(len(in_order), percentile(50), percentile(99), in_order[-1] / 1e6, tuple(columns))
