"""A made-up game before it is written down: who sits where, and what the game comes to.

payload.py writes it as match-v5 has it; modes.py makes it up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from lol_dagster.simulator.champions import Champion
from lol_dagster.simulator.fights import Score
from lol_dagster.simulator.games import Account


@dataclass
class Seat:
    """One participant."""

    account: Account | None
    """None is a bot."""
    champion: Champion
    team_id: int
    position: str = ""
    """One of champions.POSITIONS, or empty in modes without positions."""
    subteam: int = 0
    placement: int = 0
    win: bool = False
    score: Score = field(default_factory=Score)
    seconds: int = 0
    level: int = 1
    minions: int = 0
    jungle: int = 0
    damage: int = 0
    """To champions."""
    gold: int = 0
    vision: int = 0
    towers: int = 0
    dragons: int = 0
    barons: int = 0
    inhibitors: int = 0


@dataclass
class Team:
    """One entry of `teams`."""

    team_id: int
    win: bool
    bans: tuple[int, ...] = ()
    taken: Counter[str] = field(default_factory=Counter)
    """Riot's name of an objective → how many the team took."""
    first: frozenset[str] = frozenset()
    """Names of those that it took first."""


@dataclass
class Lineup:
    """One game. `ending` is empty for a game played to its end, else surrender or remake."""

    queue_id: int
    game_mode: str
    map_id: int
    seats: list[Seat]
    teams: list[Team]
    seconds: int
    game_type: str = "MATCHED_GAME"
    tournament_code: str = ""
    ending: str = ""
    quitters: int = 0
    """The team that gave up, 0 for none."""
