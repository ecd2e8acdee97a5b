"""Sockets at which a user can be reached (contract room-api 5.1)."""

import pytest

from tests.signalling.stage import Stage

TRANSCRIPTS = {
    "by password": """
        bob   -> register_room_api username=bob password="pw of bob"
        bob   <- ok user="id of bob" expires=90
        """,
    "by device, which beats a name": """
        zed   -> register_room_api device=bob device_token="token of bob" username=zoe password=wrong
        zed   <- ok user="id of bob" expires=90
        """,
    "wrong credentials": """
        bob   -> register_room_api username=bob password=wrong
        bob   <- error 401
        zoe   -> register_room_api
        zoe   <- error 401
        bob   -> register_room_api device=bob device_token=wrong username=bob password="pw of bob"
        bob   <- error 401
        anna  enters listed
        anna  -> invite_exten extens=bob
        anna  <- ok invited= failed=bob:480
        """,
    "for ninety seconds, and again": """
        anna  enters listed
        bob   registers
        wait 60
        bob   registers
        wait 89
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob   <- room_invite ...
        wait 1.1
        anna  -> invite_exten extens=bob
        anna  <- ok invited= failed=bob:480
        bob   registers
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob   <- room_invite ...
        """,
    "until the socket closes": """
        anna  enters listed
        bob   registers
        bob   drops
        anna  -> invite_exten extens=bob
        anna  <- ok invited= failed=bob:480
        """,
    "each socket for itself": """
        anna  enters listed
        bob/1 registers
        wait 50
        bob/2 registers
        wait 50
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob/2 <- room_invite ...
        """,
    "a socket speaks for its latest user": """
        anna  enters listed
        bob   registers
        bob   -> register_room_api user=carl
        bob   <- ok user="id of carl" expires=90
        anna  -> invite_exten extens=bob,carl
        anna  <- ok invited=carl:?bridge failed=bob:480
        bob   <- room_invite ...
        """,
    "a failure to register leaves what was": """
        anna  enters listed
        bob   registers
        bob   -> register_room_api user=carl password=wrong
        bob   <- error 401
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob   <- room_invite ...
        """,
    "a call beside it, and the other way round": """
        anna  enters listed
        bob   registers
        bob   -> authenticate room=listed user=bob
        bob   <- ok ...
        bob   -> join_room
        bob   <- ok ...
        anna  <- member_join_room ...
        anna  -> register_room_api
        anna  <- ok user="id of anna" expires=90
        bob   => leave_room
        anna  <- member_leave_room ...
        anna  -> invite_exten extens=bob
        anna  <- ok invited=bob:?bridge failed=
        bob   <- room_invite ...
        """,
    "who waits may register": """
        anna  enters listed
        carl  -> authenticate room=listed user=carl
        carl  <- error 403
        anna  <- member_waiting ...
        carl  -> register_room_api
        carl  <- ok ...
        anna  -> invite_exten extens=carl
        anna  <- ok ...
        carl  <- room_invite auth_token=?pass call_id=?leg ...
        carl  -> join_room auth_token=pass
        carl  <- ok call_id=leg ...
        anna  <- member_join_room id=leg ...
        anna  <- member_leave_waiting_room member=carl
        carl  <- member_leave_waiting_room member=carl
        """,
    "a call that is a phone's": """
        bob   -> convert_to_room call_id=x
        bob   <- error 401
        bob   registers
        bob   -> convert_to_room call_id=x
        bob   <- error 404
        bob   -> convert_to_room call_id=x username=bob invited=carl
        bob   <- error 404
        wait 91
        bob   -> convert_to_room call_id=x
        bob   <- error 401
        """,
    "the reply comes before what another user no longer hears": """
        anna enters listed
        anna -> register_room_api
        anna <- ok ...
        anna -> invite_exten extens=anna
        anna <- ok ...
        anna <- room_invite ...
        anna -> register_room_api user=carl
        anna <- ok ...
        anna <- room_invite_reject ...
        """,
}


@pytest.mark.parametrize("transcript", TRANSCRIPTS.values(), ids=TRANSCRIPTS.keys())
async def test_transcript(stage: Stage, transcript: str) -> None:
    await stage.play(transcript)
