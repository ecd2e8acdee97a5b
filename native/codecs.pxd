"""What a forwarder must know of payloads: where a picture can be entered, and the VP8 counters.

RFC 7741 (VP8 payload descriptor), RFC 6184 (H.264 NAL units in packets). Payloads come from strangers:
every byte is looked at only after its index was compared with `size`; what does not parse is no key frame
and is not rewritten. Nothing here allocates or keeps a pointer.
"""

from libc.stdint cimport uint16_t, uint8_t

from native.rtp cimport get_u16

cdef enum Codec:
    CODEC_OTHER = 0
    CODEC_OPUS = 1
    CODEC_VP8 = 2
    CODEC_H264 = 3

# A parsed VP8 payload descriptor. Offsets are from the start of the payload; 0 means that the field is absent
# (the first byte is never one of them).
cdef struct Vp8:
    int descriptor_size
    int picture_id_at
    int picture_id_bits  # 7 or 15
    int tl0_at
    uint16_t picture_id
    uint8_t tl0
    int has_tid
    uint8_t tid
    uint8_t layer_sync
    int has_keyidx
    uint8_t keyidx
    int starts_frame  # first packet of the frame's first partition
    int starts_key_frame

# Continues the picture id and TL0PICIDX of one subscriber over changes of the source. The newest values sent
# are kept in 15 and 8 bits; a sender with a 7-bit field gets the low 7 bits.
cdef struct VpMap:
    uint16_t picture_offset
    uint16_t picture_last
    uint8_t tl0_offset
    uint8_t tl0_last
    uint8_t picture_known  # something was sent, so there is a number to continue
    uint8_t tl0_known
    uint8_t picture_switched  # the next field seen is the new source's first
    uint8_t tl0_switched


cdef inline int vp8_parse(uint8_t *payload, int size, Vp8 *d) noexcept nogil:
    """Read the descriptor: 0, or -1 if it does not end before the payload does (RFC 7741 4.2)."""
    cdef int at = 1
    cdef uint8_t first, flags
    d.picture_id_at = 0
    d.picture_id_bits = 0
    d.picture_id = 0
    d.tl0_at = 0
    d.tl0 = 0
    d.has_tid = 0
    d.tid = 0
    d.layer_sync = 0
    d.has_keyidx = 0
    d.keyidx = 0
    d.starts_frame = 0
    d.starts_key_frame = 0
    d.descriptor_size = 0
    if size < 2:
        return -1
    first = payload[0]
    if first & 0x80:
        flags = payload[1]
        at = 2
        if flags & 0x80:
            if at >= size:
                return -1
            d.picture_id_at = at
            if payload[at] & 0x80:
                if at + 1 >= size:
                    return -1
                d.picture_id_bits = 15
                d.picture_id = get_u16(payload + at) & 0x7FFF
                at += 2
            else:
                d.picture_id_bits = 7
                d.picture_id = payload[at]
                at += 1
        if flags & 0x40:
            if at >= size:
                return -1
            d.tl0_at = at
            d.tl0 = payload[at]
            at += 1
        if flags & 0x30:
            if at >= size:
                return -1
            if flags & 0x20:
                d.has_tid = 1
                d.tid = payload[at] >> 6
                d.layer_sync = (payload[at] >> 5) & 1
            if flags & 0x10:
                d.has_keyidx = 1
                d.keyidx = payload[at] & 0x1F
            at += 1
    if at >= size:  # a descriptor describes at least one byte
        return -1
    d.descriptor_size = at
    d.starts_frame = 1 if first & 0x10 and first & 0x07 == 0 else 0
    # RFC 7741 4.3: the inverse key frame flag P is the lowest bit of the payload header's first byte.
    d.starts_key_frame = 1 if d.starts_frame and payload[at] & 1 == 0 else 0
    return 0


cdef inline int h264_starts_key_frame(uint8_t *payload, int size) noexcept nogil:
    """An SPS or the first of an IDR slice, alone, in a STAP-A or at the start of an FU-A (RFC 6184 5.6-5.8)."""
    cdef int kind, at, length, found
    if size < 2:
        return 0
    kind = payload[0] & 0x1F
    if kind == 5 or kind == 7:
        return 1
    if kind == 28:
        kind = payload[1] & 0x1F
        return 1 if payload[1] & 0x80 and size > 2 and (kind == 5 or kind == 7) else 0
    if kind != 24:
        return 0
    at = 1
    found = 0
    while at < size:
        if at + 2 > size:
            return 0
        length = get_u16(payload + at)
        at += 2
        if length == 0 or length > size - at:
            return 0
        kind = payload[at] & 0x1F
        if kind == 5 or kind == 7:
            found = 1
        at += length
    return found


cdef inline int is_keyframe_start(int codec, uint8_t *payload, int size) noexcept nogil:
    """Whether a receiver can begin with this packet. In sound, and in anything unknown, it always can."""
    cdef Vp8 d
    if codec == CODEC_VP8:
        return d.starts_key_frame if vp8_parse(payload, size, &d) == 0 else 0
    if codec == CODEC_H264:
        return h264_starts_key_frame(payload, size)
    return 1


cdef inline void vp8_map_init(VpMap *m) noexcept nogil:
    m.picture_offset = 0
    m.picture_last = 0
    m.tl0_offset = 0
    m.tl0_last = 0
    m.picture_known = 0
    m.tl0_known = 0
    m.picture_switched = 0
    m.tl0_switched = 0


cdef inline void vp8_map_switch(VpMap *m) noexcept nogil:
    """From the next rewritten packet on, another source: its numbers go on where the last one's ended."""
    m.picture_switched = m.picture_known
    m.tl0_switched = m.tl0_known


cdef inline int vp8_rewrite(VpMap *m, uint8_t *payload, int size) noexcept nogil:
    """Put this subscriber's numbers into the descriptor, field widths kept: 0, or -1 and nothing touched."""
    cdef Vp8 d
    cdef uint16_t picture, ahead
    cdef uint8_t tl0
    if vp8_parse(payload, size, &d) != 0:
        return -1
    if d.picture_id_at:
        if m.picture_switched:
            m.picture_offset = <uint16_t>((m.picture_last + 1 - d.picture_id) & 0x7FFF)
            m.picture_switched = 0
        picture = <uint16_t>((d.picture_id + m.picture_offset) & 0x7FFF)
        if d.picture_id_bits == 7:
            payload[d.picture_id_at] = picture & 0x7F
            # Only 7 bits tell what is newer, so they are taken as a step from the newest one.
            ahead = (picture - m.picture_last) & 0x7F
            if not m.picture_known:
                m.picture_last = picture & 0x7F
            elif ahead < 0x40:
                m.picture_last = (m.picture_last + ahead) & 0x7FFF
        else:
            payload[d.picture_id_at] = <uint8_t>(0x80 | (picture >> 8))
            payload[d.picture_id_at + 1] = <uint8_t>picture
            ahead = (picture - m.picture_last) & 0x7FFF
            if not m.picture_known or ahead < 0x4000:
                m.picture_last = picture
        m.picture_known = 1
    if d.tl0_at:
        if m.tl0_switched:
            m.tl0_offset = <uint8_t>(m.tl0_last + 1 - d.tl0)
            m.tl0_switched = 0
        tl0 = <uint8_t>(d.tl0 + m.tl0_offset)
        payload[d.tl0_at] = tl0
        if not m.tl0_known or <uint8_t>(tl0 - m.tl0_last) < 0x80:
            m.tl0_last = tl0
        m.tl0_known = 1
    return 0
