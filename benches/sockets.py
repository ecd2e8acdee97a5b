"""Many WebSockets listened to by one thread that must notice at once what it is sent.

So there is no WebSocket library in it: sockets in one epoll, frames taken apart by hand (RFC 6455 5.2: what comes from a
server is not masked), the time taken at each read, and everything else, JSON too, after the measurement. It says of
itself how late a read may have been.
"""

import base64
import json
import secrets
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from benches.child import Json
from benches.spread import spread

READ_BYTES: Final = 1 << 16
PATIENCE_S: Final = 60.0

TEXT: Final = 0x1
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA


class Broken(Exception):
    """The server said or did something else than it should."""


def frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame. The mask is zero, which changes nothing; a server cannot tell."""
    head = bytes([0x80 | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    else:
        head += struct.pack("!BH", 0x80 | 126, len(payload))
    return head + bytes(4) + payload


class Frames:
    """A server's bytes in, its frames out. A server of ours sends each message as one frame."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        data = self._pending + data if self._pending else data
        at = 0
        while len(data) - at >= 2:
            start, length = at + 2, data[at + 1]
            if length == 126:
                start, length = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
            elif length == 127:
                start, length = at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
            if len(data) < start + length:
                break
            if not data[at] & 0x80:
                raise Broken("a message in pieces")
            yield data[at] & 0x0F, data[start : start + length]
            at = start + length
        self._pending = data[at:]


@attrs.define(eq=False)
class Seat:
    """One socket."""

    name: str
    sock: socket.socket
    frames: Frames = attrs.field(factory=Frames)
    asked: int = 0
    """Requests so far, by which a dialect numbers them."""

    def say(self, message: Json) -> int:
        """When it was sent; the reply is read like everything else."""
        data = frame(TEXT, json.dumps(message).encode())
        now = time.monotonic_ns()
        self.sock.sendall(data)  # far less than any socket buffer
        return now


@attrs.frozen
class Heard:
    """A message, and when it was read."""

    seat: Seat
    at_ns: int
    text: bytes

    def read(self) -> Any:
        return json.loads(self.text)


@attrs.define
class Sockets:
    heard: list[Heard] = attrs.field(factory=list)
    late_ns: list[int] = attrs.field(factory=list)
    """For each message, how long it can have lain unread at most."""
    _by_fd: dict[int, Seat] = attrs.field(factory=dict)
    _poll: select.epoll = attrs.field(factory=select.epoll)
    _looked_ns: int = 0

    def connect(self, url: str, name: str) -> Seat:
        host, port = urlsplit(url).hostname, urlsplit(url).port
        assert host is not None and port is not None
        sock = socket.create_connection((host, port), timeout=PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        nonce = base64.b64encode(secrets.token_bytes(16)).decode()
        sock.sendall(
            f"GET {urlsplit(url).path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {nonce}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            some = sock.recv(READ_BYTES)
            if not some:
                raise Broken(f"the upgrade was answered {answer[:200]!r}")
            answer += some
        if not answer.startswith(b"HTTP/1.1 101 ") or not answer.endswith(b"\r\n\r\n"):
            raise Broken(f"the upgrade was answered {answer[:200]!r}")
        sock.setblocking(False)
        return self.take_seat(name, sock)

    def take_seat(self, name: str, sock: socket.socket) -> Seat:
        seat = self._by_fd[sock.fileno()] = Seat(name, sock)
        self._poll.register(sock.fileno(), select.EPOLLIN)
        return seat

    def listen(self, enough: Callable[[], bool], seconds: float | None = None) -> None:
        """Until there is `enough`; or for so many seconds, without which too little is an error."""
        deadline = time.monotonic() + (PATIENCE_S if seconds is None else seconds)
        while not enough():
            left = deadline - time.monotonic()
            if left <= 0:
                if seconds is not None:
                    return
                raise Broken(f"only {len(self.heard)} messages came within {PATIENCE_S:g} s")
            self._turn(left)

    def take(self, count: int) -> list[Heard]:
        """So many messages, or the few more that came with the last of them."""
        self.listen(lambda: len(self.heard) >= count)
        heard, self.heard = self.heard, []
        return heard

    def fileno(self) -> int:
        """For another epoll: it is ready when there is something to read."""
        return self._poll.fileno()

    def look(self) -> None:
        """Reads what has come."""
        self._turn(0.0)

    def own(self) -> Json:
        """What listening did to the figures itself, since the last time."""
        late, self.late_ns = spread(self.late_ns), []
        return attrs.asdict(late)

    def _turn(self, seconds: float) -> None:
        # What is ready at once may have come any time since the last look; what has to be waited for comes now.
        came_after_ns = self._looked_ns
        ready = self._poll.poll(0)
        if not ready:
            ready = self._poll.poll(seconds)
            came_after_ns = time.monotonic_ns()
        self._looked_ns = time.monotonic_ns()
        for fd, _ in ready:
            self._read(self._by_fd[fd], came_after_ns)

    def _read(self, seat: Seat, came_after_ns: int) -> None:
        data = seat.sock.recv(READ_BYTES)
        now = time.monotonic_ns()
        if not data:
            raise Broken(f"{seat.name}: the server closed the connection")
        for opcode, payload in seat.frames.feed(data):
            if opcode == TEXT:
                self.heard.append(Heard(seat, now, payload))
                self.late_ns.append(now - came_after_ns)
            elif opcode == PING:
                seat.sock.sendall(frame(PONG, payload))
            elif opcode == CLOSE:
                raise Broken(f"{seat.name}: closed with {int.from_bytes(payload[:2], 'big')}")
