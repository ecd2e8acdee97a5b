"""The Room API's envelopes: what is a message, what is echoed, what is refused how (contract room-api, 3)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalling.dialects import room_api
from signalling.dialects.json_text import Unreadable
from signalling.dialects.room_api import Done
from signalling.room import errors
from signalling.room.errors import RoomError, TooMany, UnknownMethod


def refusal(text: str) -> dict[str, Any]:
    with pytest.raises(Unreadable) as caught:
        room_api.read(text)
    reply = json.loads(caught.value.reply)
    assert isinstance(reply, dict)
    return reply


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "hello",
        "'x'",
        '{"method": "x", "id": NaN}',
        '{"method": "x", "id": 1e999}',
        '{"method": "x", "id": -Infinity}',
        "[" * 100_000,
        '{"id": ' + "9" * 5000 + "}",
    ],
)
def test_not_json(text: str) -> None:
    reply = refusal(text)
    assert (None, -32700) == (reply["id"], reply["error"]["code"])


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("[]", None),
        ("5", None),
        ("null", None),
        ('"text"', None),
        ("{}", None),
        ('{"id": 7}', 7),
        ('{"id": "7", "method": 5}', "7"),
        ('{"id": 7, "result": {}}', 7),
        ('{"id": 7, "method": "x", "params": []}', 7),
        ('{"id": 7, "method": "x", "params": "p"}', 7),
        ('{"id": 7, "method": "x", "params": false}', 7),
        ('{"id": true, "method": "x"}', None),
        ('{"id": [1], "method": "x"}', None),
        ('{"id": {}, "method": "x"}', None),
        ('[{"id": 7, "method": "x"}]', None),
    ],
)
def test_json_but_no_message(text: str, id: object) -> None:
    reply = refusal(text)
    assert (id, -32600) == (reply["id"], reply["error"]["code"])


@pytest.mark.parametrize("id", ["", "7", 'é\n"', "half \ud800 a pair", 0, 7, -7, 1.5, 2**70])
def test_ids_are_echoed(id: object) -> None:
    call = room_api.read(json.dumps({"id": id, "method": "leave_room"}))
    text = room_api.result(call, Done())
    assert text.isascii()
    assert {"id": id, "result": {}} == json.loads(text)
    assert type(id) is type(json.loads(text)["id"])
    assert id == json.loads(room_api.error(call, UnknownMethod("x")))["id"]


@pytest.mark.parametrize("params", ["", ', "params": null', ', "params": {}'])
def test_params_may_be_absent(params: str) -> None:
    call = room_api.read('{"id": null, "method": "leave_room"' + params + "}")
    assert (None, {}) == (call.id, call.params)


def test_jsonrpc_is_echoed_to_whom_it_said_it() -> None:
    with_it = room_api.read('{"jsonrpc": "2.0", "id": 1, "method": "leave_room"}')
    assert json.loads(room_api.result(with_it, Done())) == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert json.loads(room_api.error(with_it, UnknownMethod("x")))["jsonrpc"] == "2.0"
    assert refusal('{"jsonrpc": "2.0", "id": 1}')["jsonrpc"] == "2.0"
    for other in ('"1.0"', "2.0", "null"):
        without = room_api.read(f'{{"jsonrpc": {other}, "id": 1, "method": "leave_room"}}')
        assert "jsonrpc" not in json.loads(room_api.result(without, Done()))


CODES = {
    "BadRequest": 400,
    "Missing": 400,
    "TooLong": 400,
    "WrongState": 400,
    "WrongKind": 400,
    "InAnotherRoom": 400,
    "AlreadyInside": 400,
    "RoomExists": 400,
    "ShareTaken": 400,
    "Mismatch": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "MustWait": 403,
    "RoomFull": 403,
    "LimitReached": 403,
    "NotFound": 404,
    "NoSuchTarget": 404,
    "NoSuchFeed": 404,
    "NothingThere": 404,
    "CallInUse": 409,
    "InvitationOver": 410,
    "TooMany": 429,
    "NoCodec": 488,
    "Draining": 503,
    "UnknownMethod": -32601,
    # These a socket of this protocol never meets.
    "NotRegistered": 500,
    "TimedOut": 500,
    "RoomError": 500,
}


@pytest.mark.parametrize(("refused", "code"), CODES.items())
def test_a_refusal_has_its_code(refused: str, code: int) -> None:
    """Contract 3.1, and section 11 for those that a busy server gives."""
    call = room_api.read('{"id": 1, "method": "x"}')
    reply = json.loads(room_api.error(call, getattr(errors, refused)("because")))
    more = {"status": False} if refused == "LimitReached" else {}  # contract s-connector, section 9
    assert reply == {"id": 1, "error": {"code": code, "message": "because", **more}}


def test_every_refusal_has_a_code() -> None:
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, RoomError)}
    assert {each.__name__ for each in classes} == CODES.keys()
    assert classes >= room_api.ERROR_CODES.keys()


def test_our_own_fault_says_no_more_than_that() -> None:
    call = room_api.read('{"id": "x", "method": "leave_room"}')
    assert json.loads(room_api.internal_error(call)) == {
        "id": "x",
        "error": {"code": 500, "message": "internal error"},
    }


def test_a_message_that_was_not_read_is_refused_without_an_id() -> None:
    assert json.loads(room_api.error(None, TooMany("slowly"))) == {
        "id": None,
        "error": {"code": 429, "message": "slowly"},
    }


@given(st.text(st.characters() | st.sampled_from('{}[]",:\\ud8')))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        call = room_api.read(text)
    except Unreadable as refusal:
        assert json.loads(refusal.reply)["error"]["code"] in (-32700, -32600)
    else:
        assert isinstance(call.method, str)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text()
            | st.lists(st.none())
            | st.just({})
            for name in ("id", "jsonrpc", "method", "params")
        },
    )
)
def test_any_envelope_is_read_or_refused_with_its_id(message: dict[str, Any]) -> None:
    try:
        call = room_api.read(json.dumps(message))
    except Unreadable as refusal:
        id = json.loads(refusal.reply)["id"]
        assert id is None or id == message["id"]
    else:
        assert (message.get("id"), message["method"]) == (call.id, call.method)
