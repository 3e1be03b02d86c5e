"""The asset checks: green when all is well, and red with the name of what is wrong."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest
from sqlalchemy import select

from lol_dagster.orchestration.runs import delivering
from lol_dagster.storage.models import AccountPoll, Match, Message, MessageAudit, PlayerStat
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World


def evaluate(world: World) -> dict[str, dg.AssetCheckEvaluation]:
    return {each.check_name: each for each in world.check().get_asset_check_evaluations()}


@pytest.fixture
def delivered(world: World) -> World:
    """A world in which one game was announced."""
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann")])
    world.once()
    return world


def test_all_checks_are_green_when_all_is_well(delivered: World) -> None:
    found = evaluate(delivered)
    assert len(found) >= 5
    assert [name for name, each in found.items() if not each.passed] == []


def failed(world: World) -> set[str]:
    return {name for name, each in evaluate(world).items() if not each.passed}


def test_a_game_that_has_been_due_for_an_hour_is_named(delivered: World) -> None:
    with delivered.app.database.writing() as session:
        an_hour_ago = delivered.app.clock.now() - timedelta(hours=1)
        session.add(
            Match(
                match_id="NA1_5000000007",
                state="listed",
                listed_at=an_hour_ago,
                next_try_at=an_hour_ago,
            )
        )
    found = evaluate(delivered)
    assert failed(delivered) == {"no_stuck_game"}
    assert "NA1_5000000007" in str(found["no_stuck_game"].description)


def test_a_quarantined_game_is_named(delivered: World) -> None:
    delivered.finish("NA1_5000000002", participants=[participant("Ann", deaths="many")])
    delivered.once()
    assert failed(delivered) == {"no_quarantined_game"}


def test_a_message_that_waits_for_a_decision_is_named(delivered: World) -> None:
    with delivered.app.database.writing() as session:
        session.query(Message).one().state = "needs_review"
    assert "no_message_needs_review" in failed(delivered)


def test_an_account_that_was_not_polled_for_hours_is_named(delivered: World) -> None:
    later = delivered.app.clock.now() + timedelta(hours=3)
    delivered.app.clock.now = lambda: later
    assert failed(delivered) == {"no_unpolled_account"}


def test_every_run_that_materializes_answers_its_assets_checks(delivered: World) -> None:
    """Dagster's UI counts a check's result only until the asset is materialized again."""
    delivered.finish("NA1_5000000002", participants=[participant("Ann")])
    delivered.poll()
    with delivering(delivered.app.settings.home, delivered.app.database):
        delivered.run_batch("NA1_5000000002")
    delivered.once()
    for job, checks in {
        "poll_match_lists": {"no_unpolled_account"},
        "process_matches": {"no_stuck_game", "no_quarantined_game"},
        "deliver_messages": {"no_unsettled_message", "no_duplicate_message"},
    }.items():
        newest = delivered.runs(job)[-1]
        answered = {
            record.event_log_entry.dagster_event.asset_check_evaluation_data.check_name
            for record in delivered.instance.get_records_for_run(
                newest.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
            ).records
            if record.event_log_entry.dagster_event is not None
        }
        assert checks <= answered, job


def test_games_that_riot_counts_and_does_not_list_are_named(delivered: World) -> None:
    """The match lists leave a ranked game out; the ranks count it."""
    now = delivered.app.clock.now()
    with delivered.app.database.writing() as session:
        # The game that came is hours old, the ranks were last checked an hour ago.
        session.query(PlayerStat).one().ended_at = now - timedelta(hours=3)
        session.query(AccountPoll).one().ranks_checked_at = now - timedelta(minutes=61)

    def failed_after(minutes: float) -> set[str]:
        delivered.app.clock.now = lambda: now + timedelta(minutes=minutes)
        delivered.once()
        return failed(delivered)

    delivered.simulator.set_faults("riot.match-list=lagging(86400)")
    delivered.finish("NA1_5000000002", participants=[participant("Ann")])
    assert failed_after(0) == set()
    assert failed_after(89) == set(), "the list may be delayed"
    assert failed_after(91) == {"no_missing_games"}
    delivered.simulator.set_faults("")
    assert failed_after(92) == set()


def test_a_route_of_riots_that_has_failed_for_minutes_is_named(delivered: World) -> None:
    delivered.simulator.set_faults("riot.match-list=503")
    began = delivered.app.clock.now() + timedelta(minutes=2)
    delivered.app.clock.now = lambda: began
    assert delivered.poll().success
    assert failed(delivered) == set()
    delivered.app.clock.now = lambda: began + timedelta(minutes=5)
    found = evaluate(delivered)
    assert not found["no_route_down"].passed
    assert "americas" in str(found["no_route_down"].description)


def test_the_audit_reads_delivered_messages_back_and_answers_its_check(delivered: World) -> None:
    assert _audit(delivered).success
    with delivered.app.database.writing() as session:
        (audited,) = session.scalars(select(MessageAudit))
        assert audited.finding == "stands"
        # As if an edit that was said to have succeeded had not.
        message = session.get_one(Message, audited.message_id)
        message.desired_rev = message.remote_rev = 2
    assert _audit(delivered).success
    assert failed(delivered) == {"no_audit_failure"}
    assert len(delivered.simulator.truth.posted) == 1


def _audit(world: World) -> dg.ExecuteInProcessResult:
    job = world.definitions.resolve_job_def("audit_messages")
    return job.execute_in_process(instance=world.instance)
