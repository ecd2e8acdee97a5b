"""STUN and TURN servers that clients are told of, for calls between themselves (contract kpoint, section 4).

Credentials are the time-limited ones that coturn and others check by a shared secret (draft-uberti-behave-turn-rest-00):
a user name that begins with the moment of its expiry, and an HMAC-SHA-1 of it as password. Pure.
"""

import base64
import hashlib
import hmac

from attrs import field, frozen


@frozen
class IceServer:
    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


@frozen
class IceServers:
    urls: tuple[str, ...] = ()
    """`stun:`, `stuns:`, `turn:` and `turns:` URIs (RFC 7064, 7065)."""
    secret: str = field(default="", repr=False)
    ttl_s: float = 86400.0

    def for_user(self, user: str, now: float) -> tuple[IceServer, ...]:
        """`now`: seconds since the epoch."""
        stun = tuple(url for url in self.urls if url.startswith("stun"))
        turn = tuple(url for url in self.urls if url.startswith("turn"))
        servers = [IceServer(stun)] if stun else []
        if turn:
            username = f"{int(now + self.ttl_s)}:{user}"
            password = hmac.digest(self.secret.encode(), username.encode(), hashlib.sha1)
            servers.append(IceServer(turn, username, base64.b64encode(password).decode()))
        return tuple(servers)


NO_ICE_SERVERS = IceServers()
