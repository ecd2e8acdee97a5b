"""People's passwords: argon2id, and the digests that SIP needs beside it.

A check costs about 0.15 s of CPU and 64 MiB, so the asynchronous side runs at most one at a time, in a thread, and lets
PASSWORD_CHECKS_WAITING wait: a flood of guesses fills that queue and not the machine.
"""

import hashlib
from functools import cache

import trio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.limits import PASSWORD_CHECKS_WAITING
from signalling.room.errors import TooMany

SIP_REALM = "atrium"
SIP_DIGESTS = "sip digests"

_hasher = PasswordHasher()


def hashed(password: str) -> str:
    return _hasher.hash(password)


def matches(password: str, stored: str | None) -> bool:
    """Whether the password is the stored one. Without a stored one the work is done all the same, for the clock."""
    try:
        return _hasher.verify(stored if stored is not None else _nobody(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def sip_digests(username: str, realm: str, password: str) -> bytes:
    """HA1 of RFC 7616 3.4.2 for MD5 and SHA-256, one after the other: 16 + 32 bytes."""
    secret = f"{username}:{realm}:{password}".encode()
    return hashlib.md5(secret, usedforsecurity=False).digest() + hashlib.sha256(secret).digest()


class PasswordChecks:
    """`hashed` and `matches` for trio, one at a time; TooMany if the queue is full."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(1)

    async def hashed(self, password: str) -> str:
        self._queue_up()
        return await trio.to_thread.run_sync(hashed, password, limiter=self._limiter)

    async def matches(self, password: str, stored: str | None) -> bool:
        self._queue_up()
        # A socket that goes while its check runs need not be waited for; the thread's answer is thrown away.
        return await trio.to_thread.run_sync(matches, password, stored, limiter=self._limiter, abandon_on_cancel=True)

    def _queue_up(self) -> None:
        if self._limiter.statistics().tasks_waiting >= PASSWORD_CHECKS_WAITING:
            raise TooMany("too many passwords are being checked, try again")


@cache
def _nobody() -> str:
    return _hasher.hash("")
