"""The Room API as sequences: who sends, who receives what, in which order (contract room-api, 4.1, 5, 8 and 11)."""

import pytest

from tests.signalling.stage import Stage

TRANSCRIPTS = {
    "a member joins, another sees it, and it leaves": """
        anna -> authenticate display_name=Anna
        anna <- ok ...
        anna -> join_room audio_muted=true
        anna <- ok call_id=anna sdp="answer to offer" members= is_admin=false
        bob  -> authenticate
        bob  <- ok ...
        bob  -> join_room
        bob  <- ok members=anna ...
        anna <- member_join_room id=bob stream=bob user=null name="" is_admin=false audio_muted=false \
                video_muted=false hand_raised=false screen_share=false audio_muted_by_admin=false \
                video_muted_by_admin=false is_sip=false
        bob  => leave_room
        anna <- member_leave_room member=bob by_admin=false
        anna -> get_room_members
        anna <- ok members=anna
        """,
    "the reply to leave_room, if one is wanted": """
        anna enters
        bob  enters
        bob  -> leave_room
        bob  <- ok
        anna <- member_leave_room member=bob by_admin=false
        bob  -> leave_room
        bob  <- error 400
        bob  => leave_room
        """,
    "a token admits again after leaving": """
        anna enters
        anna => leave_room
        anna -> join_room
        anna <- ok members= ...
        """,
    "who has authenticated sees the members and can give up": """
        anna enters
        bob  -> authenticate
        bob  <- ok ...
        bob  -> get_room_members
        bob  <- ok members=anna
        bob  -> authenticate
        bob  <- error 400           # this socket carries a call
        bob  -> leave_room
        bob  <- ok
        bob  -> get_room_members
        bob  <- error 400
        bob  -> authenticate
        bob  <- ok ...
        """,
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
        carl => mute_audio          # not in a room
        carl -> mute_audio
        carl <- error 400
        """,
    "mute flags start as join_room says, at each join": """
        anna enters
        bob  -> authenticate
        bob  <- ok ...
        bob  -> join_room audio_muted=true video_muted=true
        bob  <- ok ...
        anna <- member_join_room id=bob audio_muted=true video_muted=true ...
        bob  => leave_room
        anna <- member_leave_room member=bob by_admin=false
        bob  -> join_room
        bob  <- ok ...
        anna <- member_join_room id=bob audio_muted=false video_muted=false ...
        """,
    "join_room needs no authenticate on its own socket": """
        anna -> authenticate
        anna <- ok ...
        anna/2 -> join_room
        anna/2 <- ok call_id=anna ...
        """,
    "a second join_room on a socket is refused": """
        anna enters
        anna -> join_room
        anna <- error 400
        """,
    "a join that fails leaves the party as it was": """
        bob  enters
        anna -> authenticate
        anna <- ok ...
        anna -> join_room sdp="bad offer"
        anna <- error 400
        anna -> join_room sdp="no codec"
        anna <- error 488
        anna -> join_room auth_token=forged
        anna <- error 401
        anna -> get_room_members
        anna <- ok members=bob
        anna -> join_room
        anna <- ok members=bob ...
        bob  <- member_join_room id=anna ...
        """,
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
    "a handler that is cancelled gives back its call id": """
        anna -> authenticate
        anna <- ok ...
        anna is cancelled
        bob  -> authenticate call_id=anna
        bob  <- ok ...
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
    "what has changed while away is told": """
        anna enters
        bob  enters
        bob  drops
        bob/2 -> join_room audio_muted=true
        bob/2 <- ok ...
        anna <- member_mute_audio member=bob by_admin=false
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
        anna => mute_audio
        bob  <- member_mute_audio member=anna by_admin=false
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
    "the socket's ten seconds are not prolonged by the connection's": """
        anna enters
        bob  enters
        bob  drops
        wait 5
        media bob lost closed
        wait 5.1
        anna <- member_leave_room member=bob by_admin=false
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
    "a room that is deleted": """
        anna enters
        bob  enters
        bob/2 -> authenticate call_id=b2
        bob/2 <- ok ...
        carl drops
        delete open
        end open
        anna <- member_leave_room member=anna by_admin=true
        bob  <- member_leave_room member=bob by_admin=true
        anna -> join_room
        anna <- error 404
        bob/2 -> get_room_members
        bob/2 <- error 404
        anna -> leave_room
        anna <- error 400
        anna -> authenticate room=listed username=anna password="pw of anna"
        anna <- ok ...
        """,
    "a call id has one party": """
        anna enters
        bob  -> authenticate call_id=anna
        bob  <- error 409
        bob  -> authenticate call_id=anna room=listed username=bob password="pw of bob"
        bob  <- error 409
        anna => leave_room
        bob  -> authenticate call_id=anna
        bob  <- ok ...
        anna -> authenticate
        anna <- error 409           # bob holds it, joined or not
        bob  drops
        anna -> authenticate
        anna <- ok ...
        """,
    "a user may come back to its own call": """
        anna -> authenticate room=listed username=anna password="pw of anna"
        anna <- ok ...
        anna -> join_room
        anna <- ok is_admin=true ...
        anna/2 -> authenticate room=open username=anna password="pw of anna"
        anna/2 <- error 409         # another room is not where it was
        anna/2 -> authenticate room=listed username=bob password="pw of bob"
        anna/2 <- error 409
        anna/2 -> authenticate room=listed username=anna password="pw of anna"
        anna/2 <- ok ...
        anna/2 -> join_room
        anna <- closed 4001
        anna/2 <- ok is_admin=true ...
        """,
    "a token of an earlier party takes over nobody": """
        anna -> authenticate call_id=x
        anna <- ok ...
        anna => leave_room
        bob  -> authenticate call_id=x
        bob  <- ok ...
        bob  -> join_room
        bob  <- ok call_id=x ...
        anna -> join_room
        anna <- error 409
        """,
    "subscribing": """
        anna enters
        bob  enters
        anna -> subscribe_room sdp="offer mid 2 3" members=bob@2:640x360,nobody@3
        anna <- ok sdp="answer to offer mid 2 3"
        anna -> subscribe_room sdp="offer mid 2" members=bob@3
        anna <- error 400
        anna -> subscribe_room sdp="no codec"
        anna <- error 488
        anna -> subscribe_room auth_token=bob
        anna <- error 401
        anna -> subscribe_room auth_token=forged
        anna <- error 401
        carl -> subscribe_room
        carl <- error 400
        """,
    "methods that are not there": """
        anna -> dance
        anna <- error -32601
        anna => dance
        anna -> watch_room
        anna <- error -32601
        """,
    "a request without an id is carried out and never answered": """
        anna enters
        bob  -> authenticate
        bob  <- ok ...
        bob  => join_room
        anna <- member_join_room id=bob ...
        bob  => join_room
        bob  => authenticate
        """,
    "nobody hears of a room it is not in": """
        anna enters
        carl -> authenticate room=listed username=bob password="pw of bob"
        carl <- ok ...
        carl -> join_room
        carl <- ok members= ...
        anna => mute_audio
        carl => mute_audio
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: Stage, transcript: str) -> None:
    await stage.play(transcript)
