"""Which runs over games are due: for the sensors, and for `lol-dagster once`.

All of it is read from our own tables, so that a tick repeated or cut short does no harm: what is due
stays due until it is done, and Dagster is asked for nothing but runs of a key or a tag.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from lol_dagster.orchestration.jobs import process_job, requested_job
from lol_dagster.orchestration.partitions import (
    BATCH_LIMIT,
    BATCH_TAG,
    NO_ROUTE,
    QUARANTINE_TAG,
    QUEUE_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    REQUEST_TAG,
    ROUTES,
    admit,
    queue_of,
    ranges,
)
from lol_dagster.pipeline.process import CODE_VERSIONS, due_matches, on_route
from lol_dagster.pipeline.records import note_lost, note_queued, note_run, note_run_lost
from lol_dagster.pipeline.run_requests import open_requests
from lol_dagster.riot.key import key_refused_until
from lol_dagster.riot.polling import is_an_account_due
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match, Message, Payload, Quarantine, RunRequest

RUN_KEY_TAG = "dagster/run_key"
_GAMES_TAG = "lol/games"
"""For the list of runs, where Dagster leaves out the partitions of runs over ranges."""

_QUARANTINED_AT_ONCE = 200
_OWN_RUNS = 5
_REQUESTS_AT_ONCE = 5 * BATCH_LIMIT
# Dagster starts a lost worker's run again within seconds, or not at all.
_RETRIED_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True)
class PlannedRun:
    """A run that is due, and the games it is over."""

    request: dg.RunRequest
    match_ids: tuple[str, ...]


def something_is_due(session: Session, now: datetime) -> bool:
    """Whether a tick would find anything to do at once: a game, a message, what a person has asked for,
    or an account to be polled.
    """
    asked = (
        exists().where(Match.next_try_at <= now),
        exists().where(Message.due_at <= now),
        exists().where(RunRequest.finished_at.is_(None), RunRequest.run_key.is_(None)),
        is_an_account_due(now),
    )
    return any(session.scalar(select(each)) for each in asked)


def plan_batches(
    instance: dg.DagsterInstance, database: Database, now: datetime, busy: Collection[str] = ()
) -> list[PlannedRun]:
    """The batches that are due now: match ids admitted as partitions and cut into ranges, those of each of
    Riot's routes by themselves, as each route has its own limits.

    Args:
        busy: Queues of routes whose last batch is not done with.

    No run key guards them: one is remembered as long as its run exists, and would drop a game that
    became due again.
    """
    with database.reading() as session:
        by_route = [
            due_matches(session, now=now, limit=BATCH_LIMIT, played_on=on_route(route))
            for route in (*ROUTES, None)
            if (route or NO_ROUTE) not in busy
        ]
    admit(instance, [match_id for due in by_route for match_id in due])
    return [batch_over(each) for due in by_route if due for each in ranges(instance, due)]


def batch_over(keys: tuple[str, ...]) -> PlannedRun:
    tags = {
        RANGE_START_TAG: keys[0],
        RANGE_END_TAG: keys[-1],
        BATCH_TAG: "true",
        QUEUE_TAG: queue_of(keys[0]),
        _GAMES_TAG: keys[0] if len(keys) == 1 else f"{len(keys)} games from {keys[0]}",
    }
    return PlannedRun(dg.RunRequest(job_name=process_job.name, tags=tags), keys)


def plan_quarantined(
    instance: dg.DagsterInstance, database: Database, *, limit: int
) -> list[PlannedRun]:
    """A run for each quarantined game whose failure no run has shown yet, or whose stage has
    changed since.

    One whose run has ended without a verdict (a worker that was killed, a run that somebody
    cancelled) counts as shown by it: that run is red, and its key is spent.
    """
    planned = []
    for row in _unshown(database):
        run_key = f"quarantined:{row.id}:{_version(row.stage)}"
        records = instance.get_run_records(dg.RunsFilter(tags={RUN_KEY_TAG: run_key}), limit=1)
        if not records:
            tags = {
                QUARANTINE_TAG: row.stage,
                QUEUE_TAG: queue_of(row.match_id),
                _GAMES_TAG: row.match_id,
            }
            planned.append(_over_partition(run_key, row.match_id, tags))
        elif records[0].dagster_run.is_finished:
            note_run_lost(
                database,
                row.id,
                records[0].dagster_run.run_id,
                stage=row.stage,
                code_version=_version(row.stage),
            )
        if len(planned) == limit:
            break
    admit(instance, [match_id for run in planned for match_id in run.match_ids])
    return planned


def _unshown(database: Database) -> Sequence[Quarantine]:
    changed = [
        (Quarantine.stage == stage) & (Quarantine.code_version != version)
        for stage, version in CODE_VERSIONS.items()
    ]
    with database.reading() as session:
        return session.scalars(
            select(Quarantine)
            .where(
                Quarantine.closed_at.is_(None),
                or_(Quarantine.shown_run_id.is_(None), *changed),
            )
            .order_by(Quarantine.id)
            .limit(_QUARANTINED_AT_ONCE)
        ).all()


def _version(stage: str) -> str:
    # Rows outlive code: one of a stage that there is no more must not keep the others from a run.
    return CODE_VERSIONS.get(stage, "")


def plan_requested(
    instance: dg.DagsterInstance, database: Database, settings: Settings, now: datetime
) -> list[PlannedRun]:
    """The runs that people have asked for (pipeline/run_requests.py) and that were not started yet.
    Run keys make it safe to start one twice.

    A few requests get a run of their own each, over the match's partition, in which a malformed game
    fails for all to see. Many that stand together (all quarantined games at once) share runs: they
    are rarely neighbours in the order of the partitions, so those runs are over no range.

    Requests whose run has ended without completing them are closed as failed.
    """
    planned = settle_requests(instance, database, now)
    with database.reading() as session:
        requests = open_requests(session, limit=_REQUESTS_AT_ONCE)
    new = [each for each in requests if each.run_key is None and not _is_running(instance, each)]
    possible = _possible_now(database, settings, now, new)
    size = 1 if len(possible) <= _OWN_RUNS else BATCH_LIMIT
    for group in (possible[start : start + size] for start in range(0, len(possible), size)):
        run_key = f"request:{group[0].id}"
        if len(group) > 1:
            run_key = f"requests:{group[0].id}-{group[-1].id}"
        with database.writing() as session:
            note_queued(session, [each.id for each in group], run_key)
        planned.append(_requested_run(run_key, group))
    admit(instance, [match_id for run in planned for match_id in run.match_ids])
    return planned


def settle_requests(
    instance: dg.DagsterInstance, database: Database, now: datetime
) -> list[PlannedRun]:
    """Note for each request which run it has got, or that the run has ended without completing it.

    Returns:
        Runs that were asked for and never made, as a tick was cut short.
    """
    with database.reading() as session:
        requests = open_requests(session, limit=_REQUESTS_AT_ONCE)
    by_key: dict[str, list[RunRequest]] = {}
    for request in requests:
        if request.run_key is not None:
            by_key.setdefault(request.run_key, []).append(request)
    missing = []
    for run_key, group in by_key.items():
        records = instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: run_key}), limit=1)
        if not records:
            missing.append(_requested_run(run_key, group))
            continue
        run_id, status = records[0].dagster_run.run_id, records[0].dagster_run.status
        with database.writing() as session:
            note_run(session, [each.id for each in group if each.run_id is None], run_id)
            if _is_over(records[0], now):
                detail = f"run {run_id[:8]} ended as {status.value} and had not done it"
                note_lost(session, [each.id for each in group], detail, now=now)
    return missing


def _is_running(instance: dg.DagsterInstance, request: RunRequest) -> bool:
    """Whether a run that nobody had to ask for has started on the match and has not ended."""
    if request.run_id is None:
        return False
    record = instance.get_run_record_by_id(request.run_id)
    return record is not None and not record.dagster_run.is_finished


def _possible_now(
    database: Database, settings: Settings, now: datetime, requests: Sequence[RunRequest]
) -> list[RunRequest]:
    """Without those that Riot is needed for, while it refuses our key: they wait."""
    if not requests or key_refused_until(database, settings, now) is None:
        return list(requests)
    match_ids = [each.match_id for each in requests]
    with database.reading() as session:
        archived = set(
            session.scalars(select(Payload.match_id).where(Payload.match_id.in_(match_ids)))
        )
    return [each for each in requests if each.match_id in archived]


def _requested_run(run_key: str, requests: Sequence[RunRequest]) -> PlannedRun:
    match_ids = tuple(dict.fromkeys(each.match_id for each in requests))
    tags = {REQUEST_TAG: run_key, QUEUE_TAG: queue_of(match_ids[0])}
    if len(match_ids) == 1:
        return _over_partition(run_key, match_ids[0], {**tags, _GAMES_TAG: match_ids[0]})
    request = dg.RunRequest(
        run_key=run_key,
        job_name=requested_job.name,
        run_config={"ops": {"process_chosen": {"config": {"match_ids": list(match_ids)}}}},
        tags={**tags, _GAMES_TAG: f"{len(match_ids)} games that were asked for"},
    )
    return PlannedRun(request, match_ids)


def _over_partition(run_key: str, match_id: str, tags: dict[str, str]) -> PlannedRun:
    request = dg.RunRequest(
        run_key=run_key, job_name=process_job.name, partition_key=match_id, tags=tags
    )
    return PlannedRun(request, (match_id,))


def _is_over(record: dg.RunRecord, now: datetime) -> bool:
    run = record.dagster_run
    if not run.is_finished:
        return False
    if run.tags.get("dagster/will_retry") != "true" or "dagster/auto_retry_run_id" in run.tags:
        return True
    ended = datetime.fromtimestamp(record.end_time or 0, UTC)
    return now - ended > _RETRIED_WITHIN
