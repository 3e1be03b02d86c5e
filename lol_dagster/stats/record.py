"""The stage `player_stats`: from an archived payload to the rows of its game.

The rows are computed anew each time and replace those that are there, so that repeating the
stage changes nothing and a fixed bug reaches old games. What is said about them is messages/.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, literal, select, union, union_all
from sqlalchemy.orm import Session

from lol_dagster.riot.archive import DamagedPayload, load_payload, load_timeline
from lol_dagster.riot.payload import BrokenPayload
from lol_dagster.riot.polling import note_played
from lol_dagster.riot.timeline import BrokenTimeline, parse_timeline
from lol_dagster.stats.course import Course, course_of
from lol_dagster.stats.metrics import (
    damage_share,
    gold_lead_at_15,
    gold_share,
    highlights,
    kda,
    kill_participation,
    lane_opponent,
    per_minute,
    vision_per_min,
)
from lol_dagster.stats.reading import GameReading, ParticipantReading, read_game
from lol_dagster.stats.score import mvps
from lol_dagster.storage.models import (
    Account,
    Base,
    FormerPuuid,
    Game,
    Match,
    Participant,
    Payload,
    PlayerStat,
    Timeline,
)

log = logging.getLogger(__name__)

STATS_CODE_VERSION: Final = "3"
"""To be raised with every change that makes other rows of the same payload."""

_NOT_COLUMNS: Final = ("participants", "has_lanes", "ended_over_behaviour", "without_seat")
"""What a `GameReading` has beyond the columns of `Game`."""

# Statements that are executed for each game, made once: to make one takes longer than to execute it.
_LOCKED = (
    select(Match)
    .where(Match.match_id == bindparam("match_id"))
    .with_for_update()
    .execution_options(populate_existing=True)
)
_KNOWN = (
    select(Payload.sha256, Timeline.sha256, Game.match_id)
    .select_from(Match)
    .outerjoin(Payload, Payload.match_id == Match.match_id)
    .outerjoin(Timeline, Timeline.match_id == Match.match_id)
    .outerjoin(Game, Game.match_id == Match.match_id)
    .where(Match.match_id == bindparam("match_id"))
)
_NAMED = union_all(
    select(FormerPuuid.account_id, FormerPuuid.puuid, literal(0).label("is_present")).where(
        FormerPuuid.puuid.in_(bindparam("puuids", expanding=True))
    ),
    select(Account.id, Account.puuid, literal(1)).where(
        Account.puuid.in_(bindparam("puuids", expanding=True))
    ),
).subquery()
_TRACKED = (
    select(Account, _NAMED.c.puuid)
    .join(_NAMED, _NAMED.c.account_id == Account.id)
    .order_by(_NAMED.c.is_present)  # which counts where a game names both
)
_INTO_GAMES, _INTO_PARTICIPANTS, _INTO_PLAYER_STATS = (
    insert(Base.metadata.tables[model.__tablename__]) for model in (Game, Participant, PlayerStat)
)


@dataclass(frozen=True)
class ArchivedGame:
    """An archived payload as it was understood."""

    game: GameReading
    sha256: str
    """The payload's."""
    course: Course | None
    """From its timeline; None: there is none that could be understood."""
    timeline_sha256: str | None
    """None: no timeline is there."""


def read_archived(session: Session, match_id: str) -> ArchivedGame:
    """Read a game from the archive. Writes nothing.

    Raises:
        BrokenPayload: something is wrong with a field that we need.
        LookupError: its payload is not archived.
    """
    loaded = load_payload(session, match_id)
    game = read_game(match_id, loaded.body, fetched_at=loaded.fetched_at)
    course = None if loaded.timeline_sha256 is None else _read_course(session, game)
    return ArchivedGame(game, loaded.sha256, course, loaded.timeline_sha256)


def _read_course(session: Session, game: GameReading) -> Course | None:
    """A timeline that is lost, damaged or not understood costs the game nothing."""
    try:
        return course_of(game, parse_timeline(game.match_id, load_timeline(session, game.match_id)))
    except LookupError:
        return None
    except (DamagedPayload, BrokenTimeline, ValueError) as error:
        log.warning("Left out: %s", error, extra={"match_id": game.match_id})
        return None


def record_game(
    session: Session, archived: ArchivedGame, *, code_version: str, now: datetime, run_id: str
) -> GameReading:
    """Replace a game's rows, in the caller's transaction.

    `Match.processed_at` is set the first time; the match's state is the caller's. If the archive has changed since
    it was read (the timeline has come, or somebody was forgotten), it is read again.

    Raises:
        BrokenPayload: somebody who is watched took part, as Riot says, and is none of the participants.
        NoResultFound: the match is not known.
    """
    match_id = archived.game.match_id
    # Two runs that record the same game at the same time do so one after the other.
    match = session.scalars(_LOCKED, {"match_id": match_id}).one()
    of_payload, of_timeline, recorded = session.execute(_KNOWN, {"match_id": match_id}).one()
    # Nobody who puts a timeline into the archive would ask for this game again: it is under way.
    if (of_payload, of_timeline) != (archived.sha256, archived.timeline_sha256):
        archived = read_archived(session, match_id)
    game = archived.game
    _check_seats(session, game)
    tracked = _tracked(session, game)

    for table in (PlayerStat, Participant, Game) if recorded else ():
        session.execute(delete(table).where(table.match_id == match_id))
    # Rows and not objects: nothing is asked of them here.
    values = _columns(game, but=_NOT_COLUMNS) | {
        "code_version": code_version,
        "payload_sha256": archived.sha256,
        "course": archived.course and archived.course.to_json(),
    }
    session.execute(_INTO_GAMES, values)
    if game.participants:
        people = [
            {"match_id": match_id, **_columns(person, but=("augments", "feats"))}
            for person in game.participants
        ]
        session.execute(_INTO_PARTICIPANTS, people)
    if tracked:
        best = mvps(game)
        stats = [
            _player_stat_row(archived, person, account, is_mvp=person.participant_id in best)
            for account, person in tracked
        ]
        session.execute(_INTO_PLAYER_STATS, stats)
    if match.processed_at is None:
        match.processed_at = now
    session.flush()
    for account, _ in tracked:
        note_played(session, account.id, game.ended_at, now)

    accounts = [account.riot_id for account, _ in tracked]
    log.info(
        "Recorded %s (%s, %s)", match_id, game.queue_name, game.result,
        extra={"match_id": match_id, "run_id": run_id, "accounts": accounts},
    )  # fmt: skip
    return game


def _check_seats(session: Session, game: GameReading) -> None:
    if not game.without_seat:
        return
    named = union(
        select(Account.id).where(Account.puuid.in_(game.without_seat)),
        select(FormerPuuid.account_id).where(FormerPuuid.puuid.in_(game.without_seat)),
    )
    missing = session.scalars(
        select(Account).where(Account.id.in_(named)).order_by(Account.id)
    ).all()
    if missing:
        names = ", ".join(account.riot_id for account in missing)
        raise BrokenPayload(
            game.match_id,
            [f"metadata.participants: names {names}, who is not in info.participants"],
        )


def _tracked(session: Session, game: GameReading) -> list[tuple[Account, ParticipantReading]]:
    """The accounts that take part, by the puuids that they have and had under other keys: a game
    from before the key was changed names the former ones.
    """
    by_puuid = {person.puuid: person for person in game.participants if person.puuid}
    rows = session.execute(_TRACKED, {"puuids": list(by_puuid)})
    found = {account: by_puuid[puuid] for account, puuid in rows}
    return sorted(found.items(), key=lambda each: each[0].id)


def _columns(reading: GameReading | ParticipantReading, *, but: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in vars(reading).items() if name not in but}


def _player_stat_row(
    archived: ArchivedGame, person: ParticipantReading, account: Account, *, is_mvp: bool
) -> dict[str, Any]:
    """Columns of `PlayerStat`."""
    game, course = archived.game, archived.course
    opponent = lane_opponent(game, person)
    return {
        "match_id": game.match_id,
        "account_id": account.id,
        "player_id": account.player_id,
        "participant_id": person.participant_id,
        "ended_at": game.ended_at,
        "kda": kda(person.kills, person.deaths, person.assists),
        "kill_participation": kill_participation(game, person),
        "cs_per_min": per_minute(person.cs, person.time_played_s) if game.has_lanes else None,
        "gold_per_min": per_minute(person.gold, person.time_played_s),
        "damage_share": damage_share(game, person),
        "gold_share": gold_share(game, person),
        "vision_per_min": vision_per_min(game, person),
        "opponent_id": opponent and opponent.participant_id,
        "gold_at_15": course.gold_at_15.get(person.participant_id) if course else None,
        "gold_lead_at_15": gold_lead_at_15(game, person, course),
        "highlights": list(highlights(game, person, course)),
        "extra": _extra(archived, person, is_mvp) or None,
    }


def _extra(archived: ArchivedGame, person: ParticipantReading, is_mvp: bool) -> dict[str, Any]:
    """What only some games have.

    `subteams`: how many there were in an Arena game; `augments`: Riot's ids in order;
    `stolen`: how many epic monsters; `mvp`: true for who did the most of their side;
    `ended_over_behaviour`: true where Riot ended the game over somebody's behaviour;
    `behind`: by how much gold the side was behind at most, where the timeline tells.
    """
    game = archived.game
    extra: dict[str, Any] = {}
    if subteams := {other.subteam_id for other in game.participants if other.subteam_id}:
        extra["subteams"] = len(subteams)
    if person.augments:
        extra["augments"] = list(person.augments)
    if person.feats.objectives_stolen:
        extra["stolen"] = person.feats.objectives_stolen
    if is_mvp:
        extra["mvp"] = True
    if game.ended_over_behaviour:
        extra["ended_over_behaviour"] = True
    if archived.course is not None:
        _, extra["behind"] = archived.course.most_behind(person.side)
    return extra
