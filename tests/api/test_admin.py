"""The dashboard's administrator: `atrium admin password`, the first start, and what signing in is worth."""

import getpass
import json
import stat
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import sqlalchemy as sa
import trio
import trio.testing
from jwt.warnings import InsecureKeyLengthWarning

from api import passwords
from api.admins import ADMIN, PASSWORD_FILE, Admins
from api.keyring import Keyring
from api.limits import SIGN_IN_FAILURES, SIGN_IN_S
from api.passwords import PasswordChecks, matches
from api.store import Database, Store, admins
from signalling.limits import AUTH_WINDOW_S, SECRET_CHARS, TOKEN_CHARS
from signalling.room.errors import TooMany
from tests.api.conftest import Process, Run
from tests.api.test_tokens import Clock

KEYRING = Keyring(bytes(range(32)))
HERE, THERE = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def database(tmp_path: Path, store_url: str) -> Iterator[Database]:
    database = Database(tmp_path, store_url)
    yield database
    database.close()


def stored(database: Database, name: str = ADMIN) -> str | None:
    return database.read(partial(admins.password_hash, name=name))


def set_password(database: Database, word: str) -> None:
    database.write(partial(admins.set_password, name=ADMIN, password_hash=passwords.hashed(word)))


def hash_of(directory: Path) -> str | None:
    database = Database(directory)
    found = stored(database)
    database.close()
    return found


# --- the store ---


def test_there_is_no_password_until_one_is_set_and_then_the_last_one(database: Database) -> None:
    assert stored(database) is None
    for word in ("one", "two", "two"):
        database.write(partial(admins.set_password, name=ADMIN, password_hash=word))
        assert stored(database) == word
    assert stored(database, "Admin") is None


def test_a_first_password_replaces_none(database: Database) -> None:
    assert database.write(partial(admins.set_first_password, name=ADMIN, password_hash="one"))
    assert not database.write(partial(admins.set_first_password, name=ADMIN, password_hash="two"))
    assert stored(database) == "one"
    assert database.write(partial(admins.set_first_password, name="another", password_hash="three"))


def test_what_else_the_transaction_does_is_done_when_there_was_a_password(database: Database) -> None:
    database.write(partial(admins.set_password, name=ADMIN, password_hash="one"))

    def both(connection: sa.Connection) -> None:
        admins.set_password(connection, "another", "two")
        assert not admins.set_first_password(connection, ADMIN, "three")

    database.write(both)
    assert (stored(database), stored(database, "another")) == ("one", "two")


# --- the command ---


def test_the_command_sets_the_password_before_there_is_a_server(run: Run, tmp_path: Path) -> None:
    for word in ("marigold", "thistle"):
        assert run("admin", "password", "--set", word) == (0, "", "")
        assert matches(word, hash_of(tmp_path))
        assert all(word.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_the_command_asks_if_no_password_is_given(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "typed")
    assert run("admin", "password")[0] == 0
    assert matches("typed", hash_of(tmp_path))


@pytest.mark.parametrize("word", ["", "x" * (SECRET_CHARS + 1), "a\nb", "nul \0"])
def test_an_unfit_password_is_refused_and_the_former_one_stays(run: Run, tmp_path: Path, word: str) -> None:
    run("admin", "password", "--set", "former")
    code, out, err = run("admin", "password", "--set", word)
    assert (code, out) == (1, "")
    assert err == f"atrium: --set: 1 to {SECRET_CHARS} printable characters\n"
    assert matches("former", hash_of(tmp_path))


def test_the_longest_password_signs_in(run: Run, start: Callable[..., Process]) -> None:
    longest = "ä" * SECRET_CHARS
    assert run("admin", "password", "--set", longest)[0] == 0
    assert sign_in(start(), longest).status_code == 200


# --- the first start ---


def sign_in(process: Process, password: str) -> httpx.Response:
    with httpx.Client(base_url=process.url, trust_env=False, verify=False, timeout=30) as client:
        return client.post("/dashboard/sign-in", json={"user": ADMIN, "password": password})


def look(process: Process, token: str) -> int:
    with httpx.Client(base_url=process.url, trust_env=False, verify=False, timeout=30) as client:
        return client.get("/v1/live/viewer", headers={"Authorization": f"Bearer {token}"}).status_code


def test_the_first_start_makes_a_password_and_later_ones_keep_it(tmp_path: Path, start: Callable[..., Process]) -> None:
    file = tmp_path / PASSWORD_FILE
    process = start()
    made = file.read_text(encoding="utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.endswith("\n") and len(made) > 20
    assert sign_in(process, made.strip()).status_code == 200
    process.kill()
    again = start()
    assert file.read_text(encoding="utf-8") == made
    assert sign_in(again, made.strip()).status_code == 200


def test_the_command_removes_the_file_and_the_running_server_knows_at_once(
    run: Run, tmp_path: Path, start: Callable[..., Process]
) -> None:
    process = start()
    made = (tmp_path / PASSWORD_FILE).read_text(encoding="utf-8").strip()
    token = sign_in(process, made).json()["token"]
    assert look(process, token) == 200
    assert run("admin", "password", "--set", "chosen") == (0, "", "")
    assert not (tmp_path / PASSWORD_FILE).exists()
    assert look(process, token) == 401
    assert sign_in(process, made).status_code == 401
    token = sign_in(process, "chosen").json()["token"]
    assert look(process, token) == 200
    # The same word again is a new password: whoever was signed in is so no more.
    assert run("admin", "password", "--set", "chosen") == (0, "", "")
    assert look(process, token) == 401
    token = sign_in(process, "chosen").json()["token"]
    process.kill()
    assert look(start(), token) == 200
    assert not (tmp_path / PASSWORD_FILE).exists()


async def test_a_password_that_was_set_before_the_first_start_is_kept(tmp_path: Path) -> None:
    database = Database(tmp_path)
    set_password(database, "chosen")
    await Admins(Store(database), KEYRING, PasswordChecks()).make_first_password(tmp_path)
    assert not (tmp_path / PASSWORD_FILE).exists()
    assert matches("chosen", stored(database))
    database.close()


async def test_what_a_first_start_that_was_killed_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / PASSWORD_FILE).write_text("never stored\n", encoding="utf-8")
    database = Database(tmp_path)
    await Admins(Store(database), KEYRING, PasswordChecks()).make_first_password(tmp_path)
    made = (tmp_path / PASSWORD_FILE).read_text(encoding="utf-8").strip()
    assert made != "never stored"
    assert matches(made, stored(database))
    database.close()


async def test_a_command_that_is_quicker_than_the_first_start_wins(tmp_path: Path) -> None:
    database = Database(tmp_path)

    class SlowChecks(PasswordChecks):
        async def hashed(self, password: str) -> str:
            await trio.to_thread.run_sync(set_password, database, "chosen")
            return await super().hashed(password)

    await Admins(Store(database), KEYRING, SlowChecks()).make_first_password(tmp_path)
    assert not (tmp_path / PASSWORD_FILE).exists()
    assert matches("chosen", stored(database))
    database.close()


# --- signing in ---


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path)
    set_password(database, "right")
    yield database
    database.close()


@pytest.fixture
def desk(sqlite: Database, clock: Clock) -> Admins:
    return Admins(Store(sqlite), KEYRING, PasswordChecks(), clock)


async def signed_in(desk: Admins) -> str:
    found = await desk.sign_in(ADMIN, "right", HERE)
    assert found is not None
    return found.token


async def test_a_token_is_good_for_twelve_hours(desk: Admins, clock: Clock) -> None:
    began = clock.now
    found = await desk.sign_in(ADMIN, "right", HERE)
    assert found is not None
    assert found.expires_at.timestamp() == began + SIGN_IN_S == began + 12 * 3600
    clock.now = began + SIGN_IN_S - 0.1
    assert await desk.knows(found.token)
    clock.now = began + SIGN_IN_S
    assert not await desk.knows(found.token)


@pytest.mark.parametrize(("user", "password"), [(ADMIN, "wrong"), (ADMIN, ""), ("Admin", "right"), ("", "right")])
async def test_who_is_wrong_gets_no_token(desk: Admins, user: str, password: str) -> None:
    assert await desk.sign_in(user, password, HERE) is None


async def test_an_unknown_user_costs_what_a_wrong_password_costs(desk: Admins, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    verify = passwords._hasher.verify

    def counted(hash: str, password: str) -> bool:
        verified.append(hash.rpartition("$")[0].rpartition("$")[0])
        return verify(hash, password)

    hasher = type("Hasher", (), {"verify": staticmethod(counted), "hash": staticmethod(passwords._hasher.hash)})
    monkeypatch.setattr(passwords, "_hasher", hasher)
    await desk.sign_in(ADMIN, "wrong", HERE)
    await desk.sign_in("nobody", "right", HERE)
    # Once each, with the same parameters.
    assert len(verified) == 2
    assert verified[0] == verified[1]


async def test_a_token_dies_with_the_password(desk: Admins, sqlite: Database) -> None:
    token = await signed_in(desk)
    assert await desk.knows(token)
    set_password(sqlite, "right")
    assert not await desk.knows(token)
    assert await desk.knows(await signed_in(desk))
    sqlite.write(lambda connection: connection.execute(sa.text("DELETE FROM admins")))
    assert not await desk.knows(token)


async def test_what_is_no_token_of_ours_is_not_known(desk: Admins, sqlite: Database) -> None:
    token = await signed_in(desk)
    header, body, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    secret = KEYRING.derive("dashboard")

    def encoded(claims: dict[str, Any], key: bytes | None = secret, algorithm: str = "HS256") -> str:
        return jwt.encode(claims, key, algorithm=algorithm)

    with pytest.warns(InsecureKeyLengthWarning):
        of_another_algorithm = encoded(claims, secret, "HS512")
    elsewhere = Admins(Store(sqlite), Keyring(bytes(32)), PasswordChecks(), Clock())
    assert await desk.knows(encoded(claims))
    for bad in (
        "",
        "x",
        "a.b.c",
        f"{header}.{body}.",
        f"{header}.{body}.{'A' * len(signature)}",
        f"{token}x",
        encoded(claims, None, "none"),
        of_another_algorithm,
        encoded(claims, KEYRING.derive("room tokens")),
        encoded(claims, KEYRING.derive("access tokens")),
        encoded(claims, KEYRING.derive("licence keys")),
        encoded({**claims, "sub": "nobody"}),
        encoded({**claims, "password": "0" * 64}),
        *(encoded({name: value for name, value in claims.items() if name != left_out}) for left_out in claims),
        encoded({**claims, "padding": "x" * TOKEN_CHARS}),
        await signed_in(elsewhere),
    ):
        assert not await desk.knows(bad), bad


async def test_a_token_tells_nothing_of_the_password(desk: Admins, sqlite: Database) -> None:
    token = await signed_in(desk)
    claims = json.dumps(jwt.decode(token, options={"verify_signature": False}))
    hash = stored(sqlite)
    assert hash is not None
    assert hash not in claims and hash.rpartition("$")[2] not in claims


async def test_too_many_failures_close_the_door_to_that_address_for_a_minute_and_to_no_other(
    desk: Admins, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "matches", lambda password, stored: stored is not None and password == "right")
    for _ in range(SIGN_IN_FAILURES):
        assert await desk.sign_in(ADMIN, "wrong", HERE) is None
    for user in (ADMIN, "nobody"):
        with pytest.raises(TooMany):
            await desk.sign_in(user, "right", HERE)
    assert await desk.sign_in(ADMIN, "right", THERE) is not None
    await trio.sleep(AUTH_WINDOW_S)
    assert await desk.sign_in(ADMIN, "right", HERE) is not None


async def test_one_address_gets_no_further_by_naming_others(
    desk: Admins, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "matches", lambda password, stored: False)
    for number in range(SIGN_IN_FAILURES):
        await desk.sign_in(f"user{number}", "x", f"2001:db8::{number}")
    with pytest.raises(TooMany):
        await desk.sign_in("another", "x", "2001:db8::ffff")


async def test_the_clock_of_the_server_is_the_worlds(sqlite: Database) -> None:
    desk = Admins(Store(sqlite), KEYRING, PasswordChecks())
    found = await desk.sign_in(ADMIN, "right", HERE)
    assert found is not None
    assert abs(found.expires_at.timestamp() - time.time() - SIGN_IN_S) < 60
    assert await desk.knows(found.token)
