"""The rules that fields of a request follow, one by one (contract analytics, sections 1 and 4). Pure; each raises Fault.

Text that no database takes (NUL, half of a surrogate pair) loses those characters: the SDK sends what an application gives it,
and a call is not to go unseen for a name.
"""

import json
import math
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from api.analytics.faults import Fault
from signalling.dialects.json_text import is_deeper, read_json

Body = Mapping[str, Any]

DEPTH = 64
"""Arrays and objects within each other, of what is stored as it came."""


def body_of(raw: bytes) -> Body:
    """An object, in UTF-8, whatever it was declared to be."""
    try:
        value = read_json(raw.decode("utf-8"))
    except ValueError:
        raise Fault("unknown_error") from None
    if not isinstance(value, dict) or is_deeper(value, DEPTH):
        raise Fault("unknown_error")
    return value


def text(body: Body, name: str, cut: int | None = None) -> str | None:
    """None of what is absent or null."""
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Fault("invalid_parameters")
    return storable(value)[:cut]


def storable(value: str) -> str:
    if value.isprintable():
        return value
    return "".join(letter for letter in value if letter != "\0" and not "\ud800" <= letter <= "\udfff")


def moment(body: Body, now: datetime, *names: str) -> datetime:
    """`now` less what the first of `names` (else `delta`) that is there says, in milliseconds."""
    given = next((body[name] for name in (*names, "delta") if name in body), 0)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < math.inf:
        raise Fault("invalid_parameters")
    try:
        return now - timedelta(milliseconds=given)
    except OverflowError:
        raise Fault("invalid_parameters") from None


def uuid_of(value: object, fault: str) -> str:
    """In its canonical form."""
    try:
        return str(uuid.UUID(value)) if isinstance(value, str) else _refuse(fault)
    except ValueError:
        return _refuse(fault)


def json_of(value: object) -> str:
    """As it is stored, which for PostgreSQL has to be without NULs and halves of surrogate pairs."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "\\u0000" in written or not written.isprintable():
        written = json.dumps(_storable(value), ensure_ascii=False, separators=(",", ":"))
    return written


def _storable(value: object) -> object:
    match value:
        case str():
            return storable(value)
        case list():
            return [_storable(each) for each in value]
        case dict():
            return {storable(name): _storable(each) for name, each in value.items()}
        case _:
            return value


def _refuse(fault: str) -> str:
    raise Fault(fault)
