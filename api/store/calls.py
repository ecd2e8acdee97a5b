"""Calls as clients report them (contract analytics, section 8): one conference with all that is in it, and its way back."""

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import attrs
import sqlalchemy as sa

from api.store.tables import (
    Moment,
    apps,
    call_events,
    call_sessions,
    conference_participants,
    conferences,
    issues,
    metadata,
    participants,
    peer_connections,
    summaries,
    tracks,
)

Record = Mapping[str, Any]
"""A row, by the names of its columns."""

# Each after those that it names.
TABLES = ("conferences", "participants", "call_sessions", "peer_connections", "tracks")
# 2 to the power of it rows with one statement: 128 of the 21 columns of sessions are well below what both databases take.
MOST_AT_ONCE = 7
STORED_CHARS = len("2026-11-23 12:00:00.000000")
NUMBERED = (conferences, participants, call_sessions, peer_connections, tracks, call_events, issues)


@attrs.frozen
class Found:
    """A conference and all that is in it but its events; each oldest first."""

    conference: Record
    people: Sequence[Record]
    sessions: Sequence[Record]
    connections: Sequence[Record]
    tracks: Sequence[Record]
    issues: Sequence[Record]
    events: Mapping[int, int]
    """How many, by session."""


class EventRow(NamedTuple):
    """An event, by the columns of its table, in their order: those come by the thousand, and a dictionary each would cost."""

    number: int
    conference: int
    session: int
    peer: int | None
    connection: int | None
    track: int | None
    type: str
    category: str
    data: str | None
    request: int
    created_at: int
    """An instant."""


@attrs.define
class Changes:
    """What becomes of calls with one commit."""

    records: dict[str, list[Record]] = attrs.field(factory=dict)
    """By table, as they are now, whether or not they were there before."""
    links: list[Record] = attrs.field(factory=list)
    """conference, participant."""
    events: list[EventRow] = attrs.field(factory=list)
    issues: list[Record] = attrs.field(factory=list)
    seconds: dict[tuple[int, str], int] = attrs.field(factory=dict)
    """Of calls, to be added to an app's day."""
    summaries: list[Record] = attrs.field(factory=list)
    ended: list[str] = attrs.field(factory=list)
    """Ids of conferences whose end has changed: what is summed up is to be so again."""


def last_numbers(connection: sa.Connection) -> dict[str, int]:
    """By table."""
    return {
        table.name: connection.execute(sa.select(sa.func.max(table.c.number))).scalar_one() or 0 for table in NUMBERED
    }


def conference_by(connection: sa.Connection, *, id: str = "", session: str = "") -> Found | None:
    """By its id, or that of one of its sessions."""
    query = sa.select(conferences)
    if session:
        query = query.join(call_sessions).where(call_sessions.c.id == session)
    else:
        query = query.where(conferences.c.id == id)
    return _found(connection, query)


def conference_named(connection: sa.Connection, app: int, conference_id: str) -> Found | None:
    return _found(
        connection,
        sa.select(conferences).where(conferences.c.app == app, conferences.c.conference_id == conference_id),
    )


def participant_named(connection: sa.Connection, app: int, participant_id: str) -> Record | None:
    where = (participants.c.app == app) & (participants.c.participant_id == participant_id)
    return next(iter(_rows(connection, participants, where)), None)


def app_numbers(connection: sa.Connection, id: str) -> int | None:
    """The number of an app that is there."""
    return connection.execute(sa.select(apps.c.number).where(apps.c.id == id, apps.c.active)).scalar_one_or_none()


def id_of(connection: sa.Connection, app: str, conference: str | None, participant: str | None) -> str | None:
    """Of a conference, or else a participant, by the app's own id for it."""
    own = (
        (participants, participants.c.participant_id == participant)
        if conference is None
        else (conferences, conferences.c.conference_id == conference)
    )
    table, is_it = own
    query = sa.select(table.c.id).join(apps, apps.c.number == table.c.app).where(apps.c.id == app, is_it)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def write(connection: sa.Connection, changes: Changes) -> None:
    for name in TABLES:
        table = metadata.tables[name]
        replaced = [column.name for column in table.c if column.name != "number"]
        _add(connection, table, changes.records.get(name, []), on_conflict=("number", replaced))
    _add(connection, conference_participants, changes.links, on_conflict=("conference, participant", []))
    _add_rows(connection, call_events, changes.events)
    _add(connection, issues, changes.issues)
    _add(connection, summaries, changes.summaries, on_conflict=("conference", ["end_time", "data", "created_at"]))
    for (app, day), seconds in changes.seconds.items():
        _add_seconds(connection, app, day, seconds)


def _add(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Record],
    *,
    on_conflict: tuple[str, Sequence[str]] | None = None,
) -> None:
    """Each row; where one with the same key is there already, the named columns are replaced."""
    names = [column.name for column in table.c]
    _add_rows(connection, table, [[row[name] for name in names] for row in rows], on_conflict=on_conflict)


def _add_rows(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Sequence[Any]],
    *,
    on_conflict: tuple[str, Sequence[str]] | None = None,
) -> None:
    """The same of rows that have their values in the order of the columns.

    Many rows with one statement, and by the driver itself. SQLAlchemy's way takes twice as long a row; and with one statement
    a row, SQLite's driver hands the interpreter over to the thread that serves, and waits for it, as often.
    """
    if not rows:
        return
    names = [column.name for column in table.c]
    then = ""
    if on_conflict is not None:
        key, replaced = on_conflict
        changes = ", ".join(f"{name} = excluded.{name}" for name in replaced)
        then = f" ON CONFLICT ({key}) DO " + (f"UPDATE SET {changes}" if replaced else "NOTHING")
    is_sqlite = connection.dialect.name == "sqlite"
    moments = [number for number, column in enumerate(table.c) if isinstance(column.type, Moment)]
    place = "(" + ", ".join(["?" if is_sqlite else "%s"] * len(names)) + ")"
    start = 0
    while start < len(rows):
        # A power of two, so that there are few statements, and the driver knows them all.
        size = 1 << min(MOST_AT_ONCE, (len(rows) - start).bit_length() - 1)
        values = list(itertools.chain.from_iterable(rows[start : start + size]))
        if is_sqlite:
            for column in moments:
                for at in range(column, len(values), len(names)):
                    if values[at] is not None:
                        values[at] = _as_stored(values[at])
        statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([place] * size)}{then}"
        connection.exec_driver_sql(statement, tuple(values))
        start += size


def _as_stored(moment: datetime) -> str:
    """As SQLAlchemy has SQLite keep one."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(" ", "microseconds")[:STORED_CHARS]


def _add_seconds(connection: sa.Connection, app: int, day: str, seconds: int) -> None:
    durations = connection.execute(sa.select(apps.c.durations).where(apps.c.number == app)).scalar_one()
    by_day = json.loads(durations)
    by_day[day] = by_day.get(day, 0) + seconds
    connection.execute(sa.update(apps).where(apps.c.number == app).values(durations=json.dumps(by_day)))


def _found(connection: sa.Connection, query: sa.Select[Any]) -> Found | None:
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    number = row["number"]
    of_session = sa.select(call_sessions.c.number).where(call_sessions.c.conference == number)
    of_people = sa.select(conference_participants.c.participant).where(conference_participants.c.conference == number)
    asked = sa.select(issues).where(issues.c.conference == number).order_by(issues.c.number)
    told = sa.select(call_events.c.session, sa.func.count()).where(call_events.c.conference == number)
    return Found(
        conference=dict(row),
        people=_rows(connection, participants, participants.c.number.in_(of_people)),
        sessions=_rows(connection, call_sessions, call_sessions.c.conference == number),
        connections=_rows(connection, peer_connections, peer_connections.c.conference == number),
        tracks=_rows(connection, tracks, tracks.c.session.in_(of_session)),
        issues=[dict(each) for each in connection.execute(asked).mappings()],
        events={session: count for session, count in connection.execute(told.group_by(call_events.c.session))},
    )


def _rows(connection: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool]) -> Sequence[Record]:
    query = sa.select(table).where(where).order_by(table.c.number)
    return [dict(row) for row in connection.execute(query).mappings()]
