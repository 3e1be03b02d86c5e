"""Asking for timelines: of which games, when, how often, and that nothing waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from lol_dagster.pipeline.records import forget_matches
from lol_dagster.pipeline.timelines import PAUSES, fetch_timelines, want_timeline
from lol_dagster.riot.archive import load_timeline, packed
from lol_dagster.riot.limiter import SHARES
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Match, Timeline
from lol_dagster_tests._support.message_rows import add_game
from lol_dagster_tests._support.payloads import encode
from lol_dagster_tests._support.roster_rows import make_channel, make_team
from lol_dagster_tests._support.timelines import timeline
from lol_dagster_tests.riot.fake_riot import ROOMY, FakeRiot, Reply, fake_riot, refusal
from lol_dagster_tests.riot.world import HOUR, MINUTE, NOW, World

ZERO = timedelta(0)


class Tales:
    """A channel that tells stories, and games of the last minutes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.riot: FakeRiot = world.riot
        with world.database.writing() as session:
            self.channel_id = self.add_channel(session, "main", story=True)

    def add_channel(self, session: Any, name: str, **values: Any) -> int:
        return make_channel(session, make_team(session, name), name, **values).id

    def process(
        self, match_id: str, *channel_ids: int, after: timedelta = ZERO, **values: Any
    ) -> None:
        """A game goes through all stages, and has a message of its own there, or in `main`."""
        with self.world.database.writing() as session:
            add_game(session, match_id, **{"ended_at": NOW - MINUTE, **values})
            session.get_one(Match, match_id).state = "processed"
            want_timeline(session, match_id, channel_ids or [self.channel_id], now=NOW + after)

    def give(self, match_id: str) -> bytes:
        body = encode(timeline(match_id, [0, 100]))
        self.riot.on(f"matches/{match_id}/timeline", Reply(200, body))
        return body

    def fetch(self, after: timedelta = ZERO) -> int:
        return fetch_timelines(self.world.database, self.world.client, now=NOW + after)

    @property
    def asked(self) -> list[str]:
        """Match ids, in order."""
        return [each.split("/")[-2] for each in self.riot.asked("timeline")]

    def row(self, match_id: str) -> Timeline | None:
        with self.world.database.reading() as session:
            return session.get(Timeline, match_id)

    def state(self, match_id: str) -> tuple[str, bool]:
        """The match's, and whether it is due."""
        with self.world.database.reading() as session:
            match = session.get_one(Match, match_id)
            return match.state, match.next_try_at is not None


@pytest.fixture
def tales(any_database: Database) -> Iterator[Tales]:
    with fake_riot() as riot:
        yield Tales(World(any_database, riot))


@pytest.fixture
def lite(database: Database) -> Iterator[Tales]:
    with fake_riot() as riot:
        yield Tales(World(database, riot))


# --- of which games --------------------------------------------------------------------------------


def test_what_is_archived_is_riots_answer_and_the_game_is_due_again(tales: Tales) -> None:
    tales.process("NA1_1")
    body = tales.give("NA1_1")
    assert tales.state("NA1_1") == ("processed", False)
    assert tales.fetch() == 1
    assert tales.state("NA1_1") == ("fetched", True), "so that its message is edited"
    with tales.world.database.reading() as session:
        assert load_timeline(session, "NA1_1") == body
    assert tales.fetch(HOUR) == 0
    assert tales.asked == ["NA1_1"], "once"


@pytest.mark.parametrize(
    "values",
    [
        {"mode_family": "aram"},
        {"mode_family": "arena"},
        {"queue_kind": "bots"},
        {"result": "remake"},
        {"ended_at": NOW - timedelta(days=1, minutes=1)},
    ],
)
def test_only_games_of_the_rift_that_have_just_been_played_out_are_worth_a_call(
    lite: Tales, values: dict[str, Any]
) -> None:
    lite.process("NA1_1", **values)
    assert lite.row("NA1_1") is None


def test_nothing_is_asked_for_where_nobody_wants_the_story(lite: Tales) -> None:
    with lite.world.database.writing() as session:
        silent = lite.add_channel(session, "silent")
        # A webhook's messages in Slack stay as they are.
        fixed = lite.add_channel(
            session, "fixed", kind="slack-webhook", address="https://x", story=True
        )
    lite.process("NA1_1", silent)
    lite.process("NA1_2", fixed)
    lite.fetch()
    assert lite.asked == []
    lite.process("NA1_3", silent, lite.channel_id)
    lite.fetch()
    assert lite.asked == ["NA1_3"]


def test_to_process_a_game_again_asks_for_nothing_that_is_there_or_was_given_up(
    lite: Tales,
) -> None:
    lite.process("NA1_1")
    lite.give("NA1_1")
    lite.fetch()
    with lite.world.database.writing() as session:
        want_timeline(session, "NA1_1", [lite.channel_id], now=NOW + MINUTE)
    lite.fetch(HOUR)
    assert lite.asked == ["NA1_1"]


# --- when ------------------------------------------------------------------------------------------


def test_five_a_poll_those_that_were_processed_last_first(tales: Tales) -> None:
    for number in range(7):
        tales.process(f"NA1_{number}", after=-number * MINUTE)
        tales.give(f"NA1_{number}")
    assert tales.fetch() == 5
    assert tales.asked == ["NA1_0", "NA1_1", "NA1_2", "NA1_3", "NA1_4"]
    assert tales.fetch() == 2


@pytest.mark.parametrize("next_try_at", [NOW, NOW + HOUR], ids=["due", "deferred"])
def test_a_game_that_has_to_wait_for_its_payload_comes_first(
    tales: Tales, next_try_at: datetime
) -> None:
    tales.process("NA1_1")
    tales.give("NA1_1")
    with tales.world.database.writing() as session:
        session.add(Match(match_id="NA1_9", listed_at=NOW - 2 * MINUTE, next_try_at=next_try_at))
    assert tales.fetch() == 0
    assert tales.asked == []
    with tales.world.database.writing() as session:
        session.execute(update(Match).where(Match.match_id == "NA1_9").values(next_try_at=None))
    assert tales.fetch() == 1


@pytest.mark.parametrize(
    "values", [{"listed_at": NOW}, {"listed_at": NOW - HOUR, "first_missing_at": NOW - HOUR}]
)
def test_one_that_was_just_listed_or_that_riot_does_not_give_holds_up_nothing(
    lite: Tales, values: dict[str, Any]
) -> None:
    """While people play, each poll may bring another one."""
    lite.process("NA1_1")
    lite.give("NA1_1")
    with lite.world.database.writing() as session:
        session.add(Match(match_id="NA1_9", next_try_at=NOW, **values))
    assert lite.fetch() == 1


def test_no_more_than_a_part_of_the_limits_is_used_and_none_is_waited_for(lite: Tales) -> None:
    """Of ten calls a minute, which are counted from the first answer on, timelines have four."""
    limits = {"X-App-Rate-Limit": "10:60", "X-App-Rate-Limit-Count": "1:60"}
    headers = {**ROOMY, **limits}
    for number in range(9):
        match_id = f"NA1_{number}"
        lite.process(match_id)
        lite.riot.on(
            f"matches/{match_id}/timeline", Reply(200, encode(timeline(match_id, [0])), headers)
        )
    assert SHARES["spare"] == 0.4
    assert [lite.fetch(), lite.fetch()] == [4, 0]
    assert lite.world.time.slept == []
    lite.riot.on("matches/NA1_100$", Reply(200, b"{}", headers))
    for _ in range(6):
        lite.world.client.match("NA1_100")
    assert lite.world.time.slept == [], "the rest is there for matches"
    row = lite.row("NA1_8")
    assert row is not None
    assert row.tries == 0, "what the limits put off is no failure"


# --- what cannot be had ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        refusal(404),
        refusal(403),
        refusal(401),
        refusal(400),
        Reply(200, b"<html>"),
        Reply(200, b'{"info": {"frames": [{}]}}'),
        Reply(200, encode(timeline("NA1_2", [0]))),
    ],
    ids=["404", "403", "401", "400", "no JSON", "damaged", "another's"],
)
def test_one_that_cannot_be_had_is_asked_for_six_times_within_five_hours(
    lite: Tales, answer: Reply
) -> None:
    lite.process("NA1_1")
    lite.riot.on("timeline", answer)
    tried = []
    for minute in range(24 * 60):
        before = lite.row("NA1_1")
        lite.fetch(minute * MINUTE)
        after = lite.row("NA1_1")
        assert before is not None
        assert after is not None
        tried += [minute] * (after.tries - before.tries)
    # 1, 5, 20, 60 and 210 minutes after the one before.
    assert tried == [0, 1, 6, 26, 86, 296]
    assert len(tried) == len(PAUSES) + 1
    assert lite.state("NA1_1") == ("processed", False), "the game is none the worse"
    with lite.world.database.reading() as session, pytest.raises(LookupError):
        load_timeline(session, "NA1_1")


def test_while_riots_servers_fail_no_timeline_is_asked_for_but_one_in_five_minutes(
    lite: Tales,
) -> None:
    """Each call may take ten seconds, for which the next poll would have to wait."""
    for number in range(3):
        lite.process(f"NA1_{number}", ended_at=NOW - number * MINUTE)
    lite.riot.on("timeline", refusal(503))
    asked = []
    for minute in range(20):
        before = len(lite.asked)
        lite.fetch(minute * MINUTE)
        asked += [(minute, match_id) for match_id in dict.fromkeys(lite.asked[before:])]
    # The third time it was the turn of another one: the pause of the first is 20 minutes then.
    assert asked == [(0, "NA1_2"), (5, "NA1_2"), (10, "NA1_2"), (15, "NA1_1")]
    lite.riot.on("matches/NA1_100$", Reply(200, b"{}"))
    assert lite.world.client.match("NA1_100") == b"{}", "the route is not left alone for that"


def test_another_process_may_have_had_it_meanwhile(lite: Tales) -> None:
    """What came first stays, and its row is not touched by a failure that comes late."""
    lite.process("NA1_1")
    first = encode(timeline("NA1_1", [0, 700]))

    def meanwhile(_: object) -> Reply:
        with lite.world.database.writing() as session:
            row = session.get_one(Timeline, "NA1_1")
            for name, value in packed("NA1_1", first, NOW).items():
                setattr(row, name, value)
            row.next_try_at = None
        return answers.pop(0)

    answers = [Reply(200, encode(timeline("NA1_1", [0, 1]))), refusal(404)]
    lite.riot.on("timeline", meanwhile)
    for _ in range(2):
        lite.fetch()
        with lite.world.database.writing() as session:
            assert load_timeline(session, "NA1_1") == first
            session.execute(update(Timeline).values(next_try_at=NOW))
    with lite.world.database.reading() as session:
        (row,) = session.scalars(select(Timeline))
        assert (row.tries, row.last_error) == (0, None)


def test_a_game_that_is_forgotten_while_its_timeline_is_asked_for_stays_forgotten(
    lite: Tales,
) -> None:
    lite.process("NA1_1")

    def meanwhile(_: object) -> Reply:
        with lite.world.database.writing() as session:
            forget_matches(session, ["NA1_1"])
        return Reply(200, encode(timeline("NA1_1", [0, 1])))

    lite.riot.on("timeline", meanwhile)
    lite.fetch()
    with lite.world.database.reading() as session:
        assert session.get(Match, "NA1_1") is None
