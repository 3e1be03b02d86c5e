"""The world in one piece: `Simulator` for tests in their own process, `serve` as a process of its own.

`lol-dagster simulate` and `python -m lol_dagster.simulator` call `serve`.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event, RLock
from typing import Any, Self

from lol_dagster.simulator import discord, riot, slack
from lol_dagster.simulator.control import Control
from lol_dagster.simulator.ddragon import DataDragon
from lol_dagster.simulator.faults import Faults
from lol_dagster.simulator.games import Account, Games, accounts_in, game_of
from lol_dagster.simulator.generator import Generator
from lol_dagster.simulator.limits import Limit
from lol_dagster.simulator.payload import VERSION
from lol_dagster.simulator.payload_files import load_games
from lol_dagster.simulator.people import FRIENDS
from lol_dagster.simulator.server import Server
from lol_dagster.simulator.service import Dispatcher, Service
from lol_dagster.simulator.truth import Clock, TruthLog
from lol_dagster.simulator.wire import Answer, Request

DEFAULT_PORT = 3010
DEFAULT_PACE = 20.0
_MOST_PEOPLE = 40


@dataclass(frozen=True)
class Options:
    """How the world is set up. `faults` is a SPEC (see faults.py)."""

    seed: int = 0
    faults: str = ""
    riot_limits: str = riot.DEFAULT_LIMITS
    discord_limit: Limit = discord.DEFAULT_LIMIT
    discord_bot_limit: Limit | None = None
    """Of all the bot's calls together; None: none."""
    slack_limit: Limit = slack.DEFAULT_LIMIT
    truth_file: Path | None = None


def environment(port: int, address: str = "127.0.0.1") -> dict[str, str]:
    """The LOL_* variables that lead the product into the world on this port."""
    url = f"http://{address}:{port}"
    return {
        "LOL_RIOT_URL": url + "/riot/{route}",
        "LOL_RIOT_API_KEY": riot.API_KEY,
        "LOL_DISCORD_URL": f"{url}/discord/api/v10",
        "LOL_DISCORD_BOT_TOKEN": discord.BOT_TOKEN,
        "LOL_SLACK_URL": f"{url}/slack/api",
        "LOL_SLACK_HOOKS_URL": f"{url}/slack-hooks",
        "LOL_SLACK_BOT_TOKEN": slack.BOT_TOKEN,
        "LOL_DDRAGON_URL": f"{url}/ddragon",
    }


class Simulator:
    """Riot, Discord and Slack on one port of 127.0.0.1, in threads of this process.

    with Simulator() as world:
        world.add_game(payload)
        ... requests to world.url, with world.environment ...
        assert len(world.truth.posted) == 1
    """

    def __init__(
        self,
        options: Options | None = None,
        *,
        port: int = 0,
        address: str = "127.0.0.1",
        clock: Clock = time.time,
    ) -> None:
        """Set the world up and bind its port.

        Raises:
            ValueError: the faults or the limits in `options` are malformed.
            OSError: another program listens on the port.
        """
        options = self._options = options or Options()
        self.clock = clock
        self._lock = RLock()
        self.faults = Faults(options.faults, options.seed, clock)
        self.truth = TruthLog(clock, options.truth_file)
        self.games = Games()
        self._generator: Generator | None = None
        self.riot = riot.Riot(
            self.games, self.faults, clock, limits=options.riot_limits, seed=options.seed
        )
        self.discord = discord.Discord(
            self.truth,
            self.faults,
            clock,
            limit=options.discord_limit,
            bot_limit=options.discord_bot_limit,
        )
        ddragon = DataDragon(".".join([*VERSION.split(".")[:2], "1"]))
        self.slack = slack.Slack(
            self.truth, self.faults, clock, limit=options.slack_limit, loads=ddragon.has
        )
        self._services: dict[str, Service] = {
            "riot": self.riot,
            "discord": self.discord,
            "slack": self.slack,
            "slack-hooks": self.slack,
            "slack-files": self.slack,
            "ddragon": ddragon,
        }
        self._dispatcher = Dispatcher(self.truth, self.faults, self._lock)
        self._control = Control(
            self.truth,
            self.faults,
            self.games,
            self.riot,
            (self.discord.board, self.slack.board),
            lambda: self.people,
            clock,
        )
        self._server = Server(self._answer, port, address)
        self.port = self._server.port
        self.url = f"http://{address}:{self.port}"
        self.environment = environment(self.port, address)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        self.truth.close()

    def add_game(self, payload: Mapping[str, Any], *, available_at: float | None = 0.0) -> None:
        """Add a match-v5 payload, or put it in the place of the one with its id.

        It is listed once its end has come; it answers 404 until `available_at` (epoch seconds), and
        forever when that is None. The people in it become accounts.

        Raises:
            ValueError: it is no match-v5 object.
        """
        game = game_of(payload, available_at=available_at)
        with self._lock:
            self.games.add(game, accounts_in(payload))

    def add_account(self, account: Account) -> None:
        """Add an account that has not played, or rename one."""
        with self._lock:
            self.games.add_account(account)

    def load(self, folder: Path, *, keep_times: bool = False) -> int:
        """Add the games of a folder (see payload_files.load_games); tells how many."""
        games = load_games(folder, self.clock(), keep_times=keep_times)
        with self._lock:
            for game, accounts in games:
                self.games.add(game, accounts)
        return len(games)

    def make_games(self, pace: float) -> int:
        """Begin to make games up: those of the last day at once (tells how many), and from now on one
        that finishes every `pace` seconds.

        Raises:
            ValueError: the pace is not positive.
        """
        self._generator = Generator(self._options.seed, pace, self.clock())
        past = list(self._generator.past())
        with self._lock:
            for friend in FRIENDS:  # also those who have not played
                self.games.add_account(friend)
            for game, accounts in past:
                self.games.add(game, accounts)
        return len(past)

    @property
    def people(self) -> list[Account]:
        """The people worth tracking: the friends of made-up games, else those with the most games."""
        return list(FRIENDS) if self._generator else self.games.busiest(_MOST_PEOPLE)

    def set_faults(self, spec: str) -> None:
        """Put other faults in force.

        Raises:
            ValueError: the SPEC is malformed.
        """
        self.faults.set(spec)

    def _answer(self, request: Request) -> Answer:
        if self._generator is not None:
            with self._lock:
                for game, accounts in self._generator.live(self.clock()):
                    self.games.add(game, accounts)
        service = self._services.get(request.segments[0]) if request.segments else None
        if service is not None:
            return self._dispatcher.answer(service, request, self._server.stopping)
        with self._lock:
            return self._control.answer(request)


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
        OSError: another program listens on the port.
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
