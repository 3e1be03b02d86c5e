"""What changed after version 0.1.0."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from lol_dagster.storage import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


_KINDS_OF_OLD_GAMES = """
UPDATE games SET queue_kind = CASE
    WHEN queue_name = 'Tournament' THEN 'tournament'
    WHEN game_type = 'CUSTOM_GAME' THEN 'custom'
    WHEN queue_id IN (700, 720) THEN 'tournament'
    WHEN queue_id IN (420, 440, 710) THEN 'ranked'
    WHEN queue_id IN (830, 840, 850, 860, 870, 880, 890) THEN 'bots'
    WHEN game_mode LIKE 'RUBY%' OR game_mode = 'DOOMBOTSTEEMO' THEN 'bots'
    WHEN mode_family = 'aram' OR game_mode = 'KIWI_JADE' THEN 'aram'
    WHEN mode_family = 'arena' THEN 'arena'
    WHEN game_mode IN ('CLASSIC', 'SWIFTPLAY') THEN 'normal'
    ELSE 'other'
END
"""
_NO_CREEP_SCORE_WITHOUT_LANES = """
UPDATE player_stats SET cs_per_min = NULL WHERE match_id IN (
    SELECT match_id FROM games WHERE mode_family <> 'rift' AND (mode_family <> 'other' OR map_id <> 11)
)
"""
_NAMES_OF_SEVERAL = {
    'arena': [1700, 1710, 1750],
    'Swarm': [1810, 1820, 1830, 1840],
    'Co-op vs. AI Intro': [830, 870],
    'Co-op vs. AI Beginner': [840, 880],
    'Co-op vs. AI Intermediate': [850, 890],
}
"""Names that were written down as several queues: only these are surely names and no ids that somebody typed."""
_IDS_OF_OTHERS = {
    'ranked': [420, 440], 'normal': [400, 430, 480, 490], 'aram': [450, 2400],
    'bots': [830, 840, 850, 870, 880, 890], 'custom': [0], 'tournament': [700, 720],
    'Ranked Solo': [420], 'Ranked Flex': [440], 'Normal Draft': [400], 'Normal Blind': [430],
    'Quickplay': [490], 'Swiftplay': [480], 'Clash': [700], 'ARAM Clash': [720], 'ARAM: Mayhem': [2400],
    'Brawl': [2300], 'URF': [900, 1900], 'ARURF': [900], 'Snow ARURF': [1010], 'One for All': [1020],
    'Ultimate Spellbook': [1400], 'Nexus Blitz': [1300], 'Legend of the Poro King': [920],
    "Summoner's Rift": [400, 420, 430, 440, 490],
}
"""What version 0.1.0 knew of them."""


def _by_name(queues: list[int]) -> list[str | int]:
    names = [name for name, ids in _NAMES_OF_SEVERAL.items() if set(ids) <= set(queues)]
    named = {each for name in names for each in _NAMES_OF_SEVERAL[name]}
    return [*names, *(each for each in queues if each not in named)]


def _by_id(queues: list[str | int]) -> list[int]:
    known = {**_NAMES_OF_SEVERAL, **_IDS_OF_OTHERS}
    ids = {each for each in queues if isinstance(each, int)}
    return sorted(ids.union(*(known.get(each, []) for each in queues if isinstance(each, str))))


def _change_filters(changed: Callable[[list[Any]], list[Any]]) -> None:
    channels = sa.table('channels', sa.column('id', sa.Integer), sa.column('queues', sa.JSON(none_as_null=True)))
    for row in op.get_bind().execute(sa.select(channels)).all():
        if isinstance(row.queues, list) and changed(row.queues) != row.queues:
            op.execute(channels.update().where(channels.c.id == row.id).values(queues=changed(row.queues)))


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
        batch_op.add_column(sa.Column('ranks_awaited_since', types.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('ranks_due_at', types.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('former_platform', sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column('former_platform_until', types.UtcDateTime(timezone=True), nullable=True))

    op.execute("ALTER TABLE account_polls RENAME COLUMN profile_checked_at TO ranks_checked_at")
    op.drop_column('account_polls', 'revision_date')
    op.create_table('rank_snapshots',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('queue_id', sa.Integer(), nullable=False),
    sa.Column('taken_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('seen_at', types.UtcDateTime(timezone=True), nullable=False),
    sa.Column('tier', sa.String(length=20), nullable=True),
    sa.Column('division', sa.String(length=4), nullable=True),
    sa.Column('league_points', sa.Integer(), nullable=False),
    sa.Column('wins', sa.Integer(), nullable=False),
    sa.Column('losses', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_rank_snapshots_account_id_accounts'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_rank_snapshots'))
    )
    op.create_index('ix_rank_snapshots_account_id_queue_id', 'rank_snapshots', ['account_id', 'queue_id', 'id'], unique=False)
    op.create_table('rank_changes',
    sa.Column('match_id', sa.String(length=40), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('before_id', sa.Integer(), nullable=False),
    sa.Column('after_id', sa.Integer(), nullable=False),
    sa.Column('games', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['accounts.id'], name=op.f('fk_rank_changes_account_id_accounts'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['after_id'], ['rank_snapshots.id'], name=op.f('fk_rank_changes_after_id_rank_snapshots'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['before_id'], ['rank_snapshots.id'], name=op.f('fk_rank_changes_before_id_rank_snapshots'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['match_id'], ['matches.match_id'], name=op.f('fk_rank_changes_match_id_matches')),
    sa.PrimaryKeyConstraint('match_id', 'account_id', name=op.f('pk_rank_changes'))
    )
    with op.batch_alter_table('rank_changes', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_rank_changes_account_id'), ['account_id'], unique=False)

    op.add_column('teams', sa.Column('language', sa.String(length=16), server_default='en', nullable=False))
    op.add_column('teams', sa.Column('time_zone', sa.String(length=64), server_default='UTC', nullable=False))

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

    op.add_column('games', sa.Column('queue_kind', sa.String(length=16), server_default='other', nullable=False))
    op.execute(_KINDS_OF_OLD_GAMES)
    # Creep score was shown on the Rift alone; from now on it is wherever it is there.
    op.execute(_NO_CREEP_SCORE_WITHOUT_LANES)
    _change_filters(_by_name)
    op.add_column('memberships', sa.Column('left_out', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('channels', sa.Column('min_members', sa.Integer(), server_default='1', nullable=False))
    op.add_column('channels', sa.Column('only_if', sa.String(length=16), nullable=True))
    op.add_column('channels', sa.Column('quiet_hours', sa.String(length=11), nullable=True))
    op.add_column('channels', sa.Column('templates', sa.JSON(none_as_null=True), nullable=True))
    op.add_column('channels', sa.Column('quiet_way', sa.String(length=8), server_default='hold', nullable=False))
    op.add_column('channels', sa.Column('pictures', sa.String(length=8), server_default='none', nullable=False))
    op.create_table('message_pictures',
    sa.Column('message_id', sa.String(length=36), nullable=False),
    sa.Column('rev', sa.Integer(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('failed', sa.String(length=500), nullable=True),
    sa.Column('begun_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('file_id', sa.String(length=64), nullable=True),
    sa.Column('is_ready', sa.Boolean(), server_default=sa.false(), nullable=False),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_message_pictures_message_id_messages')),
    sa.PrimaryKeyConstraint('message_id', name=op.f('pk_message_pictures'))
    )
    op.add_column('player_stats', sa.Column('gold_share', sa.Double(), nullable=True))
    op.add_column('player_stats', sa.Column('vision_per_min', sa.Double(), nullable=True))
    op.add_column('player_stats', sa.Column('opponent_id', sa.Integer(), nullable=True))

    op.create_table('timelines',
    sa.Column('match_id', sa.String(length=40), nullable=False),
    sa.Column('next_try_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(length=500), nullable=True),
    sa.Column('encoding', sa.String(length=16), nullable=True),
    sa.Column('body', sa.LargeBinary(), nullable=True),
    sa.Column('sha256', sa.String(length=64), nullable=True),
    sa.Column('size', sa.Integer(), nullable=True),
    sa.Column('fetched_at', types.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['match_id'], ['matches.match_id'], name=op.f('fk_timelines_match_id_matches')),
    sa.PrimaryKeyConstraint('match_id', name=op.f('pk_timelines'))
    )
    op.add_column('games', sa.Column('course', sa.JSON(none_as_null=True), nullable=True))
    op.add_column('player_stats', sa.Column('gold_at_15', sa.Integer(), nullable=True))
    op.add_column('player_stats', sa.Column('gold_lead_at_15', sa.Integer(), nullable=True))
    op.add_column('channels', sa.Column('story', sa.Boolean(), server_default=sa.false(), nullable=False))

    op.create_table('run_workers',
    sa.Column('run_id', sa.String(length=64), nullable=False),
    sa.Column('host', sa.String(length=255), nullable=False),
    sa.Column('pid', sa.Integer(), nullable=False),
    sa.Column('beat_at', sa.Double(), nullable=False),
    sa.PrimaryKeyConstraint('run_id', name=op.f('pk_run_workers'))
    )

    # What monitoring asks for, so that it is found without walking all that there ever was.
    op.add_column('attempts', sa.Column('names_another', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(
        "UPDATE attempts SET names_another = true WHERE EXISTS (SELECT 1 FROM attempts AS other"
        " WHERE other.message_id = attempts.message_id AND other.remote_id != attempts.remote_id"
        " AND other.id < attempts.id)"
    )
    op.drop_index('ix_attempts_remote_id', table_name='attempts')
    op.drop_index('ix_message_audits_finding', table_name='message_audits')
    op.drop_index('ix_messages_delivered_at', table_name='messages')
    op.create_index('ix_messages_delivered_at', 'messages', ['delivered_at', 'kind'])
    for name, table, columns, where in _OF_FEW:
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


_CONTRADICTORY = (
    "(state IN ('pending', 'uncertain', 'blocked', 'needs_review', 'dropped') AND evidence IS NOT NULL)"
    " OR (state IN ('needs_review', 'dropped') AND due_at IS NOT NULL)"
    " OR (state IN ('pending', 'sending', 'uncertain', 'blocked') AND due_at IS NULL)"
    " OR (state IN ('pending', 'blocked') AND sent_maybe)"
    " OR (state = 'uncertain' AND NOT sent_maybe)"
    " OR (state = 'sending' AND lease_until IS NULL)"
    " OR (state = 'delivered' AND (evidence IS NULL OR delivered_at IS NULL))"
)
_OF_FEW = (
    ('ix_attempts_names_another', 'attempts', ['message_id'], "names_another"),
    ('ix_matches_missing', 'matches', ['state', 'first_missing_at'], "first_missing_at IS NOT NULL"),
    ('ix_message_audits_wrong', 'message_audits', ['at'], "finding IN ('older_text', 'altered', 'duplicate', 'hidden')"),
    ('ix_timelines_due', 'timelines', ['next_try_at'], "next_try_at IS NOT NULL"),
    ('ix_messages_contradictory', 'messages', ['id'], _CONTRADICTORY),
    ('ix_messages_without_id', 'messages', ['channel_id'],
     "state = 'delivered' AND remote_id IS NULL AND evidence IN ('response', 'scan')"),
)
"""Indexes of a few rows among many: name, table, columns, of which rows."""


def downgrade() -> None:
    for name, table, *_ in _OF_FEW:
        op.drop_index(name, table_name=table)
    op.drop_index('ix_messages_delivered_at', table_name='messages')
    op.create_index('ix_messages_delivered_at', 'messages', ['delivered_at'])
    op.create_index('ix_message_audits_finding', 'message_audits', ['finding'])
    where = sa.text("remote_id IS NOT NULL")
    op.create_index('ix_attempts_remote_id', 'attempts', ['message_id', 'remote_id'], sqlite_where=where, postgresql_where=where)
    op.drop_column('attempts', 'names_another')

    op.drop_table('run_workers')
    op.drop_column('teams', 'time_zone')
    op.drop_column('teams', 'language')
    op.drop_column('channels', 'story')
    op.drop_column('player_stats', 'gold_lead_at_15')
    op.drop_column('player_stats', 'gold_at_15')
    op.drop_column('games', 'course')
    op.drop_table('timelines')

    _change_filters(_by_id)
    op.drop_column('memberships', 'left_out')
    op.drop_column('channels', 'quiet_way')
    op.drop_column('channels', 'templates')
    op.drop_column('channels', 'quiet_hours')
    op.drop_table('message_pictures')
    op.drop_column('channels', 'pictures')
    op.drop_column('channels', 'only_if')
    op.drop_column('channels', 'min_members')
    op.drop_column('games', 'queue_kind')
    op.drop_column('player_stats', 'opponent_id')
    op.drop_column('player_stats', 'vision_per_min')
    op.drop_column('player_stats', 'gold_share')

    # Not in batches, which would read the tables that these refer to, and warn of their indexes.
    op.drop_column('rate_windows', 'calls')
    op.add_column('rate_calls', sa.Column('calls', sa.Integer(), server_default='1', nullable=False))

    op.drop_table('rank_changes')
    op.drop_table('rank_snapshots')
    op.drop_column('account_polls', 'former_platform_until')
    op.drop_column('account_polls', 'former_platform')
    op.drop_column('account_polls', 'ranks_due_at')
    op.drop_column('account_polls', 'ranks_awaited_since')
    op.add_column('account_polls', sa.Column('revision_date', types.UtcDateTime(timezone=True), nullable=True))
    op.execute("ALTER TABLE account_polls RENAME COLUMN ranks_checked_at TO profile_checked_at")
    op.drop_index(op.f('ix_former_puuids_account_id'), table_name='former_puuids')
    op.drop_table('former_puuids')

    op.drop_index('ix_messages_outdated', table_name='messages')
    op.drop_column('messages', 'scan_pages')
    op.drop_column('messages', 'scan_position')
    op.drop_column('messages', 'given_up_rev')
    op.drop_column('message_games', 'since_rev')
    op.drop_column('attempts', 'address')
