"""The command `atrium` as its users run it: in a process of its own."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from api.keyring import Keyring
from api.passwords import SIP_DIGESTS, SIP_REALM, sip_digests
from api.server import SERVER_FILE
from api.store import Database
from api.store.tables import users
from tests.api.conftest import Process, Run, atrium


def test_python_m_api_is_the_command(tmp_path: Path) -> None:
    done = atrium("key", "add", "--name", "ops", "--json", "--data", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)) == {"id", "name", "key"}
    help = atrium("--help")
    assert help.returncode == 0
    assert all(word in help.stdout for word in ("serve", "key", "user", "admin", "licence", "room", "config"))


def test_keys_are_made_listed_and_removed(run: Run) -> None:
    _, plain, _ = run("key", "add", "--name", "ops")
    _, added, _ = run("key", "add", "--name", "ci", "--json")
    assert plain.strip() != json.loads(added)["key"]
    code, listed, _ = run("key", "list", "--json")
    assert code == 0
    assert [key["name"] for key in json.loads(listed)] == ["ops", "ci"]
    assert plain.strip() not in listed
    assert "ops" in run("key", "list")[1]
    assert run("key", "remove", "ops")[0] == 0
    assert run("key", "remove", str(json.loads(added)["id"]))[0] == 0
    assert run("key", "list", "--json")[1] == "[]\n"
    assert run("key", "remove", "ops") == (1, "", "atrium: no key 'ops'\n")


def test_users_are_made_listed_and_removed(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(
        "user", "add", "--username", "ann", "--password", "pass", "--extension", "1001", "--name", "Ann B.",
        "--device", "phone", "--device-token", "token-of-ann", "--json",
    )  # fmt: skip
    assert code == 0
    user = json.loads(out)
    assert {**user, "id": ""} == {"id": "", "username": "ann", "name": "Ann B.", "extension": "1001"}
    assert json.loads(run("user", "list", "--json")[1]) == [user]
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"token-of-ann" not in stored
    assert run("user", "remove", "ann")[0] == 0
    assert run("user", "remove", user["id"]) == (1, "", f"atrium: no user {user['id']!r}\n")


def test_the_sip_digests_of_a_user_are_kept_encrypted(run: Run, tmp_path: Path) -> None:
    run("user", "add", "--username", "ann", "--password", "pass")
    database = Database(tmp_path)
    row = database.read(lambda connection: connection.execute(users.select()).one())
    database.close()
    expected = sip_digests("ann", SIP_REALM, "pass")
    assert expected not in row.sip_digests
    assert Keyring.open(tmp_path).unseal(SIP_DIGESTS, row.sip_digests) == expected
    assert row.sip_realm == SIP_REALM


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--username", ""], "--username"),
        (["--username", "a b"], "--username"),
        (["--username", "a\nb"], "--username"),
        (["--username", "x" * 129], "--username"),
        (["--username", "ann", "--extension", "12a"], "--extension"),
        (["--username", "ann", "--extension", "1" * 21], "--extension"),
        (["--username", "ann", "--device", "phone"], "--device-token"),
        (["--username", "ann", "--device-token", "t"], "--device-token"),
        (["--username", "ann", "--password", ""], "--password"),
    ],
)
def test_an_unfit_user_is_refused_with_the_flag_named(run: Run, arguments: list[str], said: str) -> None:
    password = [] if "--password" in arguments else ["--password", "p"]
    code, out, err = run("user", "add", *arguments, *password)
    assert (code, out) == (1, "")
    assert err.startswith("atrium: ")
    assert said in err


def test_a_name_that_is_taken_is_refused(run: Run) -> None:
    run("user", "add", "--username", "ann", "--password", "p")
    code, _, err = run("user", "add", "--username", "ann", "--password", "p")
    assert (code, err) == (1, "atrium: there is a user 'ann' already\n")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["key", "add"], ["serve", "--nonsense"], ["serve", "--workers", "x"]]
)
def test_what_is_not_understood_is_exit_code_2(run: Run, arguments: list[str]) -> None:
    assert run(*arguments, data=None)[0] == 2


def test_a_mistake_in_the_configuration_is_one_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "atrium.toml"
    path.write_text("[http]\nbnid = 'x'\n", encoding="utf-8")
    assert run("serve", "--config", str(path)) == (1, "", f"atrium: {path}: http.bnid: unknown key\n")


def test_rooms_are_asked_of_the_running_server(run: Run, tmp_path: Path, start: Callable[..., Process]) -> None:
    code, _, err = run("room", "list")
    assert (code, "no server runs" in err) == (1, True)
    process = start(demo=True)
    assert run("room", "list", "--json") == (0, "[]\n", "")
    assert run("room", "end", "nowhere") == (1, "", "atrium: no such room is live\n")
    process.kill()
    code, _, err = run("room", "list")
    assert (code, "does not answer" in err) == (1, True)
    (tmp_path / SERVER_FILE).write_text("{}", encoding="utf-8")
    assert run("room", "list")[0] == 1


def test_config_check_says_what_would_fail(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "atrium.toml"
    path.write_text('[http]\nbind = "192.0.2.1:1"\ntls_cert = "none.pem"\ntls_key = "none.pem"\n', encoding="utf-8")
    code, out, _ = run("config", "check", "--json", "--config", str(path))
    verdicts = {(finding["what"], finding["verdict"]) for finding in json.loads(out)}
    assert code == 1
    assert {("configuration", "ok"), ("http", "fail"), ("certificate", "fail"), ("store", "ok")} <= verdicts
    path.write_text("[htpp]\n", encoding="utf-8")
    code, out, _ = run("config", "check", "--config", str(path))
    assert code == 1
    assert "htpp: unknown key" in out


def test_config_check_tries_the_port_of_every_worker(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "atrium.toml"

    def media(bind: str) -> list[tuple[str, str]]:
        path.write_text(f'[media]\nbind = "{bind}"\nworkers = 2\n', encoding="utf-8")
        _, out, _ = run("config", "check", "--json", "--config", str(path))
        return [(found["verdict"], found["says"]) for found in json.loads(out) if found["what"] == "media"]

    for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        with socket.socket(family, socket.SOCK_DGRAM) as taken:
            taken.bind((host, 0))
            port = taken.getsockname()[1]
            bind = f"[{host}]" if ":" in host else host
            ((verdict, says),) = media(f"{bind}:{port - 1}")
            assert verdict == "fail"
            assert str(port) in says
        assert [verdict for verdict, _ in media(f"{bind}:{port - 1}")] == ["ok", "ok"]
    assert media("nowhere:1")[0][0] == "fail"
