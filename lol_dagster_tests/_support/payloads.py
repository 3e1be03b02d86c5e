"""Riot match-v5 payloads for tests: say what matters, the rest is filled with plain values.

    match_payload(
        "NA1_5000000001",
        participants=[participant("Ann", champion="Jinx", kills=12, deaths=1, assists=7)],
        winner=100,
    )

gives a ranked solo game that Ann won on team 100, with nine other participants who are all alike
(`FILLER`: 4/4/6, 10,000 gold, 15,000 damage; `Mode.minions`: 160 cs), in the fields and types of patch 16. A
`participant` is a partial one in Riot's own field names; `match_payload` seats and completes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lol_dagster.simulator.payload import VERSION, envelope, game_info, team_entry, void_info

Json = dict[str, Any]

ENDED_AT: Final = datetime(2026, 8, 1, 20, 0, tzinfo=UTC)
PATCH: Final = VERSION

ABSENT: Final = object()
"""As a field's value: the payload has no such field."""

NOBODY: Final = 0
EVERYBODY: Final = -1

CHAMPION_IDS: Final = {
    "Ahri": 103, "Annie": 1, "Ashe": 22, "Caitlyn": 51, "DrMundo": 36, "Ezreal": 81,
    "FiddleSticks": 9, "Garen": 86, "Jinx": 222, "KSante": 897, "Leona": 89, "LeeSin": 64,
    "Lux": 99, "MonkeyKing": 62, "Nautilus": 111, "Ornn": 516, "Sejuani": 113, "Syndra": 134,
    "Thresh": 412, "Vi": 254, "Yasuo": 157, "Zed": 238, "Strawberry_Jinx": 3151,
}  # fmt: skip
FILLER_CHAMPIONS: Final = (
    "Garen", "LeeSin", "Ahri", "Jinx", "Thresh", "Ornn", "Vi", "Syndra", "Ezreal", "Leona",
    "Zed", "Lux", "Ashe", "Annie", "Yasuo", "Caitlyn", "Nautilus", "Sejuani",
)  # fmt: skip
POSITIONS: Final = ("TOP", "JUNGLE", "MIDDLE", "BOTTOM", "UTILITY")

FILLER: Final[Json] = {
    "kills": 4,
    "deaths": 4,
    "assists": 6,
    "goldEarned": 10_000,
    "totalDamageDealtToChampions": 15_000,
    "visionScore": 20,
    "champLevel": 16,
}


@dataclass(frozen=True)
class Seat:
    team_id: int
    subteam_id: int = 0
    position: str = ""
    bot: bool = False


@dataclass(frozen=True)
class Mode:
    """A queue with its seats; `duration_s` is what its games last when a test does not say."""

    queue_id: int
    game_mode: str
    map_id: int
    seats: tuple[Seat, ...]
    duration_s: int = 1800
    game_type: str = "MATCHED_GAME"
    minions: tuple[int, int] = (150, 10)
    """Of lanes and of the jungle, that everybody has killed who is not said to have killed others."""


def _five_against_five(*, positions: bool = True, bots: bool = False) -> tuple[Seat, ...]:
    return tuple(
        Seat(team_id, position=position if positions else "", bot=bots and team_id == 200)
        for team_id in (100, 200)
        for position in POSITIONS
    )


def _arena(subteams: int, size: int) -> tuple[Seat, ...]:
    # In real payloads teamId says nothing about who plays with whom.
    return tuple(
        Seat(100 if subteam <= subteams // 2 else 200, subteam_id=subteam)
        for subteam in range(1, subteams + 1)
        for _ in range(size)
    )


MODES: Final[dict[str, Mode]] = {
    "ranked_solo": Mode(420, "CLASSIC", 11, _five_against_five()),
    "ranked_flex": Mode(440, "CLASSIC", 11, _five_against_five()),
    "draft": Mode(400, "CLASSIC", 11, _five_against_five()),
    "swiftplay": Mode(480, "SWIFTPLAY", 11, _five_against_five()),
    "clash": Mode(700, "CLASSIC", 11, _five_against_five()),
    "aram": Mode(
        450, "ARAM", 12, _five_against_five(positions=False), duration_s=1200, minions=(50, 0)
    ),
    "aram_clash": Mode(
        720, "ARAM", 12, _five_against_five(positions=False), duration_s=1200, minions=(50, 0)
    ),
    "mayhem": Mode(
        2400, "KIWI", 12, _five_against_five(positions=False), duration_s=1200, minions=(50, 0)
    ),
    "arena_8": Mode(1700, "CHERRY", 30, _arena(4, 2), duration_s=1000, minions=(0, 0)),
    "arena_16": Mode(1700, "CHERRY", 30, _arena(8, 2), duration_s=1500, minions=(0, 0)),
    "arena_18": Mode(1750, "CHERRY", 30, _arena(6, 3), duration_s=1350, minions=(0, 0)),
    "swarm_1": Mode(1810, "STRAWBERRY", 33, (Seat(100),), duration_s=1000),
    "swarm_3": Mode(1830, "STRAWBERRY", 33, (Seat(100),) * 3, duration_s=1000),
    "swarm_4": Mode(1840, "STRAWBERRY", 33, (Seat(100),) * 4, duration_s=1000),
    "urf": Mode(900, "URF", 11, _five_against_five(positions=False), duration_s=900),
    "one_for_all": Mode(1020, "ONEFORALL", 11, _five_against_five(), minions=(40, 4)),
    "bots": Mode(880, "CLASSIC", 11, _five_against_five(bots=True)),
    "custom": Mode(0, "CLASSIC", 11, _five_against_five(), game_type="CUSTOM_GAME"),
    "tournament": Mode(3130, "CLASSIC", 11, _five_against_five(), game_type="CUSTOM_GAME"),
    "practice_tool": Mode(
        3140, "PRACTICETOOL", 11, (Seat(100, position="TOP"),), 600, "CUSTOM_GAME"
    ),
    "unknown_queue": Mode(98_765, "SNOWBALLBASH", 99, _five_against_five(positions=False)),
}


def puuid_of(name: str) -> str:
    """A puuid that one can read, 78 characters long like Riot's."""
    return f"{name.replace(' ', '_')}-puuid-".ljust(78, "x")


def participant(
    name: str | None = None,
    *,
    puuid: str | None = None,
    tag: str | None = None,
    champion: str | None = None,
    champion_id: int | None = None,
    team: int | None = None,
    subteam: int | None = None,
    placement: int | None = None,
    kills: int | None = None,
    deaths: int | None = None,
    assists: int | None = None,
    cs: int | None = None,
    gold: int | None = None,
    damage: int | None = None,
    **fields: Any,
) -> Json:
    """The fields of a participant that a test cares about, in Riot's names.

    Args:
        name: The Riot ID's game name; the puuid follows from it (`puuid_of`) unless given.
        team: 100 or 200; where it is not said, the first free seat is taken.
        subteam: Arena's playerSubteamId, 1 to 8.
        placement: Arena's; by default that of the subteam.
        fields: Any further field in Riot's own name; `ABSENT` takes one away.
    """
    if puuid is None and name is not None:
        puuid = puuid_of(name)
    if champion_id is None and champion is not None:
        champion_id = CHAMPION_IDS[champion]
    said = {
        "puuid": puuid,
        "riotIdGameName": name,
        "riotIdTagline": tag,
        "championName": champion,
        "championId": champion_id,
        "teamId": team,
        "playerSubteamId": subteam,
        "placement": placement,
        "subteamPlacement": placement,
        "kills": kills,
        "deaths": deaths,
        "assists": assists,
        "totalMinionsKilled": cs,
        "neutralMinionsKilled": None if cs is None else 0,
        "goldEarned": gold,
        "totalDamageDealtToChampions": damage,
    }
    return {key: value for key, value in said.items() if value is not None} | fields


def match_payload(
    match_id: str = "NA1_5000000001",
    *,
    mode: str = "ranked_solo",
    participants: Iterable[Json] = (),
    winner: int = 100,
    placements: dict[int, int] | None = None,
    duration_s: int | None = None,
    ended_at: datetime = ENDED_AT,
    remake: bool = False,
    surrender: bool = False,
    version: str = PATCH,
    **overrides: Any,
) -> Json:
    """A whole payload: `metadata` and `info`.

    Args:
        mode: A key of MODES.
        participants: Seated in this order; the free seats are filled.
        winner: The teamId that won, NOBODY or EVERYBODY. Arena goes by `placements` instead.
        placements: Arena: subteam → placement; by default subteam 1 is first and so on.
        remake: Ended in the early vote after somebody left team 300 − winner. As in real remakes,
            `winner` still has `win: true`.
        surrender: Ended in an ordinary surrender.
        overrides: Fields of `info` in Riot's own names, such as `queueId=4321`; ABSENT takes away.
    """
    kind = MODES[mode]
    if duration_s is None:
        duration_s = 180 if remake else kind.duration_s
    people = [
        _complete(partial, seat, number, kind, winner, placements or {}, duration_s)
        | {
            "gameEndedInEarlySurrender": remake,
            "teamEarlySurrendered": remake and seat.team_id != winner,
            "gameEndedInSurrender": surrender,
        }
        | partial
        for number, (seat, partial) in enumerate(_seated(kind.seats, participants), start=1)
    ]
    info = game_info(
        match_id,
        ended_ms=_ms(ended_at),
        seconds=duration_s,
        queue_id=kind.queue_id,
        game_mode=kind.game_mode,
        map_id=kind.map_id,
        game_type=kind.game_type,
        participants=[_present(person) for person in people],
        teams=_teams(kind, people, winner),
    )
    if mode == "tournament":
        info["tournamentCode"] = "NA04f5-TOURNAMENT"
    puuids = [person["puuid"] for person in people if person["puuid"] not in {"BOT", ABSENT}]
    return envelope(match_id, puuids, _present({**info, "gameVersion": version, **overrides}))


def empty_payload(
    match_id: str = "EUW1_6834713231", *, ended_at: datetime | None = ENDED_AT
) -> Json:
    """Riot's answer with no game inside: ten puuids in `metadata`, and `info` zeroed."""
    return {
        "metadata": match_payload(match_id)["metadata"],
        "info": void_info(_ms(ended_at) if ended_at else 0),
    }


def encode(payload: Json) -> bytes:
    """As Riot sends it: JSON in UTF-8."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def payload_bytes(match_id: str = "NA1_5000000001", **said: Any) -> bytes:
    """`match_payload` as the bytes that Riot would send."""
    return encode(match_payload(match_id, **said))


def _seated(seats: tuple[Seat, ...], participants: Iterable[Json]) -> list[tuple[Seat, Json]]:
    taken: dict[int, Json] = {}
    for partial in participants:
        index = next((i for i, s in enumerate(seats) if i not in taken and _fits(s, partial)), None)
        if index is None:
            raise ValueError(f"no free seat for {partial}")
        taken[index] = partial
    return [(seat, taken.get(index, {})) for index, seat in enumerate(seats)]


def _fits(seat: Seat, partial: Json) -> bool:
    if seat.bot and "puuid" in partial:
        return False
    if seat.subteam_id:
        return bool(partial.get("playerSubteamId", seat.subteam_id) == seat.subteam_id)
    return bool(partial.get("teamId", seat.team_id) == seat.team_id)


def _complete(
    partial: Json,
    seat: Seat,
    number: int,
    kind: Mode,
    winner: int,
    placements: dict[int, int],
    duration_s: int,
) -> Json:
    champion = FILLER_CHAMPIONS[(number - 1) % len(FILLER_CHAMPIONS)]
    name = f"Stranger {number}"
    place = placements.get(seat.subteam_id, seat.subteam_id)
    place = partial.get("placement", place)
    subteams = max(s.subteam_id for s in kind.seats)
    top_half = 1 <= place <= subteams // 2
    win = top_half if seat.subteam_id else winner in {EVERYBODY, seat.team_id}
    who = (
        {"puuid": "BOT", "summonerId": "BOT", "summonerName": f"{champion} bot"}
        if seat.bot
        else {"puuid": puuid_of(name), "summonerId": f"summoner-{number}", "summonerName": ""}
    )
    return {
        **FILLER,
        "totalMinionsKilled": kind.minions[0],
        "neutralMinionsKilled": kind.minions[1],
        **who,
        "riotIdGameName": "" if seat.bot else name,
        "riotIdTagline": "" if seat.bot else "NA1",
        "participantId": number,
        "teamId": seat.team_id,
        "championName": champion,
        "championId": CHAMPION_IDS[champion],
        "individualPosition": seat.position or "Invalid",
        "teamPosition": seat.position,
        "lane": "NONE",
        "role": "SUPPORT",
        "placement": place,
        "subteamPlacement": place,
        "playerSubteamId": seat.subteam_id,
        **{f"playerAugment{n}": 100 + n if seat.subteam_id and n < 5 else 0 for n in range(1, 7)},
        "doubleKills": 0,
        "tripleKills": 0,
        "quadraKills": 0,
        "pentaKills": 0,
        "firstBloodKill": False,
        "firstBloodAssist": False,
        "largestKillingSpree": 2,
        "largestMultiKill": 1,
        "gameEndedInIGNBSurrender": False,
        "teamIGNBSurrendered": False,
        "profileIcon": 6941,
        "summonerLevel": 200,
        "timePlayed": duration_s,
        "totalDamageTaken": 20_000,
        "totalHeal": 3_000,
        "turretTakedowns": 2,
        "win": win,
        "PlayerScore0": 0,
        "PlayerScore2": 1345.80224609375,
        "missions": {"playerScore0": 0},
        "challenges": {"kda": 2.5, "laningPhaseGoldExpAdvantage": -1.0},
    }


def _teams(kind: Mode, people: list[Json], winner: int) -> list[Json]:
    if kind.game_mode == "CHERRY":
        return [_team(100, people, win=True), _team(0, [], win=False)]
    return [
        _team(
            team_id,
            [person for person in people if person["teamId"] == team_id],
            win=winner in {EVERYBODY, team_id},
        )
        for team_id in sorted({seat.team_id for seat in kind.seats})
    ]


def _team(team_id: int, people: list[Json], *, win: bool) -> Json:
    kills = sum(person["kills"] for person in people)
    return team_entry(team_id, win=win, bans=[-1], kills={"champion": kills})


def _present(fields: Json) -> Json:
    return {key: value for key, value in fields.items() if value is not ABSENT}


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
