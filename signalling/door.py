"""The door that guesses at passwords meet: few failures for one user or from one address within a minute, then none.

Proofs that share a user or an address wait for each other, so a hundred sockets guessing at once get no further than one.
That costs nobody anything: passwords are verified one at a time in any case.
"""

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TypeVar

import trio

from signalling.limits import Failures
from signalling.room.errors import TooMany

T = TypeVar("T")

IPV6_SITE_BITS = 64
# Whoever asks, asks again, and an address takes longer to read than all else that is asked about it.
SOURCES_REMEMBERED = 4096


@lru_cache(SOURCES_REMEMBERED)
def source_of(remote: str) -> str:
    """What of a client's address stands for one client: IPv6 hands out whole /64 networks (RFC 6177), IPv4 addresses."""
    try:
        address = ipaddress.ip_address(remote)
    except ValueError:
        return remote
    if isinstance(address, ipaddress.IPv4Address):
        return remote
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), IPV6_SITE_BITS), strict=False))


class Door:
    def __init__(self, failures_per_minute: int) -> None:
        self._failures = Failures(failures_per_minute)
        self._turns: dict[str, trio.Lock] = {}

    async def prove(self, keys: Sequence[str], proof: Callable[[], Awaitable[T]]) -> T:
        """What `proof` returns; something false counts as a failure of every key. TooMany if one has too many."""
        async with self._turn(keys):
            if any(self._failures.exceeded(key, trio.current_time()) for key in keys):
                raise TooMany("too many failures, try again in a minute")
            outcome = await proof()
            if not outcome:
                for key in keys:
                    self._failures.add(key, trio.current_time())
            return outcome

    @asynccontextmanager
    async def _turn(self, keys: Sequence[str]) -> AsyncIterator[None]:
        # In one order everywhere, so that no two can wait for each other.
        taken: list[str] = []
        try:
            for key in sorted(keys):
                await self._turns.setdefault(key, trio.Lock()).acquire()
                taken.append(key)
            yield
        finally:
            for key in taken:
                self._turns[key].release()
            # Of every key, since who was cancelled on the way to one has made its lock too. A released lock that is
            # waited for is locked again at once.
            for key in keys:
                if key in self._turns and not self._turns[key].locked():
                    del self._turns[key]
