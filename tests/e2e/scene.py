"""A server, an aiortc process beside it, and who has joined the open room: what most tests here begin with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from benches.child import Child
from tests.e2e.conftest import Running, Start
from tests.e2e.room import Media, Member, RoomSocket, aiortc_process, join

Who = tuple[str, float, int, tuple[int, int] | None]  # name, pitch, shade and size of its picture

ANN: Who = ("ann", 440.0, 60, (160, 120))
BOB: Who = ("bob", 660.0, 180, (320, 240))
EVE: Who = ("eve", 990.0, 0, None)

CHECK_EACH_S = 0.3


@attrs.define
class Scene:
    server: Running
    child: Child
    nursery: trio.Nursery
    room: str
    sockets: list[RoomSocket] = attrs.Factory(list)

    async def socket(self) -> RoomSocket:
        made = await RoomSocket.open(self.nursery, self.server.http)
        self.sockets.append(made)
        return made

    async def join(self, who: Who) -> Member:
        return await join(await self.socket(), Media(self.child, *who), self.room)


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
