"""Lists of games and messages go by an index"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_games_queue_name_ended_at", "games", ["queue_name", "ended_at"])
    op.create_index("ix_messages_channel_id_created_at", "messages", ["channel_id", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_messages_channel_id_created_at", "messages")
    op.drop_index("ix_games_queue_name_ended_at", "games")
