"""Messages on their way to one socket, in order: at most OUTBOX_MESSAGES of them, and of OUTBOX_CHARS, since one dialect
passes on pictures.

`put` is synchronous, so a room never waits for a member. Overflow rule: levels and rates make room first, since the next
one says it all again; a socket that still has a full queue is closed with 4008, because a view with a gap is worse than
none. Closing is the writer's: it ends the messages it is at, so that the client can read the reason.
"""

from collections import deque
from collections.abc import Callable

import trio
from attrs import define, frozen

from signalling.limits import OUTBOX_CHARS, OUTBOX_MESSAGES, WRITE_CHARS


@frozen
class Close:
    code: int
    reason: str


@define(eq=False)
class Message:
    text: str
    droppable: bool
    """A level or a rate."""
    sent: trio.Event | None = None


class Outbox:
    def __init__(self, on_close: Callable[[], None]) -> None:
        self._queue: deque[Message] = deque()
        self._droppable = 0
        self._chars = 0
        self._writer = trio.Event()
        self._on_close = on_close
        self._closing: Close | None = None

    def put(self, text: str, droppable: bool = False) -> None:
        if self._is_full(text) and not self._make_room(text, droppable):
            return
        self._append(Message(text, droppable))

    def put_awaited(self, text: str) -> trio.Event:
        """The event is set once the socket has taken the message; never, if the socket is closed before."""
        sent = trio.Event()
        if not self._is_full(text) or self._make_room(text, False):
            self._append(Message(text, False, sent))
        return sent

    def close(self, code: int, reason: str, flush: bool = True) -> None:
        """Ends the queue: with `flush` after what is in it, else after the message that is on its way."""
        if self._closing is not None:
            return
        self._closing = Close(code, reason)
        self._on_close()
        if not flush:
            self._queue.clear()
            self._chars = 0
        self._writer.set()

    async def take(self) -> list[Message] | Close:
        """The next thing for the writer to do; it is called again once that is done.

        What has gathered leaves in one go, up to WRITE_CHARS, because a write costs more than a message.
        """
        while not self._queue and self._closing is None:
            self._writer = trio.Event()
            await self._writer.wait()
        messages: list[Message] = []
        chars = 0
        while self._queue and chars < WRITE_CHARS:
            message = self._queue.popleft()
            self._droppable -= message.droppable
            chars += len(message.text)
            self._chars -= len(message.text)
            messages.append(message)
        if messages:
            return messages
        assert self._closing is not None
        return self._closing

    def _append(self, message: Message) -> None:
        if self._closing is not None:
            return
        self._queue.append(message)
        self._chars += len(message.text)
        self._droppable += message.droppable
        self._writer.set()

    def _is_full(self, text: str) -> bool:
        """One message alone always has room, however long."""
        if len(self._queue) >= OUTBOX_MESSAGES:
            return True
        return bool(self._queue) and self._chars + len(text) > OUTBOX_CHARS

    def _make_room(self, text: str, droppable: bool) -> bool:
        """Whether one more message may enter a full queue."""
        if droppable or self._closing is not None:
            return False
        while self._is_full(text):
            if not self._droppable:
                self.close(4008, "too slow", flush=False)
                return False
            oldest = next(index for index, message in enumerate(self._queue) if message.droppable)
            self._chars -= len(self._queue[oldest].text)
            del self._queue[oldest]
            self._droppable -= 1
        return True
