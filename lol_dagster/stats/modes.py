"""What queues and modes are called, and which of them are alike.

Riot's own list (static.developer.riotgames.com/docs/lol/queues.json) lags behind the games: new
queues are played before they are listed. So a mode is recognised by gameMode, never by its queue,
and a queue that we do not know is called after its mode.
"""

from __future__ import annotations

from typing import Final, Literal

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

_QUEUE_NAMES: Final = {
    400: "Normal Draft",
    420: "Ranked Solo",
    430: "Normal Blind",
    440: "Ranked Flex",
    450: "ARAM",
    480: "Swiftplay",
    490: "Quickplay",
    700: "Clash",
    720: "ARAM Clash",
    830: "Co-op vs. AI Intro",
    840: "Co-op vs. AI Beginner",
    850: "Co-op vs. AI Intermediate",
    870: "Co-op vs. AI Intro",
    880: "Co-op vs. AI Beginner",
    890: "Co-op vs. AI Intermediate",
    900: "ARURF",
    920: "Legend of the Poro King",
    1010: "Snow ARURF",
    1020: "One for All",
    1300: "Nexus Blitz",
    1400: "Ultimate Spellbook",
    1700: "Arena",
    1710: "Arena",
    1750: "Arena",
    1810: "Swarm",
    1820: "Swarm",
    1830: "Swarm",
    1840: "Swarm",
    1900: "URF",
    2000: "Tutorial",
    2010: "Tutorial",
    2020: "Tutorial",
    2300: "Brawl",
    2400: "ARAM: Mayhem",
}
"""The queues that games have been played in since match-v5 began (2021)."""


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
    return _QUEUE_NAMES.get(queue_id) or mode_name(mode)
