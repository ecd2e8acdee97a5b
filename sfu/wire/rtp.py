"""RTP packets: RFC 3550 5.1, header extensions of RFC 8285, retransmissions of RFC 4588.

The clear and slow twin of what `native/rtp.pxd` does in place: tests and the oracle use it, no media path does.
`parse` raises `Malformed` and nothing else; `parse(packet.pack()) == packet` for every packet that `pack` can write.

A header extension of a profile that RFC 8285 does not define is skipped, as RFC 3550 5.3.1 allows.
"""

import struct
from typing import Final

import attrs

from sfu.wire import Malformed

ONE_BYTE: Final = 0xBEDE
TWO_BYTE: Final = 0x1000  # RFC 8285 4.3: the low four bits are appbits, which mean nothing here

HEADER: Final = struct.Struct("!BBHII")


@attrs.frozen
class Packet:
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes = b""
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    extensions: tuple[tuple[int, bytes], ...] = ()
    padding: int = 0
    """Bytes of padding behind the payload, the count itself included; 0 for none."""

    def extension(self, number: int) -> bytes | None:
        return next((value for each, value in self.extensions if each == number), None)

    def pack(self) -> bytes:
        first = 0x80 | (0x20 if self.padding else 0) | (0x10 if self.extensions else 0) | len(self.csrcs)
        second = (0x80 if self.marker else 0) | self.payload_type
        parts = [HEADER.pack(first, second, self.sequence, self.timestamp, self.ssrc)]
        parts += [csrc.to_bytes(4, "big") for csrc in self.csrcs]
        if self.extensions:
            parts.append(_pack_extensions(self.extensions))
        parts.append(self.payload)
        if self.padding:
            parts.append(bytes(self.padding - 1) + bytes([self.padding]))
        return b"".join(parts)


def parse(data: bytes) -> Packet:
    if len(data) < HEADER.size:
        raise Malformed("RTP packet shorter than its header")
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise Malformed("RTP version is not 2")
    start = HEADER.size + 4 * (first & 0x0F)
    if len(data) < start:
        raise Malformed("RTP packet ends within its CSRCs")
    csrcs = struct.unpack_from(f"!{first & 0x0F}I", data, HEADER.size)
    extensions: tuple[tuple[int, bytes], ...] = ()
    if first & 0x10:
        if len(data) < start + 4:
            raise Malformed("RTP packet ends within its extension header")
        profile, words = struct.unpack_from("!HH", data, start)
        block = data[start + 4 : start + 4 + 4 * words]
        start += 4 + 4 * words
        if len(data) < start:
            raise Malformed("RTP packet ends within its extensions")
        if profile == ONE_BYTE:
            extensions = _one_byte_extensions(block)
        elif profile & 0xFFF0 == TWO_BYTE:
            extensions = _two_byte_extensions(block)
    padding = 0
    if first & 0x20:
        padding = data[-1] if len(data) > start else 0
        if not 0 < padding <= len(data) - start:
            raise Malformed("RTP padding longer than the payload")
    return Packet(
        payload_type=second & 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=data[start : len(data) - padding],
        marker=bool(second & 0x80),
        csrcs=csrcs,
        extensions=extensions,
        padding=padding,
    )


def retransmission(packet: Packet, payload_type: int, ssrc: int, sequence: int) -> Packet:
    """RFC 4588 4: the packet once more, on the RTX stream; padding of the original is not repeated."""
    payload = packet.sequence.to_bytes(2, "big") + packet.payload
    return attrs.evolve(packet, payload_type=payload_type, ssrc=ssrc, sequence=sequence, payload=payload, padding=0)


def original(packet: Packet, payload_type: int, ssrc: int) -> Packet:
    """The packet that a retransmission carries."""
    if len(packet.payload) < 2:
        raise Malformed("RTX packet without an original sequence number")
    sequence = int.from_bytes(packet.payload[:2], "big")
    return attrs.evolve(
        packet, payload_type=payload_type, ssrc=ssrc, sequence=sequence, payload=packet.payload[2:], padding=0
    )


def audio_level(value: bytes) -> tuple[int, bool]:
    """RFC 6464 3: the level in -dBov, 0 the loudest and 127 silence, and whether it is a voice."""
    if not value:
        raise Malformed("empty audio level")
    return value[0] & 0x7F, bool(value[0] & 0x80)


def twcc_sequence(value: bytes) -> int:
    """draft-holmer-rmcat-transport-wide-cc-extensions-01 2; its version 02 appends two bytes that are skipped here."""
    if len(value) < 2:
        raise Malformed("short transport-wide sequence number")
    return int.from_bytes(value[:2], "big")


def _one_byte_extensions(block: bytes) -> tuple[tuple[int, bytes], ...]:
    found = []
    at = 0
    while at < len(block):
        number, length = block[at] >> 4, (block[at] & 0x0F) + 1
        at += 1
        if number == 0 and length == 1:
            continue
        # RFC 8285 4.2: id 15, and id 0 with a length, end the parsing; what came before counts.
        if number in (0, 15):
            break
        if at + length > len(block):
            raise Malformed("RTP extension element longer than its block")
        found.append((number, block[at : at + length]))
        at += length
    return tuple(found)


def _two_byte_extensions(block: bytes) -> tuple[tuple[int, bytes], ...]:
    found = []
    at = 0
    while at < len(block):
        number = block[at]
        at += 1
        if number == 0:
            continue
        if at == len(block) or at + 1 + block[at] > len(block):
            raise Malformed("RTP extension element longer than its block")
        length = block[at]
        found.append((number, block[at + 1 : at + 1 + length]))
        at += 1 + length
    return tuple(found)


def _pack_extensions(extensions: tuple[tuple[int, bytes], ...]) -> bytes:
    """In the one-byte form if all fit it, else in the two-byte form."""
    if all(0 < number < 15 and 0 < len(value) <= 16 for number, value in extensions):
        profile = ONE_BYTE
        block = b"".join(bytes([number << 4 | len(value) - 1]) + value for number, value in extensions)
    else:
        profile = TWO_BYTE
        block = b"".join(bytes([number, len(value)]) + value for number, value in extensions)
    block += bytes(-len(block) % 4)
    return struct.pack("!HH", profile, len(block) // 4) + block
