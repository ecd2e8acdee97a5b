"""Limits on what comes over HTTP, and the table of all limits of the server as the README prints it.

A limit is a constant of one of the LIMIT_MODULES, with the sentence that explains it below it; constants that share a
sentence stand together above it. The table is read from those modules, so none is missing from it.
"""

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from typing import Final

import attrs

HEADER_BYTES: Final = 16 * 1024
"""All header fields of a request, names and values; more is answered 431."""

PATH_BYTES: Final = 2048
"""Path of a request; more is answered 414."""

QUERY_BYTES: Final = 16 * 1024
"""Query of a request, which may name some hundred records by their UUIDs; more is answered 414."""

BODY_BYTES: Final = 256 * 1024
"""Body of a REST request; more is answered 413."""

DROPPED_BYTES: Final = 2 * 1024 * 1024
"""Of the body of a request that has been answered before all of it came; after more the connection is closed."""

BODY_TIMEOUT_S: Final = 30.0
"""Time for the body of a request to arrive; then 408."""

HEAD_TIMEOUT_S: Final = 5.0
"""Time for the head of a request to arrive, and for an idle connection to send another; then it is closed."""

WRITE_STALL_S: Final = 10.0
"""Time for a peer to take what one write hands it; then its connection is cut."""

CLOSE_STALL_S: Final = 2.0
"""Time for a peer to take a WebSocket close frame; then its connection is cut."""

CONNECTIONS: Final = 10_000
"""HTTP connections and WebSockets at once, but no more than three quarters of the files that the process may open; a
further one is answered 503."""

ADDRESS_CONNECTIONS: Final = 1000
"""Of these from one IPv4 address or IPv6 /64, unless it is loopback or a trusted proxy; a further one is answered 503."""

REFUSED_CONNECTIONS: Final = 64
"""Connections at once that are being answered such a 503; further ones are closed without an answer."""

EARLY_BYTES: Final = 64 * 1024
"""WebSocket bytes that may follow an upgrade before it is answered; more cuts the connection."""

UNREAD_MESSAGES: Final = 1
"""Messages of one WebSocket that are read ahead while one is being handled; the rest waits in the network."""

MISSED_PONGS: Final = 2
"""Pings in a row that may go unanswered; then the connection is cut."""

KEY_CHARS: Final = 256
"""A bearer key as sent; longer ones are refused unread."""

ROOM_NAME_CHARS: Final = 255
"""Name of a room, after trimming; 422."""

ROOM_PASSWORD_CHARS: Final = 128
"""Password of a room; 422."""

ROOM_MEMBERS: Final = 1000
"""Users on the list of one room; 422."""

PASSWORD_CHECKS_WAITING: Final = 32
"""Passwords that wait to be hashed or checked, 0.15 s each; a further one is answered 429."""

PROVEN_PASSWORDS: Final = 10_000
"""Passwords that are remembered to have been right, as MACs; the longest unused one is forgotten first."""

REVOCATIONS: Final = 100_000
"""Calls and rooms whose tokens were revoked; one more, and all tokens issued until the oldest of them are void instead."""

ROOM_REVOCATIONS: Final = 1000
"""Of these in one room; one more, and all tokens of the room issued until then are void instead."""

UNINVITED: Final = 10_000
"""Ended invitations whose tokens are answered 410, counted apart; the oldest is forgotten first, and who was invited by it
can then still come in late."""

DOMAIN_CHARS: Final = 255
"""Domain of a licence; the command refuses more."""

LICENCE_MAXIMUM: Final = 1_000_000_000
"""Largest limit of rooms or users of a licence; the command refuses more."""

KEY_DAYS: Final = 36_500
"""Longest life of a licence key, in days; the command refuses more."""

DOUBTFUL_ROOMS: Final = 1000
"""Rooms of licences to be removed from the store that it may never have had, because it failed; further ones may be there
again after a restart."""

S_CONNECTOR_BODY_BYTES: Final = 64 * 1024
"""Body of a request to s-connector's REST API; more is answered 413."""

ACCESS_TOKEN_MINUTES: Final = 525_600
"""Longest life of an access token, in minutes; 400."""

TOKENS_REMEMBERED: Final = 4096
"""Keys and tokens of licences whose signatures are not looked at again, and of reporting clients; of more, the one not seen
for longest is forgotten."""

CONFERENCES_KEPT: Final = 1000
"""Conferences of call analytics that are kept in memory between two reports; of more, the one not reported for longest is
loaded again."""

REPORTS_WAITING: Final = 2000
"""Reports of clients that wait to be written; 503."""

REPORT_BYTES_WAITING: Final = 64 * 1024 * 1024
"""The same in bytes of their bodies; 503."""

REPORTS_TOGETHER: Final = 500
"""Reports that are written with one commit."""

ANALYTICS_ADDRESSES: Final = 100_000
"""Addresses whose requests to `/analytics/v1` are counted within a minute; with more the count begins anew."""

HAPPENINGS_WAITING: Final = 10_000
"""Comings, goings and the like in rooms that wait to be reported by the server itself; of more, what has become of them is
found out by the next look at the rooms."""

LISTED_ROWS: Final = 20_000
"""Rows of a list of call analytics that is asked for whole; of more, it has to be asked for with `limit` and `offset`: 400
`too_many_rows`."""

SEARCHED_RECORDS: Final = 20_000
"""Conferences and participants, of each the newest, among which is searched."""

SUMMARY_SNAPSHOTS: Final = 100_000
"""Statistics in the graphs of one conference; later ones are left out."""

SUMMARIES_WAITING: Final = 1000
"""Conferences that have ended and wait for their graphs; further ones are found in the store when these are done."""

OVERVIEWS_KEPT: Final = 1000
"""Answers on the calls of an app that are given again within `summary_cache_s`; of more, all are counted anew."""

EXPORTS: Final = 4
"""Conferences that are exported at once; 503."""

USER_AGENT_CHARS: Final = 512
"""Of a User-Agent, as many are looked at."""

SESSION_VISITORS: Final = 50
"""People who have left a session that runs, as they are listed; of more, the first to leave are forgotten."""

SIGN_IN_FAILURES: Final = 10
"""Failed sign-ins to the dashboard within a minute from one address; further ones are answered 429."""

SIGN_IN_S: Final = 12 * 60 * 60
"""Life of a sign-in to the dashboard; then its token is answered 401."""

USAGE_DAYS: Final = 366
"""Days of usage in one answer to the dashboard; 422."""

UNWRITTEN_SESSIONS: Final = 10_000
"""Sessions that are over and wait to be written, because the store fails; of more, the oldest end when they were last
written."""

USAGE_SESSIONS: Final = 100_000
"""Sessions in one answer on usage; a time with more is answered 400."""

LIMIT_MODULES = ("api.limits", "signalling.limits", "sfu.limits", "native.limits")


@attrs.frozen
class Limit:
    module: str
    name: str
    value: str
    meaning: str


def limits() -> list[Limit]:
    """Every limit, module by module, in the order in which they are written."""
    return [limit for name in LIMIT_MODULES if importlib.util.find_spec(name) for limit in _of_module(name)]


def table() -> str:
    """The limits as the Markdown table that stands in the README."""
    rows = [
        f"| `{limit.module.partition('.')[0]}` {limit.name} | {limit.value} | {limit.meaning} |" for limit in limits()
    ]
    return "\n".join(["| limit | value | what it bounds |", "| --- | --- | --- |", *rows])


def _of_module(name: str) -> Iterator[Limit]:
    module = importlib.import_module(name)
    unexplained: list[str] = []
    for statement in ast.parse(inspect.getsource(module)).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=constant)]) | ast.AnnAssign(target=ast.Name(id=constant)) if (
                constant.isupper() and isinstance(getattr(module, constant), int | float)
            ):
                unexplained.append(constant)
            case ast.Expr(value=ast.Constant(value=str(meaning))):
                for constant in unexplained:
                    yield Limit(name, constant, f"{getattr(module, constant):,}", " ".join(meaning.split()))
                unexplained = []


if __name__ == "__main__":
    print(table())
