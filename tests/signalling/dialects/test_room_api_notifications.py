"""The Room API's notifications in the order of contract room-api, 5.4, to be compared with it line by line."""

import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from attrs import evolve

from sfu.wanted import VideoAllocation
from signalling.dialects import room_api
from signalling.room.events import (
    ActiveSpeaker,
    AllocationsChanged,
    Allowed,
    CandidateRelayed,
    CanvasAsked,
    CanvasSent,
    CompletedElsewhere,
    DescriptionRelayed,
    DocumentShown,
    Drawn,
    FeedsThere,
    GroupMade,
    HandChanged,
    Informed,
    InvitationRejected,
    Invited,
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
    Rejected,
    RoomEdited,
    RoomEmptied,
    Said,
    ScreenShareChanged,
    ServerDraining,
    ShareStarted,
    ShareStopped,
    StreamSubscribed,
    TakenOver,
    TalkingChanged,
    Unpublished,
    Word,
)
from signalling.room.member import Charter, Member, Permit, PublishedFeed, WaitingParty

STRANGER = WaitingParty("c-nora", "Nora", None, is_listed=False)
UNINVITED = evolve(STRANGER, user="8a41")
LISTED = evolve(UNINVITED, is_listed=True)

BOB = Member(
    id="c-bob",
    user=None,
    name="Bob",
    is_admin=False,
    hand_raised=True,
    screen_share=False,
    audio_muted=True,
    video_muted=False,
    audio_muted_by_admin=False,
    video_muted_by_admin=True,
    is_sip=False,
    # Shown by KPOINT only.
    device="phone",
    is_host=True,
    publishing=True,
    permit=Permit(draw=False),
)

WORDS: list[tuple[Word, str, dict[str, Any]]] = [
    (PartyWaiting(STRANGER, reminder=False), "member_waiting", {"member": "c-nora", "name": "Nora"}),
    (PartyWaiting(UNINVITED, reminder=False), "member_waiting", {"member": "c-nora", "name": "Nora", "user": "8a41"}),
    (PartyWaiting(LISTED, reminder=False), "member_waiting", {"member": "c-nora", "name": "Nora"}),
    (PartyWaiting(UNINVITED, reminder=True), "member_waiting", {"member": "c-nora", "name": "Nora", "user": "8a41"}),
    (Allowed("t"), "member_allowed", {"auth_token": "t"}),
    (Rejected(), "member_rejected", {}),
    (PartyWithdrew("c-nora"), "member_leave_waiting_room", {"member": "c-nora"}),
    (PartyAllowed("c-nora"), "member_waiting_allowed", {"member": "c-nora"}),
    (PartyRejected("c-nora"), "member_waiting_rejected", {"member": "c-nora"}),
    (
        MemberJoined(BOB),
        "member_join_room",
        {
            "id": "c-bob",
            "user": None,
            "name": "Bob",
            "is_admin": False,
            "hand_raised": True,
            "screen_share": False,
            "audio_muted": True,
            "video_muted": False,
            "audio_muted_by_admin": False,
            "video_muted_by_admin": True,
            "is_sip": False,
            "stream": "c-bob",
        },
    ),
    (MemberLeft("c-bob", "left"), "member_leave_room", {"member": "c-bob", "by_admin": False}),
    (MemberLeft("c-bob", "lost"), "member_leave_room", {"member": "c-bob", "by_admin": False}),
    (MemberLeft("c-bob", "removed"), "member_leave_room", {"member": "c-bob", "by_admin": True}),
    (MemberLeft("c-bob", "ended"), "member_leave_room", {"member": "c-bob", "by_admin": True}),
    (MuteChanged("c-bob", "audio", True), "member_mute_audio", {"member": "c-bob", "by_admin": False}),
    (MuteChanged("c-bob", "audio", False), "member_unmute_audio", {"member": "c-bob", "by_admin": False}),
    (MuteChanged("c-bob", "video", True), "member_mute_video", {"member": "c-bob", "by_admin": False}),
    (MuteChanged("c-bob", "video", False), "member_unmute_video", {"member": "c-bob", "by_admin": False}),
    (MuteChanged("c-bob", "audio", True, True), "member_mute_audio", {"member": "c-bob", "by_admin": True}),
    (MuteChanged("c-bob", "audio", False, True), "member_unmute_audio", {"member": "c-bob", "by_admin": True}),
    (MuteChanged("c-bob", "video", True, True), "member_mute_video", {"member": "c-bob", "by_admin": True}),
    (MuteChanged("c-bob", "video", False, True), "member_unmute_video", {"member": "c-bob", "by_admin": True}),
    (HandChanged("c-bob", True), "member_raise_hand", {"member": "c-bob"}),
    (HandChanged("c-bob", False), "member_unraise_hand", {"member": "c-bob"}),
    (ScreenShareChanged("c-bob", True), "member_start_screen_share", {"member": "c-bob"}),
    (ScreenShareChanged("c-bob", False), "member_stop_screen_share", {"member": "c-bob"}),
    (Reacted("c-bob", "👍"), "member_send_reaction", {"member": "c-bob", "reaction": "👍"}),
    (
        Invited("0b51", "leg-1", "5dc0", "t"),
        "room_invite",
        {"room": "0b51", "call_id": "leg-1", "from_user": "5dc0", "auth_token": "t"},
    ),
    (
        Invited("0b51", "leg-1", None, "t"),
        "room_invite",
        {"room": "0b51", "call_id": "leg-1", "from_user": None, "auth_token": "t"},
    ),
    (CompletedElsewhere("0b51"), "room_invite_completed_elsewhere", {"room": "0b51"}),
    (InvitationRejected("c-anna", "b-1", "0b51"), "room_invite_reject", {"room": "0b51", "call_id": "b-1"}),
    (ActiveSpeaker("c-bob"), "room_active_speaker", {"member": "c-bob"}),
    (ActiveSpeaker(None), "room_clear_active_speaker", {}),
    (LevelChanged("c-bob", 77), "member_audio_level", {"member": "c-bob", "audio_level": 77}),
    (
        AllocationsChanged(
            "c-anna",
            {
                "c-bob": VideoAllocation(ssrc=4000000000, rid="h", rate_bps=600_000, width=640, height=360),
                "method": VideoAllocation(ssrc=7, rid=None, rate_bps=0, width=None, height=None),
            },
        ),
        "member_video_allocations",
        {
            "c-bob": {"ssrc": 4000000000, "rid": "h", "rate": 600_000, "width": 640, "height": 360},
            "method": {"ssrc": 7, "rid": None, "rate": 0, "width": None, "height": None},
        },
    ),
    (AllocationsChanged("c-anna", {}), "member_video_allocations", {}),
    (RateChanged("c-anna", 1_200_000), "member_available_rate", {"rate": 1_200_000}),
    # Section 11.
    (MediaLost("c-bob"), "media_lost", {}),
    (
        ServerDraining(datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        "server_draining",
        {"deadline": "2026-03-01T12:30:00+00:00"},
    ),
]

NO_WORDS: list[Word] = [
    ProfileChanged(BOB),
    Published(PublishedFeed(BOB, "camera")),
    Unpublished("c-bob", "screen"),
    FeedsThere((PublishedFeed(BOB, "camera"),)),
    ShareStarted("c-bob", "whiteboard"),
    ShareStopped("c-bob", "c-bob"),
    DocumentShown("c-bob", "https://example/1.png"),
    Drawn("c-bob", {"tool": "pen"}),
    CanvasAsked("c-bob", "c-anna"),
    CanvasSent("c-bob", "c-anna", "data:"),
    Said("c-bob", "hello"),
    Informed("c-bob", {}),
    DescriptionRelayed("c-bob", "c-anna", "camera", False, "v=0"),
    CandidateRelayed("c-bob", "c-anna", None, "pub", "camera"),
    StreamSubscribed("c-bob", "c-anna", "camera"),
    TalkingChanged("c-bob", True),
    RoomEdited(Charter()),
    PermitChanged(BOB),
    KickedOut("c-bob", "c-anna"),
    GroupMade("c-anna", "r1"),
    TakenOver("c-bob"),
    RoomEmptied(),
]


@pytest.mark.parametrize(("word", "method", "params"), WORDS)
def test_each_notification(word: Word, method: str, params: dict[str, Any]) -> None:
    text = room_api.notification(word, "a room's name")
    assert text is not None
    assert json.loads(text) == {"method": method, "params": params}
    assert text.isascii()


@pytest.mark.parametrize("word", NO_WORDS, ids=lambda word: type(word).__name__)
def test_what_other_protocols_tell_or_nobody(word: Word) -> None:
    assert room_api.notification(word, "a room's name") is None


def test_every_word_is_in_this_file() -> None:
    spoken, unspoken = {type(word) for word, _, _ in WORDS}, {type(word) for word in NO_WORDS}
    assert spoken | unspoken == set(get_args(Word))
    assert not spoken & unspoken


@pytest.mark.parametrize("id", ["c-anna", "a" * 64, "a" * 65, "3848@192.0.2.1", "a:b"])
def test_a_stream_is_named_by_its_member_where_that_is_legal(id: str) -> None:
    """Section 11, `msid`: at most 64 token characters (RFC 8830), else a hash of 43."""
    text = room_api.notification(MemberJoined(evolve(BOB, id=id)), "")
    assert text is not None
    stream = json.loads(text)["params"]["stream"]
    assert (stream == id) == (id in ("c-anna", "a" * 64))
    assert len(stream) == (len(id) if stream == id else 43)
