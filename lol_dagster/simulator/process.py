"""The world as a process of its own: `lol-dagster simulate`, or `python -m lol_dagster.simulator`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from threading import Event

from lol_dagster.simulator.main import DEFAULT_PORT, Options, Simulator

DEFAULT_PACE = 20.0


def serve(
    *,
    port: int = DEFAULT_PORT,
    games: Path | None = None,
    keep_times: bool = False,
    pace: float = DEFAULT_PACE,
    options: Options | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; tells on standard output where, and with which variables.

    Args:
        port: port of 127.0.0.1; 0 is any free one.
        games: folder of payloads to serve; None: the world makes its own games.
        keep_times: serve the payloads as they are, instead of moved so that the newest ends now.
        pace: seconds between two made-up games that finish.
        options: seed, faults, limits, truth file.

    Raises:
        ValueError: the faults, the limits, the pace or the folder of games are wrong; the text
            says how.
        PortTakenError: another program listens on the port.
    """
    over = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    with Simulator(options, port=port) as world:
        if games is None:
            _say(f"{world.make_games(pace)} made-up games, and one more every {pace:g} s")
        else:
            _say(f"{world.load(games, keep_times=keep_times)} games from {games}")
        _say(f"The simulated world is at {world.url}/ and is reached with these settings:")
        for name, value in world.environment.items():
            _say(f"  {name}={value}")
        over.wait()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
