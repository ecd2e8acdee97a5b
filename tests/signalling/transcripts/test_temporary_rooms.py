"""Rooms that end with their last member (contract room-api 4.2, 5.1, 8)."""

import pytest

from tests.signalling.stage import Stage

TRANSCRIPTS = {
    "made, joined and ringing in one": """
        bob/1 registers
        bob/2 registers
        anna  -> create_temp_room invited=bob
        anna  <- ok room_id=?temp call_id=anna auth_token=?token sdp="answer to offer" members= is_admin=true \
                 invited=bob:?bridge failed=
        bob/1 <- room_invite room=temp call_id=?leg1 from_user="id of anna" auth_token=?pass1
        bob/2 <- room_invite room=temp call_id=?leg2 from_user="id of anna" auth_token=?pass2
        bob/1 -> join_room auth_token=pass1
        bob/1 <- ok call_id=leg1 sdp="answer to offer" members=anna is_admin=false
        bob/2 <- room_invite_completed_elsewhere room=temp
        anna  <- member_join_room id=leg1 user="id of bob" name=Bob is_admin=false ...
        anna  -> subscribe_room sdp="offer mid 2" members=leg1@2
        anna  <- ok sdp="answer to offer mid 2"
        """,
    "rejected": """
        bob   registers
        anna  -> create_temp_room invited=bob
        anna  <- ok room_id=?temp invited=bob:?bridge ...
        bob   <- room_invite call_id=?leg ...
        bob   => room_invite_reject room=temp call_id=leg
        anna  <- room_invite_reject room=temp call_id=bridge
        anna  -> get_room_members
        anna  <- ok members=anna
        """,
    "nobody comes": """
        bob   registers
        anna  -> create_temp_room invited=bob
        anna  <- ok room_id=?temp invited=bob:?bridge ...
        bob   <- room_invite ...
        wait 119.9
        wait 0.2
        bob   <- room_invite_completed_elsewhere room=temp
        anna  <- room_invite_reject room=temp call_id=bridge
        """,
    "nobody need be invited": """
        anna  -> create_temp_room audio_muted=true video_muted=true
        anna  <- ok invited= failed= members= is_admin=true ...
        anna  -> get_room_members
        anna  <- ok members=anna+audio_muted+video_muted
        """,
    "some cannot be reached": """
        bob   registers
        anna  -> create_temp_room invited=zed,bob,carl
        anna  <- ok invited=bob:?bridge failed=zed:404,carl:480 ...
        bob   <- room_invite ...
        """,
    "the reply comes before one's own ringing": """
        anna  -> register_room_api
        anna  <- ok ...
        anna  -> create_temp_room invited=1001
        anna  <- ok room_id=?temp invited=1001:?bridge ...
        anna  <- room_invite room=temp ...
        """,
    "what makes no room": """
        bob   registers
        nora  enters open
        anna  -> create_temp_room password=wrong invited=bob
        anna  <- error 401
        anna  -> create_temp_room device=anna device_token=wrong invited=bob
        anna  <- error 401
        anna  -> create_temp_room call_id=nora invited=bob
        anna  <- error 409
        anna  -> create_temp_room sdp="bad offer" invited=bob
        anna  <- error 400
        anna  -> create_temp_room sdp="no codec" invited=bob
        anna  <- error 488
        anna  -> create_temp_room invited=bob
        anna  <- ok ...
        bob   <- room_invite ...
        anna  -> create_temp_room invited=bob       # she has one
        anna  <- error 400
        """,
    "not under a call id that is in use, be it one's own": """
        anna  enters listed
        anna/2 -> create_temp_room
        anna/2 <- error 409
        bob   -> authenticate user=bob
        bob   <- ok ...
        bob/2 -> create_temp_room
        bob/2 <- error 409
        look-ups take 1
        carl  -> create_temp_room
        wait 0.5
        carl/2 -> create_temp_room
        wait 0.5
        carl  <- ok ...
        wait 1
        carl/2 <- error 409
        """,
    "not beside another call": """
        bob   registers
        anna  -> authenticate
        anna  <- ok ...
        anna  -> create_temp_room call_id=other invited=bob
        anna  <- error 400
        """,
    "by device": """
        zed   -> create_temp_room device=carl device_token="token of carl"
        zed   <- ok room_id=?temp call_id=zed is_admin=true ...
        zed   -> get_room_members
        zed   <- ok members=zed
        """,
    "gone when the last member leaves": """
        bob   registers
        anna  -> create_temp_room invited=bob
        anna  <- ok room_id=?temp ...
        bob   <- room_invite auth_token=?pass ...
        anna  => leave_room
        bob   <- room_invite_completed_elsewhere room=temp
        anna  -> join_room
        anna  <- error 404
        bob   -> join_room auth_token=pass
        bob   <- error 404
        bob   -> watch_room auth_token=pass
        bob   <- error 404
        anna  -> authenticate room=temp user=anna
        anna  <- error 404
        anna  -> allow_member member=nobody
        anna  <- error 404
        """,
    "it lives while anybody is inside": """
        bob   registers
        anna  -> create_temp_room invited=bob
        anna  <- ok room_id=?temp ...
        bob   <- room_invite auth_token=?pass call_id=?leg ...
        bob   -> join_room auth_token=pass
        bob   <- ok ...
        anna  <- member_join_room ...
        anna  => leave_room
        bob   <- member_leave_room member=anna by_admin=false
        anna  -> join_room
        anna  <- ok members=leg is_admin=true ...
        bob   <- member_join_room id=anna is_admin=true ...
        """,
    "the last one has ten seconds to come back": """
        anna  -> create_temp_room
        anna  <- ok room_id=?temp ...
        anna  drops
        wait 9.9
        anna/2 -> join_room
        anna/2 <- ok members= is_admin=true ...
        anna/2 is cancelled
        wait 10.1
        anna/3 -> join_room
        anna/3 <- error 404
        """,
    "who waits when it is gone is rejected": """
        anna  -> create_temp_room
        anna  <- ok room_id=?temp ...
        nora  -> authenticate room=temp
        nora  <- error 403
        anna  <- member_waiting member=nora name=""
        anna  => leave_room
        nora  <- member_rejected
        nora  -> authenticate room=temp
        nora  <- error 404
        """,
    "who watches when it is gone hears so": """
        anna  -> create_temp_room
        anna  <- ok room_id=?temp ...
        zoe   has token temp
        zoe   -> watch_room
        zoe   <- ok room_id=temp members=anna
        anna  => leave_room
        zoe   <- member_leave_room member=anna by_admin=false
        zoe   -> watch_room
        zoe   <- error 404
        """,
    "who is not invited knocks": """
        anna  -> create_temp_room
        anna  <- ok room_id=?temp ...
        carl  -> authenticate room=temp user=carl
        carl  <- error 403
        anna  <- member_waiting member=carl name=Carl user="id of carl"
        nora  -> authenticate room=temp room_password=sesame
        nora  <- error 403
        anna  <- member_waiting member=nora name=""
        anna  -> get_waiting_room_members
        anna  <- ok waiting="carl:Carl:id of carl,nora:"
        anna  -> allow_member member=carl
        anna  <- ok
        carl  <- member_allowed ...
        anna  <- member_waiting_allowed member=carl
        carl  -> join_room
        carl  <- ok members=anna is_admin=false ...
        anna  <- member_join_room id=carl user="id of carl" ...
        """,
    "who is invited may come in by itself": """
        bob   registers
        anna  -> create_temp_room invited=bob
        anna  <- ok room_id=?temp invited=bob:?bridge ...
        bob   <- room_invite call_id=?leg ...
        bob   => room_invite_reject room=temp call_id=leg
        anna  <- room_invite_reject room=temp call_id=bridge
        bob   -> authenticate room=temp user=bob        # he has thought better of it
        bob   <- ok ...
        bob   -> join_room
        bob   <- ok members=anna is_admin=false ...
        anna  <- member_join_room id=bob is_admin=false ...
        """,
    "who is invited later, too": """
        carl  registers
        anna  -> create_temp_room
        anna  <- ok room_id=?temp ...
        carl  -> authenticate room=temp user=carl
        carl  <- error 403
        anna  <- member_waiting ...
        anna  -> invite_exten extens=1003
        anna  <- ok invited=1003:?bridge failed=
        carl  <- room_invite ...
        carl  -> authenticate room=temp user=carl
        carl  <- ok ...
        anna  <- member_leave_waiting_room member=carl
        """,
    "its creator is an admin by credentials too": """
        anna  -> create_temp_room
        anna  <- ok room_id=?temp ...
        anna/2 -> authenticate room=temp call_id=anna2 user=anna
        anna/2 <- ok ...
        anna/2 -> join_room
        anna/2 <- ok members=anna is_admin=true ...
        anna  <- member_join_room id=anna2 is_admin=true ...
        """,
    "two of them are two": """
        anna  -> create_temp_room
        anna  <- ok room_id=?first ...
        carl  -> create_temp_room
        carl  <- ok room_id=?second members= ...
        carl  -> allow_member member=x auth_token=anna
        carl  <- error 404
        anna  => leave_room
        carl  => raise_hand
        carl  -> get_room_members
        carl  <- ok members=carl+hand_raised
        """,
    "ended by the administrator": """
        bob   registers
        anna  -> create_temp_room invited=bob
        anna  <- ok room_id=?temp ...
        bob   <- room_invite auth_token=?pass ...
        carl  -> authenticate room=temp user=carl
        carl  <- error 403
        anna  <- member_waiting ...
        end   temp
        anna  <- member_leave_room member=anna by_admin=true
        bob   <- room_invite_completed_elsewhere room=temp
        carl  <- member_rejected
        anna  -> join_room
        anna  <- error 404
        bob   -> join_room auth_token=pass
        bob   <- error 404
        """,
    "it goes while somebody proves to be invited": """
        bob   registers
        anna  -> create_temp_room invited=bob
        anna  <- ok room_id=?temp ...
        bob   <- room_invite ...
        look-ups take 1
        bob   -> authenticate room=temp user=bob
        wait 0.5
        anna  => leave_room
        bob   <- room_invite_completed_elsewhere room=temp
        wait 1.5
        bob   <- error 404
        """,
    "its creator goes away while it is made": """
        bob   registers
        look-ups take 1
        anna  -> create_temp_room invited=bob
        wait 0.5
        anna  is cancelled
        wait 20
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: Stage, transcript: str) -> None:
    await stage.play(transcript)
