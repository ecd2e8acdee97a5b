"""A member, and somebody who waits to become one, as everybody in the room may know them. Values: a change makes a new one."""

from typing import Literal

from attrs import frozen

from sfu.wanted import MediaSource

Kind = Literal["audio", "video"]
RoomKind = Literal["relay", "media"]
"""Whether two members exchange their media between themselves (P2P), or all of them through the media engine."""
ShareKind = Literal["screen", "whiteboard", "document"]


@frozen
class Permit:
    """What the host lets a member do (contract kpoint, section 5.7); the host itself may do everything."""

    screen: bool = True
    chat: bool = True
    whiteboard: bool = True
    draw: bool = True
    document: bool = True


@frozen(cache_hash=True)
class Member:
    id: str
    """The call's id, or a KPOINT user's; the same id names its media."""
    user: str | None
    name: str
    is_admin: bool
    hand_raised: bool = False
    screen_share: bool = False
    audio_muted: bool = False
    video_muted: bool = False
    """What it says of itself; its media are not cut."""
    audio_muted_by_admin: bool = False
    video_muted_by_admin: bool = False
    """What an admin has decided; independent of the own flags."""
    is_sip: bool = False
    device: str = ""
    is_host: bool = False
    """Opened the room, or was made its host."""
    publishing: bool = False
    """Sends a camera feed: sound, a picture, or both."""
    permit: Permit = Permit()


@frozen
class Share:
    """The one thing that a room looks at together."""

    kind: ShareKind
    member: str
    image: str | None = None
    """The document's page, as its owner showed it last."""


@frozen
class PublishedFeed:
    member: Member
    source: MediaSource


@frozen
class Charter:
    """What a room of a licence is, beside who is inside. A room of the Room API has the default one."""

    kind: RoomKind = "media"
    title: str = ""
    capacity: int | None = None
    """Most members; None: as many as come."""
    talking_noty: bool = False
    """Whether members are told of each other's talking."""
    host: Member | None = None
    """As last known; need not be inside. None: nobody has special rights but those that members bring."""


@frozen
class WaitingParty:
    id: str
    """The call's id; it stays the same inside."""
    name: str
    user: str | None
    """Whom it has proved to be, if anybody; it keeps this inside."""
    is_listed: bool
    """Whether that user is on the room's list; only of others are members told whom they have at the door."""

    @property
    def shown_user(self) -> str | None:
        return None if self.is_listed else self.user
