"""Writes games as match-v5 payloads of a 2026 patch: `match_payload` a made-up one. The tests build theirs
of the same parts.

Every field that Riot's OpenAPI description requires is there, and the optional ones that people read.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any

from lol_dagster.simulator.lineup import Lineup, Seat, Team
from lol_dagster.simulator.rng import seeded_rng

VERSION = "16.15.801.3452"
_BOT = "BOT"
_OBJECTIVES = ("baron", "champion", "dragon", "horde", "inhibitor", "riftHerald", "tower")

_ZERO = (
    "championTransform", "consumablesPurchased", "detectorWardsPlaced", "nexusKills", "nexusLost",
    "nexusTakedowns", "objectivesStolen", "objectivesStolenAssists", "sightWardsBoughtInGame",
    "unrealKills", "allInPings", "basicPings", "commandPings", "dangerPings", "onMyWayPings",
    *(f"playerAugment{number}" for number in range(1, 7)),
    *(f"PlayerScore{number}" for number in range(12)),
)  # fmt: skip
_ITEMS = (3031, 3036, 6672, 3153, 3157, 3089, 4645, 3078, 6653, 3065, 3068, 3190, 3011, 3020, 3006)
_TRINKET = 3340
_FLASH, _SMITE, _IGNITE, _TELEPORT, _HEAL, _SNOWBALL = 4, 11, 14, 12, 7, 32
_SPELLS = {"TOP": _TELEPORT, "JUNGLE": _SMITE, "MIDDLE": _IGNITE, "BOTTOM": _HEAL,
           "UTILITY": _IGNITE}  # fmt: skip
_LANES = {
    "TOP": ("TOP", "SOLO"),
    "JUNGLE": ("JUNGLE", "NONE"),
    "MIDDLE": ("MIDDLE", "SOLO"),
    "BOTTOM": ("BOTTOM", "CARRY"),
    "UTILITY": ("BOTTOM", "SUPPORT"),
}
_WAIT_MS = 15_000
"""From `gameCreation` (champion select is over) to the game's start."""


def match_payload(lineup: Lineup, match_id: str, ended_at: float) -> dict[str, Any]:
    """The payload of a game that ended at `ended_at` (epoch seconds)."""
    info = game_info(
        match_id,
        ended_ms=int(ended_at * 1000),
        seconds=lineup.seconds,
        queue_id=lineup.queue_id,
        game_mode=lineup.game_mode,
        map_id=lineup.map_id,
        game_type=lineup.game_type,
        participants=[
            _participant(lineup, seat, index) for index, seat in enumerate(lineup.seats, start=1)
        ],
        teams=[_team(lineup, team) for team in lineup.teams],
    )
    info["tournamentCode"] = lineup.tournament_code
    return envelope(match_id, _puuids(lineup), info)


def void_payload(lineup: Lineup, match_id: str, ended_at: float) -> dict[str, Any]:
    """What Riot gives for a game that its servers lost: people, and an `info` without anything in it."""
    return envelope(match_id, _puuids(lineup), void_info(int(ended_at * 1000)))


def envelope(match_id: str, puuids: list[str], info: dict[str, Any]) -> dict[str, Any]:
    """A payload of these two parts."""
    metadata = {"dataVersion": "2", "matchId": match_id, "participants": puuids}
    return {"metadata": metadata, "info": info}


def game_info(
    match_id: str,
    *,
    ended_ms: int,
    seconds: int,
    queue_id: int,
    game_mode: str,
    map_id: int,
    participants: list[dict[str, Any]],
    teams: list[dict[str, Any]],
    game_type: str = "MATCHED_GAME",
) -> dict[str, Any]:
    """The `info` of a game that was played to an end."""
    platform, _, number = match_id.rpartition("_")
    start = ended_ms - seconds * 1000
    return {
        "endOfGameResult": "GameComplete",
        "gameCreation": start - _WAIT_MS,
        "gameDuration": seconds,
        "gameEndTimestamp": ended_ms,
        "gameId": int(number),
        "gameMode": game_mode,
        "gameName": f"teambuilder-match-{number}",
        "gameStartTimestamp": start,
        "gameType": game_type,
        "gameVersion": VERSION,
        "mapId": map_id,
        "participants": participants,
        "platformId": platform,
        "queueId": queue_id,
        "teams": teams,
        "tournamentCode": "",
    }


def void_info(ended_ms: int) -> dict[str, Any]:
    """The `info` of a game that Riot's servers lost."""
    texts = ("gameMode", "gameName", "gameType", "gameVersion", "platformId", "tournamentCode")
    numbers = ("gameCreation", "gameDuration", "gameId", "gameStartTimestamp", "mapId", "queueId")
    return {
        "endOfGameResult": "Abort_Unexpected",
        "gameEndTimestamp": ended_ms,
        "participants": [],
        "teams": [],
        **dict.fromkeys(texts, ""),
        **dict.fromkeys(numbers, 0),
    }


def team_entry(
    team_id: int,
    *,
    win: bool,
    bans: Iterable[int],
    kills: Mapping[str, int],
    first: Container[str] = (),
) -> dict[str, Any]:
    """An entry of `teams`.

    Args:
        bans: Champion ids in the order of their turns.
        kills: Objective → how many the team took; those that are missing are 0.
        first: The objectives that it took first.
    """
    return {
        "teamId": team_id,
        "win": win,
        "bans": [{"championId": each, "pickTurn": turn} for turn, each in enumerate(bans, start=1)],
        "objectives": {
            name: {"first": name in first, "kills": kills.get(name, 0)} for name in _OBJECTIVES
        },
    }


def _puuids(lineup: Lineup) -> list[str]:
    return [seat.account.puuid for seat in lineup.seats if seat.account]


def _participant(lineup: Lineup, seat: Seat, number: int) -> dict[str, Any]:
    return {
        **dict.fromkeys(_ZERO, 0),
        **_who(lineup, seat, number),
        **_fights(seat),
        **_damage(seat),
        **_economy(seat),
        **_outcome(lineup, seat),
        **_outfit(lineup, seat, number),
        "challenges": _challenges(lineup, seat),
    }


def _who(lineup: Lineup, seat: Seat, number: int) -> dict[str, Any]:
    account = seat.account
    lane, role = _LANES.get(seat.position, ("NONE", "SUPPORT"))
    return {
        "participantId": number,
        "puuid": account.puuid if account else _BOT,
        "summonerId": account.puuid[:47] if account else _BOT,
        "summonerName": "" if account else f"{seat.champion.name} bot",
        "riotIdGameName": account.game_name if account else "",
        "riotIdTagline": account.tag_line if account else "",
        "summonerLevel": account.level if account else 1,
        "profileIcon": account.icon if account else 1,
        "championId": seat.champion.id,
        "championName": seat.champion.name,
        "champLevel": seat.level,
        "champExperience": seat.level * 1050,
        "teamId": seat.team_id,
        # A remake ends before Riot can tell who played where.
        "teamPosition": "" if lineup.ending == "remake" else seat.position,
        "individualPosition": seat.position or "Invalid",
        "lane": lane,
        "role": role,
        "playerSubteamId": seat.subteam,
        "subteamPlacement": seat.placement,
        "placement": seat.placement,
        "timePlayed": seat.seconds,
    }


def _fights(seat: Seat) -> dict[str, Any]:
    score = seat.score
    return {
        "kills": score.kills,
        "deaths": score.deaths,
        "assists": score.assists,
        "doubleKills": score.doubles,
        "tripleKills": score.triples,
        "quadraKills": score.quadras,
        "pentaKills": score.pentas,
        "largestMultiKill": score.largest_multikill,
        "killingSprees": score.sprees,
        "largestKillingSpree": score.largest_spree,
        "firstBloodKill": score.first_blood,
        "firstBloodAssist": score.first_blood_assist,
        "totalTimeSpentDead": score.deaths * 24,
        "longestTimeSpentLiving": seat.seconds // (score.deaths + 1) if score.deaths else 0,
    }


def _damage(seat: Seat) -> dict[str, Any]:
    magic, true = seat.damage * 3 // 10, seat.damage // 20
    taken = 900 * seat.score.deaths + seat.seconds * 9
    dealt = seat.damage * 4 + (seat.minions + seat.jungle) * 450
    return {
        "totalDamageDealtToChampions": seat.damage,
        "magicDamageDealtToChampions": magic,
        "trueDamageDealtToChampions": true,
        "physicalDamageDealtToChampions": seat.damage - magic - true,
        "totalDamageDealt": dealt,
        "magicDamageDealt": dealt * 3 // 10,
        "trueDamageDealt": dealt // 20,
        "physicalDamageDealt": dealt - dealt * 3 // 10 - dealt // 20,
        "totalDamageTaken": taken,
        "magicDamageTaken": taken * 4 // 10,
        "trueDamageTaken": taken // 20,
        "physicalDamageTaken": taken - taken * 4 // 10 - taken // 20,
        "damageSelfMitigated": taken * 7 // 10,
        "damageDealtToBuildings": seat.towers * 3400,
        "damageDealtToTurrets": seat.towers * 3400,
        "damageDealtToObjectives": seat.towers * 3400 + seat.dragons * 4200 + seat.barons * 9000,
        "damageDealtToEpicMonsters": seat.dragons * 4200 + seat.barons * 9000,
        "largestCriticalStrike": 0,
        "totalHeal": seat.seconds * 3,
        "totalHealsOnTeammates": seat.seconds if seat.position == "UTILITY" else 0,
        "totalDamageShieldedOnTeammates": 0,
        "totalUnitsHealed": 1,
        "timeCCingOthers": seat.seconds // 60,
        "totalTimeCCDealt": seat.seconds // 6,
    }


def _economy(seat: Seat) -> dict[str, Any]:
    return {
        "goldEarned": seat.gold,
        "goldSpent": seat.gold * 9 // 10,
        "totalMinionsKilled": seat.minions,
        "neutralMinionsKilled": seat.jungle,
        "totalAllyJungleMinionsKilled": seat.jungle * 8 // 10,
        "totalEnemyJungleMinionsKilled": seat.jungle - seat.jungle * 8 // 10,
        "visionScore": seat.vision,
        "wardsPlaced": seat.vision // 2,
        "wardsKilled": seat.vision // 6,
        "visionWardsBoughtInGame": seat.vision // 12,
        "itemsPurchased": seat.gold // 700,
    }


def _outcome(lineup: Lineup, seat: Seat) -> dict[str, Any]:
    remake = lineup.ending == "remake"
    lost = [team for team in lineup.teams if team.team_id != seat.team_id]
    first = [team.team_id for team in lineup.teams if "tower" in team.first]
    takers = [one for one in lineup.seats if one.team_id == seat.team_id and one.towers]
    return {
        "turretKills": seat.towers,
        "turretTakedowns": seat.towers,
        "turretsLost": sum(team.taken["tower"] for team in lost),
        "inhibitorKills": seat.inhibitors,
        "inhibitorTakedowns": seat.inhibitors,
        "inhibitorsLost": sum(team.taken["inhibitor"] for team in lost),
        "dragonKills": seat.dragons,
        "baronKills": seat.barons,
        "firstTowerKill": seat.team_id in first and bool(takers) and takers[0] is seat,
        "firstTowerAssist": False,
        "win": seat.win,
        "gameEndedInEarlySurrender": remake,
        "gameEndedInSurrender": lineup.ending == "surrender",
        "teamEarlySurrendered": remake and seat.team_id == lineup.quitters,
        "eligibleForProgression": not remake and seat.account is not None,
    }


def _outfit(lineup: Lineup, seat: Seat, number: int) -> dict[str, Any]:
    rng = seeded_rng(seat.champion.name, number, lineup.seconds)
    owned = min(6, seat.gold // 2200)
    items = [*rng.sample(_ITEMS, owned), *[0] * (6 - owned), _TRINKET]
    second = _SPELLS.get(seat.position, _SNOWBALL)
    casts = {f"spell{key}Casts": rng.randint(0, seat.seconds // 5 + 1) for key in range(1, 5)}
    return {
        **{f"item{slot}": item for slot, item in enumerate(items)},
        **casts,
        "summoner1Id": _FLASH,
        "summoner1Casts": rng.randint(0, 8),
        "summoner2Id": second,
        "summoner2Casts": rng.randint(0, 12),
        "perks": {
            "statPerks": {"defense": 5001, "flex": 5008, "offense": 5008},
            "styles": [_style("primaryStyle", 8000, 8005), _style("subStyle", 8300, 8345)],
        },
        "missions": {f"playerScore{score}": 0 for score in range(12)},
    }


def _style(description: str, style: int, perk: int) -> dict[str, Any]:
    selection = {"perk": perk, "var1": 0, "var2": 0, "var3": 0}
    return {"description": description, "selections": [selection], "style": style}


def _challenges(lineup: Lineup, seat: Seat) -> dict[str, Any]:
    score = seat.score
    side_kills = sum(one.score.kills for one in lineup.seats if one.team_id == seat.team_id)
    minutes = max(1, seat.seconds) / 60
    return {
        "kda": (score.kills + score.assists) / max(1, score.deaths),
        "killParticipation": (score.kills + score.assists) / max(1, side_kills),
        "damagePerMinute": seat.damage / minutes,
        "goldPerMinute": seat.gold / minutes,
        "visionScorePerMinute": seat.vision / minutes,
        "gameLength": float(seat.seconds),
        "takedowns": score.kills + score.assists,
    }


def _team(lineup: Lineup, team: Team) -> dict[str, Any]:
    kills = sum(seat.score.kills for seat in lineup.seats if seat.team_id == team.team_id)
    taken = {**team.taken, "champion": kills}
    return team_entry(team.team_id, win=team.win, bans=team.bans, kills=taken, first=team.first)
