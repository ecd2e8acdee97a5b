"""What all routes below /analytics/v1 have in common (contract analytics, sections 1, 2 and 5)."""

import uuid
from typing import Any
from unittest.mock import MagicMock

import pytest
import trio

from api import openapi
from api.analytics.app import PREFLIGHT, ROOT
from api.analytics.routes import no_method, routes_of, without_id
from api.config import AnalyticsSettings
from api.store import Store
from tests.api.analytics.conftest import Api

CORS = ("access-control-allow-origin", "access-control-allow-credentials", "vary")
ORIGIN = "https://shop.example"


async def test_paths_that_are_not_there(api: Api) -> None:
    for path in ("", "/", "/organizations/", "/apps/x", "/apps/{id}", f"/apps/{uuid.uuid4()}/x", f"/{uuid.uuid4()}"):
        answer = await api.ask("GET", path)
        assert (answer.status_code, answer.json()["error_code"]) == (404, "unknown_error"), path
    # Other forms of a UUID are none here.
    assert (await api.ask("GET", f"/apps/{uuid.uuid4().hex}")).status_code == 404


async def test_a_method_that_a_path_has_not(api: Api) -> None:
    for method in ("PATCH", "OPTIONS", "X"):
        assert await api.fault(method, "/apps") == "405 method_not_allowed"


async def test_a_head_is_a_get_without_its_body(api: Api) -> None:
    answer = await api.ask("HEAD", "/apps")
    assert (answer.status_code, answer.text, answer.headers["content-length"]) == (200, "", "11")


@pytest.mark.parametrize("origin", [ORIGIN, "null", "http://localhost:3000"])
async def test_every_answer_may_be_read_by_the_page_that_asks(
    api: Api, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    async def fails(self: Store, query: object) -> None:
        raise RuntimeError("a secret")

    good, missing = await api.ask("GET", "/apps", origin=origin), await api.ask("GET", "/x", origin=origin)
    refused = await api.ask("POST", "/organizations", [], origin=origin)
    stranger = await api.ask("GET", "/apps", origin=origin, authorization="")
    monkeypatch.setattr(Store, "read", fails)
    broken = await api.ask("GET", "/apps", origin=origin)
    answers = (good, missing, refused, stranger, broken)
    assert [answer.status_code for answer in answers] == [200, 404, 400, 401, 500]
    for answer in answers:
        assert [answer.headers[name] for name in CORS] == [origin, "true", "Origin"]
    assert broken.text == '""'


async def test_without_an_origin_nothing_is_said_of_it(api: Api) -> None:
    answer = await api.ask("GET", "/apps")
    assert not any(name in answer.headers for name in CORS)


async def test_a_preflight_is_answered_on_any_path_to_anybody(api: Api) -> None:
    for path in ("/apps", "/nowhere"):
        headers = {"origin": ORIGIN, "access-control-request-method": "PUT", "authorization": ""}
        answer = await api.ask("OPTIONS", path, **headers)
        assert (answer.status_code, answer.text) == (200, "")
        assert {name: answer.headers[name] for name in PREFLIGHT} == PREFLIGHT
        assert answer.headers["access-control-allow-origin"] == ORIGIN


class TestBodies:
    @pytest.mark.parametrize("kind", ["text/plain", "text/plain;charset=UTF-8", "application/json", "image/png", None])
    async def test_they_are_json_whatever_they_are_declared_to_be(self, api: Api, kind: str | None) -> None:
        headers = {} if kind is None else {"content-type": kind}
        answer = await api.client.post("/organizations", content='{"name": "é"}'.encode(), headers=headers)
        assert answer.json()["data"]["name"] == "é"

    @pytest.mark.parametrize("content", [b"", b"x", b"[]", b"5", b'{"name": "\xff"}', b"\xef\xbb\xbf{}"])
    async def test_what_is_none(self, api: Api, content: bytes) -> None:
        answer = await api.client.post("/organizations", content=content)
        assert (answer.status_code, answer.json()) == (400, {"error_code": "unknown_error", "message": ""})

    async def test_one_that_is_too_long(self, api: Api) -> None:
        answer = await api.client.post("/organizations", content=b" " * 5_000_001)
        assert (answer.status_code, answer.json()["error_code"]) == (413, "unknown_error")
        assert (await api.client.post("/organizations", content=b" " * 4_999_999)).status_code == 400


class TestWhoMayAsk:
    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ({}, "missing_token"),
            ({"authorization": "Basic eA=="}, "missing_token"),
            ({"authorization": "Bearer "}, "invalid_token"),
            ({"authorization": "Bearer x"}, "invalid_token"),
            ({"authorization": "Bearer é"}, "invalid_token"),
        ],
    )
    async def test_nobody_else(self, api: Api, headers: dict[str, str], code: str) -> None:
        async with api.client_at("127.0.0.1") as stranger:
            for method, path in (("GET", "/apps"), ("POST", "/organizations")):
                answer = await stranger.request(method, path, headers={k: v.encode() for k, v in headers.items()})
                assert (answer.status_code, answer.json()["error_code"]) == (401, code)

    async def test_a_bearer_key_and_the_local_one_may(self, api: Api) -> None:
        async with api.client_at("127.0.0.1") as client:
            for key in (api.key, "local"):
                assert (await client.get("/apps", headers={"authorization": f"bearer {key}"})).status_code == 200


class TestOpen:
    @pytest.fixture
    def settings(self) -> AnalyticsSettings:
        return AnalyticsSettings(private="open")

    async def test_anybody_may_ask(self, api: Api) -> None:
        async with api.client_at("127.0.0.1") as stranger:
            assert (await stranger.get("/apps")).json() == {"data": []}


class TestTheCookie:
    """Of whoever has signed in to the dashboard."""

    async def test_lets_pages_look(self, api: Api) -> None:
        cookie = f"other=1; pmsession={api.key}"
        for headers in ({}, {"origin": "http://rooms.example"}, {"origin": "https://dashboard.example"}):
            answer = await api.ask("GET", "/apps", authorization="", cookie=cookie, **headers)
            assert answer.status_code == 200
        for bad in ("pmsession=x", "pmsession", "pms ession==;", "other=1"):
            assert (await api.ask("GET", "/apps", authorization="", cookie=bad)).status_code == 401

    @pytest.mark.parametrize(
        ("origin", "status"),
        [(None, 200), ("http://rooms.example", 200), ("https://evil.example", 401), ("null", 401), ("", 401)],
    )
    async def test_lets_pages_of_this_server_alone_change_anything(
        self, api: Api, origin: str | None, status: int
    ) -> None:
        headers = {} if origin is None else {"origin": origin}
        cookie = f"other=1; pmsession={api.key}"
        answer = await api.ask("POST", "/organizations", {"name": "Acme"}, authorization="", cookie=cookie, **headers)
        assert answer.status_code == status


class TestRates:
    @pytest.fixture
    def settings(self) -> AnalyticsSettings:
        return AnalyticsSettings(rate_limit_per_minute=5)

    async def test_so_many_a_minute_from_one_address_over_all_routes(
        self, api: Api, autojump_clock: trio.testing.MockClock
    ) -> None:
        async with api.client_at("203.0.113.9") as one, api.client_at("203.0.113.10") as other:
            paths = ("/apps", "/nowhere", "/organizations", "/apps", "/apps")
            assert [(await one.get(path)).status_code for path in paths] == [401, 404, 401, 401, 401]
            refused = await one.get("/apps", headers={"origin": ORIGIN})
            assert (refused.status_code, refused.text) == (429, '""')
            assert refused.headers["access-control-allow-origin"] == ORIGIN
            assert (await other.get("/apps")).status_code == 401
            preflight = {"origin": ORIGIN, "access-control-request-method": "PUT"}
            assert (await one.options("/apps", headers=preflight)).status_code == 200
            await trio.sleep(60)
            assert (await one.get("/apps")).status_code == 401

    async def test_a_flood_of_addresses_is_not_remembered_for_ever(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.analytics.door.ANALYTICS_ADDRESSES", 3)
        for number in range(10):
            async with api.client_at(f"203.0.113.{number}") as one:
                assert (await one.get("/apps")).status_code == 401


def test_settings() -> None:
    for wrong in ({"private": "x"}, {"rate_limit_per_minute": 0}, {"body_limit_bytes": 5}, {"stats_interval_ms": 9}):
        with pytest.raises(ValueError, match="."):
            AnalyticsSettings(**_any(wrong))


def _any(given: dict[str, Any]) -> Any:
    return given


def test_what_is_described_is_what_there_is() -> None:
    services: Any = MagicMock()
    services.config.analytics.summary_cache_s = 0
    there = {
        (ROOT + path, method.lower(), method in route.private)
        for path, route in routes_of(services).items()
        for method, handler in route.handlers.items()
        if handler not in (without_id, no_method)
    }
    described = openapi.document("1")["paths"]
    told = {
        (path, method, "security" in operation)
        for path, operations in described.items()
        if path.startswith(ROOT)
        for method, operation in operations.items()
    }
    assert told == there
