"""Usage by day: which day a session counts on, and that no day is missing."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from api.sessions import Use
from api.usage import DayOfUse, per_day

SEOUL = ZoneInfo("Asia/Seoul")
NEW_YORK = ZoneInfo("America/New_York")


def use(began_at: str, seconds: int = 1) -> Use:
    return Use(1, "room", datetime.fromisoformat(began_at).astimezone(UTC), seconds)


def test_every_day_is_there_oldest_first_and_today_last() -> None:
    days = per_day([], SEOUL, 3, date(2024, 3, 1))
    assert days == [
        DayOfUse(date(2024, 2, 28), 0, 0),
        DayOfUse(date(2024, 2, 29), 0, 0),
        DayOfUse(date(2024, 3, 1), 0, 0),
    ]


def test_sessions_of_a_day_add_up() -> None:
    uses = [use("2026-11-02T10:00+09:00", 40), use("2026-11-01T23:00+09:00", 2), use("2026-11-01T01:00+09:00", 100)]
    days = per_day(uses, SEOUL, 2, date(2026, 11, 2))
    assert days == [DayOfUse(date(2026, 11, 1), 102, 2), DayOfUse(date(2026, 11, 2), 40, 1)]


def test_a_session_past_midnight_counts_whole_on_the_day_on_which_it_began() -> None:
    days = per_day([use("2021-02-22T12:39:26Z", 42_936)], SEOUL, 2, date(2021, 2, 23))
    assert days == [DayOfUse(date(2021, 2, 22), 42_936, 1), DayOfUse(date(2021, 2, 23), 0, 0)]


@pytest.mark.parametrize(
    ("began_at", "zone", "day"),
    [
        ("2026-11-01T14:59:59Z", SEOUL, date(2026, 11, 1)),
        ("2026-11-01T15:00:00Z", SEOUL, date(2026, 11, 2)),
        ("2026-11-01T15:00:00Z", UTC, date(2026, 11, 1)),
        # Clocks are put back on the first of November; that day has 25 hours.
        ("2026-11-01T04:00:00Z", NEW_YORK, date(2026, 11, 1)),
        ("2026-11-02T04:59:59Z", NEW_YORK, date(2026, 11, 1)),
        ("2026-11-02T05:00:00Z", NEW_YORK, date(2026, 11, 2)),
    ],
)
def test_days_are_those_of_the_zone(began_at: str, zone: ZoneInfo, day: date) -> None:
    days = per_day([use(began_at)], zone, 2, date(2026, 11, 2))
    assert [each.day for each in days if each.sessions] == [day]


def test_what_began_outside_is_left_out() -> None:
    today = date(2026, 11, 2)
    before, after = use("2026-10-31T23:59:59+09:00"), use("2026-11-03T00:00:00+09:00")
    assert sum(each.sessions for each in per_day([after, before], SEOUL, 2, today)) == 0


def test_a_year_has_its_days() -> None:
    days = per_day([], SEOUL, 366, date(2026, 11, 2))
    assert [later.day - earlier.day for earlier, later in zip(days, days[1:], strict=False)] == [
        timedelta(days=1)
    ] * 365
