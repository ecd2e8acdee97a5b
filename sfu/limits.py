"""Limits on what a peer may put into a session description.

Each is well above what browsers, aiortc and phones send. The worst offer within all of them (840 KB, made for it) costs
0.2 s, an honest one for 50 pictures 15 ms. Whatever exceeds one is refused as a whole, unless it says otherwise. The
room's and HTTP's limits live with those layers.
"""

from typing import Final

SDP_BYTES: Final = 1 << 20
"""Of one description. Chromium's offer for 126 pictures is 0.6 MiB; the sockets carry no larger frame anyway."""

SDP_LINES: Final = 24_000
"""Of one description: 128 sections as Chromium writes them, about 165 lines each."""

SDP_LINE_LENGTH: Final = 2_048
"""Of one line; an H264 fmtp with its parameter sets is about 300 characters long."""

SDP_SECTIONS: Final = 128
"""m= sections of one connection. Stopped ones count: their place stays until it is recycled."""

SECTION_LINES: Final = 400
"""Lines of one m= section, and of the session part above the first."""

SECTION_CODECS: Final = 96
"""Formats of one m= line. Chromium offers 35 to receive, its flags can double that."""

SECTION_KNOWN_CODECS: Final = 16
"""Formats of one section that an answer takes up, the first ones offered; later ones are left out. Chromium has 5."""

SECTION_SSRCS: Final = 32
"""Distinct SSRCs of one section; simulcast of three layers with RTX declares 6."""

SECTION_SSRC_GROUPS: Final = 16
"""a=ssrc-group lines of one section."""

SECTION_EXTENSIONS: Final = 64
"""a=extmap lines of one section."""

SECTION_CANDIDATES: Final = 64
"""a=candidate lines of one section; a laptop with VPNs, IPv6 and TURN has about 20."""

SECTION_FINGERPRINTS: Final = 8
"""a=fingerprint lines of one section; aiortc writes one for each of three hashes."""

SECTION_MSIDS: Final = 8
"""a=msid lines of one section: a line for each stream that the track belongs to."""

SECTION_RIDS: Final = 16
"""a=rid lines of one section."""

FORMAT_FEEDBACKS: Final = 16
"""Distinct a=rtcp-fb values of one format."""

MID_LENGTH: Final = 16
"""Characters of a mid: what the one-byte header extension (RFC 8285 4.2) that carries it can hold."""
