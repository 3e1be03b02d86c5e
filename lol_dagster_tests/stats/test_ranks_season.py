"""A season of the simulated Riot against its truth: no game is credited with what it did not bring.

The counter lags, the match list is late, the app is off for hours, and ranks decay.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from lol_dagster.simulator.games import Account, Game
from lol_dagster.simulator.ranks import Move, league_entries, moves
from lol_dagster.stats.ranks import Rank, RankedGame, Snapshot, attribute

HOUR = 3600.0
DAY = 24 * HOUR
DAYS = 30


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(1_767_225_600 + at, UTC)


@dataclass
class Season:
    """One account's season in solo, and what is seen of it."""

    account: Account
    seed: int
    games: list[Game] = field(default_factory=list)
    counted_at: dict[str, float] = field(default_factory=dict)
    listed_at: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = Random(self.seed)
        last = 0.0
        for day in range(DAYS):
            if rng.random() < 0.3:
                continue  # long enough for decay
            at = day * DAY + rng.uniform(10, 20) * HOUR
            for _ in range(rng.randint(1, 6)):
                at += rng.uniform(25, 60) * 60
                match_id = f"NA1_{self.seed}{len(self.games):04}"
                won = frozenset({self.account.puuid} if rng.random() < 0.5 else ())
                self.games.append(
                    Game(
                        match_id, (self.account.puuid,), 420, "ranked", at - 1500, at, at, b"",
                        winners=won, is_decided=True,
                    )
                )  # fmt: skip
                lag = rng.choice([0, 0, 0, 20, 120, 900, 4000])
                last = self.counted_at[match_id] = max(last, at + lag)
                # Hardly ever later than the counter: what is listed late may be credited late.
                self.listed_at[match_id] = at + rng.choice([5, 5, 5, 60, 300])

    def riot(self, at: float) -> Snapshot:
        # All of it is as it was before the first game that is not counted yet.
        late = (game.ended_at for game in self.games if self.counted_at[game.match_id] > at)
        at_riot = min(at, min(late, default=at) - 1)
        counted = [game for game in self.games if game.ended_at <= at_riot]
        entries = league_entries(self.account, counted[::-1], at_riot)
        solo = next((one for one in entries if one["queueType"] == "RANKED_SOLO_5x5"), {})
        rank = Rank(solo.get("tier"), solo.get("rank"), int(str(solo.get("leaguePoints", 0))))
        wins, losses = int(str(solo.get("wins", 0))), int(str(solo.get("losses", 0)))
        return Snapshot(0, moment(at), moment(at), rank, wins, losses)

    def truth(self) -> list[Move]:
        """In the order in which Riot shows it: a game's when it is counted."""
        return moves(self.account, 420, self.games[::-1], DAYS * DAY)

    def looks(self, rng: Random) -> list[float]:
        """Hourly and around each game, but for the hours in which the app is off."""
        off = [
            (start, start + rng.uniform(2, 12) * HOUR)
            for start in range(0, DAYS * int(DAY), int(2 * DAY))
        ]
        times = [hour * HOUR for hour in range(DAYS * 24)]
        for game in self.games:
            begin = self.listed_at[game.match_id] + rng.uniform(5, 40)
            times += [begin + wait for wait in (0, 30, 60, 120, 240, 480, 960, 1920, 3840)]
        return sorted(at for at in times if not any(a <= at < b for a, b in off))


def _watch(season: Season, found: Counter[str]) -> None:
    snapshots: list[Snapshot] = []
    shown: dict[str, tuple[Snapshot, Snapshot, int]] = {}
    seen = None
    for at in season.looks(Random(season.seed + 1)):
        said = season.riot(at)
        last = snapshots[-1] if snapshots else None
        if last and (last.rank, last.wins, last.losses) == (said.rank, said.wins, said.losses):
            snapshots[-1] = Snapshot(
                last.id, last.taken_at, said.seen_at, last.rank, last.wins, last.losses
            )
        else:
            snapshots.append(
                Snapshot(
                    len(snapshots), said.taken_at, said.seen_at, said.rank, said.wins, said.losses
                )
            )
        known = [
            RankedGame(game.match_id, moment(game.ended_at), bool(game.winners))
            for game in season.games
            if season.listed_at[game.match_id] <= at
        ]
        if seen == (len(snapshots), len(known)) and at % HOUR:
            continue  # nothing is new; time alone tells something, too
        seen = len(snapshots), len(known)
        now = {
            each.match_id: (each.before, each.after, each.games)
            for each in attribute(snapshots, known).credits
            if each.is_settled or each.match_id in shown
        }
        for match_id, said_before in shown.items():
            found["taken back"] += match_id not in now
            if match_id in now:
                is_same = [each.id for each in now[match_id][:2]] == [
                    each.id for each in said_before[:2]
                ]
                found["changed"] += not is_same
        for match_id in now.keys() - shown.keys():
            found["credited"] += 1
            found["games in them"] += now[match_id][2]
            found["wrong"] += not _is_true(season, match_id, *now[match_id])
        shown = now
    found["games"] += len(season.games)
    found["decays"] += sum(move.match_id is None for move in season.truth())


def _is_true(season: Season, match_id: str, before: Snapshot, after: Snapshot, games: int) -> bool:
    """Whether so many games up to this one brought the difference."""
    if before.rank.tier is None:
        return True
    own = {move.match_id: move.points for move in season.truth() if move.match_id}
    end = [game.match_id for game in season.games].index(match_id) + 1
    brought = sum(own[game.match_id] for game in season.games[end - games : end])
    here, there = before.rank.ladder, after.rank.ladder
    assert here is not None
    assert there is not None
    return brought == there - here


def test_no_game_of_a_season_is_credited_with_what_it_did_not_bring() -> None:
    found: Counter[str] = Counter()
    for number in (0, 4):  # two that know decay
        account = Account(f"season-{number}".ljust(78, "x"), "A", "NA1", "na1")
        _watch(Season(account, seed=number), found)
    assert found["wrong"] == 0
    assert found["taken back"] == found["changed"] == 0
    assert found["decays"] > 0
    assert found["games in them"] > 0.9 * found["games"], "and most get theirs"
