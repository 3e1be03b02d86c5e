"""Indexes for what is asked often"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_HAS_REMOTE_ID = sa.text("remote_id IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_audit_entries_table_name_row_key", "audit_entries", ["table_name", "row_key"]
    )
    op.create_index(
        "ix_messages_standing",
        "messages",
        ["channel_id", "delivered_at"],
        sqlite_where=_HAS_REMOTE_ID,
        postgresql_where=_HAS_REMOTE_ID,
    )
    op.create_index(
        "ix_attempts_remote_id",
        "attempts",
        ["message_id", "remote_id"],
        sqlite_where=_HAS_REMOTE_ID,
        postgresql_where=_HAS_REMOTE_ID,
    )


def downgrade() -> None:
    op.drop_index("ix_attempts_remote_id", "attempts")
    op.drop_index("ix_messages_standing", "messages")
    op.drop_index("ix_audit_entries_table_name_row_key", "audit_entries")
