"""Consent checks, answered where they arrive; consent.pxd states the rules."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from native.os cimport EAGAIN, ENOBUFS, MSG_DONTWAIT, errno, sendto, sockaddr
from native.rtp cimport get_u16, get_u32, put_u16, put_u32
from native.state cimport C_CONSENT_ANSWERED, C_DROP_SEND_ERROR, C_DROP_SEND_FULL
from native.table cimport address_equal

cdef enum:
    HEADER = 20
    COOKIE = 0x2112A442
    BINDING_REQUEST = 0x0001
    BINDING_SUCCESS = 0x0101
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A
    INTEGRITY_BYTES = 24    # attribute and its head
    FINGERPRINT_BYTES = 8
    FINGERPRINT_MASK = 0x5354554E
    LARGEST_CHECK = 512     # a longer one is left to Python
    BLOCK = 64


cdef inline uint32_t rotate(uint32_t x, int n) noexcept nogil:
    return (x << n) | (x >> (32 - n))


cdef void sha1_block(uint32_t *state, const uint8_t *block) noexcept nogil:
    cdef uint32_t words[80]
    cdef uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4]
    cdef uint32_t f, k, t
    cdef int i
    for i in range(16):
        words[i] = get_u32(<uint8_t *>block + 4 * i)
    for i in range(16, 80):
        words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1)
    for i in range(80):
        if i < 20:
            f = (b & c) | (~b & d)
            k = <uint32_t>0x5A827999
        elif i < 40:
            f = b ^ c ^ d
            k = <uint32_t>0x6ED9EBA1
        elif i < 60:
            f = (b & c) | (b & d) | (c & d)
            k = <uint32_t>0x8F1BBCDC
        else:
            f = b ^ c ^ d
            k = <uint32_t>0xCA62C1D6
        t = rotate(a, 5) + f + e + k + words[i]
        e = d
        d = c
        c = rotate(b, 30)
        b = a
        a = t
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e


cdef void sha1_start(uint32_t *state) noexcept nogil:
    state[0] = <uint32_t>0x67452301
    state[1] = <uint32_t>0xEFCDAB89
    state[2] = <uint32_t>0x98BADCFE
    state[3] = <uint32_t>0x10325476
    state[4] = <uint32_t>0xC3D2E1F0


cdef void sha1_finish(const uint32_t *start, int before, const uint8_t *data, int size, uint8_t *out) noexcept nogil:
    """The digest of `before` bytes already in `start` and of `data`."""
    cdef uint32_t state[5]
    cdef uint8_t last[128]
    cdef int left = size
    cdef int tail, i
    memcpy(state, start, sizeof(state))
    while left >= BLOCK:
        sha1_block(state, data + size - left)
        left -= BLOCK
    memset(last, 0, sizeof(last))
    memcpy(last, data + size - left, left)
    last[left] = 0x80
    tail = BLOCK if left < 56 else 2 * BLOCK
    put_u32(last + tail - 4, <uint32_t>(before + size) * 8)
    sha1_block(state, last)
    if tail > BLOCK:
        sha1_block(state, last + BLOCK)
    for i in range(5):
        put_u32(out + 4 * i, state[i])


cdef void hmac_key(Consent *consent, const uint8_t *key, int size) noexcept nogil:
    """Prepare the key: the two states after the padded key, so that a check costs no blocks for it."""
    cdef uint8_t block[BLOCK]
    cdef uint32_t plain[5]
    cdef int i
    memset(block, 0, BLOCK)
    if size > BLOCK:
        sha1_start(plain)
        sha1_finish(plain, 0, key, size, block)
    else:
        memcpy(block, key, size)
    for i in range(BLOCK):
        block[i] ^= 0x36
    sha1_start(consent.inner)
    sha1_block(consent.inner, block)
    for i in range(BLOCK):
        block[i] ^= 0x36 ^ 0x5C
    sha1_start(consent.outer)
    sha1_block(consent.outer, block)


cdef void hmac_sha1(const Consent *consent, const uint8_t *data, int size, uint8_t *out) noexcept nogil:
    """HMAC-SHA-1 of `data`, 20 bytes to `out`."""
    cdef uint8_t digest[SHA1_BYTES]
    sha1_finish(consent.inner, BLOCK, data, size, digest)
    sha1_finish(consent.outer, BLOCK, digest, SHA1_BYTES, out)


cdef uint32_t crc32(const uint8_t *data, int size) noexcept nogil:
    """CRC-32 of ISO 3309, as FINGERPRINT takes it (RFC 8489 14.7)."""
    cdef uint32_t crc = <uint32_t>0xFFFFFFFF
    cdef int i, bit
    for i in range(size):
        crc ^= data[i]
        for bit in range(8):
            crc = (crc >> 1) ^ (<uint32_t>0xEDB88320 if crc & 1 else 0)
    return ~crc


cdef bint right_integrity(const Consent *consent, uint8_t *data, int at) noexcept nogil:
    """Whether the MESSAGE-INTEGRITY attribute at `at` is that of the message before it (RFC 8489 14.5)."""
    cdef uint8_t digest[SHA1_BYTES]
    cdef uint16_t length = get_u16(data + 2)
    cdef uint8_t different = 0
    cdef int i
    # The length that was signed ends with this attribute, whatever follows.
    put_u16(data + 2, <uint16_t>(at + INTEGRITY_BYTES - HEADER))
    hmac_sha1(consent, data, at, digest)
    put_u16(data + 2, length)
    for i in range(SHA1_BYTES):
        different |= digest[i] ^ data[at + 4 + i]
    return different == 0


cdef bint consent_answered(Worker *w, Peer *peer, Address *address, uint8_t *data, int size) noexcept nogil:
    """Answer a check if it is no more than a repetition; False: it is for the control plane, untouched."""
    cdef Consent *consent = peer.consent
    cdef int at = HEADER
    cdef int kind, length
    cdef int integrity = 0
    cdef bint named = False
    cdef bint controlling = False
    if consent == NULL or not address_equal(address, &peer.selected) or size > LARGEST_CHECK:
        return False
    if get_u16(data) != BINDING_REQUEST or get_u16(data + 2) != size - HEADER or get_u32(data + 4) != <uint32_t>COOKIE:
        return False
    while at + 4 <= size:
        kind = get_u16(data + at)
        length = get_u16(data + at + 2)
        if at + 4 + length > size:
            return False
        if integrity:
            # Only FINGERPRINT may follow, and it is the last (RFC 8489 14.7).
            if kind != FINGERPRINT or length != 4 or at + FINGERPRINT_BYTES != size:
                return False
            if get_u32(data + at + 4) != (crc32(data, at) ^ <uint32_t>FINGERPRINT_MASK):
                return False
        elif kind == USERNAME:
            if length != consent.username_size or memcmp(data + at + 4, consent.username, length) != 0:
                return False
            named = True
        elif kind == MESSAGE_INTEGRITY:
            if length != SHA1_BYTES:
                return False
            integrity = at
        elif kind == ICE_CONTROLLING:
            controlling = True
        elif kind == ICE_CONTROLLED or kind == FINGERPRINT:
            return False
        elif kind < 0x8000 and kind != PRIORITY and kind != USE_CANDIDATE:
            return False
        at += 4 + ((length + 3) & ~3)
    if at != size or not named or not controlling or not integrity or not right_integrity(consent, data, integrity):
        return False
    peer.last_check_ns = w.now
    succeed(w, peer, address, data)
    w.counters[C_CONSENT_ANSWERED] += 1
    return True


cdef void succeed(Worker *w, Peer *peer, Address *address, const uint8_t *request) noexcept nogil:
    """Send the success response: the address that we see, signed, with a fingerprint (RFC 8489 6.3.1, RFC 8445 7.3.1.2)."""
    cdef uint8_t *out = w.scratch
    cdef int ip_bytes = 4 if address.family == 4 else 16
    cdef int at = HEADER
    cdef int i
    put_u16(out, BINDING_SUCCESS)
    memcpy(out + 4, request + 4, 16)
    put_u16(out + at, XOR_MAPPED_ADDRESS)
    put_u16(out + at + 2, <uint16_t>(4 + ip_bytes))
    out[at + 4] = 0
    out[at + 5] = 1 if address.family == 4 else 2
    put_u16(out + at + 6, address.port ^ <uint16_t>(COOKIE >> 16))
    for i in range(ip_bytes):
        # Cookie and transaction id, which follow each other in the header, are the mask.
        out[at + 8 + i] = address.ip[16 - ip_bytes + i] ^ request[4 + i]
    at += 8 + ip_bytes
    put_u16(out + 2, <uint16_t>(at + INTEGRITY_BYTES - HEADER))
    hmac_sha1(peer.consent, out, at, out + at + 4)
    put_u16(out + at, MESSAGE_INTEGRITY)
    put_u16(out + at + 2, SHA1_BYTES)
    at += INTEGRITY_BYTES
    put_u16(out + 2, <uint16_t>(at + FINGERPRINT_BYTES - HEADER))
    put_u32(out + at + 4, crc32(out, at) ^ <uint32_t>FINGERPRINT_MASK)
    put_u16(out + at, FINGERPRINT)
    put_u16(out + at + 2, 4)
    at += FINGERPRINT_BYTES
    if sendto(w.sockets[peer.sock], out, at, MSG_DONTWAIT, <sockaddr *>&peer.remote, peer.remote_size) < 0:
        w.counters[C_DROP_SEND_FULL if errno == EAGAIN or errno == ENOBUFS else C_DROP_SEND_ERROR] += 1
