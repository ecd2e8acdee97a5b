"""A process of ours that is asked by JSON lines on its stdin and answers by JSON lines on its stdout.

Requests are handled one at a time and each has a deadline, so a child that hangs ends the bench with a clear word.
"""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import trio

Json = dict[str, Any]


class ChildFailed(Exception):
    """A child ended, was silent past its deadline, or reported an error."""


class Lines:
    """Line by line out of a byte stream."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._pending = b""

    async def next(self) -> bytes:
        """Empty at the end of the stream."""
        while b"\n" not in self._pending:
            some = await self._stream.receive_some()
            if not some:
                return b""
            self._pending += some
        line, _, self._pending = self._pending.partition(b"\n")
        return line


class Child:
    def __init__(self, name: str, process: trio.Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.name = name
        self.pid = process.pid
        self.process = process
        self.stdin = process.stdin
        self.lines = Lines(process.stdout)

    async def ask(self, request: Json, deadline_s: float = 30.0) -> Json:
        with trio.move_on_after(deadline_s):
            try:
                await self.stdin.send_all(json.dumps(request).encode() + b"\n")
            except trio.BrokenResourceError:
                raise ChildFailed(f"{self.name} has ended") from None
            line = await self.lines.next()
            if not line:
                raise ChildFailed(f"{self.name} ended during {request['do']!r}")
            answer: Json = json.loads(line)
            if "error" in answer:
                raise ChildFailed(f"{self.name}: {request['do']!r}: {answer['error']}")
            return answer
        raise ChildFailed(f"{self.name} did not answer {request['do']!r} within {deadline_s:g} s")

    async def stop(self, grace_s: float = 10.0) -> None:
        """SIGTERM, then SIGKILL; to this process alone."""
        with trio.CancelScope(shield=True):
            if self.process.poll() is None:
                self.process.terminate()
                with trio.move_on_after(grace_s):
                    await self.process.wait()
            if self.process.poll() is None:
                self.process.kill()
                await self.process.wait()


@asynccontextmanager
async def started(
    name: str, arguments: Sequence[str], log: Path | None = None, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """`python ARGUMENTS` with pipes to its stdin and stdout, stderr into `log`, and `settings` in its environment.

    Stopped on the way out, whatever happened.
    """
    with log.open("ab") if log else nullcontext() as stderr:
        process = await trio.lowlevel.open_process(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **(settings or {})},
        )
    child = Child(name, process)
    try:
        yield child
    finally:
        await child.stop()


def answer_requests(handle: Callable[[Json], Json]) -> None:
    """The child's side: until stdin ends."""
    for line in sys.stdin:
        try:
            answer = handle(json.loads(line))
        except Exception as error:  # noqa: BLE001 - the asker decides what a failure means
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
