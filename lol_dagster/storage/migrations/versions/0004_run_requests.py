"""Runs that people ask for"""

import sqlalchemy as sa
from alembic import op

from lol_dagster.storage import types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("match_id", sa.String(length=40), nullable=False),
        sa.Column("requested_at", types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("requested_by", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("run_key", sa.String(length=80), nullable=True),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.Column("started_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("finished_at", types.UtcDateTime(timezone=True), nullable=True),
        sa.Column(
            "outcome",
            types.choice(
                "processed", "set_aside", "late", "later", "gone", "failed", name="outcome"
            ),
            nullable=True,
        ),
        sa.Column("detail", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["match_id"], ["matches.match_id"], name=op.f("fk_run_requests_match_id_matches")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_requests")),
    )
    with op.batch_alter_table("run_requests", schema=None) as batch_op:
        batch_op.create_index(
            "ix_run_requests_open",
            ["requested_at"],
            unique=False,
            sqlite_where=sa.text("finished_at IS NULL"),
            postgresql_where=sa.text("finished_at IS NULL"),
        )
        batch_op.create_index("ix_run_requests_match_id", ["match_id"], unique=False)


def downgrade() -> None:
    op.drop_table("run_requests")
