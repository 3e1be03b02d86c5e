"""Signs of life, alerts, and what Riot's profiles say"""

import sqlalchemy as sa
from alembic import op

from lol_dagster.storage import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_INSTANTS = ("profile_checked_at", "revision_date", "blind_since", "blind_from")


def upgrade() -> None:
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("at", types.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeats")),
    )
    op.create_table(
        "failed_jobs",
        sa.Column("job", sa.String(length=80), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("failed_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("since", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("error", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_failed_jobs")),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=48), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("text", sa.String(length=1000), nullable=False),
        sa.Column("opened_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("tell_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("told_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("message_id", sa.String(length=36), nullable=True),
        sa.Column("closed_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("ended_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("end_message_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_alerts_message_id_messages")
        ),
        sa.ForeignKeyConstraint(
            ["end_message_id"], ["messages.id"], name=op.f("fk_alerts_end_message_id_messages")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    with op.batch_alter_table("alerts", schema=None) as batch_op:
        batch_op.create_index(
            "uq_alerts_open",
            ["key"],
            unique=True,
            sqlite_where=sa.text("closed_at IS NULL"),
            postgresql_where=sa.text("closed_at IS NULL"),
        )
        batch_op.create_index("ix_alerts_key_closed_at", ["key", "closed_at"], unique=False)
        batch_op.create_index("ix_alerts_kind_told_at", ["kind", "told_at"], unique=False)
        batch_op.create_index(
            "ix_alerts_to_end",
            ["closed_at"],
            unique=False,
            sqlite_where=sa.text("told_at IS NOT NULL AND ended_at IS NULL"),
            postgresql_where=sa.text("told_at IS NOT NULL AND ended_at IS NULL"),
        )
    # Without batch: SQLite adds and drops plain columns by itself.
    for name in _INSTANTS:
        instant = types.UtcDateTime(timezone=True)
        op.add_column("account_polls", sa.Column(name, instant, nullable=True))
    op.add_column("account_polls", sa.Column("ranked_games", sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in ("ranked_games", *_INSTANTS):
        op.drop_column("account_polls", name)
    op.drop_table("alerts")
    op.drop_table("failed_jobs")
    op.drop_table("heartbeats")
