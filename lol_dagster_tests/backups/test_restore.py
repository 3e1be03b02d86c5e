"""Bringing a backup back: into nothing but emptiness, all of it, and knowing that it is one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from lol_dagster.backups import postgres
from lol_dagster.backups.files import BackupError
from lol_dagster.backups.move import move
from lol_dagster.backups.restore import restore_backup
from lol_dagster.backups.take import take_backup
from lol_dagster.messages.restored import restoration
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database, DatabaseError
from lol_dagster.storage.models import (
    Channel,
    Fact,
    Match,
    Message,
    Payload,
    Player,
    PlayerStat,
    Team,
)
from lol_dagster.storage.moved import refuse_if_moved
from lol_dagster.storage.schema import open_database, schema_state, upgrade
from lol_dagster_tests._support.commands import refused, said
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.postgres import PostgresServer
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team

NOW = datetime(2026, 8, 1, 3, 15, tzinfo=UTC)
LATER = NOW + timedelta(hours=9)
STATES = ("pending", "sending", "uncertain", "blocked", "delivered", "needs_review", "dropped")

pytestmark = pytest.mark.sqlite  # beside PostgreSQL, whichever the others have


def message(state: str, channel: Channel, **values: Any) -> Message:
    return Message(
        id=f"message-{state}", channel_id=channel.id, subject=f"test:{state}", kind="test",
        order_at=NOW, created_at=NOW, content={"title": "Hällo \U0001f40d"}, desired_hash="0" * 64,
        state=state, nonce=f"nonce-{state}", due_at=NOW, **values,
    )  # fmt: skip


def furnish(database: Database) -> None:
    """Some of everything that is hard to copy: blobs, JSON, times, a message in each state."""
    with database.writing() as session:
        team = make_team(session, "Friends")
        ann = make_member(session, team, "Ann \\ 'Ö' \U0001f40d")
        channel = make_channel(session, team, "games", queues=[420, 450])
        add_game(session, "NA1_1", played(ann, extra={"augments": [1, 2]}), ended_at=NOW)
        body = bytes(range(256)) * 40
        session.add(
            Payload(
                match_id="NA1_1", encoding="zlib", body=body, sha256="0" * 64, size=10,
                fetched_at=NOW + timedelta(microseconds=123_456),
            )
        )  # fmt: skip
        for number in range(1200):  # several batches, and ids that text and numbers sort apart
            session.add(Match(match_id=f"NA1_{number + 2}", state="listed", listed_at=NOW))
        for state in STATES:
            session.add(message(state, channel))


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: PostgresServer
) -> Iterator[Database]:
    """A database without tables, once of each kind."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path}/empty.sqlite3")
        yield database
        database.dispose()
        return
    url = postgres_server.empty_database()
    database = Database(url)
    yield database
    database.dispose()
    postgres_server.drop(url)


@pytest.fixture
def source(empty: Database, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A furnished database of the same kind."""
    if empty.is_sqlite:
        database = request.getfixturevalue("database")
    else:
        database = Database(request.getfixturevalue("postgres_url"))
    furnish(database)
    yield database
    database.dispose()


def test_everything_comes_back(source: Database, empty: Database, tmp_path: Path) -> None:
    backup = take_backup(source, tmp_path, NOW)
    restored = restore_backup(empty, backup.file, LATER)
    assert restored.taken_at == NOW
    assert restored.rows == backup.rows
    assert schema_state(empty) == "current"
    with empty.reading() as session:
        payload = session.get_one(Payload, "NA1_1")
        assert payload.body == bytes(range(256)) * 40
        assert payload.fetched_at == NOW + timedelta(microseconds=123_456)
        assert session.scalars(select(Player.name)).one() == "Ann \\ 'Ö' \U0001f40d"
        assert session.scalars(select(Channel.queues)).one() == [420, 450]
        known = restoration(session)
        assert known is not None
        assert (known.taken_at, known.restored_at) == (NOW, LATER)
    with empty.writing() as session:
        make_team(session, "Newcomers")  # the next number is free


def test_what_was_not_delivered_may_have_been_since(
    source: Database, empty: Database, tmp_path: Path
) -> None:
    backup = take_backup(source, tmp_path, NOW)
    assert restore_backup(empty, backup.file, LATER).doubtful == 4
    with empty.reading() as session:
        found = {
            each.id.removeprefix("message-"): each for each in session.scalars(select(Message))
        }
    doubtful = {"pending", "sending", "uncertain", "blocked"}
    assert {state: each.state for state, each in found.items()} == {
        state: "uncertain" if state in doubtful else state for state in STATES
    }
    # One that needs review still does, but no longer counts as unsent.
    assert {state for state, each in found.items() if each.sent_maybe} == doubtful | {
        "needs_review"
    }
    assert {found[state].due_at for state in doubtful} == {LATER}
    assert {found[state].clock for state in doubtful} == {None}


def test_nothing_is_restored_over_anything(
    source: Database, empty: Database, tmp_path: Path
) -> None:
    backup = take_backup(source, tmp_path, NOW)
    upgrade(empty, lock_file=tmp_path / "lock")
    with empty.writing() as session:
        make_team(session, "Others")
        make_team(session, "More")
    with pytest.raises(
        BackupError, match=r"is not empty, it has 2 rows of audit_entries, 2 rows of"
    ):
        restore_backup(empty, backup.file, LATER)
    with empty.reading() as session:
        assert set(session.scalars(select(Team.name))) == {"Others", "More"}


def test_tables_that_are_empty_are_no_hindrance(
    source: Database, empty: Database, tmp_path: Path
) -> None:
    """As any command leaves them that merely looked."""
    backup = take_backup(source, tmp_path, NOW)
    upgrade(empty, lock_file=tmp_path / "lock")
    with empty.writing() as session:
        session.add(Fact(name="salt", value="another installation's"))
    restore_backup(empty, backup.file, LATER)
    with empty.reading() as session:
        assert session.scalars(select(Team.name)).one() == "Friends"
        # Or its own messages could not be known again.
        assert session.get_one(Fact, "salt").value != "another installation's"


def test_a_restore_that_is_cut_short_leaves_nothing_that_can_be_used(
    postgres_url: str, empty_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are there, and nobody has noted yet that they are of a backup: whoever went on from
    here would tell things twice.
    """
    source, empty = Database(postgres_url), Database(empty_postgres_url)
    furnish(source)
    backup = take_backup(source, tmp_path, NOW)

    def die(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("lol_dagster.backups.restore.note_restoration", die)
    with pytest.raises(KeyboardInterrupt):
        restore_backup(empty, backup.file, LATER)
    with empty.reading() as session:
        assert session.scalars(select(Team.name)).one() == "Friends"
    assert schema_state(empty) == "empty"
    with pytest.raises(Exception, match="already exists"):
        upgrade(empty, lock_file=tmp_path / "lock")
    source.dispose()
    empty.dispose()


@pytest.mark.parametrize("content", [b"", b"Dear diary", b"SQLite format 3\0" + b"x" * 600])
def test_a_file_that_is_no_backup_is_refused(tmp_path: Path, settings: Any, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    home = tmp_path / "lol.sqlite3"
    with pytest.raises(BackupError, match=r"no backup|no database of lol_dagster"):
        restore_backup(Database(f"sqlite:///{home}"), file, LATER)
    assert not home.exists()


def test_a_backup_of_the_other_kind_says_how_to_go_on(
    database: Database, empty_postgres_url: str, tmp_path: Path
) -> None:
    backup = take_backup(database, tmp_path, NOW)
    with pytest.raises(BackupError, match=r"a SQLite database: .* 'lol-dagster db copy'"):
        restore_backup(Database(empty_postgres_url), backup.file, LATER)


def test_a_backup_from_a_newer_version_is_refused(database: Database, tmp_path: Path) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    backup = take_backup(database, tmp_path, NOW)
    with pytest.raises(BackupError, match="newer version"):
        restore_backup(Database(f"sqlite:///{tmp_path}/new"), backup.file, LATER)


# --- db copy -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["to PostgreSQL", "to SQLite"])
def test_a_database_moves_to_the_other_kind(
    database: Database, postgres_url: str, way: str
) -> None:
    other = Database(postgres_url)
    source, target = (database, other) if way == "to PostgreSQL" else (other, database)
    furnish(source)
    moved = move(source, target, show=lambda _: None)
    assert moved.rows["matches"] == 1201
    assert moved.rows["messages"] == len(STATES)
    with target.reading() as session:
        assert session.get_one(Payload, "NA1_1").body == bytes(range(256)) * 40
        assert session.scalars(select(PlayerStat.extra)).one() == {"augments": [1, 2]}
        # Nothing was lost, so nothing has to be searched for.
        assert session.get_one(Message, "message-pending").state == "pending"
    with target.writing() as session:
        make_team(session, "Newcomers")  # PostgreSQL's own numbers go on where they were
        assert session.scalars(select(Team.id).order_by(Team.id)).all() == [1, 2]
    other.dispose()


def test_a_secret_moves_as_it_stands(database: Database, postgres_url: str) -> None:
    """Encrypted, and without the keys being needed."""
    other = Database(postgres_url)
    with database.writing() as session:
        make_channel(
            session,
            make_team(session),
            kind="discord-webhook",
            address="https://d/webhooks/1/secret",
        )
    move(database, other, show=lambda _: None)
    stored = []
    for each in (database, other):
        with each.reading() as session:
            stored += session.connection().exec_driver_sql("SELECT address FROM channels").scalars()
    assert stored[0] == stored[1]
    assert "secret" not in stored[0]
    other.dispose()


def test_moving_back_and_forth_changes_nothing(
    database: Database, postgres_url: str, tmp_path: Path
) -> None:
    other, again = Database(postgres_url), Database(f"sqlite:///{tmp_path}/again.sqlite3")
    upgrade(again, lock_file=tmp_path / "lock")
    furnish(database)
    there = move(database, other, show=lambda _: None)
    back = move(other, again, show=lambda _: None)
    assert there == back
    other.dispose()
    again.dispose()


OPENED_AND_AT_REST = """
import os, sys
from lol_dagster.settings import load_settings
from lol_dagster.storage.schema import open_database
database = open_database(load_settings())
print("open", flush=True)
os.read(0, 1)
"""


@pytest.mark.parametrize("used", ["source", "target"])
@pytest.mark.parametrize("way", ["to PostgreSQL", "to SQLite"])
def test_nothing_is_copied_beside_a_process_that_has_one_of_the_two_open(
    settings: Settings, database: Database, postgres_url: str, way: str, used: str
) -> None:
    """Even one that waits for Riot or a channel just now, as `once` may for a minute."""
    other = Database(postgres_url)
    source, target = (database, other) if way == "to PostgreSQL" else (other, database)
    furnish(source)
    which = source if used == "source" else target
    url = which.url.render_as_string(hide_password=False)
    database.dispose()
    with subprocess.Popen(
        [sys.executable, "-c", OPENED_AND_AT_REST],
        env={**os.environ, "LOL_HOME": str(settings.home), "LOL_DATABASE_URL": url},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(BackupError, match=r"another process uses|others are connected to"):
            move(source, target, show=lambda _: None)
        process.stdin.close()
    refuse_if_moved(source)  # which goes on as before
    # Nobody is there any more: the second try succeeds.
    assert move(source, target, show=lambda _: None).rows["matches"] == 1201
    other.dispose()


def test_nothing_starts_on_a_database_that_was_moved(
    settings: Settings, database: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-x")
    other = Database(postgres_url)
    furnish(database)
    move(database, other, show=lambda _: None)
    with pytest.raises(DatabaseError, match=r"was moved to postgresql.*set LOL_DATABASE_URL to"):
        open_database(settings)
    assert "was moved to" in refused("once")
    refuse_if_moved(other)
    assert "is open again" in said("db", "reopen")
    open_database(settings).dispose()
    other.dispose()


def test_a_copy_that_is_killed_can_be_done_again(
    settings: Settings, database: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def show(table: str) -> None:
        if table == "messages":
            raise Killed

    other = Database(postgres_url)
    furnish(database)
    with pytest.raises(Killed):
        move(database, other, show=show)
    # Who has killed it need not know whether everything has arrived.
    with pytest.raises(DatabaseError, match="cut short"):
        open_database(settings)
    assert move(database, other, show=lambda _: None).rows["matches"] == 1201
    other.dispose()


def test_a_row_that_cannot_be_copied_leaves_the_target_empty(
    database: Database, postgres_url: str
) -> None:
    """PostgreSQL takes no NUL in a text, SQLite does."""
    other = Database(postgres_url)
    furnish(database)
    with database.writing() as session:
        make_team(session, "N\0L")
    with pytest.raises(BackupError, match="a row of teams cannot be copied"):
        move(database, other, show=lambda _: None)
    with other.reading() as session:
        assert session.scalars(select(Match.match_id)).all() == []
    refuse_if_moved(database)  # it is used as before
    other.dispose()


def test_a_difference_after_copying_is_noticed(
    database: Database, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Database(postgres_url)
    furnish(database)
    insert = __import__("lol_dagster.backups.move", fromlist=["_insert"])._insert

    def insert_badly(connection: Any, table: Any, batch: list[dict[str, Any]]) -> None:
        insert(connection, table, batch[:-1] if table.name == "matches" else batch)

    monkeypatch.setattr("lol_dagster.backups.move._insert", insert_badly)
    with pytest.raises(BackupError, match=r"matches did not arrive|cannot be copied"):
        move(database, other, show=lambda _: None)
    other.dispose()


def test_the_facts_of_a_dump_are_read(postgres_url: str, tmp_path: Path) -> None:
    database = Database(postgres_url)
    with database.writing() as session:
        session.add(Fact(name="odd", value={"quote": 'a "b" \\ c\td', "line": "1\n2"}))
    backup = take_backup(database, tmp_path, NOW)
    assert postgres.read(database, backup.file).facts["odd"] == {
        "quote": 'a "b" \\ c\td',
        "line": "1\n2",
    }
    database.dispose()
