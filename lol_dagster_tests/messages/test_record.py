"""What is to be said, as it is written down: once per channel and game, whatever is repeated."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.nonce import installation_salt
from lol_dagster.messages.record import CATCH_UP_OPEN, WrittenMessage, write_messages
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Channel,
    Fact,
    Membership,
    Message,
    MessageGame,
    Participant,
    Player,
)
from lol_dagster_tests.messages.rows import ENDED, NOW, add_game, played
from lol_dagster_tests.roster_rows import (
    make_account,
    make_channel,
    make_member,
    make_team,
)

STALE_AFTER = timedelta(hours=12)
LONG_AFTER = ENDED + timedelta(days=3)
"""A moment at which games that ended at ENDED are stale."""


def write(session: Session, match_id: str, now: datetime = NOW) -> list[WrittenMessage]:
    return write_messages(session, match_id, stale_after=STALE_AFTER, now=now)


def world(database: Database, **channel) -> tuple[Player, Channel]:
    """Ann in a team with one channel."""
    with database.writing() as session:
        team = make_team(session, "Friends")
        return make_member(session, team, "Ann"), make_channel(session, team, "games", **channel)


def the_message(database: Database) -> Message:
    with database.reading() as session:
        return session.scalars(select(Message)).one()


def change_message(database: Database, **values) -> None:
    with database.writing() as session:
        session.execute(update(Message).values(**values))


def change_kills(database: Database, kills: int) -> None:
    with database.writing() as session:
        session.execute(update(Participant).values(kills=kills))


def test_a_new_message_is_pending_and_due_at_once(any_database):
    ann, channel = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        (written,) = write(session, "EUW1_1")
    message = the_message(any_database)
    assert (message.kind, message.subject, message.channel_id) == ("game", "EUW1_1", channel.id)
    assert (message.state, message.due_at, message.order_at) == ("pending", NOW, ENDED)
    assert (message.desired_rev, message.attempts, message.sent_maybe) == (1, 0, False)
    assert MessageContent.from_json(message.content).title == "Victory · Ranked Solo · 32:10"
    assert (written.message_id, written.change, written.team, written.channel) == (
        message.id,
        "created",
        "Friends",
        "games",
    )


def test_writing_again_changes_nothing(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")
    before = _columns(the_message(any_database))
    with any_database.writing() as session:
        (written,) = write(session, "EUW1_1", NOW + timedelta(days=9))
    assert written.change == "unchanged"
    assert _columns(the_message(any_database)) == before


def _columns(message: Message) -> dict[str, object]:
    return {column.name: getattr(message, column.name) for column in Message.__table__.columns}


def test_other_words_raise_the_revision_by_one_and_keep_nonce_and_id(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")
    before = the_message(any_database)
    change_kills(any_database, 11)
    with any_database.writing() as session:
        (written,) = write(session, "EUW1_1")
    after = the_message(any_database)
    assert written.change == "changed"
    assert after.desired_rev == 2
    assert after.desired_hash != before.desired_hash
    assert (after.id, after.nonce) == (before.id, before.nonce)


LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("row", "due_at"),
    [
        # Held by a deliverer, or waiting in its own time: left alone.
        ({"state": "sending", "due_at": LATER, "lease_until": 5.0}, LATER),
        ({"state": "sending", "due_at": None, "lease_until": 5.0}, None),
        ({"state": "uncertain", "due_at": LATER, "settle_until": 7.0}, LATER),
        ({"state": "pending", "due_at": LATER}, LATER),
        ({"state": "blocked", "due_at": None}, None),
        ({"state": "parked", "due_at": None}, None),
        ({"state": "dropped", "due_at": None}, None),
        # Posted: an edit is due, unless one waits already or the message was deleted.
        ({"state": "delivered", "due_at": None, "remote_id": "9", "remote_rev": 1}, NOW),
        ({"state": "delivered", "due_at": LATER, "remote_id": "9", "remote_rev": 1}, LATER),
        ({"state": "delivered", "due_at": None, "remote_gone": True}, None),
    ],
)
def test_new_words_leave_the_delivery_of_a_row_to_its_deliverer(database, row, due_at):
    ann, _ = world(database)
    with database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")
    change_message(database, fence=3, holder="worker", **row)
    before = _columns(the_message(database))
    change_kills(database, 11)
    with database.writing() as session:
        write(session, "EUW1_1")
    after = _columns(the_message(database))
    assert after["due_at"] == due_at
    assert {name for name in after if after[name] != before[name]} - {"due_at"} == {
        "content",
        "desired_rev",
        "desired_hash",
    }


def test_a_message_stays_as_it_is_when_the_rules_change_their_mind(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")
    before = _columns(the_message(any_database))
    with any_database.writing() as session:
        session.execute(update(Membership).values(until=ENDED))
        assert write(session, "EUW1_1") == []
    assert _columns(the_message(any_database)) == before


def test_the_nonce_is_derived_from_the_installation_s_salt_and_the_message(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        add_game(session, "EUW1_2", played(ann))
        write(session, "EUW1_1")
        write(session, "EUW1_2")
        salt = session.get_one(Fact, "salt").value
        messages = session.scalars(select(Message)).all()
    assert len(salt) == 32
    for message in messages:
        digest = hashlib.sha256((salt + message.id).encode()).digest()
        assert message.nonce == base64.urlsafe_b64encode(digest)[:22].decode()
    assert messages[0].nonce != messages[1].nonce


def test_members_who_joined_later_are_not_in_the_message(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        team = session.scalars(select(Membership)).one().team
        late = make_member(session, team, "Late")
        session.execute(
            update(Membership)
            .where(Membership.player_id == late.id)
            .values(since=ENDED + timedelta(seconds=1))
        )
        add_game(session, "EUW1_1", played(ann), played(late))
        (written,) = write(session, "EUW1_1")
    assert [line.lead for line in written.content.sections[0].lines] == ["Ann"]


def test_overlapping_memberships_show_a_member_once(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        membership = session.scalars(select(Membership)).one()
        session.add(
            Membership(
                team_id=membership.team_id,
                player_id=ann.id,
                since=membership.since + timedelta(days=1),
                until=ENDED + timedelta(days=1),
            )
        )
        add_game(session, "EUW1_1", played(ann))
        (written,) = write(session, "EUW1_1")
    assert [line.lead for line in written.content.sections[0].lines] == ["Ann"]


def test_an_account_is_named_only_where_its_player_has_several(any_database):
    with any_database.writing() as session:
        team = make_team(session)
        make_channel(session, team)
        ann = make_member(session, team, "Ann", game_name="Annie")
        bob = make_member(session, team, "Bob", game_name="Bobby")
        make_account(session, bob, game_name="BobSmurf")
        add_game(session, "EUW1_1", played(ann), played(bob, account=1))
        (written,) = write(session, "EUW1_1")
    leads = [line.lead for line in written.content.sections[0].lines]
    assert leads == ["Ann", "Bob (BobSmurf)"]


def test_arena_counts_the_subteams_of_strangers_too(any_database):
    """The stats stage has counted them."""
    ann, _ = world(any_database)
    third = {"outcome": "placement", "placement": 3, "side": "subteam-1"}
    with any_database.writing() as session:
        six_subteams = played(ann, **third, extra={"subteams": 6})
        add_game(session, "EUW1_1", six_subteams, mode_family="arena")
        (six,) = write(session, "EUW1_1")
        four_subteams = played(ann, **third, extra={"subteams": 4})
        add_game(session, "EUW1_2", four_subteams, mode_family="arena")
        (four,) = write(session, "EUW1_2")
    # Third of six is in the better half, third of four is not.
    assert (six.content.tone, four.content.tone) == ("good", "bad")


def test_that_riot_ended_a_game_over_behaviour_comes_from_the_stats(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann, extra={"ended_over_behaviour": True}))
        (written,) = write(session, "EUW1_1")
    note, _members = written.content.sections
    assert note.lines[0].facts == ("Ended early over in-game behaviour",)


# Catch-up messages


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
    assert (message.kind, message.subject) == ("catch_up", "catch-up:EUW1_1")
    assert message.desired_rev == 2
    assert second.content.title == "2 games while I was away"
    with any_database.reading() as session:
        assert session.scalar(select(func.count()).select_from(MessageGame)) == 2


def test_a_stale_game_written_again_stays_in_its_message(any_database):
    ann, _ = world(any_database)
    first = catch_up(any_database, ann, "EUW1_1")
    with any_database.writing() as session:
        (again,) = write(session, "EUW1_1", LONG_AFTER + timedelta(days=30))
    assert (again.message_id, again.change) == (first.message_id, "unchanged")


POSTED = {"state": "delivered", "sent_maybe": True, "remote_id": "9", "due_at": None}


@pytest.mark.parametrize(
    ("kind", "row", "joins"),
    [
        ("discord-bot", POSTED, True),
        ("discord-webhook", POSTED, True),
        ("slack-bot", POSTED, True),
        ("discord-bot", {"state": "sending", "sent_maybe": True}, True),
        ("discord-bot", {"state": "uncertain", "sent_maybe": True}, True),
        ("discord-bot", {**POSTED, "remote_gone": True}, False),
        ("discord-bot", {"state": "parked", "sent_maybe": True}, False),
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
    ("later", "joins"),
    [(CATCH_UP_OPEN - timedelta(seconds=1), True), (CATCH_UP_OPEN, False)],
)
def test_a_catch_up_message_closes_after_some_hours(database, later, joins):
    ann, _ = world(database)
    first = catch_up(database, ann, "EUW1_1")
    second = catch_up(database, ann, "EUW1_2", LONG_AFTER + later)
    assert (second.message_id == first.message_id) is joins


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


def _wait_until_somebody_waits_for_a_lock(database: Database) -> None:
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    deadline = time.monotonic() + 30
    with database.engine.connect() as connection:
        while not connection.scalar(waiting):
            connection.rollback()  # a transaction sees one state of pg_stat_activity
            assert time.monotonic() < deadline
