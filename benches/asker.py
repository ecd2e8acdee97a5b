"""One thread that asks over HTTP, on connections that stay open, and keeps KPOINT's rooms meanwhile; a child of benches.s_connector.

    open      {url, key, rooms}     so many KPOINT rooms with 1, 2, 3, 1, 2, … people in them
    connect   {host, port, requests, status, connections}
              so many connections, in the place of former ones, each of which asks once; `status` is the right answer;
              `requests` are {method, path, headers, body}, which the connections take in turn, each one for good
    get       {per_s, seconds, visits_per_s}
              `per_s` requests a second, whether or not the server keeps up, each on the connection that has been free for
              longest or becomes free first; with 0, each connection asks again as soon as it has its answer. Meanwhile
              somebody comes into the first room, or leaves it, `visits_per_s` times a second.

A delay is counted from the moment at which the request was due, so a server that stands still is charged for all that waits.
An answer is looked at no further than to see that it is whole and of which status.
"""

import math
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import attrs

from benches import machine
from benches.child import Json, answer_requests
from benches.sockets import Broken, Seat, Sockets
from benches.spread import spread

READ_BYTES: Final = 1 << 18
PATIENCE_S: Final = 30.0


def people_in(number: int) -> int:
    """The room of that number."""
    return 1 + number % 3


@attrs.define(eq=False)
class Line:
    """One connection: a request at a time."""

    sock: socket.socket
    free_since_ns: int
    asks: bytes = b""
    due_ns: int | None = None
    """Of the request whose answer is awaited."""
    status: bytes = b""
    closes: bool = False
    _left: int | None = None
    """Bytes of the answer's body that have yet to come; None before its head has come."""
    _read: bytes = b""
    """Of a head."""

    def take(self, data: memoryview) -> bool:
        """Whether the answer is whole."""
        if self._left is None:
            self._read += data
            head, found, body = self._read.partition(b"\r\n\r\n")
            if not found:
                return False
            self.status, length, self.closes = _head(head)
            self._read, self._left = b"", length - len(body)
        else:
            self._left -= len(data)
        if self._left < 0:
            raise Broken("more than one answer to a request")
        if self._left:
            return False
        self._left = None
        return True


def _head(head: bytes) -> tuple[bytes, int, bool]:
    """The status, the body's length, and whether it is the connection's last answer."""
    first, *lines = head.split(b"\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    if b"content-length" not in fields:
        raise Broken(f"an answer without its length: {head[:200]!r}")
    return first.split()[1], int(fields[b"content-length"]), fields.get(b"connection") == b"close"


@attrs.define(eq=False)
class Lines:
    """The connections, and what came by them."""

    address: tuple[str, int]
    asks: Sequence[bytes]
    status: bytes
    """Any other answer is an error, and so is none."""
    sockets: Sockets
    """What these are told is read between two answers."""
    delays_ns: list[int] = attrs.field(factory=list)
    late_ns: list[int] = attrs.field(factory=list)
    """By how much each request left after it was due and there was a connection for it."""
    errors: int = 0
    bytes_read: int = 0
    free: deque[Line] = attrs.field(factory=deque)
    """The one that has been so for longest first."""
    _by_fd: dict[int, Line] = attrs.field(factory=dict)
    _made: int = 0
    _poll: select.epoll = attrs.field(factory=select.epoll)
    _buffer: memoryview = attrs.field(factory=lambda: memoryview(bytearray(READ_BYTES)))

    def __attrs_post_init__(self) -> None:
        self._poll.register(self.sockets.fileno(), select.EPOLLIN)

    def forget(self) -> None:
        """What came until now."""
        self.delays_ns, self.late_ns = [], []
        self.errors = self.bytes_read = 0

    def connect(self, asks: bytes = b"") -> None:
        """`asks`: what it asks; else it is the next one's turn."""
        if not asks:
            asks = self.asks[self._made % len(self.asks)]
            self._made += 1
        sock = socket.create_connection(self.address, timeout=PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = self._by_fd[sock.fileno()] = Line(sock, time.monotonic_ns(), asks)
        self._poll.register(sock.fileno(), select.EPOLLIN)
        self.free.append(line)

    def ask(self, due_ns: int) -> None:
        line = self.free.popleft()
        line.due_ns = due_ns
        line.sock.sendall(line.asks)  # far less than any socket buffer
        self.late_ns.append(time.monotonic_ns() - max(due_ns, line.free_since_ns))

    def turn(self, seconds: float) -> bool:
        """Reads what has come, or else what comes first within that time; False if nothing has."""
        ready = self._poll.poll(0)
        if not ready:
            # An epoll's own patience has whole milliseconds.
            select.select([self._poll], [], [], max(0.0, seconds))
            ready = self._poll.poll(0)
        for fd, _ in ready:
            if fd in self._by_fd:
                self._read(self._by_fd[fd])
            else:
                self.sockets.look()
        return bool(ready)

    def close(self) -> None:
        for line in self._by_fd.values():
            line.sock.close()
        self._poll.close()

    def _read(self, line: Line) -> None:
        try:
            count = line.sock.recv_into(self._buffer)
        except ConnectionError:
            count = 0
        self.bytes_read += count
        whole = count > 0 and line.take(self._buffer[:count])
        if whole or not count:
            self._answered(line, is_right=whole and line.status == self.status)
        if not count or (whole and line.closes):
            # As a server does with a connection that was quiet for some time, or has had its share of requests.
            self._end(line)
            self.connect(line.asks)

    def _answered(self, line: Line, is_right: bool) -> None:
        if line.due_ns is None:
            return
        line.free_since_ns = time.monotonic_ns()
        self.delays_ns.append(line.free_since_ns - line.due_ns)
        self.errors += not is_right
        line.due_ns = None
        self.free.append(line)

    def _end(self, line: Line) -> None:
        self.free.remove(line)
        self._poll.unregister(line.sock.fileno())
        del self._by_fd[line.sock.fileno()]
        line.sock.close()


@attrs.define
class Asker:
    sockets: Sockets = attrs.field(factory=Sockets)
    lines: Lines | None = None
    _visitor: Seat | None = None

    def handle(self, request: Json) -> Json:
        match request["do"]:
            case "open":
                return self._open(request["url"], request["key"], request["rooms"])
            case "connect":
                return self._connect(request)
            case "get":
                return self._get(request["per_s"], request["seconds"], request["visits_per_s"])
        raise ValueError(request["do"])

    def _open(self, url: str, key: Json, rooms: int) -> Json:
        for number in range(rooms):
            for person in range(people_in(number)):
                seat = self._register(url, f"user {number}.{person}", key)
                if person == 0:
                    self._ask(seat, "createVideoRoom", roomId=_name(number), destroy=True)
                self._ask(seat, "joinRoom", roomId=_name(number))
        self._visitor = self._register(url, "visitor", key)
        return {"people": sum(map(people_in, range(rooms)))}

    def _register(self, url: str, name: str, key: Json) -> Seat:
        seat = self.sockets.connect(url, name)
        self._ask(seat, "register", ipAddr="127.0.0.1", **key)
        return seat

    def _ask(self, seat: Seat, op: str, **fields: object) -> None:
        _say(seat, op, **fields)
        while not any([_is_reply(heard.read()) for heard in self.sockets.take(1) if heard.seat is seat]):
            pass

    def _connect(self, request: Json) -> Json:
        if self.lines is not None:
            self.lines.close()
        asks = [_written(each, f"{request['host']}:{request['port']}") for each in request["requests"]]
        status = str(request["status"]).encode()
        lines = self.lines = Lines((request["host"], request["port"]), asks, status, self.sockets)
        for _ in range(request["connections"]):
            lines.connect()
            lines.ask(time.monotonic_ns())
        while len(lines.free) < request["connections"]:
            if not lines.turn(PATIENCE_S):
                raise Broken(f"the first requests had no answer within {PATIENCE_S:g} s")
        return {"errors": lines.errors}

    def _get(self, per_s: float, seconds: float, visits_per_s: float) -> Json:
        lines = self.lines
        assert lines is not None
        lines.forget()
        elapsed_s = self._ask_all(lines, per_s, seconds, visits_per_s)
        return {
            "delays": attrs.asdict(spread(lines.delays_ns)),
            "late": attrs.asdict(spread(lines.late_ns)),
            "errors": lines.errors,
            "bytes": lines.bytes_read,
            "seconds": elapsed_s,
        }

    def _ask_all(self, lines: Lines, per_s: float, seconds: float, visits_per_s: float) -> float:
        """How long it took, until the last answer."""
        started = time.monotonic_ns()
        ends = started + int(seconds * 1e9)
        total = int(per_s * seconds) if per_s else math.inf
        visits = int(visits_per_s * seconds) // 2 * 2  # in the end the visitor is outside again
        asked = visited = 0
        while True:
            now = time.monotonic_ns()
            while visited < visits and now >= started + visited / visits_per_s * 1e9:
                self._visit("leaveRoom" if visited % 2 else "joinRoom")
                visited += 1
            may_ask, due = asked < total and (per_s > 0 or now < ends), now
            while may_ask and lines.free and asked < total:
                if per_s:
                    due = started + int(asked / per_s * 1e9)
                if due > now:
                    break
                lines.ask(due)
                asked += 1
            if len(lines.delays_ns) == asked and (asked == total or not may_ask):
                return (now - started) / 1e9
            waits = not (may_ask and lines.free)
            if not lines.turn(PATIENCE_S if waits else (due - now) / 1e9) and waits:
                raise Broken(
                    f"{asked - len(lines.delays_ns)} of {asked} requests had no answer within {PATIENCE_S:g} s"
                )
            self._check()

    def _visit(self, op: str) -> None:
        assert self._visitor is not None
        _say(self._visitor, op, roomId=_name(0))

    def _check(self) -> None:
        """What has been told meanwhile."""
        for heard in self.sockets.heard:
            if heard.seat is self._visitor:
                _is_reply(heard.read())
        self.sockets.heard.clear()
        self.sockets.late_ns.clear()


def _written(request: Json, host: str) -> bytes:
    body = str(request["body"]).encode()
    fields = {"Host": host, **request["headers"]} | ({"Content-Length": str(len(body))} if body else {})
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{request['method']} {request['path']} HTTP/1.1\r\n{head}\r\n".encode() + body


def _name(number: int) -> str:
    return f"room {number}"


def _say(seat: Seat, op: str, **fields: object) -> None:
    seat.asked += 1
    seat.say({"eventOp": op, "reqId": str(seat.asked), "userId": seat.name, **fields})


def _is_reply(message: Any) -> bool:
    """And no notification. A refusal is an error."""
    if "code" not in message:
        return False
    if message["code"] != "200":
        raise Broken(str(message))
    return True


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the parent's to handle
    machine.stay_on(machine.cores()[1])
    # While nobody asks, pings wait, which the bench does not let take long.
    answer_requests(Asker().handle)
