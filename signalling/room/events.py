"""What has happened in a room, in the order in which it happened, and who hears of it.

The observers hear everything; members and watchers as `audience` says. A dialect may have no words for an event. What
concerns one party at the door, which is no member and so no audience, its socket is told by whoever holds the room.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, assert_never

from attrs import field, frozen

from sfu.wanted import MediaSource, VideoAllocation
from signalling.room.member import Charter, Kind, Member, PublishedFeed, ShareKind, WaitingParty

Departure = Literal["left", "lost", "removed", "ended"]
"""By its own wish; because its socket or media stayed away; by an admin; because the room was ended."""

# --- at the door -----------------------------------------------------------------------------------------------------


@frozen
class PartyWaiting:
    party: WaitingParty
    reminder: bool
    """Whether it only says that it still waits."""


@frozen
class PartyWithdrew:
    """It waits no longer, by its own doing."""

    party: str


@frozen
class PartyAllowed:
    party: str


@frozen
class PartyRejected:
    """By an admin, or because the room is gone."""

    party: str


# --- inside ----------------------------------------------------------------------------------------------------------


@frozen
class MemberJoined:
    member: Member


@frozen
class MemberLeft:
    member: str
    departure: Departure
    by: str | None = None
    """The host who ended the room, if it was that."""
    quiet: bool = False
    """Whether dialects that can keep it to themselves do so."""

    @property
    def by_admin(self) -> bool:
        return self.departure in ("removed", "ended")


@frozen
class MuteChanged:
    """A member's own flag, or the admin's for it."""

    member: str
    kind: Kind
    muted: bool
    by_admin: bool = False


@frozen
class ProfileChanged:
    """What a member says of itself as a whole, after any of it has changed. Mutes are told by MuteChanged too."""

    member: Member
    broadcast: bool = True
    target: str | None = None
    by_admin: bool = False


@frozen
class HandChanged:
    member: str
    raised: bool


@frozen
class ScreenShareChanged:
    member: str
    sharing: bool


@frozen
class Reacted:
    member: str
    reaction: str


@frozen
class Published:
    """A member has begun to send from its camera or screen."""

    feed: PublishedFeed


@frozen
class Unpublished:
    member: str
    source: MediaSource


@frozen
class ShareStarted:
    member: str
    kind: ShareKind


@frozen
class DocumentShown:
    member: str
    image: str = field(repr=False)


@frozen
class ShareStopped:
    member: str
    """Whose share it was."""
    by: str


@frozen
class Drawn:
    member: str
    fields: Mapping[str, object]


@frozen
class CanvasAsked:
    member: str
    target: str


@frozen
class CanvasSent:
    member: str
    target: str
    image: str = field(repr=False)


@frozen
class Said:
    """A line of chat: an event of a room, or, with `to_room` false, a word to one socket."""

    member: str
    message: str
    to_room: bool = True


@frozen
class Informed:
    """As Said."""

    member: str
    message: object
    to_room: bool = True


@frozen
class DescriptionRelayed:
    member: str
    target: str
    source: MediaSource
    is_answer: bool
    sdp: str = field(repr=False)


@frozen
class CandidateRelayed:
    member: str
    target: str
    candidate: object
    leg: str
    source: MediaSource


@frozen
class StreamSubscribed:
    """In a P2P room: `member` has answered what `sender` offered."""

    member: str
    sender: str
    source: MediaSource


@frozen
class RoomEdited:
    charter: Charter


@frozen
class PermitChanged:
    member: Member


@frozen
class KickedOut:
    """`member` is asked to leave."""

    member: str
    by: str


@frozen
class TalkingChanged:
    """In a room whose members want to know."""

    member: str
    talking: bool


@frozen
class ActiveSpeaker:
    member: str | None


@frozen
class LevelChanged:
    member: str
    level: int
    """0 (silence) to 127."""


@frozen
class AllocationsChanged:
    """What of the others' pictures this member is sent now, by their ids."""

    member: str
    allocations: Mapping[str, VideoAllocation]


@frozen
class RateChanged:
    """What this member's downlink is thought to carry."""

    member: str
    rate_bps: int


@frozen
class MediaLost:
    """A member's media path failed through our fault; it keeps its place for the grace time."""

    member: str


@frozen
class RoomEmptied:
    """The last member is gone."""


@frozen
class InvitationRejected:
    """Nobody came: refused, or nobody answered in time. `sender` invited, `bridge_id` names the invitation."""

    sender: str
    bridge_id: str
    room: str


Event = (
    PartyWaiting
    | PartyWithdrew
    | PartyAllowed
    | PartyRejected
    | MemberJoined
    | MemberLeft
    | MuteChanged
    | HandChanged
    | ScreenShareChanged
    | Reacted
    | ProfileChanged
    | Published
    | Unpublished
    | ShareStarted
    | DocumentShown
    | ShareStopped
    | Drawn
    | CanvasAsked
    | CanvasSent
    | Said
    | Informed
    | DescriptionRelayed
    | CandidateRelayed
    | StreamSubscribed
    | RoomEdited
    | PermitChanged
    | KickedOut
    | TalkingChanged
    | ActiveSpeaker
    | LevelChanged
    | AllocationsChanged
    | RateChanged
    | MediaLost
    | InvitationRejected
    | RoomEmptied
)

# --- said to one socket, which may be in no room -----------------------------------------------------------------------


@frozen
class Allowed:
    """To somebody who waited."""

    auth_token: str = field(repr=False)


@frozen
class Rejected:
    """To somebody who waited."""


@frozen
class Invited:
    """To a registered socket: its user is asked to come."""

    room: str
    call_id: str
    """This leg's; the token admits it."""
    from_user: str | None
    auth_token: str = field(repr=False)


@frozen
class CompletedElsewhere:
    """To a registered socket: its leg of the invitation is over."""

    room: str


@frozen
class FeedsThere:
    """To who has just entered: what the others send."""

    feeds: tuple[PublishedFeed, ...]


@frozen
class GroupMade:
    """To a registered socket: a breakout room has been made for it, among others."""

    by: str
    group: str
    """Its name."""


@frozen
class TakenOver:
    """To a registered socket: its user has come by another one."""

    user: str


@frozen
class ServerDraining:
    """Once to every socket."""

    deadline: datetime


Word = Event | Allowed | Rejected | Invited | CompletedElsewhere | FeedsThere | GroupMade | TakenOver | ServerDraining
"""Whatever a dialect may have words for."""

# --- who hears of it -------------------------------------------------------------------------------------------------


@frozen
class Everyone:
    """All members and watchers."""


@frozen
class AllBut:
    member: str


@frozen
class Admins:
    pass


@frozen
class Only:
    member: str


@frozen
class OnlyAndWatchers:
    """One member, and those who are no members."""

    member: str


@frozen
class Watchers:
    """Those who are no members."""


@frozen
class Nobody:
    """Observers only."""


Audience = Everyone | AllBut | Admins | Only | OnlyAndWatchers | Watchers | Nobody


def audience(event: Event) -> Audience:
    match event:
        case PartyWaiting(reminder=True):
            return Admins()
        case PartyWaiting() | PartyWithdrew() | PartyAllowed() | PartyRejected():
            return Everyone()
        case MemberJoined(member):
            return AllBut(member.id)
        case MemberLeft(member, departure, by):
            match departure:
                case "left":
                    return AllBut(member)
                case "lost" | "removed":
                    # The member's own socket may still be there and must learn that it is out.
                    return Everyone()
                case "ended":
                    # Each hears of its own end; of the others' it would hear once for each of them. Who ended it knows.
                    return Watchers() if by == member else OnlyAndWatchers(member)
                case _:
                    assert_never(departure)
        case MuteChanged(member, by_admin=by_admin):
            return Everyone() if by_admin else AllBut(member)
        case ProfileChanged(changed, broadcast, target, by_admin):
            if by_admin:
                return Everyone()
            if not broadcast:
                return Nobody()
            return AllBut(changed.id) if target is None else _only_other(changed.id, target)
        case HandChanged(member) | ScreenShareChanged(member) | Reacted(member):
            return AllBut(member)
        case Published(feed):
            return AllBut(feed.member.id)
        case ShareStarted(member) | DocumentShown(member) | Drawn(member) | Said(member) | Informed(member):
            return AllBut(member)
        case ShareStopped(by=by):
            return AllBut(by)
        case TalkingChanged():
            return Everyone()
        case CanvasAsked(member, target) | CanvasSent(member, target):
            return _only_other(member, target)
        case DescriptionRelayed(target=target) | CandidateRelayed(target=target):
            return Only(target)
        case StreamSubscribed(member):
            return Only(member)
        case KickedOut(member, by):
            return _only_other(by, member)
        case Unpublished() | RoomEdited() | PermitChanged():
            return Nobody()
        case ActiveSpeaker() | LevelChanged():
            return Everyone()
        case MediaLost(member) | AllocationsChanged(member) | RateChanged(member):
            return Only(member)
        case InvitationRejected(sender):
            return Only(sender)
        case RoomEmptied():
            return Nobody()
        case _:
            assert_never(event)


def _only_other(actor: str, target: str) -> Audience:
    """Nobody hears of what it has done to itself."""
    return Nobody() if actor == target else Only(target)


def droppable(event: Event) -> bool:
    """Whether a socket that falls behind can do without it. Levels and rates change on and on."""
    return isinstance(event, LevelChanged | RateChanged)
