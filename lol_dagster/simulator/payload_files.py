"""Reads match-v5 payloads from a folder, and moves their games in time so that the newest ends now.

Real payloads lie years apart. Moved, they keep their order and follow each other by their own
distances, none of them longer than what lets all fit into `SPAN_SECONDS`, which is well within the time
in which a game has a message of its own.
"""

from __future__ import annotations

import json
import logging
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lol_dagster.simulator.games import Account, Game, accounts_in, game_of, real_end

logger = logging.getLogger(__name__)

SPAN_SECONDS = 6 * 3600.0

Payload = dict[str, Any]
_STAMPS = ("gameCreation", "gameStartTimestamp", "gameEndTimestamp")


def load_games(
    folder: Path, now: float, *, keep_times: bool = False
) -> list[tuple[Game, list[Account]]]:
    """All games of a folder and its subfolders, with the people who played them, oldest first.

    Reads `*.json`, `*.jsonl` and `*.jsonl.xz`. What is no match-v5 object (a timeline, a bare `info`)
    is left out, with one line in the log. With `keep_times` the bytes are served as they are.

    Raises:
        ValueError: there is none, or a file is not JSON.
    """
    payloads: dict[str, tuple[Payload, bytes]] = {}
    left_out = 0
    for payload, body in _read(folder):
        if _is_match(payload):
            payloads[payload["metadata"]["matchId"]] = (payload, body)
        else:
            left_out += 1
    if left_out:
        logger.warning("left out %d of the payloads in %s: no match-v5 objects", left_out, folder)
    if not payloads:
        raise ValueError(
            f"{folder} holds no match-v5 payload: give a folder with *.json or *.jsonl"
        )
    ordered = sorted(payloads.values(), key=lambda one: real_end(one[0]["info"]))
    people = [list(accounts_in(payload)) for payload, _ in ordered]
    if keep_times:
        games = [game_of(payload, body) for payload, body in ordered]
    else:
        games = [game_of(payload) for payload in restamp([one for one, _ in ordered], now)]
    return list(zip(games, people, strict=True))


def _read(folder: Path) -> Iterator[tuple[Any, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(".json"):
            body = path.read_bytes()
            yield _parsed(body, path), body
        elif path.name.endswith((".jsonl", ".jsonl.xz")):
            with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as lines:
                yield from ((_parsed(line, path), line.strip()) for line in lines if line.strip())


def _parsed(body: bytes, path: Path) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise ValueError(f"{path} should hold JSON, and does not") from None


def _is_match(payload: Any) -> bool:
    return (
        isinstance(payload, dict)
        and isinstance(payload.get("metadata"), dict)
        and isinstance(payload.get("info"), dict)
        and isinstance(payload["info"].get("participants"), list)
        and isinstance(payload["metadata"].get("matchId"), str)
    )


def restamp(payloads: list[Payload], now: float) -> list[Payload]:
    """Payloads (oldest first) moved so that the last ends at `now`, in epoch seconds."""
    ends = [real_end(payload["info"]) for payload in payloads]
    longest = SPAN_SECONDS / max(1, len(payloads) - 1)
    moved: list[Payload] = []
    end = now
    for index in range(len(payloads) - 1, -1, -1):
        moved.append(_moved(payloads[index], end - ends[index]))
        if index:
            end -= min(ends[index] - ends[index - 1], longest)
    return moved[::-1]


def _moved(payload: Payload, seconds: float) -> Payload:
    info = dict(payload["info"])
    for name in _STAMPS:
        if info.get(name):  # 0 means "not there" in an empty game
            info[name] += round(seconds * 1000)
    return {**payload, "info": info}
