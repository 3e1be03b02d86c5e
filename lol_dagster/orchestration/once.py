"""`lol-dagster once`: whole cycles in this process, through Dagster, every run recorded.

The same jobs and the same planning as the sensors', without the daemon: for cron, for tests, and
for a quick look. And the same manners: what another process is at (another call, which cron has
started a minute ago, or `up`) is left to it, so that calls neither double nor pile up.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import dagster as dg

from lol_dagster.errors import UserError
from lol_dagster.monitoring.housekeeping import is_overdue
from lol_dagster.orchestration.assets import BATCH_TAG
from lol_dagster.orchestration.jobs import deliver_job, poll_job, process_job, requested_job
from lol_dagster.orchestration.monitoring import look_after
from lol_dagster.orchestration.nightly import nightly_job
from lol_dagster.orchestration.partitions import MatchRange, admit
from lol_dagster.orchestration.resources import AppContext
from lol_dagster.orchestration.run_requests import plan_requested, settle_requests
from lol_dagster.orchestration.run_workers import (
    at_work,
    end_overdue_workers,
    fail_abandoned_runs,
    run_at_work,
)
from lol_dagster.orchestration.sensors import batch_tags, plan_batches
from lol_dagster.orchestration.set_aside import RUN_KEY_TAG, to_show

log = logging.getLogger(__name__)

# What is due this soon is "now" for --until-idle: better to wait than to leave the verdict on a
# send that is just settling to the next call.
_NEARLY_NOW = timedelta(seconds=5)
# A channel that puts us off by a second for ever is not worth waiting for.
_ROUNDS_IN_VAIN = 2
_SHOWN_AT_ONCE = 200
_QUIET = {"config": {"log_level": "CRITICAL"}}
# A daemon on the same instance could not launch these again: they come from no code location.
_NO_RETRIES = {"dagster/max_retries": "0"}


class NobodyAskedError(UserError):
    """Riot gave no account's match list."""


class Once:
    """Runs cycles of discover, process and deliver."""

    def __init__(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        app: AppContext,
        *,
        show: Callable[[str, int | None], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """
        Args:
            definitions: Built on this very app.
            instance: Where the runs are recorded.
            show: Told in a few words what is going on, and how many games it is about.
            sleep: Waits for messages that are due in a moment.
        """
        self._definitions = definitions
        self._instance = instance
        self._app = app
        self._show = show
        self._sleep = sleep
        self._shown: set[str] = set()

    def cycle(self) -> None:
        """Ask for every account's match list, due or not, then do all that is due.

        Raises:
            KeyRejected: Riot refuses the key.
            NobodyAskedError: Riot gave no list at all; what else was due is done.
        """
        with self._looking_after():
            self._ask()
            self._do_what_is_due()
            self._complain()

    def until_idle(self) -> None:
        """A cycle, and then whatever is or nearly is due, until nothing is.

        Raises:
            KeyRejected, NobodyAskedError: as `cycle`.
        """
        with self._looking_after():
            self._ask()
            self._do_what_is_due()
            in_vain = 0
            while in_vain < _ROUNDS_IN_VAIN and self._wait_for_what_is_nearly_due():
                before = self._app.progress.counts.counts()
                self._do_what_is_due()
                in_vain = in_vain + 1 if self._app.progress.counts.counts() == before else 0
            self._complain()

    @contextmanager
    def _looking_after(self) -> Iterator[None]:
        """At the end of what is done inside, also where Riot could not be asked: alerts are told."""
        try:
            yield
        except UserError:
            self._look_after()
            raise
        self._look_after()

    def _look_after(self) -> None:
        self._do_the_nights_work()
        app = self._app
        evaluated = look_after(self._instance, app.database, app.settings, app.clock.now(), "once")
        if evaluated.messages:
            self._deliver()

    def _is_left_to_another(self, job: Any, tags: Mapping[str, str] | None = None) -> bool:
        other = run_at_work(self._instance, job.name, tags)
        if other is not None:
            log.info("Left to run %s, which is at it: %s", other[:8], job.name)
        return other is not None

    def _do_the_nights_work(self) -> None:
        """Where nobody else does: an installation that lives on cron alone has no schedule for it."""
        with self._app.database.writing() as session:
            overdue = is_overdue(session, self._app.clock.now())
        if overdue and not self._is_left_to_another(nightly_job):
            self._show("taking a backup and tidying up", None)
            self._run(nightly_job, raise_on_error=False)

    def _ask(self) -> None:
        end_overdue_workers(self._instance)
        fail_abandoned_runs(self._instance)
        if self._is_left_to_another(poll_job):
            return
        self._show("asking Riot for new games", None)
        config = {"ops": {"match_lists": {"config": {"everyone": True}}}}
        self._run(poll_job, config=config, raise_on_error=True)

    def _complain(self) -> None:
        found = self._app.progress.polling
        if found is not None and found.polls and not found.accounts_polled:
            # What is Riot's own trouble explains more than what is wrong with one account.
            first = max(found.polls, key=lambda poll: poll.is_servers_trouble or poll.stays_due)
            if first.is_servers_trouble or first.stays_due:
                raise NobodyAskedError(f"Riot could not be asked for any account: {first.trouble}")
            raise NobodyAskedError(
                f"no account's match list came; of {first.riot_id}, for one: {first.trouble}"
            )

    def _do_what_is_due(self) -> None:
        while batches := self._due_batches():
            for batch in batches:
                self._show("processing games", len(batch.keys))
                self._run(process_job, tags=batch_tags(batch), raise_on_error=True)
        self._work_off_requests()
        self._show_quarantined()
        self._deliver()

    def _due_batches(self) -> list[MatchRange]:
        if self._is_left_to_another(process_job, {BATCH_TAG: "true"}):
            return []
        return plan_batches(self._instance, self._app.database, self._app.clock.now())

    def _deliver(self) -> None:
        due = self._app.deliverer.due_now(self._app.clock.now())
        if due and not self._is_left_to_another(deliver_job):
            self._show("delivering messages", None)
            self._run(deliver_job, raise_on_error=True)

    def _work_off_requests(self) -> None:
        """Process what people have asked for; a game that is still weird has a red run again."""
        for run in plan_requested(
            self._instance, self._app.database, self._app.settings, self._app.clock.now()
        ):
            self._show("processing games that were asked for", len(run.match_ids))
            if run.is_of_one:
                self._run(
                    process_job,
                    partition_key=run.match_ids[0],
                    tags=run.tags,
                    raise_on_error=False,
                )
            else:
                self._run(requested_job, config=run.run_config, tags=run.tags, raise_on_error=True)
        settle_requests(self._instance, self._app.database, self._app.clock.now())

    def _show_quarantined(self) -> None:
        """Give each quarantined game its red run, in which it may also turn out to be cured."""
        for game in to_show(self._instance, self._app.database, limit=_SHOWN_AT_ONCE):
            if game.run_key not in self._shown:
                self._shown.add(game.run_key)
                self._show(f"showing what is wrong with {game.match_id}", 1)
                admit(self._instance, [game.match_id])
                self._run(
                    process_job,
                    partition_key=game.match_id,
                    tags={RUN_KEY_TAG: game.run_key, **game.tags},
                    raise_on_error=False,
                )

    def _wait_for_what_is_nearly_due(self) -> bool:
        app = self._app
        if self._due_batches():
            return True
        next_due = app.deliverer.next_due_at()
        if next_due is None or next_due > app.clock.now() + _NEARLY_NOW:
            return False
        self._sleep(max(0.0, (next_due - app.clock.now()).total_seconds()))
        return True

    def _run(
        self,
        job: Any,
        *,
        raise_on_error: bool,
        config: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        partition_key: str | None = None,
    ) -> None:
        run_id = str(uuid.uuid4())
        with at_work(self._instance, run_id, job.tags):
            self._definitions.resolve_job_def(job.name).execute_in_process(
                run_config={"loggers": {"console": _QUIET}, **(config or {})},
                instance=self._instance,
                run_id=run_id,
                tags={**_NO_RETRIES, **(tags or {})},
                partition_key=partition_key,
                raise_on_error=raise_on_error,
            )
