"""What the benches with a crowd share: the real server and the crowd beside it, what both used of the machine while something
was said, the table of delays, and the command.

CPU is what the scheduler charged to all threads of the server. A delay includes what is not the server's, so three columns say how
much that can be: how late the crowd read at most (99 % of its reads), the crowd's share of its core, and how long a
server that could run waited for a core that others were on, in the time of the measurement.
"""

import argparse
import json
import platform
import shlex
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, Generic, TypeVar

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
SETTLE_S: Final = 1.0
DEADLINE_S: Final = 120.0
WIDTH: Final = 150  # of the table where no terminal says


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
    burst_s: float = 0.0
    burst_cpu_ms: float = 0.0
    visit_ms: float = 0.0
    rest_cpu: float = 0.0
    empty_cpu: float = 0.0

    def told_by_joins(self) -> str:
        n = self.members
        return (
            f"all join: {n} joins and {n * (n - 1) // 2:,} notifications in {self.burst_s:.2f} s, "
            f"{self.burst_cpu_ms:.1f} ms of CPU a join with all that it tells; later a join and a leave with their "
            f"{2 * n} notifications {self.visit_ms:.1f} ms"
        )


@attrs.frozen
class Window:
    """A request to the crowd: its answer, and the CPU that passed meanwhile."""

    answer: Json
    server_ns: int
    crowd_share: float
    waited_share: float

    def line(self, name: str, what: str, target_ms: float | None = None) -> Line:
        own = self.spread("own").p99
        return Line(name, self.spread(what), own, self.crowd_share, self.waited_share, target_ms)

    def spread(self, what: str) -> Spread:
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

    async def all_join(self, report: Report) -> None:
        """At once."""
        burst = await self.window({"do": "join", "n": report.members})
        report.burst_s = burst.answer["seconds"]
        report.burst_cpu_ms = burst.server_ns / 1e6 / report.members
        report.lines.append(burst.line("all join: replied", "replies"))
        report.lines.append(burst.line("all join: heard", "notifications"))

    async def one_more_visits(self, report: Report, times: int, target_ms: float | None = None) -> None:
        visited = await self.window({"do": "visit", "times": times})
        report.visit_ms = visited.server_ns / 1e6 / times
        report.lines.append(visited.line("join: replied", "replies"))
        report.lines.append(visited.line("join: heard", "since_asked", target_ms))
        report.lines.append(visited.line("join: heard since reply", "since_reply"))
        report.lines.append(visited.line("leave: heard", "leaves"))

    async def memory(self) -> Memory:
        await self.server.collect_garbage()
        await trio.sleep(SETTLE_S)
        return Memory(
            machine.resident_bytes(self.server.pid) / 1024, machine.proportional_bytes(self.server.pid) / 1024
        )


@asynccontextmanager
async def crowded(crowd: str, sockets: int, settings: Mapping[str, str] = MappingProxyType({})) -> AsyncIterator[Bench]:
    """A server that may have so many sockets, and the crowd of that module."""
    # The server inherits what this process may open, and keeps a quarter of it for other things than sockets.
    machine.allow_files(2 * sockets + 200)
    with tempfile.TemporaryDirectory(prefix="atrium-bench-") as temporary:
        data = Path(temporary) / "data"
        async with serving(data, aside=True, settings=settings) as server, started("the crowd", ["-m", crowd]) as child:
            yield Bench(server, child)


R = TypeVar("R", bound=Report)
L = TypeVar("L")


@attrs.frozen
class Lengths(Generic[L]):
    full: L
    quick: L
    smoke: L


@attrs.frozen
class Command(Generic[R, L]):
    """A bench as `python -m MODULE` runs it."""

    module: str
    description: str
    steps: int
    lengths: Lengths[L]
    report: Callable[[Machine, str, int], R]
    measure: Callable[[R, L, Progressing], Awaitable[None]]
    remarks: Callable[[R], Iterator[str]]

    def run(self, arguments: Sequence[str]) -> int:
        parser = argparse.ArgumentParser(prog=f"python -m {self.module}", description=self.description)
        parser.add_argument("--members", type=int, metavar="N", help=f"how many are inside ({MEMBERS})")
        parser.add_argument("--quick", action="store_true", help="fewer repetitions, shorter rest")
        parser.add_argument(
            "--smoke", action="store_true", help="ten seconds with a small room, to see that it is told"
        )
        parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE as well")
        options = parser.parse_args(arguments)
        members = options.members or (SMOKE_MEMBERS if options.smoke else MEMBERS)
        if members < 2:
            parser.error("--members: somebody must be there to hear")
        lengths = self.lengths
        length = lengths.smoke if options.smoke else lengths.quick if options.quick else lengths.full
        console = Console(width=None if sys.stdout.isatty() else WIDTH)
        report = self.report(machine.describe(), shlex.join(["python", "-m", self.module, *arguments]), members)
        say = Progressing(Console(stderr=True), steps=self.steps)
        try:
            with say.showing():
                trio.run(self.measure, report, length, say)
        except (ChildFailed, OSError) as error:
            console.print(f"the bench failed: {error}", style="red", highlight=False, markup=False)
            return 1
        console.print(_table(report))
        remarks = [*self.remarks(report), *_origin(report)]
        console.print("\n".join(remarks), highlight=False, soft_wrap=True)
        if options.json:
            options.json.write_text(json.dumps(attrs.asdict(report), indent=2) + "\n")
        return 0


def _table(report: Report) -> Table:
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
    return table


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"


def _origin(report: Report) -> Iterator[str]:
    yield f"machine: {report.machine}, Python {platform.python_version()}"
    yield f"command: {report.command}"
