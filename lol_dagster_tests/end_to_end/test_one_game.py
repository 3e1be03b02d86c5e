"""A game that has just finished becomes one delivered message, through Dagster, on a simulated internet."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from lol_dagster.orchestration.assets import BATCH_TAG
from lol_dagster.orchestration.partitions import admit
from lol_dagster.pipeline.process import CODE_VERSIONS
from lol_dagster.pipeline.run_requests import request_run
from lol_dagster.storage.models import Match, Player, Quarantine
from lol_dagster_tests._support.payloads import ABSENT, participant
from lol_dagster_tests._support.simulated_world import discord_misfits
from lol_dagster_tests._support.world import NOTHING, World


def text_of(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False)


def test_a_game_that_has_just_finished_is_announced_once_to_each_teams_channel(
    world: World,
) -> None:
    world.add_team("Gamers", "Ann", "Bob")
    world.add_team("Rivals", "Cid", kind="slack-bot")
    world.finish(
        "NA1_5000000001",
        participants=[
            participant("Ann", team=100, champion="Jinx", kills=12, deaths=1, assists=7),
            participant("Bob", team=100, champion="Thresh", kills=0, deaths=3, assists=20),
            participant("Cid", team=200, champion="Zed", kills=5, deaths=6, assists=2),
        ],
        winner=100,
    )
    assert world.once() == NOTHING | {
        "discovered": 1,
        "processed": 1,
        "messages": 2,
        "delivered": 2,
    }
    (gamers,) = world.posted("Gamers")
    (rivals,) = world.posted("Rivals")
    # Each team hears of its own people, from its own side.
    assert "Victory" in text_of(gamers)
    assert "12/1/7" in text_of(gamers)
    assert "0/3/20" in text_of(gamers)
    assert "5/6/2" not in text_of(gamers)
    assert "Defeat" in text_of(rivals)
    assert "5/6/2" in text_of(rivals)
    for asset in ("games", "player_stats", "messages", "deliveries"):
        assert world.materialized(asset) == {"NA1_5000000001"}, asset

    # Another cycle sends nothing.
    assert world.once() == NOTHING
    assert len(world.simulator.truth.posted) == 2
    assert world.simulator.truth.events("edited") == []


def test_what_is_sent_to_discord_fits_its_own_description(world: World, shared_dir: Path) -> None:
    world.add_team("Gamers", "Ann")
    match_id = world.finish("NA1_5000000001", participants=[participant("Ann")])
    world.once()
    with world.app.database.writing() as session:
        session.query(Player).one().name = "Anna"
    assert world.process(match_id).success
    assert len(world.edits("Gamers")) == 1
    assert discord_misfits(world.simulator, shared_dir) == []


def test_every_run_is_recorded_and_a_batch_is_one_run(world: World) -> None:
    world.add_team("Gamers", "Ann")
    for number in range(3):
        world.finish(f"NA1_500000000{number}", participants=[participant("Ann")])
    world.once()
    (poll,) = world.runs("poll_match_lists")
    (batch,) = world.runs("process_matches")
    assert not world.runs("deliver_messages"), "the batch has delivered what it wrote"
    assert {run.status for run in (poll, batch)} == {dg.DagsterRunStatus.SUCCESS}
    assert batch.tags[BATCH_TAG] == "true"


def test_a_batch_shows_a_table_of_its_games_in_which_names_are_only_names(world: World) -> None:
    hostile = "[a|b](http://x)<b>"
    world.add_team("Gamers", hostile)
    world.finish("NA1_5000000001", participants=[participant(hostile, champion="Jinx")])
    world.once()
    records = world.instance.fetch_observations(dg.AssetKey("games"), limit=1).records
    (observation,) = [record.asset_observation for record in records]
    assert observation is not None
    table = str(observation.metadata["games"].value)
    head, rule, row = table.splitlines()
    assert rule.count("|") == head.count("|") == 5
    # Four cells: the bar in the name is escaped, and so are what would begin a link or a tag.
    assert row.replace("\\|", "").count("|") == 5
    assert "[" not in row.replace("\\[", "")
    assert "<" not in row.replace("\\<", "")


@pytest.fixture
def malformed(world: World) -> str:
    """A game whose deaths are a word, between two that are well; the batch has been through."""
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", minutes_ago=3, participants=[participant("Ann")])
    world.finish("NA1_5000000002", minutes_ago=2, participants=[participant("Ann", deaths="many")])
    world.finish("NA1_5000000003", minutes_ago=1, participants=[participant("Ann")])
    assert world.once() == NOTHING | {
        "discovered": 3,
        "processed": 2,
        "set_aside": 1,
        "messages": 2,
        "delivered": 2,
    }
    return "NA1_5000000002"


def test_one_malformed_game_stops_only_itself_and_is_seen(world: World, malformed: str) -> None:
    assert len(world.posted("Gamers")) == 2
    assert world.materialized("player_stats") == {"NA1_5000000001", "NA1_5000000003"}
    batch, own = world.runs("process_matches")
    assert batch.status is dg.DagsterRunStatus.SUCCESS
    assert own.status is dg.DagsterRunStatus.FAILURE
    assert own.tags["dagster/partition"] == malformed
    with world.app.database.reading() as session:
        row = session.query(Quarantine).one()
        assert (row.match_id, row.stage, row.closed_at) == (malformed, "player_stats", None)
        assert row.run_id == batch.run_id
        assert row.shown_run_id == own.run_id
        assert "deaths" in row.error
        assert "Traceback" in row.traceback
        match = session.get_one(Match, malformed)
        assert (match.state, match.next_try_at) == ("quarantined", None)


def test_a_malformed_game_is_shown_once_and_not_in_every_cycle(
    world: World, malformed: str
) -> None:
    world.once()
    world.once()
    assert len(world.runs("process_matches")) == 2


def test_when_the_code_is_mended_rematerializing_the_partition_tells_the_game(
    world: World, malformed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payload in the archive stays as Riot gave it; it is our reading that changes."""
    from lol_dagster.stats import record

    as_it_was = record.read_game

    def mended(match_id: str, body: bytes, **how: Any) -> Any:
        return as_it_was(match_id, body.replace(b'"many"', b"4"), **how)

    monkeypatch.setattr(record, "read_game", mended)
    assert world.process(malformed).success
    with world.app.database.reading() as session:
        row = session.query(Quarantine).one()
        assert row.closed_as == "processed"
        assert session.get_one(Match, malformed).state == "processed"
    assert len(world.posted("Gamers")) == 3
    assert malformed in world.materialized("deliveries")


def test_a_new_code_version_tries_a_quarantined_game_again_once(
    world: World, malformed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CODE_VERSIONS, "player_stats", "next")
    world.once()
    world.once()
    # It failed again: that is seen once, in the run of the try, and not tried a second time.
    *_, tried = world.runs("process_matches")
    assert len(world.runs("process_matches")) == 3
    assert tried.status is dg.DagsterRunStatus.FAILURE
    with world.app.database.reading() as session:
        row = session.query(Quarantine).one()
        assert (row.code_version, row.shown_run_id) == ("next", tried.run_id)
        assert row.tries == 3  # in the batch, in the run of its own, and now
    # Another stage's version is none of its business.
    monkeypatch.setitem(CODE_VERSIONS, "messages", "next")
    world.once()
    assert len(world.runs("process_matches")) == 3


def test_a_run_over_a_reversed_range_fails_instead_of_doing_nothing(world: World) -> None:
    """Dagster itself lets such a run succeed over no partition at all."""
    admit(world.instance, ["NA1_5000000001", "NA1_5000000002"])
    result = world.process(
        **{
            "dagster/asset_partition_range_start": "NA1_5000000002",
            "dagster/asset_partition_range_end": "NA1_5000000001",
        }
    )
    assert not result.success


def test_reprocessing_with_the_same_words_makes_no_call(world: World) -> None:
    world.add_team("Gamers", "Ann")
    match_id = world.finish("NA1_5000000001", participants=[participant("Ann")])
    world.once()
    calls = len(world.simulator.truth.calls("discord"))
    assert world.process(match_id).success
    assert world.once() == NOTHING
    assert len(world.simulator.truth.calls("discord")) == calls


def test_reprocessing_with_other_words_edits_the_posted_message(world: World) -> None:
    world.add_team("Gamers", "Ann")
    match_id = world.finish("NA1_5000000001", participants=[participant("Ann")])
    world.once()
    with world.app.database.writing() as session:
        session.query(Player).one().name = "Anna"
    assert world.process(match_id).success
    assert world.once() == NOTHING
    assert len(world.posted("Gamers")) == 1
    (edit,) = world.edits("Gamers")
    assert "Anna" in text_of(edit)


def test_a_game_that_riot_lists_but_does_not_give_yet_is_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_team("Gamers", "Ann")
    match_id = world.finish("NA1_5000000001", participants=[participant("Ann")])
    world.simulator.set_faults("riot.match=404*1")
    assert world.once() == NOTHING | {"discovered": 1}
    in_five_minutes = world.app.clock.now() + timedelta(minutes=5)
    monkeypatch.setattr(world.app.clock, "now", lambda: in_five_minutes)
    assert world.once() == NOTHING | {"processed": 1, "messages": 1, "delivered": 1}
    assert world.materialized("deliveries") == {match_id}


def test_a_game_that_riot_never_gives_is_given_up_after_two_days_and_announced_nowhere(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_team("Gamers", "Ann")
    match_id = world.finish("NA1_5000000001", participants=[participant("Ann")])
    world.simulator.set_faults("riot.match=404")
    begin: datetime = world.app.clock.now()
    given_up = 0
    for hour in range(0, 60, 3):
        at = begin + timedelta(hours=hour)
        monkeypatch.setattr(world.app.clock, "now", lambda at=at: at)
        given_up += world.once()["gone"]
        if hour < 48:
            assert given_up == 0, f"given up after {hour} hours"
    assert given_up == 1
    with world.app.database.reading() as session:
        assert session.get_one(Match, match_id).state == "not_found"


@pytest.mark.parametrize("how", ["Riot lists it", "somebody asks for it"])
def test_a_game_that_was_given_up_is_announced_when_riot_gives_it_after_all(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    world.add_team("Gamers", "Ann")
    match_id = world.finish("NA1_5000000001", participants=[participant("Ann")])
    world.simulator.set_faults("riot.match=404")
    begin: datetime = world.app.clock.now()
    for hours in (0, 48, 73):  # the last is a day's deep look later, and in vain
        monkeypatch.setattr(
            world.app.clock, "now", lambda hours=hours: begin + timedelta(hours=hours)
        )
        assert world.once()["gone"] == (1 if hours == 48 else 0), f"after {hours} hours"
    world.simulator.set_faults("")
    if how == "somebody asks for it":
        with world.app.database.writing() as session:
            request_run(session, match_id, "op", "test", now=world.app.clock.now())
    else:
        monkeypatch.setattr(world.app.clock, "now", lambda: begin + timedelta(hours=98))
    assert world.once()["processed"] == 1
    assert len(world.posted("Gamers")) == 1


def test_a_payload_without_a_game_in_it_is_stored_and_not_announced(world: World) -> None:
    """Riot gives such a placeholder for games that it lost."""
    world.add_team("Gamers", "Ann")
    world.finish("NA1_5000000001", participants=[participant("Ann", challenges=ABSENT)])
    from lol_dagster_tests._support.payloads import empty_payload, puuid_of

    empty = empty_payload("NA1_5000000002", ended_at=world.app.clock.now() - timedelta(minutes=2))
    empty["metadata"]["participants"][0] = puuid_of("Ann")
    world.simulator.add_game(empty)
    assert world.once() == NOTHING | {
        "discovered": 2,
        "processed": 2,
        "messages": 1,
        "delivered": 1,
    }
