"""The story of a game: what is said of it follows from its course, by the bounds of docs/stats.md."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lol_dagster.messages import story as module
from lol_dagster.messages.compose import Member
from lol_dagster.messages.language import Language, language
from lol_dagster.messages.story import story
from lol_dagster.stats.course import BLUE, RED, Course, Kill, Swing
from lol_dagster_tests.messages.test_compose import LOST, game, member

ENGLISH, GERMAN = language("en"), language("de")
CHAMPIONS = {number: f"Champion {number}" for number in range(1, 11)}
EVEN = dict.fromkeys(range(1, 11), 4000)


@pytest.fixture(autouse=True)
def first_wordings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of several is taken is another test's matter."""
    for name in ("_BEGINNINGS", "_TURNS", "_ENDS"):
        table = {code: texts[:1] for code, texts in getattr(module, name).items()}
        monkeypatch.setattr(module, name, table)


def course(*leads: int, **said: Any) -> Course:
    """The blue side's lead at 0, 10, 20 and 30 minutes, and at the end if there is a fifth."""
    return Course(
        leads=tuple((600 * number, lead) for number, lead in enumerate(leads)),
        **{
            "gold_at_10": EVEN,
            "gold_at_15": {},
            "first_blood": None,
            "swing": None,
            "sides": {BLUE: (1, 2, 3, 4, 5), RED: (6, 7, 8, 9, 10)},
            **said,
        },
    )


def swing(side: str = BLUE, gold: int = 4000, **said: Any) -> Swing:
    nothing = {"kills": (), "monsters": (), "towers": 0, "inhibitors": 0}
    return Swing(**{"start_s": 1200, "end_s": 1380, "side": side, "gold": gold, **nothing, **said})


def ann(**said: Any) -> Member:
    """On TOP of the blue side, as participant 1; participant 6 is her lane opponent."""
    return member("Ann", **{"participant_id": 1, "opponent_id": 6, **said})


def bob(**said: Any) -> Member:
    return member("Bob", **{"participant_id": 4, "opponent_id": 9, **said})


def lines(of: Course, *members: Member, speaks: Language = ENGLISH) -> list[str]:
    """Of a game of 32:10, won on the blue side unless the members say otherwise."""
    found = story(game(*(members or (ann(), bob()))), of, CHAMPIONS, speaks)
    assert found is not None
    return [" ".join(line.facts) for line in found.lines]


def test_a_whole_story_in_both_languages() -> None:
    of = course(
        0,
        400,
        -2600,
        5100,
        gold_at_10={**EVEN, 4: 4812},
        first_blood=(4, 192),
        swing=swing(
            gold=4310,
            kills=(Kill(4, (1,)), Kill(2, (4,)), Kill(3, ())),
            monsters=("BARON_NASHOR",),
            towers=2,
        ),
    )
    assert lines(of) == [
        "Bob drew first blood at 3:12. After ten minutes Bob was 800 gold ahead of Champion 9.",
        (
            "From 20:00 to 23:00 we gained 4,300 gold on them: 3 kills, Baron Nashor and 2 towers. "
            "Bob had a hand in 2 of the 3 kills."
        ),
        "Won after 32:10, although we were 2,600 gold behind at 20:00.",
    ]
    assert lines(of, speaks=GERMAN) == [
        "Bob holte bei 3:12 das First Blood. Nach zehn Minuten lag Bob 800 Gold vor Champion 9.",
        (
            "Von 20:00 bis 23:00 haben wir den anderen 4.300 Gold abgenommen: 3 Kills, Baron Nashor und 2 Türme. "
            "Bob war an 2 von 3 Kills beteiligt."
        ),
        "Nach 32:10 gewonnen, obwohl wir bei 20:00 noch 2.600 Gold zurücklagen.",
    ]


# --- how it began ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("killer", "said"),
    [
        (1, "Ann drew first blood at 1:05."),
        (2, "First blood was ours, at 1:05."),
        (7, "First blood at 1:05 went to the other side."),
    ],
)
def test_first_blood_is_somebodys_ours_or_theirs(killer: int, said: str) -> None:
    assert lines(course(0, 0, 0, 3000, first_blood=(killer, 65)))[0].startswith(said)


@pytest.mark.parametrize(
    ("lead", "gold", "said"),
    [
        # 300 ahead is a lead over a lane opponent, and the largest is named.
        (0, {1: 4300}, "After ten minutes Ann was 300 gold ahead of Champion 6."),
        (0, {1: 4400, 4: 4900}, "After ten minutes Bob was 900 gold ahead of Champion 9."),
        # Otherwise the side's, from 500 on.
        (499, {1: 4299}, "After ten minutes it was even."),
        (-499, {}, "After ten minutes it was even."),
        (500, {}, "After ten minutes we were 500 gold ahead."),
        (-1500, {1: 3000, 4: 3000}, "After ten minutes we were 1,500 gold behind."),
    ],
)
def test_ten_minutes_are_a_members_lead_or_the_sides(
    lead: int, gold: dict[int, int], said: str
) -> None:
    assert lines(course(0, lead, 0, 3000, gold_at_10={**EVEN, **gold}))[0] == said


def test_who_has_no_lane_opponent_leads_nobody() -> None:
    alone = ann(opponent_id=None)
    assert lines(course(0, 0, 3000, gold_at_10={**EVEN, 1: 9000}), alone)[0] == (
        "After ten minutes it was even."
    )


def test_of_a_game_that_was_over_before_ten_minutes_nothing_is_said_about_them() -> None:
    short = course(0, gold_at_10={}, first_blood=(1, 65))
    assert lines(short)[0] == "Ann drew first blood at 1:05."
    assert len(lines(course(0, gold_at_10={}))) == 1, "a line with nothing to say is left out"


# --- what turned it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({}, "From 20:00 to 23:00 we gained 4,000 gold on them."),
        ({"kills": (Kill(2, ()),)}, "From 20:00 to 23:00 we gained 4,000 gold on them: 1 kill."),
        (
            {"monsters": ("DRAGON", "HORDE", "DRAGON", "ELDER_DRAGON"), "inhibitors": 1},
            (
                "From 20:00 to 23:00 we gained 4,000 gold on them: "
                "an Elder Dragon, 2 dragons, a Voidgrub and an inhibitor."
            ),
        ),
        ({"towers": 2}, "From 20:00 to 23:00 we gained 4,000 gold on them: 2 towers."),
        # In hundreds, as people say it; from the very beginning.
        ({"gold": 12_049, "start_s": 0}, "From 0:00 to 23:00 we gained 12,000 gold on them."),
        # What nobody has heard of is left out.
        ({"monsters": ("NEW_BEAST",)}, "From 20:00 to 23:00 we gained 4,000 gold on them."),
    ],
)
def test_what_made_the_largest_swing(made: dict[str, Any], said: str) -> None:
    assert lines(course(0, 0, 0, 3000, swing=swing(**made)))[1] == said


def test_a_swing_of_less_than_a_thousand_turned_nothing() -> None:
    assert len(lines(course(0, 0, 0, 3000, swing=swing(gold=999)))) == 2
    assert len(lines(course(0, 0, 0, 3000, swing=swing(gold=1000)))) == 3


@pytest.mark.parametrize(
    ("kills", "said"),
    [
        ((Kill(1, ()), Kill(2, (1,))), " Ann had a hand in every kill."),
        # Two of three each: who is named first.
        ((Kill(1, (4,)), Kill(4, ()), Kill(2, (1,))), " Ann had a hand in 2 of the 3 kills."),
        ((Kill(1, ()), Kill(4, ())), ""),
        ((Kill(1, ()),), ""),
    ],
)
def test_who_had_a_hand_in_several_kills_is_named(kills: tuple[Kill, ...], said: str) -> None:
    whole = lines(course(0, 0, 0, 3000, swing=swing(kills=kills)))[1]
    assert whole.partition(".")[2] == said


def test_what_the_other_side_gained_names_nobody() -> None:
    theirs = swing(RED, kills=(Kill(6, (7,)), Kill(7, (6,))), monsters=("BARON_NASHOR",))
    assert lines(course(0, 0, 0, 3000, swing=theirs))[1] == (
        "From 20:00 to 23:00 the other side gained 4,000 gold on us: 2 kills and Baron Nashor."
    )


# --- how it ended ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leads", "outcome", "said"),
    [
        ((0, 0, 0, 1000), "win", "Won after 32:10, 1,000 gold ahead."),
        ((0, 0, 0, 999), "win", "Won after 32:10, with hardly any gold between the sides."),
        ((0, 0, -1999, 1000), "win", "Won after 32:10, 1,000 gold ahead."),
        (
            (0, 0, -2000, 500),
            "win",
            "Won after 32:10, although we were 2,000 gold behind at 20:00.",
        ),
        (
            (0, 0, -2000, -1000),
            "win",
            "Won after 32:10, although the other side had 1,000 gold more.",
        ),
        ((0, 0, 0, -1000), "loss", "After 32:10 the other side won, 1,000 gold ahead."),
        (
            (0, 0, 4000, -999),
            "loss",
            "It was close: the other side won after 32:10, with hardly any gold between us.",
        ),
        (
            (0, 0, 0, 1000),
            "loss",
            "The other side won after 32:10, although we had 1,000 gold more.",
        ),
    ],
)
def test_how_it_ended(leads: tuple[int, ...], outcome: str, said: str) -> None:
    assert lines(course(*leads), ann(outcome=outcome))[-1] == said


# --- from whose side -------------------------------------------------------------------------------


def test_the_red_side_is_seen_from_the_red_side() -> None:
    eve = member("Eve", **{**LOST, "participant_id": 6, "opponent_id": 1})
    of = course(
        0, 2000, 3000, 5000,
        gold_at_10={**EVEN, 6: 4500}, first_blood=(6, 65), swing=swing(BLUE),
    )  # fmt: skip
    assert lines(of, eve) == [
        "Eve drew first blood at 1:05. After ten minutes Eve was 500 gold ahead of Champion 1.",
        "From 20:00 to 23:00 the other side gained 4,000 gold on us.",
        "After 32:10 the other side won, 5,000 gold ahead.",
    ]


def test_where_the_members_played_against_each_other_there_is_no_story() -> None:
    eve = member("Eve", **{**LOST, "participant_id": 6, "opponent_id": 1})
    assert story(game(ann(), eve), course(0, 0, 0, 3000), CHAMPIONS, ENGLISH) is None


def test_a_name_from_right_to_left_turns_nothing_around() -> None:
    of = course(0, 0, 0, 3000, first_blood=(1, 65))
    assert lines(of, replace(ann(), name="קרין"))[0].startswith("\u2068קרין\u2069 drew first blood")


def test_the_match_id_chooses_the_wording_and_each_comes_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    of = course(0, 0, 0, 3000, first_blood=(1, 65))
    played = game(ann())
    found = [
        story(replace(played, match_id=f"EUW1_{number}"), of, CHAMPIONS, ENGLISH)
        for number in range(100)
    ]
    assert found == [
        story(replace(played, match_id=f"EUW1_{number}"), of, CHAMPIONS, ENGLISH)
        for number in range(100)
    ]
    beginnings = {each.lines[0].facts[0].partition(".")[0] for each in found if each}
    assert beginnings == {"Ann drew first blood at 1:05", "First blood for Ann, at 1:05"}


@pytest.mark.parametrize("speaks", [ENGLISH, GERMAN], ids=["en", "de"])
def test_stories_honour(speaks: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    tables = (module._BEGINNINGS, module._TURNS, module._ENDS)
    words = " ".join(
        speaks.name(text.one) for table in tables for texts in table.values() for text in texts
    ).lower()
    for word in (
        "death", "died", "worst", "threw", "surrender", "feed", "afk", "bad", "blame",
        "tod", "gestorben", "schlecht", "aufgegeben", "verloren", "schuld",
    ):  # fmt: skip
        assert word not in words.split()
