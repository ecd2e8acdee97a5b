"""Bad input: each kind is dropped under its own name, and an established call beside it loses nothing."""

from __future__ import annotations

import random
import select
import socket
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from native.plane import COUNTER_NAMES, DtlsArrived, StunArrived
from sfu.wire import rtcp, rtp
from tests.native import caller
from tests.native.caller import KEY_FRAME, PATIENCE_S, Call, Caller, Stage

DROPS = tuple(name for name in COUNTER_NAMES if name.startswith("drop_"))
STREAM = 0x5151
MOST_SSRCS = 64  # that one peer may send media on, and as many for RTCP


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


@pytest.fixture
def call(stage: Stage) -> Iterator[Call]:
    """The established call nearby."""
    made = Call(stage)
    made.goes_on()
    yield made
    made.goes_on()
    stage.close_all()
    stage.settle()


class Watch:
    """Which drops were counted since the last look."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.before = stage.plane.counters()

    def drops(self) -> dict[str, int]:
        now, before = self.stage.plane.counters(), self.before
        self.before = now
        return {name: now[name] - before[name] for name in DROPS if now[name] != before[name]}


STRANGERS = {
    "nothing": (b"", "drop_garbage"),
    "one byte": (b"\x80", "drop_unknown_address"),
    "STUN cut short": (b"\x00\x01\x00\x00\x21\x12\xa4\x42", "drop_garbage"),
    "STUN of odd length": (b"\x00\x01\x00\x03\x21\x12\xa4\x42" + bytes(15), "drop_garbage"),
    "reserved by RFC 7983": (bytes([5]) + bytes(40), "drop_garbage"),
    "a TURN channel": (bytes([70]) + bytes(40), "drop_garbage"),
    "beyond media": (bytes([200]) + bytes(40), "drop_garbage"),
    "DTLS": (bytes([22, 254, 253]) + bytes(60), "drop_dtls_unvalidated"),
    "RTP": (rtp.Packet(111, 1, 1, 1, b"x").pack(), "drop_unknown_address"),
    "RTCP": (rtcp.Pli(1, 2).pack(), "drop_unknown_address"),
    "oversized": (bytes([128]) + bytes(1500), "drop_oversized"),
    "as large as UDP goes": (bytes([128]) + bytes(65_000), "drop_oversized"),
}


@pytest.mark.parametrize(("datagram", "reason"), STRANGERS.values(), ids=STRANGERS)
def test_datagrams_of_strangers(stage: Stage, call: Call, datagram: bytes, reason: str) -> None:
    watch = Watch(stage)
    with caller.udp() as stranger:
        for _ in range(20):
            stranger.sendto(datagram, stage.sockets[0].getsockname())
            call.goes_on()
    assert watch.drops() == {reason: 20}


def test_the_tails_of_segmented_trains_are_garbage_each(stage: Stage, call: Call) -> None:
    """A train that another made of noise: cut where its sender said, each part judged alone."""
    with Stage(options=[(socket.IPPROTO_UDP, 104, 1)]) as gro, caller.udp() as stranger:
        watch = Watch(gro)
        train = b"".join(bytes([first]) + bytes(99) for first in (5, 70, 200, 130, 22))
        stranger.sendmsg(
            [train + b"\x05"], [(socket.IPPROTO_UDP, 103, (100).to_bytes(2, "little"))], 0, gro.sockets[0].getsockname()
        )
        gro.until_counted("received", 6)
        assert watch.drops() == {"drop_garbage": 4, "drop_unknown_address": 1, "drop_dtls_unvalidated": 1}


def test_a_stranger_may_only_knock(stage: Stage, call: Call) -> None:
    """A STUN request goes to the control plane, marked as of nobody; DTLS of a checked path goes with its peer."""
    peer = stage.caller(owner=1, keys=False)
    request = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)
    with caller.udp() as stranger:
        stranger.sendto(request, stage.sockets[0].getsockname())
        stage.events.clear()
        stage.until(lambda: bool(stage.events), "no notice")
        assert stage.events == [StunArrived(0, (0, *stranger.getsockname()), request, None)]
    stage.events.clear()
    peer.socket.send(bytes([22]) + b"hello")
    peer.socket.send(request)
    stage.until(lambda: len(stage.events) == 2, "no notices")
    assert stage.events == [
        DtlsArrived(peer.path, bytes([22]) + b"hello", peer.peer),
        StunArrived(0, peer.path, request, peer.peer),
    ]


def test_media_before_the_keys(stage: Stage, call: Call) -> None:
    early = stage.caller(owner=1, keys=False)
    sent = early.publish("audio", 1)
    watch = Watch(stage)
    first = sent.packet()
    early.socket.send(early.outbound.protect(first.pack()))
    early.socket.send(first.pack())
    early.send_control(rtcp.Pli(1, 2))
    call.goes_on()
    assert watch.drops() == {"drop_no_keys": 3}
    early.give_keys()
    call.listener.subscribe(sent.publication, "audio", STREAM)
    sent.send(b"now")
    assert call.listener.take(1)[0].payload == b"now"


def test_a_path_that_was_taken_away_is_nobody_s(stage: Stage, call: Call) -> None:
    peer = stage.caller(owner=1)
    sent = peer.publish("audio", 1)
    peer.peer.remove_path(peer.path)
    watch = Watch(stage)
    sent.send()
    call.goes_on()
    assert watch.drops() == {"drop_unknown_address": 1}


@pytest.mark.parametrize("profile", sorted(caller.PROFILES))
def test_wrong_authentication(stage: Stage, call: Call, profile: str) -> None:
    peer = stage.caller(owner=1, profile=profile)
    sent = peer.publish("audio", 1)
    watch = Watch(stage)
    for at in (0, 1, 3, 12, -1):
        # Payload types of RTCP are not made of it by chance: bit 0 of byte 1 is part of the payload type.
        data = bytearray(peer.outbound.protect(sent.packet(b"word").pack()))
        data[at] ^= 1
        peer.socket.send(data)
    whole = peer.outbound.protect(sent.packet(b"word").pack())
    for size in range(12, len(whole)):
        peer.socket.send(whole[:size])
    peer.socket.send(sent.packet(b"in clear, as long as a tag").pack())
    call.goes_on()
    drops = watch.drops()
    # A changed CSRC count is a header that does not fit, or one that is not authentic: both are right.
    assert set(drops) <= {"drop_srtp_auth", "drop_rtp_malformed"}
    assert sum(drops.values()) == 5 + len(whole) - 12 + 1
    control = bytearray(peer.outbound.protect_rtcp(rtcp.Pli(1, 2).pack()))
    control[-1] ^= 1
    peer.socket.send(control)
    peer.socket.send(rtcp.ReceiverReport(1, (rtcp.ReportBlock(2, 0, 0, 0x80808080, 0),)).pack())
    call.goes_on()
    assert sum(watch.drops().values()) == 2
    assert stage.plane.counters()["rtcp_received"] == watch.before["rtcp_received"]


@pytest.mark.parametrize("profile", sorted(caller.PROFILES))
def test_replayed_and_too_old(stage: Stage, call: Call, profile: str) -> None:
    """RFC 3711 3.3.2; the window is 1024 packets."""
    peer = stage.caller(owner=1, profile=profile)
    sent = peer.publish("audio", 1)
    late = [peer.outbound.protect(sent.packet(b"late %d" % i).pack()) for i in range(2)]
    watch = Watch(stage)
    peer.socket.send(sent.caller.send(sent.packet()))
    peer.socket.send(late[0])
    peer.socket.send(late[0])
    call.goes_on()
    assert watch.drops() == {"drop_srtp_replay": 2}
    sent.sequence += 1100
    sent.send()
    peer.socket.send(late[1])
    call.goes_on()
    assert watch.drops() == {"drop_srtp_old": 1}
    control = peer.send_control(rtcp.Pli(1, 2))
    peer.socket.send(control)
    call.goes_on()
    # The request itself is about nothing that it is sent.
    assert watch.drops() == {"drop_rtcp_auth": 1, "drop_rtcp_unknown_ssrc": 1}


def derived(master: bytes, label: int, size: int) -> bytes:
    """RFC 3711 4.3.1, 4.3.3 with key derivation rate 0; RFC 7714 11: the 96-bit salt is filled up to 112 bits."""
    key, salt = master[:-12], bytearray(master[-12:] + bytes(2))
    salt[7] ^= label
    return Cipher(AES(key), CTR(bytes(salt) + bytes(2))).encryptor().update(bytes(size))


@pytest.mark.parametrize("profile", ["GCM_128", "GCM_256"])
def test_authentic_but_unencrypted_control_is_refused(stage: Stage, call: Call, profile: str) -> None:
    """RFC 3711 3.4, RFC 7714 9: with the E bit 0 the tag alone is made. libsrtp takes that; we do not."""
    peer = stage.caller(owner=1, profile=profile)
    packet = rtcp.Pli(0x11, 0x22).pack()
    index = (5).to_bytes(4, "big")
    salt = derived(peer.key_out, 5, 12)
    nonce = bytes(a ^ b for a, b in zip(bytes(2) + packet[4:8] + bytes(2) + index, salt, strict=True))
    tag = AESGCM(derived(peer.key_out, 3, len(peer.key_out) - 12)).encrypt(nonce, b"", packet + index)
    forged = packet + tag + index
    assert caller.session(profile, peer.key_out, True).unprotect_rtcp(forged) == packet
    watch = Watch(stage)
    peer.socket.send(forged)
    call.goes_on()
    assert watch.drops() == {"drop_rtcp_malformed": 1}
    # The same, encrypted, is fine.
    peer.send_control(rtcp.Pli(0x11, 0x22))
    call.goes_on()
    assert watch.drops() == {"drop_rtcp_unknown_ssrc": 1}


def test_the_e_bit_is_looked_for_where_cm_has_it(stage: Stage, call: Call) -> None:
    peer = stage.caller(owner=1, profile="CM_80")
    data = bytearray(peer.outbound.protect_rtcp(rtcp.Pli(1, 2).pack()))
    data[-14] &= 0x7F
    watch = Watch(stage)
    peer.socket.send(data)
    call.goes_on()
    assert watch.drops() == {"drop_rtcp_malformed": 1}


def test_unknown_ssrc_and_payload_type(stage: Stage, call: Call) -> None:
    peer = stage.caller(owner=1)
    sent = peer.publish("video", 1, mid="v")
    other = peer.publish("audio", 2, mid="a")
    call.listener.subscribe(sent.publication, "video", STREAM)
    watch = Watch(stage)
    peer.send(rtp.Packet(50, 1, 1, 77, b"neither section has this type"))
    peer.send(rtp.Packet(50, 1, 1, 78, b"nor this mid", extensions=((4, b"elsewhere"),)))
    call.goes_on()
    assert watch.drops() == {"drop_unknown_ssrc": 2}
    sent.send(KEY_FRAME, payload_type=50)
    sent.send(KEY_FRAME, payload_type=caller.VP8_RTX_PT)  # a retransmission on the primary's SSRC
    call.goes_on()
    assert watch.drops() == {"drop_unknown_payload": 2}
    # The mid extension, or a type that one section alone has, binds an SSRC that signalling did not name.
    sent.ssrc, other.ssrc = 101, 102
    sent.send(KEY_FRAME + b"by mid", extensions=((4, b"v"),))
    assert call.listener.take(1)[0].payload == KEY_FRAME + b"by mid"
    other.send(b"by type")
    stage.until(lambda: other.publication.report()["packets"] == 1, "the type binds nothing")
    assert watch.drops() == {}


@pytest.mark.parametrize("kind", ["well formed", "bad padding", "bad extension", "RTCP"])
def test_ten_thousand_ssrcs_with_valid_keys(stage: Stage, call: Call, kind: str) -> None:
    """libsrtp keeps state for each SSRC that it has authenticated: so it is asked about a few only."""
    rng = random.Random(3)
    peer = stage.caller(owner=1)
    sent = peer.publish("audio", 1)
    call.listener.subscribe(sent.publication, "audio", STREAM)
    sent.send(b"first")
    call.listener.take(1)
    watch = Watch(stage)
    for count, ssrc in enumerate(rng.sample(range(10, 1 << 32), 10_000)):
        packet = rtp.Packet(50, rng.randrange(1 << 16), 1, ssrc, b"x", extensions=((7, b"yy"),))
        raw = bytearray(packet.pack())
        if kind == "bad padding":
            raw[0] |= 0x20
            raw[-1] = 200
        elif kind == "bad extension":
            raw[16] = 0x7F
        elif kind == "RTCP":
            raw = bytearray(rtcp.Pli(ssrc, 2).pack())
        peer.socket.send(peer.outbound.protect_rtcp(bytes(raw)) if kind == "RTCP" else throwaway(peer, bytes(raw)))
        if count % 50 == 49:
            call.goes_on()
    drops = watch.drops()
    limited = drops.pop("drop_ssrc_limit")
    believed = 10_000 - limited
    assert believed <= (512 if kind.startswith("bad") else MOST_SSRCS)
    if kind != "RTCP":
        assert sum(drops.values()) == believed
    # Its own stream is as before, and it can still report.
    sent.send(b"last")
    assert call.listener.take(1)[0].payload == b"last"
    received = stage.plane.counters()["rtcp_received"]
    peer.send_control(rtcp.ReceiverReport(1))
    call.goes_on()
    assert stage.plane.counters()["rtcp_received"] == received + 1


def throwaway(peer: Caller, raw: bytes) -> bytes:
    """Protected with the peer's key by a session of its own, for libsrtp on our side keeps state too."""
    data: bytes = caller.session(peer.profile, peer.key_out, False).protect(raw)
    return data


MALFORMED = {
    "padding longer than the payload": (
        bytes([0xA0, 111]) + bytes(10) + b"ab\x04",
        "drop_padding_malformed",
    ),
    "padding of none": (bytes([0xA0, 111]) + bytes(10) + b"ab\x00", "drop_padding_malformed"),
    "padding without a payload": (bytes([0xA0, 111]) + bytes(10), "drop_padding_malformed"),
    "an element over the end": (
        bytes([0x90, 111]) + bytes(10) + b"\xbe\xde\x00\x01\x10\xff\x1f\xff" + b"x",
        "drop_extension_malformed",
    ),
    "an element over the end, two-byte form": (
        bytes([0x90, 111]) + bytes(10) + b"\x10\x00\x00\x01\x01\x05\x00\x00" + b"x",
        "drop_extension_malformed",
    ),
    "half an element, two-byte form": (
        bytes([0x90, 111]) + bytes(10) + b"\x10\x00\x00\x01\x00\x00\x00\x01" + b"x",
        "drop_extension_malformed",
    ),
}


@pytest.mark.parametrize(("raw", "reason"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_but_authentic(stage: Stage, call: Call, raw: bytes, reason: str) -> None:
    peer = stage.caller(owner=1)
    sent = peer.publish("audio", 7)
    call.listener.subscribe(sent.publication, "audio", STREAM)
    watch = Watch(stage)
    for i in range(5):
        peer.socket.send(
            peer.outbound.protect(raw[:2] + (100 + i).to_bytes(2, "big") + bytes(4) + bytes([0, 0, 0, 7]) + raw[12:])
        )
    call.goes_on()
    assert watch.drops() == {reason: 5}
    sent.sequence = 105
    sent.send(b"well")
    assert call.listener.take(1)[0].payload == b"well"


HEADERS = {
    "more CSRCs than bytes": bytes([0x8F, 111]),
    "an extension header that is not there": bytes([0x90, 111]),
}


@pytest.mark.parametrize("head", HEADERS.values(), ids=HEADERS)
def test_headers_that_do_not_fit(stage: Stage, call: Call, head: bytes) -> None:
    peer = stage.caller(owner=1)
    watch = Watch(stage)
    peer.socket.send(head + bytes(12))
    call.goes_on()
    assert watch.drops() == {"drop_rtp_malformed": 1}


def test_id_15_ends_the_extensions(stage: Stage, call: Call) -> None:
    """RFC 8285 4.2: what came before it counts, what follows is not looked at, and the packet is good."""
    peer = stage.caller(owner=1)
    sent = peer.publish("video", 7)
    call.listener.subscribe(sent.publication, "video", STREAM)
    block = bytes([13 << 4, 3, 0xF7, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
    raw = bytes([0x90, 96, 0, 9, 0, 0, 0, 0, 0, 0, 0, 7]) + b"\xbe\xde\x00\x02" + block + KEY_FRAME
    watch = Watch(stage)
    peer.socket.send(peer.outbound.protect(raw))
    (got,) = call.listener.take(1)
    assert got.payload == KEY_FRAME and got.extension(13) == b"\x03"
    assert watch.drops() == {}


RTCP_LIES = {
    "length beyond the datagram": b"\x81\xc9\x00\x20" + bytes(28),
    "version 1 behind a good packet": rtcp.Pli(1, 2).pack() + b"\x41\xc9\x00\x01" + bytes(4),
    "half a header at the end": rtcp.Pli(1, 2).pack() + b"\x81\xc9",
    "report without its block": b"\x81\xc9\x00\x01" + bytes(4),
    "sender report without its body": b"\x80\xc8\x00\x01" + bytes(4),
    "FIR without an entry": b"\x84\xce\x00\x02" + bytes(8),
    "NACK without a number": b"\x81\xcd\x00\x01" + bytes(4),
    "BYE of more than there are": b"\x9f\xcb\x00\x01" + bytes(4),
}


@pytest.mark.parametrize("raw", RTCP_LIES.values(), ids=RTCP_LIES)
def test_malformed_but_authentic_control(stage: Stage, call: Call, raw: bytes) -> None:
    peer = stage.caller(owner=1)
    watch = Watch(stage)
    peer.socket.send(peer.outbound.protect_rtcp(raw))
    call.goes_on()
    assert watch.drops() == {"drop_rtcp_malformed": 1}


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_under_the_right_keys(stage: Stage, call: Call, seed: int) -> None:
    """Thousands of packets that authenticate and mean nothing, from a peer that publishes and subscribes as well."""
    rng = random.Random(seed)
    peer, other, third = (stage.caller(owner=i + 1) for i in range(3))
    sent = peer.publish("video", 7, rtx_ssrc=8)
    theirs = other.publish("video", 9)
    peer.subscribe(theirs.publication, "video", STREAM, STREAM + 1)
    third.subscribe(sent.publication, "video", STREAM)
    for i in range(1500):
        if i % 100 == 0:
            theirs.send(caller.vp8(True, i, i))
        size = rng.choice([0, 1, 4, 8, 40, 200])
        if rng.random() < 0.5:
            kind = rng.choice([200, 201, 202, 203, 204, 205, 206, 207])
            words = (size // 4 + rng.choice([1, 1, 1, 0, 2, 9])) & 0xFFFF
            raw = bytes([0x80 | rng.randrange(64), kind]) + words.to_bytes(2, "big")
            raw += rng.choice([7, 8, STREAM, rng.randrange(1 << 32)]).to_bytes(4, "big")
            raw += rng.choice([7, 8, STREAM, 1]).to_bytes(4, "big") + rng.randbytes(size)
            data = peer.outbound.protect_rtcp(raw)
        else:
            first = rng.choice([0x80, 0x90, 0xA0, 0xB0, 0x91])
            raw = bytes([first, rng.choice([96, 97, 102, 103, 224, 225, 50])]) + (i & 0xFFFF).to_bytes(2, "big")
            raw += rng.randbytes(4) + rng.choice([7, 8]).to_bytes(4, "big")
            if first & 0x0F:
                raw += rng.randbytes(4)
            if first & 0x10:
                words = rng.randrange(8)
                raw += rng.choice([b"\xbe\xde", b"\x10\x00", b"\x10\x0f", b"??"]) + words.to_bytes(2, "big")
                raw += rng.randbytes(4 * words)
            data = peer.outbound.protect(raw + rng.randbytes(size))
        peer.socket.send(data)
        if i % 20 == 0:
            call.goes_on()
            drain(peer.socket)
            drain(third.socket)


def drain(sock: socket.socket) -> None:
    while select.select([sock], [], [], 0)[0]:
        sock.recv(65536)


def test_a_flood_of_strangers_leaves_room_for_peers(stage: Stage, call: Call) -> None:
    """The ring of notices: strangers may fill half of it, checked paths all but a reserve; what overflows is counted."""
    with Stage() as flooded:
        peer = flooded.caller(owner=1, keys=False)
        nearby = Call(flooded)
        request = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)
        with caller.udp() as stranger:
            for i in range(700):
                stranger.sendto(request, flooded.sockets[0].getsockname())
                if i % 50 == 49:
                    nearby.goes_on()
        counted = flooded.plane.counters()
        assert counted["notices"] == 512 and counted["drop_notice_ring_full"] == 188
        for i in range(600):
            peer.socket.send(bytes([22]) + b"%d" % i)
            if i % 50 == 49:
                nearby.goes_on()
        counted = flooded.plane.counters()
        assert counted["notices"] == 960 and counted["drop_notice_ring_full"] == 188 + 152
        events = flooded.plane.drain()
        assert [event.data for event in events if isinstance(event, DtlsArrived)] == [
            bytes([22]) + b"%d" % i for i in range(448)
        ]
        # Afterwards there is room again.
        peer.socket.send(bytes([22]) + b"again")
        flooded.until(lambda: bool(flooded.events), f"nothing in {PATIENCE_S} s")
        assert flooded.events[-1].data == bytes([22]) + b"again"
