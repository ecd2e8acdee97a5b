"""The routes that answer how an app's calls have been (contract analytics, section 5.7). What they count goes through many
rows, so an answer is kept for a while, and for everybody.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeVar

import sqlalchemy as sa
import trio

from api.analytics.arguments import arguments, moment_of
from api.analytics.asked import Asked, Handler
from api.analytics.faults import Fault
from api.analytics.fields import uuid_of
from api.analytics.issues import ERRORS, ISSUES
from api.analytics.records import SERVER
from api.limits import OVERVIEWS_KEPT
from api.store import Store, call_overview
from api.store.call_overview import Range

T = TypeVar("T")

MINUTES: Final = (0, 1, 3, 5, 10, 15, 20, 25, 30, 40, 50, 60)
DURATIONS_S: Final = tuple(60 * minutes for minutes in MINUTES)
SETUP_MS: Final = (0, 250, 500, 750, 1000, 1500, 2000, 2500, 3000, 4000, 5000)
MINUTE: Final = timedelta(minutes=1)

Key = tuple[str, str, tuple[object, ...]]


class Overview:
    def __init__(self, store: Store, keep_s: float) -> None:
        self._store = store
        self._keep_s = keep_s
        self._kept: dict[Key, tuple[float, object]] = {}

    def handlers(self) -> Mapping[str, Handler]:
        """By path."""
        counted: Mapping[str, Callable[[sa.Connection, Range], object]] = {
            "/conferences/summary": _conferences,
            "/conferences/duration-summary": _durations,
            "/conferences/participant-count-summary": _people,
            "/issues/summary": _issues,
            "/issues/gum-summary": _media_failures,
            "/connections/summary": _connections,
            "/connections/setup-time-summary": _setup_times,
            "/sessions/summary": _sessions,
        }
        return {path: self._handler(path, count) for path, count in counted.items()}

    def _handler(self, path: str, count: Callable[[sa.Connection, Range], object]) -> Handler:
        async def handle(asked: Asked) -> object:
            range = _range(arguments(asked.request.query))
            # Within a minute the range of "the last 30 days" is the same for all who look at it.
            times = tuple((operator, moment // MINUTE) for operator, moment in _since_epoch(range))
            return await self._once((path, range.app, times), lambda: self._store.read(lambda db: count(db, range)))

        return handle

    async def _once(self, key: Key, count: Callable[[], Awaitable[object]]) -> object:
        now = trio.current_time()
        kept = self._kept.get(key)
        if kept is not None and now < kept[0]:
            return kept[1]
        if len(self._kept) >= OVERVIEWS_KEPT:
            self._kept = {each: value for each, value in self._kept.items() if now < value[0]}
        if len(self._kept) >= OVERVIEWS_KEPT:
            self._kept.clear()
        answer = await count()
        self._kept[key] = (now + self._keep_s, answer)
        return answer


def _range(given: Mapping[str, str]) -> Range:
    if "appId" not in given:
        raise Fault("missing_parameters")
    times = tuple(
        (operator, moment_of(given[f"created_at_{operator}"]))
        for operator in ("gte", "lte")
        if f"created_at_{operator}" in given
    )
    return Range(uuid_of(given["appId"], "invalid_parameters"), times)


def _since_epoch(range: Range) -> Sequence[tuple[str, timedelta]]:
    return [(operator, timedelta(seconds=moment.timestamp())) for operator, moment in range.created]


def _conferences(db: sa.Connection, range: Range) -> object:
    return {"data": call_overview.by_day(db, range, ERRORS)}


def _durations(db: sa.Connection, range: Range) -> object:
    counted = call_overview.by_duration(db, range, DURATIONS_S)
    labels = _labels(MINUTES, "m")
    return {
        "data": [
            {"range": label, "min_sec": low, "max_sec": high, "count": counted.get(low, 0)}
            for label, (low, high) in zip(labels, _buckets(DURATIONS_S), strict=True)
        ]
    }


def _people(db: sa.Connection, range: Range) -> object:
    counted = call_overview.by_people(db, range)
    shown = [{"participants": people, "conferences": number} for people, number in counted.items()]
    return {"data": shown, "total_conferences": sum(counted.values())}


def _issues(db: sa.Connection, range: Range) -> object:
    counted = call_overview.by_issue(db, range)
    return {"data": [{"code": code, "title": ISSUES[code].title, "count": count} for code, count in counted.items()]}


def _media_failures(db: sa.Connection, range: Range) -> object:
    failures = call_overview.media_failures(db, range)
    shown = [{"name": each.name, "message": each.message, "count": each.count} for each in failures]
    return {"data": shown, "total": sum(each.count for each in failures)}


def _connections(db: sa.Connection, range: Range) -> object:
    direct, relayed = call_overview.relayed(db, range)
    return {"data": [{"name": "Direct", "count": direct}, {"name": "Relayed", "count": relayed}]}


def _setup_times(db: sa.Connection, range: Range) -> object:
    counted = call_overview.by_setup_time(db, range, SETUP_MS)
    shown: list[dict[str, Any]] = []
    for label, (low, high) in zip(_labels(SETUP_MS, "ms"), _buckets(SETUP_MS), strict=True):
        number, ids = counted.get(low, (0, []))
        shown.append({"range": label, "min_ms": low, "max_ms": high, "count": number, "conference_ids": ids})
    return {"data": shown}


def _sessions(db: sa.Connection, range: Range) -> object:
    visits = call_overview.visits(db, range, SERVER)
    return {
        "browsers": _counted("name", visits.browsers),
        "os": _counted("name", visits.systems),
        "countries": _counted("code", visits.countries),
        "cities": [
            {"city": city, "latitude": latitude, "longitude": longitude, "count": count}
            for (city, latitude, longitude), count in visits.cities.items()
        ],
    }


def _counted(name: str, counts: Mapping[str, int]) -> list[dict[str, object]]:
    return [{name: value, "count": count} for value, count in counts.items()]


def _buckets(edges: Sequence[int]) -> list[tuple[int, int | None]]:
    return [*zip(edges, edges[1:], strict=False), (edges[-1], None)]


def _labels(edges: Sequence[int], unit: str) -> list[str]:
    between = [f"{low} - {high} {unit}" for low, high in zip(edges[1:], edges[2:], strict=False)]
    return [f"< {edges[1]} {unit}", *between, f"> {edges[-1]} {unit}"]
