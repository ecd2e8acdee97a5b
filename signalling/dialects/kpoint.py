"""KPOINT's words: text to typed requests, results and events to text (contract kpoint, sections 1 to 9).

    text  > read > Call > request > Request
    reply < result, error         < Result, RoomError
    text  < notification          < Word

Pure and without state. Two steps in, because whether the socket has registered is checked between the envelope and the
fields (section 2, order of checks). Whatever a client sends is read or refused; nothing of it is turned into another type
but what the contract names. What a request means, and whether it is allowed now, is parties/kpoint.py's.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, assert_never

from attrs import asdict, field, frozen

from sfu.wanted import MediaSource
from signalling.dialects.json_text import CONTROL, HALF_A_PAIR, Unreadable, is_clean, is_deeper, read_json
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
from signalling.room.errors import (
    AlreadyInside,
    BadRequest,
    CallInUse,
    Draining,
    Forbidden,
    LimitReached,
    Mismatch,
    Missing,
    NoCodec,
    NoSuchFeed,
    NoSuchTarget,
    NotFound,
    NothingThere,
    NotRegistered,
    RoomError,
    RoomExists,
    RoomFull,
    ShareTaken,
    TimedOut,
    TooLong,
    TooMany,
    Unauthorized,
    UnknownMethod,
    WrongState,
)
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
from signalling.room.member import Member, PublishedFeed, RoomKind, Share, ShareKind

NAME: Final = "kpoint"

OK: Final = "200"
BAD_REQUEST: Final = "400"
MISSING: Final = "421"
INVALID: Final = "422"
UNKNOWN_OPERATION: Final = "404"
INTERNAL_ERROR: Final = "500"

CODES: Final[Mapping[type[RoomError], str]] = {
    BadRequest: INVALID,
    Missing: MISSING,
    TooLong: "445",
    WrongState: "405",
    AlreadyInside: "442",
    RoomExists: "443",
    ShareTaken: "440",
    Mismatch: "412",
    Unauthorized: "401",
    NotRegistered: "410",
    Forbidden: "413",
    RoomFull: "444",
    LimitReached: "445",
    NotFound: "441",
    NoSuchTarget: "410",
    NoSuchFeed: "451",
    NothingThere: "403",
    CallInUse: "409",
    TooMany: BAD_REQUEST,
    NoCodec: "570",
    TimedOut: "504",
    Draining: INTERNAL_ERROR,
    UnknownMethod: UNKNOWN_OPERATION,
    RoomError: INTERNAL_ERROR,
}
"""Section 3. A class that is not here has the code of the nearest one above it. RoomError itself is for what only other
dialects' sockets are refused for: that this one would be is our own fault."""

# --- requests --------------------------------------------------------------------------------------------------------


@frozen
class Register:
    cp_code: str
    auth_key: str = field(repr=False)
    user: str | None
    name: str
    device: str
    forced: bool


@frozen
class MakeRoom:
    """createRoom, createVideoRoom."""

    user: str
    kind: RoomKind
    room: str | None
    title: str
    capacity: int | None
    destroy: bool
    talking_noty: bool


@frozen
class EnterRoom:
    """joinRoom."""

    user: str
    room: str


@frozen
class LeaveRoom:
    user: str
    room: str


@frozen
class DestroyRoom:
    user: str
    room: str


@frozen
class ListMembers:
    user: str
    room: str


@frozen
class ChangeRoom:
    """editRoomInfo; at least one is given."""

    user: str
    room: str
    title: str | None
    capacity: int | None
    host: str | None


@frozen
class ChangePermit:
    user: str
    room: str
    target: str
    changes: Mapping[str, bool]
    """By the names of Permit's fields; never empty."""


@frozen
class AskToLeave:
    """kickOut."""

    user: str
    room: str
    target: str


@frozen
class MakeGroup:
    user: str
    room: str
    invited: tuple[str, ...]
    title: str


@frozen
class EndGroup:
    user: str
    room: str
    group: str


@frozen
class ChangeProfile:
    """editUserInfo, changeName."""

    user: str
    room: str | None
    """None: the one that the user is in."""
    name: str | None
    video: bool | None
    audio: bool | None
    broadcast: bool
    target: str | None


@frozen
class Describe:
    """sdp: an offer or answer to another member of a P2P room."""

    user: str
    target: str | None
    source: MediaSource
    is_answer: bool
    sdp: str = field(repr=False)


@frozen
class Negotiate:
    """sdpRoom: an offer or answer to the media engine."""

    user: str
    room: str
    source: MediaSource
    target: str | None
    is_answer: bool
    sdp: str = field(repr=False)


@frozen
class Subscribe:
    user: str
    room: str
    source: MediaSource
    target: str
    video: bool
    audio: bool


@frozen
class Trickle:
    """candidate."""

    user: str
    target: str
    candidate: object
    leg: str
    """Its `type`, which only clients know the meaning of."""
    source: MediaSource


@frozen
class BeginShare:
    """screen, whiteboard, document."""

    user: str
    room: str
    kind: ShareKind


@frozen
class ShowPage:
    """documentShare."""

    user: str
    room: str
    image: str


@frozen
class EndShare:
    """shareStop."""

    user: str
    room: str


@frozen
class DrawStroke:
    """drawing. `fields`: those of its own, as sent."""

    user: str
    room: str
    fields: Mapping[str, object]


@frozen
class RequestCanvas:
    """reqCanvasImage."""

    user: str
    room: str
    target: str


@frozen
class UpdateCanvas:
    """updateImage."""

    user: str
    room: str
    target: str
    image: str = field(repr=False)


@frozen
class Chat:
    """To the room, to somebody, or both; at least one is given."""

    user: str
    message: str
    room: str | None
    target: str | None


@frozen
class SendInform:
    """To the room, to somebody, or both; to neither means the room that the user is in."""

    user: str
    message: object
    room: str | None
    target: str | None


Request = (
    Register
    | MakeRoom
    | EnterRoom
    | LeaveRoom
    | DestroyRoom
    | ListMembers
    | ChangeRoom
    | ChangePermit
    | AskToLeave
    | MakeGroup
    | EndGroup
    | ChangeProfile
    | Describe
    | Negotiate
    | Subscribe
    | Trickle
    | BeginShare
    | ShowPage
    | EndShare
    | DrawStroke
    | RequestCanvas
    | UpdateCanvas
    | Chat
    | SendInform
)

# --- results ---------------------------------------------------------------------------------------------------------


@frozen
class Done:
    pass


@frozen
class Registered:
    user: str
    ice_servers: tuple[IceServer, ...]


@frozen
class RoomMade:
    room: str


@frozen
class RoomEntered:
    room: str
    title: str
    created_at: datetime
    """In the service time zone already."""
    kind: RoomKind
    talking_noty: bool
    host: Member
    members: tuple[Member, ...]
    share: Share | None


@frozen
class MemberList:
    members: tuple[Member, ...]


@frozen
class GroupCreated:
    group: str


@frozen
class Answered:
    """The engine's answer to an offer."""

    source: MediaSource
    sdp: str = field(repr=False)


@frozen
class LegOffered:
    """The engine's offer to a subscriber."""

    source: MediaSource
    target: str
    sdp: str = field(repr=False)


Result = Done | Registered | RoomMade | RoomEntered | MemberList | GroupCreated | Answered | LegOffered

# --- the envelope ----------------------------------------------------------------------------------------------------


@frozen
class Call:
    """One message of a client, of a known operation."""

    op: str
    req_id: str | None
    fields: Mapping[str, object] = field(repr=False)
    """All of the message; the keys of a licence may be among them."""


def read(text: str) -> Call:
    """Raises Unreadable."""
    try:
        message = read_json(text)
    except ValueError:
        raise Unreadable(_reply("error", None, BAD_REQUEST, "this is not JSON")) from None
    if not isinstance(message, dict):
        raise Unreadable(_reply("error", None, BAD_REQUEST, "a message is an object"))
    if is_deeper(message, KPOINT_JSON_DEPTH):
        # It might go to others, and be too deep to be written where it was not too deep to be read.
        raise Unreadable(_reply("error", None, BAD_REQUEST, f"nested more than {KPOINT_JSON_DEPTH} deep"))
    op, req_id = message.get("eventOp"), message.get("reqId")
    if op is None:
        raise Unreadable(_reply("error", None, MISSING, "eventOp is missing"))
    if not isinstance(op, str):
        raise Unreadable(_reply("error", None, INVALID, "eventOp is a string"))
    if op not in OPERATIONS:
        known_id = req_id if isinstance(req_id, str) and req_id else None
        raise Unreadable(_reply(op, known_id, UNKNOWN_OPERATION, "no such operation"))
    if req_id in (None, "") and OPERATIONS[op].needs_req_id:
        raise Unreadable(_reply(op, None, MISSING, "reqId is missing"))
    if req_id is not None and not isinstance(req_id, str):
        raise Unreadable(_reply(op, None, INVALID, "reqId is a string"))
    return Call(op, req_id, message)


def error(call: Call | None, reason: RoomError) -> str:
    """The refusal of a call, or of a message that was not read."""
    code = next(CODES[kind] for kind in type(reason).__mro__ if kind in CODES)
    op, req_id = ("error", None) if call is None else (call.op, call.req_id)
    return _reply(op, req_id, code, str(reason))


def internal_error(call: Call) -> str:
    """Our own fault; the details are in the log."""
    return _reply(call.op, call.req_id, INTERNAL_ERROR, "internal error")


def _reply(op: str, req_id: str | None, code: str, message: str, **more: object) -> str:
    id = {} if req_id is None else {"reqId": req_id}
    return _json({"eventOp": op, **id, "code": code, "message": message, **more})


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _json(value: object) -> str:
    """As it came, but for one thing that UTF-8 cannot carry."""
    text = _encode(value)
    return text if text.isascii() else HALF_A_PAIR.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


BINARY_REPLY: Final = _reply("error", None, BAD_REQUEST, "text frames only")

# --- fields ----------------------------------------------------------------------------------------------------------

_Reader = Callable[[str, Any], object]
"""From the field of that name to its value. Raises BadRequest, Missing or TooLong."""

_SOURCES: Final[Mapping[str, MediaSource]] = {"cam": "camera", "screen": "screen"}


@frozen
class _Field:
    name: str
    read: _Reader
    required: bool = True
    default: object = None
    """What an optional one is when it is absent, or null."""
    nullable: bool = False
    """Whether null is one of its values."""

    def take(self, sent: Mapping[str, object]) -> object:
        value = sent.get(self.name)
        if value is not None or (self.nullable and self.name in sent):
            return self.read(self.name, value)
        if self.required:
            raise Missing(f"{self.name} is missing")
        return self.default


def _optional(name: str, read: _Reader, default: object = None) -> _Field:
    return _Field(name, read, required=False, default=default)


def _anything(_: str, value: object) -> object:
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not is_clean(value):
        raise BadRequest(f"{name} is no text")
    return value


def _filled(name: str, value: object) -> str:
    """An empty text stands for a missing one."""
    if value == "":
        raise Missing(f"{name} is empty")
    return _text(name, value)


def _label(name: str, value: object) -> str:
    text = _text(name, value)
    if len(text) > KPOINT_TEXT_CHARS:
        raise TooLong(f"{name} is longer than {KPOINT_TEXT_CHARS}")
    return text


def _id(name: str, value: object, longest: int = KPOINT_ID_CHARS) -> str:
    text = _filled(name, value)
    if CONTROL.search(text):
        raise BadRequest(f"{name} has control characters")
    if len(text) > longest:
        raise TooLong(f"{name} is longer than {longest}")
    return text


def _member(name: str, value: object) -> str:
    """Of any dialect, so perhaps the longer id of a call."""
    return _id(name, value, CALL_ID_CHARS)


def _ids(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise BadRequest(f"{name} is a list of texts")
    if len(value) > GROUP_INVITED:
        raise TooLong(f"{name} has more than {GROUP_INVITED} entries")
    return tuple(dict.fromkeys(_id(name, entry) for entry in value))


def _flag(name: str, value: object) -> bool:
    if value is True or value == "true":
        return True
    if value is False or value == "false":
        return False
    raise BadRequest(f"{name} is true or false")


def _destroy(name: str, value: object) -> bool:
    return value == "" or _flag(name, value)


def _capacity(name: str, value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        # Of too many digits, enough to be too large: Python reads no more than some thousands.
        value = int(value.lstrip("0")[: len(str(KPOINT_CAPACITY)) + 1] or "0")
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadRequest(f"{name} is a whole number from 1 upward")
    if value > KPOINT_CAPACITY:
        raise TooLong(f"{name} is above {KPOINT_CAPACITY}")
    return value


def _source(name: str, value: object) -> MediaSource:
    source = _SOURCES.get(value) if isinstance(value, str) else None
    if source is None:
        raise BadRequest(f"{name} is cam or screen")
    return source


def _cam(name: str, value: object) -> MediaSource:
    return "camera" if _flag(name, value) else "screen"


def _description(name: str, value: object) -> tuple[bool, str]:
    """Whether it is an answer, and the SDP."""
    match value:
        case {"type": "offer" | "answer" as type, "sdp": str(sdp)} if is_clean(sdp):
            return type == "answer", sdp
    raise BadRequest(f"{name} is an object with a type, offer or answer, and an sdp")


def _object(name: str, value: object) -> object:
    if not isinstance(value, dict):
        raise BadRequest(f"{name} is an object")
    return value


def _line(name: str, value: object) -> str:
    text = _filled(name, value)
    if len(text.encode()) > KPOINT_MESSAGE_BYTES:
        raise TooLong(f"{name} is longer than {KPOINT_MESSAGE_BYTES} bytes")
    return text


def _inform(name: str, value: object) -> object:
    if value == "":
        raise Missing(f"{name} is empty")
    if len(_json(value).encode()) > KPOINT_MESSAGE_BYTES:
        raise TooLong(f"{name} is longer than {KPOINT_MESSAGE_BYTES} bytes of JSON")
    return value


# --- operation by operation ------------------------------------------------------------------------------------------


@frozen
class _Operation:
    make: Callable[..., Request]
    fields: Mapping[str, _Field]
    """By the names of what `make` takes."""
    one_of: Sequence[str] = ()
    """Fields of which at least one is required."""
    needs_req_id: bool = True


def request(call: Call) -> Request:
    """Raises Missing rather than BadRequest, and that rather than TooLong."""
    operation = OPERATIONS[call.op]
    values: dict[str, object] = {}
    refusals: list[BadRequest] = []
    if operation.one_of and all(call.fields.get(name) is None for name in operation.one_of):
        refusals.append(Missing(f"one of {', '.join(operation.one_of)} is missing"))
    for parameter, spec in operation.fields.items():
        try:
            values[parameter] = spec.take(call.fields)
        except BadRequest as refusal:
            refusals.append(refusal)
    if refusals:
        raise min(refusals, key=lambda refusal: (Missing, BadRequest, TooLong).index(type(refusal)))
    return operation.make(**values)


def _register(ip_address: str, **values: Any) -> Register:
    """The address is the client's own idea, and of no use here."""
    return Register(**values)


def _change_permit(user: str, room: str, target: str, **flags: bool | None) -> ChangePermit:
    return ChangePermit(user, room, target, {name: flag for name, flag in flags.items() if flag is not None})


def _describe(description: tuple[bool, str], **values: Any) -> Describe:
    return Describe(is_answer=description[0], sdp=description[1], **values)


def _negotiate(description: tuple[bool, str], **values: Any) -> Negotiate:
    return Negotiate(is_answer=description[0], sdp=description[1], **values)


def _subscribe(user: str, target: str, video: bool, audio: bool, **values: Any) -> Subscribe:
    if not (video or audio):
        raise BadRequest("neither video nor audio is wanted")
    if target == user:
        raise BadRequest("target is the user itself")
    return Subscribe(user=user, target=target, video=video, audio=audio, **values)


def _draw(user: str, room: str, **fields: object) -> DrawStroke:
    return DrawStroke(user, room, {name: value for name, value in fields.items() if value is not None})


_USER = {"user": _Field("userId", _id)}
_IN_ROOM = _USER | {"room": _Field("roomId", _id)}
_AT_MEMBER = _IN_ROOM | {"target": _Field("target", _member)}
_MADE_ROOM = _USER | {
    "room": _optional("roomId", _id),
    "title": _optional("title", _label, ""),
    "capacity": _optional("capacity", _capacity),
    "destroy": _Field("destroy", _destroy),
}
_DESCRIPTION = {"description": _Field("sdp", _description), "target": _optional("target", _member)}
_SENT_TO = _USER | {"room": _optional("roomId", _id), "target": _optional("target", _member)}
_PERMITS = ("chat", "draw", "screen", "whiteboard", "document")
_STROKE = ("xy", "tool", "color", "strokeWidth", "type", "state")

OPERATIONS: Final[Mapping[str, _Operation]] = {
    "register": _Operation(
        _register,
        {
            "cp_code": _Field("cpCode", _filled),
            "ip_address": _Field("ipAddr", _filled),
            "auth_key": _Field("authKey", _filled),
            "user": _optional("userId", _id),
            "name": _optional("name", _label, ""),
            "device": _optional("device", _label, ""),
            "forced": _optional("forced", _flag, False),
        },
    ),
    "createRoom": _Operation(partial(MakeRoom, kind="relay", talking_noty=False), _MADE_ROOM),
    "createVideoRoom": _Operation(
        partial(MakeRoom, kind="media"), _MADE_ROOM | {"talking_noty": _optional("talkingNoty", _flag, False)}
    ),
    "joinRoom": _Operation(EnterRoom, _IN_ROOM),
    "leaveRoom": _Operation(LeaveRoom, _IN_ROOM),
    "destroyRoom": _Operation(DestroyRoom, _IN_ROOM),
    "memberList": _Operation(ListMembers, _IN_ROOM),
    "editRoomInfo": _Operation(
        ChangeRoom,
        _IN_ROOM
        | {
            "title": _optional("title", _label),
            "capacity": _optional("capacity", _capacity),
            "host": _optional("host", _member),
        },
        one_of=("title", "capacity", "host"),
    ),
    "permit": _Operation(
        _change_permit, _AT_MEMBER | {name: _optional(name, _flag) for name in _PERMITS}, one_of=_PERMITS
    ),
    "kickOut": _Operation(AskToLeave, _AT_MEMBER),
    "createGroup": _Operation(
        MakeGroup, _IN_ROOM | {"invited": _optional("list", _ids, ()), "title": _optional("title", _label, "")}
    ),
    "endGroup": _Operation(EndGroup, _IN_ROOM | {"group": _Field("groupId", _id)}),
    "editUserInfo": _Operation(
        ChangeProfile,
        _IN_ROOM
        | {
            "name": _optional("name", _label),
            "video": _optional("video", _flag),
            "audio": _optional("audio", _flag),
            "broadcast": _optional("broadcast", _flag, True),
            "target": _optional("target", _member),
        },
        one_of=("name", "video", "audio"),
    ),
    "changeName": _Operation(
        partial(ChangeProfile, room=None, video=None, audio=None, broadcast=True, target=None),
        _USER | {"name": _Field("name", _label)},
    ),
    "sdp": _Operation(_describe, _USER | _DESCRIPTION | {"source": _Field("type", _source)}, needs_req_id=False),
    "sdpRoom": _Operation(_negotiate, _IN_ROOM | _DESCRIPTION | {"source": _optional("type", _source, "camera")}),
    "subscribe": _Operation(
        _subscribe,
        _AT_MEMBER
        | {"source": _Field("type", _source), "video": _Field("video", _flag), "audio": _Field("audio", _flag)},
    ),
    "candidate": _Operation(
        Trickle,
        _USER
        | {
            "target": _Field("target", _member),
            "candidate": _Field("candidate", _anything, nullable=True),
            "leg": _Field("type", _text),
            "source": _Field("cam", _cam),
        },
    ),
    "screen": _Operation(partial(BeginShare, kind="screen"), _IN_ROOM),
    "whiteboard": _Operation(partial(BeginShare, kind="whiteboard"), _IN_ROOM),
    "document": _Operation(partial(BeginShare, kind="document"), _IN_ROOM),
    "documentShare": _Operation(ShowPage, _IN_ROOM | {"image": _Field("img", _filled)}),
    "shareStop": _Operation(EndShare, _IN_ROOM),
    "drawing": _Operation(
        _draw,
        _IN_ROOM | {name: _optional(name, _object if name == "xy" else _anything) for name in _STROKE},
        needs_req_id=False,
    ),
    "reqCanvasImage": _Operation(RequestCanvas, _AT_MEMBER),
    "updateImage": _Operation(UpdateCanvas, _AT_MEMBER | {"image": _Field("img", _filled)}),
    "chat": _Operation(Chat, _SENT_TO | {"message": _Field("message", _line)}, one_of=("roomId", "target")),
    "inform": _Operation(SendInform, _SENT_TO | {"message": _Field("message", _inform)}),
}

# --- replies ---------------------------------------------------------------------------------------------------------


def result(call: Call, value: Result) -> str:
    return _reply(call.op, call.req_id, OK, "ok", **_result(value))


def _result(value: Result) -> dict[str, object]:
    match value:
        case Done():
            return {}
        case Registered(user, ice_servers):
            servers = [asdict(server, filter=lambda _, each: each is not None) for server in ice_servers]
            return {"userId": user, "iceServers": servers}
        case RoomMade(room):
            return {"roomId": room}
        case RoomEntered():
            return _room_entered(value)
        case MemberList(members):
            return {"members": _members(members)}
        case GroupCreated(group):
            return {"groupId": group}
        case Answered(source, sdp):
            return {"type": _source_name(source), "sdp": {"type": "answer", "sdp": sdp}}
        case LegOffered(source, target, sdp):
            return {"type": _source_name(source), "target": target, "sdp": {"type": "offer", "sdp": sdp}}
        case _:
            assert_never(value)


def _room_entered(entered: RoomEntered) -> dict[str, object]:
    share = entered.share
    return {
        "roomId": entered.room,
        "title": entered.title,
        "createdAt": entered.created_at.strftime("%Y/%m/%d %H:%M:%S"),
        "media": entered.kind == "media",
        "isRecording": False,
        "talkingNoty": entered.talking_noty,
        "fileServerUrl": "",
        "host": _member_json(entered.host),
        "members": _members(entered.members),
    } | ({} if share is None else {"share": _share(share)})


def _share(share: Share) -> dict[str, object]:
    shown: dict[str, object] = {"type": share.kind, "user": share.member}
    return shown if share.image is None else shown | {"img": share.image}


def _members(members: Sequence[Member]) -> dict[str, object]:
    return {member.id: _member_json(member) for member in members}


def _member_json(member: Member) -> dict[str, object]:
    """What an admin has muted is as good as off: there is no word for the difference."""
    return {
        "id": member.id,
        "name": member.name,
        "userType": "host" if member.is_host else "guest",
        "device": member.device,
        "video": _has_video(member),
        "audio": _has_audio(member),
        "publishing": member.publishing,
        "permit": asdict(member.permit),
    }


def _has_video(member: Member) -> bool:
    return not (member.video_muted or member.video_muted_by_admin)


def _has_audio(member: Member) -> bool:
    return not (member.audio_muted or member.audio_muted_by_admin)


def _source_name(source: MediaSource) -> str:
    return "cam" if source == "camera" else "screen"


# --- pushes ----------------------------------------------------------------------------------------------------------


def notification(word: Word, room: str) -> str | None:
    """Section 7. None if this protocol has no words for it."""
    match word:
        # Who is inside.
        case MemberJoined(member):
            return _presence("join", roomId=room, user=_member_json(member) | {"userId": member.id})
        case MemberLeft(departure="ended", quiet=True):
            return None
        case MemberLeft(departure="ended", by=by):
            return _presence("end", roomId=room, user=by or "")
        case MemberLeft(id):
            return _presence("leave", roomId=room, user=id)
        case ProfileChanged(member):
            name, video, audio = member.name, _has_video(member), _has_audio(member)
            return _presence("editUserInfo", user=member.id, name=name, video=video, audio=audio)
        case KickedOut(_, by):
            return _presence("kickOut", user=by, roomId=room)
        case GroupMade(by, group):
            return _presence("createGroup", user=by, groupId=group)

        # Media.
        case Published(feed):
            return _presence("publish", roomId=room, feeds=[_feed(feed)])
        case FeedsThere(feeds):
            return _presence("publish", roomId=room, feeds=[_feed(feed) for feed in feeds])
        case DescriptionRelayed(sender, target, source, is_answer, sdp):
            description = {"type": "answer" if is_answer else "offer", "sdp": sdp}
            type = _source_name(source)
            return _relayed("sdp", sender, roomId=room, type=type, target=target, sdp=description)
        case CandidateRelayed(sender, target, candidate, leg, source):
            cam = source == "camera"
            return _relayed("candidate", sender, target=target, candidate=candidate, type=leg, cam=cam)
        case StreamSubscribed(_, sender, source):
            return _presence("subscribed", user=sender, cam=source == "camera")
        case TalkingChanged(id, talking):
            return _presence("talking", user=id, roomId=room, talking=talking)

        # Sharing.
        case ShareStarted(id, kind):
            return _presence(kind, roomId=room, user=id)
        case DocumentShown(id, image):
            return _presence("documentShare", roomId=room, user=id, img=image)
        case ShareStopped(id):
            return _presence("shareStop", roomId=room, user=id)
        case Drawn(id, fields):
            stroke = {("drawingType" if name == "type" else name): value for name, value in fields.items()}
            return _presence("drawing", roomId=room, user=id, **stroke)
        case CanvasAsked(sender):
            return _presence("reqCanvasImage", sender=sender, roomId=room)
        case CanvasSent(sender, _, image):
            return _presence("updateImage", sender=sender, img=image)

        # Messages.
        case Said(id, message, to_room):
            return _message("chat", id, message, room if to_room else None)
        case Informed(id, message, to_room):
            return _message("inform", id, message, room if to_room else None)

        # The socket's own.
        case TakenOver(user):
            return _presence("disconnected", user=user)
        case ServerDraining(deadline):
            return _presence("draining", deadline=deadline.isoformat())

        # What other words tell as well, and what there is none for.
        case MuteChanged() | ScreenShareChanged() | Unpublished() | RoomEdited() | PermitChanged() | RoomEmptied():
            return None
        case HandChanged() | Reacted() | ActiveSpeaker() | LevelChanged() | AllocationsChanged() | RateChanged():
            return None
        case PartyWaiting() | PartyWithdrew() | PartyAllowed() | PartyRejected() | Allowed() | Rejected():
            return None
        case Invited() | InvitationRejected() | CompletedElsewhere() | MediaLost():
            return None
        case _:
            assert_never(word)


def _presence(type: str, /, **fields: object) -> str:
    return _json({"eventOp": "presence", "type": type} | fields)


def _relayed(op: str, sender: str, **fields: object) -> str:
    return _json({"eventOp": op, "userId": sender, "user": sender} | fields)


def _message(type: str, sender: str, message: object, room: str | None) -> str:
    to = {} if room is None else {"roomId": room}
    return _presence(type, user=sender, message=message, **to)


def _feed(feed: PublishedFeed) -> dict[str, object]:
    if feed.source == "screen":
        return {"id": feed.member.id, "type": "screen"}
    return _member_json(feed.member) | {"type": "cam"}
