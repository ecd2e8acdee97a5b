"""GET /v1/info (contract s-connector, section 4): what the licence is, also while it is disabled."""

from api.limits import LICENCE_MAXIMUM
from api.plain import Request
from api.s_connector.door import bearer
from api.s_connector.words import moment
from api.services import Services


class Info:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, request: Request) -> object:
        record = (await bearer(self._services, request, may_be_disabled=True)).licence
        return {
            "domain": record.domain,
            # The contract wants a number; without a limit it is the largest that a licence can have.
            "roomLimit": LICENCE_MAXIMUM if record.room_limit is None else record.room_limit,
            "enabled": int(record.enabled),
            "createdAt": moment(record.created_at),
        }
