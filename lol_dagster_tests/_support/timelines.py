"""Riot match-v5 timelines for tests: say who was ahead when, and what happened.

    timeline("NA1_1", [0, 0, 300, 300], [kill(2.5, 1, helped_by=[2, 3]), baron(21, 100)])

is one of ten participants, of whom 1 to 5 are the blue side. Frames are a minute apart, and some milliseconds late
as Riot's; in frame n everybody has 500 + 400 n gold, and the first of the side that is ahead that much more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lol_dagster_tests._support.payloads import puuid_of

Json = dict[str, Any]


def timeline(
    match_id: str,
    leads: Sequence[int],
    events: Iterable[Json] = (),
    *,
    gold: Mapping[tuple[int, int], int] | None = None,
    ends_ms: int | None = None,
) -> Json:
    """A timeline.

    Args:
        leads: By how much gold the blue side is ahead in each frame.
        gold: (Frame, participant) → gold in place of the usual one.
        ends_ms: When the last frame is, if not a minute after the one before.
    """
    stamps = [60_000 * number + 20 * number for number in range(len(leads))]
    if ends_ms is not None:
        stamps[-1] = ends_ms
    happened = sorted(events, key=lambda event: int(event["timestamp"]))
    frames = []
    for number, (stamp, lead) in enumerate(zip(stamps, leads, strict=True)):
        people = dict.fromkeys(range(1, 11), 500 + 400 * number)
        people[1 if lead > 0 else 6] += abs(lead)
        people |= {person: each for (at, person), each in (gold or {}).items() if at == number}
        before = stamps[number - 1] if number else -1
        frames.append(
            {
                "timestamp": stamp,
                "participantFrames": {
                    str(person): {"participantId": person, "totalGold": each, "level": 3}
                    for person, each in people.items()
                },
                "events": [each for each in happened if before < each["timestamp"] <= stamp],
            }
        )
    puuids = [puuid_of(f"Player {number}") for number in range(1, 11)]
    return {
        "metadata": {"dataVersion": "2", "matchId": match_id, "participants": puuids},
        "info": {"endOfGameResult": "GameComplete", "frameInterval": 60_000, "frames": frames},
    }


def kill(minute: float, killer: int, *, helped_by: Sequence[int] = (), victim: int = 0) -> Json:
    return {
        "type": "CHAMPION_KILL",
        "timestamp": round(minute * 60_000),
        "killerId": killer,
        "victimId": victim or (6 if killer <= 5 else 1),
        "assistingParticipantIds": list(helped_by),
    }


def monster(minute: float, team_id: int, kind: str = "DRAGON", sub_type: str | None = None) -> Json:
    return {
        "type": "ELITE_MONSTER_KILL",
        "timestamp": round(minute * 60_000),
        "killerId": 2 if team_id == 100 else 7,
        "killerTeamId": team_id,
        "monsterType": kind,
        **({"monsterSubType": sub_type} if sub_type else {}),
    }


def building(minute: float, lost_by: int, kind: str = "TOWER_BUILDING") -> Json:
    return {
        "type": "BUILDING_KILL",
        "timestamp": round(minute * 60_000),
        "killerId": 0,
        "teamId": lost_by,
        "buildingType": kind,
    }
