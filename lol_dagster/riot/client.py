"""The calls to Riot's API that the project makes, and nothing else.

Each raises what errors.py declares. How calls are made is caller.py's matter; what an answer means
for a game or an account is decided elsewhere.
Small answers are values here, match payloads payload.py's: unknown fields are ignored, and what Riot is
known to leave out may be missing. Paths and parameters: Riot's OpenAPI description as kept by MingweiSamuel/riotapi-schema.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from lol_dagster.http import DeadlineSession
from lol_dagster.http_terms import user_agent
from lol_dagster.riot.caller import LONGEST_WAIT_S, Caller
from lol_dagster.riot.errors import BrokenBody, Call, ForbiddenHere, KeyRejected
from lol_dagster.riot.key import key_fingerprint
from lol_dagster.riot.limiter import MATCH_LISTS, Priority, RateLimiter
from lol_dagster.riot.names import without_format_characters
from lol_dagster.riot.routing import (
    account_route,
    is_match_id,
    platform_of,
    regional_route,
    validate_platform,
)
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database, assert_no_open_write

log = logging.getLogger(__name__)

MAX_IDS = 100
"""Match ids in one answer, at most."""
MOST_PAGES = 30
"""Riot keeps some 1,000 matches of an account: a list that goes on is no list."""


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def _encrypted(puuid: str) -> str:
    # Seen at times in place of the encrypted one (developer-relations 637): no endpoint takes it.
    if _UUID.fullmatch(puuid):
        raise ValueError("is an unencrypted puuid")
    return puuid


def _plain(name: str | None) -> str | None:
    return name and without_format_characters(name)


_Name = Annotated[str | None, AfterValidator(_plain)]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class RiotAccount(_Answer):
    """Of account-v1."""

    puuid: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_encrypted)]
    """Encrypted for the application of the key that asked."""
    game_name: _Name = Field(default=None, alias="gameName", max_length=64)
    tag_line: _Name = Field(default=None, alias="tagLine", max_length=16)


class ActiveRegion(_Answer):
    """Of account-v1: where an account plays."""

    region: str


class Summoner(_Answer):
    """Of summoner-v4: what an account shows on its platform."""

    summoner_level: int | None = Field(default=None, alias="summonerLevel")


class LeagueEntry(_Answer):
    """Of league-v4: an account's rank and games in one ranked queue."""

    queue_type: str = Field(alias="queueType")
    """RANKED_SOLO_5x5, RANKED_FLEX_SR, CHERRY."""
    tier: str | None = Field(default=None, max_length=20)
    """GOLD; CHERRY has none."""
    rank: str | None = Field(default=None, max_length=4)
    """The division, I to IV; I where there are none."""
    league_points: int | None = Field(default=None, alias="leaguePoints")
    wins: int | None = None
    losses: int | None = None


_T = TypeVar("_T")


class RiotClient:
    """Riot's API with one key."""

    def __init__(self, caller: Caller, *, key_fingerprint: str) -> None:
        self._caller = caller
        self.key_fingerprint = key_fingerprint
        """Of the key that puuids are encrypted for; see `key_fingerprint()`."""

    def account_by_riot_id(self, game_name: str, tag_line: str, platform: str) -> RiotAccount:
        """account-v1: the account that bears a Riot ID now.

        Args:
            platform: Picks a near host; each knows every account.

        Raises:
            NotFound: nobody bears it.
            KeyRejected: Riot refuses the key.
            RiotError: anything else.
            UnknownPlatform: Riot has no such platform.
        """
        path = f"/riot/account/v1/accounts/by-riot-id/{_part(game_name)}/{_part(tag_line)}"
        call = Call("account-v1.by-riot-id", account_route(platform))
        return self._read(call, RiotAccount, self._get_proving_the_key(call, path))

    def account_by_puuid(self, puuid: str, platform: str) -> RiotAccount:
        """account-v1: the Riot ID that an account bears now.

        Every key may call account-v1, so a refusal here, and again, is of the key itself.

        Raises:
            KeyRejected: Riot refuses the key.
            BadRequest: `foreign_puuid` if it was encrypted for another application.
            RiotError: anything else.
        """
        call = Call("account-v1.by-puuid", account_route(platform))
        body = self._get_proving_the_key(call, f"/riot/account/v1/accounts/by-puuid/{_part(puuid)}")
        return self._read(call, RiotAccount, body)

    def active_platform(self, puuid: str, platform: str) -> str:
        """account-v1: the platform where an account plays League of Legends, in lower case.

        Riot answers the same wrong constant for some accounts (developer-relations 1087): good
        for a hint, not for a verdict.

        Raises:
            RiotError: it failed; NotFound for an account that never played.
        """
        call = Call("account-v1.region", account_route(platform))
        path = f"/riot/account/v1/region/by-game/lol/by-puuid/{_part(puuid)}"
        return self._read(call, ActiveRegion, self._caller.get(call, path)).region.lower()

    def match_ids(
        self,
        puuid: str,
        platform: str,
        *,
        start: int = 0,
        count: int = 20,
        start_time: datetime | None = None,
        priority: Priority = "live",
    ) -> list[str]:
        """match-v5: ids of an account's matches, newest first as a rule.

        The list is late, unordered or full of holes at times. Ids that are none are left out.

        Args:
            platform: The account's.
            count: At most 100.
            start_time: Only matches that began since then; hides those before 2021-06-16.

        Raises:
            ForbiddenHere: refused; whether it is the key that is refused, another call must show.
            BadRequest: `foreign_puuid` if it was encrypted for another application.
            RiotError: anything else.
        """
        params: dict[str, str | int] = {"start": start, "count": count}
        if start_time is not None:
            params["startTime"] = _epoch_seconds(start_time)
        call = Call(MATCH_LISTS, regional_route(platform))
        path = f"/lol/match/v5/matches/by-puuid/{_part(puuid)}/ids"
        listed = self._read(
            call, list[object], self._caller.get(call, path, params, priority=priority)
        )
        ids = [each for each in listed if isinstance(each, str) and is_match_id(each)]
        if len(ids) < len(listed):
            log.warning(
                "Riot listed %d ids that are no match ids", len(listed) - len(ids),
                extra={"route": call.route},
            )  # fmt: skip
        return ids

    def lists_a_minute(self, platform: str) -> float | None:
        """How many calls of `match_ids` Riot allows at most in the long run; None: not known yet.

        Raises:
            UnknownPlatform: Riot has no such platform.
        """
        return self._caller.calls_a_minute(Call(MATCH_LISTS, regional_route(platform)))

    def match(self, match_id: str) -> bytes:
        """match-v5: a match's payload, byte for byte; a JSON object, whatever is in it.

        Raises:
            NotFound: not there, or not yet.
            ForbiddenHere: refused; this match alone, or the key.
            BrokenBody: not a JSON object, or an error that says 200.
            RiotError: anything else.
            UnknownPlatform: no route knows matches with this prefix.
        """
        call = Call("match-v5.match", regional_route(platform_of(match_id)))
        path = f"/lol/match/v5/matches/{_part(match_id)}"
        return self._caller.get(call, path, check=_check_match)

    def timeline(self, match_id: str) -> bytes:
        """match-v5: what happened in a match, byte for byte; a JSON object, whatever is in it. Half a megabyte,
        as a rule. Never waits for the limits, and leaves the larger part of them to other calls.

        Raises:
            NotFound: not there, or not yet; Riot keeps timelines for a year.
            ForbiddenHere: refused; this one alone, or the key.
            RiotError: anything else; RateLimited where the limits do not allow it just now.
            UnknownPlatform: no route knows matches with this prefix.
        """
        call = Call("match-v5.timeline", regional_route(platform_of(match_id)))
        path = f"/lol/match/v5/matches/{_part(match_id)}/timeline"
        return self._caller.get(call, path, priority="spare", check=_check_match, may_wait=False)

    def summoner(self, puuid: str, platform: str) -> Summoner:
        """summoner-v4: an account on its platform.

        Raises:
            NotFound: it never played there.
            RiotError: anything else.
        """
        call = Call("summoner-v4.by-puuid", validate_platform(platform))
        path = f"/lol/summoner/v4/summoners/by-puuid/{_part(puuid)}"
        return self._read(call, Summoner, self._caller.get(call, path))

    def league_entries(self, puuid: str, platform: str) -> list[LeagueEntry]:
        """league-v4: an account's ranks; empty for an unranked one. Never waits for the limits.

        Raises:
            RiotError: it failed; RateLimited where the limits do not allow it just now.
        """
        call = Call("league-v4.by-puuid", validate_platform(platform))
        path = f"/lol/league/v4/entries/by-puuid/{_part(puuid)}"
        body = self._caller.get(call, path, priority="backfill", may_wait=False)
        return self._read(call, list[LeagueEntry], body)

    def _get_proving_the_key(self, call: Call, path: str) -> bytes:
        """GET from an endpoint that is open to every key.

        Raises:
            KeyRejected: refused twice: Riot answers 401 at random, too.
            RiotError: anything else.
        """
        try:
            return self._caller.get(call, path)
        except ForbiddenHere:
            log.info("Refused once; asking again", extra={"route": call.route})
        try:
            return self._caller.get(call, path)
        except ForbiddenHere as refusal:
            raise KeyRejected(
                "Riot refuses the API key: get a new one at https://developer.riotgames.com "
                "and put it into LOL_RIOT_API_KEY",
                call,
                refusal.status,
            ) from None

    def _read(self, call: Call, shape: type[_T], body: bytes) -> _T:
        try:
            return TypeAdapter(shape).validate_json(body)
        except ValidationError as error:
            raise BrokenBody(
                f"not what the endpoint gives: {error.error_count()} errors, "
                f"the first in {error.errors(include_input=False)[0]['loc'] or 'the whole'}",
                call,
                200,
            ) from None


def riot_client(
    settings: Settings, database: Database, *, longest_wait_s: float = LONGEST_WAIT_S
) -> RiotClient:
    """The client as the settings describe it.

    Raises:
        SettingsError: there is no key.
    """
    api_key = settings.require_riot_api_key()
    fingerprint = key_fingerprint(api_key)
    caller = Caller(
        api_key,
        settings.riot_url,
        RateLimiter(database, fingerprint),
        DeadlineSession(user_agent(), guard=assert_no_open_write),
        longest_wait_s=longest_wait_s,
    )
    return RiotClient(caller, key_fingerprint=fingerprint)


def _part(text: str) -> str:
    """One part of a path: spaces, Unicode and `/` are encoded."""
    return quote(text, safe="")


def _epoch_seconds(at: datetime) -> int:
    """The one place where an instant becomes what match-v5 filters by: seconds, not milliseconds."""
    if at.tzinfo is None:
        raise ValueError(f"an instant needs a time zone: {at!r}")
    return int(at.timestamp())


def _check_match(call: Call, body: bytes) -> None:
    try:
        payload: Any = json.loads(body)
    except (ValueError, RecursionError):
        raise BrokenBody(f"{len(body)} bytes that are not JSON", call, 200) from None
    if not isinstance(payload, dict):
        raise BrokenBody("JSON, but no object", call, 200)
    if "status" in payload and not payload.keys() & {"metadata", "info"}:
        raise BrokenBody("an error in place of a match", call, 200)
