"""Quiet hours: what is held back until they end, what is sent without a sound, and what is sent all the same."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from lol_dagster.delivery import outbox
from lol_dagster.delivery.model import QUIET
from lol_dagster.delivery.probe import probe_channel
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.roster.channels import ChannelRules, change_channel
from lol_dagster.roster.teams import change_team
from lol_dagster.storage.models import Channel, ChannelProbe
from lol_dagster_tests._support.fake_channels import NOW, fail_before_accept, reset_after_accept
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.kinds import ALL, READABLE, posts

HOUR = 3600.0
HOURS = "20:00-22:00"
"""From NOW on for two hours: a team's time zone is UTC unless somebody says otherwise."""
END = NOW + timedelta(hours=2)


def flags(delivery: DeliverySetup) -> list[int]:
    """Of each message that Discord was given."""
    sent = [json.loads(each.body) for each in delivery.discord_server.requests if each.body]
    return [each.get("flags", 0) for each in sent]


@pytest.mark.parametrize("kind", ALL)
def test_what_is_about_games_waits_until_the_quiet_hours_end(
    any_delivery: DeliverySetup, kind: str
) -> None:
    channel = any_delivery.channel(kind, quiet_hours=HOURS)
    message = any_delivery.message(channel, "Night", kind="catch_up")
    any_delivery.pass_time(HOUR)

    report = any_delivery.run()

    row = any_delivery.row(message)
    assert ([each.outcome for each in report.messages], posts(any_delivery)) == (["deferred"], 0)
    assert (row.state, row.due_at, row.last_error) == ("pending", END, QUIET)
    assert any_delivery.attempts(message) == []
    assert any_delivery.deliverer().next_due_at() == END
    any_delivery.pass_time(HOUR - 1)
    assert any_delivery.run().messages == ()
    any_delivery.pass_time(1)
    assert any_delivery.run().delivered == 1
    assert any_delivery.titles(channel) == ["Night"]
    assert set(flags(any_delivery)) <= {0}


def test_other_channels_do_not_wait(delivery: DeliverySetup) -> None:
    quiet, loud = delivery.channel(quiet_hours=HOURS), delivery.channel()
    for channel in (quiet, loud):
        delivery.message(channel)
    assert delivery.run().delivered == 1
    assert (delivery.titles(quiet), delivery.titles(loud)) == ([], ["Victory"])


def test_edits_make_no_sound_and_do_not_wait(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.run()
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).quiet_hours = HOURS
    delivery.say(message, "Victory, +21 LP")
    assert delivery.run().edited == 1
    assert delivery.titles(channel) == ["Victory, +21 LP"]


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook"])
def test_the_silent_way_sends_at_once_without_a_sound(delivery: DeliverySetup, kind: str) -> None:
    channel = delivery.channel(kind, quiet_hours=HOURS, quiet_way="silent")
    delivery.message(channel)
    assert delivery.run().delivered == 1
    # SUPPRESS_NOTIFICATIONS, 1 << 12
    assert flags(delivery) == [4096]
    delivery.pass_time(2 * HOUR)
    delivery.message(channel)
    assert delivery.run().delivered == 1
    assert flags(delivery) == [4096, 0]


@pytest.mark.parametrize("kind", ["discord-bot", "slack-bot"])
def test_alerts_do_not_wait(delivery: DeliverySetup, kind: str) -> None:
    """Nobody would be helped by them in the morning; Discord makes no sound for them."""
    channel = delivery.channel(kind, quiet_hours=HOURS)
    delivery.message(channel, kind="alert")
    assert delivery.run().delivered == 1
    assert flags(delivery) == ([4096] if kind == "discord-bot" else [])


def test_a_test_message_does_not_wait(delivery: DeliverySetup) -> None:
    channel = delivery.channel(quiet_hours=HOURS)
    steps = probe_channel(
        delivery.database, all_transports(delivery.settings), channel, now=delivery.now
    )
    assert [each.result for each in steps.findings][:1] == ["ok"]


@pytest.mark.parametrize("kind", READABLE)
def test_what_may_have_been_sent_is_looked_for_and_waits_only_if_it_is_not_there(
    delivery: DeliverySetup, kind: str
) -> None:
    settings = delivery.settings
    there, absent = (delivery.channel(kind, quiet_hours="20:01-22:00") for _ in range(2))
    for each, fault in ((there, reset_after_accept), (absent, fail_before_accept())):
        service = delivery.slack if kind == "slack-bot" else delivery.discord
        service.script("post", fault)
        delivery.message(each)
        delivery.run(settings=settings)
    delivery.pass_time(HOUR)
    delivery.run(settings=settings)
    assert (delivery.titles(there), delivery.titles(absent)) == (["Victory"], [])
    delivery.pass_time(HOUR)
    delivery.run(settings=settings)
    assert (delivery.titles(there), delivery.titles(absent)) == (["Victory"], ["Victory"])


def test_what_only_discords_nonce_protects_is_settled_at_once(delivery: DeliverySetup) -> None:
    """Later nobody could tell whether it stands there, and a person would have to decide."""
    channel = delivery.channel(quiet_hours="20:01-22:00")
    with delivery.database.writing() as session:
        session.add(ChannelProbe(channel_id=channel, can_read_back=False))
    delivery.pass_time(40)
    message = delivery.message(channel)
    delivery.discord.script("post", fail_before_accept())
    delivery.run()
    delivery.pass_time(25)  # 20:01:05; a nonce is relied upon for a minute
    delivery.run()
    assert delivery.row(message).state == "delivered"


def hold(delivery: DeliverySetup, **values: str) -> tuple[int, str]:
    """A channel and its message, which was held back at NOW."""
    channel = delivery.channel(quiet_hours=HOURS, **values)
    message = delivery.message(channel)
    delivery.run()
    assert delivery.row(message).last_error == QUIET
    return channel, message


def change(delivery: DeliverySetup, channel: int, **rules: str | None) -> None:
    with delivery.database.writing() as session:
        row = session.get_one(Channel, channel)
        values = {**ChannelRules.of(row).as_columns(), **rules}
        change_channel(
            session, channel, name=row.name, kind=row.kind, address=None, uncertain=row.uncertain,
            transports=all_transports(delivery.settings), rules=ChannelRules(**values),
            version=row.version, now=delivery.now,
        )  # fmt: skip


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("of_team", [False, True])
def test_what_is_held_back_while_the_hours_change_hears_of_it(
    any_delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch, of_team: bool
) -> None:
    """Whoever changes them finds it held, or it is not held."""
    delivery = any_delivery
    channel = delivery.channel(quiet_hours=HOURS)
    message = delivery.message(channel)
    with delivery.database.reading() as session:
        team = session.get_one(Channel, channel).team
    changing: list[threading.Thread] = []
    reads = outbox._quiet_until

    def they_change() -> None:
        if of_team:  # where it is eleven in the morning
            with delivery.database.writing() as session:
                change_team(
                    session, team.id, name=team.name, language="en", time_zone="Pacific/Honolulu",
                    version=team.version, now=delivery.now,
                )  # fmt: skip
        else:
            change(delivery, channel, quiet_hours=None)

    def stops() -> bool:
        """It is done, or waits for who holds the message back."""
        with delivery.database.reading() as session:
            waits = text("SELECT 1 FROM pg_locks WHERE NOT granted")
            return not changing[0].is_alive() or session.scalar(waits) is not None

    def in_the_middle(*of: Any) -> datetime | None:
        """They change after the hours were read for the last time."""
        found = reads(*of)
        if len(looks := [*looked, of]) == 2:
            changing.append(threading.Thread(target=they_change))
            changing[0].start()
            wait_for("change", stops)
        looked[:] = looks
        return found

    looked: list[Any] = []
    monkeypatch.setattr(outbox, "_quiet_until", in_the_middle)
    delivery.run()
    changing[0].join(60)
    monkeypatch.undo()
    delivery.run()
    assert delivery.row(message).state == "delivered"


@pytest.mark.parametrize(
    ("rules", "due_at"),
    [
        ({"quiet_hours": None}, None),
        ({"quiet_way": "silent"}, None),
        ({"quiet_hours": "21:00-21:30"}, None),
        ({"quiet_hours": "20:00-21:00"}, NOW + timedelta(hours=1)),
        ({"quiet_hours": "20:00-23:00"}, NOW + timedelta(hours=3)),
    ],
)
def test_what_waits_hears_of_other_quiet_hours(
    any_delivery: DeliverySetup, rules: dict[str, str | None], due_at: datetime | None
) -> None:
    channel, message = hold(any_delivery)
    any_delivery.pass_time(60)
    change(any_delivery, channel, **rules)
    any_delivery.run()
    row = any_delivery.row(message)
    assert (row.state, row.due_at) == ("pending" if due_at else "delivered", due_at)


def test_what_waits_hears_of_another_time_zone(delivery: DeliverySetup) -> None:
    channel, message = hold(delivery)
    with delivery.database.writing() as session:
        team = session.get_one(Channel, channel).team
        # 22:00 there: they are over.
        change_team(session, team.id, time_zone="Europe/Berlin", version=1, now=delivery.now)
    delivery.run()
    assert delivery.row(message).state == "delivered"


def test_the_hours_are_read_when_it_is_sent(delivery: DeliverySetup) -> None:
    """Not when it was written: a claim of before, and a run that began before, find them, too."""
    channel, message = hold(delivery)
    delivery.pass_time(2 * HOUR)
    with delivery.database.writing() as session:
        session.execute(update(Channel).values(quiet_hours="20:00-23:00"))
    delivery.run()
    assert delivery.row(message).due_at == NOW + timedelta(hours=3)
    assert delivery.titles(channel) == []
