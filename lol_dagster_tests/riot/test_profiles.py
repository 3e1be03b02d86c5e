"""Missing games: games that Riot counts and does not list, as distinct from nobody having played."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from lol_dagster.monitoring.queries import accounts_missing_games
from lol_dagster.riot.profiles import check_profiles
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AccountPoll, Match, Player
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests.riot.fake_riot import Reply, fake_riot, refusal
from lol_dagster_tests.riot.world import HOUR, NOW, World


class Profiles:
    """An account whose match list is seen every minute, and what Riot's profile says of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.account = world.member(game_name="Ann", tag_line="NA1")
        self.ranked, self.others, self.revised_at = 10, 0, NOW - timedelta(days=3)
        with world.database.writing() as session:
            session.add(
                AccountPoll(account_id=self.account.id, next_poll_at=NOW, last_good_poll_at=NOW)
            )
        puuid = self.account.puuid
        world.riot.on(f"summoners/by-puuid/{puuid}", lambda _: Reply(200, self._profile()))
        world.riot.on(f"entries/by-puuid/{puuid}", lambda _: Reply(200, self._entries()))

    def _profile(self) -> dict[str, object]:
        return {"puuid": "p", "revisionDate": int(self.revised_at.timestamp() * 1000)}

    def _entries(self) -> list[dict[str, object]]:
        return [
            {"queueType": "RANKED_SOLO_5x5", "wins": self.ranked - 4, "losses": 4},
            {"queueType": "RANKED_TFT_DOUBLE_UP", "wins": self.others, "losses": 0},
        ]

    def check(self, hours: float) -> int:
        now = NOW + hours * HOUR
        return check_profiles(self.world.database, self.world.client, now=now)

    def misses_games(self, hours: float, *, is_polled: bool = True) -> bool:
        """Whether games are missing then."""
        now = NOW + hours * HOUR
        with self.world.database.writing() as session:
            if is_polled:
                session.execute(update(AccountPoll).values(last_good_poll_at=now))
        with self.world.database.reading() as session:
            return session.scalars(accounts_missing_games(now)).all() == ["Ann#NA1"]

    def play_ranked(self, hours: float) -> None:
        """A game ends, and Riot counts it."""
        self.ranked += 1
        self.revised_at = NOW + hours * HOUR

    def process(self, hours: float, match_id: str = "NA1_1") -> None:
        """A game that ended then has gone through all stages."""
        with self.world.database.writing() as session:
            player = session.get_one(Player, self.account.player_id)
            add_game(session, match_id, played(player), ended_at=NOW + hours * HOUR)
            session.execute(
                update(Match).where(Match.match_id == match_id).values(state="processed")
            )


@pytest.fixture
def profiles(any_database: Database) -> Iterator[Profiles]:
    with fake_riot() as riot:
        yield Profiles(World(any_database, riot))


def test_a_ranked_game_that_never_shows_up_is_missing_after_ninety_minutes(
    profiles: Profiles,
) -> None:
    profiles.check(0)
    profiles.play_ranked(0.5)
    profiles.check(1)
    assert not profiles.misses_games(2.4)
    assert profiles.misses_games(2.5)
    # Checked again and again: it stays so, from the same moment on.
    profiles.check(2.5)
    profiles.play_ranked(3)
    profiles.check(3.5)
    assert profiles.misses_games(3.6)


def test_nobody_having_played_leaves_no_game_missing(profiles: Profiles) -> None:
    for hour in range(6):
        profiles.check(hour)
        assert not profiles.misses_games(hour + 0.9)


def test_a_new_icon_a_level_or_another_game_of_riots_leaves_no_game_missing(
    profiles: Profiles,
) -> None:
    for hour in range(6):
        profiles.revised_at = NOW + hour * HOUR
        profiles.others += 1
        profiles.check(hour)
        assert not profiles.misses_games(hour + 0.9)


def test_a_game_that_was_seen_is_not_missing(profiles: Profiles) -> None:
    profiles.check(0)
    profiles.play_ranked(0.5)
    profiles.process(0.5)
    profiles.check(1)
    assert not profiles.misses_games(9)


def test_a_game_that_riot_counts_late_was_seen(profiles: Profiles) -> None:
    profiles.process(-0.5)
    profiles.check(0)
    profiles.play_ranked(-0.5)
    profiles.check(1)
    assert not profiles.misses_games(9)


def test_a_game_that_comes_late_ends_it(profiles: Profiles) -> None:
    profiles.check(0)
    profiles.play_ranked(0.5)
    profiles.check(1)
    assert profiles.misses_games(3)
    profiles.process(0.5)
    assert not profiles.misses_games(3)
    profiles.check(4)
    assert profiles.world.poll(profiles.account).missing_games_since is None


def test_a_game_that_is_listed_and_on_its_way_is_seen(profiles: Profiles) -> None:
    profiles.check(0)
    profiles.play_ranked(0.5)
    profiles.check(1)
    with profiles.world.database.writing() as session:
        session.add(Match(match_id="NA1_9", state="quarantined", listed_at=NOW + HOUR))
    assert not profiles.misses_games(9)


def test_whoever_cannot_be_polled_counts_as_such_and_not_as_missing_games(
    profiles: Profiles,
) -> None:
    profiles.check(0)
    profiles.play_ranked(0.5)
    profiles.check(1)
    assert not profiles.misses_games(9, is_polled=False)


def test_a_new_season_begins_at_nought(profiles: Profiles) -> None:
    profiles.check(0)
    profiles.ranked, profiles.revised_at = 4, NOW + HOUR
    profiles.check(1)
    assert not profiles.misses_games(9)


def test_a_check_that_failed_is_no_evidence(profiles: Profiles) -> None:
    """The game was seen between two checks, of which the one in between failed."""
    profiles.check(0)
    profiles.process(0.2)
    profiles.play_ranked(0.2)
    profiles.world.riot.on("summoners", refusal(404, "Data not found"))
    profiles.check(2)
    profiles.world.riot.on("summoners", lambda _: Reply(200, profiles._profile()))
    profiles.check(4)
    assert not profiles.misses_games(9)


def test_a_check_costs_one_call_an_hour_and_a_second_if_the_profile_has_changed(
    profiles: Profiles,
) -> None:
    def asked() -> tuple[int, int]:
        riot = profiles.world.riot
        return len(riot.asked("summoners")), len(riot.asked("entries"))

    for hours in (0, 0.1, 0.5, 0.99):
        profiles.check(hours)
    assert asked() == (1, 1)
    profiles.check(1)
    assert asked() == (2, 1)
    profiles.play_ranked(1.5)
    profiles.check(2)
    assert asked() == (3, 2)


def test_many_accounts_take_turns(profiles: Profiles) -> None:
    others = [profiles.world.member() for _ in range(4)]
    profiles.world.riot.on("summoners", Reply(200, {"revisionDate": 1}))
    profiles.world.riot.on("entries", Reply(200, []))
    with profiles.world.database.writing() as session:
        for account in others:
            session.add(AccountPoll(account_id=account.id, next_poll_at=NOW, last_good_poll_at=NOW))
    assert [profiles.check(minute / 60) for minute in range(4)] == [2, 2, 1, 0]


def test_a_check_never_waits_for_the_limits(profiles: Profiles) -> None:
    """60 of 100 calls are used up: the rest is for those who play."""
    limits = {"X-App-Rate-Limit": "100:120", "X-App-Rate-Limit-Count": "60:120"}
    profiles.world.riot.on("summoners", Reply(200, profiles._profile(), limits))
    profiles.check(0)  # the first tells us of the limits
    before = profiles.world.time.now
    assert profiles.check(1.01) == 0
    assert profiles.world.time.now == before, "nobody slept"
    poll = profiles.world.poll(profiles.account)
    assert poll.profile_checked_at is None or poll.profile_checked_at == NOW
