"""The description of /analytics/v1 (OpenAPI 3.1). Written by hand; a test holds it to the routes that exist. What fields and rows
mean is the contract's to say: here is what there is, and what each takes.
"""

from typing import Any, Final

Operation = dict[str, Any]

_TIMES: Final = ("created_at_gt", "created_at_gte", "created_at_lt", "created_at_lte")
_PAGE: Final = ("limit", "offset", "order")
_EVENTS: Final = ("type", "view", *_TIMES, *_PAGE)
_OF_EVENTS: Final = ("conferenceId", "participantId", *_EVENTS)
_OF_RECORDS: Final = ("appId", "conferenceId", "participantId", "sessionId", *_TIMES, *_PAGE)
_RANGE: Final = ("appId", "created_at_gte", "created_at_lte")
_EVENT: Final = ("token", "eventName", "data", "peerId", "connectionId", "delta")

# By path: method, what it does, whether it takes an administrator's key, and the names of what the query or the body may have.
_ROUTES: Final[dict[str, list[tuple[str, str, bool, tuple[str, ...]]]]] = {
    "/initialize": [
        (
            "post",
            "A client arrives; answers a token for /sessions",
            False,
            ("apiKey", "conferenceId", "userId", "conferenceName", "userName"),
        )
    ],
    "/sessions": [
        (
            "post",
            "A session begins; answers a token for all that follows",
            False,
            ("token", "platform", "devices", "constraints", "meta", "appVersion", "webrtcSdk", "delta"),
        ),
        ("put", "What is known of the client has changed", False, ("token", "platform", "devices", "constraints")),
        ("get", "Sessions of the last 30 days", True, ("appId", "conferenceId", "participantId", *_PAGE)),
    ],
    "/sessions/{id}": [("get", "A session", True, ())],
    "/events/get-user-media": [
        ("post", "What became of getUserMedia", False, _EVENT),
        ("get", "Such events", True, _OF_EVENTS),
    ],
    "/events/browser": [
        ("post", "What happened to the page", False, _EVENT),
        ("get", "Such events", True, _OF_EVENTS),
    ],
    "/connection": [
        ("post", "What happened to a connection", False, (*_EVENT, "peerName", "connectionState", "isSfu")),
        ("get", "Such events", True, _OF_EVENTS),
    ],
    "/connection/batch": [("post", "Several of those", False, ("token", "data", "delta"))],
    "/stats": [
        ("post", "Statistics of a connection", False, ("token", "connectionId", "data", "delta")),
        ("get", "Such events", True, _OF_EVENTS),
    ],
    "/tracks": [
        ("post", "A track has come", False, ("token", "event", "connectionId", "trackId", "data", "delta")),
        ("put", "A track has changed", False, ("token", "event", "trackId", "data", "delta")),
    ],
    "/services/stop-conference": [("post", "Ends a conference", False, ("apiKey", "conferenceId"))],
    "/services/get-url": [("post", "Where the dashboard shows it", False, ("apiKey", "conferenceId", "userId"))],
    "/teapot": [("get", "Says that the server lives", False, ())],
    "/organizations": [
        ("get", "The organization, if there is one", True, ()),
        ("post", "Makes it", True, ("name",)),
    ],
    "/organizations/{id}": [
        ("get", "The organization", True, ()),
        ("put", "Renames it", True, ("name",)),
        ("delete", "Removes it with its apps", True, ()),
    ],
    "/apps": [("get", "All apps", True, ()), ("post", "Makes an app", True, ("organization", "name"))],
    "/apps/{id}": [
        ("get", "An app", True, ()),
        ("put", "Changes it", True, ("name", "domain", "interval", "recording")),
        ("delete", "Removes it", True, ()),
    ],
    "/apps/{id}/reset-key": [("post", "Makes another key", True, ())],
    "/conferences": [
        (
            "get",
            "Conferences",
            True,
            (
                "appId",
                "participantId",
                "duration_gte",
                "duration_lt",
                "issue_code",
                "conference_ids",
                "conference_id",
                *_TIMES,
                *_PAGE,
            ),
        )
    ],
    "/conferences/{id}": [("get", "A conference", True, ())],
    "/conferences/{id}/events": [("get", "Its events", True, ("participantId", *_EVENTS))],
    "/conferences/{id}/graphs": [("get", "What flowed in it, once it is over", True, ("points",))],
    "/conferences/{id}/export": [("get", "All its events, one a line", True, ("format",))],
    "/participants": [("get", "Participants", True, ("appId", "conferenceId", *_TIMES, *_PAGE))],
    "/participants/{id}": [("get", "A participant", True, ())],
    "/participants/{id}/data": [("delete", "Erases what they told", True, ())],
    "/connections": [("get", "Connections", True, _OF_RECORDS)],
    "/connections/{id}": [("get", "A connection", True, ())],
    "/issues": [("get", "Issues", True, _OF_RECORDS)],
    "/issues/{id}": [("get", "An issue", True, ())],
    "/records/events": [("get", "Events", True, ("appId", *_OF_EVENTS))],
    "/records/tracks": [("get", "Tracks", True, ("appId", "conferenceId", "participantId", *_TIMES, *_PAGE))],
    "/records/summaries": [("get", "Which graphs are there", True, ("appId", "conferenceId", *_TIMES, *_PAGE))],
    "/search": [("get", "What is called much like that", True, ("query",))],
    "/conferences/summary": [("get", "Conferences by day", True, _RANGE)],
    "/conferences/duration-summary": [("get", "Conferences by duration", True, _RANGE)],
    "/conferences/participant-count-summary": [("get", "Conferences by number of people", True, _RANGE)],
    "/issues/summary": [("get", "Issues by code", True, _RANGE)],
    "/issues/gum-summary": [("get", "Refused cameras and microphones by reason", True, _RANGE)],
    "/connections/summary": [("get", "Direct and relayed connections", True, _RANGE)],
    "/connections/setup-time-summary": [("get", "Connections by the time they took to come up", True, _RANGE)],
    "/sessions/summary": [("get", "Browsers, systems and places", True, _RANGE)],
}
_READS_BODY: Final = ("post", "put")


def paths(root: str, schema: Operation, key: str) -> dict[str, Any]:
    """As a description has them. `schema`: of an error; `key`: the name of the security scheme of administrators."""
    return {
        root + path: {
            method: _operation(method, summary, is_private, names, "{id}" in path, schema, key)
            for method, summary, is_private, names in operations
        }
        for path, operations in _ROUTES.items()
    }


def _operation(
    method: str, summary: str, is_private: bool, names: tuple[str, ...], has_id: bool, error: Operation, key: str
) -> Operation:
    def answer(description: str, schema: Operation) -> Operation:
        return {"description": description, "content": {"application/json": {"schema": schema}}}

    operation: Operation = {
        "summary": summary,
        "tags": ["call analytics"],
        "responses": {"200": answer(summary, {}), "default": answer("Refused: `error_code` says why", error)},
    }
    parameters: list[Operation] = []
    if has_id:
        uuid = {"type": "string", "format": "uuid"}
        parameters.append({"name": "id", "in": "path", "required": True, "schema": uuid})
    if method in _READS_BODY:
        body = {"type": "object", "properties": {name: {} for name in names}}
        # Whatever it is declared to be: clients send text/plain, which needs no preflight.
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    else:
        parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
    if parameters:
        operation["parameters"] = parameters
    if is_private:
        operation["security"] = [{key: []}]
    return operation
