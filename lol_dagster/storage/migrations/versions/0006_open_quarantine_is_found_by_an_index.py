"""The open quarantine is found by an index"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_quarantine_closed_at", "quarantine", ["closed_at"])


def downgrade() -> None:
    op.drop_index("ix_quarantine_closed_at", "quarantine")
