"""One-way queues; ring.pxd states the rules."""

from libc.stdlib cimport calloc, free
from libc.string cimport memset

from native.os cimport load_u64, store_u64


cdef int ring_open(Ring *ring, uint64_t count, uint64_t slot_bytes) noexcept nogil:
    """Make `count` slots (a power of two) of `slot_bytes` each; -1 without memory. ring_close frees them."""
    memset(ring, 0, sizeof(Ring))
    ring.slots = <uint8_t *>calloc(count, slot_bytes)
    if ring.slots == NULL:
        return -1
    ring.slot_bytes = slot_bytes
    ring.mask = count - 1
    return 0


cdef void ring_close(Ring *ring) noexcept nogil:
    """Free the slots; both threads are done with it."""
    free(ring.slots)
    ring.slots = NULL


cdef void *ring_reserve(Ring *ring) noexcept nogil:
    """Writer: the next slot to fill, NULL if full. Not visible to the reader before ring_commit."""
    if ring.tail - load_u64(&ring.head) > ring.mask:
        return NULL
    return ring.slots + (ring.tail & ring.mask) * ring.slot_bytes


cdef void ring_commit(Ring *ring) noexcept nogil:
    """Writer: the reserved slot is complete."""
    store_u64(&ring.tail, ring.tail + 1)


cdef void *ring_peek(Ring *ring) noexcept nogil:
    """Reader: the oldest slot, NULL if empty. It stays valid until ring_release."""
    if load_u64(&ring.tail) == ring.head:
        return NULL
    return ring.slots + (ring.head & ring.mask) * ring.slot_bytes


cdef void ring_release(Ring *ring) noexcept nogil:
    """Reader: done with the slot of ring_peek."""
    store_u64(&ring.head, ring.head + 1)


cdef uint64_t ring_free(Ring *ring) noexcept nogil:
    """Writer: how many slots are free now, at least."""
    return ring.mask + 1 - (ring.tail - load_u64(&ring.head))
