"""Reading timelines: what is needed is checked, all else may be as it likes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lol_dagster.riot.timeline import BrokenTimeline, parse_timeline
from lol_dagster_tests._support.timelines import kill, timeline


def read(said: Any) -> Any:
    return parse_timeline("NA1_1", json.dumps(said).encode())


def test_gold_and_events_are_read() -> None:
    frames = read(timeline("NA1_1", [0, 300], [kill(0.5, 3, helped_by=[1])]))
    assert [frame.timestamp for frame in frames] == [0, 60_020]
    # 500 + 400 after a minute, and 300 more for the first of the blue side.
    assert [frames[1].participant_frames[number].total_gold for number in ("1", "2")] == [1200, 900]
    (event,) = frames[1].events
    assert (event.type, event.timestamp, event.killer_id) == ("CHAMPION_KILL", 30_000, 3)
    assert event.assisting_participant_ids == [1]


def test_what_riot_leaves_out_may_be_absent_or_null() -> None:
    """A game that its servers lost has null for its frames; kills by nobody's help have no list."""
    frames = read(
        {"info": {"frames": [{"timestamp": 0, "participantFrames": None, "events": None}]}}
    )
    assert (frames[0].participant_frames, frames[0].events) == ({}, [])
    lone = {"type": "CHAMPION_KILL", "timestamp": 5, "killerId": 1, "assistingParticipantIds": None}
    (frame,) = read(
        {"info": {"frames": [{"timestamp": 9, "events": [lone, {"type": "NEW_THING"}]}]}}
    )
    assert [each.type for each in frame.events] == ["CHAMPION_KILL", "NEW_THING"]


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ([], "timeline"),
        ({}, "info"),
        ({"info": {}}, "info.frames"),
        ({"info": {"frames": [{}]}}, "info.frames.0.timestamp"),
        ({"info": {"frames": [{"timestamp": 0, "participantFrames": {"1": {}}}]}}, "totalGold"),
        ({"metadata": {"matchId": "NA1_2"}, "info": {"frames": []}}, "metadata.matchId"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(said: Any, path: str) -> None:
    with pytest.raises(BrokenTimeline, match=path):
        read(said)


def test_half_a_body_is_no_timeline() -> None:
    with pytest.raises(BrokenTimeline):
        parse_timeline("NA1_1", b'{"info": {"fra')
