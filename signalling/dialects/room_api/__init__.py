"""The Room API's words: text to envelopes and typed requests, results and events to text (contract room-api, 3 to 6).

    text  > envelope.read > Call > requests.request > Request
    reply < results.result, envelope.error          < Result, RoomError
    text  < notifications.notification              < Word

Pure and without state. `read` takes the envelope apart, `request` the parameters; they are two steps because the id has
to be known for the refusal of a bad parameter. What a request means, and whether it is allowed now, is parties/room_api.py's.
"""

from typing import Final

from signalling.dialects.room_api.envelope import ERROR_CODES, Call, error, internal_error, read
from signalling.dialects.room_api.notifications import notification
from signalling.dialects.room_api.requests import (
    AllowMember,
    Authenticate,
    ConvertToRoom,
    CreateTempRoom,
    Credentials,
    Device,
    EnterByAccess,
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
    request,
)
from signalling.dialects.room_api.results import (
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
    result,
)

NAME: Final = "room_api"

BINARY_REPLY: Final = None
"""A binary frame closes the socket."""

__all__ = [
    "BINARY_REPLY",
    "ERROR_CODES",
    "NAME",
    "AllowMember",
    "Authenticate",
    "Authenticated",
    "Call",
    "ConvertToRoom",
    "CreateTempRoom",
    "Credentials",
    "Device",
    "Done",
    "EnterByAccess",
    "GetRoomMembers",
    "GetWaitingMembers",
    "InviteExtens",
    "JoinRoom",
    "LeaveRoom",
    "MemberList",
    "Password",
    "PeopleInvited",
    "RefuseInvitation",
    "RegisterUser",
    "Registered",
    "RejectMember",
    "Remind",
    "RemoveMember",
    "Request",
    "Result",
    "RoomConverted",
    "RoomJoined",
    "RoomWatched",
    "SendReaction",
    "SetHand",
    "SetMemberMute",
    "SetMute",
    "SetScreenShare",
    "SubscribeRoom",
    "Subscribed",
    "TempRoomCreated",
    "WaitingList",
    "WatchRoom",
    "error",
    "internal_error",
    "notification",
    "read",
    "request",
    "result",
]
