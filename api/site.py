"""The pages: read whole at start, served from memory with an ETag, allowed to load from this server only.

A page is a file of `api/pages/`; `/static/` holds what pages load. The room page gets its room by two placeholders,
escaped and nothing more: there is no template language for a room's name to reach.
"""

import hashlib
from functools import partial
from importlib import resources
from importlib.resources.abc import Traversable

import attrs
from markupsafe import escape
from quart import Response, request
from quart_trio import QuartTrio

from api.http import HttpError, json_response
from api.licences import DEMO_LICENCE
from api.services import Services
from api.store import licences, rooms

# Not asked of the machine's tables, which differ; modules that arrive as text/plain do not run.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'self'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
ROOM_UUID = "{{ room_uuid }}"
ROOM_NAME = "{{ room_name }}"


@attrs.frozen
class File:
    data: bytes = attrs.field(repr=False)
    type: str


def _files(folder: Traversable, prefix: str = "") -> dict[str, File]:
    found = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            found.update(_files(entry, f"{prefix}{entry.name}/"))
        else:
            ending = entry.name[entry.name.rfind(".") :]
            kind = TYPES.get(ending, "application/octet-stream")
            found[prefix + entry.name] = File(entry.read_bytes(), kind)
    return found


def mount(app: QuartTrio, services: Services) -> None:
    files = _files(resources.files("api") / "pages")

    @app.get("/")
    async def start_page() -> Response:
        return _served(files["index.html"])

    @app.get("/kpoint-demo")
    async def kpoint_page() -> Response:
        return _served(files["kpoint-demo.html"])

    if services.demo:

        @app.get("/kpoint-demo/key")
        async def demo_key() -> Response:
            record = await services.store.read(partial(licences.by_domain, domain=DEMO_LICENCE))
            if record is None:
                raise HttpError(404, "there is no licence for it")
            response = json_response({"cpCode": record.cp_code, "authKey": services.licence_keys.auth_key(record)})
            response.headers["Cache-Control"] = "no-store"
            return response

    @app.get("/static/<path:name>")
    async def static_file(name: str) -> Response:
        file = files.get(f"static/{name}")
        if file is None:
            raise HttpError(404, "no such file")
        return _served(file)

    @app.get("/meet/<path:room>")
    async def room_page(room: str) -> Response:
        found = await _room(services, room)
        if found is None:
            return _served(files["missing.html"], status=404)
        room_uuid, room_name = found
        return _room_page(files["meet.html"], room_uuid, room_name)

    @app.get("/embed")
    async def embedded_room() -> Response:
        """Which room, and the token for it, stand behind the #, and do not come here."""
        return _room_page(files["meet.html"], "", "")


def _room_page(page: File, uuid: str, name: str) -> Response:
    parts = (part.replace(ROOM_NAME, str(escape(name))) for part in page.data.decode().split(ROOM_UUID))
    return _served(File(str(escape(uuid)).join(parts).encode(), TYPES[".html"]))


async def _room(services: Services, room: str) -> tuple[str, str] | None:
    """Uuid and name of the room that a path means: a uuid, else the oldest persistent room of that name."""
    if "\0" in room:  # PostgreSQL takes none, not even to compare with
        return None
    record = await services.store.read(partial(rooms.by_uuid, room=room.lower()))
    if record is None:
        for live in services.rooms.snapshot():
            if live.id == room.lower() and live.licence is None:
                return live.id, live.name
        record = await services.store.read(partial(rooms.oldest_by_name, name=room))
    return None if record is None else (record.uuid, record.name)


def _served(file: File, status: int = 200) -> Response:
    response = Response(file.data, status, headers=HEADERS, content_type=file.type)
    if status == 200:
        tag = hashlib.sha256(file.data).hexdigest()[:32]
        response.set_etag(tag)
        # Asked for again each time, answered 304 while unchanged: an upgraded server never meets half-old pages.
        response.headers["Cache-Control"] = "no-cache"
        if request.if_none_match.contains_weak(tag):
            response.status_code = 304
            response.set_data(b"")
    return response
