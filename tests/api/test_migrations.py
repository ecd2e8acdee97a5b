"""The steps from each released revision to today's tables lose nothing; on each kind of database."""

import uuid
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from api.store import Database, admins, keys, revocations, rooms, sessions, users
from api.store.database import SQLITE_FILE, migrate
from api.store.revocations import Revocation
from api.store.sessions import SessionRecord
from api.store.tables import metadata
from signalling.ports import ListedUser

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ROOM, ANN, BOB = (str(uuid.UUID(int=number)) for number in range(1, 4))
# As the first revision had them, with a row each; never to be changed with the tables of today.
FIRST: dict[str, dict[str, Any]] = {
    "users": {
        "id": ANN,
        "username": "ann",
        "password_hash": "hash",
        "display_name": "Änn",
        "extension": "1001",
        "sip_realm": "atrium",
        "sip_digests": b"\0digests",
        "created_at": AT,
    },
    "devices": {"user_id": ANN, "device": "phone", "token_mac": b"mac"},
    "rooms": {
        "uuid": ROOM,
        "name": "Küche",
        "open": False,
        "force_password": True,
        "force_waiting_room": True,
        "password_hash": "room hash",
        "created_at": AT,
        "updated_at": AT,
    },
    "room_members": {"room_number": 1, "user_id": BOB, "admin": True, "position": 0},
    "keys": {"name": "ops", "key_mac": b"key", "created_at": AT},
}


def made_at(revision: str, tmp_path: Path, empty_store_url: str) -> None:
    engine = sa.create_engine(empty_store_url or f"sqlite:///{tmp_path / SQLITE_FILE}")
    with engine.begin() as connection:
        migrate(connection, revision)
        found = sa.MetaData()
        found.reflect(connection)
        assert set(found.tables) == {*FIRST, "alembic_version"}
        for table, row in FIRST.items():
            moments = {key: value.replace(tzinfo=None) for key, value in row.items() if isinstance(value, datetime)}
            connection.execute(sa.insert(found.tables[table]).values(row | (moments if not empty_store_url else {})))
    engine.dispose()


def differences(connection: sa.Connection) -> list[object]:
    """Between the tables that are there and those that are declared."""
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


def test_what_the_first_revision_held_is_there_and_today_has_its_tables(tmp_path: Path, empty_store_url: str) -> None:
    made_at("0001", tmp_path, empty_store_url)
    for _ in range(2):
        database = Database(tmp_path, empty_store_url)
        assert database.read(differences) == []
        room = database.read(partial(rooms.by_uuid, room=ROOM))
        assert room is not None
        assert (room.name, room.open, room.force_password, room.force_waiting_room) == ("Küche", False, True, True)
        assert (room.members, room.created_at, room.updated_at) == ((ListedUser(BOB, admin=True),), AT, AT)
        assert database.read(partial(rooms.password_hash, room=ROOM)) == "room hash"
        ann = database.read(partial(users.by_device, device=users.Device("phone", b"mac")))
        assert ann is not None
        assert (ann.id, ann.username, ann.display_name, ann.extension) == (ANN, "ann", "Änn", "1001")
        assert database.read(partial(keys.known, key_mac=b"key"))
        database.close()


def test_what_was_revoked_stays_so_when_rooms_of_licences_come(tmp_path: Path, empty_store_url: str) -> None:
    made_at("0001", tmp_path, empty_store_url)
    revoked = {"room": ROOM, "call_id": "c", "revoked_at": 1.1, "until": 2.2, "uninvited": True}
    engine = sa.create_engine(empty_store_url or f"sqlite:///{tmp_path / SQLITE_FILE}")
    with engine.begin() as connection:
        migrate(connection, "0002")
        found = sa.MetaData()
        found.reflect(connection)
        connection.execute(sa.insert(found.tables["revocations"]).values(revoked))
    engine.dispose()
    database = Database(tmp_path, empty_store_url)
    assert database.read(revocations.all_revocations) == [Revocation(**revoked)]
    assert database.read(differences) == []
    assert database.write(partial(rooms.remove, room=ROOM))
    assert database.read(revocations.all_revocations) == []
    database.close()


def test_what_was_used_is_known_when_the_dashboard_comes(tmp_path: Path, empty_store_url: str) -> None:
    licence = {
        "domain": "trial",
        "cp_code": "c1",
        "access_key": "a" * 11,
        "secret_mac": b"mac",
        "enabled": True,
        "created_at": AT,
    }
    session = SessionRecord(7, 1, "ses_x", ROOM, "x", AT, AT, running=False, visits=2)
    made_at("0001", tmp_path, empty_store_url)
    engine = sa.create_engine(empty_store_url or f"sqlite:///{tmp_path / SQLITE_FILE}")
    with engine.begin() as connection:
        migrate(connection, "0004")
        # As the fourth revision had them.
        found = sa.MetaData()
        found.reflect(connection)
        for table, row in (("licences", licence), ("sessions", attrs.asdict(session))):
            moments = {key: value.replace(tzinfo=None) for key, value in row.items() if isinstance(value, datetime)}
            connection.execute(sa.insert(found.tables[table]).values(row | (moments if not empty_store_url else {})))
    engine.dispose()
    database = Database(tmp_path, empty_store_url)
    assert database.read(differences) == []
    assert database.read(partial(sessions.began_within, licence=1, start=AT, end=None, at_most=9)) == [session]
    assert database.read(partial(admins.password_hash, name="admin")) is None
    database.write(partial(admins.set_password, name="admin", password_hash="hash"))
    assert database.read(partial(admins.password_hash, name="admin")) == "hash"
    database.close()


def test_an_empty_database_gets_the_tables_as_declared(tmp_path: Path, empty_store_url: str) -> None:
    database = Database(tmp_path, empty_store_url)
    assert database.read(differences) == []
    database.close()


def test_a_database_of_the_first_revision_works_on(tmp_path: Path, empty_store_url: str) -> None:
    made_at("0001", tmp_path, empty_store_url)
    database = Database(tmp_path, empty_store_url)
    revoked = Revocation(ROOM, "c", 1.0, 2.0, uninvited=False)
    database.write(partial(revocations.keep, news=[revoked], now=0.0))
    assert database.read(revocations.all_revocations) == [revoked]
    newer = database.write(partial(rooms.add, name="newer", members=[ListedUser(ANN, admin=False)]))
    assert [room.uuid for room in database.read(rooms.all_rooms)] == [ROOM, newer.uuid]
    assert database.write(partial(rooms.remove, room=ROOM))
    assert database.read(revocations.all_revocations) == []
    database.close()
