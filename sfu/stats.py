"""Reports of what flows, as values; names after W3C's webrtc-stats where it has one, units in the names.

The figures are counters of the data plane, read while it runs: each is right, two of them may be a packet apart.
"""

from collections.abc import Mapping
from typing import Literal

from attrs import frozen

from sfu.wanted import MediaSource

Phase = Literal["offered", "ice", "dtls", "connected"]
"""Of a connection: there is an offer; a path is nominated; there are keys; media can flow both ways."""


@frozen
class InboundStream:
    """What a peer sends us on one section."""

    mid: str
    kind: str
    codec: str
    cut: bool
    """An admin's mute: it is dropped at its arrival, and counts no more."""
    ssrc: int
    packets: int
    bytes: int
    lost: int
    recovered: int
    """Of the lost ones, those that came again by RTX."""
    jitter_us: int
    keyframes: int
    key_requests: int
    age_ms: int
    """Since the last packet; -1 before the first."""
    first_packet_age_ms: int
    """So long ago; -1: there was none. So the next."""
    first_keyframe_age_ms: int


@frozen
class OutboundStream:
    """What we send a peer on one section, and what it says of it (RFC 3550 6.4)."""

    mid: str
    kind: str
    source: str | None
    """The member whose media it is; None for the room's audio."""
    media_source: MediaSource | None
    """Its camera or its screen, whichever is carried now; None for the room's audio, and while there is nothing."""
    reason: str
    """Why this is what it gets: the one layer there is, no such member, no codec in common, cut by an admin …"""
    ssrc: int
    packets: int
    bytes: int
    retransmitted: int
    nacked: int
    lost: int
    lost_fraction: float
    jitter_us: int
    rtt_us: int


@frozen
class PeerStats:
    """One connection of a member."""

    id: int
    """No other connection has it while the server runs."""
    state: str
    """`new`, `connected` or `closed`."""
    publishes: MediaSource | None
    """What of its member comes by it: "camera" also if it is the member's only one, None if it only receives."""
    path: str | None
    """The remote address that is used, as text."""
    profile: str | None
    """SRTP's."""
    ages_ms: Mapping[Phase, int]
    """How long ago each phase of its coming up was over, as far as it has come."""
    packets_in: int
    bytes_in: int
    packets_out: int
    bytes_out: int
    inbound: tuple[InboundStream, ...]
    outbound: tuple[OutboundStream, ...]
