"""`/healthz` and `/metrics`, as plain functions: whoever serves them brings the database.

Everything is read when it is asked for; no process counts anything by itself. Labels hold names of
checks, platforms, routes, channels and states, never of players, and no secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from lol_dagster.delivery.scopes import channel_of
from lol_dagster.monitoring.checks import result_of
from lol_dagster.monitoring.health import Health, Oldest, read_health
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Channel

METRICS_CONTENT_TYPE = CONTENT_TYPE_LATEST


def healthz(database: Database, settings: Settings, now: datetime) -> tuple[int, str]:
    """Status and body for whoever only asks whether all is well: 200, or 503 with how much is wrong.

    Anybody may ask: what is wrong is for `lol-dagster status` to say.
    """
    try:
        with database.reading() as session:
            errors = read_health(session, now, settings).errors
    except DBAPIError:
        return 503, "the database does not answer\n"
    if not errors:
        return 200, "ok\n"
    return 503, f"errors: {len(errors)}; 'lol-dagster status' names them\n"


def render_metrics(database: Database, settings: Settings, now: datetime) -> bytes:
    """All metrics in Prometheus' text form, of the type `METRICS_CONTENT_TYPE`.

    Raises:
        DBAPIError: the database does not answer.
    """
    with database.reading() as session:
        health = read_health(session, now, settings)
        channels = session.scalars(
            select(Channel.name).where(Channel.removed_at.is_(None)).order_by(Channel.id)
        ).all()
    return generate_latest(_HealthCollector(health, channels))


@dataclass(frozen=True)
class _HealthCollector(Collector):
    health: Health
    channels: Sequence[str]

    def collect(self) -> Iterator[Metric]:
        health = self.health
        yield _plain("lol_healthy", "1 if `status` says that all is well, else 0.", health.healthy)
        failing = GaugeMetricFamily(
            "lol_check_failing",
            "How many games, messages, channels, … fail the check; 0 if it passes.",
            labels=("check", "severity"),
        )
        for result in health.checks:
            if "metrics" not in result.check.left_out:
                failing.add_metric((result.check.id, result.check.severity), result.count)
        yield failing
        blocked = {
            each.name
            for check_id in ("refused_channel", "silent_channel")
            for each in result_of(health.checks, check_id).affected
            if (scope := channel_of(each.id)) is not None and scope[1] == "post"
        }
        yield _labelled(
            "lol_channel_blocked",
            "1 while a channel cannot be used, as it refuses us or does not answer.",
            "channel",
            {name: name in blocked for name in self.channels},
        )
        yield _labelled(
            "lol_token_blocked",
            "1 while a token is refused; absent otherwise.",
            "token",
            {each.id: 1 for each in result_of(health.checks, "refused_token").affected},
        )
        yield _labelled(
            "lol_riot_route_down_age_seconds",
            "Since when a route of Riot's has given no match list; absent while it does.",
            "route",
            {
                each.id: _age(each.since, health)
                for each in result_of(health.checks, "route_down").affected
                if each.since is not None
            },
        )
        yield _labelled(
            "lol_build_info", "The version that is running.", "version", {version("lol-dagster"): 1}
        )
        yield _plain("lol_alerts_open", "Alerts that are not over.", health.alerts_open)
        yield _labelled(
            "lol_heartbeat_age_seconds",
            "Since the last heartbeat of a part.",
            "part",
            {part: _age(beat.at, health) for part, beat in health.heartbeats.items()},
        )
        yield _plain("lol_disk_free_bytes", "Free space where LOL_HOME is.", health.disk.free)
        yield _plain(
            "lol_disk_size_bytes", "Size of the disk where LOL_HOME is.", health.disk.total
        )
        yield _plain("lol_database_size_bytes", "Size of the database.", health.disk.database)
        yield _labelled(
            "lol_accounts",
            "Accounts of players who are in a team.",
            "platform",
            {each.platform: each.accounts for each in health.platforms},
        )
        yield _labelled(
            "lol_last_good_poll_age_seconds",
            "Since Riot last gave a match list of any account of the platform; absent if it never has.",
            "platform",
            {
                each.platform: _age(each.last_good_poll_at, health)
                for each in health.platforms
                if each.last_good_poll_at is not None
            },
        )
        if health.riot_key is not None and health.riot_key.first_used_at is not None:
            yield _plain(
                "lol_riot_key_age_seconds",
                "Since Riot first accepted the key.",
                _age(health.riot_key.first_used_at, health),
            )
        used = GaugeMetricFamily(
            "lol_riot_limit_used_ratio",
            "Share of a rate limit of Riot's that is used up, 0 to 1.",
            labels=("route", "method", "window_seconds"),
        )
        for use in health.riot_limits:
            used.add_metric((use.route, use.method, str(use.seconds)), use.share)
        yield used
        yield _labelled("lol_games", "Match ids by state.", "state", health.games)
        yield _plain(
            "lol_games_delayed",
            "Games that Riot lists and does not give yet.",
            health.delayed_games,
        )
        yield _plain(
            "lol_oldest_due_game_age_seconds",
            "How long the game that has waited longest has been due; 0 if none is.",
            _waited(health.oldest_due_game, health),
        )
        yield _labelled("lol_messages", "Messages by state.", "state", health.messages)
        yield _plain(
            "lol_oldest_undelivered_message_age_seconds",
            "Since the oldest undelivered message was written; 0 if there is none.",
            _waited(health.oldest_undelivered_message, health),
        )


def _plain(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value=float(value))


def _labelled(name: str, says: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), float(value))
    return family


def _age(at: datetime, health: Health) -> float:
    return (health.checked_at - at).total_seconds()


def _waited(oldest: Oldest | None, health: Health) -> float:
    return 0.0 if oldest is None else _age(oldest.since, health)
