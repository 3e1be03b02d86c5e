"""What is worth a remark. Rarities are worked out in the comments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lol_dagster.stats import remarks
from lol_dagster.stats.remarks import (
    CODES,
    FLOOR,
    PastGame,
    Remark,
    candidates,
    choose,
    shared_candidates,
)

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RATES = {"rift": {"penta_kill": 0.002, "triple_kill": 0.06, "steal": 0.03, "comeback": 0.03}}


@pytest.fixture(autouse=True)
def rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of everybody, for the test alone."""
    monkeypatch.setattr(remarks, "_EVERYBODY", RATES)


def game(number: int = 0, **said: Any) -> PastGame:
    """The game of that number, one an hour; lost on Ashe with plain figures."""
    return PastGame(
        **{
            "match_id": f"EUW1_{number}",
            "ended_at": NOON + number * HOUR,
            "mode_family": "rift",
            "counts": True,
            "measured": True,
            "side": "team-100",
            "champion": "Ashe",
            "won": False,
            "kills": 5,
            "assists": 5,
            "damage": 15_000,
            "cs": 150,
            "vision": 20,
            "feats": frozenset(),
            **said,
        }
    )


def plain(count: int, **said: Any) -> list[PastGame]:
    """Games before number 0."""
    return [game(number, **said) for number in range(-count, 0)]


def found(now: PastGame, before: list[PastGame]) -> dict[str, Remark]:
    return {each.code: each for each in candidates(now, before)}


def feat(*codes: str, **said: Any) -> PastGame:
    return game(feats=frozenset(codes), **said)


# --- feats ------------------------------------------------------------------------------------------


def test_of_who_has_played_little_a_feat_is_as_rare_as_with_everybody() -> None:
    for count in (0, 19):
        assert found(feat("steal"), plain(count))["steal"].rarity == 0.03


def test_from_twenty_games_on_the_own_history_decides() -> None:
    stolen = [game(number, feats=frozenset({"steal"})) for number in range(-25, -20)]
    # 5 of 25 games, and everybody's 3 % with the weight of 20: (5 + 0.6) / 45.
    assert found(feat("steal"), [*stolen, *plain(20)])["steal"].rarity == pytest.approx(5.6 / 45)
    # Never in 20: 0.6 / 40.
    assert found(feat("steal"), plain(20))["steal"].rarity == pytest.approx(0.015)


def test_a_larger_multikill_was_a_smaller_one_too() -> None:
    pentas = [game(number, feats=frozenset({"penta_kill"})) for number in range(-40, -20)]
    # A triple kill or better in 20 of 40: (20 + 20 × 0.06) / 60.
    triple = found(feat("triple_kill"), [*pentas, *plain(20)])
    assert triple["triple_kill"].rarity == pytest.approx(21.2 / 60)
    # The other way round not: (0 + 20 × 0.002) / 60.
    for smaller in ("triple_kill", "quadra_kill"):
        before = [game(number, feats=frozenset({smaller})) for number in range(-40, 0)]
        assert found(feat("penta_kill"), before)["penta_kill"].rarity == pytest.approx(0.04 / 60)


def test_each_feat_of_a_game_is_worth_a_remark() -> None:
    assert found(feat("penta_kill", "steal"), plain(20)).keys() == {"penta_kill", "steal"}


def test_games_of_another_family_and_games_from_before_there_were_feats_say_nothing() -> None:
    for other in (plain(30, mode_family="aram"), plain(30, measured=False)):
        assert found(feat("steal"), other)["steal"].rarity == 0.03


def test_of_a_comeback_only_games_with_a_timeline_say_something() -> None:
    """And it tells by how much gold the side was behind."""
    now = feat("comeback", behind=8_400)
    with_timeline = plain(19, behind=0)
    assert found(now, [*plain(30), *with_timeline])["comeback"] == Remark("comeback", 0.03, 8_400)
    # Never in 20: 20 × 0.03 / 40.
    twenty = found(now, [*plain(30), *plain(20, behind=0)])["comeback"]
    assert twenty.rarity == pytest.approx(0.015)


def test_a_feat_that_nobody_has_measured_is_measured_by_the_player_alone() -> None:
    urf = {"mode_family": "other"}
    assert "steal" not in found(feat("steal", **urf), plain(19, **urf))
    assert found(feat("steal", **urf), plain(20, **urf))["steal"].rarity == pytest.approx(1 / 21)


def test_of_a_game_that_does_not_count_nothing_is_said() -> None:
    assert candidates(feat("penta_kill", counts=False), plain(50)) == []


# --- figures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "code"),
    [("damage", "best_damage"), ("kills", "best_kills"), ("assists", "best_assists"),
     ("cs", "best_cs"), ("vision", "best_vision")],
)  # fmt: skip
def test_a_personal_best_is_more_than_ever_before_in_at_least_ten_games(
    figure: str, code: str
) -> None:
    now = game(**{figure: 20_000})
    assert code not in found(now, plain(9))
    best = found(now, plain(10))[code]
    assert (best.rarity, best.number) == (pytest.approx(1 / 11), 20_000)
    once = game(-11, **{figure: 20_000})
    assert code not in found(now, [once, *plain(10)]), "as much is not more"


def test_personal_bests_are_of_a_mode_family() -> None:
    aram = plain(30, mode_family="aram", damage=90_000)
    assert found(game(damage=20_000), [*aram, *plain(10)])["best_damage"].rarity == 1 / 11
    assert "best_damage" not in found(game(damage=20_000), aram)


def test_where_there_are_no_lanes_creep_score_is_no_figure() -> None:
    assert "best_cs" not in found(game(cs=None), plain(10))
    assert "best_cs" not in found(game(cs=300), plain(10, cs=None))


def test_beyond_the_own_99th_percentile_is_remarkable_though_it_is_no_best() -> None:
    once = game(-200, kills=30)
    # As many or more: this one and one of 199 before, 2 / 200.
    top = found(game(kills=25), [once, *plain(198)])
    assert (top["top_kills"].rarity, top["top_kills"].number) == (0.01, 25)
    assert "top_kills" not in found(game(kills=25), [once, *plain(197)]), "2 / 199 is more than 1 %"


def test_nothing_is_no_best() -> None:
    assert found(game(kills=0), plain(10, kills=0)) == {}


def test_a_figure_that_is_none_hides_no_other() -> None:
    bests = found(game(damage=0, vision=40), plain(10))
    assert list(bests) == ["best_vision"]


# --- streaks, champions, pauses ---------------------------------------------------------------------


def test_a_streak_of_wins_is_remarkable_from_four_on() -> None:
    wins = [game(-3, won=True), game(-2, won=True), game(-1, won=True)]
    assert "win_streak" not in found(game(won=True), wins[1:])
    streak = found(game(won=True), [game(-4), *wins])["win_streak"]
    assert (streak.number, streak.rarity) == (4, 1 / 16)  # at even chances
    assert "win_streak" not in found(game(), [game(-5, won=True), *wins])


def test_who_often_wins_has_more_streaks() -> None:
    wins = plain(20, won=True)
    # Streaks of 21 and more after none of 20 games: (0 + 20 / 2^21) / 40.
    assert found(game(won=True), wins)["win_streak"].rarity == pytest.approx(0.5 / 2**21)
    # Five in a row after 16 of 25 games (the fifth to the twentieth of twenty wins), and 20 / 32 more.
    before = [*[game(number, won=True) for number in range(-25, -5)], game(-5)]
    before += [game(number, won=True) for number in range(-4, 0)]
    streak = found(game(won=True), before)["win_streak"]
    assert (streak.number, streak.rarity) == (5, pytest.approx((16 + 20 / 32) / 45))


def test_a_first_game_on_a_champion_is_as_rare_as_the_player_tries_new_ones() -> None:
    before = [game(-30, champion="Vi"), game(-29, champion="Lux"), *plain(28)]
    # Three firsts in 30 games: (3 + 1) / 31.
    first = found(game(champion="Jinx"), before)["first_on_champion"]
    assert (first.rarity, first.champion) == (pytest.approx(4 / 31), "Jinx")
    assert "first_on_champion" not in found(game(champion="Vi"), before)
    assert "first_on_champion" not in found(game(champion="Jinx"), plain(19))


def test_a_first_win_on_a_champion_comes_after_at_least_three_tries() -> None:
    tries = [game(number, champion="Jinx") for number in (-3, -2, -1)]
    before = [*[game(number) for number in range(-20, -3)], *tries]
    won = found(game(champion="Jinx", won=True), before)["first_win_on_champion"]
    assert (won.number, won.rarity) == (3, pytest.approx(1 / 21))
    assert "first_win_on_champion" not in found(game(champion="Jinx"), before)
    assert "first_win_on_champion" not in found(game(champion="Jinx", won=True), before[:-1])
    already = [game(-21, champion="Jinx", won=True), *before]
    assert "first_win_on_champion" not in found(game(champion="Jinx", won=True), already)


def test_first_wins_on_other_champions_make_one_less_rare() -> None:
    def tries(champion: str, first: int) -> list[PastGame]:
        lost = [game(first + number, champion=champion) for number in range(3)]
        return [*lost, game(first + 3, champion=champion, won=True)]

    jinx = [game(number, champion="Jinx") for number in (-3, -2, -1)]
    before = [*tries("Vi", -20), *tries("Lux", -16), *plain(12)[:9], *jinx]
    # Vi's and Lux's in 20 games: (2 + 1) / 21.
    won = found(game(champion="Jinx", won=True), before)["first_win_on_champion"]
    assert won.rarity == pytest.approx(3 / 21)


def test_the_first_game_after_a_long_pause() -> None:
    days = timedelta(days=1)
    before = [game(-22, ended_at=NOON - 200 * days), *plain(20)]
    before = [before[0], *[game(n, ended_at=NOON - 100 * days + n * HOUR) for n in range(-20, 0)]]
    # One pause of 30 days before, in 21 games: 2 / 22.
    pause = found(game(ended_at=NOON), before)["long_pause"]
    assert (pause.number, pause.rarity) == (100, pytest.approx(2 / 22))
    soon = NOON - 100 * days - HOUR + 30 * days
    assert "long_pause" in found(game(ended_at=soon), before)
    assert "long_pause" not in found(game(ended_at=soon - HOUR), before)
    assert "long_pause" not in found(game(), [])
    # Of who has played little nobody knows how rare that is.
    assert "long_pause" not in found(game(ended_at=NOON), before[2:])


def test_a_pause_of_thirty_days_to_the_hour_is_a_long_one() -> None:
    thirty = timedelta(days=30)
    before = [game(-22, ended_at=NOON - HOUR - thirty), game(-21, ended_at=NOON - HOUR)]
    before += [game(number, ended_at=NOON) for number in range(-20, 0)]
    # There was one before, in 22 games: 2 / 23.
    pause = found(game(ended_at=NOON + thirty), before)["long_pause"]
    assert (pause.number, pause.rarity) == (30, pytest.approx(2 / 23))


# --- together ---------------------------------------------------------------------------------------


def together(now: PastGame, other: PastGame, one: list[PastGame], two: list[PastGame]) -> Any:
    return {each.code: each for each in shared_candidates(now, other, one, two, "Bob")}


def test_the_hundredth_game_together_is_a_milestone() -> None:
    past = plain(99)
    milestone = together(game(), game(), past, past)["games_together"]
    assert (milestone.number, milestone.rarity, milestone.other) == (100, 0.01, "Bob")
    assert "games_together" not in together(game(), game(), past[1:], past)
    against = [game(-99, side="team-200"), *past[1:]]
    assert "games_together" not in together(game(), game(), past, against)
    assert together(game(), game(side="team-200"), past, past) == {}
    assert together(game(counts=False), game(), past, past) == {}


def test_most_kills_together_in_at_least_ten_games_of_the_family() -> None:
    past = plain(10)  # 5 + 5 kills each time
    duo = together(game(kills=6), game(kills=5), past, past)["duo_kills"]
    assert (duo.number, duo.rarity, duo.other) == (11, pytest.approx(1 / 11), "Bob")
    assert together(game(), game(), past, past) == {}
    assert together(game(kills=6), game(), past[1:], past) == {}
    aram = [game(-1, mode_family="aram"), *past[:-1]]
    assert together(game(kills=6), game(), aram, aram) == {}


# --- which one --------------------------------------------------------------------------------------


def test_the_rarest_of_each_member_and_the_two_rarest_of_all() -> None:
    common, rare, rarer, rarest = (
        Remark(code, rarity)
        for code, rarity in (
            ("triple_kill", 0.06),
            ("steal", 0.03),
            ("best_kills", 0.02),
            ("penta_kill", 0.01),
        )
    )
    chosen = choose({"Ann": [common, rare], "Bob": [rarest], "Cid": [rarer], "Dora": []})
    assert chosen == {"Bob": rarest, "Cid": rarer}


def test_above_the_floor_nothing_is_said() -> None:
    assert choose({"Ann": [Remark("steal", FLOOR)]}) == {"Ann": Remark("steal", FLOOR)}
    assert choose({"Ann": [Remark("steal", FLOOR + 0.001)]}) == {}


def test_the_same_is_said_once() -> None:
    nexus, steal = Remark("open_nexus", 0.01), Remark("steal", 0.03)
    assert choose({"Ann": [nexus], "Bob": [nexus], "Cid": [steal]}) == {"Ann": nexus, "Cid": steal}


def test_of_two_that_are_equally_rare_the_order_of_codes_decides() -> None:
    kills, penta = Remark("best_kills", 0.02), Remark("penta_kill", 0.02)
    assert choose({"Ann": [kills, penta]}) == {"Ann": penta}


# Slow and plain, and written from docs/stats.md alone.


def slow_choice(found: dict[str, list[tuple[str, float]]]) -> dict[str, str]:
    best = {}
    for member, each in found.items():
        for code, rarity in each:
            if member not in best or (rarity, CODES.index(code)) < best[member][:2]:
                best[member] = (rarity, CODES.index(code), code)
    chosen: dict[str, str] = {}
    while len(chosen) < 2:
        left = [
            (rarity, place, list(found).index(member), member, code)
            for member, (rarity, place, code) in best.items()
            if member not in chosen and code not in chosen.values() and rarity <= 0.07
        ]
        if not left:
            break
        chosen[min(left)[3]] = min(left)[4]
    return chosen


some_remarks = st.lists(
    st.tuples(st.sampled_from(CODES), st.sampled_from([0.01, 0.02, 0.05, 0.07, 0.08])), max_size=4
)


@given(st.dictionaries(st.sampled_from("ABCDE"), some_remarks))
def test_choosing_agrees_with_a_slow_choice(offered: dict[str, list[tuple[str, float]]]) -> None:
    chosen = choose({name: [Remark(*each) for each in some] for name, some in offered.items()})
    assert {name: remark.code for name, remark in chosen.items()} == slow_choice(offered)
