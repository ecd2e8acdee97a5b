"""The slow clear twin of what a publication's packets become on their way to one subscriber.

`Subscriber.arrive` takes the packets in the order in which they reach the server and says what leaves, if anything:
RFC 3550 5.1 numbering without a gap of the server's making, the receiver's payload types, ids of its header extensions
(RFC 8285), and nothing of the sender's own (CSRCs, padding, level, unknown extensions). Numbers are counted from a
start that only the server knows: tests compare them less the first one's.

Left to other twins: which outgoing number a source's number gets (oracle/seqmap.py). Not modelled: sources that begin
anew, and codecs' own counters, which stay as they are as long as the source does.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from sfu.wire import rtp
from tests.oracle.seqmap import SeqMap

PASSED = (
    "urn:3gpp:video-orientation",
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
)
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TWCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

MOST_PASSED = 4
ONE_BYTE_LIMIT = 16


@attrs.frozen
class Seen:
    """What the receiver gets. `extensions` by URI; the value of abs-send-time is None, for it tells the moment."""

    sequence: int
    timestamp: int
    payload_type: int
    marker: bool
    payload: bytes
    extensions: Mapping[str, bytes | None]


class Subscriber:
    def __init__(
        self,
        payload_types: Mapping[int, int],
        theirs: Mapping[int, str],
        ours: Mapping[int, str],
        mid: bytes,
        two_byte: bool,
        starts: bytes | None,
    ) -> None:
        """`payload_types`: the sender's to the receiver's, absent if it is not wanted. `theirs` and `ours`: extension ids
        of the sender and of the receiver. `starts`: what a payload must begin with to be the first one (None: any)."""
        self.payload_types = payload_types
        self.theirs = theirs
        self.uris = set(ours.values())
        self.mid = mid
        self.two_byte = two_byte
        self.starts = starts
        self.numbers = SeqMap(0)
        self.arrived: set[int] = set()
        self.flowing = False
        self.first_timestamp = 0
        self.transport_wide = 0

    def arrive(self, packet: rtp.Packet) -> Seen | None:
        if packet.sequence in self.arrived:
            return None
        self.arrived.add(packet.sequence)
        if not packet.payload or packet.payload_type not in self.payload_types:
            if self.flowing:
                self.numbers.skip(packet.sequence)
            return None
        if not self.flowing:
            if self.starts is not None and not packet.payload.startswith(self.starts):
                return None
            self.flowing = True
            self.numbers.switch(1, packet.sequence)
            self.first_timestamp = packet.timestamp
        number = self.numbers.map(packet.sequence)
        if number is None:
            return None
        seen = Seen(
            sequence=number,
            timestamp=(packet.timestamp - self.first_timestamp) & 0xFFFFFFFF,
            payload_type=self.payload_types[packet.payload_type],
            marker=packet.marker,
            payload=packet.payload,
            extensions=self._extensions(packet),
        )
        self.transport_wide += 1
        return seen

    def _extensions(self, packet: rtp.Packet) -> Mapping[str, bytes | None]:
        sent: dict[str, bytes | None] = {
            TWCC: (self.transport_wide & 0xFFFF).to_bytes(2, "big"),
            SEND_TIME: None,
            MID: self.mid,
        }
        passed = [
            (self.theirs[id], value) for id, value in packet.extensions if self.theirs.get(id) in PASSED and value
        ]
        for uri, value in passed[:MOST_PASSED]:
            if len(value) <= ONE_BYTE_LIMIT or self.two_byte:
                sent[uri] = value
        return {uri: value for uri, value in sent.items() if uri in self.uris}
