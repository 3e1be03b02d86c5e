"""What a delivery run says of each message: to its caller, and in the log."""

from __future__ import annotations

import logging
import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from structlog.contextvars import bound_contextvars, get_contextvars

from lol_dagster.delivery.worker import DeliveryReport, DeliveryResult, deliverer
from lol_dagster.pictures.artist import Artist
from lol_dagster.storage.models import Attempt, Channel, Match, MessageGame
from lol_dagster_tests._support.fake_channels import (
    NOW,
    Call,
    Fault,
    fail_after_accept,
    fail_before_accept,
    rate_limited,
    refuse,
)
from lol_dagster_tests.delivery.conftest import DeliverySetup

ADDRESS = "700000000000000077"


def channel_and_message(delivery: DeliverySetup) -> tuple[int, str]:
    """A channel, and a message about a game that is due there."""
    channel = delivery.channel("discord-bot", address=ADDRESS)
    message = delivery.message(channel)
    with delivery.database.writing() as session:
        session.add(Match(match_id="NA1_1", listed_at=NOW))
        session.flush()
        session.add(MessageGame(channel_id=channel, match_id="NA1_1", message_id=message))
    return channel, message


def link(delivery: DeliverySetup, message: str) -> str:
    return f"https://discord.com/channels/42/{ADDRESS}/{delivery.row(message).remote_id}"


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (each.levelname, each.getMessage())
        for each in caplog.records
        if each.name == "lol_dagster.delivery.worker"
    ]


@pytest.mark.parametrize(
    ("fault", "outcome", "reason", "level"),
    [
        (None, "delivered", None, "INFO"),
        (fail_before_accept(503), "uncertain", "Discord 503: unavailable", "INFO"),
        # Somebody has to do something about these two.
        (
            refuse(400, 50035),
            "needs_review",
            "Discord 400, code 50035: refused with 50035",
            "WARNING",
        ),
        (refuse(403, 50013), "blocked", "Discord 403, code 50013: refused with 50013", "WARNING"),
        (rate_limited(3), "deferred", "Discord 429: limited", "INFO"),
    ],
)
def test_how_a_message_ended_is_reported_and_logged_with_the_reason(
    delivery: DeliverySetup,
    caplog: pytest.LogCaptureFixture,
    fault: Fault | None,
    outcome: str,
    reason: str | None,
    level: str,
) -> None:
    channel, message = channel_and_message(delivery)
    delivery.discord.script("post", fault)
    caplog.set_level(logging.INFO)
    (said,) = delivery.run().messages
    name = delivery_name(delivery, channel)
    assert said == DeliveryResult(
        message_id=message,
        match_ids=("NA1_1",),
        channel=name,
        kind="discord-bot",
        outcome=outcome,  # type: ignore[arg-type]
        # Only to what is known to stand there.
        link=link(delivery, message) if outcome == "delivered" else None,
        reason=reason,
    )
    because = f" ({reason})" if reason else ""
    assert lines(caplog) == [(level, f"Message {message} to {name}: {outcome}{because}")]
    # By these a line is found again (`lol-dagster logs`).
    (line,) = (each for each in caplog.records if each.name == "lol_dagster.delivery.worker")
    row = delivery.row(message)
    assert {
        key: getattr(line, key)
        for key in ("message_id", "match_ids", "channel", "evidence", "remote_id")
    } == {
        "message_id": message,
        "match_ids": ["NA1_1"],
        "channel": name,
        "evidence": row.evidence,
        "remote_id": row.remote_id,
    }


def delivery_name(delivery: DeliverySetup, channel: int) -> str:
    with delivery.database.reading() as session:
        return session.get_one(Channel, channel).name


@pytest.mark.parametrize(
    ("faults", "outcome", "reason"),
    [
        ([None], "edited", None),
        ([fail_before_accept(503)], "deferred", "Discord 503: unavailable"),
        ([rate_limited(3)], "deferred", "Discord 429: limited"),
        # The old text stays.
        ([refuse(400, 50005)], "unchanged", "Discord 400, code 50005: refused with 50005"),
    ],
)
def test_how_an_edit_ended_is_reported_with_a_link_to_what_stands_there(
    delivery: DeliverySetup, faults: list[Fault | None], outcome: str, reason: str | None
) -> None:
    _, message = channel_and_message(delivery)
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.discord.script("patch", *faults)
    (said,) = delivery.run().messages
    assert (said.outcome, said.reason, said.link) == (outcome, reason, link(delivery, message))


def test_an_unanswered_edit_that_is_read_back_and_stands_there_counts_as_edited(
    delivery: DeliverySetup,
) -> None:
    _, message = channel_and_message(delivery)
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.discord.script("patch", fail_after_accept())
    (said,) = delivery.run().messages
    assert said.outcome == "deferred"
    delivery.pass_time(31)
    (said,) = delivery.run().messages
    assert (said.outcome, said.link) == ("edited", link(delivery, message))
    assert delivery.attempts(message)[1:] == [("PATCH", "uncertain"), ("GET", "seen")]


def test_what_somebody_has_deleted_has_no_link(delivery: DeliverySetup) -> None:
    _, message = channel_and_message(delivery)
    delivery.run()
    delivery.say(message, "Defeat")
    delivery.discord.script("patch", refuse(404, 10008))
    (said,) = delivery.run().messages
    assert (said.outcome, said.link) == ("unchanged", None)


def test_what_was_for_a_channel_that_is_removed_is_reported_as_given_up(
    delivery: DeliverySetup,
) -> None:
    channel, _ = channel_and_message(delivery)
    with delivery.database.writing() as session:
        session.get_one(Channel, channel).removed_at = NOW
    (said,) = delivery.run().messages
    assert (said.outcome, said.reason, said.link) == ("dropped", "its channel was removed", None)


def change_meanwhile(delivery: DeliverySetup, message: str) -> Fault:
    """The text changes while the POST is under way."""

    def fault(call: Call) -> None:
        delivery.say(message, "Defeat")
        call.connection.send(call.act())

    return fault


@pytest.mark.parametrize("edit", [None, fail_before_accept(503), refuse(400, 50005)])
def test_a_message_that_was_posted_and_is_then_edited_counts_once_as_delivered(
    delivery: DeliverySetup, edit: Fault | None
) -> None:
    _, message = channel_and_message(delivery)
    delivery.discord.script("post", change_meanwhile(delivery, message))
    delivery.discord.script("patch", edit)
    report = delivery.run()
    (said,) = report.messages
    assert (said.outcome, said.link) == ("delivered", link(delivery, message))
    assert (report.delivered, report.edited, delivery.discord.count("patch")) == (1, 0, 1)


def test_what_was_put_off_and_then_went_out_counts_by_how_it_ended(delivery: DeliverySetup) -> None:
    channel_and_message(delivery)
    delivery.discord.script("post", rate_limited(3))
    report = delivery.run(wait=3)
    assert (report.delivered, report.deferred, len(report.messages)) == (1, 0, 1)


COUNTED = ("delivered", "edited", "uncertain", "needs_review", "blocked", "deferred")


def test_a_report_counts_its_messages_by_outcome() -> None:
    outcomes = [*COUNTED, "dropped", "unchanged"]
    results = [
        DeliveryResult(f"{outcome} {number}", (), "games", "discord-bot", outcome)  # type: ignore[arg-type]
        for position, outcome in enumerate(outcomes, start=1)
        for number in range(position)
    ]
    report = DeliveryReport(tuple(results))
    assert {name: getattr(report, name) for name in COUNTED} == {
        "delivered": 1, "edited": 2, "uncertain": 3, "needs_review": 4, "blocked": 5, "deferred": 6,
    }  # fmt: skip
    assert [each.message_id for each in report.with_outcome("dropped")] == [
        f"dropped {number}" for number in range(7)
    ]


# --- which games, and for how long -----------------------------------------------------------------


def test_a_run_for_some_games_waits_for_no_others(delivery: DeliverySetup) -> None:
    channel, _ = channel_and_message(delivery)
    second = delivery.message(channel, "second", due_at=NOW + timedelta(seconds=5))
    delivery.run(wait=10, only_match_ids=["NA1_1"])
    assert (delivery.titles(channel), delivery.clock.slept) == (["Victory"], [])
    deliverer = delivery.deliverer()
    assert deliverer.next_due_at() == NOW + timedelta(seconds=5)
    with delivery.database.writing() as session:
        session.add(Match(match_id="NA1_2", listed_at=NOW))
        session.flush()
        session.add(MessageGame(channel_id=channel, match_id="NA1_2", message_id=second))
    assert deliverer.next_due_at(["NA1_1"]) is None
    assert deliverer.next_due_at(["NA1_2"]) == NOW + timedelta(seconds=5)
    delivery.run(wait=10)
    assert delivery.titles(channel) == ["Victory", "second"]
    assert delivery.clock.slept == [5.0]


@pytest.mark.parametrize(("seconds", "waits"), [(10, True), (10.001, False)])
def test_what_is_due_in_a_moment_is_waited_for(
    delivery: DeliverySetup, seconds: float, waits: bool
) -> None:
    channel = delivery.channel()
    delivery.message(channel, "second", due_at=NOW + timedelta(seconds=seconds))
    delivery.run(wait=10)
    assert delivery.titles(channel) == (["second"] if waits else [])


@pytest.mark.parametrize("run", [{"run_id": "run 7"}, {}])
def test_what_is_logged_meanwhile_names_message_channel_games_call_and_run(
    delivery: DeliverySetup, run: dict[str, str]
) -> None:
    channel, message = channel_and_message(delivery)
    deliverer = delivery.deliverer()
    known: dict[str, dict[str, object]] = {}
    deliverer._crashpoint = lambda label: known.update({label: dict(get_contextvars())})
    with bound_contextvars(batch="tonight's"):
        deliverer.deliver_due(delivery.now, wait_up_to=timedelta(0), **run)
    name = delivery_name(delivery, channel)
    about = {"batch": "tonight's", "message_id": message, "channel": name, "match_ids": ["NA1_1"], **run}  # fmt: skip
    assert known["after_claim"] == about
    with delivery.database.reading() as session:
        (attempt,) = session.scalars(select(Attempt.id))
    assert known["before_call"] == {**about, "attempt": attempt}


@pytest.mark.parametrize("owner", [None, "the test"])
def test_a_claim_is_signed_with_host_and_process_unless_a_name_is_given(
    delivery: DeliverySetup, owner: str | None
) -> None:
    message = delivery.message(delivery.channel())
    signed: list[str | None] = []
    delivery.crashes.at["before_call"] = lambda: signed.append(delivery.row(message).lease_owner)
    delivery.run(lease_owner=owner)
    assert signed == [owner or f"{socket.gethostname()}:{os.getpid()}"]


def test_between_any_two_steps_a_process_can_be_killed(delivery: DeliverySetup) -> None:
    """As the proofs do."""
    delivery.message(delivery.channel())
    delivery.run()
    assert delivery.crashes.passed == [
        "claiming", "after_claim", "intending", "after_intent", "before_call", "after_call", "concluding",
        "after_result",
    ]  # fmt: skip


def test_what_is_due_and_is_somebody_elses_is_not_waited_for(delivery: DeliverySetup) -> None:
    lease = {"fence": 1, "clock": delivery.clock.epoch, "lease_until": delivery.clock.at + 60}
    delivery.message(delivery.channel(), state="sending", due_at=delivery.now, **lease)
    report = delivery.run(wait=10)
    assert (report.messages, delivery.clock.slept) == ((), [])


def test_no_longer_is_waited_than_until_then(delivery: DeliverySetup) -> None:
    delivery.message(delivery.channel(), due_at=NOW + timedelta(seconds=0.25))
    delivery.run(wait=10)
    assert delivery.clock.slept[0] == 0.25


def test_no_message_is_begun_once_the_runs_time_is_over(delivery: DeliverySetup) -> None:
    channel, _ = channel_and_message(delivery)
    report = delivery.deliverer().deliver_due(delivery.now, budget=timedelta(0))
    assert (report.messages, delivery.titles(channel)) == ((), [])


def test_the_deliverer_that_the_settings_describe_has_all_kinds_and_their_tokens(
    delivery: DeliverySetup,
) -> None:
    channel_and_message(delivery)
    delivery.message(delivery.channel("slack-bot"))
    settings = delivery.settings.model_copy(update={"discord_bot_token": None})
    report = deliverer(settings, delivery.database).deliver_due(
        delivery.now, wait_up_to=timedelta(0)
    )
    assert [(each.kind, each.outcome) for each in report.messages] == [("slack-bot", "delivered")]


def test_the_deliverer_that_the_settings_describe_draws_with_their_fonts(
    delivery: DeliverySetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = delivery.channel()
    delivery.with_card(channel)
    monkeypatch.setattr(Artist, "draw", lambda artist, _card: bytes(artist._fonts))
    settings = delivery.settings.model_copy(update={"card_fonts": Path("fonts")})
    ours = deliverer(settings, delivery.database)
    for _ in ("the text", "its picture"):
        ours.deliver_due(delivery.now, wait_up_to=timedelta(0))
    assert delivery.pictures(channel) == [[b"fonts"]]


# --- calls that break our own code -----------------------------------------------------------------


def test_an_answer_that_breaks_our_code_may_have_done_what_was_asked(
    delivery: DeliverySetup, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, message = channel_and_message(delivery)
    ours = delivery.deliverer()
    transport = delivery._transports[delivery.settings]["discord-bot"]

    def broken(*_args: object) -> None:
        raise KeyError("id")

    with monkeypatch.context() as patched:
        patched.setattr(transport, "post", broken)
        (said,) = ours.deliver_due(delivery.now, wait_up_to=timedelta(0)).messages
    assert (said.outcome, said.reason) == ("uncertain", "unexpected KeyError")
    assert ("ERROR", "a call to a channel ended in an unexpected way") in lines(caplog)
    caplog.clear()
    delivery.pass_time(31)
    with monkeypatch.context() as patched:
        patched.setattr(transport, "scan", broken)
        (said,) = ours.deliver_due(delivery.now, wait_up_to=timedelta(0)).messages
    assert (said.outcome, said.reason) == ("uncertain", "unexpected KeyError")
    assert ("ERROR", "a read of a channel ended in an unexpected way") in lines(caplog)
    assert delivery.attempts(message) == [("POST", "uncertain"), ("SCAN", "not_seen")]


def test_a_copy_that_is_deleted_is_an_error_in_the_log(
    delivery: DeliverySetup, caplog: pytest.LogCaptureFixture
) -> None:
    channel, message = channel_and_message(delivery)
    delivery.discord.script("post", fail_after_accept())
    delivery.run()
    (first,) = delivery.discord.messages[ADDRESS]
    copy = {**first, "id": str(int(first["id"]) + 1)}
    delivery.discord.messages[ADDRESS].append(copy)
    delivery.pass_time(31)
    delivery.run()
    (error,) = (each for each in caplog.records if each.levelname == "ERROR")
    assert error.getMessage() == "duplicate: a copy is deleted"
    assert (error.message_id, error.remote_id) == (message, copy["id"])  # type: ignore[attr-defined]
    assert delivery.titles(channel) == ["Victory"]
    assert delivery.discord.deleted == {copy["id"]}
