"""Indexes for the open quarantine and for what an account's list has brought"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_quarantine_closed_at", "quarantine", ["closed_at"])
    op.create_index("ix_matches_listed_by_listed_at", "matches", ["listed_by", "listed_at"])


def downgrade() -> None:
    op.drop_index("ix_matches_listed_by_listed_at", "matches")
    op.drop_index("ix_quarantine_closed_at", "quarantine")
