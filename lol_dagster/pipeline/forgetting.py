"""Forgetting a player: whatever names them goes, and what others have played together with them stays without them.

Riot wants what belongs to a person deleted when they ask for it. What goes at once is a small part of the games
at a time, so that nobody waits for it; interrupted anywhere, it is called again and goes on with the rest. The
player goes last. Until then they are left out of what is announced, so that nothing new names them.

A game in which nobody else who is watched took part goes altogether. Of another one its payload and timeline keep
what happened, as the others' figures are computed from that; who it was is replaced by a word of that game alone.
What was posted about games is written anew without them, and so edited, where a channel takes edits.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from lol_dagster.delivery.message_rows import forget_games, write_again
from lol_dagster.pipeline.records import forget_matches
from lol_dagster.riot.archive import replace_person
from lol_dagster.storage.audit import add_entry
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    AuditEntry,
    FormerPuuid,
    Match,
    Membership,
    MessageGame,
    Participant,
    Player,
    PlayerStat,
    RankChange,
    RankSnapshot,
)

_AT_ONCE = 25
"""Games in one transaction: a payload takes some ten milliseconds to be written anew."""


@dataclass(frozen=True)
class WhatGoes:
    """How many rows of each kind are about a player."""

    accounts: int
    memberships: int
    rank_snapshots: int
    games_alone: int
    """In which nobody else who is watched took part: they go, with payload and figures."""
    games_with_others: int
    """They stay, without the player."""
    messages: int
    """About these games, posted or not."""
    audit_entries: int


def what_goes(session: Session, player: Player) -> WhatGoes:
    """What `forget_player` deletes, or writes anew."""
    alone, shared = _alone(player), _shared(player)

    def count(of: Select[*tuple[object, ...]]) -> int:
        return session.scalar(select(func.count()).select_from(of.subquery())) or 0

    games = or_(MessageGame.match_id.in_(alone), MessageGame.match_id.in_(shared))
    return WhatGoes(
        accounts=count(_accounts(player)),
        memberships=count(select(Membership.id).where(Membership.player_id == player.id)),
        rank_snapshots=count(
            select(RankSnapshot.id).where(RankSnapshot.account_id.in_(_accounts(player)))
        ),
        games_alone=count(alone),
        games_with_others=count(shared),
        messages=count(select(MessageGame.message_id).where(games).distinct()),
        audit_entries=count(select(AuditEntry.id).where(_about(player))),
    )


def forget_player(database: Database, player_id: int, *, who: str, now: datetime) -> WhatGoes:
    """Delete all that is known of a player.

    Args:
        who: Who asks for it, for the audit trail, which does not name the player.

    Raises:
        NoResultFound: there is no such player.
    """
    with database.writing(who=who) as session:
        player = session.get_one(Player, player_id)
        goes = what_goes(session, player)
        # Statements: the audit trail is not to keep what is about to go.
        session.execute(
            update(Membership).where(Membership.player_id == player.id).values(left_out=True)
        )
    is_gone = False
    while not is_gone:
        with database.writing(who=who) as session:
            some = session.scalars(_alone(player).union(_shared(player)).limit(_AT_ONCE)).all()
            if some:
                _forget_games(session, player, some, now)
            else:  # in one transaction with the question: nothing was recorded meanwhile
                _forget_person(session, player, goes, who, now)
                is_gone = True
    return goes


def _accounts(player: Player) -> Select[*tuple[int]]:
    return select(Account.id).where(Account.player_id == player.id)


def _about(player: Player) -> ColumnElement[bool]:
    """The audit trail's entries about the player."""
    theirs = {
        Player: select(cast(Player.id, String)).where(Player.id == player.id),
        Account: select(cast(Account.id, String)).where(Account.player_id == player.id),
        Membership: select(cast(Membership.id, String)).where(Membership.player_id == player.id),
    }
    return or_(
        *(
            (AuditEntry.table == table.__tablename__) & AuditEntry.row.in_(keys)
            for table, keys in theirs.items()
        )
    )


def _alone(player: Player) -> Select[*tuple[str]]:
    """Ids of the player's games in which nobody else who is watched took part, as far as is known."""
    stat = aliased(PlayerStat)
    of_others = exists().where(stat.match_id == Match.match_id, stat.player_id != player.id)
    own = exists().where(stat.match_id == Match.match_id, stat.player_id == player.id)
    return select(Match.match_id).where(
        or_(own, Match.listed_by.in_(_accounts(player))), ~of_others
    )


def _shared(player: Player) -> Select[*tuple[str]]:
    other = aliased(PlayerStat)
    return (
        select(PlayerStat.match_id)
        .where(
            PlayerStat.player_id == player.id,
            exists().where(other.match_id == PlayerStat.match_id, other.player_id != player.id),
        )
        .distinct()
    )


def _forget_games(
    session: Session, player: Player, match_ids: Sequence[str], now: datetime
) -> None:
    alone = session.scalars(_alone(player).where(Match.match_id.in_(match_ids))).all()
    messages = session.scalars(
        select(MessageGame.message_id).where(MessageGame.match_id.in_(match_ids)).distinct()
    ).all()
    for match_id in set(match_ids).difference(alone):
        _leave_unnamed(session, player, match_id)
    session.execute(
        delete(RankChange).where(
            RankChange.match_id.in_(match_ids), RankChange.account_id.in_(_accounts(player))
        )
    )
    session.execute(
        delete(PlayerStat).where(
            PlayerStat.match_id.in_(match_ids), PlayerStat.player_id == player.id
        )
    )
    forget_games(session, alone)
    forget_matches(session, alone)
    session.execute(
        delete(AuditEntry).where(AuditEntry.table == Match.__tablename__, AuditEntry.row.in_(alone))
    )
    session.expire_all()
    write_again(session, messages, now)


def _leave_unnamed(session: Session, player: Player, match_id: str) -> None:
    """Let the archive and the participants of a game not say that it was them."""
    theirs = session.scalars(
        select(Participant)
        .join(
            PlayerStat,
            (PlayerStat.match_id == Participant.match_id)
            & (PlayerStat.participant_id == Participant.participant_id),
        )
        .where(Participant.match_id == match_id, PlayerStat.player_id == player.id)
    )
    for participant in theirs:
        instead = f"forgotten-{secrets.token_hex(16)}"  # of this game alone: it leads to no other
        if participant.puuid is not None:
            replace_person(session, match_id, participant.puuid, instead)
        participant.puuid, participant.display_name = instead, participant.champion
    session.flush()


def _forget_person(
    session: Session, player: Player, goes: WhatGoes, who: str, now: datetime
) -> None:
    accounts = _accounts(player)
    session.execute(delete(AuditEntry).where(_about(player)))
    add_entry(session, player, "forgotten", who=who, at=now, after=asdict(goes))
    session.flush()
    for table, theirs in (
        (RankChange, RankChange.account_id.in_(accounts)),
        (RankSnapshot, RankSnapshot.account_id.in_(accounts)),
        (AccountPoll, AccountPoll.account_id.in_(accounts)),
        (FormerPuuid, FormerPuuid.account_id.in_(accounts)),
        (Membership, Membership.player_id == player.id),
        (Account, Account.player_id == player.id),
        (Player, Player.id == player.id),
    ):
        session.execute(
            delete(table).where(theirs), execution_options={"synchronize_session": False}
        )
