"""Tokens of reporting clients (contract analytics, section 3)."""

import base64
import json
import uuid
from typing import Any

import attrs
import jwt
import pytest

from api.analytics.faults import Fault
from api.analytics.tokens import LIFETIME_S, Arrival, ReportTokens
from signalling.limits import TOKEN_CHARS

INIT, SESSION = b"i" * 64, b"s" * 64
ARRIVAL = Arrival(str(uuid.uuid4()), str(uuid.uuid4()))
ID = str(uuid.uuid4())


@attrs.define
class Clock:
    now: float = 1_795_349_591.71

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> ReportTokens:
    return ReportTokens(INIT, SESSION, clock)


def refused(tokens: ReportTokens, token: object) -> str:
    """The code, which is the same for both kinds."""
    with pytest.raises(Fault) as of_session:
        tokens.session_of(token)
    with pytest.raises(Fault) as of_arrival:
        tokens.arrival_of(token)
    assert of_session.value.code == of_arrival.value.code
    assert of_session.value.status == 401
    return of_session.value.code


def signed(secret: bytes = SESSION, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode(claims, None if algorithm == "none" else secret, algorithm=algorithm)  # type: ignore[arg-type]


def test_they_say_what_they_were_made_with(tokens: ReportTokens) -> None:
    assert tokens.arrival_of(tokens.init(ARRIVAL)) == ARRIVAL
    assert tokens.session_of(tokens.session(ID)) == ID


def test_they_have_the_contracts_claims_and_no_others(tokens: ReportTokens, clock: Clock) -> None:
    init, session = tokens.init(ARRIVAL), tokens.session(ID)
    assert jwt.get_unverified_header(init) == {"typ": "JWT", "alg": "HS256"}
    assert jwt.decode(init, INIT, algorithms=["HS256"]) == {
        "p": ARRIVAL.participant,
        "c": ARRIVAL.conference,
        "t": clock.now,
    }
    assert jwt.decode(session, SESSION, algorithms=["HS256"]) == {"s": ID, "t": clock.now}


def test_they_live_for_a_day(tokens: ReportTokens, clock: Clock) -> None:
    init, session = tokens.init(ARRIVAL), tokens.session(ID)
    clock.now += LIFETIME_S
    assert tokens.arrival_of(init) == ARRIVAL
    clock.now += 1
    for read, token in ((tokens.arrival_of, init), (tokens.session_of, session)):
        with pytest.raises(Fault, match="expired_token"):
            read(token)


def test_one_is_not_the_other(tokens: ReportTokens) -> None:
    with pytest.raises(Fault, match="invalid_token"):
        tokens.session_of(tokens.init(ARRIVAL))
    with pytest.raises(Fault, match="invalid_token"):
        tokens.arrival_of(tokens.session(ID))
    with pytest.raises(ValueError, match="differ"):
        ReportTokens(INIT, INIT)


def test_none_at_all(tokens: ReportTokens) -> None:
    assert refused(tokens, None) == "missing_token"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "é", "\ud800", 5, True, [], {}, "x" * (TOKEN_CHARS + 1)])
def test_what_is_no_token(tokens: ReportTokens, token: object) -> None:
    assert refused(tokens, token) == "invalid_token"


@pytest.mark.parametrize(
    "claims",
    [
        {"s": ID},
        {"s": ID, "t": None},
        {"s": ID, "t": "1795349591"},
        {"s": ID, "t": True},
        {"s": ID, "t": float("nan")},
        {"s": ID, "t": float("inf")},
        {"t": 1_795_349_591},
        {"s": 5, "t": 1_795_349_591},
        {"s": "x", "t": 1_795_349_591},
    ],
)
def test_claims_that_are_not_ours(tokens: ReportTokens, claims: dict[str, Any]) -> None:
    with pytest.raises(Fault, match="invalid_token"):
        tokens.session_of(signed(**claims))


def test_other_claims_do_not_count(tokens: ReportTokens, clock: Clock) -> None:
    """A past `exp` is 500 in the reference."""
    token = signed(s=ID, t=clock.now, exp=1, nbf=10**12, aud="x", iss="y", sub="z", jti="j")
    assert tokens.session_of(token) == ID


@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
def test_other_algorithms(tokens: ReportTokens, clock: Clock, algorithm: str) -> None:
    with pytest.raises(Fault, match="invalid_token"):
        tokens.session_of(signed(algorithm=algorithm, s=ID, t=clock.now))


def test_a_changed_token(tokens: ReportTokens) -> None:
    head, body, signature = tokens.session(ID).split(".")
    other = base64.urlsafe_b64encode(json.dumps({"s": ID, "t": 1e12}).encode()).decode().rstrip("=")
    deep = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
    for bad in (f"{head}.{other}.{signature}", f"{head}.{body}.", f"{head}.{body}", f"{deep}.{body}.{signature}"):
        assert refused(tokens, bad) == "invalid_token"
