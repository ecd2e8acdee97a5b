"""The world around signalling, as far as its tests need one: media, store, tokens and sockets that do as they are told.

The media engine reads offers as words: "bad ..." cannot be read, "no codec ..." has nothing usable, "mid 2 3" has those
two receiving video sections. Tokens are their own claims, and the time of tokens is the number of those issued so far. A
socket is two channels of memory; a test holds the other end.
"""

import json
import math
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

import trio
from attrs import define, evolve, field, frozen

from sfu.negotiation import BadOffer, NoCommonCodec, UnknownMid
from sfu.wanted import Feed, MediaSource, Wanted
from signalling.ports import (
    AccessForbidden,
    AccessGrant,
    AccessRefused,
    Claims,
    Licence,
    LicenceRoom,
    ListedUser,
    PeerListener,
    RoomEvent,
    RoomListener,
    RoomRecord,
    TokenRefused,
    User,
)
from signalling.room.member import Kind
from signalling.session import SocketClosed

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

# --- media -----------------------------------------------------------------------------------------------------------


def answer(offer: str, wanted: Sequence[Wanted] = ()) -> str:
    words = offer.split()
    if words[0] == "bad":
        raise BadOffer("cannot be read")
    if words[0] == "no":
        raise NoCommonCodec("nothing usable")
    mids = words[words.index("mid") + 1 :] if "mid" in words else []
    if missing := [entry.mid for entry in wanted if entry.mid not in mids]:
        raise UnknownMid(f"{missing[0]} receives no video")
    return f"answer to {offer}"


@frozen
class Stats:
    packets: int = 7


@define(eq=False)
class FakePeer:
    name: str
    listener: PeerListener
    wanted: tuple[Wanted, ...] = ()
    cut_kinds: set[Kind] = field(factory=set)
    is_screen: bool = False
    closed: bool = False
    sends: bool = True
    label: str = ""
    """By which `open_peers` lists it: its name; with "/camera" or "/screen" if it only sends; "bob<ann/camera" if it
    carries to bob what ann sends."""
    feeds: tuple[Feed, ...] = ()
    accepted: str | None = None

    def accept(self, text: str) -> None:
        answer(text)
        self.accepted = text

    def renegotiate(self, offer: str, wanted: Sequence[Wanted]) -> str:
        text = answer(offer, wanted)
        self.wanted = tuple(wanted)
        self.sends = "silent" not in offer
        return text

    def cut(self, kind: Kind, cut: bool) -> None:
        if cut:
            self.cut_kinds.add(kind)
        else:
            self.cut_kinds.discard(kind)

    def share_screen(self, sharing: bool) -> None:
        self.is_screen = sharing

    def stats(self) -> Stats:
        return Stats()

    def close(self) -> None:
        self.closed = True


@define(eq=False)
class FakeMediaRoom:
    listener: RoomListener
    peers: dict[str, FakePeer] = field(factory=dict)
    all_peers: list[FakePeer] = field(factory=list)
    announced: set[str] = field(factory=set)
    closed: bool = False

    def open_peer(self, name: str, offer: str, listener: PeerListener) -> tuple[FakePeer, str]:
        assert not self.closed
        text = answer(offer)
        if name in self.peers:
            self.peers[name].closed = True
        return self._place(name, FakePeer(name, listener, sends="silent" not in offer, label=name)), text

    def open_publisher(
        self, name: str, source: MediaSource, offer: str, listener: PeerListener
    ) -> tuple[FakePeer, str]:
        assert not self.closed
        text = answer(offer)
        label = f"{name}/{source}"
        if label in self.peers:
            self.peers[label].closed = True
        return self._place(label, FakePeer(name, listener, sends="silent" not in offer, label=label)), text

    def announce(self, name: str) -> None:
        self.announced.add(name)

    def retire(self, name: str) -> None:
        self.announced.discard(name)

    def offer_peer(self, name: str, feeds: Sequence[Feed], listener: PeerListener) -> tuple[FakePeer, str]:
        assert not self.closed
        of = f"{feeds[0].name}/{feeds[0].source}"
        peer = FakePeer(name, listener, sends=False, label=f"{name}<{of}", feeds=tuple(feeds))
        return self._place(peer.label, peer), " ".join(["offer of", of, *(feed.kind for feed in feeds)])

    def _place(self, label: str, peer: FakePeer) -> FakePeer:
        self.peers[label] = peer
        self.all_peers.append(peer)
        return peer

    def close(self) -> None:
        self.closed = True
        for peer in self.all_peers:
            peer.close()


@define(eq=False)
class FakeEngine:
    rooms: list[FakeMediaRoom] = field(factory=list)

    def open_room(self, listener: RoomListener) -> FakeMediaRoom:
        self.rooms.append(FakeMediaRoom(listener))
        return self.rooms[-1]

    @property
    def room(self) -> FakeMediaRoom:
        """The latest."""
        return self.rooms[-1]

    def peer(self, name: str) -> FakePeer:
        """The latest of that name."""
        return next(room.peers[name] for room in reversed(self.rooms) if name in room.peers)

    def open_peers(self) -> list[str]:
        return sorted(peer.label for room in self.rooms for peer in room.all_peers if not peer.closed)


# --- the store -------------------------------------------------------------------------------------------------------


def room(uuid: str, **changes: object) -> RoomRecord:
    record = RoomRecord(uuid, "a room", True, False, False, False, (), EPOCH, EPOCH)
    return evolve(record, **changes)  # type: ignore[arg-type]


def listed(**admin_by_user: bool) -> tuple[ListedUser, ...]:
    return tuple(ListedUser(f"id of {name}", admin) for name, admin in admin_by_user.items())


@define(eq=False)
class FakeDirectory:
    """A user's password is "pw of <name>", a device's token "token of <name>", a room's password "sesame"."""

    rooms: dict[str, RoomRecord] = field(factory=dict)
    users: dict[str, User] = field(factory=dict)
    look_up_s: float = 0.0
    fault: Exception | None = None
    verified: list[str] = field(factory=list)

    def add_room(self, record: RoomRecord) -> None:
        self.rooms[record.uuid] = record

    def add_user(self, name: str, display_name: str | None = None, extension: str | None = None) -> None:
        self.users[name] = User(f"id of {name}", name, display_name, extension)

    async def room(self, uuid: str) -> RoomRecord | None:
        found = self.rooms.get(uuid)
        await trio.sleep(self.look_up_s)
        if self.fault is not None:
            raise self.fault
        return found

    async def room_password_is(self, uuid: str, password: str) -> bool:
        self.verified.append(password)
        await trio.sleep(self.look_up_s)
        return password == "sesame"

    async def user_by_password(self, username: str, password: str) -> User | None:
        self.verified.append(password)
        await trio.sleep(self.look_up_s)
        return self.users.get(username) if password == f"pw of {username}" else None

    async def user_by_device(self, device: str, token: str) -> User | None:
        self.verified.append(token)
        await trio.sleep(self.look_up_s)
        return self.users.get(device) if token == f"token of {device}" else None

    async def user_called(self, destination: str) -> User | None:
        await trio.sleep(self.look_up_s)
        by_extension = {user.extension: user for user in self.users.values()}
        return by_extension.get(destination) or self.users.get(destination)


@define(eq=False)
class FakeTokens:
    ttl_s: float = 43200.0
    keep_s: float = 0.0
    """How long a revocation takes to be in the store."""
    keep_fault: Exception | None = None
    issued: int = 0
    _revoked: dict[tuple[str, str | None], tuple[int, bool]] = field(factory=dict)
    """For a call of a room, or all of them: the last token that is no good, and whether it was an invitation's."""

    def issue(self, *, room: str, call_id: str, user: str | None, name: str, is_admin: bool) -> str:
        self.issued += 1
        expires = trio.current_time() + self.ttl_s
        return json.dumps([room, call_id, user, name, is_admin, self.issued, expires, f"token {self.issued}"])

    def read(self, token: str) -> Claims:
        try:
            claims = Claims(*json.loads(token))
        except (ValueError, TypeError) as reason:
            raise TokenRefused("not one of ours") from reason
        self.check(claims)
        return claims

    def check(self, claims: Claims) -> None:
        if claims.expires <= trio.current_time():
            raise TokenRefused("expired", claims)
        for call_id in (claims.call_id, None):
            last, uninvited = self._revoked.get((claims.room, call_id), (0, False))
            if claims.issued <= last:
                raise TokenRefused("revoked", claims, uninvited)

    def revoke(self, room: str, call_id: str | None, *, uninvited: bool = False) -> None:
        self._revoked[room, call_id] = (self.issued, uninvited)

    async def kept(self) -> None:
        await trio.sleep(self.keep_s)
        if self.keep_fault is not None:
            raise self.keep_fault


# --- the rest --------------------------------------------------------------------------------------------------------


@define(eq=False)
class Diary:
    """An observer that remembers."""

    events: list[RoomEvent] = field(factory=list)

    def observe(self, event: RoomEvent) -> None:
        self.events.append(event)


class FakeSocket:
    def __init__(self) -> None:
        self._to_server, self._incoming = trio.open_memory_channel[str | bytes](math.inf)
        self.received: deque[str] = deque()
        self.closed: int | None = None
        self.stalled = False
        """Whether the client has stopped reading."""
        self._readable = trio.Event()

    # --- the client's end ---

    def say(self, message: str | bytes) -> None:
        self._to_server.send_nowait(message)

    def vanish(self) -> None:
        self._to_server.close()

    def read_on(self) -> None:
        self.stalled = False
        self._readable.set()

    # --- the server's end ---

    async def receive(self) -> str | bytes:
        try:
            return await self._incoming.receive()
        except trio.EndOfChannel:
            raise SocketClosed from None

    async def send(self, texts: Sequence[str]) -> None:
        await trio.lowlevel.checkpoint()
        if self.stalled:
            self._readable = trio.Event()
            await self._readable.wait()
        self.received.extend(texts)

    async def close(self, code: int, reason: str = "") -> None:
        await trio.lowlevel.checkpoint()
        self.closed = code


# --- licences --------------------------------------------------------------------------------------------------------


def licence(id: str, cp_code: str, **changes: object) -> Licence:
    whole = Licence(id, "trial", cp_code, room_limit=None, max_users=None, enabled=True)
    return evolve(whole, **changes)  # type: ignore[arg-type]


@define(eq=False)
class FakeLicences:
    """A licence's key is "key of <cpCode>". What is asked is answered as it was when it was asked."""

    licences: dict[str, Licence] = field(factory=dict)
    look_up_s: float = 0.0
    fault: Exception | None = None
    _grants: dict[str, AccessGrant] = field(factory=dict)

    def add(self, licence: Licence) -> None:
        self.licences[licence.id] = licence

    def mint(
        self, licence: str, *, is_owner: bool = False, user_name: str | None = None, room_name: str | None = None
    ) -> str:
        """An access token of the licence of this id."""
        token = f"access {len(self._grants)}"
        self._grants[token] = AccessGrant(self.licences[licence], is_owner, user_name, room_name)
        return token

    async def by_key(self, cp_code: str, auth_key: str) -> Licence | None:
        found = [licence for licence in self.licences.values() if licence.enabled and licence.cp_code == cp_code]
        await self._look_up()
        return found[0] if found and auth_key == f"key of {cp_code}" else None

    async def by_access_token(self, token: str, origin: str | None) -> AccessGrant:
        grant = self._grants.get(token)
        now = None if grant is None else self.licences[grant.licence.id]
        await self._look_up()
        if grant is None or now is None or (now.domain.startswith("https://") and now.domain != origin):
            raise AccessRefused("forged, expired, or of another page")
        if not now.enabled:
            raise AccessForbidden("the licence is disabled")
        return evolve(grant, licence=now)

    async def licence(self, id: str) -> Licence | None:
        found = self.licences.get(id)
        await self._look_up()
        return found

    async def _look_up(self) -> None:
        await trio.sleep(self.look_up_s)
        if self.fault is not None:
            raise self.fault


@define(eq=False)
class FakeLicenceRooms:
    """What is forgotten is gone when somebody asks whether it is kept, not before: a crash may come first."""

    rooms: dict[str, LicenceRoom] = field(factory=dict)
    keep_s: float = 0.0
    """How long anything takes to be in the store."""
    fault: Exception | None = None
    _forgotten: set[str] = field(factory=set)

    async def all(self) -> Sequence[LicenceRoom]:
        await trio.lowlevel.checkpoint()
        return list(self.rooms.values())

    async def keep(self, room: LicenceRoom) -> None:
        await self._write()
        if room.uuid not in self._forgotten:
            self.rooms[room.uuid] = room

    def forget(self, uuid: str) -> None:
        self._forgotten.add(uuid)

    async def kept(self) -> None:
        gone = set(self._forgotten)
        await self._write()
        for uuid in gone:
            self.rooms.pop(uuid, None)

    async def _write(self) -> None:
        await trio.sleep(self.keep_s)
        if self.fault is not None:
            raise self.fault

    def after_crash(self) -> "FakeLicenceRooms":
        """What another server finds in the store."""
        return FakeLicenceRooms(dict(self.rooms))
