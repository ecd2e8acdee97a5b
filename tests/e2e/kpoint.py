"""KPOINT clients of a whole server, whose media come from aiortc: a connection for each feed that is sent or received."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import trio

from sfu.wire import sdp
from tests.e2e.room import PATIENCE_S, Media, Refusal, Socket
from tests.e2e.scene import Scene, Who


class KpointSocket(Socket):
    PATH = "/kpoint"
    user = ""

    def answers(self, message: dict[str, Any]) -> str | None:
        return str(message["reqId"]) if "code" in message else None

    async def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """The reply to a request. Raises Refusal."""
        number = str(next(self._ids))
        reply = await self.answer(number, {"eventOp": op, "reqId": number, "userId": self.user, **fields})
        if reply["code"] != "200":
            raise Refusal(reply["code"], reply["message"])
        return reply

    async def told(self, type: str, **fields: object) -> dict[str, Any]:
        """The next push of this type with these fields, which is taken out."""
        wanted = {"eventOp": "presence", "type": type, **fields}
        return await self.notified(lambda each: wanted.items() <= each.items(), str(wanted))

    async def relayed(self, op: str, **fields: object) -> dict[str, Any]:
        """The next request of another user that is passed on, which is taken out."""
        wanted = {"eventOp": op, **fields}
        return await self.notified(lambda each: wanted.items() <= each.items(), str(wanted))


@attrs.frozen
class Leg:
    """A connection by which a feed comes."""

    media: Media
    mids: Mapping[str, str]
    """By kind."""

    async def sees(self, publisher: Media) -> None:
        await self.media.sees(self.mids["video"], publisher)

    async def hears(self, publisher: Media, *others: Media) -> None:
        await self.media.hears(self.mids["audio"], publisher, others)


@attrs.define
class Guest:
    """Registered, and after `join` in a room."""

    socket: KpointSocket
    media: Media
    """What it sends as its camera."""
    room: str = ""
    _legs: Iterator[int] = attrs.Factory(itertools.count)

    async def ask(self, op: str, **fields: object) -> dict[str, Any]:
        return await self.socket.ask(op, roomId=self.room, **fields)

    async def make(self, room: str, op: str = "createVideoRoom") -> None:
        await self.socket.ask(op, roomId=room, destroy=True)

    async def join(self, room: str) -> dict[str, Any]:
        joined = await self.socket.ask("joinRoom", roomId=room)
        self.room = room
        return joined

    async def publish(self, media: Media | None = None) -> None:
        """Its camera, or the picture of a screen."""
        sent = media or self.media
        await sent.open()
        offer = {"type": "offer", "sdp": (await sent.ask("offer", views=0))["sdp"]}
        reply = await self.ask("sdpRoom", type="cam" if media is None else "screen", sdp=offer)
        assert reply["sdp"]["type"] == "answer"
        await sent.ask("answer", sdp=reply["sdp"]["sdp"])
        await sent.connected()

    async def watch(self, target: str, type: str = "cam", video: bool = True, audio: bool = True) -> Leg:
        reply = await self.ask("subscribe", target=target, type=type, video=video, audio=audio)
        assert reply["sdp"]["type"] == "offer"
        leg, answer = await self.answered(reply["sdp"]["sdp"])
        await self.ask("sdpRoom", type=type, target=target, sdp={"type": "answer", "sdp": answer})
        await leg.media.connected()
        return leg

    async def answered(self, offer: str) -> tuple[Leg, str]:
        """A new connection that sends nothing, and its answer."""
        media = Media(self.media.child, f"{self.media.name}'s leg {next(self._legs)}", None, 0, None)
        await media.open()
        answer = await media.ask("accept", sdp=offer)
        mids = {section.kind: section.mid for section in sdp.parse(offer).media if section.mid is not None}
        return Leg(media, mids), answer["sdp"]


async def guest(on: Scene, who: Who) -> Guest:
    socket = await on.connect(KpointSocket)
    key = await trio.to_thread.run_sync(on.server.kpoint_key)
    socket.user = who[0]
    await socket.ask("register", ipAddr="127.0.0.1", name=who[0], **key)
    return Guest(socket, Media(on.child, *who))


async def over(media: Media) -> None:
    """The server has closed this connection."""
    with trio.move_on_after(PATIENCE_S):
        while (await media.report())["state"] == "connected":
            await trio.sleep(0.05)
        return
    raise AssertionError(f"{media.name} is still connected")
