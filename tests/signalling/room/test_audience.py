"""Who hears of what, where it is not simply everybody else (contract kpoint, sections 5.4, 5.8, 5.10, 7 and 8)."""

import pytest

from signalling.room.events import (
    AllBut,
    Audience,
    CandidateRelayed,
    CanvasAsked,
    CanvasSent,
    DescriptionRelayed,
    DocumentShown,
    Drawn,
    Event,
    Everyone,
    Informed,
    KickedOut,
    MemberLeft,
    Nobody,
    Only,
    OnlyAndWatchers,
    PermitChanged,
    ProfileChanged,
    Published,
    RoomEdited,
    Said,
    ShareStarted,
    ShareStopped,
    StreamSubscribed,
    TalkingChanged,
    Unpublished,
    Watchers,
    audience,
)
from signalling.room.member import Charter, PublishedFeed
from tests.signalling.room.stories import inside

A = inside("a")


@pytest.mark.parametrize(
    ("event", "hears"),
    [
        (Published(PublishedFeed(A, "camera")), AllBut("a")),
        (ShareStarted("a", "document"), AllBut("a")),
        (DocumentShown("a", "page"), AllBut("a")),
        (Drawn("a", {}), AllBut("a")),
        (Said("a", "hello"), AllBut("a")),
        (Informed("a", None), AllBut("a")),
        # The sharer hears that the host has ended its share; the host, who did it, does not.
        (ShareStopped("a", by="host"), AllBut("host")),
        (ShareStopped("a", by="a"), AllBut("a")),
        # The talker too.
        (TalkingChanged("a", True), Everyone()),
        # The answerer, and nobody else.
        (StreamSubscribed("a", sender="b", source="camera"), Only("a")),
        (DescriptionRelayed("a", "b", "camera", False, "sdp"), Only("b")),
        (CandidateRelayed("a", "b", None, "pub", "camera"), Only("b")),
        (CanvasAsked("a", "b"), Only("b")),
        (CanvasSent("a", "b", "data:"), Only("b")),
        (KickedOut("b", by="a"), Only("b")),
        # Nobody hears what it has done to itself.
        (CanvasAsked("a", "a"), Nobody()),
        (CanvasSent("a", "a", "data:"), Nobody()),
        (KickedOut("a", by="a"), Nobody()),
        (ProfileChanged(A, target="a"), Nobody()),
        (ProfileChanged(A), AllBut("a")),
        (ProfileChanged(A, target="b"), Only("b")),
        (ProfileChanged(A, broadcast=False), Nobody()),
        (ProfileChanged(A, broadcast=False, target="b"), Nobody()),
        # What an admin has decided for it, it hears itself.
        (ProfileChanged(A, by_admin=True), Everyone()),
        (RoomEdited(Charter()), Nobody()),
        (PermitChanged(A), Nobody()),
        (Unpublished("a", "screen"), Nobody()),
        # Each hears of its own end, but for who ended the room.
        (MemberLeft("a", "ended", by="host"), OnlyAndWatchers("a")),
        (MemberLeft("a", "ended", by="a"), Watchers()),
    ],
    ids=str,
)
def test_who_hears(event: Event, hears: Audience) -> None:
    assert hears == audience(event)
