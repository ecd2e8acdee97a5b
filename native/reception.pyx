"""The bodies of reception.pxd."""

from libc.stdint cimport INT32_MAX, UINT64_MAX, int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t, uint8_t
from libc.string cimport memmove, memset

from native.rtcp cimport ReportBlock

cdef enum:
    MS = 1000000
    MAX_DROPOUT = 3000  # RFC 3550 A.1; a longer step forward is a jump
    RIPE_PACKETS = 3
    RIPE_NS = 10 * MS
    AGAIN_NS = 40 * MS
    TRIES = 8
    GIVE_UP_NS = 1000 * MS


cdef inline int was_seen(const Reception *r, uint64_t ext) noexcept nogil:
    return (r.seen[(ext >> 6) & 15] >> (ext & 63)) & 1


cdef inline void mark(Reception *r, uint64_t ext) noexcept nogil:
    r.seen[(ext >> 6) & 15] |= <uint64_t>1 << (ext & 63)


cdef inline void unmark(Reception *r, uint64_t ext) noexcept nogil:
    r.seen[(ext >> 6) & 15] &= ~(<uint64_t>1 << (ext & 63))


cdef inline uint64_t extend(uint64_t highest, uint16_t seq) noexcept nogil:
    return highest + <uint64_t>(<int16_t>(seq - <uint16_t>highest))


cdef inline uint32_t clock_of(uint64_t now, uint32_t clock_hz) noexcept nogil:
    """`now` in ticks of the media clock; seconds apart, because the whole product would overflow."""
    return <uint32_t>(now // 1000000000 * clock_hz + now % 1000000000 * clock_hz // 1000000000)


cdef void forget_gaps(Reception *r) noexcept nogil:
    r.missing_count = 0
    r.nack_at = UINT64_MAX
    r.ripe_at = UINT64_MAX


cdef void start(Reception *r, uint16_t seq, uint32_t ts, uint64_t now) noexcept nogil:
    """A.1 init_seq: count from this packet on, as if there had been none before."""
    r.started = 1
    r.base = 0x10000 + <uint64_t>seq
    r.highest = r.base
    r.ext = r.base
    r.received = 1
    r.expected_prior = 0
    r.received_prior = 0
    r.bad_next = -1
    r.jitter_16 = 0
    r.transit = clock_of(now, r.clock_hz) - ts
    memset(r.seen, 0, sizeof(r.seen))
    mark(r, r.base)
    forget_gaps(r)


cdef void measure_jitter(Reception *r, uint32_t ts, uint64_t now) noexcept nogil:
    """A.8, in the integer form; a step of the sender's clock (over 5 s) is none of the network's doing."""
    cdef uint32_t transit = clock_of(now, r.clock_hz) - ts
    cdef int32_t d = <int32_t>(transit - r.transit)
    r.transit = transit
    if d < 0:
        d = -d if d > -INT32_MAX else INT32_MAX
    if <uint64_t>d > <uint64_t>r.clock_hz * 5:
        return
    r.jitter_16 += <uint32_t>d - ((r.jitter_16 + 8) >> 4)


cdef void forget_old(Reception *r, uint64_t now) noexcept nogil:
    """Where nobody asks (sound without NACK), what is past asking for must not pile up until it seems too much."""
    cdef int n = 0
    while n < r.missing_count and now - r.missing[n].born >= GIVE_UP_NS:
        n += 1
    r.missing_count -= n
    memmove(&r.missing[0], &r.missing[n], r.missing_count * sizeof(Missing))


cdef void open_gap(Reception *r, uint64_t first, uint64_t end, uint64_t now) noexcept nogil:
    """first <= ext < end has not come, though `end` has."""
    cdef Missing *m
    if end - first + <uint64_t>r.missing_count > RECEPTION_MISSING:
        forget_old(r, now)
    if end - first + <uint64_t>r.missing_count > RECEPTION_MISSING:
        r.keyframe_needed = 1
        forget_gaps(r)
        return
    if r.ripe_at == UINT64_MAX:
        r.ripe_at = r.received + RIPE_PACKETS
    if now + RIPE_NS < r.nack_at:
        r.nack_at = now + RIPE_NS
    while first < end:
        m = &r.missing[r.missing_count]
        m.ext = first
        m.born = now
        m.due = now + RIPE_NS
        m.received = r.received
        m.asked = 0
        r.missing_count += 1
        first += 1


cdef void close_gap(Reception *r, uint64_t ext) noexcept nogil:
    """It came. A deadline that stood for it alone is left to fire once in vain."""
    cdef int low = 0, high = r.missing_count, middle
    while low < high:
        middle = (low + high) >> 1
        if r.missing[middle].ext < ext:
            low = middle + 1
        else:
            high = middle
    if low == r.missing_count or r.missing[low].ext != ext:
        return
    r.missing_count -= 1
    memmove(&r.missing[low], &r.missing[low + 1], (r.missing_count - low) * sizeof(Missing))
    if r.missing_count == 0:
        forget_gaps(r)


cdef void reception_init(Reception *r, uint32_t clock_hz) noexcept nogil:
    memset(r, 0, sizeof(Reception))
    r.clock_hz = clock_hz
    r.bad_next = -1
    forget_gaps(r)


cdef int reception_packet(Reception *r, uint16_t seq, uint32_t ts, uint64_t now) noexcept nogil:
    cdef uint64_t ext, i
    if not r.started:
        start(r, seq, ts, now)
        return ARRIVED_NEW
    ext = extend(r.highest, seq)
    r.ext = ext
    if ext == r.highest + 1 or (ext > r.highest and ext - r.highest < MAX_DROPOUT):
        if ext - r.highest >= RECEPTION_WINDOW:
            memset(r.seen, 0, sizeof(r.seen))
        else:
            for i in range(r.highest + 1, ext):
                unmark(r, i)
        mark(r, ext)
        if ext != r.highest + 1:
            open_gap(r, r.highest + 1, ext, now)
        r.highest = ext
        r.received += 1
        r.bad_next = -1
        if r.received >= r.ripe_at:
            r.nack_at = now
        measure_jitter(r, ts, now)
        return ARRIVED_NEW
    if ext <= r.highest and r.highest - ext < RECEPTION_WINDOW:
        r.bad_next = -1
        if was_seen(r, ext):
            r.duplicates += 1
            return ARRIVED_DUPLICATE
        mark(r, ext)
        close_gap(r, ext)
        r.received += 1
        if ext < r.base:
            # Older than the first that we saw: counting begins there, or more would be received than expected.
            r.base = ext
        if r.received >= r.ripe_at:
            r.nack_at = now
        measure_jitter(r, ts, now)
        return ARRIVED_LATE
    if <int32_t>seq == r.bad_next:
        start(r, seq, ts, now)
        r.keyframe_needed = 1
        return ARRIVED_RESET
    r.bad_next = <uint16_t>(seq + 1)
    return ARRIVED_JUMP


cdef int reception_recovered(Reception *r, uint16_t seq) noexcept nogil:
    cdef uint64_t ext
    if not r.started:
        return 0
    ext = extend(r.highest, seq)
    if ext > r.highest or r.highest - ext >= RECEPTION_WINDOW or ext < r.base or was_seen(r, ext):
        return 0
    r.ext = ext
    mark(r, ext)
    close_gap(r, ext)
    r.recovered += 1
    return 1


cdef int reception_report(Reception *r, ReportBlock *block, uint64_t now) noexcept nogil:
    cdef uint64_t expected
    cdef int64_t lost, expected_interval, lost_interval
    if not r.started or r.received == r.received_prior:
        return 0
    expected = r.highest - r.base + 1
    lost = <int64_t>(expected - r.received)
    # A.3: fraction of the interval; late packets of an older one can make it negative, which counts as none.
    expected_interval = <int64_t>(expected - r.expected_prior)
    lost_interval = expected_interval - <int64_t>(r.received - r.received_prior)
    r.expected_prior = expected
    r.received_prior = r.received
    if expected_interval <= 0 or lost_interval <= 0:
        block.fraction_lost = 0
    else:
        block.fraction_lost = <uint8_t>((lost_interval << 8) // expected_interval)
    if lost > 0x7FFFFF:
        lost = 0x7FFFFF
    block.cumulative_lost = <int32_t>lost
    # Its upper half counts cycles from 0, while `highest` starts at one.
    block.ext_highest = <uint32_t>(r.highest - 0x10000)
    block.jitter = r.jitter_16 >> 4
    block.lsr = r.lsr
    block.dlsr = 0
    if r.lsr and now > r.sr_at:
        block.dlsr = <uint32_t>((now - r.sr_at) // 1000000000 << 16) + <uint32_t>(
            ((now - r.sr_at) % 1000000000 << 16) // 1000000000
        )
    return 1


cdef void reception_sender_report(Reception *r, uint32_t ntp_hi, uint32_t ntp_lo, uint64_t now) noexcept nogil:
    r.lsr = (ntp_hi << 16) | (ntp_lo >> 16)
    r.sr_at = now


cdef int reception_nacks(Reception *r, uint64_t now, uint16_t *pids, uint16_t *blps, int limit) noexcept nogil:
    cdef int i, kept = 0, filled = 0, full = 0
    cdef uint64_t pid = 0, next_at = UINT64_MAX, next_ripe = UINT64_MAX
    cdef Missing *m
    for i in range(r.missing_count):
        m = &r.missing[i]
        if now - m.born >= GIVE_UP_NS:
            continue
        if now >= m.due or (m.asked == 0 and r.received - m.received >= RIPE_PACKETS):
            if filled and m.ext - pid <= 16:
                blps[filled - 1] |= <uint16_t>(1 << (m.ext - pid - 1))
            elif filled < limit:
                pid = m.ext
                pids[filled] = <uint16_t>pid
                blps[filled] = 0
                filled += 1
            else:
                full = 1
                m.due = now
            if not full:
                m.asked += 1
                m.due = now + AGAIN_NS
                if m.asked == TRIES:
                    continue  # it may still come; we only stop asking
        if m.due < next_at:
            next_at = m.due
        if m.asked == 0 and m.received + RIPE_PACKETS < next_ripe:
            next_ripe = m.received + RIPE_PACKETS
        if kept != i:
            r.missing[kept] = m[0]
        kept += 1
    r.missing_count = kept
    r.nack_at = next_at
    r.ripe_at = next_ripe
    return filled
