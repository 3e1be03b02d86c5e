"""The asset checks: those rows of the table of checks that are about an asset.

They are one op of their own, not the assets' `check_specs`. An op with assets and checks has
one pool and one set of partitions: a check that finds out that polling is stuck would wait in the
pool for what holds polling up, and those of the games would need a match to be about. For the same
reason they are unpartitioned: "is anything wrong now" is the question.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

import dagster as dg
from structlog.contextvars import bound_contextvars

from lol_dagster.monitoring.checks import CHECKS, CheckResult, Moment, run_check
from lol_dagster.orchestration.resources import WallClock
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database

_SEVERITY = {"error": dg.AssetCheckSeverity.ERROR, "warning": dg.AssetCheckSeverity.WARN}
_ROWS = {
    dg.AssetCheckKey(dg.AssetKey(check.asset), f"no_{check.id}"): check
    for check in CHECKS
    if check.asset is not None and "dagster" not in check.left_out
}


_SPECS = [
    dg.AssetCheckSpec(key.name, asset=key.asset_key, description=check.passes)
    for key, check in _ROWS.items()
]


@dg.op(
    name="check_assets",
    out={spec.get_python_identifier(): dg.Out(is_required=False) for spec in _SPECS},
)
def _evaluate(
    context: dg.OpExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: dg.ResourceParam[WallClock],
) -> Iterator[dg.AssetCheckResult]:
    results = _run(database, settings, clock.now(), context.selected_asset_check_keys)
    for key, result in results.items():
        yield dg.AssetCheckResult(asset_key=key.asset_key, check_name=key.name, **_said(result))


check_assets = dg.AssetChecksDefinition.create(
    # Without inputs: Dagster skips a step whose input no op has given out, and ours give out nothing. So
    # it may come before the op that materializes, which evaluates them once more, after that.
    keys_by_input_name={},
    node_def=_evaluate,
    check_specs_by_output_name={spec.get_python_identifier(): spec for spec in _SPECS},
    can_subset=True,
)


def evaluate_checks(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    database: Database,
    settings: Settings,
    now: datetime,
    asset: str,
) -> None:
    """Evaluate the asset's checks in a run that has just materialized it.

    Dagster's UI counts a result only until the asset is materialized again, and ours is with every
    batch: without this the checks would have no result nearly all the time.
    """
    with bound_contextvars(run_id=context.run.run_id):
        found = evaluations(database, settings, now, asset)
    for evaluation in found:
        # An op's context takes it as an asset's does; only its annotation lacks it.
        context.log_event(evaluation)  # type: ignore[arg-type]


def evaluations(
    database: Database, settings: Settings, now: datetime, asset: str
) -> list[dg.AssetCheckEvaluation]:
    """The asset's checks, evaluated: as events, for what materializes the asset without a run."""
    keys = {key for key in _ROWS if key.asset_key == dg.AssetKey(asset)}
    return [
        dg.AssetCheckEvaluation(asset_key=key.asset_key, check_name=key.name, **_said(result))
        for key, result in _run(database, settings, now, keys).items()
    ]


def _run(
    database: Database, settings: Settings, now: datetime, keys: AbstractSet[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, CheckResult]:
    with database.reading() as session:
        moment = Moment(session, settings, now)
        return {key: run_check(check, moment) for key, check in _ROWS.items() if key in keys}


def _said(result: CheckResult) -> dict[str, Any]:
    return {
        "passed": result.passed,
        "severity": _SEVERITY[result.check.severity],
        "description": "passed" if result.passed else result.line,
        "metadata": {"affected": dg.MetadataValue.int(result.count)},
    }
