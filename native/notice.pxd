"""What a worker tells the control plane: datagrams for the machines there, and small news.

One ring a worker, one eventfd for the plane, set once until the control plane has looked. A full ring drops
and counts. Datagrams from addresses that have passed no check may fill half of it, those of peers all but a
reserve, so that a flood from strangers never takes the place of a peer's consent or of news.
"""

from libc.stdint cimport uint8_t, uint32_t

from native.state cimport Address, Notice, Worker

cdef bint post_datagram(
    Worker *w, uint8_t kind, Address *address, bint known, uint32_t id, uint8_t *data, int size
) noexcept nogil
cdef bint post_small(Worker *w, uint8_t kind, uint32_t id, uint32_t number) noexcept nogil
# Many small news in one: begin (NULL: no room, say it again later), put until it is full, end.
cdef Notice *begin_levels(Worker *w) noexcept nogil
cdef bint put_level(Notice *notice, uint32_t key, uint32_t level) noexcept nogil
cdef void end_levels(Worker *w) noexcept nogil
