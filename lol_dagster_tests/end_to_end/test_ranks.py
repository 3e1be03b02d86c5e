"""LP on its whole way: the simulated Riot counts a game, and the message that was posted says so."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from sqlalchemy import select

from lol_dagster.riot.resolving import set_puuid
from lol_dagster.simulator.games import Account as SimulatedAccount
from lol_dagster.simulator.ranks import league_entries, moves
from lol_dagster.storage.models import Account, RankChange, RankSnapshot
from lol_dagster_tests._support.payloads import participant, puuid_of
from lol_dagster_tests._support.world import World

GAME = "NA1_5000000002"


def _ranked_name() -> str:
    """Of somebody whom the simulated Riot has placed in solo, far from where ranks decay."""
    for number in range(100):
        name = f"Ann{number}"
        account = SimulatedAccount(puuid_of(name), name, "NA1", "na1")
        entries = [each for each in league_entries(account, [], 0) if each.get("tier")]
        solo = next((e for e in entries if e["queueType"] == "RANKED_SOLO_5x5"), {})
        if solo.get("tier") in {"SILVER", "GOLD", "PLATINUM"}:
            return name
    raise AssertionError("nobody is ranked")


ANN = _ranked_name()


def _rank(world: World, moved: int = 0) -> str:
    """Ann's solo rank as people write it, before any game here and `moved` LP later."""
    account = SimulatedAccount(puuid_of(ANN), ANN, "NA1", "na1")
    first = next(e for e in league_entries(account, [], 0) if e["queueType"] == "RANKED_SOLO_5x5")
    divisions = ["IV", "III", "II", "I"]
    tiers = ["SILVER", "GOLD", "PLATINUM", "EMERALD"]
    points = tiers.index(str(first["tier"])) * 400 + divisions.index(str(first["rank"])) * 100
    points += int(str(first["leaguePoints"])) + moved
    tier, rest = divmod(points, 400)
    return f"{tiers[tier].capitalize()} {divisions[rest // 100]} {rest % 100}"


def _later(world: World, minutes: float) -> None:
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    world.app.clock.now = lambda: at


def _lp(world: World) -> int:
    """What the game has really brought."""
    account = SimulatedAccount(puuid_of(ANN), ANN, "NA1", "na1")
    games = world.simulator.games.played_by(puuid_of(ANN), 1e11)
    return next(each.points for each in moves(account, 420, games, 0) if each.match_id == GAME)


def _words(world: World) -> str:
    points, before, after = _lp(world), _rank(world), _rank(world, _lp(world))
    if before.rsplit(" ", 1)[0] == after.rsplit(" ", 1)[0]:
        return f"{points:+} LP ({before} → {after.rsplit(' ', 1)[1]})".replace("-", "−")
    change = "promoted" if points > 0 else "demoted"
    return f"{points:+} LP ({before} → {after}, {change})".replace("-", "−")


def _begin(world: World, kind: str = "discord-bot") -> None:
    """Ann's rank has been seen, and she has just ended a game."""
    world.simulator.add_account(SimulatedAccount(puuid_of(ANN), ANN, "NA1", "na1"))
    world.add_team("a", ANN, kind=kind)
    world.once()
    world.finish(GAME, minutes_ago=0, participants=[participant(ANN)])


@pytest.mark.parametrize("kind", ["discord-bot", "slack-bot"])
def test_lp_comes_as_an_edit_once(world: World, kind: str) -> None:
    _begin(world, kind)
    for minutes in (1, 2, 3, 4, 70):
        _later(world, minutes)
        world.once()
    (posted,), (edited,) = world.posted("a"), world.edits("a")
    assert " LP " not in json.dumps(posted, ensure_ascii=False), "nothing waits for it"
    assert _words(world) in json.dumps(edited, ensure_ascii=False)
    world.process(GAME)
    world.once()
    assert len(world.edits("a")) == 1, "processing it again says the same"
    (shown,) = world.instance.fetch_materializations(
        dg.AssetRecordsFilter(dg.AssetKey("player_stats"), asset_partitions=[GAME]), limit=1
    ).records
    metadata = shown.asset_materialization.metadata
    assert _words(world) in str(metadata["lines"].value)
    assert f"{_rank(world)} → {_rank(world, _lp(world))}" in str(metadata["ranks"].value)
    with world.app.database.reading() as session:
        (change,) = session.scalars(select(RankChange))
    assert (change.match_id, change.games) == (GAME, 1)


def test_a_rank_that_lags_or_cannot_be_had_delays_no_message(world: World) -> None:
    _begin(world)
    world.simulator.set_faults("riot.league=503")
    _later(world, 1)
    world.once()
    assert len(world.posted("a")) == 1
    world.simulator.set_faults("riot.league=lagging(3600)")
    for minutes in (2, 3, 5, 9):
        _later(world, minutes)
        world.once()
    assert world.edits("a") == []
    world.simulator.set_faults("")
    _later(world, 20)  # asked at 9 minutes, and again after as long
    world.once()
    (edited,) = world.edits("a")
    assert _words(world) in json.dumps(edited, ensure_ascii=False)


def test_a_change_of_the_key_keeps_the_ranks(world: World) -> None:
    """The puuid is another one under another key; the account is the same, and so is its curve."""
    _begin(world)
    with world.app.database.writing() as session:
        account = session.scalars(select(Account)).one()
        key = account.puuid_key
        set_puuid(session, account, "p" * 78, "of another key")
        session.flush()
        set_puuid(session, account, puuid_of(ANN), key)
    for minutes in (1, 2, 3):
        _later(world, minutes)
        world.once()
    (edited,) = world.edits("a")
    assert _words(world) in json.dumps(edited, ensure_ascii=False)


def test_an_entry_that_stood_for_another_account_forgets_its_ranks(world: World) -> None:
    _begin(world)
    with world.app.database.writing() as session:
        account = session.scalars(select(Account)).one()
        assert session.scalars(select(RankSnapshot)).all()
        set_puuid(session, account, "p" * 78, account.puuid_key)
        assert session.scalars(select(RankSnapshot)).all() == []
