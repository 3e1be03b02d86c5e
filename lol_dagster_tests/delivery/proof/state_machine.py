"""The core under Hypothesis: two deliverers, a remote simple enough to be believed, and real time.

Beside `model`, which is searched exhaustively and where time comes in a few jumps: here it is
continuous, messages are claimed only when they are due, waits grow, limits are reached, and the
machine boots anew. What the core leans on can be taken out, as in `mutants`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lol_dagster.delivery.model import (
    Absent,
    Accepted,
    Answered,
    Claim,
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
    NotSent,
    Patch,
    Post,
    Refused,
    Resend,
    Row,
    Scan,
    Seen,
    Send,
    Terms,
    TextChanged,
    Uncertain,
    Unmarked,
    UnreadableHistory,
    Verdict,
    Withdraw,
)
from lol_dagster.delivery.protocol import event_of, may_send, step
from lol_dagster_tests.delivery.proof.answers import Call, Fate, fates, is_drawn
from lol_dagster_tests.delivery.proof.model import (
    NONCE_WINDOW,
    SLACK_BOT,
    is_open_to,
    kind_of,
    may_be_unknown,
)

WALL = datetime(2026, 8, 1, tzinfo=UTC)
TERMINAL = {"delivered", "needs_review", "dropped"}


@dataclass(frozen=True)
class Limits:
    """The assumptions, and what is taken out."""

    pause: float = 0.0
    """Longest pause between the last check of a claim's age and the bytes (0: within the margin)."""
    delay: float = 30.0
    """Latest that a request which was given up on is still accepted."""
    nonce_window: float = NONCE_WINDOW
    without: frozenset[str] = frozenset()

    @classmethod
    def of(cls, terms: Terms, *without: str) -> Limits:
        limits = cls(pause=61.0, delay=58.0) if terms.nonce else cls()
        return replace(limits, without=frozenset(without))


@dataclass
class Standing:
    """A message in the channel."""

    rev: int
    at: float
    deleted: bool = False


class Remote:
    """A channel: takes messages, remembers nonces for a while, edits what stands there."""

    def __init__(self, terms: Terms, limits: Limits) -> None:
        self.messages: list[Standing] = []
        self._nonce = terms.nonce
        self._window = limits.nonce_window

    @property
    def visible(self) -> list[Standing]:
        return [each for each in self.messages if not each.deleted]

    def accept(self, effect: Post | Patch, now: float) -> Accepted | Deleted:
        if isinstance(effect, Patch):
            for each in self.visible:
                each.rev = effect.rev
            return Accepted("1", effect.rev) if self.visible else Deleted("unknown message")
        for each in self.messages:
            if self._nonce and now - each.at < self._window:
                return Deleted("deleted") if each.deleted else Accepted("1", each.rev)
        self.messages.append(Standing(effect.rev, now))
        return Accepted("1", effect.rev)


@dataclass
class Hands:
    """What a deliverer holds in memory."""

    fence: int
    claimed_at: float
    effect: Effect | None
    checked_at: float | None = None
    """When it last checked its claim's age, just before the bytes."""
    event: Event | None = None
    """Learned, and not yet written down."""


@dataclass
class Flight:
    """A request that nobody waits for any more and that may still arrive."""

    effect: Post | Patch
    until: float


FATES = ("answered", "answered", *["answer lost"] * 4, "request lost", "request lost",
         "delayed", "delayed", "no connection")  # fmt: skip
"""Beside what is drawn of the service's answers; first what happens when nothing goes wrong."""

Choose = Callable[[Sequence[Any]], Any]


def drawing(data: st.DataObject) -> Choose:
    return lambda options: data.draw(st.sampled_from(options))


def calm(options: Sequence[Any]) -> Any:
    return options[0]


DECISIONS = [Resend, MarkDelivered, Drop]
SOMETIMES = st.sampled_from([False, False, False, True])
RARELY = st.sampled_from([False] * 9 + [True])


class Delivery(RuleBasedStateMachine):
    """One message on its way."""

    terms: ClassVar[Terms] = SLACK_BOT
    limits: ClassVar[Limits] = Limits()
    is_whole: ClassVar[bool] = True
    """Nothing is taken out, and no assumption broken."""

    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.epoch = 1
        self.row = Row(id="m", created_at=WALL, desired_rev=1, due_at=WALL)
        self.remote = Remote(self.terms, self.limits)
        self.hands: dict[int, Hands] = {}
        self.flights: list[Flight] = []
        self.refused: set[int] = set()
        """Revisions that the channel will not take in the place of what stands there."""
        self.texts, self.decisions, self.removed, self.rash = 3, 2, False, False
        self.others_pass = False

    # --- deliverers ------------------------------------------------------------------------------

    @rule(data=st.data())
    def the_first_deliverer_goes_on(self, data: st.DataObject) -> None:
        self.goes_on(0, drawing(data))

    @rule(data=st.data())
    def the_second_deliverer_goes_on(self, data: st.DataObject) -> None:
        self.goes_on(1, drawing(data))

    @rule(who=st.sampled_from([0, 1]), data=st.data())
    def whichever_goes_on(self, who: int, data: st.DataObject) -> None:
        self.goes_on(who, drawing(data))

    @rule(pass_=st.booleans())
    def other_messages_fare(self, pass_: bool) -> None:
        """What fails is the service, or this message alone."""
        self.others_pass = pass_

    def goes_on(self, who: int, choose: Choose) -> None:
        """To its next step, whichever that is: Hypothesis leaves some rules out of each walk, and
        with a rule for each step would hardly ever get to the end of a send."""
        if who not in self.hands and not self.is_free():
            who = 1 - who  # that one has nothing to do
        hands = self.hands.get(who)
        if hands is None:
            self.claim(who)
        elif hands.event is not None:
            self.write_down(who)
        elif isinstance(hands.effect, Send):
            self.write_intent_down(who)
        elif isinstance(hands.effect, Scan | Get):
            self.read_the_channel(hands, choose)
        elif hands.checked_at is None:
            self.check_claims_age_once_more(who)
        else:
            self.send(who, choose)

    @rule(who=st.sampled_from([0, 1]), really=SOMETIMES)
    def a_deliverer_is_killed(self, who: int, really: bool) -> None:
        if really:
            self.hands.pop(who, None)

    def claim(self, who: int) -> None:
        if not self.is_free():
            return
        effects = self.apply(Claim(f"{who}"))
        if self.removed:
            effects = self.apply(Withdraw("its channel was removed"))
        if effects:
            self.hands[who] = Hands(self.row.fence, self.now, effects[0])

    def write_intent_down(self, who: int) -> None:
        hands = self.hands[who]
        is_young = may_send(self.now - hands.claimed_at, self.terms)
        hands.event = Intend(None) if is_young else HoldBack(self.wall(), "old")
        self.write_down(who)

    def check_claims_age_once_more(self, who: int) -> None:
        hands = self.hands[who]
        is_young = may_send(self.now - hands.claimed_at, self.terms)
        if is_young or "second look" in self.limits.without:
            hands.checked_at = self.now
        else:
            self.learn(hands, NotSent("old", 0.0))

    def send(self, who: int, choose: Choose) -> None:
        hands = self.hands[who]
        effect, checked_at = hands.effect, hands.checked_at
        assert isinstance(effect, Post | Patch)
        assert checked_at is not None
        pause = self.now - checked_at
        if pause > (0.0 if isinstance(effect, Patch) else self.limits.pause):
            del self.hands[who]  # against the assumptions: so it was killed
            return
        drawn = self.drawn("post" if isinstance(effect, Post) else "edit")
        unknown = ["unknown"] if may_be_unknown(effect, self.terms) else []
        fate = choose([*FATES, *unknown, *drawn])
        verdict: Verdict = Uncertain("")
        match fate:
            case "answered":
                verdict = self.remote.accept(effect, self.now)
            case "answer lost":
                self.remote.accept(effect, self.now)
            case "delayed":
                delay = self.limits.delay if isinstance(effect, Post) else self.terms.settle
                self.flights.append(Flight(effect, self.now - pause + delay))
            case "no connection":
                verdict = NotSent("")
            case "unknown":
                verdict = Deleted("unknown message")
            case Fate(_, accepted, verdict):
                if accepted:
                    self.remote.accept(effect, self.now)
        if isinstance(effect, Patch) and isinstance(verdict, Refused):
            self.refused.add(effect.rev)
        self.learn(hands, verdict)

    def read_the_channel(self, hands: Hands, choose: Choose) -> None:
        there = self.remote.visible
        seen: list[Verdict] = []
        if isinstance(hands.effect, Get):
            seen += [Seen(there[0].rev)] * 3 if there else [Deleted("")] * 3
            seen += [Unmarked()] if there else []
            drawn = self.drawn("get")
        else:
            assert isinstance(hands.effect, Scan)
            there = [] if "scan" in self.limits.without else there
            # A page that was read before was a newer one, where there is no nonce: on Slack.
            newer_was_read = hands.effect.position is not None and not self.terms.nonce
            seen += [Found("1", there[0].rev)] * 4 if there else [Absent()] * 4
            seen += [Absent()] if newer_was_read else []
            seen += [More("nothing of ours")] if hands.effect.position is None and not there else []
            unbelieved = "visibility check" not in self.limits.without
            seen += [UnreadableHistory("")] * 2 if unbelieved else [Absent()] * 2
            drawn = self.drawn("scan")
        chosen = choose([*seen, *drawn])
        assert hands.effect is not None
        hands.event = event_of(hands.effect, chosen.verdict if isinstance(chosen, Fate) else chosen)

    def drawn(self, call: Call) -> list[Fate]:
        """What can happen to a call, whatever stands in the channel."""
        return [each for each in fates(kind_of(self.terms), call) if is_drawn(each.verdict)]

    # --- the world -------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 0.0, 0.0, 6.0, 31.0, 61.0, 121.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.flights = [each for each in self.flights if each.until >= self.now]

    @precondition(lambda self: not self.hands and self.row.due_at and not self.is_free())
    @rule()
    def it_is_waited_until_the_message_is_due(self) -> None:
        assert self.row.due_at is not None
        self.time_passes((self.row.due_at - self.wall()).total_seconds() + 0.5)

    @precondition(lambda self: self.flights)
    @rule(fate=st.sampled_from(["under way", "under way", "under way", "lost", "arrives"]))
    def a_late_request_ends(self, fate: str) -> None:
        if fate == "under way":
            return
        flight = self.flights.pop()
        if fate == "arrives":
            self.remote.accept(flight.effect, self.now)

    @precondition(lambda self: not self.flights and not self.hands and self.row.sent_maybe)
    @rule()
    def the_machine_boots(self) -> None:
        self.epoch += 1

    # --- people ----------------------------------------------------------------------------------

    @precondition(lambda self: self.texts and (self.row.sent_maybe or self.hands))
    @rule()
    def the_text_changes(self) -> None:
        self.texts -= 1
        self.apply(TextChanged(self.wall()))

    @precondition(lambda self: self.remote.visible and self.row.delivered)
    @rule()
    def a_moderator_deletes_it(self) -> None:
        for each in self.remote.messages:
            each.deleted = True

    @precondition(
        lambda self: self.decisions and any(is_open_to(self.row, each) for each in DECISIONS)
    )
    @rule(decision=st.sampled_from(DECISIONS), really=SOMETIMES)
    def the_operator_decides(self, decision: type, really: bool) -> None:
        if not really or not is_open_to(self.row, decision) or self.removed:
            return
        if decision is MarkDelivered:
            if self.remote.visible:
                self.apply(MarkDelivered("1"))
        elif decision is Drop:
            self.apply(Drop())
        else:
            self.rash = self.rash or not self.terms.read_back
            self.apply(Resend(self.terms.read_back))
        self.decisions -= 1

    @precondition(lambda self: self.row.fence >= 3 and not self.removed)
    @rule(really=RARELY)
    def the_channel_is_removed(self, really: bool) -> None:
        self.removed = really

    # --- what must never be ----------------------------------------------------------------------

    @invariant()
    def it_is_posted_once(self) -> None:
        assert len(self.remote.visible) <= 1 or self.rash, "duplicate"

    @invariant()
    def nothing_is_called_delivered_that_was_never_posted(self) -> None:
        assert self.row.state != "delivered" or self.remote.messages, "a lie"

    @invariant()
    def whatever_is_not_settled_has_a_timer(self) -> None:
        assert self.row.state in TERMINAL or self.row.due_at is not None, "stuck"

    @invariant()
    def what_was_delivered_is_not_posted(self) -> None:
        posting = any(
            each.fence == self.row.fence and isinstance(each.effect, Post)
            for each in self.hands.values()
        )
        assert not (self.row.delivered and posting), "posts what was delivered"

    def teardown(self) -> None:
        """From wherever it has got to, calm brings an end."""
        if not hasattr(self, "row") or not self.is_whole:
            return
        self.hands, self.flights = {}, []
        for _ in range(60):
            if self.row.due_at is None:
                break
            if self.row.due_at > self.wall():
                self.it_is_waited_until_the_message_is_due()
            if not self.is_free():
                self.now += self.terms.timing.lease
            self.claim(0)
            while self.hands:
                self.goes_on(0, calm)
                self.it_is_posted_once()
        assert self.row.state in TERMINAL, "never settled"
        stands = self.row.state == "delivered" and self.remote.visible and not self.removed
        if stands and self.terms.edit and self.row.remote_id is not None:
            newest = self.remote.visible[0].rev == self.row.desired_rev
            given_up = self.row.given_up_rev == self.row.desired_rev
            assert newest or given_up or self.row.desired_rev in self.refused, "an old text"

    # --- the shell -------------------------------------------------------------------------------

    def wall(self) -> datetime:
        return WALL + timedelta(seconds=self.now)

    def is_free(self) -> bool:
        """As `outbox._claimable`."""
        row = self.row
        in_hand = row.state == "sending" and row.clock == f"{self.epoch}"
        return (
            row.due_at is not None
            and row.due_at <= self.wall()
            and not (in_hand and row.lease_until is not None and row.lease_until > self.now)
        )

    def learn(self, hands: Hands, verdict: Verdict) -> None:
        assert hands.effect is not None
        hands.event = event_of(hands.effect, verdict)
        hands.checked_at = None

    def write_down(self, who: int) -> None:
        """Compare-and-set on (id, fence, state)."""
        hands = self.hands[who]
        mine = self.row.fence == hands.fence and self.row.state == "sending"
        if not mine and "fence" not in self.limits.without:
            del self.hands[who]
            return
        assert hands.event is not None
        before, event = self.row, hands.event
        effects = self.apply(event)
        if isinstance(event, Intend) and "intent" in self.limits.without:
            self.row = before
        hands.event, hands.effect = None, effects[0] if effects else None
        if hands.effect is None:
            del self.hands[who]

    def apply(self, event: Event) -> tuple[Effect, ...]:
        now = Moment(
            f"{self.epoch}", self.now, self.wall(), jitter=0.5, others_pass=self.others_pass
        )
        row, effects = step(self.row, event, now, self.terms)
        without = self.limits.without
        lost = isinstance(event, Answered) and isinstance(event.verdict, Uncertain)
        if "uncertain" in without and lost and not row.delivered:
            row = replace(row, state="pending", sent_maybe=False, settle_until=None)
        if "settling" in without:
            row = replace(row, settle_until=None)
            if row.state == "uncertain":
                row = replace(row, due_at=self.wall())
        if "timers" in without and row.state == "uncertain":
            row = replace(row, due_at=None)
        self.row = row
        return effects


def machine(terms: Terms, limits: Limits, *, is_whole: bool = True) -> type[Delivery]:
    values = {"terms": terms, "limits": limits, "is_whole": is_whole}
    return type("Delivery", (Delivery,), values)
