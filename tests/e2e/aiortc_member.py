"""aiortc clients in a process of their own, because aiortc needs asyncio. Driven by JSON lines on stdin, a line back each.

Each connection publishes a tone of one pitch and a picture of one shade and size, or one of them, or nothing, so that whoever
receives can tell whose they are; what arrives is kept as the newest sound and the newest picture of each section. The
room's protocol is not spoken here: the driver carries the descriptions to the server and back.

Arguments: seconds between two consent checks (aioice's own 5 make long tests).
"""

import array
import asyncio
import collections
import fractions
import json
import math
import sys
from typing import Any

import aioice.ice
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

RATE = 48_000
SAMPLES = RATE // 50
KEPT = 10  # frames of sound that a pitch is read from: 5 Hz of resolution
PICTURES_PER_S = 15
VIDEO_CLOCK = 90_000


class Tone(MediaStreamTrack):
    """A sine, 20 ms at a time."""

    kind = "audio"

    def __init__(self, pitch: float) -> None:
        super().__init__()
        self.pitch = pitch
        self.amplitude = 8000
        self._at = 0
        self._start = asyncio.get_running_loop().time()

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._start + self._at / RATE - loop.time())
        step = 2 * math.pi * self.pitch / RATE
        sound = array.array("h", (int(self.amplitude * math.sin(step * (self._at + i))) for i in range(SAMPLES)))
        frame = AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.planes[0].update(sound.tobytes())
        frame.pts = self._at
        frame.sample_rate = RATE
        frame.time_base = fractions.Fraction(1, RATE)
        self._at += SAMPLES
        return frame


class Shade(MediaStreamTrack):
    """A grey picture with a bar that moves."""

    kind = "video"

    def __init__(self, shade: int, width: int, height: int) -> None:
        super().__init__()
        self._shade, self._width, self._height = shade, width, height
        self._number = 0
        self._start = asyncio.get_running_loop().time()

    async def recv(self) -> VideoFrame:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._start + self._number / PICTURES_PER_S - loop.time())
        frame = VideoFrame(self._width, self._height, "yuv420p")
        for plane, value in zip(frame.planes, (self._shade, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        luma, stride = frame.planes[0], frame.planes[0].line_size
        row = self._number % 8
        luma.update(b"\xff" * stride * row + bytes([self._shade]) * (luma.buffer_size - stride * row))
        frame.pts = self._number * VIDEO_CLOCK // PICTURES_PER_S
        frame.time_base = fractions.Fraction(1, VIDEO_CLOCK)
        self._number += 1
        return frame


class Sound:
    def __init__(self) -> None:
        self.frames = 0
        self._kept: collections.deque[AudioFrame] = collections.deque(maxlen=KEPT)

    def add(self, frame: Any) -> None:
        self.frames += 1
        self._kept.append(frame)

    def report(self, pitches: list[float]) -> dict[str, Any]:
        samples = array.array("h")
        for frame in self._kept:
            samples.frombytes(bytes(frame.planes[0])[: frame.samples * len(frame.layout.channels) * 2])
        left = samples[:: len(self._kept[0].layout.channels)] if self._kept else samples
        return {"frames": self.frames, "amplitudes": [round(amplitude(left, pitch)) for pitch in pitches]}


class Picture:
    def __init__(self) -> None:
        self.frames = 0
        self._newest: Any = None

    def add(self, frame: Any) -> None:
        self.frames += 1
        self._newest = frame

    def report(self, pitches: list[float]) -> dict[str, Any]:
        del pitches
        if self._newest is None:
            return {"frames": 0}
        luma = self._newest.planes[0]
        middle = bytes(luma)[luma.line_size * (self._newest.height // 2) :][: self._newest.width]
        size = [self._newest.width, self._newest.height]
        return {"frames": self.frames, "size": size, "shade": sum(middle) / len(middle)}


def amplitude(samples: "array.array[int]", pitch: float) -> float:
    """Of one pitch in the samples (Goertzel)."""
    turn = 2 * math.cos(2 * math.pi * pitch / RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + turn * last - before
    power = before * before + last * last - turn * before * last
    return 2 * math.sqrt(max(power, 0.0)) / max(len(samples), 1)


class Member:
    """One connection; a member of a room may have several."""

    def __init__(self, pitch: float | None, shade: int, size: list[int]) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.on("track", self._receive)
        self.tone = None if pitch is None else Tone(pitch)
        if self.tone is not None:
            self.connection.addTransceiver(self.tone, direction="sendrecv")
        if size:
            self.connection.addTransceiver(Shade(shade, *size), direction="sendonly")
        self._own = len(self.connection.getTransceivers())
        self._received: dict[Any, Sound | Picture] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def offer(self, views: int) -> dict[str, Any]:
        """An offer with so many sections for others' pictures."""
        while len(self.connection.getTransceivers()) < self._own + views:
            self.connection.addTransceiver("video", direction="recvonly")
        await self.connection.setLocalDescription(await self.connection.createOffer())
        mids = [each.mid for each in self.connection.getTransceivers()[self._own :]]
        return {"sdp": self.connection.localDescription.sdp, "mids": mids}

    async def answer(self, sdp: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def accept(self, sdp: str) -> dict[str, Any]:
        """The answer to an offer of the server."""
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return {"sdp": self.connection.localDescription.sdp}

    async def report(self, pitches: list[float]) -> dict[str, Any]:
        """What has come on each section, and what the connection says of itself."""
        sections: dict[str, Any] = {}
        for transceiver in self.connection.getTransceivers():
            kept = self._received.get(transceiver.receiver.track)
            if kept is not None and transceiver.mid is not None:
                stats = await transceiver.receiver.getStats()
                lost = [each.packetsLost for each in stats.values() if each.type == "inbound-rtp"]
                sections[transceiver.mid] = {**kept.report(pitches), "lost": sum(lost)}
        return {"state": self.connection.connectionState, "sections": sections}

    def _receive(self, track: MediaStreamTrack) -> None:
        kept = self._received[track] = Sound() if track.kind == "audio" else Picture()

        async def read() -> None:
            try:
                while True:
                    kept.add(await track.recv())
            except MediaStreamError:
                pass

        task = asyncio.get_running_loop().create_task(read())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def perform(members: dict[str, Member], name: str, do: str, more: dict[str, Any]) -> dict[str, Any]:
    match do:
        case "open":
            members[name] = Member(**more)
        case "tone":
            tone = members[name].tone
            assert tone is not None
            tone.amplitude = more["amplitude"]
        case "close":
            await members.pop(name).connection.close()
        case "offer":
            return await members[name].offer(**more)
        case "answer":
            await members[name].answer(**more)
        case "accept":
            return await members[name].accept(**more)
        case "report":
            return await members[name].report(**more)
        case _:
            raise ValueError(do)
    return {}


async def main() -> None:
    members: dict[str, Member] = {}
    reader = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        name, do = request.pop("member"), request.pop("do")
        try:
            answer = await perform(members, name, do, request)
        except Exception as error:  # noqa: BLE001 - the driver decides what a failure means
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    for member in members.values():
        await member.connection.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        aioice.ice.CONSENT_INTERVAL = float(sys.argv[1])  # type: ignore[assignment]
    asyncio.run(main())
