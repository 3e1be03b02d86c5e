"""Quiet hours: when they begin and end by the clocks of a team, and what games say meanwhile."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lol_dagster.delivery.message_rows import WrittenMessage
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.identity import installation_salt
from lol_dagster.messages.quiet import parse_quiet_hours, quiet_subject, quiet_until
from lol_dagster.messages.restored import Restoration, keep_restoration, message_id
from lol_dagster.messages.rules import decide
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Channel, Message, Player, Team
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.roster_rows import make_channel
from lol_dagster_tests.messages.writing import (
    STALE_AFTER,
    change_kills,
    change_message,
    the_message,
    world,
    write,
)

MINUTE = timedelta(minutes=1)
NIGHT = datetime(2026, 8, 1, 23, 30, tzinfo=UTC)
MORNING = datetime(2026, 8, 2, 8, 0, tzinfo=UTC)
QUIET = {"quiet_hours": "23:00-08:00"}
"""In UTC, as a team's time zone is unless somebody says otherwise."""


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("23:00-08:00", "23:00-08:00"),
        (" 23 - 8 ", "23:00-08:00"),
        ("9:30–17", "09:30-17:00"),
        ("00:00-23:59", "00:00-23:59"),
    ],
)
def test_quiet_hours_are_typed_as_people_write_them(typed, read):
    assert parse_quiet_hours(typed) == read


@pytest.mark.parametrize("typed", ["", "23", "23:00", "24-8", "23:60-8", "11pm-8am"])
def test_what_is_no_time_of_day_is_refused(typed):
    with pytest.raises(ValueError, match=r"such as 23:00-08:00"):
        parse_quiet_hours(typed)


def test_hours_that_would_never_end_are_refused():
    with pytest.raises(ValueError, match=r"^quiet hours end at another time than they begin$"):
        parse_quiet_hours("8-8:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


BERLIN = "Europe/Berlin"
"""An hour ahead of UTC, in summer two; in 2026 from March 29 01:00 until October 25 01:00 UTC."""


@pytest.mark.parametrize(
    ("hours", "zone", "now", "until"),
    [
        # A summer's night: 23:00 there is 21:00 UTC.
        ("23:00-08:00", BERLIN, "2026-08-01T20:59:59", None),
        ("23:00-08:00", BERLIN, "2026-08-01T21:00:00", "2026-08-02T06:00:00"),
        ("23:00-08:00", BERLIN, "2026-08-02T05:59:59", "2026-08-02T06:00:00"),
        ("23:00-08:00", BERLIN, "2026-08-02T06:00:00", None),
        # By day.
        ("09:00-17:00", "UTC", "2026-08-01T08:59:59", None),
        ("09:00-17:00", "UTC", "2026-08-01T16:59:59", "2026-08-01T17:00:00"),
        ("09:00-17:00", "UTC", "2026-08-01T17:00:00", None),
        ("00:00-06:00", "UTC", "2026-08-01T00:00:00", "2026-08-01T06:00:00"),
        # West of Greenwich, where it is the day before: 23:00 is 07:00 UTC.
        ("23:00-08:00", "America/Los_Angeles", "2026-01-02T06:59:59", None),
        ("23:00-08:00", "America/Los_Angeles", "2026-01-02T07:00:00", "2026-01-02T16:00:00"),
        # East of it, where it is tomorrow: 01:00 is 13:00 UTC.
        ("00:00-06:00", "Pacific/Auckland", "2026-08-01T13:00:00", "2026-08-01T18:00:00"),
        # The night that lacks an hour, and the one that has one more.
        ("23:00-08:00", BERLIN, "2026-03-28T22:00:00", "2026-03-29T06:00:00"),
        ("23:00-08:00", BERLIN, "2026-10-24T21:00:00", "2026-10-25T07:00:00"),
        # 02:30 comes twice, at 00:30 and at 01:30 UTC: they end at the first, and do not begin anew.
        ("22:00-02:30", BERLIN, "2026-10-25T00:29:59", "2026-10-25T00:30:00"),
        ("22:00-02:30", BERLIN, "2026-10-25T00:30:00", None),
        ("22:00-02:30", BERLIN, "2026-10-25T01:15:00", None),
        ("02:30-06:00", BERLIN, "2026-10-25T00:30:00", "2026-10-25T05:00:00"),
        ("02:30-06:00", BERLIN, "2026-10-25T01:15:00", "2026-10-25T05:00:00"),
        # 02:30 does not come: it is 03:30, which is 01:30 UTC.
        ("22:00-02:30", BERLIN, "2026-03-29T01:29:59", "2026-03-29T01:30:00"),
        ("22:00-02:30", BERLIN, "2026-03-29T01:30:00", None),
        ("02:30-06:00", BERLIN, "2026-03-29T01:29:59", None),
        ("02:30-06:00", BERLIN, "2026-03-29T01:30:00", "2026-03-29T04:00:00"),
        # 02:30 to 03:15, of which that night has nothing.
        ("02:30-03:15", BERLIN, "2026-03-29T01:20:00", None),
        (None, BERLIN, "2026-08-01T23:00:00", None),
    ],
)
def test_quiet_hours_are_moments_by_the_teams_clocks(hours, zone, now, until):
    assert quiet_until(hours, zone, at(now)) == (until and at(until))


def game(
    database: Database, ann: Player, match_id: str, now: datetime, **values
) -> list[WrittenMessage]:
    """A game that ended two minutes before."""
    with database.writing() as session:
        add_game(session, match_id, played(ann), **{"ended_at": now - 2 * MINUTE, **values})
        return write(session, match_id, now)


def test_what_comes_in_quiet_hours_is_in_one_message(any_database):
    ann, channel = world(any_database, **QUIET)
    (before,) = game(any_database, ann, "EUW1_1", NIGHT - 31 * MINUTE)
    (first,) = game(any_database, ann, "EUW1_2", NIGHT)
    # Later in the night than a catch-up message stays open, and one that is stale as well.
    (second,) = game(any_database, ann, "EUW1_3", MORNING - MINUTE)
    (stale,) = game(any_database, ann, "EUW1_4", MORNING - MINUTE, ended_at=NIGHT - 3 * STALE_AFTER)
    (after,) = game(any_database, ann, "EUW1_5", MORNING)
    assert (before.kind, after.kind) == ("game", "game")
    assert first.kind == "catch_up"
    assert first.message_id == second.message_id == stale.message_id
    assert (first.content.title, stale.content.title) == (
        "1 game in the quiet hours", "3 games in the quiet hours",
    )  # fmt: skip
    with any_database.reading() as session:
        # By when they end, so that it is the same after a backup was restored.
        known = message_id(
            installation_salt(session), channel.id, "catch_up", "quiet:2026-08-02T08:00Z"
        )
    assert first.message_id == known


def test_the_next_night_has_its_own_message(database):
    ann, _ = world(database, **QUIET)
    (first,) = game(database, ann, "EUW1_1", NIGHT)
    change_message(database, state="delivered", sent_maybe=True, remote_id="9", due_at=None)
    (second,) = game(database, ann, "EUW1_2", NIGHT + timedelta(days=1))
    assert (first.change, second.change) == ("created", "created")
    assert first.message_id != second.message_id


def test_a_stale_game_of_the_morning_does_not_join_the_nights_message(database):
    ann, _ = world(database, **QUIET)
    (night,) = game(database, ann, "EUW1_1", MORNING - MINUTE)
    (stale,) = game(database, ann, "EUW1_2", MORNING, ended_at=NIGHT - 3 * STALE_AFTER)
    assert stale.message_id != night.message_id
    assert stale.content.title == "1 game while I was away"
    with database.reading() as session:
        # The first of the channel's catch-up messages: the night's has no number.
        channel = session.scalars(select(Channel)).one()
        assert stale.message_id == message_id(
            installation_salt(session), channel.id, "catch_up", "0"
        )


def test_where_the_night_is_silent_a_stale_game_joins_what_came_while_nobody_was_there(database):
    ann, _ = world(database, **QUIET, quiet_way="silent")
    (stale,) = game(database, ann, "EUW1_1", NIGHT, ended_at=NIGHT - 3 * STALE_AFTER)
    assert (stale.kind, stale.subject) == ("catch_up", "catch-up:EUW1_1")
    assert stale.content.title == "1 game while I was away"


def test_a_night_is_known_by_its_end_wherever_the_machine_stands(monkeypatch):
    """Another machine, on which a backup is restored, looks for the same message."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        assert quiet_subject(MORNING) == "quiet:2026-08-02T08:00Z"
    time.tzset()


def test_a_game_of_the_night_that_is_processed_again_stays_in_its_message(database):
    ann, _ = world(database, **QUIET)
    (first,) = game(database, ann, "EUW1_1", NIGHT)
    change_message(database, state="delivered", sent_maybe=True, remote_id="9", due_at=None)
    change_kills(database, 11)
    with database.writing() as session:
        (again,) = write(session, "EUW1_1", MORNING + timedelta(days=30))
        (decision,) = decide(
            session, "EUW1_1", stale_after=STALE_AFTER, now=MORNING + timedelta(days=30)
        )
    assert (again.message_id, again.change) == (first.message_id, "changed")
    assert again.content.title == "1 game in the quiet hours"
    assert decision.rule == "quiet"


def set_hours(database: Database, hours: str | None) -> None:
    with database.writing() as session:
        session.execute(update(Channel).values(quiet_hours=hours))


def test_whoever_moves_the_end_of_the_night_still_hears_of_it_in_one_message(database):
    ann, _ = world(database, **QUIET)
    (first,) = game(database, ann, "EUW1_1", NIGHT)
    set_hours(database, "23:00-09:00")
    (second,) = game(database, ann, "EUW1_2", MORNING + MINUTE)
    assert second.message_id == first.message_id
    set_hours(database, None)
    (third,) = game(database, ann, "EUW1_3", MORNING + 2 * MINUTE)
    assert third.kind == "game"


def test_each_channel_has_a_message_of_the_night_of_its_own(database):
    ann, channel = world(database, **QUIET)
    with database.writing() as session:
        make_channel(session, session.get_one(Team, channel.team_id), **QUIET)
    nights = [game(database, ann, f"EUW1_{number}", NIGHT) for number in (1, 2)]
    first, second = ({each.message_id for each in night} for night in nights)
    assert len(first) == 2
    assert second == first


def test_a_channel_that_is_new_tells_of_the_night_under_the_name_of_the_night(database):
    """Under which a restored backup looks for it; what another channel has announced is none of its."""
    ann, channel = world(database, **QUIET)
    game(database, ann, "EUW1_1", NIGHT)
    with database.writing() as session:
        new = make_channel(session, session.get_one(Team, channel.team_id), "new", **QUIET)
    subjects = {
        each.channel_id: each.subject for each in game(database, ann, "EUW1_2", NIGHT + MINUTE)
    }
    assert subjects[new.id] == "quiet:2026-08-02T08:00Z"


def test_of_two_that_wait_for_a_nights_end_a_game_joins_the_newer_one(database):
    """The first was being sent when the second was written, and could not be."""
    ann, _ = world(database, **QUIET)
    (first,) = game(database, ann, "EUW1_1", NIGHT)
    change_message(database, state="sending")
    set_hours(database, "23:00-09:00")
    (second,) = game(database, ann, "EUW1_2", NIGHT + MINUTE)
    assert second.message_id != first.message_id
    change_message(database, state="pending")
    set_hours(database, "23:00-10:00")
    (third,) = game(database, ann, "EUW1_3", NIGHT + 2 * MINUTE)
    assert third.message_id == second.message_id


def test_a_game_of_the_night_does_not_join_what_came_while_nobody_was_there(database):
    ann, _ = world(database, **QUIET)
    evening = NIGHT - 31 * MINUTE
    (stale,) = game(database, ann, "EUW1_1", evening, ended_at=evening - 3 * STALE_AFTER)
    (night,) = game(database, ann, "EUW1_2", NIGHT)
    assert (stale.kind, night.kind) == ("catch_up", "catch_up")
    assert night.message_id != stale.message_id
    assert night.content.title == "1 game in the quiet hours"


@pytest.mark.parametrize(
    ("row", "joins"),
    [
        ({"state": "pending"}, True),
        ({"state": "blocked"}, True),
        # What was sent, or may have been, tells of the hours that it names.
        ({"state": "pending", "sent_maybe": True}, False),
        ({"state": "uncertain", "sent_maybe": True}, False),
        ({"state": "needs_review"}, False),
        ({"state": "delivered", "sent_maybe": True, "remote_id": "9", "due_at": None}, False),
        # A night is over after a day, whatever happened to its message.
        ({"state": "pending", "created_at": NIGHT - timedelta(days=1) + MINUTE}, False),
        ({"state": "pending", "created_at": NIGHT - timedelta(days=1) + 2 * MINUTE}, True),
    ],
)
def test_only_what_still_waits_is_about_the_night_whose_end_was_moved(database, row, joins):
    ann, _ = world(database, **QUIET)
    (first,) = game(database, ann, "EUW1_1", NIGHT)
    change_message(database, **row)
    set_hours(database, "23:00-09:00")
    (second,) = game(database, ann, "EUW1_2", NIGHT + MINUTE)
    assert (second.message_id == first.message_id) is joins


@pytest.mark.parametrize(
    ("row", "joins"),
    [
        # It was sent while there were no quiet hours for a while.
        ({"state": "delivered", "sent_maybe": True, "remote_id": "9", "due_at": None}, True),
        ({"state": "uncertain", "sent_maybe": True}, True),
        ({"state": "dropped", "due_at": None}, False),
        ({"state": "delivered", "remote_deleted": True, "remote_id": "9", "due_at": None}, False),
    ],
)
def test_of_a_night_whose_message_takes_no_more_there_is_another_one(database, row, joins):
    ann, _ = world(database, **QUIET)
    (first,) = game(database, ann, "EUW1_1", NIGHT)
    change_message(database, **row)
    (second,) = game(database, ann, "EUW1_2", NIGHT + MINUTE)
    (third,) = game(database, ann, "EUW1_3", NIGHT + 2 * MINUTE)
    assert (second.message_id == first.message_id) is joins
    assert third.message_id == second.message_id


def verdict(session: Session, match_id: str, now: datetime) -> tuple[str, str | None, str]:
    (decision,) = decide(session, match_id, stale_after=STALE_AFTER, now=now)
    return decision.rule, decision.kind, decision.reason


def test_people_read_that_it_was_quiet(database):
    ann, channel = world(database, **QUIET)
    with database.writing() as session:
        session.get_one(Team, channel.team_id).time_zone = BERLIN
        add_game(session, "EUW1_1", played(ann), ended_at=NIGHT)
        night = "in the quiet hours until 2026-08-02 08:00 (Europe/Berlin)"
        assert verdict(session, "EUW1_1", NIGHT) == (
            "quiet", "catch_up", f"in one message with all that came {night}",
        )  # fmt: skip
        session.get_one(Channel, channel.id).quiet_way = "silent"
        assert verdict(session, "EUW1_1", NIGHT) == (
            "silent", "game", f"without a sound, as it came {night}",
        )  # fmt: skip
        (decision,) = decide(session, "EUW1_1", stale_after=STALE_AFTER, now=NIGHT)
        assert decision.held_until is None, "it is not held"
        # 08:00 in Berlin
        assert verdict(session, "EUW1_1", MORNING - timedelta(hours=2))[:2] == ("game", "game")


def test_a_channel_that_wants_no_catch_up_messages_hears_of_the_night(database):
    ann, _ = world(database, **QUIET, message_kinds=["game"])
    (fresh,) = game(database, ann, "EUW1_1", NIGHT)
    assert fresh.kind == "catch_up"
    assert game(database, ann, "EUW1_2", NIGHT, ended_at=NIGHT - 3 * STALE_AFTER) == []
    change_kills(database, 11)
    with database.writing() as session:
        assert [each.change for each in write(session, "EUW1_1", MORNING)] == ["changed"]


@pytest.mark.parametrize(
    ("ended_at", "kind"),
    [(NIGHT, "catch_up"), (NIGHT - timedelta(hours=3), "game")],
    ids=["in the night", "before it"],
)
def test_after_a_restoration_the_night_is_when_the_game_ended(database, ended_at, kind):
    """The lost installation has announced it so, and the channel is searched for that message."""
    ann, _ = world(database, **QUIET)
    with database.writing() as session:
        keep_restoration(
            session, Restoration(NIGHT - timedelta(days=1), MORNING + timedelta(hours=4))
        )
    for now in (MORNING + timedelta(hours=5), NIGHT + timedelta(days=1)):
        match_id = f"EUW1_{now:%d%H}"
        (written,) = game(database, ann, match_id, now, ended_at=ended_at)
        assert (written.kind, written.change) == (
            kind, "changed" if kind == "catch_up" and now > MORNING + STALE_AFTER else "created",
        )  # fmt: skip
    if kind == "catch_up":
        assert MessageContent.from_json(the_message(database).content).title.startswith("2 games")
        with database.reading() as session:
            assert session.scalars(select(Message.subject)).one() == "quiet:2026-08-02T08:00Z"


def test_after_a_restoration_a_former_nights_game_joins_no_message_of_tonight(database):
    """The lost installation may have announced it that morning: it is looked for there, and not announced again."""
    ann, _ = world(database, **QUIET)
    tomorrow = timedelta(days=1)
    with database.writing() as session:
        keep_restoration(
            session, Restoration(NIGHT - timedelta(hours=8), NIGHT + tomorrow - 20 * MINUTE)
        )
    (tonight,) = game(database, ann, "EUW1_2", NIGHT + tomorrow)
    (before,) = game(database, ann, "EUW1_1", NIGHT + tomorrow, ended_at=NIGHT)
    assert tonight.message_id != before.message_id
    with database.reading() as session:
        rows = session.execute(select(Message.subject, Message.state).order_by(Message.subject))
        assert [tuple(row) for row in rows] == [
            ("quiet:2026-08-02T08:00Z", "uncertain"), ("quiet:2026-08-03T08:00Z", "pending"),
        ]  # fmt: skip
