"""A server, an aiortc process beside it, and who has joined a room: what most tests here begin with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import attrs
import trio

from benches.child import Child
from tests.e2e.conftest import Running, Start
from tests.e2e.room import Media, Member, RoomSocket, Socket, aiortc_process, join

Who = tuple[str, float | None, int, tuple[int, int] | None]  # name, pitch, shade and size of its picture

ANN: Who = ("ann", 440.0, 60, (160, 120))
BOB: Who = ("bob", 660.0, 180, (320, 240))
EVE: Who = ("eve", 990.0, 0, None)

CHECK_EACH_S = 0.3

S = TypeVar("S", bound=Socket)


@attrs.define
class Scene:
    server: Running
    child: Child
    nursery: trio.Nursery
    room: str
    sockets: list[Socket] = attrs.Factory(list)

    async def socket(self) -> RoomSocket:
        return await self.connect(RoomSocket)

    async def connect(self, kind: type[S]) -> S:
        made = await kind.open(self.nursery, self.server.http)
        self.sockets.append(made)
        return made

    async def join(self, who: Who) -> Member:
        """Into the open room."""
        return await join(await self.socket(), Media(self.child, *who), self.room)

    async def enter(self, who: Who, room: str) -> Member:
        """Into a room of the demo licence, by an access token."""
        socket = await self.socket()
        access = await trio.to_thread.run_sync(self.server.access_token)
        token = await socket.authenticate(room, who[0], access_token=access)
        return await join(socket, Media(self.child, *who), room, token)


@asynccontextmanager
async def scene(serve: Start, tmp_path: Path, **settings: str) -> AsyncIterator[Scene]:
    server = await trio.to_thread.run_sync(lambda: serve(**settings))
    room = await trio.to_thread.run_sync(lambda: server.demo)
    async with aiortc_process(tmp_path / "aiortc.log", CHECK_EACH_S) as child, trio.open_nursery() as nursery:
        made = Scene(server, child, nursery, room)
        try:
            yield made
        finally:
            for each in made.sockets:
                each.end()
            nursery.cancel_scope.cancel()
