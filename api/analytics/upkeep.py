"""What is done about old calls (contract analytics, sections 6 and 12): conferences that nobody ended are ended, and what has
been kept for `retention_days` goes, in steps that let reports through in between. And what the erasure of a participant does.

All of it goes the way of the reports, through the one writer: what is kept in memory of a call never differs from the store.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

import sqlalchemy as sa
import structlog
import trio

from api.analytics.ledger import Ledger
from api.analytics.writer import Overloaded, Writer
from api.config import AnalyticsSettings
from api.store import Store, call_upkeep
from signalling.rooms import utc_now

log = structlog.get_logger(__name__)
T = TypeVar("T")

STEP: Final = 500
"""Rows that one step removes."""
CONFERENCES: Final = 100
"""That are looked up at once."""
PAUSE_S: Final = 0.05
"""After each step, so that reports come first."""
BUSY_S: Final = 1.0


class Upkeep:
    def __init__(
        self, store: Store, writer: Writer, settings: AnalyticsSettings, summed_again: Callable[[str], None]
    ) -> None:
        self._store = store
        self._writer = writer
        self._settings = settings
        self._summed_again = summed_again

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        while True:
            try:
                await self.close_stale()
                await self.remove_old()
            except Exception as error:  # noqa: BLE001  # whatever a driver raises, the next time comes
                log.error("old calls could not be looked after; it is tried again", error=str(error))
            await trio.sleep(self._settings.cleanup_period_s)

    async def close_stale(self) -> None:
        before = utc_now() - timedelta(hours=self._settings.stale_conference_hours)
        for found in await self._store.read(partial(call_upkeep.stale, before=before)):
            # When it was heard last: that nobody noticed its end is no reason to count those hours.
            await self._do(partial(_end, conference=found.conference, at=found.last_event))
            log.info("a conference that nobody ended has been ended", conference=found.conference)

    async def remove_old(self) -> int:
        """Returns how many conferences are gone."""
        if not self._settings.retention_days:
            return 0
        before = utc_now() - timedelta(days=self._settings.retention_days)
        removed = 0
        while found := await self._store.read(partial(call_upkeep.old, before=before, at_most=CONFERENCES)):
            for id in found:
                while await self._do(partial(_remove_events, conference=id)) == STEP:
                    await trio.sleep(PAUSE_S)
                await self._do(partial(_remove_conference, conference=id))
                removed += 1
        if removed:
            log.info("conferences have been kept for long enough", removed=removed, days=self._settings.retention_days)
        return removed

    async def erase(self, participant: str) -> None:
        """What a participant has told, and what it was told by. The calls remain, without that."""
        conferences = await self._store.read(partial(call_upkeep.conferences_of, participant=participant))
        for id in conferences:
            while await self._do(partial(_remove_events, conference=id, participant=participant)) == STEP:
                await trio.sleep(PAUSE_S)
        await self._do(partial(_forget_person, participant=participant, conferences=conferences))
        for id in conferences:
            self._summed_again(id)

    async def _do(self, work: Callable[[Ledger, sa.Connection], T]) -> T:
        while True:
            try:
                return await self._writer.do(work, 0)
            except Overloaded:
                await trio.sleep(BUSY_S)


def _end(ledger: Ledger, db: sa.Connection, *, conference: str, at: datetime) -> None:
    ledger.end(db, conference, at)


def _remove_events(ledger: Ledger, db: sa.Connection, *, conference: str, participant: str = "") -> int:
    return call_upkeep.remove_events(db, conference, STEP, participant=participant)


def _remove_conference(ledger: Ledger, db: sa.Connection, *, conference: str) -> None:
    ledger.forget(db, [conference])
    call_upkeep.remove_conference(db, conference)


def _forget_person(ledger: Ledger, db: sa.Connection, *, participant: str, conferences: list[str]) -> None:
    ledger.forget(db, conferences)
    call_upkeep.remove_tracks(db, participant)
    call_upkeep.forget_person(db, participant)
    for id in conferences:
        call_upkeep.remove_summary(db, id)
