"""The room as a machine: commands in, events out, on a clock of numbers. What each command does, and what it refuses."""

from collections.abc import Sequence

import pytest

from signalling.limits import (
    LEVEL_INTERVAL_S,
    REMINDER_INTERVAL_S,
    ROOM_LEVELS_PER_S,
    SPEAKER_INTERVAL_S,
    WAITING_PARTIES,
)
from signalling.room.commands import (
    Allow,
    Command,
    Drop,
    EditProfile,
    End,
    Hear,
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
from signalling.room.errors import CallInUse, Forbidden, NoSuchTarget, NotFound, RoomError, TooMany, WrongState
from signalling.room.events import (
    ActiveSpeaker,
    HandChanged,
    LevelChanged,
    MediaLost,
    MemberJoined,
    MemberLeft,
    MuteChanged,
    PartyAllowed,
    PartyRejected,
    PartyWaiting,
    PartyWithdrew,
    ProfileChanged,
    Reacted,
    RoomEmptied,
    ScreenShareChanged,
    ShareStopped,
    Unpublished,
)
from signalling.room.member import Member, WaitingParty
from tests.signalling.room.stories import Refusal, Steps, assert_refused, follow, inside, join, room_after


def party(id: str, name: str | None = None) -> WaitingParty:
    return WaitingParty(id, name or id.title(), user=None, is_listed=False)


A, B, ADMIN, W, V = join("a"), join("b"), join("admin", is_admin=True), Knock(party("w")), Knock(party("v"))

AT_THE_DOOR: dict[str, tuple[Sequence[Command], Steps]] = {
    "somebody knocks": ([A], [(1, W, [PartyWaiting(party("w"), reminder=False)])]),
    "and again, by another name": (
        [A, W],
        [
            (1, Knock(party("w", "Willa")), [PartyWaiting(party("w", "Willa"), reminder=False)]),
            (1, W, [PartyWaiting(party("w"), reminder=False)]),
        ],
    ),
    "it reminds: the first time at once, then not too often": (
        [A, W, V],
        [
            (1, StillWaiting("w"), [PartyWaiting(party("w"), reminder=True)]),
            (1, StillWaiting("v"), [PartyWaiting(party("v"), reminder=True)]),
            (1, StillWaiting("w"), []),
            (0.999 + REMINDER_INTERVAL_S, StillWaiting("w"), []),
            (1 + REMINDER_INTERVAL_S, StillWaiting("w"), [PartyWaiting(party("w"), reminder=True)]),
            (2 + REMINDER_INTERVAL_S, StillWaiting("w"), []),
        ],
    ),
    "knocking again earns no further reminder, and the reminder has the new name": (
        [A, W],
        [
            (1, StillWaiting("w"), [PartyWaiting(party("w"), reminder=True)]),
            (2, Knock(party("w", "Willa")), [PartyWaiting(party("w", "Willa"), reminder=False)]),
            (3, StillWaiting("w"), []),
            (9, StillWaiting("w"), [PartyWaiting(party("w", "Willa"), reminder=True)]),
        ],
    ),
    "who went away and comes again waits anew": (
        [A, W],
        [
            (1, StillWaiting("w"), [PartyWaiting(party("w"), reminder=True)]),
            (1, Withdraw("w"), [PartyWithdrew("w")]),
            (1, W, [PartyWaiting(party("w"), reminder=False)]),
            (1, StillWaiting("w"), [PartyWaiting(party("w"), reminder=True)]),
        ],
    ),
    "it is let in": ([A, W], [(1, Allow("w"), [PartyAllowed("w")])]),
    "it is turned away": ([A, W], [(1, Reject("w"), [PartyRejected("w")])]),
    "it has found another way in": (
        [A, W],
        [(1, join("w", name="W"), [PartyWithdrew("w"), MemberJoined(Member("w", None, "W", False))])],
    ),
    "it waits for a room where nobody is": ([W, A], [(1, Leave("a"), [MemberLeft("a", "left"), RoomEmptied()])]),
}  # fmt: skip

INSIDE: dict[str, tuple[Sequence[Command], Steps]] = {
    "the first in, the last out": (
        [],
        [
            (1, join("a", user="u", is_admin=True, audio_muted=True), [
                MemberJoined(Member("a", "u", "A", True, audio_muted=True))
            ]),
            (2, Leave("a"), [MemberLeft("a", "left"), RoomEmptied()]),
        ],
    ),
    "each flag is told when it changes, and only then": (
        [A],
        [
            (1, Mute("a", "audio", True), [
                MuteChanged("a", "audio", True), ProfileChanged(inside("a", audio_muted=True))
            ]),
            (1, Mute("a", "audio", True), []),
            (1, Mute("a", "video", True), [
                MuteChanged("a", "video", True), ProfileChanged(inside("a", audio_muted=True, video_muted=True))
            ]),
            (1, Mute("a", "audio", False), [
                MuteChanged("a", "audio", False), ProfileChanged(inside("a", video_muted=True))
            ]),
            (1, Mute("a", "audio", False), []),
            (1, RaiseHand("a", True), [HandChanged("a", True)]),
            (1, RaiseHand("a", True), []),
            (1, RaiseHand("a", False), [HandChanged("a", False)]),
            (1, RaiseHand("a", False), []),
        ],
    ),
    "a reaction is no flag": ([A], 2 * [(1, React("a", "👏"), [Reacted("a", "👏")])]),
    "an admin mutes, whatever the member says of itself": (
        [A, ADMIN],
        [
            (1, MuteMember("admin", "a", "audio", True), [
                MuteChanged("a", "audio", True, by_admin=True),
                ProfileChanged(inside("a", audio_muted_by_admin=True), by_admin=True),
            ]),
            (1, Mute("a", "audio", True), [
                MuteChanged("a", "audio", True), ProfileChanged(inside("a", audio_muted_by_admin=True, audio_muted=True))
            ]),
            (1, Mute("a", "audio", False), [
                MuteChanged("a", "audio", False), ProfileChanged(inside("a", audio_muted_by_admin=True))
            ]),
            (1, MuteMember("admin", "a", "video", True), [
                MuteChanged("a", "video", True, by_admin=True),
                ProfileChanged(inside("a", audio_muted_by_admin=True, video_muted_by_admin=True), by_admin=True),
            ]),
            (1, MuteMember("admin", "a", "audio", False), [
                MuteChanged("a", "audio", False, by_admin=True),
                ProfileChanged(inside("a", video_muted_by_admin=True), by_admin=True),
            ]),
        ],
    ),
    "what a member says of itself, in one go: each flag that changes, then all of it": (
        [A, B],
        [
            (1, EditProfile("a", name="Ada", audio_muted=True, video_muted=True), [
                MuteChanged("a", "audio", True),
                MuteChanged("a", "video", True),
                ProfileChanged(inside("a", name="Ada", audio_muted=True, video_muted=True)),
            ]),
            (2, EditProfile("a", audio_muted=False, video_muted=True), [
                MuteChanged("a", "audio", False), ProfileChanged(inside("a", name="Ada", video_muted=True)),
            ]),
        ],
    ),
    "and again, though nothing is new": (
        [A],
        2 * [(1, EditProfile("a", name="A", audio_muted=False), [ProfileChanged(inside("a"))])],
    ),
    "to everybody, to one, or to nobody; it is so either way": (
        [A, B],
        [
            (1, EditProfile("a", name="Ada", broadcast=False), [ProfileChanged(inside("a", name="Ada"), broadcast=False)]),
            (2, EditProfile("a", video_muted=True, target="b"), [
                MuteChanged("a", "video", True),
                ProfileChanged(inside("a", name="Ada", video_muted=True), target="b"),
            ]),
        ],
    ),
    "an admin removes": ([A, ADMIN], [(1, Remove("admin", "a"), [MemberLeft("a", "removed")])]),
    "an admin removes and mutes itself": (
        [ADMIN],
        [
            (1, MuteMember("admin", "admin", "video", True), [
                MuteChanged("admin", "video", True, by_admin=True),
                ProfileChanged(inside("admin", is_admin=True, video_muted_by_admin=True), by_admin=True),
            ]),
            (1, Remove("admin", "admin"), [MemberLeft("admin", "removed"), RoomEmptied()]),
        ],
    ),
    "the end": (
        [W, A, B, V],
        [
            (1, End(), [
                MemberLeft("a", "ended"), MemberLeft("b", "ended"), RoomEmptied(), PartyRejected("w"), PartyRejected("v")
            ]),
            (1, End(), []),
        ],
    ),
    "the end by somebody, quietly": (
        [A, B],
        [
            (1, End("a", quiet=True), [
                MemberLeft("a", "ended", "a", quiet=True), MemberLeft("b", "ended", "a", quiet=True), RoomEmptied()
            ]),
        ],
    ),
    "the end of a room where somebody only waits": ([W], [(1, End(), [PartyRejected("w")])]),
}  # fmt: skip

AWAY: dict[str, tuple[Sequence[Command], Steps]] = {
    "who comes back keeps its name and rights and says what is new": (
        [A, B],
        [
            (1, LoseSocket("a"), []),
            (10.9, None, []),
            (10.9, join("a", name="Other", is_admin=True, video_muted=True), [
                MuteChanged("a", "video", True), ProfileChanged(inside("a", video_muted=True))
            ]),
            (99, None, []),
        ],
    ),
    "its hand stays up, what an admin decided stays, a new connection shares no screen": (
        [ADMIN, A, RaiseHand("a", True), ShareScreen("a", True), MuteMember("admin", "a", "audio", True)],
        [
            (1, A, [ShareStopped("a", by="a"), Unpublished("a", "screen"), ScreenShareChanged("a", False)]),
            (2, A, []),
            (3, RaiseHand("a", True), []),
            (3, MuteMember("admin", "a", "audio", False), [
                MuteChanged("a", "audio", False, by_admin=True), ProfileChanged(inside("a", hand_raised=True), by_admin=True)
            ]),
        ],
    ),
    "both flags said anew are one profile": (
        [A],
        [
            (1, join("a", audio_muted=True, video_muted=True), [
                MuteChanged("a", "audio", True),
                MuteChanged("a", "video", True),
                ProfileChanged(inside("a", audio_muted=True, video_muted=True)),
            ]),
        ],
    ),
    "who knows no way back leaves at once": (
        [A, B, LoseMedia("a", "closed")],
        [(1, Drop("a"), [MemberLeft("a", "lost")]), (99, None, [])],
    ),
    "a new socket is enough for who lost nothing else": (
        [A, B],
        [(1, LoseSocket("a"), []), (10, Return("a"), []), (99, None, [])],
    ),
    "but it brings no media back": (
        [A, B],
        [
            (1, LoseSocket("a"), []),
            (2, LoseMedia("a", "closed"), []),
            (3, Return("a"), []),
            (12, None, [MemberLeft("a", "lost")]),
        ],
    ),
    "to return without having been away": ([A], [(1, Return("a"), [])]),
    "who does not come back leaves": (
        [A, B],
        [(1, LoseSocket("a"), []), (11, None, [MemberLeft("a", "lost")]), (99, None, [])],
    ),
    "two that do not come back leave in the order in which they went": (
        [A, B],
        [
            (1, LoseSocket("b"), []),
            (2, LoseSocket("a"), []),
            (99, None, [MemberLeft("b", "lost"), MemberLeft("a", "lost"), RoomEmptied()]),
        ],
    ),
    "who lost its socket and its media leaves once": (
        [A, B],
        [(1, LoseSocket("a"), []), (1, LoseMedia("a", "closed"), []), (11, None, [MemberLeft("a", "lost")])],
    ),
    "a member gone and come again lacks nothing": (
        [A, B],
        [
            (1, LoseSocket("a"), []),
            (1, LoseMedia("a", "closed"), []),
            (2, Leave("a"), [MemberLeft("a", "left")]),
            (3, A, [MemberJoined(Member("a", None, "A", False))]),
            (99, None, []),
        ],
    ),
    "media that are lost for good": ([A, B], [(1, LoseMedia("a", "final"), [MemberLeft("a", "lost")])]),
    "media closed by the client": (
        [A, B],
        [(1, LoseMedia("a", "closed"), []), (5, LoseMedia("a", "closed"), []), (11, None, [MemberLeft("a", "lost")])],
    ),
    "media lost by our fault": ([A], [(1, LoseMedia("a", "fault"), [MediaLost("a")]), (2, A, []), (99, None, [])]),
}  # fmt: skip

HEARD: dict[str, tuple[Sequence[Command], Steps]] = {
    "the speaker, not more often than told": (
        [A, B],
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
        [A, B],
        [(1, Speak("a"), [ActiveSpeaker("a")]), (1, Speak("b"), []), (1, Leave("b"), [MemberLeft("b", "left")]),
         (2, None, [ActiveSpeaker(None)])],
    ),
    "who has spoken last in a room is forgotten when it empties": (
        [A],
        [
            (1, Speak("a"), [ActiveSpeaker("a")]),
            (1, Leave("a"), [MemberLeft("a", "left"), RoomEmptied()]),
            (1, A, [MemberJoined(Member("a", None, "A", False))]),
            (1, Speak(None), []),
            (1, Speak("a"), [ActiveSpeaker("a")]),
        ],
    ),
    "at the end nobody needs to know that nobody speaks": (
        [A, B],
        [
            (1, Speak("a"), [ActiveSpeaker("a")]),
            (2, End(), [MemberLeft("a", "ended"), MemberLeft("b", "ended"), RoomEmptied()]),
        ],
    ),
    "levels of members, when they change": (
        [A, B],
        [
            (1, Hear({"a": 90, "b": 0, "nobody's name": 70}), [LevelChanged("a", 90)]),
            (2, Hear({"a": 90, "b": 40}), [LevelChanged("b", 40)]),
        ],
    ),
    "who comes in is silent until it is heard": (
        [A, B],
        [
            (1, Hear({"b": 90}), [LevelChanged("b", 90)]),
            (1, Leave("b"), [MemberLeft("b", "left")]),
            (1, B, [MemberJoined(Member("b", None, "B", False))]),
            (1, Hear({"b": 0}), []),
            (1, Hear({"b": 90}), [LevelChanged("b", 90)]),
        ],
    ),
    "who goes is not heard of any more": (
        [A, B],
        [
            (1, Hear({"b": 90}), [LevelChanged("b", 90)]),
            (1, Hear({"b": 50}), []),
            (1, Leave("b"), [MemberLeft("b", "left")]),
            (2, None, []),
        ],
    ),
    "nobody hears whom an admin has muted": (
        [A, ADMIN],
        [
            (1, Hear({"a": 90}), [LevelChanged("a", 90)]),
            (2, MuteMember("admin", "a", "audio", True), [
                MuteChanged("a", "audio", True, by_admin=True),
                ProfileChanged(inside("a", audio_muted_by_admin=True), by_admin=True),
                LevelChanged("a", 0),
            ]),
            (3, Hear({"a": 100}), []),
            (4, MuteMember("admin", "a", "audio", False), [
                MuteChanged("a", "audio", False, by_admin=True), ProfileChanged(inside("a"), by_admin=True)
            ]),
            (5, Hear({"a": 80}), [LevelChanged("a", 80)]),
        ],
    ),
    "its last level is taken back as soon as may be": (
        [A, ADMIN],
        [
            (1, Hear({"a": 90}), [LevelChanged("a", 90)]),
            (1, MuteMember("admin", "a", "audio", True), [
                MuteChanged("a", "audio", True, by_admin=True),
                ProfileChanged(inside("a", audio_muted_by_admin=True), by_admin=True),
            ]),
            (1 + LEVEL_INTERVAL_S, None, [LevelChanged("a", 0)]),
        ],
    ),
    "a picture that is cut, or a microphone that is off, silences nobody by itself": (
        [A, ADMIN],
        [
            (1, Hear({"a": 90}), [LevelChanged("a", 90)]),
            (2, MuteMember("admin", "a", "video", True), [
                MuteChanged("a", "video", True, by_admin=True),
                ProfileChanged(inside("a", video_muted_by_admin=True), by_admin=True),
            ]),
            (2, Mute("a", "audio", True), [
                MuteChanged("a", "audio", True),
                ProfileChanged(inside("a", video_muted_by_admin=True, audio_muted=True)),
            ]),
            (2, Hear({"a": 70}), [LevelChanged("a", 70)]),
        ],
    ),
}  # fmt: skip

STORIES = AT_THE_DOOR | INSIDE | AWAY | HEARD


@pytest.mark.parametrize(("before", "steps"), STORIES.values(), ids=STORIES.keys())
def test_steps(before: Sequence[Command], steps: Steps) -> None:
    follow(room_after(*before), steps)


AT_THE_DOOR_REFUSED: list[Refusal] = [
    ([A], Knock(party("a")), CallInUse),
    ([A], StillWaiting("w"), NotFound),
    ([A], Withdraw("w"), NotFound),
    ([A], Allow("w"), NotFound),
    ([A], Reject("w"), NotFound),
    # Somebody inside, somebody let in already, somebody turned away already: none of them waits.
    ([A], Allow("a"), NotFound),
    ([W, Allow("w")], Allow("w"), NotFound),
    ([W, Allow("w")], Reject("w"), NotFound),
    ([W, Reject("w")], Allow("w"), NotFound),
    ([W, Reject("w")], StillWaiting("w"), NotFound),
    ([W, join("w")], Withdraw("w"), NotFound),
]

# To wait is not to be inside.
INSIDE_REFUSED: list[Refusal] = [
    ([A, W], command, NotFound)
    for who in ("x", "w")
    for command in (
        Return(who),
        Leave(who),
        Mute(who, "audio", True),
        RaiseHand(who, True),
        ShareScreen(who, True),
        React(who, "!"),
        LoseSocket(who),
        LoseMedia(who, "final"),
        Drop(who),
        EditProfile(who, name="X"),
    )
] + [([A, W], EditProfile("a", name="X", target=who), NoSuchTarget) for who in ("x", "w")]

MODERATION_REFUSED: list[Refusal] = [
    # Whoever may not do it does not learn either whether there is such a member.
    ([A, ADMIN, W], Remove("a", "w"), Forbidden),
    ([A, ADMIN, W], Remove("x", "a"), Forbidden),
    ([A, ADMIN, W], Remove("w", "a"), Forbidden),
    ([A, ADMIN, W], Remove("admin", "w"), NotFound),
    ([A, ADMIN, W], MuteMember("a", "w", "audio", True), Forbidden),
    ([A, ADMIN, W], MuteMember("x", "a", "audio", True), Forbidden),
    ([A, ADMIN, W], MuteMember("w", "a", "audio", True), Forbidden),
    ([A, ADMIN, W], MuteMember("admin", "w", "audio", True), NotFound),
    ([A, B], Remove("a", "b"), Forbidden),
    ([A, B], Remove("a", "a"), Forbidden),
    ([A, B], MuteMember("a", "b", "audio", False), Forbidden),
    ([A, ADMIN, Leave("admin")], Remove("admin", "a"), Forbidden),
    ([A, ADMIN], MuteMember("admin", "a", "audio", False), WrongState),
    ([A, ADMIN, Mute("a", "audio", True)], MuteMember("admin", "a", "audio", False), WrongState),
    ([A, ADMIN, MuteMember("admin", "a", "audio", True)], MuteMember("admin", "a", "audio", True), WrongState),
    ([A, ADMIN, MuteMember("admin", "a", "audio", True)], MuteMember("admin", "a", "video", False), WrongState),
]


REFUSALS = AT_THE_DOOR_REFUSED + INSIDE_REFUSED + MODERATION_REFUSED


@pytest.mark.parametrize(("before", "command", "refusal"), REFUSALS, ids=str)
def test_a_refusal_changes_nothing(before: Sequence[Command], command: Command, refusal: type[RoomError]) -> None:
    assert_refused(room_after(*before), command, refusal)


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
    room = room_after(join("a", **inside))
    if same:
        assert room.apply(join("a", **comes), 1) == []
    else:
        with pytest.raises(CallInUse):
            room.apply(join("a", **comes), 1)


def test_so_many_may_wait() -> None:
    room = room_after(*(Knock(party(str(number))) for number in range(WAITING_PARTIES)))
    with pytest.raises(TooMany):
        room.apply(W, 1)
    assert room.apply(Knock(party("0", "again")), 2) != []
    room.apply(Withdraw("0"), 3)
    assert room.apply(W, 4) != []
    assert len(room.waiting) == WAITING_PARTIES


def test_who_is_inside_and_who_waits() -> None:
    """In the order of coming; whoever says something again keeps its place."""
    room = room_after(B, W, A, V, RaiseHand("b", True), Knock(party("w", "Willa")))
    assert [Member("b", None, "B", False, hand_raised=True), Member("a", None, "A", False)] == list(room.members)
    assert [party("w", "Willa"), party("v")] == list(room.waiting)
    assert (room.member("b"), room.member("w")) == (room.members[0], None)
    assert (room.waiting_party("w"), room.waiting_party("b")) == (room.waiting[0], None)


def test_who_has_lost_its_media() -> None:
    room = room_after(A, B)
    assert not room.has_lost_media("a")
    room.apply(LoseMedia("a", "fault"), 1)
    room.apply(LoseSocket("b"), 1)
    assert room.has_lost_media("a") and not room.has_lost_media("b")
    room.apply(A, 2)
    assert not room.has_lost_media("a")


def test_levels_are_counted_for_everybody_who_hears_them() -> None:
    """Both those that are told at once and those that had to wait."""
    size, seconds, said = 100, 10, 0
    room = room_after(*(join(str(number)) for number in range(size)))
    for now in range(seconds):
        said += len(room.apply(Hear({str(number): 10 + 50 * (now % 2) for number in range(size)}), now))
        while (deadline := room.deadline) is not None and deadline < now + 1:
            said += len(room.expire(deadline))
    assert said == pytest.approx(ROOM_LEVELS_PER_S * (seconds + LEVEL_INTERVAL_S) / size, rel=0.02)


def test_the_deadline_is_the_next_thing_to_do() -> None:
    room = room_after(A, B, W)
    assert room.deadline is None
    room.apply(LoseSocket("a"), 5)
    room.apply(LoseMedia("b", "closed"), 3)
    assert room.deadline == 13
    room.apply(B, 4)
    assert room.deadline == 15
    room.apply(Speak("a"), 6)
    room.apply(Speak("b"), 6)
    assert room.deadline == 6 + SPEAKER_INTERVAL_S
    room.apply(Hear({"a": 90}), 6)
    room.apply(Hear({"a": 70}), 6)
    assert room.deadline == 6 + LEVEL_INTERVAL_S
