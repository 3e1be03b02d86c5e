"""What Discord's bot knows of its channels; what it asks and what answers come to: test_answers.py."""

from __future__ import annotations

from typing import Any

import pytest

from lol_dagster.delivery.transports.base import Reply
from lol_dagster.delivery.transports.discord_bot import DiscordBot
from lol_dagster.http_terms import TransportError
from lol_dagster.settings import Settings


class Bot(DiscordBot):
    """Is answered by `says`."""

    def __init__(self) -> None:
        super().__init__(Settings(discord_bot_token="a"), deadline=1)
        self.asked: list[str] = []
        self.says: Reply | None = None

    def call(self, method: str, path: str, **_: Any) -> Reply:
        self.asked.append(f"{method} {path}")
        if self.says is None:
            raise TransportError("no answer")
        return self.says


@pytest.mark.parametrize(("said", "guild"), [({"guild_id": "42"}, "42"), ({}, "@me")])
def test_a_link_leads_to_the_channels_server_which_is_asked_for_once(
    said: dict[str, str], guild: str
) -> None:
    """A channel of private messages has none."""
    bot = Bot()
    bot.says = Reply(200, {}, b"", said, 0.1)
    for remote_id in ("7", "8"):
        assert bot.link("12", remote_id) == f"https://discord.com/channels/{guild}/12/{remote_id}"
    assert bot.asked == ["GET /channels/12"]
    bot.link("13", "7")
    assert bot.asked == ["GET /channels/12", "GET /channels/13"]


@pytest.mark.parametrize("says", [None, Reply(403, {}, b"", {}, 0.1), Reply(201, {}, b"", {}, 0.1)])
def test_without_an_answer_there_is_no_link_and_it_is_asked_for_again(says: Reply | None) -> None:
    bot = Bot()
    bot.says = says
    assert [bot.link("12", "7"), bot.link("12", "7")] == [None, None]
    assert bot.asked == ["GET /channels/12"] * 2
