"""What a client may ask for: every method's parameters, read and checked (contract room-api, 5.1 to 5.3 and 7.7).

Unknown fields are ignored, null stands for an absent optional one, an empty string for a missing required one. Whether
the client may ask for it now, and whether whoever it names exists, is parties/room_api.py's to find out.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen

from sfu.wanted import Wanted
from signalling.dialects.json_text import CONTROL, is_clean
from signalling.dialects.room_api.envelope import Call
from signalling.limits import (
    CALL_ID_CHARS,
    INVITED,
    INVITED_CHARS,
    KPOINT_ID_CHARS,
    MAX_SIZE_PX,
    NAME_CHARS,
    REACTION_CHARS,
    SECRET_CHARS,
    TOKEN_CHARS,
)
from signalling.room.errors import BadRequest, UnknownMethod
from signalling.room.member import Kind


@frozen
class Password:
    username: str
    password: str = field(repr=False)


@frozen
class Device:
    device: str
    token: str = field(repr=False)


Credentials = Password | Device

# --- getting in ------------------------------------------------------------------------------------------------------


@frozen
class Authenticate:
    room: str
    call_id: str
    display_name: str | None
    room_password: str | None = field(repr=False)
    credentials: Credentials | None


@frozen
class EnterByAccess:
    """`authenticate` with an s-connector access token, to the room of its licence that has this name."""

    room: str
    call_id: str
    display_name: str | None
    access_token: str = field(repr=False)
    origin: str | None
    """Of the page that embeds the call."""


@frozen
class Remind:
    """`still_waiting`."""


@frozen
class AllowMember:
    member: str
    auth_token: str = field(repr=False)
    """An admin's; it names the room, and whoever sends it need not be inside."""


@frozen
class RejectMember:
    member: str
    auth_token: str = field(repr=False)


@frozen
class GetRoomMembers:
    pass


@frozen
class GetWaitingMembers:
    pass


@frozen
class JoinRoom:
    sdp: str = field(repr=False)
    auth_token: str = field(repr=False)
    audio_muted: bool
    video_muted: bool


@frozen
class WatchRoom:
    auth_token: str = field(repr=False)


@frozen
class LeaveRoom:
    pass


# --- users and invitations -------------------------------------------------------------------------------------------


@frozen
class RegisterUser:
    """`register_room_api`."""

    credentials: Credentials


@frozen
class CreateTempRoom:
    credentials: Credentials
    call_id: str
    sdp: str = field(repr=False)
    invited: tuple[str, ...]
    audio_muted: bool
    video_muted: bool


@frozen
class ConvertToRoom:
    call_id: str
    """Of a call between phones, as SIP knows it."""
    invited: tuple[str, ...]


@frozen
class InviteExtens:
    extens: tuple[str, ...]


@frozen
class RefuseInvitation:
    """`room_invite_reject`, by whoever was invited; room and call id are those of the `room_invite`."""

    room: str
    call_id: str


# --- inside ----------------------------------------------------------------------------------------------------------


@frozen
class SubscribeRoom:
    sdp: str = field(repr=False)
    auth_token: str = field(repr=False)
    wanted: tuple[Wanted, ...]


@frozen
class RemoveMember:
    member: str


@frozen
class SetMemberMute:
    """By an admin."""

    member: str
    kind: Kind
    muted: bool


@frozen
class SetMute:
    """The sender's own flag."""

    kind: Kind
    muted: bool


@frozen
class SetHand:
    raised: bool


@frozen
class SetScreenShare:
    sharing: bool


@frozen
class SendReaction:
    reaction: str


Request = (
    Authenticate
    | EnterByAccess
    | Remind
    | AllowMember
    | RejectMember
    | GetRoomMembers
    | GetWaitingMembers
    | JoinRoom
    | WatchRoom
    | LeaveRoom
    | RegisterUser
    | CreateTempRoom
    | ConvertToRoom
    | InviteExtens
    | RefuseInvitation
    | SubscribeRoom
    | RemoveMember
    | SetMemberMute
    | SetMute
    | SetHand
    | SetScreenShare
    | SendReaction
)


def request(call: Call) -> Request:
    """Raises UnknownMethod or BadRequest."""
    reader = METHODS.get(call.method)
    if reader is None:
        raise UnknownMethod("no such method")
    return reader(_Params(call.params))


# --- parameters of every kind ----------------------------------------------------------------------------------------

_CALL_ID = re.compile(rf"[A-Za-z0-9._:@-]{{1,{CALL_ID_CHARS}}}")
_DESTINATION = re.compile(rf"[A-Za-z0-9+*#._-]{{1,{INVITED_CHARS}}}")


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
        if not isinstance(value, str) or not is_clean(value):
            raise BadRequest(f"{name} is no text")
        if longest is not None and len(value) > longest:
            raise BadRequest(f"{name} is longer than {longest}")
        return value or None

    def call_id(self, name: str) -> str:
        """The id of a call, and so that of a member."""
        call_id = self.text(name)
        if _CALL_ID.fullmatch(call_id) is None:
            raise BadRequest(f"{name} is 1 to {CALL_ID_CHARS} letters, digits and . _ : @ -")
        return call_id

    def room_name(self, name: str) -> str:
        """Of a licence's room, which KPOINT clients may enter too."""
        room = self.text(name, KPOINT_ID_CHARS)
        if CONTROL.search(room):
            raise BadRequest(f"{name} has control characters")
        return room

    def token(self) -> str:
        return self.text("auth_token", TOKEN_CHARS)

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

    def destinations(self, name: str, fewest: int) -> tuple[str, ...]:
        """Extensions, numbers or user names; the same one twice is one invitation."""
        value = self._values.get(name)
        if not isinstance(value, list) or not fewest <= len(value) <= INVITED:
            raise BadRequest(f"{name} is a list of {fewest} to {INVITED} texts")
        if not all(isinstance(entry, str) and _DESTINATION.fullmatch(entry) for entry in value):
            raise BadRequest(f"each of {name} is 1 to {INVITED_CHARS} letters, digits and + * # . _ -")
        return tuple(dict.fromkeys(value))

    def optional_credentials(self) -> Credentials | None:
        """A device beats a username; half a pair is a mistake, not a visitor without credentials."""
        if self.has("device"):
            return Device(self.text("device", NAME_CHARS), self.text("device_token", SECRET_CHARS))
        if self.has("username") or self.has("password"):
            return Password(self.text("username", NAME_CHARS), self.text("password", SECRET_CHARS))
        if self.has("device_token"):
            raise BadRequest("device is missing")
        return None

    def credentials(self) -> Credentials:
        credentials = self.optional_credentials()
        if credentials is None:
            raise BadRequest("username and password, or device and device_token, are missing")
        return credentials


# --- method by method ------------------------------------------------------------------------------------------------


def _authenticate(params: _Params) -> Authenticate | EnterByAccess:
    if params.has("access_token"):
        return EnterByAccess(
            room=params.room_name("room"),
            call_id=params.call_id("call_id"),
            display_name=params.optional_text("display_name", NAME_CHARS),
            access_token=params.text("access_token", TOKEN_CHARS),
            origin=params.optional_text("origin", NAME_CHARS),
        )
    return Authenticate(
        room=params.text("room", NAME_CHARS),
        call_id=params.call_id("call_id"),
        display_name=params.optional_text("display_name", NAME_CHARS),
        room_password=params.optional_text("room_password", SECRET_CHARS),
        credentials=params.optional_credentials(),
    )


def _allow_member(params: _Params) -> AllowMember:
    return AllowMember(member=params.call_id("member"), auth_token=params.token())


def _reject_member(params: _Params) -> RejectMember:
    return RejectMember(member=params.call_id("member"), auth_token=params.token())


def _join_room(params: _Params) -> JoinRoom:
    return JoinRoom(
        sdp=params.text("sdp"),
        auth_token=params.token(),
        audio_muted=params.flag("audio_muted"),
        video_muted=params.flag("video_muted"),
    )


def _watch_room(params: _Params) -> WatchRoom:
    return WatchRoom(auth_token=params.token())


def _register_user(params: _Params) -> RegisterUser:
    return RegisterUser(credentials=params.credentials())


def _create_temp_room(params: _Params) -> CreateTempRoom:
    return CreateTempRoom(
        credentials=params.credentials(),
        call_id=params.call_id("call_id"),
        sdp=params.text("sdp"),
        invited=params.destinations("invited", fewest=0),
        audio_muted=params.flag("audio_muted"),
        video_muted=params.flag("video_muted"),
    )


def _convert_to_room(params: _Params) -> ConvertToRoom:
    return ConvertToRoom(call_id=params.call_id("call_id"), invited=params.destinations("invited", fewest=0))


def _invite_extens(params: _Params) -> InviteExtens:
    return InviteExtens(extens=params.destinations("extens", fewest=1))


def _refuse_invitation(params: _Params) -> RefuseInvitation:
    return RefuseInvitation(room=params.text("room", NAME_CHARS), call_id=params.call_id("call_id"))


def _subscribe_room(params: _Params) -> SubscribeRoom:
    wanted = tuple(_wanted(entry) for entry in params.objects("members"))
    _refuse_repeats("id", [entry.name for entry in wanted])
    _refuse_repeats("video_mid", [entry.mid for entry in wanted])
    return SubscribeRoom(sdp=params.text("sdp"), auth_token=params.token(), wanted=wanted)


def _wanted(params: _Params) -> Wanted:
    width, height = params.size("width"), params.size("height")
    if (width is None) != (height is None):
        raise BadRequest("width and height come together")
    return Wanted(mid=params.text("video_mid"), name=params.text("id"), width=width, height=height)


def _refuse_repeats(name: str, values: Sequence[str]) -> None:
    if len(set(values)) != len(values):
        raise BadRequest(f"{name} is used twice")


def _remove_member(params: _Params) -> RemoveMember:
    return RemoveMember(member=params.call_id("member"))


def _set_member_mute(kind: Kind, muted: bool) -> "_Reader":
    return lambda params: SetMemberMute(params.call_id("member"), kind, muted)


def _send_reaction(params: _Params) -> SendReaction:
    return SendReaction(reaction=params.text("reaction", REACTION_CHARS))


_Reader = Callable[[_Params], Request]

METHODS: Mapping[str, _Reader] = {
    "authenticate": _authenticate,
    "still_waiting": lambda _: Remind(),
    "allow_member": _allow_member,
    "reject_member": _reject_member,
    "get_room_members": lambda _: GetRoomMembers(),
    "get_waiting_room_members": lambda _: GetWaitingMembers(),
    "join_room": _join_room,
    "watch_room": _watch_room,
    "leave_room": lambda _: LeaveRoom(),
    "register_room_api": _register_user,
    "create_temp_room": _create_temp_room,
    "convert_to_room": _convert_to_room,
    "invite_exten": _invite_extens,
    "room_invite_reject": _refuse_invitation,
    "subscribe_room": _subscribe_room,
    "remove_member": _remove_member,
    "mute_member_audio": _set_member_mute("audio", True),
    "unmute_member_audio": _set_member_mute("audio", False),
    "mute_member_video": _set_member_mute("video", True),
    "unmute_member_video": _set_member_mute("video", False),
    "mute_audio": lambda _: SetMute("audio", True),
    "unmute_audio": lambda _: SetMute("audio", False),
    "mute_video": lambda _: SetMute("video", True),
    "unmute_video": lambda _: SetMute("video", False),
    "raise_hand": lambda _: SetHand(True),
    "unraise_hand": lambda _: SetHand(False),
    "start_screen_share": lambda _: SetScreenShare(True),
    "stop_screen_share": lambda _: SetScreenShare(False),
    "send_reaction": _send_reaction,
}
