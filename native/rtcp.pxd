"""RTCP in place: walking a compound packet, reading what arrived, building what leaves.

RFC 3550 (SR, RR, SDES, BYE), 4585 (NACK, PLI), 5104 (FIR), 5506 (reduced size: any packet may come
first), draft-holmer-rmcat-transport-wide-cc-extensions-01 (recognised here, built by twcc.pyx).

Invariant: nothing outside [data, data + size) is ever read or written. rtcp_begin checks every length of
the compound before any packet of it is shown, so one lie drops the whole datagram; rtcp_kind then checks
that the packet holds what its kind and count promise, and only after that may its readers be called.
Readers return -1 and builders 0 where something does not fit; the caller counts it.
"""

from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memcpy, memset

from native.rtp cimport get_u16, get_u32, put_u16, put_u32

cdef enum:
    RTCP_SR = 200
    RTCP_RR = 201
    RTCP_SDES = 202
    RTCP_BYE = 203
    RTCP_RTPFB = 205
    RTCP_PSFB = 206

    RTPFB_NACK = 1
    RTPFB_TWCC = 15
    PSFB_PLI = 1
    PSFB_FIR = 4

    # The count field of a header has 5 bits.
    RTCP_MAX_BLOCKS = 31
    RTCP_REPORT_BLOCK_SIZE = 24

cdef enum RtcpKind:
    RTCP_KIND_OTHER = 0  # well formed, but nothing that we act upon (APP, XR, REMB ...)
    RTCP_KIND_SR = 1
    RTCP_KIND_RR = 2
    RTCP_KIND_SDES = 3
    RTCP_KIND_BYE = 4
    RTCP_KIND_NACK = 5
    RTCP_KIND_PLI = 6
    RTCP_KIND_FIR = 7
    RTCP_KIND_TWCC = 8

# One packet of a compound, after rtcp_next said 1. `body` follows the 4-byte header; padding is cut off.
cdef struct RtcpView:
    uint8_t *body
    int body_size
    uint8_t *packet  # with header and padding, `packet_size` bytes
    int packet_size
    uint8_t type
    uint8_t count  # report count, source count or feedback message type
    uint8_t *rest
    int rest_size

cdef struct SenderInfo:
    uint32_t ssrc
    uint32_t ntp_hi
    uint32_t ntp_lo
    uint32_t rtp_ts
    uint32_t packets
    uint32_t octets

cdef struct ReportBlock:
    uint32_t ssrc
    uint8_t fraction_lost
    int32_t cumulative_lost  # 24 bits, signed, on the wire
    uint32_t ext_highest
    uint32_t jitter
    uint32_t lsr
    uint32_t dlsr


# ---- walking -------------------------------------------------------------------------------------------

cdef inline int rtcp_next(RtcpView *v) noexcept nogil:
    """The next packet of the compound: 1, or 0 at the end, or -1 where a header lies."""
    cdef int size, padding
    if v.rest_size == 0:
        return 0
    if v.rest_size < 4 or (v.rest[0] >> 6) != 2:
        return -1
    size = (<int>get_u16(v.rest + 2) + 1) * 4
    if size > v.rest_size:
        return -1
    padding = 0
    # RFC 3550 6.4.1 pads the last packet of a compound only and by whole words; libwebrtc pads each
    # transport-wide feedback by 1 to 3 bytes, so padding is cut off whatever its size and place.
    if v.rest[0] & 0x20:
        padding = v.rest[size - 1]
        if padding == 0 or padding > size - 4:
            return -1
    v.packet = v.rest
    v.packet_size = size
    v.type = v.rest[1]
    v.count = v.rest[0] & 0x1F
    v.body = v.rest + 4
    v.body_size = size - 4 - padding
    v.rest += size
    v.rest_size -= size
    return 1


cdef inline int rtcp_begin(RtcpView *v, uint8_t *data, int size) noexcept nogil:
    """Check all headers, then stand before the first packet: 0, or -1 for an empty or lying datagram."""
    cdef int more
    if size < 4:
        return -1
    v.rest = data
    v.rest_size = size
    more = rtcp_next(v)
    while more == 1:
        more = rtcp_next(v)
    v.rest = data
    v.rest_size = size
    return more


cdef inline int rtcp_kind(const RtcpView *v) noexcept nogil:
    """What this packet is (an RtcpKind), or -1 if it is too short for that or for its own counts."""
    if v.type == RTCP_SR:
        return RTCP_KIND_SR if v.body_size >= 24 + v.count * RTCP_REPORT_BLOCK_SIZE else -1
    if v.type == RTCP_RR:
        return RTCP_KIND_RR if v.body_size >= 4 + v.count * RTCP_REPORT_BLOCK_SIZE else -1
    if v.type == RTCP_SDES:
        return RTCP_KIND_SDES
    if v.type == RTCP_BYE:
        return RTCP_KIND_BYE if v.body_size >= v.count * 4 else -1
    if v.type == RTCP_RTPFB:
        if v.body_size < 8:
            return -1
        if v.count == RTPFB_NACK:
            return RTCP_KIND_NACK if v.body_size >= 12 and v.body_size & 3 == 0 else -1
        if v.count == RTPFB_TWCC:
            return RTCP_KIND_TWCC if v.body_size >= 16 else -1
        return RTCP_KIND_OTHER
    if v.type == RTCP_PSFB:
        if v.body_size < 8:
            return -1
        if v.count == PSFB_PLI:
            return RTCP_KIND_PLI if v.body_size == 8 else -1
        if v.count == PSFB_FIR:
            return RTCP_KIND_FIR if v.body_size >= 16 and v.body_size & 7 == 0 else -1
        return RTCP_KIND_OTHER
    return RTCP_KIND_OTHER


# ---- reading; each is for the kind that its name says --------------------------------------------------

cdef inline uint32_t rtcp_sender_ssrc(const RtcpView *v) noexcept nogil:
    """The first word of SR, RR and feedback: who sends this."""
    return get_u32(v.body) if v.body_size >= 4 else 0


cdef inline uint32_t rtcp_media_ssrc(const RtcpView *v) noexcept nogil:
    """The second word of feedback: which stream it is about (0 in FIR and in REMB)."""
    return get_u32(v.body + 4) if v.body_size >= 8 else 0


cdef inline int rtcp_sr(const RtcpView *v, SenderInfo *info) noexcept nogil:
    if v.body_size < 24:
        return -1
    info.ssrc = get_u32(v.body)
    info.ntp_hi = get_u32(v.body + 4)
    info.ntp_lo = get_u32(v.body + 8)
    info.rtp_ts = get_u32(v.body + 12)
    info.packets = get_u32(v.body + 16)
    info.octets = get_u32(v.body + 20)
    return 0


cdef inline int rtcp_block(const RtcpView *v, int index, ReportBlock *block) noexcept nogil:
    """Report block `index` of an SR or RR: 0, or -1 past the last one. `count` of the view is how many."""
    cdef int start = (24 if v.type == RTCP_SR else 4) + index * RTCP_REPORT_BLOCK_SIZE
    cdef uint8_t *p
    cdef uint32_t lost
    if index < 0 or index >= v.count or start + RTCP_REPORT_BLOCK_SIZE > v.body_size:
        return -1
    p = v.body + start
    lost = get_u32(p + 4) & 0xFFFFFF
    block.ssrc = get_u32(p)
    block.fraction_lost = p[4]
    block.cumulative_lost = <int32_t>lost - (0x1000000 if lost & 0x800000 else 0)
    block.ext_highest = get_u32(p + 8)
    block.jitter = get_u32(p + 12)
    block.lsr = get_u32(p + 16)
    block.dlsr = get_u32(p + 20)
    return 0


cdef inline int rtcp_nack_count(const RtcpView *v) noexcept nogil:
    return (v.body_size - 8) >> 2 if v.body_size >= 12 else 0


cdef inline int rtcp_nack(const RtcpView *v, int index, uint16_t *pid, uint16_t *blp) noexcept nogil:
    """RFC 4585 6.2.1: `pid` is lost, and pid + i + 1 for each bit i of `blp`."""
    if index < 0 or index >= rtcp_nack_count(v):
        return -1
    pid[0] = get_u16(v.body + 8 + index * 4)
    blp[0] = get_u16(v.body + 10 + index * 4)
    return 0


cdef inline int rtcp_fir_count(const RtcpView *v) noexcept nogil:
    return (v.body_size - 8) >> 3 if v.body_size >= 16 else 0


cdef inline int rtcp_fir(const RtcpView *v, int index, uint32_t *ssrc, uint8_t *number) noexcept nogil:
    """RFC 5104 4.3.1: whom the request is for; a repeated `number` is the same request again."""
    if index < 0 or index >= rtcp_fir_count(v):
        return -1
    ssrc[0] = get_u32(v.body + 8 + index * 8)
    number[0] = v.body[12 + index * 8]
    return 0


cdef inline int rtcp_bye(const RtcpView *v, int index, uint32_t *ssrc) noexcept nogil:
    if index < 0 or index >= v.count or index * 4 + 4 > v.body_size:
        return -1
    ssrc[0] = get_u32(v.body + index * 4)
    return 0


# ---- building; each returns the bytes written, or 0 if `room` is too small or an argument too large ----

cdef inline void rtcp_put_header(uint8_t *out, uint8_t count, uint8_t type, int size) noexcept nogil:
    out[0] = 0x80 | count
    out[1] = type
    put_u16(out + 2, <uint16_t>((size >> 2) - 1))


cdef inline void rtcp_put_block(uint8_t *out, const ReportBlock *block) noexcept nogil:
    cdef int32_t lost = block.cumulative_lost
    # RFC 3550 6.4.1 and A.3: the count stays at its largest value rather than wrapping.
    lost = 0x7FFFFF if lost > 0x7FFFFF else -0x800000 if lost < -0x800000 else lost
    put_u32(out, block.ssrc)
    put_u32(out + 4, (<uint32_t>block.fraction_lost << 24) | (<uint32_t>lost & 0xFFFFFF))
    put_u32(out + 8, block.ext_highest)
    put_u32(out + 12, block.jitter)
    put_u32(out + 16, block.lsr)
    put_u32(out + 20, block.dlsr)


cdef inline int rtcp_put_sr(
    uint8_t *out, int room, const SenderInfo *info, const ReportBlock *blocks, int count
) noexcept nogil:
    cdef int i, size = 28 + count * RTCP_REPORT_BLOCK_SIZE
    if count < 0 or count > RTCP_MAX_BLOCKS or size > room:
        return 0
    rtcp_put_header(out, <uint8_t>count, RTCP_SR, size)
    put_u32(out + 4, info.ssrc)
    put_u32(out + 8, info.ntp_hi)
    put_u32(out + 12, info.ntp_lo)
    put_u32(out + 16, info.rtp_ts)
    put_u32(out + 20, info.packets)
    put_u32(out + 24, info.octets)
    for i in range(count):
        rtcp_put_block(out + 28 + i * RTCP_REPORT_BLOCK_SIZE, &blocks[i])
    return size


cdef inline int rtcp_put_rr(uint8_t *out, int room, uint32_t ssrc, const ReportBlock *blocks, int count) noexcept nogil:
    cdef int i, size = 8 + count * RTCP_REPORT_BLOCK_SIZE
    if count < 0 or count > RTCP_MAX_BLOCKS or size > room:
        return 0
    rtcp_put_header(out, <uint8_t>count, RTCP_RR, size)
    put_u32(out + 4, ssrc)
    for i in range(count):
        rtcp_put_block(out + 8 + i * RTCP_REPORT_BLOCK_SIZE, &blocks[i])
    return size


cdef inline int rtcp_put_cname(uint8_t *out, int room, uint32_t ssrc, const uint8_t *cname, int length) noexcept nogil:
    """SDES with one chunk and one item (RFC 3550 6.5.1); at least one zero byte ends the items."""
    cdef int size = 8 + ((2 + length + 1 + 3) & ~3)
    if length < 1 or length > 255 or size > room:
        return 0
    rtcp_put_header(out, 1, RTCP_SDES, size)
    put_u32(out + 4, ssrc)
    out[8] = 1
    out[9] = <uint8_t>length
    memcpy(out + 10, cname, length)
    memset(out + 10 + length, 0, size - 10 - length)
    return size


cdef inline int rtcp_put_bye(uint8_t *out, int room, const uint32_t *ssrcs, int count) noexcept nogil:
    cdef int i, size = 4 + count * 4
    if count < 1 or count > RTCP_MAX_BLOCKS or size > room:
        return 0
    rtcp_put_header(out, <uint8_t>count, RTCP_BYE, size)
    for i in range(count):
        put_u32(out + 4 + i * 4, ssrcs[i])
    return size


cdef inline int rtcp_put_pli(uint8_t *out, int room, uint32_t sender, uint32_t media) noexcept nogil:
    if room < 12:
        return 0
    rtcp_put_header(out, PSFB_PLI, RTCP_PSFB, 12)
    put_u32(out + 4, sender)
    put_u32(out + 8, media)
    return 12


cdef inline int rtcp_put_fir(uint8_t *out, int room, uint32_t sender, uint32_t media, uint8_t number) noexcept nogil:
    """For senders that agreed on `ccm fir` but not on `nack pli`; `number` grows with each new request."""
    if room < 20:
        return 0
    rtcp_put_header(out, PSFB_FIR, RTCP_PSFB, 20)
    put_u32(out + 4, sender)
    put_u32(out + 8, 0)
    put_u32(out + 12, media)
    put_u32(out + 16, <uint32_t>number << 24)
    return 20


cdef inline int rtcp_put_nack(
    uint8_t *out, int room, uint32_t sender, uint32_t media, const uint16_t *pids, const uint16_t *blps, int count
) noexcept nogil:
    cdef int i, size = 12 + count * 4
    # The length field has 16 bits of words; no datagram comes near, but `room` might.
    if count < 1 or count > 0x3FFF or size > room:
        return 0
    rtcp_put_header(out, RTPFB_NACK, RTCP_RTPFB, size)
    put_u32(out + 4, sender)
    put_u32(out + 8, media)
    for i in range(count):
        put_u16(out + 12 + i * 4, pids[i])
        put_u16(out + 14 + i * 4, blps[i])
    return size
