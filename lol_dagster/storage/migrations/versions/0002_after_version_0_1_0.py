"""What changed after version 0.1.0."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('attempts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('address', sa.String(length=16), nullable=True))

    with op.batch_alter_table('message_games', schema=None) as batch_op:
        batch_op.add_column(sa.Column('since_rev', sa.Integer(), server_default='1', nullable=False))

    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.add_column(sa.Column('given_up_rev', sa.Integer(), nullable=True))
        batch_op.create_index('ix_messages_outdated', ['delivered_at'], unique=False, sqlite_where=sa.text("due_at IS NULL AND remote_rev < desired_rev AND remote_id IS NOT NULL"), postgresql_where=sa.text("due_at IS NULL AND remote_rev < desired_rev AND remote_id IS NOT NULL"))


def downgrade() -> None:
    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.drop_index('ix_messages_outdated', sqlite_where=sa.text("due_at IS NULL AND remote_rev < desired_rev AND remote_id IS NOT NULL"), postgresql_where=sa.text("due_at IS NULL AND remote_rev < desired_rev AND remote_id IS NOT NULL"))
        batch_op.drop_column('given_up_rev')

    with op.batch_alter_table('message_games', schema=None) as batch_op:
        batch_op.drop_column('since_rev')

    with op.batch_alter_table('attempts', schema=None) as batch_op:
        batch_op.drop_column('address')
