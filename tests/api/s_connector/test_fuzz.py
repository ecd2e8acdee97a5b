"""Whatever is sent is answered in the API's shape, and never with 500. On a real store; paths and headers as raw bytes."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from quart_trio import QuartTrio

from api import s_connector
from api.config import Config
from api.gate import App
from api.keyring import Keyring
from api.licences import LicenceKeys, StoredLicences, make
from api.sessions import Sessions
from api.store import Database, Store
from signalling.ports import RoomEvent
from signalling.room.events import MemberJoined
from signalling.room.member import Member
from tests.api.s_connector.conftest import NOON, Clock, described

# What h11 lets through in a target, and in the value of a header.
TARGETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="?#"), max_size=40)
HEADERS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=60)
# Halves of surrogate pairs as well.
NAMES = st.text(st.characters(), max_size=80)
DATES = st.one_of(
    st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z"),
    st.from_regex(r"\A[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9](:[0-6][0-9](\.[0-9]{1,7})?)?"
                  r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)?\Z"),
    st.text(alphabet="0123456789-: TZ+.年", max_size=30),
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "expires": VALUES,
        "isOwner": VALUES,
        "userName": VALUES | NAMES,
        "roomName": VALUES | NAMES,
        "start": VALUES | DATES,
        "end": VALUES | DATES,
        "else": VALUES,
    },
)


@attrs.frozen
class Target:
    app: App
    pair: Mapping[str, str]
    token: str

    def ask(
        self,
        method: str,
        path: str,
        query: str = "",
        token: str | None = None,
        body: bytes = b"",
        address: str = "203.0.113.9",
    ) -> int:
        """The status; that the answer has the API's shape is seen to here."""
        told: list[dict[str, Any]] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            told.append(message)

        headers = {"content-type": "application/json", "s-connector-jwt": self.token if token is None else token}
        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "headers": [(name.encode(), value.encode("latin1")) for name, value in headers.items()],
            "client": (address, 1),
        }
        trio.run(self.app, scope, receive, send)
        start, end = told
        status: int = start["status"]
        envelope = json.loads(end["body"])
        assert envelope["status"] is (status == 200)
        assert set(envelope) == {"status", "data" if status == 200 else "message"}
        assert (b"access-control-allow-origin", b"*") in start["headers"]
        return status


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    directory = tmp_path_factory.mktemp("fuzz")
    keyring, database, config, clock = Keyring.open(directory), Database(directory), Config(), Clock()
    store = Store(database)
    keys = LicenceKeys(keyring, config.licence.zone, lambda: clock.epoch)
    record, secret = database.write(partial(make, keyring=keyring, domain="trial"))
    opened = partial(Sessions.open, store, rooms=(), describe=described, grace_s=10, monotonic=lambda: clock.epoch)
    sessions = trio.run(opened)
    joined = MemberJoined(Member("anna", None, "Anna", is_admin=False))
    sessions.observe(RoomEvent("uuid", "회의/1", str(record.id), NOON, joined, None))
    services: Any = SimpleNamespace(
        config=config, licence_keys=keys, licences=StoredLicences(store, keys, {}), sessions=sessions
    )
    app = QuartTrio("api")
    s_connector.mount(app, services)
    pair = {"accessKey": record.access_key, "secretKey": secret}
    asgi: Any = app.asgi_app
    yield Target(asgi, pair, keys.make_access_token(record, expires_s=3600))
    database.close()


@given(FIELDS)
def test_bodies(target: Target, fields: Mapping[str, object]) -> None:
    body = json.dumps({**fields, **target.pair}).encode()
    assert target.ask("POST", "/v1/auth", body=body) in (200, 400)


@given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_bodies_that_are_anything(target: Target, body: bytes) -> None:
    assert target.ask("POST", "/v1/auth", body=body) == 400


@given(NAMES, NAMES)
def test_keys_that_are_anything(target: Target, access_key: str, secret_key: str) -> None:
    body = json.dumps({"accessKey": access_key, "secretKey": secret_key}).encode()
    # A guesser, of whose address the other tests shall not be.
    assert target.ask("POST", "/v1/auth", body=body, address="198.51.100.1") in (400, 401, 429)


@given(DATES, st.none() | DATES)
def test_dates(target: Target, start: str, end: str | None) -> None:
    query = f"startTime={quote(start, safe='')}" + ("" if end is None else f"&endTime={quote(end, safe='')}")
    assert target.ask("GET", "/v1/static", query) in (200, 400)


@given(TARGETS)
def test_queries(target: Target, query: str) -> None:
    assert target.ask("GET", "/v1/sessions", query) in (200, 400)
    assert target.ask("GET", "/v1/static", query) in (200, 400)


@given(TARGETS, st.binary(max_size=20).map(quote))
def test_paths(target: Target, raw: str, encoded: str) -> None:
    """None of them is the room's that runs."""
    assert target.ask("GET", f"/v1/sessions/{raw}") == 404
    assert target.ask("GET", f"/v1/sessions/{encoded}") == 404
    assert target.ask("GET", f"/v1/x{raw}") == 404


@given(HEADERS | st.builds("{}.{}.{}".format, HEADERS, HEADERS, HEADERS))
def test_tokens(target: Target, token: str) -> None:
    assert target.ask("GET", "/v1/info", token=token) == 401
    assert target.ask("GET", "/v1/info") == 200
