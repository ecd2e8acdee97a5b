"""How answers are written (contract analytics, section 1)."""

import json
from datetime import UTC, datetime
from typing import Any

NOTHING = ""
"""What is answered where nothing is to be said: clients read every answer as JSON."""


def json_bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def value_of(text: str | None) -> Any:
    """Of JSON as it is stored."""
    return None if text is None else json.loads(text)


def when(moment: datetime | None) -> str | None:
    """UTC, without a mark of it; the fraction is left out where it is zero."""
    return None if moment is None else str(moment.astimezone(UTC).replace(tzinfo=None))
