"""Settings of the dialects and of licences: the tables `[room_api]` (contract room-api, section 10), `[kpoint]` and
`[licence]` of the configuration.

Every time is in seconds and may be a fraction, so that tests are quick.
"""

from collections.abc import Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import Attribute, field, frozen
from attrs.validators import ge, gt

from signalling.limits import CP_CODE_CHARS, TOKEN_CHARS


@frozen
class RoomApiSettings:
    token_ttl_s: float = field(default=43200.0, validator=gt(0))
    """How long an auth token admits its call."""
    members_bind: str = ""
    """HOST:PORT of a second address, which serves the listing of a room's members and nothing else. Empty: none."""
    socket_grace_s: float = field(default=10.0, validator=ge(0))
    """How long a member whose socket or media went away keeps its place."""
    requests_burst: int = field(default=200, validator=ge(1))
    requests_per_s: float = field(default=100.0, validator=gt(0))
    """What one socket may send: at once, and in the long run."""
    auth_failures_per_minute: int = field(default=10, validator=ge(1))
    """Wrong credentials for one user or from one address before further ones are refused unread."""
    registration_ttl_s: float = field(default=90.0, validator=gt(0))
    """How long a socket is called for its user without `register_room_api` being repeated."""
    invite_timeout_s: float = field(default=120.0, validator=gt(0))
    """How long an invitation rings before it counts as rejected."""
    mix_speakers: int = field(default=3, validator=ge(1))
    """Known, so that a configuration may name it; takes effect with a later version."""


def _opaque_keys(_: object, attribute: "Attribute[Mapping[str, str]]", value: Mapping[str, str]) -> None:
    for code, key in value.items():
        if not (1 <= len(code) <= CP_CODE_CHARS and code.isprintable()):
            raise ValueError(f"keys: {code!r} is no code of 1 to {CP_CODE_CHARS} printable characters")
        if not 1 <= len(key) <= TOKEN_CHARS:
            raise ValueError(f"keys: the key of {code!r} must have 1 to {TOKEN_CHARS} characters")


@frozen
class KpointSettings:
    """The table `[kpoint]` (contract kpoint, sections 4 and 11)."""

    requests_burst: int = field(default=400, validator=ge(1))
    requests_per_s: float = field(default=200.0, validator=gt(0))
    """What one socket may send: at once, and in the long run."""
    register_timeout_s: float = field(default=30.0, validator=gt(0))
    """How long a socket may take to register."""
    keys: Mapping[str, str] = field(factory=dict, repr=False, validator=_opaque_keys)
    """Opaque licence keys by their cpCode, beside those that `atrium licence add` makes."""


def _time_zone(_: object, attribute: "Attribute[str]", value: str) -> None:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # what it raises for names of directories and of nothing
        raise ValueError(f"time_zone: {value!r} is no time zone; they have names such as Asia/Seoul or UTC") from None


@frozen
class LicenceSettings:
    """[licence]: what holds for all customers."""

    time_zone: str = field(default="Asia/Seoul", validator=_time_zone)
    """In which dates and moments without an offset are meant (contract s-connector, section 7)."""

    auth_failures_per_minute: int = field(default=10, validator=ge(1))
    """Wrong secrets for one accessKey or from one address before further requests for a token are refused unread."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)
