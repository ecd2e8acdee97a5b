"""What a request is answered with when it has succeeded (contract room-api, 5.1 to 5.3, 11)."""

import json
from collections.abc import Sequence
from typing import Any, assert_never

from attrs import field, frozen

from signalling.dialects.room_api.envelope import Call, reply
from signalling.dialects.room_api.people import members_json, waiting_party
from signalling.room.invitations import Ringing, Unreachable
from signalling.room.member import Member, WaitingParty

UNKNOWN = 404
UNAVAILABLE = 480
"""SIP's word for somebody who is known and cannot be reached now."""


@frozen
class Done:
    pass


@frozen
class Authenticated:
    auth_token: str = field(repr=False)


@frozen
class MemberList:
    members: Sequence[Member]


@frozen
class WaitingList:
    parties: Sequence[WaitingParty]


@frozen
class RoomJoined:
    call_id: str
    sdp: str = field(repr=False)
    members: Sequence[Member]
    """The others."""
    is_admin: bool


@frozen
class RoomWatched:
    room_id: str
    members: Sequence[Member]


@frozen
class Subscribed:
    sdp: str = field(repr=False)


@frozen
class Registered:
    user: str
    expires_s: float


@frozen
class TempRoomCreated:
    """The caller is inside, as the admin and so far alone."""

    room_id: str
    call_id: str
    sdp: str = field(repr=False)
    auth_token: str = field(repr=False)
    ringing: Sequence[Ringing]
    unreachable: Sequence[Unreachable]


@frozen
class RoomConverted:
    room_id: str
    auth_token: str = field(repr=False)
    ringing: Sequence[Ringing]
    unreachable: Sequence[Unreachable]


@frozen
class PeopleInvited:
    ringing: Sequence[Ringing]
    unreachable: Sequence[Unreachable]


Result = (
    Done
    | Authenticated
    | MemberList
    | WaitingList
    | RoomJoined
    | RoomWatched
    | Subscribed
    | Registered
    | TempRoomCreated
    | RoomConverted
    | PeopleInvited
)


def result(call: Call, value: Result) -> str | None:
    return reply(call, _encode(value))


def _encode(value: Result) -> str:
    match value:
        case Done():
            return "{}"
        case Authenticated(auth_token):
            return json.dumps({"auth_token": auth_token})
        case MemberList(members):
            return members_json(members)
        case WaitingList(parties):
            return json.dumps([waiting_party(party) for party in parties])
        case RoomJoined(call_id, sdp, members, is_admin):
            return _with_members({"call_id": call_id, "sdp": sdp, "is_admin": is_admin}, members)
        case RoomWatched(room_id, members):
            return _with_members({"room_id": room_id}, members)
        case Subscribed(sdp):
            return json.dumps({"sdp": sdp})
        case Registered(user, expires_s):
            return json.dumps({"user": user, "expires": _number(expires_s)})
        case TempRoomCreated(room_id, call_id, sdp, auth_token, ringing, unreachable):
            entry = {"room_id": room_id, "call_id": call_id, "auth_token": auth_token, "sdp": sdp}
            return json.dumps(entry | {"members": [], "is_admin": True} | _invited(ringing, unreachable))
        case RoomConverted(room_id, auth_token, ringing, unreachable):
            return json.dumps({"room_id": room_id, "auth_token": auth_token} | _invited(ringing, unreachable))
        case PeopleInvited(ringing, unreachable):
            return json.dumps(_invited(ringing, unreachable))
        case _:
            assert_never(value)


def _with_members(others: dict[str, Any], members: Sequence[Member]) -> str:
    return f'{json.dumps(others)[:-1]}, "members": {members_json(members)}}}'


def _invited(ringing: Sequence[Ringing], unreachable: Sequence[Unreachable]) -> dict[str, Any]:
    return {
        "invited": [{"bridge_id": each.bridge_id, "destination": each.destination} for each in ringing],
        "failed": [
            {"destination": each.destination, "code": UNKNOWN if each.unknown else UNAVAILABLE} for each in unreachable
        ],
    }


def _number(seconds: float) -> float:
    """90 is not written 90.0."""
    return int(seconds) if seconds == int(seconds) else seconds
