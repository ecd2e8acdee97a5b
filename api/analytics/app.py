"""What all paths below /analytics/v1 have in common: CORS, rates, bodies, the shapes of answers and errors (contract analytics,
sections 1 and 2). Beside quart, since reports come by the thousand. Which paths there are is routes.py's.

Private handlers are called only for who may ask.
"""

import re
from collections.abc import Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from quart_trio import QuartTrio

from api.analytics.asked import Asked, Streamed
from api.analytics.door import Rates, check_private
from api.analytics.faults import Fault
from api.analytics.fields import Body, body_of
from api.analytics.routes import ID, Route, routes_of
from api.analytics.words import NOTHING, json_bytes
from api.analytics.writer import Overloaded
from api.gate import App, Receive, Scope, Send
from api.http import below
from api.plain import Refusal, Request, Response
from api.services import Services

log = structlog.get_logger(__name__)

ROOT: Final = "/analytics/v1"
_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
PREFLIGHT: Final = {
    "access-control-allow-methods": "DELETE, GET, OPTIONS, PATCH, POST, PUT",
    "access-control-allow-headers": (
        "accept, accept-encoding, authorization, content-type, dnt, origin, user-agent, x-csrftoken, x-requested-with"
    ),
    "access-control-max-age": "86400",
}
EMPTY: Final[Body] = {}
OVERLOADED: Final = "Too many reports wait to be written."
RETRY_AFTER: Final = {"retry-after": "5"}
JSON: Final = "application/json; charset=utf-8"


def mount(app: QuartTrio, services: Services) -> None:
    others = cast(App, app.asgi_app)
    analytics = Analytics(services, routes_of(services))

    async def route(scope: Scope, receive: Receive, send: Send, *rest: Any) -> None:
        if scope["type"] != "http" or not below(scope.get("path", ""), ROOT):
            await others(scope, receive, send, *rest)
            return
        request = Request.of(scope, receive)
        answer = await analytics.answer(request)
        if isinstance(answer, Streamed):
            await _stream(send, request, answer)
        else:
            await _send(send, request, answer)

    app.asgi_app = cast(Any, route)  # type: ignore[method-assign]  # what its documentation says middleware does


class Analytics:
    def __init__(self, services: Services, routes: Mapping[str, Route]) -> None:
        self._services = services
        self._settings = services.config.analytics
        self._routes = routes
        self._rates = Rates(self._settings.rate_limit_per_minute)

    async def answer(self, request: Request) -> Response | Streamed:
        cors = _cors(request)
        try:
            if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
                return Response(HTTPStatus.OK, b"", {**cors, **PREFLIGHT})
            if not self._rates.admits(request.address):
                return Response(HTTPStatus.TOO_MANY_REQUESTS, json_bytes(NOTHING), cors)
            answer = await self._handle(request)
            if isinstance(answer, Streamed):
                return answer
            return Response(HTTPStatus.OK, json_bytes(answer), cors)
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


async def _stream(send: Send, request: Request, answer: Streamed) -> None:
    headers = {"cache-control": "no-store", "content-type": answer.type, **_cors(request)}
    if answer.file_name:
        headers["content-disposition"] = f'attachment; filename="{answer.file_name}"'
    encoded = [(name.encode("latin1"), value.encode("latin1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(HTTPStatus.OK), "headers": encoded})
    async with aclosing(answer.pieces) as pieces:
        if request.method != "HEAD":
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
