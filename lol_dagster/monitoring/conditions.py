"""What is worth an alert: each condition that holds now, as a title and a line.

Causes hide their effects: while Riot refuses the key, nobody needs to hear that no list comes.
Who is told, when and how often is decided in alerts.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery.transports.registry import transport_type
from lol_dagster.monitoring.alert_channel import find_alert_channel
from lol_dagster.monitoring.failed_jobs import run_link
from lol_dagster.monitoring.health import Health
from lol_dagster.monitoring.problems import RENEW_KEY, disk_nearly_full
from lol_dagster.monitoring.trouble import (
    Found,
    blocked_scopes,
    find,
    messages_needing_review,
    unsettled_messages,
)
from lol_dagster.settings import Settings
from lol_dagster.storage.models import Breaker, Channel, FailedJob, Match, Message, Quarantine

NO_ANSWER_PATIENCE = timedelta(minutes=5)
"""A channel that does not answer is tried again every minute and mostly soon back."""
CATCH_UP_PATIENCE = timedelta(minutes=10)
"""After a night switched off everything is overdue, until it has been done."""
_SHORT = 300


@dataclass(frozen=True)
class Condition:
    """Something that is wrong now."""

    key: str
    """The same as long as it is the same trouble; what follows a colon tells those of a kind apart."""
    title: str
    text: str
    since: datetime | None = None
    """Since when, if that is known."""
    patience: timedelta = timedelta(0)
    """How long it must have lasted to be told."""
    can_be_told: bool = True
    """False: it is the alert channel itself that cannot be used; `status` says so."""

    @property
    def kind(self) -> str:
        return self.key.partition(":")[0]


def conditions(session: Session, health: Health, settings: Settings) -> list[Condition]:
    """All that hold, causes first."""
    return [
        *_of_the_house(health),
        *_of_riot(health),
        *_of_jobs(session, health),
        *_of_games(session, health),
        *_of_messages(session, health),
        *_of_channels(session, settings),
    ]


def _of_the_house(health: Health) -> Iterator[Condition]:
    if health.disk.is_nearly_full:
        yield Condition("disk", "The disk is nearly full", disk_nearly_full(health))


def _of_riot(health: Health) -> Iterator[Condition]:
    if health.riot_key_refused is not None:
        yield Condition(
            "riot-key",
            "Riot refuses the API key",
            f"{health.riot_key_refused[:_SHORT]}. Nothing is asked of Riot until there is another: "
            f"{RENEW_KEY}. No game is lost: the lists reach back.",
        )
        return
    for down in health.routes_down:
        yield Condition(
            f"riot-down:{down.route}",
            f"Riot gives no match lists for {down.route}",
            f"{(down.reason or '')[:_SHORT]}. It is tried every minute; no game is lost.",
            since=down.since,
        )
    if blind := health.accounts_missing_games:
        yield Condition(
            "blind",
            f"Games of {_number(blind, 'account')} cannot be seen",
            f"Riot has counted a ranked game of {blind}, and its match lists have shown none for "
            "over 90 minutes. It is not that nobody played.",
        )
    if (late := health.accounts_not_polled) and not health.routes_down:
        yield Condition(
            "not-polled",
            f"No match list of {_number(late, 'account')} for over an hour",
            f"{late}: {health.last_poll_error or 'nobody has asked for it'}",
            patience=CATCH_UP_PATIENCE,
        )


def _of_jobs(session: Session, health: Health) -> Iterator[Condition]:
    if health.riot_key_refused is not None:
        return
    for job in session.scalars(select(FailedJob).order_by(FailedJob.job)):
        yield Condition(
            f"job:{job.job}"[:48],
            f"The job {job.job} fails",
            f"{job.error[:_SHORT]} – {run_link(session, job.run_id)}",
            since=job.since,
        )


def _of_games(session: Session, health: Health) -> Iterator[Condition]:
    stuck = health.stuck_games
    if stuck and health.riot_key_refused is None and not health.routes_down:
        yield Condition(
            "games-stuck",
            f"{_number(stuck, 'game')} due for over half an hour",
            f"{stuck}: 'lol-dagster game show {stuck.first[0]}' has the last error",
            patience=CATCH_UP_PATIENCE,
        )
    aside = session.execute(
        select(Match.match_id, Quarantine.stage, Quarantine.error, Quarantine.quarantined_at)
        .join(Quarantine, (Quarantine.match_id == Match.match_id) & Quarantine.closed_at.is_(None))
        .where(Match.state == "quarantined")
        .order_by(Quarantine.id)
    )
    for match_id, stage, error, quarantined_at in aside:
        yield Condition(
            f"game:{match_id}",
            f"{match_id} is quarantined",
            f"{stage}: {_one_line(error)} – 'lol-dagster why {match_id}'",
            since=quarantined_at,
        )


def _of_messages(session: Session, health: Health) -> Iterator[Condition]:
    is_no_alert = Message.kind != "alert"  # an alert about an alert would go on for ever
    for message_id in session.scalars(messages_needing_review().where(is_no_alert)):
        short = message_id[:8]
        yield Condition(
            f"parked:{message_id}",
            f"The message {short} is parked",
            "Nobody can find out whether it arrived. Look into the channel, then 'lol-dagster "
            f"message resend', 'mark-delivered' or 'drop' {short}",
        )
    unsettled = find(session, unsettled_messages(health.looked_at).where(is_no_alert))
    if unsettled and not health.blocked:
        yield Condition(
            "messages-stuck",
            f"{_number(unsettled, 'message')} untold for too long",
            f"'lol-dagster message show {unsettled.first[0][:8]}' has what was tried",
            patience=CATCH_UP_PATIENCE,
        )
    if twice := health.duplicate_messages:
        yield Condition(
            "told-twice",
            f"{_number(twice, 'message')} told twice",
            f"'lol-dagster message show {twice.first[0][:8]}' has both ids: delete one by hand, and "
            "report this as a bug",
        )


def _of_channels(session: Session, settings: Settings) -> Iterator[Condition]:
    alert_channel = find_alert_channel(session, settings)
    breakers = session.scalars(
        select(Breaker).where(Breaker.scope.in_(blocked_scopes())).order_by(Breaker.scope)
    )
    for breaker in breakers:
        what, _, number = breaker.scope.partition(":")
        is_channel = what == "channel" and number.isdigit()
        channel = session.get(Channel, int(number)) if is_channel else None
        name = f"The channel {channel.name!r}" if channel else f"The {breaker.scope}"
        refuses = breaker.dead or breaker.fingerprint is not None
        yield Condition(
            breaker.scope if is_channel else f"token:{breaker.scope}"[:48],
            f"{name} {'is refused' if refuses else 'does not answer'}",
            f"{_one_line(breaker.reason or 'no reason noted')}. Its messages wait; "
            "'lol-dagster status' says what to do",
            since=breaker.since,
            patience=timedelta(0) if refuses else NO_ANSWER_PATIENCE,
            can_be_told=not _is_used_by(breaker.scope, alert_channel),
        )


def _is_used_by(scope: str, channel: Channel | None) -> bool:
    """Whether the scope is of that channel, or of the token that it is reached with."""
    if channel is None:
        return False
    return scope in {f"channel:{channel.id}", transport_type(channel.kind).token_scope}


def _number(found: Found, noun: str) -> str:
    return f"{found.count} {noun}{'' if found.count == 1 else 's'}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_SHORT]
