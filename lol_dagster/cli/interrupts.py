"""What a command says when Ctrl-C is pressed, before it has ended."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click


@contextmanager
def answering_ctrl_c(line: str) -> Iterator[None]:
    """Print a line at the first Ctrl-C, at once.

    By another thread, which Python's own part of the signal wakes: the handlers may be Dagster's, which
    hold the signal back for a while, and the main thread may be waiting for the network or the disk.
    Outside of the main thread, where nobody presses Ctrl-C, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received, sent = os.pipe()
    os.set_blocking(sent, False)
    before = signal.set_wakeup_fd(sent, warn_on_full_buffer=False)

    def answer() -> None:
        answered = False
        with os.fdopen(received, "rb", buffering=0) as signals:
            while numbers := signals.read(64):
                if signal.SIGINT in numbers and not answered:
                    answered = True
                    with suppress(OSError):  # a terminal that was closed
                        click.echo(line, err=True)

    thread = threading.Thread(target=answer, name="ctrl-c", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(sent)
        thread.join()
