"""The one sensor: Riot is asked, what is due becomes runs, and all of it is checked.

One, as a tick costs the daemon and the code server together some 0.1 s of processor, whatever it does.
Everything that its parts need to know stands in our database, so that a tick cut short does no harm.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.instance import InstanceRef

from lol_dagster.delivery.worker import Deliverer
from lol_dagster.monitoring.heartbeat import is_beat_due
from lol_dagster.orchestration import metadata
from lol_dagster.orchestration.checks import evaluations
from lol_dagster.orchestration.jobs import deliver_job, poll_job, process_job, requested_job
from lol_dagster.orchestration.monitoring import monitor
from lol_dagster.orchestration.planning import (
    plan_batches,
    plan_quarantined,
    plan_requested,
    something_is_due,
)
from lol_dagster.orchestration.polling import PollingThread
from lol_dagster.orchestration.resources import WallClock
from lol_dagster.orchestration.runs import (
    is_delivering,
    skip_while_unfinished,
    unfinished_batches,
)
from lol_dagster.pipeline.discovery import DiscoveryReport
from lol_dagster.pipeline.process import due_matches
from lol_dagster.riot.errors import KeyRejected
from lol_dagster.riot.key import key_refused_until
from lol_dagster.riot.polling import due_accounts, somebody_plays
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database

log = logging.getLogger(__name__)

# Each request costs the daemon a plan and its planned events inside one tick.
_REQUESTS_PER_TICK = 5
LATE = timedelta(seconds=15)
"""A message that has been due for longer is not left to the run that has written it."""
SHOWN_EVERY = timedelta(minutes=15)
"""How often `match_lists` is materialized without news."""
_NAMES = 8


@dataclass(frozen=True)
class Found:
    """What a part of a tick asks Dagster for."""

    said: str = ""
    """Why it asks for no run, in a few words."""
    runs: Sequence[dg.RunRequest] = ()
    events: Sequence[dg.AssetMaterialization | dg.AssetCheckEvaluation] = ()


@dataclass(frozen=True)
class DueWork:
    """A tick: its parts in their order, each a question of its own."""

    instance: dg.DagsterInstance
    database: Database
    settings: Settings
    deliverer: Deliverer
    polling: PollingThread
    clock: Callable[[], datetime]
    riot_within_s: float = 5.0
    """How long a tick waits for the match lists: some twenty of them, usually."""
    rest_s: float = 6.0
    """How much longer a tick takes while nobody plays, so that there are six a minute instead of twelve;
    `up` waits for its end, too, so it is not more."""
    sleep: Callable[[float], None] = time.sleep

    def tick(self) -> dg.SensorResult:
        """All parts, and once more if something is due within the rest.

        Raises:
            Exception: the first part's that has failed, if no run was asked for: then the tick fails
                for all to see, and nothing is lost with it.
        """
        result = self._do_all()
        if not result.run_requests and not result.asset_events and self._is_due_within_rest():
            result = self._do_all()
        return result

    def _is_due_within_rest(self) -> bool:
        """Wait while nobody plays and nothing is due, which is one cheap question a second."""
        with self.database.reading() as session:
            if somebody_plays(session, self.clock()):
                return False
        for _ in range(int(self.rest_s)):
            self.sleep(1.0)
            with self.database.reading() as session:
                if something_is_due(session, self.clock()):
                    return True
        return False

    def _do_all(self) -> dg.SensorResult:
        """One part that fails keeps no other from its work."""
        found, errors = [], []
        for part in (
            self.poll,
            self.batches,
            self.requested,
            self.quarantined,
            self.messages,
            self.monitoring,
        ):
            try:
                found.append(part())
            except Exception as error:
                log.exception("The part %s of a tick has failed", part.__name__)
                errors.append(error)
        runs = [run for each in found for run in each.runs]
        events = [event for each in found for event in each.events]
        if errors and not runs and not events:
            raise errors[0]
        said = "; ".join(each.said for each in found if each.said) or "Nothing is due"
        return dg.SensorResult(
            run_requests=runs or None,
            skip_reason=None if runs else dg.SkipReason(said),
            asset_events=events,
        )

    def poll(self) -> Found:
        """Ask Riot where that is due, and take over what has come of it."""
        if not self.polling.goes_on:
            if (reason := self._why_not_to_poll()) is not None:
                return Found(reason)
            self.polling.begin()
        try:
            found = self.polling.outcome(self.riot_within_s)
        except KeyRejected as error:
            # The key's own check, which fails from now on, makes the asset red.
            return Found(str(error), events=self._checks())
        if found is None:
            return Found("Riot takes its time: the match lists are waited for")
        return Found(_words(found), events=self._materialized(found))

    def _why_not_to_poll(self) -> str | None:
        now = self.clock()
        refused = key_refused_until(self.database, self.settings, now)
        if refused is not None:
            return f"Riot refuses our key; next try at {refused:%H:%M} UTC"
        with self.database.reading() as session:
            if not due_accounts(session, now):
                return ""
        return _words_of(skip_while_unfinished(self.instance, poll_job.name))

    def _materialized(
        self, found: DiscoveryReport
    ) -> Sequence[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
        now = self.clock()
        if not found.new_match_ids and not found.failures:
            last = self.instance.get_latest_materialization_event(dg.AssetKey("match_lists"))
            if last and now - datetime.fromtimestamp(last.timestamp, UTC) < SHOWN_EVERY:
                return ()
        values = metadata.of_polling(self.database, found, now)
        return [metadata.materialization("match_lists", values), *self._checks()]

    def _checks(self) -> list[dg.AssetCheckEvaluation]:
        return evaluations(self.database, self.settings, self.clock(), "match_lists")

    def batches(self) -> Found:
        """New match ids become partitions and a run over their range, for each of Riot's routes one."""
        now = self.clock()
        if key_refused_until(self.database, self.settings, now) is not None:
            return Found()  # the part `poll` says so
        with self.database.reading() as session:
            if not due_matches(session, now=now, limit=1):
                return Found()
        busy = unfinished_batches(self.instance)
        batches = plan_batches(self.instance, self.database, now, busy)
        if busy and not batches:
            return Found(f"Run {min(busy.values())[:8]} is still running")
        return Found(runs=[batch.request for batch in batches[:_REQUESTS_PER_TICK]])

    def requested(self) -> Found:
        """What people have asked for gets a run: each its own, or many together."""
        runs = plan_requested(self.instance, self.database, self.settings, self.clock())
        return Found(runs=[run.request for run in runs[:_REQUESTS_PER_TICK]])

    def quarantined(self) -> Found:
        """A game that was quarantined gets a run of its own, in which its error is seen; when the code
        of the stage that failed has changed, it is tried again, once a version.
        """
        runs = plan_quarantined(self.instance, self.database, limit=_REQUESTS_PER_TICK)
        return Found(runs=[run.request for run in runs])

    def messages(self) -> Found:
        """Messages that are due and that no run is about to deliver get one that delivers them all."""
        now = self.clock()
        due = self.deliverer.due_now(now)
        if not due:
            return Found()
        if is_delivering(self.settings.home, self.database):
            return Found("A run is delivering")
        reason = skip_while_unfinished(self.instance, deliver_job.name)
        since = self.deliverer.next_due_at()
        if reason is None and since is not None and now - since < LATE:
            # Whoever writes messages delivers them at its end.
            reason = skip_while_unfinished(
                self.instance, process_job.name
            ) or skip_while_unfinished(self.instance, requested_job.name)
        if reason is not None:
            return Found(reason.skip_message or "")
        return Found(
            runs=[dg.RunRequest(job_name=deliver_job.name, tags={"lol/messages": str(due)})]
        )

    def monitoring(self) -> Found:
        """Is all well? Heartbeats, alerts and the dead-man ping, every half minute."""
        now = self.clock()
        if not is_beat_due(self.database, "daemon", now):
            return Found()
        evaluated = monitor(self.instance, self.database, self.settings, now, "daemon")
        return Found(f"alerts open: {evaluated.open}, messages written: {evaluated.messages}")


def _words(found: DiscoveryReport) -> str:
    """What a poll has brought, for the list of ticks."""
    asked = [poll.riot_id for poll in found.polls]
    names = ", ".join(asked[:_NAMES]) + (
        f" and {len(asked) - _NAMES} more" if asked[_NAMES:] else ""
    )
    parts = [f"Asked for the lists of {names}: {len(found.new_match_ids)} new"]
    parts += [f"{len(found.failures)} failed"] if found.failures else []
    if found.limited_until:
        parts.append(f"{found.not_asked + 1} wait for Riot's limits")
    elif found.not_asked:
        parts.append(f"{found.not_asked} have their turn in the next poll")
    return ", ".join(parts)


def _words_of(reason: dg.SkipReason | None) -> str | None:
    return None if reason is None else reason.skip_message or ""


class SensorOfOneInstance(dg.SensorDefinition):
    """A sensor whose ticks share Dagster's instance. Dagster opens it anew for each tick, and reads all migrations
    of its storage for that: a third of what the code server takes at rest.
    """

    _opened: tuple[InstanceRef, dg.DagsterInstance] | None = None

    def evaluate_tick(self, context: dg.SensorEvaluationContext) -> SensorExecutionData:
        """As Dagster's."""
        ref = context.instance_ref
        if ref is not None:
            if self._opened is None or self._opened[0] != ref:
                self._opened = (ref, dg.DagsterInstance.from_ref(ref))
            context._instance = self._opened[1]  # noqa: SLF001 - there is no other way to hand it over
        return super().evaluate_tick(context)

    def with_attributes(self, **given: Any) -> SensorOfOneInstance:
        """As Dagster's, which makes a plain sensor of it."""
        made = super().with_attributes(**given)
        made.__class__ = SensorOfOneInstance
        assert isinstance(made, SensorOfOneInstance)
        return made


def _tick(
    context: dg.SensorEvaluationContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    deliverer: dg.ResourceParam[Deliverer],
    polling: dg.ResourceParam[PollingThread],
    clock: dg.ResourceParam[WallClock],
) -> dg.SensorResult:
    work = DueWork(context.instance, database, settings, deliverer, polling, clock.now)
    return work.tick()


due_work_sensor = SensorOfOneInstance(
    name="due_work_sensor",
    evaluation_fn=_tick,
    jobs=[process_job, requested_job, deliver_job],
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks Riot for the match lists of the accounts whose turn it is; requests runs over new "
    "games, over those that people ask for or that were quarantined, and over messages that are due; "
    "and looks every half minute whether all is well.",
)
