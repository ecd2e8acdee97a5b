"""The server that is measured: the real command in a process of its own, with a data directory that is thrown away.

With `aside` it is the same command, started by a few lines that also run a thread which does as it is told on stdin: it
takes the GIL for so many µs, the way a C extension does that forgets to release it, or collects garbage.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import attrs
import trio

from benches import machine
from benches.child import Child, ChildFailed, Json, started

START_S: Final = 60.0
LAST_WORDS: Final = 3000
SETTINGS: Final = {"ATRIUM_HTTP_DRAIN_DEADLINE_S": "0"}  # nobody here waits for a call to end

# ctypes.PyDLL calls without releasing the GIL. os.read, because nobody may hold sys.stdin's lock at the exit.
ASIDE: Final = """\
import ctypes, gc, os, sys, threading

def listen():
    while words := os.read(0, 64).split():
        if words[0] == b"hold":
            ctypes.PyDLL(None).usleep(int(words[1]))
        else:
            gc.collect()

threading.Thread(target=listen, daemon=True).start()
sys.argv[0] = "atrium"
from api.commands import main
main()
"""


@attrs.frozen
class Server:
    child: Child
    http: str
    room: str
    data: Path

    @property
    def pid(self) -> int:
        return self.child.pid

    def websocket(self, path: str) -> str:
        return self.http.replace("http", "ws", 1) + path

    async def kpoint_key(self) -> Json:
        """What sockets register with for the licence of `--demo`."""
        key: Json = await trio.to_thread.run_sync(_get, f"{self.http}/kpoint-demo/key")
        return key

    def stay_on_one_core(self) -> None:
        """All threads that there are."""
        for thread in machine.thread_times(self.pid):
            os.sched_setaffinity(thread, {min(machine.cores()[0])})

    def take_all_cores(self) -> None:
        """All threads that there are, those of whoever asks too."""
        for thread in machine.thread_times(self.pid):
            os.sched_setaffinity(thread, set(range(os.cpu_count() or 1)))

    async def hold_gil(self, seconds: float) -> None:
        await self.child.stdin.send_all(b"hold %d\n" % int(seconds * 1e6))

    async def collect_garbage(self) -> None:
        await self.child.stdin.send_all(b"collect\n")


@asynccontextmanager
async def serving(
    data: Path, aside: bool = False, settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[Server]:
    """One worker on a free port, with the open room and the licence of `--demo`; `settings` go into its environment."""
    log = data / "server.log"
    data.mkdir()
    command = ["-c", ASIDE] if aside else ["-m", "api"]
    flags = ["--data", str(data), "--http", "127.0.0.1:0", "--media", "127.0.0.1:0", "--workers", "1", "--demo"]
    try:
        key = await _add_key(data)
        async with started("the server", [*command, "serve", *flags], log, {**SETTINGS, **settings}) as child:
            os.sched_setaffinity(child.pid, machine.cores()[0])
            with trio.fail_after(START_S):
                line = await child.lines.next()
            if not line:
                raise ChildFailed("the server ended before it was ready")
            http = json.loads(line)["http"]
            room = await trio.to_thread.run_sync(_open_room, http, key)
            yield Server(child, http, room, data)
    except (ChildFailed, subprocess.CalledProcessError, trio.TooSlowError) as error:
        words = log.read_text(errors="replace")[-LAST_WORDS:] if log.exists() else ""
        raise ChildFailed(f"{error}\n{words}".rstrip()) from error


async def _add_key(data: Path) -> str:
    done = await trio.run_process(
        [sys.executable, "-m", "api", "key", "add", "--name", "bench", "--data", str(data), "--json"],
        capture_stdout=True,
    )
    return str(json.loads(done.stdout)["key"])


def _open_room(http: str, key: str) -> str:
    """The uuid of the room that anybody may enter."""
    rooms = _get(f"{http}/v1/rooms", key)["rooms"]
    return next(str(room["uuid"]) for room in rooms if room["open"])


def _get(url: str, key: str = "") -> Any:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)
