"""Health, figures, and the description of the routes."""

import re
from typing import Any, cast

import attrs
import pytest

from api import openapi
from api.analytics.app import ROOT
from api.config import Config
from api.s_connector.app import ROUTES
from api.server import make_app
from api.services import Services
from tests.api.conftest import Server

# And what only they ask for.
PAGES = ("/static/", "/meet/", "/kpoint-demo", "/embed", "/s-connector.js")


@pytest.fixture
def routes() -> set[tuple[str, str]]:
    """Method and path of every REST route of the application, as OpenAPI spells them."""
    nothing = cast(Any, None)
    services = Services(Config(), *[nothing] * (len(attrs.fields(Services)) - 1))
    rules = make_app(services).url_map.iter_rules()
    beside_quart = {(method.lower(), path) for path, (method, _) in ROUTES.items()}
    return beside_quart | {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in rules
        if not rule.websocket
        and not rule.rule.startswith((*PAGES, "/dashboard/<", "/dashboard/organization/"))
        and rule.rule not in ("/", "/dashboard", "/dashboard/records")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


async def test_alive_and_ready(server: Server) -> None:
    async with server.anonymous() as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json() == {"status": "ready"}


async def test_metrics_show_rooms_members_and_the_engine(server: Server) -> None:
    async with server.anonymous() as client:
        response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    lines = response.text.splitlines()
    assert "atrium_rooms 0.0" in lines
    assert 'atrium_members{dialect="room_api"} 0.0' in lines
    assert 'atrium_media_total{counter="packets_forwarded"} 7.0' in lines
    assert 'atrium_media_now{gauge="peers"} 2.0' in lines
    assert 'atrium_http_connections_cut_total{reason="error"} 0.0' in lines


async def test_openapi_describes_exactly_the_rest_routes(server: Server, routes: set[tuple[str, str]]) -> None:
    async with server.anonymous() as client:
        document = (await client.get("/openapi.json")).json()
    assert document == openapi.document(document["info"]["version"])
    described = {
        (method, path)
        for path, operations in document["paths"].items()
        if not path.startswith(ROOT)  # beside the framework's routes; its own test has it
        for method in operations
        if method != "parameters"
    }
    assert described == routes


async def test_openapi_refers_only_to_what_it_defines(server: Server) -> None:
    async with server.anonymous() as client:
        response = await client.get("/openapi.json")
    defined = set(response.json()["components"]["schemas"])
    assert set(re.findall(r"#/components/schemas/(\w+)", response.text)) == defined
