"""The messages' rows between two calls: which is claimed next, and what a call leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from lol_dagster.delivery import circuit_breaker, outbox, pictures
from lol_dagster.delivery.claimed_message import ClaimedMessage
from lol_dagster.delivery.message_rows import add_message
from lol_dagster.delivery.model import (
    Absent,
    Accepted,
    Blocked,
    Delete,
    Deleted,
    Effect,
    Found,
    Get,
    More,
    NotSeen,
    NotSent,
    Patch,
    Post,
    Refused,
    Scan,
    Seen,
    Send,
    Timing,
    Uncertain,
    Unclear,
    Unmarked,
    UnreadableHistory,
    Verdict,
)
from lol_dagster.delivery.outbox import Outbox, Upload
from lol_dagster.delivery.transports.base import Answer, Outgoing, fingerprint
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.messages.content import MessageContent
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Attempt,
    Breaker,
    Channel,
    ChannelProbe,
    Match,
    Message,
    MessageGame,
    MessagePicture,
    SendBucket,
)
from lol_dagster_tests._support.fake_channels import HandClock
from lol_dagster_tests._support.message_rows import NOW, as_delivery_leaves_it
from lol_dagster_tests._support.roster_rows import make_channel, make_team

TRANSPORTS = all_transports(Settings(discord_bot_token="a", slack_bot_token="b"))
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass
class Box:
    """Messages of the channels `one` and `two`, both Discord's, and those who claim them."""

    database: Database
    clock: HandClock = field(default_factory=HandClock)
    ids: dict[str, int] = field(default_factory=dict)
    crashpoints: list[str] = field(default_factory=list)
    """Passed so far."""

    def __post_init__(self) -> None:
        with self.database.writing() as session:
            team = make_team(session)
            for name in ("one", "two"):
                self.ids[name] = make_channel(session, team, name).id

    def add(self, name: str, state: str = "pending", of: str = "one", **values: Any) -> str:
        with self.database.writing() as session:
            message = add_message(
                session, name, channel_id=self.ids[of], kind=values.pop("kind", "game"),
                subject=name, order_at=values.pop("order_at", NOW),
                content=MessageContent(name, name), now=NOW,
            )  # fmt: skip
            for column, value in {**as_delivery_leaves_it(state, NOW), **values}.items():
                setattr(message, column, value)
        return name

    def close(self, scope: str, **values: Any) -> None:
        with self.database.writing() as session:
            session.merge(Breaker(**{"scope": scope, "failures": 5, "dead": False, **values}))

    def limit(self, scope: str, until: datetime) -> None:
        with self.database.writing() as session:
            session.merge(SendBucket(scope=scope, not_before=until))

    @property
    def outbox(self) -> Outbox:
        """Of another deliverer each time."""
        return Outbox(
            self.database, TRANSPORTS, self.clock, timing=Timing(), lease_owner="host:1",
            jitter=lambda: 0.5, crashpoint=self.crashpoints.append,
        )  # fmt: skip

    def claim(self, now: datetime = NOW, **values: Any) -> ClaimedMessage | None:
        return next(iter(self.outbox.claim(now, **values)), None)

    def claims(self, now: datetime = NOW) -> list[str]:
        """All that can be claimed now, one after the other."""
        found: list[str] = []
        while (claimed := self.claim(now)) is not None:
            assert claimed.row.id not in found, "it was claimed already"
            found.append(claimed.row.id)
        return found

    def row(self, name: str) -> Message:
        with self.database.reading() as session:
            return session.get_one(Message, name)

    def row_channel(self, name: str) -> Channel:
        with self.database.reading() as session:
            return session.get_one(Channel, self.ids[name])

    def attempts(self) -> list[Attempt]:
        with self.database.reading() as session:
            return list(session.scalars(select(Attempt).order_by(Attempt.id)))


@pytest.fixture
def box(database: Database) -> Iterator[Box]:
    return Box(database)


# --- which is the next -----------------------------------------------------------------------------

EDIT = {"desired_rev": 2, "due_at": NOW}
SCAN = {"state": "uncertain", "due_at": NOW}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # News in the order in which the games ended, whatever was written first.
        ({"order_at": NOW - MINUTE}, {"order_at": NOW}),
        ({"order_at": NOW - MINUTE, "due_at": NOW}, {"order_at": NOW, "due_at": NOW - MINUTE}),
        # A message about many games is news like any other.
        ({"order_at": NOW - MINUTE}, {"order_at": NOW, "kind": "catch_up"}),
        ({}, {"state": "delivered", **EDIT}),  # news before edits
        ({"due_at": NOW}, {"state": "delivered", **EDIT, "kind": "catch_up", "due_at": NOW - HOUR}),
        ({"state": "uncertain"}, {"state": "delivered", **EDIT}),  # and what may yet be news
        # Of edits those that may tell of a further game, unless they were refused before.
        (
            {"state": "delivered", **EDIT, "kind": "catch_up"},
            {"state": "delivered", **EDIT, "due_at": NOW - MINUTE},
        ),
        (
            {"state": "delivered", **EDIT, "due_at": NOW - MINUTE},
            {"state": "delivered", **EDIT, "kind": "catch_up", "last_error": "refused"},
        ),
        # Else what waits for longest.
        (
            {"state": "delivered", **EDIT, "due_at": NOW - MINUTE},
            {"state": "delivered", **EDIT, "order_at": NOW - HOUR},
        ),
        # What was refused is the last to try its channel again: it may be the only one that is.
        ({"order_at": NOW}, {"state": "blocked", "order_at": NOW - HOUR}),
        # A search of many pages lets others pass between them.
        (
            {"state": "uncertain"},
            {"state": "uncertain", "scan_position": "page 2", "order_at": NOW - HOUR},
        ),
    ],
)
def test_of_two_messages_of_a_channel_this_one_goes_first(
    box: Box, first: dict[str, Any], second: dict[str, Any]
) -> None:
    # By their ids it would be the other way round.
    box.add("z first", **first)
    box.add("a second", **second)
    assert box.claims() == ["z first", "a second"]


def test_of_two_that_are_alike_the_order_is_the_same_in_every_run(box: Box) -> None:
    assert [box.add(each) for each in ("2", "1", "3")] == ["2", "1", "3"]
    assert box.claims() == ["1", "2", "3"]


def test_a_channel_whose_last_call_failed_comes_after_those_that_work(box: Box) -> None:
    """Each such call may take its whole time, while others wait."""
    box.add("of one that hangs", order_at=NOW - HOUR)
    box.add("an edit", "delivered", of="two", **EDIT)
    box.close(f"channel:{box.ids['one']}", failures=1)
    assert box.claims() == ["an edit", "of one that hangs"]


def test_nothing_is_claimed_before_it_is_due_or_while_somebody_else_has_it(box: Box) -> None:
    box.add("in a second", due_at=NOW + SECOND)
    box.add("of another", "sending", clock="boot:one", lease_until=1001.0)
    assert box.claims() == []
    box.clock.at = 1001.0  # its lease is over
    assert box.claims() == ["of another"]
    assert box.claims(NOW + SECOND) == ["in a second"]


def test_a_lease_of_another_clock_holds_nobody_up(box: Box) -> None:
    """The machine was booted since: whoever had the message is no more."""
    box.add("of before", "sending", clock="boot:zero", lease_until=9e9)
    assert box.claims() == ["of before"]


def test_only_messages_about_the_chosen_games_are_claimed(box: Box) -> None:
    with box.database.writing() as session:
        session.add_all(Match(match_id=each, listed_at=NOW) for each in ("NA1_1", "NA1_2"))
    for name, match_id in (("chosen", "NA1_1"), ("another", "NA1_2")):
        box.add(name)
        with box.database.writing() as session:
            values = {"channel_id": box.ids["one"], "match_id": match_id, "message_id": name}
            session.add(MessageGame(**values))
    box.add("of no game", due_at=NOW - HOUR)
    assert box.outbox.next_due_at(["NA1_1"]) == NOW
    assert box.outbox.next_due_at() == NOW - HOUR
    claimed = box.claim(only_match_ids=["NA1_1"], run_id="run-7")
    assert claimed is not None
    assert (claimed.row.id, claimed.match_ids, claimed.run_id) == ("chosen", ("NA1_1",), "run-7")
    assert box.claim(only_match_ids=["NA1_1"]) is None
    assert box.outbox.next_due_at([]) is None


# --- what is closed --------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["pending", "uncertain", "delivered"])
@pytest.mark.parametrize("call", ["post", "edit", "scan"])
def test_what_is_closed_to_the_call_that_a_message_needs_holds_it(
    box: Box, call: str, state: str
) -> None:
    """And only that: a channel that refuses edits gets its news."""
    box.add("own", state, **(EDIT if state == "delivered" else {}))
    suffix = "" if call == "post" else f":{call}"
    opens = NOW + MINUTE
    box.close(f"channel:{box.ids['one']}{suffix}", open_until=opens)
    needs = {"pending": {"post"}, "uncertain": {"scan", "post"}, "delivered": {"edit"}}[state]
    held = call in needs
    assert box.outbox.due_now(NOW) == (0 if held else 1)
    assert box.outbox.next_due_at() == (opens if held else NOW)
    assert box.outbox.due_now(opens) == 1
    assert box.claims() == ([] if held else ["own"])
    assert box.claims(opens) == (["own"] if held else [])


def test_what_waits_for_the_operator_is_not_due_at_all(box: Box) -> None:
    box.add("own")
    found = fingerprint(box.row_channel("one").address)
    box.close(f"channel:{box.ids['one']}", dead=True, fingerprint=found)
    assert (box.outbox.due_now(NOW), box.outbox.next_due_at(), box.claims()) == (0, None, [])


def test_a_channel_that_is_tried_again_is_tried_by_one_message(box: Box) -> None:
    for name in ("1", "2"):
        box.add(name)
    box.add("elsewhere", of="two", order_at=NOW + SECOND)
    scope = f"channel:{box.ids['one']}"
    box.close(scope, open_until=NOW)
    claimed = [box.claim(), box.claim(), box.claim()]
    assert [each.row.id if each else None for each in claimed] == ["elsewhere", "1", None]
    assert [each.probes if each else None for each in claimed[:2]] == [frozenset(), {scope}]


def test_where_somebody_else_takes_the_turn_the_next_channel_is_served(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.add("1")
    box.add("2")
    box.add("elsewhere", of="two", order_at=NOW + SECOND)
    begin = circuit_breaker.begin_probe

    def taken(session: Any, destination: Any, *rest: Any) -> Any:
        if destination.channel_id == box.ids["one"]:
            return None
        return begin(session, destination, *rest)

    monkeypatch.setattr(circuit_breaker, "begin_probe", taken)
    assert box.claims() == ["elsewhere"]


def test_a_claim_says_who_has_the_message_and_what_is_to_be_done(box: Box) -> None:
    box.add("own", order_at=NOW - MINUTE)
    claimed = box.claim(run_id="run-7")
    assert claimed is not None
    assert (claimed.effects, claimed.run_id, claimed.claimed_at) == (
        (Send("POST"),),
        "run-7",
        1000.0,
    )
    row = box.row("own")
    assert (row.state, row.lease_owner, row.fence, row.due_at) == (
        "sending",
        "host:1",
        1,
        NOW + MINUTE,
    )
    assert row.after_id is None  # it was never sent


def test_what_the_lost_installation_may_have_posted_is_looked_for_from_its_games_end_on(
    box: Box,
) -> None:
    """A backup was restored: nobody noted where in the channel's history it would stand."""
    box.add("own", "uncertain", order_at=NOW - MINUTE)
    claimed = box.claim()
    assert claimed is not None
    assert claimed.effects == (Scan(snowflake(NOW - 11 * MINUTE), None),)
    assert box.row("own").after_id == snowflake(NOW - 11 * MINUTE)


def test_what_is_for_a_removed_channel_is_given_up_when_it_is_claimed(box: Box) -> None:
    box.add("own")
    with box.database.writing() as session:
        session.get_one(Channel, box.ids["one"]).removed_at = NOW
    claimed = box.claim()
    assert claimed is not None
    assert (claimed.effects, claimed.row.state) == ((), "dropped")
    assert (box.row("own").state, box.row("own").last_error) == (
        "dropped",
        "its channel was removed",
    )


@pytest.mark.parametrize(("kind", "goes_on"), [("test", False), ("game", True), ("alert", True)])
def test_only_a_test_is_given_up_after_the_process_that_made_it_has_died(
    box: Box, kind: str, goes_on: bool
) -> None:
    box.add("own", kind=kind)
    first = box.claim()
    assert first is not None
    assert first.effects == (Send("POST"),)
    box.clock.at += 61  # its lease is over
    second = box.claim(NOW + 61 * SECOND)
    assert second is not None
    assert second.row.fence == 2
    assert second.effects == ((Send("POST"),) if goes_on else ())
    if not goes_on:
        row = box.row("own")
        assert (row.state, row.last_error) == ("dropped", "the test was not completed")


def snowflake(at: datetime) -> str:
    """Discord's ids hold the milliseconds since 2015, above 22 other bits."""
    since = at - datetime(2015, 1, 1, tzinfo=UTC)
    return str(round(since.total_seconds() * 1000) << 22)


def add_channels(box: Box, *names: str) -> None:
    with box.database.writing() as session:
        team = make_team(session, "others")
        for name in names:
            box.ids[name] = make_channel(session, team, name).id


@pytest.mark.parametrize("state", ["pending", "uncertain"])
@pytest.mark.parametrize(
    ("at_once", "working", "failing"),
    [
        # Half of them of one service, and of those again half where calls have failed, rounded up.
        (16, 1, 4),
        (8, 1, 2),
        (4, 1, 1),
        (5, 1, 2),
        (3, 1, 1),
        (2, 1, 0),
        (1, 1, 0),
    ],
)
def test_what_has_failed_takes_few_of_the_places(
    box: Box, at_once: int, working: int, failing: int, state: str
) -> None:
    """Each may take a whole call's time again; and what is searched for first is posted under the same claim."""
    doubtful = [f"failing {number}" for number in range(5)]
    add_channels(box, *doubtful)
    for name in doubtful:
        box.add(f"of {name}", state, of=name)
        box.close(f"channel:{box.ids[name]}", failures=1)
    box.add("works", order_at=NOW - HOUR)
    found = box.outbox.claim(NOW, at_once=at_once)
    assert [each.doubtful for each in found] == [False] * working + [True] * failing


def test_each_service_has_its_half_of_the_places(box: Box) -> None:
    add_channels(box, "three")
    with box.database.writing() as session:
        team = make_team(session, "of Slack")
        for number in range(3):
            channel = make_channel(session, team, kind="slack-bot", address=f"C000000{number}")
            box.ids[f"slack {number}"] = channel.id
    for name in ("one", "two", "three"):
        box.add(f"discord {name}", of=name, order_at=NOW - MINUTE)
    for number in range(3):
        box.add(f"slack {number}", of=f"slack {number}")
    (first,) = box.outbox.claim(NOW)  # one at a time, if nothing is said
    assert first.kind == "discord-bot"
    found = box.outbox.claim(NOW, beside=[first], at_once=4)
    assert [each.kind for each in found] == ["discord-bot", "slack-bot", "slack-bot"]


def test_what_is_under_way_keeps_its_channels_places_and_its_services(box: Box) -> None:
    add_channels(box, "three")
    messages = {"first": "one", "second": "one", "other": "two", "third": "three"}
    for number, (name, channel) in enumerate(messages.items()):
        box.add(name, of=channel, order_at=NOW + number * SECOND)
    (first,) = box.outbox.claim(NOW)
    assert first.row.id == "first"
    # No other of its channel; and of four two are of one service.
    (other,) = box.outbox.claim(NOW, beside=[first], at_once=4)
    assert other.row.id == "other"
    assert box.outbox.claim(NOW, beside=[first, other], at_once=4) == []
    assert [each.row.id for each in box.outbox.claim(NOW, beside=[other], at_once=6)] == [
        "second",
        "third",
    ]


@pytest.mark.parametrize(
    ("state", "values", "send", "scope"),
    [
        ("pending", {}, Send("POST"), "channel:{}"),
        ("delivered", {"desired_rev": 2, "due_at": NOW}, Send("PATCH"), "channel:{}:edit"),
    ],
)
def test_an_intent_is_held_back_while_its_channel_is_not_to_be_called(
    box: Box, state: str, values: dict[str, Any], send: Send, scope: str
) -> None:
    """Closed since it was claimed."""
    box.add("own", state, **values)
    claimed = box.claim()
    assert claimed is not None
    box.limit(scope.format(box.ids["one"]), NOW + SECOND)
    after = box.outbox.intend(claimed, send, NOW)
    assert after is not None
    assert (after.effects, after.row.state, after.row.last_error) == (
        (), state, "the channel is not to be called for now",
    )  # fmt: skip
    assert (box.attempts(), box.row("own").due_at) == ([], NOW)
    # Due as it was, but not before the limit is over.
    assert box.outbox.next_due_at() == NOW + SECOND


@pytest.mark.parametrize(("seconds", "is_made"), [(44.0, True), (45.0, False)])
def test_a_claim_that_has_grown_old_is_no_ground_for_a_call(
    box: Box, seconds: float, is_made: bool
) -> None:
    """A lease is for 60 s, of which a call may take ten, and five are to be left."""
    box.add("own")
    claimed = box.claim()
    assert claimed is not None
    box.clock.at += seconds
    now = NOW + seconds * SECOND
    after = box.outbox.intend(claimed, Send("POST"), now)
    assert after is not None
    assert len(box.attempts()) == len(after.effects) == (1 if is_made else 0)
    if not is_made:
        row = box.row("own")
        why = "the claim grew old before the call"
        assert (row.state, row.due_at, row.last_error) == ("pending", now, why)


def test_who_tries_a_closed_channel_out_is_not_held_back_by_that(box: Box) -> None:
    scope = f"channel:{box.ids['one']}"
    box.close(scope, fingerprint=None, open_until=NOW)
    box.add("own", attempts=1)
    claimed = box.claim()
    assert claimed is not None
    assert claimed.probes == {scope}
    after = box.outbox.intend(claimed, Send("POST"), NOW)
    assert after is not None
    # Nor does it count as a retry: a breaker's probes have their own pace.
    assert [(each.op, each.retry) for each in box.attempts()] == [("POST", False)]


# --- what a call leaves behind ---------------------------------------------------------------------


CARD = {"title": "Victory"}
WITH_CARD = replace(MessageContent("own", "own"), card=CARD).to_json()


def slack(box: Box) -> str:
    """A channel whose pictures are uploaded before an edit."""
    with box.database.writing() as session:
        channel = make_channel(session, make_team(session), kind="slack-bot", address="C0000001")
        box.ids["slack"] = channel.id
    return "slack"


def claimed(box: Box, state: str = "pending", **values: Any) -> ClaimedMessage:
    box.add("own", state, **values)
    found = box.claim(run_id="run-7")
    assert found is not None
    return found


def test_an_intent_names_all_that_is_known_before_the_call(box: Box) -> None:
    own = claimed(box)
    intended = box.outbox.intend(own, Send("POST"), NOW + SECOND)
    assert intended is not None
    (row,) = box.attempts()
    assert (row.message_id, row.op, row.rev, row.at, row.run_id, row.fence) == (
        "own", "POST", 1, NOW + SECOND, "run-7", 1,
    )  # fmt: skip
    assert (row.outcome, row.retry, row.address) == (None, False, own.destination.address)
    assert row.body_sha256 is not None
    assert box.row("own").uncertain_since == NOW + SECOND
    assert intended.attempt_id == row.id
    (effect,) = intended.effects
    answer = Answer(Accepted("9", 1), http_status=200)
    after = box.outbox.conclude(intended, effect, answer, NOW + MINUTE)
    # What was intended is over: a further call has a row of its own.
    assert after is not None
    assert (after.attempt_id, after.outgoing) == (None, None)
    (row,) = box.attempts()
    # The one row: when it was begun, and how it ended.
    assert (row.at, row.outcome, row.remote_id) == (NOW + SECOND, "accepted", "9")


def test_a_further_try_is_kept_as_one(box: Box) -> None:
    box.outbox.intend(claimed(box, attempts=1), Send("POST"), NOW)
    assert [each.retry for each in box.attempts()] == [True]


@pytest.mark.parametrize(
    ("upload", "is_made"),
    [
        ({"is_ready": True}, True),
        ({"is_ready": False}, False),
        ({"is_ready": True, "digest": pictures.digest({"title": "another"})}, False),
        (None, False),
    ],
)
def test_an_edit_is_made_once_its_picture_is_uploaded_and_ready(
    box: Box, upload: dict[str, Any] | None, is_made: bool
) -> None:
    """Else the text has changed since, and so has the picture: whoever has the message next uploads it."""
    own = claimed(box, "delivered", of=slack(box), desired_rev=2, due_at=NOW, content=WITH_CARD)
    if upload is not None:
        values = {"digest": pictures.digest(CARD), "begun_at": NOW, "file_id": "F1", **upload}
        with box.database.writing() as session:
            session.add(MessagePicture(message_id="own", rev=0, **values))
    intended = box.outbox.intend(own, Send("PATCH"), NOW)
    assert intended is not None
    assert len(intended.effects) == len(box.attempts()) == (1 if is_made else 0)
    if is_made:
        assert isinstance(intended.outgoing, Outgoing)
        assert (intended.outgoing.card, intended.outgoing.file_id) == (CARD, "F1")
    else:
        why = "its text has changed, and so has its picture"
        assert (box.row("own").last_error, box.row("own").due_at) == (why, NOW)


def test_a_text_that_has_changed_since_it_was_claimed_has_another_picture(box: Box) -> None:
    own = claimed(box, "delivered", of=slack(box), desired_rev=2, due_at=NOW, content=WITH_CARD)
    with box.database.writing() as session:
        session.get_one(Message, "own").content = {**WITH_CARD, "card": {"title": "Defeat"}}
        done = {"digest": pictures.digest(CARD), "begun_at": NOW, "file_id": "F1", "is_ready": True}
        session.add(MessagePicture(message_id="own", rev=0, **done))
    intended = box.outbox.intend(own, Send("PATCH"), NOW)
    assert intended is not None
    assert intended.effects == ()
    assert box.row("own").last_error == "its text has changed, and so has its picture"


def test_an_upload_is_taken_on_from_where_it_is(box: Box) -> None:
    own = claimed(box, "delivered", of=slack(box), desired_rev=2, due_at=NOW, content=WITH_CARD)
    until = NOW + 2 * MINUTE
    assert box.outbox.to_upload(own, NOW) == Upload(CARD, None, until, None)
    box.outbox.note_upload(own, file_id="F1", held_until=NOW + MINUTE)
    later = NOW + SECOND
    assert box.outbox.to_upload(own, later) == Upload(CARD, "F1", until, NOW + MINUTE)
    assert box.outbox.to_upload(own, NOW + MINUTE) == Upload(CARD, "F1", until, None)
    box.outbox.note_upload(own, is_ready=True)
    assert box.outbox.to_upload(own, later) is None
    box.outbox.note_upload(own, failed="why")
    assert box.outbox.to_upload(own, later) is None
    with box.database.reading() as session:
        assert session.get_one(MessagePicture, "own").failed == "why"
    assert box.outbox.to_upload(replace(own, content={"summary": "own"}), later) is None


def test_a_post_and_an_edit_without_a_card_wait_for_no_upload(box: Box) -> None:
    own = claimed(box, of=slack(box), content=WITH_CARD)
    intended = box.outbox.intend(own, Send("POST"), NOW)
    assert intended is not None
    assert len(intended.effects) == 1
    box.add("plain", "delivered", of="slack", desired_rev=2, due_at=NOW, remote_id="2")
    plain = box.claim()
    assert plain is not None
    intended = box.outbox.intend(plain, Send("PATCH"), NOW)
    assert intended is not None
    assert len(intended.effects) == 1


def test_a_post_has_no_picture(box: Box) -> None:
    intended = box.outbox.intend(claimed(box, content=WITH_CARD), Send("POST"), NOW)
    assert intended is not None
    assert isinstance(intended.outgoing, Outgoing)
    assert (intended.outgoing.card, intended.outgoing.silent) == (None, False)


def test_an_intent_is_about_the_newest_text(box: Box) -> None:
    """It has changed since the message was claimed."""
    own = claimed(box)
    newer = MessageContent("newer", "newer").to_json()
    with box.database.writing() as session:
        message = session.get_one(Message, "own")
        message.content, message.desired_rev = newer, 2
    intended = box.outbox.intend(own, Send("POST"), NOW)
    assert intended is not None
    assert (intended.content, intended.row.desired_rev) == (newer, 2)
    assert isinstance(intended.outgoing, Outgoing)
    assert (intended.outgoing.rev, intended.outgoing.body["embeds"][0]["title"]) == (2, "newer")


def test_each_transaction_can_be_cut_short_before_it_ends(box: Box) -> None:
    """There a process is killed in the proofs."""
    assert box.claim() is None
    assert box.crashpoints == []
    own = claimed(box)
    assert box.crashpoints == ["claiming"]
    intended = box.outbox.intend(own, Send("POST"), NOW)
    assert intended is not None
    assert box.crashpoints == ["claiming", "intending"]
    box.outbox.conclude(intended, POST, Answer(Accepted("9", 1)), NOW)
    assert box.crashpoints == ["claiming", "intending", "concluding"]


def test_what_is_closed_stays_so_while_more_is_claimed(box: Box) -> None:
    for name in ("one", "two"):
        box.add(f"of {name}", of=name)
    box.limit(f"channel:{box.ids['two']}", NOW + SECOND)
    assert [each.row.id for each in box.outbox.claim(NOW, at_once=8)] == ["of one"]


def test_an_intent_takes_one_turn_of_what_the_token_allows(box: Box) -> None:
    """Of Discord's fifty a second nine tenths, and four more at once after a pause."""
    begins = []
    for number in range(7):
        box.add(f"{number}", order_at=NOW + number * SECOND)
        own = box.claim()
        assert own is not None
        intended = box.outbox.intend(own, Send("POST"), NOW)
        assert intended is not None
        assert intended.begins_at is not None
        begins.append((intended.begins_at - NOW).total_seconds())
    assert begins[:5] == [0.0] * 5
    assert begins[5:] == pytest.approx([1 / 45, 2 / 45], abs=1e-5)
    with box.database.reading() as session:
        counted = session.get_one(SendBucket, "pace:discord-token").not_before - NOW
    assert counted.total_seconds() == pytest.approx(7 / 45, abs=1e-5)
    # Three more at once begin when the last of them may.
    turn = box.outbox.turn(own, NOW, 3)
    assert turn is not None
    assert (turn - NOW).total_seconds() == pytest.approx(5 / 45, abs=1e-5)


POST = Post(1, maybe_before=False)


def test_each_of_several_under_way_is_concluded_by_itself(box: Box) -> None:
    for name in ("one", "two"):
        box.add(f"of {name}", of=name)
    under_way = box.outbox.claim(NOW, at_once=4)
    assert len(under_way) == 2
    for number, each in enumerate(under_way):
        intended = box.outbox.intend(each, Send("POST"), NOW)
        assert intended is not None
        box.outbox.conclude(intended, POST, Answer(Accepted(f"{number}", 1)), NOW)
    assert [box.row(each.row.id).remote_id for each in under_way] == ["0", "1"]


def test_what_cannot_be_sent_is_due_again_after_a_part_of_the_first_pause(box: Box) -> None:
    own = claimed(box)
    intended = box.outbox.intend(own, Send("POST"), NOW)
    assert intended is not None
    box.outbox.conclude(intended, POST, Answer(NotSent("why")), NOW)
    # Of 15 s the half, by this deliverer's chance.
    assert (box.row("own").state, box.row("own").due_at) == ("pending", NOW + 7.5 * SECOND)


def test_a_page_that_shows_more_gives_its_channels_turn_back(box: Box) -> None:
    """Posts were refused there: one message may try whether they are taken, and its search says nothing of that."""
    scope = f"channel:{box.ids['one']}"
    box.close(scope, open_until=NOW - SECOND)
    own = claimed(box, "uncertain", after_id="70")
    assert own.probes == {scope}
    with box.database.reading() as session:
        assert session.get_one(Breaker, scope).open_until == NOW + MINUTE  # its lease
    after = box.outbox.conclude(own, Scan("70"), Answer(More("page 2")), NOW + SECOND)
    assert after is not None
    assert after.row.scan_position == "page 2"
    with box.database.reading() as session:
        assert session.get_one(Breaker, scope).open_until == NOW + SECOND


@pytest.mark.parametrize("verdict", [Refused("why"), Blocked("why", unknown=True)])
def test_what_is_refused_with_icons_is_sent_at_once_without_them(
    box: Box, verdict: Verdict
) -> None:
    own = claimed(box)
    intended = box.outbox.intend(own, Send("POST"), NOW)
    assert intended is not None
    assert isinstance(intended.outgoing, Outgoing)
    with_icons = replace(intended, outgoing=replace(intended.outgoing, has_icons=True))
    box.outbox.conclude(with_icons, POST, Answer(verdict), NOW)
    (attempt,) = box.attempts()
    assert (attempt.outcome, attempt.detail) == ("put_off", "why (with icons)")
    assert (box.row("own").state, box.row("own").due_at) == ("pending", NOW)
    with box.database.reading() as session:
        picture = session.get_one(MessagePicture, "own")
        assert (picture.digest, picture.failed) == ("icons", "why")
        assert session.scalars(select(Breaker)).all() == []


@pytest.mark.parametrize(
    ("verdict", "failures"), [(Uncertain("why"), {"channel:{}": 1}), (Accepted("9", 1), {})]
)
def test_an_answer_counts_for_the_channels_other_messages(
    box: Box, verdict: Verdict, failures: dict[str, int]
) -> None:
    """And for those of all channels, where it was the token that had been refused."""
    box.add("refused", "blocked", of="two", due_at=NOW + HOUR)
    own = claimed(box)
    intended = box.outbox.intend(own, Send("POST"), NOW)
    assert intended is not None
    if not failures:
        box.close("discord-token", fingerprint=own.destination.token, open_until=NOW + HOUR)
    box.outbox.conclude(intended, POST, Answer(verdict), NOW)
    with box.database.reading() as session:
        left = {row.scope: row.failures for row in session.scalars(select(Breaker))}
    assert left == {scope.format(box.ids["one"]): count for scope, count in failures.items()}
    assert box.row("refused").due_at == (NOW + HOUR if failures else NOW)


@pytest.mark.parametrize("others_pass", [True, False])
def test_beyond_the_longest_pause_only_rounds_count_in_which_others_pass(
    box: Box, others_pass: bool
) -> None:
    box.add("other", of="two")
    box.add("own", "delivered", desired_rev=2, due_at=NOW, edit_rounds=8)
    with box.database.writing() as session:
        at = {"fence": 1, "at": NOW - MINUTE}
        outcome = "accepted" if others_pass else "uncertain"
        session.add(Attempt(message_id="own", op="PATCH", outcome="uncertain", **at))
        session.flush()
        session.add(Attempt(message_id="other", op="PATCH", outcome=outcome, **at))
    own = next(each for each in box.outbox.claim(NOW, at_once=8) if each.row.id == "own")
    intended = box.outbox.intend(own, Send("PATCH"), NOW)
    assert intended is not None
    (effect,) = intended.effects
    box.outbox.conclude(intended, effect, Answer(NotSent("why")), NOW)
    assert box.row("own").edit_rounds == (9 if others_pass else 8)


@pytest.mark.parametrize(
    ("verdict", "card"),
    [(Accepted("1", 2), CARD), (Accepted("1", 2), None), (Refused("why"), None)],
)
def test_an_edit_that_was_not_refused_with_a_picture_ends_as_any(
    box: Box, verdict: Verdict, card: dict[str, Any] | None
) -> None:
    said = replace(MessageContent("own", "own"), card=card).to_json()
    own = claimed(box, "delivered", desired_rev=2, due_at=NOW, content=said)
    intended = box.outbox.intend(own, Send("PATCH"), NOW)
    assert intended is not None
    (effect,) = intended.effects
    box.outbox.conclude(intended, effect, Answer(verdict), NOW)
    (attempt,) = box.attempts()
    assert attempt.detail == (None if isinstance(verdict, Accepted) else "why")
    row = box.row("own")
    assert (row.desired_rev, row.due_at) == (2, None)
    with box.database.reading() as session:
        assert session.scalars(select(MessagePicture)).all() == []


@pytest.mark.parametrize("verdict", [Refused("why"), Blocked("why")])
@pytest.mark.parametrize("of_the_picture", [False, True])
def test_an_edit_that_is_refused_with_its_picture_goes_on_without_it(
    box: Box, verdict: Verdict, of_the_picture: bool
) -> None:
    """It is made without it, or left out where it had nothing else to say."""
    own = claimed(box, "delivered", desired_rev=2, due_at=NOW, content=WITH_CARD)
    if of_the_picture:
        with box.database.writing() as session:
            session.add(MessagePicture(message_id="own", rev=2, digest=""))
    intended = box.outbox.intend(own, Send("PATCH"), NOW)
    assert intended is not None
    assert isinstance(intended.outgoing, Outgoing)
    assert intended.outgoing.card == CARD
    (effect,) = intended.effects
    after = box.outbox.conclude(intended, effect, Answer(verdict), NOW)
    (attempt,) = box.attempts()
    assert (attempt.outcome, attempt.detail) == ("refused", "why (with its picture)")
    with box.database.reading() as session:
        assert session.get_one(MessagePicture, "own").failed == "why"
        assert session.scalars(select(Breaker)).all() == []
    row = box.row("own")
    expected = (2, 2, None) if of_the_picture else (3, None, NOW)
    assert (row.desired_rev, row.given_up_rev, row.due_at) == expected
    # And so it does for whoever goes on.
    assert after is not None
    assert (after.row.desired_rev, after.row.given_up_rev, after.row.due_at) == expected


@pytest.mark.parametrize(
    ("effect", "verdict", "outcome", "remote_id"),
    [
        (POST, Accepted("9", 1), "accepted", "9"),
        (POST, Uncertain("why"), "uncertain", None),
        (POST, NotSent("why"), "not_sent", None),
        (POST, NotSent("why", 3.0), "put_off", None),
        (POST, NotSent("why", 0.0), "put_off", None),
        (POST, Refused("why"), "refused", None),
        (POST, Blocked("why"), "blocked", None),
        (Patch("9", 1), Deleted("why"), "deleted", None),
        (Scan("7"), Found("9", 1, ("10",)), "found", "9"),
        (Scan("7"), More("page 2"), "more", None),
        (Scan("7"), Absent(), "absent", None),
        (Scan("7"), Unclear("why"), "unclear", None),
        (Scan("7"), UnreadableHistory("why"), "unreadable_history", None),
        (Scan("7"), NotSeen("why"), "not_seen", None),
        (Scan("7"), NotSeen("why", 3.0), "put_off", None),
        (Get("9"), Seen(1), "seen", None),
        (Get("9"), Unmarked("why"), "unmarked", None),
        # A copy that was to be deleted: wherever two ids are known it is shown.
        (Delete("10"), Deleted("why"), "deleted", "10"),
        (Delete("10"), NotSent("why", 3.0), "put_off", "10"),
    ],
)
def test_a_call_is_kept_with_how_it_was_answered(
    box: Box, effect: Effect, verdict: Verdict, outcome: str, remote_id: str | None
) -> None:
    own = claimed(box)
    answer = Answer(verdict, http_status=200, code="c", request_id="r", elapsed_s=0.9994)
    with box.database.writing() as session:
        outbox.write_attempt(session, own, effect, answer, NOW + SECOND)
    (row,) = box.attempts()
    op = type(effect).__name__.upper()
    rev = 1 if isinstance(effect, Post | Patch) else None
    assert (row.op, row.rev, row.at, row.fence, row.run_id) == (op, rev, NOW + SECOND, 1, "run-7")
    assert (row.outcome, row.remote_id) == (outcome, remote_id)
    assert row.detail == ("why" if hasattr(verdict, "reason") else None)
    assert (row.http_status, row.code, row.request_id) == (200, "c", "r")
    assert (row.elapsed_ms, row.address) == (999, own.destination.address)


def test_a_call_without_an_answer_took_nobody_knows_how_long(box: Box) -> None:
    own = claimed(box)
    with box.database.writing() as session:
        outbox.write_attempt(session, own, POST, Answer(Uncertain("why")), NOW)
    (row,) = box.attempts()
    assert (row.http_status, row.elapsed_ms) == (None, None)


@pytest.mark.parametrize(
    ("earlier", "remote_id", "twice"),
    [
        ([], "9", False),
        ([("own", "9")], "9", False),
        ([("own", "8")], "9", True),
        ([("own", None)], "9", False),
        ([("own", "8")], None, False),  # it names none
        ([("another", "8")], "9", False),
        ([("own", "9"), ("own", "8")], "9", True),
    ],
)
def test_two_ids_of_one_message_are_noted(
    box: Box, earlier: list[tuple[str, str | None]], remote_id: str | None, twice: bool
) -> None:
    box.add("own")
    box.add("another")
    with box.database.writing() as session:
        for name, id_ in earlier:
            session.add(Attempt(message_id=name, op="POST", fence=1, at=NOW, remote_id=id_))
        last = Attempt(message_id="own", op="SCAN", fence=2, at=NOW, remote_id=remote_id)
        session.add(last)
        session.flush()
        outbox.note_other_id(session, last)
    assert [each.names_another for each in box.attempts()] == [False] * len(earlier) + [twice]


@pytest.mark.parametrize(
    ("before", "verdict", "after"),
    [
        # A history that shows nothing is noted, and one that is read shows that it can be.
        (None, UnreadableHistory("why"), True),
        (False, UnreadableHistory("why"), True),
        (True, Absent(), False),
        (True, Found("9", 1), False),
        (None, Found("9", 1), None),
        # These say nothing about it.
        (True, NotSeen("why"), True),
        (True, More("page 2"), True),
        (True, Accepted("9", 1), True),
    ],
)
def test_whether_a_history_can_be_read_is_noted_for_its_channel(
    box: Box, before: bool | None, verdict: Verdict, after: bool | None
) -> None:
    own = claimed(box)
    with box.database.writing() as session:
        if before is not None:
            session.add(ChannelProbe(channel_id=box.ids["one"], unreadable_history=before))
            session.flush()
        outbox.note_answer(session, TRANSPORTS, own, Scan("7"), Answer(verdict), NOW)
        session.flush()
        noted = {
            row.channel_id: row.unreadable_history for row in session.scalars(select(ChannelProbe))
        }
    assert noted == ({} if after is None else {box.ids["one"]: after})


@pytest.mark.parametrize(
    "values", [{"fence": 2}, {"state": "uncertain"}, {"state": "delivered", "evidence": "scan"}]
)
def test_a_deliverer_that_no_longer_has_the_message_writes_nothing_to_it(
    box: Box, values: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Either of the two shows it: the number of its claim, or that the message is not being sent."""
    own = claimed(box)
    intended = box.outbox.intend(own, Send("POST"), NOW)
    assert intended is not None
    with box.database.writing() as session:
        for name, value in values.items():
            setattr(session.get_one(Message, "own"), name, value)
    before = box.row("own")
    assert box.outbox.conclude(intended, POST, Answer(Accepted("9", 1)), NOW) is None
    after = box.row("own")
    assert (after.state, after.remote_id, after.fence) == (before.state, None, before.fence)
    # What was answered is known all the same.
    assert [each.outcome for each in box.attempts()] == ["accepted"]
    (line,) = (each for each in caplog.records if each.levelname == "WARNING")
    assert line.getMessage() == "fenced: another deliverer has claimed the message"
    assert (line.message_id, line.fence) == ("own", 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("effect", "scope"),
    [(POST, "channel:{}"), (Patch("9", 1), "channel:{}:edit"), (Scan("7"), "channel:{}:scan")],
)
def test_a_failure_counts_against_calls_of_its_kind(box: Box, effect: Effect, scope: str) -> None:
    own = claimed(box)
    verdict: Verdict = NotSeen("why") if isinstance(effect, Scan) else Uncertain("why")
    with box.database.writing() as session:
        outbox.note_answer(session, TRANSPORTS, own, effect, Answer(verdict), NOW)
        session.flush()
        failed = {row.scope: row.failures for row in session.scalars(select(Breaker))}
    assert failed == {scope.format(box.ids["one"]): 1}


def test_a_token_that_works_again_opens_all_its_channels(box: Box) -> None:
    for name in ("one", "two"):
        box.add(f"refused {name}", "blocked", of=name, due_at=NOW + HOUR)
    own = claimed(box)
    box.close("discord-token", fingerprint=own.destination.token, open_until=NOW + HOUR)
    with box.database.writing() as session:
        outbox.note_answer(session, TRANSPORTS, own, POST, Answer(Accepted("9", 1)), NOW)
    assert [box.row(f"refused {name}").due_at for name in ("one", "two")] == [NOW, NOW]


# --- what is looked for ----------------------------------------------------------------------------


def test_a_history_is_believed_by_the_last_message_that_stands_there(box: Box) -> None:
    def stands(name: str, minutes: int, of: str = "one", **values: Any) -> None:
        at = NOW - minutes * MINUTE
        box.add(name, "delivered", of, remote_id=name, delivered_at=at, due_at=None, **values)

    own = claimed(box, "uncertain", after_id="70")
    assert box.outbox.wanted(own, Scan("70")).known is None
    for name, minutes in (("11", 30), ("12", 20)):
        stands(name, minutes)
    stands("13", 10, remote_deleted=True)  # it shows nothing
    box.add("by hand", "delivered", remote_id=None, delivered_at=NOW, due_at=None)  # without its id
    stands("14", 5, of="two")
    wanted = box.outbox.wanted(own, Scan("70", "page 2"))
    assert (wanted.message_id, wanted.after_id, wanted.known, wanted.position) == (
        "own", "70", "12", "page 2",
    )  # fmt: skip


def test_a_message_is_looked_for_after_the_last_one_that_the_service_has_shown(box: Box) -> None:
    """By Discord's ids, which hold the time: a minute before, as they may overlap."""
    minute = 60_000 << 22
    for number, evidence in enumerate(("scan", "response", "operator", "nonce_deleted"), start=3):
        box.add(
            f"{number}", "delivered", evidence=evidence, remote_id=str(number * 10**17),
            delivered_at=NOW + number * SECOND, due_at=None,
        )  # fmt: skip
    own = claimed(box, kind="alert")  # about no game, whose end would be known
    box.outbox.intend(own, Send("POST"), NOW)
    # What a person has typed may be wrong.
    assert box.row("own").after_id == str(4 * 10**17 - minute)


def test_a_game_is_looked_for_from_ten_minutes_before_its_end_where_that_is_later(
    box: Box,
) -> None:
    box.add("3", "delivered", remote_id=str(3 * 10**17), delivered_at=NOW - HOUR, due_at=None)
    own = claimed(box, order_at=NOW - MINUTE)
    box.outbox.intend(own, Send("POST"), NOW)
    assert box.row("own").after_id == snowflake(NOW - 11 * MINUTE)
