"""Limits of the data plane: the sizes that native/state.pxd and its neighbours are compiled with, for the table.

tests/native/test_limits.py holds them to those files.
"""

from typing import Final

MAX_WORKERS: Final = 16
"""Media threads."""

MAX_SOCKETS: Final = 16
"""Addresses that one worker receives on."""

MAX_PEERS: Final = 4096
"""Connections of one worker; the next one is refused."""

MAX_PUBLICATIONS: Final = 8192
"""Streams of one worker, those that it has from others included; the next one is refused."""

MAX_SECTIONS: Final = 8
"""Sections that one peer may send on."""

MAX_INCOMING: Final = 64
"""SSRCs that one peer may send at a time; others are dropped as drop_ssrc_limit before they are decrypted."""

MAX_LEARNED: Final = 512
"""SSRCs that one connection may ever show; later ones are dropped as drop_ssrc_limit."""

MAX_FORMATS: Final = 64
"""Codecs with their parameters that the server tells apart; streams of others are not forwarded."""

PACKET_BYTES: Final = 1500
"""A datagram of media, a handshake or a check; longer ones are dropped as drop_oversized."""

HISTORY_SLOTS: Final = 512
"""Packets of a stream that a NACK may ask for."""

DEPARTURES: Final = 2048
"""Packets to one subscriber whose arrival it may report; reports of older ones are ignored. 2 s of 10 Mbit/s."""

NOTICES: Final = 1024
"""Datagrams of one worker that wait for Python; strangers may take half. Others are dropped as drop_notice_ring_full."""

CROSS: Final = 4096
"""Packets in flight from one worker to another; others are dropped as drop_ring_full."""

RTX_BUDGET_BYTES: Final = 262_144
"""Retransmissions that a subscriber may ask for in a burst; it earns them by what it is sent."""
