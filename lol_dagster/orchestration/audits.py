"""The daily look at told messages in their channels."""

from collections.abc import Iterator

import dagster as dg

from lol_dagster.delivery.audit import audit_messages
from lol_dagster.delivery.transports.kinds import all_transports
from lol_dagster.orchestration.checks import look_again
from lol_dagster.orchestration.house import House
from lol_dagster.orchestration.instance import CHANNELS_POOL


@dg.op(
    pool=CHANNELS_POOL,
    out={},
    description="Looks up a sample of the messages that were told lately, by reading only.",
)
def audit_sample(
    context: dg.OpExecutionContext, house: dg.ResourceParam[House]
) -> Iterator[dg.AssetObservation]:
    found = audit_messages(
        house.database,
        all_transports(house.settings),
        now=house.now(),
        run_id=context.run.run_id,
    )
    yield dg.AssetObservation(
        "deliveries",
        description="The audit",
        metadata={
            "looked up": len(found.findings),
            "not to be seen": len(found.unseen),
            **{finding.replace("_", " "): count for finding, count in found.counts.items()},
            **found.wrong,
        },
    )
    look_again(context, house, "deliveries")
