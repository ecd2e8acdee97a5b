"""A WebSocket as hypercorn's, with rules of its own (RFC 6455), between the frames of its peer and the task that handles it.

Early bytes wait for the upgrade's answer; oversized and binary frames close (1009, 1003); a peer that leaves two pings
unanswered is cut; no compression. Once it is accepted, its handler speaks to it directly (`own_websocket`): a notification in
a large room is hundreds of messages, and each layer that they do not pass counts.

Bytes go out by its connection, the Wire, which has the deadline of writes and puts this class in hypercorn's place
(containment.py).
"""

import struct
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Protocol

import hypercorn.protocol.ws_stream
import trio
from hypercorn.protocol.events import Body, Data, Event, StreamClosed
from hypercorn.typing import ASGISendEvent, WebsocketAcceptEvent
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

from api.connections import Connections
from api.limits import CLOSE_STALL_S, EARLY_BYTES, MISSED_PONGS, UNREAD_MESSAGES
from signalling.limits import MAX_FRAME_BYTES


class Wire(Protocol):
    """The connection of one."""

    @property
    def connections(self) -> Connections: ...

    async def write(self, data: bytes) -> None:
        """Returns once the system has taken it all, or the connection is gone."""

    async def cut(self) -> None: ...

    def became(self, websocket: "RoomWebSocket") -> None:
        """It has been accepted as one."""


own_wire: ContextVar[Wire] = ContextVar("wire")
"""Of the task that asks, since hypercorn hands its streams no reference."""
_websocket: ContextVar["RoomWebSocket"] = ContextVar("websocket")


def own_websocket() -> "RoomWebSocket":
    """The one whose handler calls this."""
    return _websocket.get()


def text_frame(text: str) -> bytes:
    """RFC 6455 5.2: final, text, not masked."""
    payload = text.encode()
    length = len(payload)
    if length < 126:
        return bytes((0x81, length)) + payload
    if length < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, length) + payload
    return struct.pack("!BBQ", 0x81, 127, length) + payload


class RoomWebSocket(hypercorn.protocol.ws_stream.WSStream):
    """One WebSocket, between the frames of its peer and the task that handles it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._wire = own_wire.get()
        self._early = b""
        self._open = False
        self._message_bytes = 0
        self._unanswered = 0
        self._closing = False
        self._gone = trio.Event()
        self._read, self._unread = trio.open_memory_channel[str | bytes](UNREAD_MESSAGES)
        _websocket.set(self)

    # --- for its handler, once it is accepted ---

    async def next_message(self) -> str | bytes | None:
        """None at the end of the connection, after all that was read before."""
        try:
            return await self._unread.receive()
        except trio.EndOfChannel:
            return None

    async def send_texts(self, texts: Iterable[str]) -> None:
        """Returns once the system has taken them; at the end of the connection they are lost."""
        if not (self.closed or self._closing):
            await self._wire.write(b"".join(map(text_frame, texts)))

    async def end(self, code: int, reason: str = "") -> None:
        """Close, and read on until the peer has closed too: a socket closed with bytes unread would reset, and lose the
        code."""
        if not (self.closed or self._closing):
            self._closing = True
            self._read.close()
            self.task_group.spawn(self._close_at_deadline)
            await self._send_wsproto_event(CloseConnection(code=code, reason=reason))

    async def _close_at_deadline(self) -> None:
        with trio.move_on_after(CLOSE_STALL_S):
            await self._gone.wait()
            return
        await self.send(StreamClosed(stream_id=self.stream_id))

    # --- for hypercorn ---

    async def handle(self, event: Event) -> None:
        if self.closed:
            return
        match event:
            case StreamClosed():
                self._gone.set()
                self._read.close()
                await super().handle(event)
            case Body() | Data() if not self._open:
                # RFC 6455 4.1 has the client wait for the answer; one that did not is served or refused like others.
                self._early += event.data
                if len(self._early) > EARLY_BYTES:
                    await self._wire.cut()
            case _:
                try:
                    await super().handle(event)
                except LocalProtocolError:
                    pass  # bytes behind a close frame: RFC 6455 1.4 has them discarded

    async def app_send(self, message: ASGISendEvent | None) -> None:
        if message is None:
            self._unread.close()  # the handler has ended, and what waits for it is discarded
        if self._closing:
            return  # nothing follows a close frame, and the peer's answer or the deadline ends the connection
        await super().app_send(message)

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        self.handshake.extensions = None  # a megabyte of zeros inflates from a kilobyte, so no compression
        await super()._accept(message)
        self._open = True
        self._wire.became(self)
        self._wire.connections.accepted(self)
        if self._early:
            early, self._early = self._early, b""
            await self.handle(Data(stream_id=self.stream_id, data=early))

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            match event:
                case CloseConnection():
                    # Answers a close, or says what was wrong with the frames; refused by wsproto if we closed first.
                    await self._send_wsproto_event(event.response())
                    await self.send(StreamClosed(stream_id=self.stream_id))
                    return
                case _ if self._closing or self.closed:
                    pass
                case TextMessage() | BytesMessage():
                    await self._part(event)
                case Ping():
                    await self._send_wsproto_event(event.response())
                case Pong():
                    self._unanswered = 0

    async def _part(self, part: TextMessage | BytesMessage) -> None:
        data = part.data
        self._message_bytes += len(data.encode()) if isinstance(data, str) and not data.isascii() else len(data)
        if self._message_bytes > MAX_FRAME_BYTES:
            self.buffer.clear()
            await self.end(CloseReason.MESSAGE_TOO_BIG)
            return
        self.buffer.extend(part)
        if part.message_finished:
            whole = self.buffer.to_message()
            message = whole["bytes"] if whole["text"] is None else whole["text"]
            self.buffer.clear()
            self._message_bytes = 0
            try:
                await self._read.send(message)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # the handler, or the connection, has ended meanwhile

    async def ping(self) -> None:
        if self.closed:
            return
        if self._unanswered == MISSED_PONGS:
            self._wire.connections.silent += 1
            await self._wire.cut()
            return
        self._unanswered += 1
        await self._send_wsproto_event(Ping())
