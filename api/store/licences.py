"""Licences: the customers whose users and rooms are their own. What is secret about them is derived or kept as a MAC."""

from datetime import UTC, datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from api.store.database import Row
from api.store.tables import licences
from api.store.users import Taken


@attrs.frozen
class LicenceRecord:
    """A licence as the store keeps it, less its secret."""

    id: int
    domain: str
    cp_code: str
    access_key: str
    room_limit: int | None
    max_users: int | None
    starts_on: str | None
    """A date or a moment as it was given; licences.py reads it. So the next."""
    ends_on: str | None
    enabled: bool
    created_at: datetime


def add(
    connection: sa.Connection,
    *,
    domain: str,
    cp_code: str,
    access_key: str,
    secret_mac: bytes,
    room_limit: int | None = None,
    max_users: int | None = None,
    starts_on: str | None = None,
    ends_on: str | None = None,
) -> LicenceRecord:
    if by_domain(connection, domain) is not None:
        raise Taken(f"there is a licence for {domain!r} already")
    if by_cp_code(connection, cp_code) is not None:
        raise Taken(f"cp code {cp_code!r} belongs to another licence")
    values = sa.insert(licences).values(
        domain=domain,
        cp_code=cp_code,
        access_key=access_key,
        secret_mac=secret_mac,
        room_limit=room_limit,
        max_users=max_users,
        starts_on=starts_on,
        ends_on=ends_on,
        enabled=True,
        created_at=datetime.now(UTC),
    )
    try:
        return _record(connection.execute(values.returning(*licences.c)).one())
    except IntegrityError:  # PostgreSQL lets another process in between the looks and the insert
        raise Taken(f"domain {domain!r} or cp code {cp_code!r} has just been taken") from None


def all_licences(connection: sa.Connection) -> list[LicenceRecord]:
    """Oldest first."""
    return _records(connection, sa.true())


def by_id(connection: sa.Connection, id: str) -> LicenceRecord | None:
    return _one(connection, _has_id(id))


def by_domain(connection: sa.Connection, domain: str) -> LicenceRecord | None:
    return _one(connection, licences.c.domain == domain)


def by_cp_code(connection: sa.Connection, cp_code: str) -> LicenceRecord | None:
    return _one(connection, licences.c.cp_code == cp_code)


def by_access_key(connection: sa.Connection, access_key: str) -> tuple[LicenceRecord, bytes] | None:
    """With the MAC of its secret key."""
    row = connection.execute(sa.select(licences).where(licences.c.access_key == access_key)).one_or_none()
    return None if row is None else (_record(row), row.secret_mac)


def named(connection: sa.Connection, which: str) -> list[LicenceRecord]:
    """Those of this id, domain or access key: more than one, if a domain looks like another licence's id."""
    return _records(connection, _has_id(which) | (licences.c.domain == which) | (licences.c.access_key == which))


def enable(connection: sa.Connection, id: int, enabled: bool) -> None:
    connection.execute(sa.update(licences).where(licences.c.id == id).values(enabled=enabled))


def _has_id(id: str) -> sa.ColumnElement[bool]:
    return licences.c.id == int(id) if id.isascii() and id.isdigit() and len(id) < 10 else sa.false()


def _one(connection: sa.Connection, which: sa.ColumnElement[bool]) -> LicenceRecord | None:
    return next(iter(_records(connection, which)), None)


def _records(connection: sa.Connection, which: sa.ColumnElement[bool]) -> list[LicenceRecord]:
    query = sa.select(licences).where(which).order_by(licences.c.id)
    return [_record(row) for row in connection.execute(query)]


def _record(row: Row) -> LicenceRecord:
    return LicenceRecord(**{field.name: getattr(row, field.name) for field in attrs.fields(LicenceRecord)})
