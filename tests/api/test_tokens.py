"""Auth tokens: what they say, and what is refused."""

import base64
import json

import jwt
import pytest

from api.tokens import AUDIENCE, RoomTokens
from signalling.ports import TokenRefused

SECRET = bytes(range(32))


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def issue(tokens: RoomTokens) -> str:
    return tokens.issue(room="r", call_id="c", user="u", name="Ann", is_admin=True)


def test_a_token_says_what_was_put_in() -> None:
    tokens = RoomTokens(SECRET, 60, Clock())
    claims = tokens.read(tokens.issue(room="r", call_id="c", user=None, name="Ann", is_admin=False))
    assert (claims.room, claims.call_id, claims.user, claims.name, claims.is_admin) == ("r", "c", None, "Ann", False)
    assert (claims.issued, claims.expires) == (1_000_000.0, 1_000_060.0)


def test_no_two_tokens_have_one_id() -> None:
    tokens = RoomTokens(SECRET, 60, Clock())
    assert tokens.read(issue(tokens)).token_id != tokens.read(issue(tokens)).token_id


def test_a_life_may_be_a_fraction_of_a_second() -> None:
    clock = Clock()
    tokens = RoomTokens(SECRET, 0.25, clock)
    token = issue(tokens)
    clock.now += 0.2
    assert tokens.read(token).call_id == "c"
    clock.now += 0.05
    with pytest.raises(TokenRefused) as caught:
        tokens.read(token)
    assert caught.value.claims is not None
    assert caught.value.claims.room == "r"


def payload() -> dict[str, object]:
    return {
        "aud": AUDIENCE, "room": "r", "call_id": "c", "user": None, "name": "n", "is_admin": False,
        "iat": 1_000_000.0, "exp": 1_000_060.0, "jti": "j",
    }  # fmt: skip


def unsigned() -> str:
    parts = ({"alg": "none", "typ": "JWT"}, payload())
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def without(claim: str) -> str:
    return jwt.encode({k: v for k, v in payload().items() if k != claim}, SECRET, algorithm="HS256")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "ü",
        unsigned(),
        jwt.encode(payload(), SECRET[::-1], algorithm="HS256"),
        jwt.encode(payload(), SECRET * 2, algorithm="HS512"),
        jwt.encode(payload() | {"aud": "another"}, SECRET, algorithm="HS256"),
        jwt.encode(payload() | {"exp": "soon"}, SECRET, algorithm="HS256"),
        *[without(claim) for claim in payload()],
    ],
)
def test_what_is_not_one_of_ours_is_refused_without_claims(token: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        RoomTokens(SECRET, 60, Clock()).read(token)
    assert caught.value.claims is None


def test_the_control_of_the_above_is_good() -> None:
    token = jwt.encode(payload(), SECRET, algorithm="HS256")
    assert RoomTokens(SECRET, 60, Clock()).read(token).token_id == "j"


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        RoomTokens(bytes(31), 60)
