"""Messages that need review after a person's decision, sent by real delivery runs."""

from __future__ import annotations

import pytest

from lol_dagster.delivery import decisions
from lol_dagster.monitoring import queries
from lol_dagster.storage.models import AuditEntry, Channel, ChannelProbe
from lol_dagster_tests._support.fake_channels import (
    Fault,
    fail_after_accept,
    fail_before_accept,
    refuse,
)
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.kinds import READABLE, posts


def resend(delivery: DeliverySetup, message: str, **values: bool) -> None:
    with delivery.database.writing(who="Ann") as session:
        transports = delivery.deliverer()._transports
        decisions.resend(
            session,
            message,
            transports=transports,
            clock=delivery.clock,
            now=delivery.now,
            **values,
        )


def mark(delivery: DeliverySetup, message: str, remote_id: str | None) -> None:
    with delivery.database.writing(who="Ann") as session:
        decisions.mark_delivered(
            session,
            message,
            remote_id,
            transports=delivery.deliverer()._transports,
            clock=delivery.clock,
            now=delivery.now,
        )


def needing_review(delivery: DeliverySetup, channel: int, **values: object) -> str:
    """A message of which a POST may have got through, given up."""
    delivery.run()
    return delivery.message(
        channel,
        **{
            "state": "needs_review",
            "due_at": None,
            "sent_maybe": True,
            "sent_rev": 1,
            "uncertain_rounds": 12,
            "uncertain_since": delivery.now,
            **values,
        },
    )


@pytest.mark.parametrize("kind", READABLE)
def test_what_got_through_is_found_and_not_posted_again(delivery: DeliverySetup, kind: str) -> None:
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    for fake in (delivery.discord, delivery.slack):
        fake.script("post", fail_after_accept())
    delivery.run()
    with delivery.database.writing() as session:
        row = session.merge(delivery.row(message))
        row.state, row.due_at, row.uncertain_rounds = "needs_review", None, 12
    resend(delivery, message)
    delivery.pass_time(31)
    delivery.run()
    assert (delivery.row(message).evidence, posts(delivery)) == ("scan", 1)
    assert delivery.titles(channel) == ["Victory"]


@pytest.mark.parametrize("kind", READABLE)
def test_what_did_not_get_through_is_posted_once(delivery: DeliverySetup, kind: str) -> None:
    channel = delivery.channel(kind)
    delivery.message(channel, "another")
    message = needing_review(delivery, channel)
    resend(delivery, message)
    delivery.pass_time(31)
    delivery.run(wait=5)
    assert delivery.row(message).state == "delivered"
    assert delivery.titles(channel) == ["another", "Victory"]


@pytest.mark.parametrize("is_unreadable", [True, False])
def test_where_the_history_is_unreadable_it_is_posted(
    delivery: DeliverySetup, is_unreadable: bool
) -> None:
    channel = delivery.channel("discord-bot" if is_unreadable else "slack-webhook")
    if is_unreadable:
        with delivery.database.writing() as session:
            session.add(ChannelProbe(channel_id=channel, unreadable_history=True))
    message = needing_review(delivery, channel)
    resend(delivery, message)
    delivery.run()
    assert delivery.row(message).state == "delivered"
    assert delivery.titles(channel) == ["Victory"]


def test_a_deliverer_that_comes_back_late_is_fenced_off(delivery: DeliverySetup) -> None:
    message = needing_review(delivery, delivery.channel(), fence=4)
    resend(delivery, message)
    assert delivery.row(message).fence == 5


def test_a_resend_that_goes_unanswered_is_uncertain_again(delivery: DeliverySetup) -> None:
    channel = delivery.channel("slack-webhook")
    message = needing_review(delivery, channel)
    resend(delivery, message)
    delivery.slack.script("hook", fail_before_accept())
    delivery.run()
    assert delivery.row(message).state == "uncertain"
    delivery.pass_time(31)
    delivery.run()
    assert (delivery.row(message).state, delivery.slack.count("hook")) == ("needs_review", 1)


def test_nothing_is_resent_into_a_removed_channel(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = needing_review(delivery, channel)
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).removed_at = delivery.now
    with pytest.raises(decisions.DecisionError, match="its channel was removed"):
        resend(delivery, message)


def test_the_decision_is_signed_on_both_databases(any_delivery: DeliverySetup) -> None:
    message = needing_review(any_delivery, any_delivery.channel())
    resend(any_delivery, message)
    with any_delivery.database.reading() as session:
        entry = session.query(AuditEntry).filter_by(table="messages").one()
        assert (entry.who, entry.action, entry.row) == ("Ann", "resent", message)


# --- the channel's address was changed -----------------------------------------------------------

ELSEWHERE = "700000000000000099"


def move(delivery: DeliverySetup, channel: int, address: str = ELSEWHERE) -> None:
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).address = address


def moved(delivery: DeliverySetup, *faults: Fault) -> tuple[int, str]:
    """A channel whose address was changed after a message had been sent there, which needs review."""
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", *faults)
    delivery.run()
    with delivery.database.writing() as session:
        row = session.merge(delivery.row(message))
        row.state, row.due_at = "needs_review", None
    move(delivery, channel)
    return channel, message


def test_what_may_stand_at_the_channels_former_address_is_not_resent_unasked(
    delivery: DeliverySetup,
) -> None:
    channel, message = moved(delivery, fail_after_accept())
    with pytest.raises(decisions.DecisionError, match="at the address that its channel had before"):
        resend(delivery, message)
    assert delivery.row(message).state == "needs_review"
    # Somebody who has not looked well enough, after all, has it posted once more.
    resend(delivery, message, former_address_checked=True)
    delivery.pass_time(31)
    delivery.run()
    assert (delivery.titles(channel), posts(delivery)) == (["Victory"], 2)


def test_what_was_refused_at_the_channels_former_address_stands_nowhere(
    delivery: DeliverySetup,
) -> None:
    channel, message = moved(delivery, refuse(400, 50035))
    resend(delivery, message)
    delivery.run()
    assert delivery.titles(channel) == ["Victory"]


def test_an_address_that_was_changed_back_is_where_it_is_looked_for(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel()
    address = delivery.address(channel)
    message = delivery.message(channel)
    delivery.discord.script("post", fail_after_accept())
    delivery.run()
    with delivery.database.writing() as session:
        row = session.merge(delivery.row(message))
        row.state, row.due_at = "needs_review", None
    move(delivery, channel)
    move(delivery, channel, address)
    resend(delivery, message)
    delivery.pass_time(31)
    delivery.run()
    assert (delivery.row(message).evidence, posts(delivery)) == ("scan", 1)


def test_a_message_cannot_be_marked_delivered_under_another_ones_id(
    delivery: DeliverySetup,
) -> None:
    """The next change of its text would overwrite the other one."""
    channel = delivery.channel()
    other = delivery.message(channel, "another", subject="NA1_77")
    message = needing_review(delivery, channel)
    remote_id = delivery.row(other).remote_id
    with pytest.raises(decisions.RemoteIdError, match=f"{remote_id} is the id of .* about NA1_77"):
        mark(delivery, message, remote_id)
    assert delivery.row(message).state == "needs_review"
    mark(delivery, message, f"{int(remote_id or 0) + 1}")
    assert delivery.row(message).state == "delivered"


def test_the_same_id_in_another_channel_is_another_messages(delivery: DeliverySetup) -> None:
    """Slack counts its messages in each channel anew."""
    other = delivery.message(delivery.channel("slack-bot"), "another")
    message = needing_review(delivery, delivery.channel("slack-bot"))
    mark(delivery, message, delivery.row(other).remote_id)
    assert delivery.row(message).state == "delivered"


def test_an_id_is_taken_in_every_channel_that_leads_to_the_same_place(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel("slack-bot")
    other = delivery.message(channel, "another")
    of_another_team = delivery.channel("slack-bot", address=delivery.address(channel))
    message = needing_review(delivery, of_another_team)
    with pytest.raises(decisions.RemoteIdError):
        mark(delivery, message, delivery.row(other).remote_id)


@pytest.mark.parametrize("refusal", [refuse(403, 50013), refuse(400, 50005)])
def test_an_edit_can_be_given_up_while_it_waits_or_after_it_was_refused(
    delivery: DeliverySetup, refusal: Fault
) -> None:
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.discord.script("patch", refusal)
    delivery.run()
    with delivery.database.writing(who="Ann") as session:
        transports = delivery.deliverer()._transports
        decisions.drop(
            session, message, transports=transports, clock=delivery.clock, now=delivery.now
        )
    delivery.pass_time(7200)
    delivery.run()
    assert (delivery.titles(channel), delivery.discord.count("patch")) == (["Victory"], 1)
    with delivery.database.reading() as session:
        assert session.scalars(queries.outdated_messages(delivery.now)).all() == []
        entry = session.query(AuditEntry).filter_by(table="messages").one()
        assert (entry.who, entry.action) == ("Ann", "edit given up")
    # What it is to say from now on is another matter.
    delivery.say(message, "Remake")
    delivery.run()
    assert delivery.titles(channel) == ["Remake"]


def test_an_edit_that_is_given_up_unanswered_has_to_settle_before_the_next(
    delivery: DeliverySetup,
) -> None:
    """It may land late, and would then stand instead of the newer one."""
    channel = delivery.channel()
    message = delivery.message(channel, "Victory")
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.discord.script("patch", fail_before_accept())
    delivery.run()
    with delivery.database.writing() as session:
        transports = delivery.deliverer()._transports
        decisions.drop(
            session, message, transports=transports, clock=delivery.clock, now=delivery.now
        )
    delivery.say(message, "Remake")
    delivery.run()
    assert delivery.discord.count("patch") == 1
    delivery.pass_time(6)  # more than Discord's settling time of 5 s
    delivery.run()
    assert delivery.titles(channel) == ["Remake"]
