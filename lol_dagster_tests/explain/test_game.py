"""Why a game was announced, or what stopped it: one test per thing that can stop one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from lol_dagster.explain.game import GameStory, UnknownGameError, explain_game, gold_at_15
from lol_dagster.pipeline import quarantine
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Attempt,
    Breaker,
    Channel,
    Match,
    Membership,
    Message,
    MessageGame,
    Payload,
    PlayerStat,
    Timeline,
)
from lol_dagster_tests._support.archived_games import make_quarantined
from lol_dagster_tests._support.message_rows import ENDED, NOW, add_game, played
from lol_dagster_tests._support.roster_rows import (
    LONG_AGO,
    make_account,
    make_channel,
    make_member,
    make_membership,
    make_player,
    make_team,
)

GAME = "NA1_5000000001"
MESSAGE = "0d186506-0000-4000-8000-000000000000"
STALE_AFTER = timedelta(hours=12)


def story(database: Database, match_id: str = GAME, *, now: datetime = NOW) -> GameStory:
    with database.reading() as session:
        return explain_game(session, match_id, stale_after=STALE_AFTER, now=now)


def processed(session: Session, **channel: Any) -> Channel:
    """A game of Ann's, who is in the team Barons with the channel main: processed, not announced."""
    team = make_team(session, "Barons")
    found = make_channel(session, team, "main", **channel)
    ann = make_member(session, team, "Ann")
    add_game(session, GAME, played(ann), processed_at=NOW)
    session.get_one(Match, GAME).state = "processed"
    payload = Payload(
        match_id=GAME, encoding="zlib", body=b"", sha256="ab" * 32, size=12, fetched_at=NOW
    )
    session.add(payload)
    session.flush()
    return found


def message(session: Session, channel: Channel, **values: Any) -> Message:
    row = Message(
        **{
            "id": MESSAGE,
            "channel_id": channel.id,
            "subject": GAME,
            "kind": "game",
            "order_at": ENDED,
            "created_at": NOW,
            "content": {},
            "desired_hash": "",
            "nonce": "n",
            **values,
        }
    )
    session.add(row)
    session.flush()
    session.add(MessageGame(channel_id=channel.id, match_id=GAME, message_id=row.id))
    session.flush()
    return row


def test_an_announced_game_names_the_moment_the_remote_id_and_the_edits(
    any_database: Database,
) -> None:
    with any_database.writing() as session:
        channel = processed(session)
        notified_at, edited_at = NOW + timedelta(minutes=1), NOW + timedelta(hours=1)
        row = message(session, channel, state="delivered", delivered_at=notified_at, remote_id="77")
        for op, outcome, at in (
            ("POST", "not_sent", NOW),
            ("POST", "accepted", notified_at),
            ("PATCH", "uncertain", notified_at),
            ("PATCH", "accepted", edited_at),
        ):
            session.add(Attempt(message_id=row.id, fence=1, op=op, outcome=outcome, at=at))
    found = story(any_database)
    # ENDED is 20:00, NOW three minutes later.
    words = "delivered at 2026-08-01 20:04 UTC under the id 77, edited at 2026-08-01 21:03 UTC"
    assert found.answer == f"main: {words}"
    (channel_story,) = found.channels
    assert channel_story.message is not None
    assert channel_story.message.sent_at == (notified_at,)
    assert channel_story.message.edited_at == (edited_at,)
    (member,) = channel_story.members
    assert (member.player, member.since, member.until, member.counts) == (
        "Ann",
        LONG_AGO,
        None,
        True,
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"state": "pending", "due_at": NOW}, "waits to be sent, not before 2026-08-01 20:03 UTC"),
        ({"state": "sending"}, "is being sent"),
        ({"state": "uncertain", "last_error": "502"}, "not known yet whether it arrived: 502"),
        ({"state": "blocked", "last_error": "403"}, "takes messages again: 403"),
        (
            {"state": "needs_review", "sent_maybe": True, "last_error": "nobody knows"},
            "needs review: nobody knows; check",
        ),
        ({"state": "dropped", "last_error": "its channel was removed"}, "given up: its channel"),
        ({"state": "delivered", "remote_deleted": True}, "deleted there since"),
        ({"state": "delivered", "due_at": NOW}, "to be edited at"),
        ({"state": "needs_review", "sent_maybe": True}, "needs review; check the channel and"),
        ({"state": "needs_review"}, "needs review; nothing was posted: decide"),
        ({"state": "delivered", "kind": "catch_up"}, "delivered in a catch-up message"),
        (
            {"state": "delivered", "remote_rev": 1, "desired_rev": 2, "last_error": "50035"},
            "not edited since its text has changed: 50035",
        ),
    ],
)
def test_what_happened_to_a_message_is_said_in_a_sentence(
    database: Database, values: dict[str, Any], words: str
) -> None:
    with database.writing() as session:
        message(session, processed(session), **values)
    assert words in story(database).answer


@pytest.mark.parametrize("scope", ["channel", "token"])
def test_a_message_waits_for_a_channel_or_a_token_that_refuses_us(
    database: Database, scope: str
) -> None:
    with database.writing() as session:
        channel = processed(session)
        message(session, channel, state="pending", due_at=NOW)
        name = f"channel:{channel.id}" if scope == "channel" else "discord-token"
        session.add(Breaker(scope=name, dead=True, reason="Missing Access"))
        # What is wrong with others is none of this channel's.
        session.add(Breaker(scope="slack-token", dead=True, reason="revoked"))
    assert story(database).answer == (
        "main: waits until the channel takes messages again: Missing Access"
    )


@pytest.mark.parametrize(
    ("call", "values", "words"),
    [
        (":edit", {"state": "delivered", "due_at": NOW}, "when its channel allows that: no access"),
        (":scan", {"state": "delivered", "due_at": NOW}, "to be edited at"),
        ("", {"state": "delivered", "due_at": NOW}, "to be edited at"),
        (":scan", {"state": "uncertain"}, "its channel cannot be searched: no access"),
        (":edit", {"state": "uncertain"}, "this is being checked"),
        (":edit", {"state": "pending", "due_at": NOW}, "waits to be sent"),
    ],
)
def test_what_a_channel_refuses_is_said_of_the_messages_that_wait_for_it(
    database: Database, call: str, values: dict[str, Any], words: str
) -> None:
    with database.writing() as session:
        channel = processed(session)
        message(session, channel, **values)
        scope = f"channel:{channel.id}{call}"
        session.add(Breaker(scope=scope, open_until=NOW, fingerprint="f", reason="no access"))
    answer = story(database).answer
    assert words in answer
    assert ("no access" in answer) == ("no access" in words)


@pytest.mark.parametrize(
    ("channel", "rule", "words"),
    [
        ({"queues": [450]}, "queues", "does not want queue 420 (Ranked Solo)"),
        (
            {"min_members": 2},
            "min_members",
            "wants at least 2 of the team in a game, and 1 took part",
        ),
        ({"only_if": "remarkable"}, "only_if", "wants only games that are worth a remark"),
        ({"message_kinds": ["catch_up"]}, "message_kinds", "does not want game messages"),
        ({"removed_at": NOW}, "removed", "the channel was removed at 2026-08-01 20:03"),
        ({"created_at": NOW + timedelta(days=1)}, "added_later", "was added after the game"),
    ],
)
def test_the_rule_that_stopped_a_game_is_named(
    any_database: Database, channel: dict[str, Any], rule: str, words: str
) -> None:
    with any_database.writing() as session:
        processed(session, **channel)
    found = story(any_database)
    assert found.answer.startswith("not announced: main: ")
    assert words in found.answer
    assert [each.rule for each in found.channels] == [rule]


def test_who_was_not_in_the_team_then_is_shown_with_the_dates(any_database: Database) -> None:
    left = ENDED - timedelta(days=1)
    with any_database.writing() as session:
        team = make_team(session, "Barons")
        make_channel(session, team, "main")
        bob = make_player(session, "Bob")
        make_account(session, bob)
        make_membership(session, team, bob, until=left)
        add_game(session, GAME, played(bob), processed_at=NOW)
        session.get_one(Match, GAME).state = "processed"
        session.add(
            Payload(match_id=GAME, encoding="zlib", body=b"", sha256="", size=1, fetched_at=NOW)
        )
    found = story(any_database)
    assert found.answer == "not announced: main: not in the team when the game ended: Bob"
    (channel,) = found.channels
    (member,) = channel.members
    assert (member.until, member.counts) == (left, False)


def test_a_remake_is_announced_and_an_aborted_game_is_not(database: Database) -> None:
    with database.writing() as session:
        team = make_team(session, "Barons")
        make_channel(session, team, "main")
        ann = make_member(session, team, "Ann")
        for match_id, result in ((GAME, "remake"), ("NA1_5000000002", "aborted")):
            add_game(session, match_id, played(ann), processed_at=NOW, result=result)
    remake, aborted = story(database), story(database, "NA1_5000000002")
    assert [each.rule for each in remake.channels] == ["game"]
    assert [each.rule for each in aborted.channels] == ["aborted"]


def test_a_message_whose_team_is_not_considered_any_more_is_still_shown(
    database: Database,
) -> None:
    with database.writing() as session:
        channel = processed(session)
        message(session, channel, state="delivered", delivered_at=NOW)
        for membership in session.query(Membership):
            session.delete(membership)
    (channel_story,) = story(database).channels
    assert channel_story.rule == "written"
    assert channel_story.words.startswith("delivered at")


def test_a_quarantined_game_says_where_it_failed_and_an_ignored_one_who_said_so(
    any_database: Database,
) -> None:
    with any_database.writing() as session:
        make_quarantined(session, error="BrokenPayload: deaths")
        session.add(
            Payload(match_id=GAME, encoding="zlib", body=b"", sha256="", size=1, fetched_at=NOW)
        )
    assert story(any_database).answer == ("quarantined: player_stats failed: BrokenPayload: deaths")
    with any_database.writing() as session:
        quarantine.ignore(session, GAME, "olga", "a bot game", now=NOW)
    assert story(any_database).answer == "ignored by olga at 2026-08-01 20:03 UTC: a bot game"


def test_a_game_that_was_announced_and_is_quarantined_since_says_both(database: Database) -> None:
    with database.writing() as session:
        channel = processed(session)
        message(session, channel, state="delivered", delivered_at=NOW)
        session.get_one(Match, GAME).state = "quarantined"
        from lol_dagster.storage.models import Quarantine

        session.add(
            Quarantine(
                match_id=GAME,
                stage="player_stats",
                error="ValueError: new code",
                traceback="",
                code_version="2",
                quarantined_at=NOW,
            )
        )
    assert story(database).answer == (
        "quarantined: player_stats failed: ValueError: new code; "
        "before that, main: delivered at 2026-08-01 20:03 UTC"
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"next_try_at": NOW}, "waiting for games, next try at 2026-08-01 20:03 UTC"),
        (
            {"next_try_at": NOW, "last_error": "404"},
            "waiting for games, next try at 2026-08-01 20:03 UTC: 404",
        ),
        ({"state": "not_found", "last_error": "404"}, "given up: 404"),
    ],
)
def test_a_game_that_riot_does_not_give_says_when_it_is_asked_again(
    database: Database, values: dict[str, Any], words: str
) -> None:
    with database.writing() as session:
        session.add(Match(match_id=GAME, listed_at=NOW, **values))
    assert story(database).answer == words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (None, None),
        ({"size": 612_345, "fetched_at": NOW}, "612345 bytes, fetched at 2026-08-01 20:03 UTC"),
        ({"next_try_at": NOW}, "asked for at 2026-08-01 20:03 UTC"),
        (
            {"next_try_at": NOW, "tries": 1, "last_error": "404"},
            "asked for at 2026-08-01 20:03 UTC; not had in 1 try: 404",
        ),
        ({"tries": 6, "last_error": "403"}, "given up, not had in 6 tries: 403"),
    ],
)
def test_how_far_asking_for_the_timeline_has_come(
    database: Database, values: dict[str, Any] | None, words: str | None
) -> None:
    with database.writing() as session:
        processed(session)
        if values is not None:
            session.add(Timeline(match_id=GAME, **values))
    assert story(database).rows.timeline_in_words == words


@pytest.mark.parametrize(
    ("gold", "lead", "words"),
    [
        (6412, 812, "6,412 (+812)"),
        (6412, -1012, "6,412 (-1,012)"),
        (6412, None, "6,412"),
        (None, None, None),
    ],
)
def test_gold_at_15_minutes_is_shown_with_the_lead(
    gold: int | None, lead: int | None, words: str | None
) -> None:
    assert gold_at_15(PlayerStat(gold_at_15=gold, gold_lead_at_15=lead)) == words


def test_a_game_that_nobodys_list_has_shown_is_an_error(database: Database) -> None:
    with pytest.raises(UnknownGameError, match="not listed it for anyone"):
        story(database)
