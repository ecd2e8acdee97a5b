"""What leaves a worker: numbering, header extensions, SRTP, and datagram trains.

A publication's batch is written once for each subscription into the socket's arena: header, extensions, payload,
encrypted in place. Packets of one size to one peer lie end to end and leave as one UDP_SEGMENT message
(the last may be shorter); all messages of a batch leave by one sendmmsg. Nothing is delayed: the
batch is what one receive call brought.

Nothing here allocates (libsrtp does, once, at the first packet of an SSRC). What cannot be sent is dropped and counted by its reason.
"""

from libc.stdint cimport uint8_t, uint16_t

from native.state cimport Peer, Publication, Sender, Subscription, Worker

cdef void forward(Worker *w, Publication *p) noexcept nogil
cdef void flush(Worker *w, Sender *sender) noexcept nogil
cdef void flush_all(Worker *w) noexcept nogil
cdef void retransmit(Worker *w, Subscription *s, uint16_t out_seq) noexcept nogil
cdef void send_rtcp(Worker *w, Peer *peer, uint8_t *packet, int size) noexcept nogil
cdef void request_key(Worker *w, Publication *p) noexcept nogil
cdef void wake_worker(Worker *other) noexcept nogil
cdef void send_pending_key_request(Worker *w, Publication *p) noexcept nogil
