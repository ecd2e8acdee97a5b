"""Who is talking, for rooms whose members want to be told (contract kpoint, section 7: `talking`).

Pure, as the model that owns it. A member talks from the moment its level reaches TALKING_LEVEL until it has been below for
TALKING_QUIET_S, so that the pauses between words are no news. What levels members have, and who leaves, the model says.
"""

from signalling.limits import TALKING_LEVEL, TALKING_QUIET_S
from signalling.room.events import Event, TalkingChanged


class Talking:
    def __init__(self) -> None:
        self._silent_at: dict[str, float | None] = {}
        """Of those who talk: when they will have been below the level for long enough; None while they are not below."""

    @property
    def due(self) -> float | None:
        return min((time for time in self._silent_at.values() if time is not None), default=None)

    def hear(self, member: str, level: int, now: float) -> list[Event]:
        talked = member in self._silent_at
        if level >= TALKING_LEVEL:
            self._silent_at[member] = None
            return [] if talked else [TalkingChanged(member, True)]
        if talked and self._silent_at[member] is None:
            self._silent_at[member] = now + TALKING_QUIET_S
        return []

    def cut(self, member: str) -> list[Event]:
        """It may talk on, but nobody hears it."""
        if member not in self._silent_at:
            return []
        self.forget(member)
        return [TalkingChanged(member, False)]

    def forget(self, member: str) -> None:
        self._silent_at.pop(member, None)

    def expire(self, now: float) -> list[Event]:
        silent = [member for member, time in self._silent_at.items() if time is not None and time <= now]
        return [event for member in silent for event in self.cut(member)]
