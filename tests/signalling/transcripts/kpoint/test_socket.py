"""One socket: frames, floods, slow readers, the order of replies, and the server's end (contract kpoint, sections 1, 2, 7, 11)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio
import trio.testing

from signalling.limits import FLOOD_UNIT_BYTES, KPOINT_FLOOD_REFUSALS, MAX_FRAME_BYTES, OUTBOX_MESSAGES
from signalling.settings import KpointSettings
from tests.signalling.kpoint_stage import KpointStage, open_kpoint_stage


class TestFrames:
    @pytest.mark.parametrize("filler", ["x", "é"])
    async def test_the_longest_is_read_and_a_longer_one_closes(self, stage: KpointStage, filler: str) -> None:
        client = stage.client("ann")
        blank = MAX_FRAME_BYTES - len('"')
        longest = '"' + filler * (blank // len(filler.encode())) + " " * (blank % len(filler.encode()))
        client.socket.say(longest)
        await stage.settle()
        assert client.inbox.popleft()["code"] == "400"
        client.socket.say(longest + " ")
        await stage.settle()
        assert client.inbox.popleft() == {"closed": 1009}

    async def test_nonsense_is_answered_and_the_socket_stays(self, stage: KpointStage) -> None:
        client = stage.kpoint_client("ann")
        nonsense = ["", "nonsense", "[]", "5", "null", "{" * 5000, "[" * 5000, '{"eventOp": "register"', b"", b"{}"]
        for frame in nonsense:
            client.say(frame)
        await stage.settle()
        for _ in nonsense:
            reply = client.inbox.popleft()
            assert {"eventOp": "error", "code": "400", "message": reply["message"]} == reply
        client.pending.clear()
        await stage.play("ann -> register\n ann <- ok ...")

    async def test_what_is_no_json_either(self, stage: KpointStage) -> None:
        """Numbers that other readers of JSON do not know would be passed on to them."""
        await stage.play("ann opens den\n ann enters den\n ben enters den")
        for number in ("NaN", "Infinity", "-Infinity"):
            stage.client("ann").socket.say(
                f'{{"eventOp": "inform", "reqId": "1", "userId": "ann", "roomId": "den", "message": {number}}}'
            )
            await stage.settle()
            assert stage.client("ann").inbox.popleft()["code"] == "400"
        assert not stage.client("ben").inbox

    async def test_deep_values_harm_nobody(self, stage: KpointStage) -> None:
        await stage.play("ann opens den\n ann enters den\n ben enters den")
        for depth in (100, 300, 500, 700, 900, 950, 990, 2000):
            message = "[" * depth + "]" * depth
            stage.client("ann").socket.say(
                f'{{"eventOp": "inform", "reqId": "1", "userId": "ann", "roomId": "den", "message": {message}}}'
            )
            await stage.settle()
            code = stage.client("ann").inbox.popleft()["code"]
            assert code in ("200", "400", "422"), depth
            assert (code == "200") == bool(stage.client("ben").inbox)
            stage.client("ben").inbox.clear()

    async def test_text_that_is_no_utf8_is_passed_on_as_it_may_be(self, stage: KpointStage) -> None:
        await stage.play("ann opens den\n ann enters den\n ben enters den")
        stage.kpoint_client("ann").request(
            "chat", {"reqId": "\ud800", "userId": "ann", "roomId": "den", "message": "\udfff"}
        )
        await trio.testing.wait_all_tasks_blocked()
        for name in ("ann", "ben"):
            for text in stage.client(name).socket.received:
                text.encode()  # else the socket could not take it

    async def test_text_that_is_no_utf8_harms_nobody(self, stage: KpointStage) -> None:
        await stage.must_open("ann")
        await stage.must_enter("ann", "ben")
        assert (await stage.ask_kpoint("ann", "createRoom", roomId="\ud800"))["code"] == "422"
        assert (await stage.ask_kpoint("ann", "editUserInfo", name="\ud800"))["code"] in ("200", "422")
        await stage.play("ann -> memberList\n ann <- ok ...")


class TestFloods:
    async def test_the_allowance(self, stage: KpointStage) -> None:
        await stage.must_register("ann")
        assert await _codes(stage, "ann", 400) == ["441"] * 399 + ["400"]
        # 200 a second in the long run.
        await trio.sleep(0.5)
        assert await _codes(stage, "ann", 101) == ["441"] * 100 + ["400"]

    async def test_what_is_refused_has_no_effect(self) -> None:
        async with open_kpoint_stage(KpointSettings(requests_burst=3, requests_per_s=1)) as stage:
            await stage.play("""
                ann  opens den
                ann  enters den
                ben  enters den
                ann  -> chat roomId=den
                ann  <- 400
                wait 1
                ann  -> chat roomId=den
                ann  <- ok
                ben  <- chat user=ann message=hello roomId=den
                """)

    async def test_a_refused_request_is_known_by_its_id_unless_it_is_long(self) -> None:
        async with open_kpoint_stage(KpointSettings(requests_burst=1, requests_per_s=0.001)) as stage:
            client = stage.kpoint_client("ann")
            request = json.dumps({"eventOp": "memberList", "reqId": "7", "userId": "ann", "roomId": "den"})
            for text in (request, request.ljust(FLOOD_UNIT_BYTES), request.ljust(FLOOD_UNIT_BYTES + 1)):
                client.socket.say(text)
            await stage.settle()
            replies = [(reply["eventOp"], reply.get("reqId"), reply["code"]) for reply in client.inbox]
            assert replies == [("memberList", "7", "410"), ("memberList", "7", "400"), ("error", None, "400")]

    async def test_who_goes_on_is_closed(self, stage: KpointStage) -> None:
        await stage.must_open("ann")
        await stage.must_enter("ann", "ben")
        await trio.sleep(3)
        codes = await _codes(stage, "ann", 400 + KPOINT_FLOOD_REFUSALS - 1)
        assert codes == ["200"] * 400 + ["400"] * (KPOINT_FLOOD_REFUSALS - 1)
        await stage.play("ann -> memberList\n ann <- 400\n ann <- closed 4029\n ben <- leave user=ann")

    async def test_binary_frames_count(self, stage: KpointStage) -> None:
        client = stage.kpoint_client("ann")
        for _ in range(400 + KPOINT_FLOOD_REFUSALS):
            client.socket.say(b"")
        await stage.settle()
        assert client.socket.closed == 4029

    async def test_drawing_keeps_its_order(self, stage: KpointStage) -> None:
        await stage.must_open("ann")
        await stage.must_enter("ann", "ben")
        await trio.sleep(3)
        _draw(stage, "ann", range(400))
        await stage.settle()
        assert ["200"] * 400 == [reply["code"] for reply in stage.client("ann").inbox]
        assert list(range(400)) == [stroke["strokeWidth"] for stroke in stage.client("ben").inbox]


class TestSlowReaders:
    async def test_who_does_not_read_is_closed_and_has_left(self, stage: KpointStage) -> None:
        await stage.must_open("ann")
        await stage.must_enter("ann", "ben", "cleo")
        ben = stage.client("ben")
        ben.socket.stalled = True
        # One message is on its way; so many wait.
        for number in range(OUTBOX_MESSAGES + 1):
            _draw(stage, "ann", [number])
            await trio.sleep(0.01)
        await stage.settle()
        assert stage.members_of("den") == ["ann", "ben", "cleo"]
        _draw(stage, "ann", [OUTBOX_MESSAGES + 1])
        await trio.sleep(0.01)
        ben.socket.read_on()
        await stage.settle()
        assert ben.inbox.popleft()["strokeWidth"] == 0
        assert {"closed": 4008} == ben.inbox.popleft()
        cleo = stage.client("cleo").inbox
        assert [message["strokeWidth"] for message in list(cleo)[:-1]] == list(range(OUTBOX_MESSAGES + 2))
        assert ("leave", "ben") == (cleo[-1]["type"], cleo[-1]["user"])
        assert stage.members_of("den") == ["ann", "cleo"]

    async def test_who_does_not_read_is_not_read(self, stage: KpointStage) -> None:
        await stage.play("""
            ann  opens den
            ann  enters den
            ben  enters den
            ann  stalls
            ann  -> chat roomId=den message=one &
            ann  -> chat roomId=den message=two
            ben  <- chat user=ann message=one roomId=den
            ann  reads on
            ann  <- ok
            ann  <- ok
            ben  <- chat user=ann message=two roomId=den
            """)


class TestOrder:
    async def test_fifty_at_once(self, stage: KpointStage) -> None:
        await stage.must_register("ann")
        stage.licence_rooms.keep_s = 0.01
        client = stage.kpoint_client("ann")
        fields = {"userId": "ann", "destroy": False}
        for number in range(50):
            op = ("createRoom", "memberList", "dance", "createVideoRoom", "destroyRoom")[number % 5]
            client.request(op, fields | {"roomId": f"room {number // 5}", "reqId": str(number)})
        await trio.sleep(1)
        await stage.settle()
        replies = [(reply["reqId"], reply["eventOp"], reply["code"]) for reply in client.inbox]
        expected = [("createRoom", "200"), ("memberList", "200"), ("dance", "404"), ("createVideoRoom", "443")]
        expected.append(("destroyRoom", "200"))
        assert replies == [(str(number), *expected[number % 5]) for number in range(50)]

    async def test_the_reply_before_what_it_causes(self, stage: KpointStage) -> None:
        await stage.play("""
            ann  opens den talkingNoty=true
            ann  enters den
            ann  publishes
            ben  registers
            ben  -> joinRoom &
            ben  -> chat roomId=den &
            ben  -> screen &
            ben  -> shareStop &
            ben  -> leaveRoom
            ben  <- ok ...
            ben  <- publish feeds=cam:ann+host+publishing
            ben  <- ok
            ben  <- ok
            ben  <- ok
            ben  <- ok
            ann  <- join user=ben
            ann  <- chat user=ben message=hello roomId=den
            ann  <- screen user=ben
            ann  <- shareStop user=ben
            ann  <- leave user=ben
            """)

    async def test_a_failure_is_told_once_and_to_nobody_else(self, stage: KpointStage) -> None:
        await stage.play("ann opens den\n ann enters den\n ben enters den")
        before = stage.state()
        await stage.play("""
            ann  -> screen -roomId
            ann  <- 421
            ann  -> sdpRoom offer="bad offer"
            ann  <- 422
            ann  -> sdpRoom offer=o type=screen
            ann  <- 413
            ann  -> chat roomId=den target=nobody
            ann  <- 410
            ann  -> editRoomInfo title=new capacity=1
            ann  <- 422
            ann  -> editUserInfo name=Ann target=nobody
            ann  <- 410
            """)
        assert before == stage.state()


class TestEnds:
    async def test_the_server_drains(self, stage: KpointStage) -> None:
        before = datetime.now(UTC)
        await stage.play("""
            ann  opens den
            ann  opens attic
            ann  enters den
            ben  enters den
            cleo registers
            dan  -> memberList
            dan  <- 410
            server drains 60
            ann  <- draining deadline=?deadline
            ben  <- draining deadline=deadline
            cleo <- draining deadline=deadline
            dan  <- draining deadline=deadline
            dan  -> register
            dan  <- 500
            cleo -> createRoom roomId=cellar
            cleo <- 500
            cleo -> joinRoom
            cleo <- 500
            cleo -> joinRoom roomId=attic
            cleo <- 500
            eve  -> register
            eve  <- draining deadline=deadline
            eve  <- 500
            ann  -> chat roomId=den
            ann  <- ok
            ben  <- chat user=ann message=hello roomId=den
            ann  -> leaveRoom
            ann  <- ok
            ann  <- closed 1012
            ben  <- leave user=ann
            ben  -> leaveRoom
            ben  <- ok
            ben  <- closed 1012
            cleo <- closed 1012
            dan  <- closed 1012
            eve  <- closed 1012
            """)
        deadline = datetime.fromisoformat(stage.names["deadline"])
        assert before + timedelta(seconds=60) <= deadline <= datetime.now(UTC) + timedelta(seconds=60)

    async def test_the_deadline(self, stage: KpointStage) -> None:
        await stage.play("""
            ann  opens den
            ann  enters den
            server drains 3
            ann  <- draining ...
            wait 2.9
            wait 0.2
            ann  <- closed 1012
            """)

    async def test_a_licence_that_is_ended(self, stage: KpointStage) -> None:
        await stage.play("""
            ann  opens den
            ann  enters den
            ben  enters den
            ann  publishes
            ben  watches ann
            cleo registers
            zed  registers cpCode=zeta
            zed  opens den
            zed  enters den
            licence acme becomes enabled=false
            licence acme ends
            ann  <- end user=
            ann  <- closed 4403
            ben  <- end user=
            ben  <- closed 4403
            cleo <- closed 4403
            media holds
            zed  -> memberList
            zed  <- ok members=zed+host
            """)


def _draw(stage: KpointStage, name: str, numbers: Any) -> None:
    for number in numbers:
        fields = {"userId": name, "roomId": "den", "strokeWidth": number}
        stage.kpoint_client(name).request("drawing", fields)


async def _codes(stage: KpointStage, name: str, times: int) -> list[str]:
    """What so many requests at once are answered."""
    client = stage.kpoint_client(name)
    for number in range(times):
        client.request("memberList", {"reqId": str(number), "userId": name, "roomId": "den"})
    await stage.settle()
    replies = list(client.inbox)
    assert [reply["reqId"] for reply in replies] == [str(number) for number in range(times)]
    client.inbox.clear()
    client.pending.clear()
    return [reply["code"] for reply in replies]
