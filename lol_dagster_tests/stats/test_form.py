"""How a player has been doing, against hand-made rows and against a plain-Python oracle."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from lol_dagster.stats.form import (
    ChampionForm,
    Form,
    form,
    game_table,
    last_games,
    streak,
    summarize,
)
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Game, Match, Participant, PlayerStat
from lol_dagster_tests._support.roster_rows import make_account, make_player

NOON = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Played:
    """One of a player's games; `minute` after noon it ended."""

    minute: int
    outcome: str = "win"
    placement: int | None = None
    subteams: int | None = None
    champion: str = "Jinx"
    kills: int = 4
    deaths: int = 2
    assists: int = 6
    cs_per_min: float | None = 7.0
    participation: float | None = 0.5
    family: str = "rift"
    counts: bool = True
    account: int = 1
    match_id: str | None = None


def add_player(session: Session, name: str, *accounts: int) -> int:
    player = make_player(session, name)
    for number in accounts:
        make_account(session, player, id=number)
    return player.id


def add_game(session: Session, player_id: int, played: Played, *, participant_id: int = 1) -> str:
    match_id = played.match_id or f"NA1_{5_000_000_000 + played.minute}"
    ended_at = NOON + timedelta(minutes=played.minute)
    if session.get(Match, match_id) is None:
        session.add(Match(match_id=match_id, state="processed", listed_at=ended_at))
        session.add(
            Game(
                match_id=match_id, platform="na1", queue_id=420, queue_name="Ranked Solo",
                game_mode="CLASSIC", game_type="MATCHED_GAME", mode_family=played.family, map_id=11,
                game_version="16.15.1", result="remake" if played.outcome == "remake" else "played",
                started_at=ended_at, ended_at=ended_at, duration_s=1800,
                counts_in_form=played.counts, code_version="1", payload_sha256="0" * 64,
            )
        )  # fmt: skip
    session.add(
        Participant(
            match_id=match_id, participant_id=participant_id, puuid=f"puuid-{played.account}",
            is_bot=False, display_name="whoever", team_id=100, subteam_id=None, side="team-100",
            outcome=played.outcome, placement=played.placement, champion_id=222,
            champion=played.champion, position=None, champ_level=16, kills=played.kills,
            deaths=played.deaths, assists=played.assists, cs=200, gold=10_000, damage=15_000,
            vision_score=20, time_played_s=1800, double_kills=0, triple_kills=0, quadra_kills=0,
            penta_kills=0, first_blood=False,
        )
    )  # fmt: skip
    session.add(
        PlayerStat(
            match_id=match_id, account_id=played.account, player_id=player_id,
            participant_id=participant_id, ended_at=ended_at, kda=5.0,
            kill_participation=played.participation, cs_per_min=played.cs_per_min,
            gold_per_min=333.3, damage_share=0.2, highlights=[],
            extra={"subteams": played.subteams} if played.subteams else None,
        )
    )  # fmt: skip
    session.flush()
    return match_id


def form_of(database: Database, *games: Played, until_minute: int = 1000) -> Form:
    with database.writing() as session:
        player_id = add_player(session, "Ann", 1, 2)
        for played in games:
            add_game(session, player_id, played)
    with database.reading() as session:
        return form(session, player_id, until=NOON + timedelta(minutes=until_minute))


def test_nobody_has_a_form_without_games(database: Database) -> None:
    assert form_of(database) == Form(
        games=0,
        wins=0,
        losses=0,
        win_rate=None,
        streak=0,
        kda=None,
        cs_per_min=None,
        kill_participation=None,
        best_champion=None,
        recent="",
    )


def test_form_sums_up_the_last_games(database: Database) -> None:
    assert form_of(
        database,
        Played(
            1,
            "loss",
            champion="Lux",
            kills=0,
            deaths=10,
            assists=5,
            cs_per_min=5.0,
            participation=0.25,
        ),
        Played(
            2,
            "win",
            champion="Jinx",
            kills=10,
            deaths=0,
            assists=5,
            cs_per_min=8.0,
            participation=0.75,
        ),
        Played(
            3,
            "win",
            champion="Jinx",
            kills=5,
            deaths=5,
            assists=5,
            cs_per_min=8.0,
            participation=None,
        ),
    ) == Form(
        games=3,
        wins=2,
        losses=1,
        win_rate=2 / 3,
        streak=2,
        kda=2.0,  # (15 kills + 15 assists) / 15 deaths; the mean of the games' own would be 5.8
        cs_per_min=7.0,
        kill_participation=0.5,
        best_champion=ChampionForm("Jinx", games=2, wins=2),
        recent="LWW",
    )


def test_the_newest_of_the_last_five_is_the_last_letter(database: Database) -> None:
    games = [Played(minute, outcome) for minute, outcome in enumerate(["win"] * 4 + ["loss"] * 3)]
    summary = form_of(database, *games)
    assert (summary.recent, summary.streak) == ("WWLLL", -3)


def test_a_game_counts_from_the_moment_at_which_it_ended(database: Database) -> None:
    games = [Played(10, "win"), Played(20, "loss"), Played(30, "win")]
    assert form_of(database, *games, until_minute=20).recent == "WL"


def test_games_are_in_the_order_of_their_ends_and_then_of_their_ids(database: Database) -> None:
    games = [  # the last to end has the smallest id; the first two ended at the same moment
        Played(9, "win", match_id="NA1_1"),
        Played(4, "loss", match_id="NA1_8"),
        Played(4, "win", match_id="NA1_7"),
    ]
    assert form_of(database, *games).recent == "WLW"


def test_of_games_that_ended_together_the_same_ones_are_the_last_each_time(
    database: Database,
) -> None:
    # Twenty-one at once: the one that is left out is that with the smallest id.
    games = [Played(5, "win", match_id=f"NA1_{number}") for number in range(12, 32)]
    summary = form_of(database, *games, Played(5, "loss", match_id="NA1_11"))
    assert (summary.wins, summary.losses) == (20, 0)


def test_a_form_may_be_asked_for_over_fewer_games(database: Database) -> None:
    with database.writing() as session:
        player_id = add_player(session, "Ann", 1)
        for played in (Played(1, "loss"), Played(2, "win"), Played(3, "win")):
            add_game(session, player_id, played)
    with database.reading() as session:
        assert form(session, player_id, until=NOON + timedelta(days=1), games=2).recent == "WW"


def test_a_single_death_is_divided_by_and_not_made_more_of(database: Database) -> None:
    assert form_of(database, Played(1, kills=4, deaths=1, assists=6)).kda == 10.0


def test_only_the_last_twenty_count(database: Database) -> None:
    games = [Played(0, "loss"), *(Played(minute, "win") for minute in range(1, 21))]
    summary = form_of(database, *games)
    assert (summary.games, summary.wins, summary.streak) == (20, 20, 20)


def test_games_that_say_nothing_about_form_neither_count_nor_break_a_streak(
    database: Database,
) -> None:
    summary = form_of(
        database,
        Played(1, "win"),
        Played(2, "remake", counts=False),
        Played(3, "loss", counts=False),  # a custom game, say
        Played(4, "placement", placement=None, subteams=8, family="arena"),
        Played(5, "win"),
    )
    assert (summary.games, summary.streak, summary.recent) == (2, 2, "WW")


@pytest.mark.parametrize(
    ("placement", "subteams", "letter"),
    [(2, 4, "W"), (3, 4, "L"), (4, 8, "W"), (5, 8, "L"), (3, 6, "W"), (4, 6, "L")],
)
def test_the_upper_half_of_arena_is_a_win(
    database: Database, placement: int, subteams: int, letter: str
) -> None:
    game = Played(1, "placement", placement=placement, subteams=subteams, family="arena")
    assert form_of(database, game).recent == letter


def test_arena_of_which_nobody_knows_how_many_subteams_there_were_is_no_win(
    database: Database,
) -> None:
    game = Played(1, "placement", placement=1, subteams=None, family="arena")
    assert form_of(database, game).recent == "L"


def test_creep_score_is_that_of_games_with_lanes(database: Database) -> None:
    aram = Played(2, family="aram", cs_per_min=1.0)
    assert form_of(database, Played(1, cs_per_min=8.0), aram).cs_per_min == 8.0


def test_a_players_accounts_are_one_form(database: Database) -> None:
    games = [Played(1, "win", account=1), Played(2, "loss", account=2)]
    assert form_of(database, *games).recent == "WL"


def test_other_peoples_games_are_theirs(database: Database) -> None:
    with database.writing() as session:
        ann, bob = add_player(session, "Ann", 1), add_player(session, "Bob", 2)
        add_game(session, ann, Played(1, "win", account=1))
        add_game(session, bob, Played(2, "loss", account=2))
    with database.reading() as session:
        assert form(session, ann, until=NOON + timedelta(days=1)).recent == "W"
        assert list(last_games(session, bob, until=NOON + timedelta(days=1))["won"]) == [False]


def test_the_best_champion_is_the_one_with_most_wins_beyond_its_losses(database: Database) -> None:
    games = [
        Played(1, "win", champion="Lux"),
        Played(2, "win", champion="Jinx"),
        Played(3, "win", champion="Jinx"),
        Played(4, "win", champion="Jinx"),
        Played(5, "loss", champion="Jinx"),
        Played(6, "loss", champion="Vi"),
    ]
    assert form_of(database, *games).best_champion == ChampionForm("Jinx", games=4, wins=3)


def test_who_only_loses_has_no_best_champion(database: Database) -> None:
    assert (
        form_of(database, Played(1, "loss"), Played(2, "win"), Played(3, "loss")).best_champion
        is None
    )


def test_who_wins_as_often_as_not_has_no_best_champion(database: Database) -> None:
    games = [Played(1, "win"), Played(2, "loss"), Played(3, "win"), Played(4, "loss")]
    assert form_of(database, *games).best_champion is None


def test_of_champions_with_the_same_lead_the_more_played_is_best(
    database: Database,
) -> None:
    often = [  # both are one win ahead
        Played(1, "win", champion="Ahri"),
        Played(2, "win", champion="Jinx"),
        Played(3, "loss", champion="Jinx"),
        Played(4, "win", champion="Jinx"),
    ]
    assert form_of(database, *often).best_champion == ChampionForm("Jinx", games=3, wins=2)


def test_of_champions_that_are_alike_the_first_by_name_is_best(database: Database) -> None:
    games = [Played(1, champion="Zed"), Played(2, champion="Ahri"), Played(3, champion="Vi")]
    assert form_of(database, *games).best_champion == ChampionForm("Ahri", games=1, wins=1)


def test_a_batch_of_games_makes_a_table_for_people(database: Database) -> None:
    with database.writing() as session:
        ann, bob = add_player(session, "Ann", 1), add_player(session, "Bob", 2)
        add_game(session, ann, Played(7, "win", kills=12, deaths=1, assists=7))
        add_game(session, bob, Played(7, "loss", account=2, champion="Vi"), participant_id=6)
        add_game(session, bob, Played(3, "placement", placement=2, account=2, champion="Zed"))
        add_game(session, bob, Played(4, "placement", account=2, champion="Zed"))
    asked = ["NA1_5000000007", "NA1_5000000003", "NA1_1", "NA1_5000000004"]
    with database.reading() as session:
        table = game_table(session, asked)
    assert table.to_dict("records") == [
        {
            "match": "NA1_5000000007",
            "mode": "Ranked Solo",
            "result": "played",
            "players": "Ann: Jinx 12/1/7 win; Bob: Vi 4/2/6 loss",
        },
        {
            "match": "NA1_5000000003",
            "mode": "Ranked Solo",
            "result": "played",
            "players": "Bob: Zed 4/2/6 #2",
        },
        {
            "match": "NA1_5000000004",
            "mode": "Ranked Solo",
            "result": "played",
            "players": "Bob: Zed 4/2/6 placement unknown",
        },
    ]


def test_players_stand_in_the_order_of_the_payload(database: Database) -> None:
    with database.writing() as session:
        ann, bob = add_player(session, "Ann", 1), add_player(session, "Bob", 2)
        add_game(session, ann, Played(7, account=1), participant_id=6)
        add_game(session, bob, Played(7, account=2), participant_id=2)
    with database.reading() as session:
        players = game_table(session, ["NA1_5000000007"])["players"].tolist()
    assert players == ["Bob: Jinx 4/2/6 win; Ann: Jinx 4/2/6 win"]


def test_an_empty_batch_makes_an_empty_table(database: Database) -> None:
    with database.reading() as session:
        table = game_table(session, [])
    assert list(table.columns) == ["match", "mode", "result", "players"]
    assert table.empty


@given(st.lists(st.booleans()))
def test_a_streak_is_as_long_as_the_equal_end(won: list[bool]) -> None:
    length = streak(won)
    assert abs(length) <= len(won)
    if not won:
        assert length == 0
        return
    assert (length > 0) == won[-1]
    assert set(won[-abs(length) :]) == {won[-1]}
    assert len(won) == abs(length) or won[-abs(length) - 1] != won[-1]


games_of_a_player = st.lists(
    st.fixed_dictionaries(
        {
            "mode_family": st.sampled_from(["rift", "aram", "arena"]),
            "champion": st.sampled_from(["Jinx", "Lux", "Vi"]),
            "won": st.booleans(),
            "kills": st.integers(0, 30),
            "deaths": st.integers(0, 30),
            "assists": st.integers(0, 30),
            "cs_per_min": st.none() | st.floats(0, 12),
            "kill_participation": st.none() | st.floats(0, 1),
        }
    ),
    max_size=20,
)


@given(games_of_a_player)
def test_form_is_what_a_plain_loop_over_the_games_finds(games: list[dict[str, object]]) -> None:
    columns = ["mode_family", "champion", "won", "kills", "deaths", "assists", "cs_per_min",
               "kill_participation"]  # fmt: skip
    table = pd.DataFrame(games, columns=columns).astype(
        {"won": bool, "cs_per_min": float, "kill_participation": float}
    )
    summary = summarize(table)

    wins = losses = takedowns = deaths = 0
    letters = ""
    lanes: list[float] = []
    participations: list[float] = []
    lead: dict[str, int] = {}
    for game in games:
        if game["won"]:
            wins += 1
            letters += "W"
        else:
            losses += 1
            letters += "L"
        takedowns += game["kills"] + game["assists"]  # type: ignore[operator]  # they are numbers
        deaths += game["deaths"]  # type: ignore[operator]  # they are numbers
        if game["mode_family"] == "rift" and isinstance(game["cs_per_min"], float):
            lanes.append(game["cs_per_min"])
        if isinstance(game["kill_participation"], float):
            participations.append(game["kill_participation"])
        champion = str(game["champion"])
        lead[champion] = lead.get(champion, 0) + (1 if game["won"] else -1)

    assert (summary.games, summary.wins, summary.losses) == (len(games), wins, losses)
    assert summary.win_rate == (wins / len(games) if games else None)
    assert summary.recent == letters[-5:]
    assert summary.kda == (takedowns / (deaths or 1) if games else None)
    expected_cs = sum(lanes) / len(lanes) if lanes else None
    assert summary.cs_per_min == (None if expected_cs is None else pytest.approx(expected_cs))
    expected_kp = sum(participations) / len(participations) if participations else None
    assert summary.kill_participation == (
        None if expected_kp is None else pytest.approx(expected_kp)
    )
    if summary.best_champion is None:
        assert all(each <= 0 for each in lead.values())
    else:
        best = summary.best_champion
        assert best.wins - (best.games - best.wins) == lead[best.champion] == max(lead.values())
