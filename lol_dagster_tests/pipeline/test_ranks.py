"""Asking for ranks: how often, what is kept of the answers, and which games become due by them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from lol_dagster.pipeline.ranks import check_ranks, note_ranked_game
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Match,
    Player,
    RankChange,
    RankSnapshot,
)
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests.riot.fake_riot import Reply, fake_riot, refusal
from lol_dagster_tests.riot.world import HOUR, MINUTE, NOW, World

SOLO, FLEX = "RANKED_SOLO_5x5", "RANKED_FLEX_SR"


class Ladder:
    """An account in Gold II, and what Riot says of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.account = world.member(game_name="Ann", tag_line="NA1")
        self.said = {SOLO: [45, 10, 8], FLEX: [20, 3, 3]}
        """LP, wins, losses."""
        with world.database.writing() as session:
            session.add(
                AccountPoll(account_id=self.account.id, next_poll_at=NOW, last_good_poll_at=NOW)
            )
        world.riot.on(
            f"entries/by-puuid/{self.account.puuid}", lambda _: Reply(200, self._entries())
        )

    def _entries(self) -> list[dict[str, object]]:
        return [
            {"queueType": queue, "tier": "GOLD", "rank": "II", "leaguePoints": points,
             "wins": wins, "losses": losses}
            for queue, (points, wins, losses) in self.said.items()
        ]  # fmt: skip

    def check(self, after: timedelta) -> int:
        return check_ranks(self.world.database, self.world.client, now=NOW + after)

    def process(
        self, match_id: str, after: timedelta, *, ended: timedelta, queue_id: int = 420
    ) -> None:
        """A won game that ended then goes through all stages."""
        with self.world.database.writing() as session:
            player = session.get_one(Player, self.account.player_id)
            add_game(session, match_id, played(player), ended_at=NOW + ended, queue_id=queue_id)
            session.execute(
                update(Match).where(Match.match_id == match_id).values(state="processed")
            )
        note_ranked_game(self.world.database, match_id, now=NOW + after)

    @property
    def calls(self) -> int:
        return len(self.world.riot.asked("entries"))

    @property
    def snapshots(self) -> list[tuple[int, int, int]]:
        """Queue, LP and wins, in their order."""
        with self.world.database.reading() as session:
            rows = session.scalars(select(RankSnapshot).order_by(RankSnapshot.id))
            return [(row.queue_id, row.league_points, row.wins) for row in rows]

    @property
    def credited(self) -> dict[str, int]:
        """Match id → LP."""
        with self.world.database.reading() as session:
            points = {row.id: row.league_points for row in session.scalars(select(RankSnapshot))}
            return {
                row.match_id: points[row.after_id] - points[row.before_id]
                for row in session.scalars(select(RankChange))
            }

    @property
    def due(self) -> dict[str, datetime]:
        with self.world.database.reading() as session:
            rows = session.scalars(select(Match).where(Match.next_try_at.is_not(None)))
            return {row.match_id: row.next_try_at for row in rows if row.next_try_at}


@pytest.fixture
def ladder(any_database: Database) -> Iterator[Ladder]:
    with fake_riot() as riot:
        yield Ladder(World(any_database, riot))


def test_a_game_that_is_not_counted_is_asked_for_nine_times_in_two_hours(ladder: Ladder) -> None:
    ladder.check(-30 * MINUTE)
    ladder.process("NA1_1", timedelta(0), ended=-MINUTE)
    asked = []
    for seconds in range(0, 7200, 10):
        before = ladder.calls
        ladder.check(timedelta(seconds=seconds))
        asked += [seconds] * (ladder.calls - before)
    # After as long as it was waited so far, and not sooner than 30 s.
    assert asked == [0, 30, 60, 120, 240, 480, 960, 1920, 3840]
    assert ladder.world.poll(ladder.account).ranks_due_at is None
    ladder.check(timedelta(seconds=3840) + HOUR)
    assert ladder.calls == 11, "from then on once an hour, as ever"


def test_what_is_counted_is_not_asked_for_again(ladder: Ladder) -> None:
    ladder.check(-30 * MINUTE)
    ladder.process("NA1_1", timedelta(0), ended=-MINUTE)
    ladder.said[SOLO] = [66, 11, 8]
    for seconds in range(0, 3600, 30):
        ladder.check(timedelta(seconds=seconds))
    assert ladder.calls == 2
    assert ladder.credited == {"NA1_1": 21}
    assert ladder.due == {"NA1_1": NOW}, "so that its message is edited"


def test_an_old_game_is_not_waited_for(ladder: Ladder) -> None:
    ladder.process("NA1_1", timedelta(0), ended=-3 * HOUR)
    assert ladder.world.poll(ladder.account).ranks_due_at is None


def test_while_one_of_two_games_is_not_counted_neither_is_credited(ladder: Ladder) -> None:
    ladder.check(-50 * MINUTE)
    ladder.process("NA1_1", timedelta(0), ended=-40 * MINUTE)
    ladder.process("NA1_2", timedelta(0), ended=-MINUTE)
    ladder.said[SOLO] = [66, 11, 8]
    ladder.check(timedelta(0))
    assert ladder.credited == {}
    ladder.said[SOLO] = [90, 12, 8]
    ladder.check(MINUTE)
    assert ladder.credited == {"NA1_1": 21, "NA1_2": 24}


def test_an_unranked_queue_an_old_game_and_one_counted_before_are_not_waited_for(
    ladder: Ladder,
) -> None:
    ladder.check(-30 * MINUTE)
    ladder.process("NA1_1", timedelta(0), ended=-MINUTE, queue_id=400)
    ladder.process("NA1_2", timedelta(0), ended=-3 * HOUR)
    ladder.said[SOLO] = [66, 11, 8]
    ladder.check(31 * MINUTE)
    ladder.process("NA1_3", 32 * MINUTE, ended=29 * MINUTE)
    assert ladder.calls == 2
    assert ladder.credited == {"NA1_3": 21}
    ladder.check(33 * MINUTE)
    assert ladder.calls == 2


def test_solo_and_flex_are_apart(ladder: Ladder) -> None:
    ladder.check(-30 * MINUTE)
    ladder.process("NA1_1", timedelta(0), ended=-MINUTE, queue_id=440)
    ladder.said = {SOLO: [30, 10, 8], FLEX: [41, 4, 3]}  # solo: a penalty
    ladder.check(timedelta(0))
    assert ladder.credited == {"NA1_1": 21}
    assert ladder.snapshots == [(420, 45, 10), (440, 20, 3), (420, 30, 10), (440, 41, 4)]


def test_the_same_answer_is_kept_once_with_when_it_was_last_given(ladder: Ladder) -> None:
    ladder.check(timedelta(0))
    ladder.check(HOUR)
    assert len(ladder.snapshots) == 2
    with ladder.world.database.reading() as session:
        row = session.scalars(select(RankSnapshot).limit(1)).one()
        assert (row.taken_at, row.seen_at) == (NOW, NOW + HOUR)


def test_an_answer_from_before_is_left_out_and_a_new_season_is_not(ladder: Ladder) -> None:
    ladder.said = {SOLO: [66, 11, 8]}
    ladder.check(timedelta(0))
    ladder.said = {SOLO: [45, 10, 8]}
    ladder.check(HOUR)
    assert (420, 45, 10) not in ladder.snapshots, "it may come from a cache"
    ladder.said = {}
    ladder.check(2 * HOUR)
    assert ladder.snapshots[-1] == (420, 0, 0), "two hours later it is so"


@pytest.mark.parametrize("is_counted_first", [True, False])
def test_a_game_that_comes_late_takes_what_is_its_own(
    ladder: Ladder, *, is_counted_first: bool
) -> None:
    """`NA1_1` was counted first and is listed last; meanwhile its LP was taken for `NA1_2`'s."""
    ladder.check(-50 * MINUTE)
    ladder.said[SOLO] = [66, 11, 8]
    ladder.process("NA1_2", timedelta(0), ended=-MINUTE)
    ladder.check(timedelta(0))
    assert ladder.credited == {"NA1_2": 21}
    with ladder.world.database.writing() as session:
        session.execute(update(Match).values(next_try_at=None, state="processed"))
    if is_counted_first:
        ladder.said[SOLO] = [90, 12, 8]
        ladder.check(HOUR)
    ladder.process("NA1_1", HOUR, ended=-40 * MINUTE)
    if not is_counted_first:
        assert ladder.credited == {}, "until Riot counts both"
        ladder.said[SOLO] = [90, 12, 8]
        ladder.check(HOUR)
    assert ladder.credited == {"NA1_1": 21, "NA1_2": 24}
    assert set(ladder.due) == {"NA1_1", "NA1_2"}


def test_ranks_that_cannot_be_had_are_asked_for_in_their_turn(ladder: Ladder) -> None:
    ladder.world.riot.on("entries", refusal(404))
    ladder.check(timedelta(0))
    ladder.check(MINUTE)
    assert ladder.calls == 1
    assert ladder.snapshots == []


def test_ten_accounts_have_their_turn_in_a_poll_and_the_others_in_the_next(ladder: Ladder) -> None:
    """A poll every 24 s is 1,500 accounts an hour."""
    ladder.world.riot.on("entries", lambda _: Reply(200, ladder._entries()))
    others = [ladder.world.member() for _ in range(11)]
    with ladder.world.database.writing() as session:
        session.add_all(
            AccountPoll(account_id=each.id, next_poll_at=NOW, last_good_poll_at=NOW)
            for each in others
        )
    assert [ladder.check(timedelta(0)) for _ in range(3)] == [10, 2, 0]


def test_an_answer_about_another_account_is_dropped(ladder: Ladder) -> None:
    """The entry was corrected while Riot was asked."""

    def corrected(_: object) -> Reply:
        with ladder.world.database.writing() as session:
            session.get_one(Account, ladder.account.id).puuid = "q" * 78
        return Reply(200, ladder._entries())

    ladder.world.riot.on("entries", corrected)
    ladder.check(timedelta(0))
    assert ladder.snapshots == []
