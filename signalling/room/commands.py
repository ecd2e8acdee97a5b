"""What can be done to a room: by a member, by its socket, by its media, or by the server."""

from typing import Literal

from attrs import field, frozen

from signalling.room.member import Kind

MediaLoss = Literal["final", "closed", "fault"]
"""How media ended: never to come back; closed by the client, which may be about to return; by our own fault."""


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
class End:
    """The room is deleted with everybody inside."""


Command = Join | Leave | Mute | LoseSocket | LoseMedia | Speak | End
