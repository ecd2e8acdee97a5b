"""What two members of a P2P room send each other: whom it reaches, and which answers belong to an offer (contract kpoint,
sections 6.1 and 6.5)."""

from collections.abc import Sequence

import pytest

from sfu.wanted import MediaSource
from signalling.room.commands import Command, Leave, LoseMedia, RelayCandidate, RelayDescription
from signalling.room.errors import Mismatch, Missing, NoSuchTarget, NotFound, RoomError, WrongKind
from signalling.room.events import CandidateRelayed, DescriptionRelayed, MemberJoined, MemberLeft, StreamSubscribed
from tests.signalling.room.stories import (
    Refusal,
    Steps,
    Story,
    assert_refused,
    follow,
    inside,
    join,
    licensed,
    room_after,
)

A, B, C = join("a"), join("b"), join("c")
CANDIDATE = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host"}


def offer(member: str, target: str | None, source: MediaSource = "camera", sdp: str = "offer") -> RelayDescription:
    return RelayDescription(member, target, source, is_answer=False, sdp=sdp)


def answer(member: str, target: str | None, source: MediaSource = "camera") -> RelayDescription:
    return RelayDescription(member, target, source, is_answer=True, sdp="answer")


def offered(member: str, target: str, source: MediaSource = "camera", sdp: str = "offer") -> DescriptionRelayed:
    return DescriptionRelayed(member, target, source, is_answer=False, sdp=sdp)


def answered(member: str, target: str, source: MediaSource = "camera") -> list[object]:
    """The offerer gets the answer, and then the answerer learns that the stream comes."""
    return [
        DescriptionRelayed(member, target, source, is_answer=True, sdp="answer"),
        StreamSubscribed(member, sender=target, source=source),
    ]


STORIES: dict[str, Story] = {
    "an offer and its answer": (
        [A, B],
        [(1, offer("a", "b"), [offered("a", "b")]), (2, answer("b", "a"), answered("b", "a"))],
    ),
    "each direction and each source is a connection of its own": (
        [A, B],
        [
            (1, offer("a", "b"), [offered("a", "b")]),
            (1, offer("b", "a"), [offered("b", "a")]),
            (1, offer("a", "b", "screen"), [offered("a", "b", "screen")]),
            (2, answer("b", "a", "screen"), answered("b", "a", "screen")),
            (2, answer("a", "b"), answered("a", "b")),
            (2, answer("b", "a"), answered("b", "a")),
        ],
    ),
    "where there are two, the target is the other one": (
        [A, B],
        [(1, offer("b", None), [offered("b", "a")]), (2, answer("a", None), answered("a", "b"))],
    ),
    "a second offer takes the place of the first": (
        [A, B],
        [
            (1, offer("a", "b"), [offered("a", "b")]),
            (2, offer("a", "b", sdp="later"), [offered("a", "b", sdp="later")]),
            (3, answer("b", "a"), answered("b", "a")),
        ],
    ),
    "and one after the answer begins anew": (
        [A, B, offer("a", "b"), answer("b", "a")],
        [(1, offer("a", "b"), [offered("a", "b")]), (2, answer("b", "a"), answered("b", "a"))],
    ),
    "candidates, whenever and whatever": (
        [A, B],
        [
            (1, RelayCandidate("a", "b", CANDIDATE, "pub", "camera"), [
                CandidateRelayed("a", "b", CANDIDATE, "pub", "camera")
            ]),
            (1, RelayCandidate("b", "a", None, "sub", "screen"), [CandidateRelayed("b", "a", None, "sub", "screen")]),
        ],
    ),
    "who leaves takes its offers along, and those to it, and nobody else's": (
        [A, B, C, offer("a", "b"), offer("c", "a")],
        [
            (1, Leave("b"), [MemberLeft("b", "left")]),
            (1, B, [MemberJoined(inside("b"))]),
            (2, answer("a", "c"), answered("a", "c")),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "steps"), STORIES.values(), ids=STORIES.keys())
def test_steps(before: Sequence[Command], steps: Steps) -> None:
    follow(room_after(*before, charter=licensed(kind="relay")), steps)


REFUSALS: list[Refusal] = [
    ([A, B], offer("x", "a"), NotFound),
    ([A, B], RelayCandidate("x", "a", CANDIDATE, "pub", "camera"), NotFound),
    ([A, B], offer("a", "x"), NoSuchTarget),
    ([A, B], answer("a", "x"), NoSuchTarget),
    ([A, B], RelayCandidate("a", "x", CANDIDATE, "pub", "camera"), NoSuchTarget),
    ([A, B], offer("a", "a"), NoSuchTarget),
    ([A, B], RelayCandidate("a", "a", CANDIDATE, "pub", "camera"), NoSuchTarget),
    ([A], offer("a", None), Missing),
    ([A, B, C], offer("a", None), Missing),
    ([A, B], answer("b", "a"), Mismatch),
    # Neither an offer of one's own, nor one for something else, nor one that was answered or made to somebody else.
    ([A, B, offer("b", "a")], answer("b", "a"), Mismatch),
    ([A, B, offer("a", "b")], answer("b", "a", "screen"), Mismatch),
    ([A, B, offer("a", "b"), answer("b", "a")], answer("b", "a"), Mismatch),
    ([A, B, C, offer("a", "b")], answer("c", "a"), Mismatch),
    ([A, B, offer("a", "b"), Leave("a"), A], answer("b", "a"), Mismatch),
    ([A, B, offer("a", "b"), Leave("b"), B], answer("b", "a"), Mismatch),
    ([A, B, C, offer("a", "b"), LoseMedia("b", "final"), B], answer("b", "a"), Mismatch),
]


@pytest.mark.parametrize(("before", "command", "refusal"), REFUSALS, ids=str)
def test_a_refusal_changes_nothing(before: Sequence[Command], command: Command, refusal: type[RoomError]) -> None:
    assert_refused(room_after(*before, charter=licensed(kind="relay")), command, refusal)


@pytest.mark.parametrize(
    "command",
    [offer("a", "b"), offer("a", None), answer("a", "x"), RelayCandidate("a", "b", CANDIDATE, "pub", "camera")],
)
def test_a_group_room_relays_nothing(command: Command) -> None:
    assert_refused(room_after(A, B, charter=licensed()), command, WrongKind)
