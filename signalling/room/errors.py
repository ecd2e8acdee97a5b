"""Why a request is refused. Each dialect has one table from these classes to its own codes.

    RoomError
    ├── BadRequest          a parameter is missing or ill-typed, or the offer cannot be used
    ├── WrongState          this socket or member cannot do that now
    ├── Unauthorized        credentials, room password or token do not prove what they should
    ├── Forbidden           who asks is known and may not
    │   └── MustWait        may not enter yet
    ├── NotFound            no such room or member
    ├── CallInUse           the call id belongs to another live party
    ├── InvitationOver      the invitation by which somebody would come in was answered, refused or cancelled
    ├── TooMany             sent or failed too often
    ├── NoCodec             the offer is sound, but nothing in it can be used
    ├── Draining            the server is about to stop
    └── UnknownMethod       the dialect has no such request

A request that fails with one of these has changed nothing. Any other exception is our own fault.
"""


class RoomError(Exception):
    """A refusal; its text is for people, its class for programs."""


class BadRequest(RoomError):
    pass


class WrongState(RoomError):
    pass


class Unauthorized(RoomError):
    pass


class Forbidden(RoomError):
    pass


class MustWait(Forbidden):
    pass


class NotFound(RoomError):
    pass


class CallInUse(RoomError):
    pass


class InvitationOver(RoomError):
    pass


class TooMany(RoomError):
    pass


class NoCodec(RoomError):
    pass


class Draining(RoomError):
    pass


class UnknownMethod(RoomError):
    pass
