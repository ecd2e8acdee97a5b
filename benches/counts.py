"""What the native threads of the load generator count, as values.

Every counter only grows; what happened in a stretch of time is the difference of two readings.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Arrived:
    """All subscribers together. `expected` is by sequence numbers (RFC 3550 A.3): expected - received is lost."""

    received: int
    expected: int
    octets: int
    reads: int  # datagrams or trains that one read gave
    decrypted: int
    refused: int  # SRTP that did not decrypt, or carried no stamp
    retransmitted: int  # on the SSRC of RFC 4588
    strange: int  # RTP of an SSRC that nobody announced
    rtcp: int
    rtcp_refused: int
    stun: int
    dtls: int
    reports: int  # receiver reports that were sent
    feedback: int  # transport-wide feedback that was sent

    def __sub__(self, earlier: Arrived) -> Arrived:
        return Arrived(*(a - b for a, b in zip(attrs.astuple(self), attrs.astuple(earlier), strict=True)))

    @property
    def lost(self) -> int:
        return max(0, self.expected - self.received)

    @property
    def loss(self) -> float:
        return self.lost / self.expected if self.expected else 0.0


@attrs.frozen
class Published:
    """The publisher: what it sent and what it was asked for."""

    packets: int
    frames: int
    key_frames: int
    late: int  # frames that left more than 5 ms after their time: the generator itself was held up
    unsent: int
    pli: int
    fir: int
    nack: int
    feedback: int  # transport-wide congestion control
    receiver_reports: int
    rtcp_refused: int

    def __sub__(self, earlier: Published) -> Published:
        return Published(*(a - b for a, b in zip(attrs.astuple(self), attrs.astuple(earlier), strict=True)))
