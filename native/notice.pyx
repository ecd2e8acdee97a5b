"""What a worker tells the control plane; notice.pxd states the rules."""

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from native.os cimport exchange_u32, write
from native.ring cimport ring_commit, ring_free, ring_reserve
from native.state cimport C_DROP_NOTICE_RING_FULL, C_NOTICES, NOTICE_BYTES, NOTICE_LEVELS, LevelNews, Notice

cdef enum:
    RESERVE = 64  # slots that only small news may take


cdef void notify(Worker *w) noexcept nogil:
    cdef uint64_t one = 1
    ring_commit(&w.notices)
    w.counters[C_NOTICES] += 1
    if exchange_u32(w.notified, 1) == 0:
        write(w.notify, &one, 8)


cdef bint post_datagram(
    Worker *w, uint8_t kind, Address *address, bint known, uint32_t id, uint8_t *data, int size
) noexcept nogil:
    """Pass a STUN or DTLS datagram on. False: it was dropped and counted."""
    cdef uint64_t left = ring_free(&w.notices)
    cdef Notice *notice
    if size > NOTICE_BYTES or left <= (RESERVE if known else (w.notices.mask + 1) // 2):
        w.counters[C_DROP_NOTICE_RING_FULL] += 1
        return False
    notice = <Notice *>ring_reserve(&w.notices)
    notice.kind = kind
    notice.known = known
    notice.id = id
    notice.size = <unsigned short>size
    notice.address = address[0]
    memcpy(notice.data, data, size)
    notify(w)
    return True


cdef bint post_small(Worker *w, uint8_t kind, uint32_t id, uint32_t number) noexcept nogil:
    """Pass news on. False: no room, say it again later."""
    cdef Notice *notice = <Notice *>ring_reserve(&w.notices)
    if notice == NULL:
        return False
    notice.kind = kind
    notice.id = id
    notice.number = number
    notice.size = 0
    notify(w)
    return True


cdef Notice *begin_levels(Worker *w) noexcept nogil:
    """An empty notice of levels, not yet to be seen; NULL: no room."""
    cdef Notice *notice = <Notice *>ring_reserve(&w.notices)
    if notice != NULL:
        notice.kind = NOTICE_LEVELS
        notice.size = 0
        notice.number = 0
    return notice


cdef bint put_level(Notice *notice, uint32_t key, uint32_t level) noexcept nogil:
    """Whether there is room for another one after it."""
    cdef LevelNews *news = <LevelNews *>notice.data + notice.number
    news.key = key
    news.level = level
    notice.number += 1
    return (notice.number + 1) * sizeof(LevelNews) <= NOTICE_BYTES


cdef void end_levels(Worker *w) noexcept nogil:
    notify(w)
