"""What is known of a conference while it is reported: the writer's working copy of its rows.

    Conference > Session > Connection, Track        Participant, of an app

All of a conference is loaded at once and worked on in memory; its rows are written behind each request that changed it. One
thread owns all of it. What a record shows beside what it was told is worked out by course.py.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

import attrs

from api.analytics import course
from api.analytics.course import ConferenceCourse, Course, Kind, Mark, Negotiation, SessionCourse, Span
from api.analytics.fields import json_of
from api.analytics.words import when
from api.store.tables import instant, moment_of

MILLISECOND: Final = timedelta(milliseconds=1)
LONGEST_MS: Final = 2**31 - 1
SERVER: Final = "atrium"
"""The SDK of sessions that the server reports by itself, and its own id as a participant."""

Row = Mapping[str, Any]


@attrs.define(eq=False)
class Participant:
    table: ClassVar[str] = "participants"

    number: int
    id: str
    app: int
    participant_id: str
    created_at: datetime
    name: str | None = None
    is_sfu: bool = False

    def row(self) -> Row:
        return attrs.asdict(self)


@attrs.define(eq=False)
class Track:
    table: ClassVar[str] = "tracks"

    number: int
    id: str
    session: int
    connection: int | None
    kind: str
    direction: str
    track_id: str
    label: str | None
    info: Mapping[str, Any]
    created_at: datetime

    def row(self) -> Row:
        return {**attrs.asdict(self, recurse=False), "info": json_of(self.info)}

    @classmethod
    def of(cls, row: Row) -> "Track":
        return cls(**{**row, "info": json.loads(row["info"])})


@attrs.define(eq=False)
class Connection:
    table: ClassVar[str] = "peer_connections"

    number: int
    id: str
    session: int
    conference: int
    participant: int
    peer: int
    created_at: datetime
    line: course.Connection
    course: Course
    type: str | None = None
    detected_tcp: bool = False
    detected_turn: bool = False
    established: bool = False

    @property
    def span(self) -> Span:
        return Span(self.line.start, self.course.end)

    def row(self) -> Row:
        line = self.line
        return {
            "number": self.number,
            "id": self.id,
            "session": self.session,
            "conference": self.conference,
            "participant": self.participant,
            "peer": self.peer,
            "type": self.type,
            "state": str(self.course.state),
            "negotiations": json_of([_negotiation(each) for each in self.course.negotiations]),
            "setup_ms": _setup_ms(self.course),
            "detected_tcp": self.detected_tcp,
            "detected_turn": self.detected_turn,
            "established": self.established,
            "arrival": line.arrival,
            "connected_at_start": line.is_connected_at_start,
            "marks": _of_marks(line.marks),
            "start_time": line.start,
            "end_time": self.course.end,
            "duration": 0 if self.course.end is None else course.seconds(line.start, self.course.end),
            "created_at": self.created_at,
        }

    @classmethod
    def of(cls, row: Row) -> "Connection":
        line = course.Connection(row["start_time"], row["arrival"], row["connected_at_start"], _marks(row["marks"]))
        same = "number id session conference participant peer created_at type detected_tcp detected_turn established"
        return cls(line=line, course=line.course(), **{name: row[name] for name in same.split()})


@attrs.define(eq=False)
class Session:
    table: ClassVar[str] = "call_sessions"

    number: int
    id: str
    conference: "Conference"
    participant: Participant
    created_at: datetime
    constraints: str | None = None
    """JSON text. So the next."""
    devices: str | None = None
    platform: str | None = None
    metadata: str | None = None
    geo_ip: str | None = None
    app_version: str | None = None
    webrtc_sdk: str | None = None
    marks: list[Mark] = attrs.field(factory=list)
    course: SessionCourse = SessionCourse(None, None, ())
    seconds: dict[str, int] = attrs.field(factory=dict)
    """Of calls that are over, by day, as they have been added to the app's."""
    events: int = 0
    """Of it, which the store can count."""
    media_asked: int = 0
    media_refused: int = 0
    connections: list[Connection] = attrs.field(factory=list)
    tracks: list[Track] = attrs.field(factory=list)
    issues: list[str] = attrs.field(factory=list)
    """Ids."""
    issued: set[tuple[str, int | None]] = attrs.field(factory=set)
    """Codes of its issues, with the number of the connection."""

    def row(self) -> Row:
        end = self.course.end
        told = "constraints devices platform metadata geo_ip app_version webrtc_sdk media_asked media_refused"
        return {
            "number": self.number,
            "id": self.id,
            "conference": self.conference.number,
            "participant": self.participant.number,
            **{name: getattr(self, name) for name in told.split()},
            "duration": 0 if end is None else course.seconds(self.created_at, end),
            "end_time": end,
            "call_start": self.course.call_start,
            "marks": _of_marks(self.marks),
            "seconds": json_of(self.seconds),
            "created_at": self.created_at,
        }

    @classmethod
    def of(cls, row: Row, conference: "Conference", participant: Participant, events: int) -> "Session":
        told = "constraints devices platform metadata geo_ip app_version webrtc_sdk media_asked media_refused"
        return cls(
            number=row["number"],
            id=row["id"],
            conference=conference,
            participant=participant,
            created_at=row["created_at"],
            marks=_marks(row["marks"]),
            seconds=json.loads(row["seconds"]),
            events=events,
            **{name: row[name] for name in told.split()},
        )


@attrs.define(eq=False)
class Conference:
    table: ClassVar[str] = "conferences"

    number: int
    id: str
    app: int
    conference_id: str
    created_at: datetime
    name: str | None = None
    marks: list[Mark] = attrs.field(factory=list)
    """Of a customer's own stop."""
    course: ConferenceCourse = ConferenceCourse(False, None, None, None, 0)
    people: dict[str, Participant] = attrs.field(factory=dict)
    """Whoever has to do with it, by id."""
    sessions: dict[str, Session] = attrs.field(factory=dict)
    connections: dict[str, Connection] = attrs.field(factory=dict)

    def row(self) -> Row:
        return {
            "number": self.number,
            "id": self.id,
            "app": self.app,
            "conference_id": self.conference_id,
            "name": self.name,
            "start_time": self.course.start,
            "call_start": self.course.call_start,
            "end_time": self.course.end,
            "ongoing": self.course.ongoing,
            "duration": self.course.seconds,
            "marks": _of_marks(self.marks),
            "created_at": self.created_at,
        }

    @classmethod
    def of(cls, row: Row) -> "Conference":
        return cls(
            number=row["number"],
            id=row["id"],
            app=row["app"],
            conference_id=row["conference_id"],
            created_at=row["created_at"],
            name=row["name"],
            marks=_marks(row["marks"]),
        )

    def work_out(self, sessions: Iterable[Session]) -> dict[str, int]:
        """What these sessions, and so the conference, show now; returns the seconds of calls by which the app's days grow."""
        grown: dict[str, int] = {}
        for session in sessions:
            for connection in session.connections:
                connection.course = connection.line.course(session.marks, self.marks)
            spans = [connection.span for connection in session.connections]
            session.course = course.session_course(spans, [*session.marks, *self.marks])
            seconds: dict[str, int] = {}
            for day, length in session.course.calls:
                seconds[day.isoformat()] = seconds.get(day.isoformat(), 0) + length
            for day_text in seconds.keys() | session.seconds.keys():
                more = seconds.get(day_text, 0) - session.seconds.get(day_text, 0)
                if more:
                    grown[day_text] = grown.get(day_text, 0) + more
            session.seconds = seconds
        everything = [connection.span for connection in self.connections.values()]
        left = [mark for session in self.sessions.values() for mark in session.marks if mark.kind is Kind.LEFT]
        self.course = course.conference_course(everything, [*left, *self.marks])
        return grown


def _setup_ms(course: Course) -> int | None:
    """Of the first negotiation, if it has led to a connection."""
    first = course.negotiations[0] if course.negotiations else None
    if first is None or first.end is None or first.status != "connected":
        return None
    return min(LONGEST_MS, (first.end - first.start) // MILLISECOND)


def _negotiation(negotiation: Negotiation) -> object:
    return {
        "start_time": when(negotiation.start),
        "status": negotiation.status,
        "type": negotiation.type,
        "end_time": when(negotiation.end),
        "duration": negotiation.seconds,
    }


def _of_marks(marks: Iterable[Mark]) -> str:
    return json_of([[instant(mark.at), mark.number, mark.kind] for mark in marks])


def _marks(text: str) -> list[Mark]:
    return [Mark(moment_of(at), number, Kind(kind)) for at, number, kind in json.loads(text)]
