"""Writes a made-up game as a match-v5 payload of a 2026 patch.

Every field that Riot's OpenAPI description requires is there, and the optional ones that people look at.
"""

from __future__ import annotations

from typing import Any

from lol_dagster.simulator.dice import dice
from lol_dagster.simulator.lineup import Lineup, Seat, Team

VERSION = "16.15.801.3452"
_BOT = "BOT"

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
    end = int(ended_at * 1000)
    start = end - lineup.seconds * 1000
    platform, _, number = match_id.partition("_")
    return {
        "metadata": _metadata(lineup, match_id),
        "info": {
            "endOfGameResult": "GameComplete",
            "gameCreation": start - _WAIT_MS,
            "gameDuration": lineup.seconds,
            "gameEndTimestamp": end,
            "gameId": int(number),
            "gameMode": lineup.game_mode,
            "gameName": f"teambuilder-match-{number}",
            "gameStartTimestamp": start,
            "gameType": lineup.game_type,
            "gameVersion": VERSION,
            "mapId": lineup.map_id,
            "participants": [
                _participant(lineup, seat, index + 1) for index, seat in enumerate(lineup.seats)
            ],
            "platformId": platform,
            "queueId": lineup.queue_id,
            "teams": [_team(lineup, team) for team in lineup.teams],
            "tournamentCode": lineup.tournament_code,
        },
    }


def void_payload(lineup: Lineup, match_id: str, ended_at: float) -> dict[str, Any]:
    """What Riot gives for a game that its servers lost: people, and an `info` without anything in it."""
    return {
        "metadata": _metadata(lineup, match_id),
        "info": {
            "endOfGameResult": "Abort_Unexpected",
            "gameCreation": 0,
            "gameDuration": 0,
            "gameEndTimestamp": int(ended_at * 1000),
            "gameId": 0,
            "gameMode": "",
            "gameName": "",
            "gameStartTimestamp": 0,
            "gameType": "",
            "gameVersion": "",
            "mapId": 0,
            "participants": [],
            "platformId": "",
            "queueId": 0,
            "teams": [],
            "tournamentCode": "",
        },
    }


def _metadata(lineup: Lineup, match_id: str) -> dict[str, Any]:
    people = [seat.account.puuid for seat in lineup.seats if seat.account]
    return {"dataVersion": "2", "matchId": match_id, "participants": people}


def _participant(lineup: Lineup, seat: Seat, number: int) -> dict[str, Any]:
    return {
        **dict.fromkeys(_ZERO, 0),
        **_who(seat, number),
        **_place(lineup, seat),
        **_fights(seat),
        **_damage(seat),
        **_economy(seat),
        **_objectives(lineup, seat),
        **_end(lineup, seat),
        **_outfit(lineup, seat, number),
        "challenges": _challenges(lineup, seat),
    }


def _who(seat: Seat, number: int) -> dict[str, Any]:
    account = seat.account
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
    }


def _place(lineup: Lineup, seat: Seat) -> dict[str, Any]:
    lane, role = _LANES.get(seat.position, ("NONE", "SUPPORT"))
    return {
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
    run_counts = seat.run_counts
    return {
        "kills": run_counts.kills,
        "deaths": run_counts.deaths,
        "assists": run_counts.assists,
        "doubleKills": run_counts.doubles,
        "tripleKills": run_counts.triples,
        "quadraKills": run_counts.quadras,
        "pentaKills": run_counts.pentas,
        "largestMultiKill": run_counts.largest_multikill,
        "killingSprees": run_counts.sprees,
        "largestKillingSpree": run_counts.largest_spree,
        "firstBloodKill": run_counts.first_blood,
        "firstBloodAssist": run_counts.first_blood_assist,
        "totalTimeSpentDead": run_counts.deaths * 24,
        "longestTimeSpentLiving": seat.seconds // (run_counts.deaths + 1)
        if run_counts.deaths
        else 0,
    }


def _damage(seat: Seat) -> dict[str, Any]:
    magic, true = seat.damage * 3 // 10, seat.damage // 20
    taken = 900 * seat.run_counts.deaths + seat.seconds * 9
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


def _objectives(lineup: Lineup, seat: Seat) -> dict[str, Any]:
    lost = [team for team in lineup.teams if team.team_id != seat.team_id]
    first_tower = any(
        team.team_id == seat.team_id and "tower" in team.first for team in lineup.teams
    )
    return {
        "turretKills": seat.towers,
        "turretTakedowns": seat.towers,
        "turretsLost": sum(team.towers for team in lost),
        "inhibitorKills": seat.inhibitors,
        "inhibitorTakedowns": seat.inhibitors,
        "inhibitorsLost": sum(team.inhibitors for team in lost),
        "dragonKills": seat.dragons,
        "baronKills": seat.barons,
        "firstTowerKill": first_tower and _takes_first_tower(lineup, seat),
        "firstTowerAssist": False,
    }


def _takes_first_tower(lineup: Lineup, seat: Seat) -> bool:
    own = [one for one in lineup.seats if one.team_id == seat.team_id and one.towers]
    return bool(own) and own[0] is seat


def _end(lineup: Lineup, seat: Seat) -> dict[str, Any]:
    remake = lineup.ending == "remake"
    return {
        "win": seat.win,
        "gameEndedInEarlySurrender": remake,
        "gameEndedInSurrender": lineup.ending == "surrender",
        "teamEarlySurrendered": remake and seat.team_id == lineup.quitters,
        "eligibleForProgression": not remake and seat.account is not None,
    }


def _outfit(lineup: Lineup, seat: Seat, number: int) -> dict[str, Any]:
    here = dice(seat.champion.name, number, lineup.seconds)
    owned = min(6, seat.gold // 2200)
    items = [*here.sample(_ITEMS, owned), *[0] * (6 - owned), _TRINKET]
    second = _SPELLS.get(seat.position, _SNOWBALL)
    casts = {f"spell{key}Casts": here.randint(0, seat.seconds // 5 + 1) for key in range(1, 5)}
    return {
        **{f"item{slot}": item for slot, item in enumerate(items)},
        **casts,
        "summoner1Id": _FLASH,
        "summoner1Casts": here.randint(0, 8),
        "summoner2Id": second,
        "summoner2Casts": here.randint(0, 12),
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
    run_counts = seat.run_counts
    side_kills = sum(one.run_counts.kills for one in lineup.seats if one.team_id == seat.team_id)
    minutes = max(1, seat.seconds) / 60
    return {
        "kda": (run_counts.kills + run_counts.assists) / max(1, run_counts.deaths),
        "killParticipation": (run_counts.kills + run_counts.assists) / max(1, side_kills),
        "damagePerMinute": seat.damage / minutes,
        "goldPerMinute": seat.gold / minutes,
        "visionScorePerMinute": seat.vision / minutes,
        "gameLength": float(seat.seconds),
        "takedowns": run_counts.kills + run_counts.assists,
    }


def _team(lineup: Lineup, team: Team) -> dict[str, Any]:
    kills = sum(seat.run_counts.kills for seat in lineup.seats if seat.team_id == team.team_id)
    numbers = {
        "baron": team.barons,
        "champion": kills,
        "dragon": team.dragons,
        "horde": 0,
        "inhibitor": team.inhibitors,
        "riftHerald": team.heralds,
        "tower": team.towers,
    }
    return {
        "teamId": team.team_id,
        "win": team.win,
        "bans": [
            {"championId": champion, "pickTurn": turn}
            for turn, champion in enumerate(team.bans, start=1)
        ],
        "objectives": {
            name: {"first": name in team.first, "kills": number} for name, number in numbers.items()
        },
    }
