"""What the host of a room may do to others (contract kpoint, sections 5.7 to 5.9 and 11)."""

import pytest

from tests.signalling.kpoint_stage import KpointStage

TRIO = """
        ann  opens den
        ann  enters den
        ben  enters den
        cleo enters den
        """
PERMITS = {
    "nobody is told, but everybody may see it": TRIO
    + """
        ann  -> permit target=ben chat=false draw=false
        ann  <- ok
        cleo -> memberList
        cleo <- ok members=ann+host,ben-chat-draw,cleo
        ann  -> permit target=ben chat=true draw=null 'screen="false"'
        ann  <- ok
        cleo -> memberList
        cleo <- ok members=ann+host,ben-screen-draw,cleo
        """,
    "chat to the room": TRIO
    + """
        ann  -> permit target=ben chat=false
        ann  <- ok
        ben  -> chat roomId=den
        ben  <- 413
        ben  -> chat roomId=den target=cleo
        ben  <- 413
        ben  -> chat target=cleo
        ben  <- ok
        cleo <- chat user=ben message=hello
        ben  -> inform
        ben  <- ok
        ann  <- inform user=ben message=hello roomId=den
        cleo <- inform user=ben message=hello roomId=den
        ann  -> permit target=ben chat=true
        ann  <- ok
        ben  -> chat roomId=den
        ben  <- ok
        ann  <- chat user=ben message=hello roomId=den
        cleo <- chat user=ben message=hello roomId=den
        """,
    "shares, each of its own": TRIO
    + """
        ann  -> permit target=ben screen=false
        ann  <- ok
        ben  -> screen
        ben  <- 413
        ann  -> permit target=ben screen=true whiteboard=false
        ann  <- ok
        ben  -> whiteboard
        ben  <- 413
        ann  -> permit target=ben whiteboard=true document=false
        ann  <- ok
        ben  -> document
        ben  <- 413
        ben  -> whiteboard
        ben  <- ok
        ann  <- whiteboard user=ben
        cleo <- whiteboard user=ben
        """,
    "drawing": TRIO
    + """
        ann  -> permit target=ben draw=false
        ann  <- ok
        ben  -> drawing tool=pen
        ben  <- 413
        """,
    "the host itself is not limited": TRIO
    + """
        ann  -> permit target=ann chat=false screen=false draw=false
        ann  <- ok
        ann  -> chat roomId=den
        ann  <- ok
        ben  <- chat user=ann message=hello roomId=den
        cleo <- chat user=ann message=hello roomId=den
        ann  -> drawing tool=pen
        ann  <- ok
        ben  <- drawing user=ann tool=pen
        cleo <- drawing user=ann tool=pen
        ann  -> screen
        ann  <- ok
        ben  <- screen user=ann
        cleo <- screen user=ann
        """,
    "a permit comes before the share that is in the way": TRIO
    + """
        ann  -> permit target=ben screen=false
        ann  <- ok
        cleo -> screen
        cleo <- ok
        ann  <- screen user=cleo
        ben  <- screen user=cleo
        ben  -> screen
        ben  <- 413
        """,
    "by whom, and for whom": TRIO
    + """
        dan  registers
        ben  -> permit target=cleo chat=false
        ben  <- 413
        dan  -> permit target=cleo chat=false
        dan  <- 413
        ann  -> permit target=dan chat=false
        ann  <- 410
        ann  -> permit target=nobody chat=false
        ann  <- 410
        ann  -> permit target=ben
        ann  <- 421
        ann  -> permit chat=false
        ann  <- 421
        ann  -> permit target=ben chat=perhaps
        ann  <- 422
        ann  -> permit target=ben chat=false roomId=attic
        ann  <- 441
        ann  -> leaveRoom
        ann  <- ok
        ben  <- leave user=ann
        cleo <- leave user=ann
        ann  -> permit target=ben chat=false       # section 11: the host need not be inside
        ann  <- ok
        ben  -> chat roomId=den
        ben  <- 413
        """,
    "they end with the stay": TRIO
    + """
        ann  -> permit target=ben chat=false
        ann  <- ok
        ben  -> leaveRoom
        ben  <- ok
        ann  <- leave user=ben
        cleo <- leave user=ben
        ben  -> joinRoom
        ben  <- ok members=ann+host,cleo,ben ...
        ann  <- join user=ben
        cleo <- join user=ben
        """,
}
KICKING = {
    "it is a request": TRIO
    + """
        ann  -> kickOut target=ben
        ann  <- ok
        ben  <- kickOut user=ann
        cleo -> memberList
        cleo <- ok members=ann+host,ben,cleo
        ben  -> leaveRoom
        ben  <- ok
        ann  <- leave user=ben
        cleo <- leave user=ben
        """,
    "by its host, who may be outside": """
        ann  opens den
        ben  enters den
        ann  -> kickOut target=ben
        ann  <- ok
        ben  <- kickOut user=ann
        """,
    "by whom, and whom": TRIO
    + """
        dan  registers
        ben  -> kickOut target=cleo
        ben  <- 413
        dan  -> kickOut target=cleo
        dan  <- 413
        ann  -> kickOut target=dan
        ann  <- 410
        ann  -> kickOut target=nobody
        ann  <- 410
        ann  -> kickOut
        ann  <- 421
        ann  -> kickOut target=ben roomId=attic
        ann  <- 441
        """,
}
GROUPS = {
    "made for some": TRIO
    + """
        ann  -> createGroup list=ben,ann title="the corner"
        ann  <- ok groupId=?corner
        ben  <- createGroup user=ann groupId=corner
        ben  -> joinRoom roomId=corner              # nobody is moved
        ben  <- 405
        ben  -> leaveRoom
        ben  <- ok
        ann  <- leave user=ben
        cleo <- leave user=ben
        ben  -> joinRoom roomId=corner
        ben  <- ok roomId=corner title="the corner" media=true host=ann+host members=ben ...
        """,
    "made for somebody elsewhere": TRIO
    + """
        dan  registers
        ann  -> createGroup list=dan
        ann  <- ok groupId=?corner
        dan  <- createGroup user=ann groupId=corner
        """,
    "made for nobody": TRIO
    + """
        ann  -> createGroup
        ann  <- ok groupId=?corner
        ann  -> createGroup
        ann  <- ok groupId=?other
        ann  -> memberList roomId=corner
        ann  <- ok members=
        """,
    "of the kind of the main room": """
        ann  opens den p2p
        ann  -> createGroup
        ann  <- ok groupId=?corner
        ann  -> joinRoom roomId=corner
        ann  <- ok roomId=corner media=false ...
        """,
    "ends without a word": TRIO
    + """
        ann  -> createGroup list=ben
        ann  <- ok groupId=?corner
        ben  <- createGroup user=ann groupId=corner
        ben  -> leaveRoom
        ben  <- ok
        ann  <- leave user=ben
        cleo <- leave user=ben
        ben  -> joinRoom roomId=corner
        ben  <- ok ...
        ben  -> sdpRoom roomId=corner offer=o
        ben  <- ok type=cam answer="answer to o"
        media holds ben/camera
        ann  -> endGroup groupId=corner
        ann  <- ok
        media holds
        ben  -> chat roomId=corner
        ben  <- 441
        ben  -> leaveRoom roomId=corner
        ben  <- 441
        ben  -> joinRoom
        ben  <- ok ...
        ann  <- join user=ben
        cleo <- join user=ben
        """,
    "goes with its last member": TRIO
    + """
        ann  -> createGroup
        ann  <- ok groupId=?corner
        dan  registers
        dan  -> joinRoom roomId=corner
        dan  <- ok ...
        dan  drops
        ann  -> endGroup groupId=corner
        ann  <- 441
        """,
    "goes if nobody ever comes": TRIO
    + """
        ann  -> createGroup
        ann  <- ok groupId=?corner
        wait 601
        ann  -> memberList roomId=corner
        ann  <- 441
        """,
    "of another room, or of none": TRIO
    + """
        ann  opens attic
        ann  opens cellar
        ann  -> createGroup
        ann  <- ok groupId=?corner
        ann  -> endGroup roomId=attic groupId=corner
        ann  <- 412
        ann  -> endGroup roomId=attic groupId=cellar
        ann  <- 412
        ann  -> endGroup groupId=den
        ann  <- 412
        ann  -> endGroup groupId=nothing
        ann  <- 441
        ann  -> endGroup roomId=nothing groupId=corner
        ann  <- 441
        ann  -> endGroup
        ann  <- 421
        ann  -> memberList roomId=corner
        ann  <- ok members=
        """,
    "by its host only": TRIO
    + """
        ben  -> createGroup list=cleo
        ben  <- 413
        ann  -> createGroup
        ann  <- ok groupId=?corner
        ben  -> endGroup groupId=corner
        ben  <- 413
        ann  -> createGroup roomId=attic
        ann  <- 441
        """,
}
TRANSCRIPTS = PERMITS | KICKING | GROUPS


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)


@pytest.mark.parametrize("invited", ["ben", {"ben": True}, [5], [None]], ids=str)
async def test_a_list_that_is_none(stage: KpointStage, invited: object) -> None:
    await stage.must_open("ann")
    assert (await stage.ask_kpoint("ann", "createGroup", list=invited))["code"] == "422"
