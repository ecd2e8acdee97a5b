"""The ASGI door in front of every request: refuses what no handler should see, and settles who the client is.

hypercorn lets a 40 kB header in that arrives in one read, any `Host` and any request target; quart answers some of
them 500. Here they are 400, 414 or 431. Forwarded-address headers count only from [http] trusted_proxies.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from api.limits import HEADER_BYTES, PATH_BYTES, QUERY_BYTES

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[..., Awaitable[None]]

# RFC 9110 7.2 with RFC 3986 3.2.2: a bracketed address or a name, then perhaps a port.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(?::[0-9]{0,5})?")
_FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-real-ip")


class Proxies:
    """[http] trusted_proxies."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def __contains__(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)


LOOPBACK = Proxies(["127.0.0.0/8", "::1/128"])


class Gate:
    def __init__(self, app: App, proxies: Proxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send, *rest: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            status = _refusal(scope)
            if status:
                await _refuse(scope, send, status)
                return
            scope = self._seen_through_proxies(scope)
        await self._app(scope, receive, send, *rest)

    def _seen_through_proxies(self, scope: Scope) -> Scope:
        if not any(name.lower() in _FORWARDED for name, _ in scope["headers"]):
            return scope  # to read addresses costs more than this look
        client = (scope.get("client") or ("", 0))[0]
        if client not in self._proxies:
            return scope
        # Each proxy appends whom it heard: the client is the last one that is no proxy of ours.
        # X-Real-IP counts only beside none of these: many proxies pass on what a client put there.
        for claimed in reversed(_values(scope, b"x-forwarded-for") or _values(scope, b"x-real-ip")):
            try:
                client = str(ipaddress.ip_address(claimed))
            except ValueError:
                break
            if client not in self._proxies:
                break
        scope = {**scope, "client": (client, 0)}
        scheme = next(iter(_values(scope, b"x-forwarded-proto")), "")
        if scheme in ("http", "https"):
            secure = scheme == "https"
            scope["scheme"] = scheme if scope["type"] == "http" else ("wss" if secure else "ws")
        return scope


def _values(scope: Scope, name: bytes) -> list[str]:
    lines = [value.decode("latin1") for key, value in scope["headers"] if key.lower() == name]
    return [item.strip() for line in lines for item in line.split(",") if item.strip()]


def _refusal(scope: Scope) -> int | None:
    if scope["http_version"].startswith("2"):
        return 505  # h2c, which hypercorn would take up unasked; nobody needs it, and it is a second set of faults
    target = scope["raw_path"]
    if len(target) > PATH_BYTES or len(scope["query_string"]) > QUERY_BYTES:
        return 414
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
        return 431
    hosts = [value for name, value in scope["headers"] if name.lower() == b"host"]
    if len(hosts) > 1 or not all(_HOST.fullmatch(host) for host in hosts):
        return 400
    if not target.startswith(b"/"):
        # RFC 9112 3.2.2: the absolute form is to be understood.
        try:
            absolute = urlsplit(scope["path"])
        except ValueError:
            return 400
        if absolute.scheme not in ("http", "https"):
            return 400
        scope["path"] = absolute.path or "/"
        scope["raw_path"] = urlsplit(target).path or b"/"
    return None


async def _refuse(scope: Scope, send: Send, status: int) -> None:
    kind = "http.response" if scope["type"] == "http" else "websocket.http.response"
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": b"", "more_body": False})
