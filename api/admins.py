"""The dashboard's administrator: one user, `admin`, whose password is the store's, and what signing in is answered with.

A token is a JWT (RFC 7519), HS256 and nothing else (RFC 8725 3.1), good for SIGN_IN_S. Invariant: it dies with the password.
It bears a MAC of the stored hash, and a new password has a new hash, even if it is the same word; so each use looks into
the store, and `atrium admin password` needs to tell no server.

The first start makes a random password and leaves it in DIR/admin-password, for its owner to read, until the command sets
another one.
"""

import hmac
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import attrs
import jwt
import structlog
import trio

from api.keyring import Keyring, make_private
from api.limits import SIGN_IN_FAILURES, SIGN_IN_S
from api.passwords import PasswordChecks
from api.store import Store, admins
from signalling.door import Door, source_of
from signalling.limits import TOKEN_CHARS

log = structlog.get_logger(__name__)

ADMIN = "admin"
PASSWORD_FILE = "admin-password"
PASSWORD_BYTES = 18

ALGORITHM = "HS256"
DASHBOARD = "dashboard"
DASHBOARD_PASSWORDS = "dashboard passwords"


@attrs.frozen
class SignIn:
    token: str = attrs.field(repr=False)
    expires_at: datetime


class Admins:
    def __init__(
        self, store: Store, keyring: Keyring, passwords: PasswordChecks, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._passwords = passwords
        self._clock = clock
        self._secret = keyring.derive(DASHBOARD)
        self._door = Door(SIGN_IN_FAILURES)

    async def make_first_password(self, directory: Path) -> None:
        """Unless there is one. Says where it is to be read as long as nobody has set another."""
        path = directory / PASSWORD_FILE
        if await self._hash_of(ADMIN) is None:
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            # First the file: killed in between, the next start makes another one of each.
            await trio.to_thread.run_sync(_replace, path, password)
            made = partial(admins.set_first_password, name=ADMIN, password_hash=await self._passwords.hashed(password))
            if not await self._store.write(made):  # the command was quicker
                path.unlink(missing_ok=True)
        if path.exists():
            log.info("the dashboard has a password that the server made", user=ADMIN, file=str(path))

    async def sign_in(self, user: str, password: str, address: str) -> SignIn | None:
        """None for an unknown user and for a wrong password, after the same time. TooMany after too many of those from one
        address; and not for one user, for then anybody could keep the administrator out."""

        async def prove() -> str | None:
            stored = await self._hash_of(user)
            return stored if await self._passwords.matches(password, stored) else None

        proven = await self._door.prove([f"address {source_of(address)}"], prove)
        return None if proven is None else self._signed(user, proven)

    async def knows(self, token: str) -> bool:
        """Whether the token is of a sign-in that is still good."""
        if len(token) > TOKEN_CHARS:
            return False
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                # `exp` is compared below, by our clock.
                options={"require": ["exp", "sub", "password"], "verify_exp": False},
            )
        except jwt.InvalidTokenError:
            return False
        # What bears our signature has the claims that we write.
        stored = await self._hash_of(claims["sub"])
        fits = stored is not None and hmac.compare_digest(claims["password"], self._mark(stored))
        return fits and self._clock() < claims["exp"]

    def _signed(self, user: str, password_hash: str) -> SignIn:
        expires = int(self._clock()) + SIGN_IN_S
        claims = {"sub": user, "password": self._mark(password_hash), "exp": expires}
        token = jwt.encode(claims, self._secret, algorithm=ALGORITHM)
        return SignIn(token, datetime.fromtimestamp(expires, UTC))

    def _mark(self, password_hash: str) -> str:
        return self._keyring.mac(DASHBOARD_PASSWORDS, password_hash).hex()

    async def _hash_of(self, user: str) -> str | None:
        return await self._store.read(partial(admins.password_hash, name=user))


def _replace(path: Path, password: str) -> None:
    """What a server that was killed at its first start left there is of no use."""
    path.unlink(missing_ok=True)
    make_private(path, f"{password}\n".encode())
