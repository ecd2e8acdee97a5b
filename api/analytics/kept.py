"""What is known of calls between two reports, so that not each of them asks the store; and what has changed since the last
commit.

Invariant: what is kept is what the store will have after the next `changes`. After a commit that has failed, another one is
made, which loads what it needs again. One thread owns it.
"""

import itertools
import os
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from api.analytics.faults import Fault
from api.analytics.records import Conference, Connection, Participant, Session, Track
from api.limits import CONFERENCES_KEPT
from api.store import calls
from api.store.calls import Changes, Found

IDS_AT_ONCE: Final = 256


class Kept:
    def __init__(self) -> None:
        self.changed = Changes()
        """What is not a record: links, events, issues and the like. Whoever makes one adds it."""
        self._numbers: dict[str, Iterator[int]] = {}
        self._conferences: OrderedDict[str, Conference] = OrderedDict()
        """By id, the one not asked for longest first. So the next two, of the same."""
        self._named: dict[tuple[int, str], Conference] = {}
        self._sessions: dict[str, Session] = {}
        self._new: dict[tuple[int, str], Participant] = {}
        """Participants that the store has yet to be told of."""
        self._touched: dict[tuple[str, int], Any] = {}
        self._ids = _random_ids()

    def changes(self) -> Changes:
        """All since the last time. What they name may be forgotten from now on."""
        changes, self.changed = self.changed, Changes()
        for (table, _), record in self._touched.items():
            changes.records.setdefault(table, []).append(record.row())
        self._touched = {}
        self._new = {}
        while len(self._conferences) > CONFERENCES_KEPT:
            self.forget(next(iter(self._conferences)))
        return changes

    def touch(self, record: Any) -> None:
        """It has changed, or is new."""
        self._touched[record.table, record.number] = record

    def next(self, db: sa.Connection, what: str) -> int:
        """The number of a new row of that table; or of a `request`."""
        if not self._numbers:
            last = calls.last_numbers(db)
            # A request's number is of its first event at most, so that it is new after a restart too.
            self._numbers = {name: itertools.count(number + 1) for name, number in last.items()}
            self._numbers["request"] = itertools.count(last["call_events"] + 1)
        return next(self._numbers[what])

    def new_id(self) -> str:
        return next(self._ids)

    # --- who and what is there ---

    def session(self, db: sa.Connection, id: str) -> Session:
        session = self._sessions.get(id)
        if session is None:
            found = calls.conference_by(db, session=id)
            if found is None:
                raise Fault("invalid_token")
            self._load(found)
            session = self._sessions[id]
        self._conferences.move_to_end(session.conference.id)
        return session

    def conference(self, db: sa.Connection, id: str) -> Conference | None:
        if id not in self._conferences:
            found = calls.conference_by(db, id=id)
            return None if found is None else self._load(found)
        self._conferences.move_to_end(id)
        return self._conferences[id]

    def conference_named(self, db: sa.Connection, app: int, conference_id: str) -> Conference | None:
        kept = self._named.get((app, conference_id))
        if kept is None:
            found = calls.conference_named(db, app, conference_id)
            return None if found is None else self._load(found)
        self._conferences.move_to_end(kept.id)
        return kept

    def person(
        self, db: sa.Connection, conference: Conference, own_id: str, at: datetime, *, is_sfu: bool = False
    ) -> Participant:
        """The one of that id, in the conference from now on."""
        for person in conference.people.values():
            if person.participant_id == own_id:
                return person
        key = (conference.app, own_id)
        person = self._known(db, key) or Participant(
            self.next(db, "participants"), self.new_id(), conference.app, own_id, at, is_sfu=is_sfu
        )
        self._new[key] = person
        self.touch(person)
        conference.people[person.id] = person
        self.changed.links.append({"conference": conference.number, "participant": person.number})
        return person

    def _known(self, db: sa.Connection, key: tuple[int, str]) -> Participant | None:
        if key in self._new:
            return self._new[key]
        row = calls.participant_named(db, *key)
        return None if row is None else Participant(**row)

    # --- keeping ---

    def keep(self, conference: Conference) -> None:
        self._conferences[conference.id] = conference
        self._named[conference.app, conference.conference_id] = conference

    def keep_session(self, session: Session) -> None:
        session.conference.sessions[session.id] = self._sessions[session.id] = session

    def forget(self, id: str) -> None:
        """A conference; nothing of it may have changed since the last `changes`."""
        conference = self._conferences.pop(id, None)
        if conference is not None:
            del self._named[conference.app, conference.conference_id]
            for session in conference.sessions:
                del self._sessions[session]

    def _load(self, found: Found) -> Conference:
        conference = Conference.of(found.conference)
        self.keep(conference)
        people = {row["number"]: Participant(**row) for row in found.people}
        conference.people = {person.id: person for person in people.values()}
        sessions = {}
        for row in found.sessions:
            session = Session.of(row, conference, people[row["participant"]], found.events.get(row["number"], 0))
            self.keep_session(session)
            sessions[session.number] = session
        for row in found.connections:
            connection = Connection.of(row)
            conference.connections[connection.id] = connection
            sessions[connection.session].connections.append(connection)
        for row in found.tracks:
            sessions[row["session"]].tracks.append(Track.of(row))
        for row in found.issues:
            sessions[row["session"]].issued.add((row["code"], row["connection"]))
            sessions[row["session"]].issues.append(row["id"])
        conference.work_out(conference.sessions.values())
        return conference


def _random_ids() -> Iterator[str]:
    """UUIDs (RFC 9562, version 4). They come by the thousand, and each call to the system would hand the interpreter to the
    thread that serves, and wait for it to come back."""
    while True:
        digits = os.urandom(IDS_AT_ONCE * 16).hex()
        for at in range(0, len(digits), 32):
            one = digits[at : at + 32]
            variant = "89ab"[int(one[16], 16) & 3]
            yield f"{one[:8]}-{one[8:12]}-4{one[13:16]}-{variant}{one[17:20]}-{one[20:]}"
