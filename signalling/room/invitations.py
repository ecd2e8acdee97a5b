"""The invitations of one room that are ringing, and how each of them ends (contract room-api, section 4.3).

    ringing -a leg answers-> answered
            -a leg refuses | every leg has failed | timeout_s-> rejected: its sender is told
            -the room is idle or gone-> cancelled: its sender is not told

A machine without I/O or clock. An invitation has legs, one for each way in which it reaches somebody: a registered socket, a
phone. What a leg is, how it rings and how it is stopped is the business of whoever holds the machine; it says what has
become of a leg and carries out the effects that come back.

Invariants:
- an invitation ends exactly once, and the first answer wins;
- each leg ends exactly once: it answers, refuses or fails, or a StopLeg says that it must not ring any more;
- a leg that has ended, or that never was, is not known, and saying something of it has no effect.
"""

from collections.abc import Sequence
from typing import Literal

from attrs import define, frozen

# --- what becomes of each destination of a request to invite ---------------------------------------------------------


@frozen
class Ringing:
    """Somebody is being reached; `bridge_id` names the invitation from now on."""

    bridge_id: str
    destination: str
    """As it was sent."""


@frozen
class Unreachable:
    destination: str
    unknown: bool
    """Nobody is called so; otherwise somebody is, who cannot be reached now."""


# --- effects ---------------------------------------------------------------------------------------------------------


@frozen
class StopLeg:
    leg: str
    why: Literal["answered", "rejected", "cancelled"]
    """What has become of the invitation."""


@frozen
class GiveUp:
    """Nobody comes: to be told to `sender`."""

    sender: str
    bridge_id: str


Effect = StopLeg | GiveUp

# --- the machine -----------------------------------------------------------------------------------------------------


@define(eq=False)
class _Invitation:
    bridge_id: str
    sender: str
    ringing: list[str]
    """Its legs."""
    gives_up_at: float


class Invitations:
    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._invitations: dict[str, _Invitation] = {}
        self._legs: dict[str, _Invitation] = {}

    def __len__(self) -> int:
        """How many are ringing."""
        return len(self._invitations)

    def rings(self, leg: str) -> bool:
        return leg in self._legs

    @property
    def deadline(self) -> float | None:
        # All may ring equally long, so the one that began first gives up first.
        first = next(iter(self._invitations.values()), None)
        return None if first is None else first.gives_up_at

    def start(self, bridge_id: str, sender: str, legs: Sequence[str], now: float) -> None:
        """A new invitation with at least one leg; no name may be that of another that still rings."""
        assert legs and bridge_id not in self._invitations and self._legs.keys().isdisjoint(legs)
        invitation = _Invitation(bridge_id, sender, list(legs), now + self._timeout_s)
        self._invitations[bridge_id] = invitation
        self._legs |= dict.fromkeys(legs, invitation)

    def answer(self, leg: str) -> list[Effect]:
        invitation = self._end_leg(leg)
        return [] if invitation is None else self._end(invitation, "answered")

    def refuse(self, leg: str) -> list[Effect]:
        """By the one who was invited, and so for all of its legs."""
        invitation = self._end_leg(leg)
        return [] if invitation is None else self._reject(invitation)

    def fail(self, leg: str) -> list[Effect]:
        """This way does not lead to anybody; others still may."""
        invitation = self._end_leg(leg)
        return [] if invitation is None or invitation.ringing else self._reject(invitation)

    def cancel(self) -> list[Effect]:
        """There is no room any more to come to."""
        return [effect for invitation in self._all() for effect in self._end(invitation, "cancelled")]

    def expire(self, now: float) -> list[Effect]:
        late = [invitation for invitation in self._all() if invitation.gives_up_at <= now]
        return [effect for invitation in late for effect in self._reject(invitation)]

    def _all(self) -> list[_Invitation]:
        return list(self._invitations.values())

    def _end_leg(self, leg: str) -> _Invitation | None:
        """The leg has ended by itself; its invitation, if there is one."""
        invitation = self._legs.pop(leg, None)
        if invitation is not None:
            invitation.ringing.remove(leg)
        return invitation

    def _reject(self, invitation: _Invitation) -> list[Effect]:
        return [*self._end(invitation, "rejected"), GiveUp(invitation.sender, invitation.bridge_id)]

    def _end(self, invitation: _Invitation, why: Literal["answered", "rejected", "cancelled"]) -> list[Effect]:
        del self._invitations[invitation.bridge_id]
        for leg in invitation.ringing:
            del self._legs[leg]
        return [StopLeg(leg, why) for leg in invitation.ringing]
