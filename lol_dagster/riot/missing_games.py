"""Whether games can be seen: the ranked games that Riot counts, compared with what its match lists gave.

"Nobody played" and "we cannot see games" look the same in the match lists. The ranks tell them apart:
that Riot has counted another ranked game is proof that one was played, and ranked games are always listed.
If then no game of the account shows up, and none is on its way, for `MISSING_GAMES_AFTER`, games are
missing. Who plays no ranked games is not watched in this way.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from lol_dagster.storage.models import AccountPoll, Match, PlayerStat
from lol_dagster.storage.models.games import MATCH_STATES

MISSING_GAMES_AFTER = timedelta(minutes=90)
"""Riot's lists are half an hour late at times, and an account may be asked every half hour only."""
_COUNTED_LATE = timedelta(hours=1)
"""Riot may count a game this long after it ended: one that we know of explains the count."""
_ON_ITS_WAY = [state for state in MATCH_STATES if state != "processed"]
"""Named one by one, as no index finds what is unlike something."""


def no_game_since(moment: InstrumentedAttribute[datetime | None]) -> ColumnElement[bool]:
    """Condition on an `AccountPoll`: since that moment no game of the account has ended that we know
    of, and none is on its way through the stages.
    """
    return and_(
        ~exists().where(
            PlayerStat.account_id == AccountPoll.account_id, PlayerStat.ended_at > moment
        ),
        ~exists().where(Match.state.in_(_ON_ITS_WAY), Match.listed_at > moment),
    )


def note_ranked_games(
    session: Session, poll: AccountPoll, ranked_games: int | None, now: datetime
) -> None:
    """Note how many ranked games Riot counts.

    Args:
        poll: Locked.
        ranked_games: None: Riot did not say. The next count is a new beginning then: a game that was
            counted meanwhile could not be dated.
    """
    before, checked_before = poll.ranked_games, poll.ranks_checked_at
    poll.ranks_checked_at, poll.ranked_games = now, ranked_games
    if (
        before is not None
        and checked_before is not None
        and ranked_games is not None
        and ranked_games > before
        and not _is_suspected(session, poll)
    ):
        poll.missing_games_since, poll.missing_games_from = now, checked_before - _COUNTED_LATE
    session.flush()
    if poll.missing_games_since is not None and not _is_suspected(session, poll):
        poll.missing_games_since = poll.missing_games_from = None


def _is_suspected(session: Session, poll: AccountPoll) -> bool:
    """Whether a game that Riot has counted is still missing."""
    return (
        session.scalar(
            select(true()).where(
                AccountPoll.account_id == poll.account_id,
                AccountPoll.missing_games_since.is_not(None),
                no_game_since(AccountPoll.missing_games_from),
            )
        )
        is not None
    )
