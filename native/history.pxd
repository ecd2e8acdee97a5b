"""A publication's recent packets, for NACK and RTX (RFC 4585, 4588).

A ring indexed by sequence number: the slot of a packet is seq modulo the size, so that look-up, insertion
and out-of-order arrival cost the same. The history holds one reference to each packet in it. It gives packets back by age
as well as by overwriting, so that a slow stream does not keep memory that nobody will ask for.
"""

from libc.stdint cimport uint16_t, uint64_t

from native.pool cimport Packet, Pool

cdef enum:
    HISTORY_SLOTS = 512  # 4.5 s of 1 Mbit/s video, 1.1 s of 4 Mbit/s; power of two

cdef struct History:
    Packet *slots[HISTORY_SLOTS]
    uint16_t oldest  # sequence number from which trimming goes on
    uint16_t newest
    uint16_t begun

cdef void history_put(History *history, Packet *packet, Pool *mine) noexcept nogil
cdef Packet *history_get(History *history, uint16_t seq) noexcept nogil
cdef void history_trim(History *history, uint64_t before_ns, Pool *mine) noexcept nogil
cdef void history_clear(History *history, Pool *mine) noexcept nogil
