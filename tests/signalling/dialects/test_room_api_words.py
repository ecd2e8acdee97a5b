"""The Room API's text: what is a message, what is echoed, what is refused how (contract room-api, 3)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalling.dialects import room_api
from signalling.dialects.room_api import Done, Unreadable
from signalling.room import errors
from signalling.room.errors import RoomError, UnknownMethod
from signalling.room.events import MemberJoined
from signalling.room.member import Member


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
        '{"method": "\\ud800"}',
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


@pytest.mark.parametrize("id", ["", "7", 'é\n"', 0, 7, -7, 1.5, 2**70])
def test_ids_are_echoed(id: object) -> None:
    call = room_api.read(json.dumps({"id": id, "method": "leave_room"}))
    reply = json.loads(room_api.result(call, Done()))
    assert {"id": id, "result": {}} == reply
    assert type(id) is type(reply["id"])
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


def test_every_refusal_has_a_code() -> None:
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, RoomError)}
    assert classes - {RoomError} == room_api.ERROR_CODES.keys()


def test_a_member_has_all_fields_always() -> None:
    member = Member(id="anna bell", user=None, name='"A"', is_admin=True)
    text = room_api.notification(MemberJoined(member))
    assert text is not None
    params = json.loads(text)["params"]
    assert set(params) == {
        *("id", "user", "name", "is_admin", "hand_raised", "screen_share", "audio_muted", "video_muted"),
        *("audio_muted_by_admin", "video_muted_by_admin", "is_sip", "stream"),
    }
    # A blank is no part of a legal msid.
    assert (len(params["stream"]), params["name"]) == (43, '"A"')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    *("room", "call_id", "display_name", "room_password", "username", "password", "device", "device_token"),
    *("sdp", "auth_token", "audio_muted", "video_muted", "members"),
)
METHODS = ("authenticate", "join_room", "subscribe_room", "get_room_members", "leave_room", "mute_audio", "x")


@given(
    st.fixed_dictionaries(
        {"method": st.sampled_from(METHODS), "params": st.dictionaries(st.sampled_from(FIELDS), JSON)},
        optional={"id": JSON, "jsonrpc": JSON},
    )
)
def test_any_json_is_read_or_refused(message: dict[str, Any]) -> None:
    try:
        room_api.request(room_api.read(json.dumps(message)))
    except (Unreadable, RoomError):
        pass


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        room_api.read(text)
    except Unreadable as refusal:
        assert json.loads(refusal.reply)["id"] is None or text
