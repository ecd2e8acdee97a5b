"""Clients of a plane without ICE and DTLS: real sockets on 127.0.0.1, pylibsrtp's sessions, packets as values.

A `Stage` runs a plane's workers in threads; a `Caller` is one peer of it with a socket of its own and keys for both
directions. Commands to a worker are carried out before any datagram that is sent after them, so a test never waits
for the plane to be ready: it waits for what must come, with a deadline, and proves that something did not come by what
came instead.
"""

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs
from pylibsrtp import Policy, Session

from native.plane import Plane
from sfu.wire import rtcp, rtp

PATIENCE_S = 5.0

Kind = TypeVar("Kind")

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TWCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ORIENTATION = "urn:3gpp:video-orientation"
DEPENDENCY = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
PLAYOUT = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"

EXTENSIONS = {
    1: LEVEL,
    2: SEND_TIME,
    3: TWCC,
    4: MID,
    5: PLAYOUT,
    6: "urn:example:unknown",
    12: DEPENDENCY,
    13: ORIENTATION,
    14: CAPTURE_TIME,
}

# Formats, by the numbers that these tests give them.
OPUS, VP8, H264 = 1, 2, 3
OPUS_PT, VP8_PT, VP8_RTX_PT, H264_PT, H264_RTX_PT = 111, 96, 97, 102, 103
AUDIO_CODECS = [(OPUS_PT, None, "opus", OPUS)]
VIDEO_CODECS = [(VP8_PT, VP8_RTX_PT, "VP8", VP8), (H264_PT, H264_RTX_PT, "H264", H264)]

PROFILES = {
    "GCM_128": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "GCM_256": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
    "CM_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
}

KEY_FRAME = b"\x10\x00\x9d\x01\x2a"  # VP8: S bit, partition 0, not inverse key frame
DELTA_FRAME = b"\x10\x01"


def u16(n: int) -> int:
    return n & 0xFFFF


def u32(n: int) -> int:
    return n & 0xFFFFFFFF


def step(new: int, old: int, bits: int = 16) -> int:
    """How far `new` is from `old`, going round, negative backwards."""
    half = 1 << bits - 1
    return (new - old + half) % (1 << bits) - half


def vp8(key: bool, picture: int, tl0: int, body: bytes = b"pixels") -> bytes:
    """A frame in one packet, with a 15-bit picture id and TL0PICIDX (RFC 7741 4.2)."""
    descriptor = bytes([0x90, 0xC0, 0x80 | picture >> 8 & 0x7F, picture & 0xFF, tl0 & 0xFF])
    return descriptor + (b"\x00" if key else b"\x01") + body


def udp(family: int = socket.AF_INET) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    made.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
    made.setblocking(False)
    return made


def session(profile: str, key: bytes, inbound: bool) -> Session:
    policy = Policy(
        key=key,
        ssrc_type=Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND,
        srtp_profile=PROFILES[profile][0],
    )
    policy.window_size = 1024
    # The server's session must refuse what is sent twice; this one, which plays a bad client too, must not.
    policy.allow_repeat_tx = not inbound
    return Session(policy)


class Stage:
    """A plane with its workers running. Leaving it checks that everything comes back once it is closed."""

    def __init__(
        self,
        workers: int = 1,
        slab_bytes: int = 4 << 20,
        options: Sequence[tuple[int, int, int]] = (),
        family: int = socket.AF_INET,
    ) -> None:
        self.family = family
        self.sockets = [udp(family) for _ in range(workers)]
        for each in self.sockets:
            for option in options:
                each.setsockopt(*option)
        self.plane = Plane([[each] for each in self.sockets], slab_bytes)
        self.threads = [threading.Thread(target=self.plane.run, args=(i,), daemon=True) for i in range(workers)]
        self.callers: list[Caller] = []
        self.buses: list[Any] = []
        self.events: list[Any] = []

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.close_all()
            if error is None:
                self.settle()
        finally:
            self.plane.stop()
            for thread in self.threads:
                thread.join(PATIENCE_S)
            for each in self.sockets:
                each.close()
        assert not any(thread.is_alive() for thread in self.threads)

    def close_all(self) -> None:
        for caller in self.callers:
            caller.close()
        self.callers.clear()
        for bus in self.buses:
            bus.close()
        self.buses.clear()

    def settle(self) -> None:
        """Until the workers have given everything back."""
        self.until(lambda: self.plane.outstanding == 0, "blocks that nobody gave back")

    def until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            self.events += self.plane.drain()
            if true():
                return
            assert time.monotonic() < deadline, what
            select.select([self.plane.fileno()], [], [], 0.002)

    def until_counted(self, name: str, value: int) -> None:
        """A counter reaches `value`: its worker has come so far."""
        self.until(lambda: self.plane.counters()[name] >= value, f"{name}: {self.plane.counters()[name]}, not {value}")

    def caller(self, owner: int = 0, worker: int = 0, **more: Any) -> "Caller":
        made = Caller(self, owner or len(self.callers) + 1, worker, **more)
        self.callers.append(made)
        return made

    def bus(self) -> Any:
        made = self.plane.open_bus()
        self.buses.append(made)
        return made


@attrs.define
class Sent:
    """A stream of a caller, as it sends it."""

    caller: "Caller"
    publication: Any
    mid: str
    ssrc: int
    pt: int
    clock: int
    sequence: int = 1000
    timestamp: int = 50_000
    numbers: int = 0

    def packet(self, payload: bytes = b"sound", **more: Any) -> rtp.Packet:
        """The next one, not sent."""
        made = rtp.Packet(
            payload_type=more.pop("payload_type", self.pt),
            sequence=self.sequence,
            timestamp=self.timestamp,
            ssrc=self.ssrc,
            payload=payload,
            **more,
        )
        self.sequence = u16(self.sequence + 1)
        self.timestamp = u32(self.timestamp + self.clock // 50)
        return made

    def send(self, payload: bytes = b"sound", **more: Any) -> rtp.Packet:
        made = self.packet(payload, **more)
        self.caller.send(made)
        return made

    def speak(self, level: int, payload: bytes) -> rtp.Packet:
        """20 ms of sound of this level, -dBov."""
        return self.send(payload, extensions=((1, bytes([0x80 | level])),))


class Caller:
    def __init__(
        self,
        stage: Stage,
        owner: int,
        worker: int = 0,
        profile: str = "GCM_128",
        two_byte: bool = False,
        extensions: dict[int, str] | None = None,
        keys: bool = True,
    ) -> None:
        self.stage = stage
        self.extensions = EXTENSIONS if extensions is None else extensions
        self.two_byte = two_byte
        self.profile = profile
        self.socket = udp(stage.family)
        self.socket.connect(stage.sockets[worker].getsockname())
        self.path: tuple[int, str, int] = (0, *self.socket.getsockname()[:2])
        self.key_out, self.key_in = (os.urandom(PROFILES[profile][1]) for _ in range(2))
        self.outbound = session(profile, self.key_out, False)
        self.inbound = session(profile, self.key_in, True)
        self.peer = stage.plane.open_peer(worker, owner)
        self.peer.add_path(self.path)
        self.peer.select_path(self.path)
        self.sections: list[tuple[str, Any, Any, Any]] = []
        self.peer.configure(self.extensions, [], two_byte)
        if keys:
            self.give_keys()
        self.media: list[rtp.Packet] = []
        self.control: list[rtcp.Packet] = []

    def give_keys(self) -> None:
        self.peer.set_keys(self.profile, self.key_out, self.key_in)

    def close(self) -> None:
        self.peer.close()
        self.socket.close()

    # Its streams.

    def publish(self, kind: str, ssrc: int, rtx_ssrc: int | None = None, mid: str = "", nack: bool = True) -> Sent:
        publication = self.peer.publish(kind, 48000 if kind == "audio" else 90000, nack)
        mid = mid or str(len(self.sections))
        ssrcs = [(ssrc, False)] + ([(rtx_ssrc, True)] if rtx_ssrc else [])
        self.sections.append((mid, publication, AUDIO_CODECS if kind == "audio" else VIDEO_CODECS, ssrcs))
        self.peer.configure(self.extensions, self.sections, self.two_byte)
        if kind == "audio":
            return Sent(self, publication, mid, ssrc, OPUS_PT, 48000)
        return Sent(self, publication, mid, ssrc, VP8_PT, 90000)

    def subscribe(self, source: Any, kind: str, ssrc: int, rtx_ssrc: int | None = None, mid: str = "s") -> Any:
        made = self.peer.subscribe(kind, 48000 if kind == "audio" else 90000, ssrc, rtx_ssrc)
        made.set_source(source, FORMATS[kind], mid, f"member-{ssrc}")
        return made

    # Datagrams.

    def send(self, packet: rtp.Packet) -> bytes:
        """As SRTP; what went over the wire, to be sent again perhaps."""
        data: bytes = self.outbound.protect(packet.pack())
        self.socket.send(data)
        return data

    def send_control(self, *packets: rtcp.Packet) -> bytes:
        data: bytes = self.outbound.protect_rtcp(
            b"".join(packet.pack() for packet in packets if not isinstance(packet, rtcp.Remb))
        )
        self.socket.send(data)
        return data

    def wait(self, seconds: float) -> bool:
        """Take everything that is there; False if nothing came in that time."""
        if not select.select([self.socket], [], [], max(seconds, 0))[0]:
            return False
        while True:
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return True
            if 192 <= data[1] <= 223:
                self.control += rtcp.parse_compound(self.inbound.unprotect_rtcp(data))
            else:
                self.media.append(rtp.parse(self.inbound.unprotect(data)))

    def take(self, count: int) -> list[rtp.Packet]:
        """The next `count` media packets."""
        deadline = time.monotonic() + PATIENCE_S
        while len(self.media) < count:
            left = deadline - time.monotonic()
            assert self.wait(left) or left > 0, f"{len(self.media)} of {count} packets; {self.stage.plane.counters()}"
        taken, self.media = self.media[:count], self.media[count:]
        return taken

    def take_control(self, kind: type[Kind], where: Callable[[Kind], bool] = lambda _: True) -> Kind:
        """The next RTCP packet of a kind; those of other kinds are passed over."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            while self.control:
                packet = self.control.pop(0)
                if isinstance(packet, kind) and where(packet):
                    return packet
            left = deadline - time.monotonic()
            assert self.wait(left) or left > 0, f"no {kind.__name__}; {self.stage.plane.counters()}"


FORMATS: dict[str, dict[int, tuple[int, int | None]]] = {
    "audio": {OPUS: (OPUS_PT, None)},
    "video": {VP8: (VP8_PT, VP8_RTX_PT), H264: (H264_PT, H264_RTX_PT)},
}


class Call:
    """Two members of whom one hears the other: an established call that nothing nearby may disturb."""

    def __init__(self, stage: Stage, ssrc: int = 0xCA11, worker: int = 0) -> None:
        self.talker = stage.caller(owner=9001, worker=worker)
        self.listener = stage.caller(owner=9002, worker=worker)
        self.sent = self.talker.publish("audio", ssrc)
        self.listener.subscribe(self.sent.publication, "audio", ssrc + 1)
        self.last: int | None = None
        self.count = 0

    def goes_on(self) -> None:
        """One packet, which arrives, and is the successor of the one before."""
        self.count += 1
        payload = b"word %d" % self.count
        self.sent.send(payload)
        (got,) = self.listener.take(1)
        assert got.payload == payload
        assert self.last is None or step(got.sequence, self.last) == 1
        self.last = got.sequence


def paced(count: int, seconds: float, *callers: Caller) -> Iterator[int]:
    """0 .. count - 1, one each `seconds`, while what arrives at the callers is taken."""
    start = time.monotonic()
    for i in range(count):
        yield i
        while (left := start + (i + 1) * seconds - time.monotonic()) > 0:
            ready = select.select([caller.socket for caller in callers], [], [], left)[0]
            for caller in callers:
                if caller.socket in ready:
                    caller.wait(0)
