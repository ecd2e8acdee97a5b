"""Rooms of callers who send sound to one PlaneBus, each on the worker that its owner's number says.

Levels are RFC 6464's (-dBov): TALK is speech, SILENCE nothing.
"""

from __future__ import annotations

import time

from native.plane import LevelsChanged, SpeakerChanged
from sfu.wire import rtp
from tests.native.caller import Sent, Stage, paced

TALK, SILENCE = 25, 127
STREAM = 0x5151


class Member:
    def __init__(self, room: Room, name: str, owner: int) -> None:
        self.name = name
        self.caller = room.stage.caller(owner=owner, worker=owner % len(room.stage.threads))
        self.sent: Sent = self.caller.publish("audio", 0x1000 + owner)
        self.sent.publication.set_bus(room.bus)
        self.subscription = self.caller.subscribe(room.bus, "audio", STREAM)
        self.heard: list[rtp.Packet] = []

    @property
    def voices(self) -> list[str]:
        """Whom it heard, without repetitions."""
        names: list[str] = []
        for packet in self.heard:
            name = packet.payload.decode().split()[0]
            if names[-1:] != [name]:
                names.append(name)
        return names


class Room:
    def __init__(self, stage: Stage, *names: str) -> None:
        self.stage = stage
        self.bus = stage.bus()
        self.members: dict[str, Member] = {}
        self.speakers: list[tuple[float, str | None]] = []  # when who was named
        self.levels: list[tuple[float, str, int]] = []  # when whose level was told
        for name in names:
            self.join(name)

    def __getitem__(self, name: str) -> Member:
        return self.members[name]

    def join(self, name: str) -> Member:
        member = self.members[name] = Member(self, name, 10 + len(self.members))
        return member

    def leave(self, name: str) -> None:
        member = self.members.pop(name)
        self.stage.callers.remove(member.caller)
        member.caller.close()

    def play(self, seconds: float, **levels: int) -> None:
        """Everyone sends 20 ms of sound at this level, again and again; who is not named sends silence."""
        members = list(self.members.values())
        for i in paced(round(seconds / 0.02), 0.02, *(member.caller for member in members)):
            self.listen()
            for member in members:
                member.sent.speak(levels.get(member.name, SILENCE), b"%s %d" % (member.name.encode(), i))
        for member in members:
            member.caller.wait(0.01)
            member.heard += member.caller.media
            member.caller.media.clear()

    def listen(self) -> None:
        """Take what the plane has to say of this room."""
        now = time.monotonic()
        names = {member.caller.peer.owner: member.name for member in self.members.values()}
        for event in self.stage.plane.drain():
            if isinstance(event, SpeakerChanged) and event.bus is self.bus:
                self.speakers.append((now, None if event.owner is None else names.get(event.owner, "a stranger")))
            if isinstance(event, LevelsChanged) and event.bus is self.bus:
                for owner in event.owners:
                    name = names.get(owner, "a stranger")
                    level = self.members[name].sent.publication.level if name in self.members else 0
                    self.levels.append((now, name, level))

    def wait(self, seconds: float) -> None:
        """Nobody sends anything."""
        for _ in paced(round(seconds / 0.02), 0.02):
            self.listen()

    def forget(self) -> None:
        for member in self.members.values():
            member.heard.clear()
