"""Reading back delivered messages in their channels: does each stand there once, as it should?

A sample, by reading only: what is found is noted for a person and for the asset check, and nothing is
put right from here. Channels that are closed for now are left alone, and what is learned about a
channel on the way (it was deleted, it does not answer, its rate limit) closes or opens it as ever.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from lol_dagster.delivery.claimed_message import ClaimedMessage, as_claimed, wanted
from lol_dagster.delivery.clock import Clock, Watch, clock_for
from lol_dagster.delivery.destinations import all_destinations, openings
from lol_dagster.delivery.model import (
    Absent,
    Deleted,
    Effect,
    Found,
    Get,
    Scan,
    Seen,
    Timing,
    Unmarked,
    Verdict,
)
from lol_dagster.delivery.outbox import note_answer, note_other_id, write_attempt
from lol_dagster.delivery.scopes import Call
from lol_dagster.delivery.transports.base import Answer, Transport
from lol_dagster.delivery.whereabouts import stands_elsewhere
from lol_dagster.delivery.worker import reading
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Channel, Message, MessageAudit
from lol_dagster.storage.models.delivery import IS_WRONG, WRONG_FINDINGS

SAMPLE = 20
"""Messages per audit; each costs a read by its id and a search of the channel's history."""
RECENT = timedelta(days=2)
"""The older a message, the more pages of history lie above it."""
MOST_PAGES = 50
"""Of a channel's history, for one message."""
BUDGET = timedelta(minutes=4)
"""No message is read back after this time."""
_CALLS: tuple[Call, ...] = ("edit", "scan")


@dataclass(frozen=True)
class AuditReport:
    """What an audit has shown."""

    findings: Mapping[str, str]
    """By message id: one of `AUDIT_FINDINGS`."""
    unseen: tuple[str, ...]
    """Ids of messages that could not be read back: their channel did not answer, or not us."""

    @property
    def counts(self) -> dict[str, int]:
        """How many messages, by finding."""
        return dict(Counter(self.findings.values()))

    @property
    def wrong(self) -> dict[str, str]:
        """The findings that should not be."""
        return {id_: finding for id_, finding in self.findings.items() if finding in WRONG_FINDINGS}


def audit_messages(
    database: Database,
    transports: Mapping[str, Transport],
    *,
    now: datetime,
    clock: Clock | None = None,
    size: int = SAMPLE,
    budget: timedelta = BUDGET,
    rng: random.Random | None = None,
    run_id: str | None = None,
) -> AuditReport:
    """Read back a random sample of the messages that were delivered lately, and those that did not
    stand as they should when they were last read back.

    Args:
        transports: `transports.registry.all_transports(settings)`.
        clock: The delivery clock; by default the database's.
        size: How many of each at most.
        rng: Draws the sample.
        run_id: The Dagster run on whose behalf, for the record.
    """
    clock = clock or clock_for(database)
    watch = Watch(now, clock)
    with database.reading() as session:
        chosen = _chosen(session, transports, now, size, rng or random.Random())  # noqa: S311
    findings: dict[str, str] = {}
    unseen: list[str] = []
    for message_id in chosen:
        if watch.now() - now >= budget:
            break
        claimed = _at_rest(database, transports, message_id, watch.now())
        if claimed is None:
            continue
        read = _Reading(database, transports, replace(claimed, run_id=run_id), watch)
        finding = read.finding()
        if finding is None:
            unseen.append(message_id)
            continue
        findings[message_id], detail = finding
        _note(database, message_id, findings[message_id], detail, watch.now())
    return AuditReport(findings, tuple(unseen))


def _chosen(
    session: Session,
    transports: Mapping[str, Transport],
    now: datetime,
    size: int,
    rng: random.Random,
) -> list[str]:
    readable = [kind for kind, transport in transports.items() if transport.can_edit]
    standing = (
        select(Message.id)
        .join(Channel, Channel.id == Message.channel_id)
        .where(
            Message.state == "delivered",
            Message.remote_id.is_not(None),
            Message.remote_deleted.is_(False),
            Channel.removed_at.is_(None),
            Channel.kind.in_(readable),
        )
    )
    recent = session.scalars(standing.where(Message.delivered_at > now - RECENT)).all()
    wrong = session.scalars(
        standing.join(MessageAudit, MessageAudit.message_id == Message.id)
        .where(text(IS_WRONG))
        .order_by(MessageAudit.at)
        .limit(size)
    ).all()
    sample = rng.sample(recent, min(size, len(recent)))
    return list(dict.fromkeys([*wrong, *sample]))


def _at_rest(
    database: Database, transports: Mapping[str, Transport], message_id: str, now: datetime
) -> ClaimedMessage | None:
    """The message, unless it is being edited just now, stands where its channel no longer is, or the
    channel is not to be called.
    """
    with database.reading() as session:
        message = session.get_one(Message, message_id)
        destination = all_destinations(session, transports)[message.channel_id]
        opening = openings(session, [destination])
        # A message is read by its id as before an edit, and looked for.
        closed = any(opening.get((message.channel_id, call), now) > now for call in _CALLS)
        if closed or message.state != "delivered" or message.due_at is not None:
            return None
        if stands_elsewhere(session, message):
            return None
        return as_claimed(session, message, transports, destination, Timing())


class _Reading:
    """One message, read back."""

    def __init__(
        self,
        database: Database,
        transports: Mapping[str, Transport],
        claimed: ClaimedMessage,
        watch: Watch,
    ) -> None:
        self._database = database
        self._transports = transports
        self._claimed = claimed
        self._watch = watch

    def finding(self) -> tuple[str, str | None] | None:
        """The finding and a detail; None: nothing was seen."""
        row, address = self._claimed.row, self._claimed.address
        transport = self._transports[self._claimed.kind]
        remote_id = row.remote_id
        assert remote_id is not None, "only what has an id is read back"
        got = reading(lambda: transport.get(address, remote_id, row.id))
        self._note(Get(remote_id), got)
        if self._claimed.terms.read_back and isinstance(got.verdict, Seen | Deleted):
            # After a restored backup what is found may be older than its row.
            scan = Scan(row.after_id or transport.after_id(remote_id, None))
            sought = wanted(transport, self._claimed, scan, remote_id)
            listed = reading(lambda: transport.search(address, sought, MOST_PAGES))
            self._note(scan, listed)
            if (wrong := _miscounted(listed.verdict, got.verdict, remote_id)) is not None:
                return wrong
        return _standing(got, row.remote_rev or 0)

    def _note(self, effect: Effect, answer: Answer[Verdict]) -> None:
        """Write down a read that has no consequences for the message; for its channel it has."""
        now = self._watch.now()
        with self._database.writing() as session:
            attempt = write_attempt(session, self._claimed, effect, answer, now)
            note_answer(session, self._transports, self._claimed, effect, answer, now)
            note_other_id(session, attempt)


def _miscounted(listed: Verdict, got: Verdict, remote_id: str) -> tuple[str, str] | None:
    """What the channel's history holds against standing there once."""
    if isinstance(listed, Found):
        copies = [each for each in (listed.remote_id, *listed.extras) if each != remote_id]
        return ("duplicate", f"also there as {', '.join(copies)}") if copies else None
    if isinstance(listed, Absent) and isinstance(got, Seen):
        return "hidden", "it stands there, but the channel's history does not show it"
    return None


def _standing(got: Answer[Verdict], rev: int) -> tuple[str, str | None] | None:
    match got.verdict:
        case Seen(seen) if seen < rev:
            return "older_text", f"revision {seen} stands there, delivered was {rev}"
        case Seen():
            return "stands", None
        case Deleted(reason):
            return "deleted", reason
        case Unmarked(reason):
            return "altered", reason
    return None


def _note(
    database: Database, message_id: str, finding: str, detail: str | None, at: datetime
) -> None:
    with database.writing() as session:
        audit = session.get(MessageAudit, message_id)
        if audit is None:
            audit = MessageAudit(message_id=message_id)
            session.add(audit)
        audit.at, audit.finding, audit.detail = at, finding, detail
