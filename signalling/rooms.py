"""Live rooms: the one room model at work, with its timers, its media and the sockets of its members.

    connection > Rooms.join | RoomHost.perform > Room.apply > events > sockets and observers
                                               > media: open, renegotiate, close

Whatever changes a room is synchronous from the check to the last notification, so every socket hears of the changes in
the order in which they happened, a member list fits the notifications after it, and a connection that is cancelled at
an `await` has never left a room half-way. The only awaits are the look-up of a room before a join and the sleep of each
room's task until its next deadline. A notification is put into words once for each dialect, not for each member.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol, cast

import attrs
import trio
from attrs import define, field, frozen

from sfu.negotiation import BadOffer, NoCommonCodec
from sfu.wanted import Wanted
from signalling.door import Door
from signalling.ports import Directory, MediaEngine, MediaPeer, Observer, RoomEvent, RoomRecord
from signalling.room.commands import Command, End, Join, LoseMedia, LoseSocket, MediaLoss, Speak
from signalling.room.errors import BadRequest, CallInUse, Draining, NoCodec, NotFound, WrongState
from signalling.room.events import (
    AllBut,
    Event,
    Everyone,
    MemberLeft,
    Nobody,
    Only,
    RoomEmptied,
    ServerDraining,
    audience,
)
from signalling.room.member import Member
from signalling.room.model import Room
from signalling.settings import RoomApiSettings

# --- who listens -----------------------------------------------------------------------------------------------------


class Dialect(Protocol):
    """The half of a dialect that a room needs."""

    @property
    def NAME(self) -> str: ...

    def notification(self, event: Event | ServerDraining) -> str | None: ...


class Listener(Protocol):
    """A connection, as rooms see it. All of it is synchronous and raises nothing."""

    @property
    def dialect(self) -> Dialect: ...

    def put(self, text: str) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def out_of_room(self) -> None:
        """Its member has left, by whatever cause."""
        ...


# --- what runs now, for /v1/live -------------------------------------------------------------------------------------


@frozen
class LiveMember:
    id: str
    name: str
    user: str | None
    dialect: str
    is_admin: bool
    since: datetime
    audio_muted: bool
    video_muted: bool
    streams: tuple[dict[str, object], ...]
    """The media layer's figures, one mapping for each of the member's connections."""


@frozen
class LiveRoom:
    id: str
    name: str
    temporary: bool
    since: datetime
    members: tuple[LiveMember, ...]


# --- one room --------------------------------------------------------------------------------------------------------


@frozen
class Joined:
    """What a join brought."""

    host: "RoomHost"
    answer: str = field(repr=False)
    member: Member
    others: tuple[Member, ...]


@define(eq=False)
class _Seat:
    """What a member has beside its entry in the model."""

    peer: MediaPeer
    dialect: str
    listener: Listener | None
    """None while the socket is away."""
    since: datetime


class RoomHost:
    """A room with somebody in it. It lives from the first join until the last member has left."""

    def __init__(self, record: RoomRecord, engine: MediaEngine, rooms: "Rooms") -> None:
        self.id = record.uuid
        self.name = record.name
        self._rooms = rooms
        self._room = Room(rooms.settings.socket_grace_s)
        self._seats: dict[str, _Seat] = {}
        self._media = engine.open_room(self)
        self._since = datetime.now(UTC)
        self._asleep_until = math.inf
        self._alarm = trio.Event()
        self._over = False

    @property
    def members(self) -> tuple[Member, ...]:
        return self._room.members

    def member(self, id: str) -> Member | None:
        return self._room.member(id)

    def may_join_again(self, member: str) -> bool:
        """Whether a member that has its socket needs a new connection on it."""
        return self._room.has_lost_media(member)

    def perform(self, command: Command, reply: Callable[[], None] | None = None) -> None:
        """Changes the room. `reply` runs between the change and its notifications; a refusal has changed nothing."""
        events = self._room.apply(command, trio.current_time())
        if reply is not None:
            reply()
        self._publish(events)

    def join(self, join: Join, offer: str, listener: Listener, reply: Callable[[Joined], None]) -> None:
        self._room.check(join)
        seat = self._seats.get(join.member)
        media_listener = _PeerListener(self, join.member)
        try:
            peer, answer = self._media.open_peer(join.member, offer, media_listener)
        except BadOffer as reason:
            raise BadRequest(f"sdp: {reason}") from reason
        except NoCommonCodec as reason:
            raise NoCodec(f"sdp: {reason}") from reason
        # From here on nothing can fail.
        media_listener.peer = peer
        events = self._room.apply(join, trio.current_time())
        if seat is None:
            self._seats[join.member] = _Seat(peer, listener.dialect.NAME, listener, datetime.now(UTC))
        else:
            supplanted, seat.listener = seat.listener, listener
            seat.peer, seat.dialect = peer, listener.dialect.NAME
            if supplanted is not None and supplanted is not listener:
                supplanted.close(4001, "joined on another socket")
                supplanted.out_of_room()
        self._rooms.note_joined(join.member, self)
        member = self._room.member(join.member)
        assert member is not None
        reply(Joined(self, answer, member, tuple(other for other in self._room.members if other.id != member.id)))
        self._publish(events)

    def renegotiate(self, member: str, offer: str, wanted: Sequence[Wanted]) -> str:
        if self._room.has_lost_media(member):
            raise WrongState("the connection is lost; join_room makes a new one")
        try:
            return self._seats[member].peer.renegotiate(offer, wanted)
        except BadOffer as reason:
            raise BadRequest(f"sdp: {reason}") from reason
        except NoCommonCodec as reason:
            raise NoCodec(f"sdp: {reason}") from reason

    def socket_gone(self, member: str, listener: Listener) -> None:
        seat = self._seats.get(member)
        if seat is not None and seat.listener is listener:
            seat.listener = None
            self.perform(LoseSocket(member))

    def media_lost(self, member: str, peer: MediaPeer | None, reason: MediaLoss) -> None:
        seat = self._seats.get(member)
        # A connection that has been replaced may still be heard of.
        if seat is not None and seat.peer is peer:
            self.perform(LoseMedia(member, reason))

    def active_speaker(self, name: str | None) -> None:
        if not self._over:
            self.perform(Speak(name))

    def close(self) -> None:
        """Ends what runs; a room without members has nobody to tell."""
        if not self._over:
            self._over = True
            self._media.close()
            self._alarm.set()

    async def keep_time(self) -> None:
        while not self._over:
            deadline = self._room.deadline
            self._asleep_until = math.inf if deadline is None else deadline
            self._alarm = trio.Event()
            with trio.move_on_at(self._asleep_until):
                await self._alarm.wait()
            self._publish(self._room.expire(trio.current_time()))

    def snapshot(self) -> LiveRoom:
        return LiveRoom(self.id, self.name, False, self._since, tuple(map(self._live_member, self._room.members)))

    def _live_member(self, member: Member) -> LiveMember:
        seat = self._seats[member.id]
        stats = cast("dict[str, object]", attrs.asdict(seat.peer.stats()))
        return LiveMember(
            id=member.id,
            name=member.name,
            user=member.user,
            dialect=seat.dialect,
            is_admin=member.is_admin,
            since=seat.since,
            audio_muted=member.audio_muted,
            video_muted=member.video_muted,
            streams=(stats,),
        )

    def _publish(self, events: list[Event]) -> None:
        for event in events:
            self._tell(event)
            self._rooms.observe(self, event)
            match event:
                case MemberLeft(member):
                    self._vacate(member)
                case RoomEmptied():
                    self.close()
                    self._rooms.note_emptied(self)
        deadline = self._room.deadline
        if deadline is not None and deadline < self._asleep_until:
            self._alarm.set()

    def _tell(self, event: Event) -> None:
        match audience(event):
            case Everyone():
                seats: Iterable[_Seat] = self._seats.values()
            case AllBut(member):
                seats = (seat for id, seat in self._seats.items() if id != member)
            case Only(member):
                seats = (self._seats[member],)
            case Nobody():
                return
        texts: dict[Dialect, str | None] = {}
        for seat in seats:
            if (listener := seat.listener) is None:
                continue
            dialect = listener.dialect
            if dialect not in texts:
                texts[dialect] = dialect.notification(event)
            if (text := texts[dialect]) is not None:
                listener.put(text)

    def _vacate(self, member: str) -> None:
        seat = self._seats.pop(member)
        seat.peer.close()
        self._rooms.note_left(member)
        if seat.listener is not None:
            seat.listener.out_of_room()


# What the engine says of the end of a connection, if there is hope; anything else there is none for.
_LOSSES: Mapping[str, MediaLoss] = {"closed": "closed", "server": "fault"}


class _PeerListener:
    """Brings what the engine says of one connection to its room."""

    def __init__(self, host: RoomHost, member: str) -> None:
        self._host = host
        self._member = member
        self.peer: MediaPeer | None = None

    def connected(self) -> None:
        """The engine itself watches for connections that never come up."""

    def lost(self, reason: str) -> None:
        self._host.media_lost(self._member, self.peer, _LOSSES.get(reason, "final"))


# --- all of them -----------------------------------------------------------------------------------------------------


@frozen
class _Owner:
    """Whose a call id is."""

    room: str
    user: str | None


class Rooms:
    def __init__(
        self,
        engine: MediaEngine,
        directory: Directory,
        settings: RoomApiSettings,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.settings = settings
        self.door = Door(settings.auth_failures_per_minute)
        self._engine = engine
        self._directory = directory
        self._observers = tuple(observers)
        self._hosts: dict[str, RoomHost] = {}
        self._joined: dict[str, RoomHost] = {}
        self._authenticated: dict[str, dict[Listener, _Owner]] = {}
        self._connections: dict[Listener, None] = {}
        self._ended = 0
        self._draining: ServerDraining | None = None
        self._stopped = False
        self._nobody_joined = trio.Event()
        self._nobody_connected = trio.Event()
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Holds the rooms' timers until it is cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await trio.sleep_forever()
        finally:
            for host in self._hosts.values():
                host.close()

    # --- entering ---

    async def record(self, uuid: str) -> RoomRecord:
        """The room as the store has it; NotFound if it has none."""
        while True:
            ended = self._ended
            record = await self._directory.room(uuid)
            if record is None:
                raise NotFound("no such room")
            # Had a room been deleted meanwhile, this could be the news of before.
            if ended == self._ended:
                return record

    def hold_call(self, call_id: str, room: str, user: str | None, listener: Listener) -> None:
        """Makes the call id the party's own until the listener releases it; CallInUse if it is another's."""
        party = self._party(call_id)
        if party is not None and (user is None or party != _Owner(room, user)):
            raise CallInUse("another party uses this call id")
        self._authenticated.setdefault(call_id, {})[listener] = _Owner(room, user)

    def release_call(self, call_id: str, listener: Listener) -> None:
        holders = self._authenticated.get(call_id, {})
        holders.pop(listener, None)
        if not holders:
            self._authenticated.pop(call_id, None)

    def _party(self, call_id: str) -> _Owner | None:
        host = self._joined.get(call_id)
        if host is not None:
            member = host.member(call_id)
            assert member is not None
            return _Owner(host.id, member.user)
        return next(iter(self._authenticated.get(call_id, {}).values()), None)

    def join(
        self, record: RoomRecord, join: Join, offer: str, listener: Listener, reply: Callable[[Joined], None]
    ) -> None:
        """Seats a call in the room of `record`, which `record()` returned in this very step.

        `reply` runs once it is inside, before anybody is told. A call that is inside already gets a new connection, its
        place stays; the socket that it had is closed with 4001.
        """
        assert self._nursery is not None, "rooms.run() keeps the rooms' time"
        inside = self._joined.get(join.member)
        if inside is not None and inside.id != record.uuid:
            raise CallInUse("this call is in another room")
        if inside is None and self._draining is not None:
            raise Draining("the server is about to stop")
        host = self._hosts.get(record.uuid)
        if host is not None:
            host.name = record.name
            host.join(join, offer, listener, reply)
            return
        host = RoomHost(record, self._engine, self)
        self._hosts[host.id] = host
        self._nursery.start_soon(host.keep_time)
        try:
            host.join(join, offer, listener, reply)
        finally:
            if not host.members:
                del self._hosts[host.id]
                host.close()

    def members(self, uuid: str) -> tuple[Member, ...]:
        host = self._hosts.get(uuid)
        return () if host is None else host.members

    # --- for the layer above ---

    async def end(self, uuid: str) -> bool:
        """Empties a room. To be called after it is gone from the store, so that nobody enters behind its back."""
        self._ended += 1
        host = self._hosts.get(uuid)
        if host is None:
            return False
        host.perform(End())
        return True

    def snapshot(self) -> list[LiveRoom]:
        return [host.snapshot() for host in self._hosts.values()]

    async def drain(self, deadline_s: float) -> None:
        """Says that the server stops, waits for the calls to end, at most `deadline_s`, and closes every socket."""
        self._draining = ServerDraining(datetime.now(UTC) + timedelta(seconds=deadline_s))
        for listener in list(self._connections):
            self._say_draining(listener, self._draining)
        if self._joined:
            with trio.move_on_after(deadline_s):
                await self._nobody_joined.wait()
        self._stopped = True
        for listener in list(self._connections):
            listener.close(1012, "the server stops")
        if self._connections:
            await self._nobody_connected.wait()

    # --- for connections ---

    def connect(self, listener: Listener) -> None:
        self._connections[listener] = None
        if self._draining is not None:
            self._say_draining(listener, self._draining)
        if self._stopped:
            listener.close(1012, "the server stops")

    def disconnect(self, listener: Listener) -> None:
        del self._connections[listener]
        if not self._connections:
            self._nobody_connected.set()
            self._nobody_connected = trio.Event()

    def call_ended(self, listener: Listener) -> None:
        """The listener's call is over. A server that is about to stop has no other for it."""
        if self._draining is not None:
            listener.close(1012, "the server stops")

    @staticmethod
    def _say_draining(listener: Listener, draining: ServerDraining) -> None:
        text = listener.dialect.notification(draining)
        if text is not None:
            listener.put(text)

    # --- for room hosts ---

    def note_joined(self, call_id: str, host: RoomHost) -> None:
        self._joined[call_id] = host

    def note_left(self, call_id: str) -> None:
        del self._joined[call_id]
        if not self._joined:
            self._nobody_joined.set()
            self._nobody_joined = trio.Event()

    def note_emptied(self, host: RoomHost) -> None:
        del self._hosts[host.id]

    def observe(self, host: RoomHost, event: Event) -> None:
        if self._observers:
            seen = RoomEvent(host.id, host.name, datetime.now(UTC), event)
            for observer in self._observers:
                observer.observe(seen)
