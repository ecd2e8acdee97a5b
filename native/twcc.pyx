"""The bodies of twcc.pxd.

A feedback packet is made in two steps: `collect` walks the log and lists a status and a delta for each
number, as far as one packet can tell them; `encode` packs statuses into chunks until the size is used up.
"""

from libc.stdint cimport INT16_MAX, INT16_MIN, int16_t, int32_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memset

from native.rtcp cimport RTCP_RTPFB, RTPFB_TWCC, rtcp_put_header
from native.rtp cimport put_u16, put_u24, put_u32

cdef enum:
    TICK_NS = 250000
    HEADER = 20  # all before the first chunk
    ABSENT = 0
    SMALL = 1  # delta in one byte, 0 to 255 ticks
    LARGE = 2  # in two, signed


cdef inline int has(const TwccLog *l, uint64_t ext) noexcept nogil:
    return (l.came[(ext >> 6) & 15] >> (ext & 63)) & 1


cdef inline void forget(TwccLog *l, uint64_t ext) noexcept nogil:
    l.came[(ext >> 6) & 15] &= ~(<uint64_t>1 << (ext & 63))


cdef void twcc_init(TwccLog *l) noexcept nogil:
    memset(l, 0, sizeof(TwccLog))


cdef int twcc_arrived(TwccLog *l, uint16_t seq, uint64_t now) noexcept nogil:
    cdef uint64_t ext, i
    if not l.started:
        l.started = 1
        l.newest = ((<uint64_t>1 << 32) | seq) - 1
        l.next = l.newest + 1
    ext = l.newest + <uint64_t>(<int16_t>(seq - <uint16_t>l.newest))
    if ext > l.newest:
        if ext - l.newest >= TWCC_WINDOW:
            # The sender jumped or we were cut off for long: what was not told by now never will be.
            memset(l.came, 0, sizeof(l.came))
            l.next = ext
            l.pending = 0
        else:
            for i in range(l.newest + 1, ext):
                forget(l, i)
            if ext - l.next >= TWCC_WINDOW:
                l.next = ext - (TWCC_WINDOW - 1)
        l.newest = ext
    elif l.newest - ext >= TWCC_WINDOW or has(l, ext):
        return 0
    elif ext < l.next:
        # Reported lost already. The draft has no way to take that back but to report the range again.
        l.next = ext
    l.came[(ext >> 6) & 15] |= <uint64_t>1 << (ext & 63)
    l.ticks[ext & (TWCC_WINDOW - 1)] = <uint32_t>(now // TICK_NS)
    if l.pending == 0:
        l.since = now
    l.pending += 1
    return 1


cdef int collect(const TwccLog *l, uint8_t *status, int16_t *delta, uint32_t *reference) noexcept nogil:
    """Statuses of next ... newest, ending with one that came; fewer if a delta fits no 16 bits."""
    cdef uint64_t ext
    cdef uint32_t ticks, before = 0
    cdef int32_t d
    cdef int n = 0, told = 0
    for ext in range(l.next, l.newest + 1):
        if not has(l, ext):
            status[n] = ABSENT
            n += 1
            continue
        ticks = l.ticks[ext & (TWCC_WINDOW - 1)]
        if told == 0:
            reference[0] = ticks >> 8
            before = ticks & ~<uint32_t>0xFF
        d = <int32_t>(ticks - before)
        if d > INT16_MAX or d < INT16_MIN:
            break
        before = ticks
        status[n] = SMALL if 0 <= d <= 255 else LARGE
        delta[n] = <int16_t>d
        n += 1
        told = n
    return told


cdef int run_length(const uint8_t *status, int n) noexcept nogil:
    cdef int i = 1
    while i < n and status[i] == status[0]:
        i += 1
    return i


cdef int encode(const uint8_t *status, int n, uint8_t *chunks, int room, int *chunk_bytes) noexcept nogil:
    """Chunks for as many of the n statuses as fit with their deltas in `room` bytes: how many that are.

    Equal statuses that fill a vector become a run; else one bit a status while nothing large is near, else two.
    """
    cdef int at = 0, size = 0, run, take, cost, i, wide
    cdef uint32_t word
    while at < n:
        run = run_length(status + at, n - at)
        wide = 0
        take = n - at if n - at < 14 else 14
        for i in range(take):
            if status[at + i] == LARGE:
                wide = 1
        if run >= take or (wide and run >= 7):
            take = run
            # A status of a run costs as many bytes as its number says: 0, 1 or 2.
            if status[at] != ABSENT and take * status[at] > room - size - 2:
                take = (room - size - 2) // status[at]
            if take <= 0 or room - size < 2:
                break
            cost = 2 + take * status[at]
            word = (<uint32_t>status[at] << 13) | <uint32_t>take
        else:
            if wide and take > 7:
                take = 7
            cost = 2
            for i in range(take):
                cost += status[at + i]
            if cost > room - size:
                break
            word = 0xC000 if wide else 0x8000
            for i in range(take):
                word |= <uint32_t>status[at + i] << (12 - 2 * i if wide else 13 - i)
        put_u16(chunks + chunk_bytes[0], <uint16_t>word)
        chunk_bytes[0] += 2
        size += cost
        at += take
    return at


cdef int twcc_feedback(
    TwccLog *l, uint8_t *out, int max_size, uint32_t sender_ssrc, uint32_t media_ssrc, uint64_t now
) noexcept nogil:
    cdef uint8_t status[1024]
    cdef int16_t delta[1024]
    cdef uint32_t reference = 0
    cdef int n, i, size = 0
    if l.pending == 0 or max_size < TWCC_MIN_SIZE:
        return 0
    n = collect(l, status, delta, &reference)
    n = encode(status, n, out + HEADER, (max_size & ~3) - HEADER, &size)
    size += HEADER
    for i in range(n):
        if status[i] == SMALL:
            out[size] = <uint8_t>delta[i]
            size += 1
        elif status[i] == LARGE:
            put_u16(out + size, <uint16_t>delta[i])
            size += 2
    while size & 3:
        out[size] = 0
        size += 1
    rtcp_put_header(out, RTPFB_TWCC, RTCP_RTPFB, size)
    put_u32(out + 4, sender_ssrc)
    put_u32(out + 8, media_ssrc)
    put_u16(out + 12, <uint16_t>l.next)
    put_u16(out + 14, <uint16_t>n)
    put_u24(out + 16, reference)
    out[19] = l.feedback_count
    l.feedback_count += 1
    l.next += <uint64_t>n
    if l.next > l.newest:
        l.pending = 0
    l.since = now
    return size
