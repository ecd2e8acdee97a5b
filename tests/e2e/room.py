"""Clients of a whole server: sockets, and members of the Room API whose media come from aiortc."""

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from benches.child import Child, started

PATIENCE_S = 30.0
MEMBERS = Path(__file__).with_name("aiortc_member.py")


class Refusal(Exception):
    """The server answered with an error."""

    def __init__(self, code: int | str, message: str) -> None:
        super().__init__(f"{code} {message}")
        self.code = code


class Socket(ABC):
    """One WebSocket: requests with their answers, and every notification in order."""

    PATH: ClassVar[str]

    def __init__(self, stream: trio.SocketStream, connection: WebSocketConnection) -> None:
        self._stream = stream
        self.connection = connection
        self.notifications: list[dict[str, Any]] = []
        self.closed: int | None = None
        self._answers: dict[str, dict[str, Any]] = {}
        self._ids = itertools.count(1)
        self._moved = trio.Event()

    @classmethod
    async def open(cls, nursery: trio.Nursery, http: str) -> Self:
        host, _, port = http.removeprefix("http://").rpartition(":")
        stream = await trio.open_tcp_stream(host, int(port))
        made = cls(stream, await wrap_client_stream(nursery, stream, host, cls.PATH, message_queue_size=1000))
        nursery.start_soon(made._read)
        return made

    def end(self) -> None:
        """Drop the connection without a word, if it is still there."""
        self._stream.socket.close()

    @abstractmethod
    def answers(self, message: dict[str, Any]) -> str | None:
        """The number of the request that a message is the answer to; None for a notification."""

    async def answer(self, number: str, request: dict[str, Any]) -> dict[str, Any]:
        await self.connection.send_message(json.dumps(request))
        await self.until(lambda: number in self._answers, f"no answer to {request}")
        return self._answers.pop(number)

    async def notified(self, matches: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """The next such notification, which is taken out."""
        await self.until(lambda: any(map(matches, self.notifications)), f"never told {what}")
        found = next(filter(matches, self.notifications))
        self.notifications.remove(found)
        return found

    async def until(self, true: Callable[[], bool], what: str) -> None:
        with trio.move_on_after(PATIENCE_S):
            while not true():
                await self._moved.wait()
            return
        raise AssertionError(f"{what}; closed: {self.closed}; notifications: {self.notifications}")

    async def _read(self) -> None:
        try:
            while True:
                message = json.loads(await self.connection.get_message())
                if (number := self.answers(message)) is None:
                    self.notifications.append(message)
                else:
                    self._answers[number] = message
                self._move()
        except ConnectionClosed as closed:
            self.closed = closed.reason.code if closed.reason is not None else 1006
            self._move()

    def _move(self) -> None:
        moved, self._moved = self._moved, trio.Event()
        moved.set()


class RoomSocket(Socket):
    """Of the Room API."""

    PATH = "/room"

    def answers(self, message: dict[str, Any]) -> str | None:
        return None if "method" in message else str(message["id"])

    async def ask(self, method: str, **params: object) -> Any:
        """The result of a request. Raises Refusal."""
        number = str(next(self._ids))
        answer = await self.answer(number, {"id": number, "method": method, "params": params})
        if "error" in answer:
            raise Refusal(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    async def tell(self, method: str, **params: object) -> None:
        await self.connection.send_message(json.dumps({"method": method, "params": params}))

    async def told(self, method: str, **params: object) -> dict[str, Any]:
        """The params of the next notification of this method with these params, which is taken out."""
        found = await self.notified(
            lambda each: each["method"] == method and params.items() <= each["params"].items(), f"{method} {params}"
        )
        result: dict[str, Any] = found["params"]
        return result

    async def refused(self) -> int:
        """The code of the one answer that nobody has asked for by `ask`."""
        await self.until(lambda: bool(self._answers), "no answer")
        (number,) = self._answers
        code: int = self._answers.pop(number)["error"]["code"]
        return code

    async def authenticate(self, room: str, call_id: str, **credentials: str) -> str:
        answer = await self.ask("authenticate", room=room, call_id=call_id, display_name=call_id, **credentials)
        token: str = answer["auth_token"]
        return token


@attrs.frozen
class Media:
    """One connection of an aiortc process."""

    child: Child
    name: str
    pitch: float | None
    shade: int
    size: tuple[int, int] | None

    async def ask(self, do: str, **more: Any) -> dict[str, Any]:
        return await self.child.ask({"member": self.name, "do": do, **more})

    async def open(self) -> None:
        await self.ask("open", pitch=self.pitch, shade=self.shade, size=self.size or [])

    async def speak(self, loud: bool) -> None:
        await self.ask("tone", amplitude=8000 if loud else 0)

    async def connected(self) -> None:
        state = "unknown"
        with trio.move_on_after(PATIENCE_S):
            while (state := (await self.report())["state"]) != "connected":
                await trio.sleep(0.02)
            return
        raise AssertionError(f"{self.name} is {state}")

    async def report(self, pitches: list[float | None] | None = None) -> dict[str, Any]:
        return await self.ask("report", pitches=pitches or [])

    async def sees(self, mid: str, publisher: "Media", more: int = 5) -> None:
        """Pictures of this publisher keep arriving on the section: its size, if it has one, its shade, and so many new ones."""
        first: int | None = None

        def right(section: dict[str, Any]) -> bool:
            nonlocal first
            resized = publisher.size is not None and section.get("size") != list(publisher.size)
            if resized or abs(section["shade"] - publisher.shade) > 12:
                first = None
                return False
            first = section["frames"] if first is None else first
            return bool(section["frames"] >= first + more)

        await self._until(mid, right, f"{publisher.name}'s picture")

    async def hears(self, mid: str, publisher: "Media", others: Sequence["Media"]) -> None:
        """The sound of the section is this publisher's tone, and nobody else's."""

        def right(section: dict[str, Any]) -> bool:
            own, *rest = section["amplitudes"]
            return bool(own > 2000 and all(own > 10 * other for other in rest))

        await self._until(mid, right, f"{publisher.name}'s tone", [each.pitch for each in (publisher, *others)])

    async def _until(
        self, mid: str, right: Callable[[dict[str, Any]], bool], what: str, pitches: list[float | None] | None = None
    ) -> None:
        report: dict[str, Any] = {}
        with trio.move_on_after(PATIENCE_S):
            while True:
                report = await self.report(pitches)
                section = report["sections"].get(mid)
                if section is not None and section["frames"] and right(section):
                    return
                await trio.sleep(0.1)
        raise AssertionError(f"{self.name} never got {what} on section {mid}: {report}")


@asynccontextmanager
async def aiortc_process(log: Path, consent_s: float = 5.0) -> AsyncIterator[Child]:
    async with started("aiortc", [str(MEMBERS), str(consent_s)], log) as child:
        yield child


@attrs.define
class Member:
    """In a room, with aiortc's media."""

    socket: RoomSocket
    media: Media
    token: str
    joined: dict[str, Any]
    views: list[str] = attrs.Factory(list)

    async def watch(self, *names: str) -> list[str]:
        """Ask for pictures, a section each; the sections' mids."""
        offer = await self.media.ask("offer", views=max(len(names), len(self.views)))
        self.views = offer["mids"]
        wanted = [{"id": name, "video_mid": mid} for name, mid in zip(names, self.views, strict=False)]
        result = await self.socket.ask("subscribe_room", sdp=offer["sdp"], auth_token=self.token, members=wanted)
        await self.media.ask("answer", sdp=result["sdp"])
        return self.views

    async def sees(self, mid: str, publisher: Media, more: int = 5) -> None:
        await self.media.sees(mid, publisher, more)

    async def hears(self, publisher: Media, others: list[Media]) -> None:
        """The room's sound is this publisher's tone, and nobody else's."""
        await self.media.hears("0", publisher, others)

    async def report(self) -> dict[str, Any]:
        return await self.media.report()


async def join(socket: RoomSocket, media: Media, room: str, token: str | None = None) -> Member:
    """By the open door, or by a token that was given before."""
    token = token or await socket.authenticate(room, media.name)
    await media.open()
    offer = await media.ask("offer", views=0)
    joined = await socket.ask("join_room", sdp=offer["sdp"], auth_token=token)
    await media.ask("answer", sdp=joined["sdp"])
    await media.connected()  # aiortc gets into its own way when it renegotiates before that
    return Member(socket, media, token, joined)
