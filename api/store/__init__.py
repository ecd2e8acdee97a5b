"""What must survive: rooms, users, keys, licences, usage, calls. `Database` is synchronous; `Store` is its face for trio.

Each of `rooms`, `users`, `keys`, `admins`, `licences`, `licence_rooms`, `sessions`, `apps`, `calls` and what begins with `call_` is a
handful of functions on a connection; callers hand them to `read` or `write`.
"""

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
import trio

from api.store.database import Database, StoreError

__all__ = ["Database", "Store", "StoreError"]

T = TypeVar("T")

READERS = 4


class Store:
    """The database in worker threads: one writer, a few readers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = trio.CapacityLimiter(1)
        self._readers = trio.CapacityLimiter(READERS)

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        return await trio.to_thread.run_sync(self._database.read, query, limiter=self._readers)

    def version(self) -> int | None:
        """As Database.version; for trio's thread."""
        return self._database.version()

    async def write(self, change: Callable[[sa.Connection], T]) -> T:
        """Durable when this returns. A cancelled writer still waits for its transaction to end one way or the other."""
        return await trio.to_thread.run_sync(self._database.write, change, limiter=self._writer)
