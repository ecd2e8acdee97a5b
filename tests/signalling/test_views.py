"""Whatever happens in whichever order: what each client has put together from its first answer and from what it was told
since equals the room, members and watchers alike, and so does what the engine was told to cut.

Sockets drop, come back, are taken over; people knock, are let in, turned away, muted and removed; requests of one batch
travel at the same time. Of those who wait an admin knows everybody, since it asks as it comes in; others know of those
whom they were told of, and of nobody who waits no longer.
"""

import json
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from signalling.dialects.room_api.people import PUBLIC
from signalling.room.member import Member
from tests.signalling.stage import LISTED, PUBLIC_DEFAULTS, Client, Stage, credentials, open_stage

USERS = ("anna", "bob", "carl", "dora")  # the first is an admin, the first two are on the list
NAMES = (*USERS, "nora")


class Viewer:
    """A client that believes what it is told, on one socket after another."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.name = name
        self.is_admin = name == "anna"
        self.token = self.new_token()
        self.sockets: list[Client] = []
        self.members: dict[str, dict[str, Any]] | None = None
        """None while it is neither inside nor watching, as far as it knows."""
        self.waiting: dict[str, dict[str, Any]] = {}
        self.knows_all_waiting = False

    def new_token(self) -> str:
        user = f"id of {self.name}" if self.name in USERS else None
        return self.stage.tokens.issue(
            room=LISTED, call_id=self.name, user=user, name=self.name.title(), is_admin=self.is_admin
        )

    # --- what it does ---

    def act(self, action: str, flag: bool) -> None:
        match action.split():
            case ["authenticate" | "join" | "watch" as method, "anew"]:
                self.sockets.append(self.stage.client(f"{self.name}/{len(self.sockets)}"))
                self.members = None
                self.act(method, flag)
            case ["authenticate"]:
                proof = credentials(self.name) if self.name in USERS else {"display_name": f"Nora {flag}"}
                self.send("authenticate", room=LISTED, call_id=self.name, **proof)
            case ["join"]:
                self.send("join_room", sdp="offer", auth_token=self.token, audio_muted=flag)
                self.send("get_waiting_room_members")
            case ["watch"]:
                self.send("watch_room", auth_token=self.token)
                self.send("get_waiting_room_members")
            case ["fail"]:
                self.send("join_room", sdp="bad offer", auth_token=self.token)
            case ["remind"]:
                self.send("still_waiting")
            case ["leave"]:
                self.send("leave_room")
            case ["drop"] if self.sockets:
                self.sockets[-1].socket.vanish()
            case ["audio" | "video" as kind]:
                self.send(f"mute_{kind}" if flag else f"unmute_{kind}")
            case ["hand"]:
                self.send("raise_hand" if flag else "unraise_hand")
            case ["screen"]:
                self.send("start_screen_share" if flag else "stop_screen_share")
            case ["media", reason] if self.name in self.stage.engine.open_peers():
                self.stage.engine.peer(self.name).listener.lost(reason)

    def decide(self, action: str, member: str, flag: bool) -> None:
        match action.split():
            case ["allow" | "reject"]:
                self.send(f"{action}_member", member=member, auth_token=self.token)
            case ["remove"]:
                self.send("remove_member", member=member)
            case ["cut", kind]:
                self.send(f"mute_member_{kind}" if flag else f"unmute_member_{kind}", member=member)

    def send(self, method: str, **params: Any) -> None:
        if self.sockets and self.sockets[-1].served:
            try:
                self.sockets[-1].send(method, params)
            except trio.ClosedResourceError:
                pass

    # --- what it believes ---

    def read(self) -> None:
        """Only the latest socket matters; whoever was taken over believes nothing any more."""
        for socket in self.sockets[:-1]:
            socket.inbox.clear()
        while self.sockets and self.sockets[-1].inbox:
            message = self.sockets[-1].inbox.popleft()
            match message:
                case {"id": id, "result": result}:
                    self.read_reply(self.sockets[-1].asked[id - 1], result)
                case {"closed": _}:
                    self.members = None
                case {"error": {"code": 401}}:
                    self.token = self.new_token()
                case {"method": method, "params": params}:
                    self.read_notification(method, params)

    def read_reply(self, method: str, result: Any) -> None:
        match method:
            case "authenticate":
                self.token = result["auth_token"]
            case "join_room" | "watch_room":
                self.members = {member["id"]: member for member in result["members"] if member["id"] != self.name}
                self.waiting = {}
                self.knows_all_waiting = False
            case "get_waiting_room_members":
                self.waiting = {party["member"]: party for party in result}
                self.knows_all_waiting = True
            case "leave_room":
                self.members = None

    def read_notification(self, method: str, params: dict[str, Any]) -> None:
        if method == "member_allowed":
            self.token = params["auth_token"]
            return
        if method in ("member_rejected", "media_lost"):
            return
        assert self.members is not None, method
        match method.split("_"):
            case ["member", "join", "room"]:
                assert params["id"] not in self.members and params["id"] != self.name
                self.members[params["id"]] = params
            case ["member", "leave", "room"]:
                if params["member"] == self.name:
                    self.members = None
                else:
                    del self.members[params["member"]]
            case ["member", "mute" | "unmute" as verb, kind]:
                self.change(params, f"{kind}_muted_by_admin" if params["by_admin"] else f"{kind}_muted", verb == "mute")
            case ["member", "raise" | "unraise" as verb, "hand"]:
                self.change(params, "hand_raised", verb == "raise")
            case ["member", "start" | "stop" as verb, "screen", "share"]:
                self.change(params, "screen_share", verb == "start")
            case ["member", "waiting"]:
                self.waiting[params["member"]] = params
            case ["member", "leave", "waiting", "room"] | ["member", "waiting", "allowed" | "rejected"]:
                assert params["member"] in self.waiting or not self.knows_all_waiting
                self.waiting.pop(params["member"], None)
            case _:
                raise AssertionError(method)

    def change(self, params: dict[str, Any], flag: str, value: bool) -> None:
        """Only what is new is told, and of oneself only what others did."""
        assert self.members is not None
        if params["member"] == self.name:
            assert flag.endswith("_by_admin")
            return
        assert self.members[params["member"]][flag] != value
        self.members[params["member"]][flag] = value

    # --- whether it is so ---

    @property
    def is_listening(self) -> bool:
        return bool(self.sockets) and self.sockets[-1].served and self.members is not None

    def check(self, members: dict[str, dict[str, Any]], waiting: dict[str, dict[str, Any]]) -> None:
        expected = {id: member for id, member in members.items() if id != self.name}
        assert json.dumps(expected, sort_keys=True) == json.dumps(self.members, sort_keys=True)
        if self.knows_all_waiting:
            assert waiting == self.waiting
        else:
            assert waiting.items() >= self.waiting.items()


def public(member: Member) -> dict[str, Any]:
    return PUBLIC_DEFAULTS | {name: getattr(member, name) for name in PUBLIC} | {"stream": member.id}


def check(stage: Stage, viewers: list[Viewer]) -> None:
    members = {member.id: public(member) for member in stage.rooms.members(LISTED)}
    waiting: dict[str, dict[str, Any]] = {}
    for live in stage.rooms.snapshot():
        assert [member.id for member in live.members] == list(members)
        assert live.members or live.waiting
        for party in live.waiting:
            user = {} if party.user is None else {"user": party.user}
            waiting[party.id] = {"member": party.id, "name": party.name, **user}
    assert not members.keys() & waiting.keys()
    for viewer in viewers:
        if viewer.is_listening:
            viewer.check(members, waiting)
    assert sorted(members) == stage.engine.open_peers()
    for id, member in members.items():
        peer = stage.engine.peer(id)
        assert peer.cut_kinds == {kind for kind in ("audio", "video") if member[f"{kind}_muted_by_admin"]}
        assert peer.is_screen == member["screen_share"]


BY_ANNA = ["allow", "allow", "reject", "remove", "cut audio", "cut audio", "cut video"]
ACTIONS = st.sampled_from(
    [
        *["join anew", "authenticate anew"] * 3,
        *["watch anew", "hand"] * 2,
        *("authenticate", "join", "watch", "fail", "remind", "leave", "drop", "audio", "video", "screen"),
        *("media closed", "media consent", "media server"),
        *BY_ANNA,
    ]
)
BATCHES = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(NAMES), ACTIONS, st.booleans()), max_size=12),
        st.sampled_from([0.0, 0.0, 4.0, 11.0]),
        st.sampled_from([False] * 19 + [True]),
    ),
    max_size=10,
)


@given(BATCHES)
@settings(deadline=None, max_examples=200)
def test_every_view_is_the_room(batches: list[tuple[list[tuple[str, str, bool]], float, bool]]) -> None:
    async def story() -> None:
        async with open_stage() as stage:
            stage.directory.add_user("dora", "Dora")
            viewers = {name: Viewer(stage, name) for name in NAMES}
            viewers["anna"].act("join anew", False)
            for actions, pause, ends in batches:
                for name, action, flag in actions:
                    if action in BY_ANNA:
                        viewers["anna"].decide(action, name, flag)
                    else:
                        viewers[name].act(action, flag)
                await stage.settle()
                await trio.sleep(pause)
                if ends:
                    await stage.rooms.end(LISTED)
                await stage.settle()
                for viewer in viewers.values():
                    viewer.read()
                    if ends:
                        # Who watched has seen all of them go, and is nobody's audience now.
                        assert not viewer.is_listening or viewer.members == {}
                        viewer.members = None
                check(stage, list(viewers.values()))

    trio.run(story, clock=MockClock(autojump_threshold=0))
