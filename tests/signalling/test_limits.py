"""The meters, and the longest texts that are still taken."""

import pytest

from signalling.limits import (
    AUTH_KEYS,
    AUTH_WINDOW_S,
    CALL_ID_CHARS,
    MAX_SIZE_PX,
    NAME_CHARS,
    REACTION_CHARS,
    RINGING_INVITATIONS,
    SECRET_CHARS,
    TOKEN_CHARS,
    Failures,
    Tally,
    TokenBucket,
)
from signalling.settings import RoomApiSettings
from tests.signalling.stage import LISTED, OPEN, PASSWORD, Stage, credentials


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


def test_failures_count_for_their_window() -> None:
    failures = Failures(limit=1)
    failures.add("user bob", 100)
    assert failures.exceeded("user bob", 100 + AUTH_WINDOW_S - 0.1)
    assert not failures.exceeded("user bob", 100 + AUTH_WINDOW_S)


@pytest.mark.parametrize(
    ("longest", "code"),
    [
        ({"call_id": "x" * CALL_ID_CHARS}, None),
        ({"display_name": "é" * NAME_CHARS}, None),
        ({"username": "x" * NAME_CHARS, "password": "x" * SECRET_CHARS}, 401),
        ({"device": "x" * NAME_CHARS, "device_token": "x" * SECRET_CHARS}, 401),
        ({"room": PASSWORD, "room_password": "x" * SECRET_CHARS}, 401),
        ({"room": "x" * NAME_CHARS}, 404),
    ],
)
async def test_the_longest_texts_are_taken(stage: Stage, longest: dict[str, str], code: int | None) -> None:
    reply = await stage.ask("x", "authenticate", **{"room": OPEN, "call_id": "x"} | longest)
    assert code == reply.get("error", {}).get("code")


async def test_the_longest_token_is_looked_at(stage: Stage) -> None:
    reply = await stage.ask("x", "join_room", sdp="offer", auth_token="x" * TOKEN_CHARS)
    assert reply["error"]["code"] == 401


async def test_the_largest_size_and_the_longest_reaction_are_taken(stage: Stage) -> None:
    """An emoji counts as one for each of its code points."""
    await stage.enter("anna")
    entry = {"id": "bob", "video_mid": "2", "width": MAX_SIZE_PX, "height": MAX_SIZE_PX}
    subscription = {"sdp": "offer mid 2", "auth_token": stage.proofs["anna"], "members": [entry]}
    assert "result" in await stage.ask("anna", "subscribe_room", **subscription)
    assert "result" in await stage.ask("anna", "send_reaction", reaction="👍" * REACTION_CHARS)


async def test_no_more_invitations_ring_in_one_room(stage: Stage) -> None:
    await stage.enter("anna", LISTED)
    await stage.ask("desk", "register_room_api", **credentials("bob"))
    # Two words for the same user are two invitations; whoever cannot be reached does not ring.
    for _ in range(RINGING_INVITATIONS // 2):
        reply = await stage.ask("anna", "invite_exten", extens=["bob", "1002", "carl"])
        assert len(reply["result"]["invited"]) == 2
    legs = [message["params"]["call_id"] for message in stage.clients["desk"].inbox]
    assert len(legs) == RINGING_INVITATIONS
    assert (await stage.ask("anna", "invite_exten", extens=["bob"]))["error"]["code"] == 429
    await stage.settle()
    assert len(stage.clients["desk"].inbox) == RINGING_INVITATIONS
    assert "result" in await stage.ask("anna", "invite_exten", extens=["carl"])
    await stage.ask("desk", "room_invite_reject", room=LISTED, call_id=legs[0])
    assert (await stage.ask("anna", "invite_exten", extens=["bob", "1002"]))["error"]["code"] == 429
    assert "result" in await stage.ask("anna", "invite_exten", extens=["bob"])


@pytest.mark.parametrize(
    "nonsense", [{"requests_burst": 0}, {"requests_per_s": 0}, {"auth_failures_per_minute": 0}], ids=str
)
def test_settings_that_would_admit_nobody(nonsense: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(nonsense))):
        RoomApiSettings(**nonsense)
