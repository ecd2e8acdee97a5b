"""What members say of themselves, and what media say of them (contract room-api 5.3, 5.4 and 11)."""

import pytest

from tests.signalling.stage import Stage

TRANSCRIPTS = {
    "the four own mutes": """
        anna enters
        bob  enters
        anna => mute_audio
        bob  <- member_mute_audio member=anna by_admin=false
        anna => mute_audio          # nothing new
        anna -> mute_audio
        anna <- ok
        anna => mute_video
        bob  <- member_mute_video member=anna by_admin=false
        anna => unmute_audio
        bob  <- member_unmute_audio member=anna by_admin=false
        anna -> unmute_video
        anna <- ok
        bob  <- member_unmute_video member=anna by_admin=false
        anna => unmute_video
        carl => mute_audio          # not in a room
        carl -> mute_audio
        carl <- error 400
        """,
    "an own mute cuts nothing": """
        anna enters
        anna => mute_audio
        anna => mute_video
        media cuts anna
        """,
    "hands": """
        anna enters
        bob  enters
        anna => raise_hand
        bob  <- member_raise_hand member=anna
        anna => raise_hand
        carl -> authenticate
        carl <- ok ...
        carl -> get_room_members
        carl <- ok members=anna+hand_raised,bob
        anna -> unraise_hand
        anna <- ok
        bob  <- member_unraise_hand member=anna
        anna => unraise_hand
        bob  => unraise_hand
        carl => raise_hand
        carl -> raise_hand
        carl <- error 400
        carl -> unraise_hand
        carl <- error 400
        """,
    "screens, of which media are told": """
        anna enters
        bob  enters
        media shows anna camera
        anna => start_screen_share
        bob  <- member_start_screen_share member=anna
        media shows anna screen
        anna => start_screen_share
        bob  -> get_room_members
        bob  <- ok members=anna+screen_share,bob
        anna -> stop_screen_share
        anna <- ok
        bob  <- member_stop_screen_share member=anna
        media shows anna camera
        anna => stop_screen_share
        carl => start_screen_share
        carl -> start_screen_share
        carl <- error 400
        carl -> stop_screen_share
        carl <- error 400
        """,
    "reactions, as often as wanted": """
        anna enters
        bob  enters
        anna => send_reaction reaction=wave
        bob  <- member_send_reaction member=anna reaction=wave
        anna -> send_reaction reaction=wave
        anna <- ok
        bob  <- member_send_reaction member=anna reaction=wave
        anna => send_reaction               # no reaction in it
        carl => send_reaction reaction=wave
        carl -> send_reaction reaction=wave
        carl <- error 400
        """,
    "flags start false at each join": """
        anna enters
        bob  enters audio_muted=true video_muted=true
        bob  => raise_hand
        anna <- member_raise_hand member=bob
        bob  => start_screen_share
        anna <- member_start_screen_share member=bob
        bob  => leave_room
        anna <- member_leave_room member=bob by_admin=false
        bob  -> join_room
        bob  <- ok ...
        anna <- member_join_room id=bob hand_raised=false screen_share=false audio_muted=false video_muted=false \
                audio_muted_by_admin=false video_muted_by_admin=false ...
        media shows bob camera
        """,
    "who comes later finds all flags": """
        anna enters audio_muted=true
        anna => raise_hand
        anna => start_screen_share
        anna => mute_video
        bob  -> authenticate
        bob  <- ok ...
        bob  -> join_room
        bob  <- ok members=anna+hand_raised+screen_share+audio_muted+video_muted ...
        anna <- member_join_room ...
        """,
    "the active speaker, at most every 300 ms": """
        anna enters
        bob  enters
        media speaker anna
        anna <- room_active_speaker member=anna
        bob  <- room_active_speaker member=anna
        media speaker bob
        media speaker anna
        media speaker bob
        wait 0.29
        wait 0.02
        anna <- room_active_speaker member=bob
        bob  <- room_active_speaker member=bob
        wait 1
        media speaker nobody
        anna <- room_clear_active_speaker
        bob  <- room_clear_active_speaker
        media speaker bob
        media speaker nobody
        wait 1
        """,
    "a speaker who leaves speaks no more": """
        anna enters
        bob  enters
        media speaker bob
        anna <- room_active_speaker member=bob
        bob  <- room_active_speaker member=bob
        wait 1
        bob  => leave_room
        anna <- member_leave_room member=bob by_admin=false
        anna <- room_clear_active_speaker
        media speaker bob           # late news
        """,
    "levels, to everybody, at most five a second of each": """
        anna enters
        bob  enters
        media levels anna=50 bob=30
        anna <- member_audio_level member=anna audio_level=50
        anna <- member_audio_level member=bob audio_level=30
        bob  <- member_audio_level member=anna audio_level=50
        bob  <- member_audio_level member=bob audio_level=30
        media levels anna=80
        media levels anna=100
        wait 0.19
        wait 0.02
        anna <- member_audio_level member=anna audio_level=100
        bob  <- member_audio_level member=anna audio_level=100
        wait 1
        media levels anna=100 bob=30        # no change
        wait 1
        """,
    "silence is never lost": """
        anna enters
        media levels anna=50
        anna <- member_audio_level member=anna audio_level=50
        media levels anna=90
        media levels anna=0
        wait 0.21
        anna <- member_audio_level member=anna audio_level=0
        media levels anna=0
        wait 1
        """,
    "a level that came to the same is no change": """
        anna enters
        media levels anna=50
        anna <- member_audio_level member=anna audio_level=50
        media levels anna=90
        media levels anna=50
        wait 1
        """,
    "levels of those who are gone": """
        anna enters
        bob  enters
        media levels bob=50
        anna <- member_audio_level member=bob audio_level=50
        bob  <- member_audio_level member=bob audio_level=50
        media levels bob=90
        bob  => leave_room
        anna <- member_leave_room member=bob by_admin=false
        wait 1
        media levels bob=20 nobody=60
        wait 1
        """,
    "the rate of the way down, to its receiver": """
        anna enters
        bob  enters
        media rate anna 500000
        anna <- member_available_rate rate=500000
        """,
    "lost media end the stay": """
        anna enters
        bob  enters
        media bob lost consent
        anna <- member_leave_room member=bob by_admin=false
        bob  <- member_leave_room member=bob by_admin=false
        bob  -> join_room           # its token is still good
        bob  <- ok members=anna ...
        anna <- member_join_room id=bob ...
        """,
    "a connection that never comes up ends the stay": """
        anna enters
        bob  enters
        media bob lost timeout
        anna <- member_leave_room member=bob by_admin=false
        bob  <- member_leave_room member=bob by_admin=false
        """,
    "a client that closes its connection has ten seconds": """
        anna enters
        bob  enters
        media bob lost closed
        wait 9.9
        bob  -> subscribe_room      # there is nothing to renegotiate
        bob  <- error 400
        wait 0.2
        anna <- member_leave_room member=bob by_admin=false
        bob  <- member_leave_room member=bob by_admin=false
        """,
    "a closed connection may be replaced on the same socket": """
        anna enters
        bob  enters
        media bob lost closed
        bob  -> join_room
        bob  <- ok members=anna ...
        wait 20
        bob  -> join_room
        bob  <- error 400
        """,
    "a fault of ours is told to the member alone": """
        anna enters
        bob  enters
        media bob lost server
        bob  <- media_lost
        bob  -> join_room
        bob  <- ok members=anna ...
        wait 20
        """,
    "a socket whose media are lost still carries one call only": """
        anna enters
        bob  enters
        media bob lost closed
        bob  -> join_room auth_token=anna
        bob  <- error 400
        """,
    "who lost its media is still inside": """
        anna enters
        bob  enters
        media bob lost closed
        bob  => raise_hand
        anna <- member_raise_hand member=bob
        bob  -> leave_room
        bob  <- ok
        anna <- member_leave_room member=bob by_admin=false
        wait 20
        """,
    "who comes hears who is speaking": """
        anna enters
        media speaker anna
        anna <- room_active_speaker member=anna
        bob  -> authenticate
        bob  <- ok ...
        bob  -> join_room
        bob  <- ok members=anna ...
        bob  <- room_active_speaker member=anna
        anna <- member_join_room id=bob ...
        zoe  has token open
        zoe  -> watch_room
        zoe  <- ok members=anna,bob ...
        zoe  <- room_active_speaker member=anna
        media speaker nobody
        wait 0.3
        anna <- room_clear_active_speaker
        bob  <- room_clear_active_speaker
        zoe  <- room_clear_active_speaker
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: Stage, transcript: str) -> None:
    await stage.play(transcript)
