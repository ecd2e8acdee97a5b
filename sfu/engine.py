"""The media engine: owns the data plane, its sockets and threads, the peers' timers. The trio module of `sfu`.

Life: `run` binds sockets, starts the workers and stops them from a `finally`; a worker's thread cannot be cancelled, so its
end is always asked for. Two tasks serve the machines: one reads what the workers have to say, one keeps their
deadlines. All calls come from the trio thread, so nothing here is locked.

Which checks belong to whom is decided by the ufrag in a check's username (RFC 8445 7.2.2) until an address is known;
in the data plane, then, addresses tell whose media is whose.

A fault of ours in one peer's machines (or in its listener) ends that peer, never the tasks that serve all of them.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog
import trio

from native.plane import (
    AllocationsChanged,
    DtlsArrived,
    LevelsChanged,
    Plane,
    RateChanged,
    SpeakerChanged,
    StunArrived,
)
from sfu.addresses import Bound, bind_workers
from sfu.dtls import DtlsContext
from sfu.ice import Path
from sfu.negotiation import Local
from sfu.peer import Endpoint
from sfu.router import AUDIO_CODECS, Formats, MediaRoom, Peer, RoomListener
from sfu.settings import MediaSettings
from sfu.wire import stun
from sfu.wire.sdp import Candidate

WORKER_PEERS: Final = 2000  # a worker with so many is full; rooms go on upon another

log = structlog.get_logger("sfu.engine")


class Engine:
    """Rooms of media. `await nursery.start(engine.run)` first; everything else while it runs."""

    def __init__(self, settings: MediaSettings) -> None:
        self._settings = settings
        self._context = DtlsContext()
        self._bound: list[list[Bound]] = []
        self._locals: list[Local] = []
        self._plane: Plane | None = None
        self._endpoints: dict[str, Peer] = {}  # by local ufrag
        self._ufrags: dict[Peer, tuple[str, ...]] = {}
        self._due: list[tuple[float, int, Peer]] = []
        self._scheduled: dict[Peer, float] = {}
        self._order = itertools.count()
        self._timer = trio.Event()
        self._owners = itertools.count(1)
        self._dropped = {
            "drop_stun_unknown_user": 0,
            "drop_stun_not_request": 0,
            "drop_stun_refused": 0,
            "drop_dtls_refused": 0,
            "peer_faults": 0,
            "room_faults": 0,
        }
        self.formats = Formats()
        for codec in AUDIO_CODECS:
            self.formats.number(codec)

    @property
    def media(self) -> tuple[str, ...]:
        """Every worker's addresses, as `127.0.0.1:40000` or `[::1]:40000`."""
        return tuple(str(bound) for worker in self._bound for bound in worker)

    @property
    def plane(self) -> Plane:
        assert self._plane is not None, "the engine does not run"
        return self._plane

    def counters(self) -> dict[str, int]:
        """Work done and datagrams dropped, by named reason, since the start."""
        return {**self.plane.counters(), **self._dropped}

    def gauges(self) -> dict[str, int]:
        """What there is now: connections, and how much of the memory for packets is taken."""
        return {**self.plane.gauges(), "peers": len(self._ufrags)}

    def open_room(self, listener: RoomListener) -> MediaRoom:
        """Media for a room; the caller closes it."""
        return MediaRoom(self, listener)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. OSError if an address cannot be bound."""
        workers = self._settings.worker_count
        self._bound = bind_workers(self._settings.bind, workers)
        try:
            self._locals = [self._local(bound) for bound in self._bound]
            self._plane = Plane(
                [[each.socket for each in bound] for bound in self._bound], self._settings.slab_mib << 20
            )
            limiter = trio.CapacityLimiter(workers)
            async with trio.open_nursery() as nursery:
                try:
                    for index in range(workers):
                        nursery.start_soon(_run_worker, self._plane, index, limiter)
                    nursery.start_soon(self._listen)
                    nursery.start_soon(self._keep_time)
                    task_status.started()
                    await trio.sleep_forever()
                finally:
                    self._plane.stop()
        finally:
            for bound in self._bound:
                for each in bound:
                    each.socket.close()

    # ---- for the rooms and peers -----------------------------------------------------------------------------------

    def now(self) -> float:
        return trio.current_time()

    def endpoint(self, worker: int) -> Endpoint:
        """The machines of a new peer on a worker."""
        return Endpoint(
            self._locals[worker],
            self._context,
            _new_ssrcs(),
            self.now(),
            self._settings.connect_timeout_s,
            self._settings.consent_timeout_s,
        )

    def place(self, worker: int | None) -> int:
        """The worker for a room's next peer: the one that it is on, unless that is full."""
        load = self.plane.load()
        if worker is not None and load[worker] < WORKER_PEERS:
            return worker
        return load.index(min(load))

    def new_owner(self) -> int:
        """A number for a member, by which the data plane knows whose a stream is."""
        return next(self._owners)

    def transmit(self, worker: int, path: Path, data: bytes) -> None:
        """Send a control datagram; what the kernel does not take now is lost, as on any network."""
        index, ip, port = path
        try:
            self._bound[worker][index].socket.sendto(data, (ip, port))
        except OSError as error:
            log.debug("control datagram not sent", path=path, error=str(error))

    def settle(self, peer: Peer) -> None:
        """After any call of a peer's machines: perform what they put out, note their ufrags and deadline."""
        peer.perform()
        endpoint = peer.endpoint
        ufrags = endpoint.local_ufrags
        if self._ufrags.get(peer) != ufrags:
            for ufrag in self._ufrags.get(peer, ()):
                self._endpoints.pop(ufrag, None)
            for ufrag in ufrags:
                self._endpoints[ufrag] = peer
            if ufrags:
                self._ufrags[peer] = ufrags
            else:
                self._ufrags.pop(peer, None)
        deadline = endpoint.deadline
        # A deadline that has moved away is found out when the old one comes: consent moves with each check.
        if deadline is not None and deadline < self._scheduled.get(peer, float("inf")):
            self._schedule(peer, deadline)

    def forget(self, peer: Peer) -> None:
        """A closed peer: nothing reaches it any more."""
        for ufrag in self._ufrags.pop(peer, ()):
            self._endpoints.pop(ufrag, None)
        self._scheduled.pop(peer, None)

    # ---- tasks -----------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """What the workers have to say, as it comes."""
        while True:
            await trio.lowlevel.wait_readable(self.plane.fileno())
            for notice in self.plane.drain():
                self._hear(notice)

    def _hear(self, notice: object) -> None:
        match notice:
            case StunArrived():
                self._hear_stun(notice)
            case DtlsArrived(path, data, plane_peer):
                peer = plane_peer.listener
                with self._contained(peer):
                    peer.endpoint.receive_dtls(data, path, self.now())
                    self.settle(peer)
            case RateChanged(plane_peer):
                with self._contained(plane_peer.listener):
                    plane_peer.listener.rate_changed()
            case AllocationsChanged(plane_peer):
                with self._contained(plane_peer.listener):
                    plane_peer.listener.allocations_changed()
            case SpeakerChanged(bus, owner):
                with self._room_contained():
                    if bus.listener is not None:
                        bus.listener.speaker_changed(owner)
            case LevelsChanged(bus, owners):
                with self._room_contained():
                    if bus.listener is not None:
                        bus.listener.levels_changed(owners)

    def _hear_stun(self, notice: StunArrived) -> None:
        name = stun.username(notice.data)
        if name is None:
            self._dropped["drop_stun_not_request"] += 1
            return
        peer = self._endpoints.get(name.partition(":")[0])
        if peer is None or peer.worker != notice.worker:
            # No answer: who does not know a ufrag of ours learns nothing, and is not sent what it could aim at others.
            self._dropped["drop_stun_unknown_user"] += 1
            return
        with self._contained(peer):
            peer.endpoint.receive_stun(notice.data, notice.path, self.now())
            self.settle(peer)
            if notice.peer is not None and not peer.owns(notice.peer):
                peer.reclaim(notice.path)

    @contextmanager
    def _contained(self, peer: Peer) -> Iterator[None]:
        """Count what the machines refuse, and keep a fault of theirs from everybody else."""
        checks, records = peer.endpoint.rejected
        try:
            yield
            now = peer.endpoint.rejected
            self._dropped["drop_stun_refused"] += now[0] - checks
            self._dropped["drop_dtls_refused"] += now[1] - records
        except Exception:
            log.exception("a fault in a peer's machines", peer=peer.name)
            self._dropped["peer_faults"] += 1
            try:
                peer.fail()
            except Exception:
                log.exception("and once more while it was closed", peer=peer.name)

    @contextmanager
    def _room_contained(self) -> Iterator[None]:
        """Keep a fault of whoever listens to a room from all other rooms."""
        try:
            yield
        except Exception:
            log.exception("a fault in a room's listener")
            self._dropped["room_faults"] += 1

    def _schedule(self, peer: Peer, at: float) -> None:
        self._scheduled[peer] = at
        heapq.heappush(self._due, (at, next(self._order), peer))
        if self._due[0][2] is peer:
            self._timer.set()

    async def _keep_time(self) -> None:
        """Deadlines of all peers, by one heap; an entry that no longer holds is put right when it comes up."""
        while True:
            wait = self._due[0][0] - self.now() if self._due else float("inf")
            if wait > 0:
                self._timer = trio.Event()
                with trio.move_on_after(wait):
                    await self._timer.wait()
                continue
            at, _, peer = heapq.heappop(self._due)
            if self._scheduled.get(peer) != at:
                continue
            del self._scheduled[peer]
            with self._contained(peer):
                peer.recall(self.now())
                deadline = peer.endpoint.deadline
                if deadline is not None and deadline <= self.now():
                    peer.endpoint.expire(self.now())
                self.settle(peer)

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _local(self, bound: Sequence[Bound]) -> Local:
        """What our descriptions say: the announced addresses if there are any, with the ports that are bound."""
        ips: list[tuple[str, int]] = [(each.ip, each.port) for each in bound]
        if self._settings.announce:
            ports = dict.fromkeys(each.port for each in bound)
            ips = [(ip, port) for ip in self._settings.announce for port in ports]
        candidates = tuple(
            # RFC 8445 5.1.2.1: host candidates, IPv6 first, the earlier address before the later.
            Candidate(ip, port, (126 << 24) | ((65535 if ":" in ip else 65000) - index << 8) | 255, str(index + 1))
            for index, (ip, port) in enumerate(ips)
        )
        return Local(self._context.fingerprint, candidates)


def _new_ssrcs() -> Callable[[], int]:
    """SSRCs for one connection, within which they must differ (RFC 3550 8.1); 0 is none."""
    given = {0}

    def new() -> int:
        while (ssrc := random.getrandbits(32)) in given:
            pass
        given.add(ssrc)
        return ssrc

    return new


async def _run_worker(plane: Plane, index: int, limiter: trio.CapacityLimiter) -> None:
    await trio.to_thread.run_sync(plane.run, index, limiter=limiter, thread_name=f"media-{index}")
