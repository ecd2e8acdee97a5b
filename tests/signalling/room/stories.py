"""How the room's tests tell stories: who comes, what is done at which time, what comes of it, and what is refused."""

from collections.abc import Sequence

import pytest
from attrs import evolve

from signalling.room.commands import Command, Join
from signalling.room.errors import RoomError
from signalling.room.events import Event
from signalling.room.member import Charter, Member
from signalling.room.model import Room

GRACE_S = 10.0

Steps = Sequence[tuple[float, Command | None, Sequence[Event]]]
"""What happens at which time (nothing: time has passed), and what comes of it."""

Story = tuple[Sequence[Command], Steps]
"""What came before, and what happens then."""

Refusal = tuple[Sequence[Command], Command, type[RoomError]]
"""What came before, what is refused, and how."""


def join(member: str, **changes: object) -> Join:
    return evolve(Join(member, None, member.title(), False, f"token of {member}"), **changes)  # type: ignore[arg-type]


def inside(member: str, **changes: object) -> Member:
    """The member as it is after `join`."""
    return evolve(Member(member, None, member.title(), False), **changes)  # type: ignore[arg-type]


def licensed(**changes: object) -> Charter:
    """A room that `host` has opened."""
    host = Member("host", None, "Host as opened", False, is_host=True)
    return evolve(Charter(host=host), **changes)  # type: ignore[arg-type]


def room_after(*commands: Command, charter: Charter | None = None) -> Room:
    room = Room(GRACE_S) if charter is None else Room(GRACE_S, charter)
    for command in commands:
        room.apply(command, 0)
    return room


def follow(room: Room, steps: Steps) -> None:
    for now, command, expected in steps:
        events = room.expire(now) if command is None else room.apply(command, now)
        assert list(expected) == events, (now, command)


def state(room: Room) -> tuple[object, ...]:
    return room.members, room.waiting, room.share, room.feeds, room.charter, room.deadline


def assert_refused(room: Room, command: Command, refusal: type[RoomError]) -> None:
    """By `check` and by `apply` alike, and nothing has changed."""
    before = state(room)
    for attempt in (room.check, lambda command: room.apply(command, 1)):
        with pytest.raises(RoomError) as raised:
            attempt(command)
        assert raised.type is refusal
    assert before == state(room)
