"""What fails for days and comes back, and what fails while others pass: the core in virtual time.

One message in each of forty channels; calls take no time, waits are as long as they are drawn.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import pytest

from lol_dagster.delivery.model import (
    Absent,
    Accepted,
    Answered,
    Claim,
    Effect,
    Event,
    Found,
    Get,
    Intend,
    Moment,
    NotSeen,
    Patch,
    Post,
    Row,
    Scan,
    Seen,
    Send,
    Terms,
    TextChanged,
    Uncertain,
)
from lol_dagster.delivery.protocol import change, step
from lol_dagster_tests.delivery.proof.model import DISCORD_BOT, SLACK_BOT

WALL = datetime(2026, 8, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
Kind = Literal["POST", "PATCH", "look"]
BOTS = pytest.mark.parametrize(
    "terms", [pytest.param(DISCORD_BOT, id="discord"), pytest.param(SLACK_BOT, id="slack")]
)


@dataclass
class Service:
    """Messages by number, each in a channel of its own, and a service that fails on demand."""

    terms: Terms
    fails: Callable[[Kind, int, float], bool]
    """Whether a call of this kind about this message meets a server error at this second."""
    random: random.Random = field(default_factory=lambda: random.Random(7))
    rows: dict[int, Row] = field(default_factory=dict)
    standing: dict[int, int] = field(default_factory=dict)
    """The revision of each in its channel."""
    calls: list[tuple[float, int, Kind, bool]] = field(default_factory=list)
    """When, about which message, what, and whether it passed."""

    def write(self, number: int, at: float = 0.0) -> None:
        wall = WALL + timedelta(seconds=at)
        self.rows[number] = Row(f"{number}", created_at=wall, desired_rev=1, due_at=wall)

    def go_on(self, until: float) -> None:
        """Do what is due, in the order in which it is due."""
        due = [(_seconds(row), number) for number, row in self.rows.items() if row.due_at]
        heapq.heapify(due)
        while due and due[0][0] <= until:
            at, number = heapq.heappop(due)
            self._deliver(number, at)
            if self.rows[number].due_at is not None:
                heapq.heappush(due, (max(at, _seconds(self.rows[number])), number))

    def tries(self, number: int, kind: Kind) -> list[float]:
        return [at for at, about, what, _ in self.calls if (about, what) == (number, kind)]

    def _deliver(self, number: int, at: float) -> None:
        effects = self._step(number, Claim("w"), at)
        while effects:
            event = (
                Intend(None) if isinstance(effects[0], Send) else self._call(number, effects[0], at)
            )
            effects = self._step(number, event, at)

    def _call(self, number: int, effect: Effect, at: float) -> Event:
        kind: Kind = "look"
        if isinstance(effect, Post | Patch):
            kind = "POST" if isinstance(effect, Post) else "PATCH"
        failed = self.fails(kind, number, at)
        last = next((each for each in reversed(self.calls) if each[1] == number), None)
        self.calls.append((at, number, kind, not failed))
        match effect:
            case Post(rev, maybe_before):
                return Answered(self._sent(number, rev, failed=failed), maybe_before)
            case Patch(_, rev):
                return Answered(self._sent(number, rev, failed=failed))
            case _ if failed:
                return NotSeen("500")
            case Scan():
                there = self.standing.get(number)
                met_error = last is not None and last[2] == "POST" and not last[3]
                return Absent(met_error) if there is None else Found("1", there)
            case Get():
                return Seen(self.standing[number])
        raise AssertionError(effect)

    def _sent(self, number: int, rev: int, *, failed: bool) -> Accepted | Uncertain:
        if failed:
            return Uncertain("500")
        self.standing[number] = rev
        return Accepted("1", rev)

    def _step(self, number: int, event: Event, at: float) -> tuple[Effect, ...]:
        now = Moment(
            epoch="one",
            at=at,
            wall=WALL + timedelta(seconds=at),
            jitter=self.random.random(),
            others_pass=self._others_pass(number),
        )
        self.rows[number], effects = step(self.rows[number], event, now, self.terms)
        return effects

    def _others_pass(self, number: int) -> bool:
        """As `judging.others_pass`: since it was sent, or read back in vain, before its last call."""
        is_last = True
        for _, about, kind, passed in reversed(self.calls):
            if about != number:
                if passed and kind != "look" and not is_last:
                    return True
            elif is_last:
                is_last = False
            elif kind != "look" or not passed:
                return False
        return False


def _seconds(row: Row) -> float:
    assert row.due_at is not None
    return (row.due_at - WALL).total_seconds()


def states(service: Service) -> set[str]:
    return {row.state for row in service.rows.values()}


@BOTS
@pytest.mark.parametrize("minutes", [30, 60, 600, 3 * 1440])
def test_an_outage_sends_nothing_to_review_however_long(terms: Terms, minutes: int) -> None:
    end = minutes * MINUTE
    service = Service(terms, lambda kind, _, at: kind == "POST" and at < end)
    for number in range(40):
        service.write(number)

    service.go_on(end)
    assert states(service) == {"uncertain"}
    for number in range(40):
        tries = service.tries(number, "POST")
        # An hour is the longest wait, 30 s the longest settling time: so it is tried all day …
        assert all(later - at <= HOUR + 30 for at, later in pairwise(tries))
        # … and not stormed: six tries wait for 15 to 900 s, the others for half an hour on average.
        assert len(tries) <= 15 + 3 * minutes / 60
    service.go_on(end + HOUR + 30)
    assert states(service) == {"delivered"}


@BOTS
def test_an_outage_of_half_of_all_posts_sends_nothing_to_review(terms: Terms) -> None:
    """Others pass all the time, and five server errors are met soon."""
    chance = random.Random(1)
    end = 10 * HOUR
    service = Service(
        terms, lambda kind, _, at: kind == "POST" and at < end and chance.random() < 0.5
    )
    for number in range(40):
        service.write(number)
    # One that is more unlucky than any of them.
    service.write(40)
    usual = service.fails
    service.fails = lambda kind, number, at: (
        (number == 40 and kind == "POST" and at < end) or usual(kind, number, at)
    )
    for hour in range(100, 110):
        service.write(hour, at=(hour - 100) * HOUR)
    service.go_on(end + HOUR + 30)
    assert states(service) == {"delivered"}


@BOTS
def test_what_meets_server_errors_for_a_day_while_others_pass_needs_review(terms: Terms) -> None:
    """Discord answers some payloads with 500 forever (discord-api-docs#6965)."""
    service = Service(terms, lambda kind, number, _: kind == "POST" and number == 0)
    service.write(0)
    for number in range(1, 60):
        service.write(number, at=number * HOUR / 2)
    service.go_on(2 * DAY)
    tries = service.tries(0, "POST")
    assert service.rows[0].state == "needs_review"
    # Tried for the whole day, to its end: the longest wait is an hour.
    assert DAY - HOUR - 30 <= tries[-1] <= DAY + HOUR
    assert {row.state for number, row in service.rows.items() if number} == {"delivered"}


@BOTS
def test_a_message_alone_is_tried_for_days(terms: Terms) -> None:
    """With nothing else to send nobody can tell an outage from a text that the service cannot take."""
    service = Service(terms, lambda kind, _, __: kind == "POST")
    service.write(0)
    service.go_on(7 * DAY)
    assert (service.rows[0].state, service.rows[0].proven_absent) == ("uncertain", 0)


@BOTS
def test_what_cannot_be_looked_for_is_looked_for_until_that_works_again(terms: Terms) -> None:
    end = 3 * DAY
    answers = iter([True])  # the first POST arrives, and its answer is lost

    def fails(kind: Kind, number: int, at: float) -> bool:
        return (kind == "POST" and next(answers, False)) or (kind == "look" and at < end)

    service = Service(terms, fails)
    service.write(0)
    service.standing[0] = 1
    service.go_on(end + HOUR + 30)
    assert (service.rows[0].state, service.rows[0].evidence) == ("delivered", "scan")
    assert service.tries(0, "POST") == [0.0]


@BOTS
def test_an_outage_gives_up_no_correction_however_long(terms: Terms) -> None:
    """Nor does it storm: 54 rounds would be used up within minutes if a GET that is answered let the
    next PATCH go at once.
    """
    end = 3 * DAY
    service = Service(terms, lambda kind, _, at: kind == "PATCH" and at < end)
    service.write(0)
    service.go_on(0.0)
    service.rows[0] = change(service.rows[0], TextChanged(WALL))
    service.go_on(end)
    assert len(service.tries(0, "PATCH")) <= 15 + 3 * 72
    service.go_on(end + HOUR + 30)
    assert (service.standing[0], service.rows[0].due_at) == (2, None)


@BOTS
def test_a_correction_that_fails_for_a_day_while_others_pass_is_given_up(terms: Terms) -> None:
    service = Service(terms, lambda kind, _, __: kind == "PATCH")
    service.write(0)
    service.go_on(0.0)
    service.rows[0] = change(service.rows[0], TextChanged(WALL))
    for number in range(1, 300):
        service.write(number, at=number * MINUTE * 10)
    service.go_on(4 * DAY)
    row = service.rows[0]
    assert (row.state, row.due_at, row.last_error) == ("delivered", None, "500")
    # 54 rounds, of which 48 wait for half an hour on average: a day, give or take a third.
    assert 16 * HOUR <= service.tries(0, "PATCH")[-1] <= 32 * HOUR
