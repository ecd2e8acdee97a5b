"""One room at work: the model with its timer, its media, its invitations, and the sockets of all who have to do with it.

    party > RoomHost > Room.apply > events > media: cut, close
                                           > sockets, each in its dialect's words
                                           > observers

Whatever changes a room is synchronous from the check to the last notification, so every socket hears of the changes in
the order in which they happened, a member list fits the notifications after it, and a connection that is cancelled at
an `await` has never left a room half-way. The only await is the sleep until the next deadline. A notification is put into
words once for each dialect, not for each member.

A host lives while anybody is inside, waits or watches; that of a licence's room as long as the room (contract kpoint, section
5.1). Media are open while somebody is inside; whose connections they are is connections.py's.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import structlog
import trio
from attrs import define, evolve, field, frozen

from sfu.wanted import MediaSource, Wanted
from signalling.connections import ONLY, Connections, Leg
from signalling.limits import KNOCKS_BURST, KNOCKS_PER_S, TokenBucket
from signalling.listener import Dialect, Listener, supplant, tell
from signalling.live import LiveMember, LiveParty, LiveRoom
from signalling.ports import (
    Claims,
    LicenceRoom,
    ListedUser,
    MediaEngine,
    Remote,
    RoomRecord,
    Tokens,
)
from signalling.registrations import Registrations
from signalling.ringing import Called, Invitation, RoomInvitations
from signalling.room.commands import (
    Allow,
    Command,
    Drop,
    End,
    Hear,
    Join,
    Knock,
    LoseMedia,
    LoseSocket,
    MediaLoss,
    Publish,
    Return,
    Speak,
    Withdraw,
)
from signalling.room.errors import (
    NoSuchFeed,
    TooMany,
    WrongKind,
    WrongState,
)
from signalling.room.events import (
    ActiveSpeaker,
    Admins,
    AllBut,
    AllocationsChanged,
    Allowed,
    Event,
    Everyone,
    FeedsThere,
    InvitationRejected,
    MemberJoined,
    MemberLeft,
    MuteChanged,
    Nobody,
    Only,
    OnlyAndWatchers,
    PartyRejected,
    PartyWithdrew,
    RateChanged,
    Rejected,
    RoomEmptied,
    ScreenShareChanged,
    Unpublished,
    Watchers,
    audience,
    droppable,
)
from signalling.room.member import Charter, Kind, Member, Share, WaitingParty
from signalling.room.model import Room
from signalling.settings import RoomApiSettings

log = structlog.get_logger()

# What fails once may fail at every attempt.
FAULT_PAUSE_S = 1.0


class Registry(Protocol):
    """What a host asks of whoever knows all of them."""

    @property
    def settings(self) -> RoomApiSettings: ...

    @property
    def tokens(self) -> Tokens: ...

    @property
    def registrations(self) -> Registrations: ...

    def note_joined(self, call_id: str, host: "RoomHost") -> None: ...

    def note_left(self, call_id: str, host: "RoomHost") -> None: ...

    def note_emptied(self, host: "RoomHost") -> None:
        """Nobody is inside any more."""
        ...

    def note_deserted(self, host: "RoomHost") -> None:
        """Nobody has to do with it any more, and the room is not to wait for anybody."""
        ...

    def observe(self, host: "RoomHost", event: Event, remote: Remote | None) -> None: ...


@frozen
class Joined:
    """What a join brought."""

    host: "RoomHost"
    answer: str = field(repr=False)
    member: Member
    others: tuple[Member, ...]


@define(eq=False)
class _Seat:
    """What a member has beside its entry in the model."""

    dialect: str
    listener: Listener | None
    """None while the socket is away."""
    since: datetime
    missed: list[InvitationRejected] = field(factory=list)
    """What nobody will say again. Never more than invitations can ring."""


@define(eq=False)
class _Place:
    """What somebody who waits has beside its entry in the model."""

    listener: Listener
    since: datetime


class RoomHost:
    def __init__(
        self,
        record: RoomRecord,
        temporary: bool,
        engine: MediaEngine,
        registry: Registry,
        licensed: LicenceRoom | None = None,
        kept_until: float = -math.inf,
    ) -> None:
        """`kept_until`: how long a licence's room waits for its first member."""
        self.id = record.uuid
        self.record = record
        """As it was when somebody last entered; a temporary room has no other."""
        self.temporary = temporary
        self._registry = registry
        self.licensed = licensed
        self._kept_until = kept_until
        self._expected: dict[str, float] = {}
        self._room = Room(registry.settings.socket_grace_s, _charter(licensed))
        self._seats: dict[str, _Seat] = {}
        self._places: dict[str, _Place] = {}
        self._watchers: dict[str, Listener] = {}
        self._connections = Connections(engine, self)
        self._invitations = RoomInvitations(
            self.id,
            registry.settings.invite_timeout_s,
            registry.registrations,
            registry.tokens,
            self._uninvite,
            self._reject,
        )
        self._knocks = TokenBucket(KNOCKS_BURST, KNOCKS_PER_S, trio.current_time())
        self._since = datetime.now(UTC)
        self._asleep_until = math.inf
        self._alarm = trio.Event()
        self._over = False

    # --- who is here ---

    @property
    def members(self) -> tuple[Member, ...]:
        return self._room.members

    @property
    def waiting(self) -> tuple[WaitingParty, ...]:
        return self._room.waiting

    @property
    def charter(self) -> Charter:
        return self._room.charter

    @property
    def share(self) -> Share | None:
        return self._room.share

    @property
    def scope(self) -> str:
        """Within which the ids of members are unique: the licence's id, or nothing for the server's own rooms."""
        return "" if self.licensed is None else self.licensed.licence

    @property
    def deserted(self) -> bool:
        return self.left_alone and max(self._kept_until, self.awaited_until) <= trio.current_time()

    @property
    def left_alone(self) -> bool:
        """Nobody is inside, waits or watches."""
        return not (self._seats or self._places or self._watchers)

    def member(self, id: str) -> Member | None:
        return self._room.member(id)

    def identity(self, member: str) -> tuple[str | None, str]:
        return self._room.identity(member)

    def may_join_again(self, member: str) -> bool:
        """Whether a member that has its socket needs a new connection on it."""
        return self._room.has_lost_media(member)

    # --- commands ---

    def check(self, command: Command) -> None:
        """Raises what `perform` would raise."""
        self._room.check(command)

    def perform(self, command: Command, reply: Callable[[], None] | None = None) -> None:
        """Changes the room. `reply` runs between the change and its notifications; a refusal has changed nothing."""
        events = self._room.apply(command, trio.current_time())
        if reply is not None:
            reply()
        self._publish(events)

    # --- the waiting room ---

    def knock(self, party: WaitingParty, listener: Listener, reply: Callable[[], None]) -> None:
        now = trio.current_time()
        self._room.check(Knock(party))
        if not self._knocks.take(now):
            raise TooMany("too many knock at this door at once")
        events = self._room.apply(Knock(party), now)
        place = self._places.get(party.id)
        if place is None:
            self._places[party.id] = _Place(listener, datetime.now(UTC))
        else:
            former, place.listener = place.listener, listener
            supplant(former, listener)
        reply()
        self._publish(events)

    def withdraw(self, party: str, listener: Listener) -> None:
        """The socket that waited waits no longer."""
        place = self._places.get(party)
        if place is not None and place.listener is listener:
            self.perform(Withdraw(party))

    def allow(self, party: str, reply: Callable[[], None]) -> None:
        """Gives somebody who waits a token, which is no admin's."""
        command = Allow(party)
        self._room.check(command)
        waiting = self._room.waiting_party(party)
        assert waiting is not None
        tokens = self._registry.tokens
        token = tokens.issue(room=self.id, call_id=party, user=waiting.user, name=waiting.name, is_admin=False)
        events = self._room.apply(command, trio.current_time())
        listener = self._places.pop(party).listener
        reply()
        listener.allowed(tokens.read(token))
        tell(listener, Allowed(token), self.record.name)
        self._publish(events)

    # --- inside ---

    def join(self, join: Join, offer: str, listener: Listener, reply: Callable[[Joined], None]) -> None:
        """With the one connection on which it sends and receives."""
        self._room.check(join)
        if self.charter.kind == "relay":
            raise WrongKind("a call between two clients, without the media engine")
        present = self._room.member(join.member)
        answer, sends = self._connections.open_only(join.member, offer, _cut(present))
        # From here on nothing can fail.
        events = self._enter(join, listener)
        events += self._room.apply(Publish(join.member, "camera", sends), trio.current_time())
        reply(self._joined(join.member, answer))
        self._welcome(join.member, listener, events)

    def enter(self, join: Join, listener: Listener, reply: Callable[[], None]) -> None:
        """Without a connection; `publish` and `subscribe` make them."""
        self._room.check(join)
        events = self._enter(join, listener)
        self._connections.announce(join.member)
        reply()
        self._welcome(join.member, listener, events)

    def _enter(self, join: Join, listener: Listener) -> list[Event]:
        events = self._room.apply(join, trio.current_time())
        self._expected.pop(join.member, None)
        self._seat(join.member, listener)
        self._registry.note_joined(join.member, self)
        return events

    def _joined(self, id: str, answer: str) -> Joined:
        member = self._room.member(id)
        assert member is not None
        return Joined(self, answer, member, tuple(other for other in self._room.members if other.id != id))

    def _welcome(self, member: str, listener: Listener, events: list[Event]) -> None:
        self._publish(events)
        feeds = tuple(feed for feed in self._room.feeds if feed.member.id != member)
        if feeds:
            tell(listener, FeedsThere(feeds), self.record.name)
        self._catch_up(listener, member)
        self._invitations.answer(member, listener)

    def _seat(self, member: str, listener: Listener) -> None:
        supplant(self._watchers.pop(member, None), listener)
        place = self._places.pop(member, None)
        if place is not None:
            supplant(place.listener, listener)
        seat = self._seats.get(member)
        if seat is None:
            self._seats[member] = _Seat(listener.dialect.NAME, listener, datetime.now(UTC))
            return
        former, seat.listener = seat.listener, listener
        seat.dialect = listener.dialect.NAME
        supplant(former, listener)

    def watch(self, claims: Claims, listener: Listener, reply: Callable[[], None]) -> bool:
        """Binds a socket to its call; whether that is inside, so that the socket acts for the member from now on."""
        seat = self._seats.get(claims.call_id)
        if seat is None:
            former = self._watchers.get(claims.call_id)
            self._watchers[claims.call_id] = listener
            supplant(former, listener)
            reply()
            # Only now that somebody watches: who waits may be all that the room lives by.
            place = self._places.get(claims.call_id)
            if place is not None:
                self.withdraw(claims.call_id, place.listener)
                supplant(place.listener, listener)
            self._catch_up(listener, claims.call_id)
            return False
        self._room.check(Join(claims.call_id, claims.user, claims.name, claims.is_admin, claims.token_id))
        former, seat.listener = seat.listener, listener
        supplant(former, listener)
        self.perform(Return(claims.call_id), reply)
        self._catch_up(listener, claims.call_id)
        return True

    def unwatch(self, call_id: str, listener: Listener) -> None:
        if self._watchers.get(call_id) is listener:
            del self._watchers[call_id]
            self._settle()

    def renegotiate(self, member: str, offer: str, wanted: Sequence[Wanted]) -> str:
        if self._room.has_lost_media(member):
            raise WrongState("the connection is lost; join_room makes a new one")
        answer, sends = self._connections.renegotiate(member, offer, wanted)
        self.perform(Publish(member, "camera", sends))
        return answer

    # --- connections of those that have several ---

    def publish(self, member: str, source: MediaSource, offer: str, reply: Callable[[str], None]) -> None:
        """Answers the offer of a connection by which the member sends; a second one renegotiates or replaces the first."""
        self._room.check(Publish(member, source))
        answer, sends = self._connections.publish(member, source, offer, _cut(self._room.member(member)))
        self.perform(Publish(member, source, sends), lambda: reply(answer))

    def subscribe(self, member: str, target: str, source: MediaSource, *, video: bool, audio: bool) -> str:
        """Our offer of a connection that carries a feed of another member, in the place of a former one."""
        if self.charter.kind == "relay":
            raise WrongKind("a call between two clients, without the media engine")
        if not any((feed.member.id, feed.source) == (target, source) for feed in self._room.feeds):
            raise NoSuchFeed("that member sends nothing of the kind")
        kinds: list[Kind] = ["audio"] if audio else []
        if video:
            kinds.append("video")
        return self._connections.offer(member, target, source, kinds)

    def finish(self, member: str, target: str, source: MediaSource, answer: str) -> None:
        """The answer to that offer."""
        if self.charter.kind == "relay":
            raise WrongKind("a call between two clients, without the media engine")
        self._connections.accept(member, target, source, answer)

    def check_leg(self, member: str, target: str, source: MediaSource) -> None:
        """NothingThere if the member has no such connection; its own id names that by which it sends."""
        self._connections.check(member, Leg(source, None if target == member else target))

    def socket_gone(self, member: str, listener: Listener) -> None:
        seat = self._seats.get(member)
        if seat is not None and seat.listener is listener:
            seat.listener = None
            self.perform(LoseSocket(member))

    def drop(self, member: str) -> None:
        """Its socket is gone, or another's now, and hears no more."""
        self._seats[member].listener = None
        self.perform(Drop(member))

    # --- invitations ---

    def invite(self, sender: str, called: Sequence[Called]) -> Invitation:
        """By a member; into a temporary room whoever is invited may come from now on."""
        member = self._room.member(sender)
        assert member is not None
        invitation = self._invitations.invite(self.record, member, called, trio.current_time())
        if self.temporary:
            known = {entry.user_id for entry in self.record.members}
            users = dict.fromkeys(each.user.id for each in called if each.user is not None)
            guests = tuple(ListedUser(user, admin=False) for user in users if user not in known)
            self.record = evolve(self.record, members=self.record.members + guests)
        self._wake()
        return invitation

    def refuse(self, leg: str, listener: Listener, reply: Callable[[], None]) -> None:
        self._invitations.refuse(leg, listener, reply)

    def _uninvite(self, leg: str) -> None:
        """The invitation is over: nobody comes in by this leg any more, or goes on watching by it."""
        self._registry.tokens.revoke(self.id, leg, uninvited=True)
        self._dismiss_watcher(leg)

    # --- as media see it ---

    def active_speaker(self, name: str | None) -> None:
        if not self._over:
            self.perform(Speak(name))

    def audio_levels(self, levels: Mapping[str, int]) -> None:
        if not self._over:
            self.perform(Hear(levels))

    def connection_lost(self, member: str, leg: Leg, reason: str) -> None:
        if leg == ONLY:
            self.perform(LoseMedia(member, _LOSSES.get(reason, "final")))
        elif leg.source is not None and leg.sends:
            # The member stays, and may make another one.
            self.perform(Publish(member, leg.source, live=False))

    def media_news(self, event: AllocationsChanged | RateChanged) -> None:
        self._tell(event)

    # --- its time and its end ---

    async def keep_time(self) -> None:
        while not self._over:
            self._asleep_until = self._deadline
            self._alarm = trio.Event()
            with trio.move_on_at(self._asleep_until):
                await self._alarm.wait()
            now = trio.current_time()
            try:
                self._invitations.expire(now)
                self._publish(self._room.expire(now))
                self._settle()
            except Exception:
                # Our own fault. What it has left half done here is nobody's business in other rooms.
                log.exception("a room's timer failed", room=self.id)
                await trio.sleep(FAULT_PAUSE_S)

    @property
    def _deadline(self) -> float:
        alone = max(self._kept_until, self.awaited_until) if self.left_alone else None
        deadlines = (self._room.deadline, self._invitations.deadline, alone)
        return min((due for due in deadlines if due is not None), default=math.inf)

    def end(self, by: str | None = None, quiet: bool = False, reply: Callable[[], None] | None = None) -> None:
        """Everybody is out, whether inside, waiting or watching."""
        self.perform(End(by, quiet), reply)
        for call_id in list(self._watchers):
            self._dismiss_watcher(call_id)
        self._settle()

    def expect(self, call_id: str, until: float) -> None:
        """A call has been let in, and may come until then: the last one who leaves does not end the room before."""
        self._expected[call_id] = until

    def expect_no_more(self, call_id: str) -> None:
        if self._expected.pop(call_id, None) is not None:
            self._settle()
            self._wake()

    @property
    def awaited_until(self) -> float:
        return max(self._expected.values(), default=-math.inf)

    def give_up(self) -> None:
        """A room of a licence, whose end has come, waits for nobody any more."""
        self._kept_until = -math.inf
        self._expected.clear()
        self._settle()

    def listeners(self) -> list[Listener]:
        """The sockets of all members and watchers."""
        return [seat.listener for seat in self._seats.values() if seat.listener is not None] + list(
            self._watchers.values()
        )

    def close(self) -> None:
        """Ends what runs; there is nobody left to tell."""
        if not self._over:
            self._over = True
            self._connections.close()
            self._alarm.set()

    def snapshot(self) -> LiveRoom:
        return LiveRoom(
            id=self.id,
            name=self.record.name,
            temporary=self.temporary,
            licence=None if self.licensed is None else self.licensed.licence,
            since=self._since,
            members=tuple(map(self._live_member, self._room.members)),
            waiting=tuple(
                LiveParty(party.id, party.name, party.user, self._places[party.id].since)
                for party in self._room.waiting
            ),
        )

    def _live_member(self, member: Member) -> LiveMember:
        seat = self._seats[member.id]
        return LiveMember(
            id=member.id,
            name=member.name,
            user=member.user,
            dialect=seat.dialect,
            is_admin=member.is_admin,
            since=seat.since,
            audio_muted=member.audio_muted,
            video_muted=member.video_muted,
            audio_muted_by_admin=member.audio_muted_by_admin,
            video_muted_by_admin=member.video_muted_by_admin,
            streams=self._connections.stats(member.id),
        )

    # --- what has happened ---

    def _publish(self, events: list[Event]) -> None:
        for event in events:
            self._carry_out(event)
            self._tell(event)
            if not droppable(event):
                self._registry.observe(self, event, self._remote_of(event))
            self._clear_away(event)
        if events:
            self._settle()
        self._wake()

    def _remote_of(self, event: Event) -> Remote | None:
        """Where somebody who has joined came from."""
        seat = self._seats[event.member.id] if isinstance(event, MemberJoined) else None
        return None if seat is None or seat.listener is None else seat.listener.remote

    def _wake(self) -> None:
        if self._deadline < self._asleep_until:
            self._alarm.set()

    def _carry_out(self, event: Event) -> None:
        """What media have to do before anybody is told that it is so."""
        match event:
            case MuteChanged(member, kind, muted, by_admin=True):
                self._connections.cut(member, kind, muted)
            case ScreenShareChanged(member, sharing):
                self._connections.share_screen(member, sharing)

    def _clear_away(self, event: Event) -> None:
        """What those who were told about no longer need."""
        match event:
            case MemberLeft(member):
                seat = self._seats.pop(member)
                self._registry.note_left(member, self)
                if seat.listener is not None:
                    seat.listener.out_of_room()
                self._connections.drop(member)
            case Unpublished(member, "screen"):
                self._connections.stop_publishing(member, "screen")
            case PartyWithdrew(party):
                self._places.pop(party, None)
            case PartyRejected(party):
                listener = self._places.pop(party).listener
                tell(listener, Rejected(), self.record.name)
                listener.out_of_room()
            case RoomEmptied():
                self._connections.close()
                self._invitations.cancel()
                self._registry.note_emptied(self)
                if self.licensed is not None:
                    self._kept_until = -math.inf if self.licensed.destroy else math.inf
                if self.temporary or (self.licensed is not None and self.licensed.destroy):
                    self.end()

    def _dismiss_watcher(self, call_id: str) -> None:
        """Without a word: it was told of everybody who left, and it is nobody itself who could leave."""
        listener = self._watchers.pop(call_id, None)
        if listener is not None:
            listener.out_of_room()

    def _settle(self) -> None:
        if self.deserted and not self._over:
            self._registry.note_deserted(self)

    def _tell(self, event: Event) -> None:
        texts: dict[Dialect, str | None] = {}
        can_drop = droppable(event)
        for listener in self._hearers(event):
            dialect = listener.dialect
            if dialect not in texts:
                texts[dialect] = dialect.notification(event, self.record.name)
            if (text := texts[dialect]) is not None:
                listener.put(text, can_drop)

    def _hearers(self, event: Event) -> list[Listener]:
        """A copy, so that a socket which ends while it is told disturbs nobody."""
        match audience(event):
            case Everyone():
                seats: Iterable[_Seat] = self._seats.values()
            case AllBut(member):
                seats = (seat for id, seat in self._seats.items() if id != member)
            case Admins():
                admins = (member.id for member in self._room.members if member.is_admin)
                return [listener for admin in admins for listener in self._own(admin)]
            case Only(member):
                return self._own(member)
            case OnlyAndWatchers(member):
                return self._own(member) + list(self._watchers.values())
            case Watchers():
                return list(self._watchers.values())
            case Nobody():
                return []
        return [seat.listener for seat in seats if seat.listener is not None] + list(self._watchers.values())

    def _reject(self, event: InvitationRejected) -> None:
        seat = self._seats.get(event.sender)
        if seat is not None and seat.listener is None:
            seat.missed.append(event)
        self._publish([event])

    def _catch_up(self, listener: Listener, call_id: str) -> None:
        """What the list of members does not say to somebody who comes, or comes back."""
        speaker = self._room.active_speaker
        if speaker is not None:
            tell(listener, ActiveSpeaker(speaker), self.record.name)
        seat = self._seats.get(call_id)
        if seat is not None:
            missed, seat.missed = seat.missed, []
            for event in missed:
                tell(listener, event, self.record.name)

    def _own(self, member: str) -> list[Listener]:
        seat = self._seats.get(member)
        return [] if seat is None or seat.listener is None else [seat.listener]


def _cut(member: Member | None) -> list[Kind]:
    """Of which kind nothing passes, whatever the member sends."""
    if member is None:
        return []
    cut: dict[Kind, bool] = {"audio": member.audio_muted_by_admin, "video": member.video_muted_by_admin}
    return [kind for kind, is_cut in cut.items() if is_cut]


def _charter(licensed: LicenceRoom | None) -> Charter:
    if licensed is None:
        return Charter()
    return Charter(
        kind=licensed.kind,
        title=licensed.title,
        capacity=licensed.capacity,
        talking_noty=licensed.talking_noty,
        host=Member(licensed.host, None, licensed.host_name, is_admin=False, device=licensed.host_device, is_host=True),
    )


# What the engine says of the end of a connection, if there is hope; anything else there is none for.
_LOSSES: Mapping[str, MediaLoss] = {"closed": "closed", "server": "fault"}
