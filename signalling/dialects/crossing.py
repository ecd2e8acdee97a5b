"""What crosses from one dialect to another in a room of a licence: the one table, which tests hold both dialects to.

Each line is one thing that happens in a room, and the words that members of each dialect hear of it; "" where a dialect
has none. What a dialect cannot say is left out, never said by something that means another thing. `python -m
signalling.dialects.crossing` prints it for the README.
"""

from collections.abc import Mapping
from typing import NamedTuple

from signalling.room import events


class Words(NamedTuple):
    what: str
    room_api: str
    kpoint: str


CROSSING: Mapping[type, Words] = {
    events.MemberJoined: Words("somebody comes", "member_join_room", "presence/join"),
    events.MemberLeft: Words(
        "somebody leaves, is lost or removed, or the room ends", "member_leave_room", "presence/leave, presence/end"
    ),
    events.MuteChanged: Words(
        "microphone or camera is muted, by oneself or by an admin", "member_mute_… / member_unmute_…", ""
    ),
    events.ProfileChanged: Words("the same as one thing, and a new name", "", "presence/editUserInfo"),
    events.HandChanged: Words("a hand is raised", "member_raise_hand, member_unraise_hand", ""),
    events.Reacted: Words("a reaction", "member_send_reaction", ""),
    events.Published: Words("somebody sends from camera or screen", "", "presence/publish"),
    events.ScreenShareChanged: Words(
        "the picture of a member is its screen", "member_start_screen_share, member_stop_screen_share", ""
    ),
    events.ShareStarted: Words(
        "a screen, whiteboard or document is shared", "", "presence/screen, whiteboard, document"
    ),
    events.ShareStopped: Words("that ends", "", "presence/shareStop"),
    events.DocumentShown: Words("a page of a document", "", "presence/documentShare"),
    events.Drawn: Words("a stroke", "", "presence/drawing"),
    events.CanvasAsked: Words("the whiteboard is asked for", "", "presence/reqCanvasImage"),
    events.CanvasSent: Words("the whiteboard is sent", "", "presence/updateImage"),
    events.Said: Words("chat", "", "presence/chat"),
    events.Informed: Words("what applications tell each other", "", "presence/inform"),
    events.KickedOut: Words("the host asks somebody to leave", "", "presence/kickOut"),
    events.TalkingChanged: Words("somebody begins or ends to talk", "", "presence/talking"),
    events.ActiveSpeaker: Words("who speaks", "room_active_speaker, room_clear_active_speaker", ""),
    events.LevelChanged: Words("how loud somebody is", "member_audio_level", ""),
    events.DescriptionRelayed: Words("offers and answers of a P2P room", "", "sdp"),
    events.CandidateRelayed: Words("candidates of a P2P room", "", "candidate"),
    events.StreamSubscribed: Words("a stream of a P2P room is answered", "", "presence/subscribed"),
    events.AllocationsChanged: Words("what one is sent of the others' pictures", "member_video_allocations", ""),
    events.RateChanged: Words("what one's way down carries", "member_available_rate", ""),
    events.MediaLost: Words("the server has lost one's connection", "media_lost", ""),
    events.PartyWaiting: Words("somebody asks to come in", "member_waiting", ""),
    events.PartyWithdrew: Words("and asks no longer", "member_leave_waiting_room", ""),
    events.PartyAllowed: Words("is let in", "member_waiting_allowed", ""),
    events.PartyRejected: Words("is turned away", "member_waiting_rejected", ""),
    events.InvitationRejected: Words("an invitation has failed", "room_invite_reject", ""),
    events.Unpublished: Words("somebody sends no more; who shared, or left, has been told of that", "", ""),
    events.RoomEdited: Words("title, capacity or host change", "", ""),
    events.PermitChanged: Words("the host permits or forbids", "", ""),
    events.RoomEmptied: Words("the last one is gone", "", ""),
}


def table() -> str:
    """As Markdown."""
    rows = ["| in the room | Room API | KPOINT |", "| --- | --- | --- |"]
    rows += [f"| {words.what} | {words.room_api or '—'} | {words.kpoint or '—'} |" for words in CROSSING.values()]
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
