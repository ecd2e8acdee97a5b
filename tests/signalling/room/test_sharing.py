"""Feeds and the one share of a room: who may, what is told in which order, and what ends with what (contract kpoint, sections
5.3, 6.4, 8 and 10)."""

from collections.abc import Sequence

import pytest

from signalling.room.commands import (
    Command,
    Drop,
    EditRoom,
    End,
    Leave,
    LoseMedia,
    LoseSocket,
    Publish,
    Remove,
    SetPermit,
    ShareScreen,
    ShowDocument,
    StartShare,
    StopShare,
)
from signalling.room.errors import Forbidden, NotFound, NothingThere, RoomError, ShareTaken, WrongKind
from signalling.room.events import (
    DocumentShown,
    MemberLeft,
    Published,
    RoomEmptied,
    ScreenShareChanged,
    ShareStarted,
    ShareStopped,
    Unpublished,
)
from signalling.room.member import PublishedFeed, Share
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

A, B, HOST = join("a"), join("b"), join("host")
A_CAMERA = Published(PublishedFeed(inside("a", publishing=True), "camera"))
A_SCREEN = Published(PublishedFeed(inside("a"), "screen"))
SCREEN = [StartShare("a", "screen"), Publish("a", "screen")]

FEEDS: dict[str, Story] = {
    "a camera": (
        [A, B],
        [
            (1, Publish("a", "camera"), [A_CAMERA]),
            (1, Publish("a", "camera"), []),
            (2, Publish("a", "camera", live=False), [Unpublished("a", "camera")]),
            (2, Publish("a", "camera", live=False), []),
            (3, Publish("a", "camera"), [A_CAMERA]),
        ],
    ),
    "a screen: first it is shared, then it is sent": (
        [A, B],
        [
            (1, StartShare("a", "screen"), [ShareStarted("a", "screen")]),
            (2, Publish("a", "screen"), [A_SCREEN, ScreenShareChanged("a", True)]),
            (2, Publish("a", "screen"), []),
            (3, StopShare("a"), [
                ShareStopped("a", by="a"), Unpublished("a", "screen"), ScreenShareChanged("a", False)
            ]),
        ],
    ),
    "a screen's connection may break and be made again while it is shared": (
        [A, B, *SCREEN],
        [
            (1, Publish("a", "screen", live=False), [Unpublished("a", "screen"), ScreenShareChanged("a", False)]),
            (2, Publish("a", "screen"), [A_SCREEN, ScreenShareChanged("a", True)]),
        ],
    ),
    "a connection that breaks when nothing comes by it any more is no news": (
        [A, B, *SCREEN, StopShare("a")],
        [(1, Publish("a", "screen", live=False), []), (1, Publish("b", "screen", live=False), [])],
    ),
    "a screen that was shared and never sent": (
        [A, StartShare("a", "screen")],
        [(1, StopShare("a"), [ShareStopped("a", by="a")])],
    ),
    "a camera goes on beside a screen": (
        [A, Publish("a", "camera"), *SCREEN],
        [
            (1, StopShare("a"), [
                ShareStopped("a", by="a"), Unpublished("a", "screen"), ScreenShareChanged("a", False)
            ]),
            (2, Publish("a", "camera"), []),
        ],
    ),
}  # fmt: skip

SHARES: dict[str, Story] = {
    "one after the other, and of any kind": (
        [A, B],
        [
            (1, StartShare("a", "whiteboard"), [ShareStarted("a", "whiteboard")]),
            (2, StopShare("a"), [ShareStopped("a", by="a")]),
            (3, StartShare("b", "document"), [ShareStarted("b", "document")]),
            (4, ShowDocument("b", "page 1"), [DocumentShown("b", "page 1")]),
            (4, ShowDocument("b", "page 2"), [DocumentShown("b", "page 2")]),
        ],
    ),
    "the host may do what permits forbid, and end what others share": (
        [HOST, A, SetPermit("host", "host", {"screen": False})],
        [
            (1, StartShare("host", "screen"), [ShareStarted("host", "screen")]),
            (2, StopShare("host"), [ShareStopped("host", by="host")]),
            (3, StartShare("a", "whiteboard"), [ShareStarted("a", "whiteboard")]),
            (4, StopShare("host"), [ShareStopped("a", by="host")]),
        ],
    ),
    "even from outside": (
        [A, *SCREEN],
        [
            (1, StopShare("host"), [
                ShareStopped("a", by="host"), Unpublished("a", "screen"), ScreenShareChanged("a", False)
            ]),
        ],
    ),
    "what is forbidden while it goes on goes on": (
        [HOST, A, StartShare("a", "document"), SetPermit("host", "a", {"document": False, "screen": False})],
        [(1, ShowDocument("a", "page"), [DocumentShown("a", "page")]), (2, StopShare("a"), [ShareStopped("a", by="a")])],
    ),
}  # fmt: skip

ONE_PICTURE: dict[str, Story] = {
    "the one picture that somebody sends is that of its screen, and everybody looks at it": (
        [A, B],
        [
            (1, ShareScreen("a", True), [
                ScreenShareChanged("a", True),
                ShareStarted("a", "screen"),
                Published(PublishedFeed(inside("a", screen_share=True), "screen")),
            ]),
            (1, ShareScreen("a", True), []),
            (2, ShareScreen("a", False), [
                ShareStopped("a", by="a"), Unpublished("a", "screen"), ScreenShareChanged("a", False)
            ]),
            (2, ShareScreen("a", False), []),
        ],
    ),
    "or not everybody, while something else is shared": (
        [A, B, StartShare("b", "whiteboard")],
        [
            (1, ShareScreen("a", True), [ScreenShareChanged("a", True)]),
            (2, ShareScreen("a", False), [ScreenShareChanged("a", False)]),
        ],
    ),
    "it is looked at when it says so again and nothing else is shared any more": (
        [A, B, StartShare("b", "whiteboard"), ShareScreen("a", True), StopShare("b")],
        [
            (1, ShareScreen("a", True), [
                ShareStarted("a", "screen"), Published(PublishedFeed(inside("a", screen_share=True), "screen"))
            ]),
        ],
    ),
    "nor if the host forbids that": (
        [A, SetPermit("host", "a", {"screen": False})],
        [
            (1, ShareScreen("a", True), [ScreenShareChanged("a", True)]),
            (2, StartShare("a", "document"), [ShareStarted("a", "document")]),
            (3, ShareScreen("a", False), [ScreenShareChanged("a", False)]),
            (4, StopShare("a"), [ShareStopped("a", by="a")]),
        ],
    ),
    "the host ends it like any other": (
        [A, ShareScreen("a", True)],
        [
            (1, StopShare("host"), [
                ShareStopped("a", by="host"), Unpublished("a", "screen"), ScreenShareChanged("a", False)
            ]),
            (2, ShareScreen("a", False), []),
        ],
    ),
    "a new connection sends the camera again": (
        [A, Publish("a", "camera"), ShareScreen("a", True)],
        [
            (1, A, [ShareStopped("a", by="a"), Unpublished("a", "screen"), ScreenShareChanged("a", False)]),
            (1, Publish("a", "camera"), []),
        ],
    ),
}  # fmt: skip

AT_THE_END: dict[str, Story] = {
    "who leaves stops sharing, then sending, then it is gone": (
        [A, B, Publish("a", "camera"), *SCREEN],
        [
            (1, Leave("a"), [
                ShareStopped("a", by="a"), Unpublished("a", "screen"), Unpublished("a", "camera"), MemberLeft("a", "left")
            ]),
        ],
    ),
    "whose socket is gone": (
        [A, B, StartShare("a", "whiteboard")],
        [(1, Drop("a"), [ShareStopped("a", by="a"), MemberLeft("a", "lost")])],
    ),
    "who does not come back": (
        [A, B, StartShare("a", "whiteboard"), LoseSocket("a")],
        [(10, None, [ShareStopped("a", by="a"), MemberLeft("a", "lost")])],
    ),
    "whose one connection is lost": (
        [A, B, Publish("a", "camera")],
        [(1, LoseMedia("a", "final"), [Unpublished("a", "camera"), MemberLeft("a", "lost")])],
    ),
    "who is removed": (
        [join("host", is_admin=True), A, ShareScreen("a", True)],
        [
            (1, Remove("host", "a"), [
                ShareStopped("a", by="a"), Unpublished("a", "screen"), MemberLeft("a", "removed")
            ]),
        ],
    ),
    "another's share and feeds stay": (
        [A, B, StartShare("b", "whiteboard"), Publish("b", "camera")],
        [(1, Leave("a"), [MemberLeft("a", "left")])],
    ),
    "the end of the room says enough of its share": (
        [A, B, Publish("a", "camera"), *SCREEN],
        [
            (1, End("host"), [
                Unpublished("a", "screen"),
                Unpublished("a", "camera"),
                MemberLeft("a", "ended", "host"),
                MemberLeft("b", "ended", "host"),
                RoomEmptied(),
            ]),
        ],
    ),
}  # fmt: skip

STORIES = FEEDS | SHARES | ONE_PICTURE | AT_THE_END


@pytest.mark.parametrize(("before", "steps"), STORIES.values(), ids=STORIES.keys())
def test_steps(before: Sequence[Command], steps: Steps) -> None:
    follow(room_after(*before, charter=licensed()), steps)


REFUSALS: list[Refusal] = [
    ([A], Publish("x", "camera"), NotFound),
    ([A], Publish("x", "camera", live=False), NotFound),
    ([A], StartShare("x", "screen"), NotFound),
    ([A], ShowDocument("x", "page"), NotFound),
    ([A], StopShare("x"), NotFound),
    ([A], ShareScreen("x", True), NotFound),
    # A screen is sent by who holds the share of a screen.
    ([A], Publish("a", "screen"), Forbidden),
    ([A, StartShare("a", "whiteboard")], Publish("a", "screen"), Forbidden),
    ([A, B, StartShare("b", "screen")], Publish("a", "screen"), Forbidden),
    ([A, *SCREEN, StopShare("a")], Publish("a", "screen"), Forbidden),
    *(
        ([HOST, A, B, SetPermit("host", "a", {kind: False})], StartShare("a", kind), Forbidden)
        for kind in ("screen", "whiteboard", "document")
    ),
    # Permission comes before what is there.
    ([A, B, StartShare("b", "document"), SetPermit("host", "a", {"screen": False})], StartShare("a", "screen"), Forbidden),
    ([A, B, StartShare("b", "document")], StartShare("a", "screen"), ShareTaken),
    ([HOST, B, StartShare("b", "document")], StartShare("host", "screen"), ShareTaken),
    ([A, StartShare("a", "document")], StartShare("a", "document"), ShareTaken),
    ([A, B, ShareScreen("a", True)], StartShare("b", "screen"), ShareTaken),
    ([A], ShowDocument("a", "page"), Forbidden),
    ([A, StartShare("a", "whiteboard")], ShowDocument("a", "page"), Forbidden),
    ([HOST, A, StartShare("a", "document")], ShowDocument("host", "page"), Forbidden),
    ([A], StopShare("a"), NothingThere),
    ([A], StopShare("host"), NothingThere),
    ([A, B, StartShare("b", "document")], StopShare("a"), Forbidden),
    ([join("a", is_admin=True), B, StartShare("b", "document")], StopShare("a"), Forbidden),
    ([HOST, A, EditRoom("host", host="a"), StartShare("a", "document")], StopShare("host"), Forbidden),
]  # fmt: skip


@pytest.mark.parametrize(("before", "command", "refusal"), REFUSALS, ids=str)
def test_a_refusal_changes_nothing(before: Sequence[Command], command: Command, refusal: type[RoomError]) -> None:
    assert_refused(room_after(*before, charter=licensed()), command, refusal)


@pytest.mark.parametrize(
    "command",
    [Publish("a", "camera"), Publish("a", "camera", live=False), Publish("a", "screen"), ShareScreen("a", True)],
)
def test_nothing_is_sent_by_way_of_the_server_in_a_p2p_room(command: Command) -> None:
    assert_refused(room_after(A, B, StartShare("a", "screen"), charter=licensed(kind="relay")), command, WrongKind)


def test_a_p2p_room_has_a_share_too() -> None:
    room = room_after(A, B, charter=licensed(kind="relay"))
    assert [ShareStarted("a", "screen")] == room.apply(StartShare("a", "screen"), 1)
    assert Share("screen", "a") == room.share
    assert [ShareStopped("a", by="a"), MemberLeft("a", "left")] == room.apply(Leave("a"), 2)


def test_what_is_shared_and_sent() -> None:
    room = room_after(A, B, charter=licensed())
    assert (None, ()) == (room.share, room.feeds)
    room.apply(StartShare("b", "document"), 1)
    assert Share("document", "b") == room.share
    room.apply(ShowDocument("b", "page 1"), 2)
    room.apply(ShowDocument("b", "page 2"), 2)
    assert Share("document", "b", "page 2") == room.share
    room.apply(StopShare("b"), 3)
    room.apply(StartShare("b", "document"), 3)
    assert Share("document", "b") == room.share
    room.apply(End(), 4)
    assert (None, ()) == (room.share, room.feeds)


def test_feeds_come_in_the_order_of_publishing_and_show_members_as_they_are() -> None:
    room = room_after(A, B, Publish("b", "camera"), Publish("a", "camera"), *SCREEN)
    room.apply(Publish("b", "camera", live=False), 1)
    room.apply(Publish("b", "camera"), 2)
    sharer = inside("a", publishing=True, screen_share=True)
    assert (sharer, inside("b", publishing=True)) == room.members
    expected = [(sharer, "camera"), (sharer, "screen"), (inside("b", publishing=True), "camera")]
    assert [PublishedFeed(*feed) for feed in expected] == list(room.feeds)


def test_a_host_that_is_not_inside_is_not_remembered_to_send() -> None:
    room = room_after(HOST, Publish("host", "camera"), ShareScreen("host", True), Leave("host"), charter=licensed())
    assert inside("host", is_host=True) == room.charter.host
