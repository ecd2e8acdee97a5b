"""Requests that are answered beside quart: those that come by the thousand. What quart does for one costs as much as all
the rest of it.

A route is an async function of a Request that returns a Response or raises Refusal; the gate and `containment` have the
same care of it as of any other. A body is read only by a route that asks for it, and no further than it says.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import attrs
import trio

from api.gate import Receive, Scope, Send
from api.limits import BODY_TIMEOUT_S
from signalling.dialects.json_text import read_json

ROOM_API: Final = ("/v1/rooms", "/v1/live")
"""What of /v1 is quart's."""


class Refusal(Exception):
    """Ends a request with a status; the message is for the client."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@attrs.frozen
class Response:
    status: int
    body: bytes
    headers: Mapping[str, str] = {}


@attrs.frozen
class Request:
    method: str
    path: str
    """As it was sent: percent-encoded."""
    query: str
    """The same."""
    headers: Mapping[str, str]
    """By names in small letters; of several with one name, the first."""
    address: str
    """The client's."""
    _receive: Receive = attrs.field(repr=False)

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> "Request":
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin1").lower(), value.decode("latin1"))
        return cls(
            method=scope["method"],
            path=scope["raw_path"].decode("latin1").partition("?")[0],
            query=scope["query_string"].decode("latin1"),
            headers=headers,
            address=(scope.get("client") or ("", 0))[0],
            receive=receive,
        )

    async def body(self, at_most: int) -> bytes:
        """Raises Refusal: 413 of a longer one, 408 of one that does not come in time."""
        too_long = Refusal(413, f"the body is longer than {at_most} bytes")
        length = self.headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 18 or int(length) > at_most):
            raise too_long
        read = bytearray()
        with trio.move_on_after(BODY_TIMEOUT_S):
            while True:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "the body is not complete")
                read += message.get("body", b"")
                if len(read) > at_most:
                    raise too_long
                if not message.get("more_body", False):
                    return bytes(read)
        raise Refusal(408, f"the body did not arrive within {BODY_TIMEOUT_S:g} s")

    async def json_object(self, at_most: int) -> dict[str, object]:
        """Raises Refusal as `body` does, and 400 of anything but a JSON object that is declared to be one."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await self.body(at_most)
        if kind != "application/json":
            raise Refusal(400, "the body must be application/json")
        try:
            value = read_json(body.decode("utf-8"))
        except ValueError:
            raise Refusal(400, "the body is not JSON") from None
        if not isinstance(value, dict):
            raise Refusal(400, "the body is not a JSON object")
        return value


async def answer(send: Send, request: Request, response: Response) -> None:
    headers = {"cache-control": "no-store", **response.headers}
    if response.status != HTTPStatus.NO_CONTENT:
        headers |= {"content-type": "application/json", "content-length": str(len(response.body))}
    encoded = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})
    body = b"" if request.method == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body, "more_body": False})
