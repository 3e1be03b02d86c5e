"""A home is lost, and a backup that was taken in mid-work is restored into an empty one, which goes on.

What was posted is what the simulated channels say. The lost application went on after its backup: the
restored one has to find out what was delivered.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import select

from lol_dagster.backups.restore import restore_backup
from lol_dagster.backups.take import take_backup
from lol_dagster.delivery.model import Timing
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.delivery.worker import Deliverer
from lol_dagster.orchestration.resources import AppContext
from lol_dagster.pipeline.discovery import discover
from lol_dagster.pipeline.process import ProcessedGame, due_matches
from lol_dagster.settings import load_settings
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Message, MessageGame
from lol_dagster_tests._support.fake_channels import HandClock
from lol_dagster_tests._support.payloads import match_payload, participant, puuid_of
from lol_dagster_tests._support.processing import process
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team
from lol_dagster_tests._support.world import World

MATCH_ID = re.compile(r"50000000\d\d")


SERVICES = ("discord", "discord-hook", "slack")


class Died(BaseException):
    """The deliverer was killed."""


@dataclass
class Home:
    """An installation in the world; both have their time from one clock, which is moved by hand."""

    world: World
    clock: HandClock
    began: datetime

    def __post_init__(self) -> None:
        self.world.app.clock.now = self.now

    def now(self) -> datetime:
        return self.began + timedelta(seconds=self.clock.at)

    def finish(self, *numbers: int, minutes_ago: float = 1) -> None:
        """Let games of Ann's end."""
        for number in numbers:
            ended_at = self.now() - timedelta(minutes=minutes_ago)
            self.world.simulator.add_game(
                match_payload(game(number), ended_at=ended_at, participants=[participant("Ann")])
            )

    def ask_riot(self) -> None:
        app = self.world.app
        discover(app.database, app.riot, now=self.now(), everyone=True)

    def process(self) -> None:
        self.ask_riot()
        app = self.world.app
        with app.database.reading() as session:
            due = due_matches(session, now=self.now(), limit=100)
        for match_id in due:
            assert isinstance(process(app, match_id), ProcessedGame)

    def deliver(self, *numbers: int, die_at: str | None = None) -> None:
        """Send what is due, or the messages of these games alone.

        Args:
            die_at: The label at which the deliverer is killed.
        """

        def crash(label: str) -> None:
            if label == die_at:
                raise Died

        app = self.world.app
        deliverer = Deliverer(
            app.database,
            all_transports(app.settings, Timing()),
            self.clock,
            jitter=lambda: 0.0,
            crashpoint=crash,
        )
        self.clock.at += 2  # Slack takes a message a second
        only = [game(number) for number in numbers] or None
        try:
            deliverer.deliver_due(self.now(), only_match_ids=only, wait_up_to=timedelta())
        except Died:
            assert die_at

    def go_on(self) -> None:
        """Until nothing is left to do."""
        self.clock.at += 3600  # every lease is over
        self.process()
        for _ in range(8):
            self.deliver()
            self.clock.at += 300

    def states(self) -> dict[str, str]:
        """The state of the message that tells of a match, by match id."""
        with self.world.app.database.reading() as session:
            rows = session.execute(
                select(MessageGame.match_id, Message.state).join(
                    Message, Message.id == MessageGame.message_id
                )
            )
            return dict(rows.all())


@contextmanager
def restored(
    home: Home, backup: Path, folder: Path, *, ago: timedelta = timedelta()
) -> Iterator[Home]:
    """The backup, in a home of its own, on a machine of its own.

    Args:
        ago: When it was restored.
    """
    settings = home.world.app.settings.model_copy(update={"home": folder})
    folder.mkdir()
    key = home.world.app.settings.home / "secret.key"
    if key.exists():
        shutil.copy(key, folder)  # as the guide says
    database = Database(settings.effective_database_url)
    restore_backup(database, backup, home.now() - ago)
    database.dispose()
    app = AppContext(settings)
    home.clock.epoch = "boot:another"
    world = World(home.world.simulator, app, home.world.instance, home.world.channels)
    yield Home(world, home.clock, home.began)
    app.database.dispose()


def game(number: int) -> str:
    return f"NA1_50000000{number:02d}"


def deliveries(world: World, channel: str) -> Counter[str]:
    """How often each game was posted, by match id."""
    found: Counter[str] = Counter()
    for body in world.posted(channel):
        found.update(f"NA1_{each}" for each in set(MATCH_ID.findall(json.dumps(body))))
    return found


def in_mid_work(home: Home) -> None:
    """Games 1 to 8: delivered; posted without an answer; posted when the deliverer died; intended when
    it died; claimed when it died; waiting; only listed; not even listed.
    """
    world = home.world
    home.finish(1, 2, 3, 4, 5, 6)
    home.process()
    home.deliver(1)
    world.simulator.set_faults(";".join(f"{each}.post=error-after-accept" for each in SERVICES))
    home.deliver(2)
    world.simulator.set_faults("")
    home.deliver(3, die_at="after_call")
    home.deliver(4, die_at="before_call")
    home.deliver(5, die_at="after_claim")
    home.finish(7)
    home.ask_riot()
    home.finish(8)


def add_channel(world: World, kind: str) -> None:
    """Ann's team, with one channel."""
    place, address = {
        "discord-bot": ("700000000000000001", "700000000000000001"),
        "slack-bot": ("C0000000001", "C0000000001"),
        "discord-webhook": (
            "800000000000000001",
            f"{world.app.settings.discord_url}/webhooks/800000000000000001/secret",
        ),
    }[kind]
    with world.app.database.writing() as session:
        team = make_team(session, "Gamers")
        make_member(session, team, "Ann", puuid=puuid_of("Ann"), game_name="Ann")
        make_channel(session, team, "Gamers", kind=kind, address=address)
    world.channels["Gamers"] = place


@pytest.fixture
def empty_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """An installation in which nobody is tracked yet."""
    clock = HandClock(at=0.0)
    began = datetime.now(UTC)
    now = lambda: began.timestamp() + clock.at  # noqa: E731
    with Simulator(clock=now) as simulator, dg.DagsterInstance.ephemeral() as instance:
        for name, value in simulator.environment.items():
            monkeypatch.setenv(name, value)
        app = AppContext(load_settings())
        yield Home(World(simulator, app, instance), clock, began)
        app.database.dispose()


@pytest.fixture(params=["discord-bot", "slack-bot"])
def home(request: pytest.FixtureRequest, empty_world: Home) -> Home:
    """An installation with a channel whose history can be read."""
    add_channel(empty_world.world, request.param)
    return empty_world


def test_nothing_is_lost_and_nothing_is_duplicated(home: Home, tmp_path: Path) -> None:
    in_mid_work(home)
    states = home.states()
    assert states == {
        game(1): "delivered",
        game(2): "uncertain",
        game(3): "sending",
        game(4): "sending",
        game(5): "sending",
        game(6): "pending",
    }
    backup = take_backup(home.world.app.database, tmp_path / "backups", home.now())

    home.finish(9)
    home.go_on()
    assert deliveries(home.world, "Gamers") == Counter([game(number) for number in range(1, 10)])
    before = len(home.world.posted("Gamers"))

    home.finish(10)  # nobody sees it: the home is lost
    with restored(home, backup.file, tmp_path / "new") as new:
        new.go_on()
        assert deliveries(home.world, "Gamers") == Counter(
            [game(number) for number in range(1, 11)]
        )
        assert len(home.world.posted("Gamers")) == before + 1
        assert set(new.states().values()) == {"delivered"}
        # And what comes now is delivered as always.
        home.finish(11)
        new.go_on()
        assert deliveries(home.world, "Gamers")[game(11)] == 1


def test_a_home_that_is_restored_days_later_still_finds_its_own_messages(
    home: Home, tmp_path: Path
) -> None:
    """By then the games are stale, and would go into a catch-up message."""
    home.finish(1)
    home.process()
    backup = take_backup(home.world.app.database, tmp_path / "backups", home.now())
    home.finish(2)
    home.go_on()
    home.clock.at += 2 * 86400
    with restored(home, backup.file, tmp_path / "new") as new:
        new.go_on()
        assert set(new.states().values()) == {"delivered"}
    assert deliveries(home.world, "Gamers") == Counter([game(1), game(2)])
    assert len(home.world.posted("Gamers")) == 2


def test_a_catch_up_message_that_was_delivered_since_is_recognized(
    home: Home, tmp_path: Path
) -> None:
    """Whichever of its games comes first this time."""
    backup = take_backup(home.world.app.database, tmp_path / "backups", home.now())
    home.finish(1, 2, 3, minutes_ago=20 * 60)
    home.go_on()
    (posted,) = home.world.posted("Gamers")
    with restored(home, backup.file, tmp_path / "new") as new:
        home.finish(4, minutes_ago=19 * 60)
        new.go_on()
        assert set(new.states().values()) == {"delivered"}
    assert len(home.world.posted("Gamers")) == 1
    latest = json.dumps((home.world.edits("Gamers") or [posted])[-1])
    assert "4 games while I was away" in latest


def test_a_channel_that_cannot_be_read_gets_no_duplicate_and_a_person_decides(
    empty_world: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, world = empty_world, empty_world.world
    monkeypatch.delenv("LOL_DISCORD_BOT_TOKEN")
    world.app.settings = load_settings()
    add_channel(world, "discord-webhook")
    home.finish(1, minutes_ago=120)
    home.process()
    home.deliver()
    home.finish(2, minutes_ago=119)
    home.process()
    backup = take_backup(world.app.database, tmp_path / "backups", home.now())
    home.finish(3, minutes_ago=118)
    home.go_on()
    with restored(home, backup.file, tmp_path / "new", ago=timedelta(hours=1)) as new:
        home.finish(4)
        new.go_on()
        assert new.states() == {
            game(1): "delivered",
            game(2): "needs_review",
            game(3): "needs_review",
            game(
                4
            ): "delivered",  # it ended in the new application's time: no other can have delivered it
        }
        assert deliveries(world, "Gamers") == Counter([game(number) for number in range(1, 5)])
