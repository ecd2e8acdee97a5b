"""One connection: frames, floods, slow readers, faults of ours, and the server's end."""

import json

import pytest
import trio

from signalling import RoomApiSettings, SocketClosed
from signalling.limits import CLOSE_TIMEOUT_S, FLOOD_REFUSALS, FLOOD_UNIT_BYTES, MAX_FRAME_BYTES, OUTBOX_MESSAGES
from tests.signalling.stage import OPEN, Stage, open_stage


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
    async def test_a_socket_that_breaks_while_it_is_written_to(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await stage.enter("bob")
        await stage.enter("anna")

        async def broken(text: str) -> None:
            raise SocketClosed

        monkeypatch.setattr(stage.client("bob").socket, "send", broken)
        await stage.play("""
            anna => mute_audio
            wait 10.1
            anna <- member_leave_room member=bob by_admin=false
            """)
        assert not stage.client("bob").served


class TestOwnFaults:
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
