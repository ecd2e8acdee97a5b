"""The asker: what the figures of s-connector's bench rest on."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benches.asker import Asker, Line
from benches.sockets import Broken

OK = b"HTTP/1.1 200 \r\nContent-Length: 4\r\nx: y\r\n\r\nbody"
LAST = b"HTTP/1.1 200 \r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
GONE = b"HTTP/1.1 404 \r\ncontent-length: 1\r\n\r\n-"

Answering = Callable[[socket.socket, int], None]
"""Answers the request of that number on its connection."""


class TestAnswers:
    @given(st.data())
    def test_however_they_are_cut(self, data: st.DataObject) -> None:
        cuts = sorted(data.draw(st.lists(st.integers(1, len(OK) - 1), max_size=5, unique=True)))
        line = Line(socket.socket(), 0)
        with line.sock:
            parts = [OK[start:end] for start, end in zip([0, *cuts], [*cuts, len(OK)], strict=True)]
            wholes = [line.take(memoryview(part)) for part in parts * 2]
        assert wholes == ([False] * len(cuts) + [True]) * 2
        assert (line.status, line.closes) == (b"200", False)

    @pytest.mark.parametrize("answer", [OK + b"H", b"HTTP/1.1 200 \r\n\r\n"])
    def test_what_nobody_can_tell_the_end_of_is_refused(self, answer: bytes) -> None:
        line = Line(socket.socket(), 0)
        with line.sock, pytest.raises(Broken):
            line.take(memoryview(answer))


@attrs.define
class Place:
    """A server, in a thread for each connection."""

    listener: socket.socket
    answering: Answering
    connections: list[socket.socket] = attrs.Factory(list)
    requests: list[bytes] = attrs.Factory(list)
    threads: list[threading.Thread] = attrs.Factory(list)

    def run(self) -> None:
        while True:
            try:
                sock = self.listener.accept()[0]
            except OSError:
                return
            self.connections.append(sock)
            self.threads.append(threading.Thread(target=self.serve, args=[sock]))
            self.threads[-1].start()

    def connected(self, at_least: int) -> int:
        """How many connections it has had, once it has noticed so many; the system opens them before."""
        patience = time.monotonic() + 5.0
        while len(self.connections) < at_least and time.monotonic() < patience:
            time.sleep(0.001)
        return len(self.connections)

    def serve(self, sock: socket.socket) -> None:
        try:
            with sock:
                while request := sock.recv(65536):
                    self.requests.append(request)
                    self.answering(sock, len(self.requests))
        except OSError:
            pass


@contextmanager
def place(answering: Answering) -> Iterator[Place]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = Place(listener, answering)
        thread = threading.Thread(target=served.run)
        thread.start()
        try:
            yield served
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in served.threads:
                each.join()


def get(served: Place, *, status: int = 200, connections: int = 2, per_s: float = 100, seconds: float = 0.2) -> Any:
    """What is said of it, after all connections have asked once."""
    host, port = served.listener.getsockname()
    asker = Asker()
    request = {"method": "GET", "path": "/p", "headers": {"a": "b"}, "body": ""}
    there: dict[str, Any] = {"host": host, "port": port, "requests": [request]}
    asker.handle({"do": "connect", **there, "status": status, "connections": connections})
    assert asker.lines is not None
    try:
        served.requests.clear()
        return asker.handle({"do": "get", "per_s": per_s, "seconds": seconds, "visits_per_s": 0})
    finally:
        asker.lines.close()


def always(answer: bytes) -> Answering:
    return lambda sock, _: sock.sendall(answer)


def test_so_many_requests_a_second_and_no_more() -> None:
    with place(always(OK)) as served:
        started = time.monotonic()
        answer = get(served)
        elapsed_s = time.monotonic() - started
        assert set(served.requests) == {
            f"GET /p HTTP/1.1\r\nHost: 127.0.0.1:{served.listener.getsockname()[1]}\r\na: b\r\n\r\n".encode()
        }
    assert len(served.requests) == answer["delays"]["count"] == answer["late"]["count"] == 20
    assert (answer["errors"], answer["bytes"]) == (0, 20 * len(OK))
    assert 0.19 <= answer["seconds"] <= elapsed_s
    assert len(served.connections) == 2


def test_a_delay_is_counted_from_when_the_request_was_due() -> None:
    """The server stands still for 0.15 s: fifteen requests are due in that time, and have to wait for the rest of it."""

    def stands_still_once(sock: socket.socket, number: int) -> None:
        if number == 1:
            time.sleep(0.15)
        sock.sendall(OK)

    with place(stands_still_once) as served:
        answer = get(served, connections=1)
    assert answer["delays"]["count"] == 20
    # Fifteen have to wait for 150, 140, … 10 ms, five for nothing.
    assert answer["delays"]["max"] >= 150
    assert answer["delays"]["p50"] >= 50
    assert answer["late"]["p50"] < 50


def test_flat_out_each_connection_asks_again_at_once() -> None:
    with place(always(OK)) as served:
        answer = get(served, per_s=0, seconds=0.1)
    assert len(served.requests) == answer["delays"]["count"] > 2
    assert (answer["errors"], len(served.connections)) == (0, 2)


@pytest.mark.parametrize(
    ("status", "answer", "errors", "connections"),
    [
        pytest.param(404, GONE, 0, 2, id="the one that was wanted"),
        pytest.param(200, GONE, 20, 2, id="another one"),
        pytest.param(200, LAST, 0, 24, id="the last one of its connection"),
    ],
)
def test_answers(status: int, answer: bytes, errors: int, connections: int) -> None:
    with place(always(answer)) as served:
        said = get(served, status=status)
        assert (said["delays"]["count"], said["errors"]) == (20, errors)
        assert served.connected(connections) == connections


def test_a_connection_that_breaks_is_an_error_and_is_replaced() -> None:
    def breaks_once(sock: socket.socket, number: int) -> None:
        sock.sendall(OK[:-1] if number == 5 else OK)
        if number == 5:
            sock.shutdown(socket.SHUT_RDWR)

    with place(breaks_once) as served:
        said = get(served)
    assert (said["delays"]["count"], said["errors"], len(served.connections)) == (20, 1, 3)


def test_a_connection_that_ends_while_nobody_asks_is_replaced() -> None:
    """As servers do with those that are quiet."""

    def ends_the_other(sock: socket.socket, number: int) -> None:
        sock.sendall(OK)
        if number == 4:
            next(each for each in served.connections if each is not sock).shutdown(socket.SHUT_RDWR)

    with place(ends_the_other) as served:
        said = get(served)
    assert (said["delays"]["count"], said["errors"], len(served.connections)) == (20, 0, 3)
