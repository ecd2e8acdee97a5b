"""The ONE room: who is in it, in which state, and for how long still.

A machine without I/O or clock: `apply(command, now)` changes it and returns what happened; `deadline` says when `expire`
has something to do. It speaks of members only. Sockets, connections and transports are the business of whoever holds the
room, and so are dialects: a member of any dialect is the same `Member`.

Invariants:
- a command that raises RoomError has changed nothing, and `check` raises whatever `apply` would;
- a view built from `members` at some moment and the events after it equals `members` at any later moment;
- a member that loses its socket, or its media in a way that can heal, stays for `grace_s`, and nobody sees it waver.
"""

from typing import assert_never

from attrs import evolve

from signalling.limits import SPEAKER_INTERVAL_S
from signalling.room.commands import Command, End, Join, Leave, LoseMedia, LoseSocket, MediaLoss, Mute, Speak
from signalling.room.errors import CallInUse, NotFound
from signalling.room.events import (
    ActiveSpeaker,
    Departure,
    Event,
    MediaLost,
    MemberJoined,
    MemberLeft,
    MuteChanged,
    RoomEmptied,
)
from signalling.room.member import Kind, Member


class Room:
    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._members: dict[str, Member] = {}
        self._token_ids: dict[str, str] = {}
        # When each member that lacks its socket, or its media, leaves. Most have both, so these stay small.
        self._socketless: dict[str, float] = {}
        self._medialess: dict[str, float] = {}
        self._speaker = _Speaker()

    @property
    def members(self) -> tuple[Member, ...]:
        """Everybody, in the order of joining."""
        return tuple(self._members.values())

    def member(self, id: str) -> Member | None:
        return self._members.get(id)

    def has_lost_media(self, member: str) -> bool:
        """Whether the member may join again although its socket never went away."""
        return member in self._medialess

    @property
    def deadline(self) -> float | None:
        due = [*self._socketless.values(), *self._medialess.values()]
        if self._speaker.due is not None:
            due.append(self._speaker.due)
        return min(due, default=None)

    def check(self, command: Command) -> None:
        """Raises what `apply` would raise."""
        match command:
            case Join(member, user, token_id=token_id):
                present = self._members.get(member)
                # Tokens outlive calls, so two parties can hold one for the same call id. Only the one inside comes back:
                # a user by its identity, somebody without one by the very token that let it in.
                if present is not None and (
                    present.user != user or (user is None and self._token_ids[member] != token_id)
                ):
                    raise CallInUse("another party is in the room under this call id")
            case Leave(member) | Mute(member) | LoseSocket(member) | LoseMedia(member):
                if member not in self._members:
                    raise NotFound("no such member")
            case Speak() | End():
                pass
            case _:
                assert_never(command)

    def apply(self, command: Command, now: float) -> list[Event]:
        self.check(command)
        match command:
            case Join():
                return self._join(command)
            case Leave(member):
                return self._leave([member], "left", now)
            case Mute(member, kind, muted):
                return self._mute(member, kind, muted)
            case LoseSocket(member):
                self._socketless[member] = now + self._grace_s
                return []
            case LoseMedia(member, loss):
                return self._lose_media(member, loss, now)
            case Speak(member):
                if member is not None and member not in self._members:
                    return []
                return self._speaker.hear(member, now)
            case End():
                return self._leave(list(self._members), "ended", now)
            case _:
                assert_never(command)

    def expire(self, now: float) -> list[Event]:
        """What the time that has passed changes."""
        late = {
            member: None
            for absences in (self._socketless, self._medialess)
            for member, leaves_at in absences.items()
            if leaves_at <= now
        }
        events = self._leave(list(late), "lost", now) if late else []
        return events + self._speaker.expire(now)

    def _join(self, join: Join) -> list[Event]:
        present = self._members.get(join.member)
        self._token_ids[join.member] = join.token_id
        if present is None:
            member = Member(
                id=join.member,
                user=join.user,
                name=join.name,
                is_admin=join.is_admin,
                audio_muted=join.audio_muted,
                video_muted=join.video_muted,
            )
            self._members[member.id] = member
            return [MemberJoined(member)]
        # It keeps its place, and with it the name and the rights it entered with; what it says of its microphone and
        # camera is news.
        self._socketless.pop(join.member, None)
        self._medialess.pop(join.member, None)
        return self._mute(join.member, "audio", join.audio_muted) + self._mute(join.member, "video", join.video_muted)

    def _mute(self, member: str, kind: Kind, muted: bool) -> list[Event]:
        before = self._members[member]
        after = evolve(before, audio_muted=muted) if kind == "audio" else evolve(before, video_muted=muted)
        if after == before:
            return []
        self._members[member] = after
        return [MuteChanged(member, kind, muted)]

    def _lose_media(self, member: str, loss: MediaLoss, now: float) -> list[Event]:
        match loss:
            case "final":
                return self._leave([member], "lost", now)
            case "closed":
                # A reload and a changed device both close the old connection just before they open the next one.
                self._medialess.setdefault(member, now + self._grace_s)
                return []
            case "fault":
                self._medialess.setdefault(member, now + self._grace_s)
                return [MediaLost(member)]
            case _:
                assert_never(loss)

    def _leave(self, members: list[str], departure: Departure, now: float) -> list[Event]:
        events: list[Event] = []
        for member in members:
            del self._members[member], self._token_ids[member]
            self._socketless.pop(member, None)
            self._medialess.pop(member, None)
            events.append(MemberLeft(member, departure))
            if departure != "ended" and self._members:
                events += self._speaker.forget(member, now)
        if members and not self._members:
            self._speaker = _Speaker()
            events.append(RoomEmptied())
        return events


class _Speaker:
    """Announces who speaks: changes only, and not more often than SPEAKER_INTERVAL_S; the latest opinion wins."""

    def __init__(self) -> None:
        self._announced: str | None = None
        self._heard: str | None = None
        self._quiet_until = 0.0

    @property
    def due(self) -> float | None:
        return None if self._heard == self._announced else self._quiet_until

    def hear(self, member: str | None, now: float) -> list[Event]:
        self._heard = member
        return self.expire(now)

    def forget(self, member: str, now: float) -> list[Event]:
        return self.hear(None, now) if self._heard == member else []

    def expire(self, now: float) -> list[Event]:
        if self.due is None or now < self.due:
            return []
        self._announced = self._heard
        self._quiet_until = now + SPEAKER_INTERVAL_S
        return [ActiveSpeaker(self._announced)]
