"""REST of the Room API: persistent rooms (contract room-api, section 2)."""

import uuid
from functools import partial

import attrs
import sqlalchemy as sa
from attrs.validators import max_len
from quart import Response
from quart_trio import QuartTrio

from api.http import HttpError, json_body, json_response, moment, shaped
from api.limits import ROOM_MEMBERS, ROOM_NAME_CHARS, ROOM_PASSWORD_CHARS
from api.services import Services
from api.store import rooms
from signalling.ports import ListedUser, RoomRecord
from signalling.room.errors import TooMany


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
    """The object `room` of a request that makes one."""

    name: str = attrs.field(converter=_trimmed, validator=_name)
    password: str | None = attrs.field(default=None, repr=False, validator=_password)
    open: bool = False
    force_password: bool = False
    force_waiting_room: bool = False
    members: tuple[NewMember, ...] = attrs.field(default=(), validator=max_len(ROOM_MEMBERS))

    def __attrs_post_init__(self) -> None:
        if self.force_password and self.password is None:
            raise ValueError("force_password: without a password nobody could enter")
        if len({member.user_id for member in self.members}) < len(self.members):
            raise ValueError("members: a user_id is given twice")


def mount(app: QuartTrio, services: Services) -> None:
    store = services.store

    @app.post("/v1/rooms")
    async def create_room() -> Response:
        if services.readiness.draining:
            raise HttpError(503, "the server is draining")
        body = await json_body()
        if not isinstance(body, dict) or not isinstance(body.get("room"), dict):
            raise HttpError(400, "the body must be an object with an object `room`")
        wanted = shaped(body["room"], NewRoom, "room")
        try:
            password_hash = None if wanted.password is None else await services.passwords.hashed(wanted.password)
        except TooMany as refusal:
            raise HttpError(429, str(refusal)) from None

        def add(connection: sa.Connection) -> RoomRecord:
            return rooms.add(
                connection,
                name=wanted.name,
                open=wanted.open,
                force_password=wanted.force_password,
                force_waiting_room=wanted.force_waiting_room,
                password_hash=password_hash,
                members=[ListedUser(member.user_id, member.admin) for member in wanted.members],
            )

        record = await store.write(add)
        response = json_response({"room": _room(record)}, 201)
        response.headers["Location"] = f"/v1/rooms/{record.uuid}"
        return response

    @app.get("/v1/rooms")
    async def list_rooms() -> Response:
        return json_response({"rooms": [_room(record) for record in await store.read(rooms.all_rooms)]})

    @app.get("/v1/rooms/<room_uuid>")
    async def get_room(room_uuid: str) -> Response:
        record = await store.read(partial(rooms.by_uuid, room=room_uuid.lower()))
        if record is None:
            raise HttpError(404, "no such room")
        return json_response({"room": _room(record)})

    @app.delete("/v1/rooms/<room_uuid>")
    async def delete_room(room_uuid: str) -> Response:
        room = room_uuid.lower()
        # First the record: nobody can enter any more while those inside are asked to leave.
        removed = await store.write(partial(rooms.remove, room=room))
        ended = await services.rooms.end(room)
        if not removed and not ended:
            raise HttpError(404, "no such room")
        return Response("", 204)


def _room(record: RoomRecord) -> dict[str, object]:
    return {
        "uuid": record.uuid,
        "name": record.name,
        "open": record.open,
        "force_password": record.force_password,
        "force_waiting_room": record.force_waiting_room,
        "has_password": record.has_password,
        "members": [{"user_id": member.user_id, "admin": member.admin} for member in record.members],
        "created_at": moment(record.created_at),
        "updated_at": moment(record.updated_at),
    }
