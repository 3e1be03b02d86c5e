"""The clock was ahead for a while and was put right: nothing waits for what it had written."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lol_dagster.delivery.model import LONG_AGO
from lol_dagster.monitoring import future
from lol_dagster.monitoring.future import dated_ahead, put_right
from lol_dagster.monitoring.heartbeat import Beat, silence
from lol_dagster.monitoring.housekeeping import is_overdue, last_night, note_night
from lol_dagster.riot.polling import due_accounts, note_polled
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Alert,
    Base,
    Breaker,
    Channel,
    Fact,
    FailedJob,
    Heartbeat,
    Match,
    Message,
    SendBucket,
)
from lol_dagster.storage.types import UtcDateTime
from lol_dagster_tests._support.fake_channels import HandClock
from lol_dagster_tests._support.message_rows import NOW
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team

AHEAD = NOW + timedelta(days=40)
"""What the clock said while it was ahead."""
DAY_AHEAD = NOW + timedelta(days=1, minutes=2)


def account(database: Database) -> Account:
    with database.writing() as session:
        player = make_member(session, make_team(session))
        found: Account = session.scalars(
            select(Account).where(Account.player_id == player.id)
        ).one()
        return found


def beat_at(database: Database, at: datetime) -> None:
    with database.writing() as session:
        session.merge(Heartbeat(name="once", pid=1, started_at=at, at=at))


def message(database: Database, **values: Any) -> str:
    with database.writing() as session:
        channel = make_channel(session, make_team(session))
        row = Message(
            channel_id=channel.id, subject="NA1_1", kind="game", order_at=NOW, created_at=NOW,
            content={}, desired_hash="", nonce="n", **values,
        )  # fmt: skip
        session.add(row)
        session.flush()
        return row.id


# --- what waits ----------------------------------------------------------------------------------


def test_accounts_that_were_polled_by_a_clock_that_was_ahead_are_due_at_once(
    any_database: Database,
) -> None:
    ann = account(any_database)
    with any_database.writing() as session:
        note_polled(session, ann.id, AHEAD, was_deep=True)
    with any_database.reading() as session:
        assert due_accounts(session, NOW) == []
    put_right(any_database, NOW)
    with any_database.reading() as session:
        assert [each.id for each in due_accounts(session, NOW)] == [ann.id]
        poll = session.get_one(AccountPoll, ann.id)
        assert (poll.next_poll_at, poll.last_deep_poll_at) == (NOW, NOW)


def test_a_day_is_found_by_what_was_last_seen_although_something_may_wait_as_long(
    any_database: Database,
) -> None:
    """Slack may want us to wait for a day: only that something was seen tomorrow tells."""
    id_ = message(any_database, due_at=DAY_AHEAD)
    with any_database.writing() as session:
        session.add(SendBucket(scope="channel:1", not_before=DAY_AHEAD))
        session.add(Match(match_id="NA1_1", listed_at=NOW, next_try_at=NOW + timedelta(hours=5)))
    assert put_right(any_database, NOW) == 0
    beat_at(any_database, DAY_AHEAD)
    put_right(any_database, NOW)
    with any_database.reading() as session:
        assert session.get_one(Message, id_).due_at == NOW
        assert session.get_one(SendBucket, "channel:1").not_before == NOW
        assert session.get_one(Match, "NA1_1").next_try_at == NOW
        assert session.get_one(Heartbeat, "once").at == NOW
    assert put_right(any_database, NOW) == 0


@pytest.mark.parametrize(
    "row",
    [
        Breaker(scope="riot-key", open_until=AHEAD),
        SendBucket(scope="channel:1", not_before=AHEAD),
        Match(match_id="NA1_1", listed_at=NOW, next_try_at=AHEAD),
    ],
    ids=lambda row: type(row).__name__,
)
def test_what_waits_for_longer_than_anything_is_made_to_wait_is_due_now(
    database: Database, row: Base
) -> None:
    with database.writing() as session:
        copy = session.merge(row)
        session.flush()
        key = type(row), copy.__mapper__.primary_key_from_instance(copy)
    assert put_right(database, NOW) == 1
    (column,) = [each for each in future.NOT_BEFORE if each.class_ is type(row)]
    with database.reading() as session:
        assert getattr(session.get_one(*key), column.key) == NOW


def test_a_message_that_is_uncertain_since_tomorrow_needs_review_in_time(
    database: Database,
) -> None:
    id_ = message(database, state="uncertain", sent_maybe=True, due_at=NOW, uncertain_since=AHEAD)
    beat_at(database, AHEAD)
    put_right(database, NOW)
    with database.reading() as session:
        assert session.get_one(Message, id_).uncertain_since == NOW


def test_leases_and_settling_on_a_server_clock_that_was_put_back_begin_anew(
    database: Database,
) -> None:
    """PostgreSQL's clock, or the wall's where a system has no other."""
    clock = HandClock("postgresql", at=1000.0)
    day = 86_400.0
    held = message(
        database, state="sending", sent_maybe=True, due_at=DAY_AHEAD, clock="postgresql",
        lease_until=1060.0 + day, settle_until=1040.0 + day, first_sent_at=1000.0 + day,
    )  # fmt: skip
    other = message(
        database, state="sending", due_at=DAY_AHEAD, clock="boot:1", lease_until=1060.0 + day
    )
    put_right(database, NOW, clock=clock)
    beat_at(database, DAY_AHEAD)
    put_right(database, NOW, clock=clock)
    with database.reading() as session:
        row = session.get_one(Message, held)
        assert (row.lease_until, row.settle_until, row.first_sent_at) == (1060.0, 1120.0, LONG_AGO)
        # On another clock nothing can be compared.
        assert session.get_one(Message, other).lease_until == 1060.0 + day


# --- what was last seen ----------------------------------------------------------------------------


def test_a_heartbeat_from_the_future_shows_nothing() -> None:
    beat = Beat("daemon", 1, AHEAD, AHEAD)
    assert not beat.is_fresh(NOW)
    found = silence({"daemon": beat}, NOW)
    assert found is not None
    assert found.of == "everything"


def test_the_nightly_work_of_a_night_to_come_is_done_again(database: Database) -> None:
    with database.writing() as session:
        note_night(session, AHEAD)
        session.merge(Fact(name="last_backup", value={"taken_at": AHEAD.isoformat(), "file": "f"}))
    put_right(database, NOW)
    with database.writing() as session:
        assert last_night(session) == NOW
        assert is_overdue(session, NOW + timedelta(hours=27))
        assert session.get_one(Fact, "last_backup").value == {
            "taken_at": NOW.isoformat(),
            "file": "f",
        }


def test_what_the_restored_database_knows_of_its_backup_stays(database: Database) -> None:
    """Put earlier, what was announced before would not be looked for."""
    value = {"taken_at": AHEAD.isoformat(), "restored_at": AHEAD.isoformat()}
    with database.writing() as session:
        session.add(Fact(name="restored", value=value))
    assert put_right(database, NOW) == 0
    beat_at(database, AHEAD)
    put_right(database, NOW)
    with database.reading() as session:
        assert session.get_one(Fact, "restored").value == value


def test_alerts_and_failed_jobs_of_the_future_count_from_now_on(database: Database) -> None:
    with database.writing() as session:
        session.add(
            Alert(
                key="k", kind="k", title="t", text="t", opened_at=AHEAD, last_seen_at=AHEAD,
                notify_at=AHEAD, notified_at=AHEAD,
            )
        )  # fmt: skip
        session.add(FailedJob(job="nightly", run_id="r", failed_at=AHEAD, since=AHEAD, error="e"))
    put_right(database, NOW)
    with database.reading() as session:
        alert = session.scalars(select(Alert)).one()
        assert (alert.opened_at, alert.notify_at, alert.notified_at) == (NOW, NOW, NOW)
        assert session.get_one(FailedJob, "nightly").failed_at == NOW


def test_clocks_of_several_hosts_may_differ_by_some_minutes(database: Database) -> None:
    account(database)
    beat_at(database, NOW + timedelta(minutes=4))
    with database.reading() as session:
        assert list(dated_ahead(session, NOW)) == []
    assert put_right(database, NOW) == 0


def test_what_people_entered_in_the_future_is_shown_and_left_to_them(database: Database) -> None:
    account(database)
    with database.writing() as session:
        make_channel(session, make_team(session), created_at=AHEAD)
    assert put_right(database, NOW) == 0
    with database.reading() as session:
        assert list(dated_ahead(session, NOW)) == [("channels.created_at", AHEAD)]
        assert session.scalars(select(Channel)).one().created_at == AHEAD


# --- every column of times -----------------------------------------------------------------------

OTHER_TIMES = {
    # Of the delivery protocol, which has an event for it.
    "messages.due_at", "messages.uncertain_since",
    # Riot's.
    "games.started_at", "games.ended_at", "player_stats.ended_at", "messages.order_at",
    "account_polls.last_played_at", "account_polls.missing_games_from",
    # History: nothing that is to be done depends on it.
    "attempts.at", "message_audits.at", "audit_entries.at", "messages.created_at",
    "messages.delivered_at", "matches.listed_at", "matches.processed_at", "payloads.fetched_at",
    "timelines.fetched_at",
    "quarantine.quarantined_at", "quarantine.closed_at", "run_requests.requested_at",
    "run_requests.started_at", "run_requests.finished_at", "channel_probes.probed_at",
    "teams.created_at", "teams.removed_at", "players.created_at", "channels.removed_at",
    # May well lie ahead.
    "memberships.until", "account_polls.former_platform_until",
}  # fmt: skip


def test_every_column_of_times_is_known_to_be_put_right_shown_or_harmless() -> None:
    known = {
        f"{column.class_.__tablename__}.{column.key}"
        for column in (
            *future.NOT_BEFORE,
            *future.LAST_SEEN,
            *future.PUT_RIGHT_WITH_THEM,
            *future.LEFT_TO_PEOPLE,
        )
    }
    there = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, UtcDateTime)
    }
    assert there - known - OTHER_TIMES == set()
    assert known & OTHER_TIMES == set()
