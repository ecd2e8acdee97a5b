"""Calls as clients report them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    long = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "conferences",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("app", sa.Integer, nullable=False),
        sa.Column("conference_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64)),
        sa.Column("start_time", sa.DateTime(timezone=True)),
        sa.Column("call_start", sa.DateTime(timezone=True)),
        sa.Column("end_time", sa.DateTime(timezone=True)),
        sa.Column("ongoing", sa.Boolean, nullable=False),
        sa.Column("duration", sa.Integer, nullable=False),
        sa.Column("marks", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_conferences"),
        sa.UniqueConstraint("app", "conference_id", name="uq_conferences_app_conference_id"),
        sa.ForeignKeyConstraint(["app"], ["apps.number"], name="fk_conferences_app"),
        sa.UniqueConstraint("id", name="uq_conferences_id"),
    )
    op.create_index("ix_conferences_app_created_at", "conferences", ["app", "created_at"])
    op.create_index(
        "ix_conferences_ongoing",
        "conferences",
        ["ongoing"],
        sqlite_where=sa.text("ongoing"),
        postgresql_where=sa.text("ongoing"),
    )
    op.create_table(
        "participants",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("app", sa.Integer, nullable=False),
        sa.Column("participant_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64)),
        sa.Column("is_sfu", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_participants"),
        sa.UniqueConstraint("app", "participant_id", name="uq_participants_app_participant_id"),
        sa.ForeignKeyConstraint(["app"], ["apps.number"], name="fk_participants_app"),
        sa.UniqueConstraint("id", name="uq_participants_id"),
    )
    op.create_table(
        "conference_participants",
        sa.Column("conference", sa.Integer, nullable=False),
        sa.Column("participant", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("conference", "participant", name="pk_conference_participants"),
        sa.ForeignKeyConstraint(
            ["conference"], ["conferences.number"], name="fk_conference_participants_conference", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["participant"], ["participants.number"], name="fk_conference_participants_participant", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_conference_participants_participant", "conference_participants", ["participant"])
    op.create_table(
        "call_sessions",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("conference", sa.Integer, nullable=False),
        sa.Column("participant", sa.Integer, nullable=False),
        sa.Column("constraints", sa.Text),
        sa.Column("devices", sa.Text),
        sa.Column("platform", sa.Text),
        sa.Column("metadata", sa.Text),
        sa.Column("geo_ip", sa.Text),
        sa.Column("app_version", sa.String(16)),
        sa.Column("webrtc_sdk", sa.String(16)),
        sa.Column("duration", sa.Integer, nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True)),
        sa.Column("call_start", sa.DateTime(timezone=True)),
        sa.Column("marks", sa.Text, nullable=False),
        sa.Column("seconds", sa.Text, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("media_asked", sa.Integer, nullable=False),
        sa.Column("media_refused", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_call_sessions"),
        sa.ForeignKeyConstraint(
            ["conference"], ["conferences.number"], name="fk_call_sessions_conference", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("id", name="uq_call_sessions_id"),
        sa.ForeignKeyConstraint(
            ["participant"], ["participants.number"], name="fk_call_sessions_participant", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_call_sessions_conference", "call_sessions", ["conference"])
    op.create_index("ix_call_sessions_participant", "call_sessions", ["participant"])
    op.create_table(
        "peer_connections",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("session", sa.Integer, nullable=False),
        sa.Column("conference", sa.Integer, nullable=False),
        sa.Column("participant", sa.Integer, nullable=False),
        sa.Column("peer", sa.Integer, nullable=False),
        sa.Column("type", sa.String(8)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("negotiations", sa.Text, nullable=False),
        sa.Column("setup_ms", sa.Integer),
        sa.Column("detected_tcp", sa.Boolean, nullable=False),
        sa.Column("detected_turn", sa.Boolean, nullable=False),
        sa.Column("established", sa.Boolean, nullable=False),
        sa.Column("arrival", long, nullable=False),
        sa.Column("connected_at_start", sa.Boolean, nullable=False),
        sa.Column("marks", sa.Text, nullable=False),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True)),
        sa.Column("duration", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_peer_connections"),
        sa.ForeignKeyConstraint(
            ["conference"], ["conferences.number"], name="fk_peer_connections_conference", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("id", name="uq_peer_connections_id"),
        sa.ForeignKeyConstraint(
            ["participant"], ["participants.number"], name="fk_peer_connections_participant", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["peer"], ["participants.number"], name="fk_peer_connections_peer", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["session"], ["call_sessions.number"], name="fk_peer_connections_session", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_peer_connections_conference", "peer_connections", ["conference"])
    op.create_index("ix_peer_connections_session", "peer_connections", ["session"])
    op.create_table(
        "tracks",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("session", sa.Integer, nullable=False),
        sa.Column("connection", sa.Integer),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("track_id", sa.String(40), nullable=False),
        sa.Column("label", sa.String(128)),
        sa.Column("info", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_tracks"),
        sa.ForeignKeyConstraint(
            ["connection"], ["peer_connections.number"], name="fk_tracks_connection", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("id", name="uq_tracks_id"),
        sa.ForeignKeyConstraint(["session"], ["call_sessions.number"], name="fk_tracks_session", ondelete="CASCADE"),
    )
    op.create_index("ix_tracks_session", "tracks", ["session"])
    op.create_table(
        "call_events",
        sa.Column("number", long, nullable=False, autoincrement=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("conference", sa.Integer, nullable=False),
        sa.Column("participant", sa.Integer, nullable=False),
        sa.Column("session", sa.Integer, nullable=False),
        sa.Column("app", sa.Integer, nullable=False),
        sa.Column("peer", sa.Integer),
        sa.Column("connection", sa.Integer),
        sa.Column("track", sa.Integer),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("category", sa.String(12), nullable=False),
        sa.Column("data", sa.Text),
        sa.Column("request", long, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_call_events"),
    )
    op.create_index("ix_call_events_conference", "call_events", ["conference", "created_at", "type", "category"])
    op.create_index("ix_call_events_participant_created_at", "call_events", ["participant", "created_at"])
    op.create_table(
        "issues",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("session", sa.Integer, nullable=False),
        sa.Column("conference", sa.Integer, nullable=False),
        sa.Column("participant", sa.Integer, nullable=False),
        sa.Column("connection", sa.Integer),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("data", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_issues"),
        sa.ForeignKeyConstraint(
            ["conference"], ["conferences.number"], name="fk_issues_conference", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["connection"], ["peer_connections.number"], name="fk_issues_connection", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("id", name="uq_issues_id"),
        sa.ForeignKeyConstraint(
            ["participant"], ["participants.number"], name="fk_issues_participant", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["session"], ["call_sessions.number"], name="fk_issues_session", ondelete="CASCADE"),
    )
    op.create_index("ix_issues_conference", "issues", ["conference"])
    op.create_index("ix_issues_session", "issues", ["session"])
    op.create_table(
        "summaries",
        sa.Column("conference", sa.Integer, nullable=False),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("conference", name="pk_summaries"),
        sa.ForeignKeyConstraint(
            ["conference"], ["conferences.number"], name="fk_summaries_conference", ondelete="CASCADE"
        ),
    )
