"""What the list of games can be narrowed to. Each question goes by an index, or stops early."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.orm import aliased

from lol_dagster.admin.filters import DayFilter, Filter, Options
from lol_dagster.admin.forms import number_in, player_options, team_options
from lol_dagster.admin.transactions import reading
from lol_dagster.stats.played import select_played
from lol_dagster.storage.models import Game, Membership, Participant, PlayerStat

_OURS = ("win", "loss")
_WHOLE = ("remake", "aborted", "empty")
_PLACED = "placed (Arena)"


def game_filters() -> tuple[Filter, ...]:
    outcomes = (*_OURS, _PLACED, *_WHOLE)
    return (
        Filter("Team", _of_team, options=team_options),
        Filter("Player", _of_player, options=player_options),
        Filter("Queue", lambda value: Game.queue_name == value, options=lambda _: _queues()),
        Filter("Outcome", _with_outcome, options=[(each, each) for each in outcomes]),
        DayFilter("From", Game.ended_at),
        DayFilter("To", Game.ended_at, last=True),
    )


def _queues() -> Options:
    """Each queue that was played: a walk from one to the next through the index on their names."""
    walk = select(func.min(Game.queue_name).label("name")).cte("walk", recursive=True)
    step, following = aliased(walk), aliased(Game)
    after = (
        select(func.min(following.queue_name))
        .where(following.queue_name > step.c.name)
        .scalar_subquery()
    )
    walk = walk.union_all(select(after).select_from(step).where(step.c.name.is_not(None)))
    names = reading().scalars(select(walk.c.name).where(walk.c.name.is_not(None)))
    return [(name, name) for name in names]


def _of_player(value: str) -> ColumnElement[bool]:
    return Game.match_id.in_(
        select(PlayerStat.match_id).where(PlayerStat.player_id == number_in(value))
    )


def _of_team(value: str) -> ColumnElement[bool]:
    """Games of those who were in the team when the game ended."""
    return Game.match_id.in_(
        select(PlayerStat.match_id)
        .join(
            Membership,
            and_(
                Membership.player_id == PlayerStat.player_id,
                Membership.since <= PlayerStat.ended_at,
                or_(Membership.until.is_(None), Membership.until > PlayerStat.ended_at),
            ),
        )
        .where(Membership.team_id == number_in(value))
    )


def _with_outcome(value: str) -> ColumnElement[bool]:
    if value in _WHOLE:
        return Game.result == value
    if value == _PLACED:
        return Game.mode_family == "arena"
    if value not in _OURS:
        return false()
    # Of most games one is true: checked game by game, from the newest on.
    return (
        select_played(PlayerStat.match_id)
        .where(PlayerStat.match_id == Game.match_id, Participant.outcome == value)
        .exists()
    )
