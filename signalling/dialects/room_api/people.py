"""Members and waiting parties as JSON: the shapes that results and notifications share (contract room-api, 5.1 and 5.4)."""

import json
from collections.abc import Sequence
from functools import lru_cache

from attrs import asdict

from sfu.negotiation import stream_id
from signalling.room.member import Member, WaitingParty


# A crowd that joins within a second reads each member's description as often as it has members.
@lru_cache(maxsize=4096)
def member_json(member: Member) -> str:
    return json.dumps(asdict(member) | {"stream": stream_id(member.id)})


def members_json(members: Sequence[Member]) -> str:
    return "[" + ", ".join(map(member_json, members)) + "]"


def waiting_party(party: WaitingParty) -> dict[str, str]:
    """`user` is there only if it says something: that the party is somebody, and not one who was expected."""
    user = party.shown_user
    return {"member": party.id, "name": party.name} | ({} if user is None else {"user": user})
