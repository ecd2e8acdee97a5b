"""What one large room costs, and how soon its members hear of each other: the real server, N members over WebSockets.

The members come from another process on another core (benches.crowd). They offer media that they never connect, and
`[media] connect_timeout_s` is raised so that they may stay: this is about what a room says, benches.forward is about what it
plays. In this order, of one server:

  sign-in  N sockets that have authenticated: memory of each
  burst    all of them join as fast as they can: each join is told to all who are inside, N(N-1)/2 notifications in all
  rest     nobody says anything (the server pings each socket every 20 s): memory and CPU of an idle member
  toggle   one member mutes and unmutes: N-1 notifications each time, which is what a notification costs
  visit    one more joins and leaves: from its request, and from its reply, until each of the N has read of it

CPU is what the scheduler charged to all threads of the server. A delay includes what is not the server's, so three columns say how
much that can be: how late the crowd read at most (99 % of its reads), the crowd's share of its core, and how long a
server that could run waited for a core that others were on, in the time of the measurement.

`python -m benches.rooms [--members 300] [--quick] [--smoke] [--json FILE]`
"""

import argparse
import json
import platform
import shlex
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import attrs
import trio
from rich.console import Console
from rich.table import Table

from benches import machine
from benches.child import Child, ChildFailed, Json, started
from benches.machine import Machine
from benches.progress import Progressing
from benches.server import Server, serving
from benches.spread import Spread

MEMBERS: Final = 300
SMOKE_MEMBERS: Final = 30
JOIN_TARGET_MS: Final = 250.0
SETTINGS: Final = {"ATRIUM_MEDIA_CONNECT_TIMEOUT_S": "3600"}
SETTLE_S: Final = 1.0
DEADLINE_S: Final = 120.0
WIDTH: Final = 150  # of the table where no terminal says


@attrs.frozen
class Lengths:
    rest_s: float
    toggles: int
    visits: int


# 20 s is one ping of every socket.
FULL: Final = Lengths(rest_s=20.0, toggles=100, visits=100)
QUICK: Final = Lengths(rest_s=5.0, toggles=30, visits=30)
SMOKE: Final = Lengths(rest_s=0.5, toggles=6, visits=6)


@attrs.frozen
class Memory:
    """Of the server, in KiB, garbage collected."""

    resident: float
    proportional: float

    def each(self, before: "Memory", n: int) -> "Memory":
        return Memory((self.resident - before.resident) / n, (self.proportional - before.proportional) / n)

    def __str__(self) -> str:
        return f"{self.resident:.0f} KiB resident, {self.proportional:.0f} KiB proportional"


@attrs.frozen
class Line:
    """One line of the table."""

    name: str
    delays: Spread
    own_p99_ms: float
    crowd_share: float
    waited_share: float
    target_ms: float | None = None


@attrs.define
class Report:
    machine: Machine
    command: str
    members: int
    lines: list[Line] = attrs.field(factory=list)
    sign_in_ms: float = 0.0
    burst_s: float = 0.0
    burst_cpu_ms: float = 0.0
    socket: Memory | None = None
    member: Memory | None = None
    rest_cpu: float = 0.0
    empty_cpu: float = 0.0
    notification_us: float = 0.0
    visit_ms: float = 0.0


@attrs.frozen
class Window:
    """A request to the crowd: its answer, and the CPU that passed meanwhile."""

    answer: Json
    server_ns: int
    crowd_share: float
    waited_share: float

    def line(self, name: str, what: str, target_ms: float | None = None) -> Line:
        own = self._spread("own").p99
        return Line(name, self._spread(what), own, self.crowd_share, self.waited_share, target_ms)

    def _spread(self, what: str) -> Spread:
        return Spread(**{**self.answer[what], "columns": tuple(self.answer[what]["columns"])})


@attrs.frozen
class Bench:
    server: Server
    crowd: Child

    async def window(self, request: Json) -> Window:
        start = trio.current_time()
        server, crowd = machine.thread_times(self.server.pid), machine.thread_times(self.crowd.pid)
        waits = machine.thread_waits(self.server.pid)
        answer = await self.crowd.ask(request, DEADLINE_S)
        used = machine.used(server, machine.thread_times(self.server.pid)).total_ns
        crowd_used = machine.used(crowd, machine.thread_times(self.crowd.pid)).total_ns
        waited = machine.used(waits, machine.thread_waits(self.server.pid)).total_ns
        elapsed_ns = (trio.current_time() - start) * 1e9
        return Window(answer, used, crowd_used / elapsed_ns, waited / elapsed_ns)

    async def rest(self, seconds: float) -> float:
        """CPU of the server as a share of a core while nobody says anything."""
        window = await self.window({"do": "rest", "seconds": seconds})
        return window.server_ns / 1e9 / seconds

    async def memory(self) -> Memory:
        await self.server.collect_garbage()
        await trio.sleep(SETTLE_S)
        return Memory(
            machine.resident_bytes(self.server.pid) / 1024, machine.proportional_bytes(self.server.pid) / 1024
        )


async def measure(report: Report, lengths: Lengths, say: Progressing) -> None:
    n = report.members
    with tempfile.TemporaryDirectory(prefix="atrium-bench-") as temporary:
        async with AsyncExitStack() as stack:
            say.step("starting the server")
            data = Path(temporary) / "data"
            server = await stack.enter_async_context(serving(data, aside=True, settings=SETTINGS))
            crowd = await stack.enter_async_context(started("the crowd", ["-m", "benches.crowd"]))
            bench = Bench(server, crowd)
            # One visit before anything is measured: what is imported, compiled and allocated once.
            await bench.window({"do": "open", "url": server.websocket, "room": server.room, "n": 0})
            await bench.window({"do": "visit", "times": 2})
            report.empty_cpu = await bench.rest(lengths.rest_s / 4)
            empty = await bench.memory()

            say.step(f"{n} sockets sign in")
            opened = await bench.window({"do": "open", "url": server.websocket, "room": server.room, "n": n})
            report.sign_in_ms = opened.server_ns / 1e6 / n
            signed_in = await bench.memory()
            report.socket = signed_in.each(empty, n)

            say.step("all join at once")
            burst = await bench.window({"do": "join"})
            report.burst_s = burst.answer["seconds"]
            report.burst_cpu_ms = burst.server_ns / 1e6 / n
            report.lines.append(burst.line("all join: replied", "replies"))
            report.lines.append(burst.line("all join: heard", "notifications"))
            report.member = (await bench.memory()).each(empty, n)

            say.step("rest")
            report.rest_cpu = await bench.rest(lengths.rest_s)

            say.step("one mutes and unmutes")
            toggled = await bench.window({"do": "toggle", "times": lengths.toggles})
            report.notification_us = toggled.server_ns / 1000 / (lengths.toggles * (n - 1))
            report.lines.append(toggled.line("mute: heard", "notifications"))

            say.step("one more joins and leaves")
            visited = await bench.window({"do": "visit", "times": lengths.visits})
            report.visit_ms = visited.server_ns / 1e6 / lengths.visits
            report.lines.append(visited.line("join: replied", "replies"))
            report.lines.append(visited.line("join: heard", "since_asked", JOIN_TARGET_MS))
            report.lines.append(visited.line("join: heard since reply", "since_reply"))
            report.lines.append(visited.line("leave: heard", "leaves"))


def show(report: Report, console: Console) -> None:
    table = Table(title=f"A room of {report.members}: delays in ms", title_justify="left")
    table.add_column("what", no_wrap=True)
    for name in ("count", "p50", "p99", "max", "target"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("from … to", no_wrap=True)
    for name in ("crowd p99", "crowd CPU", "waited"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in report.lines:
        delays = line.delays
        table.add_row(
            line.name,
            f"{delays.count:,}",
            f"{delays.p50:.1f}",
            f"{delays.p99:.1f}",
            f"{delays.max:.1f}",
            "" if line.target_ms is None else f"p99 ≤ {line.target_ms:g}: {_yes(delays.p99 <= line.target_ms)}",
            delays.picture(),
            f"{line.own_p99_ms:.1f}",
            f"{line.crowd_share:.0%}",
            f"{line.waited_share:.0%}",
        )
    console.print(table)
    console.print("\n".join(_remarks(report)), highlight=False, soft_wrap=True)


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"


def _remarks(report: Report) -> Iterator[str]:
    n = report.members
    yield (
        f"all join: {n} joins and {n * (n - 1) // 2:,} notifications in {report.burst_s:.2f} s, "
        f"{report.burst_cpu_ms:.1f} ms of CPU a join with all that it tells"
    )
    yield f"memory of a socket that has signed in: {report.socket}; of an idle member: {report.member}"
    yield (
        f"CPU: a sign-in (socket, authenticate) {report.sign_in_ms:.1f} ms; a notification delivered "
        f"{report.notification_us:.1f} µs; a join and a leave with their {2 * n} notifications {report.visit_ms:.1f} ms"
    )
    yield f"CPU at rest: {report.rest_cpu:.2%} of a core, {report.empty_cpu:.2%} with nobody inside"
    yield f"machine: {report.machine}, Python {platform.python_version()}"
    yield f"command: {report.command}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benches.rooms", description="What one large room costs.")
    parser.add_argument("--members", type=int, metavar="N", help=f"how many are inside ({MEMBERS})")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, shorter rest")
    parser.add_argument("--smoke", action="store_true", help="ten seconds with a small room, to see that it is told")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE as well")
    options = parser.parse_args(arguments)
    members = options.members or (SMOKE_MEMBERS if options.smoke else MEMBERS)
    if members < 2:
        parser.error("--members: somebody must be there to hear")
    lengths = SMOKE if options.smoke else QUICK if options.quick else FULL
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    report = Report(machine.describe(), shlex.join(["python", "-m", "benches.rooms", *arguments]), members)
    say = Progressing(Console(stderr=True), steps=6)
    try:
        with say.showing():
            trio.run(measure, report, lengths, say)
    except ChildFailed as error:
        console.print(f"the bench failed: {error}", style="red", highlight=False, markup=False)
        return 1
    show(report, console)
    if options.json:
        options.json.write_text(json.dumps(attrs.asdict(report), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
