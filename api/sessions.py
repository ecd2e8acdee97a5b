"""Sessions of licences, as the room model counts them (contract s-connector, sections 5, 6 and 10).

A session begins when the first person enters a licence's room, whatever the dialect, and ends when the last one leaves.
Sessions is an observer: it hears of both from the rooms, keeps in memory what runs, and writes it all down soon after, and
at least every CHECKPOINT_S.

After a restart, planned or not, a session that ran rests: its members may come back within the grace time, and then it goes
on; else it has ended when it was last seen. Invariant: a room has at most one session that runs or rests.
"""

import itertools
import math
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from functools import partial

import attrs
import sqlalchemy as sa
import structlog
import trio

from api import limits
from api.session import Connection, Session, Visitor
from api.store import Store, sessions
from api.store.sessions import Changes, SessionRecord
from signalling.ports import Remote, RoomEvent
from signalling.room.events import MemberJoined, MemberLeft, RoomEmptied
from signalling.room.member import Member

log = structlog.get_logger(__name__)

CHECKPOINT_S = 4.0
"""With the pause before it and the time that a commit takes, a running session is seen every 5 s."""
# What changes within this time is written together.
GATHER_S = 0.5
# For what is left, when the server ends.
FLUSH_S = 5.0


@attrs.frozen
class Use:
    """What one session was, or is until now, as bills count it."""

    id: int
    room_name: str
    began_at: datetime
    seconds: int
    """Wall-clock length, whole seconds, rounded down."""


class TooManyUses(Exception):
    """The range has more sessions than anybody is given at once."""


class Sessions:
    """Implements signalling.ports.Observer."""

    def __init__(
        self,
        store: Store,
        describe: Callable[[Remote], Visitor],
        monotonic: Callable[[], float],
        last_ids: tuple[int, int],
        resting: Iterable[Session],
        grace_s: float,
    ) -> None:
        self._store = store
        self._describe = describe
        self._monotonic = monotonic
        self._grace_s = grace_s
        self._grace_ends = math.inf
        self._seen_at = -math.inf
        last_session, last_connection = last_ids
        self._session_ids = itertools.count(last_session + 1)
        self._connection_ids = itertools.count(last_connection + 1)
        self._running: dict[str, Session] = {}
        """By the uuid of the room. So the next."""
        self._resting = {session.room: session for session in resting}
        self._changed: dict[int, Session] = {}
        """Has yet to be written, with its connections."""
        self._being_written: dict[int, Session] = {}
        self._versions: dict[str, int] = {}
        self._something_changed = trio.Event()
        self._writing = trio.Lock()

    @classmethod
    async def open(
        cls,
        store: Store,
        *,
        rooms: Collection[str],
        describe: Callable[[Remote], Visitor],
        grace_s: float,
        monotonic: Callable[[], float] = trio.current_time,
    ) -> "Sessions":
        """`rooms`: the uuids of those that are still there, so that their members may come back for `grace_s`."""

        def found(connection: sa.Connection) -> tuple[tuple[int, int], list[Session]]:
            left = [Session.found(*each) for each in sessions.running(connection)]
            return sessions.last_ids(connection), left

        last_ids, left = await store.read(found)
        resting = {session.room: session for session in left if session.room in rooms}
        opened = cls(store, describe, monotonic, last_ids, resting.values(), grace_s)
        for session in left:
            if resting.get(session.room) is not session:
                opened._close(session, session.until)
        return opened

    # --- what is asked ---

    def running(self, licence: str) -> list[Session]:
        """Oldest first. What is returned goes on changing."""
        found = [session for session in self._running.values() if session.licence == licence]
        return sorted(found, key=lambda session: (session.began_at, session.id))

    def version(self, licence: str) -> int:
        """Another one whenever anything of what `running` returns has changed."""
        return self._versions.get(licence, 0)

    async def uses(self, licence: str, start: datetime, end: datetime | None) -> list[Use]:
        """Those that began from `start` on, and before `end`; newest first. Raises TooManyUses."""

        def stored(connection: sa.Connection) -> dict[int, Use]:
            at_most = limits.USAGE_SESSIONS + 1
            found = sessions.began_within(connection, int(licence), start, end, at_most)
            return {record.id: _use(record, record.until) for record in found}

        # Looked at before and after: what is over may be written in between.
        unwritten = self._not_all_written()
        found = await self._store.read(stored)
        now = self._monotonic()
        for session in unwritten + self._not_all_written():
            if session.licence == licence and start <= session.began_at and (end is None or session.began_at < end):
                runs = self._running.get(session.room) is session
                found[session.id] = _use(session, session.moment(now) if runs else session.until)
        if len(found) > limits.USAGE_SESSIONS:
            raise TooManyUses
        return sorted(found.values(), key=lambda use: (use.began_at, use.id), reverse=True)

    def _not_all_written(self) -> list[Session]:
        return [*self._running.values(), *self._changed.values(), *self._being_written.values()]

    # --- what happens ---

    def observe(self, event: RoomEvent) -> None:
        if not event.licence:
            return
        match event.event:
            case MemberJoined(member):
                self._enter(event, member)
            case MemberLeft(member):
                self._leave(event, member)
            case RoomEmptied():
                session = self._running.get(event.room)
                if session is not None:
                    self._close(session, session.moment(self._monotonic()))

    def _enter(self, event: RoomEvent, member: Member) -> None:
        session = self._running.get(event.room) or self._resume(event)
        if session is None:
            session = Session.begun(next(self._session_ids), event, self._monotonic())
        self._running[event.room] = session
        visitor = Visitor("", "") if event.remote is None else self._describe(event.remote)
        session.present[member.id] = Connection.of(next(self._connection_ids), member, visitor, event.at)
        session.visits += 1
        session.until = session.moment(self._monotonic())
        self._note(session)

    def _resume(self, event: RoomEvent) -> Session | None:
        """The session of before the restart, if it is not too late for it."""
        session = self._resting.pop(event.room, None)
        if session is None:
            return None
        if self._monotonic() >= self._grace_ends:
            self._close(session, session.until)
            return None
        # It has gone on meanwhile, as far as the wall clock tells.
        lasted = max(session.until, event.at) - session.began_at
        session.started = self._monotonic() - lasted.total_seconds()
        return session

    def _leave(self, event: RoomEvent, member: str) -> None:
        session = self._running[event.room]
        connection = session.present.pop(member)
        connection.left_at = max(connection.created_at, event.at)
        connection.is_written = False
        session.until = session.moment(self._monotonic())
        session.gone.append(connection)
        if len(session.gone) > limits.SESSION_VISITORS:
            session.forgotten.add(session.gone.pop(0).id)
        self._note(session)

    def _close(self, session: Session, at: datetime) -> None:
        self._running.pop(session.room, None)
        session.until = at
        session.is_over = True
        session.present.clear()
        session.gone.clear()
        session.forgotten.clear()
        self._note(session)

    def _note(self, session: Session) -> None:
        self._changed[session.id] = session
        self._touch(session)
        self._something_changed.set()

    def _touch(self, session: Session) -> None:
        session.version += 1
        self._versions[session.licence] = self.version(session.licence) + 1

    # --- what is written ---

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Writes what has changed, and that what runs runs, until it is cancelled, and then what is left."""
        self._grace_ends = self._monotonic() + self._grace_s
        task_status.started()
        try:
            while True:
                with trio.move_on_after(max(0.0, self._seen_at + CHECKPOINT_S - self._monotonic())):
                    await self._something_changed.wait()
                await trio.sleep(GATHER_S)
                if self._monotonic() >= self._grace_ends:
                    self._give_up_resting()
                await self._try_to_write(looks=self._monotonic() >= self._seen_at + CHECKPOINT_S)
        finally:
            with trio.move_on_after(FLUSH_S, shield=True):
                await self._try_to_write(looks=True)

    def _give_up_resting(self) -> None:
        resting, self._resting = self._resting, {}
        for session in resting.values():
            self._close(session, session.until)

    async def _try_to_write(self, *, looks: bool) -> None:
        try:
            await self.written(looks=looks)
        except Exception as error:  # noqa: BLE001  # whatever a driver raises, calls go on
            log.error("usage could not be written; it is tried again", error=str(error))

    async def written(self, *, looks: bool = True) -> None:
        """Returns once all that has happened until now is in the store, and, if it `looks`, that what runs runs; raises if
        the store fails."""
        async with self._writing:
            changed = self._being_written = self._changed
            self._changed = {}
            self._something_changed = trio.Event()
            unwritten = [
                (connection, connection.record(session.id))
                for session in changed.values()
                for connection in session.connections
                if not connection.is_written
            ]
            forgotten = {id for session in changed.values() for id in session.forgotten}
            now = self._monotonic()
            seen = {session: session.moment(now) for session in self._running.values()} if looks else {}
            changes = Changes(
                sessions=[session.record() for session in changed.values()],
                connections=[record for _, record in unwritten],
                forgotten=forgotten,
                seen=[(session.id, until) for session, until in seen.items()],
            )
            try:
                await self._store.write(partial(sessions.write, changes=changes))
            except BaseException:
                self._keep_for_another_try(changed)
                raise
            finally:
                self._being_written = {}
            for connection, record in unwritten:
                connection.is_written = connection.left_at == record.left_at
            for session in changed.values():
                session.forgotten -= forgotten
            for session, until in seen.items():
                if not session.is_over:
                    session.until = max(session.until, until)
                    self._touch(session)
            if looks:
                self._seen_at = now

    def _keep_for_another_try(self, changed: dict[int, Session]) -> None:
        self._changed = changed | self._changed
        over = [id for id, session in self._changed.items() if session.is_over]
        for id in over[: max(0, len(over) - limits.UNWRITTEN_SESSIONS)]:
            log.error("the end of a session is lost: the store has failed for too long", session=id)
            del self._changed[id]
        self._something_changed.set()


def _use(session: Session | SessionRecord, until: datetime) -> Use:
    return Use(session.id, session.room_name, session.began_at, sessions.whole_seconds(session.began_at, until))
