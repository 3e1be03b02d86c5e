"""The stages that work a game out, and the versions of their code."""

from __future__ import annotations

from typing import Literal

from lol_dagster.messages.record import MESSAGES_CODE_VERSION
from lol_dagster.riot.archive import GAMES_CODE_VERSION
from lol_dagster.stats.record import STATS_CODE_VERSION

Stage = Literal["games", "player_stats", "messages"]
STAGES: tuple[Stage, ...] = ("games", "player_stats", "messages")
CODE_VERSIONS: dict[str, str] = {
    "games": GAMES_CODE_VERSION,
    "player_stats": STATS_CODE_VERSION,
    "messages": MESSAGES_CODE_VERSION,
}
"""Stage → version: a new one makes games that were quarantined there be tried again, once."""
