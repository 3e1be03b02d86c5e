"""What of Dagster's own records is deleted, and when: Dagster itself deletes none.

Our database is the record and Dagster's history the view, so nothing is lost that is needed. A run's
deletion takes its materializations along: the runs over games are kept as long as the games' partitions.
All of it can be cut short anywhere, and the next night does the rest.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import dagster as dg
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from sqlalchemy import Table, and_, delete, func, select

from lol_dagster.orchestration.metadata import materialization, messages_of, of_finished
from lol_dagster.orchestration.partitions import MATCH_PARTITIONS, keys_of_run
from lol_dagster.orchestration.runs import unfinished_runs
from lol_dagster.storage.database import Database
from lol_dagster.storage.integrity import damaged_files
from lol_dagster.storage.models import Match, Message, MessageGame, Quarantine
from lol_dagster.storage.models.system import RunRequest

HOT_FOR = timedelta(days=60)
"""How long a game has a partition and its runs, from when it was listed. Its data stays for good."""
MOST_PARTITIONS = 20_000
"""Dagster's UI is slow beyond. Where there are more games than that in so many days, runs are kept as long
as the oldest of their partitions."""
KEEP_FAILED_RUNS = timedelta(days=30)
KEEP_OTHER_RUNS = timedelta(days=3)
"""Of jobs that look or ask: each run has a file of 130 kB."""
KEEP_EVENTS = timedelta(days=30)
"""Evaluations of checks, and events without a run."""
KEEP_TICKS = {
    TickStatus.SKIPPED: timedelta(days=1),
    TickStatus.STARTED: timedelta(days=7),
    TickStatus.SUCCESS: timedelta(days=14),
    TickStatus.FAILURE: timedelta(days=30),
}
GAME_JOBS = ("process_matches", "process_requested", "deliver_messages")
"""Their runs hold the materializations of games' partitions."""
SHORT_LIVED_JOBS = ("poll_match_lists", "check_everything", "audit_messages")
BUDGET_S = 600.0
"""How long a step goes on at most."""
BATCH = 500
_YOUNG = timedelta(days=1)


def retire_partitions(instance: dg.DagsterInstance, database: Database, now: datetime) -> int:
    """Delete the partitions of games that were listed long ago, or are too many; and of those that
    Riot has never given or that were given up by hand, which would stand as missing, or red, in a
    graph that is green otherwise.

    Never those of a run in progress, which would fail at its end, nor of a game that is quarantined or
    still to be processed. Returns how many.
    """
    name = str(MATCH_PARTITIONS.name)
    stored = list(instance.get_dynamic_partitions(name))
    excess = max(0, len(stored) - MOST_PARTITIONS)
    cold = _settled(database, stored, before=now - HOT_FOR)
    cold |= _settled(database, stored, before=now, states=("ignored", "not_found"))
    if excess > len(cold):
        settled = _settled(database, stored, before=now)
        cold |= set([key for key in stored if key in settled][:excess])
    ends, retired = time.monotonic() + BUDGET_S, 0
    for some in chunks([key for key in stored if key in cold], BATCH):
        if time.monotonic() > ends:
            break
        # Asked for again each time: a run may begin while this goes on.
        in_use = {
            each for run in unfinished_runs(instance) for each in keys_of_run(run.tags, stored)
        }
        free = [key for key in some if key not in in_use]
        _delete_partitions(instance, free)
        retired += len(free)
    return retired


def _delete_partitions(instance: dg.DagsterInstance, keys: Sequence[str]) -> None:
    """In one statement. Dagster's own way is a transaction for each: minutes of a night's work."""
    from dagster._core.storage.event_log.schema import DynamicPartitionsTable

    storage, table = instance.event_log_storage, DynamicPartitionsTable
    assert isinstance(storage, SqlEventLogStorage)
    ours = and_(
        table.c.partitions_def_name == str(MATCH_PARTITIONS.name), table.c.partition.in_(keys)
    )
    with storage.index_connection() as connection:
        connection.execute(delete(table).where(ours))


def prune_runs(instance: dg.DagsterInstance, database: Database, now: datetime) -> int:
    """Delete runs that have ended and are older than they are kept, and return how many; of a game
    that is quarantined, the run that shows why stays.
    """
    with database.reading() as session:
        open_rows = session.execute(
            select(Quarantine.run_id, Quarantine.shown_run_id).where(Quarantine.closed_at.is_(None))
        )
        needed = {run_id for row in open_rows for run_id in row if run_id}
    ends, deleted = time.monotonic() + BUDGET_S, 0
    for old in _old_runs(_hot_since(instance, database, now), now):
        cursor = None
        while time.monotonic() < ends:
            records = instance.get_run_records(old, limit=200, cursor=cursor, ascending=True)
            if not records:
                break
            for run_id in (record.dagster_run.run_id for record in records):
                if run_id in needed:
                    cursor = run_id  # a run that is gone is no cursor
                    continue
                if time.monotonic() > ends:
                    break
                _delete_damaged_file(instance, run_id)
                # Not `delete_run`, which begins with the run: killed after that it would leave events that
                # belong to nothing, and that nobody would ever find again.
                instance.event_log_storage.delete_events(run_id)
                instance.run_storage.delete_run(run_id)
                deleted += 1
    return deleted


def _old_runs(hot_since: datetime, now: datetime) -> Iterator[dg.RunsFilter]:
    """All that need not be kept. Asked for by their age: those over games, by far the most, would take a night
    to read.
    """
    successful = [dg.DagsterRunStatus.SUCCESS]
    failed = [each for each in FINISHED_STATUSES if each not in successful]
    yield dg.RunsFilter(statuses=FINISHED_STATUSES, updated_before=now - HOT_FOR)
    for job in GAME_JOBS:
        yield dg.RunsFilter(job_name=job, statuses=FINISHED_STATUSES, updated_before=hot_since)
    for job in SHORT_LIVED_JOBS:
        for statuses, kept in ((successful, KEEP_OTHER_RUNS), (failed, KEEP_FAILED_RUNS)):
            yield dg.RunsFilter(job_name=job, statuses=statuses, updated_before=now - kept)


def _hot_since(instance: dg.DagsterInstance, database: Database, now: datetime) -> datetime:
    """Runs over games that ended before belong to partitions that are gone."""
    stored = instance.get_dynamic_partitions(str(MATCH_PARTITIONS.name))
    if len(stored) < MOST_PARTITIONS:
        # None has gone before its time: that there is no older one means that nobody has played.
        return now - HOT_FOR
    listed = []
    with database.reading() as session:
        for some in chunks(stored, BATCH):
            # The run of one that is quarantined is kept for its own sake.
            oldest = select(func.min(Match.listed_at)).where(
                Match.match_id.in_(some), Match.state != "quarantined"
            )
            listed += [each for each in session.scalars(oldest) if each is not None]
    return max(now - HOT_FOR, min(listed, default=now - HOT_FOR))


def _delete_damaged_file(instance: dg.DagsterInstance, run_id: str) -> None:
    """On SQLite a run's events stand in a file of their own. One that is damaged can be read by nobody, and
    none of the runs after it would ever be deleted.
    """
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        for file in damaged_files([Path(storage.path_for_shard(run_id))]):
            for each in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
                each.unlink(missing_ok=True)


def prune_ticks(instance: dg.DagsterInstance, now: datetime) -> None:
    """Delete old ticks: Dagster itself would do so after each tick, which costs more than the tick."""
    if instance.schedule_storage is None:
        return  # an instance in memory
    for state in instance.all_instigator_state():
        for status, kept in KEEP_TICKS.items():
            instance.purge_ticks(
                state.instigator_origin_id,
                state.selector_id,
                before=(now - kept).timestamp(),
                tick_statuses=[status],
            )


def prune_events(instance: dg.DagsterInstance, now: datetime) -> int:
    """Delete old evaluations of checks and old events without a run, but for the last of each kind,
    which is what the UI shows. Dagster keeps both forever. Returns how many.
    """
    from dagster._core.storage.event_log.schema import (
        AssetCheckExecutionsTable,
        SqlEventLogStorageTable,
    )

    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    before = (now - KEEP_EVENTS).astimezone(UTC).replace(tzinfo=None)
    checks, events = AssetCheckExecutionsTable, SqlEventLogStorageTable
    newest_checks = select(func.max(checks.c.id)).group_by(checks.c.asset_key, checks.c.check_name)
    newest_events = (
        select(func.max(events.c.id))
        .where(events.c.run_id == "")
        .group_by(events.c.asset_key, events.c.dagster_event_type, events.c.partition)
    )
    return _prune(
        storage, checks, and_(checks.c.create_timestamp < before, checks.c.id.not_in(newest_checks))
    ) + _prune(
        storage,
        events,
        and_(
            events.c.run_id == "",
            events.c.timestamp < before,
            events.c.id.not_in(newest_events),
        ),
    )


def _prune(storage: SqlEventLogStorage, table: Table, old: object) -> int:
    ends, deleted = time.monotonic() + BUDGET_S, 0
    while time.monotonic() < ends:
        with storage.index_connection() as connection:
            found = connection.execute(
                select(table.c.id).where(old).order_by(table.c.id).limit(BATCH)  # type: ignore[arg-type]
            ).scalars()
            ids = list(found)
            if not ids:
                break
            connection.execute(delete(table).where(table.c.id.in_(ids)))
        deleted += len(ids)
    return deleted


def remove_leftovers(instance: dg.DagsterInstance, home: Path, now: datetime) -> int:
    """Delete what runs leave in Dagster's home when they are deleted: on SQLite a database each, and
    what they printed. Returns how many files and folders.
    """
    paths: dict[str, list[Path]] = {}
    for path in [*(home / "history" / "runs").glob("*"), *(home / "storage").glob("*")]:
        run_id = path.name.partition(".")[0]
        # A run's name has this form; `index.db` and others are not ours to judge.
        if run_id.count("-") == 4 and _written_before(now - _YOUNG, path):
            paths.setdefault(run_id, []).append(path)
    removed = 0
    for some in chunks(paths, 200):
        known = {run.run_id for run in instance.get_runs(dg.RunsFilter(run_ids=some))}
        for run_id in set(some) - known:
            for path in paths[run_id]:
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    removed += 1
    return removed


def _written_before(then: datetime, path: Path) -> bool:
    """False also for what is taken away in this moment, as SQLite does with its logs."""
    try:
        return path.stat().st_mtime < then.timestamp()
    except FileNotFoundError:
        return False


def unreported_games(
    instance: dg.DagsterInstance, database: Database
) -> Iterator[dg.AssetMaterialization]:
    """Materializations of `deliveries` that no delivery run could report, one for each game with a
    partition that is processed and of which no message is open.

    Its message was dropped, or marked as delivered by a person, or the run that delivered it was
    killed before it could say so. In Dagster's UI such a game would stand as missing for as long as
    it has a partition, and one that is missing keeps the whole asset from being green.
    """
    reported = instance.get_materialized_partitions(dg.AssetKey("deliveries"))
    stored = instance.get_dynamic_partitions(str(MATCH_PARTITIONS.name))
    open_message = (
        select(Message.id)
        .join(MessageGame, MessageGame.message_id == Message.id)
        .where(
            MessageGame.match_id == Match.match_id, Message.state.not_in(("delivered", "dropped"))
        )
    )
    for some in chunks((key for key in stored if key not in reported), BATCH):
        with database.reading() as session:
            ended = session.scalars(
                select(Match.match_id)
                .where(Match.match_id.in_(some), Match.state == "processed", ~open_message.exists())
                .order_by(Match.match_id)
            )
            found = [(key, of_finished(messages_of(session, key))) for key in ended]
        for key, metadata in found:
            yield materialization("deliveries", metadata, key)


def _settled(
    database: Database,
    keys: Iterable[str],
    *,
    before: datetime,
    states: tuple[str, ...] = ("processed", "ignored", "not_found"),
) -> set[str]:
    """Those of the games that were listed before and need nothing any more."""
    found: set[str] = set()
    with database.reading() as session:
        wanted = set(
            session.scalars(select(RunRequest.match_id).where(RunRequest.finished_at.is_(None)))
        )
        for some in chunks(keys, BATCH):
            found.update(
                session.scalars(
                    select(Match.match_id).where(
                        Match.match_id.in_(some),
                        Match.listed_at < before,
                        Match.next_try_at.is_(None),
                        Match.state.in_(states),
                    )
                )
            )
    return found - wanted


def chunks(values: Iterable[str], size: int) -> Iterator[list[str]]:
    """So many at a time, in order."""
    iterator = iter(values)
    while some := list(islice(iterator, size)):
        yield some
