"""How Slack's bot is made; what it asks and what answers come to: test_answers.py."""

from __future__ import annotations

from typing import Any

import pytest

from lol_dagster.delivery.transports import slack_bot
from lol_dagster.delivery.transports.base import Caller
from lol_dagster.http_terms import user_agent
from lol_dagster.settings import Settings


def test_files_go_wherever_slack_says_within_the_same_time_and_under_the_same_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[tuple[Any, ...]] = []

    def caller(*values: Any) -> Caller:
        made.append(values)
        return Caller(*values)

    monkeypatch.setattr(slack_bot, "Caller", caller)
    settings = Settings(slack_bot_token="b")
    slack_bot.SlackBot(settings, deadline=7.0)
    assert made == [(user_agent(), settings.slack_url, 7.0), (user_agent(), "", 7.0)]
