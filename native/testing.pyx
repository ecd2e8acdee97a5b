"""Python doors to the units of the data plane, for tests and benches; the server never imports this.

Each class owns one struct and each method is one call. Bytes are copied into a block of exactly their size first,
so that a sanitizer sees any step over the end.
"""

from libc.stdint cimport UINT64_MAX, int32_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from native cimport codecs, reception, rtcp, seqmap, speaker, twcc

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


# ---- speaker -------------------------------------------------------------------------------------------

cdef class Level:
    cdef speaker.Level l

    def __cinit__(self):
        speaker.level_init(&self.l)

    def packet(self, uint8_t level_dbov, bint voice, uint64_t now):
        speaker.level_packet(&self.l, level_dbov, voice, now)

    def unmeasured(self, uint64_t now):
        speaker.level_unmeasured(&self.l, now)

    def tick(self, uint64_t now):
        speaker.level_tick(&self.l, now)

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
