"""The places of a licence: its users, or its rooms, at once. Pure; told the time.

A place is taken for good, until it is given back, or reserved until a moment: by somebody who has been let in and has yet
to come. Two who race for the last one come here one after the other, and the second is refused.
"""

import math

from signalling.room.errors import LimitReached


class Places:
    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __contains__(self, holder: str) -> bool:
        return holder in self._until

    def taken(self, now: float) -> int:
        for holder in [holder for holder, until in self._until.items() if until <= now]:
            del self._until[holder]
        return len(self._until)

    def check(self, holder: str, limit: int | None, now: float) -> None:
        """LimitReached if `take` would refuse."""
        taken = self.taken(now)
        if holder not in self._until and limit is not None and taken >= limit:
            raise LimitReached("the licence has no place left")

    def take(self, holder: str, limit: int | None, now: float, until: float = math.inf) -> None:
        """LimitReached if `limit` others have one; whoever has one already keeps it, for the longer of both times."""
        self.check(holder, limit, now)
        self._until[holder] = max(until, self._until.get(holder, until))

    def give_back(self, holder: str) -> None:
        self._until.pop(holder, None)
