"""Which events are good, and what they say (contract analytics, sections 4.3 and 4.4)."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.analytics.course import Kind
from api.analytics.events import BATCH_EVENTS, Event, Peer, kind_of, read_batch, read_event
from api.analytics.faults import Fault
from api.analytics.fields import body_of, json_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEER, CONNECTION = str(uuid.uuid4()), str(uuid.uuid4())


def read(*, needs_peer: bool = False, **body: Any) -> Event:
    return read_event(body, NOON, needs_peer=needs_peer)


def code_of(*, needs_peer: bool = False, **body: Any) -> str:
    with pytest.raises(Fault) as refused:
        read(needs_peer=needs_peer, **body)
    assert refused.value.status == 400
    return refused.value.code


def before(milliseconds: float) -> datetime:
    return NOON - timedelta(milliseconds=milliseconds)


class TestBody:
    @pytest.mark.parametrize(
        "raw", [b"", b"x", b"[]", b"null", b'"x"', b"5", b'{"a": NaN}', b'{"a": "\xff"}', b"\xfe{}"]
    )
    def test_what_is_no_object(self, raw: bytes) -> None:
        with pytest.raises(Fault, match="unknown_error"):
            body_of(raw)

    def test_what_is_nested_too_deeply(self) -> None:
        for depth in (100, 100_000):
            with pytest.raises(Fault, match="unknown_error"):
                body_of(b'{"a": ' + b"[" * depth + b"]" * depth + b"}")

    def test_an_object(self) -> None:
        assert body_of('{"a": "é"}'.encode()) == {"a": "é"}

    def test_what_is_stored_is_what_came_but_for_what_no_database_takes(self) -> None:
        value = {"a\0": ["x\0y", "\ud800", "é\n\u2028", 1.5, None, True, {"b": "\\u0000"}]}
        assert json.loads(json_of(value)) == {"a": ["xy", "", "é\n\u2028", 1.5, None, True, {"b": "\\u0000"}]}
        assert "\0" not in json_of(value) and "\\u0000" not in json_of({"a": "\0"})


class TestFields:
    def test_a_name_is_needed_and_cut(self) -> None:
        assert read(eventName="x" * 40).type == "x" * 32
        for missing in ({}, {"eventName": None}, {"eventName": ""}):
            assert code_of(**missing) == "missing_parameters"
        assert code_of(eventName=5) == "invalid_parameters"

    def test_a_peer_is_needed_on_connection_alone(self) -> None:
        assert read(eventName="x").peer is None
        for missing in ({}, {"peerId": None}, {"peerId": ""}):
            assert code_of(eventName="x", needs_peer=True, **missing) == "missing_parameters"
        assert code_of(eventName="x", peerId=5) == "invalid_parameters"

    def test_ids_are_uuids_in_any_form(self) -> None:
        event = read(eventName="x", peerId=PEER.upper(), connectionId=f"{{{CONNECTION}}}")
        assert (event.peer, event.connection) == (PEER, CONNECTION)
        assert code_of(eventName="x", connectionId="x") == "connection_not_found"
        assert code_of(eventName="x", connectionId=5) == "connection_not_found"
        assert code_of(eventName="x", peerId="x") == "participant_not_found"

    def test_what_is_wrong_first_is_told(self) -> None:
        bad: dict[str, Any] = {"connectionId": "x", "peerId": "x", "data": "x"}
        assert code_of(**bad, eventName=5) == "invalid_parameters"
        assert code_of(**bad, eventName="") == "missing_parameters"
        assert code_of(**bad, eventName="datachannel") == "invalid_parameters"
        assert code_of(**bad, eventName="x") == "connection_not_found"

    @pytest.mark.parametrize(("delta", "at"), [(None, NOON), (0, NOON), (1500, before(1500)), (0.5, before(0.5))])
    def test_it_happened_so_many_milliseconds_ago(self, delta: float | None, at: datetime) -> None:
        given = {} if delta is None else {"delta": delta}
        assert read(eventName="x", **given).at == at

    @pytest.mark.parametrize("delta", [None, -1, "5", True, [], 1e300, 10**400, 10**14])
    def test_a_time_that_is_none(self, delta: object) -> None:
        assert code_of(eventName="x", delta=delta) == "invalid_parameters"


class TestData:
    @pytest.mark.parametrize(
        ("type", "good", "bad"),
        [
            ("oniceconnectionstatechange", ["new", "completed"], ["Completed", "", None, 5, [], {}]),
            ("onicegatheringstatechange", ["gathering"], ["checking", None]),
            ("onconnectionstatechange", ["closed"], ["completed", None, ["closed"]]),
            ("connectionstatechange", ["closed"], ["completed", None]),
            (
                "onsignalingstatechange",
                [{"signalingState": "stable", "x": 1}],
                ["stable", None, {}, {"signalingState": []}],
            ),
            ("icecandidateerror", [301, 701.5], [300, 799, True, "701", None]),
            ("negotiationneeded", [None], ["", {}]),
            ("datachannel", [None], [0]),
            ("stats", [{"audio": 1, "video": 2, "connection": 3, "remote": 4}], [{}, None, {"audio": 1}]),
            ("custom", [None, 5, {"a": []}], []),
            ("onicecandidateerror", [{"errorCode": 701}, None], []),
        ],
    )
    def test_it_is_checked_by_type(self, type: str, good: list[Any], bad: list[Any]) -> None:
        for data in good:
            assert read(eventName=type, data=data).data == data
        for data in bad:
            assert code_of(eventName=type, data=data) == "invalid_parameters"

    def test_a_candidate_keeps_what_is_known_of_candidates(self) -> None:
        sent = {"candidate": "c", "sdpMid": None, "port": 0, "toJSON": {}}
        assert read(eventName="onicecandidate", data=sent).data == {"candidate": "c", "port": 0}
        assert read(eventName="onicecandidate").data is None

    def test_what_the_sdk_sends_beside_it_is_kept(self) -> None:
        assert read(eventName="tabFocus", focus=True).data == {"focus": True}
        assert read(eventName="tabFocus", focus=True, data={}).data == {}
        assert read(eventName="tabFocus", focus="x").data is None
        assert read(eventName="mediaDeviceChange", devices=[1]).data == {"devices": [1]}
        assert read(eventName="mediaDeviceChange", devices={}).data is None


class TestAddConnection:
    def test_it_brings_a_peer(self) -> None:
        event = read(
            eventName="addConnection", peerId="bob", peerName="B" * 70, isSfu=True, connectionState="connected"
        )
        assert event.new_peer == Peer("bob", "B" * 64, is_sfu=True, is_connected=True)
        assert (event.peer, event.connection) == (None, None)
        assert read(eventName="addConnection", peerId="bob").new_peer == Peer("bob", None, False, False)

    @pytest.mark.parametrize("wrong", [{"peerId": "x" * 65}, {"peerName": 5}, {"isSfu": "yes"}, {"connectionState": 5}])
    def test_what_is_wrong_with_it(self, wrong: dict[str, Any]) -> None:
        assert code_of(**{"eventName": "addConnection", "peerId": "bob", **wrong}) == "invalid_parameters"


class TestBatch:
    def test_each_has_its_time_before_the_batchs(self) -> None:
        events = [{"eventName": "a", "peerId": PEER, "delta": 100}, {"eventName": "b", "peerId": PEER, "timeDelta": 7}]
        for body in ({"data": events, "delta": 1000}, {"events": events, "timeDelta": 1000}):
            assert [(event.type, event.at) for event in read_batch(body, NOON)] == [
                ("a", before(1100)),
                ("b", before(1007)),
            ]

    def test_what_lacks_a_name_or_a_peer_is_left_out(self) -> None:
        assert read_batch({"data": []}, NOON) == []
        assert read_batch({"data": [{"eventName": "a"}, {"peerId": PEER}, {}]}, NOON) == []

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({}, "missing_parameters"),
            ({"data": None}, "missing_parameters"),
            ({"data": {}}, "invalid_parameters"),
            ({"data": [5]}, "invalid_parameters"),
            ({"data": [{"eventName": 5}]}, "invalid_parameters"),
            ({"data": [{"delta": -1}]}, "invalid_parameters"),
            ({"data": [], "delta": "x"}, "invalid_parameters"),
            ({"data": [{"eventName": "datachannel", "peerId": PEER, "data": 1}]}, "invalid_parameters"),
            (
                {"data": [{"eventName": "a", "peerId": PEER}, {"eventName": "a", "peerId": "x"}]},
                "participant_not_found",
            ),
            ({"data": [{}] * (BATCH_EVENTS + 1)}, "invalid_parameters"),
        ],
    )
    def test_one_bad_event_refuses_all(self, body: dict[str, Any], code: str) -> None:
        with pytest.raises(Fault) as refused:
            read_batch(body, NOON)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("type", "data", "kind"),
    [
        ("onnegotiationneeded", None, Kind.NEGOTIATES),
        ("onsignalingstatechange", {"signalingState": "have-local-offer"}, Kind.NEGOTIATES),
        ("onsignalingstatechange", {"signalingState": "have-remote-offer"}, Kind.NEGOTIATES),
        ("onsignalingstatechange", {"signalingState": "stable"}, Kind.STABLE),
        ("onsignalingstatechange", {"signalingState": "closed"}, None),
        *(("onconnectionstatechange", state, Kind(state)) for state in ("new", "connecting", "failed", "closed")),
        ("oniceconnectionstatechange", "connected", Kind.CONNECTED),
        ("oniceconnectionstatechange", "completed", Kind.CONNECTED),
        ("oniceconnectionstatechange", "failed", None),
        ("removeConnection", None, Kind.REMOVED),
        ("removePeer", None, None),
        ("beforeunload", None, Kind.HIDDEN),
        ("unload", None, Kind.LEFT),
        ("endCall", None, Kind.LEFT),
        ("custom", {"eventName": "endCall"}, None),
    ],
)
def test_the_mark_that_it_leaves(type: str, data: Any, kind: Kind | None) -> None:
    assert kind_of(read(eventName=type, data=data)) is kind


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["onconnectionstatechange", "onsignalingstatechange", "onicecandidate", "addConnection", "tabFocus", "stats", "x"]
)
FIELDS = st.sampled_from(["eventName", "peerId", "connectionId", "data", "delta", "peerName", "isSfu", "focus"])


@given(st.dictionaries(FIELDS, JSON), NAMES | JSON)
def test_whatever_comes_is_an_event_or_a_fault(body: dict[str, Any], name: Any) -> None:
    try:
        event = read_event({**body, "eventName": name}, NOON, needs_peer=False)
    except Fault:
        return
    kind_of(event)
    json.loads(json_of(event.data))
