"""What processes find when they begin, as JSON: two forked ones, and one that is spawned as Dagster does it.

python -m lol_dagster_tests._support.looking_around ADDRESS-OF-THE-FORK-SERVER
"""

from __future__ import annotations

import gc
import json
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import uuid
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Any


def look(queue: Any) -> None:
    connections = (".Engine", ".Connection", ".connection", ".Session", ".DagsterInstance")
    kinds = {f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects()}
    umask = os.umask(0o077)
    queue.put(
        {
            "threads": len(list(Path("/proc/self/task").iterdir())),
            "connections": sorted(each for each in kinds if each.endswith(connections)),
            "signals": {each.name: str(signal.getsignal(each)) for each in signal.Signals},
            "blocked signals": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            "umask": oct(umask),
            "folder": str(Path.cwd()),
            "arguments": sys.argv,
            "environment": dict(os.environ),
            "log handlers": [str(each) for each in logging.getLogger().handlers],
            "garbage collector": gc.isenabled(),
            "is a child": multiprocessing.parent_process() is not None,
            "chance": [random.random(), str(uuid.uuid4()), tempfile.mktemp()],
            "modules": list(sys.modules),
        }
    )


def found_by(context: ForkServerContext | SpawnContext) -> Any:
    queue = context.Queue()
    process = context.Process(target=look, args=(queue,))  # type: ignore[attr-defined]
    process.start()
    found = queue.get(timeout=240)
    process.join()
    return found


def main() -> None:
    from lol_dagster.orchestration import code_server, warm_workers

    assert code_server, "what it imports before it forks is there, too"
    random.seed(1)
    warm_workers.fork_workers(Path(sys.argv[1]))
    forked = [found_by(warm_workers.Workers()) for _ in range(2)]
    spawned = found_by(multiprocessing.get_context("spawn"))
    json.dump({"forked": forked, "spawned": spawned}, sys.stdout)


if __name__ == "__main__":
    main()
