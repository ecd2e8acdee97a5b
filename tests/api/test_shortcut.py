"""What passes by h11: only what h11 would read the same way, and with the same answer."""

from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import h11
import pytest
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.run import worker_serve
from hypothesis import given, settings
from hypothesis import strategies as st

from api import containment, shortcut
from api.connections import Connections
from api.gate import Proxies
from api.limits import HEADER_BYTES
from api.shortcut import Exchange, recognised
from tests.api.conftest import Server

HEAD = b"POST /analytics/v1/stats?a=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
ONE = HEAD + b"\r\n{}"


def test_its_parts() -> None:
    found = recognised(ONE.replace(b"Host: a", b"Host:a:80\r\nX-One: \t2 , 3 \r\nEmpty:"))
    assert found is not None
    assert (found.method, found.path, found.query, found.body) == ("POST", b"/analytics/v1/stats", b"a=1", b"{}")
    assert found.headers == [(b"host", b"a:80"), (b"x-one", b"2 , 3"), (b"empty", b""), (b"content-length", b"2")]
    scope = found.scope(client=("192.0.2.1", 5))
    assert (scope["path"], scope["raw_path"], scope["client"]) == (
        "/analytics/v1/stats",
        b"/analytics/v1/stats",
        ("192.0.2.1", 5),
    )


@pytest.mark.parametrize(
    "taken",
    [
        ONE,
        ONE.replace(b"POST", b"PUT"),
        ONE.replace(b"Host: a", b"Host: a\r\nConnection: Keep-Alive"),
        b"GET /v1/sessions HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/sessions/room-1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_taken(taken: bytes) -> None:
    assert recognised(taken) is not None


@pytest.mark.parametrize(
    "left",
    {
        "nothing": b"",
        "half a head": HEAD,
        "half a body": ONE[:-1],
        "more than the body": ONE + b"G",
        "two requests": ONE + ONE,
        "a body of no length": ONE.replace(b"Content-Length: 2\r\n", b""),
        "two lengths": ONE.replace(b"Host: a", b"Host: a\r\ncontent-length: 2"),
        "a length with a sign": ONE.replace(b"Length: 2", b"Length: +2"),
        "a length with a zero": ONE.replace(b"Length: 2", b"Length: 02"),
        "two equal lengths in one": ONE.replace(b"Length: 2", b"Length: 2, 2"),
        "no host": ONE.replace(b"Host: a\r\n", b""),
        "two hosts": ONE.replace(b"Host: a", b"Host: a\r\nHost: a"),
        "chunks": ONE.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked"),
        "chunks and a length": ONE.replace(b"Host: a", b"Host: a\r\nTransfer-Encoding: chunked"),
        "who waits": ONE.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue"),
        "an upgrade": ONE.replace(b"Host: a", b"Host: a\r\nUpgrade: websocket"),
        "the last of a connection": ONE.replace(b"Host: a", b"Host: a\r\nConnection: close"),
        "a folded line": ONE.replace(b"Host: a", b"Host: a\r\n b"),
        "a bare line feed": ONE.replace(b"Host: a\r\n", b"Host: a\n"),
        "a space before the colon": ONE.replace(b"Host: a", b"Host : a"),
        "a NUL": ONE.replace(b"Host: a", b"Host: a\0"),
        "latin letters": ONE.replace(b"Host: a", b"Host: a\r\nX: \xe9"),
        "HTTP/1.0": ONE.replace(b"1.1", b"1.0"),
        "another method": ONE.replace(b"POST", b"PATCH"),
        "a small method": ONE.replace(b"POST", b"post"),
        "an absolute target": ONE.replace(b"/analytics", b"http://a/analytics"),
        "an encoded path": ONE.replace(b"/stats", b"/%73tats"),
        "a path of quart's": ONE.replace(b"/analytics/v1/stats", b"/v1/rooms"),
        "another": ONE.replace(b"/analytics/v1/stats", b"/v1/live/rooms"),
        "a path elsewhere": ONE.replace(b"/analytics/v1", b"/analytics/v2"),
    }.items(),
    ids=lambda left: left[0],
)
def test_what_is_left_to_h11(left: tuple[str, bytes]) -> None:
    assert recognised(left[1]) is None


def mostly(*usual: bytes, odd: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    return st.sampled_from([*usual * 8, *odd])


USUAL_LINES = (b"X: y", b"X_1:\tz\t", b"Accept: a, b;q=1", b"Connection: keep-alive", b"Empty:", b"HOST2:b")
ODD_LINES = (
    b"Host: a", b"Content-Length: 2", b"Connection: x", b"Connection: close", b"Transfer-Encoding: chunked", b"X y: z",
    b": z", b"X", b" folded", b"X: \x7f", b"X: \x00", b"TE: trailers", b"Expect: 100-continue",
)  # fmt: skip


@settings(max_examples=500)
@given(
    mostly(b"GET", b"POST", b"PUT", odd=[b"get", b"G T"]),
    mostly(b"/v1/a", b"/v1/a?", b"/v1/a?b=c%20", b"/analytics/v1/", odd=[b"/v1/a??", b"/v1/a#b", b"/v1/\xe9"]),
    st.lists(mostly(*USUAL_LINES, odd=ODD_LINES), max_size=2),
    mostly(b"Content-Length: 2", b"content-length:2 ", odd=[b"Content-Length: 02", b"Content-Length: 1", b"A: b"]),
    mostly(b"\r\n", odd=[b"\n"]),
    mostly(b"{}", b"\r\n", odd=[b"{", b"{}\r\n\r\n", b""]),
)
def test_h11_reads_whatever_is_taken_as_the_same(
    method: bytes, target: bytes, lines: list[bytes], length: bytes, end: bytes, body: bytes
) -> None:
    data = end.join([b"%b %b HTTP/1.1" % (method, target), b"Host: a", *lines, length, b"", body])
    found = recognised(data)
    if found is None:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    head = connection.next_event()
    assert isinstance(head, h11.Request)
    assert (head.method.decode(), list(head.headers)) == (found.method, found.headers)
    assert head.target.partition(b"?")[::2] == (found.path, found.query)
    read = b""
    while isinstance(event := connection.next_event(), h11.Data):
        read += bytes(event.data)
    assert (read, type(event), connection.trailing_data) == (found.body, h11.EndOfMessage, (b"", False))


class TestAnswers:
    @pytest.fixture(autouse=True)
    def at_a_certain_second(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shortcut.time, "time", lambda: 1_000_000_000.7)

    DATE = b"date: Sun, 09 Sep 2001 01:46:40 GMT\r\n"

    async def told(self, *messages: dict[str, Any], is_last: bool = False) -> list[bytes]:
        """What is written."""
        self.exchange = Exchange(b"{}", is_last, self._write)
        self.written: list[bytes] = []
        for message in messages:
            await self.exchange.send({"type": "http.response.body", **message})
        return self.written

    async def _write(self, data: bytes) -> None:
        self.written.append(data)

    @staticmethod
    def start(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
        return {"type": "http.response.start", "status": 201, "headers": list(headers)}

    LENGTH = (b"content-length", b"2")

    async def test_one_with_a_length_is_one_write(self) -> None:
        written = await self.told(self.start(self.LENGTH), {"body": b"ok"})
        assert written == [b"HTTP/1.1 201 \r\ncontent-length: 2\r\n" + self.DATE + b"\r\nok"]

    async def test_an_empty_one(self) -> None:
        written = await self.told(self.start((b"content-length", b"0")), {"body": b""})
        assert written == [b"HTTP/1.1 201 \r\ncontent-length: 0\r\n" + self.DATE + b"\r\n"]

    @pytest.mark.parametrize("status", [204, 304])
    async def test_one_that_has_no_body_is_its_head(self, status: int) -> None:
        written = await self.told({**self.start(), "status": status}, {"body": b""})
        assert written == [b"HTTP/1.1 %d \r\n" % status + self.DATE + b"\r\n"]

    async def test_one_without_is_streamed_in_chunks(self) -> None:
        more = {"more_body": True}
        written = await self.told(
            self.start(), {"body": b"a" * 20, **more}, {"body": b"", **more}, {"body": b"b", **more}, {"body": b""}
        )
        head = b"HTTP/1.1 201 \r\n" + self.DATE + b"transfer-encoding: chunked\r\n\r\n"
        assert written == [head + b"14\r\n" + b"a" * 20 + b"\r\n", b"1\r\nb\r\n", b"0\r\n\r\n"]

    async def test_the_last_one_says_so(self) -> None:
        written = await self.told(self.start(self.LENGTH), {"body": b"ok"}, is_last=True)
        assert written[0].count(b"connection: close\r\n") == 1

    async def test_one_that_says_so_is_the_last(self) -> None:
        written = await self.told(self.start(self.LENGTH, (b"connection", b"close")), {"body": b"ok"})
        assert written[0].count(b"connection: close\r\n") == 1
        assert self.exchange.is_last

    async def test_the_body_comes_once_and_then_nothing(self, autojump_clock: trio.testing.MockClock) -> None:
        await self.told()
        assert await self.exchange.receive() == {"type": "http.request", "body": b"{}", "more_body": False}
        with trio.move_on_after(3600) as waiting:
            await self.exchange.receive()
        assert waiting.cancelled_caught


INFO = b"GET /v1/info HTTP/1.1\r\nHost: a\r\n\r\n"


class Line:
    """One connection to a server."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream

    async def ask(self, *pieces: bytes, answers: int = 1) -> list[bytes]:
        """The heads of the answers, whose bodies are dropped; fewer if the connection ends."""
        for number, piece in enumerate(pieces):
            if number:
                await trio.sleep(0.02)
            await self.stream.send_all(piece)
        heads, read = [], b""
        with trio.fail_after(5):
            while len(heads) < answers:
                head, found, rest = read.partition(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) if found else 0
                if found and len(rest) >= length:
                    heads.append(head)
                    read = rest[length:]
                elif more := await self.stream.receive_some():
                    read += more
                else:
                    break
        return heads

    async def has_ended(self) -> bool:
        with trio.move_on_after(1):
            return await self.stream.receive_some() == b""
        return False


@pytest.fixture
async def line(server: Server) -> AsyncIterator[Line]:
    async with await trio.open_tcp_stream(*server.address) as stream:
        yield Line(stream)


class TestConnections:
    @pytest.fixture(autouse=True)
    def counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[bytes] = []

        def counting(data: bytes) -> object:
            found = recognised(data)
            if found is not None:
                self.taken.append(found.path)
            return found

        monkeypatch.setattr("api.containment.recognised", counting)

    async def test_both_ways_give_the_same_answer(self, line: Line) -> None:
        [short] = await line.ask(INFO)
        assert self.taken == [b"/v1/info"]
        [long] = await line.ask(INFO.replace(b"Host: a", b"Host: a\r\nTE: trailers"))
        assert self.taken == [b"/v1/info"]

        def fields(head: bytes) -> list[bytes]:
            return sorted(each for each in head.lower().split(b"\r\n") if not each.startswith(b"date"))

        assert fields(short) == fields(long)

    async def test_in_pieces_and_pipelined_and_then_whole(self, line: Line) -> None:
        assert len(await line.ask(INFO[:10], INFO[10:])) == 1
        assert len(await line.ask(INFO * 3, answers=3)) == 3
        assert self.taken == []
        assert len(await line.ask(INFO)) == 1
        assert self.taken == [b"/v1/info"]

    async def test_a_body_that_follows_its_head(self, line: Line) -> None:
        head = b"POST /analytics/v1/stats HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
        [answer] = await line.ask(head, b"{}")
        assert answer.startswith(b"HTTP/1.1 401 ") and self.taken == []
        [again] = await line.ask(head + b"{}")
        assert again.startswith(b"HTTP/1.1 401 ") and self.taken == [b"/analytics/v1/stats"]

    async def test_one_that_is_answered_before_its_body_is_read(self, line: Line) -> None:
        body = b"{" + b" " * 60_000
        request = b"PUT /v1/info HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        for _ in range(2):
            [answer] = await line.ask(request)
            assert answer.startswith(b"HTTP/1.1 405 ")

    async def test_the_gate_has_its_say(self, line: Line) -> None:
        long = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(HEADER_BYTES // 1000 + 1))
        [answer] = await line.ask(INFO.replace(b"\r\n\r\n", b"\r\n" + long + b"\r\n"))
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert await line.has_ended()

    async def test_after_a_thousand_the_connection_ends(self, line: Line) -> None:
        for number in range(1, 1001):
            [answer] = await line.ask(INFO)
            assert (b"connection: close" in answer) == (number == 1000)
        assert len(self.taken) == 1000
        assert await line.has_ended()

    async def test_who_goes_away_before_the_answer_takes_nothing_along(self, server: Server, line: Line) -> None:
        for _ in range(20):
            stream = await trio.open_tcp_stream(*server.address)
            await stream.send_all(INFO)
            await stream.aclose()
        assert len(await line.ask(INFO)) == 1


async def lives(receive: Any, send: Any) -> None:
    """Of an app that has nothing to make ready, or to put away."""
    for what in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{what}.complete"})


class TestEnds:
    """What becomes of a connection whose request is under way; the handler waits until the test lets it."""

    REQUEST = b"GET /v1/info HTTP/1.1\r\nHost: a\r\n\r\n"

    @staticmethod
    async def served(app: Any, grace_s: float, task_status: trio.TaskStatus[Any]) -> None:
        """By hypercorn with `containment`; has started with the address and the event that ends it."""
        stop = trio.Event()
        settings = Config()
        settings.bind = ["127.0.0.1:0"]
        settings.graceful_timeout, settings.keep_alive_timeout = grace_s, 60.0
        containment.install(Connections(Proxies([])))
        async with trio.open_nursery() as nursery:
            [url] = await nursery.start(partial(worker_serve, ASGIWrapper(app), settings, shutdown_trigger=stop.wait))
            task_status.started((url.removeprefix("http://").split(":"), stop))

    async def test_an_answer_that_is_streamed_leaves_piece_by_piece(self) -> None:
        pieces = [b"a" * 70_000, b"", b"b" * 3]
        next_may_come = trio.Semaphore(0)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await lives(receive, send)
                return
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                await next_may_come.acquire()
            await send({"type": "http.response.body", "body": b""})

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                (host, port), stop = await nursery.start(self.served, app, 60.0)
                async with await trio.open_tcp_stream(host, int(port)) as stream:
                    reader = h11.Connection(h11.CLIENT)
                    reader.send(h11.Request(method="GET", target="/v1/info", headers=[("host", "a")]))
                    reader.send(h11.EndOfMessage())
                    await stream.send_all(self.REQUEST)
                    read = b""
                    while type(event := reader.next_event()) is not h11.EndOfMessage:
                        if event is h11.NEED_DATA:
                            reader.receive_data(await stream.receive_some())
                        elif type(event) is h11.Data:
                            read += event.data
                            # What has been sent is here before the next is made.
                            if read in (pieces[0], b"".join(pieces)):
                                next_may_come.release()
                                next_may_come.release()
                stop.set()
        assert read == b"".join(pieces)

    @pytest.mark.parametrize("in_time", [True, False])
    async def test_a_server_that_ends_waits_for_the_answer_and_not_for_ever(self, in_time: bool) -> None:
        asked, may_answer = trio.Event(), trio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "lifespan":
                await lives(receive, send)
                return
            asked.set()
            await may_answer.wait()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                (host, port), stop = await nursery.start(self.served, app, 60.0 if in_time else 0.3)
                async with await trio.open_tcp_stream(host, int(port)) as stream:
                    await stream.send_all(self.REQUEST)
                    await asked.wait()
                    stop.set()
                    if in_time:
                        await trio.sleep(0.1)  # so that the connection has heard of the end before it has its answer
                        may_answer.set()
                    read = b"".join([bytes(chunk) async for chunk in stream])
        assert read.endswith(b"\r\n\r\nok") if in_time else read == b""
