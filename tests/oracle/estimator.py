"""The slow twin of native/estimator.pyx: the same estimate, from whole lists of what has happened.

After draft-ietf-rmcat-gcc-02 with libwebrtc's trendline. Times in us, rates in bit/s.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

START_BPS, MIN_BPS, MAX_BPS = 1_000_000, 10_000, 1_000_000_000


@dataclass
class AckedRate:
    """Bytes by twentieths of a second; the rate is that of the last ten that are over, if at least four are."""

    buckets: Counter[int] = field(default_factory=Counter)
    first: int | None = None
    newest: int = -1

    def add(self, at_us: int, size: int) -> None:
        bucket = at_us // 50_000
        if self.first is None or bucket > self.newest + 10:
            self.buckets.clear()
            self.first = self.newest = bucket
        self.newest = max(self.newest, bucket)
        if bucket >= max(self.first, self.newest - 10):
            self.buckets[bucket] += size

    def rate_bps(self) -> float | None:
        over = range(max(self.first or 0, self.newest - 10), self.newest)
        if self.first is None or len(over) < 4:
            return None
        return sum(self.buckets[bucket] for bucket in over) * 8_000_000.0 / (len(over) * 50_000)


@dataclass
class Burst:
    first_sent: int
    sent: int
    first_arrived: int
    arrived: int

    def takes(self, sent: int, arrived: int) -> bool:
        if sent - self.first_sent <= 5_000:
            return True
        faster = arrived - self.arrived < sent - self.sent
        return faster and arrived - self.arrived <= 5_000 and arrived - self.first_arrived < 100_000


@dataclass
class Delay:
    """How the delay from burst to burst develops: `usage` is "normal", "over" or "under"."""

    before: Burst | None = None
    burst: Burst | None = None
    backwards: int = 0
    deltas: int = 0
    since: int = 0
    accumulated: float = 0.0
    smoothed: float = 0.0
    points: list[tuple[float, float]] = field(default_factory=list)
    trend: float = 0.0
    usage: str = "normal"
    over_ms: float | None = None
    over_count: int = 0
    threshold: float = 12.5
    adapted: int | None = None

    def packet(self, sent: int, arrived: int) -> bool:
        """False if the receiver's clock has gone back for good."""
        fresh = Burst(sent, sent, arrived, arrived)
        if self.burst is None:
            self.burst = fresh
            return True
        if sent < self.burst.first_sent:
            return True
        if self.burst.takes(sent, arrived):
            self.burst.sent = max(self.burst.sent, sent)
            self.burst.arrived = max(self.burst.arrived, arrived)
            return True
        if self.before is not None:
            if self.burst.arrived < self.before.arrived:
                self.backwards += 1
                self.burst = fresh
                return self.backwards < 3
            self.backwards = 0
            self.compare(self.before, self.burst)
        self.before, self.burst = self.burst, fresh
        return True

    def compare(self, before: Burst, burst: Burst) -> None:
        sent_ms = (burst.sent - before.sent) / 1000
        arrived_ms = (burst.arrived - before.arrived) / 1000
        if self.deltas == 0:
            self.since = burst.arrived
        self.deltas = min(self.deltas + 1, 60)
        self.accumulated += arrived_ms - sent_ms
        self.smoothed = 0.9 * self.smoothed + (1 - 0.9) * self.accumulated
        self.points = [*self.points, ((burst.arrived - self.since) / 1000, self.smoothed)][-20:]
        trend = self.slope() if len(self.points) == 20 else self.trend
        self.judge(trend, sent_ms)
        self.trend = trend
        self.adapt(abs(self.deltas * trend * 4.0), burst.arrived)

    def slope(self) -> float:
        x = sum(point[0] for point in self.points) / 20
        y = sum(point[1] for point in self.points) / 20
        below = sum((point[0] - x) ** 2 for point in self.points)
        return sum((point[0] - x) * (point[1] - y) for point in self.points) / below if below > 0 else self.trend

    def judge(self, trend: float, sent_ms: float) -> None:
        modified = self.deltas * trend * 4.0
        if self.deltas < 2:
            self.usage = "normal"
        elif modified > self.threshold:
            self.over_ms = sent_ms / 2 if self.over_ms is None else self.over_ms + sent_ms
            self.over_count += 1
            if self.over_ms > 10 and self.over_count > 1 and trend >= self.trend:
                self.over_ms, self.over_count, self.usage = 0.0, 0, "over"
        else:
            self.over_ms, self.over_count = None, 0
            self.usage = "under" if modified < -self.threshold else "normal"

    def adapt(self, modified: float, at: int) -> None:
        if self.adapted is None:
            self.adapted = at
        if modified <= self.threshold + 15:
            rate = 0.039 if modified < self.threshold else 0.0087
            self.threshold += rate * (modified - self.threshold) * min((at - self.adapted) / 1000, 100)
            self.threshold = min(max(self.threshold, 6), 600)
        self.adapted = at


@dataclass
class Capacity:
    """At which acknowledged rates the delay grew: their mean, and their variance in kbit/s divided by the mean."""

    mean: float
    deviation: float = 0.4

    def spread(self) -> float:
        return 3 * (1000 * math.sqrt(self.deviation * self.mean / 1000))

    def add(self, rate: float) -> None:
        self.mean += 0.05 * (rate - self.mean)
        error = (self.mean - rate) / 1000
        self.deviation = (1 - 0.05) * self.deviation + 0.05 * error * error / max(self.mean / 1000, 1.0)
        self.deviation = min(max(self.deviation, 0.4), 2.5)


class Estimator:
    def __init__(self) -> None:
        self.acked = AckedRate()
        self.delay = Delay()
        self.newest: tuple[int, int] | None = None
        self.acked_bps = 0.0
        self.delay_bps = float(START_BPS)
        self.loss_bps: float | None = None
        self.rate_bps = START_BPS
        self.capacity: Capacity | None = None
        self.changed: int | None = None
        self.received = self.missing = self.judged = 0

    @property
    def usage(self) -> str:
        return self.delay.usage

    def arrived(self, sent_us: int, arrived_us: int, size: int) -> None:
        self.received += 1
        if self.newest is not None:
            sent, arrived = self.newest
            if abs((arrived_us - arrived) - (sent_us - sent)) > 3_000_000:
                self.forget()
        if self.newest is None or sent_us >= self.newest[0]:
            self.newest = sent_us, arrived_us
        self.acked.add(arrived_us, size)
        if not self.delay.packet(sent_us, arrived_us):
            self.forget()

    def forget(self) -> None:
        self.acked, self.delay, self.newest = AckedRate(), Delay(), None

    def untold(self, arrived_us: int, size: int) -> None:
        self.acked.add(arrived_us, size)

    def lost(self) -> None:
        self.missing += 1

    def found(self) -> None:
        self.missing = max(self.missing - 1, 0)

    def update(self, now_us: int, rtt_us: int) -> None:
        rtt_us = min(max(rtt_us, 0), 1_000_000)
        rate = self.acked.rate_bps()
        if rate is not None:
            self.acked_bps = rate
        if not self.acked_bps:
            return
        self.by_delay(now_us, rtt_us)
        self.by_loss(now_us, rtt_us)
        rate = self.delay_bps if self.loss_bps is None else min(self.delay_bps, self.loss_bps)
        self.rate_bps = int(min(max(rate, MIN_BPS), MAX_BPS))

    def by_delay(self, now_us: int, rtt_us: int) -> None:
        since = now_us - (now_us if self.changed is None else self.changed)
        if self.usage == "over":
            if since < min(max(rtt_us, 10_000), 200_000) and self.acked_bps >= self.delay_bps / 2:
                self.changed = now_us if self.changed is None else self.changed
                return
            self.reduce()
        elif self.usage == "normal":
            self.grow(min(since, 1_000_000) / 1e6, rtt_us / 1e6)
        self.changed = now_us

    def reduce(self) -> None:
        if self.capacity is not None and self.acked_bps < self.capacity.mean - self.capacity.spread():
            self.capacity = None
        if self.capacity is None:
            self.capacity = Capacity(self.acked_bps)
        else:
            self.capacity.add(self.acked_bps)
        self.delay_bps = max(min(self.delay_bps, 0.85 * self.acked_bps), MIN_BPS)

    def grow(self, span_s: float, rtt_s: float) -> None:
        if self.capacity is not None and self.acked_bps > self.capacity.mean + self.capacity.spread():
            self.capacity = None
        if self.capacity is None:
            self.delay_bps = max(self.delay_bps, self.acked_bps)
            more = max(self.delay_bps * (1.08**span_s - 1), 1000 * span_s)
        else:
            frame_bits = self.delay_bps / 30
            packet_bits = frame_bits / math.ceil(frame_bits / 9600)
            more = span_s * max(packet_bits / (2 * (rtt_s + 0.1)), 4000)
        limit = 1.5 * self.acked_bps + 10_000
        if self.delay_bps < limit:
            self.delay_bps = min(self.delay_bps + more, limit)
        self.delay_bps = min(self.delay_bps, MAX_BPS)

    def by_loss(self, now_us: int, rtt_us: int) -> None:
        span_us = now_us - self.judged
        if self.received + self.missing < 20 or span_us < 300_000 + rtt_us:
            return
        loss = self.missing / (self.received + self.missing)
        self.received = self.missing = 0
        self.judged = now_us
        if loss > 0.10:
            self.loss_bps = max(self.rate_bps * (1 - loss / 2), self.acked_bps)
        elif loss < 0.02 and self.loss_bps is not None:
            self.loss_bps = max(self.loss_bps * 1.08 ** (min(span_us, 1_000_000) / 1e6), self.acked_bps)
            if self.loss_bps >= self.delay_bps:
                self.loss_bps = None
