"""KPOINT's words, to be compared with contract kpoint line by line: envelopes, requests, replies, pushes.

The fields of every operation stand once more here, in the contract's order and by its kinds, so that each is tried
absent, null, empty, of a wrong type and too long.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from signalling.dialects import kpoint
from signalling.dialects.kpoint import (
    Answered,
    AskToLeave,
    BeginShare,
    ChangePermit,
    ChangeProfile,
    ChangeRoom,
    Chat,
    Describe,
    DestroyRoom,
    Done,
    DrawStroke,
    EndGroup,
    EndShare,
    EnterRoom,
    GroupCreated,
    LeaveRoom,
    LegOffered,
    ListMembers,
    MakeGroup,
    MakeRoom,
    MemberList,
    Negotiate,
    Register,
    Registered,
    Request,
    RequestCanvas,
    Result,
    RoomEntered,
    RoomMade,
    SendInform,
    ShowPage,
    Subscribe,
    Trickle,
    Unreadable,
    UpdateCanvas,
)
from signalling.ice_servers import IceServer
from signalling.limits import (
    CALL_ID_CHARS,
    GROUP_INVITED,
    KPOINT_CAPACITY,
    KPOINT_ID_CHARS,
    KPOINT_JSON_DEPTH,
    KPOINT_MESSAGE_BYTES,
    KPOINT_TEXT_CHARS,
)
from signalling.room import errors
from signalling.room.errors import BadRequest, Missing, NotFound, RoomError, TooLong, TooMany
from signalling.room.events import (
    ActiveSpeaker,
    AllocationsChanged,
    Allowed,
    CandidateRelayed,
    CanvasAsked,
    CanvasSent,
    CompletedElsewhere,
    DescriptionRelayed,
    DocumentShown,
    Drawn,
    FeedsThere,
    GroupMade,
    HandChanged,
    Informed,
    InvitationRejected,
    Invited,
    KickedOut,
    LevelChanged,
    MediaLost,
    MemberJoined,
    MemberLeft,
    MuteChanged,
    PartyAllowed,
    PartyRejected,
    PartyWaiting,
    PartyWithdrew,
    PermitChanged,
    ProfileChanged,
    Published,
    RateChanged,
    Reacted,
    Rejected,
    RoomEdited,
    RoomEmptied,
    Said,
    ScreenShareChanged,
    ServerDraining,
    ShareStarted,
    ShareStopped,
    StreamSubscribed,
    TakenOver,
    TalkingChanged,
    Unpublished,
    Word,
)
from signalling.room.member import Charter, Member, Permit, PublishedFeed, Share, WaitingParty

# --- the envelope (sections 1 to 3) ----------------------------------------------------------------------------------


def refusal(text: str) -> dict[str, Any]:
    with pytest.raises(Unreadable) as caught:
        kpoint.read(text)
    reply = json.loads(caught.value.reply)
    assert isinstance(reply, dict)
    assert reply.pop("message").isascii()
    return reply


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "hello", "{'eventOp': 'sdp'}", "[]", "5", "null", '"text"', '[{"eventOp": "sdp"}]'),
        *(f'{{"eventOp": "inform", "reqId": "1", "message": {value}}}' for value in ("NaN", "-Infinity", "1e999")),
        '{"eventOp": "inform", "message": ' + "9" * 5000 + "}",
        "[" * 100_000,
        '{"eventOp": "inform", "message": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a":' * 600 + "1" + "}" * 600,
    ],
    ids=lambda text: text[:60],
)
def test_no_json_or_no_object(text: str) -> None:
    assert refusal(text) == {"eventOp": "error", "code": "400"}


def test_the_deepest_message() -> None:
    """The message is the first level."""

    def nested(depth: int) -> str:
        return json.dumps(ENVELOPE | {"eventOp": "inform", "message": json.loads("[" * depth + "]" * depth)})

    kpoint.request(kpoint.read(nested(KPOINT_JSON_DEPTH - 1)))
    assert refusal(nested(KPOINT_JSON_DEPTH)) == {"eventOp": "error", "code": "400"}


ENVELOPE = {"eventOp": "joinRoom", "reqId": "1", "userId": "ann", "roomId": "r1"}


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        ({}, {"eventOp": "error", "code": "421"}),
        ({"eventOp": None, "reqId": "1"}, {"eventOp": "error", "code": "421"}),
        *(({"eventOp": op, "reqId": "1"}, {"eventOp": "error", "code": "422"}) for op in (5, 0, True, [], {}, ["sdp"])),
        *(
            ({"eventOp": op, "reqId": "1"}, {"eventOp": op, "code": "404", "reqId": "1"})
            for op in ("", "presence", "error", "joinroom", "joinRoom ", "join\ud800Room")
        ),
        # The operation comes before the id, which is repeated if it is one.
        *(({"eventOp": "x", "reqId": id}, {"eventOp": "x", "code": "404"}) for id in (None, "", 5, ["1"])),
        *(({"eventOp": "joinRoom"} | id, {"eventOp": "joinRoom", "code": "421"}) for id in ({}, {"reqId": None})),
        ({"eventOp": "joinRoom", "reqId": ""}, {"eventOp": "joinRoom", "code": "421"}),
        *(
            ({"eventOp": op, "reqId": id}, {"eventOp": op, "code": "422"})
            for op in ("joinRoom", "sdp", "drawing")
            for id in (5, 0, 1.5, True, False, [], ["1"], {})
        ),
    ],
    ids=str,
)
def test_messages_without_a_good_envelope(message: dict[str, Any], reply: dict[str, Any]) -> None:
    assert refusal(json.dumps(message)) == reply


@pytest.mark.parametrize("id", ["7", " ", "é\n", "half \ud800 a pair", "\U0001f600", "x" * 100_000, "\\", "\0"])
def test_an_id_is_repeated(id: str) -> None:
    call = kpoint.read(json.dumps(ENVELOPE | {"reqId": id}))
    assert call.req_id == id
    for text in (kpoint.result(call, Done()), kpoint.error(call, NotFound("x")), kpoint.internal_error(call)):
        text.encode()
        assert json.loads(text)["reqId"] == id


@pytest.mark.parametrize("op", ["sdp", "drawing"])
@pytest.mark.parametrize("id", [{}, {"reqId": None}])
def test_two_operations_need_no_id_and_repeat_what_they_are_given(op: str, id: dict[str, Any]) -> None:
    without = kpoint.read(json.dumps({"eventOp": op} | id))
    assert json.loads(kpoint.result(without, Done())) == {"eventOp": op, "code": "200", "message": "ok"}
    given = kpoint.read(json.dumps({"eventOp": op, "reqId": "7"}))
    assert json.loads(kpoint.result(given, Done()))["reqId"] == "7"


def test_what_comes_twice_counts_as_it_came_last() -> None:
    call = kpoint.read('{"eventOp": 5, "reqId": 5, "userId": 5, "eventOp": "leaveRoom", "reqId": "7", "userId": "ann"}')
    assert ("leaveRoom", "7", "ann") == (call.op, call.req_id, call.fields["userId"])


def test_a_binary_frame_is_answered() -> None:
    reply = json.loads(kpoint.BINARY_REPLY)
    assert reply.pop("message").isascii()
    assert reply == {"eventOp": "error", "code": "400"}


CODES = {
    "BadRequest": "422",
    "Missing": "421",
    "TooLong": "445",
    "WrongState": "405",
    "WrongKind": "405",
    "InAnotherRoom": "405",
    "AlreadyInside": "442",
    "RoomExists": "443",
    "ShareTaken": "440",
    "Mismatch": "412",
    "Unauthorized": "401",
    "NotRegistered": "410",
    "Forbidden": "413",
    "RoomFull": "444",
    "LimitReached": "445",
    "NotFound": "441",
    "NoSuchTarget": "410",
    "NoSuchFeed": "451",
    "NothingThere": "403",
    "CallInUse": "409",
    "TooMany": "400",
    "NoCodec": "570",
    "TimedOut": "504",
    "Draining": "500",
    "UnknownMethod": "404",
    # These a socket of this protocol never meets.
    "MustWait": "413",
    "InvitationOver": "500",
    "RoomError": "500",
}


@pytest.mark.parametrize(("refused", "code"), CODES.items())
def test_a_refusal_has_its_code(refused: str, code: str) -> None:
    """Section 3."""
    reply = json.loads(kpoint.error(kpoint.read(json.dumps(ENVELOPE)), getattr(errors, refused)("because")))
    assert reply == {"eventOp": "joinRoom", "reqId": "1", "code": code, "message": "because"}


def test_every_refusal_has_a_code() -> None:
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, RoomError)}
    assert {each.__name__ for each in classes} == CODES.keys()
    assert classes >= kpoint.CODES.keys()


def test_a_message_that_was_not_read_is_refused_without_an_id() -> None:
    reply = {"eventOp": "error", "code": "400", "message": "slowly"}
    assert json.loads(kpoint.error(None, TooMany("slowly"))) == reply


def test_our_own_fault_says_no_more_than_that() -> None:
    reply = {"eventOp": "joinRoom", "reqId": "1", "code": "500", "message": "internal error"}
    assert json.loads(kpoint.internal_error(kpoint.read(json.dumps(ENVELOPE)))) == reply


# --- requests (sections 4 to 9) --------------------------------------------------------------------------------------

USER = {"userId": "ann"}
ROOM = USER | {"roomId": "r1"}
TARGET = ROOM | {"target": "bob"}
OFFER = {"type": "offer", "sdp": "v=0"}
ANSWER = {"type": "answer", "sdp": "v=0\r\n"}
LICENCE = {"cpCode": "c", "ipAddr": "not an address", "authKey": "k"}
CALL_ID = "c@" + "x" * (CALL_ID_CHARS - 2)

EXAMPLES: list[tuple[str, dict[str, Any], Request]] = [
    # 4
    ("register", LICENCE, Register("c", "k", None, "", "", False)),
    (
        "register",
        LICENCE | {"userId": "ann", "name": "안나 😀", "device": "phone", "forced": "true"},
        Register("c", "k", "ann", "안나 😀", "phone", True),
    ),
    # 5.1
    ("createRoom", USER | {"destroy": True}, MakeRoom("ann", "relay", None, "", None, True, False)),
    (
        "createRoom",
        ROOM | {"title": "T", "capacity": 2, "destroy": False, "talkingNoty": True},
        MakeRoom("ann", "relay", "r1", "T", 2, False, False),
    ),
    ("createRoom", USER | {"destroy": ""}, MakeRoom("ann", "relay", None, "", None, True, False)),
    ("createVideoRoom", USER | {"destroy": "false"}, MakeRoom("ann", "media", None, "", None, False, False)),
    (
        "createVideoRoom",
        ROOM | {"title": "T", "capacity": "0300", "destroy": "true", "talkingNoty": "true"},
        MakeRoom("ann", "media", "r1", "T", 300, True, True),
    ),
    # 5.2 to 5.5
    ("joinRoom", ROOM, EnterRoom("ann", "r1")),
    ("leaveRoom", ROOM, LeaveRoom("ann", "r1")),
    ("destroyRoom", ROOM, DestroyRoom("ann", "r1")),
    ("memberList", ROOM, ListMembers("ann", "r1")),
    # 5.6
    ("editRoomInfo", ROOM | {"title": ""}, ChangeRoom("ann", "r1", "", None, None)),
    ("editRoomInfo", ROOM | {"capacity": "1"}, ChangeRoom("ann", "r1", None, 1, None)),
    ("editRoomInfo", ROOM | {"host": CALL_ID}, ChangeRoom("ann", "r1", None, None, CALL_ID)),
    # 5.7
    ("permit", TARGET | {"draw": False, "chat": None}, ChangePermit("ann", "r1", "bob", {"draw": False})),
    (
        "permit",
        TARGET | {"chat": "true", "draw": "false", "screen": True, "whiteboard": False, "document": True},
        ChangePermit(
            *("ann", "r1", "bob"),
            {"chat": True, "draw": False, "screen": True, "whiteboard": False, "document": True},
        ),
    ),
    # 5.8, 5.9
    ("kickOut", ROOM | {"target": CALL_ID}, AskToLeave("ann", "r1", CALL_ID)),
    ("createGroup", ROOM, MakeGroup("ann", "r1", (), "")),
    ("createGroup", ROOM | {"list": [], "title": "G"}, MakeGroup("ann", "r1", (), "G")),
    ("createGroup", ROOM | {"list": ["bob", "cy", "bob"]}, MakeGroup("ann", "r1", ("bob", "cy"), "")),
    ("endGroup", ROOM | {"groupId": "r2"}, EndGroup("ann", "r1", "r2")),
    # 5.10
    ("editUserInfo", ROOM | {"name": ""}, ChangeProfile("ann", "r1", "", None, None, True, None)),
    (
        "editUserInfo",
        ROOM | {"name": "A", "video": "false", "audio": True, "broadcast": "false", "target": "bob"},
        ChangeProfile("ann", "r1", "A", False, True, False, "bob"),
    ),
    ("changeName", USER | {"name": "A"}, ChangeProfile("ann", None, "A", None, None, True, None)),
    # 6.1 to 6.3, 6.5
    ("sdp", USER | {"sdp": OFFER, "type": "cam"}, Describe("ann", None, "camera", False, "v=0")),
    (
        "sdp",
        TARGET | {"sdp": ANSWER | {"more": 1}, "type": "screen"},
        Describe("ann", "bob", "screen", True, "v=0\r\n"),
    ),
    ("sdpRoom", ROOM | {"sdp": OFFER}, Negotiate("ann", "r1", "camera", None, False, "v=0")),
    (
        "sdpRoom",
        ROOM | {"sdp": ANSWER, "type": "screen", "target": CALL_ID},
        Negotiate("ann", "r1", "screen", CALL_ID, True, "v=0\r\n"),
    ),
    (
        "subscribe",
        TARGET | {"type": "cam", "video": True, "audio": "false"},
        Subscribe("ann", "r1", "camera", "bob", True, False),
    ),
    (
        "subscribe",
        TARGET | {"type": "screen", "video": "false", "audio": "true"},
        Subscribe("ann", "r1", "screen", "bob", False, True),
    ),
    (
        "candidate",
        USER | {"target": "bob", "candidate": {"candidate": "", "sdpMid": "0"}, "type": "pub", "cam": True},
        Trickle("ann", "bob", {"candidate": "", "sdpMid": "0"}, "pub", "camera"),
    ),
    (
        "candidate",
        USER | {"target": CALL_ID, "candidate": None, "type": "", "cam": "false"},
        Trickle("ann", CALL_ID, None, "", "screen"),
    ),
    # 8
    ("screen", ROOM, BeginShare("ann", "r1", "screen")),
    ("whiteboard", ROOM, BeginShare("ann", "r1", "whiteboard")),
    ("document", ROOM, BeginShare("ann", "r1", "document")),
    ("documentShare", ROOM | {"img": "https://e/1.png"}, ShowPage("ann", "r1", "https://e/1.png")),
    ("shareStop", ROOM, EndShare("ann", "r1")),
    ("drawing", ROOM, DrawStroke("ann", "r1", {})),
    (
        "drawing",
        ROOM
        | {"xy": {"x0": 0.125, "y0": 0}, "tool": "pen", "color": "#fff", "strokeWidth": 2, "type": [1], "state": "end"}
        | {"points": "of no known field"},
        DrawStroke(
            *("ann", "r1"),
            {"xy": {"x0": 0.125, "y0": 0}, "tool": "pen", "color": "#fff", "strokeWidth": 2}
            | {"type": [1], "state": "end"},
        ),
    ),
    ("reqCanvasImage", TARGET, RequestCanvas("ann", "r1", "bob")),
    ("updateImage", TARGET | {"img": "data:image/png,"}, UpdateCanvas("ann", "r1", "bob", "data:image/png,")),
    # 9
    ("chat", ROOM | {"message": "hello"}, Chat("ann", "hello", "r1", None)),
    ("chat", USER | {"target": "bob", "message": " "}, Chat("ann", " ", None, "bob")),
    ("chat", TARGET | {"message": "안녕"}, Chat("ann", "안녕", "r1", "bob")),
    ("inform", USER | {"message": 0}, SendInform("ann", 0, None, None)),
    ("inform", TARGET | {"message": [None, {"a": "\ud800"}]}, SendInform("ann", [None, {"a": "\ud800"}], "r1", "bob")),
    *(("inform", ROOM | {"message": any}, SendInform("ann", any, "r1", None)) for any in ({}, [], False, 1.5, " ")),
]


def request(op: str, fields: Mapping[str, object]) -> Request:
    return kpoint.request(kpoint.read(json.dumps({"eventOp": op, "reqId": "1"} | fields)))


@pytest.mark.parametrize(("op", "fields", "expected"), EXAMPLES)
def test_each_operation_is_read(op: str, fields: dict[str, Any], expected: Request) -> None:
    assert expected == request(op, fields)
    strangers = {"unknown": [{"fields": None}], "half \ud800 a pair": "\ud800\0"}
    assert expected == request(op, strangers | fields)


def test_there_are_no_other_operations() -> None:
    assert {op for op, _, _ in EXAMPLES} == kpoint.OPERATIONS.keys()
    assert {type(expected) for _, _, expected in EXAMPLES} == set(get_args(Request))


# Of each kind of field: what it can not be, and what it could be if that were shorter.
NO_TEXT = (5, 0, True, False, 1.5, [], ["a"], {}, "NUL \0", "half \ud800 a pair")
NO_ID = (*NO_TEXT, "a\nb", "\x1f", "a\x7f", "\x85")
WRONG: Mapping[str, tuple[object, ...]] = {
    "id": NO_ID,
    "member": NO_ID,
    "members": ("bob", {}, 5, True, "", ["bob", 5], [None], [["bob"]], ["a\nb"], [5] * (GROUP_INVITED + 1)),
    "label": NO_TEXT,
    "text": NO_TEXT,
    "filled": NO_TEXT,
    "line": NO_TEXT,
    "any": (),
    "flag": ("", "True", "yes", "1", 1, 0, 1.0, [], {}),
    "destroy": ("True", " ", "1", 1, 0, [], {}),
    "capacity": (0, -1, "0", "", "-1", "+1", " 1", "1.0", "٣", "two", True, False, 1.0, 2.5, [], [1], {}),
    "source": ("", "camera", "CAM", 5, True, [], ["cam"], {}),
    "sdp": (
        *("v=0", 5, True, [], [OFFER], {}, {"type": "offer"}, {"sdp": "v=0"}, {"type": "pranswer", "sdp": "v=0"}),
        *({"type": "offer", "sdp": sdp} for sdp in (None, 5, [], {}, "\ud800", "\0")),
        *({"type": type, "sdp": "v=0"} for type in (None, 5, ["offer"], {}, "", "Offer")),
    ),
    "object": ([], [1], 5, True, "", "text"),
}
TOO_LONG: Mapping[str, tuple[object, ...]] = {
    "id": ("x" * (KPOINT_ID_CHARS + 1), "é" * (KPOINT_ID_CHARS + 1)),
    "member": ("x" * (CALL_ID_CHARS + 1),),
    "members": (["x" * (KPOINT_ID_CHARS + 1)], ["bob"] * (GROUP_INVITED + 1)),
    "label": ("x" * (KPOINT_TEXT_CHARS + 1), "é" * 100_000),
    "line": ("x" * (KPOINT_MESSAGE_BYTES + 1), "é" * (KPOINT_MESSAGE_BYTES // 2 + 1)),
    "any": (
        "x" * (KPOINT_MESSAGE_BYTES - 1),
        ["é" * (KPOINT_MESSAGE_BYTES // 2 - 1)],
        [0] * (KPOINT_MESSAGE_BYTES // 2),
    ),
    "capacity": (KPOINT_CAPACITY + 1, 10**4000, str(KPOINT_CAPACITY + 1), "9" * 5000),
}
LONGEST: Mapping[str, tuple[object, ...]] = {
    "id": ("é" * KPOINT_ID_CHARS, "a b/c:d@e"),
    "member": ("x" * CALL_ID_CHARS,),
    "members": ([str(number) for number in range(GROUP_INVITED)],),
    "label": ("é" * KPOINT_TEXT_CHARS, "a\nb"),
    "text": ("x" * 100_000,),
    "filled": ("x" * 100_000,),
    "line": ("x" * KPOINT_MESSAGE_BYTES, "é" * (KPOINT_MESSAGE_BYTES // 2)),
    "any": ("x" * (KPOINT_MESSAGE_BYTES - 2), ["é" * (KPOINT_MESSAGE_BYTES // 2 - 2)]),
    "capacity": (KPOINT_CAPACITY, str(KPOINT_CAPACITY), "0" * 5000 + "7"),
}
NEVER_EMPTY = {"id", "member", "filled", "line", "any"}

IN_ROOM = {"userId": "id", "roomId": "id"}
AT_MEMBER = IN_ROOM | {"target": "member"}
MADE = {"userId": "id", "destroy": "destroy"}
SENT_TO = {"roomId": "id", "target": "member"}
FIELDS: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]] = {
    "register": (
        {"cpCode": "filled", "ipAddr": "filled", "authKey": "filled"},
        {"userId": "id", "name": "label", "device": "label", "forced": "flag"},
    ),
    "createRoom": (MADE, {"roomId": "id", "title": "label", "capacity": "capacity"}),
    "createVideoRoom": (MADE, {"roomId": "id", "title": "label", "capacity": "capacity", "talkingNoty": "flag"}),
    "joinRoom": (IN_ROOM, {}),
    "leaveRoom": (IN_ROOM, {}),
    "destroyRoom": (IN_ROOM, {}),
    "memberList": (IN_ROOM, {}),
    "editRoomInfo": (IN_ROOM, {"title": "label", "capacity": "capacity", "host": "member"}),
    "permit": (AT_MEMBER, dict.fromkeys(("chat", "draw", "screen", "whiteboard", "document"), "flag")),
    "kickOut": (AT_MEMBER, {}),
    "createGroup": (IN_ROOM, {"list": "members", "title": "label"}),
    "endGroup": (IN_ROOM | {"groupId": "id"}, {}),
    "editUserInfo": (
        IN_ROOM,
        {"name": "label", "video": "flag", "audio": "flag", "broadcast": "flag", "target": "member"},
    ),
    "changeName": ({"userId": "id", "name": "label"}, {}),
    "sdp": ({"userId": "id", "sdp": "sdp", "type": "source"}, {"target": "member"}),
    "sdpRoom": (IN_ROOM | {"sdp": "sdp"}, {"type": "source", "target": "member"}),
    "subscribe": (AT_MEMBER | {"type": "source", "video": "flag", "audio": "flag"}, {}),
    # Beside these `candidate`, which has a test of its own.
    "candidate": ({"userId": "id", "target": "member", "type": "text", "cam": "flag"}, {}),
    "screen": (IN_ROOM, {}),
    "whiteboard": (IN_ROOM, {}),
    "document": (IN_ROOM, {}),
    "documentShare": (IN_ROOM | {"img": "filled"}, {}),
    "shareStop": (IN_ROOM, {}),
    "drawing": (IN_ROOM, {"xy": "object"}),
    "reqCanvasImage": (AT_MEMBER, {}),
    "updateImage": (AT_MEMBER | {"img": "filled"}, {}),
    "chat": ({"userId": "id", "message": "line"}, SENT_TO),
    "inform": ({"userId": "id", "message": "any"}, SENT_TO),
}
GOOD = {op: fields for op, fields, _ in EXAMPLES}
"""An example of each, one with many fields."""

REQUIRED = [(op, name) for op, (required, _) in FIELDS.items() for name in required]
OPTIONAL = [(op, name) for op, (_, optional) in FIELDS.items() for name in optional]
ALL = [(op, name, kind) for op, both in FIELDS.items() for fields in both for name, kind in fields.items()]


def test_every_operation_has_its_fields_here() -> None:
    assert FIELDS.keys() == kpoint.OPERATIONS.keys()


@pytest.mark.parametrize(("op", "name"), REQUIRED)
def test_what_is_required(op: str, name: str) -> None:
    good = {field: value for field, value in GOOD[op].items() if field != name}
    for fields in (good, good | {name: None}):
        with pytest.raises(Missing):
            request(op, fields)
        # Missing wins over a wrong type and over a length.
        for other, kind in FIELDS[op][0].items():
            if other != name and WRONG[kind]:
                with pytest.raises(Missing):
                    request(op, fields | {other: WRONG[kind][0]})


@pytest.mark.parametrize(("op", "name"), OPTIONAL)
def test_null_is_as_good_as_absent(op: str, name: str) -> None:
    absent = {field: value for field, value in GOOD[op].items() if field != name}
    other = {"chat": {"roomId": "r1", "target": "bob"}, "editRoomInfo": {"title": "T", "host": "bob"}}
    absent |= {field: value for field, value in other.get(op, {}).items() if field != name}
    absent |= {"screen": True, "chat": True} if op == "permit" else {}
    absent.pop(name, None)
    assert request(op, absent) == request(op, absent | {name: None})


@pytest.mark.parametrize(("op", "name", "kind"), ALL)
def test_what_a_field_can_not_be(op: str, name: str, kind: str) -> None:
    for value in WRONG[kind]:
        with pytest.raises(BadRequest) as caught:
            request(op, GOOD[op] | {name: value})
        assert caught.type is BadRequest, f"{name} {value!r}"
        assert name in str(caught.value)
    if kind in NEVER_EMPTY:
        with pytest.raises(Missing):
            request(op, GOOD[op] | {name: ""})


@pytest.mark.parametrize(("op", "name", "kind"), ALL)
def test_how_long_a_field_can_be(op: str, name: str, kind: str) -> None:
    for value in TOO_LONG.get(kind, ()):
        with pytest.raises(TooLong):
            request(op, GOOD[op] | {name: value})
        # A wrong type is told before a length.
        for other, other_kind in FIELDS[op][0].items():
            if other != name and WRONG[other_kind]:
                with pytest.raises(BadRequest) as caught:
                    request(op, GOOD[op] | {name: value, other: WRONG[other_kind][0]})
                assert caught.type is BadRequest
    for value in LONGEST.get(kind, ()):
        request(op, GOOD[op] | {name: value})


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("editRoomInfo", ROOM),
        ("editRoomInfo", ROOM | {"title": None, "capacity": None, "host": None, "destroy": True}),
        ("permit", TARGET),
        ("permit", TARGET | {"chat": None, "draw": None, "screen": None, "whiteboard": None, "document": None}),
        ("editUserInfo", ROOM),
        ("editUserInfo", ROOM | {"name": None, "broadcast": True, "target": "bob"}),
        ("editUserInfo", ROOM | {"broadcast": 5, "target": 5}),
        ("chat", USER | {"message": "hello"}),
        ("chat", USER | {"message": 5, "roomId": None}),
        ("chat", ROOM | {"message": ""}),
        ("inform", ROOM | {"message": ""}),
        ("candidate", {name: value for name, value in GOOD["candidate"].items() if name != "candidate"}),
    ],
)
def test_what_else_is_missing(op: str, fields: dict[str, Any]) -> None:
    with pytest.raises(Missing):
        request(op, fields)


@pytest.mark.parametrize(
    "fields",
    [{"video": False, "audio": False}, {"video": "false", "audio": "false"}, {"target": "ann"}],
)
def test_subscriptions_to_nothing_or_to_oneself(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        request("subscribe", GOOD["subscribe"] | fields)
    assert caught.type is BadRequest


@pytest.mark.parametrize("candidate", ["", "candidate:1 1 udp", {"candidate": ""}, {}, [], 0, False, None, ["\ud800"]])
def test_a_candidate_is_anything(candidate: object) -> None:
    asked = request("candidate", GOOD["candidate"] | {"candidate": candidate})
    assert isinstance(asked, Trickle)
    assert asked.candidate == candidate


def test_secrets_and_descriptions_are_not_shown() -> None:
    """A call or a request may end up in a log."""
    call = kpoint.read(json.dumps({"eventOp": "register", "reqId": "1"} | LICENCE | {"authKey": "secret"}))
    sdp = ROOM | {"sdp": OFFER | {"sdp": "secret"}, "type": "cam"}
    shown = [call, kpoint.request(call), request("sdp", sdp), request("sdpRoom", sdp)]
    assert "secret" not in repr(shown)
    assert "secret" not in repr([IceServer(("turn:t",), "u", "secret"), Answered("camera", "secret")])
    assert "secret" not in repr(LegOffered("camera", "bob", "secret"))


TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ODD = st.dictionaries(st.sampled_from(sorted({name for _, name, _ in ALL})), JSON, max_size=3)


@given(st.text(st.characters() | st.sampled_from('{}[]",:\\ud8')))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        call = kpoint.read(text)
    except Unreadable as refused:
        assert json.loads(refused.reply)["code"] in ("400", "404", "421", "422")
    else:
        assert call.op in kpoint.OPERATIONS


@given(st.fixed_dictionaries({}, optional={"eventOp": JSON | st.sampled_from(sorted(FIELDS)), "reqId": JSON}))
def test_any_envelope_is_read_or_refused_with_its_id(message: dict[str, Any]) -> None:
    try:
        call = kpoint.read(json.dumps(message))
    except Unreadable as refused:
        refused.reply.encode()
        reply = json.loads(refused.reply)
        assert reply.get("reqId") in (None, message.get("reqId"))
        assert reply["eventOp"] in ("error", message.get("eventOp"))
    else:
        assert (call.op, call.req_id) == (message["eventOp"], message.get("reqId"))


@given(st.sampled_from(EXAMPLES), ODD)
def test_any_fields_are_read_or_refused(good: tuple[str, dict[str, Any], Request], odd: dict[str, Any]) -> None:
    """Some of a good request's are replaced, so that it is they that are looked at. What goes to others can be said."""
    op, fields, expected = good
    try:
        asked = request(op, fields | odd)
    except BadRequest as refused:
        assert str(refused).isascii(), "it says nothing that the client has sent"
        return
    assert type(expected) is type(asked)
    match asked:
        case SendInform(message=message):
            assert push(Informed("ann", message), "r1")["message"] == message
        case Trickle(candidate=candidate, leg=leg):
            assert push(CandidateRelayed("ann", "bob", candidate, leg, "camera"))["candidate"] == candidate
        case DrawStroke(fields=stroke):
            assert push(Drawn("ann", stroke), "r1").keys() == {
                "drawingType" if name == "type" else name for name in stroke
            } | {*("eventOp", "type", "roomId", "user")}


@given(st.sampled_from(sorted(FIELDS)), st.dictionaries(TEXT, JSON) | ODD)
def test_any_object_of_an_operation_is_read_or_refused(op: str, fields: dict[str, Any]) -> None:
    try:
        asked = kpoint.request(kpoint.read(json.dumps(fields | {"eventOp": op, "reqId": "1"})))
    except RoomError as refused:
        assert isinstance(refused, BadRequest)
    else:
        assert isinstance(asked, get_args(Request))


# --- results ---------------------------------------------------------------------------------------------------------

ANN = Member(id="ann", user=None, name="안나", is_admin=True, device="phone", is_host=True, publishing=True)
BOB = Member(id="bob", user=None, name="", is_admin=False, audio_muted=True, permit=Permit(chat=False, draw=False))
ALL_PERMITS = {"screen": True, "chat": True, "whiteboard": True, "draw": True, "document": True}
ANN_JSON: dict[str, Any] = {
    "id": "ann",
    "name": "안나",
    "userType": "host",
    "device": "phone",
    "video": True,
    "audio": True,
    "publishing": True,
    "permit": ALL_PERMITS,
}
BOB_JSON: dict[str, Any] = {
    "id": "bob",
    "name": "",
    "userType": "guest",
    "device": "",
    "video": True,
    "audio": False,
    "publishing": False,
    "permit": ALL_PERMITS | {"chat": False, "draw": False},
}
ENTERED = RoomEntered(
    room="r1",
    title="T",
    created_at=datetime(2026, 3, 1, 9, 5, 7, 123456, tzinfo=UTC),
    kind="media",
    talking_noty=False,
    host=ANN,
    members=(BOB, ANN),
    share=None,
)
ENTERED_JSON: dict[str, Any] = {
    "roomId": "r1",
    "title": "T",
    "createdAt": "2026/03/01 09:05:07",
    "media": True,
    "isRecording": False,
    "talkingNoty": False,
    "fileServerUrl": "",
    "host": ANN_JSON,
    "members": {"bob": BOB_JSON, "ann": ANN_JSON},
}

RESULTS: list[tuple[Result, dict[str, Any]]] = [
    (Done(), {}),
    (Registered("u1", ()), {"userId": "u1", "iceServers": []}),
    (
        Registered("u1", (IceServer(("turn:t", "turns:t"), "1:u1", "c"), IceServer(("stun:s",)))),
        {
            "userId": "u1",
            "iceServers": [
                {"urls": ["turn:t", "turns:t"], "username": "1:u1", "credential": "c"},
                {"urls": ["stun:s"]},
            ],
        },
    ),
    (RoomMade("r0000001"), {"roomId": "r0000001"}),
    (ENTERED, ENTERED_JSON),
    (evolve(ENTERED, kind="relay", talking_noty=True), ENTERED_JSON | {"media": False, "talkingNoty": True}),
    # The host as last known.
    (evolve(ENTERED, members=(BOB,)), ENTERED_JSON | {"members": {"bob": BOB_JSON}}),
    *(
        (evolve(ENTERED, share=Share(kind, "ann")), ENTERED_JSON | {"share": {"type": kind, "user": "ann"}})
        for kind in ("screen", "whiteboard", "document")
    ),
    (
        evolve(ENTERED, share=Share("document", "ann", "https://e/1.png")),
        ENTERED_JSON | {"share": {"type": "document", "user": "ann", "img": "https://e/1.png"}},
    ),
    (MemberList((ANN, BOB)), {"members": {"ann": ANN_JSON, "bob": BOB_JSON}}),
    (MemberList(()), {"members": {}}),
    (GroupCreated("r0000002"), {"groupId": "r0000002"}),
    (Answered("camera", "v=0"), {"type": "cam", "sdp": {"type": "answer", "sdp": "v=0"}}),
    (Answered("screen", "v=0"), {"type": "screen", "sdp": {"type": "answer", "sdp": "v=0"}}),
    (LegOffered("camera", "bob", "v=0"), {"type": "cam", "target": "bob", "sdp": {"type": "offer", "sdp": "v=0"}}),
    (LegOffered("screen", "bob", "v=0"), {"type": "screen", "target": "bob", "sdp": {"type": "offer", "sdp": "v=0"}}),
]


@pytest.mark.parametrize(("value", "expected"), RESULTS)
def test_each_result(value: Result, expected: dict[str, Any]) -> None:
    text = kpoint.result(kpoint.read(json.dumps(ENVELOPE)), value)
    assert json.loads(text) == {"eventOp": "joinRoom", "reqId": "1", "code": "200", "message": "ok"} | expected
    assert "\\u" not in text, "it is UTF-8 by itself"


def test_there_are_no_other_results() -> None:
    assert {type(value) for value, _ in RESULTS} == set(get_args(Result))


@pytest.mark.parametrize(
    ("flags", "video", "audio"),
    [
        ({}, True, True),
        ({"video_muted": True}, False, True),
        ({"video_muted_by_admin": True}, False, True),
        ({"audio_muted": True}, True, False),
        ({"audio_muted_by_admin": True, "audio_muted": True}, True, False),
        ({"audio_muted_by_admin": True, "video_muted": True}, False, False),
    ],
)
def test_what_is_muted_by_whomever_is_off(flags: dict[str, bool], video: bool, audio: bool) -> None:
    member = evolve(ANN, **flags)
    for shown in (push(MemberJoined(member))["user"], push(ProfileChanged(member))):
        assert (video, audio) == (shown["video"], shown["audio"])


# --- pushes (sections 6 and 7) ---------------------------------------------------------------------------------------


def push(word: Word, room: str = "") -> dict[str, Any]:
    text = kpoint.notification(word, room)
    assert text is not None
    text.encode()
    message = json.loads(text)
    assert isinstance(message, dict)
    return message


RELAYED_BY_ANN = {"userId": "ann", "user": "ann", "target": "bob"}
CANDIDATE = {"candidate": "candidate:1 1 udp", "sdpMid": "0"}

PRESENCE: list[tuple[Word, dict[str, Any]]] = [
    (MemberJoined(BOB), {"type": "join", "roomId": "r1", "user": BOB_JSON | {"userId": "bob"}}),
    (MemberLeft("bob", "left"), {"type": "leave", "roomId": "r1", "user": "bob"}),
    (MemberLeft("bob", "lost"), {"type": "leave", "roomId": "r1", "user": "bob"}),
    (MemberLeft("bob", "removed"), {"type": "leave", "roomId": "r1", "user": "bob"}),
    (
        Published(PublishedFeed(ANN, "camera")),
        {"type": "publish", "roomId": "r1", "feeds": [ANN_JSON | {"type": "cam"}]},
    ),
    (
        Published(PublishedFeed(ANN, "screen")),
        {"type": "publish", "roomId": "r1", "feeds": [{"id": "ann", "type": "screen"}]},
    ),
    (
        FeedsThere((PublishedFeed(ANN, "screen"), PublishedFeed(BOB, "camera"))),
        {"type": "publish", "roomId": "r1", "feeds": [{"id": "ann", "type": "screen"}, BOB_JSON | {"type": "cam"}]},
    ),
    (StreamSubscribed("bob", "ann", "camera"), {"type": "subscribed", "user": "ann", "cam": True}),
    (StreamSubscribed("bob", "ann", "screen"), {"type": "subscribed", "user": "ann", "cam": False}),
    (ShareStarted("ann", "screen"), {"type": "screen", "roomId": "r1", "user": "ann"}),
    (ShareStarted("ann", "whiteboard"), {"type": "whiteboard", "roomId": "r1", "user": "ann"}),
    (ShareStarted("ann", "document"), {"type": "document", "roomId": "r1", "user": "ann"}),
    (
        DocumentShown("ann", "https://e/1.png"),
        {"type": "documentShare", "roomId": "r1", "user": "ann", "img": "https://e/1.png"},
    ),
    # By the host: it is the sharer who is named.
    (ShareStopped("bob", by="ann"), {"type": "shareStop", "roomId": "r1", "user": "bob"}),
    (
        Drawn("ann", {"xy": {"x": 0.5, "y": 1}, "tool": "textbox", "type": "data:image/png,", "state": "end"}),
        {"type": "drawing", "roomId": "r1", "user": "ann", "xy": {"x": 0.5, "y": 1}, "tool": "textbox"}
        | {"drawingType": "data:image/png,", "state": "end"},
    ),
    (Drawn("ann", {"tool": "clear"}), {"type": "drawing", "roomId": "r1", "user": "ann", "tool": "clear"}),
    (Said("ann", "안녕"), {"type": "chat", "roomId": "r1", "user": "ann", "message": "안녕"}),
    (Said("ann", "hello", to_room=False), {"type": "chat", "user": "ann", "message": "hello"}),
    (Informed("ann", [{"a": None}]), {"type": "inform", "roomId": "r1", "user": "ann", "message": [{"a": None}]}),
    (Informed("ann", "\ud800", to_room=False), {"type": "inform", "user": "ann", "message": "\ud800"}),
    (ProfileChanged(BOB), {"type": "editUserInfo", "user": "bob", "name": "", "video": True, "audio": False}),
    (GroupMade("ann", "r2"), {"type": "createGroup", "user": "ann", "groupId": "r2"}),
    (KickedOut("bob", by="ann"), {"type": "kickOut", "user": "ann", "roomId": "r1"}),
    (TalkingChanged("ann", True), {"type": "talking", "user": "ann", "roomId": "r1", "talking": True}),
    (TalkingChanged("ann", False), {"type": "talking", "user": "ann", "roomId": "r1", "talking": False}),
    (CanvasAsked("ann", "bob"), {"type": "reqCanvasImage", "sender": "ann", "roomId": "r1"}),
    (CanvasSent("ann", "bob", "data:"), {"type": "updateImage", "sender": "ann", "img": "data:"}),
    (MemberLeft("bob", "ended", by="ann"), {"type": "end", "roomId": "r1", "user": "ann"}),
    (MemberLeft("bob", "ended"), {"type": "end", "roomId": "r1", "user": ""}),
    (TakenOver("ann"), {"type": "disconnected", "user": "ann"}),
    (
        ServerDraining(datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        {"type": "draining", "deadline": "2026-03-01T12:30:00+00:00"},
    ),
]
RELAYED: list[tuple[Word, dict[str, Any]]] = [
    (
        DescriptionRelayed("ann", "bob", "camera", False, "v=0"),
        {"eventOp": "sdp", "roomId": "r1", "type": "cam", "sdp": {"type": "offer", "sdp": "v=0"}},
    ),
    (
        DescriptionRelayed("ann", "bob", "screen", True, "v=0"),
        {"eventOp": "sdp", "roomId": "r1", "type": "screen", "sdp": {"type": "answer", "sdp": "v=0"}},
    ),
    (
        CandidateRelayed("ann", "bob", CANDIDATE, "pub", "camera"),
        {"eventOp": "candidate", "candidate": CANDIDATE, "type": "pub", "cam": True},
    ),
    (
        CandidateRelayed("ann", "bob", None, "sub", "screen"),
        {"eventOp": "candidate", "candidate": None, "type": "sub", "cam": False},
    ),
]
UNSPOKEN: list[Word] = [
    MemberLeft("bob", "ended", by="ann", quiet=True),
    MuteChanged("bob", "audio", True, by_admin=True),
    ScreenShareChanged("bob", True),
    HandChanged("bob", True),
    Reacted("bob", "👍"),
    Unpublished("bob", "screen"),
    RoomEdited(Charter()),
    PermitChanged(BOB),
    RoomEmptied(),
    ActiveSpeaker("bob"),
    LevelChanged("bob", 77),
    AllocationsChanged("bob", {}),
    RateChanged("bob", 1_000_000),
    MediaLost("bob"),
    PartyWaiting(WaitingParty("c-nora", "Nora", None, is_listed=False), reminder=False),
    PartyWithdrew("c-nora"),
    PartyAllowed("c-nora"),
    PartyRejected("c-nora"),
    Allowed("t"),
    Rejected(),
    Invited("0b51", "leg-1", None, "t"),
    InvitationRejected("bob", "b-1", "0b51"),
    CompletedElsewhere("0b51"),
]


@pytest.mark.parametrize(("word", "expected"), PRESENCE)
def test_each_presence(word: Word, expected: dict[str, Any]) -> None:
    assert push(word, "r1") == {"eventOp": "presence"} | expected


@pytest.mark.parametrize(("word", "expected"), RELAYED)
def test_what_goes_from_one_to_another(word: Word, expected: dict[str, Any]) -> None:
    assert push(word, "r1") == RELAYED_BY_ANN | expected


@pytest.mark.parametrize("word", UNSPOKEN, ids=lambda word: type(word).__name__)
def test_what_there_are_no_words_for(word: Word) -> None:
    assert kpoint.notification(word, "r1") is None


def test_every_word_is_in_this_file() -> None:
    assert {type(word) for word in (*UNSPOKEN, *(word for word, _ in PRESENCE + RELAYED))} == set(get_args(Word))


def test_texts_are_utf8_by_themselves() -> None:
    """Most of these clients' words are Korean, which escapes would double. Half of a pair has to stay escaped."""
    assert kpoint.notification(Said("ann", "안녕 😀", to_room=False), "") == (
        '{"eventOp":"presence","type":"chat","user":"ann","message":"안녕 😀"}'
    )
    text = kpoint.notification(Informed("ann", {"안\udc00": "\\\ud800\\ud800"}, to_room=False), "")
    assert text is not None
    assert text.endswith('"message":{"안\\udc00":"\\\\\\ud800\\\\ud800"}}')
