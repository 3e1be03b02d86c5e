"""Every real timeline at hand against a second, slower reading of its JSON and of its game's payload.

Nothing here asserts how many there are: whoever adds timelines to the folder tests more with the same code.
"""

from __future__ import annotations

import json
import lzma
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

from lol_dagster.riot.timeline import parse_timeline
from lol_dagster.stats.course import Course, course_of
from lol_dagster.stats.metrics import gold_lead_at_15, highlights
from lol_dagster.stats.reading import GameReading, read_game

Json = dict[str, Any]
NAMES = {100: "team-100", 200: "team-200"}


def test_every_collected_timeline_says_what_a_plain_reading_says(shared_dir: Path) -> None:
    payloads = {
        json.loads(path.read_bytes())["metadata"]["matchId"]: path.read_bytes()
        for path in (shared_dir / "riot" / "matches").glob("*/*.json")
        if b'"metadata"' in path.read_bytes()
    }
    seen = 0
    for path in sorted((shared_dir / "riot" / "timelines").glob("*.json.xz")):
        match_id = path.name.partition(".")[0]
        body = lzma.decompress(path.read_bytes())
        frames = parse_timeline(match_id, body)
        game = read_game(match_id, payloads[match_id], fetched_at=datetime.now(UTC))
        course = course_of(game, frames)
        people = json.loads(payloads[match_id])["info"]["participants"]
        on_rift = len(people) == 10 and {each["teamPosition"] for each in people} > {
            "TOP",
            "UTILITY",
        }
        assert (course is not None) == on_rift
        if course is not None:
            check(json.loads(body)["info"]["frames"], people, game, course)
            seen += 1
    assert seen, "not one game of the Rift"


def check(frames: list[Json], people: list[Json], game: GameReading, course: Course) -> None:
    team = {str(each["participantId"]): each["teamId"] for each in people}

    def lead(frame: Json, of: int) -> int:
        mine = theirs = 0
        for number, each in frame["participantFrames"].items():
            if team[number] == of:
                mine += each["totalGold"]
            else:
                theirs += each["totalGold"]
        return mine - theirs

    for of, side in NAMES.items():
        own = [lead(frame, of) for frame in frames]
        assert course.final_lead(side) == own[-1]
        # Riot's last frame has what the payload calls goldEarned.
        assert own[-1] == sum(
            each["goldEarned"] * (1 if each["teamId"] == of else -1) for each in people
        )
        assert course.most_behind(side)[1] == max(0, -min(own))
    for minutes, said in ((10, course.gold_at_10), (15, course.gold_at_15)):
        # Frame n is that of minute n, but for the last, which is the end.
        known = frames[minutes] if len(frames) > minutes + 1 else None
        frame = {} if known is None else known["participantFrames"]
        assert said == {int(number): each["totalGold"] for number, each in frame.items()}
    for person, raw in zip(game.participants, people, strict=True):
        rivals = [
            each
            for each in people
            if each["teamPosition"] == raw["teamPosition"] and each["teamId"] != raw["teamId"]
        ]
        expected = None
        if course.gold_at_15 and len(rivals) == 1 and raw["teamPosition"]:
            at_15 = frames[15]["participantFrames"]
            mine = at_15[str(raw["participantId"])]["totalGold"]
            expected = mine - at_15[str(rivals[0]["participantId"])]["totalGold"]
        assert gold_lead_at_15(game, person, course) == expected
        was_behind = max(-lead(frame, raw["teamId"]) for frame in frames) > 8000
        assert ("comeback" in highlights(game, person, course)) == (was_behind and raw["win"])
    check_first_blood(people, course)
    check_swing([lead(frame, 100) for frame in frames], frames, team, course)


def check_first_blood(people: list[Json], course: Course) -> None:
    """Against Riot's own flag."""
    flagged = [each["participantId"] for each in people if each["firstBloodKill"]]
    assert ([] if course.first_blood is None else [course.first_blood[0]]) == flagged


def check_swing(leads: list[int], frames: list[Json], team: dict[str, int], course: Course) -> None:
    """Among all pairs of frames three apart, or shorter ones at the end, none has changed more."""
    pairs = [
        (i, j)
        for i, j in combinations(range(len(leads)), 2)
        if j - i == 3 or (j - i < 3 and j == len(leads) - 1)
    ]
    most = max(abs(leads[j] - leads[i]) for i, j in pairs)
    swing = course.swing
    assert swing is not None
    assert swing.gold == most
    i, j = next((i, j) for i, j in pairs if frames[i]["timestamp"] // 1000 == swing.start_s)
    assert frames[j]["timestamp"] // 1000 == swing.end_s
    of = next(of for of, side in NAMES.items() if side == swing.side)
    assert (leads[j] - leads[i] > 0) == (of == 100)
    # Frame n holds what happened since frame n - 1.
    during = [event for frame in frames[i + 1 : j + 1] for event in frame["events"]]
    kills = [
        event["killerId"]
        for event in during
        if event["type"] == "CHAMPION_KILL" and team.get(str(event["killerId"])) == of
    ]
    assert [kill.killer for kill in swing.kills] == kills
    barons = [
        event
        for event in during
        if event.get("monsterType") == "BARON_NASHOR" and event["killerTeamId"] == of
    ]
    assert swing.monsters.count("BARON_NASHOR") == len(barons)
    towers = [
        event
        for event in during
        if event["type"] == "BUILDING_KILL" and event.get("towerType") and event["teamId"] != of
    ]
    assert swing.towers == len(towers)
