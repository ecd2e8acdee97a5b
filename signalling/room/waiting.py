"""Who waits at the door of a room, and how often each may remind those inside (contract room-api, sections 5.1, 11).

Pure, as the model that owns it and that decides who may wait, who is let in and who is turned away.
"""

import math

from signalling.limits import REMINDER_INTERVAL_S, WAITING_PARTIES
from signalling.room.events import Event, PartyWaiting
from signalling.room.member import WaitingParty


class WaitingRoom:
    def __init__(self) -> None:
        self._parties: dict[str, WaitingParty] = {}
        self._quiet_until: dict[str, float] = {}

    @property
    def parties(self) -> tuple[WaitingParty, ...]:
        """Everybody who waits, in the order of arrival."""
        return tuple(self._parties.values())

    def party(self, id: str) -> WaitingParty | None:
        return self._parties.get(id)

    @property
    def full(self) -> bool:
        return len(self._parties) >= WAITING_PARTIES

    def knock(self, party: WaitingParty) -> list[Event]:
        self._parties[party.id] = party
        return [PartyWaiting(party, reminder=False)]

    def remind(self, id: str, now: float) -> list[Event]:
        """The knock does not count: the first reminder is passed on however soon it comes."""
        if now < self._quiet_until.get(id, -math.inf):
            return []
        self._quiet_until[id] = now + REMINDER_INTERVAL_S
        return [PartyWaiting(self._parties[id], reminder=True)]

    def remove(self, id: str) -> None:
        del self._parties[id]
        self._quiet_until.pop(id, None)
