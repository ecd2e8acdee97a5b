"""What the graphs of conferences are made of, and what they have been made into (contract analytics, section 7)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
import sqlalchemy as sa

from api.store.call_lists import later_than
from api.store.tables import (
    apps,
    call_events,
    call_sessions,
    conferences,
    event_id,
    participants,
    peer_connections,
    summaries,
    tracks,
)

Record = Mapping[str, Any]
_PEERS = participants.alias("peers")


@attrs.frozen
class Course:
    """How far a conference is."""

    number: int
    ongoing: bool
    end_time: datetime | None
    interval_ms: int
    """Of its app."""


@attrs.frozen
class Summary:
    end_time: datetime
    data: bytes


def course(connection: sa.Connection, id: str) -> Course | None:
    """None: there is none for anybody to see."""
    query = (
        sa.select(conferences.c.number, conferences.c.ongoing, conferences.c.end_time, apps.c.interval_ms)
        .join(apps, apps.c.number == conferences.c.app)
        .where(conferences.c.id == id, apps.c.active)
    )
    row = connection.execute(query).first()
    return None if row is None else Course(*row)


def summary(connection: sa.Connection, conference: int) -> Summary | None:
    query = sa.select(summaries.c.end_time, summaries.c.data).where(summaries.c.conference == conference)
    row = connection.execute(query).first()
    return None if row is None else Summary(row.end_time, bytes(row.data))


def unfinished(connection: sa.Connection, at_most: int) -> list[str]:
    """Ids of conferences that are over and whose graphs are not those of their end, oldest first."""
    is_other = summaries.c.end_time.is_(None) | (summaries.c.end_time != conferences.c.end_time)
    query = (
        sa.select(conferences.c.id)
        .join(apps, apps.c.number == conferences.c.app)
        .outerjoin(summaries, summaries.c.conference == conferences.c.number)
        .where(~conferences.c.ongoing, conferences.c.end_time.is_not(None), apps.c.active, is_other)
        .order_by(conferences.c.number)
        .limit(at_most)
    )
    return list(connection.execute(query).scalars())


def stats_after(
    connection: sa.Connection, conference: int, after: tuple[datetime, int] | None, at_most: int
) -> list[Record]:
    """The next statistics of a conference, by time; `after`: time and number of the last ones."""
    columns = call_events.c
    where = [columns.conference == conference, columns.category == "stats"]
    if after is not None:
        where += later_than(after)
    query = (
        sa.select(
            columns.number,
            columns.request,
            columns.data,
            columns.created_at,
            apps.c.id.label("app"),
            call_sessions.c.id.label("session"),
            conferences.c.id.label("conference"),
            participants.c.id.label("participant"),
            _PEERS.c.id.label("peer"),
            peer_connections.c.id.label("connection"),
            tracks.c.kind,
            tracks.c.direction,
        )
        .join(conferences, conferences.c.number == columns.conference)
        .join(apps, apps.c.number == conferences.c.app)
        .join(call_sessions, call_sessions.c.number == columns.session)
        .join(participants, participants.c.number == call_sessions.c.participant)
        .join(peer_connections, peer_connections.c.number == columns.connection)
        .join(_PEERS, _PEERS.c.number == peer_connections.c.peer)
        .outerjoin(tracks, tracks.c.number == columns.track)
        .where(*where)
        .order_by(columns.created_at, columns.number)
        .limit(at_most)
    )
    events = connection.execute(query).mappings()
    return [{**event, "id": event_id(event["session"], event["number"])} for event in events]
