"""Sums up conferences that have ended (contract analytics, section 7): their graphs, and the issues of what was heard.

One after the other, a page of events at a time, so that memory stays small however long a conference was. What it finds goes
the way of all reports, through the one writer. What waits has a bound, and nothing is lost beyond it: the store knows which
conferences have no graphs of their end, and is asked when nothing waits here.
"""

import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import attrs
import structlog
import trio

from api.analytics.graphs import Scores, snapshots
from api.analytics.ledger import Found
from api.analytics.words import json_bytes
from api.analytics.writer import Overloaded, Writer
from api.limits import SUMMARIES_WAITING, SUMMARY_SNAPSHOTS
from api.store import Store, call_graphs
from api.store.call_graphs import Record
from signalling.rooms import utc_now

log = structlog.get_logger(__name__)

PAGE: Final = 500
"""Events that are read at once."""
AGAIN_S: Final = 10.0
"""After a failure."""
_TAB: Final = b"\t"


class Summing:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: dict[str, None] = {}
        """Ids, in the order of their ends."""
        self._missed = True
        """There may be others, which the store knows: those of before the start, what did not fit, what failed."""
        self._something_waits = trio.Event()

    def ended(self, conference: str) -> None:
        if len(self._waiting) >= SUMMARIES_WAITING:
            self._missed = True
            return
        self._waiting[conference] = None
        self._something_waits.set()

    async def run(self, writer: Writer, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        while True:
            try:
                await self._sum_up(writer, await self._next())
            except Exception as error:  # noqa: BLE001  # whatever a driver raises, the others are summed up
                log.error("a conference could not be summed up; it is tried again", error=str(error))
                self._missed = True
                await trio.sleep(AGAIN_S)

    async def _next(self) -> str:
        while not self._waiting:
            if self._missed:
                self._missed = False
                for id in await self._store.read(partial(call_graphs.unfinished, at_most=SUMMARIES_WAITING)):
                    self.ended(id)
                self._missed |= len(self._waiting) >= SUMMARIES_WAITING
            else:
                self._something_waits = trio.Event()
                await self._something_waits.wait()
        id = next(iter(self._waiting))
        del self._waiting[id]
        return id

    async def _sum_up(self, writer: Writer, id: str) -> None:
        course = await self._store.read(partial(call_graphs.course, id=id))
        if course is None or course.ongoing or course.end_time is None:
            return
        summary = _Summary()
        after = None
        while summary.has_room:
            read = partial(call_graphs.stats_after, conference=course.number, after=after, at_most=PAGE)
            page = await self._store.read(read)
            if page:
                after = (page[-1]["created_at"], page[-1]["number"])
            await trio.to_thread.run_sync(summary.add, page, len(page) < PAGE)
            if len(page) < PAGE:
                break
        issues = [
            (scores.session, issue) for scores in summary.scores.values() for issue in scores.issues(course.interval_ms)
        ]
        found = Found(id, course.end_time, summary.data(), issues)
        try:
            await writer.do(lambda ledger, db: ledger.sum_up(db, found, utc_now()), len(found.data))
        except Overloaded:  # reports go first
            self._missed = True
            await trio.sleep(AGAIN_S)


@attrs.define
class _Summary:
    """A snapshot a line, with the number of its connection before it, so that a choice can be made without reading them."""

    scores: dict[str, Scores] = attrs.field(factory=dict)
    _deflating: Any = attrs.field(factory=lambda: zlib.compressobj(level=6))
    _pieces: list[bytes] = attrs.field(factory=list)
    _rest: list[Record] = attrs.field(factory=list)
    """Of the last request, which may go on with the next page."""
    _connections: dict[str, int] = attrs.field(factory=dict)
    _count: int = 0

    @property
    def has_room(self) -> bool:
        return self._count < SUMMARY_SNAPSHOTS

    def add(self, page: Sequence[Record], is_last: bool) -> None:
        events = [*self._rest, *page]
        whole = len(events)
        while not is_last and whole and events[whole - 1]["request"] == events[-1]["request"]:
            whole -= 1
        self._rest = events[whole:]
        for snapshot in snapshots(events[:whole], self.scores):
            if not self.has_room:
                return
            self._count += 1
            number = self._connections.setdefault(snapshot["connection"], len(self._connections))
            line = b"%d\t%s\n" % (number, json_bytes(snapshot))
            self._pieces.append(self._deflating.compress(line))

    def data(self) -> bytes:
        return b"".join([*self._pieces, self._deflating.flush()])


def lines_of(data: bytes, points: int | None) -> list[bytes]:
    """Snapshots as JSON; at most `points` of each connection, evenly chosen, with its last one."""
    lines = zlib.decompress(data).splitlines()
    if points is None:
        return [line.partition(_TAB)[2] for line in lines]
    of_connection: dict[bytes, list[int]] = {}
    for place, line in enumerate(lines):
        of_connection.setdefault(line[: line.index(_TAB)], []).append(place)
    chosen = sorted(place for places in of_connection.values() for place in _evenly(places, points))
    return [lines[place].partition(_TAB)[2] for place in chosen]


def _evenly(places: Sequence[int], points: int) -> Iterator[int]:
    if len(places) <= points:
        yield from places
        return
    for number in range(1, points + 1):
        yield places[number * len(places) // points - 1]
