"""How many connections there are and from where, what was done to those that misbehaved, and whose turn it is to be pinged.

Of HTTP and WebSockets alike; there are so many in all and from one address, and no more. What ends one is containment.py's and
websocket.py's.
"""

import resource
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import structlog
import trio

from api.gate import LOOPBACK, Proxies
from api.limits import ADDRESS_CONNECTIONS, CONNECTIONS
from signalling.door import source_of

log = structlog.get_logger(__name__)

PING_ROUNDS = 20


class Pinged(Protocol):
    async def ping(self) -> None: ...


class Connections:
    """How many there are, and counters of what they did to deserve being ended.

    Whoever comes through a proxy has its address, so `proxies` and loopback are held to the ceiling of all alone.
    """

    def __init__(self, proxies: Proxies) -> None:
        self.contained = 0
        self.stalled = 0
        self.silent = 0
        self.refused = 0
        self.being_refused = 0
        self._proxies = proxies
        self._quiet: OrderedDict[Pinged, float] = OrderedDict()
        """Since when each has not been pinged, the longest first."""
        self._open = 0
        self._by_source: Counter[str] = Counter()

    def counts(self) -> Mapping[str, int]:
        return {
            "error": self.contained,
            "write_stalled": self.stalled,
            "no_pong": self.silent,
            "too_many": self.refused,
        }

    def accepted(self, websocket: Pinged) -> None:
        self._quiet[websocket] = trio.current_time()

    def gone(self, websocket: Pinged) -> None:
        self._quiet.pop(websocket, None)

    async def ping(self, interval_s: float) -> None:
        """Pings every WebSocket once in `interval_s`, in PING_ROUNDS: to wake up for each alone costs more than its ping."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(interval_s / PING_ROUNDS)
                due = trio.current_time() - interval_s
                while self._quiet and next(iter(self._quiet.values())) <= due:
                    websocket, _ = self._quiet.popitem(last=False)
                    self.accepted(websocket)
                    # Not awaited: behind a peer that reads nothing the ping queues, and the count must go on.
                    nursery.start_soon(self._ping, websocket)

    async def _ping(self, websocket: Pinged) -> None:
        try:
            await websocket.ping()
        except Exception as error:  # noqa: BLE001  # as of its own tasks
            self.contain(error)

    def contain(self, error: Exception) -> None:
        self.contained += 1
        log.info("connection contained", error=_innermost(error))

    @property
    def ceiling(self) -> int:
        """Files are wanted for more than connections: media, the database, what a request opens."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files * 3 // 4)

    @contextmanager
    def place(self, address: str) -> Iterator[bool]:
        """Whether there is room for a connection from `address`; it takes its place for the time of the block."""
        source = None if address in LOOPBACK or address in self._proxies else source_of(address)
        full = self._open >= self.ceiling
        if full or (source is not None and self._by_source[source] >= ADDRESS_CONNECTIONS):
            self.refused += 1
            yield False
            return
        self._open += 1
        if source is not None:
            self._by_source[source] += 1
        try:
            yield True
        finally:
            self._open -= 1
            if source is not None:
                self._by_source[source] -= 1
                if not self._by_source[source]:
                    del self._by_source[source]


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return repr(error)
