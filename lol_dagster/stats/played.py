"""The one join: how a tracked account did in a game, with its participant's line of the payload."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, select

from lol_dagster.storage.models import Participant, PlayerStat


def select_played(*what: Any) -> Select[*tuple[Any, ...]]:
    """SELECT `what` FROM `PlayerStat` and its `Participant`, a row for each tracked account in a game.

    Args:
        what: Of these two tables, and of those that the caller joins.
    """
    return (
        select(*what)
        .select_from(PlayerStat)
        .join(
            Participant,
            and_(
                Participant.match_id == PlayerStat.match_id,
                Participant.participant_id == PlayerStat.participant_id,
            ),
        )
    )
