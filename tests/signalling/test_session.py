"""One connection: frames, floods, slow readers, faults of ours, and the server's end."""

import json
from typing import Any

import pytest
import trio

from signalling import RoomApiSettings
from signalling.host import RoomHost
from signalling.limits import CLOSE_TIMEOUT_S, FLOOD_REFUSALS, FLOOD_UNIT_BYTES, MAX_FRAME_BYTES, OUTBOX_MESSAGES
from tests.signalling.fakes import Diary, FakePeer
from tests.signalling.stage import LISTED, OPEN, Stage, credentials, open_stage


class TestFrames:
    @pytest.mark.parametrize("filler", ["x", "é", "😀"])
    async def test_the_longest_is_read_and_a_longer_one_closes(self, stage: Stage, filler: str) -> None:
        client = stage.client("anna")
        size = len(filler.encode())
        blank = MAX_FRAME_BYTES - len('"')
        longest = '"' + filler * (blank // size) + " " * (blank % size)
        assert len(longest.encode()) == MAX_FRAME_BYTES
        client.socket.say(longest)
        await stage.settle()
        assert client.inbox.popleft()["error"]["code"] == -32700
        client.socket.say(longest + " ")
        await stage.settle()
        assert {"closed": 1009} == client.inbox.popleft()

    async def test_binary(self, stage: Stage) -> None:
        client = stage.client("anna")
        client.socket.say(b'{"id": 1, "method": "leave_room"}')
        client.socket.say('{"id": 2, "method": "leave_room"}')
        await stage.settle()
        assert {"closed": 1003} == client.inbox.popleft()
        assert not client.inbox

    async def test_nonsense_harms_nobody(self, stage: Stage) -> None:
        await stage.enter("bob")
        client = stage.client("anna")
        for text in ("", "nonsense", "[]", '{"id": 1, "method": 5}', "{" * 1000):
            client.socket.say(text)
        await stage.settle()
        codes = [message["error"]["code"] for message in client.inbox]
        assert codes == [-32700, -32700, -32600, -32600, -32700]
        client.inbox.clear()
        await stage.play("anna -> authenticate\n anna <- ok ...\n anna -> get_room_members\n anna <- ok members=bob")


class TestFloods:
    async def test_an_empty_message_is_one_too(self, stage: Stage) -> None:
        anna = stage.client("anna")
        for _ in range(500):
            anna.socket.say("")
        await stage.settle()
        assert anna.socket.closed == 4029

    async def test_the_allowance(self, stage: Stage) -> None:
        client = stage.client("anna")
        for _ in range(201):
            client.send("get_room_members", {})
        await stage.settle()
        assert [message["error"]["code"] for message in client.inbox] == [400] * 200 + [429]
        client.inbox.clear()
        # A hundred a second in the long run.
        await trio.sleep(0.5)
        for _ in range(51):
            client.send("get_room_members", {})
        await stage.settle()
        assert [message["error"]["code"] for message in client.inbox] == [400] * 50 + [429]

    async def test_a_long_message_counts_for_many(self) -> None:
        async with open_stage(RoomApiSettings(requests_burst=4, requests_per_s=1)) as stage:
            client = stage.client("anna")
            request = '{"id": 7, "method": "get_room_members"}'
            client.socket.say(request.ljust(FLOOD_UNIT_BYTES + 1))
            client.socket.say(request.ljust(FLOOD_UNIT_BYTES))
            client.socket.say("é" * (FLOOD_UNIT_BYTES // 2))
            client.socket.say(request)
            await stage.settle()
            assert [(m["id"], m["error"]["code"]) for m in client.inbox] == [
                (7, 400),
                (7, 400),
                (None, -32700),
                (7, 429),
            ]

    async def test_a_long_message_beyond_the_allowance_is_not_parsed(self) -> None:
        async with open_stage(RoomApiSettings(requests_burst=1, requests_per_s=1)) as stage:
            client = stage.client("anna")
            request = '{"id": 7, "method": "get_room_members"}'
            for text in (request, request.ljust(FLOOD_UNIT_BYTES), request.ljust(FLOOD_UNIT_BYTES + 1)):
                client.socket.say(text)
            # Nobody looks whether it is one, so it is not told either.
            client.socket.say("nonsense " * FLOOD_UNIT_BYTES)
            await stage.settle()
            assert [(m["id"], m["error"]["code"]) for m in client.inbox] == [
                (7, 400),
                (7, 429),
                (None, 429),
                (None, 429),
            ]

    async def test_long_messages_that_go_on_are_closed(self, stage: Stage) -> None:
        client = stage.client("anna")
        longest = 200 * FLOOD_UNIT_BYTES // MAX_FRAME_BYTES
        for _ in range(longest + 1 + FLOOD_REFUSALS):
            client.socket.say("x" * MAX_FRAME_BYTES)
        await stage.settle()
        codes = [message.get("error", {}).get("code") for message in client.inbox]
        assert codes == [-32700] * longest + [429] * FLOOD_REFUSALS + [None]
        assert client.inbox.pop() == {"closed": 4029}

    async def test_what_is_refused_has_no_effect(self) -> None:
        async with open_stage(RoomApiSettings(requests_burst=3, requests_per_s=1)) as stage:
            await stage.enter("bob")
            await stage.enter("anna")
            await stage.play("""
                anna => mute_audio
                bob  <- member_mute_audio member=anna by_admin=false
                anna => unmute_audio
                anna -> unmute_audio
                anna <- error 429
                wait 1
                anna -> unmute_audio
                anna <- ok
                bob  <- member_unmute_audio member=anna by_admin=false
                """)

    async def test_who_goes_on_is_closed(self, stage: Stage) -> None:
        await stage.enter("anna")
        client = stage.client("anna")
        await trio.sleep(10)
        for _ in range(200 + FLOOD_REFUSALS - 1):
            client.send("mute_audio", {}, with_id=False)
        await stage.settle()
        assert not client.inbox
        client.send("mute_audio", {})
        await stage.settle()
        assert client.inbox.popleft()["error"]["code"] == 429
        assert {"closed": 4029} == client.inbox.popleft()

    async def test_refusals_far_apart_are_forgiven(self) -> None:
        async with open_stage(RoomApiSettings(requests_burst=1, requests_per_s=0.001)) as stage:
            client = stage.client("anna")
            client.send("x", {}, with_id=False)
            for _ in range(3):
                for _ in range(FLOOD_REFUSALS - 1):
                    client.send("x", {}, with_id=False)
                await trio.sleep(10.1)
            await stage.settle()
            assert not client.inbox


class TestSlowReaders:
    async def test_a_full_outbox_closes(self, stage: Stage) -> None:
        await stage.enter("bob")
        await stage.enter("anna")
        bob, anna = stage.client("bob"), stage.client("anna")
        bob.socket.stalled = True
        # One message is on its way; so many wait.
        for number in range(OUTBOX_MESSAGES + 1):
            anna.send("unmute_audio" if number % 2 else "mute_audio", {}, with_id=False)
            await trio.sleep(0.01)
        bob.socket.read_on()
        await stage.settle()
        assert OUTBOX_MESSAGES + 1 == len(bob.inbox)
        bob.inbox.clear()
        bob.socket.stalled = True
        for number in range(OUTBOX_MESSAGES + 2):
            anna.send("mute_audio" if number % 2 else "unmute_audio", {}, with_id=False)
            await trio.sleep(0.01)
        await stage.settle()
        bob.socket.read_on()
        await stage.settle()
        # The message that was on its way is whole; the thousand are gone, since nobody will read them.
        assert "method" in bob.inbox.popleft()
        assert {"closed": 4008} == bob.inbox.popleft()
        assert not anna.inbox
        assert stage.members() == ["bob", "anna"]
        await trio.sleep(10.1)
        assert stage.members() == ["anna"]

    async def test_levels_and_rates_make_room_for_what_counts(self, stage: Stage) -> None:
        await stage.enter("bob")
        await stage.enter("anna")
        bob, anna = stage.client("bob"), stage.client("anna")
        bob.socket.stalled = True
        said = 0

        async def wave(times: int) -> None:
            nonlocal said
            for _ in range(times):
                said += 1
                anna.send("send_reaction", {"reaction": str(said)}, with_id=False)
                await trio.sleep(0.01)

        await wave(1)  # this one is on its way
        await stage.play("""
            media levels anna=50
            anna <- member_audio_level member=anna audio_level=50
            media rate bob 500000
            """)
        await wave(OUTBOX_MESSAGES - 2)
        await stage.play("""
            media levels anna=90        # there is no room for it
            anna <- member_audio_level member=anna audio_level=90
            """)
        await wave(2)
        bob.socket.read_on()
        await stage.settle()
        assert [str(number + 1) for number in range(said)] == [message["params"]["reaction"] for message in bob.inbox]
        assert said == OUTBOX_MESSAGES + 1
        bob.inbox.clear()
        assert not anna.inbox

    async def test_a_socket_that_does_not_even_take_its_end_is_left(self, stage: Stage) -> None:
        await stage.enter("bob")
        bob = stage.client("bob")
        bob.socket.stalled = True
        bob.send("get_room_members", {})
        await stage.settle()
        stage.client("bob/2").send("join_room", {"sdp": "offer", "auth_token": stage.proofs["bob"]})
        await trio.sleep(CLOSE_TIMEOUT_S + 0.1)
        await stage.settle()
        assert "result" in stage.client("bob/2").inbox.popleft()
        assert bob.socket.closed is None
        assert not bob.served

    async def test_who_does_not_read_is_not_read(self, stage: Stage) -> None:
        await stage.enter("bob")
        await stage.enter("anna")
        anna = stage.client("anna")
        anna.socket.stalled = True
        anna.send("mute_audio", {})
        anna.send("unmute_audio", {})
        await stage.settle()
        assert ["member_mute_audio"] == [message["method"] for message in stage.client("bob").inbox]
        anna.socket.read_on()
        await stage.settle()
        assert ["member_mute_audio", "member_unmute_audio"] == [m["method"] for m in stage.client("bob").inbox]


class TestEnds:
    async def test_what_was_read_before_the_end_is_carried_out(self, stage: Stage) -> None:
        await stage.enter("bob")
        await stage.enter("anna")
        bob = stage.client("bob")
        bob.send("mute_audio", {})
        bob.send("leave_room", {}, with_id=False)
        bob.socket.vanish()
        await stage.settle()
        await stage.play("""
            bob  <- ok
            anna <- member_mute_audio member=bob by_admin=false
            anna <- member_leave_room member=bob by_admin=false
            """)
        assert not bob.served


class TestOwnFaults:
    async def test_a_fault_after_the_reply_is_not_a_second_one(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await stage.enter("anna")

        def broken(*_: object) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(RoomHost, "_tell", broken)
        anna = stage.clients["anna"]
        anna.send("raise_hand", {})
        await stage.settle()
        assert [message.get("result") for message in anna.inbox] == [{}]

    async def test_a_fault_in_one_rooms_timer_ends_no_other_room(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await stage.enter("anna", LISTED)
        await stage.enter("bob")
        await stage.enter("carl")

        def broken(*_: object) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(FakePeer, "close", broken)
        stage.clients["carl"].socket.vanish()
        await trio.sleep(11)
        monkeypatch.undo()
        await stage.settle()
        await stage.play("""
            bob  <- member_leave_room member=carl by_admin=false
            anna => raise_hand
            bob  drops
            """)
        await trio.sleep(11)
        assert stage.members() == []
        # Not even the call id is lost.
        reply = await stage.ask("carl/2", "authenticate", room=OPEN, call_id="carl")
        assert "result" in reply

    async def test_an_observer_that_fails_is_none_of_the_rooms_business(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(Diary, "observe", broken)
        await stage.enter("anna")
        assert stage.members() == ["anna"]

    async def test_the_sender_alone_is_told_and_no_more_than_that(self, stage: Stage) -> None:
        stage.directory.fault = OSError("the disk of /secret/place is gone")
        reply = await stage.ask("anna", "authenticate", room=OPEN, call_id="anna")
        assert reply["error"]["code"] == 500
        assert "secret" not in json.dumps(reply)
        stage.directory.fault = None
        assert "result" in await stage.ask("anna", "authenticate", room=OPEN, call_id="anna")

    async def test_a_socket_that_goes_while_it_asks_leaves_no_trace(self, stage: Stage) -> None:
        await stage.enter("bob")
        stage.directory.look_up_s = 1
        anna = stage.client("anna")
        anna.send("authenticate", {"room": OPEN, "call_id": "anna"})
        anna.send("join_room", {"sdp": "offer", "auth_token": stage.proofs["bob"]})
        await trio.sleep(0.5)
        anna.socket.vanish()
        await trio.sleep(5)
        stage.directory.look_up_s = 0
        await stage.settle()
        # Its requests were read before its end: they were carried out, and then it was gone.
        assert "result" in await stage.ask("carl", "authenticate", room=OPEN, call_id="anna")

    @pytest.mark.parametrize(
        ("method", "params"),
        [
            ("authenticate", {"room": LISTED, "call_id": "x"}),
            ("authenticate", {"room": LISTED, "call_id": "x"} | credentials("bob")),
            ("join_room", {"sdp": "offer"}),
            ("watch_room", {}),
            ("allow_member", {"member": "nora"}),
            ("reject_member", {"member": "nora"}),
            ("register_room_api", credentials("bob")),
            ("create_temp_room", {"call_id": "x", "sdp": "offer", "invited": ["carl"]} | credentials("bob")),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    @pytest.mark.parametrize("after_s", [0.5, 1.5])
    async def test_a_handler_that_is_cancelled_while_it_asks_leaves_no_trace(
        self, stage: Stage, method: str, params: dict[str, Any], after_s: float
    ) -> None:
        await stage.register("carl")
        await stage.ask("nora", "authenticate", room=LISTED, call_id="nora")
        await stage.enter("anna", LISTED)
        zoe = stage.client("zoe")
        before = stage.state()
        stage.directory.look_up_s = 2
        zoe.send(method, {"auth_token": stage.issue("zoe", LISTED, is_admin=True)} | params)
        await trio.sleep(after_s)
        zoe.handler.cancel()
        await trio.sleep(20)
        await stage.settle()
        assert before == stage.state()
        assert not any(client.inbox for client in stage.clients.values())
        stage.directory.look_up_s = 0
        assert "result" in await stage.ask("other", "authenticate", room=OPEN, call_id="x")
        reply = await stage.ask("anna", "invite_exten", extens=["bob"])
        assert reply["result"]["failed"] == [{"destination": "bob", "code": 480}]


class TestDraining:
    async def test_calls_go_on_until_they_end(self, stage: Stage) -> None:
        await stage.enter("anna")
        await stage.enter("bob")
        await stage.ask("carl", "authenticate", room=OPEN, call_id="carl")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.rooms.drain, 60)
            await stage.settle()
            for name in ("anna", "bob", "carl"):
                said = stage.client(name).inbox.popleft()
                assert (said["method"], set(said["params"])) == ("server_draining", {"deadline"})
                assert not stage.client(name).inbox
            token = stage.tokens.issue(room=OPEN, call_id="carl", user=None, name="", is_admin=False)
            reply = await stage.ask("carl", "join_room", sdp="offer", auth_token=token)
            assert reply["error"]["code"] == 503
            stage.client("late")
            await stage.settle()
            assert stage.client("late").inbox.popleft()["method"] == "server_draining"
            await stage.play("""
                anna => mute_audio
                bob  <- member_mute_audio member=anna by_admin=false
                bob  drops
                bob/2 -> join_room      # it is inside: this is no new join
                bob/2 <- server_draining ...
                bob/2 <- ok ...
                anna -> leave_room
                anna <- ok
                anna <- closed 1012
                bob/2 <- member_leave_room member=anna by_admin=false
                bob/2 => leave_room
                bob/2 <- closed 1012
                carl <- closed 1012
                late <- closed 1012
                """)
        assert trio.current_time() < 10

    async def test_nobody_new_comes_in(self, stage: Stage) -> None:
        await stage.register("bob")
        await stage.enter("anna", LISTED)
        await stage.play("""
            zoe  has token listed
            zoe  -> watch_room
            zoe  <- ok ...
            nora -> authenticate room=listed
            nora <- error 403
            anna <- member_waiting ...
            zoe  <- member_waiting ...
            anna -> invite_exten extens=bob
            anna <- ok ...
            bob  <- room_invite auth_token=?pass ...
            """)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.rooms.drain, 60)
            await stage.settle()
            for client in stage.clients.values():
                assert client.inbox.popleft()["method"] == "server_draining"
            await stage.play("""
                anna -> allow_member member=nora
                anna <- ok
                nora <- member_allowed ...
                anna <- member_waiting_allowed ...
                zoe  <- member_waiting_allowed ...
                nora -> join_room
                nora <- error 503
                zoe  -> join_room
                zoe  <- error 503
                bob  -> join_room auth_token=pass
                bob  <- error 503
                carl -> create_temp_room
                carl <- server_draining ...
                carl <- error 503
                anna => raise_hand
                zoe  <- member_raise_hand member=anna
                anna => leave_room
                zoe  <- member_leave_room member=anna by_admin=false
                bob  <- room_invite_completed_elsewhere room=listed
                anna <- closed 1012
                bob  <- closed 1012
                carl <- closed 1012
                nora <- closed 1012
                zoe  <- closed 1012
                """)
        assert trio.current_time() < 10

    async def test_who_is_turned_away_is_let_go(self, stage: Stage) -> None:
        await stage.enter("anna", LISTED)
        await stage.play("nora -> authenticate room=listed\n nora <- error 403\n anna <- member_waiting ...")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.rooms.drain, 60)
            await stage.settle()
            for client in stage.clients.values():
                assert client.inbox.popleft()["method"] == "server_draining"
            await stage.play("""
                anna -> reject_member member=nora
                anna <- ok
                nora <- member_rejected
                nora <- closed 1012
                anna <- member_waiting_rejected member=nora
                anna -> remove_member member=anna
                anna <- ok
                anna <- member_leave_room member=anna by_admin=true
                anna <- closed 1012
                """)

    async def test_the_deadline(self, stage: Stage) -> None:
        await stage.enter("anna")
        await stage.rooms.drain(3)
        await stage.settle()
        assert trio.current_time() == pytest.approx(3)
        assert stage.client("anna").inbox.pop() == {"closed": 1012}

    async def test_without_calls_it_is_done_at_once(self, stage: Stage) -> None:
        stage.client("anna")
        await stage.settle()
        await stage.rooms.drain(60)
        await stage.settle()
        assert trio.current_time() == 0
        assert stage.client("anna").inbox.pop() == {"closed": 1012}
