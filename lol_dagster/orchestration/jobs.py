"""The jobs: each bounded by `dagster/max_runtime`, so that none can hold its place forever."""

from collections.abc import Iterator

import dagster as dg

from lol_dagster.delivery.audit import audit_messages
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.orchestration.assets import deliver_due, process_chosen
from lol_dagster.orchestration.checks import evaluate_checks
from lol_dagster.orchestration.instance import CHANNELS_POOL
from lol_dagster.orchestration.nightly import nightly_job
from lol_dagster.orchestration.resources import WallClock
from lol_dagster.orchestration.runs import MAX_RUNTIME_TAG
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database


def _assets(*keys: str) -> dg.AssetSelection:
    """These assets without their checks, which a run evaluates once for each asset, at its end."""
    return dg.AssetSelection.assets(*keys).without_checks()


poll_job = dg.define_asset_job(
    "poll_match_lists",
    selection=_assets("match_lists"),
    tags={MAX_RUNTIME_TAG: "300"},
    description="Which games are new?",
)
process_job = dg.define_asset_job(
    "process_matches",
    selection=_assets("games", "player_stats", "messages"),
    tags={MAX_RUNTIME_TAG: "900"},
    description="Fetch games, work out how everyone did, record what to say.",
)


@dg.job(
    name="process_requested",
    tags={MAX_RUNTIME_TAG: "900"},
    description="Process many games that people asked for. No asset job: what was asked for is "
    "no range of the partitions.",
)
def requested_job() -> None:
    process_chosen()


@dg.job(
    name="deliver_messages",
    tags={MAX_RUNTIME_TAG: "600"},
    description="Send what is due to the channels. No asset job: a run of a partitioned asset "
    "needs partitions, and what is due is no range of them.",
)
def deliver_job() -> None:
    deliver_due()


@dg.op(
    pool=CHANNELS_POOL,
    out={},
    description="Reads back a sample of the messages that were delivered lately, and changes nothing.",
)
def audit_sample(
    context: dg.OpExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
) -> Iterator[dg.AssetObservation]:
    found = audit_messages(
        database, all_transports(settings), now=clock.now(), run_id=context.run.run_id
    )
    yield dg.AssetObservation(
        "deliveries",
        description="The audit",
        metadata={
            "read back": len(found.findings),
            "could not be read": len(found.unseen),
            **{finding.replace("_", " "): count for finding, count in found.counts.items()},
            **found.wrong,
        },
    )
    evaluate_checks(context, database, settings, clock.now(), "deliveries")


@dg.job(
    name="audit_messages",
    tags={MAX_RUNTIME_TAG: "600"},
    description="Is every delivered message in its channel, once and unchanged? Reads only.",
)
def audit_job() -> None:
    audit_sample()


check_job = dg.define_asset_job(
    "check_everything",
    selection=dg.AssetSelection.all_asset_checks(),
    tags={MAX_RUNTIME_TAG: "300"},
    description="The operator's dashboard: is every game accounted for, and every message?",
)

ASSET_JOBS = [poll_job, process_job, check_job]
OP_JOBS = [requested_job, deliver_job, audit_job, nightly_job]
