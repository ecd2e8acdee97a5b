"""Bearer keys of administrators, kept as MACs."""

from datetime import UTC, datetime

import attrs
import sqlalchemy as sa

from api.store.tables import keys


@attrs.frozen
class Key:
    id: int
    name: str
    created_at: datetime


def add(connection: sa.Connection, name: str, key_mac: bytes) -> Key:
    now = datetime.now(UTC)
    values = sa.insert(keys).values(name=name, key_mac=key_mac, created_at=now).returning(keys.c.id)
    return Key(connection.execute(values).scalar_one(), name, now)


def all_keys(connection: sa.Connection) -> list[Key]:
    query = sa.select(keys).order_by(keys.c.id)
    return [Key(row.id, row.name, row.created_at) for row in connection.execute(query)]


def known(connection: sa.Connection, key_mac: bytes) -> bool:
    return connection.execute(sa.select(keys.c.id).where(keys.c.key_mac == key_mac)).first() is not None


def remove(connection: sa.Connection, which: str) -> int:
    """Remove the keys of this id or name; how many there were."""
    matching = keys.c.name == which
    if which.isascii() and which.isdigit() and len(which) < 10:
        matching |= keys.c.id == int(which)
    return connection.execute(sa.delete(keys).where(matching)).rowcount
