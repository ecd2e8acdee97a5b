"""Who is said to talk, in a room whose members want to know (contract kpoint, section 7)."""

from collections.abc import Sequence

import pytest

from signalling.limits import TALKING_LEVEL, TALKING_QUIET_S
from signalling.room.commands import Command, End, Hear, Leave, LoseMedia, Mute, MuteMember
from signalling.room.events import Event, MemberJoined, MemberLeft, RoomEmptied, TalkingChanged
from signalling.room.model import Room
from tests.signalling.room.stories import inside, join, licensed, room_after

A, B, ADMIN = join("a"), join("b"), join("admin", is_admin=True)
LOUD, LOW = TALKING_LEVEL, TALKING_LEVEL - 1
TALKS, IS_QUIET = TalkingChanged("a", True), TalkingChanged("a", False)

STORIES: dict[str, Sequence[tuple[float, Command | None, Sequence[Event]]]] = {
    "it talks once its level is reached, and that is said once": [
        (1, Hear({"a": LOW}), []),
        (2, Hear({"a": LOUD}), [TALKS]),
        (3, Hear({"a": 127}), []),
        (99, None, []),
    ],
    "it has stopped after so long, whatever noise is left": [
        (1, Hear({"a": LOUD}), [TALKS]),
        (2, Hear({"a": LOW}), []),
        (2.5, Hear({"a": 0}), []),
        (1.999 + TALKING_QUIET_S, None, []),
        (2 + TALKING_QUIET_S, None, [IS_QUIET]),
        (99, None, []),
    ],
    "pauses between words are no news": [
        (1, Hear({"a": LOUD}), [TALKS]),
        (2, Hear({"a": 0}), []),
        (2.9, Hear({"a": LOUD}), []),
        (3, Hear({"a": 0}), []),
        (3.9, None, []),
        (3 + TALKING_QUIET_S, None, [IS_QUIET]),
        (5, Hear({"a": LOUD}), [TALKS]),
    ],
    "several at once": [
        (1, Hear({"a": LOUD, "b": LOUD, "nobody's name": LOUD}), [TALKS, TalkingChanged("b", True)]),
        (2, Hear({"b": 0}), []),
        (3, None, [TalkingChanged("b", False)]),
    ],
    "who is muted by an admin is not heard, however loud": [
        (1, Hear({"a": LOUD}), [TALKS]),
        (1, MuteMember("admin", "a", "video", True), []),
        (1, MuteMember("admin", "a", "audio", True), [IS_QUIET]),
        (2, Hear({"a": LOUD}), []),
        (3, MuteMember("admin", "a", "audio", False), []),
        (3, Hear({"a": LOUD}), [TALKS]),
    ],
    "who was quiet already is not said to be when it is cut": [
        (1, Hear({"a": LOUD}), [TALKS]),
        (2, Hear({"a": 0}), []),
        (3, None, [IS_QUIET]),
        (4, MuteMember("admin", "a", "audio", True), []),
    ],
    "a member's own flag says nothing about what is heard": [
        (1, Mute("a", "audio", True), []),
        (1, Hear({"a": LOUD}), [TALKS]),
    ],
    "nobody is told that somebody who left is quiet": [
        (1, Hear({"a": LOUD}), [TALKS]),
        (2, Hear({"a": 0}), []),
        (2, Leave("a"), [MemberLeft("a", "left")]),
        (99, None, []),
        (99, A, [MemberJoined(inside("a"))]),
        (99, Hear({"a": LOUD}), [TALKS]),
    ],
    "nor of somebody who was lost": [
        (1, Hear({"a": LOUD}), [TALKS]),
        (2, LoseMedia("a", "final"), [MemberLeft("a", "lost")]),
    ],
    "nor of anybody when the room ends": [
        (1, Hear({"a": LOUD}), [TALKS]),
        (2, End(), [MemberLeft(id, "ended") for id in ("a", "b", "admin")] + [RoomEmptied()]),
    ],
}


@pytest.mark.parametrize("steps", STORIES.values(), ids=STORIES.keys())
def test_who_talks(steps: Sequence[tuple[float, Command | None, Sequence[Event]]]) -> None:
    room = room_after(A, B, ADMIN, charter=licensed(talking_noty=True))
    for now, command, expected in steps:
        assert list(expected) == told(room, command, now), (now, command)


def told(room: Room, command: Command | None, now: float) -> list[Event]:
    """Of talking, coming and going. Levels and mutes are other tests'."""
    events = room.expire(now) if command is None else room.apply(command, now)
    return [event for event in events if isinstance(event, TalkingChanged | MemberJoined | MemberLeft | RoomEmptied)]


def test_the_deadline_is_when_somebody_has_been_quiet_for_long_enough() -> None:
    room = room_after(A, B, charter=licensed(talking_noty=True))
    room.apply(Hear({"a": LOUD, "b": LOUD}), 1)
    room.expire(2)
    assert room.deadline is None
    room.apply(Hear({"a": 0}), 5)
    room.apply(Hear({"b": 0}), 5.5)
    assert room.deadline == 5 + TALKING_QUIET_S
    assert room.expire(5 + TALKING_QUIET_S) == [IS_QUIET]
    assert room.deadline == 5.5 + TALKING_QUIET_S


def test_a_room_that_does_not_want_to_know_is_not_told() -> None:
    room = room_after(A, B, charter=licensed())
    assert [] == told(room, Hear({"a": 127}), 1)
    assert [] == told(room, Hear({"a": 0}), 2)
    assert [] == told(room, None, 99)
