"""Processes of the tests' own, forked from one that has imported everything: a fresh interpreter each
takes seconds.

There is one such server for all tests of a run, and it imports what was asked for last: so it is asked
here, once, for what any of them needs.
"""

from __future__ import annotations

import multiprocessing

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(
    ["lol_dagster_tests.delivery.proof.prewarm", "lol_dagster_tests.riot.test_limiter_processes"]
)
