"""What signalling asks of the layers around it: Protocols that they satisfy by shape, and the values that cross.

Above: rooms and users of the store, tokens, observers; `api` implements them and hands them in. Below: the media engine,
as `sfu` offers it. Tests put fakes in both places.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import AttrsInstance, field, frozen

from sfu.wanted import Feed, MediaSource, VideoAllocation, Wanted
from signalling.room.events import Event
from signalling.room.member import Kind, RoomKind

# --- the store -------------------------------------------------------------------------------------------------------


@frozen
class ListedUser:
    """An entry of a room's list."""

    user_id: str
    admin: bool


@frozen
class RoomRecord:
    """A persistent room as the store keeps it; its password never leaves the store."""

    uuid: str
    name: str
    open: bool
    force_password: bool
    force_waiting_room: bool
    has_password: bool
    members: tuple[ListedUser, ...]
    created_at: datetime
    updated_at: datetime


@frozen
class User:
    id: str
    username: str
    display_name: str | None
    extension: str | None


class Directory(Protocol):
    """Rooms and users. Every method may take a while and may be cancelled; those that prove may raise TooMany."""

    async def room(self, uuid: str) -> RoomRecord | None: ...

    async def room_password_is(self, uuid: str, password: str) -> bool: ...

    async def user_by_password(self, username: str, password: str) -> User | None: ...

    async def user_by_device(self, device: str, token: str) -> User | None: ...

    async def user_called(self, destination: str) -> User | None:
        """Whose extension this is, else whose username (contract section 7.3). Proves nothing."""
        ...


# --- licences --------------------------------------------------------------------------------------------------------


@frozen
class Licence:
    """A customer: its users and rooms are invisible to those of others."""

    id: str
    """Digits."""
    domain: str
    """A plain word, or the origin (https://…) of the pages that may embed its rooms."""
    cp_code: str
    """By which KPOINT clients name it."""
    room_limit: int | None
    """Rooms in which somebody is, at once; None: as many as there are."""
    max_users: int | None
    """Registered KPOINT sockets and joined access-token calls, at once."""
    enabled: bool


@frozen
class AccessGrant:
    """What a good access token says (contract s-connector, sections 2, 3 and 9)."""

    licence: Licence
    is_owner: bool
    user_name: str | None
    room_name: str | None
    """If given, the only room, and name, that the token is good for."""


class AccessRefused(Exception):
    """The access token is forged, expired, of another domain than the page, or of an unknown licence."""


class AccessForbidden(Exception):
    """The access token is genuine, but its licence is disabled, or now is outside of the meeting's time window."""


class Licences(Protocol):
    """Nothing is cached: what a command has changed holds from the next question on."""

    async def by_key(self, cp_code: str, auth_key: str) -> Licence | None:
        """KPOINT's door (contract kpoint, section 4). None, without a reason: no such code, another key, another
        signature or algorithm, before its start, after its end, or disabled. `max_users` is the smaller of the key's and
        the licence's."""
        ...

    async def by_access_token(self, token: str, origin: str | None) -> AccessGrant:
        """Raises AccessRefused or AccessForbidden. `origin`: of the page that embeds the call."""
        ...

    async def licence(self, id: str) -> Licence | None:
        """As it is now, disabled or not."""
        ...


@frozen
class LicenceRoom:
    """A room of a licence as the store keeps it, so that it outlives a crash (contract kpoint, sections 5.1 and 11)."""

    uuid: str
    licence: str
    """The licence's id; names are unique within it."""
    name: str
    kind: RoomKind
    title: str
    capacity: int | None
    destroy: bool
    """Whether it goes when the last member leaves."""
    talking_noty: bool
    host: str
    """The member id of whoever opened it, or was made its host, with the name and device that it had then."""
    host_name: str
    host_device: str
    parent: str | None
    """The uuid of the room that it was made beside, if it is a breakout room."""
    created_at: datetime


class LicenceRooms(Protocol):
    """What is stored of licence rooms. Whoever asks keeps them all in memory, so names are unique when they come here."""

    async def all(self) -> Sequence[LicenceRoom]: ...

    async def keep(self, room: LicenceRoom) -> None:
        """Adds it, or replaces that of the same uuid; durable on return."""
        ...

    def forget(self, uuid: str) -> None:
        """At once for the caller; in the store soon, in the order of the calls. Unknown ones too."""
        ...

    async def kept(self) -> None:
        """Returns once all that has been forgotten is gone from the store; raises if the store fails."""
        ...


# --- tokens ----------------------------------------------------------------------------------------------------------


@frozen
class Claims:
    """What an auth token says: it admits exactly this call to exactly this room."""

    room: str
    call_id: str
    user: str | None
    name: str
    is_admin: bool
    issued: float
    expires: float
    token_id: str = field(repr=False)


class TokenRefused(Exception):
    """The token is forged, expired or revoked. `claims` is what it said, if it is at least one of ours."""

    def __init__(self, reason: str, claims: Claims | None = None, uninvited: bool = False) -> None:
        super().__init__(reason)
        self.claims = claims
        self.uninvited = uninvited
        """It came with an invitation, which is over."""


class Tokens(Protocol):
    def issue(self, *, room: str, call_id: str, user: str | None, name: str, is_admin: bool) -> str: ...

    def read(self, token: str) -> Claims:
        """Raises TokenRefused."""
        ...

    def check(self, claims: Claims) -> None:
        """Raises TokenRefused if the token that `read` found good has expired or been revoked since."""
        ...

    def revoke(self, room: str, call_id: str | None, *, uninvited: bool = False) -> None:
        """All tokens issued until now, of this call or of the whole room, are good no more, from this moment on.

        A later one may be issued. Whether this outlives a crash, `kept` tells.
        """
        ...

    async def kept(self) -> None:
        """Returns once all that has been revoked is in the store; raises if the store fails."""
        ...


# --- observers -------------------------------------------------------------------------------------------------------


@frozen
class Remote:
    """The other end of a socket."""

    address: str
    """The client's, without its port; empty if it is not known."""
    user_agent: str = ""
    """As the client calls itself, which may be anything."""


@frozen
class RoomEvent:
    """An event as usage and analytics see it."""

    room: str
    name: str
    licence: str
    """The id of the licence whose room it is; empty for the server's own."""
    at: datetime
    event: Event
    remote: Remote | None = None
    """With MemberJoined: where the member came from."""


class Observer(Protocol):
    """A member without a dialect: hears everything, says nothing, and must not block."""

    def observe(self, event: RoomEvent) -> None: ...


# --- media -----------------------------------------------------------------------------------------------------------


class PeerListener(Protocol):
    """Called from the engine's task; must not block."""

    def connected(self) -> None: ...

    def lost(self, reason: str) -> None:
        """Why: "closed" by the client, "server" for a fault of ours; "consent", "dtls" and "timeout" are final."""
        ...

    def video_allocations(self, allocations: Mapping[str, VideoAllocation]) -> None:
        """What of the others' pictures goes down this connection now, by their names; all of it, when any has changed."""
        ...

    def available_rate(self, rate_bps: int) -> None:
        """What the way down to this peer is thought to carry; on a change of a tenth, at most once a second."""
        ...


class RoomListener(Protocol):
    """Called from the engine's task; must not block."""

    def active_speaker(self, name: str | None) -> None:
        """None: nobody has been above the speech threshold for two seconds."""
        ...

    def audio_levels(self, levels: Mapping[str, int]) -> None:
        """Loudness of those members for whom it has changed: 127 minus the RFC 6464 level, 0 when nothing comes."""
        ...


class MediaPeer(Protocol):
    """One connection of a member."""

    @property
    def sends(self) -> bool:
        """Whether its client sends anything on it, as its last description says."""
        ...

    def accept(self, answer: str) -> None:
        """The client's answer to our offer. Raises as `renegotiate`; the offer is then still open."""
        ...

    def renegotiate(self, offer: str, wanted: Sequence[Wanted]) -> str:
        """Raises sfu.negotiation.BadOffer or NoCommonCodec, and has then changed nothing."""
        ...

    def cut(self, kind: Kind, cut: bool) -> None:
        """An admin's mute: that kind of what this peer sends is dropped at its arrival, until it is no longer cut."""
        ...

    def share_screen(self, sharing: bool) -> None:
        """The picture that this peer sends is that of a screen from now on, or no more: receivers need a key frame."""
        ...

    def stats(self) -> AttrsInstance: ...

    def close(self) -> None:
        """Idempotent; calls nobody back."""
        ...


class MediaRoom(Protocol):
    def open_peer(self, name: str, offer: str, listener: PeerListener) -> tuple[MediaPeer, str]:
        """A member's one connection: what it sends is the member's, down comes the room's sound, and what it asks for.

        The new peer takes the place of one of the same name. Raises as `renegotiate` does.
        """
        ...

    def open_publisher(
        self, name: str, source: MediaSource, offer: str, listener: PeerListener
    ) -> tuple[MediaPeer, str]:
        """A connection of a member that only sends, one for its camera and one for its screen; nothing comes down.

        The new peer takes the place of that member's former one of the same source. Raises as `renegotiate` does.
        """
        ...

    def announce(self, name: str) -> None:
        """A member that may come to send by `open_publisher`, for those who ask for its picture before it does."""
        ...

    def retire(self, name: str) -> None:
        """It will not any more. Unknown ones too."""
        ...

    def offer_peer(self, name: str, feeds: Sequence[Feed], listener: PeerListener) -> tuple[MediaPeer, str]:
        """A further connection of a member, which carries these and which we offer; `MediaPeer.accept` follows."""
        ...

    def close(self) -> None:
        """With all peers; calls nobody back."""
        ...


class MediaEngine(Protocol):
    def open_room(self, listener: RoomListener) -> MediaRoom: ...
