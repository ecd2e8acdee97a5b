"""Who may look at what: the sign-in to the dashboard, and what a licence's keys and tokens open; over real sockets."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import httpx
import jwt
import pytest

import api.passwords
from api.keyring import Keyring
from api.licences import ACCESS_TOKENS, LICENCE_KEYS, LicenceKeys, make
from api.limits import BODY_BYTES, SIGN_IN_FAILURES
from api.store import Database, licences
from api.store.licences import LicenceRecord
from signalling.door import Door
from signalling.limits import AUTH_WINDOW_S, NAME_CHARS, SECRET_CHARS
from tests.api.conftest import ADMIN_PASSWORD, Server, caller

SEOUL = ZoneInfo("Asia/Seoul")
LIVE = ["/v1/live/viewer", "/v1/live/rooms", "/v1/live/licences"]
ADMINISTRATOR = {"kind": "administrator", "licence": None, "domain": None}


@attrs.frozen
class Customer:
    """A licence and the one who holds it."""

    record: LicenceRecord
    keyring: Keyring

    @property
    def id(self) -> str:
        return str(self.record.id)

    def keys(self, ago_s: float = 0) -> LicenceKeys:
        """As they were made some time ago."""
        return LicenceKeys(self.keyring, SEOUL, lambda: time.time() - ago_s)

    def licence_key(self, ago_s: float = 0) -> str:
        return self.keys(ago_s).licence_key(self.record, days=1)

    def access_token(self, ago_s: float = 0, **claims: Any) -> str:
        return self.keys(ago_s).make_access_token(self.record, expires_s=3600, **claims)


def customer(server: Server, domain: str = "trial", **terms: Any) -> Customer:
    keyring = Keyring.open(server.directory)
    database = Database(server.directory)
    record, _ = database.write(partial(make, keyring=keyring, domain=domain, **terms))
    database.close()
    return Customer(record, keyring)


def disable(server: Server, record: LicenceRecord) -> None:
    database = Database(server.directory)
    database.write(partial(licences.enable, id=record.id, enabled=False))
    database.close()


def bearing(server: Server, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=server.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, verify=False
    )


def is_error(response: httpx.Response, status: int) -> bool:
    error = response.json()["error"]
    return response.status_code == status == error["code"] and bool(error["message"])


async def sign_in(client: httpx.AsyncClient, user: str = "admin", password: str = ADMIN_PASSWORD) -> httpx.Response:
    return await client.post("/dashboard/sign-in", json={"user": user, "password": password})


# --- the sign-in ---


async def test_the_cookie_of_a_sign_in_is_for_call_analytics_and_goes_with_it(server: Server) -> None:
    async with server.anonymous() as client:
        answer = await sign_in(client)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"pmsession={answer.json()['token']}; ")
        assert {"HttpOnly", "SameSite=Lax", "Path=/analytics/v1"} <= set(cookie.split("; "))
        assert (await client.get("/analytics/v1/apps")).status_code == 200
        gone = await client.delete("/dashboard/sign-in")
        assert gone.status_code == 204
        assert (await client.get("/analytics/v1/apps")).status_code == 401


async def test_who_signs_in_is_an_administrator_everywhere(server: Server) -> None:
    async with server.anonymous() as client:
        response = await sign_in(client)
    assert (response.status_code, set(response.json())) == (200, {"token", "expires_at"})
    assert response.headers["cache-control"] == "no-store"
    expires = datetime.fromisoformat(response.json()["expires_at"])
    assert abs(expires.timestamp() - time.time() - 12 * 3600) < 60
    async with bearing(server, response.json()["token"]) as client:
        assert (await client.get("/v1/live/viewer")).json() == {"viewer": ADMINISTRATOR}
        assert (await client.get("/v1/rooms")).status_code == 200
        assert is_error(await client.delete("/v1/live/rooms/nowhere"), 404)


async def test_a_wrong_user_and_a_wrong_password_are_one_answer(server: Server) -> None:
    async with server.anonymous() as client:
        answers = [await sign_in(client, "admin", "wrong"), await sign_in(client, "nobody", ADMIN_PASSWORD)]
    assert all(is_error(answer, 401) for answer in answers)
    assert answers[0].text == answers[1].text
    assert all(answer.headers["www-authenticate"] == "Bearer" for answer in answers)


async def test_too_many_failures_are_429_for_the_right_password_too(server: Server) -> None:
    async with server.anonymous() as client:
        for _ in range(SIGN_IN_FAILURES):
            assert is_error(await sign_in(client, password="wrong"), 401)
        refused = await sign_in(client)
        assert is_error(refused, 429)
        assert refused.headers["retry-after"] == f"{AUTH_WINDOW_S:.0f}"


async def test_success_is_no_failure(server: Server) -> None:
    async with server.anonymous() as client:
        for _ in range(SIGN_IN_FAILURES + 1):
            assert (await sign_in(client)).status_code == 200


async def test_a_full_queue_of_passwords_is_429(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.passwords, "PASSWORD_CHECKS_WAITING", 0)
    async with server.anonymous() as client:
        assert is_error(await sign_in(client), 429)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"user": "admin", "password": NaN}', "application/json", 400),
        (b"null", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"{}", "application/json", 422),
        (b'{"user": "admin"}', "application/json", 422),
        (b'{"user": "admin", "password": null}', "application/json", 422),
        (b'{"user": "admin", "password": ["x"]}', "application/json", 422),
        (b'{"user": 1, "password": "x"}', "application/json", 422),
        (b'{"user": "admin", "password": "x", "more": 1}', "application/json", 422),
        (b'{"user": "nul \\u0000", "password": "x"}', "application/json", 422),
        (b'{"user": "admin", "password": "half \\ud800"}', "application/json", 422),
        (json.dumps({"user": "x" * (NAME_CHARS + 1), "password": "x"}).encode(), "application/json", 422),
        (json.dumps({"user": "admin", "password": "x" * (SECRET_CHARS + 1)}).encode(), "application/json", 422),
        (b"user=admin&password=x", "application/x-www-form-urlencoded", 415),
        (b'{"user": "admin", "password": "x"}', "text/plain", 415),
        (b" " * (BODY_BYTES + 1), "application/json", 413),
    ],
)
async def test_a_sign_in_that_cannot_be_read_is_refused_and_no_failure(
    server: Server, body: bytes, kind: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Door, "prove", None)
    async with server.anonymous() as client:
        response = await client.post("/dashboard/sign-in", content=body, headers={"Content-Type": kind})
    assert is_error(response, status)


async def test_the_sign_in_is_posted(server: Server) -> None:
    async with server.anonymous() as client:
        response = await client.get("/dashboard/sign-in")
    assert is_error(response, 405)
    assert "POST" in response.headers["allow"]


# --- who asks ---


async def test_a_bearer_key_and_the_local_key_are_an_administrators(server: Server) -> None:
    local = json.loads((server.directory / "server.json").read_text(encoding="utf-8"))["key"]
    for key in (server.key, local):
        async with bearing(server, key) as client:
            assert (await client.get("/v1/live/viewer")).json() == {"viewer": ADMINISTRATOR}


async def test_a_licence_key_is_a_holders(server: Server) -> None:
    trial = customer(server)
    async with bearing(server, trial.licence_key()) as client:
        viewer = (await client.get("/v1/live/viewer")).json()["viewer"]
        assert viewer == {"kind": "holder", "licence": trial.id, "domain": "trial"}


async def test_a_holder_may_look_and_nothing_else(server: Server) -> None:
    trial = customer(server)
    async with bearing(server, trial.licence_key()) as client, caller(server.url) as ann:
        room = (await ann.ask("authenticate", room="x", call_id="c", access_token=trial.access_token()))["result"]
        await ann.join(room["auth_token"])
        (live,) = (await client.get("/v1/live/rooms")).json()["rooms"]
        for method, path in (
            ("DELETE", f"/v1/live/rooms/{live['id']}"),
            ("DELETE", "/v1/live/rooms/nowhere"),
            ("DELETE", f"/v1/live/licences/{trial.id}"),
            ("PUT", "/v1/live/rooms"),
            ("GET", "/v1/rooms"),
            ("POST", "/v1/rooms"),
            ("GET", f"/v1/rooms/{live['id']}/members"),
        ):
            assert is_error(await client.request(method, path), 403), (method, path)
        assert (await client.get("/v1/live/rooms")).json()["rooms"] != []
        assert (await client.head("/v1/live/rooms")).status_code == 200


@pytest.mark.parametrize("claims", [{}, {"is_owner": True}, {"room_name": "x"}, {"user_name": "Ann"}])
async def test_an_access_token_shows_nothing(server: Server, claims: dict[str, Any]) -> None:
    """Browsers have them, to enter a room."""
    async with bearing(server, customer(server).access_token(**claims)) as client:
        for path in LIVE:
            assert is_error(await client.get(path), 403)


async def test_a_disabled_licence_shows_nothing(server: Server) -> None:
    trial = customer(server)
    disable(server, trial.record)
    for token in (trial.licence_key(), trial.access_token()):
        async with bearing(server, token) as client:
            for path in LIVE:
                assert is_error(await client.get(path), 403)


def _forged(trial: Customer, secret: bytes | None = None, algorithm: str = "HS256", **claims: Any) -> str:
    given = {"domain": "trial", "company_name": "trial", "exp": int(time.time()) + 3600, **claims}
    key = None if algorithm == "none" else secret or trial.keyring.derive(ACCESS_TOKENS)
    return jwt.encode({name: value for name, value in given.items() if value is not None}, key, algorithm=algorithm)


BAD: dict[str, Callable[[Customer], str]] = {
    "a key that expired a second ago": lambda trial: trial.licence_key(24 * 3600 + 1),
    "a token that expired a second ago": lambda trial: trial.access_token(3601),
    "an auth key": lambda trial: trial.keys().auth_key(trial.record),
    "of another purpose": lambda trial: _forged(trial, trial.keyring.derive(LICENCE_KEYS)),
    "of another installation": lambda trial: _forged(trial, Keyring(bytes(32)).derive(ACCESS_TOKENS)),
    "unsigned": lambda trial: _forged(trial, algorithm="none"),
    "without an end": lambda trial: _forged(trial, exp=None),
    "of nobody's domain": lambda trial: _forged(trial, domain="nobody"),
    "of no domain": lambda trial: _forged(trial, domain=None),
    "of no known kind": lambda trial: _forged(trial, company_name=None),
    "with another access key": lambda trial: _forged(trial, accessKey="x" * 11, id=trial.id),
    "with another licence's id": lambda trial: _forged(trial, accessKey=trial.record.access_key, id="99"),
    "cut": lambda trial: trial.licence_key()[:-2],
}


@pytest.mark.parametrize("bad", BAD)
async def test_what_is_no_good_token_is_401(server: Server, bad: str) -> None:
    token = BAD[bad](customer(server))
    async with bearing(server, token) as client:
        for path in LIVE:
            response = await client.get(path)
            assert is_error(response, 401)
            assert response.headers["www-authenticate"] == "Bearer"


async def test_what_makes_these_tokens_bad_is_what_is_said(server: Server) -> None:
    trial = customer(server)
    key, token = _forged(trial), _forged(trial, accessKey=trial.record.access_key, id=trial.id)
    for good, status in ((key, 200), (token, 403)):
        async with bearing(server, good) as client:
            assert (await client.get("/v1/live/viewer")).status_code == status


async def test_two_credentials_are_none(server: Server) -> None:
    headers = [("Authorization", f"Bearer {server.key}")] * 2
    async with server.anonymous() as client:
        assert is_error(await client.get("/v1/live/viewer", headers=headers), 401)
