"""The traps that make a first Dagster set-up quietly wrong."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.run_request import InstigatorType

from lol_dagster.errors import UserError
from lol_dagster.orchestration.instance import (
    POOL_LIMITS,
    prepare_instance,
    shipped_file,
)
from lol_dagster.settings import Settings

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> dg.DagsterInstance:
    """A fresh home, made once for the tests that only read it."""
    home = tmp_path_factory.mktemp("instance")
    return prepare_instance(Settings(home=home))


def test_every_pool_has_its_limit_before_the_first_run(instance: dg.DagsterInstance) -> None:
    """`default_limit` is not enforced in the first pass of the queue that meets a pool, so two
    runs of a pool of one would start together; only a limit that is already stored holds."""
    stored = {limit.name: limit.limit for limit in instance.event_log_storage.get_pool_limits()}
    assert stored == POOL_LIMITS


def test_every_pool_that_an_asset_uses_has_a_limit() -> None:
    from lol_dagster.definitions import defs

    used = {
        pool
        for node in defs.resolve_all_job_defs()
        for op in node.all_node_defs
        if (pool := getattr(op, "pool", None))
    }
    assert used
    assert used <= set(POOL_LIMITS)


def test_a_changed_limit_reaches_an_instance_that_stands(settings: Settings) -> None:
    prepare_instance(settings).event_log_storage.set_concurrency_slots("riot", 9)
    stored = prepare_instance(settings).event_log_storage.get_pool_limits()
    assert {limit.name: limit.limit for limit in stored}["riot"] == POOL_LIMITS["riot"]


@pytest.mark.parametrize("name", ["runs.db", "runs/index.db", "schedules/schedules.db"])
@pytest.mark.parametrize("at", [44, 4096], ids=["header", "page"])
def test_a_damaged_file_is_named_with_the_cure_and_the_cure_helps(
    settings: Settings, name: str, at: int
) -> None:
    prepare_instance(settings).dispose()
    (file,) = settings.dagster_home.rglob(Path(name).name)
    whole = file.read_bytes()
    # From the number of the format on, or only a page in the middle of a table.
    file.write_bytes(whole[:at] + b"\xff" * 4096 + whole[at + 4096 :])
    with pytest.raises(UserError) as caught:
        prepare_instance(settings)
    assert str(caught.value).startswith(f"{file} is damaged: end everything, move the folder")
    assert "\n" not in str(caught.value)

    settings.dagster_home.rename(settings.home / "dagster-damaged")
    assert prepare_instance(settings).get_run_records(limit=1) == []


def test_a_home_opened_by_several_processes_at_once_has_one_schema_head(
    settings: Settings,
) -> None:
    """Two processes that open a new SQLite home together leave two heads in alembic_version."""
    code = (
        "from lol_dagster.settings import load_settings\n"
        "from lol_dagster.orchestration.instance import prepare_instance\n"
        "prepare_instance(load_settings())"
    )
    processes = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [process.communicate()[1] for process in processes] == [b"", b"", b""]
    import sqlite3

    for name in ("runs.db", "schedules/schedules.db", "runs/index.db"):
        (file,) = settings.dagster_home.rglob(Path(name).name)
        with sqlite3.connect(file) as connection:
            heads = connection.execute("SELECT count(*) FROM alembic_version").fetchone()
        connection.close()
        assert heads == (1,), f"{name} has {heads[0]} schema heads"


def test_monitoring_and_retries_are_on_and_retry_lost_workers_only(
    instance: dg.DagsterInstance,
) -> None:
    """Both are off by default, and then a killed run holds its place in the queue forever; and
    a failed op is our own verdict, not to be repeated."""
    assert instance.run_monitoring_enabled
    assert instance.run_monitoring_max_runtime_seconds == 900
    assert instance.run_retries_enabled
    assert instance.run_retries_retry_on_asset_or_op_failure is False


def test_pools_are_counted_by_run_so_that_no_slot_can_leak(instance: dg.DagsterInstance) -> None:
    config = instance.get_concurrency_config()
    assert config.pool_config.pool_granularity == dg._core.instance.config.PoolGranularity.RUN


def test_no_tick_looks_for_old_ticks(instance: dg.DagsterInstance) -> None:
    """Which costs more than the tick itself: the nightly job does it."""
    for kind in (InstigatorType.SENSOR, InstigatorType.SCHEDULE):
        assert set(instance.get_tick_retention_settings(kind).values()) == {-1}


def test_telemetry_and_nags_are_off(instance: dg.DagsterInstance) -> None:
    assert instance.telemetry_enabled is False
    assert instance.nux_enabled is False


def test_all_of_dagsters_files_stand_under_the_home(settings: Settings, tmp_path: Path) -> None:
    before = set(tmp_path.rglob("*"))
    prepare_instance(settings)
    new = set(tmp_path.rglob("*")) - before
    assert new
    assert all(path.is_relative_to(settings.home) for path in new)


def test_no_tool_block_overrides_workspace_yaml() -> None:
    """A [tool.dagster] or [tool.dg] in pyproject.toml wins over workspace.yaml, silently."""
    tools = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]
    assert not {"dagster", "dg"} & set(tools)


def test_workspace_yaml_loads_the_definitions() -> None:
    workspace = yaml.safe_load(shipped_file("workspace.yaml").read_text())
    (location,) = workspace["load_from"]
    assert location["python_module"]["module_name"] == "lol_dagster.definitions"


def test_an_updated_dagster_yaml_replaces_the_shipped_one_but_never_an_edited_one(
    settings: Settings,
) -> None:
    prepare_instance(settings)
    placed = settings.dagster_home / "dagster.yaml"
    mark = settings.dagster_home / ".dagster.yaml.shipped"
    shipped = placed.read_bytes()

    # As an older version left it: its file, and the mark that it is unedited.
    import hashlib

    placed.write_text("telemetry: {enabled: false}\n")
    mark.write_text(hashlib.sha256(placed.read_bytes()).hexdigest())
    prepare_instance(settings)
    assert placed.read_bytes() == shipped

    edited = shipped + b"\n# mine\n"
    placed.write_bytes(edited)
    prepare_instance(settings)
    assert placed.read_bytes() == edited


def test_every_job_ends_by_itself() -> None:
    """Whatever jobs there are. A night's work is given an hour, everything else a quarter of one;
    what people materialize by hand in the UI has dagster.yaml's limit, of another test here."""
    from lol_dagster.definitions import defs

    limits = {
        job.name: int(job.tags.get("dagster/max_runtime", 0))
        for job in defs.resolve_all_job_defs()
        if not job.name.startswith("__")
    }
    assert limits.pop("nightly") == 3600
    assert limits
    assert {name for name, seconds in limits.items() if not 0 < seconds <= 900} == set()
