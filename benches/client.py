"""A member of a room, as far as the generator needs one: the Room API, ICE and DTLS; its media are native.

Client of an ICE-lite server (RFC 8445): one check with USE-CANDIDATE settles the path, then the client starts DTLS
(its `actpass` is answered `passive`), and what remains of the connection is a socket and two SRTP sessions.
"""

import itertools
import json
import secrets
import socket
from typing import Any

import attrs
import trio
from pylibsrtp import Session
from trio_websocket import ConnectionClosed, WebSocketConnection, connect_websocket_url

from benches import srtp
from benches.floor import receiving_socket
from benches.offers import AUDIO_MID, Endpoint, section
from sfu.dtls import Closed, Dtls, DtlsContext, DtlsTransmit, Failed, Keys
from sfu.wire import Malformed, sdp, stun
from sfu.wire.sdp import Media, SessionDescription

CHECK_AGAIN_S = 0.5
CONNECT_S = 30.0
BUFFER = 65536


class Refused(Exception):
    """The server said no, or the connection did not come up."""


class RoomSocket:
    """One WebSocket of the Room API: requests and their answers; notifications are read and dropped."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self._waiting: dict[str, tuple[trio.Event, list[Any]]] = {}

    @classmethod
    async def open(cls, nursery: trio.Nursery, url: str) -> "RoomSocket":
        room_socket = cls(
            await connect_websocket_url(
                nursery, url, message_queue_size=64, max_message_size=1 << 24, receive_buffer_size=BUFFER
            )
        )
        nursery.start_soon(room_socket._read)
        return room_socket

    async def _read(self) -> None:
        try:
            while True:
                message = json.loads(await self._connection.get_message())
                if (waiting := self._waiting.pop(str(message.get("id")), None)) is not None:
                    waiting[1].append(message)
                    waiting[0].set()
        except ConnectionClosed:
            for event, _ in self._waiting.values():
                event.set()

    async def call(self, method: str, **params: object) -> Any:
        number = str(next(self._ids))
        event, answers = self._waiting[number] = trio.Event(), list[Any]()
        await self._connection.send_message(json.dumps({"id": number, "method": method, "params": params}))
        await event.wait()
        if not answers:
            raise Refused(f"{method}: the socket was closed ({self._connection.closed})")
        if "error" in answers[0]:
            raise Refused(f"{method}: {answers[0]['error']}")
        return answers[0]["result"]


@attrs.frozen
class Leg:
    """A connection that is up. The socket is connected; the sessions belong to the thread that is given them."""

    sock: socket.socket
    inbound: Session
    outbound: Session


@attrs.frozen
class Member:
    """Joined, with its media connection up."""

    room_socket: RoomSocket
    call_id: str
    token: str
    endpoint: Endpoint
    remote: Media
    leg: Leg

    async def subscribe(self, publisher: str, mid: str) -> SessionDescription:
        """Ask for the publisher's video; the answer is a renegotiation of the same connection."""
        result = await self.room_socket.call(
            "subscribe_room",
            sdp=self.endpoint.subscriber(),
            auth_token=self.token,
            members=[{"id": publisher, "video_mid": mid}],
        )
        return sdp.parse(result["sdp"])

    def check(self) -> None:
        """One more STUN check, which is also the consent (RFC 7675)."""
        try:
            self.leg.sock.send(_check(self.remote, self.endpoint))
        except BlockingIOError:
            pass  # the socket's buffer is full of reports; the next check is 5 s away, consent lasts 30


async def join(
    nursery: trio.Nursery,
    url: str,
    room: str,
    call_id: str,
    context: DtlsContext,
    camera: tuple[int, int] | None = None,
) -> tuple[Member, SessionDescription]:
    """Enter by the open door; with `camera` (SSRC, RTX SSRC) as a publisher, else as audience."""
    endpoint = Endpoint(secrets.randbits(62), secrets.token_hex(4), secrets.token_hex(16), context.fingerprint)
    offer = endpoint.publisher(*camera) if camera else endpoint.audience()
    with trio.move_on_after(CONNECT_S):
        room_socket = await RoomSocket.open(nursery, url)
        token = (await room_socket.call("authenticate", room=room, call_id=call_id, display_name=call_id))["auth_token"]
        joined = await room_socket.call("join_room", sdp=offer, auth_token=token)
        answer = sdp.parse(joined["sdp"])
        remote = section(answer, AUDIO_MID)
        leg = await _connect(remote, endpoint, context)
        return Member(room_socket, call_id, token, endpoint, remote, leg), answer
    raise Refused(f"{call_id} was not connected within {CONNECT_S:g} s")


def _check(remote: Media, endpoint: Endpoint) -> bytes:
    assert remote.password is not None
    return stun.binding_request(
        secrets.token_bytes(12),
        f"{remote.ufrag}:{endpoint.ufrag}",
        remote.password,
        use_candidate=True,
        controlling=endpoint.session,
    )


async def _connect(remote: Media, endpoint: Endpoint, context: DtlsContext) -> Leg:
    candidate = next((c for c in remote.candidates if c.transport.lower() == "udp" and ":" not in c.ip), None)
    if candidate is None or remote.password is None:
        raise Refused("the answer has no UDP candidate or no ICE credentials")
    sock = receiving_socket(gro=False)
    sock.connect((candidate.ip, candidate.port))
    stream = trio.socket.from_stdlib_socket(sock)
    try:
        while True:
            await stream.send(_check(remote, endpoint))
            with trio.move_on_after(CHECK_AGAIN_S):
                await _validated(stream, remote.password)
                break
        keys = await _handshake(stream, remote, context)
    except BaseException:
        sock.close()
        raise
    return Leg(sock, srtp.inbound(keys.profile, keys.remote), srtp.outbound(keys.profile, keys.local))


async def _validated(stream: trio.socket.SocketType, password: str) -> None:
    while True:
        data = await stream.recv(BUFFER)
        if data[:1] < b"\x04":
            try:
                response = stun.read_binding_response(data, password)
            except Malformed:
                continue
            if response.address is None:
                raise Refused(f"the check was answered {response.code} {response.reason}")
            return


async def _handshake(stream: trio.socket.SocketType, remote: Media, context: DtlsContext) -> Keys:
    dtls = Dtls(context, "client", remote.fingerprints, trio.current_time())
    dtls.start(trio.current_time())
    while True:
        keys = None
        for output in dtls.poll():
            match output:
                case DtlsTransmit(data):
                    await stream.send(data)
                case Keys():
                    keys = output
                case Failed(reason):
                    raise Refused(f"DTLS: {reason}")
                case Closed():
                    raise Refused("DTLS: closed by the server")
        if keys is not None:
            return keys
        deadline = dtls.deadline
        with trio.move_on_at(float("inf") if deadline is None else deadline):
            data = await stream.recv(BUFFER)
            if b"\x14" <= data[:1] < b"\x40":
                dtls.receive(data, trio.current_time())
        dtls.expire(trio.current_time())
