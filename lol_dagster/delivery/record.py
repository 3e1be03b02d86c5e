"""What calls to channels leave behind for people and for later steps: attempts, sight."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from lol_dagster.delivery.claimed import Claimed
from lol_dagster.delivery.states import Absent, Blind, Effect, Found, Verdict
from lol_dagster.delivery.transports.base import Answer
from lol_dagster.storage.models import Attempt, ChannelProbe


def attempt(
    session: Session, claimed: Claimed, effect: Effect, answer: Answer[Verdict], now: datetime
) -> None:
    """Complete the row of a call whose intent was written, or write that of one without."""
    row = None
    if claimed.attempt_id is not None:
        row = session.get(Attempt, claimed.attempt_id)
    if row is None:
        op = type(effect).__name__.upper()
        row = Attempt(
            message_id=claimed.row.id,
            fence=claimed.row.fence,
            op=op,
            rev=getattr(effect, "rev", None),
            at=now,
        )
        session.add(row)
    row.run_id = claimed.run_id
    row.outcome = _name(answer.verdict)
    row.http_status = answer.http_status
    row.code = answer.code
    row.request_id = answer.request_id
    row.elapsed_ms = None if answer.elapsed_s is None else round(answer.elapsed_s * 1000)
    row.remote_id = getattr(answer.verdict, "remote_id", None)
    row.detail = getattr(answer.verdict, "reason", None)


def last_post_met_server_error(session: Session, message_id: str) -> bool:
    """Whether that is still to be counted: once for each POST, however often it is looked for."""
    last = session.execute(
        select(Attempt.op, Attempt.http_status)
        .where(
            Attempt.message_id == message_id,
            or_(Attempt.op == "POST", Attempt.outcome == "absent"),
        )
        .order_by(Attempt.id.desc())
        .limit(1)
    ).first()
    return last is not None and last.op == "POST" and (last.http_status or 0) >= 500


def sight(session: Session, channel_id: int, verdict: Verdict) -> None:
    """Keep for status and checks whether the channel's history can be seen."""
    if not isinstance(verdict, Found | Absent | Blind):
        return
    blind = isinstance(verdict, Blind)
    probe = session.get(ChannelProbe, channel_id)
    if probe is not None:
        probe.unreadable_history = blind
    elif blind:
        session.add(ChannelProbe(channel_id=channel_id, unreadable_history=True))


def _name(verdict: Verdict) -> str:
    """`NotSent` as `not_sent`."""
    name = type(verdict).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")
