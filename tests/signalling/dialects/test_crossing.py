"""The table of what crosses between dialects says the truth about both of them."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from sfu.wanted import VideoAllocation
from signalling.dialects import kpoint, room_api
from signalling.dialects.crossing import CROSSING, Words, table
from signalling.room import events
from signalling.room.member import Charter, Member, PublishedFeed, WaitingParty

ANN = Member("ann", None, "Ann", is_admin=False)
NORA = WaitingParty("nora", "Nora", None, is_listed=False)

# Each event in every form of which the words may differ.
EXAMPLES: list[events.Event] = [
    events.PartyWaiting(NORA, reminder=False),
    events.PartyWithdrew("nora"),
    events.PartyAllowed("nora"),
    events.PartyRejected("nora"),
    events.MemberJoined(ANN),
    events.MemberLeft("ann", "left"),
    events.MemberLeft("ann", "lost"),
    events.MemberLeft("ann", "removed"),
    events.MemberLeft("ann", "ended", by="bob"),
    events.MuteChanged("ann", "audio", True),
    events.MuteChanged("ann", "video", False, by_admin=True),
    events.HandChanged("ann", True),
    events.HandChanged("ann", False),
    events.ScreenShareChanged("ann", True),
    events.ScreenShareChanged("ann", False),
    events.Reacted("ann", "👍"),
    events.ProfileChanged(ANN),
    events.Published(PublishedFeed(ANN, "camera")),
    events.Published(PublishedFeed(ANN, "screen")),
    events.Unpublished("ann", "screen"),
    events.ShareStarted("ann", "screen"),
    events.ShareStarted("ann", "whiteboard"),
    events.ShareStarted("ann", "document"),
    events.DocumentShown("ann", "https://pages.example/1.png"),
    events.ShareStopped("ann", by="bob"),
    events.Drawn("ann", {"tool": "pen"}),
    events.CanvasAsked("ann", "bob"),
    events.CanvasSent("ann", "bob", "data:image/png;base64,"),
    events.Said("ann", "hello"),
    events.Informed("ann", {"any": ["thing"]}),
    events.DescriptionRelayed("ann", "bob", "camera", False, "v=0"),
    events.CandidateRelayed("ann", "bob", None, "send", "camera"),
    events.StreamSubscribed("bob", "ann", "camera"),
    events.RoomEdited(Charter()),
    events.PermitChanged(ANN),
    events.KickedOut("ann", by="bob"),
    events.TalkingChanged("ann", True),
    events.ActiveSpeaker("ann"),
    events.ActiveSpeaker(None),
    events.LevelChanged("ann", 90),
    events.AllocationsChanged("ann", {"bob": VideoAllocation(1, None, 100_000, 640, 360)}),
    events.RateChanged("ann", 500_000),
    events.MediaLost("ann"),
    events.InvitationRejected("ann", "bridge", "room"),
    events.RoomEmptied(),
]


def test_every_event_has_its_line_and_its_examples() -> None:
    kinds = set(get_args(events.Event))
    assert set(CROSSING) == kinds
    assert {type(example) for example in EXAMPLES} == kinds


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_each_dialect_says_what_the_table_says(example: events.Event) -> None:
    words: Words = CROSSING[type(example)]
    assert said_by_room_api(example) in Said(words.room_api)
    assert said_by_kpoint(example) in Said(words.kpoint)


@pytest.mark.parametrize("kind", CROSSING, ids=lambda kind: kind.__name__)
def test_each_word_of_the_table_is_said(kind: type) -> None:
    examples = [example for example in EXAMPLES if type(example) is kind]
    words = CROSSING[kind]
    assert {said_by_room_api(example) for example in examples} >= exact(words.room_api)
    assert {said_by_kpoint(example) for example in examples} >= exact(words.kpoint)


def said_by_room_api(event: events.Event) -> str:
    text = room_api.notification(event, "monday")
    return "" if text is None else str(json.loads(text)["method"])


def said_by_kpoint(event: events.Event) -> str:
    text = kpoint.notification(event, "monday")
    if text is None:
        return ""
    message = json.loads(text)
    return f"presence/{message['type']}" if message["eventOp"] == "presence" else str(message["eventOp"])


def exact(cell: str) -> set[str]:
    """The words of a cell: `presence/screen, whiteboard` are two, of one kind."""
    if not cell:
        return {""}
    words = re.split(", | / ", cell)
    kind = words[0].partition("/")[0] + "/" if "/" in words[0] else ""
    return {word if "/" in word else kind + word for word in words if "…" not in word}


class Said:
    """Whatever a cell allows: its words, and those that begin as one that ends in "…"."""

    def __init__(self, cell: str) -> None:
        self.words = exact(cell)
        self.beginnings = tuple(word.removesuffix("…") for word in re.split(", | / ", cell) if word.endswith("…"))

    def __contains__(self, word: str) -> bool:
        return word in self.words or bool(self.beginnings and word.startswith(self.beginnings))

    def __repr__(self) -> str:
        return f"{self.words} {self.beginnings}"


def test_the_readme_shows_the_table() -> None:
    assert table() in (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
