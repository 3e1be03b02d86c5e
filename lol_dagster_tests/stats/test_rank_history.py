"""An account's ranks as they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.stats.rank_history import Brought, brought, credit_games, curve
from lol_dagster.stats.ranks import Moved, Rank
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, RankChange, RankSnapshot
from lol_dagster_tests._support.message_rows import ENDED, add_game, played
from lol_dagster_tests._support.roster_rows import make_member, make_team

SOLO, FLEX = 420, 440
HOUR = timedelta(hours=1)


@pytest.fixture
def session(any_database: Database) -> Iterator[Session]:
    with any_database.writing() as session:
        yield session


def snapshot(
    session: Session, account: Account, points: int, queue_id: int = SOLO, **said: Any
) -> RankSnapshot:
    values = {"taken_at": ENDED, "seen_at": ENDED, "wins": 1, "losses": 1, **said}
    row = RankSnapshot(
        account_id=account.id, queue_id=queue_id, tier="GOLD", division="II", league_points=points,
        **values,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def gold(points: int) -> Rank:
    return Rank("GOLD", "II", points)


def test_the_last_games_that_moved_a_rank_come_with_how_they_did(session: Session) -> None:
    team = make_team(session)
    players = [make_member(session, team, name) for name in ("Ann", "Ben")]
    ann, ben = (player.accounts[0] for player in players)
    before, after = snapshot(session, ann, 45), snapshot(session, ann, 66)
    flex = snapshot(session, ann, 10, FLEX), snapshot(session, ann, 30, FLEX)
    other = snapshot(session, ben, 1), snapshot(session, ben, 2)
    for number, (account, queue_id, (first, second)) in enumerate(
        [
            (ann, SOLO, (before, after)),
            (ann, SOLO, (after, before)),
            (ann, FLEX, flex),
            (ben, SOLO, other),
            (ann, SOLO, (after, after)),
            (ann, SOLO, (before, after)),
        ]
    ):
        match_id = f"EUW1_{9 - number}"
        ended_at = ENDED - min(number, 3) * HOUR  # the last two ended at once
        add_game(session, match_id, *map(played, players), queue_id=queue_id, ended_at=ended_at)
        session.add(
            RankChange(
                match_id=match_id, account_id=account.id, before_id=first.id, after_id=second.id,
                games=number + 1,
            )
        )  # fmt: skip
    session.flush()
    assert brought(session, ann.id, SOLO, limit=2) == [
        Brought("EUW1_9", ENDED, Moved(gold(45), gold(66), 1)),
        Brought("EUW1_8", ENDED - HOUR, Moved(gold(66), gold(45), 2)),
    ]
    assert [each.match_id for each in brought(session, ann.id, SOLO, limit=9)] == [
        "EUW1_9", "EUW1_8", "EUW1_4", "EUW1_5",
    ]  # fmt: skip
    assert [each.match_id for each in brought(session, ann.id, FLEX, limit=9)] == ["EUW1_7"]


def test_a_move_over_two_games_is_credited_to_the_later_of_the_accounts_own(
    session: Session,
) -> None:
    team = make_team(session)
    players = [make_member(session, team, name) for name in ("Ann", "Ben")]
    ann = players[0].accounts[0]
    early = {"taken_at": ENDED - 9 * HOUR, "seen_at": ENDED - 9 * HOUR, "wins": 10}
    late = {"taken_at": ENDED + HOUR, "seen_at": ENDED + 9 * HOUR, "wins": 12}
    before, after = snapshot(session, ann, 20, **early), snapshot(session, ann, 60, **late)

    def add(match_id: str, ago: int, *who: Any, queue_id: int = SOLO) -> None:
        add_game(session, match_id, *who, queue_id=queue_id, ended_at=ENDED - ago * HOUR)

    add("EUW1_5", 4, played(players[0]))
    add("EUW1_3", 3, played(players[0]))  # not by its number, but by its end the later one
    # None of these has moved it: another's, a remake, another queue's.
    add("EUW1_7", 2, played(players[1]))
    add("EUW1_8", 2, played(players[0], outcome="remake"))
    add("EUW1_9", 2, played(players[0]), queue_id=FLEX)
    assert credit_games(session, ann.id, SOLO).changed == {"EUW1_3"}
    (change,) = session.scalars(select(RankChange))
    assert (change.match_id, change.before_id, change.after_id, change.games) == (
        "EUW1_3", before.id, after.id, 2,
    )  # fmt: skip
    assert credit_games(session, ann.id, SOLO).changed == frozenset()
    # What is known already does not hide what comes after it.
    snapshot(session, ann, 80, taken_at=ENDED + 20 * HOUR, seen_at=ENDED + 30 * HOUR, wins=13)
    add("EUW1_2", -15, played(players[0]))
    assert credit_games(session, ann.id, SOLO).changed == {"EUW1_2"}


def test_games_of_long_ago_are_credited_too(session: Session) -> None:
    """Of a year there are more snapshots than a page shows of its curve."""
    ann = make_member(session, make_team(session), "Ann")
    account = ann.accounts[0]
    early = {"taken_at": ENDED - 9 * HOUR, "seen_at": ENDED - 9 * HOUR, "wins": 10}
    late = {"taken_at": ENDED + HOUR, "seen_at": ENDED + 9 * HOUR, "wins": 11}
    snapshot(session, account, 20, **early)
    snapshot(session, account, 40, **late)
    session.add_all(
        RankSnapshot(
            account_id=account.id, queue_id=SOLO, tier="GOLD", division="II",
            league_points=40 + number % 2, taken_at=ENDED + number * 9 * HOUR,
            seen_at=ENDED + number * 9 * HOUR, wins=11, losses=1,
        )
        for number in range(1, 201)
    )  # fmt: skip
    add_game(session, "EUW1_5", played(ann), queue_id=SOLO, ended_at=ENDED)
    session.flush()
    assert credit_games(session, account.id, SOLO).changed == {"EUW1_5"}


def test_a_curve_is_one_accounts_in_one_queue_and_begins_with_its_oldest(session: Session) -> None:
    team = make_team(session)
    ann, ben = (make_member(session, team, name).accounts[0] for name in ("Ann", "Ben"))
    own = [snapshot(session, ann, points).id for points in (45, 66, 50)]
    snapshot(session, ann, 1, FLEX)
    snapshot(session, ben, 2)
    found = curve(session, ann.id, SOLO)
    assert [(each.id, each.rank) for each in found] == list(
        zip(own, map(gold, (45, 66, 50)), strict=True)
    )
    assert [each.rank for each in curve(session, ann.id, SOLO, limit=2)] == [gold(66), gold(50)]
