"""Riot's small answers as values: accounts, profiles and ranks. Match payloads are payload.py's.

Unknown fields are ignored, and what Riot is known to leave out may be missing.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def _encrypted(puuid: str) -> str:
    # Seen at times in place of the encrypted one (developer-relations 637): no endpoint takes it.
    if _UUID.fullmatch(puuid):
        raise ValueError("is an unencrypted puuid")
    return puuid


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class RiotAccount(_Answer):
    """Of account-v1."""

    puuid: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_encrypted)]
    """Encrypted for the application of the key that asked."""
    game_name: str | None = Field(default=None, alias="gameName", max_length=64)
    tag_line: str | None = Field(default=None, alias="tagLine", max_length=16)


class ActiveRegion(_Answer):
    """Of account-v1: where an account plays."""

    region: str


class Summoner(_Answer):
    """Of summoner-v4: what an account shows on its platform."""

    summoner_level: int | None = Field(default=None, alias="summonerLevel")
    revision_date: int | None = Field(
        default=None, alias="revisionDate", ge=0, le=253_402_300_799_000
    )
    """Epoch milliseconds of its last change: by a game, an icon, a level."""


class LeagueEntry(_Answer):
    """Of league-v4: an account's rank in one queue. Arena's entries have neither tier nor rank."""

    queue_type: str = Field(alias="queueType")
    """RANKED_SOLO_5x5, RANKED_FLEX_SR, CHERRY."""
    tier: str | None = None
    rank: str | None = None
    league_points: int | None = Field(default=None, alias="leaguePoints")
    wins: int | None = None
    losses: int | None = None
