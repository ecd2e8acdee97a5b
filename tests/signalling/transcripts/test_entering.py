"""In by a token, out again, whose a call id is, and what becomes of all when the room ends (contract room-api 4, 5.1)."""

import pytest

from tests.signalling.stage import Stage

TRANSCRIPTS = {
    "a member joins, another sees it, and it leaves": """
        anna -> authenticate display_name=Anna
        anna <- ok auth_token=?token
        anna -> join_room audio_muted=true
        anna <- ok call_id=anna sdp="answer to offer" members= is_admin=false
        bob  -> authenticate
        bob  <- ok ...
        bob  -> join_room
        bob  <- ok members=anna+audio_muted ...
        anna <- member_join_room id=bob stream=bob user=null name="" is_admin=false audio_muted=false \
                video_muted=false hand_raised=false screen_share=false audio_muted_by_admin=false \
                video_muted_by_admin=false is_sip=false
        bob  => leave_room
        anna <- member_leave_room member=bob by_admin=false
        anna -> get_room_members
        anna <- ok members=anna+audio_muted
        """,
    "a user is known by its uuid and its own name": """
        anna enters
        bob  -> authenticate room=open user=bob display_name=Robert
        bob  <- ok ...
        bob  -> join_room
        bob  <- ok members=anna is_admin=false ...
        anna <- member_join_room id=bob user="id of bob" name=Bob is_admin=false ...
        """,
    "the list says who is an admin": """
        bob  enters listed
        anna -> authenticate room=listed user=anna
        anna <- ok ...
        anna -> join_room
        anna <- ok members=bob is_admin=true ...
        bob  <- member_join_room id=anna is_admin=true ...
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
    "a token admits for twelve hours": """
        anna -> authenticate
        anna <- ok ...
        wait 43199
        anna -> join_room
        anna <- ok ...
        wait 2
        anna => mute_audio          # who is inside stays
        anna => leave_room
        anna -> join_room
        anna <- error 401
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
    "who has authenticated, or nothing, is inside no room": """
        anna enters listed
        bob  -> authenticate room=listed user=bob
        bob  <- ok ...
        bob  -> subscribe_room
        bob  <- error 400
        bob  -> remove_member member=anna
        bob  <- error 400
        bob  -> invite_exten extens=carl
        bob  <- error 400
        bob  -> raise_hand
        bob  <- error 400
        bob  => raise_hand
        bob  -> still_waiting
        bob  <- error 400
        bob  => still_waiting
        carl -> get_room_members
        carl <- error 400
        carl -> get_waiting_room_members
        carl <- error 400
        carl -> subscribe_room
        carl <- error 400
        carl -> mute_member_audio member=anna
        carl <- error 400
        carl => send_reaction reaction=wave
        carl => still_waiting
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
    "a socket takes up the call that it joins by": """
        anna -> authenticate call_id=x
        anna <- ok ...
        bob  -> authenticate call_id=y
        bob  <- ok ...
        bob  -> join_room auth_token=anna
        bob  <- ok call_id=x ...
        carl -> authenticate call_id=y      # bob has let go of it
        carl <- ok ...
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
    "a room that is deleted": """
        anna enters
        bob  enters
        bob/2 -> authenticate call_id=b2
        bob/2 <- ok ...
        carl drops
        delete open
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
    "a room that is ended stands, and its tokens are good no more": """
        anna enters
        bob  -> authenticate
        bob  <- ok ...
        end open
        anna <- member_leave_room member=anna by_admin=true
        anna -> join_room
        anna <- error 401
        bob  -> join_room
        bob  <- error 401
        anna -> authenticate
        anna <- ok ...
        anna -> join_room
        anna <- ok members= ...
        """,
    "what has been changed of a room acts on who comes later": """
        nora enters open
        open becomes open=false force_waiting_room=true
        wait 20
        nora => mute_audio
        zed  -> authenticate
        zed  <- error 403
        nora <- member_waiting member=zed name=""
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
    "of two that want one call id at once the first has it": """
        look-ups take 1
        anna -> authenticate call_id=x
        wait 0.5
        bob  -> authenticate call_id=x
        wait 0.5
        anna <- ok ...
        wait 0.5
        bob  <- error 409
        """,
    "the call id of who is away is in use": """
        anna enters
        anna drops
        bob  -> authenticate call_id=anna
        bob  <- error 409
        wait 10.1
        bob  -> authenticate call_id=anna
        bob  <- ok ...
        """,
    "a handler that is cancelled gives back its call id": """
        anna -> authenticate
        anna <- ok ...
        anna is cancelled
        bob  -> authenticate call_id=anna
        bob  <- ok ...
        """,
    "a user may come back to its own call": """
        anna -> authenticate room=listed user=anna
        anna <- ok ...
        anna -> join_room
        anna <- ok is_admin=true ...
        anna/2 -> authenticate room=open user=anna
        anna/2 <- error 409         # another room is not where it was
        anna/2 -> authenticate room=listed user=bob
        anna/2 <- error 409
        anna/2 -> authenticate room=listed user=anna
        anna/2 <- ok ...
        anna/2 -> join_room
        anna <- closed 4001
        anna/2 <- ok is_admin=true ...
        """,
    "a user comes back by its credentials while it is away": """
        anna enters listed
        bob  enters listed
        bob  drops
        wait 5
        bob/2 -> authenticate room=listed user=bob
        bob/2 <- ok ...
        wait 4.9
        bob/2 -> join_room
        bob/2 <- ok members=anna ...
        wait 20
        """,
    "who has left is as one who never was in": """
        anna enters listed
        bob  enters listed
        bob  => leave_room
        anna <- member_leave_room member=bob by_admin=false
        bob  -> create_temp_room call_id=other
        bob  <- ok call_id=other ...
        bob  => leave_room
        bob  -> authenticate room=waiting user=bob
        bob  <- error 403
        bob  => leave_room
        bob  -> authenticate room=open call_id=third
        bob  <- ok ...
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
        anna -> watch_room
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
        """,
    "methods that are not there": """
        anna -> dance
        anna <- error -32601
        anna => dance
        """,
    "a request without an id is carried out and never answered": """
        anna enters
        bob  -> authenticate
        bob  <- ok ...
        bob  => join_room
        anna <- member_join_room id=bob ...
        bob  => join_room
        bob  => authenticate
        bob  => get_room_members
        """,
    "nobody hears of a room it is not in": """
        anna enters
        carl -> authenticate
        carl <- ok ...
        bob  enters listed
        anna => mute_audio
        bob  => mute_audio
        """,
    "a token whose room is gone keeps neither socket nor call id": """
        zoe  -> authenticate
        zoe  <- ok ...
        delete open
        carl -> authenticate room=listed call_id=zoe user=bob
        carl <- ok ...
        zoe  -> authenticate room=listed call_id=other user=anna
        zoe  <- ok ...
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: Stage, transcript: str) -> None:
    await stage.play(transcript)
