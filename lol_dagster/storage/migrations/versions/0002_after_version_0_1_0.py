"""What changed after version 0.1.0."""

import sqlalchemy as sa
from alembic import op

from lol_dagster.storage import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('former_puuids',
    sa.Column('puuid', sa.String(length=100), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('puuid_key', sa.String(length=16), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_former_puuids_account_id_accounts'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('puuid', name=op.f('pk_former_puuids'))
    )
    with op.batch_alter_table('former_puuids', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_former_puuids_account_id'), ['account_id'], unique=False)

    with op.batch_alter_table('account_polls', schema=None) as batch_op:
        batch_op.add_column(sa.Column('former_platform', sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column('former_platform_until', types.UtcDateTime(timezone=True), nullable=True))

    with op.batch_alter_table('attempts', schema=None) as batch_op:
        batch_op.add_column(sa.Column('address', sa.String(length=16), nullable=True))

    with op.batch_alter_table('message_games', schema=None) as batch_op:
        batch_op.add_column(sa.Column('since_rev', sa.Integer(), server_default='1', nullable=False))

    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.add_column(sa.Column('given_up_rev', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('scan_position', sa.Text(), nullable=True))
        batch_op.add_column(sa.Column('scan_pages', sa.Integer(), server_default='0', nullable=False))
        batch_op.create_index('ix_messages_outdated', ['delivered_at'], unique=False, sqlite_where=sa.text("due_at IS NULL AND remote_rev < desired_rev AND remote_id IS NOT NULL"), postgresql_where=sa.text("due_at IS NULL AND remote_rev < desired_rev AND remote_id IS NOT NULL"))

    # A row that stands for several calls counts as one from here on: what Riot has counted, its next
    # answer tells.
    op.drop_column('rate_calls', 'calls')
    with op.batch_alter_table('rate_windows', schema=None) as batch_op:
        batch_op.add_column(sa.Column('calls', sa.JSON(), nullable=True))
    op.execute("UPDATE rate_windows SET calls = '[]'")
    with op.batch_alter_table('rate_windows', schema=None) as batch_op:
        batch_op.alter_column('calls', existing_type=sa.JSON(), nullable=False)


def downgrade() -> None:
    # Not in batches, which would read the tables that these refer to, and warn of their indexes.
    op.drop_column('rate_windows', 'calls')
    op.add_column('rate_calls', sa.Column('calls', sa.Integer(), server_default='1', nullable=False))

    op.drop_column('account_polls', 'former_platform_until')
    op.drop_column('account_polls', 'former_platform')
    op.drop_index(op.f('ix_former_puuids_account_id'), table_name='former_puuids')
    op.drop_table('former_puuids')

    op.drop_index('ix_messages_outdated', table_name='messages')
    op.drop_column('messages', 'scan_pages')
    op.drop_column('messages', 'scan_position')
    op.drop_column('messages', 'given_up_rev')
    op.drop_column('message_games', 'since_rev')
    op.drop_column('attempts', 'address')
