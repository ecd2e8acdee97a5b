"""Licences and their rooms. What is revoked may be of those, too, so it refers to no one table of rooms any more."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "licences",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("cp_code", sa.String(64), nullable=False),
        sa.Column("access_key", sa.String(11), nullable=False),
        sa.Column("secret_mac", sa.LargeBinary, nullable=False),
        sa.Column("room_limit", sa.Integer),
        sa.Column("max_users", sa.Integer),
        sa.Column("starts_on", sa.String(32)),
        sa.Column("ends_on", sa.String(32)),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_licences"),
        sa.UniqueConstraint("domain", name="uq_licences_domain"),
        sa.UniqueConstraint("cp_code", name="uq_licences_cp_code"),
        sa.UniqueConstraint("access_key", name="uq_licences_access_key"),
    )
    op.create_table(
        "licence_rooms",
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("licence_id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title", sa.String(256), nullable=False),
        sa.Column("capacity", sa.Integer),
        sa.Column("destroy", sa.Boolean, nullable=False),
        sa.Column("talking_noty", sa.Boolean, nullable=False),
        sa.Column("host", sa.String(128), nullable=False),
        sa.Column("host_name", sa.String(256), nullable=False),
        sa.Column("host_device", sa.String(256), nullable=False),
        sa.Column("parent", sa.String(36)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_licence_rooms"),
        sa.ForeignKeyConstraint(
            ["licence_id"], ["licences.id"], name="fk_licence_rooms_licence_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("licence_id", "name", name="uq_licence_rooms_licence_id_name"),
    )
    with op.batch_alter_table("revocations") as revocations:
        revocations.drop_constraint("fk_revocations_room", type_="foreignkey")
