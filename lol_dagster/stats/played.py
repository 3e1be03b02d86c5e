"""How a tracked account did in a game: the one join, with its participant's line of the payload, and
what counts as won.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def has_won(outcome: str, placement: int | None, extra: Mapping[str, Any] | None) -> bool:
    """Whether a game was won; in Arena: whether the place is in the upper half.

    Args:
        extra: `PlayerStat.extra`.
    """
    if outcome != "placement":
        return outcome == "win"
    return placement is not None and 2 * placement <= int((extra or {}).get("subteams", 0))
