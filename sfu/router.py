"""Who gets what: the media of one room, routed by the names of its members.

A peer that publishes is known by its member's name and by whether it sends the camera or the screen; what a subscriber
wants is said by name too and kept, so that when a member comes back on another connection, everybody who watched it goes on
watching. The room's sound goes down the join section of everyone through one PlaneBus, by which nobody hears itself.

A member has one connection for all (`open_peer`), or several: one for each source that only sends (`open_publisher`), and
one for each feed of others that only receives (`offer_peer`).

Here is policy and book-keeping at the rate of events; packets are the data plane's. The machines of a peer are in
peer.py, sockets and time in engine.py. Invariant: what a PlaneSubscription carries always follows from `_Sending.want` and
the room's publications, by `_route` alone.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol, assert_never

import attrs

from native.plane import Plane, PlaneBus, PlanePeer, PlanePublication, PlaneSubscription
from sfu.ice import Path, PathRetired, PathSelected, PathValidated, Transmit
from sfu.negotiation import Agreement, Codec, Incoming, Kind, Outgoing, Source, format_key, matching, stream_id
from sfu.peer import Agree, Connected, Disagree, Endpoint, Lost, UseKeys
from sfu.stats import InboundStream, OutboundStream, PeerStats, Phase
from sfu.wanted import Feed, MediaSource, VideoAllocation, Wanted

SERVER: Final = "server"  # why a peer is lost: ours is the fault
ROOM_STREAM: Final = "room"  # the msid and cname of the sound that is everybody's
REASON_ONLY_LAYER: Final = "the only layer"
REASON_ABSENT: Final = "the member sends no such media"
REASON_CODEC: Final = "no codec in common"
REASON_ROOM: Final = "the loudest other member"
REASON_CUT: Final = "cut by an admin"


class PeerListener(Protocol):
    """Called from the engine's task; must not block."""

    def connected(self) -> None: ...

    def lost(self, reason: str) -> None:
        """`consent`, `closed`, `dtls`, `timeout`, or `server` for a fault of ours; the peer is closed already."""
        ...

    def video_allocations(self, allocations: Mapping[str, VideoAllocation]) -> None:
        """What of the others' pictures goes down this connection now, by their names; all of it, when any has changed.

        A change is one of the set, of a size, or of a quarter of a rate; about once a second at most.
        """
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
        """Loudness of those members for whom it has changed: 127 minus the RFC 6464 level, 0 when nothing comes.

        A member is named five times a second at most, but for the 0 of one that is cut or sends no sound any more, which
        is told at once.
        """
        ...


class Host(Protocol):
    """What rooms and peers ask of the engine, which has the sockets, the clock and the data plane."""

    @property
    def plane(self) -> Plane: ...

    @property
    def formats(self) -> "Formats": ...

    def now(self) -> float: ...

    def endpoint(self, worker: int) -> Endpoint:
        """The machines of a new peer on a worker."""
        ...

    def place(self, worker: int | None) -> int:
        """The worker for a room's next peer: the one that it is on, unless that is full."""
        ...

    def new_owner(self) -> int:
        """A number for a member, by which the data plane knows whose a stream is."""
        ...

    def transmit(self, worker: int, path: Path, data: bytes) -> None:
        """Send a control datagram."""
        ...

    def settle(self, peer: "Peer") -> None:
        """After any call of a peer's machines: perform what they put out, note their ufrags and deadline."""
        ...

    def forget(self, peer: "Peer") -> None:
        """A closed peer: nothing reaches it any more."""
        ...


@attrs.define
class _Receiving:
    """A section that the peer sends on."""

    incoming: Incoming
    publication: PlanePublication


@attrs.define
class _Sending:
    """A section that we send on, for as long as the connection lives: its numbers must go on."""

    outgoing: Outgoing
    subscription: PlaneSubscription
    want: Feed | None  # None: the room's sound
    active: bool = True
    reason: str = REASON_ABSENT


class Formats:
    """Numbers for codecs with their parameters, by which the data plane tells what a packet is, whoever sent it.

    RFC 3264 payload types mean something on one connection only. The numbers are as few as the kinds of codec that
    negotiation knows, whatever parameters clients write, so they are never given back.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[object, ...], int] = {}

    def number(self, codec: Codec) -> int:
        return self._numbers.setdefault(format_key(codec), len(self._numbers) + 1)


_ids = itertools.count(1)

AUDIO_CODECS: Final = (Codec(0, "opus", 48000), Codec(0, "PCMU", 8000), Codec(0, "PCMA", 8000))


class Peer:
    """One connection of a member: what signalling holds."""

    def __init__(
        self,
        engine: Host,
        room: "MediaRoom",
        name: str,
        source: MediaSource | None,
        hears: bool,
        owner: int,
        listener: PeerListener,
        worker: int,
    ) -> None:
        self.name = name
        self.source: MediaSource | None = source
        """What of its member comes on it; None: nothing."""
        self._hears = hears
        self.worker = worker
        self.endpoint: Endpoint = engine.endpoint(worker)
        self._engine = engine
        self._room = room
        self._listener = listener
        self._plane: PlanePeer = engine.plane.open_peer(worker, owner)
        self._plane.listener = self
        self._receiving: dict[str, _Receiving] = {}
        self._sending: dict[int, _Sending] = {}  # by ssrc: a recycled section has another one
        self._cut: dict[Kind, bool] = {}
        self._shares_screen = False
        self._offered: tuple[Feed | None, ...] = ()
        self._allocations: dict[str, VideoAllocation] = {}
        self._closed = False
        self._id = next(_ids)
        self._reached: dict[Phase, float] = {"offered": engine.now()}

    @property
    def sends(self) -> bool:
        """Whether its client sends anything, as its last description says."""
        return bool(self._receiving)

    # ---- what signalling calls -------------------------------------------------------------------------------------

    def renegotiate(self, offer: str, wanted: Sequence[Wanted]) -> str:
        """Answer a later offer of the client; `wanted` is the whole set of pictures it asks for.

        Raises BadOffer (UnknownMid among them) or NoCommonCodec, and has then changed nothing.
        """
        return self._answer(offer, wanted)

    def accept(self, answer: str) -> None:
        """The client's answer to the server's last offer. Raises as `renegotiate`."""
        agreement = self.endpoint.accept(answer, self._engine.now())
        wants = {str(index): feed for index, feed in enumerate(self._offered)}
        self._apply(agreement, wants)
        self._engine.settle(self)

    def offer(self, feeds: Sequence[Feed | None]) -> str:
        """Offer to send these, a section each; a section keeps its kind, None pauses it."""
        self._offered = tuple(feeds)
        text = self.endpoint.offer(
            [None if feed is None else self._room.source(feed, self._default_codecs(feed)) for feed in feeds]
        )
        # Checks may come before the answer does, and an offer that nobody answers is lost in time like any other.
        self._engine.settle(self)
        return text

    def cut(self, kind: Kind, cut: bool) -> None:
        """An administrator's mute: that kind of this member's media is dropped at its arrival."""
        self._cut[kind] = cut
        for publication in self._sent(kind):
            publication.cut(cut)

    def share_screen(self, sharing: bool) -> None:
        """The picture that this member sends is that of a screen from now on, or no more: receivers need a key frame."""
        if sharing == self._shares_screen:
            return
        self._shares_screen = sharing
        self._room.changed(self)
        for publication in self._sent("video"):
            publication.request_key()

    def stats(self) -> PeerStats:
        """What flows now. After `close` the last state, without streams."""
        if self._closed:
            return PeerStats(
                self._id, "closed", self.source, None, self.endpoint.profile, self._ages_ms(), 0, 0, 0, 0, (), ()
            )
        path = self.endpoint.selected
        inbound = tuple(
            InboundStream(
                mid=mid,
                kind=each.incoming.kind,
                codec=each.incoming.codecs[0].name,
                cut=self.cuts(each.incoming.kind),
                **each.publication.report(),
            )
            for mid, each in self._receiving.items()
        )
        outbound = tuple(
            OutboundStream(
                mid=each.outgoing.mid,
                kind=each.outgoing.kind,
                source=each.want.name if each.want else None,
                media_source=self._room.shown(each.want) if each.want else None,
                reason=REASON_CUT if each.want and self._room.is_cut(each.want) else each.reason,
                **each.subscription.report(),
            )
            for each in self._sending.values()
            if each.active
        )
        return PeerStats(
            id=self._id,
            state="connected" if self.endpoint.connected else "new",
            publishes=self.source,
            path=f"[{path[1]}]:{path[2]}" if path and ":" in path[1] else f"{path[1]}:{path[2]}" if path else None,
            profile=self.endpoint.profile,
            ages_ms=self._ages_ms(),
            **self._plane.report(),
            inbound=inbound,
            outbound=outbound,
        )

    def _ages_ms(self) -> dict[Phase, int]:
        now = self._engine.now()
        return {phase: int((now - at) * 1000) for phase, at in self._reached.items()}

    def close(self) -> None:
        """Say goodbye and forget. Idempotent; the listener is not called."""
        if self._closed:
            return
        self._closed = True
        try:
            self.endpoint.close(self._engine.now())
            self.perform()
        finally:
            # Whatever the machines do, the peer goes from the room and from the data plane.
            self._receiving = {}
            self._engine.forget(self)
            self._plane.close()
            self._room.remove(self)

    # ---- what the room calls ---------------------------------------------------------------------------------------

    def first_answer(self, offer: str) -> str:
        return self._answer(offer, ())

    def publication(self, kind: Kind) -> _Receiving | None:
        """What it sends of a kind now."""
        return next((each for each in self._receiving.values() if each.incoming.kind == kind), None)

    def cuts(self, kind: Kind) -> bool:
        """Whether an administrator's mute holds back what it sends of a kind."""
        return self._cut.get(kind, False)

    @property
    def shares_screen(self) -> bool:
        return self._shares_screen

    @property
    def level(self) -> int:
        """How loud its sound is, 0 to 127."""
        return max((publication.level for publication in self._sent("audio")), default=0)

    def reroute(self, name: str) -> None:
        """A member's publications have changed: whatever is wanted of it is looked up again."""
        for sending in self._sending.values():
            if sending.active and sending.want is not None and sending.want.name == name:
                self._route(sending)

    # ---- what the engine calls -------------------------------------------------------------------------------------

    def recall(self, now: float) -> None:
        """Tell the machines of checks that the data plane has answered."""
        age = self._plane.check_age_s()
        path = self.endpoint.selected
        if age is not None and path is not None:
            self.endpoint.heard(path, now - age)

    def perform(self) -> None:
        """Carry out what the machines have put out."""
        for output in self.endpoint.poll():
            match output:
                case Transmit(data, path):
                    self._engine.transmit(self.worker, path, data)
                case PathValidated(path):
                    self._plane.add_path(path)
                case PathSelected(path):
                    self._reached.setdefault("ice", self._engine.now())
                    self._plane.select_path(path)
                case PathRetired(path):
                    self._plane.remove_path(path)
                case Agree(username, password):
                    self._plane.agree(username, password)
                case Disagree():
                    self._plane.disagree()
                case UseKeys(keys):
                    self._reached.setdefault("dtls", self._engine.now())
                    self._plane.set_keys(keys.profile, keys.remote, keys.local)
                case Connected():
                    self._reached.setdefault("connected", self._engine.now())
                    self._room.connected(self)
                    self._listener.connected()
                case Lost(reason):
                    self.close()
                    self._listener.lost(reason)
                    return

    def reclaim(self, path: Path) -> None:
        """A valid check came on a path that the data plane holds for another peer: whoever checks last has it."""
        if path in self.endpoint.paths:
            self._plane.add_path(path)

    def rate_changed(self) -> None:
        """The data plane thinks otherwise of the way down."""
        rate = self._plane.available_rate
        if rate is not None:
            self._listener.available_rate(rate)

    def allocations_changed(self) -> None:
        """What goes down is not what was told. Of what is wanted but does not flow yet, nothing is told."""
        if self._closed:
            return
        allocations: dict[str, VideoAllocation] = {}
        for sending in self._sending.values():
            given = sending.subscription.allocation()
            if given is None or not sending.active or sending.want is None:
                continue
            receiving = self._room.publication(sending.want)
            if receiving is None or receiving.publication.key != given[0]:
                continue
            _, rate, width, height = given
            allocation = VideoAllocation(sending.outgoing.ssrc, None, rate, width or None, height or None)
            # Whoever asks for one picture twice is told of the one that costs more.
            former = allocations.get(sending.want.name)
            if former is None or former.rate_bps < rate:
                allocations[sending.want.name] = allocation
        if allocations != self._allocations:
            self._allocations = allocations
            self._listener.video_allocations(allocations)

    def owns(self, plane_peer: PlanePeer) -> bool:
        return plane_peer is self._plane

    def fail(self) -> None:
        """A fault of ours has left the machines in no known state."""
        if not self._closed:
            try:
                self.close()
            finally:
                self._listener.lost(SERVER)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _answer(self, offer: str, wanted: Sequence[Wanted]) -> str:
        wants: dict[str, Feed | None] = {each.mid: Feed(each.name, "video") for each in wanted}
        sources: dict[str, Source] = {}
        for mid, feed in wants.items():
            if feed is None or feed.name == self.name:
                continue  # nobody is shown itself
            receiving = self._room.publication(feed)
            if receiving is not None:
                sources[mid] = self._room.source(feed, receiving.incoming.codecs)
            elif self._room.is_announced(feed.name):
                sources[mid] = self._room.source(feed, None)
        text, agreement = self.endpoint.answer(
            offer,
            sources,
            self._room.sound if self._hears else None,
            [each.mid for each in wanted],
            self._engine.now(),
        )
        self._apply(agreement, wants)
        self._engine.settle(self)
        return text

    def _sent(self, kind: Kind) -> list[PlanePublication]:
        return [each.publication for each in self._receiving.values() if each.incoming.kind == kind]

    def _default_codecs(self, feed: Feed) -> tuple[Codec, ...] | None:
        receiving = self._room.publication(feed)
        return receiving.incoming.codecs if receiving is not None else None

    def _apply(self, agreement: Agreement, wants: Mapping[str, Feed | None]) -> None:
        """Make the data plane follow an agreement."""
        before = self._receiving
        after: dict[str, _Receiving] = {}
        for incoming in agreement.incoming:
            known = before.get(incoming.mid)
            if known is not None and known.incoming.kind == incoming.kind:
                known.incoming = incoming
                after[incoming.mid] = known
                continue
            publication = self._plane.publish(incoming.kind, incoming.codecs[0].clock, incoming.kind == "video")
            if self.cuts(incoming.kind):
                publication.cut(True)
            after[incoming.mid] = _Receiving(incoming, publication)
        self._receiving = after
        self._plane.configure(
            dict(agreement.extensions), [self._section(mid, each) for mid, each in after.items()], agreement.mixed
        )
        for mid, known in before.items():
            if after.get(mid) is not known:
                known.publication.close()
        for mid, each in after.items():
            if before.get(mid) is not each and each.incoming.kind == "audio":
                each.publication.set_bus(self._room.bus)
        active = {outgoing.ssrc for outgoing in agreement.outgoing}
        for ssrc, sending in self._sending.items():
            if ssrc not in active:
                sending.active = False
                sending.subscription.set_source(None, {}, "", "")
        for outgoing in agreement.outgoing:
            self._send(outgoing, wants.get(outgoing.mid))
        self._room.changed(self)

    def _section(self, mid: str, receiving: _Receiving) -> tuple[str, PlanePublication, list[object], list[object]]:
        incoming = receiving.incoming
        codecs: list[object] = [
            (codec.pt, codec.rtx_pt, codec.name, self._engine.formats.number(codec)) for codec in incoming.codecs
        ]
        ssrcs: list[object] = [(ssrc, False) for ssrc in incoming.ssrcs]
        ssrcs += [(rtx, True) for _, rtx in incoming.rtx]
        return mid, receiving.publication, codecs, ssrcs

    def _send(self, outgoing: Outgoing, want: Feed | None) -> None:
        sending = self._sending.get(outgoing.ssrc)
        if sending is None:
            subscription = self._plane.subscribe(
                outgoing.kind, outgoing.codecs[0].clock, outgoing.ssrc, outgoing.rtx_ssrc
            )
            sending = self._sending[outgoing.ssrc] = _Sending(outgoing, subscription, want)
        sending.outgoing = outgoing
        sending.want = want
        sending.active = True
        self._route(sending)

    def _route(self, sending: _Sending) -> None:
        """Connect a section with what is wanted there, as far as it exists and can be read."""
        outgoing = sending.outgoing
        if sending.want is None:
            clock = outgoing.codecs[0].clock
            formats = self._formats(outgoing, [codec for codec in AUDIO_CODECS if codec.clock == clock])
            sending.reason = REASON_ROOM
            sending.subscription.set_source(self._room.bus, formats, outgoing.mid, ROOM_STREAM, outgoing.numbered)
            return
        receiving = self._room.publication(sending.want)
        formats = {} if receiving is None else self._formats(outgoing, receiving.incoming.codecs)
        sending.reason = REASON_ABSENT if receiving is None else REASON_ONLY_LAYER if formats else REASON_CODEC
        sending.subscription.set_source(
            receiving.publication if receiving is not None and formats else None,
            formats,
            outgoing.mid,
            stream_id(sending.want.name)[:32],
            outgoing.numbered,
        )

    def _formats(self, outgoing: Outgoing, codecs: Sequence[Codec]) -> dict[int, tuple[int, int | None]]:
        """Format of the sender to payload types of this receiver."""
        out: dict[int, tuple[int, int | None]] = {}
        for codec in codecs:
            theirs = matching(codec, outgoing.codecs)
            number = self._engine.formats.number(codec)
            if theirs is not None:
                out[number] = (theirs.pt, theirs.rtx_pt)
        return out


class MediaRoom:
    """The media of one room. A room's peers go to one worker until that is full."""

    def __init__(self, engine: Host, listener: RoomListener) -> None:
        self._engine = engine
        self._listener = listener
        # The connection that speaks for a member, by name and source.
        self._publishers: dict[tuple[str, MediaSource], Peer] = {}
        self._announced: set[str] = set()
        self._peers: set[Peer] = set()
        self._owners: dict[str, int] = {}  # name to the data plane's number, and back
        self._names: dict[int, str] = {}
        self._loud: dict[str, int] = {}  # levels above 0, as they were told
        self._speaker: str | None = None  # as it was told
        self.bus: PlaneBus = engine.plane.open_bus()
        self.bus.listener = self
        self.sound = Source(stream=ROOM_STREAM, kind="audio", codecs=None, cname=ROOM_STREAM)
        self._worker: int | None = None

    def open_peer(self, name: str, offer: str, listener: PeerListener) -> tuple[Peer, str]:
        """A member's own connection, offered by its client: what it sends is the member's, down comes the room's sound.

        A peer of the same name is replaced: it is closed without `lost`, and whoever watched it watches this one.
        Raises BadOffer or NoCommonCodec (sfu.negotiation), and has then changed nothing.
        """
        return self._replace(self._open(name, "camera", True, listener), "camera", offer)

    def open_publisher(self, name: str, source: MediaSource, offer: str, listener: PeerListener) -> tuple[Peer, str]:
        """The same, but nothing comes down; a peer of the same name and source is replaced."""
        return self._replace(self._open(name, source, False, listener), source, offer)

    def announce(self, name: str) -> None:
        """A member that may come to send by connections of its own. Whoever asks for its picture before gets a section for
        it that is silent as yet, since nothing would tell the client when to ask again."""
        self._announced.add(name)

    def retire(self, name: str) -> None:
        self._announced.discard(name)

    def offer_peer(self, name: str, feeds: Sequence[Feed], listener: PeerListener) -> tuple[Peer, str]:
        """A further connection of a member, offered by the server, that carries others' media; `Peer.accept` follows."""
        peer = self._open(name, None, False, listener)
        return peer, peer.offer(feeds)

    def close(self) -> None:
        """With all peers; nobody is called back."""
        for peer in list(self._peers):
            peer.close()
        self.bus.close()

    # ---- for the peers ---------------------------------------------------------------------------------------------

    def publication(self, feed: Feed) -> _Receiving | None:
        """What a member sends of a kind now."""
        publisher = self._publisher(feed)
        return None if publisher is None else publisher.publication(feed.kind)

    def is_announced(self, name: str) -> bool:
        return name in self._announced

    def is_cut(self, feed: Feed) -> bool:
        publisher = self._publisher(feed)
        return publisher is not None and publisher.cuts(feed.kind)

    def shown(self, feed: Feed) -> MediaSource | None:
        """Which of a member's sources its feed shows now; None if there is nothing."""
        publisher = self._publisher(feed)
        if publisher is None or publisher.publication(feed.kind) is None:
            return None
        return "screen" if feed.kind == "video" and publisher.shares_screen else publisher.source

    def source(self, feed: Feed, codecs: tuple[Codec, ...] | None) -> Source:
        """A member's media as SDP tells of it."""
        stream = stream_id(feed.name)
        return Source(stream=stream, kind=feed.kind, codecs=codecs, cname=stream[:32])

    def changed(self, peer: Peer) -> None:
        """A peer's publications may be others than before."""
        if peer.source is not None and self._publishers.get((peer.name, peer.source)) is peer:
            self._reroute(peer.name)

    def connected(self, peer: Peer) -> None:
        """Its media can come."""
        if peer.source == "screen":
            self.changed(peer)

    def remove(self, peer: Peer) -> None:
        self._peers.discard(peer)
        if peer.source is not None and self._publishers.get((peer.name, peer.source)) is peer:
            del self._publishers[peer.name, peer.source]
            self._reroute(peer.name)
        if not any(each.name == peer.name for each in self._peers):
            self._names.pop(self._owners.pop(peer.name, 0), None)

    def speaker_changed(self, owner: int | None) -> None:
        """The data plane's word on who speaks."""
        name = None if owner is None else self._names.get(owner)
        # Whoever goes on by another of its connections has been named already.
        if name != self._speaker:
            self._speaker = name
            self._listener.active_speaker(name)

    def levels_changed(self, owners: Collection[int]) -> None:
        """The data plane's word on who is louder or quieter than before."""
        names = {self._names[owner] for owner in owners if owner in self._names}
        # Who was loud is always looked at: it may be on another connection by now, or on none.
        levels = {name: self._level(name) for name in names | self._loud.keys()}
        changed = {name: level for name, level in levels.items() if level != self._loud.get(name, 0)}
        self._loud = {name: level for name, level in levels.items() if level}
        if changed:
            self._listener.audio_levels(changed)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _replace(self, peer: Peer, source: MediaSource, offer: str) -> tuple[Peer, str]:
        """Put a new peer into its place, once its offer has been answered."""
        try:
            answer = peer.first_answer(offer)
        except BaseException:
            peer.close()
            raise
        former = self._publishers.get((peer.name, source))
        self._publishers[peer.name, source] = peer
        self._reroute(peer.name)
        if former is not None:
            former.close()
        return peer, answer

    def _publisher(self, feed: Feed) -> Peer | None:
        """A member with one picture may say that it is its screen; one with two shows the screen to who names neither."""
        camera = self._publishers.get((feed.name, "camera"))
        screen = self._publishers.get((feed.name, "screen"))
        match feed.source:
            case "camera":
                return camera
            case "screen":
                if screen is None and camera is not None and camera.shares_screen and feed.kind == "video":
                    return camera
                return screen
            case None:
                if feed.kind == "audio" or screen is None or screen.publication("video") is None:
                    return camera
                # Before its media can come it takes no camera's place.
                early = not screen.endpoint.connected and camera is not None and camera.publication("video") is not None
                return camera if early else screen
            case _:
                assert_never(feed.source)

    def _reroute(self, name: str) -> None:
        for each in self._peers:
            each.reroute(name)

    def _level(self, name: str) -> int:
        sources: tuple[MediaSource, ...] = ("camera", "screen")
        publishers = [self._publishers.get((name, source)) for source in sources]
        return max((publisher.level for publisher in publishers if publisher is not None), default=0)

    def _open(self, name: str, source: MediaSource | None, hears: bool, listener: PeerListener) -> Peer:
        self._worker = self._engine.place(self._worker)
        if name not in self._owners:
            owner = self._owners[name] = self._engine.new_owner()
            self._names[owner] = name
        peer = Peer(self._engine, self, name, source, hears, self._owners[name], listener, self._worker)
        self._peers.add(peer)
        return peer
