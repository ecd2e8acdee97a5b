"""RTCP in place: what we build others can read, what others send we read alike, and no length is believed."""

from __future__ import annotations

import struct

import aiortc.rtp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native import testing as native
from sfu.wire import rtcp as wire

u8 = st.integers(0, 0xFF)
u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
blocks = st.lists(st.tuples(u32, u8, st.integers(-0x800000, 0x7FFFFF), u32, u32, u32, u32), max_size=31)

BLOCK = (0xAABBCCDD, 128, -5, 0x10002, 33, 0x11112222, 65536)
INFO = (1, 0xE0000000, 0x80000000, 90000, 10, 12345)


def raw(packet_type: int, count: int, body: bytes, *, padding: int = 0, version: int = 2) -> bytes:
    """A packet by hand; `padding` is what the last byte says (RFC 3550 6.4.1)."""
    if padding:
        body += bytes(padding - 1) + bytes([padding])
    first = version << 6 | (0x20 if padding else 0) | count
    return struct.pack("!BBH", first, packet_type, len(body) // 4) + body


# ---- what we build -------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.tuples(u32, u32, u32, u32, u32, u32), blocks)
def test_sender_reports(info: tuple[int, ...], report_blocks: list[tuple[int, ...]]):
    packet = native.rtcp_put_sr(1000, info, report_blocks)
    ssrc, hi, lo, ts, packets, octets = info
    reports = tuple(wire.ReportBlock(*block) for block in report_blocks)
    assert wire.parse_compound(packet) == [wire.SenderReport(ssrc, hi << 32 | lo, ts, packets, octets, reports)]
    assert native.rtcp_read(packet) == [("sr", *info, report_blocks)]


@settings(deadline=None)
@given(u32, blocks)
def test_receiver_reports(ssrc: int, report_blocks: list[tuple[int, ...]]):
    packet = native.rtcp_put_rr(1000, ssrc, report_blocks)
    reports = tuple(wire.ReportBlock(*block) for block in report_blocks)
    assert wire.parse_compound(packet) == [wire.ReceiverReport(ssrc, reports)]
    assert native.rtcp_read(packet) == [("rr", ssrc, report_blocks)]


@settings(deadline=None)
@given(u32, st.binary(min_size=1, max_size=255))
def test_cnames(ssrc: int, cname: bytes):
    packet = native.rtcp_put_cname(300, ssrc, cname)
    assert wire.parse_compound(packet) == [wire.Sdes((wire.SdesChunk(ssrc, ((1, cname),)),))]
    assert native.rtcp_read(packet) == [("sdes", 1)]


@settings(deadline=None)
@given(u32, u32, st.lists(st.tuples(u16, u16), min_size=1, max_size=100))
def test_nacks(sender: int, media: int, pairs: list[tuple[int, int]]):
    packet = native.rtcp_put_nack(1000, sender, media, pairs)
    lost = [(pid + i) & 0xFFFF for pid, blp in pairs for i in range(17) if i == 0 or blp >> (i - 1) & 1]
    assert wire.parse_compound(packet) == [wire.Nack(sender, media, tuple(lost))]
    assert native.rtcp_read(packet) == [("nack", sender, media, pairs)]


@settings(deadline=None)
@given(u32, u32, u8, st.lists(u32, min_size=1, max_size=31))
def test_the_short_ones(sender: int, media: int, number: int, ssrcs: list[int]):
    compound = (
        native.rtcp_put_pli(100, sender, media)
        + native.rtcp_put_fir(100, sender, media, number)
        + native.rtcp_put_bye(200, ssrcs)
    )
    assert wire.parse_compound(compound) == [
        wire.Pli(sender, media),
        wire.Fir(sender, ((media, number),)),
        wire.Bye(tuple(ssrcs)),
    ]
    assert native.rtcp_read(compound) == [
        ("pli", sender, media),
        ("fir", sender, [(media, number)]),
        ("bye", ssrcs),
    ]


def test_aiortc_reads_a_whole_report():
    compound = (
        native.rtcp_put_sr(100, INFO, [BLOCK])
        + native.rtcp_put_cname(100, 1, b"name")
        + native.rtcp_put_nack(100, 1, 2, [(500, 3)])
        + native.rtcp_put_pli(100, 1, 2)
    )
    report, description, nack, pli = aiortc.rtp.RtcpPacket.parse(compound)
    assert (report.ssrc, report.sender_info.rtp_timestamp, report.sender_info.octet_count) == (1, 90000, 12345)
    assert (report.reports[0].fraction_lost, report.reports[0].packets_lost) == (128, -5)
    assert description.chunks[0].items == [(1, b"name")]
    assert nack.lost == [500, 501, 502]
    assert (pli.fmt, pli.media_ssrc) == (1, 2)


@pytest.mark.parametrize(
    ("lost", "told"), [(0x7FFFFF, 0x7FFFFF), (0x800000, 0x7FFFFF), (-0x800000, -0x800000), (-0x800001, -0x800000)]
)
def test_the_loss_count_stays_at_its_limit(lost: int, told: int):
    packet = native.rtcp_put_rr(100, 1, [(2, 0, lost, 0, 0, 0, 0)])
    assert native.rtcp_read(packet) == [("rr", 1, [(2, 0, told, 0, 0, 0, 0)])]


@pytest.mark.parametrize(
    ("build", "size"),
    [
        (lambda room: native.rtcp_put_sr(room, INFO, [BLOCK] * 2), 28 + 48),
        (lambda room: native.rtcp_put_rr(room, 1, [BLOCK] * 31), 8 + 31 * 24),
        (lambda room: native.rtcp_put_cname(room, 1, b"a"), 12),
        (lambda room: native.rtcp_put_cname(room, 1, b"ab"), 16),  # a zero byte must end the items
        (lambda room: native.rtcp_put_bye(room, [1, 2]), 12),
        (lambda room: native.rtcp_put_pli(room, 1, 2), 12),
        (lambda room: native.rtcp_put_fir(room, 1, 2, 3), 20),
        (lambda room: native.rtcp_put_nack(room, 1, 2, [(1, 0)] * 3), 24),
    ],
)
def test_builders_write_all_or_nothing(build, size: int):
    assert len(build(size)) == size
    assert all(build(room) == b"" for room in range(size))


def test_builders_refuse_what_a_count_cannot_say():
    assert native.rtcp_put_rr(2000, 1, [BLOCK] * 32) == b""
    assert native.rtcp_put_sr(2000, INFO, [BLOCK] * 32) == b""
    assert native.rtcp_put_bye(2000, [1] * 32) == b""
    assert native.rtcp_put_bye(2000, []) == b""
    assert native.rtcp_put_nack(2000, 1, 2, []) == b""
    assert native.rtcp_put_cname(2000, 1, b"") == b""
    assert native.rtcp_put_cname(2000, 1, b"x" * 256) == b""


# ---- what we read --------------------------------------------------------------------------------------

PLI = native.rtcp_put_pli(12, 1, 2)
RR = native.rtcp_put_rr(100, 9, [BLOCK])


def test_reduced_size_packets_may_stand_alone():
    """RFC 5506: a PLI needs no report before it."""
    assert native.rtcp_read(PLI) == [("pli", 1, 2)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        RR[:-1],
        RR[:-4],
        PLI + b"\x00",
        PLI + PLI[:8],
        raw(206, 1, bytes(8), version=1),
        raw(206, 1, bytes(8), version=3),
        RR + raw(206, 1, bytes(8), version=0),
        b"\x81\xce\xff\xff" + bytes(8),
        RR + b"\xa1\xce\x00\x02" + bytes(8),  # padding of 0 bytes
        RR + b"\xa1\xce\x00\x02" + bytes(7) + b"\x09",  # more padding than there is
        b"\xa0\xc9\x00\x00",  # padded, and nothing to pad
    ],
    ids=lambda data: data.hex() or "empty",
)
def test_one_lie_and_nothing_is_believed(data: bytes):
    assert native.rtcp_read(data) is None


@pytest.mark.parametrize("padding", [1, 2, 3])
def test_libwebrtc_pads_transport_feedback_by_bytes(padding: int):
    body = struct.pack("!IIHHI", 5, 6, 1, 1, 0) + b"\x20\x01\x04"[: 4 - padding]
    packet = raw(205, 15, body, padding=padding)
    assert native.rtcp_read(packet + PLI) == [("twcc", 5, 6), ("pli", 1, 2)]


def test_padding_is_not_read_as_content():
    nack = raw(205, 1, struct.pack("!IIHH", 1, 2, 7, 0), padding=4)
    assert native.rtcp_read(nack) == [("nack", 1, 2, [(7, 0)])]
    assert native.rtcp_read(raw(206, 1, bytes(4), padding=4)) == [None]


@pytest.mark.parametrize(
    ("packet_type", "count", "body"),
    [
        (200, 0, bytes(20)),
        (200, 1, bytes(24)),
        (200, 1, bytes(44)),
        (201, 0, b""),
        (201, 1, bytes(24)),
        (201, 31, bytes(4 + 30 * 24)),
        (203, 1, b""),
        (203, 5, bytes(16)),
        (205, 1, bytes(4)),
        (205, 1, bytes(8)),  # a NACK for nothing
        (205, 15, bytes(12)),
        (206, 1, bytes(4)),
        (206, 1, bytes(12)),
        (206, 4, bytes(8)),  # a FIR for nobody
        (206, 4, bytes(12)),
        (206, 4, bytes(20)),
    ],
)
def test_a_packet_too_short_for_its_count_is_malformed_alone(packet_type: int, count: int, body: bytes):
    assert native.rtcp_read(PLI + raw(packet_type, count, body) + PLI) == [("pli", 1, 2), None, ("pli", 1, 2)]


@pytest.mark.parametrize(("packet_type", "count"), [(204, 0), (207, 0), (192, 3), (206, 15), (206, 2), (205, 3)])
def test_what_we_do_not_know_is_stepped_over(packet_type: int, count: int):
    assert native.rtcp_read(raw(packet_type, count, bytes(8)) + PLI) == [("other", packet_type, count), ("pli", 1, 2)]


def test_profile_extensions_behind_report_blocks_are_stepped_over():
    assert native.rtcp_read(raw(201, 0, bytes(4 + 24))) == [("rr", 0, [])]


def test_bye_may_name_nobody_and_say_why():
    assert native.rtcp_read(raw(203, 0, b"")) == [("bye", [])]
    assert native.rtcp_read(raw(203, 1, b"\x00\x00\x00\x07\x03bye")) == [("bye", [7])]


def test_transport_feedback_is_recognised():
    log = native.TwccLog()
    log.arrived(1, 1)
    assert native.rtcp_read(log.feedback(100, 11, 22, 1)) == [("twcc", 11, 22)]


def header(draw: st.DrawFn) -> bytes:
    """Bytes that get past the first check more often than chance allows."""
    words = draw(st.integers(0, 12))
    body = draw(st.binary(min_size=words * 4, max_size=words * 4))
    first = 0x80 | draw(st.sampled_from([0, 0x20])) | draw(st.integers(0, 31))
    length = words if draw(st.integers(0, 9)) else draw(u16)
    return struct.pack("!BBH", first, draw(st.integers(198, 208)), length) + body


@settings(deadline=None)
@given(st.lists(st.composite(header)(), max_size=5).map(b"".join) | st.binary(max_size=64))
def test_random_bytes_harm_nothing(data: bytes):
    """The doors copy into a block of exactly this size: with a sanitizer any step over the end would show."""
    packets = native.rtcp_read(data)
    assert packets is None or len(packets) <= len(data) // 4
