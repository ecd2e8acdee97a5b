"""The failure table, line by line and in its order, CORS, and whose token is taken (contract s-connector, sections 1, 2, 8)."""

import base64
import hmac
import json
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from api.keyring import Keyring
from api.licences import ACCESS_TOKENS, LicenceKeys
from tests.api.s_connector.conftest import Api

GETS = ["/v1/info", "/v1/sessions", "/v1/sessions/r", "/v1/static?startTime=2021-01-01"]
UNKNOWN = [
    "/v1",
    "/v1/",
    "/v1/sessions/",
    "/v1/nothing",
    "/v1/license/info",
    "/v1/video/sessions",
    "/v1/info/",
    "/v1/auth/x",
    "/v1/Info",
]


async def status(api: Api, path: str, token: str) -> int:
    answer = await api.get(path, token)
    assert answer.json()["status"] is (answer.status_code == 200)
    if answer.status_code != 200:
        assert set(answer.json()) == {"status", "message"} and isinstance(answer.json()["message"], str)
    assert answer.headers["access-control-allow-origin"] == "*"
    return answer.status_code


@pytest.mark.parametrize("path", GETS)
async def test_no_call_without_a_token(api: Api, path: str) -> None:
    api.joins("r", "anna")
    answer = await api.client.get(path)
    assert (answer.status_code, answer.json()["status"]) == (401, False)
    for token in ("", " ", "x", "a.b.c", "Bearer", "Basic x", api.access_token()[:-2], "x" * 10_000):
        assert await status(api, path, token) == 401
    for token in (
        api.access_token(),
        api.licence_key(),
        f"Bearer {api.access_token()}",
        f"bEARER  {api.licence_key()}",
    ):
        assert await status(api, path, token) == 200


async def test_names_of_headers_have_no_case(api: Api) -> None:
    answer = await api.client.get("/v1/info", headers={"S-Connector-JWT": api.access_token()})
    assert answer.status_code == 200


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.filterwarnings("ignore:The HMAC key")
async def test_only_hs256(api: Api) -> None:
    claims = {"domain": "trial", "company_name": "x", "exp": 2**40}
    secret = api.keyring.derive(ACCESS_TOKENS)
    assert await status(api, "/v1/info", jwt.encode(claims, secret, algorithm="HS256")) == 200
    assert await status(api, "/v1/info", f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}.") == 401
    for algorithm in ("HS384", "HS512"):
        assert await status(api, "/v1/info", jwt.encode(claims, secret, algorithm=algorithm)) == 401
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert await status(api, "/v1/info", jwt.encode(claims, private, algorithm="RS256")) == 401
    # Whoever takes the algorithm from the token takes the public key for a shared secret.
    public = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    mac = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), "sha256")).rstrip(b"=").decode()
    assert await status(api, "/v1/info", f"{signed}.{mac}") == 401


async def test_tokens_of_another_installation(api: Api, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    others = LicenceKeys(Keyring.open(tmp_path / "other"), api.clock.now.tzinfo, lambda: api.clock.epoch)  # type: ignore[arg-type]
    for token in (others.licence_key(api.licence, 1), others.make_access_token(api.licence, expires_s=60)):
        assert await status(api, "/v1/info", token) == 401


async def test_a_token_is_good_until_its_second(api: Api) -> None:
    access, key = api.access_token(expires_s=60), api.licence_key()
    api.clock.goes_on(59.999)
    assert await status(api, "/v1/info", access) == 200
    api.clock.goes_on(0.001)
    assert await status(api, "/v1/info", access) == 401
    api.clock.goes_on(86_400 - 61)
    assert await status(api, "/v1/info", key) == 200
    api.clock.goes_on(1)
    assert await status(api, "/v1/info", key) == 401


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": None},
        {"exp": "2099"},
        {"exp": True},
        {"exp": [1]},
        {"domain": None},
        {"domain": 5},
        {"domain": "unknown"},
        {"accessKey": "another0000"},
        {"accessKey": 5},
        {"accessKey": None},
        {"id": None},
        {"id": "99"},
        {"isOwner": "yes"},
    ],
)
async def test_claims_of_another_shape(api: Api, changed: dict[str, object]) -> None:
    good = {"id": str(api.licence.id), "domain": "trial", "accessKey": api.licence.access_key, "exp": 2**40}
    secret = api.keyring.derive(ACCESS_TOKENS)
    assert await status(api, "/v1/info", jwt.encode(good, secret)) == 200
    bad = {name: value for name, value in {**good, **changed}.items() if value is not None}
    assert await status(api, "/v1/info", jwt.encode(bad, secret)) == 401


async def test_iat_is_not_looked_at(api: Api) -> None:
    claims = {"domain": "trial", "company_name": "x", "exp": 2**40, "iat": time.time() + 10**6}
    assert await status(api, "/v1/info", jwt.encode(claims, api.keyring.derive(ACCESS_TOKENS))) == 200


async def test_a_disabled_licence_is_403_everywhere_but_at_info(api: Api) -> None:
    api.enable(False)
    for token in (api.access_token(), api.licence_key()):
        assert [await status(api, path, token) for path in GETS] == [200, 403, 403, 403]


@pytest.mark.parametrize("path", UNKNOWN)
async def test_unknown_paths(api: Api, path: str) -> None:
    assert await status(api, path, api.access_token()) == 404
    assert await status(api, path, "x") == 404  # the path comes first
    for method in ("OPTIONS", "POST", "DELETE"):  # and before the method
        assert (await api.client.request(method, path)).status_code == 404


async def test_wrong_methods(api: Api) -> None:
    for path in (*GETS, "/v1/auth"):
        right = "POST" if path == "/v1/auth" else "GET"
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {right}:
            answer = await api.client.request(method, path)  # without a token: the method comes first
            assert (answer.status_code, answer.json()["status"]) == (405, False)
            assert right in answer.headers["allow"]
            assert answer.headers["access-control-allow-origin"] == "*"


async def test_a_bad_token_comes_before_bad_parameters(api: Api) -> None:
    for path in ("/v1/static?startTime=x", "/v1/sessions?form=x", "/v1/sessions/nothing"):
        assert await status(api, path, "x") == 401
        assert await status(api, path, api.access_token()) in (400, 404)


async def test_head_is_get_without_a_body(api: Api) -> None:
    answer = await api.client.head("/v1/info", headers={"s-connector-jwt": api.access_token()})
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len((await api.get("/v1/info")).content)


@pytest.mark.parametrize("path", [*GETS, "/v1/auth"])
async def test_preflight(api: Api, path: str) -> None:
    asks = {"origin": "https://shop.example", "access-control-request-method": "GET"}
    answer = await api.client.options(path, headers=asks)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, POST"
    assert answer.headers["access-control-allow-headers"] == "s-connector-jwt, content-type"


async def test_a_fault_of_ours_is_told_without_its_inside(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(licence: str) -> list[object]:
        raise RuntimeError("the inside")

    monkeypatch.setattr(api.sessions, "running", fails)
    answer = await api.get("/v1/sessions")
    assert (answer.status_code, answer.json()) == (500, {"status": False, "message": "internal error"})
    assert answer.headers["access-control-allow-origin"] == "*"
