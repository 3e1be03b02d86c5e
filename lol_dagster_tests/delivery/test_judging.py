"""What an answer means in view of the attempts, one case at a time. A history is written from the oldest
attempt to the newest, each as `<message> <operation> <outcome>`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery.claimed_message import ClaimedMessage, as_claimed
from lol_dagster.delivery.destinations import all_destinations
from lol_dagster.delivery.judging import judged, others_pass
from lol_dagster.delivery.message_rows import add_message
from lol_dagster.delivery.model import (
    Absent,
    Accepted,
    Blocked,
    Effect,
    Get,
    NotSeen,
    NotSent,
    Patch,
    Post,
    Refused,
    Scan,
    Seen,
    Timing,
    Uncertain,
    Unclear,
    Verdict,
)
from lol_dagster.delivery.transports.base import Answer
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.messages.content import MessageContent
from lol_dagster.settings import Settings
from lol_dagster.storage.models import Attempt, Message
from lol_dagster_tests._support.message_rows import NOW
from lol_dagster_tests._support.roster_rows import make_channel, make_team

TRANSPORTS = all_transports(Settings())
POST, PATCH, SCAN, GET = Post(1, maybe_before=False), Patch("9", 1), Scan("70"), Get("9")


@dataclass
class Attempts:
    """The messages `own`, `another` and `third` of a Discord bot's channel, `beside` of a webhook's in the
    same service, `slack` of another service's; and what was tried with them.
    """

    session: Session

    def __post_init__(self) -> None:
        team = make_team(self.session)
        bot = make_channel(self.session, team)
        webhook = make_channel(
            self.session, team, kind="discord-webhook", address="https://x/api/webhooks/1/secret"
        )
        slack = make_channel(self.session, team, kind="slack-bot", address="C0123456789")
        for name, channel in (
            ("own", bot), ("another", bot), ("third", bot), ("beside", webhook), ("slack", slack),
        ):  # fmt: skip
            add_message(
                self.session, name, channel_id=channel.id, kind="game", subject=name, order_at=NOW,
                content=MessageContent(title=name, summary=name), now=NOW,
            )  # fmt: skip

    def were(self, *history: str, **values: object) -> Attempts:
        for each in history:
            name, op, outcome = each.split()
            row = {
                "message_id": name,
                "op": op,
                "outcome": outcome,
                "fence": 1,
                "at": NOW,
                **values,
            }
            self.session.add(Attempt(**row))
            self.session.flush()
        return self

    @property
    def own(self) -> ClaimedMessage:
        message = self.session.get_one(Message, "own")
        destination = all_destinations(self.session, TRANSPORTS)[message.channel_id]
        return as_claimed(self.session, message, TRANSPORTS, destination, Timing())

    def others_pass(self, verdict: Verdict) -> bool:
        return others_pass(self.session, self.own, verdict, TRANSPORTS)

    def comes_to(self, effect: Effect, answer: Answer[Verdict]) -> Verdict:
        after = judged(self.session, self.own, effect, answer)
        assert replace(after, verdict=answer.verdict) == answer
        return after.verdict


@pytest.fixture
def attempts(database) -> Iterator[Attempts]:
    with database.writing() as session:
        yield Attempts(session)


# --- is it the service? ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("history", "by_a_post", "by_any"),
    [
        ([], False, False),
        (["another POST accepted"], False, False),  # it was never tried before
        (["own POST uncertain", "another POST accepted"], True, True),
        (["own PATCH uncertain", "beside POST accepted"], True, True),
        (["another POST accepted", "own POST uncertain"], False, False),
        (["own POST uncertain", "another PATCH accepted"], False, True),  # says nothing of POSTs
        (["own POST uncertain", "slack POST accepted"], False, False),
        (["own POST uncertain", "another POST uncertain"], False, False),
        (["own POST uncertain", "another SCAN absent"], False, False),
        (["own POST accepted", "own PATCH accepted"], False, False),
        # A failed search is a try, too; one that was answered is none.
        (["own POST uncertain", "another POST accepted", "own SCAN not_seen"], False, False),
        (["own POST uncertain", "another POST accepted", "own SCAN absent"], True, True),
    ],
)
def test_others_pass_if_one_was_accepted_since_the_last_try(
    attempts: Attempts, history: list[str], by_a_post: bool, by_any: bool
) -> None:
    attempts.were(*history)
    assert attempts.others_pass(Absent(after_server_error=True)) is by_a_post
    for verdict in (NotSeen("why"), NotSent("why"), Uncertain("why")):
        assert attempts.others_pass(verdict) is by_any


def test_the_call_that_was_just_made_is_not_the_last_try_before_it(attempts: Attempts) -> None:
    attempts.were("own POST uncertain", "another POST accepted", "own POST uncertain")
    assert not attempts.others_pass(Uncertain("why"))
    (_, _, made) = attempts.session.scalars(select(Attempt.id).order_by(Attempt.id))
    claimed = replace(attempts.own, attempt_id=made)
    assert others_pass(attempts.session, claimed, Uncertain("why"), TRANSPORTS)


def test_of_what_did_not_fail_nobody_asks_whether_others_pass(attempts: Attempts) -> None:
    attempts.were("own POST uncertain", "another POST accepted")
    for verdict in (Accepted("9", 1), Refused("why"), Blocked("why"), Seen(1)):
        assert not attempts.others_pass(verdict)


# --- is it this message? ---------------------------------------------------------------------------

UNKNOWN = Answer[Verdict](Blocked("why", unknown=True), http_status=400, code="99999")
SAME = {"http_status": 400, "code": "99999"}


@pytest.mark.parametrize(
    ("effect", "before", "since", "is_alone"),
    [
        (POST, [], [], False),
        (POST, [], ["another POST accepted"], False),
        (POST, ["own POST blocked"], [], False),
        (POST, ["own POST blocked"], ["another POST accepted"], True),
        (POST, ["own POST blocked"], ["own POST accepted"], False),
        (POST, ["own POST blocked"], ["another POST uncertain"], False),
        (POST, ["own POST blocked"], ["another PATCH accepted"], False),
        (POST, ["own POST blocked"], ["beside POST accepted"], False),
        # A third one was refused so, for itself; or it closed the channel.
        (POST, ["third POST refused"], ["another POST accepted"], True),
        (POST, ["third POST blocked"], ["another POST accepted"], False),
        (PATCH, ["own PATCH blocked"], ["another PATCH accepted"], True),
        (PATCH, ["own POST blocked"], ["another PATCH accepted"], False),
        (SCAN, ["own SCAN blocked"], ["another SCAN found"], True),
        (SCAN, ["own SCAN blocked"], ["another SCAN more"], True),
        (SCAN, ["own SCAN blocked"], ["another SCAN absent"], True),
        (SCAN, ["own SCAN blocked"], ["another SCAN not_seen"], False),
        (GET, ["own GET blocked"], ["another GET accepted"], False),
    ],
)
def test_an_unknown_refusal_is_about_one_message_if_others_have_passed_since(
    attempts: Attempts, effect: Effect, before: list[str], since: list[str], is_alone: bool
) -> None:
    attempts.were(*before, **SAME).were(*since)
    alone = NotSeen("why (others pass)") if effect is SCAN else Refused("why (others pass)")
    assert attempts.comes_to(effect, UNKNOWN) == (alone if is_alone else UNKNOWN.verdict)


def test_only_the_same_unknown_refusal_is_compared(attempts: Attempts) -> None:
    attempts.were("own POST blocked", **SAME).were("another POST accepted")
    for other in (replace(UNKNOWN, http_status=403), replace(UNKNOWN, code="99998")):
        assert attempts.comes_to(POST, other) == UNKNOWN.verdict
    known = replace(UNKNOWN, verdict=Blocked("why"))
    assert attempts.comes_to(POST, known) == Blocked("why")
    # Before the last time that it was answered so, others passing says nothing.
    attempts.were("own POST blocked", **SAME)
    assert attempts.comes_to(POST, UNKNOWN) == UNKNOWN.verdict


def test_a_search_that_is_refused_alone_goes_on_being_so(attempts: Attempts) -> None:
    """Its failed searches since then do not close the channel again."""
    attempts.were("own SCAN blocked", **SAME).were("another SCAN found")
    attempts.were("own SCAN not_seen", **SAME)
    assert attempts.comes_to(SCAN, UNKNOWN) == NotSeen("why (others pass)")


# --- is it there all the same? ---------------------------------------------------------------------


def test_what_has_lost_its_marker_and_is_known_to_be_another_is_no_doubt(
    attempts: Attempts,
) -> None:
    for name, remote_id in (("another", "1"), ("beside", "2")):
        attempts.session.get_one(Message, name).remote_id = remote_id
    attempts.session.flush()

    def unmarked(*remote_ids: str) -> Verdict:
        return attempts.comes_to(SCAN, Answer(Absent(unmarked=remote_ids)))

    assert unmarked() == unmarked("1") == Absent()
    for lost in ("2", "3"):  # of another channel, and of nobody
        assert unmarked("1", lost) == Unclear(
            f"the message {lost} there may be it: it is ours and has lost its marker (delete it "
            "there before a resend)"
        )


@pytest.mark.parametrize(
    ("history", "status", "counts"),
    [
        ([], None, False),
        (["own POST uncertain"], 500, True),
        (["own POST uncertain"], 499, False),
        (["own POST uncertain"], None, False),
        (["another POST uncertain"], 500, False),
        (["own SCAN absent"], 500, False),
        # It has been counted already; and what it met in between says nothing of the POST.
        (["own POST uncertain", "own SCAN absent"], 500, False),
        (["own POST uncertain", "own SCAN not_seen"], 500, True),
        (["own POST uncertain", "own SCAN absent", "own POST uncertain"], 500, True),
    ],
)
def test_a_server_error_is_counted_once_for_each_post(
    attempts: Attempts, history: list[str], status: int | None, counts: bool
) -> None:
    attempts.were(*history, http_status=status)
    assert attempts.comes_to(SCAN, Answer(Absent())) == Absent(after_server_error=counts)
