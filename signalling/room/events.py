"""What has happened in a room, in the order in which it happened, and who hears of it.

The observers hear everything; members as `audience` says. A dialect may have no words for an event.
"""

from datetime import datetime
from typing import Literal, assert_never

from attrs import frozen

from signalling.room.member import Kind, Member

Departure = Literal["left", "lost", "ended"]
"""By its own wish; because its socket or media stayed away; because the room was ended."""


@frozen
class MemberJoined:
    member: Member


@frozen
class MemberLeft:
    member: str
    departure: Departure

    @property
    def by_admin(self) -> bool:
        return self.departure == "ended"


@frozen
class MuteChanged:
    """A member's own flag."""

    member: str
    kind: Kind
    muted: bool


@frozen
class ActiveSpeaker:
    member: str | None


@frozen
class MediaLost:
    """A member's media path failed through our fault; it keeps its place for the grace time."""

    member: str


@frozen
class RoomEmptied:
    """The last member is gone."""


@frozen
class ServerDraining:
    """No event of one room: said once to every socket."""

    deadline: datetime


Event = MemberJoined | MemberLeft | MuteChanged | ActiveSpeaker | MediaLost | RoomEmptied


@frozen
class Everyone:
    pass


@frozen
class AllBut:
    member: str


@frozen
class Only:
    member: str


@frozen
class Nobody:
    """Observers only."""


Audience = Everyone | AllBut | Only | Nobody


def audience(event: Event) -> Audience:
    match event:
        case MemberJoined(member):
            return AllBut(member.id)
        case MemberLeft(member, departure):
            match departure:
                case "left":
                    return AllBut(member)
                case "lost":
                    # The member's own socket may still be there and must learn that it is out.
                    return Everyone()
                case "ended":
                    # Each hears of its own end; of the others' it would hear once for each of them.
                    return Only(member)
                case _:
                    assert_never(departure)
        case MuteChanged(member):
            return AllBut(member)
        case ActiveSpeaker():
            return Everyone()
        case MediaLost(member):
            return Only(member)
        case RoomEmptied():
            return Nobody()
        case _:
            assert_never(event)
