"""Statistics and tracks as clients report them (contract analytics, sections 4.5 and 4.6)."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from api.analytics.events import Event
from api.analytics.faults import Fault
from api.analytics.reports import (
    TRACK_REPORTS,
    TRACKS,
    Stats,
    Track,
    TrackReport,
    info_after,
    read_new_track,
    read_stats,
    read_track_event,
    tracks_of,
)
from tests.api.analytics.test_events import JSON

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONNECTION = str(uuid.uuid4())
PAIR = {"id": "CP1", "state": "in-progress"}


def stats(**body: Any) -> Stats:
    return read_stats({"connectionId": CONNECTION, **body}, NOON)


def refused(read: Any, *arguments: Any) -> str:
    with pytest.raises(Fault) as fault:
        read(*arguments)
    return fault.value.code


class TestStats:
    def test_reports_of_no_track_stay_and_each_of_a_track_is_one_of_its_own(self) -> None:
        mine: dict[str, Any] = {"id": "OT1", "track": {"trackIdentifier": "t" * 50}}
        other: dict[str, Any] = {"id": "IT1", "track": {}}
        bare: dict[str, Any] = {"id": "IT2"}
        data = {
            "connection": PAIR,
            "audio": {"inbound": [other], "outbound": [mine]},
            "video": {"inbound": [bare], "outbound": []},
            "remote": {"audio": {}},
        }
        found = stats(data=data, delta=250)
        assert found.data == {
            "connection": PAIR,
            "remote": {"audio": {}},
            "audio": {"inbound": [other]},
            "video": {"inbound": [bare]},
        }
        assert found.tracks == (TrackReport("t" * 40, "audio", "outbound", mine),)
        assert (found.connection, found.at) == (CONNECTION, NOON - timedelta(milliseconds=250))

    def test_what_is_empty_is_left_out(self) -> None:
        assert stats(data={"connection": PAIR, "remote": {}, "audio": None}).data == {"connection": PAIR}

    @pytest.mark.parametrize(
        "data",
        [
            *(None, {}, [], "x", {"connection": None}, {"connection": {}}, {"connection": [1]}),
            {"connection": PAIR, "audio": {"sideways": []}},
            {"connection": PAIR, "audio": {"inbound": {}}},
            {"connection": PAIR, "video": {"inbound": [5]}},
            {"connection": PAIR, "video": [5]},
            {"connection": PAIR, "audio": {"inbound": [{"track": {"trackIdentifier": "x"}}] * (TRACK_REPORTS + 1)}},
        ],
    )
    def test_bad_data(self, data: Any) -> None:
        assert refused(read_stats, {"connectionId": CONNECTION, "data": data}, NOON) == "invalid_parameters"

    @pytest.mark.parametrize("connection", [None, "", "x", 5])
    def test_no_connection(self, connection: Any) -> None:
        body = {"connectionId": connection, "data": {"connection": PAIR}}
        assert refused(read_stats, body, NOON) == "connection_not_found"

    @pytest.mark.parametrize(
        ("local", "candidate", "is_tcp"),
        [
            (None, None, False),
            ({"candidateType": "relay", "protocol": "udp"}, "relay", False),
            ({"candidateType": "host", "protocol": "tcp"}, "host", True),
            ({"candidateType": "magic"}, None, False),
            ({"candidateType": ["host"]}, None, False),
        ],
    )
    def test_by_which_way_it_goes(self, local: Any, candidate: str | None, is_tcp: bool) -> None:
        found = stats(data={"connection": {**PAIR, "local": local}})
        assert (found.candidate, found.is_tcp) == (candidate, is_tcp)

    @pytest.mark.parametrize(
        "data",
        [
            *({"connection": {"state": "succeeded", name: 1}} for name in ("nominated", "selected", "bytesSent")),
            {"connection": {"state": "succeeded", "currentRoundTripTime": 0}},
            {"connection": {**PAIR, "bytesReceived": 1}},
            {"connection": {"local": {"candidateType": "host"}, "remote": {"candidateType": "srflx"}}},
            {"connection": PAIR, "audio": {"inbound": [{"packetsReceived": 1}]}},
            {"connection": PAIR, "remote": {"video": {"outbound": [{"bytesSent": 1}]}}},
            {"connection": PAIR, "remote": {"video": {"outbound": {"packetsSent": 1}}}},
        ],
    )
    def test_what_proves_a_connection(self, data: Any) -> None:
        assert stats(data=data).is_proof

    @pytest.mark.parametrize(
        "data",
        [
            {"connection": {"state": "succeeded"}},
            {"connection": {**PAIR, "nominated": True, "currentRoundTripTime": 0.1}},
            {"connection": {**PAIR, "bytesSent": 0, "bytesReceived": "5"}},
            {"connection": {**PAIR, "local": {"candidateType": "host"}}},
            {"connection": PAIR, "audio": {"inbound": [{"packetsReceived": 0}]}, "remote": {"audio": 5}},
        ],
    )
    def test_an_early_poll_proves_nothing(self, data: Any) -> None:
        assert not stats(data=data).is_proof


class TestTracks:
    def test_a_track_with_all_that_is_said_of_it(self) -> None:
        sent = {
            "id": "x",
            "kind": "video",
            "label": "L" * 200,
            "direction": "outbound",
            "muted": False,
            "enabled": True,
            "capabilities": {"width": 1},
            "constraints": {"width": 2},
            "settings": {"width": 3},
            "readyState": "live",
            "contentHint": "",
        }
        track, event = read_new_track(
            {"event": "ontrack", "connectionId": CONNECTION, "trackId": "t" * 50, "data": sent}, NOON
        )
        info = {
            "muted": False,
            "enabled": True,
            "capabilities": {"width": 1},
            "constraints": [{"width": 2}],
            "settings": {"width": 3},
            "ended": False,
            "readyState": "live",
            "contentHint": "",
        }
        assert track == Track("t" * 40, "video", "outbound", "L" * 128, info)
        assert event == Event("ontrack", NOON, sent, connection=CONNECTION)

    def test_one_that_says_little(self) -> None:
        body = {"event": "ontrack", "connectionId": CONNECTION, "trackId": "t", "data": {"kind": "audio"}}
        track, _ = read_new_track(body, NOON)
        assert (track.direction, track.label, track.info["constraints"], track.info["ended"]) == (
            "inbound",
            "",
            [],
            False,
        )

    @pytest.mark.parametrize(
        ("wrong", "code"),
        [
            ({"event": None}, "missing_parameters"),
            ({"trackId": ""}, "missing_parameters"),
            ({"trackId": 5}, "invalid_parameters"),
            ({"data": None}, "missing_parameters"),
            ({"data": {}}, "invalid_parameters"),
            ({"data": {"kind": "smell"}}, "invalid_parameters"),
            ({"data": {"kind": ["audio"]}}, "invalid_parameters"),
            ({"data": {"kind": "audio", "direction": "up"}}, "invalid_parameters"),
            ({"data": {"kind": "audio", "label": 5}}, "invalid_parameters"),
            ({"connectionId": "x"}, "connection_not_found"),
            ({"connectionId": None}, "connection_not_found"),
        ],
    )
    def test_bad_ones(self, wrong: dict[str, Any], code: str) -> None:
        body = {"event": "ontrack", "connectionId": CONNECTION, "trackId": "t", "data": {"kind": "audio"}, **wrong}
        assert refused(read_new_track, body, NOON) == code

    def test_what_happens_to_one(self) -> None:
        info = {"muted": True, "ended": False, "readyState": "live"}
        assert info_after(info, "unmute") == {**info, "muted": False}
        assert info_after({}, "mute") == {"muted": True}
        assert info_after(info, "ended") == {"muted": True, "ended": True, "readyState": "ended"}
        assert info_after(info, "overconstrained") == info

    def test_an_event_of_one(self) -> None:
        event = read_track_event({"event": "mute", "trackId": "t", "data": [1], "delta": 5}, NOON)
        assert (event.type, event.track_id, event.data) == ("mute", "t", [1])
        assert event.at == NOON - timedelta(milliseconds=5)

    def test_get_user_media_brings_outbound_ones(self) -> None:
        data = {"audio": [{"id": "a", "kind": "audio"}], "video": [{"id": "v", "kind": "video", "label": "Cam"}]}
        found = tracks_of(Event("getUserMedia", NOON, data))
        assert [(track.id, track.kind, track.direction, track.label) for track in found] == [
            ("a", "audio", "outbound", ""),
            ("v", "video", "outbound", "Cam"),
        ]
        assert tracks_of(Event("getUserMedia", NOON, {"constraints": {"audio": True}})) == []
        assert tracks_of(Event("custom", NOON, data)) == []

    @pytest.mark.parametrize("tracks", [[{"id": "a", "kind": "x"}], [{"kind": "audio"}], [5], [{"id": "a", "kind": "audio"}] * (TRACKS + 1)])  # fmt: skip
    def test_bad_tracks_of_get_user_media(self, tracks: list[Any]) -> None:
        assert refused(tracks_of, Event("getUserMedia", NOON, {"audio": tracks})) == "invalid_parameters"


@given(JSON, JSON, JSON)
def test_whatever_comes_is_read_or_refused(pair: Any, audio: Any, remote: Any) -> None:
    data = {"connection": pair, "audio": audio, "remote": remote}
    try:
        stats(data=data)
    except Fault as fault:
        assert fault.code == "invalid_parameters"
    for read in (read_new_track, read_track_event):
        try:
            read({"event": "x", "trackId": "t", "connectionId": CONNECTION, "data": pair}, NOON)
        except Fault as fault:
            assert fault.status == 400
