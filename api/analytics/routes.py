"""Paths and methods below /analytics/v1, and who may use them (contract analytics, sections 4 and 5)."""

from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Final

import attrs

from api.analytics.apps import Apps, Organizations
from api.analytics.asked import Asked, Handler, Streamed
from api.analytics.faults import Fault
from api.analytics.ledger import CONNECTION
from api.analytics.overview import Overview
from api.analytics.queries import Queries
from api.analytics.reported import Reported
from api.analytics.search import Search
from api.analytics.whole import Whole
from api.services import Services
from signalling.rooms import utc_now

ID: Final = "{id}"
"""A segment of a path: any UUID, in its canonical form."""
SESSION_AGE: Final = timedelta(days=30)
"""Of the oldest that are listed."""


@attrs.frozen
class Route:
    handlers: dict[str, Handler] = attrs.field(factory=dict)
    """By method."""
    private: set[str] = attrs.field(factory=set)
    """Methods that not everybody may use."""

    def add(self, handlers: Mapping[str, Handler], *, is_private: bool) -> None:
        self.handlers.update(handlers)
        self.private.update(handlers if is_private else ())


def routes_of(services: Services) -> Mapping[str, Route]:
    """By path, below ROOT."""
    organizations, apps, reported = Organizations(services.store), Apps(services), Reported(services)
    overview = Overview(services.store, services.config.analytics.summary_cache_s)
    whole = Whole(services.store, services.upkeep)
    queries = Queries(services.store, lambda: (("gte", utc_now() - SESSION_AGE),))
    public: dict[str, Mapping[str, Handler]] = {
        "/initialize": {"POST": reported.initialize},
        "/sessions": {"POST": reported.open_session, "PUT": reported.change_session},
        "/events/get-user-media": {"POST": reported.event("getUserMedia")},
        "/events/browser": {"POST": reported.event("browser")},
        "/connection": {"POST": reported.event(CONNECTION)},
        "/connection/batch": {"POST": reported.batch},
        "/stats": {"POST": reported.stats},
        "/tracks": {"POST": reported.new_track, "PUT": reported.track_event},
        "/services/stop-conference": {"POST": reported.stop_conference},
        "/services/get-url": {"POST": reported.get_url},
        "/teapot": {"GET": _teapot},
    }
    private: dict[str, Mapping[str, Handler]] = {
        "/organizations": {
            "GET": organizations.list,
            "POST": organizations.add,
            "DELETE": without_id,
            "PUT": no_method,
        },
        f"/organizations/{ID}": {"GET": organizations.get, "PUT": organizations.change, "DELETE": organizations.remove},
        "/apps": {"GET": apps.list, "POST": apps.add, "DELETE": without_id, "PUT": no_method},
        f"/apps/{ID}": {"GET": apps.get, "PUT": apps.change, "DELETE": apps.remove},
        f"/apps/{ID}/reset-key": {"POST": apps.reset_key},
        "/conferences": {"GET": queries.conferences},
        f"/conferences/{ID}": {"GET": queries.conference},
        f"/conferences/{ID}/events": {"GET": queries.conference_events},
        f"/conferences/{ID}/graphs": {"GET": whole.graphs},
        f"/conferences/{ID}/export": {"GET": whole.export},
        "/participants": {"GET": queries.participants},
        f"/participants/{ID}": {"GET": queries.participant},
        f"/participants/{ID}/data": {"DELETE": whole.erase},
        "/sessions": {"GET": queries.sessions},
        f"/sessions/{ID}": {"GET": queries.session},
        "/connections": {"GET": queries.connections},
        f"/connections/{ID}": {"GET": queries.connection},
        "/issues": {"GET": queries.issues},
        f"/issues/{ID}": {"GET": queries.issue},
        "/events/get-user-media": {"GET": queries.events("getUserMedia")},
        "/events/browser": {"GET": queries.events("browser")},
        "/connection": {"GET": queries.events(CONNECTION)},
        "/stats": {"GET": queries.events("stats")},
        "/records/events": {"GET": queries.all_events},
        "/records/tracks": {"GET": queries.tracks},
        "/records/summaries": {"GET": queries.summaries},
        "/search": {"GET": Search(services.store).search},
        **{path: {"GET": handler} for path, handler in overview.handlers().items()},
    }
    routes: dict[str, Route] = {}
    for handlers_of, is_private in ((public, False), (private, True)):
        for path, handlers in handlers_of.items():
            routes.setdefault(path, Route()).add(handlers, is_private=is_private)
    return routes


async def without_id(asked: Asked) -> object:
    raise Fault("missing_parameters")


async def no_method(asked: Asked) -> object:
    raise Fault("method_not_allowed")


async def _teapot(asked: Asked) -> object:
    """For probes of whether the server lives."""

    async def words() -> AsyncGenerator[bytes, None]:
        yield b"I'm a teapot"

    return Streamed("text/plain; charset=utf-8", "", words())
