"""What goes on under each licence: its rooms by name, its users, and how many of both there may be (contracts kpoint, sections
4, 5 and 11, and s-connector, sections 9 and 10).

A room of a licence is there from the moment it is stored until the moment it is forgotten, and has a host all that time.
Its user is a registered KPOINT socket, or a call that came in with an access token; of either, and of rooms with anybody
inside, there are never more than the licence allows. The check and the taking are one step without an await, so of two
who race for the last place one wins.
"""

import math
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

import trio
from attrs import define, evolve, field

from signalling.host import RoomHost
from signalling.limits import LICENCE_ROOMS, UNUSED_ROOM_S
from signalling.listener import Listener
from signalling.places import Places
from signalling.ports import Licence, LicenceRoom, LicenceRooms
from signalling.room.errors import LimitReached, NotFound, RoomExists
from signalling.room.member import RoomKind


class Registry(Protocol):
    """What tenants ask of whoever knows all rooms."""

    @property
    def connect_timeout_s(self) -> float: ...

    def keep(self, room: LicenceRoom, kept_until: float) -> RoomHost: ...

    def refuse_if_draining(self) -> None: ...

    def refuse_if_called(self, scope: str, id: str) -> None: ...


class Registrant(Protocol):
    """Whoever has registered on a KPOINT socket."""

    @property
    def listener(self) -> Listener: ...

    def replace(self) -> None:
        """Its user has come by another socket: it is nobody any more."""
        ...


@define(eq=False)
class _Tenant:
    hosts: dict[str, RoomHost] = field(factory=dict)
    """By the names of their rooms."""
    in_the_making: dict[str, trio.Event] = field(factory=dict)
    """By name: rooms that are being stored, and when that is over."""
    registrants: dict[str, Registrant] = field(factory=dict)
    """Registered KPOINT sockets, by user."""
    users: Places = field(factory=Places)
    rooms: Places = field(factory=Places)
    """Of rooms with anybody inside, by uuid."""


class Tenants:
    def __init__(self, store: LicenceRooms, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._tenants: dict[str, _Tenant] = {}

    # --- users ---

    def register(self, licence: Licence, user: str, registrant: Registrant, forced: bool) -> None:
        """CallInUse or LimitReached. `forced`: whoever has registered as that user before is replaced."""
        tenant = self._tenant(licence.id)
        former = tenant.registrants.get(user)
        if former is None or not forced:
            self._registry.refuse_if_called(licence.id, user)
        tenant.users.check(user, licence.max_users, trio.current_time())
        if former is not None:
            former.replace()
        tenant.users.take(user, licence.max_users, trio.current_time())
        tenant.registrants[user] = registrant

    def unregister(self, licence: str, user: str, registrant: Registrant) -> None:
        tenant = self._tenant(licence)
        if tenant.registrants.get(user) is registrant:
            del tenant.registrants[user]
            tenant.users.give_back(user)

    def socket(self, licence: str, user: str) -> Listener | None:
        tenant = self._tenants.get(licence)
        registrant = None if tenant is None else tenant.registrants.get(user)
        return None if registrant is None else registrant.listener

    def is_registered(self, licence: str, user: str) -> bool:
        return self.socket(licence, user) is not None

    def listeners(self, licence: str) -> list[Listener]:
        tenant = self._tenants.get(licence)
        return [] if tenant is None else [each.listener for each in tenant.registrants.values()]

    # --- rooms ---

    def hosts(self, licence: str) -> list[RoomHost]:
        tenant = self._tenants.get(licence)
        return [] if tenant is None else list(tenant.hosts.values())

    def host(self, licence: str, name: str) -> RoomHost:
        """NotFound if there is no such room."""
        tenant = self._tenants.get(licence)
        host = None if tenant is None else tenant.hosts.get(name)
        if host is None:
            raise NotFound("no such room")
        return host

    def has_room(self, licence: str, name: str) -> bool:
        tenant = self._tenants.get(licence)
        return tenant is not None and (name in tenant.hosts or name in tenant.in_the_making)

    async def find_or_make(self, licence: str, name: str, make: Callable[[], Awaitable[RoomHost]]) -> RoomHost:
        """The room of that name; if there is none it is made, by whoever asks first."""
        tenant = self._tenant(licence)
        while name in tenant.in_the_making:
            await tenant.in_the_making[name].wait()
        return tenant.hosts[name] if name in tenant.hosts else await make()

    async def restore(self, grace_s: float) -> None:
        """The rooms of before the restart. Those that go with their last member wait so long for one."""
        now = trio.current_time()
        for room in await self._store.all():
            kept_until = now + grace_s if room.destroy else math.inf
            self._tenant(room.licence).hosts[room.name] = self._registry.keep(room, kept_until)

    async def make_room(
        self,
        licence: str,
        name: str,
        *,
        kind: RoomKind,
        host: str,
        host_name: str,
        host_device: str = "",
        title: str = "",
        capacity: int | None = None,
        destroy: bool = True,
        talking_noty: bool = False,
        parent: str | None = None,
        unused_s: float = UNUSED_ROOM_S,
    ) -> RoomHost:
        """A new room, once it is stored; RoomExists, LimitReached or Draining. It waits `unused_s` for its first member."""
        self._registry.refuse_if_draining()
        if self.has_room(licence, name):
            raise RoomExists("a room of this name exists")
        tenant = self._tenant(licence)
        if len(tenant.hosts) + len(tenant.in_the_making) >= LICENCE_ROOMS:
            raise LimitReached("the licence has too many rooms")
        room = LicenceRoom(
            uuid=str(uuid.uuid4()),
            licence=licence,
            name=name,
            kind=kind,
            title=title,
            capacity=capacity,
            destroy=destroy,
            talking_noty=talking_noty,
            host=host,
            host_name=host_name,
            host_device=host_device,
            parent=parent,
            created_at=datetime.now(UTC),
        )
        with _in_the_making(tenant.in_the_making, name):
            try:
                await self._store.keep(room)
            except BaseException:
                # It may be stored all the same.
                self._store.forget(room.uuid)
                raise
            kept_until = trio.current_time() + unused_s if destroy else math.inf
            made = tenant.hosts[name] = self._registry.keep(room, kept_until)
        return made

    async def store_charter(self, host: RoomHost) -> None:
        """Keeps what the room, which is there in this very step, has become."""
        charter = host.charter
        assert host.licensed is not None and charter.host is not None
        changed = host.licensed = evolve(
            host.licensed,
            title=charter.title,
            capacity=charter.capacity,
            host=charter.host.id,
            host_name=charter.host.name,
            host_device=charter.host.device,
        )
        await self._store.keep(changed)

    async def forget(self, host: RoomHost) -> None:
        """The room is stored no more when this returns; whoever calls ends it then."""
        self._store.forget(host.id)
        await self._store.kept()

    # --- places ---

    def check_places(self, host: RoomHost | None, licence: Licence, user: str | None) -> None:
        """LimitReached if `occupy` has to refuse. None: a room that has yet to be made, a user that has its place."""
        tenant, now = self._tenant(licence.id), trio.current_time()
        tenant.rooms.check("" if host is None else host.id, licence.room_limit, now)
        if user is not None:
            tenant.users.check(user, licence.max_users, now)

    def reserve(self, host: RoomHost, licence: Licence, user: str) -> None:
        """For somebody who has been let in, until it joins or the time for that is over; checked in this very step."""
        until = trio.current_time() + self._registry.connect_timeout_s
        self._take(host, licence, user, until)
        host.expect(user, until)

    def occupy(self, host: RoomHost, licence: Licence, user: str | None) -> None:
        """For somebody who has joined; checked in this very step."""
        self._take(host, licence, user, math.inf)

    def _take(self, host: RoomHost, licence: Licence, user: str | None, until: float) -> None:
        tenant, now = self._tenant(licence.id), trio.current_time()
        tenant.rooms.take(host.id, licence.room_limit, now, until)
        if user is not None:
            tenant.users.take(user, licence.max_users, now, until)

    # --- for rooms ---

    def note_gone(self, licence: str, user: str) -> None:
        """A call is over, or will not come."""
        if licence and not self.is_registered(licence, user):
            self._tenant(licence).users.give_back(user)

    def note_emptied(self, host: RoomHost) -> None:
        if host.licensed is not None:
            rooms = self._tenant(host.licensed.licence).rooms
            rooms.give_back(host.id)
            if host.awaited_until > trio.current_time():
                rooms.take(host.id, None, trio.current_time(), host.awaited_until)

    def note_deserted(self, host: RoomHost) -> None:
        if host.licensed is not None:
            tenant = self._tenant(host.licensed.licence)
            tenant.rooms.give_back(host.id)
            if tenant.hosts.get(host.licensed.name) is host:
                del tenant.hosts[host.licensed.name]
            self._store.forget(host.id)

    def _tenant(self, licence: str) -> _Tenant:
        """There are no more of them than licences."""
        return self._tenants.setdefault(licence, _Tenant())


@contextmanager
def _in_the_making(names: dict[str, trio.Event], name: str) -> Iterator[None]:
    made = names[name] = trio.Event()
    try:
        yield
    finally:
        del names[name]
        made.set()
