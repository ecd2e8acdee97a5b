"""What forwarding a packet costs: the real server, one publisher, N subscribers, beside the floor of the same run.

The publisher sends 1 Mbit/s of 1,100-byte payloads, four packets a frame, 30 frames a second. For each N, with
receivers that take UDP_GRO trains whole (`gro`) and with receivers that do not (`cut`):

  CPU      ns that the scheduler charged to all threads of the server over a steady stretch, divided by the packets that
           left it (received and lost); receiver reports (one a second each), transport-wide feedback (ten) and STUN
           checks (each 5 s) are in it
  worker   the part of it that the media worker took; the rest is Python
  RR STUN  what those reports and those checks cost of it: the publisher silent, with them less without them
  floor    the same packets with nothing around them (benches.floor), measured before and after
  delay    from the publisher's stamp to a subscriber's read, of one packet in 16, both ends in this machine

Then memory a subscriber; a sweep of the frame rate at the largest N until loss begins, and the delay at half of that;
and how late a packet gets while a Python thread of the server sits on the GIL for half a second.

`python -m benches.forward [--n 10,100,500] [--quick] [--smoke] [--json FILE]`
"""

import argparse
import json
import platform
import shlex
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Final

import attrs
import trio
from rich.console import Console
from rich.table import Table

from benches import floor, machine
from benches.child import Child, ChildFailed, Json, started
from benches.counts import Arrived, Published
from benches.floor import Column, FloorFigure
from benches.load import PACKETS_A_FRAME
from benches.machine import Machine
from benches.progress import Progressing
from benches.server import Server, serving

FPS: Final = 30
TARGET: Final = 1.7  # times the floor, at N of 100 and more
TARGET_FROM: Final = 100
DELAY_TARGET_MS: Final = 1.0
MEMORY_TARGET_KIB: Final = 200
SHARE_TARGET: Final = 0.8
HELD_TARGET_MS: Final = 5.0
LOSS_LIMIT: Final = 0.001
BACKLOG_MS: Final = 50.0
MAX_FPS: Final = 20_000
HELD_S: Final = 0.5
HOLDS: Final = 4
TURN_S: Final = 0.5
COLUMNS: Final[tuple[Column, ...]] = ("gro", "cut")
WIDTH: Final = 132  # of the table where no terminal says


@attrs.frozen
class Lengths:
    """Seconds of each kind of measurement."""

    settle: float
    steady: float
    quiet: float
    floor: float
    step: float


FULL: Final = Lengths(settle=2.0, steady=10.0, quiet=5.0, floor=3.0, step=3.0)
QUICK: Final = Lengths(settle=1.0, steady=4.0, quiet=2.0, floor=1.0, step=2.0)
SMOKE: Final = Lengths(settle=0.3, steady=2.0, quiet=0.5, floor=0.2, step=0.5)


@attrs.frozen
class Window:
    """A steady stretch, as the generator and the scheduler saw it."""

    seconds: float
    arrived: Arrived
    published: Published
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ns: int
    busiest_ns: int  # by the server's busiest thread, which is its media worker as soon as there is load
    generator_share: float

    @property
    def us_a_packet(self) -> float:
        return self.cpu_ns / 1000 / max(1, self.arrived.expected)


@attrs.frozen
class Keeping:
    """CPU a second of the server, without media."""

    reports_ns: float
    checks_ns: float


@attrs.frozen
class Row:
    """One line of the table."""

    n: int
    column: str
    cpu_us: float
    worker_us: float
    rr_us: float
    stun_us: float
    floor: FloorFigure
    ratio: float
    loss: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    generator_share: float


@attrs.frozen
class Step:
    """One rate of the sweep. Buffers hide loss for a while, so a delay that shows a queue counts as not keeping up."""

    fps: int
    packets_per_s: float
    busiest_share: float
    loss: float
    p50_ms: float
    p99_ms: float
    generator_share: float

    @property
    def kept_up(self) -> bool:
        return self.loss <= LOSS_LIMIT and self.p50_ms <= BACKLOG_MS


@attrs.frozen
class Held:
    """The worst delay while the GIL was held, and the worst of the same length without."""

    n: int
    held_s: float
    holds: int
    worst_ms: float
    usual_worst_ms: float


@attrs.define
class Report:
    machine: Machine
    command: str
    rows: list[Row] = attrs.field(factory=list)
    plain_floor: list[FloorFigure] = attrs.field(factory=list)
    joins_per_s: float = 0.0
    memory_kib: float | None = None
    largest: int = 0
    sweep: list[Step] = attrs.field(factory=list)
    half: Step | None = None
    held: Held | None = None


@attrs.frozen
class Bench:
    """The measuring itself: a server, a generator and what to do with them."""

    server: Server
    generator: Child
    lengths: Lengths

    async def window(self, seconds: float) -> Window:
        return await self.window_of(partial(trio.sleep, seconds))

    async def window_of(self, happening: Callable[[], Awaitable[None]]) -> Window:
        await self.generator.ask({"do": "mark"})
        before = machine.thread_times(self.server.pid)
        await happening()
        used = machine.used(before, machine.thread_times(self.server.pid))
        seen = await self.generator.ask({"do": "since"})
        ms = {name: ns / 1e6 for name, ns in seen["delay_ns"].items()}
        elapsed_ns = seen["seconds"] * 1e9
        return Window(
            seen["seconds"],
            Arrived(**seen["arrived"]),
            Published(**seen["published"]),
            ms["p50"],
            ms["p99"],
            ms["max"],
            used.total_ns,
            used.busiest_ns,
            seen["generator_ns"] / elapsed_ns,
        )

    async def keeping(self) -> Keeping:
        """What the connections cost while nobody publishes. Leaves the publisher silent, reports and checks off.

        In short turns: nothing, reports, checks; of each the quieter three quarters count, because now and then
        something else falls into a turn (the server pings its WebSockets, all of them at about the same time).
        """
        await self.silence()
        await trio.sleep(self.lengths.settle)
        turns: dict[tuple[bool, bool], list[float]] = {(False, False): [], (True, False): [], (False, True): []}
        for _ in range(max(1, round(self.lengths.quiet / TURN_S))):
            for (reports, checks), spent in turns.items():
                await self._set("keep", reports=reports, checks=checks)
                spent.append(await self._idle_ns())
        await self.silence()
        nothing, reports_ns, checks_ns = (_lower(spent) for spent in turns.values())
        return Keeping(max(0.0, reports_ns - nothing), max(0.0, checks_ns - nothing))

    async def _idle_ns(self) -> float:
        """CPU a second of the server, over one turn."""
        before, start = machine.thread_times(self.server.pid), trio.current_time()
        await trio.sleep(TURN_S)
        used = machine.used(before, machine.thread_times(self.server.pid))
        return used.total_ns / (trio.current_time() - start)

    async def silence(self) -> None:
        """Nothing goes on but what the server does by itself. Not for longer than consent lasts: 30 s (RFC 7675)."""
        await self._set("rate", fps=0)
        await self._set("keep", reports=False, checks=False)
        await self._set("renew")
        await trio.sleep(self.lengths.settle / 2)

    async def steady(self, column: str) -> Window:
        await self._set("gro", on=column == "gro")
        await self._set("rate", fps=FPS)
        await self._set("keep", reports=True, checks=True)
        await trio.sleep(self.lengths.settle)
        return await self.window(self.lengths.steady)

    async def step(self, fps: int) -> Step:
        await self._set("rate", fps=fps)
        await trio.sleep(min(1.0, self.lengths.settle))
        seen = await self.window(self.lengths.step)
        return Step(
            fps,
            seen.arrived.expected / seen.seconds,
            seen.busiest_ns / 1e9 / seen.seconds,
            seen.arrived.loss,
            seen.p50_ms,
            seen.p99_ms,
            seen.generator_share,
        )

    async def drain(self) -> None:
        """Let what queued up flow off."""
        await self._set("rate", fps=0)
        await trio.sleep(2 * self.lengths.settle)

    async def _set(self, what: str, **values: object) -> None:
        await self.generator.ask({"do": what, **values})


def _lower(values: Sequence[float]) -> float:
    """The mean of the lower three quarters."""
    kept = sorted(values)[: max(1, len(values) * 3 // 4)]
    return sum(kept) / len(kept)


async def measure(report: Report, sizes: Sequence[int], lengths: Lengths, whole: bool, say: Progressing) -> list[str]:
    """Fill the report; what went wrong in words, if anything."""
    wrong: list[str] = []
    report.largest = max(sizes)
    with tempfile.TemporaryDirectory(prefix="atrium-bench-") as temporary:
        async with AsyncExitStack() as stack:
            say.step("starting the server")
            server = await stack.enter_async_context(serving(Path(temporary) / "data"))
            generator = await _generator(stack, server, report.largest)
            bench = Bench(server, generator, lengths)
            await generator.ask({"do": "rate", "fps": FPS})
            await trio.sleep(lengths.settle)
            resident = machine.resident_bytes(server.pid)
            joined, joining_s = 0, 0.0
            for n in sizes:
                say.step(f"N={n}: joining")
                await generator.ask({"do": "keep", "reports": True, "checks": True})
                answer = await generator.ask({"do": "subscribe", "n": n}, 180)
                joined, joining_s = n, joining_s + answer["seconds"]
                await bench.silence()
                say.step(f"N={n}: the floor")
                before = await floor.measure([n], lengths.floor)
                windows = {}
                for column in COLUMNS:
                    say.step(f"N={n}: {column}")
                    windows[column] = await bench.steady(column)
                    wrong += _doubts(n, column, windows[column])
                if n == report.largest and n >= TARGET_FROM:
                    report.memory_kib = (machine.resident_bytes(server.pid) - resident) / n / 1024
                say.step(f"N={n}: reports and checks alone")
                keeping = await bench.keeping()
                say.step(f"N={n}: the floor again")
                after = await floor.measure([n], lengths.floor)
                floors = {one.column: one.mean(other) for one, other in zip(before, after, strict=True)}
                report.plain_floor.append(floors["plain"])
                report.rows += [_row(n, windows[column], keeping, floors[column]) for column in COLUMNS]
            report.joins_per_s = joined / max(joining_s, 1e-9)
            if whole:
                await _sweep(report, bench, say)
        if whole:
            say.step("holding the GIL")
            report.held = await _hold(Path(temporary) / "held", min(100, report.largest), lengths)
    return wrong


async def _generator(stack: AsyncExitStack, server: Server, capacity: int) -> Child:
    generator = await stack.enter_async_context(started("the load generator", ["-m", "benches.generator"]))
    request: Json = {"do": "enter", "url": server.websocket("/room"), "room": server.room, "capacity": capacity}
    await generator.ask(request, 60)
    return generator


def _row(n: int, window: Window, keeping: Keeping, ground: FloorFigure) -> Row:
    packets_per_s = window.arrived.expected / window.seconds
    return Row(
        n,
        ground.column,
        window.us_a_packet,
        window.us_a_packet * window.busiest_ns / max(1, window.cpu_ns),
        keeping.reports_ns / 1000 / max(1.0, packets_per_s),
        keeping.checks_ns / 1000 / max(1.0, packets_per_s),
        ground,
        window.us_a_packet / ground.whole_us,
        window.arrived.loss,
        window.p50_ms,
        window.p99_ms,
        window.max_ms,
        window.generator_share,
    )


def _doubts(n: int, column: str, window: Window) -> list[str]:
    """What makes a window's figures worthless."""
    arrived, published = window.arrived, window.published
    # A frame may be under way at either end of the window.
    due = max(0, published.packets - 2 * PACKETS_A_FRAME) * n
    doubts = {
        "nothing was published": published.packets == 0,
        f"{arrived.received} packets arrived of {published.packets} published to {n}": arrived.received < 0.9 * due,
        f"{arrived.expected} packets left the server, {due} were due": arrived.expected < 0.99 * due,
        f"{arrived.refused} packets did not decrypt": arrived.refused > 0,
        "no packet was decrypted": arrived.decrypted == 0,
        f"{arrived.strange} packets of an unannounced SSRC": arrived.strange > 0,
        f"{arrived.rtcp_refused + published.rtcp_refused} RTCP packets did not decrypt": (
            arrived.rtcp_refused + published.rtcp_refused > 0
        ),
        f"the generator was late with {published.late} frames of {published.frames}": (
            published.late > 0.05 * published.frames
        ),
    }
    return [f"N={n} {column}: {doubt}" for doubt, holds in doubts.items() if holds]


async def _sweep(report: Report, bench: Bench, say: Progressing) -> None:
    """Frame rates upward until the server no longer keeps up, halving the gap then; the delay at half of the best."""
    await bench.steady("gro")
    good, bad = FPS, MAX_FPS
    while bad - good > max(1, good // 20):
        fps = round(good * 1.4) if bad == MAX_FPS else (good + bad) // 2
        say.step(f"N={report.largest}: {fps} frames/s")
        step = await bench.step(fps)
        if not step.kept_up:
            await bench.drain()
            step = await bench.step(fps)  # one hiccup of the machine is not the limit
        report.sweep.append(step)
        if step.kept_up:
            good = fps
        else:
            bad = fps
            await bench.drain()
        if step.generator_share > 0.95:
            break
    say.step("half of that")
    await bench.drain()
    report.half = await bench.step(max(1, good // 2))
    await bench.drain()


async def _hold(data: Path, n: int, lengths: Lengths) -> Held:
    """A server of its own, because it is started differently."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(data, aside=True))
        generator = await _generator(stack, server, n)
        bench = Bench(server, generator, lengths)
        await generator.ask({"do": "subscribe", "n": n}, 120)
        await generator.ask({"do": "rate", "fps": FPS})
        await trio.sleep(lengths.settle)
        usual = await bench.window(HOLDS * 2 * HELD_S)

        async def hold() -> None:
            for _ in range(HOLDS):
                await server.hold_gil(HELD_S)
                await trio.sleep(2 * HELD_S)

        held = await bench.window_of(hold)
    return Held(n, HELD_S, HOLDS, held.max_ms, usual.max_ms)


def show(report: Report, console: Console) -> None:
    table = Table(title="CPU of the server for each forwarded packet, in µs; delays in ms", title_justify="left")
    table.add_column("N", justify="right")
    table.add_column("receivers", no_wrap=True)
    for name in (
        "CPU",
        "worker",
        "RR",
        "STUN",
        "floor",
        "send + GCM + copy",
        "ratio",
        f"≤ {TARGET}",
        "loss",
        "p50",
        "p99",
        "max",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(
            str(row.n),
            row.column,
            f"{row.cpu_us:.2f}",
            f"{row.worker_us:.2f}",
            f"{row.rr_us:.2f}",
            f"{row.stun_us:.2f}",
            f"{row.floor.whole_us:.2f}",
            f"{row.floor.send_us:.2f} + {row.floor.gcm_us:.2f} + {row.floor.copy_us:.2f}",
            f"{row.ratio:.2f}",
            "" if row.n < TARGET_FROM else "yes" if row.ratio <= TARGET else "no",
            f"{row.loss:.3%}",
            f"{row.p50_ms:.2f}",
            f"{row.p99_ms:.2f}",
            f"{row.max_ms:.1f}",
        )
    console.print(table)
    console.print("\n".join(_remarks(report)), highlight=False)


def _reached(yes: bool) -> str:
    return "reached" if yes else "not reached"


def _remarks(report: Report) -> Iterator[str]:
    without = ", ".join(f"{figure.whole_us:.2f} at N={figure.n}" for figure in report.plain_floor)
    yield f"floor without trains: {without} µs"
    for row in report.rows:
        if row.n == TARGET_FROM:
            yield (
                f"delay p50 at N={row.n}, {row.column}: {row.p50_ms:.2f} ms "
                f"(≤ {DELAY_TARGET_MS:g}: {_reached(row.p50_ms <= DELAY_TARGET_MS)})"
            )
    if report.memory_kib is not None:
        yield (
            f"memory: {report.memory_kib:.0f} KiB a subscriber at N={report.largest} "
            f"(≤ {MEMORY_TARGET_KIB}: {_reached(report.memory_kib <= MEMORY_TARGET_KIB)})"
        )
    yield f"joins (sign-in, ICE, DTLS, subscription): {report.joins_per_s:.0f} a second"
    yield from _sweep_remarks(report)
    if (held := report.held) is not None:
        yield (
            f"GIL held {held.holds} times for {held.held_s:g} s at N={held.n}: "
            f"worst delay {held.worst_ms:.1f} ms, {held.usual_worst_ms:.1f} ms without "
            f"(aim {HELD_TARGET_MS:g}: {_reached(held.worst_ms <= HELD_TARGET_MS)})"
        )
    busiest = max((row.generator_share for row in report.rows), default=0.0)
    yield f"the generator used up to {busiest:.0%} of its core in the table"
    yield f"machine: {report.machine}, Python {platform.python_version()}"
    yield f"command: {report.command}"


def _sweep_remarks(report: Report) -> Iterator[str]:
    if not report.sweep:
        return
    by_rate = sorted(report.sweep, key=attrgetter("fps"))
    best = next((step for step in reversed(by_rate) if step.kept_up), None)
    first = next((step for step in by_rate if not step.kept_up), None)
    if best is not None:
        yield (
            f"sweep at N={report.largest}: nothing is lost and nothing queues up to {best.packets_per_s:,.0f} "
            f"packets/s, {best.busiest_share:.0%} of a core"
        )
    if first is not None:
        yield (
            f"at {first.packets_per_s:,.0f} packets/s loss is {first.loss:.2%} and the median delay "
            f"{first.p50_ms:.0f} ms, with {first.busiest_share:.0%} of a core "
            f"(not below {SHARE_TARGET:.0%}: {_reached(first.busiest_share >= SHARE_TARGET)})"
        )
    if (share := max(step.generator_share for step in by_rate)) > 0.9:
        yield f"the generator used up to {share:.0%} of its own core there, so the loss may be its own"
    if report.half is not None:
        yield (
            f"at half of it, {report.half.packets_per_s:,.0f} packets/s: "
            f"delay p50 {report.half.p50_ms:.2f} ms, p99 {report.half.p99_ms:.2f} ms"
        )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benches.forward", description="What forwarding a packet costs.")
    parser.add_argument("--n", default="10,100,500", help="subscribers, comma separated, ascending")
    parser.add_argument("--quick", action="store_true", help="shorter stretches, no sweep, no GIL test")
    parser.add_argument("--smoke", action="store_true", help="ten seconds at N=10, to see that packets flow")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE as well")
    options = parser.parse_args(arguments)
    sizes = [10] if options.smoke else sorted({int(n) for n in options.n.split(",")})
    lengths = SMOKE if options.smoke else QUICK if options.quick else FULL
    whole = not (options.smoke or options.quick)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    report = Report(machine.describe(), shlex.join(["python", "-m", "benches.forward", *arguments]))
    say = Progressing(Console(stderr=True), steps=1 + 6 * len(sizes) + (16 if whole else 0))
    try:
        with say.showing():
            wrong = trio.run(measure, report, sizes, lengths, whole, say)
    except ChildFailed as error:
        console.print(f"the bench failed: {error}", style="red", highlight=False, markup=False)
        return 1
    show(report, console)
    for words in wrong:
        console.print(f"not to be trusted: {words}", style="red", highlight=False)
    if options.json:
        options.json.write_text(json.dumps(attrs.asdict(report), indent=2) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
