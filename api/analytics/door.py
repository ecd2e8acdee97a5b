"""Who may ask for what is private, and how often anybody may ask (contract analytics, sections 1 and 5)."""

from typing import Final

import trio

from api.analytics.faults import Fault
from api.limits import ANALYTICS_ADDRESSES
from api.plain import Request
from api.services import Services
from api.viewers import is_administrators
from signalling.door import source_of

WINDOW_S: Final = 60.0
SCHEME: Final = "bearer "


async def check_private(services: Services, request: Request) -> None:
    """Raises Fault: 401."""
    if services.config.analytics.private == "open":
        return
    given = request.headers.get("authorization", "")
    if given[: len(SCHEME)].lower() != SCHEME:
        raise Fault("missing_token")
    if not await is_administrators(services, given[len(SCHEME) :].strip()):
        raise Fault("invalid_token")


class Rates:
    """Counts the requests of each address within a minute, and begins anew with the next."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._ends = 0.0
        self._counted: dict[str, int] = {}

    def admits(self, address: str) -> bool:
        now = trio.current_time()
        if now >= self._ends or len(self._counted) >= ANALYTICS_ADDRESSES:
            self._ends = now + WINDOW_S
            self._counted.clear()
        source = source_of(address)
        count = self._counted[source] = self._counted.get(source, 0) + 1
        return count <= self._per_minute
