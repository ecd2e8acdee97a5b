"""Rooms of licences in the store: kept at once, forgotten soon, in order, over faults; and nobody else's business."""

import itertools
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import attrs
import pytest
import structlog.testing
import trio
import trio.testing
from sqlalchemy.exc import IntegrityError, OperationalError

import api.licences
from api import limits
from api.directory import StoredDirectory
from api.keyring import Keyring
from api.licences import StoredLicenceRooms, make
from api.passwords import PasswordChecks
from api.store import Database, Store, licence_rooms, revocations, rooms
from api.store.revocations import Revocation
from signalling.ports import LicenceRoom
from tests.api.test_revocations import CountingStore

KEYRING = Keyring(bytes(32))
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
made_so_far = itertools.count()


@pytest.fixture
def database(tmp_path: Path, store_url: str) -> Iterator[Database]:
    database = Database(tmp_path, store_url)
    yield database
    database.close()


@pytest.fixture
def licence(database: Database) -> str:
    return licensed(database, "trial")


class HeldStore(Store):
    """Does not write before it is let."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.free = trio.Event()

    async def write(self, change):
        await self.free.wait()
        return await super().write(change)


def licensed(database: Database, domain: str) -> str:
    """The id of a new licence."""
    return str(database.write(partial(make, keyring=KEYRING, domain=domain))[0].id)


def room(licence: str, name: str = "r1") -> LicenceRoom:
    return LicenceRoom(
        uuid=str(uuid.uuid4()),
        licence=licence,
        name=name,
        kind="media",
        title="",
        capacity=None,
        destroy=True,
        talking_noty=False,
        host="u1",
        host_name="",
        host_device="",
        parent=None,
        created_at=AT + timedelta(seconds=next(made_so_far)),
    )


def stored(database: Database) -> list[LicenceRoom]:
    return database.read(licence_rooms.all_rooms)


async def soon(database: Database, expected: list[LicenceRoom]) -> None:
    with trio.fail_after(10):
        while await Store(database).read(licence_rooms.all_rooms) != expected:
            await trio.sleep(0.001)


async def test_a_room_comes_back_as_it_was_kept_last(database: Database, licence: str) -> None:
    kept = await StoredLicenceRooms.open(Store(database))
    first = attrs.evolve(
        room(licence, "방"), kind="relay", title="제목", capacity=7, destroy=False, talking_noty=True,
        host="u" * 128, host_name="민" * 256, host_device="d" * 256, parent=str(uuid.uuid4()),
    )  # fmt: skip
    await kept.keep(first)
    assert stored(database) == [first]
    changed = attrs.evolve(first, title="", capacity=None, host="u2", host_name="", parent=None)
    await kept.keep(changed)
    assert await kept.all() == [changed]
    again = await StoredLicenceRooms.open(Store(database))
    assert await again.all() == [changed]


async def test_names_are_of_one_licence(database: Database, licence: str) -> None:
    kept = await StoredLicenceRooms.open(Store(database))
    mine, theirs = room(licence), room(licensed(database, "other"))
    for each in (mine, theirs):
        await kept.keep(each)
    with pytest.raises(IntegrityError):
        await kept.keep(room(licence))
    assert {each.uuid for each in await kept.all()} == {mine.uuid, theirs.uuid}


async def test_what_is_forgotten_is_gone_at_once_and_from_the_store_soon(database: Database, licence: str) -> None:
    kept = await StoredLicenceRooms.open(Store(database))
    first, second, third = (room(licence, name) for name in ("a", "b", "c"))
    for each in (first, second, third):
        await kept.keep(each)
    async with trio.open_nursery() as nursery:
        await nursery.start(kept.run)
        kept.forget(first.uuid)
        assert first not in await kept.all()
        await soon(database, [second, third])
        kept.forget(second.uuid)
        await soon(database, [third])
        kept.forget(third.uuid)
        nursery.cancel_scope.cancel()
    assert stored(database) == []


async def test_a_name_is_free_as_soon_as_its_room_is_forgotten(database: Database, licence: str) -> None:
    kept = await StoredLicenceRooms.open(Store(database))
    former = room(licence)
    for _ in range(3):
        await kept.keep(former)
        kept.forget(former.uuid)
        former = room(licence)
    await kept.keep(former)
    assert stored(database) == [former]


async def test_the_later_of_two_words_on_a_room_holds(database: Database, licence: str) -> None:
    store = HeldStore(database)
    kept = await StoredLicenceRooms.open(store)
    lost, back = room(licence, "lost"), room(licence, "back")
    store.free.set()
    for each in (lost, back):
        await kept.keep(each)
    store.free = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept.keep, room(licence, "first"))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(kept.keep, attrs.evolve(lost, title="changed"))
        await trio.testing.wait_all_tasks_blocked()
        kept.forget(lost.uuid)
        kept.forget(back.uuid)
        nursery.start_soon(kept.keep, attrs.evolve(back, title="changed"))
        store.free.set()
    assert sorted((each.name, each.title) for each in stored(database)) == [("back", "changed"), ("first", "")]
    assert sorted(each.name for each in await kept.all()) == ["back", "first"]


async def test_a_store_that_fails_keeps_nothing_and_forgets_later(
    database: Database, licence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.licences, "RETRY_S", 0.01)
    store = CountingStore(database)
    kept = await StoredLicenceRooms.open(store)
    old, stays = room(licence, "old"), room(licence, "stays")
    for each in (old, stays):
        await kept.keep(each)
    store.fails = True
    refused = room(licence, "refused")
    async with trio.open_nursery() as nursery:
        await nursery.start(kept.run)
        with structlog.testing.capture_logs() as logged:
            with pytest.raises(OperationalError):
                await kept.keep(attrs.evolve(stays, title="changed"))
            with pytest.raises(OperationalError):
                await kept.keep(refused)
            kept.forget(old.uuid)
            with trio.fail_after(10):
                while len(logged) < 3:
                    await trio.sleep(0.001)
        assert await kept.all() == [stays]
        assert stored(database) == [old, stays]
        store.fails = False
        await soon(database, [stays])
        nursery.cancel_scope.cancel()


async def test_whoever_waits_knows_that_it_is_gone_or_why_not(database: Database, licence: str) -> None:
    store = CountingStore(database)
    kept = await StoredLicenceRooms.open(store)
    first, second = room(licence, "first"), room(licence, "second")
    for each in (first, second):
        await kept.keep(each)
    writes = store.writes
    await kept.kept()
    assert store.writes == writes
    kept.forget(first.uuid)
    kept.forget(second.uuid)
    store.fails = True
    with pytest.raises(OperationalError):
        await kept.kept()
    assert stored(database) == [first, second]
    store.fails = False
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(kept.kept)
    assert store.writes == writes + 2
    assert stored(database) == await kept.all() == []


async def test_a_room_that_was_stored_without_a_word_is_forgotten_too(
    database: Database, licence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store commits and goes away; its caller is told that it failed, and forgets the room."""
    store = CountingStore(database)
    kept = await StoredLicenceRooms.open(store)
    silent = room(licence)
    database.write(partial(licence_rooms.keep, room=silent))
    store.fails = True
    with pytest.raises(OperationalError):
        await kept.keep(silent)
    assert await kept.all() == []
    kept.forget(silent.uuid)
    store.fails = False
    await kept.keep(room(licence, silent.name))
    assert silent not in stored(database)


async def test_what_may_never_have_been_stored_does_not_pile_up(
    database: Database, licence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DOUBTFUL_ROOMS", 3)
    kept = await StoredLicenceRooms.open(Store(database))
    mine = [room(licence, str(number)) for number in range(5)]
    others = [room(licence, f"of another process {number}") for number in range(5)]
    for each in mine:
        await kept.keep(each)
    for each in others:
        database.write(partial(licence_rooms.keep, room=each))
        kept.forget(each.uuid)
    for each in mine:
        kept.forget(each.uuid)
    await kept.kept()
    assert stored(database) == others[3:]


async def test_one_room_that_the_store_refuses_harms_no_other(database: Database, licence: str) -> None:
    kept = await StoredLicenceRooms.open(Store(database))
    gone = room(licence, "gone")
    await kept.keep(gone)
    kept.forget(gone.uuid)
    refused = 0

    async def keep(each: LicenceRoom) -> None:
        nonlocal refused
        try:
            await kept.keep(each)
        except IntegrityError:
            refused += 1

    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(keep, room(licence if number % 2 else "999", str(number)))
    assert refused == 5
    assert {each.name for each in stored(database)} == set("13579")


async def test_whoever_is_cancelled_while_he_waits_has_kept_nothing(database: Database, licence: str) -> None:
    store = HeldStore(database)
    kept = await StoredLicenceRooms.open(store)
    first, second = room(licence, "first"), room(licence, "second")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(kept.keep, first)
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            scope.cancel()
            await kept.keep(second)
        store.free.set()
    assert stored(database) == await kept.all() == [first]


async def test_what_was_revoked_in_a_room_is_kept_as_long_as_the_room(database: Database, licence: str) -> None:
    kept = await StoredLicenceRooms.open(Store(database))
    mine, unstored = room(licence), room(licence, "other")
    await kept.keep(mine)
    news = [Revocation(each.uuid, "c", 1.0, 2.0, uninvited=False) for each in (mine, unstored)]
    database.write(partial(revocations.keep, news=news, now=0.0))
    await kept.keep(attrs.evolve(mine, title="changed"))
    assert database.read(revocations.all_revocations) == news[:1]
    kept.forget(mine.uuid)
    await kept.keep(unstored)
    assert database.read(revocations.all_revocations) == []


async def test_no_question_about_rooms_of_the_server_finds_one(database: Database, licence: str) -> None:
    kept = await StoredLicenceRooms.open(Store(database))
    mine = room(licence)
    await kept.keep(mine)
    assert database.read(rooms.all_rooms) == []
    assert database.read(partial(rooms.oldest_by_name, name=mine.name)) is None
    assert database.read(partial(rooms.for_change, room=mine.uuid)) is None
    assert not database.write(partial(rooms.remove, room=mine.uuid))
    assert await StoredDirectory(Store(database), KEYRING, PasswordChecks()).room(mine.uuid) is None
    assert stored(database) == [mine]
