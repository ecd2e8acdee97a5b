"""Who is inside a room, and what the room is: its charter, of which the host is a member (contract kpoint, section 5).

Pure, as the model that owns it and whose other parts read it. Invariants:

- `is_host` has exactly the member, if any, whom the charter names;
- the charter's host is that member as it is now, or as it was last if it is not inside;
- nobody new is inside who makes it more than the capacity.
"""

from typing import Literal

from attrs import evolve

from signalling.room.commands import EditRoom, SetPermit
from signalling.room.errors import BadRequest, Forbidden, NoSuchTarget, NotFound
from signalling.room.events import Event, PermitChanged, RoomEdited
from signalling.room.member import Charter, Member

Deed = Literal["screen", "chat", "whiteboard", "draw", "document"]
"""What a Permit is about."""


class People:
    def __init__(self, charter: Charter) -> None:
        self._charter = charter
        self._members: dict[str, Member] = {}

    @property
    def charter(self) -> Charter:
        return self._charter

    @property
    def members(self) -> tuple[Member, ...]:
        """In the order of joining."""
        return tuple(self._members.values())

    @property
    def are_full(self) -> bool:
        return self._charter.capacity is not None and len(self) >= self._charter.capacity

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, id: object) -> bool:
        return id in self._members

    def __getitem__(self, id: str) -> Member:
        return self._members[id]

    def get(self, id: str) -> Member | None:
        return self._members.get(id)

    # --- may it be? ---

    def is_host(self, id: str) -> bool:
        """Whether it is inside or not."""
        return self._charter.host is not None and self._charter.host.id == id

    def check_inside(self, id: str) -> None:
        if id not in self._members:
            raise NotFound("no such member")

    def check_target(self, id: str) -> None:
        """Of somebody else's request."""
        if id not in self._members:
            raise NoSuchTarget("nobody of that id is in the room")

    def check_host(self, by: str) -> None:
        if not self.is_host(by):
            raise Forbidden("the host only")

    def check_permit(self, id: str, deed: Deed) -> None:
        self.check_inside(id)
        if not self.may(id, deed):
            raise Forbidden(f"the host does not permit: {deed}")

    def may(self, id: str, deed: Deed) -> bool:
        """The host may do everything."""
        permitted: bool = getattr(self._members[id].permit, deed)
        return permitted or self.is_host(id)

    def check_edit(self, edit: EditRoom) -> None:
        self.check_host(edit.by)
        if edit.capacity is not None and edit.capacity < max(1, len(self)):
            raise BadRequest("the capacity is less than one, or than those inside")
        if edit.host is not None:
            self.check_target(edit.host)

    # --- what happens ---

    def enter(self, member: Member) -> Member:
        """Somebody new, who is the host if the charter says so."""
        entered = evolve(member, is_host=self.is_host(member.id))
        self._store(entered)
        return entered

    def replace(self, member: Member) -> bool:
        """Whether that is news."""
        if member == self._members[member.id]:
            return False
        self._store(member)
        return True

    def leave(self, id: str) -> None:
        del self._members[id]

    def set_permit(self, command: SetPermit) -> list[Event]:
        """What is going on goes on: it only forbids to begin."""
        member = self._members[command.member]
        changed = evolve(member, permit=evolve(member.permit, **command.changes))
        return [PermitChanged(changed)] if self.replace(changed) else []

    def edit(self, edit: EditRoom) -> list[Event]:
        """A new host has an admin's rights too, and the former one neither."""
        before = self._charter
        if edit.title is not None:
            self._charter = evolve(self._charter, title=edit.title)
        if edit.capacity is not None:
            self._charter = evolve(self._charter, capacity=edit.capacity)
        if edit.host is not None and not self.is_host(edit.host):
            self._charter = evolve(self._charter, host=self._members[edit.host])
            for member in filter(None, (self._members.get(edit.by), self._members[edit.host])):
                is_host = self.is_host(member.id)
                self._store(evolve(member, is_host=is_host, is_admin=is_host))
        return [] if self._charter == before else [RoomEdited(self._charter)]

    def _store(self, member: Member) -> None:
        self._members[member.id] = member
        if self.is_host(member.id):
            self._charter = evolve(self._charter, host=member)
