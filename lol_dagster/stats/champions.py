"""What champions are called.

Payloads name a champion by number and by an internal id (`MonkeyKing`); people say Wukong. The
table champions.json holds the champions of patch 16.9 as published in Data Dragon (ddragon.leagueoflegends.com,
`champion.json`); one that is newer is called by its internal id with the spaces put in, so the
table may lag behind.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Final

_BY_ID: Final[dict[str, str]] = json.loads(
    files("lol_dagster.stats").joinpath("champions.json").read_text(encoding="utf-8")
)
_UNLIKE_THEIR_NAMES: Final = {
    "monkeyking": "Wukong",
    "nunu": "Nunu & Willump",
    "renata": "Renata Glasc",
}
"""Internal ids, folded, that are more than the name without blanks and apostrophes."""


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_BY_FOLDED_NAME: Final = {_folded(name): name for name in _BY_ID.values()}


def champion_display_name(champion_id: int, champion_name: str) -> str:
    """What people call a champion.

    Args:
        champion_id: The payload's championId; garbage before patch 11.4, and a number of its own
            where a mode has its own copy of the champion (Swarm).
        champion_name: The payload's championName, an internal id such as `FiddleSticks`,
            `MonkeyKing` or `Strawberry_Jinx`.
    """
    internal = champion_name.rpartition("_")[2]
    folded = _folded(internal)
    return (
        _BY_ID.get(str(champion_id))
        or _UNLIKE_THEIR_NAMES.get(folded)
        or _BY_FOLDED_NAME.get(folded)
        or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", internal)
        or (f"Champion {champion_id}" if champion_id > 0 else "Unknown champion")
    )
