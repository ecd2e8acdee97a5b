"""A real server in its own process, a browser, and a relay in front of the server whose connections can be cut.

Every test has a room of its own, so that members of an earlier test who still have their grace meet nobody.
"""

import json
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import attrs
import httpx
import pytest
import trio

from tests.browser.chromium import Chromium, connect, run_chromium

ROOT = Path(__file__).parents[2]
STOP_TIMEOUT_S = 15.0


def atrium(directory: Path, *words: str) -> dict[str, str]:
    """Runs a command of the command line and reads what it prints with --json."""
    command = [sys.executable, "-m", "api", *words, "--data", str(directory), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


@attrs.frozen
class Server:
    """A running server and an administrator's key to it."""

    url: str
    directory: Path
    key: str

    def make_room(self, **settings: object) -> str:
        """A room of its own name, open unless told otherwise; returns its uuid."""
        room = {"name": f"room {secrets.token_hex(4)}", "open": True, **settings}
        answer = httpx.post(
            f"{self.url}/v1/rooms",
            json={"room": room},
            headers={"Authorization": f"Bearer {self.key}"},
            trust_env=False,
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["room"]["uuid"])

    def make_user(self, username: str, password: str) -> str:
        return atrium(self.directory, "user", "add", "--username", username, "--password", password)["id"]

    def page(self, room: str) -> str:
        return f"{self.url}/meet/{room}"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server") / "data"
    command = [sys.executable, "-m", "api", "serve", "--demo", "--data", str(directory)]
    command += ["--http", "127.0.0.1:0", "--media", "127.0.0.1:0"]
    log = (directory.parent / "log").open("w")
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline() or "{}")
        assert ready.get("ready") is True, (directory.parent / "log").read_text()
        key = atrium(directory, "key", "add", "--name", "browser tests")["key"]
        yield Server(ready["http"], directory, key)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        log.close()


@attrs.frozen
class Account:
    id: str
    username: str
    password: str


@pytest.fixture(scope="session")
def ada(server: Server) -> Account:
    """Whom tests make an administrator of their rooms."""
    return Account(server.make_user("ada", "right horse"), "ada", "right horse")


@pytest.fixture(scope="session")
def dora(server: Server) -> Account:
    """Somebody with an account."""
    return Account(server.make_user("dora", "left goose"), "dora", "left goose")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture
async def chromium(browser: str) -> AsyncIterator[Chromium]:
    async with connect(browser) as connection:
        yield connection


class Relay:
    """Passes TCP connections on to the server's HTTP port until it is told not to. Media do not pass here."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._scopes: set[trio.CancelScope] = set()
        self.port = 0
        self.is_open = True

    async def serve(self, task_status: trio.TaskStatus[None]) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._pass, listeners)

    def cut(self) -> None:
        """Ends every connection, as a network does that changes; new ones are welcome."""
        for scope in self._scopes:
            scope.cancel()

    async def _pass(self, client: trio.SocketStream) -> None:
        if not self.is_open:
            return
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                server = await trio.open_tcp_stream(*self._target)
                async with server, trio.open_nursery() as nursery:
                    nursery.start_soon(self._copy, client, server, scope)
                    nursery.start_soon(self._copy, server, client, scope)
            finally:
                self._scopes.discard(scope)

    async def _copy(self, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope) -> None:
        try:
            while data := await source.receive_some():
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()


@pytest.fixture
async def relay(server: Server, nursery: trio.Nursery) -> Relay:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    relay = Relay(host, int(port))
    await nursery.start(relay.serve)
    return relay


@pytest.fixture
def kpoint_key(server: Server) -> dict[str, str]:
    """What KPOINT clients register with for the licence of the demo page."""
    key: dict[str, str] = httpx.get(f"{server.url}/kpoint-demo/key", trust_env=False).json()
    return key
