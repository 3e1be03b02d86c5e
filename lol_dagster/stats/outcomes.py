"""How a game ended, and how it ended for each participant.

Never from one field alone: a remake has a "winner", `Abort_Unexpected` stands on games that ended
normally, in Swarm everybody loses, and in Arena only the placement says anything.
"""

from __future__ import annotations

from typing import Final, Literal

from lol_dagster.riot.modes import CUSTOM_GAME, PlayedMode, played_mode
from lol_dagster.riot.payload import InfoPayload, ParticipantPayload

GameResult = Literal["played", "remake", "aborted", "empty"]
ParticipantOutcome = Literal["win", "loss", "remake", "aborted", "placement"]


_LANE_MINIONS_PER_MIN: Final = 3.0
"""More than on the Howling Abyss (2.4) and in Brawl (1.9), less than in URF (3.5) on the Rift, each the mean
of a real game's participants."""


def what_was_played(info: InfoPayload) -> PlayedMode:
    """The game's mode, by its own word for it and by what is in it."""
    sides = {person.team_id: True for person in info.participants}
    for person in info.participants:
        sides[person.team_id] &= person.is_bot
    return played_mode(
        info.queue_id,
        game_mode=info.game_mode,
        game_type=info.game_type,
        tournament_code=info.tournament_code,
        against_bots=any(sides.values()),
        has_places=any(
            person.player_subteam_id and known_placement(person) for person in info.participants
        ),
    )


def has_lanes(info: InfoPayload) -> bool:
    """Whether there are lanes to farm in, so that creep score says something.

    By the payload, as Riot plays known modes on new maps and new modes on old ones: positions have names
    for most, or there are as many minions as lanes have, and a jungle.
    """
    people = info.participants
    minions = sum(person.total_minions_killed for person in people)
    minutes = sum(person.time_played or 0 for person in people) / 60
    if not minions or not minutes:
        return False
    if 2 * sum(person.position is not None for person in people) > len(people):
        return True
    has_jungle = any(person.neutral_minions_killed for person in people)
    return has_jungle and minions / minutes >= _LANE_MINIONS_PER_MIN


def game_result(info: InfoPayload, played: PlayedMode) -> GameResult:
    """`empty`: no game inside; `remake`; `aborted`: it should have a winner and has none."""
    if not info.participants or info.game_id == 0:
        return "empty"
    if any(person.game_ended_in_early_surrender for person in info.participants):
        return "remake"
    if any(person.win or known_placement(person) for person in info.participants):
        return "played"
    # Nobody won. That is no accident where the game itself beats everybody (Swarm), nor in the
    # Arena games whose Arena fields are all 0 although they were fought to the end.
    said_aborted = info.end_of_game_result.strip().lower().startswith("abort_")
    return "aborted" if said_aborted or _has_opponents(info, played) else "played"


def _has_opponents(info: InfoPayload, played: PlayedMode) -> bool:
    return len({side(person, played) for person in info.participants}) > 1


def participant_outcome(
    person: ParticipantPayload, played: PlayedMode, result: GameResult
) -> ParticipantOutcome:
    if result == "remake":
        return "remake"
    if result in {"aborted", "empty"}:
        return "aborted"
    if played.family == "arena":
        return "placement"
    return "win" if person.win else "loss"


def known_placement(person: ParticipantPayload) -> int | None:
    """1 is first; None where Riot does not say. Early Arena has subteamPlacement only."""
    return person.placement or person.subteam_placement or None


def side(person: ParticipantPayload, played: PlayedMode) -> str:
    """Equal for allies, different for opponents.

    In Arena teamId says nothing about who plays with whom. Where Arena's subteams are unknown
    (0 for all) everybody is on `subteam-0`: that two players fought each other is never claimed.
    """
    if played.family == "arena":
        return f"subteam-{person.player_subteam_id}"
    return f"team-{person.team_id}"


def counts_in_form(info: InfoPayload, played: PlayedMode, result: GameResult) -> bool:
    """Whether it says how well somebody plays at the moment.

    It does if it was made by matchmaking and played to its end by people against people.
    """
    return (
        result == "played"
        and info.game_type.upper() != CUSTOM_GAME
        and not any(person.is_bot for person in info.participants)
        and _has_opponents(info, played)
    )
