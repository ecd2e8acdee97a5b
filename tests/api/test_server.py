"""The composition root: what it leaves in its directory, and how it ends. What outlives kill -9 is test_crash's."""

import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import trio
import trio_websocket

from api.keyring import SECRET_FILE
from api.server import LOCK_FILE, SERVER_FILE, _reachable
from api.store.database import SQLITE_FILE
from tests.api.conftest import ROOT, Process, Server, atrium, caller, join_demo, make_key, make_user, websocket

Start = Callable[..., Process]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def authorized(url: str, key: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, verify=False)


def test_it_says_where_it_is_in_one_line_and_leaves_no_trace(tmp_path: Path, start: Start) -> None:
    process = start(demo=True, directory=tmp_path / "new" / "data")
    assert set(process.ready) == {"ready", "http", "media"}
    assert process.ready["ready"] is True
    assert process.ready["media"] == ["127.0.0.1:40000"]
    file = tmp_path / "new" / "data" / SERVER_FILE
    written = json.loads(file.read_text())
    assert (written["http"], written["pid"]) == (process.url, process.pid)
    assert httpx.get(f"{process.url}/healthz", trust_env=False, verify=False).status_code == 200
    assert process.stop() == 0
    assert not file.exists()
    assert process.said() == b""


def test_secrets_are_for_the_owner_only(tmp_path: Path, start: Start) -> None:
    directory = tmp_path / "data"
    start(directory=directory)
    assert mode(directory) == 0o700
    assert mode(directory / SECRET_FILE) == 0o600
    assert mode(directory / SERVER_FILE) == 0o600
    assert mode(directory / LOCK_FILE) == 0o600


def test_the_demo_room_is_made_once(tmp_path: Path, start: Start) -> None:
    key = make_key(tmp_path)
    start(demo=True).stop()
    process = start(demo=True)
    with authorized(process.url, key) as client:
        (room,) = client.get("/v1/rooms").json()["rooms"]
    assert (room["name"], room["open"]) == ("demo", True)


def test_a_second_server_on_a_directory_is_refused(tmp_path: Path, start: Start) -> None:
    process = start()
    written = (tmp_path / SERVER_FILE).read_bytes()
    second = ("serve", "--http", "127.0.0.1:0", "--media", "127.0.0.1:0", "--workers", "1", "--data", str(tmp_path))
    done = atrium(*second)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == f"atrium: {tmp_path / LOCK_FILE}: another server runs on this directory"
    assert (tmp_path / SERVER_FILE).read_bytes() == written
    # What a killed one leaves keeps nobody out.
    process.kill()
    again = start()
    assert json.loads((tmp_path / SERVER_FILE).read_text())["pid"] == again.pid


def test_a_command_is_heeded_by_a_running_server_at_once(tmp_path: Path, start: Start) -> None:
    process = start()
    with authorized(process.url, "no key yet") as client:
        assert client.get("/v1/rooms").status_code == 401
    key = atrium("key", "add", "--name", "ops", "--data", str(tmp_path)).stdout.strip()
    with authorized(process.url, key) as client:
        assert client.get("/v1/rooms").status_code == 200
        assert atrium("key", "remove", "ops", "--data", str(tmp_path)).returncode == 0
        assert client.get("/v1/rooms").status_code == 401


async def test_a_signal_drains_then_closes_sockets_with_1012(start: Start) -> None:
    process = await trio.to_thread.run_sync(start)
    url = httpx.URL(process.url)
    async with websocket((url.host, url.port or 0)) as connection:
        process.ask_to_stop()
        with trio.fail_after(10), pytest.raises(trio_websocket.ConnectionClosed) as closed:
            assert "server_draining" in await connection.get_message()
            await connection.get_message()
    assert closed.value.reason is not None
    assert closed.value.reason.code == 1012
    assert await trio.to_thread.run_sync(process.wait) == 0


async def test_an_invitation_that_is_over_is_over_for_the_next_server_too(tmp_path: Path, start: Start) -> None:
    """Nobody waits for its token's end to be stored; a server that is stopped stores it all the same."""
    key = make_key(tmp_path)
    ann, _ = (make_user(tmp_path, name) for name in ("ann", "bob"))
    process = await trio.to_thread.run_sync(start)
    wanted = {"name": "x", "members": [{"user_id": ann, "admin": True}]}
    with authorized(process.url, key) as client:
        room = client.post("/v1/rooms", json={"room": wanted}).json()["room"]["uuid"]
    async with caller(process.url) as ann_calls, caller(process.url) as bob_calls:
        await bob_calls.ask("register_room_api", username="bob", password="p")
        await ann_calls.enter(room, "c-ann", username="ann", password="p")
        await ann_calls.ask("invite_exten", extens=["bob"])
        invite = (await bob_calls.told())["params"]
        assert "result" in await bob_calls.ask("room_invite_reject", room=room, call_id=invite["call_id"])
        await ann_calls.ask("leave_room")
    assert await trio.to_thread.run_sync(process.stop) == 0
    again = await trio.to_thread.run_sync(start)
    async with caller(again.url) as bob_calls:
        assert (await bob_calls.join(invite["auth_token"]))["error"]["code"] == 410


async def test_ready_is_503_while_draining(server: Server) -> None:
    """A member that stays holds the drain until its deadline, which is time enough to ask."""
    async with websocket(server.address) as connection, server.anonymous() as client:
        await join_demo(server, connection, "c-ann", "Ann")
        assert (await client.get("/readyz")).status_code == 200
        os.kill(os.getpid(), signal.SIGTERM)
        with trio.fail_after(5):
            while (answer := await client.get("/readyz")).status_code == 200:
                await trio.lowlevel.checkpoint()
        refused = await client.post(
            "/v1/rooms", json={"room": {"name": "late"}}, headers={"Authorization": f"Bearer {server.key}"}
        )
    assert (answer.status_code, answer.json()) == (503, {"status": "draining"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, 503)


def test_an_address_in_use_is_said_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = atrium("serve", "--http", address, "--media", "127.0.0.1:0", "--workers", "1", "--data", str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == f"atrium: http.bind: {address} is in use"


def test_a_media_address_that_cannot_be_bound_is_said_in_a_line(tmp_path: Path) -> None:
    done = atrium("serve", "--http", "127.0.0.1:0", "--media", "192.0.2.1:0", "--data", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("atrium: media: ")


def test_the_printed_address_can_be_opened() -> None:
    assert _reachable("http://0.0.0.0:80") == "http://127.0.0.1:80"
    assert _reachable("https://[::]:443") == "https://[::1]:443"
    assert _reachable("http://192.0.2.1:80") == "http://192.0.2.1:80"


def test_the_repository_holds_no_secret() -> None:
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    tracked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = {Path(line).name for line in tracked.stdout.splitlines()}
    assert not names & {SECRET_FILE, SERVER_FILE, SQLITE_FILE, "admin-password"}
    assert 'turn_secret = ""' in (ROOT / "atrium.sample.toml").read_text()
    for line in tracked.stdout.splitlines():
        path = ROOT / line
        if path.is_file() and path.stat().st_size < 1 << 20:
            assert b"PRIVATE " + b"KEY-----" not in path.read_bytes(), path
