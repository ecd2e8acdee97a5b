"""Settings of the Room API: the table `[room_api]` of the configuration (contract room-api, section 10).

Every time is in seconds and may be a fraction, so that tests are quick.
"""

from attrs import field, frozen
from attrs.validators import ge, gt


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
