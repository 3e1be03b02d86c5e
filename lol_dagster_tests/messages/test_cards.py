"""What a game's card says: as its message does, in fewer words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.orm import Session

from lol_dagster.messages import compose
from lol_dagster.messages.announced_games import load_card
from lol_dagster.messages.compose import AnnouncedGame
from lol_dagster.messages.language import language
from lol_dagster.pictures.card import Card, CardMember, CardPlayer, CardSide
from lol_dagster.stats.ranks import Moved, Rank
from lol_dagster.stats.remarks import Remark
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.roster_rows import make_member, make_team
from lol_dagster_tests.messages.test_compose import arena, game, member


@pytest.fixture
def session(any_database: Database) -> Iterator[Session]:
    with any_database.writing() as session:
        yield session


def compose_card(played: AnnouncedGame, sides: Sequence[CardSide]) -> Card:
    return compose.compose_card(played, sides, language("en"))


GOLD = Rank("GOLD", "II", 45)


def only(card: Card) -> CardMember:
    (found,) = card.members
    return found


def test_a_won_game() -> None:
    sides = (CardSide((CardPlayer("Jinx", 222, is_member=True),), "32"),)
    ann = member("Ann", champion_id=222, is_mvp=True, kill_participation=0.715, cs_per_min=7.75)
    card = compose_card(game(ann, patch="16.9"), sides)
    assert card == Card(
        title="Victory",
        subtitle="Ranked Solo · 32:10",  # 1,930 seconds
        tone="good",
        members=(
            CardMember(
                name="Ann",
                champion="Jinx",
                champion_id=222,
                score="10/2/8",
                facts=("KDA 9.0", "7.8 CS/min", "72% KP"),
                is_mvp=True,
            ),
        ),
        sides=sides,
        patch="16.9",
    )
    assert Card.from_json(card.to_json()) == card


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        (Moved(GOLD, replace(GOLD, league_points=66), 1), ("+21 LP", "Gold II 45 → 66", "good")),
        (Moved(GOLD, replace(GOLD, league_points=46), 1), ("+1 LP", "Gold II 45 → 46", "good")),
        (Moved(GOLD, replace(GOLD, league_points=31), 1), ("−14 LP", "Gold II 45 → 31", "bad")),
        (
            Moved(GOLD, replace(GOLD, league_points=82), 3),
            ("+37 LP over 3 games", "Gold II 45 → 82", "good"),
        ),
        # The first rank of a season came from no other.
        (Moved(Rank(None, None, 0), Rank("GOLD", "IV", 12), 1), ("Gold IV", "12 LP", "neutral")),
    ],
)
def test_how_the_rank_moved(moved: Moved, expected: tuple[str, str, str]) -> None:
    ann = only(compose_card(game(member("Ann", moved=moved)), ()))
    assert (ann.points, ann.standing, ann.points_tone) == expected
    assert not any("LP" in fact for fact in ann.facts)


def test_those_who_won_come_first() -> None:
    lost: dict[str, Any] = {"side": "team-100", "outcome": "loss"}
    card = compose_card(game(member("Ann", **lost), member("Bob", side="team-200")), ())
    assert [each.name for each in card.members] == ["Bob", "Ann"]
    assert (card.title, card.subtitle) == ("Bob against Ann", "Ranked Solo · 32:10")


def test_a_remark_and_a_remake_and_a_place() -> None:
    remark = Remark("penta_kill", 0.002)
    assert only(compose_card(game(member("Ann", remark=remark)), ())).highlight
    remade = compose_card(game(member("Ann", outcome="remake")), ())
    assert (remade.title, only(remade).score, only(remade).facts) == ("Remake", "", ())
    placed = compose_card(game(arena("Ann", 3, 1), queue_name="Arena", mode_family="arena"), ())
    assert placed.title == "3rd place"


def test_in_swarm_the_long_score_stands_among_the_figures() -> None:
    ann = member("Ann", cs=312, deaths=1, is_mvp=True)
    shown = only(compose_card(game(ann, mode_family="swarm"), ()))
    assert (shown.score, shown.facts) == ("", ("312 kills, 1 death",))
    shown = only(compose_card(game(replace(ann, cs=1, deaths=2), mode_family="swarm"), ()))
    assert shown.facts == ("1 kill, 2 deaths",)


def test_everybody_is_on_it_the_members_side_first(any_database: Database) -> None:
    with any_database.writing() as session:
        team, others = make_team(session, "Amigos"), make_team(session, "Others")
        ann, zoe = make_member(session, team, "Ann"), make_member(session, others, "Zoe")
        add_game(
            session, "EUW1_1",
            played(zoe, "Zed", (5, 1, 0)),
            played(ann, "Jinx", (7, 2, 3), team_id=200, champion_id=222, highlights=["penta_kill"]),
        )  # fmt: skip
        add_game(session, "EUW1_0", played(ann))  # where she has the seat that Zoe has in the other
        card = load_card(session, team.id, "EUW1_1")
        assert card is not None
        assert [(side.label, side.players) for side in card.sides] == [
            ("7", (CardPlayer("Jinx", 222, is_member=True),)),
            ("5", (CardPlayer("Zed", 222),)),
        ]
        assert card.patch == "16.15"
        assert only(card).highlight, "a pentakill"
        # As the other team sees it, and as one that had nobody there does.
        theirs = load_card(session, others.id, "EUW1_1")
        assert theirs is not None
        assert [side.label for side in theirs.sides] == ["5", "7"]
        assert load_card(session, make_team(session, "Nobody").id, "EUW1_1") is None
        assert load_card(session, team.id, "EUW1_2") is None


def test_sides_of_a_game_without_kills_have_no_score(session: Session) -> None:
    team = make_team(session)
    add_game(session, "EUW1_1", played(make_member(session, team, "Ann"), "Jinx", (0, 0, 0)))
    card = load_card(session, team.id, "EUW1_1")
    assert card is not None
    assert [side.label for side in card.sides] == [""]


def test_groups_come_by_their_place(session: Session) -> None:
    team = make_team(session)
    places = {"Ann": 3, "Bob": 2, "Cid": 1}
    everybody = [
        played(
            make_member(session, team if name == "Ann" else make_team(session, name), name),
            outcome="placement", placement=place, side=f"subteam-{place}",
        )
        for name, place in places.items()
    ]  # fmt: skip
    add_game(session, "EUW1_1", *everybody, mode_family="arena")
    card = load_card(session, team.id, "EUW1_1")
    assert card is not None
    assert [side.label for side in card.sides] == ["3", "1", "2"], "the members' own first"


def test_a_card_is_in_the_teams_language(session: Session) -> None:
    team = make_team(session, "Freunde", language="de")
    add_game(session, "EUW1_1", played(make_member(session, team, "Ann")))
    card = load_card(session, team.id, "EUW1_1")
    assert card is not None
    assert card.title == "Sieg"
    placed = Moved(Rank(None, None, 0), Rank("SILVER", "I", 12), 5)
    (ann,) = compose.compose_card(game(member("Ann", moved=placed)), (), language("de")).members
    assert (ann.points, ann.standing) == ("Silber I", "12 LP")
    assert "KDA 9,0" in ann.facts
