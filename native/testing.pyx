"""Python doors to the units of the data plane, for tests and benches; the server never imports this.

Each class owns one struct and each method is one call. Bytes are copied into a block of exactly their size first,
so that a sanitizer sees any step over the end.
"""

from libc.stdint cimport UINT64_MAX, int32_t, int64_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

import socket

# Not `from native cimport ...`: cythonize would not see what this depends on, and keep it stale after a change.
cimport native.codecs as codecs
cimport native.departures as departures
cimport native.estimator as estimator
cimport native.history as history
cimport native.picture as picture
cimport native.pool as pool
cimport native.reception as reception
cimport native.ring as ring
cimport native.rtcp as rtcp
cimport native.seqmap as seqmap
cimport native.speaker as speaker
cimport native.state as state
cimport native.table as table
cimport native.twcc as twcc

CODEC_OTHER = codecs.CODEC_OTHER
CODEC_OPUS = codecs.CODEC_OPUS
CODEC_VP8 = codecs.CODEC_VP8
CODEC_H264 = codecs.CODEC_H264

NEW = reception.ARRIVED_NEW
LATE = reception.ARRIVED_LATE
DUPLICATE = reception.ARRIVED_DUPLICATE
JUMP = reception.ARRIVED_JUMP
RESET = reception.ARRIVED_RESET

NOBODY = speaker.SPEAKER_NONE
DOMINANT_CHANGED = speaker.SPEAKER_DOMINANT_CHANGED
RUNNER_UP_CHANGED = speaker.SPEAKER_RUNNER_UP_CHANGED


cdef class Block:
    """`size` bytes of heap, no more."""

    cdef uint8_t *data
    cdef int size

    def __cinit__(self, data):
        self.size = len(data)
        self.data = <uint8_t *>malloc(self.size)
        if self.data == NULL and self.size:
            raise MemoryError
        if self.size:
            memcpy(self.data, <const uint8_t *>(<bytes>data), self.size)

    def __dealloc__(self):
        free(self.data)

    cdef bytes get(self, int size):
        return (<char *>self.data)[:size] if size > 0 else b""


# ---- seqmap --------------------------------------------------------------------------------------------

cdef class SeqMap:
    cdef seqmap.SeqMap m

    def __cinit__(self, uint16_t first_out):
        seqmap.seqmap_init(&self.m, first_out)

    def map(self, uint16_t seq):
        cdef uint16_t out = 0
        return out if seqmap.seqmap_map(&self.m, seq, &out) else None

    def skip(self, uint16_t seq):
        seqmap.seqmap_skip(&self.m, seq)

    def switch(self, uint32_t source, uint16_t next_seq):
        seqmap.seqmap_switch(&self.m, source, next_seq)

    def reverse(self, uint16_t out):
        """(source's sequence number, source), or None."""
        cdef uint16_t seq = 0
        cdef uint32_t source = 0
        return (seq, source) if seqmap.seqmap_reverse(&self.m, out, &seq, &source) else None

    @property
    def last_out(self):
        return seqmap.seqmap_last_out(&self.m)


cdef class TsMap:
    cdef seqmap.TsMap m

    def __cinit__(self, uint32_t first_out):
        seqmap.tsmap_init(&self.m, first_out)

    def switch(self, uint32_t src_ts, uint32_t clock_hz, uint64_t now):
        seqmap.tsmap_switch(&self.m, src_ts, clock_hz, now)

    def map(self, uint32_t ts, uint64_t now):
        return seqmap.tsmap_map(&self.m, ts, now)


# ---- codecs --------------------------------------------------------------------------------------------

def is_keyframe_start(int codec, bytes payload):
    cdef Block b = Block(payload)
    return bool(codecs.is_keyframe_start(codec, b.data, b.size))


def vp8_parse(bytes payload):
    """The fields of the descriptor that are there, by name; or None."""
    cdef Block b = Block(payload)
    cdef codecs.Vp8 d
    if codecs.vp8_parse(b.data, b.size, &d) != 0:
        return None
    found = {"size": d.descriptor_size, "starts_frame": bool(d.starts_frame), "key": bool(d.starts_key_frame)}
    if d.picture_id_at:
        found["picture_id"] = d.picture_id
        found["picture_id_bits"] = d.picture_id_bits
    if d.tl0_at:
        found["tl0picidx"] = d.tl0
    if d.has_tid:
        found["tid"] = (d.tid, d.layer_sync)
    if d.has_keyidx:
        found["keyidx"] = d.keyidx
    return found


cdef class VpMap:
    cdef codecs.VpMap m

    def __cinit__(self):
        codecs.vp8_map_init(&self.m)

    def switch(self):
        codecs.vp8_map_switch(&self.m)

    def rewrite(self, bytes payload):
        """The payload with this subscriber's numbers, or None; then the bytes were left alone."""
        cdef Block b = Block(payload)
        if codecs.vp8_rewrite(&self.m, b.data, b.size) == 0:
            return b.get(b.size)
        assert b.get(b.size) == payload
        return None


# ---- reception -----------------------------------------------------------------------------------------

cdef class Reception:
    cdef reception.Reception r

    def __cinit__(self, uint32_t clock_hz):
        reception.reception_init(&self.r, clock_hz)

    def packet(self, uint16_t seq, uint32_t ts, uint64_t now):
        return reception.reception_packet(&self.r, seq, ts, now)

    def recovered(self, uint16_t seq):
        return bool(reception.reception_recovered(&self.r, seq))

    def sender_report(self, uint32_t ntp_hi, uint32_t ntp_lo, uint64_t now):
        reception.reception_sender_report(&self.r, ntp_hi, ntp_lo, now)

    def report(self, uint64_t now):
        """(fraction lost, cumulative lost, extended highest, jitter, LSR, DLSR), or None if nothing came."""
        cdef rtcp.ReportBlock b
        if not reception.reception_report(&self.r, &b, now):
            return None
        return b.fraction_lost, b.cumulative_lost, b.ext_highest, b.jitter, b.lsr, b.dlsr

    def nacks(self, uint64_t now, int limit=64):
        """[(pid, blp)]"""
        cdef uint16_t pids[64]
        cdef uint16_t blps[64]
        cdef int i, n
        assert 0 < limit <= 64
        n = reception.reception_nacks(&self.r, now, pids, blps, limit)
        return [(pids[i], blps[i]) for i in range(n)]

    @property
    def deadline(self):
        at = reception.reception_deadline(&self.r)
        return None if at == UINT64_MAX else at

    @property
    def keyframe_needed(self):
        return bool(self.r.keyframe_needed)

    @property
    def counts(self):
        """(received, recovered, duplicates)"""
        return self.r.received, self.r.recovered, self.r.duplicates


# ---- twcc ----------------------------------------------------------------------------------------------

cdef class TwccLog:
    cdef twcc.TwccLog l

    def __cinit__(self):
        twcc.twcc_init(&self.l)

    def arrived(self, uint16_t seq, uint64_t now):
        return bool(twcc.twcc_arrived(&self.l, seq, now))

    def feedback(self, int max_size, uint32_t sender_ssrc, uint32_t media_ssrc, uint64_t now):
        """One packet, or b"" when all is told."""
        cdef Block b = Block(bytes(max_size))
        return b.get(twcc.twcc_feedback(&self.l, b.data, max_size, sender_ssrc, media_ssrc, now))

    def due(self, uint64_t now):
        return bool(twcc.twcc_due(&self.l, now))

    @property
    def deadline(self):
        at = twcc.twcc_deadline(&self.l)
        return None if at == UINT64_MAX else at


# ---- estimator, departures -----------------------------------------------------------------------------

START_BPS = estimator.START_BPS
MIN_BPS = estimator.MIN_BPS
MAX_BPS = estimator.MAX_BPS
DEPARTURES = departures.DEPARTURES
FEEDBACK_STALE = departures.FEEDBACK_STALE
FEEDBACK_MALFORMED = departures.FEEDBACK_MALFORMED

USAGES = {estimator.USAGE_NORMAL: "normal", estimator.USAGE_OVER: "over", estimator.USAGE_UNDER: "under"}


cdef class Estimator:
    cdef estimator.Estimator e

    def __cinit__(self):
        estimator.estimator_init(&self.e)

    def arrived(self, int64_t sent_us, int64_t arrived_us, uint32_t size):
        estimator.estimator_arrived(&self.e, sent_us, arrived_us, size)

    def untold(self, int64_t arrived_us, uint32_t size):
        estimator.estimator_untold(&self.e, arrived_us, size)

    def lost(self):
        estimator.estimator_lost(&self.e)

    def found(self):
        estimator.estimator_found(&self.e)

    def update(self, int64_t now_us, int64_t rtt_us):
        estimator.estimator_update(&self.e, now_us, rtt_us)

    @property
    def rate_bps(self):
        return self.e.rate_bps

    @property
    def measured(self):
        return bool(self.e.measured)

    @property
    def acked_bps(self):
        return self.e.acked_bps

    @property
    def usage(self):
        return USAGES[self.e.usage]

    @property
    def threshold(self):
        return self.e.threshold


cdef class Departures:
    """A send log with an estimator behind it."""

    cdef departures.Departures *d
    cdef readonly Estimator estimator

    def __cinit__(self, uint16_t first=0):
        self.d = <departures.Departures *>calloc(1, sizeof(departures.Departures))
        if self.d == NULL:
            raise MemoryError
        self.estimator = Estimator()
        departures.departures_init(self.d, first)

    def __dealloc__(self):
        free(self.d)

    def departed(self, uint32_t size, uint64_t now):
        """The number under which it left."""
        number = self.d.next & 0xFFFF
        departures.departed(self.d, size, now)
        return number

    def feedback(self, bytes packet, uint64_t now):
        """A whole RTCP packet, header and all."""
        cdef Block b = Block(packet)
        cdef rtcp.RtcpView v
        memset(&v, 0, sizeof(v))
        if rtcp.rtcp_begin(&v, b.data, b.size) != 0 or rtcp.rtcp_next(&v) != 1:
            return FEEDBACK_MALFORMED
        if rtcp.rtcp_kind(&v) != rtcp.RTCP_KIND_TWCC:
            return FEEDBACK_MALFORMED
        return departures.departures_feedback(self.d, &self.estimator.e, v.body, v.body_size, now)


# ---- picture -------------------------------------------------------------------------------------------

def picture_size(int codec, bytes payload):
    """(width, height), or None."""
    cdef Block b = Block(payload)
    cdef uint16_t width = 0, height = 0
    return (width, height) if picture.picture_size(codec, b.data, b.size, &width, &height) else None


# ---- speaker -------------------------------------------------------------------------------------------

cdef class Level:
    cdef speaker.Level l

    def __cinit__(self):
        speaker.level_init(&self.l)

    def packet(self, uint8_t level_dbov, bint voice, uint64_t now):
        speaker.level_packet(&self.l, level_dbov, voice, now)

    def unmeasured(self, uint64_t now):
        speaker.level_unmeasured(&self.l, now)

    def silence(self):
        speaker.level_silence(&self.l)

    def at(self, uint64_t now):
        return speaker.level_now(&self.l, now)

    def tell(self, uint64_t now):
        """Its news, noted as told, or None."""
        cdef int level = speaker.level_news(&self.l, now)
        if level < 0:
            return None
        self.l.told = <uint8_t>level
        return level

    @property
    def loudness(self):
        return self.l.loudness


cdef class Speakers:
    cdef speaker.Speakers s

    def __cinit__(self):
        speaker.speakers_init(&self.s)

    def consider(self, uint32_t id, Level level, uint64_t now):
        return speaker.speakers_consider(&self.s, id, &level.l, now)

    def remove(self, uint32_t id):
        return speaker.speakers_remove(&self.s, id)

    def speaking(self, uint64_t now):
        return speaker.speakers_speaking(&self.s, now)

    def heard_by(self, uint32_t id):
        return speaker.speakers_heard_by(&self.s, id)

    @property
    def dominant(self):
        return self.s.dominant.id

    @property
    def runner_up(self):
        return self.s.runner_up.id


# ---- rtcp ----------------------------------------------------------------------------------------------

cdef int expect(int answer, int expected) except -1:
    if answer != expected:
        raise AssertionError(f"{answer} instead of {expected}")
    return 0


cdef object said(rtcp.RtcpView *v):
    """What the packet under the view says, as a tuple that begins with its kind; None if it is malformed."""
    cdef int kind = rtcp.rtcp_kind(v)
    cdef int i
    cdef uint32_t ssrc = 0
    cdef uint16_t pid = 0, blp = 0
    cdef uint8_t number = 0
    cdef rtcp.SenderInfo info
    cdef rtcp.ReportBlock b
    memset(&info, 0, sizeof(info))
    memset(&b, 0, sizeof(b))
    if kind < 0:
        return None
    if kind == rtcp.RTCP_KIND_OTHER:
        return ("other", v.type, v.count)
    if kind == rtcp.RTCP_KIND_SDES:
        return ("sdes", v.count)
    items = []
    if kind == rtcp.RTCP_KIND_SR or kind == rtcp.RTCP_KIND_RR:
        for i in range(v.count):
            expect(rtcp.rtcp_block(v, i, &b), 0)
            items.append((b.ssrc, b.fraction_lost, b.cumulative_lost, b.ext_highest, b.jitter, b.lsr, b.dlsr))
        expect(rtcp.rtcp_block(v, v.count, &b), -1)
        if kind == rtcp.RTCP_KIND_RR:
            return ("rr", rtcp.rtcp_sender_ssrc(v), items)
        expect(rtcp.rtcp_sr(v, &info), 0)
        return ("sr", info.ssrc, info.ntp_hi, info.ntp_lo, info.rtp_ts, info.packets, info.octets, items)
    if kind == rtcp.RTCP_KIND_BYE:
        for i in range(v.count):
            expect(rtcp.rtcp_bye(v, i, &ssrc), 0)
            items.append(ssrc)
        expect(rtcp.rtcp_bye(v, v.count, &ssrc), -1)
        return ("bye", items)
    if kind == rtcp.RTCP_KIND_NACK:
        for i in range(rtcp.rtcp_nack_count(v)):
            expect(rtcp.rtcp_nack(v, i, &pid, &blp), 0)
            items.append((pid, blp))
        expect(rtcp.rtcp_nack(v, rtcp.rtcp_nack_count(v), &pid, &blp), -1)
        return ("nack", rtcp.rtcp_sender_ssrc(v), rtcp.rtcp_media_ssrc(v), items)
    if kind == rtcp.RTCP_KIND_FIR:
        for i in range(rtcp.rtcp_fir_count(v)):
            expect(rtcp.rtcp_fir(v, i, &ssrc, &number), 0)
            items.append((ssrc, number))
        expect(rtcp.rtcp_fir(v, rtcp.rtcp_fir_count(v), &ssrc, &number), -1)
        return ("fir", rtcp.rtcp_sender_ssrc(v), items)
    name = "pli" if kind == rtcp.RTCP_KIND_PLI else "twcc"
    return (name, rtcp.rtcp_sender_ssrc(v), rtcp.rtcp_media_ssrc(v))


def rtcp_read(bytes data):
    """What each packet of the compound says; None if a header lies, then nothing is believed."""
    cdef Block b = Block(data)
    cdef rtcp.RtcpView v
    memset(&v, 0, sizeof(v))
    if rtcp.rtcp_begin(&v, b.data, b.size) != 0:
        return None
    packets = []
    while rtcp.rtcp_next(&v) == 1:
        packets.append(said(&v))
    return packets


cdef int fill_blocks(rtcp.ReportBlock *out, blocks) except -1:
    cdef int i
    assert len(blocks) <= 40
    for i, block in enumerate(blocks):
        (
            out[i].ssrc, out[i].fraction_lost, out[i].cumulative_lost,
            out[i].ext_highest, out[i].jitter, out[i].lsr, out[i].dlsr,
        ) = block
    return len(blocks)


def rtcp_put_sr(int room, info, blocks):
    cdef Block b = Block(bytes(room))
    cdef rtcp.SenderInfo i
    cdef rtcp.ReportBlock block[40]
    i.ssrc, i.ntp_hi, i.ntp_lo, i.rtp_ts, i.packets, i.octets = info
    return b.get(rtcp.rtcp_put_sr(b.data, room, &i, block, fill_blocks(block, blocks)))


def rtcp_put_rr(int room, uint32_t ssrc, blocks):
    cdef Block b = Block(bytes(room))
    cdef rtcp.ReportBlock block[40]
    return b.get(rtcp.rtcp_put_rr(b.data, room, ssrc, block, fill_blocks(block, blocks)))


def rtcp_put_cname(int room, uint32_t ssrc, bytes cname):
    cdef Block b = Block(bytes(room))
    return b.get(rtcp.rtcp_put_cname(b.data, room, ssrc, cname, len(cname)))


def rtcp_put_bye(int room, ssrcs):
    cdef Block b = Block(bytes(room))
    cdef uint32_t c_ssrcs[40]
    cdef int i
    for i, ssrc in enumerate(ssrcs):
        c_ssrcs[i] = ssrc
    return b.get(rtcp.rtcp_put_bye(b.data, room, c_ssrcs, len(ssrcs)))


def rtcp_put_pli(int room, uint32_t sender, uint32_t media):
    cdef Block b = Block(bytes(room))
    return b.get(rtcp.rtcp_put_pli(b.data, room, sender, media))


def rtcp_put_fir(int room, uint32_t sender, uint32_t media, uint8_t number):
    cdef Block b = Block(bytes(room))
    return b.get(rtcp.rtcp_put_fir(b.data, room, sender, media, number))


def rtcp_put_nack(int room, uint32_t sender, uint32_t media, pairs):
    cdef Block b = Block(bytes(room))
    cdef uint16_t pids[400]
    cdef uint16_t blps[400]
    cdef int i
    for i, pair in enumerate(pairs[:400]):
        pids[i], blps[i] = pair
    return b.get(rtcp.rtcp_put_nack(b.data, room, sender, media, pids, blps, len(pairs)))


# ---- pool ----------------------------------------------------------------------------------------------

PACKET_BYTES = pool.PACKET_BYTES
HISTORY_SLOTS = history.HISTORY_SLOTS


cdef class Packet:
    """A borrowed packet of a pool; valid as long as somebody holds it."""

    cdef pool.Packet *p

    @property
    def refs(self):
        return self.p.refs

    @property
    def seq(self):
        return self.p.seq

    @property
    def address(self):
        return <uint64_t>self.p


cdef Packet packet_at(pool.Packet *p):
    cdef Packet found = Packet()
    found.p = p
    return found


cdef class Pool:
    cdef pool.Pool pool

    def __cinit__(self, uint64_t capacity):
        if pool.pool_open(&self.pool, capacity) != 0:
            raise MemoryError

    def __dealloc__(self):
        pool.pool_close(&self.pool)

    def take(self, uint16_t seq=0, uint64_t arrived_ns=0):
        """A packet with one reference, or None at the ceiling."""
        cdef pool.Packet *p = pool.pool_take(&self.pool)
        if p == NULL:
            return None
        p.seq = seq
        p.arrived_ns = arrived_ns
        return packet_at(p)

    def keep(self, Packet packet):
        pool.packet_keep(packet.p)

    def drop(self, Packet packet):
        """By the worker whose pool this is; `packet` may be another's."""
        cdef pool.Packet *p = packet.p
        with nogil:
            pool.packet_drop(p, &self.pool)

    @property
    def in_use(self):
        return self.pool.in_use

    @property
    def touched(self):
        """Slabs that have ever been used, so that the kernel gave memory for them."""
        return self.pool.touched


# ---- ring ----------------------------------------------------------------------------------------------

cdef class Ring:
    """A ring of numbers."""

    cdef ring.Ring ring

    def __cinit__(self, uint64_t count):
        if ring.ring_open(&self.ring, count, sizeof(uint64_t)) != 0:
            raise MemoryError

    def __dealloc__(self):
        ring.ring_close(&self.ring)

    def put(self, uint64_t value):
        """False if it is full."""
        cdef uint64_t *slot = <uint64_t *>ring.ring_reserve(&self.ring)
        if slot == NULL:
            return False
        slot[0] = value
        ring.ring_commit(&self.ring)
        return True

    def get(self):
        """The oldest, or None."""
        cdef uint64_t *slot = <uint64_t *>ring.ring_peek(&self.ring)
        if slot == NULL:
            return None
        value = slot[0]
        ring.ring_release(&self.ring)
        return value

    def put_run(self, uint64_t first, uint64_t end):
        """Every number of the range, waiting for the reader where the ring is full; holds no GIL."""
        cdef uint64_t *slot
        with nogil:
            while first < end:
                slot = <uint64_t *>ring.ring_reserve(&self.ring)
                if slot != NULL:
                    slot[0] = first
                    ring.ring_commit(&self.ring)
                    first += 1

    def get_run(self, uint64_t first, uint64_t end):
        """How many of as many numbers came as expected, one after another; holds no GIL."""
        cdef uint64_t *slot
        cdef uint64_t right = 0
        with nogil:
            while first < end:
                slot = <uint64_t *>ring.ring_peek(&self.ring)
                if slot != NULL:
                    right += slot[0] == first
                    ring.ring_release(&self.ring)
                    first += 1
        return right

    @property
    def free(self):
        return ring.ring_free(&self.ring)


# ---- history -------------------------------------------------------------------------------------------

cdef class History:
    """A history whose owner is the worker of `pool`."""

    cdef history.History h
    cdef Pool pool

    def __cinit__(self, Pool pool):
        self.pool = pool

    def put(self, Packet packet):
        history.history_put(&self.h, packet.p, &self.pool.pool)

    def get(self, uint16_t seq):
        cdef pool.Packet *p = history.history_get(&self.h, seq)
        return None if p == NULL else packet_at(p)

    def trim(self, uint64_t before_ns):
        history.history_trim(&self.h, before_ns, &self.pool.pool)

    def clear(self):
        history.history_clear(&self.h, &self.pool.pool)


# ---- table ---------------------------------------------------------------------------------------------

cdef class Addresses:
    """The table of paths; its peers are numbers from 1 on."""

    cdef state.AddressTable t

    def __cinit__(self, uint64_t size):
        self.t.entries = <state.AddressEntry *>calloc(size, sizeof(state.AddressEntry))
        self.t.mask = size - 1
        if self.t.entries == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.t.entries)

    cdef state.Address key(self, path) except *:
        cdef state.Address a
        cdef bytes packed
        memset(&a, 0, sizeof(a))
        sock, ip, port = path
        a.sock = sock
        a.port = port
        a.family = 6 if ":" in ip else 4
        packed = socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip).rjust(16, b"\0")
        memcpy(a.ip, <const uint8_t *>packed, 16)
        return a

    def put(self, path, uint64_t peer):
        cdef state.Address a = self.key(path)
        return table.address_put(&self.t, &a, <state.Peer *>peer)

    def find(self, path):
        cdef state.Address a = self.key(path)
        return <uint64_t>table.address_find(&self.t, &a)

    def remove(self, path, uint64_t peer):
        cdef state.Address a = self.key(path)
        table.address_remove(&self.t, &a, <state.Peer *>peer)

    def __len__(self):
        return self.t.count
