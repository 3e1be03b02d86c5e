"""Missing games: games that Riot counts and does not list, as distinct from nobody having played."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from lol_dagster.monitoring.queries import accounts_missing_games
from lol_dagster.pipeline.ranks import check_ranks
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AccountPoll, Match, Player
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests.riot.fake_riot import Reply, fake_riot, refusal
from lol_dagster_tests.riot.world import HOUR, NOW, World


class Ranks:
    """An account whose match list is seen every minute, and how many ranked games Riot counts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.account = world.member(game_name="Ann", tag_line="NA1")
        self.ranked, self.others = 10, 0
        with world.database.writing() as session:
            session.add(
                AccountPoll(account_id=self.account.id, next_poll_at=NOW, last_good_poll_at=NOW)
            )
        puuid = self.account.puuid
        world.riot.on(f"entries/by-puuid/{puuid}", lambda _: Reply(200, self._entries()))

    def _entries(self) -> list[dict[str, object]]:
        return [
            {
                "queueType": "RANKED_SOLO_5x5",
                "tier": "GOLD",
                "rank": "II",
                "leaguePoints": 1,
                "wins": self.ranked - 4,
                "losses": 4,
            },
            {"queueType": "RANKED_TFT_DOUBLE_UP", "wins": self.others, "losses": 0},
        ]

    def check(self, hours: float) -> int:
        now = NOW + hours * HOUR
        return check_ranks(self.world.database, self.world.client, now=now)

    def misses_games(self, hours: float, *, is_polled: bool = True) -> bool:
        """Whether games are missing then."""
        now = NOW + hours * HOUR
        with self.world.database.writing() as session:
            if is_polled:
                session.execute(update(AccountPoll).values(last_good_poll_at=now))
        with self.world.database.reading() as session:
            return session.scalars(accounts_missing_games(now)).all() == ["Ann#NA1"]

    def play_ranked(self) -> None:
        """A game ends, and Riot counts it."""
        self.ranked += 1

    def process(self, hours: float, match_id: str = "NA1_1") -> None:
        """A game that ended then has gone through all stages."""
        with self.world.database.writing() as session:
            player = session.get_one(Player, self.account.player_id)
            add_game(session, match_id, played(player), ended_at=NOW + hours * HOUR)
            session.execute(
                update(Match).where(Match.match_id == match_id).values(state="processed")
            )


@pytest.fixture
def ranks(any_database: Database) -> Iterator[Ranks]:
    with fake_riot() as riot:
        yield Ranks(World(any_database, riot))


def test_a_ranked_game_that_never_shows_up_is_missing_after_ninety_minutes(
    ranks: Ranks,
) -> None:
    ranks.check(0)
    ranks.play_ranked()
    ranks.check(1)
    assert not ranks.misses_games(2.4)
    assert ranks.misses_games(2.5)
    # Checked again and again: it stays so, from the same moment on.
    ranks.check(2.5)
    ranks.play_ranked()
    ranks.check(3.5)
    assert ranks.misses_games(3.6)


def test_nobody_having_played_leaves_no_game_missing(ranks: Ranks) -> None:
    for hour in range(6):
        ranks.check(hour)
        assert not ranks.misses_games(hour + 0.9)


def test_another_game_of_riots_leaves_no_game_missing(
    ranks: Ranks,
) -> None:
    for hour in range(6):
        ranks.others += 1
        ranks.check(hour)
        assert not ranks.misses_games(hour + 0.9)


def test_a_game_that_was_seen_is_not_missing(ranks: Ranks) -> None:
    ranks.check(0)
    ranks.play_ranked()
    ranks.process(0.5)
    ranks.check(1)
    assert not ranks.misses_games(9)


def test_a_game_that_riot_counts_late_was_seen(ranks: Ranks) -> None:
    ranks.process(-0.5)
    ranks.check(0)
    ranks.play_ranked()
    ranks.check(1)
    assert not ranks.misses_games(9)


def test_a_game_that_comes_late_ends_it(ranks: Ranks) -> None:
    ranks.check(0)
    ranks.play_ranked()
    ranks.check(1)
    assert ranks.misses_games(3)
    ranks.process(0.5)
    assert not ranks.misses_games(3)
    ranks.check(4)
    assert ranks.world.poll(ranks.account).missing_games_since is None


def test_a_game_that_is_listed_and_on_its_way_is_seen(ranks: Ranks) -> None:
    ranks.check(0)
    ranks.play_ranked()
    ranks.check(1)
    with ranks.world.database.writing() as session:
        session.add(Match(match_id="NA1_9", state="quarantined", listed_at=NOW + HOUR))
    assert not ranks.misses_games(9)


def test_whoever_cannot_be_polled_counts_as_such_and_not_as_missing_games(
    ranks: Ranks,
) -> None:
    ranks.check(0)
    ranks.play_ranked()
    ranks.check(1)
    assert not ranks.misses_games(9, is_polled=False)


def test_a_new_season_begins_at_nought(ranks: Ranks) -> None:
    ranks.check(0)
    ranks.ranked = 4
    ranks.check(1)
    assert not ranks.misses_games(9)


def test_a_check_that_failed_is_no_evidence(ranks: Ranks) -> None:
    """The game was seen between two checks, of which the one in between failed."""
    ranks.check(0)
    ranks.process(0.2)
    ranks.play_ranked()
    ranks.world.riot.on("entries", refusal(404, "Data not found"))
    ranks.check(2)
    ranks.world.riot.on("entries", lambda _: Reply(200, ranks._entries()))
    ranks.check(4)
    assert not ranks.misses_games(9)


def test_a_check_costs_one_call_an_hour(ranks: Ranks) -> None:
    for hours in (0, 0.1, 0.5, 0.99):
        ranks.check(hours)
    assert len(ranks.world.riot.asked("entries")) == 1
    ranks.check(1)
    assert len(ranks.world.riot.asked("entries")) == 2


def test_many_accounts_take_turns(ranks: Ranks) -> None:
    """24 with the one that is there: ten a poll."""
    others = [ranks.world.member() for _ in range(23)]
    ranks.world.riot.on("entries", Reply(200, []))
    with ranks.world.database.writing() as session:
        for account in others:
            session.add(AccountPoll(account_id=account.id, next_poll_at=NOW, last_good_poll_at=NOW))
    assert [ranks.check(minute / 60) for minute in range(4)] == [10, 10, 4, 0]


def test_a_check_never_waits_for_the_limits(ranks: Ranks) -> None:
    """60 of 100 calls are used up: the rest is for those who play."""
    limits = {"X-App-Rate-Limit": "100:120", "X-App-Rate-Limit-Count": "60:120"}
    ranks.world.riot.on("entries", Reply(200, ranks._entries(), limits))
    ranks.check(0)  # the first tells us of the limits
    before = ranks.world.time.now
    assert ranks.check(1.01) == 0
    assert ranks.world.time.now == before, "nobody slept"
    assert ranks.world.poll(ranks.account).ranks_checked_at == NOW
