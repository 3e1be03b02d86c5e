"""A world in which the protocol's core is all there is: one message, two deliverers, a channel.

`moves(world, rules)` is everything that can happen next. Deliverers die anywhere, time jumps
anywhere, answers get lost, requests arrive late. Time is relative: now is always 0, and a jump
shifts what was noted. The explicit-state check walks all of it, Hypothesis deep paths through it.

The assumptions under which the protocol promises anything are limits here (see docs/delivery.md):
how long a deliverer may pause between its last check and its bytes, and how late a request may
still be accepted. So is what the protocol leans on: `Rules` can take each mechanism out.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from lol_dagster.delivery.model import (
    Absent,
    Accepted,
    Answered,
    Claim,
    Decision,
    Deleted,
    Drop,
    Effect,
    Event,
    Found,
    Get,
    HoldBack,
    Intend,
    MarkDelivered,
    Moment,
    More,
    NotSeen,
    NotSent,
    Patch,
    Post,
    PostVerdict,
    Resend,
    Restored,
    Row,
    Scan,
    Seen,
    Send,
    Terms,
    TextChanged,
    Timing,
    Uncertain,
    Unclear,
    Unmarked,
    UnreadableHistory,
    Verdict,
    Withdraw,
)
from lol_dagster.delivery.protocol import change, event_of, may_send, step
from lol_dagster_tests.delivery.proof.answers import fates, is_drawn

_T = TypeVar("_T")

WALL = datetime(2026, 8, 1, tzinfo=UTC)
NOW = Moment(epoch="one", at=0.0, wall=WALL, jitter=1.0)
TIMING = Timing()
NONCE_WINDOW = 120.0

DISCORD_BOT = Terms(settle=5.0, nonce=True, read_back=True, edit=True, resend=False)
SLACK_BOT = Terms(settle=30.0, nonce=False, read_back=True, edit=True, resend=False)
UNREADABLE_DISCORD_BOT = replace(DISCORD_BOT, read_back=False)
BARE_WEBHOOK = Terms(settle=30.0, nonce=False, read_back=False, edit=False, resend=False)
RESENDING_WEBHOOK = replace(BARE_WEBHOOK, resend=True)


def kind_of(terms: Terms) -> str:
    """The kind of channel whose answers are drawn."""
    if terms.nonce:
        return "discord-bot"
    return "slack-bot" if terms.edit else "slack-webhook"


@dataclass(frozen=True)
class Rules:
    """The channel's terms, the assumptions, and which mechanisms are at work."""

    terms: Terms
    pause: float = TIMING.call
    """Longest time from the last check to the end of a POST's call, which ends by its deadline. Before
    the first byte a deliverer pauses within the margin (A1)."""
    delay: float = 30.0
    """When a request that was given up on is accepted no more: so long after that, or with a nonce
    after the last check (A2)."""
    jumps: tuple[float, ...] = (31.0, 61.0)
    """Time passes in these steps. What a call of 10 s, and a claim of which 45 s may pass before a
    call, allow is only seen at steps that are shorter: `STEPS`."""
    scan: bool = True
    visibility_check: bool = True
    durable_intent: bool = True
    second_check: bool = True
    """The claim's age is checked once more after the intent."""
    uncertain_state: bool = True
    fence: bool = True
    """A result is written under the fence of its claim alone."""
    state: bool = True
    """A result is written to a row that is being sent alone."""
    settling: bool = True
    until_the_last_call: bool = True
    """Settling counts from the last moment at which the intended call may begin."""
    timers: bool = True
    """What is not settled is due some time."""
    nonce_window: float = NONCE_WINDOW

    @classmethod
    def of(cls, terms: Terms, **values: object) -> Rules:
        if terms.nonce and terms.read_back:
            values = {"pause": 61.0, "delay": 62.0, "jumps": (61.0,), **values}
        elif terms.nonce:
            # The nonce must outlive the minute that it is trusted for, the age of a claim under
            # which a call may begin (45 s), and this: 60 + 45 + 14 < 120.
            values = {"pause": 14.0, "delay": 15.0, "jumps": (44.0, 59.0), **values}
        return cls(terms, **values)  # type: ignore[arg-type]


STEPS = ((10.0,), (22.0,), (31.0, 61.0))
"""Each a search of its own, since together they make more worlds than can be searched: steps within
one call, within the age of a claim, and beyond settling times and leases."""


@dataclass(frozen=True)
class Standing:
    """A message in the channel."""

    rev: int
    age: float = 0.0
    deleted: bool = False


@dataclass(frozen=True)
class Flight:
    """A request that nobody waits for any more and that may still arrive."""

    effect: Post | Patch
    age: float


@dataclass(frozen=True)
class Worker:
    """A deliverer's memory: what it is about to do, or what it was answered."""

    fence: int = 0
    claim_age: float = 0.0
    effect: Effect | None = None
    checked: bool = False
    """Past its last check; the bytes come next."""
    pause: float = 0.0
    event: Event | None = None
    """Learned, and not yet written down."""
    last_time: bool = False
    """It was tried so often that this time is the last."""

    @property
    def idle(self) -> bool:
        return self.effect is None and self.event is None


@dataclass(frozen=True)
class World:
    row: Row
    workers: tuple[Worker, ...] = (Worker(), Worker())
    channel: tuple[Standing, ...] = ()
    flights: tuple[Flight, ...] = ()
    claims: int = 4
    """How many more there may be."""
    texts: int = 0
    """How many more times the text may change."""
    deletions: int = 0
    decisions: int = 0
    """How many more times the operator may decide."""
    removals: int = 0
    withdrawals: int = 0
    restores: int = 0
    """How many more times a backup may be restored."""
    removed: bool = False
    """The operator took the channel away."""
    withdrawn: bool = False
    """The message was given up, perhaps while somebody was sending it."""

    @property
    def visible(self) -> list[Standing]:
        return [each for each in self.channel if not each.deleted]

    @property
    def at_rest(self) -> bool:
        return all(worker.idle for worker in self.workers) and not self.flights


def begin(**values: int) -> World:
    return World(Row(id="m", created_at=WALL, desired_rev=1, due_at=WALL), **values)  # type: ignore[arg-type]


def _with(value: _T, **changes: object) -> _T:
    """As dataclasses.replace, which takes most of a search's time: without making everything anew."""
    made: _T = object.__new__(type(value))
    fields = vars(made)
    fields.update(vars(value))
    known = len(fields)
    fields.update(changes)
    assert len(fields) == known, f"{changes.keys()} are not its fields"
    return made


Move = tuple[str, World]
Put = Callable[[World, Worker], World]


def moves(world: World, rules: Rules) -> Iterator[Move]:
    """Everything that can happen next."""
    for seconds in rules.jumps:
        if jumped := _jump(world, seconds, rules):
            yield f"{seconds:.0f} s pass", jumped
    for number, flight in enumerate(world.flights):
        rest = _with(world, flights=_without(world.flights, number))
        yield "a request is lost", rest
        yield "a request arrives late", _accept(rest, flight.effect, rules)[0]
    for number, worker in enumerate(world.workers):
        for label, after in _worker_moves(world, worker, number, rules):
            yield f"deliverer {number}: {label}", after
    yield from _moves_of_people(world, rules)


def _moves_of_people(world: World, rules: Rules) -> Iterator[Move]:
    if world.texts:
        row = change(world.row, TextChanged(WALL))
        yield "the text changes", _with(world, row=row, texts=world.texts - 1)
    if world.withdrawals and not world.row.delivered:
        row = change(world.row, Withdraw("it is over"))
        yield "it is withdrawn", _with(world, row=row, withdrawals=0, withdrawn=True)
    if world.restores:
        yield from _restorations(world)
    if world.removals:
        yield "the channel is removed", _with(world, removed=True, removals=0)
    if world.decisions:
        yield from _decisions(world, rules)
    if world.deletions and world.visible:
        gone = tuple(_with(each, deleted=True) for each in world.channel)
        yield "a moderator deletes", _with(world, channel=gone, deletions=world.deletions - 1)


def _restorations(world: World) -> Iterator[Move]:
    """The installation is lost with its deliverers, and goes on from a backup elsewhere. Requests that
    were under way may still arrive; what it had delivered stands in the channel.
    """
    lost = _with(world, workers=(Worker(), Worker()), restores=world.restores - 1, withdrawn=False)
    first = begin().row
    for when, row in (("before it was sent", first), ("of this moment", world.row)):
        yield f"a backup {when} is restored", _with(lost, row=change(row, Restored(WALL)))


OPEN_TO = {
    Resend: {"needs_review"},
    MarkDelivered: {"needs_review", "uncertain", "blocked"},
    Drop: {"needs_review", "uncertain", "blocked"},
}
"""In which states which decision is taken; any other is refused, but `Drop` of an edit that waits or was
refused."""


def is_open_to(row: Row, decision: type[Decision]) -> bool:
    """As `decisions` takes them."""
    stands = row.state == "delivered" and row.remote_id is not None and not row.remote_deleted
    given_up = row.given_up_rev == row.desired_rev
    lacks_an_edit = stands and row.remote_rev != row.desired_rev and not given_up
    return row.state in OPEN_TO[decision] or (decision is Drop and lacks_an_edit)


def may_be_unknown(effect: Effect | None, terms: Terms) -> bool:
    """Whether a POST may be answered that the message is unknown, without the nonce of a deleted one."""
    return isinstance(effect, Post) and not (effect.maybe_before and terms.nonce)


def _decisions(world: World, rules: Rules) -> Iterator[Move]:
    """The operator is no liar, but may be rash."""
    for event in (Resend(rules.terms.read_back), MarkDelivered("1"), Drop()):
        lies = isinstance(event, MarkDelivered) and not world.visible
        void = isinstance(event, Resend) and world.removed
        if is_open_to(world.row, type(event)) and not (lies or void):
            row, _ = _step(world.row, event, rules)
            after = _with(world, row=row, decisions=world.decisions - 1)
            yield f"the operator decides: {type(event).__name__}", after


def _worker_moves(world: World, worker: Worker, number: int, rules: Rules) -> Iterator[Move]:
    def put(after: World, worker: Worker) -> World:
        workers = (*after.workers[:number], worker, *after.workers[number + 1 :])
        return _with(after, workers=workers)

    if worker.idle:
        if world.claims and _claimable(world.row):
            claimed, memory = _claim(world, rules)
            yield "claims", put(claimed, memory)
        return
    yield "dies", put(world, Worker())
    if worker.event is not None:
        yield "writes down", _write_down(world, worker, put, rules)
    else:
        yield from _next_moves(world, worker, put, rules)


def _next_moves(world: World, worker: Worker, put: Put, rules: Rules) -> Iterator[Move]:
    """A deliverer goes on to what it has been asked to do."""
    old = not may_send(worker.claim_age, rules.terms)
    match worker.effect:
        case Send():
            event: Event = HoldBack(WALL, "old") if old else Intend(None)
            yield type(event).__name__, _write_down(world, _with(worker, event=event), put, rules)
        case Post() | Patch() if old and rules.second_check and not worker.checked:
            yield "finds its claim old", put(world, _learned(worker, NotSent("old", 0.0)))
        case Post() | Patch() if not worker.checked:
            yield "checks its claim", put(world, _with(worker, checked=True))
        case Post() | Patch() as effect:
            for label, after, verdict in _sendings(world, worker, effect, rules):
                yield label, put(after, _learned(worker, verdict))
        case looking:
            for label, event in _sights(world, looking, rules):
                yield label, put(world, _with(worker, event=event))
                if world.decisions and isinstance(event, Absent | NotSeen):
                    tired = _with(worker, event=event, last_time=True)
                    yield f"{label} for the last time", put(world, tired)


def _claim(world: World, rules: Rules) -> tuple[World, Worker]:
    row, effects = _step(world.row, Claim("w"), rules)
    if world.removed:
        row, effects = _step(row, Withdraw("its channel was removed"), rules)
    after = _with(world, row=row, claims=world.claims - 1)
    return after, Worker(fence=row.fence, effect=effects[0] if effects else None)


def _sendings(
    world: World, worker: Worker, effect: Post | Patch, rules: Rules
) -> Iterator[tuple[str, World, PostVerdict]]:
    """What can happen to a request, and what the deliverer learns of it."""
    accepted, verdict = _accept(world, effect, rules)
    yield "sends, answered", accepted, verdict
    yield "cannot connect", world, NotSent("refused")
    if may_be_unknown(effect, rules.terms):
        yield "sends, and it is unknown", world, Deleted("unknown message")
    for fate in fates(kind_of(rules.terms), "post" if isinstance(effect, Post) else "edit"):
        if is_drawn(fate.verdict):
            yield f"sends, {fate.fault}", accepted if fate.accepted else world, fate.verdict
    age = worker.pause if rules.terms.nonce else 0.0
    flying = _with(world, flights=(*world.flights, Flight(effect, age)))
    yield "sends, request delayed", flying, Uncertain("delayed")


def _sights(world: World, effect: Effect | None, rules: Rules) -> Iterator[tuple[str, Event]]:
    """What reading the channel can show."""
    there = world.visible
    if isinstance(effect, Get):
        yield "reads", Seen(there[0].rev) if there else Deleted("deleted")
        if there:
            yield "reads what has lost its marker", Unmarked()
    elif isinstance(effect, Scan):
        yield from _pages(effect.position, there, rules)
        yield "scans, and something there may be it", Unclear("no marker")
        unreadable = UnreadableHistory("no permission") if rules.visibility_check else Absent()
        yield "scans an unreadable history", unreadable
    for fate in fates(kind_of(rules.terms), "get" if isinstance(effect, Get) else "scan"):
        if is_drawn(fate.verdict):
            yield f"looks, {fate.fault}", fate.verdict


def _pages(
    position: str | None, there: list[Standing], rules: Rules
) -> Iterator[tuple[str, Event]]:
    """A page of the history, of which one with nothing of ours may have been read before. That was an
    older one on Discord, a newer one on Slack, where what has come since is not seen.
    """
    if there and rules.scan:
        yield "scans", Found("1", there[0].rev)
    is_newer = position is not None and not rules.terms.nonce
    if is_newer or not there or not rules.scan:
        yield "scans, nothing there", Absent()
    if position is None and not there:
        yield "scans a page", More("nothing of ours")


def _learned(worker: Worker, verdict: Verdict) -> Worker:
    assert worker.effect is not None
    return _with(worker, event=event_of(worker.effect, verdict))


def _write_down(world: World, worker: Worker, put: Put, rules: Rules) -> World:
    """Compare-and-set on (id, fence, state)."""
    fenced = rules.fence and world.row.fence != worker.fence
    settled = rules.state and world.row.state != "sending"
    if fenced or settled:
        return put(world, Worker())
    assert worker.event is not None
    row = world.row
    if worker.last_time:
        row = _with(row, uncertain_rounds=TIMING.review_rounds)
    row, effects = _step(row, worker.event, rules)
    after = _with(worker, event=None, last_time=False, effect=effects[0] if effects else None)
    if isinstance(worker.event, Intend) and not rules.durable_intent:
        row = world.row
    return put(_with(world, row=row), after)


def _step(row: Row, event: Event, rules: Rules) -> tuple[Row, tuple[Effect, ...]]:
    row, effects = step(row, event, NOW, rules.terms)
    lost = isinstance(event, Answered) and isinstance(event.verdict, Uncertain)
    if lost and not row.delivered and not rules.uncertain_state:
        row = _with(row, state="pending", sent_maybe=False, settle_until=None)
    if not rules.settling:
        row = _with(row, settle_until=None)
    elif isinstance(event, Intend) and effects and not rules.until_the_last_call:
        row = _with(row, settle_until=NOW.at + TIMING.call + rules.terms.settle)
    if not rules.timers and row.state == "uncertain":
        row = _with(row, due_at=None)
    return row, effects


def _claimable(row: Row) -> bool:
    """Due times only decide when, never whether: here anything may be claimed at any time."""
    if row.state == "sending":
        return row.lease_until is not None and row.lease_until <= 0
    return row.due_at is not None


def _accept(world: World, effect: Post | Patch, rules: Rules) -> tuple[World, Accepted | Deleted]:
    """The channel acts on a request."""
    if isinstance(effect, Patch):
        if not world.visible:
            return world, Deleted("unknown message")
        channel = tuple(
            each if each.deleted else _with(each, rev=effect.rev) for each in world.channel
        )
        return _with(world, channel=channel), Accepted("1", effect.rev)
    known = next((each for each in world.channel if each.age < rules.nonce_window), None)
    if rules.terms.nonce and known is not None:
        return world, Deleted("deleted") if known.deleted else Accepted("1", known.rev)
    return _with(world, channel=(*world.channel, Standing(effect.rev))), Accepted("1", effect.rev)


def _jump(world: World, seconds: float, rules: Rules) -> World | None:
    """Let time pass; None where that is against the assumptions."""
    workers = tuple(_older(worker, seconds) for worker in world.workers)
    for worker in workers:
        if worker.pause > (TIMING.call if isinstance(worker.effect, Patch) else rules.pause):
            return None
    aged = (_with(flight, age=flight.age + seconds) for flight in world.flights)
    latest = {Post: rules.delay, Patch: rules.terms.settle}
    row = world.row
    return _with(
        world,
        row=_with(
            row,
            lease_until=_earlier(row.lease_until, seconds),
            settle_until=_earlier(row.settle_until, seconds),
            first_sent_at=_earlier(row.first_sent_at, seconds, floor=-TIMING.nonce_alone),
        ),
        workers=workers,
        channel=tuple(
            _with(each, age=min(each.age + seconds, NONCE_WINDOW)) for each in world.channel
        ),
        flights=tuple(flight for flight in aged if flight.age < latest[type(flight.effect)]),
    )


def _older(worker: Worker, seconds: float) -> Worker:
    if worker.idle:
        return worker
    pausing = worker.checked and worker.event is None
    return _with(
        worker,
        claim_age=min(worker.claim_age + seconds, TIMING.precheck),
        pause=worker.pause + seconds if pausing else worker.pause,
    )


def _earlier(time: float | None, seconds: float, floor: float = 0.0) -> float | None:
    return None if time is None else max(time - seconds, floor)


def _without(flights: tuple[Flight, ...], number: int) -> tuple[Flight, ...]:
    return (*flights[:number], *flights[number + 1 :])


Key = tuple[int, ...]
"""What equal worlds of a search have in common, and no others."""


class Pieces:
    """Each piece of the worlds of a search once, however many worlds it is in: to see which pieces two worlds have
    takes a fraction of the time that it takes to compare what these say.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._known: dict[object, object] = {}
        self._ids: set[int] = set()

    def normal(self, world: World, known: Container[Key] = ()) -> tuple[Key, World] | None:
        """Without what has no bearing on what can happen, and the key to it; None: that is known."""
        row, channel = world.row, world.channel
        if id(row) not in self._ids:
            row = self._once(_normal_row(row, self._rules))
        if id(channel) not in self._ids:
            if not self._rules.terms.nonce:
                channel = tuple(_with(each, age=0.0) for each in channel)
            channel = self._once(channel)
        first, second = map(self._once, world.workers)
        if id(second) < id(first):
            first, second = second, first
        flights = self._once(world.flights)
        _, _, _, _, *numbers = vars(world).values()
        key = (id(row), id(first), id(second), id(channel), id(flights), *numbers)
        if key in known:
            return None
        pieces = {"row": row, "workers": (first, second), "channel": channel, "flights": flights}
        return key, _with(world, **pieces)

    def _once(self, piece: _T) -> _T:
        if id(piece) in self._ids:
            return piece
        known = self._known.setdefault(piece, piece)
        self._ids.add(id(known))
        return known  # type: ignore[return-value]


def _normal_row(row: Row, rules: Rules) -> Row:
    # On no clock (a backup was restored) the settling time begins with the next claim.
    is_over = row.settle_until == 0 and not row.delivered and row.clock is not None
    settled = row.settle_until is None or is_over
    return _with(
        row,
        last_error=None,
        attempts=0,
        delivered_at=None,
        uncertain_since=None,
        lease_owner=None,
        due_at=None if row.due_at is None else WALL,
        lease_until=row.lease_until if row.state == "sending" else 0.0,
        settle_until=None if settled else row.settle_until,
        first_sent_at=None if rules.terms.read_back else row.first_sent_at,
        uncertain_rounds=0,
        scan_pages=0,
        proven_absent=0,
        edit_rounds=0,
    )


def wrong(world: World, rules: Rules) -> str | None:
    """What must never be."""
    row = world.row
    owners = [each for each in world.workers if each.fence == row.fence and not each.idle]
    if row.delivered and any(isinstance(each.effect, Post) for each in owners):
        return "posts what was delivered"
    if world.withdrawn and row.state != "dropped":
        return "goes on with what was given up"
    if row.state in {"delivered", "needs_review", "dropped"} and owners and not world.withdrawn:
        return "goes on with what is settled"
    if len(world.visible) > 1:
        return "duplicate"
    if row.state == "delivered" and not world.channel and row.evidence != "operator":
        return "called delivered and never posted"
    if row.state in {"pending", "sending", "uncertain", "blocked"} and row.due_at is None:
        return "stuck"
    done = world.at_rest and row.state == "delivered" and row.due_at is None
    believed = done and row.remote_rev == row.desired_rev
    if believed and world.visible and world.visible[0].rev != row.desired_rev:
        return "another text stands there than is believed"
    kept = row.remote_deleted or row.remote_id is None or world.removed or not rules.terms.edit
    if (
        done
        and not kept
        and row.desired_rev not in (row.remote_rev, row.sent_rev, row.given_up_rev)
    ):
        return "the newest text was never sent"
    return None
