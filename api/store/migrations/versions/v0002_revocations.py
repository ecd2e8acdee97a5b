"""Revoked tokens, and how long tokens live."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "revocations",
        sa.Column("room", sa.String(36), nullable=False),
        sa.Column("call_id", sa.String(128), nullable=False),
        sa.Column("revoked_at", sa.Double, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
        sa.Column("uninvited", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("room", "call_id", name="pk_revocations"),
        sa.ForeignKeyConstraint(["room"], ["rooms.uuid"], name="fk_revocations_room", ondelete="CASCADE"),
    )
    op.create_table(
        "token_terms",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("ttl_s", sa.Double, nullable=False),
        sa.Column("horizon", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_token_terms"),
    )
