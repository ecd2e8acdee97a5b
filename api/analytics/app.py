"""Everything below /analytics/v1: paths, methods, CORS, and the shapes of answers and errors (contract analytics, sections 1
and 2). Beside quart, since reports come by the thousand.

Private handlers are called only for who may ask.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, cast

import attrs
import structlog
from quart_trio import QuartTrio

from api.analytics.apps import Apps, Organizations
from api.analytics.asked import Asked, Handler
from api.analytics.door import Rates, check_private
from api.analytics.faults import Fault
from api.analytics.fields import Body, body_of
from api.analytics.ledger import CONNECTION
from api.analytics.queries import Queries
from api.analytics.reported import Reported
from api.analytics.words import NOTHING, json_bytes
from api.analytics.writer import Overloaded
from api.gate import App, Receive, Scope, Send
from api.http import below
from api.plain import Refusal, Request, Response
from api.services import Services
from signalling.rooms import utc_now

log = structlog.get_logger(__name__)

ROOT: Final = "/analytics/v1"
ID: Final = "{id}"
"""A segment of a path: any UUID, in its canonical form."""
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PREFLIGHT: Final = {
    "access-control-allow-methods": "DELETE, GET, OPTIONS, PATCH, POST, PUT",
    "access-control-allow-headers": (
        "accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, x-csrftoken, x-requested-with"
    ),
    "access-control-max-age": "86400",
}
EMPTY: Final[Body] = {}
SESSION_AGE: Final = timedelta(days=30)
"""Of the oldest that are listed."""
OVERLOADED: Final = "Too many reports wait to be written."
RETRY_AFTER: Final = {"retry-after": "5"}
JSON: Final = "application/json; charset=utf-8"


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
    }
    private: dict[str, Mapping[str, Handler]] = {
        "/organizations": {
            "GET": organizations.list,
            "POST": organizations.add,
            "DELETE": _without_id,
            "PUT": _no_method,
        },
        f"/organizations/{ID}": {"GET": organizations.get, "PUT": organizations.change, "DELETE": organizations.remove},
        "/apps": {"GET": apps.list, "POST": apps.add, "DELETE": _without_id, "PUT": _no_method},
        f"/apps/{ID}": {"GET": apps.get, "PUT": apps.change, "DELETE": apps.remove},
        f"/apps/{ID}/reset-key": {"POST": apps.reset_key},
        "/conferences": {"GET": queries.conferences},
        f"/conferences/{ID}": {"GET": queries.conference},
        f"/conferences/{ID}/events": {"GET": queries.conference_events},
        "/participants": {"GET": queries.participants},
        f"/participants/{ID}": {"GET": queries.participant},
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
    }
    routes: dict[str, Route] = {}
    for handlers_of, is_private in ((public, False), (private, True)):
        for path, handlers in handlers_of.items():
            routes.setdefault(path, Route()).add(handlers, is_private=is_private)
    return routes


def mount(app: QuartTrio, services: Services) -> None:
    others = cast(App, app.asgi_app)
    analytics = Analytics(services, routes_of(services))

    async def route(scope: Scope, receive: Receive, send: Send, *rest: Any) -> None:
        if scope["type"] != "http" or not below(scope.get("path", ""), ROOT):
            await others(scope, receive, send, *rest)
            return
        request = Request.of(scope, receive)
        await _send(send, request, await analytics.answer(request))

    app.asgi_app = cast(Any, route)  # type: ignore[method-assign]  # what its documentation says middleware does


class Analytics:
    def __init__(self, services: Services, routes: Mapping[str, Route]) -> None:
        self._services = services
        self._settings = services.config.analytics
        self._routes = routes
        self._rates = Rates(self._settings.rate_limit_per_minute)

    async def answer(self, request: Request) -> Response:
        cors = _cors(request)
        try:
            if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
                return Response(HTTPStatus.OK, b"", {**cors, **PREFLIGHT})
            if not self._rates.admits(request.address):
                return Response(HTTPStatus.TOO_MANY_REQUESTS, json_bytes(NOTHING), cors)
            return Response(HTTPStatus.OK, json_bytes(await self._handle(request)), cors)
        except Fault as fault:
            return Response(fault.status, json_bytes(fault.body), cors)
        except Refusal as refusal:  # of a body
            told = {"error_code": "unknown_error", "message": refusal.message}
            return Response(refusal.status, json_bytes(told), {**cors, **refusal.headers})
        except Overloaded:
            told = {"error_code": "unknown_error", "message": OVERLOADED}
            return Response(HTTPStatus.SERVICE_UNAVAILABLE, json_bytes(told), {**cors, **RETRY_AFTER})
        except Exception as error:  # ours, whatever it is; its message is for the log
            log.error("request failed", path=request.path, exc_info=error)
            return Response(HTTPStatus.INTERNAL_SERVER_ERROR, json_bytes(NOTHING), cors)

    async def _handle(self, request: Request) -> object:
        path, id = _path_and_id(request.path)
        route = self._routes.get(path)
        if route is None or (ID in path) != bool(id):
            raise Refusal(HTTPStatus.NOT_FOUND, "There is no such path.")
        method = "GET" if request.method == "HEAD" else request.method
        handler = route.handlers.get(method)
        if handler is None:
            raise Fault("method_not_allowed")
        if method in route.private:
            await check_private(self._services, request)
        raw, body = b"", EMPTY
        if request.method in ("POST", "PUT"):
            raw = await request.body(self._settings.body_limit_bytes)
            body = body_of(raw)
        return await handler(Asked(request, body, id, len(raw)))


def _path_and_id(path: str) -> tuple[str, str]:
    """The path's name in the table of routes, and the UUID in it, in small letters."""
    segments = path.removeprefix(ROOT).split("/")
    for place, segment in enumerate(segments):
        if _UUID.fullmatch(segment):
            return "/".join([*segments[:place], ID, *segments[place + 1 :]]), segment.lower()
    return "/".join(segments), ""


def _cors(request: Request) -> Mapping[str, str]:
    origin = request.headers.get("origin")
    if origin is None:
        return {}
    return {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "vary": "Origin",
    }


async def _without_id(asked: Asked) -> object:
    raise Fault("missing_parameters")


async def _no_method(asked: Asked) -> object:
    raise Fault("method_not_allowed")


async def _send(send: Send, request: Request, response: Response) -> None:
    headers = {
        "cache-control": "no-store",
        "content-type": JSON,
        "content-length": str(len(response.body)),
        **response.headers,
    }
    encoded = [(name.encode("latin1"), value.encode("latin1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(response.status), "headers": encoded})
    body = b"" if request.method == "HEAD" else response.body
    await send({"type": "http.response.body", "body": body, "more_body": False})
