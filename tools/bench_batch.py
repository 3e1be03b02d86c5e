"""What a batch of games costs in Dagster, beside a run that only says that they were materialized; `bench.py`
calls it.

Belongs here: both runs, in one instance on the disk. Riot answers at once and nothing is sent to a channel, so
that what is left is ours.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg

from lol_dagster.definitions import build_definitions
from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.orchestration.jobs import process_job
from lol_dagster.orchestration.partitions import MATCH_PARTITIONS, admit
from lol_dagster.orchestration.planning import batch_over
from lol_dagster.orchestration.resources import AppContext, WallClock
from lol_dagster.settings import Settings
from lol_dagster.simulator.games import Game as MadeUpGame
from lol_dagster.simulator.people import FRIENDS
from lol_dagster.storage.models import Account, Channel, Match, Membership, Player, Team

_KEYS = ("games", "player_stats", "messages")
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class _Riot:
    """Gives each match at once."""

    key_fingerprint = "bench"

    def __init__(self, games: Sequence[MadeUpGame]) -> None:
        self._bodies = {game.match_id: game.body for game in games}

    def match(self, match_id: str) -> bytes:
        return self._bodies[match_id]


class _Silent:
    """Has nothing to send."""

    artist = None

    def due_now(self, _now: datetime) -> int:
        return 0


@dg.multi_asset(
    specs=[
        dg.AssetSpec(f"bare_{key}", partitions_def=MATCH_PARTITIONS, skippable=True)
        for key in _KEYS
    ],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def bare(context: dg.AssetExecutionContext) -> Iterator[dg.AssetMaterialization]:
    """As many materializations as a batch has."""
    for match_id in context.partition_keys:
        for key in _KEYS:
            yield dg.AssetMaterialization(f"bare_{key}", partition=match_id)


_BARE_JOB = dg.define_asset_job("bare_batch", selection=[f"bare_{key}" for key in _KEYS])


class Batches:
    """Runs over games that nobody has processed yet, one after another."""

    def __init__(self, home: Path, games: Sequence[MadeUpGame], now: datetime) -> None:
        """
        Args:
            now: When they are processed: each has a message of its own if that is soon after its end.
        """
        self._app = AppContext(Settings(home=home, database_url=None), WallClock(lambda: now))
        # In the place of what would be opened when it is used first.
        vars(self._app).update(riot=_Riot(games), deliverer=_Silent())
        self._ids = [game.match_id for game in games]
        self._instance = prepare_instance(self._app.settings)
        self._fill()
        admit(self._instance, self._ids)
        ours = build_definitions(self._app).resolve_job_def(process_job.name)
        bare_ones = dg.Definitions(
            assets=[bare], jobs=[_BARE_JOB], executor=dg.in_process_executor
        ).resolve_job_def(_BARE_JOB.name)
        self.ways: Mapping[str, dg.JobDefinition] = {
            "materializations that say nothing": bare_ones,
            "games through all stages": ours,
        }
        self.events: dict[str, float] = {}
        """Events of a game, by way."""

    def run(self, way: str, match_ids: tuple[str, ...]) -> float:
        """Seconds of processor time for a run over these, of which all must come through."""
        start = time.process_time()
        result = self.ways[way].execute_in_process(
            run_config=_QUIET, instance=self._instance, tags=batch_over(match_ids).request.tags
        )
        used = time.process_time() - start
        made = [event for event in result.all_events if event.is_step_materialization]
        # A game that is announced nowhere has one more: of `deliveries`.
        assert len(made) >= len(_KEYS) * len(match_ids), (way, len(made))
        self.events[way] = len(self._instance.all_logs(result.run_id)) / len(match_ids)
        return used

    def _fill(self) -> None:
        """A team of the made-up friends with one channel; all games are listed."""
        at = self._app.clock.now() - timedelta(days=1)
        with self._app.database.writing() as session:
            session.add(Team(id=1, name="Friends", created_at=at))
            session.flush()
            for number, each in enumerate(FRIENDS, start=1):
                session.add(Player(id=number, name=each.game_name, created_at=at))
                session.flush()
                session.add(Membership(team_id=1, player_id=number, since=at))
                session.add(
                    Account(
                        player_id=number, puuid=each.puuid, platform=each.platform, created_at=at,
                        game_name=each.game_name, tag_line=each.tag_line,
                    )
                )  # fmt: skip
            session.add(
                Channel(team_id=1, name="games", kind="discord-bot", address="1", created_at=at)
            )
            session.add_all(
                Match(match_id=match_id, state="listed", listed_at=at, next_try_at=at)
                for match_id in self._ids
            )
