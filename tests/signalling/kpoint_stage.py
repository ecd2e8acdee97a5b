"""Transcripts with KPOINT clients in them, alone or beside those of the Room API: what stage.py knows, and besides

    ann  -> createRoom capacity=2           a request; reqId, userId and what it cannot do without are filled in
    ann  -> chat -reqId message=5           the same without a field
    ann  -> sdpRoom offer="no codec"        an SDP object of that type
    ann  -> createGroup list=ben,cleo       values are JSON where they look like it; `list` has commas
    ann  says '{"eventOp": 7}'              any text
    ann  <- ok roomId=den ...               the reply: code 200 and its further fields
    ann  <- 443                             or another code, and nothing else but a message for people
    ben  <- join user=ann+host              a push: of presence, by its type, or `sdp` and `candidate`, as relayed

    ann  registers [field=value …]          these five succeed, and what they cause is somebody else's transcript:
    ann  opens den [p2p] [field=value …]    registers if need be, makes the room
    ann  enters den                         registers if need be, joins it
    ann  publishes [screen]                 begins to share its screen, if it is that, and sends
    ben  watches ann [screen]               subscribes, and answers the offer
    ann  stalls; ann reads on               stops reading its socket

    rita speaks room_api                    is a client of the Room API, before anything else of hers
    rita enters den [owner]                 with an access token of the licence acme

    media holds ann/camera ben<ann/camera   the connections of the engine, as fakes.py calls them: that by which ann
                                            sends, that by which ben receives it; rita is the only one of a Room API client
    media carries ben<ann/camera audio      of these kinds; `media cuts` and `media … lost` take the same names
    licence acme becomes max_users=2        from the next question on
    licence acme ends                       with all that runs under it
    stores take 1                           seconds, until a room of a licence is kept
    server drains 60                        with so many seconds
    server crashes                          and another one finds what is in the store; all sockets are gone

Access tokens of acme, to be used over the Room API, are `guest`, `owner` and `cellarer`, for the room `cellar` and a Cid;
one of zeta is `stranger`.

A client's user id is its name, that of "ann/2" too; a room is `den` and a licence `acme` unless something else is said, also
in what is expected. What a push has to carry is in PUSHES, and is looked at each time. Every request has to be answered.

A member is written `ben:Ben+host+publishing-video-chat`: its name if it has one, what it is, what is off or not permitted.
A list of feeds is `cam:<member>,screen:ben`, a share `document:ben:<image>`.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
import trio.testing

from signalling import RoomApiSettings
from signalling.session import DialectName
from signalling.settings import KpointSettings
from tests.signalling.fakes import FakeEngine, licence
from tests.signalling.stage import Client, Stage, json_value

LICENCES = {"acme": "1", "zeta": "2"}
PUSHES = {
    # Contract kpoint, section 7: what each type carries.
    "join": {"roomId", "user"},
    "leave": {"roomId", "user"},
    "publish": {"roomId", "feeds"},
    "subscribed": {"user", "cam"},
    "screen": {"roomId", "user"},
    "whiteboard": {"roomId", "user"},
    "document": {"roomId", "user"},
    "documentShare": {"roomId", "user", "img"},
    "shareStop": {"roomId", "user"},
    "drawing": {"roomId", "user"},
    "chat": {"user", "message"},
    "inform": {"user", "message"},
    "editUserInfo": {"user", "name", "video", "audio"},
    "createGroup": {"user", "groupId"},
    "kickOut": {"user", "roomId"},
    "talking": {"user", "roomId", "talking"},
    "reqCanvasImage": {"sender", "roomId"},
    "updateImage": {"sender", "img"},
    "end": {"roomId", "user"},
    "disconnected": {"user"},
    "draining": {"deadline"},
}
MAY_HAVE = {
    "chat": {"roomId"},
    "inform": {"roomId"},
    "drawing": {"xy", "tool", "color", "strokeWidth", "drawingType", "state"},
}
RELAYS = {
    # Sections 6.1 and 6.5.
    "sdp": {"userId", "user", "roomId", "type", "target", "sdp"},
    "candidate": {"userId", "user", "target", "candidate", "type", "cam"},
}
PERMITS = ("screen", "chat", "whiteboard", "draw", "document")
MEMBER = {"id", "name", "userType", "device", "video", "audio", "publishing", "permit"}
DEFAULTS: dict[str, dict[str, Any]] = {
    "register": {"cpCode": "acme", "ipAddr": "192.0.2.1"},
    "createRoom": {"roomId": "den", "destroy": True},
    "createVideoRoom": {"roomId": "den", "destroy": True},
    "editUserInfo": {"roomId": "den"},
    "changeName": {},
    "sdp": {"type": "cam"},
    "candidate": {"candidate": {"candidate": "candidate:1"}, "type": "a", "cam": True},
    "subscribe": {"roomId": "den", "type": "cam", "video": True, "audio": True},
    "chat": {"message": "hello"},
    "inform": {"message": "hello"},
}


class KpointClient(Client):
    dialect: DialectName = "kpoint"

    def __init__(self, name: str, remote: str) -> None:
        super().__init__(name, remote)
        self.user = self.call_id
        self.is_registered = False
        self.sent = 0
        self.pending: deque[tuple[str, str | None]] = deque()
        """Of each request that is not answered yet: the `eventOp` and, if it has to come back, the `reqId`."""

    def request(self, op: str, fields: dict[str, Any]) -> None:
        self.sent += 1
        message = {"eventOp": op} | fields
        self.say(json.dumps(message))

    def say(self, text: str | bytes) -> None:
        try:
            message = json.loads(text) if isinstance(text, str) else None
        except (ValueError, RecursionError):
            message = None
        message = message if isinstance(message, dict) else {}
        op, req_id = message.get("eventOp"), message.get("reqId")
        self.pending.append((op if isinstance(op, str) else "error", req_id if isinstance(req_id, str) else None))
        self.socket.say(text)


class KpointStage(Stage):
    def __init__(self, nursery: trio.Nursery, settings: RoomApiSettings, kpoint: KpointSettings) -> None:
        super().__init__(nursery, settings, kpoint)
        for cp_code, id in LICENCES.items():
            self.licences.add(licence(id, cp_code))
        mint = self.licences.mint
        self.names |= {
            "guest": mint(LICENCES["acme"]),
            "owner": mint(LICENCES["acme"], is_owner=True),
            "cellarer": mint(LICENCES["acme"], user_name="Cid", room_name="cellar"),
            "stranger": mint(LICENCES["zeta"]),
        }
        self._room_api: set[str] = set()
        self._life = trio.CancelScope()

    def _new_client(self, name: str, remote: str) -> Client:
        return KpointClient(name, remote) if self.is_kpoint(name) else Client(name, remote)

    def is_kpoint(self, name: str) -> bool:
        return name.partition("/")[0] not in self._room_api

    async def start(self) -> None:
        await self._nursery.start(self._run)
        await self.rooms.restore()

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with self._life:
            await self.rooms.run(task_status=task_status)

    async def crash(self) -> None:
        """As by a kill: nobody says goodbye, and what counts is what the store has at this moment."""
        self.licence_rooms = self.licence_rooms.after_crash()
        for client in self.clients.values():
            client.handler.cancel()
        await trio.testing.wait_all_tasks_blocked()
        self._life.cancel()
        await trio.testing.wait_all_tasks_blocked()
        self.clients.clear()
        self.engine, self._life = FakeEngine(), trio.CancelScope()
        self.rooms = self._new_rooms()
        await self.start()

    # --- outside of transcripts ---

    def kpoint_client(self, name: str) -> KpointClient:
        client = self.client(name)
        assert isinstance(client, KpointClient)
        return client

    async def ask_kpoint(self, name: str, op: str, /, **fields: Any) -> dict[str, Any]:
        """One request and its reply; everything before the reply is forgotten, what comes after it is not."""
        client = self.kpoint_client(name)
        client.request(op, self._fields(client, op, fields))
        await self.settle()
        while "code" not in (message := client.inbox.popleft()):
            pass
        client.pending.popleft()
        if op == "register" and message["code"] == "200":
            client.user, client.is_registered = message["userId"], True
        return message

    async def must(self, name: str, op: str, /, **fields: Any) -> dict[str, Any]:
        """The same, if it succeeds; nobody else's messages are kept either."""
        reply = await self.ask_kpoint(name, op, **fields)
        assert reply["code"] == "200", reply
        for client in self.clients.values():
            client.inbox.clear()
        return reply

    async def must_register(self, name: str, /, **fields: Any) -> None:
        if not self.kpoint_client(name).is_registered:
            await self.must(name, "register", **{"userId": name.partition("/")[0]} | fields)

    async def must_enter(self, *names: str, place: str = "den") -> None:
        for name in names:
            await self.must_register(name)
            await self.must(name, "joinRoom", roomId=place)

    async def must_open(self, name: str, place: str = "den", op: str = "createVideoRoom", **fields: Any) -> None:
        await self.must_register(name)
        await self.must(name, op, roomId=place, **fields)

    async def must_publish(self, name: str, type: str) -> None:
        if type == "screen":
            await self.must(name, "screen")
        await self.must(name, "sdpRoom", type=type, sdp={"type": "offer", "sdp": f"{name}'s {type}"})

    async def must_watch(self, name: str, target: str, type: str) -> None:
        await self.must(name, "subscribe", target=target, type=type)
        await self.must(name, "sdpRoom", target=target, type=type, sdp={"type": "answer", "sdp": "answer"})

    async def enter_by_token(self, name: str, place: str, is_owner: bool) -> None:
        """A client of the Room API."""
        token = self.licences.mint(LICENCES["acme"], is_owner=is_owner)
        reply = await self.ask(
            name, "authenticate", room=place, call_id=name, display_name=name.title(), access_token=token
        )
        assert "result" in reply, reply
        self.proofs[name] = reply["result"]["auth_token"]
        reply = await self.ask(name, "join_room", sdp="offer", auth_token=self.proofs[name])
        assert "result" in reply, reply
        for client in self.clients.values():
            client.inbox.clear()

    def change_licence(self, cp_code: str, **changes: Any) -> None:
        self.licences.add(attrs.evolve(self.licences.licences[LICENCES[cp_code]], **changes))

    def members_of(self, place: str) -> list[str]:
        return [member.id for member in self.rooms.tenants.host(LICENCES["acme"], place).members]

    # --- transcripts ---

    async def play(self, transcript: str) -> None:
        await super().play(transcript)
        for client in self.clients.values():
            if isinstance(client, KpointClient) and client.served:
                assert not client.pending, f"{client.name} waits for replies to {client.pending}"

    async def _act(self, words: list[str]) -> None:
        match words:
            case [name, "speaks", "room_api"]:
                self._room_api.add(name)
            case ["licence", cp_code, "becomes", *changes]:
                fields = (word.partition("=") for word in changes)
                self.change_licence(cp_code, **{key: json_value(value) for key, _, value in fields})
            case ["licence", cp_code, "ends"]:
                await self.rooms.end_licence(LICENCES[cp_code])
            case ["look-ups", "take", seconds]:
                self.directory.look_up_s = self.licences.look_up_s = float(seconds)
            case ["stores", "take", seconds]:
                self.licence_rooms.keep_s = float(seconds)
            case ["server", "drains", seconds]:
                self._nursery.start_soon(self.rooms.drain, float(seconds))
            case ["server", "crashes"]:
                await self.crash()
            case ["media", "holds", *legs]:
                assert sorted(legs) == self.engine.open_peers()
            case ["media", "carries", leg, *kinds]:
                assert sorted(kinds) == sorted(feed.kind for feed in self.engine.peer(leg).feeds)
            case [name, "enters", place, *owner] if not self.is_kpoint(name):
                await self.enter_by_token(name, self.names.get(place, place), owner == ["owner"])
            case [name, *deed] if self.is_kpoint(name) and await self._act_as_kpoint(name, deed):
                pass
            case _:
                await super()._act(words)

    async def _act_as_kpoint(self, name: str, deed: list[str]) -> bool:
        """Whether it is a line that only KPOINT clients have."""
        match deed:
            case ["->", op, *words]:
                client = self.kpoint_client(name)
                left_out = {word[1:] for word in words if word.startswith("-")}
                given = dict(self._given(word for word in words if not word.startswith("-")))
                client.request(op, self._fields(client, op, given, left_out))
            case ["says", text]:
                self.kpoint_client(name).say(text)
            case ["registers", *words]:
                await self.must_register(name, **dict(self._given(words)))
            case ["opens", place, "p2p", *words]:
                await self.must_open(name, place, "createRoom", **dict(self._given(words)))
            case ["opens", place, *words]:
                await self.must_open(name, place, **dict(self._given(words)))
            case ["enters", place]:
                await self.must_enter(name, place=self.names.get(place, place))
            case ["publishes", *type]:
                await self.must_publish(name, *type or ["cam"])
            case ["watches", target, *type]:
                await self.must_watch(name, target, *type or ["cam"])
            case ["stalls"]:
                self.client(name).socket.stalled = True
            case ["reads", "on"]:
                self.client(name).socket.read_on()
            case _:
                return False
        return True

    def _fields(
        self, client: KpointClient, op: str, given: dict[str, Any], left_out: Set[str] = frozenset()
    ) -> dict[str, Any]:
        fields = {"reqId": f"{client.name} {client.sent + 1}", "userId": client.user}
        if op == "drawing":
            del fields["reqId"]
        fields |= DEFAULTS.get(op, {"roomId": "den"}) | given
        if op == "register":
            fields.setdefault("authKey", f"key of {fields['cpCode']}")
        return {key: value for key, value in fields.items() if key not in left_out}

    def _given(self, words: Iterable[str]) -> Iterator[tuple[str, Any]]:
        for word in words:
            key, _, value = word.partition("=")
            match key:
                case "offer" | "answer":
                    yield "sdp", {"type": key, "sdp": value or key}
                case "list":
                    yield key, value.split(",")
                case _:
                    yield key, self.names[value] if value in self.names else json_value(value)

    def _expect(self, client: Client, words: list[str]) -> None:
        if not isinstance(client, KpointClient) or words[0] == "closed":
            super()._expect(client, words)
            return
        assert client.inbox, "it received nothing"
        message = client.inbox.popleft()
        match words:
            case ["ok", *expected]:
                self._expect_reply(client, "200", expected, message)
            case [code, *expected] if code.isdecimal():
                self._expect_reply(client, code, expected, message)
            case [word, *expected]:
                self._expect_push(word, expected, message)

    def _expect_reply(self, client: KpointClient, code: str, expected: list[str], message: dict[str, Any]) -> None:
        assert client.pending, message
        op, req_id = client.pending.popleft()
        envelope = {"eventOp": op, "code": code} | ({} if req_id in (None, "") else {"reqId": req_id})
        text = message.get("message")
        assert text == "ok" if code == "200" else text and isinstance(text, str), message
        said = {key: value for key, value in message.items() if key not in ("eventOp", "code", "reqId", "message")}
        assert envelope == {key: message[key] for key in message if key != "message" and key not in said}, message
        self._match(expected, _flat(said))
        if op == "register" and code == "200":
            client.user, client.is_registered = message["userId"], True

    def _expect_push(self, word: str, expected: list[str], message: dict[str, Any]) -> None:
        assert "code" not in message and "reqId" not in message, message
        head = {"eventOp": word} if word in RELAYS else {"eventOp": "presence", "type": word}
        assert head == {key: message.get(key) for key in head}, message
        said = {key: value for key, value in message.items() if key not in head}
        fields = RELAYS.get(word) or PUSHES[word]
        assert fields <= said.keys() <= fields | MAY_HAVE.get(word, set()), message
        given = {each.partition("=")[0] for each in expected}
        if "roomId" in fields and "roomId" not in given:
            expected = ["roomId=den", *expected]
        if word in RELAYS:
            expected = [f"userId={said['user']}", *expected]
        self._match(expected, _flat(said))


def _flat(said: dict[str, Any]) -> dict[str, Any]:
    """The fields of a message as transcripts write them."""
    return dict(_flat_field(key, value) for key, value in said.items())


def _flat_field(key: str, value: Any) -> tuple[str, Any]:
    match key, value:
        case "sdp", {"type": type, "sdp": text, **others}:
            assert not others, value
            return type, text
        case (("user" | "host"), {"id": _}):
            return key, spelt(value, also={"userId"} if key == "user" else set())
        case "members", {**members}:
            assert list(members) == [member["id"] for member in members.values()], value
            return key, ",".join(spelt(member) for member in members.values())
        case "feeds", [*feeds]:
            return key, ",".join(map(_feed, feeds))
        case "iceServers", [*servers]:
            return key, ",".join(url for server in servers for url in server["urls"])
        case "share", {"type": kind, "user": user, **image}:
            assert image.keys() <= {"img"}, value
            return key, ":".join([kind, user, *image.values()])
    return key, value


def spelt(member: dict[str, Any], also: Set[str] = frozenset()) -> str:
    """A Member (section 5.2), which has exactly its fields."""
    assert member.keys() == MEMBER | also, member
    assert member.get("userId", member["id"]) == member["id"], member
    assert member["userType"] in ("host", "guest"), member
    assert member["permit"].keys() == set(PERMITS), member
    flags = [member[flag] for flag in ("video", "audio", "publishing")] + [*member["permit"].values()]
    assert all(isinstance(flag, bool) for flag in flags), member
    words = [":".join(filter(None, [member["id"], member["name"]]))]
    words += ["+host"] if member["userType"] == "host" else []
    words += ["+publishing"] if member["publishing"] else []
    words += [f"-{flag}" for flag in ("video", "audio") if not member[flag]]
    words += [f"-{permit}" for permit in PERMITS if not member["permit"][permit]]
    return "".join(words)


def _feed(feed: dict[str, Any]) -> str:
    match feed:
        case {"type": "cam", **member}:
            return f"cam:{spelt(member)}"
        case {"type": "screen", "id": id, **others} if not others:
            return f"screen:{id}"
    raise AssertionError(f"no such feed: {feed}")


@asynccontextmanager
async def open_kpoint_stage(
    kpoint: KpointSettings | None = None, prepare: Callable[[KpointStage], None] | None = None
) -> Any:
    """`prepare` may change what is in the store before the server starts."""
    async with trio.open_nursery() as nursery:
        stage = KpointStage(nursery, RoomApiSettings(), kpoint or KpointSettings())
        if prepare is not None:
            prepare(stage)
        await stage.start()
        yield stage
        nursery.cancel_scope.cancel()
