"""Everything that Dagster loads, on one page."""

import dagster as dg

from lol_dagster.orchestration.assets import ASSETS
from lol_dagster.orchestration.checks import check_assets
from lol_dagster.orchestration.jobs import ASSET_JOBS, OP_JOBS
from lol_dagster.orchestration.monitoring import failed_runs_sensor
from lol_dagster.orchestration.resources import AppContext, resources
from lol_dagster.orchestration.schedules import SCHEDULES
from lol_dagster.orchestration.sensors import due_work_sensor


def build_definitions(app: AppContext | None = None) -> dg.Definitions:
    """The code location.

    Args:
        app: Where the resources' values come from; by default what the environment describes, read
            when a run or a tick begins and never at import.
    """
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=[check_assets],
        jobs=[*ASSET_JOBS, *OP_JOBS],
        schedules=SCHEDULES,
        sensors=[due_work_sensor, failed_runs_sensor],
        resources=resources(app),
        # A process per step costs 6 s where this one costs 0.3 s, and a run is a process already.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
