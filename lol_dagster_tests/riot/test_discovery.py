"""Which accounts are looked at when, and what trouble with one means for the others."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from lol_dagster.riot.discovery import (
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    due_accounts,
    note_played,
    pause_after,
    tracked_accounts,
)
from lol_dagster.riot.errors import KeyRejected
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, AccountPoll, Match
from lol_dagster_tests._support.roster_rows import make_account, make_player
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


def test_only_accounts_of_players_who_are_or_just_were_in_a_team_are_looked_at(
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


def test_those_looked_at_longest_ago_come_first(world: World) -> None:
    accounts = [world.member() for _ in range(3)]
    for account, hours in zip(accounts, (1, 3, 2), strict=True):
        with world.database.writing() as session:
            session.add(
                AccountPoll(
                    account_id=account.id, next_poll_at=NOW, last_good_poll_at=NOW - hours * HOUR
                )
            )
    new = world.member()
    with world.database.reading() as session:
        order = [account.id for account in due_accounts(session, NOW)]
    assert order == [new.id, accounts[1].id, accounts[2].id, accounts[0].id]


@pytest.mark.parametrize(
    ("quiet_for", "at_least", "at_most"),
    [
        # While playing: each of the schedule's minutes.
        (-MINUTE, 45, 60), (timedelta(0), 45, 60), (30 * MINUTE, 45, 60),
        (3 * HOUR, 60, 4 * 60), (timedelta(days=1), 4 * 60, 12 * 60),
        (timedelta(weeks=2), 25 * 60, 30 * 60), (timedelta(days=3000), 25 * 60, 30 * 60),
    ],
)  # fmt: skip
def test_pauses_reach_from_a_minute_to_half_an_hour(
    quiet_for: timedelta, at_least: float, at_most: float
) -> None:
    assert at_least <= pause_after(NOW - quiet_for, NOW).total_seconds() < at_most


def test_pauses_grow_smoothly() -> None:
    hourly = [pause_after(NOW - hours * HOUR, NOW) for hours in range(1, 24 * 15)]
    assert all(a <= b <= a * 1.5 for a, b in pairwise(hourly))
    assert hourly[0] > SHORTEST_PAUSE
    assert hourly[-1] == LONGEST_PAUSE


def test_a_game_that_was_played_pulls_the_next_look_forward(world: World) -> None:
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
    assert poll.next_poll_at == NOW + SHORTEST_PAUSE


def test_a_game_may_be_noted_before_the_first_look(world: World) -> None:
    account = world.member()
    with world.database.writing() as session:
        note_played(session, account.id, NOW - HOUR, NOW)
    assert world.poll(account).next_poll_at <= NOW


def test_trouble_backs_off_the_account_that_has_it(world: World) -> None:
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
    accounts = [world.member() for _ in range(10)]
    world.riot.on("/ids", Reply(503, b"", ROOMY))

    report = world.discover()

    assert len(world.riot.asked("/ids")) == 9
    assert sum(poll.stays_due for poll in report.polls) == 7
    assert report.accounts_polled == 0
    with world.database.reading() as session:
        assert len(due_accounts(session, NOW)) == 1, "one is asked whether Riot is back"
    world.time.now += 60  # the route has a rest
    for account in accounts:
        world.list(account)
    world.discover(NOW + MINUTE)
    with world.database.reading() as session:
        assert len(due_accounts(session, NOW + MINUTE)) == 9, "they keep their turn"


def test_a_used_up_limit_ends_the_sweep_of_its_route_and_leaves_the_rest_due(
    world: World,
) -> None:
    first, second, third = (world.member() for _ in range(3))
    elsewhere = world.member(platform="euw1")
    for account in (first, second, third, elsewhere):
        world.list(account, f"NA1_{account.id}")
    world.riot.on(
        f"{second.puuid}/ids", refusal(429, Retry_After="600", X_Rate_Limit_Type="application")
    )

    report = world.discover()

    assert report.new_match_ids == (f"NA1_{first.id}", f"NA1_{elsewhere.id}")
    assert report.limited_until is not None
    assert report.not_asked == 1
    assert report.failures == ()
    with world.database.reading() as session:
        assert [account.id for account in due_accounts(session, NOW)] == [second.id, third.id]


def test_pages_read_before_a_limit_struck_are_kept_and_told(world: World) -> None:
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


def test_a_refused_key_stops_everything_at_once(world: World) -> None:
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


def test_an_account_removed_during_its_look_is_no_error(world: World) -> None:
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
