"""Measures, in real games, how rare feats are and how the parts of a score are spread.

    .venv/bin/python tools/measure.py FOLDER

Reads the payloads below FOLDER (`matches/*/*.json`, `bulk/*.jsonl.xz`) and timelines of some of them
(`timelines/*.json.xz`), and writes
lol_dagster/stats/measured.json: rates, means and deviations; nothing of anybody's game. The method is in
docs/stats.md.
"""

from __future__ import annotations

import json
import lzma
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lol_dagster.riot.timeline import parse_timeline
from lol_dagster.stats import score
from lol_dagster.stats.course import Course, course_of
from lol_dagster.stats.metrics import HIGHLIGHTS, MULTIKILLS, highlights
from lol_dagster.stats.reading import GameReading, read_game

TARGET = Path(score.__file__).with_name("measured.json")
FEWEST = 200
"""Participants of a family without which its rates say nothing."""


def main(folder: Path) -> None:
    games = list(read(folder))
    courses = dict(read_courses(folder, games))
    measured = {"rarity": rarity(games, courses), "score": fitted(games)}
    TARGET.write_text(json.dumps(measured, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{len(games)} games, {len(courses)} of them with a timeline")


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


def read_courses(folder: Path, games: list[GameReading]) -> Iterator[tuple[str, Course]]:
    """Match id → how it went, of those that have a timeline."""
    by_id = {game.match_id: game for game in games}
    for path in sorted(folder.glob("timelines/*.json.xz")):
        match_id = path.name.partition(".")[0]
        if match_id in by_id:
            frames = parse_timeline(match_id, lzma.decompress(path.read_bytes()))
            if (course := course_of(by_id[match_id], frames)) is not None:
                yield match_id, course


def rarity(games: list[GameReading], courses: Mapping[str, Course]) -> dict[str, dict[str, float]]:
    """Family → feat → share of the participants who have it; a larger multikill counts as the smaller ones.

    Args:
        courses: How those games went that have a timeline: only these show comebacks.
    """
    people: Counter[str] = Counter()
    with_course: Counter[str] = Counter()
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for game in games:
        for person in game.participants:
            people[game.mode_family] += 1
            course = courses.get(game.match_id)
            with_course[game.mode_family] += course is not None
            names = set(highlights(game, person, course))
            for place, name in enumerate(MULTIKILLS):
                if name in names:
                    names.update(MULTIKILLS[place:])
            found[game.mode_family].update(names)
    return {
        family: {
            # A feat that nobody had counts as half of one; a comeback is all of a side's.
            name: round(max(found[family][name], 2.5 if name == "comeback" else 0.5) / of, 5)
            for name in HIGHLIGHTS
            if (of := with_course[family] if name == "comeback" else count)
        }
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
