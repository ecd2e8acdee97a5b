"""What a socket is told without having asked: the whole list of contract room-api, 5.4, and what section 11 adds to it."""

import json
from collections.abc import Mapping
from typing import Any, assert_never

from sfu.wanted import VideoAllocation
from signalling.dialects.room_api.people import member_json, waiting_party
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


def notification(word: Word, room: str) -> str | None:
    """None if this protocol has no words for it. A socket is told of one room, and is never told which."""
    match word:
        # At the door.
        case PartyWaiting(party):
            return _notification("member_waiting", **waiting_party(party))
        case PartyWithdrew(party):
            return _notification("member_leave_waiting_room", member=party)
        case PartyAllowed(party):
            return _notification("member_waiting_allowed", member=party)
        case PartyRejected(party):
            return _notification("member_waiting_rejected", member=party)
        case Allowed(auth_token):
            return _notification("member_allowed", auth_token=auth_token)
        case Rejected():
            return _notification("member_rejected")

        # Inside.
        case MemberJoined(member):
            return f'{{"method": "member_join_room", "params": {member_json(member)}}}'
        case MemberLeft(member):
            return _notification("member_leave_room", member=member, by_admin=word.by_admin)
        case MuteChanged(member, kind, muted, by_admin):
            verb = "mute" if muted else "unmute"
            return _notification(f"member_{verb}_{kind}", member=member, by_admin=by_admin)
        case HandChanged(member, raised):
            return _notification("member_raise_hand" if raised else "member_unraise_hand", member=member)
        case ScreenShareChanged(member, sharing):
            verb = "start" if sharing else "stop"
            return _notification(f"member_{verb}_screen_share", member=member)
        case Reacted(member, reaction):
            return _notification("member_send_reaction", member=member, reaction=reaction)

        # Media.
        case ActiveSpeaker(None):
            return _notification("room_clear_active_speaker")
        case ActiveSpeaker(member):
            return _notification("room_active_speaker", member=member)
        case LevelChanged(member, level):
            return _notification("member_audio_level", member=member, audio_level=level)
        case AllocationsChanged(_, allocations):
            return _notification("member_video_allocations", **_allocations(allocations))
        case RateChanged(_, rate_bps):
            return _notification("member_available_rate", rate=rate_bps)
        case MediaLost():
            return _notification("media_lost")

        # Invitations.
        case Invited(room, call_id, from_user, auth_token):
            return _notification("room_invite", room=room, call_id=call_id, from_user=from_user, auth_token=auth_token)
        case CompletedElsewhere(room):
            return _notification("room_invite_completed_elsewhere", room=room)
        case InvitationRejected(_, bridge_id, room):
            return _notification("room_invite_reject", room=room, call_id=bridge_id)

        case ServerDraining(deadline):
            return _notification("server_draining", deadline=deadline.isoformat())

        # What is told by other words, or to nobody here.
        case ProfileChanged() | Published() | Unpublished() | ShareStarted() | ShareStopped() | FeedsThere():
            return None
        case DocumentShown() | Drawn() | CanvasAsked() | CanvasSent() | Said() | Informed():
            return None
        case DescriptionRelayed() | CandidateRelayed() | StreamSubscribed() | TalkingChanged():
            return None
        case RoomEdited() | PermitChanged() | KickedOut() | GroupMade() | TakenOver() | RoomEmptied():
            return None
        case _:
            assert_never(word)


def _allocations(allocations: Mapping[str, VideoAllocation]) -> dict[str, Any]:
    return {
        member: {
            "ssrc": picture.ssrc,
            "rid": picture.rid,
            "rate": picture.rate_bps,
            "width": picture.width,
            "height": picture.height,
        }
        for member, picture in allocations.items()
    }


def _notification(method: str, /, **params: Any) -> str:
    return json.dumps({"method": method, "params": params})
