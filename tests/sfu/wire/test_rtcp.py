"""RTCP packets against hand-made bytes, against themselves, and against garbage."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire import Malformed, rtcp

BLOCK = rtcp.ReportBlock(0xB, 64, -2, 0x10005, 7, 0x12345678, 9)
BLOCK_HEX = "0000000b 40fffffe 00010005 00000007 12345678 00000009"

# What the bytes are on the left, what they mean on the right.
VECTORS: list[tuple[str, rtcp.Packet]] = [
    (
        "81c8000c 0000000a 83aa7e80 80000000 00000064 00000003 00000200" + BLOCK_HEX,
        rtcp.SenderReport(0xA, 0x83AA7E8080000000, 100, 3, 512, (BLOCK,)),
    ),
    ("81c90007 0000000a" + BLOCK_HEX, rtcp.ReceiverReport(0xA, (BLOCK,))),
    ("80c90001 0000000a", rtcp.ReceiverReport(0xA)),
    ("81ca0003 0000000a 0103 616263 000000", rtcp.Sdes((rtcp.SdesChunk(0xA, ((rtcp.CNAME, b"abc"),)),))),
    ("81ca0003 0000000a 0104 61626364 0000", rtcp.Sdes((rtcp.SdesChunk(0xA, ((rtcp.CNAME, b"abcd"),)),))),
    ("81cb0001 0000000a", rtcp.Bye((0xA,))),
    ("82cb0003 0000000a 0000000b 02 6f6b 00", rtcp.Bye((0xA, 0xB), b"ok")),
    ("81cd0004 0000000a 0000000b fffe0005 00640000", rtcp.Nack(0xA, 0xB, (65534, 65535, 1, 100))),
    ("81ce0002 0000000a 0000000b", rtcp.Pli(0xA, 0xB)),
    ("84ce0004 0000000a 00000000 0000000b 03000000", rtcp.Fir(0xA, ((0xB, 3),))),
    # Two arrived 1 and 2 ms after the reference, one is missing, one came 300 ticks later: a vector of two bits.
    (
        "afcd0006 0000000a 0000000b 00050004 00000109 d480 04 04 012c 0002",
        rtcp.TransportFeedback(0xA, 0xB, 5, 1, 9, (4, 4, None, 300)),
    ),
    # Ten in a row, before the epoch's reference: a run.
    (
        "8fcd0007 0000000a 0000000b 0005000a ffffff09 200a 01010101 01010101 0101",
        rtcp.TransportFeedback(0xA, 0xB, 5, -1, 9, (1,) * 10),
    ),
    ("80cf0001 12345678", rtcp.Other(207, 0, b"\x12\x34\x56\x78")),
]


@pytest.mark.parametrize(("text", "packet"), VECTORS)
def test_bytes_and_meaning(text: str, packet: Any) -> None:
    data = bytes.fromhex(text)
    assert [packet] == rtcp.parse_compound(data)
    assert data == packet.pack()


def test_remb() -> None:
    """Mantissa 3, exponent 10."""
    data = bytes.fromhex("8fce0005 0000000a 00000000 52454d42 01280003 0000000b")
    assert [rtcp.Remb(0xA, 3 << 10, (0xB,))] == rtcp.parse_compound(data)


def test_compound() -> None:
    packets: list[Any] = [packet for _, packet in VECTORS]
    assert packets == rtcp.parse_compound(b"".join(packet.pack() for packet in packets))


def test_feedback_beyond_its_count_is_cut() -> None:
    """A run may be longer than the count says (libwebrtc writes none such, others do)."""
    data = bytes.fromhex("8fcd0005 0000000a 0000000b 00050002 00000009 2005 01 02")
    assert [rtcp.TransportFeedback(0xA, 0xB, 5, 0, 9, (1, 2))] == rtcp.parse_compound(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "80c900",
        "40c90001 0000000a",
        "80c90002 0000000a",
        "80c90000",
        "81c90001 0000000a",
        "80c80005 0000000a 83aa7e80 80000000 00000064 00000003",
        "81ca0000",
        "81ca0001 0000000a",
        "81ca0002 0000000a 01ff6161",
        "82ca0002 0000000a 00000000",
        "81cb0000",
        "81cb0002 0000000a 04616161",
        "81cd0001 0000000a",
        "81cd0003 0000000a 0000000b 00",
        "81ce0001 0000000a",
        "84ce0003 0000000a 00000000 0000000b",
        "8fcd0003 0000000a 0000000b 00050001",
        "8fcd0004 0000000a 0000000b 00050000 00000009",
        "8fcd0004 0000000a 0000000b 00050001 00000009",
        "8fcd0005 0000000a 0000000b 00050001 00000009 00000000",
        "8fcd0005 0000000a 0000000b 00050003 00000009 2003 0102",
        "8fcd0005 0000000a 0000000b 00050001 00000009 6001 0102",
        "8fce0005 0000000a 00000000 52454d42 02280003 0000000b",
        "a0c90001 00000000",
        "a0c90001 00000005",
        "80c90001 0000000a 80",
    ],
)
def test_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        rtcp.parse_compound(bytes.fromhex(text))


WORDS = st.integers(0, 0xFFFFFFFF)
BYTES = st.integers(0, 255)
BLOCKS = st.lists(
    st.builds(rtcp.ReportBlock, WORDS, BYTES, st.integers(-(1 << 23), (1 << 23) - 1), WORDS, WORDS, WORDS, WORDS),
    max_size=31,
).map(tuple)
CHUNKS = st.builds(
    rtcp.SdesChunk,
    WORDS,
    st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=255)), max_size=4).map(tuple),
)


def ascending(first: int, steps: list[int]) -> tuple[int, ...]:
    lost = [first]
    for step in steps:
        lost.append((lost[-1] + step) & 0xFFFF)
    return tuple(lost)


DELTAS = st.lists(
    st.one_of(
        st.lists(st.none() | st.integers(0, 255), min_size=1, max_size=20),
        st.lists(st.none() | st.integers(-32768, 32767), min_size=1, max_size=20),
        st.builds(lambda delta, count: [delta] * count, st.none() | st.integers(-300, 300), st.integers(1, 40)),
    ),
    min_size=1,
    max_size=5,
).map(lambda runs: tuple(delta for run in runs for delta in run))

PACKETS = st.one_of(
    st.builds(rtcp.SenderReport, WORDS, st.integers(0, (1 << 64) - 1), WORDS, WORDS, WORDS, BLOCKS),
    st.builds(rtcp.ReceiverReport, WORDS, BLOCKS),
    st.builds(rtcp.Sdes, st.lists(CHUNKS, max_size=5).map(tuple)),
    st.builds(rtcp.Bye, st.lists(WORDS, max_size=31).map(tuple), st.binary(max_size=255)),
    st.builds(
        rtcp.Nack,
        WORDS,
        WORDS,
        st.builds(ascending, st.integers(0, 0xFFFF), st.lists(st.integers(1, 40), max_size=60)),
    ),
    st.builds(rtcp.Pli, WORDS, WORDS),
    st.builds(rtcp.Fir, WORDS, st.lists(st.tuples(WORDS, BYTES), max_size=5).map(tuple)),
    st.builds(
        rtcp.TransportFeedback,
        WORDS,
        WORDS,
        st.integers(0, 0xFFFF),
        st.integers(-(1 << 23), (1 << 23) - 1),
        BYTES,
        DELTAS,
    ),
)


@given(st.lists(PACKETS, min_size=1, max_size=4))
def test_what_is_packed_is_parsed_back(packets: list[Any]) -> None:
    assert packets == rtcp.parse_compound(b"".join(packet.pack() for packet in packets))


@given(st.binary(max_size=120), PACKETS, st.integers(0, 200), st.sampled_from([200, 201, 202, 203, 205, 206]), BYTES)
def test_whatever_comes_is_parsed_or_malformed(
    garbage: bytes, packet: Any, at: int, packet_type: int, first: int
) -> None:
    """Garbage, garbage behind a good header, and packets cut short or stretched."""
    good = packet.pack()
    body = garbage[: len(garbage) // 4 * 4]
    headed = bytes([0x80 | first & 0x3F, packet_type]) + (len(body) // 4).to_bytes(2, "big") + body
    for data in (garbage, headed, good[:at], good[:at] + garbage + good[at:]):
        try:
            rtcp.parse_compound(data)
        except Malformed:
            continue
