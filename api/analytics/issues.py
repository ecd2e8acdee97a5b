"""What may be wrong with a call, by code (contract analytics, section 6)."""

from types import MappingProxyType
from typing import Final

import attrs


@attrs.frozen
class Kind:
    type: str
    """error or warning."""
    title: str
    explanation: str


ISSUES: Final = MappingProxyType(
    {
        "no_media_access": Kind(
            "error",
            "Could not access any media device",
            "Every request for a camera or a microphone was refused. The person may have denied it, or has none.",
        ),
        "ice_failed": Kind(
            "error",
            "Connection could not be established",
            "None of the ways between the two ends worked. A firewall may be in between, and no TURN server around it.",
        ),
        "no_connection": Kind(
            "error",
            "The participant could not establish a connection",
            "The participant tried to connect and left without ever having been connected to anybody.",
        ),
        "connection_failed": Kind(
            "error",
            "Connection failed",
            "A connection was lost and did not come back, or never came up.",
        ),
        "very_low_emos": Kind(
            "error",
            "The participant had a very bad experience during the conference",
            "What the participant heard was hard to understand for a good part of the time.",
        ),
        "low_emos": Kind(
            "warning",
            "Participant had a less than ideal experience",
            "What the participant heard was disturbed for a good part of the time.",
        ),
        "getusermedia_error": Kind(
            "warning",
            "Problem accessing media",
            "The browser refused a camera or a microphone. Its reason is in the data.",
        ),
        "icecandidateerror": Kind(
            "warning",
            "ICE candidate error",
            "A STUN or TURN server did not answer as it should. The error code is in the data.",
        ),
        "connection_disconnected": Kind(
            "warning",
            "Connection disconnected",
            "A connection was interrupted for some seconds. It may have come back by itself.",
        ),
        "multiple_rejoins": Kind(
            "warning",
            "Multiple rejoins",
            "The participant came into this conference more than once: the page was reloaded, or the call broke.",
        ),
        "tcp_used": Kind(
            "warning",
            "Media sent over TCP",
            "UDP did not get through, and over TCP a lost packet delays all that follow.",
        ),
        "turn_used": Kind(
            "warning",
            "Connection relayed through a TURN server",
            "There was no direct way between the two ends. The detour adds delay.",
        ),
    }
)

ERRORS: Final = frozenset(code for code, kind in ISSUES.items() if kind.type == "error")
"""Codes; all others are warnings."""
