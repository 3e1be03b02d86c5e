"""Metrics and /healthz: each value is what a count of the rows by hand gives."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lol_dagster.monitoring.metrics import healthz, render_metrics
from lol_dagster.riot.key import fingerprint_of, note_key_used
from lol_dagster.settings import Settings, ensure_home, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Alert, Breaker, RateCall, RateWindow
from lol_dagster_tests._support.health_rows import (
    NOW,
    all_well,
    hours_ago,
    is_alive,
    match,
    message,
    minutes_ago,
    polled,
)
from lol_dagster_tests._support.roster_rows import make_channel, make_member

Sample = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-secret")
    settings = load_settings()
    ensure_home(settings)
    return settings


def scrape(database: Database, settings: Settings) -> dict[Sample, float]:
    """Every sample, as Prometheus would read it."""
    text = render_metrics(database, settings, NOW).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(samples: dict[Sample, float], name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_each_value_is_what_the_rows_say(
    any_database: Database, keyed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(total=90 * 10**9, free=7 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    print_ = fingerprint_of(keyed)
    assert print_ is not None
    with any_database.writing() as session:
        is_alive(session)
        channel = all_well(session)  # na1, seen a minute ago
        team = channel.team
        polled(session, make_member(session, team, platform="na1"), minutes_ago(9))
        polled(session, make_member(session, team, platform="kr"), minutes_ago(66))
        second = make_channel(session, team, "second")
        make_channel(session, team, "third", kind="slack-bot")
        match(session, 1, state="quarantined")
        match(session, 2, state="quarantined")
        match(session, 3, state="processed")
        match(session, 4, next_try_at=minutes_ago(31))
        match(session, 5, first_missing_at=hours_ago(1), next_try_at=NOW + timedelta(hours=1))
        message(session, channel, 1, state="needs_review")
        message(session, channel, 2, state="pending", created_at=minutes_ago(7))
        message(session, channel, 3, state="delivered")
        message(session, second, 4, state="uncertain", created_at=hours_ago(26))
        session.add(Breaker(scope=f"channel:{channel.id}", dead=True))
        session.add(Breaker(scope="slack-token", dead=True))
        session.add(Breaker(scope="riot-route:asia", since=minutes_ago(20)))
        session.add(
            Alert(
                key="x", kind="x", title="", text="",
                opened_at=NOW, last_seen_at=NOW, notify_at=None,
            )
        )  # fmt: skip
        note_key_used(session, print_, hours_ago(3))
        note_key_used(session, print_, hours_ago(1))  # it is the first time that counts
        # 3 + 1 calls of the last 120 s, one of them under way; one is older, one of another key.
        at = NOW.timestamp()
        session.add(
            RateWindow(scope=f"{print_}/asia/app", seconds=120, limit=100,
                       calls=[(at - 121, 5), (at - 100, 3)])
        )  # fmt: skip
        session.add(RateCall(token="a", scope=f"{print_}/asia/app", done_at=at + 15))
        session.add(RateWindow(scope="other/asia/app", seconds=120, limit=100))
    samples = scrape(any_database, keyed)
    expected = {
        ("lol_healthy", ()): 0,
        ("lol_alerts_open", ()): 1,
        ("lol_heartbeat_age_seconds", (("part", "daemon"),)): 60,
        ("lol_disk_free_bytes", ()): 7e9,
        ("lol_disk_size_bytes", ()): 90e9,
        ("lol_accounts", (("platform", "na1"),)): 2,
        ("lol_accounts", (("platform", "kr"),)): 1,
        ("lol_last_good_poll_age_seconds", (("platform", "na1"),)): 60,
        ("lol_last_good_poll_age_seconds", (("platform", "kr"),)): 66 * 60,
        ("lol_check_failing", (("check", "unpolled_account"), ("severity", "error"))): 1,
        ("lol_check_failing", (("check", "missing_games"), ("severity", "error"))): 0,
        ("lol_check_failing", (("check", "expiring_key"), ("severity", "warning"))): 0,
        ("lol_riot_route_down_age_seconds", (("route", "asia"),)): 1200,
        ("lol_check_failing", (("check", "refused_key"), ("severity", "error"))): 0,
        ("lol_riot_key_age_seconds", ()): 3 * 3600,
        ("lol_riot_limit_used_ratio",
         (("method", "app"), ("route", "asia"), ("window_seconds", "120"))): 0.04,
        ("lol_games", (("state", "quarantined"),)): 2,
        ("lol_games", (("state", "processed"),)): 1,
        ("lol_games", (("state", "listed"),)): 2,
        ("lol_games", (("state", "not_found"),)): 0,
        ("lol_games_delayed", ()): 1,
        ("lol_check_failing", (("check", "stuck_game"), ("severity", "error"))): 1,
        ("lol_check_failing", (("check", "quarantined_game"), ("severity", "error"))): 2,
        ("lol_oldest_due_game_age_seconds", ()): 31 * 60,
        ("lol_messages", (("state", "needs_review"),)): 1,
        ("lol_messages", (("state", "pending"),)): 1,
        ("lol_messages", (("state", "delivered"),)): 1,
        ("lol_messages", (("state", "uncertain"),)): 1,
        ("lol_messages", (("state", "dropped"),)): 0,
        ("lol_oldest_undelivered_message_age_seconds", ()): 26 * 3600,
        ("lol_check_failing", (("check", "unsettled_message"), ("severity", "error"))): 1,
        ("lol_check_failing", (("check", "duplicate_message"), ("severity", "error"))): 0,
        ("lol_channel_blocked", (("channel", "main"),)): 1,
        ("lol_channel_blocked", (("channel", "second"),)): 0,
        ("lol_token_blocked", (("token", "slack-token"),)): 1,
    }  # fmt: skip
    got = {key: samples.get((key[0], frozenset(key[1]))) for key in expected}
    assert got == expected
    size = of(samples, "lol_database_size_bytes")
    assert size is not None
    assert size > 100_000
    ratios = [labels for name, labels in samples if name == "lol_riot_limit_used_ratio"]
    assert len(ratios) == 1, "the other key's limits are nobody's business any more"


def test_a_new_installation_can_be_scraped(any_database: Database) -> None:
    settings = load_settings()
    ensure_home(settings)
    samples = scrape(any_database, settings)
    assert of(samples, "lol_oldest_due_game_age_seconds") == 0
    assert of(samples, "lol_messages", state="needs_review") == 0
    assert not [name for name, _ in samples if name == "lol_riot_key_age_seconds"]


def test_neither_secrets_nor_people_stand_in_the_metrics(
    database: Database, keyed: Settings
) -> None:
    with database.writing() as session:
        all_well(session)
    text = render_metrics(database, keyed, NOW).decode()
    assert "Faker" not in text
    assert "RGAPI" not in text
    assert (fingerprint_of(keyed) or "?") not in text


def test_healthz_says_ok_or_how_much_is_wrong_and_not_what(
    database: Database, keyed: Settings
) -> None:
    with database.writing() as session:
        is_alive(session)
        channel = all_well(session)
    assert healthz(database, keyed, NOW) == (200, "ok\n")
    with database.writing() as session:
        message(session, channel, state="needs_review")
    status, body = healthz(database, keyed, NOW)
    assert status == 503
    assert body.startswith("errors: 1;")
    assert "00000001" not in body


def test_healthz_answers_when_the_database_does_not(settings: Settings) -> None:
    ensure_home(settings)
    nowhere = Database("postgresql://nobody@127.0.0.1:9/none")
    assert healthz(nowhere, settings, NOW) == (503, "the database does not answer\n")
