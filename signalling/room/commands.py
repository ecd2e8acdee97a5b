"""What can be done to a room: by a member, by somebody at its door, by its socket, by its media, or by the server."""

from collections.abc import Mapping
from typing import Literal

from attrs import field, frozen

from signalling.room.member import Kind, WaitingParty

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
    | MuteMember
    | Remove
    | LoseSocket
    | LoseMedia
    | Speak
    | Hear
    | End
)
