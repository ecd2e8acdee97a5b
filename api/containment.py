"""hypercorn, held to one rule: what a connection does ends at most that connection.

hypercorn 0.18 on trio lets some errors of one connection (bytes after a WebSocket upgrade, a bad chunk size, a ping
that meets a close) leave `serve`, which ends the server. It also shields its writes, so that a peer that reads nothing
holds its task, and the shutdown, for ever; it never looks at pongs; and it inflates permessage-deflate without a bound.
`install` puts three subclasses in the places where hypercorn looks its own classes up:

- SafeTCPServer: an Exception of a connection is counted, logged and closes it; a write has a deadline. There are so
  many connections in all and from one address, and no more.
- OnlyHTTP1: an upgrade to HTTP/2 is ignored, as RFC 9110 7.8 allows; that protocol's task outlives an early end.
- RoomWebSocket: early bytes wait for the upgrade's answer; oversized and binary frames close (1009, 1003); a peer that
  leaves two pings unanswered is cut; no compression.

They reach into hypercorn, so `install` asserts each name, and tests/api/test_containment.py sends what used to kill.
"""

import math
import resource
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import hypercorn.protocol
import hypercorn.protocol.h11
import hypercorn.protocol.ws_stream
import hypercorn.trio.run
import hypercorn.trio.tcp_server
import structlog
import trio
from hypercorn.events import Closed, RawData
from hypercorn.events import Event as ConnectionEvent
from hypercorn.protocol.events import Body, Data, Event, StreamClosed
from hypercorn.typing import ASGISendEvent, WebsocketAcceptEvent
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

from api.gate import LOOPBACK, Proxies
from api.limits import (
    ADDRESS_CONNECTIONS,
    CLOSE_STALL_S,
    CONNECTIONS,
    EARLY_BYTES,
    MISSED_PONGS,
    REFUSED_CONNECTIONS,
    WRITE_STALL_S,
)
from signalling.door import source_of
from signalling.limits import MAX_FRAME_BYTES

log = structlog.get_logger(__name__)

TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 10\r\n\r\n"
MAX_REQUEST_READ = 1 << 16


class Connections:
    """How many there are, and counters of what they did to deserve being ended.

    Whoever comes through a proxy has its address, so `proxies` and loopback are held to the ceiling of all alone.
    """

    def __init__(self, proxies: Proxies) -> None:
        self.contained = 0
        self.stalled = 0
        self.silent = 0
        self.refused = 0
        self.being_refused = 0
        self._proxies = proxies
        self._open = 0
        self._by_source: Counter[str] = Counter()

    def counts(self) -> Mapping[str, int]:
        return {
            "error": self.contained,
            "write_stalled": self.stalled,
            "no_pong": self.silent,
            "too_many": self.refused,
        }

    @property
    def ceiling(self) -> int:
        """Files are wanted for more than connections: media, the database, what a request opens."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return CONNECTIONS if files == resource.RLIM_INFINITY else min(CONNECTIONS, files * 3 // 4)

    @contextmanager
    def place(self, address: str) -> Iterator[bool]:
        """Whether there is room for a connection from `address`; it takes its place for the time of the block."""
        source = None if address in LOOPBACK or address in self._proxies else source_of(address)
        full = self._open >= self.ceiling
        if full or (source is not None and self._by_source[source] >= ADDRESS_CONNECTIONS):
            self.refused += 1
            yield False
            return
        self._open += 1
        if source is not None:
            self._by_source[source] += 1
        try:
            yield True
        finally:
            self._open -= 1
            if source is not None:
                self._by_source[source] -= 1
                if not self._by_source[source]:
                    del self._by_source[source]


_counts: ContextVar[Connections] = ContextVar("connections")
_connection: ContextVar["SafeTCPServer"] = ContextVar("connection")


async def cut_connection() -> None:
    """Close this task's connection without asking the peer. Pending writes of other tasks end with it."""
    await _connection.get().cut()


class SafeTCPServer(hypercorn.trio.tcp_server.TCPServer):
    """One connection. Its tasks find it by a context variable, since hypercorn hands them no reference."""

    async def run(self) -> None:
        _connection.set(self)
        try:
            with _counts.get().place(self._peer()) as admitted:
                await (super().run() if admitted else self._turn_away())
        except Exception as error:  # noqa: BLE001  # the point of it; Cancelled is none, so shutdowns pass
            _counts.get().contained += 1
            log.info("connection contained", error=_innermost(error))
        finally:
            # Also after a cancellation, which hypercorn lets pass between its two steps of closing.
            with trio.CancelScope(shield=True):
                await self.cut()

    def _peer(self) -> str:
        """The address of the other end; empty if it is gone already."""
        try:
            address: str = getattr(self.stream, "transport_stream", self.stream).socket.getpeername()[0]
        except OSError:
            return ""
        return address

    async def _turn_away(self) -> None:
        counts = _counts.get()
        if counts.being_refused >= REFUSED_CONNECTIONS:
            return
        counts.being_refused += 1
        try:
            with trio.move_on_after(CLOSE_STALL_S):
                await self.stream.send_all(TOO_MANY)
                # A socket closed with bytes unread resets, and the answer could be lost with it.
                while await self.stream.receive_some(MAX_REQUEST_READ):
                    pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            counts.being_refused -= 1

    async def cut(self) -> None:
        # Closing TLS politely is a write, and writing is what a cut must not wait for.
        await trio.aclose_forcefully(getattr(self.stream, "transport_stream", self.stream))

    async def _read_data(self) -> None:
        await super()._read_data()
        await self.idle_task.stop()  # it would keep what is left of a gone connection for its whole time-out

    async def protocol_send(self, event: ConnectionEvent) -> None:
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        # Shielded, as half a frame cannot be taken back; but not for longer than the peer is given to read.
        with trio.CancelScope(shield=True) as patience:
            async with self.send_lock:
                patience.deadline = trio.current_time() + WRITE_STALL_S
                try:
                    await self.stream.send_all(event.data)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    patience.deadline = math.inf
                    await self.protocol.handle(Closed())
        if patience.cancelled_caught:
            _counts.get().stalled += 1
            with trio.CancelScope(shield=True):
                await self.cut()


class OnlyHTTP1(hypercorn.protocol.h11.H11Protocol):
    """Everything is HTTP/1.1, or is refused as such."""

    async def _check_protocol(self, event: object) -> None:
        pass


class RoomWebSocket(hypercorn.protocol.ws_stream.WSStream):
    """One WebSocket, between the frames of its peer and the queue of its handler."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._early = b""
        self._open = False
        self._message_bytes = 0
        self._unanswered = 0
        self._closing = False
        self._gone = trio.Event()
        self._app_ended = False
        self._putting = trio.CancelScope()

    async def handle(self, event: Event) -> None:
        if self.closed:
            return
        match event:
            case StreamClosed():
                self.closed = True
                self._gone.set()
                await self._tell_app()
            case Body() | Data() if not self._open:
                # RFC 6455 4.1 has the client wait for the answer; one that did not is served or refused like others.
                self._early += event.data
                if len(self._early) > EARLY_BYTES:
                    await cut_connection()
            case _:
                try:
                    await super().handle(event)
                except LocalProtocolError:
                    pass  # bytes behind a close frame: RFC 6455 1.4 has them discarded

    async def app_send(self, message: ASGISendEvent | None) -> None:
        if message is None:
            self._app_ended = True
            self._putting.cancel()
        if self._closing:
            return  # nothing follows a close frame, and the peer's answer or the deadline ends the connection
        await super().app_send(message)
        if message is not None and message["type"] == "websocket.close" and self._open:
            self._await_close()

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        self.handshake.extensions = None  # a megabyte of zeros inflates from a kilobyte, so no compression
        await super()._accept(message)
        self._open = True
        if self._early:
            await self.handle(Data(stream_id=self.stream_id, data=self._early))

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            match event:
                case CloseConnection():
                    # Answers a close, or says what was wrong with the frames; refused by wsproto if we closed first.
                    await self._send_wsproto_event(event.response())
                    await self.send(StreamClosed(stream_id=self.stream_id))
                    return
                case _ if self._closing:
                    pass
                case TextMessage():
                    await self._text(event)
                case BytesMessage():
                    await self._refuse(CloseReason.UNSUPPORTED_DATA)
                case Ping():
                    await self._send_wsproto_event(event.response())
                case Pong():
                    self._unanswered = 0

    async def _text(self, part: TextMessage) -> None:
        self._message_bytes += len(part.data) if part.data.isascii() else len(part.data.encode())
        if self._message_bytes > MAX_FRAME_BYTES:
            self.buffer.clear()
            await self._refuse(CloseReason.MESSAGE_TOO_BIG)
            return
        self.buffer.extend(part)
        if part.message_finished:
            message = self.buffer.to_message()
            self.buffer.clear()
            self._message_bytes = 0
            await self._put(message)

    async def _put(self, message: Any) -> None:
        """Queue a message for the handler; one that has ended would leave a full queue full for ever."""
        if self.app_put is not None and not self._app_ended:
            with trio.CancelScope() as self._putting:
                await self.app_put(message)

    async def _tell_app(self) -> None:
        await self._put({"type": "websocket.disconnect", "code": CloseReason.ABNORMAL_CLOSURE.value})

    async def _refuse(self, reason: CloseReason) -> None:
        await self._send_wsproto_event(CloseConnection(code=reason))
        self._await_close()
        await self._tell_app()

    def _await_close(self) -> None:
        """Read on until the peer has closed too: a socket closed with bytes unread would reset, and lose the code."""
        self._closing = True
        self.task_group.spawn(self._close_at_deadline)

    async def _close_at_deadline(self) -> None:
        with trio.move_on_after(CLOSE_STALL_S):
            await self._gone.wait()
            return
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _send_pings(self) -> None:
        interval_s = self.config.websocket_ping_interval
        assert interval_s is not None
        while not self.closed:
            with trio.move_on_after(interval_s):
                await self._gone.wait()
                return
            if self._unanswered == MISSED_PONGS:
                _counts.get().silent += 1
                await cut_connection()
                return
            self._unanswered += 1
            # Not awaited: behind a peer that reads nothing the ping queues, and the count must go on.
            self.task_group.spawn(self._send_wsproto_event, Ping())


def install(counts: Connections) -> None:
    """Put the subclasses in place, for the task that calls and those it starts; before hypercorn serves."""
    for module, name, ours in (
        (hypercorn.trio.run, "TCPServer", SafeTCPServer),
        (hypercorn.protocol.h11, "WSStream", RoomWebSocket),
        (hypercorn.protocol, "H11Protocol", OnlyHTTP1),
    ):
        found: Any = getattr(module, name, None)
        assert isinstance(found, type) and issubclass(ours, found), f"hypercorn has moved {module.__name__}.{name}"
        setattr(module, name, ours)
    for base, name in (
        (hypercorn.trio.tcp_server.TCPServer, "protocol_send"),
        (hypercorn.trio.tcp_server.TCPServer, "_read_data"),
        (hypercorn.protocol.h11.H11Protocol, "_check_protocol"),
        (hypercorn.protocol.ws_stream.WSStream, "app_send"),
        (hypercorn.protocol.ws_stream.WSStream, "_accept"),
        (hypercorn.protocol.ws_stream.WSStream, "_handle_events"),
        (hypercorn.protocol.ws_stream.WSStream, "_send_pings"),
        (hypercorn.protocol.ws_stream.WSStream, "_send_wsproto_event"),
    ):
        assert callable(getattr(base, name, None)), f"hypercorn has no {base.__name__}.{name} any more"
    _counts.set(counts)


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return repr(error)
