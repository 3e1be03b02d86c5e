"""How a remark reads: for each code several wordings, of which the match id chooses; how a rank does; and what a
mode is called.

Every wording is a whole sentence, so that it can be translated as one; what stands in braces is filled in:
`number`, `champion`, `other` (a player).
"""

from __future__ import annotations

import hashlib
from typing import Final

from lol_dagster.messages.language import Language, Text, marked, marked_plural
from lol_dagster.messages.text import isolated
from lol_dagster.stats.ranks import Moved, Rank
from lol_dagster.stats.remarks import Remark

WORDINGS: Final[dict[str, tuple[Text, ...]]] = {
    "penta_kill": (
        marked("A pentakill!"),
        marked("Pentakill: all five of them"),
        marked("Five kills in a row: a pentakill"),
    ),
    "quadra_kill": (marked("A quadra kill"), marked("Four in a row: a quadra kill")),
    "triple_kill": (marked("A triple kill"), marked("Three in a row: a triple kill")),
    "solo_baron": (
        marked("Slew Baron Nashor alone"),
        marked("Took Baron Nashor without anybody's help"),
    ),
    "comeback": (
        marked("Won after being {number} gold behind"),
        marked("Came back from {number} gold behind"),
    ),
    "steal": (
        marked("Stole an epic monster"),
        marked("Took an epic monster from under the enemy's nose"),
    ),
    "open_nexus": (marked("Won with an open nexus"), marked("Won it back from an open nexus")),
    "lane_won_far": (
        marked("At least a hundred CS ahead of the lane opponent"),
        marked("Won the lane by a hundred CS"),
    ),
    "single_digit_health": (
        marked("Survived with less than ten health"),
        marked("Got away with less than ten health left"),
    ),
    "games_together": (
        marked("Game number {number} with {other}"),
        marked_plural("{number} game with {other} now", "{number} games with {other} now"),
    ),
    "duo_kills": (
        marked_plural(
            "{number} kill together with {other}: the most so far",
            "{number} kills together with {other}: the most so far",
        ),
        marked("With {other} more kills than ever before: {number}"),
    ),
    "win_streak": (
        marked_plural("{number} win in a row", "{number} wins in a row"),
        marked_plural("Won the last game", "Won the last {number} games"),
    ),
    "best_damage": (
        marked("The most damage so far: {number}"),
        marked("A personal best in damage: {number}"),
    ),
    "best_kills": (
        marked("The most kills so far: {number}"),
        marked("A personal best in kills: {number}"),
    ),
    "best_assists": (
        marked("The most assists so far: {number}"),
        marked("A personal best in assists: {number}"),
    ),
    "best_cs": (marked("The most CS so far: {number}"), marked("A personal best in CS: {number}")),
    "best_vision": (
        marked("The highest vision score so far: {number}"),
        marked("A personal best in vision: {number}"),
    ),
    "top_damage": (
        marked("One of the best in damage: {number}"),
        marked("Damage as seldom before: {number}"),
    ),
    "top_kills": (
        marked("One of the best in kills: {number}"),
        marked("Kills as seldom before: {number}"),
    ),
    "top_assists": (
        marked("One of the best in assists: {number}"),
        marked("Assists as seldom before: {number}"),
    ),
    "top_cs": (marked("One of the best in CS: {number}"), marked("CS as seldom before: {number}")),
    "top_vision": (
        marked("One of the best in vision: {number}"),
        marked("A vision score as seldom before: {number}"),
    ),
    "first_win_on_champion": (
        marked_plural(
            "The first win with {champion}, after {number} try",
            "The first win with {champion}, after {number} tries",
        ),
        marked_plural(
            "A first win with {champion}: {number} try was worth it",
            "A first win with {champion}: {number} tries were worth it",
        ),
    ),
    "first_on_champion": (
        marked("The first game with {champion}"),
        marked("Never played before: {champion}"),
    ),
    "long_pause": (
        marked_plural("Back after {number} day", "Back after {number} days"),
        marked_plural("The first game in {number} day", "The first game in {number} days"),
    ),
}

_TIERS: Final = {
    "IRON": marked("Iron"),
    "BRONZE": marked("Bronze"),
    "SILVER": marked("Silver"),
    "GOLD": marked("Gold"),
    "PLATINUM": marked("Platinum"),
    "EMERALD": marked("Emerald"),
    "DIAMOND": marked("Diamond"),
    "MASTER": marked("Master"),
    "GRANDMASTER": marked("Grandmaster"),
    "CHALLENGER": marked("Challenger"),
}
_CUSTOM: Final = "Custom "
"""Before the mode's own name, of custom games."""
_MADE_NAMES: Final = (marked("Custom"), marked("Tournament"), marked("Unknown mode"))
"""Those that riot/modes.py has beside its table."""


def remark_in_words(remark: Remark, match_id: str, language: Language) -> str:
    """The same for the same game, each time."""
    wordings = WORDINGS[remark.code]
    digest = hashlib.sha256(f"{match_id} {remark.code}".encode()).digest()
    wording = wordings[int.from_bytes(digest[:4]) % len(wordings)]
    return language.said(
        wording, remark.number, champion=remark.champion, other=isolated(remark.other)
    )


def rank_in_words(moved: Moved, language: Language) -> str:
    """`+21 LP (Gold II 45 → 66)`, `+37 LP over 3 games (…)`, `Placed in Gold IV with 12 LP`."""
    before, after = moved.before, moved.after
    if moved.points is None:
        place = place_in_words(after, language)
        return language.say(
            "Placed in {place} with {points} LP", place=place, points=after.league_points
        )
    points = language.signed(moved.points)
    if moved.games > 1:
        said = language.plural(
            "{points} LP over {number} game",
            "{points} LP over {number} games",
            moved.games,
            points=points,
        )
    else:
        said = language.say("{points} LP", points=points)
    way = f"{_standing(before, language)} → "
    if before.place == after.place:
        way += language.number(after.league_points)
    else:
        way += _standing(after, language)
    if before.is_apart_from(after):
        promoted = moved.points > 0
        way += ", " + (language.say("promoted") if promoted else language.say("demoted"))
    return f"{said} ({way})"


def place_in_words(rank: Rank, language: Language) -> str:
    """`Gold II`, `Master`."""
    tier = _TIERS.get(rank.tier or "")
    if tier is None:
        return rank.place
    division = rank.division if rank.has_divisions else None
    return " ".join(filter(None, [language.name(tier.one), division]))


def _standing(rank: Rank, language: Language) -> str:
    """`Gold II 45`."""
    return f"{place_in_words(rank, language)} {language.number(rank.league_points)}"


def mode_in_words(name: str, language: Language) -> str:
    """What a mode or queue is called (riot/modes.py); by its own name where nobody has translated it."""
    if name.startswith(_CUSTOM):
        mode = mode_in_words(name.removeprefix(_CUSTOM), language)
        return language.say("Custom {mode}", mode=mode)
    return language.name(name)
