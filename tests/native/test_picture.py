"""Sizes of pictures: as encoders write them, as the specifications have them, and nothing from anything else."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native import testing as native

VP8, H264, OPUS = native.CODEC_VP8, native.CODEC_H264, native.CODEC_OPUS
SIZES = [(640, 360), (1280, 720), (2, 2), (176, 144), (322, 182), (16, 4096)]


def encoded(codec: str, width: int, height: int, **options: str) -> bytes:
    """A key frame of an encoder that is in use."""
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.options = options
    context.framerate, context.time_base = Fraction(30), Fraction(1, 30)
    frames = [*context.encode(av.VideoFrame(width, height, "yuv420p")), *context.encode(None)]
    return bytes(frames[0])


def vp8_packet(frame: bytes) -> bytes:
    return b"\x90\x80\x81\x23" + frame  # X, I and a 15-bit picture id; S and partition 0


def nal_units(stream: bytes) -> list[bytes]:
    """Of a stream of H.264, annex B."""
    return [unit.rstrip(b"\0") for unit in stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_vp8_as_libvpx_writes_it(width: int, height: int) -> None:
    assert native.picture_size(VP8, vp8_packet(encoded("libvpx", width, height))) == (width, height)


@pytest.mark.parametrize(("width", "height"), SIZES[:5])
@pytest.mark.parametrize("profile", ["baseline", "main"])
def test_h264_as_x264_writes_it(width: int, height: int, profile: str) -> None:
    units = nal_units(encoded("libx264", width, height, profile=profile, tune="zerolatency"))
    (sps,) = [unit for unit in units if unit[0] & 31 == 7]
    assert native.picture_size(H264, sps) == (width, height)
    others = [unit for unit in units if unit[0] & 31 != 7]
    bundle = b"".join(len(unit).to_bytes(2, "big") + unit for unit in [others[0], sps])
    assert native.picture_size(H264, b"\x78" + bundle) == (width, height)
    assert all(native.picture_size(H264, unit) is None for unit in others)


class Bits:
    """What a parameter set is written with (H.264 7.2, 9.1)."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, value: int, bits: int = 1) -> None:
        self.text += f"{value:0{bits}b}"

    def ue(self, *values: int) -> None:
        for value in values:
            self.text += f"{value + 1:b}".rjust(2 * (value + 1).bit_length() - 1, "0")

    def nal(self) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        out = b""
        for byte in int(text, 2).to_bytes(len(text) // 8, "big"):
            if out[-2:] == b"\0\0" and byte <= 3:
                out += b"\3"  # emulation prevention
            out += bytes([byte])
        return b"\x67" + out


def sps(
    width_mbs: int,
    height_mbs: int,
    crop: tuple[int, int, int, int] | None = None,
    frames_only: bool = True,
    order: int = 2,
    cycle: int = 0,
    profile: int = 66,
) -> bytes:
    bits = Bits()
    bits.u(profile, 8)
    bits.u(0, 8)  # no constraint: with a low level, zeros in a row
    bits.u(0, 8)
    bits.ue(0, 0, order)
    if order == 0:
        bits.ue(4)
    if order == 1:
        bits.u(0)
        bits.ue(7, 8, cycle)
        bits.ue(*[0xFFFF] * cycle)
    bits.ue(1)
    bits.u(0)
    bits.ue(width_mbs - 1, height_mbs - 1)
    bits.u(int(frames_only))
    if not frames_only:
        bits.u(0)
    bits.u(1)
    bits.u(int(crop is not None))
    if crop is not None:
        bits.ue(*crop)
    bits.u(0)
    return bits.nal()


PARAMETER_SETS = {
    "plain": (sps(40, 23), (640, 368)),
    "cut below": (sps(40, 23, (0, 0, 0, 4)), (640, 360)),
    "cut on all sides": (sps(40, 23, (1, 2, 3, 4)), (634, 354)),
    "fields": (sps(40, 18, frames_only=False), (640, 576)),
    "fields, cut": (sps(40, 18, (0, 0, 0, 9), frames_only=False), (640, 540)),
    "order by least bits": (sps(40, 23, order=0), (640, 368)),
    "order by a cycle": (sps(40, 23, order=1, cycle=5), (640, 368)),
    "a long cycle": (sps(40, 23, order=1, cycle=50), (640, 368)),
    "a cycle that is longer than what is read": (sps(40, 23, order=1, cycle=70), None),
    "a cycle that is longer than any": (sps(40, 23, order=1, cycle=256), None),
    "the smallest": (sps(1, 1), (16, 16)),
    "the largest": (sps(1023, 1023), (16368, 16368)),
    "larger": (sps(1024, 10), None),
    "cut to nothing": (sps(1, 1, (4, 4, 0, 0)), None),
    "cut to less than nothing": (sps(1, 1, (0, 0, 70000, 70000)), None),
    "high profile": (sps(40, 23, profile=100), None),
}


@pytest.mark.parametrize(("packet", "size"), PARAMETER_SETS.values(), ids=PARAMETER_SETS.keys())
def test_parameter_sets(packet: bytes, size: tuple[int, int] | None) -> None:
    assert native.picture_size(H264, packet) == size


def test_what_is_cut_off_says_nothing() -> None:
    frame = vp8_packet(b"\x10\x00\x00\x9d\x01\x2a\x80\x02\x68\x01")
    assert native.picture_size(VP8, frame) == (640, 360)
    parameters = sps(40, 23, (0, 0, 0, 4))[:-1]  # the last byte has the end alone
    for packet, codec in ((frame, VP8), (parameters, H264)):
        assert native.picture_size(codec, packet) == (640, 360)
        for size in range(len(packet) - (codec == H264)):
            assert native.picture_size(codec, packet[:size]) is None


NO_SIZE = {
    "vp8, scaling bits": (VP8, b"\x10\x10\x00\x00\x9d\x01\x2a\x80\xc2\x68\x81", (640, 360)),
    "vp8, another start code": (VP8, b"\x10\x10\x00\x00\x9d\x01\x2b\x80\x02\x68\x01", None),
    "vp8, no width": (VP8, b"\x10\x10\x00\x00\x9d\x01\x2a\x00\x00\x68\x01", None),
    "vp8, no key frame": (VP8, b"\x10\x11\x00\x00\x9d\x01\x2a\x80\x02\x68\x01", None),
    "vp8, another partition": (VP8, b"\x11\x10\x00\x00\x9d\x01\x2a\x80\x02\x68\x01", None),
    "sound": (OPUS, b"\x10\x10\x00\x00\x9d\x01\x2a\x80\x02\x68\x01", None),
}


@pytest.mark.parametrize(("codec", "packet", "size"), NO_SIZE.values(), ids=NO_SIZE.keys())
def test_headers(codec: int, packet: bytes, size: tuple[int, int] | None) -> None:
    assert native.picture_size(codec, packet) == size


@settings(deadline=None, max_examples=500)
@given(
    st.sampled_from([VP8, H264]), st.sampled_from([b"", b"\x67", b"\x78\x00\x14\x67", b"\x10"]), st.binary(max_size=300)
)
def test_any_bytes(codec: int, head: bytes, body: bytes) -> None:
    """Nothing outside the packet is read: the block has exactly its size."""
    found = native.picture_size(codec, head + body)
    assert found is None or all(1 <= side <= 16383 for side in found)
