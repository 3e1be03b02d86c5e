"""The five assets. Bodies are thin: plain functions do the work, and what came back is reported.

games, player_stats and messages come out of one op without outputs: only an op that yields its own
materializations can leave one malformed partition of a range unmaterialized while the rest go on.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import timedelta
from functools import partial

import dagster as dg
from structlog.contextvars import bound_contextvars

from lol_dagster.delivery.worker import Deliverer, DeliveryReport
from lol_dagster.orchestration import metadata
from lol_dagster.orchestration.checks import evaluate_checks
from lol_dagster.orchestration.instance import CHANNELS_POOL, RIOT_POOL
from lol_dagster.orchestration.partitions import (
    BATCH_TAG,
    MATCH_PARTITIONS,
    QUARANTINE_TAG,
    REQUEST_TAG,
)
from lol_dagster.orchestration.polling import poll_accounts
from lol_dagster.orchestration.resources import RunCounts, WallClock
from lol_dagster.orchestration.runs import delivering
from lol_dagster.pictures.artist import Artist
from lol_dagster.pipeline.process import (
    CODE_VERSIONS,
    IgnoredGame,
    NotGiven,
    Outcome,
    ProcessedGame,
    QuarantinedGame,
    process_matches,
)
from lol_dagster.pipeline.records import note_shown
from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.key import watching_key
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database

_SENSOR_TAGS = {BATCH_TAG, QUARANTINE_TAG, REQUEST_TAG}

_AT_ONCE = timedelta(minutes=1)
"""How long a run that has processed games delivers at most."""
_A_MOMENT = timedelta(seconds=2)
"""What such a run waits for: a channel's pause between two messages, for one."""

_OWNER = "team:operators"
_GROUP = "league"
"""One group: the UI collapses several, and all of it should be seen at a glance."""


def _per_match_asset(
    key: str, *, after: str, description: str, kinds: set[str], code_version: str | None = None
) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=[after],
        description=description,
        kinds=kinds,
        code_version=code_version,
        partitions_def=MATCH_PARTITIONS,
        group_name=_GROUP,
        owners=[_OWNER],
        skippable=True,
    )


class PollConfig(dg.Config):
    """What may be chosen for one run, in the launchpad or by `lol-dagster once`."""

    everyone: bool = False
    """Ask for every account's match list, not only where it is due."""


@dg.asset(
    key="match_lists",
    group_name=_GROUP,
    kinds={"python", "api"},
    owners=[_OWNER],
    pool=RIOT_POOL,
    freshness_policy=dg.FreshnessPolicy.time_window(
        fail_window=metadata.FRESH_FAIL, warn_window=metadata.FRESH_WARN
    ),
    description="Asks Riot for the recent match ids of every tracked account that is due, and "
    "remembers those not seen before. An account that has just played is asked every 20 seconds, "
    "one that has been quiet for weeks every half hour. Its automation is the sensor `due_work_sensor`, "
    "which asks within its ticks and materializes this when there is news, when something fails, and "
    "every quarter of an hour.",
)
def match_lists(
    context: dg.AssetExecutionContext,
    config: PollConfig,
    database: dg.ResourceParam[Database],
    riot: dg.ResourceParam[RiotClient],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
    run_counts: dg.ResourceParam[RunCounts],
) -> dg.MaterializeResult[None]:
    with bound_contextvars(run_id=context.run.run_id):
        found = poll_accounts(database, riot, clock.now, everyone=config.everyone)
    run_counts.polling = found
    run_counts.discovered.update(found.new_match_ids)
    evaluate_checks(context, database, settings, clock.now(), "match_lists")
    return dg.MaterializeResult(
        metadata=metadata.of_polling(database, found, clock.now()),
        data_version=metadata.MATCH_LISTS_VERSION,
    )


@dg.multi_asset(
    name="process_games",
    specs=[
        _per_match_asset(
            "games",
            after="match_lists",
            description="The match as Riot gave it, archived byte for byte. Nothing is ever "
            "worked out from anything else.",
            kinds={"python", "api"},
            code_version=CODE_VERSIONS["games"],
        ),
        _per_match_asset(
            "player_stats",
            after="games",
            description="The game, its participants and how the tracked players among them did, "
            "worked out from the archived payload.",
            kinds={"python", "pandas"},
            code_version=CODE_VERSIONS["player_stats"],
        ),
        _per_match_asset(
            "messages",
            after="player_stats",
            description="What is to be said of the game and to which channels; recorded in one "
            "transaction with the stats, and sent after that.",
            kinds={"python"},
            code_version=CODE_VERSIONS["messages"],
        ),
    ],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=RIOT_POOL,
)
def process_games(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    riot: dg.ResourceParam[RiotClient],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
    run_counts: dg.ResourceParam[RunCounts],
    deliverer: dg.ResourceParam[Deliverer],
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    match_ids = list(context.partition_keys)
    if not match_ids:
        raise dg.Failure(
            "The range holds no match: a range whose start stands after its end is empty",
            allow_retries=False,
        )
    # Whatever was selected: all three are worked out in one transaction, so all three are recorded.
    deliver = partial(_deliver_at_once, context, database, settings, deliverer, clock, run_counts)
    outcomes = yield from _process(
        context, database, riot, settings, clock, run_counts, match_ids, deliver
    )
    _fail_if_alone(context, database, outcomes)


class ChosenGames(dg.Config):
    """Which games the job `process_requested` is about."""

    match_ids: list[str]


@dg.op(
    pool=RIOT_POOL,
    out={},
    description="Processes games that stand in no range of the partitions. One that is (still) "
    "malformed is quarantined, and the run stays green.",
)
def process_chosen(
    context: dg.OpExecutionContext,
    config: ChosenGames,
    database: dg.ResourceParam[Database],
    riot: dg.ResourceParam[RiotClient],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
    run_counts: dg.ResourceParam[RunCounts],
    deliverer: dg.ResourceParam[Deliverer],
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    deliver = partial(_deliver_at_once, context, database, settings, deliverer, clock, run_counts)
    yield from _process(
        context, database, riot, settings, clock, run_counts, config.match_ids, deliver
    )


def _process(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    database: Database,
    riot: RiotClient,
    settings: Settings,
    clock: WallClock,
    run_counts: RunCounts,
    match_ids: Sequence[str],
    deliver: Callable[[], Iterator[dg.AssetMaterialization | dg.AssetObservation]],
) -> Generator[dg.AssetMaterialization | dg.AssetObservation, None, list[Outcome]]:
    """Take the matches through the stages, and report what came of it. While Riot lets some of them
    wait, the messages about the others leave, and in the end all.

    Args:
        deliver: Sends what is due.
    """
    outcomes: list[Outcome] = []
    shown: set[str] = set()
    by_hand = not _SENSOR_TAGS & context.run.tags.keys()
    with watching_key(database, riot.key_fingerprint, clock.now):
        for outcome in process_matches(
            database,
            riot,
            match_ids,
            stale_after=settings.stale_after,
            clock=clock.now,
            run_id=context.run.run_id,
            by_hand=by_hand,
        ):
            if outcome is None:
                yield from deliver()
                continue
            outcomes.append(outcome)
            _count(run_counts, outcome)
            run_counts.after_game()
            for key, values in metadata.of_outcome(database, outcome).items():
                yield metadata.materialization(key, values, outcome.match_id)
                shown.add(key)
    yield dg.AssetObservation(
        "games", description="The batch", metadata=metadata.of_batch(database, outcomes)
    )
    for key in sorted(shown):
        evaluate_checks(context, database, settings, clock.now(), key)
    yield from deliver()
    return outcomes


def _count(run_counts: RunCounts, outcome: Outcome) -> None:
    if isinstance(outcome, ProcessedGame):
        run_counts.processed.add(outcome.match_id)
        run_counts.quarantined.discard(outcome.match_id)
        run_counts.messages.update(
            message.message_id for message in outcome.messages if message.change == "created"
        )
    elif isinstance(outcome, QuarantinedGame):
        run_counts.quarantined.add(outcome.match_id)
    elif isinstance(outcome, NotGiven) and outcome.is_given_up_now:
        run_counts.not_found.add(outcome.match_id)


def _fail_if_alone(
    context: dg.AssetExecutionContext, database: Database, outcomes: Sequence[Outcome]
) -> None:
    """In a run of its own a malformed game fails for all to see, with the error it was quarantined for."""
    if BATCH_TAG in context.run.tags or len(outcomes) != 1:
        return
    outcome = outcomes[0]
    if isinstance(outcome, ProcessedGame | IgnoredGame):
        return
    if isinstance(outcome, QuarantinedGame):
        note_shown(database, outcome.match_id, context.run.run_id)
        raise outcome.error
    raise dg.Failure(metadata.explain(outcome), allow_retries=False)


@dg.multi_asset(
    name="deliver_chosen",
    specs=[
        _per_match_asset(
            "deliveries",
            after="messages",
            description="Where the game was announced. A run that processes games sends at its end whatever "
            "is due; what is left, or due later, is the job `deliver_messages`, which the sensor "
            "`due_work_sensor` starts. Materializing chosen partitions sends only their messages.",
            kinds={"python", "api"},
        )
    ],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=CHANNELS_POOL,
)
def deliver_chosen(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    deliverer: dg.ResourceParam[Deliverer],
    clock: dg.ResourceParam[WallClock],
    run_counts: dg.ResourceParam[RunCounts],
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    send = partial(deliverer.deliver_due, only_match_ids=list(context.partition_keys))
    artist = deliverer.artist
    yield from _deliver(context, database, settings, clock, run_counts, send, artist)


@dg.op(
    pool=CHANNELS_POOL,
    out={},
    description="Sends every message that is due to its channel, whatever game it is about.",
)
def deliver_due(
    context: dg.OpExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    deliverer: dg.ResourceParam[Deliverer],
    clock: dg.ResourceParam[WallClock],
    run_counts: dg.ResourceParam[RunCounts],
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    with delivering(settings.home, database) as is_alone:
        if not is_alone:
            context.log.info("Another run delivers what is due")
            return
        send = deliverer.deliver_due
        yield from _deliver(context, database, settings, clock, run_counts, send, deliverer.artist)


def _deliver_at_once(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    database: Database,
    settings: Settings,
    deliverer: Deliverer,
    clock: WallClock,
    run_counts: RunCounts,
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    """Send what is due in the run that has written it, which saves a tick and a worker's start. What
    cannot be sent soon is left to a run of its own.
    """
    if not deliverer.due_now(clock.now()):
        return
    with delivering(settings.home, database) as is_alone:
        if is_alone:
            send = partial(deliverer.deliver_due, budget=_AT_ONCE, wait_up_to=_A_MOMENT)
            artist = deliverer.artist
            yield from _deliver(context, database, settings, clock, run_counts, send, artist)


def _deliver(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    database: Database,
    settings: Settings,
    clock: WallClock,
    run_counts: RunCounts,
    deliver: Callable[..., DeliveryReport],
    artist: Artist | None,
) -> Iterator[dg.AssetMaterialization | dg.AssetObservation]:
    delivered = deliver(clock.now(), run_id=context.run.run_id)
    _count_messages(run_counts, delivered)
    for match_id, values in metadata.of_deliveries(delivered, artist):
        yield metadata.materialization("deliveries", values, match_id)
    yield dg.AssetObservation(
        "deliveries", description="The delivery run", metadata=metadata.of_delivery_run(delivered)
    )
    evaluate_checks(context, database, settings, clock.now(), "deliveries")


def _count_messages(run_counts: RunCounts, delivered: DeliveryReport) -> None:
    for message in delivered.messages:
        run_counts.uncertain.discard(message.message_id)
        if message.outcome in ("delivered", "edited", "uncertain", "needs_review"):
            getattr(run_counts, message.outcome).add(message.message_id)


ASSETS = [match_lists, process_games, deliver_chosen]
