"""What a subscriber asks for: whose picture, on which section, how large.

A value that travels from a dialect through the room to the router; it knows neither SDP nor layers.
"""

from typing import Literal

from attrs import frozen

MediaSource = Literal["camera", "screen"]
"""A member may send both at once, each with sound, on connections of their own."""


@frozen
class Feed:
    """The sound or the picture of a member.

    From a named source, or without one: from whatever it shows, its screen if it sends that, else its camera.
    """

    name: str
    kind: Literal["audio", "video"]
    source: MediaSource | None = None


@frozen
class Wanted:
    """One video section of a subscriber's connection and the member whose picture it is to carry."""

    mid: str
    name: str
    """The publishing peer, by the name it was opened with."""
    width: int | None = None
    height: int | None = None
    """Wanted size in pixels; both or neither."""


@frozen
class VideoAllocation:
    """What a subscriber is sent of one member's picture."""

    ssrc: int
    rid: str | None
    """The simulcast layer's; None for a picture sent in one size."""
    rate_bps: int
    width: int | None
    height: int | None
    """None until a key frame has told them."""
