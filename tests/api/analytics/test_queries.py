"""What the dashboard asks about calls (contract analytics, sections 5.3, 5.4 and 5.6)."""

import uuid
from typing import Any

import attrs
import pytest
import sqlalchemy as sa
import trio

from api.store import tables
from tests.api.analytics.calls import Client, app, client
from tests.api.analytics.conftest import Api
from tests.api.conftest import Server

NOBODY = "6a1f0c52-8f3e-4b55-9d0e-2f1b7c4d9e10"
PAIR = {"id": "CP", "state": "in-progress"}


@attrs.frozen
class Call:
    """Anna tells of a call with Boris, Boris of nothing but that he is there; a minute later Anna has a call by herself."""

    app: Any
    anna: Client
    boris: Client
    connection: dict[str, str]
    """As Anna's events name it."""
    conferences: list[Any]
    people: dict[str, str]
    """Ids by their own ids."""


@pytest.fixture
async def call(api: Api) -> Call:
    made = await app(api)
    anna, boris = (Client(api, made["api_key"], user, "standup") for user in ("anna", "boris"))
    platform = {"browser": {"name": "Chrome"}, "os": {"name": "Linux"}}
    await anna.comes(platform=platform, constraints={"audio": True}, meta={"plan": "pro"}, appVersion="1.2")
    await boris.comes()
    connection = await anna.connects("boris")
    await anna.tell("/connection", eventName="onconnectionstatechange", data="failed", **connection)
    await anna.tell("/events/browser", eventName="tabFocus", focus=False)
    await anna.tell("/events/get-user-media", eventName="getUserMedia", data={"error": {"name": "NotAllowedError"}})
    await anna.tell("/stats", connectionId=connection["connectionId"], data={"connection": PAIR})
    api.clock.goes_on(60)
    await anna.tell("/events/browser", eventName="endCall")
    alone = Client(api, made["api_key"], "anna", "alone")
    await alone.comes()
    found = await api.data("GET", f"/conferences?appId={made['id']}")
    people = await api.data("GET", f"/participants?appId={made['id']}")
    return Call(made, anna, boris, connection, found, {each["participant_id"]: each["id"] for each in people})


class TestConferences:
    async def test_a_row(self, api: Api, call: Call) -> None:
        row = call.conferences[0]
        id = row.pop("id")
        assert row == {
            "conference_id": "standup",
            "conference_name": None,
            "conference_info": {},
            "start_time": "2026-11-23 12:00:00",
            "call_start": None,
            "end_time": "2026-11-23 12:01:00",
            "ongoing": False,
            "duration": 60,
            "app": call.app["id"],
            "created_at": "2026-11-23 12:00:00",
            "has_errors": True,
            "has_warnings": True,
            "participants_count": 2,
        }
        one = await api.data("GET", f"/conferences/{id}")
        assert one["participants"] == [call.people["anna"], call.people["boris"]]
        assert len(one["issues"]) == 3
        assert set(row) - set(one) == {"has_errors", "has_warnings", "participants_count"}

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("appId={app}", ["standup", "alone"]),
            ("appId={nobody}", []),
            ("participantId={boris}", ["standup"]),
            ("participantId={anna}&appId={app}", ["standup", "alone"]),
            ("created_at_gt=2026-11-23T12:00:00Z", ["alone"]),
            ("created_at_gte=2026-11-23T13:00:00%2B01:00", ["standup", "alone"]),
            ("created_at_gte=2026-11-23T13:00:00.5+01:00", ["alone"]),
            ("created_at_lt=2026-11-23 12:01:00", ["standup"]),
            ("created_at_lte=2026-11-23T12:01:00.000000", ["standup", "alone"]),
            ("created_at_lte=2026-11-23", []),
            ("duration_gte=60", ["standup"]),
            ("duration_lt=60", ["alone"]),
            ("duration_gte=-999999999999999999", ["standup", "alone"]),
            ("issue_code=connection_failed", ["standup"]),
            ("issue_code=%25", []),
            ("conference_ids=,{standup},,{nobody},", ["standup"]),
            ("conference_ids=,", []),
            ("conference_id=alone", ["alone"]),
            ("appId={app}&order=-created_at", ["alone", "standup"]),
        ],
    )
    async def test_filters(self, api: Api, call: Call, query: str, found: list[str]) -> None:
        names = {"app": call.app["id"], "nobody": NOBODY, "standup": call.conferences[0]["id"], **call.people}
        listed = await api.data("GET", "/conferences?" + query.format(**names))
        assert [each["conference_id"] for each in listed] == found

    async def test_some_hundred_of_them(self, server: Server) -> None:
        ids = ",".join(str(uuid.uuid4()) for _ in range(400))
        async with server.client() as client:
            answer = await client.get(f"/analytics/v1/conferences?conference_ids={ids}")
        assert (answer.status_code, answer.json()) == (200, {"data": []})

    @pytest.mark.parametrize(
        ("query", "fault"),
        [
            ("", "400 missing_parameters"),
            ("appId=&name=x", "400 missing_parameters"),
            ("appId=5", "400 invalid_parameters"),
            ("created_at_gt=yesterday", "400 invalid_parameters"),
            ("created_at_gt=0001-01-01T00:00:00%2B10:00", "400 invalid_parameters"),
            ("duration_gte=1.5", "400 invalid_parameters"),
            ("duration_lt=" + "9" * 30, "400 invalid_parameters"),
            ("conference_ids=x", "400 invalid_parameters"),
            ("issue_code=a&limit=x", "400 invalid_parameters"),
            ("issue_code=a&offset=1e3", "400 invalid_parameters"),
        ],
    )
    async def test_what_is_refused(self, api: Api, query: str, fault: str) -> None:
        assert await api.fault("GET", f"/conferences?{query}") == fault

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("limit=1", ["standup"]),
            ("limit=0", ["standup"]),
            ("limit=-5&offset=-1", ["standup"]),
            ("offset=1", ["alone"]),
            ("limit=1&offset=1", ["alone"]),
            ("limit=500&offset=999999999999999999", []),
            ("limit=1&order=-created_at", ["alone"]),
        ],
    )
    async def test_pages(self, api: Api, call: Call, query: str, found: list[str]) -> None:
        answer = (await api.ask("GET", f"/conferences?appId={call.app['id']}&{query}")).json()
        assert [each["conference_id"] for each in answer["results"]] == found
        assert (answer["count"], set(answer)) == (2, {"results", "count"})

    async def test_a_list_that_is_too_long_for_one_answer(
        self, api: Api, call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.analytics.arguments.LISTED_ROWS", 1)
        query = f"/conferences?appId={call.app['id']}"
        assert await api.fault("GET", query) == "400 too_many_rows"
        assert (await api.ask("GET", query + "&limit=5")).json()["count"] == 2

    async def test_of_an_app_that_is_gone_there_is_nothing(self, api: Api, call: Call) -> None:
        await api.ask("DELETE", f"/apps/{call.app['id']}")
        assert await api.data("GET", "/conferences?created_at_gt=2020-01-01") == []
        for path, fault in (
            (f"/conferences/{call.conferences[0]['id']}", "400 conference_not_found"),
            (f"/participants/{call.people['anna']}", "400 participant_not_found"),
            (f"/sessions?appId={call.app['id']}", "400 app_not_found"),
            (f"/sessions?conferenceId={call.conferences[0]['id']}", "400 conference_not_found"),
        ):
            assert await api.fault("GET", path) == fault


class TestParticipants:
    async def test_a_row_and_its_filters(self, api: Api, call: Call) -> None:
        standup, alone = (each["id"] for each in call.conferences)
        rows = await api.data("GET", f"/participants?conferenceId={standup}")
        assert rows[1] == {
            "id": call.people["boris"],
            "participant_id": "boris",
            "participant_name": None,
            "is_sfu": False,
            "app": call.app["id"],
            "created_at": "2026-11-23 12:00:00",
        }
        assert await api.data("GET", f"/participants/{call.people['boris']}") == rows[1]
        assert [each["participant_id"] for each in await api.data("GET", f"/participants?conferenceId={alone}")] == [
            "anna"
        ]
        assert await api.data("GET", f"/participants?conferenceId={NOBODY}") == []
        assert await api.fault("GET", f"/participants/{NOBODY}") == "400 participant_not_found"
        assert await api.fault("PUT", f"/participants/{call.people['boris']}", {}) == "405 method_not_allowed"


class TestSessions:
    async def test_a_row_and_its_filters(self, api: Api, call: Call) -> None:
        standup = call.conferences[0]["id"]
        row, other = await api.data("GET", f"/sessions?conferenceId={standup}")
        assert other["participant"] == call.people["boris"] and other["issues"] == []
        id, found = row.pop("id"), row.pop("issues")
        assert len(found) == 3
        unknown = dict.fromkeys(("country_code", "region_code", "city", "latitude", "longitude"))
        assert row == {
            "conference": standup,
            "participant": call.people["anna"],
            "devices": None,
            "platform": {"browser": {"name": "Chrome"}, "os": {"name": "Linux"}},
            "metadata": {"plan": "pro"},
            "geo_ip": unknown,
            "app_version": "1.2",
            "webrtc_sdk": None,
            "session_info": {},
            "duration": 60,
            "end_time": "2026-11-23 12:01:00",
            "call_start": None,
            "created_at": "2026-11-23 12:00:00",
        }
        one = await api.data("GET", f"/sessions/{id}")
        assert one == {**row, "id": id, "issues": found, "constraints": {"audio": True}}
        assert len(await api.data("GET", f"/sessions?appId={call.app['id']}")) == 3
        anna = call.people["anna"]
        assert len(await api.data("GET", f"/sessions?participantId={anna}")) == 2
        assert len(await api.data("GET", f"/sessions?participantId={anna}&conferenceId={standup}")) == 1
        assert (await api.ask("GET", f"/sessions?appId={call.app['id']}&limit=1")).json()["count"] == 3

    async def test_the_last_thirty_days(self, api: Api, call: Call) -> None:
        api.clock.goes_on(30 * 24 * 3600 - 1)
        query = f"/sessions?appId={call.app['id']}"
        assert len(await api.data("GET", query)) == 1
        api.clock.goes_on(2)
        assert await api.data("GET", query) == []

    @pytest.mark.parametrize(
        ("query", "fault"),
        [
            ("", "400 missing_parameters"),
            ("created_at_gt=2026-01-01", "400 missing_parameters"),
            ("conferenceId=x", "400 conference_not_found"),
            (f"conferenceId={NOBODY}", "400 conference_not_found"),
            (f"participantId={NOBODY}", "400 participant_not_found"),
            ("participantId=x", "400 participant_not_found"),
            (f"appId={NOBODY}", "400 app_not_found"),
            ("appId=x", "400 app_not_found"),
        ],
    )
    async def test_what_is_refused(self, api: Api, query: str, fault: str) -> None:
        assert await api.fault("GET", f"/sessions?{query}") == fault

    async def test_single_ones_that_are_not_there(self, api: Api) -> None:
        assert await api.fault("GET", f"/sessions/{NOBODY}") == "400 invalid_session_id"
        assert await api.fault("POST", f"/sessions/{NOBODY}", {}) == "405 method_not_allowed"


class TestConnections:
    async def test_a_row_and_its_filters(self, api: Api, call: Call) -> None:
        standup, alone = (each["id"] for each in call.conferences)
        (session, _) = await api.data("GET", f"/sessions?conferenceId={standup}")
        (row,) = await api.data("GET", f"/connections?conferenceId={standup}")
        started = {"start_time": "2026-11-23 12:00:00", "type": "initial"}
        assert row == {
            "id": call.connection["connectionId"],
            "session": session["id"],
            "conference": standup,
            "participant": call.people["anna"],
            "peer": call.people["boris"],
            "type": None,
            "state": "failed",
            "connection_info": {
                "detected_tcp": False,
                "detected_turn": False,
                "negotiations": [{**started, "status": "failed", "end_time": "2026-11-23 12:01:00", "duration": 60}],
            },
            "start_time": "2026-11-23 12:00:00",
            "end_time": "2026-11-23 12:01:00",
            "duration": 60,
            "created_at": "2026-11-23 12:00:00",
        }
        assert await api.data("GET", f"/connections/{row['id']}") == row
        for query, count in (
            (f"participantId={call.people['boris']}", 0),
            (f"participantId={call.people['anna']}", 1),
            (f"appId={call.app['id']}", 1),
            (f"appId={NOBODY}", 0),
            (f"sessionId={session['id']}", 1),
            (f"sessionId={session['id']}&conferenceId={alone}", 0),
            ("created_at_gt=2026-11-23T12:00", 0),
        ):
            assert len(await api.data("GET", f"/connections?{query}")) == count, query
        assert await api.fault("GET", f"/connections/{NOBODY}") == "400 connection_not_found"
        assert await api.fault("GET", "/connections?sessionId=x") == "400 invalid_parameters"


class TestIssues:
    async def test_a_row_and_its_filters(self, api: Api, call: Call) -> None:
        standup = call.conferences[0]["id"]
        rows = await api.data("GET", f"/issues?conferenceId={standup}")
        assert [each["code"] for each in rows] == ["connection_failed", "getusermedia_error", "no_connection"]
        assert [each["type"] for each in rows] == ["error", "warning", "error"]
        failed, refused, _ = rows
        assert (failed["title"], failed["connection"]) == ("Connection failed", call.connection["connectionId"])
        assert refused["data"] == {"name": "NotAllowedError"} and refused["track"] is None
        assert all(each["explanation"] and each["participant"] == call.people["anna"] for each in rows)
        assert await api.data("GET", f"/issues/{failed['id']}") == failed
        for query, count in (
            (f"participantId={call.people['boris']}", 0),
            (f"sessionId={failed['session']}", 3),
            (f"appId={call.app['id']}&created_at_gt=2026-11-23T12:00", 1),
        ):
            assert len(await api.data("GET", f"/issues?{query}")) == count, query
        assert await api.fault("GET", f"/issues/{NOBODY}") == "400 issue_not_found"


class TestEvents:
    @pytest.mark.parametrize(
        ("query", "types"),
        [
            ("", ["addConnection", "onconnectionstatechange", "tabFocus", "getUserMedia", "stats", "endCall"]),
            ("?type=stats", ["stats"]),
            ("?type=-stats", ["addConnection", "onconnectionstatechange", "tabFocus", "getUserMedia", "endCall"]),
            ("?created_at_gt=2026-11-23T12:00", ["endCall"]),
            ("?participantId={boris}", []),
        ],
    )
    async def test_of_a_conference(self, api: Api, call: Call, query: str, types: list[str]) -> None:
        path = f"/conferences/{call.conferences[0]['id']}/events" + query.format(**call.people)
        assert [each["type"] for each in await api.data("GET", path)] == types

    async def test_a_row(self, api: Api, call: Call) -> None:
        standup = call.conferences[0]["id"]
        (session, _) = await api.data("GET", f"/sessions?conferenceId={standup}")
        (row,) = await api.data("GET", f"/conferences/{standup}/events?type=onconnectionstatechange")
        assert uuid.UUID(row.pop("id"))
        assert row == {
            "conference": standup,
            "participant": call.people["anna"],
            "peer": call.people["boris"],
            "session": session["id"],
            "connection": call.connection["connectionId"],
            "track": None,
            "app": call.app["id"],
            "type": "onconnectionstatechange",
            "category": "connection",
            "data": "failed",
            "created_at": "2026-11-23 12:00:00",
        }

    async def test_pages(self, api: Api, call: Call) -> None:
        path = f"/conferences/{call.conferences[0]['id']}/events?limit=2&offset=4"
        answer = (await api.ask("GET", path)).json()
        assert ([each["type"] for each in answer["results"]], answer["count"]) == (["stats", "endCall"], 6)

    @pytest.mark.parametrize(
        ("path", "types"),
        [
            ("/events/browser", ["tabFocus", "endCall"]),
            ("/events/get-user-media", ["getUserMedia"]),
            ("/connection", ["addConnection", "onconnectionstatechange"]),
            ("/stats", ["stats"]),
        ],
    )
    async def test_of_a_category(self, api: Api, call: Call, path: str, types: list[str]) -> None:
        anna, standup = call.people["anna"], call.conferences[0]["id"]
        for query in (
            f"conferenceId={standup}",
            f"participantId={anna}",
            f"conferenceId={standup}&participantId={anna}",
        ):
            found = await api.data("GET", f"{path}?{query}")
            assert [each["type"] for each in found] == types
        assert [each["type"] for each in await api.data("GET", f"{path}?{query}&type={types[0]}")] == types[:1]
        assert await api.fault("GET", path) == "400 missing_parameters"
        assert await api.fault("GET", f"{path}?created_at_gt=2026-01-01") == "400 missing_parameters"
        assert await api.fault("GET", f"{path}?conferenceId={NOBODY}") == "400 conference_not_found"
        assert await api.fault("GET", f"{path}?participantId=x") == "400 participant_not_found"

    async def test_by_whose_word(self, api: Api, call: Call) -> None:
        standup = f"/conferences/{call.conferences[0]['id']}/events"
        of_anna = f"participantId={call.people['anna']}"
        for view, types in (("server", []), ("browser", ["tabFocus", "endCall"])):
            found = await api.data("GET", f"/events/browser?{of_anna}&view={view}")
            assert [each["type"] for each in found] == types
        session = (await api.data("GET", f"/conferences/{call.conferences[0]['id']}/events?type=stats"))[0]["session"]
        said = sa.update(tables.call_sessions).where(tables.call_sessions.c.id == session).values(webrtc_sdk="atrium")
        api.database.write(lambda db: db.execute(said))
        whole = await api.data("GET", standup)
        assert await api.data("GET", f"{standup}?view=server") == whole
        assert await api.data("GET", f"{standup}?view=browser") == []
        assert await api.fault("GET", f"{standup}?view=both") == "400 invalid_parameters"

    async def test_of_nothing(self, api: Api) -> None:
        assert await api.fault("GET", f"/conferences/{NOBODY}/events") == "400 conference_not_found"


class TestRecords:
    """Lists beside those that dashboards of peermetrics know, for who looks at every record (section 9)."""

    async def test_events_of_an_app(self, api: Api, call: Call) -> None:
        path = f"/records/events?appId={call.app['id']}"
        others = await (await client(api, "carla", "other")).comes()
        await others.tell("/events/browser", eventName="tabFocus", focus=True)
        whole = await api.data("GET", path)
        of_both = [
            event
            for conference in call.conferences
            for event in await api.data("GET", f"/conferences/{conference['id']}/events")
        ]
        assert sorted(whole, key=lambda each: str(each["id"])) == sorted(of_both, key=lambda each: str(each["id"]))
        newest = (await api.ask("GET", f"{path}&limit=2&order=-created_at")).json()
        assert ([each["id"] for each in newest["results"]], newest["count"]) == (
            [each["id"] for each in whole[:-3:-1]],
            6,
        )
        assert [each["type"] for each in await api.data("GET", f"{path}&type=stats&view=browser")] == ["stats"]
        assert await api.data("GET", f"{path}&view=server") == []
        assert [each["type"] for each in await api.data("GET", f"{path}&created_at_gt=2026-11-23T12:00")] == ["endCall"]
        assert await api.data("GET", f"{path}&participantId={call.people['boris']}") == []

    async def test_tracks(self, api: Api, call: Call) -> None:
        told = {"event": "ontrack", "data": {"kind": "video", "label": "camera"}, **call.connection}
        # Anna is gone, and yet: what was on its way is taken.
        made = (await call.anna.tell("/tracks", trackId="t", **told))["data"]
        (session, _) = await api.data("GET", f"/sessions?conferenceId={call.conferences[0]['id']}")
        assert (made["session"], made["label"]) == (session["id"], "camera")
        standup, alone = (each["id"] for each in call.conferences)
        for query, found in (
            (f"appId={call.app['id']}", [made]),
            (f"conferenceId={standup}", [made]),
            (f"conferenceId={alone}", []),
            (f"participantId={call.people['anna']}", [made]),
            (f"participantId={call.people['boris']}", []),
            (f"appId={NOBODY}", []),
            (f"conferenceId={standup}&created_at_lte=2026-11-23T12:00", []),
        ):
            assert await api.data("GET", f"/records/tracks?{query}") == found, query

    async def test_summaries(self, api: Api, call: Call) -> None:
        standup, alone = (each["id"] for each in call.conferences)
        with trio.fail_after(20):
            while not (found := await api.data("GET", f"/records/summaries?appId={call.app['id']}")):
                await trio.sleep(0.01)
        at = "2026-11-23 12:01:00"
        row = {"id": standup, "conference": standup, "status": "done", "version": 1, "end_time": at, "created_at": at}
        assert found == [row]
        assert (await api.ask("GET", f"/records/summaries?conferenceId={standup}&limit=1")).json()["results"] == [row]
        assert await api.data("GET", f"/records/summaries?conferenceId={alone}") == []

    @pytest.mark.parametrize("kind", ["events", "tracks", "summaries"])
    async def test_of_nothing_and_of_what_is_gone(self, api: Api, call: Call, kind: str) -> None:
        path = f"/records/{kind}"
        assert await api.fault("GET", path) == "400 missing_parameters"
        of_bad = "400 app_not_found" if kind == "events" else "400 invalid_parameters"
        assert await api.fault("GET", f"{path}?appId=x") == of_bad
        assert (await api.ask("GET", f"{path}?appId={call.app['id']}", authorization="")).status_code == 401
        await api.ask("DELETE", f"/apps/{call.app['id']}")
        if kind == "events":
            assert await api.fault("GET", f"{path}?appId={call.app['id']}") == "400 app_not_found"
        else:
            assert await api.data("GET", f"{path}?appId={call.app['id']}") == []


async def test_who_may_ask(api: Api, call: Call) -> None:
    for path in (
        f"/conferences?appId={call.app['id']}",
        f"/sessions?appId={call.app['id']}",
        f"/connection?participantId={call.people['anna']}",
        f"/stats?participantId={call.people['anna']}",
        f"/conferences/{call.conferences[0]['id']}/events",
    ):
        assert (await api.ask("GET", path, authorization="")).json()["error_code"] == "missing_token"
        assert (await api.ask("HEAD", path)).status_code == 200


async def test_what_belongs_to_the_hosted_product(api: Api) -> None:
    for method, path in (
        ("PUT", f"/subscription/{NOBODY}"),
        ("GET", "/billing/payment-token"),
        ("POST", "/billing/payment-method"),
    ):
        answer = await api.ask(method, path, None if method == "GET" else {})
        assert answer.status_code == 404 and answer.json()["error_code"] == "unknown_error"
    assert await client(api)
