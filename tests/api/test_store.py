"""The contract of the storage, on each kind of database."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
import trio

from api.store import Database, Store, StoreError, keys, rooms, users
from api.store.database import SQLITE_FILE
from signalling.ports import ListedUser, RoomRecord


@pytest.fixture
def database(tmp_path: Path, store_url: str) -> Iterator[Database]:
    database = Database(tmp_path, store_url)
    yield database
    database.close()


def add_user(
    database: Database, username: str, *, device: users.Device | None = None, extension: str | None = None
) -> str:
    add = partial(users.add, username=username, password_hash="h", sip_realm="r", sip_digests=b"d")
    return database.write(partial(add, device=device, extension=extension)).id


def test_opening_again_keeps_what_is_there(database: Database, tmp_path: Path, store_url: str) -> None:
    made = database.write(partial(rooms.add, name="first"))
    again = Database(tmp_path, store_url)
    assert again.read(rooms.all_rooms) == [made]
    again.close()


def test_a_database_of_a_newer_version_is_refused(database: Database, tmp_path: Path, store_url: str) -> None:
    database.write(lambda connection: connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(StoreError, match="newer Atrium"):
        Database(tmp_path, store_url)


def test_a_room_comes_back_as_it_was_made(database: Database) -> None:
    members = (ListedUser(str(uuid.uuid4()), admin=True), ListedUser(str(uuid.uuid4()), admin=False))
    before = datetime.now(UTC)
    made = database.write(
        partial(
            rooms.add,
            name="Küche 🍳",
            open=False,
            force_password=True,
            force_waiting_room=True,
            password_hash="hash",
            members=members,
        )
    )
    assert database.read(partial(rooms.by_uuid, room=made.uuid)) == made
    assert (made.name, made.open, made.force_password, made.force_waiting_room) == ("Küche 🍳", False, True, True)
    assert made.has_password
    assert made.members == members
    assert made.created_at == made.updated_at
    assert before - timedelta(seconds=1) < made.created_at <= datetime.now(UTC)
    assert made.created_at.utcoffset() == timedelta(0)
    assert database.read(partial(rooms.password_hash, room=made.uuid)) == "hash"


def test_rooms_are_listed_oldest_first_and_each_has_its_own_members(database: Database) -> None:
    user = ListedUser(str(uuid.uuid4()), admin=False)
    made = [database.write(partial(rooms.add, name="same", members=[user] * (n % 2))) for n in range(5)]
    assert database.read(rooms.all_rooms) == made
    assert database.read(partial(rooms.oldest_by_name, name="same")) == made[0]
    assert database.read(partial(rooms.oldest_by_name, name="other")) is None


def test_a_removed_room_is_gone_with_its_list(database: Database) -> None:
    made = database.write(partial(rooms.add, name="x", members=[ListedUser(str(uuid.uuid4()), admin=False)]))
    assert database.write(partial(rooms.remove, room=made.uuid))
    assert not database.write(partial(rooms.remove, room=made.uuid))
    assert database.read(partial(rooms.by_uuid, room=made.uuid)) is None
    assert (
        database.read(lambda connection: connection.execute(sa.text("SELECT count(*) FROM room_members")).scalar()) == 0
    )


def test_a_room_is_changed_and_its_list_replaced(database: Database) -> None:
    ann, bob, carl = (ListedUser(str(uuid.uuid4()), admin=False) for _ in range(3))
    made = database.write(partial(rooms.add, name="x", password_hash="hash", members=[ann, bob]))
    other = database.write(partial(rooms.add, name="x", members=[ann]))
    change = partial(rooms.change, room=made.uuid, name="y", open=True, force_password=True, force_waiting_room=True)
    database.write(partial(change, members=[carl, ann]))
    changed = database.read(partial(rooms.by_uuid, room=made.uuid))
    assert changed is not None
    assert (changed.name, changed.open, changed.force_password, changed.force_waiting_room) == ("y", True, True, True)
    assert (changed.members, changed.has_password, changed.created_at) == ((carl, ann), True, made.created_at)
    assert changed.updated_at > made.updated_at
    assert database.read(partial(rooms.by_uuid, room=other.uuid)) == other
    database.write(partial(rooms.set_password, room=made.uuid, password_hash=None))
    assert database.read(partial(rooms.password_hash, room=made.uuid)) is None
    assert database.write(partial(rooms.for_change, room="nowhere")) is None


def test_a_read_sees_one_state_whatever_is_written_meanwhile(
    database: Database, tmp_path: Path, store_url: str
) -> None:
    made = database.write(partial(rooms.add, name="before"))
    other = Database(tmp_path, store_url)

    def look_twice(connection: sa.Connection) -> tuple[RoomRecord | None, RoomRecord | None]:
        first = rooms.by_uuid(connection, made.uuid)
        other.write(partial(rooms.remove, room=made.uuid))
        return first, rooms.by_uuid(connection, made.uuid)

    assert database.read(look_twice) == (made, made)
    assert database.read(partial(rooms.by_uuid, room=made.uuid)) is None
    other.close()


def test_an_unfinished_write_leaves_nothing(database: Database) -> None:
    def fail(connection: sa.Connection) -> None:
        rooms.add(connection, name="half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(fail)
    assert database.read(rooms.all_rooms) == []


def test_users_are_found_by_name_and_by_device(database: Database) -> None:
    device = users.Device("phone", b"mac")
    ann = add_user(database, "ann", device=device, extension="1001")
    add_user(database, "bob")
    found = database.read(partial(users.by_username, username="ann"))
    assert found is not None
    assert (found[0].id, found[0].extension, found[1]) == (ann, "1001", "h")
    assert database.read(partial(users.by_device, device=device)) == found[0]
    assert database.read(partial(users.by_device, device=users.Device("phone", b"other"))) is None
    assert database.read(partial(users.by_device, device=users.Device("tablet", b"mac"))) is None
    assert [user.username for user in database.read(users.all_users)] == ["ann", "bob"]


def test_names_extensions_and_device_tokens_are_taken_once(database: Database) -> None:
    add_user(database, "ann", device=users.Device("phone", b"mac"), extension="1001")
    with pytest.raises(users.Taken, match="'ann'"):
        add_user(database, "ann")
    with pytest.raises(users.Taken, match="1001"):
        add_user(database, "bob", extension="1001")
    with pytest.raises(users.Taken, match="token"):
        add_user(database, "bob", device=users.Device("phone", b"mac"))
    assert [user.username for user in database.read(users.all_users)] == ["ann"]


def test_a_user_is_removed_by_id_or_name_with_its_devices(database: Database) -> None:
    ann = add_user(database, "ann", device=users.Device("phone", b"mac"))
    add_user(database, "bob")
    assert database.write(partial(users.remove, who=ann))
    assert database.write(partial(users.remove, who="bob"))
    assert not database.write(partial(users.remove, who="bob"))
    assert database.read(lambda connection: connection.execute(sa.text("SELECT count(*) FROM devices")).scalar()) == 0


def test_keys_are_known_until_they_are_removed_by_id_or_name(database: Database) -> None:
    first = database.write(partial(keys.add, name="ops", key_mac=b"1"))
    database.write(partial(keys.add, name="ci", key_mac=b"2"))
    assert [key.name for key in database.read(keys.all_keys)] == ["ops", "ci"]
    assert database.read(partial(keys.known, key_mac=b"1"))
    assert database.write(partial(keys.remove, which=str(first.id))) == 1
    assert database.write(partial(keys.remove, which="ci")) == 1
    assert database.write(partial(keys.remove, which="ci")) == 0
    assert not database.read(partial(keys.known, key_mac=b"1"))


async def test_writers_of_two_openings_wait_for_each_other(database: Database, tmp_path: Path, store_url: str) -> None:
    """What two processes do: none of forty writes meets a busy database or is lost."""
    other = Database(tmp_path, store_url)
    stores = [Store(database), Store(other)]
    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(stores[number % 2].write, partial(rooms.add, name=str(number)))
    assert {room.name for room in database.read(rooms.all_rooms)} == {str(number) for number in range(40)}
    other.close()


async def test_a_first_opening_waits_for_a_lock_that_it_cannot_queue_for(tmp_path: Path) -> None:
    """While another process makes the database WAL, or is at its first write; SQLite itself refuses that at once."""
    with closing(sqlite3.connect(tmp_path / SQLITE_FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, lambda: Database(tmp_path).close())
            await trio.sleep(0.2)
            other.execute("COMMIT")
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_two_first_openings_at_once_make_one_database(tmp_path: Path, empty_store_url: str) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(trio.to_thread.run_sync, lambda: Database(tmp_path, empty_store_url).close())
    database = Database(tmp_path, empty_store_url)
    assert database.read(rooms.all_rooms) == []
    database.close()


def test_an_unusable_url_is_refused_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"store\.url"):
        Database(tmp_path, "nonsense")
    with pytest.raises(StoreError) as caught:
        Database(tmp_path, "postgresql+psycopg://atrium:hunter2@127.0.0.1:1/atrium")
    assert "hunter2" not in str(caught.value)
