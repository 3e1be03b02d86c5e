"""The messages of the gallery: each from a payload that goes the whole way, with people who do not exist.

The figures are like those of real games; what else is in a payload is _support/payloads.py's. LP and remarks,
which come from other games, are said beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from lol_dagster.delivery.probe import _test_content
from lol_dagster.messages.announced_games import _load_sides, load_announced_games
from lol_dagster.messages.compose import (
    AnnouncedGame,
    compose_card,
    compose_catch_up,
    compose_game,
)
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.language import language
from lol_dagster.messages.story import story
from lol_dagster.monitoring.alerts import _beginning, _end, _Failing
from lol_dagster.monitoring.checks import CHECKS, Affected, CheckResult
from lol_dagster.stats.course import BLUE, RED, Course, Kill, Swing
from lol_dagster.stats.ranks import Moved, Rank
from lol_dagster.stats.remarks import Remark
from lol_dagster.storage.models import Alert, Base
from lol_dagster_tests._support.announced import record
from lol_dagster_tests._support.payloads import (
    ENDED_AT,
    FILLER_CHAMPIONS,
    NOBODY,
    Json,
    match_payload,
    participant,
    puuid_of,
)
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_membership,
    make_player,
    make_team,
)

BERLIN: Final = ZoneInfo("Europe/Berlin")
FRIENDS: Final = ("Ann", "Bob", "Cleo", "Dora", "Emil", "קרין", "سلمى")


@dataclass(frozen=True)
class Sample:
    """A game, and what is known of it from others."""

    payload: Json
    moved: dict[str, Moved] = field(default_factory=dict)
    """By player."""
    remarks: dict[str, Remark] = field(default_factory=dict)


@dataclass(frozen=True)
class Picture:
    """Messages that stand in a channel below each other."""

    name: str
    title: str
    about: str
    contents: tuple[MessageContent, ...]


def played(
    name: str,
    champion: str,
    score: str,
    cs: tuple[int, int] = (0, 0),
    gold: int = 11_000,
    **more: Any,
) -> Json:
    """One who took part.

    Args:
        score: `12/3/9`.
        cs: Of lanes, and of the jungle.
    """
    kills, deaths, assists = map(int, score.split("/"))
    return participant(
        name, champion=None, kills=kills, deaths=deaths, assists=assists, gold=gold,
        championName=champion, championId=_CHAMPIONS[champion],
        totalMinionsKilled=cs[0], neutralMinionsKilled=cs[1], **more,
    )  # fmt: skip


_CHAMPIONS: Final = {
    "Ahri": 103, "Ambessa": 799, "AurelionSol": 136, "Caitlyn": 51, "Darius": 122, "DrMundo": 36, "Ekko": 245,
    "Ezreal": 81, "Gwen": 887, "Jax": 24, "Jinx": 222, "KSante": 897, "LeeSin": 64, "Leona": 89, "Lux": 99,
    "MonkeyKing": 62, "Nami": 267, "Sett": 875, "Sylas": 517, "Thresh": 412, "Varus": 110, "Vi": 254,
    "Volibear": 106, "Yasuo": 157, "Zed": 238, "Strawberry_Jinx": 3151, "Strawberry_Xayah": 3947,
    "Jade_Ahri": 60103,
}  # fmt: skip


class Group:
    """The friends, in a database of their own. Emil plays on two accounts."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._numbers = iter(range(1, 1000))
        self._team = make_team(session, "Friends")
        for name in FRIENDS:
            player = make_player(session, name)
            for account in (name, "Emilio") if name == "Emil" else (name,):
                make_account(session, player, puuid=puuid_of(account), game_name=account)
            make_membership(session, self._team, player)

    def card(self, game: AnnouncedGame, code: str) -> dict[str, Any]:
        sides = _load_sides(self._session, self._team.id, game.match_id)
        return compose_card(game, sides, language(code)).to_json()

    def game(self, sample: Sample) -> AnnouncedGame:
        match_id = f"EUW1_{7_000_000_000 + next(self._numbers)}"
        metadata = {**sample.payload["metadata"], "matchId": match_id}
        record(self._session, match_id, {**sample.payload, "metadata": metadata})
        (game,) = load_announced_games(self._session, self._team.id, [match_id])
        members = (
            replace(each, moved=sample.moved.get(each.name), remark=sample.remarks.get(each.name))
            for each in game.members
        )
        return replace(game, members=tuple(members))


def pictures() -> list[Picture]:
    """All of them, in the order of the page."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        group = Group(session)
        return [*_of_games(group), *_of_others(group)]


def _of_games(group: Group) -> Iterator[Picture]:
    def said(code: str, *games: Sample) -> tuple[MessageContent, ...]:
        return tuple(compose_game(group.game(each), language(code)) for each in games)

    yield Picture(
        "ranked", "Ranked",
        "Who won, in which queue, how long it took; then each member: champion, kills, deaths and assists, what the "
        "game brought in LP, and figures. At most one remark each (⭐), for what is rare.",
        said("en", *_ranked()),
    )  # fmt: skip
    yield Picture(
        "ranked-de", "Ranked, in German",
        "The same games for a team whose language is German.",
        said("de", *_ranked()),
    )  # fmt: skip
    yield Picture(
        "story", "How it went",
        "Where a channel wants it: three lines from our side, by an edit, once Riot's timeline is there.",
        (_with_story(group, "en"), _with_story(group, "de")),
    )  # fmt: skip
    yield Picture(
        "card", "With a card",
        "Where a channel wants it, and on services that take one: a picture, by an edit after the text.",
        _with_cards(group),
    )  # fmt: skip
    yield Picture(
        "party", "Five friends",
        "A whole party on one side, in flex queue; Emil has several accounts, and the one that was played is named.",
        said("en", _party()),
    )  # fmt: skip
    yield Picture(
        "against", "Against each other",
        "Members on both sides are one message. Names from right to left turn nothing around them.",
        (*said("en", _against()), *said("de", _against())),
    )  # fmt: skip
    yield Picture(
        "void", "Games that do not count",
        "A remake has no figures; where there is no winner there is no result; and nobody is blamed where Riot has "
        "ended a game.",
        said("en", *_void()),
    )  # fmt: skip
    yield Picture(
        "aram", "ARAM and ARAM: Mayhem", "No lanes, so no creep score.", said("en", *_aram())
    )
    yield Picture(
        "arena", "Arena",
        "Places instead of results: together on one, apart on several, and one that Riot has given none.",
        (*said("en", *_arena()), *said("de", _arena()[1])),
    )  # fmt: skip
    yield Picture(
        "coop", "Together against monsters and bots",
        "In Swarm no champion is slain: what counts is how many monsters were.",
        said("en", *_coop()),
    )  # fmt: skip
    yield Picture(
        "modes", "Other modes",
        "On the Rift, and apart from it; and one that nobody has heard of, by Riot's own word. What all are called "
        "stands at the end of this page.",
        said("en", *_other_modes()),
    )  # fmt: skip
    yield Picture(
        "custom", "Custom games and tournaments",
        "Only where a channel wants them.",
        said("en", *_custom()),
    )  # fmt: skip

    yield Picture(
        "icons", "With icons",
        "Where a channel wants them: the champions' icons, on Discord before the names, on Slack above the lines. "
        "Squares stand here for Riot's icons.",
        (compose_game(group.game(_against()), language("en"), icons=True),),
    )  # fmt: skip


def _of_others(group: Group) -> Iterator[Picture]:
    few = [group.game(each) for each in (*_ranked()[:2], *_void()[:1], _against())]
    few = [
        replace(game, ended_at=ENDED_AT - timedelta(hours=7 * number))
        for number, game in enumerate(few)
    ]
    yield Picture(
        "catch-up", "Catching up",
        "What was played while lol_dagster was off is one message: the latest twenty games, and how many more. "
        "Times are each reader's own, here Berlin's.",
        (
            compose_catch_up(few, language("en"), BERLIN),
            compose_catch_up(few, language("de"), BERLIN),
        ),
    )  # fmt: skip
    yield Picture(
        "quiet", "After quiet hours",
        "What was played in a channel's quiet hours is one message when they end.",
        (
            compose_catch_up(few[1:], language("en"), BERLIN, quiet=True),
            compose_catch_up(few[:1], language("de"), BERLIN, quiet=True),
        ),
    )  # fmt: skip
    yield Picture(
        "alerts", "Alerts",
        "For the operator, always in English and in UTC: one, several of a kind, and that it is over.",
        _alerts(),
    )  # fmt: skip
    yield Picture(
        "test", "The test message",
        "Sent when a channel is tried out, edited, and deleted again.",
        (*(_test_content(rev, language("en")) for rev in (1, 2)), _test_content(1, language("de"))),
    )  # fmt: skip


def _ranked() -> tuple[Sample, ...]:
    jinx = played("Ann", "Jinx", "17/3/10", (214, 17), 16_900, pentaKills=1)
    thresh = played("Bob", "Thresh", "2/5/24", (31, 0), 9_400)
    zed = played("Cleo", "Zed", "6/9/4", (168, 8), 11_200, team=200)
    vi = played("Dora", "Vi", "9/4/11", (35, 138), 13_100)
    lux = played("Ann", "Lux", "8/2/15", (176, 4), 12_700)
    gold, silver = Rank("GOLD", "II", 45), Rank("SILVER", "I", 12)
    return (
        Sample(
            match_payload(participants=[jinx, thresh], duration_s=1936),
            {
                "Ann": Moved(gold, Rank("GOLD", "II", 66), 1),
                "Bob": Moved(Rank("GOLD", "I", 88), Rank("PLATINUM", "IV", 9), 1),
            },
            {
                "Ann": Remark("penta_kill", 0.001),
                "Bob": Remark("games_together", 0.004, 100, other="Ann"),
            },
        ),
        Sample(
            match_payload(participants=[zed], winner=100, duration_s=1512, surrender=True),
            {"Cleo": Moved(Rank("PLATINUM", "IV", 5), Rank("GOLD", "I", 86), 1)},
        ),
        Sample(
            match_payload(participants=[vi], duration_s=1788),
            {"Dora": Moved(Rank("EMERALD", "III", 21), Rank("EMERALD", "III", 58), 3)},
            {"Dora": Remark("win_streak", 0.02, 5)},
        ),
        Sample(
            match_payload(mode="ranked_flex", participants=[lux], duration_s=2290),
            {"Ann": Moved(Rank(None, None, 0), silver, 5)},
            {"Ann": Remark("best_damage", 0.03, 41_386)},
        ),
    )


_COURSE: Final = Course(
    leads=((0, 0), (600, 400), (1200, -2_600), (1800, 5_100), (1936, 7_900)),
    gold_at_10={**dict.fromkeys(range(1, 11), 4_000), 1: 4_812},
    gold_at_15={},
    first_blood=(1, 192),
    swing=Swing(
        1500, 1680, BLUE, 6_310,
        kills=(Kill(1, (2,)), Kill(1, (2,)), Kill(3, ()), Kill(1, (4,))),
        monsters=("BARON_NASHOR",), towers=2, inhibitors=0,
    ),
    sides={BLUE: (1, 2, 3, 4, 5), RED: (6, 7, 8, 9, 10)},
)  # fmt: skip


def _with_story(group: Group, code: str) -> MessageContent:
    game = group.game(_ranked()[0])
    champions = dict(enumerate(FILLER_CHAMPIONS, start=1))
    section = story(game, _COURSE, champions, language(code))
    assert section is not None
    content = compose_game(game, language(code))
    return replace(content, sections=(*content.sections, section))


def _with_cards(group: Group) -> tuple[MessageContent, ...]:
    shown = ((_ranked()[0], "en"), (_party(), "de"))
    games = [(group.game(sample), code) for sample, code in shown]
    return tuple(
        replace(compose_game(game, language(code)), card=group.card(game, code))
        for game, code in games
    )


def _party() -> Sample:
    people = [
        played("Ann", "DrMundo", "5/4/9", (147, 4), 10_276),
        played("Bob", "LeeSin", "8/5/15", (14, 127), 11_656),
        played("Cleo", "Yasuo", "1/9/3", (144, 6), 7_910),
        played("Dora", "Jinx", "12/2/8", (201, 11), 13_850),
        played("Emilio", "Nami", "1/3/23", (19, 0), 8_217),
    ]
    remarks = {"Dora": Remark("top_cs", 0.01, 212), "Emil": Remark("long_pause", 0.01, 43)}
    return Sample(
        match_payload(mode="ranked_flex", participants=people, duration_s=1515), {}, remarks
    )


def _against() -> Sample:
    people = [
        played("Ann", "Caitlyn", "9/4/5", (194, 17), 13_265, team=100),
        played("קרין", "Leona", "1/6/17", (32, 0), 7_600, team=100),
        played("سلمى", "Ezreal", "7/5/6", (171, 8), 12_100, team=200),
    ]
    return Sample(match_payload(mode="draft", participants=people, duration_s=2041))


def _void() -> tuple[Sample, ...]:
    ann = played("Ann", "Ahri", "0/1/0", (12, 0), 900)
    bob = played("Bob", "Sett", "4/6/3", (121, 4), 8_300)
    return (
        Sample(match_payload(participants=[ann], remake=True, duration_s=192)),
        Sample(match_payload(participants=[bob], winner=NOBODY, duration_s=1104)),
        Sample(
            match_payload(
                participants=[{**bob, "gameEndedInIGNBSurrender": True}],
                winner=200,
                duration_s=968,
            )
        ),
    )


def _aram() -> tuple[Sample, ...]:
    strangers = [participant(team=100, kills=16, assists=28) for _ in range(3)]
    aram = [
        played("Cleo", "Varus", "17/12/31", (34, 0), 18_136),
        played("Bob", "Leona", "4/9/38", team=100),
        *strangers,
    ]
    mayhem = [played("Dora", "Sett", "9/11/32", (29, 0), 14_463), *strangers]
    remarks = {"Cleo": Remark("best_assists", 0.02, 31)}
    return (
        Sample(match_payload(mode="aram", participants=aram, duration_s=1469), {}, remarks),
        Sample(match_payload(mode="mayhem", participants=mayhem, winner=200, duration_s=998)),
    )


def _arena() -> tuple[Sample, ...]:
    def people(*subteams: tuple[str, str, str, int]) -> list[Json]:
        return [
            played(name, champion, score, gold=19_600, subteam=subteam)
            for name, champion, score, subteam in subteams
        ]

    won = people(
        ("Ann", "Jax", "7/8/17", 4), ("Bob", "Zed", "21/8/15", 4), ("Dora", "Vi", "11/6/18", 4)
    )
    apart = people(
        ("Ann", "Leona", "10/6/5", 2),
        ("Cleo", "AurelionSol", "5/7/3", 6),
        ("קרין", "Ahri", "2/6/2", 6),
    )
    unplaced = [
        {**each, "placement": 0, "subteamPlacement": 0}
        for each in people(("Bob", "Darius", "4/7/3", 3))
    ]
    first = {4: 1, 1: 4}
    return (
        Sample(match_payload(mode="arena_18", participants=won, placements=first, duration_s=1425)),
        Sample(match_payload(mode="arena_18", participants=apart, duration_s=1266)),
        Sample(match_payload(mode="arena_16", participants=unplaced, duration_s=1018)),
    )


def _coop() -> tuple[Sample, ...]:
    swarm = [
        played("Ann", "Strawberry_Jinx", "0/3/0", (2473, 0), 7_061),
        played("Bob", "Strawberry_Xayah", "0/1/0", (3192, 0), 7_061),
    ]
    ruby = [played("Cleo", "Sylas", "5/11/13", (81, 0), 18_730)]
    bots = [played("Dora", "MonkeyKing", "26/3/3", (177, 0), 13_693)]
    return (
        Sample(match_payload(mode="swarm_3", participants=swarm, duration_s=994)),
        Sample(match_payload(participants=ruby, queueId=4210, gameMode="RUBY", duration_s=1285)),
        Sample(match_payload(mode="bots", participants=bots, duration_s=1057)),
    )


_SHOWN_MODES: Final = {
    "Swiftplay": (480, "SWIFTPLAY"),
    "Clash": (700, "CLASSIC"),
    "Brawl": (2300, "BRAWL"),
    "ARURF": (900, "ARURF"),
    "One for All": (1020, "ONEFORALL"),
    "League Classic": (4310, "JADE"),
    "Snow Ball Bash": (98_765, "SNOW_BALL_BASH"),
}
"""Name → Riot's queue and mode; the last one is made up. The other modes read as these do."""


def _other_modes() -> Iterator[Sample]:
    for name, (queue_id, code) in _SHOWN_MODES.items():
        is_rift = name in {"Swiftplay", "Clash", "League Classic"}
        champion = "Jade_Ahri" if code == "JADE" else "Gwen"
        yield Sample(
            match_payload(
                mode="draft" if is_rift else "urf",
                participants=[played("Dora", champion, "8/4/9", (121, 7), 11_300)],
                queueId=queue_id, gameMode=code, duration_s=1204,
            )
        )  # fmt: skip


def _custom() -> tuple[Sample, ...]:
    people = [played("Ann", "Ekko", "8/8/12", (142, 0), 12_511)]
    aram = {"gameMode": "ARAM", "mapId": 12}
    return (
        Sample(match_payload(mode="custom", participants=people, duration_s=1640)),
        Sample(match_payload(mode="custom", participants=people, duration_s=1040, **aram)),
        Sample(match_payload(mode="tournament", participants=people, duration_s=1890)),
    )


_SINCE: Final = datetime(2026, 8, 1, 18, 20, tzinfo=UTC)


def _alerts() -> tuple[MessageContent, ...]:
    quarantined = [
        _alert(
            "quarantined_game",
            f"EUW1_{number}",
            "player_stats failed: info.participants.3.kills: a number is missing",
        )
        for number in (7_000_000_101, 7_000_000_102, 7_000_000_103)
    ]
    refused = _alert(
        "refused_channel",
        "channel:1",
        "Discord says Missing Permissions (50013); it is not tried again before something has changed",
        name="games",
    )
    return (_beginning([refused]), _beginning(quarantined), _end([refused]))


def _alert(check_id: str, which: str, why: str, *, name: str | None = None) -> Alert:
    """As monitoring writes it down of what a check has found."""
    check = next(each for each in CHECKS if each.id == check_id)
    failing = _Failing(CheckResult(check, 1, (Affected(which, _SINCE, why, name),)))
    return Alert(
        kind=check.id,
        title=failing.title,
        text=failing.text,
        opened_at=_SINCE,
        last_seen_at=_SINCE + timedelta(minutes=95),
    )
