"""Which sockets reach a user: those registered within the last ninety seconds, a bounded number, until they close."""

import pytest

from signalling.limits import USER_SOCKETS
from signalling.listener import Dialect
from signalling.ports import Claims, User
from signalling.registrations import Registrations
from signalling.room.errors import TooMany

ANNA = User("id of anna", "anna", "Anna", "100")
BOB = User("id of bob", "bob", None, None)


class Socket:
    dialect: Dialect

    def put(self, text: str, droppable: bool = False) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def out_of_room(self) -> None: ...

    def allowed(self, claims: Claims) -> None: ...


def nothing() -> None: ...


@pytest.fixture
def registrations() -> Registrations:
    return Registrations(ttl_s=90)


def test_a_user_is_reached_on_every_socket_that_has_registered(registrations: Registrations) -> None:
    one, two, other = Socket(), Socket(), Socket()
    registrations.register(ANNA, one, 0, nothing)
    registrations.register(ANNA, two, 0, nothing)
    registrations.register(BOB, other, 0, nothing)
    assert registrations.sockets(ANNA.id, 1) == [one, two]
    assert registrations.sockets("nobody", 1) == []
    assert registrations.user(one, 1) == ANNA


def test_a_registration_ends_after_the_ttl_unless_it_is_repeated(registrations: Registrations) -> None:
    one, two = Socket(), Socket()
    registrations.register(ANNA, one, 0, nothing)
    registrations.register(ANNA, two, 0, nothing)
    registrations.register(ANNA, two, 60, nothing)
    assert registrations.sockets(ANNA.id, 89.9) == [one, two]
    assert registrations.sockets(ANNA.id, 90) == [two]
    assert registrations.user(one, 90) is None
    assert registrations.sockets(ANNA.id, 150) == []


def test_a_socket_speaks_for_one_user(registrations: Registrations) -> None:
    socket = Socket()
    registrations.register(ANNA, socket, 0, nothing)
    registrations.register(BOB, socket, 1, nothing)
    assert registrations.sockets(ANNA.id, 2) == []
    assert registrations.user(socket, 2) == BOB


def test_a_socket_that_closes_reaches_nobody_and_fails_what_rings_there(registrations: Registrations) -> None:
    socket = Socket()
    failed: list[str] = []
    registrations.register(ANNA, socket, 0, nothing)
    registrations.ring(socket, "leg 1", lambda: failed.append("leg 1"))
    registrations.ring(socket, "leg 2", lambda: failed.append("leg 2"))
    registrations.quiet(socket, "leg 1")
    registrations.drop(socket)
    assert failed == ["leg 2"]
    assert registrations.sockets(ANNA.id, 0) == []
    registrations.drop(socket)
    registrations.quiet(socket, "leg 2")
    assert failed == ["leg 2"]


def test_a_user_has_a_bounded_number_of_sockets(registrations: Registrations) -> None:
    sockets = [Socket() for _ in range(USER_SOCKETS)]
    for socket in sockets:
        registrations.register(ANNA, socket, 0, nothing)
    with pytest.raises(TooMany):
        registrations.register(ANNA, Socket(), 1, nothing)
    registrations.register(ANNA, sockets[0], 1, nothing)  # a repeat is none more
    late = Socket()
    registrations.register(ANNA, late, 90, nothing)  # nor are those that have run out
    assert registrations.sockets(ANNA.id, 90) == [sockets[0], late]
