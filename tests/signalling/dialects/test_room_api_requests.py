"""The Room API's requests: each method as a client writes it, and what is read from it (contract room-api, 5.1 to 5.3, 7.7).

What is no good request is in ../test_parameters.py, which asks a whole server.
"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wanted import Wanted
from signalling.dialects import room_api
from signalling.dialects.json_text import Unreadable
from signalling.dialects.room_api import (
    AllowMember,
    Authenticate,
    ConvertToRoom,
    CreateTempRoom,
    Device,
    GetRoomMembers,
    GetWaitingMembers,
    InviteExtens,
    JoinRoom,
    LeaveRoom,
    Password,
    RefuseInvitation,
    RegisterUser,
    RejectMember,
    Remind,
    RemoveMember,
    Request,
    SendReaction,
    SetHand,
    SetMemberMute,
    SetMute,
    SetScreenShare,
    SubscribeRoom,
    WatchRoom,
)
from signalling.dialects.room_api.requests import METHODS
from signalling.room.errors import BadRequest, RoomError, UnknownMethod


def request(method: str, params: dict[str, Any]) -> Request:
    return room_api.request(room_api.read(json.dumps({"method": method, "params": params})))


NORA = Password("nora", "pw")

EXAMPLES: list[tuple[str, dict[str, Any], Request]] = [
    # 5.1 Getting in
    ("authenticate", {"room": "r", "call_id": "c"}, Authenticate("r", "c", None, None, None)),
    (
        "authenticate",
        {
            "room": "r",
            "call_id": "Az09._:@-",
            "display_name": "Nora N.",
            "room_password": "sesame",
            "username": "nora",
            "password": "pw",
        },
        Authenticate("r", "Az09._:@-", "Nora N.", "sesame", NORA),
    ),
    (
        "authenticate",
        {"room": "r", "call_id": "c", "device": "d", "device_token": "t", "username": "nora", "password": 5},
        Authenticate("r", "c", None, None, Device("d", "t")),
    ),
    ("still_waiting", {}, Remind()),
    ("allow_member", {"member": "c", "auth_token": "t"}, AllowMember("c", "t")),
    ("reject_member", {"member": "c", "auth_token": "t"}, RejectMember("c", "t")),
    ("get_room_members", {}, GetRoomMembers()),
    ("get_waiting_room_members", {}, GetWaitingMembers()),
    ("join_room", {"sdp": "v=0", "auth_token": "t"}, JoinRoom("v=0", "t", False, False)),
    (
        "join_room",
        {"sdp": "v=0", "auth_token": "t", "audio_muted": True, "video_muted": True},
        JoinRoom("v=0", "t", True, True),
    ),
    ("watch_room", {"auth_token": "t"}, WatchRoom("t")),
    ("register_room_api", {"username": "nora", "password": "pw"}, RegisterUser(NORA)),
    ("register_room_api", {"device": "d", "device_token": "t"}, RegisterUser(Device("d", "t"))),
    (
        "create_temp_room",
        {"username": "nora", "password": "pw", "call_id": "c", "sdp": "v=0", "invited": []},
        CreateTempRoom(NORA, "c", "v=0", (), False, False),
    ),
    (
        "create_temp_room",
        {
            "device": "d",
            "device_token": "t",
            "call_id": "c",
            "sdp": "v=0",
            "invited": ["1001", "+49301234", "bob", "1001"],
            "audio_muted": True,
            "video_muted": True,
        },
        CreateTempRoom(Device("d", "t"), "c", "v=0", ("1001", "+49301234", "bob"), True, True),
    ),
    (
        "convert_to_room",
        {"username": "ignored", "call_id": "3848276298220188511@192.0.2.1", "invited": ["1001"]},
        ConvertToRoom("3848276298220188511@192.0.2.1", ("1001",)),
    ),
    ("invite_exten", {"extens": ["*21#", "a.b_c-D", "*21#"]}, InviteExtens(("*21#", "a.b_c-D"))),
    # 5.2 Requests inside
    (
        "subscribe_room",
        {
            "sdp": "v=0",
            "auth_token": "t",
            "members": [{"id": "c", "video_mid": "2", "width": 640, "height": 360}, {"id": "d", "video_mid": "3"}],
        },
        SubscribeRoom("v=0", "t", (Wanted("2", "c", 640, 360), Wanted("3", "d"))),
    ),
    ("remove_member", {"member": "c"}, RemoveMember("c")),
    ("mute_member_audio", {"member": "c"}, SetMemberMute("c", "audio", True)),
    ("unmute_member_audio", {"member": "c"}, SetMemberMute("c", "audio", False)),
    ("mute_member_video", {"member": "c"}, SetMemberMute("c", "video", True)),
    ("unmute_member_video", {"member": "c"}, SetMemberMute("c", "video", False)),
    # 5.3 Client notifications inside
    ("leave_room", {}, LeaveRoom()),
    ("raise_hand", {}, SetHand(True)),
    ("unraise_hand", {}, SetHand(False)),
    ("start_screen_share", {}, SetScreenShare(True)),
    ("stop_screen_share", {}, SetScreenShare(False)),
    ("send_reaction", {"reaction": "👍"}, SendReaction("👍")),
    ("mute_audio", {}, SetMute("audio", True)),
    ("unmute_audio", {}, SetMute("audio", False)),
    ("mute_video", {}, SetMute("video", True)),
    ("unmute_video", {}, SetMute("video", False)),
    # 7.7 The invitee's refusal on a socket
    ("room_invite_reject", {"room": "r", "call_id": "c"}, RefuseInvitation("r", "c")),
]


@pytest.mark.parametrize(("method", "params", "expected"), EXAMPLES)
def test_each_method_is_read(method: str, params: dict[str, Any], expected: Request) -> None:
    assert expected == request(method, params)


@pytest.mark.parametrize(("method", "params", "expected"), EXAMPLES)
def test_unknown_fields_are_ignored(method: str, params: dict[str, Any], expected: Request) -> None:
    strangers = {"unknown": [{"fields": None}], "half \ud800 a pair": "\ud800\0"}
    assert expected == request(method, strangers | params)


def test_every_method_has_an_example() -> None:
    assert {method for method, _, _ in EXAMPLES} == METHODS.keys()


@pytest.mark.parametrize("method", ["", "Authenticate", "authenticate ", "room_invite", "\ud800"])
def test_other_methods_are_unknown(method: str) -> None:
    with pytest.raises(UnknownMethod):
        request(method, {})


def test_secrets_are_not_shown() -> None:
    """A request may end up in a log."""
    shown = [
        repr(request(method, {key: f"secret of {value}" if key in SECRETS else value for key, value in params.items()}))
        for method, params, _ in EXAMPLES
    ]
    assert len(shown) == len(EXAMPLES)
    assert not [text for text in shown if "secret of" in text]


SECRETS = {"password", "device_token", "room_password", "auth_token", "sdp"}

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
FIELDS = sorted({name for _, params, _ in EXAMPLES for name in params})
ODD = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3)
ENTRIES = st.lists(st.dictionaries(st.sampled_from(["id", "video_mid", "width", "height"]), JSON), max_size=3)


@given(st.sampled_from(EXAMPLES), ODD, st.none() | ENTRIES)
def test_any_parameters_are_read_or_refused(
    good: tuple[str, dict[str, Any], Request], odd: dict[str, Any], entries: list[dict[str, Any]] | None
) -> None:
    """Some of a good request's are replaced, so that it is they that are looked at."""
    method, params, expected = good
    try:
        asked = request(method, params | odd | ({} if entries is None else {"members": entries}))
    except BadRequest as refused:
        assert str(refused).isascii(), "it says nothing that the client has sent"
    else:
        assert type(expected) is type(asked)
        repr(asked).encode()


@given(JSON, TEXT)
def test_any_message_is_read_or_refused(params: Any, method: str) -> None:
    try:
        room_api.request(room_api.read(json.dumps({"id": 1, "method": method, "params": params})))
    except (Unreadable, RoomError):
        pass
    else:
        assert method in METHODS
