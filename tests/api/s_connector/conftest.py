"""The REST API alone: its routes on a store, with sessions that a test counts by hand and a clock that it sets."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import httpx
import pytest
from quart_trio import QuartTrio

from api import s_connector
from api.config import Config
from api.keyring import Keyring
from api.licences import LicenceKeys, StoredLicences, make
from api.session import Visitor
from api.sessions import Sessions
from api.store import Database, Store, licences
from api.store.licences import LicenceRecord
from signalling.ports import Remote, RoomEvent
from signalling.room.events import MemberJoined, MemberLeft, RoomEmptied
from signalling.room.member import Member
from signalling.settings import LicenceSettings

NOON = datetime(2021, 2, 22, 12, 39, 26, tzinfo=UTC)


@attrs.define
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    @property
    def epoch(self) -> float:
        return self.now.timestamp()

    def goes_on(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@attrs.define
class Api:
    """The API as a client sees it, and what an operator does behind it."""

    client: httpx.AsyncClient
    client_at: Callable[[str], httpx.AsyncClient]
    """One of another address."""
    store: Store
    database: Database
    keyring: Keyring
    keys: LicenceKeys
    sessions: Sessions
    clock: Clock
    licence: LicenceRecord
    secret: str

    # --- as a client ---

    async def get(self, path: str, token: str | None = None, **headers: str) -> httpx.Response:
        """With an access token, unless it is told which."""
        token = self.access_token() if token is None else token
        return await self.client.get(path, headers={"s-connector-jwt": token, **headers})

    async def data(self, path: str, token: str | None = None, **headers: str) -> Any:
        answer = await self.get(path, token, **headers)
        assert (answer.status_code, answer.json()["status"]) == (200, True), answer.text
        assert set(answer.json()) == {"status", "data"}
        return answer.json()["data"]

    async def auth(self, **body: object) -> httpx.Response:
        return await self.client.post("/v1/auth", json={**self.pair, **body})

    async def auth_from(self, address: str, **body: object) -> httpx.Response:
        async with self.client_at(address) as client:
            return await client.post("/v1/auth", json={**self.pair, **body})

    @property
    def pair(self) -> dict[str, str]:
        return {"accessKey": self.licence.access_key, "secretKey": self.secret}

    def access_token(self, licence: LicenceRecord | None = None, **claims: Any) -> str:
        return self.keys.make_access_token(licence or self.licence, expires_s=claims.pop("expires_s", 3600), **claims)

    def licence_key(self) -> str:
        return self.keys.licence_key(self.licence, 1)

    # --- behind it ---

    def add(self, domain: str, **terms: Any) -> tuple[LicenceRecord, str]:
        return self.database.write(partial(make, keyring=self.keyring, domain=domain, **terms))

    def enable(self, enabled: bool) -> None:
        self.database.write(partial(licences.enable, id=self.licence.id, enabled=enabled))

    def joins(self, room: str, member: str, *, is_admin: bool = False, licence: LicenceRecord | None = None) -> None:
        joined = MemberJoined(Member(member, None, member.title(), is_admin=is_admin))
        self._happens(room, joined, licence, Remote("203.0.113.9", "Chrome 87"))

    def leaves(self, room: str, member: str) -> None:
        self._happens(room, MemberLeft(member, "left"))

    def empties(self, room: str) -> None:
        self._happens(room, RoomEmptied())

    def _happens(
        self, room: str, event: Any, licence: LicenceRecord | None = None, remote: Remote | None = None
    ) -> None:
        of = licence or self.licence
        self.sessions.observe(RoomEvent(f"{of.id}/{room}", room, str(of.id), self.clock.now, event, remote))


def described(remote: Remote) -> Visitor:
    return Visitor("Seocho-gu, South Korea", f"{remote.user_agent} on Windows 10")


@pytest.fixture
def licence_settings() -> LicenceSettings:
    """What a test overrides to have others."""
    return LicenceSettings()


@pytest.fixture
async def api(tmp_path: Path, store_url: str, licence_settings: LicenceSettings) -> AsyncIterator[Api]:
    keyring = Keyring.open(tmp_path)
    database = Database(tmp_path, store_url)
    store = Store(database)
    clock = Clock()
    config = Config(licence=licence_settings)
    keys = LicenceKeys(keyring, config.licence.zone, lambda: clock.epoch)
    sessions = await Sessions.open(store, rooms=(), describe=described, grace_s=10, monotonic=lambda: clock.epoch)
    record, secret = database.write(partial(make, keyring=keyring, domain="trial", room_limit=5))
    services: Any = SimpleNamespace(
        config=config, licence_keys=keys, licences=StoredLicences(store, keys, {}), sessions=sessions
    )
    app = QuartTrio("api")
    s_connector.mount(app, services)

    def client_at(address: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=app.asgi_app, client=(address, 50_000))  # type: ignore[arg-type]
        return httpx.AsyncClient(transport=transport, base_url="http://rooms.example")

    async with client_at("127.0.0.1") as client:
        yield Api(client, client_at, store, database, keyring, keys, sessions, clock, record, secret)
    database.close()
