"""One connection: reads and answers requests in order, writes what its room says, until either side ends it.

Two tasks. The reader handles one message at a time and looks at the next only when the reply has been taken by the
socket, so a client that does not read is not read either. The writer empties the outbox. Keep-alive is the transport's.
A connection that closes stops reading at once; the writer says what is left to say and the closing code, for at most
CLOSE_TIMEOUT_S.
"""

from collections.abc import Sequence
from typing import Literal, Protocol, assert_never

import structlog
import trio

from signalling.dialects import room_api
from signalling.limits import (
    CLOSE_TIMEOUT_S,
    FLOOD_REFUSALS,
    FLOOD_UNIT_BYTES,
    FLOOD_WINDOW_S,
    MAX_FRAME_BYTES,
    Tally,
    TokenBucket,
)
from signalling.listener import Dialect
from signalling.outbox import Close, Outbox
from signalling.party import Party
from signalling.ports import Claims
from signalling.room.errors import RoomError, TooMany
from signalling.rooms import Rooms

log = structlog.get_logger()


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


async def serve_connection(socket: Socket, dialect: Literal["room_api"], rooms: Rooms, remote: str) -> None:
    """Serves one socket until it is closed. `remote` is the client's address without its port."""
    match dialect:
        case "room_api":
            connection = _Connection(socket, rooms, remote)
        case _:
            assert_never(dialect)
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

    def __init__(self, socket: Socket, rooms: Rooms, remote: str) -> None:
        self.dialect: Dialect = room_api
        self._socket = socket
        self._outbox = Outbox(self._closing)
        self._party = Party(self, rooms, remote)
        settings = rooms.settings
        self._allowance = TokenBucket(settings.requests_burst, settings.requests_per_s, trio.current_time())
        self._refusals = Tally(FLOOD_REFUSALS, FLOOD_WINDOW_S)
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
                    self.close(1003, "text only")
                elif (size := len(message) if message.isascii() else len(message.encode())) > MAX_FRAME_BYTES:
                    self.close(1009, "message too long")
                else:
                    await self._handle(message, size)
                    if self._refusals.full(trio.current_time()):
                        self.close(4029, "too many messages")
                await trio.lowlevel.checkpoint_if_cancelled()
        except SocketClosed:
            self._life.cancel()

    async def _handle(self, text: str, size: int) -> None:
        now = trio.current_time()
        allowed = self._allowance.take(now, cost=max(1, -(-size // FLOOD_UNIT_BYTES)))
        if not allowed:
            self._refusals.add(now)
            if size > FLOOD_UNIT_BYTES:
                # Looking for its id would be the very work that a flood is refused.
                await self._outbox.put_awaited(room_api.error(None, TooMany("too many messages"))).wait()
                return
        try:
            call = room_api.read(text)
        except room_api.Unreadable as unreadable:
            await self._outbox.put_awaited(unreadable.reply).wait()
            return
        sent: trio.Event | None = None
        replied = False

        def reply(outcome: room_api.Result | RoomError) -> None:
            if isinstance(outcome, RoomError):
                write(room_api.error(call, outcome))
            else:
                write(room_api.result(call, outcome))

        def write(text: str) -> None:
            nonlocal sent, replied
            replied = True
            if call.id is not None:
                sent = self._outbox.put_awaited(text)

        try:
            if not allowed:
                raise TooMany("too many messages")
            request = room_api.request(call)
            await self._party.perform(request, reply)
        except RoomError as refusal:
            reply(refusal)
        except Exception:
            log.exception("request failed", method=call.method)
            if not replied:
                write(room_api.internal_error(call))
        if sent is not None:
            await sent.wait()
