"""libsrtp as the data plane sees it: opaque sessions and four function pointers.

pylibsrtp's wheel carries libsrtp and its cffi module gives the addresses of the plain C functions,
so no system header or library is needed. A session is made and freed by its pylibsrtp.Session, which
the control plane keeps alive for as long as a worker may use the pointer.
"""

ctypedef void *srtp_t

# 0 is success; 7 authentication failed, 9 replayed, 10 too old (libsrtp's srtp_err_status_t).
ctypedef int (*srtp_call)(srtp_t session, void *packet, int *size) noexcept nogil

cdef enum:
    SRTP_OK = 0
    SRTP_AUTH_FAIL = 7
    SRTP_REPLAY_FAIL = 9
    SRTP_REPLAY_OLD = 10
    # The most that protecting adds: SRTCP index word and the longest tag (RFC 3711, 7714).
    SRTP_TRAILER = 4 + 16
