"""Deliverers in real processes against the simulated world, and the oracle that judges them.

What was posted is what the world's truth log says, whatever any answer or any row claims. Judged as
Jepsen's total-queue checker does: lost, duplicated, unexpected, recovered; and those that need review.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select

from lol_dagster.delivery import message_rows
from lol_dagster.delivery.model import Timing
from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.settings import Settings
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Channel, Match, Message, MessageGame, Team
from lol_dagster_tests._support.processes import FORKED
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.delivery.proof.worker import PASSED, PATIENT, Orders, Strike, work

Process = ForkServerProcess

TITLE = re.compile(r"game\d{5}")
REVISION = re.compile(r"text(\d+)\.")


@dataclass(frozen=True)
class Verdict:
    """How the messages ended, by title."""

    lost: frozenset[str]
    """Never posted, and not held for a person to decide."""
    duplicated: frozenset[str]
    """Posted more often than once, also if a copy was deleted."""
    unexpected: frozenset[str]
    """Posted, and nobody had asked for it."""
    falsely_delivered: frozenset[str]
    """Believed to be delivered, and never posted under that id."""
    stale: frozenset[str]
    """Settled, editable and still standing, with another text than the newest."""
    open: frozenset[str]
    """Neither delivered nor held for review in the end."""
    recovered: frozenset[str]
    """Delivered, as a scan of the channel has shown."""
    needs_review: frozenset[str]
    delivered: frozenset[str]

    @property
    def wrong(self) -> dict[str, list[str]]:
        """What must never happen, where it did."""
        kinds = ("lost", "duplicated", "unexpected", "falsely_delivered", "stale", "open")
        return {kind: sorted(getattr(self, kind)) for kind in kinds if getattr(self, kind)}

    def __str__(self) -> str:
        counts = {name: len(value) for name, value in vars(self).items()}
        return ", ".join(f"{count} {name}" for name, count in counts.items())


@dataclass
class ServiceClock:
    """The wall clock of the services, which is not this machine's."""

    ahead: float = 0.0
    """Seconds."""
    passed: float = 0.0
    """Seconds that the test has let pass."""

    def __call__(self) -> float:
        return time.time() + self.ahead + self.passed


@dataclass
class Harness:
    """A database, a world and the workers between them."""

    database: Database
    settings: Settings
    world: Simulator
    folder: Path
    clock: ServiceClock = field(default_factory=ServiceClock)
    timing: Timing = PATIENT
    """Of the workers that are started."""
    titles: dict[str, str] = field(default_factory=dict)
    """By message id."""
    matches: list[str] = field(default_factory=list)
    """In the order in which they were to be sent."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _names: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _alive: list[Process] = field(default_factory=list)
    _rules: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pass_time(0.0)

    @classmethod
    def of(
        cls,
        database: Database,
        settings: Settings,
        world: Simulator,
        folder: Path,
        clock: ServiceClock,
    ) -> Harness:
        names = {name.removeprefix("LOL_").lower(): v for name, v in world.environment.items()}
        secret = {"discord_bot_token", "slack_bot_token", "riot_api_key"}
        values = {name: SecretStr(v) if name in secret else v for name, v in names.items()}
        return cls(database, settings.model_copy(update=values), world, folder, clock)

    # --- what is to be said ----------------------------------------------------------------------

    def channel(self, kind: str, **values: Any) -> tuple[int, str]:
        """A channel of its own: its id, and its name in the world (what `@PLACE` takes)."""
        number = next(self._numbers)
        place, address = {
            "discord-bot": (f"{7 * 10**17 + number}", f"{7 * 10**17 + number}"),
            "discord-webhook": (
                f"{8 * 10**17 + number}",
                f"{self.settings.discord_url}/webhooks/{8 * 10**17 + number}/secret",
            ),
            "slack-bot": (f"C{number:08d}", f"C{number:08d}"),
            "slack-webhook": (
                f"B{number:08d}",
                f"{self.settings.slack_hooks_url}/services/T1/B{number:08d}/secret",
            ),
        }[kind]
        with self.database.writing() as session:
            now = datetime.now(UTC)
            team = Team(name=f"team {number}", created_at=now)
            session.add(team)
            session.flush()
            channel = Channel(
                team_id=team.id, name=f"channel {number}", kind=kind, address=address,
                created_at=now, **values,
            )  # fmt: skip
            session.add(channel)
            session.flush()
            return channel.id, place

    def say(self, channel_id: int, lines: Sequence[str] = ("Ann",)) -> str:
        """A message that is due; its match's id."""
        number = next(self._numbers)
        title, match_id, message_id = f"game{number:05d}", f"NA1_{number}", str(uuid.uuid4())
        content = _content(title, 1, lines)
        now = datetime.now(UTC)
        ended_at = datetime.fromtimestamp(self.clock(), UTC)  # by Riot's clock
        with self.database.writing() as session:
            session.add(Match(match_id=match_id, state="processed", listed_at=now))
            session.add(
                Message(
                    id=message_id, channel_id=channel_id, subject=match_id, kind="game",
                    order_at=ended_at + timedelta(microseconds=number), created_at=now, due_at=now,
                    nonce=message_id.replace("-", "")[:22], content=content.to_json(),
                    desired_hash=content.content_hash(),
                )
            )  # fmt: skip
            session.flush()
            session.add(
                MessageGame(channel_id=channel_id, match_id=match_id, message_id=message_id)
            )
        self.titles[message_id] = title
        self.matches.append(match_id)
        return match_id

    def change(self, match_id: str) -> None:
        """Another text for a game's message, as when the game is worked out again."""
        with self.database.writing() as session:
            message = session.scalars(
                select(Message)
                .join(MessageGame, MessageGame.message_id == Message.id)
                .where(MessageGame.match_id == match_id)
                .with_for_update(of=Message)
            ).one()
            content = _content(self.titles[message.id], message.desired_rev + 1)
            message_rows._change_text(session, message, content, datetime.now(UTC))

    def delete(self, match_id: str) -> None:
        """A moderator deletes a game's message from its channel."""
        with self.database.reading() as session:
            games = session.scalars(select(MessageGame).where(MessageGame.match_id == match_id))
            title = self.titles[games.one().message_id]
        with self.world._lock:
            for board in (self.world.discord.board, self.world.slack.board):
                for each in itertools.chain(*board.channels.values()):
                    if title in json.dumps(each.body) and each.deleted_at is None:
                        board.delete(each)

    def fault(self, *rules: str) -> None:
        """Put further faults in force, beside those that are."""
        self._rules += rules
        self.world.set_faults(";".join(self._rules))

    # --- time ------------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Let so much time have passed for everybody: the services, the workers, frozen ones too."""
        self.clock.passed += seconds
        draft = self.folder / f"{PASSED}.draft"
        draft.write_text(str(self.clock.passed))
        draft.replace(self.folder / PASSED)  # at once, for those that read it

    def end_leases(self) -> None:
        """Let the time pass for which a claim of now keeps others away."""
        self.pass_time(self.timing.lease)

    # --- workers ---------------------------------------------------------------------------------

    def start(self, **orders: Any) -> Process:
        """A worker, running."""
        name = f"worker{next(self._names)}"
        url = self.database.url.render_as_string(hide_password=False)
        settings = orders.pop("settings", self.settings)
        orders = {"timing": self.timing} | orders
        process = FORKED.Process(
            target=work, args=(Orders(name, settings, url, self.folder, **orders),), name=name
        )
        process.start()
        self._alive.append(process)
        return process

    def freeze(self, match_id: str, label: str, **orders: Any) -> Process:
        """A worker that sends the match's message alone and stands still at the label."""
        (frozen,) = self.freeze_all([(match_id, label)], **orders)
        return frozen

    def freeze_all(self, matches: Iterable[tuple[str, str]], **orders: Any) -> list[Process]:
        """For each match and label a worker that stands still there."""
        frozen = [
            self.start(only=match_id, strike=Strike(label, deed="freeze"), **orders)
            for match_id, label in matches
        ]
        # What they write down comes before the deed: woken too early one would sleep forever.
        wait_for("frozen workers", lambda: all(map(_stands_still, frozen)))
        return frozen

    def wake(self, frozen: Process) -> None:
        assert frozen.pid is not None
        os.kill(frozen.pid, signal.SIGCONT)

    def thaw(self, *frozen: Process) -> None:
        """Let them go on to their end."""
        for each in frozen:
            self.wake(each)
        self.join(frozen)

    def strike(
        self, strikes: Iterable[tuple[str, Strike]], *, at_once: int = 5, **orders: Any
    ) -> Counter[int | None]:
        """For each match a worker that sends its message alone and meets its fate on the way;
        their exit codes.
        """
        left = list(strikes)[::-1]
        running: list[Process] = []
        codes: Counter[int | None] = Counter()
        while left or running:
            while left and len(running) < at_once:
                only, strike = left.pop()
                running.append(self.start(only=only, strike=strike, **orders))
            over = set(wait([each.sentinel for each in running], timeout=60))
            assert over, f"no worker ended\n{self.stderr[-4000:]}"
            codes.update(each.exitcode for each in running if each.sentinel in over)
            running = [each for each in running if each.sentinel not in over]
        return codes

    def finish(self, *, workers: int = 2, within: float = 60.0, **orders: Any) -> Verdict:
        """Workers that nothing happens to, until all is settled; and what came of it.

        Patient ones find that all claims of before are over. Those in a hurry wait for that: what was
        given up on may still be accepted meanwhile.
        """
        if self.timing is PATIENT:
            self.end_leases()
        last = [self.start(**orders) for _ in range(workers)]
        self.join(last, within)
        codes = [each.exitcode for each in last]
        assert codes == [0] * workers, f"workers ended with {codes}\n{self.stderr[-4000:]}"
        return self.verdict()

    def keep(
        self, count: int, *, disturb: Callable[[list[Process]], None], within: float,
        **orders: Any,
    ) -> Verdict:  # fmt: skip
        """So many workers, each replaced when it dies, until all is settled.

        Args:
            disturb: Called every 50 ms with those that run.
        """
        ends = time.monotonic() + within
        running = [self.start(**orders) for _ in range(count)]
        while running:
            assert time.monotonic() < ends, f"{self.verdict()}\n{self.stderr[-4000:]}"
            disturb(running)
            wait([each.sentinel for each in running], timeout=0.05)
            died = [each for each in running if each.exitcode not in {None, 0}]
            running = [each for each in running if each.exitcode is None]
            running += [self.start(**orders) for _ in died]
        return self.verdict()

    def join(self, workers: Sequence[Process], within: float = 60.0) -> None:
        ends = time.monotonic() + within
        for each in workers:
            each.join(max(0.0, ends - time.monotonic()))
            assert each.exitcode is not None, f"{each.name} is still at it\n{self.stderr[-4000:]}"

    def end(self) -> None:
        """Whatever still runs or stands frozen."""
        for each in self._alive:
            if each.exitcode is None and each.pid is not None:
                os.kill(each.pid, signal.SIGKILL)
                each.join(10)

    # --- what happened ---------------------------------------------------------------------------

    @property
    def passages(self) -> list[list[str]]:
        """Worker, label and deed of every crash point passed."""
        file = self.folder / "passages"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def struck(self) -> Counter[str]:
        """How often a deed was done, by label."""
        return Counter(label for _, label, deed in self.passages if deed != "-")

    @property
    def stderr(self) -> str:
        file = self.folder / "stderr"
        return file.read_text() if file.exists() else ""

    def _standing(self) -> dict[str, int]:
        """Which revision stands in its channel, by title; without those that were deleted."""
        standing: dict[str, int] = {}
        for entry in self.world.truth.events():
            if entry["event"] in {"posted", "edited"}:
                standing[title_of(entry)] = revision_of(entry)
            elif entry["event"] == "deleted":
                standing.pop(title_of(entry), None)
        return standing

    def verdict(self) -> Verdict:
        posted = self.world.truth.posted
        posted_times = Counter(title_of(entry) for entry in posted)
        ids = {(title_of(entry), entry["message"]) for entry in posted}
        with self.database.reading() as session:
            rows = {self.titles[row.id]: row for row in session.scalars(select(Message))}
            fixed = set(session.scalars(select(Channel.id).where(Channel.kind == "slack-webhook")))
        standing = self._standing()
        delivered = {title for title, row in rows.items() if row.state == "delivered"}
        needs_review = {title for title, row in rows.items() if row.state == "needs_review"}
        return Verdict(
            lost=frozenset(rows.keys() - posted_times.keys() - needs_review),
            duplicated=frozenset(title for title, times in posted_times.items() if times > 1),
            unexpected=frozenset(posted_times.keys() - rows.keys()),
            falsely_delivered=frozenset(
                title
                for title in delivered
                if title not in posted_times
                or not (rows[title].remote_id is None or (title, rows[title].remote_id) in ids)
            ),
            stale=frozenset(
                title
                for title in delivered & standing.keys()
                if rows[title].channel_id not in fixed
                and standing[title] != rows[title].desired_rev
            ),
            open=frozenset(
                title
                for title, row in rows.items()
                if title not in delivered | needs_review or row.due_at is not None
            ),
            recovered=frozenset(title for title, row in rows.items() if row.evidence == "scan"),
            needs_review=frozenset(needs_review),
            delivered=frozenset(delivered),
        )


def _stands_still(process: Process) -> bool:
    # The state is the first field after the command's name, which stands in parentheses.
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _content(title: str, rev: int, lines: Sequence[str] = ("Ann",)) -> MessageContent:
    section = Section(tuple(map(Line, (f"text{rev}.", *lines))))
    return MessageContent(title=title, summary=title, sections=(section,))


def revision_of(entry: dict[str, Any]) -> int:
    """Which revision's text a truth log's entry shows, whatever its marker says."""
    (revision,) = set(REVISION.findall(json.dumps(entry["body"])))
    return int(revision)


def title_of(entry: dict[str, Any]) -> str:
    """Which message a truth log's entry is: its one title, wherever the rendering has put it."""
    (title,) = set(TITLE.findall(json.dumps(entry["body"])))
    return str(title)
