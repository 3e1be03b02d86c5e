"""One `up` a home, however the last one ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from lol_dagster.errors import UserError
from lol_dagster.services import home_lock
from lol_dagster.services.home_lock import alone_in, alone_on
from lol_dagster.storage.database import Database
from lol_dagster.storage.server_locks import ServerLock, owner_of
from lol_dagster_tests._support.waiting import wait_for

LOCK_HOLDING_PROCESS = """
import os, sys
from pathlib import Path
from lol_dagster.errors import UserError
from lol_dagster.services.home_lock import alone_in
try:
    home = alone_in(Path(sys.argv[1]))
except UserError:
    print("refused", flush=True)
    raise SystemExit(2)
print("alone", flush=True)
os.read(0, 1)
"""


def lock_in_a_process(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", LOCK_HOLDING_PROCESS, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_of_several_that_start_together_one_gets_the_home(tmp_path: Path) -> None:
    processes = [lock_in_a_process(tmp_path) for _ in range(3)]
    said = [each.stdout.readline().strip() for each in processes if each.stdout is not None]
    for each in processes:
        each.kill()
        each.communicate()
    assert sorted(said) == ["alone", "refused", "refused"]


def test_the_home_is_free_as_soon_as_its_owner_is_killed(tmp_path: Path) -> None:
    owner = lock_in_a_process(tmp_path)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "alone\n"
    with pytest.raises(UserError, match="another `lol-dagster up` runs in"):
        alone_in(tmp_path)
    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()
    alone_in(tmp_path).close()


@pytest.fixture
def shared(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr(home_lock, "_LOOK_EVERY", 0.05)
    database = Database(postgres_url)
    yield database
    database.dispose()


def never(said: str) -> None:
    raise AssertionError(said)


def test_of_all_hosts_of_a_database_one_runs_up_and_the_other_learns_where(
    shared: Database,
) -> None:
    elsewhere = Database(shared.url)
    with alone_on(shared, lost=never):
        heard = f"lol-dagster up on {os.uname().nodename} runs since .* UTC on the same database"
        with pytest.raises(UserError, match=heard), alone_on(elsewhere, lost=never):
            pass
    with alone_on(elsewhere, lost=never):
        assert owner_of(shared, "lol-dagster up")
    elsewhere.dispose()


def break_off(database: Database) -> None:
    """As when the server is restarted."""
    ends = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    with database.reading() as session:
        session.execute(text(ends))


def test_a_session_that_breaks_off_is_begun_anew(shared: Database) -> None:
    with alone_on(shared, lost=never):
        break_off(shared)
        wait_for("lock", lambda: owner_of(shared, "lol-dagster up"))


def test_who_was_cut_off_and_replaced_has_to_end(
    shared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    others = ServerLock(Database(shared.url), "lol-dagster up")
    ours_is_held = ServerLock.is_held

    def replaced_first(lock: ServerLock) -> bool:
        if lock is not others and ours_is_held(lock):
            break_off(shared)
            assert others.take()
        return ours_is_held(lock)

    monkeypatch.setattr(ServerLock, "is_held", replaced_first)
    with alone_on(shared, lost=heard.append):
        (said,) = wait_for("word", lambda: heard)
    others.release()
    assert "has taken this one's place" in said


def test_sqlite_is_its_homes_and_needs_no_other_lock(sqlite_database: Database) -> None:
    with alone_on(sqlite_database, lost=never), alone_on(sqlite_database, lost=never):
        pass
