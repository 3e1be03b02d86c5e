"""Whose turn it is where Riot's limits do not allow all accounts their usual pauses."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from lol_dagster.riot.polling import usual_pause
from lol_dagster.riot.turns import Turns, Waiting, read_turns
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, AccountPoll
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_membership,
    make_player,
    make_team,
)
from lol_dagster_tests.riot.world import HOUR, MINUTE, NOW, SINCE

PERSONAL = {"europe": 50.0}
"""100 calls in two minutes, of which lists may take 45 a minute."""
LONG_AGO = NOW - timedelta(days=90)


def pause_s(turns: Turns, each: Waiting, allowed: float = 50.0) -> float:
    return turns.pause(each.account_id, allowed, each.quiet_for).total_seconds()


def test_whoever_is_likely_to_bring_news_is_asked_more_often() -> None:
    playing = [Waiting(number, "europe", 5 * MINUTE) for number in range(40)]
    quiet = [Waiting(number, "europe", 61 * MINUTE) for number in range(40, 80)]
    turns = Turns([*playing, *quiet], PERSONAL)
    # The roots of 4/3 and of half a game in 56 hours, 1.1547 and 0.094491, are 49.968 in all. Of 45 calls a
    # minute 33.75 go by these, and 11.25 to 80 accounts alike: 0.92055 and 0.20445 each.
    assert pause_s(turns, playing[0]) == pytest.approx(65.18, abs=0.01)
    assert pause_s(turns, quiet[0]) == pytest.approx(293.5, abs=0.1)
    # Who begins to play meanwhile, has the pause of those who do.
    assert turns.pause(quiet[0].account_id, 50.0, MINUTE) == turns.pause(0, 50.0, MINUTE)


def test_who_has_played_at_this_time_of_day_is_asked_more_often_than_who_has_not() -> None:
    quiet = 5 * HOUR
    often, never = Waiting(1, "europe", quiet, games=20), Waiting(2, "europe", quiet)
    others = [Waiting(number, "europe", 5 * MINUTE) for number in range(3, 90)]
    turns = Turns([often, never, *others], PERSONAL)
    assert pause_s(turns, often) < pause_s(turns, never) / 1.5


def test_where_the_limits_allow_it_all_have_their_usual_pauses() -> None:
    # 14 want three lists a minute each, which are 42 of 45.
    playing = [Waiting(number, "europe", 5 * MINUTE) for number in range(14)]
    quiet = Waiting(14, "europe", timedelta(days=90))
    elsewhere = [Waiting(number, "asia", MINUTE) for number in range(15, 200)]
    turns = Turns([*playing, quiet, *elsewhere], PERSONAL)
    assert pause_s(turns, playing[0]) == 20
    assert pause_s(turns, quiet) == 28 * 60
    # With a production key 185 may, too: 555 of 2,700.
    assert pause_s(turns, elsewhere[0], 50.0) > 20
    assert pause_s(turns, elsewhere[0], 3000.0) == 20


@given(
    waiting=st.lists(
        st.builds(
            Waiting,
            st.just(0),
            st.just("europe"),
            st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=60)),
            st.integers(0, 120),
        ),
        min_size=1,
        max_size=300,
    ),
    allowed=st.sampled_from([5.0, 50.0, 3000.0]),
)
def test_all_pauses_fit_into_the_limits_and_nobody_is_forgotten(
    waiting: list[Waiting], allowed: float
) -> None:
    of = [replace(each, account_id=number) for number, each in enumerate(waiting)]
    turns = Turns(of, {"europe": allowed})
    pauses = [pause_s(turns, each, allowed) for each in of]
    usual = [usual_pause(each.quiet_for).total_seconds() for each in of]
    calls = 0.9 * allowed
    assert sum(60 / pause for pause in pauses) <= calls * 1.001 or pauses == usual
    for pause, least in zip(pauses, usual, strict=True):
        assert least <= pause <= max(least, 4 * 60 * len(of) / calls) + 0.001


def test_one_who_is_quiet_among_a_thousand_who_play_is_not_forgotten() -> None:
    playing = [Waiting(number, "europe", 5 * MINUTE) for number in range(999)]
    quiet = Waiting(999, "europe", timedelta(days=90))
    # Of 45 calls a minute 11.25 to a thousand alike, and 33.75 by roots that are 1153.64 in all, of which theirs
    # is 0.094491: 0.014014 a minute. Without the first it would be four hours and a half.
    pause = pause_s(Turns([*playing, quiet], PERSONAL), quiet)
    assert pause == pytest.approx(4281, abs=2)


def test_those_come_first_of_whose_pauses_most_have_gone_by() -> None:
    def asked(
        account_id: int, ago: timedelta, *, played: timedelta, fails: bool = False
    ) -> Waiting:
        return Waiting(account_id, "europe", played, 0, ago, fails)

    weeks = timedelta(days=20)
    turns = Turns(
        [
            asked(1, 42 * MINUTE, played=weeks),  # 1.5 of 28 minutes
            asked(2, 112 * MINUTE, played=weeks),  # 4
            asked(3, timedelta(seconds=60), played=5 * MINUTE),  # 3 of 20 seconds
            asked(4, timedelta(seconds=40), played=5 * MINUTE),  # 2
            asked(5, 279 * MINUTE, played=weeks, fails=True),  # nearly 10
            Waiting(6, "europe", timedelta(days=90)),  # never
            Waiting(
                7, "europe", timedelta(seconds=199), fails=True
            ),  # never, nearly 10 of 20 seconds
        ],
        PERSONAL,
    )
    assert sorted(range(1, 8), key=turns.place) == [6, 2, 3, 4, 1, 5, 7]


def test_those_that_fail_are_asked_again_even_where_there_is_never_time_for_all() -> None:
    """One failed call would be the last otherwise: all who did not fail come before, each time."""
    weeks = timedelta(days=20)
    turns = Turns(
        [
            Waiting(1, "europe", weeks, 0, 56 * MINUTE),  # 2 of 28 minutes
            Waiting(2, "europe", weeks, 0, 281 * MINUTE, fails=True),  # 10
            Waiting(3, "europe", timedelta(hours=12), fails=True),  # never, and more
        ],
        PERSONAL,
    )
    assert sorted(range(1, 4), key=turns.place) == [3, 2, 1]


def test_games_around_this_time_of_day_in_the_last_four_weeks_count(
    any_database: Database,
) -> None:
    """NOW is noon: what ended from eleven to one o'clock does."""
    with any_database.writing() as session:
        team = make_team(session)
        ann, ben = make_player(session), make_player(session)
        for player in (ann, ben):
            make_membership(session, team, player, since=SINCE)
            account = make_account(session, player, platform="euw1", created_at=LONG_AGO)
            session.add(
                AccountPoll(
                    account_id=account.id,
                    next_poll_at=NOW,
                    last_good_poll_at=NOW - HOUR,
                    last_played_at=NOW - 3 * HOUR,
                )
            )
        ended = [
            (ann, NOW - timedelta(days=1)),
            (ann, NOW - timedelta(days=28) + 59 * MINUTE),
            (ben, NOW - timedelta(days=1) + 61 * MINUTE),
            (ben, NOW - timedelta(days=29)),
            (ben, NOW),
        ]
        for number, (player, at) in enumerate(ended):
            add_game(session, f"EUW1_{number}", played(player), ended_at=at)
    with any_database.reading() as session:
        turns = read_turns(session, NOW, {"europe": 0.1})
        usual = read_turns(session, NOW, {"europe": 50.0})
        first, second = sorted(session.scalars(select(Account.id)), key=turns.place)
    # Of 0.09 calls a minute each has 0.01125. By the roots of 2.5 and 0.5 games, of which Ann's is 69.1 %, they
    # have 0.04664 and 0.02086 more: 17.27 and 31.14 minutes.
    assert turns.pause(first, 0.1, 3 * HOUR).total_seconds() == pytest.approx(1036, abs=1)
    assert turns.pause(second, 0.1, 3 * HOUR).total_seconds() == pytest.approx(1868, abs=2)
    assert usual.pause(first, 50.0, 3 * HOUR) == usual_pause(3 * HOUR)
