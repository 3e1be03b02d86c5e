"""That no match id is missed, however Riot lists them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lol_dagster.riot.discovery import DEEP_POLL_EVERY
from lol_dagster.storage.models import Account, Match
from lol_dagster_tests._support.roster_rows import make_membership, make_team
from lol_dagster_tests.riot.fake_riot import MatchList, Reply, ids, query, refusal
from lol_dagster_tests.riot.world import HOUR, NOW, World


def test_the_first_look_reaches_back_to_a_game_that_was_on_when_the_player_was_added(
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


def test_the_first_look_reads_all_pages(world: World) -> None:
    account = world.member()
    world.list(account, *ids(1, 250))
    assert set(world.discover().new_match_ids) == set(ids(1, 250))
    starts = [query(target)["start"] for target in world.riot.asked("/ids")]
    assert starts == ["0", "100", "200"]


def test_a_usual_look_is_one_small_page(world: World) -> None:
    account = world.member()
    script = world.list(account, *ids(1, 50))
    world.discover()
    world.forget_requests()

    assert world.discover(NOW + HOUR).new_match_ids == ()

    (target,) = world.riot.targets
    assert (query(target)["start"], query(target)["count"]) == ("0", "20")
    assert script.ids == ids(1, 50)


def test_a_look_at_a_short_list_is_one_page_also_with_news(world: World) -> None:
    account = world.member()
    script = world.list(account, *ids(1, 5))
    world.discover()
    world.forget_requests()
    script.ids = ids(1, 7)

    assert world.discover(NOW + HOUR).new_match_ids == ("NA1_7", "NA1_6")
    assert len(world.riot.targets) == 1


def test_a_usual_look_reads_on_while_whole_pages_bring_news(world: World) -> None:
    """After an outage of days: 150 games have been played since."""
    account = world.member()
    script = world.list(account, *ids(1, 50))
    world.discover()
    world.forget_requests()
    script.ids = ids(1, 200)

    assert set(world.discover(NOW + HOUR).new_match_ids) == set(ids(51, 200))

    pages = [(query(t)["start"], query(t)["count"]) for t in world.riot.asked("/ids")]
    assert pages == [("0", "20"), ("20", "100"), ("120", "100")]


def test_a_usual_look_that_was_cut_short_misses_nothing(world: World) -> None:
    """Its first page brought news, and brings none the next time."""
    account = world.member()
    script = world.list(account, *ids(1, 50))
    world.discover()
    script.ids = ids(1, 100)
    world.riot.on("start=20&", refusal(400))
    assert set(world.discover(NOW + HOUR).new_match_ids) == set(ids(81, 100))

    assert set(world.discover(NOW + 2 * HOUR).new_match_ids) == set(ids(51, 80))


def test_ids_that_are_late_or_out_of_order_are_found(world: World) -> None:
    """weird-games G2: an older game appears below newer ones that are known."""
    account = world.member()
    script = world.list(account, "NA1_9", "NA1_8", "NA1_5")
    world.discover()
    script.ids = ["NA1_8", "NA1_9", "NA1_5", "NA1_7"]
    assert world.discover(NOW + HOUR).new_match_ids == ("NA1_7",)


def test_a_hole_far_down_is_found_by_the_daily_deep_look(world: World) -> None:
    account = world.member()
    script = world.list(account, *(each for each in ids(1, 300) if each != "NA1_20"))
    world.discover()
    script.ids = ids(1, 300)

    assert world.discover(NOW + HOUR).new_match_ids == (), "280 games down"
    report = world.discover(NOW + DEEP_POLL_EVERY)

    assert report.new_match_ids == ("NA1_20",)
    assert world.poll(account).last_deep_poll_at == NOW + DEEP_POLL_EVERY


def test_later_deep_looks_reach_back_thirty_days(world: World) -> None:
    account = world.member(since=NOW - timedelta(days=300))
    world.list(account)
    world.discover()
    world.forget_requests()
    later = NOW + timedelta(days=1)
    world.discover(later)
    expected = later - timedelta(days=30)
    assert query(world.riot.asked("/ids")[0])["startTime"] == str(int(expected.timestamp()))


@pytest.mark.parametrize("known_before", [False, True])
def test_a_list_that_ignores_start_does_not_loop(world: World, known_before: bool) -> None:
    """weird-games G4."""
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
    """weird-games G10: ids repeat across pages."""
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
    """weird-games D2: Riot lists some matches for ever that it never gives."""
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
    assert due() == [], "not with every look"
    world.discover(NOW + DEEP_POLL_EVERY)
    # Not what is processed, nor what is not listed any more; and it stays gone until it is there.
    assert due() == ["NA1_1"]
    with world.database.reading() as session:
        assert session.get_one(Match, "NA1_1").state == "not_found"
