"""The analytics API alone: its routes on a store, asked over ASGI."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import httpx
import pytest
import trio
from quart_trio import QuartTrio

from api.admins import Admins
from api.analytics import app as analytics
from api.analytics.summing import Summing
from api.analytics.tokens import ReportTokens
from api.analytics.upkeep import Upkeep
from api.analytics.writer import Writer
from api.config import AnalyticsSettings, Config
from api.keyring import Keyring
from api.passwords import PasswordChecks
from api.places import Places
from api.store import Database, Store
from tests.api.conftest import make_key

PLACES = Places()
ROOT = "http://rooms.example/analytics/v1"


@attrs.define
class Clock:
    """What reports are told the time by; tokens have the world's."""

    now: datetime = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def goes_on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@attrs.define
class Api:
    client: httpx.AsyncClient
    """An administrator's."""
    client_at: Callable[[str], httpx.AsyncClient]
    """Somebody's at another address."""
    database: Database
    key: str
    clock: "Clock"
    upkeep: Upkeep

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        content = {} if body is None else {"json": body}
        return await self.client.request(method, path, headers=headers, **content)  # type: ignore[arg-type]

    async def data(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.ask(method, path, body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        return answer.json()["data"]

    async def fault(self, method: str, path: str, body: object = None) -> str:
        answer = await self.ask(method, path, body)
        assert answer.status_code >= 400
        assert set(answer.json()) == {"error_code", "message"}
        return f"{answer.status_code} {answer.json()['error_code']}"


@pytest.fixture
def settings() -> AnalyticsSettings:
    """What a test overrides to have others."""
    return AnalyticsSettings()


@pytest.fixture
async def api(
    tmp_path: Path,
    store_url: str,
    settings: AnalyticsSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Api]:
    key, keyring = make_key(tmp_path, store_url), Keyring.open(tmp_path)
    database = Database(tmp_path, store_url)
    store = Store(database)
    clock = Clock()
    for module in ("reported", "routes", "summing", "upkeep"):
        monkeypatch.setattr(f"api.analytics.{module}.utc_now", clock)
    summing = Summing(store)
    reports = Writer(store, settings.max_events_per_session, summing.ended)
    services: Any = SimpleNamespace(
        config=Config(analytics=settings),
        store=store,
        keyring=keyring,
        admins=Admins(store, keyring, PasswordChecks()),
        local_key="local",
        places=PLACES,
        reports=reports,
        upkeep=Upkeep(store, reports, settings, summing.ended),
        report_tokens=ReportTokens(b"i" * 32, b"s" * 32),
    )
    app = QuartTrio("api")
    analytics.mount(app, services)

    def client_at(address: str, **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app.asgi_app, client=(address, 50_000))  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url=ROOT, headers=headers)

    async with trio.open_nursery() as nursery, client_at("127.0.0.1", authorization=f"Bearer {key}") as client:
        await nursery.start(reports.run)
        await nursery.start(summing.run, reports)
        yield Api(client, client_at, database, key, clock, services.upkeep)
        nursery.cancel_scope.cancel()
    database.close()
