"""What was played, by family and not by number; and what a channel wants."""

from __future__ import annotations

import pytest

from lol_dagster.riot.modes import (
    KIND_NAMES,
    MODE_NAMES,
    MODES,
    PlayedMode,
    is_wanted,
    mode_name,
    played_mode,
    shown_wanted,
    spoken,
)


def played(queue_id: int, mode: str, **said: object) -> PlayedMode:
    return played_mode(queue_id, **{"game_mode": mode, "game_type": "MATCHED_GAME", **said})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("queue_ids", "mode", "name", "family", "kind"),
    [
        ([420], "CLASSIC", "Ranked Solo", "rift", "ranked"),
        ([440], "CLASSIC", "Ranked Flex", "rift", "ranked"),
        ([710], "CLASSIC", "Ranked 5s", "rift", "ranked"),
        ([400], "CLASSIC", "Normal Draft", "rift", "normal"),
        ([430], "classic", "Normal Blind", "rift", "normal"),
        ([490], "CLASSIC", "Quickplay", "rift", "normal"),
        ([480], "SWIFTPLAY", "Swiftplay", "rift", "normal"),
        ([700], "CLASSIC", "Clash", "rift", "tournament"),
        ([740, 98_765], "CLASSIC", "Summoner's Rift", "rift", "normal"),
        ([450, 740, 98_765], "ARAM", "ARAM", "aram", "aram"),
        ([720, 721], "ARAM", "ARAM Clash", "aram", "tournament"),
        ([720], "KIWI", "ARAM: Mayhem", "aram", "tournament"),
        ([860], "ARAM", "ARAM vs. AI", "aram", "bots"),
        ([830, 870], "CLASSIC", "Co-op vs. AI Intro", "rift", "bots"),
        ([840, 880], "CLASSIC", "Co-op vs. AI Beginner", "rift", "bots"),
        ([850, 890], "CLASSIC", "Co-op vs. AI Intermediate", "rift", "bots"),
        # ARURF or URF: the mode says so, the numbers are both's.
        ([900, 901, 902, 903, 904, 1900, 1901, 1902, 1903, 1904], "URF", "URF", "other", "other"),
        ([900, 901, 902, 903, 904], "ARURF", "ARURF", "other", "other"),
        ([0, 1700, 1701, 1704, 1710, 1740, 1750], "CHERRY", "Arena", "arena", "arena"),
        ([1810, 1820, 1830, 1840], "STRAWBERRY", "Swarm", "swarm", "other"),
        ([2300, 2301, 2302, 2303, 2304, 2305], "BRAWL", "Brawl", "other", "other"),
        ([2400, 2401, 2405, 2410], "KIWI", "ARAM: Mayhem", "aram", "aram"),
        ([2450], "KIWI_JADE", "ARAM: Mayhem", "aram", "aram"),
        ([4210, 4220], "RUBY", "Doom Bots", "rift", "bots"),
        ([4240, 4241], "RUBY_TRIAL_1", "Doom Bots", "rift", "bots"),
        ([4250, 4251], "RUBY_TRIAL_2", "Doom Bots", "rift", "bots"),
        ([4260, 4262], "RUBY_TRIAL_3", "Doom Bots", "rift", "bots"),
        ([4300, 4310, 4320], "JADE", "League Classic", "rift", "other"),
        # A queue whose number was given to another mode since.
        ([420], "CHERRY", "Arena", "arena", "arena"),
        # Riot left the mode out.
        ([420], "", "Ranked Solo", "rift", "ranked"),
        ([98_765], "", "Unknown mode", "other", "other"),
        # A mode that does not exist yet, in words.
        ([98_765], "SNOWBALLBASH", "Snowballbash", "other", "other"),
        ([98_765], "SNOW_BALL", "Snow Ball", "other", "other"),
    ],
)
def test_what_was_played_follows_from_the_mode(
    queue_ids: list[int], mode: str, name: str, family: str, kind: str
) -> None:
    for queue_id in queue_ids:
        found = played(queue_id, mode)
        assert (found.name, found.family, found.kind) == (name, family, kind)
        assert found.announced


@pytest.mark.parametrize(
    ("queue_id", "mode", "code", "name", "kind"),
    [
        (0, "CLASSIC", "", "Custom", "custom"),
        (0, "ARAM", None, "Custom ARAM", "custom"),
        (0, "SNOW_BALL", None, "Custom Snow Ball", "custom"),
        (3200, "CHERRY", None, "Custom Arena", "custom"),
        (0, "CLASSIC", "NA04f5-x", "Tournament", "tournament"),
        (3130, "CLASSIC", "NA04f5-x", "Tournament", "tournament"),
        (3140, "PRACTICETOOL", "", "Practice Tool", "custom"),
    ],
)
def test_custom_games_are_distinguished_by_type_and_tournament_code(
    queue_id: int, mode: str, code: str | None, name: str, kind: str
) -> None:
    found = played(queue_id, mode, game_type="CUSTOM_GAME", tournament_code=code)
    assert (found.name, found.kind) == (name, kind)


@pytest.mark.parametrize("queue_id", [3100, 3110, 3140, 3200, 3280])
def test_queues_of_custom_games_are_custom_whatever_the_type_says(queue_id: int) -> None:
    assert (played(queue_id, "CLASSIC").name, played(queue_id, "CLASSIC").kind) == (
        "Custom",
        "custom",
    )
    for other in (3099, 3141, 3199, 3281):
        assert played(other, "CLASSIC").kind == "normal"


def test_tutorials_and_the_practice_tool_are_not_announced() -> None:
    unannounced = [
        played(2000, "CLASSIC"),
        played(2010, "TUTORIAL_MODULE_2"),
        played(420, "CLASSIC", game_type="TUTORIAL_GAME"),
        played(3140, "PRACTICETOOL", game_type="CUSTOM_GAME"),
    ]
    assert not any(each.announced for each in unannounced)


def test_a_game_against_bots_in_a_new_queue_is_one_of_bots() -> None:
    assert played(98_765, "CLASSIC", against_bots=True).kind == "bots"
    assert played(98_765, "SNOW_BALL", against_bots=True).kind == "bots"
    # Ranked games are ranked, and custom games custom, whoever plays there.
    assert played(420, "CLASSIC", against_bots=True).kind == "ranked"
    assert played(0, "CLASSIC", against_bots=True, game_type="CUSTOM_GAME").kind == "custom"


def test_a_new_mode_in_which_places_are_given_reads_as_arena() -> None:
    found = played(98_765, "PEACH", has_places=True)
    assert (found.name, found.family, found.kind) == ("Peach", "arena", "arena")


def wanted(said: list[str | int], queue_id: int, mode: str, **how: object) -> bool:
    game = played(queue_id, mode, **how)
    return is_wanted(
        said, queue_id=queue_id, queue_name=game.name, queue_kind=game.kind, game_mode=mode
    )


@pytest.mark.parametrize(
    ("said", "queue_id", "mode", "is_one"),
    [
        ("Arena", 1740, "CHERRY", True),
        ("Brawl", 2301, "BRAWL", True),
        ("ARAM: Mayhem", 2450, "KIWI_JADE", True),
        ("ARAM: Mayhem", 450, "ARAM", False),
        ("ARAM", 450, "ARAM", True),
        ("aram", 2401, "KIWI", True),
        ("ARAM", 860, "ARAM", False),
        ("bots", 860, "ARAM", True),
        ("ranked", 710, "CLASSIC", True),
        ("ranked", 400, "CLASSIC", False),
        ("Ranked Solo", 420, "CLASSIC", True),
        ("Ranked Solo", 440, "CLASSIC", False),
        ("normal", 480, "SWIFTPLAY", True),
        ("Summoner's Rift", 420, "CLASSIC", True),
        ("Tournament", 700, "CLASSIC", True),
        ("everything else", 1900, "URF", True),
        ("everything else", 420, "CLASSIC", False),
        ("everything else", 98_765, "SNOW_BALL", True),
    ],
)
def test_a_filter_is_applied_to_the_game(said: str, queue_id: int, mode: str, is_one: bool) -> None:
    written = spoken(said)
    assert written is not None
    assert wanted([written], queue_id, mode) is is_one


def test_an_exact_number_is_that_queue_alone() -> None:
    assert wanted([1700], 1700, "CHERRY")
    assert not wanted([1700], 1740, "CHERRY")


def test_a_mode_by_its_name_is_no_custom_game_of_it() -> None:
    assert not wanted(["arena", "Summoner's Rift"], 0, "CHERRY", game_type="CUSTOM_GAME")
    assert not wanted(["Summoner's Rift", "normal"], 0, "CLASSIC", game_type="CUSTOM_GAME")
    assert wanted(["custom"], 0, "CLASSIC", game_type="CUSTOM_GAME")
    assert wanted(["tournament"], 0, "CLASSIC", game_type="CUSTOM_GAME", tournament_code="x")


def test_every_kind_and_every_name_is_understood_as_itself() -> None:
    for kind, name in KIND_NAMES.items():
        assert (spoken(kind.upper()), spoken(f" {name.lower()} ")) == (kind, kind)
        assert shown_wanted(kind) == name
    for name in MODE_NAMES:
        assert (spoken(name.upper()), shown_wanted(name)) == (name, name)
    assert spoken("nonsense") is None
    assert (shown_wanted(440), shown_wanted(1740)) == ("queue 440 (Ranked Flex)", "queue 1740")


def test_each_mode_and_each_queue_stands_once_in_the_table() -> None:
    codes = [mode.code for mode in MODES]
    ids = [queue.id for mode in MODES for queue in mode.queues]
    assert len(set(codes)) == len(codes)
    assert len(set(ids)) == len(ids)
    assert all(code == code.upper() for code in codes)
    assert {mode_name(mode.code.lower()) for mode in MODES} == {mode.name for mode in MODES}
