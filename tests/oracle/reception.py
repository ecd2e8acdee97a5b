"""The slow clear twin of native/reception.pyx, in sets and dicts (RFC 3550 A.1, A.3, A.8; RFC 4585 6.2.1)."""

from __future__ import annotations

from dataclasses import dataclass, field

MS = 1_000_000
NEW, LATE, DUPLICATE, JUMP, RESET = range(5)


@dataclass
class Gap:
    born: int
    due: int
    received: int
    asked: int = 0


@dataclass
class Reception:
    clock_hz: int
    highest: int | None = None
    base: int = 0
    seen: set[int] = field(default_factory=set)
    received: int = 0
    recovered_count: int = 0
    duplicates: int = 0
    gaps: dict[int, Gap] = field(default_factory=dict)
    bad_next: int | None = None
    keyframe_needed: bool = False
    told: tuple[int, int] = (0, 0)  # expected and received at the last report
    transit: int = 0
    jitter_16: int = 0

    def _extend(self, seq: int) -> int:
        assert self.highest is not None
        return self.highest + ((seq - self.highest + 0x8000) & 0xFFFF) - 0x8000

    def _clock(self, now: int) -> int:
        return now * self.clock_hz // 1_000_000_000

    def _start(self, seq: int, ts: int, now: int) -> None:
        self.highest = self.base = 0x10000 + seq
        self.seen = {self.highest}
        self.received = 1
        self.gaps = {}
        self.bad_next = None
        self.told = (0, 0)
        self.transit = self._clock(now) - ts
        self.jitter_16 = 0

    def _measure(self, ts: int, now: int) -> None:
        transit = self._clock(now) - ts
        d = abs(((transit - self.transit + 0x80000000) & 0xFFFFFFFF) - 0x80000000)
        self.transit = transit
        if d <= 5 * self.clock_hz:
            self.jitter_16 += d - ((self.jitter_16 + 8) >> 4)

    def packet(self, seq: int, ts: int, now: int) -> int:
        if self.highest is None:
            self._start(seq, ts, now)
            return NEW
        ext = self._extend(seq)
        if 0 < ext - self.highest < 3000:
            missing = range(self.highest + 1, ext)
            if len(self.gaps) + len(missing) > 256:
                self.gaps = {e: gap for e, gap in self.gaps.items() if now - gap.born < 1000 * MS}
            if len(self.gaps) + len(missing) > 256:
                self.gaps = {}
                self.keyframe_needed = True
            else:
                self.gaps |= {e: Gap(born=now, due=now + 10 * MS, received=self.received) for e in missing}
            self.highest = ext
            answer = NEW
        elif -1024 < ext - self.highest <= 0:
            self.bad_next = None
            if ext in self.seen:
                self.duplicates += 1
                return DUPLICATE
            self.gaps.pop(ext, None)
            self.base = min(self.base, ext)
            answer = LATE
        elif seq == self.bad_next:
            self._start(seq, ts, now)
            self.keyframe_needed = True
            return RESET
        else:
            self.bad_next = (seq + 1) & 0xFFFF
            return JUMP
        self.bad_next = None
        self.seen.add(ext)
        self.received += 1
        self._measure(ts, now)
        return answer

    def recovered(self, seq: int) -> bool:
        if self.highest is None:
            return False
        ext = self._extend(seq)
        if not -1024 < ext - self.highest <= 0 or ext < self.base or ext in self.seen:
            return False
        self.seen.add(ext)
        self.gaps.pop(ext, None)
        self.recovered_count += 1
        return True

    def report(self) -> tuple[int, int, int, int] | None:
        """(fraction lost, cumulative lost, extended highest, jitter)"""
        expected_before, received_before = self.told
        if self.highest is None or self.received == received_before:
            return None
        expected = self.highest - self.base + 1
        self.told = (expected, self.received)
        interval = expected - expected_before
        lost = interval - (self.received - received_before)
        fraction = (lost << 8) // interval if interval > 0 and lost > 0 else 0
        return fraction & 0xFF, expected - self.received, self.highest - 0x10000, self.jitter_16 >> 4

    def wanted(self, now: int) -> list[int]:
        """The numbers to ask for now, and that they were asked for."""
        asked = []
        for ext, gap in list(self.gaps.items()):
            if now - gap.born >= 1000 * MS:
                del self.gaps[ext]
            elif now >= gap.due or (gap.asked == 0 and self.received - gap.received >= 3):
                asked.append(ext & 0xFFFF)
                gap.asked += 1
                gap.due = now + 40 * MS
                if gap.asked == 8:
                    del self.gaps[ext]
        return asked
