"""Calls as clients report them (contract analytics, section 8): one conference with all that is in it, and its way back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from api.store.tables import (
    apps,
    call_events,
    call_sessions,
    conference_participants,
    conferences,
    issues,
    metadata,
    participants,
    peer_connections,
    tracks,
)

Record = Mapping[str, Any]
"""A row, by the names of its columns."""

# Each after those that it names.
TABLES = ("conferences", "participants", "call_sessions", "peer_connections", "tracks")
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


@attrs.define
class Changes:
    """What becomes of calls with one commit."""

    records: dict[str, list[Record]] = attrs.field(factory=dict)
    """By table, as they are now, whether or not they were there before."""
    links: list[Record] = attrs.field(factory=list)
    """conference, participant."""
    events: list[Record] = attrs.field(factory=list)
    issues: list[Record] = attrs.field(factory=list)
    seconds: dict[tuple[int, str], int] = attrs.field(factory=dict)
    """Of calls, to be added to an app's day."""


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
        _put(connection, metadata.tables[name], changes.records.get(name, []))
    if changes.links:
        dialect = _dialect(connection)
        connection.execute(dialect.insert(conference_participants).on_conflict_do_nothing(), changes.links)
    for table, rows in ((call_events, changes.events), (issues, changes.issues)):
        if rows:
            connection.execute(sa.insert(table), rows)
    for (app, day), seconds in changes.seconds.items():
        _add_seconds(connection, app, day, seconds)


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
    return Found(
        conference=dict(row),
        people=_rows(connection, participants, participants.c.number.in_(of_people)),
        sessions=_rows(connection, call_sessions, call_sessions.c.conference == number),
        connections=_rows(connection, peer_connections, peer_connections.c.conference == number),
        tracks=_rows(connection, tracks, tracks.c.session.in_(of_session)),
        issues=[dict(each) for each in connection.execute(asked).mappings()],
    )


def _rows(connection: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool]) -> Sequence[Record]:
    query = sa.select(table).where(where).order_by(table.c.number)
    return [dict(row) for row in connection.execute(query).mappings()]


def _put(connection: sa.Connection, table: sa.Table, rows: Iterable[Record]) -> None:
    """Adds each, or replaces that of the same number."""
    given = [dict(row) for row in rows]
    if given:
        insert = _dialect(connection).insert(table)
        replaced = {name: insert.excluded[name] for name in given[0] if name != "number"}
        connection.execute(insert.on_conflict_do_update(index_elements=["number"], set_=replaced), given)


def _dialect(connection: sa.Connection) -> Any:
    return postgresql if connection.dialect.name == "postgresql" else sqlite
