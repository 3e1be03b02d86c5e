"""The limiter's rules, on a clock that only the test moves, on both databases."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest
from sqlalchemy import func, select

from lol_dagster.riot.limiter import (
    FIRST_ALONE_S,
    LEASE_S,
    LONGEST_HOLD_S,
    Priority,
    RateLimiter,
    Reservation,
    Wait,
    edge_s,
)
from lol_dagster.riot.rate_headers import RateHeaders, read_rate_headers
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import RateCall, RateWindow
from lol_dagster_tests.riot.fake_riot import Time

NOTHING = read_rate_headers({})
about = partial(pytest.approx, abs=1e-5)
"""Seconds; between two moments of the epoch they are exact to some tenths of a microsecond."""


def says(
    app: str = "", app_count: str = "", method: str = "2000:10", method_count: str = "", **more: str
) -> RateHeaders:
    return read_rate_headers(
        {
            "X-App-Rate-Limit": app,
            "X-App-Rate-Limit-Count": app_count,
            "X-Method-Rate-Limit": method,
            "X-Method-Rate-Limit-Count": method_count,
            **{name.replace("_", "-"): value for name, value in more.items()},
        }
    )


class Bench:
    """One key's limiter and its clock."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.time = Time()
        self.limiter = self.another_process()

    def another_process(self, key: str = "key") -> RateLimiter:
        return RateLimiter(self.database, key, clock=self.time.clock, rng=Random(1))

    def ask(
        self, priority: Priority = "live", route: str = "americas", method: str = "match"
    ) -> Reservation | Wait:
        return self.limiter.reserve(route, method, priority)

    def take(
        self, priority: Priority = "live", route: str = "americas", method: str = "match"
    ) -> Reservation:
        turn = self.ask(priority, route, method)
        assert isinstance(turn, Reservation)
        return turn

    def wait(self, *args: str, **more: str) -> float:
        turn = self.ask(*args, **more)  # type: ignore[arg-type]
        assert isinstance(turn, Wait)
        return turn.seconds

    def call(self, said: RateHeaders, status: int = 200, **where: str) -> float:
        """A call that takes no time."""
        return self.limiter.observe(self.take(**where), status, said)  # type: ignore[arg-type]

    def counted(self) -> dict[str, int]:
        """Route's scope → calls that its windows have counted."""
        with self.database.reading() as session:
            windows = session.scalars(select(RateWindow).order_by(RateWindow.seconds)).all()
        return {
            window.scope.rpartition("/")[2]: sum(number for _, number in window.calls)
            for window in windows
        }

    def calls_until_full(self, said: RateHeaders, priority: Priority = "live") -> int:
        number = 0
        while isinstance(turn := self.ask(priority), Reservation):
            self.limiter.observe(turn, 200, said)
            number += 1
        return number


@pytest.fixture
def bench(any_database: Database) -> Bench:
    return Bench(any_database)


def test_before_limits_are_known_one_call_at_a_time_goes_out(bench: Bench) -> None:
    first = bench.take()
    assert 0 < bench.wait() < 1, "the others may ask again soon"

    bench.limiter.observe(first, 200, says("3:1"))

    # One of the three is used.
    bench.take()
    bench.take()
    assert bench.wait() > 0


def test_a_first_call_that_is_never_answered_lets_another_go_each_second(bench: Bench) -> None:
    bench.take()
    for _ in range(2):
        bench.time.now += FIRST_ALONE_S - 0.1
        assert bench.wait() > 0
        bench.time.now += 0.1
        latest = bench.take()

    bench.limiter.observe(latest, 200, says("4:10"))

    # Three of the four are used, as the two that have no answer may have been counted.
    bench.take()
    assert bench.wait() > 0


def test_where_answers_have_no_limits_20_calls_a_second_go_out(bench: Bench) -> None:
    bench.call(NOTHING)
    assert bench.calls_until_full(NOTHING) == 19
    bench.time.now += 1 + edge_s(1)
    assert bench.calls_until_full(NOTHING) == 20


def test_that_a_match_is_not_there_is_the_endpoints_own_answer(bench: Bench) -> None:
    bench.call(NOTHING, status=404)
    bench.take()
    bench.take()  # not a second later: there are no limits to find out


@pytest.mark.parametrize("status", [400, 403, 500, 503])
def test_an_error_from_the_edge_does_not_count_as_no_limits(bench: Bench, status: int) -> None:
    bench.call(NOTHING, status=status)
    bench.take()
    assert bench.wait() > 0, "still a second apart"


def test_a_full_window_opens_when_its_calls_cannot_share_one_with_the_next(bench: Bench) -> None:
    """Riot counts a call between reservation and answer: what was answered at t weighs until
    t + length. Calls answered at 0.0, 0.4 and 0.8 fill 3 in 1 second; the first leaves at 1.0.
    """
    limits = says("3:1")
    bench.call(limits)
    bench.time.now += 0.4
    bench.call(limits)
    bench.time.now += 0.4
    bench.call(limits)

    assert bench.wait() == about(0.2 + edge_s(1))
    bench.time.now += 0.2 + edge_s(1)
    bench.call(limits)
    assert bench.wait() == about(0.4), "the second leaves 0.4 s after the first"


def test_the_call_that_was_answered_first_leaves_first(bench: Bench) -> None:
    limits = says("2:100", method="9:1")
    bench.call(limits)
    bench.time.now += 101
    early, late = bench.take(), bench.take()
    bench.time.now += 1
    bench.limiter.observe(late, 200, limits)
    bench.time.now += 4
    bench.limiter.observe(early, 200, limits)
    # One was answered 4 s ago, and leaves 96 s and the edge from now.
    assert bench.wait() == about(96 + edge_s(100))


def test_calls_of_another_route_do_not_open_a_window(bench: Bench) -> None:
    limits = says("1:100", method="9:1")
    bench.call(limits, route="europe")
    bench.time.now += 50
    bench.call(limits)
    assert bench.wait() == about(100 + edge_s(100))


def test_where_limits_shrank_as_many_calls_have_to_leave_as_are_too_many(bench: Bench) -> None:
    for said in (says("9:100", method="9:1"), says("9:100", method="9:1"), says("1:100")):
        bench.call(said)
        bench.time.now += 10
    # All three, of which the last was answered 10 s ago.
    assert bench.wait() == about(90 + edge_s(100))


def test_a_slow_call_weighs_from_its_answer_on(bench: Bench) -> None:
    bench.call(says("1:1"))
    bench.time.now += 5
    slow = bench.take()
    bench.time.now += 4
    assert bench.wait() == about(1 + edge_s(1)), "it may be over now, and weighs 1 s then"
    bench.limiter.observe(slow, 200, says("1:1"))
    bench.time.now += 0.9
    assert bench.wait() == about(0.1 + edge_s(1))


def test_every_window_of_both_scopes_binds(bench: Bench) -> None:
    limits = says("10:1,15:100", method="4:1")
    bench.call(limits)
    assert bench.calls_until_full(limits) == 3, "the method's 4"
    bench.time.now += 1 + edge_s(1)
    assert bench.calls_until_full(limits) == 4
    bench.time.now += 1 + edge_s(1)
    assert bench.calls_until_full(limits) == 4
    bench.time.now += 1 + edge_s(1)
    assert bench.calls_until_full(limits) == 3, "the application's 15 in 100 seconds"
    assert bench.wait() > 95


def test_scopes_are_per_key_per_route_and_per_method(bench: Bench) -> None:
    limits = says("2:100", method="1:100")
    bench.call(limits)
    bench.wait()
    bench.call(limits, method="ids")  # its own method window; the application's second call
    assert bench.wait(method="league") > 90, "the application's window of this route is full"
    bench.call(limits, route="europe")
    bench.limiter = bench.another_process(key="another")
    bench.call(limits)


def test_processes_share_the_windows(bench: Bench) -> None:
    bench.call(says("2:10"))
    other = bench.another_process()
    assert isinstance(other.reserve("americas", "match", "live"), Reservation)
    assert bench.wait() > 9


def test_a_restart_does_not_burst(bench: Bench) -> None:
    bench.call(says("5:1,100:120"))
    bench.calls_until_full(says("5:1,100:120"))

    bench.limiter = bench.another_process()

    assert bench.wait() > 0
    bench.time.now += 1 + edge_s(1)
    assert bench.calls_until_full(says("5:1,100:120")) == 5, "the limits are remembered, too"


@pytest.mark.parametrize(("priority", "calls"), [("live", 10), ("backfill", 6)])
def test_what_matters_less_leaves_capacity_for_what_matters_more(
    bench: Bench, priority: Priority, calls: int
) -> None:
    limits = says("10:120")
    bench.call(limits)
    assert bench.calls_until_full(limits, priority) == calls - 1
    if priority != "live":
        bench.take("live")


def test_the_smallest_window_still_lets_every_kind_through(bench: Bench) -> None:
    bench.call(says("1:1"))
    bench.time.now += 1 + edge_s(1)
    bench.take("backfill")


def test_limits_that_shrink_grow_or_vanish_are_obeyed_from_the_next_call_on(bench: Bench) -> None:
    bench.call(says("10:100"))
    bench.call(says("3:100"))
    bench.call(says("3:100"))
    assert bench.wait() > 90, "shrunk to 3"

    bench.time.now += 200
    bench.call(says("8:50,1000:60"))
    assert bench.calls_until_full(NOTHING) == 7, "grown to 8; an answer without keeps what is known"
    assert bench.wait() == about(50 + edge_s(50)), "the window of 100 seconds is gone"


def test_calls_of_another_program_with_our_key_are_reckoned_with(bench: Bench) -> None:
    """Riot says 97 of 100 where we know of 1: three are left."""
    bench.call(says("100:120", "97:120"))
    assert bench.calls_until_full(says("100:120")) == 3
    assert bench.wait() == about(120 + edge_s(120))


def test_a_single_call_of_another_program_is_reckoned_with(bench: Bench) -> None:
    bench.call(says("3:100", "2:100"))
    assert bench.calls_until_full(says("3:100")) == 1


def test_a_method_has_counts_of_its_own(bench: Bench) -> None:
    bench.call(says("100:120", "1:120", method="10:60", method_count="8:60"))
    assert bench.calls_until_full(says("100:120", method="10:60")) == 2


def test_a_count_that_we_know_of_adds_nothing(bench: Bench) -> None:
    bench.call(says("10:100", "1:100"))
    bench.call(says("10:100", "2:100"))
    # Two calls, which each of the two scopes has counted; Riot knows of no more.
    assert bench.counted() == {"app": 2, "match": 2}


def test_our_own_calls_are_not_taken_for_anothers(bench: Bench) -> None:
    """Four calls are under way at once; each answer counts those that arrived before it."""
    bench.call(says("10:100", "1:100"))
    under_way = [bench.take() for _ in range(4)]
    for count, reservation in enumerate(under_way, start=2):
        bench.time.now += 0.1
        bench.limiter.observe(reservation, 200, says("10:100", f"{count}:100"))
    assert bench.calls_until_full(says("10:100")) == 5


def test_a_lower_count_than_ours_changes_nothing(bench: Bench) -> None:
    bench.call(says("3:100", "1:100"))
    bench.call(says("3:100", "1:100"))
    bench.call(says("3:100", "0:100"))
    bench.wait()


def test_a_reservation_given_back_can_be_used(bench: Bench) -> None:
    bench.call(says("2:100"))
    reservation = bench.take()
    bench.wait()
    bench.limiter.give_back(reservation)
    bench.take()


def test_giving_one_back_leaves_the_others_where_they_are(bench: Bench) -> None:
    bench.call(says("3:100"))
    mine, _ = bench.take(), bench.take()
    bench.limiter.give_back(mine)
    bench.take()
    bench.wait()


def test_a_reservation_names_its_scopes_and_its_moment(bench: Bench) -> None:
    one = bench.take()
    assert one.app_scope == "key/americas/app"
    assert one.method_scope == "key/americas/match"
    assert one.at == bench.time.now
    bench.limiter.observe(one, 200, says("9:1"))
    assert bench.take().token != one.token


def test_an_answer_that_refuses_nothing_holds_until_now(bench: Bench) -> None:
    assert bench.call(says("100:1")) == bench.time.now


def test_an_answer_learns_of_the_hold_that_another_call_met(bench: Bench) -> None:
    bench.call(says("100:1"))
    slow = bench.take()
    bench.call(says("100:1", Retry_After="7", X_Rate_Limit_Type="application"), status=429)
    assert bench.limiter.observe(slow, 200, says("100:1")) == bench.time.now + 7.5


def test_a_shorter_hold_does_not_end_a_longer_one(bench: Bench) -> None:
    bench.call(says("100:1"))
    first, second = bench.take(), bench.take()
    bench.limiter.observe(first, 429, says("100:1", Retry_After="60"))
    bench.limiter.observe(second, 429, says("100:1", Retry_After="5"))
    assert bench.wait() == about(60.5)


def test_only_a_success_ends_the_doubling_of_pauses(bench: Bench) -> None:
    def refused() -> float:
        pause = bench.call(says("100:1"), status=429) - bench.time.now
        bench.time.now += pause
        return pause

    assert refused() <= 2.5
    bench.call(says("100:1"), status=404)
    bench.call(says("100:1"), status=503)
    assert refused() >= 4, "the second refusal in a row"
    bench.call(says("100:1"))
    assert refused() <= 2.5


def test_a_limiter_brings_its_own_jitter(bench: Bench) -> None:
    bench.limiter = RateLimiter(bench.database, "key", clock=bench.time.clock)
    pause = bench.call(says("100:1"), status=429) - bench.time.now
    assert 2 <= pause <= 2.5


def test_a_call_that_never_came_back_counts_until_its_lease_and_the_window_are_over(
    bench: Bench,
) -> None:
    bench.call(says("1:10"))
    bench.time.now += 11
    bench.take()  # and its process dies
    bench.time.now += LEASE_S + 10
    assert bench.wait() > 0
    bench.time.now += edge_s(10) + 0.01
    bench.take()


def test_calls_are_forgotten_once_no_answer_can_ask_for_them(bench: Bench) -> None:
    """Of a window of ten seconds 70 were kept, in 1,400 slots that each call read and wrote."""
    for _ in range(120):
        bench.call(says("500:10"), method="ids")
        bench.time.now += 0.5
    with bench.database.reading() as session:
        (window,) = session.scalars(select(RateWindow).where(RateWindow.scope.endswith("/app")))
    # The window and two leases, 40 s, at two a second; and the one at its beginning.
    assert len(window.calls) <= 81


def test_an_answer_that_takes_as_long_as_it_may_finds_the_calls_of_its_window(bench: Bench) -> None:
    for _ in range(3):
        bench.call(says("10:10"))
    bench.time.now += 9
    last = bench.take()
    bench.time.now += LEASE_S - 1
    # Riot's window began with the first three: none of its four calls is another program's.
    bench.limiter.observe(last, 200, says("10:10", "4:10"))
    assert bench.calls_until_full(says("10:10")) == 9


@pytest.mark.parametrize(
    ("kind", "stops_the_application"),
    [("application", True), ("method", False), ("service", False), ("server", False),
     ("something-new", False), ("", False)],
)  # fmt: skip
def test_a_429_holds_the_scope_that_it_is_of(
    bench: Bench, kind: str, stops_the_application: bool
) -> None:
    bench.call(says("100:1"))
    bench.call(says("100:1"), method="ids")
    until = bench.call(says("100:1", Retry_After="7", X_Rate_Limit_Type=kind), status=429)

    assert until == bench.time.now + 7.5
    assert bench.wait() == about(7.5)
    turn = bench.ask(method="ids")
    assert isinstance(turn, Wait) == stops_the_application
    bench.time.now += 7.6
    bench.take()


def test_a_429_of_one_route_leaves_the_others_alone(bench: Bench) -> None:
    """Riot-Watcher's single hold blocked all of them."""
    bench.call(says("100:1", Retry_After="60", X_Rate_Limit_Type="application"), status=429)
    bench.wait()
    bench.take(route="europe")


def test_refusals_without_retry_after_double_the_pause_up_to_a_minute(bench: Bench) -> None:
    """2, 4, 8, 16, 32, 60, 60 seconds, each up to a quarter longer, none over 60."""
    for least in (2, 4, 8, 16, 32, 60, 60):
        until = bench.call(says("100:1"), status=429)
        pause = until - bench.time.now
        assert least <= pause <= min(60, least * 1.25)
        bench.time.now = until
    bench.call(says("100:1"))
    assert 2 <= bench.call(says("100:1"), status=429) - bench.time.now <= 2.5, "a success resets"


def test_an_absurd_retry_after_is_cut(bench: Bench) -> None:
    until = bench.call(says("9:1", Retry_After="999999999"), status=429)
    assert until == bench.time.now + LONGEST_HOLD_S
    assert bench.wait() == LONGEST_HOLD_S


def test_a_clock_that_is_put_back_does_not_block_forever(bench: Bench) -> None:
    bench.call(says("1:10"))
    bench.time.now -= 86_400
    assert bench.wait() == about(10 + edge_s(10))
    bench.time.now += 10 + edge_s(10)
    bench.call(says("1:10", Retry_After="60"), status=429)
    bench.time.now -= 86_400
    bench.time.now += 10 + edge_s(10)
    bench.wait()  # what was counted then counts from now
    bench.time.now += 10 + edge_s(10)
    bench.take()


def test_a_call_under_way_when_the_clock_is_put_back_blocks_no_longer_than_an_answered_one(
    bench: Bench,
) -> None:
    bench.call(says("1:10"))
    bench.time.now += 10 + edge_s(10)
    bench.take()  # and its process dies
    bench.time.now -= 86_400
    # It counts as over now, instead of at the end of its lease on the day that comes again.
    assert bench.wait() == about(10 + edge_s(10))
    bench.time.now += 10 + edge_s(10)
    bench.take()


def test_only_what_lies_too_far_ahead_is_taken_back_with_the_clock(bench: Bench) -> None:
    bench.call(says("30:10"))
    first = bench.take()  # until its lease is over, in 15 s
    bench.time.now += 10
    second = bench.take()
    bench.time.now -= 8
    # The second one's lease ends in 23 s, which none does; the first one's in 13.
    third = bench.take()
    with bench.database.reading() as session:
        ends = dict(session.execute(select(RateCall.token, RateCall.done_at)).all())
    left = {token: ends[token] - bench.time.now for token in ends}
    assert left == {
        first.token: about(LEASE_S - 2), second.token: about(0), third.token: about(LEASE_S),
    }  # fmt: skip


def test_old_calls_are_forgotten(bench: Bench) -> None:
    for _ in range(10):
        bench.call(says("1000:120", method="2000:50"))
        bench.time.now += 100
    # The last answer came at 900. The application's window of 120 s and two leases of 15 s reach
    # back to 750, to the calls of 800 and 900; the method's 50 s to 820, to the last one.
    assert bench.counted() == {"app": 2, "match": 1}


@pytest.mark.parametrize(("seconds", "kept"), [(149, 2), (151, 1)])
def test_a_call_is_forgotten_after_its_window_and_two_leases(
    bench: Bench, seconds: float, kept: int
) -> None:
    limits = says("100:120", method="200:120")
    bench.call(limits)
    bench.time.now += seconds  # 120 + 2 × 15 = 150
    bench.call(limits)
    assert bench.counted() == {"app": kept, "match": kept}


@pytest.mark.parametrize(("seconds", "kept"), [(194, 2), (196, 0)])
def test_a_call_without_an_answer_is_forgotten_when_it_weighs_on_nothing(
    bench: Bench, seconds: float, kept: int
) -> None:
    limits = says("100:120", method="200:120")
    bench.call(limits)
    bench.take()  # and its process dies
    bench.time.now += seconds  # its lease of 15, the window of 120, 4 × 15 = 195
    bench.call(limits)
    with bench.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(RateCall)) == kept


def test_what_one_scope_forgets_another_one_with_a_longer_window_keeps(bench: Bench) -> None:
    limits = says("100:120", method="200:10")
    bench.call(limits)
    bench.take()  # and its process dies
    bench.time.now += (
        100  # its lease of 15, the method's window of 10, 4 × 15 = 85; the application's 195
    )
    under_way = bench.take()
    bench.call(limits)
    with bench.database.reading() as session:
        left = session.execute(select(RateCall.scope, RateCall.token)).all()
    of_the_dead = [scope for scope, token in left if token != under_way.token]
    assert of_the_dead == [under_way.app_scope]
    assert len(left) == 3, "the call under way is kept in both"


def test_of_many_calls_those_of_a_moment_are_counted_together(bench: Bench) -> None:
    """A window of 100 s for 1,000 calls has 200 slots of half a second: however many calls, its
    row stays small, and a call weighs up to half a second longer.
    """
    limits = says("1000:100", method="2000:200")
    bench.time.now = 1_800_000_000.1
    for _ in range(10):
        bench.call(limits)
        bench.time.now += 0.05
    with bench.database.reading() as session:
        window = session.scalar(select(RateWindow).where(RateWindow.seconds == 100))
        assert window is not None
        # Answered at .10, .15 … .55: nine by .5, one after it.
        assert window.calls == [[1_800_000_000.5, 9], [1_800_000_001.0, 1]]
    left = bench.calls_until_full(limits)
    assert left == 990
    # At .6; the first nine leave at .5 after a window and its edge.
    assert bench.wait() == about(99.9 + edge_s(100))


def test_a_new_window_of_a_scope_knows_the_calls_of_its_longest(bench: Bench) -> None:
    bench.call(says("100:120", method="200:10"))
    bench.call(says("100:120,3:60", method="200:10"))
    assert bench.calls_until_full(says("100:120,3:60", method="200:10")) == 1


def test_a_call_is_kept_for_as_long_as_it_may_weigh(bench: Bench) -> None:
    limits = says("2:100", method="2000:10")
    bench.call(limits)
    bench.time.now += 99
    bench.call(limits)
    # The first weighs on the window of 100 s until 100.1; at 99 there is no space.
    assert bench.wait() == about(1 + edge_s(100))


def test_how_many_calls_a_minute_are_allowed_is_said_by_the_tightest_limit(bench: Bench) -> None:
    def allowed(method: str) -> float | None:
        return bench.limiter.calls_a_minute("americas", method)

    assert allowed("match") is None
    bench.call(says("20:1,100:120", method="600:60"))
    bench.call(says("1:60", method="1:60"), route="europe")
    bench.call(says("20:1,100:120", method="30:60"), method="list")
    # 100 in two minutes; 20 a second would be 1,200.
    assert (allowed("match"), allowed("list")) == (50.0, 30.0)


@pytest.mark.parametrize(("seconds", "kept"), [(1, 0.0505), (120, 0.11), (600, 0.35)])
def test_what_is_kept_at_the_end_of_a_window(seconds: int, kept: float) -> None:
    """A twentieth of a second, and 500 millionths of its length."""
    assert edge_s(seconds) == about(kept)
