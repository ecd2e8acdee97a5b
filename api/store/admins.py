"""Administrators of the dashboard, by name, and their passwords as argon2 hashes."""

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from api.store.tables import admins


def password_hash(connection: sa.Connection, name: str) -> str | None:
    query = sa.select(admins.c.password_hash).where(admins.c.name == name)
    return connection.execute(query).scalar_one_or_none()


def set_password(connection: sa.Connection, name: str, password_hash: str) -> None:
    """In place of the one that there may be."""
    if not set_first_password(connection, name, password_hash):
        connection.execute(sa.update(admins).where(admins.c.name == name).values(password_hash=password_hash))


def set_first_password(connection: sa.Connection, name: str, password_hash: str) -> bool:
    """False, and nothing done, if there is one already."""
    values = sa.insert(admins).values(name=name, password_hash=password_hash)
    try:
        with connection.begin_nested():
            connection.execute(values)
    except IntegrityError:  # also of another process that has come in between
        return False
    return True
