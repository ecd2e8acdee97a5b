"""Whatever happens to a room in whichever order: what it says is what it is, a refusal leaves no trace, and it never owes
anything that is due."""

import math

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from signalling.limits import LEVEL_STEP
from signalling.room.commands import (
    Allow,
    Command,
    End,
    Hear,
    Join,
    Knock,
    Leave,
    LoseMedia,
    LoseSocket,
    Mute,
    MuteMember,
    RaiseHand,
    React,
    Reject,
    Remove,
    Return,
    ShareScreen,
    Speak,
    StillWaiting,
    Withdraw,
)
from signalling.room.errors import RoomError
from signalling.room.events import (
    ActiveSpeaker,
    AllocationsChanged,
    Event,
    HandChanged,
    InvitationRejected,
    LevelChanged,
    MediaLost,
    MemberJoined,
    MemberLeft,
    MuteChanged,
    PartyAllowed,
    PartyRejected,
    PartyWaiting,
    PartyWithdrew,
    RateChanged,
    Reacted,
    RoomEmptied,
    ScreenShareChanged,
)
from signalling.room.member import Member, WaitingParty
from signalling.room.model import Room

GRACE_S = 10.0

# Few names, so that the same ones meet again and again. Capitals enter as admins.
NAMES = st.sampled_from("abCD")
MOSTLY_ADMINS = st.sampled_from("CDCDCDa")
KINDS = st.sampled_from(["audio", "video"])
FLAGS = st.booleans()
LEVELS = st.dictionaries(NAMES, st.integers(0, 127), min_size=1)


def enter(name: str, token: str, audio_muted: bool, video_muted: bool) -> Join:
    return Join(name, None, name, name.isupper(), token, audio_muted, video_muted)


# How often each is drawn: so that there are mostly some inside, some at the door, and time for something to happen to them.
WEIGHTS: list[tuple[int, st.SearchStrategy[Command]]] = [
    (16, st.builds(enter, NAMES, st.sampled_from(["t"] * 9 + ["another"]), FLAGS, FLAGS)),
    (8, st.builds(Knock, st.builds(WaitingParty, NAMES, st.sampled_from(["Xi", "Yu"]), st.none(), FLAGS))),
    (4, st.builds(StillWaiting, NAMES)),
    (1, st.builds(Withdraw, NAMES)),
    (1, st.builds(Allow, NAMES)),
    (1, st.builds(Reject, NAMES)),
    (3, st.builds(Return, NAMES)),
    (2, st.builds(Leave, NAMES)),
    (4, st.builds(Mute, NAMES, KINDS, FLAGS)),
    (3, st.builds(RaiseHand, NAMES, FLAGS)),
    (3, st.builds(ShareScreen, NAMES, FLAGS)),
    (1, st.builds(React, NAMES, st.just("!"))),
    (2, st.builds(Remove, MOSTLY_ADMINS, NAMES)),
    (6, st.builds(MuteMember, MOSTLY_ADMINS, NAMES, KINDS, FLAGS)),
    (4, st.builds(LoseSocket, NAMES)),
    (4, st.builds(LoseMedia, NAMES, st.sampled_from(["closed", "closed", "fault", "final"]))),
    (4, st.builds(Speak, st.none() | NAMES)),
    (8, st.builds(Hear, LEVELS)),
    (1, st.just(End())),
]
COMMANDS = st.sampled_from([commands for weight, commands in WEIGHTS for _ in range(weight)]).flatmap(lambda them: them)
PAUSES = st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.1, 0.3, 0.3, 4.0, 4.0, 12.0])
STORIES = st.integers(0, 30).flatmap(
    lambda shortest: st.lists(st.tuples(PAUSES, COMMANDS), min_size=shortest, max_size=40)
)
"""What is done to the room, after which pause each."""


class View:
    """The room as somebody knows it who only hears the events; nothing is said that this somebody knows already.

    It begins with an empty room and is compared with it after every step, so one that began later would be equal too.
    """

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.waiting: dict[str, WaitingParty] = {}
        self.speaker: str | None = None
        self.levels: dict[str, int] = {}

    def hear(self, event: Event) -> None:
        match event:
            case PartyWaiting(party, reminder=False):
                assert party.id not in self.members
                self.waiting[party.id] = party
            case PartyWaiting(party):
                assert self.waiting[party.id] == party
            case PartyWithdrew(id) | PartyAllowed(id) | PartyRejected(id):
                del self.waiting[id]
            case MemberJoined(member):
                assert member.id not in self.members and member.id not in self.waiting
                self.members[member.id] = member
            case MemberLeft(id):
                del self.members[id]
                self.levels.pop(id, None)
            case MuteChanged(id, kind, muted, by_admin):
                self._flag(id, f"{kind}_muted_by_admin" if by_admin else f"{kind}_muted", muted)
            case HandChanged(id, raised):
                self._flag(id, "hand_raised", raised)
            case ScreenShareChanged(id, sharing):
                self._flag(id, "screen_share", sharing)
            case Reacted(id) | MediaLost(id):
                assert id in self.members
            case ActiveSpeaker(id):
                assert id != self.speaker and (id is None or id in self.members)
                self.speaker = id
            case LevelChanged(id, level):
                assert id in self.members and level != self.levels.get(id, 0)
                self.levels[id] = level
            case RoomEmptied():
                assert not self.members
                self.speaker = None
            case AllocationsChanged() | RateChanged() | InvitationRejected():
                pytest.fail("this is not for the model to say")

    def _flag(self, id: str, flag: str, value: bool) -> None:
        assert getattr(self.members[id], flag) != value
        self.members[id] = evolve(self.members[id], **{flag: value})  # type: ignore[arg-type]


def refusal(room: Room, command: Command) -> type[RoomError] | None:
    try:
        room.check(command)
    except RoomError as reason:
        return type(reason)
    return None


def pass_time(room: Room, until: float) -> list[Event]:
    """As whoever holds the room does it: sleep to each deadline and let it expire."""
    events: list[Event] = []
    while (deadline := room.deadline) is not None and deadline <= until:
        events += room.expire(deadline)
    return events


@given(STORIES)
def test_a_view_built_from_events_is_the_room(story: list[tuple[float, Command]]) -> None:
    room, view, now = Room(GRACE_S), View(), 0.0
    for pause, command in story:
        now += pause
        events = pass_time(room, now)
        if refusal(room, command) is None:
            events += room.apply(command, now)
        for event in events:
            view.hear(event)
        assert (tuple(view.members.values()), tuple(view.waiting.values())) == (room.members, room.waiting)
        assert not view.members.keys() & view.waiting.keys()
        # A speaker that has gone is taken back, at the latest when the next announcement may be made.
        assert view.speaker is None or view.speaker in view.members or room.deadline is not None


@given(STORIES)
def test_a_room_does_not_know_of_what_it_has_refused(story: list[tuple[float, Command]]) -> None:
    """Its twin is never even asked, and the two tell the same for ever."""
    room, twin, now = Room(GRACE_S), Room(GRACE_S), 0.0
    for pause, command in story:
        now += pause
        assert pass_time(twin, now) == pass_time(room, now)
        refused = refusal(room, command)
        if refused is not None:
            with pytest.raises(RoomError) as raised:
                room.apply(command, now)
            assert raised.type is refused
        else:
            assert twin.apply(command, now) == room.apply(command, now)
        assert (twin.members, twin.waiting, twin.deadline) == (room.members, room.waiting, room.deadline)
    assert pass_time(twin, math.inf) == pass_time(room, math.inf)


@given(STORIES)
def test_something_happens_at_the_deadline_and_not_before(story: list[tuple[float, Command]]) -> None:
    room, now = Room(GRACE_S), 0.0
    for pause, command in story:
        while (deadline := room.deadline) is not None:
            assert deadline > now, "it owes what is due"
            if deadline > now + pause:
                break
            assert room.expire(math.nextafter(deadline, now)) == []
            assert room.deadline == deadline
            assert room.expire(deadline) != []
            now, pause = deadline, now + pause - deadline
        now += pause
        if refusal(room, command) is None:
            room.apply(command, now)


@given(STORIES)
def test_in_the_end_nothing_is_left_open(story: list[tuple[float, Command]]) -> None:
    """Whoever lost something and did not come back is gone, and how loud everybody else was last has been told."""
    room, now = Room(GRACE_S), 0.0
    lacking: set[tuple[str, str]] = set()
    heard: dict[str, int] = {}
    told: dict[str, int] = {}

    def learn(events: list[Event]) -> None:
        for event in events:
            match event:
                case LevelChanged(id, level):
                    told[id] = level
                case MemberLeft(id):
                    lacking.difference_update({(id, "socket"), (id, "media")})
                    heard.pop(id, None)
                    told.pop(id, None)

    for pause, command in story:
        now += pause
        learn(pass_time(room, now))
        if refusal(room, command) is not None:
            continue
        match command:
            case LoseSocket(id):
                lacking.add((id, "socket"))
            case LoseMedia(id):
                lacking.add((id, "media"))
            case Return(id):
                lacking.discard((id, "socket"))
            case Join(id):
                lacking.difference_update({(id, "socket"), (id, "media")})
            case Hear(levels):
                heard |= {member.id: levels[member.id] for member in room.members if member.id in levels}
        learn(room.apply(command, now))
        heard |= {member.id: 0 for member in room.members if member.audio_muted_by_admin}
    learn(pass_time(room, math.inf))
    assert room.deadline is None
    assert not lacking
    for member in room.members:
        last, said = heard.get(member.id, 0), told.get(member.id, 0)
        assert abs(last - said) < LEVEL_STEP and (last > 0 or said == 0)
