"""The two tokens of reporting clients (contract analytics, section 3): JWTs (RFC 7519), HS256 and nothing else.

    init       participant and conference    from POST /initialize, for POST /sessions
    session    session                       from POST /sessions, for all else

Each has a secret of its own, so that neither passes for the other. Whether what a token names is there is the store's to say.
"""

import math
import time
import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import attrs
import jwt
from jwt.types import Options

from api.analytics.faults import Fault
from api.limits import TOKENS_REMEMBERED
from signalling.limits import TOKEN_CHARS

ALGORITHM: Final = "HS256"
LIFETIME_S: Final = 24 * 60 * 60
# No claim but ours counts, so none that pyjwt knows is looked at.
SIGNATURE_ALONE: Final[Options] = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


@attrs.frozen
class Arrival:
    """What an init token says."""

    participant: str
    conference: str


class ReportTokens:
    def __init__(self, init_secret: bytes, session_secret: bytes, clock: Callable[[], float] = time.time) -> None:
        if init_secret == session_secret:
            raise ValueError("the two secrets must differ")
        self._init_secret = init_secret
        self._session_secret = session_secret
        self._clock = clock
        self._verified = lru_cache(TOKENS_REMEMBERED)(_verified)

    def init(self, arrival: Arrival) -> str:
        return self._signed({"p": arrival.participant, "c": arrival.conference}, self._init_secret)

    def session(self, session: str) -> str:
        return self._signed({"s": session}, self._session_secret)

    def arrival_of(self, token: object) -> Arrival:
        """Raises Fault: missing_token, invalid_token or expired_token. So the next."""
        claims = self._read(token, self._init_secret)
        return Arrival(_uuid(claims.get("p")), _uuid(claims.get("c")))

    def session_of(self, token: object) -> str:
        return _uuid(self._read(token, self._session_secret).get("s"))

    def _signed(self, claims: Mapping[str, object], secret: bytes) -> str:
        return jwt.encode({**claims, "t": self._clock()}, secret, algorithm=ALGORITHM)

    def _read(self, token: object, secret: bytes) -> Mapping[str, Any]:
        if token is None:
            raise Fault("missing_token")
        if not isinstance(token, str) or len(token) > TOKEN_CHARS:
            raise Fault("invalid_token")
        claims = self._verified(token, secret)
        made = claims.get("t")
        if isinstance(made, bool) or not isinstance(made, int | float) or not -math.inf < made < math.inf:
            raise Fault("invalid_token")
        if made < self._clock() - LIFETIME_S:
            raise Fault("expired_token")
        return claims


def _verified(token: str, secret: bytes) -> Mapping[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(token, secret, algorithms=[ALGORITHM], options=SIGNATURE_ALONE)
        return claims
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise Fault("invalid_token") from None


def _uuid(text: object) -> str:
    """In its canonical form."""
    try:
        return str(uuid.UUID(text)) if isinstance(text, str) else _refuse()
    except ValueError:
        return _refuse()


def _refuse() -> str:
    raise Fault("invalid_token")
