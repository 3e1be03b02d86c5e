"""What a team reads in its language. Written by hand, as somebody who plays in that language would say it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lol_dagster.messages.compose import compose_catch_up, compose_game
from lol_dagster.messages.language import Language, language, marked_plural, time_zone
from lol_dagster.messages.text import more_line
from lol_dagster.messages.wording import (
    WORDINGS,
    mode_in_words,
    rank_in_words,
    remark_in_words,
)
from lol_dagster.stats.ranks import Moved, Rank
from lol_dagster.stats.remarks import CODES, Remark
from lol_dagster_tests._support.message_rows import ENDED
from lol_dagster_tests.messages.test_compose import LOST, arena, game, isolated, member

ENGLISH, GERMAN = language("en"), language("de")
BERLIN = ZoneInfo("Europe/Berlin")


def test_a_won_ranked_game_in_german() -> None:
    moved = Moved(GOLD, Rank("GOLD", "I", 11), 3)
    content = compose_game(game(member("Ann", is_mvp=True, moved=moved)), GERMAN)
    assert content.title == "Sieg · Ranked Solo · 32:10"
    (line,) = content.sections[0].lines
    assert (line.lead, line.facts) == ("Ann", ("Jinx", "10/2/8", "MVP"))
    # From 45 in Gold II to 11 in Gold I, 100 higher: 66.
    assert line.rank == "+66 LP aus 3 Spielen (Gold II 45 → Gold I 11, Aufstieg)"
    assert line.details == ("KDA 9,0", "7,8 CS/min", "72\u00a0% KP")
    assert content.language == "de"


def test_members_against_each_other_in_german() -> None:
    played = game(member("Ann"), member("Bob"), member("Cid", **LOST), match_id="EUW1_1")
    content = compose_game(played, GERMAN)
    assert content.title == "Ann und Bob gegen Cid · Ranked Solo · 32:10"
    assert [each.heading for each in content.sections] == [
        "Blaue Seite · Sieg",
        "Rote Seite · Niederlage",
    ]
    assert content.summary == (
        "Ann (Jinx 10/2/8), Bob (Jinx 10/2/8) und Cid (Jinx 10/2/8): "
        "Ann und Bob gegen Cid · Ranked Solo · 32:10"
    )


def test_arena_in_german_with_a_name_from_right_to_left() -> None:
    played = game(
        arena("Ann", 1, 1), arena("قرين", 7, 2), arena("Bob", None, 3),
        queue_name="Arena", mode_family="arena", subteams=8,
    )  # fmt: skip
    content = compose_game(played, GERMAN)
    qarin = isolated("قرين")
    assert content.title == f"Ann: 1. Platz, {qarin}: 7. Platz, Bob: ohne Platz · Arena · 32:10"
    assert [each.heading for each in content.sections] == [
        "1. Platz",
        "7. Platz",
        "Ohne Platzierung",
    ]


def test_a_catch_up_in_german_tells_the_time_where_the_team_is() -> None:
    # 20:00 UTC on Saturday, the 1st of August: 22:00 in Berlin. Half a year later it is 21:00.
    later = game(
        member("Ann", **LOST), ended_at=datetime(2027, 2, 1, 20, tzinfo=UTC), match_id="EUW1_2"
    )
    remade = game(
        member("Ann", outcome="remake"), ended_at=ENDED - timedelta(hours=1), match_id="EUW1_3"
    )
    content = compose_catch_up([later, game(member("Ann")), remade], GERMAN, BERLIN)
    assert content.title == "3 Spiele, während ich weg war"
    assert content.sections[0].lines[0].facts == ("1 Sieg, 1 Niederlage, 1 anderes Spiel",)
    assert [line.when.text for line in content.sections[1].lines if line.when] == [
        "Sa., 1. Aug. 21:00",
        "Sa., 1. Aug. 22:00",
        "Mo., 1. Feb. 21:00",
    ]
    assert content.language == "de"


GOLD = Rank("GOLD", "II", 45)


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        (Moved(GOLD, Rank("GOLD", "II", 26), 1), "−19 LP (Gold II 45 → 26)"),
        (Moved(Rank("PLATINUM", "IV", 5), Rank("GOLD", "I", 86), 1),
         "−19 LP (Platin IV 5 → Gold I 86, Abstieg)"),
        (Moved(Rank("MASTER", None, 1390), Rank("MASTER", None, 1411), 1),
         "+21 LP (Master 1.390 → 1.411)"),
        (Moved(Rank(None, None, 0), Rank("EMERALD", "IV", 12), 5), "Eingestuft: Smaragd IV mit 12 LP"),
    ],
)  # fmt: skip
def test_a_rank_in_german(moved: Moved, words: str) -> None:
    assert rank_in_words(moved, GERMAN) == words


@pytest.mark.parametrize(
    ("name", "german"),
    [
        ("Ranked Solo", "Ranked Solo"),
        ("Swarm", "Schwarm"),
        ("Custom ARAM", "Custom ARAM"),
        ("Custom One for All", "Custom Einer für alle"),
        # What nobody has heard of yet is called as Riot does, whatever that is.
        ("Ultra Blitz", "Ultra Blitz"),
        ("{number} {0} %s", "{number} {0} %s"),
        ("", ""),
    ],
)
def test_modes_are_called_as_players_call_them(name: str, german: str) -> None:
    assert mode_in_words(name, GERMAN) == german
    assert mode_in_words(name, ENGLISH) == name


@pytest.mark.parametrize("code", CODES)
def test_the_same_wording_is_chosen_in_every_language(code: str) -> None:
    """Whoever changes the language, or reads both, finds the same remark."""
    remark = Remark(code, 0.01, 1234, "Jinx", "Bob")
    for match_id in ("EUW1_1", "EUW1_2", "KR_3", "NA1_44"):
        english = remark_in_words(remark, match_id, ENGLISH)
        (place,) = (
            number
            for number, each in enumerate(WORDINGS[code])
            if ENGLISH.said(each, 1234, champion="Jinx", other="Bob") == english
        )
        german = remark_in_words(remark, match_id, GERMAN)
        assert german == GERMAN.said(WORDINGS[code][place], 1234, champion="Jinx", other="Bob")


def test_names_are_filled_in_as_they_are() -> None:
    remark = Remark("games_together", 0.01, 100, other="{number} {x} %s")
    assert "{number} {x} %s" in remark_in_words(remark, "EUW1_1", GERMAN)


@pytest.mark.parametrize(
    ("speaks", "one", "several"),
    [(ENGLISH, "1 win", "2 wins"), (GERMAN, "1 Sieg", "2 Siege")],
    ids=["en", "de"],
)
def test_what_is_counted_has_its_form(speaks: Language, one: str, several: str) -> None:
    text = marked_plural("{number} win", "{number} wins")
    assert (speaks.said(text, 1), speaks.said(text, 2)) == (one, several)


def test_numbers_are_written_as_the_language_does() -> None:
    assert (ENGLISH.number(12345), GERMAN.number(12345)) == ("12,345", "12.345")
    # 0.25 is exactly halfway: to the even digit, as everywhere else.
    assert (ENGLISH.decimal(0.25), GERMAN.decimal(1234.56)) == ("0.2", "1.234,6")
    assert (ENGLISH.percent(0.715), GERMAN.percent(0.715)) == ("72%", "72\u00a0%")
    assert ENGLISH.percent(0.99) == "99%"
    assert (GERMAN.signed(-1200), GERMAN.signed(7), GERMAN.signed(0)) == ("−1.200", "+7", "0")


def test_lists_are_joined_as_the_language_does() -> None:
    assert ENGLISH.listed(["Ann", "Bob", "Cid"]) == "Ann, Bob and Cid"
    assert GERMAN.listed(["Ann", "Bob", "Cid"]) == "Ann, Bob und Cid"
    assert GERMAN.listed(["Ann"]) == "Ann"


def test_what_is_left_out_is_said_in_the_messages_language() -> None:
    assert more_line(37, "de") == "… und 37 weitere"
    # A message of a version that knows more languages.
    assert more_line(37, "tlh") == "… and 37 more"


def test_a_zone_that_this_machine_lacks_is_utc_and_no_error() -> None:
    assert time_zone("Mars/Olympus_Mons") is UTC
    assert time_zone("../../etc/passwd") is UTC
    assert time_zone("") is UTC
    assert time_zone("Europe/Berlin") == BERLIN
