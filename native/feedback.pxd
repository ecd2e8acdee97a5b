"""RTCP of a worker, both ways: what subscribers report and ask, what publishers report and are told.

Subscribers: NACK is answered at once (egress), PLI and FIR become a key frame request to the publisher,
report blocks become loss, jitter and round-trip time. Publishers: their sender reports place their media
time on our clock; they get receiver reports, NACKs and transport-wide feedback by the tick.

RFC 3550 6.4, 4585, 5104, 5506. Every sender report that leaves is on the server's one clock, so sound
and picture of a member stay together whatever two clocks its device has.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from native.state cimport Peer, Publication, Worker

cdef void rtcp_arrived(Worker *w, Peer *peer, uint8_t *data, int size) noexcept nogil
cdef void tick(Worker *w) noexcept nogil
cdef void set_clock(Worker *w, Publication *p, uint32_t ts, uint64_t at_ns) noexcept nogil
