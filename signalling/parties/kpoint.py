"""What one socket of KPOINT may do, and when (contract kpoint, sections 2 to 11).

    anonymous -register-> registered -joinRoom-> inside -leaveRoom | the room's end-> registered
    any -replaced by a forced register elsewhere-> anonymous, and closed

Checks go in the order of section 2: registered, the fields (by the dialect), the user, the room, whether one is inside, and
then what the room itself says. What changes anything comes after the last await, and whatever it relies on is looked at
again then. Two things are otherwise: an edited room changes first and is stored as it has become, and a room that is
destroyed ends whatever the store says. A socket that is gone has left: KPOINT knows no way back but `forced`.
"""

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import assert_never

import trio
from attrs import evolve, frozen

from signalling.dialects.kpoint import (
    Answered,
    AskToLeave,
    BeginShare,
    Call,
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
    UpdateCanvas,
)
from signalling.host import RoomHost
from signalling.limits import PERFORM_TIMEOUT_S
from signalling.listener import Listener, tell
from signalling.ports import Claims, Licence
from signalling.room.commands import (
    AskCanvas,
    Command,
    Draw,
    EditProfile,
    EditRoom,
    Inform,
    Join,
    KickOut,
    Leave,
    RelayCandidate,
    RelayDescription,
    Say,
    SendCanvas,
    SetPermit,
    ShowDocument,
    StartShare,
    StopShare,
)
from signalling.room.errors import (
    AlreadyInside,
    BadRequest,
    CallInUse,
    Forbidden,
    InAnotherRoom,
    Mismatch,
    Missing,
    NoSuchTarget,
    NotRegistered,
    RoomError,
    TimedOut,
    Unauthorized,
    WrongKind,
)
from signalling.room.events import GroupMade, Informed, Said, TakenOver
from signalling.rooms import Rooms

Reply = Callable[[Result | RoomError], None]

DIGITS = 7
"""Of the ids that are made here."""


@frozen
class _User:
    """Whoever has registered."""

    licence: Licence
    id: str
    name: str
    device: str


class KpointParty:
    """A Registrant of the tenants."""

    def __init__(self, listener: Listener, rooms: Rooms) -> None:
        self.listener = listener
        self._rooms = rooms
        self._tenants = rooms.tenants
        self._user: _User | None = None
        self._host: RoomHost | None = None
        self._has_registered = trio.Event()

    # --- for its connection ---

    def admit(self, call: Call) -> None:
        if call.op == "register":
            if self._user is not None:
                raise CallInUse("this socket has registered already")
        elif self._user is None:
            raise NotRegistered("register first")

    async def watch(self) -> None:
        with trio.move_on_after(self._rooms.kpoint.register_timeout_s):
            await self._has_registered.wait()
            return
        self.listener.close(4408, "nobody has registered")

    async def perform(self, request: Request, reply: Reply) -> None:
        try:
            with trio.fail_after(PERFORM_TIMEOUT_S):
                await self._perform(request, reply)
        except trio.TooSlowError:
            raise TimedOut("the server took too long") from None

    def socket_gone(self) -> None:
        """Synchronous: the task that calls it is being cancelled."""
        user, self._user = self._user, None
        if user is not None:
            self._drop(user)

    # --- as rooms see it ---

    def out_of_room(self) -> None:
        self._host = None
        self._rooms.call_ended(self.listener)

    def allowed(self, claims: Claims) -> None:
        raise AssertionError("nobody waits by KPOINT")

    def replace(self) -> None:
        user, self._user = self._user, None
        assert user is not None
        # First its end, after which it is told nothing more: that it has left is news to the others only.
        tell(self.listener, TakenOver(user.id))
        self.listener.close(4409, "this user has registered on another socket")
        self._drop(user)

    def _drop(self, user: _User) -> None:
        host, self._host = self._host, None
        try:
            if host is not None:
                host.drop(user.id)
        finally:
            self._tenants.unregister(user.licence.id, user.id, self)

    # --- requests ---

    async def _perform(self, request: Request, reply: Reply) -> None:
        if isinstance(request, Register):
            await self._register(request, reply)
            return
        user = self._registered()
        if request.user != user.id:
            raise Mismatch("userId is not this socket's user")
        done = partial(reply, Done())
        match request:
            case MakeRoom():
                await self._make_room(user, request, reply)
            case EnterRoom():
                await self._enter_room(user, request, reply)
            case LeaveRoom(room=room):
                self._inside(user, room).perform(Leave(user.id), done)
            case DestroyRoom(room=room):
                host = self._hosted(user, self._room(user, room))
                await self._end(host, user, quiet=False, reply=done)
            case ListMembers(room=room):
                reply(MemberList(self._room(user, room).members))
            case ChangeRoom():
                await self._change_room(user, request, done)
            case ChangePermit(room=room, target=target, changes=changes):
                self._room(user, room).perform(SetPermit(user.id, target, changes), done)
            case AskToLeave(room=room, target=target):
                self._room(user, room).perform(KickOut(user.id, target), done)
            case MakeGroup():
                await self._make_group(user, request, reply)
            case EndGroup():
                await self._end_group(user, request, done)
            case ChangeProfile():
                self._change_profile(user, request, done)
            case Describe(target=target, source=source, is_answer=is_answer, sdp=sdp):
                self._here().perform(RelayDescription(user.id, target, source, is_answer, sdp), done)
            case Negotiate():
                self._negotiate(user, request, reply)
            case Subscribe(source=source, target=target, video=video, audio=audio):
                host = self._inside(user, request.room)
                offer = host.subscribe(user.id, target, source, video=video, audio=audio)
                reply(LegOffered(source, target, offer))
            case Trickle():
                self._trickle(user, request, done)
            case BeginShare(room=room, kind=kind):
                self._act(user, room, StartShare(user.id, kind), done)
            case ShowPage(room=room, image=image):
                self._act(user, room, ShowDocument(user.id, image), done)
            case EndShare(room=room):
                self._stop_share(user, room, done)
            case DrawStroke(room=room, fields=fields):
                self._act(user, room, Draw(user.id, fields), done)
            case RequestCanvas(room=room, target=target):
                self._act(user, room, AskCanvas(user.id, target), done)
            case UpdateCanvas(room=room, target=target, image=image):
                self._act(user, room, SendCanvas(user.id, target, image), done)
            case Chat(message=message):
                to = None if request.room is None else self._inside(user, request.room)
                word = Said(user.id, message, to_room=False)
                self._send(user, to, Say(user.id, message), request.target, word, done)
            case SendInform(message=message):
                to = None if request.room is None else self._inside(user, request.room)
                if to is None and request.target is None:
                    to = self._host
                    if to is None:
                        raise Missing("roomId or target, outside of rooms")
                told = Informed(user.id, message, to_room=False)
                self._send(user, to, Inform(user.id, message), request.target, told, done)
            case _:
                assert_never(request)

    # --- the user ---

    async def _register(self, request: Register, reply: Reply) -> None:
        ended = -1
        while ended != self._rooms.licences_ended:
            ended = self._rooms.licences_ended
            licence = await self._rooms.licences.by_key(request.cp_code, request.auth_key)
        await trio.lowlevel.checkpoint_if_cancelled()
        if licence is None:
            raise Unauthorized("the licence was not accepted")
        self._rooms.refuse_if_draining()
        id = request.user or self._made_id("u", partial(self._tenants.is_registered, licence.id))
        self._tenants.register(licence, id, self, request.forced)
        self._user = _User(licence, id, request.name, request.device)
        self._has_registered.set()
        reply(Registered(id, self._rooms.ice_servers.for_user(id, time.time())))

    def _registered(self) -> _User:
        if self._user is None:
            raise NotRegistered("register first")
        return self._user

    def _made_id(self, letter: str, taken: Callable[[str], bool]) -> str:
        while taken(id := f"{letter}{secrets.randbelow(10**DIGITS):0{DIGITS}}"):
            pass
        return id

    # --- rooms ---

    def _room(self, user: _User, name: str) -> RoomHost:
        return self._tenants.host(user.licence.id, name)

    def _inside(self, user: _User, name: str) -> RoomHost:
        host = self._room(user, name)
        if host is not self._host:
            raise Forbidden("not a member of this room")
        return host

    def _here(self) -> RoomHost:
        if self._host is None:
            raise Forbidden("not a member of any room")
        return self._host

    def _hosted(self, user: _User, host: RoomHost) -> RoomHost:
        if not self._is_host(user, host):
            raise Forbidden("the host only")
        return host

    def _is_host(self, user: _User, host: RoomHost) -> bool:
        return host.charter.host is not None and host.charter.host.id == user.id

    def _act(self, user: _User, room: str, command: Command, done: Callable[[], None]) -> None:
        self._inside(user, room).perform(command, done)

    async def _make_room(self, user: _User, request: MakeRoom, reply: Reply) -> None:
        licence = user.licence.id
        name = request.room or self._made_id("r", partial(self._tenants.has_room, licence))
        await self._tenants.make_room(
            licence,
            name,
            kind=request.kind,
            host=user.id,
            host_name=user.name,
            host_device=user.device,
            title=request.title,
            capacity=request.capacity,
            destroy=request.destroy,
            talking_noty=request.talking_noty,
        )
        reply(RoomMade(name))

    async def _enter_room(self, user: _User, request: EnterRoom, reply: Reply) -> None:
        self._check_entrance(user, request.room)
        licence = await self._rooms.licences.licence(user.licence.id)
        await trio.lowlevel.checkpoint_if_cancelled()
        if licence is None or not licence.enabled:
            raise Unauthorized("the licence was not accepted")
        host = self._check_entrance(user, request.room)
        is_host = self._is_host(user, host)
        join = Join(member=user.id, user=None, name=user.name, is_admin=is_host, token_id=user.id, device=user.device)

        def inside() -> None:
            self._host = host
            reply(self._entered(host))

        self._rooms.enter(host, join, licence, self.listener, inside)

    def _check_entrance(self, user: _User, name: str) -> RoomHost:
        self._registered()
        host = self._room(user, name)
        if self._host is host:
            raise AlreadyInside("already in this room")
        if self._host is not None:
            raise InAnotherRoom("leaveRoom first")
        return host

    def _entered(self, host: RoomHost) -> RoomEntered:
        charter = host.charter
        assert charter.host is not None and host.licensed is not None
        return RoomEntered(
            room=host.licensed.name,
            title=charter.title,
            created_at=host.licensed.created_at.astimezone(self._rooms.time_zone),
            kind=charter.kind,
            talking_noty=charter.talking_noty,
            host=charter.host,
            members=host.members,
            share=host.share,
        )

    async def _change_room(self, user: _User, request: ChangeRoom, done: Callable[[], None]) -> None:
        """The room changes first: what is stored then is what it is, whoever goes away meanwhile."""
        host = self._room(user, request.room)
        host.perform(EditRoom(user.id, request.title, request.capacity, request.host))
        await self._tenants.store_charter(host)
        done()

    async def _end(self, host: RoomHost, user: _User, quiet: bool, reply: Callable[[], None]) -> None:
        done: Callable[[], None] | None = reply
        try:
            await self._tenants.forget(host)
        except BaseException:
            done = None
            raise
        finally:
            # It may be stored no more, whatever the store says, so nobody stays inside.
            host.end(user.id, quiet, done)
            host.give_up()

    async def _make_group(self, user: _User, request: MakeGroup, reply: Reply) -> None:
        main = self._hosted(user, self._room(user, request.room))
        licence = user.licence.id
        name = self._made_id("r", partial(self._tenants.has_room, licence))
        await self._tenants.make_room(
            licence,
            name,
            kind=main.charter.kind,
            host=user.id,
            host_name=user.name,
            host_device=user.device,
            title=request.title,
            talking_noty=main.charter.talking_noty,
            parent=main.id,
        )
        reply(GroupCreated(name))
        for id in request.invited:
            socket = self._tenants.socket(licence, id)
            if socket is not None and socket is not self.listener:
                tell(socket, GroupMade(user.id, name))

    async def _end_group(self, user: _User, request: EndGroup, done: Callable[[], None]) -> None:
        main = self._room(user, request.room)
        group = self._room(user, request.group)
        self._hosted(user, main)
        if group.licensed is None or group.licensed.parent != main.id:
            raise Mismatch("no breakout room of this room")
        await self._end(group, user, quiet=True, reply=done)

    # --- inside ---

    def _change_profile(self, user: _User, request: ChangeProfile, done: Callable[[], None]) -> None:
        host = self._here() if request.room is None else self._inside(user, request.room)
        command = EditProfile(
            user.id,
            name=request.name,
            audio_muted=None if request.audio is None else not request.audio,
            video_muted=None if request.video is None else not request.video,
            broadcast=request.broadcast,
            target=request.target,
        )
        host.perform(command, done)
        if request.name is not None:
            self._user = evolve(user, name=request.name)

    def _negotiate(self, user: _User, request: Negotiate, reply: Reply) -> None:
        host, source = self._inside(user, request.room), request.source
        if host.charter.kind == "relay":
            raise WrongKind("a call between two clients, without the media engine")
        if request.is_answer:
            if request.target is None:
                raise Missing("target is missing")
            host.finish(user.id, request.target, source, request.sdp)
            reply(Done())
        elif request.target not in (None, user.id):
            raise BadRequest("an offer is for one's own feed")
        else:
            host.publish(user.id, source, request.sdp, lambda answer: reply(Answered(source, answer)))

    def _trickle(self, user: _User, request: Trickle, done: Callable[[], None]) -> None:
        host = self._here()
        if host.charter.kind == "relay":
            command = RelayCandidate(user.id, request.target, request.candidate, request.leg, request.source)
            host.perform(command, done)
            return
        if host.member(request.target) is None:
            raise NoSuchTarget("nobody of that id is in the room")
        host.check_leg(user.id, request.target, request.source)
        done()  # the engine is ICE-lite: it needs no candidates (RFC 8445 2.5)

    def _stop_share(self, user: _User, room: str, done: Callable[[], None]) -> None:
        host = self._room(user, room)
        if not self._is_host(user, host) and host is not self._host:
            raise Forbidden("not a member of this room")
        host.perform(StopShare(user.id), done)

    def _send(
        self,
        user: _User,
        host: RoomHost | None,
        command: Command,
        target: str | None,
        word: Said | Informed,
        done: Callable[[], None],
    ) -> None:
        """To a room, to somebody, or to both; who is in the room hears it there."""
        if host is not None:
            host.check(command)
        socket = None
        if target is not None and (host is None or host.member(target) is None):
            socket = self._tenants.socket(user.licence.id, target)
            if socket is None:
                raise NoSuchTarget("nobody of that id is registered")
        if host is not None:
            host.perform(command, done)
        else:
            done()
        if socket is not None and socket is not self.listener:
            tell(socket, word)
