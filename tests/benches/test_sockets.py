"""The bench's own WebSockets: what the figures of a crowd rest on."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import Connection, ConnectionType
from wsproto.events import Message

from api.websocket import text_frame
from benches.sockets import PONG, TEXT, Broken, Frames, Seat, Sockets, frame

MS = 1_000_000


class TestFrames:
    @given(st.lists(st.sampled_from(["", "a", "x" * 125, "x" * 126, "x" * 65_536]), max_size=5), st.data())
    def test_however_they_are_cut(self, texts: list[str], data: st.DataObject) -> None:
        stream = b"".join(map(text_frame, texts))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
        frames, heard = Frames(), []
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            heard += frames.feed(stream[start:end])
        assert [(TEXT, text.encode()) for text in texts] == heard

    def test_a_message_in_pieces_is_refused(self) -> None:
        with pytest.raises(Broken):
            list(Frames().feed(b"\x01\x01a"))

    @pytest.mark.parametrize("size", [0, 125, 126, 60_000])
    def test_a_server_reads_the_client_s(self, size: int) -> None:
        server = Connection(ConnectionType.SERVER)
        server.receive_data(frame(TEXT, b"x" * size))
        (message,) = server.events()
        assert isinstance(message, Message)
        assert message.data == "x" * size


@contextmanager
def listening(sockets: Sockets) -> Iterator[tuple[Seat, socket.socket]]:
    """A seat, and the server's end of its connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield sockets.take_seat("one", ours), theirs


class TestListening:
    def test_a_ping_is_answered_and_a_text_kept_with_its_time(self) -> None:
        sockets = Sockets()
        with listening(sockets) as (seat, server):
            before = time.monotonic_ns()
            server.sendall(b"\x89\x01p" + text_frame('{"a": 1}'))
            sockets.listen(lambda: bool(sockets.heard))
            (heard,) = sockets.heard
            assert (heard.seat, heard.read()) == (seat, {"a": 1})
            assert before < heard.at_ns < time.monotonic_ns()
            assert frame(PONG, b"p") == server.recv(100)

    def test_it_owns_up_to_having_read_late(self) -> None:
        """Whoever does something else in between may have left a message lying for as long."""
        sockets = Sockets()
        with listening(sockets) as (_, server):
            server.sendall(text_frame("early"))
            sockets.listen(lambda: bool(sockets.heard))
            sockets.heard.clear()
            time.sleep(0.05)
            server.sendall(text_frame("late"))
            sockets.listen(lambda: bool(sockets.heard))
            assert sockets.late_ns[-1] >= 50 * MS

    def test_what_it_had_to_wait_for_is_not_late(self) -> None:
        sockets = Sockets()
        with listening(sockets) as (_, server):
            timer = threading.Timer(0.05, server.sendall, [text_frame("awaited")])
            timer.start()
            start = time.monotonic_ns()
            sockets.listen(lambda: bool(sockets.heard))
            timer.join()
            assert sockets.late_ns[-1] < sockets.heard[0].at_ns - start

    @pytest.mark.parametrize("said", [b"", b"\x88\x02\x0f\xa1"])
    def test_an_end_is_an_error(self, said: bytes) -> None:
        sockets = Sockets()
        with listening(sockets) as (_, server):
            server.sendall(said)
            if not said:
                server.shutdown(socket.SHUT_WR)
            with pytest.raises(Broken, match="clos"):
                sockets.listen(lambda: False, 5.0)
