"""What the benches with an asker share: requests by the thousand over connections that stay open, what each costs the server,
and how soon it is answered.

CPU is what the scheduler charged to all threads of the server, in the time from the first request to the last answer. A delay
includes what is not the server's, so three columns say how much that can be: how late the asker was (99 % of its requests),
its share of its core, and how long a server that could run waited for a core that others were on.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

import attrs
from rich.table import Table

from benches.child import Json
from benches.crowded import Bench
from benches.spread import Spread


@attrs.frozen
class Asked:
    name: str
    requests: Sequence[Json]
    """method, path, headers, body; each connection has one of them."""
    connections: int
    status: int = 200


@attrs.frozen
class Row:
    name: str
    per_s: float
    """Answers."""
    errors: int
    delays: Spread
    is_steady: bool
    kilobytes: float
    """Of an answer."""
    cpu_us: float
    """Of the server, each request."""
    connection_ms: float
    """Of the server, each connection with its first request."""
    core: float
    """Share of a core that it took."""
    late_p99_ms: float
    asker_share: float
    waited_share: float


async def row(bench: Bench, asked: Asked, seconds: float, per_s: float = 0.0, changes: float = 0.0) -> Row:
    """`per_s`: requests a second, or, if it is 0, as many as there can be; `changes`: visits a second meanwhile."""
    address = urlsplit(bench.server.http)
    connected = await bench.window(
        {
            "do": "connect",
            "host": address.hostname,
            "port": address.port,
            "requests": asked.requests,
            "status": asked.status,
            "connections": asked.connections,
        }
    )
    window = await bench.window({"do": "get", "per_s": per_s, "seconds": seconds, "visits_per_s": changes})
    delays, elapsed_s = window.spread("delays"), window.answer["seconds"]
    return Row(
        name=asked.name,
        per_s=delays.count / elapsed_s,
        errors=connected.answer["errors"] + window.answer["errors"],
        delays=delays,
        is_steady=per_s > 0,
        kilobytes=window.answer["bytes"] / delays.count / 1000,
        cpu_us=window.server_ns / delays.count / 1000,
        connection_ms=connected.server_ns / asked.connections / 1e6,
        core=window.server_ns / 1e9 / elapsed_s,
        late_p99_ms=window.spread("late").p99,
        asker_share=window.crowd_share,
        waited_share=window.waited_share,
    )


def table(title: str, rows: Sequence[Row], target_ms: float) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("what", no_wrap=True)
    for name in ("requests/s", "errors", "p50", "p99", "max", f"p99 ≤ {target_ms:g}", "CPU µs", "core", "kB"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("late p99", "asker CPU", "waited"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        reached = row.delays.p99 <= target_ms and not row.errors
        table.add_row(
            row.name,
            f"{row.per_s:,.0f}",
            f"{row.errors:,}",
            f"{row.delays.p50:.1f}",
            f"{row.delays.p99:.1f}",
            f"{row.delays.max:.1f}",
            ("yes" if reached else "no") if row.is_steady else "",
            f"{row.cpu_us:,.0f}",
            f"{row.core:.0%}",
            f"{row.kilobytes:.1f}",
            f"{row.late_p99_ms:.1f}",
            f"{row.asker_share:.0%}",
            f"{row.waited_share:.0%}",
        )
    return table
