"""Rooms with their lists, users with their devices, bearer keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("username", sa.String(128), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("display_name", sa.String(255)),
        sa.Column("extension", sa.String(20)),
        sa.Column("sip_realm", sa.String(255), nullable=False),
        sa.Column("sip_digests", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("username", name="uq_users_username"),
        sa.UniqueConstraint("extension", name="uq_users_extension"),
    )
    op.create_table(
        "devices",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("device", sa.String(128), nullable=False),
        sa.Column("token_mac", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_devices"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_devices_user_id", ondelete="CASCADE"),
        sa.UniqueConstraint("token_mac", name="uq_devices_token_mac"),
        sa.UniqueConstraint("user_id", "device", name="uq_devices_user_id_device"),
    )
    op.create_table(
        "rooms",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("force_password", sa.Boolean, nullable=False),
        sa.Column("force_waiting_room", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.String(255)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_rooms"),
        sa.UniqueConstraint("uuid", name="uq_rooms_uuid"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rooms_name", "rooms", ["name"])
    op.create_table(
        "room_members",
        sa.Column("room_number", sa.Integer, nullable=False),
        sa.Column("user_id", sa.String(36), nullable=False),
        sa.Column("admin", sa.Boolean, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("room_number", "user_id", name="pk_room_members"),
        sa.ForeignKeyConstraint(
            ["room_number"], ["rooms.number"], name="fk_room_members_room_number", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("key_mac", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("key_mac", name="uq_keys_key_mac"),
    )
