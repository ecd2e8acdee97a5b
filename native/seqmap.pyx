"""The slow paths of seqmap.pxd: switching, leaving out, arrivals out of order, and the way back."""

from libc.stdint cimport UINT64_MAX, int16_t, int32_t, uint16_t, uint32_t, uint64_t


cdef inline uint64_t extend(uint64_t newest, uint16_t seq) noexcept nogil:
    """The number nearest to `newest` that ends in `seq`."""
    return newest + <uint64_t>(<int16_t>(seq - <uint16_t>newest))


cdef inline void begin_segment(SeqMap *m, uint64_t first, uint64_t delta, uint32_t source) noexcept nogil:
    m.head = (m.head + 1) % SEQMAP_SEGMENTS
    if m.count < SEQMAP_SEGMENTS:
        m.count += 1
    m.segments[m.head].first = first
    m.segments[m.head].end = UINT64_MAX
    m.segments[m.head].delta = delta
    m.segments[m.head].source = source
    m.delta = delta


cdef void seqmap_init(SeqMap *m, uint16_t first_out) noexcept nogil:
    m.next = -1
    m.count = 0
    m.head = 0
    # Far from 0 on both sides, so that no extension of a 16-bit number runs below it.
    m.newest = <uint64_t>1 << 32
    m.start = m.newest + 1
    m.delta = m.newest - ((<uint64_t>1 << 32) + first_out - 1)


cdef void seqmap_switch(SeqMap *m, uint32_t source, uint16_t next_seq) noexcept nogil:
    cdef uint64_t out = m.newest - m.delta + 1
    if m.count:
        m.segments[m.head].end = m.newest + 1
    m.start = (((m.newest >> 16) + 2) << 16) | next_seq
    m.newest = m.start - 1
    m.next = next_seq
    begin_segment(m, m.start, m.start - out, source)


cdef void seqmap_skip(SeqMap *m, uint16_t seq) noexcept nogil:
    cdef uint64_t ext
    cdef SeqSegment *s
    if m.next < 0:
        return
    ext = extend(m.newest, seq)
    if ext <= m.newest:
        # What comes after it has its number already: the receiver sees a loss there, which it asks for in vain.
        return
    m.newest = ext
    m.next = <uint16_t>(seq + 1)
    s = &m.segments[m.head]
    if s.first == ext:
        # Still nothing in this segment, so a run of skipped packets costs one segment and not many.
        s.first = ext + 1
        s.delta += 1
        m.delta = s.delta
    else:
        s.end = ext
        begin_segment(m, ext + 1, s.delta + 1, s.source)


cdef int seqmap_map_unordered(SeqMap *m, uint16_t seq, uint16_t *out) noexcept nogil:
    cdef uint64_t ext
    cdef uint32_t i
    cdef SeqSegment *s
    if m.next < 0:
        return 0
    ext = extend(m.newest, seq)
    if ext > m.newest:
        m.newest = ext
        m.next = <uint16_t>(seq + 1)
        out[0] = <uint16_t>(ext - m.delta)
        return 1
    if ext < m.start:
        return 0
    for i in range(m.count):
        s = &m.segments[(m.head - i) % SEQMAP_SEGMENTS]
        if ext >= s.first:
            if ext >= s.end:
                return 0  # it was left out
            out[0] = <uint16_t>(ext - s.delta)
            return 1
    return 0


cdef int seqmap_reverse(SeqMap *m, uint16_t out, uint16_t *seq, uint32_t *source) noexcept nogil:
    cdef uint64_t newest = m.newest - m.delta
    cdef uint64_t ext = extend(newest, out)
    cdef uint64_t end
    cdef uint32_t i
    cdef SeqSegment *s
    if ext > newest:
        return 0
    for i in range(m.count):
        s = &m.segments[(m.head - i) % SEQMAP_SEGMENTS]
        end = s.end if i else m.newest + 1
        if ext >= s.first - s.delta:
            if ext >= end - s.delta:
                return 0
            seq[0] = <uint16_t>(ext + s.delta)
            source[0] = s.source
            return 1
    return 0


cdef void tsmap_init(TsMap *m, uint32_t first_out) noexcept nogil:
    m.offset = 0
    m.last_out = first_out
    m.last_now = 0
    m.started = 0


cdef void tsmap_switch(TsMap *m, uint32_t src_ts, uint32_t clock_hz, uint64_t now) noexcept nogil:
    """From `src_ts` on another source: its picture or sound is as much later as time has passed.

    At least one frame (1/30 s of video, 20 ms of sound), because a receiver takes equal timestamps for one
    picture; less than half a cycle, because more would look like a step back.
    """
    cdef uint64_t elapsed, ticks
    cdef uint32_t frame = 3000 if clock_hz == 90000 else clock_hz // 50
    if not m.started:
        m.started = 1
        m.offset = m.last_out - src_ts
        m.last_now = now
        return
    elapsed = now - m.last_now if now > m.last_now else 0
    # Seconds and the rest apart: their product with a clock rate would overflow after two days.
    ticks = elapsed // 1000000000 * clock_hz + elapsed % 1000000000 * clock_hz // 1000000000
    if ticks > 0x7FFFFFFF:
        ticks = 0x7FFFFFFF
    if ticks < frame:
        ticks = frame
    m.offset = m.last_out + <uint32_t>ticks - src_ts
    m.last_out += <uint32_t>ticks
    m.last_now = now
