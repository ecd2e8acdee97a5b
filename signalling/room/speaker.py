"""Who is announced as the active speaker of a room (contract room-api, section 5.4: on change, at most every 300 ms).

Pure, as the model that owns it. The latest opinion wins; one that comes too soon after the last announcement waits.
Whether somebody speaks, and when nobody does, the media layer judges.
"""

import math

from signalling.limits import SPEAKER_INTERVAL_S
from signalling.room.events import ActiveSpeaker, Event


class Speaker:
    def __init__(self) -> None:
        self._announced: str | None = None
        self._heard: str | None = None
        self._quiet_until = -math.inf

    @property
    def announced(self) -> str | None:
        """What everybody has been told last."""
        return self._announced

    @property
    def due(self) -> float | None:
        return None if self._heard == self._announced else self._quiet_until

    def hear(self, member: str | None, now: float) -> list[Event]:
        self._heard = member
        return self.expire(now)

    def forget(self, member: str, now: float) -> list[Event]:
        return self.hear(None, now) if self._heard == member else []

    def expire(self, now: float) -> list[Event]:
        if self.due is None or now < self.due:
            return []
        self._announced = self._heard
        self._quiet_until = now + SPEAKER_INTERVAL_S
        return [ActiveSpeaker(self._announced)]
