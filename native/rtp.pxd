"""RTP header views and in-place rewriting (RFC 3550 5.1, RFC 8285), all inline.

A view holds offsets into somebody's bytes and is valid as long as they are. Every length is checked
before it is used; what does not fit is refused as a whole, never cut to size.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    EXT_NONE = 0
    EXT_MID = 1
    EXT_LEVEL = 2
    EXT_SEND_TIME = 3
    EXT_TWCC = 4
    # From here on: passed to subscribers by id mapping.
    EXT_ORIENTATION = 5
    EXT_DEPENDENCY = 6
    EXT_PLAYOUT = 7
    EXT_CAPTURE_TIME = 8
    EXT_KINDS = 9

    RTP_HEADER = 12
    ONE_BYTE_PROFILE = 0xBEDE
    TWO_BYTE_PROFILE = 0x1000

cdef struct RtpView:
    uint32_t ssrc
    uint32_t ts
    uint16_t seq
    uint8_t pt
    uint8_t marker
    uint8_t padded
    uint16_t profile  # 0: no extension
    int ext_at
    int ext_end
    int payload_at
    int payload_size

cdef struct ExtElement:
    int id
    int at
    int size


cdef inline uint16_t get_u16(uint8_t *p) noexcept nogil:
    return <uint16_t>((p[0] << 8) | p[1])


cdef inline uint32_t get_u32(uint8_t *p) noexcept nogil:
    return (<uint32_t>p[0] << 24) | (<uint32_t>p[1] << 16) | (<uint32_t>p[2] << 8) | p[3]


cdef inline void put_u16(uint8_t *p, uint16_t v) noexcept nogil:
    p[0] = <uint8_t>(v >> 8)
    p[1] = <uint8_t>v


cdef inline void put_u24(uint8_t *p, uint32_t v) noexcept nogil:
    p[0] = <uint8_t>(v >> 16)
    p[1] = <uint8_t>(v >> 8)
    p[2] = <uint8_t>v


cdef inline void put_u32(uint8_t *p, uint32_t v) noexcept nogil:
    p[0] = <uint8_t>(v >> 24)
    p[1] = <uint8_t>(v >> 16)
    p[2] = <uint8_t>(v >> 8)
    p[3] = <uint8_t>v


cdef inline int rtp_header(uint8_t *data, int size, RtpView *view) noexcept nogil:
    """Read the header, which SRTP leaves in clear. 0, or -1 if it does not fit in `size` bytes."""
    cdef int at = RTP_HEADER
    cdef int words
    if size < RTP_HEADER or data[0] >> 6 != 2:
        return -1
    at += 4 * (data[0] & 0x0F)
    view.marker = data[1] >> 7
    view.pt = data[1] & 0x7F
    view.seq = get_u16(data + 2)
    view.ts = get_u32(data + 4)
    view.ssrc = get_u32(data + 8)
    view.padded = (data[0] >> 5) & 1
    view.profile = 0
    view.ext_at = view.ext_end = at
    if data[0] & 0x10:
        if at + 4 > size:
            return -1
        view.profile = get_u16(data + at)
        words = get_u16(data + at + 2)
        view.ext_at = at + 4
        at += 4 + 4 * words
        view.ext_end = at
    if at > size:
        return -1
    view.payload_at = at
    view.payload_size = size - at
    return 0


cdef inline int rtp_payload(uint8_t *data, int size, RtpView *view) noexcept nogil:
    """After decryption: the payload without its padding (RFC 3550 5.1). -1 if the padding is a lie."""
    cdef int padding
    if size < view.payload_at:
        return -1
    view.payload_size = size - view.payload_at
    if view.padded:
        if view.payload_size == 0:
            return -1
        padding = data[size - 1]
        if padding == 0 or padding > view.payload_size:
            return -1
        view.payload_size -= padding
    return 0


cdef inline int rtp_element(uint8_t *data, RtpView *view, int *cursor, ExtElement *element) noexcept nogil:
    """The next header extension element from *cursor (start with view.ext_at).

    1 and the element; 0 at the end; -1 if an element reaches over the end (RFC 8285 4.2, 4.3).
    Id 0 is padding; id 15 of the one-byte form ends the reading.
    """
    cdef int at = cursor[0]
    cdef int end = view.ext_end
    if view.profile == ONE_BYTE_PROFILE:
        while at < end and data[at] == 0:
            at += 1
        if at >= end:
            return 0
        element.id = data[at] >> 4
        if element.id == 15:
            return 0
        element.size = (data[at] & 0x0F) + 1
        element.at = at + 1
    elif view.profile & 0xFFF0 == TWO_BYTE_PROFILE:
        while at < end and data[at] == 0:
            at += 1
        if at >= end:
            return 0
        if at + 2 > end:
            return -1
        element.id = data[at]
        element.size = data[at + 1]
        element.at = at + 2
    else:
        return 0
    if element.at + element.size > end:
        return -1
    cursor[0] = element.at + element.size
    return 1


cdef inline uint32_t send_time(uint64_t now_ns) noexcept nogil:
    """abs-send-time: seconds as 6.18 fixed point, 24 bits."""
    return <uint32_t>(((now_ns // 1000) << 18) // 1000000) & 0xFFFFFF
