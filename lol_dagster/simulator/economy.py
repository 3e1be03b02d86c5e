"""What people earn and take in a made-up game: minions, gold, levels, damage, vision, objectives."""

from __future__ import annotations

from random import Random

from lol_dagster.simulator.lineup import Lineup, Seat, Team

_MINIONS = {"TOP": 7.4, "JUNGLE": 0.9, "MIDDLE": 7.6, "BOTTOM": 8.1, "UTILITY": 1.1, "": 6.0}
"""Per minute on the Rift."""
_JUNGLE = {"JUNGLE": 5.4}
_DAMAGE = {"TOP": 760, "JUNGLE": 620, "MIDDLE": 860, "BOTTOM": 880, "UTILITY": 330, "": 900}
_VISION = {"UTILITY": 2.3, "JUNGLE": 1.1}
_RIFT, _ARENA = 11, 30
_GOLD = {_ARENA: 480}
_LEVELS = {_ARENA: 0.95}
"""Per minute by map, where they differ from the Rift's."""


def earn(rng: Random, lineup: Lineup, minions: float) -> None:
    """Fill in what each seat has earned; `minions` is the part of a Rift lane's that the mode gives."""
    for seat in lineup.seats:
        minutes = seat.seconds / 60
        farmed = max(0.0, minutes - 1.4)  # the first wave meets after a minute and a half
        seat.minions = round(farmed * _MINIONS[seat.position] * minions * rng.uniform(0.72, 1.18))
        seat.jungle = round(
            farmed * _JUNGLE.get(seat.position, 0.25) * min(1.0, minions) * rng.uniform(0.7, 1.2)
        )
        seat.level = min(
            18, 1 + round(minutes * _LEVELS.get(lineup.map_id, 0.55) * rng.uniform(0.94, 1.1))
        )
        seat.gold = round(
            500
            + minutes * _GOLD.get(lineup.map_id, 122)
            + seat.minions * 21
            + seat.jungle * 28
            + seat.score.kills * 300
            + seat.score.assists * 110
        )
        fought = 1 + 0.05 * (seat.score.kills + seat.score.assists / 2 - seat.score.deaths)
        seat.damage = round(
            minutes * _DAMAGE[seat.position] * rng.uniform(0.7, 1.2) * max(0.4, fought)
        )
        if lineup.map_id == _RIFT:
            seat.vision = round(minutes * _VISION.get(seat.position, 0.7) * rng.uniform(0.7, 1.3))


def take_objectives(rng: Random, lineup: Lineup) -> None:
    """Give both teams their towers, dragons and barons, and each to somebody who took it."""
    if lineup.ending == "remake":
        return
    winner, loser = sorted(lineup.teams, key=lambda team: not team.win)
    minutes = lineup.seconds / 60
    whole = not lineup.ending
    winner.taken["tower"] = rng.randint(5, 11) if whole else rng.randint(0, int(minutes / 3))
    loser.taken["tower"] = rng.randint(0, 5) if whole else rng.randint(0, int(minutes / 6))
    winner.taken["inhibitor"] = rng.randint(1, 3) if whole else 0
    if lineup.map_id == _RIFT:
        dragons = int(minutes / 6.5)
        winner.taken["dragon"] = rng.randint(dragons // 2, dragons)
        loser.taken["dragon"] = dragons - winner.taken["dragon"]
        winner.taken["baron"] = rng.randint(0, 1 + (minutes > 30)) if minutes > 22 else 0
        winner.taken["riftHerald"] = int(minutes > 16)
    first_blood = next((seat.team_id for seat in lineup.seats if seat.score.first_blood), 0)
    takers = {
        name: [team for team in (winner, loser) if team.taken[name]]
        for name in ("tower", "dragon", "baron", "inhibitor", "riftHerald")
    }
    takers["champion"] = [team for team in (winner, loser) if team.team_id == first_blood]
    for name, teams in takers.items():
        if teams:
            rng.choice(teams).first |= {name}
    for team in lineup.teams:
        seats = [seat for seat in lineup.seats if seat.team_id == team.team_id]
        _share(rng, team, seats)


def _share(rng: Random, team: Team, seats: list[Seat]) -> None:
    for _ in range(team.taken["tower"]):
        rng.choice(seats).towers += 1
    for _ in range(team.taken["inhibitor"]):
        rng.choice(seats).inhibitors += 1
    jungle = next((seat for seat in seats if seat.position == "JUNGLE"), seats[0])
    jungle.dragons, jungle.barons = team.taken["dragon"], team.taken["baron"]
