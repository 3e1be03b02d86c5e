"""An account moves to another platform: its games are found there, and late ones where it was."""

from __future__ import annotations

from datetime import timedelta

from lol_dagster.pipeline.discovery import DEEP_POLL_EVERY
from lol_dagster.storage.audit import entries_about
from lol_dagster.storage.models import Account
from lol_dagster_tests._support.roster_rows import LONG_AGO
from lol_dagster_tests.riot.fake_riot import ROOMY, Reply, query, refusal
from lol_dagster_tests.riot.world import HOUR, NOW, World

DAY = timedelta(days=1)


def _account(world: World, *, plays_on: str, has_profile: bool = True) -> Account:
    """One that was polled on na1 for long, and plays elsewhere now."""
    account = world.member(since=LONG_AGO, puuid="ann", puuid_key=world.client.key_fingerprint)
    world.riot.on("americas/lol/match/v5/matches/by-puuid/ann/ids", Reply(200, ["NA1_1"]))
    world.riot.on("europe/lol/match/v5/matches/by-puuid/ann/ids", Reply(200, ["EUW1_1"]))
    world.riot.on("region/by-game/lol", Reply(200, {"region": "na1"}))
    world.discover()
    world.riot.on("region/by-game/lol", Reply(200, {"region": plays_on}))
    profile = Reply(200, {"puuid": "ann"}) if has_profile else refusal(404)
    world.riot.on(f"{plays_on}/lol/summoner", profile)
    return account


def test_an_account_that_moved_is_asked_for_on_both_routes(world: World) -> None:
    account = _account(world, plays_on="euw1")
    day = NOW + DEEP_POLL_EVERY
    world.discover(day)
    row = world.account(account)
    assert row.platform == "euw1"
    with world.database.reading() as session:
        (entry,) = entries_about(session, Account, account.id, "changed")
    assert (entry.who, entry.before, entry.after) == (
        "riot", {"platform": "na1"}, {"platform": "euw1"},
    )  # fmt: skip

    world.forget_requests()
    assert world.discover(day + HOUR).new_match_ids == ("EUW1_1",)
    europe, americas = world.riot.asked("/ids")
    assert europe.startswith("/europe/")
    assert americas.startswith("/americas/")
    # As deep as the first poll: the route was never asked for the account.
    first = int((LONG_AGO - timedelta(hours=3)).timestamp())
    assert (query(europe)["count"], query(europe)["startTime"]) == ("100", str(first))

    # A game from before the move, listed late, and short polls.
    world.riot.on("americas/lol/match/v5/matches/by-puuid/ann/ids", Reply(200, ["NA1_2", "NA1_1"]))
    assert world.discover(day + 2 * HOUR).new_match_ids == ("NA1_2",)


def test_the_former_route_is_left_when_it_has_brought_nothing_for_thirty_days(
    world: World,
) -> None:
    account = _account(world, plays_on="euw1")
    moved_at = NOW + DEEP_POLL_EVERY
    world.discover(moved_at)

    def asks_former(at: timedelta) -> bool:
        world.forget_requests()
        world.discover(moved_at + at)
        return any(target.startswith("/americas/lol/match") for target in world.riot.targets)

    assert asks_former(29 * DAY)
    world.riot.on("americas/lol/match/v5/matches/by-puuid/ann/ids", Reply(200, ["NA1_2", "NA1_1"]))
    assert asks_former(29.5 * DAY)
    assert asks_former(59 * DAY), "29.5 days after a new game"
    assert not asks_former(59.6 * DAY)
    assert world.poll(account).failures == 0


def test_a_former_route_that_fails_is_not_held_against_the_account(world: World) -> None:
    account = _account(world, plays_on="euw1")
    world.discover(NOW + DEEP_POLL_EVERY)
    world.riot.on("americas/lol/match", refusal(429, Retry_After="600"))
    other = world.member(platform="euw1")
    world.list(other, "EUW1_9")
    report = world.discover(NOW + DEEP_POLL_EVERY + HOUR)
    assert (report.new_match_ids, report.failures) == (("EUW1_9", "EUW1_1"), ())
    assert world.poll(account).last_error is None


def test_a_platform_where_riot_has_no_profile_of_the_account_is_not_believed(
    world: World,
) -> None:
    """Riot names the same wrong platform for some accounts, forever."""
    account = _account(world, plays_on="euw1", has_profile=False)
    world.discover(NOW + DEEP_POLL_EVERY)
    assert world.account(account).platform == "na1"
    assert world.poll(account).former_platform is None


def test_a_platform_that_riot_does_not_tell_or_nobody_knows_changes_nothing(world: World) -> None:
    account = _account(world, plays_on="xy9")
    assert world.discover(NOW + DAY).failures == ()
    world.riot.on("region/by-game/lol", Reply(500, b"", ROOMY))
    assert world.discover(NOW + 2 * DAY).failures == ()
    assert world.account(account).platform == "na1"
