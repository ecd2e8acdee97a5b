"""Apps of call analytics, and their organization."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "organizations",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_organizations"),
        sa.UniqueConstraint("id", name="uq_organizations_id"),
    )
    active = sa.text("active")
    op.create_index(
        "ix_organizations_active",
        "organizations",
        ["active"],
        unique=True,
        sqlite_where=active,
        postgresql_where=active,
    )
    op.create_table(
        "apps",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("organization", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("api_key", sa.String(32), nullable=False),
        sa.Column("domain", sa.String(256)),
        sa.Column("interval_ms", sa.Integer, nullable=False),
        sa.Column("recording", sa.Boolean, nullable=False),
        sa.Column("durations", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_apps"),
        sa.ForeignKeyConstraint(["organization"], ["organizations.number"], name="fk_apps_organization"),
        sa.UniqueConstraint("id", name="uq_apps_id"),
        sa.UniqueConstraint("api_key", name="uq_apps_api_key"),
    )
