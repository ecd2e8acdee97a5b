"""KPOINT and the Room API in one room of a licence: what crosses, and what stays on its side.

Contracts kpoint, section 11, room-api, sections 5.1 and 11, and s-connector, section 9. Rita comes by the Room API.
"""

import pytest

from tests.signalling.kpoint_stage import KpointStage

BOTH = """
        rita speaks room_api
        ken  opens den
        ken  enters den
        rita enters den
        """
OWNER = """
        rita speaks room_api
        rita enters den owner
        ken  enters den
        """
ENTERING = {
    "by a token and the room's name": """
        rita speaks room_api
        ken  registers name=Ken
        ken  opens den
        ken  enters den
        rita -> authenticate room=den access_token=guest display_name=Rita
        rita <- ok auth_token=?token
        rita -> join_room auth_token=token video_muted=true
        rita <- ok call_id=rita members=ken is_admin=false ...
        ken  <- join user=rita:Rita-video
        ken  <- publish feeds=cam:rita:Rita+publishing-video
        ken  -> memberList
        ken  <- ok members=ken:Ken+host,rita:Rita+publishing-video
        media holds rita
        """,
    "KPOINT comes later": BOTH
    + """
        leo  registers name=Leo
        leo  -> joinRoom
        leo  <- ok host=ken+host members=ken+host,rita:Rita+publishing,leo:Leo ...
        leo  <- publish feeds=cam:rita:Rita+publishing
        ken  <- join user=leo:Leo
        rita <- member_join_room id=leo user=null name=Leo is_admin=false audio_muted=false video_muted=false \
                is_sip=false ...
        """,
    "who opened it by KPOINT is an admin": """
        rita speaks room_api
        ken  opens den
        rita enters den
        ken  -> joinRoom
        ken  <- ok host=ken+host members=rita:Rita+publishing,ken+host ...
        ken  <- publish feeds=cam:rita:Rita+publishing
        rita <- member_join_room id=ken is_admin=true ...
        """,
    "the holder of an owner's token who comes first is host and admin": """
        rita speaks room_api
        rita -> authenticate room=den access_token=owner
        rita <- ok auth_token=?token
        rita -> join_room auth_token=token
        rita <- ok is_admin=true ...
        ken  registers
        ken  -> createRoom
        ken  <- 443
        ken  -> joinRoom
        ken  <- ok media=true host=rita+host+publishing members=rita+host+publishing,ken ...
        ken  <- publish feeds=cam:rita+host+publishing
        rita <- member_join_room id=ken is_admin=false ...
        """,
    "who comes later with such a token is none": """
        rita speaks room_api
        ken  opens den
        ken  enters den
        rita -> authenticate room=den access_token=owner
        rita <- ok auth_token=?token
        rita -> join_room auth_token=token
        rita <- ok is_admin=false ...
        ken  <- join user=rita
        ken  <- publish feeds=cam:rita+publishing
        """,
    "a token may name room and user": """
        rita speaks room_api
        rita -> authenticate room=den access_token=cellarer display_name=Cid
        rita <- error 401
        rita -> authenticate room=cellar access_token=cellarer display_name=Rita
        rita <- error 401
        rita -> authenticate room=cellar access_token=cellarer display_name=Cid
        rita <- ok ...
        """,
    "bad tokens": """
        rita speaks room_api
        ken  opens den
        rita -> authenticate room=den access_token=forged
        rita <- error 401
        rita -> authenticate room=den
        rita <- error 404
        licence acme becomes enabled=false
        rita -> authenticate room=den access_token=guest
        rita <- error 403
        """,
    "another licence's room is another room": BOTH
    + """
        sven speaks room_api
        sven -> authenticate room=den access_token=stranger
        sven <- ok auth_token=?token
        sven -> join_room auth_token=token
        sven <- ok members= ...
        """,
    "the same id is another party's": BOTH
    + """
        rita/2 -> authenticate room=attic access_token=guest
        rita/2 <- error 409
        leo  -> register userId=rita
        leo  <- 409
        rex  speaks room_api
        rex  -> authenticate room=den access_token=guest call_id=ken
        rex  <- error 409
        """,
    "a licence that is disabled meanwhile": """
        rita speaks room_api
        ken  opens den
        rita -> authenticate room=den access_token=guest
        rita <- ok ...
        licence acme becomes enabled=false
        rita -> join_room
        rita <- error 403
        """,
    "a P2P room is for KPOINT alone": """
        rita speaks room_api
        ken  opens den p2p
        rita -> authenticate room=den access_token=guest
        rita <- error 400
        """,
    "capacity": """
        rita speaks room_api
        ken  opens den capacity=1
        ken  enters den
        rita -> authenticate room=den access_token=guest
        rita <- ok auth_token=?token
        rita -> join_room auth_token=token
        rita <- error 403
        """,
}
LIMITS = {
    "users of both kinds are counted together": """
        rita speaks room_api
        rex  speaks room_api
        licence acme becomes max_users=2
        ken  opens den
        rita enters den
        leo  -> register
        leo  <- 445
        rex  -> authenticate room=den access_token=guest
        rex  <- error 403
        rita => leave_room
        leo  -> register
        leo  <- ok ...
        rex  -> authenticate room=den access_token=guest
        rex  <- error 403
        """,
    "a place that is not taken up is given back": """
        rita speaks room_api
        licence acme becomes max_users=1
        rita -> authenticate room=den access_token=guest
        rita <- ok ...
        wait 29
        ken  -> register
        ken  <- 445
        wait 2
        ken  -> register
        ken  <- ok ...
        rita -> join_room
        rita <- error 404
        """,
    "a place is given back at once by who goes": """
        rita speaks room_api
        licence acme becomes max_users=1
        rita -> authenticate room=den access_token=guest
        rita <- ok ...
        rita drops
        ken  -> register
        ken  <- ok ...
        """,
    "a place is given back by who thinks otherwise": """
        rita speaks room_api
        licence acme becomes max_users=1
        rita -> authenticate room=den access_token=guest
        rita <- ok ...
        rita -> leave_room
        rita <- ok
        ken  -> register
        ken  <- ok ...
        """,
    "a room that goes while somebody joins it": """
        rita speaks room_api
        licence acme becomes room_limit=1
        ken  opens den
        ken  enters den
        rita -> authenticate room=den access_token=guest
        rita <- ok auth_token=?token
        look-ups take 1
        rita -> join_room auth_token=token
        wait 0.5
        ken  -> destroyRoom
        ken  <- ok
        wait 2
        rita <- error 404
        look-ups take 0
        ken  opens attic
        ken  -> joinRoom roomId=attic
        ken  <- ok roomId=attic ...
        """,
    "who is removed while it comes back stays out": """
        rita speaks room_api
        ron  speaks room_api
        rita enters den owner
        ron  enters den
        look-ups take 1
        ron/2 -> join_room auth_token=ron
        wait 0.5
        rita -> remove_member member=ron
        rita <- ok
        rita <- member_leave_room member=ron by_admin=true
        ron  <- member_leave_room member=ron by_admin=true
        wait 2
        ron/2 <- error 401
        """,
    "a refusal opens no room": """
        rita speaks room_api
        ken  -> register
        ken  <- ok ...
        rita -> authenticate room=den access_token=guest call_id=ken
        rita <- error 409
        ken  -> memberList
        ken  <- 441
        """,
    "a room's name is one that KPOINT can say": """
        rita speaks room_api
        rita -> authenticate access_token=guest room=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        rita <- error 400
        rita -> authenticate access_token=guest room="a\tb"
        rita <- error 400
        """,
    "the last one who leaves does not shut the door on who was let in": """
        rita speaks room_api
        ken  opens den
        ken  enters den
        rita -> authenticate room=den access_token=guest
        rita <- ok auth_token=?token
        ken  -> leaveRoom
        ken  <- ok
        wait 29
        rita -> join_room auth_token=token
        rita <- ok ...
        rita -> leave_room
        rita <- ok
        ken  -> memberList
        ken  <- 441
        """,
    "nor does it for longer than that": """
        rita speaks room_api
        licence acme becomes room_limit=1
        ken  opens den
        ken  enters den
        rita -> authenticate room=den access_token=guest
        rita <- ok auth_token=?token
        ken  -> leaveRoom
        ken  <- ok
        ken  -> createVideoRoom roomId=attic
        ken  <- ok roomId=attic
        ken  -> joinRoom roomId=attic
        ken  <- 445
        wait 31
        rita -> join_room auth_token=token
        rita <- error 404
        ken  -> joinRoom roomId=attic
        ken  <- ok ...
        """,
    "rooms": """
        rita speaks room_api
        licence acme becomes room_limit=1
        ken  opens den
        ken  enters den
        rita -> authenticate room=attic access_token=guest
        rita <- error 403
        rita -> authenticate room=den access_token=guest
        rita <- ok ...
        """,
    "who races for the last room": """
        rita speaks room_api
        licence acme becomes room_limit=1
        ken  opens den
        look-ups take 1
        ken  -> joinRoom
        wait 0.1
        rita -> authenticate room=attic access_token=guest
        wait 1
        ken  <- ok ...
        rita <- error 403
        """,
}
INSIDE = {
    "mutes of the Room API": BOTH
    + """
        rita => mute_audio
        ken  <- editUserInfo user=rita name=Rita video=true audio=false
        rita => mute_video
        ken  <- editUserInfo user=rita name=Rita video=false audio=false
        rita => unmute_audio
        ken  <- editUserInfo user=rita name=Rita video=false audio=true
        """,
    "mutes of KPOINT": BOTH
    + """
        ken  -> editUserInfo audio=false
        ken  <- ok
        rita <- member_mute_audio member=ken by_admin=false
        ken  -> editUserInfo audio=true video=false
        ken  <- ok
        rita <- member_unmute_audio member=ken by_admin=false
        rita <- member_mute_video member=ken by_admin=false
        ken  -> editUserInfo video=true broadcast=false         # mutes are no secret here
        ken  <- ok
        rita <- member_unmute_video member=ken by_admin=false
        """,
    "an admin of the Room API mutes KPOINT": OWNER
    + """
        ken  publishes
        ken  publishes screen
        rita -> mute_member_audio member=ken
        rita <- ok
        rita <- member_mute_audio member=ken by_admin=true
        ken  <- editUserInfo user=ken name= video=true audio=false
        media cuts ken/camera audio
        media cuts ken/screen audio
        ken  -> editUserInfo audio=true                         # its own flag is another one
        ken  <- ok
        media cuts ken/camera audio
        rita -> unmute_member_audio member=ken
        rita <- ok
        rita <- member_unmute_audio member=ken by_admin=true
        ken  <- editUserInfo user=ken name= video=true audio=true
        media cuts ken/camera
        """,
    "what an admin has cut is cut on every connection": OWNER
    + """
        rita -> mute_member_video member=ken
        rita <- ok
        rita <- member_mute_video member=ken by_admin=true
        ken  <- editUserInfo user=ken name= video=false audio=true
        ken  -> sdpRoom offer=o
        ken  <- ok type=cam answer="answer to o"
        media cuts ken/camera video
        """,
    "names": BOTH
    + """
        ken  -> changeName name=Ken
        ken  <- ok
        rita -> get_room_members
        rita <- ok members=ken,rita
        """,
    "what KPOINT does not know": BOTH
    + """
        rita => raise_hand
        rita => send_reaction reaction=wave
        media speaker rita
        rita <- room_active_speaker member=rita
        media levels rita=50
        rita <- member_audio_level member=rita audio_level=50
        """,
    "what the Room API does not know": BOTH
    + """
        leo  enters den
        ken  -> chat roomId=den
        ken  <- ok
        leo  <- chat user=ken message=hello roomId=den
        ken  -> inform
        ken  <- ok
        leo  <- inform user=ken message=hello roomId=den
        ken  -> whiteboard
        ken  <- ok
        leo  <- whiteboard user=ken
        ken  -> drawing tool=pen
        ken  <- ok
        leo  <- drawing user=ken tool=pen
        ken  -> shareStop
        ken  <- ok
        leo  <- shareStop user=ken
        ken  -> permit target=rita chat=false
        ken  <- ok
        ken  -> kickOut target=rita
        ken  <- ok
        ken  -> reqCanvasImage target=rita
        ken  <- ok
        ken  -> editRoomInfo title=new
        ken  <- ok
        ken  -> sdpRoom offer=o
        ken  <- ok type=cam answer="answer to o"
        leo  <- publish feeds=cam:ken+host+publishing
        """,
    "who talks, where that is told": """
        rita speaks room_api
        ken  opens den talkingNoty=true
        ken  enters den
        rita enters den
        media levels rita=100
        ken  <- talking user=rita talking=true
        rita <- member_audio_level member=rita audio_level=100
        """,
}
MEDIA = {
    "KPOINT receives the Room API's camera": BOTH
    + """
        ken  -> subscribe target=rita
        ken  <- ok type=cam target=rita offer=?offered
        ken  -> sdpRoom answer=a target=rita
        ken  <- ok
        media holds rita ken<rita/camera
        rita => leave_room
        ken  <- leave user=rita
        media holds
        """,
    "a camera that begins and ends with a renegotiation": """
        rita speaks room_api
        ken  opens den
        ken  enters den
        rita -> authenticate room=den access_token=guest
        rita <- ok auth_token=?token
        rita -> join_room auth_token=token sdp="silent offer"
        rita <- ok ...
        ken  <- join user=rita
        rita -> subscribe_room auth_token=token members=
        rita <- ok ...
        ken  <- publish feeds=cam:rita+publishing
        rita -> subscribe_room auth_token=token members= sdp="silent offer"
        rita <- ok ...
        ken  -> memberList
        ken  <- ok members=ken+host,rita
        """,
    "the Room API receives KPOINT": BOTH
    + """
        ken  publishes
        rita -> subscribe_room members=ken@2 sdp="offer mid 2"
        rita <- ok sdp="answer to offer mid 2"
        """,
    "a screen of KPOINT": BOTH
    + """
        ken  publishes
        ken  -> screen
        ken  <- ok
        ken  -> sdpRoom offer=s type=screen
        ken  <- ok type=screen answer="answer to s"
        rita <- member_start_screen_share member=ken
        rita -> get_room_members
        rita <- ok members=ken+screen_share,rita
        ken  -> shareStop
        ken  <- ok
        rita <- member_stop_screen_share member=ken
        """,
    "a screen of KPOINT goes with it": BOTH
    + """
        ken  publishes screen
        ken  drops
        rita <- member_leave_room member=ken by_admin=false
        """,
    "a screen of the Room API": BOTH
    + """
        rita => start_screen_share
        ken  <- screen user=rita
        ken  <- publish feeds=screen:rita
        ken  -> whiteboard
        ken  <- 440
        ken  -> subscribe target=rita type=screen
        ken  <- ok type=screen target=rita offer=?offered
        leo  registers
        leo  -> joinRoom
        leo  <- ok share=screen:rita ...
        leo  <- publish feeds=cam:rita:Rita+publishing,screen:rita
        ken  <- join user=leo
        rita <- member_join_room id=leo ...
        rita => stop_screen_share
        ken  <- shareStop user=rita
        leo  <- shareStop user=rita
        media holds rita
        """,
    "the host of a room ends a screen of the Room API": BOTH
    + """
        rita => start_screen_share
        ken  <- screen user=rita
        ken  <- publish feeds=screen:rita
        ken  -> shareStop
        ken  <- ok
        rita -> get_room_members
        rita <- ok members=ken,rita
        """,
    "two screens are one too many for KPOINT": BOTH
    + """
        ken  -> whiteboard
        ken  <- ok
        rita => start_screen_share
        rita -> get_room_members
        rita <- ok members=ken,rita+screen_share
        ken  -> shareStop
        ken  <- ok
        """,
}
LEAVING = {
    "by KPOINT": BOTH
    + """
        ken  -> leaveRoom
        ken  <- ok
        rita <- member_leave_room member=ken by_admin=false
        """,
    "by force": BOTH
    + """
        ken/2 -> register forced=true
        ken/2 <- ok ...
        ken  <- disconnected user=ken
        ken  <- closed 4409
        rita <- member_leave_room member=ken by_admin=false
        """,
    "by the Room API": BOTH
    + """
        rita => leave_room
        ken  <- leave user=rita
        """,
    "by the Room API, which has its ten seconds": BOTH
    + """
        rita drops
        wait 9.9
        ken  -> memberList
        ken  <- ok members=ken+host,rita:Rita+publishing
        wait 0.2
        ken  <- leave user=rita
        """,
    "by the Room API, which comes back in time": BOTH
    + """
        rita => start_screen_share
        ken  <- screen user=rita
        ken  <- publish feeds=screen:rita
        rita drops
        wait 9.9
        rita/2 -> join_room
        rita/2 <- ok ...
        ken  <- shareStop user=rita     # it sends its camera again
        wait 20
        ken  -> memberList
        ken  <- ok members=ken+host,rita:Rita+publishing
        """,
    "a screen first": BOTH
    + """
        rita => start_screen_share
        ken  <- screen user=rita
        ken  <- publish feeds=screen:rita
        rita => leave_room
        ken  <- shareStop user=rita
        ken  <- leave user=rita
        """,
    "an admin removes KPOINT": OWNER
    + """
        leo  enters den
        ken  publishes
        rita -> remove_member member=ken
        rita <- ok
        rita <- member_leave_room member=ken by_admin=true
        ken  <- leave user=ken
        leo  <- leave user=ken
        media holds rita
        ken  -> leaveRoom
        ken  <- 413
        """,
    "an admin removes the Room API": OWNER
    + """
        rex  speaks room_api
        rex  enters den
        rita -> remove_member member=rex
        rita <- ok
        rita <- member_leave_room member=rex by_admin=true
        rex  <- member_leave_room member=rex by_admin=true
        ken  <- leave user=rex
        """,
    "the host ends the room": BOTH
    + """
        ken  -> destroyRoom
        ken  <- ok
        rita <- member_leave_room member=rita by_admin=true
        rita -> join_room
        rita <- error 404
        """,
    "a breakout room ends, which the Room API is told": """
        rita speaks room_api
        ken  opens den
        ken  enters den
        ken  -> createGroup
        ken  <- ok groupId=?corner
        rita enters corner
        leo  enters corner
        ken  -> endGroup groupId=corner
        ken  <- ok
        rita <- member_leave_room member=rita by_admin=true
        """,
    "the last one out": BOTH
    + """
        ken  -> leaveRoom
        ken  <- ok
        rita <- member_leave_room member=ken by_admin=false
        rita => leave_room
        ken  -> memberList
        ken  <- 441
        """,
    "the licence ends, and whoever is on the way": """
        rita speaks room_api
        ken  opens den
        rita -> authenticate room=den access_token=guest
        rita <- ok auth_token=?token
        look-ups take 1
        kim  -> register
        wait 0.5
        licence acme becomes enabled=false
        licence acme ends
        rita <- closed 4403
        ken  <- closed 4403
        wait 2
        kim  <- 401
        licence acme becomes enabled=true
        rex  speaks room_api
        rex  -> join_room auth_token=token
        rex  <- error 401
        """,
    "the licence ends": BOTH
    + """
        licence acme becomes enabled=false
        licence acme ends
        rita <- member_leave_room member=rita by_admin=true
        rita <- closed 4403
        ken  <- end user=
        ken  <- closed 4403
        """,
}
TRANSCRIPTS = ENTERING | LIMITS | INSIDE | MEDIA | LEAVING


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: KpointStage, transcript: str) -> None:
    await stage.play(transcript)


async def test_its_uuid_opens_no_room_of_a_licence(stage: KpointStage) -> None:
    await stage.play(BOTH)
    (stage.names["uuid"],) = stage.licence_rooms.rooms
    await stage.play("""
        rex  speaks room_api
        rex  -> authenticate room=uuid
        rex  <- error 404
        rex  -> authenticate room=uuid user=anna
        rex  <- error 404
        """)


async def test_the_members_ids_are_unique_within_a_licence_only(stage: KpointStage) -> None:
    """Somebody of the same id sits in a room of the server's own."""
    await stage.play("""
        rita speaks room_api
        rita enters den
        rita/2 -> authenticate
        rita/2 <- ok auth_token=?token
        rita/2 -> join_room auth_token=token
        rita/2 <- ok members= ...
        """)


async def test_the_engine_knows_who_may_yet_send(stage: KpointStage) -> None:
    """For members of the Room API that ask for its picture before there is one: nothing tells them when to ask again."""
    await stage.play(BOTH)
    assert stage.engine.room.announced == {"ken"}
    await stage.play("""
        ken  -> leaveRoom
        ken  <- ok
        rita <- member_leave_room member=ken by_admin=false
        """)
    assert stage.engine.room.announced == set()
