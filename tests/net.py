"""A terrible network in virtual time, and a driver for machines that talk over it.

`Network` loses, delays, reorders and repeats datagrams as a seeded random generator says, so a failing run can be had
again from its seed. `Driver` gives machines with the face receive / poll / deadline / expire what arrives, lets time
jump to whatever comes next, and keeps what they put out. No real clock, no socket: an hour of handshaking takes
milliseconds.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

import attrs

T = TypeVar("T")


@attrs.frozen
class Weather:
    """What a link does to each datagram, independently; probabilities from 0 to 1."""

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    """How many are held back for up to `late_s`, so that later ones overtake them."""
    delay_s: float = 0.02
    jitter_s: float = 0.0
    late_s: float = 0.1


CLEAR = Weather()
TERRIBLE = Weather(loss=0.25, duplicate=0.15, reorder=0.3, delay_s=0.04, jitter_s=0.03, late_s=0.4)


class Network:
    """Datagrams under way, by the time at which they arrive."""

    def __init__(self, weather: Weather, seed: int = 0) -> None:
        self.weather = weather
        self.log: list[tuple[float, str, bytes]] = []
        """Everything that was sent, lost or not: when, to whom, what."""
        self._random = random.Random(seed)
        self._number = itertools.count()  # keeps datagrams of one moment in order, and bytes out of the comparison
        self._flying: list[tuple[float, int, str, bytes]] = []

    @property
    def next_at(self) -> float | None:
        """When the next datagram arrives."""
        return self._flying[0][0] if self._flying else None

    def send(self, to: str, datagram: bytes, now: float) -> None:
        self.log.append((now, to, datagram))
        weather, chance = self.weather, self._random.random
        if chance() < weather.loss:
            return
        for _ in range(2 if chance() < weather.duplicate else 1):
            late = chance() * weather.late_s if chance() < weather.reorder else 0.0
            at = now + weather.delay_s + chance() * weather.jitter_s + late
            heapq.heappush(self._flying, (at, next(self._number), to, datagram))

    def arrived(self, now: float) -> Iterable[tuple[str, bytes]]:
        """Take out what has arrived by `now`: (whom it is for, datagram)."""
        while self._flying and self._flying[0][0] <= now:
            _, _, to, datagram = heapq.heappop(self._flying)
            yield to, datagram


class Machine(Protocol):
    """The face that sfu's machines share."""

    @property
    def deadline(self) -> float | None: ...
    def receive(self, datagram: bytes, now: float, /) -> None: ...
    def expire(self, now: float, /) -> None: ...
    def poll(self) -> Sequence[object]: ...


class Datagram(Protocol):
    """The output that means: send this."""

    @property
    def data(self) -> bytes: ...


@attrs.define
class End:
    """One machine, whom it talks to, and what it put out besides datagrams, with the time of it."""

    machine: Machine
    peer: str
    outputs: list[tuple[float, object]] = attrs.Factory(list)

    def of(self, kind: type[T]) -> list[T]:
        """The outputs of one type so far."""
        return [output for _, output in self.outputs if isinstance(output, kind)]


class Driver:
    """Machines that talk in pairs over one network. `transmit` is the type of output that is a datagram."""

    def __init__(self, network: Network, transmit: type[Datagram], now: float = 0.0) -> None:
        self.network = network
        self.now = now
        self.ends: dict[str, End] = {}
        self._transmit = transmit

    def add(self, name: str, machine: Machine, peer: str) -> End:
        end = self.ends[name] = End(machine, peer)
        return end

    def flush(self) -> None:
        """Put on the network what the machines have to send, e.g. after a call that the test made itself."""
        for end in self.ends.values():
            for output in end.machine.poll():
                if isinstance(output, self._transmit):
                    self.network.send(end.peer, output.data, self.now)
                else:
                    end.outputs.append((self.now, output))

    def run(self, until: Callable[[], bool], limit_s: float = 60.0) -> bool:
        """Go on until the condition holds, nothing is left to happen, or virtual time is up; whether it holds."""
        ends_at = self.now + limit_s
        self.flush()
        while not until():
            moments = [end.machine.deadline for end in self.ends.values()] + [self.network.next_at]
            following = min((at for at in moments if at is not None), default=None)
            if following is None or following > ends_at:
                self.now = ends_at
                return False
            self.now = max(self.now, following)
            for to, datagram in self.network.arrived(self.now):
                self.ends[to].machine.receive(datagram, self.now)
            for end in self.ends.values():
                if end.machine.deadline is not None and end.machine.deadline <= self.now:
                    end.machine.expire(self.now)
            self.flush()
        return True
