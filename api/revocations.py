"""Which auth tokens are good no more: in memory for every question, in the store for the next start.

A revocation names a call of a room, or the whole room, and voids the tokens issued for it until its moment. The rules:

- Moments order issuing and revoking, and clocks may be set back. So no token is issued at the moment of a revocation or
  before it, and nothing is revoked at a moment before that of a token that has been seen.
- A revocation is forgotten at the horizon: the latest expiry that any token can have which was issued until then. That
  is what earlier servers can have issued, by the ttl that they kept in the store, or any token seen or issued since.
- REVOCATIONS are remembered. When there are more, the oldest one is forgotten and with it all tokens are void
  that were issued until its moment: too many people are asked to authenticate again, and nobody is let in.
- What is revoked waits for the store in a dictionary, so one call waits once, and is a part of what is remembered. All
  that waits is one transaction. Whoever has to know that it is kept awaits `kept`; for the others `run` does.
"""

import math
import time
from collections.abc import Callable
from functools import partial

import sqlalchemy as sa
import structlog
import trio
from sqlalchemy.exc import SQLAlchemyError

from api import limits
from api.store import Store, revocations
from api.store.revocations import Revocation
from signalling.ports import Claims

log = structlog.get_logger(__name__)

RETRY_S = 1.0
# For the last group, when the server ends.
FLUSH_S = 5.0
WHOLE_ROOM = ""

Key = tuple[str, str]


class Revocations:
    def __init__(self, store: Store, horizon: float, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._horizon = horizon
        # In the order of their moments, which is about that of their ends.
        self._known: dict[Key, Revocation] = {}
        self._floor = -math.inf
        self._latest_revoked = -math.inf
        self._latest_issued = -math.inf
        self._waiting: dict[Key, Revocation] = {}
        self._something_waits = trio.Event()
        self._revoked = 0
        self._written = 0
        self._writing = trio.Lock()

    @classmethod
    async def open(cls, store: Store, ttl_s: float, clock: Callable[[], float] = time.time) -> "Revocations":
        """Those of the store, for a server whose tokens live `ttl_s`."""
        now = clock()

        def begin(connection: sa.Connection) -> tuple[float, list[Revocation]]:
            revocations.keep(connection, (), now)
            return revocations.begin_issuing(connection, ttl_s, now), revocations.all_revocations(connection)

        horizon, stored = await store.write(begin)
        opened = cls(store, horizon, clock)
        for revocation in stored:
            opened._remember(revocation)
        return opened

    # --- moments ---

    def moment_to_issue(self) -> float:
        """For a new token; it is good whatever was revoked before."""
        return max(self._clock(), math.nextafter(self._latest_revoked, math.inf))

    def note_token(self, issued: float, expires: float) -> None:
        """One of ours has been seen."""
        self._latest_issued = max(self._latest_issued, issued)
        self._horizon = max(self._horizon, expires)

    # --- revoking ---

    def add(self, room: str, call_id: str | None, uninvited: bool) -> None:
        self._forget_ended()
        moment = max(self._clock(), self._latest_issued, self._latest_revoked)
        revocation = Revocation(room, call_id or WHOLE_ROOM, moment, self._horizon, uninvited)
        self._waiting[revocation.room, revocation.call_id] = revocation
        self._remember(revocation)
        self._revoked += 1
        self._something_waits.set()

    def of(self, claims: Claims) -> Revocation | None:
        """What voids this token."""
        for call_id in (claims.call_id, WHOLE_ROOM):
            revocation = self._known.get((claims.room, call_id))
            if revocation is not None and claims.issued <= revocation.revoked_at:
                return revocation
        if claims.issued <= self._floor:
            return Revocation(claims.room, WHOLE_ROOM, self._floor, self._horizon, uninvited=False)
        return None

    def _remember(self, revocation: Revocation) -> None:
        key = (revocation.room, revocation.call_id)
        self._known.pop(key, None)
        self._known[key] = revocation
        self._latest_revoked = max(self._latest_revoked, revocation.revoked_at)
        while len(self._known) > limits.REVOCATIONS:
            oldest = next(iter(self._known))
            self._floor = max(self._floor, self._known.pop(oldest).revoked_at)
            self._waiting.pop(oldest, None)

    def _forget_ended(self) -> None:
        now = self._clock()
        while self._known:
            oldest = next(iter(self._known))
            if self._known[oldest].until > now:
                return
            del self._known[oldest]
            self._waiting.pop(oldest, None)

    # --- keeping ---

    async def kept(self) -> None:
        """Returns once all that has been revoked is in the store; raises what the store raises, and it goes on waiting."""
        wanted = self._revoked
        async with self._writing:
            if self._written >= wanted:
                return
            group, self._waiting = self._waiting, {}
            upto = self._revoked
            try:
                await self._store.write(partial(revocations.keep, news=list(group.values()), now=self._clock()))
            except BaseException:
                self._waiting = group | self._waiting
                raise
            self._written = upto
            if not self._waiting:
                self._something_waits = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keeps what nobody waits for, until it is cancelled, and then what is left."""
        task_status.started()
        try:
            while True:
                await self._something_waits.wait()
                if not await self._try_to_keep():
                    await trio.sleep(RETRY_S)
        finally:
            with trio.move_on_after(FLUSH_S, shield=True):
                await self._try_to_keep()

    async def _try_to_keep(self) -> bool:
        try:
            await self.kept()
        except SQLAlchemyError as error:
            log.error("revoked tokens could not be stored; until the server ends they stay revoked", exc_info=error)
            return False
        return True
