"""What reports of clients cost that are durable when they are answered (contract analytics, sections 4.3 to 4.5).

Each connection is one person's page, all of them in one conference; the requests come from another process on another core
(benches.asker), which has one of the two cores in common with the server. SQLite syncs each commit. In this order:

  steady      1,050 requests a second, whether or not the server keeps up: `/stats` with bodies as Chromium sends them, and
              `/connection/batch` with 20 events each
  flat out    each page asks again as soon as it has its answer; `/connection` with one event, too

At the end the store has to have as many events as were answered. The columns are those of benches.asking. Then somebody opens that
conference in the dashboard: what its page asks for, one request after the other, while it goes on and, once its graphs are made,
after its end.

`python -m benches.analytics [--quick] [--smoke] [--json FILE]`
"""

import argparse
import json
import platform
import shlex
import sqlite3
import sys
import time
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

PAGES: Final = 50
BATCH: Final = 20
TARGET_MS: Final = 50.0
SETTINGS: Final = {
    "ATRIUM_ANALYTICS_RATE_LIMIT_PER_MINUTE": str(10**9),
    "ATRIUM_ANALYTICS_MAX_EVENTS_PER_SESSION": str(10**9),
}
KINDS: Final = ("audio", "video")
# Reports of a call with sound and picture both ways make a body of 8.8 kB; those of Chromium 140 are of 8.7.
REPORT_FIELDS: Final = 26


@attrs.frozen
class Length:
    per_s: int
    steady_s: float
    flat_out_s: float


FULL: Final = Length(per_s=1050, steady_s=10.0, flat_out_s=5.0)
QUICK: Final = Length(per_s=1050, steady_s=3.0, flat_out_s=1.0)
SMOKE: Final = Length(per_s=100, steady_s=0.5, flat_out_s=0.2)


@attrs.frozen
class Page:
    """Somebody who reports."""

    token: str = attrs.field(repr=False)
    peer: str
    connection: str

    def stats(self) -> Json:
        return self._post("/stats", connectionId=self.connection, data=_statistics(), timeTaken=3)

    def batch(self) -> Json:
        return self._post("/connection/batch", data=[self._candidate(number) for number in range(BATCH)])

    def event(self) -> Json:
        return self._post("/connection", **self._candidate(0))

    def _candidate(self, number: int) -> Json:
        candidate = f"candidate:{number} 1 udp 2122260223 192.0.2.{number} 50000 typ host generation 0 ufrag abcd"
        return {
            "eventName": "onicecandidate",
            "peerId": self.peer,
            "connectionId": self.connection,
            "delta": 10 * number,
            "data": {"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "abcd"},
        }

    def _post(self, path: str, **body: object) -> Json:
        text = json.dumps({"token": self.token, **body}, separators=(",", ":"))
        return {
            "method": "POST",
            "path": f"/analytics/v1{path}",
            "headers": {"Content-Type": "text/plain"},
            "body": text,
        }


@attrs.define
class Report:
    machine: Machine
    command: str
    length: Length
    stats_bytes: int = 0
    rows: list[Row] = attrs.field(factory=list)
    events: int = 0
    open_ms: float = 0.0
    """While it goes on. The next: once it is over."""
    open_again_ms: float = 0.0
    graphs_s: float = 0.0
    """Until its graphs are there."""


async def measure(report: Report, say: Progressing) -> None:
    length = report.length
    say.step("starting the server")
    async with crowded("benches.asker", 2 * PAGES, SETTINGS) as bench:
        bench.server.take_all_cores()
        say.step(f"opening {PAGES} pages")
        pages = await _open_pages(bench)
        stats = [page.stats() for page in pages]
        batches, events = [page.batch() for page in pages], [page.event() for page in pages]
        report.stats_bytes = len(stats[0]["body"])
        expected = PAGES
        for name, requests, each, per_s, seconds in (
            ("/stats, steady", stats, 3, length.per_s, length.steady_s),
            (f"{BATCH} events, steady", batches, BATCH, length.per_s, length.steady_s),
            ("/stats, flat out", stats, 3, 0, length.flat_out_s),
            (f"{BATCH} events, flat out", batches, BATCH, 0, length.flat_out_s),
            ("one event, flat out", events, 1, 0, length.flat_out_s),
        ):
            say.step(name)
            measured = await row(bench, Asked(name, requests, PAGES), seconds, per_s)
            report.rows.append(measured)
            expected += each * (measured.delays.count + PAGES)  # each connection has asked once before
        report.events = _stored(bench.server.data)
        if report.events != expected:
            raise ChildFailed(f"{report.events:,} events are stored, and {expected:,} were answered")
        say.step("opening the conference")
        await _open_conference(bench, report)


async def _open_conference(bench: Bench, report: Report) -> None:
    root = f"{bench.server.http}/analytics/v1"
    key = json.loads((bench.server.data / "server.json").read_text())["key"]
    async with httpx.AsyncClient(
        base_url=root, trust_env=False, headers={"Authorization": f"Bearer {key}"}, timeout=60.0
    ) as client:

        async def ask(path: str) -> Any:
            return (await client.get(path)).raise_for_status().json()

        (found,) = (await ask("/conferences?conference_id=bench"))["data"]
        id = found["id"]
        page = f"/conferences/{id}/events?limit=200"
        always = (
            f"/conferences/{id}",
            *(f"/{what}?conferenceId={id}" for what in ("participants", "connections", "issues", "sessions")),
            *(f"{page}&type=-stats&offset={offset}" for offset in range(0, 1000, 200)),
            f"/conferences/{id}/graphs?points=240",
            f"{page}&type=-stats",
        )

        async def opened(*paths: str) -> float:
            began = time.perf_counter()
            for path in paths:
                await ask(path)
            return 1000 * (time.perf_counter() - began)

        report.open_ms = await opened(*always, f"{page}&type=stats&order=-created_at")
        app = (await ask("/apps"))["data"][0]
        began = time.perf_counter()
        stop = {"apiKey": app["api_key"], "conferenceId": "bench"}
        (await client.post("/services/stop-conference", json=stop)).raise_for_status()
        while "building" in await ask(f"/conferences/{id}/graphs?points=1"):
            await trio.sleep(0.1)
        report.graphs_s = time.perf_counter() - began
        report.open_again_ms = await opened(*always)


async def _open_pages(bench: Bench) -> list[Page]:
    data = bench.server.data
    add = ["app", "add", "--organization", "bench", "--name", "bench", "--data", str(data), "--json"]
    made = await trio.run_process([sys.executable, "-m", "api", *add], capture_stdout=True)
    key = json.loads(made.stdout)["apiKey"]
    async with httpx.AsyncClient(base_url=f"{bench.server.http}/analytics/v1", trust_env=False) as client:

        async def post(path: str, **body: object) -> Any:
            return (await client.post(path, json=body)).raise_for_status().json()

        pages = []
        for number in range(PAGES):
            hello = await post("/initialize", apiKey=key, conferenceId="bench", userId=f"user {number}")
            session = await post("/sessions", token=hello["token"])
            there = await post("/connection", token=session["token"], eventName="addConnection", peerId="sfu")
            pages.append(Page(session["token"], there["peer_id"], there["connection_id"]))
        return pages


def _statistics() -> Json:
    def report(kind: str, direction: str) -> Json:
        counts = {f"{direction}{kind.title()}Counter{number}": 1234567.875 + number for number in range(REPORT_FIELDS)}
        track = {"trackIdentifier": f"{kind}-5a61cf8c-f1d2-4b0c-9d0e"} if direction == "outbound" else {}
        ids = {"id": f"{direction}{kind}", "ssrc": 3735928559, "mediaType": kind, "track": track}
        return {**ids, "packetsSent": 98765, "bytesSent": 12345678, "jitter": 0.012, **counts, "codec": dict(counts)}

    both = {kind: {way: [report(kind, way)] for way in ("inbound", "outbound")} for kind in KINDS}
    end = {"candidateType": "host", "protocol": "udp", "address": "192.0.2.1", "port": 50000, "priority": 2122260223}
    pair = {"id": "CP1", "state": "succeeded", "nominated": True, "currentRoundTripTime": 0.012, "bytesSent": 123456}
    return {"connection": {**pair, "local": end, "remote": end}, **both, "remote": {"audio": {}, "video": {}}}


def _stored(data: Path) -> int:
    database = sqlite3.connect(data / "atrium.db")
    try:
        return int(database.execute("SELECT count(*) FROM call_events").fetchone()[0])
    finally:
        database.close()


def remarks(report: Report) -> Iterator[str]:
    yield f"/stats: bodies of {report.stats_bytes / 1000:.1f} kB, 3 events each; {report.events:,} events stored in all"
    for each in report.rows:
        if each.name.startswith(f"{BATCH} events"):
            yield f"{each.name}: {BATCH * each.per_s:,.0f} events a second, {each.cpu_us / BATCH:.0f} µs of CPU each"
    yield (
        f"a conference of {report.events:,} events opens in {report.open_ms:,.0f} ms, and after its end in "
        f"{report.open_again_ms:,.0f} ms; its graphs were there {report.graphs_s:.1f} s after it"
    )
    yield f"machine: {report.machine}, Python {platform.python_version()}"
    yield f"command: {report.command}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benches.analytics", description="What reports of clients cost.")
    parser.add_argument("--quick", action="store_true", help="shorter measurements")
    parser.add_argument("--smoke", action="store_true", help="a few seconds, to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE as well")
    options = parser.parse_args(arguments)
    length = SMOKE if options.smoke else QUICK if options.quick else FULL
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    report = Report(machine.describe(), shlex.join(["python", "-m", "benches.analytics", *arguments]), length)
    say = Progressing(Console(stderr=True), steps=8)
    try:
        with say.showing():
            trio.run(measure, report, say)
    except (ChildFailed, httpx.HTTPError, OSError) as error:
        console.print(f"the bench failed: {error}", style="red", highlight=False, markup=False)
        return 1
    console.print(table(f"{PAGES} pages that report: delays in ms", report.rows, TARGET_MS))
    console.print("\n".join(remarks(report)), highlight=False, soft_wrap=True)
    if options.json:
        options.json.write_text(json.dumps(attrs.asdict(report), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
