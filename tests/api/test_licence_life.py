"""Whatever happens under a licence, in whichever order: only who is there is counted, and when all have gone nothing is held.

People of both dialects do at random what they may and may not, in real rooms over the real store, which is slow at times,
refuses, or goes away after its commit; the licence ends, and so does the server, as planned or by a kill. A ledger of who
came and went knows what is to be told at each moment, and what is stored in the end: a row for each stretch of use, as long
as it was. After a restart it believes the store, once it has seen that no more is lost than may be.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
import sqlalchemy as sa
import structlog
import structlog.testing
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError
from trio.testing import MockClock

from api.keyring import Keyring
from api.licences import StoredLicenceRooms, make
from api.session import Visitor
from api.sessions import Sessions, Use
from api.store import Database, Store, licence_rooms, sessions, tables
from api.store.sessions import SessionRecord
from signalling import RoomApiSettings, Rooms
from signalling.limits import UNUSED_ROOM_S
from signalling.ports import LicenceRoom, RoomEvent
from signalling.room.events import MemberJoined, MemberLeft
from signalling.settings import KpointSettings
from tests.signalling.fakes import FakeEngine
from tests.signalling.kpoint_stage import LICENCES, KpointStage
from tests.signalling.stage import Client

T = TypeVar("T")

ACME = LICENCES["acme"]
BEGIN = datetime(2021, 2, 22, 12, tzinfo=UTC)
GRACE_S = RoomApiSettings().socket_grace_s
# By a kill, as long as the store has been well.
LOST_AT_MOST_S = 5.0
SLOW_S = 3.0
DRAIN_S = 2.0
LAST_WORDS_S = 15.0
# Whatever anybody may come back after, or wait for.
ALL_GONE_S = 60.0


def clock() -> datetime:
    return BEGIN + timedelta(seconds=trio.current_time())


class FickleStore(Store):
    """As one server uses it. A transaction that has begun comes to its end, whoever is cancelled; but not over a kill."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.database = database
        self.killed = trio.Event()
        self.mood = "well"
        self.well_since = -math.inf
        self._writing = trio.Lock()

    def become(self, mood: str) -> None:
        if mood == "well" != self.mood:
            # What was begun before may take so long, and fail.
            self.well_since = trio.current_time() + SLOW_S
        self.mood = mood

    @property
    def is_up_to_date(self) -> bool:
        """Whether it has been well for long enough to have been told everything."""
        return self.mood == "well" and trio.current_time() >= self.well_since + LOST_AT_MOST_S

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        await trio.lowlevel.checkpoint()
        return self.database.read(query)

    async def write(self, change: Callable[[sa.Connection], T]) -> T:
        async with self._writing:
            with trio.move_on_after(SLOW_S if self.mood == "slow" else 0.0, shield=True):
                await self.killed.wait()
            if self.mood == "away" or self.killed.is_set():
                raise OperationalError("write", {}, Exception("the store is away"))
            written = self.database.write(change)
            if self.mood == "forgetful":
                raise OperationalError("commit", {}, Exception("the store went away"))
            return written


# --- what is so ------------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class Stretch:
    """Of use: from the first who came in to the last who went out."""

    id: int
    room: str
    name: str
    began: datetime
    until: datetime | None = None
    """None: it lasts."""
    may_go_on: bool = False
    """It has an end, unless somebody comes back within the grace time after a restart."""
    went_on: tuple[datetime, datetime] | None = None
    """When somebody came back, and its end until then."""
    present: set[str] = attrs.field(factory=set)

    def known_until(self, sure: datetime) -> datetime:
        """At least, to whoever knows all that was until `sure`. Nobody was there while it might go on."""
        if self.went_on is not None and self.went_on[0] > sure:
            return self.went_on[1]
        return min(self.until or clock(), sure)

    def as_use(self) -> Use:
        length = (self.until or clock()) - self.began
        return Use(self.id, self.name, self.began, int(length.total_seconds()))


class Ledger:
    def __init__(self) -> None:
        self.stretches: list[Stretch] = []
        """In the order of their ids."""
        self._grace_ends = 0.0

    def lasting(self) -> dict[str, Stretch]:
        return {stretch.room: stretch for stretch in self.stretches if stretch.until is None}

    def uses(self) -> list[Use]:
        """Newest first."""
        uses = [stretch.as_use() for stretch in self.stretches]
        return sorted(uses, key=lambda use: (use.began_at, use.id), reverse=True)

    def observe(self, event: RoomEvent) -> None:
        match event.event:
            case MemberJoined(member):
                stretch = self.lasting().get(event.room) or self._resumed(event.room) or self._begun(event)
                stretch.present.add(member.id)
            case MemberLeft(member):
                stretch = self.lasting()[event.room]
                stretch.present.remove(member)
                if not stretch.present:
                    stretch.until = event.at

    def _resumed(self, room: str) -> Stretch | None:
        for stretch in self.stretches:
            if stretch.room == room and stretch.may_go_on and trio.current_time() < self._grace_ends:
                assert stretch.until is not None
                stretch.went_on = clock(), stretch.until
                stretch.until, stretch.may_go_on = None, False
                return stretch
        return None

    def _begun(self, event: RoomEvent) -> Stretch:
        last = self.stretches[-1].id if self.stretches else 0
        self.stretches.append(Stretch(last + 1, event.room, event.name, event.at))
        return self.stretches[-1]

    def restart(self, rows: Mapping[int, SessionRecord], rooms: Collection[str], sure: datetime) -> None:
        """What was until `sure` has to be in the store; of the rest, what is there is true."""
        for stretch in self.stretches:
            row = rows.get(stretch.id)
            if row is None:
                assert stretch.began > sure, f"{stretch} is lost"
                continue
            assert (row.room, row.room_name, row.began_at) == (stretch.room, stretch.name, stretch.began)
            assert stretch.known_until(sure) <= row.until <= (stretch.until or clock()), (stretch, row)
            if stretch.until is not None and stretch.until <= sure and not stretch.may_go_on:
                assert not row.running, (stretch, row)
        assert rows.keys() <= {stretch.id for stretch in self.stretches}, "nobody was there"
        self.stretches = [
            Stretch(row.id, row.room, row.room_name, row.began_at, row.until, row.running and row.room in rooms)
            for _, row in sorted(rows.items())
        ]
        self._grace_ends = trio.current_time() + GRACE_S


# --- the stage -------------------------------------------------------------------------------------------------------


class World(KpointStage):
    """One server after another, each put together as api/server.py does it, and what observes its rooms."""

    def __init__(self, nursery: trio.Nursery, database: Database) -> None:
        self.database = database
        self.ledger = Ledger()
        super().__init__(nursery, RoomApiSettings(), KpointSettings())
        self._room_api |= CALLS.keys()
        self.owner = self.licences.mint(ACME, is_owner=True)
        self.guests = {place: self.licences.mint(ACME, room_name=place) for place in PLACES}
        self.group = PLACES[0]
        """The latest, once there is one."""

    def _new_rooms(self) -> Rooms:
        return Rooms(
            self.engine,
            self.directory,
            self.tokens,
            self.settings,
            [self],
            licences=self.licences,
            licence_rooms=self.licence_rooms,
            kpoint=self.kpoint,
            clock=clock,
        )

    def observe(self, event: RoomEvent) -> None:
        if not self.store.killed.is_set():
            self.ledger.observe(event)
            self.sessions.observe(event)

    # --- its servers ---

    async def start(self) -> None:
        self.store = FickleStore(self.database)
        self.licence_rooms = await StoredLicenceRooms.open(self.store)  # type: ignore[assignment]
        self.sessions = await Sessions.open(
            self.store,
            rooms=[room.uuid for room in await self.licence_rooms.all()],
            describe=lambda remote: Visitor("", ""),
            grace_s=GRACE_S,
        )
        self.engine = FakeEngine()
        self.rooms = self._new_rooms()
        self.life, self.signal, self.over = trio.CancelScope(), trio.Event(), trio.Event()
        await self._nursery.start(self._serve_all)

    async def _serve_all(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self.life:
            async with trio.open_nursery() as store_nursery:
                await store_nursery.start(self.licence_rooms.run)  # type: ignore[attr-defined]
                await store_nursery.start(self.sessions.run)
                async with trio.open_nursery() as rooms_nursery:
                    await rooms_nursery.start(self.rooms.run)
                    await self.rooms.restore()
                    task_status.started()
                    await self.signal.wait()
                    with trio.move_on_after(DRAIN_S + LAST_WORDS_S):
                        await self.rooms.drain(DRAIN_S)
                    rooms_nursery.cancel_scope.cancel()
                store_nursery.cancel_scope.cancel()
        self.over.set()

    async def stop(self) -> None:
        self.signal.set()
        await self._end(may_lose_s=0.0)

    async def kill(self) -> None:
        self.store.killed.set()
        for client in self.clients.values():
            client.handler.cancel()
        self.life.cancel()
        await self._end(may_lose_s=LOST_AT_MOST_S)

    async def _end(self, may_lose_s: float) -> None:
        await self.over.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert self.engine.open_peers() == []
        self.clients.clear()
        sure = clock() - timedelta(seconds=may_lose_s) if self.store.is_up_to_date else BEGIN - timedelta.resolution
        self.ledger.restart({row.id: row for row in self.rows()}, [room.uuid for room in self.stored_rooms()], sure)

    def rows(self) -> list[SessionRecord]:
        return self.database.read(lambda connection: sessions.began_within(connection, int(ACME), BEGIN, None, 10_000))

    def stored_rooms(self) -> list[LicenceRoom]:
        return self.database.read(licence_rooms.all_rooms)

    def hosts(self) -> list[Any]:
        return list(self.rooms._hosts.values())

    def place_of(self, member: str) -> str:
        return next((host.record.name for host in self.hosts() if host.member(member) is not None), "")

    def host_of(self, place: str) -> str:
        return next((host.licensed.host for host in self.hosts() if host.licensed.name == place), "")

    # --- whether it is so ---

    async def check(self) -> None:
        present = {host.id: {member.id for member in host.members} for host in self.hosts() if host.members}
        running = {session.room: set(session.present) for session in self.sessions.running(ACME)}
        assert present == running == {room: stretch.present for room, stretch in self.ledger.lasting().items()}
        assert await self.sessions.uses(ACME, BEGIN, None) == self.ledger.uses()
        self._check_places(present)

    def _check_places(self, present: dict[str, set[str]]) -> None:
        """Who is there has one, and there are no more than are allowed."""
        tenant, now = self.rooms.tenants._tenant(ACME), trio.current_time()
        licence = self.licences.licences[ACME]
        assert tenant.rooms.taken(now) <= (licence.room_limit or math.inf)
        assert tenant.users.taken(now) <= (licence.max_users or math.inf)
        assert all(room in tenant.rooms for room in present)
        assert all(user in tenant.users for user in tenant.registrants.keys() | set().union(*present.values()))

    async def check_that_nothing_is_held(self) -> None:
        """All sockets have gone, and all time that anybody had to come back is over: what is left is rooms that stay."""
        await self.check()
        tenant, now = self.rooms.tenants._tenant(ACME), trio.current_time()
        assert (tenant.users.taken(now), tenant.rooms.taken(now)) == (0, 0)
        assert (tenant.registrants, tenant.in_the_making) == ({}, {})
        assert (self.rooms._held, self.rooms._joined, self.rooms._connections) == ({}, {}, {})
        assert self.engine.open_peers() == []
        assert all(host.left_alone and not host.licensed.destroy for host in self.hosts())
        rooms = {name: host.id for name, host in tenant.hosts.items()}
        assert sorted(rooms.values()) == sorted(host.id for host in self.hosts())
        assert rooms == {room.name: room.uuid for room in self.stored_rooms()}
        assert sorted((row.id, row.room, row.began_at, row.until, row.running) for row in self.rows()) == [
            (each.id, each.room, each.began, each.until, False) for each in self.ledger.stretches
        ]


# --- the people ------------------------------------------------------------------------------------------------------

PLACES = ("den", "hall")
USERS = ("ann", "ben", "cleo")
CALLS = {"rita": "rita", "sam": "ben"}
"""By their names in the Room API; one of them uses the id of a KPOINT user."""

BY_ANYBODY = ["anew", "drop", "cut"]
BY_USER = ["register", "make", "call", "leave", "publish", *["open", "enter"] * 3]
BY_HOST = ["edit", "group", "enter group", "end group", "kick", "destroy"]
BY_CALL = ["ask", "join", "watch", "leave", "remove", "lose", *["come"] * 3]


class Person:
    """Uses its latest socket, and a new one if that is gone; the others stay as they are."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.sockets: list[Client] = []
        self.token = ""
        self.joins = False
        """As soon as it has a token."""

    def client(self, is_new: bool = False) -> Any:
        if is_new or not self.sockets or not self.sockets[-1].served:
            self.sockets.append(self.world.client(f"{self.name}/{len(self.sockets)}"))
        return self.sockets[-1]

    def act(self, deed: str, place: str, flag: bool) -> None:
        client = self.client(is_new=deed == "anew")
        match deed:
            case "anew":
                pass
            case "drop" | "cut":
                (client.socket.vanish if deed == "drop" else client.handler.cancel)()
                client.served = False
            case "lose":
                if CALLS[self.name] in self.world.engine.open_peers():
                    self.world.engine.peer(CALLS[self.name]).listener.lost("closed" if flag else "consent")
            case _ if self.name in CALLS:
                self.joins = deed == "come"
                client.send(*self._message(deed, place, flag))
            case _:
                for op, fields in self._requests(deed, place, flag):
                    client.request(op, self.world._fields(client, op, fields))

    def _message(self, deed: str, place: str, flag: bool) -> tuple[str, dict[str, Any]]:
        """Of the Room API."""
        access = self.world.owner if flag else self.world.guests[place]
        proof = {"room": place, "call_id": CALLS[self.name], "access_token": access}
        return {
            "come": ("authenticate", proof),
            "ask": ("authenticate", proof),
            "join": ("join_room", {"sdp": "offer", "auth_token": self.token}),
            "watch": ("watch_room", {"auth_token": self.token}),
            "leave": ("leave_room", {}),
            "remove": ("remove_member", {"member": "ann" if flag else "ben"}),
        }[deed]

    def _requests(self, deed: str, place: str, flag: bool) -> list[tuple[str, dict[str, Any]]]:
        """Of KPOINT."""
        there, group = {"roomId": place}, self.world.group
        here = {"roomId": self.world.place_of(self.name) or place}
        register: tuple[str, dict[str, Any]] = ("register", {})
        make, join = ("createVideoRoom", there | {"destroy": flag}), ("joinRoom", there)
        requests: dict[str, list[tuple[str, dict[str, Any]]]] = {
            "register": [("register", {"forced": flag})],
            "make": [register, make],
            "open": [register, make, join],
            "call": [register, ("createRoom", there | {"destroy": flag}), join],
            "enter": [("register", {"forced": True}), join],
            "leave": [("leaveRoom", here)],
            "publish": [("sdpRoom", here | {"sdp": {"type": "offer", "sdp": "offer"}})],
            "edit": [("editRoomInfo", there | ({"capacity": 2} if flag else {"host": "ben"}))],
            "group": [("createGroup", there | {"list": list(USERS)})],
            "enter group": [("joinRoom", {"roomId": group})],
            "end group": [("endGroup", there | {"groupId": group})],
            "kick": [("kickOut", there | {"target": "ben"})],
            "destroy": [("destroyRoom", there)],
        }
        return requests[deed]

    def read(self) -> None:
        for client in self.sockets:
            while client.inbox:
                match client.inbox.popleft():
                    case {"result": {"auth_token": token}}:
                        self.token = token
                        if self.joins:
                            self.client().send("join_room", {"sdp": "offer", "auth_token": token})
                    case {"eventOp": "createGroup", "code": "200", "groupId": group}:
                        self.world.group = group


# --- the stories -----------------------------------------------------------------------------------------------------

Deed = tuple[str, str, str, bool]
"""Who, what, where, and which of two ways."""
Scene = tuple[list[Deed], str, float]
"""Deeds at one time, then what the world does, and seconds."""

WHERE = st.sampled_from(["den", "den", "hall"])
DEEDS = st.one_of(
    st.tuples(st.sampled_from(USERS), st.sampled_from(BY_USER * 2 + BY_HOST * 2 + BY_ANYBODY), WHERE, st.booleans()),
    st.tuples(st.sampled_from(sorted(CALLS)), st.sampled_from(BY_CALL * 2 + BY_ANYBODY), WHERE, st.booleans()),
)
TURNS = ["well", "well", "slow", "away", "forgetful", "look-ups", "licence ends", "end", "restart", "kill", "kill"]
SCENES = st.lists(
    st.tuples(
        st.lists(DEEDS, max_size=8),
        st.sampled_from([*TURNS, *["nothing"] * 8]),
        st.sampled_from([0.0, 0.25, 0.25, 7.0, 11.0, 31.0]),
    ),
    max_size=10,
)
LIMITS = st.sampled_from([None, None, 1, 2, 3])


async def take_turn(world: World, turn: str) -> None:
    match turn:
        case "well" | "slow" | "away" | "forgetful":
            world.store.become(turn)
        case "look-ups":
            world.licences.look_up_s = 1.0 - world.licences.look_up_s
        case "licence ends":
            world.change_licence("acme", enabled=False)
            await world.rooms.end_licence(ACME)
        case "end":
            for host in world.hosts():
                await world.rooms.end(host.id)
        case "restart" | "kill":
            await world.settle()
            await (world.stop() if turn == "restart" else world.kill())
            await world.start()


async def tell(world: World, scenes: list[Scene]) -> None:
    people = {name: Person(world, name) for name in (*USERS, *CALLS)}
    for deeds, turn, pause_s in scenes:
        for name, deed, place, flag in deeds:
            host = world.host_of(place)
            people[host if deed in BY_HOST and host in USERS else name].act(deed, place, flag)
        await take_turn(world, turn)
        for seconds in (0.0, pause_s):
            await trio.sleep(seconds)
            await world.settle()
            for person in people.values():
                person.read()
            await world.settle()
            await world.check()
        world.change_licence("acme", enabled=True)


@pytest.fixture
def database(tmp_path: Path, store_url: str) -> Iterator[Database]:
    database = Database(tmp_path, store_url)
    for domain in LICENCES:
        database.write(partial(make, keyring=Keyring.open(tmp_path), domain=domain))
    yield database
    database.close()


def _clear(connection: sa.Connection) -> None:
    for table in (tables.session_connections, tables.sessions, tables.licence_rooms):
        connection.execute(sa.delete(table))


# Each story begins with an empty store; and a busy machine changes no verdict.
SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@given(SCENES, LIMITS, LIMITS)
@settings(deadline=None, max_examples=50, suppress_health_check=SUPPRESSED)
def test_nothing_is_left_of_anybody(
    database: Database, scenes: list[Scene], room_limit: int | None, max_users: int | None
) -> None:
    async def story() -> None:
        async with trio.open_nursery() as nursery:
            world = World(nursery, database)
            world.change_licence("acme", room_limit=room_limit, max_users=max_users)
            await world.start()
            await tell(world, scenes)
            world.store.become("well")
            for client in world.clients.values():
                client.socket.vanish()
            await trio.sleep(ALL_GONE_S)
            await world.check()
            await trio.sleep(UNUSED_ROOM_S)
            await world.check_that_nothing_is_held()
            await world.stop()
            nursery.cancel_scope.cancel()

    database.write(_clear)
    with structlog.testing.capture_logs(processors=[structlog.processors.format_exc_info]) as logged:
        trio.run(story, clock=MockClock(autojump_threshold=0))
    # Nothing failed but what was refused by the store.
    assert [entry for entry in logged if "the store" not in entry.get("exception", entry.get("error", ""))] == []
