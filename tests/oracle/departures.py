"""The slow twin of native/departures.pyx: everything that was ever sent, and a feedback packet as a value."""

from __future__ import annotations

from sfu.wire import Malformed, rtcp
from tests.oracle.estimator import Estimator

TICK_US = 250
LOG = 2048


class Departures:
    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.sent: list[tuple[int, int]] = []  # time in us and size, by the number less `first`
        self.state: list[str] = []
        self.told = 0
        self.ticks: int | None = None
        self.estimator = Estimator()

    def departed(self, size: int, now_ns: int) -> int:
        self.sent.append((now_ns // 1000, size))
        self.state.append("open")
        return (self.first + len(self.sent) - 1) & 0xFFFF

    def feedback(self, packet: bytes, now_ns: int) -> None:
        try:
            (told,) = rtcp.parse_compound(packet)
        except Malformed:
            return
        assert isinstance(told, rtcp.TransportFeedback)
        back = (self.first + len(self.sent) - told.base_sequence) & 0xFFFF
        begin, end = len(self.sent) - back, len(self.sent) - back + len(told.deltas)
        oldest = max(len(self.sent) - LOG, 0)
        if begin < 0 or end > len(self.sent) or end <= oldest or len(told.deltas) > LOG:
            return
        before = self.ticks
        now_us = now_ns // 1000
        ticks = told.reference_time * 256
        newest = None
        passed = False
        for index, delta in enumerate(told.deltas, begin):
            if delta is None:
                if index >= oldest and self.state[index] == "open":
                    self.state[index] = "lost"
                    self.estimator.lost()
                continue
            ticks += delta
            self._follow(ticks)
            assert self.ticks is not None
            if index < oldest or self.state[index] == "settled":
                continue
            if not passed:
                passed = True
                self._pass_over(range(max(self.told, oldest), begin), before, self.ticks)
            if self.state[index] == "lost":
                self.estimator.found()
            self.state[index] = "settled"
            at, size = self.sent[index]
            newest = max(newest or 0, at)
            self.estimator.arrived(at, self.ticks * TICK_US, size)
        self.told = max(self.told, end)
        if newest is not None:
            self.estimator.update(now_us, now_us - newest)

    def _follow(self, ticks: int) -> None:
        """The time nearest to the last one among those that are equal modulo 2**32."""
        if self.ticks is None:
            self.ticks = 2**40 + ticks % 2**32
        self.ticks += (ticks - self.ticks + 2**31) % 2**32 - 2**31

    def _pass_over(self, untold: range, before: int | None, after: int) -> None:
        """Evenly between two arrivals, in whole us."""
        open_ones = [index for index in untold if self.state[index] == "open"]
        at, end = (after if before is None else before) * TICK_US, after * TICK_US
        if not 0 <= end - at <= 3_000_000:
            at = end
        for left, index in zip(range(len(open_ones), 0, -1), open_ones, strict=True):
            at += (end - at) // (left + 1)
            self.state[index] = "settled"
            self.estimator.untold(at, self.sent[index][1])
