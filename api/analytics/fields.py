"""The rules that fields of a request follow, one by one (contract analytics, sections 1 and 4). Pure; each raises Fault.

Text that no database takes (NUL, half of a surrogate pair) loses those characters: the SDK sends what an application gives it,
and a call is not to go unseen for a name.
"""

import json
import math
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from api.analytics.faults import Fault
from api.places import Place
from signalling.dialects.json_text import is_deeper, read_json

Body = Mapping[str, Any]

UUID_CHARS = 48
"""With all that Python takes around one."""
# Most come again, event by event.
IDS_REMEMBERED = 8192
DEPTH = 64
"""Arrays and objects within each other, of what is stored as it came."""


def body_of(raw: bytes) -> Body:
    """An object, in UTF-8, whatever it was declared to be."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        # Half of a surrogate pair is no reason to lose a report, and this one reads it.
        try:
            value = read_json(raw.decode("utf-8"))
        except ValueError:
            raise Fault("unknown_error") from None
    if not isinstance(value, dict):
        raise Fault("unknown_error")
    # It takes a bracket to be deeper, and counting those is quick.
    if raw.count(b"{") + raw.count(b"[") > DEPTH and is_deeper(value, DEPTH):
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
    given = 0
    for name in (*names, "delta"):
        if name in body:
            given = body[name]
            break
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < math.inf:
        raise Fault("invalid_parameters")
    try:
        return now - timedelta(milliseconds=given)
    except OverflowError:
        raise Fault("invalid_parameters") from None


def uuid_of(value: object, fault: str) -> str:
    """In its canonical form."""
    try:
        if isinstance(value, str) and len(value) <= UUID_CHARS:
            return _canonical(value)
    except ValueError:
        pass
    raise Fault(fault)


@lru_cache(IDS_REMEMBERED)
def _canonical(text: str) -> str:
    return str(uuid.UUID(text))


def json_of(value: object) -> str:
    """As it is stored, which for PostgreSQL has to be without NULs and halves of surrogate pairs."""
    try:
        written = orjson.dumps(value).decode()
        if "\\u0000" not in written:
            return written
    except TypeError:  # half of a surrogate pair, or a number of more than 64 bits
        pass
    return json.dumps(_storable(value), ensure_ascii=False, separators=(",", ":"))


def geo_of(place: Place) -> Mapping[str, str | float | None]:
    """As it is stored: None of what is not known."""
    return {
        "country_code": place.country_code or None,
        "region_code": place.region or None,
        "city": place.city or None,
        "latitude": place.latitude,
        "longitude": place.longitude,
    }


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
