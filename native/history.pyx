"""A publication's recent packets; history.pxd states the rules."""

from libc.stdint cimport int16_t

from native.pool cimport packet_drop


cdef void history_put(History *history, Packet *packet, Pool *mine) noexcept nogil:
    """Takes over the caller's reference to `packet`. A packet older than the whole ring is dropped at once."""
    cdef uint16_t seq = packet.seq
    cdef int at = seq & (HISTORY_SLOTS - 1)
    if not history.begun:
        history.begun = 1
        history.oldest = history.newest = seq
    elif <int16_t>(seq - history.newest) > 0:
        history.newest = seq
        if <uint16_t>(seq - history.oldest) >= HISTORY_SLOTS:
            # Slots that the jump left behind still hold their packets; each goes when its slot is used
            # again or trimmed: trimming walks one ring's length at most.
            history.oldest = seq - HISTORY_SLOTS + 1
    elif <uint16_t>(history.newest - seq) >= HISTORY_SLOTS:
        packet_drop(packet, mine)
        return
    elif <int16_t>(seq - history.oldest) < 0:
        # Trimming went past its place, and must come by again.
        history.oldest = seq
    if history.slots[at] != NULL:
        packet_drop(history.slots[at], mine)
    history.slots[at] = packet


cdef Packet *history_get(History *history, uint16_t seq) noexcept nogil:
    """The packet of that number if it is still held (borrowed: the reference stays the history's), else NULL."""
    cdef Packet *packet = history.slots[seq & (HISTORY_SLOTS - 1)]
    if packet == NULL or packet.seq != seq:
        return NULL
    return packet


cdef void history_trim(History *history, uint64_t before_ns, Pool *mine) noexcept nogil:
    """Give back packets that arrived before `before_ns`, oldest first, stopping at the first younger one."""
    cdef int at
    if not history.begun:
        return
    while history.oldest != history.newest:
        at = history.oldest & (HISTORY_SLOTS - 1)
        if history.slots[at] != NULL:
            if history.slots[at].arrived_ns >= before_ns:
                return
            packet_drop(history.slots[at], mine)
            history.slots[at] = NULL
        history.oldest += 1


cdef void history_clear(History *history, Pool *mine) noexcept nogil:
    """Give everything back; the history is as new."""
    cdef int at
    for at in range(HISTORY_SLOTS):
        if history.slots[at] != NULL:
            packet_drop(history.slots[at], mine)
            history.slots[at] = NULL
    history.begun = 0
