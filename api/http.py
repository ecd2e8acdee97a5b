"""What all routes share: errors into statuses and shapes, JSON bodies into attrs. Who may ask is said in viewers.py.

Two families of paths have two shapes of errors: the Room API's below /v1/rooms and /v1/live, and for the sign-in to the
dashboard; plain text elsewhere. The rest of /v1 does not come here (s_connector/).
"""

import json
from datetime import datetime
from http import HTTPStatus
from typing import Any, NoReturn, TypeVar

import structlog
from quart import Response, has_request_context, request, websocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, RequestTimeout

from api import shapes
from api.limits import BODY_BYTES, BODY_TIMEOUT_S
from api.plain import ROOM_API

log = structlog.get_logger(__name__)

T = TypeVar("T")

ROOM_API_ERRORS = (*ROOM_API, "/dashboard/sign-in")


class HttpError(Exception):
    """Ends a request with a status; the message is for the client."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


def mount(app: QuartTrio) -> None:
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT_S
    app.config["RESPONSE_TIMEOUT"] = None  # containment has the deadline of writes
    app.url_map.merge_slashes = False

    @app.errorhandler(HttpError)
    async def refused(error: HttpError) -> Response:
        return error_response(error.status, error.message, error.headers)

    @app.errorhandler(HTTPException)
    async def unroutable(error: HTTPException) -> Response:
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Location", "Retry-After")}
        return error_response(status, HTTPStatus(status).phrase.lower(), headers)

    @app.errorhandler(Exception)
    async def broken(error: Exception) -> Response:
        log.error("request failed", path=_path(), exc_info=error)
        return error_response(500, "internal error")


def below(path: str, *roots: str) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in roots)


def error_response(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    path = _path()
    if below(path, *ROOM_API_ERRORS):
        response = json_response({"error": {"code": int(status), "message": message}}, status)
    else:
        response = Response(f"{message}\n", status, content_type="text/plain; charset=utf-8")
    response.headers.update(headers or {})
    return response


def _path() -> str:
    """Of what is being handled; the upgrade to a WebSocket may be refused, too."""
    path: str = (request if has_request_context() else websocket).path
    return path


def json_response(value: object, status: int = 200) -> Response:
    return Response(json.dumps(value, ensure_ascii=False), status, content_type="application/json")


def moment(at: datetime) -> str:
    """RFC 3339 in UTC."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def json_body() -> Any:
    """The request's JSON value: 415 if it is not declared JSON, 400 if it is none."""
    if request.mimetype != "application/json":
        raise HttpError(415, "the body must be application/json")
    try:
        body = await request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise HttpError(413, f"the body is longer than {BODY_BYTES} bytes") from None
    except RequestTimeout:
        raise HttpError(408, f"the body did not arrive within {BODY_TIMEOUT_S:g} s") from None
    assert isinstance(body, bytes)
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise HttpError(400, "the body is not JSON") from None


def shaped(value: object, shape: type[T], where: str) -> T:
    """`value` as a `shape`, else 422 with every problem that was found."""
    try:
        return shapes.read(value, shape, where)
    except shapes.Misshapen as error:
        raise HttpError(422, str(error)) from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
