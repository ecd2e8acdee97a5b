"""The receive side of one SSRC: what came, what is missing, what to tell the sender.

RFC 3550 A.1 (sequence numbers), A.3 (loss), A.8 (jitter), 6.4.1 (LSR, DLSR); RFC 4585 6.2.1 (NACK), RFC 4588
(what returns on the RTX stream is `recovered`, not received: it does not beautify the loss that we report).

Packets reach this only after SRTP authenticated them, so there is no probation: the first one counts.
`highest` is extended to 64 bits and starts at 2**16, so that packets older than the first have a number too.
A gap is asked for when three packets came after it opened or it is 10 ms old, then each 40 ms, 8 times at most,
and not after a second. More than 256 missing is beyond repair: the list is emptied and `keyframe_needed` set,
which the owner clears. Only the owner's thread touches a Reception; `now` never runs backwards.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t, uint8_t

from native.rtcp cimport ReportBlock

cdef enum:
    RECEPTION_WINDOW = 1024  # numbers below the highest whose arrival is remembered
    RECEPTION_MISSING = 256

cdef enum Arrival:
    ARRIVED_NEW = 0  # the newest so far
    ARRIVED_LATE = 1  # older, and not seen before
    ARRIVED_DUPLICATE = 2  # drop
    ARRIVED_JUMP = 3  # drop: far away from the rest, believed only if its successor comes next (A.1)
    ARRIVED_RESET = 4  # that successor: the source began anew; numbering, history and gaps start over

cdef struct Missing:
    uint64_t ext
    uint64_t born
    uint64_t due  # when to ask, or ask again
    uint64_t received  # packets that had come before the gap opened
    uint32_t asked

cdef struct Reception:
    uint64_t ext  # extended number of the packet just given
    uint64_t highest
    uint64_t base
    uint64_t received  # without duplicates
    uint64_t recovered  # by RTX
    uint64_t duplicates
    uint64_t expected_prior
    uint64_t received_prior
    uint64_t nack_at  # reception_nacks has work at this time; UINT64_MAX: none
    uint64_t ripe_at  # value of `received` at which an unasked gap is three packets old
    uint64_t sr_at
    uint32_t clock_hz
    uint32_t transit
    uint32_t jitter_16  # 16 times the jitter, as in A.8
    uint32_t lsr
    int32_t bad_next  # the number that would prove a jump; -1: none
    int started
    int keyframe_needed
    int missing_count
    uint64_t seen[16]  # bit ext % 1024
    Missing missing[256]  # by ext, oldest first

cdef void reception_init(Reception *r, uint32_t clock_hz) noexcept nogil
cdef int reception_packet(Reception *r, uint16_t seq, uint32_t ts, uint64_t now) noexcept nogil
# 1 if the packet was not here yet and is worth forwarding, 0 if it was, is too old or never was due.
cdef int reception_recovered(Reception *r, uint16_t seq) noexcept nogil
# All of the block but its ssrc: 1, or 0 if nothing came since the last report (then say nothing).
cdef int reception_report(Reception *r, ReportBlock *block, uint64_t now) noexcept nogil
cdef void reception_sender_report(Reception *r, uint32_t ntp_hi, uint32_t ntp_lo, uint64_t now) noexcept nogil
# Fills up to `limit` pairs for rtcp_put_nack and returns how many; call while reception_deadline is due.
cdef int reception_nacks(Reception *r, uint64_t now, uint16_t *pids, uint16_t *blps, int limit) noexcept nogil


cdef inline uint64_t reception_deadline(const Reception *r) noexcept nogil:
    return r.nack_at
