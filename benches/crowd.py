"""The crowd: a process that is N members of one room and a visitor, run by requests on its stdin.

It must notice at once what it is sent, so there is no WebSocket library in it: sockets in one epoll, frames taken apart
by hand (RFC 6455 5.2: what comes from a server is not masked), the time taken at each read, and everything else, JSON
too, after the measurement. It says of itself how late a read may have been. It stays on the last core, as the other
generators do, so that the server's are its own.

The members offer media and never connect them: what is measured is what a room says, not what it plays.

Requests ("do"): `open` (url, room, n) signs in n members and the visitor, `join` has the members join all at once,
`toggle` and `visit` (times) have a member mute and unmute, the visitor join and leave, each time waiting until everybody has heard
of it, `rest` (seconds) only listens.
"""

import base64
import json
import secrets
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from benches import machine
from benches.child import Json, answer_requests
from benches.offers import Endpoint
from benches.spread import spread
from sfu.wire.sdp import Fingerprint

READ_BYTES: Final = 1 << 16
PATIENCE_S: Final = 60.0
PAUSE_S: Final = 0.02
"""Between two changes, so that none meets what the one before left to do."""
VISITOR: Final = "visitor"

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
    offer: str
    frames: Frames = attrs.field(factory=Frames)
    token: str = ""
    asked: int = 0

    def ask(self, method: str, **params: object) -> int:
        """When it was sent; the reply is read like everything else."""
        self.asked += 1
        text = json.dumps({"id": self.asked, "method": method, "params": params})
        data = frame(TEXT, text.encode())
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
class Crowd:
    seats: list[Seat] = attrs.field(factory=list)
    visitor: Seat | None = None
    heard: list[Heard] = attrs.field(factory=list)
    late_ns: list[int] = attrs.field(factory=list)
    """For each message, how long it can have lain unread at most."""
    _by_fd: dict[int, Seat] = attrs.field(factory=dict)
    _poll: select.epoll = attrs.field(factory=select.epoll)
    _looked_ns: int = 0

    # --- the sockets ---

    def sign_in(self, url: str, room: str, name: str) -> Seat:
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
        seat = self.take_seat(name, sock)
        seat.ask("authenticate", room=room, call_id=name, display_name=name)
        seat.token = self._one_result(seat)["auth_token"]
        return seat

    def take_seat(self, name: str, sock: socket.socket) -> Seat:
        endpoint = Endpoint(
            secrets.randbits(62), secrets.token_hex(4), secrets.token_hex(16), Fingerprint("sha-256", bytes(32))
        )
        seat = self._by_fd[sock.fileno()] = Seat(name, sock, endpoint.audience())
        self._poll.register(sock.fileno(), select.EPOLLIN)
        return seat

    def _one_result(self, seat: Seat) -> Any:
        self.listen(lambda: bool(self.heard))
        (reply,) = self.heard
        self.heard = []
        message = reply.read()
        if reply.seat is not seat or "result" not in message:
            raise Broken(f"{seat.name}: {message}")
        return message["result"]

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

    def _own(self) -> Json:
        """What the crowd did to the figures itself."""
        late, self.late_ns = spread(self.late_ns), []
        return attrs.asdict(late)

    # --- requests ---

    def handle(self, request: Json) -> Json:
        match request["do"]:
            case "open":
                return self.open(request["url"], request["room"], request["n"])
            case "join":
                return self.join()
            case "toggle":
                return self.toggle(request["times"])
            case "visit":
                return self.visit(request["times"])
            case "rest":
                self.listen(lambda: False, request["seconds"])
                if self.heard:
                    raise Broken(f"somebody spoke: {self.heard[0].text[:200]!r}")
                return {}
            case unknown:
                raise ValueError(f"{unknown!r} is no request")

    def open(self, url: str, room: str, n: int) -> Json:
        machine.allow_files(n + 200)
        if self.visitor is None:
            self.visitor = self.sign_in(url, room, VISITOR)
        self.seats += [self.sign_in(url, room, f"member-{index}") for index in range(n)]
        return {}

    def join(self) -> Json:
        """Each hears its reply and of everybody who joins after it."""
        n = len(self.seats)
        asked = {seat.name: seat.ask("join_room", sdp=seat.offer, auth_token=seat.token) for seat in self.seats}
        self.listen(lambda: len(self.heard) >= n + n * (n - 1) // 2)
        heard, self.heard = self.heard, []
        started = min(asked.values())
        replied, delays = {}, []
        for each in heard:
            message = each.read()
            if "result" in message:
                replied[each.seat.name] = each.at_ns - asked[each.seat.name]
            elif message.get("method") == "member_join_room":
                delays.append(each.at_ns - asked[message["params"]["id"]])
            else:
                raise Broken(f"in the burst: {message}")
        if len(replied) != n:
            raise Broken(f"{len(replied)} of {n} joins were answered")
        return {
            "seconds": (max(each.at_ns for each in heard) - started) / 1e9,
            "replies": attrs.asdict(spread(list(replied.values()))),
            "notifications": attrs.asdict(spread(delays)),
            "own": self._own(),
        }

    def toggle(self, times: int) -> Json:
        """The first member mutes and unmutes; the others hear of it."""
        actor, delays = self.seats[0], list[int]()
        for number in range(times):
            method = "unmute_audio" if number % 2 else "mute_audio"
            asked, _, heard = self._change(actor, f"member_{method}", method)
            delays += [at - asked for at in heard]
        return {"notifications": attrs.asdict(spread(delays)), "own": self._own()}

    def visit(self, times: int) -> Json:
        visitor = self.visitor
        assert visitor is not None
        since_asked, since_reply, replies, leaves = list[int](), list[int](), list[int](), list[int]()
        for _ in range(times):
            asked, replied, heard = self._change(
                visitor, "member_join_room", "join_room", sdp=visitor.offer, auth_token=visitor.token
            )
            replies.append(replied - asked)
            since_asked += [at - asked for at in heard]
            since_reply += [at - replied for at in heard]
            asked, _, heard = self._change(visitor, "member_leave_room", "leave_room")
            leaves += [at - asked for at in heard]
        return {
            "since_asked": attrs.asdict(spread(since_asked)),
            "since_reply": attrs.asdict(spread(since_reply)),
            "replies": attrs.asdict(spread(replies)),
            "leaves": attrs.asdict(spread(leaves)),
            "own": self._own(),
        }

    def _change(self, actor: Seat, heard_as: str, method: str, **params: object) -> tuple[int, int, list[int]]:
        """When it was asked for, when that was answered, and when each of the others heard of it."""
        others = [seat for seat in self.seats if seat is not actor]
        asked = actor.ask(method, **params)
        self.listen(lambda: len(self.heard) > len(others))
        heard, self.heard = self.heard, []
        replies = [each for each in heard if each.seat is actor]
        told = {each.seat.name: each.at_ns for each in heard if heard_as.encode() in each.text[:100]}
        if len(replies) != 1 or "result" not in replies[0].read() or len(told) != len(others):
            raise Broken(f"{method}: {len(told)} of {len(others)} heard of it; reply {[r.text for r in replies]}")
        self.listen(lambda: False, PAUSE_S)
        return asked, replies[0].at_ns, list(told.values())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the parent's to handle
    machine.stay_on(machine.cores()[1])
    answer_requests(Crowd().handle)  # between two requests pings wait, which the asker does not let take long
