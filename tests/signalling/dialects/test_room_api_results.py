"""The Room API's results, each to be compared with its method in contract room-api, 5.1 and 5.2."""

import json
from typing import Any

import pytest

from signalling.dialects import room_api
from signalling.dialects.room_api import (
    Authenticated,
    Done,
    MemberList,
    PeopleInvited,
    Registered,
    Result,
    RoomConverted,
    RoomJoined,
    RoomWatched,
    Subscribed,
    TempRoomCreated,
    WaitingList,
)
from signalling.room.invitations import Ringing, Unreachable
from signalling.room.member import Member, WaitingParty

ANNA = Member(id="c-anna", user="5dc0", name="Anna", is_admin=True, hand_raised=True)
PHONE = Member(id="7@192.0.2.1", user=None, name='"A"\u2028', is_admin=False, audio_muted_by_admin=True, is_sip=True)
ANNA_JSON = {
    "id": "c-anna",
    "user": "5dc0",
    "name": "Anna",
    "is_admin": True,
    "hand_raised": True,
    "screen_share": False,
    "audio_muted": False,
    "video_muted": False,
    "audio_muted_by_admin": False,
    "video_muted_by_admin": False,
    "is_sip": False,
    "stream": "c-anna",
}
PHONE_JSON = {
    "id": "7@192.0.2.1",
    "user": None,
    "name": '"A"\u2028',
    "is_admin": False,
    "hand_raised": False,
    "screen_share": False,
    "audio_muted": False,
    "video_muted": False,
    "audio_muted_by_admin": True,
    "video_muted_by_admin": False,
    "is_sip": True,
    # "@" is no part of a legal msid (contract 11), so this is a hash.
    "stream": "Min9KaBT-hEpI0wh9d38-uxjA_p3tb8__HZsQJwXMi4",
}
RINGING = (Ringing("b-1", "1001"), Ringing("b-2", "+4930"))
UNREACHABLE = (Unreachable("1099", unknown=True), Unreachable("carl", unknown=False))
INVITED = [{"bridge_id": "b-1", "destination": "1001"}, {"bridge_id": "b-2", "destination": "+4930"}]
FAILED = [{"destination": "1099", "code": 404}, {"destination": "carl", "code": 480}]

RESULTS: list[tuple[str, Result, Any]] = [
    ("authenticate", Authenticated("t"), {"auth_token": "t"}),
    ("allow_member, leave_room and all the like", Done(), {}),
    ("get_room_members", MemberList([ANNA, PHONE]), [ANNA_JSON, PHONE_JSON]),
    ("get_room_members of nobody", MemberList([]), []),
    (
        "get_waiting_room_members",
        WaitingList(
            [
                WaitingParty("c-1", "", None, is_listed=False),
                WaitingParty("c-2", "Bob", "8a41", is_listed=False),
                WaitingParty("c-3", "Carl", "77e2", is_listed=True),
            ]
        ),
        [
            {"member": "c-1", "name": ""},
            {"member": "c-2", "name": "Bob", "user": "8a41"},
            {"member": "c-3", "name": "Carl"},
        ],
    ),
    ("get_waiting_room_members of nobody", WaitingList([]), []),
    (
        "join_room",
        RoomJoined("c-bob", "v=0", [ANNA, PHONE], False),
        {"call_id": "c-bob", "sdp": "v=0", "members": [ANNA_JSON, PHONE_JSON], "is_admin": False},
    ),
    (
        "join_room as the first",
        RoomJoined("c-anna", "v=0", [], True),
        {"call_id": "c-anna", "sdp": "v=0", "members": [], "is_admin": True},
    ),
    ("watch_room", RoomWatched("0b51", [ANNA]), {"room_id": "0b51", "members": [ANNA_JSON]}),
    ("subscribe_room", Subscribed("v=0\r\n"), {"sdp": "v=0\r\n"}),
    ("register_room_api", Registered("5dc0", 90.0), {"user": "5dc0", "expires": 90}),
    (
        "create_temp_room",
        TempRoomCreated("0b51", "c-anna", "v=0", "t", RINGING, UNREACHABLE),
        {
            "room_id": "0b51",
            "call_id": "c-anna",
            "auth_token": "t",
            "sdp": "v=0",
            "members": [],
            "is_admin": True,
            "invited": INVITED,
            "failed": FAILED,
        },
    ),
    (
        "convert_to_room",
        RoomConverted("0b51", "t", RINGING, UNREACHABLE),
        {"room_id": "0b51", "auth_token": "t", "invited": INVITED, "failed": FAILED},
    ),
    ("invite_exten", PeopleInvited(RINGING, UNREACHABLE), {"invited": INVITED, "failed": FAILED}),
    ("invite_exten of nobody who can be reached", PeopleInvited((), UNREACHABLE), {"invited": [], "failed": FAILED}),
]


@pytest.mark.parametrize(("method", "value", "expected"), RESULTS)
def test_each_result(method: str, value: Result, expected: Any) -> None:
    call = room_api.read('{"id": "7", "method": "any"}')
    text = room_api.result(call, value)
    assert json.loads(text) == {"id": "7", "result": expected}
    assert text.isascii()


@pytest.mark.parametrize(("expires_s", "written"), [(90.0, "90"), (90, "90"), (0.25, "0.25")])
def test_a_whole_number_of_seconds_has_no_point(expires_s: float, written: str) -> None:
    call = room_api.read('{"id": 1, "method": "register_room_api"}')
    assert room_api.result(call, Registered("u", expires_s)).endswith(f'"expires": {written}}}}}')


def test_tokens_and_descriptions_are_not_shown() -> None:
    """A result may end up in a log."""
    assert "secret" not in repr([Authenticated("secret"), Subscribed("secret"), RoomJoined("c", "secret", [], True)])
    assert "secret" not in repr(
        [TempRoomCreated("r", "c", "secret", "secret", (), ()), RoomConverted("r", "secret", (), ())]
    )
