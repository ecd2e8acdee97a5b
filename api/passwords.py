"""People's passwords: argon2id, and the digests that SIP needs beside it.

A check costs about 0.15 s of CPU and 64 MiB, so the asynchronous side runs at most one at a time, in a thread, and lets
PASSWORD_CHECKS_WAITING wait: a flood of guesses fills that queue and not the machine.

A registered socket proves its password again each minute, so what was proved is remembered: PROVEN_PASSWORDS pairs of
stored hash and password, the longest unused one forgotten first. This is sound. Whether a password fits a hash never
changes, and a new password has a new hash, under which nothing is remembered. A wrong one is never remembered and always
costs its time; a fast answer tells only those who know the password. And what is kept is a MAC of the pair under a
random key of this process, so it is of no use elsewhere and never written down.
"""

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from functools import cache

import trio
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.limits import PASSWORD_CHECKS_WAITING, PROVEN_PASSWORDS
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
        self._proven = _Proven()

    async def hashed(self, password: str) -> str:
        self._queue_up()
        return await trio.to_thread.run_sync(hashed, password, limiter=self._limiter)

    async def matches(self, password: str, stored: str | None) -> bool:
        if stored is not None and self._proven.knows(password, stored):
            return True
        self._queue_up()
        # A socket that goes while its check runs need not be waited for; the thread's answer is thrown away.
        return await trio.to_thread.run_sync(
            self._prove, password, stored, limiter=self._limiter, abandon_on_cancel=True
        )

    def _prove(self, password: str, stored: str | None) -> bool:
        """In the thread. Whoever waited for the same proof finds it here."""
        if stored is None or not self._proven.knows(password, stored):
            if not matches(password, stored):
                return False
            if stored is not None:
                self._proven.add(password, stored)
        return True

    def _queue_up(self) -> None:
        if self._limiter.statistics().tasks_waiting >= PASSWORD_CHECKS_WAITING:
            raise TooMany("too many passwords are being checked, try again")


class _Proven:
    """Pairs of password and stored hash that fit; used by threads."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._macs: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def knows(self, password: str, stored: str) -> bool:
        mac = self._mac(password, stored)
        with self._lock:
            if mac not in self._macs:
                return False
            self._macs.move_to_end(mac)
            return True

    def add(self, password: str, stored: str) -> None:
        mac = self._mac(password, stored)
        with self._lock:
            self._macs[mac] = None
            while len(self._macs) > PROVEN_PASSWORDS:
                self._macs.popitem(last=False)

    def _mac(self, password: str, stored: str) -> bytes:
        # A stored hash has no NUL, so no other pair makes the same text.
        return hmac.digest(self._key, f"{stored}\0{password}".encode(), hashlib.sha256)


@cache
def _nobody() -> str:
    return _hasher.hash("")
