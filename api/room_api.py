"""REST of the Room API: persistent rooms, and who is in a room now (contract room-api, section 2).

A change is the room as it would be made anew: what the request gives over what the store has, under the same rules. It is
put together once before its password is hashed, and again in the transaction, where nothing can come in between.
"""

import re
import uuid
from functools import partial
from typing import Any

import attrs
import sqlalchemy as sa
from attrs.validators import max_len
from quart import Response
from quart_trio import QuartTrio

from api.http import HttpError, json_body, json_response, moment, shaped
from api.limits import ROOM_MEMBERS, ROOM_NAME_CHARS, ROOM_PASSWORD_CHARS
from api.services import Services
from api.store import rooms
from signalling.dialects.room_api.people import members_json
from signalling.ports import ListedUser, RoomRecord
from signalling.room.errors import TooMany

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _trimmed(name: str) -> str:
    return name.strip()


def _lower(user_id: str) -> str:
    return user_id.lower()


def _name(_: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    if not 1 <= len(value) <= ROOM_NAME_CHARS:
        raise ValueError(f"name: must have 1 to {ROOM_NAME_CHARS} characters")


def _password(_: object, attribute: "attrs.Attribute[str | None]", value: str | None) -> None:
    if value is not None and not 1 <= len(value) <= ROOM_PASSWORD_CHARS:
        raise ValueError(f"password: must be null or have 1 to {ROOM_PASSWORD_CHARS} characters")


def _user_id(_: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    try:
        canonical = str(uuid.UUID(value))
    except ValueError:
        canonical = ""
    if canonical != value:
        raise ValueError("user_id: must be a uuid")


@attrs.frozen
class NewMember:
    user_id: str = attrs.field(converter=_lower, validator=_user_id)
    admin: bool = False


@attrs.frozen
class NewRoom:
    """The object `room` of a request that makes one, or what a request that changes one makes of it."""

    name: str = attrs.field(converter=_trimmed, validator=_name)
    password: str | None = attrs.field(default=None, repr=False, validator=_password)
    open: bool = False
    force_password: bool = False
    force_waiting_room: bool = False
    members: tuple[NewMember, ...] = attrs.field(default=(), validator=max_len(ROOM_MEMBERS))

    def __attrs_post_init__(self) -> None:
        if len({member.user_id for member in self.members}) < len(self.members):
            raise ValueError("members: a user_id is given twice")

    def listed(self) -> list[ListedUser]:
        return [ListedUser(member.user_id, member.admin) for member in self.members]


def mount(app: QuartTrio, services: Services) -> None:
    store = services.store
    mount_members(app, services)

    async def hashed(password: str | None) -> str | None:
        try:
            return None if password is None else await services.passwords.hashed(password)
        except TooMany as refusal:
            raise HttpError(429, str(refusal)) from None

    @app.post("/v1/rooms")
    async def create_room() -> Response:
        if services.readiness.draining:
            raise HttpError(503, "the server is draining")
        wanted = _wanted(await _given(), has_password=False)
        password_hash = await hashed(wanted.password)

        def add(connection: sa.Connection) -> RoomRecord:
            return rooms.add(
                connection,
                name=wanted.name,
                open=wanted.open,
                force_password=wanted.force_password,
                force_waiting_room=wanted.force_waiting_room,
                password_hash=password_hash,
                members=wanted.listed(),
            )

        record = await store.write(add)
        response = json_response({"room": _room(record)}, 201)
        response.headers["Location"] = f"/v1/rooms/{record.uuid}"
        return response

    @app.put("/v1/rooms/<room_uuid>")
    async def change_room(room_uuid: str) -> Response:
        room = _uuid(room_uuid)
        given = await _given()
        password_hash = await hashed(_changed(await store.read(partial(rooms.by_uuid, room=room)), given).password)

        def change(connection: sa.Connection) -> RoomRecord | None:
            wanted = _changed(rooms.for_change(connection, room), given)
            rooms.change(
                connection,
                room,
                name=wanted.name,
                open=wanted.open,
                force_password=wanted.force_password,
                force_waiting_room=wanted.force_waiting_room,
                members=wanted.listed(),
            )
            if "password" in given:
                rooms.set_password(connection, room, password_hash)
            return rooms.by_uuid(connection, room)

        return json_response({"room": _room(_found(await store.write(change)))})

    @app.get("/v1/rooms")
    async def list_rooms() -> Response:
        return json_response({"rooms": [_room(record) for record in await store.read(rooms.all_rooms)]})

    @app.get("/v1/rooms/<room_uuid>")
    async def get_room(room_uuid: str) -> Response:
        record = await store.read(partial(rooms.by_uuid, room=_uuid(room_uuid)))
        return json_response({"room": _room(_found(record))})

    @app.delete("/v1/rooms/<room_uuid>")
    async def delete_room(room_uuid: str) -> Response:
        room = _uuid(room_uuid)
        # First the record: nobody can enter any more while those inside are asked to leave.
        removed = await store.write(partial(rooms.remove, room=room))
        if not removed and not services.rooms.exists(room):
            raise HttpError(404, "no such room")
        await services.rooms.end(room)
        return Response("", 204)


def mount_members(app: QuartTrio, services: Services) -> None:
    """The one route that [room_api] members_bind serves, too."""

    @app.get("/v1/rooms/<room_uuid>/members")
    async def list_members(room_uuid: str) -> Response:
        room = _uuid(room_uuid)
        if not services.rooms.exists(room):
            _found(await services.store.read(partial(rooms.by_uuid, room=room)))
        body = f'{{"members": {members_json(services.rooms.members(room))}}}'
        return Response(body, content_type="application/json")


def _uuid(text: str) -> str:
    if _UUID.fullmatch(text.lower()) is None:
        raise HttpError(404, "no such room")
    return text.lower()


def _found(record: RoomRecord | None) -> RoomRecord:
    if record is None:
        raise HttpError(404, "no such room")
    return record


async def _given() -> dict[str, Any]:
    body = await json_body()
    if not isinstance(body, dict) or not isinstance(body.get("room"), dict):
        raise HttpError(400, "the body must be an object with an object `room`")
    room: dict[str, Any] = body["room"]
    return room


def _wanted(settings: dict[str, Any], has_password: bool) -> NewRoom:
    wanted = shaped(settings, NewRoom, "room")
    if wanted.force_password and wanted.password is None and not has_password:
        raise HttpError(422, "room.force_password: without a password nobody could enter")
    return wanted


def _changed(record: RoomRecord | None, given: dict[str, Any]) -> NewRoom:
    found = _found(record)
    return _wanted(_settings(found) | given, has_password=found.has_password and "password" not in given)


def _settings(record: RoomRecord) -> dict[str, object]:
    """What of a room can be read and given again."""
    return {
        "name": record.name,
        "open": record.open,
        "force_password": record.force_password,
        "force_waiting_room": record.force_waiting_room,
        "members": [{"user_id": member.user_id, "admin": member.admin} for member in record.members],
    }


def _room(record: RoomRecord) -> dict[str, object]:
    return _settings(record) | {
        "uuid": record.uuid,
        "has_password": record.has_password,
        "created_at": moment(record.created_at),
        "updated_at": moment(record.updated_at),
    }
