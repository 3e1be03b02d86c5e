"""Carrying what is due: claim, look, send, write down, until there is nothing more to do now.

The thin shell around `protocol`: it makes the calls that the core asks for, each once. Nothing here
remembers anything from one step to the next that the database does not; whatever goes wrong with
the database ends the sweep, and the lease of the message in hand runs out.
"""

from __future__ import annotations

import logging
import os
import random
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session
from structlog.contextvars import bound_contextvars

from lol_dagster.delivery import calls, due, gates
from lol_dagster.delivery.claimed import Claimed
from lol_dagster.delivery.clock import Clock, Watch, clock_for
from lol_dagster.delivery.outbox import Outbox
from lol_dagster.delivery.protocol import may_send
from lol_dagster.delivery.report import Carried, DeliveryReport
from lol_dagster.delivery.states import (
    Delete,
    Effect,
    Get,
    NotSent,
    Patch,
    Post,
    PostVerdict,
    Scan,
    Send,
    Timing,
    Verdict,
)
from lol_dagster.delivery.transports.base import Answer, Transport, Wanted
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database

logger = logging.getLogger(__name__)

BUDGET = timedelta(minutes=4)
"""How long a sweep goes on by default: less than the run that it is a part of may take."""
PATIENCE = timedelta(seconds=10)
"""What is due this soon is waited for: a rate limit's second, or Discord's settling time."""


def no_crash(_label: str) -> None:
    """What a crash point does outside of tests."""


class Deliverer:
    """Delivers messages. Any number of them, in any number of processes, share the work."""

    def __init__(
        self,
        database: Database,
        transports: Mapping[str, Transport],
        clock: Clock,
        *,
        timing: Timing | None = None,
        lease_owner: str | None = None,
        jitter: Callable[[], float] = random.random,
        crashpoint: Callable[[str], None] = no_crash,
    ) -> None:
        """
        Args:
            transports: `transports.registry.all_transports(settings)`.
            lease_owner: What a claim is signed with, for people; by default host and process id.
            jitter: Uniform in [0, 1).
            crashpoint: Called with a label wherever a crash would be most awkward.
        """
        timing = timing or Timing()
        lease_owner = lease_owner or f"{socket.gethostname()}:{os.getpid()}"
        self._database = database
        self._transports = transports
        self._clock = clock
        self._crashpoint = crashpoint
        self._outbox = Outbox(
            database,
            transports,
            clock,
            timing=timing,
            lease_owner=lease_owner,
            jitter=jitter,
            crashpoint=crashpoint,
        )

    def due_now(self, now: datetime) -> int:
        """How many messages a sweep could send, look up or edit now."""
        with self._database.reading() as session:
            return due.count(session, self._opening_times(session), now)

    def next_due_at(self, only_match_ids: Collection[str] | None = None) -> datetime | None:
        """When a sweep has something to do next, perhaps by now; None: not before something
        changes.

        Args:
            only_match_ids: Counting only messages that tell of one of these games.
        """
        with self._database.reading() as session:
            return due.next_time(session, self._opening_times(session), only_match_ids)

    def _opening_times(self, session: Session) -> dict[int, datetime]:
        destinations = gates.destinations(session, self._transports)
        return gates.opening_times(session, destinations.values())

    def deliver_due(
        self,
        now: datetime,
        *,
        run_id: str | None = None,
        only_match_ids: Collection[str] | None = None,
        budget: timedelta = BUDGET,
        patience: timedelta = PATIENCE,
    ) -> DeliveryReport:
        """Carry every message that is due, and those that become due meanwhile or in a moment.

        Args:
            run_id: The Dagster run on whose behalf, for the record.
            only_match_ids: Only messages that tell of one of these games.
            budget: No message is begun after this time.
            patience: What is due this soon is waited for.

        Raises:
            sqlalchemy.exc.DBAPIError: the database failed; nothing is lost and nothing doubled.
        """
        sweep = Watch(now, self._clock)
        carried: dict[str, Carried] = {}
        while (asked_at := sweep.now()) - now < budget:
            claimed = self._outbox.claim(asked_at, run_id=run_id, only_match_ids=only_match_ids)
            if claimed is not None:
                done = self._carry(claimed, sweep)
                if done is not None:
                    carried[done.message_id] = done.after(carried.get(done.message_id))
                continue
            next_due = self.next_due_at(only_match_ids)
            if next_due is None or not asked_at < next_due <= asked_at + patience:
                break  # what is due already and could not be claimed is in other hands
            self._clock.sleep(max(0.0, (next_due - sweep.now()).total_seconds()))
        return DeliveryReport(tuple(carried.values()))

    def _carry(self, claimed: Claimed, sweep: Watch) -> Carried | None:
        """Do all that the core asks for; None: another deliverer has the message now."""
        about = {"message_id": claimed.row.id, "channel": claimed.channel_name}
        with bound_contextvars(
            **about, match_ids=list(claimed.match_ids), **_known(run_id=claimed.run_id)
        ):
            self._crashpoint("after_claim")
            now = claimed
            while now.effects:
                with bound_contextvars(**_known(attempt=now.attempt_id)):
                    after = self._do(now, now.effects[0], sweep)
                if after is None:
                    return None
                now = after
            return self._carried(now)

    def _do(self, claimed: Claimed, effect: Effect, sweep: Watch) -> Claimed | None:
        transport, address = self._transports[claimed.kind], claimed.address
        answer: Answer[Verdict]
        match effect:
            case Send():
                intended = self._outbox.intend(claimed, effect, sweep.now())
                if intended is not None and intended.effects:
                    self._crashpoint("after_intent")
                return intended
            case Post() | Patch():
                answer = self._send(claimed, effect)
            case Scan(after_id):
                wanted = Wanted(claimed.row.id, after_id, self._outbox.witness(claimed))
                answer = calls.looked(lambda: transport.scan(address, wanted))
            case Get(remote_id):
                answer = calls.looked(lambda: transport.get(address, remote_id, claimed.row.id))
            case Delete(remote_id):
                logger.error(
                    "told twice: a copy is taken away",
                    extra={"message_id": claimed.row.id, "remote_id": remote_id},
                )
                answer = calls.sent(lambda: transport.delete(address, remote_id))
                self._outbox.record(claimed, effect, answer, sweep.now())
                return replace(claimed, effects=claimed.effects[1:])
        self._crashpoint("after_call")
        concluded = self._outbox.conclude(claimed, effect, answer, sweep.now())
        self._crashpoint("after_result")
        return concluded

    def _send(self, claimed: Claimed, effect: Post | Patch) -> Answer[PostVerdict]:
        transport = self._transports[claimed.kind]
        message = claimed.outgoing
        assert message is not None, "what is to be sent was intended"
        if isinstance(message, Answer):
            return message
        # The intent's own commit may have taken long.
        if not may_send(self._outbox.age(claimed), claimed.terms):
            return Answer(NotSent("the claim grew old before the call", retry_after=0.0))
        self._crashpoint("before_call")
        if isinstance(effect, Patch):
            remote_id = effect.remote_id
            return calls.sent(lambda: transport.patch(claimed.address, remote_id, message))
        return calls.sent(lambda: transport.post(claimed.address, message))

    def _carried(self, claimed: Claimed) -> Carried:
        row = claimed.row
        link = None
        if row.state == "delivered" and row.remote_id is not None and not row.remote_deleted:
            link = self._transports[claimed.kind].link(claimed.address, row.remote_id)
        carried = Carried.of(claimed, link)
        logger.log(
            logging.WARNING if carried.outcome in ("needs_review", "blocked") else logging.INFO,
            "Message %s to %s: %s%s",
            row.id,
            claimed.channel_name,
            carried.outcome,
            f" ({row.last_error})" if row.last_error else "",
            extra={
                "message_id": row.id,
                "match_ids": list(claimed.match_ids),
                "channel": claimed.channel_name,
                "evidence": row.evidence,
                "remote_id": row.remote_id,
            },
        )
        return carried


def deliverer(settings: Settings, database: Database) -> Deliverer:
    """The deliverer that the settings describe."""
    timing = Timing()
    transports = all_transports(settings, timing)
    return Deliverer(database, transports, clock_for(database), timing=timing)


def _known(**context: object) -> dict[str, object]:
    return {name: value for name, value in context.items() if value is not None}
