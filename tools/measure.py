"""Measures, in real games, how rare feats are and how the parts of a score are spread.

    .venv/bin/python tools/measure.py FOLDER

Reads the payloads below FOLDER (`matches/*/*.json`, `bulk/*.jsonl.xz`) and writes
lol_dagster/stats/measured.json: rates, means and deviations; nothing of anybody's game. The method is in
docs/stats.md.
"""

from __future__ import annotations

import json
import lzma
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lol_dagster.stats import score
from lol_dagster.stats.metrics import HIGHLIGHTS, MULTIKILLS, highlights
from lol_dagster.stats.reading import GameReading, read_game

TARGET = Path(score.__file__).with_name("measured.json")
FEWEST = 200
"""Participants of a family without which its rates say nothing."""


def main(folder: Path) -> None:
    games = list(read(folder))
    measured = {"rarity": rarity(games), "score": fitted(games)}
    TARGET.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(games)} games")


def read(folder: Path) -> Iterator[GameReading]:
    bodies = [path.read_bytes() for path in sorted(folder.glob("matches/*/*.json"))]
    for path in sorted(folder.glob("bulk/*.jsonl.xz")):
        with lzma.open(path, "rb") as lines:
            bodies += lines
    for body in bodies:
        payload = json.loads(body)
        match_id = payload.get("metadata", {}).get("matchId", "")
        game = read_game(match_id, body, fetched_at=datetime.fromtimestamp(0, UTC))
        if game.result == "played" and game.queue_kind not in {"bots", "custom"}:
            yield game


def rarity(games: list[GameReading]) -> dict[str, dict[str, float]]:
    """Family → feat → share of the participants who have it; a larger multikill counts as the smaller ones."""
    people: Counter[str] = Counter()
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for game in games:
        for person in game.participants:
            people[game.mode_family] += 1
            names = set(highlights(game, person))
            for place, name in enumerate(MULTIKILLS):
                if name in names:
                    names.update(MULTIKILLS[place:])
            found[game.mode_family].update(names)
    return {
        # A feat that nobody had counts as half of one.
        family: {name: round(max(found[family][name], 0.5) / count, 5) for name in HIGHLIGHTS}
        for family, count in people.items()
        if count >= FEWEST and family != "swarm"
    }


def fitted(games: list[GameReading]) -> dict[str, Any]:
    """Role → part → mean and standard deviation, and those of the weighted sum of these."""
    values: dict[str, list[dict[str, float]]] = {role: [] for role in score.ROLES}
    for game in filter(score.has_score, games):
        for person in game.participants:
            values[str(person.position)].append(score.parts(game, person))
    result: dict[str, Any] = {}
    for role, rows in values.items():
        spread = {part: mean_and_deviation([row[part] for row in rows]) for part in rows[0]}
        sums = [score.weighted_sum(role, row, spread) for row in rows]
        result[role] = {**spread, "sum": mean_and_deviation(sums), "participants": len(rows)}
    return result


def mean_and_deviation(values: list[float]) -> list[float]:
    return [round(statistics.fmean(values), 5), round(statistics.pstdev(values), 5)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
