"""What can be done to a room: by a member, by somebody at its door, by its socket, by its media, or by the server."""

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from sfu.wanted import MediaSource
from signalling.room.member import Kind, ShareKind, WaitingParty

MediaLoss = Literal["final", "closed", "fault"]
"""How media ended: never to come back; closed by the client, which may be about to return; by our own fault."""

# --- at the door -----------------------------------------------------------------------------------------------------


@frozen
class Knock:
    """Somebody who may not simply enter waits, or says again, perhaps by another name, that it does."""

    party: WaitingParty


@frozen
class StillWaiting:
    """A reminder from somebody who waits."""

    party: str


@frozen
class Withdraw:
    """Somebody waits no longer: it went away, or has found another way in."""

    party: str


@frozen
class Allow:
    """An admin lets somebody in who waits."""

    party: str


@frozen
class Reject:
    """An admin turns somebody away who waits."""

    party: str


@frozen
class Join:
    """A call enters with a connection that has been answered, or comes back with another one."""

    member: str
    user: str | None
    name: str
    is_admin: bool
    token_id: str = field(repr=False)
    """Proof that somebody without a user is the same party as before."""
    audio_muted: bool = False
    video_muted: bool = False
    device: str = ""


@frozen
class Return:
    """A member's new socket, its connection goes on."""

    member: str


# --- inside ----------------------------------------------------------------------------------------------------------


@frozen
class Leave:
    """The member's own wish."""

    member: str


@frozen
class Mute:
    """The member's own flag; its media are not cut, the client stops sending by itself."""

    member: str
    kind: Kind
    muted: bool


@frozen
class RaiseHand:
    member: str
    raised: bool


@frozen
class ShareScreen:
    """The picture that the member sends is, or is no more, that of its screen."""

    member: str
    sharing: bool


@frozen
class React:
    """Told to those who are there, and kept nowhere."""

    member: str
    reaction: str


@frozen
class EditProfile:
    """What a member says of itself, in one go; None leaves as it is."""

    member: str
    name: str | None = None
    audio_muted: bool | None = None
    video_muted: bool | None = None
    broadcast: bool = True
    """Whether those are told who learn of a profile as a whole. A mute is always told to those who learn of mutes."""
    target: str | None = None
    """The only one of those."""


@frozen
class Publish:
    """A connection by which the member sends has been set up, or is gone."""

    member: str
    source: MediaSource
    live: bool = True


@frozen
class StartShare:
    """Everybody is to look at the member's screen, whiteboard or document from now on."""

    member: str
    kind: ShareKind


@frozen
class ShowDocument:
    """A page of the document that the member shares."""

    member: str
    image: str


@frozen
class StopShare:
    """By who shares, or by the host."""

    member: str


@frozen
class Draw:
    """A stroke; its fields mean nothing here."""

    member: str
    fields: Mapping[str, object]


@frozen
class AskCanvas:
    """Asks another member for its picture of what has been drawn."""

    member: str
    target: str


@frozen
class SendCanvas:
    member: str
    target: str
    image: str = field(repr=False)


@frozen
class Say:
    """A line of chat to the room."""

    member: str
    message: str


@frozen
class Inform:
    """Whatever applications tell each other, to the room."""

    member: str
    message: object


@frozen
class RelayDescription:
    """An SDP offer or answer on its way to another member of a P2P room. Nobody looks inside."""

    member: str
    target: str | None
    """None: the only other member."""
    source: MediaSource
    is_answer: bool
    sdp: str = field(repr=False)


@frozen
class RelayCandidate:
    member: str
    target: str
    candidate: object
    leg: str
    """The two clients' own word for the connection that it belongs to."""
    source: MediaSource


# --- by the host -----------------------------------------------------------------------------------------------------


@frozen
class EditRoom:
    """None leaves as it is."""

    by: str
    title: str | None = None
    capacity: int | None = None
    host: str | None = None


@frozen
class SetPermit:
    by: str
    member: str
    changes: Mapping[str, bool]
    """By the names of Permit's fields."""


@frozen
class KickOut:
    """Asks a member to leave; it is not removed."""

    by: str
    member: str


# --- by an admin -----------------------------------------------------------------------------------------------------


@frozen
class MuteMember:
    """The admin's flag, independent of the member's own; that kind of the member's media is cut."""

    admin: str
    member: str
    kind: Kind
    muted: bool


@frozen
class Remove:
    admin: str | None
    """None: the admin was entitled when it asked, and may be gone by now."""
    member: str


# --- by socket, media and server -------------------------------------------------------------------------------------


@frozen
class LoseSocket:
    member: str


@frozen
class Drop:
    """The member's socket is gone, and its dialect knows no way back."""

    member: str


@frozen
class LoseMedia:
    member: str
    loss: MediaLoss


@frozen
class Speak:
    """The media layer's opinion of who speaks; None when nobody does."""

    member: str | None


@frozen
class Hear:
    """How loud members are by now, 0 (silence) to 127; of those whose loudness has changed."""

    levels: Mapping[str, int]


@frozen
class End:
    """The room is deleted, or ended, with everybody inside and everybody who waits."""

    by: str | None = None
    """The host; None: from above."""
    quiet: bool = False
    """Whether dialects that can keep it to themselves do so."""


Command = (
    Knock
    | StillWaiting
    | Withdraw
    | Allow
    | Reject
    | Join
    | Return
    | Leave
    | Mute
    | RaiseHand
    | ShareScreen
    | React
    | EditProfile
    | Publish
    | StartShare
    | ShowDocument
    | StopShare
    | Draw
    | AskCanvas
    | SendCanvas
    | Say
    | Inform
    | RelayDescription
    | RelayCandidate
    | EditRoom
    | SetPermit
    | KickOut
    | MuteMember
    | Remove
    | LoseSocket
    | Drop
    | LoseMedia
    | Speak
    | Hear
    | End
)
