"""How a game of two sides went, from its timeline: who was ahead by how much gold, and what turned it.

Pure. Gold is `totalGold`: all that was earned by then. Frames are a minute apart; between two of them nobody knows.
docs/stats.md defines every figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from lol_dagster.riot.timeline import Event, Frame
from lol_dagster.stats.reading import GameReading

BLUE, RED = "team-100", "team-200"
SWING_MINUTES: Final = 3
_OTHER: Final = {BLUE: RED, RED: BLUE}
_TEAMS: Final = {100: BLUE, 200: RED}
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True)
class Kill:
    """A champion kill."""

    killer: int
    """Participant id; 0: nobody's."""
    helpers: tuple[int, ...]


@dataclass(frozen=True)
class Swing:
    """The stretch of three minutes in which the difference in gold changed most."""

    start_s: int
    end_s: int
    side: str
    """Which gained."""
    gold: int
    """How much it gained on the other."""
    kills: tuple[Kill, ...]
    """What that side did meanwhile: this and the following."""
    monsters: tuple[str, ...]
    """Riot's words: DRAGON, ELDER_DRAGON, BARON_NASHOR, RIFTHERALD, HORDE, ATAKHAN, …"""
    towers: int
    inhibitors: int


@dataclass(frozen=True)
class Course:
    """How a game went."""

    leads: tuple[tuple[int, int], ...]
    """Of each frame: seconds of the game, and by how much gold the blue side was ahead."""
    gold_at_10: dict[int, int]
    """Participant id → gold after ten minutes; empty in shorter games."""
    gold_at_15: dict[int, int]
    first_blood: tuple[int, int] | None
    """Participant id, and seconds of the game; None where nobody killed anybody."""
    swing: Swing | None
    sides: dict[str, tuple[int, ...]]
    """Side → its participants' ids."""

    def lead(self, side: str, seconds: int) -> int | None:
        """By how much gold a side was ahead (below 0: behind) in the first frame from then on, within a
        minute; None: the game was over.
        """
        for at, blue in self.leads:
            if seconds <= at < seconds + 60:
                return blue if side == BLUE else -blue
        return None

    def final_lead(self, side: str) -> int:
        """By how much gold a side was ahead in the end."""
        _, blue = self.leads[-1]
        return blue if side == BLUE else -blue

    def most_behind(self, side: str) -> tuple[int, int]:
        """Seconds of the game, and by how much gold a side was behind at most; 0 if it never was."""
        at, lead = min(
            ((at, blue if side == BLUE else -blue) for at, blue in self.leads),
            key=lambda each: each[1],
        )
        return at, max(0, -lead)

    def to_json(self) -> dict[str, Any]:
        """As plain dicts, lists and numbers; `from_json` takes it back."""
        written: dict[str, Any] = _COURSE.dump_python(self, mode="json")
        return written

    @classmethod
    def from_json(cls, course: Mapping[str, Any]) -> Course:
        """The inverse of `to_json`."""
        return _COURSE.validate_python(course)


_COURSE = TypeAdapter(Course)


def course_of(game: GameReading, frames: Sequence[Frame]) -> Course | None:
    """How a game went; None for one that is not two sides against each other on the Rift, and where the timeline
    does not have everybody's gold.
    """
    side_of = {person.participant_id: person.side for person in game.participants}
    if (
        game.mode_family != "rift"
        or game.result != "played"
        or set(side_of.values()) != {BLUE, RED}
    ):
        return None
    gold = [
        (
            frame.timestamp,
            {int(number): each.total_gold for number, each in frame.participant_frames.items()},
        )
        for frame in frames
    ]
    if not gold or any(each.keys() != side_of.keys() for _, each in gold):
        return None
    leads = tuple(
        (
            at // 1000,
            sum(each if side_of[number] == BLUE else -each for number, each in by_person.items()),
        )
        for at, by_person in gold
    )
    events = [event for frame in frames for event in frame.events]
    return Course(
        leads=leads,
        gold_at_10=_gold_at(gold, 10),
        gold_at_15=_gold_at(gold, 15),
        first_blood=_first_blood(events),
        swing=_swing(leads, events, side_of),
        sides={
            side: tuple(n for n, each in side_of.items() if each == side) for side in (BLUE, RED)
        },
    )


def _gold_at(gold: Sequence[tuple[int, dict[int, int]]], minutes: int) -> dict[int, int]:
    """In the first frame from then on: frames are some milliseconds late."""
    begin = minutes * _MINUTE_MS
    return next((each for at, each in gold if begin <= at < begin + _MINUTE_MS), {})


def _first_blood(events: Sequence[Event]) -> tuple[int, int] | None:
    kills = [each for each in events if each.type == "CHAMPION_KILL" and each.killer_id]
    first = min(kills, key=lambda each: each.timestamp, default=None)
    return None if first is None else (first.killer_id, first.timestamp // 1000)


def _swing(
    leads: Sequence[tuple[int, int]], events: Sequence[Event], side_of: Mapping[int, str]
) -> Swing | None:
    """Of two that are as large, the earlier one."""
    best: tuple[int, int, int] | None = None
    for place, (start, before) in enumerate(leads[:-1]):
        end, after = leads[min(place + SWING_MINUTES, len(leads) - 1)]
        if best is None or abs(after - before) > abs(best[2]):
            best = start, end, after - before
    if best is None or best[2] == 0:
        return None
    start, end, change = best
    side = BLUE if change > 0 else RED
    during = [each for each in events if start * 1000 < each.timestamp <= end * 1000 + 999]
    kills = [
        each
        for each in during
        if each.type == "CHAMPION_KILL" and side_of.get(each.killer_id) == side
    ]
    monsters = [
        each.monster_sub_type if each.monster_sub_type == "ELDER_DRAGON" else each.monster_type
        for each in during
        if each.type == "ELITE_MONSTER_KILL"
        and (_TEAMS.get(each.killer_team_id) or side_of.get(each.killer_id)) == side
    ]
    buildings = [
        each.building_type
        for each in during
        if each.type == "BUILDING_KILL" and _TEAMS.get(each.team_id) == _OTHER[side]
    ]
    return Swing(
        start_s=start,
        end_s=end,
        side=side,
        gold=abs(change),
        kills=tuple(Kill(each.killer_id, tuple(each.assisting_participant_ids)) for each in kills),
        monsters=tuple(monsters),
        towers=buildings.count("TOWER_BUILDING"),
        inhibitors=buildings.count("INHIBITOR_BUILDING"),
    )
