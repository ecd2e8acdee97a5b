"""Live rooms: what is seen of them from outside, what they hold of the engine, and what races cannot do."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import trio
import trio.testing

from signalling.dialects import room_api
from signalling.room.events import Event, MemberJoined, MemberLeft, MuteChanged, RoomEmptied, ServerDraining
from tests.signalling.stage import LISTED, OPEN, Stage


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
    token = stage.tokens.issue(room=OPEN, call_id="anna", user=None, name="", is_admin=False)
    await stage.ask("anna", "join_room", sdp=offer, auth_token=token)
    assert stage.rooms.snapshot() == []
    assert stage.engine.room.closed


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
    assert before <= live.since <= member.since <= before + timedelta(minutes=1)


async def test_observers_hear_everything_in_order(stage: Stage) -> None:
    await stage.play("""
        anna enters
        anna => mute_video
        anna drops
        wait 10.1
        """)
    (joined,) = [seen.event.member for seen in stage.diary.events if isinstance(seen.event, MemberJoined)]
    assert [seen.event for seen in stage.diary.events] == [
        MemberJoined(joined),
        MuteChanged("anna", "video", True),
        MemberLeft("anna", "lost"),
        RoomEmptied(),
    ]
    assert {(OPEN, "the open room")} == {(seen.room, seen.name) for seen in stage.diary.events}


async def test_a_notification_is_put_into_words_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        await stage.enter(f"member{number}")
    encoded: list[Event | ServerDraining] = []
    words = room_api.notification

    def counting(event: Event | ServerDraining) -> str | None:
        encoded.append(event)
        return words(event)

    monkeypatch.setattr(room_api, "notification", counting)
    await stage.play(
        "member0 => mute_audio\n"
        + "\n".join(f"member{number} <- member_mute_audio member=member0 by_admin=false" for number in range(1, 20))
    )
    assert [MuteChanged("member0", "audio", True)] == encoded


async def test_ending_a_room_that_does_not_live(stage: Stage) -> None:
    assert not await stage.rooms.end(LISTED)


async def test_a_room_deleted_during_the_look_up_is_not_entered(stage: Stage) -> None:
    await stage.enter("bob")
    token = stage.tokens.issue(room=OPEN, call_id="anna", user=None, name="", is_admin=False)
    stage.directory.look_up_s = 1
    stage.client("anna").send("join_room", {"sdp": "offer", "auth_token": token})
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
    token = stage.tokens.issue(room=LISTED, call_id="anna", user=None, name="", is_admin=False)
    reply = await stage.ask("anna/2", "join_room", sdp="offer", auth_token=token)
    assert reply["error"]["code"] == 409
    assert (["anna"], []) == (stage.members(), stage.members(LISTED))


class TestTokens:
    async def test_a_revoked_one(self, stage: Stage) -> None:
        token = stage.tokens.issue(room=OPEN, call_id="anna", user=None, name="", is_admin=False)
        stage.tokens.revoked.add(stage.tokens.read(token).token_id)
        reply = await stage.ask("anna", "join_room", sdp="offer", auth_token=token)
        assert reply["error"]["code"] == 401

    async def test_of_a_room_that_is_gone_is_404_whatever_became_of_it(self, stage: Stage) -> None:
        token = stage.tokens.issue(room=OPEN, call_id="anna", user=None, name="", is_admin=False)
        stage.tokens.revoked.add(stage.tokens.read(token).token_id)
        del stage.directory.rooms[OPEN]
        reply = await stage.ask("anna", "join_room", sdp="offer", auth_token=token)
        assert reply["error"]["code"] == 404

    async def test_of_another_room_does_not_subscribe(self, stage: Stage) -> None:
        await stage.enter("anna")
        token = stage.tokens.issue(room=LISTED, call_id="anna", user=None, name="", is_admin=False)
        reply = await stage.ask("anna", "subscribe_room", sdp="offer", auth_token=token, members=[])
        assert reply["error"]["code"] == 401


async def test_a_crowd_that_joins_at_once_hears_of_all_of_it(stage: Stage) -> None:
    """Every member ends with the same list, whichever part of it came with its own join."""
    crowd = [f"member{number}" for number in range(60)]
    for name in crowd:
        token = stage.tokens.issue(room=OPEN, call_id=name, user=None, name=name, is_admin=False)
        stage.client(name).send("join_room", {"sdp": "offer", "auth_token": token})
    await stage.settle()
    orders = set()
    for name in crowd:
        reply, *notifications = stage.client(name).inbox
        seen = [member["id"] for member in reply["result"]["members"]]
        seen.append(name)
        seen += [message["params"]["id"] for message in notifications]
        orders.add(json.dumps(seen))
    # Each hears of the others in the order in which they joined: it is the room's own.
    assert orders == {json.dumps(stage.members())}
