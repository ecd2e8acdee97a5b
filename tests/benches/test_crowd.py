"""The crowd, in both dialects: what it asks for is timed, and what it is not told is noticed."""

import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request, TextMessage

from benches.crowd import VISITOR, Crowd
from benches.crowd_kpoint import KpointCrowd
from benches.crowd_room_api import RoomApiCrowd
from benches.sockets import Broken

MEMBERS = 4
Said = Callable[[str, Any], tuple[Any, list[Any]]]
"""Who said what: the reply, and what all others inside are told."""


def room_api(name: str, message: Any) -> tuple[Any, list[Any]]:
    method = {"join_room": "member_join_room", "leave_room": "member_leave_room"}.get(
        message["method"], f"member_{message['method']}"
    )
    result = {"auth_token": "t"} if message["method"] == "authenticate" else {}
    return {"id": message["id"], "result": result}, [{"method": method, "params": {"member": name, "id": name}}]


def kpoint(name: str, message: Any) -> tuple[Any, list[Any]]:
    type = {"joinRoom": "join", "leaveRoom": "leave"}.get(message["eventOp"], message["eventOp"])
    state = {"state": message["state"]} if "state" in message else {}
    push = {"eventOp": "presence", "type": type, "user": {"id": name}, **state}
    return {"eventOp": message["eventOp"], "code": "200"}, [push]


@attrs.define(eq=False)
class Guest:
    sock: socket.socket
    connection: WSConnection = attrs.Factory(lambda: WSConnection(ConnectionType.SERVER))
    name: str = ""
    is_inside: bool = False

    def tell(self, message: Any) -> None:
        text = json.dumps(message, separators=(",", ":"))
        self.sock.sendall(self.connection.send(TextMessage(text)))


@attrs.define
class Hall:
    """A server of one room, in a thread."""

    said: Said
    listener: socket.socket
    guests: list[Guest] = attrs.Factory(list)
    stopped: bool = False

    def run(self) -> None:
        while not self.stopped:
            readers = {self.listener: None} | {guest.sock: guest for guest in self.guests}
            for sock in select.select(list(readers), [], [], 0.05)[0]:
                guest = readers[sock]
                if guest is None:
                    self.guests.append(Guest(self.listener.accept()[0]))
                else:
                    self.read(guest)

    def read(self, guest: Guest) -> None:
        guest.connection.receive_data(guest.sock.recv(65536))
        for event in guest.connection.events():
            if isinstance(event, Request):
                guest.sock.sendall(guest.connection.send(AcceptConnection()))
                continue
            assert isinstance(event, TextMessage)
            message = json.loads(event.data)
            guest.name = guest.name or message.get("userId") or message["params"]["call_id"]
            reply, told = self.said(guest.name, message)
            guest.tell(reply)
            word = message.get("eventOp") or message["method"]
            guest.is_inside = (guest.is_inside or word.startswith("join")) and not word.startswith("leave")
            if word not in ("register", "authenticate"):
                for other in self.guests:
                    if other.is_inside and other is not guest:
                        for each in told:
                            other.tell(each)


@contextmanager
def seated(crowd: Crowd, said: Said) -> Iterator[Crowd]:
    """The crowd with its members and visitor signed in at a hall."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hall = Hall(said, listener)
        thread = threading.Thread(target=hall.run)
        thread.start()
        try:
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}/room"
            crowd.handle({"do": "open", "url": url, "n": MEMBERS, "room": "hall", "key": {}})
            yield crowd
        finally:
            hall.stopped = True
            thread.join()
            for guest in hall.guests:
                guest.sock.close()
            for seat in (crowd.visitor, *crowd.members):
                seat.sock.close()


def make(kind: str) -> tuple[Crowd, Said]:
    return (KpointCrowd(), kpoint) if kind == "kpoint" else (RoomApiCrowd(), room_api)


@pytest.mark.parametrize("kind", ["room_api", "kpoint"])
def test_joins_and_visits_are_counted_by_who_hears_of_them(kind: str) -> None:
    crowd, said = make(kind)
    with seated(crowd, said):
        burst = crowd.handle({"do": "join", "n": MEMBERS})
        assert (burst["replies"]["count"], burst["notifications"]["count"]) == (MEMBERS, MEMBERS * (MEMBERS - 1) // 2)
        assert 0 < burst["notifications"]["max"] <= burst["seconds"] * 1000
        visits = crowd.handle({"do": "visit", "times": 3})
        assert visits["replies"]["count"] == 3
        assert [visits[what]["count"] for what in ("since_asked", "since_reply", "leaves")] == [3 * MEMBERS] * 3
        assert visits["own"]["count"] == 2 * 3 * (MEMBERS + 1)
        assert crowd.handle({"do": "rest", "seconds": 0.01}) == {}


def test_a_mute_reaches_all_others() -> None:
    with seated(*make("room_api")) as crowd:
        crowd.handle({"do": "join", "n": MEMBERS})
        assert crowd.handle({"do": "toggle", "times": 3})["notifications"]["count"] == 3 * (MEMBERS - 1)


def test_a_chat_and_a_stroke_reach_all_others() -> None:
    with seated(*make("kpoint")) as crowd:
        crowd.handle({"do": "join", "n": MEMBERS})
        crowd.handle({"do": "enter"})
        assert crowd.handle({"do": "chat", "times": 3})["notifications"]["count"] == 3 * MEMBERS
        drawn = crowd.handle({"do": "draw", "drawers": 2, "each_per_s": 500, "seconds": 0.02})
        assert (drawn["strokes"], drawn["notifications"]["count"]) == (20, 20 * MEMBERS)
        assert drawn["notifications"]["max"] > 0


@pytest.mark.parametrize("kind", ["room_api", "kpoint"])
def test_another_word_than_the_expected_one_is_noticed(kind: str) -> None:
    crowd, said = make(kind)

    def strange(name: str, message: Any) -> tuple[Any, list[Any]]:
        reply, told = said(name, message)
        return reply, [{"type": "strange"}] if name == VISITOR else told

    with seated(crowd, strange):
        crowd.handle({"do": "join", "n": MEMBERS})
        with pytest.raises(Broken, match=f"0 of {MEMBERS} heard"):
            crowd.handle({"do": "visit", "times": 1})


@pytest.mark.parametrize("kind", ["room_api", "kpoint"])
def test_a_refusal_is_noticed(kind: str) -> None:
    crowd, said = make(kind)

    def refusing(name: str, message: Any) -> tuple[Any, list[Any]]:
        reply, told = said(name, message)
        return ({"code": "413", "error": {}} if told and "join" in json.dumps(told) else reply), told

    with seated(crowd, refusing):
        with pytest.raises(Broken, match="in the burst"):
            crowd.handle({"do": "join", "n": MEMBERS})


def test_strokes_that_changed_places_are_noticed() -> None:
    kept: list[Any] = []

    def swapped(name: str, message: Any) -> tuple[Any, list[Any]]:
        """The first two strokes arrive the wrong way round."""
        reply, told = kpoint(name, message)
        if message.get("state") == 0:
            kept.extend(told)
            return reply, []
        return reply, told + [kept.pop()] if kept and "state" in message else told

    with seated(KpointCrowd(), swapped) as crowd:
        crowd.handle({"do": "join", "n": MEMBERS})
        crowd.handle({"do": "enter"})
        with pytest.raises(Broken, match="stroke 0 after 1"):
            crowd.handle({"do": "draw", "drawers": 1, "each_per_s": 1000, "seconds": 0.01})


def test_a_request_that_nobody_knows_is_refused() -> None:
    for crowd in (RoomApiCrowd(), KpointCrowd()):
        with pytest.raises(ValueError, match="no request"):
            crowd.handle({"do": "dance"})


def test_who_speaks_at_rest_is_noticed() -> None:
    with seated(*make("kpoint")) as crowd:
        crowd.visitor.say({"eventOp": "chat"})
        crowd.sockets.listen(lambda: bool(crowd.sockets.heard))
        with pytest.raises(Broken, match="somebody spoke"):
            crowd.handle({"do": "rest", "seconds": 0.0})
