"""Members and waiting parties as JSON: the shapes that results and notifications share (contract room-api, 5.1 and 5.4)."""

import json
from collections.abc import Sequence
from functools import lru_cache

from sfu.negotiation import stream_id
from signalling.room.member import Member, WaitingParty

PUBLIC = (
    "id",
    "user",
    "name",
    "is_admin",
    "hand_raised",
    "screen_share",
    "audio_muted",
    "video_muted",
    "audio_muted_by_admin",
    "video_muted_by_admin",
    "is_sip",
)
"""What of a Member this protocol shows, by the same names."""


# A crowd that joins within a second reads each member's description as often as it has members.
@lru_cache(maxsize=4096)
def member_json(member: Member) -> str:
    return json.dumps({name: getattr(member, name) for name in PUBLIC} | {"stream": stream_id(member.id)})


def members_json(members: Sequence[Member]) -> str:
    return "[" + ", ".join(map(member_json, members)) + "]"


def waiting_party(party: WaitingParty) -> dict[str, str]:
    """`user` is there only if it says something: that the party is somebody, and not one who was expected."""
    user = party.shown_user
    return {"member": party.id, "name": party.name} | ({} if user is None else {"user": user})
