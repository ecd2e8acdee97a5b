"""What is asked about calls (contract analytics, sections 5.3 to 5.6): lists with filters, in pages, and single records.

Rows name other records by their numbers inside and by their UUIDs here. What is of a removed app is there for nobody. A list
that is asked for whole has a bound: what has more rows has to be asked for in pages.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs
import sqlalchemy as sa

from api.store.tables import (
    apps,
    call_events,
    call_sessions,
    conference_participants,
    conferences,
    event_id,
    issues,
    participants,
    peer_connections,
    summaries,
    tracks,
)

Record = Mapping[str, Any]
Condition = sa.ColumnElement[bool]

CHUNK: Final = 500
"""Numbers in one `IN`."""
OPERATORS: Final[Mapping[str, Callable[[Any, datetime], Condition]]] = {
    "gt": lambda column, moment: column > moment,
    "gte": lambda column, moment: column >= moment,
    "lt": lambda column, moment: column < moment,
    "lte": lambda column, moment: column <= moment,
}
_PEERS: Final = participants.alias("peers")
OWNERS: Final = {"app": apps, "conference": conferences, "participant": participants, "session": call_sessions}
"""Whose records may be asked for."""


class TooManyRows(Exception):
    """More than is given at once."""


class NotFound(Exception):
    """`what` names the kind of record: app, conference, participant or session."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@attrs.frozen
class Page:
    limit: int
    offset: int


@attrs.frozen
class Filter:
    """None, or empty: whatever it is."""

    app: str | None = None
    """A UUID. So the next three."""
    conference: str | None = None
    participant: str | None = None
    session: str | None = None
    created: tuple[tuple[str, datetime], ...] = ()
    """By the names of OPERATORS."""
    longest: int | None = None
    """Seconds, not included."""
    shortest: int | None = None
    """Seconds, included."""
    issue_code: str | None = None
    conference_ids: tuple[str, ...] | None = None
    """UUIDs."""
    own_id: str | None = None
    """A conference's, as the app has it."""
    category: str | None = None
    type: str | None = None
    but_type: str | None = None
    sdk: str | None = None
    """Events that it has reported. The next: that others have."""
    but_sdk: str | None = None


@attrs.frozen
class Listed:
    rows: Sequence[Record]
    count: int
    """Of all pages."""


@attrs.frozen
class Asked:
    """How a list is asked for."""

    filter: Filter
    page: Page | None
    """None: all of it."""
    newest_first: bool
    at_most: int
    """Rows of a list without pages."""


# --- lists ---


def conference_list(connection: sa.Connection, asked: Asked, errors: Collection[str]) -> Listed:
    """Each with `has_errors`, `has_warnings` and `participants_count`. `errors`: codes of issues that are errors."""
    given = asked.filter
    where = [_of_active_app(conferences), *_times(conferences, given)]
    if given.app is not None:
        where.append(conferences.c.app == _number_of(apps, given.app))
    if given.participant is not None:
        links = conference_participants
        person = _number_of(participants, given.participant)
        where.append(conferences.c.number.in_(sa.select(links.c.conference).where(links.c.participant == person)))
    if given.shortest is not None:
        where.append(conferences.c.duration >= given.shortest)
    if given.longest is not None:
        where.append(conferences.c.duration < given.longest)
    if given.issue_code is not None:
        where.append(conferences.c.number.in_(sa.select(issues.c.conference).where(issues.c.code == given.issue_code)))
    if given.conference_ids is not None:
        where.append(conferences.c.id.in_(given.conference_ids))
    if given.own_id is not None:
        where.append(conferences.c.conference_id == given.own_id)
    rows, count = _page(connection, _CONFERENCES, conferences, where, asked)
    numbers = [row["number"] for row in rows]
    marks: dict[int, set[bool]] = {}
    of_issue = sa.select(issues.c.conference, issues.c.code).distinct()
    for found in _in_chunks(connection, of_issue, issues.c.conference, numbers):
        marks.setdefault(found.conference, set()).add(found.code in errors)
    people = sa.select(
        call_sessions.c.conference, sa.func.count(call_sessions.c.participant.distinct()).label("people")
    )
    people = people.join(participants, participants.c.number == call_sessions.c.participant)
    people = people.where(~participants.c.is_sfu).group_by(call_sessions.c.conference)
    counted = {
        found.conference: found.people for found in _in_chunks(connection, people, call_sessions.c.conference, numbers)
    }
    told = [
        {
            **row,
            "has_errors": True in marks.get(row["number"], ()),
            "has_warnings": False in marks.get(row["number"], ()),
            "participants_count": counted.get(row["number"], 0),
        }
        for row in rows
    ]
    return Listed(told, count)


def participant_list(connection: sa.Connection, asked: Asked) -> Listed:
    given = asked.filter
    where = [_of_active_app(participants), *_times(participants, given)]
    if given.app is not None:
        where.append(participants.c.app == _number_of(apps, given.app))
    if given.conference is not None:
        links = conference_participants
        number = _number_of(conferences, given.conference)
        where.append(participants.c.number.in_(sa.select(links.c.participant).where(links.c.conference == number)))
    return Listed(*_page(connection, _PARTICIPANTS, participants, where, asked))


def session_list(connection: sa.Connection, asked: Asked) -> Listed:
    """Each with `issues`, their ids. Raises NotFound of what the filter names."""
    where = [*_owned(connection, call_sessions, asked.filter), *_times(call_sessions, asked.filter)]
    rows, count = _page(connection, _SESSIONS, call_sessions, where, asked)
    return Listed(_with_issues(connection, rows), count)


def connection_list(connection: sa.Connection, asked: Asked) -> Listed:
    where = [*_of(peer_connections, asked.filter), *_times(peer_connections, asked.filter)]
    return Listed(*_page(connection, _CONNECTIONS, peer_connections, where, asked))


def issue_list(connection: sa.Connection, asked: Asked) -> Listed:
    where = [*_of(issues, asked.filter), *_times(issues, asked.filter)]
    return Listed(*_page(connection, _ISSUES, issues, where, asked))


def event_list(connection: sa.Connection, asked: Asked) -> Listed:
    """Raises NotFound of what the filter names."""
    given = asked.filter
    where = [*_events_owned(connection, given), *_times(call_events, given)]
    if given.category is not None:
        where.append(call_events.c.category == given.category)
    if given.type is not None:
        where.append(call_events.c.type == given.type)
    if given.but_type is not None:
        where.append(call_events.c.type != given.but_type)
    if given.sdk is not None:
        where.append(call_events.c.session.in_(_sessions_by(given.sdk, given)))
    if given.but_sdk is not None:
        where.append(call_events.c.session.not_in(_sessions_by(given.but_sdk, given)))
    rows, count = _page(connection, _EVENTS, call_events, where, asked)
    return Listed(_with_ids(rows), count)


def track_list(connection: sa.Connection, asked: Asked) -> Listed:
    sessions = sa.select(call_sessions.c.number).where(*_of(call_sessions, asked.filter))
    where = [tracks.c.session.in_(sessions), *_times(tracks, asked.filter)]
    return Listed(*_page(connection, _TRACKS, tracks, where, asked))


def summary_list(connection: sa.Connection, asked: Asked) -> Listed:
    """What is known of each but its data; `id` is the conference's."""
    where = [*_of(_SUMMARIES, asked.filter), *_times(_SUMMARIES, asked.filter)]
    return Listed(*_page(connection, sa.select(_SUMMARIES), _SUMMARIES, where, asked))


def events_after(
    connection: sa.Connection, conference: str, after: tuple[datetime, int] | None, most: int
) -> list[Record]:
    """The next of a conference, oldest first, after the one of that time and number; for who reads all of them."""
    where = [call_events.c.conference == _number_of(conferences, conference)]
    if after is not None:
        where += later_than(after)
    query = _EVENTS.where(*where).order_by(call_events.c.created_at, call_events.c.number).limit(most)
    return _with_ids(_rows(connection, query))


def later_than(after: tuple[datetime, int]) -> list[Condition]:
    """Events after the one of that time and number, in the order of both."""
    at, number = after
    created = call_events.c.created_at
    # The first condition is what lets databases begin there.
    return [created >= at, (created > at) | (call_events.c.number > number)]


# --- single records ---


def conference(connection: sa.Connection, id: str) -> Record | None:
    """With `participants` and `issues`: their ids, oldest first."""
    found = _one(connection, _CONFERENCES.where(conferences.c.id == id, _of_active_app(conferences)))
    if found is None:
        return None
    of_it = conference_participants.c.conference == found["number"]
    people = sa.select(participants.c.id).join(conference_participants).where(of_it).order_by(participants.c.number)
    of_issues = sa.select(issues.c.id).where(issues.c.conference == found["number"]).order_by(issues.c.number)
    return {
        **found,
        "participants": list(connection.execute(people).scalars()),
        "issues": list(connection.execute(of_issues).scalars()),
    }


def participant(connection: sa.Connection, id: str) -> Record | None:
    return _one(connection, _PARTICIPANTS.where(participants.c.id == id, _of_active_app(participants)))


def session(connection: sa.Connection, id: str) -> Record | None:
    found = _one(connection, _SESSIONS.where(call_sessions.c.id == id, _is_seen(call_sessions)))
    return None if found is None else _with_issues(connection, [found])[0]


def peer_connection(connection: sa.Connection, id: str) -> Record | None:
    return _one(connection, _CONNECTIONS.where(peer_connections.c.id == id, _is_seen(peer_connections)))


def issue(connection: sa.Connection, id: str) -> Record | None:
    return _one(connection, _ISSUES.where(issues.c.id == id, _is_seen(issues)))


def exists(connection: sa.Connection, what: str, id: str) -> bool:
    """`what`: of OWNERS."""
    return _number(connection, what, id) is not None


# --- how they are asked for ---


def _uuid(table: sa.FromClause, name: str) -> sa.Label[Any]:
    return table.c.id.label(name)


# Columns that are numbers are replaced by the ids that they stand for.
def _named(table: sa.Table, *others: sa.Label[Any]) -> sa.Select[Any]:
    names = {other.name for other in others}
    return sa.select(*(column for column in table.c if column.name not in names), *others).select_from(table)


_CONFERENCES = _named(conferences, _uuid(apps, "app")).join(apps, apps.c.number == conferences.c.app)
_PARTICIPANTS = _named(participants, _uuid(apps, "app")).join(apps, apps.c.number == participants.c.app)
_SESSIONS = (
    _named(call_sessions, _uuid(conferences, "conference"), _uuid(participants, "participant"))
    .join(conferences, conferences.c.number == call_sessions.c.conference)
    .join(participants, participants.c.number == call_sessions.c.participant)
)
_CONNECTIONS = (
    _named(
        peer_connections,
        _uuid(call_sessions, "session"),
        _uuid(conferences, "conference"),
        _uuid(participants, "participant"),
        _uuid(_PEERS, "peer"),
    )
    .join(call_sessions, call_sessions.c.number == peer_connections.c.session)
    .join(conferences, conferences.c.number == peer_connections.c.conference)
    .join(participants, participants.c.number == peer_connections.c.participant)
    .join(_PEERS, _PEERS.c.number == peer_connections.c.peer)
)
_ISSUES = (
    _named(
        issues,
        _uuid(call_sessions, "session"),
        _uuid(conferences, "conference"),
        _uuid(participants, "participant"),
        _uuid(peer_connections, "connection"),
    )
    .join(call_sessions, call_sessions.c.number == issues.c.session)
    .join(conferences, conferences.c.number == issues.c.conference)
    .join(participants, participants.c.number == issues.c.participant)
    .outerjoin(peer_connections, peer_connections.c.number == issues.c.connection)
)
_TRACKS = (
    _named(tracks, _uuid(call_sessions, "session"), _uuid(peer_connections, "connection"))
    .join(call_sessions, call_sessions.c.number == tracks.c.session)
    .outerjoin(peer_connections, peer_connections.c.number == tracks.c.connection)
)
# One a conference, whose number and id stand for its own.
_SUMMARIES = (
    sa.select(
        summaries.c.conference.label("number"),
        summaries.c.conference,
        conferences.c.id,
        summaries.c.end_time,
        summaries.c.created_at,
    )
    .join(conferences, conferences.c.number == summaries.c.conference)
    .subquery()
)
_EVENTS = (
    _named(
        call_events,
        _uuid(apps, "app"),
        _uuid(conferences, "conference"),
        _uuid(participants, "participant"),
        _uuid(call_sessions, "session"),
        _uuid(_PEERS, "peer"),
        _uuid(peer_connections, "connection"),
        _uuid(tracks, "track"),
    )
    .join(conferences, conferences.c.number == call_events.c.conference)
    .join(apps, apps.c.number == conferences.c.app)
    .join(call_sessions, call_sessions.c.number == call_events.c.session)
    .join(participants, participants.c.number == call_sessions.c.participant)
    .outerjoin(_PEERS, _PEERS.c.number == call_events.c.peer)
    .outerjoin(peer_connections, peer_connections.c.number == call_events.c.connection)
    .outerjoin(tracks, tracks.c.number == call_events.c.track)
)


def _page(
    connection: sa.Connection, query: sa.Select[Any], table: sa.FromClause, where: Sequence[Condition], asked: Asked
) -> tuple[list[Record], int]:
    columns = (table.c.created_at, table.c.number)
    order = [column.desc() if asked.newest_first else column.asc() for column in columns]
    if asked.page is None:
        rows = _rows(connection, query.where(*where).order_by(*order).limit(asked.at_most + 1))
        if len(rows) > asked.at_most:
            raise TooManyRows
        return rows, len(rows)
    # The page is found before anything is joined to it: databases join what they then leave out.
    numbers = sa.select(table.c.number).where(*where).order_by(*order)
    numbers = numbers.limit(asked.page.limit).offset(asked.page.offset)
    chosen = list(connection.execute(numbers).scalars())
    counted = sa.select(sa.func.count()).select_from(table).where(*where)
    count: int = connection.execute(counted).scalar_one()
    by_number = {row["number"]: row for row in _rows(connection, query.where(table.c.number.in_(chosen)))}
    return [by_number[number] for number in chosen], count


def _times(table: sa.FromClause, given: Filter) -> list[Condition]:
    return [OPERATORS[operator](table.c.created_at, moment) for operator, moment in given.created]


def _of(table: sa.FromClause, given: Filter) -> list[Condition]:
    """What belongs to those that the filter names; to nothing, if they are not there."""
    where = [_is_seen(table)]
    for name in ("conference", "participant", "session"):
        id = getattr(given, name)
        if id is not None:
            where.append(table.c[name] == _number_of(OWNERS[name], id))
    if given.app is not None:
        where.append(_of_app(table, _number_of(apps, given.app)))
    return where


def _owned(connection: sa.Connection, table: sa.FromClause, given: Filter) -> list[Condition]:
    """The same, but who is named has to be there. An app counts only if nothing else is named."""
    where: list[Condition] = []
    for name in ("conference", "participant"):
        id = getattr(given, name)
        if id is not None:
            where.append(table.c[name] == _found(connection, name, id))
    if not where and given.app is not None:
        where.append(_of_app(table, sa.literal(_found(connection, "app", given.app))))
    return where or [_is_seen(table)]


def _events_owned(connection: sa.Connection, given: Filter) -> list[Condition]:
    """The same of events, which know their session and not whose it is."""
    where: list[Condition] = []
    if given.participant is not None:
        sessions = call_sessions.c
        of_person = sessions.participant == _found(connection, "participant", given.participant)
        where.append(call_events.c.session.in_(sa.select(sessions.number).where(of_person)))
        # What the index begins with.
        where.append(call_events.c.conference.in_(sa.select(sessions.conference).where(of_person)))
    if given.conference is not None:
        where.append(call_events.c.conference == _found(connection, "conference", given.conference))
    if not where and given.app is not None:
        where.append(_of_app(call_events, sa.literal(_found(connection, "app", given.app))))
    return where or [_is_seen(call_events)]


def _sessions_by(sdk: str, given: Filter) -> sa.Select[Any]:
    """Of those that the filter is about."""
    query = sa.select(call_sessions.c.number).where(call_sessions.c.webrtc_sdk == sdk)
    for name in ("conference", "participant"):
        id = getattr(given, name)
        if id is not None:
            query = query.where(call_sessions.c[name] == _number_of(OWNERS[name], id))
    return query


def _of_app(table: sa.FromClause, app: sa.ColumnElement[Any]) -> Condition:
    return table.c.conference.in_(sa.select(conferences.c.number).where(conferences.c.app == app))


def _found(connection: sa.Connection, what: str, id: str) -> int:
    number = _number(connection, what, id)
    if number is None:
        raise NotFound(what)
    return number


def _number(connection: sa.Connection, what: str, id: str) -> int | None:
    table = OWNERS[what]
    is_there = apps.c.active if table is apps else _is_seen(table) if table is call_sessions else _of_active_app(table)
    return connection.execute(sa.select(table.c.number).where(table.c.id == id, is_there)).scalar_one_or_none()


def _number_of(table: sa.Table, id: str) -> sa.ScalarSelect[Any]:
    return sa.select(table.c.number).where(table.c.id == id).scalar_subquery()


def _of_active_app(table: sa.Table) -> Condition:
    return table.c.app.in_(sa.select(apps.c.number).where(apps.c.active))


def _is_seen(table: sa.FromClause) -> Condition:
    of_active = sa.select(conferences.c.number).where(_of_active_app(conferences))
    return table.c.conference.in_(of_active)


def _with_issues(connection: sa.Connection, rows: Sequence[Record]) -> list[Record]:
    query = sa.select(issues.c.session, issues.c.id).order_by(issues.c.number)
    ids: dict[int, list[str]] = {}
    for found in _in_chunks(connection, query, issues.c.session, [row["number"] for row in rows]):
        ids.setdefault(found.session, []).append(found.id)
    return [{**row, "issues": ids.get(row["number"], [])} for row in rows]


def _with_ids(events: Sequence[Record]) -> list[Record]:
    return [{**event, "id": event_id(event["session"], event["number"])} for event in events]


def _in_chunks(
    connection: sa.Connection, query: sa.Select[Any], column: sa.ColumnElement[Any], numbers: Sequence[int]
) -> Iterator[sa.Row[Any]]:
    for start in range(0, len(numbers), CHUNK):
        yield from connection.execute(query.where(column.in_(numbers[start : start + CHUNK])))


def _one(connection: sa.Connection, query: sa.Select[Any]) -> Record | None:
    row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> list[Record]:
    return [dict(row) for row in connection.execute(query).mappings()]
