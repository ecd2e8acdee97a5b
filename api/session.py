"""One session of a licence's room, and who was in it (contract s-connector, section 5): what is kept of it while it runs
or rests, and how it goes into the store and comes back. When it begins, changes and ends is `sessions`' part.
"""

import math
import secrets
import string
from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs

from api.store.sessions import ConnectionRecord, SessionRecord
from api.store.tables import LOCATION_CHARS, PLATFORM_CHARS, ROOM_NAME_CHARS, USER_NAME_CHARS
from signalling.ports import RoomEvent
from signalling.room.member import Member

ALPHANUMERIC = string.ascii_lowercase + string.digits


@attrs.frozen
class Visitor:
    """What is known of where somebody came from; empty what is not."""

    location: str
    platform: str


@attrs.define(eq=False)
class Connection:
    """One person in a session, from coming in to going out."""

    id: int
    connection_id: str
    token: str = attrs.field(repr=False)
    user_name: str
    role: str
    location: str
    platform: str
    created_at: datetime
    left_at: datetime | None = None
    is_written: bool = False
    """As it is now."""

    @classmethod
    def of(cls, id: int, member: Member, visitor: Visitor, at: datetime) -> "Connection":
        return cls(
            id=id,
            connection_id=_made("con_", 10),
            token=_made("tok_", 16),
            user_name=_storable(member.name, USER_NAME_CHARS),
            role="MODERATOR" if member.is_admin else "PUBLISHER",
            location=_storable(visitor.location, LOCATION_CHARS),
            platform=_storable(visitor.platform, PLATFORM_CHARS),
            created_at=at,
        )

    def record(self, session: int) -> ConnectionRecord:
        return ConnectionRecord(
            id=self.id,
            session=session,
            connection_id=self.connection_id,
            token=self.token,
            user_name=self.user_name,
            role=self.role,
            location=self.location,
            platform=self.platform,
            created_at=self.created_at,
            left_at=self.left_at,
        )

    @classmethod
    def found(cls, record: ConnectionRecord, until: datetime) -> "Connection":
        """One of a server that has ended, which has seen it until then."""
        return cls(
            id=record.id,
            connection_id=record.connection_id,
            token=record.token,
            user_name=record.user_name,
            role=record.role,
            location=record.location,
            platform=record.platform,
            created_at=record.created_at,
            left_at=record.left_at or max(record.created_at, until),
            is_written=record.left_at is not None,
        )


@attrs.define(eq=False)
class Session:
    """One that runs, or rests, or is over and has yet to be written."""

    id: int
    licence: str
    session_id: str
    room: str
    room_name: str
    began_at: datetime
    started: float
    """The same by the clock that is never set: its length is measured by this one."""
    until: datetime
    """Its end, or when it was last seen to run."""
    visits: int = 0
    present: dict[str, Connection] = attrs.field(factory=dict)
    """Who is there, by member id."""
    gone: list[Connection] = attrs.field(factory=list)
    """Who has left, in that order; SESSION_VISITORS at most."""
    forgotten: set[int] = attrs.field(factory=set)
    """Connections that are still in the store."""
    is_over: bool = False
    version: int = 0
    """Another one whenever anything of it has changed."""

    @classmethod
    def begun(cls, id: int, event: RoomEvent, started: float) -> "Session":
        return cls(
            id=id,
            licence=event.licence,
            session_id=_made("ses_", 10),
            room=event.room,
            room_name=_storable(event.name, ROOM_NAME_CHARS),
            began_at=event.at,
            started=started,
            until=event.at,
        )

    @classmethod
    def found(cls, record: SessionRecord, connections: Iterable[ConnectionRecord]) -> "Session":
        """As it was when a server that has ended saw it last; whoever was there then is gone."""
        return cls(
            id=record.id,
            licence=str(record.licence_id),
            session_id=record.session_id,
            room=record.room,
            room_name=record.room_name,
            began_at=record.began_at,
            started=math.inf,
            until=record.until,
            visits=record.visits,
            gone=[Connection.found(each, record.until) for each in connections],
        )

    @property
    def connections(self) -> list[Connection]:
        """In the order in which they came."""
        return sorted([*self.gone, *self.present.values()], key=lambda connection: connection.id)

    def moment(self, monotonic: float) -> datetime:
        """In its own time, which the setting of clocks does not change."""
        return max(self.until, self.began_at + timedelta(seconds=monotonic - self.started))

    def record(self) -> SessionRecord:
        return SessionRecord(
            id=self.id,
            licence_id=int(self.licence),
            session_id=self.session_id,
            room=self.room,
            room_name=self.room_name,
            began_at=self.began_at,
            until=self.until,
            running=not self.is_over,
            visits=self.visits,
        )


def _storable(text: str, longest: int) -> str:
    """What no database refuses: one bad name must not keep the others from being written."""
    return "".join(letter for letter in text if letter != "\0" and not "\ud800" <= letter <= "\udfff")[:longest]


def _made(prefix: str, length: int) -> str:
    return prefix + "".join(secrets.choice(ALPHANUMERIC) for _ in range(length))
