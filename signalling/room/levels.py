"""How loud the members of a room are said to be, and how often (contract room-api, section 5.4: `member_audio_level`).

Pure, as the model that owns it. Everybody hears of everybody's level, so the messages grow with the square of the room.
Three rules hold them down:

- a change is told, not a value: one of at least LEVEL_STEP from what was told last, or one to silence;
- of one member at most every LEVEL_INTERVAL_S;
- of all together ROOM_LEVELS_PER_S, each told level counted once for every listener. A room that was quiet may be ahead of
  that by what it could have said in one LEVEL_INTERVAL_S, so small rooms never feel it.

Invariant: a change that has to wait is told as soon as these rules let it, with the value that it has by then, and
whoever has waited longest comes first. So the last word on a member is always said, and silence is said exactly.
"""

import math

from attrs import frozen

from signalling.limits import LEVEL_INTERVAL_S, LEVEL_STEP, ROOM_LEVELS_PER_S
from signalling.room.events import Event, LevelChanged


@frozen
class _Told:
    """What was last said of a member, and from when on something else may be."""

    level: int
    again_at: float


_NOTHING = _Told(0, -math.inf)


class Levels:
    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}
        self._untold: dict[str, int] = {}
        """Whose level has changed, and to what; in the order in which they began to wait."""
        self._room_again_at = -math.inf

    @property
    def due(self) -> float | None:
        if not self._untold:
            return None
        return max(self._room_again_at, min(self._last(member).again_at for member in self._untold))

    def hear(self, member: str, level: int) -> None:
        """To be followed by `expire`, which tells what may be told at once."""
        told = self._last(member).level
        if abs(level - told) >= LEVEL_STEP or (level == 0 and told > 0):
            self._untold[member] = level
        else:
            self._untold.pop(member, None)

    def forget(self, member: str) -> None:
        self._told.pop(member, None)
        self._untold.pop(member, None)

    def expire(self, listeners: int, now: float) -> list[Event]:
        events: list[Event] = []
        for member in [member for member in self._untold if self._last(member).again_at <= now]:
            if self._room_again_at > now:
                break
            level = self._untold.pop(member)
            self._told[member] = _Told(level, now + LEVEL_INTERVAL_S)
            self._room_again_at = max(self._room_again_at, now - LEVEL_INTERVAL_S) + listeners / ROOM_LEVELS_PER_S
            events.append(LevelChanged(member, level))
        return events

    def _last(self, member: str) -> _Told:
        return self._told.get(member, _NOTHING)
