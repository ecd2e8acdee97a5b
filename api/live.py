"""What runs now, whatever the dialect: rooms, members, their streams; sessions and usage of licences; and the
administrator's way to end a room, or all that runs under a licence.

Who holds a licence looks at that one alone, and whatever is another's is not there (404). Where members' connections come
from is for administrators: what a holder sees may end up on its customers' screens.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from functools import partial

import attrs
from quart import Response, request
from quart_trio import QuartTrio

from api import usage
from api.http import HttpError, json_response, moment
from api.limits import USAGE_DAYS, USAGE_SESSIONS
from api.services import Services
from api.session import Session
from api.sessions import TooManyUses
from api.store import licences
from api.store.licences import LicenceRecord
from api.usage import DayOfUse
from api.viewers import Administrator, Holder, viewer
from signalling import LiveRoom

_DAYS = re.compile("[0-9]{1,3}")


def mount(app: QuartTrio, services: Services) -> None:
    @app.get("/v1/live/viewer")
    async def who_asks() -> Response:
        match viewer():
            case Administrator():
                told: dict[str, object] = {"kind": "administrator", "licence": None, "domain": None}
            case Holder(licence):
                told = {"kind": "holder", "licence": str(licence.id), "domain": licence.domain}
        return json_response({"viewer": told})

    @app.get("/v1/live/rooms")
    async def list_live_rooms() -> Response:
        return json_response({"rooms": [_room(room) for room in _rooms(services)]})

    @app.get("/v1/live/rooms/<room_id>")
    async def get_live_room(room_id: str) -> Response:
        for room in _rooms(services):
            if room.id == room_id:
                return json_response({"room": _room(room)})
        raise HttpError(404, "no such room is live")

    @app.delete("/v1/live/rooms/<room_id>")
    async def end_live_room(room_id: str) -> Response:
        if not await services.rooms.end(room_id):
            raise HttpError(404, "no such room is live")
        return Response("", 204)

    @app.get("/v1/live/licences")
    async def list_licences() -> Response:
        found = await services.store.read(licences.all_licences)
        shown = [_licence(record, _sessions(services, record)) for record in found if viewer().sees(str(record.id))]
        return json_response({"licences": shown})

    @app.get("/v1/live/licences/<licence_id>")
    async def get_licence(licence_id: str) -> Response:
        record = await _found(services, licence_id)
        running = _sessions(services, record)
        about = _licence(record, running) | {"sessions": [_session(session) for session in running]}
        return json_response({"licence": about})

    @app.get("/v1/live/licences/<licence_id>/usage")
    async def get_usage(licence_id: str) -> Response:
        record = await _found(services, licence_id)
        days = _days(request.args.getlist("days"))
        zone = services.config.licence.zone
        today = datetime.now(zone).date()
        start = datetime.combine(today - timedelta(days=days - 1), time.min, zone)
        try:
            uses = await services.sessions.uses(str(record.id), start, None)
        except TooManyUses:
            raise HttpError(400, f"more than {USAGE_SESSIONS:,} sessions: ask for fewer days") from None
        by_day = usage.per_day(uses, zone, days, today)
        return json_response({"usage": {"time_zone": services.config.licence.time_zone, **_usage(by_day)}})

    @app.delete("/v1/live/licences/<licence_id>")
    async def end_licence(licence_id: str) -> Response:
        licence = await services.licences.licence(licence_id)
        if licence is None:
            raise HttpError(404, "no such licence")
        await services.rooms.end_licence(licence.id)
        return Response("", 204)


def _rooms(services: Services) -> list[LiveRoom]:
    return [room for room in services.rooms.snapshot() if viewer().sees(room.licence)]


async def _found(services: Services, licence_id: str) -> LicenceRecord:
    record = await services.store.read(partial(licences.by_id, id=licence_id))
    if record is None or not viewer().sees(str(record.id)):
        raise HttpError(404, "no such licence")
    return record


def _sessions(services: Services, record: LicenceRecord) -> list[Session]:
    return services.sessions.running(str(record.id))


def _days(given: Sequence[str]) -> int:
    text = given[0] if len(given) == 1 else "" if given else str(usage.DEFAULT_DAYS)
    days = int(text) if _DAYS.fullmatch(text) else 0
    if not 1 <= days <= USAGE_DAYS:
        raise HttpError(422, f"days: must be a whole number from 1 to {USAGE_DAYS}")
    return days


def _room(room: LiveRoom) -> object:
    shown = attrs.asdict(room, value_serializer=_plain)
    if not isinstance(viewer(), Administrator):
        for member in shown["members"]:
            member["streams"] = [connection | {"path": None} for connection in member["streams"]]
    return shown


def _plain(_: object, attribute: object, value: object) -> object:
    return moment(value.astimezone(UTC)) if isinstance(value, datetime) else value


def _licence(record: LicenceRecord, running: Sequence[Session]) -> dict[str, object]:
    return {
        "id": str(record.id),
        "domain": record.domain,
        "cp_code": record.cp_code,
        "access_key": record.access_key,
        "room_limit": record.room_limit,
        "max_users": record.max_users,
        "enabled": record.enabled,
        "created_at": moment(record.created_at),
        "running_sessions": len(running),
        "people": sum(len(session.present) for session in running),
    }


def _session(session: Session) -> dict[str, object]:
    return {
        "session_id": session.session_id,
        "room": session.room,
        "room_name": session.room_name,
        "began_at": moment(session.began_at),
        "people": len(session.present),
    }


def _usage(by_day: Sequence[DayOfUse]) -> dict[str, object]:
    return {
        "days": [{"day": each.day.isoformat(), "seconds": each.seconds, "sessions": each.sessions} for each in by_day],
        "seconds": sum(each.seconds for each in by_day),
        "sessions": sum(each.sessions for each in by_day),
    }
