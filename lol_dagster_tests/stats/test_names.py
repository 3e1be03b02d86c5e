"""Names as people say them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lol_dagster.stats.champions import champion_display_name
from lol_dagster.stats.modes import mode_family, queue_display_name


@pytest.mark.parametrize(
    ("champion_id", "champion_name", "said"),
    [
        (62, "MonkeyKing", "Wukong"),
        (9, "FiddleSticks", "Fiddlesticks"),
        (9, "Fiddlesticks", "Fiddlesticks"),
        (897, "KSante", "K'Sante"),
        (20, "Nunu", "Nunu & Willump"),
        # Before patch 11.4 the number was garbage at times and the name right.
        (37_225_015, "Singed", "Singed"),
        (37_290_552, "MonkeyKing", "Wukong"),
        (37_290_552, "FiddleSticks", "Fiddlesticks"),
        (37_552_700, "DrMundo", "Dr. Mundo"),
        (37_618_237, "MasterYi", "Master Yi"),
        (37_552_701, "KSante", "K'Sante"),
        # The number decides where it is one that we know.
        (222, "", "Jinx"),
        (62, "Monkey", "Wukong"),
        # Swarm has champions of its own.
        (3151, "Strawberry_Jinx", "Jinx"),
        (3947, "Strawberry_Xayah", "Xayah"),
        # Champions that are newer than our table.
        (99_001, "Mel2", "Mel2"),
        (99_002, "TwoWords", "Two Words"),
        (99_003, "", "Champion 99003"),
    ],
)
def test_champions_are_called_what_people_call_them(
    champion_id: int, champion_name: str, said: str
) -> None:
    assert champion_display_name(champion_id, champion_name) == said


def test_every_champion_of_data_dragon_is_named_as_there(shared_dir: Path) -> None:
    published = json.loads((shared_dir / "riot/champions-16.9.1.json").read_text())["data"]
    for internal, champion in published.items():
        by_id = champion_display_name(int(champion["key"]), "Whatever")
        by_name = champion_display_name(37_225_015, internal)
        assert by_id == by_name == champion["name"]


@pytest.mark.parametrize(
    ("queue_id", "mode", "said"),
    [
        (420, "CLASSIC", "Ranked Solo"),
        (440, "CLASSIC", "Ranked Flex"),
        (450, "ARAM", "ARAM"),
        (1700, "CHERRY", "Arena"),
        (1750, "CHERRY", "Arena"),
        # Riot once reported Arena under queue 0, which is that of custom games.
        (0, "CHERRY", "Arena"),
        (2400, "KIWI", "ARAM: Mayhem"),
        (4321, "KIWI", "ARAM: Mayhem"),
        (98_765, "SNOWBALLBASH", "Snowballbash"),
        (98_765, "SNOW_BALL", "Snow Ball"),
        (98_765, "", "Unknown mode"),
    ],
)
def test_queues_that_we_do_not_know_are_called_after_their_mode(
    queue_id: int, mode: str, said: str
) -> None:
    name = queue_display_name(
        queue_id, game_mode=mode, game_type="MATCHED_GAME", tournament_code=""
    )
    assert name == said


@pytest.mark.parametrize(
    ("queue_id", "mode", "code", "said"),
    [
        (0, "CLASSIC", "", "Custom"),
        (0, "ARAM", None, "Custom ARAM"),
        (0, "CLASSIC", "NA04f5-x", "Tournament"),
        (3130, "CLASSIC", "NA04f5-x", "Tournament"),
        (3140, "PRACTICETOOL", "", "Practice Tool"),
    ],
)
def test_custom_games_are_distinguished_by_type_and_tournament_code(
    queue_id: int, mode: str, code: str | None, said: str
) -> None:
    name = queue_display_name(
        queue_id, game_mode=mode, game_type="CUSTOM_GAME", tournament_code=code
    )
    assert name == said


def test_modes_are_known_by_gamemode_whatever_the_case() -> None:
    words = ["CLASSIC", "classic", "SWIFTPLAY", "ARAM", "KIWI", "CHERRY", "STRAWBERRY", "URF", "X"]
    families = ["rift", "rift", "rift", "aram", "aram", "arena", "swarm", "other", "other"]
    assert [mode_family(word) for word in words] == families
