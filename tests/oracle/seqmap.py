"""The slow clear twin of native/seqmap.pyx: every number ever given stands in a table.

Source numbers are extended around the newest one, as RFC 3550 A.1 does. A number is decided when the stream passes it:
what is skipped gets none, everything else up to there, arrived or not, gets the next one.
"""

from __future__ import annotations

SEGMENTS = 16


class SeqMap:
    def __init__(self, first_out: int) -> None:
        self.next_out = first_out  # never wraps here
        self.given: dict[int, int] = {}  # extended source number: outgoing
        self.segment_of: dict[int, int] = {}
        self.origin: dict[int, tuple[int, int]] = {}  # outgoing: (source, extended source number)
        self.segment = -1
        self.segment_empty = True
        self.newest: int | None = None
        self.start = 0
        self.source = 0

    def _extend(self, seq: int) -> int:
        assert self.newest is not None
        return self.newest + ((seq - self.newest + 0x8000) & 0xFFFF) - 0x8000

    def _give(self, ext: int) -> None:
        self.given[ext] = self.next_out
        self.segment_of[ext] = self.segment
        self.origin[self.next_out] = (self.source, ext)
        self.segment_empty = False
        self.next_out += 1

    def _new_segment(self) -> None:
        self.segment += 1
        self.segment_empty = True

    def switch(self, source: int, next_seq: int) -> None:
        cycles = 0 if self.newest is None else (self.newest >> 16) + 2
        self.start = (cycles << 16) + next_seq
        self.newest = self.start - 1
        self.source = source
        self._new_segment()

    def skip(self, seq: int) -> None:
        if self.newest is None or (ext := self._extend(seq)) <= self.newest:
            return
        for lost in range(self.newest + 1, ext):
            self._give(lost)
        self.newest = ext
        if not self.segment_empty:
            self._new_segment()

    def map(self, seq: int) -> int | None:
        if self.newest is None:
            return None
        ext = self._extend(seq)
        while self.newest < ext:
            self.newest += 1
            self._give(self.newest)
        if ext < self.start or ext not in self.given or self.segment_of[ext] <= self.segment - SEGMENTS:
            return None
        return self.given[ext] & 0xFFFF

    def reverse(self, out: int) -> tuple[int, int] | None:
        newest = self.next_out - 1
        out = newest + ((out - newest + 0x8000) & 0xFFFF) - 0x8000
        if out not in self.origin:
            return None
        source, ext = self.origin[out]
        return (ext & 0xFFFF, source) if self.segment_of[ext] > self.segment - SEGMENTS else None
