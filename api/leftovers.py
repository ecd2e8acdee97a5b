"""What is left of a request when it has its answer is read and dropped, in front of every route.

hypercorn hands a request to its handler by a short queue, whose reading end nobody closes: a handler that answers early
leaves the connection's reader waiting at a full queue for ever. And a connection goes on to its next request only from
the end of this one. So the last word of an answer is held back until all of the request has come, which its client need
not notice: the answer's own length says that it is whole. There are bounds, and then the connection is closed.
"""

import math
from typing import Any

import trio

from api.gate import App, Receive, Scope, Send
from api.limits import DROPPED_BYTES, HEAD_TIMEOUT_S

# For a reader that waits at the queue to see that its connection is closed.
UNBLOCK_S = 0.1


class Leftovers:
    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send, *rest: object) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send, *rest)
            return
        request = _Request(receive, send)
        await self._app(scope, request.receive, request.send, *rest)
        await request.drop(UNBLOCK_S, math.inf)


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


class _Request:
    """One whose body is read by its handler, as far as that likes, and then by us."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_whole = False
        self._dropping = trio.CancelScope()

    async def receive(self) -> Any:
        message = await self._receive()
        if not message.get("more_body", False):  # nor has the news that the client is gone
            self._is_whole = True
            # The handler may have been reading too, and be given the end.
            self._dropping.cancel()
        return message

    async def send(self, message: Any) -> None:
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if not is_last or self._is_whole:
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self.drop(HEAD_TIMEOUT_S, DROPPED_BYTES)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def drop(self, seconds: float, at_most: float) -> None:
        """Until there is nothing left, or too much of it."""
        dropped = 0
        if not self._is_whole:
            with trio.move_on_after(seconds) as self._dropping:
                while not self._is_whole and dropped <= at_most:
                    dropped += len((await self.receive()).get("body", b""))
