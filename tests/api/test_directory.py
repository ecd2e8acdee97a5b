"""Rooms and users as signalling sees them."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from api import passwords
from api.directory import DEVICE_TOKENS, StoredDirectory
from api.keyring import Keyring
from api.passwords import PasswordChecks
from api.store import Database, Store, rooms, users
from signalling.ports import User

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


async def test_who_is_called_is_found_by_extension_then_by_name(directory: StoredDirectory, database: Database) -> None:
    def add(username: str, extension: str | None) -> User:
        return database.write(
            partial(users.add, username=username, extension=extension, password_hash="", sip_realm="r", sip_digests=b"")
        )

    ann, number = add("ann", "1001"), add("1001", "1002")
    carl = add("carl", None)
    assert await directory.user_called("1001") == ann
    assert await directory.user_called("1002") == number
    assert await directory.user_called("ann") == ann
    assert await directory.user_called("carl") == carl
    assert await directory.user_called("1003") is None
    assert await directory.user_called("Ann") is None
