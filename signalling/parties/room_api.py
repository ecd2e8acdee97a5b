"""What one socket of the Room API may do, and when: the states of a party (contract room-api, section 4.1).

    anonymous -authenticate-> admitted -join_room-> inside -leave_room | removed | lost | ended-> anonymous
    anonymous -authenticate-> waiting  -allowed-> admitted
                              waiting  -rejected-> anonymous
    anonymous, waiting, admitted -watch_room-> watching, or inside if the call is
    any, inside only if it watches or lost its media -join_room-> inside
    waiting, admitted, watching -leave_room-> anonymous

A socket carries one party, and beside it the registration of a user. Every request is checked in this order: parameters (by
the dialect), state, proof, room. What changes anything comes after the last await, so that a handler that is cancelled
during one leaves no trace; and since an admin, the room or another socket may have changed the state during one, whatever
the change relies on is looked at again. The party outlives the socket only as a member of its room, which waits for it there.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import assert_never

import trio
from attrs import frozen

from signalling.dialects.room_api import (
    AllowMember,
    Authenticate,
    Authenticated,
    Call,
    ConvertToRoom,
    CreateTempRoom,
    Credentials,
    Device,
    Done,
    EnterByAccess,
    GetRoomMembers,
    GetWaitingMembers,
    InviteExtens,
    JoinRoom,
    LeaveRoom,
    MemberList,
    Password,
    PeopleInvited,
    RefuseInvitation,
    Registered,
    RegisterUser,
    RejectMember,
    Remind,
    RemoveMember,
    Request,
    Result,
    RoomJoined,
    RoomWatched,
    SendReaction,
    SetHand,
    SetMemberMute,
    SetMute,
    SetScreenShare,
    Subscribed,
    SubscribeRoom,
    TempRoomCreated,
    WaitingList,
    WatchRoom,
)
from signalling.door import source_of
from signalling.host import Joined, RoomHost
from signalling.listener import Listener
from signalling.ports import (
    AccessForbidden,
    AccessGrant,
    AccessRefused,
    Claims,
    Licence,
    RoomRecord,
    TokenRefused,
    User,
)
from signalling.room.access import Admission, admit, asks_password, listed
from signalling.room.commands import (
    Command,
    Join,
    Leave,
    Mute,
    MuteMember,
    RaiseHand,
    React,
    Reject,
    Remove,
    ShareScreen,
    StillWaiting,
)
from signalling.room.errors import Forbidden, InvitationOver, MustWait, NotFound, RoomError, Unauthorized, WrongState
from signalling.room.member import Member, WaitingParty
from signalling.rooms import Rooms

Reply = Callable[[Result | RoomError], None]
"""A RoomError as a reply, not raised, is the refusal that comes with a change: whoever has to wait does wait now."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@frozen
class Anonymous:
    pass


@frozen(eq=False)
class Waiting:
    host: RoomHost
    call_id: str


@frozen
class Admitted:
    """Holds a token for a call of its own."""

    claims: Claims


@frozen(eq=False)
class Watching:
    """Listens with the token of a call that is not inside."""

    host: RoomHost
    call_id: str


@frozen(eq=False)
class Inside:
    host: RoomHost
    member: str
    watching: bool = False
    """Whether it acts for a member whose connection belongs to another socket, or to a phone."""

    def is_call(self, claims: Claims) -> bool:
        return (claims.room, claims.call_id) == (self.host.id, self.member)


State = Anonymous | Waiting | Admitted | Watching | Inside


class RoomApiParty:
    def __init__(self, listener: Listener, rooms: Rooms) -> None:
        self._listener = listener
        self._rooms = rooms
        self._state: State = Anonymous()

    def admit(self, call: Call) -> None:
        """Any socket may ask anything: what it may do depends on what it asks exactly."""

    async def watch(self) -> None:
        """A socket may stay silent for ever."""

    async def perform(self, request: Request, reply: Reply) -> None:
        """Calls `reply` once, between what the request changes and the notifications of it; or raises RoomError."""
        match request:
            case Authenticate():
                await self._authenticate(request, reply)
            case EnterByAccess():
                await self._enter_by_access(request, reply)
            case AllowMember() | RejectMember():
                await self._decide(request, reply)
            case GetRoomMembers():
                await self._get_room_members(reply)
            case GetWaitingMembers():
                await self._get_waiting_members(reply)
            case Remind():
                self._remind(reply)
            case JoinRoom():
                await self._join_room(request, reply)
            case WatchRoom():
                await self._watch_room(request, reply)
            case SubscribeRoom():
                self._subscribe_room(request, reply)
            case LeaveRoom():
                self._leave_room(reply)
            case RegisterUser():
                await self._register(request, reply)
            case CreateTempRoom():
                await self._create_temp_room(request, reply)
            case ConvertToRoom():
                self._convert_to_room()
            case InviteExtens():
                await self._invite_extens(request, reply)
            case RefuseInvitation(room, call_id):
                self._rooms.host(room.lower()).refuse(call_id, self._listener, partial(reply, Done()))
            case RemoveMember():
                await self._remove_member(request, reply)
            case SetMemberMute(member, kind, muted):
                self._act(lambda admin: MuteMember(admin, member, kind, muted), reply)
            case SetMute(kind, muted):
                self._act(lambda member: Mute(member, kind, muted), reply)
            case SetHand(raised):
                self._act(lambda member: RaiseHand(member, raised), reply)
            case SetScreenShare(sharing):
                self._act(lambda member: ShareScreen(member, sharing), reply)
            case SendReaction(reaction):
                self._act(lambda member: React(member, reaction), reply)
            case _:
                assert_never(request)

    # --- as rooms see it ---

    def out_of_room(self) -> None:
        self._become(Anonymous())
        self._rooms.call_ended(self._listener)

    def allowed(self, claims: Claims) -> None:
        self._admitted(claims)

    def _admitted(self, claims: Claims) -> None:
        self._rooms.claim_call(claims, self._listener)
        self._become(Admitted(claims))

    def socket_gone(self) -> None:
        """Synchronous: the task that calls it is being cancelled."""
        former = self._state
        self._become(Anonymous())
        self._part(former)
        if isinstance(former, Inside):
            former.host.socket_gone(former.member, self._listener)

    def _become(self, state: State) -> None:
        """The call id stays this socket's as long as its party is at the door, admitted or watching."""
        former, self._state = _call_of(self._state), state
        if former is not None and former != _call_of(state):
            self._rooms.release_call(former, self._listener)

    # --- at the door ---

    async def _authenticate(self, request: Authenticate, reply: Reply) -> None:
        await self._forget_dead_call()
        match self._state:
            case Anonymous():
                pass
            case Waiting(host, call_id):
                if (host.id, call_id) != (request.room.lower(), request.call_id):
                    raise WrongState("this socket waits already; leave_room first")
            case _:
                raise WrongState("this socket carries a call already")
        room = await self._record(request.room.lower())
        if self._rooms.is_licensed(room.uuid):
            raise NotFound("no such room")  # it is entered by its name
        user = None if request.credentials is None else await self._user(request.credentials)
        user_id = None if user is None else user.id
        knows_password = asks_password(room, user_id) and await self._knows_password(room, request.room_password)
        if request.credentials is not None or request.room_password is not None:
            room = await self._record(room.uuid)  # proofs take their time
        returning = self._rooms.returning(request.call_id, room.uuid, user_id)
        if returning is not None:
            admission: Admission | None = Admission(returning.is_admin)
        else:
            admission = admit(room, user_id, knows_password)
        if not isinstance(self._state, Anonymous | Waiting):
            raise WrongState("you have been let in meanwhile")
        name = (user.display_name if user is not None else None) or request.display_name or ""
        self._rooms.hold_call(request.call_id, room.uuid, user_id, self._listener)
        try:
            if admission is not None:
                self._admit(room, request.call_id, user_id, name, admission.is_admin, reply)
            else:
                is_listed = listed(room, user_id) is not None
                self._knock(room, WaitingParty(request.call_id, name, user_id, is_listed), reply)
        finally:
            if _call_of(self._state) != request.call_id:
                self._rooms.release_call(request.call_id, self._listener)

    def _admit(self, room: RoomRecord, call_id: str, user: str | None, name: str, is_admin: bool, reply: Reply) -> None:
        tokens = self._rooms.tokens
        token = tokens.issue(room=room.uuid, call_id=call_id, user=user, name=name, is_admin=is_admin)
        former = self._state
        self._admitted(tokens.read(token))
        reply(Authenticated(token))
        if isinstance(former, Waiting):
            former.host.withdraw(call_id, self._listener)

    def _knock(self, room: RoomRecord, party: WaitingParty, reply: Reply) -> None:
        with self._rooms.hosting(room) as host:

            def waits() -> None:
                self._become(Waiting(host, party.id))
                reply(MustWait("somebody inside has to let you in"))

            host.knock(party, self._listener, waits)

    async def _enter_by_access(self, request: EnterByAccess, reply: Reply) -> None:
        """Into the room of a licence, which is opened if there is none (contract s-connector, section 9)."""
        await self._forget_dead_call()
        if not isinstance(self._state, Anonymous):
            raise WrongState("this socket carries a call already")
        grant = await self._grant(request)
        name = request.display_name or grant.user_name or ""
        tenants, licence = self._rooms.tenants, grant.licence

        async def make() -> RoomHost:
            tenants.check_places(None, licence, request.call_id)
            self._rooms.refuse_if_called(licence.id, request.call_id)
            return await tenants.make_room(
                licence.id,
                request.room,
                kind="media",
                host=request.call_id,
                host_name=name,
                unused_s=self._rooms.connect_timeout_s,
            )

        host = await tenants.find_or_make(licence.id, request.room, make)
        await trio.lowlevel.checkpoint_if_cancelled()
        if host.charter.kind == "relay":
            raise WrongState("this is a call between two clients, without the media engine")
        tenants.check_places(host, licence, request.call_id)
        self._rooms.hold_call(request.call_id, host.id, None, self._listener)
        opener = host.charter.host
        is_admin = grant.is_owner and opener is not None and opener.id == request.call_id
        try:
            self._admit(host.record, request.call_id, None, name, is_admin, reply)
            tenants.reserve(host, licence, request.call_id)
        finally:
            if _call_of(self._state) != request.call_id:
                self._rooms.release_call(request.call_id, self._listener)

    async def _grant(self, request: EnterByAccess) -> AccessGrant:
        try:
            grant = await self._rooms.licences.by_access_token(request.access_token, request.origin)
        except AccessRefused as refused:
            raise Unauthorized(str(refused)) from refused
        except AccessForbidden as forbidden:
            raise Forbidden(str(forbidden)) from forbidden
        if grant.room_name not in (None, request.room) or grant.user_name not in (None, request.display_name):
            raise Unauthorized("the access token is for another room or user")
        return grant

    async def _user(self, credentials: Credentials) -> User:
        directory = self._rooms.directory
        match credentials:
            case Password(username, password):
                claimed = f"user {username}"
                proof = partial(directory.user_by_password, username, password)
            case Device(device, token):
                claimed = f"device {device}"
                proof = partial(directory.user_by_device, device, token)
            case _:
                assert_never(credentials)
        user = await self._rooms.door.prove([claimed, self._address], proof)
        if user is None:
            raise Unauthorized("wrong credentials")
        return user

    async def _knows_password(self, room: RoomRecord, password: str | None) -> bool:
        if password is None or not room.has_password:
            return False
        proof = partial(self._rooms.directory.room_password_is, room.uuid, password)
        return await self._rooms.door.prove([self._address], proof)

    @property
    def _address(self) -> str:
        return f"address {source_of(self._listener.remote.address)}"

    def _remind(self, reply: Reply) -> None:
        if not isinstance(self._state, Waiting):
            raise WrongState("you do not wait")
        self._state.host.perform(StillWaiting(self._state.call_id), partial(reply, Done()))

    async def _decide(self, request: AllowMember | RejectMember, reply: Reply) -> None:
        claims, room = await self._claims(request.auth_token)
        if not claims.is_admin:
            raise Forbidden("admins only")
        host = self._rooms.host(room.uuid)
        match request:
            case AllowMember(member):
                host.allow(member, partial(reply, Done()))
            case RejectMember(member):
                host.perform(Reject(member), partial(reply, Done()))
            case _:
                assert_never(request)

    async def _get_room_members(self, reply: Reply) -> None:
        match self._state:
            case Inside(host):
                reply(MemberList(host.members))
            case Admitted(claims):
                room = await self._room_of(claims)
                reply(MemberList(self._rooms.members(room.uuid)))
            case _:
                raise WrongState("authenticate first")

    async def _get_waiting_members(self, reply: Reply) -> None:
        match self._state:
            case Inside(host, member):
                self._admin(host, member)
                reply(WaitingList(host.waiting))
            case Admitted(claims):
                if not claims.is_admin:
                    raise Forbidden("admins only")
                room = await self._room_of(claims)
                reply(WaitingList(self._rooms.host(room.uuid).waiting if self._rooms.exists(room.uuid) else ()))
            case _:
                raise WrongState("authenticate first")

    # --- in and out ---

    async def _join_room(self, request: JoinRoom, reply: Reply) -> None:
        self._refuse_second_join()
        claims, room = await self._claims(request.auth_token)
        licence = await self._licence(room)
        if licence is not None:
            room = await self._room_of(claims)  # the look-up took its time
        self._refuse_second_join()
        if isinstance(self._state, Inside) and not self._state.is_call(claims):
            raise WrongState("this socket carries another call")
        former = self._state
        join = _join(claims, request.audio_muted, request.video_muted)

        def inside(joined: Joined) -> None:
            self._become(Inside(joined.host, joined.member.id))
            reply(RoomJoined(joined.member.id, joined.answer, joined.others, joined.member.is_admin))

        self._rooms.join(room, join, request.sdp, self._listener, inside, licence=licence)
        if _place_of(former) != (claims.room, claims.call_id):
            self._part(former)

    async def _licence(self, room: RoomRecord) -> Licence | None:
        """Whose room it is. Forbidden if that licence is disabled."""
        scope = self._rooms.scope(room.uuid)
        if not scope:
            return None
        licence = await self._rooms.licences.licence(scope)
        if licence is None or not licence.enabled:
            raise Forbidden("the licence is disabled")
        await trio.lowlevel.checkpoint_if_cancelled()
        return licence

    def _refuse_second_join(self) -> None:
        match self._state:
            case Inside(host, member, watching=False) if not host.may_join_again(member):
                raise WrongState("already joined; subscribe_room renegotiates")

    async def _watch_room(self, request: WatchRoom, reply: Reply) -> None:
        self._refuse_to_watch()
        claims, room = await self._claims(request.auth_token)
        if await self._licence(room) is not None:
            room = await self._room_of(claims)
        self._refuse_to_watch()
        former = self._state

        with self._rooms.hosting(room) as host:

            def watches() -> None:
                reply(RoomWatched(host.id, host.members))

            self._rooms.claim_call(claims, self._listener)
            if host.watch(claims, self._listener, watches):
                self._become(Inside(host, claims.call_id, watching=True))
                self._rooms.release_call(claims.call_id, self._listener)
            else:
                self._become(Watching(host, claims.call_id))
        if _place_of(former) != (claims.room, claims.call_id):
            self._part(former)

    def _refuse_to_watch(self) -> None:
        if isinstance(self._state, Inside | Watching):
            raise WrongState("this socket carries a call already")

    def _subscribe_room(self, request: SubscribeRoom, reply: Reply) -> None:
        inside = self._inside()
        if inside.watching:
            raise WrongState("this socket has no connection; join_room makes one")
        if not inside.is_call(self._read_token(request.auth_token)):
            raise Unauthorized("this token is another call's")
        reply(Subscribed(inside.host.renegotiate(inside.member, request.sdp, request.wanted)))

    def _leave_room(self, reply: Reply) -> None:
        former = self._state
        match former:
            case Inside(host, member):
                host.perform(Leave(member), partial(reply, Done()))
            case Anonymous():
                raise WrongState("there is nothing to leave")
            case Waiting() | Watching() | Admitted():
                self._become(Anonymous())
                reply(Done())
                self._part(former)
                self._rooms.call_ended(self._listener)
            case _:
                assert_never(former)

    def _part(self, former: State) -> None:
        """From what the socket waited for or watched."""
        match former:
            case Waiting(host, call_id):
                host.withdraw(call_id, self._listener)
            case Watching(host, call_id):
                host.unwatch(call_id, self._listener)

    # --- inside ---

    async def _forget_dead_call(self) -> None:
        """A token that is good no more, or whose room is gone, admits to nothing, so its call keeps the socket no longer."""
        former = self._state
        if isinstance(former, Admitted):
            try:
                await self._room_of(former.claims)
            except RoomError:
                if self._state is former:
                    self._become(Anonymous())

    def _inside(self) -> Inside:
        if not isinstance(self._state, Inside):
            raise WrongState("join_room first")
        return self._state

    def _admin(self, host: RoomHost, member: str) -> Member:
        found = host.member(member)
        assert found is not None
        if not found.is_admin:
            raise Forbidden("admins only")
        return found

    def _act(self, command: Callable[[str], Command], reply: Reply) -> None:
        """A command of the member to its room."""
        inside = self._inside()
        inside.host.perform(command(inside.member), partial(reply, Done()))

    async def _remove_member(self, request: RemoveMember, reply: Reply) -> None:
        inside = self._inside()
        host, target = inside.host, request.member
        host.check(Remove(inside.member, target))
        # It is kept before it is told: a crash lets nobody back in who was seen to be removed.
        self._rooms.tokens.revoke(host.id, target)
        done: Callable[[], None] = partial(reply, Done())
        try:
            await self._rooms.tokens.kept()
        except BaseException:
            done = _nothing
            raise
        finally:
            # From the revocation on there is no way back, whoever goes away meanwhile and whatever the store says.
            if host.member(target) is not None:
                host.perform(Remove(None, target), done)
            else:
                done()  # it has left by itself
            self._rooms.free_calls(host.id, target)

    # --- users and invitations ---

    async def _register(self, request: RegisterUser, reply: Reply) -> None:
        user = await self._user(request.credentials)
        registrations = self._rooms.registrations
        answer = Registered(user.id, registrations.ttl_s)
        registrations.register(user, self._listener, trio.current_time(), partial(reply, answer))

    async def _create_temp_room(self, request: CreateTempRoom, reply: Reply) -> None:
        await self._forget_dead_call()
        if not isinstance(self._state, Anonymous):
            raise WrongState("this socket carries a call already")
        self._rooms.refuse_if_draining()
        user = await self._user(request.credentials)
        called = await self._rooms.look_up(request.invited)
        await trio.lowlevel.checkpoint_if_cancelled()
        shown = user.display_name or user.username
        room = self._rooms.temporary(shown, request.call_id, user, self._listener)
        tokens = self._rooms.tokens
        token = tokens.issue(
            room=room.uuid, call_id=request.call_id, user=user.id, name=user.display_name or "", is_admin=True
        )
        join = _join(tokens.read(token), request.audio_muted, request.video_muted)

        def inside(joined: Joined) -> None:
            self._become(Inside(joined.host, joined.member.id))
            invitation = joined.host.invite(joined.member.id, called)
            reply(
                TempRoomCreated(
                    room_id=room.uuid,
                    call_id=joined.member.id,
                    sdp=joined.answer,
                    auth_token=token,
                    ringing=invitation.ringing,
                    unreachable=invitation.unreachable,
                )
            )
            invitation.ring()

        self._rooms.join(room, join, request.sdp, self._listener, inside, temporary=True)

    def _convert_to_room(self) -> None:
        """Between phones there are no calls before there is a SIP gateway, so no call id is that of one."""
        if self._rooms.registrations.user(self._listener, trio.current_time()) is None:
            raise Unauthorized("register_room_api first")
        raise NotFound("no such call")

    async def _invite_extens(self, request: InviteExtens, reply: Reply) -> None:
        inside = self._inside()
        self._admin(inside.host, inside.member)
        self._rooms.refuse_if_draining()
        called = await self._rooms.look_up(request.extens)
        if self._state is not inside:
            raise WrongState("join_room first")
        room = await self._record(inside.host.id)
        if self._state is not inside:
            raise WrongState("join_room first")
        inside.host.record = room
        invitation = inside.host.invite(inside.member, called)
        reply(PeopleInvited(invitation.ringing, invitation.unreachable))
        invitation.ring()

    # --- rooms and tokens ---

    async def _record(self, uuid: str) -> RoomRecord:
        if _UUID.fullmatch(uuid) is None:
            raise NotFound("no such room")
        record = await self._rooms.record(uuid)
        # A socket that another one has just taken the place of does nothing any more, even if the answer came as well.
        await trio.lowlevel.checkpoint_if_cancelled()
        return record

    async def _claims(self, token: str) -> tuple[Claims, RoomRecord]:
        """Who may enter where. A room that is gone is said to be gone, whatever has become of the token."""
        try:
            claims = self._rooms.tokens.read(token)
        except TokenRefused as refused:
            if refused.claims is not None:
                await self._record(refused.claims.room)
            raise _refusal(refused) from refused
        return claims, await self._room_of(claims)

    async def _room_of(self, claims: Claims) -> RoomRecord:
        """The room that a token admits to, if it still does once the room has been found."""
        room = await self._record(claims.room)
        try:
            self._rooms.tokens.check(claims)
        except TokenRefused as refused:
            raise _refusal(refused) from refused
        return room

    def _read_token(self, token: str) -> Claims:
        try:
            return self._rooms.tokens.read(token)
        except TokenRefused as refused:
            raise _refusal(refused) from refused


def _nothing() -> None:
    pass


def _refusal(refused: TokenRefused) -> RoomError:
    if refused.uninvited:
        return InvitationOver("this invitation is over")
    return Unauthorized("the token is not valid")


def _join(claims: Claims, audio_muted: bool, video_muted: bool) -> Join:
    return Join(
        member=claims.call_id,
        user=claims.user,
        name=claims.name,
        is_admin=claims.is_admin,
        token_id=claims.token_id,
        audio_muted=audio_muted,
        video_muted=video_muted,
    )


def _place_of(state: State) -> tuple[str, str] | None:
    """Where somebody waits or watches."""
    match state:
        case Waiting(host, call_id) | Watching(host, call_id):
            return host.id, call_id
        case _:
            return None


def _call_of(state: State) -> str | None:
    match state:
        case Waiting(_, call_id) | Watching(_, call_id):
            return call_id
        case Admitted(claims):
            return claims.call_id
        case Anonymous() | Inside():
            return None
        case _:
            assert_never(state)
