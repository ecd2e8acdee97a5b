"""The routes that answer what happened (contract analytics, sections 5.3 to 5.6 but for the search): conferences, their
events and graphs, participants, sessions, connections, issues.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import attrs
import sqlalchemy as sa

from api.analytics import rows
from api.analytics.arguments import TIMES, arguments, asked_for, listing, type_of, view_of
from api.analytics.asked import Asked, Handler
from api.analytics.faults import Fault
from api.analytics.issues import ERRORS
from api.store import Store, call_lists
from api.store.call_lists import Asked as AskedFor
from api.store.call_lists import Listed, NotFound, TooManyRows

OF_CONFERENCES: Final = (
    "appId",
    "participantId",
    *sorted(TIMES),
    "duration_gte",
    "duration_lt",
    "issue_code",
    "conference_ids",
    "conference_id",
)
OF_PARTICIPANTS: Final = ("appId", "conferenceId", *sorted(TIMES))
OF_SESSIONS: Final = ("appId", "conferenceId", "participantId")
OF_OTHERS: Final = ("appId", "conferenceId", "participantId", "sessionId", *sorted(TIMES))
OF_EVENTS: Final = ("conferenceId", "participantId")
OF_ALL_EVENTS: Final = ("appId", *OF_EVENTS, *sorted(TIMES))
OF_TRACKS: Final = ("appId", "conferenceId", "participantId", *sorted(TIMES))
OF_SUMMARIES: Final = ("appId", "conferenceId", *sorted(TIMES))
NOT_FOUND: Final[Mapping[str, str]] = {
    "appId": "app_not_found",
    "conferenceId": "conference_not_found",
    "participantId": "participant_not_found",
}
Row = Callable[[call_lists.Record], object]
Lists = Callable[[sa.Connection, AskedFor], Listed]
Finds = Callable[[sa.Connection, str], call_lists.Record | None]


class Queries:
    def __init__(self, store: Store, session_days: Callable[[], tuple[tuple[str, Any], ...]]) -> None:
        """`session_days`: the time, as a filter, of which sessions are listed."""
        self._store = store
        self._session_days = session_days

    # --- lists ---

    async def conferences(self, asked: Asked) -> object:
        def query(db: sa.Connection, wanted: AskedFor) -> Listed:
            return call_lists.conference_list(db, wanted, ERRORS)

        return await self._list(asked, OF_CONFERENCES, query, rows.listed_conference)

    async def participants(self, asked: Asked) -> object:
        return await self._list(asked, OF_PARTICIPANTS, call_lists.participant_list, rows.participant)

    async def sessions(self, asked: Asked) -> object:
        given = arguments(asked.request.query)
        wanted = asked_for(given, OF_SESSIONS, of_unknown=NOT_FOUND)
        wanted = attrs.evolve(wanted, filter=attrs.evolve(wanted.filter, created=self._session_days()))
        return await self._listed(wanted, call_lists.session_list, rows.session)

    async def connections(self, asked: Asked) -> object:
        return await self._list(asked, OF_OTHERS, call_lists.connection_list, rows.peer_connection)

    async def issues(self, asked: Asked) -> object:
        return await self._list(asked, OF_OTHERS, call_lists.issue_list, rows.issue)

    def events(self, category: str) -> Handler:
        """On the paths by which that category comes in."""

        async def handle(asked: Asked) -> object:
            given = arguments(asked.request.query)
            wanted = asked_for(given, OF_EVENTS, of_unknown=NOT_FOUND)
            # One of the two has to be there, and the times beside it are a filter more.
            times = listing(given, sorted(TIMES)).filter.created
            wider = attrs.evolve(wanted.filter, created=times, category=category, **_events_of(given))
            return await self._listed(attrs.evolve(wanted, filter=wider), call_lists.event_list, rows.event)

        return handle

    async def conference_events(self, asked: Asked) -> object:
        given = arguments(asked.request.query)
        wanted = listing(given, ("participantId", *sorted(TIMES)), of_unknown=NOT_FOUND)
        wider = attrs.evolve(wanted.filter, conference=asked.id, **_events_of(given))
        return await self._listed(attrs.evolve(wanted, filter=wider), call_lists.event_list, rows.event)

    # --- lists of ours, for who looks at records (section 9) ---

    async def all_events(self, asked: Asked) -> object:
        given = arguments(asked.request.query)
        wanted = asked_for(given, OF_ALL_EVENTS, of_unknown=NOT_FOUND)
        wider = attrs.evolve(wanted.filter, **_events_of(given))
        return await self._listed(attrs.evolve(wanted, filter=wider), call_lists.event_list, rows.event)

    async def tracks(self, asked: Asked) -> object:
        return await self._list(asked, OF_TRACKS, call_lists.track_list, rows.track)

    async def summaries(self, asked: Asked) -> object:
        return await self._list(asked, OF_SUMMARIES, call_lists.summary_list, rows.summary)

    async def _list(self, asked: Asked, filters: Collection[str], query: Lists, row: Row) -> object:
        return await self._listed(asked_for(arguments(asked.request.query), filters), query, row)

    async def _listed(self, wanted: AskedFor, query: Lists, row: Row) -> object:
        try:
            listed = await self._store.read(lambda db: query(db, wanted))
        except TooManyRows:
            raise Fault("too_many_rows") from None
        except NotFound as unknown:
            raise Fault(f"{unknown.what}_not_found") from None
        told = [row(each) for each in listed.rows]
        return {"data": told} if wanted.page is None else {"results": told, "count": listed.count}

    # --- single records ---

    async def conference(self, asked: Asked) -> object:
        return await self._single(asked, call_lists.conference, rows.single_conference, "conference_not_found")

    async def participant(self, asked: Asked) -> object:
        return await self._single(asked, call_lists.participant, rows.participant, "participant_not_found")

    async def session(self, asked: Asked) -> object:
        return await self._single(asked, call_lists.session, rows.single_session, "invalid_session_id")

    async def connection(self, asked: Asked) -> object:
        return await self._single(asked, call_lists.peer_connection, rows.peer_connection, "connection_not_found")

    async def issue(self, asked: Asked) -> object:
        return await self._single(asked, call_lists.issue, rows.issue, "issue_not_found")

    async def _single(self, asked: Asked, find: Finds, row: Row, fault: str) -> object:
        found = await self._store.read(lambda db: find(db, asked.id))
        if found is None:
            raise Fault(fault)
        return {"data": row(found)}


def _events_of(given: Mapping[str, str]) -> Mapping[str, Any]:
    return {**type_of(given), **view_of(given)}
