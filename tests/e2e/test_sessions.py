"""Sessions and usage of licences (contract s-connector) by a whole server: rooms of every dialect, across restarts and
`kill -9`, and what keeps people and requests out.

Nobody here has media: those of the Room API offer what they never connect, which they may for `[media] connect_timeout_s`.
"""

import itertools
import json
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import attrs
import httpx
import pytest
import trio

from api.store import Database, sessions
from benches.offers import Endpoint
from sfu.wire.sdp import Fingerprint
from tests.api.conftest import atrium
from tests.e2e.conftest import Running, Start
from tests.e2e.kpoint import KpointSocket
from tests.e2e.room import PATIENCE_S, Refusal, RoomSocket, Socket

PAIR = "둘이서 /1 😀"
GROUP = "a < b & 'c'"
LEFT = "left"
SHOP = "https://shop.example"
GRACE_S = 3.0
# What a crash may cost a session.
LOST_S = 5
# Every session that there has been.
EVER = "2020-01-01"

S = TypeVar("S", bound=Socket)


@attrs.define
class Span:
    """A time of which one knows when it began and ended only by looking before and after."""

    _began: tuple[float, float]
    _ended: tuple[float, float] | None = None

    def end(self, ended: tuple[float, float]) -> None:
        self._ended = ended

    def has(self, seconds: int, *, asked: float = 0.0, lost_s: float = 0) -> bool:
        """Whether that may be its length in whole seconds; of one that runs, as it was asked for at `asked` or since."""
        earliest, latest = self._ended or (asked, time.time())
        shortest = math.floor(earliest - lost_s - self._began[1])
        return shortest <= seconds <= math.floor(latest - self._began[0])


@attrs.define
class Customer:
    """A licence, and what its holder asks of the server."""

    place: "Place"
    keys: dict[str, str]
    token: str = ""

    async def auth(self, address: str = "192.0.2.1", **changes: object) -> httpx.Response:
        pair = {"accessKey": self.keys["accessKey"], "secretKey": self.keys["secretKey"]}
        async with self.place.client() as client:
            return await client.post("/v1/auth", json={**pair, **changes}, headers={"x-forwarded-for": address})

    async def ask(self, path: str, token: str | None = None, **parameters: str) -> httpx.Response:
        """With its access token."""
        if not self.token:
            self.token = (await self.auth()).raise_for_status().json()["data"]["accessToken"]
        async with self.place.client() as client:
            headers = {"s-connector-jwt": token or self.token}
            return await client.get(path, params=parameters or None, headers=headers)

    async def data(self, path: str, token: str | None = None, **parameters: str) -> Any:
        return (await self.ask(path, token, **parameters)).raise_for_status().json()["data"]

    async def running(self) -> dict[str, int]:
        """How many people are in each room: all four requests say the same."""
        listed = {each["roomName"]: each["user"] for each in await self.data("/v1/sessions")}
        detailed = await self.detailed()
        assert {name: len(_active(session)) for name, session in detailed.items()} == listed
        for name, people in listed.items():
            one = await self.data(f"/v1/sessions/{quote(name, safe='')}", self.keys["licenceKey"])
            assert one == {"status": "WAIT" if people == 1 else "ON_GOING", "user": people, "roomName": name}
        return listed

    async def detailed(self) -> dict[str, Any]:
        """By room."""
        listed = await self.data("/v1/sessions", self.keys["licenceKey"])
        return {session["roomName"]: session for session in listed}

    async def usage(self) -> list[tuple[str, int]]:
        """Room and seconds of each session, the newest first."""
        used = await self.data("/v1/static", startTime=EVER)
        rows = [(each["roomName"], each["sessionTimeSecond"]) for each in used["detail"]]
        assert (used["domain"], used["totalSecond"]) == (self.keys["domain"], sum(seconds for _, seconds in rows))
        return rows

    async def printed_usage(self) -> dict[str, tuple[int, int]]:
        """Sessions and seconds of each room, as the command prints them."""
        used = await self.place.command("usage", self.keys["domain"])
        assert used["totalSecond"] == sum(room["seconds"] for room in used["rooms"])
        return {room["roomName"]: (room["sessions"], room["seconds"]) for room in used["rooms"]}


def _active(session: Any) -> list[str]:
    return sorted(each["userName"] for each in session["sessionTokens"] if each["status"] == "active")


@attrs.define
class Place:
    """A server that may be started again on what the last one left, and those who connect to it."""

    serve: Start
    nursery: trio.Nursery
    settings: dict[str, str]
    running: Running
    sockets: list[Socket] = attrs.Factory(list)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.running.http, trust_env=False, timeout=PATIENCE_S)

    async def command(self, *words: str) -> Any:
        def run() -> Any:
            done = atrium("licence", *words, "--data", str(self.running.directory), "--json", **self.settings)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        return await trio.to_thread.run_sync(run)

    async def customer(self, domain: str, *terms: str) -> Customer:
        return Customer(self, await self.command("add", "--domain", domain, *terms))

    async def connect(self, kind: type[S]) -> S:
        self.sockets.append(made := await kind.open(self.nursery, self.running.http))
        return made

    async def register(self, customer: Customer, user: str) -> KpointSocket:
        socket = await self.connect(KpointSocket)
        socket.user = user
        keys = {name: customer.keys[name] for name in ("cpCode", "authKey")}
        await socket.ask("register", ipAddr="127.0.0.1", name=user, **keys)
        return socket

    async def admit(self, customer: Customer, room: str, call: str, **more: str) -> tuple[RoomSocket, str]:
        """To the Room API, by an access token; the socket, and the token for this call."""
        await customer.ask("/v1/info")
        socket = await self.connect(RoomSocket)
        return socket, await socket.authenticate(room, call, access_token=customer.token, **more)

    async def enter(self, customer: Customer, room: str, call: str, **more: str) -> tuple[RoomSocket, str]:
        socket, token = await self.admit(customer, room, call, **more)
        await join(socket, token)
        return socket, token

    async def stop(self, kill: bool) -> tuple[float, float]:
        """Between which moments it ended."""
        before = time.time()
        popen = self.running.popen
        (popen.kill if kill else popen.terminate)()
        await trio.to_thread.run_sync(popen.wait, PATIENCE_S)
        for socket in self.sockets:
            socket.end()
        self.sockets.clear()
        return before, time.time()

    async def start(self) -> None:
        self.running = await trio.to_thread.run_sync(lambda: self.serve(**self.settings))

    async def stored_as_running(self, rooms: set[str]) -> None:
        """Waits until the store says that these run, and no others."""
        database = Database(self.running.directory, self.settings.get("ATRIUM_STORE_URL", ""))
        found: set[str] = set()
        try:
            with trio.move_on_after(PATIENCE_S):
                while (found := {record.room_name for record, _ in database.read(sessions.running)}) != rooms:
                    await trio.sleep(0.05)
                return
        finally:
            database.close()
        raise AssertionError(f"the store says that these run: {found}")


@asynccontextmanager
async def served(serve: Start, **settings: str) -> AsyncIterator[Place]:
    settings = {"ATRIUM_ROOM_API_SOCKET_GRACE_S": str(GRACE_S), **settings}
    running = await trio.to_thread.run_sync(lambda: serve(**settings))
    async with trio.open_nursery() as nursery:
        place = Place(serve, nursery, settings, running)
        try:
            yield place
        finally:
            for each in place.sockets:
                each.end()
            nursery.cancel_scope.cancel()


async def join(socket: RoomSocket, token: str) -> None:
    offer = Endpoint(1, "abcd1234", secrets.token_hex(16), Fingerprint("sha-256", bytes(32))).audience()
    await socket.ask("join_room", sdp=offer, auth_token=token)


async def begun(something: Callable[[], Any]) -> Span:
    before = time.time()
    await something()
    return Span((before, time.time()))


async def nobody_in(customer: Customer) -> None:
    with trio.fail_after(PATIENCE_S):
        while await customer.data("/v1/sessions"):
            await trio.sleep(0.05)


@pytest.fixture
def store_url(request: pytest.FixtureRequest, database: str) -> Any:
    if database == "sqlite":
        yield ""
        return
    with request.getfixturevalue("cluster").database() as url:
        yield url


@pytest.mark.parametrize(
    ("database", "kill", "runs_s"),
    [
        pytest.param("sqlite", False, 1.5, id="restart"),
        # Long enough that not all of it may be lost.
        pytest.param("sqlite", True, LOST_S + 1.5, id="kill"),
        pytest.param("postgresql", True, 1.5, id="kill, PostgreSQL"),
    ],
)
async def test_rooms_of_every_dialect_are_sessions_across_the_end_of_the_server(
    serve: Start, store_url: str, kill: bool, runs_s: float
) -> None:
    """Those whose members come back in time go on as the same sessions; the others end when they were last seen.

    KPOINT knows of coming back only after a crash: a server that stops closes its sockets, which is to leave.
    """
    lost_s = LOST_S if kill else 0
    async with served(serve, **({"ATRIUM_STORE_URL": store_url} if store_url else {})) as place:
        trial, shop = await place.customer("trial"), await place.customer(SHOP)
        ann, bob = await place.register(trial, "ann"), await place.register(trial, "bob")
        await ann.ask("createRoom", roomId=PAIR, destroy=True)
        await bob.ask("createVideoRoom", roomId="unused", destroy=True)
        assert await trial.running() == {}

        pair = await begun(lambda: ann.ask("joinRoom", roomId=PAIR))
        assert await trial.running() == {PAIR: 1}
        await bob.ask("joinRoom", roomId=PAIR)
        socket, token = await place.admit(trial, GROUP, "carl")
        group = await begun(lambda: join(socket, token))
        left = await begun(lambda: place.enter(trial, LEFT, "dora"))
        with pytest.raises(Refusal, match="401"):
            await place.admit(shop, GROUP, "eve")
        framed = await begun(lambda: place.enter(shop, GROUP, "eve", origin=SHOP))
        await trio.sleep(runs_s)

        assert await trial.running() == {PAIR: 2, GROUP: 1, LEFT: 1}
        assert await shop.running() == {GROUP: 1}
        before = await trial.detailed()
        assert list(before) == [PAIR, GROUP, LEFT]
        assert [_active(each) for each in before.values()] == [["ann", "bob"], ["carl"], ["dora"]]
        for customer, spans in ((trial, {LEFT: left, GROUP: group, PAIR: pair}), (shop, {GROUP: framed})):
            asked = time.time()
            used = await customer.usage()
            assert [name for name, _ in used] == list(spans)
            assert all(spans[name].has(seconds, asked=asked) for name, seconds in used), used

        ended = await place.stop(kill)
        await place.start()
        assert await trial.running() == await shop.running() == {}
        carl = await place.connect(RoomSocket)
        await join(carl, token)
        back = {GROUP: 1}
        if kill:
            ann, bob = await place.register(trial, "ann"), await place.register(trial, "bob")
            await ann.ask("joinRoom", roomId=PAIR)
            await bob.ask("joinRoom", roomId=PAIR)
            back[PAIR] = 2
        else:
            pair.end(ended)
        assert await trial.running() == back
        after = await trial.detailed()
        for name, session in after.items():
            same = ("id", "sessionId", "createdAt")
            assert [session[key] for key in same] == [before[name][key] for key in same]
            # Of before, and again.
            assert len(session["sessionTokens"]) == 2 * len(before[name]["sessionTokens"])
        await place.stored_as_running(set(back))

        left.end(ended)
        framed.end(ended)
        (of_left,) = [seconds for name, seconds in await trial.usage() if name == LEFT]
        ((_, of_framed),) = await shop.usage()
        assert left.has(of_left, lost_s=lost_s), of_left
        assert framed.has(of_framed, lost_s=lost_s), of_framed

        # A new use of the name is a session of its own.
        before_dora = time.time()
        dora, _ = await place.enter(trial, LEFT, "dora")
        await dora.tell("leave_room")
        if kill:
            await ann.ask("leaveRoom", roomId=PAIR)
            before_last = time.time()
            await bob.ask("leaveRoom", roomId=PAIR)
            pair.end((before_last, time.time()))
        before_last = time.time()
        await carl.tell("leave_room")
        await nobody_in(trial)
        over = time.time()
        group.end((before_last, over))
        (_, again), *rows = await trial.usage()
        assert [name for name, _ in rows] == [LEFT, GROUP, PAIR]
        assert dict(rows)[LEFT] == of_left
        assert again <= over - before_dora
        assert pair.has(dict(rows)[PAIR]) and group.has(dict(rows)[GROUP]), rows
        await place.stored_as_running(set())
        assert await trial.usage() == [(LEFT, again), *rows]
        expected = {PAIR: (1, dict(rows)[PAIR]), GROUP: (1, dict(rows)[GROUP]), LEFT: (2, of_left + again)}
        assert await trial.printed_usage() == expected
        assert await shop.printed_usage() == {GROUP: (1, of_framed)}


async def test_the_limit_of_rooms_holds_at_every_door(serve: Start) -> None:
    async with served(serve) as place:
        trial = await place.customer("trial", "--room-limit", "1")
        other = await place.customer("other")
        zoe = await place.register(trial, "zoe")
        for room in ("pair", "group"):
            await zoe.ask("createRoom" if room == "pair" else "createVideoRoom", roomId=room, destroy=False)

        ann, _ = await place.enter(trial, "one", "ann")
        for room in ("pair", "group"):
            with pytest.raises(Refusal, match="445"):
                await zoe.ask("joinRoom", roomId=room)
        for room in ("group", "another"):
            with pytest.raises(Refusal, match="403"):
                await place.admit(trial, room, "bob")
        await place.enter(other, "another", "bob")
        await zoe.ask("joinRoom", roomId="one")
        bob, _ = await place.enter(trial, "one", "bob")
        assert await trial.running() == {"one": 3}

        await ann.tell("leave_room")
        await bob.tell("leave_room")
        await zoe.ask("leaveRoom", roomId="one")
        await nobody_in(trial)
        await zoe.ask("joinRoom", roomId="pair")
        with pytest.raises(Refusal, match="403"):
            await place.admit(trial, "one", "ann")
        await zoe.ask("leaveRoom", roomId="pair")
        await place.enter(trial, "one", "ann")
        assert await trial.running() == {"one": 1}


async def test_guessing_secrets_ends_in_429(serve: Start) -> None:
    async with served(serve) as place:
        one, two = await place.customer("one"), await place.customer("two")
        addresses = (f"192.0.2.{number}" for number in itertools.count(2))
        for _ in range(10):
            assert (await one.auth(next(addresses), secretKey="guessed")).status_code == 401
        for secret in ("guessed", one.keys["secretKey"]):
            refused = await one.auth(next(addresses), secretKey=secret)
            assert (refused.status_code, refused.json()["status"]) == (429, False)
            assert refused.headers["retry-after"] == "60"
        assert (await two.auth(next(addresses))).status_code == 200

        guesser = next(addresses)
        for number in range(10):
            assert (await two.auth(guesser, accessKey=f"key{number}")).status_code == 401
        assert (await two.auth(guesser)).status_code == 429
        assert (await two.auth(next(addresses))).status_code == 200


async def test_a_disabled_licence_is_told_nothing_but_that(serve: Start) -> None:
    async with served(serve) as place:
        trial = await place.customer("trial")
        await place.enter(trial, "room", "ann")
        assert await trial.running() == {"room": 1}
        await place.command("disable", "trial")
        for token in (trial.token, trial.keys["licenceKey"]):
            for path in ("/v1/sessions", "/v1/sessions/room", f"/v1/static?startTime={EVER}"):
                refused = await trial.ask(path, token)
                assert (refused.status_code, refused.json()["status"]) == (403, False), path
            assert (await trial.data("/v1/info", token))["enabled"] == 0
        assert (await trial.auth()).status_code == 403
        with pytest.raises(Refusal, match="403"):
            await place.admit(trial, "room", "bob")
        await place.command("enable", "trial")
        assert await trial.running() == {"room": 1}
