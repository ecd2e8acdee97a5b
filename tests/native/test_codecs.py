"""Payload descriptors: where a picture can be entered, and VP8's counters over a change of the source."""

from __future__ import annotations

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from native import testing as native

VP8, H264, OPUS, OTHER = native.CODEC_VP8, native.CODEC_H264, native.CODEC_OPUS, native.CODEC_OTHER

KEY = b"\x10\x00data"  # S, partition 0; P = 0
DELTA = b"\x10\x01data"


@pytest.mark.parametrize(
    ("payload", "starts"),
    [
        (KEY, True),
        (DELTA, False),
        (b"\x00\x00data", False),  # not the start of a partition
        (b"\x11\x00data", False),  # a later partition
        (b"\x30\x00data", True),  # N: non-reference does not matter
        (b"\x90\x80\x11\x00d", True),  # 7-bit picture id
        (b"\x90\x80\x91\x22\x00d", True),  # 15-bit
        (b"\x90\x80\x91\x22\x01d", False),
        (b"\x90\xf0\x91\x22\x05\x20\x00d", True),
        (b"\x90\x80\x91\x22", False),  # nothing behind the descriptor
        (b"\x10", False),
        (b"", False),
    ],
)
def test_vp8_key_frames(payload: bytes, starts: bool):
    assert native.is_keyframe_start(VP8, payload) is starts


SPS, PPS, IDR, SLICE, SEI, AUD = b"\x67\x42\xe0", b"\x68\xce", b"\x65\x88\x80", b"\x41\x9a", b"\x06\x05", b"\x09\xf0"


def stap(*units: bytes) -> bytes:
    return b"\x78" + b"".join(len(unit).to_bytes(2) + unit for unit in units)


@pytest.mark.parametrize(
    ("payload", "starts"),
    [
        (SPS, True),
        (IDR, True),
        (PPS, False),
        (SLICE, False),
        (stap(SPS, PPS), True),
        (stap(AUD, SEI, SPS, PPS, IDR), True),
        (stap(SEI, SLICE), False),
        (stap(SPS, PPS)[:-1], False),  # the last unit reaches over the end
        (stap(SPS) + b"\x00", False),
        (stap(SPS) + b"\x00\x00", False),  # an empty unit
        (b"\x78", False),
        (b"\x7c\x85\x88", True),  # FU-A, start, IDR
        (b"\x7c\x87\x42", True),  # start, SPS
        (b"\x7c\x05\x88", False),  # middle of an IDR
        (b"\x7c\x45\x88", False),  # its end
        (b"\x7c\x81\x9a", False),  # start of another slice
        (b"\x7c\x85", False),  # nothing in it
        (b"\x7c", False),
        (b"\x65", False),
        (b"", False),
    ],
)
def test_h264_key_frames(payload: bytes, starts: bool):
    assert native.is_keyframe_start(H264, payload) is starts


@pytest.mark.parametrize("codec", [OPUS, OTHER])
def test_sound_can_be_entered_anywhere(codec: int):
    assert native.is_keyframe_start(codec, b"\x00\x01\x02")
    assert native.is_keyframe_start(codec, b"")


def descriptor(
    picture_id: tuple[int, int] | None = None, tl0: int | None = None, tid: int | None = None, keyidx: int | None = None
) -> bytes:
    """RFC 7741 4.2, written out; picture_id is (value, bits)."""
    flags = (
        0x80 * (picture_id is not None)
        | 0x40 * (tl0 is not None)
        | 0x20 * (tid is not None)
        | 0x10 * (keyidx is not None)
    )
    if not flags:
        return b"\x10"
    out = bytes([0x90, flags])
    if picture_id is not None:
        value, bits = picture_id
        out += bytes([value]) if bits == 7 else (value | 0x8000).to_bytes(2)
    if tl0 is not None:
        out += bytes([tl0])
    if tid is not None or keyidx is not None:
        out += bytes([(tid or 0) << 6 | (keyidx or 0)])
    return out


picture_ids = st.one_of(
    st.tuples(st.integers(0, 127), st.just(7)), st.tuples(st.integers(0, 0x7FFF), st.just(15)), st.none()
)


@settings(deadline=None)
@given(picture_ids, st.none() | st.integers(0, 255), st.none() | st.integers(0, 3), st.none() | st.integers(0, 31))
def test_every_vp8_descriptor_is_read(picture_id, tl0, tid, keyidx):
    packet = descriptor(picture_id, tl0, tid, keyidx)
    expected: dict[str, object] = {"size": len(packet), "starts_frame": True, "key": False}
    if picture_id is not None:
        expected |= {"picture_id": picture_id[0], "picture_id_bits": picture_id[1]}
    if tl0 is not None:
        expected["tl0picidx"] = tl0
    if tid is not None:
        expected["tid"] = (tid, 0)
    if keyidx is not None:
        expected["keyidx"] = keyidx
    assert native.vp8_parse(packet + b"\x01rest") == expected
    for cut in range(len(packet) + 1):
        assert native.vp8_parse(packet[:cut]) is None


@settings(deadline=None)
@given(st.binary(max_size=12))
def test_vp8_agrees_with_aiortc(payload: bytes):
    """Where aiortc reads a descriptor, we read the same; where it refuses one, so do we."""
    found = native.vp8_parse(payload)
    try:
        theirs, rest = VpxPayloadDescriptor.parse(payload)
    except ValueError:
        assert found is None
        return
    if not rest:
        assert found is None
        return
    assert found is not None
    assert found.get("picture_id") == theirs.picture_id
    assert found.get("tl0picidx") == theirs.tl0picidx
    assert found.get("tid") == theirs.tid
    assert found.get("keyidx") == theirs.keyidx
    assert found["size"] == len(payload) - len(rest)
    # aiortc takes the reserved bit beside the three of PID for a fourth; RFC 7741 4.2 has receivers ignore it.
    assert found["starts_frame"] == bool(theirs.partition_start and theirs.partition_id & 7 == 0)


@settings(deadline=None)
@given(st.sampled_from([VP8, H264, OPUS, OTHER, 99]), st.binary(max_size=40))
def test_random_bytes_harm_nothing(codec: int, payload: bytes):
    native.is_keyframe_start(codec, payload)
    out = native.VpMap().rewrite(payload)
    assert out in (None, payload)  # the first source keeps its numbers


# ---- rewriting -----------------------------------------------------------------------------------------


def sent(m: native.VpMap, picture_id: tuple[int, int] | None, tl0: int | None = None) -> tuple[int | None, int | None]:
    payload = m.rewrite(descriptor(picture_id, tl0) + b"\x01rest")
    assert payload is not None
    assert payload.endswith(b"\x01rest")
    found = native.vp8_parse(payload)
    assert found.get("picture_id_bits") == (picture_id[1] if picture_id else None)
    return found.get("picture_id"), found.get("tl0picidx")


@pytest.mark.parametrize("start", [0, 1, 126, 127, 128, 0x3FFF, 0x4000, 0x7FFD, 0x7FFE, 0x7FFF])
@pytest.mark.parametrize("second", [0, 1, 0x3FFF, 0x4000, 0x7FFF])
def test_picture_ids_go_on_over_a_switch(start: int, second: int):
    m = native.VpMap()
    before = [sent(m, ((start + n) & 0x7FFF, 15), (250 + n) & 255) for n in range(10)]
    m.switch()
    after = [sent(m, ((second + n) & 0x7FFF, 15), (3 + n) & 255) for n in range(10)]
    assert before + after == [((start + n) & 0x7FFF, (250 + n) & 255) for n in range(20)]


@pytest.mark.parametrize("bits", [7, 15])
def test_packets_of_one_picture_share_its_number_and_late_ones_keep_theirs(bits: int):
    m = native.VpMap()
    sent(m, (100, bits), 50)
    m.switch()
    numbers = [sent(m, (n, bits), n) for n in (70, 70, 72, 73, 71)]
    assert numbers == [(101, 51), (101, 51), (103, 53), (104, 54), (102, 52)]
    m.switch()  # what was late is not the newest
    assert sent(m, (0, bits), 0) == (105, 55)


@pytest.mark.parametrize(("first", "then"), [(7, 7), (15, 7), (7, 15), (15, 15)])
def test_each_source_keeps_its_field_width(first: int, then: int):
    m = native.VpMap()
    top = (1 << min(first, then)) - 1
    for n in range(120, 126):
        sent(m, (n, first))
    m.switch()
    ids = [sent(m, (n, then))[0] for n in (40, 41, 42, 43)]
    assert [i & top for i in ids] == [n & top for n in (126, 127, 128, 129)]


def test_a_source_without_numbers_does_not_lose_the_count():
    m = native.VpMap()
    assert sent(m, (9, 15), 4) == (9, 4)
    m.switch()
    assert sent(m, None) == (None, None)
    m.switch()
    assert sent(m, (500, 15), 60) == (10, 5)


def test_a_count_that_begins_late_begins_with_the_sources_own_number():
    m = native.VpMap()
    sent(m, None)
    m.switch()
    assert sent(m, (500, 15), 60) == (500, 60)


def test_seven_bits_count_on_through_many_rounds():
    m = native.VpMap()
    for n in range(1000):
        assert sent(m, (n & 127, 7))[0] == n & 127
    m.switch()
    assert sent(m, (0, 15))[0] == 1000
