"""A worker's life: one thread, its sockets, its rings, one epoll.

Round: wait > commands of the control plane > packets of other workers > each socket's batches > the tick. Tables
change only in the command step, so a batch sees one set of tables from its first packet to its last.

A worker that has no media sleeps until something comes; with media it also wakes after 20 ms at most, for feedback.
"""

from native.state cimport Worker

cdef int worker_open(Worker *w, unsigned long slabs, unsigned long notices) noexcept nogil
cdef void worker_close(Worker *w) noexcept nogil
cdef void worker_run(Worker *w) noexcept nogil
