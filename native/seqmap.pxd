"""One subscriber's numbering of one outgoing stream: sequence numbers and timestamps (RFC 3550 5.1).

The source behind a stream changes and some packets of it are left out, yet the receiver must see one
unbroken stream. So outgoing = source - delta, where delta is constant within a segment; leaving a packet
out or switching begins a new segment. The last 16 segments are kept, so that a packet which comes late gets
the number that was meant for it, and a NACK finds the source's packet again.

Source numbers are extended to 64 bits; a switch moves the extension on by more than a cycle, so that
numbers of two sources never meet. Segments are ordered and do not overlap; what lies between two is what
was left out. Only the owner's thread touches a map. The bodies of the slow paths are in seqmap.pyx.
"""

from libc.stdint cimport int16_t, int32_t, uint16_t, uint32_t, uint64_t, uint8_t

cdef enum:
    SEQMAP_SEGMENTS = 16

# Source numbers first <= ext < end go out as ext - delta (modulo 2**64). The newest has no end yet.
cdef struct SeqSegment:
    uint64_t first
    uint64_t end
    uint64_t delta
    uint32_t source

cdef struct SeqMap:
    int32_t next  # the source number that comes next when all is in order; -1 before the first switch
    uint32_t count
    uint64_t newest  # extended; forwarded or skipped
    uint64_t delta  # that of the newest segment
    uint64_t start  # extended; the present source begins here
    uint32_t head  # index of the newest segment
    SeqSegment segments[16]

# Outgoing timestamp = source's + offset. `last_out` is the newest that was sent, at `last_now`.
cdef struct TsMap:
    uint32_t offset
    uint32_t last_out
    uint64_t last_now
    int started

cdef void seqmap_init(SeqMap *m, uint16_t first_out) noexcept nogil
cdef void seqmap_switch(SeqMap *m, uint32_t source, uint16_t next_seq) noexcept nogil
cdef void seqmap_skip(SeqMap *m, uint16_t seq) noexcept nogil
cdef int seqmap_reverse(SeqMap *m, uint16_t out, uint16_t *seq, uint32_t *source) noexcept nogil
cdef int seqmap_map_unordered(SeqMap *m, uint16_t seq, uint16_t *out) noexcept nogil

cdef void tsmap_init(TsMap *m, uint32_t first_out) noexcept nogil
cdef void tsmap_switch(TsMap *m, uint32_t src_ts, uint32_t clock_hz, uint64_t now) noexcept nogil


cdef inline int seqmap_map(SeqMap *m, uint16_t seq, uint16_t *out) noexcept nogil:
    """1 and the outgoing number, or 0: not to be sent (before the switch, too old, skipped, no source yet)."""
    if <int32_t>seq == m.next:
        m.newest += 1
        m.next = <uint16_t>(seq + 1)
        out[0] = <uint16_t>(m.newest - m.delta)
        return 1
    return seqmap_map_unordered(m, seq, out)


cdef inline uint16_t seqmap_last_out(const SeqMap *m) noexcept nogil:
    """The newest outgoing number; the next switch goes on with the one after it."""
    return <uint16_t>(m.newest - m.delta)


cdef inline uint32_t tsmap_map(TsMap *m, uint32_t ts, uint64_t now) noexcept nogil:
    cdef uint32_t out = ts + m.offset
    if out - m.last_out < 0x80000000u:  # late packets do not move the stream back
        m.last_out = out
        m.last_now = now
    return out
