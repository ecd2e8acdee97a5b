"""Usage as it is shown: sessions of one licence, counted by day or by room.

A session counts on the day on which it began, with its full length, as contract s-connector has it (section 6); days are
those of the service time zone.
"""

from collections.abc import Iterable
from datetime import date, timedelta, tzinfo

import attrs

from api.sessions import Use

DEFAULT_DAYS = 30


@attrs.frozen
class DayOfUse:
    day: date
    seconds: int
    sessions: int


def per_day(uses: Iterable[Use], zone: tzinfo, days: int, today: date) -> list[DayOfUse]:
    """The last `days` days, oldest first, each of them, used or not. What began on others is left out."""
    lengths: dict[date, list[int]] = {today - timedelta(days=ago): [] for ago in reversed(range(days))}
    for use in uses:
        of_day = lengths.get(use.began_at.astimezone(zone).date())
        if of_day is not None:
            of_day.append(use.seconds)
    return [DayOfUse(day, sum(seconds), len(seconds)) for day, seconds in lengths.items()]
