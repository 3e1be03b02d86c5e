"""Asking Riot about an account before it is added: whether there is one, and whose it seems to be.

All of this calls Riot: no transaction may be open. What Riot answers is shown to the person who
asked, who decides; nothing is written here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lol_dagster.riot.client import RiotClient
from lol_dagster.riot.errors import KeyRejected, NotFound, RateLimited, RiotError
from lol_dagster.riot.modes import played_mode
from lol_dagster.riot.payload import BrokenPayload, parse_match
from lol_dagster.riot.routing import UnknownPlatform, validate_platform
from lol_dagster.roster.errors import NoSuchEntryError, RosterError
from lol_dagster.roster.names import RiotId

log = logging.getLogger(__name__)

_LONGEST_PUUID = 100
_ANY_PLATFORM = "na1"
"""Each of Riot's hosts for accounts knows all of them."""


class RiotUnavailableError(RosterError):
    """Riot could not be asked now. The account may be kept, to be resolved later."""


class WrongPlatformError(RosterError):
    """The account plays on another platform than was given."""

    def __init__(self, message: str, *, plays_on: str) -> None:
        super().__init__(message)
        self.plays_on = plays_on


class UnknownWhereError(RosterError):
    """Riot does not say where an account plays: a person has to say it."""


@dataclass(frozen=True)
class KnownAccount:
    """A Riot account that can be added."""

    riot_id: RiotId
    platform: str
    puuid: str | None
    """None: Riot is yet to be asked for it."""
    puuid_key: str | None
    """Fingerprint of the API key that Riot was asked with; None if it was not."""


@dataclass(frozen=True)
class LastGame:
    """The newest match in an account's list."""

    match_id: str
    at: datetime
    """When it ended, or at least when it was played."""
    mode: str
    """What people call what was played: `Ranked Solo`."""


@dataclass(frozen=True)
class FoundAccount:
    """An account as Riot shows it, for a person to recognise."""

    known: KnownAccount
    level: int | None
    """None: Riot did not say."""
    last_game: LastGame | None
    """None: it has not played, or Riot did not say."""


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


def account_to_be_resolved(riot_id: RiotId, platform: str) -> KnownAccount:
    """An account that Riot is asked for later: the next poll of match lists does so automatically.

    Raises:
        UnknownPlatform: Riot has no such platform.
    """
    return KnownAccount(riot_id, validate_platform(platform), None, None)


def ask_riot(client: RiotClient, riot_id: RiotId, platform: str | None) -> KnownAccount:
    """The account that has a Riot ID now, spelled as Riot spells it.

    Args:
        platform: None: the one where it plays according to Riot, whose word is not quite reliable
            (developer-relations 1087): a person has to see it.

    Raises:
        UnknownPlatform: Riot has no such platform.
        UnknownWhereError: no platform was given, and Riot names none.
        NoSuchEntryError: Riot knows no such account.
        KeyRejected: Riot refuses the key.
        WrongPlatformError: the account plays on another platform.
        RiotUnavailableError: Riot does not answer, or its limits are used up.
    """
    if platform is None:
        return _ask_riot_where(client, riot_id)
    platform = validate_platform(platform)
    known = _ask_for(client, riot_id, platform)
    assert known.puuid is not None, "Riot's accounts have one"
    _check_platform(client, riot_id, known.puuid, platform)
    return known


def _ask_riot_where(client: RiotClient, riot_id: RiotId) -> KnownAccount:
    """As `ask_riot`, on the platform that Riot names."""
    known = _ask_for(client, riot_id, _ANY_PLATFORM)
    assert known.puuid is not None, "Riot's accounts have one"
    try:
        platform = validate_platform(client.active_platform(known.puuid, _ANY_PLATFORM))
    except (RiotError, UnknownPlatform) as error:
        log.info("No platform: %s", error)
        raise UnknownWhereError(
            f"Riot does not say where '{known.riot_id}' plays: choose it"
        ) from None
    return replace(known, platform=platform)


def _ask_for(client: RiotClient, riot_id: RiotId, platform: str) -> KnownAccount:
    """The account that has a Riot ID now; whether it plays there is not asked.

    Raises:
        RosterError, KeyRejected: as `ask_riot`.
    """
    try:
        found = client.account_by_riot_id(riot_id.game_name, riot_id.tag_line, platform)
    except NotFound:
        raise NoSuchEntryError(
            f"Riot knows no account '{riot_id}': check the spelling and the tag"
        ) from None
    except KeyRejected:
        raise
    except RateLimited as error:
        raise RiotUnavailableError(
            f"Riot's limits are used up until {error.retry_at:%H:%M:%S} UTC"
        ) from None
    except RiotError as error:
        raise RiotUnavailableError(f"Riot could not be asked for '{riot_id}' ({error})") from None
    # Either part of the name may be missing in Riot's answer.
    spelled = RiotId(found.game_name or riot_id.game_name, found.tag_line or riot_id.tag_line)
    return KnownAccount(spelled, platform, found.puuid, client.key_fingerprint)


def look_up(client: RiotClient, riot_id: RiotId, platform: str | None) -> FoundAccount:
    """As `ask_riot`, with what helps a person to recognise the account, as far as Riot tells it.

    Raises:
        RosterError, UnknownPlatform, KeyRejected: as `ask_riot`.
    """
    known = ask_riot(client, riot_id, platform)
    assert known.puuid is not None, "Riot's accounts have one"
    asked = (client, known.puuid, known.platform)
    return FoundAccount(known, _level(*asked), _last_game(*asked))


def _check_platform(client: RiotClient, riot_id: RiotId, puuid: str, platform: str) -> None:
    """Riot's accounts are worldwide: only another call tells a platform that was mistyped."""
    try:
        plays_on = client.active_platform(puuid, platform)
    except RiotError:
        return  # it would only have been a hint
    if plays_on != platform:
        raise WrongPlatformError(
            f"'{riot_id}' plays on {plays_on}, not {platform}", plays_on=plays_on
        )


def _level(client: RiotClient, puuid: str, platform: str) -> int | None:
    try:
        return client.summoner(puuid, platform).summoner_level
    except RiotError as error:
        log.info("No level: %s", error)
        return None


def _last_game(client: RiotClient, puuid: str, platform: str) -> LastGame | None:
    try:
        ids = client.match_ids(puuid, platform, count=1)
        if not ids:
            return None
        info = parse_match(ids[0], client.match(ids[0]))
    except (RiotError, BrokenPayload, UnknownPlatform) as error:
        log.info("No last game: %s", error)
        return None
    stamp = info.game_end_timestamp or info.game_start_timestamp or info.game_creation
    return LastGame(
        ids[0],
        datetime.fromtimestamp(stamp / 1000, UTC),
        played_mode(
            info.queue_id,
            game_mode=info.game_mode,
            game_type=info.game_type,
            tournament_code=info.tournament_code,
        ).name,
    )
