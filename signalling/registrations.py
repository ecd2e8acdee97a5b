"""Which sockets reach a user who is asked to come: those that `register_room_api` has named within the last ttl.

A socket speaks for one user at most. Nothing here has a timer: an entry that has run out is found when it is looked at,
and a socket that closes takes its entry along, so there are never more of them than sockets. What rings already goes on
ringing when the entry runs out: the socket is still there.
"""

from collections.abc import Callable

from attrs import define, field

from signalling.limits import USER_SOCKETS
from signalling.listener import Listener
from signalling.ports import User
from signalling.room.errors import TooMany


@define(eq=False)
class Registration:
    user: User
    expires: float
    rings: dict[str, Callable[[], None]] = field(factory=dict)
    """For each leg that rings here, by its call id: what fails it when the socket goes away."""


class Registrations:
    def __init__(self, ttl_s: float) -> None:
        self.ttl_s = ttl_s
        self._by_socket: dict[Listener, Registration] = {}
        self._by_user: dict[str, dict[Listener, None]] = {}

    def register(self, user: User, socket: Listener, now: float, reply: Callable[[], None]) -> None:
        """For the ttl from now on; TooMany if the user has USER_SOCKETS others.

        `reply` runs before what rings here for another user fails.
        """
        if len(set(self.sockets(user.id, now)) - {socket}) >= USER_SOCKETS:
            raise TooMany("too many sockets are registered for this user")
        reply()
        entry = self._by_socket.get(socket)
        if entry is not None and entry.user.id == user.id:
            entry.expires = now + self.ttl_s
            return
        self.drop(socket)
        self._by_socket[socket] = Registration(user, now + self.ttl_s)
        self._by_user.setdefault(user.id, {})[socket] = None

    def user(self, socket: Listener, now: float) -> User | None:
        entry = self._by_socket.get(socket)
        return None if entry is None or entry.expires <= now else entry.user

    def sockets(self, user: str, now: float) -> list[Listener]:
        return [socket for socket in self._by_user.get(user, ()) if self._by_socket[socket].expires > now]

    def drop(self, socket: Listener) -> None:
        """The socket is gone, or speaks for somebody else from now on: no leg rings there any more."""
        entry = self._by_socket.pop(socket, None)
        if entry is None:
            return
        sockets = self._by_user[entry.user.id]
        del sockets[socket]
        if not sockets:
            del self._by_user[entry.user.id]
        for fail in list(entry.rings.values()):
            fail()

    def ring(self, socket: Listener, leg: str, fail: Callable[[], None]) -> None:
        self._by_socket[socket].rings[leg] = fail

    def quiet(self, socket: Listener, leg: str) -> None:
        entry = self._by_socket.get(socket)
        if entry is not None:
            entry.rings.pop(leg, None)
