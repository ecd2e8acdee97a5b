"""Packet slabs; pool.pxd states the rules."""

from native.os cimport (
    MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_READ, PROT_WRITE,
    add_i32, cas_ptr, exchange_ptr, load_ptr, mmap, munmap, sub_i32,
)
from libc.string cimport memset


cdef int pool_open(Pool *pool, uint64_t capacity) noexcept nogil:
    """Map room for `capacity` packets; -1 if the address space refuses. The pool owns the mapping until pool_close."""
    memset(pool, 0, sizeof(Pool))
    cdef void *memory = mmap(
        NULL, capacity * sizeof(Packet), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
    )
    if memory == MAP_FAILED:
        return -1
    pool.slabs = <Packet *>memory
    pool.capacity = capacity
    return 0


cdef void pool_close(Pool *pool) noexcept nogil:
    """Unmap. Only when every worker has stopped: packets of this pool may sit in others' histories."""
    if pool.slabs != NULL:
        munmap(pool.slabs, pool.capacity * sizeof(Packet))
        pool.slabs = NULL


cdef Packet *pool_take(Pool *pool) noexcept nogil:
    """A packet with one reference, or NULL at the ceiling. Only the owner calls this."""
    cdef Packet *packet
    if pool.free == NULL:
        packet = <Packet *>exchange_ptr(&pool.returned, NULL)
        pool.free = packet
        while packet != NULL:
            pool.in_use -= 1
            packet = packet.next
    packet = pool.free
    if packet != NULL:
        pool.free = packet.next
    elif pool.touched < pool.capacity:
        packet = &pool.slabs[pool.touched]
        pool.touched += 1
        packet.pool = pool
    else:
        return NULL
    pool.in_use += 1
    packet.refs = 1
    return packet


cdef void packet_keep(Packet *packet) noexcept nogil:
    """One more holder."""
    add_i32(&packet.refs, 1)


cdef void packet_drop(Packet *packet, Pool *mine) noexcept nogil:
    """One holder less; `mine` is the pool of the calling worker."""
    cdef void *head
    if sub_i32(&packet.refs, 1) != 0:
        return
    if packet.pool == mine:
        packet.next = mine.free
        mine.free = packet
        mine.in_use -= 1
        return
    head = load_ptr(&packet.pool.returned)
    packet.next = <Packet *>head
    while not cas_ptr(&packet.pool.returned, &head, packet):
        packet.next = <Packet *>head
