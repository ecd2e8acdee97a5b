"""What reaches a worker: datagrams to their owners, media to their publication.

The first byte tells STUN, DTLS and media apart (RFC 7983); the address tells whose it is. Media is decrypted
once, in the receive buffer, then copied once into a slab. An SSRC is believed only after its packet was authenticated;
it is bound to a section by signalling, by the mid extension, or by a payload type that only one section has
(RFC 8843 9.2). Bad packets are counted by their reason and never raise.
"""

from native.state cimport Bus, Worker

cdef void receive(Worker *w, int sock) noexcept nogil
cdef void arrive_from_others(Worker *w) noexcept nogil
cdef void forward_work(Worker *w) noexcept nogil
cdef void name_dominant(Worker *w, Bus *bus) noexcept nogil
