"""The crowd's own parts: what the figures of a large room rest on."""

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

from api.containment import text_frame
from benches.crowd import PONG, TEXT, Broken, Crowd, Frames, Seat, frame
from benches.spread import EDGES_MS, spread

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


class TestSpread:
    @given(st.lists(st.integers(min_value=-MS, max_value=10_000 * MS), min_size=1))
    def test_the_percentiles_are_those_of_the_sorted_values(self, delays: list[int]) -> None:
        seen, in_order = spread(delays), sorted(delays)
        assert seen.p50 == in_order[max(0, -(-len(delays) * 50 // 100) - 1)] / MS
        assert seen.p99 == in_order[max(0, -(-len(delays) * 99 // 100) - 1)] / MS
        assert seen.max == in_order[-1] / MS

    @given(st.lists(st.integers(min_value=0, max_value=10_000 * MS)))
    def test_each_is_in_the_column_that_ends_above_it(self, delays: list[int]) -> None:
        expected = [0] * (len(EDGES_MS) + 1)
        for delay in delays:
            above = (index for index, edge in enumerate(EDGES_MS) if delay <= edge * MS)
            expected[next(above, len(EDGES_MS))] += 1
        assert tuple(expected) == spread(delays).columns

    @pytest.mark.parametrize(
        ("delays_ms", "picture"),
        [
            ([], ""),
            ([0.1], "0 █ 0.5 ms"),
            ([4, 4, 4, 4, 12], "3 █  ▂ 15 ms"),
            ([1] * 10_000 + [9000], "0.5 █                    ▁ more"),
        ],
    )
    def test_its_picture(self, delays_ms: list[float], picture: str) -> None:
        assert picture == spread([round(delay * MS) for delay in delays_ms]).picture()


@contextmanager
def listening(crowd: Crowd) -> Iterator[tuple[Seat, socket.socket]]:
    """A seat of the crowd, and the server's end of its connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield crowd.take_seat("one", ours), theirs


class TestListening:
    def test_a_ping_is_answered_and_a_text_kept_with_its_time(self) -> None:
        crowd = Crowd()
        with listening(crowd) as (seat, server):
            before = time.monotonic_ns()
            server.sendall(b"\x89\x01p" + text_frame('{"a": 1}'))
            crowd.listen(lambda: bool(crowd.heard))
            (heard,) = crowd.heard
            assert (heard.seat, heard.read()) == (seat, {"a": 1})
            assert before < heard.at_ns < time.monotonic_ns()
            assert frame(PONG, b"p") == server.recv(100)

    def test_it_owns_up_to_having_read_late(self) -> None:
        """Whoever does something else in between may have left a message lying for as long."""
        crowd = Crowd()
        with listening(crowd) as (_, server):
            server.sendall(text_frame("early"))
            crowd.listen(lambda: bool(crowd.heard))
            crowd.heard.clear()
            time.sleep(0.05)
            server.sendall(text_frame("late"))
            crowd.listen(lambda: bool(crowd.heard))
            assert crowd.late_ns[-1] >= 50 * MS

    def test_what_it_had_to_wait_for_is_not_late(self) -> None:
        crowd = Crowd()
        with listening(crowd) as (_, server):
            timer = threading.Timer(0.05, server.sendall, [text_frame("awaited")])
            timer.start()
            start = time.monotonic_ns()
            crowd.listen(lambda: bool(crowd.heard))
            timer.join()
            assert crowd.late_ns[-1] < crowd.heard[0].at_ns - start

    @pytest.mark.parametrize("said", [b"", b"\x88\x02\x0f\xa1"])
    def test_an_end_is_an_error(self, said: bytes) -> None:
        crowd = Crowd()
        with listening(crowd) as (_, server):
            server.sendall(said)
            if not said:
                server.shutdown(socket.SHUT_WR)
            with pytest.raises(Broken, match="clos"):
                crowd.listen(lambda: False, 5.0)
