"""Rations of retries, former texts and audits of messages"""

import sqlalchemy as sa
from alembic import op

from lol_dagster.storage import types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "attempts", sa.Column("retry", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("attempts", sa.Column("body_sha256", sa.String(length=64), nullable=True))
    op.create_index("ix_attempts_at", "attempts", ["at"])
    op.create_table(
        "message_texts",
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_message_texts_message_id_messages")
        ),
        sa.PrimaryKeyConstraint("message_id", "rev", name=op.f("pk_message_texts")),
    )
    op.create_table(
        "message_audits",
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "finding",
            sa.Enum(
                "stands",
                "deleted",
                "older_text",
                "altered",
                "twice",
                "hidden",
                name="finding",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_message_audits_message_id_messages")
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_message_audits")),
    )
    op.create_index("ix_message_audits_finding", "message_audits", ["finding"])


def downgrade() -> None:
    op.drop_table("message_audits")
    op.drop_table("message_texts")
    op.drop_index("ix_attempts_at", "attempts")
    op.drop_column("attempts", "body_sha256")
    op.drop_column("attempts", "retry")
