"""Old calls, erasure and export (contract analytics, sections 6 and 12)."""

import csv
import io
import json
from typing import Any

import pytest
import sqlalchemy as sa
import trio

from api.config import AnalyticsSettings
from api.store import tables
from tests.api.analytics.calls import Client, app, only, rows
from tests.api.analytics.conftest import Api

HOUR = 3600.0
DAY = 24 * HOUR
NOBODY = "6a1f0c52-8f3e-4b55-9d0e-2f1b7c4d9e10"
PAIR = {"id": "CP", "local": {"candidateType": "host"}}
TOLD = (tables.call_events, tables.tracks)


async def talks(api: Api, user: str = "anna", conference: str = "standup") -> tuple[Client, dict[str, str]]:
    made = await api.data("GET", "/apps")
    key = made[0]["api_key"] if made else (await app(api))["api_key"]
    person = Client(api, key, user, conference)
    hello = {"apiKey": key, "conferenceId": conference, "userId": user, "userName": user.title()}
    await person.tell("/initialize", **hello)
    await person.comes(platform={"browser": {"name": "Chrome"}}, constraints={}, devices=[], meta={"plan": "pro"})
    connection = await person.connects("sfu")
    track = {"event": "ontrack", "trackId": f"{user}s", "data": {"kind": "audio", "label": "mic"}}
    await person.tell("/tracks", connectionId=connection["connectionId"], **track)
    await person.tell("/stats", connectionId=connection["connectionId"], data={"connection": PAIR})
    return person, connection


async def ends(person: Client) -> None:
    await person.tell("/events/browser", eventName="endCall")


class TestStale:
    async def test_a_conference_that_nobody_ended_has_ended_when_it_was_heard_last(self, api: Api) -> None:
        anna, _ = await talks(api)
        api.clock.goes_on(90)
        await anna.tell("/events/browser", eventName="tabFocus")
        api.clock.goes_on(4 * HOUR)
        await api.upkeep.close_stale()
        assert only(api, tables.conferences).ongoing
        api.clock.goes_on(1)
        await api.upkeep.close_stale()
        conference, connection = only(api, tables.conferences), only(api, tables.peer_connections)
        assert (conference.ongoing, conference.duration, connection.duration) == (False, 90, 90)
        assert json.loads(only(api, tables.apps).durations) == {"2026-11-23": 90}

    async def test_one_that_is_heard_of_goes_on(self, api: Api) -> None:
        anna, _ = await talks(api)
        for _ in range(5):
            api.clock.goes_on(HOUR)
            await anna.tell("/events/browser", eventName="tabFocus")
        await api.upkeep.close_stale()
        assert only(api, tables.conferences).ongoing

    async def test_it_may_begin_again(self, api: Api) -> None:
        anna, _ = await talks(api)
        api.clock.goes_on(5 * HOUR)
        await api.upkeep.close_stale()
        await anna.connects("sfu")
        assert only(api, tables.conferences).ongoing


class TestRetention:
    @pytest.fixture
    def settings(self) -> AnalyticsSettings:
        return AnalyticsSettings(retention_days=7)

    async def test_what_is_over_for_so_long_is_gone_with_all_of_it(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.analytics.upkeep.STEP", 2)
        for user, conference in (("anna", "old"), ("boris", "old"), ("anna", "new")):
            if conference == "new":
                api.clock.goes_on(2 * DAY)
            await ends((await talks(api, user, conference))[0])
        api.clock.goes_on(5.5 * DAY)
        assert await api.upkeep.remove_old() == 1
        assert only(api, tables.conferences).conference_id == "new"
        assert {row.participant_id for row in rows(api, tables.participants)} == {"anna", "sfu"}
        for table in (tables.call_sessions, tables.peer_connections, tables.tracks):
            assert len(rows(api, table)) == 1
        assert {row.conference for row in rows(api, tables.call_events)} == {only(api, tables.conferences).number}
        assert await api.upkeep.remove_old() == 0

    async def test_what_goes_on_stays_and_so_does_the_apps_use(self, api: Api) -> None:
        await talks(api)
        api.clock.goes_on(30 * DAY)
        assert await api.upkeep.remove_old() == 0
        await api.upkeep.close_stale()
        assert await api.upkeep.remove_old() == 1
        assert rows(api, tables.conferences) == rows(api, tables.call_events) == rows(api, tables.participants) == []
        assert json.loads(only(api, tables.apps).durations) == {}

    async def test_who_reports_for_it_still_is_told_that_it_is_gone(self, api: Api) -> None:
        anna, _ = await talks(api)
        await ends(anna)
        api.clock.goes_on(8 * DAY)
        await api.upkeep.remove_old()
        assert await anna.fault("/events/browser", eventName="tabFocus") == "401 invalid_token"
        await anna.comes()
        assert only(api, tables.conferences).conference_id == "standup"


async def test_without_retention_all_of_it_stays(api: Api) -> None:
    await ends((await talks(api))[0])
    api.clock.goes_on(1000 * DAY)
    assert await api.upkeep.remove_old() == 0
    assert len(rows(api, tables.conferences)) == 1


class TestErase:
    async def test_what_a_participant_has_told_is_gone(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("api.analytics.upkeep.STEP", 2)
        for user in ("anna", "boris"):
            await ends((await talks(api, user))[0])
        (conference,) = await api.data("GET", "/conferences?conference_id=standup")
        anna, boris = (each for each in rows(api, tables.participants) if each.participant_id != "sfu")
        assert (await api.ask("DELETE", f"/participants/{anna.id}/data")).text == '""'
        mine, others = rows(api, tables.call_sessions)
        assert {row.session for row in rows(api, tables.call_events)} == {others.number}
        told = ("constraints", "devices", "platform", "metadata", "geo_ip")
        assert [mine._mapping[name] for name in told] == [None] * 5
        assert None not in [others._mapping[name] for name in told]
        assert only(api, tables.tracks).session == others.number
        assert [each.name for each in rows(api, tables.participants)] == [None, None, "Boris"]
        assert (mine.duration, mine.participant) == (0, anna.number)
        with trio.fail_after(20):
            while "summary" not in (answer := (await api.ask("GET", f"/conferences/{conference['id']}/graphs")).json()):
                await trio.sleep(0.01)
        assert {each["participant"] for each in answer["summary"]["data"]} == {boris.id}

    async def test_of_somebody_who_is_in_a_call(self, api: Api) -> None:
        anna, connection = await talks(api)
        await api.ask("DELETE", f"/participants/{rows(api, tables.participants)[0].id}/data")
        assert rows(api, tables.call_events) == rows(api, tables.tracks) == []
        await anna.tell("/connection", eventName="onconnectionstatechange", data="connected", **connection)
        assert only(api, tables.peer_connections).state == "connected"
        assert only(api, tables.call_sessions).platform is None

    async def test_what_was_told_at_the_same_time_does_not_come_back(self, api: Api) -> None:
        anna, _ = await talks(api)
        id = rows(api, tables.participants)[0].id
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(lambda: anna.tell("/events/browser", eventName="tabFocus"))
            nursery.start_soon(api.ask, "DELETE", f"/participants/{id}/data")
        assert only(api, tables.call_sessions).platform is None
        assert rows(api, tables.participants)[0].name is None

    async def test_of_nobody(self, api: Api) -> None:
        assert await api.fault("DELETE", f"/participants/{NOBODY}/data") == "400 participant_not_found"
        assert await api.fault("GET", f"/participants/{NOBODY}/data") == "405 method_not_allowed"


class TestExport:
    async def exported(self, api: Api, query: str = "") -> tuple[str, Any]:
        """Its text, and the events as they are listed."""
        anna, _ = await talks(api)
        await anna.tell("/events/browser", eventName="=cmd()", data='a "b",\nc')
        (conference,) = await api.data("GET", "/conferences?conference_id=standup")
        answer = await api.ask("GET", f"/conferences/{conference['id']}/export{query}", origin="https://shop.example")
        assert answer.status_code == 200
        assert conference["id"] in answer.headers["content-disposition"]
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        return answer.text, await api.data("GET", f"/conferences/{conference['id']}/events")

    @pytest.mark.parametrize("page", [1, 2, 500])
    async def test_an_event_a_line(self, api: Api, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
        monkeypatch.setattr("api.analytics.whole.PAGE", page)
        text, events = await self.exported(api)
        assert [json.loads(line) for line in text.splitlines()] == events and len(events) == 4

    async def test_as_a_table(self, api: Api) -> None:
        text, events = await self.exported(api, "?format=csv")
        table = list(csv.DictReader(io.StringIO(text)))
        assert [row["id"] for row in table] == [event["id"] for event in events]
        assert table[0]["created_at"] == events[0]["created_at"]
        assert json.loads(table[-1]["data"]) == 'a "b",\nc'
        # No program that opens it takes it for a formula.
        assert table[-1]["type"] == "'=cmd()"

    async def test_what_is_refused(self, api: Api) -> None:
        assert await api.fault("GET", f"/conferences/{NOBODY}/export") == "400 conference_not_found"
        assert await api.fault("GET", f"/conferences/{NOBODY}/export?format=xml") == "400 invalid_parameters"

    async def test_not_too_many_at_once(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        await talks(api)
        (conference,) = await api.data("GET", "/conferences?conference_id=standup")
        monkeypatch.setattr(trio.CapacityLimiter, "available_tokens", 0)
        answer = await api.ask("GET", f"/conferences/{conference['id']}/export")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_foreign_keys_let_nothing_of_a_removed_conference_stay(api: Api) -> None:
    await ends((await talks(api))[0])

    def remove(connection: sa.Connection) -> None:
        connection.execute(sa.delete(tables.conferences))

    api.database.write(remove)
    for table in (tables.call_sessions, tables.peer_connections, tables.tracks, tables.issues, tables.summaries):
        assert rows(api, table) == []


async def test_the_teapot(api: Api) -> None:
    answer = await api.ask("GET", "/teapot", authorization="")
    assert (answer.status_code, answer.text) == (200, "I'm a teapot")
