"""Locks with real processes, some of them frozen."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lol_dagster.errors import UserError
from lol_dagster.storage import file_locks
from lol_dagster.storage.file_locks import alone, end_owner, is_held
from lol_dagster_tests._support.processes import interpreter

HOLDING = """
import os, sys
from pathlib import Path
from lol_dagster.storage.file_locks import hold
handle = hold(Path(sys.argv[1]), within=0)
print("ready", flush=True)
os.read(0, 1)
"""


@contextmanager
def frozen_owner(file: Path) -> Iterator[subprocess.Popen[str]]:
    with interpreter(HOLDING, str(file)) as owner:
        os.kill(owner.pid, signal.SIGSTOP)
        yield owner


def test_nobody_waits_forever_for_a_frozen_owner(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with (
        frozen_owner(file) as owner,
        pytest.raises(UserError, match=f"process {owner.pid} has held .* for more than 0.1 s"),
        alone(file, within=0.1),
    ):
        pass
    assert owner.returncode == -signal.SIGKILL, "by this test's own hand, at its end"


def test_an_owner_that_hangs_is_killed_where_that_was_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with frozen_owner(file) as owner, alone(file, within=0.1, kill=True):
        assert file.read_text() == f"{os.getpid()}\n"
        assert owner.wait(timeout=10) == -signal.SIGKILL
    assert not is_held(file)


def test_a_process_that_only_has_the_owners_number_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in two containers that share a volume."""
    monkeypatch.setattr(file_locks, "_GONE_WITHIN", 0.1)
    file = tmp_path / "lock"
    with subprocess.Popen(["sleep", "60"]) as bystander, frozen_owner(file):
        file.write_text(f"{bystander.pid}\n")
        was_ended = end_owner(file)
        bystander.terminate()  # a SIGKILL would have been quicker
        ended_by = bystander.wait()
    assert (was_ended, ended_by) == (False, -signal.SIGTERM)
