"""The media control plane: peers, their machines, and who gets what. `signalling` uses what is named here."""

from sfu.addresses import bind_workers
from sfu.engine import Engine
from sfu.negotiation import BadOffer, NoCommonCodec, UnknownMid, stream_id
from sfu.router import MediaRoom, Peer, PeerListener, RoomListener
from sfu.settings import MediaSettings
from sfu.stats import InboundStream, OutboundStream, PeerStats
from sfu.wanted import Feed, MediaSource, VideoAllocation, Wanted

__all__ = [
    "BadOffer",
    "Engine",
    "Feed",
    "InboundStream",
    "MediaRoom",
    "MediaSettings",
    "MediaSource",
    "NoCommonCodec",
    "OutboundStream",
    "Peer",
    "PeerListener",
    "PeerStats",
    "RoomListener",
    "UnknownMid",
    "VideoAllocation",
    "Wanted",
    "bind_workers",
    "stream_id",
]
