"""Sessions as the rooms count them: real rooms with clients of every dialect, in virtual time, on both databases.

The stage is that of the transcripts (tests/signalling/kpoint_stage.py); what counts is asked of Sessions.
"""

import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
import sqlalchemy as sa
import trio
import trio.testing
from sqlalchemy.exc import OperationalError
from trio.testing import MockClock

from api import limits
from api.keyring import Keyring
from api.licences import make
from api.session import Session, Visitor
from api.sessions import CHECKPOINT_S, GATHER_S, Sessions, Use
from api.store import Database, Store, sessions
from signalling import RoomApiSettings, Rooms
from signalling.ports import Remote, RoomEvent
from signalling.room.events import MemberJoined, MemberLeft, RoomEmptied
from signalling.room.member import Member
from signalling.settings import KpointSettings
from tests.signalling.kpoint_stage import KpointStage
from tests.signalling.stage import OPEN

T = TypeVar("T")

BEGIN = datetime(2021, 2, 22, 12, tzinfo=UTC)
GRACE_S = RoomApiSettings().socket_grace_s
ACME, ZETA = "1", "2"


class Inline(Store):
    """Reads and writes at once, or after so many seconds: virtual time would run away from a thread."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.database = database
        self.write_s = 0.0
        self.fails = False
        self.forgets_to_say = False

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        await trio.lowlevel.checkpoint()
        return self.database.read(query)

    async def write(self, change: Callable[[sa.Connection], T]) -> T:
        await trio.sleep(self.write_s)
        if self.fails:
            raise OperationalError("write", {}, Exception("the store is away"))
        done = self.database.write(change)
        if self.forgets_to_say:
            raise OperationalError("commit", {}, Exception("the connection is lost"))
        return done


def clock() -> datetime:
    return BEGIN + timedelta(seconds=trio.current_time())


class Counter:
    """Sessions over restarts: an observer that goes on while what it passes events to changes."""

    def __init__(self, store: Inline, nursery: trio.Nursery) -> None:
        self.store = store
        self.nursery = nursery
        self.life = trio.CancelScope()
        self.now: Callable[[], datetime] = clock
        self.sessions: Sessions

    def observe(self, event: RoomEvent) -> None:
        self.sessions.observe(event)

    async def start(self, rooms: list[str]) -> None:
        self.sessions = await Sessions.open(self.store, rooms=rooms, describe=described, grace_s=GRACE_S)
        self.life = trio.CancelScope()
        await self.nursery.start(self._run)

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self.life:
            await self.sessions.run(task_status=task_status)

    async def stop(self, *, killed: bool) -> None:
        """A killed one writes nothing more."""
        self.store.fails = killed
        self.life.cancel()
        await trio.testing.wait_all_tasks_blocked()
        self.store.fails = False


def described(remote: Remote) -> Visitor:
    return Visitor(f"near {remote.address}", remote.user_agent)


class Stage(KpointStage):
    def __init__(self, nursery: trio.Nursery, counter: Counter) -> None:
        self.counter = counter
        super().__init__(nursery, RoomApiSettings(), KpointSettings())

    def _new_rooms(self) -> Rooms:
        return Rooms(
            self.engine,
            self.directory,
            self.tokens,
            self.settings,
            [self.counter],
            licences=self.licences,
            licence_rooms=self.licence_rooms,
            kpoint=self.kpoint,
            clock=lambda: self.counter.now(),
        )

    # --- what is asked ---

    def running(self, licence: str = ACME) -> list[Session]:
        return self.counter.sessions.running(licence)

    @property
    def counts(self) -> dict[str, int]:
        return {session.room_name: len(session.present) for session in self.running()}

    async def used(self, licence: str = ACME) -> list[tuple[str, float, int]]:
        """Room, when it began, and for how long; oldest first."""
        uses = await self.counter.sessions.uses(licence, BEGIN, None)
        return [(use.room_name, (use.began_at - BEGIN).total_seconds(), use.seconds) for use in reversed(uses)]

    # --- what is done ---

    async def restart(self, *, killed: bool) -> None:
        await self.counter.stop(killed=killed)
        await self.crash()

    async def crash(self) -> None:
        left = self.licence_rooms.after_crash()
        await self.counter.start([room.uuid for room in await left.all()])
        await super().crash()


@pytest.fixture
def database(tmp_path: Path, store_url: str) -> Any:
    database = Database(tmp_path, store_url)
    keyring = Keyring.open(tmp_path)
    for domain in ("acme", "zeta"):
        database.write(partial(make, keyring=keyring, domain=domain))
    yield database
    database.close()


@pytest.fixture
async def stage(database: Database, autojump_clock: MockClock) -> AsyncIterator[Stage]:
    """A test takes the clock itself, too; else it runs by the real one."""
    async with trio.open_nursery() as nursery:
        counter = Counter(Inline(database), nursery)
        await counter.start([])
        stage = Stage(nursery, counter)
        await stage.start()
        yield stage
        nursery.cancel_scope.cancel()


class TestEveryDialect:
    async def test_a_group_room_of_kpoint(self, stage: Stage, autojump_clock: MockClock) -> None:
        await stage.play("""
            ann  opens den
            wait 7
            """)
        assert stage.counts == {}  # a room in which nobody is, is not in use
        await stage.play("""
            ann  enters den
            wait 60
            ben  enters den
            """)
        assert stage.counts == {"den": 2}
        await stage.play("""
            wait 30.9
            ann  -> leaveRoom
            ann  <- ok
            ben  <- leave user=ann
            """)
        assert stage.counts == {"den": 1}
        await stage.play("""
            wait 10
            ben  -> leaveRoom
            ben  <- ok
            wait 100
            """)
        assert stage.counts == {}
        assert await stage.used() == [("den", 7, 100)]

    async def test_a_call_between_two(self, stage: Stage, autojump_clock: MockClock) -> None:
        await stage.play("""
            ann  opens den p2p
            ann  enters den
            ben  enters den
            wait 5
            """)
        assert stage.counts == {"den": 2}
        assert await stage.used() == [("den", 0, 5)]

    async def test_a_room_entered_with_an_access_token(self, stage: Stage, autojump_clock: MockClock) -> None:
        await stage.play("""
            rita speaks room_api
            rita enters hall owner
            wait 5
            rita -> leave_room
            rita <- ok
            """)
        assert stage.counts == {}
        assert await stage.used() == [("hall", 0, 5)]

    async def test_all_of_them_in_one_room(self, stage: Stage, autojump_clock: MockClock) -> None:
        await stage.play("""
            rita speaks room_api
            ann  opens den
            ann  enters den
            rita enters den
            """)
        (session,) = stage.running()
        assert [(each.user_name, each.role, each.location) for each in session.connections] == [
            ("", "MODERATOR", "near 192.0.2.1"),
            ("Rita", "PUBLISHER", "near 192.0.2.1"),
        ]

    async def test_rooms_of_the_server_itself_do_not_count(self, stage: Stage, autojump_clock: MockClock) -> None:
        await stage.play("carl speaks room_api")
        await stage.enter("carl", OPEN)
        await trio.sleep(10)
        assert stage.rooms.snapshot()
        assert (stage.running(), stage.running(""), await stage.used()) == ([], [], [])

    async def test_licences_do_not_see_each_other(self, stage: Stage, autojump_clock: MockClock) -> None:
        await stage.play("""
            zoe  registers cpCode=zeta
            zoe  -> createVideoRoom
            zoe  <- ok roomId=den
            zoe  -> joinRoom
            zoe  <- ok ...
            """)
        assert (stage.counts, len(stage.running(ZETA))) == ({}, 1)
        assert (await stage.used(), await stage.used(ZETA)) == ([], [("den", 0, 0)])

    async def test_each_stretch_of_use_is_one(self, stage: Stage, autojump_clock: MockClock) -> None:
        """Also of a room that stays when it is empty."""
        await stage.play("""
            ann  opens den destroy=false
            ann  enters den
            wait 5
            ann  -> leaveRoom
            ann  <- ok
            wait 20
            ann  enters den
            wait 7
            """)
        assert await stage.used() == [("den", 0, 5), ("den", 25, 7)]
        assert len({session.session_id for session in stage.running()}) == 1


class TestConnections:
    async def test_who_loses_its_socket_is_there_until_its_grace_is_over(
        self, stage: Stage, autojump_clock: MockClock
    ) -> None:
        await stage.play("""
            rita speaks room_api
            ann  opens den
            ann  enters den
            rita enters den
            rita drops
            wait 9.9
            """)
        assert stage.counts == {"den": 2}
        await stage.play("""
            wait 0.2
            ann  <- leave user=rita
            """)
        assert stage.counts == {"den": 1}
        (session,) = stage.running()
        assert [each.left_at is None for each in session.connections] == [True, False]

    async def test_who_joins_again_is_the_same(self, stage: Stage, autojump_clock: MockClock) -> None:
        await stage.play("""
            rita speaks room_api
            rita enters den
            """)
        token = stage.proofs["rita"]
        assert "result" in await stage.ask("rita/2", "join_room", sdp="offer", auth_token=token)
        (session,) = stage.running()
        assert (len(session.connections), session.visits) == (1, 1)

    async def test_who_has_left_is_remembered_up_to_a_number(
        self, stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "SESSION_VISITORS", 3)
        await stage.play("""
            ann  opens den
            ann  enters den
            ben  registers
            """)
        for _ in range(5):
            await stage.must("ben", "joinRoom")
            await stage.must("ben", "leaveRoom")
            await trio.sleep(6)
        (session,) = stage.running()
        assert [each.id for each in session.connections] == [1, 4, 5, 6]
        assert session.visits == 6
        ((_, stored),) = stage.counter.store.database.read(sessions.running)
        assert [each.id for each in stored] == [1, 4, 5, 6]


class TestRestarts:
    """Seconds are right over a planned end and over a kill, but for what was not written: 5 s at most."""

    CALL = """
        ann  opens den
        wait 2
        ann  enters den
        ben  enters den
        wait 61
        """

    @pytest.mark.parametrize("killed", [False, True])
    async def test_those_who_come_back_go_on_with_the_session(
        self, stage: Stage, autojump_clock: MockClock, killed: bool
    ) -> None:
        await stage.play(self.CALL)
        (before,) = stage.running()
        await stage.restart(killed=killed)
        assert stage.running() == []
        ((_, _, seconds),) = await stage.used()
        assert 61 - CHECKPOINT_S - GATHER_S - 0.5 <= seconds <= 61
        await stage.play("""
            wait 9
            ben  registers
            ben  -> joinRoom
            ben  <- ok ...
            """)
        (after,) = stage.running()
        assert (after.id, after.session_id, after.began_at) == (before.id, before.session_id, before.began_at)
        assert [(each.user_name, each.left_at is None) for each in after.connections] == [
            ("", False),
            ("", False),
            ("", True),
        ]
        assert [each.id for each in after.connections] == [1, 2, 3]
        await stage.play("""
            wait 30
            ben  -> leaveRoom
            ben  <- ok
            wait 30
            """)
        assert await stage.used() == [("den", 2, 100)]

    @pytest.mark.parametrize("killed", [False, True])
    async def test_without_them_it_ended_when_it_was_last_seen(
        self, stage: Stage, autojump_clock: MockClock, killed: bool
    ) -> None:
        await stage.play(self.CALL)
        await stage.restart(killed=killed)
        await trio.sleep(100)
        assert stage.running() == []
        ((room, began, seconds),) = await stage.used()
        assert (room, began) == ("den", 2)
        assert seconds == 61 if not killed else 61 - 5 <= seconds <= 61
        assert stage.counter.store.database.read(sessions.running) == []
        await stage.restart(killed=killed)
        assert await stage.used() == [(room, began, seconds)]

    async def test_a_room_that_is_gone_ends_its_session_at_once(self, stage: Stage, autojump_clock: MockClock) -> None:
        await stage.play(self.CALL)
        stage.licence_rooms.rooms.clear()
        await stage.restart(killed=True)
        await trio.sleep(1)
        assert stage.counter.store.database.read(sessions.running) == []

    async def test_a_kill_while_it_is_waited_for_takes_nothing_more(
        self, stage: Stage, autojump_clock: MockClock
    ) -> None:
        await stage.play(self.CALL)
        await stage.restart(killed=True)
        used = await stage.used()
        for _ in range(3):
            await trio.sleep(8)
            assert await stage.used() == used
            await stage.restart(killed=True)
        await trio.sleep(20)
        assert await stage.used() == used

    async def test_a_room_that_stays_is_waited_for_no_longer_than_others(
        self, stage: Stage, autojump_clock: MockClock
    ) -> None:
        await stage.play("""
            ann  opens den destroy=false
            ann  enters den
            wait 20
            """)
        await stage.restart(killed=False)
        await stage.play("""
            wait 15
            ann  enters den
            wait 3
            """)
        assert await stage.used() == [("den", 0, 20), ("den", 35, 3)]

    async def test_numbers_are_never_used_again(self, stage: Stage, autojump_clock: MockClock) -> None:
        for number in (1, 2, 3):
            await stage.play("""
                ann  opens den
                ann  enters den
                wait 20
                ann  -> leaveRoom
                ann  <- ok
                wait 20
                ann  opens den
                ann  enters den
                """)
            (session,) = stage.running()
            assert (session.id, session.connections[0].id) == (2 * number, 2 * number)
            await trio.sleep(5)
            await stage.restart(killed=True)
            await trio.sleep(20)


class TestTheStore:
    async def test_what_runs_is_seen_every_five_seconds(self, stage: Stage, autojump_clock: MockClock) -> None:
        await stage.play("""
            ann  opens den
            ann  enters den
            """)
        for _ in range(40):
            await trio.sleep(1.1)
            ((record, _),) = stage.counter.store.database.read(sessions.running) or ((None, ()),)
            assert record is None or clock() - record.until <= timedelta(seconds=5)
        assert record is not None

    async def test_a_store_that_is_away_loses_nothing(self, stage: Stage, autojump_clock: MockClock) -> None:
        stage.counter.store.fails = True
        for _ in range(3):
            await stage.play("""
                ann  opens den
                ann  enters den
                wait 10
                ann  -> leaveRoom
                ann  <- ok
                """)
        expected = [("den", 0, 10), ("den", 10, 10), ("den", 20, 10)]
        assert await stage.used() == expected
        stage.counter.store.fails = False
        await trio.sleep(10)
        assert await stage.used() == expected
        await stage.restart(killed=True)
        assert await stage.used() == expected

    async def test_of_too_many_the_oldest_end_when_they_were_last_written(
        self, stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "UNWRITTEN_SESSIONS", 2)
        stage.counter.store.fails = True
        for _ in range(3):
            await stage.play("""
                ann  opens den
                ann  enters den
                wait 10
                ann  -> leaveRoom
                ann  <- ok
                """)
        await trio.sleep(10)
        stage.counter.store.fails = False
        await trio.sleep(10)
        assert await stage.used() == [("den", 10, 10), ("den", 20, 10)]

    async def test_open_and_over_within_one_writing(self, stage: Stage, autojump_clock: MockClock) -> None:
        await stage.play("""
            ann  opens den
            wait 20
            ann  enters den
            wait 0.2
            ann  -> leaveRoom
            ann  <- ok
            """)
        assert await stage.used() == [("den", 20, 0)]
        await trio.sleep(10)
        assert await stage.used() == [("den", 20, 0)]
        assert stage.counter.store.database.read(sessions.running) == []

    @pytest.mark.parametrize("hours", [-1, 720])
    async def test_a_clock_that_is_set_changes_no_length(
        self, stage: Stage, autojump_clock: MockClock, hours: int
    ) -> None:
        await stage.play("""
            ann  opens den
            ann  enters den
            wait 20
            """)
        stage.counter.now = lambda: clock() + timedelta(hours=hours)
        await stage.play("""
            wait 10
            ben  enters den
            ben  -> leaveRoom
            ben  <- ok
            ann  <- leave user=ben
            """)
        stage.counter.now = clock
        await stage.play("""
            wait 10
            ann  -> leaveRoom
            ann  <- ok
            wait 10
            """)
        assert await stage.used() == [("den", 0, 40)]

    async def test_a_commit_that_was_not_told_of_is_made_again(self, stage: Stage, autojump_clock: MockClock) -> None:
        stage.counter.store.forgets_to_say = True
        await stage.play("""
            ann  opens den
            ann  enters den
            wait 10
            """)
        stage.counter.store.forgets_to_say = False
        await stage.play("""
            ben  enters den
            wait 10
            ann  -> leaveRoom
            ann  <- ok
            ben  <- leave user=ann
            wait 10
            """)
        await stage.restart(killed=True)
        ((_, _, seconds),) = await stage.used()
        assert 25 <= seconds <= 30

    async def test_names_that_no_database_takes_keep_nobody_from_being_written(
        self, stage: Stage, autojump_clock: MockClock
    ) -> None:
        long = RoomEvent("uuid", "r\0oom", ACME, clock(), MemberJoined(Member("x", None, "n" * 999, is_admin=False)),
                         Remote("a" * 999, "p\ud800" * 999))  # fmt: skip
        stage.counter.observe(long)
        await stage.counter.sessions.written()
        (((record, (connection,)),)) = stage.counter.store.database.read(sessions.running)
        assert (record.room_name, connection.platform) == ("room", "p" * 256)
        assert (len(connection.user_name), len(connection.location)) == (256, 128)

    async def test_one_whose_end_was_given_up_ends_when_it_was_last_written(
        self, stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(limits, "UNWRITTEN_SESSIONS", 0)
        await stage.play("""
            ann  opens den
            ann  enters den
            wait 20
            """)
        stage.counter.store.fails = True
        await stage.play("""
            wait 20
            ann  -> leaveRoom
            ann  <- ok
            wait 10
            """)
        stage.counter.store.fails = False
        await trio.sleep(3600)
        ((_, _, seconds),) = await stage.used()
        assert 15 <= seconds <= 20


@attrs.frozen
class Stretch:
    id: int
    room: str
    began: float
    ended: float | None


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_is_missed_or_counted_twice(database: Database, autojump_clock: MockClock, seed: int) -> None:
    """People come and go while slow writes begin, fail and end; whoever asks meanwhile is told each session once."""
    chance = random.Random(seed)
    store = Inline(database)
    counted = await Sessions.open(store, rooms=(), describe=described, grace_s=GRACE_S)
    present: dict[str, set[str]] = {f"room {number}": set() for number in range(6)}
    expected: list[Stretch] = []

    def tell(room: str, *events: Any) -> None:
        for event in events:
            counted.observe(RoomEvent(f"uuid of {room}", room, ACME, clock(), event, Remote("192.0.2.1")))

    def turn() -> None:
        room = chance.choice(list(present))
        who = f"user {chance.randrange(3)}"
        now = trio.current_time()
        if who not in present[room]:
            if not present[room]:
                expected.append(Stretch(len(expected) + 1, room, now, None))
            present[room].add(who)
            tell(room, MemberJoined(Member(who, None, who, is_admin=False)))
            return
        present[room].discard(who)
        tell(room, MemberLeft(who, "left"), *(() if present[room] else (RoomEmptied(),)))
        if not present[room]:
            (last,) = (each for each in expected if each.room == room and each.ended is None)
            expected[expected.index(last)] = attrs.evolve(last, ended=now)

    def truth() -> list[Use]:
        now = trio.current_time()
        return [
            Use(each.id, each.room, BEGIN + timedelta(seconds=each.began), int((each.ended or now) - each.began + 1e-6))
            for each in expected
        ]

    async with trio.open_nursery() as nursery:
        await nursery.start(counted.run)
        for _ in range(400):
            store.write_s, store.fails = chance.choice([0.0, 0.1, 2.0]), chance.random() < 0.2
            await trio.sleep(chance.choice([0.0, 0.125, 0.5, 3.0]))
            turn()
            told = await counted.uses(ACME, BEGIN, None)
            assert sorted(told, key=lambda use: use.id) == truth()
            running = {session.room_name: set(session.present) for session in counted.running(ACME)}
            assert running == {room: who for room, who in present.items() if who}
        store.write_s, store.fails = 0.0, False
        nursery.cancel_scope.cancel()
    stored = store.database.read(lambda connection: sessions.began_within(connection, 1, BEGIN, None, 10_000))
    assert len(stored) == len(expected)
    assert [each.visits > 0 for each in stored] == [True] * len(stored)
