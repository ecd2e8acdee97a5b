"""Everything below /v1 but the Room API's /v1/rooms and /v1/live: paths, methods, CORS, and the two envelopes."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

import attrs
import structlog
from quart_trio import QuartTrio

from api.gate import App, Receive, Scope, Send
from api.http import below
from api.plain import ROOM_API, Refusal, Request, Response, answer
from api.s_connector.auth import Auth
from api.s_connector.licence import Info
from api.s_connector.sessions import OF_ONE, OneSession, RunningSessions
from api.s_connector.usage import Usage
from api.s_connector.words import failure, success
from api.services import Services

log = structlog.get_logger(__name__)

ANY_ORIGIN = {"access-control-allow-origin": "*"}
PREFLIGHT = {
    **ANY_ORIGIN,
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "s-connector-jwt, content-type",
    "access-control-max-age": "86400",
}

Handler = Callable[[Request], Awaitable[object]]
"""Returns `data` of the envelope, or bytes: all of an envelope that has been made before."""


ONE_SESSION = f"{OF_ONE}{{room_name}}"

ROUTES: Mapping[str, tuple[str, Callable[[Services], Handler]]] = {
    "/v1/auth": ("POST", Auth),
    "/v1/info": ("GET", Info),
    "/v1/sessions": ("GET", RunningSessions),
    ONE_SESSION: ("GET", OneSession),
    "/v1/static": ("GET", Usage),
}
"""Each path has one method."""


@attrs.frozen
class Route:
    method: str
    handler: Handler

    @property
    def methods(self) -> tuple[str, ...]:
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    @property
    def allow(self) -> Mapping[str, str]:
        return {"allow": ", ".join((*self.methods, "OPTIONS"))}


def mount(app: QuartTrio, services: Services) -> None:
    others = cast(App, app.asgi_app)
    routes = {path: Route(method, handler(services)) for path, (method, handler) in ROUTES.items()}

    async def route(scope: Scope, receive: Receive, send: Send, *rest: Any) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not below(path, "/v1") or below(path, *ROOM_API):
            await others(scope, receive, send, *rest)
            return
        request = Request.of(scope, receive)
        await answer(send, request, await _response(routes, request))

    app.asgi_app = cast(Any, route)  # type: ignore[method-assign]  # what its documentation says middleware does


async def _response(routes: Mapping[str, Route], request: Request) -> Response:
    try:
        is_of_one = request.path.startswith(OF_ONE) and request.path != OF_ONE
        found = routes.get(ONE_SESSION if is_of_one else request.path)
        if found is None:
            raise Refusal(404, "there is no such path")
        if request.method == "OPTIONS":
            return Response(HTTPStatus.NO_CONTENT, b"", {**PREFLIGHT, **found.allow})
        if request.method not in found.methods:
            raise Refusal(405, f"the method is not {found.method}", found.allow)
        data = await found.handler(request)
    except Refusal as refusal:
        return Response(refusal.status, failure(refusal.message), {**ANY_ORIGIN, **refusal.headers})
    except Exception as error:  # ours, whatever it is; its message is for the log
        log.error("request failed", path=request.path, exc_info=error)
        return Response(500, failure("internal error"), ANY_ORIGIN)
    return Response(200, data if isinstance(data, bytes) else success(data), ANY_ORIGIN)
