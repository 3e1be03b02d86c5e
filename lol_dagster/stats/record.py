"""The stage `player_stats`: from an archived payload to the rows of its game.

The rows are computed anew each time and replace those that are there, so that repeating the
stage changes nothing and a fixed bug reaches old games. What is said about them is messages/.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select, union
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
    archived = session.get(Payload, match_id)
    if archived is None:
        raise LookupError(f"{match_id} is not in the archive")
    _, timeline_sha256 = _checksums(session, match_id)
    body = load_payload(session, match_id)
    game = read_game(match_id, body, fetched_at=archived.fetched_at)
    return ArchivedGame(game, archived.sha256, _read_course(session, game), timeline_sha256)


def _checksums(session: Session, match_id: str) -> tuple[str | None, str | None]:
    """Of the payload and the timeline that are archived."""
    row = session.execute(
        select(Payload.sha256, Timeline.sha256)
        .outerjoin(Timeline, Timeline.match_id == Payload.match_id)
        .where(Payload.match_id == match_id)
    ).one_or_none()
    return (None, None) if row is None else (row[0], row[1])


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
    match = session.get_one(Match, match_id, with_for_update=True)
    # Nobody who puts a timeline into the archive would ask for this game again: it is under way.
    if _checksums(session, match_id) != (archived.sha256, archived.timeline_sha256):
        archived = read_archived(session, match_id)
    game = archived.game
    _check_seats(session, game)
    tracked = _tracked(session, game)

    for table in (PlayerStat, Participant, Game):
        session.execute(delete(table).where(table.match_id == match_id))
    session.add(
        Game(
            **_columns(game, but=_NOT_COLUMNS),
            code_version=code_version,
            payload_sha256=archived.sha256,
            course=archived.course and archived.course.to_json(),
        )
    )
    rows = [
        {"match_id": match_id, **_columns(person, but=("augments", "feats"))}
        for person in game.participants
    ]
    if rows:
        # Not as objects, of which there would be ten a game: nothing is asked of them here.
        session.flush()
        session.execute(insert(Participant), rows)
    best = mvps(game)
    session.add_all(
        _player_stat_row(archived, person, account, is_mvp=person.participant_id in best)
        for account, person in tracked
    )
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
    former = select(Account, FormerPuuid.puuid).join(
        FormerPuuid, FormerPuuid.account_id == Account.id
    )
    present = select(Account, Account.puuid)
    found = {
        account: by_puuid[puuid]
        for rows in (
            session.execute(former.where(FormerPuuid.puuid.in_(by_puuid))),
            session.execute(present.where(Account.puuid.in_(by_puuid))),
        )
        for account, puuid in rows
        if puuid
    }
    return sorted(found.items(), key=lambda each: each[0].id)


def _columns(reading: GameReading | ParticipantReading, *, but: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in vars(reading).items() if name not in but}


def _player_stat_row(
    archived: ArchivedGame, person: ParticipantReading, account: Account, *, is_mvp: bool
) -> PlayerStat:
    game, course = archived.game, archived.course
    opponent = lane_opponent(game, person)
    return PlayerStat(
        match_id=game.match_id,
        account_id=account.id,
        player_id=account.player_id,
        participant_id=person.participant_id,
        ended_at=game.ended_at,
        kda=kda(person.kills, person.deaths, person.assists),
        kill_participation=kill_participation(game, person),
        cs_per_min=per_minute(person.cs, person.time_played_s) if game.has_lanes else None,
        gold_per_min=per_minute(person.gold, person.time_played_s),
        damage_share=damage_share(game, person),
        gold_share=gold_share(game, person),
        vision_per_min=vision_per_min(game, person),
        opponent_id=opponent and opponent.participant_id,
        gold_at_15=course.gold_at_15.get(person.participant_id) if course else None,
        gold_lead_at_15=gold_lead_at_15(game, person, course),
        highlights=list(highlights(game, person, course)),
        extra=_extra(archived, person, is_mvp) or None,
    )


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
