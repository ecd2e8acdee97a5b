"""A way down in virtual time, for the estimator: a sender, a link with a queue, and a receiver that tells what came.

Everything follows from a seed. The link has a capacity that may change, a queue that holds so many milliseconds and
drops what is above, a fixed delay, jitter that reorders nothing unless it is told to, and random loss. The receiver is
native/twcc.pyx, held to its own tests, and its feedback may be lost too. The estimate of the twin in tests/oracle is held
against the native one all the way.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

import attrs

from native import testing as native
from tests.oracle.departures import Departures

MS = 1_000
S = 1_000_000


@attrs.define
class Link:
    """Times in us, rates in bit/s."""

    capacity_bps: float
    delay_us: int = 25 * MS
    queue_us: int = 300 * MS
    jitter_us: int = 0
    loss: float = 0.0
    reorder: float = 0.0
    """This part of the packets comes a few milliseconds late, behind others."""
    feedback_loss: float = 0.0
    free_at: float = 0.0
    last: int = 0

    def arrival(self, at: int, size: int, rng: random.Random) -> int | None:
        start = max(float(at), self.free_at)
        if start - at > self.queue_us:
            return None
        self.free_at = start + size * 8 * S / self.capacity_bps
        if rng.random() < self.loss:
            return None
        came = int(self.free_at) + self.delay_us + (rng.randrange(self.jitter_us) if self.jitter_us else 0)
        if rng.random() < self.reorder:
            return came + rng.randrange(20 * MS)
        self.last = max(self.last, came)
        return self.last


@attrs.define
class Run:
    """A stream of frames, 30 a second, at `rate()` bit/s, over a link."""

    link: Link
    seed: int = 1
    first: int = 0
    """The number of the first packet."""
    receiver_us: int = 12345 * S
    """What the receiver's clock says at the beginning."""
    now: int = 1000 * S
    rng: random.Random = attrs.field(init=False)
    departures: native.Departures = attrs.field(init=False)
    twin: Departures = attrs.field(init=False)
    told: native.TwccLog = attrs.field(init=False, factory=native.TwccLog)
    rates: list[tuple[int, int]] = attrs.field(init=False, factory=list)
    """Estimates, with the time since the beginning."""
    sent_bytes: int = attrs.field(init=False, default=0)
    queue: list[tuple[int, int, Callable[[], None]]] = attrs.field(init=False, factory=list)
    order: int = attrs.field(init=False, default=0)
    began: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.departures = native.Departures(self.first)
        self.twin = Departures(self.first)
        self.began = self.now
        self.at(self.now + 50 * MS, self.report)

    @property
    def estimate(self) -> int:
        return self.departures.estimator.rate_bps

    def at(self, when: int, what: Callable[[], None]) -> None:
        self.order += 1
        heapq.heappush(self.queue, (when, self.order, what))

    def until(self, when: int) -> None:
        while self.queue and self.queue[0][0] <= when:
            self.now, _, what = heapq.heappop(self.queue)
            what()
        self.now = when

    def packet(self, size: int) -> None:
        number = self.departures.departed(size, self.now * 1000)
        assert self.twin.departed(size, self.now * 1000) == number
        self.sent_bytes += size
        came = self.link.arrival(self.now, size, self.rng)
        if came is not None:
            theirs = (came - self.began + self.receiver_us) * 1000
            self.at(came, lambda: self.told.arrived(number, theirs) and None)

    def report(self) -> None:
        """Every 50 ms, as browsers do; each way takes half of the round trip."""
        while packet := self.told.feedback(1200, 1, 2, (self.now - self.began + self.receiver_us) * 1000):
            if self.rng.random() >= self.link.feedback_loss:
                self.at(self.now + self.link.delay_us, lambda packet=packet: self.hear(packet))  # type: ignore[misc]
        self.at(self.now + 50 * MS, self.report)

    def hear(self, packet: bytes) -> None:
        assert self.departures.feedback(packet, self.now * 1000) != native.FEEDBACK_MALFORMED
        self.twin.feedback(packet, self.now * 1000)
        assert abs(self.twin.estimator.rate_bps - self.estimate) <= 1 + self.estimate * 1e-6
        self.rates.append((self.now - self.began, self.estimate))

    def send(self, seconds: float, rate: Callable[[], float]) -> list[int]:
        """Go on for so long; what was estimated meanwhile."""
        end = self.now + int(seconds * S)
        known = len(self.rates)
        while self.now < end:
            left = int(rate() / 30 / 8)
            while left > 0:
                self.packet(min(1200, max(left, 60)))
                left -= 1200
            self.until(self.now + S // 30)
        return [rate for _, rate in self.rates[known:]]

    def follow(self, seconds: float, most: float = 1e12) -> list[int]:
        """Send what is estimated, up to `most`: an application that adapts."""
        return self.send(seconds, lambda: min(self.estimate, most))
