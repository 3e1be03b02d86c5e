"""`lol-dagster status`: what it shows; what counts as healthy is in monitoring/test_health.py."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AccountPoll, Breaker, Heartbeat, Match
from lol_dagster_tests._support.commands import as_json, run, said
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team

HOOK = "https://hooks.slack.com/services/T0/B0/very-secret"


def all_well(database: Database) -> datetime:
    """A team with a webhook, and a member whose match list just came."""
    now = datetime.now(UTC)
    with database.writing() as session:
        team = make_team(session)
        make_channel(session, team, "main", kind="slack-webhook", address=HOOK)
        member = make_member(session, team, platform="euw1")
        session.refresh(member)
        (account,) = member.accounts
        session.add(AccountPoll(account_id=account.id, next_poll_at=now, last_good_poll_at=now))
        session.add(Heartbeat(name="daemon", pid=1, started_at=now, at=now))
    return now


def test_all_is_well_and_the_exit_status_says_so(database: Database) -> None:
    now = all_well(database)
    text = said("status")
    assert text.startswith("All is well.\n")
    assert f"euw1      1         {now:%Y-%m-%d %H:%M:%S} UTC" in text


def test_the_same_for_programs(database: Database) -> None:
    now = all_well(database)
    value = as_json("status")
    assert value["healthy"] is True
    assert value["errors"] == []
    (platform,) = value["platforms"]
    assert datetime.fromisoformat(platform["last_good_poll_at"]) == now
    # Every state is there, so that a program can rely on it.
    assert value["games"] == dict.fromkeys(
        ("listed", "fetched", "processed", "quarantined", "ignored", "not_found"), 0
    )
    assert value["messages"]["needs_review"] == 0


def test_what_is_wrong_comes_first_and_the_exit_status_is_1(database: Database) -> None:
    now = all_well(database)
    with database.writing() as session:
        session.add(
            Match(
                match_id="NA1_7",
                listed_at=now - timedelta(hours=3),
                next_try_at=now - timedelta(hours=2),
            )
        )
    result = run("status")
    assert result.exit_code == 1
    assert result.stdout.startswith("! 1 game has been due for over half an hour (NA1_7): ")
    assert f"NA1_7, since {now - timedelta(hours=2):%Y-%m-%d %H:%M} UTC\n" in result.stdout
    value = json.loads(run("status", "--json").stdout)
    assert value["healthy"] is False
    assert len(value["errors"]) == 1
    assert value["checks"]["stuck_game"] == {
        "count": 1, "affected": ["NA1_7"], "severity": "error",
    }  # fmt: skip


def test_no_address_is_shown_even_of_a_blocked_webhook(database: Database) -> None:
    all_well(database)
    with database.writing() as session:
        session.add(Breaker(scope="channel:1", dead=True, reason="no_service"))
    for result in (run("status"), run("status", "--json")):
        assert result.exit_code == 1
        assert "The channel 'main' refuses us (no_service; " in result.stdout
        assert "very-secret" not in result.output
