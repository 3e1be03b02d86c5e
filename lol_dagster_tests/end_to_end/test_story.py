"""The story of a game on its whole way: its timeline comes, and the message that was posted tells it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select, update

from lol_dagster.explain.game import explain_game
from lol_dagster.storage.models import Channel, Game, PlayerStat, Timeline
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World

GAME = "NA1_5000000002"


def _later(world: World, minutes: float) -> None:
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    world.app.clock.now = lambda: at


def _begin(world: World, kind: str = "discord-bot", *, story: bool = True, **said: Any) -> None:
    """Ann has just ended a game of half an hour."""
    world.add_team("a", "Ann", kind=kind)
    with world.app.database.writing() as session:
        session.execute(update(Channel).values(story=story))
    world.finish(
        GAME, minutes_ago=0, **{"mode": "draft", "participants": [participant("Ann")], **said}
    )


def _words(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False)


def _calls(world: World) -> list[str]:
    calls = world.simulator.truth.calls("riot")
    return [
        each["operation"] for each in calls if each["operation"] in {"riot.match", "riot.timeline"}
    ]


@pytest.mark.parametrize("kind", ["discord-bot", "slack-bot"])
def test_the_story_comes_as_an_edit_once(world: World, kind: str) -> None:
    _begin(world, kind)
    for minutes in (1, 2, 3, 4, 70):
        _later(world, minutes)
        world.once()
    (posted,), (edited,) = world.posted("a"), world.edits("a")
    assert "How it went" not in _words(posted), "nothing waits for it"
    assert "How it went" in _words(edited)
    assert "after 30:00" in _words(edited)
    assert _calls(world) == ["riot.match", "riot.timeline"], "one call a game"
    world.process(GAME)
    world.once()
    assert len(world.edits("a")) == 1, "processing it again says the same"
    with world.app.database.reading() as session:
        stat = session.scalars(select(PlayerStat)).one()
        assert stat.gold_at_15 is not None
        assert stat.gold_lead_at_15 is not None
        gold = f"{stat.gold_at_15:,}"
    (shown,) = world.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey("player_stats"), asset_partitions=[GAME]), limit=1
    ).records
    assert gold in str(shown.asset_materialization.metadata["lines"].value)


def test_without_the_story_no_timeline_is_asked_for(world: World) -> None:
    _begin(world, story=False)
    for minutes in (1, 2, 3):
        _later(world, minutes)
        world.once()
    assert len(world.posted("a")) == 1
    assert _calls(world) == ["riot.match"]


@pytest.mark.parametrize("fault", ["404", "403", "malformed", "lagging(600)"])
def test_a_timeline_that_cannot_be_had_costs_nothing_and_comes_once_it_can(
    world: World, fault: str
) -> None:
    world.simulator.set_faults(f"riot.timeline={fault}")
    _begin(world)
    for minutes in (1, 2):
        _later(world, minutes)
        world.once()
    assert (len(world.posted("a")), world.edits("a")) == (1, [])
    with world.app.database.reading() as session:
        assert session.scalars(select(Timeline.fetched_at)).one() is None
        words = explain_game(
            session, GAME, stale_after=timedelta(hours=12), now=world.app.clock.now()
        ).rows.timeline_in_words
        assert words is not None
        assert words.startswith("asked for at ")
    world.simulator.set_faults("")
    _later(world, 12)  # after a minute, and then after five
    world.once()
    (edited,) = world.edits("a")
    assert "How it went" in _words(edited)


def test_a_game_that_is_not_of_the_rift_has_no_story(world: World) -> None:
    _begin(world, mode="aram")
    for minutes in (1, 2):
        _later(world, minutes)
        world.once()
    assert world.edits("a") == []
    assert _calls(world) == ["riot.match"]
    with world.app.database.reading() as session:
        assert session.scalars(select(Game.course)).one() is None
