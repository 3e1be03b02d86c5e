"""Timelines as match-v5 has them, made up so that they lead to what a game's payload says in the end.

Of any payload, made up or real: gold, kills, first blood and objectives add up to the payload's figures, and in
games of two sides deaths, as far as these agree with each other; when things happened is chance, seeded by the
match id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any

from lol_dagster.simulator.rng import seeded_rng

_FRAME_MS = 60_000
_START_GOLD = 500
_KILL_GOLD, _ASSIST_GOLD, _TOWER_GOLD, _MONSTER_GOLD = 300, 110, 180, 120
_FIRST_FIGHT_MS, _LULL_MS = 100_000, 12_000
_FIGHT_MS = 25_000
_RIFT = 11
_OBJECTIVES = {
    "dragon": (5, "DRAGON"),
    "riftHerald": (8, "RIFTHERALD"),
    "horde": (6, "HORDE"),
    "baron": (20, "BARON_NASHOR"),
}
"""Riot's word in payloads → from which minute on it is there, Riot's word in timelines."""
_BUILDINGS = {"tower": (8, "TOWER_BUILDING"), "inhibitor": (18, "INHIBITOR_BUILDING")}

_CHAMPION_STATS = (
    "abilityHaste", "abilityPower", "armor", "armorPen", "armorPenPercent", "attackDamage", "attackSpeed",
    "bonusArmorPenPercent", "bonusMagicPenPercent", "ccReduction", "cooldownReduction", "health", "healthMax",
    "healthRegen", "lifesteal", "magicPen", "magicPenPercent", "magicResist", "movementSpeed", "omnivamp",
    "physicalVamp", "power", "powerMax", "powerRegen", "spellVamp",
)  # fmt: skip
_DAMAGE_STATS = (
    "magicDamageDone", "magicDamageDoneToChampions", "magicDamageTaken", "physicalDamageDone",
    "physicalDamageDoneToChampions", "physicalDamageTaken", "totalDamageDone", "totalDamageDoneToChampions",
    "totalDamageTaken", "trueDamageDone", "trueDamageDoneToChampions", "trueDamageTaken",
)  # fmt: skip

Json = dict[str, Any]


def timeline_of(payload: Mapping[str, Any]) -> Json:
    """A game's timeline.

    Args:
        payload: Of match-v5.
    """
    info, metadata = payload["info"], payload["metadata"]
    people: list[Json] = info["participants"]
    if not people:
        ended = {"type": "GAME_END", "timestamp": 0, "winningTeam": 0}
        frames = [{"timestamp": 0, "participantFrames": None, "events": [ended]}]
        return {"metadata": metadata, "info": {"frameInterval": 0, "frames": frames}}
    rng = seeded_rng("timeline", metadata["matchId"])
    ended_ms = 1000 * max(int(person.get("timePlayed") or 0) for person in people)
    events = sorted(
        [*_kills(rng, people, ended_ms), *_objectives(rng, info, ended_ms)],
        key=lambda event: int(event["timestamp"]),
    )
    winner = next((person["teamId"] for person in people if person.get("win")), 0)
    events.append({"type": "GAME_END", "timestamp": ended_ms, "winningTeam": winner})
    stamps = [*range(0, ended_ms, _FRAME_MS), ended_ms]
    gold = {one["participantId"]: _gold(rng, one, people, events, stamps) for one in people}
    return {
        "metadata": metadata,
        "info": {
            "endOfGameResult": info.get("endOfGameResult", "GameComplete"),
            "frameInterval": _FRAME_MS,
            "gameId": info.get("gameId", 0),
            "participants": [
                {"participantId": one["participantId"], "puuid": one["puuid"]} for one in people
            ],
            "frames": [
                {
                    "timestamp": stamp,
                    "participantFrames": {
                        str(one["participantId"]): _frame(
                            one, gold[one["participantId"]][number], stamp / max(1, ended_ms)
                        )
                        for one in people
                    },
                    "events": [
                        event for event in events if _first_frame_after(event, stamps) == number
                    ],
                }
                for number, stamp in enumerate(stamps)
            ],
        },
    }


def _first_frame_after(event: Json, stamps: Sequence[int]) -> int:
    return next(number for number, stamp in enumerate(stamps) if event["timestamp"] <= stamp)


def _side(person: Json) -> int:
    return int(person.get("playerSubteamId") or person["teamId"])


def _kills(rng: Random, people: Sequence[Json], ended_ms: int) -> list[Json]:
    """Every kill and every death once; who died of nobody's hand was executed."""
    killers = [one for one in people for _ in range(one["kills"])]
    rng.shuffle(killers)
    killers.sort(key=lambda one: not one.get("firstBloodKill"))  # theirs is the first
    if killers:
        first, *rest = killers
        rng.shuffle(rest)
        killers = [first, *rest]
    left = {one["participantId"]: one["deaths"] for one in people}
    times = _times(rng, sum(left.values()) + len(killers), ended_ms)
    kills: list[Json] = []
    for killer in killers:
        others = [one for one in people if _side(one) != _side(killer)] or list(people)
        mortal = [one for one in others if left[one["participantId"]] > 0] or others
        victim = rng.choice(mortal)["participantId"]
        left[victim] -= 1
        kills.append(_kill(times[len(kills)], killer["participantId"], victim))
    for person in people:
        sides = {one["participantId"] for one in people if _side(one) == _side(person)}
        own = [
            kill
            for kill in kills
            if kill["killerId"] in sides and kill["killerId"] != person["participantId"]
        ]
        for kill in rng.sample(own, min(person["assists"], len(own))):
            kill["assistingParticipantIds"].append(person["participantId"])
    executed = [victim for victim, deaths in left.items() for _ in range(deaths)]
    return kills + [
        _kill(at, 0, victim) for at, victim in zip(times[len(kills) :], executed, strict=False)
    ]


def _kill(at: int, killer: int, victim: int) -> Json:
    return {
        "type": "CHAMPION_KILL",
        "timestamp": at,
        "killerId": killer,
        "victimId": victim,
        "assistingParticipantIds": [],
        "bounty": _KILL_GOLD,
        "shutdownBounty": 0,
        "position": {"x": 7000, "y": 7000},
    }


def _times(rng: Random, number: int, ended_ms: int) -> list[int]:
    """So many moments in order, in fights of a few."""
    begin = min(_FIRST_FIGHT_MS, ended_ms // 2)
    end = max(begin + 1, ended_ms - _LULL_MS)
    fights = [rng.randint(begin, end) for _ in range(1 + number // 3)]
    return sorted(min(end, rng.choice(fights) + rng.randint(0, _FIGHT_MS)) for _ in range(number))


def _objectives(rng: Random, info: Mapping[str, Any], ended_ms: int) -> list[Json]:
    if info.get("mapId") != _RIFT:
        return []
    events = []
    for team in info["teams"]:
        taken = team.get("objectives", {})
        seats = [one for one in info["participants"] if one["teamId"] == team["teamId"]]
        takers = [one for one in seats if one.get("teamPosition") == "JUNGLE"] or seats
        for name, (minute, kind) in (_OBJECTIVES | _BUILDINGS).items():
            for _ in range(taken.get(name, {}).get("kills", 0)):
                at = rng.randint(min(minute * 60_000, ended_ms * 3 // 4), max(1, ended_ms - 1000))
                event: Json = {
                    "timestamp": at,
                    "killerId": rng.choice(takers)["participantId"] if takers else 0,
                    "bounty": 0,
                    "position": {"x": 7000, "y": 7000},
                }
                if name in _BUILDINGS:
                    # Riot names the team that has lost it.
                    lost = {"teamId": 300 - team["teamId"], "buildingType": kind}
                    event |= {"type": "BUILDING_KILL", "laneType": "MID_LANE", **lost}
                else:
                    taken_by = {"killerTeamId": team["teamId"], "monsterType": kind}
                    event |= {"type": "ELITE_MONSTER_KILL", **taken_by}
                events.append(event)
    return events


def _gold(
    rng: Random,
    person: Json,
    people: Sequence[Json],
    events: Sequence[Json],
    stamps: Sequence[int],
) -> list[int]:
    """Gold at each frame, up to the payload's: a steady income, and what was earned at once."""
    earned, allies = [0.0], {one["participantId"] for one in people if _side(one) == _side(person)}
    for before, stamp in pairwise(stamps):
        amount = (stamp - before) / _FRAME_MS * rng.uniform(280, 420)
        amount += sum(
            _income(event, person["participantId"], allies)
            for event in events
            if before < event["timestamp"] <= stamp
        )
        earned.append(earned[-1] + amount)
    first = min(_START_GOLD, person["goldEarned"])
    rest = person["goldEarned"] - first
    return [first + round(rest * each / max(1.0, earned[-1])) for each in earned]


def _income(event: Json, participant_id: int, allies: set[int]) -> float:
    kind = event["type"]
    if kind == "CHAMPION_KILL":
        if event["killerId"] == participant_id:
            return _KILL_GOLD
        return _ASSIST_GOLD if participant_id in event["assistingParticipantIds"] else 0
    if event.get("killerId") in allies:
        return _TOWER_GOLD if kind == "BUILDING_KILL" else _MONSTER_GOLD
    return 0


def _frame(person: Json, gold: int, done: float) -> Json:
    level = max(1, round(person.get("champLevel", 1) * done))
    return {
        "participantId": person["participantId"],
        "totalGold": gold,
        "currentGold": gold % 1000,
        "level": level,
        "xp": level * 1050,
        "minionsKilled": round(person.get("totalMinionsKilled", 0) * done),
        "jungleMinionsKilled": round(person.get("neutralMinionsKilled", 0) * done),
        "goldPerSecond": 0,
        "timeEnemySpentControlled": 0,
        "championStats": dict.fromkeys(_CHAMPION_STATS, 0),
        "damageStats": dict.fromkeys(_DAMAGE_STATS, 0),
        "position": {"x": 7000, "y": 7000},
    }
