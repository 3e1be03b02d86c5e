"""Asking for a match without talking to Dagster: what is written down, and what can be watched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lol_dagster.pipeline import run_requests
from lol_dagster.pipeline.match import Processed, Started
from lol_dagster.pipeline.records import note_queued, note_run, record
from lol_dagster.pipeline.run_requests import request_run
from lol_dagster.riot.routing import InvalidMatchId
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AuditEntry, Match, RunRequest

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
GAME = "NA1_5000000001"


def ask(session: Session, match_id: str = GAME, **how: str) -> RunRequest:
    return request_run(session, match_id, how.get("who", "op"), how.get("reason", "test"), now=NOW)


def test_whoever_asks_is_written_down_in_the_audit_trail(any_database: Database) -> None:
    with any_database.writing() as session:
        ask(session, who="olga (admin)", reason="reprocess")
        entry = session.scalars(select(AuditEntry)).one()
    assert (entry.who, entry.action, entry.table, entry.row) == (
        "olga (admin)",
        "run requested",
        "matches",
        GAME,
    )
    assert entry.after == {"reason": "reprocess"}


def test_a_match_that_nobodys_list_has_shown_becomes_known(any_database: Database) -> None:
    with any_database.writing() as session:
        ask(session)
    with any_database.reading() as session:
        match = session.get_one(Match, GAME)
        assert (match.state, match.listed_by) == ("listed", None)
        # If no run comes of the request, the ordinary batches have it.
        assert match.next_try_at is not None
        assert match.next_try_at > NOW


def test_what_is_no_match_id_is_refused_before_anything_is_written(database: Database) -> None:
    with database.writing() as session, pytest.raises(InvalidMatchId):
        ask(session, "NA1...")
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Match)) == 0


def test_a_match_that_was_given_up_has_all_of_its_48_hours_again(any_database: Database) -> None:
    with any_database.writing() as session:
        session.add(
            Match(
                match_id=GAME,
                state="not_found",
                listed_at=NOW - timedelta(days=9),
                first_missing_at=NOW - timedelta(days=9),
                tries=11,
            )
        )
        session.flush()
        ask(session)
    with any_database.reading() as session:
        match = session.get_one(Match, GAME)
        assert (match.state, match.tries, match.first_missing_at) == ("listed", 0, None)


@pytest.mark.parametrize("state", ["processed", "quarantined", "ignored"])
def test_what_is_archived_keeps_its_state_until_a_run_starts_with_it(
    database: Database, state: str
) -> None:
    with database.writing() as session:
        session.add(Match(match_id=GAME, state=state, listed_at=NOW))
        session.flush()
        ask(session)
    with database.reading() as session:
        match = session.get_one(Match, GAME)
        assert (match.state, match.next_try_at) == (state, None)


def test_asking_twice_before_a_run_has_begun_is_one_request(any_database: Database) -> None:
    with any_database.writing() as session:
        first = ask(session).id
    with any_database.writing() as session:
        assert ask(session).id == first
        record(session, GAME, Started("run-1", wanted=True), NOW)
    with any_database.writing() as session:
        # The run may have read what it needs before the second was asked for.
        assert ask(session).id != first


def test_a_request_can_be_watched_from_waiting_to_its_outcome(any_database: Database) -> None:
    def seen() -> tuple[str, str | None]:
        with any_database.reading() as session:
            found = run_requests.progress(session, number)
            return found.state, found.run_id

    with any_database.writing() as session:
        number = ask(session).id
    assert seen() == ("waiting", None)
    with any_database.writing() as session:
        note_queued(session, [number], f"request:{number}")
    assert seen() == ("queued", None)
    with any_database.writing() as session:
        note_run(session, [number], "run-1")
    assert seen() == ("queued", "run-1")
    with any_database.writing() as session:
        record(session, GAME, Started("run-1", wanted=True), NOW)
    assert seen() == ("running", "run-1")
    with any_database.writing() as session:
        record(session, GAME, Processed("run-1", "1 message"), NOW)
    assert seen() == ("processed", "run-1")


def test_a_run_completes_only_what_was_requested_before_it_started(
    database: Database,
) -> None:
    with database.writing() as session:
        before = ask(session).id
        record(session, GAME, Started("run-1", wanted=True), NOW)
        after = ask(session).id
        record(session, GAME, Processed("run-1", ""), NOW)
        assert run_requests.progress(session, before).state == "processed"
        assert run_requests.progress(session, after).state == "waiting"
        latest = run_requests.latest_progress(session, GAME)
        assert latest is not None
        assert latest.request_id == after


def test_a_request_that_is_not_there_is_refused_by_its_number(database: Database) -> None:
    with database.reading() as session, pytest.raises(run_requests.UnknownRequestError, match="17"):
        run_requests.progress(session, 17)
