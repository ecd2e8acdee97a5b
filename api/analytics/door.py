"""Who may ask for what is private, and how often anybody may ask (contract analytics, sections 1 and 5)."""

from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

import trio

from api.analytics.faults import Fault
from api.limits import ANALYTICS_ADDRESSES
from api.plain import Request
from api.services import Services
from api.viewers import is_administrators
from signalling.door import source_of

WINDOW_S: Final = 60.0
SCHEME: Final = "bearer "
COOKIE: Final = "pmsession"
READING: Final = ("GET", "HEAD")


async def check_private(services: Services, request: Request) -> None:
    """Raises Fault: 401."""
    if services.config.analytics.private == "open":
        return
    given = request.headers.get("authorization", "")
    is_bearer = given[: len(SCHEME)].lower() == SCHEME
    token = given[len(SCHEME) :].strip() if is_bearer else _cookie(request)
    if token is None:
        raise Fault("missing_token")
    if not await is_administrators(services, token):
        raise Fault("invalid_token")


def _cookie(request: Request) -> str | None:
    """The token of a sign-in. Browsers send it with whatever a page asks for, so what changes anything takes it only from
    pages of this server; others may send the token in a header."""
    origin = request.headers.get("origin")
    if request.method not in READING and origin is not None:
        if urlsplit(origin).netloc != request.headers.get("host", ""):
            return None
    try:
        found = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


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
