"""All rooms that run: whose each call is, who may be brought together, and how all of it ends.

    party > Rooms: which room, whose call > RoomHost

A host is made when the first party has to do with its room and is let go when the last one is gone; `hosting` does both.
What is stored of a room is read again at every entrance, so a change holds from the next one on; a temporary room is kept
by its host alone and ends with it. Rooms of licences, and who is there under which licence, are tenants.py's. The only
awaits are the questions to directory, tokens and licences.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import structlog
import trio
from attrs import frozen

from signalling.door import Door
from signalling.host import Joined, RoomHost
from signalling.ice_servers import NO_ICE_SERVERS, IceServers
from signalling.listener import Listener, tell
from signalling.live import LiveRoom
from signalling.ports import (
    Claims,
    Directory,
    Licence,
    LicenceRoom,
    LicenceRooms,
    Licences,
    ListedUser,
    MediaEngine,
    Observer,
    Remote,
    RoomEvent,
    RoomRecord,
    Tokens,
    User,
)
from signalling.registrations import Registrations
from signalling.ringing import Called
from signalling.room.commands import Join
from signalling.room.errors import CallInUse, Draining, NotFound
from signalling.room.events import Event, ServerDraining
from signalling.room.member import Member
from signalling.settings import KpointSettings, RoomApiSettings
from signalling.tenants import Tenants

log = structlog.get_logger()

SEOUL = timezone(timedelta(hours=9), "Asia/Seoul")
"""The service time zone unless configured (contract s-connector, section 7)."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@frozen
class _Owner:
    """Whose a call id is: of a user, or of whoever holds the very same token."""

    scope: str
    """Two owners of one id in different scopes have nothing to do with each other."""
    room: str
    user: str | None
    token_id: str | None

    def is_also(self, other: "_Owner") -> bool:
        if self.room != other.room:
            return False
        if self.user is None or other.user is None:
            return self.user == other.user and self.token_id is not None and self.token_id == other.token_id
        return self.user == other.user


class Rooms:
    def __init__(
        self,
        engine: MediaEngine,
        directory: Directory,
        tokens: Tokens,
        settings: RoomApiSettings,
        observers: Sequence[Observer] = (),
        *,
        licences: Licences,
        licence_rooms: LicenceRooms,
        kpoint: KpointSettings | None = None,
        connect_timeout_s: float = 30.0,
        ice_servers: IceServers = NO_ICE_SERVERS,
        time_zone: tzinfo = SEOUL,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`connect_timeout_s`: how long a place is reserved for somebody who has been let in and has yet to join.
        `time_zone`: in which licences and their users read and write moments without an offset. `clock`: what observers are
        told the time by."""
        self.settings = settings
        self.kpoint = kpoint or KpointSettings()
        self.licences = licences
        self.connect_timeout_s = connect_timeout_s
        self.ice_servers = ice_servers
        self.time_zone = time_zone
        self.tenants = Tenants(licence_rooms, self)
        self.directory = directory
        self.tokens = tokens
        self.door = Door(settings.auth_failures_per_minute)
        self.registrations = Registrations(settings.registration_ttl_s)
        self._engine = engine
        self._observers = tuple(observers)
        self._clock = clock
        self._hosts: dict[str, RoomHost] = {}
        # By scope and call id: the ids in a licence's rooms are its own.
        self._joined: dict[tuple[str, str], RoomHost] = {}
        self._held: dict[str, dict[Listener, _Owner]] = {}
        self._connections: dict[Listener, None] = {}
        self._ended = 0
        self.licences_ended = 0
        """How often, so that whoever has asked for a licence meanwhile asks again."""
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

    async def restore(self) -> None:
        """Opens the licences' rooms of before the restart; once, before anybody may come."""
        await self.tenants.restore(self.settings.socket_grace_s)

    # --- rooms ---

    async def record(self, uuid: str) -> RoomRecord:
        """The room as it is now; NotFound if there is none."""
        while True:
            host = self._hosts.get(uuid)
            if host is not None and (host.temporary or host.licensed is not None):
                return host.record
            ended = self._ended
            record = await self.directory.room(uuid)
            if record is None:
                raise NotFound("no such room")
            # Had a room been deleted meanwhile, this could be the news of before.
            if ended == self._ended:
                return record

    def host(self, uuid: str) -> RoomHost:
        """The room's host; NotFound if nobody is inside, waits or watches."""
        host = self._hosts.get(uuid)
        if host is None:
            raise NotFound("nobody is there")
        return host

    @contextmanager
    def hosting(self, record: RoomRecord, temporary: bool = False) -> Iterator[RoomHost]:
        """The host of a room whose record has been read in this very step, for somebody to enter or wait there."""
        assert self._nursery is not None, "rooms.run() keeps the rooms' time"
        host = self._hosts.get(record.uuid)
        if host is None:
            host = self._hosts[record.uuid] = RoomHost(record, temporary, self._engine, self)
            self._nursery.start_soon(host.keep_time)
        host.record = record
        try:
            yield host
        finally:
            if host.deserted:
                self.note_deserted(host)

    def keep(self, room: LicenceRoom, kept_until: float) -> RoomHost:
        """The host of a licence's room, which stays as long as the room does."""
        assert self._nursery is not None, "rooms.run() keeps the rooms' time"
        record = RoomRecord(
            room.uuid, room.name, False, False, False, False, (), created_at=room.created_at, updated_at=room.created_at
        )
        host = self._hosts[room.uuid] = RoomHost(record, False, self._engine, self, room, kept_until)
        self._nursery.start_soon(host.keep_time)
        return host

    def is_licensed(self, uuid: str) -> bool:
        return self.scope(uuid) != ""

    def exists(self, uuid: str) -> bool:
        """Whether anybody is inside, waits or watches; what is only stored does not count, nor rooms of licences."""
        return uuid in self._hosts and not self.is_licensed(uuid)

    def members(self, uuid: str) -> tuple[Member, ...]:
        host = self._hosts.get(uuid)
        return () if host is None else host.members

    # --- calls ---

    def hold_call(self, call_id: str, room: str, user: str | None, listener: Listener) -> None:
        """Makes the call id the party's own until the listener releases it; CallInUse if it is another's."""
        self._hold(call_id, _Owner(self.scope(room), room, user, None), listener)

    def claim_call(self, claims: Claims, listener: Listener) -> None:
        """The same for somebody who holds a token; CallInUse if another party has taken up the call id since."""
        owner = _Owner(self.scope(claims.room), claims.room, claims.user, claims.token_id)
        self._hold(claims.call_id, owner, listener)

    def _hold(self, call_id: str, owner: _Owner, listener: Listener) -> None:
        self._refuse_another(call_id, owner, listener)
        self._held.setdefault(call_id, {})[listener] = owner

    def release_call(self, call_id: str, listener: Listener) -> None:
        holders = self._held.get(call_id, {})
        owner = holders.pop(listener, None)
        if not holders:
            self._held.pop(call_id, None)
        if owner is not None and (owner.scope, call_id) not in self._joined:
            if all(other.scope != owner.scope for other in holders.values()):
                self._give_up_call(owner, call_id)

    def returning(self, call_id: str, room: str, user: str | None) -> Member | None:
        """The member whose call this is, if it is inside that room and has been proved to be that user."""
        host = self._joined.get((self.scope(room), call_id))
        member = host.member(call_id) if host is not None and host.id == room else None
        return member if member is not None and user is not None and member.user == user else None

    def free_calls(self, room: str, call_id: str | None) -> None:
        """This call, or all of the room, may be taken by others: the tokens of those who hold it are revoked."""
        for call in list(self._held) if call_id is None else [call_id]:
            for listener, owner in list(self._held.get(call, {}).items()):
                if owner.room == room:
                    self.release_call(call, listener)

    def _give_up_call(self, owner: _Owner, call_id: str) -> None:
        """Nobody holds it any more, and it is not inside: its place may be another's."""
        self.tenants.note_gone(owner.scope, call_id)
        host = self._hosts.get(owner.room)
        if host is not None:
            host.expect_no_more(call_id)

    def refuse_if_called(self, scope: str, id: str) -> None:
        """CallInUse if a call of that scope has this id, or is about to, or a registered user has."""
        if self.tenants.is_registered(scope, id):
            raise CallInUse("a registered user has this id")
        if (scope, id) in self._joined or any(owner.scope == scope for owner in self._held.get(id, {}).values()):
            raise CallInUse("a call has this id")

    def _refuse_another(self, call_id: str, owner: _Owner, listener: Listener) -> None:
        others = [
            held
            for holder, held in self._held.get(call_id, {}).items()
            if holder is not listener and held.scope == owner.scope
        ]
        host = self._joined.get((owner.scope, call_id))
        if host is not None:
            others.append(_Owner(owner.scope, host.id, *host.identity(call_id)))
        if not all(owner.is_also(other) for other in others) or self.tenants.is_registered(owner.scope, call_id):
            raise CallInUse("another party uses this call id")

    def scope(self, room: str) -> str:
        """The licence whose room it is; empty for the server's own."""
        host = self._hosts.get(room)
        return "" if host is None else host.scope

    # --- entering ---

    def join(
        self,
        record: RoomRecord,
        join: Join,
        offer: str,
        listener: Listener,
        reply: Callable[[Joined], None],
        temporary: bool = False,
        licence: Licence | None = None,
    ) -> None:
        """Seats a call in the room of `record`, which `record()`, or `temporary`, returned in this very step.

        `reply` runs once it is inside, before anybody is told. A call that is inside already gets a new connection, its
        place stays; the socket that it had is closed with 4001. `licence`: whose room it is, as it is now.
        """
        scope = self.scope(record.uuid)
        self._refuse_another(join.member, _Owner(scope, record.uuid, join.user, join.token_id), listener)
        if (scope, join.member) not in self._joined:
            self.refuse_if_draining()
        # A user of the server's, who was invited, is none of the licence's.
        user = join.member if join.user is None else None
        with self.hosting(record, temporary) as host:
            if licence is not None:
                self.tenants.check_places(host, licence, user)
            host.join(join, offer, listener, reply)
            if licence is not None:
                self.tenants.occupy(host, licence, user)

    def enter(
        self, host: RoomHost, join: Join, licence: Licence, listener: Listener, reply: Callable[[], None]
    ) -> None:
        """Seats a registered user in a room of its licence, without a connection."""
        self.refuse_if_draining()
        self.tenants.check_places(host, licence, None)
        host.enter(join, listener, reply)
        self.tenants.occupy(host, licence, None)

    def temporary(self, name: str, call_id: str, creator: User, listener: Listener) -> RoomRecord:
        """The record of a room that is there once its creator, an admin, has joined it by this call."""
        self.refuse_if_draining()
        now = datetime.now(UTC)
        id = str(uuid.uuid4())
        self._refuse_another(call_id, _Owner("", id, creator.id, None), listener)
        return RoomRecord(id, name, False, False, False, False, (ListedUser(creator.id, admin=True),), now, now)

    def refuse_if_draining(self) -> None:
        if self._draining is not None:
            raise Draining("the server is about to stop")

    async def look_up(self, destinations: Sequence[str]) -> list[Called]:
        return [Called(each, await self.directory.user_called(each)) for each in destinations]

    # --- for the layer above ---

    async def end(self, uuid: str) -> bool:
        """Empties a room and revokes its tokens; whether there was anybody.

        To end it for good, to be called after it is gone from the store, so that nobody enters behind its back.
        """
        self._ended += 1
        host = self._hosts.get(uuid)
        if host is None or host.left_alone:
            self.free_calls(uuid, None)
            return False
        try:
            if not host.temporary:
                self.tokens.revoke(uuid, None)
                await self.tokens.kept()
        finally:
            # Gone from the store it may be already, so nobody stays inside, even if whoever asked is gone too.
            if self._hosts.get(uuid) is host:
                host.end()
            self.free_calls(uuid, None)
        return True

    async def end_licence(self, licence: str) -> None:
        """Ends all that runs under a licence, which has been disabled, and closes its sockets."""
        self.licences_ended += 1
        hosts = self.tenants.hosts(licence)
        listeners = self.tenants.listeners(licence)
        listeners += [
            each for holders in self._held.values() for each, held in holders.items() if held.scope == licence
        ]
        for host in hosts:
            listeners += host.listeners()
            self.tokens.revoke(host.id, None)
        try:
            await self.tokens.kept()
        finally:
            # Whatever the store says, nothing goes on under a licence that has been disabled.
            for host in hosts:
                host.end()
                self.free_calls(host.id, None)
            for listener in dict.fromkeys(listeners):
                listener.close(4403, "the licence is disabled")

    def snapshot(self) -> list[LiveRoom]:
        return [host.snapshot() for host in self._hosts.values() if host.members or host.waiting]

    async def drain(self, deadline_s: float) -> None:
        """Says that the server stops, waits for the calls to end, at most `deadline_s`, and closes every socket."""
        self._draining = ServerDraining(datetime.now(UTC) + timedelta(seconds=deadline_s))
        for listener in list(self._connections):
            tell(listener, self._draining)
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
            tell(listener, self._draining)
        if self._stopped:
            listener.close(1012, "the server stops")

    def disconnect(self, listener: Listener) -> None:
        self.registrations.drop(listener)
        del self._connections[listener]
        if not self._connections:
            self._nobody_connected.set()
            self._nobody_connected = trio.Event()

    def call_ended(self, listener: Listener) -> None:
        """The listener's call is over. A server that is about to stop has no other for it."""
        if self._draining is not None:
            listener.close(1012, "the server stops")

    # --- for room hosts ---

    def note_joined(self, call_id: str, host: RoomHost) -> None:
        self._joined[host.scope, call_id] = host

    def note_left(self, call_id: str, host: RoomHost) -> None:
        del self._joined[host.scope, call_id]
        self.tenants.note_gone(host.scope, call_id)
        if not self._joined:
            self._nobody_joined.set()
            self._nobody_joined = trio.Event()

    def note_emptied(self, host: RoomHost) -> None:
        self.tenants.note_emptied(host)

    def note_deserted(self, host: RoomHost) -> None:
        if self._hosts.get(host.id) is host:
            del self._hosts[host.id]
            host.close()
            self.tenants.note_deserted(host)
            if host.licensed is not None:
                self.free_calls(host.id, None)

    def observe(self, host: RoomHost, event: Event, remote: Remote | None) -> None:
        if self._observers:
            seen = RoomEvent(host.id, host.record.name, host.scope, self._clock(), event, remote)
            for observer in self._observers:
                try:
                    observer.observe(seen)
                except Exception:
                    log.exception("an observer failed", observer=type(observer).__name__)
