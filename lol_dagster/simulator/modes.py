"""The modes of play: how a game of each is made up, from who plays to how it ends.

Figures are in the range of real games: 1.1 to 1.6 kills a minute on the Rift, 6 to 9 minions a minute in a
lane, Arena in rounds of duels, Swarm with its thousands of minions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random

from lol_dagster.simulator.champions import ALL, BY_POSITION, POSITIONS, SWARM, Champion
from lol_dagster.simulator.economy import earn, take_objectives
from lol_dagster.simulator.fights import Side, fight_out
from lol_dagster.simulator.games import Account
from lol_dagster.simulator.lineup import Lineup, Seat, Team

_KILL_WEIGHTS = {"TOP": 1.0, "JUNGLE": 1.0, "MIDDLE": 1.2, "BOTTOM": 1.3, "UTILITY": 0.35, "": 1.0}


@dataclass(frozen=True)
class Mode:
    """A way to play. `minutes` is from and until; `weight` is how often it is played."""

    queue_id: int
    game_mode: str
    map_id: int
    minutes: tuple[int, int]
    kills_per_minute: float
    party: int
    """The most friends on one side."""
    weight: int
    make: Callable[[Mode, Random, Crowd], Lineup]
    bans: int = 0
    minions: float = 1.0
    """Minions, as a part of what a lane on the Rift gives."""
    positions: bool = True
    game_type: str = "MATCHED_GAME"
    subteams: tuple[int, int] = (0, 0)
    """Arena: how many subteams, of how many."""


@dataclass(frozen=True)
class Crowd:
    """Who is there to play: friends together, friends against them (often none), and strangers."""

    party: tuple[Account, ...]
    rivals: tuple[Account, ...]
    strangers: tuple[Account, ...]


def _sides(mode: Mode, rng: Random, crowd: Crowd) -> Lineup:
    """Two teams of five: the Rift, the Abyss and all that is played like them."""
    home = rng.choice((100, 200))
    away = 300 - home
    others = iter(rng.sample(crowd.strangers, 10))
    seats: list[Seat] = []
    for team_id, friends in ((home, crowd.party), (away, crowd.rivals[: mode.party])):
        people = [*friends, *islice(others, 5 - len(friends))]
        rng.shuffle(people)
        seats += _seats(mode, rng, people, team_id)
    seats.sort(key=lambda seat: seat.team_id)
    return _play(mode, rng, seats, rng.choice((100, 200)))


def _coop(mode: Mode, rng: Random, crowd: Crowd) -> Lineup:
    """Five people against five bots."""
    people = [*crowd.party, *rng.sample(crowd.strangers, 5)[: 5 - len(crowd.party)]]
    bots: list[Account | None] = [None] * 5
    seats = [*_seats(mode, rng, people, 100), *_seats(mode, rng, bots, 200)]
    return _play(mode, rng, seats, winner=100, lead=6.0)


def _seats(mode: Mode, rng: Random, people: Sequence[Account | None], team_id: int) -> list[Seat]:
    if mode.positions:
        picks = [rng.choice(BY_POSITION[position]) for position in POSITIONS]
        places: Sequence[str] = POSITIONS
    else:
        picks, places = rng.sample(ALL, len(people)), [""] * len(people)
    return [
        Seat(account, champion, team_id, position)
        for account, champion, position in zip(people, picks, places, strict=True)
    ]


def _play(mode: Mode, rng: Random, seats: list[Seat], winner: int, lead: float = 0.0) -> Lineup:
    if mode.positions:
        _without_twins(rng, seats)
    ending, seconds = _ending(mode, rng)
    lineup = Lineup(
        queue_id=mode.queue_id,
        game_mode=mode.game_mode,
        map_id=mode.map_id,
        seats=seats,
        teams=[Team(team_id, team_id == winner) for team_id in (100, 200)],
        seconds=seconds,
        game_type=mode.game_type,
        tournament_code="SIM-0000-CUP" if mode.game_type == "CUSTOM_GAME" else "",
        ending=ending,
        quitters=300 - winner if ending else 0,
    )
    lead = lead or rng.uniform(1.1, 2.2)
    sides = [
        _side(seats, [i for i, seat in enumerate(seats) if seat.team_id == team_id],
              lead if team_id == winner else 1.0)
        for team_id in (100, 200)
    ]  # fmt: skip
    kills = round(seconds / 60 * mode.kills_per_minute * rng.uniform(0.8, 1.25))
    if ending == "remake":
        kills = rng.choice((0, 0, 1))
    for seat, score in zip(seats, fight_out(rng, sides, len(seats), kills), strict=True):
        seat.score, seat.seconds, seat.win = score, seconds, seat.team_id == winner
    if mode.bans:
        for team in lineup.teams:
            team.bans = tuple(champion.id for champion in rng.sample(ALL, mode.bans))
    earn(rng, lineup, mode.minions)
    take_objectives(rng, lineup)
    return lineup


def _ending(mode: Mode, rng: Random) -> tuple[str, int]:
    """How the game ends, and after how many seconds."""
    chance = rng.random()
    if mode.map_id == 11 and mode.game_type == "MATCHED_GAME":
        if chance < 0.04:
            return "remake", rng.randint(105, 215)
        if chance < 0.07:  # from patch 15.1 on a team may give up before five minutes have passed
            return "surrender", rng.randint(230, 295)
        if chance < 0.20:
            return "surrender", rng.randint(905, 1320)
    return "", rng.randint(mode.minutes[0] * 60, mode.minutes[1] * 60)


def _without_twins(rng: Random, seats: list[Seat]) -> None:
    """Give champions that were picked more than once to one seat only."""
    seen: set[Champion] = set()
    for seat in seats:
        while seat.champion in seen:
            seat.champion = rng.choice(BY_POSITION[seat.position])
        seen.add(seat.champion)


def _side(seats: list[Seat], indexes: list[int], strength: float) -> Side:
    weights = tuple(_KILL_WEIGHTS[seats[index].position] for index in indexes)
    return Side(tuple(indexes), weights, strength)


def _arena(mode: Mode, rng: Random, crowd: Crowd) -> Lineup:
    """Subteams fall out one after the other; `teams` has all bans on 100 and an entry 0, as Riot's."""
    number, size = mode.subteams
    others = iter(rng.sample(crowd.strangers, number * size))
    groups = [
        [*friends[:size], *islice(others, max(0, size - len(friends)))]
        for friends in (crowd.party, crowd.rivals, *[()] * (number - 2))
    ]
    rng.shuffle(groups)
    picks = iter(rng.sample(ALL, number * size))
    seconds = rng.randint(mode.minutes[0] * 60, mode.minutes[1] * 60)
    places = list(range(1, number + 1))
    rng.shuffle(places)
    seats = []
    for subteam, (people, place) in enumerate(zip(groups, places, strict=True), start=1):
        for account in people:
            seat = Seat(account, next(picks), 100 if subteam * 2 <= number else 200)
            seat.subteam, seat.placement, seat.win = subteam, place, place <= number // 2
            seat.seconds = round(seconds * (1 - 0.55 * max(0, place - 2) / number))
            seats.append(seat)
    sides = [
        _side(
            seats,
            [i for i, seat in enumerate(seats) if seat.subteam == subteam],
            1.0 + number - places[subteam - 1],
        )
        for subteam in range(1, number + 1)
    ]
    kills = round(seconds / 60 * mode.kills_per_minute)
    for seat, score in zip(seats, fight_out(rng, sides, len(seats), kills), strict=True):
        seat.score = score
    bans = (*(champion.id for champion in rng.sample(ALL, number * size - 2)), -1, -1)
    teams = [Team(100, win=False, bans=bans), Team(0, win=False)]
    lineup = Lineup(mode.queue_id, mode.game_mode, mode.map_id, seats, teams, seconds)
    earn(rng, lineup, mode.minions)
    return lineup


def _swarm(mode: Mode, rng: Random, crowd: Crowd) -> Lineup:
    """One to four people against the horde: all win or all lose."""
    people = crowd.party[:4]
    win = rng.random() < 0.6
    seconds = rng.randint(mode.minutes[0] * 60, mode.minutes[1] * 60)
    seats = []
    for account in people:
        seat = Seat(account, rng.choice(SWARM), 100, win=win)
        seat.level = rng.randint(30, 45)
        seat.score.deaths = rng.randint(0, 3)
        seat.minions = rng.randint(1800, 6000) // len(people)
        seat.seconds, seat.gold = seconds, rng.randint(4000, 8000)
        seat.damage = rng.randint(300, 900)
        seats.append(seat)
    # 1810 is Swarm for one, 1820 for two, and so on.
    queue_id = mode.queue_id + 10 * (len(people) - 1)
    return Lineup(queue_id, mode.game_mode, mode.map_id, seats, [Team(100, win=win)], seconds)


MODES: tuple[Mode, ...] = (
    Mode(420, "CLASSIC", 11, (22, 35), 1.45, 2, 20, _sides, bans=5),
    Mode(440, "CLASSIC", 11, (22, 35), 1.4, 5, 18, _sides, bans=5),
    Mode(400, "CLASSIC", 11, (21, 35), 1.5, 5, 8, _sides, bans=5),
    Mode(480, "SWIFTPLAY", 11, (14, 22), 1.9, 5, 8, _sides),
    Mode(450, "ARAM", 12, (14, 24), 3.6, 5, 16, _sides, minions=0.45, positions=False),
    Mode(1900, "URF", 11, (13, 20), 3.0, 5, 5, _sides, bans=5, positions=False),
    Mode(1750, "CHERRY", 30, (16, 23), 5.5, 3, 7, _arena, minions=0.0, subteams=(6, 3)),
    Mode(1700, "CHERRY", 30, (16, 23), 4.5, 2, 4, _arena, minions=0.0, subteams=(8, 2)),
    Mode(1810, "STRAWBERRY", 33, (11, 18), 0.0, 4, 5, _swarm),
    Mode(890, "CLASSIC", 11, (15, 22), 2.2, 5, 3, _coop),
    Mode(3130, "CLASSIC", 11, (24, 35), 1.2, 5, 2, _sides, bans=5, game_type="CUSTOM_GAME"),
    Mode(4990, "RUNETERRAFIRMA", 11, (15, 22), 2.0, 5, 2, _sides, positions=False),
)
"""4990 is a queue and a mode that nobody has heard of, as there is a new one every season."""
