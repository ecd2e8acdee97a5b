"""POST /v1/auth: which pairs and fields are taken, and what the token then says (contract s-connector, section 3)."""

import json

import httpx
import jwt
import pytest
import trio

from api.limits import ACCESS_TOKEN_MINUTES, S_CONNECTOR_BODY_BYTES
from signalling.settings import LicenceSettings
from tests.api.s_connector.conftest import Api


def claims_of(answer: httpx.Response) -> dict[str, object]:
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"status", "data"} and answer.json()["status"] is True
    assert set(answer.json()["data"]) == {"accessToken"}
    token = answer.json()["data"]["accessToken"]
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


def refused(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"status", "message"} and answer.json()["status"] is False
    assert answer.headers["access-control-allow-origin"] == "*"
    return str(answer.json()["message"])


async def test_a_bare_request_yields_the_five_documented_claims(api: Api) -> None:
    iat = int(api.clock.epoch)
    assert claims_of(await api.auth()) == {
        "id": str(api.licence.id),
        "domain": "trial",
        "accessKey": api.licence.access_key,
        "iat": iat,
        "exp": iat + 3600,
    }


@pytest.mark.parametrize(
    ("expires", "seconds"), [(60, 3600), (100, 6000), (0.5, 30), (1.99, 119), (525_600, 31_536_000)]
)
async def test_expires_is_in_minutes_and_rounded_down(api: Api, expires: float, seconds: int) -> None:
    claims = claims_of(await api.auth(expires=expires))
    assert claims["exp"] == int(api.clock.epoch) + seconds


@pytest.mark.parametrize("expires", [0, -1, 1e9, ACCESS_TOKEN_MINUTES + 1, "60", True, [60], 0.01, -0.0])
async def test_other_lives_are_refused(api: Api, expires: object) -> None:
    assert "expires" in refused(await api.auth(expires=expires), 400)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
async def test_numbers_that_are_none(api: Api, number: str) -> None:
    body = f'{{"accessKey": "{api.licence.access_key}", "secretKey": "{api.secret}", "expires": {number}}}'
    refused(await api.client.post("/v1/auth", content=body, headers={"content-type": "application/json"}), 400)


async def test_what_was_given_is_a_claim(api: Api) -> None:
    given = {
        "isOwner": True,
        "userName": "안나",
        "roomName": "회의 1",
        "start": "2021-02-22 21:00",
        "end": "2021-02-22 22:30",
    }
    claims = claims_of(await api.auth(**given))
    assert {name: claims[name] for name in given} == given
    assert len(claims) == 10
    assert claims_of(await api.auth(isOwner=False))["isOwner"] is False
    assert "userName" not in claims_of(await api.auth(userName=None))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("isOwner", "true"),
        ("isOwner", 1),
        ("isOwner", None),
        ("userName", 5),
        ("userName", ""),
        ("userName", "a\0b"),
        ("userName", "a\nb"),
        ("userName", "x" * 256),
        ("roomName", "r" * 65),
        ("roomName", ["r"]),
        ("start", "tomorrow"),
        ("start", "2021-02-30 10:00"),
        ("end", "2021-02-22 25:00"),
        ("end", 5),
        ("start", "0001-01-01 00:00"),
    ],
)
async def test_bad_fields_are_named(api: Api, field: str, value: object) -> None:
    assert field in refused(await api.auth(**{field: value}), 400)


NAMES_THAT_CAN_BE_JOINED = [
    "안나",
    "회의\u3000실",
    "a\xa0b",
    "👨\u200d👩\u200d👧",
    "<b>",
    "' OR 1=1 --",
    "a/b",
    "🎉" * 64,
]


@pytest.mark.parametrize("name", NAMES_THAT_CAN_BE_JOINED)
async def test_what_can_be_joined_can_be_named(api: Api, name: str) -> None:
    """And the token that says so is taken, however long it is."""
    answer = await api.auth(userName=name * 3, roomName=name, start="2021-02-22", end="2021-02-22")
    claims = claims_of(answer)
    assert (claims["userName"], claims["roomName"]) == (name * 3, name)
    assert await api.data("/v1/info", answer.json()["data"]["accessToken"])


async def test_the_token_is_good_for_the_other_calls(api: Api) -> None:
    token = (await api.auth(expires=1)).json()["data"]["accessToken"]
    assert await api.data("/v1/sessions", token) == []
    api.clock.goes_on(60)
    refused(await api.get("/v1/sessions", token), 401)


async def test_a_meeting_ends_after_it_starts(api: Api) -> None:
    refused(await api.auth(start="2021-02-22 10:00", end="2021-02-22 10:00"), 400)
    refused(await api.auth(start="2021-02-22 10:00", end="2021-02-22 09:00"), 400)
    claims_of(await api.auth(start="2021-02-22 10:00", end="2021-02-22 10:01"))


@pytest.mark.parametrize("field", ["accessKey", "secretKey"])
@pytest.mark.parametrize("value", [None, "", 5, {}, "a\0", "x" * 2000])
async def test_both_keys_are_needed(api: Api, field: str, value: object) -> None:
    refused(await api.auth(**{field: value}), 400)


@pytest.mark.parametrize("body", ["", "[]", '"x"', "null", "{", '{"accessKey": "\\ud800"}', "[" * 50_000])
async def test_a_body_that_is_no_object(api: Api, body: str) -> None:
    answer = await api.client.post("/v1/auth", content=body, headers={"content-type": "application/json"})
    refused(answer, 400)


async def test_half_a_character_is_no_name(api: Api) -> None:
    """JSON can spell it, and nothing behind could write it."""
    good = json.dumps({**api.pair, "roomName": "ROOM"})
    for room, status in (("\\ud83c\\udf89", 200), ("\\ud83c", 400), ("\\udf89\\ud83c", 400)):
        content = good.replace("ROOM", room)
        answer = await api.client.post("/v1/auth", content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, "roomName" in answer.text) == (status, status == 400)


async def test_a_form_is_refused(api: Api) -> None:
    pair = {"accessKey": api.licence.access_key, "secretKey": api.secret}
    refused(await api.client.post("/v1/auth", data=pair), 400)


async def test_so_long_a_body_is_read_and_no_longer(api: Api) -> None:
    long = api.auth(padding="x" * (S_CONNECTOR_BODY_BYTES - 600))
    claims_of(await long)
    refused(await api.auth(padding="x" * S_CONNECTOR_BODY_BYTES), 413)
    refused(await api.auth(padding="x" * (1 << 20)), 413)


async def test_unknown_pairs_and_wrong_secrets_are_one_and_the_same(api: Api) -> None:
    wrong = refused(await api.auth(secretKey="0" * 278), 401)
    assert refused(await api.auth(accessKey="nobody00000"), 401) == wrong
    other, _ = api.add("other")
    assert refused(await api.auth(accessKey=other.access_key), 401) == wrong


async def test_the_secret_of_a_disabled_licence_is_right_but_good_for_nothing(api: Api) -> None:
    api.enable(False)
    refused(await api.auth(), 403)
    refused(await api.auth(secretKey="0"), 401)
    api.enable(True)
    claims_of(await api.auth())


async def test_the_header_is_not_looked_at(api: Api) -> None:
    pair = {"accessKey": api.licence.access_key, "secretKey": api.secret}
    claims_of(await api.client.post("/v1/auth", json=pair, headers={"s-connector-jwt": "nonsense"}))


class TestGuessing:
    """At most 10 failures a minute for one accessKey, and for one address."""

    async def test_one_access_key_from_one_address(self, api: Api, autojump_clock: object) -> None:
        for _ in range(10):
            refused(await api.auth(secretKey="0"), 401)
        answer = await api.auth()  # for right secrets too
        refused(answer, 429)
        assert answer.headers["retry-after"] == "60"

    async def test_many_access_keys_from_one_address(self, api: Api, autojump_clock: object) -> None:
        for number in range(10):
            refused(await api.auth(accessKey=f"guess{number}"), 401)
        refused(await api.auth(), 429)

    async def test_one_access_key_from_many_addresses(self, api: Api, autojump_clock: object) -> None:
        for number in range(10):
            refused(await api.auth_from(f"203.0.113.{number}", secretKey="0"), 401)
        refused(await api.auth_from("203.0.113.99"), 429)
        other, secret = api.add("other")
        claims_of(await api.auth_from("203.0.113.99", accessKey=other.access_key, secretKey=secret))

    async def test_one_network_of_ipv6_is_one_address(self, api: Api, autojump_clock: object) -> None:
        for number in range(10):
            refused(await api.auth_from(f"2001:db8::{number}", accessKey=f"guess{number}"), 401)
        refused(await api.auth_from("2001:db8::ffff"), 429)
        claims_of(await api.auth_from("2001:db8:0:1::1"))

    async def test_what_is_right_is_no_failure(self, api: Api, autojump_clock: object) -> None:
        for _ in range(9):
            refused(await api.auth(secretKey="0"), 401)
            claims_of(await api.auth())
        refused(await api.auth(secretKey="0"), 401)
        refused(await api.auth(), 429)

    async def test_what_is_refused_unread_is_no_failure(self, api: Api, autojump_clock: object) -> None:
        for _ in range(10):
            refused(await api.auth(secretKey="0"), 401)
        await trio.sleep(50)
        for _ in range(10):
            refused(await api.auth(secretKey="0"), 429)
        await trio.sleep(10.001)
        claims_of(await api.auth())

    @pytest.mark.parametrize("licence_settings", [LicenceSettings(auth_failures_per_minute=2)], ids=["2"])
    async def test_so_many_as_the_setting_says(self, api: Api, autojump_clock: object) -> None:
        for _ in range(2):
            refused(await api.auth(secretKey="0"), 401)
        refused(await api.auth(), 429)

    def test_a_setting_that_would_let_nobody_in(self) -> None:
        with pytest.raises(ValueError, match="auth_failures_per_minute"):
            LicenceSettings(auth_failures_per_minute=0)

    async def test_bad_bodies_are_no_guesses(self, api: Api, autojump_clock: object) -> None:
        for _ in range(20):
            refused(await api.auth(expires=0), 400)
        claims_of(await api.auth())
