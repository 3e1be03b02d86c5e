"""What other rules of a channel would have made of last week's games."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lol_dagster.explain.preview import MOST_GAMES, Preview, preview_rules
from lol_dagster.messages.rules import decide, decide_afresh
from lol_dagster.roster.channels import ChannelRules
from lol_dagster.storage.models import AuditEntry, Channel, Message, Player
from lol_dagster_tests._support.message_rows import ENDED, NOW, played
from lol_dagster_tests._support.message_rows import add_game as added
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_channel,
    make_member,
    make_membership,
    make_player,
    make_team,
)
from lol_dagster_tests.messages.writing import write

STALE_AFTER = timedelta(hours=12)
RANKED = {"queue_kind": "ranked"}
ARAM = {"queue_id": 450, "queue_name": "ARAM", "game_mode": "ARAM", "queue_kind": "aram"}


@pytest.fixture
def session(any_database) -> Iterator[Session]:
    with any_database.writing() as session:
        yield session


def add_game(session: Session, match_id: str, *members: dict[str, Any], **values: Any) -> None:
    """One that was first processed at NOW unless `processed_at` says otherwise."""
    added(session, match_id, *members, **{"processed_at": NOW, **values})


def channel_of(session: Session, **values: Any) -> tuple[Channel, Player, Player]:
    team = make_team(session, "Friends")
    channel = make_channel(session, team, "main", **values)
    return channel, make_member(session, team, "Ann"), make_member(session, team, "Bob")


def preview(session: Session, channel: Channel, **rules: Any) -> Preview:
    new = replace(ChannelRules.of(channel), **rules)
    return preview_rules(session, channel, new, stale_after=STALE_AFTER, now=NOW)


def what(found: Preview) -> list[tuple[str, str]]:
    return [(each.match_id, each.what) for each in found.differences]


def test_games_are_gained_lost_and_changed(session: Session) -> None:
    channel, ann, bob = channel_of(session, queues=["ranked"])
    add_game(session, "EUW1_1", played(ann), played(bob), **RANKED)
    add_game(
        session, "EUW1_2", played(ann), ended_at=ENDED - timedelta(hours=1),
        processed_at=ENDED - timedelta(hours=1), **RANKED,
    )  # fmt: skip
    add_game(session, "EUW1_3", played(ann), played(bob), ended_at=ENDED - 2 * STALE_AFTER, **ARAM)
    add_game(session, "EUW1_4", played(bob), ended_at=ENDED - 3 * STALE_AFTER, **ARAM)

    # The first was processed at 20:03, in the quiet hours; the second an hour before.
    found = preview(session, channel, queues=None, min_members=2, quiet_hours="20:00-08:00")

    assert what(found) == [("EUW1_1", "changed"), ("EUW1_2", "lost"), ("EUW1_3", "gained")]
    assert (found.games, found.same) == (4, 0)
    changed, lost, gained = found.differences
    assert changed.now == "it has a message of its own"
    assert changed.then.startswith("in one message with all that came in the quiet hours until")
    assert lost.then == (
        "not announced: the channel wants at least 2 of the team in a game, and 1 took part"
    )
    assert gained.now.startswith("not announced: the channel does not want queue 450 (ARAM)")
    assert gained.says.startswith("Ann (Jinx 10/2/8) and Bob (Jinx 10/2/8): Victory · ARAM")
    assert found.in_words == ("Of 4 games in the last week 1 gained, 1 lost, 1 changed, 0 the same")


def test_the_same_rules_make_no_difference_and_nothing_is_written(session: Session) -> None:
    channel, ann, _ = channel_of(session)
    add_game(session, "EUW1_1", played(ann))
    write(session, "EUW1_1")
    audited = session.scalar(select(func.count(AuditEntry.id)))
    assert preview(session, channel, only_if="remarkable", quiet_hours="01:00-02:00").differences
    found = preview(session, channel)
    assert (found.differences, found.games, found.same) == ((), 1, 1)
    session.flush()
    assert ChannelRules.of(session.get_one(Channel, channel.id)) == ChannelRules()
    assert session.scalar(select(func.count(Message.id))) == 1
    assert session.scalar(select(func.count(AuditEntry.id))) == audited


def test_other_lines_are_a_change_that_is_shown(session: Session) -> None:
    channel, ann, _ = channel_of(session, templates={"lead": "{{ 1 / (kills - 10) }}"})
    add_game(session, "EUW1_1", played(ann))  # 10/2/8: the old one fails, and the line is as usual
    (changed,) = preview(session, channel, templates={"lead": "{{ name }}!"}).differences
    assert changed.what == "changed"
    assert changed.now.startswith("it has a message of its own: Ann · Jinx")
    assert changed.then.startswith("it has a message of its own: Ann! · Jinx")


def test_only_the_teams_games_of_the_last_week_count(session: Session) -> None:
    channel, ann, _ = channel_of(session)
    stranger = make_player(session)
    make_account(session, stranger)
    left = make_player(session)
    make_account(session, left)
    make_membership(session, channel.team, left, until=ENDED - timedelta(days=9))
    week = timedelta(days=7)
    add_game(session, "EUW1_1", played(ann), ended_at=NOW - week)
    add_game(session, "EUW1_2", played(stranger))
    add_game(session, "EUW1_3", played(left))
    add_game(session, "EUW1_4", played(ann), ended_at=NOW - week + timedelta(seconds=1), **ARAM)
    found = preview(session, channel, queues=["ranked"])
    assert what(found) == [("EUW1_4", "lost")]
    assert found.games == 2  # and the one of whoever has left, which is announced by neither


def test_a_channel_that_was_just_added_has_a_last_week_too(session: Session) -> None:
    """And what it has announced already does not count: it is asked what it would have announced."""
    channel, ann, _ = channel_of(session, created_at=NOW + timedelta(hours=1))
    add_game(session, "EUW1_1", played(ann), **ARAM)
    found = preview(session, channel, queues=["ranked"])
    assert what(found) == [("EUW1_1", "lost")]


def test_of_many_games_the_latest_are_compared(session: Session) -> None:
    channel, ann, _ = channel_of(session)
    for number in range(MOST_GAMES + 1):
        add_game(session, f"EUW1_{number}", played(ann), ended_at=ENDED - timedelta(minutes=number))
    found = preview(session, channel, only_if="won", min_members=2)
    assert (found.games, len(found.differences)) == (MOST_GAMES, MOST_GAMES)
    assert found.differences[0].match_id == "EUW1_0"
    assert "Of the latest 200 games in the last week" in found.in_words


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"queues": ["aram"]},
        {"min_members": 2},
        {"only_if": "won"},
        {"only_if": "remarkable"},
        {"message_kinds": ["catch_up"]},
        {"quiet_hours": "20:00-21:00"},
        {"quiet_hours": "20:00-21:00", "quiet_way": "silent"},
    ],
)
def test_what_is_previewed_is_what_is_decided(session: Session, rules: dict[str, Any]) -> None:
    channel, ann, bob = channel_of(session, **rules)
    add_game(session, "EUW1_1", played(ann, outcome="loss"))
    add_game(session, "EUW1_2", played(ann), played(bob))
    add_game(session, "EUW1_3", played(ann), ended_at=ENDED - 2 * STALE_AFTER)
    for match_id in ("EUW1_1", "EUW1_2", "EUW1_3"):
        decided = decide(session, match_id, stale_after=STALE_AFTER, now=NOW)
        afresh = decide_afresh(session, match_id, [channel], stale_after=STALE_AFTER)
        assert afresh == decided
