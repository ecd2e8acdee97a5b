"""One-way queues between two threads: one writer, one reader, a fixed size, never a lock.

The writer owns `tail` and the slots between tail and head + size; the reader owns `head` and the slots
between head and tail. Each side publishes its index with release order after it has finished with
the slot. A full ring refuses; what then happens is the caller's rule.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef struct Ring:
    uint8_t *slots
    uint64_t slot_bytes
    uint64_t mask
    # Apart from each other, so that the two threads do not share a cache line.
    uint64_t pad0[8]
    uint64_t tail
    uint64_t pad1[7]
    uint64_t head
    uint64_t pad2[7]

cdef int ring_open(Ring *ring, uint64_t count, uint64_t slot_bytes) noexcept nogil
cdef void ring_close(Ring *ring) noexcept nogil
cdef void *ring_reserve(Ring *ring) noexcept nogil
cdef void ring_commit(Ring *ring) noexcept nogil
cdef void *ring_peek(Ring *ring) noexcept nogil
cdef void ring_release(Ring *ring) noexcept nogil
cdef uint64_t ring_free(Ring *ring) noexcept nogil
