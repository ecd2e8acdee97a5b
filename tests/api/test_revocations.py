"""What is revoked outlives the server: groups, failures of the store, the ttl of earlier servers, the ends of it all.

And its limits: of a room and of ended invitations, so that nobody uses up what is there for all.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
import structlog.testing
import trio
from sqlalchemy.exc import OperationalError

import api.revocations
from api import limits
from api.revocations import Revocations
from api.store import Database, Store, revocations, rooms
from api.store.revocations import Revocation
from signalling.ports import Claims
from tests.api.test_tokens import Clock

TTL_S = 60.0


@pytest.fixture
def database(tmp_path: Path, store_url: str) -> Iterator[Database]:
    database = Database(tmp_path, store_url)
    yield database
    database.close()


@pytest.fixture
def room(database: Database) -> str:
    return database.write(partial(rooms.add, name="x")).uuid


class CountingStore(Store):
    """Counts its writes, and fails as long as it is told to."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.writes = 0
        self.fails = False

    async def write(self, change):
        self.writes += 1
        if self.fails:
            await trio.lowlevel.checkpoint()
            raise OperationalError("write", None, Exception("the disk is full"))
        return await super().write(change)


def claims(room: str, issued: float, call_id: str = "c") -> Claims:
    return Claims(room, call_id, None, "", False, issued, issued + TTL_S, "id")


def voided(server: Revocations, room: str, issued: float, call_id: str = "c") -> Revocation:
    """What voids a token that must be void."""
    found = server.of(claims(room, issued, call_id))
    assert found is not None
    return found


def stored(database: Database) -> list[Revocation]:
    return database.read(revocations.all_revocations)


async def test_a_second_server_knows_what_the_first_has_revoked(database: Database, room: str) -> None:
    clock = Clock()
    first = await Revocations.open(Store(database), TTL_S, clock)
    first.add(room, "c", uninvited=True)
    clock.now += 1
    first.add(room, "d", uninvited=False)
    await first.kept()
    second = await Revocations.open(Store(database), TTL_S, clock)
    now = clock.now
    for call_id, moment, uninvited in (("c", now - 1, True), ("d", now, False)):
        found = second.of(claims(room, moment, call_id))
        assert found is not None
        assert (found.revoked_at, found.uninvited) == (moment, uninvited)
        assert second.of(claims(room, moment + 0.001, call_id)) is None
    clock.now -= 100
    assert second.moment_to_issue() > now


async def test_the_last_word_on_a_call_is_kept(database: Database, room: str) -> None:
    clock = Clock()
    kept = await Revocations.open(Store(database), TTL_S, clock)
    for _ in range(3):
        clock.now += 1
        kept.add(room, "c", uninvited=False)
        await kept.kept()
    assert [each.revoked_at for each in stored(database)] == [clock.now]


async def test_all_that_waits_is_one_write(database: Database, room: str) -> None:
    store = CountingStore(database)
    kept = await Revocations.open(store, TTL_S)
    before = store.writes
    for number in range(100):
        kept.add(room, f"c{number % 50}", uninvited=False)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(kept.kept)
    assert store.writes == before + 1
    assert len(stored(database)) == 50
    await kept.kept()
    assert store.writes == before + 1


async def test_what_nobody_waits_for_is_written_too_and_the_rest_at_the_end(database: Database, room: str) -> None:
    kept = await Revocations.open(Store(database), TTL_S)
    async with trio.open_nursery() as nursery:
        await nursery.start(kept.run)
        kept.add(room, "soon", uninvited=False)
        with trio.fail_after(5):
            while not await Store(database).read(revocations.all_revocations):
                await trio.lowlevel.checkpoint()
        kept.add(room, "last", uninvited=False)
        nursery.cancel_scope.cancel()
    assert {each.call_id for each in stored(database)} == {"soon", "last"}


async def test_a_store_that_fails_is_told_to_who_waits_and_tried_again(
    database: Database, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.revocations, "RETRY_S", 0.01)
    store = CountingStore(database)
    kept = await Revocations.open(store, TTL_S)
    store.fails = True
    kept.add(room, "c", uninvited=False)
    with pytest.raises(OperationalError):
        await kept.kept()
    kept.add(room, "d", uninvited=False)
    assert kept.of(claims(room, 0.0)) is not None
    async with trio.open_nursery() as nursery:
        with structlog.testing.capture_logs() as logged:
            await nursery.start(kept.run)
            failed = store.writes
            with trio.fail_after(5):
                while store.writes < failed + 3:
                    await trio.sleep(0.001)
                store.fails = False
                await kept.kept()
        nursery.cancel_scope.cancel()
    assert {entry["log_level"] for entry in logged} == {"error"}
    assert {each.call_id for each in stored(database)} == {"c", "d"}


async def test_whoever_is_cancelled_while_it_waits_leaves_it_to_the_others(database: Database, room: str) -> None:
    store = CountingStore(database)
    kept = await Revocations.open(store, TTL_S)
    kept.add(room, "c", uninvited=False)
    with trio.CancelScope() as scope:
        scope.cancel()
        await kept.kept()
    assert stored(database) == []
    await kept.kept()
    assert [each.call_id for each in stored(database)] == ["c"]


async def test_a_room_takes_its_revocations_along_and_one_that_is_not_stored_leaves_none(
    database: Database, room: str
) -> None:
    kept = await Revocations.open(Store(database), TTL_S)
    kept.add(room, "c", uninvited=False)
    kept.add("11111111-2222-4333-8444-555555555555", "c", uninvited=False)
    await kept.kept()
    assert [each.room for each in stored(database)] == [room]
    database.write(partial(rooms.remove, room=room))
    assert stored(database) == []
    kept.add(room, "d", uninvited=False)
    await kept.kept()
    assert stored(database) == []


@pytest.mark.parametrize("uninvited", [False, True])
async def test_it_is_forgotten_when_every_token_has_expired(database: Database, room: str, uninvited: bool) -> None:
    clock = Clock()
    kept = await Revocations.open(Store(database), TTL_S, clock)
    kept.add(room, "c", uninvited=uninvited)
    issued = clock.now
    clock.now += 30
    kept.note_token(clock.now, clock.now + TTL_S)
    kept.add(room, "d", uninvited=uninvited)
    await kept.kept()
    clock.now += 31
    kept.add(room, "e", uninvited=uninvited)
    await kept.kept()
    assert {each.call_id for each in stored(database)} == {"d", "e"}
    assert kept.of(claims(room, issued)) is None
    clock.now += TTL_S
    await Revocations.open(Store(database), TTL_S, clock)
    assert stored(database) == []


@pytest.mark.parametrize(
    ("ttls", "lasts"),
    [
        pytest.param([10.0], 10.0, id="the first server: tokens of before are taken to have lived as long as its own"),
        pytest.param([1000.0, 10.0], 1000.0, id="tokens used to live longer"),
        pytest.param([1000.0, 10.0, 10.0], 999.0, id="and are remembered after another restart"),
        pytest.param([10.0, 1000.0], 10.0, id="tokens used to live shorter: longer ones are not issued yet"),
    ],
)
async def test_until_is_the_latest_expiry_that_an_earlier_server_can_have_given(
    database: Database, room: str, ttls: list[float], lasts: float
) -> None:
    """A second passes between two starts."""
    clock = Clock()
    clock.now -= 1
    for ttl_s in ttls:
        clock.now += 1
        kept = await Revocations.open(Store(database), ttl_s, clock)
    kept.add(room, "c", uninvited=False)
    await kept.kept()
    (found,) = stored(database)
    assert found.until == clock.now + lasts


def test_moments_come_back_to_the_last_bit(database: Database, room: str) -> None:
    """They are compared with those in tokens."""
    exact = Revocation(room, "c", 1_800_000_000.1234567, 1_800_043_200.7654321, uninvited=True)
    database.write(partial(revocations.keep, news=[exact], now=0.0))
    assert stored(database) == [exact]


async def test_oldest_first_also_after_a_restart(
    database: Database, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    kept = await Revocations.open(Store(database), TTL_S, clock)
    for call_id in "abc":
        clock.now += 1
        kept.add(room, call_id, uninvited=False)
    await kept.kept()
    monkeypatch.setattr(limits, "REVOCATIONS", 2)
    again = await Revocations.open(Store(database), TTL_S, clock)
    assert again.of(claims("another room", clock.now - 2)) is not None
    assert again.of(claims("another room", clock.now - 1)) is None


async def test_of_ended_invitations_the_oldest_are_forgotten_and_nothing_else_is(
    database: Database, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many end, and although the limit of all others is lower."""
    monkeypatch.setattr(limits, "UNINVITED", 3)
    monkeypatch.setattr(limits, "REVOCATIONS", 2)
    clock = Clock()
    kept = await Revocations.open(Store(database), TTL_S, clock)
    early = clock.now - 1
    kept.add(room, "removed", uninvited=False)
    for number in range(10):
        clock.now += 1
        kept.add(room, f"leg{number}", uninvited=True)
        if number % 4 == 0:
            await kept.kept()
    await kept.kept()
    assert [each.call_id for each in stored(database)] == ["removed", "leg7", "leg8", "leg9"]
    for server in (kept, await Revocations.open(Store(database), TTL_S, clock)):
        assert not voided(server, room, early, "removed").uninvited
        assert voided(server, room, early, "leg7").uninvited
        assert server.of(claims(room, early, "leg6")) is None
        assert server.of(claims("another room", early)) is None


async def test_the_limit_of_ended_invitations_holds_for_those_of_the_store_too(
    database: Database, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    kept = await Revocations.open(Store(database), TTL_S, clock)
    kept.add(room, "removed", uninvited=False)
    for call_id in "abc":
        clock.now += 1
        kept.add(room, call_id, uninvited=True)
    await kept.kept()
    monkeypatch.setattr(limits, "UNINVITED", 2)
    again = await Revocations.open(Store(database), TTL_S, clock)
    assert again.of(claims(room, 0.0, "a")) is None
    assert voided(again, room, 0.0, "b").uninvited
    clock.now += 1
    again.add(room, "d", uninvited=True)
    await again.kept()
    assert [each.call_id for each in stored(database)] == ["removed", "c", "d"]


@pytest.mark.parametrize("removed_first", [True, False])
async def test_a_call_that_was_removed_stays_so_when_its_invitation_is_forgotten(
    database: Database, room: str, monkeypatch: pytest.MonkeyPatch, removed_first: bool
) -> None:
    monkeypatch.setattr(limits, "UNINVITED", 1)
    clock = Clock()
    kept = await Revocations.open(Store(database), TTL_S, clock)
    for uninvited in (not removed_first, removed_first):
        kept.add(room, "c", uninvited=uninvited)
        await kept.kept()
    for number in range(2):
        clock.now += 1
        kept.add(room, f"leg{number}", uninvited=True)
    await kept.kept()
    for server in (kept, await Revocations.open(Store(database), TTL_S, clock)):
        assert not voided(server, room, clock.now - 2).uninvited


async def test_a_room_with_too_many_is_revoked_whole_and_leaves_the_others_theirs(
    database: Database, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ROOM_REVOCATIONS", 3)
    monkeypatch.setattr(limits, "REVOCATIONS", 4)
    other = database.write(partial(rooms.add, name="y")).uuid
    clock = Clock()
    kept = await Revocations.open(Store(database), TTL_S, clock)
    early = clock.now - 1
    kept.add(other, "c", uninvited=False)
    kept.add(room, "leg", uninvited=True)
    for call_id in ("a", "b", "c", "b"):
        clock.now += 1
        kept.add(room, call_id, uninvited=False)
    await kept.kept()
    assert kept.of(claims(room, early, "quiet")) is None
    clock.now += 1
    kept.add(room, "d", uninvited=False)
    whole_at = clock.now
    await kept.kept()
    assert {(each.room, each.call_id) for each in stored(database)} == {(other, "c"), (room, "leg"), (room, "")}
    clock.now += 1
    kept.add(room, "e", uninvited=False)
    await kept.kept()
    for server in (kept, await Revocations.open(Store(database), TTL_S, clock)):
        for call_id in ("a", "d", "quiet"):
            assert voided(server, room, whole_at, call_id).revoked_at == whole_at
            assert server.of(claims(room, whole_at + 0.5, call_id)) is None
        assert voided(server, room, whole_at + 0.5, "e").revoked_at == whole_at + 1
        assert voided(server, room, early, "leg").uninvited
        assert voided(server, other, early, "c")
        assert server.of(claims(other, early, "quiet")) is None
    for number in range(20):
        clock.now += 1
        kept.add(room, f"c{number}", uninvited=False)
    await kept.kept()
    assert kept.of(claims(other, early, "quiet")) is None
    assert len([each for each in stored(database) if each.room == room and not each.uninvited]) <= 3


async def test_the_limit_of_a_room_holds_for_what_the_store_has_of_it_too(
    database: Database, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    kept = await Revocations.open(Store(database), TTL_S, clock)
    for call_id in "abc":
        clock.now += 1
        kept.add(room, call_id, uninvited=False)
    await kept.kept()
    monkeypatch.setattr(limits, "ROOM_REVOCATIONS", 2)
    again = await Revocations.open(Store(database), TTL_S, clock)
    assert voided(again, room, clock.now, "quiet")
    assert again.of(claims(room, clock.now + 1, "a")) is None


async def test_a_room_that_is_revoked_leaves_nothing_of_its_calls(database: Database, room: str) -> None:
    """But the ended invitations, which are told apart."""
    clock = Clock()
    kept = await Revocations.open(Store(database), TTL_S, clock)
    kept.add(room, "stored", uninvited=False)
    kept.add(room, "leg", uninvited=True)
    await kept.kept()
    kept.add(room, "waits", uninvited=False)
    kept.add(room, None, uninvited=False)
    await kept.kept()
    assert {each.call_id for each in stored(database)} == {"leg", ""}
    for call_id in ("stored", "waits"):
        assert not voided(kept, room, clock.now, call_id).uninvited


async def test_what_is_forgotten_while_the_store_fails_waits_no_more(
    database: Database, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "UNINVITED", 1)
    monkeypatch.setattr(limits, "ROOM_REVOCATIONS", 2)
    store = CountingStore(database)
    clock = Clock()
    kept = await Revocations.open(store, TTL_S, clock)
    store.fails = True

    async def fail() -> None:
        with pytest.raises(OperationalError):
            await kept.kept()

    def revoke(*calls: str) -> None:
        for call_id in calls:
            clock.now += 1
            kept.add(room, call_id, uninvited=call_id.startswith("leg"))

    revoke("a", "b", "leg1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        while store.writes < 2:
            await trio.lowlevel.checkpoint()
        revoke("c", "leg2")
    store.fails = False
    await kept.kept()
    assert {each.call_id for each in stored(database)} == {"", "leg2"}


def test_the_terms_are_one_row_however_many_servers_there_were(database: Database) -> None:
    for _ in range(2):
        database.write(partial(revocations.begin_issuing, ttl_s=TTL_S, now=0.0))
    count = database.read(lambda connection: connection.execute(sa.text("SELECT count(*) FROM token_terms")).scalar())
    assert count == 1
