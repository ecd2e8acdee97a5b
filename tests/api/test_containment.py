"""Bad clients end their own connection and nothing else; what used to end hypercorn on trio is sent here.

A healthy WebSocket is open beside each case: it must still be answered afterwards on the same connection.
"""

import base64
import random
import resource
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import hypercorn.protocol
import hypercorn.protocol.h11
import pytest
import trio

import api.http
import api.server
from api import containment
from api.config import HttpSettings
from api.connections import Connections
from api.containment import OnlyHTTP1, SafeTCPServer, install
from api.gate import Proxies
from api.limits import (
    ADDRESS_CONNECTIONS,
    BODY_BYTES,
    CLOSE_STALL_S,
    CONNECTIONS,
    DROPPED_BYTES,
    EARLY_BYTES,
    HEADER_BYTES,
    PATH_BYTES,
    QUERY_BYTES,
    REFUSED_CONNECTIONS,
)
from api.websocket import RoomWebSocket
from signalling.limits import MAX_FRAME_BYTES
from tests.api.conftest import Server, websocket

NONCE = base64.b64encode(bytes(16)).decode()
UPGRADE = (
    "GET /room HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {NONCE}\r\nSec-WebSocket-Version: 13\r\n"
).encode()


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A frame of RFC 6455 5.2, masked by zeros."""
    first = (0x80 if final else 0) | rsv << 4 | opcode
    length = len(payload)
    bit = 0x80 if masked else 0
    if length < 126:
        head = bytes([first, bit | length])
    elif length < 1 << 16:
        head = struct.pack("!BBH", first, bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, bit | 127, length)
    return head + (bytes(4) if masked else b"") + payload


TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
PING_AND_CLOSE = frame(PING, b"x") + frame(CLOSE, b"\x03\xe8") + frame(PING, b"y")

# What is sent, in the pieces in which it is sent.
MALFORMED: dict[str, list[bytes]] = {
    "bytes after an upgrade": [UPGRADE + b"\r\nnonsense"],
    "a frame after an upgrade": [UPGRADE + b"\r\n" + frame(TEXT, b"{}")],
    "more than fits after an upgrade": [UPGRADE + b"\r\n" + b"x" * 60_000, b"x" * 60_000],
    "early bytes to another path": [UPGRADE.replace(b"/room", b"/none") + b"\r\nnonsense"],
    "a bad chunk size": [b"POST /v1/rooms HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"],
    "a chunk size that never ends": [b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 30_000],
    "a bad chunk later": [b"POST /v1/rooms HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", b"zz\r\n"],
    "a ping that meets a close": [UPGRADE + b"\r\n", PING_AND_CLOSE],
    "pings after a close": [UPGRADE + b"\r\n", frame(CLOSE, b"\x03\xe8"), frame(PING) * 50],
    "a header of 40 kB": [b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000 + b"\r\n\r\n"],
    "a header of 40 kB on an upgrade": [UPGRADE + b"X: " + b"a" * 40_000 + b"\r\n\r\n"],
    "a huge path": [b"GET /static/" + b"a" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"],
    "an invalid Host": [b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"],
    "no Host": [b"GET / HTTP/1.1\r\n\r\n"],
    "two Hosts": [b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
    "an invalid absolute URI": [b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n"],
    "CONNECT": [b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"],
    "garbage": [bytes(range(256)) * 20],
    "TLS on a plain port": [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)],
    "an HTTP/2 preface": [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100)],
    "an upgrade to HTTP/2": [b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                             + b"Upgrade: h2c\r\nHTTP2-Settings: !!\r\n\r\n"],
    "a good upgrade to HTTP/2": [b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                                 + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"],
    "a negative length": [b"POST /v1/rooms HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n"],
    "two lengths": [b"POST /v1/rooms HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"],
    "a body and then garbage": [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + b"\0" * 100],
    "half a request": [b"GET / HTT"],
    "an old WebSocket version": [UPGRADE.replace(b"Version: 13", b"Version: 8") + b"\r\n"],
    "an upgrade without a key": [UPGRADE.replace(b"Sec-WebSocket-Key", b"X-Key") + b"\r\n" + frame(TEXT, b"{}")],
    "an unmasked frame": [UPGRADE + b"\r\n", frame(TEXT, b"{}", masked=False)],
    "reserved bits": [UPGRADE + b"\r\n", frame(TEXT, b"{}", rsv=7)],
    "an unknown opcode": [UPGRADE + b"\r\n", frame(5, b"{}")],
    "a continuation of nothing": [UPGRADE + b"\r\n", frame(0, b"{}")],
    "a long ping": [UPGRADE + b"\r\n", frame(PING, bytes(200))],
    "a fragmented ping": [UPGRADE + b"\r\n", frame(PING, final=False)],
    "a close with half a code": [UPGRADE + b"\r\n", frame(CLOSE, b"\x03")],
    "text that is not UTF-8": [UPGRADE + b"\r\n", frame(TEXT, b"\xff\xfe")],
    "a frame of 2^63 bytes": [UPGRADE + b"\r\n", struct.pack("!BBQ", 0x81, 0xFF, 1 << 63) + bytes(4)],
    "a compressed frame": [UPGRADE + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
                           frame(TEXT, zlib.compress(bytes(10_000))[2:-4], rsv=4)],
}  # fmt: skip


@asynccontextmanager
async def healthy(server: Server) -> AsyncIterator[None]:
    """A WebSocket that is answered before the block and after it, on one connection."""
    async with websocket(server.address) as socket:
        for attempt in range(2):
            await socket.send_message(f'{{"id": {attempt}, "method": "nothing"}}')
            with trio.fail_after(5):
                answer = await socket.get_message()
            assert "-32601" in answer
            if attempt == 0:
                yield


async def talk(server: Server, *pieces: bytes, wait_s: float = 5.0) -> bytes:
    """Send the pieces, say that no more comes, and read until the server closes."""
    stream = await trio.open_tcp_stream(*server.address)
    received = b""
    async with stream:
        try:
            for piece in pieces:
                await stream.send_all(piece)
                # So that the server reads the pieces one by one; and what is a frame is sent after the answer to the upgrade.
                is_upgrade = piece == UPGRADE + b"\r\n"
                with trio.move_on_after(wait_s if is_upgrade else 0.02):
                    while answered := await stream.receive_some():
                        received += bytes(answered)
                        if is_upgrade and b"\r\n\r\n" in received:
                            break
            await stream.send_eof()
            with trio.move_on_after(wait_s):
                async for chunk in stream:
                    received += bytes(chunk)
                return received
        except trio.BrokenResourceError:
            return received
    raise AssertionError(f"the server keeps the connection; it said {received[:200]!r}")


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_bad_client_ends_its_own_connection_only(server: Server, name: str) -> None:
    async with healthy(server):
        answer = await talk(server, *MALFORMED[name])
    assert b"HTTP/1.1 500" not in answer
    async with server.anonymous() as client:
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("a header of 40 kB", 431),
        ("a header of 40 kB on an upgrade", 431),
        ("a huge path", 414),
        ("an invalid Host", 400),
        ("no Host", 400),
        ("two Hosts", 400),
        ("an invalid absolute URI", 400),
        ("an old WebSocket version", 400),
    ],
)
async def test_what_can_be_answered_is(server: Server, name: str, status: int) -> None:
    answer = await talk(server, *MALFORMED[name])
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


async def test_random_bytes_that_meet_pings(server: Server) -> None:
    generator = random.Random(1)
    async with healthy(server), trio.open_nursery() as nursery:
        for _ in range(50):
            pieces = [UPGRADE + b"\r\n", generator.randbytes(generator.randrange(1, 200)), PING_AND_CLOSE]
            nursery.start_soon(talk, server, *pieces)


async def test_clients_that_reset_in_the_middle(server: Server) -> None:
    async with healthy(server):
        for pieces in ([UPGRADE + b"\r\n", frame(TEXT, b"{}")], [b"POST /v1/rooms HTTP/1.1\r\nHost: a\r\n"]):
            for _ in range(10):
                stream = await trio.open_tcp_stream(*server.address)
                for piece in pieces:
                    await stream.send_all(piece)
                stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
                await stream.aclose()


@pytest.mark.parametrize("name", ["an upgrade to HTTP/2", "a good upgrade to HTTP/2", "an HTTP/2 preface"])
async def test_http_2_that_ends_at_once_is_closed_at_once(server: Server, name: str) -> None:
    stream = await trio.open_tcp_stream(*server.address)
    async with stream:
        await stream.send_all(b"".join(MALFORMED[name]))
        await stream.send_eof()
        with trio.fail_after(3):
            received = b"".join([bytes(chunk) async for chunk in stream])
    assert b" 101 " not in received


async def test_an_upgrade_to_http_2_is_answered_without_it(server: Server) -> None:
    assert (await talk(server, *MALFORMED["a good upgrade to HTTP/2"])).startswith(b"HTTP/1.1 200 ")


class TestCeilings:
    async def test_one_too_many_is_503_and_a_place_that_is_left_is_taken(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Connections, "ceiling", 2)
        request = b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        async with healthy(server):
            async with websocket(server.address):
                answer = await talk(server, request)
                assert answer.startswith(b"HTTP/1.1 503 ")
                # One that does not ask is told as well, and need not say goodbye.
                stream = await trio.open_tcp_stream(*server.address)
                async with stream:
                    with trio.fail_after(CLOSE_STALL_S + 3):
                        assert b"".join([bytes(chunk) async for chunk in stream]).startswith(b"HTTP/1.1 503 ")
            with trio.fail_after(3):
                while not (answer := await talk(server, request)).startswith(b"HTTP/1.1 200 "):
                    await trio.sleep(0.02)
        assert b'cut_total{reason="too_many"}' in answer
        assert b'cut_total{reason="too_many"} 0.0' not in answer

    async def test_so_many_are_told_and_the_others_only_closed(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Connections, "ceiling", 0)
        monkeypatch.setattr(containment, "CLOSE_STALL_S", 30)
        streams = [await trio.open_tcp_stream(*server.address) for _ in range(REFUSED_CONNECTIONS)]
        with trio.fail_after(10):
            for stream in streams:
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 503 ")
            late = await trio.open_tcp_stream(*server.address)
            assert await late.receive_some() == b""
        for stream in [*streams, late]:
            await stream.aclose()

    def test_the_ceiling_of_one_address(self) -> None:
        connections = Connections(Proxies(["203.0.113.0/24"]))
        with ExitStack() as places:
            for number in range(ADDRESS_CONNECTIONS):
                assert places.enter_context(connections.place(f"2001:db8::{number:x}"))
                assert places.enter_context(connections.place("192.0.2.1"))
            for full in ("2001:db8::ffff:0:0:1", "192.0.2.1", "::ffff:192.0.2.1"):
                with connections.place(full) as admitted:
                    assert not admitted
            assert connections.counts()["too_many"] == 3
            for other in ("2001:db8:0:1::1", "192.0.2.2"):
                with connections.place(other) as admitted:
                    assert admitted
        with connections.place("192.0.2.1") as admitted:
            assert admitted

    @pytest.mark.parametrize("exempt", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "203.0.113.7"])
    def test_proxies_and_loopback_have_the_ceiling_of_all(self, exempt: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Connections, "ceiling", ADDRESS_CONNECTIONS + 1)
        connections = Connections(Proxies(["203.0.113.0/24"]))
        with ExitStack() as places:
            for _ in range(ADDRESS_CONNECTIONS + 1):
                assert places.enter_context(connections.place(exempt))
            assert not places.enter_context(connections.place(exempt))

    @pytest.mark.parametrize(
        ("files", "ceiling"), [(1024, 768), (1 << 20, CONNECTIONS), (resource.RLIM_INFINITY, CONNECTIONS)]
    )
    def test_the_ceiling_leaves_files_for_the_rest(
        self, files: int, ceiling: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
        assert Connections(Proxies([])).ceiling == ceiling


async def test_an_early_frame_is_answered_like_another(server: Server) -> None:
    early = frame(TEXT, b'{"id": 1, "method": "nothing"}')
    answer = b""
    async with await trio.open_tcp_stream(*server.address) as stream:
        await stream.send_all(UPGRADE + b"\r\n" + early)
        with trio.fail_after(5):
            while b"-32601" not in answer:
                answer += bytes(await stream.receive_some())
    assert answer.startswith(b"HTTP/1.1 101 ")


async def test_a_connection_goes_on_after_a_body_that_was_too_long(server: Server) -> None:
    """hypercorn's reader hangs for ever if an answer is written without letting its other tasks run."""
    head = f"POST /v1/rooms HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {BODY_BYTES + 1}\r\n\r\n"
    for _ in range(8):
        async with await trio.open_tcp_stream(*server.address) as stream:
            with trio.fail_after(5):
                await stream.send_all(head.encode() + b" " * (BODY_BYTES + 1))
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 413 ")
                await trio.sleep(0.05)
                await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                answer = b""
                while b"HTTP/1.1 200 " not in answer:
                    more = await stream.receive_some()
                    assert more, answer
                    answer += more


@pytest.mark.parametrize(("more", "goes_on"), [(0, True), (1 << 20, False)])
async def test_so_much_of_a_body_is_dropped_after_its_answer(server: Server, more: int, goes_on: bool) -> None:
    length = DROPPED_BYTES + more
    head = f"POST /v1/auth HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    async with await trio.open_tcp_stream(*server.address) as stream:
        with trio.fail_after(10):
            await stream.send_all(head.encode())
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 413 ")
            try:
                await stream.send_all(b" " * length + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
                answer = await stream.receive_some()
            except trio.BrokenResourceError:
                answer = b""
    assert answer[:13] == (b"HTTP/1.1 200 " if goes_on else b"")


@pytest.mark.parametrize("path", ["/v1/auth", "/v1/static", "/v1/rooms", "/healthz", "/none"])
@pytest.mark.parametrize("ending", ["", "Connection: close\r\n"])
async def test_many_small_pieces_that_nobody_reads_hold_nothing(server: Server, path: str, ending: str) -> None:
    """More of them than fit into the queue between a connection and its handler."""
    head = f"GET {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{ending}\r\n"
    async with await trio.open_tcp_stream(*server.address) as stream:
        with trio.fail_after(4):
            await stream.send_all(head.encode())
            for _ in range(50):
                await stream.send_all(b"1\r\nx\r\n")
            await stream.send_all(b"0\r\n\r\n" + b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            answer = b""
            async for some in stream:
                answer += some
    assert answer.count(b"HTTP/1.1 ") == (1 if ending else 2)
    assert ending or b'{"status": "ok"}' in answer


async def test_an_answer_is_one_write(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system call for the head, one for the body and some for nothing cost more than most routes."""
    writes: list[bytes] = []
    write = SafeTCPServer.write

    async def noted(self: SafeTCPServer, data: bytes) -> None:
        writes.append(data)
        await write(self, data)

    monkeypatch.setattr(SafeTCPServer, "write", noted)
    answer = await talk(
        server, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    assert b"".join(writes) == answer
    assert [each[:12] for each in writes] == [b"HTTP/1.1 200", b"HTTP/1.1 404"]


async def closing_code(server: Server, *frames: bytes) -> int:
    """The code in the close frame that the server ends its side with."""
    answer = await talk(server, UPGRADE + b"\r\n", *frames)
    head, _, sent = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    at = sent.index(bytes([0x80 | CLOSE]))
    return int.from_bytes(sent[at + 2 : at + 4], "big")


async def test_a_text_frame_of_a_mebibyte_is_read_and_a_longer_one_is_1009(server: Server) -> None:
    async with healthy(server):
        for text in (b"x" * MAX_FRAME_BYTES, "ü".encode() * (MAX_FRAME_BYTES // 2)):
            async with websocket(server.address) as socket:
                await socket.send_message(text.decode())
                with trio.fail_after(5):
                    assert "-32700" in await socket.get_message()
            assert await closing_code(server, frame(TEXT, text + b"x"), frame(CLOSE, b"\x03\xf1")) == 1009
        halves = frame(TEXT, b"x" * MAX_FRAME_BYTES, final=False) + frame(0, b"x")
        assert await closing_code(server, halves, frame(CLOSE, b"\x03\xf1")) == 1009


async def test_two_mebibytes_do_not_lose_the_code(server: Server) -> None:
    assert await closing_code(server, frame(TEXT, bytes(2 * MAX_FRAME_BYTES)), frame(CLOSE, b"\x03\xf1")) == 1009


async def test_a_binary_frame_is_1003(server: Server) -> None:
    assert await closing_code(server, frame(BINARY, b"{}"), frame(CLOSE, b"\x03\xeb")) == 1003
    assert await closing_code(server, frame(BINARY), frame(CLOSE, b"\x03\xeb")) == 1003


async def test_a_refused_peer_that_does_not_close_is_closed(server: Server) -> None:
    stream = await trio.open_tcp_stream(*server.address)
    await stream.send_all(UPGRADE + b"\r\n" + frame(BINARY, b"x"))
    with trio.fail_after(CLOSE_STALL_S + 3):
        async for _ in stream:
            pass
    await stream.aclose()


async def test_compression_is_not_agreed_to(server: Server) -> None:
    offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    answer = await talk(server, UPGRADE + offer, frame(CLOSE, b"\x03\xe8"))
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"extensions" not in answer.lower()


class TestPings:
    @pytest.fixture
    def http_settings(self) -> HttpSettings:
        return HttpSettings(bind="127.0.0.1:0", ping_interval_s=0.1)

    async def test_a_peer_that_answers_stays(self, server: Server) -> None:
        async with healthy(server):
            await trio.sleep(0.6)

    async def test_a_peer_that_leaves_two_pings_unanswered_is_cut(self, server: Server) -> None:
        stream = await trio.open_tcp_stream(*server.address)
        await stream.send_all(UPGRADE + b"\r\n")
        received = b""
        with trio.fail_after(3):
            try:
                async for chunk in stream:
                    received += bytes(chunk)
            except trio.BrokenResourceError:
                pass
        assert received.count(frame(PING, masked=False)) == 2
        await stream.aclose()
        async with server.anonymous() as client:
            assert 'cut_total{reason="no_pong"} 1.0' in (await client.get("/metrics")).text

    async def test_a_peer_that_reads_nothing_is_cut(self, server: Server) -> None:
        """Its answers fill the buffers, so the pings that would show it dead queue behind them."""
        stream = await trio.open_tcp_stream(*server.address)
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
        await stream.send_all(UPGRADE + b"\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")
        async with healthy(server):
            with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
                while True:
                    await stream.send_all(frame(PING, bytes(125)) * 100)
        await stream.aclose()


async def test_a_write_that_stalls_cuts_the_connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containment, "WRITE_STALL_S", 0.2)
    stream = await trio.open_tcp_stream(*server.address)
    await stream.send_all(UPGRADE + b"\r\n")
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")
    with trio.fail_after(10), pytest.raises(trio.BrokenResourceError):
        while True:
            await stream.send_all(frame(PING, bytes(125)) * 100)
    await stream.aclose()
    async with server.anonymous() as client:
        assert 'cut_total{reason="write_stalled"} 1.0' in (await client.get("/metrics")).text


async def test_connections_leave_no_tasks_behind(server: Server) -> None:
    def tasks() -> int:
        return trio.lowlevel.current_statistics().tasks_living

    await talk(server, b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    before = tasks()
    for pieces in MALFORMED.values():
        await talk(server, *pieces)
    await talk(server, UPGRADE + b"\r\n", frame(BINARY, b"x"), frame(CLOSE, b"\x03\xeb"))
    with trio.fail_after(3):
        while tasks() > before:
            await trio.sleep(0.02)


async def test_a_hypercorn_without_the_names_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(Connections(Proxies([])))
    assert vars(hypercorn.trio.run)["TCPServer"] is SafeTCPServer
    assert vars(hypercorn.protocol.h11)["WSStream"] is RoomWebSocket
    assert vars(hypercorn.protocol)["H11Protocol"] is OnlyHTTP1
    monkeypatch.delattr(hypercorn.protocol.h11, "WSStream")
    with pytest.raises(AssertionError, match="WSStream"):
        install(Connections(Proxies([])))


def test_the_limits_are_above_what_is_sent_here() -> None:
    assert EARLY_BYTES < 120_000
    assert PATH_BYTES + QUERY_BYTES + HEADER_BYTES < 40_000
    assert PATH_BYTES < 10_000


class TestTimeouts:
    """The head and the body of a request have so long to arrive, and no longer."""

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(api.server, "HEAD_TIMEOUT_S", 0.2)
        monkeypatch.setattr(api.http, "BODY_TIMEOUT_S", 0.2)

    async def test_half_a_head_is_closed(self, server: Server) -> None:
        stream = await trio.open_tcp_stream(*server.address)
        async with stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
            with trio.fail_after(3):
                assert await stream.receive_some() == b""

    async def test_half_a_body_is_408(self, server: Server) -> None:
        stream = await trio.open_tcp_stream(*server.address)
        async with stream:
            head = "POST /v1/rooms HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
            await stream.send_all(f'{head}Authorization: Bearer {server.key}\r\n\r\n{{"room"'.encode())
            with trio.fail_after(3):
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 408 ")
