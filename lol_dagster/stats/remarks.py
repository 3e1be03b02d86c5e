"""What is worth a remark about somebody's game, and which of it: the rarest. How it reads: messages/wording.py.

Pure. Only what honours is here; nothing about deaths, worsts, surrenders, or form that shames. Each candidate has
a rarity, the share of games in which it is so: measured in the player's own earlier games where there are
twenty, with the share of everybody (measured.json) standing in where they say little. docs/stats.md has the
method. The same game and the same earlier games make the same remarks, whatever was played later.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from itertools import pairwise
from typing import Final, TypeVar

from lol_dagster.stats.metrics import HIGHLIGHTS, MULTIKILLS

CODES: Final = (
    *HIGHLIGHTS,
    "games_together",
    "duo_kills",
    "win_streak",
    "best_damage",
    "best_kills",
    "best_assists",
    "best_cs",
    "best_vision",
    "top_damage",
    "top_kills",
    "top_assists",
    "top_cs",
    "top_vision",
    "first_win_on_champion",
    "first_on_champion",
    "long_pause",
)
"""Every remark there is; of two that are equally rare the one that stands first is made."""

FLOOR: Final = 0.07
"""What is more common than that is not worth a remark."""
MOST_PER_MESSAGE: Final = 2
_OWN_GAMES: Final = 20
"""From so many on a player's own history decides; the share of everybody weighs as much as so many games."""
_GAMES_FOR_A_BEST: Final = 10
_TOP: Final = 0.01
_SHORTEST_STREAK: Final = 4
_TRIES: Final = 3
_LONG_PAUSE: Final = timedelta(days=30)
_MILESTONES: Final = frozenset({100, 250, *range(500, 10_001, 500)})
_EVERYBODY: Final[dict[str, dict[str, float]]] = json.loads(
    files("lol_dagster.stats").joinpath("measured.json").read_text(encoding="utf-8")
)["rarity"]

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class PastGame:
    """A player's game, as far as remarks are concerned."""

    match_id: str
    ended_at: datetime
    mode_family: str
    counts: bool
    """Made by matchmaking and played out, people against people."""
    measured: bool
    """Recorded by code that knows today's feats: their absence means something."""
    side: str
    champion: str
    won: bool
    kills: int
    assists: int
    damage: int
    cs: int | None
    """None where there are no lanes."""
    vision: int
    feats: frozenset[str]
    behind: int | None = None
    """By how much gold the side was behind at most; None: no timeline tells."""


@dataclass(frozen=True)
class Remark:
    """Something to be said of one member's game."""

    code: str
    rarity: float
    """The share of games in which it is so, 0 to 1."""
    number: int = 0
    champion: str = ""
    other: str = ""
    """The player whom it is shared with."""


def candidates(game: PastGame, before: Sequence[PastGame]) -> list[Remark]:
    """What could be said of a player's game.

    Args:
        before: The player's earlier games, oldest first.
    """
    if not game.counts:
        return []
    counted = [each for each in before if each.counts]
    alike = [each for each in counted if each.mode_family == game.mode_family]
    return [
        *_feats(game, alike),
        *_figures(game, alike),
        *_streak(game, counted),
        *_champion(game, counted),
        *_pause(game, before),
    ]


def shared_candidates(
    game: PastGame,
    other: PastGame,
    before: Sequence[PastGame],
    others: Sequence[PastGame],
    name: str,
) -> list[Remark]:
    """What could be said of a game that two played together.

    Args:
        before: The one's earlier games.
        others: The other's.
        name: The other's.
    """
    if not game.counts or other.side != game.side:
        return []
    of_other = {each.match_id: each for each in others}
    together = [
        (each, of_other[each.match_id])
        for each in before
        if each.counts and each.match_id in of_other and of_other[each.match_id].side == each.side
    ]
    found = []
    if (count := len(together) + 1) in _MILESTONES:
        found.append(Remark("games_together", 1 / count, count, other=name))
    kills = [one.kills + two.kills for one, two in together if one.mode_family == game.mode_family]
    both = game.kills + other.kills
    if len(kills) >= _GAMES_FOR_A_BEST and both > max(kills):
        found.append(Remark("duo_kills", 1 / (len(kills) + 1), both, other=name))
    return found


def choose(found: Mapping[_Key, Iterable[Remark]]) -> dict[_Key, Remark]:
    """The rarest of each member, and of these the two rarest that are not the same; none above the floor.

    Args:
        found: Member → candidates, in the order in which the members are named.
    """

    def order(remark: Remark) -> tuple[float, int]:
        return remark.rarity, CODES.index(remark.code)

    rarest = {
        member: min(remarks, key=order)
        for member, remarks in ((member, list(each)) for member, each in found.items())
        if remarks
    }
    chosen: dict[_Key, Remark] = {}
    for member, remark in sorted(rarest.items(), key=lambda each: order(each[1])):
        said = {each.code for each in chosen.values()}
        if remark.rarity <= FLOOR and remark.code not in said and len(chosen) < MOST_PER_MESSAGE:
            chosen[member] = remark
    return chosen


def _rarity(times: int, games: int, everybody: float | None) -> float | None:
    """The share of games in which it is so; None: unknown.

    Args:
        times: How often it was so in the player's own earlier games.
        games: How many these are.
        everybody: In which share of all players' games it is so; None: nobody has measured that.
    """
    if games < _OWN_GAMES:
        return everybody
    if everybody is None:
        return (times + 1) / (games + 1)
    return (times + _OWN_GAMES * everybody) / (games + _OWN_GAMES)


def _feats(game: PastGame, alike: Sequence[PastGame]) -> list[Remark]:
    measured = [each for each in alike if each.measured]
    everybody = _EVERYBODY.get(game.mode_family, {})
    found = []
    for code in HIGHLIGHTS:
        if code in game.feats:
            # A pentakill is a triple kill, too.
            same = {*MULTIKILLS[: MULTIKILLS.index(code) + 1]} if code in MULTIKILLS else {code}
            is_comeback = code == "comeback"
            known = [each for each in measured if not is_comeback or each.behind is not None]
            times = sum(not same.isdisjoint(each.feats) for each in known)
            rarity = _rarity(times, len(known), everybody.get(code))
            number = game.behind or 0 if is_comeback else 0
            found += [] if rarity is None else [Remark(code, rarity, number)]
    return found


_FIGURES: Final[dict[str, Callable[[PastGame], int | None]]] = {
    "damage": lambda game: game.damage,
    "kills": lambda game: game.kills,
    "assists": lambda game: game.assists,
    "cs": lambda game: game.cs,
    "vision": lambda game: game.vision,
}


def _figures(game: PastGame, alike: Sequence[PastGame]) -> list[Remark]:
    """Personal bests, and what is beyond the 99th percentile of the player's own games."""
    found = []
    for name, figure in _FIGURES.items():
        value = figure(game)
        past = [each for each in map(figure, alike) if each is not None]
        if not value or len(past) < _GAMES_FOR_A_BEST:
            continue
        as_good = sum(each >= value for each in past)
        rarity = (as_good + 1) / (len(past) + 1)
        if as_good == 0:
            found.append(Remark(f"best_{name}", rarity, value))
        elif rarity <= _TOP:
            found.append(Remark(f"top_{name}", rarity, value))
    return found


def _streak(game: PastGame, counted: Sequence[PastGame]) -> list[Remark]:
    lengths: list[int] = []
    for each in counted:
        lengths.append((lengths[-1] if lengths else 0) + 1 if each.won else 0)
    length = (lengths[-1] if lengths else 0) + 1
    if not game.won or length < _SHORTEST_STREAK:
        return []
    # Matchmaking aims at even chances; that is what is known of who has played little.
    rarity = _rarity(sum(each >= length for each in lengths), len(counted), 0.5**length)
    return [Remark("win_streak", rarity or 0.0, length)]


def _champion(game: PastGame, counted: Sequence[PastGame]) -> list[Remark]:
    firsts, first_wins = 0, 0
    tries: dict[str, list[bool]] = {}
    for each in counted:
        past = tries.setdefault(each.champion, [])
        firsts += not past
        first_wins += _is_first_win(each, past)
        past.append(each.won)
    past = tries.get(game.champion, [])
    if not past:
        code, times = "first_on_champion", firsts
    elif _is_first_win(game, past):
        code, times = "first_win_on_champion", first_wins
    else:
        return []
    rarity = _rarity(times, len(counted), None)
    if rarity is None:
        return []
    return [Remark(code, rarity, len(past), champion=game.champion)]


def _is_first_win(game: PastGame, past: Sequence[bool]) -> bool:
    return game.won and len(past) >= _TRIES and not any(past)


def _pause(game: PastGame, before: Sequence[PastGame]) -> list[Remark]:
    if not before or (pause := game.ended_at - before[-1].ended_at) < _LONG_PAUSE:
        return []
    times = sum(
        later.ended_at - earlier.ended_at >= _LONG_PAUSE for earlier, later in pairwise(before)
    )
    rarity = _rarity(times, len(before), None)
    return [] if rarity is None else [Remark("long_pause", rarity, pause.days)]
