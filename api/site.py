"""The pages: read whole at start, served from memory with an ETag, allowed to load from this server only.

A page is a file of `api/pages/`; `/static/` holds what pages load. The room page gets its room by placeholders,
escaped and nothing more: there is no template language for a room's name to reach.

`/embed` is the same page within a page of a licence's domain, and `/s-connector.js` what that page loads to put it there
(contract s-connector, sections 9 and 10). Who may show a page stands in `frame-ancestors`: only what is an origin, letter
by letter, gets there.
"""

import hashlib
import re
from functools import partial
from importlib import resources
from importlib.resources.abc import Traversable
from uuid import UUID

import attrs
from markupsafe import escape
from quart import Response, request
from quart_trio import QuartTrio

from api.http import HttpError, json_response
from api.licences import DEMO_LICENCE, ORIGIN
from api.limits import DOMAIN_CHARS
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
ROOM_UUID = "{{ room_uuid }}"
ROOM_NAME = "{{ room_name }}"
DOMAIN = "{{ domain }}"
_PLACEHOLDER = re.compile("|".join(re.escape(each) for each in (ROOM_UUID, ROOM_NAME, DOMAIN)))

_WORD = re.compile(r"[^\s/\x00-\x1f\x7f]+")


def _headers(ancestors: str = "'self'", images: str = "") -> dict[str, str]:
    """`images`: where pictures may come from besides."""
    return {
        "Content-Security-Policy": (
            f"default-src 'self'; img-src 'self' data:{images}; object-src 'none'; base-uri 'none'; form-action 'self'; "
            f"frame-ancestors {ancestors}"
        ),
        # For an embedded page, of what the page around it passes on.
        "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


HEADERS = _headers()


def _embedding(domain: str) -> dict[str, str] | None:
    """What the room page for that domain goes out with; None if no licence can have it.

    Its background is the embedding page's to choose. In clear text it may come from that page's own server only.
    """
    if len(domain) > DOMAIN_CHARS:
        return None
    if ORIGIN.fullmatch(domain):
        return _headers(domain, " https:" if domain.startswith("https:") else f" https: {domain}")
    return _headers("*", " https:") if _WORD.fullmatch(domain) else None


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

    @app.get("/dashboard")
    async def dashboard_page() -> Response:
        return _served(files["dashboard.html"])

    @app.get("/dashboard/<any(conference, participant, apps):what>/<uuid:id>")
    async def dashboard_record(what: str, id: UUID) -> Response:
        """As POST /services/get-url names one (contract analytics, section 4.7)."""
        place = {"conference": "conferences", "participant": "participants"}.get(what, what)
        return Response("", 302, {"Location": f"/dashboard#/calls/{place}/{id}"})

    @app.get("/dashboard/organization/<uuid:id>")
    async def dashboard_organization(id: UUID) -> Response:
        """As the search names it; there is one at most, so that all calls are its."""
        return Response("", 302, {"Location": "/dashboard#/calls"})

    @app.get("/dashboard/records")
    async def dashboard_records() -> Response:
        return Response("", 302, {"Location": "/dashboard#/calls/records"})

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
        """Which room, and the token for it, stand behind the # or are said by the page around, and do not come here."""
        domains = request.args.getlist("domain")
        if not domains:
            return _room_page(files["meet.html"], "", "")
        headers = _embedding(domains[0]) if len(domains) == 1 else None
        if headers is None:
            return _served(files["missing.html"], 400, _headers("'none'"))
        record = await services.store.read(partial(licences.by_domain, domain=domains[0]))
        if record is None or not record.enabled:
            return _served(files["missing.html"], 404, _headers("'none'"))
        return _room_page(files["meet.html"], "", "", domains[0], headers)

    @app.get("/s-connector.js")
    async def embedding_script() -> Response:
        """For pages of other origins, also for those that check its hash or isolate themselves."""
        shared = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
        return _served(files["s-connector.js"], headers=HEADERS | shared)


def _room_page(page: File, uuid: str, name: str, domain: str = "", headers: dict[str, str] = HEADERS) -> Response:
    values = {ROOM_UUID: uuid, ROOM_NAME: name, DOMAIN: domain}
    text = _PLACEHOLDER.sub(lambda found: str(escape(values[found[0]])), page.data.decode())
    return _served(File(text.encode(), TYPES[".html"]), headers=headers)


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


def _served(file: File, status: int = 200, headers: dict[str, str] = HEADERS) -> Response:
    response = Response(file.data, status, headers=headers, content_type=file.type)
    if status == 200:
        tag = hashlib.sha256(file.data).hexdigest()[:32]
        response.set_etag(tag)
        # Asked for again each time, answered 304 while unchanged: an upgraded server never meets half-old pages.
        response.headers["Cache-Control"] = "no-cache"
        if request.if_none_match.contains_weak(tag):
            response.status_code = 304
            response.set_data(b"")
    return response
