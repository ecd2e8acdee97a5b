"""Sockets that go away, come back, and take over: a call has one socket, the latest (contract room-api 4.1, 5.1)."""

import pytest

from tests.signalling.stage import Stage

TRANSCRIPTS = {
    "a lost socket has ten seconds": """
        anna enters
        bob  enters
        bob  drops
        wait 9.9
        wait 0.2
        anna <- member_leave_room member=bob by_admin=false
        anna -> get_room_members
        anna <- ok members=anna
        """,
    "a handler that is cancelled has ten seconds too": """
        anna enters
        bob  enters
        bob  is cancelled
        wait 9.9
        bob/2 -> join_room
        bob/2 <- ok call_id=bob members=anna ...
        bob/2 is cancelled
        wait 9.9
        wait 0.2
        anna <- member_leave_room member=bob by_admin=false
        """,
    "who comes back in time was never away": """
        anna enters
        bob  enters
        bob  drops
        wait 9.9
        bob/2 -> join_room
        bob/2 <- ok call_id=bob members=anna ...
        wait 20
        anna => mute_audio
        bob/2 <- member_mute_audio member=anna by_admin=false
        """,
    "who comes back too late comes anew": """
        anna enters
        bob  enters
        bob  drops
        wait 10.1
        anna <- member_leave_room member=bob by_admin=false
        bob/2 -> join_room
        bob/2 <- ok call_id=bob members=anna ...
        anna <- member_join_room id=bob ...
        """,
    "the last one who is away holds the room": """
        bob  enters
        bob  drops
        wait 9.9
        bob/2 -> join_room
        bob/2 <- ok members= ...
        bob/2 drops
        wait 20
        anna enters
        anna -> get_room_members
        anna <- ok members=anna
        """,
    "what has changed while away is told": """
        anna enters
        bob  enters
        bob  drops
        bob/2 -> join_room audio_muted=true
        bob/2 <- ok ...
        anna <- member_mute_audio member=bob by_admin=false
        """,
    "who comes back keeps its hand, and sends its camera": """
        anna enters
        bob  enters
        bob  => raise_hand
        anna <- member_raise_hand member=bob
        bob  => start_screen_share
        anna <- member_start_screen_share member=bob
        bob  drops
        bob/2 -> join_room
        bob/2 <- ok ...
        anna <- member_stop_screen_share member=bob
        media shows bob camera
        anna -> get_room_members
        anna <- ok members=anna,bob+hand_raised
        """,
    "another socket takes over": """
        anna enters
        bob  enters
        bob/2 -> join_room
        bob  <- closed 4001
        bob/2 <- ok members=anna ...
        anna => mute_audio
        bob/2 <- member_mute_audio member=anna by_admin=false
        wait 20
        """,
    "a takeover that fails takes nothing": """
        anna enters
        bob  enters
        bob/2 -> join_room sdp="bad offer"
        bob/2 <- error 400
        bob/2 -> join_room sdp="no codec"
        bob/2 <- error 488
        anna => mute_audio
        bob  <- member_mute_audio member=anna by_admin=false
        """,
    "a user takes over by a token of its own": """
        anna enters listed
        bob  enters listed
        bob/2 -> authenticate room=listed user=bob
        bob/2 <- ok ...
        bob/2 -> get_room_members
        bob/2 <- ok members=anna,bob
        bob/2 -> join_room
        bob  <- closed 4001
        bob/2 <- ok members=anna ...
        """,
    "the socket's ten seconds are not prolonged by the connection's": """
        anna enters
        bob  enters
        bob  drops
        wait 5
        media bob lost closed
        wait 5.1
        anna <- member_leave_room member=bob by_admin=false
        """,
    "a call that is inside is watched by its new socket": """
        anna enters
        bob  enters
        bob/2 -> watch_room
        bob  <- closed 4001
        bob/2 <- ok room_id=open members=anna,bob
        wait 20                     # nobody has seen a leave
        anna => mute_audio
        bob/2 <- member_mute_audio member=anna by_admin=false
        bob/2 => raise_hand
        anna <- member_raise_hand member=bob
        bob/2 -> get_room_members
        bob/2 <- ok members=anna+audio_muted,bob+hand_raised
        bob/2 -> leave_room
        bob/2 <- ok
        anna <- member_leave_room member=bob by_admin=false
        """,
    "who lost its socket comes back by watching": """
        anna enters
        bob  enters
        bob  drops
        wait 9.9
        bob/2 -> watch_room
        bob/2 <- ok room_id=open members=anna,bob
        wait 20
        bob/2 => mute_video
        anna <- member_mute_video member=bob by_admin=false
        bob/2 drops
        wait 9.9
        bob/3 -> join_room
        bob/3 <- ok members=anna ...
        anna <- member_unmute_video member=bob by_admin=false
        wait 20
        """,
    "a watching socket that goes away has ten seconds too": """
        anna enters
        bob  enters
        bob/2 -> watch_room
        bob  <- closed 4001
        bob/2 <- ok ...
        bob/2 drops
        wait 9.9
        wait 0.2
        anna <- member_leave_room member=bob by_admin=false
        """,
    "a watching socket subscribes to nothing": """
        anna enters
        bob  enters
        bob/2 -> watch_room
        bob  <- closed 4001
        bob/2 <- ok ...
        bob/2 -> subscribe_room
        bob/2 <- error 400
        bob/2 -> join_room          # unless it brings a connection of its own
        bob/2 <- ok members=anna ...
        bob/2 -> subscribe_room
        bob/2 <- ok sdp="answer to offer"
        bob/2 -> join_room
        bob/2 <- error 400
        """,
    "an admin who watches is an admin": """
        bob  enters listed
        anna enters listed
        anna/2 -> watch_room
        anna <- closed 4001
        anna/2 <- ok room_id=listed members=bob,anna
        anna/2 -> mute_member_audio member=bob
        anna/2 <- ok
        anna/2 <- member_mute_audio member=bob by_admin=true
        bob  <- member_mute_audio member=bob by_admin=true
        anna/2 -> remove_member member=anna
        anna/2 <- ok
        anna/2 <- member_leave_room member=anna by_admin=true
        bob  <- member_leave_room member=anna by_admin=true
        """,
    "watching does not bring lost media back": """
        anna enters
        bob  enters
        media bob lost closed
        wait 5
        bob/2 -> watch_room
        bob  <- closed 4001
        bob/2 <- ok ...
        wait 5.1
        anna <- member_leave_room member=bob by_admin=false
        bob/2 <- member_leave_room member=bob by_admin=false
        """,
    "another party's token takes nothing over": """
        anna enters
        bob  enters
        bob/2 -> watch_room auth_token=forged
        bob/2 <- error 401
        bob  has token open         # bob's user; the party inside has none
        bob/2 -> watch_room
        bob/2 <- error 409
        bob/2 -> join_room
        bob/2 <- error 409
        anna => mute_audio
        bob  <- member_mute_audio member=anna by_admin=false
        """,
    "two that come at once": """
        anna enters
        bob  enters
        bob  drops
        look-ups take 1
        bob/2 -> join_room
        wait 0.5
        bob/3 -> join_room
        wait 0.5
        bob/2 <- ok ...
        wait 0.5
        bob/2 <- closed 4001
        bob/3 <- ok ...
        bob/3 => raise_hand
        anna <- member_raise_hand member=bob
        """,
    "who leaves while it takes over comes anew": """
        anna enters
        bob  enters
        look-ups take 1
        bob/2 -> join_room
        bob  => leave_room
        anna <- member_leave_room member=bob by_admin=false
        wait 1
        bob/2 <- ok members=anna ...
        anna <- member_join_room id=bob ...
        """,
    "who is removed while it takes over is out": """
        anna enters listed
        bob  enters listed
        look-ups take 1
        bob/2 -> join_room &
        bob/3 -> watch_room
        anna -> remove_member member=bob
        anna <- ok
        anna <- member_leave_room member=bob by_admin=true
        bob  <- member_leave_room member=bob by_admin=true
        wait 1
        bob/2 <- error 401
        bob/3 <- error 401
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: Stage, transcript: str) -> None:
    await stage.play(transcript)
