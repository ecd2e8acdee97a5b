"""The room as a machine: commands in, events out, on a clock of numbers."""

from collections.abc import Sequence

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from signalling.limits import SPEAKER_INTERVAL_S
from signalling.room.commands import Command, End, Join, Leave, LoseMedia, LoseSocket, Mute, Speak
from signalling.room.errors import CallInUse, NotFound, RoomError
from signalling.room.events import (
    ActiveSpeaker,
    Event,
    MediaLost,
    MemberJoined,
    MemberLeft,
    MuteChanged,
    RoomEmptied,
)
from signalling.room.member import Member
from signalling.room.model import Room

GRACE_S = 10.0


def join(member: str, **changes: object) -> Join:
    return evolve(Join(member, None, member.title(), False, f"token of {member}"), **changes)  # type: ignore[arg-type]


def room_with(*names: str) -> Room:
    room = Room(GRACE_S)
    for name in names:
        room.apply(join(name), 0)
    return room


# Before, what happens at which time, and what comes of it.
STEPS: dict[str, tuple[Sequence[str], Sequence[tuple[float, Command | None, Sequence[Event]]]]] = {
    "the first in, the last out": (
        [],
        [
            (1, join("a", user="u", is_admin=True, audio_muted=True), [
                MemberJoined(Member("a", "u", "A", True, audio_muted=True))
            ]),
            (2, Leave("a"), [MemberLeft("a", "left"), RoomEmptied()]),
        ],
    ),
    "who comes back keeps its name and rights and says what is new": (
        ["a", "b"],
        [
            (1, LoseSocket("a"), []),
            (10.9, None, []),
            (10.9, join("a", name="Other", is_admin=True, video_muted=True), [MuteChanged("a", "video", True)]),
            (99, None, []),
        ],
    ),
    "who does not come back leaves": (
        ["a", "b"],
        [(1, LoseSocket("a"), []), (11, None, [MemberLeft("a", "lost")]), (99, None, [])],
    ),
    "two that do not come back leave in the order in which they went": (
        ["a", "b"],
        [
            (1, LoseSocket("b"), []),
            (2, LoseSocket("a"), []),
            (99, None, [MemberLeft("b", "lost"), MemberLeft("a", "lost"), RoomEmptied()]),
        ],
    ),
    "media that are lost for good": (["a", "b"], [(1, LoseMedia("a", "final"), [MemberLeft("a", "lost")])]),
    "media closed by the client": (
        ["a", "b"],
        [(1, LoseMedia("a", "closed"), []), (5, LoseMedia("a", "closed"), []), (11, None, [MemberLeft("a", "lost")])],
    ),
    "media lost by our fault": (["a"], [(1, LoseMedia("a", "fault"), [MediaLost("a")]), (2, join("a"), []), (99, None, [])]),
    "the end": (["a", "b"], [(1, End(), [MemberLeft("a", "ended"), MemberLeft("b", "ended"), RoomEmptied()])]),
    "the speaker, not more often than told": (
        ["a", "b"],
        [
            (1, Speak("a"), [ActiveSpeaker("a")]),
            (1.1, Speak("b"), []),
            (1.2, Speak(None), []),
            (1 + SPEAKER_INTERVAL_S, None, [ActiveSpeaker(None)]),
            (2, Speak(None), []),
            (2, Speak("nobody's name"), []),
            (2, Speak("b"), [ActiveSpeaker("b")]),
            (3, Leave("b"), [MemberLeft("b", "left"), ActiveSpeaker(None)]),
        ],
    ),
    "a speaker who leaves before being announced": (
        ["a", "b"],
        [(1, Speak("a"), [ActiveSpeaker("a")]), (1, Speak("b"), []), (1, Leave("b"), [MemberLeft("b", "left")]),
         (2, None, [ActiveSpeaker(None)])],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("names", "steps"), STEPS.values(), ids=STEPS.keys())
def test_steps(names: Sequence[str], steps: Sequence[tuple[float, Command | None, Sequence[Event]]]) -> None:
    room = room_with(*names)
    for now, command, expected in steps:
        events = room.expire(now) if command is None else room.apply(command, now)
        assert list(expected) == events, (now, command)


def test_the_deadline_is_the_next_thing_to_do() -> None:
    room = room_with("a", "b")
    assert room.deadline is None
    room.apply(LoseSocket("a"), 5)
    room.apply(LoseMedia("b", "closed"), 3)
    assert room.deadline == 13
    room.apply(join("b"), 4)
    assert room.deadline == 15
    room.apply(Speak("a"), 6)
    room.apply(Speak("b"), 6)
    assert room.deadline == 6 + SPEAKER_INTERVAL_S


@pytest.mark.parametrize("command", [Leave("x"), Mute("x", "audio", True), LoseSocket("x"), LoseMedia("x", "final")])
def test_commands_of_strangers(command: Command) -> None:
    with pytest.raises(NotFound):
        room_with("a").apply(command, 1)


@pytest.mark.parametrize(
    ("inside", "comes", "same"),
    [
        ({"user": None, "token_id": "1"}, {"user": None, "token_id": "1"}, True),
        ({"user": None, "token_id": "1"}, {"user": None, "token_id": "2"}, False),
        ({"user": "u", "token_id": "1"}, {"user": "u", "token_id": "2"}, True),
        ({"user": "u", "token_id": "1"}, {"user": "v", "token_id": "1"}, False),
        ({"user": "u", "token_id": "1"}, {"user": None, "token_id": "1"}, False),
    ],
)
def test_who_may_take_a_place_over(inside: dict[str, object], comes: dict[str, object], same: bool) -> None:
    room = Room(GRACE_S)
    room.apply(join("a", **inside), 0)
    if same:
        assert room.apply(join("a", **comes), 1) == []
    else:
        with pytest.raises(CallInUse):
            room.apply(join("a", **comes), 1)


NAMES = st.sampled_from("abcd")
COMMANDS = st.one_of(
    st.builds(join, NAMES, audio_muted=st.booleans(), video_muted=st.booleans(), token_id=st.sampled_from("12")),
    st.builds(Leave, NAMES),
    st.builds(Mute, NAMES, st.sampled_from(["audio", "video"]), st.booleans()),
    st.builds(LoseSocket, NAMES),
    st.builds(LoseMedia, NAMES, st.sampled_from(["final", "closed", "fault"])),
    st.builds(Speak, st.none() | NAMES),
    st.just(End()),
)


@given(st.lists(st.tuples(st.floats(0, 12), COMMANDS), max_size=40))
def test_a_view_built_from_events_is_the_room(story: list[tuple[float, Command]]) -> None:
    room, view, speaker, now = Room(GRACE_S), dict[str, Member](), None, 0.0
    for pause, command in story:
        now += pause
        events = room.expire(now)
        before = room.members
        try:
            room.check(command)
        except RoomError as refusal:
            with pytest.raises(type(refusal)):
                room.apply(command, now)
            assert before == room.members
        else:
            events += room.apply(command, now)
        for event in events:
            match event:
                case MemberJoined(member):
                    assert member.id not in view
                    view[member.id] = member
                case MemberLeft(id):
                    del view[id]
                case MuteChanged(id, kind, muted):
                    assert getattr(view[id], f"{kind}_muted") != muted
                    view[id] = evolve(view[id], **{f"{kind}_muted": muted})  # type: ignore[arg-type]
                case ActiveSpeaker(id):
                    assert id is None or id in view
                    speaker = id
                case RoomEmptied():
                    assert not view
                    speaker = None
        assert tuple(view.values()) == room.members
        # It does not owe anything that is due.
        assert room.deadline is None or room.deadline > now
        assert speaker is None or speaker in view or room.deadline is not None
