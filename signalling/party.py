"""What one socket of the Room API may do, and when: the states of a party (contract room-api, section 4.1).

    anonymous -authenticate-> authenticated -join_room-> joined -leave_room | lost | ended-> anonymous
    anonymous -join_room-> joined

A socket carries one party. Every request is checked in this order: parameters (by the dialect), state, proof, room. What
changes anything comes after the last await, so that a socket that goes away during one leaves no trace. The party
outlives the socket only as a member of its room, which waits for it there.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import assert_never

from attrs import frozen

from signalling.dialects.room_api import (
    Authenticate,
    Authenticated,
    Credentials,
    Device,
    Done,
    GetRoomMembers,
    JoinRoom,
    LeaveRoom,
    MemberList,
    Password,
    Request,
    Result,
    RoomJoined,
    SetMute,
    Subscribed,
    SubscribeRoom,
)
from signalling.door import source_of
from signalling.ports import Claims, Directory, RoomRecord, TokenRefused, Tokens, User
from signalling.room.access import Waiting, admit, asks_password
from signalling.room.commands import Join, Leave, Mute
from signalling.room.errors import MustWait, NotFound, Unauthorized, WrongState
from signalling.rooms import Joined, Listener, RoomHost, Rooms

Reply = Callable[[Result], None]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@frozen
class Anonymous:
    pass


@frozen
class Admitted:
    """Holds a token for a call of its own."""

    room: str
    call_id: str


@frozen(eq=False)
class Inside:
    host: RoomHost
    member: str

    def is_call(self, claims: Claims) -> bool:
        return (claims.room, claims.call_id) == (self.host.id, self.member)


State = Anonymous | Admitted | Inside


class Party:
    def __init__(self, listener: Listener, rooms: Rooms, directory: Directory, tokens: Tokens, remote: str) -> None:
        self._listener = listener
        self._rooms = rooms
        self._directory = directory
        self._tokens = tokens
        self._remote = remote
        self._state: State = Anonymous()

    async def perform(self, request: Request, reply: Reply) -> None:
        """Calls `reply` once, between what the request changes and the notifications of it; or raises RoomError."""
        match request:
            case Authenticate():
                await self._authenticate(request, reply)
            case GetRoomMembers():
                await self._get_room_members(reply)
            case JoinRoom():
                await self._join_room(request, reply)
            case SubscribeRoom():
                self._subscribe_room(request, reply)
            case LeaveRoom():
                self._leave_room(reply)
            case SetMute(kind, muted):
                inside = self._inside()
                inside.host.perform(Mute(inside.member, kind, muted), partial(reply, Done()))
            case _:
                assert_never(request)

    def out_of_room(self) -> None:
        self._state = Anonymous()
        self._rooms.call_ended(self._listener)

    def socket_gone(self) -> None:
        """Synchronous: the task that calls it is being cancelled."""
        match self._state:
            case Admitted(call_id=call_id):
                self._rooms.release_call(call_id, self._listener)
            case Inside(host, member):
                host.socket_gone(member, self._listener)
        self._state = Anonymous()

    # --- authenticate ---

    async def _authenticate(self, request: Authenticate, reply: Reply) -> None:
        if not isinstance(self._state, Anonymous):
            raise WrongState("this socket carries a call already")
        room = await self._record(request.room.lower())
        user = None if request.credentials is None else await self._user(request.credentials)
        user_id = None if user is None else user.id
        knows_password = asks_password(room, user_id) and await self._knows_password(room, request.room_password)
        admission = admit(room, user_id, knows_password)
        if isinstance(admission, Waiting):
            raise MustWait("only listed users and those who know the password may enter")
        name = (user.display_name if user is not None else None) or request.display_name or ""
        self._rooms.hold_call(request.call_id, room.uuid, user_id, self._listener)
        self._state = Admitted(room.uuid, request.call_id)
        token = self._tokens.issue(
            room=room.uuid, call_id=request.call_id, user=user_id, name=name, is_admin=admission.is_admin
        )
        reply(Authenticated(token))

    async def _user(self, credentials: Credentials) -> User:
        match credentials:
            case Password(username, password):
                claimed = f"user {username}"
                proof = partial(self._directory.user_by_password, username, password)
            case Device(device, token):
                claimed = f"device {device}"
                proof = partial(self._directory.user_by_device, device, token)
            case _:
                assert_never(credentials)
        user = await self._rooms.door.prove([claimed, self._address], proof)
        if user is None:
            raise Unauthorized("wrong credentials")
        return user

    async def _knows_password(self, room: RoomRecord, password: str | None) -> bool:
        if password is None or not room.has_password:
            return False
        proof = partial(self._directory.room_password_is, room.uuid, password)
        return await self._rooms.door.prove([self._address], proof)

    @property
    def _address(self) -> str:
        return f"address {source_of(self._remote)}"

    # --- in and out ---

    async def _get_room_members(self, reply: Reply) -> None:
        match self._state:
            case Inside(host):
                reply(MemberList(host.members))
            case Admitted(room):
                await self._rooms.record(room)
                reply(MemberList(self._rooms.members(room)))
            case Anonymous():
                raise WrongState("authenticate first")
            case _:
                assert_never(self._state)

    async def _join_room(self, request: JoinRoom, reply: Reply) -> None:
        if isinstance(self._state, Inside) and not self._state.host.may_join_again(self._state.member):
            raise WrongState("already joined; subscribe_room renegotiates")
        claims, room = await self._claims(request.auth_token)
        if isinstance(self._state, Inside) and not self._state.is_call(claims):
            raise WrongState("this socket carries another call")
        join = Join(
            member=claims.call_id,
            user=claims.user,
            name=claims.name,
            is_admin=claims.is_admin,
            token_id=claims.token_id,
            audio_muted=request.audio_muted,
            video_muted=request.video_muted,
        )

        def inside(joined: Joined) -> None:
            self._bind(Inside(joined.host, joined.member.id))
            reply(RoomJoined(joined.member.id, joined.answer, joined.others, joined.member.is_admin))

        self._rooms.join(room, join, request.sdp, self._listener, inside)

    def _bind(self, inside: Inside) -> None:
        if isinstance(self._state, Admitted):
            self._rooms.release_call(self._state.call_id, self._listener)
        self._state = inside

    def _subscribe_room(self, request: SubscribeRoom, reply: Reply) -> None:
        inside = self._inside()
        if not inside.is_call(self._read_token(request.auth_token)):
            raise Unauthorized("this token is another call's")
        reply(Subscribed(inside.host.renegotiate(inside.member, request.sdp, request.wanted)))

    def _leave_room(self, reply: Reply) -> None:
        match self._state:
            case Inside(host, member):
                host.perform(Leave(member), partial(reply, Done()))
            case Admitted(call_id=call_id):
                self._rooms.release_call(call_id, self._listener)
                self._state = Anonymous()
                reply(Done())
            case Anonymous():
                raise WrongState("there is nothing to leave")
            case _:
                assert_never(self._state)

    def _inside(self) -> Inside:
        if not isinstance(self._state, Inside):
            raise WrongState("join_room first")
        return self._state

    # --- rooms and tokens ---

    async def _record(self, uuid: str) -> RoomRecord:
        if _UUID.fullmatch(uuid) is None:
            raise NotFound("no such room")
        return await self._rooms.record(uuid)

    async def _claims(self, token: str) -> tuple[Claims, RoomRecord]:
        """Who may enter where. A room that is gone is said to be gone, whatever has become of the token."""
        try:
            claims = self._tokens.read(token)
        except TokenRefused as refused:
            if refused.claims is not None:
                await self._record(refused.claims.room)
            raise Unauthorized("the token is not valid") from refused
        room = await self._record(claims.room)
        return claims, room

    def _read_token(self, token: str) -> Claims:
        try:
            return self._tokens.read(token)
        except TokenRefused as refused:
            raise Unauthorized("the token is not valid") from refused
