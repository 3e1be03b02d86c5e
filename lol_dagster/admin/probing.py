"""Test messages under way: trying a channel out may take a minute, longer than a page should.

One at a time per channel, however often the button is pressed. What was found stands in the database;
what is here is only that somebody is at it, and is forgotten with the process.
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
    is_under_way: bool = True
    trouble: str | None = None


class Probes:
    """Which channels are being tried, and why the last try of a channel broke off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._probes: dict[int, _Probe] = {}

    def start(self, channel_id: int, work: Callable[[], object]) -> bool:
        """Do the work in the background.

        Returns:
            False: somebody is at it already.
        """
        with self._lock:
            if self.is_under_way(channel_id):
                return False
            probe = self._probes[channel_id] = _Probe()
        # A daemon: a web view that is told to end does not wait for a channel that does not answer.
        threading.Thread(
            target=self._run, args=(probe, work), name=f"try channel {channel_id}", daemon=True
        ).start()
        return True

    def is_under_way(self, channel_id: int) -> bool:
        probe = self._probes.get(channel_id)
        return probe is not None and probe.is_under_way

    def trouble(self, channel_id: int) -> str | None:
        """Why the last try broke off, if it did."""
        probe = self._probes.get(channel_id)
        return None if probe is None else probe.trouble

    def _run(self, probe: _Probe, work: Callable[[], object]) -> None:
        try:
            work()
        except UserError as error:
            probe.trouble = str(error)
        except Exception:
            logger.exception("A channel's try broke off")
            probe.trouble = "it broke off: the log says why"
        finally:
            probe.is_under_way = False
