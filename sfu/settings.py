"""Settings of the media engine: the table `[media]` of the configuration.

Every time is in seconds and may be a fraction, so that tests are quick.
"""

import os

from attrs import field, frozen
from attrs.validators import ge, gt


@frozen
class MediaSettings:
    bind: str = ""
    """HOST:PORT of the first worker; the next ones take the next ports. Port 0: any free ones. Empty: every address of
    this host, from port 40000 upward."""
    announce: tuple[str, ...] = ()
    """Addresses told to clients instead of those that are bound: the public ones of a host behind NAT."""
    workers: int = field(default=0, validator=ge(0))
    """Media threads; 0: one less than there are cores, at least one."""
    connect_timeout_s: float = field(default=30.0, validator=gt(0))
    """How long a peer may take from its answer to its keys."""
    consent_timeout_s: float = field(default=30.0, validator=gt(0))
    """How long a peer may be silent before it counts as gone (RFC 7675)."""
    slab_mib: int = field(default=64, validator=ge(1))
    """A worker's ceiling of memory for packets; above it packets are dropped and counted."""
    turn_urls: tuple[str, ...] = ()
    """stun:, turn: and turns: servers that KPOINT clients are told of, for calls between themselves."""
    turn_secret: str = field(default="", repr=False)
    """Shared with the TURN servers; credentials are made of it."""
    turn_ttl_s: float = field(default=86400.0, validator=gt(0))
    """How long these are good for; a call may last as long."""

    def __attrs_post_init__(self) -> None:
        if any(not url.startswith(("stun:", "stuns:", "turn:", "turns:")) for url in self.turn_urls):
            raise ValueError("turn_urls: each is stun:HOST[:PORT], turn:HOST[:PORT] or turns:HOST[:PORT]")
        if any(url.startswith("turn") for url in self.turn_urls) and not self.turn_secret:
            raise ValueError("turn_secret: is shared with the servers of turn_urls")

    @property
    def worker_count(self) -> int:
        return self.workers or max((os.cpu_count() or 1) - 1, 1)
