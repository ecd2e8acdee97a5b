"""Sockets that listen with the token of a call that is not inside (contract room-api 5.1, 11)."""

import pytest

from tests.signalling.stage import Stage

TRANSCRIPTS = {
    "a watcher hears what members hear": """
        anna enters listed
        bob  enters listed
        zoe  has token listed
        zoe  -> watch_room
        zoe  <- ok room_id=listed members=anna,bob
        bob  => mute_audio
        anna <- member_mute_audio member=bob by_admin=false
        zoe  <- member_mute_audio member=bob by_admin=false
        anna -> mute_member_video member=bob
        anna <- ok
        anna <- member_mute_video member=bob by_admin=true
        bob  <- member_mute_video member=bob by_admin=true
        zoe  <- member_mute_video member=bob by_admin=true
        bob  => raise_hand
        anna <- member_raise_hand member=bob
        zoe  <- member_raise_hand member=bob
        bob  => start_screen_share
        anna <- member_start_screen_share member=bob
        zoe  <- member_start_screen_share member=bob
        bob  => send_reaction reaction=wave
        anna <- member_send_reaction member=bob reaction=wave
        zoe  <- member_send_reaction member=bob reaction=wave
        media speaker anna
        anna <- room_active_speaker member=anna
        bob  <- room_active_speaker member=anna
        zoe  <- room_active_speaker member=anna
        media levels anna=50
        anna <- member_audio_level member=anna audio_level=50
        bob  <- member_audio_level member=anna audio_level=50
        zoe  <- member_audio_level member=anna audio_level=50
        media rate anna 500000              # that is hers
        anna <- member_available_rate rate=500000
        bob  => leave_room
        anna <- member_leave_room member=bob by_admin=false
        zoe  <- member_leave_room member=bob by_admin=false
        bob  -> join_room
        bob  <- ok ...
        bob  <- room_active_speaker member=anna
        anna <- member_join_room id=bob ...
        zoe  <- member_join_room id=bob ...
        """,
    "a watcher hears who waits": """
        anna enters listed
        zoe  has token listed
        zoe  -> watch_room
        zoe  <- ok ...
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        zoe  <- member_waiting member=nora name=""
        nora drops
        anna <- member_leave_waiting_room member=nora
        zoe  <- member_leave_waiting_room member=nora
        """,
    "a watcher is nobody": """
        anna enters listed
        zoe  has token listed admin
        zoe  -> watch_room
        zoe  <- ok ...
        anna -> get_room_members
        anna <- ok members=anna
        zoe  -> get_room_members
        zoe  <- error 400
        zoe  -> get_waiting_room_members
        zoe  <- error 400
        zoe  -> raise_hand
        zoe  <- error 400
        zoe  => raise_hand
        zoe  => send_reaction reaction=wave
        zoe  -> mute_member_audio member=anna
        zoe  <- error 400
        zoe  -> remove_member member=anna
        zoe  <- error 400
        zoe  -> invite_exten extens=bob
        zoe  <- error 400
        zoe  -> subscribe_room
        zoe  <- error 400
        zoe  -> authenticate room=open
        zoe  <- error 400
        zoe  -> create_temp_room user=carl
        zoe  <- error 400
        anna -> remove_member member=zoe
        anna <- error 404
        zoe  drops
        wait 20
        """,
    "an admin who watches decides by the token": """
        anna enters listed
        zoe  has token listed admin
        zoe  -> watch_room
        zoe  <- ok ...
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        zoe  <- member_waiting ...
        zoe  -> allow_member member=nora
        zoe  <- ok
        nora <- member_allowed ...
        anna <- member_waiting_allowed member=nora
        zoe  <- member_waiting_allowed member=nora
        """,
    "an idle room is watched too": """
        zoe  has token open
        zoe  -> watch_room
        zoe  <- ok room_id=open members=
        anna enters open
        bob  enters open
        anna => mute_audio
        bob  <- member_mute_audio member=anna by_admin=false
        zoe  <- member_mute_audio member=anna by_admin=false
        anna => leave_room
        bob  <- member_leave_room member=anna by_admin=false
        zoe  <- member_leave_room member=anna by_admin=false
        bob  => leave_room
        zoe  <- member_leave_room member=bob by_admin=false
        anna -> join_room
        anna <- ok ...
        zoe  <- member_join_room id=anna ...
        """,
    "a watcher who leaves hears no more": """
        anna enters
        zoe  has token open
        zoe  -> watch_room
        zoe  <- ok ...
        zoe  -> leave_room
        zoe  <- ok
        anna => mute_audio
        zoe  -> leave_room
        zoe  <- error 400
        zoe  -> watch_room
        zoe  <- ok members=anna+audio_muted ...
        """,
    "a watcher comes in": """
        anna enters
        zoe  has token open
        zoe  -> watch_room
        zoe  <- ok ...
        zoe  -> join_room
        zoe  <- ok call_id=zoe members=anna ...
        anna <- member_join_room id=zoe ...
        anna => raise_hand
        zoe  <- member_raise_hand member=anna
        zoe  -> subscribe_room
        zoe  <- ok sdp="answer to offer"
        zoe  => leave_room
        anna <- member_leave_room member=zoe by_admin=false
        anna => unraise_hand
        """,
    "a watcher who fails to come in watches on": """
        anna enters
        zoe  has token open
        zoe  -> watch_room
        zoe  <- ok ...
        zoe  -> join_room sdp="bad offer"
        zoe  <- error 400
        zoe  -> join_room auth_token=forged
        zoe  <- error 401
        anna => raise_hand
        zoe  <- member_raise_hand member=anna
        """,
    "a watcher's call comes in on another socket": """
        anna enters
        zoe  has token open
        zoe  -> watch_room
        zoe  <- ok ...
        zoe/2 -> join_room
        zoe  <- closed 4001
        zoe/2 <- ok members=anna ...
        anna <- member_join_room id=zoe ...
        anna => raise_hand
        zoe/2 <- member_raise_hand member=anna
        """,
    "a watcher's call is watched on another socket": """
        anna enters
        zoe  has token open
        zoe  -> watch_room
        zoe  <- ok ...
        zoe/2 -> watch_room
        zoe  <- closed 4001
        zoe/2 <- ok members=anna ...
        anna => raise_hand
        zoe/2 <- member_raise_hand member=anna
        """,
    "a watcher takes up another call": """
        anna enters listed
        bob  enters open
        zoe  has token open
        zoe  -> watch_room
        zoe  <- ok ...
        zoe  has token listed
        zoe  -> join_room
        zoe  <- ok members=anna ...
        anna <- member_join_room id=zoe ...
        bob  => raise_hand
        """,
    "who has authenticated may watch instead": """
        anna enters
        nora -> authenticate
        nora <- ok ...
        nora -> watch_room
        nora <- ok room_id=open members=anna
        anna => raise_hand
        nora <- member_raise_hand member=anna
        zed  -> authenticate call_id=nora
        zed  <- error 409           # the call is still hers
        nora drops
        zed  -> authenticate call_id=nora
        zed  <- ok ...
        """,
    "the call id of a watcher is in use": """
        zoe  has token open
        zoe  -> watch_room
        zoe  <- ok ...
        zed  -> authenticate call_id=zoe
        zed  <- error 409
        carl -> create_temp_room call_id=zoe
        carl <- error 409
        zoe  => leave_room
        zed  -> authenticate call_id=zoe
        zed  <- ok ...
        """,
    "a user who watches may ask for a token again": """
        bob  -> authenticate room=listed user=bob
        bob  <- ok ...
        bob  -> watch_room
        bob  <- ok ...
        bob/2 -> authenticate room=listed user=bob
        bob/2 <- ok ...
        zed  -> authenticate room=listed user=carl call_id=bob
        zed  <- error 409
        """,
    "who waits may watch by a token that it had": """
        anna -> authenticate room=listed user=anna
        anna <- ok ...
        carl -> authenticate room=listed user=carl
        carl <- error 403
        anna -> allow_member member=carl
        anna <- ok
        carl <- member_allowed ...
        carl -> leave_room
        carl <- ok
        carl -> authenticate room=listed user=carl
        carl <- error 403
        carl -> watch_room
        carl <- ok members= ...
        carl <- member_leave_waiting_room member=carl
        anna -> get_waiting_room_members
        anna <- ok waiting=
        anna -> join_room
        anna <- ok members= ...
        carl <- member_join_room id=anna ...
        """,
    "so may its other socket": """
        anna enters listed
        carl has token listed
        carl -> authenticate room=listed user=carl
        carl <- error 403
        anna <- member_waiting ...
        carl/2 -> watch_room
        carl <- closed 4001
        carl/2 <- ok members=anna ...
        carl/2 <- member_leave_waiting_room member=carl
        anna <- member_leave_waiting_room member=carl
        anna => raise_hand
        carl/2 <- member_raise_hand member=anna
        """,
    "who is inside cannot watch besides": """
        anna enters
        bob  enters listed
        anna -> watch_room
        anna <- error 400
        anna -> watch_room auth_token=bob
        anna <- error 400
        bob  => mute_audio
        """,
    "a room that is deleted while it is watched": """
        anna enters
        bob  enters
        zoe  has token open
        zoe  -> watch_room
        zoe  <- ok ...
        delete open
        anna <- member_leave_room member=anna by_admin=true
        bob  <- member_leave_room member=bob by_admin=true
        zoe  <- member_leave_room member=anna by_admin=true
        zoe  <- member_leave_room member=bob by_admin=true
        zoe  -> watch_room
        zoe  <- error 404
        zoe  -> authenticate room=listed
        zoe  <- error 403
        """,
    "tokens that let nobody watch": """
        zoe  -> watch_room auth_token=forged
        zoe  <- error 401
        zoe  has token nowhere
        zoe  -> watch_room
        zoe  <- error 404
        zoe  has token open
        wait 43201
        zoe  -> watch_room
        zoe  <- error 401
        """,
    "an invitation that is over is no way to go on listening": """
        anna enters listed
        bob  registers
        anna -> invite_exten extens=bob
        anna <- ok ...
        bob  <- room_invite auth_token=?pass call_id=?leg ...
        bob  -> watch_room auth_token=pass
        bob  <- ok ...
        bob  -> room_invite_reject room=listed call_id=leg
        bob  <- ok
        anna <- room_invite_reject ...
        anna => raise_hand
        """,
    "an old token drives nobody else away who watches": """
        zoe  -> authenticate
        zoe  <- ok auth_token=?old
        zoe  => leave_room
        bob  -> authenticate call_id=zoe user=bob
        bob  <- ok auth_token=?new
        bob  -> watch_room auth_token=new
        bob  <- ok ...
        zoe  -> join_room auth_token=old
        zoe  <- error 409
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: Stage, transcript: str) -> None:
    await stage.play(transcript)
