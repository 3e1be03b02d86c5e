"""`lol-dagster game show`: everything known of a game, wherever it stands."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    Channel,
    Match,
    Message,
    MessageGame,
    Payload,
    Quarantine,
)
from lol_dagster_tests._support.commands import as_json, refused, said
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team

ENDED = datetime.fromisoformat("2026-08-01T20:00:00+00:00")
LISTED = ENDED + timedelta(minutes=2)
DONE = ENDED + timedelta(minutes=3)
DELIVERED = ENDED + timedelta(minutes=4)
SHA256 = "ab" * 32


def processed_game(session: Session, name: str = "Faker", address: str = "1" * 18) -> Channel:
    """NA1_1, in which a member of a team with one channel played: processed, not yet announced."""
    team = make_team(session, "Barons")
    channel = make_channel(session, team, "main", address=address)
    member = make_member(session, team, name, game_name="Hide on bush", tag_line="KR1")
    add_game(
        session,
        "NA1_1",
        played(member, "Jinx", (10, 2, 8), highlights=["penta_kill", "first_blood"]),
        ended_at=ENDED,
        processed_at=DONE,
    )
    match = session.get_one(Match, "NA1_1")
    session.refresh(member)
    match.state, match.listed_at, match.run_id = "processed", LISTED, "run-7"
    match.listed_by = member.accounts[0].id
    session.add(
        Payload(
            match_id="NA1_1", encoding="zlib", body=b"", sha256=SHA256, size=66849, fetched_at=DONE
        )
    )
    session.flush()
    return channel


def announcement(session: Session, channel: Channel, **values: Any) -> Message:
    """The message about NA1_1."""
    row = Message(
        **{
            "id": "0d186506-0000-4000-8000-000000000000",
            "channel_id": channel.id,
            "subject": "NA1_1",
            "kind": "game",
            "order_at": ENDED,
            "created_at": DONE,
            "content": {},
            "desired_hash": "",
            "nonce": "n",
            **values,
        }
    )
    session.add(row)
    session.flush()
    session.add(MessageGame(channel_id=channel.id, match_id="NA1_1", message_id=row.id))
    return row


def listed(database: Database, **values: Any) -> None:
    """NA1_1, of which Riot has given the id only."""
    with database.writing() as session:
        session.add(Match(**{"match_id": "NA1_1", "listed_at": LISTED, **values}))


def stages() -> dict[str, tuple[str, str | None, str]]:
    return {
        each["name"]: (each["state"], each["at"], each["detail"])
        for each in as_json("game", "show", "NA1_1")["stages"]
    }


def test_an_announced_game_shows_its_whole_way(database: Database) -> None:
    with database.writing() as session:
        channel = processed_game(session)
        announcement(session, channel, state="delivered", delivered_at=DELIVERED, remote_id="77")
    assert stages() == {
        "match_lists": ("done", LISTED.isoformat(), "in the list of Hide on bush#KR1"),
        "games": ("done", DONE.isoformat(), "66849 bytes archived"),
        "player_stats": ("done", DONE.isoformat(), "Ranked Solo, played, 1 tracked"),
        "messages": ("done", DONE.isoformat(), "1 message"),
        "deliveries": ("done", DELIVERED.isoformat(), "delivered to main"),
    }
    text = said("game", "show", "NA1_1")
    for shown in (
        "Ranked Solo", "32:10", SHA256, "run-7",  # 1930 s
        "Faker", "Hide on bush#KR1", "Jinx", "10/2/8", "win", "9.0", "penta kill, first blood",
        "it has a message of its own", "0d186506", "2026-08-01 20:04:00 UTC",
    ):  # fmt: skip
        assert shown in text


def test_programs_get_all_of_it(database: Database) -> None:
    with database.writing() as session:
        channel = processed_game(session)
        announcement(session, channel, state="delivered", delivered_at=DELIVERED, remote_id="77")
    value = as_json("game", "show", "NA1_1")
    assert (value["match_id"], value["state"], value["run_id"]) == ("NA1_1", "processed", "run-7")
    assert value["payload"] == {"sha256": SHA256, "size": 66849, "fetched_at": DONE.isoformat()}
    assert (value["game"]["queue_id"], value["game"]["duration_s"]) == (420, 1930)
    (player,) = value["players"]
    assert (player["player"], player["champion"], player["kda"]) == ("Faker", "Jinx", 9.0)
    assert player["highlights"] == ["penta_kill", "first_blood"]
    (decision,) = value["decisions"]
    assert (decision["channel"], decision["announced"], decision["rule"]) == ("main", True, "game")
    (message,) = value["messages"]
    assert (message["team"], message["channel"], message["remote_id"]) == ("Barons", "main", "77")
    assert value["quarantine"] == []


def test_the_match_id_may_be_typed_in_lower_case(database: Database) -> None:
    listed(database)
    assert as_json("game", "show", " na1_1 ")["match_id"] == "NA1_1"


def test_a_game_that_riot_does_not_give_yet_says_when_it_is_tried_again(
    database: Database,
) -> None:
    again = LISTED + timedelta(minutes=5)
    listed(database, next_try_at=again, first_missing_at=LISTED, last_error="404", tries=2)
    found = stages()
    assert found["match_lists"] == ("done", LISTED.isoformat(), "asked for by its id")
    assert found["games"] == ("waiting", again.isoformat(), "404")
    assert found["deliveries"][0] == "waiting"
    assert "2026-08-01 20:07:00 UTC" in said("game", "show", "NA1_1")


def test_a_gone_game_was_given_up(database: Database) -> None:
    listed(database, state="not_found", last_error="404")
    assert stages()["games"] == ("given up", None, "404")
    assert stages()["messages"] == ("waiting", None, "the game is not found")


def test_a_quarantined_game_names_the_stage_and_the_error(database: Database) -> None:
    listed(database, state="quarantined")
    with database.writing() as session:
        for closed_at, error in ((DONE, "ValueError: then"), (None, "KeyError: now")):
            session.add(
                Quarantine(
                    match_id="NA1_1", stage="player_stats", error=error, traceback="Traceback: …",
                    code_version="1", quarantined_at=DONE, closed_at=closed_at,
                )
            )  # fmt: skip
    assert stages()["player_stats"] == ("failed", DONE.isoformat(), "KeyError: now")
    assert "KeyError: now" in said("game", "show", "NA1_1")
    first, second = as_json("game", "show", "NA1_1")["quarantine"]
    assert (first["closed_at"], second["closed_at"]) == (DONE.isoformat(), None)
    assert second["traceback"] == "Traceback: …"


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        ("pending", ("waiting", DONE.isoformat(), "1 of 1 message: pending")),
        ("needs_review", ("given up", None, "1 of 1 message: needs review")),
    ],
)
def test_a_message_that_is_not_delivered_is_shown(
    database: Database, state: str, stage: tuple[str, str | None, str]
) -> None:
    with database.writing() as session:
        channel = processed_game(session)
        announcement(session, channel, state=state, due_at=DONE if state == "pending" else None)
    assert stages()["deliveries"] == stage


def test_a_game_that_nobody_hears_of_says_by_which_rule(database: Database) -> None:
    with database.writing() as session:
        channel = processed_game(session)
        channel.queues = [440]
    assert stages()["deliveries"] == ("done", None, "no channel is to announce it")
    (decision,) = as_json("game", "show", "NA1_1")["decisions"]
    assert (decision["announced"], decision["rule"]) == (False, "queues")
    assert "the channel does not want queue 420 (Ranked Solo)" in said("game", "show", "NA1_1")


def test_an_unknown_game_is_an_error_that_says_what_an_id_looks_like(database: Database) -> None:
    line = refused("game", "show", "NA1_404")
    assert line.startswith("no game NA1_404 is known")
    assert "NA1_5012345678" in line
    assert refused("game", "show", "nonsense") == (
        "'NONSENSE' is no match id: it should look like NA1_5012345678"
    )


def test_names_reach_the_terminal_without_control_characters(database: Database) -> None:
    with database.writing() as session:
        processed_game(session, name="\x1b[31mred\r\nline")
        session.get_one(Account, 1).game_name = "\x1b]0;title\x07"
    for text in (said("game", "show", "NA1_1"), said("game", "show", "NA1_1", "--json")):
        assert not {c for c in text if not c.isprintable()} - {"\n"}
    (player,) = json.loads(said("game", "show", "NA1_1", "--json"))["players"]
    assert player["player"] == "\x1b[31mred\r\nline"


def test_a_webhooks_address_is_not_shown(database: Database) -> None:
    secret = "https://discord.com/api/webhooks/123/very-secret"
    with database.writing() as session:
        announcement(session, processed_game(session, address=secret))
    assert "very-secret" not in said("game", "show", "NA1_1")
    assert "very-secret" not in said("game", "show", "NA1_1", "--json")
