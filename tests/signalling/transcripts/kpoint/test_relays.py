"""P2P rooms: what the two clients say to each other, unread (contract kpoint, sections 6.1, 6.4 and 6.5)."""

import pytest

from tests.signalling.kpoint_stage import KpointStage

PAIR = """
        ann  opens den p2p
        ann  enters den
        ben  enters den
        """
TRANSCRIPTS = {
    "the other one needs no name": PAIR
    + """
        ann  -> sdp offer=o
        ann  <- ok
        ben  <- sdp user=ann type=cam target=ben offer=o
        ben  -> sdp answer=a
        ben  <- ok
        ben  <- subscribed user=ann cam=true
        ann  <- sdp user=ben type=cam target=ann answer=a
        """,
    "nor is a reqId needed": PAIR
    + """
        ann  -> sdp offer=o -reqId
        ann  <- ok
        ben  <- sdp user=ann type=cam target=ben offer=o
        ann  -> sdp answer=a -reqId
        ann  <- 412
        """,
    "but there has to be exactly one other": """
        ann  opens den p2p
        ann  enters den
        ann  -> sdp offer=o
        ann  <- 421
        ben  enters den
        cleo enters den
        ann  -> sdp offer=o
        ann  <- 421
        ann  -> sdp offer=o target=cleo
        ann  <- ok
        cleo <- sdp user=ann type=cam target=cleo offer=o
        """,
    "who is not there": PAIR
    + """
        cleo registers
        ann  -> sdp offer=o target=cleo
        ann  <- 410
        ann  -> sdp offer=o target=nobody
        ann  <- 410
        ann  -> sdp offer=o target=ann
        ann  <- 410
        ann  -> candidate target=cleo
        ann  <- 410
        ann  -> candidate target=ann
        ann  <- 410
        cleo -> sdp offer=o target=ann
        cleo <- 413
        cleo -> candidate target=ann
        cleo <- 413
        """,
    "an answer without an offer": PAIR
    + """
        ben  -> sdp answer=a
        ben  <- 412
        ann  -> sdp offer=o
        ann  <- ok
        ben  <- sdp user=ann type=cam target=ben offer=o
        ann  -> sdp answer=a            # ben has offered nothing
        ann  <- 412
        ben  -> sdp answer=a type=screen
        ben  <- 412
        ben  -> sdp answer=a
        ben  <- ok
        ben  <- subscribed user=ann cam=true
        ann  <- sdp user=ben type=cam target=ann answer=a
        ben  -> sdp answer=a            # it has been answered
        ben  <- 412
        """,
    "both ways at once": PAIR
    + """
        ann  -> sdp offer=a1
        ann  <- ok
        ben  <- sdp user=ann type=cam target=ben offer=a1
        ben  -> sdp offer=b1
        ben  <- ok
        ann  <- sdp user=ben type=cam target=ann offer=b1
        ann  -> sdp answer=a2
        ann  <- ok
        ann  <- subscribed user=ben cam=true
        ben  <- sdp user=ann type=cam target=ben answer=a2
        ben  -> sdp answer=b2
        ben  <- ok
        ben  <- subscribed user=ann cam=true
        ann  <- sdp user=ben type=cam target=ann answer=b2
        """,
    "an offer again, as for a renegotiation": PAIR
    + """
        ann  -> sdp offer=o1
        ann  <- ok
        ben  <- sdp user=ann type=cam target=ben offer=o1
        ann  -> sdp offer=o2
        ann  <- ok
        ben  <- sdp user=ann type=cam target=ben offer=o2
        ben  -> sdp answer=a2
        ben  <- ok
        ben  <- subscribed user=ann cam=true
        ann  <- sdp user=ben type=cam target=ann answer=a2
        """,
    "an offer dies with who leaves": PAIR
    + """
        ann  -> sdp offer=o
        ann  <- ok
        ben  <- sdp user=ann type=cam target=ben offer=o
        ann  -> leaveRoom
        ann  <- ok
        ben  <- leave user=ann
        ann  enters den
        ben  -> sdp answer=a target=ann
        ben  <- 412
        """,
    "a screen": PAIR
    + """
        ann  -> screen
        ann  <- ok
        ben  <- screen user=ann
        ann  -> sdp offer=o type=screen
        ann  <- ok
        ben  <- sdp user=ann type=screen target=ben offer=o
        ben  -> sdp answer=a type=screen
        ben  <- ok
        ben  <- subscribed user=ann cam=false
        ann  <- sdp user=ben type=screen target=ann answer=a
        ann  -> shareStop
        ann  <- ok
        ben  <- shareStop user=ann
        """,
    "candidates are what clients take them for": PAIR
    + """
        ann  -> candidate target=ben type=whatever cam=false 'candidate={"candidate":"c","sdpMid":"0","sdpMLineIndex":0}'
        ann  <- ok
        ben  <- candidate user=ann target=ben type=whatever cam=false \
                'candidate={"candidate":"c","sdpMid":"0","sdpMLineIndex":0}'
        ann  -> candidate target=ben candidate=null
        ann  <- ok
        ben  <- candidate user=ann target=ben type=a cam=true candidate=null
        ann  -> candidate target=ben 'candidate={"candidate":""}' 'cam="false"'
        ann  <- ok
        ben  <- candidate user=ann target=ben type=a cam=false 'candidate={"candidate":""}'
        ann  -> candidate target=ben candidate=text
        ann  <- ok
        ben  <- candidate user=ann target=ben type=a cam=true candidate=text
        """,
    "what they cannot do without, and of what kind": PAIR
    + """
        ann  -> sdp
        ann  <- 421
        ann  -> sdp offer=o -type
        ann  <- 421
        ann  -> sdp sdp=text
        ann  <- 422
        ann  -> sdp 'sdp={"type":"pranswer","sdp":"o"}'
        ann  <- 422
        ann  -> sdp 'sdp={"type":"offer"}'
        ann  <- 422
        ann  -> sdp 'sdp={"type":"offer","sdp":5}'
        ann  <- 422
        ann  -> sdp offer=o type=audio
        ann  <- 422
        ann  -> sdp offer=o target=5
        ann  <- 422
        ann  -> candidate
        ann  <- 421
        ann  -> candidate target=ben -candidate
        ann  <- 421
        ann  -> candidate target=ben -cam
        ann  <- 421
        ann  -> candidate target=ben -type
        ann  <- 421
        ann  -> candidate target=ben -reqId
        ann  <- 421
        ann  -> candidate target=ben cam=perhaps
        ann  <- 422
        ann  -> candidate target=ben type=5
        ann  <- 422
        """,
    "the media engine has nothing to do": PAIR
    + """
        ann  -> sdpRoom offer=o
        ann  <- 405
        ann  -> sdpRoom answer=a target=ben
        ann  <- 405
        ann  -> subscribe target=ben
        ann  <- 405
        ann  -> screen
        ann  <- ok
        ben  <- screen user=ann
        ann  -> sdpRoom offer=o type=screen
        ann  <- 405
        media holds
        """,
    "not in a group room": """
        ann  opens den
        ann  enters den
        ben  enters den
        ann  -> sdp offer=o target=ben
        ann  <- 405
        ann  -> sdp offer=o
        ann  <- 405
        ann  -> sdp answer=a target=ben
        ann  <- 405
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)
