"""Which accounts are polled, what their lists bring, and what a failure of one means for the others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import select, text

from lol_dagster.pipeline import at_once
from lol_dagster.pipeline.discovery import DEEP_POLL_EVERY
from lol_dagster.pipeline.records import record_listed
from lol_dagster.riot import caller
from lol_dagster.riot.errors import KeyRejected
from lol_dagster.riot.polling import (
    LONGEST_PAUSE,
    PLAYING_PAUSE,
    SHORTEST_PAUSE,
    due_accounts,
    note_played,
    tracked_accounts,
    usual_pause,
)
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, AccountPoll, Match
from lol_dagster.storage.upsert import insert_if_absent
from lol_dagster_tests._support.raw_server import Request
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_membership,
    make_player,
    make_team,
)
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.riot.fake_riot import ROOMY, MatchList, Reply, fake_riot, ids, query, refusal
from lol_dagster_tests.riot.world import HOUR, MINUTE, NOW, World


def test_new_ids_become_matches_that_are_due_at_once(any_database: Database) -> None:
    with fake_riot() as riot:
        world = World(any_database, riot)
        account = world.member()
        world.list(account, "NA1_2", "NA1_1", "NA1_2")  # twice in one answer

        report = world.discover()

        assert report.new_match_ids == ("NA1_2", "NA1_1")
        assert (report.accounts_polled, report.failures) == (1, ())
        with any_database.reading() as session:
            match = session.get_one(Match, "NA1_1")
        assert (match.state, match.listed_at, match.next_try_at, match.listed_by, match.tries) == (
            "listed", NOW, NOW, account.id, 0,
        )  # fmt: skip
        assert world.discover(everyone=True).new_match_ids == (), "again: nothing is new"
        assert world.known() == ["NA1_1", "NA1_2"]


def test_two_accounts_of_one_game_list_it_once(world: World) -> None:
    for account in (world.member(), world.member()):
        world.list(account, "NA1_1")
    assert world.discover().new_match_ids == ("NA1_1",)


def test_only_accounts_of_players_who_are_or_just_were_in_a_team_are_polled(
    world: World,
) -> None:
    member = world.member()
    leaving = world.member(until=NOW + HOUR)
    just_left = world.member(until=NOW - 47 * HOUR)
    world.member(until=NOW - 48 * HOUR)
    with world.database.writing() as session:
        make_account(session, make_player(session))
    with world.database.reading() as session:
        tracked = {account.id for account in tracked_accounts(session, NOW)}
    assert tracked == {member.id, leaving.id, just_left.id}


def test_a_game_is_found_although_its_player_left_before_riot_listed_it(world: World) -> None:
    """It ended while they were in the team, so the team is to hear of it."""
    account = world.member(until=NOW - HOUR)
    world.list(account, "NA1_1")
    assert world.discover().new_match_ids == ("NA1_1",)


def test_a_new_account_is_due_at_once_and_then_by_its_pause(world: World) -> None:
    account = world.member(created_at=NOW - 10 * MINUTE)
    world.list(account)

    def due(at: datetime) -> int:
        with world.database.reading() as session:
            return len(due_accounts(session, at))

    assert due(NOW) == 1
    world.discover()
    assert due(NOW) == 0
    assert due(NOW + MINUTE) == 1, "whoever was just added may be playing"
    assert world.poll(account).last_good_poll_at == NOW


def test_who_plays_is_asked_before_those_who_are_quiet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was asked longest ago does not come first: 42 minutes are not two of the quiet one's pauses, and a
    minute is three of the other's.
    """
    monkeypatch.setattr(at_once, "AT_ONCE", 1)
    for played, asked in ((timedelta(days=20), 42 * MINUTE), (5 * MINUTE, MINUTE)):
        account = world.member(created_at=NOW - timedelta(days=90))
        world.list(account, f"NA1_{account.id}")
        with world.database.writing() as session:
            session.add(
                AccountPoll(
                    account_id=account.id,
                    next_poll_at=NOW,
                    last_good_poll_at=NOW - asked,
                    last_deep_poll_at=NOW - asked,
                    last_played_at=NOW - played,
                )
            )
    quiet, plays = world.discover().polls[::-1]
    assert plays.account_id > quiet.account_id


@pytest.mark.parametrize(
    ("quiet_for", "at_least", "at_most"),
    [
        (timedelta(0), 20, 21), (30 * MINUTE, 45, 60),
        (3 * HOUR, 60, 4 * 60), (timedelta(days=1), 4 * 60, 12 * 60),
        (timedelta(weeks=2), 25 * 60, 30 * 60), (timedelta(days=3000), 25 * 60, 30 * 60),
    ],
)  # fmt: skip
def test_pauses_reach_from_20_seconds_to_half_an_hour(
    quiet_for: timedelta, at_least: float, at_most: float
) -> None:
    assert at_least <= usual_pause(quiet_for).total_seconds() < at_most


def test_where_the_limits_do_not_allow_it_all_of_a_route_wait_longer(world: World) -> None:
    personal = {"X-App-Rate-Limit": "20:1,100:120", "X-App-Rate-Limit-Count": "1:1,1:120"}
    play = [world.member(created_at=NOW) for _ in range(30)]
    elsewhere = world.member(created_at=NOW, platform="euw1")
    world.riot.on("by-puuid/[^/]+$", Reply(200, {"puuid": "p"}, personal))
    for account in (*play, elsewhere):
        world.riot.on(f"{account.puuid}/ids", Reply(200, b"[]", personal))
    world.discover()
    # 30 share 45 calls a minute: nine tenths of a hundred in two minutes.
    assert {world.poll(each).next_poll_at for each in play} == {NOW + timedelta(seconds=40)}
    assert world.poll(elsewhere).next_poll_at == NOW + PLAYING_PAUSE


def test_a_poll_ends_in_time_and_leaves_the_rest_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_once, "FIRST_ALONE_S", 60.0)
    accounts = [world.member() for _ in range(3)]
    for account in accounts:
        world.list(account, f"NA1_{account.id}")
    moments = iter([100.0, 119.9, 120.0, 120.0])
    report = world.discover(monotonic=lambda: next(moments))
    assert report.new_match_ids == (f"NA1_{accounts[0].id}",)
    assert (report.not_asked, report.limited_until, report.failures) == (2, None, ())
    moments = iter([200.0, 219.0, 219.0])
    report = world.discover(monotonic=lambda: next(moments))
    assert set(report.new_match_ids) == {f"NA1_{each.id}" for each in accounts[1:]}
    # A run has more time, and ends, too.
    moments = iter([300.0, 419.9, 420.0, 420.0])
    report = world.discover(everyone=True, monotonic=lambda: next(moments))
    assert (report.accounts_polled, report.not_asked) == (1, 2)


def test_a_route_on_which_all_wait_keeps_no_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_once, "AT_ONCE", 2)
    monkeypatch.setattr(caller, "DEADLINE_S", 90.0)
    for platform in ("na1", "euw1"):
        world.list(world.member(platform=platform))
    world.discover()  # from here on the limits are known
    waiting = [world.member() for _ in range(3)]
    elsewhere = world.member(platform="euw1")
    answered = threading.Event()

    def wait(_: Request) -> Reply:
        assert answered.wait(timeout=60), "the other route is asked meanwhile"
        return Reply(200, [])

    def answer_(_: Request) -> Reply:
        answered.set()
        return Reply(200, ["EUW1_1"])

    for account in waiting:
        world.riot.on(f"{account.puuid}/ids", wait)
    world.riot.on(f"{elsewhere.puuid}/ids", answer_)
    report = world.discover()
    assert (report.accounts_polled, report.new_match_ids) == (4, ("EUW1_1",))


def test_the_next_turn_counts_from_the_last_one_and_not_from_when_it_came(world: World) -> None:
    account = world.member(created_at=NOW)
    world.list(account)
    world.discover()
    assert world.poll(account).next_poll_at == NOW + PLAYING_PAUSE
    # Seven seconds late: others had their turn, or the tick came late.
    world.discover(now=NOW + timedelta(seconds=27))
    assert world.poll(account).next_poll_at == NOW + 2 * PLAYING_PAUSE
    # A pause and more: what was missed is not made up for.
    late = NOW + timedelta(seconds=75)
    world.discover(now=late)
    assert world.poll(account).next_poll_at == late + PLAYING_PAUSE
    # Before its turn, as somebody asks.
    early = late + timedelta(seconds=5)
    world.discover(now=early, everyone=True)
    assert world.poll(account).next_poll_at == early + PLAYING_PAUSE


def test_pauses_grow_smoothly() -> None:
    hourly = [usual_pause(hours * HOUR) for hours in range(1, 24 * 15)]
    assert all(a <= b <= a * 1.5 for a, b in pairwise(hourly))
    assert hourly[0] > SHORTEST_PAUSE
    assert hourly[-1] == LONGEST_PAUSE


def test_a_game_that_was_played_brings_the_next_poll_forward(world: World) -> None:
    account = world.member(created_at=NOW - timedelta(days=90))
    world.list(account)
    world.discover()
    quiet_until = world.poll(account).next_poll_at
    assert quiet_until == NOW + LONGEST_PAUSE

    with world.database.writing() as session:
        note_played(session, account.id, NOW - timedelta(days=2), NOW)
        note_played(session, account.id, NOW - 5 * MINUTE, NOW)
        note_played(session, account.id, NOW - 5 * HOUR, NOW)  # an older one, processed later

    poll = world.poll(account)
    assert poll.last_played_at == NOW - 5 * MINUTE
    assert poll.next_poll_at == NOW + PLAYING_PAUSE


def test_a_game_may_be_noted_before_the_first_poll(world: World) -> None:
    account = world.member()
    with world.database.writing() as session:
        note_played(session, account.id, NOW - HOUR, NOW)
    assert world.poll(account).next_poll_at <= NOW


def test_failures_back_off_the_account_that_has_them(world: World) -> None:
    bad, good = world.member(), world.member()
    world.riot.on(f"{bad.puuid}/ids", Reply(503, b"<html>", ROOMY))
    world.list(good, "NA1_1")
    pauses = []
    now = NOW
    for _ in range(8):
        report = world.discover(now)
        assert [failure.account_id for failure in report.failures] == [bad.id]
        next_at = world.poll(bad).next_poll_at
        pauses.append(next_at - now)
        now = next_at
        world.time.now += 60  # the route has a rest
    assert all(a <= b <= a * 2 for a, b in pairwise(pauses))
    assert pauses[-1] == LONGEST_PAUSE
    assert world.poll(bad).failures == 8
    assert world.poll(good).failures == 0
    world.list(bad)
    world.discover(now)
    assert (world.poll(bad).failures, world.poll(bad).last_error) == (0, None)


def test_with_riot_down_the_other_accounts_are_not_asked_one_by_one(world: World) -> None:
    """No retry storm: after three accounts with three tries each the route has a rest."""
    accounts = [world.member() for _ in range(40)]
    world.riot.on("/ids", Reply(503, b"", ROOMY))

    report = world.discover()

    # The first, then sixteen at once; who fails first lets one more begin before two have failed,
    # and with the first one that is three. Each has three tries, so 18 × 3 of 120 at most.
    assert len(world.riot.asked("/ids")) <= 54
    assert sum(poll.stays_due for poll in report.polls) >= 40 - 18
    assert report.accounts_polled == 0
    with world.database.reading() as session:
        assert len(due_accounts(session, NOW)) == 1, "one is asked whether Riot is back"
    world.time.now += 60  # the route has a rest
    for account in accounts:
        world.list(account)
    still_due = [poll.account_id for poll in report.polls if poll.stays_due]
    world.discover(NOW + MINUTE)
    with world.database.reading() as session:
        due = [account.id for account in due_accounts(session, NOW + MINUTE)]
    assert len(set(still_due) - set(due)) <= 1, (
        "they keep their turn, but for the one that was asked"
    )


def test_a_used_up_limit_ends_the_polling_of_its_route_and_leaves_the_rest_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_once, "FIRST_ALONE_S", 60.0)
    first, second, third = (world.member() for _ in range(3))
    elsewhere = world.member(platform="euw1")
    for account in (first, second, third, elsewhere):
        world.list(account, f"NA1_{account.id}")
    world.riot.on(
        f"{first.puuid}/ids", refusal(429, Retry_After="600", X_Rate_Limit_Type="application")
    )

    report = world.discover()

    assert report.new_match_ids == (f"NA1_{elsewhere.id}",)
    assert report.limited_until is not None
    assert report.not_asked == 2
    assert report.failures == ()
    with world.database.reading() as session:
        due = [account.id for account in due_accounts(session, NOW)]
    assert due == [first.id, second.id, third.id]


def test_an_account_whose_list_hangs_keeps_no_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the first of all, which the others give a second."""
    monkeypatch.setattr(caller, "DEADLINE_S", 90.0)
    world.list(world.member())
    world.discover()  # from here on the limits are known
    hanging, *others = (world.member() for _ in range(3))
    answered = threading.Semaphore(0)

    def hang(_: Request) -> Reply:
        for _each in others:
            assert answered.acquire(timeout=60), "the others are asked while it hangs"
        return Reply(200, ["NA1_1"])

    def answer_(_: Request) -> Reply:
        answered.release()
        return Reply(200, [])

    world.riot.on(f"{hanging.puuid}/ids", hang)
    for account in others:
        world.riot.on(f"{account.puuid}/ids", answer_)
    report = world.discover()
    assert report.accounts_polled == 3, "the first to be asked, and the last to be answered"
    assert report.new_match_ids == ("NA1_1",)


def test_two_that_list_the_same_games_in_another_order_do_not_wait_for_each_other(
    postgres_url: str,
) -> None:
    """The one holds NA1_2 and then wants NA1_3, in which the other must not stand in its way."""
    server = Database(postgres_url)
    row = {"state": "listed", "listed_at": NOW, "tries": 0}
    with ThreadPoolExecutor(1) as threads, server.writing() as session:
        insert_if_absent(session, Match, [{"match_id": "NA1_2", **row}])
        other = threads.submit(record_listed, server, ["NA1_3", "NA1_2"], listed_by=None, now=NOW)
        wait_for(
            "the other waits",
            lambda: bool(
                session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
                or other.done()
            ),
        )
        insert_if_absent(session, Match, [{"match_id": "NA1_3", **row}])
        session.commit()
        assert other.result() == []
    server.dispose()


def test_pages_read_before_a_limit_struck_are_kept_and_reported(world: World) -> None:
    account = world.member()
    pages = MatchList(*ids(1, 250))
    world.riot.on(
        f"{account.puuid}/ids",
        lambda request: (
            refusal(429, Retry_After="600")
            if query(request.target)["start"] == "100"
            else pages(request)
        ),
    )
    assert set(world.discover().new_match_ids) == set(ids(151, 250))
    assert world.known() == sorted(ids(151, 250))


def test_a_refused_key_stops_everything_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_once, "FIRST_ALONE_S", 60.0)
    world.list(world.member(), "NA1_1")
    world.member()
    world.member()
    world.riot.on("by-puuid", refusal(403, "Forbidden"))
    with pytest.raises(KeyRejected):
        world.discover()
    # One list, and account-v1 twice to make sure.
    assert len(world.riot.targets) == 3
    with world.database.reading() as session:
        assert len(due_accounts(session, NOW)) == 3


def test_a_refusal_of_one_account_alone_is_no_dead_key(world: World) -> None:
    account, other = world.member(), world.member()
    world.riot.on(f"{account.puuid}/ids", refusal(403, "Forbidden"))
    world.list(other, "NA1_1")
    assert world.discover().new_match_ids == ("NA1_1",)
    assert "403" in (world.poll(account).last_error or "")


def test_an_account_removed_while_it_is_polled_is_no_error(world: World) -> None:
    account = world.member()

    def removing(_: Any) -> Reply:
        with world.database.writing() as session:
            session.delete(session.get_one(Account, account.id))
        return Reply(200, [])

    world.riot.on(f"{account.puuid}/ids", removing)
    world.riot.on(f"by-puuid/{account.puuid}$", refusal(404))
    world.discover()
    with world.database.reading() as session:
        assert session.get(AccountPoll, account.id) is None


# --- That no match id is missed, however Riot lists them


def test_the_first_poll_reaches_back_to_a_game_that_was_on_when_the_player_was_added(
    world: World,
) -> None:
    account = world.member(since=NOW)
    world.list(account)
    world.discover()
    # 3 hours before 2026-03-01T12:00Z (1772366400): 1772355600.
    assert query(world.riot.asked("/ids")[0]) == {
        "start": "0", "count": "100", "startTime": "1772355600",
    }  # fmt: skip


def test_the_earliest_membership_that_has_not_ended_counts(world: World) -> None:
    account = world.member(since=NOW - timedelta(days=3))
    with world.database.writing() as session:
        for since, until in (
            (NOW - timedelta(days=10), None),
            (NOW - timedelta(days=20), NOW - timedelta(days=15)),
        ):
            make_membership(
                session,
                make_team(session),
                session.get_one(Account, account.id).player,
                since=since,
                until=until,
            )
    world.list(account)
    world.discover()
    expected = NOW - timedelta(days=10, hours=3)
    assert query(world.riot.asked("/ids")[0])["startTime"] == str(int(expected.timestamp()))


def test_a_membership_from_before_riot_knows_start_times_asks_without_one(world: World) -> None:
    account = world.member(since=datetime(2021, 6, 16, 2, tzinfo=UTC))
    world.list(account)
    world.discover()
    assert "startTime" not in query(world.riot.asked("/ids")[0])


def test_the_first_poll_reads_all_pages(world: World) -> None:
    account = world.member()
    world.list(account, *ids(1, 250))
    assert set(world.discover().new_match_ids) == set(ids(1, 250))
    starts = [query(target)["start"] for target in world.riot.asked("/ids")]
    assert starts == ["0", "100", "200"]


def test_a_usual_poll_is_one_small_page(world: World) -> None:
    account = world.member()
    script = world.list(account, *ids(1, 50))
    world.discover()
    world.forget_requests()

    assert world.discover(NOW + HOUR).new_match_ids == ()

    (target,) = world.riot.targets
    assert (query(target)["start"], query(target)["count"]) == ("0", "20")
    assert script.ids == ids(1, 50)


def test_a_poll_of_a_short_list_is_one_page_also_with_news(world: World) -> None:
    account = world.member()
    script = world.list(account, *ids(1, 5))
    world.discover()
    world.forget_requests()
    script.ids = ids(1, 7)

    assert world.discover(NOW + HOUR).new_match_ids == ("NA1_7", "NA1_6")
    assert len(world.riot.targets) == 1


def test_a_usual_poll_reads_on_while_whole_pages_bring_news(world: World) -> None:
    """After an outage of days: 150 games have been played since."""
    account = world.member()
    script = world.list(account, *ids(1, 50))
    world.discover()
    world.forget_requests()
    script.ids = ids(1, 200)

    assert set(world.discover(NOW + HOUR).new_match_ids) == set(ids(51, 200))

    pages = [(query(t)["start"], query(t)["count"]) for t in world.riot.asked("/ids")]
    assert pages == [("0", "20"), ("20", "100"), ("120", "100")]


def test_a_usual_poll_that_was_cut_short_misses_nothing(world: World) -> None:
    """Its first page brought news, and brings none the next time."""
    account = world.member()
    script = world.list(account, *ids(1, 50))
    world.discover()
    script.ids = ids(1, 100)
    world.riot.on("start=20&", refusal(400))
    assert set(world.discover(NOW + HOUR).new_match_ids) == set(ids(81, 100))

    assert set(world.discover(NOW + 2 * HOUR).new_match_ids) == set(ids(51, 80))


def test_ids_that_are_late_or_out_of_order_are_found(world: World) -> None:
    """An older game appears below newer ones that are known."""
    account = world.member()
    script = world.list(account, "NA1_9", "NA1_8", "NA1_5")
    world.discover()
    script.ids = ["NA1_8", "NA1_9", "NA1_5", "NA1_7"]
    assert world.discover(NOW + HOUR).new_match_ids == ("NA1_7",)


def test_a_hole_far_down_is_found_by_the_daily_deep_poll(world: World) -> None:
    account = world.member()
    script = world.list(account, *(each for each in ids(1, 300) if each != "NA1_20"))
    world.discover()
    script.ids = ids(1, 300)

    assert world.discover(NOW + HOUR).new_match_ids == (), "280 games down"
    report = world.discover(NOW + DEEP_POLL_EVERY)

    assert report.new_match_ids == ("NA1_20",)
    assert world.poll(account).last_deep_poll_at == NOW + DEEP_POLL_EVERY


@pytest.mark.parametrize("away_for", [timedelta(days=1), timedelta(days=35)])
def test_later_deep_polls_reach_back_thirty_days_before_the_last_good_one(
    world: World, away_for: timedelta
) -> None:
    account = world.member(since=NOW - timedelta(days=300))
    world.list(account)
    world.discover()
    world.forget_requests()
    world.discover(NOW + away_for)
    expected = NOW - timedelta(days=30)
    assert query(world.riot.asked("/ids")[0])["startTime"] == str(int(expected.timestamp()))


def test_a_deep_poll_that_fails_is_no_good_one(world: World) -> None:
    """Away for 35 days, and Riot's second page fails on the first day back."""
    account = world.member(since=NOW - timedelta(days=300))
    world.list(account)
    world.discover()
    script = world.list(account, *ids(1, 150))
    world.riot.on(f"{account.puuid}/ids.*start=100", refusal(400))
    back = NOW + timedelta(days=35)
    assert set(world.discover(back).new_match_ids) == set(ids(51, 150))

    world.riot.on(f"{account.puuid}/ids", script)
    world.forget_requests()
    assert set(world.discover(back + HOUR).new_match_ids) == set(ids(1, 50))
    expected = NOW - timedelta(days=30)
    assert query(world.riot.asked("/ids")[0])["startTime"] == str(int(expected.timestamp()))


@pytest.mark.parametrize("known_before", [False, True])
def test_a_list_that_ignores_start_does_not_loop(world: World, known_before: bool) -> None:
    """As Riot's once did for days."""
    account = world.member()
    world.riot.on(f"{account.puuid}/ids", Reply(200, ids(1, 100)))
    world.discover()
    if known_before:
        world.discover(NOW + DEEP_POLL_EVERY)
    assert len(world.riot.asked("/ids")) == (4 if known_before else 2)
    assert world.known() == sorted(ids(1, 100))


def test_a_list_without_end_is_left(world: World) -> None:
    numbers = iter(range(1, 10**9))
    account = world.member()
    world.riot.on(
        f"{account.puuid}/ids",
        lambda _: Reply(200, [f"NA1_{next(numbers)}" for _ in range(100)]),
    )
    world.discover()
    assert len(world.riot.asked("/ids")) == 30


def test_games_that_push_the_list_on_between_pages_do_no_harm(world: World) -> None:
    """Ids repeat across pages."""
    account = world.member()
    games = ids(1, 150)

    def growing(request: Any) -> Reply:
        if query(request.target)["start"] != "0":
            games.insert(0, "NA1_151")
        return MatchList(*games)(request)

    world.riot.on(f"{account.puuid}/ids", growing)
    assert set(world.discover().new_match_ids) == set(ids(1, 150))


def test_a_match_that_was_given_up_is_asked_for_once_a_day_while_riot_lists_it(
    world: World,
) -> None:
    """Riot lists some matches forever that it never gives."""
    account = world.member()
    world.list(account, "NA1_1", "NA1_2")
    world.discover()
    with world.database.writing() as session:
        for match_id in ("NA1_1", "NA1_2", "NA1_3"):
            row = session.get(Match, match_id) or Match(match_id=match_id, listed_at=NOW)
            row.state = "processed" if match_id == "NA1_2" else "not_found"
            row.next_try_at = None
            session.add(row)

    def due() -> list[str]:
        with world.database.reading() as session:
            return list(
                session.scalars(select(Match.match_id).where(Match.next_try_at.is_not(None)))
            )

    world.discover(NOW + HOUR)
    assert due() == [], "not with every poll"
    world.discover(NOW + DEEP_POLL_EVERY)
    # Not what is processed, nor what is not listed any more; and it stays given up until it is there.
    assert due() == ["NA1_1"]
    with world.database.reading() as session:
        assert session.get_one(Match, "NA1_1").state == "not_found"
