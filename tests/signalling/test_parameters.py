"""Every parameter of every method: missing, null, empty, ill-typed, too long, out of range. A refusal changes nothing.

The stage is set for all of them: anna, an admin, and bob are inside, bob is muted by her; nora waits; a desk is
registered for carl, who is being invited; dora has a token. Whoever asks does so on one socket, which a refusal must not
use up either.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import field, frozen

from signalling.dialects.room_api.requests import METHODS as ALL_METHODS
from signalling.limits import INVITED, INVITED_CHARS
from tests.signalling.stage import LISTED, OPEN, Stage, credentials

TEXT: list[Any] = [5, 0, True, False, 1.5, ["x"], [], {"x": "x"}, {}, "nul\0", "half \ud800 a pair"]
CALL_ID: list[Any] = [*TEXT, "a b", "é", "a/b", "a\n", " a", "x" * 129]
NAME: list[Any] = [*TEXT, "x" * 256]
SECRET: list[Any] = [*TEXT, "x" * 1025]
TOKEN: list[Any] = [*TEXT, "x" * 8193]
FLAG: list[Any] = [0, 1, "true", "", [], {}]
SIZE: list[Any] = [0, -1, 8193, 1.5, "640", "", True, [], 10**30]
DESTINATION: list[Any] = [*TEXT, None, "", "a b", "é", "a@b", "a\n", "x" * 65]
DESTINATIONS: list[Any] = [
    *(5, True, "bob", {"bob": "bob"}),
    *([value] for value in DESTINATION),
    *(["bob", value] for value in DESTINATION),
    ["bob"] * 51,
]
CREDENTIALS: dict[str, list[Any]] = {
    "username": NAME,
    "password": SECRET,
    "device": [*NAME, "half a pair"],
}
MISSING = object()


@frozen
class Method:
    good: dict[str, Any]
    """"<anna>" is her token, "<leg>" the call id of the desk's invitation."""
    required: str
    """The names of those that are also tried missing, null and empty."""
    bad: dict[str, list[Any]]
    sender: str = "guest"
    code: int | None = None
    """What the good ones are answered."""
    optional: list[str] = field(factory=list)


MEMBER = {"member": CALL_ID}
PROVED_MEMBER = {"member": CALL_ID, "auth_token": TOKEN}

METHODS: dict[str, Method] = {
    "authenticate": Method(
        {"room": OPEN, "call_id": "new"} | credentials("bob"),
        "room call_id username password",
        {"room": NAME, "call_id": CALL_ID, "display_name": NAME, "room_password": SECRET} | CREDENTIALS,
        optional=["display_name", "room_password", "device", "device_token"],
    ),
    "allow_member": Method({"member": "nora", "auth_token": "<anna>"}, "member auth_token", PROVED_MEMBER),
    "reject_member": Method({"member": "nora", "auth_token": "<anna>"}, "member auth_token", PROVED_MEMBER),
    "join_room": Method(
        {"sdp": "offer", "auth_token": "<dora>"},
        "sdp auth_token",
        {"sdp": TEXT, "auth_token": TOKEN, "audio_muted": FLAG, "video_muted": FLAG},
        optional=["audio_muted", "video_muted"],
    ),
    "watch_room": Method({"auth_token": "<dora>"}, "auth_token", {"auth_token": TOKEN}),
    "register_room_api": Method(
        credentials("bob"), "username password", CREDENTIALS, optional=["device", "device_token"]
    ),
    "create_temp_room": Method(
        {"call_id": "new", "sdp": "offer", "invited": ["carl"]} | credentials("bob"),
        "call_id sdp invited username password",
        {
            "call_id": CALL_ID,
            "sdp": TEXT,
            "invited": DESTINATIONS,
            "audio_muted": FLAG,
            "video_muted": FLAG,
        }
        | CREDENTIALS,
        optional=["audio_muted", "video_muted", "device", "device_token"],
    ),
    "convert_to_room": Method(
        {"call_id": "3848276298220188511@192.0.2.1", "invited": []},
        "call_id invited",
        {"call_id": CALL_ID, "invited": DESTINATIONS},
        sender="desk",
        code=404,
    ),
    "invite_exten": Method({"extens": ["carl"]}, "extens", {"extens": [*DESTINATIONS, []]}, sender="anna"),
    "room_invite_reject": Method(
        {"room": LISTED, "call_id": "<leg>"}, "room call_id", {"room": NAME, "call_id": CALL_ID}, sender="desk"
    ),
    "subscribe_room": Method(
        {"sdp": "offer mid 2 3", "auth_token": "<anna>", "members": []},
        "sdp auth_token members",
        {
            "sdp": TEXT,
            "auth_token": TOKEN,
            "members": [
                *(5, True, {}, "bob", ["bob"], [None], [[]], [{}]),
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
        sender="anna",
    ),
    "remove_member": Method({"member": "bob"}, "member", MEMBER, sender="anna"),
    "mute_member_audio": Method({"member": "anna"}, "member", MEMBER, sender="anna"),
    "mute_member_video": Method({"member": "anna"}, "member", MEMBER, sender="anna"),
    "unmute_member_audio": Method({"member": "bob"}, "member", MEMBER, sender="anna"),
    "unmute_member_video": Method({"member": "bob"}, "member", MEMBER, sender="anna"),
    "send_reaction": Method({"reaction": "👍"}, "reaction", {"reaction": [*TEXT, "x" * 65]}, sender="anna"),
}

# method: who may send it now; these have no parameters.
BARE_METHODS = {
    "still_waiting": "nora",
    "get_room_members": "bob",
    "get_waiting_room_members": "anna",
    "leave_room": "bob",
    "raise_hand": "bob",
    "unraise_hand": "bob",
    "start_screen_share": "bob",
    "stop_screen_share": "bob",
    "mute_audio": "bob",
    "unmute_audio": "bob",
    "mute_video": "bob",
    "unmute_video": "bob",
}


def bad_parameters(method: Method) -> Iterator[dict[str, Any]]:
    required = method.required.split()
    for name, values in method.bad.items():
        for value in [*([MISSING, None, ""] if name in required else []), *values]:
            params = method.good | {name: value}
            yield {key: value for key, value in params.items() if value is not MISSING}


@pytest.fixture
async def set_stage(stage: Stage) -> Stage:
    await stage.enter("bob", LISTED)
    await stage.enter("anna", LISTED)
    for kind in ("audio", "video"):
        await stage.ask("anna", f"mute_member_{kind}", member="bob")
    reply = await stage.ask("nora", "authenticate", room=LISTED, call_id="nora")
    assert reply["error"]["code"] == 403
    await stage.ask("desk", "register_room_api", **credentials("carl"))
    await stage.ask("anna", "invite_exten", extens=["carl"])
    (invite,) = stage.clients["desk"].inbox
    stage.names["<leg>"] = invite["params"]["call_id"]
    stage.issue("dora", LISTED)
    for client in stage.clients.values():
        client.inbox.clear()
    return stage


async def outcome(stage: Stage, method: str, params: dict[str, Any], sender: str | None = None) -> int | None:
    """The error's code."""
    sender = sender or (METHODS[method].sender if method in METHODS else BARE_METHODS[method])
    for key, value in params.items():
        match value:
            case "<leg>":
                params = params | {key: stage.names[value]}
            case "<anna>" | "<dora>":
                params = params | {key: stage.proofs[value[1:-1]]}
    reply = await stage.ask(sender, method, **params)
    code = reply.get("error", {}).get("code")
    assert code is None or isinstance(code, int)
    return code


@pytest.mark.parametrize("name", METHODS)
async def test_every_bad_parameter_is_400_and_changes_nothing(set_stage: Stage, name: str) -> None:
    stage, method = set_stage, METHODS[name]
    before = stage.state(), stage.tokens.issued
    for params in bad_parameters(method):
        assert await outcome(stage, name, params) == 400, params
        assert before == (stage.state(), stage.tokens.issued), params
        assert not [client.name for client in stage.clients.values() if client.inbox], params
    # None of them has used up the call id, the socket or the connection.
    assert await outcome(stage, name, method.good) == method.code


@pytest.mark.parametrize("name", METHODS)
async def test_null_for_an_optional_parameter_is_absence(set_stage: Stage, name: str) -> None:
    method = METHODS[name]
    params = method.good | dict.fromkeys(method.optional) | {"unknown": {"fields": ["are", "ignored"]}}
    assert await outcome(set_stage, name, params) == method.code


@pytest.mark.parametrize("name", BARE_METHODS)
async def test_methods_without_parameters_ignore_all(set_stage: Stage, name: str) -> None:
    assert await outcome(set_stage, name, {"member": 5, "auth_token": None, "muted": "\ud800"}) is None


async def test_null_sizes_are_absent(set_stage: Stage) -> None:
    entry = {"id": "bob", "video_mid": "2", "width": None, "height": None}
    assert await outcome(set_stage, "subscribe_room", METHODS["subscribe_room"].good | {"members": [entry]}) is None
    (wanted,) = set_stage.engine.peer("anna").wanted
    assert (wanted.mid, wanted.name, wanted.width, wanted.height) == ("2", "bob", None, None)


@pytest.mark.parametrize("size", [1, 8192])
async def test_the_extreme_sizes_are_fine(set_stage: Stage, size: int) -> None:
    entry = {"id": "bob", "video_mid": "2", "width": size, "height": size}
    assert await outcome(set_stage, "subscribe_room", METHODS["subscribe_room"].good | {"members": [entry]}) is None


async def test_the_wanted_set_replaces_the_earlier_one_or_stays(set_stage: Stage) -> None:
    first = METHODS["subscribe_room"].good | {"members": [{"id": "bob", "video_mid": "2"}]}
    await outcome(set_stage, "subscribe_room", first)
    wanted = set_stage.engine.peer("anna").wanted
    await outcome(set_stage, "subscribe_room", first | {"members": [{"id": "carl", "video_mid": "9"}]})
    assert wanted == set_stage.engine.peer("anna").wanted
    await outcome(set_stage, "subscribe_room", first | {"members": []})
    assert set_stage.engine.peer("anna").wanted == ()


@pytest.mark.parametrize("name", ["authenticate", "register_room_api", "create_temp_room"])
@pytest.mark.parametrize(
    "credentials",
    [
        {"username": "bob"},
        {"password": "pw of bob"},
        {"device": "bob"},
        {"device_token": "token of bob"},
        {"device": "bob", "username": "bob", "password": "pw of bob"},
        {"username": "bob", "password": "pw of bob", "device": "bob", "device_token": ""},
    ],
)
async def test_half_a_pair_of_credentials_is_a_mistake(stage: Stage, name: str, credentials: dict[str, str]) -> None:
    params = {"room": OPEN, "call_id": "anna", "sdp": "offer", "invited": []}
    reply = await stage.ask("anna", name, **params, **credentials)
    assert reply["error"]["code"] == 400
    assert stage.directory.verified == []


@pytest.mark.parametrize("name", ["register_room_api", "create_temp_room"])
@pytest.mark.parametrize("nothing", [{}, dict.fromkeys(CREDENTIALS), dict.fromkeys(CREDENTIALS, "")])
async def test_who_must_be_known_has_to_say_who(stage: Stage, name: str, nothing: dict[str, None]) -> None:
    reply = await stage.ask("anna", name, call_id="anna", sdp="offer", invited=[], **nothing)
    assert reply["error"]["code"] == 400


@pytest.mark.parametrize("name", ["authenticate", "register_room_api", "create_temp_room"])
async def test_a_device_beats_a_username(stage: Stage, name: str) -> None:
    params = {"room": OPEN, "call_id": "anna", "sdp": "offer", "invited": []}
    device = {"device": "bob", "device_token": "token of bob", "username": "anna", "password": 5}
    reply = await stage.ask("anna", name, **params, **device)
    assert "result" in reply
    assert stage.directory.verified == ["token of bob"]


@pytest.mark.parametrize("name", ["create_temp_room", "invite_exten"])
async def test_the_same_destination_twice_is_one_invitation(set_stage: Stage, name: str) -> None:
    sender = METHODS[name].sender
    parameter = "extens" if name == "invite_exten" else "invited"
    several = {parameter: ["carl", "1003", "nobody", "carl", "nobody", "bob"]}
    reply = await set_stage.ask(sender, name, **METHODS[name].good | several)
    assert ["carl", "1003"] == [entry["destination"] for entry in reply["result"]["invited"]]
    assert [{"destination": "nobody", "code": 404}, {"destination": "bob", "code": 480}] == reply["result"]["failed"]


@pytest.mark.parametrize("name", ["create_temp_room", "invite_exten"])
async def test_as_many_and_as_long_destinations_as_there_may_be(set_stage: Stage, name: str) -> None:
    parameter = "extens" if name == "invite_exten" else "invited"
    many = [f"{number:+0{INVITED_CHARS}}" for number in range(INVITED)]
    reply = await set_stage.ask(METHODS[name].sender, name, **METHODS[name].good | {parameter: many})
    assert many == [entry["destination"] for entry in reply["result"]["failed"]]


@pytest.mark.parametrize("name", ["create_temp_room", "convert_to_room"])
async def test_nobody_need_be_invited(set_stage: Stage, name: str) -> None:
    assert await outcome(set_stage, name, METHODS[name].good | {"invited": []}) == METHODS[name].code


# --- with and without an id ------------------------------------------------------------------------------------------

# Shown without an id in section 5.3 of the contract, and 7.7.
NOTIFICATIONS = {name for name in BARE_METHODS if not name.startswith("get_")} | {"send_reaction", "room_invite_reject"}


@pytest.mark.parametrize("name", sorted(NOTIFICATIONS))
async def test_a_notification_with_an_id_is_answered(set_stage: Stage, name: str) -> None:
    good = METHODS[name].good if name in METHODS else {}
    # Nobody who is in no room can do any of it.
    refused = 404 if name == "room_invite_reject" else 400
    assert await outcome(set_stage, name, good, sender="stranger") == refused
    assert await outcome(set_stage, name, good) is None


@pytest.mark.parametrize("name", sorted(METHODS))
async def test_nothing_bad_is_answered_without_an_id(set_stage: Stage, name: str) -> None:
    stage = set_stage
    before = stage.state(), stage.tokens.issued
    client = stage.client(METHODS[name].sender)
    client.send(name, {"member": 5}, with_id=False)
    await stage.settle()
    assert not client.inbox
    assert before == (stage.state(), stage.tokens.issued)
    assert await outcome(stage, name, METHODS[name].good) == METHODS[name].code


def test_every_method_is_in_one_of_the_tables() -> None:
    assert METHODS.keys() | BARE_METHODS.keys() == ALL_METHODS.keys()
