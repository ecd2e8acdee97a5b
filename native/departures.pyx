"""The bodies of departures.pxd.

A feedback packet is read twice by the same `Statuses`: once for whether it is whole, once for what it says.
"""

from libc.stdint cimport int16_t, int32_t
from libc.string cimport memset

from native.estimator cimport (
    estimator_arrived, estimator_found, estimator_lost, estimator_untold, estimator_update,
)
from native.rtp cimport get_u16, get_u32

cdef enum:
    TICK_US = 250
    LONGEST_GAP_US = 3_000_000  # longer than that nobody tells a receiver's pause from a clock that was set
    CHUNKS = 16  # where they begin in the body
    ABSENT = 0
    SMALL = 1    # delta in one byte
    LARGE = 2    # in two, signed

cdef struct Statuses:
    uint8_t *at       # the next chunk
    uint8_t *end
    uint32_t chunk
    int left          # statuses of the chunk that are still to come
    int bits          # of each in a vector; 0: a run


cdef inline int next_status(Statuses *s) noexcept nogil:
    """ABSENT, SMALL or LARGE; -1 where there is no chunk any more, an empty run, or the reserved status."""
    cdef int status
    if s.left == 0:
        if s.end - s.at < 2:
            return -1
        s.chunk = get_u16(s.at)
        s.at += 2
        if s.chunk & 0x8000 == 0:
            s.bits = 0
            s.left = <int>(s.chunk & 0x1FFF)
            if s.left == 0:
                return -1
        else:
            s.bits = 2 if s.chunk & 0x4000 else 1
            s.left = 14 // s.bits
    s.left -= 1
    if s.bits == 0:
        status = <int>(s.chunk >> 13)
    else:
        status = <int>(s.chunk >> (s.left * s.bits)) & (3 if s.bits == 2 else 1)
    return status if status <= LARGE else -1


cdef void departures_init(Departures *d, uint16_t first) noexcept nogil:
    memset(d, 0, sizeof(Departures))
    # Far above 0, so that no number before the first wraps.
    d.first = d.next = d.told = (<uint64_t>1 << 32) | first


cdef uint8_t *deltas_of(uint8_t *body, int size, int count) noexcept nogil:
    """Where the deltas begin, if all `count` statuses and their deltas are there; else NULL."""
    cdef Statuses s
    cdef int status, i
    cdef int64_t bytes = 0
    s.at = body + CHUNKS
    s.end = body + size
    s.left = 0
    for i in range(count):
        status = next_status(&s)
        if status < 0:
            return NULL
        bytes += status  # a delta is as long as its status says: 0, 1 or 2
    return s.at if bytes <= s.end - s.at else NULL


cdef void pass_over(Departures *d, Estimator *e, uint64_t base, int64_t from_us, int64_t to_us) noexcept nogil:
    """Feedback has left out the numbers from `told` to `base`: they came evenly between what was told before and after."""
    cdef uint64_t begin = max(d.told, d.next - DEPARTURES if d.next - d.first > DEPARTURES else d.first)
    cdef uint64_t ext
    cdef int64_t left = 0
    cdef Departure *slot
    for ext in range(begin, base):
        left += d.log[ext & (DEPARTURES - 1)].state == DEPARTURE_OPEN
    if to_us - from_us > LONGEST_GAP_US or from_us > to_us:
        from_us = to_us
    for ext in range(begin, base):
        slot = &d.log[ext & (DEPARTURES - 1)]
        if slot.state == DEPARTURE_OPEN:
            slot.state = DEPARTURE_SETTLED
            from_us += (to_us - from_us) // (left + 1)
            left -= 1
            estimator_untold(e, from_us, slot.size)


cdef inline void follow(Departures *d, uint32_t ticks) noexcept nogil:
    """Extend a time by the newest one. A receiver that counts on for years in either direction begins anew."""
    d.ticks += <int32_t>(ticks - <uint32_t>d.ticks)
    if d.ticks < <int64_t>1 << 39 or d.ticks > <int64_t>3 << 39:
        d.ticks = (<int64_t>1 << 40) | ticks


cdef int departures_feedback(Departures *d, Estimator *e, uint8_t *body, int size, uint64_t now) noexcept nogil:
    cdef Statuses s
    cdef Departure *slot
    cdef uint8_t *delta
    cdef uint64_t base, ext
    cdef int64_t now_us = <int64_t>(now // 1000)
    cdef int64_t before_us = d.ticks * TICK_US
    cdef int64_t sent_us = 0, newest_us = -1
    cdef uint32_t ticks
    cdef int count, status, i
    cdef int used = 0
    cdef bint passed = False
    if size < CHUNKS:
        return FEEDBACK_MALFORMED
    count = get_u16(body + 10)
    base = d.next - <uint16_t>(<uint16_t>d.next - get_u16(body + 8))
    if count == 0 or base < d.first or base + <uint64_t>count > d.next:
        return FEEDBACK_MALFORMED
    if count > DEPARTURES or base + <uint64_t>count + DEPARTURES <= d.next:
        return FEEDBACK_STALE
    delta = deltas_of(body, size, count)
    if delta == NULL:
        return FEEDBACK_MALFORMED
    # 24 bits of 64 ms are exactly the upper part of 32 bits of ticks, so both wrap alike.
    ticks = (get_u32(body + 12) >> 8) << 8
    s.at = body + CHUNKS
    s.end = delta
    s.left = 0
    for i in range(count):
        ext = base + <uint64_t>i
        slot = &d.log[ext & (DEPARTURES - 1)] if ext + DEPARTURES >= d.next else NULL
        status = next_status(&s)
        if status == ABSENT:
            if slot != NULL and slot.state == DEPARTURE_OPEN:
                slot.state = DEPARTURE_LOST
                estimator_lost(e)
                used += 1
            continue
        if status == SMALL:
            ticks += delta[0]
            delta += 1
        else:
            ticks += <uint32_t><int32_t><int16_t>get_u16(delta)
            delta += 2
        follow(d, ticks)
        if slot == NULL or slot.state == DEPARTURE_SETTLED:
            continue
        if not passed:
            passed = True
            pass_over(d, e, base, before_us, d.ticks * TICK_US)
        if slot.state == DEPARTURE_LOST:
            estimator_found(e)
        slot.state = DEPARTURE_SETTLED
        used += 1
        sent_us = now_us - <int64_t><uint32_t>(<uint32_t>now_us - slot.at_us)
        newest_us = max(newest_us, sent_us)
        estimator_arrived(e, sent_us, d.ticks * TICK_US, slot.size)
    d.told = max(d.told, base + <uint64_t>count)
    if newest_us >= 0:
        estimator_update(e, now_us, now_us - newest_us)
    return used
