"""The channels in which a bot can post: by Discord's rules of permissions, and by Slack's membership."""

from __future__ import annotations

from typing import Any

import pytest

from lol_dagster.delivery.transports.base import Place, PlacesError, Reply
from lol_dagster.delivery.transports.discord_bot import DiscordBot
from lol_dagster.delivery.transports.discord_webhook import DiscordWebhook
from lol_dagster.delivery.transports.slack_bot import SlackBot
from lol_dagster.http_terms import NotSent
from lol_dagster.settings import load_settings
from lol_dagster.simulator.main import Simulator
from lol_dagster_tests._support.simulated_world import simulator  # noqa: F401
from lol_dagster_tests.simulator.asking import ask_discord, ask_slack

ME, SERVER, ROLE = "1", "100", "7"
# https://docs.discord.com/developers/topics/permissions: VIEW_CHANNEL 1 << 10, SEND_MESSAGES 1 << 11.
VIEW, SEND, ADMINISTRATOR = 1024, 2048, 8


def reply(data: Any, status: int = 200) -> Reply:
    return Reply(status, {}, b"", data, 0.0)


def channel(name: str, *overwrites: tuple[str, int, int], kind: int = 0) -> dict[str, Any]:
    """
    Args:
        overwrites: Whose, what they allow, what they deny.
    """
    return {
        "id": f"id of {name}",
        "name": name,
        "type": kind,
        "permission_overwrites": [
            {"id": whose, "allow": str(allow), "deny": str(deny)}
            for whose, allow, deny in overwrites
        ],
    }


@pytest.fixture(autouse=True)
def _tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOL_DISCORD_BOT_TOKEN", "token")
    monkeypatch.setenv("LOL_SLACK_BOT_TOKEN", "token")


def discord(
    monkeypatch: pytest.MonkeyPatch, permissions: int, *channels: dict[str, Any]
) -> DiscordBot:
    answers = {
        "/users/@me": {"id": ME},
        "/users/@me/guilds": [{"id": SERVER, "name": "Ours", "permissions": str(permissions)}],
        f"/guilds/{SERVER}/members/{ME}": {"roles": [ROLE]},
        f"/guilds/{SERVER}/channels": list(channels),
    }
    bot = DiscordBot(load_settings(), deadline=1.0)
    monkeypatch.setattr(bot, "call", lambda _method, path, **_: reply(answers[path]))
    return bot


def test_discord_lists_what_the_bot_sees_and_may_write_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bot = discord(
        monkeypatch,
        VIEW | SEND,
        channel("news", kind=5),
        channel("general"),
        channel("voice", kind=2),
        channel("hidden", (SERVER, 0, VIEW)),
        channel("read-only", (SERVER, 0, SEND)),
        # A role's word counts after everybody's, the bot's own after its roles'.
        channel("for-the-role", (SERVER, 0, VIEW), (ROLE, VIEW, 0)),
        channel("not-for-the-bot", (ME, 0, SEND), (ROLE, SEND, 0)),
        channel("of-another-role", (SERVER, 0, VIEW), ("8", VIEW, 0)),
    )
    assert bot.places() == [
        Place("id of for-the-role", "Ours · #for-the-role"),
        Place("id of general", "Ours · #general"),
        Place("id of news", "Ours · #news"),
    ]


def test_what_a_server_does_not_allow_a_channel_may(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = channel(
        "elsewhere", (SERVER, 0, 1 << 13)
    )  # what is denied says nothing of the rest
    bot = discord(monkeypatch, VIEW, channel("general"), elsewhere, channel("bots", (ME, SEND, 0)))
    assert [each.name for each in bot.places() or ()] == ["Ours · #bots"]
    # Nothing is denied to an administrator.
    bot = discord(monkeypatch, ADMINISTRATOR, channel("hidden", (SERVER, 0, VIEW)))
    assert [each.name for each in bot.places() or ()] == ["Ours · #hidden"]


def test_slack_lists_the_channels_that_the_bot_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    bot = SlackBot(load_settings(), deadline=1.0)
    asked: list[tuple[str, str, Any]] = []

    def call(verb: str, method: str, **what: Any) -> Reply:
        asked.append((verb, method, what["params"]))
        found = [{"id": "C2", "name": "lol"}, {"id": "G1", "name": "Alerts"}]
        return reply({"ok": True, "channels": found})

    monkeypatch.setattr(bot, "_call", call)
    assert bot.places() == [Place("G1", "#Alerts"), Place("C2", "#lol")]
    what = {
        "types": "public_channel,private_channel", "exclude_archived": "true", "limit": 1000,
    }  # fmt: skip
    assert asked == [("GET", "users.conversations", what)]


def test_discord_is_asked_for_twenty_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs two calls more."""
    bot = DiscordBot(load_settings(), deadline=1.0)
    asked: list[tuple[str, str, Any]] = []

    def call(verb: str, path: str, *, params: Any) -> Reply:
        asked.append((verb, path, params))
        return reply({"id": ME} if path == "/users/@me" else [])

    monkeypatch.setattr(bot, "call", call)
    assert bot.places() == []
    assert asked == [("GET", "/users/@me", None), ("GET", "/users/@me/guilds", {"limit": 20})]


def test_what_the_services_list_over_the_network_is_shown(
    simulator: Simulator,  # noqa: F811
) -> None:
    """Of the simulated ones, whose answers are compared with the services' own descriptions."""
    discord_bot, slack_bot = (
        kind(load_settings(), deadline=5.0) for kind in (DiscordBot, SlackBot)
    )
    for number in ("420420420420420420", "420420420420421337"):
        ask_discord(simulator, "POST", f"/channels/{number}/messages", {"content": "x"})
    for name in ("C0LOL00000", "C0ALERTS00", "C0NIGHT000"):
        ask_slack(simulator, "chat.postMessage", channel=name, text="x")
    # Neither the category nor the channel that the bot does not see.
    assert discord_bot.places() == [
        Place("420420420420420420", "Simulated · #channel-0420"),
        Place("420420420420421337", "Simulated · #channel-1337"),
        Place("1000000000000000005", "Simulated · #general"),
    ]
    # Slack gives two at once, however many it is asked for.
    assert [each.address for each in slack_bot.places() or ()] == [
        "C0ALERTS00", "C0GENERAL0", "C0LOL00000", "C0NIGHT000",
    ]  # fmt: skip
    assert len(simulator.truth.calls("slack.channels")) == 2


def test_a_service_that_does_not_say_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unanswered(*_: Any, **__: Any) -> Reply:
        raise NotSent("connection refused")

    slack, bot = (kind(load_settings(), deadline=1.0) for kind in (SlackBot, DiscordBot))
    monkeypatch.setattr(
        slack, "_call", lambda *_, **__: reply({"ok": False, "error": "missing_scope"})
    )
    with pytest.raises(PlacesError, match=r"missing_scope; the scopes channels:read"):
        slack.places()
    monkeypatch.setattr(
        slack, "_call", lambda *_, **__: reply({"ok": False, "error": "invalid_auth"})
    )
    with pytest.raises(PlacesError, match=r"invalid_auth$"):
        slack.places()
    monkeypatch.setattr(bot, "call", lambda *_, **__: reply({"message": "401"}, 401))
    with pytest.raises(PlacesError, match="it answers 401"):
        bot.places()
    for each, name in ((slack, "_call"), (bot, "call")):
        monkeypatch.setattr(each, name, unanswered)
        with pytest.raises(PlacesError, match="connection refused"):
            each.places()


def test_a_list_that_is_not_understood_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    slack, bot = (kind(load_settings(), deadline=1.0) for kind in (SlackBot, DiscordBot))
    odd = reply({"ok": True, "channels": [{"id": "C1"}]})
    monkeypatch.setattr(slack, "_call", lambda *_, **__: odd)
    monkeypatch.setattr(bot, "call", lambda *_, **__: reply({}))
    for each in (slack, bot):
        with pytest.raises(PlacesError, match="is not understood"):
            each.places()


def test_without_a_bot_there_is_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert DiscordWebhook(load_settings(), deadline=1.0).places() is None
    for name in ("LOL_DISCORD_BOT_TOKEN", "LOL_SLACK_BOT_TOKEN"):
        monkeypatch.delenv(name)
    for kind in (SlackBot, DiscordBot):
        assert kind(load_settings(), deadline=1.0).places() is None
