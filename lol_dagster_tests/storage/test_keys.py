"""Secrets at rest: what stands in the files, and what happens with another key or none."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, StatementError

from lol_dagster.backups.take import take_backup
from lol_dagster.errors import UserError
from lol_dagster.settings import Settings, SettingsError, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.keys import Keyring, SecretKeyError, keyring
from lol_dagster.storage.models import AuditEntry, Channel
from lol_dagster.storage.rotation import rotate
from lol_dagster.storage.schema import open_database
from lol_dagster_tests._support.roster_rows import LONG_AGO, make_channel, make_team

TOKEN = "t0pS3cret-hook-token-that-nobody-may-read"
HOOK = f"https://discord.com/api/webhooks/420420420420420420/{TOKEN}"
ONE, OTHER = "one" * 11, "other" * 7

# Adds a key and dies before anything is rewritten.
_HALF = """
import os, signal
from lol_dagster.settings import load_settings
from lol_dagster.storage import rotation
from lol_dagster.storage.keys import keyring
from lol_dagster.storage.schema import open_database
settings = load_settings()
database = open_database(settings)
seen = rotation._decrypted
def look(session, keys, *, give_up_lost):
    if keys.count > 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return seen(session, keys, give_up_lost=give_up_lost)
rotation._decrypted = look
rotation.rotate(database, keyring(settings))
"""


def add_hook(database: Database) -> int:
    with database.writing(who="Ann") as session:
        team = make_team(session)
        return int(make_channel(session, team, kind="discord-webhook", address=HOOK).id)


def address(database: Database, channel: int) -> str:
    with database.reading() as session:
        return session.get_one(Channel, channel).address


def stored(database: Database) -> str:
    with database.reading() as session:
        return str(session.execute(text("SELECT address FROM channels")).scalar_one())


def bytes_beside(settings: Settings) -> bytes:
    """Everything that stands in the home: the database, its write-ahead log, the key."""
    return b"".join(path.read_bytes() for path in settings.home.rglob("*") if path.is_file())


def test_a_webhooks_token_stands_in_no_file_and_is_read_back(any_database: Database) -> None:
    channel = add_hook(any_database)
    assert TOKEN not in stored(any_database)
    assert address(any_database, channel) == HOOK
    if any_database.is_sqlite:
        take_backup(any_database, load_settings().home, datetime.now(UTC))
        assert list(load_settings().home.glob("backups/*.sqlite3"))
        assert TOKEN.encode() not in bytes_beside(load_settings())


def test_a_bots_channel_is_no_secret_and_stays_legible(any_database: Database) -> None:
    with any_database.writing() as session:
        make_channel(session, make_team(session), address="420420420420420420")
    assert stored(any_database) == "420420420420420420"


def test_the_key_is_a_file_of_its_owner_alone(database: Database, settings: Settings) -> None:
    add_hook(database)
    file = settings.home / "secret.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text().strip()) >= 43  # 32 bytes in base64


def test_of_two_that_make_the_first_key_together_both_use_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = keyring(settings), keyring(settings)
    draft = Keyring._draft
    written = []

    def overtaken(self: Keyring, keys: Sequence[str]) -> Path:
        mine = draft(self, keys)
        if self is first:
            written.append(second.encrypt("https://second"))
        return mine

    monkeypatch.setattr(Keyring, "_draft", overtaken)
    written.append(first.encrypt("https://first"))
    assert [first.decrypt(each) for each in written] == ["https://second", "https://first"]
    assert [path.name for path in settings.home.iterdir()] == ["secret.key"]


def test_another_key_is_refused_by_name_and_nothing_is_touched(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOL_SECRET_KEY", ONE)
    database = open_database(load_settings())
    channel = add_hook(database)
    before = stored(database)
    monkeypatch.setenv("LOL_SECRET_KEY", OTHER)
    with pytest.raises(SecretKeyError, match="LOL_SECRET_KEY should be the key") as caught:
        open_database(load_settings())
    assert TOKEN not in str(caught.value)
    monkeypatch.delenv("LOL_SECRET_KEY")
    with pytest.raises(SecretKeyError, match=r"put back the file .*secret.key, or set LOL_SECRET"):
        open_database(load_settings())
    assert not (settings.home / "secret.key").exists()
    assert stored(database) == before
    monkeypatch.setenv("LOL_SECRET_KEY", f"{OTHER}, {ONE}")
    again = open_database(load_settings())
    assert address(again, channel) == HOOK
    again.dispose()
    database.dispose()


def test_a_short_key_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOL_SECRET_KEY", f"{ONE},hunter2")
    with pytest.raises(SettingsError, match="LOL_SECRET_KEY should be 32 random") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_rotating_encrypts_anew_and_is_no_edit(any_database: Database) -> None:
    channel = add_hook(any_database)
    before = stored(any_database)
    keys = keyring(load_settings())
    assert rotate(any_database, keys).rewritten == 1
    assert stored(any_database) != before
    assert address(any_database, channel) == HOOK
    assert keys.count == 2  # the older one for older backups
    file = load_settings().home / "secret.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text(file.read_text().splitlines()[0])
    assert address(any_database, channel) == HOOK  # under the new key alone
    with any_database.reading() as session:
        assert session.get_one(Channel, channel).version == 1
        assert (
            session.scalars(select(AuditEntry.id).where(AuditEntry.action == "changed")).all() == []
        )


def test_a_rotation_that_is_killed_loses_nothing_and_is_done_again(
    database: Database, settings: Settings
) -> None:
    channel = add_hook(database)
    before = stored(database)
    ended = subprocess.run([sys.executable, "-c", _HALF], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert keyring(settings).count == 2
    assert stored(database) == before
    assert address(database, channel) == HOOK
    assert rotate(database, keyring(settings)).rewritten == 1
    assert address(database, channel) == HOOK


def test_with_a_key_in_the_environment_the_new_one_stands_in_front(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOL_SECRET_KEY", ONE)
    database = open_database(load_settings())
    channel = add_hook(database)
    with pytest.raises(UserError, match="put a new one in front of it with a comma"):
        rotate(database, keyring(load_settings()))
    database.dispose()
    monkeypatch.setenv("LOL_SECRET_KEY", f"{OTHER},{ONE}")
    settings = load_settings()
    database = open_database(settings)
    assert rotate(database, keyring(settings)).rewritten == 1
    database.dispose()
    monkeypatch.setenv("LOL_SECRET_KEY", OTHER)
    database = open_database(load_settings())
    assert address(database, channel) == HOOK
    database.dispose()


def test_what_no_key_opens_can_be_given_up(database: Database, settings: Settings) -> None:
    channel = add_hook(database)
    (settings.home / "secret.key").unlink()
    keys = keyring(settings)
    with pytest.raises(SecretKeyError):
        rotate(database, keys)
    with database.reading() as session:
        name = session.execute(text("SELECT name FROM channels")).scalar_one()
    assert rotate(database, keys, give_up_lost=True).given_up == (name,)
    assert address(database, channel) == ""


def test_an_error_of_the_database_shows_nothing_of_what_was_written(database: Database) -> None:
    with database.writing() as session:
        team = make_team(session).id
    channel = {"name": "hooks", "kind": "discord-webhook", "address": HOOK, "created_at": LONG_AGO}
    with pytest.raises(IntegrityError) as caught, database.writing() as session:
        session.add_all(Channel(team_id=team, **channel) for _ in range(2))
    assert TOKEN not in str(caught.value)
    with pytest.raises(StatementError) as wrong, database.writing() as session:
        session.add(Channel(team_id=team, **{**channel, "created_at": datetime(2026, 1, 1)}))  # noqa: DTZ001
    assert TOKEN not in str(wrong.value)


def test_each_purpose_has_a_key_of_its_own(settings: Settings) -> None:
    keys = keyring(settings)
    assert keys.key_for("a") == keys.key_for("a") != keys.key_for("b")
    assert Path(settings.home / "secret.key").exists()
