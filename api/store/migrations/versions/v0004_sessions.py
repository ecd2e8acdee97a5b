"""Sessions of licences, and who is in those that run."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("licence_id", sa.Integer, nullable=False),
        sa.Column("session_id", sa.String(16), nullable=False),
        sa.Column("room", sa.String(36), nullable=False),
        sa.Column("room_name", sa.String(255), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("running", sa.Boolean, nullable=False),
        sa.Column("visits", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["licence_id"], ["licences.id"], name="fk_sessions_licence_id", ondelete="CASCADE"),
    )
    op.create_index("ix_sessions_licence_id_began_at", "sessions", ["licence_id", "began_at"])
    running = sa.text("running")
    op.create_index("ix_sessions_running", "sessions", ["running"], sqlite_where=running, postgresql_where=running)
    op.create_table(
        "session_connections",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("session", sa.Integer, nullable=False),
        sa.Column("connection_id", sa.String(16), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("user_name", sa.String(256), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("location", sa.String(128), nullable=False),
        sa.Column("platform", sa.String(256), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_session_connections"),
        sa.ForeignKeyConstraint(
            ["session"], ["sessions.id"], name="fk_session_connections_session", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_session_connections_session", "session_connections", ["session"])
