"""What a request is refused with (contract analytics, section 2). Clients branch on the code; the message is for people."""

from types import MappingProxyType
from typing import Final

_NOT_FOUND = "The requested {} does not exist."

FAULTS: Final = MappingProxyType(
    {
        "missing_parameters": (400, "Some parameters are missing from the request."),
        "invalid_parameters": (400, "Some supplied parameters are not valid."),
        "invalid_api_key": (400, "Invalid api key."),
        "app_not_recording": (400, "The requested app is not recording."),
        "domain_not_allowed": (403, "The app does not allow this domain."),
        "missing_token": (401, "No token supplied."),
        "invalid_token": (401, "Invalid token."),
        "expired_token": (401, "Expired token."),
        "invalid_meta": (400, "Invalid meta."),
        "invalid_session_id": (400, "Invalid session ID."),
        **{
            f"{record}_not_found": (400, _NOT_FOUND.format(record))
            for record in ("organization", "app", "conference", "participant", "connection", "track", "issue")
        },
        "participant_equal_peer": (400, "The participant and peer can't be the same for an event."),
        "connection_ended": (400, "This connection has ended and we are no longer listening for events."),
        "event_limit_reached": (400, "This session has sent too many events."),
        "too_many_rows": (400, "There are too many rows for one answer. Ask for pages with limit and offset."),
        "max_organizations_reached": (400, "Too many organizations for current plan."),
        "method_not_allowed": (405, "Method not allowed."),
        "unknown_error": (400, ""),
    }
)
"""By code: status and message."""


class Fault(Exception):
    """Ends a request; nothing of it is kept."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.status, self.message = FAULTS[code]
        super().__init__(f"{self.status} {code}")

    @property
    def body(self) -> dict[str, str]:
        return {"error_code": self.code, "message": self.message}
