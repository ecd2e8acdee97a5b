"""Transcripts that run: who sends what, and who receives what, in which order.

    anna  -> join_room audio_muted=true        a request; its id is made up, its obvious parameters are filled in
    anna  => mute_audio                        the same without an id
    anna  <- ok is_admin=false ...             the reply: its result, or an error's code
    anna  <- error 401
    bob   <- member_join_room id=anna ...      a notification; "..." means that it may say more
    anna  <- closed 4001                       the socket's end

    anna  enters [room]     authenticates and joins; what that causes is somebody else's transcript
    anna  drops             its socket is gone
    anna  is cancelled      so is its handler, as the server does it with a peer that is gone
    media anna lost closed  the engine speaks; also: media speaker anna | nobody
    wait 9.9                seconds
    end room

Whatever is received must be expected before the next line acts: silence is part of a transcript. A client is a call;
"anna/2" is another socket that acts for the same call.
"""

import json
import re
import shlex
from collections import deque
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
import trio.testing

from signalling import RoomApiSettings, Rooms, serve_connection
from tests.signalling.fakes import Diary, FakeDirectory, FakeEngine, FakeSocket, FakeTokens, listed, room

OPEN = "11111111-1111-4111-8111-111111111111"
LISTED = "22222222-2222-4222-8222-222222222222"
PASSWORD = "33333333-3333-4333-8333-333333333333"
NOWHERE = "99999999-9999-4999-8999-999999999999"
PLACES = {"open": OPEN, "listed": LISTED, "password": PASSWORD, "nowhere": NOWHERE}

PUBLIC_DEFAULTS = {
    "hand_raised": False,
    "screen_share": False,
    "audio_muted": False,
    "video_muted": False,
    "audio_muted_by_admin": False,
    "video_muted_by_admin": False,
    "is_sip": False,
}


class Client:
    """The client's end of one socket."""

    def __init__(self, name: str, remote: str) -> None:
        self.name = name
        self.call_id = name.partition("/")[0]
        self.remote = remote
        self.socket = FakeSocket()
        self.inbox: deque[dict[str, Any]] = deque()
        self.requests = 0
        self.done = False
        self.handler = trio.CancelScope()
        self.served = True
        """Whether the server still has it."""

    def read(self) -> None:
        while self.socket.received:
            self.inbox.append(json.loads(self.socket.received.popleft()))
        if self.socket.closed is not None and not self.done:
            self.done = True
            self.inbox.append({"closed": self.socket.closed})

    def send(self, method: str, params: dict[str, Any], with_id: bool = True) -> None:
        message: dict[str, Any] = {"method": method, "params": params}
        if with_id:
            self.requests += 1
            message["id"] = self.requests
        self.socket.say(json.dumps(message))


class Stage:
    def __init__(self, nursery: trio.Nursery, settings: RoomApiSettings) -> None:
        self.engine = FakeEngine()
        self.directory = FakeDirectory()
        self.tokens = FakeTokens()
        self.diary = Diary()
        self.settings = settings
        self.rooms = Rooms(self.engine, self.directory, settings, [self.diary])
        self.clients: dict[str, Client] = {}
        self.proofs: dict[str, str] = {}
        self._nursery = nursery
        self.directory.add_room(room(OPEN, name="the open room"))
        self.directory.add_room(room(LISTED, open=False, members=listed(anna=True, bob=False)))
        self.directory.add_room(room(PASSWORD, open=False, force_password=True, has_password=True))
        for name in ("anna", "bob", "carl"):
            self.directory.add_user(name, name.title())

    def client(self, name: str, remote: str = "192.0.2.1") -> Client:
        if name not in self.clients:
            client = self.clients[name] = Client(name, remote)
            self._nursery.start_soon(self._serve, client)
        return self.clients[name]

    async def _serve(self, client: Client) -> None:
        with client.handler:
            await serve_connection(
                client.socket, "room_api", self.rooms, self.directory, self.tokens, self.settings, client.remote
            )
        client.served = False

    async def settle(self) -> None:
        await trio.testing.wait_all_tasks_blocked()
        for client in self.clients.values():
            client.read()

    async def ask(self, name: str, method: str, **params: Any) -> dict[str, Any]:
        """One request and its reply; everything before the reply is forgotten."""
        client = self.client(name)
        client.send(method, params)
        await self.settle()
        while (message := client.inbox.popleft()).get("id") != client.requests:
            pass
        return message

    async def enter(self, name: str, place: str = OPEN, **flags: bool) -> dict[str, Any]:
        reply = await self.ask(name, "authenticate", room=place, call_id=self.client(name).call_id, display_name=name)
        self.proofs[self.client(name).call_id] = reply["result"]["auth_token"]
        reply = await self.ask(name, "join_room", sdp="offer", auth_token=reply["result"]["auth_token"], **flags)
        for client in self.clients.values():
            client.inbox.clear()
        return reply

    def members(self, place: str = OPEN) -> list[str]:
        return [member.id for member in self.rooms.members(place)]

    def state(self) -> object:
        """All that a failed request must leave as it is."""
        return [attrs.evolve(room) for room in self.rooms.snapshot()], self.engine.open_peers(), self.diary.events[:]

    # --- transcripts ---

    async def play(self, transcript: str) -> None:
        for number, line in enumerate(transcript.splitlines(), 1):
            words = shlex.split(line, comments=True)
            if not words:
                continue
            try:
                if len(words) > 1 and words[1] == "<-":
                    self._expect(self.client(words[0]), words[2:])
                else:
                    self._silence()
                    await self._act(words)
                    await self.settle()
            except AssertionError as reason:
                raise AssertionError(f"line {number}: {line.strip()}\n{reason}") from None
        self._silence()

    def _silence(self) -> None:
        unexpected = {client.name: list(client.inbox) for client in self.clients.values() if client.inbox}
        assert unexpected == {}, f"nobody expected {unexpected}"

    async def _act(self, words: list[str]) -> None:
        match words:
            case ["wait", seconds]:
                await trio.sleep(float(seconds))
            case ["end", place]:
                assert await self.rooms.end(PLACES[place])
            case ["delete", place]:
                del self.directory.rooms[PLACES[place]]
            case ["media", name, "lost", reason]:
                self.engine.room.peers[name].listener.lost(reason)
            case ["media", "speaker", name]:
                self.engine.room.listener.active_speaker(None if name == "nobody" else name)
            case [name, "drops"]:
                self.client(name).socket.vanish()
            case [name, "is", "cancelled"]:
                self.client(name).handler.cancel()
            case [name, "enters", *place]:
                await self.enter(name, PLACES[place[0]] if place else OPEN)
            case [name, "->", method, *params]:
                self.client(name).send(method, self._params(name, method, params))
            case [name, "=>", method, *params]:
                self.client(name).send(method, self._params(name, method, params), with_id=False)
            case _:
                raise AssertionError("no such line")

    def _params(self, name: str, method: str, words: list[str]) -> dict[str, Any]:
        call_id = name.partition("/")[0]
        token = self.proofs.get(call_id, "none")
        defaults: dict[str, dict[str, Any]] = {
            "authenticate": {"room": OPEN, "call_id": call_id},
            "join_room": {"sdp": "offer", "auth_token": token},
            "subscribe_room": {"sdp": "offer", "auth_token": token, "members": []},
        }
        params = defaults.get(method, {})
        for word in words:
            key, _, value = word.partition("=")
            if key == "members":
                params[key] = list(_wanted(value))
            elif key == "room":
                params[key] = PLACES.get(value, value)
            elif key == "auth_token":
                params[key] = self.proofs.get(value, value)
            else:
                params[key] = _value(value)
        return params

    def _expect(self, client: Client, words: list[str]) -> None:
        assert client.inbox, "it received nothing"
        message = client.inbox.popleft()
        match words:
            case ["closed", code]:
                assert {"closed": int(code)} == message
            case ["error", code]:
                assert message.get("id") == client.requests, message
                assert int(code) == message.get("error", {}).get("code"), message
            case ["ok", *expected]:
                assert message.get("id") == client.requests, message
                result = message.get("result")
                if isinstance(result, dict) and "auth_token" in result:
                    self.proofs[client.call_id] = result["auth_token"]
                _match(expected, {"members": result} if isinstance(result, list) else result)
            case [method, *expected]:
                assert {"method", "params"} == message.keys(), message
                assert method == message["method"], message
                _match(expected, message["params"])


def _match(words: list[str], actual: Any) -> None:
    assert isinstance(actual, dict), actual
    open_ended = words[-1:] == ["..."]
    expected = {
        key: value.split(",") if key == "members" and value else [] if key == "members" else _value(value)
        for key, _, value in (word.partition("=") for word in words if word != "...")
    }
    seen = {
        key: [member["id"] for member in value] if key == "members" else value
        for key, value in actual.items()
        if key in expected or not open_ended
    }
    assert expected == seen, f"expected {expected}, got {actual}"


def _value(word: str) -> Any:
    if word in ("true", "false", "null") or re.fullmatch(r"-?\d+", word):
        return json.loads(word)
    return word


def _wanted(text: str) -> Iterator[dict[str, Any]]:
    """`bob@2:640x360,carl@3`"""
    for entry in filter(None, text.split(",")):
        name, mid, width, height = re.fullmatch(r"(.+)@(\w+)(?::(\d+)x(\d+))?", entry).groups()  # type: ignore[union-attr]
        yield {"id": name, "video_mid": mid} | ({"width": int(width), "height": int(height)} if width else {})


@asynccontextmanager
async def open_stage(settings: RoomApiSettings | None = None) -> Any:
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery, settings or RoomApiSettings())
        await nursery.start(stage.rooms.run)
        yield stage
        nursery.cancel_scope.cancel()
