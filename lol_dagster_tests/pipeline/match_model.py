"""A world in which the life of a match is all there is: two runs, people, Riot, and time.

`moves(world, rules)` is everything that can happen next. Runs are cut by sensors or started by hand,
begin late, die anywhere and write down late; Riot gives, does not give, or cannot be asked, in any
order. Time is relative: now is always `NOW`, and a jump shifts what was noted. `Rules` can take each
rule of the life out; the search must then find something wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Literal

from lol_dagster.pipeline.match import (
    GIVE_UP_AFTER,
    IGNORABLE,
    Archived,
    CloseQuarantine,
    Deferred,
    Effect,
    EndRequests,
    Event,
    Failed,
    FromRun,
    Ignored,
    Life,
    Listed,
    Missing,
    OpenQuarantine,
    Processed,
    Ranked,
    Recognised,
    RunRequested,
    Started,
    Step,
    StillListed,
    TimelineArchived,
    step,
)

NOW = datetime(2026, 8, 1, tzinfo=UTC)

CutBy = Literal["batch", "quarantine", "request", "hand"]
WAITING = -1
"""In place of the run that has started a request: none has."""


@dataclass(frozen=True)
class Rules:
    """Which rules of the life are at work."""

    ignoring_wins: bool = True
    """What a run finds out about an ignored game is void."""
    sensors_leave_ignored: bool = True
    """A run that a sensor cut does not begin with an ignored game."""
    ignoring_ends_requests: bool = True
    archive_wins: bool = True
    """A 404 is void once the payload is there."""
    fetched_is_due: bool = True
    one_open_row: bool = True
    """A failure is written into the open quarantine row."""
    verdict_closes_row: bool = True
    one_transaction: bool = True
    """The verdict and what the requests hear of it are written together."""
    not_found_stays: bool = True
    """Riot's silence does not revive a match that was given up."""
    missing_is_due: bool = True


@dataclass(frozen=True)
class Run:
    """What one run is doing."""

    phase: Literal["idle", "queued", "asks", "knows", "works", "reports"] = "idle"
    cut_by: CutBy = "batch"
    known: Event | None = None
    """What Riot has answered, not yet written down."""


@dataclass(frozen=True)
class World:
    life: Life
    runs: tuple[Run, ...] = (Run(), Run())
    open_rows: int = 0
    requests: tuple[int, ...] = ()
    """Those that are open: which run has started each, or WAITING."""
    wanted: bool = True
    """Whether the last word of a person was not to ignore it."""
    wrong: str | None = None
    """What has happened that must not."""
    starts: int = 3
    """How many more runs there may be."""
    asks: int = 1
    hands: int = 1
    ignores: int = 1
    relists: int = 1


def begin(**values: int) -> World:
    return World(Life("listed", listed_at=NOW, next_try_at=NOW), **values)  # type: ignore[arg-type]


Move = tuple[str, World]
Put = Callable[[World, Run], World]


def moves(world: World, rules: Rules) -> Iterator[Move]:
    """Everything that can happen next."""
    yield "48 hours pass", _jump(world, GIVE_UP_AFTER)
    if world.relists:
        after = replace(world, relists=world.relists - 1)
        yield "Riot still lists it", _apply(after, StillListed(), rules)
        yield "another account lists it", _apply(after, Listed(), rules)
        yield "another account is recognised in it", _apply(after, Recognised(), rules)
        yield "its LP is known", _apply(after, Ranked(), rules)
        yield "its timeline has come", _apply(after, TimelineArchived(), rules)
    if world.asks:
        asked = _apply(replace(world, asks=world.asks - 1, wanted=True), RunRequested(), rules)
        yield "somebody requests a run", replace(asked, requests=(*asked.requests, WAITING))
    if world.ignores and world.life.state in IGNORABLE:
        after = replace(world, ignores=world.ignores - 1, wanted=False)
        yield "the operator ignores it", _apply(after, Ignored(), rules)
    for number, run in enumerate(world.runs):
        for label, after in _moves_of_run(world, number, run, rules):
            yield f"run {number} {label}", after


def _moves_of_run(world: World, number: int, run: Run, rules: Rules) -> Iterator[Move]:
    put = partial(_put, number)
    if run.phase != "idle":
        yield "dies", put(_lose(world, number, run), Run())
    match run.phase:
        case "idle":
            yield from _new_runs(world, put)
        case "queued":
            yield "begins", _begin(world, number, run, rules, put)
        case "asks":
            for answer in (Archived("r"), Missing("r", "404"), Deferred("r", "503")):
                knowing = replace(run, phase="knows", known=answer)
                yield f"hears {type(answer).__name__}", put(world, knowing)
            yield "fails at games", _verdict(world, number, _failed("games"), rules, put)
        case "knows":
            yield "writes down", _write_down(world, number, run, rules, put)
        case "works":
            for verdict in _verdicts(world, rules):
                after = _verdict(world, number, verdict, rules, put)
                yield f"comes to {type(verdict).__name__}", after
        case "reports":
            yield "reports", put(_end_requests(world, number), Run())


def _put(number: int, world: World, run: Run) -> World:
    return replace(world, runs=(*world.runs[:number], run, *world.runs[number + 1 :]))


def _verdicts(world: World, rules: Rules) -> Iterator[Event]:
    if world.life.state != "ignored" or not rules.ignoring_wins:
        yield Processed("r", "")
    yield _failed("player_stats")


def _new_runs(world: World, put: Put) -> Iterator[Move]:
    for cut_by in _reasons_to_run(world):
        hands = world.hands - (cut_by == "hand")
        after = replace(world, starts=world.starts - 1, hands=hands)
        yield f"is cut by {cut_by}", put(after, Run("queued", cut_by))


def _reasons_to_run(world: World) -> Iterator[CutBy]:
    if not world.starts:
        return
    if world.life.next_try_at is not None and world.life.next_try_at <= NOW:
        yield "batch"
    if world.open_rows:
        yield "quarantine"
    if WAITING in world.requests:
        yield "request"
    if world.hands:
        yield "hand"


def _begin(world: World, number: int, run: Run, rules: Rules, put: Put) -> World:
    by_hand = run.cut_by == "hand"
    wanted = by_hand or bool(world.requests) or not rules.sensors_leave_ignored
    begun, taken = _step(
        replace(world, wanted=world.wanted or by_hand), Started(str(number), wanted), rules
    )
    if not taken.counts:
        return put(begun, Run())
    requests = tuple(number for _ in begun.requests)
    return put(replace(begun, requests=requests), Run("works" if world.life.archived else "asks"))


def _write_down(world: World, number: int, run: Run, rules: Rules, put: Put) -> World:
    event = run.known
    assert event is not None
    if isinstance(event, Archived):
        world = replace(world, life=replace(world.life, archived=True))
    after, taken = _step(world, event, rules)
    if after.life.archived:
        return put(after, Run("works"))
    if taken.counts:
        after = _end_requests(after, number)
    return put(after, Run())


def _verdict(world: World, number: int, event: Event, rules: Rules, put: Put) -> World:
    """The one transaction at the end."""
    after, taken = _step(world, event, rules)
    if isinstance(event, Processed) and not world.wanted:
        after = replace(after, wrong="announces what was ignored")
    if not taken.counts:
        return put(after, Run())
    if not rules.one_transaction:
        return put(after, Run("reports"))
    return put(_end_requests(after, number), Run())


def _end_requests(world: World, number: int) -> World:
    return replace(world, requests=tuple(each for each in world.requests if each != number))


def _lose(world: World, number: int, run: Run) -> World:
    """A run dies; the sensor closes as failed what it had started."""
    lost = _end_requests(world, number)
    if run.phase == "reports" and lost.requests != world.requests:
        return replace(lost, wrong="a request fails although its run had come to a verdict")
    return lost


def _failed(stage: Literal["games", "player_stats"]) -> Failed:
    return Failed("r", stage, "1", "E", "")


def _apply(world: World, event: Event, rules: Rules) -> World:
    return _step(world, event, rules)[0]


def _step(world: World, event: Event, rules: Rules) -> tuple[World, Step]:
    before = life = world.life
    if isinstance(event, FromRun) and life.state == "ignored" and not rules.ignoring_wins:
        life = replace(life, state="quarantined")
    if isinstance(event, Missing | Deferred) and not rules.archive_wins:
        life = replace(life, archived=False)
    taken = step(life, event, NOW)
    after = replace(taken.life, archived=taken.life.archived or world.life.archived)
    if isinstance(event, Archived) and not rules.fetched_is_due:
        after = replace(after, next_try_at=before.next_try_at)
    if isinstance(event, Missing) and not rules.missing_is_due:
        after = replace(after, next_try_at=None)
    silent = isinstance(event, Missing | Deferred | StillListed | Listed)
    if before.state == "not_found" and silent and not rules.not_found_stays:
        after = replace(after, state="listed", next_try_at=after.next_try_at or NOW)
    world = replace(world, life=after)
    if silent and before.state == "not_found" and after.state != "not_found":
        world = replace(world, wrong="silence revives what was given up")
    for effect in taken.effects:
        world = _do(world, effect, rules)
    return world, taken


def _do(world: World, effect: Effect, rules: Rules) -> World:
    match effect:
        case OpenQuarantine():
            rows = world.open_rows
            return replace(world, open_rows=max(rows, 1) if rules.one_open_row else rows + 1)
        case CloseQuarantine() if rules.verdict_closes_row:
            return replace(world, open_rows=0)
        case EndRequests(run_id=None) if rules.ignoring_ends_requests:
            return replace(world, requests=())
    return world  # the requests of a run: `_begin`, `_end_requests`


def _jump(world: World, jump: timedelta) -> World:
    life = world.life
    due, missing = life.next_try_at, life.first_missing_at
    return replace(
        world,
        life=replace(
            life,
            next_try_at=None if due is None else max(due - jump, NOW),
            first_missing_at=None if missing is None else max(missing - jump, NOW - GIVE_UP_AFTER),
        ),
    )


def normal(world: World) -> World:
    """Without what has no bearing on what can happen, so that equal worlds are equal."""
    life = replace(
        world.life,
        listed_at=NOW,
        last_error=None,
        tries=0,
        # It only decides when, never whether: here any run may begin at any time.
        next_try_at=world.life.next_try_at and NOW,
    )
    first, second = world.runs
    requests = tuple(sorted(world.requests))
    if repr(second) < repr(first):
        first, second = second, first
        requests = tuple(sorted(each if each == WAITING else 1 - each for each in requests))
    return replace(world, life=life, runs=(first, second), requests=requests)


def wrong(world: World, rules: Rules) -> str | None:
    """What must never be."""
    life = world.life
    if world.wrong:
        return world.wrong
    if world.open_rows > 1:
        return "two open quarantine rows"
    if (world.open_rows == 1) != (life.state == "quarantined"):
        return "the quarantine says something else than the state"
    if life.state in {"listed", "fetched"} and life.next_try_at is None:
        return "lost"
    if life.state in {"processed", "ignored"} and life.next_try_at is not None:
        return "due although it is at rest"
    if life.state in {"fetched", "processed"} and not life.archived:
        return "fetched without a payload"
    if life.state in {"listed", "not_found"} and life.archived:
        return "waits for a payload that is there"
    held = {each for each in world.requests if each != WAITING}
    if any(world.runs[number].phase in {"idle", "queued"} for number in held):
        return "a request is left behind by its run"
    return None if _comes_to_an_end(life, rules) else "due forever"


@cache
def _comes_to_an_end(life: Life, rules: Rules) -> bool:
    """Whether a match that is due is processed if from now on Riot gives it and no run dies, and
    given up if it never does."""
    if life.next_try_at is None:
        return True
    world = World(replace(life, next_try_at=NOW), open_rows=life.state == "quarantined")
    begun, taken = _step(world, Started("0", False), rules)
    given = replace(begun.life, archived=True)
    done, _ = _step(replace(begun, life=given), Archived("0"), rules)
    done, verdict = _step(done, Processed("0", ""), rules)
    if not taken.counts or not verdict.counts or done.life.state != "processed":
        return False
    if life.archived:
        return True
    for _ in range(30):
        if world.life.next_try_at is None:
            return world.life.state == "not_found"
        world = _apply(_jump(world, world.life.next_try_at - NOW), Missing("0", "404"), rules)
    return False
