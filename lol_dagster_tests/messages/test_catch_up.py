"""Stale games of a channel share a message; and writers at the same time."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update

from lol_dagster.delivery import message_rows
from lol_dagster.delivery.message_rows import WrittenMessage
from lol_dagster.messages.announcements import CATCH_UP_OPEN
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.identity import installation_salt
from lol_dagster.messages.restored import message_id
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Fact, Message, MessageGame, Player, Team
from lol_dagster_tests._support.message_rows import NOW, add_game, played
from lol_dagster_tests._support.roster_rows import make_channel
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.messages.writing import (
    LONG_AFTER,
    change_kills,
    change_message,
    the_message,
    world,
    write,
)


def catch_up(
    database: Database, ann: Player, match_id: str, now: datetime = LONG_AFTER
) -> WrittenMessage:
    with database.writing() as session:
        add_game(session, match_id, played(ann))
        (written,) = write(session, match_id, now)
    return written


def test_stale_games_share_one_message(any_database):
    ann, _ = world(any_database)
    first = catch_up(any_database, ann, "EUW1_1")
    second = catch_up(any_database, ann, "EUW1_2", LONG_AFTER + timedelta(minutes=1))
    message = the_message(any_database)
    assert first.message_id == second.message_id == message.id
    assert (first.change, second.change) == ("created", "changed")
    assert {(each.kind, each.subject) for each in (first, second)} == {
        ("catch_up", "catch-up:EUW1_1")
    }
    assert (message.kind, message.subject) == ("catch_up", "catch-up:EUW1_1")
    assert message.desired_rev == 2
    assert second.content.title == "2 games while I was away"
    with any_database.reading() as session:
        assert session.scalar(select(func.count()).select_from(MessageGame)) == 2


def test_a_team_hears_in_its_language_and_another_one_rewrites_nothing_by_itself(any_database):
    ann, channel = world(any_database)
    _speak(any_database, channel.team_id, "de", "Europe/Berlin")
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")
    first = the_message(any_database)
    assert first.content["title"].startswith("Sieg · ")
    _speak(any_database, channel.team_id, "en", "UTC")
    assert the_message(any_database).content == first.content
    # A reason to write it anew takes all of it into the language of now.
    with any_database.writing() as session:
        write(session, "EUW1_1")
    assert the_message(any_database).content["title"].startswith("Victory · ")


def test_a_catch_up_is_in_one_language_and_tells_the_teams_time(any_database):
    ann, channel = world(any_database)
    catch_up(any_database, ann, "EUW1_1")
    _speak(any_database, channel.team_id, "de", "Europe/Berlin")
    catch_up(any_database, ann, "EUW1_2")
    content = MessageContent.from_json(the_message(any_database).content)
    assert content.title == "2 Spiele, während ich weg war"
    # ENDED, 20:00 UTC in summer.
    assert {line.when.text for line in content.sections[1].lines if line.when} == {
        "Sa., 1. Aug. 22:00"
    }


def _speak(database: Database, team_id: int, language: str, time_zone: str) -> None:
    with database.writing() as session:
        team = session.get_one(Team, team_id)
        team.language, team.time_zone = language, time_zone


def test_a_channels_catch_up_messages_are_numbered_whatever_else_was_said(database):
    """Restored and written anew they have the same ids, in whichever order the games come."""
    ann, first = world(database)
    with database.writing() as session:
        second = make_channel(session, session.get_one(Team, first.team_id))
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")  # announced by itself
        salt = installation_salt(session)
        for number, match_id in enumerate(("EUW1_2", "EUW1_3")):
            add_game(session, match_id, played(ann))
            ids = {
                each.channel_id: each.message_id
                for each in write(session, match_id, LONG_AFTER + number * CATCH_UP_OPEN)
            }
            assert ids == {
                channel.id: message_id(salt, channel.id, "catch_up", f"{number}")
                for channel in (first, second)
            }


def test_a_stale_game_written_again_stays_in_its_message(any_database):
    ann, _ = world(any_database)
    first = catch_up(any_database, ann, "EUW1_1")
    with any_database.writing() as session:
        (again,) = write(session, "EUW1_1", LONG_AFTER + timedelta(days=30))
    assert (again.message_id, again.change) == (first.message_id, "unchanged")


def test_a_stale_game_written_again_stays_in_each_channels_own_message(database):
    ann, first = world(database)
    with database.writing() as session:
        second = make_channel(session, session.get_one(Team, first.team_id))
        add_game(session, "EUW1_1", played(ann))
        ids = {each.channel_id: each.message_id for each in write(session, "EUW1_1", LONG_AFTER)}
    assert set(ids) == {first.id, second.id}
    change_kills(database, 11)
    with database.writing() as session:
        again = write(session, "EUW1_1", LONG_AFTER)
    assert {each.channel_id: each.message_id for each in again} == ids
    assert {each.change for each in again} == {"changed"}


POSTED = {"state": "delivered", "sent_maybe": True, "remote_id": "9", "due_at": None}


@pytest.mark.parametrize(
    ("kind", "row", "joins"),
    [
        ("discord-bot", POSTED, True),
        ("discord-webhook", POSTED, True),
        ("slack-bot", POSTED, True),
        ("discord-bot", {"state": "sending", "sent_maybe": True}, True),
        ("discord-bot", {"state": "uncertain", "sent_maybe": True}, True),
        ("discord-bot", {**POSTED, "remote_deleted": True}, False),
        # Somebody has marked it delivered without its id.
        ("discord-bot", {**POSTED, "remote_id": None}, False),
        ("discord-bot", {"state": "needs_review", "sent_maybe": True}, False),
        ("discord-bot", {"state": "dropped"}, False),
        ("slack-webhook", {"state": "pending"}, True),
        ("slack-webhook", {"state": "blocked"}, True),
        # A deliverer may have read the old text already.
        ("slack-webhook", {"state": "sending"}, False),
        ("slack-webhook", {"state": "pending", "sent_maybe": True}, False),
        ("slack-webhook", POSTED, False),
    ],
)
def test_a_stale_game_joins_only_where_it_will_be_read(database, kind, row, joins):
    ann, _ = world(database, kind=kind)
    first = catch_up(database, ann, "EUW1_1")
    change_message(database, **row)
    second = catch_up(database, ann, "EUW1_2")
    assert (second.message_id == first.message_id) is joins
    assert (
        second.content.title == f"{2 if joins else 1} game{'s' if joins else ''} while I was away"
    )


@pytest.mark.parametrize(
    ("afterwards", "joins"),
    [(CATCH_UP_OPEN - timedelta(seconds=1), True), (CATCH_UP_OPEN, False)],
)
def test_a_catch_up_message_closes_after_some_hours(database, afterwards, joins):
    ann, _ = world(database)
    first = catch_up(database, ann, "EUW1_1")
    second = catch_up(database, ann, "EUW1_2", LONG_AFTER + afterwards)
    assert (second.message_id == first.message_id) is joins


def test_a_stale_game_joins_the_channels_newest_catch_up_message(database):
    ann, first_channel = world(database)
    first = catch_up(database, ann, "EUW1_1")
    change_message(database, state="dropped", due_at=None)
    second = catch_up(database, ann, "EUW1_2", LONG_AFTER + timedelta(minutes=1))
    assert second.message_id != first.message_id
    with database.writing() as session:
        # What is announced by itself is no list of games, however new.
        ended_at = LONG_AFTER + timedelta(minutes=2)
        add_game(session, "EUW1_3", played(ann), ended_at=ended_at)
        (fresh,) = write(session, "EUW1_3", LONG_AFTER + timedelta(minutes=4))
        assert fresh.kind == "game"
        # Another channel's is none of this one's.
        other = make_channel(session, session.get_one(Team, first_channel.team_id), "other")
    third, elsewhere = (
        {each.channel_id: each for each in _write_stale(database, ann, match_id)}
        for match_id in ("EUW1_4", "EUW1_5")
    )
    assert third[first_channel.id].message_id == second.message_id
    assert third[other.id].change == "created"
    assert third[first_channel.id].message_id == elsewhere[first_channel.id].message_id
    assert third[other.id].message_id == elsewhere[other.id].message_id


def _write_stale(database: Database, ann: Player, match_id: str) -> list[WrittenMessage]:
    with database.writing() as session:
        add_game(session, match_id, played(ann))
        return write(session, match_id, LONG_AFTER + timedelta(minutes=5))


def test_a_posted_catch_up_that_a_game_joins_is_due_for_an_edit(database):
    ann, _ = world(database)
    catch_up(database, ann, "EUW1_1")
    change_message(database, **POSTED)
    catch_up(database, ann, "EUW1_2")
    assert the_message(database).due_at == LONG_AFTER


def test_writers_at_the_same_time_open_one_catch_up_message_and_one_salt(any_database):
    ann, _ = world(any_database)
    ids = [f"EUW1_{number}" for number in range(6)]
    with any_database.writing() as session:
        for match_id in ids:
            add_game(session, match_id, played(ann))
    start = threading.Barrier(len(ids))
    failures: list[BaseException] = []

    def write_one(match_id: str) -> None:
        try:
            start.wait(timeout=20)
            with any_database.writing() as session:
                write(session, match_id, LONG_AFTER)
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=write_one, args=(match_id,)) for match_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    message = the_message(any_database)
    assert message.desired_rev == len(ids)
    assert message.content["title"] == "6 games while I was away"
    with any_database.reading() as session:
        assert set(session.scalars(select(MessageGame.match_id))) == set(ids)
        assert session.scalar(select(func.count()).select_from(Fact)) == 1


def test_two_first_askers_get_one_salt(any_database):
    start = threading.Barrier(2)
    salts: list[str] = []

    def ask() -> None:
        start.wait(timeout=20)
        with any_database.writing() as session:
            salts.append(installation_salt(session))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(salts) == 2
    assert len(set(salts)) == 1


def test_words_that_change_while_a_deliverer_finishes_are_still_due_for_an_edit(postgres_url):
    # SQLite has one writer at a time; on PostgreSQL the row's lock has to make them take turns.
    database = Database(postgres_url)
    ann, _ = world(database)
    with database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")
    change_message(database, state="sending", due_at=None)
    change_kills(database, 11)

    def rewrite() -> None:
        with database.writing() as session:
            write(session, "EUW1_1")

    writer = threading.Thread(target=rewrite)
    with database.writing() as deliverer:
        deliverer.execute(update(Message).values(**POSTED))
        writer.start()
        _wait_until_somebody_waits_for_a_lock(database)
    writer.join(timeout=60)
    assert the_message(database).due_at == NOW
    database.dispose()


def test_a_second_writer_waits_until_the_first_has_opened_the_catch_up_message(postgres_url):
    """Or both would open one."""
    database = Database(postgres_url)
    ann, _ = world(database)
    with database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        add_game(session, "EUW1_2", played(ann))

    def write_second() -> None:
        with database.writing() as session:
            write(session, "EUW1_2", LONG_AFTER)

    second = threading.Thread(target=write_second)
    with database.writing() as first:
        write(first, "EUW1_1", LONG_AFTER)
        second.start()
        _wait_until_somebody_waits_for_a_lock(database)
    second.join(timeout=60)
    assert the_message(database).content["title"] == "2 games while I was away"
    database.dispose()


def _wait_until_somebody_waits_for_a_lock(database: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    with database.engine.connect() as connection:

        def somebody_waits() -> object:
            connection.rollback()  # a transaction sees one state of pg_stat_activity
            return connection.scalar(waiting)

        wait_for("transaction that waits for a lock", somebody_waits)


def test_a_game_that_is_announced_apart_while_it_is_written_again_stays_there(postgres_url):
    """Or the message that it has left would say it once more."""
    database = Database(postgres_url)
    ann, _ = world(database)
    first = catch_up(database, ann, "EUW1_1").message_id
    change_message(database, **POSTED, remote_rev=1)
    catch_up(database, ann, "EUW1_2")
    change_kills(database, 11)
    written: list[WrittenMessage] = []

    def write_again() -> None:
        with database.writing() as session:
            written.extend(write(session, "EUW1_2", LONG_AFTER))

    writer = threading.Thread(target=write_again)
    with database.writing() as deliverer:
        message = deliverer.get_one(Message, first, with_for_update=True)
        writer.start()
        _wait_until_somebody_waits_for_a_lock(database)
        message_rows._announce_apart(deliverer, message, LONG_AFTER, given_up=False)
    writer.join(timeout=60)
    with database.reading() as session:
        titles = {each.id: each.content["title"] for each in session.scalars(select(Message))}
        moved = session.scalar(select(MessageGame.message_id).filter_by(match_id="EUW1_2"))
    assert moved != first
    assert [each.message_id for each in written] == [moved]
    assert list(titles.values()) == ["1 game while I was away"] * 2
    database.dispose()
