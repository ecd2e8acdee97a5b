"""WebSocket paths: each is one dialect, and everything else about the connection is signalling's.

They stand beside quart, not in it: what it does for a connection costs more than all the rest. Only the way in is ASGI's,
so that the gate has seen it; frames and their rules (1 MiB, text only, pings) are `containment`'s.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from quart_trio import QuartTrio

from api.gate import App, Receive, Scope, Send
from api.services import Services
from api.websocket import RoomWebSocket, own_websocket
from signalling import SocketClosed, serve_connection
from signalling.ports import Remote
from signalling.session import DialectName

DIALECTS: Final[Mapping[str, DialectName]] = {"/room": "room_api", "/kpoint": "kpoint"}


class AcceptedSocket:
    """Implements signalling.Socket."""

    def __init__(self, websocket: RoomWebSocket) -> None:
        self.send = websocket.send_texts
        self.close = websocket.end
        self._next_message = websocket.next_message

    async def receive(self) -> str | bytes:
        message = await self._next_message()
        if message is None:
            raise SocketClosed
        return message


def mount(app: QuartTrio, services: Services) -> None:
    pages = cast(App, app.asgi_app)

    async def route(scope: Scope, receive: Receive, send: Send, *rest: Any) -> None:
        dialect = DIALECTS.get(scope["path"]) if scope["type"] == "websocket" else None
        if dialect is None:
            await pages(scope, receive, send, *rest)
            return
        await receive()
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        await serve_connection(AcceptedSocket(own_websocket()), dialect, services.rooms, _remote(scope))

    app.asgi_app = cast(Any, route)  # type: ignore[method-assign]  # what its documentation says middleware does


def _remote(scope: Scope) -> Remote:
    client = scope.get("client") or ("", 0)
    agents = [value.decode("latin1") for name, value in scope["headers"] if name.lower() == b"user-agent"]
    return Remote(client[0], next(iter(agents), ""))
