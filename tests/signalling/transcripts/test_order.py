"""The reply comes first, then what the request has caused, in the order in which the room changed (contract room-api 5.4).

Here are the requests whose sender hears of their effect itself; on every other socket order is part of each transcript.
"""

import pytest

from tests.signalling.stage import Stage

TRANSCRIPTS = {
    "several requests at once": """
        anna enters listed
        bob  enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        bob  <- member_waiting ...
        anna => mute_audio &
        anna => mute_member_video member=bob &
        anna => allow_member member=nora &
        anna => raise_hand &
        anna -> remove_member member=anna
        bob  <- member_mute_audio member=anna by_admin=false
        bob  <- member_mute_video member=bob by_admin=true
        bob  <- member_waiting_allowed member=nora
        bob  <- member_raise_hand member=anna
        bob  <- member_leave_room member=anna by_admin=true
        anna <- member_mute_video member=bob by_admin=true
        anna <- member_waiting_allowed member=nora
        anna <- ok
        anna <- member_leave_room member=anna by_admin=true
        nora <- member_allowed ...
        """,
    "the snapshot and what follows": """
        anna enters
        bob  -> authenticate
        bob  <- ok ...
        look-ups take 1
        bob  -> join_room
        wait 0.5
        anna => mute_audio
        wait 0.5
        bob  <- ok members=anna+audio_muted ...
        anna <- member_join_room id=bob ...
        anna => raise_hand
        bob  <- member_raise_hand member=anna
        """,
    "the snapshot of a watcher": """
        anna enters
        zoe  has token open
        look-ups take 1
        zoe  -> watch_room
        wait 0.5
        anna => mute_audio
        wait 0.5
        zoe  <- ok room_id=open members=anna+audio_muted
        anna => raise_hand
        zoe  <- member_raise_hand member=anna
        """,
    "nothing after the end": """
        anna enters listed
        bob  enters listed
        anna => remove_member member=bob &
        anna => mute_audio &
        anna => raise_hand
        bob  <- member_leave_room member=bob by_admin=true
        anna <- member_leave_room member=bob by_admin=true
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: Stage, transcript: str) -> None:
    await stage.play(transcript)
