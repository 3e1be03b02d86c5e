"""Years of games and messages in seconds: the database makes the rows itself.

Each game was announced in two channels. Of a hundred messages one was dropped, of two hundred matches one
was never found, of a thousand one is ignored; nothing is open. Payloads, which are asked for by their
key alone, are left out, and of each game's participants all but one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.storage.database import Database

_CONTENT = MessageContent(
    title="Ann and Ben won · Ranked Solo",
    summary="Ann and Ben won Ranked Solo",
    sections=(
        Section(
            tuple(
                Line(
                    name, ("Jinx", "12/1/7"), ("6.3 CS/min", "61 % kill participation"), ("penta",)
                )
                for name in ("Ann", "Ben")
            ),
            "Gamers",
        ),
    ),
    footer="32:10 · Summoner's Rift",
)
_AT_ONCE = 50_000
"""Games in one transaction."""


def fill_history(
    database: Database,
    games: int,
    *,
    newest: datetime,
    apart: timedelta,
    first: int = 0,
) -> None:
    """Add games that were played one after another, the last one at `newest`.

    Args:
        apart: Between the ends of two games.
        first: The number of the newest one; those of an earlier call must not be met.
    """
    with database.engine.begin() as connection:
        _make_roster(connection, newest)
    for start in range(first, first + games, _AT_ONCE):
        end = min(start + _AT_ONCE, first + games)
        with database.engine.begin() as connection:
            for statement in _statements(database, newest.timestamp(), apart.total_seconds()):
                connection.execute(text(statement), {"start": start, "end": end})


def take_it_for_many(database: Database, times: int) -> None:
    """Have SQLite, whose statistics were measured, choose as if there were so many times as many rows."""
    with database.engine.begin() as connection:
        for name, stat in connection.execute(text("SELECT idx, stat FROM sqlite_stat1")).all():
            numbers = [int(each) for each in stat.split()]
            # The rows of the table, then how many are alike in the first column, in the first two, …
            more = [each * times if each > 50 else each for each in numbers]
            connection.execute(
                text("UPDATE sqlite_stat1 SET stat = :stat WHERE idx = :name"),
                {"stat": " ".join(map(str, more)), "name": name},
            )
    database.dispose()  # connections read it when they begin


def _make_roster(connection: Connection, now: datetime) -> None:
    """Team, player, account and channels of the number 900 and 901, which announce nothing any more."""
    at = {"at": now.replace(tzinfo=None) if connection.dialect.name == "sqlite" else now}
    if connection.scalar(text("SELECT 1 FROM teams WHERE id = 900")):
        return
    team = "INSERT INTO teams (id, name, created_at, removed_at, version)"
    player = "INSERT INTO players (id, name, created_at, version)"
    account = (
        "INSERT INTO accounts (id, player_id, game_name, tag_line, platform, created_at, version)"
    )
    channel = "INSERT INTO channels (id, team_id, name, kind, address, uncertain, created_at, removed_at, version)"
    for statement in (
        f"{team} VALUES (900, 'Old', :at, :at, 1)",
        f"{player} VALUES (900, 'Old', :at, 1)",
        f"{account} VALUES (900, 900, 'Old', 'NA1', 'na1', :at, 1)",
        f"{channel} VALUES (900, 900, 'old', 'discord-bot', '1', 'review', :at, :at, 1)",
        f"{channel} VALUES (901, 900, 'older', 'slack-webhook', 'C1', 'review', :at, :at, 1)",
    ):
        connection.execute(text(statement), at)


def _statements(database: Database, newest: float, apart: float) -> Iterator[str]:
    """The statements that add the games from `:start` to before `:end`, the newest first."""
    epoch = f"({newest} - n * {apart})"
    if database.is_sqlite:
        at = f"strftime('%Y-%m-%d %H:%M:%f000', {epoch}, 'unixepoch')"
        as_json, number = "{}", "printf('%010d', n)"
    else:
        at = f"to_timestamp({epoch})"
        as_json, number = "CAST({} AS JSON)", "lpad(n::text, 10, '0')"
    rows = (
        "WITH RECURSIVE numbers(n) AS (SELECT CAST(:start AS INTEGER) UNION ALL "
        "SELECT n + 1 FROM numbers WHERE n + 1 < :end)"
    )
    both = f"{rows}, channel(c, kind) AS (VALUES (900, 'response'), (901, 'response'))"
    of_both = "FROM numbers CROSS JOIN channel"
    match, message = f"'XX1_' || {number}", f"c || '-' || {number}"
    content = as_json.format(
        "'" + json.dumps(_CONTENT.to_json()).replace("'", "''").replace(":", "\\:") + "'"
    )
    no_highlights = as_json.format("'[]'")
    state = "CASE WHEN n % 200 = 7 THEN 'not_found' WHEN n % 1000 = 9 THEN 'ignored' ELSE 'processed' END"
    yield f"""INSERT INTO matches (match_id, state, listed_at, listed_by, tries, first_missing_at,
        processed_at) {rows} SELECT {match}, {state}, {at}, 900, 0,
        CASE WHEN n % 200 = 7 THEN {at} END, CASE WHEN n % 200 != 7 THEN {at} END FROM numbers"""
    yield f"""INSERT INTO games (match_id, platform, queue_id, queue_name, game_mode, game_type,
        mode_family, map_id, game_version, result, started_at, ended_at, duration_s, counts_in_form,
        code_version, payload_sha256) {rows} SELECT {match}, 'na1', 420, 'Ranked Solo', 'CLASSIC',
        'MATCHED_GAME', 'rift', 11, '16.1', 'played', {at}, {at}, 1900, true, '1', '{"0" * 64}'
        FROM numbers"""
    yield f"""INSERT INTO participants (match_id, participant_id, puuid, is_bot, display_name, team_id, side,
        outcome, champion_id, champion, champ_level, kills, deaths, assists, cs, gold, damage, vision_score,
        time_played_s, double_kills, triple_kills, quadra_kills, penta_kills, first_blood) {rows} SELECT
        {match}, 1, 'puuid-' || {number}, false, 'Somebody', 100, 'team-100', 'win', 1, 'Annie', 18, 7, 2, 9,
        200, 12000, 20000, 30, 1900, 0, 0, 0, 0, false FROM numbers"""
    yield f"""INSERT INTO player_stats (match_id, account_id, player_id, participant_id, ended_at, kda,
        kill_participation, cs_per_min, gold_per_min, damage_share, highlights) {rows} SELECT {match},
        900, 900, 1, {at}, 3.5, 0.5, 6.5, 400.0, 0.2, {no_highlights} FROM numbers"""
    dropped = "n % 100 = 3"
    yield f"""INSERT INTO messages (id, channel_id, subject, kind, order_at, created_at, content,
        desired_rev, desired_hash, state, nonce, fence, sent_maybe, sent_rev, remote_id, remote_rev,
        remote_deleted, evidence, delivered_at, attempts, uncertain_rounds, proven_absent, edit_rounds)
        {both} SELECT {message}, c, {match}, 'game', {at}, {at}, {content}, 1, '{"0" * 64}',
        CASE WHEN {dropped} THEN 'dropped' ELSE 'delivered' END, {number}, 1, NOT ({dropped}), 1,
        CASE WHEN NOT ({dropped}) AND c = 900 THEN {number} END,
        CASE WHEN NOT ({dropped}) THEN 1 END, false, CASE WHEN NOT ({dropped}) THEN kind END,
        CASE WHEN NOT ({dropped}) THEN {at} END, 1, 0, 0, 0 {of_both}"""
    yield f"""INSERT INTO message_games (channel_id, match_id, message_id) {both}
        SELECT c, {match}, {message} {of_both}"""
    yield f"""INSERT INTO attempts (message_id, fence, op, rev, at, outcome, http_status, remote_id,
        elapsed_ms) {both} SELECT {message}, 1, 'POST', 1, {at}, 'accepted', 200,
        CASE WHEN c = 900 THEN {number} END, 200 {of_both} WHERE NOT ({dropped})"""
    yield f"""INSERT INTO message_audits (message_id, at, finding) {both} SELECT {message}, {at}, 'stands'
        {of_both} WHERE n % 10 = 0"""
    yield f"""INSERT INTO audit_entries (at, who, action, table_name, row_key) {both} SELECT {at}, 'ann',
        'dropped', 'messages', {message} {of_both} WHERE {dropped}"""
    yield f"""INSERT INTO quarantine (match_id, stage, error, traceback, code_version, quarantined_at, tries,
        closed_at, closed_as) {rows} SELECT {match}, 'games', 'x', 'x', '1', {at}, 1, {at}, 'processed'
        FROM numbers WHERE n % 50 = 0"""
    yield f"""INSERT INTO run_requests (match_id, requested_at, requested_by, reason, finished_at, outcome)
        {rows} SELECT {match}, {at}, 'ann', 'x', {at}, 'processed' FROM numbers WHERE n % 50 = 1"""
    yield f"""INSERT INTO alerts ("key", kind, title, text, opened_at, last_seen_at, notify_at, notified_at,
        closed_at, ended_at) {rows} SELECT 'stuck_game\\:' || {match}, 'stuck_game', 'x', 'x', {at}, {at},
        {at}, {at}, {at}, {at} FROM numbers WHERE n % 50 = 2"""
