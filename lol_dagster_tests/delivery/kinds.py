"""The kinds of channels, and how often anything was posted to them."""

from __future__ import annotations

from lol_dagster_tests.delivery.conftest import DeliverySetup

BOTS = ["discord-bot", "slack-bot"]
READABLE = [*BOTS, "discord-webhook"]
ALL = [*READABLE, "slack-webhook"]


def posts(delivery: DeliverySetup) -> int:
    return (
        delivery.discord.count("post") + delivery.slack.count("post") + delivery.slack.count("hook")
    )
