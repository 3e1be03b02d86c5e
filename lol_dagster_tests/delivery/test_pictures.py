"""A picture is put beside a text that is posted already, by an edit: whatever happens to it, the text is there
once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qs

import pytest
from sqlalchemy import select

from lol_dagster.delivery.message_rows import add_message, apply, row_of, terms_of
from lol_dagster.delivery.model import MarkDelivered, Moment, Row, Terms, Timing
from lol_dagster.delivery.pictures import card_to_send, note, uploaded
from lol_dagster.delivery.transports.base import Outgoing, Picture
from lol_dagster.delivery.transports.slack_bot import SlackBot
from lol_dagster.delivery.transports.slack_format import read_marker
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Attempt, Channel, Message, MessagePicture
from lol_dagster_tests._support.fake_channels import (
    NOW,
    Call,
    fail_after_accept,
    fail_before_accept,
    half_an_answer,
    rate_limited,
    refuse,
    reset_after_accept,
    slack_error,
)
from lol_dagster_tests._support.roster_rows import make_channel, make_team
from lol_dagster_tests.delivery.conftest import DeliverySetup, card, content
from lol_dagster_tests.delivery.kinds import posts

DISCORD = ["discord-bot", "discord-webhook"]


class Killed(BaseException):
    """The process dies here."""


def die_at(delivery: DeliverySetup, label: str, nth: int) -> None:
    """Let the process die where it passes the label for the n-th time."""
    passed = iter(range(1, 100))

    def count() -> None:
        delivery.crashes.at[label] = count
        if next(passed) == nth:
            del delivery.crashes.at[label]
            raise Killed

    delivery.crashes.at[label] = count


@pytest.fixture
def kind() -> str:
    return "discord-bot"


@pytest.fixture
def channel(delivery: DeliverySetup, kind: str) -> int:
    return delivery.channel(kind)


@pytest.fixture
def message(delivery: DeliverySetup, channel: int) -> str:
    """About a victory, with its card; due in the channel."""
    return delivery.with_card(channel)


def shown(delivery: DeliverySetup, channel: int) -> list[tuple[str, str | None]]:
    """Each text in the channel, and the text that the one picture below it was drawn for."""
    drawn = []
    for pictures in delivery.pictures(channel):
        (picture,) = pictures or [None]
        drawn.append(picture and picture.decode().removeprefix("picture of "))
    return list(zip(delivery.titles(channel), drawn, strict=True))


def settle(delivery: DeliverySetup) -> None:
    """Deliver until all has come to its end."""
    for _ in range(8):
        delivery.run()
        if delivery.deliverer().next_due_at() is None:
            return
        delivery.pass_time(130)


def until(delivery: DeliverySetup, is_reached: Callable[[], bool], *, every: float) -> None:
    """Deliver again and again, some seconds apart, for ten minutes at most."""
    for _ in range(round(600 / every)):
        if is_reached():
            return
        delivery.run()
        delivery.pass_time(every)
    raise AssertionError("never reached")


def noted(delivery: DeliverySetup, message: str) -> MessagePicture | None:
    with delivery.database.reading() as session:
        return session.get(MessagePicture, message)


@pytest.mark.parametrize("kind", DISCORD)
def test_row_34_the_text_is_posted_first_and_the_picture_comes_by_an_edit(
    delivery: DeliverySetup, channel: int, message: str
) -> None:
    report = delivery.run(wait=3)
    assert (report.delivered, report.edited, posts(delivery)) == (1, 0, 1)
    assert [each.card for each in report.messages] == [card("Victory")]
    assert "image" not in delivery.discord.bodies[0]["embeds"][0]
    assert delivery.attempts(message) == [("POST", "accepted"), ("PATCH", "accepted")]
    assert shown(delivery, channel) == [("Victory", "Victory")]
    row = delivery.row(message)
    assert (row.state, row.remote_rev, row.desired_rev, row.due_at) == ("delivered", 2, 2, None)
    calls = len(delivery.discord.calls)
    settle(delivery)
    assert len(delivery.discord.calls) == calls, "nothing more is done"


def test_the_edit_says_what_the_picture_shows_and_pings_nobody(
    delivery: DeliverySetup, channel: int
) -> None:
    delivery.with_card(channel)
    settle(delivery)
    (message,) = delivery.discord.messages[delivery.address(channel)]
    assert message["attachments"] == [{"id": 0, "filename": "card.png", "description": "Victory"}]
    assert message["embeds"][0]["image"] == {"url": "attachment://card.png"}
    assert message["allowed_mentions"] == {"parse": []}


def test_without_a_card_nothing_is_edited(delivery: DeliverySetup) -> None:
    message = delivery.message(delivery.channel())
    settle(delivery)
    assert delivery.attempts(message) == [("POST", "accepted")]


def test_where_nothing_can_be_edited_a_card_costs_nothing(delivery: DeliverySetup) -> None:
    message = delivery.with_card(delivery.channel("slack-webhook"))
    settle(delivery)
    assert delivery.attempts(message) == [("POST", "accepted")]
    row = delivery.row(message)
    assert (row.remote_rev, row.desired_rev) == (1, 1)


def test_another_text_brings_its_own_picture_and_takes_the_last_one_away(
    delivery: DeliverySetup, channel: int, message: str
) -> None:
    settle(delivery)
    delivery.say(message, "Defeat", card("Defeat"))
    settle(delivery)
    assert shown(delivery, channel) == [("Defeat", "Defeat")]
    delivery.say(message, "Remake")
    settle(delivery)
    assert shown(delivery, channel) == [("Remake", None)]


def test_a_text_that_changes_before_the_picture_is_edited_once_with_it(
    delivery: DeliverySetup, channel: int, message: str
) -> None:
    delivery.crashes.at["after_call"] = lambda: delivery.say(message, "Defeat", card("Defeat"))
    settle(delivery)
    assert delivery.attempts(message) == [("POST", "accepted"), ("PATCH", "accepted")]
    assert shown(delivery, channel) == [("Defeat", "Defeat")]


@pytest.mark.parametrize(
    "fault", [fail_after_accept(), fail_before_accept(), reset_after_accept, half_an_answer]
)
@pytest.mark.parametrize("operation", ["post", "patch"])
@pytest.mark.parametrize("kind", DISCORD)
def test_row_34_whatever_call_goes_unanswered_text_and_picture_stand_there_once(
    delivery: DeliverySetup, channel: int, message: str, operation: str, fault: Any
) -> None:
    delivery.discord.script(operation, fault)
    settle(delivery)
    assert shown(delivery, channel) == [("Victory", "Victory")]
    row = delivery.row(message)
    assert (row.remote_rev, row.due_at, row.last_error) == (row.desired_rev, None, None)


@pytest.mark.parametrize("label", [
    "after_claim", "intending", "after_intent", "before_call", "after_call", "concluding", "after_result",
])  # fmt: skip
@pytest.mark.parametrize("nth", [1, 2])
def test_row_34_a_process_that_dies_anywhere_leaves_nothing_twice_and_nothing_stuck(
    delivery: DeliverySetup, channel: int, message: str, label: str, nth: int
) -> None:
    """At the first call, which posts the text, and at the second one, which brings the picture."""
    die_at(delivery, label, nth)
    with pytest.raises(Killed):
        delivery.run(wait=3)
    settle(delivery)
    assert shown(delivery, channel) == [("Victory", "Victory")]
    assert delivery.row(message).due_at is None


def test_row_34_what_a_search_finds_has_no_picture_yet_and_gets_it(
    delivery: DeliverySetup, channel: int, message: str
) -> None:
    delivery.discord.script("post", reset_after_accept)
    delivery.discord.nonce_window = False
    settle(delivery)
    assert delivery.row(message).evidence == "scan"
    assert shown(delivery, channel) == [("Victory", "Victory")]


def test_what_a_person_has_found_gets_its_picture_under_its_id_and_none_without(
    delivery: DeliverySetup, channel: int
) -> None:
    for remote_id, rev in (("1122334455667788990", 2), (None, 1)):
        message = delivery.with_card(channel, state="needs_review", due_at=None, sent_maybe=True)
        with delivery.database.writing() as session:
            row = session.get_one(Message, message)
            terms = terms_of(
                session,
                session.get_one(Channel, channel),
                delivery.deliverer()._transports,
                Timing(),
            )
            now = Moment("boot:one", 1000.0, NOW, 0.5)
            apply(row, MarkDelivered(remote_id), now, terms)
            assert row_of(row).desired_rev == rev


@pytest.mark.parametrize("kind", DISCORD)
@pytest.mark.parametrize(
    "refusal",
    [refuse(403, 50013), refuse(413, 40005), refuse(400, 50035), refuse(400, 987654)],
    ids=["no permission", "too large", "malformed", "unknown"],
)
def test_row_34_a_picture_that_is_refused_leaves_the_text_and_closes_nothing(
    delivery: DeliverySetup, channel: int, message: str, refusal: Any
) -> None:
    delivery.discord.script("patch", refusal)
    settle(delivery)
    assert shown(delivery, channel) == [("Victory", None)]
    # It had nothing else to say: it is not made again, and nothing counts as outdated.
    assert delivery.attempts(message) == [("POST", "accepted"), ("PATCH", "refused")]
    row = delivery.row(message)
    assert (row.state, row.due_at, row.given_up_rev) == ("delivered", None, row.desired_rev)
    picture = noted(delivery, message)
    assert picture is not None
    assert "Discord" in (picture.failed or "")
    # The channel's other messages are edited as ever, with their pictures.
    other = delivery.with_card(channel, "Another")
    settle(delivery)
    assert shown(delivery, channel) == [("Victory", None), ("Another", "Another")]
    assert delivery.attempts(other) == [("POST", "accepted"), ("PATCH", "accepted")]


def test_row_34_a_text_that_is_refused_with_its_picture_comes_without_it(
    delivery: DeliverySetup, channel: int, message: str
) -> None:
    settle(delivery)
    delivery.say(message, "Defeat", card("Defeat"))
    delivery.discord.script("patch", refuse(403, 50013))
    settle(delivery)
    assert shown(delivery, channel) == [("Defeat", None)]
    row = delivery.row(message)
    assert (row.remote_rev, row.last_error) == (row.desired_rev, None)
    # The next text has another card, which is tried.
    delivery.say(message, "Victory", card("Victory"))
    settle(delivery)
    assert shown(delivery, channel) == [("Victory", "Victory")]


def test_row_34_a_first_edit_with_news_that_is_refused_with_its_picture_comes_without_it(
    delivery: DeliverySetup, channel: int, message: str
) -> None:
    """The text changed while it was posted: no revision was made for the picture alone."""
    delivery.crashes.at["after_call"] = lambda: delivery.say(message, "Defeat", card("Defeat"))
    delivery.discord.script("patch", refuse(413, 40005))
    settle(delivery)
    assert shown(delivery, channel) == [("Defeat", None)]


def test_an_edit_that_is_refused_with_and_without_its_picture_closes_the_channel_to_edits(
    delivery: DeliverySetup, channel: int, message: str
) -> None:
    settle(delivery)
    delivery.say(message, "Defeat", card("Defeat"))
    delivery.discord.script("patch", refuse(403, 50013), refuse(403, 50013))
    delivery.run()
    assert delivery.attempts(message)[-2:] == [("PATCH", "refused"), ("PATCH", "blocked")]
    assert delivery.breaker(f"channel:{channel}:edit") is not None


@pytest.mark.parametrize("refusal", [refuse(401, 0), refuse(401, 50014)])
def test_a_refused_token_is_not_the_pictures_fault(
    delivery: DeliverySetup, channel: int, message: str, refusal: Any
) -> None:
    delivery.discord.script("patch", refusal)
    delivery.run(wait=3)
    assert delivery.attempts(message)[-1] == ("PATCH", "blocked")
    assert noted(delivery, message).failed is None  # type: ignore[union-attr]


def test_a_rate_limit_puts_the_picture_off(
    delivery: DeliverySetup, channel: int, message: str
) -> None:
    delivery.discord.script("patch", rate_limited(40))
    delivery.run(wait=3)
    assert shown(delivery, channel) == [("Victory", None)]
    settle(delivery)
    assert shown(delivery, channel) == [("Victory", "Victory")]
    assert delivery.attempts(message)[1:] == [("PATCH", "put_off"), ("PATCH", "accepted")]


def test_a_picture_over_which_the_service_stumbles_is_left_out_in_the_end(
    delivery: DeliverySetup, channel: int, message: str
) -> None:
    """Discord answers some payloads with 500 forever, while others pass."""
    settle(delivery)
    delivery.say(message, "Defeat", card("Defeat"))

    def stumble(call: Call) -> None:
        has_picture = b"filename" in call.request.body
        (fail_before_accept(500) if has_picture else lambda each: each.connection.send(each.act()))(
            call
        )

    for round_ in range(14):
        delivery.discord.faults["patch"] = [stumble, stumble]
        other = delivery.message(channel, f"other {round_}")
        delivery.run()
        delivery.pass_time(4000)
        assert delivery.row(other).state == "delivered"
    assert shown(delivery, channel)[0] == ("Defeat", None)
    assert delivery.row(message).last_error is None


def test_in_an_outage_no_picture_is_given_up(delivery: DeliverySetup, channel: int) -> None:
    delivery.with_card(channel)
    delivery.discord.script("patch", *[fail_before_accept(503)] * 12)
    for _ in range(40):
        delivery.run()
        delivery.pass_time(4000)
    assert shown(delivery, channel) == [("Victory", "Victory")]


def test_a_card_that_cannot_be_drawn_costs_the_picture_alone(
    delivery: DeliverySetup, channel: int, message: str
) -> None:
    delivery.artist.fails = True
    settle(delivery)
    assert shown(delivery, channel) == [("Victory", None)]
    assert delivery.row(message).due_at is None
    delivery.say(message, "Defeat", card("Defeat"))
    settle(delivery)
    assert delivery.titles(channel) == ["Defeat"]


def test_news_goes_before_pictures(delivery: DeliverySetup, channel: int) -> None:
    for number in range(3):
        delivery.with_card(channel, f"game {number}", order_at=NOW + timedelta(seconds=number))
    delivery.run(wait=3)
    made = [call for call in delivery.discord.calls if call in {"post", "patch"}]
    assert made == ["post"] * 3 + ["patch"] * 3


def test_a_message_of_ours_that_lost_its_embed_is_known_by_its_picture_for_one_that_may_be_ours(
    delivery: DeliverySetup, channel: int
) -> None:
    """A moderator can take the embed away, and the picture stays; other bots' pictures are none of ours."""
    address = delivery.address(channel)
    delivery.message(channel, "first")
    settle(delivery)
    message = delivery.with_card(channel)
    delivery.discord.script("post", fail_before_accept())
    delivery.discord.nonce_window = False
    delivery.run()
    stripped = {
        "id": delivery.discord.messages[address][-1]["id"][:-2] + "99",
        "channel_id": address,
        "author": {"id": delivery.discord.me},
        "embeds": [],
    }
    delivery.discord.messages[address].append(
        {**stripped, "attachments": [{"filename": "card.png"}]}
    )
    delivery.pass_time(30)
    delivery.run()
    assert delivery.row(message).state == "needs_review"
    delivery.discord.messages[address][-1]["attachments"] = [{"filename": "cat.png"}]
    other = delivery.with_card(channel, "other")
    delivery.discord.script("post", fail_before_accept())
    delivery.run()
    settle(delivery)
    assert delivery.row(other).state == "delivered"


@pytest.mark.parametrize(
    ("rounds", "takes_pictures", "noted", "is_sent"),
    [
        (0, True, None, True),
        (0, False, None, False),
        # One round more than there are pauses of different lengths: then the service stumbles over it.
        (8, True, None, True),
        (9, True, None, False),
        (0, True, (card("Victory"), "why"), False),
        (0, True, (card("Victory"), None), True),
        (0, True, (card("Defeat"), "why"), True),  # another picture failed
    ],
)
def test_which_card_an_edit_brings(
    database: Database,
    rounds: int,
    takes_pictures: bool,
    noted: tuple[dict[str, Any], str | None] | None,
    is_sent: bool,
) -> None:
    terms = Terms(
        settle=5.0, nonce=True, read_back=True, edit=True, resend=False, pictures=takes_pictures,
        timing=Timing(),
    )  # fmt: skip
    row = Row("m", created_at=NOW, desired_rev=2, due_at=NOW)
    with database.writing() as session:
        add_message(
            session, "m", channel_id=make_channel(session, make_team(session)).id, kind="game", subject="m",
            order_at=NOW, content=content("m"), now=NOW,
        )  # fmt: skip
        if noted is not None:
            note(session, "m", {"card": noted[0]}, failed=noted[1])
        said = {"card": card("Victory")}
        sent = card_to_send(session, replace(row, edit_rounds=rounds), said, terms)
        assert sent == (card("Victory") if is_sent else None)
        assert card_to_send(session, row, {}, terms) is None


def test_an_upload_is_known_by_its_card_once_it_has_begun(database: Database) -> None:
    with database.writing() as session:
        add_message(
            session, "m", channel_id=make_channel(session, make_team(session)).id, kind="game", subject="m",
            order_at=NOW, content=content("m"), now=NOW,
        )  # fmt: skip
        assert uploaded(session, "m", card("Victory")) is None
        done = note(session, "m", {"card": card("Victory")})
        assert (done.rev, uploaded(session, "m", card("Victory"))) == (0, None)
        done.begun_at, done.file_id, done.is_ready = NOW, "F1", True
        assert uploaded(session, "m", card("Victory")) is done
        assert uploaded(session, "m", card("Defeat")) is None
        # Another card begins anew; the same one goes on.
        note(session, "m", {"card": card("Victory")})
        assert (done.begun_at, done.file_id, done.is_ready) == (NOW, "F1", True)
        note(session, "m", {"card": card("Defeat")})
        assert (done.begun_at, done.file_id, done.is_ready) == (None, None, False)


def test_two_cards_of_one_text_are_two_contents_and_no_card_is_as_before() -> None:
    said = content("Victory")
    hashes = {replace(said, card=each).content_hash() for each in (None, card("a"), card("b"))}
    assert len(hashes) == 3
    assert "card" not in said.to_json()
    assert said.from_json(said.to_json()) == said


def test_the_same_picture_makes_the_same_request() -> None:
    from lol_dagster.delivery.transports.discord_format import edit_request

    body = {"embeds": [{"title": "Victory"}], "allowed_mentions": {"parse": []}}
    picture = Picture(b"\x89PNG --boundary\r\n", "Ann \u202e won")
    assert edit_request(body, picture) == edit_request(body, picture)
    assert edit_request(body, None) == {"json": {**body, "attachments": []}}
    assert body["embeds"] == [{"title": "Victory"}], "left as it was"
    assert (
        Outgoing("m", 1, "n", body).body_sha256
        == Outgoing("m", 1, "n", body, picture=picture).body_sha256
    )


def test_an_edit_with_a_picture_is_a_form_of_two_parts() -> None:
    """RFC 7578; what it parts may contain anything, even the boundary of another request."""
    from lol_dagster.delivery.transports.discord_format import edit_request

    body = {"embeds": [{"title": "Victory"}], "allowed_mentions": {"parse": []}}
    boundaries = []
    png = b"\x89PNG"
    for _ in range(2):
        request = edit_request(body, Picture(png, "Ann won"))
        ((name, kind),) = request["headers"].items()
        assert name == "Content-Type"
        head = f"{name}: {kind}\r\n\r\n".encode()
        form = message_from_bytes(head + request["data"], policy=HTTP)
        assert form.get_content_type() == "multipart/form-data"
        boundaries.append(form.get_boundary())
        payload, file = form.iter_parts()
        assert payload.get_content_type() == "application/json"
        assert file.get_content_type() == "image/png"
        assert (file.get_filename(), file.get_payload(decode=True)) == ("card.png", png)
        png += b"\r\n--" + (boundaries[0] or "").encode()
    assert boundaries[0] != boundaries[1]


def test_every_message_with_a_failed_picture_says_why(
    delivery: DeliverySetup, caplog: pytest.LogCaptureFixture
) -> None:
    message = delivery.with_card(delivery.channel())
    delivery.discord.script("patch", refuse(403, 50013))
    settle(delivery)
    with delivery.database.reading() as session:
        (found,) = session.scalars(select(MessagePicture).where(MessagePicture.failed.is_not(None)))
        said = session.scalars(select(Attempt.detail).where(Attempt.op == "PATCH")).one()
    why = "Discord 403, code 50013: refused with 50013"
    assert (found.message_id, found.failed, said) == (message, why, f"{why} (with its picture)")
    (line,) = (each for each in caplog.records if each.name.endswith("delivery.message_rows"))
    assert line.getMessage() == f"Message {message} stays without its picture: {why}"
    assert line.message_id == message  # type: ignore[attr-defined]


class TestSlack:
    """There a picture is uploaded and scanned before an edit can show it."""

    @pytest.fixture
    def channel(self, delivery: DeliverySetup) -> int:
        delivery.slack.ready.add("all")
        return delivery.channel("slack-bot")

    def test_row_34_the_text_is_posted_then_the_file_uploaded_then_the_message_edited(
        self, delivery: DeliverySetup, channel: int, message: str
    ) -> None:
        settle(delivery)
        made = [each for each in delivery.slack.calls if each != "auth"]
        assert made == ["post", "upload-url", "upload", "upload-complete", "file", "update"]
        assert shown(delivery, channel) == [("Victory", "Victory")]
        (posted,) = delivery.slack.messages[delivery.address(channel)]
        assert posted["blocks"][-1]["alt_text"] == "Victory"
        assert read_marker(posted) == (message, 2)
        delivery.say(message, "Defeat", card("Defeat"))
        settle(delivery)
        assert shown(delivery, channel) == [("Defeat", "Defeat")]
        delivery.say(message, "Remake")
        settle(delivery)
        assert shown(delivery, channel) == [("Remake", None)]

    def test_a_file_is_posted_under_our_name_and_called_by_what_it_shows(
        self, delivery: DeliverySetup, channel: int
    ) -> None:
        delivery.with_card(channel)
        settle(delivery)
        (sent,) = (each for each in delivery.slack_server.requests if "/upload/" in each.target)
        assert (sent.method, sent.body) == ("POST", b"picture of Victory")
        assert sent.headers["user-agent"].startswith("lol_dagster/")
        (asked,) = (
            each for each in delivery.slack_server.requests if "getUploadURL" in each.target
        )
        assert asked.target.endswith("/files.getUploadURLExternal")
        assert (asked.method, asked.headers["content-type"]) == (
            "POST",
            "application/x-www-form-urlencoded",
        )
        length = str(len("picture of Victory"))
        assert parse_qs(asked.body.decode()) == {"filename": ["card.png"], "length": [length]}
        (done,) = (each for each in delivery.slack_server.requests if "complete" in each.target)
        ((file,),) = (json.loads(done.body)["files"],)
        assert (file["id"], file["title"]) == (sent.target.rpartition("/")[2], "Victory")

    def test_the_edit_waits_until_the_file_is_ready_and_uploads_it_once(
        self, delivery: DeliverySetup, channel: int
    ) -> None:
        delivery.slack.ready.clear()
        message = delivery.with_card(channel)
        for _ in range(4):
            delivery.run()
            delivery.pass_time(10)
        assert shown(delivery, channel) == [("Victory", None)]
        assert delivery.row(message).last_error == "its picture is not ready yet"
        delivery.slack.ready.add("all")
        settle(delivery)
        assert shown(delivery, channel) == [("Victory", "Victory")]
        assert delivery.slack.count("upload") == 1

    @pytest.mark.parametrize("step", ["upload-url", "upload", "upload-complete", "file"])
    @pytest.mark.parametrize(
        "fault",
        [
            fail_after_accept(),
            fail_before_accept(),
            reset_after_accept,
            half_an_answer,
            rate_limited(1),
        ],
        ids=["500 after", "503 before", "reset", "half", "limited"],
    )
    def test_row_34_a_step_that_fails_is_made_again(
        self, delivery: DeliverySetup, channel: int, message: str, step: str, fault: Any
    ) -> None:
        delivery.slack.script(step, fault)
        for _ in range(6):
            delivery.run()
            delivery.pass_time(5)
        assert shown(delivery, channel) == [("Victory", "Victory")]
        assert delivery.row(message).due_at is None

    @pytest.mark.parametrize(
        ("step", "fault", "why"),
        [
            ("upload-url", fail_before_accept(), "Slack 503"),
            ("upload-url", rate_limited(30), "429"),
            ("upload-url", reset_after_accept, "127.0.0.1"),
            ("upload-url", slack_error("missing_scope"), "missing_scope"),
            ("upload", fail_before_accept(), "503"),
            ("upload", reset_after_accept, "127.0.0.1"),
            ("file", reset_after_accept, "127.0.0.1"),
        ],
    )
    def test_people_read_why_a_picture_is_late_or_missing(
        self, delivery: DeliverySetup, channel: int, message: str, step: str, fault: Any, why: str
    ) -> None:
        delivery.slack.script(step, fault)
        until(delivery, lambda: not delivery.slack.faults[step], every=4)
        picture = noted(delivery, message)
        said = (picture and picture.failed) or delivery.row(message).last_error or ""
        assert why in said

    @pytest.mark.parametrize("step", ["upload-url", "upload", "upload-complete", "file"])
    def test_row_34_a_step_that_fails_for_two_minutes_costs_the_picture_and_no_text(
        self, delivery: DeliverySetup, channel: int, message: str, step: str
    ) -> None:
        settle(delivery)
        delivery.say(message, "Defeat", card("Defeat"))
        delivery.slack.faults[step] = [fail_before_accept() for _ in range(40)]
        since = delivery.clock.at
        until(delivery, lambda: delivery.titles(channel) != ["Victory"], every=5)
        assert since + 120 < delivery.clock.at <= since + 140
        assert shown(delivery, channel) == [("Defeat", None)]
        assert "503" in (noted(delivery, message).failed or "")  # type: ignore[union-attr]

    @pytest.mark.parametrize("step", ["upload-url", "upload-complete", "file"])
    @pytest.mark.parametrize("error", ["missing_scope", "something_new"])
    def test_row_34_a_refusal_costs_the_picture_at_once_and_closes_nothing(
        self, delivery: DeliverySetup, channel: int, message: str, step: str, error: str
    ) -> None:
        delivery.slack.script(step, slack_error(error))
        settle(delivery)
        assert shown(delivery, channel) == [("Victory", None)]
        assert delivery.row(message).due_at is None
        assert error in (noted(delivery, message).failed or "")  # type: ignore[union-attr]
        other = delivery.with_card(channel, "other")
        settle(delivery)
        assert shown(delivery, channel)[1] == ("other", "other")
        assert delivery.row(other).state == "delivered"

    def test_row_34_an_edit_that_is_refused_with_its_picture_leaves_the_text(
        self, delivery: DeliverySetup, channel: int, message: str
    ) -> None:
        delivery.slack.script("update", slack_error("invalid_blocks"))
        settle(delivery)
        assert delivery.attempts(message) == [("POST", "accepted"), ("PATCH", "refused")]
        row = delivery.row(message)
        assert (row.state, row.due_at, row.given_up_rev) == ("delivered", None, 2)

    def test_a_text_that_changes_while_its_picture_is_uploaded_gets_its_own(
        self, delivery: DeliverySetup, channel: int, message: str
    ) -> None:

        def change(call: Call) -> None:
            call.connection.send(call.act())
            delivery.say(message, "Defeat", card("Defeat"))

        delivery.slack.script("file", change)
        for _ in range(8):
            delivery.run()
            delivery.pass_time(5)
        assert shown(delivery, channel) == [("Defeat", "Defeat")]

    def test_an_unanswered_edit_is_read_back_and_the_file_not_uploaded_again(
        self, delivery: DeliverySetup, channel: int
    ) -> None:
        delivery.with_card(channel)
        delivery.slack.script("update", fail_before_accept())
        settle(delivery)
        assert shown(delivery, channel) == [("Victory", "Victory")]
        assert delivery.slack.count("upload") == 1

    def test_what_a_search_finds_gets_its_picture(
        self, delivery: DeliverySetup, channel: int, message: str
    ) -> None:
        delivery.slack.script("post", reset_after_accept)
        settle(delivery)
        assert delivery.row(message).evidence == "scan"
        assert shown(delivery, channel) == [("Victory", "Victory")]

    @pytest.mark.parametrize(
        "label", ["after_claim", "intending", "after_intent", "after_call", "concluding"]
    )
    @pytest.mark.parametrize("nth", [1, 2, 3])
    def test_row_34_a_process_that_dies_anywhere_leaves_nothing_twice_and_nothing_stuck(
        self, delivery: DeliverySetup, channel: int, message: str, label: str, nth: int
    ) -> None:
        die_at(delivery, label, nth)
        try:
            delivery.run(wait=5)
        except Killed:
            delivery.pass_time(130)
        settle(delivery)
        assert shown(delivery, channel) == [("Victory", "Victory")]
        assert delivery.row(message).due_at is None

    def test_a_card_that_cannot_be_drawn_costs_the_picture_alone(
        self, delivery: DeliverySetup, channel: int
    ) -> None:
        delivery.artist.fails = True
        message = delivery.with_card(channel)
        delivery.run()
        assert shown(delivery, channel) == [("Victory", None)]
        assert delivery.slack.count("upload-url") == 0
        delivery.artist.fails = False
        settle(delivery)
        assert shown(delivery, channel) == [("Victory", None)], "it would fail again"
        assert (picture := noted(delivery, message))
        assert picture.failed == "no paint"

    @pytest.mark.parametrize("step", ["upload", "is_ready"])
    def test_an_upload_that_breaks_in_an_unexpected_way_costs_the_picture_alone(
        self, delivery: DeliverySetup, channel: int, step: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tries = []

        def breaks(*_: object) -> None:
            tries.append(step)
            raise KeyError("files")

        monkeypatch.setattr(SlackBot, step, breaks)
        message, other = delivery.with_card(channel), delivery.with_card(channel, "other")
        settle(delivery)
        assert sorted(shown(delivery, channel)) == [("Victory", None), ("other", None)]
        assert delivery.row(message).due_at is delivery.row(other).due_at is None
        assert (picture := noted(delivery, message))
        assert picture.failed == "unexpected KeyError"
        assert len(tries) == 2, "once for each message: it would break again"

    @pytest.mark.parametrize("step", ["upload-url", "upload-complete", "file"])
    def test_whoever_is_asked_to_wait_with_an_upload_waits_so_long(
        self, delivery: DeliverySetup, channel: int, step: str
    ) -> None:
        delivery.with_card(channel)
        delivery.slack.script(step, rate_limited(30))
        until(delivery, lambda: not delivery.slack.faults[step], every=4)
        calls = len(delivery.slack.calls)
        delivery.pass_time(10)
        delivery.run(wait=0)
        assert len(delivery.slack.calls) == calls
        delivery.pass_time(30)
        settle(delivery)
        assert shown(delivery, channel) == [("Victory", "Victory")]

    @pytest.mark.parametrize("step", ["upload-url", "upload-complete", "file"])
    def test_a_limit_of_uploads_is_met_once_and_kept_by_all_channels(
        self, delivery: DeliverySetup, channel: int, step: str
    ) -> None:
        """Slack counts them by the app and the workspace. Texts do not wait for it."""
        other = delivery.channel("slack-bot")
        for each in (channel, other, other):
            delivery.with_card(each)
        delivery.slack.script(step, rate_limited(30))
        until(delivery, lambda: not delivery.slack.faults[step], every=4)
        before = len(delivery.slack.calls)
        further = delivery.with_card(channel, "Defeat")
        for _ in range(4):
            delivery.run()
            delivery.pass_time(5)
        assert set(delivery.slack.calls[before:]) <= {"post"}
        assert delivery.row(further).state == "delivered"
        delivery.pass_time(20)
        settle(delivery)
        assert shown(delivery, channel) == [("Victory", "Victory"), ("Defeat", "Defeat")]
        assert shown(delivery, other) == [("Victory", "Victory")] * 2

    @pytest.mark.parametrize("step", ["upload-url", "upload", "upload-complete", "file"])
    def test_whoever_comes_back_after_two_minutes_still_brings_the_picture(
        self, delivery: DeliverySetup, channel: int, message: str, step: str
    ) -> None:
        delivery.slack.script(step, fail_before_accept())
        until(delivery, lambda: not delivery.slack.faults[step], every=4)
        delivery.pass_time(600)
        settle(delivery)
        assert shown(delivery, channel) == [("Victory", "Victory")]
        assert delivery.row(message).due_at is None

    def test_for_longer_than_two_minutes_no_edit_waits_for_an_upload(
        self, delivery: DeliverySetup, channel: int, message: str
    ) -> None:
        delivery.slack.script("upload-url", rate_limited(180))
        delivery.run()
        delivery.pass_time(5)
        delivery.run()
        assert shown(delivery, channel) == [("Victory", None)]
        assert delivery.row(message).due_at is None

    def test_an_edit_waits_two_minutes_for_its_picture_and_asks_every_three_seconds(
        self, delivery: DeliverySetup, channel: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        delivery.slack.ready.clear()
        message = delivery.with_card(channel)
        begun = delivery.now
        for seconds in range(0, 120, 3):
            delivery.run()
            row = delivery.row(message)
            assert row.due_at == begun + timedelta(seconds=seconds + 3)
            assert row.last_error == "its picture is not ready yet"
            delivery.pass_time(3)
        assert (delivery.slack.count("upload"), delivery.slack.count("file")) == (1, 39)
        assert delivery.slack.count("update") == 0
        delivery.run()
        assert delivery.slack.count("update") == 1
        assert shown(delivery, channel) == [("Victory", None)]
        assert noted(delivery, message).failed == "its picture is not ready yet"  # type: ignore[union-attr]
        assert "no picture: its picture is not ready yet" in caplog.messages

    @pytest.mark.parametrize(("seconds", "is_brought"), [(120, True), (121, False)])
    def test_a_limit_that_ends_within_the_two_minutes_is_waited_for(
        self, delivery: DeliverySetup, channel: int, message: str, seconds: int, is_brought: bool
    ) -> None:
        delivery.slack.script("upload-url", rate_limited(seconds))
        limited_at = delivery.now
        delivery.run()
        row = delivery.row(message)
        assert row.due_at == (limited_at + timedelta(seconds=seconds) if is_brought else None)
        assert delivery.slack.count("update") == (0 if is_brought else 1)
        delivery.pass_time(seconds)
        settle(delivery)
        assert shown(delivery, channel) == [("Victory", "Victory" if is_brought else None)]

    def test_another_picture_is_due_when_the_limit_of_uploads_is_over(
        self, delivery: DeliverySetup, channel: int
    ) -> None:
        delivery.with_card(channel)
        delivery.slack.script("upload-url", rate_limited(30))
        limited_at = delivery.now
        delivery.run()
        delivery.pass_time(10)
        other = delivery.with_card(delivery.channel("slack-bot"), "other")
        delivery.run()
        row = delivery.row(other)
        assert row.due_at == limited_at + timedelta(seconds=30)
        assert row.last_error == "no picture is to be uploaded for now"
        assert delivery.slack.count("upload-url") == 1
        delivery.pass_time(20)
        settle(delivery)
        assert delivery.slack.count("upload") == 2

    @pytest.mark.parametrize(
        "url",
        ["http://localhost:{port}/upload/1", "https://evil.example/upload/1", "http://files.slack.com/upload/1", "https://slack.com.evil.example/",
         "https://evilslack.com/upload/1", "file:///etc/passwd", 7],
    )  # fmt: skip
    def test_a_file_is_sent_to_slack_alone(
        self, delivery: DeliverySetup, channel: int, url: Any
    ) -> None:
        port = delivery.slack_server.url("").rpartition(":")[
            2
        ]  # of the same server, by another name
        delivery.slack.upload_url = url.format(port=port) if isinstance(url, str) else url
        message = delivery.with_card(channel)
        settle(delivery)
        assert shown(delivery, channel) == [("Victory", None)]
        assert (picture := noted(delivery, message))
        assert picture.failed == "Slack's answer to the upload is not understood"
        assert delivery.slack.count("upload-url") == 1, "it would answer so again"
        assert delivery.slack.count("upload") == 0

    @pytest.mark.parametrize("url", ["https://files.slack.com/upload/v1/x", "https://slack.com/x"])
    def test_slacks_own_hosts_are_slacks(self, delivery: DeliverySetup, url: str) -> None:
        bot = SlackBot(delivery.settings, deadline=1)
        assert bot._is_slacks(url)


def test_a_deliverer_that_cannot_draw_leaves_all_pictures_out(delivery: DeliverySetup) -> None:
    for kind in ("discord-bot", "slack-bot"):
        channel = delivery.channel(kind)
        message = delivery.with_card(channel)
        delivery.artist = None  # type: ignore[assignment]
        settle(delivery)
        assert delivery.titles(channel) == ["Victory"]
        assert delivery.row(message).due_at is None
