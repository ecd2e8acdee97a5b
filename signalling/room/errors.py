"""Why a request is refused. Each dialect has one table from these classes to its own codes.

    RoomError
    ├── BadRequest          a parameter is ill-typed or out of its range, or the description cannot be used
    │   ├── Missing         a parameter is missing
    │   └── TooLong         a parameter is longer than allowed
    ├── WrongState          this socket or member cannot do that now
    │   ├── WrongKind       not in a room of this kind: P2P, or through the media engine
    │   ├── InAnotherRoom   one has to leave the one before
    │   ├── AlreadyInside   the very same room
    │   ├── RoomExists      a live room has this name
    │   ├── ShareTaken      something is shared already
    │   └── Mismatch        what is said does not fit what was said before
    ├── Unauthorized        credentials, room password, licence or token do not prove what they should
    ├── NotRegistered       this socket has not said who it is
    ├── Forbidden           who asks is known and may not
    │   ├── MustWait        may not enter yet
    │   ├── RoomFull        the room has its capacity
    │   └── LimitReached    the licence has its users, or its rooms
    ├── NotFound            no such room or member
    │   ├── NoSuchTarget    nobody of that name is where it would have to be
    │   ├── NoSuchFeed      that member sends nothing of the kind
    │   └── NothingThere    nothing is shared, or no such connection of one's own
    ├── CallInUse           the call id belongs to another live party
    ├── InvitationOver      the invitation by which somebody would come in was answered, refused or cancelled
    ├── TooMany             sent or failed too often
    ├── NoCodec             the offer is sound, but nothing in it can be used
    ├── TimedOut            it took the server too long
    ├── Draining            the server is about to stop
    └── UnknownMethod       the dialect has no such request

A request that fails with one of these has changed nothing. Any other exception is our own fault.
"""


class RoomError(Exception):
    """A refusal; its text is for people, its class for programs."""


class BadRequest(RoomError):
    pass


class Missing(BadRequest):
    pass


class TooLong(BadRequest):
    pass


class WrongState(RoomError):
    pass


class WrongKind(WrongState):
    pass


class InAnotherRoom(WrongState):
    pass


class AlreadyInside(WrongState):
    pass


class RoomExists(WrongState):
    pass


class ShareTaken(WrongState):
    pass


class Mismatch(WrongState):
    pass


class Unauthorized(RoomError):
    pass


class NotRegistered(RoomError):
    pass


class Forbidden(RoomError):
    pass


class MustWait(Forbidden):
    pass


class RoomFull(Forbidden):
    pass


class LimitReached(Forbidden):
    pass


class NotFound(RoomError):
    pass


class NoSuchTarget(NotFound):
    pass


class NoSuchFeed(NotFound):
    pass


class NothingThere(NotFound):
    pass


class CallInUse(RoomError):
    pass


class InvitationOver(RoomError):
    pass


class TooMany(RoomError):
    pass


class NoCodec(RoomError):
    pass


class TimedOut(RoomError):
    pass


class Draining(RoomError):
    pass


class UnknownMethod(RoomError):
    pass
