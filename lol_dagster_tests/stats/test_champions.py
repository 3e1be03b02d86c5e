"""What champions are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lol_dagster.stats.champions import champion_display_name


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
        # So have League Classic and Doom Bots.
        (60_222, "Jade_Jinx", "Jinx"),
        (60_062, "Jade_MonkeyKing", "Wukong"),
        (99_004, "Ruby_Soraka", "Soraka"),
        # Champions that are newer than our table.
        (99_001, "Mel2", "Mel2"),
        (99_002, "TwoWords", "Two Words"),
        (99_003, "", "Champion 99003"),
        (0, "", "Unknown champion"),
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
