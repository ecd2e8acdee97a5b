"""Rooms of licences. They are no rooms of rooms.py: no route of the Room API finds them by uuid or by name."""

from collections.abc import Collection

import attrs
import sqlalchemy as sa

from api.store.database import Row
from api.store.tables import licence_rooms, revocations
from signalling.ports import LicenceRoom


def all_rooms(connection: sa.Connection) -> list[LicenceRoom]:
    """Oldest first."""
    query = sa.select(licence_rooms).order_by(licence_rooms.c.created_at, licence_rooms.c.uuid)
    return [_room(row) for row in connection.execute(query)]


def keep(connection: sa.Connection, room: LicenceRoom) -> None:
    """Add it, or replace that of the same uuid; what was revoked in it stays."""
    values = attrs.asdict(room)
    values["licence_id"] = int(values.pop("licence"))
    update = sa.update(licence_rooms).where(licence_rooms.c.uuid == room.uuid).values(values)
    if connection.execute(update).rowcount == 0:
        connection.execute(sa.insert(licence_rooms).values(values))


def remove(connection: sa.Connection, uuids: Collection[str]) -> None:
    """With what was revoked in them."""
    rows = [{"gone": uuid} for uuid in uuids]
    if rows:
        for column in (revocations.c.room, licence_rooms.c.uuid):
            connection.execute(sa.delete(column.table).where(column == sa.bindparam("gone")), rows)


def _room(row: Row) -> LicenceRoom:
    fields = {field.name: getattr(row, field.name) for field in attrs.fields(LicenceRoom) if field.name != "licence"}
    return LicenceRoom(licence=str(row.licence_id), **fields)
