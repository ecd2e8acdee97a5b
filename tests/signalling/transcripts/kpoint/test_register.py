"""Who registers, who does not, and who has to make room (contract kpoint, sections 4 and 11)."""

import re

import pytest
import trio

from signalling.settings import KpointSettings
from tests.signalling.kpoint_stage import KpointStage, open_kpoint_stage

TRANSCRIPTS = {
    "a licence and a wish": """
        ann  -> register name=Ann device=phone
        ann  <- ok userId=ann iceServers=
        """,
    "strings for booleans": """
        ann  -> register 'forced="false"'
        ann  <- ok userId=ann ...
        ann/2 -> register 'forced="true"'
        ann/2 <- ok userId=ann ...
        ann  <- disconnected user=ann
        ann  <- closed 4409
        """,
    "who fails may try again": """
        ann  -> register authKey=wrong
        ann  <- 401
        ann  -> register cpCode=nobody
        ann  <- 401
        ann  -> memberList              # section 3: no operation before register
        ann  <- 410
        ann  -> register
        ann  <- ok ...
        """,
    "a second time on the same socket, whatever it says": """
        ann  -> register
        ann  <- ok ...
        ann  -> register
        ann  <- 409
        ann  -> register userId=ben forced=true
        ann  <- 409
        ann  -> register -cpCode userId=5
        ann  <- 409
        ann  -> register -reqId
        ann  <- 421
        """,
    "an id that is in use": """
        ann  registers
        ben  -> register userId=ann
        ben  <- 409
        ben  -> register
        ben  <- ok userId=ben ...
        """,
    "an id that is in use under another licence": """
        ann  registers
        zed  -> register userId=ann cpCode=zeta
        zed  <- ok userId=ann ...
        """,
    "an id that becomes free": """
        ann  registers
        ann  drops
        ben  -> register userId=ann
        ben  <- ok userId=ann ...
        """,
    "two at once with the same id": """
        look-ups take 1
        ann  -> register
        wait 0.5
        ann/2 -> register
        wait 0.6
        ann  <- ok userId=ann ...
        wait 0.5
        ann/2 <- 409
        """,
    "by force, though nobody is there": """
        ann  -> register forced=true
        ann  <- ok userId=ann ...
        """,
    "by force, from a room": """
        ann  opens den
        ann  enters den
        ben  enters den
        ben  publishes
        ben  publishes screen
        ann  watches ben
        ben/2 -> register forced=true
        ben/2 <- ok userId=ben ...
        ben  <- disconnected user=ben
        ben  <- closed 4409
        ann  <- shareStop user=ben      # section 10: as if its socket had dropped
        ann  <- leave user=ben
        media holds
        ben/2 -> leaveRoom
        ben/2 <- 413
        ben/2 -> joinRoom
        ben/2 <- ok members=ann+host,ben ...
        ann  <- join user=ben
        """,
    "by force, the host": """
        ann  opens den destroy=false
        ann  enters den
        ann/2 -> register forced=true
        ann/2 <- ok ...
        ann  <- disconnected user=ann
        ann  <- closed 4409
        ann/2 -> joinRoom
        ann/2 <- ok members=ann+host ...
        """,
    "by force, from the last place": """
        licence acme becomes max_users=1
        ann  registers
        ann/2 -> register forced=true
        ann/2 <- ok ...
        ann  <- disconnected user=ann
        ann  <- closed 4409
        ben  -> register
        ben  <- 445
        ann/2 drops
        ben  -> register
        ben  <- ok ...
        """,
    "by force, of another licence": """
        ann  registers
        zed  -> register userId=ann cpCode=zeta forced=true
        zed  <- ok userId=ann ...
        ann  -> memberList
        ann  <- 441
        """,
    "by force, in the middle of joining": """
        ann  opens den
        ann  enters den
        ben  registers
        look-ups take 2
        ben  -> joinRoom
        look-ups take 0
        ben/2 -> register forced=true
        ben  <- disconnected user=ben
        ben  <- closed 4409
        ben/2 <- ok ...
        wait 3
        ann  -> memberList
        ann  <- ok members=ann+host
        """,
    "what is no force fails before it has an effect": """
        ann  opens den
        ann  enters den
        ann/2 -> register forced=true authKey=wrong
        ann/2 <- 401
        ann/2 -> register forced=5
        ann/2 <- 422
        ann  -> memberList
        ann  <- ok members=ann+host
        """,
    "30 seconds": """
        ann  -> register authKey=wrong
        ann  <- 401
        ben  registers
        wait 29.9
        wait 0.2
        ann  <- closed 4408
        wait 60
        ben  -> memberList
        ben  <- 441
        """,
    "a user more than the licence allows": """
        licence acme becomes max_users=2
        ann  registers
        ben  registers
        cleo -> register
        cleo <- 445
        zed  -> register cpCode=zeta
        zed  <- ok ...
        ben  drops
        cleo -> register
        cleo <- ok ...
        """,
    "two who race for the last place": """
        licence acme becomes max_users=2
        ann  registers
        look-ups take 1
        ben  -> register
        wait 0.1
        cleo -> register
        wait 1
        ben  <- ok ...
        cleo <- 445
        """,
    "who goes while it is looked up takes no place": """
        licence acme becomes max_users=1
        look-ups take 1
        ann  -> register
        wait 0.5
        ann  is cancelled
        wait 2
        look-ups take 0
        ben  -> register
        ben  <- ok ...
        """,
    "a disabled licence": """
        ann  opens den
        ann  enters den
        ben  registers
        licence acme becomes enabled=false
        cleo -> register
        cleo <- 401
        ben  -> joinRoom
        ben  <- 401
        ann  -> chat roomId=den         # running calls may finish
        ann  <- ok
        licence acme becomes enabled=true
        ben  -> joinRoom
        ben  <- ok members=ann+host,ben ...
        ann  <- join user=ben
        """,
    "what it cannot do without": """
        ann  -> register -cpCode
        ann  <- 421
        ann  -> register -ipAddr
        ann  <- 421
        ann  -> register -authKey
        ann  <- 421
        ann  -> register ipAddr=
        ann  <- 421
        ann  -> register cpCode=
        ann  <- 421
        ann  -> register userId=
        ann  <- 421
        ann  -> register ipAddr="not looked at"
        ann  <- ok ...
        """,
    "types and lengths": f"""
        ann  -> register cpCode=5
        ann  <- 422
        ann  -> register authKey=true
        ann  <- 422
        ann  -> register userId=5
        ann  <- 422
        ann  -> register name={{}}
        ann  <- 422
        ann  -> register forced=perhaps
        ann  <- 422
        ann  -> register userId={"u" * 65}
        ann  <- 445
        ann  -> register name={"n" * 257}
        ann  <- 445
        ann  -> register device={"d" * 257}
        ann  <- 445
        ann  -> register userId={"u" * 64} name={"n" * 256} device={"d" * 256}
        ann  <- ok userId={"u" * 64} ...
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)


async def test_ids_that_are_made(stage: KpointStage) -> None:
    ids = set()
    for name in ("ann", "ben", "cleo"):
        await stage.play(f"{name} -> register -userId\n {name} <- ok userId=?made iceServers=")
        assert re.fullmatch(r"u\d+", stage.names["made"])
        ids.add(stage.names["made"])
    assert len(ids) == 3
    # It is an id like others.
    await stage.play("ann -> createRoom\n ann <- ok roomId=den\n ann -> joinRoom\n ann <- ok ...")


async def test_control_characters(stage: KpointStage) -> None:
    for user in ("a\nb", "a\x00", "\x7f"):
        assert (await stage.ask_kpoint("ann", "register", userId=user))["code"] == "422"


async def test_what_others_see_of_a_member(stage: KpointStage) -> None:
    await stage.must_register("ann", name="Ann", device="phone")
    await stage.must_open("ann")
    reply = await stage.must("ann", "joinRoom")
    member = {
        "id": "ann",
        "name": "Ann",
        "userType": "host",
        "device": "phone",
        "video": True,
        "audio": True,
        "publishing": False,
        "permit": {"screen": True, "chat": True, "whiteboard": True, "draw": True, "document": True},
    }
    assert member == reply["host"]
    assert {"ann": member} == reply["members"]


async def test_the_time_to_register_is_a_setting() -> None:
    async with open_kpoint_stage(KpointSettings(register_timeout_s=0.5)) as stage:
        stage.client("ann")
        await trio.sleep(0.4)
        await stage.settle()
        assert stage.client("ann").socket.closed is None
        await trio.sleep(0.2)
        assert stage.client("ann").socket.closed == 4408
