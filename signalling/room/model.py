"""The ONE room: who is in it and who waits at its door, in which state, and for how long still.

A machine without I/O or clock: `apply(command, now)` changes it and returns what happened; `deadline` says when `expire`
has something to do. It speaks of members and waiting parties only. Sockets, connections and transports are the business
of whoever holds the room, and so are dialects: a member of any dialect is the same `Member`. Who may enter, and who
may decide about those who wait, has been settled by token before a command comes here.

Invariants:
- a command that raises RoomError has changed nothing, and `check` raises whatever `apply` would;
- a view built from `members` and `waiting` at some moment and the events after it equals them at any later moment;
- nobody is inside and waits at the same time;
- a member that loses its socket, or its media in a way that can heal, stays for `grace_s`, and nobody sees it waver;
- `expire` at `deadline` does something, and before it nothing.

Three parts have files of their own: who waits (waiting.py), who speaks (speaker.py), how loud everybody is (levels.py).
"""

from collections.abc import Mapping
from typing import assert_never

from attrs import evolve

from signalling.room.commands import (
    Allow,
    Command,
    End,
    Hear,
    Join,
    Knock,
    Leave,
    LoseMedia,
    LoseSocket,
    MediaLoss,
    Mute,
    MuteMember,
    RaiseHand,
    React,
    Reject,
    Remove,
    Return,
    ShareScreen,
    Speak,
    StillWaiting,
    Withdraw,
)
from signalling.room.errors import CallInUse, Forbidden, NotFound, TooMany, WrongState
from signalling.room.events import (
    Departure,
    Event,
    HandChanged,
    MediaLost,
    MemberJoined,
    MemberLeft,
    MuteChanged,
    PartyAllowed,
    PartyRejected,
    PartyWithdrew,
    Reacted,
    RoomEmptied,
    ScreenShareChanged,
)
from signalling.room.levels import Levels
from signalling.room.member import Kind, Member, WaitingParty
from signalling.room.speaker import Speaker
from signalling.room.waiting import WaitingRoom


class Room:
    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._members: dict[str, Member] = {}
        self._token_ids: dict[str, str] = {}
        # When each member that lacks its socket, or its media, leaves. Most have both, so these stay small.
        self._socketless: dict[str, float] = {}
        self._medialess: dict[str, float] = {}
        self._waiting = WaitingRoom()
        self._speaker = Speaker()
        self._levels = Levels()

    @property
    def members(self) -> tuple[Member, ...]:
        """Everybody inside, in the order of joining."""
        return tuple(self._members.values())

    def member(self, id: str) -> Member | None:
        return self._members.get(id)

    def identity(self, member: str) -> tuple[str | None, str]:
        """The user it has proved to be, and the id of the token that let it in."""
        return self._members[member].user, self._token_ids[member]

    @property
    def active_speaker(self) -> str | None:
        """As announced last, if it is still inside."""
        return self._speaker.announced if self._speaker.announced in self._members else None

    @property
    def waiting(self) -> tuple[WaitingParty, ...]:
        """Everybody at the door, in the order of arrival."""
        return self._waiting.parties

    def waiting_party(self, id: str) -> WaitingParty | None:
        return self._waiting.party(id)

    def has_lost_media(self, member: str) -> bool:
        """Whether the member may join again although its socket never went away."""
        return member in self._medialess

    @property
    def deadline(self) -> float | None:
        due = [self._speaker.due, self._levels.due, *self._socketless.values(), *self._medialess.values()]
        return min((time for time in due if time is not None), default=None)

    # --- may it be? ---

    def check(self, command: Command) -> None:
        """Raises what `apply` would raise."""
        match command:
            case Knock(party):
                self._check_knock(party)
            case StillWaiting(party) | Withdraw(party) | Allow(party) | Reject(party):
                if self._waiting.party(party) is None:
                    raise NotFound("nobody waits under this id")
            case Join():
                self._check_join(command)
            case (
                Return(member)
                | Leave(member)
                | Mute(member)
                | RaiseHand(member)
                | ShareScreen(member)
                | React(member)
                | LoseSocket(member)
                | LoseMedia(member)
            ):
                self._present(member)
            case Remove(admin, member):
                self._moderated(admin, member)
            case MuteMember(admin, member, kind, muted):
                target = self._moderated(admin, member)
                if _with_mute(target, kind, muted, by_admin=True) == target:
                    raise WrongState("muted already" if muted else "no admin has muted this member")
            case Speak() | Hear() | End():
                pass
            case _:
                assert_never(command)

    def _check_knock(self, party: WaitingParty) -> None:
        if party.id in self._members:
            raise CallInUse("a member is in the room under this call id")
        if self._waiting.full and self._waiting.party(party.id) is None:
            raise TooMany("too many wait for this room already")

    def _check_join(self, join: Join) -> None:
        """Tokens outlive calls, so two parties can hold one for the same call id. Only the one inside comes back: a user
        by its identity, somebody without one by the very token that let it in."""
        present = self._members.get(join.member)
        if present is None:
            return
        if present.user != join.user or (join.user is None and self._token_ids[join.member] != join.token_id):
            raise CallInUse("another party is in the room under this call id")

    def _present(self, member: str) -> Member:
        present = self._members.get(member)
        if present is None:
            raise NotFound("no such member")
        return present

    def _moderated(self, admin: str | None, member: str) -> Member:
        if admin is not None:
            moderator = self._members.get(admin)
            if moderator is None or not moderator.is_admin:
                raise Forbidden("admins only")
        return self._present(member)

    # --- what happens ---

    def apply(self, command: Command, now: float) -> list[Event]:
        self.check(command)
        match command:
            case Knock(party):
                return self._waiting.knock(party)
            case StillWaiting(id):
                return self._waiting.remind(id, now)
            case Withdraw(id):
                self._waiting.remove(id)
                return [PartyWithdrew(id)]
            case Allow(id):
                self._waiting.remove(id)
                return [PartyAllowed(id)]
            case Reject(id):
                self._waiting.remove(id)
                return [PartyRejected(id)]
            case Join(member):
                return self._rejoin(command) if member in self._members else self._join(command)
            case Return(member):
                self._socketless.pop(member, None)
                return []
            case Leave(member):
                return self._leave([member], "left", now)
            case Mute(member, kind, muted):
                return self._mute(member, kind, muted)
            case RaiseHand(member, raised):
                changed = evolve(self._members[member], hand_raised=raised)
                return self._replace(changed, HandChanged(member, raised))
            case ShareScreen(member, sharing):
                return self._share_screen(member, sharing)
            case React(member, reaction):
                return [Reacted(member, reaction)]
            case MuteMember(_, member, kind, muted):
                return self._mute_by_admin(member, kind, muted, now)
            case Remove(_, member):
                return self._leave([member], "removed", now)
            case LoseSocket(member):
                self._socketless[member] = now + self._grace_s
                return []
            case LoseMedia(member, loss):
                return self._lose_media(member, loss, now)
            case Speak(speaker):
                return self._speaker.hear(speaker, now) if speaker is None or speaker in self._members else []
            case Hear(levels):
                return self._hear(levels, now)
            case End():
                return self._end(now)
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
        return [
            *self._leave(list(late), "lost", now),
            *self._speaker.expire(now),
            *self._levels.expire(len(self._members), now),
        ]

    def _join(self, join: Join) -> list[Event]:
        events: list[Event] = []
        if self._waiting.party(join.member) is not None:
            self._waiting.remove(join.member)
            events.append(PartyWithdrew(join.member))
        member = Member(
            id=join.member,
            user=join.user,
            name=join.name,
            is_admin=join.is_admin,
            audio_muted=join.audio_muted,
            video_muted=join.video_muted,
        )
        self._members[member.id] = member
        self._token_ids[member.id] = join.token_id
        return [*events, MemberJoined(member)]

    def _rejoin(self, join: Join) -> list[Event]:
        """It keeps its place, and with it name, rights, hand and what admins decided. Its media are new: what it says of
        microphone and camera holds, and a new connection sends the camera."""
        self._socketless.pop(join.member, None)
        self._medialess.pop(join.member, None)
        return [
            *self._mute(join.member, "audio", join.audio_muted),
            *self._mute(join.member, "video", join.video_muted),
            *self._share_screen(join.member, False),
        ]

    def _leave(self, members: list[str], departure: Departure, now: float) -> list[Event]:
        events: list[Event] = []
        for member in members:
            del self._members[member], self._token_ids[member]
            self._socketless.pop(member, None)
            self._medialess.pop(member, None)
            self._levels.forget(member)
            events.append(MemberLeft(member, departure))
        if members and not self._members:
            self._speaker = Speaker()
            return [*events, RoomEmptied()]
        return events + [event for member in members for event in self._speaker.forget(member, now)]

    def _end(self, now: float) -> list[Event]:
        events = self._leave(list(self._members), "ended", now)
        for party in self._waiting.parties:
            self._waiting.remove(party.id)
            events.append(PartyRejected(party.id))
        return events

    def _mute(self, member: str, kind: Kind, muted: bool) -> list[Event]:
        return self._replace(_with_mute(self._members[member], kind, muted), MuteChanged(member, kind, muted))

    def _mute_by_admin(self, member: str, kind: Kind, muted: bool, now: float) -> list[Event]:
        changed = _with_mute(self._members[member], kind, muted, by_admin=True)
        events = self._replace(changed, MuteChanged(member, kind, muted, by_admin=True))
        return events + self._hear({member: 0}, now) if kind == "audio" and muted else events

    def _share_screen(self, member: str, sharing: bool) -> list[Event]:
        changed = evolve(self._members[member], screen_share=sharing)
        return self._replace(changed, ScreenShareChanged(member, sharing))

    def _replace(self, member: Member, event: Event) -> list[Event]:
        """A flag that is set already is no news."""
        if member == self._members[member.id]:
            return []
        self._members[member.id] = member
        return [event]

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

    def _hear(self, levels: Mapping[str, int], now: float) -> list[Event]:
        """Nobody hears somebody whom an admin has muted, however loud it is."""
        for id, level in levels.items():
            member = self._members.get(id)
            if member is not None:
                self._levels.hear(id, 0 if member.audio_muted_by_admin else level)
        return self._levels.expire(len(self._members), now)


def _with_mute(member: Member, kind: Kind, muted: bool, by_admin: bool = False) -> Member:
    match kind:
        case "audio":
            return evolve(member, audio_muted_by_admin=muted) if by_admin else evolve(member, audio_muted=muted)
        case "video":
            return evolve(member, video_muted_by_admin=muted) if by_admin else evolve(member, video_muted=muted)
        case _:
            assert_never(kind)
