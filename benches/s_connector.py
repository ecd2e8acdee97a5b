"""What `GET /v1/sessions` costs with 200 running sessions (contract s-connector, section 5), and how soon it is answered.

The sessions are rooms of one licence, with one to three people each, who are KPOINT's sockets. The requests come from another
process on another core (benches.asker), over connections that stay open; the server has one core. In this order:

  steady      1,000 requests a second, whether or not the server keeps up: the short form with an access token, the detailed
              one with a licence key
  changing    the same while somebody comes and goes: what was put into words before holds only until then
  flat out    each connection asks again as soon as it has its answer
  floor       flat out: a path that is not there, which is refused before anything is looked up, and /healthz, which is quart's

CPU is what the scheduler charged to all threads of the server, in the time from the first request to the last answer. A delay
includes what is not the server's, so three columns say how much that can be: how late the asker was (99 % of its requests),
its share of its core, and how long a server that could run waited for a core that others were on.

`python -m benches.s_connector [--quick] [--smoke] [--json FILE]`
"""

import argparse
import json
import platform
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import httpx
import trio
from rich.console import Console

from benches import machine
from benches.asking import Asked, Row, row, table
from benches.child import ChildFailed, Json
from benches.crowded import WIDTH, Bench, crowded
from benches.machine import Machine
from benches.progress import Progressing
from benches.server import Server

CONNECTIONS: Final = 50
TARGET_MS: Final = 20.0


@attrs.frozen
class Length:
    sessions: int
    per_s: int
    changes_per_s: int
    steady_s: float
    flat_out_s: float


FULL: Final = Length(sessions=200, per_s=1000, changes_per_s=10, steady_s=10.0, flat_out_s=5.0)
QUICK: Final = Length(sessions=200, per_s=1000, changes_per_s=10, steady_s=3.0, flat_out_s=1.0)
SMOKE: Final = Length(sessions=20, per_s=100, changes_per_s=4, steady_s=0.5, flat_out_s=0.2)


@attrs.frozen
class Wanted:
    """What is asked for."""

    name: str
    path: str
    status: int = 200
    token: str = attrs.field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"s-connector-jwt": self.token} if self.token else {}


@attrs.define
class Report:
    machine: Machine
    command: str
    length: Length
    people: int = 0
    rows: list[Row] = attrs.field(factory=list)


async def measure(report: Report, say: Progressing) -> None:
    length = report.length
    say.step("starting the server")
    async with crowded("benches.asker", 3 * length.sessions + CONNECTIONS) as bench:
        bench.server.stay_on_one_core()
        licence = await _make_licence(bench.server.data)
        short = Wanted("short", "/v1/sessions", token=await _access_token(bench.server, licence))
        detailed = Wanted("detailed", "/v1/sessions", token=licence["licenceKey"])

        say.step(f"opening {length.sessions} rooms")
        key = {name: licence[name] for name in ("cpCode", "authKey")}
        rooms = {"do": "open", "url": bench.server.websocket("/kpoint"), "key": key, "rooms": length.sessions}
        report.people = (await bench.window(rooms)).answer["people"]
        for wanted in (short, detailed):
            await _check(bench.server, wanted, report)

        for how, changes in (("steady", 0), ("changing", length.changes_per_s)):
            for wanted in (short, detailed):
                say.step(f"{wanted.name}, {how}")
                report.rows.append(await _row(bench, wanted, how, length.steady_s, length.per_s, changes))
        for wanted in (
            short,
            detailed,
            Wanted("floor: 404", "/v1/nothing", 404),
            Wanted("floor: /healthz", "/healthz"),
        ):
            say.step(f"{wanted.name}, flat out")
            report.rows.append(await _row(bench, wanted, "flat out", length.flat_out_s))
        for wanted in (short, detailed):
            await _check(bench.server, wanted, report)


async def _make_licence(data: Path) -> Any:
    command = [sys.executable, "-m", "api", "licence", "add", "--domain", "bench", "--data", str(data), "--json"]
    return json.loads((await trio.run_process(command, capture_stdout=True)).stdout)


async def _access_token(server: Server, licence: Json) -> str:
    pair = {name: licence[name] for name in ("accessKey", "secretKey")}
    async with httpx.AsyncClient(base_url=server.http, trust_env=False) as client:
        answer = (await client.post("/v1/auth", json=pair)).raise_for_status()
    return str(answer.json()["data"]["accessToken"])


async def _check(server: Server, wanted: Wanted, report: Report) -> None:
    """All sessions are there with all their people."""
    async with httpx.AsyncClient(base_url=server.http, trust_env=False) as client:
        listed = (await client.get(wanted.path, headers=wanted.headers)).raise_for_status().json()["data"]
    found = (len(listed), sum(session["user"] for session in listed))
    if found != (report.length.sessions, report.people):
        raise ChildFailed(f"{wanted.name}: {found[0]} sessions with {found[1]} people are listed")


async def _row(bench: Bench, wanted: Wanted, how: str, seconds: float, per_s: float = 0.0, changes: float = 0.0) -> Row:
    request = {"method": "GET", "path": wanted.path, "headers": wanted.headers, "body": ""}
    asked = Asked(f"{wanted.name}, {how}", [request], CONNECTIONS, wanted.status)
    return await row(bench, asked, seconds, per_s, changes)


def remarks(report: Report) -> Iterator[str]:
    length = report.length
    yield f"steady: {length.per_s:,} requests a second; changing: and {length.changes_per_s} comings or goings a second"
    costs = [row.connection_ms for row in report.rows]
    yield f"CPU of a connection with its first request: {min(costs):.1f} to {max(costs):.1f} ms"
    yield f"machine: {report.machine}, Python {platform.python_version()}"
    yield f"command: {report.command}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benches.s_connector", description="What GET /v1/sessions costs.")
    parser.add_argument("--quick", action="store_true", help="shorter measurements")
    parser.add_argument("--smoke", action="store_true", help="a few seconds with a few rooms, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE as well")
    options = parser.parse_args(arguments)
    length = SMOKE if options.smoke else QUICK if options.quick else FULL
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    report = Report(machine.describe(), shlex.join(["python", "-m", "benches.s_connector", *arguments]), length)
    say = Progressing(Console(stderr=True), steps=10)
    try:
        with say.showing():
            trio.run(measure, report, say)
    except (ChildFailed, httpx.HTTPError, OSError) as error:
        console.print(f"the bench failed: {error}", style="red", highlight=False, markup=False)
        return 1
    title = f"{length.sessions} running sessions of {report.people} people: delays in ms"
    console.print(table(title, report.rows, TARGET_MS))
    console.print("\n".join(remarks(report)), highlight=False, soft_wrap=True)
    if options.json:
        options.json.write_text(json.dumps(attrs.asdict(report), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
