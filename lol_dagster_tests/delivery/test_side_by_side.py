"""Several messages under way at once: what waits for what, and what does not.

Here the services decide when they answer, by what else has come in: no test depends on how fast anything
is. A wait that ends by its time limit is a failure.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from structlog.contextvars import bound_contextvars, get_contextvars

from lol_dagster.delivery import pace, worker
from lol_dagster.delivery.claimed_message import ClaimedMessage
from lol_dagster.delivery.message_rows import reopen
from lol_dagster.delivery.worker import DeliveryResult, _gather
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Attempt, Channel, Message, SendBucket
from lol_dagster_tests._support.fake_channels import (
    NOW,
    fail_after_accept,
    fail_before_accept,
)
from lol_dagster_tests._support.raw_server import Request
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.delivery.conftest import DeliverySetup

HOLD_S = 8.0
"""Seconds, less than a call's deadline: how long a service holds a call back for what does not come."""


@dataclass
class Door:
    """Services hold calls back until a condition is met; tells whether it ever was."""

    delivery: DeliverySetup
    opens: Callable[[Counter[str]], bool]
    """By the number of POSTs that have come in, by channel."""
    holds: Callable[[str], bool] = lambda _channel: True
    came: Counter[str] = field(default_factory=Counter)
    seen: list[dict[str, int]] = field(default_factory=list)
    """Messages that were claimed, by service, at the arrival of each POST."""
    gave_up: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self.delivery.discord.on_arrival = self.delivery.slack.on_arrival = self.arrive

    def arrive(self, request: Request) -> None:
        if request.method != "POST" or "auth.test" in request.target:
            return
        channel = self._channel(request)
        with self.delivery.database.reading() as session:
            kinds = session.scalars(
                select(Channel.kind).join(Message).where(Message.state == "sending")
            )
            claimed = Counter(kind.partition("-")[0] for kind in kinds)
        with self._changed:
            self.seen.append(dict(claimed))
            self.came[channel] += 1
            self._changed.notify_all()
            is_open = not self.holds(channel) or self._changed.wait_for(
                lambda: self.opens(self.came), timeout=HOLD_S
            )
            self.gave_up |= not is_open

    def _channel(self, request: Request) -> str:
        if "/channels/" in request.target:
            return request.target.split("/")[2]
        return next(a for a in self._slack if a.encode() in request.body)

    @property
    def _slack(self) -> list[str]:
        with self.delivery.database.reading() as session:
            return [
                each.address
                for each in session.scalars(select(Channel).where(Channel.kind == "slack-bot"))
            ]


def channels(delivery: DeliverySetup, kind: str, count: int) -> list[int]:
    return [delivery.channel(kind) for _ in range(count)]


def say(delivery: DeliverySetup, channel: int, title: str = "Victory", after: int = 0) -> str:
    return delivery.message(channel, title, order_at=NOW + timedelta(seconds=after))


def test_a_channel_that_does_not_answer_delays_no_other(any_delivery: DeliverySetup) -> None:
    """The channel that is first in turn answers when all the others have their messages."""
    delivery = any_delivery
    hanging, *others = channels(delivery, "discord-bot", 4)
    first = delivery.address(hanging)
    say(delivery, hanging)
    for after, channel in enumerate(others):
        say(delivery, channel, after=after + 1)
    door = Door(delivery, lambda came: len(came) == 4, lambda channel: channel == first)
    assert delivery.run(at_once=4).delivered == 4
    assert not door.gave_up


def test_a_service_that_does_not_answer_delays_no_other_service(delivery: DeliverySetup) -> None:
    for channel in channels(delivery, "discord-bot", 6):
        say(delivery, channel)
    for channel in channels(delivery, "slack-bot", 3):
        say(delivery, channel, after=60)
    # Discord answers when everything has come to Slack, whose turn is last.
    door = Door(
        delivery,
        lambda came: sum(count for place, count in came.items() if place[0] == "C") == 3,
        lambda channel: channel[0] != "C",
    )
    assert delivery.run(at_once=4).delivered == 9
    assert not door.gave_up


def test_channels_that_do_not_answer_delay_no_news_of_their_service(
    delivery: DeliverySetup,
) -> None:
    """What has failed before comes last, but what is written meanwhile is not behind it."""
    failing = channels(delivery, "discord-bot", 5)
    for channel in failing:
        say(delivery, channel)
    delivery.discord.script("post", *[fail_before_accept()] * 5)
    delivery.run()
    delivery.pass_time(40)  # they are searched for, and posted again
    news = delivery.channel("discord-bot")
    places = {delivery.address(channel) for channel in failing}

    def write_news_and_open(came: Counter[str]) -> bool:
        if not delivery.titles(news) and not written:
            written.append(say(delivery, news, "News"))
        return delivery.address(news) in came

    written: list[str] = []
    door = Door(delivery, write_news_and_open, lambda channel: channel in places)
    assert delivery.run(at_once=8).delivered == 6
    assert not door.gave_up


def test_at_most_so_many_messages_are_under_way_half_of_them_of_one_service(
    any_delivery: DeliverySetup,
) -> None:
    delivery = any_delivery
    for after, kind in enumerate(
        ("discord-bot", "slack-bot")
    ):  # all of Discord's are first in turn
        for channel in channels(delivery, kind, 5):
            say(delivery, channel, after=after)
    # Nothing is answered before so many have come in.
    door = Door(delivery, lambda came: came.total() >= 4)
    assert delivery.run(at_once=4).delivered == 10
    assert not door.gave_up, "fewer were under way at once"
    assert {"discord": 2, "slack": 2} in door.seen
    assert max(max(each.values()) for each in door.seen) == 2


def test_one_message_at_a_time_is_one_of_all_services(any_delivery: DeliverySetup) -> None:
    for kind in ("discord-bot", "slack-bot"):  # the first in turn are of both
        for after, channel in enumerate(channels(any_delivery, kind, 2)):
            say(any_delivery, channel, after=after)
    door = Door(any_delivery, lambda _: True)
    assert any_delivery.run(at_once=1).delivered == 4
    assert [sum(each.values()) for each in door.seen] == [1, 1, 1, 1]


def test_a_channels_messages_are_sent_one_after_another_in_their_order(
    any_delivery: DeliverySetup,
) -> None:
    delivery = any_delivery
    one, other = channels(delivery, "discord-bot", 2)
    titles = [f"game {number}" for number in range(4)]
    for after, title in enumerate(titles):
        say(delivery, one, title, after)
        say(delivery, other, title, after + 10)
    place = delivery.address(one)
    door = Door(
        delivery,
        lambda came: came[delivery.address(other)] == 4,
        lambda channel: channel == place and door.came[place] == 1,
    )
    assert delivery.run(at_once=8).delivered == 8
    assert not door.gave_up
    assert delivery.titles(one) == delivery.titles(other) == titles
    assert max(each["discord"] for each in door.seen) == 2, "one message of each channel"


def test_each_message_is_logged_with_what_it_is_about_and_what_its_run_is(
    delivery: DeliverySetup,
) -> None:
    messages = {say(delivery, channel) for channel in channels(delivery, "discord-bot", 3)}
    Door(delivery, lambda came: len(came) == 3)
    known: list[dict[str, object]] = []
    deliverer = delivery.deliverer(at_once=6)
    deliverer._crashpoint = lambda label: label == "after_call" and known.append(get_contextvars())
    with bound_contextvars(batch="tonight's"):
        deliverer.deliver_due(delivery.now, run_id="run 7")
    assert {each["message_id"] for each in known} == messages
    assert {(each["batch"], each["run_id"]) for each in known} == {("tonight's", "run 7")}


def test_a_run_that_is_ended_finishes_its_calls_and_begins_no_other(
    any_delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes while one call is under way, another is about to begin, and a third one waits."""
    delivery = any_delivery
    one, two, three = channels(delivery, "discord-bot", 3)
    under_way = say(delivery, one)
    beginning, waiting = say(delivery, two, after=1), say(delivery, three, after=2)
    deliverer = delivery.deliverer(at_once=4)
    has_called, is_about_to, is_over = threading.Event(), threading.Event(), deliverer._over
    claim = deliverer._outbox.claim

    def interrupted(*args: Any, **values: Any) -> list[ClaimedMessage]:
        if not values["beside"]:
            return claim(*args, **values)
        assert has_called.wait(HOLD_S)
        assert is_about_to.wait(HOLD_S)
        raise KeyboardInterrupt

    def crashpoint(label: str) -> None:
        if label == "after_intent" and get_contextvars()["message_id"] == beginning:
            is_about_to.set()
            assert is_over.wait(HOLD_S)

    def arrive(request: Request) -> None:
        if request.method == "POST":
            has_called.set()
            assert is_over.wait(HOLD_S)

    monkeypatch.setattr(deliverer._outbox, "claim", interrupted)
    monkeypatch.setattr(deliverer, "_crashpoint", crashpoint)
    delivery.discord.on_arrival = arrive
    with pytest.raises(KeyboardInterrupt):
        deliverer.deliver_due(delivery.now)
    assert delivery.attempts(under_way) == [("POST", "accepted")]
    assert delivery.attempts(beginning) == [("POST", "put_off")]
    assert delivery.row(beginning).last_error == "the run was ended before the call"
    assert (delivery.row(beginning).state, delivery.row(beginning).sent_maybe) == ("pending", False)
    assert delivery.attempts(waiting) == []
    delivery.discord.on_arrival = lambda _: None
    assert delivery.run().delivered == 2
    assert delivery.discord.count("post") == 3


def test_a_run_that_is_ended_puts_off_what_was_to_be_looked_for(
    delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = say(delivery, delivery.channel("discord-bot"))
    delivery.discord.script("post", fail_before_accept())
    delivery.run()
    delivery.pass_time(40)
    deliverer = delivery.deliverer(at_once=4)
    claim, is_over = deliverer._outbox.claim, deliverer._over

    def interrupted(*args: Any, **values: Any) -> list[ClaimedMessage]:
        if values["beside"]:
            raise KeyboardInterrupt
        return claim(*args, **values)

    monkeypatch.setattr(deliverer._outbox, "claim", interrupted)
    monkeypatch.setattr(deliverer, "_crashpoint", lambda _: is_over.wait(HOLD_S))
    with pytest.raises(KeyboardInterrupt):
        deliverer.deliver_due(delivery.now)
    assert delivery.attempts(message) == [("POST", "uncertain"), ("SCAN", "put_off")]
    assert delivery.discord.count("list") == 0
    assert delivery.row(message).last_error == "the run was ended before the call"
    assert delivery.run().delivered == 1


def test_what_is_under_way_when_the_runs_time_is_over_is_waited_for(
    delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(delivery, delivery.channel("discord-bot"))
    is_waited_for = threading.Event()

    def gather(under_way: Any, results: Any, seconds: float | None) -> None:
        if seconds is None:
            is_waited_for.set()
        _gather(under_way, results, seconds)

    def arrive(request: Request) -> None:
        if request.method == "POST":
            delivery.pass_time(300)  # a run begins nothing after four minutes
            assert is_waited_for.wait(HOLD_S)

    monkeypatch.setattr(worker, "_gather", gather)
    monkeypatch.setattr(worker, "_NEWS_EVERY", 0.0)
    delivery.discord.on_arrival = arrive
    assert delivery.run().delivered == 1


def test_what_has_ended_is_taken_in_before_more_is_begun(
    delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gather(under_way: Any, results: Any, seconds: float | None) -> None:
        if seconds != worker._NEWS_EVERY:
            _gather(under_way, results, seconds)

    monkeypatch.setattr(worker, "_gather", gather)
    say(delivery, delivery.channel("discord-bot"))
    assert delivery.run().delivered == 1


def test_whatever_a_run_is_to_be_limited_to_is_asked_for(
    delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = say(delivery, delivery.channel("discord-bot"))
    deliverer = delivery.deliverer(at_once=3)
    claim, asked = deliverer._outbox.claim, []
    executor, threads = worker.ThreadPoolExecutor, []

    def asking(now: datetime, **values: Any) -> list[ClaimedMessage]:
        asked.append({**values, "beside": [each.row.id for each in values["beside"]]})
        return claim(now, **values) if len(asked) == 1 else []

    def with_threads(*values: Any) -> ThreadPoolExecutor:
        threads.append(values)
        return executor(*values)

    monkeypatch.setattr(worker, "ThreadPoolExecutor", with_threads)
    monkeypatch.setattr(deliverer._outbox, "claim", asking)
    monkeypatch.setattr(worker, "_NEWS_EVERY", 0.0)
    # Nothing is answered before it has been asked for more.
    delivery.discord.on_arrival = lambda _: wait_for("more", lambda: len(asked) > 1, seconds=HOLD_S)
    deliverer.deliver_due(delivery.now, run_id="run 7", wait_up_to=timedelta(0))
    first, second, *_ = asked
    assert first == {"run_id": "run 7", "only_match_ids": None, "beside": [], "at_once": 3}
    assert second == {**first, "beside": [message]}
    assert threads == [(3, "delivery")]  # the name stands in the log
    with delivery.database.reading() as session:
        assert session.scalars(select(Attempt.run_id)).all() == ["run 7"]


# --- what has ended ------------------------------------------------------------------------------

POSTED = DeliveryResult("m", (), "channel", "discord-bot", "delivered", link="https://there")


def ended(*results: DeliveryResult | None) -> dict[Future[DeliveryResult | None], Any]:
    futures = {}
    for each in results:
        future: Future[DeliveryResult | None] = Future()
        future.set_result(each)
        futures[future] = None
    return futures


def take_in(
    under_way: dict[Future[DeliveryResult | None], Any],
    results: dict[str, DeliveryResult],
    seconds: float | None,
) -> None:
    taking = threading.Thread(target=_gather, args=(under_way, results, seconds), daemon=True)
    taking.start()
    taking.join(HOLD_S)
    assert not taking.is_alive(), "it waits for what does not end"


@pytest.mark.parametrize("seconds", [0.0, 1000.0, None])
def test_what_has_ended_is_taken_in_while_others_are_under_way(seconds: float | None) -> None:
    other: Future[DeliveryResult | None] = Future()
    under_way, results = {**ended(POSTED), other: None}, {}
    take_in(under_way, results, seconds)
    assert (list(under_way), results) == ([other], {"m": POSTED})


def test_while_nothing_has_ended_it_is_waited_no_longer_than_said() -> None:
    under_way, results = {Future(): None}, {}
    take_in(under_way, results, 0.0)
    assert (len(under_way), results) == (1, {})


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        # What was delivered in this run and then edited was delivered.
        (POSTED, replace(POSTED, outcome="edited", link="https://anew"), ("delivered", "https://anew")),
        (POSTED, replace(POSTED, outcome="deferred", link=None), ("delivered", "https://there")),
        (replace(POSTED, outcome="uncertain"), replace(POSTED, outcome="blocked", link=None), ("blocked", None)),
        (POSTED, None, ("delivered", "https://there")),  # somebody else has it now
    ],
)  # fmt: skip
def test_each_message_counts_once_by_its_last_outcome(
    first: DeliveryResult, second: DeliveryResult | None, counts: tuple[str, str | None]
) -> None:
    other = replace(POSTED, message_id="other", outcome="delivered")
    results = {"m": first, "other": other}
    under_way = ended(second)
    take_in(under_way, results, None)
    assert under_way == {}
    assert (results["m"].outcome, results["m"].link) == counts
    assert results["other"] == other


# --- what a service allows in all ----------------------------------------------------------------


def most_in_a_second(begins: list[float]) -> int:
    return max(sum(begin <= each < begin + 1.0 for each in begins) for begin in begins)


def test_threads_share_what_a_service_allows_in_a_second(any_database: Database) -> None:
    """Two hundred calls at once take their turns: in no second more than fifty, and no slower than that
    takes."""

    def begin(_: int) -> float:
        with any_database.writing() as session:
            return (pace.take_turn(session, "token", 50, NOW) - NOW).total_seconds()

    with ThreadPoolExecutor(8) as threads:
        begins = sorted(threads.map(begin, range(200)))
    assert most_in_a_second(begins) <= 50
    assert 150 / 50 <= begins[-1] <= 200 / 44


@pytest.mark.parametrize("calls", [1, 3])
def test_calls_that_come_after_a_pause_keep_to_it_too(database: Database, calls: int) -> None:
    """The clock stands, then goes on at a call in the time of half a turn."""
    begins: list[float] = []
    with database.writing() as session:
        for number in range(150 // calls):
            now = NOW + timedelta(seconds=max(0, number - 30) / 100)
            at = pace.take_turn(session, "token", 50, now, calls=calls)
            begins += [(max(at, now) - NOW).total_seconds()] * calls
    assert most_in_a_second(begins) <= 50


def test_a_turn_that_a_clock_which_was_ahead_has_taken_holds_up_nothing(database: Database) -> None:
    with database.writing() as session:
        pace.take_turn(session, "token", 50, NOW + timedelta(hours=1))
        assert pace.take_turn(session, "token", 50, NOW) == NOW


def test_a_run_keeps_to_what_discord_allows_the_bot_in_all(any_delivery: DeliverySetup) -> None:
    """Also with what it asks for besides: each channel's first message has its link asked for."""
    delivery = any_delivery
    for channel in channels(delivery, "discord-bot", 40):
        say(delivery, channel)
    begins: list[float] = []
    delivery.discord.on_arrival = lambda _: begins.append(delivery.clock.at)
    assert delivery.run().delivered == 40
    assert len(begins) == 80
    assert most_in_a_second(begins) <= 50
    with delivery.database.reading() as session:
        assert session.get(SendBucket, "pace:discord-token") is not None


def turns_since(delivery: DeliverySetup, since: datetime) -> float:
    """How many calls the bot's token has been counted for, at 45 a second."""
    with delivery.database.reading() as session:
        row = session.get_one(SendBucket, "pace:discord-token")
    return round((row.not_before - since).total_seconds() * 45, 2)


def test_what_is_read_and_deleted_counts_too(delivery: DeliverySetup) -> None:
    """Three calls for a search of the channel: a page, and whether it is to be believed; and each first
    message of a channel has its link asked for."""
    channel = delivery.channel()
    message = delivery.message(channel)
    delivery.discord.script("post", fail_after_accept())
    begun = delivery.now
    delivery.run()
    assert turns_since(delivery, begun) == 1
    (first,) = delivery.discord.messages[delivery.address(channel)]
    copy = {**first, "id": str(int(first["id"]) + 1)}
    delivery.discord.messages[delivery.address(channel)].append(copy)
    delivery.pass_time(31)
    begun = delivery.now
    delivery.run()
    assert [op for op, _ in delivery.attempts(message)] == ["POST", "SCAN", "DELETE"]
    assert turns_since(delivery, begun) == 3 + 1 + 1
    delivery.say(message, "Defeat")
    delivery.discord.script("patch", fail_after_accept())
    delivery.pass_time(31)
    delivery.run()
    delivery.pass_time(31)
    begun = delivery.now
    delivery.run()
    assert [op for op, _ in delivery.attempts(message)][3:] == ["PATCH", "GET"]
    assert turns_since(delivery, begun) == 1 + 1


def test_a_channels_link_is_asked_for_once_in_a_run(delivery: DeliverySetup) -> None:
    channel = delivery.channel()
    for after in range(3):
        say(delivery, channel, after=after)
    begun = delivery.now
    report = delivery.run()
    assert all(each.link for each in report.messages)
    assert turns_since(delivery, begun) == 3 + 1


@pytest.mark.parametrize(
    ("values", "waits"),
    [
        ({}, 0.0),
        # Before a search of three calls, for the last of these.
        ({"state": "uncertain", "sent_maybe": True, "after_id": "1"}, 2 / 45),
    ],
)
@pytest.mark.parametrize("ahead", [0.0, 0.5])
def test_a_call_that_is_not_its_turn_yet_is_waited_for(
    delivery: DeliverySetup, ahead: float, values: dict[str, Any], waits: float
) -> None:
    """Others have taken what the token allows for as long."""
    delivery.message(delivery.channel(), **values)
    with delivery.database.writing() as session:
        until = delivery.now + timedelta(seconds=ahead + 0.08 / 0.9)  # four may go out at once
        session.add(SendBucket(scope="pace:discord-token", not_before=until))
    arrived: list[float] = []
    begun = delivery.clock.at
    delivery.discord.on_arrival = lambda _: arrived.append(delivery.clock.at - begun)
    delivery.run()
    assert arrived[0] == pytest.approx(ahead + waits, abs=1e-5)


# --- the database --------------------------------------------------------------------------------


@pytest.mark.parametrize("any_database", ["postgresql"], indirect=True)
def test_a_channel_that_opens_does_not_wait_for_a_message_that_is_being_claimed(
    any_delivery: DeliverySetup,
) -> None:
    """Whoever claims it may be waiting for the breaker, which whoever opens it holds."""
    delivery = any_delivery
    channel = delivery.channel()
    later = delivery.now + timedelta(hours=1)
    claimed, left = (
        delivery.message(channel, state="blocked", due_at=later, fence=1) for _ in range(2)
    )
    with delivery.database.writing() as claiming:
        claiming.get_one(Message, claimed, with_for_update=True)
        with delivery.database.writing() as opening:
            opening.connection().exec_driver_sql("SET LOCAL lock_timeout = '2s'")
            reopen(opening, [channel], delivery.now)
    assert delivery.row(left).due_at == delivery.now
    assert delivery.row(claimed).due_at == later
