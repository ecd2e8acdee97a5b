"""An app's calls in numbers (contract analytics, section 5.7)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.config import AnalyticsSettings
from tests.api.analytics.calls import Client, app
from tests.api.analytics.conftest import Api

ROUTES = (
    "/conferences/summary",
    "/conferences/duration-summary",
    "/conferences/participant-count-summary",
    "/issues/summary",
    "/issues/gum-summary",
    "/connections/summary",
    "/connections/setup-time-summary",
    "/sessions/summary",
)
NOBODY = "6a1f0c52-8f3e-4b55-9d0e-2f1b7c4d9e10"
RELAYED = {"connection": {"id": "CP", "local": {"candidateType": "relay"}}}
DIRECT = {"connection": {"id": "CP", "local": {"candidateType": "host"}}}


@pytest.fixture
def settings() -> AnalyticsSettings:
    return AnalyticsSettings(summary_cache_s=0)


async def comes(api: Api, key: str, user: str, conference: str, **visit: object) -> Client:
    return await Client(api, key, user, conference).comes(**visit)


async def leaves(person: Client) -> None:
    await person.tell("/events/browser", eventName="endCall")


@pytest.fixture
async def shop(api: Api) -> str:
    """Four conferences on two days: a good one of two people, a bad one, one with a warning, one that goes on. Its id."""
    made = await app(api)
    key = made["api_key"]
    chrome = {"browser": {"name": "Chrome"}, "os": {"name": "Linux"}}
    anna = await comes(api, key, "anna", "good", platform=chrome)
    boris = await comes(api, key, "boris", "good", platform={"browser": {"name": "Firefox"}, "os": {}})
    connection = await anna.connects("sfu", isSfu=True)
    api.clock.goes_on(0.25)
    await anna.tell("/connection", eventName="onconnectionstatechange", data="connected", **connection)
    await anna.tell("/stats", connectionId=connection["connectionId"], data=DIRECT)
    api.clock.goes_on(200)
    await leaves(anna)
    await leaves(boris)
    for conference, states in (("bad", ("connecting", "failed")), ("warned", ("connected",))):
        carla = await comes(api, key, "carla", conference, platform=chrome)
        connection = await carla.connects("sfu")
        api.clock.goes_on(6)
        for state in states:
            await carla.tell("/connection", eventName="onconnectionstatechange", data=state, **connection)
        await carla.tell("/stats", connectionId=connection["connectionId"], data=RELAYED)
        if conference == "bad":
            for error in ({"name": "NotAllowedError"}, {"name": "NotAllowedError", "message": "denied"}, {"x": 1}):
                await carla.tell("/events/get-user-media", eventName="getUserMedia", data={"error": error})
            api.clock.goes_on(4000)
        await leaves(carla)
    api.clock.now = datetime(2026, 11, 24, 1, tzinfo=UTC)
    dora = await comes(api, key, "dora", "goes on", platform={})
    await dora.connects("sfu", connectionState="connected")
    return made["id"]  # type: ignore[no-any-return]


async def ask(api: Api, path: str, app: str, query: str = "") -> Any:
    answer = await api.ask("GET", f"{path}?appId={app}{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_conferences_by_day(api: Api, shop: str) -> None:
    first = {"date": "2026-11-23", "success": 1, "warning": 1, "error": 1, "ongoing": 0, "total": 3}
    second = {"date": "2026-11-24", "success": 0, "warning": 0, "error": 0, "ongoing": 1, "total": 1}
    assert await ask(api, ROUTES[0], shop) == {"data": [first, second]}
    assert await ask(api, ROUTES[0], shop, "&created_at_gte=2026-11-24") == {"data": [second]}
    assert await ask(api, ROUTES[0], shop, "&created_at_lte=2026-11-24T00:00:00Z") == {"data": [first]}


async def test_how_long_they_were(api: Api, shop: str) -> None:
    data = (await ask(api, ROUTES[1], shop))["data"]
    assert len(data) == 12
    assert data[0] == {"range": "< 1 m", "min_sec": 0, "max_sec": 60, "count": 2}
    assert data[2] == {"range": "3 - 5 m", "min_sec": 180, "max_sec": 300, "count": 1}
    assert data[10] == {"range": "50 - 60 m", "min_sec": 3000, "max_sec": 3600, "count": 0}
    assert data[11] == {"range": "> 60 m", "min_sec": 3600, "max_sec": None, "count": 1}


async def test_how_many_were_there(api: Api, shop: str) -> None:
    people = [{"participants": 1, "conferences": 3}, {"participants": 2, "conferences": 1}]
    assert await ask(api, ROUTES[2], shop) == {"data": people, "total_conferences": 4}


async def test_issues(api: Api, shop: str) -> None:
    data = (await ask(api, ROUTES[3], shop))["data"]
    assert data[0] == {"code": "getusermedia_error", "title": "Problem accessing media", "count": 3}
    assert {each["code"]: each["count"] for each in data[1:]} == {
        "connection_failed": 1,
        "no_connection": 1,
        "turn_used": 2,
    }
    failures = [
        {"name": "NotAllowedError", "message": "denied", "count": 2},
        {"name": "Unknown", "message": "", "count": 1},
    ]
    assert await ask(api, ROUTES[4], shop) == {"data": failures, "total": 3}


async def test_connections(api: Api, shop: str) -> None:
    assert await ask(api, ROUTES[5], shop) == {
        "data": [{"name": "Direct", "count": 1}, {"name": "Relayed", "count": 2}]
    }
    data = (await ask(api, ROUTES[6], shop))["data"]
    assert [each["range"] for each in data][:2] == ["< 250 ms", "250 - 500 ms"]
    assert data[-1]["range"] == "> 5000 ms" and data[-1]["max_ms"] is None and len(data) == 11
    counted = {each["range"]: each["count"] for each in data if each["count"]}
    assert counted == {"250 - 500 ms": 1, "> 5000 ms": 1}
    (warned,) = await api.data("GET", "/conferences?conference_id=warned")
    assert data[-1]["conference_ids"] == [warned["id"]]


async def test_what_people_came_with(api: Api, shop: str) -> None:
    assert await ask(api, ROUTES[7], shop) == {
        "browsers": [{"name": "Chrome", "count": 3}, {"name": "Firefox", "count": 1}],
        "os": [{"name": "Linux", "count": 3}, {"name": "Unknown", "count": 1}],
        "countries": [],
        "cities": [],
    }


async def test_where_they_came_from(api: Api) -> None:
    made = await app(api)
    for country, city, place in (
        ("KR", "seoul", "37.57,126.98"),
        ("KR", "seoul", "37.57,126.98"),
        ("DE", "nowhere", "0,0"),
        ("DE", "berlin", "somewhere"),
        ("DE", "", "1,1"),
    ):
        person = Client(api, made["api_key"], "anna", "standup")
        hello = {"apiKey": person.key, "conferenceId": "standup", "userId": "anna"}
        token = (await person.tell("/initialize", **hello))["token"]
        names = {"country": country, "city": city, "citylatlong": place}
        headers = {f"x-appengine-{name}": value for name, value in names.items()}
        assert (await api.ask("POST", "/sessions", {"token": token}, **headers)).status_code == 200
    found = await ask(api, ROUTES[7], made["id"])
    assert found["countries"] == [{"code": "DE", "count": 3}, {"code": "KR", "count": 2}]
    assert found["cities"] == [{"city": "seoul", "latitude": 37.57, "longitude": 126.98, "count": 2}]


@pytest.mark.parametrize("path", ROUTES)
async def test_bad_queries_and_an_app_that_is_not_there(api: Api, shop: str, path: str) -> None:
    assert await api.fault("GET", path) == "400 missing_parameters"
    assert await api.fault("GET", f"{path}?appId=x") == "400 invalid_parameters"
    assert await api.fault("GET", f"{path}?appId={shop}&created_at_gte=x") == "400 invalid_parameters"
    assert await api.fault("POST", path, {}) == "405 method_not_allowed"
    assert (await api.ask("GET", f"{path}?appId={shop}", authorization="")).status_code == 401
    nothing = await ask(api, path, NOBODY)
    await api.ask("DELETE", f"/apps/{shop}")
    assert await ask(api, path, shop) == nothing
    assert "'count': 1" not in str(nothing)


class TestKept:
    @pytest.fixture
    def settings(self) -> AnalyticsSettings:
        return AnalyticsSettings()

    async def test_an_answer_is_given_again_within_the_minute(self, api: Api, shop: str) -> None:
        before = await ask(api, ROUTES[2], shop, "&created_at_gte=2026-11-01T10:00:10Z")
        await comes(api, (await api.data("GET", f"/apps/{shop}"))["api_key"], "emil", "another")
        assert await ask(api, ROUTES[2], shop, "&created_at_gte=2026-11-01T10:00:50Z") == before
        assert await ask(api, ROUTES[2], shop, "&created_at_gte=2026-11-01T10:01:00Z") != before

    async def test_not_too_many(self, api: Api, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("api.analytics.overview.OVERVIEWS_KEPT", 2)
        before = await ask(api, ROUTES[2], shop)
        await comes(api, (await api.data("GET", f"/apps/{shop}"))["api_key"], "emil", "another")
        for day in (1, 2, 3):
            await ask(api, ROUTES[2], shop, f"&created_at_gte=2026-11-0{day}")
        assert await ask(api, ROUTES[2], shop) != before
