"""The steps from each released revision to today's tables lose nothing; on each kind of database."""

import logging
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from api.store import Database, admins, call_lists, calls, keys, revocations, rooms, sessions, users
from api.store.database import SQLITE_FILE, migrate
from api.store.revocations import Revocation
from api.store.sessions import SessionRecord
from api.store.tables import metadata
from signalling.ports import ListedUser

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ROOM, ANN, BOB = (str(uuid.UUID(int=number)) for number in range(1, 4))
# As the first revision had them, with a row each; never to be changed with the tables of today. So CALLS, of the seventh.
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


def brought_to(revision: str, rows: Iterable[tuple[str, dict[str, Any]]], tmp_path: Path, store_url: str) -> set[str]:
    """Rows as that revision had them, by its own tables, whose names are returned."""
    engine = sa.create_engine(store_url or f"sqlite:///{tmp_path / SQLITE_FILE}")
    with engine.begin() as connection:
        migrate(connection, revision)
        found = sa.MetaData()
        found.reflect(connection)
        for table, row in rows:
            naive = {key: value.replace(tzinfo=None) for key, value in row.items() if isinstance(value, datetime)}
            connection.execute(sa.insert(found.tables[table]).values(row | (naive if not store_url else {})))
    engine.dispose()
    return set(found.tables)


def made_first(tmp_path: Path, store_url: str) -> None:
    assert brought_to("0001", FIRST.items(), tmp_path, store_url) == {*FIRST, "alembic_version"}


def differences(connection: sa.Connection) -> list[object]:
    """Between the tables that are there and those that are declared."""
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


def test_what_the_first_revision_held_is_there_and_today_has_its_tables(tmp_path: Path, empty_store_url: str) -> None:
    made_first(tmp_path, empty_store_url)
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
    made_first(tmp_path, empty_store_url)
    revoked = {"room": ROOM, "call_id": "c", "revoked_at": 1.1, "until": 2.2, "uninvited": True}
    brought_to("0002", [("revocations", revoked)], tmp_path, empty_store_url)
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
    made_first(tmp_path, empty_store_url)
    brought_to("0004", [("licences", licence), ("sessions", attrs.asdict(session))], tmp_path, empty_store_url)
    database = Database(tmp_path, empty_store_url)
    assert database.read(differences) == []
    assert database.read(partial(sessions.began_within, licence=1, start=AT, end=None, at_most=9)) == [session]
    assert database.read(partial(admins.password_hash, name="admin")) is None
    database.write(partial(admins.set_password, name="admin", password_hash="hash"))
    assert database.read(partial(admins.password_hash, name="admin")) == "hash"
    database.close()


CALLS: dict[str, dict[str, Any]] = {
    "organizations": {"number": 1, "id": str(uuid.UUID(int=9)), "name": "Acme", "created_at": AT, "active": True},
    "apps": {
        "number": 1,
        "id": str(uuid.UUID(int=10)),
        "organization": 1,
        "name": "shop",
        "api_key": "k" * 32,
        "interval_ms": 10_000,
        "recording": True,
        "durations": "{}",
        "created_at": AT,
        "active": True,
    },
    "conferences": {
        "number": 3,
        "id": str(uuid.UUID(int=11)),
        "app": 1,
        "conference_id": "standup",
        "ongoing": True,
        "duration": 0,
        "marks": "[]",
        "created_at": AT,
    },
    "participants": {
        "number": 4,
        "id": ANN,
        "app": 1,
        "participant_id": "ann",
        "is_sfu": False,
        "created_at": AT,
    },
    "conference_participants": {"conference": 3, "participant": 4},
    "call_sessions": {
        "number": 5,
        "id": str(uuid.UUID(int=12)),
        "conference": 3,
        "participant": 4,
        "duration": 0,
        "marks": "[]",
        "seconds": "{}",
        "events": 3,
        "media_asked": 0,
        "media_refused": 0,
        "created_at": AT,
    },
}


def test_what_was_reported_is_known_when_events_take_half_the_room(
    tmp_path: Path, empty_store_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    # A fraction that SQLite's own reading of times would round up, one that is nothing, and one before 1970.
    moments = [AT.replace(microsecond=999_999), AT.replace(microsecond=0), datetime(1969, 12, 31, 23, 59, 59, 5, UTC)]
    made_first(tmp_path, empty_store_url)
    event = {"conference": 3, "participant": 4, "session": 5, "app": 1, "type": "custom", "category": "browser"}
    events = [
        {
            **event,
            "number": number,
            "id": str(uuid.UUID(int=number)),
            "data": f'"{number}"',
            "request": 1,
            "created_at": at,
        }
        for number, at in enumerate(moments, start=70)
    ]
    brought_to("0007", [*CALLS.items(), *(("call_events", each) for each in events)], tmp_path, empty_store_url)
    with caplog.at_level(logging.INFO, "api.store.database"):
        database = Database(tmp_path, empty_store_url)
    (told,) = (record.message for record in caplog.records)  # it takes some five seconds for a million events
    assert " is brought from revision 0007 to " in told
    assert database.read(differences) == []
    assert database.read(calls.last_numbers)["call_events"] == 72
    conference = CALLS["conferences"]["id"]
    kept = database.read(partial(calls.conference_by, id=conference))
    assert kept is not None and kept.events == {5: 3}
    listed = database.read(partial(call_lists.events_after, conference=conference, after=None, most=9))
    assert [(each["created_at"], each["data"], each["participant"], each["app"]) for each in listed] == [
        (moments[number - 70], f'"{number}"', ANN, CALLS["apps"]["id"]) for number in (72, 71, 70)
    ]
    assert len({uuid.UUID(each["id"]) for each in listed}) == 3
    database.close()


def test_an_empty_database_gets_the_tables_as_declared(tmp_path: Path, empty_store_url: str) -> None:
    database = Database(tmp_path, empty_store_url)
    assert database.read(differences) == []
    database.close()


def test_a_database_of_the_first_revision_works_on(tmp_path: Path, empty_store_url: str) -> None:
    made_first(tmp_path, empty_store_url)
    database = Database(tmp_path, empty_store_url)
    revoked = Revocation(ROOM, "c", 1.0, 2.0, uninvited=False)
    database.write(partial(revocations.keep, news=[revoked], now=0.0))
    assert database.read(revocations.all_revocations) == [revoked]
    newer = database.write(partial(rooms.add, name="newer", members=[ListedUser(ANN, admin=False)]))
    assert [room.uuid for room in database.read(rooms.all_rooms)] == [ROOM, newer.uuid]
    assert database.write(partial(rooms.remove, room=ROOM))
    assert database.read(revocations.all_revocations) == []
    database.close()
