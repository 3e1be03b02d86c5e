"""The tables of version 0.1.0."""

import sqlalchemy as sa
from alembic import op

from lol_dagster.storage import types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('audit_entries',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('who', sa.String(length=120), nullable=False),
    sa.Column('action', sa.String(length=24), nullable=False),
    sa.Column('table_name', sa.String(length=40), nullable=False),
    sa.Column('row_key', sa.String(length=80), nullable=False),
    sa.Column('before', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('after', sa.JSON(none_as_null=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_entries'))
    )
    with op.batch_alter_table('audit_entries', schema=None) as batch_op:
        batch_op.create_index('ix_audit_entries_at', ['at'], unique=False)
        batch_op.create_index('ix_audit_entries_table_name_row_key', ['table_name', 'row_key'], unique=False)

    op.create_table('breakers',
    sa.Column('scope', sa.String(length=120), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('open_until', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('dead', sa.Boolean(), nullable=False),
    sa.Column('reason', sa.String(length=500), nullable=True),
    sa.Column('fingerprint', sa.String(length=16), nullable=True),
    sa.Column('since', types.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('scope', name=op.f('pk_breakers'))
    )
    op.create_table('facts',
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('value', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_facts'))
    )
    op.create_table('failed_jobs',
    sa.Column('job', sa.String(length=80), nullable=False),
    sa.Column('run_id', sa.String(length=64), nullable=False),
    sa.Column('failed_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('since', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('error', sa.String(length=500), nullable=False),
    sa.PrimaryKeyConstraint('job', name=op.f('pk_failed_jobs'))
    )
    op.create_table('heartbeats',
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('pid', sa.Integer(), nullable=False),
    sa.Column('started_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('at', types.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_heartbeats'))
    )
    op.create_table('players',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('created_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_players'))
    )
    op.create_table('rate_calls',
    sa.Column('token', sa.String(length=32), nullable=False),
    sa.Column('scope', sa.String(length=160), nullable=False),
    sa.Column('done_at', sa.Double(), nullable=False),
    sa.Column('calls', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('token', 'scope', name=op.f('pk_rate_calls'))
    )
    with op.batch_alter_table('rate_calls', schema=None) as batch_op:
        batch_op.create_index('ix_rate_calls_scope_done_at', ['scope', 'done_at'], unique=False)

    op.create_table('rate_holds',
    sa.Column('scope', sa.String(length=160), nullable=False),
    sa.Column('until', sa.Double(), nullable=False),
    sa.Column('strikes', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('scope', name=op.f('pk_rate_holds'))
    )
    op.create_table('rate_windows',
    sa.Column('scope', sa.String(length=160), nullable=False),
    sa.Column('seconds', sa.Integer(), nullable=False),
    sa.Column('max_calls', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('scope', 'seconds', name=op.f('pk_rate_windows'))
    )
    op.create_table('send_buckets',
    sa.Column('scope', sa.String(length=160), nullable=False),
    sa.Column('not_before', types.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('scope', name=op.f('pk_send_buckets'))
    )
    op.create_table('teams',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('created_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('removed_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_teams'))
    )
    op.create_table('accounts',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('player_id', sa.Integer(), nullable=False),
    sa.Column('puuid', sa.String(length=100), nullable=True),
    sa.Column('puuid_key', sa.String(length=16), nullable=True),
    sa.Column('game_name', sa.String(length=64), nullable=False),
    sa.Column('tag_line', sa.String(length=16), nullable=False),
    sa.Column('platform', sa.String(length=8), nullable=False),
    sa.Column('created_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['player_id'], ['players.id'], name=op.f('fk_accounts_player_id_players')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_accounts')),
    sa.UniqueConstraint('puuid', name=op.f('uq_accounts_puuid'))
    )
    with op.batch_alter_table('accounts', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_accounts_player_id'), ['player_id'], unique=False)

    op.create_table('channels',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('team_id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('address', types.AddressText(length=500), nullable=False),
    sa.Column('message_kinds', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('queues', sa.JSON(none_as_null=True), nullable=True),
    sa.Column('uncertain', sa.Enum('review', 'resend', name='uncertain', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('created_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('removed_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['team_id'], ['teams.id'], name=op.f('fk_channels_team_id_teams')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_channels'))
    )
    with op.batch_alter_table('channels', schema=None) as batch_op:
        batch_op.create_index('ix_channels_team_id', ['team_id'], unique=False)

    op.create_table('memberships',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('team_id', sa.Integer(), nullable=False),
    sa.Column('player_id', sa.Integer(), nullable=False),
    sa.Column('since', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('until', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.CheckConstraint('until IS NULL OR until >= since', name=op.f('ck_memberships_until_after_since')),
    sa.ForeignKeyConstraint(['player_id'], ['players.id'], name=op.f('fk_memberships_player_id_players')),
    sa.ForeignKeyConstraint(['team_id'], ['teams.id'], name=op.f('fk_memberships_team_id_teams')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_memberships')),
    sa.UniqueConstraint('team_id', 'player_id', 'since', name=op.f('uq_memberships_team_id_player_id_since'))
    )
    with op.batch_alter_table('memberships', schema=None) as batch_op:
        batch_op.create_index('ix_memberships_player_id_since', ['player_id', 'since'], unique=False)
        batch_op.create_index('uq_memberships_open', ['team_id', 'player_id'], unique=True, sqlite_where=sa.text('until IS NULL'), postgresql_where=sa.text('until IS NULL'))

    op.create_table('account_polls',
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('next_poll_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('last_good_poll_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('last_deep_poll_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('last_played_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(length=500), nullable=True),
    sa.Column('profile_checked_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('revision_date', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('ranked_games', sa.Integer(), nullable=True),
    sa.Column('missing_games_since', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('missing_games_from', types.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_account_polls_account_id_accounts'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('account_id', name=op.f('pk_account_polls'))
    )
    with op.batch_alter_table('account_polls', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_account_polls_next_poll_at'), ['next_poll_at'], unique=False)

    op.create_table('channel_probes',
    sa.Column('channel_id', sa.Integer(), nullable=False),
    sa.Column('probed_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('can_read_back', sa.Boolean(), nullable=True),
    sa.Column('unreadable_history', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('findings', sa.JSON(none_as_null=True), nullable=True),
    sa.ForeignKeyConstraint(['channel_id'], ['channels.id'], name=op.f('fk_channel_probes_channel_id_channels'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('channel_id', name=op.f('pk_channel_probes'))
    )
    op.create_table('matches',
    sa.Column('match_id', sa.String(length=40), nullable=False),
    sa.Column('state', sa.Enum('listed', 'fetched', 'processed', 'quarantined', 'ignored', 'not_found', name='state', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('listed_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('listed_by', sa.Integer(), nullable=True),
    sa.Column('next_try_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('first_missing_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.String(length=500), nullable=True),
    sa.Column('processed_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('run_id', sa.String(length=64), nullable=True),
    sa.ForeignKeyConstraint(['listed_by'], ['accounts.id'], name=op.f('fk_matches_listed_by_accounts'), ondelete='SET NULL'),
    sa.PrimaryKeyConstraint('match_id', name=op.f('pk_matches'))
    )
    with op.batch_alter_table('matches', schema=None) as batch_op:
        batch_op.create_index('ix_matches_due', ['next_try_at', 'listed_at'], unique=False, sqlite_where=sa.text('next_try_at IS NOT NULL'), postgresql_where=sa.text('next_try_at IS NOT NULL'))
        batch_op.create_index('ix_matches_state_listed_at', ['state', 'listed_at'], unique=False)

    op.create_table('messages',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('channel_id', sa.Integer(), nullable=False),
    sa.Column('subject', sa.String(length=80), nullable=False),
    sa.Column('kind', sa.Enum('game', 'catch_up', 'alert', 'test', name='kind', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('order_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('created_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('content', sa.JSON(), nullable=False),
    sa.Column('desired_rev', sa.Integer(), nullable=False),
    sa.Column('desired_hash', sa.String(length=64), nullable=False),
    sa.Column('state', sa.Enum('pending', 'sending', 'uncertain', 'blocked', 'delivered', 'needs_review', 'dropped', name='state', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('due_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('nonce', sa.String(length=25), nullable=False),
    sa.Column('fence', sa.Integer(), nullable=False),
    sa.Column('lease_owner', sa.String(length=120), nullable=True),
    sa.Column('clock', sa.String(length=64), nullable=True),
    sa.Column('lease_until', sa.Double(), nullable=True),
    sa.Column('settle_until', sa.Double(), nullable=True),
    sa.Column('first_sent_at', sa.Double(), nullable=True),
    sa.Column('sent_maybe', sa.Boolean(), nullable=False),
    sa.Column('uncertain_since', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('after_id', sa.String(length=64), nullable=True),
    sa.Column('sent_rev', sa.Integer(), nullable=True),
    sa.Column('remote_id', sa.String(length=64), nullable=True),
    sa.Column('remote_rev', sa.Integer(), nullable=True),
    sa.Column('remote_deleted', sa.Boolean(), nullable=False),
    sa.Column('evidence', sa.Enum('response', 'scan', 'nonce_deleted', 'operator', name='evidence', native_enum=False, create_constraint=True, length=24), nullable=True),
    sa.Column('delivered_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('uncertain_rounds', sa.Integer(), nullable=False),
    sa.Column('proven_absent', sa.Integer(), nullable=False),
    sa.Column('edit_rounds', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(length=500), nullable=True),
    sa.ForeignKeyConstraint(['channel_id'], ['channels.id'], name=op.f('fk_messages_channel_id_channels')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_messages')),
    sa.UniqueConstraint('channel_id', 'subject', 'kind', name=op.f('uq_messages_channel_id_subject_kind'))
    )
    with op.batch_alter_table('messages', schema=None) as batch_op:
        batch_op.create_index('ix_messages_channel_id_created_at', ['channel_id', 'created_at'], unique=False)
        batch_op.create_index('ix_messages_channel_id_kind_created_at', ['channel_id', 'kind', 'created_at'], unique=False)
        batch_op.create_index('ix_messages_created_at', ['created_at'], unique=False)
        batch_op.create_index('ix_messages_delivered_at', ['delivered_at'], unique=False)
        batch_op.create_index('ix_messages_due', ['due_at', 'order_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
        batch_op.create_index('ix_messages_standing', ['channel_id', 'delivered_at'], unique=False, sqlite_where=sa.text('remote_id IS NOT NULL'), postgresql_where=sa.text('remote_id IS NOT NULL'))
        batch_op.create_index('ix_messages_state_created_at', ['state', 'created_at'], unique=False)
        batch_op.create_index('ix_messages_subject', ['subject'], unique=False)

    op.create_table('alerts',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=60), nullable=False),
    sa.Column('kind', sa.String(length=24), nullable=False),
    sa.Column('title', sa.String(length=200), nullable=False),
    sa.Column('text', sa.String(length=1000), nullable=False),
    sa.Column('opened_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('last_seen_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('notify_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('notified_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('message_id', sa.String(length=36), nullable=True),
    sa.Column('closed_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('ended_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('end_message_id', sa.String(length=36), nullable=True),
    sa.ForeignKeyConstraint(['end_message_id'], ['messages.id'], name=op.f('fk_alerts_end_message_id_messages')),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_alerts_message_id_messages')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alerts'))
    )
    with op.batch_alter_table('alerts', schema=None) as batch_op:
        batch_op.create_index('ix_alerts_key_closed_at', ['key', 'closed_at'], unique=False)
        batch_op.create_index('ix_alerts_kind_notified_at', ['kind', 'notified_at'], unique=False)
        batch_op.create_index('ix_alerts_to_end', ['closed_at'], unique=False, sqlite_where=sa.text('notified_at IS NOT NULL AND ended_at IS NULL'), postgresql_where=sa.text('notified_at IS NOT NULL AND ended_at IS NULL'))
        batch_op.create_index('uq_alerts_open', ['key'], unique=True, sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))

    op.create_table('attempts',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('fence', sa.Integer(), nullable=False),
    sa.Column('op', sa.Enum('POST', 'PATCH', 'SCAN', 'GET', 'DELETE', name='op', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('rev', sa.Integer(), nullable=True),
    sa.Column('at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('outcome', sa.String(length=24), nullable=True),
    sa.Column('http_status', sa.Integer(), nullable=True),
    sa.Column('code', sa.String(length=80), nullable=True),
    sa.Column('request_id', sa.String(length=120), nullable=True),
    sa.Column('remote_id', sa.String(length=64), nullable=True),
    sa.Column('elapsed_ms', sa.Integer(), nullable=True),
    sa.Column('detail', sa.Text(), nullable=True),
    sa.Column('run_id', sa.String(length=64), nullable=True),
    sa.Column('retry', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.Column('body_sha256', sa.String(length=64), nullable=True),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_attempts_message_id_messages')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attempts'))
    )
    with op.batch_alter_table('attempts', schema=None) as batch_op:
        batch_op.create_index('ix_attempts_at', ['at'], unique=False)
        batch_op.create_index('ix_attempts_message_id', ['message_id'], unique=False)
        batch_op.create_index('ix_attempts_remote_id', ['message_id', 'remote_id'], unique=False, sqlite_where=sa.text('remote_id IS NOT NULL'), postgresql_where=sa.text('remote_id IS NOT NULL'))

    op.create_table('games',
    sa.Column('match_id', sa.String(length=40), nullable=False),
    sa.Column('platform', sa.String(length=20), nullable=False),
    sa.Column('queue_id', sa.Integer(), nullable=False),
    sa.Column('queue_name', sa.String(length=100), nullable=False),
    sa.Column('game_mode', sa.String(length=40), nullable=False),
    sa.Column('game_type', sa.String(length=40), nullable=False),
    sa.Column('mode_family', sa.Enum('rift', 'aram', 'arena', 'swarm', 'other', name='mode_family', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('map_id', sa.Integer(), nullable=False),
    sa.Column('game_version', sa.String(length=40), nullable=False),
    sa.Column('result', sa.Enum('played', 'remake', 'aborted', 'empty', name='result', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('started_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ended_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('duration_s', sa.Integer(), nullable=False),
    sa.Column('counts_in_form', sa.Boolean(), nullable=False),
    sa.Column('code_version', sa.String(length=40), nullable=False),
    sa.Column('payload_sha256', sa.String(length=64), nullable=False),
    sa.ForeignKeyConstraint(['match_id'], ['matches.match_id'], name=op.f('fk_games_match_id_matches')),
    sa.PrimaryKeyConstraint('match_id', name=op.f('pk_games'))
    )
    with op.batch_alter_table('games', schema=None) as batch_op:
        batch_op.create_index('ix_games_ended_at', ['ended_at'], unique=False)
        batch_op.create_index('ix_games_queue_name_ended_at', ['queue_name', 'ended_at'], unique=False)

    op.create_table('message_audits',
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('finding', sa.Enum('stands', 'deleted', 'older_text', 'altered', 'duplicate', 'hidden', name='finding', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('detail', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_message_audits_message_id_messages')),
    sa.PrimaryKeyConstraint('message_id', name=op.f('pk_message_audits'))
    )
    with op.batch_alter_table('message_audits', schema=None) as batch_op:
        batch_op.create_index('ix_message_audits_finding', ['finding'], unique=False)

    op.create_table('message_games',
    sa.Column('channel_id', sa.Integer(), nullable=False),
    sa.Column('match_id', sa.String(length=40), nullable=False),
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.ForeignKeyConstraint(['channel_id'], ['channels.id'], name=op.f('fk_message_games_channel_id_channels')),
    sa.ForeignKeyConstraint(['match_id'], ['matches.match_id'], name=op.f('fk_message_games_match_id_matches')),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_message_games_message_id_messages')),
    sa.PrimaryKeyConstraint('channel_id', 'match_id', name=op.f('pk_message_games'))
    )
    with op.batch_alter_table('message_games', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_message_games_match_id'), ['match_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_message_games_message_id'), ['message_id'], unique=False)

    op.create_table('message_texts',
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('rev', sa.Integer(), nullable=False),
    sa.Column('content', sa.JSON(), nullable=False),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_message_texts_message_id_messages')),
    sa.PrimaryKeyConstraint('message_id', 'rev', name=op.f('pk_message_texts'))
    )
    op.create_table('payloads',
    sa.Column('match_id', sa.String(length=40), nullable=False),
    sa.Column('encoding', sa.String(length=16), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('fetched_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['match_id'], ['matches.match_id'], name=op.f('fk_payloads_match_id_matches')),
    sa.PrimaryKeyConstraint('match_id', name=op.f('pk_payloads'))
    )
    op.create_table('quarantine',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('match_id', sa.String(length=40), nullable=False),
    sa.Column('stage', sa.String(length=24), nullable=False),
    sa.Column('error', sa.String(length=500), nullable=False),
    sa.Column('traceback', sa.Text(), nullable=False),
    sa.Column('code_version', sa.String(length=40), nullable=False),
    sa.Column('run_id', sa.String(length=64), nullable=True),
    sa.Column('shown_run_id', sa.String(length=64), nullable=True),
    sa.Column('quarantined_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('closed_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('closed_as', sa.String(length=24), nullable=True),
    sa.ForeignKeyConstraint(['match_id'], ['matches.match_id'], name=op.f('fk_quarantine_match_id_matches')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_quarantine'))
    )
    with op.batch_alter_table('quarantine', schema=None) as batch_op:
        batch_op.create_index('ix_quarantine_closed_at', ['closed_at'], unique=False)
        batch_op.create_index('ix_quarantine_match_id', ['match_id'], unique=False)
        batch_op.create_index('uq_quarantine_open', ['match_id'], unique=True, sqlite_where=sa.text('closed_at IS NULL'), postgresql_where=sa.text('closed_at IS NULL'))

    op.create_table('run_requests',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('match_id', sa.String(length=40), nullable=False),
    sa.Column('requested_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('requested_by', sa.String(length=120), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('run_key', sa.String(length=80), nullable=True),
    sa.Column('run_id', sa.String(length=64), nullable=True),
    sa.Column('started_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('finished_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('outcome', sa.Enum('processed', 'quarantined', 'delayed', 'deferred', 'not_found', 'failed', name='outcome', native_enum=False, create_constraint=True, length=24), nullable=True),
    sa.Column('detail', sa.String(length=500), nullable=True),
    sa.ForeignKeyConstraint(['match_id'], ['matches.match_id'], name=op.f('fk_run_requests_match_id_matches')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_run_requests'))
    )
    with op.batch_alter_table('run_requests', schema=None) as batch_op:
        batch_op.create_index('ix_run_requests_match_id', ['match_id'], unique=False)
        batch_op.create_index('ix_run_requests_open', ['requested_at'], unique=False, sqlite_where=sa.text('finished_at IS NULL'), postgresql_where=sa.text('finished_at IS NULL'))

    op.create_table('participants',
    sa.Column('match_id', sa.String(length=40), nullable=False),
    sa.Column('participant_id', sa.Integer(), nullable=False),
    sa.Column('puuid', sa.String(length=100), nullable=True),
    sa.Column('is_bot', sa.Boolean(), nullable=False),
    sa.Column('display_name', sa.String(length=100), nullable=False),
    sa.Column('team_id', sa.Integer(), nullable=False),
    sa.Column('subteam_id', sa.Integer(), nullable=True),
    sa.Column('side', sa.String(length=16), nullable=False),
    sa.Column('outcome', sa.Enum('win', 'loss', 'remake', 'aborted', 'placement', name='outcome', native_enum=False, create_constraint=True, length=24), nullable=False),
    sa.Column('placement', sa.Integer(), nullable=True),
    sa.Column('champion_id', sa.Integer(), nullable=False),
    sa.Column('champion', sa.String(length=60), nullable=False),
    sa.Column('position', sa.String(length=20), nullable=True),
    sa.Column('champ_level', sa.Integer(), nullable=False),
    sa.Column('kills', sa.Integer(), nullable=False),
    sa.Column('deaths', sa.Integer(), nullable=False),
    sa.Column('assists', sa.Integer(), nullable=False),
    sa.Column('cs', sa.Integer(), nullable=False),
    sa.Column('gold', sa.Integer(), nullable=False),
    sa.Column('damage', sa.BigInteger(), nullable=False),
    sa.Column('vision_score', sa.Integer(), nullable=False),
    sa.Column('time_played_s', sa.Integer(), nullable=False),
    sa.Column('double_kills', sa.Integer(), nullable=False),
    sa.Column('triple_kills', sa.Integer(), nullable=False),
    sa.Column('quadra_kills', sa.Integer(), nullable=False),
    sa.Column('penta_kills', sa.Integer(), nullable=False),
    sa.Column('first_blood', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['match_id'], ['games.match_id'], name=op.f('fk_participants_match_id_games')),
    sa.PrimaryKeyConstraint('match_id', 'participant_id', name=op.f('pk_participants'))
    )
    with op.batch_alter_table('participants', schema=None) as batch_op:
        batch_op.create_index('ix_participants_puuid', ['puuid'], unique=False)

    op.create_table('player_stats',
    sa.Column('match_id', sa.String(length=40), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('player_id', sa.Integer(), nullable=False),
    sa.Column('participant_id', sa.Integer(), nullable=False),
    sa.Column('ended_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('kda', sa.Double(), nullable=False),
    sa.Column('kill_participation', sa.Double(), nullable=True),
    sa.Column('cs_per_min', sa.Double(), nullable=True),
    sa.Column('gold_per_min', sa.Double(), nullable=True),
    sa.Column('damage_share', sa.Double(), nullable=True),
    sa.Column('highlights', sa.JSON(), nullable=False),
    sa.Column('extra', sa.JSON(none_as_null=True), nullable=True),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_player_stats_account_id_accounts')),
    sa.ForeignKeyConstraint(['match_id'], ['games.match_id'], name=op.f('fk_player_stats_match_id_games')),
    sa.ForeignKeyConstraint(['player_id'], ['players.id'], name=op.f('fk_player_stats_player_id_players')),
    sa.PrimaryKeyConstraint('match_id', 'account_id', name=op.f('pk_player_stats'))
    )
    with op.batch_alter_table('player_stats', schema=None) as batch_op:
        batch_op.create_index('ix_player_stats_account_id_ended_at', ['account_id', 'ended_at'], unique=False)
        batch_op.create_index('ix_player_stats_player_id_ended_at', ['player_id', 'ended_at'], unique=False)

    # Autogenerate does not see indexes on expressions.
    op.create_index("uq_players_name_folded", "players", [sa.text("lower(name)")], unique=True)
    for table in ("teams", "channels"):
        op.create_index(
            f"uq_{table}_name_folded",
            table,
            [sa.text("lower(name)")],
            unique=True,
            sqlite_where=sa.text("removed_at IS NULL"),
            postgresql_where=sa.text("removed_at IS NULL"),
        )


def downgrade() -> None:
    op.drop_table('player_stats')
    op.drop_table('participants')
    op.drop_table('run_requests')
    op.drop_table('quarantine')
    op.drop_table('payloads')
    op.drop_table('message_texts')
    op.drop_table('message_games')
    op.drop_table('message_audits')
    op.drop_table('games')
    op.drop_table('attempts')
    op.drop_table('alerts')
    op.drop_table('messages')
    op.drop_table('matches')
    op.drop_table('channel_probes')
    op.drop_table('account_polls')
    op.drop_table('memberships')
    op.drop_table('channels')
    op.drop_table('accounts')
    op.drop_table('teams')
    op.drop_table('send_buckets')
    op.drop_table('rate_windows')
    op.drop_table('rate_holds')
    op.drop_table('rate_calls')
    op.drop_table('players')
    op.drop_table('heartbeats')
    op.drop_table('failed_jobs')
    op.drop_table('facts')
    op.drop_table('breakers')
    op.drop_table('audit_entries')
