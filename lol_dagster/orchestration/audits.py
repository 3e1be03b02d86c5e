"""The daily audit of delivered messages in their channels."""

from collections.abc import Iterator

import dagster as dg

from lol_dagster.delivery.audit import audit_messages
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.orchestration.checks import evaluate_checks
from lol_dagster.orchestration.instance import CHANNELS_POOL
from lol_dagster.orchestration.resources import WallClock
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database


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
        database,
        all_transports(settings),
        now=clock.now(),
        run_id=context.run.run_id,
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
