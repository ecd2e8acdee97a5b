"""Members of a media room on a real engine: each a `Peer` on one side and a `Caller` on the other, joined by UDP.

Leaving `playing` checks that the engine ends within a second, keeps no thread and no socket, and that the data plane has
given back all that it was lent.
"""

import itertools
import socket
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from sfu import Engine, Feed, MediaRoom, MediaSettings, MediaSource, Peer, VideoAllocation, Wanted
from sfu.wire import rtcp, sdp
from tests.sfu.caller import Caller, Client, Stream

STOP_S = 1.0


@attrs.define
class Ear:
    """A PeerListener that remembers."""

    heard: list[str] = attrs.Factory(list)
    _something: trio.Event = attrs.Factory(trio.Event)

    rates: list[tuple[float, int]] = attrs.Factory(list)
    """With the time at which each was told."""
    allocations: list[tuple[float, dict[str, VideoAllocation]]] = attrs.Factory(list)

    def connected(self) -> None:
        self._hear("connected")

    def lost(self, reason: str) -> None:
        self._hear(reason)

    def available_rate(self, rate_bps: int) -> None:
        self.rates.append((trio.current_time(), rate_bps))

    def video_allocations(self, allocations: Mapping[str, VideoAllocation]) -> None:
        self.allocations.append((trio.current_time(), dict(allocations)))

    async def until(self, word: str) -> None:
        with trio.fail_after(5):
            while word not in self.heard:
                await self._something.wait()

    def _hear(self, word: str) -> None:
        self.heard.append(word)
        something, self._something = self._something, trio.Event()
        something.set()


@attrs.define
class Hall:
    """A RoomListener that remembers."""

    speakers: list[str | None] = attrs.Factory(list)
    levels: list[dict[str, int]] = attrs.Factory(list)

    def audio_levels(self, levels: Mapping[str, int]) -> None:
        self.levels.append(dict(levels))

    def active_speaker(self, name: str | None) -> None:
        self.speakers.append(name)


@attrs.define
class Member:
    name: str
    caller: Caller
    peer: Peer
    ear: Ear
    sound: Stream | None
    picture: Stream | None
    hears: int
    """The SSRC of the room's sound, 0 if it does not come."""
    _views: list[Stream] = attrs.Factory(list)

    @property
    def voice(self) -> Stream:
        assert self.sound is not None
        return self.sound

    @property
    def camera(self) -> Stream:
        assert self.picture is not None
        return self.picture

    def watch(self, *names: str | None) -> list[int]:
        """Ask for these pictures, a section each (None: nothing there); the sections' SSRCs, 0 for an inactive one."""
        while len(self._views) < len(names):
            self._views.append(self.caller.add("video", "recvonly"))
        wanted = [
            Wanted(view.section.mid, name) for view, name in zip(self._views, names, strict=False) if name is not None
        ]
        answer = self.peer.renegotiate(self.caller.offer(), wanted)
        return [ssrc_of(answer, view.section.mid) for view in self._views[: len(names)]]


@attrs.define
class Leg:
    """A connection that the server offered; `ssrcs` of its sections in order."""

    caller: Caller
    peer: Peer
    ssrcs: list[int]


def ssrc_of(description: str, mid: str) -> int:
    """Of what the server sends on a section, 0 if it sends nothing there."""
    media = next(media for media in sdp.parse(description).media if media.mid == mid)
    return media.ssrcs[0].ssrc if media.direction in ("sendrecv", "sendonly") else 0


class Play:
    """One engine and one room with whoever has joined it."""

    def __init__(self, engine: Engine, nursery: trio.Nursery) -> None:
        self.engine = engine
        self.nursery = nursery
        self.callers: list[Caller] = []
        self.hall = Hall()
        self.room: MediaRoom = engine.open_room(self.hall)

    async def caller(self, client: Client | None = None, family: socket.AddressFamily = socket.AF_INET) -> Caller:
        made = Caller(client, family)
        await made.start(self.nursery)
        self.callers.append(made)
        return made

    async def join(
        self,
        name: str,
        *,
        sound: bool = True,
        picture: bool = False,
        client: Client | None = None,
        family: socket.AddressFamily = socket.AF_INET,
        room: MediaRoom | None = None,
    ) -> Member:
        """A member whose media can flow when this returns."""
        caller = await self.caller(client, family)
        voice = caller.add("audio", "sendrecv" if sound else "recvonly")
        camera = caller.add("video", "sendonly") if picture else None
        ear = Ear()
        peer, answer = (room or self.room).open_peer(name, caller.offer(), ear)
        await caller.hear(answer)
        await ear.until("connected")
        return Member(name, caller, peer, ear, voice if sound else None, camera, ssrc_of(answer, voice.section.mid))

    async def publish(self, name: str, source: MediaSource, *, sound: bool = True, picture: bool = True) -> Member:
        """A connection by which a member only sends, although its client would take sound on it too."""
        caller = await self.caller()
        voice = caller.add("audio", "sendrecv") if sound else None
        camera = caller.add("video", "sendrecv") if picture else None
        ear = Ear()
        peer, answer = self.room.open_publisher(name, source, caller.offer(), ear)
        assert {"recvonly"} == {media.direction for media in sdp.parse(answer).media}
        await caller.hear(answer)
        await ear.until("connected")
        return Member(name, caller, peer, ear, voice, camera, 0)

    async def receive(self, name: str, *feeds: Feed) -> "Leg":
        """A connection by which a member only receives."""
        caller = await self.caller()
        ear = Ear()
        peer, offer = self.room.offer_peer(name, feeds, ear)
        peer.accept(caller.client.answer(offer))
        await caller.hear(offer)
        await ear.until("connected")
        return Leg(caller, peer, [ssrc_of(offer, media.mid or "") for media in sdp.parse(offer).media])

    async def until_counted(self, name: str, value: int) -> None:
        """A counter of the engine reaches `value`."""
        with trio.move_on_after(5):
            while self.engine.counters()[name] < value:
                await trio.sleep(0.005)
            return
        raise AssertionError(f"{name} is {self.engine.counters()[name]}, not {value}")


@asynccontextmanager
async def playing(bind: str = "127.0.0.1:0", workers: int = 1, **settings: Any) -> AsyncIterator[Play]:
    engine = Engine(MediaSettings(bind=bind, workers=workers, slab_mib=4, **settings))
    play: Play | None = None
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            play = Play(engine, nursery)
            yield play
            play.room.close()
            with trio.fail_after(5):
                while engine.plane.outstanding:
                    engine.plane.drain()  # what comes back wakes nobody
                    await trio.sleep(0.002)
            before = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - before < STOP_S
        assert not media_threads()
    finally:
        for caller in play.callers if play else ():
            caller.end()


def media_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("media-")]


async def show_first(publisher: Member, *watchers: tuple[Member, int], payload: bytes = b"first") -> None:
    """A key frame, which every watcher gets on its SSRC."""
    publisher.camera.show(payload, key=True)
    for watcher, ssrc in watchers:
        (packet,) = await watcher.caller.take(1, ssrc)
        assert packet.payload.endswith(payload)


async def is_asked_for_a_key(publisher: Member) -> None:
    """By a packet that shows nothing yet: before the first one nobody knows which SSRC to ask for."""
    publisher.camera.show(b"half a picture")
    pli = await publisher.caller.take_control(rtcp.Pli)
    assert pli.media_ssrc == publisher.camera.section.ssrc


def in_order(sequences: Sequence[int]) -> bool:
    return all(later == (earlier + 1) & 0xFFFF for earlier, later in itertools.pairwise(sequences))
