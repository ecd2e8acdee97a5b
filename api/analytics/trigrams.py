"""How alike two texts are, by the trigrams that they share (contract analytics, section 5.5). Pure.

Lower case; words are runs of letters and digits, each with two blanks before and one behind it. Alike is: shared trigrams by
all distinct ones of both.
"""

import math
import re
from functools import lru_cache
from typing import Final

ALIKE: Final = 0.3
_WORD: Final = re.compile(r"[^\W_]+")


def trigrams(text: str) -> frozenset[str]:
    found: set[str] = set()
    for word in _WORD.findall(text.lower()):
        padded = f"  {word} "
        found.update(padded[at : at + 3] for at in range(len(padded) - 2))
    return frozenset(found)


@lru_cache(64)
def of_query(text: str) -> frozenset[str]:
    return trigrams(text)


def likeness(query: str, text: str | None) -> float:
    """0 to 1."""
    wanted, found = of_query(query), trigrams(text or "")
    shared = len(wanted & found)
    return shared / (len(wanted) + len(found) - shared) if shared else 0.0


def needed(query: str) -> int:
    """As many trigrams of the query has each text that is alike enough."""
    return max(1, math.ceil(ALIKE * len(of_query(query)) - 1e-9))
