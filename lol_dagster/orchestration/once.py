"""`lol-dagster once`: whole cycles in this process, through Dagster, every run recorded.

The same jobs and the same planning as the sensors', without the daemon: for cron, for tests, and
for a quick try. What another process is doing (another call, which cron has started a minute ago,
or `up`) is left to it, so that calls neither double nor pile up.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import dagster as dg

from lol_dagster.errors import UserError
from lol_dagster.monitoring.housekeeping import is_overdue
from lol_dagster.orchestration.future import put_right
from lol_dagster.orchestration.jobs import deliver_job, poll_job, process_job
from lol_dagster.orchestration.monitoring import monitor
from lol_dagster.orchestration.nightly import nightly_job
from lol_dagster.orchestration.planning import (
    RUN_KEY_TAG,
    PlannedRun,
    plan_batches,
    plan_quarantined,
    plan_requested,
    settle_requests,
)
from lol_dagster.orchestration.resources import AppContext, RunCounts
from lol_dagster.orchestration.runs import (
    end_overdue_workers,
    executing_batches,
    executing_run,
    fail_abandoned_runs,
    unfinished_runs,
    working_on,
)
from lol_dagster.orchestration.switches import look
from lol_dagster.services import run_heartbeats
from lol_dagster.services.run_heartbeats import Watch

log = logging.getLogger(__name__)

# What is due this soon is "now" for --until-idle: better to wait than to leave a message that was
# just sent to the next call, which would find that it is there.
_NEARLY_NOW = timedelta(seconds=5)
# A channel that delays us by a second again and again is not worth waiting for.
_MOST_IDLE_ROUNDS = 2
_QUARANTINED_AT_ONCE = 200
_QUIET = {"config": {"log_level": "CRITICAL"}}
# A daemon on the same instance could not launch these again: they come from no code location.
_NO_RETRIES = {"dagster/max_retries": "0"}


# What programs read of `once --json`.
_JSON_KEYS = {"quarantined": "set_aside", "not_found": "gone", "needs_review": "parked"}


def as_json(run_counts: RunCounts) -> dict[str, int]:
    return {_JSON_KEYS.get(name, name): count for name, count in run_counts.counts().items()}


class NoMatchListError(UserError):
    """Riot gave no account's match list."""


@dataclass
class Once:
    """Runs cycles of discover, process and deliver."""

    definitions: dg.Definitions
    """Built on this very app."""
    instance: dg.DagsterInstance
    app: AppContext
    show: Callable[[str, int | None], None] = field(kw_only=True)
    """Called with what is being done, in a few words, and with how many games."""
    _run_keys: set[str] = field(default_factory=set, init=False)

    def cycle(self) -> None:
        """Poll every account's match list, due or not, then do all that is due.

        Raises:
            KeyRejected: Riot refuses the key.
            NoMatchListError: Riot gave no list at all; what else was due is done.
        """
        with self._monitoring():
            self._poll()
            self._do_what_is_due()
            self._raise_if_riot_gave_nothing()

    def until_idle(self) -> None:
        """A cycle, and then whatever is or nearly is due, until nothing is.

        Raises:
            KeyRejected, NoMatchListError: as `cycle`.
        """
        with self._monitoring():
            self._poll()
            self._do_what_is_due()
            idle_rounds = 0
            while idle_rounds < _MOST_IDLE_ROUNDS and self._wait_for_what_is_nearly_due():
                before = self.app.run_counts.counts()
                self._do_what_is_due()
                idle_rounds = idle_rounds + 1 if self.app.run_counts.counts() == before else 0
            self._raise_if_riot_gave_nothing()

    @contextmanager
    def _monitoring(self) -> Iterator[None]:
        """At the end of what is done inside, alerts are sent: also where Riot could not be polled."""
        put_right(self.instance, self.app.database, self.app.clock.now())
        try:
            yield
        except UserError:
            self._monitor()
            raise
        self._monitor()

    def _monitor(self) -> None:
        app = self.app
        with app.database.writing() as session:
            overdue = is_overdue(session, app.clock.now())
        # An installation that lives on cron alone has no schedule for it.
        if overdue and not self._is_left_to_another(nightly_job.name):
            self.show("taking a backup and cleaning up", None)
            self._run(nightly_job.name, raise_on_error=False)
        look(self.instance, app.database, app.clock.now())
        evaluated = monitor(self.instance, app.database, app.settings, app.clock.now(), "once")
        if evaluated.messages:
            self._deliver()

    def _is_left_to_another(self, job_name: str) -> bool:
        other = executing_run(self.instance, self.app.database, job_name)
        if other is not None:
            log.info("%s is left to run %s, which is running", job_name, other[:8])
        return other is not None

    def _poll(self) -> None:
        end_overdue_workers(self.instance)
        self._fail_abandoned_runs()
        if self._is_left_to_another(poll_job.name):
            return
        self.show("asking Riot for new games", None)
        config = {"ops": {"match_lists": {"config": {"everyone": True}}}}
        self._run(poll_job.name, config=config, raise_on_error=True)

    def _fail_abandoned_runs(self) -> None:
        watch = Watch(self.app.database)
        fail_abandoned_runs(self.instance, self.app.database, watch.look())
        while any(run.run_id in watch.in_doubt for run in unfinished_runs(self.instance)):
            self.show("waiting for heartbeats of other hosts", None)
            time.sleep(run_heartbeats.LOOK_EVERY)
            fail_abandoned_runs(self.instance, self.app.database, watch.look())

    def _raise_if_riot_gave_nothing(self) -> None:
        found = self.app.run_counts.polling
        if found is not None and found.polls and not found.accounts_polled:
            # What is wrong with Riot explains more than what is wrong with one account.
            first = max(found.polls, key=lambda poll: poll.is_riots_fault or poll.stays_due)
            if first.is_riots_fault or first.stays_due:
                raise NoMatchListError(f"Riot could not be asked for any account: {first.error}")
            raise NoMatchListError(
                f"no account's match list came; of {first.riot_id}, for one: {first.error}"
            )

    def _do_what_is_due(self) -> None:
        app = self.app
        while batches := self._due_batches():
            for run in batches:
                self._process("processing games", run)
        for run in plan_requested(self.instance, app.database, app.settings, app.clock.now()):
            self._process("processing games that were asked for", run)
        settle_requests(self.instance, app.database, app.clock.now())
        # Each has its red run, in which it may also turn out to be cured.
        for run in plan_quarantined(self.instance, app.database, limit=_QUARANTINED_AT_ONCE):
            run_key = run.request.run_key or ""
            if run_key not in self._run_keys:
                self._run_keys.add(run_key)
                self._process(f"showing what is wrong with {run.match_ids[0]}", run)
        self._deliver()

    def _process(self, doing: str, run: PlannedRun) -> None:
        """A run over one partition is of a game that may still be malformed: it may fail."""
        request = run.request
        self.show(doing, len(run.match_ids))
        self._run(
            request.job_name or process_job.name,
            config=request.run_config,
            tags={**request.tags, **({RUN_KEY_TAG: request.run_key} if request.run_key else {})},
            partition_key=request.partition_key,
            raise_on_error=request.partition_key is None,
        )

    def _due_batches(self) -> list[PlannedRun]:
        busy = executing_batches(self.instance, self.app.database)
        for queue, run_id in busy.items():
            log.info("Games of %s are left to run %s, which is running", queue, run_id[:8])
        return plan_batches(self.instance, self.app.database, self.app.clock.now(), busy)

    def _deliver(self) -> None:
        due = self.app.deliverer.due_now(self.app.clock.now())
        if due and not self._is_left_to_another(deliver_job.name):
            self.show("delivering messages", None)
            self._run(deliver_job.name, raise_on_error=True)

    def _wait_for_what_is_nearly_due(self) -> bool:
        app = self.app
        if self._due_batches():
            return True
        next_due = app.deliverer.next_due_at()
        if next_due is None or next_due > app.clock.now() + _NEARLY_NOW:
            return False
        time.sleep(max(0.0, (next_due - app.clock.now()).total_seconds()))
        return True

    def _run(
        self,
        job_name: str,
        *,
        raise_on_error: bool,
        config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        partition_key: str | None = None,
    ) -> None:
        job, run_id = self.definitions.resolve_job_def(job_name), str(uuid.uuid4())
        with working_on(self.instance, run_id, job.tags, self.app.database):
            job.execute_in_process(
                run_config={"loggers": {"console": _QUIET}, **(config or {})},
                instance=self.instance,
                run_id=run_id,
                tags={**_NO_RETRIES, **(tags or {})},
                partition_key=partition_key,
                raise_on_error=raise_on_error,
            )
