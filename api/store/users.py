"""Users of the Room API and of SIP, and their devices."""

import uuid
from datetime import UTC, datetime

import attrs
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from api.store.database import Row
from api.store.tables import devices, users
from signalling.ports import User


class Taken(Exception):
    """A name that must be unique is in use; the message says which."""


@attrs.frozen
class Device:
    device: str
    token_mac: bytes = attrs.field(repr=False)


def add(
    connection: sa.Connection,
    *,
    username: str,
    password_hash: str,
    sip_realm: str,
    sip_digests: bytes,
    display_name: str | None = None,
    extension: str | None = None,
    device: Device | None = None,
) -> User:
    _refuse_taken(connection, username, extension, device)
    user = str(uuid.uuid4())
    try:
        connection.execute(
            sa.insert(users).values(
                id=user,
                username=username,
                password_hash=password_hash,
                display_name=display_name,
                extension=extension,
                sip_realm=sip_realm,
                sip_digests=sip_digests,
                created_at=datetime.now(UTC),
            )
        )
        if device is not None:
            connection.execute(
                sa.insert(devices).values(user_id=user, device=device.device, token_mac=device.token_mac)
            )
    except IntegrityError:  # PostgreSQL lets another process in between the look and the insert
        raise Taken(f"user {username!r}, its extension or its device token has just been taken") from None
    return User(id=user, username=username, display_name=display_name, extension=extension)


def all_users(connection: sa.Connection) -> list[User]:
    return [_user(row) for row in connection.execute(sa.select(users).order_by(users.c.username))]


def by_username(connection: sa.Connection, username: str) -> tuple[User, str] | None:
    """The user and the hash of the password."""
    row = connection.execute(sa.select(users).where(users.c.username == username)).one_or_none()
    return None if row is None else (_user(row), row.password_hash)


def by_device(connection: sa.Connection, device: Device) -> User | None:
    query = (
        sa.select(users)
        .join(devices, devices.c.user_id == users.c.id)
        .where(devices.c.device == device.device, devices.c.token_mac == device.token_mac)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else _user(row)


def by_extension_or_username(connection: sa.Connection, called: str) -> User | None:
    """A name of digits is found only if it is nobody's extension."""
    matching = (users.c.extension == called) | (users.c.username == called)
    first = sa.case((users.c.extension == called, 0), else_=1)
    row = connection.execute(sa.select(users).where(matching).order_by(first)).first()
    return None if row is None else _user(row)


def remove(connection: sa.Connection, who: str) -> bool:
    """Remove the user of this id or username."""
    return connection.execute(sa.delete(users).where((users.c.id == who) | (users.c.username == who))).rowcount > 0


def _refuse_taken(connection: sa.Connection, username: str, extension: str | None, device: Device | None) -> None:
    if connection.execute(sa.select(users.c.id).where(users.c.username == username)).first():
        raise Taken(f"there is a user {username!r} already")
    if (
        extension is not None
        and connection.execute(sa.select(users.c.id).where(users.c.extension == extension)).first()
    ):
        raise Taken(f"extension {extension} belongs to another user")
    if device is not None:
        query = sa.select(devices.c.id).where(devices.c.token_mac == device.token_mac)
        if connection.execute(query).first():
            raise Taken("this device token is in use")


def _user(row: Row) -> User:
    return User(id=row.id, username=row.username, display_name=row.display_name, extension=row.extension)
