"""Removing and muting others (contract room-api 5.2 and 5.3)."""

import pytest

from tests.signalling.stage import Stage

TRANSCRIPTS = {
    "removing": """
        anna enters listed
        bob  enters listed
        carl has token listed
        carl -> join_room
        carl <- ok ...
        anna <- member_join_room ...
        bob  <- member_join_room ...
        anna -> remove_member member=bob
        anna <- ok
        anna <- member_leave_room member=bob by_admin=true
        bob  <- member_leave_room member=bob by_admin=true
        carl <- member_leave_room member=bob by_admin=true
        anna -> get_room_members
        anna <- ok members=anna,carl
        anna -> remove_member member=bob
        anna <- error 404
        """,
    "the token of who was removed is good no more": """
        anna enters listed
        bob  enters listed
        anna -> remove_member member=bob
        anna <- ok
        anna <- member_leave_room member=bob by_admin=true
        bob  <- member_leave_room member=bob by_admin=true
        bob  -> join_room
        bob  <- error 401
        bob/2 -> join_room
        bob/2 <- error 401
        bob/2 -> watch_room
        bob/2 <- error 401
        bob  -> get_room_members
        bob  <- error 400
        bob  => raise_hand
        bob  -> subscribe_room
        bob  <- error 400
        """,
    "who was removed may ask again": """
        anna enters listed
        bob  enters listed
        anna -> remove_member member=bob
        anna <- ok
        anna <- member_leave_room member=bob by_admin=true
        bob  <- member_leave_room member=bob by_admin=true
        bob  -> authenticate room=listed user=bob
        bob  <- ok ...
        bob  -> join_room
        bob  <- ok members=anna ...
        anna <- member_join_room id=bob ...
        """,
    "a token that was held elsewhere is good no more either": """
        anna enters listed
        bob  enters listed
        bob/2 -> authenticate room=listed user=bob
        bob/2 <- ok ...
        anna -> remove_member member=bob
        anna <- ok
        anna <- member_leave_room member=bob by_admin=true
        bob  <- member_leave_room member=bob by_admin=true
        bob/2 -> get_room_members
        bob/2 <- error 401
        bob/2 -> join_room
        bob/2 <- error 401
        """,
    "removing oneself": """
        anna enters listed
        bob  enters listed
        anna -> remove_member member=anna
        anna <- ok
        anna <- member_leave_room member=anna by_admin=true
        bob  <- member_leave_room member=anna by_admin=true
        anna -> join_room
        anna <- error 401
        anna -> allow_member member=bob         # she is no admin any more
        anna <- error 401
        """,
    "removing oneself from an empty room": """
        anna enters listed
        anna -> remove_member member=anna
        anna <- ok
        anna <- member_leave_room member=anna by_admin=true
        """,
    "removing another admin": """
        anna enters listed
        zoe  has token listed admin
        zoe  -> join_room
        zoe  <- ok is_admin=true ...
        anna <- member_join_room ...
        zoe  -> remove_member member=anna
        zoe  <- ok
        zoe  <- member_leave_room member=anna by_admin=true
        anna <- member_leave_room member=anna by_admin=true
        """,
    "who is away is removed all the same": """
        anna enters listed
        bob  enters listed
        bob  drops
        anna -> remove_member member=bob
        anna <- ok
        anna <- member_leave_room member=bob by_admin=true
        bob/2 -> join_room
        bob/2 <- error 401
        wait 20
        """,
    "admins only": """
        anna enters listed
        bob  enters listed
        bob  -> remove_member member=anna
        bob  <- error 403
        bob  -> remove_member member=bob
        bob  <- error 403
        bob  -> remove_member member=nobody
        bob  <- error 403
        bob  -> mute_member_audio member=anna
        bob  <- error 403
        bob  -> unmute_member_audio member=anna
        bob  <- error 403
        bob  -> mute_member_video member=nobody
        bob  <- error 403
        bob  -> unmute_member_video member=anna
        bob  <- error 403
        """,
    "somebody who is not there": """
        anna enters listed
        anna -> remove_member member=nobody
        anna <- error 404
        anna -> mute_member_audio member=nobody
        anna <- error 404
        anna -> unmute_member_audio member=nobody
        anna <- error 404
        anna -> mute_member_video member=nobody
        anna <- error 404
        anna -> unmute_member_video member=nobody
        anna <- error 404
        """,
    "an admin who comes back is an admin": """
        anna enters listed
        bob  enters listed
        anna => leave_room
        bob  <- member_leave_room member=anna by_admin=false
        anna -> join_room
        anna <- ok is_admin=true ...
        bob  <- member_join_room is_admin=true ...
        anna drops
        anna/2 -> join_room
        anna/2 <- ok is_admin=true ...
        anna/2 -> mute_member_audio member=bob
        anna/2 <- ok
        anna/2 <- member_mute_audio member=bob by_admin=true
        bob  <- member_mute_audio member=bob by_admin=true
        """,
    "muting cuts, and everybody is told": """
        anna enters listed
        bob  enters listed
        zoe  has token listed
        zoe  -> join_room
        zoe  <- ok ...
        anna <- member_join_room ...
        bob  <- member_join_room ...
        anna -> mute_member_audio member=bob
        anna <- ok
        anna <- member_mute_audio member=bob by_admin=true
        bob  <- member_mute_audio member=bob by_admin=true
        zoe  <- member_mute_audio member=bob by_admin=true
        media cuts bob audio
        media cuts anna
        anna -> mute_member_audio member=bob
        anna <- error 400
        anna -> mute_member_video member=bob
        anna <- ok
        anna <- member_mute_video member=bob by_admin=true
        bob  <- member_mute_video member=bob by_admin=true
        zoe  <- member_mute_video member=bob by_admin=true
        media cuts bob audio video
        zoe  -> get_room_members
        zoe  <- ok members=anna,bob+audio_muted_by_admin+video_muted_by_admin,zoe
        anna -> unmute_member_audio member=bob
        anna <- ok
        anna <- member_unmute_audio member=bob by_admin=true
        bob  <- member_unmute_audio member=bob by_admin=true
        zoe  <- member_unmute_audio member=bob by_admin=true
        media cuts bob video
        anna -> unmute_member_audio member=bob
        anna <- error 400
        anna -> unmute_member_video member=bob
        anna <- ok
        anna <- member_unmute_video member=bob by_admin=true
        bob  <- member_unmute_video member=bob by_admin=true
        zoe  <- member_unmute_video member=bob by_admin=true
        media cuts bob
        """,
    "the own flag and the admin's are two": """
        anna enters listed
        bob  enters listed
        bob  => mute_audio
        anna <- member_mute_audio member=bob by_admin=false
        media cuts bob
        anna -> unmute_member_audio member=bob
        anna <- error 400           # it was no admin who muted him
        anna -> mute_member_audio member=bob
        anna <- ok
        anna <- member_mute_audio member=bob by_admin=true
        bob  <- member_mute_audio member=bob by_admin=true
        bob  => unmute_audio
        anna <- member_unmute_audio member=bob by_admin=false
        media cuts bob audio
        anna -> get_room_members
        anna <- ok members=anna,bob+audio_muted_by_admin
        bob  => mute_audio
        anna <- member_mute_audio member=bob by_admin=false
        anna -> unmute_member_audio member=bob
        anna <- ok
        anna <- member_unmute_audio member=bob by_admin=true
        bob  <- member_unmute_audio member=bob by_admin=true
        media cuts bob
        anna -> get_room_members
        anna <- ok members=anna,bob+audio_muted
        """,
    "an admin may mute herself, and another admin": """
        anna enters listed
        zoe  has token listed admin
        zoe  -> join_room
        zoe  <- ok ...
        anna <- member_join_room ...
        anna -> mute_member_video member=anna
        anna <- ok
        anna <- member_mute_video member=anna by_admin=true
        zoe  <- member_mute_video member=anna by_admin=true
        media cuts anna video
        zoe  -> unmute_member_video member=anna
        zoe  <- ok
        zoe  <- member_unmute_video member=anna by_admin=true
        anna <- member_unmute_video member=anna by_admin=true
        media cuts anna
        """,
    "who comes later finds the admin's flags": """
        anna enters listed
        bob  enters listed
        anna -> mute_member_audio member=bob
        anna <- ok
        anna <- member_mute_audio ...
        bob  <- member_mute_audio ...
        zoe  has token listed
        zoe  -> join_room
        zoe  <- ok members=anna,bob+audio_muted_by_admin ...
        anna <- member_join_room ...
        bob  <- member_join_room ...
        """,
    "a new connection is cut as the old one was": """
        anna enters listed
        bob  enters listed
        anna -> mute_member_audio member=bob
        anna <- ok
        anna <- member_mute_audio ...
        bob  <- member_mute_audio ...
        bob  drops
        bob/2 -> join_room
        bob/2 <- ok members=anna ...
        media cuts bob audio
        bob/2 -> get_room_members
        bob/2 <- ok members=anna,bob+audio_muted_by_admin
        media bob lost closed
        bob/2 -> join_room
        bob/2 <- ok members=anna ...
        media cuts bob audio
        bob/3 -> join_room
        bob/2 <- closed 4001
        bob/3 <- ok members=anna ...
        media cuts bob audio
        """,
    "who is away is muted and unmuted all the same": """
        anna enters listed
        bob  enters listed
        bob  drops
        anna -> mute_member_video member=bob
        anna <- ok
        anna <- member_mute_video member=bob by_admin=true
        media cuts bob video
        bob/2 -> join_room
        bob/2 <- ok ...
        media cuts bob video
        media bob lost closed
        anna -> unmute_member_video member=bob
        anna <- ok
        anna <- member_unmute_video member=bob by_admin=true
        bob/2 <- member_unmute_video member=bob by_admin=true
        bob/2 -> join_room
        bob/2 <- ok ...
        media cuts bob
        """,
    "who leaves and comes again is cut no more": """
        anna enters listed
        bob  enters listed
        anna -> mute_member_audio member=bob
        anna <- ok
        anna <- member_mute_audio ...
        bob  <- member_mute_audio ...
        bob  => leave_room
        anna <- member_leave_room ...
        bob  -> join_room
        bob  <- ok ...
        anna <- member_join_room id=bob audio_muted_by_admin=false ...
        media cuts bob
        """,
    "who is cut is not heard": """
        anna enters listed
        bob  enters listed
        media levels bob=60
        anna <- member_audio_level member=bob audio_level=60
        bob  <- member_audio_level member=bob audio_level=60
        wait 1
        anna -> mute_member_audio member=bob
        anna <- ok
        anna <- member_mute_audio member=bob by_admin=true
        anna <- member_audio_level member=bob audio_level=0
        bob  <- member_mute_audio member=bob by_admin=true
        bob  <- member_audio_level member=bob audio_level=0
        media levels bob=90         # late news
        wait 1
        anna -> unmute_member_audio member=bob
        anna <- ok
        anna <- member_unmute_audio member=bob by_admin=true
        bob  <- member_unmute_audio member=bob by_admin=true
        media levels bob=40
        anna <- member_audio_level member=bob audio_level=40
        bob  <- member_audio_level member=bob audio_level=40
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: Stage, transcript: str) -> None:
    await stage.play(transcript)


async def test_a_removal_whose_admin_goes_away_meanwhile_is_carried_out(stage: Stage) -> None:
    """Its token is good no more, so who stayed inside could not come back after the next change of networks."""
    stage.tokens.keep_s = 1
    await stage.play("""
        anna enters listed
        bob  enters listed
        anna -> remove_member member=bob
        wait 0.5
        anna is cancelled
        bob  <- member_leave_room member=bob by_admin=true
        bob  -> join_room
        bob  <- error 401
        """)


async def test_two_admins_who_remove_each_other_are_both_out(stage: Stage) -> None:
    stage.tokens.keep_s = 1
    await stage.play("""
        anna enters listed
        zoe  has token listed admin
        zoe  -> join_room
        zoe  <- ok ...
        anna <- member_join_room ...
        anna -> remove_member member=zoe
        wait 0.5
        zoe  -> remove_member member=anna
        wait 0.5
        anna <- ok
        anna <- member_leave_room member=zoe by_admin=true
        zoe  <- member_leave_room member=zoe by_admin=true
        wait 0.5
        zoe  <- ok
        anna <- member_leave_room member=anna by_admin=true
        """)
