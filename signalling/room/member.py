"""A member as everybody in the room may know it. A value: a change makes a new one."""

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
