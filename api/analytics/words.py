"""How answers are written (contract analytics, section 1)."""

from collections.abc import Iterable
from datetime import UTC, datetime

import orjson

NOTHING = ""
"""What is answered where nothing is to be said: clients read every answer as JSON."""


def json_bytes(value: object) -> bytes:
    return orjson.dumps(value)


def value_of(text: str | None) -> object:
    """Of JSON as it is stored, which goes out as it is."""
    return None if text is None else orjson.Fragment(text)


def list_of(texts: Iterable[bytes]) -> object:
    """An array of what is JSON already."""
    return orjson.Fragment(b"[" + b",".join(texts) + b"]")


def when(moment: datetime | None) -> str | None:
    """UTC, without a mark of it; the fraction is left out where it is zero."""
    return None if moment is None else str(moment.astimezone(UTC).replace(tzinfo=None))
