"""Whatever happens to a room in whichever order: what it says is what it is, a refusal leaves no trace, and it never owes
anything that is due."""

import math

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from signalling.limits import LEVEL_STEP, TALKING_LEVEL
from signalling.room.commands import (
    Allow,
    AskCanvas,
    Command,
    Draw,
    Drop,
    EditProfile,
    EditRoom,
    End,
    Hear,
    Inform,
    Join,
    KickOut,
    Knock,
    Leave,
    LoseMedia,
    LoseSocket,
    Mute,
    MuteMember,
    Publish,
    RaiseHand,
    React,
    Reject,
    RelayCandidate,
    RelayDescription,
    Remove,
    Return,
    Say,
    SendCanvas,
    SetPermit,
    ShareScreen,
    ShowDocument,
    Speak,
    StartShare,
    StillWaiting,
    StopShare,
    Withdraw,
)
from signalling.room.errors import RoomError
from signalling.room.events import (
    ActiveSpeaker,
    AllocationsChanged,
    CandidateRelayed,
    CanvasAsked,
    CanvasSent,
    DescriptionRelayed,
    DocumentShown,
    Drawn,
    Event,
    HandChanged,
    Informed,
    InvitationRejected,
    KickedOut,
    LevelChanged,
    MediaLost,
    MemberJoined,
    MemberLeft,
    MuteChanged,
    PartyAllowed,
    PartyRejected,
    PartyWaiting,
    PartyWithdrew,
    PermitChanged,
    ProfileChanged,
    Published,
    RateChanged,
    Reacted,
    RoomEdited,
    RoomEmptied,
    Said,
    ScreenShareChanged,
    ShareStarted,
    ShareStopped,
    StreamSubscribed,
    TalkingChanged,
    Unpublished,
)
from signalling.room.member import Charter, Member, PublishedFeed, Share, WaitingParty
from signalling.room.model import Room
from tests.signalling.room.stories import GRACE_S, state

EXAMPLES = 200
"""More than usual: there are three kinds of stories."""

# Few names, so that the same ones meet again and again. Capitals enter as admins.
NAMES = st.sampled_from("abCD")
MOSTLY_ADMINS = st.sampled_from("CDCDCDa")
KINDS = st.sampled_from(["audio", "video"])
FLAGS = st.booleans()
LEVELS = st.dictionaries(NAMES, st.integers(0, 127), min_size=1)
SOURCES = st.sampled_from(["camera", "screen"])
SHARES = st.sampled_from(["screen", "whiteboard", "document"])
MOSTLY_THE_HOST = st.sampled_from("CCCCDa")
DEEDS = st.dictionaries(st.sampled_from(["screen", "chat", "whiteboard", "draw", "document"]), FLAGS, min_size=1)


def enter(name: str, token: str, audio_muted: bool, video_muted: bool) -> Join:
    return Join(name, None, name, name.isupper(), token, audio_muted, video_muted)


# How often each is drawn: so that there are mostly some inside, some at the door, and time for something to happen to them.
Weights = list[tuple[int, st.SearchStrategy[Command]]]

COMING_AND_GOING: Weights = [
    (16, st.builds(enter, NAMES, st.sampled_from(["t"] * 9 + ["another"]), FLAGS, FLAGS)),
    (8, st.builds(Knock, st.builds(WaitingParty, NAMES, st.sampled_from(["Xi", "Yu"]), st.none(), FLAGS))),
    (4, st.builds(StillWaiting, NAMES)),
    (1, st.builds(Withdraw, NAMES)),
    (1, st.builds(Allow, NAMES)),
    (1, st.builds(Reject, NAMES)),
    (3, st.builds(Return, NAMES)),
    (2, st.builds(Leave, NAMES)),
    (1, st.builds(Drop, NAMES)),
    (4, st.builds(Mute, NAMES, KINDS, FLAGS)),
    (3, st.builds(RaiseHand, NAMES, FLAGS)),
    (3, st.builds(ShareScreen, NAMES, FLAGS)),
    (3, st.builds(Publish, NAMES, SOURCES)),
    (2, st.builds(StartShare, NAMES, SHARES)),
    (1, st.builds(React, NAMES, st.just("!"))),
    (2, st.builds(Remove, MOSTLY_ADMINS, NAMES)),
    (6, st.builds(MuteMember, MOSTLY_ADMINS, NAMES, KINDS, FLAGS)),
    (4, st.builds(LoseSocket, NAMES)),
    (4, st.builds(LoseMedia, NAMES, st.sampled_from(["closed", "closed", "fault", "final"]))),
    (4, st.builds(Speak, st.none() | NAMES)),
    (8, st.builds(Hear, LEVELS)),
    (1, st.builds(End, st.none() | NAMES, FLAGS)),
]

# Among those who are inside already; one of them is the host of a licence's room.
CROWD: list[tuple[float, Command]] = [(0.0, enter(name, "t", False, False)) for name in "Cab"]
WHO = st.sampled_from("aaaaCCCbD")
WHOM = st.sampled_from("CCCCaaabD")

TOGETHER: Weights = [
    (4, st.builds(enter, WHO, st.just("t"), FLAGS, FLAGS)),
    (2, st.builds(Leave, WHO)),
    (1, st.builds(Drop, WHO)),
    (4, st.builds(Hear, LEVELS)),
    (1, st.builds(MuteMember, MOSTLY_ADMINS, WHO, KINDS, FLAGS)),
    (1, st.builds(Mute, WHO, KINDS, FLAGS)),
    (3, st.builds(EditProfile, WHO, st.none() | st.just("X"), st.none() | FLAGS, st.none() | FLAGS, FLAGS)),
    (1, st.builds(EditProfile, WHO, target=WHOM)),
    (4, st.builds(ShareScreen, WHO, FLAGS)),
    (6, st.builds(Publish, WHO, SOURCES, st.sampled_from([True, True, False]))),
    (6, st.builds(StartShare, WHO, SHARES)),
    (4, st.builds(ShowDocument, WHO, st.sampled_from(["page 1", "page 2"]))),
    (3, st.builds(StopShare, WHO)),
    (1, st.builds(Draw, WHO, st.just({"tool": "pen"})) | st.builds(Say, WHO, st.just("hello"))),
    (1, st.builds(Inform, WHO, st.none()) | st.builds(AskCanvas, WHO, WHOM)),
    (1, st.builds(SendCanvas, WHO, WHOM, st.just("data:"))),
    (2, st.builds(EditRoom, MOSTLY_THE_HOST, st.none() | st.just("T"), st.none() | st.integers(0, 4), st.none() | WHO)),
    (3, st.builds(SetPermit, MOSTLY_THE_HOST, WHO, DEEDS)),
    (1, st.builds(KickOut, MOSTLY_THE_HOST, WHO)),
]

BETWEEN_THEMSELVES: Weights = [
    (3, st.builds(enter, WHO, st.just("t"), FLAGS, FLAGS)),
    (2, st.builds(Leave, WHO)),
    (1, st.builds(Drop, WHO)),
    (1, st.builds(Publish, WHO, SOURCES)),
    (1, st.builds(ShareScreen, WHO, FLAGS)),
    (3, st.builds(StartShare, WHO, SHARES)),
    (1, st.builds(StopShare, WHO)),
    (1, st.builds(EditRoom, MOSTLY_THE_HOST, host=WHO)),
    (8, st.builds(RelayDescription, WHO, st.none() | WHOM, SOURCES, st.just(False), st.just("offer"))),
    (8, st.builds(RelayDescription, WHOM, st.none() | WHO, SOURCES, st.just(True), st.just("answer"))),
    (2, st.builds(RelayCandidate, WHO, WHOM, st.none(), st.just("pub"), SOURCES)),
]
PAUSES = st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.1, 0.3, 0.3, 4.0, 4.0, 12.0])


def stories(begun: list[tuple[float, Command]], weights: Weights) -> st.SearchStrategy[list[tuple[float, Command]]]:
    drawn = st.sampled_from([commands for weight, commands in weights for _ in range(weight)])
    step = st.tuples(PAUSES, drawn.flatmap(lambda commands: commands))
    goes_on = st.integers(0, 30).flatmap(lambda shortest: st.lists(step, min_size=shortest, max_size=40))
    return goes_on.map(lambda steps: begun + steps)


HOST = Member("C", None, "as opened", is_admin=False, is_host=True)
CAPACITIES = st.sampled_from([None, None, 3])
LICENSED = st.builds(Charter, capacity=CAPACITIES, talking_noty=FLAGS, host=st.just(HOST))
P2P = st.builds(Charter, kind=st.just("relay"), capacity=CAPACITIES, host=st.just(HOST))

STORIES = (
    st.tuples(st.just(Charter()) | LICENSED, stories([], COMING_AND_GOING))
    | st.tuples(LICENSED, stories(CROWD, TOGETHER))
    | st.tuples(P2P, stories(CROWD, BETWEEN_THEMSELVES))
)
"""What the room is, and what is done to it, after which pause each."""


Story = tuple[Charter, list[tuple[float, Command]]]


class View:
    """The room as somebody knows it who only hears the events; nothing is said that this somebody knows already.

    It begins with an empty room and is compared with it after every step, so one that began later would be equal too.
    """

    def __init__(self, charter: Charter) -> None:
        self.charter = charter
        self.members: dict[str, Member] = {}
        self.share: Share | None = None
        self.sources: list[tuple[str, str]] = []
        self.offers: set[tuple[str, str, str]] = set()
        self.talking: set[str] = set()
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
                assert member.is_host == (self.charter.host is not None and self.charter.host.id == member.id)
                self._know(member)
            case MemberLeft(id, departure):
                # What it sent has been said to be over; what it shared too, unless all is over.
                assert id not in {member for member, _ in self.sources}
                if departure == "ended" and self.share is not None and self.share.member == id:
                    self.share = None
                self._know(evolve(self.members[id], publishing=False, screen_share=False))
                del self.members[id]
                self.levels.pop(id, None)
                self.talking.discard(id)
                self.offers = {offer for offer in self.offers if id not in offer[:2]}
            case MuteChanged(id, kind, muted, by_admin):
                self._flag(id, f"{kind}_muted_by_admin" if by_admin else f"{kind}_muted", muted)
            case HandChanged(id, raised):
                self._flag(id, "hand_raised", raised)
            case ScreenShareChanged(id, sharing):
                self._flag(id, "screen_share", sharing)
            case Reacted(id) | MediaLost(id) | Drawn(id) | Said(id) | Informed(id) | KickedOut(id):
                assert id in self.members
            case ProfileChanged(member):
                self._know(evolve(self.members[member.id], name=member.name))
                assert self.members[member.id] == member
            case Published(PublishedFeed(member, source)):
                assert (member.id, source) not in self.sources and self.charter.kind == "media"
                if source == "camera":
                    self._flag(member.id, "publishing", True)
                else:
                    assert self.share == Share("screen", member.id)
                assert self.members[member.id] == member
                self.sources.append((member.id, source))
            case Unpublished(id, source):
                self.sources.remove((id, source))
                if source == "camera":
                    self._flag(id, "publishing", False)
            case ShareStarted(id, kind):
                assert self.share is None and id in self.members
                self.share = Share(kind, id)
            case DocumentShown(id, image):
                assert self.share is not None and (self.share.kind, self.share.member) == ("document", id)
                self.share = evolve(self.share, image=image)
            case ShareStopped(id, by):
                assert self.share is not None and self.share.member == id
                assert by == id or (self.charter.host is not None and self.charter.host.id == by)
                self.share = None
            case CanvasAsked(id, target) | CanvasSent(id, target):
                assert {id, target} <= self.members.keys()
            case DescriptionRelayed(id, target, source, is_answer):
                assert id != target and {id, target} <= self.members.keys() and self.charter.kind == "relay"
                if is_answer:
                    self.offers.remove((target, id, source))
                else:
                    self.offers.add((id, target, source))
            case CandidateRelayed(id, target):
                assert id != target and {id, target} <= self.members.keys() and self.charter.kind == "relay"
            case StreamSubscribed(id, sender, source):
                assert {id, sender} <= self.members.keys() and (sender, id, source) not in self.offers
            case RoomEdited(charter):
                assert charter != self.charter
                self._see_host_change(charter)
                self.charter = charter
            case PermitChanged(member):
                assert self.members[member.id] != member
                self._know(evolve(self.members[member.id], permit=member.permit))
                assert self.members[member.id] == member
            case TalkingChanged(id, talking):
                assert id in self.members and (id in self.talking) != talking and self.charter.talking_noty
                self.talking ^= {id}
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

    @property
    def feeds(self) -> tuple[PublishedFeed, ...]:
        return tuple(PublishedFeed(self.members[id], source) for id, source in self.sources)  # type: ignore[arg-type]

    def _flag(self, id: str, flag: str, value: bool) -> None:
        assert getattr(self.members[id], flag) != value
        self._know(evolve(self.members[id], **{flag: value}))  # type: ignore[arg-type]

    def _know(self, member: Member) -> None:
        self.members[member.id] = member
        if self.charter.host is not None and self.charter.host.id == member.id:
            self.charter = evolve(self.charter, host=member)

    def _see_host_change(self, charter: Charter) -> None:
        assert charter.host is not None and self.charter.host is not None
        if charter.host.id == self.charter.host.id:
            return
        for id in {charter.host.id, self.charter.host.id} & self.members.keys():
            is_host = id == charter.host.id
            self.members[id] = evolve(self.members[id], is_host=is_host, is_admin=is_host)
        assert self.members[charter.host.id] == charter.host


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
@settings(max_examples=EXAMPLES)
def test_a_view_built_from_events_is_the_room(a_story: Story) -> None:
    charter, story = a_story
    room, view, now = Room(GRACE_S, charter), View(charter), 0.0
    for pause, command in story:
        now += pause
        events = pass_time(room, now)
        if refusal(room, command) is None:
            events += room.apply(command, now)
        for event in events:
            view.hear(event)
        assert (tuple(view.members.values()), tuple(view.waiting.values())) == (room.members, room.waiting)
        assert (view.share, view.feeds, view.charter) == (room.share, room.feeds, room.charter)
        assert not view.members.keys() & view.waiting.keys()
        assert view.share is None or view.share.member in view.members
        assert [member for member in room.members if member.is_host] in ([], [room.charter.host])
        assert room.charter.capacity is None or len(room.members) <= room.charter.capacity
        # A speaker that has gone is taken back, at the latest when the next announcement may be made.
        assert view.speaker is None or view.speaker in view.members or room.deadline is not None


@given(STORIES)
@settings(max_examples=EXAMPLES)
def test_a_room_does_not_know_of_what_it_has_refused(a_story: Story) -> None:
    """Its twin is never even asked, and the two tell the same for ever."""
    charter, story = a_story
    room, twin, now = Room(GRACE_S, charter), Room(GRACE_S, charter), 0.0
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
        assert state(twin) == state(room)
    assert pass_time(twin, math.inf) == pass_time(room, math.inf)


@given(STORIES)
@settings(max_examples=EXAMPLES)
def test_something_happens_at_the_deadline_and_not_before(a_story: Story) -> None:
    charter, story = a_story
    room, now = Room(GRACE_S, charter), 0.0
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
@settings(max_examples=EXAMPLES)
def test_in_the_end_nothing_is_left_open(a_story: Story) -> None:
    """Whoever lost something and did not come back is gone, and how loud everybody else was last has been told, and whether
    it talks."""
    charter, story = a_story
    room, now = Room(GRACE_S, charter), 0.0
    lacking: set[tuple[str, str]] = set()
    heard: dict[str, int] = {}
    told: dict[str, int] = {}
    talking: set[str] = set()

    def learn(events: list[Event]) -> None:
        for event in events:
            match event:
                case LevelChanged(id, level):
                    told[id] = level
                case TalkingChanged(id):
                    talking.symmetric_difference_update({id})
                case MemberLeft(id):
                    talking.discard(id)
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
        assert (member.id in talking) == (charter.talking_noty and last >= TALKING_LEVEL)
