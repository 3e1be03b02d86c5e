"""The story of a game of the Rift, in three lines from our side: how it began, what turned it, how it ended.

Pure: from the game's course (stats/course.py) and the members' seats. Only what honours is said of anybody; what
the other side did well is said of the side. Where the members played against each other there is no side of ours,
and no story. docs/stats.md has the bounds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from lol_dagster.messages.compose import AnnouncedGame, Member, game_length
from lol_dagster.messages.content import Line, Section
from lol_dagster.messages.language import Language, Text, marked, marked_plural
from lol_dagster.stats.course import Course, Swing

LANE_GOLD: Final = 300
"""What is less is no lead over a lane opponent."""
EVEN_GOLD: Final = 500
"""What is less after ten minutes is even."""
SWING_GOLD: Final = 1_000
"""What is less turned nothing."""
CLOSE_GOLD: Final = 1_000
"""What is less at the end is close."""
TURNED_GOLD: Final = 2_000
"""To have been behind by so much, and to win, is worth a word."""
_TEN_MINUTES_S: Final = 600

_BEGINNINGS: Final[dict[str, tuple[Text, ...]]] = {
    "first_blood": (
        marked("{name} drew first blood at {time}."),
        marked("First blood for {name}, at {time}."),
    ),
    "first_blood_ours": (
        marked("First blood was ours, at {time}."),
        marked("We drew first blood at {time}."),
    ),
    "first_blood_theirs": (
        marked("First blood at {time} went to the other side."),
        marked("The other side drew first blood at {time}."),
    ),
    "lane": (
        marked("After ten minutes {name} was {number} gold ahead of {champion}."),
        marked("{name} had {number} gold more than {champion} after ten minutes."),
    ),
    "ahead": (marked("After ten minutes we were {number} gold ahead."),),
    "behind": (marked("After ten minutes we were {number} gold behind."),),
    "even": (marked("After ten minutes it was even."),),
}
_TURNS: Final[dict[str, tuple[Text, ...]]] = {
    "ours": (
        marked("From {start} to {end} we gained {number} gold on them: {what}."),
        marked("Our best stretch, {start} to {end}, was worth {number} gold: {what}."),
    ),
    "ours_by_nothing": (marked("From {start} to {end} we gained {number} gold on them."),),
    "theirs": (
        marked("From {start} to {end} the other side gained {number} gold on us: {what}."),
        marked("The other side's best stretch, {start} to {end}, was worth {number} gold: {what}."),
    ),
    "theirs_by_nothing": (
        marked("From {start} to {end} the other side gained {number} gold on us."),
    ),
    "part": (marked("{name} had a hand in {part} of the {number} kills."),),
    "all": (marked("{name} had a hand in every kill."),),
}
_ENDS: Final[dict[str, tuple[Text, ...]]] = {
    "won": (
        marked("Won after {length}, {number} gold ahead."),
        marked("It was over after {length}: won, with {number} gold more than they had."),
    ),
    "won_close": (marked("Won after {length}, with hardly any gold between the sides."),),
    "won_behind": (marked("Won after {length}, although the other side had {number} gold more."),),
    "won_back": (
        marked("Won after {length}, although we were {number} gold behind at {time}."),
        marked("{number} gold behind at {time}, and still won after {length}."),
    ),
    "over": (marked("After {length} the other side won, {number} gold ahead."),),
    "over_close": (
        marked("It was close: the other side won after {length}, with hardly any gold between us."),
    ),
    "over_ahead": (
        marked("The other side won after {length}, although we had {number} gold more."),
    ),
}
_TAKEN: Final[dict[str, Text]] = {
    "BARON_NASHOR": marked_plural("Baron Nashor", "{number} Barons"),
    "ELDER_DRAGON": marked_plural("an Elder Dragon", "{number} Elder Dragons"),
    "DRAGON": marked_plural("a dragon", "{number} dragons"),
    "RIFTHERALD": marked_plural("the Rift Herald", "{number} Rift Heralds"),
    "HORDE": marked_plural("a Voidgrub", "{number} Voidgrubs"),
    "ATAKHAN": marked("Atakhan"),
    "tower": marked_plural("a tower", "{number} towers"),
    "inhibitor": marked_plural("an inhibitor", "{number} inhibitors"),
}
"""In the order in which they are named, after the kills. A monster that nobody has heard of is left out."""


def story(
    game: AnnouncedGame, course: Course, champions: Mapping[int, str], language: Language
) -> Section | None:
    """What is said of how a game went; None: the members played against each other.

    Args:
        champions: Participant id → champion, of everybody.
    """
    side = game.members[0].side
    if any(member.side != side for member in game.members):
        return None
    teller = _Teller(game, course, champions, language)
    lines = (teller.beginning(), teller.turn(), teller.end())
    return Section(
        heading=language.say("How it went"),
        lines=tuple(Line(facts=(line,)) for line in lines if line),
    )


class _Teller:
    """Tells of one game. Which of several wordings is taken depends on the match id."""

    def __init__(
        self,
        game: AnnouncedGame,
        course: Course,
        champions: Mapping[int, str],
        language: Language,
    ) -> None:
        self._game = game
        self._course = course
        self._champions = champions
        self._language = language
        self._side = game.members[0].side

    def beginning(self) -> str:
        return " ".join(filter(None, [self._first_blood(), self._after_ten_minutes()]))

    def turn(self) -> str:
        swing = self._course.swing
        if swing is None or swing.gold < SWING_GOLD:
            return ""
        is_ours = swing.side == self._side
        what = self._what_made(swing)
        code = ("ours" if is_ours else "theirs") + ("" if what else "_by_nothing")
        said = self._say(
            _TURNS, code, _rounded(swing.gold),
            start=game_length(swing.start_s) or "0:00", end=game_length(swing.end_s), what=what,
        )  # fmt: skip
        return " ".join(filter(None, [said, self._whose_kills(swing)]))

    def end(self) -> str:
        course, side = self._course, self._side
        lead, (at, behind) = course.final_lead(side), course.most_behind(side)
        if self._game.members[0].outcome == "win":
            if lead <= -CLOSE_GOLD:
                code, number = "won_behind", -lead
            elif behind >= TURNED_GOLD:
                code, number = "won_back", behind
            else:
                code, number = ("won_close" if lead < CLOSE_GOLD else "won"), lead
        elif lead >= CLOSE_GOLD:
            code, number = "over_ahead", lead
        else:
            code, number = ("over_close" if lead > -CLOSE_GOLD else "over"), -lead
        return self._say(
            _ENDS,
            code,
            _rounded(number),
            length=game_length(self._game.duration_s),
            time=game_length(at),
        )

    def _first_blood(self) -> str:
        if self._course.first_blood is None:
            return ""
        killer, at = self._course.first_blood
        name = next(
            (each.label for each in self._game.members if each.participant_id == killer), ""
        )
        is_ours = killer in self._course.sides.get(self._side, ())
        code = "first_blood" if name else "first_blood_ours" if is_ours else "first_blood_theirs"
        return self._say(_BEGINNINGS, code, time=game_length(at), name=name)

    def _after_ten_minutes(self) -> str:
        gold = self._course.gold_at_10
        lead = self._course.lead(self._side, _TEN_MINUTES_S)
        if not gold or lead is None:
            return ""

        def ahead(member: Member) -> int:
            if member.opponent_id is None:
                return 0
            return gold[member.participant_id] - gold[member.opponent_id]

        best = max(self._game.members, key=ahead)  # of equals the first
        if best.opponent_id is not None and ahead(best) >= LANE_GOLD:
            champion = self._champions[best.opponent_id]
            return self._say(
                _BEGINNINGS, "lane", _rounded(ahead(best)), name=best.label, champion=champion
            )
        code = "even" if abs(lead) < EVEN_GOLD else "ahead" if lead > 0 else "behind"
        return self._say(_BEGINNINGS, code, _rounded(abs(lead)))

    def _what_made(self, swing: Swing) -> str:
        language = self._language
        counts = {
            **{kind: swing.monsters.count(kind) for kind in _TAKEN},
            "tower": swing.towers,
            "inhibitor": swing.inhibitors,
        }
        taken = [language.said(text, counts[kind]) for kind, text in _TAKEN.items() if counts[kind]]
        if kills := len(swing.kills):
            taken = [language.plural("{number} kill", "{number} kills", kills), *taken]
        return language.listed(taken)

    def _whose_kills(self, swing: Swing) -> str:
        """Who of the members had a hand in most of several kills; nobody, where the other side did them."""
        kills = len(swing.kills)

        def part(member: Member) -> int:
            number = member.participant_id
            return sum(number == kill.killer or number in kill.helpers for kill in swing.kills)

        best = max(self._game.members, key=part)
        if kills < 2 or part(best) < 2:
            return ""
        code = "all" if part(best) == kills else "part"
        return self._say(
            _TURNS, code, kills, name=best.label, part=self._language.number(part(best))
        )

    def _say(
        self, table: Mapping[str, Sequence[Text]], code: str, number: int = 0, **values: str
    ) -> str:
        wordings = table[code]
        digest = hashlib.sha256(f"{self._game.match_id} {code}".encode()).digest()
        wording = wordings[int.from_bytes(digest[:4]) % len(wordings)]
        return self._language.said(wording, number, **values)


def _rounded(gold: int) -> int:
    """To whole hundreds, as people say it."""
    return 100 * round(gold / 100)
