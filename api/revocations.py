"""Which auth tokens are good no more: in memory for every question, in the store for the next start.

A revocation names a call of a room, or the whole room, and voids the tokens issued for it until its moment. The rules:

- Moments order issuing and revoking, and clocks may be set back. So no token is issued at the moment of a revocation or
  before it, and nothing is revoked at a moment before that of a token that has been seen.
- A revocation is forgotten at the horizon: the latest expiry that any token can have which was issued until then. That
  is what earlier servers can have issued, by the ttl that they kept in the store, or any token seen or issued since.
- A room has ROOM_REVOCATIONS. One more, and the whole room is revoked instead of its calls, so that no room uses up
  what is there for all.
- REVOCATIONS are remembered. When there are more, the oldest one is forgotten and with it all tokens are void
  that were issued until its moment: too many people are asked to authenticate again, and nobody is let in.
- Invitations that ended are counted apart, for anybody can end as many as he likes: UNINVITED are remembered. When
  there are more, the oldest one is just forgotten: somebody who was invited can then still come in late, which harms
  nobody. None of them takes the place of another revocation, not even of the same call.
- What is revoked waits for the store in a dictionary, so one call waits once, and is a part of what is remembered. All
  that waits is one transaction, and so is that the store forgets what a whole room or UNINVITED has made memory forget.
  Whoever has to know that it is kept awaits `kept`; for the others `run` does.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import attrs
import sqlalchemy as sa
import structlog
import trio
from sqlalchemy.exc import SQLAlchemyError

from api import limits
from api.store import Store, revocations
from api.store.revocations import WHOLE_ROOM, Revocation
from signalling.ports import Claims

log = structlog.get_logger(__name__)

RETRY_S = 1.0
# For the last group, when the server ends.
FLUSH_S = 5.0

Key = tuple[str, str]


class Revocations:
    def __init__(self, store: Store, horizon: float, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._horizon = horizon
        # In the order of their moments, which is about that of their ends. A key is in one of the two. An
        # OrderedDict finds its first one at once, a dictionary only after all that were deleted before it.
        self._known: OrderedDict[Key, Revocation] = OrderedDict()
        self._uninvited: OrderedDict[Key, Revocation] = OrderedDict()
        # Of `_known`, by room.
        self._calls: dict[str, set[str]] = {}
        self._floor = -math.inf
        self._uninvited_forgotten = 0.0
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
        key = (room, call_id or WHOLE_ROOM)
        remembered = self._remember(Revocation(*key, moment, self._horizon, uninvited and key not in self._known))
        self._waiting[_key(remembered)] = remembered
        self._revoked += 1
        self._something_waits.set()

    def of(self, claims: Claims) -> Revocation | None:
        """What voids this token."""
        for call_id in (claims.call_id, WHOLE_ROOM):
            revocation = self._remembered((claims.room, call_id))
            if revocation is not None and claims.issued <= revocation.revoked_at:
                return revocation
        if claims.issued <= self._floor:
            return Revocation(claims.room, WHOLE_ROOM, self._floor, self._horizon, uninvited=False)
        return None

    def _remembered(self, key: Key) -> Revocation | None:
        return self._known.get(key) or self._uninvited.get(key)

    def _remember(self, revocation: Revocation) -> Revocation:
        """The latest one; returns it, or what stands for it: that its whole room is revoked."""
        self._latest_revoked = max(self._latest_revoked, revocation.revoked_at)
        if revocation.uninvited:
            self._forget(_key(revocation))
            self._uninvited[_key(revocation)] = revocation
            while len(self._uninvited) > limits.UNINVITED:
                oldest = self._forget_oldest(self._uninvited)
                self._uninvited_forgotten = max(self._uninvited_forgotten, oldest.revoked_at)
            return revocation
        calls = self._calls.get(revocation.room, set())
        if len(calls) >= limits.ROOM_REVOCATIONS and revocation.call_id not in calls:
            revocation = attrs.evolve(revocation, call_id=WHOLE_ROOM)
        if revocation.call_id == WHOLE_ROOM:
            for call_id in tuple(calls):
                self._forget((revocation.room, call_id))
        self._forget(_key(revocation))
        self._known[_key(revocation)] = revocation
        self._calls.setdefault(revocation.room, set()).add(revocation.call_id)
        while len(self._known) > limits.REVOCATIONS:
            oldest = self._forget_oldest(self._known)
            self._floor = max(self._floor, oldest.revoked_at)
        return revocation

    def _forget(self, key: Key) -> None:
        self._waiting.pop(key, None)
        self._uninvited.pop(key, None)
        if self._known.pop(key, None) is not None:
            room, call_id = key
            self._calls[room].remove(call_id)
            if not self._calls[room]:
                del self._calls[room]

    def _forget_oldest(self, some: OrderedDict[Key, Revocation]) -> Revocation:
        oldest = next(iter(some.values()))
        self._forget(_key(oldest))
        return oldest

    def _forget_ended(self) -> None:
        now = self._clock()
        for some in (self._known, self._uninvited):
            while some and next(iter(some.values())).until <= now:
                self._forget_oldest(some)

    # --- keeping ---

    async def kept(self) -> None:
        """Returns once all that has been revoked is in the store; raises what the store raises, and it goes on waiting."""
        wanted = self._revoked
        async with self._writing:
            if self._written >= wanted:
                return
            group, self._waiting = self._waiting, {}
            upto = self._revoked
            change = partial(
                revocations.keep, news=group.values(), uninvited_forgotten=self._uninvited_forgotten, now=self._clock()
            )
            try:
                await self._store.write(change)
            except BaseException:
                # Meanwhile some may have been forgotten.
                self._waiting = {key: r for key, r in (group | self._waiting).items() if self._remembered(key) is r}
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


def _key(revocation: Revocation) -> Key:
    return revocation.room, revocation.call_id
