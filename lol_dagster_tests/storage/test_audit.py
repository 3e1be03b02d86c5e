"""The audit trail: every change to the roster, by whom, in the same transaction."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm.exc import StaleDataError

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AccountPoll, AuditEntry, Channel, Match, Player
from lol_dagster_tests._support.roster_rows import (
    LONG_AGO,
    make_channel,
    make_member,
    make_player,
    make_team,
)


def _entries(database: Database) -> list[AuditEntry]:
    with database.reading() as session:
        return list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def test_an_added_changed_and_removed_row_leaves_three_entries(any_database: Database) -> None:
    began = datetime.now(UTC)
    with any_database.writing(who="ann") as session:
        player_id = make_player(session, "Bbo").id
    with any_database.writing(who="bob") as session:
        session.get_one(Player, player_id).name = "Bob"
    with any_database.writing(who="cat") as session:
        session.delete(session.get_one(Player, player_id))
    entries = _entries(any_database)
    whole = {"name": "Bbo", "created_at": LONG_AGO.isoformat()}
    assert [(e.who, e.action, e.before, e.after) for e in entries] == [
        ("ann", "added", None, whole),
        ("bob", "changed", {"name": "Bbo"}, {"name": "Bob"}),
        ("cat", "removed", {**whole, "name": "Bob"}, None),
    ]
    assert {(e.table, e.row) for e in entries} == {("players", str(player_id))}
    assert all(began - timedelta(seconds=1) <= e.at <= datetime.now(UTC) for e in entries)


def test_each_row_of_the_roster_is_audited(any_database: Database) -> None:
    with any_database.writing() as session:
        team = make_team(session)
        make_member(session, team)
        make_channel(session, team)
    assert sorted(entry.table for entry in _entries(any_database)) == [
        "accounts", "channels", "memberships", "players", "teams",
    ]  # fmt: skip


def test_polls_and_probes_are_not_audited(any_database: Database) -> None:
    with any_database.writing() as session:
        account = make_member(session, make_team(session)).memberships[0].player.accounts[0]
        before = len(session.scalars(select(AuditEntry)).all())
        session.add(AccountPoll(account_id=account.id, next_poll_at=LONG_AGO))
        session.add(Match(match_id="NA1_1", listed_at=LONG_AGO))
    assert len(_entries(any_database)) == before


def test_an_address_is_audited_without_its_value(any_database: Database) -> None:
    with any_database.writing() as session:
        channel = make_channel(session, make_team(session), address="https://x/s3cret-one")
    with any_database.writing() as session:
        session.get_one(Channel, channel.id).address = "https://x/s3cret-two"
    entries = _entries(any_database)
    assert "s3cret" not in json.dumps([(entry.before, entry.after) for entry in entries])
    assert (entries[-1].before, entries[-1].after) == (
        {"address": "changed"},
        {"address": "changed"},
    )


def test_a_change_that_is_taken_back_leaves_no_entry(any_database: Database) -> None:
    def add_and_fail() -> None:
        with any_database.writing() as session:
            make_player(session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        add_and_fail()
    assert _entries(any_database) == []


def test_setting_a_value_to_what_it_is_leaves_no_entry(any_database: Database) -> None:
    with any_database.writing() as session:
        player = make_player(session, "Ann")
    with any_database.writing() as session:
        session.get_one(Player, player.id).name = "Ann"
    assert len(_entries(any_database)) == 1


def test_of_two_simultaneous_edits_the_second_is_refused(any_database: Database) -> None:
    """The version column: nobody overwrites what they have not seen."""
    with any_database.writing() as session:
        seen_by_bob = make_player(session, "Typo")
        player_id = seen_by_bob.id
    with any_database.writing() as session:
        session.get_one(Player, player_id).name = "By Ann"
    seen_by_bob.name = "By Bob"
    with pytest.raises(StaleDataError), any_database.writing() as session:
        session.add(seen_by_bob)
    with any_database.reading() as session:
        assert session.get_one(Player, player_id).name == "By Ann"
