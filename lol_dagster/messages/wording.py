"""How a remark reads: for each code several wordings, of which the match id chooses; and how a rank does.

Every wording is a whole sentence, so that it can be translated as one; what stands in braces is filled in:
`number`, `champion`, `other` (a player).
"""

from __future__ import annotations

import hashlib
from typing import Final

from lol_dagster.messages.text import isolated
from lol_dagster.stats.ranks import Moved
from lol_dagster.stats.remarks import Remark

WORDINGS: Final[dict[str, tuple[str, ...]]] = {
    "penta_kill": (
        "A pentakill!",
        "Pentakill: all five of them",
        "Five kills in a row: a pentakill",
    ),
    "quadra_kill": ("A quadra kill", "Four in a row: a quadra kill"),
    "triple_kill": ("A triple kill", "Three in a row: a triple kill"),
    "solo_baron": ("Slew Baron Nashor alone", "Took Baron Nashor without anybody's help"),
    "steal": ("Stole an epic monster", "Took an epic monster from under the enemy's nose"),
    "open_nexus": ("Won with an open nexus", "Won it back from an open nexus"),
    "lane_won_far": (
        "At least a hundred CS ahead of the lane opponent",
        "Won the lane by a hundred CS",
    ),
    "single_digit_health": (
        "Survived with less than ten health",
        "Got away with less than ten health left",
    ),
    "games_together": ("Game number {number:,} with {other}", "{number:,} games with {other} now"),
    "duo_kills": (
        "{number:,} kills together with {other}: the most so far",
        "With {other} more kills than ever before: {number:,}",
    ),
    "win_streak": ("{number:,} wins in a row", "Won the last {number:,} games"),
    "best_damage": (
        "The most damage so far: {number:,}",
        "A personal best in damage: {number:,}",
    ),
    "best_kills": ("The most kills so far: {number:,}", "A personal best in kills: {number:,}"),
    "best_assists": (
        "The most assists so far: {number:,}",
        "A personal best in assists: {number:,}",
    ),
    "best_cs": ("The most CS so far: {number:,}", "A personal best in CS: {number:,}"),
    "best_vision": (
        "The highest vision score so far: {number:,}",
        "A personal best in vision: {number:,}",
    ),
    "top_damage": ("One of the best in damage: {number:,}", "Damage as seldom before: {number:,}"),
    "top_kills": ("One of the best in kills: {number:,}", "Kills as seldom before: {number:,}"),
    "top_assists": (
        "One of the best in assists: {number:,}",
        "Assists as seldom before: {number:,}",
    ),
    "top_cs": ("One of the best in CS: {number:,}", "CS as seldom before: {number:,}"),
    "top_vision": (
        "One of the best in vision: {number:,}",
        "A vision score as seldom before: {number:,}",
    ),
    "first_win_on_champion": (
        "The first win with {champion}, after {number:,} tries",
        "A first win with {champion}: {number:,} tries were worth it",
    ),
    "first_on_champion": ("The first game with {champion}", "Never played before: {champion}"),
    "long_pause": ("Back after {number:,} days", "The first game in {number:,} days"),
}


def remark_in_words(remark: Remark, match_id: str) -> str:
    """The same for the same game, each time."""
    wordings = WORDINGS[remark.code]
    digest = hashlib.sha256(f"{match_id} {remark.code}".encode()).digest()
    wording = wordings[int.from_bytes(digest[:4]) % len(wordings)]
    return wording.format(
        number=remark.number, champion=remark.champion, other=isolated(remark.other)
    )


def rank_in_words(moved: Moved) -> str:
    """`+21 LP (Gold II 45 → 66)`, `+37 LP over 3 games (…)`, `Placed in Gold IV with 12 LP`."""
    before, after, points = moved.before, moved.after, moved.points
    if points is None:
        return f"Placed in {after.place} with {after.league_points:,} LP"
    said = [f"{'+' if points > 0 else '−' if points < 0 else ''}{abs(points):,} LP"]
    if moved.games > 1:
        said.append(f"over {moved.games:,} games")
    if before.is_apart_from(after):
        there = after.standing
        said.append(f"({before.standing} → {there}, {'promoted' if points > 0 else 'demoted'})")
    else:
        there = f"{after.league_points:,}" if before.place == after.place else after.standing
        said.append(f"({before.standing} → {there})")
    return " ".join(said)
