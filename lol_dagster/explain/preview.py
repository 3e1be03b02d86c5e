"""What other rules of a channel would have made of last week's games, before they are saved."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.messages.announced_games import games_of, load_announced_games
from lol_dagster.messages.compose import AnnouncedGame, compose_game
from lol_dagster.messages.language import Language, language
from lol_dagster.messages.rules import AnnouncementDecision, decide_afresh
from lol_dagster.messages.templates import TemplateError, filled
from lol_dagster.roster.channels import ChannelRules
from lol_dagster.storage.models import Channel, Game, Match

REACHES_BACK = timedelta(days=7)
MOST_GAMES = 200
"""A page that asks is to answer within a second or two."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
What = Literal["gained", "lost", "changed"]


@dataclass(frozen=True)
class Difference:
    """A game that the channel would hear of, or not, or otherwise."""

    match_id: str
    ended_at: datetime
    what: What
    says: str
    """Its message in a line."""
    now: str
    """How it is announced by the rules that the channel has, or why not."""
    then: str
    """The same by the other ones."""


@dataclass(frozen=True)
class Preview:
    """Two sets of rules, compared by last week's games."""

    games: int
    """How many the team has played, `MOST_GAMES` at most: the latest."""
    same: int
    """Of these, which are announced either way, and alike."""
    differences: tuple[Difference, ...]
    """Newest first."""

    @property
    def in_words(self) -> str:
        """`Of 14 games in the last week 2 gained, 1 lost, 0 changed, 9 the same`."""
        counts = Counter(each.what for each in self.differences)
        found = ", ".join(f"{counts[what]} {what}" for what in get_args(What))
        games = f"{self.games} game{'' if self.games == 1 else 's'}"
        latest = "the latest " if self.games == MOST_GAMES else ""
        return f"Of {latest}{games} in the last week {found}, {self.same} the same"


def preview_rules(
    session: Session,
    channel: Channel,
    rules: ChannelRules,
    *,
    stale_after: timedelta,
    now: datetime,
) -> Preview:
    """What would be otherwise if the channel had other rules: last week's games, as if each had just been
    processed for the first time. Nothing is written.

    Args:
        stale_after: LOL_STALE_AFTER.
    """
    columns = ChannelRules.of(channel).as_columns()
    # Of no session: nothing that is said of them gets into the database.
    before, after = (
        Channel(team_id=channel.team_id, name=channel.name, created_at=_LONG_AGO, **each)
        for each in (columns, rules.as_columns())
    )
    match_ids = session.scalars(
        select(Game.match_id)
        .join(Match, Match.match_id == Game.match_id)
        .where(
            Game.ended_at > now - REACHES_BACK,
            Match.processed_at.is_not(None),
            Game.match_id.in_(games_of(channel.team_id)),
        )
        .order_by(Game.ended_at.desc(), Game.match_id)
        .limit(MOST_GAMES)
    ).all()
    decided = {
        match_id: decide_afresh(session, match_id, (before, after), stale_after=stale_after)
        for match_id in match_ids
    }
    speaks = language(channel.team.language)
    games = {
        game.match_id: game for game in load_announced_games(session, channel.team_id, match_ids)
    }
    differences: list[Difference] = []
    same = 0
    for match_id, (old, new) in decided.items():
        lines = [
            _lines(decision, channel_then.templates, games.get(match_id), speaks)
            for decision, channel_then in ((old, before), (new, after))
        ]
        what = _what(old, new, *lines)
        if what is None:
            same += old.announced
            continue
        # What is read otherwise is shown; of a game that is in another message there is nothing to compare.
        shown = lines if all(lines) and lines[0] != lines[1] else ["", ""]
        game = games[match_id]
        differences.append(
            Difference(
                match_id=match_id,
                ended_at=game.ended_at,
                what=what,
                says=compose_game(game, speaks).summary,
                now=_in_words(old, shown[0]),
                then=_in_words(new, shown[1]),
            )
        )
    return Preview(len(match_ids), same, tuple(differences))


def _lines(
    decision: AnnouncementDecision,
    templates: dict[str, str] | None,
    game: AnnouncedGame | None,
    speaks: Language,
) -> str:
    """How the members' lines read, of a game with a message of its own; "" of any other."""
    if decision.kind != "game" or game is None:
        return ""
    try:
        content = compose_game(game, speaks, partial(filled, templates or {}))
    except TemplateError:  # as the message does
        content = compose_game(game, speaks)
    lines = [line for section in content.sections for line in section.lines]
    return "; ".join(
        " · ".join(filter(None, [line.lead, *line.facts, *line.details])) for line in lines
    )


def _what(
    old: AnnouncementDecision, new: AnnouncementDecision, old_lines: str, new_lines: str
) -> What | None:
    if old.announced != new.announced:
        return "gained" if new.announced else "lost"
    is_other = new.reason != old.reason or new_lines != old_lines
    return "changed" if new.announced and is_other else None


def _in_words(decision: AnnouncementDecision, lines: str) -> str:
    if not decision.announced:
        return f"not announced: {decision.reason}"
    return ": ".join(filter(None, [decision.reason, lines]))
