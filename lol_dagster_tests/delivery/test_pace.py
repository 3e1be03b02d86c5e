"""How many calls a service gets in a second, and how soon the next one may begin."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lol_dagster.delivery import pace
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import SendBucket
from lol_dagster_tests._support.fake_channels import NOW

ONE = 1 / 45
"""Seconds from one call to the next: nine tenths of the fifty that are allowed in each."""


def begins(
    database: Database, after: float = 0.0, *, calls: int = 1, scope: str = "token"
) -> float:
    """Seconds from NOW until calls may begin that are asked for `after` so many."""
    with database.writing() as session:
        at = pace.take_turn(session, scope, 50, NOW + timedelta(seconds=after), calls=calls)
    return (at - NOW).total_seconds()


def test_four_calls_more_go_out_at_once_after_a_pause(database: Database) -> None:
    # 0.08 of a second's fifty calls are four.
    found = [begins(database) for _ in range(8)]
    assert found == pytest.approx([0, 0, 0, 0, 0, ONE, 2 * ONE, 3 * ONE], abs=1e-5)
    # After a pause of two calls' time two more may go out.
    after = 5 * ONE
    found = [begins(database, after) for _ in range(3)]
    assert found == pytest.approx([after, after, after + ONE], abs=1e-5)


def test_several_calls_that_go_together_begin_when_the_last_one_may(database: Database) -> None:
    found = [begins(database, calls=3) for _ in range(3)]
    # The second three are calls 4 to 6, of which the sixth may begin one call's time later.
    assert found == pytest.approx([0, ONE, 4 * ONE], abs=1e-5)


def test_each_token_has_turns_of_its_own_beside_its_rate_limit(database: Database) -> None:
    for _ in range(8):
        begins(database)
    assert begins(database, scope="another") == 0
    with database.reading() as session:
        assert session.get(SendBucket, "token") is None
        assert session.get(SendBucket, "pace:token") is not None


@pytest.mark.parametrize(("ahead", "is_believed"), [(5.0, True), (5.001, False)])
def test_what_is_far_ahead_was_written_by_a_clock_that_is(
    database: Database, ahead: float, is_believed: bool
) -> None:
    with database.writing() as session:
        until = NOW + timedelta(seconds=ahead)
        session.add(SendBucket(scope="pace:token", not_before=until))
    # A call may begin four calls' time before its turn.
    expected = ahead - 4 * ONE if is_believed else 0.0
    assert begins(database) == pytest.approx(expected, abs=1e-5)
