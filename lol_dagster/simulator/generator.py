"""The games that finish in this world, one by one, out of seeded chance.

The day before the start has a game every 36 minutes; from the start on one finishes every `pace` seconds.
Each game is a function of the seed and of its place in time alone: a world that is started again has the
same past, and what its readers have archived of it stays true.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random

from lol_dagster.simulator.games import Account, Game, game_of
from lol_dagster.simulator.modes import MODES, Crowd, Mode
from lol_dagster.simulator.payload import match_payload, void_payload
from lol_dagster.simulator.people import FRIENDS, strangers
from lol_dagster.simulator.rng import seeded_rng

_DAY = 86_400.0
_PAST_PACE = 2160.0
_EPISODE = 4
"""So many games of a stream in a row, the same friends play in the same parties."""
_SPLITS = {9: ((5, 4), (4, 3, 2), (3, 2, 2, 1, 1), (5, 2, 2)), 3: ((3,), (2, 1), (3,))}
_MEETING, _ABROAD, _VOID, _LOST = 0.12, 0.2, 0.015, 0.3
_FIRST_GAME_ID = 5_000_000_000
_YEAR_2026 = 1_767_225_600


@dataclass(frozen=True)
class Stream:
    """Games at a steady pace: game number k ends at k × pace, in epoch seconds."""

    name: str
    pace: float

    def numbers(self, after: float, until: float) -> range:
        """The games that end later than `after` and not later than `until`."""
        return range(math.floor(after / self.pace) + 1, math.floor(until / self.pace) + 1)


class Generator:
    """Makes the games of one world up, in the order in which they end."""

    def __init__(self, seed: int, pace: float, start: float) -> None:
        """`pace` in seconds, `start` in epoch seconds.

        Raises:
            ValueError: the pace is not positive.
        """
        if pace <= 0:
            raise ValueError(f"pace {pace:g} should be a number of seconds greater than 0")
        self._seed = seed
        self._live = Stream("live", pace)
        self._past = Stream("past", _PAST_PACE)
        self._strangers = {platform: strangers(platform) for platform in ("na1", "euw1")}
        self._made_until = start
        self._start = start

    def past(self) -> Iterator[tuple[Game, list[Account]]]:
        """The games of the day before the start."""
        for number in self._past.numbers(self._start - _DAY, self._start):
            yield self._make(self._past, number)

    def live(self, until: float) -> Iterator[tuple[Game, list[Account]]]:
        """The games that have ended since the last call (at first: since the start)."""
        numbers = self._live.numbers(self._made_until, until)
        self._made_until = max(self._made_until, until)
        for number in numbers:
            yield self._make(self._live, number)

    def _make(self, stream: Stream, number: int) -> tuple[Game, list[Account]]:
        rng = seeded_rng(self._seed, stream.name, number)
        ended_at = number * stream.pace
        platform = "euw1" if rng.random() < _ABROAD else "na1"
        crowd = self._crowd(rng, stream, number, platform)
        fitting = [mode for mode in MODES if len(crowd.party) <= mode.party]
        mode = rng.choices(fitting, [one.weight for one in fitting])[0]
        lineup = mode.make(mode, rng, crowd)
        # Ten ids a second for each of the two streams: apart, and in the order of time.
        serial = int((ended_at - _YEAR_2026) * 10) * 2 + (stream is self._live)
        match_id = f"{platform.upper()}_{_FIRST_GAME_ID + serial}"
        write = void_payload if rng.random() < _VOID else match_payload
        game = game_of(
            write(lineup, match_id, ended_at), available_at=_available(mode, rng, ended_at)
        )
        return game, [seat.account for seat in lineup.seats if seat.account]

    def _crowd(self, rng: Random, stream: Stream, number: int, platform: str) -> Crowd:
        friends = [friend for friend in FRIENDS if friend.platform == platform]
        together = seeded_rng(self._seed, stream.name, number // _EPISODE, platform)
        together.shuffle(friends)
        left = iter(friends)
        parties = [tuple(islice(left, size)) for size in together.choice(_SPLITS[len(friends)])]
        party = parties[number % len(parties)]
        meeting = len(parties) > 1 and rng.random() < _MEETING
        rivals = parties[(number + 1) % len(parties)] if meeting else ()
        return Crowd(party, rivals, self._strangers[platform])


def _available(mode: Mode, rng: Random, ended_at: float) -> float | None:
    """When the match stops answering 404: after some seconds; with bots sometimes never (DR1020)."""
    if mode.queue_id == 890 and rng.random() < _LOST:
        return None
    return ended_at + rng.uniform(0, 6)
