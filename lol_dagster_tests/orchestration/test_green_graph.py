"""When all is well every asset of the graph is green: as Dagster's UI asks, and as it judges."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.test.utils import execute_dagster_graphql
from sqlalchemy import select, update

from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.orchestration.runs import delivering
from lol_dagster.pipeline.process import CODE_VERSIONS
from lol_dagster.pipeline.quarantine import ignore
from lol_dagster.storage.models import AccountPoll, Match, Message
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World

ASKED = """
{assetNodes {
  assetKey {path}
  partitionStats {numPartitions numMaterialized numMaterializing numFailed}
  assetMaterializations(limit: 1) {runId}
  assetChecksOrError {... on AssetChecks {checks {
    name executionForLatestMaterialization {status}
  }}}
}}
"""


@pytest.fixture
def lasting(world: World) -> Iterator[World]:
    """A world whose runs are recorded where the UI's server can ask for them; Ann is tracked."""
    with prepare_instance(world.app.settings) as instance:
        world.instance = instance
        world.add_team("Gamers", "Ann")
        yield world


def nodes(world: World, asked: str = ASKED) -> dict[str, Any]:
    """What the UI draws the graph from, by asset."""
    target = LoadableTargetOrigin(
        executable_path=sys.executable, module_name="lol_dagster.definitions"
    )
    origin = InProcessCodeLocationOrigin(target, location_name="lol_dagster")
    with WorkspaceProcessContext(
        world.instance, workspace_load_target=InProcessWorkspaceLoadTarget([origin])
    ) as served:
        answer = execute_dagster_graphql(served.create_request_context(), asked)
    return {node["assetKey"]["path"][0]: node for node in answer.data["assetNodes"]}


def not_green(world: World) -> set[str]:
    """The assets that the UI paints in another colour: red if a partition failed or a check does
    not pass, grey if a partition is missing or nothing was ever materialized.
    """
    return {asset for asset, node in nodes(world).items() if not _is_green(node)}


def _is_green(node: dict[str, Any]) -> bool:
    stats = node["partitionStats"]
    if stats is not None and stats["numMaterialized"] != stats["numPartitions"]:
        return False
    checks = [
        check["executionForLatestMaterialization"] for check in node["assetChecksOrError"]["checks"]
    ]
    return bool(node["assetMaterializations"]) and all(
        check is not None and check["status"] == "SUCCEEDED" for check in checks
    )


def at_night(world: World) -> None:
    job = world.definitions.resolve_job_def("nightly")
    assert job.execute_in_process(instance=world.instance).success


def test_games_that_are_announced_nowhere_leave_the_graph_green(lasting: World) -> None:
    lasting.finish("NA1_5000000001", participants=[participant("Ann")])
    lasting.finish("NA1_5000000002", participants=[participant("Ann")], minutes_ago=40)
    with lasting.app.database.writing() as session:
        # Somebody asked for a game in which nobody of ours played.
        now = lasting.app.clock.now()
        session.add(
            Match(match_id="NA1_5000000003", state="listed", listed_at=now, next_try_at=now)
        )
    lasting.finish("NA1_5000000003", participants=[participant("Zed")])
    assert lasting.once()["delivered"] == 2
    assert lasting.materialized("deliveries") == {f"NA1_500000000{number}" for number in (1, 2, 3)}
    assert not_green(lasting) == set()


@pytest.mark.parametrize("selected", ["games", "player_stats", "messages"])
def test_whatever_was_selected_all_that_was_worked_out_anew_is_recorded(
    lasting: World, selected: str
) -> None:
    """As "Materialize" does for one asset in Dagster's UI."""
    lasting.add_team("amigos", "Ann")
    match_id = lasting.finish("NA1_5000000001", participants=[participant("Ann")])
    lasting.once()
    job = lasting.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=lasting.instance,
        partition_key=match_id,
        asset_selection=[dg.AssetKey(selected)],
    )
    assert result.success
    for asset in ("games", "player_stats", "messages"):
        (latest,) = lasting.instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
        assert latest.run_id == result.run_id, asset


@pytest.mark.parametrize("selected", ["match_lists", "games", "deliveries"])
def test_the_checks_of_an_asset_are_evaluated_in_the_run_that_materializes_it_alone(
    lasting: World, selected: str
) -> None:
    """As "Materialize" does, which takes an asset's checks along: no step may show as skipped."""
    lasting.add_team("amigos", "Ann")
    match_id = lasting.finish("NA1_5000000001", participants=[participant("Ann")])
    lasting.once()
    job = lasting.definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=lasting.instance,
        partition_key=None if selected == "match_lists" else match_id,
        asset_selection=[dg.AssetKey(selected)],
    )
    assert result.success
    ended = {
        each.step_key: each.event_type
        for each in result.all_node_events
        if each.is_step_success or each.is_step_skipped
    }
    assert set(ended.values()) == {dg.DagsterEventType.STEP_SUCCESS}
    assert len(ended) == 2
    assert "check_assets" in ended
    assert result.get_asset_check_evaluations()


def test_a_delivery_links_to_the_message_by_the_channels_name(lasting: World) -> None:
    lasting.finish("NA1_5000000001", participants=[participant("Ann")])
    lasting.once()
    (latest,) = lasting.instance.fetch_materializations(dg.AssetKey("deliveries"), limit=1).records
    materialization = latest.asset_materialization
    assert materialization is not None
    assert set(materialization.metadata) == {"channels", "link to Gamers"}


def out_of_sync(world: World, match_id: str) -> dict[str, str]:
    """Those of the game's assets that Dagster's UI shows as "Unsynced", with why."""
    assets = ", ".join(
        f'{{path: ["{each}"]}}' for each in ("games", "player_stats", "messages", "deliveries")
    )
    asked = f"""{{assetNodes(assetKeys: [{assets}]) {{
        assetKey {{path}}
        staleStatus(partition: "{match_id}")
        staleCauses(partition: "{match_id}") {{reason}}
    }}}}"""
    return {
        asset: str(node["staleCauses"])
        for asset, node in nodes(world, asked).items()
        if node["staleStatus"] != "FRESH"
    }


def test_a_game_stays_in_sync_whatever_is_listed_after_it(lasting: World) -> None:
    """Dagster's UI would say "Unsynced", redo me: and nothing is to be done about a game because there is
    another one, or because it was processed once more and has nothing new to say.
    """
    lasting.add_team("amigos", "Ann")
    first = lasting.finish("NA1_5000000001", participants=[participant("Ann")])
    lasting.once()
    assert out_of_sync(lasting, first) == {}
    lasting.finish("NA1_5000000002", participants=[participant("Ann")])
    lasting.once()
    assert out_of_sync(lasting, first) == {}
    lasting.finish("NA1_5000000003", participants=[participant("Ann")])
    with lasting.app.database.writing() as session:
        session.execute(update(AccountPoll).values(next_poll_at=lasting.app.clock.now()))
    assert lasting.tick().asset_events, "materialized without a run"
    assert out_of_sync(lasting, first) == {}
    assert lasting.process(first).success
    assert out_of_sync(lasting, first) == {}


def test_a_game_is_out_of_sync_when_the_code_of_its_first_stage_has_changed(
    lasting: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lasting.add_team("amigos", "Ann")
    first = lasting.finish("NA1_5000000001", participants=[participant("Ann")])
    monkeypatch.setitem(CODE_VERSIONS, "games", "former")
    lasting.once()
    assert "code version" in out_of_sync(lasting, first)["games"]


@pytest.mark.sqlite
def test_the_nightly_job_reports_what_no_delivery_run_will(lasting: World) -> None:
    dropped, delivered, waiting, malformed, never = (
        f"NA1_500000000{number}" for number in range(1, 6)
    )
    for match_id in (dropped, delivered, waiting):
        lasting.finish(match_id, participants=[participant("Ann")])
    lasting.finish(malformed, participants=[participant("Ann", deaths="many")])
    lasting.poll()
    with delivering(
        lasting.app.settings.home, lasting.app.database
    ):  # another run, so that this one does not
        assert lasting.run_batch(dropped, delivered, waiting, malformed).success
        assert not lasting.process(malformed).success
    now = lasting.app.clock.now()
    with lasting.app.database.writing() as session:
        ignore(session, malformed, "op", "of no use", now=now)
        session.add(Match(match_id=never, state="not_found", listed_at=now - timedelta(days=2)))
        by_game = {message.subject: message for message in session.scalars(select(Message))}
        by_game[dropped].state, by_game[dropped].due_at = "dropped", None
        # By a run that was killed before it could report it.
        row = by_game[delivered]
        row.state, row.due_at, row.delivered_at = "delivered", None, now
        row.evidence, row.remote_id, row.remote_rev = "response", "1", 1
    lasting.instance.add_dynamic_partitions("match_id", [never])
    at_night(lasting)
    assert lasting.instance.get_dynamic_partitions("match_id") == [dropped, delivered, waiting]
    assert lasting.materialized("deliveries") == {dropped, delivered}
    lasting.check()
    # What waits is not painted over.
    assert not_green(lasting) == {"deliveries"}
    assert lasting.once()["delivered"] == 1
    assert not_green(lasting) == set()

    at_night(lasting)
    shown = lasting.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey("deliveries")), limit=9
    )
    assert len(shown.records) == 3, "each game once"
