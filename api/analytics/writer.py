"""The one way by which reports are written: request > bounded queue > one writer > groups of commits.

A report is answered after the commit that has it. When the queue is full it is refused at once, and nothing of it is kept.
The ledger lives in the store's writing thread and nowhere else. When a commit fails, each report of it is tried by itself,
with a new ledger, so that one that cannot be written takes no other with it.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs
import sqlalchemy as sa
import structlog
import trio

from api.analytics.faults import Fault
from api.analytics.ledger import Ledger
from api.limits import REPORT_BYTES_WAITING, REPORTS_TOGETHER, REPORTS_WAITING
from api.store import Store, calls

log = structlog.get_logger(__name__)

T = TypeVar("T")
Work = Callable[[Ledger, sa.Connection], T]


class Overloaded(Exception):
    """The report cannot be taken now."""


@attrs.define(eq=False)
class _Report:
    work: Work[Any]
    size: int
    done: trio.Event = attrs.field(factory=trio.Event)
    value: Any = None
    error: Exception | None = None


class Writer:
    def __init__(
        self, store: Store, events_per_session: int, on_ended: Callable[[str], None] = lambda conference: None
    ) -> None:
        """`on_ended` is told the ids of conferences that have ended, after the commit that has it."""
        self._store = store
        self._on_ended = on_ended
        self._events_per_session = events_per_session
        self._ledger = Ledger(events_per_session)
        self._send, self._receive = trio.open_memory_channel[_Report](REPORTS_WAITING)
        self._bytes_waiting = 0

    async def do(self, work: Work[T], size: int) -> T:
        """What `work` returns, once it is on disk. Raises what it raises, or Overloaded. `size`: bytes of the report."""
        report = _Report(work, size)
        if self._bytes_waiting + size > REPORT_BYTES_WAITING:
            raise Overloaded
        try:
            self._send.send_nowait(report)
        except (trio.WouldBlock, trio.BrokenResourceError):
            raise Overloaded from None
        self._bytes_waiting += size
        await report.done.wait()
        if report.error is not None:
            raise report.error
        value: T = report.value
        return value

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until it is cancelled, and then what waits."""
        task_status.started()
        with self._receive:
            try:
                while True:
                    await self._write(await self._receive.receive())
            finally:
                with trio.CancelScope(shield=True):
                    while (first := self._next()) is not None:
                        await self._write(first)

    async def _write(self, first: _Report) -> None:
        group = [first]
        while len(group) < REPORTS_TOGETHER and (another := self._next()) is not None:
            group.append(another)
        with trio.CancelScope(shield=True):
            await self._commit(group)
        for report in group:
            self._bytes_waiting -= report.size
            report.done.set()

    def _next(self) -> _Report | None:
        try:
            return self._receive.receive_nowait()
        except trio.WouldBlock:
            return None

    async def _commit(self, group: Sequence[_Report]) -> None:
        ledger = self._ledger

        def commit(db: sa.Connection) -> Sequence[str]:
            for report in group:
                _do(report, ledger, db)
            changes = ledger.changes()
            calls.write(db, changes)
            return changes.ended

        try:
            for conference in await self._store.write(commit):
                self._on_ended(conference)
        except Exception as error:  # noqa: BLE001  # whatever a driver, or a report, raises: the others go on
            self._ledger = Ledger(self._events_per_session)
            if len(group) > 1:
                for report in group:
                    await self._commit([report])
                return
            log.error("a report could not be written", error=str(error))
            group[0].error = error


def _do(report: _Report, ledger: Ledger, db: sa.Connection) -> None:
    """A Fault is an answer; anything else ends the commit."""
    report.value = report.error = None
    try:
        report.value = report.work(ledger, db)
    except Fault as fault:
        report.error = fault
