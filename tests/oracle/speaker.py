"""The slow clear twin of native/speaker.pyx, with the rules written one below the other. Times are in ns."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp

SPEECH = 75.0
MARGIN = 5.0
UNMEASURED = 77.0
MS = 1_000_000
NEVER = -(10**18)


@dataclass
class Level:
    loudness: float = 0.0
    at: int = NEVER
    spoke: int = NEVER
    voiced: bool = False
    told: int | None = 0

    def after_pause(self, now: int) -> float:
        return self.loudness * exp(-max(now - self.at - 100 * MS, 0) / (500 * MS))

    def packet(self, level: int, voice: bool, now: int) -> None:
        self.voiced |= voice
        self._sample(max(127.0 - level - (20.0 if self.voiced and not voice else 0.0), 0.0), now)

    def unmeasured(self, now: int) -> None:
        self._sample(UNMEASURED, now)

    def silence(self) -> None:
        self.loudness, self.spoke, self.told = 0.0, NEVER, None

    def tell(self, now: int) -> int | None:
        level = int(self.after_pause(now) + 0.5)
        if self.told is not None and (level == self.told or (level > 0 and abs(level - self.told) < 3)):
            return None
        self.told = level
        return level

    def _sample(self, loudness: float, now: int) -> None:
        passed = now - self.at if now - self.at <= 100 * MS else 20 * MS
        self.loudness = self.after_pause(now)
        time_constant = (50 if loudness > self.loudness else 500) * MS
        self.loudness += (loudness - self.loudness) * (1 - exp(-passed / time_constant))
        self.at = now
        if self.loudness >= SPEECH:
            self.spoke = now


@dataclass
class Claim:
    """How long somebody has been louder than whoever holds a place."""

    since: int
    last: int


@dataclass
class Speakers:
    dominant: int | None = None
    runner_up: int | None = None
    levels: dict[int, Level] = field(default_factory=dict)  # as last considered
    claims: dict[tuple[int, str], Claim] = field(default_factory=dict)

    def _beats(self, id: int, place: str, holder: int, now: int) -> bool:
        mine, theirs = self.levels[id], self.levels[holder]
        silent = now - theirs.spoke > 500 * MS
        if mine.loudness < SPEECH or (not silent and mine.loudness < theirs.after_pause(now) + MARGIN):
            self.claims.pop((id, place), None)
            return False
        claim = self.claims.setdefault((id, place), Claim(now, now))
        return silent or now - claim.since >= 300 * MS

    def consider(self, id: int, level: Level, now: int) -> None:
        self.levels[id] = Level(level.loudness, level.at, level.spoke)
        for (who, place), claim in list(self.claims.items()):
            if who == id:
                if now - claim.last > 200 * MS:
                    del self.claims[who, place]
                claim.last = now
        before = self.dominant, self.runner_up
        if id == self.dominant:
            pass
        elif self.dominant is None:
            self.dominant = id
        elif self._beats(id, "dominant", self.dominant, now):
            self.dominant, self.runner_up = id, self.dominant
        elif id == self.runner_up:
            pass
        elif self.runner_up is None or self._beats(id, "runner_up", self.runner_up, now):
            self.runner_up = id
        if (self.dominant, self.runner_up) != before:
            self.claims.clear()

    def remove(self, id: int) -> None:
        if id == self.dominant:
            self.dominant, self.runner_up = self.runner_up, None
        elif id == self.runner_up:
            self.runner_up = None
        else:
            return
        self.claims.clear()
