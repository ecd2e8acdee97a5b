"""The Room API's words: text to envelopes and typed requests, results and events to text (contract room-api, 3 to 6).

Pure and without state. `read` takes the envelope apart, `request` the parameters; they are two steps because the id has
to be known for the refusal of a bad parameter. Unknown fields are ignored, null stands for an absent optional one, an
empty string for a missing required one.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, assert_never

from attrs import asdict, field, frozen

from sfu.negotiation import stream_id
from sfu.wanted import Wanted
from signalling.limits import CALL_ID_CHARS, MAX_SIZE_PX, NAME_CHARS, SECRET_CHARS, TOKEN_CHARS
from signalling.room.errors import (
    BadRequest,
    CallInUse,
    Draining,
    Forbidden,
    MustWait,
    NoCodec,
    NotFound,
    RoomError,
    TooMany,
    Unauthorized,
    UnknownMethod,
    WrongState,
)
from signalling.room.events import (
    ActiveSpeaker,
    Event,
    MediaLost,
    MemberJoined,
    MemberLeft,
    MuteChanged,
    RoomEmptied,
    ServerDraining,
)
from signalling.room.member import Kind, Member

NAME: Final = "room_api"

# --- envelopes -------------------------------------------------------------------------------------------------------

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INTERNAL_ERROR = 500

ERROR_CODES: Mapping[type[RoomError], int] = {
    BadRequest: 400,
    WrongState: 400,
    Unauthorized: 401,
    Forbidden: 403,
    MustWait: 403,
    NotFound: 404,
    CallInUse: 409,
    TooMany: 429,
    NoCodec: 488,
    Draining: 503,
    UnknownMethod: -32601,
}

Id = str | int | float


@frozen
class Call:
    """One message of a client. Without an id it is carried out and never answered."""

    id: Id | None
    has_jsonrpc: bool
    """Whether it said `"jsonrpc": "2.0"`, and so wants it said in the reply."""
    method: str
    params: Mapping[str, Any] = field(repr=False)


class Unreadable(Exception):
    """The text is no message of this protocol; `reply` is the answer."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


def read(text: str) -> Call:
    try:
        message = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
        if "\\u" in text:
            # Half of a surrogate pair is legal in JSON and in nothing that comes after it.
            json.dumps(message, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Unreadable(_error(None, False, PARSE_ERROR, "this is not JSON")) from None
    if not isinstance(message, dict):
        raise Unreadable(_error(None, False, INVALID_REQUEST, "a message is an object"))
    id = message.get("id")
    has_jsonrpc = message.get("jsonrpc") == "2.0"
    if id is not None and (isinstance(id, bool) or not isinstance(id, str | int | float)):
        raise Unreadable(_error(None, has_jsonrpc, INVALID_REQUEST, "id is a string or a number"))
    method = message.get("method")
    if not isinstance(method, str):
        raise Unreadable(_error(id, has_jsonrpc, INVALID_REQUEST, "method is a string"))
    params = message.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise Unreadable(_error(id, has_jsonrpc, INVALID_REQUEST, "params is an object"))
    return Call(id, has_jsonrpc, method, params)


def error(call: Call | None, reason: RoomError) -> str:
    """The refusal of a call, or of a message that was not read and so has no id to name."""
    if call is None:
        return _error(None, False, ERROR_CODES[type(reason)], str(reason))
    return _error(call.id, call.has_jsonrpc, ERROR_CODES[type(reason)], str(reason))


def internal_error(call: Call) -> str:
    """Our own fault; the details are in the log."""
    return _error(call.id, call.has_jsonrpc, INTERNAL_ERROR, "internal error")


def _error(id: Id | None, has_jsonrpc: bool, code: int, message: str) -> str:
    return _reply(id, has_jsonrpc, "error", json.dumps({"code": code, "message": message}))


def _reply(id: Id | None, has_jsonrpc: bool, outcome: str, value: str) -> str:
    version = '"jsonrpc": "2.0", ' if has_jsonrpc else ""
    return f'{{{version}"id": {json.dumps(id)}, "{outcome}": {value}}}'


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse_number(digits)


def _refuse_number(digits: str) -> float:
    raise ValueError(f"{digits} is no JSON number")


# --- requests --------------------------------------------------------------------------------------------------------


@frozen
class Password:
    username: str
    password: str = field(repr=False)


@frozen
class Device:
    device: str
    token: str = field(repr=False)


Credentials = Password | Device


@frozen
class Authenticate:
    room: str
    call_id: str
    display_name: str | None
    room_password: str | None = field(repr=False)
    credentials: Credentials | None


@frozen
class GetRoomMembers:
    pass


@frozen
class JoinRoom:
    sdp: str = field(repr=False)
    auth_token: str = field(repr=False)
    audio_muted: bool
    video_muted: bool


@frozen
class SubscribeRoom:
    sdp: str = field(repr=False)
    auth_token: str = field(repr=False)
    wanted: tuple[Wanted, ...]


@frozen
class LeaveRoom:
    pass


@frozen
class SetMute:
    kind: Kind
    muted: bool


Request = Authenticate | GetRoomMembers | JoinRoom | SubscribeRoom | LeaveRoom | SetMute


def request(call: Call) -> Request:
    """Raises UnknownMethod or BadRequest."""
    reader = _REQUESTS.get(call.method)
    if reader is None:
        raise UnknownMethod("no such method")
    return reader(_Params(call.params))


class _Params:
    """Reads parameters by name and type."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def has(self, name: str) -> bool:
        return self._values.get(name) not in (None, "")

    def text(self, name: str, longest: int | None = None) -> str:
        text = self.optional_text(name, longest)
        if text is None:
            raise BadRequest(f"{name} is missing")
        return text

    def optional_text(self, name: str, longest: int | None = None) -> str | None:
        value = self._values.get(name)
        if value is None:
            return None
        # No database and no C library takes a NUL inside a text.
        if not isinstance(value, str) or "\0" in value:
            raise BadRequest(f"{name} is no text")
        if longest is not None and len(value) > longest:
            raise BadRequest(f"{name} is longer than {longest}")
        return value or None

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise BadRequest(f"{name} is true or false")
        return value or False

    def size(self, name: str) -> int | None:
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_SIZE_PX:
            raise BadRequest(f"{name} is a whole number from 1 to {MAX_SIZE_PX}")
        return value

    def objects(self, name: str) -> list["_Params"]:
        value = self._values.get(name)
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise BadRequest(f"{name} is a list of objects")
        return [_Params(entry) for entry in value]


_CALL_ID = re.compile(rf"[A-Za-z0-9._:@-]{{1,{CALL_ID_CHARS}}}")


def _call_id(params: _Params) -> str:
    call_id = params.text("call_id")
    if _CALL_ID.fullmatch(call_id) is None:
        raise BadRequest(f"call_id is 1 to {CALL_ID_CHARS} letters, digits and . _ : @ -")
    return call_id


def _credentials(params: _Params) -> Credentials | None:
    """A device beats a username; half a pair is a mistake, not a visitor without credentials."""
    if params.has("device"):
        return Device(params.text("device", NAME_CHARS), params.text("device_token", SECRET_CHARS))
    if params.has("username") or params.has("password"):
        return Password(params.text("username", NAME_CHARS), params.text("password", SECRET_CHARS))
    if params.has("device_token"):
        raise BadRequest("device is missing")
    return None


def _authenticate(params: _Params) -> Authenticate:
    return Authenticate(
        room=params.text("room"),
        call_id=_call_id(params),
        display_name=params.optional_text("display_name", NAME_CHARS),
        room_password=params.optional_text("room_password", SECRET_CHARS),
        credentials=_credentials(params),
    )


def _join_room(params: _Params) -> JoinRoom:
    return JoinRoom(
        sdp=params.text("sdp"),
        auth_token=params.text("auth_token", TOKEN_CHARS),
        audio_muted=params.flag("audio_muted"),
        video_muted=params.flag("video_muted"),
    )


def _subscribe_room(params: _Params) -> SubscribeRoom:
    wanted = tuple(_wanted(entry) for entry in params.objects("members"))
    _refuse_repeats("id", [entry.name for entry in wanted])
    _refuse_repeats("video_mid", [entry.mid for entry in wanted])
    return SubscribeRoom(sdp=params.text("sdp"), auth_token=params.text("auth_token", TOKEN_CHARS), wanted=wanted)


def _wanted(params: _Params) -> Wanted:
    width, height = params.size("width"), params.size("height")
    if (width is None) != (height is None):
        raise BadRequest("width and height come together")
    return Wanted(mid=params.text("video_mid"), name=params.text("id"), width=width, height=height)


def _refuse_repeats(name: str, values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        raise BadRequest(f"{name} is used twice")


_REQUESTS: Mapping[str, Callable[[_Params], Request]] = {
    "authenticate": _authenticate,
    "get_room_members": lambda _: GetRoomMembers(),
    "join_room": _join_room,
    "subscribe_room": _subscribe_room,
    "leave_room": lambda _: LeaveRoom(),
    "mute_audio": lambda _: SetMute("audio", True),
    "unmute_audio": lambda _: SetMute("audio", False),
    "mute_video": lambda _: SetMute("video", True),
    "unmute_video": lambda _: SetMute("video", False),
}

# --- results ---------------------------------------------------------------------------------------------------------


@frozen
class Authenticated:
    auth_token: str = field(repr=False)


@frozen
class MemberList:
    members: Sequence[Member]


@frozen
class RoomJoined:
    call_id: str
    sdp: str = field(repr=False)
    members: Sequence[Member]
    is_admin: bool


@frozen
class Subscribed:
    sdp: str = field(repr=False)


@frozen
class Done:
    pass


Result = Authenticated | MemberList | RoomJoined | Subscribed | Done


def result(call: Call, value: Result) -> str:
    return _reply(call.id, call.has_jsonrpc, "result", _encode_result(value))


def _encode_result(result: Result) -> str:
    match result:
        case Authenticated(auth_token):
            return json.dumps({"auth_token": auth_token})
        case MemberList(members):
            return _encode_members(members)
        case RoomJoined(call_id, sdp, members, is_admin):
            return (
                f'{{"call_id": {json.dumps(call_id)}, "sdp": {json.dumps(sdp)}, '
                f'"members": {_encode_members(members)}, "is_admin": {json.dumps(is_admin)}}}'
            )
        case Subscribed(sdp):
            return json.dumps({"sdp": sdp})
        case Done():
            return "{}"
        case _:
            assert_never(result)


def _encode_members(members: Sequence[Member]) -> str:
    return "[" + ", ".join(map(_encode_member, members)) + "]"


# A crowd that joins within a second reads each member's description as often as it has members.
@lru_cache(maxsize=4096)
def _encode_member(member: Member) -> str:
    return json.dumps(asdict(member) | {"stream": stream_id(member.id)})


# --- notifications ---------------------------------------------------------------------------------------------------


def notification(event: Event | ServerDraining) -> str | None:
    """None if this protocol has no words for it."""
    match event:
        case MemberJoined(member):
            return f'{{"method": "member_join_room", "params": {_encode_member(member)}}}'
        case MemberLeft(member):
            return _notification("member_leave_room", member=member, by_admin=event.by_admin)
        case MuteChanged(member, kind, muted):
            return _notification(f"member_{'mute' if muted else 'unmute'}_{kind}", member=member, by_admin=False)
        case ActiveSpeaker(None):
            return _notification("room_clear_active_speaker")
        case ActiveSpeaker(member):
            return _notification("room_active_speaker", member=member)
        case MediaLost():
            return _notification("media_lost")
        case ServerDraining(deadline):
            return _notification("server_draining", deadline=deadline.isoformat())
        case RoomEmptied():
            return None
        case _:
            assert_never(event)


def _notification(method: str, **params: str | bool | None) -> str:
    return json.dumps({"method": method, "params": params})
