"""GET /v1/static (contract s-connector, section 6): how long each session was that began within a time."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import tzinfo

import trio

from api.limits import USAGE_SESSIONS
from api.plain import Refusal, Request
from api.s_connector.door import bearer
from api.s_connector.words import moment, parameters, read_moment, success
from api.services import Services
from api.sessions import TooManyUses, Use


class Usage:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._zone: tzinfo = services.config.licence.zone
        self._turns: defaultdict[int, trio.Lock] = defaultdict(trio.Lock)
        """By licence: the store has few readers, and nobody is to have all of them."""
        self._one_at_a_time = trio.CapacityLimiter(1)

    async def __call__(self, request: Request) -> object:
        licence = (await bearer(self._services, request)).licence
        given = parameters(request)
        if not given.get("startTime"):
            raise Refusal(400, "startTime is needed")
        start = read_moment("startTime", given["startTime"], self._zone)
        end = read_moment("endTime", given["endTime"], self._zone, as_end=True) if "endTime" in given else None
        if end is not None and start >= end:
            raise Refusal(400, "endTime: is not after startTime")
        try:
            async with self._turns[licence.id]:
                uses = await self._services.sessions.uses(str(licence.id), start, end)
        except TooManyUses:
            raise Refusal(400, f"more than {USAGE_SESSIONS:,} sessions: ask for a shorter time") from None
        # Of as many as there may be, half a second's work, for which nobody else shall wait.
        return await trio.to_thread.run_sync(_words, licence.domain, uses, limiter=self._one_at_a_time)


def _words(domain: str, uses: Sequence[Use]) -> bytes:
    detail = [
        {"roomName": use.room_name, "sessionTimeSecond": use.seconds, "createdAt": moment(use.began_at)} for use in uses
    ]
    return success({"domain": domain, "totalSecond": sum(use.seconds for use in uses), "detail": detail})
