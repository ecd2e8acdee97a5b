"""Requests that come by the thousand, read without h11 and answered without hypercorn's streams, which cost each of them
more than its answer does.

`recognised` looks at one read of a connection on which nothing is under way. What it takes is there as a whole, and so
ordinary that no two parsers could differ about it (RFC 9112 2 to 6). It refuses nothing: whatever else may come, good or
bad, is h11's to read and to judge. A request that is taken goes the way of all others through the gate and leftovers.py.

Only for handlers beside quart (plain.py): they answer for their own faults, and none waits to hear that its client is gone.
"""

import re
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final
from wsgiref.handlers import format_date_time

import attrs
import trio

from api.plain import ROOM_API

# Nothing is percent-encoded in a path of these.
_HEAD: Final = re.compile(
    rb"(GET|POST|PUT) (?!%b)(/(?:analytics/)?v1/[\w/.~-]*)(?:\?([\w/.~%%&=+:,@-]*))? HTTP/1\.1((?:\r\n[\w-]+:[\t -~]*)+)"
    % "|".join(ROOM_API).encode(),
    re.ASCII,
)
_END: Final = b"\r\n\r\n"
# Each changes what follows the head, or what is to be answered first.
_UNUSUAL: Final = {b"expect", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
# RFC 9110 6.4.1, as far as a final answer to one of these methods goes.
_WITHOUT_BODY: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_LENGTH: Final = re.compile(rb"0|[1-9][0-9]{0,8}")


@attrs.frozen
class Whole:
    """A request, as ASGI has its parts."""

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def scope(self, **connection: object) -> dict[str, Any]:
        return {
            "type": "http",
            "http_version": "1.1",
            "asgi": {"spec_version": "2.1", "version": "3.0"},
            "method": self.method,
            "path": self.path.decode("ascii"),
            "raw_path": self.path,
            "query_string": self.query,
            "headers": self.headers,
            "extensions": {},
            **connection,
        }


def recognised(data: bytes) -> Whole | None:
    end = data.find(_END)
    head = _HEAD.fullmatch(data, 0, end) if end >= 0 else None
    if head is None:
        return None
    method, path, query, lines = head.groups(b"")
    headers = []
    for line in lines.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        headers.append((name.lower(), value.strip()))
    fields = dict(headers)
    length = fields.get(b"content-length", b"0")
    body = data[end + len(_END) :]
    if (
        len(fields) < len(headers)
        or b"host" not in fields
        or not _UNUSUAL.isdisjoint(fields)
        or fields.get(b"connection", b"keep-alive").lower() != b"keep-alive"
        or not _LENGTH.fullmatch(length)
        or int(length) != len(body)
    ):
        return None
    return Whole(method.decode("ascii"), path, query, headers, body)


@attrs.define
class Exchange:
    """One request and its answer, as ASGI has it. The answer leaves as one write, unless it is streamed."""

    body: bytes
    is_last: bool
    """Of its connection; so it is, too, if its answer says so."""
    _write: Callable[[bytes], Awaitable[None]]
    _was_read: bool = False
    _head: bytes = b""
    _chunked: bool = False

    async def receive(self) -> dict[str, Any]:
        if self._was_read:
            await trio.sleep_forever()
        self._was_read = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._begin(message["status"], message["headers"])
            return
        data, more = message.get("body", b""), message.get("more_body", False)
        if self._chunked:  # RFC 9112 7.1
            data = (b"%x\r\n%b\r\n" % (len(data), data) if data else b"") + (b"" if more else b"0\r\n\r\n")
        data, self._head = self._head + data, b""
        if data:
            await self._write(data)

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        lines = [
            b"HTTP/1.1 %d " % status,
            *[b"%b: %b" % field for field in headers],
            b"date: " + _date(int(time.time())),
        ]
        has_length = any(name == b"content-length" for name, _ in headers)
        self._chunked = not has_length and status not in _WITHOUT_BODY
        if self._chunked:
            lines.append(b"transfer-encoding: chunked")
        if (b"connection", b"close") in headers:
            self.is_last = True
        elif self.is_last:
            lines.append(b"connection: close")
        self._head = b"\r\n".join(lines) + _END


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return format_date_time(second).encode("ascii")
