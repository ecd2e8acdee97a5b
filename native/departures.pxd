"""Transport-wide congestion control, send side: what left under each number, and reading what a receiver says of it.

draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1: RTCP 205/15, a status for each number (run-length and
status-vector chunks), and for what came the time since the packet before in 250 us. The counterpart of twcc.pxd.

The log is a ring of the newest DEPARTURES numbers. A feedback packet is checked whole before any of it is believed: its chunks and
deltas must be there, and it may only speak of what was sent. Its work is bounded by the ring, whatever it claims. Each
number is settled once: heard of twice it counts once, and what was told as lost and came after all is no loss. Numbers
that feedback has passed over without a word are taken as arrived: what was lost is the feedback.

Invariant: a slot is that of the number which is congruent to it and below `next`; `told` <= `next`.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from native.estimator cimport Estimator

cdef enum:
    DEPARTURES = 2048  # 2 s of 10 Mbit/s
    FEEDBACK_STALE = 0
    FEEDBACK_MALFORMED = -1

cdef enum:
    DEPARTURE_NONE = 0
    DEPARTURE_OPEN = 1
    DEPARTURE_LOST = 2     # so it was told
    DEPARTURE_SETTLED = 3

cdef struct Departure:
    uint32_t at_us  # modulo 2**32, 71 minutes
    uint16_t size
    uint8_t state

cdef struct Departures:
    uint64_t next    # extended; its low 16 bits are the next packet's number
    uint64_t first
    uint64_t told    # the number after the newest that feedback spoke of
    int64_t ticks    # the arrival that was told last, extended
    Departure log[DEPARTURES]

cdef void departures_init(Departures *d, uint16_t first) noexcept nogil
# `body` is what follows the 4-byte RTCP header, without padding, 16 bytes at least. How many of its statuses were of the log;
# FEEDBACK_STALE: too old to say anything; FEEDBACK_MALFORMED.
cdef int departures_feedback(Departures *d, Estimator *e, uint8_t *body, int size, uint64_t now) noexcept nogil


cdef inline void departed(Departures *d, uint32_t size, uint64_t now) noexcept nogil:
    """The packet that carries the number `next` is on its way."""
    cdef Departure *slot = &d.log[d.next & (DEPARTURES - 1)]
    slot.at_us = <uint32_t>(now // 1000)
    slot.size = <uint16_t>size
    slot.state = DEPARTURE_OPEN
    d.next += 1
