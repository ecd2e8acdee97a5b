"""The meters, and the longest texts that are still taken."""

import pytest

from signalling.limits import (
    AUTH_KEYS,
    CALL_ID_CHARS,
    NAME_CHARS,
    SECRET_CHARS,
    TOKEN_CHARS,
    Failures,
    Tally,
    TokenBucket,
)
from signalling.settings import RoomApiSettings
from tests.signalling.stage import OPEN, PASSWORD, Stage


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = TokenBucket(burst=3, rate_per_s=2, now=100)
    assert [True, True, True, False] == [bucket.take(100) for _ in range(4)]
    assert [False, True, False, True] == [bucket.take(now) for now in (100.25, 100.5, 100.75, 101)]
    # However long it waits, it never holds more than its burst.
    assert [True, True, True, False] == [bucket.take(1000) for _ in range(4)]


def test_a_bucket_charges_by_cost_and_at_most_its_burst() -> None:
    bucket = TokenBucket(burst=4, rate_per_s=2, now=0)
    assert [True, False, True] == [bucket.take(0, cost) for cost in (3, 2, 1)]
    assert [False, True, False] == [bucket.take(now, 100) for now in (1.5, 2, 3.5)]


def test_a_tally_is_full_while_all_of_it_is_recent() -> None:
    tally = Tally(limit=3, window_s=10)
    for now in (0, 5, 6):
        assert not tally.full(now)
        tally.add(now)
    assert [True, True, False] == [tally.full(now) for now in (6, 9.9, 10)]
    tally.add(10)
    assert tally.full(14.9) and not tally.full(15)


def test_failures_of_the_longest_unused_key_are_forgotten_first() -> None:
    failures = Failures(limit=1)
    failures.add("old", 0)
    failures.add("busy", 0)
    for number in range(AUTH_KEYS - 2):
        failures.add(str(number), 1)
    failures.add("busy", 2)
    failures.add("one too many", 3)
    assert [False, True, True] == [failures.exceeded(key, 3) for key in ("old", "busy", "one too many")]


@pytest.mark.parametrize(
    ("longest", "code"),
    [
        ({"call_id": "x" * CALL_ID_CHARS}, None),
        ({"display_name": "é" * NAME_CHARS}, None),
        ({"username": "x" * NAME_CHARS, "password": "x" * SECRET_CHARS}, 401),
        ({"device": "x" * NAME_CHARS, "device_token": "x" * SECRET_CHARS}, 401),
        ({"room": PASSWORD, "room_password": "x" * SECRET_CHARS}, 401),
    ],
)
async def test_the_longest_texts_are_taken(stage: Stage, longest: dict[str, str], code: int | None) -> None:
    reply = await stage.ask("x", "authenticate", **{"room": OPEN, "call_id": "x"} | longest)
    assert code == reply.get("error", {}).get("code")


async def test_the_longest_token_is_looked_at(stage: Stage) -> None:
    reply = await stage.ask("x", "join_room", sdp="offer", auth_token="x" * TOKEN_CHARS)
    assert reply["error"]["code"] == 401


@pytest.mark.parametrize(
    "nonsense", [{"requests_burst": 0}, {"requests_per_s": 0}, {"auth_failures_per_minute": 0}], ids=str
)
def test_settings_that_would_admit_nobody(nonsense: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(nonsense))):
        RoomApiSettings(**nonsense)
