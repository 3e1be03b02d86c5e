"""Which ranked game moved a rank by how much: read off what Riot says of an account now and then.

No call of Riot's tells the LP of a game. But wins + losses is a counter, and its growth between two
snapshots says how many games lie between them: the LP of one game is known, that of several only in sum,
and LP that changes while the counter stands still (decay, a penalty, a correction) is no game's.

Which games were counted is worked out, not assumed: Riot's counter lags behind the match list at times,
and the match list behind the counter. A snapshot counts a player's games up to some point, and with that
point of one snapshot, the growth of wins and of losses gives that of the next. All points that fit are
kept, and a growth belongs to games only if every way to understand it says so. So nothing is
credited while a game that Riot has not counted yet might be meant, and where a game is not known to us.
What was credited stays, unless a game turns up that was not known: later snapshots can only add.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

RANKED_QUEUES: Final[dict[str, int]] = {"RANKED_SOLO_5x5": 420, "RANKED_FLEX_SR": 440}
"""league-v4's name of a queue → its id in games. The others have no tiers."""

COUNTED_WITHIN: Final = timedelta(hours=2)
"""By then a game that ended is counted, if it ever will be. Riot has been seen to take an hour."""
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""A game of Riot's may seem to end so much later than we have seen it counted; none is as short."""

_TIERS: Final = ("IRON", "BRONZE", "SILVER", "GOLD", "PLATINUM", "EMERALD", "DIAMOND")
_APEX: Final = ("MASTER", "GRANDMASTER", "CHALLENGER")
"""One scale without divisions. Who is Grandmaster or Challenger is decided once a day, by LP."""
_DIVISIONS: Final = ("IV", "III", "II", "I")
_DECAYING: Final = 2400
"""Diamond IV on the ladder: from there on who is idle loses LP."""
_LEAST_DECAY: Final = 50
"""LP that an idle account loses at once, in Diamond; from Master on it is 75."""
_MOST_WON: Final = 40
"""LP that a game brings there at most, when it is won."""


@dataclass(frozen=True)
class Rank:
    """Where an account stands in one queue."""

    tier: str | None
    """Riot's word, GOLD; None: not placed."""
    division: str | None
    """I to IV; Riot also says I of tiers that have none."""
    league_points: int

    @property
    def ladder(self) -> int | None:
        """LP from Iron IV on, Master and above on one scale; None where there is no such place."""
        if self.tier in _APEX:
            return len(_TIERS) * 400 + self.league_points
        if self.tier in _TIERS and self.division in _DIVISIONS:
            steps = _TIERS.index(self.tier) * 4 + _DIVISIONS.index(self.division)
            return steps * 100 + self.league_points
        return None

    @property
    def place(self) -> str:
        """As people say it, without LP: `Gold II`, `Master`."""
        if self.tier is None:
            return "Unranked"
        tier = self.tier.capitalize()
        return f"{tier} {self.division}" if self.has_divisions and self.division else tier

    @property
    def standing(self) -> str:
        """`Gold II 45`."""
        return f"{self.place} {self.league_points:,}" if self.tier else self.place

    @property
    def has_divisions(self) -> bool:
        return self.tier is not None and self.tier not in _APEX

    def is_apart_from(self, other: Rank) -> bool:
        """Whether one is promoted from here to there, or demoted. Not within the one scale of Master and
        above: its seats are given out once a day, and not by a game.
        """
        return self.place != other.place and not {self.tier, other.tier} <= set(_APEX)


@dataclass(frozen=True)
class Moved:
    """How a game moved an account's rank."""

    before: Rank
    after: Rank
    games: int
    """Over how many games, of which it is the last."""

    @property
    def points(self) -> int | None:
        """LP; None for a placement."""
        before, after = self.before.ladder, self.after.ladder
        return None if before is None or after is None else after - before


@dataclass(frozen=True)
class Snapshot:
    """What Riot said of an account in one queue, from `taken_at` to `seen_at` without a change."""

    id: int
    taken_at: datetime
    seen_at: datetime
    rank: Rank
    wins: int
    """Of this season; 0, as `losses`, where it has no entry."""
    losses: int

    @property
    def tells_nothing(self) -> bool:
        """There is no entry: games before the placement are counted and do not show."""
        return self.rank.tier is None and self.wins + self.losses == 0

    def counted_since(self, before: Snapshot) -> tuple[int, int]:
        """How many games were won and lost from that one to this, by Riot's counter; less than none
        after a new season has begun.
        """
        return self.wins - before.wins, self.losses - before.losses


@dataclass(frozen=True)
class RankedGame:
    """A game of the account in that queue which Riot counts: won or lost, no remake."""

    match_id: str
    ended_at: datetime
    won: bool


@dataclass(frozen=True)
class Credit:
    """What happened between two snapshots, credited to the last of the games between them."""

    match_id: str
    before: Snapshot
    after: Snapshot
    games: int
    """One: it is this game's LP."""
    is_settled: bool
    """The counter has caught up with every game known: until then which was counted may be another than
    it seems, as Riot may leave one out for good. What was settled stays where it is not any more."""


@dataclass(frozen=True)
class Attribution:
    """What is known of an account's games in one queue."""

    credits: tuple[Credit, ...]
    is_complete: bool
    """The last snapshot counts every game: there is nothing to wait for."""


@dataclass(frozen=True)
class _Way:
    """One way to understand two snapshots: how many of the known games each counts."""

    start: int
    end: int
    is_exact: bool
    """Every game that was counted between is known."""


def attribute(snapshots: Sequence[Snapshot], games: Sequence[RankedGame]) -> Attribution:
    """Which of the games moved the rank.

    Args:
        snapshots: Of one account in one queue, in their order.
        games: All that are known of it, by their end.
    """
    if not snapshots:
        return Attribution((), is_complete=not games)
    ended = [game.ended_at for game in games]
    bounds = [_bounds(snapshot, ended) for snapshot in snapshots]
    reach = [frozenset(range(*_beginning(snapshots[0], ended)))]
    steps: list[frozenset[_Way]] = []
    for (before, after), within in zip(pairwise(snapshots), bounds[1:], strict=True):
        ways = _ways(before, after, reach[-1], within, games) or [
            # A new season, or a game that Riot never counts: a new beginning, and never back.
            _Way(start, end, is_exact=False)
            for start in reach[-1]
            for end in range(*_beginning(after, ended, min(reach[-1])))
        ]
        steps.append(frozenset(ways))
        reach.append(frozenset(way.end for way in steps[-1]))
    all_known = [bisect_right(ended, snapshot.taken_at) for snapshot in snapshots]
    found = _credits(snapshots, games, all_known, reach[-1], steps)
    return Attribution(tuple(reversed(found)), is_complete=reach[-1] == {len(games)})


def _bounds(snapshot: Snapshot, ended: Sequence[datetime]) -> tuple[int, int]:
    """How many games it counts at least, and at most, by when they ended."""
    most = bisect_right(ended, snapshot.taken_at + _CLOCKS_DIFFER)
    return min(bisect_right(ended, snapshot.seen_at - COUNTED_WITHIN), most), most


def _beginning(snapshot: Snapshot, ended: Sequence[datetime], least: int = 0) -> tuple[int, int]:
    """Of the first snapshot: the least number, and the one after the most."""
    most = max(bisect_right(ended, snapshot.taken_at), least)
    return max(min(bisect_right(ended, snapshot.seen_at - COUNTED_WITHIN), most), least), most + 1


def _ways(
    before: Snapshot,
    after: Snapshot,
    reach: frozenset[int],
    within: tuple[int, int],
    games: Sequence[RankedGame],
) -> list[_Way]:
    """How the second may follow from the first, for each number of games that the first may count."""
    if after.tells_nothing:
        return []
    ways: list[_Way] = []
    exact = {start: _exact(before, after, start, within, games) for start in reach}
    for start, found in exact.items():
        # That all are known is believed where it can be; before a placement, no start is one.
        is_moot = before.tells_nothing and any(exact.values())
        ways += found or ([] if is_moot else _inexact(before, after, start, within, games))
    return ways


def _exact(
    before: Snapshot,
    after: Snapshot,
    start: int,
    within: tuple[int, int],
    games: Sequence[RankedGame],
) -> list[_Way]:
    wins, losses = after.counted_since(before)
    if min(wins, losses) < 0:
        return []
    # What was counted before the placement did not show: it may be among the games at hand.
    unseen = range(min(wins + losses, start + 1) if before.tells_nothing else 1)
    ends = ((each, start + wins + losses - each) for each in unseen or (0,))
    return [
        _Way(start, end, is_exact=True)
        for each, end in ends
        if within[0] <= end <= within[1] and _result(games, start - each, end) == (wins, losses)
    ]


def _inexact(
    before: Snapshot,
    after: Snapshot,
    start: int,
    within: tuple[int, int],
    games: Sequence[RankedGame],
) -> list[_Way]:
    wins, losses = after.counted_since(before)
    ends = range(max(start, within[0]), min(start + wins + losses, within[1]) + 1)
    results = ((end, _result(games, start, end)) for end in ends)
    return [
        _Way(start, end, is_exact=False)
        for end, (won, lost) in results
        if won <= wins and lost <= losses
    ]


def _result(games: Sequence[RankedGame], start: int, end: int) -> tuple[int, int]:
    won = sum(game.won for game in games[start:end])
    return won, end - start - won


def _credits(
    snapshots: Sequence[Snapshot],
    games: Sequence[RankedGame],
    all_known: Sequence[int],
    ends: frozenset[int],
    steps: Sequence[frozenset[_Way]],
) -> list[Credit]:
    """The newest first: from the end back, as what came later rules out what cannot have led there.

    Args:
        all_known: How many games had ended when each snapshot was taken.
        ends: How many the last one may count, by all that came before.
    """
    found: list[Credit] = []
    caught_up = False
    for number in range(len(steps), 0, -1):
        before, after = snapshots[number - 1], snapshots[number]
        ways = [way for way in steps[number - 1] if way.end in ends]
        is_exact = all(way.is_exact for way in ways)
        caught_up = is_exact and (caught_up or min(ends) >= all_known[number])
        grown = sum(after.counted_since(before))
        if grown and is_exact and len(ends) == 1 and _is_of_games(before, after):
            (end,) = ends
            found.append(Credit(games[end - 1].match_id, before, after, grown, caught_up))
        ends = frozenset(way.start for way in ways)
    return found


def _is_of_games(before: Snapshot, after: Snapshot) -> bool:
    """Whether the LP can be that of the games alone: a game that was won does not cost LP, and from
    Diamond on an account may have decayed as well.
    """
    wins, losses = after.counted_since(before)
    here, there = before.rank.ladder, after.rank.ladder
    if there is None:
        return False
    if before.rank.tier is None:
        return True
    if here is None:
        return False
    points = there - here
    if (not losses and points <= 0) or (not wins and points > 0):
        return False
    # Between the two it may have been where ranks decay, and may have left it again.
    may_decay = max(here, there) + wins * _MOST_WON >= _DECAYING
    return not may_decay or points + _LEAST_DECAY > wins * _MOST_WON
