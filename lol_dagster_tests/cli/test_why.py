"""`lol-dagster why`: of a game, of a player, and of what is neither."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, AccountPoll, Match
from lol_dagster_tests._support.commands import as_json, refused, said
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.roster_rows import (
    LONG_AGO,
    make_account,
    make_channel,
    make_member,
    make_membership,
    make_player,
    make_team,
)
from lol_dagster_tests.explain.test_game import GAME, MESSAGE, message, processed

NOW = datetime.now(UTC)


def test_a_game_is_explained_by_its_id(database: Database) -> None:
    with database.writing() as session:
        notified_at = datetime(2026, 8, 1, 20, 4, tzinfo=UTC)
        message(
            session, processed(session), state="delivered", delivered_at=notified_at, remote_id="7"
        )
    text = said("why", GAME.lower())
    for shown in (
        GAME, "main: delivered at 2026-08-01 20:04 UTC under the id 7", "12 bytes, sha256 abab",
        "match_lists", "deliveries", "Barons", "Ann (member since 2024-01-01)",
    ):  # fmt: skip
        assert shown in text
    value = as_json("why", GAME)
    assert value["answer"] == "main: delivered at 2026-08-01 20:04 UTC under the id 7"
    assert value["channels"][0]["message"]["message_id"] == MESSAGE
    assert value["stages"][0]["name"] == "match_lists"
    assert value["request"] is None


def test_what_to_type_about_a_message_that_needs_review_is_said(database: Database) -> None:
    with database.writing() as session:
        message(session, processed(session), state="needs_review", last_error="no answer")
    command = f"lol-dagster message resend|mark-delivered|drop {MESSAGE[:8]}"
    assert f"To decide about main: {command}" in said("why", GAME)
    assert as_json("why", GAME)["channels"][0]["message"]["command"] == command


def watched(database: Database, **poll: Any) -> None:
    """Ann of the Barons, with one account that is polled."""
    with database.writing() as session:
        team = make_team(session, "Barons")
        make_channel(session, team, "main")
        ann = make_member(session, team, "Ann", game_name="Hide on bush", tag_line="KR1")
        session.refresh(ann)
        session.add(
            AccountPoll(
                **{
                    "account_id": ann.accounts[0].id,
                    "next_poll_at": NOW + timedelta(minutes=5),
                    **poll,
                }
            )
        )


def test_a_players_last_games_each_say_what_happened_to_them(database: Database) -> None:
    watched(database, last_good_poll_at=NOW - timedelta(minutes=1))
    with database.writing() as session:
        account = session.query(Account).one()
        for day in range(1, 4):
            add_game(
                session,
                f"NA1_{day}",
                played(account.player),
                ended_at=NOW - timedelta(days=day),
                processed_at=NOW,
            )
        session.add(
            Match(match_id="NA1_9", state="not_found", listed_at=NOW, listed_by=account.id,
                  last_error="404")
        )  # fmt: skip
        # Somebody else's.
        session.add(Match(match_id="NA1_8", state="not_found", listed_at=NOW))
    for name in ("Ann", "hide on bush#kr1"):
        value = as_json("why", name)
        assert [each["match_id"] for each in value["games"]] == ["NA1_9", "NA1_1", "NA1_2", "NA1_3"]
    assert value["games"][0]["answer"] == "given up: 404"
    assert [each["match_id"] for each in as_json("why", "Ann", "--last", "2")["games"]] == [
        "NA1_9",
        "NA1_1",
    ]
    text = said("why", "Ann")
    assert "given up: 404" in text
    assert "its match list was last read at" in text


def test_where_nothing_was_listed_it_is_said_since_when_and_when_the_list_was_read(
    database: Database,
) -> None:
    watched(database, last_good_poll_at=datetime(2026, 8, 1, 20, 4, tzinfo=UTC))
    assert as_json("why", "Ann")["answer"] == (
        "no game of Ann was listed since 2024-01-01 00:00 UTC; "
        "their match list was last read at 2026-08-01 20:04 UTC"
    )
    assert "No game of Ann was listed" not in said("why", "Ann").splitlines()[0]


def test_a_poll_that_fails_is_shown_with_its_reason(database: Database) -> None:
    watched(database, failures=3, last_error="Riot answered 500")
    (account,) = as_json("why", "Ann")["accounts"]
    assert account["words"].startswith(
        "its match list has never been read; polling it failed 3 times in a row: "
        "Riot answered 500; the next poll is due "
    )


def test_whoever_is_in_no_team_is_not_polled(database: Database) -> None:
    with database.writing() as session:
        player = make_player(session, "Bob")
        make_account(session, player)
        until = datetime(2026, 2, 1, tzinfo=UTC)
        make_membership(session, make_team(session), player, since=LONG_AGO, until=until)
    value = as_json("why", "Bob")
    assert value["answer"] == (
        "Bob is in no team since 2026-02-01 00:00 UTC: nothing is asked about them"
    )
    assert value["accounts"][0]["next_at"] is None


def test_anything_else_is_refused_with_what_would_be_right(database: Database) -> None:
    line = refused("why", "nobody")
    assert "NA1_5012345678" in line
    assert "Name#TAG" in line
    assert "not listed" in refused("why", "NA1_1")
