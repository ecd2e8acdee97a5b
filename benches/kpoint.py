"""What KPOINT's sockets and one of its group rooms cost, and how soon all inside hear what one says (contract kpoint).

The sockets come from another process on another core (benches.crowd); none has media. In this order, of one server with the
licence of `--demo`:

  register  1,000 sockets that have registered and say nothing: memory of each, and CPU of all at rest
  burst     N of them join one group room as fast as they can, N(N-1)/2 pushes in all
  visit     one more joins and leaves: from its request until each of the N has read of it
  chat      that one stays and says something: from its request until each of the N has read it
  drawing   five of the N draw, slowly and then at 60 strokes a second each; each stroke goes to N. Strokes come whether or not the
            server keeps up: at full speed they are more than one core can tell one by one, and those that wait for a
            socket go out together

What the columns of the table are is in benches.crowded.

`python -m benches.kpoint [--members 300] [--quick] [--smoke] [--json FILE]`
"""

import sys
from collections.abc import Iterator
from typing import Final

import attrs

from benches.child import Json
from benches.crowded import Command, Lengths, Memory, Report, crowded
from benches.progress import Progressing

SOCKETS: Final = 1000
ROOM: Final = "hall"
TARGET_MS: Final = 100.0
DRAWERS: Final = 5
STROKES_PER_S: Final = (12, 60)
"""Of each drawer."""


@attrs.frozen
class Length:
    sockets: int
    rest_s: float
    visits: int
    chats: int
    drawing_s: float


LENGTHS: Final = Lengths(
    # 20 s is one ping of every socket.
    full=Length(sockets=SOCKETS, rest_s=20.0, visits=100, chats=100, drawing_s=3.0),
    quick=Length(sockets=SOCKETS, rest_s=5.0, visits=30, chats=30, drawing_s=1.0),
    smoke=Length(sockets=60, rest_s=0.5, visits=6, chats=6, drawing_s=0.5),
)


@attrs.frozen
class Drawing:
    per_s: float
    behind_ms: float
    """How late the last stroke left: the crowd was held up itself."""
    push_us: float


@attrs.define
class KpointReport(Report):
    sockets: int = 0
    register_ms: float = 0.0
    socket: Memory | None = None
    member: Memory | None = None
    chat_us: float = 0.0
    drawings: list[Drawing] = attrs.field(factory=list)


async def measure(report: KpointReport, length: Length, say: Progressing) -> None:
    n = report.members
    report.sockets = sockets = max(length.sockets, n)
    say.step("starting the server")
    async with crowded("benches.crowd_kpoint", sockets) as bench:
        key = await bench.server.kpoint_key()
        door: Json = {"do": "open", "url": bench.server.websocket("/kpoint"), "room": ROOM, "key": key}
        # One visit before anything is measured: what is imported, compiled and allocated once.
        await bench.window({**door, "n": 0})
        await bench.window({"do": "make"})
        await bench.window({"do": "visit", "times": 2})
        report.empty_cpu = await bench.rest(length.rest_s / 4)
        empty = await bench.memory()

        say.step(f"{sockets} sockets register")
        opened = await bench.window({**door, "n": sockets})
        report.register_ms = opened.server_ns / 1e6 / sockets
        registered = await bench.memory()
        report.socket = registered.each(empty, sockets)

        say.step("rest")
        report.rest_cpu = await bench.rest(length.rest_s)

        say.step(f"{n} join at once")
        await bench.all_join(report)
        report.member = (await bench.memory()).each(registered, n)

        say.step("one more joins and leaves")
        await bench.one_more_visits(report, length.visits)

        say.step("it chats")
        await bench.window({"do": "enter"})
        chatted = await bench.window({"do": "chat", "times": length.chats})
        report.chat_us = chatted.server_ns / 1000 / (length.chats * n)
        report.lines.append(chatted.line("chat: heard", "notifications", TARGET_MS))

        say.step("some draw")
        for each_per_s in STROKES_PER_S:
            request: Json = {"do": "draw", "drawers": DRAWERS, "each_per_s": each_per_s, "seconds": length.drawing_s}
            drawn = await bench.window(request)
            push_us = drawn.server_ns / 1000 / (drawn.answer["strokes"] * n)
            report.drawings.append(Drawing(DRAWERS * each_per_s, drawn.answer["behind_ms"], push_us))
            report.lines.append(drawn.line(f"drawing {DRAWERS} x {each_per_s}/s: heard", "notifications"))


def remarks(report: KpointReport) -> Iterator[str]:
    n = report.members
    yield (
        f"memory of each of {report.sockets:,} sockets that have registered: {report.socket}; "
        f"more for being inside a room: {report.member}"
    )
    yield report.told_by_joins()
    yield f"CPU: a socket and its register {report.register_ms:.1f} ms; a chat delivered {report.chat_us:.1f} µs"
    for drawing in report.drawings:
        yield (
            f"drawing, {drawing.per_s:g} strokes and {drawing.per_s * n:,.0f} pushes a second: CPU of a push "
            f"{drawing.push_us:.1f} µs; the last stroke left {drawing.behind_ms:.1f} ms late"
        )
    yield f"CPU at rest: {report.rest_cpu:.2%} of a core with all sockets, {report.empty_cpu:.2%} with one"


COMMAND: Final = Command(
    "benches.kpoint",
    "What KPOINT's sockets and one of its group rooms cost.",
    7,
    LENGTHS,
    KpointReport,
    measure,
    remarks,
)


if __name__ == "__main__":
    sys.exit(COMMAND.run(sys.argv[1:]))
