"""The far end of a connection: what a browser's ICE, DTLS and SRTP do, small enough to be bent by a test.

`Client` is the machine without I/O, for the fake network in virtual time. `Caller` is the same machine on a real UDP
socket with trio, and its media: packets as values, with the kernel's time of their arrival, so that how busy the test is
does not count as lateness. Offers are texts made from `Section`s.

What a browser does that a test must be able to leave undone is an attribute: when checks nominate, when DTLS starts,
how long ago the last check may be.
"""

import itertools
import secrets
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeVar

import attrs
import trio
from pylibsrtp import Error as SrtpError

from sfu.dtls import Closed, Dtls, DtlsContext, DtlsTransmit, Failed, Keys, Role
from sfu.wire import Malformed, rtcp, rtp, sdp, stun
from tests.native.caller import (
    EXTENSIONS,
    LEVEL,
    MID,
    OPUS_PT,
    SEND_TIME,
    TWCC,
    VP8_PT,
    VP8_RTX_PT,
    session,
    u16,
    u32,
    vp8,
)

CHECK_AGAIN_S: Final = 0.05  # RFC 8445 14.2: Ta
PATIENCE_S: Final = 5.0
BUFFER: Final = 65536
SO_TIMESTAMPNS: Final = 35  # Linux; the socket module has no name for it

Kind = Literal["audio", "video"]
T = TypeVar("T")

IDS = {uri: number for number, uri in EXTENSIONS.items()}
CONTEXT = DtlsContext()


# Offers


@attrs.define
class Section:
    """One m= section of the client's offers."""

    mid: str
    kind: Kind
    direction: sdp.Direction
    ssrc: int = 0
    rtx_ssrc: int = 0

    @property
    def sends(self) -> bool:
        return self.direction in ("sendrecv", "sendonly")


HEAD = """\
v=0
o=- {session} {version} IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE {mids}
"""

TRANSPORT = """\
c=IN IP4 0.0.0.0
a=ice-ufrag:{ufrag}
a=ice-pwd:{password}
a=fingerprint:{algorithm} {digest}
a=setup:{setup}
a=rtcp-mux
a=rtcp-rsize
a=mid:{mid}
a={direction}
"""

FORMATS: dict[Kind, str] = {
    "audio": f"""\
m=audio 9 UDP/TLS/RTP/SAVPF {OPUS_PT}
a=rtpmap:{OPUS_PT} opus/48000/2
a=rtcp-fb:{OPUS_PT} transport-cc
a=extmap:{IDS[LEVEL]} {LEVEL}
a=extmap:{IDS[SEND_TIME]} {SEND_TIME}
a=extmap:{IDS[TWCC]} {TWCC}
a=extmap:{IDS[MID]} {MID}
""",
    "video": f"""\
m=video 9 UDP/TLS/RTP/SAVPF {VP8_PT} {VP8_RTX_PT}
a=rtpmap:{VP8_PT} VP8/90000
a=rtcp-fb:{VP8_PT} nack
a=rtcp-fb:{VP8_PT} nack pli
a=rtcp-fb:{VP8_PT} ccm fir
a=rtcp-fb:{VP8_PT} transport-cc
a=rtpmap:{VP8_RTX_PT} rtx/90000
a=fmtp:{VP8_RTX_PT} apt={VP8_PT}
a=extmap:{IDS[SEND_TIME]} {SEND_TIME}
a=extmap:{IDS[TWCC]} {TWCC}
a=extmap:{IDS[MID]} {MID}
""",
}


# The machine


@attrs.frozen
class Sent:
    """Send `data` on the client's path of this number."""

    data: bytes = attrs.field(repr=bytes.hex)
    path: int


@attrs.frozen
class Checked:
    """A check was answered on this path."""

    path: int


@attrs.frozen
class Refused:
    """A check was answered by an error."""

    code: int


Output = Sent | Checked | Refused | Keys | Failed | Closed


class Client:
    """A full ICE agent with one candidate at a time, and DTLS. Rule: call, drain with `poll`, read `deadline`."""

    def __init__(self, context: DtlsContext = CONTEXT, role: Role = "client") -> None:
        self.context = context
        self.role: Role = role
        self.fingerprint = context.fingerprint
        self.ufrag = self.password = ""
        self.new_credentials()
        self.path = 0
        self.nominates = True
        self.speaks_dtls = True
        self.keep_each_s = 5.0
        self.checks_at: float | None = None
        self.dtls: Dtls | None = None
        self.remote: sdp.Media | None = None
        self._hello = False
        self._asked: dict[bytes, tuple[int, str]] = {}
        self._checked = False
        self._outbox: list[Output] = []
        self._sections: list[Section] = []
        self._session = secrets.randbits(62)
        self._version = itertools.count(1)
        self._mids = itertools.count()

    # Descriptions.

    def add(self, kind: Kind, direction: sdp.Direction) -> Section:
        ssrc, rtx_ssrc = secrets.randbits(31) + 1, secrets.randbits(31) + 1
        made = Section(str(next(self._mids)), kind, direction, ssrc, rtx_ssrc if kind == "video" else 0)
        self._sections.append(made)
        return made

    def offer(self) -> str:
        return self._describe(self._sections, "actpass" if self.role == "client" else "passive")

    def answer(self, offer: str) -> str:
        """To the server's offer: whatever it sends is received as it is described."""
        description = sdp.parse(offer)
        media = [
            attrs.evolve(
                each,
                direction="recvonly" if each.direction == "sendonly" else "inactive",
                ufrag=self.ufrag,
                password=self.password,
                fingerprints=(self.fingerprint,),
                setup="active" if self.role == "client" else "passive",
                candidates=(),
                end_of_candidates=False,
                msids=(),
                ssrcs=(),
                ssrc_groups=(),
            )
            for each in description.media
        ]
        return sdp.write(attrs.evolve(description, media=tuple(media), ice_lite=False))

    def _describe(self, sections: Sequence[Section], setup: str) -> str:
        head = HEAD.format(
            session=self._session, version=next(self._version), mids=" ".join(each.mid for each in sections)
        )
        return (head + "".join(self._section(each, setup) for each in sections)).replace("\n", "\r\n")

    def _section(self, section: Section, setup: str) -> str:
        text = FORMATS[section.kind] + TRANSPORT.format(
            ufrag=self.ufrag,
            password=self.password,
            algorithm=self.fingerprint.algorithm,
            digest=self.fingerprint.digest.hex(":").upper(),
            setup=setup,
            mid=section.mid,
            direction=section.direction,
        )
        if section.sends:
            text += f"a=msid:test {section.mid}\na=ssrc:{section.ssrc} cname:test\n"
            if section.rtx_ssrc:
                text += f"a=ssrc:{section.rtx_ssrc} cname:test\n"
                text += f"a=ssrc-group:FID {section.ssrc} {section.rtx_ssrc}\n"
        return text

    # Transport.

    def new_credentials(self) -> None:
        """What an ICE restart begins with; the next offer tells of them."""
        self.ufrag, self.password = secrets.token_hex(4), secrets.token_hex(16)

    def connect(self, description: str, now: float) -> None:
        """The server's answer, or its offer: start checking, with the credentials of now on the path of now."""
        self.remote = next(media for media in sdp.parse(description).media if not media.rejected)
        self._checked = False
        self.checks_at = now
        if self.dtls is None:
            self.dtls = Dtls(self.context, self.role, self.remote.fingerprints, now)

    def check(self, password: str | None = None) -> bytes:
        """A connectivity check; signed by the server's password unless another is given."""
        assert self.remote is not None and self.remote.password is not None
        transaction = secrets.token_bytes(12)
        self._asked[transaction] = (self.path, self.remote.password)
        return stun.binding_request(
            transaction,
            f"{self.remote.ufrag}:{self.ufrag}",
            self.remote.password if password is None else password,
            use_candidate=self.nominates,
            controlling=self._session,
        )

    @property
    def deadline(self) -> float | None:
        deadlines = (self.checks_at, self.dtls.deadline if self.dtls else None)
        return min((each for each in deadlines if each is not None), default=None)

    def receive(self, data: bytes, now: float) -> None:
        if data[0] < 4:
            self._receive_stun(data, now)
        elif 20 <= data[0] <= 63 and self.dtls is not None:
            self.dtls.receive(data, now)
            self._flush()

    def _receive_stun(self, data: bytes, now: float) -> None:
        asked = self._asked.pop(data[8:20], None)
        if asked is None:
            return  # an answer that the network repeated, or late for one that was lost
        path, password = asked
        response = stun.read_binding_response(data, password)
        if response.address is None:
            self._outbox.append(Refused(response.code or 0))
            return
        if not self._checked and path == self.path:
            self._checked = True
            self.checks_at = now + self.keep_each_s
        self._outbox.append(Checked(path))
        if self.dtls is not None and self.speaks_dtls and not self._hello:
            self._hello = True
            self.dtls.start(now)
            self._flush()

    def expire(self, now: float) -> None:
        if self.checks_at is not None and now >= self.checks_at:
            self._outbox.append(Sent(self.check(), self.path))
            self.checks_at = now + (self.keep_each_s if self._checked else CHECK_AGAIN_S)
        if self.dtls is not None:
            self.dtls.expire(now)
            self._flush()

    def close(self, now: float) -> None:
        self.checks_at = None
        if self.dtls is not None:
            self.dtls.close(now)
            self._flush()

    def poll(self) -> list[Output]:
        outbox, self._outbox = self._outbox, []
        return outbox

    def _flush(self) -> None:
        assert self.dtls is not None
        for output in self.dtls.poll():
            self._outbox.append(Sent(output.data, self.path) if isinstance(output, DtlsTransmit) else output)


# The same on a socket


@attrs.frozen
class Arrival:
    """A media packet, and when the kernel had it (s since the epoch)."""

    packet: rtp.Packet
    at: float


@attrs.define
class Stream:
    """What a caller sends on one section."""

    caller: "Caller"
    section: Section
    sequence: int = 1000
    timestamp: int = 50_000
    pictures: int = 0

    def send(self, payload: bytes, marker: bool = False, level: int | None = None) -> rtp.Packet:
        packet = rtp.Packet(
            payload_type=OPUS_PT if self.section.kind == "audio" else VP8_PT,
            sequence=self.sequence,
            timestamp=self.timestamp,
            ssrc=self.section.ssrc,
            payload=payload,
            marker=marker,
            extensions=() if level is None else ((IDS[LEVEL], bytes([0x80 | level])),),
        )
        self.caller.send(packet)
        self.sequence = u16(self.sequence + 1)
        self.timestamp = u32(self.timestamp + (960 if self.section.kind == "audio" else 3000))
        return packet

    def speak(self, payload: bytes, level: int = 20) -> None:
        """20 ms of sound."""
        self.send(payload, level=level)

    def show(self, payload: bytes, key: bool = False) -> None:
        """A picture in one packet."""
        self.pictures += 1
        self.send(vp8(key, self.pictures, self.pictures, payload), marker=True)


class Caller:
    """A client on sockets of its own. Its tasks live in the nursery that `start` is given; `end` closes the sockets."""

    def __init__(self, client: Client | None = None, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.client = client or Client()
        self.sockets: list[trio.socket.SocketType] = []
        self.family = family
        self.keys: Keys | None = None
        self.media: list[Arrival] = []
        self.control: list[rtcp.Packet] = []
        self.outputs: list[Output] = []
        self.undecryptable = 0
        self._address: tuple[str, int] | None = None
        self._moved = trio.Event()  # something came, or the machine's deadline is another one

    async def start(self, nursery: trio.Nursery) -> None:
        await self.open_socket(nursery)
        nursery.start_soon(self._keep_time)

    def end(self) -> None:
        for made in self.sockets:
            made.close()

    # Descriptions.

    def add(self, kind: Kind, direction: sdp.Direction) -> Stream:
        return Stream(self, self.client.add(kind, direction))

    def offer(self) -> str:
        return self.client.offer()

    # Transport.

    async def open_socket(self, nursery: trio.Nursery) -> None:
        """A new path: what is sent from now on leaves from there."""
        made = trio.socket.socket(self.family, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        await made.bind(("::1" if self.family == socket.AF_INET6 else "127.0.0.1", 0))
        self.sockets.append(made)
        self.client.path = len(self.sockets) - 1
        nursery.start_soon(self._read, made)

    def connect(self, description: str) -> None:
        """Start what an answer (or a server's offer) makes possible; `until_connected` waits for it."""
        media = next(media for media in sdp.parse(description).media if not media.rejected)
        six = self.family == socket.AF_INET6
        candidate = next(each for each in media.candidates if each.transport == "udp" and (":" in each.ip) is six)
        self._address = (candidate.ip, candidate.port)
        self.client.connect(description, trio.current_time())
        self._move()

    async def until_connected(self) -> None:
        await self.until(lambda: self.keys is not None, "no keys")

    async def hear(self, description: str) -> None:
        """`connect` and wait."""
        self.connect(description)
        await self.until_connected()

    def send_raw(self, data: bytes, path: int | None = None) -> None:
        assert self._address is not None
        made = self.sockets[self.client.path if path is None else path]
        socket.socket.sendto(_plain(made), data, self._address)

    def send(self, packet: rtp.Packet) -> None:
        self.send_raw(self.outbound.protect(packet.pack()))

    def send_control(self, *packets: rtcp.ReceiverReport | rtcp.Nack | rtcp.Pli | rtcp.TransportFeedback) -> None:
        self.send_raw(self.outbound.protect_rtcp(b"".join(packet.pack() for packet in packets)))

    def fall_silent(self) -> None:
        """No more checks: the machine stands still as a client does that has lost its network."""
        self.client.checks_at = None

    def close(self) -> None:
        """Say goodbye."""
        self.client.close(trio.current_time())
        self._move()

    # What came.

    async def until(self, true: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        with trio.move_on_after(patience_s):
            while not true():
                await self._moved.wait()
            return
        raise AssertionError(f"{what}; so far {self.outputs}, {len(self.media)} packets")

    async def take(self, count: int, ssrc: int | None = None) -> list[rtp.Packet]:
        """The next packets of a stream (None: of whatever comes)."""

        def wanted() -> list[Arrival]:
            return [each for each in self.media if ssrc in (None, each.packet.ssrc)][:count]

        await self.until(lambda: len(wanted()) == count, f"not {count} packets of {ssrc}")
        taken = wanted()
        self.media = [each for each in self.media if each not in taken]
        return [each.packet for each in taken]

    async def take_control(self, kind: type[T]) -> T:
        """The next RTCP packet of a kind; those before it are passed over."""
        await self.until(lambda: any(isinstance(each, kind) for each in self.control), f"no {kind.__name__}")
        while not isinstance(first := self.control.pop(0), kind):
            pass
        return first

    # Tasks.

    async def _keep_time(self) -> None:
        while True:
            self._flush()
            deadline = self.client.deadline
            with trio.move_on_at(float("inf") if deadline is None else deadline):
                await self._moved.wait()
            self.client.expire(trio.current_time())

    async def _read(self, made: trio.socket.SocketType) -> None:
        while True:
            try:
                data, notes, _, _ = await made.recvmsg(BUFFER, 64)
            except ConnectionRefusedError:
                continue  # the server's socket is closed; ICMP says so
            at = next(
                (
                    seconds + nanoseconds / 1e9
                    for level, kind, note in notes
                    if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS)
                    for seconds, nanoseconds in (struct.unpack("@qq", note),)
                ),
                time.time(),
            )
            self._receive(data, at)
            self._move()

    def _receive(self, data: bytes, at: float) -> None:
        if data[0] < 128:
            try:
                self.client.receive(data, trio.current_time())
            except Malformed:
                self.outputs.append(Refused(0))
            self._flush()
            return
        try:
            if 192 <= data[1] <= 223:
                self.control += rtcp.parse_compound(self.inbound.unprotect_rtcp(data))
            else:
                self.media.append(Arrival(rtp.parse(self.inbound.unprotect(data)), at))
        except SrtpError:
            self.undecryptable += 1

    def _flush(self) -> None:
        for output in self.client.poll():
            if isinstance(output, Sent):
                self.send_raw(output.data, output.path)
                continue
            self.outputs.append(output)
            if isinstance(output, Keys):
                self.keys = output
                self.outbound = session(output.profile, output.local, False)
                self.inbound = session(output.profile, output.remote, True)
            self._move()

    def _move(self) -> None:
        moved, self._moved = self._moved, trio.Event()
        moved.set()


def _plain(made: trio.socket.SocketType) -> Any:
    """The standard socket inside: a datagram is sent at once or not at all, so nobody needs to await it."""
    return made._sock  # type: ignore[attr-defined]
