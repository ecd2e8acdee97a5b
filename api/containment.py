"""hypercorn, held to one rule: what a connection does ends at most that connection.

hypercorn 0.18 on trio lets some errors of one connection (bytes after a WebSocket upgrade, a bad chunk size, a ping
that meets a close) leave `serve`, which ends the server. It also shields its writes, so that a peer that reads nothing
holds its task, and the shutdown, for ever; it never looks at pongs; and it inflates permessage-deflate without a bound.
`install` puts three subclasses in the places where hypercorn looks its own classes up:

- SafeTCPServer: an Exception of a connection is counted, logged and closes it; a write has a deadline. How many connections
  there may be, connections.py knows.
- OnlyHTTP1: an upgrade to HTTP/2 is ignored, as RFC 9110 7.8 allows; that protocol's task outlives an early end. An answer
  is one write, not up to six. Requests that come by the thousand pass by h11 (shortcut.py). What is left of a request that
  was answered early is leftovers.py's.
- RoomWebSocket: websocket.py.

They reach into hypercorn, so `install` asserts each name, and tests/api/test_containment.py sends what used to kill.
"""

import math
import os
from contextvars import ContextVar
from typing import Any

import h11
import hypercorn.protocol
import hypercorn.protocol.h11
import hypercorn.protocol.ws_stream
import hypercorn.trio.run
import hypercorn.trio.tcp_server
import trio
from hypercorn.events import Closed, RawData, Updated
from hypercorn.events import Event as ConnectionEvent
from hypercorn.protocol.http_stream import HTTPStream

from api.connections import Connections
from api.limits import CLOSE_STALL_S, REFUSED_CONNECTIONS, WRITE_STALL_S
from api.shortcut import Exchange, Whole, recognised
from api.websocket import RoomWebSocket, own_wire

TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 10\r\n\r\n"
MAX_REQUEST_READ = 1 << 16

_counts: ContextVar[Connections] = ContextVar("connections")


class SafeTCPServer(hypercorn.trio.tcp_server.TCPServer):
    """One connection. Its tasks find it by a context variable, since hypercorn hands them no reference."""

    websocket: RoomWebSocket | None = None
    """Once it is accepted as one."""

    async def run(self) -> None:
        self.connections = _counts.get()
        own_wire.set(self)
        self._reading, self._waiting_for_end = trio.CancelScope(), trio.CancelScope()
        try:
            with self.connections.place(self._peer()) as admitted:
                await (super().run() if admitted else self._turn_away())
        except Exception as error:  # noqa: BLE001  # the point of it; Cancelled is none, so shutdowns pass
            self.connections.contain(error)
        finally:
            if self.websocket is not None:
                self.connections.gone(self.websocket)
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
        counts = self.connections
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

    def became(self, websocket: RoomWebSocket) -> None:
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
            self.connections.stalled += 1
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
