"""The tables as this version of Atrium knows them. `migrations/` makes them; a test compares the two.

Moments are UTC. What is secret is here only as argon2 hash, as MAC under a key of the keyring, or encrypted.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime, also out of SQLite, which knows no zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite's integers are as long as they have to be, and its row numbers have to be of that type.
Long = BigInteger().with_variant(Integer, "sqlite")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


def instant(moment: datetime) -> int:
    """As an Instant is kept: microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def moment_of(instant: int) -> datetime:
    return EPOCH + instant * MICROSECOND


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, as a number: what comes by the thousand is written, sorted and indexed for less than text."""

    impl = Long
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else instant(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else moment_of(value)


users = Table(
    "users",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("username", String(128), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("display_name", String(255)),
    Column("extension", String(20), unique=True),
    Column("sip_realm", String(255), nullable=False),
    Column("sip_digests", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("device", String(128), nullable=False),
    Column("token_mac", LargeBinary, nullable=False, unique=True),
    UniqueConstraint("user_id", "device"),
)

rooms = Table(
    "rooms",
    metadata,
    # Counts up, so that "oldest first" is an order even among rooms of the same microsecond.
    Column("number", Integer, primary_key=True),
    Column("uuid", String(36), nullable=False, unique=True),
    Column("name", String(255), nullable=False, index=True),
    Column("open", Boolean, nullable=False),
    Column("force_password", Boolean, nullable=False),
    Column("force_waiting_room", Boolean, nullable=False),
    Column("password_hash", String(255)),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

room_members = Table(
    "room_members",
    metadata,
    Column("room_number", Integer, ForeignKey("rooms.number", ondelete="CASCADE"), primary_key=True),
    # No foreign key: a list may name users that do not exist yet.
    Column("user_id", String(36), primary_key=True),
    Column("admin", Boolean, nullable=False),
    Column("position", Integer, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(128), nullable=False),
    Column("key_mac", LargeBinary, nullable=False, unique=True),
    Column("created_at", Moment, nullable=False),
)

admins = Table(
    "admins",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("password_hash", String(255), nullable=False),
)

licences = Table(
    "licences",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("domain", String(255), nullable=False, unique=True),
    Column("cp_code", String(64), nullable=False, unique=True),
    Column("access_key", String(11), nullable=False, unique=True),
    Column("secret_mac", LargeBinary, nullable=False),
    Column("room_limit", Integer),
    Column("max_users", Integer),
    # As they were given, and as they stand in the auth key: a date, or a moment with or without an offset.
    Column("starts_on", String(32)),
    Column("ends_on", String(32)),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
)

# No rows of `rooms`, so no question about those can meet them.
licence_rooms = Table(
    "licence_rooms",
    metadata,
    Column("uuid", String(36), primary_key=True),
    Column("licence_id", Integer, ForeignKey("licences.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(255), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("title", String(256), nullable=False),
    Column("capacity", Integer),
    Column("destroy", Boolean, nullable=False),
    Column("talking_noty", Boolean, nullable=False),
    Column("host", String(128), nullable=False),
    Column("host_name", String(256), nullable=False),
    Column("host_device", String(256), nullable=False),
    # No foreign key: a breakout room may outlive the room that it was made beside.
    Column("parent", String(36)),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("licence_id", "name"),
)

# What is longer is cut by whoever writes it.
ROOM_NAME_CHARS = 255
USER_NAME_CHARS = 256
LOCATION_CHARS = 128
PLATFORM_CHARS = 256

# One continuous use of a licence's room by anybody. What has been, is kept for ever: bills are made of it.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("licence_id", Integer, ForeignKey("licences.id", ondelete="CASCADE"), nullable=False),
    Column("session_id", String(16), nullable=False),
    # No foreign key: it outlives the room.
    Column("room", String(36), nullable=False),
    Column("room_name", String(ROOM_NAME_CHARS), nullable=False),
    Column("began_at", Moment, nullable=False),
    # Its end, or the last moment at which it was seen to run.
    Column("until", Moment, nullable=False),
    Column("running", Boolean, nullable=False),
    # How many have come in, one after the other.
    Column("visits", Integer, nullable=False),
    Index("ix_sessions_licence_id_began_at", "licence_id", "began_at"),
    Index("ix_sessions_running", "running", sqlite_where=text("running"), postgresql_where=text("running")),
)

# Who is in a session that runs, or was; when it ends they are forgotten.
session_connections = Table(
    "session_connections",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("session", Integer, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("connection_id", String(16), nullable=False),
    Column("token", String(32), nullable=False),
    Column("user_name", String(USER_NAME_CHARS), nullable=False),
    Column("role", String(16), nullable=False),
    Column("location", String(LOCATION_CHARS), nullable=False),
    Column("platform", String(PLATFORM_CHARS), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("left_at", Moment),
)

revocations = Table(
    "revocations",
    metadata,
    # No foreign key: it may be of either table of rooms. It is added only while the room is there, and goes with it.
    Column("room", String(36), primary_key=True),
    # Empty: of the whole room.
    Column("call_id", String(128), primary_key=True),
    # Seconds since the epoch, as in the tokens: they are compared with those to the last bit.
    Column("revoked_at", Double, nullable=False),
    Column("until", Double, nullable=False),
    Column("uninvited", Boolean, nullable=False),
)

# One row: how long the tokens of this installation live.
token_terms = Table(
    "token_terms",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ttl_s", Double, nullable=False),
    Column("horizon", Double, nullable=False),
)

# --- call analytics (contract analytics, section 8) ---

# What is removed stays, and is there for nobody.
organizations = Table(
    "organizations",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("name", String(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("active", Boolean, nullable=False),
    # There is one at most.
    Index(
        "ix_organizations_active", "active", unique=True, sqlite_where=text("active"), postgresql_where=text("active")
    ),
)

apps = Table(
    "apps",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("organization", Integer, ForeignKey("organizations.number"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("api_key", String(32), nullable=False, unique=True),
    Column("domain", String(256)),
    Column("interval_ms", Integer, nullable=False),
    Column("recording", Boolean, nullable=False),
    # Seconds of calls by day, as a JSON object.
    Column("durations", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("active", Boolean, nullable=False),
)

# Marks, negotiations and all that clients report as they like are JSON.
conferences = Table(
    "conferences",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("app", Integer, ForeignKey("apps.number"), nullable=False),
    Column("conference_id", String(64), nullable=False),
    Column("name", String(64)),
    Column("start_time", Moment),
    Column("call_start", Moment),
    Column("end_time", Moment),
    Column("ongoing", Boolean, nullable=False),
    Column("duration", Integer, nullable=False),
    Column("marks", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("app", "conference_id"),
    Index("ix_conferences_app_created_at", "app", "created_at"),
    Index("ix_conferences_ongoing", "ongoing", sqlite_where=text("ongoing"), postgresql_where=text("ongoing")),
)

participants = Table(
    "participants",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("app", Integer, ForeignKey("apps.number"), nullable=False),
    Column("participant_id", String(64), nullable=False),
    Column("name", String(64)),
    Column("is_sfu", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("app", "participant_id"),
)

conference_participants = Table(
    "conference_participants",
    metadata,
    Column("conference", Integer, ForeignKey("conferences.number", ondelete="CASCADE"), primary_key=True),
    Column("participant", Integer, ForeignKey("participants.number", ondelete="CASCADE"), primary_key=True),
    Index("ix_conference_participants_participant", "participant"),
)

call_sessions = Table(
    "call_sessions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("conference", Integer, ForeignKey("conferences.number", ondelete="CASCADE"), nullable=False),
    Column("participant", Integer, ForeignKey("participants.number", ondelete="CASCADE"), nullable=False),
    Column("constraints", Text),
    Column("devices", Text),
    Column("platform", Text),
    Column("metadata", Text),
    Column("geo_ip", Text),
    Column("app_version", String(16)),
    Column("webrtc_sdk", String(16)),
    Column("duration", Integer, nullable=False),
    Column("end_time", Moment),
    Column("call_start", Moment),
    Column("marks", Text, nullable=False),
    # Of calls, by day, as they have been added to the app's.
    Column("seconds", Text, nullable=False),
    Column("media_asked", Integer, nullable=False),
    Column("media_refused", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_call_sessions_conference", "conference"),
    Index("ix_call_sessions_participant", "participant"),
)

peer_connections = Table(
    "peer_connections",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("session", Integer, ForeignKey("call_sessions.number", ondelete="CASCADE"), nullable=False),
    Column("conference", Integer, ForeignKey("conferences.number", ondelete="CASCADE"), nullable=False),
    Column("participant", Integer, ForeignKey("participants.number", ondelete="CASCADE"), nullable=False),
    Column("peer", Integer, ForeignKey("participants.number", ondelete="CASCADE"), nullable=False),
    Column("type", String(8)),
    Column("state", String(16), nullable=False),
    Column("negotiations", Text, nullable=False),
    # How long the first negotiation took to connect, if it did.
    Column("setup_ms", Integer),
    Column("detected_tcp", Boolean, nullable=False),
    Column("detected_turn", Boolean, nullable=False),
    Column("established", Boolean, nullable=False),
    Column("arrival", Long, nullable=False),
    Column("connected_at_start", Boolean, nullable=False),
    Column("marks", Text, nullable=False),
    Column("start_time", Moment, nullable=False),
    Column("end_time", Moment),
    Column("duration", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_peer_connections_conference", "conference"),
    Index("ix_peer_connections_session", "session"),
)

tracks = Table(
    "tracks",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("session", Integer, ForeignKey("call_sessions.number", ondelete="CASCADE"), nullable=False),
    Column("connection", Integer, ForeignKey("peer_connections.number", ondelete="CASCADE")),
    Column("kind", String(8), nullable=False),
    Column("direction", String(8), nullable=False),
    Column("track_id", String(40), nullable=False),
    Column("label", String(128)),
    Column("info", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_tracks_session", "session"),
)

# By the thousand a second, so nothing is looked up to insert one: what it names goes with its conference. Whose it is, and of
# which app, its session says, and so does its id (event_id).
call_events = Table(
    "call_events",
    metadata,
    Column("number", Long, primary_key=True, autoincrement=False),
    Column("conference", Integer, nullable=False),
    Column("session", Integer, nullable=False),
    Column("peer", Integer),
    Column("connection", Integer),
    Column("track", Integer),
    Column("type", String(32), nullable=False),
    Column("category", String(12), nullable=False),
    Column("data", Text),
    # One number for what came by one request.
    Column("request", Long, nullable=False),
    Column("created_at", Instant, nullable=False),
    # The only one: half of what an event costs is its place in it. With all that lists are filtered by, so that to count them
    # no event has to be read.
    Index("ix_call_events_conference", "conference", "created_at", "type", "category", "session"),
)


def event_id(session: str, number: int) -> str:
    """A UUID: that of its session, with the event's own number in its last 48 bits."""
    return f"{session[:-12]}{number:012x}"


issues = Table(
    "issues",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("session", Integer, ForeignKey("call_sessions.number", ondelete="CASCADE"), nullable=False),
    Column("conference", Integer, ForeignKey("conferences.number", ondelete="CASCADE"), nullable=False),
    Column("participant", Integer, ForeignKey("participants.number", ondelete="CASCADE"), nullable=False),
    Column("connection", Integer, ForeignKey("peer_connections.number", ondelete="CASCADE")),
    Column("code", String(32), nullable=False),
    Column("data", Text),
    Column("created_at", Moment, nullable=False),
    Index("ix_issues_conference", "conference"),
    Index("ix_issues_session", "session"),
)

# What the graphs of a conference show, since it is over.
summaries = Table(
    "summaries",
    metadata,
    Column("conference", Integer, ForeignKey("conferences.number", ondelete="CASCADE"), primary_key=True),
    # The conference's, when it was made.
    Column("end_time", Moment, nullable=False),
    # A snapshot a line, deflated.
    Column("data", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
)
