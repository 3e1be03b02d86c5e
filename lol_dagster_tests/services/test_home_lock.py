"""One `up` a home, however the last one ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

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


@pytest.mark.parametrize(
    "error",
    [
        PoolTimeoutError("QueuePool limit of size 5 overflow 10 reached"),
        PendingRollbackError("Can't reconnect until invalid transaction is rolled back."),
        OSError("no file descriptors left"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_keeps_it_from_being_begun_anew_it_is_tried_again_and_said(
    shared: Database,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    """Without the thread that tries, `up` would go on beside another one."""
    failed: list[Exception] = []
    take = ServerLock.take

    def fail_first(lock: ServerLock) -> bool:
        if not failed:
            failed.append(error)
            raise error
        return take(lock)

    with alone_on(shared, lost=never):
        monkeypatch.setattr(ServerLock, "take", fail_first)
        break_off(shared)
        wait_for("lock", lambda: failed and owner_of(shared, "lol-dagster up"))
    assert f"Whether this is the only `up` is not known: {type(error).__name__}" in caplog.text


def test_a_session_of_its_own_that_the_server_still_knows_is_no_other_up(
    shared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that stood still for longer than the client waits learns of the broken link only after the client
    has come back.
    """
    abandoned: list[Connection | None] = []
    taken: list[bool] = []
    is_held, take = ServerLock.is_held, ServerLock.take

    def broken_off_on_this_side(lock: ServerLock) -> bool:
        if not abandoned:
            abandoned.append(lock._connection)
            lock._connection = None
        return is_held(lock)

    def noted(lock: ServerLock) -> bool:
        taken.append(take(lock))
        return taken[-1]

    monkeypatch.setattr(ServerLock, "is_held", broken_off_on_this_side)
    monkeypatch.setattr(ServerLock, "take", noted)
    heard: list[str] = []
    with alone_on(shared, lost=heard.append):
        wait_for("further try", lambda: taken[:3] == [True, False, False])
        assert abandoned[0] is not None
        abandoned[0].close()
        wait_for("lock", lambda: taken[-1])
    assert heard == []


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
