"""Riot accounts of players: asking Riot for them, adding and removing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import KeyRejected, NotFound, RateLimited, RiotError
from lol_dagster.riot.routing import validate_platform
from lol_dagster.roster.errors import AlreadyThereError, NoSuchEntryError, RosterError
from lol_dagster.roster.names import RiotId, parse_riot_id
from lol_dagster.storage.models import Account, Player, PlayerStat

_LONGEST_PUUID = 100


@dataclass(frozen=True)
class KnownAccount:
    """A Riot account that can be added: its puuid is known."""

    riot_id: RiotId
    platform: str
    puuid: str
    puuid_key: str | None
    """Fingerprint of the API key that Riot was asked with; None if the puuid was given by hand."""


def account_by_hand(riot_id: RiotId, platform: str, puuid: str) -> KnownAccount:
    """An account whose puuid the operator knows; Riot is not asked.

    Raises:
        UnknownPlatform: Riot has no such platform.
        RosterError: this is no puuid.
    """
    puuid = puuid.strip()
    if not puuid or len(puuid) > _LONGEST_PUUID or not puuid.isascii() or not puuid.isprintable():
        raise RosterError(
            "this is no puuid: it should be the 78 letters, digits, - and _ of Riot's"
        )
    return KnownAccount(riot_id, validate_platform(platform), puuid, None)


def ask_riot(client: RiotClient, riot_id: RiotId, platform: str) -> KnownAccount:
    """The account that bears a Riot ID now, spelled as Riot spells it.

    No transaction may be open: this calls Riot.

    Raises:
        UnknownPlatform: Riot has no such platform.
        NoSuchEntryError: Riot knows no such account.
        KeyRejected: Riot refuses the key.
        RosterError: the account plays on another platform, or Riot does not answer.
    """
    platform = validate_platform(platform)
    try:
        found = client.account_by_riot_id(riot_id.game_name, riot_id.tag_line, platform)
    except NotFound:
        raise NoSuchEntryError(
            f"Riot knows no account '{riot_id}': check the spelling and the tag"
        ) from None
    except KeyRejected:
        raise
    except RateLimited as error:
        raise RosterError(
            f"Riot's limits are used up until {error.retry_at:%H:%M:%S} UTC: try again then"
        ) from None
    except RiotError as error:
        raise RosterError(
            f"Riot could not be asked for '{riot_id}' ({error}): try again later, "
            "or give the account's --puuid"
        ) from None
    _check_platform(client, riot_id, found.puuid, platform)
    # Either part of the name may be missing in Riot's answer.
    spelled = RiotId(found.game_name or riot_id.game_name, found.tag_line or riot_id.tag_line)
    return KnownAccount(spelled, platform, found.puuid, client.key_fingerprint)


def _check_platform(client: RiotClient, riot_id: RiotId, puuid: str, platform: str) -> None:
    """Riot's accounts are worldwide: only another call tells a platform that was mistyped."""
    try:
        plays_on = client.active_platform(puuid, platform)
    except RiotError:
        return  # a hint is all it could have been
    if plays_on != platform:
        raise RosterError(
            f"'{riot_id}' plays on {plays_on}, not {platform}: give --platform {plays_on} "
            "(or, if you know better, its --puuid)"
        )


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


def check_not_taken(session: Session, riot_id: RiotId, puuid: str | None = None) -> None:
    """
    Raises:
        AlreadyThereError: a player has the account.
    """
    for account in accounts(session):
        # The puuid is what counts where both are known: Riot IDs change hands.
        if (
            account.puuid == puuid
            if account.puuid and puuid
            else riot_id.is_same(account.game_name, account.tag_line)
        ):
            raise AlreadyThereError(
                f"the account '{account.riot_id}' already belongs to the player "
                f"{account.player.name!r}"
            )


def add_account(session: Session, player: Player, known: KnownAccount, *, now: datetime) -> Account:
    """Give a player an account.

    Raises:
        AlreadyThereError: he, or somebody else, has it.
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
    try:
        session.flush()
    except IntegrityError:  # somebody else has added it in this moment
        raise AlreadyThereError(
            f"the account '{known.riot_id}' already belongs to a player"
        ) from None
    return account


def remove_account(session: Session, account: Account) -> int:
    """Take an account out of the roster; its games no longer count as the player's.

    What has been told stays told.

    Returns:
        How many games no longer count.
    """
    forgotten = session.execute(
        delete(PlayerStat).where(PlayerStat.account_id == account.id).returning(PlayerStat.match_id)
    )
    count = len(forgotten.all())
    session.delete(account)
    session.flush()
    return count
