"""One `up` a home, however the last one ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lol_dagster.errors import UserError
from lol_dagster.services.home_lock import alone_in

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
