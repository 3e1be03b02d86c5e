"""The asset checks: green when all is well, and red with the name of what is wrong."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest
from sqlalchemy import select

from lol_dagster.storage.models import AccountPoll, Match, Message, MessageAudit, PlayerStat
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World


def evaluate(world: World) -> dict[str, dg.AssetCheckEvaluation]:
    return {each.check_name: each for each in world.check().get_asset_check_evaluations()}


@pytest.fixture
def told(world: World) -> World:
    """A world in which one game was told."""
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann")])
    world.once()
    return world


def test_all_checks_are_green_when_all_is_well(told: World) -> None:
    found = evaluate(told)
    assert len(found) >= 5
    assert [name for name, each in found.items() if not each.passed] == []


def failed(world: World) -> set[str]:
    return {name for name, each in evaluate(world).items() if not each.passed}


def test_a_game_that_has_been_due_for_an_hour_is_named(told: World) -> None:
    with told.app.database.writing() as session:
        an_hour_ago = told.app.clock.now() - timedelta(hours=1)
        session.add(
            Match(
                match_id="NA1_5000000007",
                state="listed",
                listed_at=an_hour_ago,
                next_try_at=an_hour_ago,
            )
        )
    found = evaluate(told)
    assert failed(told) == {"every_game_accounted_for"}
    assert "NA1_5000000007" in str(found["every_game_accounted_for"].description)


def test_a_set_aside_game_is_named(told: World) -> None:
    told.finish("NA1_5000000002", participants=[participant("Ann", deaths="many")])
    told.once()
    assert failed(told) == {"no_game_quarantined"}


def test_a_message_that_waits_for_a_decision_is_named(told: World) -> None:
    with told.app.database.writing() as session:
        session.query(Message).one().state = "needs_review"
    assert "no_message_needs_review" in failed(told)


def test_an_account_that_has_not_been_asked_about_for_hours_is_named(told: World) -> None:
    later = told.app.clock.now() + timedelta(hours=3)
    told.app.clock.now = lambda: later
    assert failed(told) == {"every_account_polled_lately"}


def test_every_run_that_materializes_answers_its_assets_checks(told: World) -> None:
    """Dagster's UI counts a check's result only until the asset is materialized again."""
    told.finish("NA1_5000000002", participants=[participant("Ann")])
    told.once()
    for job, checks in {
        "poll_match_lists": {"every_account_polled_lately"},
        "process_matches": {"every_game_accounted_for", "no_game_quarantined"},
        "deliver_messages": {"every_message_settled", "no_duplicate_message"},
    }.items():
        newest = told.runs(job)[-1]
        answered = {
            record.event_log_entry.dagster_event.asset_check_evaluation_data.check_name
            for record in told.instance.get_records_for_run(
                newest.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
            ).records
            if record.event_log_entry.dagster_event is not None
        }
        assert checks <= answered, job


def test_games_that_riot_counts_and_does_not_list_are_named(told: World) -> None:
    """The match lists leave a ranked game out; the profile and the ranks tell of it."""
    now = told.app.clock.now()
    with told.app.database.writing() as session:
        # The game that was seen is hours old, the profile was last looked at an hour ago.
        session.query(PlayerStat).one().ended_at = now - timedelta(hours=3)
        session.query(AccountPoll).one().profile_checked_at = now - timedelta(minutes=61)

    def look(minutes: float) -> set[str]:
        told.app.clock.now = lambda: now + timedelta(minutes=minutes)
        told.once()
        return failed(told)

    told.simulator.set_faults("riot.match-list=lagging(86400)")
    told.finish("NA1_5000000002", participants=[participant("Ann")])
    assert look(0) == set()
    assert look(89) == set(), "the list may be late"
    assert look(91) == {"games_can_be_seen"}
    told.simulator.set_faults("")
    assert look(92) == set()


def test_a_route_of_riots_that_has_failed_for_minutes_is_named(told: World) -> None:
    told.simulator.set_faults("riot.match-list=503")
    began = told.app.clock.now() + timedelta(minutes=2)
    told.app.clock.now = lambda: began
    assert told.poll().success
    assert failed(told) == set()
    told.app.clock.now = lambda: began + timedelta(minutes=5)
    found = evaluate(told)
    assert not found["riot_answers"].passed
    assert "americas" in str(found["riot_answers"].description)


def test_the_audit_looks_told_messages_up_and_answers_its_check(told: World) -> None:
    assert _audit(told).success
    with told.app.database.writing() as session:
        (audited,) = session.scalars(select(MessageAudit))
        assert audited.finding == "stands"
        # As if an edit that we were told had succeeded had not.
        message = session.get_one(Message, audited.message_id)
        message.desired_rev = message.remote_rev = 2
    assert _audit(told).success
    assert failed(told) == {"delivered_messages_stand_once"}
    assert len(told.simulator.truth.posted) == 1


def _audit(world: World) -> dg.ExecuteInProcessResult:
    job = world.definitions.resolve_job_def("audit_messages")
    return job.execute_in_process(instance=world.instance)
