"""Calls of an app in numbers (contract analytics, section 5.7): counted by the database, by day, bucket or name."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs
import sqlalchemy as sa

from api.store.tables import apps, call_sessions, conferences, issues, participants, peer_connections

CONFERENCES_NAMED: Final = 100
"""Of one bucket, the newest."""


@attrs.frozen
class Range:
    app: str
    """A UUID."""
    created: tuple[tuple[str, datetime], ...] = ()
    """By gte and lte."""


@attrs.frozen
class Failure:
    name: str
    message: str
    count: int


@attrs.frozen
class Visits:
    browsers: Mapping[str, int]
    systems: Mapping[str, int]
    countries: Mapping[str, int]
    cities: Mapping[tuple[str, float, float], int]


def by_day(connection: sa.Connection, range: Range, errors: Collection[str]) -> list[dict[str, Any]]:
    """Conferences of each UTC day that has any, each counted once."""
    has_error = sa.exists().where(issues.c.conference == conferences.c.number, issues.c.code.in_(errors))
    has_any = sa.exists().where(issues.c.conference == conferences.c.number)
    kind = sa.case((conferences.c.ongoing, "ongoing"), (has_error, "error"), (has_any, "warning"), else_="success")
    day = _day(connection, conferences.c.created_at)
    chosen = sa.select(day.label("day"), kind.label("kind")).where(*_within(conferences, range)).subquery()
    query = sa.select(chosen.c.day, chosen.c.kind, sa.func.count().label("number"))
    days: dict[str, dict[str, Any]] = {}
    for row in connection.execute(query.group_by(chosen.c.day, chosen.c.kind).order_by(chosen.c.day)):
        none = {"date": row.day, "success": 0, "warning": 0, "error": 0, "ongoing": 0, "total": 0}
        counted = days.setdefault(row.day, none)
        counted[row.kind] += row.number
        counted["total"] += row.number
    return list(days.values())


def by_duration(connection: sa.Connection, range: Range, edges: Sequence[int]) -> Mapping[int, int]:
    """Conferences by the bucket that begins with each edge, seconds."""
    bucket = _bucket(conferences.c.duration, edges).label("bucket")
    query = sa.select(bucket, sa.func.count().label("number")).where(*_within(conferences, range)).group_by("bucket")
    return {row.bucket: row.number for row in connection.execute(query)}


def by_people(connection: sa.Connection, range: Range) -> Mapping[int, int]:
    """Conferences by the number of people who were in them."""
    came = (
        sa.select(call_sessions.c.conference, sa.func.count(call_sessions.c.participant.distinct()).label("people"))
        .join(participants, participants.c.number == call_sessions.c.participant)
        .where(~participants.c.is_sfu, call_sessions.c.conference.in_(_conferences(range)))
        .group_by(call_sessions.c.conference)
        .subquery()
    )
    people = sa.func.coalesce(came.c.people, 0).label("people")
    chosen = sa.select(people).select_from(conferences).outerjoin(came, came.c.conference == conferences.c.number)
    counted = chosen.where(*_within(conferences, range)).subquery()
    query = sa.select(counted.c.people, sa.func.count().label("number")).group_by(counted.c.people)
    return {row.people: row.number for row in connection.execute(query.order_by(counted.c.people))}


def by_issue(connection: sa.Connection, range: Range) -> Mapping[str, int]:
    """Issues by their codes, most first."""
    number = sa.func.count().label("number")
    query = sa.select(issues.c.code, number).where(*_of_app(issues, range)).group_by(issues.c.code)
    return {row.code: row.number for row in connection.execute(query.order_by(number.desc(), issues.c.code))}


def media_failures(connection: sa.Connection, range: Range) -> list[Failure]:
    """Refused cameras and microphones by the name of the reason, with the first message of each; most first."""
    where = (*_of_app(issues, range), issues.c.code == "getusermedia_error")
    counts: Counter[str] = Counter()
    messages: dict[str, str] = {}
    # What is the same counts at once.
    query = sa.select(issues.c.data, sa.func.count().label("number"), sa.func.min(issues.c.number).label("first"))
    for row in connection.execute(query.where(*where).group_by(issues.c.data).order_by("first")):
        data = json.loads(row.data or "{}")
        error = data if isinstance(data, dict) else {}
        name, message = _text(error.get("name")) or "Unknown", _text(error.get("message"))
        counts[name] += row.number
        if message:
            messages.setdefault(name, message)
    return [Failure(name, messages.get(name, ""), number) for name, number in counts.most_common()]


def relayed(connection: sa.Connection, range: Range) -> tuple[int, int]:
    """Connections that went directly, and those that were relayed; others are not known."""
    table = peer_connections
    is_relay = sa.func.sum(sa.case((table.c.type == "relay", 1), else_=0))
    query = sa.select(sa.func.count(), is_relay).where(*_of_app(table, range), table.c.type.is_not(None))
    everything, relay = connection.execute(query).one()
    return everything - (relay or 0), relay or 0


def by_setup_time(connection: sa.Connection, range: Range, edges: Sequence[int]) -> Mapping[int, tuple[int, list[str]]]:
    """Connections by the bucket that begins with each edge, milliseconds, and the ids of the newest conferences of each."""
    table = peer_connections
    bucket = _bucket(table.c.setup_ms, edges).label("bucket")
    where = (*_of_app(table, range), table.c.setup_ms.is_not(None))
    query = sa.select(bucket, sa.func.count().label("number")).where(*where).group_by("bucket")
    found = {}
    for row in connection.execute(query):
        of_bucket = sa.select(table.c.conference).where(*where, _bucket(table.c.setup_ms, edges) == row.bucket)
        named = sa.select(conferences.c.id).where(conferences.c.number.in_(of_bucket))
        named = named.order_by(conferences.c.number.desc()).limit(CONFERENCES_NAMED)
        found[row.bucket] = (row.number, list(connection.execute(named).scalars()))
    return found


def visits(connection: sa.Connection, range: Range, server: str) -> Visits:
    """What sessions came from. Those of one browser, system and place are counted at once. `server`: the SDK of sessions that
    the server has reported by itself."""
    browsers: Counter[str] = Counter()
    systems: Counter[str] = Counter()
    countries: Counter[str] = Counter()
    cities: Counter[tuple[str, float, float]] = Counter()
    table = call_sessions
    number = sa.func.count().label("number")
    # Of whom a client has told, what the server has seen itself does not count once more.
    others = call_sessions.alias("others")
    told = sa.exists().where(
        others.c.conference == table.c.conference,
        others.c.participant == table.c.participant,
        others.c.webrtc_sdk.is_distinct_from(server),
    )
    where = [*_of_app(table, range), ~(table.c.webrtc_sdk.is_not_distinct_from(server) & told)]
    query = sa.select(table.c.platform, number).where(*where, table.c.platform.is_not(None)).group_by(table.c.platform)
    for row in connection.execute(query):
        platform = json.loads(row.platform)
        if platform:
            browsers[_name(platform, "browser")] += row.number
            systems[_name(platform, "os")] += row.number
    query = sa.select(table.c.geo_ip, number).where(*where, table.c.geo_ip.is_not(None)).group_by(table.c.geo_ip)
    for row in connection.execute(query):
        place = json.loads(row.geo_ip)
        if place.get("country_code"):
            countries[place["country_code"]] += row.number
        where_it_is = _coordinates(place)
        if place.get("city") and where_it_is is not None:
            cities[place["city"], *where_it_is] += row.number
    return Visits(
        browsers=dict(browsers.most_common()),
        systems=dict(systems.most_common()),
        countries=dict(countries.most_common()),
        cities=dict(cities.most_common()),
    )


def _conferences(range: Range) -> sa.Select[Any]:
    return sa.select(conferences.c.number).where(*_within(conferences, range))


def _within(table: sa.Table, range: Range) -> list[sa.ColumnElement[bool]]:
    app = sa.select(apps.c.number).where(apps.c.id == range.app, apps.c.active).scalar_subquery()
    return [table.c.app == app, *_times(table, range)]


def _of_app(table: sa.Table, range: Range) -> list[sa.ColumnElement[bool]]:
    of_app = sa.select(conferences.c.number).where(*_within(conferences, Range(range.app)))
    return [table.c.conference.in_(of_app), *_times(table, range)]


def _times(table: sa.Table, range: Range) -> list[sa.ColumnElement[bool]]:
    column = table.c.created_at
    return [column >= moment if operator == "gte" else column <= moment for operator, moment in range.created]


def _day(connection: sa.Connection, column: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    if connection.dialect.name == "sqlite":
        return sa.func.substr(sa.type_coerce(column, sa.Text), 1, 10)
    return sa.func.to_char(sa.func.timezone("UTC", column), "YYYY-MM-DD")


def _bucket(column: sa.ColumnElement[Any], edges: Sequence[int]) -> sa.ColumnElement[int]:
    """The edge at or below it."""
    return sa.case(*((column >= edge, edge) for edge in sorted(edges, reverse=True)), else_=min(edges))


def _name(platform: object, part: str) -> str:
    of_part = platform.get(part) if isinstance(platform, dict) else None
    return (_text(of_part.get("name")) if isinstance(of_part, dict) else "") or "Unknown"


def _coordinates(place: Mapping[str, Any]) -> tuple[float, float] | None:
    try:
        latitude, longitude = float(place.get("latitude") or 0), float(place.get("longitude") or 0)
    except (TypeError, ValueError):
        return None
    missing = place.get("latitude") is None or place.get("longitude") is None
    return None if missing or (latitude, longitude) == (0, 0) else (latitude, longitude)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
