"""What the query of a private request asks for (contract analytics, section 5): filters and pages. Pure; each raises Fault.

An argument that is empty counts as absent, and one that a route does not know as nothing at all.
"""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from api.analytics.faults import Fault
from api.analytics.fields import storable, uuid_of
from api.analytics.records import SERVER
from api.limits import LISTED_ROWS
from api.store.call_lists import OPERATORS, Asked, Filter, Page

PAGE_ROWS: Final = 50
MOST_PAGE_ROWS: Final = 200
LARGEST: Final = 2**31 - 1
NEWEST_FIRST: Final = "-created_at"
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
# An offset's plus sign, if it was sent as it is, has become a blank.
_LOST_PLUS: Final = re.compile(r"(?<=:\d\d| \d\d)(?P<rest>[.\d]*) (?=\d\d:?\d\d$)")

_OWNERS: Final = {"appId": "app", "conferenceId": "conference", "participantId": "participant", "sessionId": "session"}
TIMES: Final = frozenset(f"created_at_{operator}" for operator in OPERATORS)


def arguments(query: str) -> Mapping[str, str]:
    """Of several with one name, the last."""
    given = parse_qsl(query, keep_blank_values=True, errors="replace")
    return {name: storable(value) for name, value in given if value}


def asked_for(
    given: Mapping[str, str], filters: Collection[str], *, of_unknown: Mapping[str, str] | None = None
) -> Asked:
    """A list. `filters`: arguments of which one has to be there. `of_unknown`: faults of ids that are none, by argument;
    else `invalid_parameters`."""
    if not any(name in given for name in filters):
        raise Fault("missing_parameters")
    return listing(given, filters, of_unknown=of_unknown)


def listing(
    given: Mapping[str, str], filters: Collection[str], *, of_unknown: Mapping[str, str] | None = None
) -> Asked:
    """The same, of which nothing has to be there."""
    read: dict[str, Any] = {}
    for name in filters:
        if name not in given:
            continue
        value = given[name]
        if name in _OWNERS:
            read[_OWNERS[name]] = uuid_of(value, (of_unknown or {}).get(name, "invalid_parameters"))
        elif name in TIMES:
            operator = name.removeprefix("created_at_")
            read["created"] = (*read.get("created", ()), (operator, moment_of(value)))
        elif name == "duration_gte":
            read["shortest"] = integer(value)
        elif name == "duration_lt":
            read["longest"] = integer(value)
        elif name == "issue_code":
            read["issue_code"] = value
        elif name == "conference_id":
            read["own_id"] = value
        elif name == "conference_ids":
            parts = filter(None, (part.strip() for part in value.split(",")))
            read["conference_ids"] = tuple(uuid_of(part, "invalid_parameters") for part in parts)
    return Asked(Filter(**read), _page(given), given.get("order") == NEWEST_FIRST, LISTED_ROWS)


def type_of(given: Mapping[str, str]) -> Mapping[str, Any]:
    """`type=X` and `type=-X`, as fields of a Filter."""
    type = given.get("type", "")
    if not type:
        return {}
    return {"but_type": type[1:]} if type.startswith("-") else {"type": type}


def view_of(given: Mapping[str, str]) -> Mapping[str, Any]:
    """`view=server` and `view=browser`, which are ours, as fields of a Filter: by whose word an event is there."""
    match given.get("view"):
        case None:
            return {}
        case "server":
            return {"sdk": SERVER}
        case "browser":
            return {"but_sdk": SERVER}
    raise Fault("invalid_parameters")


def moment_of(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC, and a date is its midnight."""
    try:
        moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\g<rest>+", text))
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Fault("invalid_parameters") from None


def integer(text: str) -> int:
    """Brought into what databases take."""
    if not _INTEGER.fullmatch(text):
        raise Fault("invalid_parameters")
    return max(-LARGEST, min(LARGEST, int(text)))


def _page(given: Mapping[str, str]) -> Page | None:
    if "limit" not in given and "offset" not in given:
        return None
    limit, offset = (integer(given.get(name, str(default))) for name, default in (("limit", PAGE_ROWS), ("offset", 0)))
    return Page(max(1, min(MOST_PAGE_ROWS, limit)), max(0, offset))
