"""pylibsrtp for native threads: sessions made in Python, called in C by address.

Whoever hands an address out keeps the Session alive for as long as a thread may use it.
"""

from typing import Final

from pylibsrtp import Policy, Session
from pylibsrtp._binding import ffi, lib

PROFILES: Final = {
    "GCM_128": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "GCM_256": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    "CM_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


def _address(name: str) -> int:
    return int(ffi.cast("uintptr_t", ffi.addressof(lib, name)))


ADDRESSES: Final = (
    _address("srtp_protect"),
    _address("srtp_unprotect"),
    _address("srtp_protect_rtcp"),
    _address("srtp_unprotect_rtcp"),
)


def outbound(profile: str, key: bytes) -> Session:
    return Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=PROFILES[profile]))


def inbound(profile: str, key: bytes) -> Session:
    """Its replay window spans a second and more of packets, because only one in 16 is ever shown to it."""
    policy = Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=PROFILES[profile])
    policy.window_size = 1024
    return Session(policy)


def pointer(session: Session) -> int:
    """The srtp_t behind a session."""
    return int(ffi.cast("uintptr_t", session._srtp[0]))
