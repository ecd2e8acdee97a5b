"""The one way by which reports are written: what is answered is on disk, and a full queue refuses at once."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import trio

from api.analytics import writer
from api.analytics.faults import Fault
from api.analytics.ledger import Hello, Ledger
from api.analytics.writer import Overloaded, Writer
from api.store import Database, Store, apps, tables
from api.store.apps import AppRecord
from signalling.rooms import utc_now


@pytest.fixture
def database(tmp_path: Path, store_url: str) -> Iterator[Database]:
    database = Database(tmp_path, store_url)
    yield database
    database.close()


@pytest.fixture
def app(database: Database) -> AppRecord:
    acme = database.write(partial(apps.add_organization, name="Acme"))
    made = database.write(partial(apps.add_app, organization=acme.id, name="shop", interval_ms=10_000))
    assert made is not None
    return made


class Held(Store):
    """Whose writes wait until they are let go, and fail when they are told to."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.held = trio.Event()
        self.failures = 0
        self.commits = 0

    async def write(self, change: Any) -> Any:
        await self.held.wait()
        self.commits += 1
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is full")
        return await super().write(change)


def hello(app: AppRecord, conference: str) -> Any:
    def work(ledger: Ledger, db: sa.Connection) -> str:
        return ledger.initialize(db, Hello(app.id, conference, None, "anna", None), utc_now()).conference

    return work


def conferences(database: Database) -> set[str]:
    return set(database.read(lambda connection: connection.execute(sa.select(tables.conferences.c.id)).scalars().all()))


async def test_what_waits_is_written_together(database: Database, app: AppRecord, nursery: trio.Nursery) -> None:
    store = Held(database)
    reports = Writer(store, 100)
    await nursery.start(reports.run)
    made: list[str] = []

    async def report(number: int) -> None:
        made.append(await reports.do(hello(app, f"c{number}"), 10))

    async with trio.open_nursery() as clients:
        for number in range(50):
            clients.start_soon(report, number)
        await trio.testing.wait_all_tasks_blocked()
        assert made == []
        store.held.set()
    assert conferences(database) == set(made)
    assert len(made) == 50
    assert store.commits <= 2


async def test_a_fault_is_the_answer_of_one_report_alone(
    database: Database, app: AppRecord, nursery: trio.Nursery
) -> None:
    def refuses(ledger: Ledger, db: sa.Connection) -> None:
        raise Fault("invalid_parameters")

    store = Held(database)
    reports = Writer(store, 100)
    await nursery.start(reports.run)
    store.held.set()
    with pytest.raises(Fault, match="invalid_parameters"):
        await reports.do(refuses, 1)
    assert await reports.do(hello(app, "c"), 1) in conferences(database)


async def test_when_a_commit_fails_each_is_tried_by_itself(
    database: Database, app: AppRecord, nursery: trio.Nursery
) -> None:
    def poison(ledger: Ledger, db: sa.Connection) -> None:
        hello(app, "poisoned")(ledger, db)
        raise RuntimeError("a fault of ours")

    store = Held(database)
    reports = Writer(store, 100)
    await nursery.start(reports.run)
    made: list[str] = []
    failed: list[Exception] = []

    async def report(work: Any) -> None:
        try:
            made.append(await reports.do(work, 1))
        except RuntimeError as error:
            failed.append(error)

    async with trio.open_nursery() as clients:
        for work in (hello(app, "first"), hello(app, "a"), poison, hello(app, "b"), hello(app, "a")):
            clients.start_soon(report, work)
        await trio.testing.wait_all_tasks_blocked()
        store.held.set()
    assert len(failed) == 1
    assert conferences(database) == set(made)
    assert len(set(made)) == 3


async def test_a_report_that_the_store_does_not_take_is_not_answered_as_if_it_were_there(
    database: Database, app: AppRecord, nursery: trio.Nursery
) -> None:
    store = Held(database)
    reports = Writer(store, 100)
    await nursery.start(reports.run)
    store.held.set()
    store.failures = 1
    with pytest.raises(OSError, match="full"):
        await reports.do(hello(app, "c"), 1)
    assert conferences(database) == set()
    assert await reports.do(hello(app, "c"), 1) in conferences(database)


@pytest.mark.parametrize(
    ("limit", "value", "size", "fit"),
    [("REPORTS_WAITING", 2, 1, 3), ("REPORT_BYTES_WAITING", 20, 10, 2)],  # one is with the writer already
)
async def test_a_full_queue_refuses_at_once_and_loses_nothing(
    database: Database,
    app: AppRecord,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int,
    size: int,
    fit: int,
) -> None:
    monkeypatch.setattr(writer, limit, value)
    store = Held(database)
    reports = Writer(store, 100)
    await nursery.start(reports.run)
    made: list[str] = []

    async def report(number: int) -> None:
        made.append(await reports.do(hello(app, f"c{number}"), size))

    async with trio.open_nursery() as clients:
        for number in range(fit):
            clients.start_soon(report, number)
            await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Overloaded):
            await reports.do(hello(app, "late"), size)
        store.held.set()
    assert conferences(database) == set(made)
    assert len(made) == fit
    assert await reports.do(hello(app, "again"), size) in conferences(database)


async def test_what_waits_at_the_end_is_written(database: Database, app: AppRecord) -> None:
    store = Held(database)
    reports = Writer(store, 100)
    made: list[str] = []

    async def report(number: int) -> None:
        made.append(await reports.do(hello(app, f"c{number}"), 1))

    async with trio.open_nursery() as clients:
        async with trio.open_nursery() as nursery:
            await nursery.start(reports.run)
            for number in range(5):
                clients.start_soon(report, number)
            await trio.testing.wait_all_tasks_blocked()
            store.held.set()
            nursery.cancel_scope.cancel()
    assert conferences(database) == set(made)
    assert len(made) == 5
    with pytest.raises(Overloaded):
        await reports.do(hello(app, "late"), 1)
