"""The description of the REST routes (OpenAPI 3.1). Written by hand; a test holds it to the routes that exist."""

from typing import Any

from api.analytics import described
from api.limits import ACCESS_TOKEN_MINUTES, ROOM_MEMBERS, ROOM_NAME_CHARS, ROOM_PASSWORD_CHARS, USAGE_DAYS
from api.s_connector.auth import DEFAULT_MINUTES
from api.s_connector.door import HEADER
from api.usage import DEFAULT_DAYS
from signalling.limits import KPOINT_ID_CHARS, NAME_CHARS, SECRET_CHARS

Schema = dict[str, Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _object(required: str = "", **properties: Schema) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    return {**schema, "required": required.split()} if required else schema


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


ERRORS = {
    400: "The body is not JSON, or lacks the object `room`; or there is too much to be counted",
    401: "No good bearer key, or at the sign-in no good password",
    403: "A key or token of a licence, which does not allow this",
    404: "There is none",
    408: "The body did not arrive in time",
    413: "The body is too long",
    415: "The body is not application/json",
    422: "The body, or the query, is not as described",
    429: "Too many passwords are being hashed, or too many sign-ins have failed",
    503: "The server is draining",
}
BODY_ERRORS = (400, 408, 413, 415, 422)

S_CONNECTOR_ERRORS = {
    400: "The body, or the query, is not as described",
    401: "No good token, or no such pair of keys",
    403: "The licence is disabled",
    404: "No such room is running",
    408: "The body did not arrive in time",
    413: "The body is too long",
    429: "Too many wrong secrets for this accessKey, or from this address",
}

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
UUID: Schema = {"type": "string", "format": "uuid"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
COUNT: Schema = {"type": "integer", "minimum": 0}
COUNT_OR_NULL: Schema = {"type": ["integer", "null"], "minimum": 0}
FLAG: Schema = {"type": "boolean"}
OPTION: Schema = {"type": "boolean", "default": False}
MEETING: Schema = {"type": "string", "examples": ["2021-02-20 12:00"]}


def _text(longest: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": longest}


def _room_settings(required: str, flag: Schema) -> Schema:
    schema = _object(
        required,
        name={"type": "string", "minLength": 1, "maxLength": ROOM_NAME_CHARS},
        password={"type": ["string", "null"], "minLength": 1, "maxLength": ROOM_PASSWORD_CHARS, "writeOnly": True},
        open=flag,
        force_password=flag,
        force_waiting_room=flag,
        members={**_list(_ref("ListedUser")), "maxItems": ROOM_MEMBERS},
    )
    return {**schema, "additionalProperties": False}


LICENCE: dict[str, Schema] = {
    "id": TEXT,
    "domain": TEXT,
    "cp_code": TEXT,
    "access_key": TEXT,
    "room_limit": COUNT_OR_NULL,
    "max_users": COUNT_OR_NULL,
    "enabled": FLAG,
    "created_at": MOMENT,
    "running_sessions": COUNT,
    "people": {**COUNT, "description": "In all of its running sessions"},
}

SCHEMAS: dict[str, Schema] = {
    "AnalyticsError": _object("error_code message", error_code=TEXT, message=TEXT),
    "Error": _object("error", error=_object("code message", code={"type": "integer"}, message=TEXT)),
    "ListedUser": _object("user_id", user_id=UUID, admin=OPTION) | {"additionalProperties": False},
    "NewRoom": _room_settings("name", OPTION),
    "RoomChange": _room_settings("", FLAG),
    "Room": _object(
        "uuid name open force_password force_waiting_room has_password members created_at updated_at",
        uuid=UUID,
        name=TEXT,
        open=FLAG,
        force_password=FLAG,
        force_waiting_room=FLAG,
        has_password=FLAG,
        members=_list(_ref("ListedUser")),
        created_at=MOMENT,
        updated_at=MOMENT,
    ),
    "Member": _object(
        "id user name is_admin hand_raised screen_share audio_muted video_muted audio_muted_by_admin "
        "video_muted_by_admin is_sip stream",
        id=TEXT,
        user=TEXT_OR_NULL,
        name=TEXT,
        is_admin=FLAG,
        hand_raised=FLAG,
        screen_share=FLAG,
        audio_muted=FLAG,
        video_muted=FLAG,
        audio_muted_by_admin=FLAG,
        video_muted_by_admin=FLAG,
        is_sip=FLAG,
        stream={**TEXT, "description": "The stream id of the member's media in SDP (msid)"},
    ),
    "LiveMember": _object(
        "id name user dialect is_admin since audio_muted video_muted audio_muted_by_admin video_muted_by_admin streams",
        id=TEXT,
        name=TEXT,
        user=TEXT_OR_NULL,
        dialect=TEXT,
        is_admin=FLAG,
        since=MOMENT,
        audio_muted=FLAG,
        video_muted=FLAG,
        audio_muted_by_admin=FLAG,
        video_muted_by_admin=FLAG,
        streams=_list({"type": "object"}),
    ),
    "LiveParty": _object("id name user since", id=TEXT, name=TEXT, user=TEXT_OR_NULL, since=MOMENT),
    "LiveRoom": _object(
        "id name temporary licence since members waiting",
        id=TEXT,
        name=TEXT,
        temporary=FLAG,
        licence={**TEXT_OR_NULL, "description": "The id of the licence whose room it is"},
        since=MOMENT,
        members=_list(_ref("LiveMember")),
        waiting=_list(_ref("LiveParty")),
    ),
    "Viewer": _object(
        "kind licence domain",
        kind={"enum": ["administrator", "holder"]},
        licence={**TEXT_OR_NULL, "description": "The id of the licence that is held"},
        domain=TEXT_OR_NULL,
    ),
    "LiveSession": _object(
        "session_id room room_name began_at people",
        session_id=TEXT,
        room=UUID,
        room_name=TEXT,
        began_at=MOMENT,
        people=COUNT,
    ),
    "LiveLicence": _object(" ".join(LICENCE), **LICENCE),
    "LiveLicenceWithSessions": _object(
        " ".join([*LICENCE, "sessions"]), **LICENCE, sessions=_list(_ref("LiveSession"))
    ),
    "UsageByDay": _object(
        "time_zone days seconds sessions",
        time_zone={**TEXT, "description": "Whose days these are; a session counts on that on which it began"},
        days=_list(
            _object("day seconds sessions", day={"type": "string", "format": "date"}, seconds=COUNT, sessions=COUNT)
        ),
        seconds=COUNT,
        sessions=COUNT,
    ),
    "SignIn": _object(
        "user password",
        user={**TEXT, "maxLength": NAME_CHARS},
        password={**TEXT, "maxLength": SECRET_CHARS, "writeOnly": True},
    )
    | {"additionalProperties": False},
    "SignedIn": _object("token expires_at", token=TEXT, expires_at=MOMENT),
    "Status": _object("status", status=TEXT),
    "Failure": _object("status message", status={"const": False}, message=TEXT),
    "AccessRequest": _object(
        "accessKey secretKey",
        accessKey=_text(SECRET_CHARS),
        secretKey={**_text(SECRET_CHARS), "writeOnly": True},
        expires={
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": ACCESS_TOKEN_MINUTES,
            "default": DEFAULT_MINUTES,
            "description": "Life of the token, in minutes",
        },
        isOwner={**FLAG, "description": "Whoever opens a room with the token is its administrator"},
        userName={**_text(NAME_CHARS), "description": "Whom the token is for"},
        roomName={**_text(KPOINT_ID_CHARS), "description": "The room that the token is for"},
        start={**MEETING, "description": "Nobody is let in before"},
        end={**MEETING, "description": "Nobody is let in after; later than start"},
    ),
    "Access": _object("accessToken", accessToken=TEXT),
    "LicenceInfo": _object(
        "domain roomLimit enabled createdAt",
        domain=TEXT,
        roomLimit={**COUNT, "description": "Rooms that may be open at once"},
        enabled={"enum": [0, 1]},
        createdAt=MOMENT,
    ),
    "ShortSession": _object(
        "status user roomName",
        status={"enum": ["WAIT", "ON_GOING"], "description": "WAIT while nobody else is there"},
        user={**COUNT, "description": "People in the room"},
        roomName=TEXT,
    ),
    "DetailedSession": _object(
        "id domain sessionId roomName status createdAt sessionTokens user",
        id=TEXT,
        domain=TEXT,
        sessionId=TEXT,
        roomName=TEXT,
        status={"const": "OPEN"},
        createdAt=MOMENT,
        sessionTokens=_list(_ref("SessionToken")),
        user={**COUNT, "description": "People in the room"},
    ),
    "SessionToken": _object(
        "id connectionId sessionId sessionName token userName role location platform status createdAt updatedAt",
        id=TEXT,
        connectionId=TEXT,
        sessionId=TEXT,
        sessionName={**TEXT, "description": "SHA-256 of the licence's domain, a colon and the room's name"},
        token=TEXT,
        userName=TEXT,
        role={"enum": ["PUBLISHER", "MODERATOR"]},
        location=TEXT,
        platform=TEXT,
        status={"enum": ["active", "inactive"], "description": "inactive: has left"},
        createdAt=MOMENT,
        updatedAt=MOMENT,
    ),
    "Usage": _object(
        "domain totalSecond detail",
        domain=TEXT,
        totalSecond=COUNT,
        detail=_list(_ref("UsedSession")),
    ),
    "UsedSession": _object(
        "roomName sessionTimeSecond createdAt", roomName=TEXT, sessionTimeSecond=COUNT, createdAt=MOMENT
    ),
}


def document(version: str) -> Schema:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Atrium", "version": version},
        "paths": {
            "/v1/rooms": {
                "get": _operation("List the persistent rooms, oldest first", {200: _object(rooms=_list(_ref("Room")))}),
                "post": _operation(
                    "Make a persistent room",
                    {201: _object("room", room=_ref("Room"))},
                    errors=(*BODY_ERRORS, 429, 503),
                    body=_object("room", room=_ref("NewRoom")),
                ),
            },
            "/v1/rooms/{room_uuid}": {
                "parameters": [_parameter("room_uuid")],
                "get": _operation("One persistent room", {200: _object("room", room=_ref("Room"))}, errors=(404,)),
                "put": _operation(
                    "Change a room: an absent key keeps its value, a null password removes it",
                    {200: _object("room", room=_ref("Room"))},
                    errors=(*BODY_ERRORS, 404, 429),
                    body=_object("room", room=_ref("RoomChange")),
                ),
                "delete": _operation("Remove a room and end it if it is live", {204: None}, errors=(404,)),
            },
            "/v1/rooms/{room_uuid}/members": {
                "parameters": [_parameter("room_uuid")],
                "get": _operation(
                    "Who is in a room now, be it persistent or temporary",
                    {200: _object("members", members=_list(_ref("Member")))},
                    errors=(404,),
                ),
            },
            "/v1/live/viewer": {
                "get": _operation(
                    "Who asks: an administrator, who sees everything, or who holds a licence, who sees what is of that one",
                    {200: _object("viewer", viewer=_ref("Viewer"))},
                    errors=(403,),
                ),
            },
            "/v1/live/rooms": {
                "get": _operation(
                    "The rooms that are live", {200: _object(rooms=_list(_ref("LiveRoom")))}, errors=(403,)
                ),
            },
            "/v1/live/rooms/{room_id}": {
                "parameters": [_parameter("room_id")],
                "get": _operation("One live room", {200: _object("room", room=_ref("LiveRoom"))}, errors=(403, 404)),
                "delete": _operation("End a live room; a persistent one stays", {204: None}, errors=(403, 404)),
            },
            "/v1/live/licences": {
                "get": _operation(
                    "The licences", {200: _object("licences", licences=_list(_ref("LiveLicence")))}, errors=(403,)
                ),
            },
            "/v1/live/licences/{licence_id}": {
                "parameters": [_parameter("licence_id")],
                "get": _operation(
                    "A licence and its running sessions, oldest first",
                    {200: _object("licence", licence=_ref("LiveLicenceWithSessions"))},
                    errors=(403, 404),
                ),
                "delete": _operation(
                    "End all that runs under a licence, its rooms and its sockets", {204: None}, errors=(403, 404)
                ),
            },
            "/v1/live/licences/{licence_id}/usage": {
                "parameters": [_parameter("licence_id"), USAGE_DAYS_PARAMETER],
                "get": _operation(
                    "The last days, used or not, oldest first",
                    {200: _object("usage", usage=_ref("UsageByDay"))},
                    errors=(400, 403, 404, 422),
                ),
            },
            "/v1/auth": {
                "post": _s_connector_operation(
                    "An access token for an accessKey and its secretKey",
                    _ref("Access"),
                    errors=(400, 401, 403, 408, 413, 429),
                    body=_ref("AccessRequest"),
                    token=False,
                ),
            },
            "/v1/info": {
                "get": _s_connector_operation("The licence, be it disabled or not", _ref("LicenceInfo"), errors=(401,)),
            },
            "/v1/sessions": {
                "get": _s_connector_operation(
                    "The running sessions, oldest first: detailed for a licence key, short for an access token",
                    {"anyOf": [_list(_ref("ShortSession")), _list(_ref("DetailedSession"))]},
                    errors=(400, 401, 403),
                    parameters=[_query("form", "One form, whatever the token", {"enum": ["short", "detail"]})],
                ),
            },
            "/v1/sessions/{room_name}": {
                "parameters": [_parameter("room_name")],
                "get": _s_connector_operation(
                    "The running session of one room", _ref("ShortSession"), errors=(401, 403, 404)
                ),
            },
            "/v1/static": {
                "get": _s_connector_operation(
                    "How long the sessions were that began within a time, newest first",
                    _ref("Usage"),
                    errors=(400, 401, 403),
                    parameters=[
                        {**_query("startTime", "A day, or a moment such as 2021-02-20 12:00", TEXT), "required": True},
                        _query("endTime", "The last day, or the moment after the last; absent: until now", TEXT),
                    ],
                ),
            },
            "/dashboard/sign-in": {
                "post": _operation(
                    "A bearer token for the dashboard's user, good until it expires or the password changes",
                    {200: _ref("SignedIn")},
                    errors=(*BODY_ERRORS, 401, 429),
                    body=_ref("SignIn"),
                    key=False,
                ),
                "delete": _operation("Takes the cookie of the sign-in away", {204: None}, key=False),
            },
            "/healthz": {"get": _operation("Alive", {200: _ref("Status")}, key=False)},
            "/readyz": {
                "get": _operation(
                    "Takes calls; 503 while it drains", {200: _ref("Status"), 503: _ref("Status")}, key=False
                )
            },
            "/metrics": {"get": _text_operation("Figures as Prometheus reads them", "text/plain")},
            "/openapi.json": {"get": _operation("This document", {200: {"type": "object"}}, key=False)},
            **described.paths("/analytics/v1", _ref("AnalyticsError"), "key"),
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "token": {"type": "apiKey", "in": "header", "name": HEADER},
            },
        },
    }


USAGE_DAYS_PARAMETER: Schema = {
    "name": "days",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": USAGE_DAYS, "default": DEFAULT_DAYS},
}


def _parameter(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _operation(
    summary: str,
    answers: dict[int, Schema | None],
    *,
    errors: tuple[int, ...] = (),
    body: Schema | None = None,
    key: bool = True,
) -> Schema:
    responses: Schema = {}
    for status, schema in answers.items():
        responses[str(status)] = {"description": summary} | ({"content": _json(schema)} if schema else {})
    for status in sorted({*errors, *((401,) if key else ())}):
        responses[str(status)] = {"description": ERRORS[status], "content": _json(_ref("Error"))}
    operation: Schema = {"summary": summary, "responses": responses}
    if key:
        operation["security"] = [{"key": []}]
    if body is not None:
        operation["requestBody"] = {"required": True, "content": _json(body)}
    return operation


def _s_connector_operation(
    summary: str,
    data: Schema,
    *,
    errors: tuple[int, ...],
    body: Schema | None = None,
    parameters: list[Schema] | None = None,
    token: bool = True,
) -> Schema:
    success = _object("status data", status={"const": True}, data=data)
    responses: Schema = {"200": {"description": summary, "content": _json(success)}}
    for status in errors:
        responses[str(status)] = {"description": S_CONNECTOR_ERRORS[status], "content": _json(_ref("Failure"))}
    operation: Schema = {"summary": summary, "responses": responses}
    if token:
        operation["security"] = [{"token": []}]
    if parameters is not None:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": _json(body)}
    return operation


def _text_operation(summary: str, kind: str) -> Schema:
    return {"summary": summary, "responses": {"200": {"description": summary, "content": {kind: {"schema": TEXT}}}}}
