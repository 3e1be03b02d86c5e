"""What follows from a backup that was restored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from lol_dagster.messages.restored import (
    Restoration,
    keep_restoration,
    message_id,
    restoration,
)
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Message
from lol_dagster_tests._support.message_rows import ENDED, add_game, played
from lol_dagster_tests.messages.writing import world, write

TAKEN = datetime(2026, 8, 1, 3, 0, tzinfo=UTC)
RESTORED = datetime(2026, 8, 1, 20, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LAST_TIME = Restoration(TAKEN, RESTORED)


def test_the_last_restoration_is_what_is_known(database: Database) -> None:
    with database.writing() as session:
        assert restoration(session) is None
        keep_restoration(session, LAST_TIME)
    with database.writing() as session:
        assert restoration(session) == LAST_TIME
        keep_restoration(session, Restoration(TAKEN + SECOND, RESTORED + SECOND))
    with database.reading() as session:
        assert restoration(session) == Restoration(TAKEN + SECOND, RESTORED + SECOND)


@pytest.mark.parametrize(
    ("ended_at", "may"),
    [
        (TAKEN - SECOND, True),
        (RESTORED, True),
        # Riot's clock may be five minutes ahead of ours.
        (datetime(2026, 8, 1, 20, 4, 59, tzinfo=UTC), True),
        (datetime(2026, 8, 1, 20, 5, tzinfo=UTC), False),
    ],
)
def test_what_ended_before_the_restoration_may_have_been_delivered(
    ended_at: datetime, may: bool
) -> None:
    assert LAST_TIME.may_have_been_delivered(ended_at) is may


@pytest.mark.parametrize(
    ("ended_at", "processed_at", "counts_as"),
    [
        # The lost installation will have processed it when it ended, and not a day later.
        (RESTORED - SECOND, RESTORED + timedelta(days=1), TAKEN),
        # It was processed before the backup was taken: the backup knows.
        (TAKEN - timedelta(days=9), TAKEN - timedelta(days=8), TAKEN - timedelta(days=8)),
        # It ended after the restoration: nobody else can have processed it.
        (RESTORED + timedelta(hours=1), RESTORED + timedelta(days=1), RESTORED + timedelta(days=1)),
    ],
)
def test_a_game_counts_as_processed_when_the_lost_installation_will_have_done_so(
    ended_at: datetime, processed_at: datetime, counts_as: datetime
) -> None:
    assert LAST_TIME.first_processed_at(ended_at, processed_at) == counts_as


def test_a_new_message_about_a_game_from_before_is_looked_for_before_it_is_posted(
    database: Database,
) -> None:
    ann, _ = world(database)
    hour = timedelta(hours=1)
    with database.writing() as session:
        keep_restoration(session, Restoration(ENDED - hour, ENDED + hour))
        add_game(session, "EUW1_1", played(ann))
        add_game(session, "EUW1_2", played(ann), ended_at=ENDED + 2 * hour)
        for match_id in ("EUW1_1", "EUW1_2"):
            write(session, match_id, ENDED + 3 * hour)
        states = {each.subject: each.state for each in session.scalars(select(Message))}
    assert states == {"EUW1_1": "uncertain", "EUW1_2": "pending"}


def test_an_id_is_the_same_each_time_and_in_each_version() -> None:
    # sha256 of the four lines begins f9252d06 ae8e 86d8 baf0 b095e90239ca; as a UUID of version 5
    # its 13th digit is 5 instead of 8, and the 17th, b, is one of the variant already. A restored backup of
    # any age writes its messages under these ids.
    assert message_id("salt", 7, "game", "EUW1_1") == "f9252d06-ae8e-56d8-baf0-b095e90239ca"


def test_an_id_is_of_one_installation_channel_kind_and_game() -> None:
    ids = [
        message_id("salt", 7, "game", "EUW1_1"),
        message_id("another", 7, "game", "EUW1_1"),
        message_id("salt", 8, "game", "EUW1_1"),
        message_id("salt", 7, "catch_up", "EUW1_1"),
        message_id("salt", 7, "game", "EUW1_2"),
    ]
    assert len(set(ids)) == 5
