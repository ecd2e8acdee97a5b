"""A server as it is shipped, in a process of its own, and the uuid of its open room."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import attrs
import httpx
import pytest

from api.config import Config
from api.keyring import Keyring
from api.licences import DEMO_LICENCE, LicenceKeys
from api.store import Database, licences
from tests.api.conftest import ROOT, Server, environment, make_key
from tests.api.conftest import cluster as cluster  # a fixture here too

FLAGS = ("serve", "--demo", "--http", "127.0.0.1:0", "--media", "127.0.0.1:0", "--workers", "1")


@attrs.frozen
class Running:
    """A server process that is ready."""

    popen: "subprocess.Popen[bytes]"
    http: str
    media: tuple[str, ...]
    directory: Path
    key: str

    @property
    def server(self) -> Server:
        return Server(self.http, self.directory, self.key)

    def rooms(self) -> list[dict[str, object]]:
        """Its persistent rooms."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = httpx.get(f"{self.http}/v1/rooms", headers=headers, trust_env=False)
        rooms: list[dict[str, object]] = answer.json()["rooms"]
        return rooms

    @property
    def demo(self) -> str:
        return str(next(room["uuid"] for room in self.rooms() if room["name"] == "demo"))

    def kpoint_key(self) -> dict[str, str]:
        """What clients register with for the demo licence."""
        key: dict[str, str] = httpx.get(f"{self.http}/kpoint-demo/key", trust_env=False).json()
        return key

    def access_token(self) -> str:
        """For the rooms of the demo licence."""
        database = Database(self.directory)
        record = database.read(partial(licences.by_domain, domain=DEMO_LICENCE))
        database.close()
        assert record is not None
        keys = LicenceKeys(Keyring.open(self.directory), Config().licence.zone)
        return keys.make_access_token(record, expires_s=600)

    def metrics(self) -> str:
        return httpx.get(f"{self.http}/metrics", trust_env=False).text


Start = Callable[..., Running]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Start]:
    """Starts servers on one data directory; `settings` go into their environment."""
    begun: list[subprocess.Popen[bytes]] = []
    directory = tmp_path / "data"
    directory.mkdir()
    key = make_key(directory)

    def start(*python: str, **settings: str) -> Running:
        command = [sys.executable, *(python or ("-m", "api")), *FLAGS, "--data", str(directory)]
        with (tmp_path / "server.log").open("ab") as log:
            popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment(ATRIUM_HTTP_DRAIN_DEADLINE_S="0.1", **settings),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        begun.append(popen)
        assert popen.stdout is not None
        line = popen.stdout.readline()
        assert line, (tmp_path / "server.log").read_text()
        ready = json.loads(line)
        return Running(popen, ready["http"], tuple(ready["media"]), directory, key)

    yield start
    for popen in begun:
        if popen.poll() is None:
            popen.terminate()
        try:
            popen.wait(10)
        finally:
            popen.kill()
            for pipe in (popen.stdin, popen.stdout):
                assert pipe is not None
                pipe.close()
