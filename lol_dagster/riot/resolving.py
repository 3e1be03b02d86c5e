"""Which Riot account a row stands for: its puuid, asked for by Riot ID, its present Riot ID, and
where it plays.

A rename changes the Riot ID and never the row. Puuids are encrypted for the Riot application of a
key: those of another one are refused, and have to be asked for again by Riot ID. That may be borne
by somebody else by now; match ids do not depend on the key, so the account's own games show whether it is.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import delete, false, select, union
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lol_dagster.riot.client import MAX_IDS, MOST_PAGES, RiotAccount, RiotClient
from lol_dagster.riot.errors import NotFound
from lol_dagster.riot.polling import note_moved
from lol_dagster.riot.routing import validate_platform
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, FormerPuuid, Match, PlayerStat, RankSnapshot

log = logging.getLogger(__name__)

_WHO = "riot"
"""Who changes a row here, for the audit trail."""


class UnresolvedAccount(Exception):  # noqa: N818 - named as the other errors of this package
    """Riot gives no puuid for an account's Riot ID, or one that is another account's, or may be."""


def resolve_puuid(database: Database, client: RiotClient, account: Account) -> str:
    """Ask Riot for the account's puuid by its Riot ID, and keep it.

    If Riot took another puuid of the account before, under another key, the one found by name is
    kept only if its match list shows a game that we know of the account.

    Raises:
        UnresolvedAccount: there is no such account, it is another row's already, or a stranger may
            bear the Riot ID by now.
        RiotError: Riot did not answer.
    """
    try:
        found = client.account_by_riot_id(account.game_name, account.tag_line, account.platform)
    except NotFound:
        raise UnresolvedAccount(
            f"Riot knows no account {account.riot_id}: correct its Riot ID"
        ) from None
    if account.puuid_key is not None and not _is_the_same(database, client, account, found.puuid):
        raise UnresolvedAccount(
            f"the API key was changed, and nothing shows that {account.riot_id} is still the account "
            "that it was: none of the games we know of it is in its match list. If it is, say so: "
            f"lol-dagster account correct {account.riot_id!r}. If it was renamed, add --riot-id 'NAME#TAG'"
        )
    try:
        with database.writing(who=_WHO) as session:
            row = session.get(Account, account.id, with_for_update=True)
            if row is None or row.version != account.version:
                raise UnresolvedAccount(f"{account.riot_id} was edited at this moment")
            set_puuid(session, row, found.puuid, client.key_fingerprint)
            _rename(row, found)
    except IntegrityError:
        raise UnresolvedAccount(
            f"{account.riot_id} is the Riot account of {_owner(database, found.puuid)} already: "
            "correct its Riot ID, or remove it"
        ) from None
    return found.puuid


def set_puuid(session: Session, account: Account, puuid: str | None, key: str | None) -> None:
    """Give an account the puuid that it has under a key; former ones are remembered.

    A key gives each Riot account one puuid. If it gives this row another one than before, the row
    stood for another Riot account until now, whose puuids and ranks are forgotten.

    Args:
        puuid: None: it is to be resolved.
        key: Fingerprint of the API key that Riot was asked with; None if it was not.
    """
    ours = select(FormerPuuid).where(FormerPuuid.account_id == account.id)
    keys = {former.puuid: former.puuid_key for former in session.scalars(ours)}
    if account.puuid is not None:
        keys[account.puuid] = account.puuid_key
    is_another = puuid is not None and any(
        its_key == key is not None for each, its_key in keys.items() if each != puuid
    )
    session.execute(
        delete(FormerPuuid).where(
            (FormerPuuid.puuid == puuid)
            | (FormerPuuid.puuid == account.puuid)
            | (FormerPuuid.account_id == account.id if is_another else false())
        )
    )
    if is_another:
        session.execute(delete(RankSnapshot).where(RankSnapshot.account_id == account.id))
    if not is_another and account.puuid is not None and account.puuid != puuid:
        session.add(
            FormerPuuid(puuid=account.puuid, account_id=account.id, puuid_key=account.puuid_key)
        )
    account.puuid, account.puuid_key = puuid, key


def note_puuid_taken(database: Database, account: Account, key_fingerprint: str) -> None:
    """Note under which key Riot has just taken the account's puuid."""
    with database.writing(who=_WHO) as session:
        row = session.get(Account, account.id, with_for_update=True)
        if (
            row is not None and row.puuid == account.puuid
        ):  # neither removed nor corrected meanwhile
            set_puuid(session, row, row.puuid, key_fingerprint)


def _is_the_same(database: Database, client: RiotClient, account: Account, puuid: str) -> bool:
    """Whether a puuid found by name is that of the account, under another key."""
    with database.reading() as session:
        former = session.get(FormerPuuid, puuid)
        known = set(
            session.scalars(
                union(
                    select(PlayerStat.match_id).where(PlayerStat.account_id == account.id),
                    select(Match.match_id).where(Match.listed_by == account.id),
                )
            )
        )
    if former is not None and former.account_id == account.id:
        return True
    for number in range(MOST_PAGES if known else 0):
        page = client.match_ids(
            puuid,
            account.platform,
            start=number * MAX_IDS,
            count=MAX_IDS,
            priority="backfill" if number else "live",
        )
        if not known.isdisjoint(page):
            return True
        if len(page) < MAX_IDS:
            break
    return False


def refresh_platform(
    database: Database, client: RiotClient, account: Account, puuid: str, *, now: datetime
) -> None:
    """Take over the platform where the account plays now; the former one is remembered for a while.

    Raises:
        RiotError: Riot did not answer.
        UnknownPlatform: it named a platform that we do not know.
    """
    plays_on = validate_platform(client.active_platform(puuid, account.platform))
    if plays_on == account.platform:
        return
    try:
        # Where Riot names the same wrong platform forever (developer-relations 1087), the account
        # has no profile there.
        client.summoner(puuid, plays_on)
    except NotFound:
        return
    with database.writing(who=_WHO) as session:
        row = session.get(Account, account.id, with_for_update=True)
        if row is None or (row.puuid, row.platform) != (puuid, account.platform):
            return  # removed or corrected meanwhile
        row.platform = plays_on
        note_moved(session, account.id, account.platform, now)
    log.info(
        "%s plays on %s now, no longer on %s", account.riot_id, plays_on, account.platform,
        extra={"account_id": account.id},
    )  # fmt: skip


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
