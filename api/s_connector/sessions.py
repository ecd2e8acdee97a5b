"""GET /v1/sessions and GET /v1/sessions/<room> (contract s-connector, section 5): who is in a meeting now.

A licence key gets the detailed form, an access token the short one, unless the request says which. Each session is put
into words once for each change of it, and all of a licence's once for all that ask between two changes.
"""

import hashlib
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

import attrs
import trio

from api.plain import Refusal, Request
from api.s_connector.door import bearer
from api.s_connector.words import json_text, moment, parameters, success_of
from api.services import Services
from api.session import Connection, Session
from api.store.licences import LicenceRecord
from api.version import atrium_version

Form = Literal["short", "detail"]

OF_ONE = "/v1/sessions/"
"""And then the name of a room."""


# Sessions that are put into words at a stretch: about half a millisecond, for which all else waits.
AT_A_STRETCH = 25


@attrs.define(eq=False)
class _Kept:
    """What a licence is told in one form, in words."""

    says: tuple[str, str] = ("", "")
    """The host and the domain of which all of it speaks."""
    version: int = -1
    text: bytes = attrs.field(default=b"", repr=False)
    of_session: dict[int, tuple[int, bytes]] = attrs.field(factory=dict, repr=False)
    """By the session's id, with its version."""
    changing: trio.Lock = attrs.field(factory=trio.Lock)


class RunningSessions:
    def __init__(self, services: Services) -> None:
        self._sessions = services.sessions
        self._services = services
        self._kept: dict[tuple[int, Form], _Kept] = {}
        """Two for each licence at most."""

    async def __call__(self, request: Request) -> object:
        asks = await bearer(self._services, request)
        form = _form(request, "detail" if asks.has_key else "short")
        host = request.headers.get("host", "") if form == "detail" else ""
        kept = self._kept.setdefault((asks.licence.id, form), _Kept())
        if not self._is_up_to_date(kept, asks.licence, host):
            async with kept.changing:
                if not self._is_up_to_date(kept, asks.licence, host):
                    return await self._put_into_words(kept, asks.licence, form, host)
        return kept.text

    def _is_up_to_date(self, kept: _Kept, licence: LicenceRecord, host: str) -> bool:
        return kept.says == (host, licence.domain) and kept.version == self._sessions.version(str(licence.id))

    async def _put_into_words(self, kept: _Kept, licence: LicenceRecord, form: Form, host: str) -> bytes:
        """What has changed; each session is told as it is at some time while this goes on."""
        version = self._sessions.version(str(licence.id))
        before = kept.of_session if kept.says == (host, licence.domain) else {}
        texts: dict[int, tuple[int, bytes]] = {}
        anew = 0
        for session in self._sessions.running(str(licence.id)):
            text = before.get(session.id)
            if text is None or text[0] != session.version:
                anew += 1
                if anew % AT_A_STRETCH == 0:
                    await trio.lowlevel.checkpoint()
                if session.is_over:
                    continue
                told = short(session) if form == "short" else detailed(session, licence, host)
                text = session.version, json_text(told)
            texts[session.id] = text
        kept.says, kept.version, kept.of_session = (host, licence.domain), version, texts
        kept.text = success_of(text for _, text in texts.values())
        return kept.text


class OneSession:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, request: Request) -> object:
        licence = (await bearer(self._services, request)).licence
        try:
            name = unquote_to_bytes(request.path.removeprefix(OF_ONE)).decode("utf-8")
        except UnicodeDecodeError:
            raise Refusal(404, "no such room is running") from None
        for session in self._services.sessions.running(str(licence.id)):
            if session.room_name == name:
                return short(session)
        raise Refusal(404, "no such room is running")


def _form(request: Request, otherwise: Form) -> Form:
    match parameters(request).get("form"):
        case None:
            return otherwise
        case "short":
            return "short"
        case "detail":
            return "detail"
        case _:
            raise Refusal(400, "form: is short or detail")


def short(session: Session) -> dict[str, object]:
    people = len(session.present)
    return {"status": "ON_GOING" if people >= 2 else "WAIT", "user": people, "roomName": session.room_name}


def detailed(session: Session, licence: LicenceRecord, host: str) -> dict[str, object]:
    name = hashlib.sha256(f"{licence.domain}:{session.room_name}".encode()).hexdigest()
    return {
        "id": str(session.id),
        "domain": licence.domain,
        "sessionId": session.session_id,
        "roomName": session.room_name,
        "status": "OPEN",
        "createdAt": moment(session.began_at),
        "sessionTokens": [_connection(each, session, name, host) for each in session.connections],
        "user": len(session.present),
    }


def _connection(connection: Connection, session: Session, session_name: str, host: str) -> dict[str, object]:
    token = (
        f"wss://{host}?sessionId={session.session_id}&token={connection.token}&role={connection.role}"
        f"&version={quote(atrium_version())}"
    )
    return {
        "id": str(connection.id),
        "connectionId": connection.connection_id,
        "sessionId": session.session_id,
        "sessionName": session_name,
        "token": token,
        "userName": connection.user_name,
        "role": connection.role,
        "location": connection.location,
        "platform": connection.platform,
        "status": "active" if connection.left_at is None else "inactive",
        "createdAt": moment(connection.created_at),
        "updatedAt": moment(connection.left_at or max(connection.created_at, session.until)),
    }
