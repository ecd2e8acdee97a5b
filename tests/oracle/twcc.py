"""An independent reader of transport-wide feedback, straight from draft-holmer-rmcat-transport-wide-cc-extensions-01.

Shares nothing with the writer in native/twcc.pyx: it works on a string of bits.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Feedback:
    sender_ssrc: int
    media_ssrc: int
    base: int
    count: int
    number: int
    arrivals: dict[int, int | None]  # sequence number: time in 250 us modulo 2**32, None if it did not come


def read(packet: bytes) -> Feedback:
    assert packet[0] == 0x80 | 15 and packet[1] == 205
    assert len(packet) == 4 * (int.from_bytes(packet[2:4]) + 1)
    sender, media = int.from_bytes(packet[4:8]), int.from_bytes(packet[8:12])
    base, count = int.from_bytes(packet[12:14]), int.from_bytes(packet[14:16])
    reference, number = int.from_bytes(packet[16:19]), packet[19]
    at = 20
    symbols: list[int] = []
    while len(symbols) < count:
        bits = f"{int.from_bytes(packet[at : at + 2]):016b}"
        at += 2
        if bits[0] == "0":
            run = int(bits[3:], 2)
            assert run > 0
            symbols += [int(bits[1:3], 2)] * run
            assert len(symbols) <= count, "a run may not reach over the end"
        elif bits[1] == "0":
            symbols += [int(bit) for bit in bits[2:]]
        else:
            symbols += [int(bits[i : i + 2], 2) for i in range(2, 16, 2)]
    assert not any(symbols[count:]), "what fills up a vector is zero"
    time = reference * 256  # 64 ms
    arrivals: dict[int, int | None] = {}
    for i, symbol in enumerate(symbols[:count]):
        assert symbol != 3, "reserved"
        size = symbol
        delta = int.from_bytes(packet[at : at + size], signed=size == 2)
        assert len(packet) >= at + size
        at += size
        time += delta
        arrivals[(base + i) & 0xFFFF] = time % 2**32 if symbol else None
    assert len(packet) - at < 4 and not any(packet[at:]), "zeros up to the word, and nothing else"
    return Feedback(sender, media, base, count, number, arrivals)
