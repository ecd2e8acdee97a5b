"""A stream through a running plane, packet by packet, against the oracle: what a subscriber sees of it."""

from __future__ import annotations

import random
import select
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.wire import rtcp, rtp
from tests.native import caller
from tests.native.caller import EXTENSIONS, KEY_FRAME, Caller, Stage, step, u16, u32
from tests.oracle import forward as oracle

# Another browser's ids for the same extensions.
OTHER_IDS = {
    1: caller.DEPENDENCY,
    2: caller.CAPTURE_TIME,
    3: caller.ORIENTATION,
    7: caller.PLAYOUT,
    8: caller.MID,
    9: caller.TWCC,
    10: caller.SEND_TIME,
    11: caller.LEVEL,
}
STREAM = 0x51


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as made:
        yield made


def in_words(got: list[rtp.Packet], ids: dict[int, str], start: oracle.Seen) -> list[oracle.Seen]:
    """Numbers counted so that the first one is `start`'s; what no oracle knows is checked here."""
    words = []
    transport_wide = None
    for packet in got:
        assert packet.ssrc == STREAM
        assert packet.csrcs == () and packet.padding == 0
        assert len({id for id, _ in packet.extensions}) == len(packet.extensions)
        named: dict[str, bytes | None] = {ids[id]: value for id, value in packet.extensions}
        if caller.SEND_TIME in named:
            assert len(named[caller.SEND_TIME] or b"") == 3
            named[caller.SEND_TIME] = None
        if caller.TWCC in named:
            number = rtp.twcc_sequence(named[caller.TWCC] or b"")
            if transport_wide is None:
                transport_wide = number - int.from_bytes(start.extensions[caller.TWCC] or b"", "big")
            named[caller.TWCC] = u16(number - transport_wide).to_bytes(2, "big")
        words.append(
            oracle.Seen(
                sequence=u16(packet.sequence - got[0].sequence + start.sequence),
                timestamp=u32(packet.timestamp - got[0].timestamp + start.timestamp),
                payload_type=packet.payload_type,
                marker=packet.marker,
                payload=packet.payload,
                extensions=named,
            )
        )
    return words


def compare(stage: Stage, packets: list[rtp.Packet], listener_ids: dict[int, str], two_byte: bool) -> list[oracle.Seen]:
    """Send them in this order, each datagram protected in the order of its number; the listener sees what the oracle says."""
    talker = stage.caller(owner=1)
    listener = stage.caller(owner=2, extensions=listener_ids, two_byte=two_byte)
    sent = talker.publish("video", packets[0].ssrc)
    subscription = listener.subscribe(None, "video", STREAM, mid="video-1")
    # H.264 was not negotiated; VP8 under another number.
    subscription.set_source(sent.publication, {caller.VP8: (120, 121)}, "video-1", "member")
    model = oracle.Subscriber({caller.VP8_PT: 120}, EXTENSIONS, listener_ids, b"video-1", two_byte, KEY_FRAME)
    expected = []
    got: list[rtp.Packet] = []
    for packet in packets:
        talker.send(packet)
        seen = model.arrive(packet)
        if seen is not None:
            expected.append(seen)
        if len(expected) >= len(got) + 20:
            got += listener.take(len(expected) - len(got))
    got += listener.take(len(expected) - len(got))
    if expected:
        assert in_words(got, listener_ids, expected[0]) == expected
    for each in (talker, listener):
        stage.callers.remove(each)
        each.close()
    return expected


EXTENSION_VALUES = st.lists(
    st.tuples(st.sampled_from(sorted(EXTENSIONS)), st.integers(1, 40)), max_size=6, unique_by=lambda pair: pair[0]
)


@st.composite
def streams(draw: st.DrawFn) -> list[rtp.Packet]:
    """What reaches a server of a stream that was sent well: some lost, late, twice, padding alone, of another codec."""
    first = draw(st.sampled_from([0, 1, 77, 0x7FF0, 0xFFE0, 0xFFF8, 0xFFFF]))
    timestamp = draw(st.sampled_from([0, 5, 0x7FFFFFF0, 0xFFFFFF00]))
    arrivals: list[rtp.Packet] = []
    late: list[tuple[int, rtp.Packet]] = []
    for i in range(draw(st.integers(5, 60))):
        kind = draw(st.sampled_from("ppppppppkold"))
        padding = draw(st.sampled_from([0, 0, 0, 1, 255]))
        body = draw(st.binary(max_size=20))
        payload = KEY_FRAME + body if i == 0 or draw(st.booleans()) else caller.DELTA_FRAME + body
        if kind == "k" and i:
            payload, padding = b"", 200
        packet = rtp.Packet(
            payload_type=caller.H264_PT if kind == "o" and i else caller.VP8_PT,
            sequence=u16(first + i),
            timestamp=u32(timestamp + 3000 * (i // 3)),
            ssrc=0xABCD,
            payload=payload,
            marker=draw(st.booleans()),
            csrcs=tuple(range(draw(st.sampled_from([0, 0, 0, 1, 15])))),
            extensions=tuple((id, bytes([id]) * size) for id, size in draw(EXTENSION_VALUES)),
            padding=padding,
        )
        fate = "p" if i == 0 else draw(st.sampled_from("pppppppplwd"))
        if fate == "l":
            continue
        if fate == "w":
            late.append((i + draw(st.integers(1, 9)), packet))
        else:
            arrivals.append(packet)
        if fate == "d":
            late.append((i + draw(st.integers(0, 5)), packet))
        arrivals += [each for due, each in late if due <= i]
        late = [(due, each) for due, each in late if due > i]
    return arrivals + [each for _, each in late]


@pytest.mark.parametrize(("ids", "two_byte"), [(EXTENSIONS, False), (OTHER_IDS, False), (OTHER_IDS, True), ({}, False)])
def test_a_subscriber_sees_what_the_oracle_says(stage: Stage, ids: dict[int, str], two_byte: bool) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(streams())
    def holds(packets: list[rtp.Packet]) -> None:
        compare(stage, packets, ids, two_byte)

    holds()


def test_a_long_stream_over_two_cycles_of_numbers(stage: Stage) -> None:
    """Losses and padding all the way, through the wrap-around of both the source's and the subscriber's numbers."""
    rng = random.Random(2)
    packets = [
        rtp.Packet(
            caller.VP8_PT,
            u16(0xFF00 + i),
            u32(0xFFFFF000 + 90 * i),
            7,
            KEY_FRAME if i == 0 else b"" if rng.random() < 0.1 else caller.DELTA_FRAME,
            padding=40,
        )
        for i in range(140_000)
        if i == 0 or i % 35 == 0
    ]
    # Steps of 35: below what a receiver takes for a new stream, and two cycles in 4,000 packets.
    assert len(compare(stage, packets, EXTENSIONS, False)) > 3000


def simple(i: int, **more: object) -> rtp.Packet:
    payload = more.pop("payload", KEY_FRAME if i == 0 else caller.DELTA_FRAME)
    return rtp.Packet(caller.VP8_PT, 100 + i, 9000 * i, 7, payload, **more)  # type: ignore[arg-type]


def test_padding_alone_leaves_no_hole(stage: Stage) -> None:
    packets = [simple(0), simple(1, payload=b"", padding=8), simple(2, payload=b"", padding=8), simple(3)]
    assert [seen.sequence for seen in compare(stage, packets, {}, False)] == [0, 1]


def test_what_comes_late_stands_in_its_own_place(stage: Stage) -> None:
    packets = [simple(0), simple(3), simple(1), simple(2), simple(4)]
    assert [seen.sequence for seen in compare(stage, packets, {}, False)] == [0, 3, 1, 2, 4]


def test_what_comes_twice_goes_once(stage: Stage) -> None:
    before = stage.plane.counters()["drop_duplicate"]
    packets = [simple(0), simple(1), simple(1), simple(0), simple(2)]
    assert [seen.sequence for seen in compare(stage, packets, {}, False)] == [0, 1, 2]
    replayed = stage.plane.counters()["drop_duplicate"] - before
    assert replayed == 0  # SRTP is first to notice


def test_long_extensions_pass_in_the_two_byte_form_only(stage: Stage) -> None:
    """A dependency descriptor with its template structure takes more than the 16 bytes of the one-byte form."""
    packets = [simple(0, extensions=((12, bytes(70)), (13, b"\x01")))]
    assert compare(stage, packets, OTHER_IDS, False)[0].extensions.keys() >= {caller.ORIENTATION}
    assert caller.DEPENDENCY not in compare(stage, packets, OTHER_IDS, False)[0].extensions
    assert compare(stage, packets, OTHER_IDS, True)[0].extensions[caller.DEPENDENCY] == bytes(70)


def test_the_send_time_is_the_moment_of_sending(stage: Stage) -> None:
    """abs-send-time goes on as the clock does: two packets with a second's fraction between them."""
    talker, listener = stage.caller(owner=1), stage.caller(owner=2)
    sent = talker.publish("audio", 5)
    listener.subscribe(sent.publication, "audio", STREAM)
    times = []
    for _ in caller.paced(5, 0.04, listener):
        sent.send()
        (got,) = listener.take(1)
        times.append(int.from_bytes(got.extension(2) or b"", "big"))
    elapsed_ms = step(times[-1], times[0], 24) * 1000 / (1 << 18)
    assert 100 < elapsed_ms < 400


@pytest.mark.parametrize("profile", sorted(caller.PROFILES))
def test_each_srtp_profile_carries_media_and_control(stage: Stage, profile: str) -> None:
    talker = stage.caller(owner=1, profile=profile)
    listener = stage.caller(owner=2, profile=profile)
    sent = talker.publish("video", 5)
    listener.subscribe(sent.publication, "video", STREAM)
    sent.send(KEY_FRAME + b"picture")
    (got,) = listener.take(1)
    assert got.payload == KEY_FRAME + b"picture"
    listener.send_control(rtcp.Pli(1, STREAM))
    assert talker.take_control(rtcp.Pli).media_ssrc == 5


def test_over_ipv6() -> None:
    with Stage(family=socket.AF_INET6) as stage:
        call = caller.Call(stage)
        for _ in range(3):
            call.goes_on()
        call.listener.send_control(rtcp.Bye((1,)))
        stage.until_counted("rtcp_received", 1)


def test_trains_come_in_whole_and_leave_whole() -> None:
    """UDP_GRO on the server's socket, packets of one size sent as one UDP_SEGMENT message."""
    with Stage(options=[(socket.IPPROTO_UDP, 104, 1)]) as stage:
        talker, listener = stage.caller(owner=1), stage.caller(owner=2)
        sent = talker.publish("audio", 5)
        listener.subscribe(sent.publication, "audio", STREAM)
        frames = [talker.outbound.protect(sent.packet(b"%03d" % i).pack()) for i in range(30)]
        assert len({len(frame) for frame in frames}) == 1
        segment = [(socket.IPPROTO_UDP, 103, struct.pack("@H", len(frames[0])))]
        talker.socket.sendmsg([b"".join(frames)], segment)
        assert [got.payload for got in listener.take(30)] == [b"%03d" % i for i in range(30)]
        counters = stage.plane.counters()
        assert counters["received"] == counters["sent"] == 30
        assert counters["send_calls"] == 1
        assert counters["segmentation_refused"] == 0


def test_the_kernel_refuses_segments() -> None:
    """Without UDP checksums Linux does not segment (udp_send_skb): packets leave one by one, all of them, and it is counted."""
    so_no_check = 11
    with Stage(options=[(socket.SOL_SOCKET, so_no_check, 1), (socket.IPPROTO_UDP, 104, 1)]) as stage:
        talker, listener = stage.caller(owner=1), stage.caller(owner=2)
        other = stage.caller(owner=3)
        sent = talker.publish("video", 5)
        listener.subscribe(sent.publication, "video", STREAM)
        other.subscribe(sent.publication, "video", STREAM)
        for i in range(3):
            train(talker, [sent.packet(KEY_FRAME + b"%03d" % j) for j in range(20)])
            for each in (listener, other):
                assert [got.payload for got in each.take(20)] == [KEY_FRAME + b"%03d" % j for j in range(20)], i
        counters = stage.plane.counters()
        assert counters["segmentation_refused"] == 1
        assert counters["sent"] == 120
        assert counters["drop_send_error"] == counters["drop_send_full"] == 0


def test_an_address_that_is_none_costs_others_nothing() -> None:
    """A client's path that the kernel refuses (port 0) must not end segmentation for everyone on the socket."""
    with Stage(options=[(socket.IPPROTO_UDP, 104, 1)]) as stage:
        talker, nowhere, listener = (stage.caller(owner=i + 1) for i in range(3))
        nowhere.peer.select_path((0, "127.0.0.1", 0))
        listener.socket.setsockopt(socket.IPPROTO_UDP, 104, 1)
        sent = talker.publish("video", 5)
        nowhere.subscribe(sent.publication, "video", STREAM)
        listener.subscribe(sent.publication, "video", STREAM)
        for _ in range(3):
            train(talker, [sent.packet(KEY_FRAME + b"%03d" % i) for i in range(20)])
            assert select.select([listener.socket], [], [], caller.PATIENCE_S)[0]
            whole = listener.socket.recv(65536)
            assert len(whole) > 20 * 30
        assert stage.plane.counters()["drop_send_error"] == 60


def train(talker: Caller, packets: list[rtp.Packet]) -> None:
    """Packets of one size in one message, so that they reach the server together."""
    frames = [talker.outbound.protect(packet.pack()) for packet in packets]
    talker.socket.sendmsg([b"".join(frames)], [(socket.IPPROTO_UDP, 103, struct.pack("@H", len(frames[0])))])
