"""Rooms and users as signalling sees them."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from api import passwords
from api.directory import DEVICE_TOKENS, StoredDirectory
from api.keyring import Keyring
from api.limits import PASSWORD_CHECKS_WAITING
from api.passwords import PasswordChecks
from api.store import Database, Store, rooms, users
from signalling.room.errors import TooMany

KEYRING = Keyring(bytes(32))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def directory(database: Database) -> StoredDirectory:
    return StoredDirectory(Store(database), KEYRING, PasswordChecks())


async def test_a_room_written_elsewhere_is_seen_at_once(
    directory: StoredDirectory, database: Database, tmp_path: Path
) -> None:
    other = Database(tmp_path)
    made = other.write(partial(rooms.add, name="x"))
    assert await directory.room(made.uuid) == made
    other.write(partial(rooms.remove, room=made.uuid))
    assert await directory.room(made.uuid) is None
    other.close()


async def test_the_password_of_a_room(directory: StoredDirectory, database: Database) -> None:
    made = database.write(partial(rooms.add, name="x", password_hash=passwords.hashed("right")))
    without = database.write(partial(rooms.add, name="y"))
    assert await directory.room_password_is(made.uuid, "right")
    assert not await directory.room_password_is(made.uuid, "wrong")
    assert not await directory.room_password_is(without.uuid, "")
    assert not await directory.room_password_is("unknown", "right")


async def test_a_user_proves_itself_by_password_or_device(directory: StoredDirectory, database: Database) -> None:
    device = users.Device("phone", KEYRING.mac(DEVICE_TOKENS, "token"))
    add = partial(users.add, username="ann", password_hash=passwords.hashed("right"), sip_realm="r", sip_digests=b"")
    ann = database.write(partial(add, device=device))
    assert await directory.user_by_password("ann", "right") == ann
    assert await directory.user_by_password("ann", "wrong") is None
    assert await directory.user_by_password("bob", "right") is None
    assert await directory.user_by_device("phone", "token") == ann
    assert await directory.user_by_device("phone", "other") is None
    assert await directory.user_by_device("tablet", "token") is None


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


def test_sip_digests_are_those_of_the_rfc() -> None:
    """RFC 7616 3.9.1 gives user, realm and password; HA1 is what its responses are computed from."""
    digests = passwords.sip_digests("Mufasa", "http-auth@example.org", "Circle of Life")
    assert digests[:16].hex() == "3d78807defe7de2157e2b0b6573a855f"
    assert digests[16:].hex() == "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
