"""Who gets in: the whole table of contract room-api 5.1, and the proofs that lead to it."""

from itertools import product
from typing import Any

import pytest
import trio

from signalling.room.errors import TooMany
from tests.signalling.fakes import FakeDirectory, listed, room
from tests.signalling.stage import GUARDED, LISTED, NOWHERE, OPEN, PASSWORD, WAITING, Stage, credentials

# open, force_password, force_waiting_room: what each kind of visitor gets, without and with the room password.
TABLE = """
    -     -      -      listed token token   admin ADMIN ADMIN   user 403 token     nobody 403 token
    -     force  -      listed 401   token   admin 401   ADMIN   user 401 token     nobody 401 token
    -     -      wait   listed 403   403     admin ADMIN ADMIN   user 403 403       nobody 403 403
    -     force  wait   listed 401   403     admin 401   ADMIN   user 401 403       nobody 401 403
    open  any    any    listed token token   admin ADMIN ADMIN   user token token   nobody token token
"""
VISITORS = {"listed": "bob", "admin": "anna", "user": "carl", "nobody": None}


def rows() -> list[tuple[bool, bool, bool, str, bool, str]]:
    cases = []
    for line in TABLE.split("\n"):
        if not (words := line.split()):
            continue
        for force, wait in product([False, True], repeat=2):
            if words[1] == "any" or (words[1] == "force", words[2] == "wait") == (force, wait):
                for kind, without, with_password in zip(words[3::3], words[4::3], words[5::3], strict=True):
                    cases.append((words[0] == "open", force, wait, kind, False, without))
                    cases.append((words[0] == "open", force, wait, kind, True, with_password))
    return cases


@pytest.mark.parametrize(("open_", "force", "wait", "kind", "password", "expected"), rows())
async def test_the_table(
    stage: Stage, open_: bool, force: bool, wait: bool, kind: str, password: bool, expected: str
) -> None:
    stage.directory.add_room(
        room(
            OPEN,
            open=open_,
            force_password=force,
            force_waiting_room=wait,
            has_password=True,
            members=listed(anna=True, bob=False),
        )
    )
    await visit(stage, OPEN, VISITORS[kind], password, expected)


async def visit(stage: Stage, place: str, name: str | None, password: bool, expected: str) -> None:
    """Somebody asks to enter, and is admitted, as an admin, put into the waiting room, or refused."""
    params = {"room": place, "call_id": "x", "display_name": "Visitor"}
    if name is not None:
        params |= credentials(name)
    if password:
        params["room_password"] = "sesame"
    user, shown = (None, "Visitor") if name is None else (f"id of {name}", name.title())
    before = stage.tokens.issued
    reply = await stage.ask("x", "authenticate", **params)
    waiting = [(party.id, party.name, party.user) for live in stage.rooms.snapshot() for party in live.waiting]
    if expected in ("token", "ADMIN"):
        claims = stage.tokens.read(reply["result"]["auth_token"])
        assert (place, "x", user, shown) == (claims.room, claims.call_id, claims.user, claims.name)
        assert claims.is_admin == (expected == "ADMIN")
        assert waiting == []
    else:
        assert int(expected) == reply["error"]["code"]
        assert waiting == ([("x", shown, user)] if expected == "403" else [])
        assert stage.tokens.issued == before


@pytest.mark.parametrize("password", [False, True])
@pytest.mark.parametrize(
    ("name", "expected"), [("anna", "ADMIN"), ("bob", "token"), ("dora", "token"), ("carl", "403"), (None, "403")]
)
async def test_a_temporary_room(stage: Stage, name: str | None, password: bool, expected: str) -> None:
    """Its creator, somebody invited who rings, somebody invited who could not be reached, a user, and nobody."""
    stage.directory.add_user("dora", "Dora")
    await stage.register("bob")
    params = {"call_id": "anna", "sdp": "offer", "invited": ["1002", "dora"]} | credentials("anna")
    reply = await stage.ask("anna", "create_temp_room", **params)
    await visit(stage, reply["result"]["room_id"], name, password, expected)


def test_the_table_is_whole() -> None:
    assert len(rows()) == len(set(rows())) == 8 * len(VISITORS) * 2


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"room": NOWHERE}, 404),
        ({"room": "no uuid"}, 404),
        ({"room": OPEN.replace("-", "")}, 404),
        ({"room": "{" + OPEN + "}"}, 404),
        ({"room": OPEN, "username": "bob", "password": "wrong"}, 401),
        ({"room": OPEN, "username": "zoe", "password": "pw of zoe"}, 401),
        ({"room": OPEN, "device": "bob", "device_token": "wrong"}, 401),
        # A device beats a username, right or wrong.
        ({"room": OPEN, "device": "bob", "device_token": "x", "username": "bob", "password": "pw of bob"}, 401),
        ({"room": PASSWORD, "room_password": "wrong"}, 401),
    ],
)
async def test_refusals(stage: Stage, params: dict[str, str], code: int) -> None:
    reply = await stage.ask("x", "authenticate", call_id="x", **params)
    assert code == reply["error"]["code"]
    assert (stage.tokens.issued, stage.rooms.snapshot()) == (0, [])


@pytest.mark.parametrize(
    "params",
    [
        # A room without a password is opened by none.
        {"room": LISTED, "room_password": "sesame"},
        {"room": GUARDED, "room_password": "wrong"},
        {"room": WAITING, "room_password": "sesame"},
    ],
)
async def test_passwords_that_decide_nothing_let_wait(stage: Stage, params: dict[str, str]) -> None:
    reply = await stage.ask("x", "authenticate", call_id="x", **params)
    assert reply["error"]["code"] == 403
    assert stage.waiting(params["room"]) == ["x"]


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"username": "bob", "password": "pw of bob", "display_name": "Robert"}, "Bob"),
        ({"device": "bob", "device_token": "token of bob", "username": "anna", "password": "wrong"}, "Bob"),
        ({"username": "dora", "password": "pw of dora", "display_name": "Dora"}, "Dora"),
        ({"display_name": "Visitor"}, "Visitor"),
        ({"display_name": ""}, ""),
        ({}, ""),
    ],
)
async def test_the_shown_name(stage: Stage, params: dict[str, str], name: str) -> None:
    stage.directory.add_user("dora")
    reply = await stage.ask("x", "authenticate", room=OPEN.upper(), call_id="x", **params)
    assert name == stage.tokens.read(reply["result"]["auth_token"]).name


class TestGuessing:
    async def guess(self, stage: Stage, number: int, **params: str) -> Any:
        reply = await stage.ask(f"x{number}", "authenticate", **{"room": OPEN, "call_id": f"x{number}", **params})
        return reply.get("error", {}).get("code")

    async def test_ten_failures_a_minute_from_one_address(self, stage: Stage) -> None:
        for number in range(10):
            assert await self.guess(stage, 0, username=f"user{number}", password="x") == 401
            await trio.sleep(5)
        assert await self.guess(stage, 0, username="bob", password="pw of bob") == 429
        assert len(stage.directory.verified) == 10
        # Without credentials there is nothing to guess.
        assert await self.guess(stage, 1) is None
        # The first failure is a minute old, and refusals were none.
        await trio.sleep(10.1)
        assert await self.guess(stage, 0, username="bob", password="pw of bob") is None

    async def test_ten_failures_a_minute_from_one_ipv6_network(self, stage: Stage) -> None:
        for number in range(10):
            stage.client(f"x{number}", remote=f"2001:db8::{number + 1}")
            assert await self.guess(stage, number, username=f"user{number}", password="x") == 401
        stage.client("x10", remote="2001:db8::ffff:0:0:1")
        assert await self.guess(stage, 10, username="bob", password="pw of bob") == 429
        stage.client("x11", remote="2001:db8:0:1::1")
        assert await self.guess(stage, 11, username="bob", password="pw of bob") is None

    async def test_a_busy_store_of_passwords_is_429_and_no_failure(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def busy(username: str, password: str) -> None:
            raise TooMany("too many passwords are being checked")

        with monkeypatch.context() as patched:
            patched.setattr(FakeDirectory, "user_by_password", lambda self, *proof: busy(*proof))
            for _ in range(11):
                assert await self.guess(stage, 0, username="bob", password="pw of bob") == 429
        assert await self.guess(stage, 0, username="bob", password="pw of bob") is None

    async def test_ten_failures_a_minute_for_one_user(self, stage: Stage) -> None:
        for number in range(10):
            stage.client(f"x{number}", remote=f"192.0.2.{number + 1}")
            assert await self.guess(stage, number, username="bob", password="x") == 401
        stage.client("x10", remote="198.51.100.1")
        assert await self.guess(stage, 10, username="bob", password="pw of bob") == 429
        assert await self.guess(stage, 10, username="anna", password="pw of anna") is None

    async def test_room_passwords_too(self, stage: Stage) -> None:
        for _ in range(10):
            assert await self.guess(stage, 0, room=PASSWORD, room_password="x") == 401
        assert await self.guess(stage, 0, room=PASSWORD, room_password="sesame") == 429
        # Asking without one is no guess.
        assert await self.guess(stage, 0, room=PASSWORD) == 401

    async def test_on_every_way_that_asks_who_somebody_is(self, stage: Stage) -> None:
        temp = {"call_id": "x", "sdp": "offer", "invited": []}
        for _ in range(5):
            for method, params in (("register_room_api", {}), ("create_temp_room", temp)):
                reply = await stage.ask("x", method, username="bob", password="x", **params)
                assert reply["error"]["code"] == 401
        for method, params in (("register_room_api", {}), ("create_temp_room", temp)):
            reply = await stage.ask("x", method, **params, **credentials("bob"))
            assert reply["error"]["code"] == 429
        assert await self.guess(stage, 0, **credentials("bob")) == 429

    async def test_who_waits_guesses_no_further(self, stage: Stage) -> None:
        for _ in range(10):
            assert await self.guess(stage, 0, room=GUARDED, room_password="x") == 403
        assert await self.guess(stage, 0, room=GUARDED, room_password="sesame") == 429
        assert stage.waiting(GUARDED) == ["x0"]

    async def test_a_hundred_sockets_at_once_get_no_further_than_one(self, stage: Stage) -> None:
        stage.directory.look_up_s = 0.15
        clients = [stage.client(f"x{number}") for number in range(30)]
        for client in clients:
            client.send("authenticate", {"room": OPEN, "call_id": client.name, "username": "bob", "password": "x"})
        await trio.sleep(30)
        await stage.settle()
        codes = [client.inbox.popleft()["error"]["code"] for client in clients]
        assert [401] * 10 + [429] * 20 == sorted(codes)
        assert len(stage.directory.verified) == 10
