"""Which earlier games a remark is measured by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from lol_dagster.messages.announced_games import load_announced_games
from lol_dagster.stats.history import _past_game, remarks_of
from lol_dagster.stats.record import STATS_CODE_VERSION
from lol_dagster.stats.remarks import PastGame
from lol_dagster.storage.models import Game, Player, Team
from lol_dagster_tests._support.message_rows import ENDED, add_game, played
from lol_dagster_tests._support.roster_rows import make_account, make_member, make_team

HOUR = timedelta(hours=1)


@pytest.fixture
def session(any_database) -> Iterator[Session]:
    with any_database.writing() as session:
        yield session


@pytest.fixture
def team(session: Session) -> Team:
    return make_team(session)


@pytest.fixture
def ann(session: Session, team: Team) -> Player:
    ann = make_member(session, team, "Ann")
    make_account(session, ann)
    return ann


def add(session: Session, number: int, *members: dict[str, Any], **said: Any) -> str:
    """The game of that number, one an hour; number 0 is the one that it is about."""
    match_id = f"EUW1_{1000 + number}"
    add_game(
        session, match_id, *members,
        **{"ended_at": ENDED + number * HOUR, "code_version": STATS_CODE_VERSION, **said},
    )  # fmt: skip
    return match_id


def said(session: Session, match_id: str, *players: Player) -> dict[str, tuple[str, int]]:
    """Account → code and number."""
    found = remarks_of(session, match_id, {each.id for each in players})
    names = {account.id: player.name for player in players for account in player.accounts}
    return {names[account]: (each.code, each.number) for account, each in found.items()}


def test_only_games_that_ended_before_count(session: Session, ann: Player) -> None:
    for number in range(-20, 0):
        add(session, number, played(ann, kda=(5, 5, 5), outcome="loss"))
    match_id = add(session, 0, played(ann, kda=(9, 5, 5), outcome="loss"))
    assert said(session, match_id, ann) == {"Ann": ("best_kills", 9)}
    # Better ones that were played later, and one that ended at the same moment under a later id.
    add(session, 1, played(ann, kda=(30, 0, 0)))
    add(session, 1000, played(ann, kda=(30, 0, 0)), ended_at=ENDED)
    assert said(session, match_id, ann) == {"Ann": ("best_kills", 9)}
    # Nor one that was played later under an earlier id.
    add(session, -999, played(ann, kda=(30, 0, 0)), ended_at=ENDED + HOUR)
    assert said(session, match_id, ann) == {"Ann": ("best_kills", 9)}
    # One that ended at the same moment under an earlier id was first.
    add(session, -1000, played(ann, kda=(30, 0, 0)), ended_at=ENDED)
    assert said(session, match_id, ann) == {}


def test_the_history_is_the_players_on_whatever_account(session: Session, ann: Player) -> None:
    for number in range(-20, 0):
        add(session, number, played(ann, kda=(5, 5, 5), account=1, outcome="loss"))
    match_id = add(session, 0, played(ann, kda=(9, 5, 5), outcome="loss"))
    assert said(session, match_id, ann) == {"Ann": ("best_kills", 9)}


def test_games_that_do_not_count_in_form_are_no_measure(session: Session, ann: Player) -> None:
    for number in range(-20, 0):
        add(session, number, played(ann, kda=(5, 5, 5), outcome="loss"))
    add(session, -21, played(ann, kda=(50, 5, 5), outcome="loss"), counts_in_form=False)
    match_id = add(session, 0, played(ann, kda=(9, 5, 5), outcome="loss"))
    assert said(session, match_id, ann) == {"Ann": ("best_kills", 9)}
    session.execute(update(Game).where(Game.match_id == match_id).values(counts_in_form=False))
    assert said(session, match_id, ann) == {}


def test_feats_are_counted_in_games_that_were_recorded_by_todays_code(
    session: Session, ann: Player
) -> None:
    for number in range(-40, -20):
        add(session, number, played(ann, highlights=["triple_kill"], outcome="loss"))
    match_id = add(session, 0, played(ann, highlights=["triple_kill"], outcome="loss"))
    assert said(session, match_id, ann) == {}, "she has one in each game"
    session.execute(update(Game).values(code_version="1"))
    assert said(session, match_id, ann) == {"Ann": ("triple_kill", 0)}, "as rare as with everybody"


def test_two_who_play_together(session: Session, team: Team, ann: Player) -> None:
    bob, zoe = make_member(session, team, "Bob"), make_member(session, team, "Zoe")
    for number in range(-99, 0):
        add(session, number, played(ann, outcome="loss"), played(bob, outcome="loss"))
    match_id = add(session, 0, *(played(each, outcome="loss") for each in (ann, bob, zoe)))
    assert said(session, match_id, ann, bob) == {"Ann": ("games_together", 100)}
    assert said(session, match_id, ann, bob, zoe)["Ann"] == ("games_together", 100)
    (found,) = remarks_of(session, match_id, {ann.id, bob.id}).values()
    assert found.other == "Bob"
    assert said(session, match_id, bob) == {}, "who is alone in the team"


def test_who_plays_with_another_keeps_what_is_remarkable_about_the_own_game(
    session: Session, team: Team, ann: Player
) -> None:
    bob = make_member(session, team, "Bob")
    match_id = add(session, 0, played(ann, highlights=["penta_kill"]), played(bob))
    assert said(session, match_id, ann, bob) == {"Ann": ("penta_kill", 0)}


def test_in_arena_the_upper_half_has_won(session: Session, ann: Player) -> None:
    def place(number: int) -> dict[str, Any]:
        return played(ann, outcome="placement", placement=number, extra={"subteams": 8})

    for number, placed in ((-4, 5), (-3, 4), (-2, 1), (-1, 2)):
        add(session, number, place(placed), mode_family="arena")
    match_id = add(session, 0, place(3), mode_family="arena")
    assert said(session, match_id, ann) == {"Ann": ("win_streak", 4)}


def test_remarks_stand_in_the_message_of_a_game_and_not_where_games_are_listed(
    session: Session, team: Team, ann: Player
) -> None:
    match_id = add(session, 0, played(ann, highlights=["penta_kill"]))
    for with_remarks in (True, False):
        (game,) = load_announced_games(session, team.id, {match_id}, with_remarks=with_remarks)
        (member,) = game.members
        assert (member.remark is not None and member.remark.code == "penta_kill") is with_remarks


def test_who_was_no_member_when_the_game_ended_has_no_part_in_it(
    session: Session, team: Team, ann: Player
) -> None:
    zoe = make_member(session, make_team(session, "Others"), "Zoe")
    match_id = add(session, 0, played(ann), played(zoe, highlights=["penta_kill"]))
    (game,) = load_announced_games(session, team.id, {match_id}, with_remarks=True)
    assert [(each.name, each.remark) for each in game.members] == [("Ann", None)]


ROW = {
    "match_id": "EUW1_1", "ended_at": ENDED, "mode_family": "rift", "counts_in_form": True,
    "code_version": STATS_CODE_VERSION, "side": "team-200", "champion": "Jinx", "outcome": "win",
    "placement": None, "kills": 1, "assists": 2, "damage": 3, "cs": 4, "cs_per_min": 0.0, "vision_score": 5,
    "highlights": ["steal"], "extra": {"behind": 6},
}  # fmt: skip


def test_a_game_is_compared_by_what_its_row_says() -> None:
    assert _past_game(SimpleNamespace(**ROW)) == PastGame(
        match_id="EUW1_1", ended_at=ENDED, mode_family="rift", counts=True, measured=True,
        side="team-200", champion="Jinx", won=True, kills=1, assists=2, damage=3, cs=4, vision=5,
        feats=frozenset({"steal"}), behind=6,
    )  # fmt: skip
    row = {**ROW, "cs_per_min": None, "extra": None, "code_version": "1", "outcome": "loss"}
    other = _past_game(SimpleNamespace(**row))
    # Without lanes, without a timeline, by code that did not know today's feats.
    assert (other.cs, other.behind, other.measured, other.won) == (None, None, False, False)


def test_a_streak_goes_by_when_games_ended_whatever_order_they_were_recorded_in(
    session: Session, ann: Player
) -> None:
    for number, outcome in ((-1, "win"), (-3, "win"), (-2, "win")):
        add(session, number, played(ann, outcome=outcome))
    # Its id is the last of all.
    add(session, 8999, played(ann, outcome="loss"), ended_at=ENDED - 4 * HOUR)
    match_id = add(session, 0, played(ann))
    assert said(session, match_id, ann) == {"Ann": ("win_streak", 4)}
    # Of two that ended in the same moment the one with the earlier id is the earlier one.
    add(session, -5, played(ann), ended_at=ENDED - 4 * HOUR)
    assert said(session, match_id, ann) == {"Ann": ("win_streak", 4)}
