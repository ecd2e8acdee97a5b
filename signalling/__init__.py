"""Who is in which room, and what they say: one room model, several dialects of clients.

A message goes connection > dialect > party > room > events > members' outboxes; see rooms.py and session.py.
"""

from signalling.ice_servers import IceServers
from signalling.live import LiveMember, LiveParty, LiveRoom
from signalling.rooms import Rooms
from signalling.session import Socket, SocketClosed, serve_connection
from signalling.settings import KpointSettings, RoomApiSettings

__all__ = [
    "IceServers",
    "KpointSettings",
    "LiveMember",
    "LiveParty",
    "LiveRoom",
    "RoomApiSettings",
    "Rooms",
    "Socket",
    "SocketClosed",
    "serve_connection",
]
