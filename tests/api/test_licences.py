"""Keys and tokens of licences: what they say, whom they let in, and what of the store decides it at every use."""

import base64
import json
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jwt
import pytest
import structlog.testing
from jwt.warnings import InsecureKeyLengthWarning

from api.keyring import Keyring
from api.licences import (
    ACCESS_TOKENS,
    LICENCE_KEYS,
    LICENCE_SECRETS,
    LicenceKeys,
    StoredLicences,
    first_moment,
    last_moment,
    make,
    make_configured,
    make_demo,
)
from api.store import Database, Store, licences
from api.store.licences import LicenceRecord
from api.store.tables import licences as licences_table
from api.store.users import Taken
from signalling.limits import TOKEN_CHARS
from signalling.ports import AccessForbidden, AccessGrant, AccessRefused, Licence
from tests.api.test_tokens import Clock

KEYRING = Keyring(bytes(32))
SEOUL = ZoneInfo("Asia/Seoul")
OPAQUE = "f00d-cafe"


@pytest.fixture
def database(tmp_path: Path, store_url: str) -> Iterator[Database]:
    database = Database(tmp_path, store_url)
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> LicenceKeys:
    return LicenceKeys(KEYRING, SEOUL, clock)


@pytest.fixture
def stored(database: Database, keys: LicenceKeys) -> StoredLicences:
    return StoredLicences(Store(database), keys, {"opaque": OPAQUE, "word": OPAQUE})


def made(database: Database, domain: str = "trial", **terms: Any) -> LicenceRecord:
    return database.write(partial(make, keyring=KEYRING, domain=domain, **terms))[0]


def at(text: str) -> float:
    """In Korea."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone(timedelta(hours=9))).timestamp()


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def signed(purpose: str, algorithm: str = "HS256", **claims: Any) -> str:
    """A token as a forger, or a later version, could make it."""
    with warnings.catch_warnings(category=InsecureKeyLengthWarning, action="ignore"):
        return jwt.encode(claims, KEYRING.derive(purpose) if algorithm != "none" else None, algorithm=algorithm)


# --- the store -------------------------------------------------------------------------------------------------------


def test_a_licence_comes_back_as_it_was_made_without_its_secret(database: Database) -> None:
    record, secret = database.write(
        partial(make, keyring=KEYRING, domain="https://a.example", room_limit=3, max_users=4, starts_on="2021-01-01")
    )
    assert (record.room_limit, record.max_users, record.starts_on, record.ends_on) == (3, 4, "2021-01-01", None)
    assert record.enabled
    assert len(record.access_key) == 11
    assert len(bytes.fromhex(secret)) == 139
    assert database.read(licences.all_licences) == [record]
    for which in (str(record.id), record.domain, record.access_key):
        assert database.read(partial(licences.named, which=which)) == [record]
    for which in (record.cp_code, "", "0", "9" * 30, "²"):
        assert database.read(partial(licences.named, which=which)) == []
    row = database.read(lambda connection: connection.execute(licences_table.select()).one())
    assert row.secret_mac == KEYRING.mac(LICENCE_SECRETS, secret)


def test_a_domain_and_a_code_are_taken_once(database: Database) -> None:
    first = made(database, "trial", cp_code="c1")
    with pytest.raises(Taken, match="licence for 'trial'"):
        made(database, "trial", cp_code="c2")
    with pytest.raises(Taken, match="cp code 'c1'"):
        made(database, "other", cp_code="c1")
    assert database.read(licences.all_licences) == [first]
    assert made(database, "other").cp_code != made(database, "third").cp_code


def test_a_configured_code_gets_a_licence_once(database: Database) -> None:
    taken = made(database, "word", cp_code="else")
    has_one = made(database, "https://a.example", cp_code="has one")
    with structlog.testing.capture_logs() as logged:
        for _ in range(2):
            database.write(partial(make_configured, keyring=KEYRING, codes=["opaque", "word", "has one"]))
    before, also_before, opaque = database.read(licences.all_licences)
    assert (before, also_before) == (taken, has_one)
    assert (opaque.domain, opaque.cp_code, opaque.room_limit, opaque.max_users) == ("opaque", "opaque", None, None)
    assert [entry["cp_code"] for entry in logged] == ["opaque", "word", "word"]


def test_the_demo_gets_a_licence_once_and_takes_nobodys(database: Database) -> None:
    other = made(database, "https://a.example", cp_code="demo")
    for _ in range(2):
        database.write(partial(make_demo, keyring=KEYRING))
    before, demo = database.read(licences.all_licences)
    assert before == other
    assert demo.domain == "demo"
    assert demo.cp_code != "demo"


# --- dates -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2021-01-31", "2021-01-30T15:00:00Z", "2021-01-31T14:59:59.999999Z"),
        ("2021-01-31T10:00", "2021-01-31T01:00:00Z", "2021-01-31T01:00:00Z"),
        ("2021-01-31 10:00:30", "2021-01-31T01:00:30Z", "2021-01-31T01:00:30Z"),
        ("2021-01-31T10:00:00.5Z", "2021-01-31T10:00:00.5Z", "2021-01-31T10:00:00.5Z"),
        ("2021-01-31 10:00+01:00", "2021-01-31T09:00:00Z", "2021-01-31T09:00:00Z"),
    ],
)
def test_a_date_is_a_day_of_the_zone_and_a_moment_is_itself(text: str, first: str, last: str) -> None:
    assert first_moment(text, SEOUL) == datetime.fromisoformat(first)
    assert last_moment(text, SEOUL) == datetime.fromisoformat(last)


@pytest.mark.parametrize(
    "text",
    [
        *("", "today", "20210131", "2021-W04-7", "2021-1-31", "2021-02-30", "2021-13-01", "0000-01-01"),
        *(
            "2021-01-31T",
            "2021-01-31T10",
            "2021-01-31T24:00",
            "2021-01-31_10:00",
            "2021-01-31T10:00+9",
            "２０２１-01-31",
        ),
        *(" 2021-01-31", "2021-01-31\n", "2021-01-31T10:00:00.1234567", "2021-01-31T10:00+24:00"),
    ],
)
def test_everything_else_is_no_date(text: str) -> None:
    for read in (first_moment, last_moment):
        with pytest.raises(ValueError, match="."):
            read(text, SEOUL)


# --- auth keys -------------------------------------------------------------------------------------------------------


async def test_an_auth_key_says_what_the_contract_has_and_is_always_the_same(
    database: Database, stored: StoredLicences, keys: LicenceKeys
) -> None:
    record = made(database, cp_code="c1", room_limit=2, max_users=3, starts_on="1970-01-01", ends_on="9999-12-31")
    key = keys.auth_key(record)
    assert LicenceKeys(KEYRING, SEOUL).auth_key(record) == key
    assert jwt.get_unverified_header(key) == {"alg": "HS256", "typ": "JWT"}
    assert claims_of(key) == {
        "name": "trial",
        "maxUser": "3",
        "startDate": "1970-01-01",
        "endDate": "9999-12-31",
        "authCode": "c1",
        "companyCode": str(record.id),
        "iat": int(record.created_at.timestamp()),
    }
    licence = Licence(str(record.id), "trial", "c1", room_limit=2, max_users=3, enabled=True)
    assert await stored.by_key("c1", key) == licence
    assert await stored.licence(str(record.id)) == licence


async def test_what_is_not_limited_is_no_claim(database: Database, stored: StoredLicences, keys: LicenceKeys) -> None:
    record = made(database)
    key = keys.auth_key(record)
    assert set(claims_of(key)) == {"name", "authCode", "companyCode", "iat"}
    licence = await stored.by_key(record.cp_code, key)
    assert licence is not None
    assert (licence.max_users, licence.room_limit) == (None, None)


@pytest.mark.parametrize(
    ("own", "in_key", "least"),
    [(None, "5", 5), (4, "5", 4), (5, "4", 4), (5, None, 5), (5, "0", 0), (None, None, None)],
)
async def test_the_smaller_limit_of_users_counts(
    database: Database, stored: StoredLicences, own: int | None, in_key: str | None, least: int | None
) -> None:
    made(database, cp_code="c1", max_users=own)
    claims = {"authCode": "c1"} | ({"maxUser": in_key} if in_key is not None else {})
    licence = await stored.by_key("c1", signed(LICENCE_KEYS, **claims))
    assert licence is not None
    assert licence.max_users == least


async def test_a_forged_foreign_or_broken_key_is_none(
    database: Database, stored: StoredLicences, keys: LicenceKeys
) -> None:
    key = keys.auth_key(made(database, cp_code="c1"))
    other = keys.auth_key(made(database, "other", cp_code="c2"))
    head, body, signature = key.split(".")
    deep = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 5000).decode()
    assert await stored.by_key("c1", key) is not None
    for wrong in (
        *("", "x", "..", "é", "\ud800", "\0", OPAQUE, other, f"{head}.{body}.", f"{head}.{body}", f"{deep}.{body}.AA"),
        f"{head}.{body[:-2]}AA.{signature}",
        signed(LICENCE_KEYS, "none", authCode="c1"),
        signed(LICENCE_KEYS, "HS512", authCode="c1"),
        signed(ACCESS_TOKENS, authCode="c1"),
        jwt.encode({"authCode": "c1"}, bytes(range(32)), algorithm="HS256"),
        signed(LICENCE_KEYS),
        signed(LICENCE_KEYS, authCode=1),
        signed(LICENCE_KEYS, authCode="c1", maxUser=5),
        signed(LICENCE_KEYS, authCode="c1", maxUser="-5"),
        signed(LICENCE_KEYS, authCode="c1", maxUser=""),
        signed(LICENCE_KEYS, authCode="c1", maxUser="5" * 5000),
        signed(LICENCE_KEYS, authCode="c1", startDate="soon"),
        signed(LICENCE_KEYS, authCode="c1", endDate=20301231),
        signed(LICENCE_KEYS, authCode="c1", padding="x" * TOKEN_CHARS),
    ):
        assert await stored.by_key("c1", wrong) is None
    for code in ("", "c2", "c3", "C1", "\0", "c1\0", "\ud800", "é" * 10_000):
        assert await stored.by_key(code, key) is None


@pytest.mark.parametrize(
    ("start", "end", "now", "good"),
    [
        ("2021-02-01", None, "2021-01-31T23:59:59.999", False),
        ("2021-02-01", None, "2021-02-01T00:00", True),
        (None, "2021-02-01", "2021-02-01T23:59:59.999", True),
        (None, "2021-02-01", "2021-02-02T00:00", False),
        (None, "2021-02-01T12:00", "2021-02-01T12:00", True),
        (None, "2021-02-01T12:00", "2021-02-01T12:00:01", False),
        ("2021-02-01T12:00:00Z", None, "2021-02-01T20:59:59", False),
        ("2021-02-01T12:00:00Z", "2021-02-01", "2021-02-01T21:00", True),
        ("0001-01-01", "9999-12-31", "2021-02-01T00:00", True),
        ("0001-01-01T00:00+14:00", "9999-12-31T23:59-12:00", "2021-02-01T00:00", True),
    ],
)
async def test_a_key_is_good_from_its_start_to_the_end_of_its_last_day(
    database: Database,
    stored: StoredLicences,
    keys: LicenceKeys,
    clock: Clock,
    start: str | None,
    end: str | None,
    now: str,
    good: bool,
) -> None:
    record = made(database, cp_code="c1", starts_on=start, ends_on=end)
    clock.now = at(now)
    assert (await stored.by_key("c1", keys.auth_key(record)) is not None) == good


async def test_a_disabled_licence_lets_nobody_in_from_the_next_question_on(
    database: Database, stored: StoredLicences, keys: LicenceKeys, tmp_path: Path, store_url: str
) -> None:
    record = made(database, "opaque", cp_code="opaque")
    token = keys.make_access_token(record, expires_s=60)
    other = Database(tmp_path, store_url)
    for enabled in (True, False, True):
        other.write(partial(licences.enable, id=record.id, enabled=enabled))
        for key in (OPAQUE, keys.auth_key(record)):
            assert (await stored.by_key("opaque", key) is not None) == enabled
        if enabled:
            assert (await stored.by_access_token(token, None)).licence.enabled
        else:
            with pytest.raises(AccessForbidden):
                await stored.by_access_token(token, None)
        licence = await stored.licence(str(record.id))
        assert licence is not None
        assert licence.enabled == enabled
    other.close()


async def test_an_opaque_key_is_good_beside_the_other_and_has_no_dates(
    database: Database, stored: StoredLicences, keys: LicenceKeys
) -> None:
    record = made(database, cp_code="opaque", max_users=3, ends_on="1970-01-01")
    licence = await stored.by_key("opaque", OPAQUE)
    assert licence is not None
    assert (licence.id, licence.max_users) == (str(record.id), 3)
    assert await stored.by_key("opaque", keys.auth_key(record)) is None
    assert await stored.by_key("opaque", signed(LICENCE_KEYS, authCode="opaque")) == licence
    for wrong in ("", OPAQUE.upper(), OPAQUE + "0", "é", "\ud800"):
        assert await stored.by_key("opaque", wrong) is None


async def test_a_configured_code_may_be_the_domain_of_a_licence_with_another(
    database: Database, stored: StoredLicences, keys: LicenceKeys
) -> None:
    record = made(database, "word", cp_code="else")
    found = await stored.by_key("word", OPAQUE)
    assert found is not None
    assert (found.id, found.cp_code) == (str(record.id), "else")
    assert await stored.by_key("else", keys.auth_key(record)) == found
    assert await stored.by_key("else", OPAQUE) is None
    assert await stored.by_key("word", keys.auth_key(record)) is None
    # Only what is configured is looked for among domains.
    made(database, "trial")
    assert await stored.by_key("trial", OPAQUE) is None


async def test_a_licence_that_is_not_there_is_none(stored: StoredLicences) -> None:
    for id in ("1", "", "x", "-1", "9" * 30, "\0", "²"):
        assert await stored.licence(id) is None


# --- access tokens ---------------------------------------------------------------------------------------------------


async def test_a_bare_token_has_the_five_claims_and_lets_in(
    database: Database, stored: StoredLicences, keys: LicenceKeys, clock: Clock
) -> None:
    record = made(database, cp_code="c1", room_limit=2, max_users=3)
    token = keys.make_access_token(record, expires_s=90.9)
    now = int(clock.now)
    assert claims_of(token) == {
        "id": str(record.id),
        "domain": "trial",
        "accessKey": record.access_key,
        "iat": now,
        "exp": now + 90,
    }
    licence = Licence(str(record.id), "trial", "c1", room_limit=2, max_users=3, enabled=True)
    grant = AccessGrant(licence, is_owner=False, user_name=None, room_name=None)
    assert await stored.by_access_token(token, None) == grant
    assert await stored.by_access_token(token, "https://anywhere.example") == grant
    clock.now = now + 89.9
    assert await stored.by_access_token(token, None) == grant
    clock.now = now + 90
    with pytest.raises(AccessRefused):
        await stored.by_access_token(token, None)


@pytest.mark.parametrize("is_owner", [True, False])
async def test_what_was_asked_for_is_in_the_token_and_in_the_grant(
    database: Database, stored: StoredLicences, keys: LicenceKeys, is_owner: bool
) -> None:
    token = keys.make_access_token(
        made(database), expires_s=60, is_owner=is_owner, user_name="민수", room_name="방", start="1970-01-01 09:00"
    )
    assert {**claims_of(token), "start": ""} == claims_of(token) | {
        "isOwner": is_owner, "userName": "민수", "roomName": "방", "start": "",
    }  # fmt: skip
    grant = await stored.by_access_token(token, None)
    assert (grant.is_owner, grant.user_name, grant.room_name) == (is_owner, "민수", "방")


async def test_a_token_holds_within_the_window_of_the_meeting(
    database: Database, stored: StoredLicences, keys: LicenceKeys, clock: Clock
) -> None:
    record = made(database)
    clock.now = at("2021-03-01T09:00")
    token = keys.make_access_token(record, expires_s=10**6, start="2021-03-01 10:00", end="2021-03-01 11:00")
    for now, good in (("09:59:59", False), ("10:00", True), ("11:00", True), ("11:00:01", False)):
        clock.now = at(f"2021-03-01T{now}")
        if good:
            await stored.by_access_token(token, None)
        else:
            with pytest.raises(AccessForbidden):
                await stored.by_access_token(token, None)


async def test_a_domain_that_is_an_origin_is_that_of_the_page(
    database: Database, stored: StoredLicences, keys: LicenceKeys
) -> None:
    record = made(database, "https://a.example")
    token = keys.make_access_token(record, expires_s=60)
    assert (await stored.by_access_token(token, "https://a.example")).licence.domain == "https://a.example"
    database.write(partial(licences.enable, id=record.id, enabled=False))
    for origin in (None, "", "null", "https://b.example", "https://a.example:8443", "http://a.example", "a.example"):
        with pytest.raises(AccessRefused):
            await stored.by_access_token(token, origin)


async def test_a_licence_key_is_no_access_token(database: Database, stored: StoredLicences, keys: LicenceKeys) -> None:
    record = made(database)
    key = keys.licence_key(record, days=2)
    claims = claims_of(key)
    assert claims.pop("exp") - claims.pop("iat") == 2 * 86_400
    assert claims == {"domain": "trial", "env": "prod", "isTrial": False, "company_name": "trial"}
    assert jwt.decode(key, KEYRING.derive(ACCESS_TOKENS), algorithms=["HS256"], options={"verify_exp": False})
    with pytest.raises(AccessRefused):
        await stored.by_access_token(key, None)
    with pytest.raises(AccessRefused):
        await stored.by_access_token(keys.auth_key(record), None)


async def test_a_token_of_another_licence_or_none_is_refused(
    database: Database, stored: StoredLicences, keys: LicenceKeys, clock: Clock
) -> None:
    record, other = made(database), made(database, "other")
    good = {"id": str(record.id), "domain": "trial", "accessKey": record.access_key, "exp": clock.now + 60}
    assert (await stored.by_access_token(signed(ACCESS_TOKENS, **good), None)).licence.domain == "trial"
    for wrong in (
        {"id": str(other.id)},
        {"id": record.id},
        {"id": "99"},
        {"id": None},
        {"domain": "other"},
        {"domain": None},
        {"accessKey": other.access_key},
        {"accessKey": ""},
        {"accessKey": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": clock.now},
        {"isOwner": "true"},
        {"isOwner": 1},
        {"userName": 1},
        {"roomName": ["x"]},
        {"start": "soon"},
        {"end": 1},
    ):
        claims = {name: value for name, value in (good | wrong).items() if value is not None}
        with pytest.raises(AccessRefused):
            await stored.by_access_token(signed(ACCESS_TOKENS, **claims), None)
    head, body, signature = signed(ACCESS_TOKENS, **good).split(".")
    for forged in (
        *("", "x", "..", "é", "\ud800", f"{head}.{body}.", f"{head}.{body}"),
        signed(LICENCE_KEYS, **good),
        signed(ACCESS_TOKENS, "none", **good),
        signed(ACCESS_TOKENS, "HS384", **good),
        signed(ACCESS_TOKENS, **good, padding="x" * TOKEN_CHARS),
    ):
        with pytest.raises(AccessRefused):
            await stored.by_access_token(forged, None)


async def test_when_a_token_was_issued_does_not_matter(
    database: Database, stored: StoredLicences, keys: LicenceKeys, clock: Clock
) -> None:
    """Contract s-connector, section 2: `iat` is not checked; a clock that was set back lets people in."""
    token = keys.make_access_token(made(database), expires_s=60)
    clock.now -= 1000
    await stored.by_access_token(token, None)
    assert keys.now == datetime.fromtimestamp(clock.now, UTC)
