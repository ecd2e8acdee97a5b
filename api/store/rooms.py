"""Persistent rooms of the server, not of licences, and the lists of who may enter them."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import sqlalchemy as sa

from api.store.database import Row
from api.store.tables import revocations, room_members, rooms
from signalling.ports import ListedUser, RoomRecord


def add(
    connection: sa.Connection,
    *,
    name: str,
    open: bool = False,
    force_password: bool = False,
    force_waiting_room: bool = False,
    password_hash: str | None = None,
    members: Iterable[ListedUser] = (),
) -> RoomRecord:
    now = datetime.now(UTC)
    number = connection.execute(
        sa.insert(rooms)
        .values(
            uuid=str(uuid.uuid4()),
            name=name,
            open=open,
            force_password=force_password,
            force_waiting_room=force_waiting_room,
            password_hash=password_hash,
            created_at=now,
            updated_at=now,
        )
        .returning(rooms.c.number)
    ).scalar_one()
    _list(connection, number, members)
    (record,) = _records(connection, rooms.c.number == number)
    return record


def all_rooms(connection: sa.Connection) -> list[RoomRecord]:
    """Oldest first."""
    return _records(connection, sa.true())


def by_uuid(connection: sa.Connection, room: str) -> RoomRecord | None:
    return next(iter(_records(connection, rooms.c.uuid == room)), None)


def oldest_by_name(connection: sa.Connection, name: str) -> RoomRecord | None:
    number = sa.select(sa.func.min(rooms.c.number)).where(rooms.c.name == name).scalar_subquery()
    return next(iter(_records(connection, rooms.c.number == number)), None)


def password_hash(connection: sa.Connection, room: str) -> str | None:
    return connection.execute(sa.select(rooms.c.password_hash).where(rooms.c.uuid == room)).scalar_one_or_none()


def for_change(connection: sa.Connection, room: str) -> RoomRecord | None:
    """As it is now and will be until this transaction changes it."""
    if connection.execute(sa.select(rooms.c.number).where(rooms.c.uuid == room).with_for_update()).first() is None:
        return None
    return by_uuid(connection, room)


def change(
    connection: sa.Connection,
    room: str,
    *,
    name: str,
    open: bool,
    force_password: bool,
    force_waiting_room: bool,
    members: Iterable[ListedUser],
) -> None:
    """Everything but the password of a room that is there."""
    number = connection.execute(
        sa.update(rooms)
        .where(rooms.c.uuid == room)
        .values(
            name=name,
            open=open,
            force_password=force_password,
            force_waiting_room=force_waiting_room,
            updated_at=datetime.now(UTC),
        )
        .returning(rooms.c.number)
    ).scalar_one()
    connection.execute(sa.delete(room_members).where(room_members.c.room_number == number))
    _list(connection, number, members)


def set_password(connection: sa.Connection, room: str, password_hash: str | None) -> None:
    connection.execute(sa.update(rooms).where(rooms.c.uuid == room).values(password_hash=password_hash))


def remove(connection: sa.Connection, room: str) -> bool:
    """With what was revoked in it."""
    connection.execute(sa.delete(revocations).where(revocations.c.room == room))
    return connection.execute(sa.delete(rooms).where(rooms.c.uuid == room)).rowcount == 1


def _list(connection: sa.Connection, number: int, members: Iterable[ListedUser]) -> None:
    rows = [
        {"room_number": number, "user_id": member.user_id, "admin": member.admin, "position": position}
        for position, member in enumerate(members)
    ]
    if rows:
        connection.execute(sa.insert(room_members), rows)


def _records(connection: sa.Connection, which: sa.ColumnElement[bool]) -> list[RoomRecord]:
    found = connection.execute(sa.select(rooms).where(which).order_by(rooms.c.number)).all()
    listed: dict[int, list[ListedUser]] = {row.number: [] for row in found}
    members = (
        sa.select(room_members)
        .join(rooms, rooms.c.number == room_members.c.room_number)
        .where(which)
        .order_by(room_members.c.room_number, room_members.c.position)
    )
    for row in connection.execute(members):
        if row.room_number in listed:
            listed[row.room_number].append(ListedUser(user_id=row.user_id, admin=row.admin))
    return [_record(row, listed) for row in found]


def _record(row: Row, listed: Mapping[int, list[ListedUser]]) -> RoomRecord:
    return RoomRecord(
        uuid=row.uuid,
        name=row.name,
        open=row.open,
        force_password=row.force_password,
        force_waiting_room=row.force_waiting_room,
        has_password=row.password_hash is not None,
        members=tuple(listed[row.number]),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
