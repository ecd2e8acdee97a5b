"""Consent checks of a connected peer, answered where they arrive (RFC 7675, RFC 8489, RFC 8445 7.3).

Every peer asks every few seconds, so with hundreds of peers checks come at a rate at which waking Python costs
more than forwarding. What is answered here is only the plain repetition of what the control plane has agreed to: a
binding request from the selected path, with the agreed username and a right MESSAGE-INTEGRITY, from the controlling
side, without an attribute that would have to be understood. Everything else, and so every decision, goes to sfu/ice.py.
The control plane learns when a peer was last heard by reading `last_check_ns` when its deadline comes.

SHA-1 (RFC 3174), HMAC (RFC 2104) and CRC-32 are here because nothing that can be called without the GIL and without
system headers offers them; they serve this one message.
"""

from libc.stdint cimport uint8_t, uint32_t

from native.state cimport Address, Consent, Peer, Worker

cdef enum:
    SHA1_BYTES = 20

cdef void hmac_key(Consent *consent, const uint8_t *key, int size) noexcept nogil
cdef void hmac_sha1(const Consent *consent, const uint8_t *data, int size, uint8_t *out) noexcept nogil
cdef uint32_t crc32(const uint8_t *data, int size) noexcept nogil
cdef bint consent_answered(Worker *w, Peer *peer, Address *address, uint8_t *data, int size) noexcept nogil
