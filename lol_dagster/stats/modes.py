"""What queues and modes are called, and which of them are alike.

Riot's own list (static.developer.riotgames.com/docs/lol/queues.json) lags behind the games: new
queues are played before they are listed. So a mode is recognised by gameMode, never by its queue,
and a queue that we do not know is called after its mode.
"""

from __future__ import annotations

from typing import Final, Literal

from lol_dagster.riot.queues import QUEUE_NAMES

ModeFamily = Literal["rift", "aram", "arena", "swarm", "other"]

ARENA: Final = "CHERRY"
SWARM: Final = "STRAWBERRY"
PRACTICE_TOOL: Final = "PRACTICETOOL"
CUSTOM_GAME: Final = "CUSTOM_GAME"

_FAMILIES: Final[dict[str, ModeFamily]] = {
    "CLASSIC": "rift",
    "SWIFTPLAY": "rift",
    "ARAM": "aram",
    "KIWI": "aram",
    ARENA: "arena",
    SWARM: "swarm",
}

_MODE_NAMES: Final = {
    "ARAM": "ARAM",
    "ARSR": "All Random",
    "ASCENSION": "Ascension",
    "ASSASSINATE": "Blood Hunt",
    "BRAWL": "Brawl",
    ARENA: "Arena",
    "CLASSIC": "Summoner's Rift",
    "DARKSTAR": "Dark Star",
    "DOOMBOTSTEEMO": "Doom Bots",
    "FIRSTBLOOD": "Snowdown Showdown",
    "GAMEMODEX": "Nexus Blitz",
    "KINGPORO": "Legend of the Poro King",
    "KIWI": "ARAM: Mayhem",
    "NEXUSBLITZ": "Nexus Blitz",
    "ODIN": "Dominion",
    "ODYSSEY": "Odyssey",
    "ONEFORALL": "One for All",
    PRACTICE_TOOL: "Practice Tool",
    "PROJECT": "PROJECT: Hunters",
    "SIEGE": "Nexus Siege",
    "STARGUARDIAN": "Star Guardian Invasion",
    SWARM: "Swarm",
    "SWIFTPLAY": "Swiftplay",
    "TUTORIAL": "Tutorial",
    "TUTORIAL_MODULE_1": "Tutorial",
    "TUTORIAL_MODULE_2": "Tutorial",
    "TUTORIAL_MODULE_3": "Tutorial",
    "ULTBOOK": "Ultimate Spellbook",
    "URF": "URF",
}


def mode_family(game_mode: str) -> ModeFamily:
    """Which kind of game it is to read about; `rift`: lanes, where creep score says something."""
    return _FAMILIES.get(game_mode.upper(), "other")


def mode_name(game_mode: str) -> str:
    """`ARAM` or `Arena`; a mode that we do not know is called by Riot's own word for it."""
    known = _MODE_NAMES.get(game_mode.upper())
    return known or game_mode.replace("_", " ").title() or "Unknown mode"


def queue_display_name(
    queue_id: int, *, game_mode: str, game_type: str, tournament_code: str | None
) -> str:
    """What people call what was played: `Ranked Solo`, `Arena`, `Custom ARAM`, `Tournament`."""
    mode = game_mode.upper()
    if game_type.upper() == CUSTOM_GAME and mode != PRACTICE_TOOL:
        if tournament_code:
            return "Tournament"
        return "Custom" if mode == "CLASSIC" else f"Custom {mode_name(mode)}"
    return QUEUE_NAMES.get(queue_id) or mode_name(mode)
