"""What members say of themselves, and who is talking (contract kpoint, sections 5.10, 7 and 11)."""

import pytest

from tests.signalling.kpoint_stage import KpointStage

TRIO = """
        ann  opens den
        ann  enters den
        ben  enters den
        cleo enters den
        """
PROFILES = {
    "one thing, or several": TRIO
    + """
        ben  -> editUserInfo name=Ben
        ben  <- ok
        ann  <- editUserInfo user=ben name=Ben video=true audio=true
        cleo <- editUserInfo user=ben name=Ben video=true audio=true
        ben  -> editUserInfo video=false 'audio="false"'
        ben  <- ok
        ann  <- editUserInfo user=ben name=Ben video=false audio=false
        cleo <- editUserInfo user=ben name=Ben video=false audio=false
        ben  -> editUserInfo audio=true
        ben  <- ok
        ann  <- editUserInfo user=ben name=Ben video=false audio=true
        cleo <- editUserInfo user=ben name=Ben video=false audio=true
        dan  registers
        dan  -> joinRoom
        dan  <- ok members=ann+host,ben:Ben-video,cleo,dan ...
        ann  <- join user=dan
        ben  <- join user=dan
        cleo <- join user=dan
        """,
    "media go on": TRIO
    + """
        ben  publishes
        ben  -> editUserInfo video=false audio=false
        ben  <- ok
        ann  <- editUserInfo user=ben name= video=false audio=false
        cleo <- editUserInfo user=ben name= video=false audio=false
        media holds ben/camera
        media cuts ben/camera
        """,
    "nobody is told": TRIO
    + """
        ben  -> editUserInfo name=Ben audio=false broadcast=false
        ben  <- ok
        ann  -> memberList
        ann  <- ok members=ann+host,ben:Ben-audio,cleo
        ben  -> editUserInfo name=Benno 'broadcast="false"'
        ben  <- ok
        """,
    "one of them is told": TRIO
    + """
        ben  -> editUserInfo name=Ben target=cleo
        ben  <- ok
        cleo <- editUserInfo user=ben name=Ben video=true audio=true
        ann  -> memberList
        ann  <- ok members=ann+host,ben:Ben,cleo
        """,
    "nothing to say, nobody to tell": TRIO
    + f"""
        dan  registers
        ben  -> editUserInfo
        ben  <- 421
        ben  -> editUserInfo broadcast=false
        ben  <- 421
        ben  -> editUserInfo name=Ben target=dan
        ben  <- 410
        ben  -> editUserInfo name=Ben target=nobody
        ben  <- 410
        ben  -> editUserInfo name=5
        ben  <- 422
        ben  -> editUserInfo audio=off
        ben  <- 422
        ben  -> editUserInfo name={"n" * 257}
        ben  <- 445
        dan  -> editUserInfo name=Dan
        dan  <- 413
        dan  -> editUserInfo name=Dan roomId=attic
        dan  <- 441
        ann  -> memberList
        ann  <- ok members=ann+host,ben,cleo
        """,
    "a name is the user's, the rest is the stay's": TRIO
    + """
        ben  -> editUserInfo name=Ben audio=false broadcast=false
        ben  <- ok
        ben  -> editUserInfo video=false broadcast=false
        ben  <- ok
        ben  -> leaveRoom
        ben  <- ok
        ann  <- leave user=ben
        cleo <- leave user=ben
        ben  -> joinRoom
        ben  <- ok members=ann+host,cleo,ben:Ben ...
        ann  <- join user=ben:Ben
        cleo <- join user=ben:Ben
        """,
    "changeName": TRIO
    + """
        ben  -> changeName name=Ben
        ben  <- ok
        ann  <- editUserInfo user=ben name=Ben video=true audio=true
        cleo <- editUserInfo user=ben name=Ben video=true audio=true
        ben  -> changeName
        ben  <- 421
        ben  -> changeName name=5
        ben  <- 422
        """,
}
TALKING = {
    "who talks, and who has ended": """
        ann  opens den talkingNoty=true
        ann  enters den
        ben  enters den
        ann  publishes
        media levels ann=100
        ann  <- talking user=ann talking=true       # the talker too
        ben  <- talking user=ann talking=true
        media levels ann=110
        media levels ann=0
        wait 0.9
        media levels ann=100                        # no more than a breath
        wait 2
        media levels ann=0
        wait 0.9
        wait 0.2
        ann  <- talking user=ann talking=false
        ben  <- talking user=ann talking=false
        """,
    "who leaves says no more": """
        ann  opens den talkingNoty=true
        ann  enters den
        ben  enters den
        ben  publishes
        media levels ben=100
        ann  <- talking user=ben talking=true
        ben  <- talking user=ben talking=true
        ben  -> leaveRoom
        ben  <- ok
        ann  <- leave user=ben
        wait 3
        """,
    "not unless it was asked for": """
        ann  opens den
        ann  enters den
        ben  enters den
        ann  publishes
        media levels ann=100
        wait 2
        media levels ann=0
        wait 2
        """,
}
TRANSCRIPTS = PROFILES | TALKING


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)
