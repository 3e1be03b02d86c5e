"""Which Riot account a row stands for: its puuid, asked for by Riot ID, and its present Riot ID.

A rename changes the Riot ID and never the row. Puuids are encrypted for the Riot application of a
key: those of another one are refused, and have to be asked for again by Riot ID.
"""

from __future__ import annotations

import logging

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from lol_dagster.riot.client import RiotAccount, RiotClient
from lol_dagster.riot.errors import NotFound
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account

log = logging.getLogger(__name__)

_WHO = "riot"
"""Who changes a row here, for the audit trail."""


class UnresolvedAccount(Exception):  # noqa: N818 - named as the other errors of this package
    """Riot gives no puuid for an account's Riot ID, or one that another account has."""


def resolve_puuid(database: Database, client: RiotClient, account: Account) -> str:
    """Ask Riot for the account's puuid by its Riot ID, and keep it.

    Raises:
        UnresolvedAccount: there is no such account, or it is another row's already.
        RiotError: Riot did not answer.
    """
    try:
        found = client.account_by_riot_id(account.game_name, account.tag_line, account.platform)
    except NotFound:
        raise UnresolvedAccount(
            f"Riot knows no account {account.riot_id}: correct its Riot ID"
        ) from None
    try:
        with database.writing(who=_WHO) as session:
            row = session.get(Account, account.id, with_for_update=True)
            if row is None or row.version != account.version:
                raise UnresolvedAccount(f"{account.riot_id} was edited at this moment")
            row.puuid = found.puuid
            row.puuid_key = client.key_fingerprint
            _rename(row, found)
    except IntegrityError:
        raise UnresolvedAccount(
            f"{account.riot_id} is the Riot account of {_owner(database, found.puuid)} already: "
            "correct its Riot ID, or remove it"
        ) from None
    return found.puuid


def refresh_riot_id(database: Database, client: RiotClient, account: Account, puuid: str) -> None:
    """Take over the Riot ID that the account bears now.

    Raises:
        RiotError: Riot did not answer.
    """
    found = client.account_by_puuid(puuid, account.platform)
    if not _is_renamed(account, found):
        return
    with database.writing(who=_WHO) as session:
        row = session.get(Account, account.id, with_for_update=True)
        if row is not None and row.puuid == puuid:  # neither removed nor corrected meanwhile
            _rename(row, found)


def _owner(database: Database, puuid: str) -> str:
    with database.reading() as session:
        row = session.scalars(select(Account).where(Account.puuid == puuid)).first()
        return f"the player {row.player.name!r}" if row else "another player"


def _is_renamed(row: Account, found: RiotAccount) -> bool:
    # Either may be missing in Riot's answer.
    return (found.game_name or row.game_name, found.tag_line or row.tag_line) != (
        row.game_name,
        row.tag_line,
    )


def _rename(row: Account, found: RiotAccount) -> None:
    if _is_renamed(row, found):
        before = row.riot_id
        row.game_name = found.game_name or row.game_name
        row.tag_line = found.tag_line or row.tag_line
        log.info("%s is now %s", before, row.riot_id, extra={"account_id": row.id})
