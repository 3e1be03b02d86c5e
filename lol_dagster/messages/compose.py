"""The words of a message: from games, and how a team's members did in them, to a MessageContent.

Pure: the team's language is handed in (language.py). Which channels get one is decided in rules.py;
announced_games.py loads the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import reduce
from itertools import groupby
from typing import Final

from lol_dagster.messages.content import Icon, Line, MessageContent, Moment, Section, Tone
from lol_dagster.messages.language import Language, marked
from lol_dagster.messages.text import isolated
from lol_dagster.messages.wording import (
    mode_in_words,
    place_in_words,
    rank_in_words,
    remark_in_words,
)
from lol_dagster.pictures.card import Card, CardMember, CardSide, icon_number
from lol_dagster.stats.ranks import Moved
from lol_dagster.stats.remarks import Remark

MOST_LISTED = 20
"""Games that a catch-up message lists; the latest ones."""
_MOST_NAMES = 4
# League of Graphs' names for Riot's platforms, which are Porofessor's (the same makers). Its public beta has none:
# no site shows those games. PH2 and TH2 no longer get games, but their old match ids keep the prefix.
_REGIONS = {
    "br1": "br",
    "eun1": "eune",
    "euw1": "euw",
    "jp1": "jp",
    "kr": "kr",
    "la1": "lan",
    "la2": "las",
    "me1": "me",
    "na1": "na",
    "oc1": "oce",
    "ph2": "ph",
    "ru": "ru",
    "sg2": "sg",
    "th2": "th",
    "tr1": "tr",
    "tw2": "tw",
    "vn2": "vn",
}


@dataclass(frozen=True)
class Member:
    """How a member of the team did in a game, on one account."""

    name: str
    """The player's."""
    account_name: str | None
    """The account's game name, where the player has several accounts."""
    champion: str
    kills: int
    deaths: int
    assists: int
    cs: int
    side: str
    """Equal for allies: `team-100`, `subteam-3`."""
    outcome: str
    """One of storage.models.games.OUTCOMES."""
    placement: int | None
    kda: float
    kill_participation: float | None
    """0 to 1."""
    cs_per_min: float | None
    """None where there are no lanes."""
    is_mvp: bool = False
    """Whose score is the highest of their side."""
    remark: Remark | None = None
    moved: Moved | None = None
    """How the game moved the account's rank, once that is known."""
    champion_id: int = 0
    participant_id: int = 0
    opponent_id: int | None = None
    """The lane opponent's participant id."""

    @property
    def label(self) -> str:
        name = isolated(self.name)
        return f"{name} ({isolated(self.account_name)})" if self.account_name else name


@dataclass(frozen=True)
class AnnouncedGame:
    """A game from one team's side."""

    match_id: str
    queue_name: str
    mode_family: str
    """One of storage.models.games.MODE_FAMILIES."""
    ended_at: datetime
    duration_s: int
    subteams: int
    """How many took part in an Arena game; 0 in other modes, and where Riot does not say."""
    ended_over_behaviour: bool
    """Riot ended it over somebody's behaviour."""
    members: tuple[Member, ...]
    """In the game's own order; never empty."""
    patch: str = ""
    """`16.9`."""


_RESULTS: Final = {"win": marked("Victory"), "loss": marked("Defeat"), "remake": marked("Remake")}
_COLOURS: Final = {"team-100": marked("Blue side"), "team-200": marked("Red side")}


Fill = Callable[["AnnouncedGame", "Member", Line], Line]
"""What makes another line of a member's."""


def compose_game(
    game: AnnouncedGame,
    language: Language,
    fill: Fill = lambda _game, _member, line: line,
    *,
    icons: bool = False,
) -> MessageContent:
    """The message of one game.

    Args:
        fill: Not called for a remake, in which nobody has played.
        icons: With the champions' faces.
    """

    def line_of(member: Member) -> Line:
        line = _filled_line(game, member, language, fill)
        return replace(line, icon=_icon(member)) if icons else line

    sides = _sides(game)
    # Whose behaviour it was is nobody's business here: the members may have been its victims.
    note = Section(lines=(Line(facts=(language.say("Ended early over in-game behaviour"),)),))
    title = " · ".join(filter(None, [_headline(game, language), game_length(game.duration_s)]))
    who = [f"{member.label} ({_short(game, member, language)})" for member in game.members]
    return MessageContent(
        title=title,
        summary=f"{_listed(who, language)}: {title}",
        sections=(
            *([note] if game.ended_over_behaviour else []),
            *(
                Section(
                    lines=tuple(map(line_of, side)),
                    heading=_side_heading(side[0], language) if len(sides) > 1 else "",
                )
                for side in sides
            ),
        ),
        url=match_url(game.match_id),
        tone=_tone(game),
        footer=game.match_id,
        language=language.code,
    )


def compose_card(game: AnnouncedGame, sides: Sequence[CardSide], language: Language) -> Card:
    """The picture of one game: what its message says, in fewer words.

    Args:
        sides: Everybody who took part, the members' own side first.
    """
    # As the message's title: what happened, then where and for how long.
    title, _, subtitle = compose_game(game, language).title.partition(" · ")
    return Card(
        title=title,
        subtitle=subtitle,
        tone=_tone(game),
        members=tuple(_card_member(game, each, language) for side in _sides(game) for each in side),
        sides=tuple(sides),
        patch=game.patch,
    )


def _card_member(game: AnnouncedGame, member: Member, language: Language) -> CardMember:
    line = _line(game, member, language)
    score = line.facts[1:2]  # not a remake's; MVP has a place of its own
    is_long = game.mode_family == "swarm"
    points, standing = _points(member.moved, language) if member.moved else ("", "")
    return CardMember(
        name=member.label,
        champion=member.champion,
        champion_id=member.champion_id,
        score=score[0] if score and not is_long else "",
        facts=(*score, *line.details) if is_long else line.details,
        points=points,
        standing=standing,
        points_tone=_points_tone(member.moved),
        highlight=line.highlights[0] if line.highlights else "",
        is_mvp=member.is_mvp,
    )


def _points(moved: Moved, language: Language) -> tuple[str, str]:
    """`+21 LP` and `Gold II 45 → 66`; of a first placement the place and its LP."""
    if moved.points is None:
        lp = language.say("{points} LP", points=moved.after.league_points)
        return place_in_words(moved.after, language), lp
    points, _, standing = rank_in_words(moved, language).partition(" (")
    return points, standing.removesuffix(")")


def _points_tone(moved: Moved | None) -> Tone:
    if moved is None or not moved.points:
        return "neutral"
    return "good" if moved.points > 0 else "bad"


def compose_catch_up(
    games: Sequence[AnnouncedGame], language: Language, zone: tzinfo, *, quiet: bool = False
) -> MessageContent:
    """The one message of several games that ended long before they were seen, or (`quiet`) that came in the
    channel's quiet hours; at least one.

    Lists the latest `MOST_LISTED`, the newest last.

    Args:
        zone: The team's, in which it is said when a game ended.
    """
    games = sorted(games, key=lambda game: (game.ended_at, game.match_id))
    listed = games[-MOST_LISTED:]
    if quiet:
        title = language.plural(
            "{number} game in the quiet hours", "{number} games in the quiet hours", len(games)
        )
    else:
        title = language.plural(
            "{number} game while I was away", "{number} games while I was away", len(games)
        )
    totals = _totals(games, language)
    return MessageContent(
        title=title,
        summary=f"{title}: {totals}",
        sections=(
            Section(lines=(Line(facts=(totals,)),)),
            Section(
                lines=tuple(
                    Line(
                        lead=_headline(game, language),
                        when=Moment(
                            int(game.ended_at.timestamp()), language.moment(game.ended_at, zone)
                        ),
                        details=tuple(
                            f"{member.label}: {_short(game, member, language)}"
                            for member in game.members
                        ),
                    )
                    for game in listed
                )
            ),
        ),
        more=len(games) - len(listed),
        language=language.code,
    )


def _headline(game: AnnouncedGame, language: Language) -> str:
    """`Victory · Ranked Solo`, or with the names where the members did not share one result."""
    sides, first = _sides(game), game.members[0]
    mode = mode_in_words(game.queue_name, language)
    if len(sides) == 1:
        return f"{_result(first, language)} · {mode}"
    if game.mode_family == "arena":
        return f"{', '.join(_placed(side, language) for side in sides)} · {mode}"
    against = reduce(
        lambda one, other: language.say("{one} against {other}", one=one, other=other),
        (_names(side, language) for side in sides),
    )
    if first.outcome in {"win", "loss"}:
        return f"{against} · {mode}"
    return f"{_result(first, language)} · {against} · {mode}"


def _sides(game: AnnouncedGame) -> list[list[Member]]:
    """The members by side, the best result first."""

    def rank(member: Member) -> tuple[int, int, str]:
        order = {"win": 0, "placement": 1, "loss": 2}
        placement = member.placement if member.placement is not None else 99
        return order.get(member.outcome, 3), placement, member.side

    return [list(side) for _, side in groupby(sorted(game.members, key=rank), key=rank)]


def _result(member: Member, language: Language) -> str:
    if member.outcome == "placement":
        if not member.placement:
            return language.say("No placement")
        return language.say("{ordinal} place", ordinal=language.ordinal(member.placement))
    result = _RESULTS.get(member.outcome)
    return language.name(result.one) if result else language.say("No result")


def _side_heading(member: Member, language: Language) -> str:
    colour = _COLOURS.get(member.side)
    # What all sides share stands in the headline.
    result = "" if member.outcome in {"remake", "aborted"} else _result(member, language)
    return " · ".join(filter(None, [language.name(colour.one) if colour else "", result]))


def _placed(side: list[Member], language: Language) -> str:
    names, placement = _names(side, language), side[0].placement
    if not placement:
        return language.say("{names} unplaced", names=names)
    return language.say("{names} {ordinal}", names=names, ordinal=language.ordinal(placement))


def _filled_line(game: AnnouncedGame, member: Member, language: Language, fill: Fill) -> Line:
    line = _line(game, member, language)
    return line if member.outcome == "remake" else fill(game, member, line)


def _icon(member: Member) -> Icon | None:
    number = icon_number(member.champion_id)
    return Icon(number, member.champion) if number else None


def _line(game: AnnouncedGame, member: Member, language: Language) -> Line:
    if member.outcome == "remake":
        # Nobody has played: figures would only mislead.
        return Line(lead=member.label, facts=(member.champion,))
    remark = member.remark
    mvp = (language.say("MVP"),) if member.is_mvp else ()
    return Line(
        lead=member.label,
        facts=(member.champion, _score(game, member, language), *mvp),
        rank=rank_in_words(member.moved, language) if member.moved else "",
        details=_details(game, member, language),
        highlights=(remark_in_words(remark, game.match_id, language),) if remark else (),
    )


def _short(game: AnnouncedGame, member: Member, language: Language) -> str:
    if member.outcome == "remake":
        return member.champion
    return f"{member.champion} {_score(game, member, language)}"


def _score(game: AnnouncedGame, member: Member, language: Language) -> str:
    if game.mode_family == "swarm":
        # Champions are never killed there: Riot counts what is slain as minions.
        kills = language.plural("{number} kill", "{number} kills", member.cs)
        deaths = language.plural("{number} death", "{number} deaths", member.deaths)
        return f"{kills}, {deaths}"
    return f"{member.kills}/{member.deaths}/{member.assists}"


def _details(game: AnnouncedGame, member: Member, language: Language) -> tuple[str, ...]:
    if game.mode_family == "swarm":
        return ()
    details = [language.say("KDA {ratio}", ratio=language.decimal(member.kda))]
    if member.cs_per_min is not None:
        details.append(language.say("{rate} CS/min", rate=language.decimal(member.cs_per_min)))
    if member.kill_participation is not None:
        share = language.percent(member.kill_participation)
        details.append(language.say("{share} KP", share=share))
    return tuple(details)


def _tone(game: AnnouncedGame) -> Tone:
    tones = {_member_tone(game, member) for member in game.members}
    return tones.pop() if len(tones) == 1 else "mixed"


def _member_tone(game: AnnouncedGame, member: Member) -> Tone:
    if member.outcome == "placement" and member.placement and game.subteams:
        # Riot, too, calls the better half of an Arena game its winners.
        return "good" if 2 * member.placement <= game.subteams else "bad"
    tones: dict[str, Tone] = {"win": "good", "loss": "bad"}
    return tones.get(member.outcome, "neutral")


def _totals(games: Sequence[AnnouncedGame], language: Language) -> str:
    tones = [_tone(game) for game in games]
    wins, losses = tones.count("good"), tones.count("bad")
    others = len(games) - wins - losses
    totals = [
        language.plural("{number} win", "{number} wins", wins) if wins else "",
        language.plural("{number} loss", "{number} losses", losses) if losses else "",
        language.plural("{number} other game", "{number} other games", others) if others else "",
    ]
    return ", ".join(filter(None, totals))


def _names(members: Sequence[Member], language: Language) -> str:
    # A member who plays on two accounts at once is named once.
    names = list(dict.fromkeys(isolated(member.name) for member in members))
    return _listed(names, language)


def _listed(texts: list[str], language: Language) -> str:
    if len(texts) > _MOST_NAMES:
        left_out = len(texts) - _MOST_NAMES + 1
        others = language.plural("{number} other", "{number} others", left_out)
        texts = [*texts[: _MOST_NAMES - 1], others]
    return language.listed(texts)


def game_length(seconds: int) -> str:
    """`32:10`, `1:02:03`; "" where nobody knows."""
    if seconds <= 0:
        return ""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def match_url(match_id: str) -> str | None:
    """The page of a match id such as `EUW1_5012345678`; None where there is none."""
    platform, _, number = match_id.partition("_")
    region = _REGIONS.get(platform.lower())
    return f"https://www.leagueofgraphs.com/match/{region}/{number}" if region else None
