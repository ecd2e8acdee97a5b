"""One connection: reads and answers requests in order, writes what its room says, until either side ends it.

Two tasks. The reader handles one message at a time and looks at the next only when the reply has been taken by the
socket, so a client that does not read is not read either. The writer empties the outbox. Keep-alive is the transport's.
A connection that closes stops reading at once; the writer says what is left to say and the closing code, for at most
CLOSE_TIMEOUT_S.

The same for every dialect: the words are its module's (dialects/), what they do is its party's (parties/).
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, assert_never

import structlog
import trio
from attrs import frozen

from signalling.dialects import kpoint, room_api
from signalling.dialects.json_text import Unreadable
from signalling.limits import (
    CLOSE_TIMEOUT_S,
    FLOOD_REFUSALS,
    FLOOD_UNIT_BYTES,
    FLOOD_WINDOW_S,
    KPOINT_FLOOD_REFUSALS,
    MAX_FRAME_BYTES,
    Tally,
    TokenBucket,
)
from signalling.listener import Dialect, Listener
from signalling.outbox import Close, Outbox
from signalling.parties.kpoint import KpointParty
from signalling.parties.room_api import RoomApiParty
from signalling.ports import Claims, Remote
from signalling.room.errors import RoomError, TooMany
from signalling.rooms import Rooms

log = structlog.get_logger()

DialectName = Literal["room_api", "kpoint"]


class SocketClosed(Exception):
    """The other side is gone, or the transport has closed the socket."""


class Socket(Protocol):
    """A WebSocket. What it reads before its end counts, what it is given after that is lost."""

    async def receive(self) -> str | bytes:
        """Raises SocketClosed at the end."""
        ...

    async def send(self, texts: Sequence[str]) -> None:
        """Returns once all of them are taken."""
        ...

    async def close(self, code: int, reason: str = "") -> None: ...


class Language(Dialect, Protocol):
    """The half of a dialect that a connection needs: a Call is an envelope, a Request what is in it."""

    @property
    def BINARY_REPLY(self) -> str | None:
        """What a binary frame is answered; None: it closes the socket with 1003."""
        ...

    def read(self, text: str, /) -> Any:
        """A Call. Raises Unreadable."""
        ...

    def request(self, call: Any, /) -> Any:
        """The Request of a Call. Raises RoomError."""
        ...

    def result(self, call: Any, result: Any, /) -> str | None:
        """None: the client asked for no reply. So below."""
        ...

    def error(self, call: Any | None, reason: RoomError, /) -> str | None:
        """None as a call stands for a message that was not read."""
        ...

    def internal_error(self, call: Any, /) -> str | None: ...


class Party(Protocol):
    """What one socket of a dialect may do, and does."""

    def admit(self, call: Any) -> None:
        """Looks at the envelope alone: RoomError if this socket may not ask that now, whatever it asks exactly."""
        ...

    async def perform(self, request: Any, reply: Callable[[Any], None]) -> None:
        """Calls `reply` once, with a Result or a RoomError, between what the request changes and the notifications of
        it; or raises RoomError."""
        ...

    async def watch(self) -> None:
        """Runs beside the requests, for as long as it has something to look after."""
        ...

    def allowed(self, claims: Claims) -> None: ...

    def out_of_room(self) -> None: ...

    def socket_gone(self) -> None: ...


@frozen
class _Manner:
    """How a dialect's connections are served."""

    language: Language
    party: Callable[[Listener, Rooms], Party]
    burst: int
    per_s: float
    refusals: int
    """So many within FLOOD_WINDOW_S close the socket."""


def _manner(dialect: DialectName, rooms: Rooms) -> _Manner:
    match dialect:
        case "room_api":
            room_settings = rooms.settings
            burst, per_s = room_settings.requests_burst, room_settings.requests_per_s
            return _Manner(room_api, RoomApiParty, burst, per_s, FLOOD_REFUSALS)
        case "kpoint":
            settings = rooms.kpoint
            return _Manner(kpoint, KpointParty, settings.requests_burst, settings.requests_per_s, KPOINT_FLOOD_REFUSALS)
        case _:
            assert_never(dialect)


async def serve_connection(socket: Socket, dialect: DialectName, rooms: Rooms, remote: Remote) -> None:
    """Serves one socket until it is closed."""
    connection = _Connection(socket, _manner(dialect, rooms), rooms, remote)
    rooms.connect(connection)
    try:
        await connection.run()
    finally:
        try:
            connection.gone()
        finally:
            rooms.disconnect(connection)


class _Connection:
    """A Listener of the rooms."""

    def __init__(self, socket: Socket, manner: _Manner, rooms: Rooms, remote: Remote) -> None:
        self.remote = remote
        self.dialect: Dialect = manner.language
        self._language = manner.language
        self._socket = socket
        self._outbox = Outbox(self._closing)
        self._party = manner.party(self, rooms)
        self._allowance = TokenBucket(manner.burst, manner.per_s, trio.current_time())
        self._refusals = Tally(manner.refusals, FLOOD_WINDOW_S)
        self._life = trio.CancelScope()
        self._reading = trio.CancelScope()

    # --- as rooms see it ---

    def put(self, text: str, droppable: bool = False) -> None:
        self._outbox.put(text, droppable)

    def close(self, code: int, reason: str) -> None:
        self._outbox.close(code, reason)

    def out_of_room(self) -> None:
        self._party.out_of_room()

    def allowed(self, claims: Claims) -> None:
        self._party.allowed(claims)

    # --- its life ---

    async def run(self) -> None:
        with self._life:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._party.watch)
                with self._reading:
                    await self._read()

    def gone(self) -> None:
        self._party.socket_gone()

    def _closing(self) -> None:
        self._reading.cancel()
        self._life.deadline = trio.current_time() + CLOSE_TIMEOUT_S

    async def _write(self) -> None:
        while True:
            match await self._outbox.take():
                case Close(code, reason):
                    await self._socket.close(code, reason)
                    self._life.cancel()
                    return
                case messages:
                    await self._socket.send([message.text for message in messages])
                    for message in messages:
                        if message.sent is not None:
                            message.sent.set()

    async def _read(self) -> None:
        try:
            while True:
                message = await self._socket.receive()
                if isinstance(message, bytes):
                    await self._handle_bytes(message)
                elif (size := len(message) if message.isascii() else len(message.encode())) > MAX_FRAME_BYTES:
                    self.close(1009, "message too long")
                else:
                    await self._handle(message, size)
                if self._refusals.full(trio.current_time()):
                    self.close(4029, "too many messages")
                await trio.lowlevel.checkpoint_if_cancelled()
        except SocketClosed:
            self._life.cancel()

    async def _handle_bytes(self, message: bytes) -> None:
        reply = self._language.BINARY_REPLY
        if reply is None:
            self.close(1003, "text only")
            return
        if not self._allow(len(message)):
            reply = self._unread_refusal()
        await self._outbox.put_awaited(reply).wait()

    def _unread_refusal(self) -> str:
        refusal = self._language.error(None, TooMany("too many messages"))
        assert refusal is not None, "only a call that was read can have asked for no reply"
        return refusal

    def _allow(self, size: int) -> bool:
        now = trio.current_time()
        allowed = self._allowance.take(now, cost=max(1, -(-size // FLOOD_UNIT_BYTES)))
        if not allowed:
            self._refusals.add(now)
        return allowed

    async def _handle(self, text: str, size: int) -> None:
        allowed = self._allow(size)
        if not allowed and size > FLOOD_UNIT_BYTES:
            # Looking for its id would be the very work that a flood is refused.
            await self._outbox.put_awaited(self._unread_refusal()).wait()
            return
        try:
            call = self._language.read(text)
        except Unreadable as unreadable:
            await self._outbox.put_awaited(unreadable.reply).wait()
            return
        sent: trio.Event | None = None
        replied = False

        def reply(outcome: Any) -> None:
            if isinstance(outcome, RoomError):
                write(self._language.error(call, outcome))
            else:
                write(self._language.result(call, outcome))

        def write(text: str | None) -> None:
            nonlocal sent, replied
            replied = True
            if text is not None:
                sent = self._outbox.put_awaited(text)

        try:
            if not allowed:
                raise TooMany("too many messages")
            self._party.admit(call)
            await self._party.perform(self._language.request(call), reply)
        except RoomError as refusal:
            reply(refusal)
        except Exception:
            log.exception("request failed", call=call)
            if not replied:
                write(self._language.internal_error(call))
        if sent is not None:
            await sent.wait()
