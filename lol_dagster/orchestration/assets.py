"""The five assets. Bodies are thin: plain functions do the work, and what came back is reported.

games, player_stats and messages come out of one op without outputs: only an op that yields its own
materializations can leave one weird partition of a range unmaterialized while the rest go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg

from lol_dagster.orchestration import report
from lol_dagster.orchestration.house import House
from lol_dagster.orchestration.instance import CHANNELS_POOL, RIOT_POOL
from lol_dagster.orchestration.partitions import MATCH_PARTITIONS
from lol_dagster.orchestration.polling import poll_match_lists
from lol_dagster.orchestration.processing import (
    CODE_VERSIONS,
    Outcome,
    Processed,
    SetAside,
    note_shown,
    process_match,
)

BATCH_TAG = "lol/batch"
"""On runs that a sensor cut: in these a weird game is set aside and the run stays green. A run of
one partition without it (from the UI, or the game's own) fails with the game's error."""

_OWNER = "team:operators"
_EVERY_GAME = {
    "partitions_def": MATCH_PARTITIONS,
    "group_name": "games",
    "owners": [_OWNER],
    "skippable": True,
}


@dg.asset(
    key="match_lists",
    group_name="riot",
    kinds={"python", "api"},
    owners=[_OWNER],
    pool=RIOT_POOL,
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=report.FRESH_FAIL, warn_window=report.FRESH_WARN
    ),
    description="Asks Riot for the recent match ids of every tracked account that is due, and "
    "remembers those not seen before. An account that has just played is asked every minute, "
    "one that has been quiet for weeks every half hour.",
)
def match_lists(
    context: dg.AssetExecutionContext, house: dg.ResourceParam[House]
) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata=report.of_polling(poll_match_lists(house)))


@dg.multi_asset(
    name="process_games",
    specs=[
        dg.AssetSpec(
            "games",
            deps=["match_lists"],
            description="The match as Riot gave it, archived byte for byte. Nothing is ever "
            "worked out from anything else.",
            kinds={"python", "api"},
            code_version=CODE_VERSIONS["games"],
            **_EVERY_GAME,
        ),
        dg.AssetSpec(
            "player_stats",
            deps=["games"],
            description="The game, its participants and how the tracked players among them did, "
            "worked out from the archived payload.",
            kinds={"python", "pandas"},
            code_version=CODE_VERSIONS["player_stats"],
            **_EVERY_GAME,
        ),
        dg.AssetSpec(
            "messages",
            deps=["player_stats"],
            description="What is to be said of the game and to which channels; written down in "
            "one transaction with the stats, sent from nowhere but `deliveries`.",
            kinds={"python"},
            code_version=CODE_VERSIONS["messages"],
            **_EVERY_GAME,
        ),
    ],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=RIOT_POOL,
)
def process_games(
    context: dg.AssetExecutionContext, house: dg.ResourceParam[House]
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    match_ids = list(context.partition_keys)
    if not match_ids:
        raise dg.Failure(
            "The range holds no match: a range whose start stands after its end is empty",
            allow_retries=False,
        )
    wanted = {key.to_user_string() for key in context.selected_asset_keys}
    outcomes: list[Outcome] = []
    for match_id in match_ids:
        outcome = process_match(house, match_id, run_id=context.run_id)
        outcomes.append(outcome)
        for key, metadata in report.of_outcome(house, outcome).items():
            if key in wanted:
                yield dg.AssetMaterialization(key, partition=match_id, metadata=metadata)
        if not isinstance(outcome, Processed):
            context.log.warning(report.explain(outcome))
    yield dg.AssetObservation(
        "games", description="The batch", metadata=report.of_batch(house, outcomes)
    )
    _fail_if_alone(context, house, outcomes)


def _fail_if_alone(
    context: dg.AssetExecutionContext, house: House, outcomes: Sequence[Outcome]
) -> None:
    """In a run of its own a weird game fails for all to see, with the error it was set aside for."""
    if BATCH_TAG in context.run_tags or len(outcomes) != 1:
        return
    outcome = outcomes[0]
    if isinstance(outcome, Processed):
        return
    if isinstance(outcome, SetAside):
        note_shown(house, outcome.match_id, context.run_id)
        raise outcome.error
    raise dg.Failure(report.explain(outcome), allow_retries=False)


@dg.multi_asset(
    name="deliver",
    specs=[
        dg.AssetSpec(
            "deliveries",
            deps=["messages"],
            description="Where the game was told. A run carries every message that is due to its "
            "channel; a run of chosen partitions carries only theirs.",
            kinds={"python", "api"},
            **_EVERY_GAME,
        )
    ],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=CHANNELS_POOL,
)
def deliver(
    context: dg.AssetExecutionContext, house: dg.ResourceParam[House]
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    chosen = list(context.partition_keys) if _has_partitions(context) else None
    delivered = house.deliverer.deliver_due(
        now=house.now(), run_id=context.run_id, only_match_ids=chosen
    )
    for match_id, metadata in report.of_deliveries(house, delivered):
        yield dg.AssetMaterialization("deliveries", partition=match_id, metadata=metadata)
    yield dg.AssetObservation(
        "deliveries", description="The sweep", metadata=report.of_sweep(house, delivered)
    )


def _has_partitions(context: dg.AssetExecutionContext) -> bool:
    """Whether the run was asked for certain partitions; Dagster's own properties raise when not."""
    return any(
        tag in context.run_tags for tag in ("dagster/partition", "dagster/asset_partition_range_start")
    )


ASSETS = [match_lists, process_games, deliver]
