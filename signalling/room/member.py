"""A member, and somebody who waits to become one, as everybody in the room may know them. Values: a change makes a new one."""

from typing import Literal

from attrs import frozen

Kind = Literal["audio", "video"]


@frozen(cache_hash=True)
class Member:
    id: str
    """The call's id; the same id names its media."""
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
