"""The organization and its apps (contract analytics, sections 5.1 and 5.2)."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from api.config import AnalyticsSettings
from api.store.tables import apps
from tests.api.analytics.conftest import Api

NOBODY = str(uuid.uuid4())
MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?"


async def made(api: Api, name: str = "shop") -> Any:
    found = await api.data("GET", "/organizations")
    acme = found[0] if found else await api.data("POST", "/organizations", {"name": "Acme"})
    return await api.data("POST", "/apps", {"organization": acme["id"], "name": name})


class TestOrganizations:
    async def test_one_is_made_and_no_second(self, api: Api) -> None:
        assert await api.data("GET", "/organizations") == []
        acme = await api.data("POST", "/organizations", {"name": "A" * 70, "x": 1})
        assert set(acme) == {"id", "name", "created_at"}
        assert acme["name"] == "A" * 64
        assert re.fullmatch(MOMENT, acme["created_at"])
        assert await api.fault("POST", "/organizations", {"name": "B"}) == "400 max_organizations_reached"
        assert await api.data("GET", f"/organizations/{acme['id'].upper()}") == acme
        assert await api.data("GET", "/organizations") == [acme]

    @pytest.mark.parametrize(
        ("body", "fault"),
        [
            ({"name": 5}, "400 invalid_parameters"),
            ({}, "400 missing_parameters"),
            ({"name": ""}, "400 missing_parameters"),
            ({"name": None}, "400 missing_parameters"),
            ([], "400 unknown_error"),
        ],
    )
    async def test_bad_ones(self, api: Api, body: Any, fault: str) -> None:
        assert await api.fault("POST", "/organizations", body) == fault

    async def test_one_is_renamed(self, api: Api) -> None:
        acme = await api.data("POST", "/organizations", {"name": "Acme"})
        path = f"/organizations/{acme['id']}"
        assert await api.data("PUT", path, {}) == acme
        assert await api.data("PUT", path, {"name": "회의실 🎉"}) == {**acme, "name": "회의실 🎉"}
        assert await api.fault("PUT", path, {"name": "x" * 65}) == "400 invalid_parameters"
        assert await api.fault("PUT", path, {"name": 5}) == "400 invalid_parameters"

    async def test_one_is_removed(self, api: Api) -> None:
        app = await made(api)
        path = f"/organizations/{app['organization']}"
        answer = await api.ask("DELETE", path)
        assert (answer.status_code, answer.text) == (200, '""')
        for method in ("GET", "PUT", "DELETE"):
            assert await api.fault(method, path, {} if method == "PUT" else None) == "400 organization_not_found"
        assert await api.data("GET", "/apps") == []

    async def test_what_is_no_question(self, api: Api) -> None:
        assert await api.fault("POST", f"/organizations/{NOBODY}", {}) == "405 method_not_allowed"
        assert await api.fault("PUT", "/organizations", {}) == "405 method_not_allowed"
        assert await api.fault("DELETE", "/organizations") == "400 missing_parameters"


class TestApps:
    async def test_an_app_as_it_is_made(self, api: Api) -> None:
        app = await made(api)
        today = datetime.now(UTC).date()
        assert re.fullmatch("[0-9a-f]{32}", app.pop("api_key"))
        assert re.fullmatch(MOMENT, app.pop("created_at"))
        assert list(app.pop("durations_days").items()) == [
            ((today - timedelta(days=ago)).isoformat(), 0) for ago in range(30, -1, -1)
        ]
        assert await api.data("GET", f"/organizations/{app.pop('organization')}")
        assert uuid.UUID(app.pop("id"))
        assert app == {"name": "shop", "domain": None, "interval": 10_000, "recording": True}

    async def test_they_are_listed_oldest_first(self, api: Api) -> None:
        first, second = await made(api), await made(api, "N" * 70)
        assert second["name"] == "N" * 64
        assert await api.data("GET", "/apps") == [first, second]
        assert await api.data("GET", f"/apps/{second['id']}") == second

    async def test_bad_ones(self, api: Api) -> None:
        organization = (await made(api))["organization"]
        for bad in ({}, {"organization": None}, {"organization": "x"}, {"organization": 5}, {"organization": NOBODY}):
            assert await api.fault("POST", "/apps", {"name": "x", **bad}) == "400 organization_not_found"
        for name, fault in ((None, "missing"), ("", "missing"), (5, "invalid")):
            body = {"organization": organization, "name": name}
            assert await api.fault("POST", "/apps", body) == f"400 {fault}_parameters"
        for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/reset-key")):
            body = {} if method in ("PUT", "POST") else None
            assert await api.fault(method, f"/apps/{NOBODY}{path}", body) == "400 app_not_found"
        assert await api.fault("POST", f"/apps/{NOBODY}", {}) == "405 method_not_allowed"
        assert await api.fault("PUT", "/apps", {}) == "405 method_not_allowed"
        assert await api.fault("DELETE", "/apps") == "400 missing_parameters"

    async def test_one_is_changed(self, api: Api) -> None:
        app = await made(api)
        path = f"/apps/{app['id']}"
        changes = {"name": "N" * 70, "domain": "Meet.Shop.example", "interval": 5000, "recording": False}
        changed = await api.data("PUT", path, {**changes, "api_key": "x" * 32, "organization": NOBODY})
        assert changed == {**app, **changes, "name": "N" * 64, "domain": "meet.shop.example"}
        assert await api.data("PUT", path, {"name": ""}) == changed
        for none in ("", None):
            await api.data("PUT", path, {"domain": "shop.example"})
            assert (await api.data("PUT", path, {"domain": none}))["domain"] is None

    @pytest.mark.parametrize(
        "change",
        [
            {"name": 5},
            *(
                {"domain": bad}
                for bad in ("localhost", "a b.c", "http://a.example", "a.example:80", "10.0.0.1", ".a", 5)
            ),
            *({"domain": bad} for bad in ("a..b", "-a.example", "é.example", "x" * 64 + ".example", "a." * 128 + "bc")),
            *({"interval": bad} for bad in (999, -1, 10_000.0, "10000", True, None, 10**9)),
            *({"recording": bad} for bad in (1, "true", None)),
        ],
    )
    async def test_what_it_cannot_be_changed_to(self, api: Api, change: dict[str, Any]) -> None:
        app = await made(api)
        body = {"name": "new", "domain": "good.example", **change}
        assert await api.fault("PUT", f"/apps/{app['id']}", body) == "400 invalid_parameters"
        assert await api.data("GET", f"/apps/{app['id']}") == app

    async def test_one_is_removed(self, api: Api) -> None:
        app, other = await made(api), await made(api)
        answer = await api.ask("DELETE", f"/apps/{app['id']}")
        assert (answer.status_code, answer.text) == (200, '""')
        assert await api.fault("GET", f"/apps/{app['id']}") == "400 app_not_found"
        assert await api.data("GET", "/apps") == [other]

    async def test_a_new_key(self, api: Api) -> None:
        app = await made(api)
        answer = (await api.ask("POST", f"/apps/{app['id']}/reset-key", {})).json()
        assert re.fullmatch("[0-9a-f]{32}", answer["api_key"])
        assert await api.data("GET", f"/apps/{app['id']}") == {**app, **answer}
        assert answer["api_key"] != app["api_key"]

    async def test_seconds_of_calls_of_the_last_days(self, api: Api) -> None:
        app = await made(api)
        today = datetime.now(UTC).date()
        days = {(today - timedelta(days=ago)).isoformat(): ago + 1 for ago in (0, 30, 31)}
        api.database.write(lambda connection: connection.execute(sa.update(apps).values(durations=json.dumps(days))))
        found = (await api.data("GET", f"/apps/{app['id']}"))["durations_days"]
        assert len(found) == 31
        assert {day: seconds for day, seconds in found.items() if seconds} == dict(list(days.items())[:2])


class TestIntervals:
    @pytest.fixture
    def settings(self) -> AnalyticsSettings:
        return AnalyticsSettings(stats_interval_ms=2500)

    async def test_a_new_app_has_that_of_the_settings(self, api: Api) -> None:
        assert (await made(api))["interval"] == 2500
