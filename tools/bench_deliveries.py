"""How long it takes to deliver to many channels: one after another, side by side, and at least.

    .venv/bin/python tools/bench_deliveries.py [CHANNELS MESSAGES]

Belongs here: the made-up channels and messages, services that take as long to answer as the real ones and
keep to their limits, and the floor that these give. The services are in a process of their own.
"""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import func, select

from lol_dagster.delivery.clock import clock_for
from lol_dagster.delivery.model import Timing
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.delivery.worker import AT_ONCE, Deliverer
from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.settings import Settings
from lol_dagster.simulator.limits import Limit
from lol_dagster.simulator.main import Options, Simulator
from lol_dagster.simulator.wire import Answer, Request
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Attempt, Channel, Message, Team
from lol_dagster.storage.schema import open_database

ROOT = Path(__file__).resolve().parent.parent
ANSWERS_AFTER = 0.15
"""Seconds: what Discord and Slack take, more or less."""
OF_THE_BOT = 50
"""Calls a second that Discord allows a bot in all."""
_LONG = timedelta(hours=1)


@dataclass(frozen=True)
class Measured:
    """A delivery run."""

    messages: int
    """How many it delivered."""
    seconds: float
    put_off: int
    """Calls that met a rate limit."""


class _Slow(Simulator):
    def _answer(self, request: Request) -> Answer:
        time.sleep(ANSWERS_AFTER)
        return super()._answer(request)


def _serve(pipe: Connection) -> None:
    options = Options(discord_bot_limit=Limit(OF_THE_BOT, 1.0))
    with _Slow(options) as world:
        pipe.send(world.environment)
        with suppress(EOFError):
            pipe.recv()


@contextmanager
def services() -> Iterator[dict[str, str]]:
    """Discord and Slack; yields the settings that lead to them."""
    spawning = get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_serve, args=(theirs,))
    process.start()
    theirs.close()  # so that we notice where it has died
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join(10)
        process.kill()


def deliver(
    folder: Path, channels: int, messages: int, *, budget: timedelta = _LONG, at_once: int = AT_ONCE
) -> Measured:
    """One delivery run to so many channels, half of Discord's and half of Slack's.

    Args:
        folder: Where its database is made.
        budget: It is over after so long, whatever is left.
        at_once: As `Deliverer`'s.
    """
    with services() as environment:
        named = {name.removeprefix("LOL_").lower(): each for name, each in environment.items()}
        settings = Settings(home=folder, database_url=None).model_copy(
            update={
                name: SecretStr(each) if name.endswith(("token", "key")) else each
                for name, each in named.items()
            }
        )
        database = open_database(settings)
        now = datetime.now(UTC)
        _fill(database, channels, messages, now)
        transports = all_transports(settings, Timing())
        deliverer = Deliverer(database, transports, clock_for(database), at_once=at_once)
        begun = time.perf_counter()
        report = deliverer.deliver_due(datetime.now(UTC), budget=budget)
        seconds = time.perf_counter() - begun
        with database.reading() as session:
            asked_to_wait = select(func.count(Attempt.id)).where(Attempt.outcome == "put_off")
            put_off = session.scalar(asked_to_wait) or 0
        database.dispose()
    return Measured(report.delivered, seconds, put_off)


def floor(channels: int, messages: int) -> float:
    """Seconds that it takes at least: each message is a call, and a link to a channel of Discord's another
    one for all of its messages; Slack takes a message a second and channel.
    """
    discord = (messages + channels) / 2 / OF_THE_BOT
    slack = messages / channels - 1
    return max(discord, slack)


def _fill(database: Database, channels: int, messages: int, now: datetime) -> None:
    content = MessageContent("Ann won", "Ann won", (Section((Line("Ann"),)),))
    with database.writing() as session:
        session.add(team := Team(name="Amigos", created_at=now))
        session.flush()
        for number in range(channels):
            kind, address = (
                ("slack-bot", f"C{number:08d}")
                if number % 2
                else ("discord-bot", f"{7 * 10**17 + number}")
            )
            session.add(
                Channel(
                    id=number + 1, team_id=team.id, name=f"channel {number}", kind=kind,
                    address=address, created_at=now,
                )
            )  # fmt: skip
        session.flush()
        for number in range(messages):
            message_id = str(uuid.uuid4())
            session.add(
                Message(
                    id=message_id, channel_id=number % channels + 1, subject=f"NA1_{number}",
                    kind="game", order_at=now + timedelta(microseconds=number), created_at=now,
                    due_at=now, nonce=message_id.replace("-", "")[:22], content=content.to_json(),
                    desired_hash=content.content_hash(),
                )
            )  # fmt: skip


def main(channels: int = 500, messages: int = 2_000) -> None:
    """Both ways, the slow one for half a minute only."""
    sys.stdout.write(
        f"{channels} channels, {messages} messages due; the limits of Discord and Slack alone take "
        f"{floor(channels, messages):.0f} s\n"
    )
    for way, at_once, budget in (
        ("one after another", 1, timedelta(seconds=30)),
        ("side by side", AT_ONCE, _LONG),
    ):
        # In the checkout, as the folder for temporary files may be in memory.
        with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as folder:
            measured = deliver(Path(folder), channels, messages, budget=budget, at_once=at_once)
        a_second = measured.messages / measured.seconds
        sys.stdout.write(
            f"{way}: {measured.messages} in {measured.seconds:.0f} s, {a_second:.1f} a second, so "
            f"{messages / a_second:.0f} s for all; {measured.put_off} calls met a rate limit\n"
        )


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
