"""Events of calls in half the room: moments as numbers, one index, and not in each of them what their sessions say."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

KEPT = "number, conference, session, peer, connection, track, type, category, data, request"


def upgrade() -> None:
    op.drop_index("ix_call_events_conference", "call_events")
    op.drop_index("ix_call_events_participant_created_at", "call_events")
    if op.get_bind().dialect.name == "sqlite":
        _made_anew()
    else:
        _altered()
    op.create_index(
        "ix_call_events_conference", "call_events", ["conference", "created_at", "type", "category", "session"]
    )
    op.drop_column("call_sessions", "events")


def _made_anew() -> None:
    """SQLite changes no types, and would write the table once for each column that goes."""
    op.rename_table("call_events", "old_events")
    op.create_table(
        "call_events",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("conference", sa.Integer, nullable=False),
        sa.Column("session", sa.Integer, nullable=False),
        sa.Column("peer", sa.Integer),
        sa.Column("connection", sa.Integer),
        sa.Column("track", sa.Integer),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("category", sa.String(12), nullable=False),
        sa.Column("data", sa.Text),
        sa.Column("request", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_call_events"),
    )
    # The fraction by itself: SQLite's own reading of both would round.
    microseconds = "strftime('%s', substr(created_at, 1, 19)) * 1000000 + substr(created_at, 21, 6)"
    op.execute(f"INSERT INTO call_events ({KEPT}, created_at) SELECT {KEPT}, {microseconds} FROM old_events")
    op.drop_table("old_events")


def _altered() -> None:
    op.execute(
        "ALTER TABLE call_events DROP COLUMN id, DROP COLUMN participant, DROP COLUMN app, "
        "ALTER COLUMN created_at TYPE bigint USING (extract(epoch FROM created_at) * 1000000)::bigint"
    )
