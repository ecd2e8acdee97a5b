"""Passwords: what a check costs, what is remembered of it, and the digests for SIP."""

import threading
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from api import passwords
from api.limits import PASSWORD_CHECKS_WAITING
from api.passwords import PasswordChecks
from signalling.room.errors import TooMany

STORED = passwords.hashed("right")


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The passwords for which argon2 has run."""
    asked: list[str] = []

    def matches(password: str, stored: str | None) -> bool:
        asked.append(password)
        return real(password, stored)

    real = passwords.matches
    monkeypatch.setattr(passwords, "matches", matches)
    yield asked


async def test_so_many_passwords_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(passwords, "matches", lambda password, stored: release.wait(10))
    checks = PasswordChecks()
    async with trio.open_nursery() as nursery:
        try:
            for _ in range(1 + PASSWORD_CHECKS_WAITING):
                nursery.start_soon(checks.matches, "x", None)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(TooMany):
                await checks.matches("x", None)
            with pytest.raises(TooMany):
                await checks.hashed("x")
        finally:
            release.set()
    assert await checks.matches("x", None)


async def test_what_was_right_is_not_verified_again(verified: list[str]) -> None:
    checks = PasswordChecks()
    for _ in range(300):
        assert await checks.matches("right", STORED)
    assert verified == ["right"]


async def test_those_who_come_at_once_with_one_password_cost_one_verification(verified: list[str]) -> None:
    checks = PasswordChecks()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(checks.matches, "right", STORED)
    assert verified == ["right"]


async def test_what_is_remembered_waits_behind_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = PasswordChecks()
    assert await checks.matches("right", STORED)
    release = threading.Event()
    monkeypatch.setattr(passwords, "matches", lambda password, stored: release.wait(10))
    async with trio.open_nursery() as nursery:
        try:
            for _ in range(1 + PASSWORD_CHECKS_WAITING):
                nursery.start_soon(checks.matches, "wrong", STORED)
            await trio.testing.wait_all_tasks_blocked()
            assert await checks.matches("right", STORED)
        finally:
            release.set()


async def test_a_wrong_password_and_an_unknown_user_cost_their_time_each_time(verified: list[str]) -> None:
    checks = PasswordChecks()
    for _ in range(2):
        assert not await checks.matches("wrong", STORED)
        assert not await checks.matches("", None)
        assert not await checks.matches("right", None)
    assert verified == ["wrong", "", "right"] * 2


async def test_a_new_password_is_verified_and_the_old_one_is_wrong_from_then_on(verified: list[str]) -> None:
    checks = PasswordChecks()
    assert await checks.matches("right", STORED)
    changed = passwords.hashed("new")
    assert not await checks.matches("right", changed)
    assert await checks.matches("new", changed)
    assert verified == ["right", "right", "new"]
    # Another user with the same password has another hash.
    assert await checks.matches("right", passwords.hashed("right"))
    assert len(verified) == 4


async def test_so_many_are_remembered_and_the_longest_unused_is_forgotten(
    verified: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "PROVEN_PASSWORDS", 2)
    checks = PasswordChecks()
    others = [passwords.hashed("right") for _ in range(2)]
    for stored in (STORED, others[0], STORED, others[1], STORED):
        assert await checks.matches("right", stored)
    assert len(verified) == 3
    assert await checks.matches("right", others[0])
    assert len(verified) == 4


def test_what_is_remembered_holds_neither_password_nor_hash() -> None:
    proven = [passwords._Proven(), passwords._Proven()]
    for each in proven:
        each.add("right", STORED)
    (first,), (second,) = (tuple(each._macs) for each in proven)
    assert len(first) == 32
    assert first != second, "a MAC of one process is of no use in another"


def test_sip_digests_are_those_of_the_rfc() -> None:
    """RFC 7616 3.9.1 gives user, realm and password; HA1 is what its responses are computed from."""
    digests = passwords.sip_digests("Mufasa", "http-auth@example.org", "Circle of Life")
    assert digests[:16].hex() == "3d78807defe7de2157e2b0b6573a855f"
    assert digests[16:].hex() == "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
