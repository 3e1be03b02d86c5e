"""The transport of each kind of channel, as the settings describe it."""

from __future__ import annotations

from pydantic import SecretStr

from lol_dagster.delivery.states import Timing
from lol_dagster.delivery.transports import discord_api, slack_api
from lol_dagster.delivery.transports.base import Transport
from lol_dagster.delivery.transports.discord_bot import DiscordBot
from lol_dagster.delivery.transports.discord_webhook import DiscordWebhook
from lol_dagster.delivery.transports.slack_bot import SlackBot
from lol_dagster.delivery.transports.slack_webhook import SlackWebhook
from lol_dagster.http import DeadlineSession
from lol_dagster.settings import Settings
from lol_dagster.storage.database import assert_no_open_write


def all_transports(settings: Settings, timing: Timing | None = None) -> dict[str, Transport]:
    """By `Channel.kind`. Each tells what it can do and promises in `capabilities`."""
    timing = timing or Timing()
    discord = DeadlineSession(discord_api.USER_AGENT, guard=assert_no_open_write)
    slack = DeadlineSession(slack_api.USER_AGENT, guard=assert_no_open_write)
    bot = DiscordBot(discord, settings.discord_url, _value(settings.discord_bot_token), timing)
    reader = bot if settings.discord_bot_token is not None else None
    transports: list[Transport] = [
        bot,
        DiscordWebhook(discord, settings.discord_url, reader, timing),
        SlackBot(slack, settings.slack_url, _value(settings.slack_bot_token), timing),
        SlackWebhook(slack, settings.slack_hooks_url, timing),
    ]
    return {transport.kind: transport for transport in transports}


def _value(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
