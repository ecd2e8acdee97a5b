"""The invitations of one room at work: legs to the sockets of those who are invited (contract room-api, section 4.3).

When an invitation is answered, refused or given up is decided by the machine, room/invitations.py; here its legs ring and
fall silent. A leg rings by a Bell. Registered sockets are one kind of Bell; phones are to be another: whoever knows how
to reach a user adds its bells in `_bells`, and says `fail` and `refuse` for them.

Invariant: the token of a leg that is over without having been answered is revoked in the same step.
"""

import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from attrs import define, field, frozen

from signalling.limits import RINGING_INVITATIONS
from signalling.listener import Listener, tell
from signalling.ports import RoomRecord, Tokens, User
from signalling.registrations import Registrations
from signalling.room.access import listed
from signalling.room.errors import NotFound, TooMany
from signalling.room.events import CompletedElsewhere, InvitationRejected, Invited
from signalling.room.invitations import Effect, GiveUp, Invitations, Ringing, StopLeg, Unreachable
from signalling.room.member import Member


@frozen
class Called:
    """Somebody who is invited: the string that was sent, and the user it means."""

    destination: str
    user: User | None


class Bell(Protocol):
    """One way to reach somebody, for one leg."""

    def ring(self, invited: Invited) -> None: ...

    def silence(self) -> None:
        """The leg is over by the doing of whoever is reached here."""
        ...

    def call_off(self) -> None:
        """The leg is over by the doing of others."""
        ...

    def is_at(self, listener: Listener) -> bool: ...


@frozen
class Invitation:
    """What became of one request to invite: the answer to it, and `ring`, to be called once that is sent."""

    ringing: tuple[Ringing, ...]
    unreachable: tuple[Unreachable, ...]
    ring: Callable[[], None] = field(repr=False)


class RoomInvitations:
    def __init__(
        self,
        room: str,
        timeout_s: float,
        registrations: Registrations,
        tokens: Tokens,
        uninvite: Callable[[str], None],
        rejected: Callable[[InvitationRejected], None],
    ) -> None:
        """`uninvite` makes an end of all that a leg's token is good for; `rejected` tells an invitation's sender."""
        self._room = room
        self._registrations = registrations
        self._tokens = tokens
        self._uninvite = uninvite
        self._rejected = rejected
        self._machine = Invitations(timeout_s)
        self._bells: dict[str, Bell] = {}

    @property
    def deadline(self) -> float | None:
        return self._machine.deadline

    def invite(self, record: RoomRecord, sender: Member, called: Sequence[Called], now: float) -> Invitation:
        """TooMany if more invitations would ring in this room than may."""
        reachable = [(each, self._bells_of(each.user, now)) for each in called]
        ringing: list[Ringing] = []
        unreachable: list[Unreachable] = []
        calls: list[tuple[Bell, Invited]] = []
        if len(self._machine) + sum(bool(bells) for _, bells in reachable) > RINGING_INVITATIONS:
            raise TooMany("too many invitations are ringing in this room")
        for each, bells in reachable:
            if each.user is None or not bells:
                unreachable.append(Unreachable(each.destination, unknown=each.user is None))
                continue
            bridge_id = str(uuid.uuid4())
            legs = {str(uuid.uuid4()): bell for bell in bells}
            self._bells |= legs
            self._machine.start(bridge_id, sender.id, list(legs), now)
            ringing.append(Ringing(bridge_id, each.destination))
            calls += [(bell, self._invited(record, sender, each, leg)) for leg, bell in legs.items()]

        def ring() -> None:
            for bell, invited in calls:
                bell.ring(invited)

        return Invitation(tuple(ringing), tuple(unreachable), ring)

    def answer(self, leg: str, listener: Listener) -> None:
        """The first one who joins by a leg, on whatever socket, answers its invitation; any other call is none of ours."""
        bell = self._bells.pop(leg, None)
        if bell is not None:
            if bell.is_at(listener):
                bell.silence()
            else:
                bell.call_off()
            self._perform(self._machine.answer(leg))

    def refuse(self, leg: str, listener: Listener, reply: Callable[[], None]) -> None:
        """The user's own refusal; NotFound unless this leg rings on this socket."""
        bell = self._bells.get(leg)
        if bell is None or not bell.is_at(listener):
            raise NotFound("no such invitation")
        reply()
        self._end(leg, self._machine.refuse)

    def cancel(self) -> None:
        self._perform(self._machine.cancel())

    def expire(self, now: float) -> None:
        self._perform(self._machine.expire(now))

    def _fail(self, leg: str) -> None:
        self._end(leg, self._machine.fail)

    def _end(self, leg: str, how: Callable[[str], list[Effect]]) -> None:
        bell = self._bells.pop(leg, None)
        if bell is not None:
            bell.silence()
            self._uninvite(leg)
            self._perform(how(leg))

    def _perform(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case StopLeg(leg):
                    self._uninvite(leg)
                    self._bells.pop(leg).call_off()
                case GiveUp(sender, bridge_id):
                    self._rejected(InvitationRejected(sender, bridge_id, self._room))

    def _bells_of(self, user: User | None, now: float) -> list[Bell]:
        if user is None:
            return []
        return [
            _SocketBell(socket, self._registrations, self._fail) for socket in self._registrations.sockets(user.id, now)
        ]

    def _invited(self, record: RoomRecord, sender: Member, called: Called, leg: str) -> Invited:
        user = called.user
        assert user is not None
        entry = listed(record, user.id)
        token = self._tokens.issue(
            room=self._room,
            call_id=leg,
            user=user.id,
            name=user.display_name or user.extension or called.destination,
            is_admin=entry is not None and entry.admin,
        )
        return Invited(self._room, leg, sender.user, token)


@define(eq=False)
class _SocketBell:
    _socket: Listener
    _registrations: Registrations
    _fail: Callable[[str], None]
    _invited: Invited | None = None

    def ring(self, invited: Invited) -> None:
        self._invited = invited
        self._registrations.ring(self._socket, invited.call_id, partial(self._fail, invited.call_id))
        tell(self._socket, invited)

    def silence(self) -> None:
        if self._invited is not None:
            self._registrations.quiet(self._socket, self._invited.call_id)

    def call_off(self) -> None:
        self.silence()
        if self._invited is not None:
            tell(self._socket, CompletedElsewhere(self._invited.room))

    def is_at(self, listener: Listener) -> bool:
        return self._socket is listener
