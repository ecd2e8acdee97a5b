"""Invitations between registered sockets, with their races (contract room-api 4.3, 5.1, 7.7, 8 and 11)."""

import pytest

from tests.signalling.stage import Stage

TRANSCRIPTS = {
    "answered: the other sockets fall silent": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        carl  registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob/1 <- room_invite room=listed call_id=?leg1 from_user="id of anna" auth_token=?pass1
        bob/2 <- room_invite room=listed call_id=?leg2 from_user="id of anna" auth_token=?pass2
        bob/1 -> join_room auth_token=pass1
        bob/1 <- ok call_id=leg1 members=anna is_admin=false sdp="answer to offer"
        anna  <- member_join_room id=leg1 user="id of bob" name=Bob is_admin=false is_sip=false ...
        bob/2 <- room_invite_completed_elsewhere room=listed
        bob/2 -> join_room auth_token=pass2
        bob/2 <- error 410
        bob/1 => leave_room
        anna  <- member_leave_room member=leg1 by_admin=false
        bob/1 -> join_room auth_token=pass1         # as good as any token
        bob/1 <- ok call_id=leg1 ...
        anna  <- member_join_room id=leg1 ...
        wait 200
        """,
    "answered on a socket that did not ring": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob/1 <- room_invite auth_token=?pass ...
        bob/2 <- room_invite ...
        bob/3 -> join_room auth_token=pass
        bob/3 <- ok ...
        anna  <- member_join_room ...
        bob/1 <- room_invite_completed_elsewhere room=listed
        bob/2 <- room_invite_completed_elsewhere room=listed
        """,
    "of two answers at once the first counts": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob/1 <- room_invite call_id=?leg1 auth_token=?pass1 ...
        bob/2 <- room_invite auth_token=?pass2 ...
        look-ups take 1
        bob/1 -> join_room auth_token=pass1
        wait 0.5
        bob/2 -> join_room auth_token=pass2
        wait 0.5
        bob/1 <- ok ...
        anna  <- member_join_room id=leg1 ...
        bob/2 <- room_invite_completed_elsewhere room=listed
        wait 0.5
        bob/2 <- error 410
        """,
    "an answer that fails leaves it ringing": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob/1 <- room_invite auth_token=?pass1 ...
        bob/2 <- room_invite call_id=?leg2 auth_token=?pass2 ...
        bob/1 -> join_room auth_token=pass1 sdp="bad offer"
        bob/1 <- error 400
        bob/2 -> join_room auth_token=pass2
        bob/2 <- ok call_id=leg2 ...
        anna  <- member_join_room id=leg2 ...
        bob/1 <- room_invite_completed_elsewhere room=listed
        """,
    "watching is no answer": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob/1 <- room_invite auth_token=?pass ...
        bob/2 <- room_invite ...
        bob/1 -> watch_room auth_token=pass
        bob/1 <- ok members=anna ...
        bob/1 -> join_room auth_token=pass
        bob/1 <- ok members=anna ...
        anna  <- member_join_room ...
        bob/2 <- room_invite_completed_elsewhere room=listed
        """,
    "coming in by another way is no answer": """
        anna  enters listed
        bob/1 registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge ...
        bob/1 <- room_invite call_id=?leg auth_token=?pass ...
        bob/1 -> authenticate room=listed user=bob
        bob/1 <- ok ...
        bob/1 -> join_room
        bob/1 <- ok call_id=bob ...
        anna  <- member_join_room id=bob ...
        bob/2 -> join_room auth_token=pass
        bob/2 <- ok call_id=leg ...
        anna  <- member_join_room id=leg ...
        bob/1 <- member_join_room id=leg ...
        bob/1 <- room_invite_completed_elsewhere room=listed
        """,
    "who is invited needs neither list nor password": """
        anna  enters waiting
        carl  registers
        anna  -> invite_exten extens=carl
        anna  <- ok ...
        carl  <- room_invite auth_token=?pass ...
        carl  -> join_room auth_token=pass
        carl  <- ok is_admin=false ...
        anna  <- member_join_room user="id of carl" name=Carl is_admin=false ...
        """,
    "refused by one socket is refused by the user": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob/1 <- room_invite call_id=?leg1 auth_token=?pass1 ...
        bob/2 <- room_invite call_id=?leg2 auth_token=?pass2 ...
        bob/1 => room_invite_reject room=listed call_id=leg1
        bob/2 <- room_invite_completed_elsewhere room=listed
        anna  <- room_invite_reject room=listed call_id=bridge
        bob/1 -> join_room auth_token=pass1
        bob/1 <- error 410
        bob/2 -> join_room auth_token=pass2
        bob/2 <- error 410
        bob/1 => room_invite_reject room=listed call_id=leg1
        wait 200
        """,
    "a refusal that wants an answer": """
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob   <- room_invite call_id=?leg ...
        bob   -> room_invite_reject room=listed call_id=leg
        bob   <- ok
        anna  <- room_invite_reject room=listed call_id=bridge
        bob   -> room_invite_reject room=listed call_id=leg
        bob   <- error 404
        """,
    "refused after another socket has answered": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob/1 <- room_invite auth_token=?pass1 call_id=?leg1 ...
        bob/2 <- room_invite call_id=?leg2 ...
        bob/1 -> join_room auth_token=pass1
        bob/1 <- ok ...
        anna  <- member_join_room ...
        bob/2 <- room_invite_completed_elsewhere room=listed
        bob/2 => room_invite_reject room=listed call_id=leg2
        bob/2 -> room_invite_reject room=listed call_id=leg2
        bob/2 <- error 404
        bob/1 -> room_invite_reject room=listed call_id=leg1    # he is in already
        bob/1 <- error 404
        """,
    "answered after another socket has refused": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob/1 <- room_invite call_id=?leg1 ...
        bob/2 <- room_invite auth_token=?pass2 ...
        look-ups take 1
        bob/2 -> join_room auth_token=pass2
        bob/1 => room_invite_reject room=listed call_id=leg1
        bob/2 <- room_invite_completed_elsewhere room=listed
        anna  <- room_invite_reject room=listed call_id=bridge
        wait 1
        bob/2 <- error 410
        """,
    "a socket that was not asked refuses nothing": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        carl  registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob/1 <- room_invite call_id=?leg1 auth_token=?pass1 ...
        bob/2 <- room_invite call_id=?leg2 ...
        carl  => room_invite_reject room=listed call_id=leg1
        carl  -> room_invite_reject room=listed call_id=leg1
        carl  <- error 404
        bob/2 -> room_invite_reject room=listed call_id=leg1
        bob/2 <- error 404
        bob/3 -> room_invite_reject room=listed call_id=leg1
        bob/3 <- error 404
        bob/1 -> room_invite_reject room=open call_id=leg1
        bob/1 <- error 404
        bob/1 -> room_invite_reject room=nowhere call_id=leg1
        bob/1 <- error 404
        bob/1 -> room_invite_reject room=listed call_id=nobody
        bob/1 <- error 404
        bob/1 -> join_room auth_token=pass1
        bob/1 <- ok ...
        anna  <- member_join_room ...
        bob/2 <- room_invite_completed_elsewhere room=listed
        """,
    "nobody answers for two minutes": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob/1 <- room_invite auth_token=?pass1 ...
        bob/2 <- room_invite ...
        wait 60
        bob/1 registers
        wait 59.9
        wait 0.2
        bob/1 <- room_invite_completed_elsewhere room=listed
        bob/2 <- room_invite_completed_elsewhere room=listed
        anna  <- room_invite_reject room=listed call_id=bridge
        bob/1 -> join_room auth_token=pass1
        bob/1 <- error 410
        """,
    "each invitation has its own two minutes": """
        anna  enters listed
        bob   registers
        carl  registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge1 ...
        bob   <- room_invite ...
        wait 50
        anna  -> invite_exten extens=carl
        anna  <- ok invited=carl:?bridge2 ...
        carl  <- room_invite ...
        wait 70.1
        bob   <- room_invite_completed_elsewhere room=listed
        anna  <- room_invite_reject room=listed call_id=bridge1
        wait 49.8
        wait 0.2
        carl  <- room_invite_completed_elsewhere room=listed
        anna  <- room_invite_reject room=listed call_id=bridge2
        """,
    "the sender who came back hears that nobody comes": """
        zoe   has token listed
        zoe   -> join_room
        zoe   <- ok ...
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge ...
        bob   <- room_invite ...
        anna  => leave_room
        zoe   <- member_leave_room ...
        anna  -> join_room
        anna  <- ok ...
        zoe   <- member_join_room ...
        wait 120.1
        bob   <- room_invite_completed_elsewhere room=listed
        anna  <- room_invite_reject room=listed call_id=bridge
        """,
    "sockets that close while they ring": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob/1 <- room_invite auth_token=?pass1 ...
        bob/2 <- room_invite ...
        bob/1 drops
        bob/3 -> join_room auth_token=pass1
        bob/3 <- error 410
        bob/2 is cancelled
        anna  <- room_invite_reject room=listed call_id=bridge
        """,
    "a socket that closes while it rings leaves it to the other": """
        anna  enters listed
        bob/1 registers
        bob/2 registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob/1 <- room_invite ...
        bob/2 <- room_invite call_id=?leg2 auth_token=?pass2 ...
        bob/1 drops
        bob/2 -> join_room auth_token=pass2
        bob/2 <- ok call_id=leg2 ...
        anna  <- member_join_room ...
        """,
    "a socket that registers for somebody else rings no more": """
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob   <- room_invite ...
        bob   -> register_room_api user=bob         # he himself goes on ringing
        bob   <- ok ...
        bob   -> register_room_api user=carl
        bob   <- ok ...
        anna  <- room_invite_reject room=listed call_id=bridge
        """,
    "a socket that registers while it rings elsewhere is not asked": """
        anna  enters listed
        bob/1 registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob/1 <- room_invite ...
        bob/2 registers
        """,
    "the sender leaves, others remain": """
        zoe   has token listed
        zoe   -> join_room
        zoe   <- ok ...
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob   <- room_invite auth_token=?pass ...
        anna  => leave_room
        zoe   <- member_leave_room member=anna by_admin=false
        bob   -> join_room auth_token=pass
        bob   <- ok members=zoe ...
        zoe   <- member_join_room name=Bob ...
        """,
    "the sender leaves, and the invited refuses": """
        zoe   has token listed
        zoe   -> join_room
        zoe   <- ok ...
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob   <- room_invite call_id=?leg ...
        anna  => leave_room
        zoe   <- member_leave_room member=anna by_admin=false
        bob   => room_invite_reject room=listed call_id=leg
        """,
    "the room goes idle": """
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob   <- room_invite auth_token=?pass ...
        anna  => leave_room
        bob   <- room_invite_completed_elsewhere room=listed
        bob   -> join_room auth_token=pass
        bob   <- error 410
        """,
    "the room goes idle and is entered again": """
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob   <- room_invite auth_token=?pass call_id=?leg ...
        anna  => leave_room
        bob   <- room_invite_completed_elsewhere room=listed
        anna  -> join_room
        anna  <- ok ...
        bob   -> join_room auth_token=pass
        bob   <- error 410
        bob   -> watch_room auth_token=pass
        bob   <- error 410
        bob   -> room_invite_reject room=listed call_id=leg
        bob   <- error 404
        wait 200
        """,
    "who is away holds the room, and the invitation": """
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob   <- room_invite ...
        anna  drops
        wait 9.9
        wait 0.2
        bob   <- room_invite_completed_elsewhere room=listed
        """,
    "the room is deleted": """
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob   <- room_invite auth_token=?pass ...
        delete listed
        anna  <- member_leave_room member=anna by_admin=true
        bob   <- room_invite_completed_elsewhere room=listed
        bob   -> join_room auth_token=pass
        bob   <- error 404
        """,
    "the sender's new socket hears what becomes of it": """
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge ...
        bob   <- room_invite call_id=?leg ...
        anna/2 -> join_room
        anna  <- closed 4001
        anna/2 <- ok ...
        bob   => room_invite_reject room=listed call_id=leg
        anna/2 <- room_invite_reject room=listed call_id=bridge
        """,
    "who cannot be reached": """
        anna  enters listed
        carl  registers
        anna  -> invite_exten extens=bob,zed,carl,999
        anna  <- ok invited=carl:?bridge failed=bob:480,zed:404,999:404
        carl  <- room_invite ...
        """,
    "nobody at all": """
        anna  enters listed
        anna  -> invite_exten extens=bob
        anna  <- ok invited= failed=bob:480
        """,
    "by extension or by name": """
        anna  enters listed
        bob   registers
        carl  registers
        anna  -> invite_exten extens=1002,carl
        anna  <- ok invited=1002:?bridge1,carl:?bridge2 failed=
        bob   <- room_invite call_id=?leg ...
        carl  <- room_invite ...
        bob   => room_invite_reject room=listed call_id=leg
        anna  <- room_invite_reject room=listed call_id=bridge1
        """,
    "the same string twice is one invitation, two strings are two": """
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob,bob,1002,bob,zed,zed
        anna  <- ok invited=bob:?bridge1,1002:?bridge2 failed=zed:404
        bob   <- room_invite call_id=?leg1 ...
        bob   <- room_invite call_id=?leg2 ...
        bob   => room_invite_reject room=listed call_id=leg2
        anna  <- room_invite_reject room=listed call_id=bridge2
        bob   => room_invite_reject room=listed call_id=leg1
        anna  <- room_invite_reject room=listed call_id=bridge1
        """,
    "oneself, and somebody who is inside": """
        anna  enters listed
        bob   enters listed
        anna/2 registers
        bob/2 registers
        anna  -> invite_exten extens=1001,bob
        anna  <- ok invited=1001:?bridge1,bob:?bridge2 failed=
        anna/2 <- room_invite auth_token=?pass call_id=?leg ...
        bob/2 <- room_invite ...
        anna/2 -> join_room auth_token=pass
        anna/2 <- ok call_id=leg members=anna,bob ...
        anna  <- member_join_room id=leg user="id of anna" name=Anna ...
        bob   <- member_join_room id=leg user="id of anna" name=Anna ...
        """,
    "the reply comes before one's own ringing": """
        anna  enters listed
        anna  -> register_room_api
        anna  <- ok ...
        anna  -> invite_exten extens=anna
        anna  <- ok invited=anna:?bridge failed=
        anna  <- room_invite room=listed from_user="id of anna" call_id=?leg auth_token=?pass
        anna  -> join_room auth_token=pass          # on this socket she is inside already
        anna  <- error 400
        anna  -> room_invite_reject room=listed call_id=leg
        anna  <- ok
        anna  <- room_invite_reject room=listed call_id=bridge
        """,
    "a socket that is busy rings": """
        anna  enters listed
        bob   enters open
        bob   -> register_room_api
        bob   <- ok ...
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob   <- room_invite auth_token=?pass call_id=?leg ...
        bob   -> join_room auth_token=pass
        bob   <- error 400
        bob   -> leave_room
        bob   <- ok
        bob   -> join_room auth_token=pass
        bob   <- ok call_id=leg ...
        anna  <- member_join_room id=leg ...
        """,
    "rights": """
        anna  enters listed
        bob   enters listed
        carl  registers
        bob   -> invite_exten extens=carl
        bob   <- error 403
        zed   -> invite_exten extens=carl
        zed   <- error 400
        anna/2 -> authenticate room=listed user=anna
        anna/2 <- ok ...
        anna/2 -> invite_exten extens=carl          # an admin, but not inside
        anna/2 <- error 400
        """,
    "an admin who leaves during the look-up invites nobody": """
        anna  enters listed
        carl  registers
        look-ups take 1
        anna  -> invite_exten extens=carl
        delete listed
        anna  <- member_leave_room member=anna by_admin=true
        wait 1
        anna  <- error 400
        """,
    "a leg that was removed is not welcome": """
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob   <- room_invite auth_token=?pass call_id=?leg ...
        bob   -> join_room auth_token=pass
        bob   <- ok ...
        anna  <- member_join_room ...
        anna  -> remove_member member=leg
        anna  <- ok
        anna  <- member_leave_room member=leg by_admin=true
        bob   <- member_leave_room member=leg by_admin=true
        bob   -> join_room auth_token=pass
        bob   <- error 401
        """,
    "a leg has its ten seconds": """
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok ...
        bob   <- room_invite auth_token=?pass call_id=?leg ...
        bob   -> join_room auth_token=pass
        bob   <- ok ...
        anna  <- member_join_room ...
        bob   drops
        bob/2 -> join_room auth_token=pass
        bob/2 <- ok call_id=leg members=anna ...
        wait 20
        """,
    "a rejection waits for its sender": """
        anna  enters listed
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob   <- room_invite call_id=?leg ...
        anna  drops
        bob   => room_invite_reject room=listed call_id=leg
        anna/2 -> join_room
        anna/2 <- ok ...
        anna/2 <- room_invite_reject room=listed call_id=bridge
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: Stage, transcript: str) -> None:
    await stage.play(transcript)
