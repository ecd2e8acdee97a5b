"""What runs now, as /v1/live and the administrator's commands show it."""

from datetime import datetime

from attrs import frozen


@frozen
class LiveMember:
    id: str
    name: str
    user: str | None
    dialect: str
    is_admin: bool
    since: datetime
    audio_muted: bool
    video_muted: bool
    audio_muted_by_admin: bool
    video_muted_by_admin: bool
    streams: tuple[dict[str, object], ...]
    """The media layer's figures, one mapping for each of the member's connections."""


@frozen
class LiveParty:
    """Somebody in the waiting room."""

    id: str
    name: str
    user: str | None
    since: datetime


@frozen
class LiveRoom:
    id: str
    name: str
    temporary: bool
    licence: str | None
    """Whose room it is; None: the server's own."""
    since: datetime
    members: tuple[LiveMember, ...]
    waiting: tuple[LiveParty, ...]
