"""What a subscriber asks for: whose picture, on which section, how large.

A value that travels from a dialect through the room to the router; it knows neither SDP nor layers.
"""

from attrs import frozen


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
