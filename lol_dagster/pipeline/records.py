"""The one writer of matches, quarantine and run requests.

Every change of a match is an event (match.py): `record` reads where the match stands, under a lock,
asks `step`, and writes the row and the effects in the caller's transaction. Nothing else in the
package writes these three tables; lol_dagster_tests/pipeline/test_one_writer.py holds that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import cast

from sqlalchemy import CompoundSelect, delete, exists, select, union, update
from sqlalchemy.orm import Session

from lol_dagster.pipeline.match import (
    CloseQuarantine,
    Effect,
    EndRequests,
    Event,
    Failed,
    FromRun,
    Life,
    Listed,
    MatchState,
    OpenQuarantine,
    Recognised,
    RouteAnswers,
    StartRequests,
    Step,
    StillListed,
    step,
)
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    FormerPuuid,
    Game,
    Match,
    Participant,
    Payload,
    PlayerStat,
    Quarantine,
    RankChange,
    RunRequest,
    Timeline,
)
from lol_dagster.storage.upsert import insert_if_absent


def record(session: Session, match_id: str, event: Event, now: datetime) -> Step:
    """Write down what has happened to a match, and all that follows from it.

    Raises:
        LookupError: nobody has heard of the match, and the event does not make it known.
    """
    known = _record_all(session, [match_id], event, now)
    if known:
        return known[0]
    first = step(None, event, now)
    insert_if_absent(session, Match, [{"match_id": match_id, **_columns(first.life)}])
    return _record_all(session, [match_id], event, now)[0]  # also if another was quicker


def forget_matches(session: Session, match_ids: Sequence[str]) -> None:
    """Delete matches with all that is known of them. Nothing refers to them any more but this."""
    for table in (
        RankChange,
        PlayerStat,
        Participant,
        Game,
        Timeline,
        Payload,
        Quarantine,
        RunRequest,
        Match,
    ):
        session.execute(
            delete(table).where(table.match_id.in_(match_ids)),
            execution_options={"synchronize_session": False},
        )


def record_listed(
    database: Database, match_ids: Sequence[str], *, listed_by: int, now: datetime
) -> list[str]:
    """Write down those of the ids that nobody has yet; due at once.

    Returns:
        Them, in the order given.
    """
    ids = list(dict.fromkeys(match_ids))
    with database.reading() as session:
        known = set(session.scalars(select(Match.match_id).where(Match.match_id.in_(ids))))
    unknown = [match_id for match_id in ids if match_id not in known]
    if not unknown:
        return []
    new = {"listed_by": listed_by, **_columns(step(None, Listed(), now).life)}
    with database.writing() as session:
        # Friends share games: two that list the same ones must not wait for each other.
        rows = [{"match_id": each, **new} for each in sorted(unknown)]
        written = insert_if_absent(session, Match, rows)
    return [match_id for match_id in unknown if (match_id,) in written]


def record_still_listed(database: Database, match_ids: Sequence[str], *, now: datetime) -> None:
    """Note that Riot still lists them: those that were given up are asked for once more."""
    given_up = select(Match.match_id).where(
        Match.match_id.in_(match_ids), Match.state == "not_found", Match.next_try_at.is_(None)
    )
    with database.reading() as session:
        found = session.scalars(given_up).all()
    if found:
        with database.writing() as session:
            _record_all(session, found, StillListed(), now)


def record_recognised(
    database: Database, account_id: int, *, since: datetime, now: datetime
) -> None:
    """Let the games be processed again in which an account takes part and does not count: they were
    processed before its puuid was known.

    Args:
        since: Only games that began then or later.
    """
    puuids: CompoundSelect[str | None] = union(
        select(Account.puuid).where(Account.id == account_id),
        select(FormerPuuid.puuid).where(FormerPuuid.account_id == account_id),
    )
    counts = exists().where(
        PlayerStat.match_id == Participant.match_id, PlayerStat.account_id == account_id
    )
    unrecognised = (
        select(Participant.match_id)
        .join(Game, Game.match_id == Participant.match_id)
        .where(Participant.puuid.in_(puuids), Game.started_at >= since, ~counts)
    )
    with database.reading() as session:
        found = session.scalars(unrecognised).all()
    for start in range(0, len(found), 500):
        with database.writing() as session:
            _record_all(session, found[start : start + 500], Recognised(), now)


def record_route_answers(session: Session, *, now: datetime) -> None:
    """Note that Riot answers again: what could not be fetched is due at once."""
    waiting = select(Match.match_id).where(
        Match.next_try_at > now, Match.state == "listed", Match.first_missing_at.is_(None)
    )
    found = session.scalars(waiting).all()
    for start in range(0, len(found), 500):
        _record_all(session, found[start : start + 500], RouteAnswers(), now)


def is_ignored(session: Session, match_id: str) -> bool:
    """Whether it is, locked until the transaction ends."""
    match = session.get_one(Match, match_id, with_for_update=True, populate_existing=True)
    return match.state == "ignored"


def _record_all(
    session: Session, match_ids: Sequence[str], event: Event, now: datetime
) -> list[Step]:
    rows = session.scalars(
        select(Match)
        .where(Match.match_id.in_(match_ids))
        .order_by(Match.match_id)  # locks are always taken in one order
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    archived = set(session.scalars(select(Payload.match_id).where(Payload.match_id.in_(match_ids))))
    return [_apply(session, row, row.match_id in archived, event, now) for row in rows]


def _apply(session: Session, row: Match, archived: bool, event: Event, now: datetime) -> Step:
    taken = step(
        Life(
            state=cast("MatchState", row.state),
            listed_at=row.listed_at,
            next_try_at=row.next_try_at,
            tries=row.tries,
            first_missing_at=row.first_missing_at,
            last_error=row.last_error,
            archived=archived,
        ),
        event,
        now,
    )
    for name, value in _columns(taken.life).items():
        setattr(row, name, value)
    if isinstance(event, FromRun) and taken.counts:
        row.run_id = event.run_id
    session.flush()
    for effect in taken.effects:
        _do(session, row.match_id, effect, now)
    return taken


def _columns(life: Life) -> dict[str, object]:
    columns = asdict(life)
    del columns["archived"]
    columns["last_error"] = life.last_error and life.last_error[:500]
    return columns


def _do(session: Session, match_id: str, effect: Effect, now: datetime) -> None:
    match effect:
        case OpenQuarantine(failure):
            _open_quarantine(session, match_id, failure, now)
        case CloseQuarantine(closed_as):
            session.execute(
                update(Quarantine)
                .where(Quarantine.match_id == match_id, Quarantine.closed_at.is_(None))
                .values(closed_at=now, closed_as=closed_as)
            )
        case StartRequests(run_id):
            session.execute(
                update(RunRequest)
                .where(RunRequest.match_id == match_id, RunRequest.finished_at.is_(None))
                .values(run_id=run_id, started_at=now)
            )
        case EndRequests(outcome, detail, run_id):
            theirs = update(RunRequest).where(
                RunRequest.match_id == match_id, RunRequest.finished_at.is_(None)
            )
            if run_id is not None:
                theirs = theirs.where(
                    RunRequest.run_id == run_id, RunRequest.started_at.is_not(None)
                )
            session.execute(theirs.values(outcome=outcome, detail=detail[:500], finished_at=now))


def _open_quarantine(session: Session, match_id: str, failure: Failed, now: datetime) -> None:
    row = open_quarantine(session, match_id)
    if row is None:
        row = Quarantine(match_id=match_id, quarantined_at=now, run_id=failure.run_id, tries=0)
        session.add(row)
    row.stage = failure.stage
    row.error = failure.error
    row.traceback = failure.traceback
    row.code_version = failure.code_version
    row.tries += 1
    session.flush()


def open_quarantine(session: Session, match_id: str) -> Quarantine | None:
    """The match's open row; there is at most one."""
    return session.scalar(
        select(Quarantine).where(Quarantine.match_id == match_id, Quarantine.closed_at.is_(None))
    )


def note_shown(database: Database, match_id: str, run_id: str) -> None:
    """Remember the run in which a quarantined game failed visibly, so that none is asked for again."""
    with database.writing() as session:
        session.execute(
            update(Quarantine)
            .where(Quarantine.match_id == match_id, Quarantine.closed_at.is_(None))
            .values(shown_run_id=run_id)
        )


def note_run_lost(
    database: Database, row_id: int, run_id: str, *, stage: str, code_version: str
) -> None:
    """Remember a quarantined game's own run that ended without a verdict: it is not tried again.

    Args:
        stage: Of the row when the run was asked for; another one has failed meanwhile if it differs.
        code_version: Of the stage that the run would have tried.
    """
    with database.writing() as session:
        session.execute(
            update(Quarantine)
            .where(
                Quarantine.id == row_id, Quarantine.closed_at.is_(None), Quarantine.stage == stage
            )
            .values(shown_run_id=run_id, code_version=code_version)
        )


def add_request(
    session: Session, match_id: str, who: str, reason: str, *, now: datetime
) -> RunRequest:
    request = RunRequest(
        match_id=match_id, requested_at=now, requested_by=who[:120], reason=reason[:200]
    )
    session.add(request)
    session.flush()
    return request


def note_queued(session: Session, request_ids: Iterable[int], run_key: str) -> None:
    """Note that a run was asked for that will do what is requested."""
    _update_requests(session, request_ids, run_key=run_key)


def note_run(session: Session, request_ids: Iterable[int], run_id: str) -> None:
    """Note which run it is that was asked for."""
    _update_requests(session, request_ids, run_id=run_id)


def note_lost(session: Session, request_ids: Iterable[int], detail: str, *, now: datetime) -> None:
    """Note that the run of these ended without having done it."""
    _update_requests(session, request_ids, outcome="failed", detail=detail[:500], finished_at=now)


def _update_requests(session: Session, request_ids: Iterable[int], **values: object) -> None:
    session.execute(
        update(RunRequest)
        .where(RunRequest.id.in_(list(request_ids)), RunRequest.finished_at.is_(None))
        .values(**values)
    )
