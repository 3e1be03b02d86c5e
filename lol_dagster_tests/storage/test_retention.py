"""What is deleted from the product's own database, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import event, func, select, update

from lol_dagster.storage import retention
from lol_dagster.storage.database import Database, assert_no_open_write
from lol_dagster.storage.models import Alert, Attempt, Message, RateCall, RateHold, RateWindow
from lol_dagster.storage.retention import (
    KEEP_ATTEMPTS,
    prune_attempts,
    prune_rate_rows,
    prune_requests_and_alerts,
    refresh_statistics,
)
from lol_dagster_tests._support.roster_rows import make_channel, make_team

NOW = datetime(2026, 8, 1, 4, 15, tzinfo=UTC)
OLD = NOW - KEEP_ATTEMPTS - timedelta(minutes=1)
YOUNG = NOW - KEEP_ATTEMPTS + timedelta(minutes=1)


def add_message(database: Database, state: str, *attempts: tuple[datetime, str | None]) -> None:
    """A message, and its calls: when, and under which id the answer says that it stands."""
    with database.writing() as session:
        channel = make_channel(session, make_team(session))
        message = Message(
            channel_id=channel.id, subject="test", kind="test", order_at=OLD, created_at=OLD,
            content={}, desired_hash="0" * 64, state=state, nonce="nonce",
        )  # fmt: skip
        session.add(message)
        session.flush()
        for fence, (at, remote_id) in enumerate(attempts):
            session.add(
                Attempt(message_id=message.id, fence=fence, op="POST", at=at, remote_id=remote_id)
            )


def count(database: Database, model: type) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_old_calls_of_settled_messages_are_deleted_except_evidence(any_database: Database) -> None:
    add_message(any_database, "delivered", (OLD, None), (OLD, "4711"), (YOUNG, None))
    add_message(any_database, "needs_review", (OLD, None))
    assert prune_attempts(any_database, NOW) == 1
    with any_database.reading() as session:
        left = session.execute(select(Attempt.at, Attempt.remote_id).order_by(Attempt.id)).all()
    assert left == [(OLD, "4711"), (YOUNG, None), (OLD, None)]
    assert prune_attempts(any_database, NOW) == 0


def test_no_transaction_deletes_more_than_a_batch(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a death between two of them leaves whole rows behind, for the next night."""
    add_message(any_database, "delivered", *[(OLD, None)] * 1100)
    batches: list[int] = []
    real = retention._delete

    def counting(session, key, old, found) -> None:
        batches.append(len(found))
        if len(batches) == 2:
            raise KeyboardInterrupt
        real(session, key, old, found)

    monkeypatch.setattr(retention, "_delete", counting)
    with pytest.raises(KeyboardInterrupt):
        prune_attempts(any_database, NOW)
    assert count(any_database, Attempt) == 600
    assert prune_attempts(any_database, NOW) == 600
    assert max(batches) == 500


def test_what_goes_is_looked_for_while_others_may_write_and_nothing_is_passed_twice(
    any_database: Database,
) -> None:
    """Before it may stand a million rows that stay."""
    add_message(any_database, "delivered", *[(OLD, None)] * 1100)
    begins_behind: list[bool] = []

    def watch(*arguments: Any) -> None:
        statement = arguments[2]
        if statement.startswith("SELECT") and "FROM attempts" in statement:
            assert_no_open_write()
            begins_behind.append("attempts.id > " in statement)

    event.listen(any_database.engine, "before_cursor_execute", watch)
    assert prune_attempts(any_database, NOW) == 1100
    assert begins_behind == [False, True, True]


def test_what_is_wanted_again_after_it_was_found_stays(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_message(any_database, "delivered", (OLD, None))
    real = retention._delete

    def changed_meanwhile(session, key, old, found) -> None:
        session.execute(update(Message).values(state="uncertain"))
        real(session, key, old, found)

    monkeypatch.setattr(retention, "_delete", changed_meanwhile)
    prune_attempts(any_database, NOW)
    assert count(any_database, Attempt) == 1


def test_a_step_ends_when_its_time_is_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may take 300 s: where 200 pass each time that the clock is read, there is one batch."""
    add_message(database, "delivered", *[(OLD, None)] * 1100)
    ticking = SimpleNamespace(monotonic=partial(next, iter(range(0, 10_000, 200))))
    monkeypatch.setattr(retention, "time", ticking)
    assert prune_attempts(database, NOW) == 500
    assert count(database, Attempt) == 600


def test_counted_calls_and_rows_of_other_keys_are_deleted(any_database: Database) -> None:
    now, old = NOW.timestamp(), (NOW - timedelta(days=3)).timestamp()
    with any_database.writing() as session:
        session.add(RateCall(token="1", scope="new/na1/app", done_at=now))
        session.add(RateCall(token="2", scope="old/na1/app", done_at=old))
        session.add(RateCall(token="3", scope="other/na1/app", done_at=now))
        for key in ("new", "old", "other"):
            session.add(RateHold(scope=f"{key}/na1/app"))
            for seconds in (1, 120):
                session.add(RateWindow(scope=f"{key}/na1/app", seconds=seconds, limit=20))
    # A call, and of the old key one scope in each of two tables; `other` is in use.
    assert prune_rate_rows(any_database, NOW, key_fingerprint="new") == 3
    with any_database.reading() as session:
        assert set(session.scalars(select(RateCall.token))) == {"1", "3"}
        assert set(session.scalars(select(RateHold.scope))) == {"new/na1/app", "other/na1/app"}
        assert set(session.scalars(select(RateWindow.scope))) == {"new/na1/app", "other/na1/app"}


def test_alerts_that_are_over_are_deleted_and_open_ones_stay(any_database: Database) -> None:
    with any_database.writing() as session:
        for key, ended_at in [("a", None), ("b", NOW), ("c", NOW - timedelta(days=91))]:
            session.add(
                Alert(key=key, kind=key, title="", text="", opened_at=OLD, last_seen_at=OLD,
                      ended_at=ended_at, closed_at=ended_at)
            )  # fmt: skip
    assert prune_requests_and_alerts(any_database, NOW) == 1
    assert count(any_database, Alert) == 2


def test_alerts_that_were_over_before_they_were_announced_are_deleted_too(
    any_database: Database,
) -> None:
    """Without a channel for alerts this is every alert."""
    old = NOW - timedelta(days=91)
    with any_database.writing() as session:
        for key, notified_at, closed_at in [
            ("never announced", None, old),
            ("never announced, lately", None, NOW),
            ("open", None, None),
            ("its end is still to be announced", old, old),
        ]:
            session.add(
                Alert(key=key, kind=key[:24], title="", text="", opened_at=old, last_seen_at=old,
                      notified_at=notified_at, closed_at=closed_at)
            )  # fmt: skip
    assert prune_requests_and_alerts(any_database, NOW) == 1
    with any_database.reading() as session:
        assert set(session.scalars(select(Alert.key))) == {
            "never announced, lately",
            "open",
            "its end is still to be announced",
        }


@pytest.mark.sqlite
def test_the_write_ahead_log_goes_back_into_the_file(database: Database) -> None:
    add_message(database, "delivered", *[(OLD, None)] * 1100)
    log = Path(f"{database.url.database}-wal")
    assert log.stat().st_size > 0
    refresh_statistics(database)
    assert log.stat().st_size == 0
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Attempt)) == 1100
        (analyzed,) = (
            session.connection().exec_driver_sql("SELECT count(*) FROM sqlite_stat1").one()
        )
    assert analyzed > 0


def test_statistics_are_refreshed_on_postgresql_too(postgres_url: str) -> None:
    database = Database(postgres_url)
    add_message(database, "delivered", (OLD, None))
    refresh_statistics(database)
    with database.reading() as session:
        tuples = session.connection().exec_driver_sql(
            "SELECT reltuples FROM pg_class WHERE relname = 'attempts'"
        )
        assert tuples.scalar_one() == 1
    database.dispose()
