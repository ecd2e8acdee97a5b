"""The description of the REST routes (OpenAPI 3.1). Written by hand; a test holds it to the routes that exist."""

from typing import Any

from api.limits import ROOM_MEMBERS, ROOM_NAME_CHARS, ROOM_PASSWORD_CHARS

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
    400: "The body is not JSON or lacks the object `room`",
    401: "No good bearer key",
    404: "There is none",
    408: "The body did not arrive in time",
    413: "The body is too long",
    415: "The body is not application/json",
    422: "The object `room` is not as described",
    429: "Too many passwords are being hashed",
    503: "The server is draining",
}
BODY_ERRORS = (400, 408, 413, 415, 422)

TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
UUID: Schema = {"type": "string", "format": "uuid"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
FLAG: Schema = {"type": "boolean"}
OPTION: Schema = {"type": "boolean", "default": False}


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


SCHEMAS: dict[str, Schema] = {
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
    "Status": _object("status", status=TEXT),
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
            "/v1/live/rooms": {
                "get": _operation("The rooms that are live", {200: _object(rooms=_list(_ref("LiveRoom")))}),
            },
            "/v1/live/rooms/{room_id}": {
                "parameters": [_parameter("room_id")],
                "get": _operation("One live room", {200: _object("room", room=_ref("LiveRoom"))}, errors=(404,)),
                "delete": _operation("End a live room; a persistent one stays", {204: None}, errors=(404,)),
            },
            "/v1/live/licences/{licence_id}": {
                "parameters": [_parameter("licence_id")],
                "delete": _operation(
                    "End all that runs under a licence, its rooms and its sockets", {204: None}, errors=(404,)
                ),
            },
            "/healthz": {"get": _operation("Alive", {200: _ref("Status")}, key=False)},
            "/readyz": {
                "get": _operation(
                    "Takes calls; 503 while it drains", {200: _ref("Status"), 503: _ref("Status")}, key=False
                )
            },
            "/metrics": {"get": _text_operation("Figures as Prometheus reads them", "text/plain")},
            "/openapi.json": {"get": _operation("This document", {200: {"type": "object"}}, key=False)},
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _parameter(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


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


def _text_operation(summary: str, kind: str) -> Schema:
    return {"summary": summary, "responses": {"200": {"description": summary, "content": {kind: {"schema": TEXT}}}}}
