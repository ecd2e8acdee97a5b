"""Transport-wide congestion control, receive side: when each packet of a transport arrived, and saying so.

draft-holmer-rmcat-transport-wide-cc-extensions-01: feedback is RTCP 205/15 with a status for each sequence
number (run-length and status-vector chunks) and, for what came, the time since the packet before in 250 us.

The log is a ring of the newest 1024 numbers. Times are counted in 250 us modulo 2**32; the 24-bit reference
time of 64 ms is exactly the upper part of that, so nothing special happens when either wraps. A packet that
comes after it was reported lost puts the start of the next feedback back to it. Invariant: next <= newest + 1 and
newest - next < 1024, whatever numbers come in.
"""

from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t, uint8_t

cdef enum:
    TWCC_WINDOW = 1024
    # Header (12), base, count, reference and number (8), and the largest chunk with its deltas (2 + 14), rounded up
    # with one chunk of nothing received before it.
    TWCC_MIN_SIZE = 40

cdef struct TwccLog:
    uint64_t newest  # extended
    uint64_t next  # first number of the next feedback
    uint64_t since  # when the first packet not reported yet came
    uint32_t pending  # packets not reported yet
    uint8_t feedback_count
    int started
    uint64_t came[16]  # bit ext % 1024
    uint32_t ticks[1024]

cdef void twcc_init(TwccLog *l) noexcept nogil
# 1 if this number was new, 0 for duplicates and what is too old.
cdef int twcc_arrived(TwccLog *l, uint16_t seq, uint64_t now) noexcept nogil
# One whole RTCP packet of at most `max_size` bytes: its size, or 0 when all is told. Call until 0.
cdef int twcc_feedback(
    TwccLog *l, uint8_t *out, int max_size, uint32_t sender_ssrc, uint32_t media_ssrc, uint64_t now
) noexcept nogil


cdef inline uint64_t twcc_deadline(const TwccLog *l) noexcept nogil:
    """When to send feedback: 100 ms after the first untold packet, 50 if there are 32 of them or more."""
    if l.pending == 0:
        return <uint64_t>-1
    return l.since + (50000000u if l.pending >= 32 else 100000000u)


cdef inline int twcc_due(const TwccLog *l, uint64_t now) noexcept nogil:
    return 1 if now >= twcc_deadline(l) else 0
