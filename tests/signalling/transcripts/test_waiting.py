"""The waiting room: who waits, who hears of it, and how it ends (contract room-api 4.1, 5.1, 8 and 11)."""

import pytest

from tests.signalling.stage import Stage

TRANSCRIPTS = {
    "from the knock to the picture": """
        anna enters listed
        bob  enters listed
        nora -> authenticate room=listed display_name=Nora
        nora <- error 403
        anna <- member_waiting member=nora name=Nora
        bob  <- member_waiting member=nora name=Nora
        nora => still_waiting
        anna <- member_waiting member=nora name=Nora
        anna -> allow_member member=nora
        anna <- ok
        nora <- member_allowed auth_token=?token
        anna <- member_waiting_allowed member=nora
        bob  <- member_waiting_allowed member=nora
        nora -> join_room
        nora <- ok call_id=nora members=anna,bob is_admin=false sdp="answer to offer"
        anna <- member_join_room id=nora name=Nora user=null is_admin=false ...
        bob  <- member_join_room id=nora name=Nora user=null is_admin=false ...
        nora -> subscribe_room sdp="offer mid 2 3" members=anna@2,bob@3
        nora <- ok sdp="answer to offer mid 2 3"
        """,
    "rejected, and asking again": """
        anna enters listed
        bob  enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        bob  <- member_waiting member=nora name=""
        anna -> reject_member member=nora
        anna <- ok
        nora <- member_rejected
        anna <- member_waiting_rejected member=nora
        bob  <- member_waiting_rejected member=nora
        anna -> get_waiting_room_members
        anna <- ok waiting=
        nora => still_waiting
        nora -> get_room_members
        nora <- error 400
        nora -> leave_room
        nora <- error 400
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        bob  <- member_waiting member=nora name=""
        """,
    "who was rejected may try another room": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        anna -> reject_member member=nora
        anna <- ok
        nora <- member_rejected
        anna <- member_waiting_rejected member=nora
        nora -> authenticate room=open
        nora <- ok ...
        """,
    "a user who is not on the list is named": """
        anna enters listed
        carl -> authenticate room=listed user=carl display_name="not this"
        carl <- error 403
        anna <- member_waiting member=carl name=Carl user="id of carl"
        anna -> get_waiting_room_members
        anna <- ok waiting="carl:Carl:id of carl"
        """,
    "a user who is on the list is not": """
        anna enters waiting
        bob  -> authenticate room=waiting user=bob
        bob  <- error 403
        anna <- member_waiting member=bob name=Bob
        anna -> get_waiting_room_members
        anna <- ok waiting=bob:Bob
        """,
    "who has been let in keeps its identity, and is no admin": """
        anna enters listed
        carl -> authenticate room=listed user=carl
        carl <- error 403
        anna <- member_waiting ...
        anna -> allow_member member=carl
        anna <- ok
        carl <- member_allowed ...
        anna <- member_waiting_allowed member=carl
        carl -> join_room
        carl <- ok is_admin=false ...
        anna <- member_join_room id=carl user="id of carl" name=Carl is_admin=false ...
        carl -> allow_member member=nobody
        carl <- error 403
        """,
    "who has been let in is as one who has authenticated": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        anna -> allow_member member=nora
        anna <- ok
        nora <- member_allowed ...
        anna <- member_waiting_allowed member=nora
        nora -> get_room_members
        nora <- ok members=anna
        nora -> get_waiting_room_members
        nora <- error 403
        nora -> authenticate room=listed
        nora <- error 400
        nora => still_waiting
        zed  -> authenticate room=listed call_id=nora
        zed  <- error 409           # the call is still hers
        nora -> leave_room          # before she ever came in
        nora <- ok
        zed  -> authenticate room=listed call_id=nora
        zed  <- error 403
        anna <- member_waiting member=nora name=""
        """,
    "the token of who has been let in is good on another socket": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        anna -> allow_member member=nora
        anna <- ok
        nora <- member_allowed ...
        anna <- member_waiting_allowed member=nora
        nora/2 -> join_room
        nora/2 <- ok call_id=nora ...
        anna <- member_join_room id=nora ...
        """,
    "those inside hear of it, those who could come in do not": """
        bob  -> authenticate room=listed user=bob
        bob  <- ok ...
        carl enters open
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        zed  -> authenticate room=listed
        zed  <- error 403
        anna <- member_waiting member=zed name=""
        """,
    "before an empty room": """
        nora -> authenticate room=listed display_name=Nora
        nora <- error 403
        nora => still_waiting
        wait 100
        anna -> authenticate room=listed user=anna
        anna <- ok ...
        anna -> get_room_members
        anna <- ok members=
        anna -> get_waiting_room_members
        anna <- ok waiting=nora:Nora
        anna -> join_room
        anna <- ok members= ...
        nora => still_waiting
        anna <- member_waiting member=nora name=Nora
        """,
    "a room that all have left is still waited for": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        anna => leave_room
        wait 20
        anna -> allow_member member=nora
        anna <- ok
        nora <- member_allowed ...
        nora -> join_room
        nora <- ok members= ...
        """,
    "the list of those who wait is for admins": """
        bob  -> authenticate room=listed user=bob
        bob  <- ok ...
        bob  -> get_waiting_room_members
        bob  <- error 403
        bob  -> join_room
        bob  <- ok ...
        bob  -> get_waiting_room_members
        bob  <- error 403
        anna -> authenticate room=listed user=anna
        anna <- ok ...
        anna -> get_waiting_room_members
        anna <- ok waiting=
        nora -> authenticate room=listed
        nora <- error 403
        bob  <- member_waiting member=nora name=""
        nora -> get_waiting_room_members
        nora <- error 400
        nora -> get_room_members
        nora <- error 400
        """,
    "the list is in the order of coming": """
        anna enters listed
        zed  -> authenticate room=listed display_name=Zed
        zed  <- error 403
        anna <- member_waiting ...
        carl -> authenticate room=listed user=carl
        carl <- error 403
        anna <- member_waiting ...
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        anna -> get_waiting_room_members
        anna <- ok waiting="zed:Zed,carl:Carl:id of carl,nora:"
        """,
    "reminders: the first is passed on to admins, then one in five seconds": """
        anna enters listed
        bob  enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        bob  <- member_waiting member=nora name=""
        nora => still_waiting
        anna <- member_waiting member=nora name=""
        nora => still_waiting
        wait 4.9
        nora => still_waiting
        nora -> still_waiting
        nora <- ok
        wait 0.2
        nora -> still_waiting
        nora <- ok
        anna <- member_waiting member=nora name=""
        wait 4.9
        nora => still_waiting
        wait 60
        """,
    "reminders are counted for each who waits": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        zed  -> authenticate room=listed
        zed  <- error 403
        anna <- member_waiting member=zed name=""
        nora => still_waiting
        anna <- member_waiting member=nora name=""
        zed  => still_waiting
        anna <- member_waiting member=zed name=""
        """,
    "asking again is no way to remind more often": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        nora => still_waiting
        anna <- member_waiting ...
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        nora => still_waiting
        nora => leave_room
        anna <- member_leave_waiting_room member=nora
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        nora => still_waiting           # the first of a new stay
        anna <- member_waiting ...
        """,
    "asking again tells the new name": """
        anna enters listed
        nora -> authenticate room=listed display_name=Nora
        nora <- error 403
        anna <- member_waiting member=nora name=Nora
        nora -> authenticate room=listed display_name=Eleonora
        nora <- error 403
        anna <- member_waiting member=nora name=Eleonora
        anna -> get_waiting_room_members
        anna <- ok waiting=nora:Eleonora
        anna -> allow_member member=nora
        anna <- ok
        nora <- member_allowed ...
        anna <- member_waiting_allowed member=nora
        nora -> join_room
        nora <- ok ...
        anna <- member_join_room id=nora name=Eleonora ...
        """,
    "asking again as a user tells whom they have at the door": """
        anna enters listed
        carl -> authenticate room=listed display_name=somebody
        carl <- error 403
        anna <- member_waiting member=carl name=somebody
        carl -> authenticate room=listed user=carl
        carl <- error 403
        anna <- member_waiting member=carl name=Carl user="id of carl"
        """,
    "asking again with the password": """
        anna enters guarded
        nora -> authenticate room=guarded room_password=wrong
        nora <- error 403
        anna <- member_waiting member=nora name=""
        nora -> authenticate room=guarded room_password=sesame
        nora <- ok ...
        anna <- member_leave_waiting_room member=nora
        anna -> allow_member member=nora
        anna <- error 404
        nora -> join_room
        nora <- ok members=anna ...
        anna <- member_join_room id=nora ...
        """,
    "asking again after the room has changed": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        listed becomes open=true
        nora -> authenticate room=listed
        nora <- ok ...
        anna <- member_leave_waiting_room member=nora
        """,
    "asking again in vain changes nothing": """
        anna enters guarded
        nora -> authenticate room=guarded display_name=Nora
        nora <- error 403
        anna <- member_waiting member=nora name=Nora
        nora -> authenticate room=guarded username=zoe password=wrong
        nora <- error 401
        nora -> authenticate room=nowhere
        nora <- error 400
        anna -> get_waiting_room_members
        anna <- ok waiting=nora:Nora
        """,
    "who waits, waits for one room and one call": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        nora -> authenticate room=open
        nora <- error 400
        nora -> authenticate room=listed call_id=zed
        nora <- error 400
        nora -> create_temp_room user=carl
        nora <- error 400
        nora -> leave_room
        nora <- ok
        anna <- member_leave_waiting_room member=nora
        nora -> authenticate room=open
        nora <- ok ...
        """,
    "who waits is not inside": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        nora -> subscribe_room
        nora <- error 400
        nora -> join_room
        nora <- error 401
        nora -> raise_hand
        nora <- error 400
        nora => mute_audio
        nora -> remove_member member=anna
        nora <- error 400
        anna -> remove_member member=nora
        anna <- error 404
        anna -> mute_member_audio member=nora
        anna <- error 404
        anna -> get_room_members
        anna <- ok members=anna
        """,
    "who waits may come in by another token": """
        anna enters listed
        carl -> authenticate room=listed user=carl
        carl <- error 403
        anna <- member_waiting member=carl name=Carl user="id of carl"
        zoe  has token listed
        carl -> join_room auth_token=zoe
        carl <- ok call_id=zoe members=anna ...
        anna <- member_join_room id=zoe ...
        anna <- member_leave_waiting_room member=carl
        carl <- member_leave_waiting_room member=carl       # he is inside by now
        """,
    "who waits may come in by its own token on another socket": """
        anna enters listed
        nora -> authenticate room=listed user=carl
        nora <- error 403
        anna <- member_waiting member=nora name=Carl user="id of carl"
        anna -> allow_member member=nora
        anna <- ok
        nora <- member_allowed auth_token=?pass
        anna <- member_waiting_allowed member=nora
        nora => leave_room
        nora -> authenticate room=listed user=carl
        nora <- error 403
        anna <- member_waiting member=nora name=Carl user="id of carl"
        nora/2 -> join_room auth_token=pass
        nora <- closed 4001
        nora/2 <- ok members=anna ...
        nora/2 <- member_leave_waiting_room member=nora
        anna <- member_leave_waiting_room member=nora
        anna <- member_join_room id=nora ...
        """,
    "a socket that goes away while it waits": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        nora drops
        anna <- member_leave_waiting_room member=nora
        anna -> allow_member member=nora
        anna <- error 404
        zed  -> authenticate room=listed call_id=nora
        zed  <- error 403
        anna <- member_waiting member=nora name=""
        zed  is cancelled
        anna <- member_leave_waiting_room member=nora
        """,
    "the call id of who waits is in use": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        zed  -> authenticate room=listed call_id=nora
        zed  <- error 409
        zed  -> authenticate room=open call_id=nora
        zed  <- error 409
        carl -> create_temp_room call_id=nora
        carl <- error 409
        zed  -> authenticate room=listed call_id=anna
        zed  <- error 409
        """,
    "a user who waits may go on on another socket": """
        anna enters listed
        carl -> authenticate room=listed user=carl
        carl <- error 403
        anna <- member_waiting member=carl name=Carl user="id of carl"
        carl/2 -> authenticate room=listed user=carl
        carl <- closed 4001
        carl/2 <- error 403
        anna <- member_waiting member=carl name=Carl user="id of carl"
        anna -> allow_member member=carl
        anna <- ok
        carl/2 <- member_allowed ...
        anna <- member_waiting_allowed member=carl
        """,
    "a room that is deleted turns those away who wait for it": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting member=nora name=""
        delete listed
        anna <- member_leave_room member=anna by_admin=true
        nora <- member_rejected
        anna -> allow_member member=nora
        anna <- error 404
        nora -> authenticate room=listed
        nora <- error 404
        nora -> authenticate room=open
        nora <- ok ...
        """,
    "who has been let in finds a deleted room gone": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        anna -> allow_member member=nora
        anna <- ok
        nora <- member_allowed ...
        anna <- member_waiting_allowed ...
        delete listed
        anna <- member_leave_room member=anna by_admin=true
        nora -> join_room
        nora <- error 404
        """,
    "who is turned away while it asks again waits again": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        look-ups take 1
        anna -> reject_member member=nora
        wait 0.5
        nora -> authenticate room=listed
        wait 0.5
        anna <- ok
        nora <- member_rejected
        anna <- member_waiting_rejected member=nora
        wait 0.5
        nora <- error 403
        anna <- member_waiting member=nora name=""
        """,
    "a room that is deleted while somebody knocks": """
        anna enters listed
        look-ups take 1
        nora -> authenticate room=listed
        wait 0.5
        delete listed
        anna <- member_leave_room member=anna by_admin=true
        wait 1.5
        nora <- error 404
        """,
    "so does one with nobody inside": """
        nora -> authenticate room=listed
        nora <- error 403
        delete listed
        nora <- member_rejected
        nora => still_waiting
        """,
    "an admin decides without being inside": """
        bob  enters listed
        nora -> authenticate room=listed
        nora <- error 403
        bob  <- member_waiting ...
        zed  -> authenticate room=listed
        zed  <- error 403
        bob  <- member_waiting ...
        anna -> authenticate room=listed user=anna
        anna <- ok ...
        anna -> allow_member member=nora
        anna <- ok
        nora <- member_allowed ...
        bob  <- member_waiting_allowed member=nora
        anna/2 -> reject_member member=zed      # a socket that has said nothing before
        anna/2 <- ok
        zed  <- member_rejected
        bob  <- member_waiting_rejected member=zed
        """,
    "an admin decides after leaving": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        anna => leave_room
        anna -> reject_member member=nora
        anna <- ok
        nora <- member_rejected
        """,
    "nobody else decides": """
        anna enters listed
        bob  enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        bob  <- member_waiting ...
        bob  -> allow_member member=nora
        bob  <- error 403
        bob  -> reject_member member=nora
        bob  <- error 403
        bob  -> reject_member member=nobody     # the right comes first
        bob  <- error 403
        anna -> allow_member member=nora auth_token=forged
        anna <- error 401
        anna -> reject_member member=nora auth_token=forged
        anna <- error 401
        zed  has token waiting admin
        zed  -> allow_member member=nora        # admin of another room
        zed  <- error 404
        zed  has token nowhere admin
        zed  -> reject_member member=nora
        zed  <- error 404
        bob  -> allow_member member=nora auth_token=anna        # the token is the proof
        bob  <- ok
        nora <- member_allowed ...
        anna <- member_waiting_allowed member=nora
        bob  <- member_waiting_allowed member=nora
        """,
    "who does not wait cannot be decided on": """
        anna enters listed
        bob  enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        bob  <- member_waiting ...
        anna -> allow_member member=nobody
        anna <- error 404
        anna -> allow_member member=bob
        anna <- error 404
        anna -> reject_member member=bob
        anna <- error 404
        anna -> allow_member member=nora
        anna <- ok
        nora <- member_allowed ...
        anna <- member_waiting_allowed member=nora
        bob  <- member_waiting_allowed member=nora
        anna -> allow_member member=nora
        anna <- error 404
        anna -> reject_member member=nora
        anna <- error 404
        """,
    "of two decisions the first holds": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        look-ups take 1
        anna   -> allow_member member=nora
        wait 0.5
        anna/2 -> reject_member member=nora
        wait 0.5
        anna   <- ok
        nora   <- member_allowed ...
        anna   <- member_waiting_allowed member=nora
        wait 0.5
        anna/2 <- error 404
        """,
    "who gives up while it is being let in is not": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        look-ups take 1
        anna -> allow_member member=nora
        nora drops
        anna <- member_leave_waiting_room member=nora
        wait 1
        anna <- error 404
        """,
    "who asks again while it is being let in is let in once": """
        anna enters listed
        nora -> authenticate room=listed
        nora <- error 403
        anna <- member_waiting ...
        look-ups take 1
        anna -> allow_member member=nora
        wait 0.5
        nora -> authenticate room=listed
        wait 0.5
        anna <- ok
        nora <- member_allowed ...
        anna <- member_waiting_allowed member=nora
        wait 0.5
        nora <- error 400
        nora -> join_room
        wait 1
        nora <- ok ...
        anna <- member_join_room id=nora ...
        """,
    "a room forced to wait lets its admin in only": """
        anna -> authenticate room=waiting user=anna
        anna <- ok ...
        anna -> join_room
        anna <- ok is_admin=true ...
        bob  -> authenticate room=waiting user=bob
        bob  <- error 403
        anna <- member_waiting member=bob name=Bob
        carl -> authenticate room=waiting user=carl
        carl <- error 403
        anna <- member_waiting member=carl name=Carl user="id of carl"
        nora -> authenticate room=waiting
        nora <- error 403
        anna <- member_waiting member=nora name=""
        """,
    "a wrong password is no way to wait where it is forced": """
        bob  has token password
        bob  -> join_room
        bob  <- ok ...
        nora -> authenticate room=password
        nora <- error 401
        nora -> authenticate room=password room_password=wrong
        nora <- error 401
        nora -> authenticate room=password room_password=sesame
        nora <- ok ...
        """,
    "an old token drives nobody else out of the waiting room": """
        nora -> authenticate room=open call_id=x
        nora <- ok ...
        nora => leave_room
        open becomes open=false
        zed  -> authenticate room=open call_id=x
        zed  <- error 403
        nora -> join_room
        nora <- error 409
        nora -> watch_room
        nora <- error 409
        """,
    "nobody knocks at a room that was deleted while its password was guessed": """
        anna enters guarded
        look-ups take 1
        zoe  -> authenticate room=guarded room_password=wrong
        wait 1.5
        delete guarded
        anna <- member_leave_room ...
        wait 3
        zoe  <- error 404
        """,
    "a member comes back by its credentials, however the room asks others to wait": """
        anna enters listed
        bob  -> authenticate room=listed user=carl
        bob  <- error 403
        anna <- member_waiting ...
        anna -> allow_member member=bob
        anna <- ok
        bob  <- member_allowed auth_token=?pass
        anna <- member_waiting_allowed member=bob
        bob  -> join_room auth_token=pass
        bob  <- ok is_admin=false ...
        anna <- member_join_room ...
        bob  drops
        bob/2 -> authenticate room=listed user=carl
        bob/2 <- ok ...
        bob/2 -> join_room
        bob/2 <- ok is_admin=false ...
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: Stage, transcript: str) -> None:
    await stage.play(transcript)
