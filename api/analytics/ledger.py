"""What reports do to calls (contract analytics, sections 4 and 6): each is checked against what is there, and then applied.

Lives in the thread that writes. A request that is refused changes nothing, since all that may refuse it is looked at first.
What is known of calls between two reports, and what has changed of it, is kept.py's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import attrs
import sqlalchemy as sa

from api.analytics import course, graphs
from api.analytics.course import Kind, Mark
from api.analytics.events import Event, kind_of
from api.analytics.faults import Fault
from api.analytics.fields import json_of
from api.analytics.kept import Kept
from api.analytics.records import SERVER, Conference, Connection, Participant, Session, Track
from api.analytics.reports import Stats, TrackEvent, info_after, tracks_of
from api.analytics.reports import Track as NewTrack
from api.analytics.tokens import Arrival
from api.store import calls
from api.store.calls import Changes, EventRow
from api.store.tables import instant

CONNECTION: Final = "connection"
OF_SESSION: Final = frozenset({Kind.HIDDEN, Kind.LEFT})
# Issues of which a session, or a connection, has one at most.
ONCE: Final = frozenset(
    "tcp_used turn_used multiple_rejoins no_media_access no_connection very_low_emos low_emos".split()
)
_ISSUE_OF_STATE: Final = {Kind.FAILED: "connection_failed", Kind.DISCONNECTED: "connection_disconnected"}


@attrs.frozen
class Hello:
    """Of POST /initialize."""

    app: str
    """The app's id."""
    conference_id: str
    conference_name: str | None
    participant_id: str
    participant_name: str | None


@attrs.frozen
class Visit:
    """Of POST and PUT /sessions: what is told of the client; None: nothing. JSON texts but for the last two."""

    constraints: str | None = None
    devices: str | None = None
    platform: str | None = None
    metadata: str | None = None
    geo_ip: str | None = None
    app_version: str | None = None
    webrtc_sdk: str | None = None


@attrs.frozen
class Found:
    """What a conference that is over has come to."""

    conference: str
    """Its id."""
    end: datetime
    data: bytes
    """For its graphs."""
    issues: Sequence[tuple[str, graphs.Issue]]
    """Each with the id of its session."""


class Ledger:
    def __init__(self, events_per_session: int) -> None:
        self._events_per_session = events_per_session
        self._kept = Kept()

    def changes(self) -> Changes:
        """All since the last time. What they name may be forgotten from now on."""
        return self._kept.changes()

    # --- what is reported ---

    def initialize(self, db: sa.Connection, hello: Hello, now: datetime) -> Arrival:
        app = calls.app_numbers(db, hello.app)
        if app is None:
            raise Fault("invalid_api_key")
        conference = self._kept.conference_named(db, app, hello.conference_id)
        if conference is None:
            conference = Conference(
                self._kept.next(db, "conferences"), self._kept.new_id(), app, hello.conference_id, now
            )
            self._kept.keep(conference)
            self._kept.touch(conference)
        if hello.conference_name and hello.conference_name != conference.name:
            conference.name = hello.conference_name
            self._kept.touch(conference)
        participant = self._kept.person(db, conference, hello.participant_id, now)
        self._rename(participant, hello.participant_name)
        return Arrival(participant.id, conference.id)

    def open_session(self, db: sa.Connection, arrival: Arrival, visit: Visit, at: datetime) -> str:
        conference = self._kept.conference(db, arrival.conference)
        participant = None if conference is None else conference.people.get(arrival.participant)
        if conference is None or participant is None:
            raise Fault("invalid_token")
        # What the server has seen of somebody is no second visit beside their own word.
        again = any(
            session.participant is participant and (session.webrtc_sdk == SERVER) == (visit.webrtc_sdk == SERVER)
            for session in conference.sessions.values()
        )
        session = Session(self._kept.next(db, "call_sessions"), self._kept.new_id(), conference, participant, at)
        _tell(session, visit)
        self._kept.keep_session(session)
        self._kept.touch(session)
        if again:
            self._issue(db, session, "multiple_rejoins", at)
        return session.id

    def change_session(self, db: sa.Connection, id: str, visit: Visit) -> Session:
        session = self._kept.session(db, id)
        _tell(session, visit)
        self._kept.touch(session)
        return session

    def event(self, db: sa.Connection, id: str, category: str, event: Event) -> tuple[str, str] | None:
        """Of addConnection the ids of peer and connection."""
        session = self._kept.session(db, id)
        self._check(session, [event], category)
        return self._apply(db, session, category, event, self._kept.next(db, "request"))

    def batch(self, db: sa.Connection, id: str, events: Sequence[Event]) -> None:
        session = self._kept.session(db, id)
        self._check(session, events, CONNECTION)
        request = self._kept.next(db, "request")
        for event in events:
            self._apply(db, session, CONNECTION, event, request)

    def stats(self, db: sa.Connection, id: str, stats: Stats) -> None:
        session = self._kept.session(db, id)
        connection = self._connection(session, stats.connection)
        if connection.course.end is not None:
            raise Fault("connection_ended")
        self._make_room(session, 1 + len(stats.tracks))
        request = self._kept.next(db, "request")
        self._store(db, session, "stats", "stats", stats.data, stats.at, request, connection=connection)
        for report in stats.tracks:
            track = self._track(db, session, None, _bare(report.track_id, report.kind, report.direction), stats.at)
            self._store(
                db, session, "stats", "stats", report.data, stats.at, request, connection=connection, track=track
            )
        before = (connection.type, connection.established)
        connection.type = stats.candidate
        connection.established |= stats.is_proof
        if before != (connection.type, connection.established):
            self._kept.touch(connection)
        if stats.is_tcp and not connection.detected_tcp:
            connection.detected_tcp = True
            self._issue(db, session, "tcp_used", stats.at, connection)
        if stats.candidate == "relay" and not connection.detected_turn:
            connection.detected_turn = True
            self._issue(db, session, "turn_used", stats.at, connection)

    def new_track(self, db: sa.Connection, id: str, new: NewTrack, event: Event) -> tuple[Track, Session]:
        session = self._kept.session(db, id)
        assert event.connection is not None
        connection = self._connection(session, event.connection)
        self._make_room(session, 1)
        track = self._track(db, session, connection, new, event.at)
        request = self._kept.next(db, "request")
        self._store(db, session, "track", event.type, event.data, event.at, request, connection=connection, track=track)
        return track, session

    def track_event(self, db: sa.Connection, id: str, event: TrackEvent) -> tuple[Track, Session] | None:
        """None: there is no such track; the event is kept all the same."""
        session = self._kept.session(db, id)
        self._make_room(session, 1)
        track = next((each for each in session.tracks if each.track_id == event.track_id), None)
        request = self._kept.next(db, "request")
        self._store(db, session, "track", event.type, event.data, event.at, request, track=track)
        if track is None:
            return None
        track.info = info_after(track.info, event.type)
        self._kept.touch(track)
        return track, session

    def stop(self, db: sa.Connection, app: str, conference_id: str, now: datetime) -> None:
        """Of POST /services/stop-conference."""
        number = calls.app_numbers(db, app)
        conference = None if number is None else self._kept.conference_named(db, number, conference_id)
        if conference is None:
            raise Fault("conference_not_found")
        self._end(db, conference, now)

    # --- what the server finds out, or does, by itself ---

    def end(self, db: sa.Connection, id: str, at: datetime) -> None:
        """Of a conference that nobody ended."""
        conference = self._kept.conference(db, id)
        if conference is not None and conference.course.ongoing:
            self._end(db, conference, at)

    def end_session(self, db: sa.Connection, id: str, at: datetime) -> None:
        """Of somebody whom the server has lost sight of."""
        session = self._kept.session(db, id)
        session.marks.append(Mark(at, self._kept.next(db, "request"), Kind.LEFT))
        self._work_out(session.conference, [session])

    def forget(self, db: sa.Connection, conferences: Sequence[str]) -> None:
        """What is known of them is in the store from now on, and nowhere else."""
        changes = self.changes()
        calls.write(db, changes)
        self._kept.changed.ended.extend(changes.ended)
        for id in conferences:
            self._kept.forget(id)

    def sum_up(self, db: sa.Connection, found: Found, now: datetime) -> None:
        """What a conference has come to. If it has gone on meanwhile, nothing: its next end will be summed up."""
        conference = self._kept.conference(db, found.conference)
        if conference is None or conference.course.ongoing or conference.course.end != found.end:
            return
        summary = {"conference": conference.number, "end_time": found.end, "data": found.data, "created_at": now}
        self._kept.changed.summaries.append(summary)
        for session, issue in found.issues:
            if session in conference.sessions:
                self._issue(db, conference.sessions[session], issue.code, found.end, data={"average": issue.average})

    def _end(self, db: sa.Connection, conference: Conference, at: datetime) -> None:
        conference.marks.append(Mark(at, self._kept.next(db, "request"), Kind.LEFT))
        self._work_out(conference, list(conference.sessions.values()))

    # --- what refuses a report ---

    def _check(self, session: Session, events: Sequence[Event], category: str) -> None:
        for event in events:
            kind = kind_of(event)
            needs_connection = kind is not None and kind not in OF_SESSION
            if event.connection is not None:
                self._connection(session, event.connection)
            elif needs_connection and category == CONNECTION:
                raise Fault("connection_not_found")
            if event.peer is not None:
                if event.peer not in session.conference.people:
                    raise Fault("participant_not_found")
                if event.peer == session.participant.id:
                    raise Fault("participant_equal_peer")
            if event.new_peer is not None and event.new_peer.id == session.participant.participant_id:
                raise Fault("participant_equal_peer")
            tracks_of(event)
        self._make_room(session, len(events))

    def _make_room(self, session: Session, events: int) -> None:
        if session.events + events > self._events_per_session:
            raise Fault("event_limit_reached")

    def _connection(self, session: Session, id: str) -> Connection:
        found = session.conference.connections.get(id)
        if found is None:
            raise Fault("connection_not_found")
        return found

    # --- what a report does ---

    def _apply(
        self, db: sa.Connection, session: Session, category: str, event: Event, request: int
    ) -> tuple[str, str] | None:
        conference = session.conference
        if event.new_peer is not None and category == CONNECTION:
            peer = self._kept.person(db, conference, event.new_peer.id, event.at, is_sfu=event.new_peer.is_sfu)
            self._rename(peer, event.new_peer.name)
            connection = self._connect(db, session, peer, event, request)
            self._store(db, session, category, event.type, event.data, event.at, request, connection, peer=peer)
            return peer.id, connection.id
        named = None if event.connection is None else conference.connections[event.connection]
        known = None if event.peer is None else conference.people[event.peer]
        self._store(db, session, category, event.type, event.data, event.at, request, named, peer=known)
        self._leave_mark(db, session, event, category, named, request)
        if category == "getUserMedia":
            self._media(db, session, event)
        return None

    def _connect(
        self, db: sa.Connection, session: Session, peer: Participant, event: Event, request: int
    ) -> Connection:
        assert event.new_peer is not None
        line = course.Connection(event.at, request, event.new_peer.is_connected)
        connection = Connection(
            number=self._kept.next(db, "peer_connections"),
            id=self._kept.new_id(),
            session=session.number,
            conference=session.conference.number,
            participant=session.participant.number,
            peer=peer.number,
            created_at=event.at,
            line=line,
            course=line.course(),
            established=event.new_peer.is_connected,
        )
        session.connections.append(connection)
        session.conference.connections[connection.id] = connection
        self._kept.touch(connection)
        self._work_out(session.conference, [session])
        return connection

    def _leave_mark(
        self,
        db: sa.Connection,
        session: Session,
        event: Event,
        category: str,
        connection: Connection | None,
        request: int,
    ) -> None:
        kind = kind_of(event)
        if event.type == "oniceconnectionstatechange" and event.data == "failed":
            self._issue(db, session, "ice_failed", event.at, connection)
        if event.type == "onicecandidateerror":
            self._issue(db, session, "icecandidateerror", event.at, connection, event.data)
        if kind is None or (kind in OF_SESSION) != (category == "browser"):
            return
        mark = Mark(event.at, request, kind)
        if kind in OF_SESSION:
            session.marks.append(mark)
        elif connection is not None:
            connection.line.add(mark)
            connection.established |= kind is Kind.CONNECTED
            self._kept.touch(connection)
            if kind in _ISSUE_OF_STATE:
                self._issue(db, session, _ISSUE_OF_STATE[kind], event.at, connection)
        self._work_out(session.conference, [self._owner(session, connection)])
        if kind is Kind.LEFT:
            self._look_back(db, session, event.at)

    def _owner(self, session: Session, connection: Connection | None) -> Session:
        """Of the connection, which may be another session's of the conference."""
        if connection is None or connection.session == session.number:
            return session
        return next(each for each in session.conference.sessions.values() if each.number == connection.session)

    def _media(self, db: sa.Connection, session: Session, event: Event) -> None:
        data = event.data if isinstance(event.data, dict) else {}
        session.media_asked += "constraints" in data
        self._kept.touch(session)
        if data.get("error"):
            session.media_refused += 1
            self._issue(db, session, "getusermedia_error", event.at, data=data["error"])
        for track in tracks_of(event):
            self._track(db, session, None, track, event.at)

    def _look_back(self, db: sa.Connection, session: Session, at: datetime) -> None:
        """The end checks."""
        if session.media_asked and session.media_asked == session.media_refused:
            self._issue(db, session, "no_media_access", at)
        waiting = ("new", "connecting", "failed")
        if session.connections and all(
            connection.course.state in waiting and not connection.established for connection in session.connections
        ):
            self._issue(db, session, "no_connection", at)

    def _work_out(self, conference: Conference, sessions: Sequence[Session]) -> None:
        shown = {each: each.course for session in sessions for each in session.connections}
        end = conference.course.end
        for day, seconds in conference.work_out(sessions).items():
            key = (conference.app, day)
            self._kept.changed.seconds[key] = self._kept.changed.seconds.get(key, 0) + seconds
        for connection, before in shown.items():
            if connection.course != before:
                self._kept.touch(connection)
        for session in sessions:
            self._kept.touch(session)
        self._kept.touch(conference)
        if conference.course.end != end and not conference.course.ongoing:
            self._kept.changed.ended.append(conference.id)

    def _store(
        self,
        db: sa.Connection,
        session: Session,
        category: str,
        type: str,
        data: object,
        at: datetime,
        request: int,
        connection: Connection | None = None,
        *,
        peer: Participant | None = None,
        track: Track | None = None,
    ) -> None:
        session.events += 1
        self._kept.changed.events.append(
            EventRow(
                self._kept.next(db, "call_events"),
                session.conference.number,
                session.number,
                None if peer is None else peer.number,
                None if connection is None else connection.number,
                None if track is None else track.number,
                type,
                category,
                None if data is None else json_of(data),
                request,
                instant(at),
            )
        )

    def _issue(
        self,
        db: sa.Connection,
        session: Session,
        code: str,
        at: datetime,
        connection: Connection | None = None,
        data: object = None,
    ) -> None:
        tied = (code, None if connection is None else connection.number)
        if code in ONCE and tied in session.issued:
            return
        session.issued.add(tied)
        session.issues.append(self._kept.new_id())
        self._kept.changed.issues.append(
            {
                "number": self._kept.next(db, "issues"),
                "id": session.issues[-1],
                "session": session.number,
                "conference": session.conference.number,
                "participant": session.participant.number,
                "connection": None if connection is None else connection.number,
                "code": code,
                "data": None if data is None else json_of(data),
                "created_at": at,
            }
        )
        if connection is not None:
            self._kept.touch(connection)

    def _track(
        self, db: sa.Connection, session: Session, connection: Connection | None, new: NewTrack, at: datetime
    ) -> Track:
        """The one that is there, or a new one."""
        tied = None if connection is None else connection.number
        for track in session.tracks:
            if track.track_id == new.id and (
                track.connection == tied if tied else (track.direction, track.kind) == (new.direction, new.kind)
            ):
                return track
        track = Track(
            self._kept.next(db, "tracks"),
            self._kept.new_id(),
            session.number,
            tied,
            new.kind,
            new.direction,
            new.id,
            new.label,
            new.info,
            at,
        )
        session.tracks.append(track)
        self._kept.touch(track)
        return track

    def _rename(self, person: Participant, name: str | None) -> None:
        if name and name != person.name:
            person.name = name
            self._kept.touch(person)


def _bare(id: str, kind: str, direction: str) -> NewTrack:
    """One that is known by its statistics alone."""
    return NewTrack(id, kind, direction, "", {})


def _tell(session: Session, visit: Visit) -> None:
    """What is not told stays as it is."""
    for name, value in attrs.asdict(visit).items():
        if value is not None:
            setattr(session, name, value)
