"""Packet slabs: where a decrypted packet lives from its arrival until nobody can ask for it again.

Each worker owns one pool of a fixed number of packets, mapped once; the kernel gives memory to a slab
when it is first used, so a quiet server stays small and a busy one stops at the ceiling.

Invariants: a packet is written by the worker that received it, before any other thread knows of it,
and never afterwards. `refs` counts its holders (histories and rings, on any worker); whoever drops the last
reference gives it back: the owner to its free list, another worker to the owner's `returned`
stack, which takes pushes from all and is emptied whole by the owner (so ABA cannot arise).
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    PACKET_BYTES = 1500  # the largest RTP packet that is forwarded, header included

cdef struct Element:
    # A header extension that is passed on: where its bytes are in `data`.
    uint8_t kind
    uint8_t size
    uint16_t at

cdef enum:
    MAX_ELEMENTS = 4  # as many as there are kinds that are passed on

cdef struct Packet:
    Packet *next  # on a free list or the returned stack only
    Pool *pool
    int32_t refs
    uint32_t ts
    uint64_t arrived_ns
    uint16_t seq
    uint16_t size  # whole packet in `data`
    uint16_t payload_at
    uint16_t payload_size  # without padding; 0 is a padding-only packet
    uint8_t format  # codec and parameters, by the control plane's number
    uint8_t marker
    uint8_t codec
    uint8_t keyframe  # begins one
    uint8_t level  # RFC 6464, 0 loudest to 127 silent; 255: the sender does not say
    uint8_t voice
    uint8_t n_elements
    Element elements[MAX_ELEMENTS]
    uint8_t data[PACKET_BYTES]

cdef struct Pool:
    Packet *slabs
    uint64_t capacity
    uint64_t touched  # slabs handed out at least once; those above have never been used
    Packet *free
    void *returned  # Packet*, pushed by other workers
    uint64_t in_use  # owner's view: taken and not yet back on the free list

cdef int pool_open(Pool *pool, uint64_t capacity) noexcept nogil
cdef void pool_close(Pool *pool) noexcept nogil
cdef Packet *pool_take(Pool *pool) noexcept nogil
cdef void packet_drop(Packet *packet, Pool *mine) noexcept nogil
cdef void packet_keep(Packet *packet) noexcept nogil
