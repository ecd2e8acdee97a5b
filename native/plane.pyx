"""The data plane's one door from Python: start, stop, open peers, route, report.

Everything a worker uses is made here, handed over by its command ring and freed here when the worker has given it back
(`_live` has every block that is out). Methods are called from one thread, that of the event loop, and do not
wait, but for a command ring that is full. What a worker has to say is read by `drain` when `fileno` is readable.

The control side's own book-keeping is plain Python: which subscription hears what, so that a route can be built whole
whenever it changes. Nothing here is called at packet rate.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import os
import random
import socket

import attrs

from native.codecs cimport CODEC_H264, CODEC_OPUS, CODEC_OTHER, CODEC_VP8, vp8_map_init
from native.consent cimport hmac_key
from native.crypto cimport srtp_call
from native.departures cimport departures_init
from native.egress cimport wake_worker
from native.estimator cimport estimator_init
from native.loop cimport worker_close, worker_open, worker_run
from native.os cimport exchange_u32, load_u32, now_ns, store_u32, usleep
from native.pool cimport Packet
from native.reception cimport reception_init
from native.ring cimport ring_commit, ring_peek, ring_release, ring_reserve
from native.rtp cimport (
    EXT_CAPTURE_TIME, EXT_DEPENDENCY, EXT_LEVEL, EXT_MID, EXT_ORIENTATION, EXT_PLAYOUT, EXT_SEND_TIME, EXT_TWCC,
)
from native.seqmap cimport seqmap_init, tsmap_init
from native.speaker cimport SPEAKER_NONE, level_init, speakers_init
from native.state cimport (
    NOTICE_ALLOCATIONS, NOTICE_RATE,
    KIND_AUDIO, KIND_VIDEO, MAX_CNAME, MAX_FORMATS, MAX_INCOMING, MAX_PEERS, MAX_PUBLICATIONS, MAX_SECTIONS, MAX_SOCKETS,
    MAX_USERNAME, MAX_WORKERS, N_COUNTERS, NO_SECTION, NOTICE_LEVELS, NOTICE_SPEAKER, NOTICE_STUN, OP_ADDRESS_ADD,
    OP_ADDRESS_REMOVE, OP_ADDRESS_SELECT, OP_BUS_CLOSE, OP_BUS_OPEN, OP_KEY_REQUEST, OP_PEER_CLOSE, OP_PEER_CONFIGURE,
    OP_PEER_KEYS, OP_PEER_OPEN, OP_PUBLICATION_BUS, OP_PUBLICATION_CLOSE, OP_PUBLICATION_CUT, OP_PUBLICATION_OPEN,
    OP_SUBSCRIPTION_CLOSE, OP_SUBSCRIPTION_OPEN, OP_SWAP, Address, Bus, Command, Consent, LevelNews, Notice, Peer, PeerConfig, Publication,
    Remote, Route, Subscription, SubscriptionConfig, Worker,
)
from native.twcc cimport twcc_init

from native import srtp

COUNTER_NAMES = (
    "received", "sent", "sent_bytes", "send_calls",
    "drop_garbage", "drop_oversized", "drop_truncated", "drop_notice_ring_full", "drop_dtls_unvalidated",
    "drop_unknown_address", "drop_no_keys", "drop_rtp_malformed", "drop_extension_malformed",
    "drop_padding_malformed", "drop_srtp_auth", "drop_srtp_replay", "drop_srtp_old", "drop_ssrc_limit",
    "drop_unknown_ssrc", "drop_unknown_payload", "drop_duplicate", "drop_sequence_jump", "drop_rtx_probe", "drop_muted", "drop_pool_full",
    "drop_rtcp_malformed", "drop_rtcp_auth", "drop_rtcp_unknown_ssrc", "drop_ring_full", "drop_stale_route", "drop_subscriber_not_ready",
    "drop_no_codec", "drop_awaiting_keyframe", "drop_late", "drop_large_extension", "drop_protect", "drop_send_full",
    "drop_send_error", "drop_rtx_unknown", "drop_rtx_repeated", "drop_rtx_budget", "segmentation_refused", "rtx_sent",
    "rtx_received", "nacks_sent", "keyframe_requests", "rtcp_received", "rtcp_ignored", "rtcp_sent", "notices",
    "consent_answered",
)
assert len(COUNTER_NAMES) == N_COUNTERS

CODECS = {"opus": CODEC_OPUS, "VP8": CODEC_VP8, "H264": CODEC_H264}
EXTENSIONS = {
    "urn:ietf:params:rtp-hdrext:sdes:mid": EXT_MID,
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level": EXT_LEVEL,
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time": EXT_SEND_TIME,
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": EXT_TWCC,
    "urn:3gpp:video-orientation": EXT_ORIENTATION,
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension": EXT_DEPENDENCY,
    "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay": EXT_PLAYOUT,
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time": EXT_CAPTURE_TIME,
}

cdef enum:
    NOTICES = 1024          # a worker's ring to the control plane
    COMMAND_WAIT_US = 200   # a full command ring: look again
    COMMAND_TRIES = 10_000  # … and after two seconds say that the worker is stuck


@attrs.frozen
class StunArrived:
    """A STUN datagram; `peer` owns the address if a check from it has passed before."""

    worker: int
    path: tuple[int, str, int]
    data: bytes
    peer: "PlanePeer | None"


@attrs.frozen
class DtlsArrived:
    """A DTLS datagram from a checked path of `peer`."""

    path: tuple[int, str, int]
    data: bytes
    peer: "PlanePeer"


@attrs.frozen
class RateChanged:
    """`peer.available_rate` is another: what the way down to it is thought to carry. At most once a second a peer."""

    peer: "PlanePeer"


@attrs.frozen
class AllocationsChanged:
    """`allocation` of some video subscriptions of `peer` is another. About once a second at most."""

    peer: "PlanePeer"


@attrs.frozen
class SpeakerChanged:
    """Who speaks in a room: the owner number of a publication's peer, or None."""

    bus: "PlaneBus"
    owner: "int | None"


@attrs.frozen
class LevelsChanged:
    """In a room, `PlanePublication.level` of these owners' sound is not what it was."""

    bus: "PlaneBus"
    owners: "frozenset[int]"


cdef Address make_address(tuple path) except *:
    """(socket index, ip text, port) as the workers keep it."""
    cdef Address out
    cdef bytes packed
    cdef uint8_t *raw
    memset(&out, 0, sizeof(Address))
    sock, ip, port = path
    out.sock = sock
    out.port = port
    if ":" in ip:
        packed = socket.inet_pton(socket.AF_INET6, ip)
        out.family = 6
        raw = packed
        memcpy(out.ip, raw, 16)
    else:
        packed = socket.inet_pton(socket.AF_INET, ip)
        out.family = 4
        raw = packed
        memcpy(out.ip + 12, raw, 4)
    return out


cdef tuple path_of(Address *a):
    if a.family == 4:
        return (a.sock, socket.inet_ntop(socket.AF_INET, (<char *>a.ip)[12:16]), a.port)
    return (a.sock, socket.inet_ntop(socket.AF_INET6, (<char *>a.ip)[:16]), a.port)


@cython.no_gc_clear  # or a collected cycle would empty `_live` before its blocks are freed
cdef class Plane:
    """N workers, each to be run by a thread of its own (`run`), and what they have in common."""

    cdef Worker *workers[MAX_WORKERS]
    cdef readonly int n_workers
    cdef int notify
    cdef uint32_t notified
    cdef dict _live         # address of a block that a worker has -> what goes when it comes back
    cdef list _peers        # by worker: slot -> PlanePeer
    cdef list _free_peers
    cdef list _free_publications
    cdef list _high_peer
    cdef list _high_publication
    cdef dict _buses        # id -> PlaneBus
    cdef dict _publications  # key -> PlanePublication
    cdef dict _levelled     # bus -> owners to be named by the next drain
    cdef uint32_t _next
    cdef object _sockets

    def __cinit__(self):
        self.notify = -1

    def __init__(self, sockets, slab_bytes: int) -> None:
        """`sockets`: for each worker its bound, non-blocking UDP sockets, which stay open as long as the plane.

        `slab_bytes` is a worker's ceiling of memory for packets. OSError if the system refuses something.
        """
        cdef Worker *w
        cdef int i, j
        if not 1 <= len(sockets) <= MAX_WORKERS:
            raise ValueError(f"between 1 and {MAX_WORKERS} workers, not {len(sockets)}")
        if any(not 1 <= len(mine) <= MAX_SOCKETS for mine in sockets):
            raise ValueError(f"between 1 and {MAX_SOCKETS} addresses a worker")
        self._sockets = sockets
        self._live = {}
        self._buses = {}
        self._publications = {}
        self._levelled = {}
        self._next = 0
        self.n_workers = len(sockets)
        self._peers = [{} for _ in sockets]
        self._free_peers = [[] for _ in sockets]
        self._free_publications = [[] for _ in sockets]
        self._high_peer = [0 for _ in sockets]
        self._high_publication = [0 for _ in sockets]
        self.notify = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        for i in range(self.n_workers):
            w = <Worker *>calloc(1, sizeof(Worker))
            if w == NULL:
                raise MemoryError
            self.workers[i] = w
            w.index = i
            w.n_workers = self.n_workers
            w.workers = self.workers
            w.epoll = w.wake = -1
            w.notify = self.notify
            w.notified = &self.notified
            w.n_sockets = len(sockets[i])
            for j in range(<int>w.n_sockets):
                w.sockets[j] = sockets[i][j].fileno()
            w.protect = <srtp_call><uint64_t>srtp.function("srtp_protect")
            w.unprotect = <srtp_call><uint64_t>srtp.function("srtp_unprotect")
            w.protect_rtcp = <srtp_call><uint64_t>srtp.function("srtp_protect_rtcp")
            w.unprotect_rtcp = <srtp_call><uint64_t>srtp.function("srtp_unprotect_rtcp")
            if worker_open(w, max(slab_bytes // sizeof(Packet), 64), NOTICES) != 0:
                raise OSError("the system refuses memory or descriptors for a media worker")

    def __dealloc__(self):
        # Reached when no thread runs a worker any more: `run` holds a reference to the plane.
        cdef int i
        cdef object block
        if self._live is not None:
            for block in self._live:
                free(<void *><uint64_t>block)
        for i in range(self.n_workers):
            if self.workers[i] != NULL:
                worker_close(self.workers[i])
        for i in range(self.n_workers):
            free(self.workers[i])
        if self.notify >= 0:
            os.close(self.notify)

    def run(self, int index) -> None:
        """Be worker `index` until `stop`. Holds no GIL; for a thread of its own."""
        cdef Worker *w = self.workers[index]
        with nogil:
            worker_run(w)

    def stop(self) -> None:
        """Make every `run` return soon. May be called again, and before them."""
        cdef int i
        for i in range(self.n_workers):
            store_u32(&self.workers[i].stop, 1)
            wake_worker(self.workers[i])

    def fileno(self) -> int:
        """An eventfd, readable when `drain` has something."""
        return self.notify

    def counters(self) -> dict[str, int]:
        """All workers' counters added up, by name."""
        cdef int i, k
        cdef uint64_t total
        out = {}
        for k in range(N_COUNTERS):
            total = 0
            for i in range(self.n_workers):
                total += self.workers[i].counters[k]
            out[COUNTER_NAMES[k]] = total
        return out

    def gauges(self) -> dict[str, int]:
        """`slabs` that the workers may hold, and `slabs_in_use` of them."""
        cdef int i
        return {
            "slabs": sum([self.workers[i].pool.capacity for i in range(self.n_workers)]),
            "slabs_in_use": sum([self.workers[i].pool.in_use for i in range(self.n_workers)]),
        }

    @property
    def outstanding(self) -> int:
        """Blocks that workers have and `drain` has not taken back: 0 when everything was closed."""
        return len(self._live)

    def drain(self) -> list:
        """What happened since the last call, each worker's in its order; at most one ring's length of each."""
        cdef Worker *w
        cdef Notice *notice
        cdef uint64_t *retired
        cdef int i, count
        out = []
        try:
            os.eventfd_read(self.notify)
        except BlockingIOError:
            pass
        exchange_u32(&self.notified, 0)  # before the rings are looked at, as in the workers' loop
        for i in range(self.n_workers):
            w = self.workers[i]
            self._reclaim(w)
            for count in range(NOTICES):
                notice = <Notice *>ring_peek(&w.notices)
                if notice == NULL:
                    break
                event = self._read(w, notice)
                ring_release(&w.notices)
                if event is not None:
                    out.append(event)
        out += [LevelsChanged(bus, frozenset(owners)) for bus, owners in self._levelled.items()]
        self._levelled.clear()
        return out

    cdef object _read(self, Worker *w, Notice *notice):
        if notice.kind == NOTICE_SPEAKER:
            bus = self._buses.get(notice.id)
            if bus is None:
                return None
            publication = self._publications.get(notice.number)
            return SpeakerChanged(bus, None if publication is None else (<PlanePublication>publication).owner.owner)
        if notice.kind == NOTICE_LEVELS:
            self._read_levels(notice)
            return None
        peer = self._peers[w.index].get(notice.id)
        if notice.kind == NOTICE_RATE:
            # If the slot has another tenant since, that one knows no rate yet.
            return None if peer is None or peer.available_rate is None else RateChanged(peer)
        if notice.kind == NOTICE_ALLOCATIONS:
            return None if peer is None else AllocationsChanged(peer)
        data = (<char *>notice.data)[:notice.size]
        if notice.kind == NOTICE_STUN:
            return StunArrived(w.index, path_of(&notice.address), data, peer if notice.known else None)
        path = path_of(&notice.address)
        # The slot may have another tenant since.
        return None if peer is None or path not in (<PlanePeer>peer)._paths else DtlsArrived(path, data, peer)

    cdef int _read_levels(self, Notice *notice) except -1:
        cdef LevelNews *news = <LevelNews *>notice.data
        cdef PlanePublication publication
        cdef uint32_t i
        for i in range(notice.number):
            publication = self._publications.get(news[i].key)
            # Of one that is cut nothing is believed but silence: this may have been said before.
            if publication is not None and publication.level != <int>news[i].level and not (publication._cut and news[i].level):
                publication.level = news[i].level
                publication._relevel()
        return 0

    cdef void _reclaim(self, Worker *w):
        """Free what a worker has given back."""
        cdef uint64_t *block
        while True:
            block = <uint64_t *>ring_peek(&w.retired)
            if block == NULL:
                return
            release = self._live.pop(block[0], None)
            free(<void *>block[0])
            ring_release(&w.retired)
            if callable(release):
                release()

    cdef void *_make(self, size_t size, object keep) except NULL:
        """A zeroed block for a worker; `keep` lives as long as it, and is called when it is back if it can be."""
        cdef void *block = calloc(1, size)
        if block == NULL:
            raise MemoryError
        self._live[<uint64_t>block] = keep
        return block

    cdef int _push(self, Worker *w, Command *command) except -1:
        """Queue a command and wake the worker."""
        cdef Command *slot
        cdef int tries = 0
        if load_u32(&w.stop):
            return 0  # the worker ends; its blocks are freed with the plane
        while True:
            self._reclaim(w)
            slot = <Command *>ring_reserve(&w.commands)
            if slot != NULL:
                break
            tries += 1
            if tries > COMMAND_TRIES:
                raise RuntimeError(f"media worker {w.index} does not take commands")
            wake_worker(w)
            with nogil:
                usleep(COMMAND_WAIT_US)
        slot[0] = command[0]
        ring_commit(&w.commands)
        wake_worker(w)
        return 0

    cdef int _command(self, Worker *w, int op, void *a, void *b, uint64_t n) except -1:
        cdef Command command
        command.op = op
        command.a = a
        command.b = b
        command.c = NULL
        command.n = n
        return self._push(w, &command)

    cdef uint32_t _unique(self):
        # 0 means nobody; SPEAKER_NONE is kept apart too. Four thousand million of them outlast a server.
        self._next += 1
        return self._next

    cdef int _take_slot(self, list free_slots, list high, int index, int limit) except -1:
        if free_slots[index]:
            return free_slots[index].pop()
        if high[index] == limit:
            raise RuntimeError(f"media worker {index} is full ({limit})")
        high[index] += 1
        return high[index] - 1

    def open_peer(self, int worker, int owner) -> PlanePeer:
        """A new peer of a worker, without keys or paths. `owner` is whose it is: nobody hears its owner's sound."""
        return PlanePeer(self, worker, owner)

    def open_bus(self) -> PlaneBus:
        """A room's audio."""
        return PlaneBus(self)

    def load(self) -> list[int]:
        """How many peers each worker has."""
        return [len(peers) for peers in self._peers]


cdef class PlanePeer:
    """One transport on a worker: a path, keys, what it publishes and subscribes to.

    After `close` the worker may have given its block back: later calls change nothing, and no report may be asked for.
    """

    cdef Plane plane
    cdef Worker *worker
    cdef Peer *peer
    cdef readonly int index
    cdef readonly int owner
    cdef public object listener
    cdef set _paths
    cdef list _publications
    cdef list _subscriptions
    cdef readonly bint closed

    def __init__(self, Plane plane, int index, int owner) -> None:
        cdef bytes cname = b"atrium"
        cdef int slot = plane._take_slot(plane._free_peers, plane._high_peer, index, MAX_PEERS)
        cdef uint8_t *raw = cname
        self.plane = plane
        self.worker = plane.workers[index]
        self.index = index
        self.owner = owner
        self._paths = set()
        self._publications = []
        self._subscriptions = []
        self.peer = <Peer *>plane._make(sizeof(Peer), None)
        self.peer.slot = slot
        self.peer.owner = owner
        self.peer.publisher_index = -1
        self.peer.feedback_ssrc = random.getrandbits(32) | 1
        memcpy(self.peer.cname, raw, len(cname))
        self.peer.cname_size = len(cname)
        self.peer.config = <PeerConfig *>plane._make(sizeof(PeerConfig), None)
        twcc_init(&self.peer.twcc)
        estimator_init(&self.peer.estimator)
        departures_init(&self.peer.departures, 0)
        plane._peers[index][slot] = self
        plane._command(self.worker, OP_PEER_OPEN, self.peer, NULL, 0)

    def set_keys(self, profile: str, inbound: bytes, outbound: bytes) -> None:
        """Install the DTLS handshake's keys (RFC 5764 4.2). `profile` is one of srtp.PROFILES."""
        cdef Command command
        cdef list sessions
        if self.closed:
            return
        sessions = [srtp.session(profile, inbound, True), srtp.session(profile, outbound, False)]
        _, _, trailer, index_at = srtp.PROFILES[profile]
        # The sessions live as long as the peer's block, replaced ones too: until the worker has given that back.
        self.plane._live[<uint64_t>self.peer] = (self.plane._live[<uint64_t>self.peer] or []) + sessions
        command.op = OP_PEER_KEYS
        command.a = self.peer
        command.b = <void *><uint64_t>srtp.pointer(sessions[0])
        command.c = <void *><uint64_t>srtp.pointer(sessions[1])
        command.n = (<uint64_t>trailer << 8) | <uint64_t>index_at
        self.plane._push(self.worker, &command)

    def add_path(self, path: tuple[int, str, int]) -> None:
        """Datagrams from this address are this peer's: a check from it has passed (RFC 8445 7.3)."""
        self._paths.add(path)
        self._address(OP_ADDRESS_ADD, path)

    def remove_path(self, path: tuple[int, str, int]) -> None:
        """Forget an address; not one that is selected."""
        self._paths.discard(path)
        self._address(OP_ADDRESS_REMOVE, path)

    def select_path(self, path: tuple[int, str, int]) -> None:
        """Send to this address from now on."""
        self._address(OP_ADDRESS_SELECT, path)

    def agree(self, username: str, password: str) -> None:
        """Checks from the selected path with these credentials are answered by the worker; `check_age_s` tells of them."""
        cdef Consent *consent
        cdef bytes name = username.encode()
        cdef bytes key = password.encode()
        if self.closed or len(name) > MAX_USERNAME:
            return
        consent = <Consent *>self.plane._make(sizeof(Consent), None)
        memcpy(consent.username, <char *>name, len(name))
        consent.username_size = len(name)
        hmac_key(consent, <uint8_t *><char *>key, len(key))
        self.plane._command(self.worker, OP_SWAP, &self.peer.consent, consent, 0)

    def disagree(self) -> None:
        """Every check goes to the control plane again: credentials are about to change."""
        if self.closed:
            return
        self.plane._command(self.worker, OP_SWAP, &self.peer.consent, NULL, 0)

    def check_age_s(self):
        """Seconds since the worker last answered a check, None if it never did."""
        cdef uint64_t last = 0 if self.closed else self.peer.last_check_ns
        cdef uint64_t now = now_ns()
        return None if last == 0 else max(<int64_t>(now - last), 0) / 1e9

    cdef int _address(self, int op, tuple path) except -1:
        cdef Command command
        if self.closed:
            return 0
        command.op = op
        command.a = self.peer
        command.address = make_address(path)
        return self.plane._push(self.worker, &command)

    def configure(self, extensions: dict[int, str], sections, two_byte: bool) -> None:
        """What the peer sends: extension ids to URIs, and its sections.

        Each section is (mid, PlanePublication, codecs, ssrcs): codecs of (payload type, rtx payload type or None,
        codec name, format), ssrcs of (ssrc, is_rtx). A format is the caller's number (below MAX_FORMATS) for a codec with
        its parameters. Replaces what was configured before. ValueError beyond MAX_SECTIONS.
        """
        cdef PeerConfig *config
        cdef PlanePublication publication
        cdef bytes raw
        cdef int kind, pt, at
        if self.closed:
            return
        if len(sections) > MAX_SECTIONS:
            raise ValueError(f"at most {MAX_SECTIONS} sections that send")
        config = <PeerConfig *>self.plane._make(sizeof(PeerConfig), None)
        for id, uri in extensions.items():
            kind = EXTENSIONS.get(uri, 0)
            config.ext_in[id] = kind
            if kind and id <= 14:
                config.ext_out[kind] = id
        config.two_byte = two_byte
        for at, (mid, publication, codecs, ssrcs) in enumerate(sections):
            raw = mid.encode()
            if len(raw) <= 16:
                memcpy(config.sections[at].mid, <char *>raw, len(raw))
                config.sections[at].mid_size = len(raw)
            config.sections[at].publication = publication.publication
            for pt, rtx, name, format in codecs:
                if not 0 <= format < MAX_FORMATS:
                    raise ValueError(f"a format is a number below {MAX_FORMATS}")
                self._payload_type(config, pt, CODECS.get(name, CODEC_OTHER), format, 0, at)
                if rtx is not None:
                    self._payload_type(config, rtx, CODEC_OTHER, format, pt, at)
            for ssrc, is_rtx in ssrcs:
                if config.n_ssrcs < MAX_INCOMING:
                    config.ssrcs[config.n_ssrcs].ssrc = ssrc
                    config.ssrcs[config.n_ssrcs].section = at
                    config.ssrcs[config.n_ssrcs].is_rtx = is_rtx
                    config.n_ssrcs += 1
        config.n_sections = len(sections)
        self.plane._command(self.worker, OP_PEER_CONFIGURE, self.peer, config, 0)

    cdef void _payload_type(self, PeerConfig *config, int pt, int codec, int format, int rtx_of, int section):
        config.payload_types[pt].section = NO_SECTION if config.payload_types[pt].known else section
        config.payload_types[pt].known = 1
        config.payload_types[pt].codec = codec
        config.payload_types[pt].format = format
        config.payload_types[pt].rtx_of = rtx_of

    def publish(self, kind: str, int clock, nack: bool) -> PlanePublication:
        """A stream that this peer sends; bound to a section by the next `configure`. `clock` in Hz.

        ValueError beyond MAX_SECTIONS.
        """
        if self.closed:
            raise ValueError("the peer is closed")
        if len(self._publications) == MAX_SECTIONS:
            raise ValueError(f"at most {MAX_SECTIONS} streams that a peer sends")
        publication = PlanePublication(self.plane, self, kind, clock, nack)
        self._publications.append(publication)
        return publication

    def subscribe(self, kind: str, int clock, ssrc: int, rtx_ssrc) -> PlaneSubscription:
        """A stream that this peer is sent, under one SSRC for its whole life; silent until it has a source."""
        if self.closed:
            raise ValueError("the peer is closed")
        subscription = PlaneSubscription(self.plane, self, kind, clock, ssrc, rtx_ssrc or 0)
        self._subscriptions.append(subscription)
        return subscription

    @property
    def available_rate(self):
        """What the way down to it was last said to carry, bit/s; None before the receiver has told of arrivals."""
        return None if self.closed or self.peer.rate_told == 0 else self.peer.rate_told

    def report(self) -> dict[str, int]:
        """Packets and bytes (SRTP included) both ways."""
        return {
            "packets_in": self.peer.packets_in, "bytes_in": self.peer.bytes_in,
            "packets_out": self.peer.packets_out, "bytes_out": self.peer.bytes_out,
        }

    def close(self) -> None:
        """Take everything of this peer from its worker. Idempotent."""
        if self.closed:
            return
        for subscription in list(self._subscriptions):
            subscription.close()
        for publication in list(self._publications):
            publication.close()
        for path in list(self._paths):
            self.remove_path(path)
        self.closed = True
        index, slot, free_slots = self.index, self.peer.slot, self.plane._free_peers
        sessions = self.plane._live[<uint64_t>self.peer]

        def back(sessions: object = sessions) -> None:
            # Until here `sessions` is held, whatever the worker still does with the keys.
            free_slots[index].append(slot)

        self.plane._live[<uint64_t>self.peer] = back
        del self.plane._peers[index][slot]
        self.plane._command(self.worker, OP_PEER_CLOSE, self.peer, NULL, 0)


cdef class PlanePublication:
    """A stream that a peer sends, and its mirrors on the other workers that need it."""

    cdef Plane plane
    cdef PlanePeer owner
    cdef Publication *publication
    cdef readonly int key
    cdef readonly int level  # of sound: 0 (silence) to 127, as the worker last told
    cdef readonly str kind
    cdef int clock
    cdef dict _mirrors   # worker index -> address of the mirror's block
    cdef dict _listeners  # worker index -> list of PlaneSubscription
    cdef PlaneBus bus
    cdef bint _cut
    cdef readonly bint closed

    def __init__(self, Plane plane, PlanePeer owner, str kind, int clock, bint nack) -> None:
        self.plane = plane
        self.owner = owner
        self.kind = kind
        self.clock = clock
        self._mirrors = {}
        self._listeners = {}
        self.key = plane._unique()
        plane._publications[self.key] = self
        self.publication = self._open(owner.worker)
        self.publication.peer = owner.peer
        self.publication.nack = nack
        plane._command(owner.worker, OP_PUBLICATION_OPEN, self.publication, NULL, 0)

    cdef Publication *_open(self, Worker *w) except NULL:
        """A publication's block for a worker, not yet handed over."""
        cdef int slot = self.plane._take_slot(
            self.plane._free_publications, self.plane._high_publication, w.index, MAX_PUBLICATIONS
        )
        cdef Publication *p
        index, free_slots = w.index, self.plane._free_publications

        def back() -> None:
            free_slots[index].append(slot)

        p = <Publication *>self.plane._make(sizeof(Publication), back)
        p.slot = slot
        p.key = self.key
        p.owner = self.owner.owner
        p.kind = KIND_AUDIO if self.kind == "audio" else KIND_VIDEO
        p.clock = self.clock
        reception_init(&p.reception, self.clock)
        level_init(&p.level)
        return p

    cdef Publication *_at(self, int index) except NULL:
        """This publication on a worker; there is one on its own, and where _place has put a mirror."""
        if index == self.owner.index:
            return self.publication
        return <Publication *><uint64_t>self._mirrors[index]

    cdef int _place(self, int index) except -1:
        """Open or close the mirror on a worker, as it is needed or not, and route it from the origin."""
        cdef Publication *p
        cdef Worker *w = self.plane.workers[index]
        needed = not self.closed and (
            bool(self._listeners.get(index)) or (self.bus is not None and index in self.bus._workers)
        )
        if index == self.owner.index or needed == (index in self._mirrors):
            return 0
        if needed:
            p = self._open(w)
            p.is_mirror = 1
            p.origin_worker = self.owner.index
            p.origin_slot = self.publication.slot
            p.origin_key = self.key
            self._mirrors[index] = <uint64_t>p
            self.plane._command(w, OP_PUBLICATION_OPEN, p, NULL, 0)
            if self.bus is not None:
                self.plane._command(w, OP_PUBLICATION_BUS, p, self.bus._block(index), 0)
            self._route(self.owner.index)
        else:
            p = <Publication *><uint64_t>self._mirrors.pop(index)
            self._route(self.owner.index)
            self.plane._command(w, OP_PUBLICATION_CLOSE, p, NULL, 0)
        return 0

    cdef int _route(self, int index) except -1:
        """Build this publication's route on a worker anew and hand it over."""
        cdef Publication *p = self._at(index)
        cdef Route *route = make_route(
            self.plane, self._listeners.get(index, ()), self._mirrors if index == self.owner.index else {}
        )
        return self.plane._command(self.plane.workers[index], OP_SWAP, &p.route, route, 0)

    cdef int _attach(self, PlaneSubscription subscription) except -1:
        cdef int index = subscription.peer.index
        self._listeners.setdefault(index, []).append(subscription)
        try:
            self._place(index)
        except BaseException:
            self._listeners[index].remove(subscription)
            raise
        self._route(index)
        if self.kind == "video":
            self.plane._command(self.plane.workers[index], OP_KEY_REQUEST, self._at(index), NULL, 0)
        return 0

    cdef int _detach(self, PlaneSubscription subscription) except -1:
        cdef int index = subscription.peer.index
        self._listeners[index].remove(subscription)
        self._route(index)
        self._place(index)
        return 0

    def set_bus(self, PlaneBus bus) -> None:
        """Into a room's audio, or out of it (None)."""
        cdef PlaneBus old = self.bus
        if self.closed or bus is old:
            return
        if self.level:
            self._relevel()
            os.eventfd_write(self.plane.notify, 1)
        if old is not None:
            old._publications.remove(self)
            for index in (self.owner.index, *self._mirrors):
                self.plane._command(self.plane.workers[index], OP_PUBLICATION_BUS, self._at(index), NULL, 0)
        self.bus = bus
        if bus is not None:
            bus._publications.append(self)
            if self.level:
                self._relevel()
            bus._open_on(self.owner.index)
            for index in (self.owner.index, *self._mirrors):
                self.plane._command(
                    self.plane.workers[index], OP_PUBLICATION_BUS, self._at(index), bus._block(index), 0
                )
        for index in range(self.plane.n_workers):
            self._place(index)

    cdef int _relevel(self) except -1:
        """The next drain tells the room that this one's level, or what it adds to the room, has changed."""
        if self.bus is not None:
            self.plane._levelled.setdefault(self.bus, set()).add(self.owner.owner)
        return 0

    def cut(self, bint cut) -> None:
        """Drop everything that arrives for it, or no longer; then a key frame is asked for."""
        if self.closed or cut == self._cut:
            return
        self._cut = cut
        if cut and self.level:
            self.level = 0
            self._relevel()
            os.eventfd_write(self.plane.notify, 1)
        for index in (self.owner.index, *self._mirrors) if cut else (*self._mirrors, self.owner.index):
            # The last to let something through is where it comes from, so that its first key frame is seen everywhere.
            self.plane._command(self.plane.workers[index], OP_PUBLICATION_CUT, self._at(index), NULL, cut)

    def request_key(self) -> None:
        """Ask the sender for a key frame: now, or as soon as the last request is old enough."""
        if self.closed:
            return
        self.plane._command(self.owner.worker, OP_KEY_REQUEST, self.publication, NULL, 0)

    def report(self) -> dict[str, int]:
        """Counters of what arrived; ages in ms, of the last packet and of the first ones, -1 before there is any."""
        cdef Publication *p = self.publication
        cdef uint64_t now = now_ns()
        expected = p.reception.highest - p.reception.base + 1 if p.reception.started else 0
        return {
            "ssrc": p.ssrc, "packets": p.packets, "bytes": p.bytes,
            "lost": max(expected - p.reception.received, 0), "recovered": p.recovered,
            "jitter_us": (p.reception.jitter_16 >> 4) * 1_000_000 // p.clock,
            "keyframes": p.keyframes, "key_requests": p.key_requests,
            "age_ms": _age_ms(p.last_packet_ns, now),
            "first_packet_age_ms": _age_ms(p.first_packet_ns, now),
            "first_keyframe_age_ms": _age_ms(p.first_keyframe_ns, now),
        }

    def close(self) -> None:
        """Take it from every worker; subscriptions that had it fall silent. Idempotent."""
        if self.closed:
            return
        for listeners in list(self._listeners.values()):
            for subscription in list(listeners):
                subscription.set_source(None, {}, "", "")
        self.set_bus(None)
        self.level = 0
        self.closed = True
        for index in list(self._mirrors):
            self._place(index)
        self.owner._publications.remove(self)
        del self.plane._publications[self.key]
        self.plane._command(self.owner.worker, OP_PUBLICATION_CLOSE, self.publication, NULL, 0)


cdef int _age_ms(uint64_t at, uint64_t now):
    """-1 of what has not been."""
    return -1 if at == 0 else 0 if at > now else (now - at) // 1_000_000


cdef Route *make_route(Plane plane, listeners, mirrors) except? NULL:
    """A route in one block: the subscriptions of this worker, the mirrors on others. NULL for nobody."""
    cdef size_t n = len(listeners)
    cdef size_t m = len(mirrors)
    cdef size_t i
    cdef Route *route
    cdef PlaneSubscription subscription
    cdef Publication *p
    if n + m == 0:
        return NULL
    route = <Route *>plane._make(sizeof(Route) + n * sizeof(void *) + m * sizeof(Remote), None)
    route.n_subscriptions = n
    route.n_remotes = m
    route.subscriptions = <Subscription **>(route + 1)
    route.remotes = <Remote *>(route.subscriptions + n)
    for i, subscription in enumerate(listeners):
        route.subscriptions[i] = subscription.subscription
    for i, (index, block) in enumerate(mirrors.items()):
        p = <Publication *><uint64_t>block
        route.remotes[i].worker = index
        route.remotes[i].slot = p.slot
        route.remotes[i].key = p.key
    return route


cdef class PlaneSubscription:
    """A stream that a peer is sent."""

    cdef Plane plane
    cdef PlanePeer peer
    cdef Subscription *subscription
    cdef readonly str kind
    cdef object _source
    cdef readonly bint closed

    def __init__(self, Plane plane, PlanePeer peer, str kind, int clock, uint32_t ssrc, uint32_t rtx_ssrc) -> None:
        cdef Subscription *s
        self.plane = plane
        self.peer = peer
        self.kind = kind
        self._source = None
        s = <Subscription *>plane._make(sizeof(Subscription), None)
        self.subscription = s
        s.peer = peer.peer
        s.kind = KIND_AUDIO if kind == "audio" else KIND_VIDEO
        s.ssrc = ssrc
        s.rtx_ssrc = rtx_ssrc
        s.clock = clock
        # RFC 3550 5.1: random starts; the sequence number in the lower half, so that SRTP's first index is sure.
        seqmap_init(&s.seqmap, random.getrandbits(15))
        tsmap_init(&s.tsmap, random.getrandbits(32))
        vp8_map_init(&s.vpmap)
        s.rtx_seq = random.getrandbits(15)
        s.config = <SubscriptionConfig *>plane._make(sizeof(SubscriptionConfig), None)
        plane._command(peer.worker, OP_SUBSCRIPTION_OPEN, s, NULL, 0)

    def set_source(self, source, formats, mid: str, cname: str, numbered: bool = True) -> None:
        """Send a publication, a room's audio (PlaneBus), or nothing (None) from now on.

        `formats`: format to (payload type, rtx payload type or None); others are left out. The stream's numbers go on.
        `numbered`: with transport-wide numbers, if the peer has an id for them: it reports when they arrive.
        """
        cdef SubscriptionConfig *config
        cdef bytes raw
        cdef int format
        if self.closed or (source is self._source and source is None):
            return
        if self._source is not None and source is not self._source:
            _detach(self._source, self)
            self._source = None
        config = <SubscriptionConfig *>self.plane._make(sizeof(SubscriptionConfig), None)
        config.silent = source is None
        config.numbered = numbered
        for format, (pt, rtx) in formats.items():
            config.taken[format] = 1
            config.pt[format] = pt
            config.rtx[format] = rtx or 0
        raw = mid.encode()
        if len(raw) <= 16:
            memcpy(config.mid, <char *>raw, len(raw))
            config.mid_size = len(raw)
        raw = cname.encode()[:MAX_CNAME]
        memcpy(config.cname, <char *>raw, len(raw))
        config.cname_size = len(raw)
        self.plane._command(self.peer.worker, OP_SWAP, &self.subscription.config, config, 0)
        if source is not None and self._source is None:
            self._source = source
            _attach(source, self)

    def allocation(self):
        """(key of the publication, bit/s, width, height) of a picture that is being sent, or None. Sizes are 0 until known."""
        if self.closed or self.subscription.allocation.key == 0:
            return None
        told = self.subscription.allocation
        return told.key, told.rate_bps, told.width, told.height

    def report(self) -> dict[str, int]:
        """Counters of what was sent, and what the receiver last said of it (RFC 3550 6.4)."""
        cdef Subscription *s = self.subscription
        return {
            "ssrc": s.ssrc, "packets": s.packets, "bytes": s.bytes, "retransmitted": s.retransmitted,
            "nacked": s.nacked, "lost": s.lost_total, "lost_fraction": s.lost_fraction / 256.0,
            "jitter_us": s.jitter * 1_000_000 // s.clock, "rtt_us": s.rtt_us,
        }

    def close(self) -> None:
        """Take it from its worker. Idempotent."""
        if self.closed:
            return
        if self._source is not None:
            _detach(self._source, self)
            self._source = None
        self.closed = True
        self.peer._subscriptions.remove(self)
        self.plane._command(self.peer.worker, OP_SUBSCRIPTION_CLOSE, self.subscription, NULL, 0)


cdef int _attach(object source, PlaneSubscription subscription) except -1:
    if isinstance(source, PlaneBus):
        return (<PlaneBus>source)._listen(subscription)
    return (<PlanePublication?>source)._attach(subscription)


cdef int _detach(object source, PlaneSubscription subscription) except -1:
    if isinstance(source, PlaneBus):
        return (<PlaneBus>source)._unlisten(subscription)
    return (<PlanePublication?>source)._detach(subscription)


cdef class PlaneBus:
    """A room's audio: each listener hears the loudest member that is not its owner (design: until the mixer)."""

    cdef Plane plane
    cdef uint32_t id
    cdef dict _workers     # worker index -> address of the bus's block there
    cdef dict _listeners   # worker index -> list of PlaneSubscription
    cdef list _publications
    cdef public object listener
    cdef readonly bint closed

    def __init__(self, Plane plane) -> None:
        self.plane = plane
        self.id = plane._unique()
        self._workers = {}
        self._listeners = {}
        self._publications = []
        plane._buses[self.id] = self

    cdef Bus *_block(self, int index) except? NULL:
        block = self._workers.get(index)
        return NULL if block is None else <Bus *><uint64_t>block

    cdef int _open_on(self, int index) except -1:
        """The room has somebody on this worker: its audio must be there, all of it."""
        cdef Bus *bus
        cdef PlanePublication publication
        if index in self._workers:
            return 0
        bus = <Bus *>self.plane._make(sizeof(Bus), None)
        bus.id = self.id
        bus.home = not self._workers
        bus.reported = SPEAKER_NONE
        speakers_init(&bus.speakers)
        self._workers[index] = <uint64_t>bus
        self.plane._command(self.plane.workers[index], OP_BUS_OPEN, bus, NULL, 0)
        for publication in self._publications:
            if index in publication._mirrors:
                self.plane._command(self.plane.workers[index], OP_PUBLICATION_BUS, publication._at(index), bus, 0)
            else:
                publication._place(index)
        return 0

    cdef int _listen(self, PlaneSubscription subscription) except -1:
        cdef int index = subscription.peer.index
        self._open_on(index)
        self._listeners.setdefault(index, []).append(subscription)
        return self._route(index)

    cdef int _unlisten(self, PlaneSubscription subscription) except -1:
        cdef int index = subscription.peer.index
        self._listeners[index].remove(subscription)
        return self._route(index)

    cdef int _route(self, int index) except -1:
        cdef Bus *bus = self._block(index)
        cdef Route *route = make_route(self.plane, self._listeners.get(index, ()), {})
        return self.plane._command(self.plane.workers[index], OP_SWAP, &bus.listeners, route, 0)

    def close(self) -> None:
        """Take it from every worker. Idempotent; publications and listeners leave it first."""
        cdef PlanePublication publication
        if self.closed:
            return
        for publication in list(self._publications):
            publication.set_bus(None)
        for listeners in list(self._listeners.values()):
            for subscription in list(listeners):
                subscription.set_source(None, {}, "", "")
        self.closed = True
        self.plane._levelled.pop(self, None)
        del self.plane._buses[self.id]
        for index in self._workers:
            self.plane._command(self.plane.workers[index], OP_BUS_CLOSE, self._block(index), NULL, 0)
