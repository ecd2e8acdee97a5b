"""Rooms: how they come to be, who comes in, and how they end (contract kpoint, sections 5.1 to 5.6 and 11)."""

import re
from datetime import datetime, timedelta, timezone

import pytest
import trio

from signalling.limits import LICENCE_ROOMS
from tests.signalling.kpoint_stage import KpointStage

MAKING = {
    "the name is taken, whatever the kind": """
        ann  registers
        ben  registers
        ann  -> createRoom
        ann  <- ok roomId=den
        ann  -> createRoom
        ann  <- 443
        ben  -> createVideoRoom
        ben  <- 443
        ben  -> createVideoRoom roomId=attic
        ben  <- ok roomId=attic
        ben  -> createRoom roomId=attic
        ben  <- 443
        """,
    "who makes it is not inside": """
        ann  opens den
        ann  -> memberList
        ann  <- ok members=
        ann  -> leaveRoom
        ann  <- 413
        """,
    "two at once": """
        ann  registers
        ben  registers
        stores take 1
        ann  -> createRoom
        wait 0.5
        ben  -> createRoom
        ben  <- 443
        ben  -> joinRoom                # it is there once it is stored
        ben  <- 441
        wait 0.6
        ann  <- ok roomId=den
        ben  -> joinRoom
        ben  <- ok host=ann+host members=ben ...
        """,
    "what it cannot do without, and what it may say": f"""
        ann  registers
        ann  -> createRoom -destroy
        ann  <- 421
        ann  -> createRoom destroy=5
        ann  <- 422
        ann  -> createRoom destroy=perhaps
        ann  <- 422
        ann  -> createRoom roomId=
        ann  <- 421
        ann  -> createRoom roomId=7
        ann  <- 422
        ann  -> createRoom roomId={"r" * 65}
        ann  <- 445
        ann  -> createRoom title={"t" * 257}
        ann  <- 445
        ann  -> createRoom title=5
        ann  <- 422
        ann  -> createRoom capacity=0
        ann  <- 422
        ann  -> createRoom capacity=-1
        ann  <- 422
        ann  -> createRoom capacity=1.5
        ann  <- 422
        ann  -> createRoom capacity=many
        ann  <- 422
        ann  -> createRoom capacity=true
        ann  <- 422
        ann  -> createVideoRoom talkingNoty=5
        ann  <- 422
        ann  -> createRoom roomId={"r" * 64} title={"t" * 256}
        ann  <- ok roomId={"r" * 64}
        """,
    "nobody ever comes": """
        ann  opens den
        ann  opens attic destroy=false
        wait 599
        ann  -> memberList
        ann  <- ok members=
        wait 2
        ann  -> memberList
        ann  <- 441
        ann  -> memberList roomId=attic
        ann  <- ok members=
        ann  -> createVideoRoom
        ann  <- ok roomId=den
        """,
    "somebody has come in time": """
        ann  opens den
        wait 599
        ann  enters den
        wait 100
        ann  -> memberList
        ann  <- ok members=ann+host
        """,
    "licences do not see each other": """
        ann  opens den title=ours
        ann  enters den
        zed  registers cpCode=zeta userId=ann
        zed  -> joinRoom userId=ann
        zed  <- 441
        zed  -> memberList userId=ann
        zed  <- 441
        zed  -> destroyRoom userId=ann
        zed  <- 441
        zed  -> createVideoRoom userId=ann title=theirs
        zed  <- ok roomId=den
        zed  -> joinRoom userId=ann
        zed  <- ok title=theirs members=ann+host ...
        ann  -> memberList
        ann  <- ok members=ann+host
        zed  -> destroyRoom userId=ann
        zed  <- ok
        ann  -> memberList
        ann  <- ok members=ann+host
        """,
}
DESTROY = {
    "true: the last one out": """
        ann  opens den destroy=true
        ann  enters den
        ben  enters den
        ann  -> leaveRoom
        ann  <- ok
        ben  <- leave user=ann
        ben  -> leaveRoom
        ben  <- ok
        ann  -> joinRoom
        ann  <- 441
        ben  -> createRoom
        ben  <- ok roomId=den
        """,
    "an empty string counts as true": """
        ann  registers
        ann  -> createRoom destroy=
        ann  <- ok roomId=den
        ann  enters den
        ann  drops
        ben  registers
        ben  -> joinRoom
        ben  <- 441
        """,
    "false": """
        ann  opens den destroy=false
        ann  enters den
        ann  -> leaveRoom
        ann  <- ok
        wait 1000
        ann  -> createRoom
        ann  <- 443
        ben  registers
        ben  -> joinRoom
        ben  <- ok host=ann+host members=ben ...
        """,
    "false, as a string": """
        ann  opens den 'destroy="false"'
        ann  enters den
        ann  drops
        ben  registers
        ben  -> joinRoom
        ben  <- ok host=ann+host members=ben ...
        """,
}
ENTERING = {
    "there is no such room": """
        ann  registers
        ann  -> joinRoom
        ann  <- 441
        ann  -> joinRoom -roomId
        ann  <- 421
        """,
    "a second time": """
        ann  opens den
        ann  enters den
        ann  -> joinRoom
        ann  <- 442
        """,
    "from another room": """
        ann  opens den
        ann  opens attic
        ann  enters den
        ann  -> joinRoom roomId=attic
        ann  <- 405
        ann  -> leaveRoom
        ann  <- ok
        ann  -> joinRoom roomId=attic
        ann  <- ok roomId=attic members=ann+host ...
        """,
    "capacity": """
        ann  opens den capacity=2
        ann  enters den
        ben  enters den
        cleo registers
        cleo -> joinRoom
        cleo <- 444
        ben  -> leaveRoom
        ben  <- ok
        ann  <- leave user=ben
        cleo -> joinRoom
        cleo <- ok members=ann+host,cleo ...
        ann  <- join user=cleo
        """,
    "capacity, as a string": """
        ann  registers
        ann  -> createRoom 'capacity="1"'
        ann  <- ok roomId=den
        ann  enters den
        ben  registers
        ben  -> joinRoom
        ben  <- 444
        """,
    "the last place of a room": """
        ann  opens den capacity=2
        ann  enters den
        ben  registers
        cleo registers
        look-ups take 1
        ben  -> joinRoom
        wait 0.1
        cleo -> joinRoom
        wait 1
        ben  <- ok members=ann+host,ben ...
        cleo <- 444
        ann  <- join user=ben
        """,
    "a host that is not inside is known all the same": """
        ann  registers name=Ann
        ann  opens den
        ben  registers
        ben  -> joinRoom
        ben  <- ok host=ann:Ann+host members=ben ...
        """,
    "a host that has left is known as it was last": """
        ann  registers name=Ann
        ann  opens den
        ann  enters den
        ben  enters den
        ann  -> editUserInfo name=Anna video=false
        ann  <- ok
        ben  <- editUserInfo user=ann name=Anna video=false audio=true
        ann  drops
        ben  <- leave user=ann
        cleo registers
        cleo -> joinRoom
        cleo <- ok host=ann:Anna+host-video members=ben,cleo ...
        ben  <- join user=cleo
        """,
    "leaving what one is not in": """
        ann  opens den
        ann  enters den
        ben  registers
        ben  -> leaveRoom
        ben  <- 413
        ben  -> leaveRoom roomId=attic
        ben  <- 441
        """,
    "a room more than the licence allows": """
        licence acme becomes room_limit=1
        ann  opens den
        ann  opens attic
        ann  enters den
        ben  registers
        ben  -> joinRoom roomId=attic
        ben  <- 445
        ben  -> joinRoom
        ben  <- ok ...
        ann  <- join user=ben
        ben  -> leaveRoom
        ben  <- ok
        ann  <- leave user=ben
        ann  -> leaveRoom
        ann  <- ok
        ben  -> joinRoom roomId=attic
        ben  <- ok ...
        """,
    "two who race for the last room": """
        licence acme becomes room_limit=1
        ann  opens den
        ben  opens attic
        look-ups take 1
        ann  -> joinRoom
        wait 0.1
        ben  -> joinRoom roomId=attic
        wait 1
        ann  <- ok ...
        ben  <- 445
        """,
    "the room ends meanwhile": """
        ann  opens den
        ben  registers
        look-ups take 1
        ben  -> joinRoom
        wait 0.5
        ann  -> destroyRoom
        ann  <- ok
        wait 0.6
        ben  <- 441
        """,
}
ENDING = {
    "by its host": """
        ann  opens den
        ann  enters den
        ben  enters den
        cleo enters den
        ann  publishes
        ben  watches ann
        ann  -> destroyRoom
        ann  <- ok
        ben  <- end user=ann
        cleo <- end user=ann
        media holds
        ben  -> leaveRoom
        ben  <- 441
        cleo -> joinRoom
        cleo <- 441
        ben  -> createRoom
        ben  <- ok roomId=den
        ben  -> joinRoom
        ben  <- ok members=ben+host ...
        ann  -> joinRoom
        ann  <- ok members=ben+host,ann ...
        ben  <- join user=ann
        """,
    "by its host, from outside": """
        ann  opens den destroy=false
        ben  enters den
        ann  -> destroyRoom
        ann  <- ok
        ben  <- end user=ann
        """,
    "by its host, from another room": """
        ann  opens den destroy=false
        ann  opens attic
        ann  enters attic
        ben  enters den
        ann  -> destroyRoom
        ann  <- ok
        ben  <- end user=ann
        ann  -> memberList roomId=attic
        ann  <- ok members=ann+host
        """,
    "while somebody shares": """
        ann  opens den
        ann  enters den
        ben  enters den
        ben  publishes screen
        ann  -> destroyRoom
        ann  <- ok
        ben  <- end user=ann
        """,
    "by nobody else": """
        ann  opens den
        ann  enters den
        ben  enters den
        ben  -> destroyRoom
        ben  <- 413
        ben  -> destroyRoom roomId=attic
        ben  <- 441
        """,
    "which has ended already": """
        ann  opens den
        ben  enters den
        cleo registers
        stores take 1
        ann  -> destroyRoom
        wait 0.5
        ben  -> leaveRoom
        ben  <- ok
        stores take 0
        cleo -> createRoom
        cleo <- ok roomId=den
        cleo -> joinRoom
        cleo <- ok members=cleo+host ...
        wait 0.6
        ann  <- ok
        cleo -> memberList
        cleo <- ok members=cleo+host
        """,
    "once it is no longer stored": """
        ann  opens den destroy=false
        ben  enters den
        stores take 1
        ann  -> destroyRoom
        wait 1.1
        ann  <- ok
        ben  <- end user=ann
        """,
}
LISTS = {
    "anybody of the licence may ask": """
        ann  opens den
        ann  enters den
        ben  enters den
        ann  publishes
        cleo registers
        cleo -> memberList
        cleo <- ok members=ann+host+publishing,ben
        cleo -> memberList roomId=attic
        cleo <- 441
        """,
}
EDITING = {
    "title and capacity": """
        ann  opens den title=old
        ann  enters den
        ben  enters den
        ann  -> editRoomInfo title=new capacity=2
        ann  <- ok
        cleo registers
        cleo -> joinRoom
        cleo <- 444
        ann  -> editRoomInfo capacity=3
        ann  <- ok
        cleo -> joinRoom
        cleo <- ok title=new members=ann+host,ben,cleo ...
        ann  <- join user=cleo
        ben  <- join user=cleo
        """,
    "another host": """
        ann  opens den
        ann  enters den
        ben  enters den
        ann  -> editRoomInfo host=ben
        ann  <- ok
        ann  -> memberList
        ann  <- ok members=ann,ben+host
        ann  -> editRoomInfo title=mine
        ann  <- 413
        ann  -> destroyRoom
        ann  <- 413
        ben  -> editRoomInfo title=mine
        ben  <- ok
        ben  -> destroyRoom
        ben  <- ok
        ann  <- end user=ben
        """,
    "from outside": """
        ann  opens den
        ben  enters den
        ann  -> editRoomInfo title=new host=ben
        ann  <- ok
        ben  -> memberList
        ben  <- ok members=ben+host
        """,
    "what cannot be": """
        ann  opens den title=old
        ann  enters den
        ben  enters den
        cleo registers
        ann  -> editRoomInfo
        ann  <- 421
        ben  -> editRoomInfo title=mine
        ben  <- 413
        cleo -> editRoomInfo title=mine
        cleo <- 413
        ann  -> editRoomInfo roomId=attic title=new
        ann  <- 441
        ann  -> editRoomInfo title=new capacity=1
        ann  <- 422
        ann  -> editRoomInfo title=new capacity=0
        ann  <- 422
        ann  -> editRoomInfo title=new host=cleo
        ann  <- 410
        ann  -> editRoomInfo title=new host=nobody
        ann  <- 410
        ann  -> editRoomInfo title=5
        ann  <- 422
        cleo -> joinRoom
        cleo <- ok title=old host=ann+host ...
        ann  <- join user=cleo
        ben  <- join user=cleo
        """,
    "a new host who goes meanwhile": """
        ann  opens den destroy=false
        ann  enters den
        ben  enters den
        stores take 1
        ann  -> editRoomInfo host=ben title=new
        wait 0.5
        ben  -> leaveRoom
        ben  <- ok
        ann  <- leave user=ben
        wait 3
        ann  <- ok
        ann  -> memberList
        ann  <- ok members=ann
        server crashes
        ann  registers
        ann  -> joinRoom
        ann  <- ok title=new host=ben+host ...
        """,
    "the last one who goes while the room is edited takes it along": """
        ann  opens den
        ben  enters den
        stores take 1
        ann  -> editRoomInfo host=ben
        wait 0.5
        ben  -> leaveRoom
        ben  <- ok
        wait 3
        ann  <- ok
        ann  -> joinRoom
        ann  <- 441
        ann  -> createVideoRoom roomId=den
        wait 3
        ann  <- ok roomId=den
        """,
    "it counts once it is stored": """
        ann  opens den title=old
        stores take 1
        ann  -> editRoomInfo title=new
        wait 1.1
        ann  <- ok
        ann  -> joinRoom
        ann  <- ok title=new ...
        """,
}
CRASHES = {
    "destroy true: who comes back within 10 s finds it": """
        ann  opens den title=ours
        ann  enters den
        ben  enters den
        server crashes
        wait 9.9
        ben  registers
        ben  -> joinRoom
        ben  <- ok title=ours host=ann+host members=ben ...
        wait 10
        ann  registers
        ann  -> joinRoom
        ann  <- ok members=ben,ann+host ...
        ben  <- join user=ann+host
        """,
    "destroy true: nobody comes back": """
        ann  opens den
        ann  enters den
        server crashes
        ann  registers
        ann  -> createRoom
        ann  <- 443
        wait 10.1
        ann  -> joinRoom
        ann  <- 441
        ann  -> createRoom
        ann  <- ok roomId=den
        """,
    "destroy false": """
        ann  opens den destroy=false title=old capacity=2
        ann  -> editRoomInfo title=new
        ann  <- ok
        ann  enters den
        server crashes
        wait 1000
        ben  registers
        cleo registers
        dan  registers
        ben  -> joinRoom
        ben  <- ok title=new media=true host=ann+host members=ben ...
        cleo -> joinRoom
        cleo <- ok members=ben,cleo ...
        ben  <- join user=cleo
        dan  -> joinRoom
        dan  <- 444
        ann  registers
        ann  -> destroyRoom
        ann  <- ok
        ben  <- end user=ann
        cleo <- end user=ann
        """,
    "a P2P room stays one": """
        ann  opens den p2p destroy=false
        server crashes
        ann  registers
        ann  -> joinRoom
        ann  <- ok media=false ...
        """,
    "what has ended does not come back": """
        ann  opens den destroy=false
        ann  -> destroyRoom
        ann  <- ok
        server crashes
        ann  registers
        ann  -> joinRoom
        ann  <- 441
        """,
    "a new host is remembered, with its name": """
        ann  opens den destroy=false
        ben  registers name=Ben
        ben  enters den
        ann  -> editRoomInfo host=ben
        ann  <- ok
        server crashes
        ann  registers
        ann  -> joinRoom
        ann  <- ok host=ben:Ben+host members=ann ...
        """,
    "breakout rooms still belong to theirs": """
        ann  opens den destroy=false
        ann  enters den
        ann  -> createGroup
        ann  <- ok groupId=?group
        server crashes
        ann  registers
        ann  -> endGroup groupId=group
        ann  <- ok
        ann  -> joinRoom roomId=group
        ann  <- 441
        """,
}
TRANSCRIPTS = MAKING | DESTROY | ENTERING | ENDING | LISTS | EDITING | CRASHES


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)


async def test_names_that_are_made(stage: KpointStage) -> None:
    await stage.must_register("ann")
    names = set()
    for _ in range(3):
        await stage.play("ann -> createRoom -roomId\n ann <- ok roomId=?made")
        assert re.fullmatch(r"r\d{7}", stage.names["made"])
        names.add(stage.names["made"])
    assert len(names) == 3


async def test_all_that_who_joins_is_told(stage: KpointStage) -> None:
    await stage.must_open("ann", title="Our den", talkingNoty=True)
    before = datetime.now(timezone(timedelta(hours=9)))
    reply = await stage.ask_kpoint("ann", "joinRoom")
    host = reply.pop("host")
    # The service time zone is that of Seoul unless another is configured; the room may be a second old.
    created_at = datetime.strptime(reply.pop("createdAt"), "%Y/%m/%d %H:%M:%S")
    assert abs(created_at - before.replace(tzinfo=None)) < timedelta(minutes=1)
    assert reply == {
        "eventOp": "joinRoom",
        "reqId": reply["reqId"],
        "code": "200",
        "message": "ok",
        "roomId": "den",
        "title": "Our den",
        "media": True,
        "isRecording": False,
        "talkingNoty": True,
        "fileServerUrl": "",
        "members": {"ann": host},
    }


async def test_a_room_more_than_a_licence_may_have(stage: KpointStage) -> None:
    makers = [f"maker{number}" for number in range(LICENCE_ROOMS // 350 + 1)]
    for maker in makers:
        await stage.must_register(maker)
    for number in range(LICENCE_ROOMS):
        await stage.must(makers[number // 350], "createRoom", roomId=f"room {number}")
    await trio.sleep(1)
    assert (await stage.ask_kpoint(makers[0], "createRoom"))["code"] == "445"
    await stage.must(makers[0], "destroyRoom", roomId="room 0")
    await stage.must(makers[0], "createRoom")


async def test_nothing_is_left_of_a_room_that_could_not_be_stored(stage: KpointStage) -> None:
    await stage.must_register("ann")
    stage.licence_rooms.fault = OSError("the disk is full")
    assert (await stage.ask_kpoint("ann", "createRoom"))["code"] == "500"
    stage.licence_rooms.fault = None
    assert (await stage.ask_kpoint("ann", "joinRoom"))["code"] == "441"
    await stage.must("ann", "createRoom")


async def test_a_room_keeps_its_date(stage: KpointStage) -> None:
    await stage.must_open("ann", destroy=False)
    before = await stage.must("ann", "joinRoom")
    await stage.crash()
    await stage.must_register("ann")
    assert before["createdAt"] == (await stage.must("ann", "joinRoom"))["createdAt"]


@pytest.mark.parametrize("capacity", ["", "-1", " 2", "2.0", "\u0662"])
async def test_capacities_that_are_none(stage: KpointStage, capacity: str) -> None:
    await stage.must_register("ann")
    assert (await stage.ask_kpoint("ann", "createRoom", capacity=capacity))["code"] in ("421", "422")


async def test_capacities_beyond_all_measure(stage: KpointStage) -> None:
    await stage.must_register("ann")
    for capacity in (10**30, "9" * 30, "9" * 5000):
        assert (await stage.ask_kpoint("ann", "createRoom", capacity=capacity))["code"] == "445"
