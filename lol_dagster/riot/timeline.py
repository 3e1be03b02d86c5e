"""What we read out of a match-v5 timeline, checked field by field: gold minute by minute, and what happened.

As with payloads (payload.py), only what something is computed from: everything else may come and go. Sources: real
timelines of patches 12.3 to 16.3; Riot's OpenAPI description leaves the inside of frames loose.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError

from lol_dagster.riot.payload import Count, Int32, Slim, Word


class BrokenTimeline(Exception):  # noqa: N818 - named as the other errors of this package
    """The answer is not what a match-v5 timeline should be."""


class Event(Slim):
    """Something that happened. Which fields there are depends on `type`."""

    type: Word = ""
    """CHAMPION_KILL, ELITE_MONSTER_KILL, BUILDING_KILL, … and what nobody has heard of."""
    timestamp: Int32 = 0
    """Milliseconds of the game."""
    killer_id: Int32 = 0
    """A participant; 0: nobody, such as a minion or a tower."""
    assisting_participant_ids: list[Int32] = []
    killer_team_id: Int32 = 0
    """Of a monster."""
    monster_type: Word = ""
    monster_sub_type: Word = ""
    team_id: Int32 = 0
    """Of a building: who has lost it."""
    building_type: Word = ""


class ParticipantFrame(Slim):
    """How a participant stands at a moment."""

    total_gold: Count


class Frame(Slim):
    """A moment, each minute and at the end, and what happened since the one before."""

    timestamp: Count
    """Milliseconds of the game."""
    participant_frames: dict[str, ParticipantFrame] = {}
    """Participant id → frame. Null in a game that its servers lost."""
    events: list[Event] = []


class _Info(Slim):
    frames: Annotated[list[Frame], Field(max_length=2000)]


class _Metadata(Slim):
    match_id: str = ""


class _Timeline(Slim):
    metadata: _Metadata | None = None
    info: _Info


def parse_timeline(match_id: str, body: bytes) -> list[Frame]:
    """Read a timeline, and check everything that is used of it.

    Raises:
        BrokenTimeline: it is no JSON object, fields are missing or wrong, or it is another match's.
    """
    try:
        timeline = _Timeline.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        path = ".".join(map(str, first["loc"])) or "timeline"
        raise BrokenTimeline(f"timeline of {match_id}: {path}: {first['msg'][:100]}") from None
    named = timeline.metadata.match_id if timeline.metadata else ""
    if named and named.upper() != match_id.upper():
        raise BrokenTimeline(f"timeline of {match_id}: metadata.matchId: is that of another match")
    return timeline.info.frames
