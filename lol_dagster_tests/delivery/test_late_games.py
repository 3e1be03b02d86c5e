"""A late game that joins a catch-up message which is posted already: by an edit, or in a message of its
own where that message is gone or takes no edit.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from lol_dagster.delivery import decisions
from lol_dagster.delivery.message_rows import forget_games, note_restoration, write_messages
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.identity import installation_salt
from lol_dagster.messages.restored import Restoration, message_id
from lol_dagster.storage.models import (
    Attempt,
    Channel,
    Membership,
    Message,
    MessageGame,
    MessageText,
    Player,
)
from lol_dagster_tests._support.fake_channels import (
    fail_after_accept,
    fail_before_accept,
    refuse,
    slack_error,
)
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.test_kinds_of_call import say_nothing_but

ONE, TWO = "1 game while I was away", "2 games while I was away"
ADDRESSES = {
    "discord-bot": "700000000000000001",
    "discord-webhook": "https://x/api/webhooks/77/secret-of-hook",
    "slack-bot": "C00000077",
}


class Friends:
    """A team with one channel, whose stale games end up in catch-up messages."""

    def __init__(self, delivery: DeliverySetup, kind: str = "discord-bot") -> None:
        self.delivery = delivery
        with delivery.database.writing() as session:
            team = make_team(session, "Friends")
            self.ann: Player = make_member(session, team, "Ann")
            self.channel: Channel = make_channel(
                session, team, "games", kind=kind, address=ADDRESSES[kind]
            )

    def late_game(self, match_id: str) -> str:
        """Processed three days after its end; the id of the message that is to tell of it."""
        with self.delivery.database.writing() as session:
            ended_at = self.delivery.now - timedelta(days=3)
            add_game(session, match_id, played(self.ann), ended_at=ended_at)
        return self.write(match_id)

    def write(self, match_id: str) -> str:
        with self.delivery.database.writing() as session:
            (written,) = write_messages(
                session, match_id, stale_after=timedelta(hours=12), now=self.delivery.now
            )
        return written.message_id

    def run(self) -> None:
        self.delivery.pass_time(3)
        self.delivery.run(wait=5)

    @property
    def titles(self) -> list[str]:
        # Slack's plain text goes on with the results.
        return [each.partition(":")[0] for each in self.delivery.titles(self.channel.id)]

    @property
    def announced_in(self) -> dict[str, str]:
        """By match id, the message that tells of it."""
        with self.delivery.database.reading() as session:
            rows = session.scalars(select(MessageGame))
            return {row.match_id: row.message_id for row in rows}


def posted(delivery: DeliverySetup, kind: str) -> tuple[Friends, str]:
    """A catch-up message with EUW1_1 stands in the channel; its id."""
    friends = Friends(delivery, kind)
    first = friends.late_game("EUW1_1")
    friends.run()
    assert friends.titles == [ONE]
    return friends, first


def delete_everything(friends: Friends) -> None:
    for fake in (friends.delivery.discord, friends.delivery.slack):
        for messages in fake.messages.values():
            fake.deleted.update(each["id"] for each in messages if "id" in each)
            if fake is friends.delivery.slack:
                messages.clear()


@pytest.mark.parametrize("kind", ADDRESSES)
def test_a_late_game_joins_by_an_edit(delivery: DeliverySetup, kind: str) -> None:
    friends, first = posted(delivery, kind)
    assert friends.late_game("EUW1_2") == first
    friends.run()
    assert friends.titles == [TWO]
    assert friends.announced_in == {"EUW1_1": first, "EUW1_2": first}


@pytest.mark.parametrize("kind", ADDRESSES)
def test_a_late_game_is_announced_anew_where_the_message_was_deleted(
    delivery: DeliverySetup, kind: str
) -> None:
    friends, first = posted(delivery, kind)
    delete_everything(friends)
    friends.late_game("EUW1_2")
    friends.late_game("EUW1_3")
    friends.run()
    friends.run()
    # The first one was announced, and is not announced again; the other two share a message.
    assert friends.titles == [TWO]
    announced_in = friends.announced_in
    assert announced_in["EUW1_1"] == first
    assert announced_in["EUW1_2"] == announced_in["EUW1_3"] != first
    assert delivery.row(first).content["title"] == ONE
    assert friends.late_game("EUW1_4") == announced_in["EUW1_2"]


def test_a_message_keeps_its_own_games_and_the_new_one_goes_by_the_first_of_its_own(
    delivery: DeliverySetup,
) -> None:
    friends = Friends(delivery)
    friends.late_game("EUW1_0")
    friends.run()
    delivery.pass_time(7 * 3600)  # by now that message is open no more
    second = friends.late_game("EUW1_1")
    friends.run()
    delete_everything(friends)
    friends.late_game("EUW1_2")
    friends.run()
    assert delivery.row(second).content["title"] == ONE
    with delivery.database.reading() as session:
        salt = installation_salt(session)
    apart = message_id(salt, friends.channel.id, "catch_up", "apart:EUW1_2")
    assert friends.announced_in["EUW1_2"] == apart
    # It has no number among the channel's catch-up messages: the next one is their third.
    delivery.pass_time(7 * 3600)
    third = friends.late_game("EUW1_3")
    assert third == message_id(salt, friends.channel.id, "catch_up", "2")


REFUSALS = [
    ("discord-bot", refuse(403, 50005)),
    ("discord-bot", refuse(400, 50083)),  # an archived thread
    ("discord-bot", refuse(403, 50001)),
    ("discord-webhook", refuse(400, 50083)),
    ("slack-bot", slack_error("edit_window_closed")),
    ("slack-bot", slack_error("cant_update_message")),
    ("slack-bot", slack_error("update_failed")),
]


@pytest.mark.parametrize(("kind", "refusal"), REFUSALS)
def test_a_late_game_is_announced_apart_where_the_message_takes_no_edit(
    delivery: DeliverySetup,
    kind: str,
    refusal: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    friends, first = posted(delivery, kind)
    delivery.discord.script("patch", refusal)
    delivery.slack.script("update", refusal)
    friends.late_game("EUW1_2")
    friends.run()
    delivery.pass_time(3601)  # a breaker's hour
    friends.run()
    assert friends.titles == [ONE, ONE]
    apart = friends.announced_in["EUW1_2"]
    assert apart != first
    (line,) = (each for each in caplog.records if "takes no edit" in each.getMessage())
    said = line.getMessage()
    assert said.startswith(f"Message {first} takes no edit (")
    assert said.endswith(f"): what had joined it is announced in {apart}")
    assert "(None)" not in said, "the service's refusal"
    assert (line.message_id, line.match_ids) == (first, ["EUW1_2"])  # type: ignore[attr-defined]
    # What stands there says all that it is to say: no edit is due, and none is missed.
    row = delivery.row(first)
    assert (row.state, row.due_at, row.given_up_rev) == ("delivered", None, row.desired_rev)
    assert delivery.discord.count("patch") + delivery.slack.count("update") == 1


def test_a_late_game_in_which_nobody_is_left_to_name_is_not_announced_apart(
    delivery: DeliverySetup,
) -> None:
    """Who played it was left out, or forgotten, after it had joined the message."""
    friends, first = posted(delivery, "discord-bot")
    delivery.discord.script("patch", refuse(403, 50001))
    friends.late_game("EUW1_2")
    with delivery.database.writing() as session:
        session.execute(update(Membership).values(left_out=True))
    friends.run()
    assert friends.titles == [ONE]
    with delivery.database.reading() as session:
        assert [each.id for each in session.scalars(select(Message))] == [first]


@pytest.mark.parametrize("code", [50001, 50005])  # no edit for now, and not this one
def test_what_keeps_no_game_when_a_late_one_is_announced_apart_says_so(
    delivery: DeliverySetup, code: int
) -> None:
    friends, _ = posted(delivery, "discord-bot")
    delivery.discord.script("patch", refuse(403, code))
    friends.late_game("EUW1_2")
    with delivery.database.writing() as session:
        forget_games(session, ["EUW1_1"])
    friends.run()
    friends.run()
    delivery.pass_time(3601)  # a breaker's hour
    friends.run()
    assert friends.titles == ["This is no longer shown", ONE]


def test_a_game_that_was_announced_apart_is_not_again_where_that_message_takes_no_edit_either(
    delivery: DeliverySetup,
) -> None:
    friends, _ = posted(delivery, "discord-bot")
    for match_id in ("EUW1_2", "EUW1_3"):
        delivery.discord.script("patch", refuse(403, 50005))
        friends.late_game(match_id)
        friends.run()
        friends.run()
    assert friends.titles == [ONE, ONE, ONE]
    assert len(set(friends.announced_in.values())) == 3


def test_what_joined_the_message_of_another_channel_stays_there(delivery: DeliverySetup) -> None:
    friends = Friends(delivery)
    with delivery.database.writing() as session:
        team = session.get_one(Channel, friends.channel.id).team
        other = make_channel(session, team, "other", kind="slack-bot", address="C00000078")

    def late(match_id: str) -> None:
        with delivery.database.writing() as session:
            add_game(
                session, match_id, played(friends.ann), ended_at=delivery.now - timedelta(days=3)
            )
            write_messages(session, match_id, stale_after=timedelta(hours=12), now=delivery.now)

    late("EUW1_1")
    friends.run()
    delivery.discord.script("patch", refuse(403, 50005))
    delivery.slack.script("update", fail_before_accept(500))  # so that it is to be said there, too
    late("EUW1_2")
    friends.run()
    delivery.pass_time(60)
    friends.run()
    assert friends.titles == [ONE, ONE]
    assert [each.partition(":")[0] for each in delivery.titles(other.id)] == [TWO]
    with delivery.database.reading() as session:
        rows = session.scalars(select(MessageGame).where(MessageGame.channel_id == other.id)).all()
        assert {row.match_id for row in rows} == {"EUW1_1", "EUW1_2"}
        assert len({row.message_id for row in rows}) == 1


def test_what_is_forgotten_leaves_no_trace_in_the_subject_of_its_message_and_others_keep_theirs(
    delivery: DeliverySetup,
) -> None:
    friends, first = posted(delivery, "discord-bot")
    delivery.pass_time(7 * 3600)  # by now that message is open no more
    second = friends.late_game("EUW1_2")
    with delivery.database.writing() as session:
        forget_games(session, ["EUW1_1"])
    assert delivery.row(first).subject == f"forgotten:{first}"
    assert delivery.row(second).subject == "catch-up:EUW1_2"
    assert friends.announced_in == {"EUW1_2": second}


def test_a_late_game_is_not_announced_twice_where_an_unanswered_edit_may_have_announced_it(
    delivery: DeliverySetup,
) -> None:
    friends, first = posted(delivery, "discord-bot")
    # The edit arrives and its answer is lost; then the message may neither be read nor edited.
    delivery.discord.script("patch", fail_after_accept(), refuse(403, 50005))
    delivery.discord.script("get", refuse(403, 50001))
    friends.late_game("EUW1_2")
    friends.run()
    delivery.pass_time(31)
    friends.run()
    assert friends.titles == [TWO]
    assert friends.announced_in["EUW1_2"] == first
    row = delivery.row(first)
    assert (row.remote_rev, row.desired_rev, row.due_at) == (1, 2, None)


def test_a_late_game_is_announced_apart_where_the_unanswered_edit_is_seen_to_have_failed(
    delivery: DeliverySetup,
) -> None:
    friends, first = posted(delivery, "discord-bot")
    delivery.discord.script("patch", fail_before_accept(500), refuse(403, 50005))
    friends.late_game("EUW1_2")
    friends.run()
    delivery.pass_time(31)
    friends.run()
    friends.run()
    assert ("GET", "seen") in delivery.attempts(first)
    assert friends.titles == [ONE, ONE]


def test_what_the_lost_installation_may_have_announced_is_not_announced_apart(
    delivery: DeliverySetup,
) -> None:
    """Nobody here knows what its catch-up message says."""
    friends, first = posted(delivery, "discord-bot")
    friends.late_game("EUW1_2")
    friends.run()
    with delivery.database.writing() as session:
        for table in (MessageGame, MessageText, Attempt, Message):
            session.execute(delete(table))
        note_restoration(session, Restoration(delivery.now, delivery.now))
    delivery.pass_time(60)
    delivery.discord.script("patch", refuse(403, 50005))
    assert [friends.write("EUW1_2"), friends.write("EUW1_1")] == [first, first]
    friends.run()
    delivery.pass_time(60)
    friends.run()
    assert delivery.row(first).last_error == "Discord 403, code 50005: refused with 50005"
    assert friends.titles == [TWO]
    assert friends.announced_in == {"EUW1_1": first, "EUW1_2": first}


def restore_as_of(delivery: DeliverySetup, message: str) -> None:
    """A backup from before the message was edited."""
    with delivery.database.writing() as session:
        row = session.get_one(Message, message)
        first = session.get_one(MessageText, (message, 1))
        row.content = first.content
        row.desired_hash = MessageContent.from_json(row.content).content_hash()
        row.desired_rev = row.remote_rev = row.sent_rev = 1
        session.delete(first)
        session.execute(delete(Attempt).where(Attempt.op == "PATCH"))
        session.execute(delete(MessageGame).where(MessageGame.since_rev > 1))
        note_restoration(session, Restoration(delivery.now, delivery.now))
    delivery.pass_time(60)


def test_a_text_of_the_lost_installation_does_not_pass_for_the_newest_one(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.say(message, "of the lost")
    delivery.run()
    restore_as_of(delivery, message)
    delivery.say(message, "Defeat")
    delivery.discord.script("patch", fail_before_accept())
    delivery.run()
    delivery.pass_time(6)
    delivery.run()
    # Both of them are the second text.
    assert delivery.titles(channel) == ["Defeat"]
    assert delivery.row(message).remote_rev == 1002
    delivery.say(message, "Remake")
    assert delivery.row(message).desired_rev == 1003


def test_what_the_lost_installation_may_have_added_is_not_announced_apart(
    delivery: DeliverySetup,
) -> None:
    friends, first = posted(delivery, "discord-bot")
    friends.late_game("EUW1_2")
    friends.run()
    restore_as_of(delivery, first)
    say_nothing_but(delivery, "patch", refuse(403, 50005))
    assert friends.write("EUW1_2") == first
    friends.run()
    friends.run()
    assert friends.titles == [TWO]


def test_what_joins_once_the_text_of_the_lost_installation_is_gone_is_announced_apart(
    delivery: DeliverySetup,
) -> None:
    friends, first = posted(delivery, "discord-bot")
    friends.late_game("EUW1_2")
    friends.run()
    restore_as_of(delivery, first)
    assert friends.write("EUW1_2") == first
    friends.run()
    assert delivery.row(first).remote_rev == delivery.row(first).desired_rev == 1002
    delivery.discord.script("patch", refuse(403, 50005))
    assert friends.late_game("EUW1_3") == first
    friends.run()
    friends.run()
    assert friends.titles == [TWO, ONE]


def test_an_unanswered_edit_of_another_message_says_nothing_of_this_one(
    delivery: DeliverySetup,
) -> None:
    friends, first = posted(delivery, "discord-bot")
    other = delivery.message(friends.channel.id, "Victory")
    friends.run()
    delivery.say(other, "Defeat")
    delivery.pass_time(3)
    delivery.discord.script("patch", fail_before_accept(500))
    delivery.run()
    assert delivery.attempts(other)[-1] == ("PATCH", "uncertain")
    delivery.discord.script("patch", refuse(403, 50005))
    assert friends.late_game("EUW1_2") == first
    delivery.pass_time(3)
    delivery.run()
    assert delivery.attempts(first)[-1] == ("PATCH", "refused")
    friends.run()
    assert friends.announced_in["EUW1_2"] != first
    assert friends.titles[0] == friends.titles[-1] == ONE


@pytest.mark.parametrize(
    ("restored", "calls"),
    [
        # The game ended three days ago. The lost installation may have announced it apart, under this id.
        (timedelta(days=2), [("SCAN", "absent"), ("POST", "accepted")]),
        (timedelta(days=4), [("POST", "accepted")]),
    ],
)
def test_what_is_announced_apart_after_a_restoration_is_looked_for_first(
    delivery: DeliverySetup, restored: timedelta, calls: list[tuple[str, str]]
) -> None:
    friends, _ = posted(delivery, "discord-bot")
    at = delivery.now - restored
    with delivery.database.writing() as session:
        note_restoration(session, Restoration(at, at))
    delete_everything(friends)
    late = friends.late_game("EUW1_2")
    friends.run()
    delivery.pass_time(60)
    friends.run()
    assert friends.announced_in["EUW1_2"] != late
    assert delivery.attempts(friends.announced_in["EUW1_2"]) == calls


def test_what_was_sent_before_a_restoration_is_kept_when_the_text_changes(
    delivery: DeliverySetup,
) -> None:
    friends = Friends(delivery)
    first = friends.late_game("EUW1_1")
    delivery.discord.script("post", fail_before_accept(500))
    assert delivery.run().uncertain == 1
    with delivery.database.writing() as session:
        note_restoration(session, Restoration(delivery.now, delivery.now))
    friends.late_game("EUW1_2")
    with delivery.database.reading() as session:
        kept = session.get_one(MessageText, (first, 1))
        assert kept.content["title"] == ONE


def test_what_joined_a_message_that_was_marked_delivered_without_its_id_is_announced_apart(
    delivery: DeliverySetup,
) -> None:
    friends = Friends(delivery)
    first = friends.late_game("EUW1_1")
    delivery.discord.script("post", fail_before_accept(500))
    assert delivery.run().uncertain == 1
    friends.late_game("EUW1_2")
    with delivery.database.writing(who="Ann") as session:
        decisions.mark_delivered(
            session, first, None, transports=delivery.deliverer()._transports,
            clock=delivery.clock, now=delivery.now,
        )  # fmt: skip
    friends.run()
    friends.run()
    # Ann says that she has seen the first one, as it was sent.
    assert friends.titles == [ONE]
    assert friends.announced_in["EUW1_2"] != first


def test_nothing_is_announced_anew_in_a_channel_that_was_removed(delivery: DeliverySetup) -> None:
    friends, first = posted(delivery, "discord-bot")
    delete_everything(friends)
    friends.late_game("EUW1_2")
    with delivery.database.writing() as session:
        session.get_one(Channel, friends.channel.id).removed_at = delivery.now
    friends.run()
    friends.run()
    with delivery.database.reading() as session:
        assert session.scalars(select(Message.id)).all() == [first]


def test_what_joined_a_message_that_was_deleted_before_it_was_known_to_be_posted(
    delivery: DeliverySetup,
) -> None:
    friends = Friends(delivery)
    first = friends.late_game("EUW1_1")
    delivery.discord.script("post", fail_after_accept())
    assert delivery.run().uncertain == 1
    delete_everything(friends)
    friends.late_game("EUW1_2")
    # Discord's nonce says that it was posted, as it was at first: of the second game nobody has heard.
    friends.run()
    friends.run()
    row = delivery.row(first)
    assert (row.evidence, row.remote_rev, row.due_at) == ("nonce_deleted", 1, None)
    assert friends.titles == [ONE]
    assert friends.announced_in["EUW1_2"] != first


def corrections(delivery: DeliverySetup, friends: Friends, number: int) -> None:
    """So many messages of the channel are to say something else."""
    messages = [delivery.message(friends.channel.id, f"game {n}") for n in range(number)]
    friends.run()
    for message in messages:
        delivery.say(message, "corrected")
    say_nothing_but(delivery, "patch", refuse(403, 50013))


def test_a_late_game_does_not_wait_for_edits_that_are_refused(any_delivery: DeliverySetup) -> None:
    """One edit an hour is tried; there are six older ones."""
    delivery = any_delivery
    friends, first = posted(delivery, "discord-bot")
    corrections(delivery, friends, 6)
    friends.run()
    friends.late_game("EUW1_2")
    friends.late_game("EUW1_3")
    friends.run()
    assert (friends.titles.count(ONE), friends.titles.count(TWO)) == (1, 1)
    assert first not in (friends.announced_in["EUW1_2"], friends.announced_in["EUW1_3"])
    # An hour later it is tried again, by what tells of a further game.
    delivery.pass_time(3601)
    assert friends.late_game("EUW1_4") == friends.announced_in["EUW1_2"]
    say_nothing_but(delivery, "patch", lambda call: call.connection.send(call.act()))
    friends.run()
    assert "3 games while I was away" in friends.titles


def test_a_late_game_that_waits_for_an_edit_is_the_next_that_is_tried(
    delivery: DeliverySetup,
) -> None:
    friends, first = posted(delivery, "discord-bot")
    corrections(delivery, friends, 6)
    assert friends.late_game("EUW1_2") == first
    friends.run()
    friends.run()
    assert friends.titles.count(ONE) == 2
    assert friends.announced_in["EUW1_2"] != first


@pytest.mark.parametrize(("asked", "joins"), [(3600.0, False), (60.0, True)])
def test_a_late_game_does_not_wait_for_an_edit_that_is_put_off_for_long(
    delivery: DeliverySetup, asked: float, joins: bool
) -> None:
    friends, first = posted(delivery, "discord-bot")
    say_nothing_but(delivery, "patch", refuse(429, 30046, retry_after=asked))
    friends.late_game("EUW1_2")
    friends.run()
    friends.late_game("EUW1_3")
    friends.run()
    assert (friends.announced_in["EUW1_2"] == first) is joins
    assert (friends.announced_in["EUW1_3"] == first) is joins
    assert friends.titles == ([ONE] if joins else [ONE, ONE, ONE])


def test_a_late_game_does_not_wait_for_a_message_that_cannot_be_looked_for(
    delivery: DeliverySetup,
) -> None:
    friends = Friends(delivery)
    say_nothing_but(delivery, "list", refuse(403, 50001))
    delivery.discord.script("post", fail_before_accept())
    first = friends.late_game("EUW1_1")
    friends.run()
    delivery.pass_time(20)
    friends.run()
    assert delivery.row(first).state == "uncertain"
    assert friends.late_game("EUW1_2") != first
    friends.run()
    assert friends.titles == [ONE]


def test_what_joined_a_message_is_not_held_up_when_that_can_no_longer_be_looked_for(
    delivery: DeliverySetup,
) -> None:
    friends = Friends(delivery)
    delivery.discord.script("post", fail_before_accept())
    first = friends.late_game("EUW1_1")
    assert delivery.run().uncertain == 1
    assert friends.late_game("EUW1_2") == first
    say_nothing_but(delivery, "list", refuse(403, 50001))
    friends.run()
    friends.run()
    # The first may stand there: it waits. The second was never sent.
    assert delivery.row(first).state == "uncertain"
    assert delivery.row(first).content["title"] == ONE
    assert friends.announced_in["EUW1_2"] != first
    assert friends.titles == [ONE]
    # Once it can be looked for again, each is there once.
    say_nothing_but(delivery, "list", lambda call: call.connection.send(call.act()))
    delivery.pass_time(3601)
    friends.run()
    assert friends.titles == [ONE, ONE]
    assert (delivery.row(first).state, delivery.row(first).due_at) == ("delivered", None)


def test_an_edit_that_tells_of_a_further_game_is_given_up_by_one_decision(
    delivery: DeliverySetup,
) -> None:
    """Even if without that game it would still say something else than stands there."""
    friends, first = posted(delivery, "discord-bot")
    with delivery.database.writing() as session:
        session.get_one(Player, friends.ann.id).name = "Anna"
    friends.late_game("EUW1_2")
    say_nothing_but(delivery, "patch", refuse(429, 30046, retry_after=60))
    friends.run()
    with delivery.database.writing(who="Ann") as session:
        decisions.drop(
            session, first, transports=delivery.deliverer()._transports,
            clock=delivery.clock, now=delivery.now,
        )  # fmt: skip
    row = delivery.row(first)
    assert (row.state, row.due_at, row.given_up_rev) == ("delivered", None, row.desired_rev)
    friends.run()
    assert friends.titles == [ONE, ONE]


def test_a_message_of_its_own_takes_no_number_of_the_channels(delivery: DeliverySetup) -> None:
    """Which another writer may take just now: only the stage messages locks the channel."""
    friends, first = posted(delivery, "discord-bot")
    delete_everything(friends)
    friends.late_game("EUW1_2")
    friends.run()
    delivery.pass_time(7 * 3600)  # that one is open for six hours
    next_one = friends.late_game("EUW1_3")
    with delivery.database.reading() as session:
        salt = installation_salt(session)
    names = {first: "0", friends.announced_in["EUW1_2"]: "apart:EUW1_2", next_one: "1"}
    for found, what in names.items():
        assert found == message_id(salt, friends.channel.id, "catch_up", what)
