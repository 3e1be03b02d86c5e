"""A simulated world and an installation that lives in it, for tests of a game's whole way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from lol_dagster.definitions import build_definitions
from lol_dagster.monitoring.alerts import Evaluated
from lol_dagster.orchestration.instance import set_pool_limits
from lol_dagster.orchestration.monitoring import monitor
from lol_dagster.orchestration.once import Once, as_json
from lol_dagster.orchestration.partitions import admit, ranges
from lol_dagster.orchestration.planning import batch_over
from lol_dagster.orchestration.resources import AppContext, RunCounts
from lol_dagster.orchestration.sensors import DueWork
from lol_dagster.riot.key import key_refused_until
from lol_dagster.settings import load_settings
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.models import Player
from lol_dagster_tests._support.payloads import match_payload, puuid_of
from lol_dagster_tests._support.roster_rows import (
    make_channel,
    make_member,
    make_membership,
    make_team,
)

NOTHING = dict.fromkeys(
    [
        "discovered",
        "processed",
        "set_aside",
        "gone",
        "messages",
        "delivered",
        "edited",
        "uncertain",
        "parked",
    ],
    0,
)
"""What `once` says when there was nothing to do."""


@dataclass
class World:
    """The simulator, and an application whose settings lead to it."""

    simulator: Simulator
    app: AppContext
    instance: dg.DagsterInstance
    channels: dict[str, str] = field(default_factory=dict)
    """Address of each channel by its name."""

    def __post_init__(self) -> None:
        set_pool_limits(self.instance)  # as every command does that opens the real one

    @property
    def definitions(self) -> dg.Definitions:
        return build_definitions(self.app)

    def add_team(self, name: str, *members: str, kind: str = "discord-bot") -> None:
        """A team with one channel of the same name; members as in `payloads.participant(name)`,
        who may be in another team already.
        """
        with self.app.database.writing() as session:
            team = make_team(session, name)
            for member in members:
                known = session.scalar(select(Player).where(Player.name == member))
                if known is not None:
                    make_membership(session, team, known)
                else:
                    make_member(session, team, member, puuid=puuid_of(member), game_name=member)
            channel = make_channel(
                session,
                team,
                name,
                kind=kind,
                **({"address": f"C{len(self.channels):010d}"} if kind == "slack-bot" else {}),
            )
            self.channels[name] = channel.address

    def finish(self, match_id: str, *, minutes_ago: float = 1, **said: Any) -> str:
        """Let a game end; `said` as for `payloads.match_payload`."""
        ended_at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
        self.simulator.add_game(match_payload(match_id, ended_at=ended_at, **said))
        return match_id

    def once(self) -> dict[str, int]:
        """`lol-dagster once --until-idle`, and its figures."""
        self.app.run_counts = RunCounts()
        Once(self.definitions, self.instance, self.app, show=lambda *_: None).until_idle()
        return as_json(self.app.run_counts)

    def process(self, *match_ids: str, **tags: str) -> dg.ExecuteInProcessResult:
        """A run over chosen partitions as a person starts it from the UI."""
        if len(match_ids) == 1 and not tags:
            return self._run("process_matches", partition_key=match_ids[0])
        return self._run("process_matches", tags=tags)

    def run_batch(self, *match_ids: str) -> dg.ExecuteInProcessResult:
        """A run as the sensor requests it, over match ids that stand next to each other."""
        admit(self.instance, match_ids)
        (batch,) = ranges(self.instance, match_ids)
        return self._run("process_matches", tags=batch_over(batch).request.tags)

    def poll(self) -> dg.ExecuteInProcessResult:
        """A run in which the accounts are polled that are due."""
        return self._run("poll_match_lists")

    def key_refused_until(self) -> datetime | None:
        return key_refused_until(self.app.database, self.app.settings, self.app.clock.now())

    @property
    def work(self) -> DueWork:
        """The sensor's, part by part."""
        app = self.app
        return DueWork(
            self.instance, app.database, app.settings, app.deliverer, app.polling, app.clock.now,
            riot_within_s=60.0, rest_s=0,
        )  # fmt: skip

    def tick(self) -> dg.SensorResult:
        """A tick of the sensor, which waits until Riot was asked; its events are stored."""
        result = self.work.tick()
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        return result

    def monitor(self) -> Evaluated:
        """What a tick does every half minute."""
        app = self.app
        return monitor(self.instance, app.database, app.settings, app.clock.now(), "daemon")

    def check(self) -> dg.ExecuteInProcessResult:
        """All asset checks, as the schedule evaluates them."""
        return self._run("check_everything")

    def _run(self, job: str, **how: Any) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False, **how
        )

    def posted(self, channel: str) -> list[dict[str, Any]]:
        """The bodies of all messages that the channel ever took, oldest first."""
        return self._truth("posted", channel)

    def edits(self, channel: str) -> list[dict[str, Any]]:
        """The bodies of all edits that the channel took, oldest first."""
        return self._truth("edited", channel)

    def _truth(self, event: str, channel: str) -> list[dict[str, Any]]:
        return [
            entry["body"]
            for entry in self.simulator.truth.events(event)
            if entry["channel"] == self.channels[channel]
        ]

    def runs(self, job: str) -> list[dg.DagsterRun]:
        """The job's runs, oldest first."""
        return list(reversed(self.instance.get_runs(dg.RunsFilter(job_name=job))))

    def materialized(self, asset: str) -> set[str]:
        return set(self.instance.get_materialized_partitions(dg.AssetKey(asset)))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, migrated_home: Path) -> Iterator[World]:
    """A world in which nobody is tracked yet."""
    with Simulator() as simulator, dg.DagsterInstance.ephemeral() as instance:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        app = AppContext(load_settings())
        yield World(simulator, app, instance)
        app.database.dispose()
