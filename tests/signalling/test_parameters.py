"""Every parameter of every method: missing, null, empty, ill-typed, out of range. A refusal changes nothing."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.signalling.stage import OPEN, Stage

TEXT: list[Any] = [5, True, ["x"], {"x": "x"}, "nul\0"]
FLAG: list[Any] = [0, 1, "true", "", [], {}]
SIZE: list[Any] = [0, -1, 8193, 1.5, "640", True, []]

# method: (parameters that work, {name: values that do not}); a required text is also tried missing, null and empty.
METHODS: dict[str, tuple[dict[str, Any], set[str], dict[str, list[Any]]]] = {
    "authenticate": (
        {"room": OPEN, "call_id": "new", "username": "bob", "password": "pw of bob"},
        {"room", "call_id", "username", "password"},
        {
            "room": TEXT,
            "call_id": [*TEXT, "a b", "é", "a/b", "x" * 129],
            "display_name": [*TEXT, "x" * 256],
            "room_password": [*TEXT, "x" * 1025],
            "username": [*TEXT, "x" * 256],
            "password": [*TEXT, "x" * 1025],
            "device": [*TEXT, "half a pair"],
            "device_token": [],
        },
    ),
    "join_room": (
        {"sdp": "offer", "auth_token": "<anna>"},
        {"sdp", "auth_token"},
        {"sdp": TEXT, "auth_token": [*TEXT, "x" * 8193], "audio_muted": FLAG, "video_muted": FLAG},
    ),
    "subscribe_room": (
        {"sdp": "offer mid 2 3", "auth_token": "<anna>", "members": []},
        {"sdp", "auth_token", "members"},
        {
            "sdp": TEXT,
            "auth_token": [*TEXT, "x" * 8193],
            "members": [
                5,
                {},
                "bob",
                ["bob"],
                [None],
                [{}],
                [{"id": "bob"}],
                [{"video_mid": "2"}],
                *([{"id": value, "video_mid": "2"}] for value in [None, "", *TEXT]),
                *([{"id": "bob", "video_mid": value}] for value in [None, "", *TEXT, "4"]),
                *([{"id": "bob", "video_mid": "2", "width": value, "height": 90}] for value in [*SIZE, None]),
                *([{"id": "bob", "video_mid": "2", "width": 160, "height": value}] for value in [*SIZE, None]),
                [{"id": "bob", "video_mid": "2"}, {"id": "bob", "video_mid": "3"}],
                [{"id": "bob", "video_mid": "2"}, {"id": "carl", "video_mid": "2"}],
            ],
        },
    ),
}

MISSING = object()


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    for method, (good, required, bad) in METHODS.items():
        for name, values in bad.items():
            for value in [*([MISSING, None, ""] if name in required else []), *values]:
                params = good | {name: value}
                yield method, {key: value for key, value in params.items() if value is not MISSING}


async def outcome(stage: Stage, method: str, params: dict[str, Any]) -> Any:
    """The error's code, on a socket in the state that the method needs."""
    if method == "subscribe_room":
        client = "anna"
    else:
        client = f"new {stage.tokens.issued} {len(stage.clients)}"
    if params.get("auth_token") == "<anna>":
        params = params | {"auth_token": stage.proofs["anna"]}
    reply = await stage.ask(client, method, **params)
    return reply.get("error", {}).get("code")


@pytest.mark.parametrize("method", METHODS)
async def test_every_bad_parameter_is_400_and_changes_nothing(stage: Stage, method: str) -> None:
    await stage.enter("bob")
    await stage.enter("anna")
    for tried, params in cases():
        if tried != method:
            continue
        before = stage.state(), stage.tokens.issued
        assert await outcome(stage, method, params) == 400, params
        await stage.settle()
        assert before == (stage.state(), stage.tokens.issued), params
        assert not stage.clients["bob"].inbox, params
        # None of them has used up the call id, the socket or the connection.
    good = METHODS[method][0]
    assert await outcome(stage, method, good) is None


@pytest.mark.parametrize(
    ("method", "optional"),
    [
        ("authenticate", ["display_name", "room_password", "device", "device_token"]),
        ("join_room", ["audio_muted", "video_muted"]),
    ],
)
async def test_null_for_an_optional_parameter_is_absence(stage: Stage, method: str, optional: list[str]) -> None:
    await stage.enter("anna")
    good = METHODS[method][0] | dict.fromkeys(optional) | {"unknown": {"fields": ["are", "ignored"]}}
    assert await outcome(stage, method, good) is None


async def test_null_sizes_are_absent(stage: Stage) -> None:
    await stage.enter("anna")
    entry = {"id": "bob", "video_mid": "2", "width": None, "height": None}
    assert await outcome(stage, "subscribe_room", METHODS["subscribe_room"][0] | {"members": [entry]}) is None
    (wanted,) = stage.engine.room.peers["anna"].wanted
    assert (wanted.mid, wanted.name, wanted.width, wanted.height) == ("2", "bob", None, None)


@pytest.mark.parametrize("size", [1, 8192])
async def test_the_extreme_sizes_are_fine(stage: Stage, size: int) -> None:
    await stage.enter("anna")
    entry = {"id": "bob", "video_mid": "2", "width": size, "height": size}
    assert await outcome(stage, "subscribe_room", METHODS["subscribe_room"][0] | {"members": [entry]}) is None


async def test_the_wanted_set_replaces_the_earlier_one_or_stays(stage: Stage) -> None:
    await stage.enter("anna")
    first = METHODS["subscribe_room"][0] | {"members": [{"id": "bob", "video_mid": "2"}]}
    await outcome(stage, "subscribe_room", first)
    wanted = stage.engine.room.peers["anna"].wanted
    await outcome(stage, "subscribe_room", first | {"members": [{"id": "carl", "video_mid": "9"}]})
    assert wanted == stage.engine.room.peers["anna"].wanted
    await outcome(stage, "subscribe_room", first | {"members": []})
    assert stage.engine.room.peers["anna"].wanted == ()


@pytest.mark.parametrize(
    "credentials",
    [
        {"username": "bob"},
        {"password": "pw of bob"},
        {"device": "bob"},
        {"device_token": "token of bob"},
        {"device": "bob", "username": "bob", "password": "pw of bob"},
    ],
)
async def test_half_a_pair_of_credentials_is_a_mistake(stage: Stage, credentials: dict[str, str]) -> None:
    reply = await stage.ask("anna", "authenticate", room=OPEN, call_id="anna", **credentials)
    assert reply["error"]["code"] == 400
    assert stage.directory.verified == []
