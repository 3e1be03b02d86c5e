"""Looking for a message in its channel's history: page by page, to the end, by the service's own time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lol_dagster.delivery.model import (
    Answered,
    Claim,
    Intend,
    Moment,
    NotSent,
    Row,
    Terms,
    Timing,
)
from lol_dagster.delivery.protocol import step
from lol_dagster.monitoring import queries
from lol_dagster_tests._support.fake_channels import (
    NOW,
    Fault,
    fail_after_accept,
    fail_before_accept,
    refuse,
    slack_error,
)
from lol_dagster_tests._support.raw_server import Request, answer
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.kinds import READABLE, posts
from lol_dagster_tests.delivery.proof.test_deaths import Killed

LISTS = {"slack-bot": "history", "discord-bot": "list", "discord-webhook": "list"}
"""How a fake calls the reading of a page."""
PAGE = {"slack-bot": 2, "discord-bot": 100, "discord-webhook": 100}
"""Messages of a page here."""

MOMENT = Moment(epoch="one", at=0.0, wall=NOW, jitter=0.0)
TERMS = Terms(settle=5.0, nonce=True, read_back=True, edit=True, resend=False)
ROW = Row("m", created_at=NOW, desired_rev=1, due_at=NOW)


def unanswered(delivery: DeliverySetup, fault: Fault) -> None:
    for fake in (delivery.discord, delivery.slack):
        fake.script("post", fault)


def history(delivery: DeliverySetup, channel: int) -> list[dict[str, Any]]:
    """The channel's messages, as its service keeps them."""
    address = delivery.address(channel)
    if "webhooks/" in address:
        address = "1" + address.split("webhooks/")[1].split("/")[0]
    fake = delivery.slack if address[0] == "C" else delivery.discord
    return fake.messages.setdefault(address, [])


def chat(delivery: DeliverySetup, channel: int, messages: int) -> None:
    """Others talk."""
    stored = history(delivery, channel)
    is_slack = delivery.address(channel)[0] == "C"
    for _ in range(messages):
        if is_slack:
            seconds = delivery.slack.now().timestamp() + delivery.slack.next_id() / 1e6
            stored.append({"ts": f"{seconds:.6f}", "user": "U9", "text": "gg"})
        else:
            milliseconds = (
                int(delivery.discord.now().timestamp() * 1000) - delivery.discord.epoch_ms
            )
            number = str((milliseconds << 22) + delivery.discord.next_id())
            stored.append({"id": number, "author": {"id": "1"}, "content": "gg", "embeds": []})


def look_slowly(delivery: DeliverySetup, kind: str, seconds: float) -> list[str]:
    """Each page takes so long. Returns where each began, as it is asked for."""
    asked: list[str] = []

    def arrive(request: Request) -> None:
        query = parse_qs(urlsplit(request.target).query)
        if "limit" in query and "inclusive" not in query:
            asked.append(query.get("cursor", query.get("after", ["first"]))[0])
            delivery.clock.at += seconds

    fake = delivery.slack if kind == "slack-bot" else delivery.discord
    fake.on_arrival = arrive
    delivery.slack.page = PAGE["slack-bot"]
    return asked


@pytest.mark.parametrize("kind", READABLE)
def test_a_slow_history_is_read_to_its_end_and_the_message_posted(
    delivery: DeliverySetup, kind: str
) -> None:
    """Six pages of 8 s take longer than a claim may grow old: 45 s."""
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    unanswered(delivery, fail_before_accept())
    delivery.run()
    chat(delivery, channel, 5 * PAGE[kind] + 1)
    asked = look_slowly(delivery, kind, 8.0)
    delivery.pass_time(31)
    delivery.run(timing=Timing())
    assert len(asked) == 6
    assert len(set(asked)) == 6
    assert (delivery.row(message).state, posts(delivery)) == ("delivered", 2)
    scans = [("SCAN", "more")] * 5 + [("SCAN", "absent")]
    assert delivery.attempts(message) == [("POST", "uncertain"), *scans, ("POST", "accepted")]


@pytest.mark.parametrize("kind", READABLE)
def test_a_message_on_the_last_page_is_found(delivery: DeliverySetup, kind: str) -> None:
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    if kind != "slack-bot":  # Discord is read from the oldest message on, Slack from the newest
        chat(delivery, channel, 2 * PAGE[kind])
    unanswered(delivery, fail_after_accept())
    delivery.run()
    if kind == "slack-bot":
        chat(delivery, channel, 2 * PAGE[kind])
    asked = look_slowly(delivery, kind, 0.0)
    delivery.pass_time(31)
    delivery.run()
    assert len(asked) == 3
    assert (delivery.row(message).evidence, posts(delivery)) == ("scan", 1)


@pytest.mark.parametrize("kind", READABLE)
def test_a_rate_limit_within_the_history_goes_on_at_the_page_that_it_was_about(
    delivery: DeliverySetup, kind: str
) -> None:
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    unanswered(delivery, fail_before_accept())
    delivery.run()
    chat(delivery, channel, 2 * PAGE[kind] + 1)
    asked = look_slowly(delivery, kind, 0.0)
    limited = refuse(429, 0, retry_after=3.0, headers={"Retry-After": "3"})
    for fake in (delivery.discord, delivery.slack):
        fake.script(LISTS[kind], None, limited, None, limited)
    delivery.pass_time(31)
    for _ in range(3):
        delivery.run()
        delivery.pass_time(4)
    first, second, third = dict.fromkeys(asked)
    assert asked == [first, second, second, third, third]
    assert delivery.row(message).state == "delivered"


@pytest.mark.parametrize("kind", READABLE)
def test_a_deliverer_that_dies_between_two_pages_leaves_what_was_read(
    delivery: DeliverySetup, kind: str
) -> None:
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    unanswered(delivery, fail_before_accept())
    delivery.run()
    chat(delivery, channel, 2 * PAGE[kind] + 1)
    asked = look_slowly(delivery, kind, 0.0)
    delivery.pass_time(31)

    def die() -> None:
        raise Killed

    for _ in range(2):
        delivery.crashes.at["after_result"] = die
        with pytest.raises(Killed):
            delivery.run()
    delivery.run()
    assert len(asked) == len(set(asked)) == 3
    assert delivery.row(message).state == "delivered"


def test_other_messages_go_out_between_the_pages_of_a_long_history(delivery: DeliverySetup) -> None:
    channel = delivery.channel("slack-bot")
    delivery.message(channel)
    unanswered(delivery, fail_before_accept())
    delivery.run()
    chat(delivery, channel, 5)
    look_slowly(delivery, "slack-bot", 8.0)
    delivery.pass_time(31)
    delivery.slack.calls.clear()
    # Its game ended later: it would have to wait for the whole search.
    delivery.message(delivery.channel("slack-bot"), order_at=NOW + timedelta(minutes=1))
    delivery.run()
    calls = [each for each in delivery.slack.calls if each in {"history", "post"}]
    assert calls == ["history", "post", "history", "history", "post"]


@pytest.mark.parametrize("kind", ["slack-bot", "discord-bot"])
def test_a_long_history_holds_up_no_closed_channel_that_is_tried_again(
    any_delivery: DeliverySetup, kind: str
) -> None:
    """Who was refused tries last; before it the channel is searched, page after page."""
    delivery = any_delivery
    channel = delivery.channel(kind)
    message = delivery.message(channel)
    unanswered(delivery, fail_before_accept())
    delivery.run()
    chat(delivery, channel, 4 * PAGE[kind] + 1)
    look_slowly(delivery, kind, 0.0)
    delivery.pass_time(2)
    other = delivery.message(channel, "other", order_at=NOW + timedelta(minutes=1))
    delivery.slack.script("post", slack_error("is_archived"))
    delivery.discord.script("post", refuse(403, 50013))
    delivery.run()
    assert delivery.row(other).state == "blocked"
    delivery.pass_time(3601)
    delivery.run(wait=5)
    assert {delivery.row(each).state for each in (message, other)} == {"delivered"}


def test_a_history_without_an_end_needs_review(delivery: DeliverySetup) -> None:
    channel = delivery.channel("slack-bot")
    message = delivery.message(channel)
    unanswered(delivery, fail_before_accept())
    delivery.run()
    chat(delivery, channel, 9)
    look_slowly(delivery, "slack-bot", 0.0)
    delivery.pass_time(31)
    delivery.run(timing=Timing(call=2.0, scan_pages=3))
    row = delivery.row(message)
    assert (row.state, posts(delivery)) == ("needs_review", 1)
    assert row.last_error == "not found in 3 pages of the channel's history, and there are more"


def test_more_of_a_history_without_saying_where_proves_nothing(delivery: DeliverySetup) -> None:
    channel = delivery.channel("slack-bot")
    message = delivery.message(channel)
    unanswered(delivery, fail_after_accept())
    delivery.run()
    chat(delivery, channel, 3)
    look_slowly(delivery, "slack-bot", 0.0)
    delivery.slack.gives_cursors = False
    delivery.pass_time(31)
    delivery.run()
    assert delivery.attempts(message) == [("POST", "uncertain"), ("SCAN", "not_seen")]
    delivery.slack.gives_cursors = True
    delivery.pass_time(3600)
    delivery.run()
    assert (delivery.row(message).evidence, posts(delivery)) == ("scan", 1)


def test_a_cursor_that_slack_no_longer_takes_begins_the_search_anew(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel("slack-bot")
    message = delivery.message(channel)
    unanswered(delivery, fail_after_accept())
    delivery.run()
    chat(delivery, channel, 3)
    asked = look_slowly(delivery, "slack-bot", 0.0)
    delivery.slack.script("history", None, slack_error("invalid_cursor"))
    delivery.pass_time(31)
    delivery.run()
    first, second = dict.fromkeys(asked)
    assert asked == [first, second, first, second]
    assert delivery.row(message).evidence == "scan"


def test_after_another_post_the_search_begins_anew(delivery: DeliverySetup) -> None:
    """Slack's newest page, on which it stands then, had been read before it was posted."""
    channel = delivery.channel("slack-bot")
    message = delivery.message(channel)
    delivery.slack.script("post", fail_before_accept(), fail_after_accept())
    delivery.run()
    chat(delivery, channel, 3)
    look_slowly(delivery, "slack-bot", 0.0)
    for _ in range(2):
        delivery.pass_time(120)
        delivery.run()
    assert (delivery.row(message).evidence, posts(delivery)) == ("scan", 2)


def test_a_second_post_leaves_where_the_search_for_the_first_begins() -> None:
    """By now newer messages are known, and the first may stand before them."""
    first, _ = step(ROW, Claim("w"), MOMENT, TERMS)
    first, _ = step(first, Intend(None), MOMENT, TERMS)
    second, _ = step(first, Intend("5"), MOMENT, TERMS)
    assert second.after_id is None
    known, _ = step(first, Answered(NotSent("no connection")), MOMENT, TERMS)
    known, _ = step(known, Claim("w"), MOMENT, TERMS)
    known, _ = step(known, Intend("5"), MOMENT, TERMS)
    assert known.after_id == "5"


def test_a_permission_that_is_lost_between_two_pages_makes_nothing_absent(
    delivery: DeliverySetup,
) -> None:
    """Discord answers with an empty list then, which looks like the history's end."""
    channel = delivery.channel()
    delivery.message(channel, "earlier")  # whose marker shows that the first page can be read
    delivery.run()
    chat(delivery, channel, 120)
    message = delivery.message(channel)
    unanswered(delivery, fail_after_accept())
    delivery.run()
    delivery.discord.nonces.clear()

    def lose_permission() -> None:
        delivery.discord.may_read_history = False

    delivery.pass_time(31)
    delivery.crashes.at["after_result"] = lose_permission
    delivery.run()
    assert delivery.attempts(message)[1:] == [("SCAN", "more"), ("SCAN", "unreadable_history")]
    delivery.discord.may_read_history = True
    delivery.pass_time(3600)
    delivery.run()
    assert (delivery.row(message).evidence, posts(delivery)) == ("scan", 2)


@pytest.mark.parametrize("deleted", [True, False])
def test_copies_on_two_pages_are_both_seen(delivery: DeliverySetup, deleted: bool) -> None:
    """The later one is deleted, and it is shown, all the more where that cannot be done."""
    channel = delivery.channel("slack-bot")
    message = delivery.message(channel)
    unanswered(delivery, fail_after_accept())
    delivery.run()
    chat(delivery, channel, 2)
    [first, *_] = stored = history(delivery, channel)
    second = {**first, "ts": f"{float(first['ts']) + 10:.6f}"}
    stored.append(second)
    look_slowly(delivery, "slack-bot", 0.0)
    if not deleted:
        delivery.slack.script("delete", slack_error("cant_delete_message"))
    delivery.pass_time(31)
    delivery.run()
    assert delivery.row(message).remote_id == first["ts"]
    standing = [first["ts"]] if deleted else [first["ts"], second["ts"]]
    assert [each["ts"] for each in stored if each.get("bot_id")] == standing
    with delivery.database.reading() as session:
        assert session.scalars(queries.duplicate_messages()).all() == [message]


def test_copies_are_deleted_by_the_next_deliverer_if_one_dies_over_them(
    any_delivery: DeliverySetup,
) -> None:
    delivery = any_delivery
    channel = delivery.channel()
    message = delivery.message(channel)
    unanswered(delivery, fail_after_accept())
    delivery.run()
    stored = history(delivery, channel)
    stored.append({**stored[0], "id": str(int(stored[0]["id"]) + 1)})

    def die() -> None:
        raise Killed

    delivery.pass_time(6)
    delivery.crashes.at["after_result"] = die
    with pytest.raises(Killed):
        delivery.run()
    assert (len(delivery.titles(channel)), delivery.row(message).state) == (2, "sending")
    delivery.pass_time(61)
    delivery.run()
    assert delivery.titles(channel) == ["Victory"]
    assert (delivery.row(message).state, posts(delivery)) == ("delivered", 1)


# --- where the search begins ---------------------------------------------------------------------


def set_services_back(delivery: DeliverySetup, minutes: int) -> None:
    """The machine's wall clock is ahead of the services'."""
    for fake in (delivery.discord, delivery.slack):
        machines = fake.now
        fake.now = lambda machines=machines: machines() - timedelta(minutes=minutes)


@pytest.mark.parametrize("kind", READABLE)
def test_a_machine_whose_clock_is_ahead_finds_its_message_by_when_the_game_ended(
    delivery: DeliverySetup, kind: str
) -> None:
    set_services_back(delivery, 11)
    channel = delivery.channel(kind)
    # It ended two minutes ago, by Riot's clock.
    message = delivery.message(channel, order_at=NOW - timedelta(minutes=13))
    unanswered(delivery, fail_after_accept())
    delivery.run()
    delivery.discord.nonces.clear()
    delivery.pass_time(31)
    delivery.run()
    assert (delivery.row(message).evidence, posts(delivery)) == ("scan", 1)


@pytest.mark.parametrize("kind", READABLE)
def test_a_machine_whose_clock_is_ahead_finds_what_is_about_no_game(
    delivery: DeliverySetup, kind: str
) -> None:
    """By the newest message before it; by nothing in a channel that has none of ours."""
    set_services_back(delivery, 11)
    channel = delivery.channel(kind)
    for title in ("first", "second"):
        message = delivery.message(channel, title, kind="alert")
        unanswered(delivery, fail_after_accept())
        delivery.run()
        delivery.discord.nonces.clear()
        delivery.pass_time(31)
        delivery.run()
        assert delivery.row(message).evidence == "scan"
    assert posts(delivery) == 2


def test_the_search_begins_no_earlier_than_it_must(delivery: DeliverySetup) -> None:
    """A minute before the newest message of ours, or ten before the game's end, whichever is later."""
    delivery.slack.now = lambda: NOW - timedelta(hours=5)
    channel = delivery.channel("slack-bot")
    delivery.message(channel, "earlier")
    delivery.run()
    [known] = [each["ts"] for each in history(delivery, channel)]
    delivery.pass_time(2)
    game = delivery.message(channel, order_at=NOW - timedelta(hours=1))
    unanswered(delivery, fail_before_accept())
    delivery.run()
    alert = delivery.message(channel, kind="alert")
    unanswered(delivery, fail_before_accept())
    delivery.pass_time(2)
    delivery.run()
    ten_minutes_before = NOW - timedelta(minutes=70)
    assert delivery.row(game).after_id == f"{ten_minutes_before.timestamp():.6f}"
    assert delivery.row(alert).after_id == f"{float(known) - 60:.6f}"


def test_an_id_that_a_person_typed_does_not_say_where_the_search_begins(
    delivery: DeliverySetup,
) -> None:
    channel = delivery.channel("slack-bot")
    delivery.message(
        channel,
        state="delivered",
        due_at=None,
        evidence="operator",
        remote_id="9999999999.000000",
        remote_rev=1,
        delivered_at=NOW,
    )
    message = delivery.message(channel, kind="alert")
    unanswered(delivery, fail_after_accept())
    delivery.run()
    delivery.pass_time(31)
    delivery.run()
    assert (delivery.row(message).evidence, posts(delivery)) == ("scan", 1)


# --- markers that are lost -----------------------------------------------------------------------


def suppress(message: dict[str, Any]) -> None:
    """A moderator takes the embeds away: SUPPRESS_EMBEDS, after which Discord shows none."""
    message.update(embeds=[], flags=4)


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook"])
def test_what_may_be_the_message_without_its_marker_is_not_posted_again(
    delivery: DeliverySetup, kind: str
) -> None:
    channel = delivery.channel(kind)
    delivery.message(channel, "earlier")
    delivery.run()
    delivery.pass_time(3)
    message = delivery.message(channel)
    unanswered(delivery, fail_after_accept())
    delivery.run()
    lost = history(delivery, channel)[-1]
    suppress(lost)
    delivery.discord.nonces.clear()
    delivery.pass_time(31)
    delivery.run()
    row = delivery.row(message)
    assert (row.state, posts(delivery)) == ("needs_review", 2)
    assert row.last_error is not None
    assert lost["id"] in row.last_error
    assert delivery.attempts(message)[1:] == [("SCAN", "unclear")]


def test_an_unmarked_page_is_remembered_to_the_end_of_the_search(delivery: DeliverySetup) -> None:
    """The message stands on the first page, and on the last one there is a marker of ours."""
    channel = delivery.channel()
    message = delivery.message(channel)
    unanswered(delivery, fail_after_accept())
    delivery.run()
    suppress(history(delivery, channel)[0])
    chat(delivery, channel, 120)
    delivery.message(channel, "another")
    delivery.run()
    delivery.discord.nonces.clear()
    delivery.pass_time(31)
    delivery.run()
    assert delivery.attempts(message)[1:] == [("SCAN", "more"), ("SCAN", "unclear")]
    assert (delivery.row(message).state, posts(delivery)) == ("needs_review", 2)


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook"])
@pytest.mark.parametrize("whose", ["another message of ours", "somebody else's", "another text"])
def test_a_message_without_a_marker_that_cannot_be_it_is_no_doubt(
    delivery: DeliverySetup, kind: str, whose: str
) -> None:
    channel = delivery.channel(kind)
    delivery.message(channel, "earlier")
    delivery.run()
    delivery.pass_time(3)
    message = delivery.message(channel)
    unanswered(delivery, fail_before_accept())
    delivery.run()
    earlier = history(delivery, channel)[0]
    stranger = {**earlier, "id": str(int(earlier["id"]) + 1)}
    if whose == "another message of ours":
        suppress(earlier)
        history(delivery, channel).append({**earlier, "id": "1" * 17, "embeds": []})
    elif whose == "somebody else's":
        suppress(stranger)
        stranger.update(author={"id": "1"}, webhook_id="1")
        history(delivery, channel).append(stranger)
    else:
        stranger.update(embeds=[{"title": "Now playing"}])
        history(delivery, channel).append(stranger)
    delivery.pass_time(31)
    delivery.run()
    assert (delivery.row(message).state, posts(delivery)) == ("delivered", 3)


def test_slack_shows_a_message_of_ours_without_its_marker(delivery: DeliverySetup) -> None:
    """Not known to happen: metadata and the block's id would both have to be lost."""
    channel = delivery.channel("slack-bot")
    message = delivery.message(channel)
    unanswered(delivery, fail_after_accept())
    delivery.run()
    [lost] = history(delivery, channel)
    lost.update(metadata={"event_type": "lol_dagster_message"}, blocks=[])
    delivery.pass_time(31)
    delivery.run()
    assert (delivery.row(message).state, posts(delivery)) == ("needs_review", 1)
    assert delivery.attempts(message)[1:] == [("SCAN", "unclear")]


def test_a_webhook_reads_few_messages_at_a_time_and_reads_on(delivery: DeliverySetup) -> None:
    """Each of them is a call of up to 10 s. What somebody deletes meanwhile is left out."""
    channel = delivery.channel("discord-webhook")
    for number in range(5):
        delivery.message(channel, f"earlier {number}")
        delivery.run()
        delivery.pass_time(3)
    message = delivery.message(channel)
    unanswered(delivery, fail_after_accept())
    delivery.run()
    delivery.discord.script("get", refuse(404, 10008))
    delivery.pass_time(31)
    delivery.run()
    scans = [("SCAN", "more")] * 2 + [("SCAN", "found")]
    assert delivery.attempts(message) == [("POST", "uncertain"), *scans]
    assert delivery.discord.count("get") == 6


def test_pages_that_are_none_prove_nothing(delivery: DeliverySetup) -> None:
    message = delivery.message(delivery.channel("slack-bot"))
    unanswered(delivery, fail_before_accept())
    delivery.run()
    broken = ('{"ok": true, "messages": ["?"]}', '{"ok": true, "messages": [{}]}', '{"ok": true}')
    for body in broken:
        delivery.slack.script(
            "history", lambda call, body=body: call.connection.send(answer(200, body))
        )
    for _ in broken:
        delivery.pass_time(3600)
        delivery.run()
    assert delivery.attempts(message)[1:] == [("SCAN", "not_seen")] * 3
