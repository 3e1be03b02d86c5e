"""What a webhook can do by itself and beside a bot; what it asks and what answers come to: test_answers.py."""

from __future__ import annotations

import pytest

from lol_dagster.delivery.transports.discord_webhook import DiscordWebhook
from lol_dagster.settings import Settings


@pytest.mark.parametrize(("token", "reads"), [("a", True), (None, False)])
def test_a_webhooks_messages_are_looked_for_by_the_bot_beside_it(
    token: str | None, reads: bool
) -> None:
    webhook = DiscordWebhook(Settings(discord_bot_token=token), deadline=1)
    assert webhook.capabilities.read_back is reads
