"""What `ps` and `top` show of a process."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

_ARG_START, _ARG_END = 45, 46
"""Fields of /proc/self/stat after the name in parentheses: 48 and 49 in proc(5), which counts from 1."""


def set_process_title(title: str) -> None:
    """Have `ps` and `top` show the title; of `ps`'s full line as much as the old command line was long.

    For a process that was forked, whose command line is its parent's. On Linux; elsewhere nothing happens.

    Args:
        title: ASCII, at most 15 characters: the kernel keeps no more of a process's name.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(title)
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
        # A line that does not end in 0 the kernel would take to go on behind it.
        length = end - start - 1
        with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(title.encode()[:length].ljust(length, b"\0"))
