"""A connection, as rooms see it: what they tell it, in which words, and what becomes of its call."""

from typing import Protocol

from signalling.ports import Claims, Remote
from signalling.room.events import Word


class Dialect(Protocol):
    """The half of a dialect that a room needs."""

    @property
    def NAME(self) -> str: ...

    def notification(self, word: Word, room: str, /) -> str | None:
        """None if the dialect has no words for it. `room`: the name of the room that it is about, if any."""
        ...


class Listener(Protocol):
    """All of it is synchronous and raises nothing."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def remote(self) -> Remote: ...

    def put(self, text: str, droppable: bool = False) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def out_of_room(self) -> None:
        """Its party is no longer inside, waiting or watching, by whatever cause."""
        ...

    def allowed(self, claims: Claims) -> None:
        """Its party waits no longer: it holds a token now."""
        ...


def tell(listener: Listener, word: Word, room: str = "") -> None:
    text = listener.dialect.notification(word, room)
    if text is not None:
        listener.put(text)


def supplant(former: Listener | None, listener: Listener) -> None:
    """A call has one socket; the one it had before is closed, and its party is out."""
    if former is not None and former is not listener:
        former.close(4001, "this call is on another socket now")
        former.out_of_room()
