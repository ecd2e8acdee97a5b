"""Transcripts that run: who sends what, and who receives what, in which order.

    anna  -> join_room audio_muted=true     a request; its id is made up, its obvious parameters are filled in
    anna  => mute_audio                     the same without an id
    anna  <- ok is_admin=false ...          the reply: its result, or an error's code
    anna  <- error 401
    bob   <- member_join_room id=anna ...   a notification; "..." means that it may say more
    anna  <- closed 4001                    the socket's end

    anna  enters [place] [flag=true]        authenticates, with her credentials unless the room is open, and joins
    anna  has token [place] [admin]         a token as the server could have issued it; the place is then `anna`'s
    anna  registers                         register_room_api; what these three cause is somebody else's transcript
    anna  drops                             its socket is gone
    anna  is cancelled                      so is its handler, as it happens when the server stops

    media anna lost closed                  the engine speaks; also: media speaker anna | nobody,
                                            media levels anna=50 bob=0, media rate anna 500000
    media cuts anna audio video             what the engine has been told: these kinds of anna's are dropped, no others;
    media shows anna camera | screen        whether her picture is that of a screen

    listed becomes open=true                the room's record changes; also: becomes members=carl
    delete listed                           it is gone from the store, and ended
    end listed                              it is ended only
    look-ups take 1                         every question to the directory, seconds
    wait 9.9                                seconds

Whatever is received must be expected before the next line acts: silence is part of a transcript. A line that ends with
"&" acts in the same moment as the next one. A client is a call; "anna/2" is another socket that acts for the same call.

Words that stand for other things: `user=bob` for bob's name and password; `open`, `listed` … for the uuids of these
rooms; `auth_token=anna` for the token that anna was given last. In what is expected, `call_id=?leg` gives whatever is
there the name `leg`, by which it is known from then on. Lists are written `members=anna,bob+hand_raised` (with every flag
that is set, apart from is_admin), `waiting=nora:Nora,carl:Carl:<user>`, `invited=bob:?bridge` and `failed=zoe:404`.
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

from signalling import LiveRoom, RoomApiSettings, Rooms, serve_connection
from signalling.ports import Remote
from signalling.session import DialectName
from signalling.settings import KpointSettings
from tests.signalling.fakes import (
    Diary,
    FakeDirectory,
    FakeEngine,
    FakeLicenceRooms,
    FakeLicences,
    FakeSocket,
    FakeTokens,
    listed,
    room,
)

OPEN = "11111111-1111-4111-8111-111111111111"
LISTED = "22222222-2222-4222-8222-222222222222"
PASSWORD = "33333333-3333-4333-8333-333333333333"
GUARDED = "44444444-4444-4444-8444-444444444444"
WAITING = "55555555-5555-4555-8555-555555555555"
NOWHERE = "99999999-9999-4999-8999-999999999999"
PLACES = {
    "open": OPEN,
    "listed": LISTED,  # for its list; others wait
    "password": PASSWORD,  # for nobody without it
    "guarded": GUARDED,  # for its list and those who know the password; others wait
    "waiting": WAITING,  # all but its admin wait
    "nowhere": NOWHERE,
}

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

    dialect: DialectName = "room_api"

    def __init__(self, name: str, remote: str) -> None:
        self.name = name
        self.call_id = name.partition("/")[0]
        self.remote = remote
        self.socket = FakeSocket()
        self.inbox: deque[dict[str, Any]] = deque()
        self.asked: list[str] = []
        """The methods of its requests; their ids count from 1."""
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
            self.asked.append(method)
            message["id"] = len(self.asked)
        self.socket.say(json.dumps(message))


class Stage:
    def __init__(self, nursery: trio.Nursery, settings: RoomApiSettings, kpoint: KpointSettings) -> None:
        self.engine = FakeEngine()
        self.directory = FakeDirectory()
        self.tokens = FakeTokens()
        self.licences = FakeLicences()
        self.licence_rooms = FakeLicenceRooms()
        self.diary = Diary()
        self.settings = settings
        self.kpoint = kpoint
        self.rooms = self._new_rooms()
        self.clients: dict[str, Client] = {}
        self.proofs: dict[str, str] = {}
        self.names: dict[str, Any] = dict(PLACES)
        self._nursery = nursery
        people = listed(anna=True, bob=False)
        self.directory.add_room(room(OPEN, name="the open room"))
        self.directory.add_room(room(LISTED, open=False, members=people))
        self.directory.add_room(room(PASSWORD, open=False, force_password=True, has_password=True))
        self.directory.add_room(room(GUARDED, open=False, has_password=True, members=people))
        self.directory.add_room(room(WAITING, open=False, force_waiting_room=True, members=people))
        for extension, name in enumerate(("anna", "bob", "carl"), 1001):
            self.directory.add_user(name, name.title(), str(extension))

    def _new_rooms(self) -> Rooms:
        return Rooms(
            self.engine,
            self.directory,
            self.tokens,
            self.settings,
            [self.diary],
            licences=self.licences,
            licence_rooms=self.licence_rooms,
            kpoint=self.kpoint,
        )

    def _new_client(self, name: str, remote: str) -> Client:
        return Client(name, remote)

    async def start(self) -> None:
        await self._nursery.start(self.rooms.run)

    def client(self, name: str, remote: str = "192.0.2.1") -> Client:
        if name not in self.clients:
            client = self.clients[name] = self._new_client(name, remote)
            self._nursery.start_soon(self._serve, client)
        return self.clients[name]

    async def _serve(self, client: Client) -> None:
        with client.handler:
            await serve_connection(client.socket, client.dialect, self.rooms, Remote(client.remote))
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
        while (message := client.inbox.popleft()).get("id") != len(client.asked):
            pass
        return message

    async def enter(self, name: str, place: str = OPEN, **flags: bool) -> dict[str, Any]:
        call_id = self.client(name).call_id
        proof = credentials(call_id) if place != OPEN and call_id in self.directory.users else {}
        reply = await self.ask(name, "authenticate", room=place, call_id=call_id, display_name=name, **proof)
        assert "result" in reply, reply
        token = self.proofs[call_id] = reply["result"]["auth_token"]
        reply = await self.ask(name, "join_room", sdp="offer", auth_token=token, **flags)
        assert "result" in reply, reply
        for client in self.clients.values():
            client.inbox.clear()
        return reply

    def issue(self, name: str, place: str = OPEN, is_admin: bool = False) -> str:
        """A token that the server could have issued to a user of that name."""
        user = f"id of {name}"
        self.proofs[name] = self.tokens.issue(room=place, call_id=name, user=user, name=name.title(), is_admin=is_admin)
        return self.proofs[name]

    async def register(self, name: str) -> None:
        reply = await self.ask(name, "register_room_api", **credentials(self.client(name).call_id))
        assert "result" in reply, reply

    def members(self, place: str = OPEN) -> list[str]:
        return [member.id for member in self.rooms.members(place)]

    def waiting(self, place: str) -> list[str]:
        return [party.id for live in self.rooms.snapshot() if live.id == place for party in live.waiting]

    def state(self) -> object:
        """All that a failed request must leave as it is."""
        return self.snapshot(), self.engine.open_peers(), self.diary.events[:]

    def snapshot(self) -> list[LiveRoom]:
        return [attrs.evolve(live) for live in self.rooms.snapshot()]

    # --- transcripts ---

    async def play(self, transcript: str) -> None:
        for number, line in enumerate(transcript.splitlines(), 1):
            words = shlex.split(line, comments=True)
            if not words:
                continue
            try:
                if len(words) > 1 and words[1] == "<-":
                    self._expect(self.client(words[0]), words[2:])
                elif words[-1] == "&":
                    self._silence()
                    await self._act(words[:-1])
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
            case ["look-ups", "take", seconds]:
                self.directory.look_up_s = float(seconds)
            case ["end", place]:
                assert await self.rooms.end(self.names[place])
            case ["delete", place]:
                self.directory.rooms.pop(self.names[place], None)
                await self.rooms.end(self.names[place])
            case [place, "becomes", *changes]:
                self._change(self.names[place], changes)
            case ["media", *news]:
                self._hear_from_media([self.names.get(word, word) for word in news])
            case [name, "drops"]:
                self.client(name).socket.vanish()
            case [name, "is", "cancelled"]:
                self.client(name).handler.cancel()
            case [name, "enters", *details]:
                flags = {word.removesuffix("=true"): True for word in details if "=" in word}
                places = [self.names[word] for word in details if "=" not in word]
                await self.enter(name, *places, **flags)
            case [name, "has", "token", place, *admin]:
                self.issue(name, self.names[place], is_admin=admin == ["admin"])
            case [name, "registers"]:
                await self.register(name)
            case [name, "->", method, *params]:
                self.client(name).send(method, self._params(name, method, params))
            case [name, "=>", method, *params]:
                self.client(name).send(method, self._params(name, method, params), with_id=False)
            case _:
                raise AssertionError("no such line")

    def _change(self, place: str, words: list[str]) -> None:
        changes: dict[str, Any] = {}
        for word in words:
            key, _, value = word.partition("=")
            changes[key] = listed(**{value: False}) if key == "members" else json_value(value)
        self.directory.add_room(attrs.evolve(self.directory.rooms[place], **changes))

    def _hear_from_media(self, words: list[str]) -> None:
        match words:
            case [name, "lost", reason]:
                self.engine.peer(name).listener.lost(reason)
            case ["speaker", name]:
                self.engine.room.listener.active_speaker(None if name == "nobody" else name)
            case ["levels", *levels]:
                loudness = (word.split("=") for word in levels)
                self.engine.room.listener.audio_levels({name: int(level) for name, level in loudness})
            case ["rate", name, rate]:
                self.engine.peer(name).listener.available_rate(int(rate))
            case ["cuts", name, *kinds]:
                assert set(kinds) == self.engine.peer(name).cut_kinds, self.engine.peer(name)
            case ["shows", name, "camera" | "screen" as picture]:
                assert (picture == "screen") == self.engine.peer(name).is_screen
            case _:
                raise AssertionError("media say no such thing")

    def _params(self, name: str, method: str, words: list[str]) -> dict[str, Any]:
        call_id = name.partition("/")[0]
        token = self.proofs.get(call_id, "none")
        defaults: dict[str, dict[str, Any]] = {
            "authenticate": {"room": OPEN, "call_id": call_id},
            "join_room": {"sdp": "offer", "auth_token": token},
            "watch_room": {"auth_token": token},
            "subscribe_room": {"sdp": "offer", "auth_token": token, "members": []},
            "allow_member": {"auth_token": token},
            "reject_member": {"auth_token": token},
            "register_room_api": credentials(call_id),
            "create_temp_room": {"call_id": call_id, "sdp": "offer", "invited": []} | credentials(call_id),
            "convert_to_room": {"call_id": call_id, "invited": []},
        }
        params = defaults.get(method, {})
        for word in words:
            key, _, value = word.partition("=")
            match key:
                case "user":
                    params |= credentials(value)
                case "members":
                    params[key] = list(_wanted(value))
                case "invited" | "extens":
                    params[key] = list(filter(None, value.split(",")))
                case "auth_token" if value in self.proofs:
                    params[key] = self.proofs[value]
                case _:
                    params[key] = self.names[value] if value in self.names else json_value(value)
        return params

    def _expect(self, client: Client, words: list[str]) -> None:
        assert client.inbox, "it received nothing"
        message = client.inbox.popleft()
        match words:
            case ["closed", code]:
                assert {"closed": int(code)} == message
            case ["error", code]:
                assert message.get("id") == len(client.asked), message
                assert int(code) == message.get("error", {}).get("code"), message
            case ["ok", *expected]:
                assert message.get("id") == len(client.asked), message
                result = message.get("result")
                if isinstance(result, list):
                    result = {"waiting" if client.asked[-1] == "get_waiting_room_members" else "members": result}
                self._match(expected, result)
                self._keep_proof(client, result)
            case [method, *expected]:
                assert {"method", "params"} == message.keys(), message
                assert method == message["method"], message
                self._match(expected, message["params"])
                if method == "member_allowed":
                    self._keep_proof(client, message["params"])

    def _keep_proof(self, client: Client, said: dict[str, Any]) -> None:
        if "auth_token" in said:
            self.proofs[client.call_id] = said["auth_token"]

    def _match(self, words: list[str], actual: Any) -> None:
        assert isinstance(actual, dict), actual
        open_ended = words[-1:] == ["..."]
        expected = {}
        seen = {
            key: [_spelt(entry) for entry in value] if isinstance(value, list) else value
            for key, value in actual.items()
        }
        for key, _, value in (word.partition("=") for word in words if word != "..."):
            expected[key] = self._meaning(value, seen.get(key))
        assert expected == {key: value for key, value in seen.items() if key in expected or not open_ended}, actual

    def _meaning(self, word: str, actual: Any) -> Any:
        """What a word of a transcript stands for; a new name stands for what is there."""
        if isinstance(actual, list):
            entries = word.split(",") if word else []
            named = [*actual, *entries[len(actual) :]]
            return [self._entry(entry, there) for entry, there in zip(entries, named, strict=False)]
        if word.startswith("?"):
            self.names[word[1:]] = actual
            return actual
        return self.names[word] if word in self.names else json_value(word)

    def _entry(self, entry: str, actual: str) -> str:
        first, mark, rest = entry.partition(":?")
        if mark:
            self.names[rest] = actual.removeprefix(f"{first}:")
            return f"{first}:{self.names[rest]}"
        id, plus, flags = entry.partition("+")
        return f"{self.names.get(id, id)}{plus}{flags}"


def _spelt(entry: dict[str, Any]) -> str:
    """An entry of a list as transcripts write it."""
    match entry:
        case {"id": id, "is_admin": _}:
            return "+".join([id, *(flag for flag in PUBLIC_DEFAULTS if entry[flag])])
        case {"member": member, "name": name}:
            return ":".join([member, name, *([entry["user"]] if "user" in entry else [])])
        case {"destination": destination, "bridge_id": bridge_id}:
            return f"{destination}:{bridge_id}"
        case {"destination": destination, "code": code}:
            return f"{destination}:{code}"
    raise AssertionError(f"no list has such entries: {entry}")


def json_value(word: str) -> Any:
    """A word that looks like JSON, or the text that it is."""
    if word in ("true", "false", "null") or re.fullmatch(r"-?\d+(\.\d+)?|[\[{\"].*", word, re.DOTALL):
        return json.loads(word)
    return word


def _wanted(text: str) -> Iterator[dict[str, Any]]:
    """`bob@2:640x360,carl@3`"""
    for entry in filter(None, text.split(",")):
        name, mid, width, height = re.fullmatch(r"(.+)@(\w+)(?::(\d+)x(\d+))?", entry).groups()  # type: ignore[union-attr]
        yield {"id": name, "video_mid": mid} | ({"width": int(width), "height": int(height)} if width else {})


def credentials(name: str) -> dict[str, str]:
    return {"username": name, "password": f"pw of {name}"}


@asynccontextmanager
async def open_stage(settings: RoomApiSettings | None = None) -> Any:
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery, settings or RoomApiSettings(), KpointSettings())
        await stage.start()
        yield stage
        nursery.cancel_scope.cancel()
