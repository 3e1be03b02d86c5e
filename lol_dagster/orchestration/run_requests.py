"""What people have asked for becomes runs: see pipeline/run_requests.py.

A few requests get a run of their own each, over the match's partition, in which a weird game fails
for all to see. Many that stand together (all quarantined games at once) share runs: they are rarely
neighbours in the order of the partitions, so those runs are over no range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from sqlalchemy import select

from lol_dagster.orchestration.partitions import BATCH_LIMIT, admit
from lol_dagster.pipeline.records import note_lost, note_queued, note_run
from lol_dagster.pipeline.run_requests import open_requests
from lol_dagster.riot.key import key_refused_until
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Payload, RunRequest

REQUEST_TAG = "lol/requested"
"""On runs that people asked for: the requests' common run key."""

_OWN_RUNS = 5
_AT_ONCE = 5 * BATCH_LIMIT
# Dagster starts a lost worker's run again within seconds, or not at all.
_RETRIED_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True)
class RequestedRun:
    """A run that works requests off."""

    run_key: str
    request_ids: tuple[int, ...]
    match_ids: tuple[str, ...]

    @property
    def is_of_one(self) -> bool:
        """Whether it is a run over the match's partition; else it is over none."""
        return len(self.match_ids) == 1

    @property
    def tags(self) -> dict[str, str]:
        first, count = self.match_ids[0], len(self.match_ids)
        label = first if self.is_of_one else f"{count} games that were asked for"
        return {REQUEST_TAG: self.run_key, "lol/games": label}

    @property
    def run_config(self) -> dict[str, Any]:
        """For the job `process_requested`."""
        return {"ops": {"process_chosen": {"config": {"match_ids": list(self.match_ids)}}}}


def plan_requested(
    instance: dg.DagsterInstance, database: Database, settings: Settings, now: datetime
) -> list[RequestedRun]:
    """The runs to ask for now. Run keys make it safe to ask twice for the same.

    Requests whose run has ended without working them off are closed as failed.
    """
    missing = settle_requests(instance, database, now)
    with database.reading() as session:
        requests = open_requests(session, limit=_AT_ONCE)
    fresh = [each for each in requests if each.run_key is None and not _in_hand(instance, each)]
    runs = _group(_possible_now(database, settings, now, fresh))
    if runs:
        with database.writing() as session:
            for run in runs:
                note_queued(session, run.request_ids, run.run_key)
    runs = [*missing, *runs]
    admit(instance, [match_id for run in runs for match_id in run.match_ids])
    return runs


def settle_requests(
    instance: dg.DagsterInstance, database: Database, now: datetime
) -> list[RequestedRun]:
    """Note for each request which run it has got, or that the run has ended without doing it.

    Returns:
        Runs that were asked for and never made, as a tick was cut short.
    """
    with database.reading() as session:
        requests = open_requests(session, limit=_AT_ONCE)
    by_key: dict[str, list[RunRequest]] = {}
    for request in requests:
        if request.run_key is not None:
            by_key.setdefault(request.run_key, []).append(request)
    missing = []
    for run_key, group in by_key.items():
        records = instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: run_key}), limit=1)
        if not records:
            missing.append(_run_for(run_key, group))
            continue
        run_id, status = records[0].dagster_run.run_id, records[0].dagster_run.status
        with database.writing() as session:
            note_run(session, [each.id for each in group if each.run_id is None], run_id)
            if _is_over(records[0], now):
                detail = f"run {run_id[:8]} ended as {status.value} and had not done it"
                note_lost(session, [each.id for each in group], detail, now=now)
    return missing


def _in_hand(instance: dg.DagsterInstance, request: RunRequest) -> bool:
    """Whether a run that nobody had to ask for has taken the match up and is at it."""
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


def _group(requests: Sequence[RunRequest]) -> list[RequestedRun]:
    if len(requests) <= _OWN_RUNS:
        return [_run_for(f"request:{each.id}", [each]) for each in requests]
    groups = [
        requests[start : start + BATCH_LIMIT] for start in range(0, len(requests), BATCH_LIMIT)
    ]
    return [_run_for(f"requests:{group[0].id}-{group[-1].id}", group) for group in groups]


def _run_for(run_key: str, requests: Sequence[RunRequest]) -> RequestedRun:
    return RequestedRun(
        run_key,
        tuple(each.id for each in requests),
        tuple(dict.fromkeys(each.match_id for each in requests)),
    )


def _is_over(record: dg.RunRecord, now: datetime) -> bool:
    run = record.dagster_run
    if not run.is_finished:
        return False
    tags = run.tags
    if tags.get("dagster/will_retry") != "true" or "dagster/auto_retry_run_id" in tags:
        return True
    ended = datetime.fromtimestamp(record.end_time or 0, UTC)
    return now - ended > _RETRIED_WITHIN
