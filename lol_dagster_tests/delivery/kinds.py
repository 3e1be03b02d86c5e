"""The kinds of channels, and how often anything was posted to them."""

from __future__ import annotations

from lol_dagster_tests.delivery.conftest import Room

BOTS = ["discord-bot", "slack-bot"]
READABLE = [*BOTS, "discord-webhook"]
ALL = [*READABLE, "slack-webhook"]


def posts(room: Room) -> int:
    return room.discord.count("post") + room.slack.count("post") + room.slack.count("hook")
