"""SRTP sessions for the data plane (RFC 3711, 7714), made by pylibsrtp and used by pointer.

Python makes and keeps a session; a worker calls libsrtp's C functions on its pointer without the GIL. One
session is used by one thread only. `Session` must outlive the worker's use: plane.pyx keeps it until the worker
has retired the peer.
"""

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

# Packets by which one may be late and still be told from a replay. libsrtp shifts the whole window for each packet in
# order, and it keeps one for what it sends too, where nothing comes late but what came late to us.
REPLAY_WINDOW = {True: 1024, False: 128}

# Profile: libsrtp's number, master key + salt bytes, bytes that SRTCP adds, position of its E bit from the end.
# RFC 7714 9 puts the index word last, RFC 3711 3.4 before the 10 bytes of the tag.
PROFILES = {
    "GCM_128": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28, 20, 4),
    "GCM_256": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44, 20, 4),
    "CM_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30, 14, 14),
}


def session(profile: str, key: bytes, inbound: bool) -> Session:
    """A session for all SSRCs of one direction. `key` is master key and salt, as long as the profile says."""
    number, size, _, _ = PROFILES[profile]
    if len(key) != size:
        raise ValueError(f"{profile} takes {size} bytes of key and salt, not {len(key)}")
    policy = Policy(
        key=key,
        ssrc_type=Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND,
        srtp_profile=number,
    )
    policy.window_size = REPLAY_WINDOW[inbound]
    return Session(policy)


def pointer(made: Session) -> int:
    """The srtp_t of a session; it is freed with the session."""
    return int(ffi.cast("uintptr_t", made._srtp[0]))


def function(name: str) -> int:
    """The address of one of libsrtp's functions, callable from any thread without the GIL."""
    return int(ffi.cast("uintptr_t", ffi.addressof(lib, name)))
