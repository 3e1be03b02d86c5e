"""Channels that are being tried out: that may take a minute, longer than a page should.

One test message at a time per channel, however often the button is pressed. What it has shown stands
in the database; kept here is only which are running, and that is forgotten with the process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from lol_dagster.errors import UserError

logger = logging.getLogger(__name__)


@dataclass
class _Probe:
    is_running: bool = True
    error: str | None = None


class Probes:
    """Which channels are being tried out, and why the last try of a channel failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._probes: dict[int, _Probe] = {}

    def start(self, channel_id: int, work: Callable[[], object]) -> bool:
        """Do the work in the background.

        Returns:
            False: the channel is being tried out already.
        """
        with self._lock:
            if self.is_running(channel_id):
                return False
            probe = self._probes[channel_id] = _Probe()
        # A daemon: a web view that is asked to end does not wait for a channel that does not answer.
        threading.Thread(
            target=self._run, args=(probe, work), name=f"try channel {channel_id}", daemon=True
        ).start()
        return True

    def is_running(self, channel_id: int) -> bool:
        probe = self._probes.get(channel_id)
        return probe is not None and probe.is_running

    def error(self, channel_id: int) -> str | None:
        """Why the last try failed, if it did."""
        probe = self._probes.get(channel_id)
        return None if probe is None else probe.error

    def _run(self, probe: _Probe, work: Callable[[], object]) -> None:
        try:
            work()
        except UserError as error:
            probe.error = str(error)
        except Exception:
            logger.exception("trying a channel out failed")
            probe.error = "it failed unexpectedly: the log says why"
        finally:
            probe.is_running = False
