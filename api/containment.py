"""hypercorn, held to one rule: what a connection does ends at most that connection.

hypercorn 0.18 on trio lets some errors of one connection (bytes after a WebSocket upgrade, a bad chunk size, a ping
that meets a close) leave `serve`, which ends the server. It also shields its writes, so that a peer that reads nothing
holds its task, and the shutdown, for ever; it never looks at pongs; and it inflates permessage-deflate without a bound.
`install` puts three subclasses in the places where hypercorn looks its own classes up:

- SafeTCPServer: an Exception of a connection is counted, logged and closes it; a write has a deadline. There are so
  many connections in all and from one address, and no more.
- OnlyHTTP1: an upgrade to HTTP/2 is ignored, as RFC 9110 7.8 allows; that protocol's task outlives an early end. An answer
  is one write, not up to six. Requests that come by the thousand pass by h11 (shortcut.py). What is left of a request that
  was answered early is leftovers.py's.
- RoomWebSocket: early bytes wait for the upgrade's answer; oversized and binary frames close (1009, 1003); a peer that
  leaves two pings unanswered is cut; no compression. Once it is accepted, its handler speaks to it directly
  (`own_websocket`): a notification in a large room is hundreds of messages, and each layer that they do not pass counts.

They reach into hypercorn, so `install` asserts each name, and tests/api/test_containment.py sends what used to kill.
"""

import math
import os
import resource
import struct
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import h11
import hypercorn.protocol
import hypercorn.protocol.h11
import hypercorn.protocol.ws_stream
import hypercorn.trio.run
import hypercorn.trio.tcp_server
import structlog
import trio
from hypercorn.events import Closed, RawData, Updated
from hypercorn.events import Event as ConnectionEvent
from hypercorn.protocol.events import Body, Data, Event, StreamClosed
from hypercorn.protocol.http_stream import HTTPStream
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
    UNREAD_MESSAGES,
    WRITE_STALL_S,
)
from api.shortcut import Exchange, Whole, recognised
from signalling.door import source_of
from signalling.limits import MAX_FRAME_BYTES

log = structlog.get_logger(__name__)

TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 10\r\n\r\n"
MAX_REQUEST_READ = 1 << 16
PING_ROUNDS = 20


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
        self._quiet: OrderedDict[RoomWebSocket, float] = OrderedDict()
        """Since when each has not been pinged, the longest first."""
        self._open = 0
        self._by_source: Counter[str] = Counter()

    def counts(self) -> Mapping[str, int]:
        return {
            "error": self.contained,
            "write_stalled": self.stalled,
            "no_pong": self.silent,
            "too_many": self.refused,
        }

    def accepted(self, websocket: "RoomWebSocket") -> None:
        self._quiet[websocket] = trio.current_time()

    def gone(self, websocket: "RoomWebSocket") -> None:
        self._quiet.pop(websocket, None)

    async def ping(self, interval_s: float) -> None:
        """Pings every WebSocket once in `interval_s`, in PING_ROUNDS: to wake up for each alone costs more than its ping."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(interval_s / PING_ROUNDS)
                due = trio.current_time() - interval_s
                while self._quiet and next(iter(self._quiet.values())) <= due:
                    websocket, _ = self._quiet.popitem(last=False)
                    self.accepted(websocket)
                    # Not awaited: behind a peer that reads nothing the ping queues, and the count must go on.
                    nursery.start_soon(self._ping, websocket)

    async def _ping(self, websocket: "RoomWebSocket") -> None:
        try:
            await websocket.ping()
        except Exception as error:  # noqa: BLE001  # as of its own tasks
            self.contain(error)

    def contain(self, error: Exception) -> None:
        self.contained += 1
        log.info("connection contained", error=_innermost(error))

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
_websocket: ContextVar["RoomWebSocket"] = ContextVar("websocket")


def own_websocket() -> "RoomWebSocket":
    """The one whose handler calls this."""
    return _websocket.get()


class SafeTCPServer(hypercorn.trio.tcp_server.TCPServer):
    """One connection. Its tasks find it by a context variable, since hypercorn hands them no reference."""

    websocket: "RoomWebSocket | None" = None
    """Once it is accepted as one."""

    async def run(self) -> None:
        _connection.set(self)
        self._reading, self._waiting_for_end = trio.CancelScope(), trio.CancelScope()
        try:
            with _counts.get().place(self._peer()) as admitted:
                await (super().run() if admitted else self._turn_away())
        except Exception as error:  # noqa: BLE001  # the point of it; Cancelled is none, so shutdowns pass
            _counts.get().contain(error)
        finally:
            if self.websocket is not None:
                _counts.get().gone(self.websocket)
            # Also after a cancellation, which hypercorn lets pass between its two steps of closing.
            with trio.CancelScope(shield=True):
                await self.cut()

    def _peer(self) -> str:
        """The address of the other end; empty if it is gone already."""
        try:
            address: str = self._below_tls.socket.getpeername()[0]
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
        await trio.aclose_forcefully(self._below_tls)

    @property
    def _below_tls(self) -> trio.SocketStream:
        return self.stream if isinstance(self.stream, trio.SocketStream) else self.stream.transport_stream

    async def _read_data(self) -> None:
        """Being idle is a deadline of the reading; hypercorn's task for it costs each request a tenth of its time, and its
        deadline for each read, which nobody sets, some more."""
        await self.idle_task.stop()
        self._task_group.spawn(self._end_idleness_with_server)
        self._be_idle(True)
        with self._reading:
            ended = False
            while not ended:
                try:
                    data = bytes(await self.stream.receive_some(MAX_REQUEST_READ))
                except (trio.ClosedResourceError, trio.BrokenResourceError):
                    break
                await self.protocol.handle(RawData(data))
                ended = not data
        await self.protocol.handle(Closed())
        self._waiting_for_end.cancel()

    def became(self, websocket: "RoomWebSocket") -> None:
        """Which the server ends by other means."""
        self.websocket = websocket
        self._waiting_for_end.cancel()

    def _be_idle(self, idle: bool) -> None:
        self._reading.deadline = trio.current_time() + self.config.keep_alive_timeout if idle else math.inf

    async def _end_idleness_with_server(self) -> None:
        with self._waiting_for_end:
            await self.context.terminated.wait()
            if self._reading.deadline < math.inf:  # else the end of its request is that of the connection
                self._reading.cancel()

    async def protocol_send(self, event: ConnectionEvent) -> None:
        match event:
            case RawData():
                await self.write(event.data)
            case Updated():
                self._be_idle(event.idle)
            case _:
                await super().protocol_send(event)

    async def write(self, data: bytes) -> None:
        """Returns once the system has taken it all, or the connection is gone; that need not be a checkpoint."""
        if self.send_lock.locked():
            with trio.CancelScope(shield=True):
                await self.send_lock.acquire()
        else:
            data = data[self._write_at_once(data) :]
            if not data:
                return
            self.send_lock.acquire_nowait()  # the rest comes next, whoever else wants to write
        await self._write_locked(data)

    async def _write_locked(self, data: bytes) -> None:
        try:
            await self._write_patiently(data)
        finally:
            self.send_lock.release()

    def _write_at_once(self, data: bytes) -> int:
        """How much the system has taken without waiting; what is in the way will be told by the next attempt."""
        if not isinstance(self.stream, trio.SocketStream):
            return 0  # TLS
        try:
            return os.write(self.stream.socket.fileno(), data)
        except OSError:
            return 0

    async def _write_patiently(self, data: bytes) -> None:
        """Shielded, as half a frame cannot be taken back; but not for longer than the peer is given to read."""
        if self._below_tls.socket.fileno() < 0:
            return  # cut while this waited for its turn
        with trio.CancelScope(shield=True, deadline=trio.current_time() + WRITE_STALL_S) as patience:
            try:
                await self.stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                patience.deadline = math.inf
                await self.protocol.handle(Closed())
        if patience.cancelled_caught:
            _counts.get().stalled += 1
            with trio.CancelScope(shield=True):
                await self.cut()
                await self.protocol.handle(Closed())


class OnlyHTTP1(hypercorn.protocol.h11.H11Protocol):
    """Everything is HTTP/1.1, or is refused as such. An answer leaves as one write."""

    _head = b""
    """Of an answer, which its body, or its end, follows."""

    async def handle(self, event: ConnectionEvent) -> None:
        request = recognised(event.data) if isinstance(event, RawData) and self._is_quiet() else None
        if request is None:
            await super().handle(event)
        else:
            await self._exchange(request)

    def _is_quiet(self) -> bool:
        """No request is under way, nor a part of one."""
        connection = self.connection
        return (
            self.stream is None
            and isinstance(connection, h11.Connection)
            and connection.their_state is h11.IDLE
            and not connection.trailing_data[0]
        )

    async def _exchange(self, request: Whole) -> None:
        await self.send(Updated(idle=False))
        self.keep_alive_requests += 1
        is_last = self.keep_alive_requests >= self.config.keep_alive_max_requests or self.context.terminated.is_set()
        exchange = Exchange(request.body, is_last, self._write)
        scope = request.scope(
            scheme="https" if self.ssl else "http",
            root_path=self.config.root_path,
            client=self.client,
            server=self.server,
            state=self.connection_state.copy(),
        )
        app: Any = self.app
        await app(scope, exchange.receive, exchange.send, trio.to_thread.run_sync, trio.from_thread.run)
        await self.send(Closed() if exchange.is_last or self.context.terminated.is_set() else Updated(idle=True))

    async def _write(self, data: bytes) -> None:
        await self.send(RawData(data=data))

    async def _check_protocol(self, event: object) -> None:
        pass

    async def _send_h11_event(self, event: Any) -> None:
        try:
            data = self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            return
        if type(event) is h11.Response:
            self._head = data
        elif self._head or data:
            data, self._head = self._head + (data or b""), b""
            await self.send(RawData(data=data))

    async def _maybe_recycle(self) -> None:
        # Whoever has answered reads no more: to tell it of the end could mean to wait for ever for a place in its queue.
        if isinstance(self.stream, HTTPStream):
            self.stream.closed = True
            self.stream = None
        await super()._maybe_recycle()


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
        self._connections = _counts.get()
        self._tcp = _connection.get()
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
            await self._tcp.write(b"".join(map(text_frame, texts)))

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
                    await self._tcp.cut()
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
        self._tcp.became(self)
        self._connections.accepted(self)
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
            self._connections.silent += 1
            await self._tcp.cut()
            return
        self._unanswered += 1
        await self._send_wsproto_event(Ping())


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
        (hypercorn.protocol.h11.H11Protocol, "handle"),
        (hypercorn.protocol.h11.H11Protocol, "_check_protocol"),
        (hypercorn.protocol.h11.H11Protocol, "_send_h11_event"),
        (hypercorn.protocol.h11.H11Protocol, "_maybe_recycle"),
        (hypercorn.protocol.ws_stream.WSStream, "app_send"),
        (hypercorn.protocol.ws_stream.WSStream, "_accept"),
        (hypercorn.protocol.ws_stream.WSStream, "_handle_events"),
        (hypercorn.protocol.ws_stream.WSStream, "_send_wsproto_event"),
    ):
        assert callable(getattr(base, name, None)), f"hypercorn has no {base.__name__}.{name} any more"
    _counts.set(counts)


def _innermost(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return repr(error)
