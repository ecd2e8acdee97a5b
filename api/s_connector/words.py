"""How the API puts answers and moments into words, and reads queries (contract s-connector, sections 1, 6 and 7)."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import parse_qsl

from api.licences import first_moment, is_date
from api.plain import Refusal, Request


def success(data: object) -> bytes:
    return json_text({"status": True, "data": data})


def success_of(texts: Iterable[bytes]) -> bytes:
    """The same of a list whose items are in JSON already."""
    return b'{"status": true, "data": [' + b", ".join(texts) + b"]}"


def json_text(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def failure(message: str) -> bytes:
    return json_text({"status": False, "message": message})


def moment(at: datetime) -> str:
    """UTC, whole seconds."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + ".000Z"


def read_moment(name: str, text: str, zone: tzinfo, *, as_end: bool = False) -> datetime:
    """A day, which as an end is the midnight after it, or a moment; without an offset in `zone`. 400 of anything else."""
    try:
        at = first_moment(text, zone)
        if as_end and is_date(text):
            # By the calendar: a day need not have 24 hours.
            at = (at.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal(400, f"{name}: not a date such as 2021-02-20, nor a moment such as 2021-02-20 12:00") from None


def parameters(request: Request) -> dict[str, str]:
    """Of the query. 400 if it is not UTF-8, or says one thing twice."""
    try:
        pairs = parse_qsl(request.query, keep_blank_values=True, errors="strict")
    except ValueError:
        raise Refusal(400, "the query cannot be read") from None
    given = dict(pairs)
    if len(given) != len(pairs):
        raise Refusal(400, "a parameter is given twice")
    return given
