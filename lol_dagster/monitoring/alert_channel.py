"""Where alerts go: the channel that LOL_ALERT_CHANNEL names, and nowhere else."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lol_dagster.settings import Settings
from lol_dagster.storage.models import Channel


def find_alert_channel(session: Session, settings: Settings) -> tuple[Channel | None, str | None]:
    """The channel, or what is wrong with LOL_ALERT_CHANNEL, in a line; neither if it is not set."""
    if settings.alert_channel is None:
        return None, None
    channel = session.scalar(
        select(Channel).where(
            func.lower(Channel.name) == settings.alert_channel.strip().lower(),
            Channel.removed_at.is_(None),
        )
    )
    if channel is None:
        return None, (
            f"LOL_ALERT_CHANNEL names {settings.alert_channel!r}, and there is no channel of that "
            "name: 'lol-dagster channel list' has the names"
        )
    if channel.message_kinds is not None and "alert" not in channel.message_kinds:
        return None, (
            f"LOL_ALERT_CHANNEL names {channel.name!r}, which does not take messages of the kind "
            "'alert'"
        )
    return channel, None
