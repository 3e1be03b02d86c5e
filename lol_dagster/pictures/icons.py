"""Champion icons from Riot's Data Dragon, kept in LOL_HOME by patch. None is ever needed.

https://developer.riotgames.com/docs/lol#data-dragon: `api/versions.json` lists versions, the newest first;
`cdn/VERSION/data/en_US/champion.json` has the champions' names by their numbers, and
`cdn/VERSION/img/champion/NAME.png` their icons.
"""

from __future__ import annotations

import json
import logging
import os
import re
import struct
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lol_dagster.http import DeadlineSession
from lol_dagster.http_terms import TransportError, user_agent
from lol_dagster.pictures.card import icon_number
from lol_dagster.settings import Settings
from lol_dagster.storage.database import assert_no_open_write

log = logging.getLogger(__name__)

CALL_S = 3.0
CARD_S = 6.0
"""How long all icons of one card may take, beyond a call that has begun."""
PAUSE_S = 600.0
"""For how long nothing is asked for after a failure."""
_MOST_BYTES = 4 * 1024 * 1024
_MOST_OF_AN_ICON = 256 * 1024
_PATCH = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9]{1,40}", re.ASCII)
_VERSION = re.compile(r"[0-9.]{3,20}", re.ASCII)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class NoIconError(Exception):
    """Data Dragon does not answer, or with nothing that can be used."""


class Icons:
    """Finds champions' icons; safe to share between threads, one of which asks at a time."""

    def __init__(
        self, url: str, folder: Path, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            url: Where Data Dragon is.
            folder: Where icons are kept; made when there is one to keep.
            clock: Seconds.
        """
        self._url = url
        self._folder = folder
        self._clock = clock
        self._session = DeadlineSession(user_agent(), guard=assert_no_open_write)
        self._lock = threading.Lock()
        self._names: dict[str, dict[int, str]] = {}
        """By patch: Data Dragon's version and name of each champion, as a part of its address."""
        self._not_before = float("-inf")

    def for_a_card(self) -> Callable[[int, str], bytes | None]:
        """Finds the icon of a champion (its number, the patch); None: there is none to be had now."""
        ends = self._clock() + CARD_S

        def find(champion_id: int, patch: str) -> bytes | None:
            champion_id = icon_number(champion_id)
            if not _PATCH.fullmatch(patch) or not champion_id:
                return None
            kept = self._folder / patch / f"{champion_id}.png"
            if (icon := _kept(kept)) is not None:
                return icon
            with self._lock:
                now = self._clock()
                return self._fetched(champion_id, patch, kept) if self._may_ask(now, ends) else None

        return find

    def newest(self) -> dict[int, str]:
        """Where the newest icon of each champion is, by the champion's number.

        Raises:
            NoIconError: it is not known.
        """
        try:
            return {
                number: f"{self._url}/cdn/{name}.png"
                for number, name in self._champions("").items()
            }
        except TransportError as error:
            raise NoIconError(str(error)) from None

    def at(self, address: str, champion_id: int) -> bytes:
        """The icon that is at one of `newest`'s addresses, asked for only if it is not kept.

        Raises:
            NoIconError: it is not to be had.
        """
        name = address.removeprefix(f"{self._url}/cdn/").removesuffix(".png")
        kept = self._folder / ".".join(name.split(".")[:2]) / f"{champion_id}.png"
        icon = _kept(kept)
        if icon is None:
            try:
                icon = self._icon(name)
            except TransportError as error:
                raise NoIconError(str(error)) from None
            _keep(kept, icon)
        return icon

    def _may_ask(self, now: float, ends: float) -> bool:
        return now < ends and now >= self._not_before

    def _fetched(self, champion_id: int, patch: str, kept: Path) -> bytes | None:
        try:
            if patch not in self._names:
                self._names[patch] = self._champions(patch)
            name = self._names[patch].get(champion_id)
            if name is None:
                return None  # it is not known there, or not yet
            icon = self._icon(name)
            _keep(kept, icon)
        except (TransportError, NoIconError, OSError) as error:
            self._not_before = self._clock() + PAUSE_S
            log.info("No champion icons for ten minutes: %s", error)
            return None
        return icon

    def _champions(self, patch: str) -> dict[int, str]:
        try:
            versions = [str(each) for each in self._json("/api/versions.json")]
            version = next((each for each in versions if each.startswith(f"{patch}.")), versions[0])
            if not _VERSION.fullmatch(version):
                raise ValueError(version[:20])  # noqa: TRY301 - as what else is not understood
            champions = self._json(f"/cdn/{version}/data/en_US/champion.json")["data"].values()
            return {
                int(each["key"]): f"{version}/img/champion/{each['id']}"
                for each in champions
                if _NAME.fullmatch(each["id"])
            }
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise NoIconError(f"the list of champions is not understood: {error!r}") from None

    def _icon(self, name: str) -> bytes:
        icon = self._get(f"/cdn/{name}.png", _MOST_OF_AN_ICON)
        if not is_png(icon):
            raise NoIconError(f"{name}.png is no PNG")
        return icon

    def _json(self, path: str) -> Any:
        return json.loads(self._get(path, _MOST_BYTES))

    def _get(self, path: str, most: int) -> bytes:
        answer = self._session.request("GET", self._url + path, deadline=CALL_S, max_body=most)
        if answer.status != 200:
            raise NoIconError(f"Data Dragon answers {answer.status}")
        return answer.body


def icons_of(settings: Settings) -> Icons:
    """Where the settings say that icons are."""
    return Icons(settings.ddragon_url, settings.home / "champion-icons")


def _kept(file: Path) -> bytes | None:
    try:
        icon = file.read_bytes()
    except OSError:
        return None  # it is to be fetched
    return icon if is_png(icon) else None


def _keep(file: Path, icon: bytes) -> None:
    """Whole or not at all, whoever else writes it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.name}.{os.getpid()}.{threading.get_ident()}")
    new.write_bytes(icon)
    new.replace(file)


def is_png(data: bytes) -> bool:
    """Whether this is a whole PNG: each chunk has its length and its checksum, from IHDR to IEND."""
    if not data.startswith(_SIGNATURE):
        return False
    at, kinds = len(_SIGNATURE), []
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        content = data[at + 4 : at + 8 + length]
        checksum = data[at + 8 + length : at + 12 + length]
        if len(checksum) < 4 or struct.unpack(">I", checksum)[0] != zlib.crc32(content):
            return False
        kinds.append(content[:4])
        at += 12 + length
    return at == len(data) and kinds[:1] == [b"IHDR"] and kinds[-1:] == [b"IEND"]
