"""A socket that is gone has left (contract kpoint, section 10)."""

import pytest

from tests.signalling.kpoint_stage import KpointStage

TRIO = """
        ann  opens den
        ann  enters den
        ben  enters den
        cleo enters den
        """
TRANSCRIPTS = {
    "at once": TRIO
    + """
        ben  drops
        ann  <- leave user=ben
        cleo <- leave user=ben
        wait 20
        """,
    "a handler that is cancelled": TRIO
    + """
        ben  is cancelled
        ann  <- leave user=ben
        cleo <- leave user=ben
        """,
    "with what it shared and sent": TRIO
    + """
        ben  publishes
        ben  publishes screen
        ann  watches ben
        ann  watches ben screen
        ben  drops
        ann  <- shareStop user=ben
        ann  <- leave user=ben
        cleo <- shareStop user=ben
        cleo <- leave user=ben
        media holds
        ann  -> memberList
        ann  <- ok members=ann+host,cleo
        ann  -> screen                  # nothing is shared any more
        ann  <- ok
        cleo <- screen user=ann
        """,
    "in a P2P room": """
        ann  opens den p2p
        ann  enters den
        ben  enters den
        ben  -> sdp offer=o
        ben  <- ok
        ann  <- sdp user=ben type=cam target=ann offer=o
        ben  drops
        ann  <- leave user=ben
        ann  -> sdp answer=a target=ben
        ann  <- 410
        """,
    "its id is free, and is nobody's yet": TRIO
    + """
        ben  drops
        ann  <- leave user=ben
        cleo <- leave user=ben
        ann  -> chat target=ben
        ann  <- 410
        ben/2 -> register
        ben/2 <- ok userId=ben ...
        ben/2 -> chat roomId=den
        ben/2 <- 413
        ben/2 -> joinRoom
        ben/2 <- ok members=ann+host,cleo,ben ...
        ann  <- join user=ben
        cleo <- join user=ben
        """,
    "the host": TRIO
    + """
        ann  drops
        ben  <- leave user=ann
        cleo <- leave user=ann
        ben  -> destroyRoom
        ben  <- 413
        ann/2 -> register
        ann/2 <- ok ...
        ann/2 -> joinRoom
        ann/2 <- ok host=ann+host members=ben,cleo,ann+host ...
        ben  <- join user=ann+host
        cleo <- join user=ann+host
        """,
    "the last one": """
        ann  opens den
        ann  enters den
        ann  drops
        ben  registers
        ben  -> joinRoom
        ben  <- 441
        """,
    "in the middle of joining": """
        ann  opens den
        ann  enters den
        ben  registers
        look-ups take 1
        ben  -> joinRoom
        wait 0.5
        ben  is cancelled
        wait 2
        ann  -> memberList
        ann  <- ok members=ann+host
        """,
    "in the middle of making a room": """
        ann  registers
        ben  registers
        stores take 1
        ann  -> createRoom
        wait 0.5
        ann  is cancelled
        wait 2
        ben  -> joinRoom
        ben  <- 441
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)
