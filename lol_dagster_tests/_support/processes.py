"""Processes of the tests' own: forked ones, and interpreters that run a few lines.

Forked ones come from a process that has imported everything, as a fresh interpreter takes seconds for that.
There is one such server for all tests of a run, and it imports what was asked for last: so it is asked
here, once, for what any of them needs.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    ["lol_dagster_tests.delivery.proof.prewarm", "lol_dagster_tests.riot.test_limiter_processes"]
)


@contextmanager
def interpreter(code: str, *arguments: str, says: str = "ready") -> Iterator[subprocess.Popen[str]]:
    """A Python process that runs `code` and has begun, as it has said; killed at the end of the block.

    Args:
        code: `os.read(0, 1)` in it waits until the test closes the process's standard input.
        says: The first line that it prints.
    """
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            said = process.stdout.readline()
            assert said == f"{says}\n", said or process.stderr.read()
            yield process
        finally:
            process.kill()
