"""Fixtures: a directory, databases, a server in this process and one in its own, and what clients of them need."""

import json
import multiprocessing
import multiprocessing.process
import os
import secrets
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import attrs
import httpx
import pytest
import sqlalchemy as sa
import trio
import trio_websocket

from api.admins import ADMIN
from api.commands import main
from api.config import Config, HttpSettings
from api.keyring import Keyring
from api.passwords import hashed
from api.server import Ready, serve
from api.store import Database, admins, keys, users
from api.store.database import SQLITE_FILE
from api.viewers import BEARER_KEYS
from signalling.settings import RoomApiSettings
from tests.api import postgresql, served
from tests.api.fakes import FakeEngine

ROOT = Path(__file__).parents[2]
ADMIN_PASSWORD = "correct horse"
SQLITE = "sqlite"
POSTGRESQL = "postgresql"
# Each database that the storage is tried on, besides others that are there already, as URLs.
DATABASES = [SQLITE, POSTGRESQL, *os.environ.get("ATRIUM_TEST_STORE_URLS", "").split()]

QUICK = "ATRIUM_TEST_QUICK" in os.environ

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([served.__name__])


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgresql.Cluster]:
    if QUICK:
        pytest.skip("make test-quick starts no database server; make test does")
    bin = postgresql.programs()
    if bin is None:
        pytest.skip("PostgreSQL is not installed; make test installs it")
    with postgresql.cluster(bin) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgresql_at_head(cluster: postgresql.Cluster) -> Iterator[str]:
    """The name of a database that has its tables."""
    with cluster.database() as url:
        Database(Path(), url).close()
        yield url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(params=DATABASES, ids=lambda database: database.partition(":")[0])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """[store] url of a database with nothing in its tables, of each kind in turn; for a server on `tmp_path`."""
    match request.param:
        case "sqlite":
            have_tables(tmp_path)
            yield ""
        case "postgresql":
            head = request.getfixturevalue("postgresql_at_head")
            with request.getfixturevalue("cluster").database(head) as url:
                yield url
        case url:
            empty(url)
            yield url


@pytest.fixture(params=DATABASES, ids=lambda database: database.partition(":")[0])
def empty_store_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The same of one without tables."""
    match request.param:
        case "sqlite":
            yield ""
        case "postgresql":
            with request.getfixturevalue("cluster").database() as url:
                yield url
        case url:
            empty(url)
            yield url


def have_tables(directory: Path) -> None:
    """What the first start makes, copied: to make it takes longer than most of what is tested."""
    if not (directory / SQLITE_FILE).exists():
        (directory / SQLITE_FILE).write_bytes(_sqlite_at_head())


@cache
def _sqlite_at_head() -> bytes:
    with TemporaryDirectory() as directory:
        Database(Path(directory)).close()
        return (Path(directory) / SQLITE_FILE).read_bytes()


def empty(url: str) -> None:
    """A server keeps what the last test wrote."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        found = sa.MetaData()
        found.reflect(connection)
        found.drop_all(connection)
    engine.dispose()


def make_key(directory: Path, url: str = "") -> str:
    """A bearer key, as `atrium key add` makes them."""
    key = secrets.token_urlsafe(32)
    if not url:
        have_tables(directory)
    database = Database(directory, url)
    database.write(partial(keys.add, name="test", key_mac=Keyring.open(directory).mac(BEARER_KEYS, key)))
    database.close()
    return key


def make_admin(directory: Path) -> None:
    """The dashboard's password, as `atrium admin password` sets it; else the server would take its time to make one."""
    have_tables(directory)
    database = Database(directory)
    database.write(partial(admins.set_password, name=ADMIN, password_hash=_admin_hash()))
    database.close()


@cache
def _admin_hash() -> str:
    return hashed(ADMIN_PASSWORD)


def make_user(directory: Path, username: str, password: str = "p") -> str:
    """A user, as `atrium user add` makes them; the id."""
    have_tables(directory)
    database = Database(directory)
    add = partial(users.add, username=username, password_hash=hashed(password), sip_realm="r", sip_digests=b"")
    user = database.write(add)
    database.close()
    return user.id


@attrs.frozen
class Server:
    """A running server: where, on what, and an administrator's way in."""

    url: str
    directory: Path
    key: str

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, trust_env=False, verify=False
        )

    def anonymous(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, trust_env=False, verify=False)


@asynccontextmanager
async def websocket(address: tuple[str, int], path: str = "/room") -> AsyncIterator[trio_websocket.WebSocketConnection]:
    """A connection to a dialect's path.

    It ends with its stream and without a close frame: the library would answer a ping even after one, and fail.
    """
    stream = await trio.open_tcp_stream(*address)
    async with stream, trio.open_nursery() as nursery:
        connection = await trio_websocket.wrap_client_stream(nursery, stream, "localhost", path)
        yield connection
        nursery.cancel_scope.cancel()


class Caller:
    """A client of the Room API: asks and is answered, and is told what it did not ask for."""

    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection
        self._told: deque[dict[str, Any]] = deque()

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer: an object with `result` or `error`."""
        await self._connection.send_message(json.dumps({"id": "1", "method": method, "params": params}))
        while "id" not in (message := await self._receive()):
            self._told.append(message)
        return message

    async def told(self) -> dict[str, Any]:
        """The next notification."""
        return self._told.popleft() if self._told else await self._receive()

    async def enter(self, room: str, call: str, **params: Any) -> str:
        """Authenticate and join; the auth token."""
        token: str = (await self.ask("authenticate", room=room, call_id=call, **params))["result"]["auth_token"]
        answer = await self.join(token)
        assert "result" in answer, answer
        return token

    async def join(self, token: str) -> dict[str, Any]:
        return await self.ask("join_room", auth_token=token, sdp="v=0", audio_muted=False, video_muted=False)

    async def _receive(self) -> dict[str, Any]:
        with trio.fail_after(10):
            message: dict[str, Any] = json.loads(await self._connection.get_message())
        return message


@asynccontextmanager
async def caller(url: str) -> AsyncIterator[Caller]:
    where = httpx.URL(url)
    async with websocket((where.host, where.port or 0)) as connection:
        yield Caller(connection)


async def join_demo(server: Server, connection: trio_websocket.WebSocketConnection, call: str, name: str) -> str:
    """Join the demo room; its uuid."""
    async with server.client() as client:
        room: str = (await client.get("/v1/rooms")).json()["rooms"][0]["uuid"]
    await Caller(connection).enter(room, call, display_name=name)
    return room


@pytest.fixture
def http_settings() -> HttpSettings:
    """What a test file overrides to serve with other settings."""
    return HttpSettings(bind="127.0.0.1:0")


@pytest.fixture
def room_api_settings() -> RoomApiSettings:
    """The same."""
    return RoomApiSettings()


@pytest.fixture
async def server(
    tmp_path: Path, http_settings: HttpSettings, room_api_settings: RoomApiSettings
) -> AsyncIterator[Server]:
    """A server in this process."""
    key = make_key(tmp_path)
    make_admin(tmp_path)
    send, receive = trio.open_memory_channel[Ready](1)
    async with trio.open_nursery() as nursery:
        start = partial(serve, engine_factory=FakeEngine, demo=True, announce=send.send_nowait)
        nursery.start_soon(start, Config(http=http_settings, room_api=room_api_settings), tmp_path)
        with trio.fail_after(10):
            ready = await receive.receive()
        yield Server(ready.http, tmp_path, key)
        nursery.cancel_scope.cancel()


@attrs.frozen
class Process:
    """A server in a process of its own."""

    ready: dict[str, object]
    _process: multiprocessing.process.BaseProcess
    _stdout: IO[bytes]

    @property
    def url(self) -> str:
        return str(self.ready["http"])

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.join(10)

    def ask_to_stop(self) -> None:
        self._process.terminate()

    def wait(self) -> int:
        """Its exit code."""
        self._process.join(20)
        assert self._process.exitcode is not None, "it goes on"
        return self._process.exitcode

    def stop(self) -> int:
        self.ask_to_stop()
        return self.wait()

    def said(self) -> bytes:
        """All that it wrote after its first line, once it has ended."""
        return self._stdout.read()


def environment(**more: str) -> dict[str, str]:
    """This process's, without anything that would configure Atrium."""
    return {name: text for name, text in os.environ.items() if not name.startswith("ATRIUM_")} | more


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts server processes and ends those that are left."""
    with ExitStack() as ends:

        def start(*, directory: Path = tmp_path, demo: bool = False, **variables: str) -> Process:
            reader, writer = multiprocessing.Pipe(duplex=False)
            stdout = ends.enter_context(open(os.dup(reader.fileno()), "rb"))
            reader.close()
            process = FORKS.Process(
                target=served.main, args=(writer, environment(**variables), directory), kwargs={"demo": demo}
            )
            process.start()
            ends.callback(process.join, 10)
            ends.callback(process.kill)
            writer.close()
            return Process(json.loads(stdout.readline()), process, stdout)

        yield start


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in this process: exit code, stdout, stderr."""
    for variable in [name for name in os.environ if name.startswith("ATRIUM_")]:
        monkeypatch.delenv(variable)

    def run(*arguments: str, data: Path | None = tmp_path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit:
            main([*arguments, *(["--data", str(data)] if data else [])])
        said = capsys.readouterr()
        return int(exit.value.code or 0), said.out, said.err

    return run


def atrium(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a process of its own."""
    command = [sys.executable, "-m", "api", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(**variables), capture_output=True, text=True, timeout=60, check=False
    )
