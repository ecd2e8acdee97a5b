"""All rooms that run: whose each call is, who may be brought together, and how all of it ends.

    party > Rooms: which room, whose call > RoomHost

A host is made when the first party has to do with its room and is let go when the last one is gone; `hosting` does both.
What is stored of a room is read again at every entrance, so a change holds from the next one on; a temporary room is kept
by its host alone and ends with it. The only awaits are the questions to directory and tokens.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import structlog
import trio
from attrs import frozen

from signalling.door import Door
from signalling.host import Joined, RoomHost
from signalling.listener import Listener, tell
from signalling.live import LiveRoom
from signalling.ports import Claims, Directory, ListedUser, MediaEngine, Observer, RoomEvent, RoomRecord, Tokens, User
from signalling.registrations import Registrations
from signalling.ringing import Called
from signalling.room.commands import Join
from signalling.room.errors import CallInUse, Draining, NotFound
from signalling.room.events import Event, ServerDraining
from signalling.room.member import Member
from signalling.settings import RoomApiSettings

log = structlog.get_logger()


@frozen
class _Owner:
    """Whose a call id is: of a user, or of whoever holds the very same token."""

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
    ) -> None:
        self.settings = settings
        self.directory = directory
        self.tokens = tokens
        self.door = Door(settings.auth_failures_per_minute)
        self.registrations = Registrations(settings.registration_ttl_s)
        self._engine = engine
        self._observers = tuple(observers)
        self._hosts: dict[str, RoomHost] = {}
        self._joined: dict[str, RoomHost] = {}
        self._held: dict[str, dict[Listener, _Owner]] = {}
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

    # --- rooms ---

    async def record(self, uuid: str) -> RoomRecord:
        """The room as it is now; NotFound if there is none."""
        while True:
            host = self._hosts.get(uuid)
            if host is not None and host.temporary:
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

    def exists(self, uuid: str) -> bool:
        """Whether anybody is inside, waits or watches; what is only stored does not count."""
        return uuid in self._hosts

    def members(self, uuid: str) -> tuple[Member, ...]:
        host = self._hosts.get(uuid)
        return () if host is None else host.members

    # --- calls ---

    def hold_call(self, call_id: str, room: str, user: str | None, listener: Listener) -> None:
        """Makes the call id the party's own until the listener releases it; CallInUse if it is another's."""
        self._refuse_another(call_id, _Owner(room, user, None), listener)
        self._held.setdefault(call_id, {})[listener] = _Owner(room, user, None)

    def claim_call(self, claims: Claims, listener: Listener) -> None:
        """The same for somebody who holds a token; CallInUse if another party has taken up the call id since."""
        owner = _Owner(claims.room, claims.user, claims.token_id)
        self._refuse_another(claims.call_id, owner, listener)
        self._held.setdefault(claims.call_id, {})[listener] = owner

    def release_call(self, call_id: str, listener: Listener) -> None:
        holders = self._held.get(call_id, {})
        holders.pop(listener, None)
        if not holders:
            self._held.pop(call_id, None)

    def returning(self, call_id: str, room: str, user: str | None) -> Member | None:
        """The member whose call this is, if it is inside that room and has been proved to be that user."""
        host = self._joined.get(call_id)
        member = host.member(call_id) if host is not None and host.id == room else None
        return member if member is not None and user is not None and member.user == user else None

    def free_calls(self, room: str, call_id: str | None) -> None:
        """This call, or all of the room, may be taken by others: the tokens of those who hold it are revoked."""
        for call in list(self._held) if call_id is None else [call_id]:
            for listener, owner in list(self._held.get(call, {}).items()):
                if owner.room == room:
                    self.release_call(call, listener)

    def _refuse_another(self, call_id: str, owner: _Owner, listener: Listener) -> None:
        others = [held for holder, held in self._held.get(call_id, {}).items() if holder is not listener]
        host = self._joined.get(call_id)
        if host is not None:
            others.append(_Owner(host.id, *host.identity(call_id)))
        if not all(owner.is_also(other) for other in others):
            raise CallInUse("another party uses this call id")

    # --- entering ---

    def join(
        self,
        record: RoomRecord,
        join: Join,
        offer: str,
        listener: Listener,
        reply: Callable[[Joined], None],
        temporary: bool = False,
    ) -> None:
        """Seats a call in the room of `record`, which `record()`, or `temporary`, returned in this very step.

        `reply` runs once it is inside, before anybody is told. A call that is inside already gets a new connection, its
        place stays; the socket that it had is closed with 4001.
        """
        self._refuse_another(join.member, _Owner(record.uuid, join.user, join.token_id), listener)
        if join.member not in self._joined:
            self.refuse_if_draining()
        with self.hosting(record, temporary) as host:
            host.join(join, offer, listener, reply)

    def temporary(self, name: str, call_id: str, creator: User, listener: Listener) -> RoomRecord:
        """The record of a room that is there once its creator, an admin, has joined it by this call."""
        self.refuse_if_draining()
        now = datetime.now(UTC)
        id = str(uuid.uuid4())
        self._refuse_another(call_id, _Owner(id, creator.id, None), listener)
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
        if host is None:
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
        self._joined[call_id] = host

    def note_left(self, call_id: str) -> None:
        del self._joined[call_id]
        if not self._joined:
            self._nobody_joined.set()
            self._nobody_joined = trio.Event()

    def note_deserted(self, host: RoomHost) -> None:
        if self._hosts.get(host.id) is host:
            del self._hosts[host.id]
            host.close()

    def observe(self, host: RoomHost, event: Event) -> None:
        if self._observers:
            seen = RoomEvent(host.id, host.record.name, datetime.now(UTC), event)
            for observer in self._observers:
                try:
                    observer.observe(seen)
                except Exception:
                    log.exception("an observer failed", observer=type(observer).__name__)
