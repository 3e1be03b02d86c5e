"""Loading games as one team sees them: its members of the day, and how they did."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import Session

from lol_dagster.messages.compose import AnnouncedGame, Member, compose_card
from lol_dagster.messages.language import language
from lol_dagster.pictures.card import Card, CardPlayer, CardSide
from lol_dagster.riot.names import without_format_characters
from lol_dagster.stats.course import Course
from lol_dagster.stats.history import remarks_of
from lol_dagster.stats.played import select_played
from lol_dagster.stats.rank_history import moves_of
from lol_dagster.stats.ranks import Moved
from lol_dagster.stats.remarks import Remark
from lol_dagster.storage.models import (
    Account,
    Game,
    Membership,
    Participant,
    Player,
    PlayerStat,
    Team,
)


def was_member() -> ColumnElement[bool]:
    """SQL: the membership covers the moment at which the game ended, `[since, until)`."""
    return (Membership.since <= Game.ended_at) & or_(
        Membership.until.is_(None), Membership.until > Game.ended_at
    )


def is_announced() -> ColumnElement[bool]:
    """SQL: and its player is not left out of what is announced."""
    return was_member() & Membership.left_out.is_(False)


def games_of(team_id: int) -> Select[str]:
    """SQL: the ids of all games in which anybody took part who ever was in the team."""
    return (
        select(PlayerStat.match_id)
        .join(Membership, Membership.player_id == PlayerStat.player_id)
        .where(Membership.team_id == team_id)
    )


def load_announced_games(
    session: Session, team_id: int, match_ids: Collection[str], *, with_remarks: bool = False
) -> list[AnnouncedGame]:
    """Those of the games in which the team had members when they ended that are not left out, by match id.

    Args:
        with_remarks: Read the members' earlier games, too, for what is remarkable about these.

    Plain columns and a fixed number of queries: a catch-up message may announce hundreds of games,
    and is written anew for each that joins it.
    """
    statement = (
        select_played(
            Game.match_id,
            Game.queue_name,
            Game.mode_family,
            Game.ended_at,
            Game.duration_s,
            Game.game_version,
            PlayerStat.account_id,
            PlayerStat.player_id,
            Player.name,
            Participant.participant_id,
            Participant.display_name,
            Participant.champion,
            Participant.champion_id,
            Participant.kills,
            Participant.deaths,
            Participant.assists,
            Participant.cs,
            Participant.side,
            Participant.outcome,
            Participant.placement,
            PlayerStat.kda,
            PlayerStat.kill_participation,
            PlayerStat.cs_per_min,
            PlayerStat.opponent_id,
            PlayerStat.extra,
        )
        .join(Game, Game.match_id == PlayerStat.match_id)
        .join(Player, Player.id == PlayerStat.player_id)
        # Not a join: of two memberships that overlap, either will do.
        .where(
            PlayerStat.match_id.in_(match_ids),
            exists().where(
                Membership.team_id == team_id,
                Membership.player_id == PlayerStat.player_id,
                is_announced(),
            ),
        )
        .order_by(Game.match_id, Participant.participant_id)
    )
    moves = moves_of(session, match_ids)
    several = _players_with_several_accounts(session, team_id)
    games: list[AnnouncedGame] = []
    for match_id, grouped in groupby(session.execute(statement), key=lambda row: row.match_id):
        rows = list(grouped)
        remarks: dict[int, Remark] = {}
        if with_remarks:
            remarks = remarks_of(session, match_id, {row.player_id for row in rows})
        extra = rows[0].extra or {}  # what is read here is the same for all of a game
        games.append(
            AnnouncedGame(
                match_id=match_id,
                queue_name=rows[0].queue_name,
                mode_family=rows[0].mode_family,
                ended_at=rows[0].ended_at,
                duration_s=rows[0].duration_s,
                subteams=extra.get("subteams", 0),
                ended_over_behaviour=extra.get("ended_over_behaviour", False),
                patch=".".join(rows[0].game_version.split(".")[:2]),
                members=tuple(
                    _member(
                        row,
                        row.player_id in several,
                        remarks.get(row.account_id),
                        moves.get((match_id, row.account_id)),
                    )
                    for row in rows
                ),
            )
        )
    return games


def load_course(session: Session, match_id: str) -> tuple[Course, dict[int, str]] | None:
    """How a game went, and everybody's champions by participant id; None without a timeline."""
    course = session.get_one(Game, match_id).course
    if course is None:
        return None
    champions = session.execute(
        select(Participant.participant_id, Participant.champion).where(
            Participant.match_id == match_id
        )
    )
    return Course.from_json(course), {row.participant_id: row.champion for row in champions}


def load_card(session: Session, team_id: int, match_id: str) -> Card | None:
    """The picture of a game as a team sees it; None: nobody of it took part."""
    games = load_announced_games(session, team_id, [match_id], with_remarks=True)
    if not games:
        return None
    speaks = language(session.get_one(Team, team_id).language)
    return compose_card(games[0], _load_sides(session, team_id, match_id), speaks)


def _load_sides(session: Session, team_id: int, match_id: str) -> list[CardSide]:
    """Everybody who took part in a game, by side: those with members of the team first."""
    member_ids = set(
        session.scalars(
            select(PlayerStat.participant_id)
            .join(Game, Game.match_id == PlayerStat.match_id)
            .join(Membership, Membership.player_id == PlayerStat.player_id)
            .where(PlayerStat.match_id == match_id, Membership.team_id == team_id, is_announced())
        )
    )
    everybody = session.execute(
        select(
            Participant.participant_id,
            Participant.side,
            Participant.champion,
            Participant.champion_id,
            Participant.kills,
            Participant.placement,
        )
        .where(Participant.match_id == match_id)
        .order_by(Participant.participant_id)
    ).all()
    by_side: dict[str, list[Any]] = {}
    for each in everybody:
        by_side.setdefault(each.side, []).append(each)

    def rank(side: list[Any]) -> tuple[bool, int]:
        is_ours = any(each.participant_id in member_ids for each in side)
        return not is_ours, side[0].placement or 0

    has_kills = any(each.kills for each in everybody)
    return [
        CardSide(
            players=tuple(
                CardPlayer(each.champion, each.champion_id, each.participant_id in member_ids)
                for each in side
            ),
            label=str(side[0].placement or (sum(each.kills for each in side) if has_kills else "")),
        )
        for side in sorted(by_side.values(), key=rank)
    ]


def _players_with_several_accounts(session: Session, team_id: int) -> frozenset[int]:
    members = select(Membership.player_id).where(Membership.team_id == team_id)
    return frozenset(
        session.scalars(
            select(Account.player_id)
            .where(Account.player_id.in_(members))
            .group_by(Account.player_id)
            .having(func.count() > 1)
        )
    )


def _member(
    row: Any, has_several_accounts: bool, remark: Remark | None, moved: Moved | None
) -> Member:
    return Member(
        name=row.name,
        # `Ann` of `Ann#EUW`: among friends the tag says nothing.
        account_name=without_format_characters(
            row.display_name.partition("#")[0] or row.display_name
        )
        if has_several_accounts
        else None,
        champion=row.champion,
        champion_id=row.champion_id,
        participant_id=row.participant_id,
        opponent_id=row.opponent_id,
        kills=row.kills,
        deaths=row.deaths,
        assists=row.assists,
        cs=row.cs,
        side=row.side,
        outcome=row.outcome,
        placement=row.placement,
        kda=row.kda,
        kill_participation=row.kill_participation,
        cs_per_min=row.cs_per_min,
        is_mvp=bool((row.extra or {}).get("mvp")),
        remark=remark,
        moved=moved,
    )
