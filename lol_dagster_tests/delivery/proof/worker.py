"""A deliverer in a process of its own that dies, freezes or loses its database on cue.

The process side of `harness.py`. Everything is the product's own but for the waits: of those that are waited
for a whole run takes about a second, in the real proportions where the protocol depends on them; or the test
lets them pass.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import psycopg2
from sqlalchemy import select
from sqlalchemy.orm import Session, configure_mappers

from lol_dagster.delivery import circuit_breaker
from lol_dagster.delivery.clock import Clock, clock_for
from lol_dagster.delivery.model import Accepted, Timing
from lol_dagster.delivery.transports import (
    base,
    discord_api,
    discord_bot,
    discord_webhook,
    slack_api,
    slack_bot,
)
from lol_dagster.delivery.transports.base import Hold, Outgoing, Transport
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.delivery.worker import Deliverer
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.identity import write_marker
from lol_dagster.settings import Settings
from lol_dagster.storage import database as storage
from lol_dagster.storage.database import Database
from lol_dagster.storage.keys import keyring
from lol_dagster.storage.models import Channel, Message
from lol_dagster_tests.delivery.proof.ablation import Mechanism, take_out
from lol_dagster_tests.delivery.proof.pg_proxy import CuttableWire

HURRIED = Timing(
    lease=1.5, call=0.5, margin=0.2, nonce_alone=1.5, backoff=(0.05, 0.1, 0.2), probe=0.3,
    retry_window=0.5,
)  # fmt: skip
"""Where calls are to be given up on: a busy machine may not answer in time what would be answered."""
GIVES_UP = replace(HURRIED, lease=6.0, call=2.0)
"""Where one call is to be given up on, and each other one is answered, however busy the machine."""
PATIENT = replace(HURRIED, lease=60.0, call=10.0, margin=5.0)
"""Where each call is answered, however busy the machine: leases end when the test says so."""
SETTLE = 0.6
"""Every late acceptance of the harness's comes at most 0.2 s after the call was given up on."""
NONCE_WINDOW = 3.0
"""What Discord remembers a nonce for in the harness: two leases, as in life (120 s and 60 s)."""
PASSED = "passed"
"""The name of the file with the seconds that the test has let pass."""
LABELS = (
    "claiming",
    "after_claim",
    "intending",
    "after_intent",
    "before_call",
    "after_call",
    "concluding",
    "after_result",
)

Deed = Literal["kill", "freeze", "lock", "fill", "cut", "raise", "lose-commit", "lose-answer"]


@dataclass(frozen=True)
class Strike:
    """What happens to a worker, and where: at the n-th time that it passes a label."""

    label: str
    nth: int = 1
    deed: Deed = "kill"


@dataclass(frozen=True)
class Orders:
    """What a worker is to do."""

    name: str
    settings: Settings
    database_url: str
    folder: Path
    """For `passages` (one line per crash point: worker, label, and the deed if one was done there)
    and `stderr`."""
    only: str | None = None
    """The match whose message is to be sent; None: all."""
    strike: Strike | None = None
    at_once: int = 1
    """How many messages it has under way: with one, what happens at a label happens to nothing else."""
    timing: Timing = PATIENT
    settle: float = SETTLE
    """Seconds after an unanswered call before the channel is read back."""
    skew: float = 0.0
    """Seconds by which this process's idea of the delivery clock and of the wall are ahead."""
    wall_skew: float = 0.0
    """Seconds by which the wall clock alone is ahead."""
    busy_ms: int = 30_000
    naive: bool = False
    """Send, then mark: what everybody writes first."""
    without: Mechanism | None = None
    """What is taken out of the protocol, to see that it is missed."""
    lifetime_s: int = 120


configure_mappers()  # once, before the workers are forked


class Struck(Exception):  # noqa: N818 - what happened
    """The database's answer to a commit was lost."""


@dataclass
class WorkersClock:
    """A clock on which time passes when the test says so, too; perhaps ahead of the other processes'."""

    clock: Clock
    folder: Path
    ahead: float = 0.0

    def passed(self) -> float:
        """Seconds that the test has let pass: `Harness.pass_time`."""
        return float((self.folder / PASSED).read_text())

    def read(self, session: Session) -> tuple[str, float]:
        epoch, at = self.clock.read(session)
        return epoch, at + self.passed() + self.ahead

    def local(self) -> float:
        return self.clock.local() + self.passed()

    def wall(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.passed() + self.ahead)

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


def work(orders: Orders) -> None:
    """Deliver until nothing is due any more; the body of the process."""
    signal.alarm(orders.lifetime_s)  # no worker outlives a test that was itself killed
    stderr = os.open(orders.folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(stderr, sys.stderr.fileno())
    _hurry(orders.busy_ms)
    wire = None
    url = orders.database_url
    if orders.strike is not None and orders.strike.deed in {"lose-commit", "lose-answer"}:
        wire = CuttableWire(url)
        url = wire.url
    database = Database(url, keyring(orders.settings))
    transports = all_transports(orders.settings, orders.timing)
    for transport in transports.values():
        _settle(transport, orders.settle)
    if orders.without is not None:
        take_out(orders.without, transports)
    if orders.naive:
        _send_then_mark(database, transports)
        return
    only = None if orders.only is None else {orders.only}
    clock = WorkersClock(clock_for(database), orders.folder, orders.skew)
    deliverer = Deliverer(
        database,
        transports,
        clock,
        timing=orders.timing,
        lease_owner=orders.name,
        crashpoint=_crashpoint(orders, wire),
        at_once=orders.at_once,
    )
    ahead = timedelta(seconds=orders.wall_skew)
    while True:
        deliverer.deliver_due(clock.wall() + ahead, only_match_ids=only)
        if deliverer.next_due_at(only) is None:
            return
        time.sleep(0.03)  # in other hands, until that lease ends


def _hurry(busy_ms: int) -> None:
    """Shorten what is not in `Timing`, in this process."""
    circuit_breaker.OPEN_FOR = circuit_breaker.PROBE_EVERY = timedelta(seconds=0.3)
    # A channel's history has many pages, as that of a busy channel.
    discord_bot.PAGE = discord_webhook.PAGE = slack_bot.PAGE = 10
    slack_api.PACE = discord_webhook._PACE = Hold(0.0)
    discord_api.DiscordTransport.calls_per_second = None
    discord_api._CLOUDFLARE_BAN = 1.0
    base._UNSAID_WAIT = discord_api._EDIT_LATER = 0.3
    storage.BUSY_TIMEOUT_MS = busy_ms


def _settle(transport: Transport, seconds: float) -> None:
    capabilities = replace(transport.capabilities, settle=seconds)
    kind = type(transport)
    transport.__class__ = type(kind.__name__, (kind,), {"capabilities": capabilities})


def _crashpoint(orders: Orders, wire: CuttableWire | None) -> Callable[[str], None]:
    log = os.open(orders.folder / "passages", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    passed: Counter[str] = Counter()
    counting = threading.Lock()  # several messages are under way at once

    def crashpoint(label: str) -> None:
        with counting:
            passed[label] += 1
            nth = passed[label]
        strike = orders.strike
        is_here = strike is not None and (strike.label, strike.nth) == (label, nth)
        deed = strike.deed if strike is not None and is_here else "-"
        os.write(log, f"{orders.name} {label} {deed}\n".encode())
        if is_here and wire is not None:
            wire.cut_at_next_commit(answer_only=deed == "lose-answer")
        elif is_here:
            _do(deed, orders)

    return crashpoint


_held: list[sqlite3.Connection] = []


def _do(deed: str, orders: Orders) -> None:
    url = storage.normalized_url(orders.database_url)
    match deed:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            # This thread, so that it does not go on until another one has noticed.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        case "raise":
            raise Struck
        case "lock":  # another one writes for longer than the busy timeout: until we have died
            assert url.database is not None
            connection = sqlite3.connect(url.database, isolation_level=None)
            connection.execute("BEGIN IMMEDIATE")
            _held.append(connection)
        case "fill":  # no file may grow any more
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        case "cut":
            with (
                contextlib.closing(
                    psycopg2.connect(host=url.query["host"], user=url.username, dbname=url.database)
                ) as other,
                other.cursor() as cursor,
            ):
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                    "datname = current_database() AND pid <> pg_backend_pid()"
                )


def _send_then_mark(database: Database, transports: dict[str, Transport]) -> None:
    """Send, then mark as sent; on any error try again later."""
    while True:
        with database.reading() as session:
            row = session.execute(
                select(Message, Channel.kind, Channel.address)
                .join(Channel, Channel.id == Message.channel_id)
                .where(Message.state == "pending")
                .order_by(Message.order_at)
                .limit(1)
            ).first()
        if row is None:
            return
        message, kind, address = row
        content = MessageContent.from_json(message.content)
        body = transports[kind].render(content, write_marker(message.id, 1))
        nonce = os.urandom(8).hex()  # of this send: who does not keep it can have no better one
        answer = transports[kind].post(address, Outgoing(message.id, 1, nonce, body))
        if isinstance(answer.verdict, Accepted):
            with database.writing() as session:
                session.get_one(Message, message.id).state = "delivered"
        else:
            time.sleep(0.02)
