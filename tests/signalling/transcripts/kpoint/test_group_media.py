"""Group rooms: one connection for each feed that comes or goes (contract kpoint, sections 6.2 to 6.5)."""

import pytest

from tests.signalling.kpoint_stage import KpointStage

PAIR = """
        ann  opens den
        ann  enters den
        ben  enters den
        """
PUBLISHING = {
    "offer, answer, and the others learn of it": PAIR
    + """
        ann  -> sdpRoom offer=o
        ann  <- ok type=cam answer="answer to o"
        ben  <- publish feeds=cam:ann+host+publishing
        ann  -> memberList
        ann  <- ok members=ann+host+publishing,ben
        media holds ann/camera
        """,
    "one's own id as target is none": PAIR
    + """
        ann  -> sdpRoom offer=o target=ann type=cam
        ann  <- ok type=cam answer="answer to o"
        ben  <- publish feeds=cam:ann+host+publishing
        """,
    "an offer is for nobody else": PAIR
    + """
        ann  -> sdpRoom offer=o target=ben
        ann  <- 422
        """,
    "again": PAIR
    + """
        ann  publishes
        ben  watches ann
        ann  -> sdpRoom offer=again
        ann  <- ok type=cam answer="answer to again"
        media holds ann/camera ben<ann/camera
        """,
    "nothing at first": PAIR
    + """
        ann  -> sdpRoom offer="silent offer"
        ann  <- ok type=cam answer="answer to silent offer"
        ben  -> subscribe target=ann
        ben  <- 451
        ann  -> sdpRoom offer=loud
        ann  <- ok type=cam answer="answer to loud"
        ben  <- publish feeds=cam:ann+host+publishing
        ann  -> sdpRoom offer="silent again"
        ann  <- ok type=cam answer="answer to silent again"
        ben  -> memberList
        ben  <- ok members=ann+host,ben
        ben  -> subscribe target=ann
        ben  <- 451
        """,
    "what cannot be used": PAIR
    + """
        ann  -> sdpRoom offer="bad offer"
        ann  <- 422
        ann  -> sdpRoom offer="no codec"
        ann  <- 570
        ann  -> memberList
        ann  <- ok members=ann+host,ben
        media holds
        ann  publishes
        ann  -> sdpRoom offer="bad offer"
        ann  <- 422
        ann  -> sdpRoom offer="no codec"
        ann  <- 570
        media holds ann/camera             # what it had, it has
        """,
    "without what it takes": PAIR
    + """
        ann  -> sdpRoom
        ann  <- 421
        ann  -> sdpRoom offer=o -roomId
        ann  <- 421
        ann  -> sdpRoom sdp=text
        ann  <- 422
        ann  -> sdpRoom 'sdp={"type":"rollback","sdp":""}'
        ann  <- 422
        ann  -> sdpRoom offer=o type=video
        ann  <- 422
        cleo registers
        cleo -> sdpRoom offer=o
        cleo <- 413
        cleo -> sdpRoom offer=o roomId=attic
        cleo <- 441
        """,
    "a camera that ends": PAIR
    + """
        ann  publishes
        ben  watches ann
        media ann/camera lost consent
        media holds ben<ann/camera      # which carries whatever she sends next
        ben  -> memberList
        ben  <- ok members=ann+host,ben
        ben  -> subscribe target=ann
        ben  <- 451
        ann  -> sdpRoom offer=anew
        ann  <- ok type=cam answer="answer to anew"
        ben  <- publish feeds=cam:ann+host+publishing
        """,
}
SCREENS = {
    "a screen beside the camera": PAIR
    + """
        ann  publishes
        ann  -> screen
        ann  <- ok
        ben  <- screen user=ann
        ann  -> sdpRoom offer=s type=screen
        ann  <- ok type=screen answer="answer to s"
        ben  <- publish feeds=screen:ann
        ben  -> subscribe target=ann type=screen
        ben  <- ok type=screen target=ann offer=?offered
        ben  -> sdpRoom answer=a target=ann type=screen
        ben  <- ok
        ben  watches ann
        media holds ann/camera ann/screen ben<ann/camera ben<ann/screen
        ann  -> shareStop
        ann  <- ok
        ben  <- shareStop user=ann
        media holds ann/camera ben<ann/camera
        ben  -> subscribe target=ann type=screen
        ben  <- 451
        """,
    "not without the share": PAIR
    + """
        ann  -> sdpRoom offer=s type=screen
        ann  <- 413
        ben  -> screen
        ben  <- ok
        ann  <- screen user=ben
        ann  -> sdpRoom offer=s type=screen
        ann  <- 413
        ben  -> shareStop
        ben  <- ok
        ann  <- shareStop user=ben
        ann  -> whiteboard
        ann  <- ok
        ben  <- whiteboard user=ann
        ann  -> sdpRoom offer=s type=screen
        ann  <- 413
        media holds
        """,
    "a screen that ends keeps the share": PAIR
    + """
        ann  publishes screen
        media ann/screen lost consent
        media holds
        ben  -> screen
        ben  <- 440
        ann  -> sdpRoom offer=anew type=screen
        ann  <- ok type=screen answer="answer to anew"
        ben  <- publish feeds=screen:ann
        """,
    "the screen without the camera": PAIR
    + """
        ann  publishes screen
        ben  -> memberList
        ben  <- ok members=ann+host,ben         # publishing is about the camera
        ben  -> subscribe target=ann
        ben  <- 451
        """,
}
SUBSCRIBING = {
    "offer and answer": PAIR
    + """
        ann  publishes
        ben  -> subscribe target=ann
        ben  <- ok type=cam target=ann offer=?offered
        ben  -> sdpRoom answer=a target=ann
        ben  <- ok
        ben  -> sdpRoom answer=a target=ann     # it has been answered
        ben  <- 412
        media holds ann/camera ben<ann/camera
        """,
    "sound alone, a picture alone": PAIR
    + """
        ann  publishes
        ben  -> subscribe target=ann video=false
        ben  <- ok type=cam target=ann offer=?offered
        media carries ben<ann/camera audio
        ben  -> subscribe target=ann audio=false
        ben  <- ok type=cam target=ann offer=?offered
        media carries ben<ann/camera video
        ben  -> subscribe target=ann 'audio="true"'
        ben  <- ok type=cam target=ann offer=?offered
        media carries ben<ann/camera audio video
        ben  -> subscribe target=ann video=false audio=false
        ben  <- 422
        media carries ben<ann/camera audio video
        """,
    "twice: the new one takes the place of the old one": PAIR
    + """
        ann  publishes
        ben  watches ann
        ben  -> subscribe target=ann
        ben  <- ok type=cam target=ann offer=?offered
        media holds ann/camera ben<ann/camera
        ben  -> subscribe target=ann
        ben  <- ok type=cam target=ann offer=?offered
        media holds ann/camera ben<ann/camera
        ben  -> sdpRoom answer=a target=ann
        ben  <- ok
        ben  -> sdpRoom answer=a target=ann
        ben  <- 412
        """,
    "an answer that nobody has asked for": PAIR
    + """
        ann  publishes
        ben  -> sdpRoom answer=a target=ann
        ben  <- 412
        ben  -> subscribe target=ann
        ben  <- ok type=cam target=ann offer=?offered
        ben  -> sdpRoom answer=a target=ann type=screen
        ben  <- 412
        ben  -> sdpRoom answer=a
        ben  <- 421
        """,
    "an answer that cannot be used leaves the offer open": PAIR
    + """
        ann  publishes
        ben  -> subscribe target=ann
        ben  <- ok type=cam target=ann offer=?offered
        ben  -> sdpRoom answer="bad answer" target=ann
        ben  <- 422
        ben  -> sdpRoom answer="no codec" target=ann
        ben  <- 570
        ben  -> sdpRoom answer=a target=ann
        ben  <- ok
        """,
    "what is not there": PAIR
    + """
        ben  -> subscribe target=ann
        ben  <- 451
        ann  publishes
        ben  -> subscribe target=ann type=screen
        ben  <- 451
        ben  -> subscribe target=nobody
        ben  <- 451
        ann  -> subscribe target=ann
        ann  <- 422
        cleo registers
        cleo -> subscribe target=ann
        cleo <- 413
        cleo -> subscribe target=ann roomId=attic
        cleo <- 441
        """,
    "all of it is required": PAIR
    + """
        ann  publishes
        ben  -> subscribe
        ben  <- 421
        ben  -> subscribe target=ann -type
        ben  <- 421
        ben  -> subscribe target=ann -video
        ben  <- 421
        ben  -> subscribe target=ann -audio
        ben  <- 421
        ben  -> subscribe target=ann -roomId
        ben  <- 421
        ben  -> subscribe target=ann type=video
        ben  <- 422
        ben  -> subscribe target=ann audio=perhaps
        ben  <- 422
        """,
    "who sends nothing may look": """
        ann  opens den
        ann  enters den
        ann  publishes
        ann  publishes screen
        viv  registers
        viv  -> joinRoom
        viv  <- ok ...
        viv  <- publish feeds=cam:ann+host+publishing,screen:ann
        ann  <- join user=viv
        viv  watches ann
        viv  watches ann screen
        media holds ann/camera ann/screen viv<ann/camera viv<ann/screen
        """,
    "nothing to be told of": """
        ann  opens den
        ann  enters den
        ben  registers
        ben  -> joinRoom
        ben  <- ok ...
        ann  <- join user=ben
        """,
    "who leaves takes its connections with it": PAIR
    + """
        cleo enters den
        ann  publishes
        ben  publishes
        ben  watches ann
        ann  watches ben
        cleo watches ann
        media holds ann/camera ann<ben/camera ben/camera ben<ann/camera cleo<ann/camera
        ben  -> leaveRoom
        ben  <- ok
        ann  <- leave user=ben
        cleo <- leave user=ben
        media holds ann/camera cleo<ann/camera
        ann  drops
        cleo <- leave user=ann
        media holds
        """,
    "who leaves and comes back has nothing": PAIR
    + """
        ann  publishes
        ben  -> subscribe target=ann
        ben  <- ok type=cam target=ann offer=?offered
        ann  -> leaveRoom
        ann  <- ok
        ben  <- leave user=ann
        ben  -> sdpRoom answer=a target=ann
        ben  <- 412
        ann  enters den
        ann  -> memberList
        ann  <- ok members=ben,ann+host
        ben  -> subscribe target=ann
        ben  <- 451
        """,
    "a connection that ends": PAIR
    + """
        ann  publishes
        ben  watches ann
        media ben<ann/camera lost consent
        media holds ann/camera
        ben  -> candidate target=ann
        ben  <- 403
        ben  -> subscribe target=ann
        ben  <- ok type=cam target=ann offer=?offered
        """,
}
CANDIDATES = {
    "of one's own feed, and of another's": PAIR
    + """
        ann  publishes
        ben  -> subscribe target=ann
        ben  <- ok type=cam target=ann offer=?offered
        ann  -> candidate target=ann
        ann  <- ok
        ben  -> candidate target=ann
        ben  <- ok
        ben  -> candidate target=ann candidate=null
        ben  <- ok
        ben  -> candidate target=ann 'candidate={"candidate":""}'
        ben  <- ok
        """,
    "of none": PAIR
    + """
        ann  -> candidate target=ann
        ann  <- 403
        ann  publishes
        ben  -> candidate target=ann
        ben  <- 403
        ben  -> candidate target=ben
        ben  <- 403
        ann  -> candidate target=ann cam=false
        ann  <- 403
        cleo registers
        ann  -> candidate target=cleo
        ann  <- 410
        ann  -> candidate target=nobody
        ann  <- 410
        cleo -> candidate target=ann
        cleo <- 413
        """,
    "of a screen": PAIR
    + """
        ann  publishes screen
        ben  watches ann screen
        ann  -> candidate target=ann cam=false
        ann  <- ok
        ben  -> candidate target=ann cam=false
        ben  <- ok
        ben  -> candidate target=ann cam=true
        ben  <- 403
        ann  -> shareStop
        ann  <- ok
        ben  <- shareStop user=ann
        ann  -> candidate target=ann cam=false
        ann  <- 403
        ben  -> candidate target=ann cam=false
        ben  <- 403
        """,
}
TRANSCRIPTS = PUBLISHING | SCREENS | SUBSCRIBING | CANDIDATES


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)


async def test_a_member_that_is_told_of_a_feed_knows_whose_it_is(stage: KpointStage) -> None:
    await stage.play(PAIR)
    await stage.must_register("cleo", name="Cleo", device="phone")
    await stage.must("cleo", "joinRoom")
    stage.kpoint_client("cleo").request("sdpRoom", {"reqId": "1", "userId": "cleo", "roomId": "den"} | _offer("o"))
    await stage.settle()
    told = stage.client("ann").inbox.popleft()
    assert told == {
        "eventOp": "presence",
        "type": "publish",
        "roomId": "den",
        "feeds": [
            {
                "id": "cleo",
                "name": "Cleo",
                "userType": "guest",
                "device": "phone",
                "video": True,
                "audio": True,
                "publishing": True,
                "permit": {"screen": True, "chat": True, "whiteboard": True, "draw": True, "document": True},
                "type": "cam",
            }
        ],
    }


def _offer(text: str) -> dict[str, object]:
    return {"sdp": {"type": "offer", "sdp": text}}
