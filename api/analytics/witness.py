"""The server as a witness: each room that it runs is a conference, each member's stay a session of it, reported like any
client's (contract analytics, section 12). A page that reports by SDK with the room's uuid and the member's id is seen in the
same conference, as the same participant, beside it.

It hears of members from the rooms, and looks at their connections now and then. What it missed because too much happened at
once it learns from that look: who is there without a session gets one, and who is not there any more loses it. A room is of
the app that [analytics] server_app names, or of the app that is called like the domain of the room's licence.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import attrs
import sqlalchemy as sa
import structlog
import trio

from api.analytics.events import ADD_CONNECTION, Event, Peer
from api.analytics.faults import Fault
from api.analytics.fields import geo_of, json_of, storable
from api.analytics.flows import CONNECTION, Stream, event_of, is_complete, offered_at, stats_of, steps
from api.analytics.ledger import Hello, Ledger, Visit
from api.analytics.records import SERVER
from api.analytics.writer import Overloaded, Writer
from api.config import AnalyticsSettings
from api.limits import HAPPENINGS_WAITING
from api.places import Places
from api.store import Store, apps, call_upkeep, licences
from api.store.apps import AppRecord
from api.visitors import Visitors
from signalling.live import LiveMember, LiveRoom
from signalling.ports import Remote, RoomEvent
from signalling.room.events import MediaLost, MemberJoined, MemberLeft, MuteChanged, ScreenShareChanged
from signalling.rooms import utc_now

log = structlog.get_logger(__name__)

OFF: Final = "off"
LOOK_S: Final = 1.0
"""Between two looks, as long as somebody's connection has yet to come up."""
YOUNG_S: Final = 60.0
"""Of a connection that does not come up, it is looked for so long that often."""
TOGETHER: Final = 100
"""Reports of one commit."""
FLUSH_S: Final = 5.0
NAME_CHARS: Final = 64
STOPPED: Final = "stopped"
"""Why a session ends with the server."""

Report = Callable[[Ledger, sa.Connection], None]
_OTHERS: Final = (MuteChanged, ScreenShareChanged, MediaLost)


@attrs.define(eq=False)
class _Line:
    """A connection of a member."""

    id: str = ""
    """In the conference; empty until the store has it."""
    peer: str = ""
    told: set[str] = attrs.field(factory=set)
    """Steps."""
    is_over: bool = False


@attrs.define(eq=False)
class _Stay:
    """A member in a room."""

    room: str
    room_name: str
    licence: str
    member: str
    name: str
    since: datetime
    remote: Remote | None
    began: float
    session: str = ""
    """Empty until the store has it, or for ever: there is no app for it."""
    lines: dict[int, _Line] = attrs.field(factory=dict)
    is_young: bool = True


class Witness:
    """Implements signalling.ports.Observer."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        settings: AnalyticsSettings,
        visitors: Visitors,
        places: Places,
    ) -> None:
        self._store = store
        self._writer = writer
        self._app = settings.server_app
        self._interval_s = settings.stats_interval_ms / 1000
        self._visitors = visitors
        self._places = places
        self._heard: deque[RoomEvent] = deque()
        self._stays: dict[tuple[str, str], _Stay] = {}
        """By room and member."""
        self._reports: list[Report] = []
        self._looked_at = -self._interval_s

    def observe(self, event: RoomEvent) -> None:
        if self._app == OFF or not isinstance(event.event, (MemberJoined, MemberLeft, *_OTHERS)):
            return
        if len(self._heard) >= HAPPENINGS_WAITING:
            log.warning("more happens in rooms than can be written; the next look at them will tell", room=event.room)
            return
        self._heard.append(event)

    async def run(
        self,
        snapshot: Callable[[], Sequence[LiveRoom]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Until it is cancelled, and then the end of all that it has seen."""
        await self._end_those_of_before()
        task_status.started()
        if self._app == OFF:
            return
        try:
            while True:
                await trio.sleep(LOOK_S)
                try:
                    self._take_heard()
                    self._look_if_due(snapshot)
                except Exception:  # whatever it is, rooms go on
                    log.exception("what goes on in rooms could not be seen")
                await self._tell()
        finally:
            with trio.move_on_after(FLUSH_S, shield=True):
                self._take_heard()
                for stay in list(self._stays.values()):
                    self._leave(stay, utc_now(), STOPPED)
                await self._tell()

    async def _end_those_of_before(self) -> None:
        """Of a server that was killed."""
        for found in await self._store.read(partial(call_upkeep.open_sessions, sdk=SERVER)):
            await self._writer.do(partial(_end_session, found.session, found.last_event), 0)

    # --- what is heard ---

    def _take_heard(self) -> None:
        while self._heard:
            heard = self._heard.popleft()
            event = heard.event
            if isinstance(event, MemberJoined):
                member = event.member
                self._join(heard.room, heard.name, heard.licence, member.id, member.name, heard.at, heard.remote)
                continue
            assert isinstance(event, (MemberLeft, *_OTHERS))
            stay = self._stays.get((heard.room, event.member))
            if stay is None:
                continue
            match event:
                case MemberLeft(_, departure):
                    self._leave(stay, heard.at, departure)
                case MuteChanged(_, kind, muted, by_admin):
                    data = {"eventName": "mute" if muted else "unmute", "kind": kind, "byAdmin": by_admin}
                    self._event(stay, "browser", Event("custom", heard.at, data))
                case ScreenShareChanged(_, sharing):
                    self._event(stay, "browser", Event("custom", heard.at, {"eventName": "screen", "sharing": sharing}))
                case MediaLost():
                    for line in stay.lines.values():
                        self._on_line(stay, line, CONNECTION, partial(_state, at=heard.at, state="disconnected"))

    def _join(
        self, room: str, room_name: str, licence: str, member: str, name: str, at: datetime, remote: Remote | None
    ) -> None:
        former = self._stays.get((room, member))
        if former is not None:
            self._leave(former, at, "replaced")
        stay = _Stay(room, room_name, licence, member, name, at, remote, trio.current_time())
        self._stays[room, member] = stay
        self._reports.append(partial(self._open, stay))
        self._event(stay, "browser", Event("joined", at, {"member": member, "room": room_name}))

    def _leave(self, stay: _Stay, at: datetime, reason: str) -> None:
        del self._stays[stay.room, stay.member]
        for line in stay.lines.values():
            self._end_line(stay, line, at)
        self._event(stay, "browser", Event("left", at, {"reason": reason}))
        self._event(stay, "browser", Event("endCall", at, {"reason": reason}))

    # --- what is seen ---

    def _look_if_due(self, snapshot: Callable[[], Sequence[LiveRoom]]) -> None:
        now = trio.current_time()
        is_due = now >= self._looked_at + self._interval_s
        if is_due:
            self._looked_at = now
        if is_due or any(stay.is_young for stay in self._stays.values()):
            self._look(snapshot(), is_due)

    def _look(self, rooms: Sequence[LiveRoom], is_due: bool) -> None:
        now = utc_now()
        there = set()
        for room in rooms:
            for member in room.members:
                key = (room.id, member.id)
                there.add(key)
                if key not in self._stays:
                    licence = room.licence or ""
                    self._join(room.id, room.name, licence, member.id, member.name, member.since, None)
                self._look_at(self._stays[key], member, now, is_due)
        for key in self._stays.keys() - there:
            self._leave(self._stays[key], now, "lost")

    def _look_at(self, stay: _Stay, member: LiveMember, now: datetime, is_due: bool) -> None:
        complete = bool(member.streams) and all(map(is_complete, member.streams))
        for stream in member.streams:
            line = stay.lines.get(_id(stream))
            if line is None:
                line = stay.lines[_id(stream)] = _Line()
                self._reports.append(partial(_connect, stay, line, offered_at(stream, now)))
            for step in steps(stream, now):
                if step.name not in line.told:
                    line.told.add(step.name)
                    self._on_line(stay, line, step.category, partial(event_of, step))
            # Once as soon as all flows, too: short calls are not to be without any.
            if (is_due or (complete and stay.is_young)) and stream["state"] == "connected":
                self._reports.append(partial(_stats, stay, line, stream, now))
        for id in stay.lines.keys() - set(map(_id, member.streams)):
            self._end_line(stay, stay.lines[id], now)
        stay.is_young = not complete and trio.current_time() < stay.began + YOUNG_S

    # --- what is told ---

    async def _tell(self) -> None:
        reports, self._reports = self._reports, []
        for some in _batched(reports):
            try:
                await self._writer.do(partial(_do_all, some), 0)
            except Overloaded:
                log.warning("reports of clients go first: the server's own are left out", reports=len(some))
            except Exception as error:  # noqa: BLE001  # whatever a driver raises, rooms go on
                log.error("what the server has seen could not be written", error=str(error))

    def _event(self, stay: _Stay, category: str, event: Event) -> None:
        self._reports.append(partial(_tell_event, stay, category, event))

    def _on_line(self, stay: _Stay, line: _Line, category: str, event: Callable[[str], Event]) -> None:
        self._reports.append(partial(_tell_of_line, stay, line, category, event))

    def _end_line(self, stay: _Stay, line: _Line, at: datetime) -> None:
        if not line.is_over:
            line.is_over = True
            self._on_line(stay, line, CONNECTION, partial(_removal, at=at))

    def _open(self, stay: _Stay, ledger: Ledger, db: sa.Connection) -> None:
        app = self._app_of(db, stay.licence)
        if app is None:
            return
        hello = Hello(
            app.id, stay.room[:NAME_CHARS], _short(stay.room_name), stay.member[:NAME_CHARS], _short(stay.name)
        )
        arrival = ledger.initialize(db, hello, stay.since)
        address, agent = ("", "") if stay.remote is None else (stay.remote.address, stay.remote.user_agent)
        browser = self._visitors.browser(agent)
        platform: dict[str, Any] = {
            "ua": agent,
            "browser": {"name": browser.name, "version": browser.version},
            "os": {"name": browser.system, "version": browser.system_version},
        }
        visit = Visit(
            platform=json_of(platform) if browser.name else None,
            geo_ip=json_of(geo_of(self._places.place(address))),
            webrtc_sdk=SERVER,
        )
        stay.session = ledger.open_session(db, arrival, visit, stay.since)

    def _app_of(self, db: sa.Connection, licence: str) -> AppRecord | None:
        """An app that records."""
        known = apps.all_apps(db)
        wanted = [self._app] if self._app else [app.id for app in known[:1]]
        if licence:
            record = licences.by_id(db, licence)
            wanted.insert(0, "" if record is None else record.domain)
        for name in filter(None, wanted):
            for app in known:
                if name in (app.id, app.name):
                    return app if app.recording else None
        return None


def _end_session(id: str, at: datetime, ledger: Ledger, db: sa.Connection) -> None:
    ledger.end_session(db, id, at)


def _connect(stay: _Stay, line: _Line, at: datetime, ledger: Ledger, db: sa.Connection) -> None:
    if stay.session:
        server = Peer(SERVER, "Atrium", is_sfu=True, is_connected=False)
        made = ledger.event(db, stay.session, CONNECTION, Event(ADD_CONNECTION, at, new_peer=server))
        assert made is not None
        line.peer, line.id = made


def _tell_event(stay: _Stay, category: str, event: Event, ledger: Ledger, db: sa.Connection) -> None:
    if stay.session:
        ledger.event(db, stay.session, category, event)


def _tell_of_line(
    stay: _Stay, line: _Line, category: str, event: Callable[[str], Event], ledger: Ledger, db: sa.Connection
) -> None:
    if line.id:
        ledger.event(db, stay.session, category, event(line.id)._replace(peer=line.peer))


def _stats(stay: _Stay, line: _Line, stream: Stream, now: datetime, ledger: Ledger, db: sa.Connection) -> None:
    if line.id:
        ledger.stats(db, stay.session, stats_of(stream, line.id, now))


def _state(connection: str, *, at: datetime, state: str) -> Event:
    return Event("onconnectionstatechange", at, state, connection=connection)


def _removal(connection: str, *, at: datetime) -> Event:
    return Event("removeConnection", at, connection=connection)


def _do_all(reports: Sequence[Report], ledger: Ledger, db: sa.Connection) -> None:
    for report in reports:
        try:
            report(ledger, db)
        except Fault as fault:
            # A session that has said too much, or that is kept no longer, says no more.
            log.debug("the server's own report was refused", code=fault.code)


def _batched(reports: Sequence[Report]) -> list[Sequence[Report]]:
    return [reports[start : start + TOGETHER] for start in range(0, len(reports), TOGETHER)]


def _id(stream: Stream) -> int:
    return int(stream["id"])


def _short(text: str) -> str:
    return storable(text)[:NAME_CHARS]
