"""The connections of one room's members, by whom they are and what for.

A member has one, on which it sends and receives, or several: one for what it sends from its camera, one for its screen, and
one for each feed of another that it receives, which we offer. Which of these, its dialect decides. Media are open from
the first connection until `close`.

What an offer or an answer is refused for leaves here as a RoomError, and has changed nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

import attrs
from attrs import define, field, frozen

from sfu.negotiation import BadOffer, NoCommonCodec
from sfu.wanted import Feed, MediaSource, VideoAllocation, Wanted
from signalling.ports import MediaEngine, MediaPeer, MediaRoom, RoomListener
from signalling.room.errors import BadRequest, Mismatch, NoCodec, NothingThere
from signalling.room.events import AllocationsChanged, RateChanged
from signalling.room.member import Kind


@frozen
class Leg:
    """Which of a member's connections: that of `target`'s feed, that by which it sends, or its only one."""

    source: MediaSource | None = None
    target: str | None = None

    @property
    def sends(self) -> bool:
        return self.target is None


ONLY = Leg()


class Watcher(RoomListener, Protocol):
    """Whoever hears of the media of a room."""

    def connection_lost(self, member: str, leg: Leg, reason: str) -> None: ...

    def media_news(self, event: AllocationsChanged | RateChanged) -> None: ...


@define(eq=False)
class _Held:
    """What one member has."""

    peers: dict[Leg, MediaPeer] = field(factory=dict)
    unanswered: set[Leg] = field(factory=set)
    """Whose offer, which was ours, awaits its answer."""


class Connections:
    def __init__(self, engine: MediaEngine, watcher: Watcher) -> None:
        self._engine = engine
        self._watcher = watcher
        self._media: MediaRoom | None = None
        self._members: dict[str, _Held] = {}
        self._announced: set[str] = set()

    def announce(self, member: str) -> None:
        """It has come without a connection, and is to make several."""
        self._announced.add(member)
        if self._media is not None:
            self._media.announce(member)

    # --- a member's only one ---

    def open_only(self, member: str, offer: str, cut: Sequence[Kind]) -> tuple[str, bool]:
        """The answer, and whether the member sends anything. `cut`: which kinds of what it sends an admin has muted."""
        return self._open(member, ONLY, cut, lambda media, listener: media.open_peer(member, offer, listener))

    def renegotiate(self, member: str, offer: str, wanted: Sequence[Wanted]) -> tuple[str, bool]:
        peer = self._members[member].peers[ONLY]
        with _refusals():
            answer = peer.renegotiate(offer, wanted)
        return answer, peer.sends

    # --- one of several ---

    def publish(self, member: str, source: MediaSource, offer: str, cut: Sequence[Kind]) -> tuple[str, bool]:
        """As open_only. A later offer renegotiates the connection, or replaces it if it is that of another one."""
        held = self._members.get(member)
        peer = None if held is None else held.peers.get(Leg(source))
        if peer is not None:
            try:
                return peer.renegotiate(offer, ()), peer.sends
            except (BadOffer, NoCommonCodec):
                pass  # the client may have begun anew; whether it is sound is found out below
        return self._open(
            member, Leg(source), cut, lambda media, listener: media.open_publisher(member, source, offer, listener)
        )

    def offer(self, member: str, target: str, source: MediaSource, kinds: Sequence[Kind]) -> str:
        """Our offer of a connection that carries a feed, in the place of a former one."""
        leg = Leg(source, target)
        feeds = [Feed(target, kind, source) for kind in kinds]
        listener = _PeerListener(self, member, leg)
        peer, text = self._opened().offer_peer(member, feeds, listener)
        self._close(member, leg)
        listener.peer = self._hold(member, leg, peer)
        self._members[member].unanswered.add(leg)
        return text

    def accept(self, member: str, target: str, source: MediaSource, answer: str) -> None:
        """The answer to that. Mismatch if none is awaited."""
        leg = Leg(source, target)
        held = self._members.get(member)
        if held is None or leg not in held.unanswered:
            raise Mismatch("no offer is open for that feed")
        with _refusals():
            held.peers[leg].accept(answer)
        held.unanswered.discard(leg)

    def check(self, member: str, leg: Leg) -> None:
        """NothingThere if the member has no such connection."""
        held = self._members.get(member)
        if held is None or leg not in held.peers:
            raise NothingThere("there is no such connection")

    # --- what is decided about them ---

    def cut(self, member: str, kind: Kind, cut: bool) -> None:
        for leg, peer in self._peers(member).items():
            if leg.sends:
                peer.cut(kind, cut)

    def share_screen(self, member: str, sharing: bool) -> None:
        """Whoever sends its screen by a connection of its own goes on sending the camera by the other one."""
        only = self._peers(member).get(ONLY)
        if only is not None:
            only.share_screen(sharing)

    def stats(self, member: str) -> tuple[dict[str, object], ...]:
        return tuple(cast("dict[str, object]", attrs.asdict(peer.stats())) for peer in self._peers(member).values())

    # --- their end ---

    def stop_publishing(self, member: str, source: MediaSource) -> None:
        """That feed is no more: the connection it came by is closed, and those by which others received it."""
        self._close(member, Leg(source))
        self._close_receiving(member, source)

    def drop(self, member: str) -> None:
        """All that the member has, and those by which others received of it."""
        self._announced.discard(member)
        if self._media is not None:
            self._media.retire(member)
        held = self._members.pop(member, None)
        if held is not None:
            for peer in held.peers.values():
                peer.close()
        self._close_receiving(member, "camera", "screen")

    def close(self) -> None:
        self._members.clear()
        if self._media is not None:
            self._media.close()
            self._media = None

    # --- inside ---

    def _open(
        self,
        member: str,
        leg: Leg,
        cut: Sequence[Kind],
        open: Callable[[MediaRoom, "_PeerListener"], tuple[MediaPeer, str]],
    ) -> tuple[str, bool]:
        listener = _PeerListener(self, member, leg)
        try:
            with _refusals():
                peer, answer = open(self._opened(), listener)
        except Exception:
            if not self._members:
                self.close()
            raise
        listener.peer = self._hold(member, leg, peer)
        # What an admin has decided holds for every connection of a member.
        for kind in cut:
            peer.cut(kind, True)
        return answer, peer.sends

    def _opened(self) -> MediaRoom:
        if self._media is None:
            self._media = self._engine.open_room(self._watcher)
            for member in self._announced:
                self._media.announce(member)
        return self._media

    def _hold(self, member: str, leg: Leg, peer: MediaPeer) -> MediaPeer:
        self._members.setdefault(member, _Held()).peers[leg] = peer
        return peer

    def _peers(self, member: str) -> Mapping[Leg, MediaPeer]:
        held = self._members.get(member)
        return {} if held is None else held.peers

    def _close_receiving(self, target: str, *sources: MediaSource) -> None:
        for member, held in self._members.items():
            if ONLY not in held.peers:
                for source in sources:
                    self._close(member, Leg(source, target))

    def _close(self, member: str, leg: Leg) -> None:
        held = self._members.get(member)
        if held is not None:
            held.unanswered.discard(leg)
            peer = held.peers.pop(leg, None)
            if peer is not None:
                peer.close()

    # --- as the engine sees it ---

    def lost(self, member: str, leg: Leg, peer: MediaPeer | None, reason: str) -> None:
        if self.is_current(member, leg, peer):
            if leg != ONLY:
                self._close(member, leg)
            self._watcher.connection_lost(member, leg, reason)

    def news(self, peer: MediaPeer | None, leg: Leg, event: AllocationsChanged | RateChanged) -> None:
        # No dialect of several connections has words for what one of them carries.
        if leg == ONLY and self.is_current(event.member, leg, peer):
            self._watcher.media_news(event)

    def is_current(self, member: str, leg: Leg, peer: MediaPeer | None) -> bool:
        """A connection that has been replaced may still be heard of."""
        return peer is not None and self._peers(member).get(leg) is peer


class _PeerListener:
    """Brings what the engine says of one connection to where it belongs."""

    def __init__(self, connections: Connections, member: str, leg: Leg) -> None:
        self._connections = connections
        self._member = member
        self._leg = leg
        self.peer: MediaPeer | None = None

    def connected(self) -> None:
        """The engine itself watches for connections that never come up."""

    def lost(self, reason: str) -> None:
        self._connections.lost(self._member, self._leg, self.peer, reason)

    def video_allocations(self, allocations: Mapping[str, VideoAllocation]) -> None:
        self._connections.news(self.peer, self._leg, AllocationsChanged(self._member, allocations))

    def available_rate(self, rate_bps: int) -> None:
        self._connections.news(self.peer, self._leg, RateChanged(self._member, rate_bps))


@contextmanager
def _refusals() -> Iterator[None]:
    """An offer that cannot be used is the client's mistake; anything else is ours and stays what it is."""
    try:
        yield
    except BadOffer as reason:
        raise BadRequest(f"sdp: {reason}") from reason
    except NoCommonCodec as reason:
        raise NoCodec(f"sdp: {reason}") from reason
