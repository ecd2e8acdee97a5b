"""Rooms and users as signalling asks for them; implements signalling.ports.Directory over the store.

Nothing is cached, so what a command wrote in another process holds from the next question on.
"""

from functools import partial

import sqlalchemy as sa

from api.keyring import Keyring
from api.passwords import PasswordChecks
from api.store import Store, rooms, users
from signalling.ports import RoomRecord, User

DEVICE_TOKENS = "device tokens"


class StoredDirectory:
    def __init__(self, store: Store, keyring: Keyring, passwords: PasswordChecks) -> None:
        self._store = store
        self._keyring = keyring
        self._passwords = passwords

    async def room(self, uuid: str) -> RoomRecord | None:
        return await self._store.read(partial(rooms.by_uuid, room=uuid))

    async def room_password_is(self, uuid: str, password: str) -> bool:
        stored = await self._store.read(partial(rooms.password_hash, room=uuid))
        return await self._passwords.matches(password, stored)

    async def user_by_password(self, username: str, password: str) -> User | None:
        found = await self._store.read(partial(users.by_username, username=username))
        # An unknown name costs as much time as a wrong password, so the clock does not tell who exists.
        if await self._passwords.matches(password, found and found[1]):
            return found and found[0]
        return None

    async def user_by_device(self, device: str, token: str) -> User | None:
        claimed = users.Device(device, self._keyring.mac(DEVICE_TOKENS, token))

        def find(connection: sa.Connection) -> User | None:
            return users.by_device(connection, claimed)

        return await self._store.read(find)

    async def user_called(self, destination: str) -> User | None:
        return await self._store.read(partial(users.by_extension_or_username, called=destination))
