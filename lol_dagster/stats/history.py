"""A player's earlier games, for remarks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from lol_dagster.stats.played import has_won, select_played
from lol_dagster.stats.record import STATS_CODE_VERSION
from lol_dagster.stats.remarks import PastGame, Remark, candidates, choose, shared_candidates
from lol_dagster.storage.models import Game, Participant, Player, PlayerStat

_COLUMNS = (
    Game.match_id,
    Game.ended_at,
    Game.mode_family,
    Game.counts_in_form,
    Game.code_version,
    PlayerStat.account_id,
    PlayerStat.player_id,
    PlayerStat.cs_per_min,
    PlayerStat.highlights,
    PlayerStat.extra,
    Participant.side,
    Participant.champion,
    Participant.outcome,
    Participant.placement,
    Participant.kills,
    Participant.assists,
    Participant.damage,
    Participant.cs,
    Participant.vision_score,
)
# Plain columns: of a player who has played for years there are thousands of rows.


def remarks_of(session: Session, match_id: str, player_ids: Collection[int]) -> dict[int, Remark]:
    """What to say about some of a game's players: account id → remark.

    Only games count that ended before this one, so that it is the same whenever it is asked.
    """
    games = select_played(*_COLUMNS).join(Game, Game.match_id == PlayerStat.match_id)
    rows = session.execute(
        games.where(PlayerStat.match_id == match_id, PlayerStat.player_id.in_(player_ids)).order_by(
            Participant.participant_id
        )
    ).all()
    if not rows:
        return {}
    ended_at = rows[0].ended_at
    is_earlier = or_(
        PlayerStat.ended_at < ended_at,
        and_(PlayerStat.ended_at == ended_at, PlayerStat.match_id < match_id),
    )
    before: dict[int, list[PastGame]] = {row.player_id: [] for row in rows}
    for past in session.execute(
        games.where(PlayerStat.player_id.in_(before), is_earlier).order_by(
            PlayerStat.ended_at, PlayerStat.match_id
        )
    ):
        before[past.player_id].append(_past_game(past))
    players = session.scalars(select(Player).where(Player.id.in_(before)))
    names = {player.id: player.name for player in players}
    found: dict[int, list[Remark]] = {}
    for place, row in enumerate(rows):
        game, mine = _past_game(row), before[row.player_id]
        found[row.account_id] = candidates(game, mine)
        for other in rows[place + 1 :]:
            if other.player_id != row.player_id:
                found[row.account_id] += shared_candidates(
                    game, _past_game(other), mine, before[other.player_id], names[other.player_id]
                )
    return choose(found)


def _past_game(row: Any) -> PastGame:
    return PastGame(
        match_id=row.match_id,
        ended_at=row.ended_at,
        mode_family=row.mode_family,
        counts=row.counts_in_form,
        measured=row.code_version == STATS_CODE_VERSION,
        side=row.side,
        champion=row.champion,
        won=has_won(row.outcome, row.placement, row.extra),
        kills=row.kills,
        assists=row.assists,
        damage=row.damage,
        cs=row.cs if row.cs_per_min is not None else None,
        vision=row.vision_score,
        feats=frozenset(row.highlights),
        behind=(row.extra or {}).get("behind"),
    )
