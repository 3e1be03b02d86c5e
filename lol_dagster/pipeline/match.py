"""The life of a match: what each event changes, decided in one pure function.

    unknown ── listed ── fetched ── processed
                 │ │        │           │
                 │ └────────┴───────────┴──── quarantined ── ignored
                 └── not_found

A match is due while `next_try_at` is set. `step` knows no database and no clock; records.py applies
what it returns, row and effects in one transaction, and is the only module that writes these rows.
How two runs, people, time and Riot's answers may interleave is searched in
lol_dagster_tests/pipeline/test_match.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

MatchState = Literal["listed", "fetched", "processed", "quarantined", "ignored", "not_found"]
NotGivenAs = Literal["delayed", "deferred", "not_found"]
RunOutcome = Literal["processed", "quarantined", "failed"] | NotGivenAs
Stage = Literal["games", "player_stats", "messages"]

GIVE_UP_AFTER = timedelta(hours=48)
"""Since Riot first said that it does not have a match that it lists."""
BATCHES_TAKE_OVER_AFTER = timedelta(minutes=10)
"""A run that somebody asked for comes first; if it is lost, the ordinary batches take the match."""
_PAUSES = (
    timedelta(seconds=10),  # a match may be listed some seconds before it can be had
    *(timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 60, 3 * 60, 6 * 60, 12 * 60)),
)
_SHORTEST_DEFERRAL = timedelta(minutes=1)
_LONGEST_DEFERRAL = timedelta(minutes=15)

IGNORABLE: tuple[MatchState, ...] = ("quarantined", "listed", "not_found")
IGNORED_MEANWHILE = "the game was ignored meanwhile"


@dataclass(frozen=True)
class Life:
    """Where a match stands: columns of `storage.models.Match`, and whether its payload is there."""

    state: MatchState
    listed_at: datetime
    next_try_at: datetime | None
    tries: int = 0
    first_missing_at: datetime | None = None
    last_error: str | None = None
    archived: bool = False


# --- Events -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Listed:
    """A match list shows it."""


@dataclass(frozen=True)
class StillListed:
    """The daily deep poll, which reads a whole list, shows it again."""


@dataclass(frozen=True)
class Recognised:
    """An account takes part in it that nobody knew to be one of its participants."""


@dataclass(frozen=True)
class Ranked:
    """How it moved somebody's rank is known now, or otherwise than before."""


@dataclass(frozen=True)
class TimelineArchived:
    """Its timeline has come: there is more to say of it."""


@dataclass(frozen=True)
class RouteAnswers:
    """Riot answers again after an outage."""


@dataclass(frozen=True)
class RunRequested:
    """Somebody asks for it to be taken through all stages (again)."""


@dataclass(frozen=True)
class Ignored:
    """The operator leaves it for good: quarantined, or not given by Riot."""


@dataclass(frozen=True)
class Started:
    """A run begins with it."""

    run_id: str
    wanted: bool
    """Whether a person wants it processed: by a request, or by a run that they started themselves.
    Otherwise a sensor cut the run, maybe before the game was ignored."""


@dataclass(frozen=True)
class FromRun:
    """What a run has found out about it."""

    run_id: str


@dataclass(frozen=True)
class Archived(FromRun):
    """Its payload is in the archive."""


@dataclass(frozen=True)
class Missing(FromRun):
    """Riot lists it and does not give it: 404, 403 for this match alone, or a body that is none."""

    reason: str


@dataclass(frozen=True)
class Deferred(FromRun):
    """Riot could not be asked: its servers fail, or its limits are used up."""

    reason: str
    retry_at: datetime | None = None
    """When its limits allow a call; None: nobody knows."""


@dataclass(frozen=True)
class Processed(FromRun):
    """Its stats and messages are written, in this very transaction."""

    detail: str


@dataclass(frozen=True)
class Failed(FromRun):
    """A stage failed on it."""

    stage: Stage
    code_version: str
    error: str
    traceback: str


Event = (
    Listed | StillListed | Recognised | Ranked | TimelineArchived | RouteAnswers | RunRequested | Ignored
    | Started | Archived | Missing | Deferred | Processed | Failed
)  # fmt: skip


# --- Effects: what else is written in the same transaction --------------------------------------


@dataclass(frozen=True)
class OpenQuarantine:
    """Write the failure into the open quarantine row, or into a new one."""

    failure: Failed


@dataclass(frozen=True)
class CloseQuarantine:
    """Close the open quarantine row, if there is one."""

    closed_as: Literal["processed", "ignored", "delayed", "not_found"]


@dataclass(frozen=True)
class StartRequests:
    """All open run requests are now this run's."""

    run_id: str


@dataclass(frozen=True)
class EndRequests:
    """Close the open run requests that a run has started; without a run, all that are open."""

    outcome: RunOutcome
    detail: str
    run_id: str | None


Effect = OpenQuarantine | CloseQuarantine | StartRequests | EndRequests


@dataclass(frozen=True)
class Step:
    """What an event leads to."""

    life: Life
    effects: tuple[Effect, ...] = ()
    counts: bool = True
    """False: what a run has found out is void, and the run should stop or read again."""


def step(life: Life | None, event: Event, now: datetime) -> Step:
    """What an event changes.

    Args:
        life: Where it stands; None: nobody has heard of it.
    """
    match event:
        case Listed() | Started() if life is None:
            life = Life("listed", listed_at=now, next_try_at=now)
        case RunRequested() if life is None:
            life = Life("listed", listed_at=now, next_try_at=now + BATCHES_TAKE_OVER_AFTER)
    if life is None:
        raise LookupError(f"{type(event).__name__} of a match that nobody has heard of")
    if isinstance(event, FromRun):
        return _from_run(life, event, now)
    match event:
        case Started():
            return _started(life, event, now)
        case RunRequested() if life.state in ("listed", "not_found"):
            return Step(_asked_for_again(life, now))
        case StillListed() | RouteAnswers() if _becomes_due(life, event, now):
            return Step(replace(life, next_try_at=now))
        case Recognised() | Ranked() | TimelineArchived() if life.state == "processed":
            return Step(replace(life, state="fetched", next_try_at=now))
        case Ignored() if life.state in IGNORABLE:
            return Step(
                replace(life, state="ignored", next_try_at=None),
                (CloseQuarantine("ignored"), EndRequests("failed", IGNORED_MEANWHILE, None)),
            )
    return Step(life)


def _from_run(life: Life, event: FromRun, now: datetime) -> Step:
    if life.state == "ignored":
        # Only a person takes that back, and not a run that was under way.
        return Step(life, counts=False)
    match event:
        case Archived():
            return Step(_archived(life, now))
        case Missing() | Deferred() if life.archived:
            return Step(life, counts=False)  # another run was given it meanwhile
        case Missing():
            return _missing(life, event, now)
        case Deferred():
            return _deferred(life, event, now)
        case Processed():
            return Step(
                replace(life, state="processed", next_try_at=None, last_error=None),
                (
                    CloseQuarantine("processed"),
                    EndRequests("processed", event.detail, event.run_id),
                ),
            )
        case Failed():
            return Step(
                replace(life, state="quarantined", next_try_at=None, last_error=event.error),
                (
                    OpenQuarantine(event),
                    EndRequests("quarantined", f"{event.stage}: {event.error}", event.run_id),
                ),
            )
    raise AssertionError(f"no run finds out {event}")


def _started(life: Life, event: Started, now: datetime) -> Step:
    if life.state == "ignored":
        if not event.wanted:
            return Step(life, counts=False)
        life = replace(
            _asked_for_again(replace(life, next_try_at=None), now),
            state="fetched" if life.archived else "listed",
        )
    return Step(life, (StartRequests(event.run_id),))


def _asked_for_again(life: Life, now: datetime) -> Life:
    """With all of its 48 hours; if no run comes of it, the batches have it."""
    later = now + BATCHES_TAKE_OVER_AFTER
    return replace(
        life,
        state="listed",
        tries=0,
        first_missing_at=None,
        next_try_at=min(life.next_try_at or later, later),
    )


def _becomes_due(life: Life, event: StillListed | RouteAnswers, now: datetime) -> bool:
    if isinstance(event, StillListed):
        # It stays `not_found` until Riot gives it: Riot lists some forever that it never does.
        return life.state == "not_found" and life.next_try_at is None
    # Not one that is missing: Riot has answered for that.
    is_later = life.next_try_at is not None and life.next_try_at > now
    return life.state == "listed" and life.first_missing_at is None and is_later


def _archived(life: Life, now: datetime) -> Life:
    life = replace(life, archived=True)
    if life.state not in ("listed", "not_found"):
        return life
    return replace(
        life,
        state="fetched",
        next_try_at=life.next_try_at or now,  # until it is processed: the run may be killed
        first_missing_at=None,
        last_error=None,
    )


def _missing(life: Life, event: Missing, now: datetime) -> Step:
    since = life.first_missing_at or now
    given_up = now - since >= GIVE_UP_AFTER
    # The last try is at the end of the 48 hours, not before.
    pause = _PAUSES[min(life.tries, len(_PAUSES) - 1)]
    after = replace(
        life,
        state="not_found" if given_up else "listed",
        tries=life.tries + 1,
        first_missing_at=since,
        next_try_at=None if given_up else min(now + pause, since + GIVE_UP_AFTER),
        last_error=event.reason,
    )
    word: Literal["not_found", "delayed"] = "not_found" if given_up else "delayed"
    return Step(after, (CloseQuarantine(word), EndRequests(word, event.reason, event.run_id)))


def _deferred(life: Life, event: Deferred, now: datetime) -> Step:
    # The longer it has gone on, the rarer: a quarter of its age.
    pause = min(max((now - life.listed_at) / 4, _SHORTEST_DEFERRAL), _LONGEST_DEFERRAL)
    next_try_at = max(event.retry_at, now) if event.retry_at else now + pause
    return Step(
        replace(life, next_try_at=next_try_at, last_error=event.reason),
        (EndRequests("deferred", event.reason, event.run_id),),
    )
