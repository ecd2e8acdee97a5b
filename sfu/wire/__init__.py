"""What travels in one datagram or one description: bytes or text to values, and back.

Each module is one format (stun, rtp, rtcp, sdp) and holds no state, reads no clock and does no I/O. The rule for all of
them: whatever the input, a parser returns a value or raises `Malformed`. Anything else that escapes is a bug of ours.
"""


class Malformed(ValueError):
    """The input is not what the format allows; the sender is at fault, and only the sender hears about it."""


__all__ = ["Malformed"]
