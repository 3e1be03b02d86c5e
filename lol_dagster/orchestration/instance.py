"""Dagster's instance: created once, alone, with every pool limit set, before anything runs.

Two processes that open a new SQLite home together leave it with two schema heads forever
(dagster-io/dagster#27390), and a pool's `default_limit` is not enforced in the first pass of the
queue that meets the pool. Both are closed here, so every command and service goes through
`prepare_instance` before it starts Dagster.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import dagster as dg

from lol_dagster.errors import UserError
from lol_dagster.monitoring.dagster_files import CURE_OF_DAGSTERS_FILES, damaged_dagster_files
from lol_dagster.orchestration.partitions import ROUTES
from lol_dagster.settings import Settings, ensure_dagster_home
from lol_dagster.storage.file_locks import alone

RIOT_POOL = "riot"
CHANNELS_POOL = "channels"
# Two may talk to Riot: a long batch must not keep the match lists from being asked; the limiter
# is shared by both. One drains the channels: the messages' order is kept that way.
POOL_LIMITS = {RIOT_POOL: 2, CHANNELS_POOL: 1}
_ON_SEVERAL_HOSTS = {RIOT_POOL: 2 * len(ROUTES), CHANNELS_POOL: 1}
"""Two for each of Riot's routes, as each has its own limits. They would be too many for one box."""

_PREPARED_WITHIN = 120.0
"""Seconds; it takes two, and some twenty on a machine that is very busy."""
_SHIPPED_MARK = ".dagster.yaml.shipped"


def prepare_instance(settings: Settings) -> dg.DagsterInstance:
    """Dagster's instance under LOL_HOME, created or opened, with its pool limits set.

    Sets DAGSTER_HOME for this process and its children.

    Raises:
        SettingsError: LOL_HOME, or Dagster's folder in it, cannot be written.
        UserError: another process hangs in here and cannot be ended, or a file of Dagster's is
            damaged.
    """
    home = ensure_dagster_home(settings)
    with alone(settings.home / "dagster.lock", within=_PREPARED_WITHIN, kill=True):
        for file in damaged_dagster_files(settings):
            raise UserError(f"{file} is damaged: {CURE_OF_DAGSTERS_FILES}")
        _place_config(home)
        os.environ["DAGSTER_HOME"] = str(home)
        instance = dg.DagsterInstance.from_config(str(home))
        # Opening is what creates the schemas: touch each of the three storages.
        instance.get_run_records(limit=1)
        instance.all_instigator_state()
        set_pool_limits(instance)
    return instance


def pool_limits(instance: dg.DagsterInstance) -> dict[str, int]:
    """How many runs of each pool may run at once."""
    on_several_hosts = getattr(instance.run_launcher, "on_several_hosts", False)
    return _ON_SEVERAL_HOSTS if on_several_hosts else POOL_LIMITS


def set_pool_limits(instance: dg.DagsterInstance) -> None:
    """Give each pool the limit that `pool_limits` says."""
    storage = instance.event_log_storage
    stored = {limit.name: limit.limit for limit in storage.get_pool_limits()}
    for pool, limit in pool_limits(instance).items():
        if stored.get(pool) != limit:
            storage.set_concurrency_slots(pool, limit)


def shipped_file(name: str) -> Path:
    """`dagster.yaml` or `workspace.yaml` as this version ships it: beside this module in an
    installed wheel, at the top of a checkout.
    """
    installed = Path(__file__).with_name(name)
    return installed if installed.exists() else Path(__file__).parents[2] / name


def _place_config(home: Path) -> None:
    """Put the shipped dagster.yaml in place, unless the operator has changed the one there."""
    shipped = shipped_file("dagster.yaml").read_bytes()
    placed, mark = home / "dagster.yaml", home / _SHIPPED_MARK
    if placed.exists():
        untouched = mark.exists() and mark.read_text() == _digest(placed.read_bytes())
        if not untouched or placed.read_bytes() == shipped:
            return
    mark.write_text(_digest(shipped))
    placed.write_bytes(shipped)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
