"""Where alerts go: the channel that LOL_ALERT_CHANNEL names, and nowhere else."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lol_dagster.settings import Settings
from lol_dagster.storage.models import Channel


def find_alert_channel(session: Session, settings: Settings) -> Channel | None:
    """The channel, if one is named, there is one of that name, and it takes alerts."""
    channel = _named(session, settings)
    return channel if channel is not None and _takes_alerts(channel) else None


def alert_channel_error(session: Session, settings: Settings) -> str | None:
    """What is wrong with LOL_ALERT_CHANNEL, in a line; None also if it is not set."""
    if settings.alert_channel is None:
        return None
    channel = _named(session, settings)
    if channel is None:
        return (
            f"LOL_ALERT_CHANNEL names {settings.alert_channel!r}, and there is no channel of that "
            "name: 'lol-dagster channel list' has the names"
        )
    if not _takes_alerts(channel):
        return (
            f"LOL_ALERT_CHANNEL names {channel.name!r}, which does not take messages of the kind "
            "'alert'"
        )
    return None


def _named(session: Session, settings: Settings) -> Channel | None:
    if settings.alert_channel is None:
        return None
    return session.scalar(
        select(Channel).where(
            func.lower(Channel.name) == settings.alert_channel.strip().lower(),
            Channel.removed_at.is_(None),
        )
    )


def _takes_alerts(channel: Channel) -> bool:
    return channel.message_kinds is None or "alert" in channel.message_kinds
