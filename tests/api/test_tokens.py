"""Auth tokens: what they say, what is refused, and what revoking voids. Keeping it is test_revocations'."""

import base64
import json
from typing import Any, cast

import jwt
import pytest

from api import limits
from api.revocations import Revocations
from api.tokens import AUDIENCE, RoomTokens
from signalling.ports import TokenRefused

SECRET = bytes(range(32))


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def made(ttl_s: float = 60, clock: Clock | None = None) -> RoomTokens:
    """Tokens whose revocations nobody writes down."""
    clock = clock or Clock()
    return RoomTokens(SECRET, ttl_s, Revocations(cast(Any, None), 0.0, clock), clock)


def issue(tokens: RoomTokens, room: str = "r", call_id: str = "c") -> str:
    return tokens.issue(room=room, call_id=call_id, user="u", name="Ann", is_admin=True)


def refused(tokens: RoomTokens, token: str) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        tokens.read(token)
    return caught.value


def test_a_token_says_what_was_put_in() -> None:
    tokens = made()
    claims = tokens.read(tokens.issue(room="r", call_id="c", user=None, name="Ann", is_admin=False))
    assert (claims.room, claims.call_id, claims.user, claims.name, claims.is_admin) == ("r", "c", None, "Ann", False)
    assert (claims.issued, claims.expires) == (1_000_000.0, 1_000_060.0)


def test_no_two_tokens_have_one_id() -> None:
    tokens = made()
    assert tokens.read(issue(tokens)).token_id != tokens.read(issue(tokens)).token_id


def test_a_life_may_be_a_fraction_of_a_second() -> None:
    clock = Clock()
    tokens = made(0.25, clock)
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


def tampered(**claims: object) -> str:
    """A good token that claims something else, under the signature that it had."""
    head, _, signature = jwt.encode(payload(), SECRET, algorithm="HS256").split(".")
    return ".".join(
        [head, base64.urlsafe_b64encode(json.dumps(payload() | claims).encode()).decode().rstrip("="), signature]
    )


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
        tampered(is_admin=True),
        tampered(room="another"),
        tampered(exp=9e9),
        *[without(claim) for claim in payload()],
    ],
)
def test_what_is_not_one_of_ours_is_refused_without_claims(token: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        made().read(token)
    assert caught.value.claims is None


def test_the_control_of_the_above_is_good() -> None:
    token = jwt.encode(payload(), SECRET, algorithm="HS256")
    assert made().read(token).token_id == "j"


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        RoomTokens(bytes(31), 60, cast(Any, None))


def test_what_is_revoked_is_good_no_more_and_other_tokens_are() -> None:
    tokens = made()
    token, of_another_call, of_another_room = issue(tokens), issue(tokens, call_id="d"), issue(tokens, room="s")
    claims = tokens.read(token)
    tokens.check(claims)
    tokens.revoke("r", "c")
    refusal = refused(tokens, token)
    assert refusal.claims == claims
    assert not refusal.uninvited
    with pytest.raises(TokenRefused):
        tokens.check(claims)
    assert tokens.read(of_another_call).call_id == "d"
    assert tokens.read(of_another_room).room == "s"


def test_a_room_is_revoked_with_all_its_calls() -> None:
    tokens = made()
    inside = [issue(tokens), issue(tokens, call_id="d")]
    elsewhere = issue(tokens, room="s")
    tokens.revoke("r", None)
    for token in inside:
        refused(tokens, token)
    tokens.read(elsewhere)


def test_a_check_sees_what_has_happened_since_the_token_was_read() -> None:
    clock = Clock()
    tokens = made(60, clock)
    claims = tokens.read(issue(tokens))
    clock.now += 60
    with pytest.raises(TokenRefused, match="expired"):
        tokens.check(claims)


def test_who_is_no_longer_invited_is_told_apart_also_if_the_room_ends_later() -> None:
    tokens = made()
    invited, other = issue(tokens, call_id="leg"), issue(tokens)
    tokens.revoke("r", "leg", uninvited=True)
    tokens.revoke("r", None)
    assert refused(tokens, invited).uninvited
    assert not refused(tokens, other).uninvited


@pytest.mark.parametrize("step", [0.0, 1.0, -1.0, -3600.0])
def test_a_token_issued_after_a_revocation_is_good_wherever_the_clock_went(step: float) -> None:
    clock = Clock()
    tokens = made(60, clock)
    former = issue(tokens)
    tokens.revoke("r", "c")
    tokens.revoke("r", None)
    clock.now += step
    again = issue(tokens)
    assert tokens.read(again).expires == clock.now + 60
    refused(tokens, former)


@pytest.mark.parametrize("seen", [True, False])
def test_a_clock_that_is_set_back_saves_no_token_from_being_revoked(seen: bool) -> None:
    """Whether this server has issued the token, or an earlier one has."""
    clock = Clock()
    tokens = made(7200, clock)
    token = issue(tokens)
    if not seen:
        tokens = made(7200, clock)
        tokens.read(token)
    clock.now -= 3600
    tokens.revoke("r", "c")
    refused(tokens, token)


def test_a_revocation_lasts_as_long_as_the_tokens_that_it_voids() -> None:
    """Here one of a time when tokens lived longer."""
    clock = Clock()
    longer = made(1000, clock)
    token = issue(longer)
    tokens = RoomTokens(SECRET, 10, Revocations(cast(Any, None), clock.now + 1000, clock), clock)
    tokens.revoke("r", "c")
    clock.now += 999
    tokens.revoke("r", "another")
    assert str(refused(tokens, token)) == "revoked"


def test_when_too_much_is_revoked_the_oldest_tokens_are_void_all_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REVOCATIONS", 3)
    clock = Clock()
    tokens = made(60, clock)

    def at_next_moment(room: str) -> str:
        clock.now += 1
        return issue(tokens, room=room)

    early = at_next_moment("quiet")
    revoked = [at_next_moment(f"r{n}") for n in range(4)]
    late = at_next_moment("quiet")
    for n in range(3):
        tokens.revoke(f"r{n}", "c")
        clock.now += 1
    tokens.read(early)
    after = at_next_moment("quiet")
    tokens.revoke("r3", "c")
    for token in (early, late, *revoked):
        refused(tokens, token)
    tokens.read(after)
    tokens.read(at_next_moment("r0"))
