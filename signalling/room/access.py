"""Who gets into a room (contract room-api, section 5.1): the table as one pure function.

Whether somebody's credentials are sound is settled before; a wrong pair never comes here, not even for an open room.
"""

from attrs import frozen

from signalling.ports import ListedUser, RoomRecord
from signalling.room.errors import Unauthorized


@frozen
class Admission:
    is_admin: bool


def listed(room: RoomRecord, user_id: str | None) -> ListedUser | None:
    return next((member for member in room.members if member.user_id == user_id), None)


def asks_password(room: RoomRecord, user_id: str | None) -> bool:
    """Whether the room password decides anything here; checking one costs a tenth of a second of CPU."""
    if room.open:
        return False
    if room.force_password:
        return True
    return not room.force_waiting_room and listed(room, user_id) is None


def admit(room: RoomRecord, user_id: str | None, knows_password: bool) -> Admission | None:
    """None: somebody inside has to decide. A room password never makes an admin; `open` beats every other flag."""
    entry = listed(room, user_id)
    is_admin = entry is not None and entry.admin
    if room.open:
        return Admission(is_admin)
    if room.force_password and not knows_password:
        raise Unauthorized("this room needs its password")
    if room.force_waiting_room:
        return Admission(is_admin) if is_admin else None
    if room.force_password or entry is not None or knows_password:
        return Admission(is_admin)
    return None
