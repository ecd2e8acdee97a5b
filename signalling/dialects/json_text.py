"""JSON as it may come from a stranger: what RFC 8259 calls JSON, and no more of what Python would take beside it."""

import json
import math
import re
from typing import Any, Final

CONTROL: Final = re.compile("[\0-\x1f\x7f-\x9f]")
"""Characters that no name has."""

HALF_A_PAIR: Final = re.compile("[\ud800-\udfff]")
"""One half of a surrogate pair: JSON can write it, UTF-8 cannot."""


class Unreadable(Exception):
    """The text is no message of this protocol; `reply` is the answer."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


def read_json(text: str) -> Any:
    """Raises ValueError, and nothing else: for what is no JSON, or has numbers or nesting beyond what is read here."""
    try:
        return json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_clean(text: str) -> bool:
    """No database and no C library takes a NUL inside a text; half of a surrogate pair is none."""
    return "\0" not in text and (text.isascii() or HALF_A_PAIR.search(text) is None)


def is_deeper(value: object, than: int) -> bool:
    """Whether it has more arrays and objects within each other; a lone number has none."""
    containers = [value] if isinstance(value, dict | list) else []
    for _ in range(than):
        containers = [
            inner
            for outer in containers
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not containers:
            return False
    return bool(containers)


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse_number(digits)


def _refuse_number(digits: str) -> float:
    raise ValueError(f"{digits} is no JSON number")
