"""A game as one team sees it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from lol_dagster.messages.announced_games import load_announced_games, load_course
from lol_dagster.messages.compose import AnnouncedGame, Member
from lol_dagster.stats.course import Course
from lol_dagster.stats.ranks import Moved, Rank
from lol_dagster.storage.models import Membership, PlayerStat, RankChange, RankSnapshot
from lol_dagster_tests._support.message_rows import ENDED, add_game, played
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_member,
    make_membership,
    make_player,
    make_team,
)

SECOND = timedelta(seconds=1)


@pytest.fixture
def session(any_database) -> Iterator[Session]:
    with any_database.writing() as session:
        yield session


def test_a_game_is_loaded_with_all_that_is_said_of_it(session):
    team = make_team(session)
    ann = make_member(session, team, "Ann", game_name="Annie")
    add_game(
        session,
        "EUW1_1",
        played(
            ann, "Vi", (7, 4, 9), team_id=200, cs=150, outcome="placement", placement=3,
            kill_participation=0.5, cs_per_min=5.5, highlights=["penta_kill", "first_blood"],
            extra={"subteams": 6, "ended_over_behaviour": True, "mvp": True},
        ),
        queue_name="Arena",
        mode_family="arena",
        map_id=30,
        duration_s=1000,
    )  # fmt: skip
    assert load_announced_games(session, team.id, {"EUW1_1"}) == [
        AnnouncedGame(
            match_id="EUW1_1",
            queue_name="Arena",
            mode_family="arena",
            ended_at=ENDED,
            duration_s=1000,
            subteams=6,
            ended_over_behaviour=True,
            members=(
                Member(
                    name="Ann",
                    account_name=None,
                    champion="Vi",
                    kills=7,
                    deaths=4,
                    assists=9,
                    cs=150,
                    side="team-200",
                    outcome="placement",
                    placement=3,
                    kda=4.0,  # (7 + 9) / 4
                    kill_participation=0.5,
                    cs_per_min=5.5,
                    is_mvp=True,
                    champion_id=222,
                    participant_id=1,
                ),
            ),
            patch="16.15",
        )
    ]


def test_a_member_comes_with_how_the_game_moved_the_rank_and_with_who_played_against_them(session):
    team = make_team(session)
    ann, bob = make_member(session, team, "Ann"), make_member(session, team, "Bob")
    add_game(session, "EUW1_1", played(ann), played(bob))
    session.execute(update(PlayerStat).filter_by(player_id=ann.id).values(opponent_id=2))
    account = ann.accounts[0]
    ranks = [
        RankSnapshot(
            account_id=account.id, queue_id=420, tier="GOLD", division="II", league_points=points,
            taken_at=ENDED, seen_at=ENDED, wins=1, losses=1,
        )
        for points in (45, 66)
    ]  # fmt: skip
    session.add_all(ranks)
    session.flush()
    before, after = (each.id for each in ranks)
    session.add(RankChange(match_id="EUW1_1", account_id=account.id, before_id=before, after_id=after, games=1))  # fmt: skip
    session.flush()
    ((game,),) = (load_announced_games(session, team.id, {"EUW1_1"}),)
    moved = Moved(Rank("GOLD", "II", 45), Rank("GOLD", "II", 66), 1)
    assert [(each.name, each.moved, each.opponent_id) for each in game.members] == [
        ("Ann", moved, 2),
        ("Bob", None, None),
    ]


def test_of_an_ordinary_game_nothing_more_is_said(session):
    team = make_team(session)
    add_game(session, "EUW1_1", played(make_member(session, team), extra=None))
    (game,) = load_announced_games(session, team.id, {"EUW1_1"})
    assert (game.subteams, game.ended_over_behaviour) == (0, False)


def test_games_come_by_match_id_and_members_in_the_games_own_order(session):
    team = make_team(session)
    ann, bob = make_member(session, team, "Ann"), make_member(session, team, "Bob")
    add_game(session, "EUW1_2", played(bob), played(ann), ended_at=ENDED - timedelta(hours=1))
    # In this one Ann is the second, and the first is in no team.
    carl = make_player(session, "Carl")
    make_account(session, carl)
    add_game(session, "EUW1_1", played(carl), played(ann))
    add_game(session, "EUW1_3", played(ann))
    games = load_announced_games(session, team.id, {"EUW1_1", "EUW1_2"})
    assert [(game.match_id, [each.name for each in game.members]) for game in games] == [
        ("EUW1_1", ["Ann"]),
        ("EUW1_2", ["Bob", "Ann"]),
    ]


def test_only_the_members_of_that_team_and_moment_are_in_it(session):
    team, other = make_team(session, "A"), make_team(session, "B")
    ann, bob = make_member(session, team, "Ann"), make_member(session, other, "Bob")
    add_game(session, "EUW1_1", played(ann), played(bob))
    add_game(session, "EUW1_2", played(bob))
    games = load_announced_games(session, team.id, {"EUW1_1", "EUW1_2"})
    assert [(game.match_id, [each.name for each in game.members]) for game in games] == [
        ("EUW1_1", ["Ann"])
    ]


@pytest.mark.parametrize(
    ("since", "until", "is_in"),
    # [since, until), against the moment at which the game ended
    [
        (ENDED, None, True),
        (ENDED + SECOND, None, False),
        (ENDED - SECOND, ENDED, False),
        (ENDED - SECOND, ENDED + SECOND, True),
    ],
)
def test_a_membership_covers_its_first_moment_and_not_its_last(session, since, until, is_in):
    team = make_team(session)
    ann = make_member(session, team, "Ann")
    session.execute(update(Membership).values(since=since, until=until))
    add_game(session, "EUW1_1", played(ann))
    assert len(load_announced_games(session, team.id, {"EUW1_1"})) == is_in


def test_of_whoever_has_several_accounts_the_one_that_was_played_is_named(session):
    team, other = make_team(session, "A"), make_team(session, "B")
    ann = make_member(session, team, "Ann", game_name="Ann\u202eie")  # as it was stored before
    bob = make_member(session, team, "Bob", game_name="#1 Bob")  # nothing before its first #
    cid = make_member(session, team, "Cid", game_name="Cid")
    for player in (ann, bob):
        make_account(session, player)
    # Of the other team alone: whoever is in it has nothing to do with these names.
    make_account(session, make_member(session, other, "Dora"))
    make_membership(session, other, cid)
    add_game(session, "EUW1_1", played(ann), played(bob), played(cid))
    (game,) = load_announced_games(session, team.id, {"EUW1_1"})
    assert [each.account_name for each in game.members] == ["Annie", "#1 Bob#NA1", None]


def test_a_games_course_comes_with_the_champions_of_that_game(session):
    ann = make_member(session, make_team(session), "Ann")
    course = Course(((0, 0), (60, 5)), {}, {}, None, None, {"team-100": (1,), "team-200": ()})
    add_game(session, "EUW1_1", played(ann, "Jinx"), course=course.to_json())
    add_game(session, "EUW1_2", played(ann, "Ashe"))
    assert load_course(session, "EUW1_1") == (course, {1: "Jinx"})
    assert load_course(session, "EUW1_2") is None
