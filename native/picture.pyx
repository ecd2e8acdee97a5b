"""The bodies of picture.pxd."""

from libc.stdint cimport int64_t, uint32_t

from native.codecs cimport CODEC_H264, CODEC_VP8, Vp8, vp8_parse
from native.rtp cimport get_u16

cdef enum:
    VP8_HEADER = 10       # frame tag, start code, width, height
    NAL_SPS = 7
    NAL_STAP_A = 24
    SPS_BYTES = 256       # a set is about 20 bytes long; one that is longer than this says nothing
    MAX_SIDE = 16383
    MACROBLOCK = 16

cdef struct Bits:
    uint8_t data[SPS_BYTES]  # without emulation prevention
    int size   # in bits
    int at
    bint over  # read beyond the end


cdef bint picture_size(int codec, uint8_t *payload, int size, uint16_t *width, uint16_t *height) noexcept nogil:
    if codec == CODEC_VP8:
        return vp8_size(payload, size, width, height)
    if codec == CODEC_H264:
        return h264_size(payload, size, width, height)
    return False


cdef bint vp8_size(uint8_t *payload, int size, uint16_t *width, uint16_t *height) noexcept nogil:
    cdef Vp8 d
    cdef uint8_t *p
    cdef uint16_t w, h
    if vp8_parse(payload, size, &d) != 0 or not d.starts_key_frame or size - d.descriptor_size < VP8_HEADER:
        return False
    p = payload + d.descriptor_size
    if p[3] != 0x9D or p[4] != 0x01 or p[5] != 0x2A:
        return False
    # Little endian; the upper two bits tell how a player is to scale it.
    w = (p[6] | <uint16_t>(p[7] << 8)) & 0x3FFF
    h = (p[8] | <uint16_t>(p[9] << 8)) & 0x3FFF
    if w == 0 or h == 0:
        return False
    width[0] = w
    height[0] = h
    return True


cdef bint h264_size(uint8_t *payload, int size, uint16_t *width, uint16_t *height) noexcept nogil:
    cdef int at = 1
    cdef int length
    if size < 1:
        return False
    if payload[0] & 0x1F == NAL_SPS:
        return sps_size(payload, size, width, height)
    if payload[0] & 0x1F != NAL_STAP_A:
        return False
    while at + 2 < size:
        length = get_u16(payload + at)
        at += 2
        if length == 0 or length > size - at:
            return False
        if payload[at] & 0x1F == NAL_SPS:
            return sps_size(payload + at, length, width, height)
        at += length
    return False


cdef void unescape(Bits *b, uint8_t *nal, int size) noexcept nogil:
    """H.264 7.3.1: the 3 of 0 0 3 is not part of what was written. What is too long is cut, and then reads as over."""
    cdef int i
    cdef int n = 0
    cdef int zeros = 0
    for i in range(1, size):
        if zeros >= 2 and nal[i] == 3:
            zeros = 0
            continue
        if n == SPS_BYTES:
            break
        zeros = zeros + 1 if nal[i] == 0 else 0
        b.data[n] = nal[i]
        n += 1
    b.size = n * 8
    b.at = 0
    b.over = False


cdef uint32_t bits(Bits *b, int count) noexcept nogil:
    cdef uint32_t value = 0
    if count > b.size - b.at:
        b.over = True
        return 0
    while count:
        value = (value << 1) | ((b.data[b.at >> 3] >> (7 - (b.at & 7))) & 1)
        b.at += 1
        count -= 1
    return value


cdef uint32_t golomb(Bits *b) noexcept nogil:
    """ue(v), H.264 9.1; what needs more than 31 bits is none."""
    cdef int zeros = 0
    while not b.over and bits(b, 1) == 0:
        zeros += 1
        if zeros > 30:
            b.over = True
    if b.over or zeros == 0:
        return 0
    return ((<uint32_t>1 << zeros) | bits(b, zeros)) - 1


cdef bint sps_size(uint8_t *nal, int size, uint16_t *width, uint16_t *height) noexcept nogil:
    cdef Bits b
    cdef uint32_t profile, order, cycle, i, fields
    cdef int64_t w, h
    unescape(&b, nal, size)
    profile = bits(&b, 8)
    if profile != 66 and profile != 77 and profile != 88:
        return False
    bits(&b, 16)               # constraint flags, level
    golomb(&b)                 # seq_parameter_set_id
    golomb(&b)                 # log2_max_frame_num_minus4
    order = golomb(&b)         # pic_order_cnt_type
    if order == 0:
        golomb(&b)             # log2_max_pic_order_cnt_lsb_minus4
    elif order == 1:
        bits(&b, 1)            # delta_pic_order_always_zero_flag
        golomb(&b)             # offset_for_non_ref_pic; se(v) is as long as ue(v)
        golomb(&b)             # offset_for_top_to_bottom_field
        cycle = golomb(&b)     # num_ref_frames_in_pic_order_cnt_cycle
        if cycle > 255:
            return False
        for i in range(cycle):
            golomb(&b)         # offset_for_ref_frame
    golomb(&b)                 # max_num_ref_frames
    bits(&b, 1)                # gaps_in_frame_num_value_allowed_flag
    w = (<int64_t>golomb(&b) + 1) * MACROBLOCK
    h = (<int64_t>golomb(&b) + 1) * MACROBLOCK
    fields = 1 if bits(&b, 1) else 2  # frame_mbs_only_flag: else these are fields, two of which make a frame
    h *= fields
    if fields == 2:
        bits(&b, 1)            # mb_adaptive_frame_field_flag
    bits(&b, 1)                # direct_8x8_inference_flag
    if bits(&b, 1):            # frame_cropping_flag; 4:2:0 is cut by two pixels at a time
        w -= 2 * (<int64_t>golomb(&b) + golomb(&b))
        h -= 2 * <int64_t>fields * (<int64_t>golomb(&b) + golomb(&b))
    if b.over or not 1 <= w <= MAX_SIDE or not 1 <= h <= MAX_SIDE:
        return False
    width[0] = <uint16_t>w
    height[0] = <uint16_t>h
    return True
