"""Whatever happens in whichever order: what each client has put together from its join and from what it was told since
equals the room. Sockets drop, come back, are taken over; requests of one batch travel at the same time."""

import json
from typing import Any

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from signalling.room.member import Member
from tests.signalling.stage import OPEN, PUBLIC_DEFAULTS, Client, Stage, open_stage

NAMES = ("anna", "bob", "carl", "dora")


class Viewer:
    """A client that believes what it is told, on one socket after another."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.name = name
        self.token = stage.tokens.issue(room=OPEN, call_id=name, user=f"id of {name}", name=name, is_admin=False)
        self.sockets: list[Client] = []
        self.view: dict[str, dict[str, Any]] | None = None

    def act(self, action: str, flag: bool) -> None:
        match action:
            case "join on a new socket":
                socket = self.stage.client(f"{self.name}/{len(self.sockets)}")
                self.sockets.append(socket)
                socket.send("join_room", {"sdp": "offer", "auth_token": self.token, "audio_muted": flag})
            case "join badly":
                self.send("join_room", {"sdp": "bad offer", "auth_token": self.token})
            case "join" if self.sockets:
                self.send("join_room", {"sdp": "offer", "auth_token": self.token, "video_muted": flag})
            case "audio":
                self.send("mute_audio" if flag else "unmute_audio", {})
            case "video":
                self.send("mute_video" if flag else "unmute_video", {})
            case "leave":
                self.send("leave_room", {})
            case "drop":
                if self.sockets:
                    self.sockets[-1].socket.vanish()
            case "media closed" | "media consent" | "media server":
                peer = self.stage.engine.room.peers.get(self.name) if self.stage.engine.rooms else None
                if peer is not None and not peer.closed:
                    peer.listener.lost(action.split()[1])

    def send(self, method: str, params: dict[str, Any]) -> None:
        if self.sockets and self.sockets[-1].served:
            try:
                self.sockets[-1].send(method, params)
            except trio.ClosedResourceError:
                pass

    def read(self) -> None:
        """Only the latest socket matters; whoever was taken over believes nothing any more."""
        for socket in self.sockets[:-1]:
            socket.inbox.clear()
        if not self.sockets:
            return
        for message in self.sockets[-1].inbox:
            params = message.get("params", {})
            match message.get("method"):
                case None if "members" in message.get("result", {}):
                    self.view = {member["id"]: member for member in message["result"]["members"]}
                case "member_join_room":
                    assert self.view is not None and params["id"] not in self.view
                    self.view[params["id"]] = params
                case "member_leave_room":
                    assert self.view is not None
                    if params["member"] == self.name:
                        self.view = None
                    else:
                        del self.view[params["member"]]
                case (
                    "member_mute_audio" | "member_unmute_audio" | "member_mute_video" | "member_unmute_video" as method
                ):
                    _, verb, kind = method.split("_")
                    assert self.view is not None and params["member"] != self.name
                    assert self.view[params["member"]][f"{kind}_muted"] != (verb == "mute")
                    self.view[params["member"]][f"{kind}_muted"] = verb == "mute"
        self.sockets[-1].inbox.clear()

    @property
    def is_listening(self) -> bool:
        return bool(self.sockets) and self.sockets[-1].served and self.view is not None


def public(member: Member) -> dict[str, Any]:
    return PUBLIC_DEFAULTS | attrs.asdict(member) | {"stream": member.id}


ACTIONS = st.sampled_from(
    [
        *["join on a new socket"] * 3,
        *("join", "join badly", "audio", "video", "leave", "drop", "media closed", "media consent", "media server"),
    ]
)
BATCHES = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(NAMES), ACTIONS, st.booleans()), max_size=8),
        st.sampled_from([0.0, 4.0, 11.0]),
    ),
    max_size=8,
)


@given(BATCHES)
@settings(deadline=None)
def test_every_view_is_the_room(batches: list[tuple[list[tuple[str, str, bool]], float]]) -> None:
    async def story() -> None:
        async with open_stage() as stage:
            viewers = {name: Viewer(stage, name) for name in NAMES}
            for actions, pause in batches:
                for name, action, flag in actions:
                    viewers[name].act(action, flag)
                await stage.settle()
                await trio.sleep(pause)
                await stage.settle()
                for viewer in viewers.values():
                    viewer.read()
                members = {member.id: public(member) for member in stage.rooms.members(OPEN)}
                for name, viewer in viewers.items():
                    if viewer.is_listening and name in members:
                        expected = {id: member for id, member in members.items() if id != name}
                        assert json.dumps(expected, sort_keys=True) == json.dumps(viewer.view, sort_keys=True)
                assert sorted(members) == stage.engine.open_peers()
                assert len(members) == len(stage.rooms.snapshot()[0].members) if members else not stage.rooms.snapshot()

    trio.run(story, clock=MockClock(autojump_threshold=0))
