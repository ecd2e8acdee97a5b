"""Apps whose calls are analysed, and the organization that has them (contract analytics, sections 5.1, 5.2 and 8).

What is removed is there for nobody any more, and its row stays, for the calls that name it. There is one organization at most.
"""

import json
import secrets
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from api.store.database import Row
from api.store.tables import apps, organizations
from api.store.users import Taken

API_KEY_BYTES = 16


@attrs.frozen
class OrganizationRecord:
    id: str
    name: str
    created_at: datetime


@attrs.frozen
class AppRecord:
    id: str
    organization: str
    """Its id."""
    name: str
    api_key: str
    """32 of `0-9a-f`."""
    domain: str | None
    """From pages of which alone it takes reports."""
    interval_ms: int
    """How often clients are to send statistics."""
    recording: bool
    durations: Mapping[str, int]
    """Seconds of calls by day, `YYYY-MM-DD`."""
    created_at: datetime


def add_organization(connection: sa.Connection, name: str) -> OrganizationRecord:
    """Raises Taken, if there is one."""
    values = {"id": str(uuid.uuid4()), "name": name, "created_at": datetime.now(UTC), "active": True}
    try:
        return _organization(
            connection.execute(sa.insert(organizations).values(values).returning(*organizations.c)).one()
        )
    except IntegrityError:
        raise Taken("there is an organization already") from None


def all_organizations(connection: sa.Connection) -> list[OrganizationRecord]:
    found = connection.execute(sa.select(organizations).where(organizations.c.active).order_by(organizations.c.number))
    return [_organization(row) for row in found]


def organization(connection: sa.Connection, id: str) -> OrganizationRecord | None:
    return next((each for each in all_organizations(connection) if each.id == id), None)


def rename_organization(connection: sa.Connection, id: str, name: str) -> None:
    connection.execute(sa.update(organizations).where(_is(id)).values(name=name))


def remove_organization(connection: sa.Connection, id: str) -> None:
    """With its apps, whose keys are good no more."""
    number = sa.select(organizations.c.number).where(_is(id)).scalar_subquery()
    connection.execute(sa.update(apps).where(apps.c.organization == number).values(active=False))
    connection.execute(sa.update(organizations).where(_is(id)).values(active=False))


def add_app(
    connection: sa.Connection, *, organization: str, name: str, interval_ms: int, domain: str | None = None
) -> AppRecord | None:
    """None: there is no such organization."""
    number = connection.execute(sa.select(organizations.c.number).where(_is(organization))).scalar_one_or_none()
    if number is None:
        return None
    id = str(uuid.uuid4())
    values = {
        "id": id,
        "organization": number,
        "name": name,
        "api_key": _new_key(),
        "domain": domain,
        "interval_ms": interval_ms,
        "recording": True,
        "durations": "{}",
        "created_at": datetime.now(UTC),
        "active": True,
    }
    connection.execute(sa.insert(apps).values(values))
    return app(connection, id)


def all_apps(connection: sa.Connection) -> list[AppRecord]:
    """Oldest first."""
    return _apps(connection, sa.true())


def app(connection: sa.Connection, id: str) -> AppRecord | None:
    return next(iter(_apps(connection, apps.c.id == id)), None)


def app_by_key(connection: sa.Connection, api_key: str) -> AppRecord | None:
    return next(iter(_apps(connection, apps.c.api_key == api_key)), None)


def change_app(connection: sa.Connection, id: str, values: Mapping[str, str | int | bool | None]) -> None:
    """name, domain, interval_ms, recording."""
    if values:
        connection.execute(_of_app(id).values(values))


def reset_key(connection: sa.Connection, id: str) -> None:
    """The former one is good no more."""
    connection.execute(_of_app(id).values(api_key=_new_key()))


def remove_app(connection: sa.Connection, id: str) -> None:
    connection.execute(_of_app(id).values(active=False))


def _is(organization: str) -> sa.ColumnElement[bool]:
    return (organizations.c.id == organization) & organizations.c.active


def _of_app(id: str) -> sa.Update:
    return sa.update(apps).where(apps.c.id == id, apps.c.active)


def _new_key() -> str:
    return secrets.token_hex(API_KEY_BYTES)


def _apps(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[AppRecord]:
    owner = organizations.c.id.label("owner")
    query = sa.select(apps, owner).join(organizations).where(apps.c.active, where).order_by(apps.c.number)
    return [_app(row) for row in connection.execute(query)]


def _organization(row: Row) -> OrganizationRecord:
    return OrganizationRecord(row.id, row.name, row.created_at)


def _app(row: Row) -> AppRecord:
    return AppRecord(
        id=row.id,
        organization=row.owner,
        name=row.name,
        api_key=row.api_key,
        domain=row.domain,
        interval_ms=row.interval_ms,
        recording=row.recording,
        durations=json.loads(row.durations),
        created_at=row.created_at,
    )
