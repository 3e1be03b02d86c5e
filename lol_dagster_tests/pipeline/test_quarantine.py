"""What people see of quarantined games, and what they decide about them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from lol_dagster.pipeline import quarantine
from lol_dagster.pipeline.process import CODE_VERSIONS
from lol_dagster.pipeline.quarantine import NotQuarantinedError
from lol_dagster.pipeline.run_requests import latest_progress, request_run
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AuditEntry, Match, Payload, Quarantine, RunRequest
from lol_dagster_tests._support.archived_games import make_quarantined

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
GAME, OTHER, THIRD = "NA1_5000000001", "NA1_5000000002", "NA1_5000000003"


def state_of(database: Database, match_id: str = GAME) -> str:
    with database.reading() as session:
        return session.get_one(Match, match_id).state


def test_the_list_has_what_is_open_or_what_was(any_database: Database) -> None:
    with any_database.writing() as session:
        make_quarantined(session, GAME)
        make_quarantined(session, OTHER, closed_at=NOW, closed_as="processed")
        make_quarantined(session, THIRD)

        def listed(which: quarantine.Which) -> list[str]:
            return [row.match_id for row in quarantine.list_quarantined(session, which)]

        assert listed("open") == [THIRD, GAME]
        assert listed("closed") == [OTHER]
        assert listed("all") == [THIRD, OTHER, GAME]


def test_a_game_is_shown_with_its_payload_its_versions_and_what_came_before(
    any_database: Database,
) -> None:
    with any_database.writing() as session:
        make_quarantined(session, closed_at=NOW, closed_as="processed", error="first")
        session.add(
            Quarantine(
                match_id=GAME,
                stage="messages",
                error="second",
                traceback="",
                code_version="0",
                quarantined_at=NOW,
            )
        )
        session.add(
            Payload(
                match_id=GAME,
                encoding="zlib",
                body=b"",
                sha256="ab" * 32,
                size=12,
                fetched_at=NOW,
            )
        )
    with any_database.reading() as session:
        game = quarantine.show_quarantined(session, GAME)
        assert game.row.error == "second"
        assert [each.error for each in game.earlier] == ["first"]
        assert game.payload is not None
        assert (game.payload.sha256, game.payload.size) == ("ab" * 32, 12)
        assert game.current_code_version == CODE_VERSIONS["messages"]
        assert (game.request, game.decisions) == (None, [])


def test_a_game_that_was_never_quarantined_is_refused(database: Database) -> None:
    with database.writing() as session, pytest.raises(NotQuarantinedError, match="not known"):
        quarantine.show_quarantined(session, GAME)


def test_an_ignored_game_is_not_reported_any_more_and_it_is_known_who_said_so(
    any_database: Database,
) -> None:
    with any_database.writing() as session:
        make_quarantined(session)
        quarantine.ignore(session, GAME, "olga", "nobody played it", now=NOW)
    assert state_of(any_database) == "ignored"
    with any_database.reading() as session:
        assert quarantine.list_quarantined(session) == []
        (row,) = quarantine.list_quarantined(session, "closed")
        assert row.closed_as == "ignored"
        entry = session.scalars(select(AuditEntry)).one()
    assert (entry.who, entry.action, entry.row) == ("olga", "ignored", GAME)
    assert entry.before == {
        "state": "quarantined",
        "stage": "player_stats",
        "error": "BrokenPayload: deaths",
    }
    assert entry.after == {"state": "ignored", "reason": "nobody played it"}


def test_what_was_asked_for_before_it_was_ignored_is_withdrawn(database: Database) -> None:
    with database.writing() as session:
        make_quarantined(session)
        request_run(session, GAME, "op", "test", now=NOW)
        quarantine.ignore(session, GAME, "olga", "", now=NOW)
        found = latest_progress(session, GAME)
    assert found is not None
    assert (found.state, found.detail) == ("failed", "the game was ignored meanwhile")


@pytest.mark.parametrize("state", ["processed", "fetched", "ignored"])
def test_only_a_game_that_is_quarantined_or_not_given_can_be_ignored(
    database: Database, state: str
) -> None:
    with database.writing() as session:
        session.add(Match(match_id=GAME, state=state, listed_at=NOW))
        session.flush()
        with pytest.raises(NotQuarantinedError, match=state.replace("_", " ")):
            quarantine.ignore(session, GAME, "olga", "", now=NOW)
    assert state_of(database) == state


@pytest.mark.parametrize("ignored", [False, True])
def test_a_retry_asks_for_a_run_in_the_name_of_who_wants_it(
    any_database: Database, ignored: bool
) -> None:
    with any_database.writing() as session:
        make_quarantined(session)
        if ignored:
            quarantine.ignore(session, GAME, "olga", "", now=NOW)
        quarantine.retry(session, GAME, "rolf", now=NOW)
        request = session.scalars(select(RunRequest)).one()
        audited = session.scalars(select(AuditEntry).where(AuditEntry.who == "rolf")).one()
    assert (request.match_id, request.requested_by) == (GAME, "rolf")
    assert audited.action == "run requested"


def test_a_processed_game_is_not_retried_but_reprocessed(database: Database) -> None:
    with database.writing() as session:
        session.add(Match(match_id=GAME, state="processed", listed_at=NOW))
        session.flush()
        with pytest.raises(NotQuarantinedError, match="is processed"):
            quarantine.retry(session, GAME, "rolf", now=NOW)


def test_retrying_all_leaves_ignored_games_alone(any_database: Database) -> None:
    with any_database.writing() as session:
        for match_id in (GAME, OTHER, THIRD):
            make_quarantined(session, match_id)
        quarantine.ignore(session, OTHER, "olga", "", now=NOW)
        asked = quarantine.retry_all(session, "rolf", now=NOW)
    assert [request.match_id for request in asked] == [GAME, THIRD]
