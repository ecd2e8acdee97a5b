"""The routes by which clients report (contract analytics, section 4): what they say is read here, and what it does is the
ledger's part.
"""

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import sqlalchemy as sa

from api.analytics import rows
from api.analytics.asked import Asked, Handler
from api.analytics.events import Event, read_batch, read_event
from api.analytics.faults import Fault
from api.analytics.fields import Body, geo_of, json_of, moment, text
from api.analytics.ledger import CONNECTION, Hello, Ledger, Visit
from api.analytics.records import SERVER, Session, Track
from api.analytics.reports import read_new_track, read_stats, read_track_event
from api.analytics.tokens import ReportTokens
from api.analytics.words import NOTHING
from api.analytics.writer import Writer
from api.config import AnalyticsSettings
from api.places import Places
from api.services import Services
from api.store import apps, calls
from api.store.apps import AppRecord
from signalling.rooms import utc_now

T = TypeVar("T")

NAME_CHARS: Final = 64
VERSION_CHARS: Final = 16
META_KEYS: Final = 5
META_KEY_CHARS: Final = 64
META_CHARS: Final = 127
ZERO_COUNTRY: Final = "ZZ"
"""How a front proxy says that it does not know."""
_API_KEY: Final = re.compile("[a-z0-9]{32}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,3}(\.[0-9]{1,12})?")


class Reported:
    def __init__(self, services: Services) -> None:
        self._settings: AnalyticsSettings = services.config.analytics
        self._store = services.store
        self._writer: Writer = services.reports
        self._tokens: ReportTokens = services.report_tokens
        self._places: Places = services.places

    # --- coming in ---

    async def initialize(self, asked: Asked) -> object:
        body = asked.body
        conference, user = text(body, "conferenceId", NAME_CHARS), text(body, "userId", NAME_CHARS)
        conference_name, user_name = text(body, "conferenceName", NAME_CHARS), text(body, "userName", NAME_CHARS)
        if not (conference and user and body.get("apiKey")):
            raise Fault("missing_parameters")
        app = await self._app(body)
        if not app.recording:
            raise Fault("app_not_recording")
        if app.domain is not None and _host_of(asked.request.headers.get("origin", "")) != app.domain:
            raise Fault("domain_not_allowed")
        hello = Hello(app.id, conference, conference_name, user, user_name)
        arrival = await self._do(asked, lambda ledger, db: ledger.initialize(db, hello, utc_now()))
        return {
            "token": self._tokens.init(arrival),
            "getStatsInterval": app.interval_ms,
            "batchConnectionEvents": self._settings.batch_connection_events,
            "time": round(time.time(), 2),
        }

    async def open_session(self, asked: Asked) -> object:
        body = asked.body
        arrival = self._tokens.arrival_of(body.get("token"))
        at = moment(body, utc_now())
        visit = Visit(
            constraints=_json(body, "constraints"),
            devices=_json(body, "devices"),
            platform=_json(body, "platform"),
            metadata=_meta(body),
            geo_ip=json_of(self._place(asked)),
            app_version=text(body, "appVersion", VERSION_CHARS),
            webrtc_sdk=text(body, "webrtcSdk", VERSION_CHARS),
        )
        if visit.webrtc_sdk == SERVER:  # which nobody else is
            raise Fault("invalid_parameters")
        session = await self._do(asked, lambda ledger, db: ledger.open_session(db, arrival, visit, at))
        return {"token": self._tokens.session(session)}

    async def change_session(self, asked: Asked) -> object:
        body = asked.body
        session = self._tokens.session_of(body.get("token"))
        sdk = text(body, "webrtcSdk")
        if sdk is not None and (len(sdk) > VERSION_CHARS or sdk == SERVER):
            raise Fault("invalid_parameters")
        told = {name: _json(body, name) for name in ("constraints", "devices", "platform")}
        visit = Visit(**told, webrtc_sdk=sdk)
        return {"data": await self._do(asked, lambda ledger, db: _session(ledger.change_session(db, session, visit)))}

    # --- what happens ---

    def event(self, category: str) -> Handler:
        async def handle(asked: Asked) -> object:
            session = self._tokens.session_of(asked.body.get("token"))
            event = read_event(asked.body, utc_now(), needs_peer=category == CONNECTION)
            made = await self._do(asked, lambda ledger, db: ledger.event(db, session, category, event))
            return NOTHING if made is None else {"peer_id": made[0], "connection_id": made[1]}

        return handle

    async def batch(self, asked: Asked) -> object:
        session = self._tokens.session_of(asked.body.get("token"))
        events: list[Event] = read_batch(asked.body, utc_now())
        await self._do(asked, lambda ledger, db: ledger.batch(db, session, events))
        return NOTHING

    async def stats(self, asked: Asked) -> object:
        session = self._tokens.session_of(asked.body.get("token"))
        stats = read_stats(asked.body, utc_now())
        await self._do(asked, lambda ledger, db: ledger.stats(db, session, stats))
        return NOTHING

    async def new_track(self, asked: Asked) -> object:
        session = self._tokens.session_of(asked.body.get("token"))
        track, event = read_new_track(asked.body, utc_now())
        found = await self._do(asked, lambda ledger, db: _track(ledger.new_track(db, session, track, event)))
        return {"data": found}

    async def track_event(self, asked: Asked) -> object:
        session = self._tokens.session_of(asked.body.get("token"))
        event = read_track_event(asked.body, utc_now())
        found = await self._do(asked, lambda ledger, db: _track(ledger.track_event(db, session, event)))
        if found is None:  # the event is kept all the same
            raise Fault("track_not_found")
        return {"data": found}

    # --- of the customer's own server ---

    async def stop_conference(self, asked: Asked) -> object:
        conference = text(asked.body, "conferenceId", NAME_CHARS)
        if not (conference and asked.body.get("apiKey")):
            raise Fault("missing_parameters")
        app = await self._app(asked.body)
        await self._do(asked, lambda ledger, db: ledger.stop(db, app.id, conference, utc_now()))
        return {}

    async def get_url(self, asked: Asked) -> object:
        conference, user = text(asked.body, "conferenceId", NAME_CHARS), text(asked.body, "userId", NAME_CHARS)
        if not ((conference or user) and asked.body.get("apiKey")):
            raise Fault("missing_parameters")
        app = await self._app(asked.body)
        what = "conference" if conference else "participant"
        id = await self._store.read(partial(calls.id_of, app=app.id, conference=conference, participant=user))
        if id is None:
            raise Fault(f"{what}_not_found")
        root = self._settings.dashboard_url or f"http://{asked.request.headers.get('host', '')}/dashboard"
        return {"url": f"{root.rstrip('/')}/{what}/{id}"}

    async def _app(self, body: Body) -> AppRecord:
        key = body.get("apiKey")
        if not isinstance(key, str) or not _API_KEY.fullmatch(key):
            raise Fault("invalid_api_key")
        app = await self._store.read(partial(apps.app_by_key, api_key=key))
        if app is None:
            raise Fault("invalid_api_key")
        return app

    async def _do(self, asked: Asked, work: Callable[[Ledger, sa.Connection], T]) -> T:
        return await self._writer.do(work, asked.size)

    def _place(self, asked: Asked) -> Mapping[str, str | float | None]:
        """By a front proxy's word, else by the address; in memory, so nobody waits for it."""
        headers = asked.request.headers
        country = headers.get("x-appengine-country", "")
        if country and country != ZERO_COUNTRY:
            latitude, longitude = _coordinates(headers.get("x-appengine-citylatlong", ""))
            return {
                "country_code": country[:NAME_CHARS],
                "region_code": headers.get("x-appengine-region", "")[:NAME_CHARS] or None,
                "city": headers.get("x-appengine-city", "")[:NAME_CHARS] or None,
                "latitude": latitude,
                "longitude": longitude,
            }
        return geo_of(self._places.place(asked.request.address))


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None


def _json(body: Body, name: str) -> str | None:
    """None of what is absent or null."""
    return None if body.get(name) is None else json_of(body[name])


def _meta(body: Body) -> str | None:
    meta = body.get("meta")
    if not meta:
        return None
    if not isinstance(meta, dict) or len(meta) > META_KEYS:
        raise Fault("invalid_meta")
    for name, value in meta.items():
        is_short = not isinstance(value, str) or len(value) <= META_CHARS
        if len(name) > META_KEY_CHARS or not isinstance(value, str | int) or not is_short:
            raise Fault("invalid_meta")
    return json_of(meta)


def _coordinates(text: str) -> tuple[str | None, str | None]:
    latitude, _, longitude = text.replace(" ", "").partition(",")
    if _NUMBER.fullmatch(latitude) and _NUMBER.fullmatch(longitude):
        return latitude, longitude
    return None, None


def _session(session: Session) -> Mapping[str, Any]:
    named = {
        "conference": session.conference.id,
        "participant": session.participant.id,
        "issues": list(session.issues),
    }
    return rows.single_session({**session.row(), **named})


def _track(found: tuple[Track, Session] | None) -> Mapping[str, Any] | None:
    if found is None:
        return None
    track, session = found
    connection = next((each.id for each in session.connections if each.number == track.connection), None)
    return rows.track({**track.row(), "session": session.id, "connection": connection})
