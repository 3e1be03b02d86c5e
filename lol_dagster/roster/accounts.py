"""Riot accounts of players: adding, correcting and removing them. Riot itself is asked in riot_lookup.py."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from lol_dagster.riot.resolving import set_puuid
from lol_dagster.roster.errors import AccountTakenError, NoSuchEntryError, RosterError
from lol_dagster.roster.names import RiotId, flush_unless, parse_riot_id
from lol_dagster.roster.riot_lookup import KnownAccount
from lol_dagster.roster.versions import as_seen
from lol_dagster.storage.models import Account, AccountPoll, FormerPuuid, Player, PlayerStat


def accounts(session: Session) -> Sequence[Account]:
    """All accounts, by player and in the order in which they were added."""
    return session.scalars(
        select(Account).join(Account.player).order_by(func.lower(Player.name), Account.id)
    ).all()


def get_account(session: Session, riot_id_text: str) -> Account:
    """
    Raises:
        RosterError: this is no Riot ID.
        NoSuchEntryError: no player has such an account.
    """
    riot_id = parse_riot_id(riot_id_text)
    for account in accounts(session):
        if riot_id.is_same(account.game_name, account.tag_line):
            return account
    raise NoSuchEntryError(f"no player has an account '{riot_id}': see 'lol-dagster account list'")


def check_not_taken(
    session: Session, riot_id: RiotId, puuid: str | None = None, *, but: int | None = None
) -> None:
    """
    Args:
        but: Id of the account that may be it: the one that is being changed.

    Raises:
        AccountTakenError: a player has the account.
    """
    # Where both are known the puuid counts: Riot IDs change hands.
    taken = session.scalar(select(Account.id).where(Account.puuid == puuid)) if puuid else None
    if taken is None:
        candidates = select(Account.id, Account.game_name, Account.tag_line).order_by(Account.id)
        if puuid:
            candidates = candidates.where(Account.puuid.is_(None))
        same = (row for row, *name in session.execute(candidates) if riot_id.is_same(*name))
        taken = next(same, None)
    if taken is None or taken == but:
        return
    account = session.get_one(Account, taken)
    raise AccountTakenError(
        f"the account '{account.riot_id}' already belongs to the player {account.player.name!r}",
        player_id=account.player_id,
    )


def add_account(session: Session, player: Player, known: KnownAccount, *, now: datetime) -> Account:
    """Give a player an account.

    Raises:
        AlreadyThereError: a player has it.
    """
    check_not_taken(session, known.riot_id, known.puuid)
    account = Account(
        player_id=player.id,
        puuid=known.puuid,
        puuid_key=known.puuid_key,
        game_name=known.riot_id.game_name,
        tag_line=known.riot_id.tag_line,
        platform=known.platform,
        created_at=now,
    )
    session.add(account)
    flush_unless(session, f"the account '{known.riot_id}' already belongs to a player")
    # Of another entry, which stood for this account by mistake.
    session.execute(delete(FormerPuuid).where(FormerPuuid.puuid == known.puuid))
    return account


def correct_account(
    session: Session, account_id: int, known: KnownAccount, *, version: int
) -> Account:
    """Point an entry at another Riot account, as its Riot ID was mistyped, or at the same one where
    Riot has to be asked anew after a change of the key.

    The entry stays, with the games that count for it, and is polled as a new one.

    Raises:
        NoSuchEntryError: there is no such entry.
        StaleEntryError: somebody else has changed it since this version.
        AlreadyThereError: a player has the account already.
    """
    account = as_seen(session, Account, account_id, version)
    check_not_taken(session, known.riot_id, known.puuid, but=account_id)
    # First, as it flushes: all is one change in the audit trail.
    set_puuid(session, account, known.puuid, known.puuid_key)
    account.game_name = known.riot_id.game_name
    account.tag_line = known.riot_id.tag_line
    account.platform = known.platform
    flush_unless(session, f"the account '{known.riot_id}' already belongs to a player")
    # As for a new account: it is polled at once, and its first poll reads further back.
    session.execute(delete(AccountPoll).where(AccountPoll.account_id == account_id))
    return account


def move_account(session: Session, account_id: int, player_id: int, *, version: int) -> Account:
    """Give an account to another player: it was entered for the wrong one.

    Raises:
        NoSuchEntryError: there is no such account or player.
        StaleEntryError: somebody else has changed it since this version.
        RosterError: games count for it already.
    """
    account = as_seen(session, Account, account_id, version)
    player = session.get(Player, player_id)
    if player is None:
        raise NoSuchEntryError("this player no longer exists")
    games = select(func.count()).where(PlayerStat.account_id == account_id)
    if player is not account.player and (count := session.scalar(games)):
        raise RosterError(
            f"{count} games of '{account.riot_id}' count for {account.player.name}: remove the "
            f"account there, then add it to {player.name}"
        )
    account.player = player
    session.flush()
    return account


def remove_account(session: Session, account: Account) -> int:
    """Take an account out of the roster; its games no longer count as the player's.

    Messages about them stay.

    Returns:
        How many games no longer count.
    """
    stats = delete(PlayerStat).where(PlayerStat.account_id == account.id)
    count = len(session.execute(stats.returning(PlayerStat.match_id)).all())
    session.delete(account)
    session.flush()
    return count
