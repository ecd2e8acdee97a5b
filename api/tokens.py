"""Auth tokens of the Room API (contract room-api, section 1): JWT (RFC 7519), HS256 and nothing else (RFC 8725 3.1).

A token admits one call to one room, until it expires or is revoked; `iat` is what revocations are compared with
(revocations.py). Whether its room still exists is the room's business.
"""

import secrets
import time
from collections.abc import Callable
from typing import Any

import jwt

from api.revocations import Revocations
from signalling.ports import Claims, TokenRefused

ALGORITHM = "HS256"
# RFC 8725 3.9: a token for another purpose, signed with a related key, must not pass here.
AUDIENCE = "atrium/room"
SECRET_BYTES = 32


class RoomTokens:
    """Implements signalling.ports.Tokens."""

    def __init__(
        self, secret: bytes, ttl_s: float, revocations: Revocations, clock: Callable[[], float] = time.time
    ) -> None:
        if len(secret) < SECRET_BYTES:  # PyJWT only warns
            raise ValueError(f"a token secret has at least {SECRET_BYTES} bytes")
        self._secret = secret
        self._ttl_s = ttl_s
        self._revocations = revocations
        self._clock = clock

    def issue(self, *, room: str, call_id: str, user: str | None, name: str, is_admin: bool) -> str:
        issued = self._revocations.moment_to_issue()
        expires = self._clock() + self._ttl_s
        self._revocations.note_token(issued, expires)
        claims = {
            "aud": AUDIENCE,
            "room": room,
            "call_id": call_id,
            "user": user,
            "name": name,
            "is_admin": is_admin,
            "iat": issued,
            "exp": expires,
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
        self._revocations.note_token(claims.issued, claims.expires)
        self.check(claims)
        return claims

    def check(self, claims: Claims) -> None:
        if claims.expires <= self._clock():
            raise TokenRefused("expired", claims)
        revocation = self._revocations.of(claims)
        if revocation is not None:
            raise TokenRefused("revoked", claims, uninvited=revocation.uninvited)

    def revoke(self, room: str, call_id: str | None, *, uninvited: bool = False) -> None:
        self._revocations.add(room, call_id, uninvited)

    async def kept(self) -> None:
        await self._revocations.kept()


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
