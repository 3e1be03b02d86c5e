"""One partition per match id, shared by games, player_stats, messages and deliveries.

The stored order of keys is the order of their insertion, and a range means everything stored
between its ends. So ranges are cut from the stored order alone: a range given the wrong way round
succeeds silently over nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from lol_dagster.riot.routing import (
    REGIONAL_ROUTES,
    UnknownPlatform,
    platform_of,
    regional_route,
    validate_match_id,
)

MATCH_PARTITIONS = dg.DynamicPartitionsDefinition(name="match_id")
_NAME = "match_id"

# Dagster's tags for a run over a range; there is no other way to ask for one from a sensor.
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"

BATCH_TAG = "lol/batch"
"""On runs that the sensor asked for: in these a malformed game is quarantined and the run stays
green. A run of one partition without it (from the UI, or the game's own) fails with the game's
error."""
QUARANTINE_TAG = "lol/quarantined"
"""On the run of its own in which a quarantined game fails for all to see: the stage that fails."""
QUEUE_TAG = "dagster-celery/queue"
"""On runs that need Riot: its route. With workers on several hosts each route has a queue of its own."""
ROUTES = tuple(dict.fromkeys(REGIONAL_ROUTES.values()))
NO_ROUTE = "dagster"
"""Dagster's own name for the queue of whatever has no other."""
NIGHTLY_QUEUE = "nightly"
REQUEST_TAG = "lol/requested"
"""On runs that people asked for: the requests' common run key."""

# Planned events cost some 40 ms a key inside the sensor's tick, which has 60 s in all.
BATCH_LIMIT = 100


def queue_of(match_id: str) -> str:
    """The queue for runs over this match."""
    try:
        return regional_route(platform_of(match_id))
    except UnknownPlatform:
        return NO_ROUTE


def admit(instance: dg.DagsterInstance, match_ids: Sequence[str]) -> None:
    """Make partitions of those match ids that are none yet, all in one call, so that they stand
    next to each other whoever else is adding.

    Raises:
        InvalidMatchId: one is not of Riot's form. Dagster itself would take anything, and some
            characters break its UI.
    """
    if not match_ids:  # nearly every tick: to read all keys costs more than the rest of it
        return
    for match_id in match_ids:
        validate_match_id(match_id)
    known = set(instance.get_dynamic_partitions(_NAME))
    new = [match_id for match_id in dict.fromkeys(match_ids) if match_id not in known]
    if new:
        instance.add_dynamic_partitions(_NAME, new)


def ranges(instance: dg.DagsterInstance, match_ids: Iterable[str]) -> list[tuple[str, ...]]:
    """Cut admitted match ids into ranges that hold them and nothing else, in stored order, each of
    at most `BATCH_LIMIT` keys.
    """
    wanted = set(match_ids)
    found: list[tuple[str, ...]] = []
    current: list[str] = []
    for key in instance.get_dynamic_partitions(_NAME):
        if key in wanted:
            current.append(key)
        if current and (key not in wanted or len(current) == BATCH_LIMIT):
            found.append(tuple(current))
            current = []
    if current:
        found.append(tuple(current))
    return found


def keys_of_run(tags: Mapping[str, str], stored: Sequence[str]) -> Sequence[str]:
    """The keys that a run with these tags is about.

    Args:
        stored: All keys, in stored order.
    """
    if "dagster/partition" in tags:
        return [tags["dagster/partition"]]
    first, last = tags.get(RANGE_START_TAG), tags.get(RANGE_END_TAG)
    if first in stored and last in stored:
        return stored[stored.index(first) : stored.index(last) + 1]
    return []
