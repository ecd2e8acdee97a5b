"""Live rooms: what is seen of them from outside, what they hold of the engine, and what races cannot do."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import trio
import trio.testing
from attrs import evolve

from sfu.wanted import VideoAllocation
from signalling.dialects import room_api
from signalling.limits import KNOCKS_BURST, KNOCKS_PER_S, RINGING_INVITATIONS, USER_SOCKETS, WAITING_PARTIES
from signalling.room.events import (
    InvitationRejected,
    MemberJoined,
    MemberLeft,
    MuteChanged,
    PartyAllowed,
    PartyRejected,
    PartyWaiting,
    PartyWithdrew,
    ProfileChanged,
    Published,
    Reacted,
    RoomEmptied,
    Unpublished,
    Word,
)
from signalling.room.member import PublishedFeed
from tests.signalling.fakes import room
from tests.signalling.stage import LISTED, NOWHERE, OPEN, Stage, credentials


async def test_the_engine_holds_what_the_rooms_hold(stage: Stage) -> None:
    await stage.enter("anna")
    await stage.enter("bob")
    assert stage.engine.open_peers() == ["anna", "bob"]
    await stage.play("bob => leave_room\n anna <- member_leave_room member=bob by_admin=false")
    assert stage.engine.open_peers() == ["anna"]
    await stage.play("anna => leave_room")
    assert stage.engine.room.closed
    assert stage.rooms.snapshot() == []
    await stage.enter("carl")
    assert (len(stage.engine.rooms), stage.engine.open_peers()) == (2, ["carl"])


@pytest.mark.parametrize("offer", ["bad offer", "no codec"])
async def test_a_first_join_that_fails_leaves_no_room(stage: Stage, offer: str) -> None:
    await stage.ask("anna", "join_room", sdp=offer, auth_token=stage.issue("anna"))
    assert stage.rooms.snapshot() == []
    assert stage.engine.room.closed


async def test_media_are_open_while_somebody_is_inside(stage: Stage) -> None:
    await stage.play("""
        nora -> authenticate room=listed
        nora <- error 403
        zoe  has token listed
        zoe  -> watch_room
        zoe  <- ok ...
        """)
    assert stage.engine.rooms == []
    await stage.ask("anna", "join_room", sdp="bad offer", auth_token=stage.issue("anna", LISTED))
    assert stage.engine.room.closed
    await stage.ask("anna", "join_room", sdp="offer", auth_token=stage.proofs["anna"])
    assert not stage.engine.room.closed
    await stage.ask("anna", "leave_room")
    assert stage.engine.room.closed
    assert stage.waiting(LISTED) == ["nora"]


@pytest.mark.parametrize(
    "params",
    [
        {"password": "wrong"},
        {"device": "anna", "device_token": "wrong"},
        {"call_id": "nora"},
        {"sdp": "bad offer"},
        {"sdp": "no codec"},
        {"invited": ["bob", "not/an/extension"]},
        {"invited": [f"{number}" for number in range(51)]},
    ],
    ids=str,
)
async def test_a_temporary_room_that_cannot_be_made_is_not_made(stage: Stage, params: dict[str, object]) -> None:
    await stage.enter("nora")
    await stage.register("bob")
    before = stage.state()
    good = {"call_id": "anna", "sdp": "offer", "invited": ["bob"]} | credentials("anna")
    assert "error" in await stage.ask("anna", "create_temp_room", **good | params)
    assert before == stage.state()
    assert not stage.clients["bob"].inbox
    # Neither the socket nor the call is used up.
    assert "result" in await stage.ask("anna", "create_temp_room", **good)


async def test_a_takeover_leaves_one_connection_and_ignores_the_old_one(stage: Stage) -> None:
    await stage.enter("anna")
    old = stage.engine.room.peers["anna"]
    await stage.ask("anna/2", "join_room", sdp="offer", auth_token=stage.proofs["anna"])
    assert old.closed
    assert stage.engine.open_peers() == ["anna"]
    old.listener.lost("consent")
    assert stage.members() == ["anna"]


async def test_the_snapshot(stage: Stage) -> None:
    before = datetime.now(UTC)
    await stage.enter("anna", audio_muted=True)
    (live,) = stage.rooms.snapshot()
    (member,) = live.members
    assert (OPEN, "the open room", False) == (live.id, live.name, live.temporary)
    assert ("anna", "anna", None, "room_api", False) == (
        member.id,
        member.name,
        member.user,
        member.dialect,
        member.is_admin,
    )
    assert (True, False, ({"packets": 7},)) == (member.audio_muted, member.video_muted, member.streams)
    assert (False, False) == (member.audio_muted_by_admin, member.video_muted_by_admin)
    assert before <= live.since <= member.since <= before + timedelta(minutes=1)
    assert live.waiting == ()


async def test_the_snapshot_has_the_name_as_of_the_latest_entrance(stage: Stage) -> None:
    await stage.enter("anna")
    stage.directory.add_room(room(OPEN, name="renamed"))
    await stage.enter("bob")
    (live,) = stage.rooms.snapshot()
    assert live.name == "renamed"


async def test_the_snapshot_of_those_who_wait_and_of_what_admins_did(stage: Stage) -> None:
    before = datetime.now(UTC)
    await stage.ask("nora", "authenticate", room=LISTED, call_id="nora", display_name="Nora")
    await stage.ask("carl", "authenticate", room=LISTED, call_id="carl", **credentials("carl"))
    (live,) = stage.rooms.snapshot()
    assert live.members == ()
    assert [("nora", "Nora", None), ("carl", "Carl", "id of carl")] == [(p.id, p.name, p.user) for p in live.waiting]
    assert before <= live.waiting[0].since <= live.waiting[1].since <= before + timedelta(minutes=1)
    await stage.enter("anna", LISTED)
    await stage.ask("anna", "mute_member_video", member="anna")
    (live,) = stage.rooms.snapshot()
    assert (False, True) == (live.members[0].audio_muted_by_admin, live.members[0].video_muted_by_admin)


async def test_a_temporary_room_in_the_snapshot(stage: Stage) -> None:
    reply = await stage.ask("anna", "create_temp_room", call_id="anna", sdp="offer", invited=[], **credentials("anna"))
    (live,) = stage.rooms.snapshot()
    assert (True, reply["result"]["room_id"]) == (live.temporary, live.id)
    assert ["anna"] == [member.id for member in live.members]


async def test_observers_hear_everything_in_order(stage: Stage) -> None:
    await stage.play("""
        anna enters
        anna => mute_video
        anna drops
        wait 10.1
        """)
    (joined,) = [seen.event.member for seen in stage.diary.events if isinstance(seen.event, MemberJoined)]
    sends = evolve(joined, publishing=True)
    assert [seen.event for seen in stage.diary.events] == [
        MemberJoined(joined),
        Published(PublishedFeed(sends, "camera")),
        MuteChanged("anna", "video", True),
        ProfileChanged(evolve(sends, video_muted=True)),
        Unpublished("anna", "camera"),
        MemberLeft("anna", "lost"),
        RoomEmptied(),
    ]
    assert {(OPEN, "the open room")} == {(seen.room, seen.name) for seen in stage.diary.events}


async def test_observers_hear_of_the_door_and_of_invitations(stage: Stage) -> None:
    await stage.play("""
        anna enters listed
        bob  registers
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        anna -> allow_member member=nora
        anna <- ok
        nora <- member_allowed ...
        anna <- member_waiting_allowed ...
        zed  -> authenticate room=listed
        zed  <- error 403
        anna <- member_waiting ...
        anna -> reject_member member=zed
        anna <- ok
        zed  <- member_rejected
        anna <- member_waiting_rejected ...
        carl -> authenticate room=listed
        carl <- error 403
        anna <- member_waiting ...
        carl drops
        anna <- member_leave_waiting_room ...
        anna -> invite_exten extens=bob
        anna <- ok invited=bob:?bridge ...
        bob  <- room_invite call_id=?leg ...
        bob  => room_invite_reject room=listed call_id=leg
        anna <- room_invite_reject ...
        anna => send_reaction reaction=wave
        media levels anna=90
        anna <- member_audio_level ...
        media rate anna 500000
        anna <- member_available_rate ...
        """)
    _, _, *events = [seen.event for seen in stage.diary.events]  # the first two: anna has come, and sends
    (nora, zed, carl) = [event.party for event in events if isinstance(event, PartyWaiting)]
    # Levels and rates are no history.
    assert events == [
        PartyWaiting(nora, reminder=False),
        PartyAllowed("nora"),
        PartyWaiting(zed, reminder=False),
        PartyRejected("zed"),
        PartyWaiting(carl, reminder=False),
        PartyWithdrew("carl"),
        InvitationRejected("anna", stage.names["bridge"], LISTED),
        Reacted("anna", "wave"),
    ]


async def test_a_notification_is_put_into_words_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        await stage.enter(f"member{number}")
    encoded: list[Word] = []
    words = room_api.notification

    def counting(word: Word, room: str) -> str | None:
        encoded.append(word)
        return words(word, room)

    monkeypatch.setattr(room_api, "notification", counting)
    await stage.play(
        "member0 => mute_audio\n"
        + "\n".join(f"member{number} <- member_mute_audio member=member0 by_admin=false" for number in range(1, 20))
    )
    assert [MuteChanged, ProfileChanged] == [type(word) for word in encoded]


async def test_ending_a_room_that_does_not_live(stage: Stage) -> None:
    assert not await stage.rooms.end(LISTED)


async def test_a_room_deleted_during_the_look_up_is_not_entered(stage: Stage) -> None:
    await stage.enter("bob")
    stage.directory.look_up_s = 1
    stage.client("anna").send("join_room", {"sdp": "offer", "auth_token": stage.issue("anna")})
    await trio.sleep(0.5)
    # The look-up has found it already.
    del stage.directory.rooms[OPEN]
    await stage.rooms.end(OPEN)
    await trio.sleep(5)
    await stage.settle()
    assert stage.client("anna").inbox.popleft()["error"]["code"] == 404
    assert stage.rooms.snapshot() == []


async def test_a_call_is_in_one_room_at_a_time(stage: Stage) -> None:
    await stage.enter("anna")
    reply = await stage.ask("anna/2", "join_room", sdp="offer", auth_token=stage.issue("anna", LISTED))
    assert reply["error"]["code"] == 409
    assert (["anna"], []) == (stage.members(), stage.members(LISTED))


METHODS: dict[str, dict[str, object]] = {
    "join_room": {"sdp": "offer"},
    "watch_room": {},
    "allow_member": {"member": "nora"},
    "reject_member": {"member": "nora"},
}


@pytest.mark.parametrize("method", METHODS)
class TestTokens:
    """Of every method that any socket may send by a token; nora waits, and hears nothing of a refusal."""

    async def refused(self, stage: Stage, method: str, token: str) -> int:
        if "nora" not in stage.clients:
            await stage.ask("nora", "authenticate", room=LISTED, call_id="nora")
        before = stage.state(), stage.tokens.issued
        reply = await stage.ask("zoe", method, auth_token=token, **METHODS[method])
        assert before == (stage.state(), stage.tokens.issued)
        assert not stage.clients["nora"].inbox
        return reply["error"]["code"]

    def admin(self, stage: Stage, place: str = LISTED) -> str:
        return stage.issue("zoe", place, is_admin=True)

    async def test_a_good_one(self, stage: Stage, method: str) -> None:
        await stage.ask("nora", "authenticate", room=LISTED, call_id="nora")
        assert "result" in await stage.ask("zoe", method, auth_token=self.admin(stage), **METHODS[method])

    @pytest.mark.parametrize("token", ["forged", "[]", "a.b.c", "{}"])
    async def test_forged(self, stage: Stage, method: str, token: str) -> None:
        assert await self.refused(stage, method, token) == 401

    async def test_expired(self, stage: Stage, method: str) -> None:
        stage.tokens.ttl_s = 10
        token = self.admin(stage)
        await trio.sleep(10)
        assert await self.refused(stage, method, token) == 401

    @pytest.mark.parametrize("call_id", ["zoe", None])
    async def test_revoked_of_the_call_or_of_the_room(self, stage: Stage, method: str, call_id: str | None) -> None:
        token = self.admin(stage)
        stage.tokens.revoke(LISTED, call_id)
        assert await self.refused(stage, method, token) == 401
        # A later one is good.
        assert "result" in await stage.ask("zoe", method, auth_token=self.admin(stage), **METHODS[method])

    async def test_revoked_while_the_room_is_looked_up(self, stage: Stage, method: str) -> None:
        await stage.ask("nora", "authenticate", room=LISTED, call_id="nora")
        zoe = stage.client("zoe")
        stage.directory.look_up_s = 1
        zoe.send(method, {"auth_token": self.admin(stage)} | METHODS[method])
        await trio.sleep(0.5)
        stage.tokens.revoke(LISTED, "zoe")
        await trio.sleep(1)
        await stage.settle()
        assert zoe.inbox.popleft()["error"]["code"] == 401
        assert stage.waiting(LISTED) == ["nora"]

    async def test_of_an_invitation_that_is_over(self, stage: Stage, method: str) -> None:
        token = self.admin(stage)
        stage.tokens.revoke(LISTED, "zoe", uninvited=True)
        assert await self.refused(stage, method, token) == 410

    async def test_of_another_call_that_was_revoked(self, stage: Stage, method: str) -> None:
        await stage.ask("nora", "authenticate", room=LISTED, call_id="nora")
        token = self.admin(stage)
        stage.tokens.revoke(LISTED, "other")
        stage.tokens.revoke(OPEN, None)
        assert "result" in await stage.ask("zoe", method, auth_token=token, **METHODS[method])

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda stage: None,
            lambda stage: stage.tokens.revoke(NOWHERE, "zoe"),
            lambda stage: stage.tokens.revoke(NOWHERE, "zoe", uninvited=True),
        ],
        ids=["good", "revoked", "over"],
    )
    async def test_of_a_room_that_is_gone_is_404_whatever_became_of_it(
        self, stage: Stage, method: str, spoil: Callable[[Stage], None]
    ) -> None:
        token = self.admin(stage, NOWHERE)
        spoil(stage)
        assert await self.refused(stage, method, token) == 404


class TestSubscribing:
    """Only with a good token of the socket's own call and room."""

    async def subscribe(self, stage: Stage, token: str) -> int | None:
        reply = await stage.ask("anna", "subscribe_room", sdp="offer", auth_token=token, members=[])
        return reply.get("error", {}).get("code")

    async def test_with_tokens_that_do_not_do(self, stage: Stage) -> None:
        await stage.enter("anna")
        await stage.enter("bob")
        own = stage.proofs["anna"]
        assert await self.subscribe(stage, own) is None
        assert await self.subscribe(stage, "forged") == 401
        assert await self.subscribe(stage, stage.proofs["bob"]) == 401
        assert await self.subscribe(stage, stage.issue("anna", LISTED)) == 401
        assert await self.subscribe(stage, own) is None

    async def test_with_one_that_has_expired_or_was_revoked(self, stage: Stage) -> None:
        await stage.enter("anna")
        stage.tokens.ttl_s = 10
        brief, long = stage.issue("anna"), stage.proofs["anna"]
        assert await self.subscribe(stage, brief) is None
        await trio.sleep(10)
        assert await self.subscribe(stage, brief) == 401
        stage.tokens.revoke(OPEN, "anna")
        assert await self.subscribe(stage, long) == 401


class TestRevocations:
    """What has been said to be so is so after a crash: who was removed finds no way back."""

    async def test_who_is_removed_is_told_when_it_is_kept(self, stage: Stage) -> None:
        await stage.enter("anna", LISTED)
        await stage.enter("bob", LISTED)
        stage.tokens.keep_s = 1
        await stage.play("""
            anna -> remove_member member=bob
            bob/2 -> join_room          # at once, though
            bob/2 <- error 401
            wait 0.9
            wait 0.2
            anna <- ok
            anna <- member_leave_room member=bob by_admin=true
            bob  <- member_leave_room member=bob by_admin=true
            """)

    async def test_who_leaves_by_itself_meanwhile_is_not_removed_twice(self, stage: Stage) -> None:
        await stage.enter("anna", LISTED)
        await stage.enter("bob", LISTED)
        stage.tokens.keep_s = 1
        await stage.play("""
            anna -> remove_member member=bob
            bob  => leave_room
            anna <- member_leave_room member=bob by_admin=false
            wait 1.1
            anna <- ok
            bob  -> join_room
            bob  <- error 401
            """)

    async def test_a_store_that_fails_is_a_fault_of_ours(self, stage: Stage) -> None:
        await stage.enter("anna", LISTED)
        await stage.enter("bob", LISTED)
        stage.tokens.keep_fault = OSError("the disk is full")
        reply = await stage.ask("anna", "remove_member", member="bob")
        assert reply["error"]["code"] == 500
        # For as long as this process lives the token is dead, so its call does not stay.
        assert stage.members(LISTED) == ["anna"]

    async def test_a_room_is_ended_even_if_that_cannot_be_kept(self, stage: Stage) -> None:
        await stage.enter("anna", LISTED)
        stage.tokens.keep_fault = OSError("the disk is full")
        with pytest.raises(OSError, match="disk"):
            await stage.rooms.end(LISTED)
        await stage.settle()
        assert stage.clients["anna"].inbox.popleft()["method"] == "member_leave_room"
        assert stage.members(LISTED) == []

    async def test_a_room_is_ended_even_if_nobody_waits_for_it(self, stage: Stage) -> None:
        """Whoever asked for it may be gone, and the room from the store."""
        await stage.enter("anna", LISTED)
        stage.tokens.keep_s = 1
        with trio.move_on_after(0.5):
            await stage.rooms.end(LISTED)
        await stage.settle()
        assert stage.clients["anna"].inbox.popleft()["method"] == "member_leave_room"
        assert stage.members(LISTED) == []


@pytest.mark.parametrize(
    ("display_name", "extension", "shown"), [("Erin", "1004", "Erin"), (None, "1004", "1004"), (None, None, "erin")]
)
async def test_the_name_of_who_is_invited(
    stage: Stage, display_name: str | None, extension: str | None, shown: str
) -> None:
    stage.directory.add_user("erin", display_name, extension)
    await stage.register("erin")
    await stage.enter("anna", LISTED)
    await stage.ask("anna", "invite_exten", extens=["erin"])
    invited = stage.client("erin").inbox.popleft()["params"]
    await stage.ask("erin", "join_room", sdp="offer", auth_token=invited["auth_token"])
    assert ["Anna", shown] == [member.name for member in stage.rooms.members(LISTED)]


class TestMediaNews:
    async def test_allocations_go_to_their_receiver_in_full(self, stage: Stage) -> None:
        await stage.enter("anna")
        await stage.enter("bob")
        sent = {
            "bob": VideoAllocation(ssrc=7, rid="h", rate_bps=500_000, width=640, height=360),
            "carl": VideoAllocation(ssrc=8, rid=None, rate_bps=0, width=None, height=None),
        }
        stage.engine.peer("anna").listener.video_allocations(sent)
        await stage.settle()
        assert {
            "method": "member_video_allocations",
            "params": {
                "bob": {"ssrc": 7, "rid": "h", "rate": 500_000, "width": 640, "height": 360},
                "carl": {"ssrc": 8, "rid": None, "rate": 0, "width": None, "height": None},
            },
        } == stage.clients["anna"].inbox.popleft()
        assert not stage.clients["anna"].inbox and not stage.clients["bob"].inbox

    async def test_a_connection_that_was_replaced_has_no_say(self, stage: Stage) -> None:
        await stage.enter("anna")
        old = stage.engine.peer("anna").listener
        await stage.ask("anna/2", "join_room", sdp="offer", auth_token=stage.proofs["anna"])
        old.video_allocations({})
        old.available_rate(1)
        await stage.settle()
        assert not stage.clients["anna/2"].inbox

    async def test_nobody_is_told_while_the_socket_is_away(self, stage: Stage) -> None:
        await stage.enter("anna")
        await stage.play("""
            anna drops
            media rate anna 500000
            anna/2 -> watch_room
            anna/2 <- ok ...
            media rate anna 600000
            anna/2 <- member_available_rate rate=600000
            """)


class TestLimits:
    async def test_of_those_who_wait(self, stage: Stage) -> None:
        for number in range(WAITING_PARTIES):
            if number % KNOCKS_BURST == 0:
                await trio.sleep(KNOCKS_BURST / KNOCKS_PER_S)
            stage.client(f"n{number}").send("authenticate", {"room": LISTED, "call_id": f"n{number}"})
        await stage.settle()
        await trio.sleep(1)
        assert {403} == {client.inbox.popleft()["error"]["code"] for client in stage.clients.values()}
        assert WAITING_PARTIES == len(stage.waiting(LISTED))
        reply = await stage.ask("late", "authenticate", room=LISTED, call_id="late")
        assert reply["error"]["code"] == 429
        # The call id that it asked with is not used up.
        assert "result" in await stage.ask("other", "authenticate", room=OPEN, call_id="late")
        await stage.ask("other", "leave_room")
        # Who waits already may say so again, and a place that is free is free.
        reply = await stage.ask("n0", "authenticate", room=LISTED, call_id="n0", display_name="Zero")
        assert reply["error"]["code"] == 403
        await stage.ask("n1", "leave_room")
        reply = await stage.ask("late", "authenticate", room=LISTED, call_id="late")
        assert reply["error"]["code"] == 403

    async def test_of_knocking(self, stage: Stage) -> None:
        """All inside hear of each knock, so strangers may not knock as often as they like."""
        await stage.enter("anna", LISTED)
        for number in range(KNOCKS_BURST + 5):
            stage.client(f"n{number}").send("authenticate", {"room": LISTED, "call_id": f"n{number}"})
        await stage.settle()
        codes = [stage.clients[f"n{number}"].inbox.popleft()["error"]["code"] for number in range(KNOCKS_BURST + 5)]
        assert sorted(codes) == [403] * KNOCKS_BURST + [429] * 5
        assert len(stage.clients["anna"].inbox) == KNOCKS_BURST
        late = stage.clients[f"n{codes.index(429)}"]
        await trio.sleep(1 / KNOCKS_PER_S)
        reply = await stage.ask(late.name, "authenticate", room=LISTED, call_id=late.call_id)
        assert reply["error"]["code"] == 403

    async def test_of_what_rings_in_a_room(self, stage: Stage) -> None:
        people = [f"user{number}" for number in range(RINGING_INVITATIONS + 1)]
        for name in people:
            stage.directory.add_user(name)
            await stage.register(name)
        await stage.enter("anna", LISTED)

        async def invite(extens: list[str]) -> int | None:
            reply = await stage.ask("anna", "invite_exten", extens=extens)
            return reply.get("error", {}).get("code")

        for start in range(0, RINGING_INVITATIONS - 50, 50):
            assert await invite(people[start : start + 50]) is None
        before = stage.tokens.issued
        assert await invite([*people[-50:-1], people[-1], "nobody"]) == 400
        assert await invite(people[-51:-1]) is None
        assert before + 50 == stage.tokens.issued
        await stage.settle()
        assert await invite([people[-1]]) == 429
        assert not stage.clients[people[-1]].inbox
        # Who does not ring does not count; who has answered rings no more.
        assert await invite(["nobody"]) is None
        invited = stage.clients[people[0]].inbox.popleft()["params"]
        await stage.ask(people[0], "join_room", sdp="offer", auth_token=invited["auth_token"])
        assert await invite([people[-1]]) is None

    async def test_of_sockets_of_a_user(self, stage: Stage) -> None:
        for number in range(USER_SOCKETS):
            await stage.register(f"bob/{number}")
        reply = await stage.ask("bob/late", "register_room_api", **credentials("bob"))
        assert reply["error"]["code"] == 429
        await stage.register("bob/0")
        stage.clients["bob/1"].socket.vanish()
        await stage.register("bob/late")


async def test_a_crowd_that_joins_at_once_hears_of_all_of_it(stage: Stage) -> None:
    """Every member ends with the same list, whichever part of it came with its own join; so does who only watches."""
    crowd = [f"member{number}" for number in range(60)]
    watchers = [f"watcher{number}" for number in range(10)]
    for number, name in enumerate(crowd):
        if number % 6 == 0:
            watcher = watchers[number // 6]
            stage.client(watcher).send("watch_room", {"auth_token": stage.issue(watcher)})
        stage.client(name).send("join_room", {"sdp": "offer", "auth_token": stage.issue(name)})
    await stage.settle()
    orders = set()
    for name in crowd + watchers:
        reply, *notifications = stage.client(name).inbox
        seen = [member["id"] for member in reply["result"]["members"]]
        seen += [name] if name in crowd else []
        seen += [message["params"]["id"] for message in notifications]
        orders.add(json.dumps(seen))
    # Each hears of the others in the order in which they joined: it is the room's own.
    assert orders == {json.dumps(stage.members())}
