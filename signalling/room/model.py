"""The ONE room: who is in it and who waits at its door, in which state, and for how long still.

A machine without I/O or clock: `apply(command, now)` changes it and returns what happened; `deadline` says when `expire`
has something to do. It speaks of members and waiting parties only. Sockets, connections and transports are the business
of whoever holds the room, and so are dialects: a member of any dialect is the same `Member`. Who may enter, and who
may decide about those who wait, has been settled before a command comes here; what the room's capacity, its host and the
host's permits say, is settled here.

Invariants:
- a command that raises RoomError has changed nothing, and `check` raises whatever `apply` would;
- a view built from `members`, `waiting`, `share`, `feeds` and `charter` at some moment and the events after it equals them
  at any later moment (who leaves sends nothing any more, and when the room is ended nothing is shared);
- nobody is inside and waits at the same time;
- a member that loses its socket, or its media in a way that can heal, stays for `grace_s`, and nobody sees it waver;
- `expire` at `deadline` does something, and before it nothing.

What has a state of its own has a file of its own: who is inside (people.py), who waits (waiting.py), what is sent and looked
at (sharing.py), what is passed on (relay.py), who speaks (speaker.py), how loud everybody is (levels.py), who talks (talking.py).
"""

from collections.abc import Mapping
from typing import assert_never

from attrs import evolve

from signalling.room.commands import (
    Allow,
    AskCanvas,
    Command,
    Draw,
    Drop,
    EditProfile,
    EditRoom,
    End,
    Hear,
    Inform,
    Join,
    KickOut,
    Knock,
    Leave,
    LoseMedia,
    LoseSocket,
    MediaLoss,
    Mute,
    MuteMember,
    Publish,
    RaiseHand,
    React,
    Reject,
    RelayCandidate,
    RelayDescription,
    Remove,
    Return,
    Say,
    SendCanvas,
    SetPermit,
    ShareScreen,
    ShowDocument,
    Speak,
    StartShare,
    StillWaiting,
    StopShare,
    Withdraw,
)
from signalling.room.errors import CallInUse, Forbidden, NotFound, RoomFull, TooMany, WrongState
from signalling.room.events import (
    CanvasAsked,
    CanvasSent,
    Departure,
    Drawn,
    Event,
    HandChanged,
    Informed,
    KickedOut,
    MediaLost,
    MemberJoined,
    MemberLeft,
    MuteChanged,
    PartyAllowed,
    PartyRejected,
    PartyWithdrew,
    ProfileChanged,
    Reacted,
    RoomEmptied,
    Said,
)
from signalling.room.levels import Levels
from signalling.room.member import Charter, Kind, Member, PublishedFeed, Share, WaitingParty
from signalling.room.people import People
from signalling.room.relay import Relay
from signalling.room.sharing import Sharing
from signalling.room.speaker import Speaker
from signalling.room.talking import Talking
from signalling.room.waiting import WaitingRoom

UNLICENSED = Charter()
"""A room of the server's own."""


class Room:
    def __init__(self, grace_s: float, charter: Charter = UNLICENSED) -> None:
        self._grace_s = grace_s
        self._people = People(charter)
        self._token_ids: dict[str, str] = {}
        # When each member that lacks its socket, or its media, leaves. Most have both, so these stay small.
        self._socketless: dict[str, float] = {}
        self._medialess: dict[str, float] = {}
        self._waiting = WaitingRoom()
        self._sharing = Sharing(self._people)
        self._relay = Relay(self._people)
        self._speaker = Speaker()
        self._levels = Levels()
        self._talking = Talking()

    @property
    def charter(self) -> Charter:
        return self._people.charter

    @property
    def members(self) -> tuple[Member, ...]:
        """Everybody inside, in the order of joining."""
        return self._people.members

    def member(self, id: str) -> Member | None:
        return self._people.get(id)

    def identity(self, member: str) -> tuple[str | None, str]:
        """The user it has proved to be, and the id of the token that let it in."""
        return self._people[member].user, self._token_ids[member]

    @property
    def share(self) -> Share | None:
        """What everybody looks at."""
        return self._sharing.share

    @property
    def feeds(self) -> tuple[PublishedFeed, ...]:
        """What members send, in the order in which they began."""
        return self._sharing.feeds

    @property
    def active_speaker(self) -> str | None:
        """As announced last, if it is still inside."""
        return self._speaker.announced if self._speaker.announced in self._people else None

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
        parts = (self._speaker.due, self._levels.due, self._talking.due)
        due = [*parts, *self._socketless.values(), *self._medialess.values()]
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
                | React(member)
                | Inform(member)
                | LoseSocket(member)
                | Drop(member)
                | LoseMedia(member)
            ):
                self._people.check_inside(member)
            case EditProfile(member, target=target):
                self._people.check_inside(member)
                if target is not None:
                    self._people.check_target(target)
            case ShareScreen() | Publish() | StartShare() | ShowDocument() | StopShare():
                self._sharing.check(command)
            case Draw(member):
                self._people.check_permit(member, "draw")
            case Say(member):
                self._people.check_permit(member, "chat")
            case AskCanvas(member, target) | SendCanvas(member, target):
                self._people.check_inside(member)
                self._people.check_target(target)
            case RelayDescription() | RelayCandidate():
                self._relay.check(command)
            case EditRoom():
                self._people.check_edit(command)
            case SetPermit(by, member) | KickOut(by, member):
                self._people.check_host(by)
                self._people.check_target(member)
            case Remove(admin, member):
                self._check_moderation(admin, member)
            case MuteMember(admin, member, kind, muted):
                self._check_moderation(admin, member)
                subject = self._people[member]
                if _with_mute(subject, kind, muted, by_admin=True) == subject:
                    raise WrongState("muted already" if muted else "no admin has muted this member")
            case Speak() | Hear() | End():
                pass
            case _:
                assert_never(command)

    def _check_knock(self, party: WaitingParty) -> None:
        if party.id in self._people:
            raise CallInUse("a member is in the room under this call id")
        if self._waiting.full and self._waiting.party(party.id) is None:
            raise TooMany("too many wait for this room already")

    def _check_join(self, join: Join) -> None:
        """Tokens outlive calls, so two parties can hold one for the same call id. Only the one inside comes back: a user
        by its identity, somebody without one by the very token that let it in."""
        present = self._people.get(join.member)
        if present is None:
            if self._people.are_full:
                raise RoomFull("the room has its capacity")
            return
        if present.user != join.user or (join.user is None and self._token_ids[join.member] != join.token_id):
            raise CallInUse("another party is in the room under this call id")

    def _check_moderation(self, admin: str | None, member: str) -> None:
        if admin is not None:
            moderator = self._people.get(admin)
            if moderator is None or not moderator.is_admin:
                raise Forbidden("admins only")
        self._people.check_inside(member)

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
                return self._rejoin(command) if member in self._people else self._join(command)
            case Return(member):
                self._socketless.pop(member, None)
                return []
            case Leave(member):
                return self._leave([member], "left", now)
            case Mute(member, kind, muted):
                return self._describe(_with_mute(self._people[member], kind, muted))
            case RaiseHand(member, raised):
                changed = evolve(self._people[member], hand_raised=raised)
                return [HandChanged(member, raised)] if self._people.replace(changed) else []
            case React(member, reaction):
                return [Reacted(member, reaction)]
            case EditProfile():
                return self._edit_profile(command)
            case ShareScreen() | Publish() | StartShare() | ShowDocument() | StopShare():
                return self._sharing.apply(command)
            case Draw(member, fields):
                return [Drawn(member, fields)]
            case AskCanvas(member, target):
                return [CanvasAsked(member, target)]
            case SendCanvas(member, target, image):
                return [CanvasSent(member, target, image)]
            case Say(member, message):
                return [Said(member, message)]
            case Inform(member, content):
                return [Informed(member, content)]
            case RelayDescription() | RelayCandidate():
                return self._relay.apply(command)
            case EditRoom():
                return self._people.edit(command)
            case SetPermit():
                return self._people.set_permit(command)
            case KickOut(by, member):
                return [KickedOut(member, by)]
            case MuteMember(_, member, kind, muted):
                return self._mute_by_admin(member, kind, muted, now)
            case Remove(_, member):
                return self._leave([member], "removed", now)
            case LoseSocket(member):
                self._socketless[member] = now + self._grace_s
                return []
            case Drop(member):
                return self._leave([member], "lost", now)
            case LoseMedia(member, loss):
                return self._lose_media(member, loss, now)
            case Speak(speaker):
                return self._speaker.hear(speaker, now) if speaker is None or speaker in self._people else []
            case Hear(levels):
                return self._hear(levels, now)
            case End(by, quiet):
                return self._end(by, quiet, now)
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
            *self._levels.expire(len(self._people), now),
            *self._talking.expire(now),
        ]

    # --- coming and going ---

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
            device=join.device,
        )
        self._token_ids[member.id] = join.token_id
        return [*events, MemberJoined(self._people.enter(member))]

    def _rejoin(self, join: Join) -> list[Event]:
        """It keeps its place, and with it name, rights, hand and what admins decided. Its media are new: what it says of
        microphone and camera holds, and a new connection sends the camera."""
        self._socketless.pop(join.member, None)
        self._medialess.pop(join.member, None)
        said = evolve(self._people[join.member], audio_muted=join.audio_muted, video_muted=join.video_muted)
        return self._describe(said) + self._sharing.share_screen(join.member, False)

    def _leave(
        self, members: list[str], departure: Departure, now: float, by: str | None = None, quiet: bool = False
    ) -> list[Event]:
        events: list[Event] = []
        for member in members:
            events += self._sharing.leave(member, silently=departure == "ended")
            self._people.leave(member)
            del self._token_ids[member]
            self._socketless.pop(member, None)
            self._medialess.pop(member, None)
            for part in (self._relay, self._levels, self._talking):
                part.forget(member)
            events.append(MemberLeft(member, departure, by, quiet))
        if members and not self._people:
            self._speaker = Speaker()
            return [*events, RoomEmptied()]
        return events + [event for member in members for event in self._speaker.forget(member, now)]

    def _end(self, by: str | None, quiet: bool, now: float) -> list[Event]:
        events = self._leave([member.id for member in self.members], "ended", now, by, quiet)
        for party in self._waiting.parties:
            self._waiting.remove(party.id)
            events.append(PartyRejected(party.id))
        return events

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

    # --- what members say of themselves, and what others decide and hear ---

    def _describe(self, member: Member) -> list[Event]:
        """A member's own flags. One that is set already is no news."""
        events = self._own_mutes(member)
        return [*events, ProfileChanged(member)] if self._people.replace(member) else []

    def _edit_profile(self, edit: EditProfile) -> list[Event]:
        """Told even if it was so before: the client asks for it to be told."""
        member = self._people[edit.member]
        changed = evolve(
            member,
            name=member.name if edit.name is None else edit.name,
            audio_muted=member.audio_muted if edit.audio_muted is None else edit.audio_muted,
            video_muted=member.video_muted if edit.video_muted is None else edit.video_muted,
        )
        events = self._own_mutes(changed)
        self._people.replace(changed)
        return [*events, ProfileChanged(changed, edit.broadcast, edit.target)]

    def _own_mutes(self, changed: Member) -> list[Event]:
        before, events = self._people[changed.id], list[Event]()
        if changed.audio_muted != before.audio_muted:
            events.append(MuteChanged(changed.id, "audio", changed.audio_muted))
        if changed.video_muted != before.video_muted:
            events.append(MuteChanged(changed.id, "video", changed.video_muted))
        return events

    def _mute_by_admin(self, member: str, kind: Kind, muted: bool, now: float) -> list[Event]:
        changed = _with_mute(self._people[member], kind, muted, by_admin=True)
        self._people.replace(changed)
        events: list[Event] = [MuteChanged(member, kind, muted, by_admin=True), ProfileChanged(changed, by_admin=True)]
        if kind == "audio" and muted:
            events += self._hear({member: 0}, now) + self._talking.cut(member)
        return events

    def _hear(self, levels: Mapping[str, int], now: float) -> list[Event]:
        """Nobody hears somebody whom an admin has muted, however loud it is."""
        talking: list[Event] = []
        for id, loudness in levels.items():
            member = self._people.get(id)
            if member is not None:
                level = 0 if member.audio_muted_by_admin else loudness
                self._levels.hear(id, level)
                if self.charter.talking_noty:
                    talking += self._talking.hear(id, level, now)
        return self._levels.expire(len(self._people), now) + talking


def _with_mute(member: Member, kind: Kind, muted: bool, by_admin: bool = False) -> Member:
    match kind:
        case "audio":
            return evolve(member, audio_muted_by_admin=muted) if by_admin else evolve(member, audio_muted=muted)
        case "video":
            return evolve(member, video_muted_by_admin=muted) if by_admin else evolve(member, video_muted=muted)
        case _:
            assert_never(kind)
