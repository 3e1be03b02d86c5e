"""The games and accounts that this world's Riot knows.

Filled from files (payload_files.py) or by the generator; served by riot.py.
"""

from __future__ import annotations

import bisect
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

REGIONS: dict[str, tuple[str, ...]] = {
    "americas": ("na1", "br1", "la1", "la2", "pbe1"),
    "europe": ("euw1", "eun1", "tr1", "ru", "me1"),
    "asia": ("kr", "jp1"),
    "sea": ("oc1", "sg2", "tw2", "vn2", "ph2", "th2"),
}
"""Riot's regional route → platforms (ph2 and th2 were folded into sg2 in 2025; old ids keep them)."""

REGION_OF = {platform: region for region, platforms in REGIONS.items() for platform in platforms}

_RANKED = {420, 440, 700, 1710}
_TUTORIAL = {2000, 2010, 2020}


@dataclass(frozen=True)
class Account:
    """A Riot account. The name may be missing, as Riot's may."""

    puuid: str
    game_name: str
    tag_line: str
    platform: str
    level: int = 30
    icon: int = 1

    @property
    def folded(self) -> tuple[str, str]:
        """The Riot ID as Riot compares it: without case and without blanks."""
        return fold(self.game_name), fold(self.tag_line)


def fold(name: str) -> str:
    """A part of a Riot ID as Riot compares it."""
    return "".join(name.casefold().split())


@dataclass(frozen=True)
class Game:
    """One match: its payload as it goes over the wire, and what Riot's lists need of it.

    Times are epoch seconds. `available_at` is when the match stops answering 404, None for never.
    """

    match_id: str
    puuids: tuple[str, ...]
    queue_id: int
    match_type: str
    """Riot's `type` filter: ranked, normal, tourney or tutorial."""
    started_at: float
    ended_at: float
    available_at: float | None
    packed: bytes
    """The payload compressed: a world that runs for days holds thousands of them."""
    winners: frozenset[str]
    """Puuids of those whose payload says `win`."""
    is_decided: bool
    """Somebody has won or lost: no remake, and not aborted."""

    @property
    def body(self) -> bytes:
        """The payload as it goes over the wire."""
        return zlib.decompress(self.packed)

    @property
    def platform(self) -> str:
        return platform_of(self.match_id)


def platform_of(match_id: str) -> str:
    """`na1` of `NA1_5012345678`."""
    return match_id.partition("_")[0].lower()


def real_end(info: Mapping[str, Any]) -> float:
    """When a game ended, in epoch seconds: start plus duration.

    The duration is in ms where `gameEndTimestamp` is absent (before patch 11.20); an empty `info` has
    nothing but `gameEndTimestamp`.
    """
    started = info.get("gameStartTimestamp") or info.get("gameCreation") or 0
    duration = info.get("gameDuration") or 0
    if not started:
        return float(info.get("gameEndTimestamp") or duration) / 1000
    in_ms = "gameEndTimestamp" not in info
    return float(started + (duration if in_ms else duration * 1000)) / 1000


def game_of(
    payload: Mapping[str, Any], body: bytes | None = None, available_at: float | None = 0.0
) -> Game:
    """A match-v5 payload as a game; `body` is what goes over the wire, if not the payload's own JSON.

    Raises:
        ValueError: it is no match-v5 object.
    """
    try:
        metadata, info = payload["metadata"], payload["info"]
        match_id, puuids = str(metadata["matchId"]), tuple(map(str, metadata["participants"]))
        participants = info["participants"]
    except (KeyError, TypeError):
        raise ValueError("not a match-v5 object: metadata or info is missing") from None
    if body is None:
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    ended_at = real_end(info)
    return Game(
        match_id=match_id,
        puuids=puuids,
        queue_id=int(info.get("queueId") or 0),
        match_type=_match_type(info),
        started_at=(info.get("gameStartTimestamp") or ended_at * 1000) / 1000,
        ended_at=ended_at,
        available_at=available_at,
        packed=zlib.compress(body, 1),
        winners=frozenset(one["puuid"] for one in participants if one.get("win")),
        is_decided=bool(participants)
        and not any(one.get("gameEndedInEarlySurrender") for one in participants),
    )


def _match_type(info: Mapping[str, Any]) -> str:
    queue_id = info.get("queueId")
    if info.get("tournamentCode"):
        return "tourney"
    if queue_id in _RANKED:
        return "ranked"
    return "tutorial" if queue_id in _TUTORIAL else "normal"


def accounts_in(payload: Mapping[str, Any]) -> Iterable[Account]:
    """The people of a payload, under the names that it has for them; bots are none."""
    platform = platform_of(str(payload["metadata"]["matchId"]))
    named = {one.get("puuid"): one for one in payload["info"]["participants"]}
    for puuid in payload["metadata"]["participants"]:
        one = named.get(puuid, {})
        game_name = one.get("riotIdGameName") or one.get("riotIdName") or one.get("summonerName")
        tag_line = one.get("riotIdTagline") or platform.upper()
        yield Account(
            puuid,
            str(game_name or ""),
            str(tag_line) if game_name else "",
            platform,
            int(one.get("summonerLevel") or 30),
            int(one.get("profileIcon") or 1),
        )


class Games:
    """All games and accounts, by id, by person and by Riot ID. Not safe for threads by itself."""

    def __init__(self) -> None:
        self.by_id: dict[str, Game] = {}
        self._by_puuid: dict[str, list[Game]] = {}
        self.accounts: dict[str, Account] = {}
        self._by_name: dict[tuple[str, str], Account] = {}

    def add(self, game: Game, accounts: Iterable[Account] = ()) -> None:
        """Add a game, or put it in the place of the one with its id, with the people who played it."""
        old = self.by_id.pop(game.match_id, None)
        if old is not None:
            for puuid in old.puuids:
                self._by_puuid[puuid].remove(old)
        self.by_id[game.match_id] = game
        for puuid in dict.fromkeys(game.puuids):
            bisect.insort(self._by_puuid.setdefault(puuid, []), game, key=lambda one: one.ended_at)
        for account in accounts:
            self.add_account(account)

    def add_account(self, account: Account) -> None:
        """Add an account; a later name of the same puuid takes the place of the earlier one."""
        old = self.accounts.get(account.puuid)
        if not account.game_name and old is not None:
            return
        if old is not None and self._by_name.get(old.folded) is old:
            del self._by_name[old.folded]
        self.accounts[account.puuid] = account
        if account.game_name:
            self._by_name[account.folded] = account

    def account_by_name(self, game_name: str, tag_line: str) -> Account | None:
        return self._by_name.get((fold(game_name), fold(tag_line)))

    def busiest(self, number: int) -> list[Account]:
        """The named accounts with the most games, the most first."""
        named = [account for account in self.accounts.values() if account.game_name]
        named.sort(key=lambda one: (-len(self._by_puuid.get(one.puuid, [])), one.folded))
        return named[:number]

    def played_by(self, puuid: str, until: float) -> list[Game]:
        """The games of a person that have ended by then, newest first."""
        games = self._by_puuid.get(puuid, [])
        ended = bisect.bisect_right(games, until, key=lambda one: one.ended_at)
        return games[:ended][::-1]

    def ended(self, until: float) -> int:
        """How many games have ended by then."""
        return sum(game.ended_at <= until for game in self.by_id.values())
