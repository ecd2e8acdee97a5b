"""GET /search (contract analytics, section 5.5): what is named, or called, much like that."""

from functools import partial
from typing import Any, Final

import trio

from api.analytics.arguments import arguments
from api.analytics.asked import Asked
from api.analytics.faults import Fault
from api.analytics.trigrams import ALIKE, likeness, needed, of_query
from api.limits import SEARCHED_RECORDS
from api.store import Store, call_search
from api.store.call_search import Candidate

QUERY_CHARS: Final = 64
MATCHES: Final = 5
OF_APPS: Final = ("app", "organization")
_PATHS: Final = {
    "conference": "conference",
    "participant": "participant",
    "app": "apps",
    "organization": "organization",
}


class Search:
    def __init__(self, store: Store) -> None:
        self._store = store
        # Each goes through all names there are.
        self._one_at_a_time = trio.CapacityLimiter(1)

    async def search(self, asked: Asked) -> object:
        query = arguments(asked.request.query).get("query", "")
        if not 1 <= len(query) <= QUERY_CHARS:
            raise Fault("invalid_parameters")
        parts = sorted({trigram.strip() for trigram in of_query(query)})
        if not parts:
            return {"matches": []}
        # Two trigrams, such as "  a" and " a ", may be one part here, and count for as many.
        least = max(1, needed(query) - (len(of_query(query)) - len(parts)))
        find = partial(call_search.candidates, parts=parts, needed=least, newest=SEARCHED_RECORDS)
        async with self._one_at_a_time:
            found = await self._store.read(lambda db: _best(query, list(find(db))))
        return {"matches": [_match(each) for each in found]}


def _best(query: str, candidates: list[Candidate]) -> list[Candidate]:
    alike = [(max(likeness(query, each.own_id), likeness(query, each.name)), each) for each in candidates]
    good = [each for each in alike if each[0] >= ALIKE]
    good.sort(key=lambda each: -each[0])
    return [candidate for _, candidate in good[:MATCHES]]


def _match(found: Candidate) -> dict[str, Any]:
    return {
        "name": found.name,
        "id": "" if found.kind in OF_APPS else found.own_id,
        "url": f"/{_PATHS[found.kind]}/{found.uuid}",
        "type": found.kind,
    }
