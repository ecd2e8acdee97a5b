"""Auth tokens of the Room API (contract room-api, section 1): JWT (RFC 7519), HS256 and nothing else (RFC 8725 3.1).

A token admits one call to one room. `read` says what a token claims; whether its room still exists and what has been
revoked is the room's business.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any

import jwt

from signalling.ports import Claims, TokenRefused

ALGORITHM = "HS256"
# RFC 8725 3.9: a token for another purpose, signed with a related key, must not pass here.
AUDIENCE = "atrium/room"
SECRET_BYTES = 32


class RoomTokens:
    """Implements signalling.ports.Tokens."""

    def __init__(self, secret: bytes, ttl_s: float, clock: Callable[[], float] = time.time) -> None:
        if len(secret) < SECRET_BYTES:  # PyJWT only warns
            raise ValueError(f"a token secret has at least {SECRET_BYTES} bytes")
        self._secret = secret
        self._ttl_s = ttl_s
        self._clock = clock

    def issue(self, *, room: str, call_id: str, user: str | None, name: str, is_admin: bool) -> str:
        now = self._clock()
        claims = {
            "aud": AUDIENCE,
            "room": room,
            "call_id": call_id,
            "user": user,
            "name": name,
            "is_admin": is_admin,
            "iat": now,
            "exp": now + self._ttl_s,
            "jti": secrets.token_urlsafe(16),
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def read(self, token: str) -> Claims:
        try:
            payload = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                # PyJWT cuts moments to whole seconds; ours may be shorter, so the comparison is made here.
                options={"require": ["aud", "exp", "iat", "jti"], "verify_exp": False, "verify_iat": False},
            )
            claims = _claims(payload)
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            raise TokenRefused("not a token of this server") from None
        if claims.expires <= self._clock():
            raise TokenRefused("expired", claims)
        return claims


def _claims(payload: dict[str, Any]) -> Claims:
    return Claims(
        room=payload["room"],
        call_id=payload["call_id"],
        user=payload["user"],
        name=payload["name"],
        is_admin=payload["is_admin"],
        issued=float(payload["iat"]),
        expires=float(payload["exp"]),
        token_id=payload["jti"],
    )
