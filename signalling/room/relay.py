"""What members of a P2P room send each other to connect without the media engine (contract kpoint, sections 6.1 and 6.5).

Pure, as the model that owns it. Nobody looks into descriptions and candidates. An offer is open, from one member to another
for one source, until it is answered or either is gone; a later one of the same takes its place. So what is remembered is
bounded by the pairs of members, and an answer without its offer is told from one with it.
"""

from typing import assert_never

from sfu.wanted import MediaSource
from signalling.room.commands import RelayCandidate, RelayDescription
from signalling.room.errors import Mismatch, Missing, NoSuchTarget, WrongKind
from signalling.room.events import CandidateRelayed, DescriptionRelayed, Event, StreamSubscribed
from signalling.room.people import People

Command = RelayDescription | RelayCandidate


class Relay:
    def __init__(self, people: People) -> None:
        self._people = people
        # Who offered whom which source.
        self._open: set[tuple[str, str, MediaSource]] = set()

    def check(self, command: Command) -> None:
        self._people.check_inside(command.member)
        if self._people.charter.kind != "relay":
            raise WrongKind("the members of this room do not send to each other")
        target = self._target(command)
        if isinstance(command, RelayDescription) and command.is_answer:
            if (target, command.member, command.source) not in self._open:
                raise Mismatch("an answer without an offer")

    def apply(self, command: Command) -> list[Event]:
        target = self._target(command)
        match command:
            case RelayDescription(member, source=source, is_answer=is_answer, sdp=sdp):
                relayed = DescriptionRelayed(member, target, source, is_answer, sdp)
                if is_answer:
                    self._open.remove((target, member, source))
                    return [relayed, StreamSubscribed(member, sender=target, source=source)]
                self._open.add((member, target, source))
                return [relayed]
            case RelayCandidate(member, candidate=candidate, leg=leg, source=source):
                return [CandidateRelayed(member, target, candidate, leg, source)]
            case _:
                assert_never(command)

    def forget(self, member: str) -> None:
        self._open = {offer for offer in self._open if member not in offer[:2]}

    def _target(self, command: Command) -> str:
        target = command.target
        if target is None:
            others = [member.id for member in self._people.members if member.id != command.member]
            if len(others) != 1:
                raise Missing("target is missing, and there is not exactly one other")
            return others[0]
        if target == command.member or target not in self._people:
            raise NoSuchTarget("nobody else of that id is in the room")
        return target
