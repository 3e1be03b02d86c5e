"""What a test of delivery needs: database, channels on sockets, a clock moved by hand."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from lol_dagster.delivery import message_rows
from lol_dagster.delivery.model import Timing
from lol_dagster.delivery.transports.base import Transport
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.delivery.worker import Deliverer, DeliveryReport
from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.pictures.artist import Artist
from lol_dagster.pictures.drawing import CannotDraw
from lol_dagster.settings import Settings
from lol_dagster.simulator.limits import Limit
from lol_dagster.simulator.main import Options, Simulator
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Attempt, Breaker, Channel, Message, Team
from lol_dagster_tests._support.fake_channels import (
    NOW,
    FakeDiscord,
    FakeSlack,
    HandClock,
    Recorded,
)
from lol_dagster_tests._support.raw_server import RawServer, raw_server
from lol_dagster_tests.delivery.proof.harness import Harness, ServiceClock

DISCORD_TOKEN = "discord-token-of-the-test"
SLACK_TOKEN = "xoxb-token-of-the-test"


def content(title: str) -> MessageContent:
    return MessageContent(title=title, summary=title, sections=(Section((Line("Ann"),)),))


def card(title: str) -> dict[str, Any]:
    return {"title": title}


class FakeArtist(Artist):
    """Draws what a card's title says, in letters."""

    def __init__(self) -> None:
        super().__init__(None)
        self.fails = False

    def draw(self, card: Any, **_: Any) -> bytes:
        if self.fails:
            raise CannotDraw("no paint")
        return f"picture of {card['title']}".encode()


@dataclass
class DeliverySetup:
    """Everything a test of the shell touches."""

    database: Database
    settings: Settings
    clock: HandClock
    discord: FakeDiscord
    slack: FakeSlack
    discord_server: RawServer
    slack_server: RawServer
    crashes: Recorded = field(default_factory=Recorded)
    artist: FakeArtist = field(default_factory=FakeArtist)
    jitter: float = 0.5
    _transports: dict[Settings, dict[str, Transport]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The wall clock, moving with the delivery clock."""
        return NOW + timedelta(seconds=self.clock.at - 1000.0)

    def deliverer(self, **values: Any) -> Deliverer:
        settings = values.pop("settings", self.settings)
        timing = values.pop("timing", Timing(call=2.0))
        if settings not in self._transports:  # a TLS context each, which takes its time
            # Their deadline is real time, which a busy machine takes.
            self._transports[settings] = all_transports(settings, Timing())
        return Deliverer(
            self.database,
            self._transports[settings],
            values.pop("clock", self.clock),
            timing=timing,
            jitter=lambda: self.jitter,
            crashpoint=self.crashes,
            at_once=values.pop("at_once", 1),  # in one order
            artist=self.artist,
            **values,
        )

    def run(self, *, wait: float = 0.0, **values: Any) -> DeliveryReport:
        """One delivery run of a deliverer of its own; waits only if `wait` says so."""
        options = {key: values.pop(key) for key in ("only_match_ids", "run_id") if key in values}
        deliverer = self.deliverer(**values)
        return deliverer.deliver_due(self.now, wait_up_to=timedelta(seconds=wait), **options)

    def pass_time(self, seconds: float) -> None:
        self.clock.at += seconds

    def channel(self, kind: str = "discord-bot", address: str | None = None, **values: Any) -> int:
        """A channel of a team of its own; its id."""
        addresses = {
            "discord-bot": f"{7 * 10**17 + self.discord.next_id()}",
            "discord-webhook": f"https://x/api/webhooks/{5 + self.discord.next_id()}/secret-of-hook",
            "slack-bot": f"C{self.slack.next_id():08d}",
            "slack-webhook": self.slack_server.url("/services/T1/B1/HOOK"),
        }
        with self.database.writing() as session:
            team = Team(name=f"team {uuid.uuid4()}", created_at=NOW)
            session.add(team)
            session.flush()
            channel = Channel(
                team_id=team.id,
                name=f"channel {uuid.uuid4()}",
                kind=kind,
                address=address or addresses[kind],
                created_at=NOW,
                **values,
            )
            session.add(channel)
            session.flush()
            return channel.id

    def address(self, channel_id: int) -> str:
        with self.database.reading() as session:
            return session.get_one(Channel, channel_id).address

    def message(self, channel_id: int, title: str = "Victory", **values: Any) -> str:
        """A message that is due; its id."""
        message_id = str(uuid.uuid4())
        values = {
            "id": message_id,
            "channel_id": channel_id,
            "subject": f"NA1_{message_id[:8]}",
            "kind": "game",
            "order_at": NOW,
            "created_at": self.now,
            "due_at": self.now,
            "nonce": message_id.replace("-", "")[:22],
            "content": content(title).to_json(),
            "desired_hash": content(title).content_hash(),
            **values,
        }
        with self.database.writing() as session:
            session.add(Message(**values))
        return message_id

    def say(self, message_id: str, title: str, card: dict[str, Any] | None = None) -> None:
        """Change a message's text as the stage `messages` does."""
        said = replace(content(title), card=card)
        with self.database.writing() as session:
            message = session.get_one(Message, message_id)
            message_rows._change_text(session, message, said, self.now)

    def with_card(self, channel_id: int, title: str = "Victory", **values: Any) -> str:
        """A message that is due, and is to get a picture; its id."""
        said = replace(content(title), card=card(title))
        values = {"content": said.to_json(), "desired_hash": said.content_hash(), **values}
        return self.message(channel_id, title, **values)

    def pictures(self, channel_id: int) -> list[list[bytes]]:
        """What stands below each message of the channel."""
        address = self.address(channel_id)
        if "webhooks/" in address:
            return self.discord.pictures("1" + address.split("webhooks/")[1].split("/")[0])
        fake = self.slack if address[0] == "C" else self.discord
        return fake.pictures(address)

    def row(self, message_id: str) -> Message:
        with self.database.reading() as session:
            return session.get_one(Message, message_id)

    def attempts(self, message_id: str) -> list[tuple[str, str | None]]:
        """Operation and outcome of each call, in order."""
        with self.database.reading() as session:
            rows = session.scalars(
                select(Attempt).where(Attempt.message_id == message_id).order_by(Attempt.id)
            )
            return [(row.op, row.outcome) for row in rows]

    def breaker(self, scope: str) -> Breaker | None:
        with self.database.reading() as session:
            return session.get(Breaker, scope)

    def titles(self, channel_id: int) -> list[str]:
        """What people see in the channel."""
        address = self.address(channel_id)
        if "webhooks/" in address:
            return self.discord.texts("1" + address.split("webhooks/")[1].split("/")[0])
        if address.endswith("HOOK"):
            return self.slack.texts("HOOK")
        return self.slack.texts(address) if address[0] == "C" else self.discord.texts(address)


def _open_delivery(database: Database, settings: Settings, stack: ExitStack) -> DeliverySetup:
    clock = HandClock()
    wall: Callable[[], datetime] = lambda: NOW + timedelta(seconds=clock.at - 1000.0)  # noqa: E731
    discord, slack = FakeDiscord(wall), FakeSlack(wall)
    discord_server = stack.enter_context(raw_server(discord))
    slack_server = stack.enter_context(raw_server(slack))
    settings = settings.model_copy(
        update={
            "discord_url": discord_server.url(""),
            "slack_url": slack_server.url("/api"),
            "slack_hooks_url": slack_server.url(""),
            "discord_bot_token": SecretStr(DISCORD_TOKEN),
            "slack_bot_token": SecretStr(SLACK_TOKEN),
        }
    )
    return DeliverySetup(database, settings, clock, discord, slack, discord_server, slack_server)


@pytest.fixture
def delivery(database: Database, settings: Settings) -> Iterator[DeliverySetup]:
    """On SQLite."""
    with ExitStack() as stack:
        yield _open_delivery(database, settings, stack)


@pytest.fixture
def any_delivery(any_database: Database, settings: Settings) -> Iterator[DeliverySetup]:
    """On SQLite and on PostgreSQL."""
    with ExitStack() as stack:
        yield _open_delivery(any_database, settings, stack)


def _open_harness(
    database: Database, settings: Settings, folder: Path, stack: ExitStack
) -> Harness:
    generous = Limit(10_000, 1)
    options = Options(discord_limit=generous, slack_limit=generous)
    clock = ServiceClock()
    world = stack.enter_context(Simulator(options, clock=clock))
    harness = Harness.of(database, settings, world, folder, clock)
    stack.callback(harness.end)
    return harness


@pytest.fixture
def harness(database: Database, settings: Settings, tmp_path: Path) -> Iterator[Harness]:
    """Real processes on SQLite."""
    with ExitStack() as stack:
        yield _open_harness(database, settings, tmp_path, stack)


@pytest.fixture
def any_harness(any_database: Database, settings: Settings, tmp_path: Path) -> Iterator[Harness]:
    """Real processes on SQLite and on PostgreSQL."""
    with ExitStack() as stack:
        yield _open_harness(any_database, settings, tmp_path, stack)
