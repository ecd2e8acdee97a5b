"""One room at work: the model with its timer, its media, its invitations, and the sockets of all who have to do with it.

    party > RoomHost > Room.apply > events > media: cut, close
                                           > sockets, each in its dialect's words
                                           > observers

Whatever changes a room is synchronous from the check to the last notification, so every socket hears of the changes in
the order in which they happened, a member list fits the notifications after it, and a connection that is cancelled at
an `await` has never left a room half-way. The only await is the sleep until the next deadline. A notification is put into
words once for each dialect, not for each member.

A host lives while anybody is inside, waits or watches. Media are open while somebody is inside.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol, cast

import attrs
import structlog
import trio
from attrs import define, evolve, field, frozen

from sfu.negotiation import BadOffer, NoCommonCodec
from sfu.wanted import VideoAllocation, Wanted
from signalling.limits import KNOCKS_BURST, KNOCKS_PER_S, TokenBucket
from signalling.listener import Dialect, Listener, supplant, tell
from signalling.live import LiveMember, LiveParty, LiveRoom
from signalling.ports import Claims, ListedUser, MediaEngine, MediaPeer, MediaRoom, RoomRecord, Tokens
from signalling.registrations import Registrations
from signalling.ringing import Called, Invitation, RoomInvitations
from signalling.room.commands import (
    Allow,
    Command,
    End,
    Hear,
    Join,
    Knock,
    LoseMedia,
    LoseSocket,
    MediaLoss,
    Return,
    Speak,
    Withdraw,
)
from signalling.room.errors import BadRequest, NoCodec, TooMany, WrongState
from signalling.room.events import (
    ActiveSpeaker,
    Admins,
    AllBut,
    AllocationsChanged,
    Allowed,
    Event,
    Everyone,
    InvitationRejected,
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
    audience,
    droppable,
)
from signalling.room.member import Member, WaitingParty
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

    def note_left(self, call_id: str) -> None: ...

    def note_deserted(self, host: "RoomHost") -> None:
        """Nobody is inside, waits or watches any more."""
        ...

    def observe(self, host: "RoomHost", event: Event) -> None: ...


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

    peer: MediaPeer
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
    def __init__(self, record: RoomRecord, temporary: bool, engine: MediaEngine, registry: Registry) -> None:
        self.id = record.uuid
        self.record = record
        """As it was when somebody last entered; a temporary room has no other."""
        self.temporary = temporary
        self._registry = registry
        self._engine = engine
        self._room = Room(registry.settings.socket_grace_s)
        self._seats: dict[str, _Seat] = {}
        self._places: dict[str, _Place] = {}
        self._watchers: dict[str, Listener] = {}
        self._media: MediaRoom | None = None
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
    def deserted(self) -> bool:
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
        tell(listener, Allowed(token))
        self._publish(events)

    # --- inside ---

    def join(self, join: Join, offer: str, listener: Listener, reply: Callable[[Joined], None]) -> None:
        self._room.check(join)
        media_listener = _PeerListener(self, join.member)
        try:
            with _bad_offers_refused():
                peer, answer = self._open_media().open_peer(join.member, offer, media_listener)
        except Exception:
            if not self._seats:
                self._close_media()
            raise
        # From here on nothing can fail.
        media_listener.peer = peer
        events = self._room.apply(join, trio.current_time())
        self._seat(join.member, peer, listener)
        self._registry.note_joined(join.member, self)
        member = self._room.member(join.member)
        assert member is not None
        # What an admin has decided holds for every connection of a member.
        peer.cut("audio", member.audio_muted_by_admin)
        peer.cut("video", member.video_muted_by_admin)
        reply(Joined(self, answer, member, tuple(other for other in self._room.members if other.id != member.id)))
        self._publish(events)
        self._catch_up(listener, join.member)
        self._invitations.answer(join.member, listener)

    def _seat(self, member: str, peer: MediaPeer, listener: Listener) -> None:
        supplant(self._watchers.pop(member, None), listener)
        place = self._places.pop(member, None)
        if place is not None:
            supplant(place.listener, listener)
        seat = self._seats.get(member)
        if seat is None:
            self._seats[member] = _Seat(peer, listener.dialect.NAME, listener, datetime.now(UTC))
            return
        former, seat.listener = seat.listener, listener
        seat.peer, seat.dialect = peer, listener.dialect.NAME
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
        with _bad_offers_refused():
            return self._seats[member].peer.renegotiate(offer, wanted)

    def socket_gone(self, member: str, listener: Listener) -> None:
        seat = self._seats.get(member)
        if seat is not None and seat.listener is listener:
            seat.listener = None
            self.perform(LoseSocket(member))

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

    def media_lost(self, member: str, peer: MediaPeer | None, reason: MediaLoss) -> None:
        if self._is_current(member, peer):
            self.perform(LoseMedia(member, reason))

    def media_news(self, peer: MediaPeer | None, event: AllocationsChanged | RateChanged) -> None:
        if self._is_current(event.member, peer):
            self._tell(event)

    def _is_current(self, member: str, peer: MediaPeer | None) -> bool:
        """A connection that has been replaced may still be heard of."""
        seat = self._seats.get(member)
        return seat is not None and seat.peer is peer

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
            except Exception:
                # Our own fault. What it has left half done here is nobody's business in other rooms.
                log.exception("a room's timer failed", room=self.id)
                await trio.sleep(FAULT_PAUSE_S)

    @property
    def _deadline(self) -> float:
        deadlines = (self._room.deadline, self._invitations.deadline)
        return min((due for due in deadlines if due is not None), default=math.inf)

    def end(self) -> None:
        """Everybody is out, whether inside, waiting or watching."""
        self.perform(End())
        for call_id in list(self._watchers):
            self._dismiss_watcher(call_id)
        self._settle()

    def close(self) -> None:
        """Ends what runs; there is nobody left to tell."""
        if not self._over:
            self._over = True
            self._close_media()
            self._alarm.set()

    def snapshot(self) -> LiveRoom:
        return LiveRoom(
            id=self.id,
            name=self.record.name,
            temporary=self.temporary,
            since=self._since,
            members=tuple(map(self._live_member, self._room.members)),
            waiting=tuple(
                LiveParty(party.id, party.name, party.user, self._places[party.id].since)
                for party in self._room.waiting
            ),
        )

    def _live_member(self, member: Member) -> LiveMember:
        seat = self._seats[member.id]
        stats = cast("dict[str, object]", attrs.asdict(seat.peer.stats()))
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
            streams=(stats,),
        )

    # --- what has happened ---

    def _publish(self, events: list[Event]) -> None:
        for event in events:
            self._carry_out(event)
            self._tell(event)
            if not droppable(event):
                self._registry.observe(self, event)
            self._clear_away(event)
        if events:
            self._settle()
        self._wake()

    def _wake(self) -> None:
        if self._deadline < self._asleep_until:
            self._alarm.set()

    def _carry_out(self, event: Event) -> None:
        """What media have to do before anybody is told that it is so."""
        match event:
            case MuteChanged(member, kind, muted, by_admin=True):
                self._seats[member].peer.cut(kind, muted)
            case ScreenShareChanged(member, sharing):
                self._seats[member].peer.share_screen(sharing)

    def _clear_away(self, event: Event) -> None:
        """What those who were told about no longer need."""
        match event:
            case MemberLeft(member):
                seat = self._seats.pop(member)
                self._registry.note_left(member)
                if seat.listener is not None:
                    seat.listener.out_of_room()
                seat.peer.close()
            case PartyWithdrew(party):
                self._places.pop(party, None)
            case PartyRejected(party):
                listener = self._places.pop(party).listener
                tell(listener, Rejected())
                listener.out_of_room()
            case RoomEmptied():
                self._close_media()
                self._invitations.cancel()
                if self.temporary:
                    self.end()

    def _open_media(self) -> MediaRoom:
        if self._media is None:
            self._media = self._engine.open_room(self)
        return self._media

    def _close_media(self) -> None:
        if self._media is not None:
            self._media.close()
            self._media = None

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
                texts[dialect] = dialect.notification(event)
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
            tell(listener, ActiveSpeaker(speaker))
        seat = self._seats.get(call_id)
        if seat is not None:
            missed, seat.missed = seat.missed, []
            for event in missed:
                tell(listener, event)

    def _own(self, member: str) -> list[Listener]:
        seat = self._seats.get(member)
        return [] if seat is None or seat.listener is None else [seat.listener]


@contextmanager
def _bad_offers_refused() -> Iterator[None]:
    """An offer that cannot be used is the client's mistake; anything else is ours and stays what it is."""
    try:
        yield
    except BadOffer as reason:
        raise BadRequest(f"sdp: {reason}") from reason
    except NoCommonCodec as reason:
        raise NoCodec(f"sdp: {reason}") from reason


# What the engine says of the end of a connection, if there is hope; anything else there is none for.
_LOSSES: Mapping[str, MediaLoss] = {"closed": "closed", "server": "fault"}


class _PeerListener:
    """Brings what the engine says of one connection to its room."""

    def __init__(self, host: RoomHost, member: str) -> None:
        self._host = host
        self._member = member
        self.peer: MediaPeer | None = None

    def connected(self) -> None:
        """The engine itself watches for connections that never come up."""

    def lost(self, reason: str) -> None:
        self._host.media_lost(self._member, self.peer, _LOSSES.get(reason, "final"))

    def video_allocations(self, allocations: Mapping[str, VideoAllocation]) -> None:
        self._host.media_news(self.peer, AllocationsChanged(self._member, allocations))

    def available_rate(self, rate_bps: int) -> None:
        self._host.media_news(self.peer, RateChanged(self._member, rate_bps))
