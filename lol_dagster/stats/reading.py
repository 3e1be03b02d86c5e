"""From an archived payload to plain values: a game and its participants.

A pure function of the payload's bytes. What is computed from these values (rates, shares, what
stood out) is metrics.py; how they are stored is record.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from lol_dagster.riot.modes import ModeFamily, PlayedMode, QueueKind
from lol_dagster.riot.names import without_format_characters
from lol_dagster.riot.payload import (
    BrokenPayload,
    InfoPayload,
    ParticipantPayload,
    parse_payload,
)
from lol_dagster.stats.champions import champion_display_name
from lol_dagster.stats.outcomes import (
    GameResult,
    ParticipantOutcome,
    counts_in_form,
    game_result,
    has_lanes,
    known_placement,
    participant_outcome,
    side,
    what_was_played,
)

_LONGEST_GAME: Final = timedelta(days=1)
_MOST_STOLEN: Final = 10


@dataclass(frozen=True)
class Feats:
    """What Riot counts of a participant beyond the columns. 0 where it does not."""

    objectives_stolen: int
    solo_barons: int
    single_digit_survivals: int
    """Fights survived with less than ten health."""
    cs_lead: int
    """The largest lead in creep score over the lane opponent at any time."""
    opened_nexus: bool
    """Won although the own nexus had been open."""


@dataclass(frozen=True)
class ParticipantReading:
    """One participant; the fields are those of `storage.models.Participant`, and the last two."""

    participant_id: int
    puuid: str | None
    is_bot: bool
    display_name: str
    team_id: int
    subteam_id: int | None
    side: str
    outcome: ParticipantOutcome
    placement: int | None
    champion_id: int
    champion: str
    position: str | None
    champ_level: int
    kills: int
    deaths: int
    assists: int
    cs: int
    gold: int
    damage: int
    vision_score: int
    time_played_s: int
    double_kills: int
    triple_kills: int
    quadra_kills: int
    penta_kills: int
    first_blood: bool
    feats: Feats
    augments: tuple[int, ...]
    """Riot's augment ids in the order in which they were taken; Arena and Swarm only."""


@dataclass(frozen=True)
class GameReading:
    """A game; the fields are those of `storage.models.Game`, and the last four."""

    match_id: str
    platform: str
    queue_id: int
    queue_name: str
    queue_kind: QueueKind
    game_mode: str
    game_type: str
    mode_family: ModeFamily
    map_id: int
    game_version: str
    result: GameResult
    started_at: datetime
    ended_at: datetime
    duration_s: int
    counts_in_form: bool
    has_lanes: bool
    """Whether creep score says something."""
    ended_over_behaviour: bool
    """Riot ended it over somebody's behaviour (gameEndedInIGNBSurrender, from patch 16.11)."""
    participants: tuple[ParticipantReading, ...]
    without_seat: frozenset[str]
    """Puuids of people who took part, as Riot says, and are none of the participants."""


def read_game(match_id: str, body: bytes, *, fetched_at: datetime) -> GameReading:
    """Read an archived payload.

    Args:
        match_id: The id under which Riot was asked; an empty answer does not know it.
        fetched_at: Stands for the end of a game of which Riot does not say when it was.

    Raises:
        BrokenPayload: something is wrong with a field that we need.
    """
    payload = parse_payload(match_id, body)
    info = payload.info
    played = what_was_played(info)
    result = game_result(info, played)
    started_at, duration = _times(match_id, info, result, fetched_at)
    people = () if result == "empty" else info.participants
    return GameReading(
        match_id=match_id,
        platform=match_id.rpartition("_")[0].lower(),
        queue_id=info.queue_id,
        queue_name=played.name,
        queue_kind=played.kind,
        game_mode=info.game_mode,
        game_type=info.game_type,
        mode_family=played.family,
        map_id=info.map_id,
        game_version=info.game_version,
        result=result,
        started_at=started_at,
        ended_at=started_at + duration,
        duration_s=duration // timedelta(seconds=1),
        counts_in_form=counts_in_form(info, played, result),
        has_lanes=has_lanes(info),
        ended_over_behaviour=any(person.game_ended_in_ignb_surrender for person in people),
        participants=tuple(
            _read_participant(person, played, result, duration) for person in people
        ),
        without_seat=payload.without_seat if people else frozenset(),
    )


def _times(
    match_id: str, info: InfoPayload, result: GameResult, fetched_at: datetime
) -> tuple[datetime, timedelta]:
    """When it began and how long it took.

    The end is start + duration: gameEndTimestamp may be minutes late.
    """
    end_stamp = _moment(info.game_end_timestamp)
    if result == "empty":
        return end_stamp or fetched_at, timedelta(0)
    # Equal to the game's duration wherever Riot says both.
    longest = max(person.time_played or 0 for person in info.participants)
    is_in_ms = info.game_end_timestamp is None and info.game_duration > 2 * longest
    duration = timedelta(
        milliseconds=info.game_duration if is_in_ms else (info.game_duration or longest) * 1000
    )
    if duration > _LONGEST_GAME:
        raise BrokenPayload(match_id, ["info.gameDuration: is more than a day"])
    started_at = _moment(info.game_start_timestamp) or _moment(info.game_creation)
    return started_at or (end_stamp or fetched_at) - duration, duration


def _moment(stamp_ms: int | None) -> datetime | None:
    """Unix milliseconds as an instant; 0 is how Riot says that there is none."""
    if not stamp_ms:
        return None
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=stamp_ms)


def _read_participant(
    person: ParticipantPayload, played: PlayedMode, result: GameResult, duration: timedelta
) -> ParticipantReading:
    outcome = participant_outcome(person, played, result)
    champion = champion_display_name(person.champion_id, person.champion_name)
    return ParticipantReading(
        participant_id=person.participant_id,
        puuid=None if person.is_bot else person.puuid,
        is_bot=person.is_bot,
        display_name=_display_name(person) or champion,
        team_id=person.team_id,
        subteam_id=(person.player_subteam_id or None) if played.family == "arena" else None,
        side=side(person, played),
        outcome=outcome,
        placement=known_placement(person) if outcome == "placement" else None,
        champion_id=person.champion_id,
        champion=champion,
        position=person.position,
        champ_level=person.champ_level,
        kills=person.kills,
        deaths=person.deaths,
        assists=person.assists,
        cs=person.total_minions_killed + person.neutral_minions_killed,
        gold=person.gold_earned,
        damage=person.total_damage_dealt_to_champions,
        vision_score=person.vision_score,
        time_played_s=duration // timedelta(seconds=1)
        if person.time_played is None
        else person.time_played,
        double_kills=person.double_kills,
        triple_kills=person.triple_kills,
        quadra_kills=person.quadra_kills,
        penta_kills=person.penta_kills,
        first_blood=person.first_blood_kill,
        feats=_read_feats(person),
        augments=tuple(person.augments),
    )


def _read_feats(person: ParticipantPayload) -> Feats:
    """The bounds are beyond what real games have, and below what Riot's bogus counters say."""
    stolen = person.objectives_stolen
    return Feats(
        objectives_stolen=stolen if stolen <= _MOST_STOLEN else 0,
        solo_barons=int(person.counter("soloBaronKills", 5)),
        single_digit_survivals=int(person.counter("survivedSingleDigitHpCount", 20)),
        cs_lead=int(person.counter("maxCsAdvantageOnLaneOpponent", 400)),
        opened_nexus=person.win and person.counter("hadOpenNexus", 1) > 0,
    )


def _display_name(person: ParticipantPayload) -> str:
    """The name in the field that the patch had it in; "" where all are blank."""
    tag = _shown(person.riot_id_tagline)
    for riot_name in (_shown(person.riot_id_game_name), _shown(person.riot_id_name)):
        if riot_name:
            return f"{riot_name}#{tag}" if tag else riot_name
    return _shown(person.summoner_name)


def _shown(text: str) -> str:
    # PostgreSQL takes no NUL in a text, and the column ends at 100 for name and tag together.
    return without_format_characters(text).replace("\x00", "").strip()[:49]
