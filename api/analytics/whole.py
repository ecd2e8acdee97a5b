"""The routes that are about all of a conference, or of a participant: graphs, export, erasure (contract analytics, sections
5.3 and 12).
"""

import csv
import io
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import trio

from api.analytics import rows
from api.analytics.arguments import arguments, integer
from api.analytics.asked import Asked, Streamed
from api.analytics.faults import Fault
from api.analytics.summing import lines_of
from api.analytics.upkeep import Upkeep
from api.analytics.words import NOTHING, json_bytes, list_of, when
from api.analytics.writer import Overloaded
from api.limits import EXPORTS
from api.store import Store, call_graphs, call_lists
from api.store.call_lists import Record

PAGE: Final = 500
CSV: Final = "created_at id category type participant session peer connection track data".split()
# What tables take for a formula, if a cell begins with it. Names of events are the clients' to choose.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class Whole:
    def __init__(self, store: Store, upkeep: Upkeep) -> None:
        self._store = store
        self._upkeep = upkeep
        self._exports = trio.CapacityLimiter(EXPORTS)

    async def graphs(self, asked: Asked) -> object:
        """`points=N`, which is ours: at most so many of each connection, evenly chosen."""
        given = arguments(asked.request.query)
        points = max(1, integer(given["points"])) if "points" in given else None
        course = await self._store.read(partial(call_graphs.course, id=asked.id))
        if course is None:
            raise Fault("conference_not_found")
        if course.ongoing:
            return {"ongoing": True}
        if course.end_time is None:  # nobody was ever connected
            return {"summary": {"data": []}}
        summary = await self._store.read(partial(call_graphs.summary, conference=course.number))
        if summary is None or summary.end_time != course.end_time:
            return {"building": True}
        lines = await trio.to_thread.run_sync(lines_of, summary.data, points)
        return {"summary": {"data": list_of(lines)}}

    async def export(self, asked: Asked) -> object:
        format = arguments(asked.request.query).get("format", "json")
        if format not in ("json", "csv"):
            raise Fault("invalid_parameters")
        if not await self._store.read(partial(call_lists.exists, what="conference", id=asked.id)):
            raise Fault("conference_not_found")
        if not self._exports.available_tokens:
            raise Overloaded
        if format == "json":
            return Streamed("application/x-ndjson; charset=utf-8", f"{asked.id}.ndjson", self._events(asked.id, _lines))
        return Streamed("text/csv; charset=utf-8", f"{asked.id}.csv", self._events(asked.id, _cells, _row(CSV)))

    async def _events(
        self, conference: str, written: Callable[[Sequence[Record]], bytes], head: bytes = b""
    ) -> AsyncGenerator[bytes, None]:
        if head:
            yield head
        after: tuple[datetime, int] | None = None
        async with self._exports:
            while True:
                page = await self._store.read(
                    partial(call_lists.events_after, conference=conference, after=after, most=PAGE)
                )
                if page:
                    after = (page[-1]["created_at"], page[-1]["number"])
                    yield written(page)
                if len(page) < PAGE:
                    return

    async def erase(self, asked: Asked) -> object:
        if not await self._store.read(partial(call_lists.exists, what="participant", id=asked.id)):
            raise Fault("participant_not_found")
        await self._upkeep.erase(asked.id)
        return NOTHING


def _lines(page: Sequence[Record]) -> bytes:
    return b"".join(json_bytes(rows.event(event)) + b"\n" for event in page)


def _cells(page: Sequence[Record]) -> bytes:
    return b"".join(_row([_cell(event, name) for name in CSV]) for event in page)


def _cell(event: Record, name: str) -> str:
    value = when(event[name]) if name == "created_at" else event[name]
    text = str(value or "")
    return f"'{text}" if name == "type" and text.startswith(_FORMULA) else text


def _row(cells: Sequence[str]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue().encode()
