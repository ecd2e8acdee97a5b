"""RTP packets against hand-made bytes, against themselves, and against garbage."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire import Malformed, rtp

HEADER = bytes.fromhex("80 e0 1234 00000064 deadbeef")


def test_header() -> None:
    packet = rtp.Packet(96, 0x1234, 100, 0xDEADBEEF, payload=b"abc", marker=True)
    assert HEADER + b"abc" == packet.pack()
    assert packet == rtp.parse(HEADER + b"abc")


def test_one_byte_extensions() -> None:
    """RFC 8285 4.2, with the padding in the middle that it allows."""
    data = b"\x90" + HEADER[1:] + bytes.fromhex("bede 0002 1085 00 00 31 0102 00") + b"x"
    packet = rtp.parse(data)
    assert ((1, b"\x85"), (3, b"\x01\x02")) == packet.extensions
    assert (b"x", b"\x85", None) == (packet.payload, packet.extension(1), packet.extension(2))
    assert (5, True) == rtp.audio_level(packet.extensions[0][1])
    assert 0x0102 == rtp.twcc_sequence(packet.extensions[1][1])


def test_two_byte_extensions() -> None:
    """RFC 8285 4.3: an element may be empty, or longer than 16 bytes."""
    data = b"\x90" + HEADER[1:] + bytes.fromhex("1003 0002 1000 00 20 01 aa 0000")
    assert ((16, b""), (32, b"\xaa")) == rtp.parse(data).extensions
    long = rtp.Packet(96, 1, 2, 3, extensions=((1, bytes(20)),))
    assert b"\x10\x00" == long.pack()[12:14]


@pytest.mark.parametrize("end", ["f0", "01"], ids=["id 15", "id 0 with a length"])
def test_what_ends_the_parsing_of_extensions(end: str) -> None:
    data = b"\x90" + HEADER[1:] + bytes.fromhex("bede 0001 10 85") + bytes.fromhex(end) + b"\x20"
    assert ((1, b"\x85"),) == rtp.parse(data).extensions


def test_extensions_of_another_profile_are_skipped() -> None:
    data = b"\x90" + HEADER[1:] + bytes.fromhex("abcd 0001 ffffffff") + b"x"
    assert ((), b"x") == (rtp.parse(data).extensions, rtp.parse(data).payload)


def test_padding() -> None:
    data = b"\xa0" + HEADER[1:] + b"abc\x00\x02"
    assert rtp.Packet(96, 0x1234, 100, 0xDEADBEEF, b"abc", True, padding=2) == rtp.parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEADER[:11],
        b"\x40" + HEADER[1:],
        b"\x81" + HEADER[1:],
        b"\x90" + HEADER[1:],
        b"\x90" + HEADER[1:] + bytes.fromhex("bede 0001"),
        b"\x90" + HEADER[1:] + bytes.fromhex("bede ffff 00000000"),
        b"\x90" + HEADER[1:] + bytes.fromhex("bede 0001 1f000000"),
        b"\x90" + HEADER[1:] + bytes.fromhex("1000 0001 00000010"),
        b"\x90" + HEADER[1:] + bytes.fromhex("1000 0001 10030000"),
        b"\xa0" + HEADER[1:],
        b"\xa0" + HEADER[1:] + b"ab\x00",
        b"\xa0" + HEADER[1:] + b"ab\x04",
        b"\xb0" + HEADER[1:] + bytes.fromhex("bede 0001 10000004"),
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        rtp.parse(data)


def test_retransmission_carries_the_original() -> None:
    """RFC 4588 4, apart from the padding, which need not survive."""
    packet = rtp.Packet(96, 65535, 100, 1, b"abc", True, (7,), ((1, b"0"),))
    repeated = rtp.retransmission(packet, 97, 2, 12)
    assert (97, 12, 2, b"\xff\xffabc") == (
        repeated.payload_type,
        repeated.sequence,
        repeated.ssrc,
        repeated.payload,
    )
    assert packet == rtp.original(rtp.parse(repeated.pack()), 96, 1)
    with pytest.raises(Malformed):
        rtp.original(rtp.Packet(97, 1, 2, 3, b"x"), 96, 1)


@pytest.mark.parametrize(("read", "value"), [(rtp.audio_level, b""), (rtp.twcc_sequence, b"\x01")])
def test_short_extension_values(read: Any, value: bytes) -> None:
    with pytest.raises(Malformed):
        read(value)


PACKETS = st.builds(
    rtp.Packet,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    payload=st.binary(max_size=40),
    marker=st.booleans(),
    csrcs=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
    extensions=st.lists(
        st.tuples(st.integers(1, 14), st.binary(min_size=1, max_size=16))
        | st.tuples(st.integers(1, 255), st.binary(max_size=40)),
        max_size=5,
    ).map(tuple),
    padding=st.integers(0, 255),
)


@given(PACKETS)
def test_what_is_packed_is_parsed_back(packet: rtp.Packet) -> None:
    assert packet == rtp.parse(packet.pack())


@given(st.binary(max_size=80), PACKETS, st.integers(0, 200))
def test_whatever_comes_is_parsed_or_malformed(garbage: bytes, packet: rtp.Packet, at: int) -> None:
    """Garbage, garbage behind a good start, and packets cut short."""
    good = packet.pack()
    for data in (garbage, b"\xb0" + garbage, good[:at], good[:at] + garbage + good[at:]):
        try:
            parsed = rtp.parse(data)
        except Malformed:
            continue
        assert parsed == rtp.parse(parsed.pack())
