"""What runs now, whatever the dialect: rooms, members, their streams; and the administrator's way to end a room, or all
that runs under a licence.
"""

from datetime import UTC, datetime

import attrs
from quart import Response
from quart_trio import QuartTrio

from api.http import HttpError, json_response, moment
from api.services import Services
from signalling import LiveRoom


def mount(app: QuartTrio, services: Services) -> None:
    @app.get("/v1/live/rooms")
    async def list_live_rooms() -> Response:
        return json_response({"rooms": [_room(room) for room in services.rooms.snapshot()]})

    @app.get("/v1/live/rooms/<room_id>")
    async def get_live_room(room_id: str) -> Response:
        for room in services.rooms.snapshot():
            if room.id == room_id:
                return json_response({"room": _room(room)})
        raise HttpError(404, "no such room is live")

    @app.delete("/v1/live/rooms/<room_id>")
    async def end_live_room(room_id: str) -> Response:
        if not await services.rooms.end(room_id):
            raise HttpError(404, "no such room is live")
        return Response("", 204)

    @app.delete("/v1/live/licences/<licence_id>")
    async def end_licence(licence_id: str) -> Response:
        licence = await services.licences.licence(licence_id)
        if licence is None:
            raise HttpError(404, "no such licence")
        await services.rooms.end_licence(licence.id)
        return Response("", 204)


def _room(room: LiveRoom) -> object:
    return attrs.asdict(room, value_serializer=_plain)


def _plain(_: object, attribute: object, value: object) -> object:
    return moment(value.astimezone(UTC)) if isinstance(value, datetime) else value
