"""What we read out of a match-v5 payload, checked field by field.

Only the fields that something here is computed from; everything else may come, go or change its
type without anybody noticing. Required is what a message cannot be written without: who played what, the
score, who won. Every other field may be absent, null or empty, which mean the same: Riot sends null for
fields that it leaves out elsewhere. No meaning is decided here: that is stats/reading.py.

Real payloads disagree with Riot's documentation: see docs/architecture.md. In particular numbers
documented as integers arrive as floats, and esports dumps are an `info` object without `metadata`.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

BOT_PUUIDS: Final = frozenset({"BOT", "00000000-0000-0000-0000-000000000000"})
"""All bots have one of these: the second stands in payloads of Riot's regional servers."""

_NO_POSITION: Final = frozenset({"", "INVALID", "NONE", "AFK"})
_MAX_NAMED: Final = 20
_AUGMENT: Final = re.compile(r"playerAugment(\d+)", re.IGNORECASE)


class BrokenPayload(Exception):  # noqa: N818 (it names what is broken)
    """The payload is not what a match-v5 payload should be.

    Attributes:
        errors: One line per wrong field: its path and what is wrong with it, never its value.
    """

    def __init__(self, match_id: str, errors: list[str]) -> None:
        named = errors[:_MAX_NAMED]
        if len(errors) > len(named):
            named = [*named, f"… and {len(errors) - len(named)} more"]
        super().__init__(f"payload of {match_id}: {'; '.join(named)}")
        self.errors = errors


def _whole(value: object) -> object:
    return round(value) if isinstance(value, float) and math.isfinite(value) else value


def _any_object(value: object) -> object:
    return value if isinstance(value, dict) else {}


# The bounds are those of the columns: a number beyond them is named here, by its path, and not by
# the database. The characters likewise: PostgreSQL takes no NUL in a text.
Int32 = Annotated[int, BeforeValidator(_whole), Field(ge=-(2**31), le=2**31 - 1)]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=2**31 - 1)]
BigCount = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=2**53)]
Stamp = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=4_102_444_800_000)]  # the year 2100
Word = Annotated[str, StringConstraints(max_length=40, pattern=r"^[^\x00]*$")]
Puuid = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00]*$")]


@cache
def _read_of(model: type[BaseModel]) -> list[tuple[str, bool]]:
    """By what name Riot sends each field, and whether it is required."""
    return [(field.alias or "", field.is_required()) for field in model.model_fields.values()]


class Slim(BaseModel):
    """An object of Riot's: optional fields may be absent, null or empty, unknown ones are ignored."""

    model_config = ConfigDict(
        strict=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        alias_generator=to_camel,
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_empty(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        # By what we read: of a participant Riot sends four times as much.
        return {
            name: fields[name]
            for name, is_required in _read_of(cls)
            if name in fields
            and (is_required or (fields[name] is not None and fields[name] not in ("", [], {})))
        }


class ParticipantPayload(Slim):
    """One of `info.participants`."""

    participant_id: Count = 0
    """Where it is absent: which of the list it is, from 1."""
    puuid: Puuid | None = None
    team_id: Int32
    win: bool
    game_ended_in_early_surrender: bool = False
    game_ended_in_ignb_surrender: bool = Field(default=False, alias="gameEndedInIGNBSurrender")

    champion_id: Int32 = 0
    champion_name: Word = ""
    champ_level: Count = 0
    team_position: Word = ""

    riot_id_game_name: str = ""
    riot_id_name: str = ""
    riot_id_tagline: str = ""
    summoner_name: str = ""

    kills: Count
    deaths: Count
    assists: Count
    total_minions_killed: Count = 0
    neutral_minions_killed: Count = 0
    gold_earned: Count = 0
    total_damage_dealt_to_champions: BigCount = 0
    vision_score: Count = 0
    time_played: Count | None = None
    """Seconds, also where gameDuration is in milliseconds."""
    double_kills: Count = 0
    triple_kills: Count = 0
    quadra_kills: Count = 0
    penta_kills: Count = 0
    first_blood_kill: bool = False
    objectives_stolen: Count = 0
    challenges: Annotated[dict[str, Any], BeforeValidator(_any_object)] = {}
    """Riot's counters of feats, from patch 12.3 on. See `counter`."""

    player_subteam_id: Count = 0
    placement: Count = 0
    subteam_placement: Count = 0
    augments: list[Int32] = []
    """Arena's and Swarm's playerAugment1, playerAugment2, … in order, without the unused zeros."""

    @property
    def is_bot(self) -> bool:
        return self.puuid in BOT_PUUIDS

    @property
    def position(self) -> str | None:
        """`TOP`, `JUNGLE`, `MIDDLE`, `BOTTOM` or `UTILITY`; None where there are none, and for who had
        none.
        """
        position = self.team_position.upper()
        return None if position in _NO_POSITION else position[:20]

    def counter(self, name: str, most: int) -> float:
        """One of `challenges`; 0 where it is absent, no number, or beyond what anybody can have done.

        Riot has sent 125 allies saved from death and 628 skillshots dodged.
        """
        value = self.challenges.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return 0
        return value if 0 <= value <= most else 0

    @model_validator(mode="before")
    @classmethod
    def _collect_augments(cls, fields: Any) -> Any:
        # How many there are grows with the patches, so they are no fields of their own.
        if not isinstance(fields, dict):
            return fields
        numbered = {
            int(match[1]): value
            for key, value in fields.items()
            # The first question is the quicker one, and Riot sends 150 fields of each participant.
            if key[-1:].isdigit()
            and (match := _AUGMENT.fullmatch(key))
            and value not in (0, None, "")
        }
        return fields | {"augments": [numbered[number] for number in sorted(numbered)]}


class InfoPayload(Slim):
    """`info`. In an empty answer every number is 0, every text "" and every list empty."""

    game_id: BigCount | None = None
    queue_id: Int32 = 0
    game_mode: Word = ""
    game_type: Word = ""
    game_version: Word = ""
    map_id: Int32 = 0
    game_creation: Stamp = 0
    """Unix time in milliseconds, as the other two stamps."""
    game_start_timestamp: Stamp = 0
    game_end_timestamp: Stamp | None = None
    game_duration: Stamp = 0
    """Seconds; milliseconds exactly where there is no gameEndTimestamp (before patch 11.20)."""
    end_of_game_result: str = ""
    tournament_code: str = ""
    participants: Annotated[list[ParticipantPayload], Field(max_length=100)]

    @model_validator(mode="before")
    @classmethod
    def _number_participants(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        if "participants" in fields and fields["participants"] is None:
            return {**fields, "participants": []}
        people = fields.get("participants")
        if not isinstance(people, list):
            return fields
        numbered = [
            {**person, "participantId": number}
            if isinstance(person, dict) and person.get("participantId") in (None, "")
            else person
            for number, person in enumerate(people, start=1)
        ]
        return {**fields, "participants": numbered}


class MetadataPayload(Slim):
    """`metadata`."""

    match_id: str = ""
    participants: Any = None
    """Puuids, without those of bots. Who took part stands in `info`; see `without_seat`."""


class MatchPayload(Slim):
    """A whole payload."""

    metadata: MetadataPayload | None = None
    info: InfoPayload

    @property
    def without_seat(self) -> frozenset[str]:
        """The puuids that `metadata` names and no participant has."""
        named = self.metadata.participants if self.metadata else None
        puuids = (
            {each for each in named if isinstance(each, str)} if isinstance(named, list) else set()
        )
        return frozenset(puuids.difference(person.puuid or "" for person in self.info.participants))

    @model_validator(mode="before")
    @classmethod
    def _wrap_bare_info(cls, fields: Any) -> Any:
        is_bare = isinstance(fields, dict) and "info" not in fields and "gameId" in fields
        return {"info": fields} if is_bare else fields


def parse_match(match_id: str, body: bytes) -> InfoPayload:
    """As `parse_payload`, its `info` alone."""
    return parse_payload(match_id, body).info


def parse_payload(match_id: str, body: bytes) -> MatchPayload:
    """Read a payload and check everything that is used of it.

    Args:
        match_id: The id under which Riot was asked.
        body: The answer as it came; esports dumps may be the `info` object alone.

    Returns:
        Its `info` knows the game's id only where there is a game inside.

    Raises:
        BrokenPayload: it is no JSON object, fields are missing or wrong, or it is another match's.
    """
    try:
        payload = MatchPayload.model_validate_json(body)
    except ValidationError as error:
        raise BrokenPayload(match_id, [_named(item) for item in error.errors()]) from None
    if errors := _contradictions(match_id, payload):
        raise BrokenPayload(match_id, errors)
    return payload


def _named(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"]) or "payload"
    return f"{path}: {item['msg'][:100]}"


def _contradictions(match_id: str, payload: MatchPayload) -> list[str]:
    errors = []
    named = payload.metadata.match_id if payload.metadata else ""
    if named and named.upper() != match_id.upper():
        errors.append("metadata.matchId: is that of another match")
    people = payload.info.participants
    if len({person.participant_id for person in people}) < len(people):
        errors.append("info.participants: two have the same participantId")
    puuids = [person.puuid for person in people if person.puuid and not person.is_bot]
    if len(set(puuids)) < len(puuids):
        errors.append("info.participants: two have the same puuid")
    return errors
