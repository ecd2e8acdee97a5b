"""WebSocket paths: each is one dialect, and everything else about the connection is signalling's.

Frame rules (1 MiB, text only, pings) are kept below, in `containment`. The handler is cancelled the moment its peer is
gone, so `receive` needs no end of its own.
"""

from quart import websocket
from quart_trio import QuartTrio

from api.services import Services
from signalling import serve_connection


class QuartSocket:
    """Implements signalling.Socket on the WebSocket of the running handler."""

    async def receive(self) -> str | bytes:
        message: str | bytes = await websocket.receive()
        return message

    async def send(self, text: str) -> None:
        await websocket.send(text)

    async def close(self, code: int, reason: str = "") -> None:
        await websocket.close(code, reason)


def mount(app: QuartTrio, services: Services) -> None:
    @app.websocket("/room")
    async def room() -> None:
        client = websocket.scope.get("client") or ("", 0)
        await serve_connection(
            QuartSocket(),
            "room_api",
            services.rooms,
            services.directory,
            services.tokens,
            services.config.room_api,
            client[0],
        )
