"""The frame around requests and replies: id, method, params, and what is said about a message that cannot be read.

Contract room-api, 3 and 3.1. A message without an id is carried out and never answered: there is no
text for that.
"""

import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from signalling.dialects.json_text import Unreadable, read_json
from signalling.room.errors import (
    BadRequest,
    CallInUse,
    Draining,
    Forbidden,
    InvitationOver,
    LimitReached,
    MustWait,
    NoCodec,
    NotFound,
    RoomError,
    TooMany,
    Unauthorized,
    UnknownMethod,
    WrongState,
)

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
INTERNAL_ERROR = 500

ERROR_CODES: Mapping[type[RoomError], int] = {
    BadRequest: 400,
    WrongState: 400,
    Unauthorized: 401,
    Forbidden: 403,
    MustWait: 403,
    NotFound: 404,
    CallInUse: 409,
    InvitationOver: 410,
    TooMany: 429,
    NoCodec: 488,
    Draining: 503,
    UnknownMethod: -32601,
    RoomError: INTERNAL_ERROR,
}
"""A class that is not here has the code of the nearest one above it. RoomError itself is for what only other dialects'
sockets are refused for: that this one would be is our own fault."""

Id = str | int | float


@frozen
class Call:
    """One message of a client. Without an id it is carried out and never answered."""

    id: Id | None
    has_jsonrpc: bool
    """Whether it said `"jsonrpc": "2.0"`, and so wants it said in the reply."""
    method: str
    params: Mapping[str, Any] = field(repr=False)


def read(text: str) -> Call:
    """Raises Unreadable."""
    try:
        message = read_json(text)
    except ValueError:
        raise Unreadable(_error(None, False, PARSE_ERROR, "this is not JSON")) from None
    if not isinstance(message, dict):
        raise Unreadable(_error(None, False, INVALID_REQUEST, "a message is an object"))
    id = message.get("id")
    has_jsonrpc = message.get("jsonrpc") == "2.0"
    if id is not None and (isinstance(id, bool) or not isinstance(id, str | int | float)):
        raise Unreadable(_error(None, has_jsonrpc, INVALID_REQUEST, "id is a string or a number"))
    method = message.get("method")
    if not isinstance(method, str):
        raise Unreadable(_error(id, has_jsonrpc, INVALID_REQUEST, "method is a string"))
    params = message.get("params")
    if params is None:
        params = {}
    if not isinstance(params, dict):
        raise Unreadable(_error(id, has_jsonrpc, INVALID_REQUEST, "params is an object"))
    return Call(id, has_jsonrpc, method, params)


def error(call: Call | None, reason: RoomError) -> str | None:
    """The refusal of a call, or of a message that was not read and so has no id to name."""
    if call is None:
        return _error(None, False, _code(reason), str(reason))
    # A join that a licence's limit forbids is refused in s-connector's words too (its contract, section 9).
    more = {"status": False} if isinstance(reason, LimitReached) else {}
    return _answer(call, "error", _refusal(_code(reason), str(reason), **more))


def internal_error(call: Call) -> str | None:
    """Our own fault; the details are in the log."""
    return _answer(call, "error", _refusal(INTERNAL_ERROR, "internal error"))


def reply(call: Call, value: str) -> str | None:
    """The success of a call; `value` is the result as JSON."""
    return _answer(call, "result", value)


def _answer(call: Call, outcome: str, value: str) -> str | None:
    return None if call.id is None else _reply(call.id, call.has_jsonrpc, outcome, value)


def _code(reason: RoomError) -> int:
    return next(ERROR_CODES[kind] for kind in type(reason).__mro__ if kind in ERROR_CODES)


def _error(id: Id | None, has_jsonrpc: bool, code: int, message: str) -> str:
    return _reply(id, has_jsonrpc, "error", _refusal(code, message))


def _refusal(code: int, message: str, **more: bool) -> str:
    return json.dumps({"code": code, "message": message, **more})


def _reply(id: Id | None, has_jsonrpc: bool, outcome: str, value: str) -> str:
    version = '"jsonrpc": "2.0", ' if has_jsonrpc else ""
    return f'{{{version}"id": {json.dumps(id)}, "{outcome}": {value}}}'
