"""Sessions of licences: one continuous use of a room by anybody (contract s-connector, section 5).

A row is true at any time: the session has lasted from `began_at` to `until` at least. Whoever counts them writes `until`
again and again while they run, so what a killed server leaves behind needs no repair, only to be told that it runs no more.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from api.store.database import Row
from api.store.tables import session_connections, sessions


@attrs.frozen
class SessionRecord:
    id: int
    licence_id: int
    session_id: str
    """`ses_` and ten letters or digits."""
    room: str
    """The uuid of the room."""
    room_name: str
    began_at: datetime
    until: datetime
    """Its end, or the last moment at which it was seen to run."""
    running: bool
    visits: int
    """How many have come in, one after the other."""


@attrs.frozen
class ConnectionRecord:
    id: int
    session: int
    connection_id: str
    """`con_` and ten letters or digits."""
    token: str = attrs.field(repr=False)
    """`tok_` and sixteen."""
    user_name: str
    role: str
    location: str
    platform: str
    created_at: datetime
    left_at: datetime | None
    """None while it is there."""


@attrs.frozen
class RoomOfUse:
    """A room's sessions of some time, by its name."""

    name: str
    sessions: int
    seconds: int


@attrs.frozen
class Changes:
    """What has become of sessions since the last writing."""

    sessions: Sequence[SessionRecord]
    """As they are now, whether or not they were written before. So the next."""
    connections: Sequence[ConnectionRecord] = ()
    forgotten: Collection[int] = ()
    """Connections that nobody is told of any more."""
    seen: Sequence[tuple[int, datetime]] = ()
    """Sessions that still run, and until when they have been seen to."""


def write(connection: sa.Connection, changes: Changes) -> None:
    """The same twice is as good as once: who does not know whether it was written writes it again. Connections of sessions
    that run no more go."""
    _put(connection, sessions, changes.sessions)
    _put(connection, session_connections, changes.connections)
    over = [record.id for record in changes.sessions if not record.running]
    _delete(connection, session_connections.c.session, over)
    _delete(connection, session_connections.c.id, changes.forgotten)
    if changes.seen:
        # One that ends while this is written has its end from elsewhere.
        still = sa.update(sessions).where(sessions.c.id == sa.bindparam("which"), sessions.c.running)
        rows = [{"which": id, "seen": until} for id, until in changes.seen]
        connection.execute(still.values(until=sa.bindparam("seen")), rows)


def running(connection: sa.Connection) -> list[tuple[SessionRecord, list[ConnectionRecord]]]:
    """What a server that has ended left running, with who was there; oldest first."""
    found = [_session(row) for row in connection.execute(sa.select(sessions).where(sessions.c.running))]
    of: dict[int, list[ConnectionRecord]] = {record.id: [] for record in found}
    query = sa.select(session_connections).join(sessions).where(sessions.c.running).order_by(session_connections.c.id)
    for row in connection.execute(query):
        of[row.session].append(_connection(row))
    return [(record, of[record.id]) for record in sorted(found, key=lambda record: (record.began_at, record.id))]


def last_ids(connection: sa.Connection) -> tuple[int, int]:
    """No session or connection has ever had a higher number than these."""
    session, visits = connection.execute(sa.select(sa.func.max(sessions.c.id), sa.func.sum(sessions.c.visits))).one()
    present = connection.execute(sa.select(sa.func.max(session_connections.c.id))).scalar_one()
    return session or 0, max(int(visits or 0), present or 0)


def began_within(
    connection: sa.Connection, licence: int, start: datetime, end: datetime | None, at_most: int
) -> list[SessionRecord]:
    """Newest first. `end` is no part of the range; None: none has begun too late."""
    query = sa.select(sessions).where(sessions.c.licence_id == licence, sessions.c.began_at >= start)
    if end is not None:
        query = query.where(sessions.c.began_at < end)
    query = query.order_by(sessions.c.began_at.desc(), sessions.c.id.desc()).limit(at_most)
    return [_session(row) for row in connection.execute(query)]


def by_room(connection: sa.Connection, licence: int, start: datetime, end: datetime) -> list[RoomOfUse]:
    """Of the sessions that `began_within`, read one by one; the longest use first. Each counts whole seconds."""
    query = sa.select(sessions.c.room_name, sessions.c.began_at, sessions.c.until)
    query = query.where(sessions.c.licence_id == licence, sessions.c.began_at >= start, sessions.c.began_at < end)
    used: dict[str, tuple[int, int]] = {}
    for row in connection.execute(query.execution_options(yield_per=1000)):
        count, seconds = used.get(row.room_name, (0, 0))
        used[row.room_name] = (count + 1, seconds + whole_seconds(row.began_at, row.until))
    found = [RoomOfUse(name, count, seconds) for name, (count, seconds) in used.items()]
    return sorted(found, key=lambda room: (-room.seconds, room.name))


def whole_seconds(began_at: datetime, until: datetime) -> int:
    """As bills count a session's length."""
    return max(0, int((until - began_at).total_seconds()))


def _put(connection: sa.Connection, table: sa.Table, records: Iterable[attrs.AttrsInstance]) -> None:
    """Adds each, or replaces that of the same id."""
    rows = [attrs.asdict(record) for record in records]
    if rows:
        dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
        insert = dialect.insert(table)
        replaced = {name: insert.excluded[name] for name in rows[0] if name != "id"}
        connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=replaced), rows)


def _delete(connection: sa.Connection, column: sa.Column[int], ids: Collection[int]) -> None:
    if ids:
        gone = [{"gone": id} for id in ids]
        connection.execute(sa.delete(column.table).where(column == sa.bindparam("gone")), gone)


def _session(row: Row) -> SessionRecord:
    return SessionRecord(**{field.name: getattr(row, field.name) for field in attrs.fields(SessionRecord)})


def _connection(row: Row) -> ConnectionRecord:
    return ConnectionRecord(**{field.name: getattr(row, field.name) for field in attrs.fields(ConnectionRecord)})
