"""What one large room costs, and how soon its members hear of each other: the real server, N members over WebSockets.

The members come from another process on another core (benches.crowd). They offer media that they never connect, and
`[media] connect_timeout_s` is raised so that they may stay: this is about what a room says, benches.forward is about what it
plays. In this order, of one server:

  sign-in  N sockets that have authenticated: memory of each
  burst    all of them join as fast as they can: each join is told to all who are inside, N(N-1)/2 notifications in all
  rest     nobody says anything (the server pings each socket every 20 s): memory and CPU of an idle member
  toggle   one member mutes and unmutes: N-1 notifications each time, which is what a notification costs
  visit    one more joins and leaves: from its request, and from its reply, until each of the N has read of it

What the columns of the table are is in benches.crowded.

`python -m benches.rooms [--members 300] [--quick] [--smoke] [--json FILE]`
"""

import sys
from collections.abc import Iterator
from typing import Final

import attrs

from benches.child import Json
from benches.crowded import Command, Lengths, Memory, Report, crowded
from benches.progress import Progressing

JOIN_TARGET_MS: Final = 250.0
SETTINGS: Final = {"ATRIUM_MEDIA_CONNECT_TIMEOUT_S": "3600"}


@attrs.frozen
class Length:
    rest_s: float
    toggles: int
    visits: int


LENGTHS: Final = Lengths(
    full=Length(rest_s=20.0, toggles=100, visits=100),  # 20 s is one ping of every socket
    quick=Length(rest_s=5.0, toggles=30, visits=30),
    smoke=Length(rest_s=0.5, toggles=6, visits=6),
)


@attrs.define
class RoomReport(Report):
    sign_in_ms: float = 0.0
    socket: Memory | None = None
    member: Memory | None = None
    notification_us: float = 0.0


async def measure(report: RoomReport, length: Length, say: Progressing) -> None:
    n = report.members
    say.step("starting the server")
    async with crowded("benches.crowd_room_api", n, SETTINGS) as bench:
        door: Json = {"do": "open", "url": bench.server.websocket("/room"), "room": bench.server.room}
        # One visit before anything is measured: what is imported, compiled and allocated once.
        await bench.window({**door, "n": 0})
        await bench.window({"do": "visit", "times": 2})
        report.empty_cpu = await bench.rest(length.rest_s / 4)
        empty = await bench.memory()

        say.step(f"{n} sockets sign in")
        opened = await bench.window({**door, "n": n})
        report.sign_in_ms = opened.server_ns / 1e6 / n
        signed_in = await bench.memory()
        report.socket = signed_in.each(empty, n)

        say.step("all join at once")
        await bench.all_join(report)
        report.member = (await bench.memory()).each(empty, n)

        say.step("rest")
        report.rest_cpu = await bench.rest(length.rest_s)

        say.step("one mutes and unmutes")
        toggled = await bench.window({"do": "toggle", "times": length.toggles})
        report.notification_us = toggled.server_ns / 1000 / (length.toggles * (n - 1))
        report.lines.append(toggled.line("mute: heard", "notifications"))

        say.step("one more joins and leaves")
        await bench.one_more_visits(report, length.visits, JOIN_TARGET_MS)


def remarks(report: RoomReport) -> Iterator[str]:
    yield report.told_by_joins()
    yield f"memory of a socket that has signed in: {report.socket}; of an idle member: {report.member}"
    yield (
        f"CPU: a sign-in (socket, authenticate) {report.sign_in_ms:.1f} ms; a notification delivered "
        f"{report.notification_us:.1f} µs"
    )
    yield f"CPU at rest: {report.rest_cpu:.2%} of a core, {report.empty_cpu:.2%} with nobody inside"


COMMAND: Final = Command("benches.rooms", "What one large room costs.", 6, LENGTHS, RoomReport, measure, remarks)


if __name__ == "__main__":
    sys.exit(COMMAND.run(sys.argv[1:]))
