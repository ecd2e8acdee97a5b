"""Revoked auth tokens of stored rooms, of the server's and of licences', and for how long tokens may have been issued.

Rooms that are not stored do not survive a restart, and neither need what was revoked in them. What was revoked in a
stored one goes with it: rooms.py and licence_rooms.py remove both.
"""

from collections.abc import Collection

import attrs
import sqlalchemy as sa

from api.store.tables import licence_rooms, revocations, rooms, token_terms

WHOLE_ROOM = ""
"""In the place of a call id."""


@attrs.frozen
class Revocation:
    """Voids the tokens of a call, or of the whole room if `call_id` is empty, that were issued until `revoked_at`."""

    room: str
    call_id: str
    revoked_at: float
    until: float
    """From then on all of them have expired anyway."""
    uninvited: bool


def begin_issuing(connection: sa.Connection, ttl_s: float, now: float) -> float:
    """From now on tokens live `ttl_s`; until when some from before may."""
    before = connection.execute(sa.select(token_terms)).one_or_none()
    horizon = now + ttl_s if before is None else max(before.horizon, now + before.ttl_s)
    connection.execute(sa.delete(token_terms))
    connection.execute(sa.insert(token_terms).values(id=1, ttl_s=ttl_s, horizon=horizon))
    return horizon


def all_revocations(connection: sa.Connection) -> list[Revocation]:
    """Oldest first."""
    query = sa.select(revocations).order_by(revocations.c.revoked_at)
    return [
        Revocation(row.room, row.call_id, row.revoked_at, row.until, row.uninvited) for row in connection.execute(query)
    ]


def keep(connection: sa.Connection, news: Collection[Revocation], now: float, uninvited_forgotten: float = 0.0) -> None:
    """Add or replace those whose room is stored; forget those that have run out by `now`.

    Of a room that is revoked whole only that stays, of ended invitations none until `uninvited_forgotten`.
    """
    ended_invitation = revocations.c.uninvited & (revocations.c.revoked_at <= uninvited_forgotten)
    connection.execute(sa.delete(revocations).where((revocations.c.until <= now) | ended_invitation))
    whole_rooms = [each.room for each in news if each.call_id == WHOLE_ROOM and not each.uninvited]
    if whole_rooms:
        of_room = (revocations.c.room == sa.bindparam("whole_room")) & ~revocations.c.uninvited
        connection.execute(sa.delete(revocations).where(of_room), [{"whole_room": room} for room in whole_rooms])
    rows = [attrs.asdict(each) for each in news]
    if rows:
        same = (revocations.c.room == sa.bindparam("room")) & (revocations.c.call_id == sa.bindparam("call_id"))
        connection.execute(sa.delete(revocations).where(same), rows)
        connection.execute(_insert_where_room_is_stored(), rows)


def _insert_where_room_is_stored() -> sa.Insert:
    columns = list(revocations.c)
    values = sa.select(*(sa.bindparam(column.name, type_=column.type) for column in columns))
    room = sa.bindparam("room", type_=rooms.c.uuid.type)
    stored = sa.exists().where(rooms.c.uuid == room) | sa.exists().where(licence_rooms.c.uuid == room)
    return sa.insert(revocations).from_select(columns, values.where(stored))
