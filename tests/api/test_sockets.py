"""What lies between the handler of a WebSocket and its peer, with handlers that are written for it."""

import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from wsproto import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, Message, Pong, TextMessage

import api.sockets
from api.config import HttpSettings
from api.limits import UNREAD_MESSAGES
from api.sockets import AcceptedSocket
from api.websocket import text_frame
from signalling import SocketClosed
from tests.api.conftest import Server
from tests.api.test_containment import CLOSE, PING, TEXT, UPGRADE, frame, talk

Handler = Callable[[AcceptedSocket], Awaitable[None]]
HandleBy = Callable[[Handler], None]


@pytest.fixture
def handle_by(monkeypatch: pytest.MonkeyPatch) -> HandleBy:
    """Has connections to /room served by the test."""

    def handle_by(handler: Handler) -> None:
        async def serve(socket: AcceptedSocket, *_: object) -> None:
            await handler(socket)

        monkeypatch.setattr(api.sockets, "serve_connection", serve)

    return handle_by


class Client:
    """A WebSocket that is read one thing at a time."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._connection = Connection(ConnectionType.CLIENT)
        self._events: list[Event] = []

    async def send(self, *frames: bytes) -> None:
        await self.stream.send_all(b"".join(frames))

    async def text(self) -> str:
        text = ""
        while True:
            part = await self._next(Message)
            text += part.data
            if part.message_finished:
                return text

    async def pong(self) -> bytes:
        return bytes((await self._next(Pong)).payload)

    async def closed(self) -> int:
        return int((await self._next(CloseConnection)).code)

    async def _next(self, kind: type) -> Event:
        """The next of its kind; others are left for later."""
        with trio.fail_after(5):
            while True:
                for event in self._events:
                    if isinstance(event, kind):
                        self._events.remove(event)
                        return event
                data = await self.stream.receive_some()
                assert data, "the server has closed the connection"
                self._connection.receive_data(bytes(data))
                self._events += self._connection.events()


@asynccontextmanager
async def upgraded(stream: trio.abc.Stream) -> AsyncIterator[Client]:
    async with stream:
        await stream.send_all(UPGRADE + b"\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += bytes(await stream.receive_some(1))
        assert head.startswith(b"HTTP/1.1 101 ")
        yield Client(stream)


async def echo(socket: AcceptedSocket) -> None:
    try:
        while True:
            await socket.send([await socket.receive()])
    except SocketClosed:
        pass


@pytest.mark.parametrize("text", ["", "x" * 125, "x" * 126, "é" * 32_767, "x" * 65_535, "x" * 65_536, "😀" * 20_000])
def test_a_text_frame_is_what_rfc_6455_says(text: str) -> None:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(text_frame(text))
    assert [TextMessage(data=text)] == list(client.events())


async def test_messages_in_pieces(server: Server, handle_by: HandleBy) -> None:
    handle_by(echo)
    async with upgraded(await trio.open_tcp_stream(*server.address)) as client:
        await client.send(frame(TEXT, b"one"), frame(TEXT, b"tw", final=False), frame(0, b"", final=False))
        await client.send(frame(PING, b"x"), frame(0, b"o"), frame(TEXT), frame(TEXT, b"three"))
        assert ["one", "two", "", "three"] == [await client.text() for _ in range(4)]
        assert b"x" == await client.pong()


async def test_it_is_handed_what_came_before_the_end(server: Server, handle_by: HandleBy) -> None:
    received: list[str] = []
    gone, ended = trio.Event(), trio.Event()

    async def handler(socket: AcceptedSocket) -> None:
        await gone.wait()
        with pytest.raises(SocketClosed):
            while True:
                received.append(await socket.receive())
                await socket.send(["to nobody"])
        await socket.close(1000)
        ended.set()

    handle_by(handler)
    answer = await talk(server, UPGRADE + b"\r\n", frame(TEXT, b"a") + frame(CLOSE, b"\x03\xe8"))
    assert answer.endswith(b"\r\n\r\n" + frame(CLOSE, b"\x03\xe8", masked=False))
    gone.set()
    with trio.fail_after(3):
        await ended.wait()
    assert received == ["a"]


async def test_the_peer_is_read_no_further_than_it_is_handled(server: Server, handle_by: HandleBy) -> None:
    """A pong shows how far the server has read."""
    proceed = trio.Event()

    async def handler(socket: AcceptedSocket) -> None:
        await proceed.wait()
        await echo(socket)

    handle_by(handler)
    async with upgraded(await trio.open_tcp_stream(*server.address)) as client:
        await client.send(frame(TEXT, b"x") * UNREAD_MESSAGES, frame(PING, b"1"))
        assert b"1" == await client.pong()
        await client.send(frame(TEXT, b"x"), frame(PING, b"2"))
        with trio.move_on_after(0.2):
            pytest.fail(f"it has read on: {await client.pong()!r}")
        proceed.set()
        assert b"2" == await client.pong()


async def test_a_handler_that_ends_leaves_nobody_waiting(server: Server, handle_by: HandleBy) -> None:
    proceed = trio.Event()

    async def handler(_: AcceptedSocket) -> None:
        await proceed.wait()

    handle_by(handler)
    async with upgraded(await trio.open_tcp_stream(*server.address)) as client:
        await client.send(frame(TEXT, b"x") * (UNREAD_MESSAGES + 3))
        await trio.sleep(0.05)
        proceed.set()
        assert 1011 == await client.closed()
        with trio.fail_after(3):
            assert b"" == await client.stream.receive_some()


async def test_what_the_system_does_not_take_at_once_follows_in_order(server: Server, handle_by: HandleBy) -> None:
    """Pongs come from another task, so they must find the gaps between frames."""
    texts = [f"{number} " + "x" * 20_000 for number in range(300)]

    async def handler(socket: AcceptedSocket) -> None:
        await socket.send(texts[:100])
        for number in range(100, 300, 2):
            await socket.send(texts[number : number + 2])
        await socket.close(4000, "done")

    handle_by(handler)
    async with upgraded(await trio.open_tcp_stream(*server.address)) as client:
        for number in range(5):
            await client.send(frame(PING, bytes([number])))
            await trio.sleep(0.02)
        assert texts == [await client.text() for _ in texts]
        assert [bytes([number]) for number in range(5)] == [await client.pong() for _ in range(5)]
        assert 4000 == await client.closed()


async def test_nothing_is_written_behind_a_close(server: Server, handle_by: HandleBy) -> None:
    async def handler(socket: AcceptedSocket) -> None:
        await socket.close(4001, "the first counts")
        await socket.send(["late"])
        await socket.close(4002)

    handle_by(handler)
    answer = await talk(server, UPGRADE + b"\r\n", frame(CLOSE, b"\x0f\xa1"))
    assert answer.endswith(b"\r\n\r\n" + frame(CLOSE, b"\x0f\xa1the first counts", masked=False))


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path = tmp_path / "both.pem"
        path.write_bytes(made.public_bytes(pem) + secret)
        return path

    @pytest.fixture
    def http_settings(self, certificate: Path) -> HttpSettings:
        return HttpSettings(bind="127.0.0.1:0", tls_cert=str(certificate), tls_key=str(certificate))

    async def test_messages_go_both_ways(self, server: Server, handle_by: HandleBy) -> None:
        handle_by(echo)
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        host, _, port = server.url.removeprefix("https://").rpartition(":")
        stream = trio.SSLStream(await trio.open_tcp_stream(host, int(port)), context, https_compatible=True)
        async with upgraded(stream) as client:
            for text in ("short", "x" * 100_000):
                await client.send(frame(TEXT, text.encode()))
                assert text == await client.text()
            await client.send(frame(CLOSE, b"\x03\xe8"))
            assert 1000 == await client.closed()
