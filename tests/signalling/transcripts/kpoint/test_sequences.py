"""The two sequences of contract kpoint, section 6.6, message by message."""

import pytest

from tests.signalling.kpoint_stage import KpointStage

TRANSCRIPTS = {
    "a P2P room": """
        ann  -> register
        ann  <- ok userId=ann iceServers=
        ben  -> register
        ben  <- ok userId=ben iceServers=
        ann  -> createRoom
        ann  <- ok roomId=den
        ann  -> joinRoom
        ann  <- ok roomId=den media=false host=ann+host members=ann+host ...
        ben  -> joinRoom
        ben  <- ok roomId=den media=false host=ann+host members=ann+host,ben ...
        ann  <- join user=ben

        ann  -> sdp target=ben offer="camera of ann"
        ann  <- ok
        ben  <- sdp user=ann target=ben type=cam offer="camera of ann"
        ben  -> sdp target=ann answer="with pleasure"
        ben  <- ok
        ben  <- subscribed user=ann cam=true
        ann  <- sdp user=ben target=ann type=cam answer="with pleasure"

        ann  -> candidate target=ben type=send
        ann  <- ok
        ben  <- candidate user=ann target=ben type=send cam=true 'candidate={"candidate":"candidate:1"}'
        ben  -> candidate target=ann type=receive
        ben  <- ok
        ann  <- candidate user=ben target=ann type=receive cam=true 'candidate={"candidate":"candidate:1"}'

        ben  -> sdp target=ann offer="camera of ben"
        ben  <- ok
        ann  <- sdp user=ben target=ann type=cam offer="camera of ben"
        ann  -> sdp target=ben answer="thank you"
        ann  <- ok
        ann  <- subscribed user=ben cam=true
        ben  <- sdp user=ann target=ben type=cam answer="thank you"

        ben  -> leaveRoom
        ben  <- ok
        ann  <- leave user=ben
        media holds
        """,
    "a group room": """
        ann  -> register
        ann  <- ok userId=ann iceServers=
        ben  -> register
        ben  <- ok userId=ben iceServers=
        cleo -> register
        cleo <- ok userId=cleo iceServers=
        ann  -> createVideoRoom
        ann  <- ok roomId=den
        ann  -> joinRoom
        ann  <- ok roomId=den media=true host=ann+host members=ann+host ...
        ben  -> joinRoom
        ben  <- ok roomId=den media=true host=ann+host members=ann+host,ben ...
        ann  <- join user=ben

        ann  -> sdpRoom offer="camera of ann" type=cam
        ann  <- ok type=cam answer="answer to camera of ann"
        ben  <- publish feeds=cam:ann+host+publishing
        media holds ann/camera
        ben  -> subscribe target=ann type=cam
        ben  <- ok type=cam target=ann offer=?offered
        media holds ann/camera ben<ann/camera
        ben  -> sdpRoom target=ann type=cam answer=answer
        ben  <- ok

        ben  -> sdpRoom offer="camera of ben" type=cam
        ben  <- ok type=cam answer="answer to camera of ben"
        ann  <- publish feeds=cam:ben+publishing
        ann  -> subscribe target=ben type=cam
        ann  <- ok type=cam target=ben offer=?offered
        ann  -> sdpRoom target=ben type=cam answer=answer
        ann  <- ok

        cleo -> joinRoom
        cleo <- ok members=ann+host+publishing,ben+publishing,cleo ...
        cleo <- publish feeds=cam:ann+host+publishing,cam:ben+publishing
        ann  <- join user=cleo
        ben  <- join user=cleo
        media holds ann/camera ben<ann/camera ben/camera ann<ben/camera

        ann  -> leaveRoom
        ann  <- ok
        ben  <- leave user=ann
        cleo <- leave user=ann
        media holds ben/camera
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)
