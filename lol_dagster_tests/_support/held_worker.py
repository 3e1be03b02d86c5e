"""A place in a run where its worker waits until a test lets it go on."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path


class Hold(logging.Handler):
    """A log handler for Dagster's `python_logs`: where the run's first step begins, it writes the worker's
    number into the file `worker`, the names of all that is imported into `modules`, and waits for somebody
    to open the fifo `go-on-NUMBER`.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = Path(folder)

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "dagster_event", None)
        if event is not None and event.event_type_value == "STEP_START":
            (self._folder / "modules").write_text("\n".join(sys.modules))
            go_on = self._folder / f"go-on-{os.getpid()}"
            os.mkfifo(go_on)
            draft = self._folder / "worker.draft"
            draft.write_text(str(os.getpid()))
            draft.rename(self._folder / "worker")
            go_on.open().close()
