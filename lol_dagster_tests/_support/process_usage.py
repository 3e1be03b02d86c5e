"""What the processes of `lol-dagster up` use, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lol_dagster_tests._support.process_harness import command_line, descendants

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024
_KINDS = {
    "daemon": "dagster._daemon",
    "webserver": "orchestration.web_server",
    "code-server": "orchestration.code_server",
    "admin": "main; main() admin",
    "up": "lol-dagster up",
    "fork-server": "lol-fork-server",
    "workers": "lol-run-worker",
}


@dataclass
class Usage:
    """Of all processes of one kind together."""

    processes: int = 0
    rss_kb: int = 0
    handles: int = 0
    threads: int = 0
    cpu_s: float = 0.0
    """Since they were started, that of children that have ended included."""


def usage(of: int) -> dict[str, Usage]:
    """By kind, what the process and all its descendants use now; `other`: helpers of runs."""
    found = {kind: Usage() for kind in (*_KINDS, "other")}
    for pid in [of, *descendants(of)]:
        with suppress(OSError, IndexError, ValueError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            kind = found[_kind(command_line(pid))]
            # proc(5), counted from the third field on: state is 0.
            kind.cpu_s += sum(map(int, fields[11:15])) / _TICKS
            kind.threads += int(fields[17])
            kind.rss_kb += int(fields[21]) * _PAGE_KB
            kind.handles += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
            kind.processes += 1
    return found


def total(of: Iterable[Usage]) -> Usage:
    added = Usage()
    for each in of:
        added.processes += each.processes
        added.rss_kb += each.rss_kb
        added.handles += each.handles
        added.threads += each.threads
        added.cpu_s += each.cpu_s
    return added


def _kind(command: str) -> str:
    return next((kind for kind, mark in _KINDS.items() if mark in command), "other")
