"""The organization and its apps (contract analytics, sections 5.1 and 5.2)."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final

from api.analytics.asked import Asked
from api.analytics.faults import Fault
from api.analytics.fields import Body, text, uuid_of
from api.analytics.words import NOTHING, when
from api.services import Services
from api.store import Store, apps
from api.store.apps import AppRecord, OrganizationRecord
from api.store.users import Taken

NAME_CHARS: Final = 64
DOMAIN_CHARS: Final = 256
LEAST_INTERVAL_MS: Final = 1000
LONGEST_INTERVAL_MS: Final = 24 * 60 * 60 * 1000
DAYS: Final = 31
# RFC 1123 2.1: labels of letters, digits and hyphens; the last one no number, which an address would end with.
_DOMAIN: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?![0-9]+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])", re.IGNORECASE
)


class Organizations:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(self, asked: Asked) -> object:
        return {"data": [_organization(each) for each in await self._store.read(apps.all_organizations)]}

    async def add(self, asked: Asked) -> object:
        name = text(asked.body, "name", NAME_CHARS)
        if not name:
            raise Fault("missing_parameters")
        try:
            return {"data": _organization(await self._store.write(partial(apps.add_organization, name=name)))}
        except Taken:
            raise Fault("max_organizations_reached") from None

    async def get(self, asked: Asked) -> object:
        return {"data": _organization(await self._the_one(asked))}

    async def change(self, asked: Asked) -> object:
        found = await self._the_one(asked)
        name = text(asked.body, "name")
        if name is not None and len(name) > NAME_CHARS:
            raise Fault("invalid_parameters")
        if name:
            await self._store.write(partial(apps.rename_organization, id=found.id, name=name))
        return await self.get(asked)

    async def remove(self, asked: Asked) -> object:
        found = await self._the_one(asked)
        await self._store.write(partial(apps.remove_organization, id=found.id))
        return NOTHING

    async def _the_one(self, asked: Asked) -> OrganizationRecord:
        found = await self._store.read(partial(apps.organization, id=asked.id))
        if found is None:
            raise Fault("organization_not_found")
        return found


class Apps:
    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._interval_ms = services.config.analytics.stats_interval_ms

    async def list(self, asked: Asked) -> object:
        return {"data": [_app(each) for each in await self._store.read(apps.all_apps)]}

    async def add(self, asked: Asked) -> object:
        organization = uuid_of(asked.body.get("organization"), "organization_not_found")
        if await self._store.read(partial(apps.organization, id=organization)) is None:
            raise Fault("organization_not_found")
        name = text(asked.body, "name", NAME_CHARS)
        if not name:
            raise Fault("missing_parameters")
        add = partial(apps.add_app, organization=organization, name=name, interval_ms=self._interval_ms)
        added = await self._store.write(add)
        if added is None:
            raise Fault("organization_not_found")
        return {"data": _app(added)}

    async def get(self, asked: Asked) -> object:
        return {"data": _app(await self._the_one(asked))}

    async def change(self, asked: Asked) -> object:
        found = await self._the_one(asked)
        await self._store.write(partial(apps.change_app, id=found.id, values=_changes(asked.body)))
        return await self.get(asked)

    async def remove(self, asked: Asked) -> object:
        found = await self._the_one(asked)
        await self._store.write(partial(apps.remove_app, id=found.id))
        return NOTHING

    async def reset_key(self, asked: Asked) -> object:
        found = await self._the_one(asked)
        await self._store.write(partial(apps.reset_key, id=found.id))
        return {"api_key": (await self._the_one(asked)).api_key}

    async def _the_one(self, asked: Asked) -> AppRecord:
        found = await self._store.read(partial(apps.app, id=asked.id))
        if found is None:
            raise Fault("app_not_found")
        return found


def is_domain(domain: str) -> bool:
    """Whether it may be a public one: a name with a dot, and no address."""
    return len(domain) <= DOMAIN_CHARS and _DOMAIN.fullmatch(domain) is not None


def _changes(body: Body) -> dict[str, str | int | bool | None]:
    """What a PUT changes; whatever else it says is of no effect."""
    changes: dict[str, str | int | bool | None] = {}
    name = text(body, "name", NAME_CHARS)
    if name:
        changes["name"] = name
    if "domain" in body:
        domain = text(body, "domain")
        if domain and not is_domain(domain):
            raise Fault("invalid_parameters")
        changes["domain"] = domain.lower() if domain else None
    if "interval" in body:
        interval = body["interval"]
        if isinstance(interval, bool) or not isinstance(interval, int):
            raise Fault("invalid_parameters")
        if not LEAST_INTERVAL_MS <= interval <= LONGEST_INTERVAL_MS:
            raise Fault("invalid_parameters")
        changes["interval_ms"] = interval
    if "recording" in body:
        if not isinstance(body["recording"], bool):
            raise Fault("invalid_parameters")
        changes["recording"] = body["recording"]
    return changes


def _organization(record: OrganizationRecord) -> object:
    return {"id": record.id, "name": record.name, "created_at": when(record.created_at)}


def _app(record: AppRecord) -> object:
    return {
        "id": record.id,
        "name": record.name,
        "api_key": record.api_key,
        "domain": record.domain,
        "organization": record.organization,
        "interval": record.interval_ms,
        "recording": record.recording,
        "durations_days": _last_days(record, datetime.now(UTC).date()),
        "created_at": when(record.created_at),
    }


def _last_days(record: AppRecord, today: date) -> dict[str, int]:
    """Oldest first, today among them."""
    days = [(today - timedelta(days=ago)).isoformat() for ago in reversed(range(DAYS))]
    return {day: record.durations.get(day, 0) for day in days}
