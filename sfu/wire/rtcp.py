"""RTCP packets: RFC 3550 6 (SR, RR, SDES, BYE), RFC 4585 (NACK, PLI), RFC 5104 (FIR), and the two feedback drafts
that browsers use: transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01) and REMB
(draft-alvestrand-rmcat-remb-03, read only).

Reduced-size packets (RFC 5506) are taken as well as compound ones. A packet of another type becomes `Other`, so that
nothing of a compound is lost. `parse_compound` raises `Malformed` and nothing else; a datagram with one bad packet is
bad as a whole. `parse_compound(packet.pack()) == [packet]` for every packet that `pack` can write.
"""

import struct
from typing import Final

import attrs

from sfu.wire import Malformed

SR: Final = 200
RR: Final = 201
SDES: Final = 202
BYE: Final = 203
RTPFB: Final = 205
PSFB: Final = 206

FMT_NACK: Final = 1
FMT_TWCC: Final = 15
FMT_PLI: Final = 1
FMT_FIR: Final = 4
FMT_AFB: Final = 15

CNAME: Final = 1


@attrs.frozen
class ReportBlock:
    """RFC 3550 6.4.1. `lsr` and `dlsr` are in 1/65536 s; `cumulative_lost` may be negative (duplicates)."""

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    lsr: int = 0
    dlsr: int = 0

    def pack(self) -> bytes:
        lost = self.fraction_lost << 24 | self.cumulative_lost & 0xFFFFFF
        return struct.pack("!6I", self.ssrc, lost, self.highest_sequence, self.jitter, self.lsr, self.dlsr)


@attrs.frozen
class SenderReport:
    ssrc: int
    ntp: int
    """64-bit NTP time: seconds in the upper half, their 2^-32 parts in the lower."""
    rtp_timestamp: int
    packets: int
    octets: int
    reports: tuple[ReportBlock, ...] = ()

    def pack(self) -> bytes:
        body = struct.pack("!IQIII", self.ssrc, self.ntp, self.rtp_timestamp, self.packets, self.octets)
        return _pack(SR, len(self.reports), body + b"".join(report.pack() for report in self.reports))


@attrs.frozen
class ReceiverReport:
    ssrc: int
    reports: tuple[ReportBlock, ...] = ()

    def pack(self) -> bytes:
        body = self.ssrc.to_bytes(4, "big") + b"".join(report.pack() for report in self.reports)
        return _pack(RR, len(self.reports), body)


@attrs.frozen
class SdesChunk:
    """One source's items, (type, text); texts stay bytes, for peers send what they like."""

    ssrc: int
    items: tuple[tuple[int, bytes], ...]

    def pack(self) -> bytes:
        body = self.ssrc.to_bytes(4, "big")
        body += b"".join(bytes([kind, len(text)]) + text for kind, text in self.items)
        # RFC 3550 6.5: at least one zero ends the list, and zeros fill up the word.
        return body + bytes(4 - len(body) % 4)


@attrs.frozen
class Sdes:
    chunks: tuple[SdesChunk, ...]

    def pack(self) -> bytes:
        return _pack(SDES, len(self.chunks), b"".join(chunk.pack() for chunk in self.chunks))


@attrs.frozen
class Bye:
    ssrcs: tuple[int, ...]
    reason: bytes = b""

    def pack(self) -> bytes:
        body = struct.pack(f"!{len(self.ssrcs)}I", *self.ssrcs)
        if self.reason:
            body += bytes([len(self.reason)]) + self.reason
        return _pack(BYE, len(self.ssrcs), body + bytes(-len(body) % 4))


@attrs.frozen
class Nack:
    """RFC 4585 6.2.1; `lost` ascends (modulo 2^16), as the bit masks do."""

    sender_ssrc: int
    media_ssrc: int
    lost: tuple[int, ...]

    def pack(self) -> bytes:
        pairs: list[list[int]] = []
        for sequence in self.lost:
            after = (sequence - pairs[-1][0] - 1) & 0xFFFF if pairs else 0xFFFF
            if after < 16:
                pairs[-1][1] |= 1 << after
            else:
                pairs.append([sequence, 0])
        body = b"".join(struct.pack("!HH", first, mask) for first, mask in pairs)
        return _pack(RTPFB, FMT_NACK, struct.pack("!II", self.sender_ssrc, self.media_ssrc) + body)


@attrs.frozen
class Pli:
    sender_ssrc: int
    media_ssrc: int

    def pack(self) -> bytes:
        return _pack(PSFB, FMT_PLI, struct.pack("!II", self.sender_ssrc, self.media_ssrc))


@attrs.frozen
class Fir:
    """RFC 5104 4.3.1: (media SSRC, command number) of each stream that is to send a key frame."""

    sender_ssrc: int
    requests: tuple[tuple[int, int], ...]

    def pack(self) -> bytes:
        body = b"".join(struct.pack("!IB3x", ssrc, number) for ssrc, number in self.requests)
        return _pack(PSFB, FMT_FIR, struct.pack("!II", self.sender_ssrc, 0) + body)


@attrs.frozen
class TransportFeedback:
    """What arrived of the packets from `base_sequence` on, and when.

    `deltas` has one entry a packet: None if it is missing, else the ticks of 250 µs since the packet before it that did
    arrive; for the first one since `reference_time`, which counts 64 ms and is signed, 24 bits.
    """

    sender_ssrc: int
    media_ssrc: int
    base_sequence: int
    reference_time: int
    feedback_count: int
    deltas: tuple[int | None, ...]

    def pack(self) -> bytes:
        symbols = [0 if delta is None else 1 if 0 <= delta <= 255 else 2 for delta in self.deltas]
        body = struct.pack("!IIHH", self.sender_ssrc, self.media_ssrc, self.base_sequence, len(symbols))
        body += (self.reference_time & 0xFFFFFF).to_bytes(3, "big") + bytes([self.feedback_count])
        body += _pack_symbols(symbols)
        for delta in self.deltas:
            if delta is not None:
                body += bytes([delta]) if 0 <= delta <= 255 else struct.pack("!h", delta)
        return _pack(RTPFB, FMT_TWCC, body, padded=True)


@attrs.frozen
class Remb:
    """Receiver Estimated Maximum Bitrate; aiortc and old browsers send it, nothing of ours does."""

    sender_ssrc: int
    bitrate_bps: int
    ssrcs: tuple[int, ...]


@attrs.frozen
class Other:
    """A packet of a type or format that is not read here (XR, APP, other feedback); `body` begins after the header."""

    packet_type: int
    count: int
    body: bytes

    def pack(self) -> bytes:
        return _pack(self.packet_type, self.count, self.body)


Packet = SenderReport | ReceiverReport | Sdes | Bye | Nack | Pli | Fir | TransportFeedback | Remb | Other


def parse_compound(data: bytes) -> list[Packet]:
    if not data:
        raise Malformed("empty RTCP")
    packets = []
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise Malformed("RTCP ends within a header")
        first, packet_type, words = struct.unpack_from("!BBH", data, at)
        end = at + 4 + 4 * words
        if first >> 6 != 2:
            raise Malformed("RTCP version is not 2")
        if end > len(data):
            raise Malformed("RTCP packet longer than the datagram")
        body = data[at + 4 : end]
        if first & 0x20:
            # RFC 3550 6.4.1 allows padding on the last packet alone; TWCC feedback is padded wherever it stands.
            if not body or not 0 < body[-1] <= len(body):
                raise Malformed("RTCP padding")
            body = body[: len(body) - body[-1]]
        packets.append(_parse(packet_type, first & 0x1F, body))
        at = end
    return packets


def _pack(packet_type: int, count: int, body: bytes, padded: bool = False) -> bytes:
    padding = -len(body) % 4 if padded else 0
    if padding:
        body += bytes(padding - 1) + bytes([padding])
    return struct.pack("!BBH", 0x80 | (0x20 if padding else 0) | count, packet_type, len(body) // 4) + body


def _parse(packet_type: int, count: int, body: bytes) -> Packet:
    try:
        if packet_type == SR:
            ssrc, ntp, rtp_timestamp, packets, octets = struct.unpack_from("!IQIII", body)
            return SenderReport(ssrc, ntp, rtp_timestamp, packets, octets, _reports(body, 24, count))
        if packet_type == RR:
            return ReceiverReport(int(struct.unpack_from("!I", body)[0]), _reports(body, 4, count))
        if packet_type == SDES:
            return _sdes(body, count)
        if packet_type == BYE:
            return _bye(body, count)
        if packet_type == RTPFB and count == FMT_NACK:
            return _nack(body)
        if packet_type == RTPFB and count == FMT_TWCC:
            return _transport_feedback(body)
        if packet_type == PSFB and count == FMT_PLI:
            return Pli(*struct.unpack_from("!II", body))
        if packet_type == PSFB and count == FMT_FIR:
            sender_ssrc, _ = struct.unpack_from("!II", body)
            return Fir(sender_ssrc, tuple(struct.iter_unpack("!IB3x", body[8:])))
        if packet_type == PSFB and count == FMT_AFB and body[8:12] == b"REMB":
            return _remb(body)
    except struct.error:
        raise Malformed(f"short RTCP packet of type {packet_type}") from None
    return Other(packet_type, count, body)


def _reports(body: bytes, start: int, count: int) -> tuple[ReportBlock, ...]:
    # Profile-specific extensions may follow the blocks (RFC 3550 6.4.3); they are skipped.
    reports = []
    for at in range(start, start + 24 * count, 24):
        ssrc, lost, highest_sequence, jitter, lsr, dlsr = struct.unpack_from("!6I", body, at)
        cumulative = (lost & 0xFFFFFF) - (lost << 1 & 0x1000000)
        reports.append(ReportBlock(ssrc, lost >> 24, cumulative, highest_sequence, jitter, lsr, dlsr))
    return tuple(reports)


def _sdes(body: bytes, count: int) -> Sdes:
    chunks = []
    at = 0
    for _ in range(count):
        (ssrc,) = struct.unpack_from("!I", body, at)
        start, at = at, at + 4
        items = []
        while True:
            if at >= len(body):
                raise Malformed("SDES chunk without an end")
            kind = body[at]
            if kind == 0:
                break
            if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
                raise Malformed("SDES item longer than the packet")
            items.append((kind, body[at + 2 : at + 2 + body[at + 1]]))
            at += 2 + body[at + 1]
        at = start + (at - start) // 4 * 4 + 4
        chunks.append(SdesChunk(ssrc, tuple(items)))
    return Sdes(tuple(chunks))


def _bye(body: bytes, count: int) -> Bye:
    ssrcs = struct.unpack_from(f"!{count}I", body)
    rest = body[4 * count :]
    if not rest:
        return Bye(ssrcs)
    if 1 + rest[0] > len(rest):
        raise Malformed("BYE reason longer than the packet")
    return Bye(ssrcs, rest[1 : 1 + rest[0]])


def _nack(body: bytes) -> Nack:
    sender_ssrc, media_ssrc = struct.unpack_from("!II", body)
    lost = []
    for first, mask in struct.iter_unpack("!HH", body[8:]):
        lost.append(first)
        lost += [(first + 1 + bit) & 0xFFFF for bit in range(16) if mask >> bit & 1]
    return Nack(sender_ssrc, media_ssrc, tuple(lost))


def _transport_feedback(body: bytes) -> TransportFeedback:
    sender_ssrc, media_ssrc, base_sequence, count, word = struct.unpack_from("!IIHHI", body)
    if count == 0:
        raise Malformed("transport feedback about no packet")
    symbols: list[int] = []
    at = 16
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", body, at)
        at += 2
        if chunk >> 15 == 0:
            symbols += [chunk >> 13] * min(chunk & 0x1FFF, count - len(symbols))
            if chunk & 0x1FFF == 0:
                raise Malformed("transport feedback with an empty run")
        elif chunk >> 14 == 2:
            symbols += [chunk >> bit & 1 for bit in range(13, -1, -1)]
        else:
            symbols += [chunk >> bit & 3 for bit in range(12, -1, -2)]
    deltas: list[int | None] = []
    for symbol in symbols[:count]:
        if symbol == 0:
            deltas.append(None)
        elif symbol == 1:
            deltas += struct.unpack_from("!B", body, at)
            at += 1
        elif symbol == 2:
            deltas += struct.unpack_from("!h", body, at)
            at += 2
        else:
            raise Malformed("transport feedback with the reserved symbol")
    reference_time = (word >> 8) - (word >> 7 & 0x1000000)
    return TransportFeedback(sender_ssrc, media_ssrc, base_sequence, reference_time, word & 0xFF, tuple(deltas))


def _remb(body: bytes) -> Remb:
    sender_ssrc, _, _, word = struct.unpack_from("!II4sI", body)
    ssrcs = struct.unpack_from(f"!{word >> 24}I", body, 16)
    return Remb(sender_ssrc, (word & 0x3FFFF) << (word >> 18 & 0x3F), ssrcs)


def _pack_symbols(symbols: list[int]) -> bytes:
    """Long runs as run-length chunks, the rest as vectors: of 14 packets if no delta needs two bytes, else of 7."""
    chunks = []
    at = 0
    while at < len(symbols):
        run = 1
        while run < 0x1FFF and at + run < len(symbols) and symbols[at + run] == symbols[at]:
            run += 1
        if run >= 7:
            chunks.append(symbols[at] << 13 | run)
            at += run
            continue
        wide = symbols[at : at + 14]
        if 2 not in wide:
            chunks.append(2 << 14 | sum(symbol << 13 - place for place, symbol in enumerate(wide)))
            at += 14
        else:
            chunks.append(3 << 14 | sum(symbol << 12 - 2 * place for place, symbol in enumerate(symbols[at : at + 7])))
            at += 7
    return struct.pack(f"!{len(chunks)}H", *chunks)
