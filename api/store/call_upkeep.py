"""What becomes of old calls (contract analytics, sections 6 and 12): those that nobody ended, those kept for long enough, and
what is known of a participant who wants to be forgotten. Each step is small: other writes wait for it.
"""

from datetime import datetime
from typing import Any

import attrs
import sqlalchemy as sa

from api.store.tables import (
    call_events,
    call_sessions,
    conference_participants,
    conferences,
    participants,
    peer_connections,
    summaries,
    tracks,
)


@attrs.frozen
class Stale:
    conference: str
    """Its id."""
    last_event: datetime


@attrs.frozen
class OpenSession:
    session: str
    """Its id."""
    last_event: datetime


def stale(connection: sa.Connection, before: datetime) -> list[Stale]:
    """Conferences that go on, and of which nothing has been heard since then."""
    last = sa.select(sa.func.max(call_events.c.created_at)).where(call_events.c.conference == conferences.c.number)
    query = sa.select(conferences.c.id, conferences.c.created_at, last.scalar_subquery().label("last"))
    query = query.where(conferences.c.ongoing).order_by(conferences.c.number)
    found = [Stale(row.id, row.last or row.created_at) for row in connection.execute(query)]
    return [each for each in found if each.last_event < before]


def open_sessions(connection: sa.Connection, sdk: str) -> list[OpenSession]:
    """Sessions with open connections that were reported by that SDK."""
    last = sa.select(sa.func.max(call_events.c.created_at)).where(
        call_events.c.conference == call_sessions.c.conference, call_events.c.session == call_sessions.c.number
    )
    ongoing = sa.select(conferences.c.number).where(conferences.c.ongoing)
    is_open = sa.select(peer_connections.c.session).where(peer_connections.c.end_time.is_(None))
    query = sa.select(call_sessions.c.id, call_sessions.c.created_at, last.scalar_subquery().label("last")).where(
        call_sessions.c.webrtc_sdk == sdk,
        call_sessions.c.conference.in_(ongoing),
        call_sessions.c.number.in_(is_open.where(peer_connections.c.conference.in_(ongoing))),
    )
    found = connection.execute(query.order_by(call_sessions.c.number))
    return [OpenSession(row.id, row.last or row.created_at) for row in found]


def old(connection: sa.Connection, before: datetime, at_most: int) -> list[str]:
    """Ids of conferences that were over before that."""
    over = sa.func.coalesce(conferences.c.end_time, conferences.c.created_at, type_=conferences.c.created_at.type)
    query = sa.select(conferences.c.id).where(~conferences.c.ongoing, over < before, conferences.c.created_at < before)
    return list(connection.execute(query.order_by(conferences.c.number).limit(at_most)).scalars())


def remove_events(connection: sa.Connection, conference: str, at_most: int, *, participant: str = "") -> int:
    """Some of a conference's, or of what a participant has told in it; returns how many."""
    number = sa.select(conferences.c.number).where(conferences.c.id == conference).scalar_subquery()
    chosen = sa.select(call_events.c.number).where(call_events.c.conference == number).limit(at_most)
    if participant:
        of_person = call_sessions.join(participants, participants.c.number == call_sessions.c.participant)
        sessions = sa.select(call_sessions.c.number).select_from(of_person).where(participants.c.id == participant)
        chosen = chosen.where(call_events.c.session.in_(sessions))
    return connection.execute(sa.delete(call_events).where(call_events.c.number.in_(chosen))).rowcount


def remove_conference(connection: sa.Connection, id: str) -> None:
    """With all that is in it, but its events, and with whoever was in no other."""
    number = sa.select(conferences.c.number).where(conferences.c.id == id).scalar_subquery()
    links = conference_participants.c
    people = list(connection.execute(sa.select(links.participant).where(links.conference == number)).scalars())
    connection.execute(sa.delete(conferences).where(conferences.c.id == id))
    for person in people:
        elsewhere = sa.exists().where(links.participant == person)
        connection.execute(sa.delete(participants).where(participants.c.number == person, ~elsewhere))


def conferences_of(connection: sa.Connection, participant: str) -> list[str]:
    """Ids, oldest first."""
    query = (
        sa.select(conferences.c.id)
        .join(conference_participants, conference_participants.c.conference == conferences.c.number)
        .join(participants, participants.c.number == conference_participants.c.participant)
        .where(participants.c.id == participant)
        .order_by(conferences.c.number)
    )
    return list(connection.execute(query).scalars())


def remove_tracks(connection: sa.Connection, participant: str) -> None:
    of = sa.select(call_sessions.c.number).join(participants, participants.c.number == call_sessions.c.participant)
    connection.execute(sa.delete(tracks).where(tracks.c.session.in_(of.where(participants.c.id == participant))))


def remove_summary(connection: sa.Connection, conference: str) -> None:
    number = sa.select(conferences.c.number).where(conferences.c.id == conference).scalar_subquery()
    connection.execute(sa.delete(summaries).where(summaries.c.conference == number))


def forget_person(connection: sa.Connection, participant: str) -> None:
    """What is said of them, and of their devices; that they were there remains."""
    number = sa.select(participants.c.number).where(participants.c.id == participant).scalar_subquery()
    told: dict[str, Any] = dict.fromkeys(("constraints", "devices", "platform", "metadata", "geo_ip"))
    connection.execute(sa.update(call_sessions).where(call_sessions.c.participant == number).values(told))
    connection.execute(sa.update(participants).where(participants.c.id == participant).values(name=None))
