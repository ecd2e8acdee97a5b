"""What a room of a licence is and who has a say in it: capacity, host, permits and words to each other (contract kpoint,
sections 5.1 to 5.10, 8 and 9)."""

from collections.abc import Sequence

import pytest
from attrs import evolve

from signalling.room.commands import (
    AskCanvas,
    Command,
    Draw,
    EditProfile,
    EditRoom,
    End,
    Inform,
    KickOut,
    Leave,
    LoseSocket,
    Mute,
    MuteMember,
    RaiseHand,
    Remove,
    Say,
    SendCanvas,
    SetPermit,
    StartShare,
)
from signalling.room.errors import BadRequest, CallInUse, Forbidden, NoSuchTarget, NotFound, RoomError, RoomFull
from signalling.room.events import (
    CanvasAsked,
    CanvasSent,
    Drawn,
    Informed,
    KickedOut,
    MemberJoined,
    MemberLeft,
    PermitChanged,
    RoomEdited,
    RoomEmptied,
    Said,
    ShareStarted,
)
from signalling.room.member import Charter, Permit
from signalling.room.model import Room
from tests.signalling.room.stories import (
    GRACE_S,
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

A, B, HOST = join("a"), join("b"), join("host", device="phone")
STROKE = {"xy": {"x": 0.5, "y": 0.25}, "tool": "pen"}
MUTE_ALL = SetPermit("host", "a", {"chat": False, "draw": False})

STORIES: dict[str, Story] = {
    "whoever opened the room is its host, whenever it comes, and nobody else": (
        [],
        [
            (1, A, [MemberJoined(inside("a"))]),
            (2, HOST, [MemberJoined(inside("host", device="phone", is_host=True))]),
            (3, Leave("host"), [MemberLeft("host", "left")]),
            (4, HOST, [MemberJoined(inside("host", device="phone", is_host=True))]),
        ],
    ),
    "the host does not become an admin by coming in": (
        [],
        [
            (1, join("host", is_admin=True), [MemberJoined(inside("host", is_admin=True, is_host=True))]),
            (2, Leave("host"), [MemberLeft("host", "left"), RoomEmptied()]),
            (3, join("host"), [MemberJoined(inside("host", is_host=True))]),
        ],
    ),
    "words and strokes": (
        [A],
        [
            (1, Say("a", "hello"), [Said("a", "hello")]),
            (1, Inform("a", {"any": ["thing"]}), [Informed("a", {"any": ["thing"]})]),
            (1, Draw("a", STROKE), [Drawn("a", STROKE)]),
        ],
    ),
    "somebody's picture of what was drawn is asked for, and sent": (
        [A, B],
        [
            (1, AskCanvas("a", "b"), [CanvasAsked("a", "b")]),
            (2, SendCanvas("b", "a", "data:"), [CanvasSent("b", "a", "data:")]),
        ],
    ),
    "the host permits and forbids, each by itself": (
        [HOST, A],
        [
            (1, SetPermit("host", "a", {"chat": False, "screen": True}), [
                PermitChanged(inside("a", permit=Permit(chat=False)))
            ]),
            (2, SetPermit("host", "a", {"draw": False}), [
                PermitChanged(inside("a", permit=Permit(chat=False, draw=False)))
            ]),
            (3, SetPermit("host", "a", {"draw": False}), []),
            (4, SetPermit("host", "a", {"chat": True, "draw": True}), [PermitChanged(inside("a"))]),
            (5, Say("a", "again"), [Said("a", "again")]),
        ],
    ),
    "what applications tell each other is never forbidden, nor is it to look at a canvas": (
        [HOST, A, MUTE_ALL],
        [
            (1, Inform("a", None), [Informed("a", None)]),
            (1, AskCanvas("a", "host"), [CanvasAsked("a", "host")]),
            (1, SendCanvas("a", "host", "data:"), [CanvasSent("a", "host", "data:")]),
        ],
    ),
    "permits do not bind the host": (
        [HOST, SetPermit("host", "host", {"chat": False, "draw": False, "document": False})],
        [
            (1, Say("host", "hello"), [Said("host", "hello")]),
            (1, Draw("host", STROKE), [Drawn("host", STROKE)]),
            (1, StartShare("host", "document"), [ShareStarted("host", "document")]),
        ],
    ),
    "who comes again may do everything again": (
        [HOST, A, MUTE_ALL, Leave("a")],
        [(1, A, [MemberJoined(inside("a"))]), (1, Say("a", "hello"), [Said("a", "hello")])],
    ),
    "the host asks somebody to leave, who is not removed": (
        [HOST, A],
        [(1, KickOut("host", "a"), [KickedOut("a", by="host")]), (2, Say("a", "no"), [Said("a", "no")])],
    ),
    "the host need not be inside": (
        [A],
        [
            (1, KickOut("host", "a"), [KickedOut("a", by="host")]),
            (1, SetPermit("host", "a", {"chat": False}), [PermitChanged(inside("a", permit=Permit(chat=False)))]),
            (1, EditRoom("host", title="T"), [RoomEdited(licensed(title="T"))]),
        ],
    ),
    "title and capacity": (
        [HOST, A],
        [
            (1, EditRoom("host", title="T", capacity=2), [
                RoomEdited(Charter(title="T", capacity=2, host=inside("host", device="phone", is_host=True)))
            ]),
            (2, EditRoom("host", title="T"), []),
            (3, EditRoom("host", capacity=9), [
                RoomEdited(Charter(title="T", capacity=9, host=inside("host", device="phone", is_host=True)))
            ]),
        ],
    ),
    "another host, who has an admin's rights from now on": (
        [join("host", is_admin=True), A],
        [
            (1, EditRoom("host", host="a"), [RoomEdited(Charter(host=inside("a", is_host=True, is_admin=True)))]),
            (2, KickOut("a", "host"), [KickedOut("host", by="a")]),
            (3, Remove("a", "host"), [MemberLeft("host", "removed")]),
            (4, HOST, [MemberJoined(inside("host", device="phone"))]),
        ],
    ),
    "to be made what one is already": ([HOST], [(1, EditRoom("host", host="host"), [])]),
}  # fmt: skip


@pytest.mark.parametrize(("before", "steps"), STORIES.values(), ids=STORIES.keys())
def test_steps(before: Sequence[Command], steps: Steps) -> None:
    follow(room_after(*before, charter=licensed()), steps)


BY_THE_HOST = (
    lambda by: SetPermit(by, "a", {"chat": False}),
    lambda by: KickOut(by, "a"),
    lambda by: EditRoom(by, title="T"),
    lambda by: EditRoom(by, host=by),
)

REFUSALS: list[Refusal] = [
    # An admin is no host, and who has made another the host is none any more.
    *(([HOST, A, B], command("b"), Forbidden) for command in BY_THE_HOST),
    *(([HOST, A, join("b", is_admin=True)], command("b"), Forbidden) for command in BY_THE_HOST),
    *(([HOST, A, EditRoom("host", host="a")], command("host"), Forbidden) for command in BY_THE_HOST),
    *(([A], command("nobody"), Forbidden) for command in BY_THE_HOST),
    ([join("host", is_admin=True), A, EditRoom("host", host="a")], MuteMember("host", "a", "audio", True), Forbidden),
    ([HOST, A], KickOut("host", "x"), NoSuchTarget),
    ([HOST, A], SetPermit("host", "x", {"chat": False}), NoSuchTarget),
    ([HOST, A], EditRoom("host", host="x"), NoSuchTarget),
    ([HOST, A], EditRoom("host", title="T", host="x"), NoSuchTarget),
    ([A], EditRoom("host", host="host"), BadRequest)
    if False
    else ([HOST, A], EditRoom("host", capacity=1), BadRequest),
    ([], EditRoom("host", capacity=0), BadRequest),
    ([HOST, A], EditRoom("host", title="T", capacity=1), BadRequest),
    ([HOST, A, MUTE_ALL], Say("a", "hello"), Forbidden),
    ([HOST, A, MUTE_ALL], Draw("a", STROKE), Forbidden),
    # Its own permit binds whoever is the host no more.
    ([HOST, SetPermit("host", "host", {"chat": False}), A, EditRoom("host", host="a")], Say("host", "?"), Forbidden),
    *(
        ([HOST, A], command, NotFound)
        for command in (
            Say("x", "hello"),
            Inform("x", "hello"),
            Draw("x", STROKE),
            AskCanvas("x", "a"),
            SendCanvas("x", "a", "data:"),
        )
    ),
    ([HOST, A], AskCanvas("a", "x"), NoSuchTarget),
    ([HOST, A], SendCanvas("a", "x", "data:"), NoSuchTarget),
]


@pytest.mark.parametrize(("before", "command", "refusal"), REFUSALS, ids=str)
def test_a_refusal_changes_nothing(before: Sequence[Command], command: Command, refusal: type[RoomError]) -> None:
    assert_refused(room_after(*before, charter=licensed()), command, refusal)


@pytest.mark.parametrize("command", [KickOut("a", "b"), EditRoom("a", title="T"), SetPermit("a", "b", {"chat": False})])
def test_a_room_of_the_servers_own_has_no_host(command: Command) -> None:
    room = room_after(join("a", is_admin=True), B)
    assert Charter() == room.charter
    assert_refused(room, command, Forbidden)


def test_no_more_than_its_capacity_come_in() -> None:
    room = room_after(HOST, A, charter=licensed(capacity=2))
    assert_refused(room, B, RoomFull)
    # Who is inside comes back, as if there were room; who is somebody else is told so.
    room.apply(LoseSocket("a"), 1)
    assert [] == room.apply(A, 2)
    assert_refused(room, join("a", token_id="another"), CallInUse)
    room.apply(Leave("a"), 3)
    assert [MemberJoined(inside("b"))] == room.apply(B, 4)
    assert_refused(room, A, RoomFull)
    room.apply(EditRoom("host", capacity=3), 5)
    assert [MemberJoined(inside("a"))] == room.apply(A, 6)


def test_the_capacity_of_a_room_does_not_spare_its_host() -> None:
    assert_refused(room_after(A, charter=licensed(capacity=1)), HOST, RoomFull)


def test_the_host_is_known_as_it_is_and_as_it_was_last() -> None:
    room = Room(GRACE_S, licensed())

    def host(**changes: object) -> None:
        assert inside("host", device="phone", is_host=True, **changes) == room.charter.host

    assert licensed().host == room.charter.host
    room.apply(A, 1)
    assert licensed().host == room.charter.host
    room.apply(HOST, 1)
    host()
    room.apply(Mute("host", "audio", True), 2)
    host(audio_muted=True)
    room.apply(EditProfile("host", name="Hero", broadcast=False), 2)
    host(audio_muted=True, name="Hero")
    room.apply(Leave("host"), 3)
    host(audio_muted=True, name="Hero")
    room.apply(RaiseHand("a", True), 3)
    host(audio_muted=True, name="Hero")
    room.apply(HOST, 4)
    host()
    room.apply(End("host"), 5)
    host()


def test_two_members_change_as_the_host_does() -> None:
    room = room_after(join("host", is_admin=True), A, B, RaiseHand("a", True), charter=licensed())
    room.apply(EditRoom("host", host="a"), 1)
    expected = [inside("host"), inside("a", hand_raised=True, is_host=True, is_admin=True), inside("b")]
    assert expected == list(room.members)
    assert room.charter.host == room.members[1]
    # A host that is not inside hands over all the same.
    room.apply(Leave("a"), 2)
    room.apply(EditRoom("a", host="b"), 3)
    assert [expected[0], evolve(expected[2], is_host=True, is_admin=True)] == list(room.members)
