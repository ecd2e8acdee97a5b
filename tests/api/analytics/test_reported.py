"""A call, as its clients report it (contract analytics, section 4), and what is then stored (sections 6 and 8)."""

import json
import random
import uuid
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
import trio

from api.config import AnalyticsSettings
from api.store import tables
from tests.api.analytics.calls import Client, app, client, issues, only, rows
from tests.api.analytics.conftest import Api

NOBODY = str(uuid.uuid4())
PAIR = {"id": "CP", "state": "in-progress"}


@pytest.fixture(params=[100, 0], ids=["kept", "read anew"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many conferences the ledger keeps between two reports. With none, each finds what a restart would."""
    monkeypatch.setattr("api.analytics.kept.CONFERENCES_KEPT", request.param)


class TestInitialize:
    async def test_it_gives_a_token_and_the_settings_of_the_app(self, api: Api) -> None:
        made = await app(api, interval=2500)
        anna = await client(api, key=made["api_key"])
        hello = {
            "apiKey": anna.key,
            "conferenceId": "c" * 70,
            "userId": "u" * 70,
            "conferenceName": "",
            "userName": "Anna",
        }
        answer = await anna.tell("/initialize", **hello)
        assert abs(answer.pop("time") - datetime.now(UTC).timestamp()) < 60
        assert set(jwt.decode(answer.pop("token"), options={"verify_signature": False})) == {"p", "c", "t"}
        assert answer == {"getStatsInterval": 2500, "batchConnectionEvents": False}
        conference, person = only(api, tables.conferences), only(api, tables.participants)
        assert (conference.conference_id, conference.name) == ("c" * 64, None)
        assert (person.participant_id, person.name, person.is_sfu) == ("u" * 64, "Anna", False)

    async def test_a_name_replaces_the_former_one_and_none_leaves_it(self, api: Api) -> None:
        anna = await client(api)
        hello = {"apiKey": anna.key, "conferenceId": "c", "userId": "u"}
        for name in ("First", "Second", "", None):
            await anna.tell("/initialize", **hello, conferenceName=name, userName=name)
        assert only(api, tables.conferences).name == only(api, tables.participants).name == "Second"

    async def test_first_calls_at_once_make_one_conference(self, api: Api) -> None:
        anna = await client(api)
        async with trio.open_nursery() as nursery:
            for number in range(20):
                hello = {"apiKey": anna.key, "conferenceId": "c", "userId": f"u{number % 2}"}
                nursery.start_soon(lambda hello=hello: anna.tell("/initialize", **hello))
        assert len(rows(api, tables.conferences)) == 1
        assert len(rows(api, tables.participants)) == len(rows(api, tables.conference_participants)) == 2

    @pytest.mark.parametrize(
        ("wrong", "fault"),
        [
            ({"userId": 5, "apiKey": ""}, "400 invalid_parameters"),
            ({"conferenceName": []}, "400 invalid_parameters"),
            ({"conferenceId": "", "apiKey": "x"}, "400 missing_parameters"),
            ({"userId": None}, "400 missing_parameters"),
            ({"apiKey": None}, "400 missing_parameters"),
            ({"apiKey": "x"}, "400 invalid_api_key"),
            ({"apiKey": "A" * 32}, "400 invalid_api_key"),
            ({"apiKey": 5}, "400 invalid_api_key"),
            ({"apiKey": "0" * 32}, "400 invalid_api_key"),
        ],
    )
    async def test_what_is_refused(self, api: Api, wrong: dict[str, Any], fault: str) -> None:
        anna = await client(api)
        assert (
            await anna.fault("/initialize", **{"apiKey": anna.key, "conferenceId": "c", "userId": "u", **wrong})
            == fault
        )
        assert rows(api, tables.conferences) == []

    async def test_an_app_that_is_paused_or_gone(self, api: Api) -> None:
        made = await app(api, recording=False)
        hello = {"apiKey": made["api_key"], "conferenceId": "c", "userId": "u"}
        anna = await client(api, key=made["api_key"])
        assert await anna.fault("/initialize", **hello) == "400 app_not_recording"
        await api.ask("DELETE", f"/apps/{made['id']}")
        assert await anna.fault("/initialize", **hello) == "400 invalid_api_key"

    @pytest.mark.parametrize(
        ("origin", "is_good"),
        [
            ("https://shop.example", True),
            ("http://SHOP.example:3000", True),
            ("https://www.shop.example", False),
            ("https://shop.example.evil.example", False),
            ("null", False),
            ("http://[", False),
            (None, False),
        ],
    )
    async def test_an_app_of_one_domain(self, api: Api, origin: str | None, is_good: bool) -> None:
        made = await app(api, domain="shop.example")
        body = {"apiKey": made["api_key"], "conferenceId": "c", "userId": "u"}
        headers = {} if origin is None else {"origin": origin}
        answer = await api.ask("POST", "/initialize", body, **headers)
        assert answer.status_code == (200 if is_good else 403)
        assert answer.headers.get("access-control-allow-origin") == origin
        if not is_good:
            assert answer.json()["error_code"] == "domain_not_allowed"


class TestSessions:
    async def test_one_as_it_is_told(self, api: Api) -> None:
        anna = await client(api)
        platform = {"browser": {"name": "Chrome"}}
        visit = {"appVersion": "v" * 20, "webrtcSdk": "s" * 20, "platform": platform, "devices": [], "delta": 1500}
        await anna.comes(**visit, meta={"plan": "pro", "seats": 5, "trial": False}, timestamp=5)
        session = only(api, tables.call_sessions)
        assert (session.app_version, session.webrtc_sdk) == ("v" * 16, "s" * 16)
        assert json.loads(session.platform) == platform
        assert (session.devices, session.constraints) == ("[]", None)
        assert json.loads(session.metadata) == {"plan": "pro", "seats": 5, "trial": False}
        assert (api.clock.now - session.created_at).total_seconds() == 1.5
        unknown = ("country_code", "region_code", "city", "latitude", "longitude")
        assert json.loads(session.geo_ip) == dict.fromkeys(unknown)

    async def test_where_it_comes_from_by_a_proxys_word_or_by_its_address(self, api: Api) -> None:
        anna = await client(api)
        hello = {"apiKey": anna.key, "conferenceId": "c", "userId": "u"}
        token = (await anna.tell("/initialize", **hello))["token"]
        proxy = {"country": "KR", "region": "11", "city": "seoul", "citylatlong": "37.57,126.98"}
        headers = {f"x-appengine-{name}": value for name, value in proxy.items()}
        async with api.client_at("8.8.8.8") as client_there:
            for more in (headers, {"x-appengine-country": "ZZ"}):
                await client_there.post("/sessions", json={"token": token}, headers=more)
        told, found = (json.loads(row.geo_ip) for row in rows(api, tables.call_sessions))
        assert list(told.values()) == ["KR", "11", "seoul", "37.57", "126.98"]
        assert list(found.values()) == ["US", None, None, None, None]

    @pytest.mark.parametrize(
        "meta",
        [
            [1],
            "x",
            {str(number): 1 for number in range(6)},
            {"k" * 65: 1},
            {"k": "v" * 128},
            *({"k": value} for value in (1.5, None, [], {})),
        ],
    )
    async def test_bad_meta(self, api: Api, meta: object) -> None:
        anna = await client(api)
        hello = {"apiKey": anna.key, "conferenceId": "c", "userId": "u"}
        token = (await anna.tell("/initialize", **hello))["token"]
        assert await anna.fault("/sessions", token=token, meta=meta) == "400 invalid_meta"
        for good in ({}, None, 0, "", {"k" * 64: "v" * 127}):
            await anna.tell("/sessions", token=token, meta=good)

    async def test_tokens_of_the_other_kind_and_none(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        assert await anna.fault("/sessions") == "401 invalid_token"
        for path in ("/events/browser", "/connection", "/connection/batch", "/stats", "/tracks"):
            assert await anna.fault(path, token=None) == "401 missing_token"
            assert await anna.fault(path, token="x") == "401 invalid_token"
        stranger = jwt.encode({"s": NOBODY, "t": datetime.now(UTC).timestamp()}, b"s" * 32, algorithm="HS256")
        assert await anna.fault("/events/browser", token=stranger, eventName="x") == "401 invalid_token"
        arrival = {"p": NOBODY, "c": NOBODY, "t": datetime.now(UTC).timestamp()}
        assert (
            await anna.fault("/sessions", token=jwt.encode(arrival, b"i" * 32, algorithm="HS256"))
            == "401 invalid_token"
        )

    async def test_coming_again_is_an_issue(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        assert issues(api) == []
        await Client(api, anna.key, "ben", "standup").comes()
        await Client(api, anna.key, "anna", "retro").comes()
        assert issues(api) == []
        await anna.comes()
        assert issues(api) == ["multiple_rejoins"]

    async def test_what_is_told_later(self, api: Api) -> None:
        anna = await (await client(api)).comes(webrtcSdk="sdk", platform={"a": 1}, devices=[1])
        answer = (await anna.ask("PUT", "/sessions", platform={"b": 2}, devices=None, constraints={"c": 3})).json()
        session = answer["data"]
        assert (session["platform"], session["devices"], session["constraints"]) == ({"b": 2}, [1], {"c": 3})
        assert session["webrtc_sdk"] == "sdk"
        assert set(session) == set(
            "issues id conference participant devices platform metadata geo_ip app_version webrtc_sdk session_info "
            "duration end_time call_start created_at constraints".split()
        )
        assert await anna.fault("/sessions", "PUT", webrtcSdk="x" * 17) == "400 invalid_parameters"
        assert json.loads(only(api, tables.call_sessions).platform) == {"b": 2}


class TestConnections:
    async def test_one_is_made_with_its_peer(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        there = await anna.connects("ben", peerName="Ben", isSfu=True)
        connection, session = only(api, tables.peer_connections), only(api, tables.call_sessions)
        _, ben = rows(api, tables.participants)
        assert (ben.id, ben.participant_id, ben.name, ben.is_sfu) == (there["peerId"], "ben", "Ben", True)
        assert (connection.id, connection.state, connection.peer) == (there["connectionId"], "new", ben.number)
        (negotiation,) = json.loads(connection.negotiations)
        assert negotiation == {
            "start_time": "2026-11-23 12:00:00",
            "status": "connecting",
            "type": "initial",
            "end_time": None,
            "duration": None,
        }
        assert session.call_start == connection.start_time == api.clock.now
        conference = only(api, tables.conferences)
        assert (conference.ongoing, conference.start_time, conference.call_start) == (
            True,
            api.clock.now,
            api.clock.now,
        )
        await anna.connects("ben", isSfu=False)
        assert rows(api, tables.participants)[1].is_sfu

    async def test_a_whole_call(self, api: Api) -> None:
        made = await app(api)
        anna = await (await client(api, key=made["api_key"])).comes()
        there = await anna.connects()
        api.clock.goes_on(2)
        assert await anna.tell("/connection", eventName="onconnectionstatechange", data="connected", **there) == ""
        api.clock.goes_on(60.9)
        await anna.tell("/connection", eventName="onconnectionstatechange", data="closed", **there)
        connection, conference = only(api, tables.peer_connections), only(api, tables.conferences)
        assert (connection.state, connection.duration, connection.end_time) == ("closed", 62, api.clock.now)
        (negotiation,) = json.loads(connection.negotiations)
        assert (negotiation["status"], negotiation["duration"]) == ("connected", 2)
        assert (conference.ongoing, conference.duration, conference.end_time) == (False, 62, api.clock.now)
        api.clock.goes_on(1)
        await anna.tell("/events/browser", eventName="endCall")
        session = only(api, tables.call_sessions)
        assert (session.duration, session.call_start) == (62, None)
        days = (await api.data("GET", f"/apps/{made['id']}"))["durations_days"]
        assert [row.durations for row in rows(api, tables.apps)] == ['{"2026-11-23": 62}'] and set(days.values()) <= {
            0,
            62,
        }
        assert issues(api) == []

    async def test_names_that_are_not_there_leave_no_trace(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        there = await anna.connects("ben")
        other = await Client(api, anna.key, "carl", "retro").comes()
        elsewhere = await other.connects("dora")
        before = len(rows(api, tables.call_events))
        for wrong, fault in (
            ({"connectionId": NOBODY}, "400 connection_not_found"),
            ({"connectionId": elsewhere["connectionId"]}, "400 connection_not_found"),
            ({"connectionId": None}, "400 connection_not_found"),
            ({"peerId": NOBODY}, "400 participant_not_found"),
            ({"peerId": elsewhere["peerId"]}, "400 participant_not_found"),
            ({"data": "x"}, "400 invalid_parameters"),
        ):
            event = {"eventName": "onconnectionstatechange", "data": "closed", **there, **wrong}
            assert await anna.fault("/connection", **event) == fault
        assert await anna.fault("/connection", eventName="addConnection", peerId="anna") == "400 participant_equal_peer"
        own = rows(api, tables.participants)[0].id
        assert await anna.fault("/connection", eventName="x", peerId=own) == "400 participant_equal_peer"
        assert len(rows(api, tables.call_events)) == before
        assert only(api, tables.apps).durations == "{}"
        assert [row.end_time for row in rows(api, tables.peer_connections)] == [None, None]

    async def test_what_is_wrong_becomes_an_issue(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        there = await anna.connects()
        for event in (
            {"eventName": "onicecandidateerror", "data": {"errorCode": 701}},
            {"eventName": "oniceconnectionstatechange", "data": "failed"},
            {"eventName": "onconnectionstatechange", "data": "disconnected"},
            {"eventName": "onconnectionstatechange", "data": "failed"},
        ):
            await anna.tell("/connection", **event, **there)
        for _ in range(2):
            await anna.tell("/events/browser", eventName="endCall")
        told = ["icecandidateerror", "ice_failed", "connection_disconnected", "connection_failed", "no_connection"]
        assert issues(api) == told
        found = rows(api, tables.issues)
        assert json.loads(found[0].data) == {"errorCode": 701}
        assert [row.connection is None for row in found] == [False, False, False, False, True]

    async def test_a_conference_goes_on_while_another_session_has_a_connection(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        ben = await Client(api, anna.key, "ben", "standup").comes()
        await anna.connects()
        await ben.connects()
        api.clock.goes_on(5)
        await anna.tell("/events/browser", eventName="unload")
        assert only(api, tables.conferences).ongoing
        api.clock.goes_on(5)
        await ben.tell("/events/browser", eventName="unload")
        conference = only(api, tables.conferences)
        assert (conference.ongoing, conference.duration) == (False, 10)
        await ben.connects()
        assert only(api, tables.conferences).ongoing

    async def test_leaving_the_page_is_safe_to_repeat(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        await anna.connects()
        api.clock.goes_on(5)
        for event in ("beforeunload", "unload", "endCall", "unload"):
            await anna.tell("/events/browser", eventName=event)
            api.clock.goes_on(1)
        session = only(api, tables.call_sessions)
        assert session.duration == 5
        assert issues(api) == ["no_connection"]

    @pytest.mark.parametrize("seed", range(3))
    async def test_bursts_in_any_order(self, api: Api, seed: int) -> None:
        """25 sessions that send 15 events each, all at once; each connection ends as it does one by one."""
        story = [
            *(("onnegotiationneeded", None), ("onsignalingstatechange", {"signalingState": "have-local-offer"})),
            *(("onicegatheringstatechange", "gathering"), ("onconnectionstatechange", "connecting")),
            *(("onicecandidate", {"candidate": "x"}), ("oniceconnectionstatechange", "checking")),
            *(("onsignalingstatechange", {"signalingState": "stable"}), ("oniceconnectionstatechange", "connected")),
            *(("onconnectionstatechange", "connected"), ("onicecandidate", None)),
            *(("onnegotiationneeded", None), ("onsignalingstatechange", {"signalingState": "have-local-offer"})),
            *(("onsignalingstatechange", {"signalingState": "stable"}), ("onconnectionstatechange", "disconnected")),
            ("onconnectionstatechange", "connected"),
        ]
        key = (await app(api))["api_key"]
        people = [await Client(api, key, f"u{number}", "standup").comes() for number in range(25)]
        there = [await person.connects() for person in people]
        api.clock.goes_on(20)
        sent = [
            (person, {"eventName": name, "data": data, "delta": 15_000 - 1000 * at, **ids})
            for person, ids in zip(people, there, strict=True)
            for at, (name, data) in enumerate(story)
        ]
        random.Random(seed).shuffle(sent)
        async with trio.open_nursery() as nursery:
            for person, event in sent:
                nursery.start_soon(lambda person=person, event=event: person.tell("/connection", **event))
        for connection in rows(api, tables.peer_connections):
            first, second = json.loads(connection.negotiations)
            assert (connection.state, connection.end_time) == ("connected", None)
            assert (first["status"], first["type"], first["duration"]) == ("connected", "initial", 13)
            assert (second["status"], second["type"], second["duration"]) == ("connected", "renegotiation", 4)
        assert len(rows(api, tables.call_events)) == 25 * 16


class TestBatch:
    async def test_it_is_as_its_events(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        there = await anna.connects()
        api.clock.goes_on(10)
        events = [
            {"eventName": "onconnectionstatechange", "data": "connected", "timeDelta": 3000, **there},
            {"eventName": "onconnectionstatechange", "data": "connecting", "delta": 5000, **there},
            {"eventName": "skipped"},
        ]
        assert await anna.tell("/connection/batch", data=events, delta=1000) == ""
        connection = only(api, tables.peer_connections)
        (negotiation,) = json.loads(connection.negotiations)
        assert (connection.state, negotiation["duration"]) == ("connected", 6)
        assert len(rows(api, tables.call_events)) == 3

    async def test_one_bad_event_refuses_all(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        there = await anna.connects()
        good = {"eventName": "onconnectionstatechange", "data": "closed", **there}
        bad = {**good, "connectionId": NOBODY}
        assert await anna.fault("/connection/batch", data=[good, bad]) == "400 connection_not_found"
        assert only(api, tables.peer_connections).end_time is None
        assert len(rows(api, tables.call_events)) == 1
        assert await anna.tell("/connection/batch", events=[]) == ""


class TestStats:
    async def test_a_report_and_those_of_its_tracks(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        there = await anna.connects()
        mine = {"id": "OT", "track": {"trackIdentifier": "t"}, "packetsSent": 5}
        data = {
            "connection": {**PAIR, "local": {"candidateType": "relay", "protocol": "tcp"}},
            "audio": {"inbound": [{"id": "IT", "track": {}}], "outbound": [mine]},
        }
        for _ in range(2):
            assert await anna.tell("/stats", connectionId=there["connectionId"], data=data) == ""
        connection, track = only(api, tables.peer_connections), only(api, tables.tracks)
        assert (connection.type, connection.detected_tcp, connection.detected_turn) == ("relay", True, True)
        assert (track.track_id, track.kind, track.direction) == ("t", "audio", "outbound")
        assert issues(api) == ["tcp_used", "turn_used"]
        _, main, of_track, again, _ = rows(api, tables.call_events)
        assert (main.category, main.type, main.track, of_track.track) == ("stats", "stats", None, track.number)
        assert json.loads(main.data) == {**data, "audio": {"inbound": [{"id": "IT", "track": {}}]}}
        assert json.loads(of_track.data) == mine
        assert main.request == of_track.request != again.request
        assert connection.established

    async def test_what_is_refused(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        there = await anna.connects()
        good = {"connectionId": there["connectionId"], "data": {"connection": PAIR}}
        assert await anna.fault("/stats", **{**good, "connectionId": NOBODY}) == "400 connection_not_found"
        assert await anna.fault("/stats", **{**good, "data": {}}) == "400 invalid_parameters"
        await anna.tell("/connection", eventName="removeConnection", **there)
        assert await anna.fault("/stats", **good) == "400 connection_ended"

    async def test_who_was_connected_by_the_figures_alone_was_connected(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        there = await anna.connects()
        await anna.tell("/stats", connectionId=there["connectionId"], data={"connection": {**PAIR, "bytesSent": 5}})
        await anna.tell("/events/browser", eventName="endCall")
        assert issues(api) == []


class TestMedia:
    async def test_tracks_that_a_page_gets(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        await anna.tell("/events/get-user-media", eventName="getUserMedia", data={"constraints": {"audio": True}})
        got = {"audio": [{"id": "a", "kind": "audio", "label": "Mic"}], "video": []}
        await anna.tell("/events/get-user-media", eventName="getUserMedia", data=got)
        track = only(api, tables.tracks)
        assert (track.track_id, track.direction, track.label, track.connection) == ("a", "outbound", "Mic", None)
        bad = {"audio": [{"id": "a", "kind": "smell"}]}
        assert (
            await anna.fault("/events/get-user-media", eventName="getUserMedia", data=bad) == "400 invalid_parameters"
        )
        await anna.tell("/events/browser", eventName="endCall")
        assert issues(api) == []

    @pytest.mark.usefixtures("kept")
    async def test_a_page_that_gets_none(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        error = {"name": "NotAllowedError", "message": "no"}
        for data in ({"constraints": {}}, {"error": error}):
            await anna.tell("/events/get-user-media", eventName="getUserMedia", data=data)
        for _ in range(2):
            await anna.tell("/events/browser", eventName="endCall")
        assert issues(api) == ["getusermedia_error", "no_media_access"]
        assert json.loads(rows(api, tables.issues)[0].data) == error

    async def test_a_track_from_its_coming_to_its_end(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        there = await anna.connects()
        made = {"event": "ontrack", "trackId": "t", "connectionId": there["connectionId"], "data": {"kind": "video"}}
        first, again = (await anna.tell("/tracks", **made))["data"], (await anna.tell("/tracks", **made))["data"]
        assert first == again
        assert (first["connection"], first["kind"], first["direction"]) == (there["connectionId"], "video", "inbound")
        for event, name, value in (
            ("mute", "muted", True),
            ("unmute", "muted", False),
            ("ended", "readyState", "ended"),
        ):
            answer = await anna.ask("PUT", "/tracks", event=event, trackId="t", data=None)
            assert answer.json()["data"]["track_info"][name] == value
        assert await anna.fault("/tracks", "PUT", event="mute", trackId="other") == "400 track_not_found"
        kept = [row.type for row in rows(api, tables.call_events) if row.category == "track"]
        assert kept == ["ontrack", "ontrack", "mute", "unmute", "ended", "mute"]


class TestServices:
    async def test_a_customer_stops_its_conference(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        there = await anna.connects()
        api.clock.goes_on(7)
        stop = {"apiKey": anna.key, "conferenceId": "standup"}
        for _ in range(2):
            assert (await api.ask("POST", "/services/stop-conference", stop, authorization="")).json() == {}
            api.clock.goes_on(1)
        conference = only(api, tables.conferences)
        assert (conference.ongoing, conference.duration) == (False, 7)
        assert await anna.fault("/stats", connectionId=there["connectionId"], data={"connection": PAIR}) == (
            "400 connection_ended"
        )
        for wrong, fault in (
            ({"conferenceId": "other"}, "400 conference_not_found"),
            ({"conferenceId": ""}, "400 missing_parameters"),
            ({"apiKey": "0" * 32}, "400 invalid_api_key"),
        ):
            assert await anna.fault("/services/stop-conference", **{**stop, **wrong}) == fault

    async def test_where_people_find_it(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        conference, person = only(api, tables.conferences), only(api, tables.participants)
        for named, path in (
            ({"conferenceId": "standup"}, f"conference/{conference.id}"),
            ({"userId": "anna"}, f"participant/{person.id}"),
        ):
            answer = await anna.tell("/services/get-url", apiKey=anna.key, **named)
            assert answer == {"url": f"http://rooms.example/dashboard/{path}"}
        assert await anna.fault("/services/get-url", apiKey=anna.key) == "400 missing_parameters"
        assert await anna.fault("/services/get-url", apiKey=anna.key, userId="x") == "400 participant_not_found"


class TestLimits:
    @pytest.fixture
    def settings(self) -> AnalyticsSettings:
        return AnalyticsSettings(max_events_per_session=3, dashboard_url="https://d.example/")

    @pytest.mark.usefixtures("kept")
    async def test_so_many_events_of_one_session(self, api: Api) -> None:
        anna = await (await client(api)).comes()
        there = await anna.connects()
        await anna.tell("/events/browser", eventName="a")
        two = [{"eventName": "x", **there}] * 2
        assert await anna.fault("/connection/batch", data=two) == "400 event_limit_reached"
        await anna.tell("/events/browser", eventName="b")
        assert await anna.fault("/events/browser", eventName="endCall") == "400 event_limit_reached"
        assert len(rows(api, tables.call_events)) == 3
        assert only(api, tables.call_sessions).end_time is None
        url = (await anna.tell("/services/get-url", apiKey=anna.key, userId="anna"))["url"]
        assert url.startswith("https://d.example/participant/")


async def test_all_of_it_is_found_again_by_a_ledger_that_starts_anew(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a restart, and as when it was not reported for long."""
    monkeypatch.setattr("api.analytics.kept.CONFERENCES_KEPT", 0)
    anna = await (await client(api)).comes()
    there = await anna.connects()
    api.clock.goes_on(10)
    await anna.tell("/connection", eventName="onconnectionstatechange", data="connected", **there)
    await anna.tell("/connection", eventName="onconnectionstatechange", data="connecting", delta=5000, **there)
    await anna.tell("/connection", eventName="onconnectionstatechange", data="closed", **there)
    await anna.comes()
    await anna.comes()
    connection, conference = only(api, tables.peer_connections), only(api, tables.conferences)
    assert (connection.state, connection.duration, conference.duration) == ("closed", 10, 10)
    assert issues(api) == ["multiple_rejoins", "multiple_rejoins"]
    assert only(api, tables.apps).durations == '{"2026-11-23": 10}'
    assert len({row.number for row in rows(api, tables.call_events)}) == 4
